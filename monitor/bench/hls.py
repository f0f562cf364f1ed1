"""Very many HLS streams watched by one process: playlist and newest segment of each, from a real nginx on loopback.

Every stream has an address of its own and one content, a segment of two seconds at a megabit a second, which a writer
here advances. nginx runs in a process of its own; the CPU time is that of this process, writing included.
"""

import asyncio
import gc
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from time import monotonic, sleep

import msgspec
import uvloop

from monitor.bench.peers import quantile
from probes.engine import Engine
from probes.kinds.hls import KIND, HlsParams
from probes.model import Check, Observation

SEGMENT_S = 2
SEGMENT_BYTES = 250_000
LISTED = 5
TIMEOUT_S = 5.0
START_S = 10.0

NGINX = """
worker_processes 1;
pid nginx.pid;
error_log stderr;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; }}
    client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location ~ ^/stream[0-9]+/(.*)$ {{ alias {folder}/stream/$1; }}
    }}
}}
"""


class Report(msgspec.Struct, frozen=True):
    """What one process bore."""

    checks: int
    interval_seconds: float
    duration_seconds: float
    probes: int
    failed: int
    first_failure: str
    segments: int
    bytes_per_second: float
    cpu_ratio: float
    """Of one core, the writer's part included."""
    duration_median_seconds: float
    duration_p99_seconds: float


class _Writer:
    """Advances the stream."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._segment = os.urandom(SEGMENT_BYTES)

    async def run(self) -> None:
        """Until cancelled."""
        for newest in count():
            self.write(newest)
            await asyncio.sleep(SEGMENT_S)

    def write(self, newest: int) -> None:
        """The next segment, then a playlist that ends with it."""
        (self._folder / f"{newest}.ts").write_bytes(self._segment)
        (self._folder / f"{newest - 2 * LISTED}.ts").unlink(missing_ok=True)
        first = max(0, newest - LISTED + 1)
        head = f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:{SEGMENT_S}\n#EXT-X-MEDIA-SEQUENCE:{first}\n"
        draft = self._folder / "new"
        draft.write_text(head + "".join(f"#EXTINF:{SEGMENT_S}.0,\n{n}.ts\n" for n in range(first, newest + 1)))
        draft.replace(self._folder / "live.m3u8")


@contextmanager
def served() -> Iterator[tuple[Path, int]]:
    """Nginx, its folder and its port; both end with the block. Raises OSError where there is no nginx."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if nginx is None:
        raise FileNotFoundError(2, "nginx is not installed: apt install nginx-light")
    with tempfile.TemporaryDirectory(prefix="diemcau-bench-") as scratch:
        folder, port = Path(scratch), _free_port()
        (folder / "stream").mkdir()
        folder.chmod(0o755)
        (folder / "nginx.conf").write_text(NGINX.format(port=port, folder=folder))
        command = (nginx, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", "daemon off;")
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            _wait(port, process)
            yield folder / "stream", port
        finally:
            process.terminate()
            process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait(port: int, process: "subprocess.Popen[bytes]") -> None:
    give_up = monotonic() + START_S
    while process.poll() is None and monotonic() < give_up:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        sleep(0.05)
    raise ConnectionError(f"nginx does not serve on port {port}")


class _Run:
    """The engine, and what it found."""

    def __init__(self, checks: int, interval_s: float, port: int) -> None:
        self.engine = Engine(self._observe, vantage="bench")
        bound = KIND.bind(HlsParams())
        addresses = (f"http://127.0.0.1:{port}/stream{number}/live.m3u8" for number in range(checks))
        self.engine.update(
            Check(f"{number}/hls", str(number), "hls", address, bound, interval_s, TIMEOUT_S)
            for number, address in enumerate(addresses)
        )
        self.durations: list[float] = []
        self.failures: list[str] = []
        self.segments = self.bytes = 0

    def _observe(self, observation: Observation) -> None:
        found = observation.measurement
        self.durations.append(found.duration_s)
        if not found.success:
            self.failures.append(f"{found.failure} {found.detail}")
        size = dict(found.figures).get("probe_hls_segment_bytes")
        if size is not None:
            self.segments += 1
            self.bytes += int(size)

    async def last(self, folder: Path, interval_s: float, duration_s: float) -> float:
        """Run for one interval to warm up, then so long; the seconds of CPU time of the latter."""
        writer = asyncio.create_task(_Writer(folder).run())
        await asyncio.sleep(0.1)
        running = asyncio.create_task(self.engine.run())
        await asyncio.sleep(interval_s)
        self.durations.clear()
        self.segments = self.bytes = 0
        before = _cpu_s()
        await asyncio.sleep(duration_s)
        used = _cpu_s() - before
        for task in (running, writer):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        return used


def _cpu_s() -> float:
    used = os.times()
    return used.user + used.system


def run(checks: int, interval_s: float, duration_s: float) -> Report:
    """Watch so many streams every ``interval_s`` for ``duration_s``. Raises OSError where there is no nginx."""
    with served() as (folder, port):
        subject = _Run(checks, interval_s, port)
        gc.collect()
        gc.freeze()  # as the service does
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            used = runner.run(subject.last(folder, interval_s, duration_s))
        gc.unfreeze()
    ordered = sorted(subject.durations)
    return Report(
        checks=checks,
        interval_seconds=interval_s,
        duration_seconds=duration_s,
        probes=len(ordered),
        failed=len(subject.failures),
        first_failure=subject.failures[0] if subject.failures else "",
        segments=subject.segments,
        bytes_per_second=subject.bytes / duration_s,
        cpu_ratio=used / duration_s,
        duration_median_seconds=quantile(ordered, 0.5),
        duration_p99_seconds=quantile(ordered, 0.99),
    )
