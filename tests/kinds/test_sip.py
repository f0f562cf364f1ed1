"""SIP OPTIONS to servers that behave as badly as a test wants."""

import asyncio
import os
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import pytest

from probes.kinds.sip import KIND, SipParams
from probes.model import Failure, Measurement

Serve = Callable[..., int]
Handler = Callable[[socket.socket], None]
Tls = Callable[[int], ssl.SSLContext]
Certificate = Callable[[int], tuple[Path, Path]]
BOUND_S = 5.0
"""More than any answer here takes on a busy machine."""
TCP = SipParams(transport="tcp")
ECHOED = (b"via", b"from", b"to", b"call-id", b"cseq")


async def ask(address: str, params: SipParams | None = None, timeout_s: float = BOUND_S) -> Measurement:
    deadline = asyncio.get_running_loop().time() + timeout_s
    return await KIND.bind(params or SipParams()).run(address, deadline)


def answer(request: bytes, status: bytes = b"200 OK", body: bytes = b"") -> bytes:
    """As RFC 3261, 8.2.6 has it: what tells whose answer it is comes back."""
    lines = request.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    echoed = [line for line in lines if line.partition(b":")[0].lower() in ECHOED]
    length = b"Content-Length: %d" % len(body)
    return b"\r\n".join((b"SIP/2.0 " + status, *echoed, b"Server: test", length, b"", body))


def says(*answers: Callable[[bytes], bytes] | bytes) -> Handler:
    """On a connection: takes a request, sends these, and holds it open."""

    def handle(sock: socket.socket) -> None:
        request = sock.recv(5000)
        for one in answers:
            sock.sendall(one if isinstance(one, bytes) else one(request))
        sock.recv(1)

    return handle


async def test_a_device_that_answers_over_udp(serve_udp: Serve) -> None:
    found = await ask(f"127.0.0.1:{serve_udp(lambda packet: [answer(packet)])}")
    assert (found.success, found.detail) == (True, "")
    assert [name for name, _ in found.phases] == ["resolve", "options"]
    assert dict(found.figures) == {"probe_ip_protocol": 4.0, "probe_sip_status_code": 200.0}


@pytest.mark.parametrize(
    "status",
    [b"301 Moved", b"401 Unauthorized", b"404 Not Found", b"486 Busy Here", b"503 Unavailable", b"603 Decline"],
)
async def test_every_final_response_proves_signalling(serve_udp: Serve, serve: Serve, status: bytes) -> None:
    """A refusal, too; the code is kept."""
    over_udp = await ask(f"127.0.0.1:{serve_udp(lambda packet: [answer(packet, status)])}")
    over_tcp = await ask(f"127.0.0.1:{serve(says(lambda request: answer(request, status, b'why')))}", TCP)
    for found in (over_udp, over_tcp):
        assert found.success
        assert dict(found.figures)["probe_sip_status_code"] == float(status[:3])


async def test_ipv6(serve_udp: Serve, serve: Serve) -> None:
    over_udp = await ask(f"[::1]:{serve_udp(lambda packet: [answer(packet)], host='::1')}")
    over_tcp = await ask(f"[::1]:{serve(says(answer), host='::1')}", TCP)
    for found in (over_udp, over_tcp):
        assert dict(found.figures) == {"probe_ip_protocol": 6.0, "probe_sip_status_code": 200.0}


async def test_provisional_responses_are_waited_through(serve_udp: Serve, serve: Serve) -> None:
    def slowly(request: bytes) -> Iterable[bytes]:
        yield answer(request, b"100 Trying")
        time.sleep(0.1)
        yield answer(request, b"180 Ringing")
        time.sleep(0.1)
        yield answer(request)

    def handle(sock: socket.socket) -> None:
        for part in slowly(sock.recv(5000)):
            sock.sendall(b"\r\n\r\n" + part)
        sock.recv(1)

    for found in (await ask(f"127.0.0.1:{serve_udp(slowly)}"), await ask(f"127.0.0.1:{serve(handle)}", TCP)):
        assert dict(found.figures)["probe_sip_status_code"] == 200.0


