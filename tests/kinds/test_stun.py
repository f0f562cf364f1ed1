import asyncio
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from probes import exchange
from probes.codecs import stun
from probes.codecs.stun import Attribute, Class, Message, Method
from probes.kinds.stun import KIND, StunParams
from probes.model import Failure, Measurement

BOUND_S = 10.0
"""More than any answer here takes on a busy machine."""
Serve = Callable[..., int]
Tls = Callable[[int], ssl.SSLContext]
Certificate = Callable[[int], tuple[Path, Path]]


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no message is judged soon."""
    monkeypatch.setattr(exchange, "FIRST_WAIT_S", 0.1)


async def ask(address: str, params: StunParams | None = None, timeout_s: float = BOUND_S) -> Measurement:
    deadline = asyncio.get_running_loop().time() + timeout_s
    return await KIND.bind(params or StunParams()).run(address, deadline)


def mapped(request: Message, host: str = "203.0.113.7", port: int = 40000) -> bytes:
    value = stun.address_value(Attribute.XOR_MAPPED_ADDRESS, host, port, request.transaction)
    attributes = [(Attribute.XOR_MAPPED_ADDRESS, value)]
    return stun.encode(Method.BINDING, request.transaction, attributes, outcome=Class.SUCCESS)


def answers(data: bytes) -> list[bytes]:
    """A good server behind which we have another address."""
    return [mapped(stun.decode(data))]


def read_request(sock: socket.socket) -> Message:
    data = b""
    while len(data) < 20 or len(data) < 20 + stun.body_bytes(data):
        if not (part := sock.recv(4096)):
            raise ConnectionResetError
        data += part
    return stun.decode(data)


def stream(*, byte_by_byte: bool = False, before: bytes = b"") -> Callable[[socket.socket], None]:
    """A good server over TCP."""

    def handle(sock: socket.socket) -> None:
        answer = before + mapped(read_request(sock))
        for at in range(len(answer)) if byte_by_byte else ():
            sock.sendall(answer[at : at + 1])
        if not byte_by_byte:
            sock.sendall(answer)
        sock.recv(1)

    return handle


async def test_a_binding_response_is_a_success_that_tells_of_nat(serve_udp: Serve) -> None:
    found = await ask(f"127.0.0.1:{serve_udp(answers)}")
    assert found.success, found
    assert [name for name, _ in found.phases] == ["resolve", "binding"]
    assert dict(found.figures) == {"probe_ip_protocol": 4.0, "probe_stun_translated": 1.0}


async def test_ipv6(serve_udp: Serve) -> None:
    found = await ask(f"[::1]:{serve_udp(answers, host='::1')}")
    assert found.success
    assert dict(found.figures)["probe_ip_protocol"] == 6.0


async def test_a_plain_mapped_address_will_do(serve_udp: Serve) -> None:
    """As servers of RFC 3489 write it."""

    def old(data: bytes) -> list[bytes]:
        request = stun.decode(data)
        value = stun.address_value(Attribute.MAPPED_ADDRESS, "192.0.2.1", 1, request.transaction)
        attributes = [(Attribute.MAPPED_ADDRESS, value)]
        return [stun.encode(Method.BINDING, request.transaction, attributes, outcome=Class.SUCCESS, fingerprint=False)]

    assert (await ask(f"127.0.0.1:{serve_udp(old)}")).success


async def test_a_lost_request_is_sent_again(serve_udp: Serve) -> None:
    """The same one, with the same transaction."""
    heard: list[bytes] = []

    def second(data: bytes) -> Iterable[bytes]:
        heard.append(data)
        return answers(data) if len(heard) == 2 else []

    found = await ask(f"127.0.0.1:{serve_udp(second)}")
    assert found.success
    assert len(heard) == 2
    assert heard[0] == heard[1]
    assert found.duration_s >= 0.4


async def test_strays_before_the_answer_are_passed_over(serve_udp: Serve) -> None:
    """An answer to somebody else's transaction, another method, an indication, noise, nothing."""

    def strays(data: bytes) -> list[bytes]:
        request = stun.decode(data)
        foreign = stun.encode(Method.BINDING, bytes(12), outcome=Class.SUCCESS)
        other = stun.encode(Method.ALLOCATE, request.transaction, outcome=Class.SUCCESS)
        indication = stun.encode(Method.BINDING, request.transaction, outcome=Class.INDICATION)
        return [foreign, other, indication, data, b"noise" * 200, b"", mapped(request)]

    assert (await ask(f"127.0.0.1:{serve_udp(strays)}")).success


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("reply", "detail"),
    [
        (lambda _: [b"SIP/2.0 400 Bad Request\r\n\r\n"], "no header of STUN"),
        (lambda _: [b"\0"], "too short for STUN"),
        (lambda data: [data], "a request of STUN, no answer"),
        (lambda data: [answers(data)[0][:-1] + b"\0"], "wrong fingerprint"),
        (
            lambda data: [stun.encode(Method.BINDING, stun.decode(data).transaction, outcome=Class.SUCCESS)],
            "an answer without our address",
        ),
        (
            lambda data: [stun.encode(Method.BINDING, stun.decode(data).transaction, outcome=Class.ERROR)],
            "error without a code",
        ),
    ],
    ids=["sip", "a byte", "echo", "damaged", "no address", "no code"],
)
async def test_what_is_no_answer_of_stun_is_a_failure_of_protocol(
    serve_udp: Serve, reply: Callable[[bytes], list[bytes]], detail: str
) -> None:
    found = await ask(f"127.0.0.1:{serve_udp(reply)}")
    assert (found.failure, found.detail) == (Failure.PROTOCOL, detail)
    assert found.phases[-1][0] == "binding"


