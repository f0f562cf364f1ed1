import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.dial import DATAGRAM_BYTES, DialParams, Miss, Trace, measure, open_datagram, read_secret, split_host_port
from probes.model import Failure, Malformed, Measurement

BOUND_S = 10.0
"""More than any answer here takes on a busy machine."""


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("codec.test", ("codec.test", 3478)),
        ("codec.test:99", ("codec.test", 99)),
        ("192.0.2.1", ("192.0.2.1", 3478)),
        ("192.0.2.1:99", ("192.0.2.1", 99)),
        ("2001:db8::1", ("2001:db8::1", 3478)),
        ("[2001:db8::1]", ("2001:db8::1", 3478)),
        ("[2001:db8::1]:99", ("2001:db8::1", 99)),
    ],
)
def test_with_a_default_the_port_may_be_left_out(address: str, expected: tuple[str, int]) -> None:
    assert split_host_port(address, 3478) == expected


@pytest.mark.parametrize("address", ["", ":", "[]", "[]:1", "[::1", "host:", "host:0", "host:65536", "host:x"])
def test_with_a_default_a_bad_port_is_still_refused(address: str) -> None:
    with pytest.raises(Miss) as missed:
        split_host_port(address, 3478)
    assert missed.value.failure is Failure.RESOLVE


@given(st.text(max_size=30), st.none() | st.integers(1, 65535))
def test_any_text_is_taken_apart_or_missed(text: str, default_port: int | None) -> None:
    try:
        host, port = split_host_port(text, default_port)
    except Miss:
        return
    assert host
    assert 0 < port < 65536


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    """The other end: a UDP socket on loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(BOUND_S)
        yield sock


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names only


async def ask(host: str, port: int, *, timeout_s: float = BOUND_S) -> tuple[Measurement, list[bytes]]:
    """Send two packets, receive one."""
    heard: list[bytes] = []

    async def work(trace: Trace) -> None:
        datagram = await open_datagram(trace, host, port, DialParams())
        try:
            with trace.phase("request"):
                await datagram.send(b"one")
                await asyncio.sleep(0.05)  # a refusal of the first is told to the second
                await datagram.send(b"two")
                heard.append(await datagram.receive())
        finally:
            datagram.close()

    return await measure(work, asyncio.get_running_loop().time() + timeout_s), heard


async def test_a_datagram_goes_there_and_only_its_peers_packets_come_back(peer: socket.socket) -> None:
    """What somebody else sends to our port is not delivered."""
    trace = Trace()
    before = open_files()
    datagram = await open_datagram(trace, "127.0.0.1", peer.getsockname()[1], DialParams())
    await datagram.send(b"question")
    data, client = peer.recvfrom(100)
    assert (data, client) == (b"question", datagram.local_address)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(b"forged", client)
    peer.sendto(b"x" * 9000, client)
    assert await datagram.receive() == b"x" * 9000
    datagram.close()
    assert open_files() == before
    assert trace.figures == {"probe_ip_protocol": 4.0}
    assert list(trace.phases) == ["resolve"]
    assert DATAGRAM_BYTES >= 65507


async def test_ipv6_datagrams() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.bind(("::1", 0))
        trace = Trace()
        datagram = await open_datagram(trace, "::1", sock.getsockname()[1], DialParams())
        await datagram.send(b"question")
        sock.settimeout(BOUND_S)
        assert sock.recv(100) == b"question"
        assert datagram.local_address[0] == "::1"
        datagram.close()
    assert trace.figures == {"probe_ip_protocol": 6.0}


async def test_a_closed_udp_port_is_refused(peer: socket.socket) -> None:
    """ICMP says so; the error of an earlier packet comes with a later call."""
    port = peer.getsockname()[1]
    peer.close()
    found, _ = await ask("127.0.0.1", port)
    assert (found.failure, found.detail) == (Failure.REFUSED, "Connection refused")


async def test_a_silent_udp_port_is_a_timeout(peer: socket.socket) -> None:
    before = open_files()
    found, heard = await ask("127.0.0.1", peer.getsockname()[1], timeout_s=0.2)
    assert (found.failure, found.detail, heard) == (Failure.TIMEOUT, "no answer in phase request", [])
    assert open_files() == before


async def test_a_packet_that_does_not_come_in_time_is_none(peer: socket.socket) -> None:
    """And one that comes later is not lost."""
    datagram = await open_datagram(Trace(), "127.0.0.1", peer.getsockname()[1], DialParams())
    assert await datagram.receive_within(0.05) is None
    assert await datagram.receive_within(-1.0) is None
    peer.sendto(b"late", datagram.local_address)
    assert await datagram.receive_within(BOUND_S) == b"late"
    datagram.close()


async def test_malformed_is_a_failure_of_protocol() -> None:
    async def work(_: Trace) -> None:
        raise Malformed("no message " + "x" * 500)

    found = await measure(work, asyncio.get_running_loop().time() + BOUND_S)
    assert found.failure is Failure.PROTOCOL
    assert found.detail.startswith("no message")
    assert len(found.detail) == 200


async def test_names_and_phases_are_kept_after_a_failure() -> None:
    async def work(trace: Trace) -> None:
        trace.names = ("điểm cầu",)
        with trace.phase("one"):
            pass
        with trace.phase("two"):
            raise Miss(Failure.STATUS, "no")

    found = await measure(work, asyncio.get_running_loop().time() + BOUND_S)
    assert [name for name, _ in found.phases] == ["one", "two"]
    assert found.names == ("điểm cầu",)


def test_a_secret_stands_in_the_configuration_or_in_a_file(tmp_path: Path) -> None:
    """Its first line, read anew each time."""
    path = tmp_path / "secret"
    path.write_bytes("mật khẩu \r\nrest\n".encode())
    assert read_secret("plain", "") == "plain"
    assert read_secret("plain", str(path)) == "mật khẩu "
    path.write_text("new")
    assert read_secret("", str(path)) == "new"


@pytest.mark.parametrize("content", [None, b"\xff\xfe", "folder"])
def test_a_secret_that_cannot_be_read_is_our_own_failure(tmp_path: Path, content: bytes | str | None) -> None:
    path = tmp_path / "secret"
    if content == "folder":
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(Miss) as missed:
        read_secret("", str(path))
    assert missed.value.failure is Failure.SEND
    assert missed.value.detail.startswith(f"password_file {path}: ")


def test_an_endless_secret_is_not_read_to_its_end() -> None:
    assert read_secret("", "/dev/zero") == "\0" * 4096
