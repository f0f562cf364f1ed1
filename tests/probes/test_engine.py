"""The engine, with real sockets on loopback and with kinds that misbehave."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from time import monotonic, time

import msgspec
import pytest
import structlog
import uvloop

from probes import engine as engine_module
from probes.engine import Engine, probe_once
from probes.model import (
    Batch,
    BatchCounters,
    BatchKind,
    BoundBatch,
    BoundKind,
    Check,
    Emit,
    Failure,
    Kind,
    Measurement,
    Observation,
    Params,
)
from probes.registry import KINDS

PATIENCE_S = 20.0
ANSWERED = Measurement(True, 0.001)
LOST = Measurement(False, 0.01, Failure.TIMEOUT)
ICMP = KINDS["icmp"].bind(KINDS["icmp"].params())


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """On both loops: their timers and readers differ."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def kind_of(probe: Callable[[str, Params, float], Awaitable[Measurement]]) -> BoundKind:
    return Kind("test", Params, probe, "anything").bind(Params())


def check(
    name: str,
    probe: BoundKind | BoundBatch,
    *,
    interval_s: float = 0.1,
    timeout_s: float = 0.5,
    address: str = "127.0.0.1",
) -> Check:
    return Check(name, name, "test", address, probe, interval_s, timeout_s)


class Told:
    """What was emitted."""

    def __init__(self) -> None:
        self.observations: list[Observation] = []

    def __call__(self, observation: Observation) -> None:
        """Keep it."""
        self.observations.append(observation)

    def of(self, name: str) -> list[Measurement]:
        """The measurements of one check."""
        return [observation.measurement for observation in self.observations if observation.check == name]

    async def until(self, enough: Callable[[], bool]) -> None:
        """Let the engine run."""
        give_up_at = monotonic() + PATIENCE_S
        while not enough():
            assert monotonic() < give_up_at, self.observations[-3:]
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(engine: Engine) -> AsyncIterator[None]:
    task = asyncio.create_task(engine.run())
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class Scripted:
    """A batch that answers as it is told, at once or never."""

    opened: int
    closed: int

    def __init__(self, answer: Callable[[Check], Measurement | None]) -> None:
        self.answer = answer
        self.opened = self.closed = 0
        self.launched: list[tuple[float, str]] = []
        self.bound = BatchKind("scripted", Params, self._open, "anything").bind(Params())

    def _open(self, _params: Params, emit: Emit) -> Batch:
        self.opened += 1
        return _ScriptedBatch(self, emit)


class _ScriptedBatch:
    description = "no socket"

    def __init__(self, script: Scripted, emit: Emit) -> None:
        self._script = script
        self._emit = emit
        self.counters = BatchCounters()

    def launch(self, checks: Sequence[Check]) -> None:
        """Count, and answer."""
        for one in checks:
            self.counters.sent += 1
            self._script.launched.append((monotonic(), one.id))
            answer = self._script.answer(one)
            if answer is not None:
                asyncio.get_running_loop().call_soon(self._emit, one, time(), answer)

    def close(self) -> None:
        """Count."""
        self._script.closed += 1


# With real packets


async def test_loopback_is_probed_at_its_interval_and_nothing_is_lost() -> None:
    """Observations carry the check, the vantage point, the present time and a success."""
    told = Told()
    engine = Engine(told, vantage="here")
    checks = [check(f"p{i}/icmp", ICMP, address=f"127.0.1.{i}", timeout_s=PATIENCE_S) for i in range(50)]
    engine.update(checks)
    async with running(engine):
        await told.until(lambda: len(told.observations) >= 200)
    assert all(one.measurement.success and one.vantage == "here" for one in told.observations)
    assert set(Counter(one.check for one in told.observations)) == {one.id for one in checks}
    assert abs(told.observations[-1].observed_at - time()) < PATIENCE_S
    counters = engine.counters
    assert counters.launched == counters.observed + counters.in_flight
    assert counters.batches["icmp"].sent == counters.launched == sum(counters.lag.counts)
    assert counters.scheduled == 50
    assert counters.internal_errors == counters.paced == 0


