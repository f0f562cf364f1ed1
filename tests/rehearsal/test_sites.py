"""What answers at the points, and the doors into the centre."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Coroutine, Iterator

import pytest

from monitor.rehearsal import doors, sites
from probes.model import BoundKind, Check, Measurement, Params


def check(kind: str, address: str) -> Check:
    return Check("p/m", "p", "m", address, BoundKind(kind, Params(), never), 1.0, 1.0)


async def never(address: str, deadline: float) -> Measurement:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("kind", "address", "port"),
    [
        ("tcp", "10.38.1.1:1720", 1720),
        ("tcp", "[fd38::1]:5060", 5060),
        ("http", "http://10.38.1.1/status", 80),
        ("http", "http://10.38.1.1:8000", 8000),
        ("http", "https://[fd38::1]/", 443),
        ("http", "10.38.1.1", 80),
        ("icmp", "10.38.1.1", None),
    ],
)
def test_the_ports_are_those_that_are_asked_for(kind: str, address: str, port: int | None) -> None:
    assert sites.ports([check(kind, address)]) == (frozenset() if port is None else {port})


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        yield opened


@contextlib.asynccontextmanager
async def background(job: Coroutine[None, None, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(job)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def asked(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await writer.wait_closed()
    return answer


async def test_a_site_answers_with_a_page(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    async with background(sites.serve([listener])):
        assert (await asked(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("request_", [b"", b"\x03\x00\x00\x04", b"x" * 100_000])
async def test_whoever_asks_for_no_page_gets_none(listener: socket.socket, request_: bytes) -> None:
    port = listener.getsockname()[1]
    async with background(sites.serve([listener])):
        with contextlib.suppress(OSError):
            assert await asked(port, request_) == b""
        assert await asked(port, b"GET / HTTP/1.1\r\n\r\n")


async def test_a_door_carries_both_ways(listener: socket.socket) -> None:
    with doors.listen("127.0.0.1", 0) as outside:
        port = outside.getsockname()[1]
        jobs = (sites.serve([listener]), doors.carry(outside, listener.getsockname()[1]))
        async with background(jobs[0]), background(jobs[1]):
            assert (await asked(port, b"GET / HTTP/1.1\r\n\r\n")).endswith(sites.PAGE)


async def test_a_door_to_nothing_closes(listener: socket.socket) -> None:
    closed_port = listener.getsockname()[1]
    listener.close()
    with doors.listen("127.0.0.1", 0) as outside:
        port = outside.getsockname()[1]
        async with background(doors.carry(outside, closed_port)):
            with contextlib.suppress(OSError):
                assert await asked(port, b"") == b""


def test_a_door_takes_another_port_when_its_own_is_taken(listener: socket.socket) -> None:
    taken = listener.getsockname()[1]
    with doors.listen("127.0.0.1", taken) as other:
        assert other.getsockname()[1] != taken
        assert doors.address(other) == f"127.0.0.1:{other.getsockname()[1]}"
