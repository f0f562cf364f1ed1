"""Very many points' pages at once: the real service in a process of its own, and one that plays all the browsers.

Each page opens its WebSocket with a signed token, beats once a second, each at an instant of its own, and comes again
as the browser's script does when its connection ends. A round trip is the client's own, its event loop included.
"""

import asyncio
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter, process_time
from typing import cast

import msgspec
import uvloop

from monitor.bench.peers import quantile
from monitor.configuration.links import link_secret
from monitor.web.links import Links

SLOTS = 100
"""Beats are spread over the second in so many steps."""
OPENING = 200
"""Connections that are opened at once, at the start."""
WAIT_S, WAIT_AT_MOST_S = 0.3, 4.0
STARTS_WITHIN_S = 30.0
BACK_WITHIN_S = 60.0
SETTLES_S = 3.0
"""After the last page has come and before the measuring begins."""

HANDSHAKE = (
    "GET /p/{token}/ws?s={session} HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
BEAT = b'{"n":%d,"rtt":%.4f,"jitter":0.0012,"loss":0,"charging":true,"charge":0.87,"left":null,"visible":true}'
TEXT_FRAME, MASKED = 0x81, 0x80
NO_MASK = bytes(4)
"""As good as any other: the server undoes it all the same (RFC 6455, section 5.3)."""

POINTS = "id,name,tier,mode\n"
NODES = "id,parent,name,kind,operator,powered_by\n"
CHECKS = """
modules: {icmp: {kind: icmp}}
check_sets: {any: {checks: [{module: icmp}]}}
defaults: {village: any}
"""
CEREMONY = """
title: bench
timezone: Asia/Ho_Chi_Minh
report_at: 2025-05-08 07:30
begins_at: 2025-05-08 08:00
phases:
  - {name: live, title: Diễn ra, starts_at: 2025-05-08 07:00, interval: 1s, alpha: 1e-6, severity: critical}
"""
FILES = {"network.csv": NODES, "power.csv": NODES, "checks.yaml": CHECKS, "ceremony.yaml": CEREMONY}


class Report(msgspec.Struct, frozen=True):
    """What one process bore. ``cpu_ratio`` is the server's share of one core."""

    pages: int
    duration_seconds: float
    opened_seconds: float
    """Until every page had its first echo, from the first connection on."""
    beats: int
    unanswered: int
    """Within the second until the next beat."""
    cpu_ratio: float
    rss_bytes: int
    rtt_median_seconds: float
    rtt_p99_seconds: float
    rtt_max_seconds: float
    client_cpu_ratio: float
    stopped_seconds: float | None
    """How long the server took to end when it was told to."""
    back_seconds: float | None
    """From then until every page had its first echo of the next server."""


class _Page(asyncio.Protocol):
    """One browser."""

    def __init__(self, crowd: "_Crowd", token: str, session: str) -> None:
        self._crowd = crowd
        self._handshake = HANDSHAKE.format(token=token, session=session).encode()
        self._transport: asyncio.Transport | None = None
        self._number = 0
        self._awaited = b""
        self._sent_at = 0.0
        self._attempts = 0
        self._rtt_s = 0.0
        self.open = False
        """Whether an echo came on this connection."""

    async def connect(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self._crowd.port)
        except OSError:
            self.connection_lost(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self._transport.write(self._handshake)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._transport, self._awaited = None, b""
        if self.open:
            self.open, self._attempts = False, 0
            self._crowd.opened -= 1
        wait_s = min(WAIT_AT_MOST_S, WAIT_S * 2**self._attempts) * random.uniform(0.5, 1.0)
        self._attempts += 1
        self._crowd.later(wait_s, self)

    def data_received(self, data: bytes) -> None:
        if self._awaited and self._awaited in data:
            self._awaited = b""
            self._rtt_s = perf_counter() - self._sent_at
            self._crowd.rtts.append(self._rtt_s)
            if not self.open:
                self.open = True
                self._crowd.opened += 1
        elif data.startswith(b"HTTP/1.1 101"):
            self.beat()
        elif self._transport is not None and not self._awaited:
            self._transport.abort()  # refused, or sent away

    def beat(self) -> None:
        if self._transport is None:
            return
        self._crowd.unanswered += bool(self._awaited)
        self._number += 1
        said = BEAT % (self._number, self._rtt_s)
        self._awaited = b'{"n":%d' % self._number
        self._sent_at = perf_counter()
        self._transport.write(bytes((TEXT_FRAME, MASKED | len(said))) + NO_MASK + said)


class _Crowd:
    """All the pages."""

    def __init__(self, port: int, tokens: Sequence[str]) -> None:
        self.port = port
        self.rtts: list[float] = []
        self.unanswered = 0
        self.opened = 0
        self.pages = [_Page(self, token, f"session-{number}") for number, token in enumerate(tokens)]
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    async def open(self) -> None:
        """Every page comes, some at a time."""
        for start in range(0, len(self.pages), OPENING):
            await asyncio.gather(*(page.connect() for page in self.pages[start : start + OPENING]))
        await self.all_open()

    async def all_open(self) -> None:
        """Raises TimeoutError."""
        async with asyncio.timeout(BACK_WITHIN_S):
            while self.opened < len(self.pages):  # noqa: ASYNC110 - they are counted, not signalled
                await asyncio.sleep(0.02)

    async def beat(self) -> None:
        """Once a second each, until cancelled."""
        began, slot = perf_counter(), 0
        while True:
            for page in self.pages[slot % SLOTS :: SLOTS]:
                if page.open:
                    page.beat()
            slot += 1
            await asyncio.sleep(max(0.0, began + slot / SLOTS - perf_counter()))

    def later(self, wait_s: float, page: _Page) -> None:
        """A page comes again."""
        if not self._closing:
            asyncio.get_running_loop().call_later(wait_s, self._again, page)

    def close(self) -> None:
        """Nobody comes again."""
        self._closing = True

    def _again(self, page: _Page) -> None:
        if not self._closing:
            task = asyncio.create_task(page.connect())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


def run(pages: int, duration_s: float, *, restart: bool) -> Report:
    """Let ``pages`` beat for ``duration_s``; then, if so wanted, restart the service below them."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as directory, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_measure(Path(directory), pages, duration_s, restart=restart))


async def _measure(directory: Path, pages: int, duration_s: float, *, restart: bool) -> Report:
    links, ids = Links(link_secret(directory / "state")), [f"p-{number:05}" for number in range(pages)]
    write_configuration(directory / "config", ids)
    port = free_port()
    crowd = _Crowd(port, [links.token(point_id) for point_id in ids])
    async with service(directory, port) as server:
        began = perf_counter()
        await crowd.open()
        opened_s = perf_counter() - began
        beating = asyncio.create_task(crowd.beat())
        await asyncio.sleep(SETTLES_S)
        crowd.rtts, crowd.unanswered = [], 0
        server_cpu_s, client_cpu_s, began = cpu_s(server.pid), process_time(), perf_counter()
        await asyncio.sleep(duration_s)
        took_s = perf_counter() - began
        server_cpu_s, client_cpu_s = cpu_s(server.pid) - server_cpu_s, process_time() - client_cpu_s
        rss, rtts, unanswered = rss_bytes(server.pid), sorted(crowd.rtts), crowd.unanswered
        stopped_s = await stop(server) if restart else None
    back_s = None
    if stopped_s is not None:
        began = perf_counter()
        async with service(directory, port):
            await crowd.all_open()
            back_s = stopped_s + perf_counter() - began
            crowd.close()
    crowd.close()
    beating.cancel()
    return Report(
        pages=pages,
        duration_seconds=took_s,
        opened_seconds=opened_s,
        beats=len(rtts),
        unanswered=unanswered,
        cpu_ratio=server_cpu_s / took_s,
        rss_bytes=rss,
        rtt_median_seconds=quantile(rtts, 0.5),
        rtt_p99_seconds=quantile(rtts, 0.99),
        rtt_max_seconds=rtts[-1] if rtts else float("nan"),
        client_cpu_ratio=client_cpu_s / took_s,
        stopped_seconds=stopped_s,
        back_seconds=back_s,
    )


def write_configuration(directory: Path, ids: Sequence[str]) -> None:
    """Points that nothing outside can reach: their pages are all that is heard of them."""
    directory.mkdir()
    for name, content in FILES.items():
        (directory / name).write_text(content, encoding="utf-8")
    rows = "".join(f"{point_id},Thôn {number},village,watch\n" for number, point_id in enumerate(ids))
    (directory / "points.csv").write_text(POINTS + rows, encoding="utf-8")


@asynccontextmanager
async def service(directory: Path, port: int, *options: str) -> AsyncIterator["subprocess.Popen[bytes]"]:
    """``diemcau run`` as anybody runs it; ended at the latest on the way out."""
    arguments = ["run", "--config", directory / "config", "--state", directory / "state"]
    with (directory / "log").open("ab") as said:
        server = subprocess.Popen(  # noqa: ASYNC220 - it only forks
            [sys.executable, "-m", "monitor", *map(str, arguments), "--listen", f"127.0.0.1:{port}", *options],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
        try:
            await _listening(server, port, directory / "log")
            yield server
        finally:
            await stop(server)


async def _listening(server: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    async with asyncio.timeout(STARTS_WITHIN_S):
        while True:
            if server.poll() is not None:
                raise OSError(_last_words(log))
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return


def _last_words(log: Path) -> str:
    return f"the service ended by itself: {log.read_text(encoding='utf-8')[-2000:]}"


async def stop(server: "subprocess.Popen[bytes]") -> float:
    """Tell it to end; the seconds until it has."""
    began = perf_counter()
    if server.poll() is None:
        server.send_signal(signal.SIGTERM)
    while server.poll() is None:  # noqa: ASYNC110 - a process gives no event
        await asyncio.sleep(0.01)
    return perf_counter() - began


def free_port() -> int:
    """A TCP port of loopback that nobody uses now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def cpu_s(pid: int) -> float:
    """User and system time of a process (proc(5): fields 14 and 15 of stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_bytes(pid: int) -> int:
    """Resident memory of a process (proc(5))."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:"))
