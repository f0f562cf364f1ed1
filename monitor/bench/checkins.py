"""All points check in within a minute, while all of them are probed: the real service, a store on disk, real sockets.

Each check-in comes on a connection of its own, as from as many browsers, at an instant of its own; its time counts from
that instant to the last byte of the answer, the client's own loop included. What was answered is looked for in the
store afterwards. How late probes were is the service's own histogram, over the same span.
"""

import asyncio
import random
import re
import resource
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import starmap
from pathlib import Path
from time import perf_counter

import aiohttp
import msgspec
import uvloop

from monitor.bench.icmp import loopback
from monitor.bench.pages import CHECKS, NODES, cpu_s, free_port, rss_bytes, service
from monitor.bench.peers import quantile
from monitor.configuration.links import link_secret
from monitor.store import Store, default_url
from monitor.web.links import Links

SETTLES_S = 8.0
"""After the start and before the measuring begins: the first probes of all points are behind it."""
ANSWER_WITHIN_S = 10.0
LATE_S = 0.05
POINTS = "id,name,tier,mode,address\n"
CEREMONY = """
title: bench
timezone: UTC
report_at: {deadline}
begins_at: {begins}
phases:
  - {{name: live, title: Diễn ra, starts_at: {starts}, interval: {interval}s, alpha: 1e-6, severity: critical}}
"""
MINUTE = "%Y-%m-%d %H:%M"
LAG = re.compile(r'^diemcau_schedule_lag_seconds_bucket\{le="([^"]+)"\} (\S+)$', re.MULTILINE)


class Report(msgspec.Struct, frozen=True):
    """What one process bore. ``cpu_ratio`` is the service's share of one core."""

    check_ins: int
    duration_seconds: float
    failed: int
    missing: int
    """Answered, and not in the store afterwards."""
    answer_median_seconds: float
    answer_p99_seconds: float
    answer_max_seconds: float
    probes: int
    """Launched meanwhile."""
    late: int
    """Of those, by more than 50 ms."""
    cpu_ratio: float
    rss_bytes: int


class _Answers(msgspec.Struct):
    """What came back."""

    took_s: list[float] = []
    kept: list[tuple[str, str]] = []
    """Point and entry of each that was answered."""
    failed: int = 0


def run(points: int, duration_s: float, interval_s: float, store: str) -> Report:
    """Let ``points`` check in over ``duration_s`` while each is probed every ``interval_s``."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as directory, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_measure(Path(directory), points, duration_s, interval_s, store))


async def _measure(directory: Path, points: int, duration_s: float, interval_s: float, store: str) -> Report:
    links, ids = Links(link_secret(directory / "state")), [f"p-{number:05}" for number in range(points)]
    _write_configuration(directory / "config", ids, interval_s)
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    connector = aiohttp.TCPConnector(force_close=True, limit=0)
    async with (
        service(directory, port, *(["--store", store] if store else [])) as server,
        aiohttp.ClientSession(base, connector=connector, timeout=aiohttp.ClientTimeout(ANSWER_WITHIN_S)) as client,
    ):
        await asyncio.sleep(SETTLES_S)
        before, used_s, began = await _lags(client), cpu_s(server.pid), perf_counter()
        answers = await _all_check_in(client, [(each, links.token(each)) for each in ids], duration_s)
        took_s, used_s = perf_counter() - began, cpu_s(server.pid) - used_s
        after, rss = await _lags(client), rss_bytes(server.pid)
    bounds = {bound: after[bound] - before[bound] for bound in after}
    took = sorted(answers.took_s)
    return Report(
        check_ins=len(answers.kept),
        duration_seconds=took_s,
        failed=answers.failed,
        missing=await _missing(store or default_url(directory / "state"), answers.kept),
        answer_median_seconds=quantile(took, 0.5),
        answer_p99_seconds=quantile(took, 0.99),
        answer_max_seconds=took[-1] if took else float("nan"),
        probes=round(bounds[float("inf")]),
        late=round(bounds[float("inf")] - bounds[LATE_S]),
        cpu_ratio=used_s / took_s,
        rss_bytes=rss,
    )


async def _all_check_in(client: aiohttp.ClientSession, pages: Sequence[tuple[str, str]], duration_s: float) -> _Answers:
    answers, began = _Answers(took_s=[], kept=[]), perf_counter()
    instants = sorted(random.uniform(0.0, duration_s) for _ in pages)

    async def one(point_id: str, token: str, due_s: float) -> None:
        await asyncio.sleep(max(0.0, began + due_s - perf_counter()))
        due = began + due_s
        entry = f"bench-{point_id}"
        said = {"entry": entry, "picture": True, "sound": True, "delegates": random.randint(5, 200)}
        try:
            async with client.post(f"/p/{token}/check-in", json=said) as answer:
                await answer.read()
                if answer.status != 200:
                    answers.failed += 1
                    return
        except (aiohttp.ClientError, TimeoutError):
            answers.failed += 1
            return
        answers.took_s.append(perf_counter() - due)
        answers.kept.append((point_id, entry))

    await asyncio.gather(*starmap(one, [(*page, due_s) for page, due_s in zip(pages, instants, strict=True)]))
    return answers


async def _lags(client: aiohttp.ClientSession) -> dict[float, float]:
    """How many probes were launched, by how late they were at most; cumulative."""
    async with client.get("/metrics") as answer:
        return {float(bound): float(count) for bound, count in LAG.findall(await answer.text())}


async def _missing(url: str, kept: Sequence[tuple[str, str]]) -> int:
    store = await Store.open(url)
    try:
        found = {(each.point, each.entry) for each in await store.check_ins(0.0)}
    finally:
        await store.close()
    return len(set(kept) - found)


def _write_configuration(directory: Path, ids: Sequence[str], interval_s: float) -> None:
    """Points on loopback, in a phase that lasts, before a deadline that does not come."""
    directory.mkdir()
    now = datetime.now(UTC)
    days = {"starts": now - timedelta(days=1), "deadline": now + timedelta(days=1), "begins": now + timedelta(days=2)}
    written = {name: day.strftime(MINUTE) for name, day in days.items()}
    files = {
        "network.csv": NODES,
        "power.csv": NODES,
        "checks.yaml": CHECKS,
        "ceremony.yaml": CEREMONY.format(interval=f"{interval_s:g}", **written),
        "points.csv": POINTS
        + "".join(
            f"{point_id},Thôn {number},village,watch,{address}\n"
            for number, (point_id, address) in enumerate(zip(ids, loopback(len(ids)), strict=True))
        ),
    }
    for name, content in files.items():
        (directory / name).write_text(content, encoding="utf-8")
