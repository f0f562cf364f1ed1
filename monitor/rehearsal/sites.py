"""What answers at every point beside the kernel's own ICMP: open TCP ports, and a page over HTTP.

The listening sockets are opened on the points' side for all addresses at once (AnyIP) and stay there, whatever
namespace their process moves to afterwards.
"""

import asyncio
import contextlib
import socket
from collections.abc import Collection, Iterable

from probes.model import Check

BACKLOG = 4096
IDLE_S = 5.0
REQUEST_BYTES = 16_384
PAGE = b"<!doctype html><title>emulated point</title>\n"
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (
    len(PAGE),
    PAGE,
)


def ports(checks: Iterable[Check], modules: Collection[str] | None = None) -> frozenset[int]:
    """The TCP ports that these checks ask for, through any module or one of these."""
    asked = (check for check in checks if modules is None or check.module in modules)
    return frozenset(port for check in asked if (port := _port(check)) is not None)


def _port(check: Check) -> int | None:
    if check.probe.kind == "http":
        scheme, separator, rest = check.address.partition("://")
        given = (rest if separator else check.address).partition("/")[0].rpartition("]")[2].rpartition(":")[2]
        return int(given) if given.isdecimal() and int(given) < 1 << 16 else {"https": 443}.get(scheme, 80)
    given = check.address.rpartition(":")[2]
    return int(given) if check.probe.kind == "tcp" and given.isdecimal() and int(given) < 1 << 16 else None


def listen(port: int) -> socket.socket:
    """A socket that takes connections to any address of this side."""
    with contextlib.suppress(OSError):
        return socket.create_server(("::", port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)
    return socket.create_server(("0.0.0.0", port), backlog=BACKLOG)  # noqa: S104  (a namespace of our own)


async def serve(listeners: Iterable[socket.socket]) -> None:
    """Answer on these sockets until cancelled: a page to whoever asks for one, else nothing."""
    async with contextlib.AsyncExitStack() as stack:
        for listener in listeners:
            await stack.enter_async_context(await asyncio.start_server(_answer, sock=listener, limit=REQUEST_BYTES))
        await asyncio.get_running_loop().create_future()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        async with asyncio.timeout(IDLE_S):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(RESPONSE)
            await writer.drain()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
