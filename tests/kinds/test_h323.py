"""H.323 call signalling. Debian has no free H.323 server, so the answers here are a small double's.

It reads the enquiry by the structure of Q.931 and answers as the Recommendation tells an H.323 entity to: a STATUS with
cause 30 (5.8.10), or a RELEASE COMPLETE with cause 81 (5.8.3.2), the call reference given back with its flag set.
"""

import asyncio
import os
import socket
import struct
import time
from collections.abc import Callable

import msgspec
import pytest

from probes.codecs import h225
from probes.kinds.h323 import KIND, H323Params
from probes.model import Failure, Measurement

Serve = Callable[..., int]
Handler = Callable[[socket.socket], None]
BOUND_S = 5.0
"""More than any answer here takes on a busy machine."""
SOON = H323Params(answer_timeout_s=0.2)
STRICT = H323Params(answer_timeout_s=0.2, require_answer=True)
STATUS, RELEASE_COMPLETE = 0x7D, 0x5A
CAUSE_30, CAUSE_81, NULL_STATE = (bytes.fromhex(element) for element in ("0802809e", "080280d1", "140100"))
STATUS_UUIE = bytes.fromhex("7e001d0508201900060008914a0004") + bytes(17)


async def ask(address: str, params: H323Params | None = None, timeout_s: float = BOUND_S) -> Measurement:
    deadline = asyncio.get_running_loop().time() + timeout_s
    return await KIND.bind(params or H323Params()).run(address, deadline)


def enquiry(sock: socket.socket) -> int:
    """Read a STATUS ENQUIRY; its call reference."""
    version, _, length = struct.unpack(">BBH", sock.recv(4))
    message = sock.recv(length - 4)
    discriminator, reference_bytes, reference, kind = struct.unpack_from(">BBHB", message)
    assert (version, discriminator, reference_bytes, kind) == (3, 8, 2, 0x75)
    assert 0 < reference < 0x8000
    return int(reference)


def tpkt(message: bytes) -> bytes:
    return struct.pack(">BBH", 3, 0, 4 + len(message)) + message


def answers(kind: int, *elements: bytes, before: bytes = b"") -> Handler:
    """An H.323 entity that knows no such call."""

    def handle(sock: socket.socket) -> None:
        head = struct.pack(">BBHB", 8, 2, enquiry(sock) | 0x8000, kind)
        sock.sendall(before + tpkt(head + b"".join(elements)))
        sock.recv(1)

    return handle


def says(data: bytes, *, then_hold: bool = True) -> Handler:
    def handle(sock: socket.socket) -> None:
        enquiry(sock)
        sock.sendall(data)
        if then_hold:
            sock.recv(1)

    return handle


async def test_a_status_answers(serve: Serve) -> None:
    found = await ask(f"127.0.0.1:{serve(answers(STATUS, CAUSE_30, NULL_STATE, STATUS_UUIE))}")
    assert (found.success, found.detail) == (True, "")
    assert [name for name, _ in found.phases] == ["resolve", "connect", "enquiry"]
    assert dict(found.figures) == {
        "probe_ip_protocol": 4.0,
        "probe_h323_answered": 1.0,
        "probe_h323_message_type": 125.0,
        "probe_h323_body": 9.0,
        "probe_h323_cause": 30.0,
    }


async def test_a_release_answers_as_well(serve: Serve) -> None:
    """Also behind a keep-alive, without H.225.0's own part, and over IPv6."""
    handler = answers(RELEASE_COMPLETE, CAUSE_81, before=tpkt(b""))
    found = await ask(f"[::1]:{serve(handler, host='::1')}", STRICT)
    assert found.success
    assert dict(found.figures) == {
        "probe_ip_protocol": 6.0,
        "probe_h323_answered": 1.0,
        "probe_h323_message_type": 90.0,
        "probe_h323_cause": 81.0,
    }


async def test_an_answer_in_tiny_pieces(serve: Serve) -> None:
    def handle(sock: socket.socket) -> None:
        message = struct.pack(">BBHB", 8, 2, enquiry(sock) | 0x8000, STATUS) + CAUSE_30 + NULL_STATE
        for byte in tpkt(message):
            sock.sendall(bytes((byte,)))
            time.sleep(0.005)
        sock.shutdown(socket.SHUT_WR)
        sock.recv(1)

    assert dict((await ask(f"127.0.0.1:{serve(handle)}")).figures)["probe_h323_cause"] == 30.0