async def test_provisional_responses_alone_are_a_timeout(serve_udp: Serve) -> None:
    port = serve_udp(lambda packet: [answer(packet, b"100 Trying")])
    found = await ask(f"127.0.0.1:{port}", timeout_s=0.7)
    assert (found.failure, found.detail) == (Failure.TIMEOUT, "no answer in phase options")
    assert "probe_sip_status_code" not in dict(found.figures)


async def test_a_lost_request_is_sent_again_as_it_was(serve_udp: Serve) -> None:
    """RFC 3261, 17.1.2.2: a retransmission, no request of its own."""
    seen: list[bytes] = []

    def lossy(packet: bytes) -> Iterable[bytes]:
        seen.append(packet)
        return [answer(packet)] if len(seen) > 1 else []

    found = await ask(f"127.0.0.1:{serve_udp(lossy)}")
    assert found.success
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    "pattern", [rb"(branch=z9hG4bK)\w+", rb"(Call-ID: )\w+", rb"(CSeq: )[0-9]+", rb"(CSeq: .*)OPTIONS"]
)
async def test_responses_to_others_are_ignored(serve_udp: Serve, serve: Serve, pattern: bytes) -> None:
    """Another branch, another Call-ID, another number or method in CSeq: they count neither way."""

    def foreign(request: bytes) -> bytes:
        return re.sub(pattern, rb"\g<1>77", answer(request, b"500 Not Yours"))

    port = serve_udp(lambda packet: [foreign(packet), answer(packet)])
    for found in (await ask(f"127.0.0.1:{port}"), await ask(f"127.0.0.1:{serve(says(foreign, answer))}", TCP)):
        assert dict(found.figures)["probe_sip_status_code"] == 200.0


async def test_a_service_that_echoes_is_no_sip_server(serve_udp: Serve) -> None:
    found = await ask(f"127.0.0.1:{serve_udp(lambda packet: [packet])}", timeout_s=0.3)
    assert found.failure is Failure.TIMEOUT


