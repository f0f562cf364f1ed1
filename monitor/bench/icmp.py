"""A sweep: one ICMP echo to each of many loopback addresses, as fast as it goes, by the icmp kind itself.

Timed from before its sockets are opened until the last answer was handed out; every target must have answered. The
first round parses the addresses and the others find them parsed, as the sweeps of a service do. Pacing and spreading,
which a network needs and a loopback interface does not, are the schedule's and take no part.
"""

import asyncio
import ipaddress
from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter

import msgspec
import uvloop

from monitor.bench.peers import Sweep, swept
from probes.kinds.icmp import KIND
from probes.model import Check, Measurement

FIRST = ipaddress.IPv4Address("127.1.0.1")
TARGETS_MAX = 1_000_000
TIMEOUT_S = 2.0


class Peer(msgspec.Struct, frozen=True):
    """Another tool's sweep: medians over the rounds; ``ratio`` is its time over ours."""

    sweep_seconds: float
    rtt_median_seconds: float
    rtt_p99_seconds: float
    answered: int
    ratio: float


class Report(msgspec.Struct, frozen=True):
    """Medians over the rounds. ``answered`` is of the worst round."""

    targets: int
    rounds: int
    answered: int
    sweep_seconds: float
    rtt_median_seconds: float
    rtt_p99_seconds: float
    peers: dict[str, Peer]


def loopback(count: int) -> list[str]:
    """So many distinct addresses of 127.0.0.0/8."""
    return [str(FIRST + i) for i in range(count)]


def checks_of(targets: Sequence[str], *, interval_s: float, timeout_s: float = TIMEOUT_S) -> list[Check]:
    """An icmp check, with default parameters, for each address."""
    probe = KIND.bind(KIND.params())
    return [Check(f"{address}/icmp", address, "icmp", address, probe, interval_s, timeout_s) for address in targets]


async def _sweep(checks: Sequence[Check]) -> tuple[float, list[Measurement]]:
    measurements: list[Measurement] = []
    done = asyncio.Event()

    def emit(_check: Check, _at: float, measurement: Measurement) -> None:
        measurements.append(measurement)
        if len(measurements) == len(checks):
            done.set()

    begun = perf_counter()
    batch = KIND.bind(KIND.params()).open(emit)
    try:
        batch.launch(checks)
        await done.wait()
        return perf_counter() - begun, measurements
    finally:
        batch.close()


def sweep(targets: Sequence[str]) -> Sweep:
    """One round of ours. Raises PermissionError, saying what to do, where ICMP is not allowed."""
    checks = checks_of(targets, interval_s=1.0)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        seconds, measurements = runner.run(_sweep(checks))
    return swept(seconds, (measurement.duration_s for measurement in measurements if measurement.success))


def run(targets: int, rounds: int, peers: dict[str, Callable[[Sequence[str]], Sweep]]) -> Report:
    """Ours and each peer in turn, again and again, so that what else the machine does hits all alike."""
    addresses = loopback(targets)
    contestants = {"": sweep, **peers}
    results: dict[str, list[Sweep]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            results[name].append(contestant(addresses))
    ours = _medians(results.pop(""))
    theirs = {name: _medians(sweeps) for name, sweeps in results.items()}
    return Report(
        targets,
        rounds,
        ours.answered,
        ours.seconds,
        ours.rtt_median_s,
        ours.rtt_p99_s,
        {
            name: Peer(it.seconds, it.rtt_median_s, it.rtt_p99_s, it.answered, it.seconds / ours.seconds)
            for name, it in theirs.items()
        },
    )


def _medians(sweeps: Sequence[Sweep]) -> Sweep:
    return Sweep(
        median(it.seconds for it in sweeps),
        min(it.answered for it in sweeps),
        median(it.rtt_median_s for it in sweeps),
        median(it.rtt_p99_s for it in sweeps),
    )