async def test_silence_is_a_success_without_an_answer(serve: Serve) -> None:
    """Many codecs ignore an enquiry about a call that they do not know."""
    found = await ask(f"127.0.0.1:{serve(says(b''))}", SOON)
    assert found.success
    assert dict(found.figures) == {"probe_ip_protocol": 4.0, "probe_h323_answered": 0.0}


async def test_silence_ends_before_the_deadline(serve: Serve) -> None:
    """Even where the answer would be waited for longer."""
    found = await ask(f"127.0.0.1:{serve(says(b''))}", H323Params(answer_timeout_s=30.0), timeout_s=0.4)
    assert found.success
    assert dict(found.figures)["probe_h323_answered"] == 0.0


async def test_an_orderly_close_is_a_success_without_an_answer(serve: Serve) -> None:
    """Who hangs up has accepted, read and decided."""
    found = await ask(f"127.0.0.1:{serve(says(b'', then_hold=False))}")
    assert found.success
    assert dict(found.figures)["probe_h323_answered"] == 0.0


async def test_a_connection_that_is_cut_is_reset(serve: Serve) -> None:
    """As a system ends it for a program that dies."""

    def cut(sock: socket.socket) -> None:
        enquiry(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    found = await ask(f"127.0.0.1:{serve(cut)}")
    assert found.failure is Failure.RESET
    assert found.phases[-1][0] == "enquiry"


async def test_where_an_answer_is_required_nothing_else_will_do(serve: Serve) -> None:
    silent = await ask(f"127.0.0.1:{serve(says(b''))}", STRICT)
    closed = await ask(f"127.0.0.1:{serve(says(b'', then_hold=False))}", STRICT)
    assert (silent.failure, silent.detail) == (Failure.TIMEOUT, "connected, but no answer to the enquiry")
    assert (closed.failure, closed.detail) == (Failure.RESET, "closed by the other side without an answer")


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x15\x03\x03\x00\x02\x02\x46",
        tpkt(b"\x06\xe0" + bytes(5)),
        tpkt(b"\x08\x01\x92\x7d"),
        struct.pack(">BBH", 3, 0, 0xFFFF),
        struct.pack(">BBH", 3, 0, 1),
        tpkt(b"\x08\x02\x92\x34\x7d")[:-1],
    ],
    ids=["ssh", "http", "tls", "remote desktop", "other call reference", "too long", "too short", "unfinished"],
)
@pytest.mark.parametrize("then_hold", [True, False])
async def test_what_is_no_call_signalling_is_a_failure_of_protocol(serve: Serve, data: bytes, then_hold: bool) -> None:  # noqa: FBT001
    """Be the connection held or closed behind it."""
    found = await ask(f"127.0.0.1:{serve(says(data, then_hold=then_hold))}", SOON)
    assert found.failure is Failure.PROTOCOL
    assert "probe_h323_answered" not in dict(found.figures)


async def test_a_service_that_echoes_is_no_codec(serve: Serve) -> None:
    def echo(sock: socket.socket) -> None:
        while data := sock.recv(1000):
            sock.sendall(data)

    found = await ask(f"127.0.0.1:{serve(echo)}")
    assert (found.failure, found.detail) == (Failure.PROTOCOL, "our own enquiry came back")


async def test_each_enquiry_is_about_a_call_of_its_own(serve: Serve) -> None:
    seen: list[bytes] = []

    def handle(sock: socket.socket) -> None:
        seen.append(sock.recv(1000))

    port = serve(handle)
    for _ in range(2):
        await ask(f"127.0.0.1:{port}")
    (first,), (second,) = (h225.Reader().feed(one) for one in seen)
    assert seen[0][-16:] != seen[1][-16:]
    assert (first.call_reference, seen[0]) != (second.call_reference, seen[1])


async def test_a_closed_port_is_refused(closed_port: int) -> None:
    assert (await ask(f"127.0.0.1:{closed_port}")).failure is Failure.REFUSED


async def test_a_host_that_does_not_accept_is_a_timeout(silent_port: int) -> None:
    """Silence is forgiven only behind an accepted connection."""
    found = await ask(f"127.0.0.1:{silent_port}", timeout_s=0.3)
    assert (found.failure, found.detail) == (Failure.TIMEOUT, "no answer in phase connect")


@pytest.mark.parametrize("raw", [{"answer_timeout_s": 0.0}, {"answer_timeout_s": 61.0}, {"require_answer": "yes"}])
def test_bad_parameters_are_refused(raw: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(raw, H323Params)


async def test_a_cancelled_probe_leaves_no_socket_open(silent_port: int) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names only
    task = asyncio.create_task(ask(f"127.0.0.1:{silent_port}"))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