@pytest.mark.parametrize("data", [b"no", b"\x00\x01", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SIP/2.0 200 OK\r\n\r\n"])
async def test_what_is_no_sip_is_a_failure_of_protocol(serve_udp: Serve, data: bytes) -> None:
    found = await ask(f"127.0.0.1:{serve_udp(lambda _: [data])}")
    assert found.failure is Failure.PROTOCOL
    assert found.phases[-1][0] == "options"


async def test_a_datagram_that_is_no_sip_does_not_hide_the_answer(serve_udp: Serve) -> None:
    """Anybody can send one in another's name."""
    assert (await ask(f"127.0.0.1:{serve_udp(lambda packet: [b'no', b'', answer(packet)])}")).success


@pytest.mark.parametrize(
    "data",
    [b"HTTP/1.1 400 Bad Request\r\n", b"220 mail.example.vn ESMTP\r\n", b"\x15\x03\x03\x00\x02\x02\x46", b"x" * 20_000],
)
async def test_another_protocol_on_the_port_is_told_at_once(serve: Serve, data: bytes) -> None:
    """While the connection is still open, and its sender silent."""
    found = await ask(f"127.0.0.1:{serve(says(data))}", TCP)
    assert found.failure is Failure.PROTOCOL


async def test_a_closed_port_is_refused(closed_port: int) -> None:
    """Over UDP the host says so by ICMP."""
    for params in (SipParams(), TCP):
        assert (await ask(f"127.0.0.1:{closed_port}", params)).failure is Failure.REFUSED


async def test_silence_is_a_timeout(serve_udp: Serve, silent_port: int, serve: Serve) -> None:
    addresses = {serve_udp(lambda _: []): SipParams(), silent_port: TCP, serve(says()): TCP}
    for port, params in addresses.items():
        found = await ask(f"127.0.0.1:{port}", params, timeout_s=0.2)
        assert found.failure is Failure.TIMEOUT


async def test_a_slow_answer_is_a_timeout(serve: Serve) -> None:
    def handle(sock: socket.socket) -> None:
        for byte in answer(sock.recv(5000)):
            sock.sendall(bytes((byte,)))
            time.sleep(0.05)

    assert (await ask(f"127.0.0.1:{serve(handle)}", TCP, timeout_s=0.5)).failure is Failure.TIMEOUT


@pytest.mark.parametrize("part", [b"", b"SIP/2.0 200 OK\r\nVia: x"])
async def test_a_connection_that_is_closed_before_an_answer_is_reset(serve: Serve, part: bytes) -> None:
    def handle(sock: socket.socket) -> None:
        sock.recv(5000)
        sock.sendall(part)

    found = await ask(f"127.0.0.1:{serve(handle)}", TCP)
    assert (found.failure, found.detail) == (Failure.RESET, "closed by the other side before a final response came")


async def test_a_half_closed_connection_still_answers(serve: Serve) -> None:
    def handle(sock: socket.socket) -> None:
        request = sock.recv(5000)
        sock.sendall(answer(request, b"100 Trying"))
        sock.sendall(answer(request))
        sock.shutdown(socket.SHUT_WR)
        sock.recv(1)

    assert (await ask(f"127.0.0.1:{serve(handle)}", TCP)).success


async def test_within_tls(serve: Serve, tls: Tls, certificate: Certificate) -> None:
    params = SipParams(transport="tls", ca_file=str(certificate(30)[0]))
    found = await ask(f"127.0.0.1:{serve(says(answer), tls=tls(30))}", params)
    assert found.success, found
    assert [name for name, _ in found.phases] == ["resolve", "connect", "tls", "options"]
    assert dict(found.figures)["probe_ssl_earliest_cert_expiry"] > time.time()


async def test_an_expired_certificate_is_a_failure_of_tls(serve: Serve, tls: Tls, certificate: Certificate) -> None:
    params = SipParams(transport="tls", ca_file=str(certificate(-1)[0]))
    found = await ask(f"127.0.0.1:{serve(says(answer), tls=tls(-1))}", params)
    assert found.failure is Failure.TLS
    assert "expired" in found.detail


async def test_without_tls_on_the_other_side_the_handshake_fails(serve: Serve) -> None:
    found = await ask(f"127.0.0.1:{serve(says(b'SIP/2.0 400 Bad Request'))}", SipParams(transport="tls"))
    assert found.failure is Failure.TLS


async def test_whom_to_ask_for_and_as_whom_can_be_said(serve_udp: Serve) -> None:
    seen: list[bytes] = []

    def remember(packet: bytes) -> Iterable[bytes]:
        seen.append(packet)
        return [answer(packet)]

    port = serve_udp(remember)
    params = SipParams(user="phong-hop", domain="example.vn", from_uri="sip:monitor@example.vn")
    assert (await ask(f"127.0.0.1:{port}", params)).success
    assert (await ask(f"127.0.0.1:{port}")).success
    assert seen[0].startswith(b"OPTIONS sip:phong-hop@example.vn SIP/2.0\r\n")
    assert b"From: <sip:monitor@example.vn>;tag=" in seen[0]
    assert seen[1].startswith(b"OPTIONS sip:127.0.0.1:%d SIP/2.0\r\n" % port)
    assert b"From: <sip:diemcau@127.0.0.1:" in seen[1]
    assert not set(seen[0].split(b"\r\n")[1:4:2]) & set(seen[1].split(b"\r\n")[1:4:2])


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"user": "a@b"}, "user: expected what stands before the @"),
        ({"user": "a\r\nX: y"}, "user: expected what stands before the @"),
        ({"domain": "a/b"}, "domain: expected a host"),
        ({"from_uri": "monitor"}, "from_uri: expected a SIP URI"),
        ({"from_uri": "sip:a@b>\r\n"}, "from_uri: expected a SIP URI"),
        ({"transport": "sctp"}, "sctp"),
    ],
)
def test_bad_parameters_are_refused(raw: dict[str, str], message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(raw, SipParams)


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_a_cancelled_probe_leaves_nothing_open(serve_udp: Serve, serve: Serve, transport: str) -> None:
    port = serve_udp(lambda _: []) if transport == "udp" else serve(says())
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names only
    task = asyncio.create_task(ask(f"127.0.0.1:{port}", msgspec.convert({"transport": transport}, SipParams)))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # The server's own end of the connection may still be there.
    assert len(os.listdir("/proc/self/fd")) <= before + (transport != "udp")  # noqa: PTH208