async def test_no_icmp_socket_is_a_failure_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is said of the target, no burst begins, the engine goes on."""

    def refuse(_emit: Emit) -> Batch:
        raise PermissionError(1, "no ICMP socket is allowed: run as root")

    monkeypatch.setattr(engine_module, "REOPEN_S", 0.05)
    told = Told()
    engine = Engine(told, vantage="v")
    bound = BoundBatch("refused", Params(), refuse)
    engine.update([check("a", bound)])
    with structlog.testing.capture_logs() as logs:
        async with running(engine):
            await told.until(lambda: len(told.observations) >= 3)
        assert (await probe_once(check("a", bound))).detail == "no ICMP socket is allowed: run as root"
    assert {(one.failure, one.detail) for one in told.of("a")} == {
        (Failure.SEND, "no ICMP socket is allowed: run as root")
    }
    assert {line["event"] for line in logs} == {"batch_refused"}
    assert engine.counters.confirming == 0


# Coroutine kinds


async def test_overrunning_probe_is_cut_off_at_its_deadline() -> None:
    """And skipped, and counted, as long as it is under way."""

    async def hang(_address: str, _params: Params, _deadline: float) -> Measurement:
        await asyncio.sleep(PATIENCE_S * 10)
        raise AssertionError

    told = Told()
    engine = Engine(told, vantage="v", confirm_probes=0)
    engine.update([check("a", kind_of(hang), interval_s=0.05, timeout_s=0.2)])
    async with running(engine):
        await told.until(lambda: len(told.observations) >= 2)
    assert {one.failure for one in told.of("a")} == {Failure.TIMEOUT}
    assert all(one.duration_s >= 0.2 for one in told.of("a"))
    assert engine.counters.skipped >= 2
    assert engine.counters.in_flight <= 1


async def raise_value_error(_address: str, _params: Params, _deadline: float) -> Measurement:
    raise ValueError("a defect")


async def raise_timeout_error(_address: str, _params: Params, _deadline: float) -> Measurement:
    raise TimeoutError("a defect")


async def cancel_itself(_address: str, _params: Params, _deadline: float) -> Measurement:
    raise asyncio.CancelledError("a defect")


async def answer_with_nothing(_address: str, _params: Params, _deadline: float) -> Measurement:
    return None  # type: ignore[return-value]


@pytest.mark.parametrize("defective", [raise_value_error, raise_timeout_error, cancel_itself, answer_with_nothing])
async def test_defect_of_a_probe_is_a_value_and_one_line_a_minute(
    defective: Callable[[str, Params, float], Awaitable[Measurement]],
) -> None:
    """Whatever a kind raises, the engine goes on and its neighbours are probed."""
    told = Told()
    engine = Engine(told, vantage="v")
    engine.update([check("bad", kind_of(defective)), check("good", ICMP)])
    with structlog.testing.capture_logs() as logs:
        async with running(engine):
            await told.until(lambda: len(told.of("bad")) >= 5 and len(told.of("good")) >= 5)
    assert {one.failure for one in told.of("bad")} == {Failure.INTERNAL}
    assert engine.counters.internal_errors == len(told.of("bad"))
    assert [line["event"] for line in logs].count("probe_defect") == 1
    assert engine.counters.confirming == 0


async def test_concurrency_is_bounded_and_everyone_has_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is due beyond the bound waits, and is not forgotten."""
    under_way = most = 0

    async def slow(_address: str, _params: Params, _deadline: float) -> Measurement:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.01)
        under_way -= 1
        return ANSWERED

    monkeypatch.setattr(engine_module, "CONCURRENCY", 5)
    told = Told()
    engine = Engine(told, vantage="v")
    engine.update([check(f"p{i}", kind_of(slow), interval_s=0.2, timeout_s=5.0) for i in range(40)])
    async with running(engine):
        await told.until(lambda: len({one.check for one in told.observations}) == 40)
    assert most == 5


