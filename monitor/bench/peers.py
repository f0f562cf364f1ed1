"""The same sweep by other tools: fping, icmplib and blackbox_exporter, each asked for every target's round trip.

A command-line tool's time is that of its process, from its start to its end; blackbox_exporter runs already, and is
asked over HTTP by clients that keep their connections.
"""

import asyncio
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, perf_counter, sleep

import msgspec
import uvloop
from icmplib import async_multiping

CLIENTS = 64
TASKS = 50
STARTS_WITHIN_S = 10.0
FPING_RTT = re.compile(rb"\(([0-9.]+) ms\)")
BLACKBOX_RTT = re.compile(rb'^probe_icmp_duration_seconds\{phase="rtt"\} (\S+)', re.MULTILINE)
BLACKBOX_NAMES = ("blackbox_exporter", "prometheus-blackbox-exporter")
BLACKBOX_MODULES = "modules: {icmp: {prober: icmp, timeout: 2s, icmp: {preferred_ip_protocol: ip4}}}\n"


class Sweep(msgspec.Struct, frozen=True):
    """One round: how long, how many answered, and the round trips that were reported."""

    seconds: float
    answered: int
    rtt_median_s: float
    rtt_p99_s: float


Contestant = Callable[[Sequence[str]], Sweep]


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which this share of them lies; nan of nothing."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


def swept(seconds: float, found: Iterable[float]) -> Sweep:
    """A round that took so long and found these round trips, in seconds."""
    rtts = sorted(found)
    return Sweep(seconds, len(rtts), quantile(rtts, 0.5), quantile(rtts, 0.99))


def fping(program: str, targets: Sequence[str]) -> Sweep:
    """``fping -i 0``: one attempt each, no pause between packets; from a file to a file, so that no pipe slows it."""
    with tempfile.TemporaryDirectory() as directory:
        names, results = Path(directory, "targets"), Path(directory, "results")
        names.write_text("\n".join(targets), encoding="ascii")
        with results.open("wb") as out:
            command = [program, "-i", "0", "-r", "0", "-e", "-f", str(names)]
            begun = perf_counter()
            subprocess.run(command, stdout=out, stderr=subprocess.DEVNULL, check=False)
            seconds = perf_counter() - begun
        return swept(seconds, [float(found) / 1000 for found in FPING_RTT.findall(results.read_bytes())])


def icmplib(targets: Sequence[str]) -> Sweep:
    """What icmplib has: ``async_multiping`` with as many tasks as it takes by default."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        begun = perf_counter()
        hosts = runner.run(async_multiping(list(targets), count=1, timeout=2, concurrent_tasks=TASKS))
        seconds = perf_counter() - begun
    return swept(seconds, [host.avg_rtt / 1000 for host in hosts if host.is_alive])


def blackbox(port: int, targets: Sequence[str]) -> Sweep:
    """blackbox_exporter's ``/probe`` for each target, over ``CLIENTS`` connections."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        begun = perf_counter()
        rtts = runner.run(_ask_all(port, targets))
        return swept(perf_counter() - begun, rtts)


async def _ask_all(port: int, targets: Sequence[str]) -> list[float]:
    waiting = iter(targets)
    rtts: list[float] = []
    await asyncio.gather(*(_client(port, waiting, rtts) for _ in range(min(CLIENTS, len(targets)))))
    return rtts


async def _client(port: int, waiting: Iterator[str], rtts: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for target in waiting:
        writer.write(f"GET /probe?module=icmp&target={target} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
        body = await _body(reader)
        found = BLACKBOX_RTT.search(body)
        if found and b"\nprobe_success 1\n" in body:
            rtts.append(float(found[1]))
    writer.close()
    await writer.wait_closed()


async def _body(reader: asyncio.StreamReader) -> bytes:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    _, found, rest = head.partition(b"content-length:")
    if found:
        return await reader.readexactly(int(rest.split(b"\r\n", 1)[0]))
    return await reader.readuntil(b"0\r\n\r\n")


@contextmanager
def blackbox_running(program: str) -> Iterator[int]:
    """A blackbox_exporter of our own; yields its port. Raises TimeoutError when it does not start."""
    with socket.socket() as free, tempfile.TemporaryDirectory() as directory:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
        free.close()
        modules = Path(directory, "modules.yml")
        modules.write_text(BLACKBOX_MODULES, encoding="utf-8")
        command = [program, f"--config.file={modules}", f"--web.listen-address=127.0.0.1:{port}"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _await_port(port)
            yield port
        finally:
            process.terminate()
            process.wait()


def _await_port(port: int) -> None:
    until = monotonic() + STARTS_WITHIN_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if monotonic() > until:
                raise TimeoutError("blackbox_exporter does not listen: run it by hand to see why") from None
            sleep(0.05)
        else:
            return


@contextmanager
def found() -> Iterator[dict[str, Contestant]]:
    """The peers of this machine, ready to run."""
    peers: dict[str, Contestant] = {}
    if program := shutil.which("fping"):
        peers["fping"] = lambda targets: fping(program, targets)
    peers["icmplib"] = icmplib
    exporter = next(filter(None, map(shutil.which, BLACKBOX_NAMES)), None)
    if exporter is None:
        yield peers
        return
    with blackbox_running(exporter) as port:
        yield {**peers, "blackbox_exporter": lambda targets: blackbox(port, targets)}