async def test_an_error_is_kept_with_its_code(serve_udp: Serve) -> None:
    def refuse(data: bytes) -> list[bytes]:
        value = b"\0\0\x05\x00Server Error"
        transaction = stun.decode(data).transaction
        return [stun.encode(Method.BINDING, transaction, [(Attribute.ERROR_CODE, value)], outcome=Class.ERROR)]

    found = await ask(f"127.0.0.1:{serve_udp(refuse)}")
    assert (found.failure, found.detail) == (Failure.STATUS, "error 500 Server Error")
    assert dict(found.figures)["probe_stun_error_code"] == 500.0


async def test_a_closed_udp_port_is_refused(serve_udp: Serve) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    assert (await ask(f"127.0.0.1:{port}")).failure is Failure.REFUSED


async def test_a_silent_server_is_a_timeout_by_the_deadline(serve_udp: Serve) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names only
    port = serve_udp(lambda _: [])
    found = await ask(f"127.0.0.1:{port}", timeout_s=0.2)
    assert (found.failure, found.detail) == (Failure.TIMEOUT, "no answer in phase binding")
    assert found.duration_s < BOUND_S
    assert len(os.listdir("/proc/self/fd")) == before + 1  # noqa: PTH208 - the server's


async def test_a_flood_of_noise_is_held_to_the_deadline(serve_udp: Serve) -> None:
    found = await ask(f"127.0.0.1:{serve_udp(lambda _: [b'noise'] * 5000)}", timeout_s=0.3)
    assert found.failure in {Failure.TIMEOUT, Failure.PROTOCOL}
    assert found.duration_s < BOUND_S


@pytest.mark.parametrize("byte_by_byte", [False, True])
async def test_over_tcp_an_answer_comes_in_any_parts(serve: Serve, byte_by_byte: bool) -> None:  # noqa: FBT001
    found = await ask(f"127.0.0.1:{serve(stream(byte_by_byte=byte_by_byte))}", StunParams(transport="tcp"))
    assert found.success, found
    assert [name for name, _ in found.phases] == ["resolve", "connect", "binding"]


async def test_over_tcp_answers_to_others_are_passed_over(serve: Serve) -> None:
    foreign = stun.encode(Method.BINDING, bytes(12), outcome=Class.SUCCESS)
    assert (await ask(f"127.0.0.1:{serve(stream(before=foreign * 3))}", StunParams(transport="tcp"))).success


@pytest.mark.parametrize(
    ("said", "failure"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Failure.PROTOCOL),
        (b"\x01\x01\xff\xf0" + bytes(16), Failure.PROTOCOL),
        (b"\x01\x01", Failure.RESET),
        (b"", Failure.RESET),
    ],
    ids=["http", "huge", "half closed", "closed"],
)
async def test_over_tcp_what_is_no_stun_is_told(serve: Serve, said: bytes, failure: Failure) -> None:
    def handle(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(said)
        sock.shutdown(socket.SHUT_WR)
        sock.recv(1)

    found = await ask(f"127.0.0.1:{serve(handle)}", StunParams(transport="tcp"))
    assert found.failure is failure


async def test_over_tcp_a_closed_port_is_refused_and_silence_a_timeout(serve: Serve, closed_port: int) -> None:
    tcp = StunParams(transport="tcp")
    assert (await ask(f"127.0.0.1:{closed_port}", tcp)).failure is Failure.REFUSED
    silent = await ask(f"127.0.0.1:{serve(read_forever)}", tcp, timeout_s=0.2)
    assert (silent.failure, silent.detail) == (Failure.TIMEOUT, "no answer in phase binding")


def read_forever(sock: socket.socket) -> None:
    while sock.recv(1024):
        pass


async def test_over_tls_the_certificate_tells_when_it_runs_out(
    serve: Serve, tls: Tls, certificate: Certificate
) -> None:
    params = StunParams(transport="tls", ca_file=str(certificate(30)[0]))
    found = await ask(f"127.0.0.1:{serve(stream(), tls=tls(30))}", params)
    assert found.success, found
    assert [name for name, _ in found.phases] == ["resolve", "connect", "tls", "binding"]
    assert dict(found.figures)["probe_ssl_earliest_cert_expiry"] > time.time()


async def test_over_tls_an_expired_certificate_is_not_accepted(
    serve: Serve, tls: Tls, certificate: Certificate
) -> None:
    params = StunParams(transport="tls", ca_file=str(certificate(-1)[0]))
    found = await ask(f"127.0.0.1:{serve(stream(), tls=tls(-1))}", params)
    assert (found.failure, found.detail) == (Failure.TLS, "certificate not accepted: certificate has expired")


async def test_a_cancelled_probe_leaves_no_socket_open(serve_udp: Serve) -> None:
    port = serve_udp(lambda _: [])
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names only
    task = asyncio.create_task(ask(f"127.0.0.1:{port}"))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


@pytest.mark.parametrize("address", ["", ":", "host:0", "[::1", "a b\0"])
async def test_an_address_that_is_none_is_a_failure_of_resolving(address: str) -> None:
    assert (await ask(address)).failure is Failure.RESOLVE