async def test_stopping_cancels_what_is_under_way() -> None:
    """And closes every socket: nothing is left to warn about."""
    begun = asyncio.Event()
    cancelled = False

    async def hang(_address: str, _params: Params, _deadline: float) -> Measurement:
        nonlocal cancelled
        begun.set()
        try:
            await asyncio.sleep(PATIENCE_S * 10)
        except asyncio.CancelledError:
            cancelled = True
            raise
        return ANSWERED

    engine = Engine(Told(), vantage="v")
    engine.update([check("a", kind_of(hang), timeout_s=100.0), check("b", ICMP)])
    async with running(engine):
        await asyncio.wait_for(begun.wait(), PATIENCE_S)
    assert cancelled


# Schedule and updates


async def test_first_loss_begins_a_burst_and_so_does_the_first_answer() -> None:
    """Both directions, without waiting for the next interval."""
    found: Measurement | None = ANSWERED
    script = Scripted(lambda _check: found)
    told = Told()
    engine = Engine(told, vantage="v", confirm_interval_s=0.02, confirm_probes=4)
    engine.update([check("a", script.bound, interval_s=0.3)])
    async with running(engine):
        await told.until(lambda: bool(told.observations))
        found = LOST
        await told.until(lambda: len(told.of("a")) >= 6)
        confirming = engine.counters.confirming
        assert confirming >= 4
        found = ANSWERED
        await told.until(lambda: engine.counters.confirming >= confirming + 4)


async def test_burst_wakes_a_sleeping_engine() -> None:
    """A loss known long before anything is due by the clock is confirmed at once."""
    silent: list[Check] = []
    script = Scripted(silent.append)  # type: ignore[func-returns-value]
    told = Told()
    engine = Engine(told, vantage="v", confirm_interval_s=0.02, confirm_probes=2)
    engine.update([check("a", script.bound, interval_s=3600.0)])
    async with running(engine):
        await asyncio.sleep(0.05)
        engine._counters.in_flight += 1
        engine._observed(engine._schedule.get("a") or pytest.fail("gone"), time(), LOST)
        await told.until(lambda: len(script.launched) >= 4)


async def test_update_while_running_adds_and_removes() -> None:
    """The result of a check that is gone, or asks something else by now, is not told."""
    waiting: list[tuple[Check, Emit]] = []

    class Holding(_ScriptedBatch):
        def launch(self, checks: Sequence[Check]) -> None:
            waiting.extend((one, self._emit) for one in checks)

    script = Scripted(lambda _check: None)
    bound = BatchKind("held", Params, lambda _params, emit: Holding(script, emit), "anything").bind(Params())
    told = Told()
    engine = Engine(told, vantage="v")
    engine.update([check("gone", bound), check("moved", bound), check("same", bound)])
    async with running(engine):
        await told.until(lambda: {one.id for one, _ in waiting} == {"gone", "moved", "same"})
        engine.update([check("moved", bound, address="127.0.0.2"), check("same", bound, interval_s=0.2)])
        for one, emit in waiting:
            emit(one, time(), ANSWERED)
        assert {one.check for one in told.observations} == {"same"}
        assert engine.counters.in_flight == 0
        engine.update([])
        waiting.clear()
        await asyncio.sleep(0.3)
        assert waiting == []
    assert engine.counters.scheduled == 0


