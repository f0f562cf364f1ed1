"""A long run: very many ICMP checks in one process on loopback, every observation folded into the pipeline.

It starts cold, so the first interval belongs to it. A probe is lost when it was not answered, for whatever reason;
those in flight at the end are not counted.
"""

import asyncio
import gc
import os
from contextlib import suppress
from pathlib import Path
from time import time

import msgspec
import uvloop

from monitor.bench.icmp import checks_of, loopback
from monitor.bench.peers import quantile
from monitor.core.model import Ceremony, CheckPolicy, Inventory, Mode, Phase, Point, Tier
from monitor.core.pipeline import Pipeline
from probes.engine import Engine
from probes.model import Check, Histogram, Layer, Observation

TICK_S = 0.2
TIMEOUT_S = 1.0


class Report(msgspec.Struct, frozen=True):
    """What one process bore. ``cpu_ratio`` is its share of one core after all was set up."""

    checks: int
    interval_seconds: float
    duration_seconds: float
    probes: int
    observed: int
    lost: int
    kernel_drops: int
    cpu_ratio: float
    lag_p50_seconds: float
    lag_p99_seconds: float
    lag_max_seconds: float
    rtt_median_seconds: float
    rtt_p99_seconds: float
    max_rss_bytes: int


class _Exact(Histogram):
    """Keeps every value beside the counts."""

    values: list[float] = msgspec.field(default_factory=list)

    def observe(self, value: float) -> None:
        self.values.append(value)
        super().observe(value)


def province_of(checks: list[Check], now: float) -> Pipeline:
    """A pipeline that expects a point behind every check, in a phase that lasts."""
    points = {
        check.target: Point(id=check.target, name=check.target, tier=Tier.VILLAGE, mode=Mode.TWO_WAY)
        for check in checks
    }
    interval_s = checks[0].interval_s
    phase = Phase(
        name="live", title="Diễn ra", starts_at=now - 1.0, interval_s=interval_s, alpha=1e-6, severity="critical"
    )
    ceremony = Ceremony(title="bench", timezone="UTC", report_at=now, begins_at=now, phases=(phase,))
    policies = [CheckPolicy(check.id, check.target, Layer.REACHABLE, interval_s) for check in checks]
    return Pipeline(Inventory(points, {}, {}, {}), ceremony, policies, now)


class _Run:
    """The engine, the pipeline behind it, and what is noted on the way."""

    def __init__(self, checks: list[Check], rate_limit_pps: float) -> None:
        self.engine = Engine(self._observe, vantage="bench", rate_limit_pps=rate_limit_pps)
        self.engine.update(checks)
        self.lags = _Exact(self.engine.counters.lag.bounds, self.engine.counters.lag.counts)
        self.engine.counters.lag = self.lags
        self.pipeline = province_of(checks, time())
        self.rtts: list[float] = []
        self.in_flight = 0
        """At the end, cut off rather than lost."""

    def _observe(self, observation: Observation) -> None:
        self.pipeline.observe(observation)
        if observation.measurement.success:
            self.rtts.append(observation.measurement.duration_s)

    async def last(self, duration_s: float) -> float:
        """Run for so long; the seconds of CPU time that it took."""
        running = asyncio.create_task(self.engine.run())
        await asyncio.sleep(0)
        before = _cpu_s()
        until = asyncio.get_running_loop().time() + duration_s
        while asyncio.get_running_loop().time() < until:
            await asyncio.sleep(TICK_S)
            self.pipeline.tick(time())
        used = _cpu_s() - before
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        self.in_flight = self.engine.counters.in_flight
        return used


def _cpu_s() -> float:
    used = os.times()
    return used.user + used.system


def _peak_bytes() -> int:
    """The most resident memory of this process (proc(5)); getrusage's would be its parent's where that was larger."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


def run(checks: int, interval_s: float, duration_s: float, rate_limit_pps: float) -> Report:
    """Probe ``checks`` loopback addresses every ``interval_s`` for ``duration_s``."""
    subject = _Run(checks_of(loopback(checks), interval_s=interval_s, timeout_s=TIMEOUT_S), rate_limit_pps)
    gc.collect()
    gc.freeze()  # as the service does
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        used = runner.run(subject.last(duration_s))
    gc.unfreeze()
    return _report(subject, checks, interval_s, duration_s, used)


def _report(subject: _Run, checks: int, interval_s: float, duration_s: float, used: float) -> Report:
    counters = subject.engine.counters
    icmp = counters.batches["icmp"]
    lags, rtts = sorted(subject.lags.values), sorted(subject.rtts)
    return Report(
        checks=checks,
        interval_seconds=interval_s,
        duration_seconds=duration_s,
        probes=counters.launched,
        observed=counters.observed,
        lost=counters.launched - subject.in_flight - len(rtts),
        kernel_drops=icmp.kernel_drops,
        cpu_ratio=used / duration_s,
        lag_p50_seconds=quantile(lags, 0.5),
        lag_p99_seconds=quantile(lags, 0.99),
        lag_max_seconds=lags[-1] if lags else float("nan"),
        rtt_median_seconds=quantile(rtts, 0.5),
        rtt_p99_seconds=quantile(rtts, 0.99),
        max_rss_bytes=_peak_bytes(),
    )