async def test_sockets_no_longer_needed_are_closed_and_their_counts_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A counter never goes back, whatever the configuration does."""
    monkeypatch.setattr(engine_module, "LINGER_S", 0.0)
    monkeypatch.setattr(engine_module, "HOUSEKEEPING_S", 0.05)
    script = Scripted(lambda _check: ANSWERED)
    told = Told()
    engine = Engine(told, vantage="v")
    engine.update([check("a", script.bound)])
    async with running(engine):
        await told.until(lambda: len(told.observations) >= 2)
        engine.update([])
        sent = engine.counters.batches["scripted"].sent
        await told.until(lambda: script.closed == 1)
        assert engine.counters.batches["scripted"].sent == sent >= 2
        engine.update([check("a", script.bound)])
        await told.until(lambda: script.opened == 2 and len(told.observations) >= sent + 1)
        assert engine.counters.batches["scripted"].sent > sent


async def test_equal_parameters_share_a_socket() -> None:
    """Configuration may bind a kind anew at each reload."""
    script = Scripted(lambda _check: ANSWERED)
    told = Told()
    engine = Engine(told, vantage="v")
    again = BatchKind("scripted", Params, script._open, "anything").bind(Params())
    engine.update([check("a", script.bound), check("b", again)])
    async with running(engine):
        await told.until(lambda: {one.check for one in told.observations} == {"a", "b"})
    assert script.opened == script.closed == 1


async def test_receiver_that_raises_does_not_stop_probing() -> None:
    """What it raises is logged once and counted."""
    heard = 0

    def deaf(_observation: Observation) -> None:
        nonlocal heard
        heard += 1
        raise RuntimeError("full")

    engine = Engine(deaf, vantage="v")
    engine.update([check("a", ICMP)])
    with structlog.testing.capture_logs() as logs:
        async with running(engine):
            await Told().until(lambda: heard >= 3)
    assert [line["where"] for line in logs if line["event"] == "probe_defect"] == ["emit"]


async def test_batch_that_raises_at_launch_does_not_stop_probing() -> None:
    """Its checks have failed by our own fault."""

    class Broken(_ScriptedBatch):
        def launch(self, checks: Iterable[Check]) -> None:
            raise KeyError(len(list(checks)))

    script = Scripted(lambda _check: None)
    bound = BatchKind("broken", Params, lambda _params, emit: Broken(script, emit), "anything").bind(Params())
    told = Told()
    engine = Engine(told, vantage="v")
    engine.update([check("a", bound), check("b", ICMP)])
    async with running(engine):
        await told.until(lambda: len(told.of("a")) >= 2 and len(told.of("b")) >= 2)
    assert {one.failure for one in told.of("a")} == {Failure.INTERNAL}


async def test_checks_handed_in_long_before_running_are_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    """They do not all fall due at the start."""
    script = Scripted(lambda _check: ANSWERED)
    told = Told()
    engine = Engine(told, vantage="v")
    real = monotonic
    monkeypatch.setattr(engine_module, "monotonic", lambda: real() - 3600.0)
    engine.update([check(f"p{i}", script.bound, interval_s=1.0) for i in range(200)])
    monkeypatch.undo()
    async with running(engine):
        await told.until(lambda: bool(told.observations))
        assert len(script.launched) < 150


async def test_observation_travels_as_json() -> None:
    """What leaves the prober can leave the host: decoded, it is the same."""
    told = Told()
    engine = Engine(told, vantage="v")
    engine.update([check("a", ICMP)])
    async with running(engine):
        await told.until(lambda: bool(told.observations))
    wire = msgspec.json.encode(told.observations[0])
    assert msgspec.json.decode(wire, type=Observation) == told.observations[0]


# One probe by itself


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "localhost"])
async def test_probe_once_explains_a_batch_kind_too(address: str) -> None:
    """With the phase of opening its socket before the others."""
    found = await probe_once(check("a", ICMP, address=address, timeout_s=PATIENCE_S))
    assert found.success
    assert [name for name, _ in found.phases] == ["setup", "resolve", "rtt"]


async def test_probe_once_survives_a_defect() -> None:
    """Of either shape of kind."""

    def broken(_emit: Emit) -> Batch:
        raise ZeroDivisionError

    for bound in (kind_of(raise_value_error), BoundBatch("broken", Params(), broken)):
        assert (await probe_once(check("a", bound))).failure is Failure.INTERNAL


async def test_probe_once_of_a_batch_that_says_nothing_ends() -> None:
    """Cut off, as a coroutine is."""
    script = Scripted(lambda _check: None)
    assert (await probe_once(check("a", script.bound, timeout_s=0.05))).failure is Failure.TIMEOUT
    assert script.closed == 1
