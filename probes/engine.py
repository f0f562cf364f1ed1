"""Launches what the schedule says is due, and makes an Observation of every answer and every loss.

The sockets and the clock around :mod:`probes.schedule`: batch kinds get all their checks of a tick in one call,
coroutine kinds a task each, in bounded number. Whatever a probe does, the loop goes on: an exception is a
``Failure.INTERNAL`` and a line in the log, at most one a minute for its type.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from math import ceil
from time import monotonic, time

import msgspec
import structlog

from probes.model import (
    OF_US,
    Batch,
    BatchCounters,
    BoundBatch,
    BoundKind,
    Check,
    EngineCounters,
    Failure,
    Histogram,
    Measurement,
    Observation,
)
from probes.schedule import Due, Schedule

LAG_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
CONCURRENCY = 500
"""Coroutine probes under way at once; what is due beyond waits its turn."""
GRACE_S = 0.1
"""What a coroutine probe has beyond its deadline before it is cut off."""
PLACING_S = 1e-5
"""What it takes to give a check its place; the first are due when all have theirs."""
HOUSEKEEPING_S = 1.0
LINGER_S = 60.0
"""How long a socket that no check needs any more stays open for what it has in flight."""
REOPEN_S = 5.0
"""How long to wait before a socket that could not be opened is tried again."""
LOG_AGAIN_S = 60.0

log = structlog.get_logger("probes")


class Defects:
    """Logs exceptions that no probe should have let out, one line a minute for each type."""

    def __init__(self) -> None:
        self.count = 0
        self._logged: dict[type[BaseException], float] = {}

    def note(self, where: str, error: BaseException) -> None:
        """Count it, and log it unless its like was logged just now."""
        self.count += 1
        now = monotonic()
        if now - self._logged.get(type(error), -LOG_AGAIN_S) >= LOG_AGAIN_S:
            self._logged[type(error)] = now
            log.error("probe_defect", where=where, error=repr(error), exc_info=error)


async def _ask(check: Check, probe: BoundKind, defects: Defects) -> Measurement:
    """One coroutine probe, held to its deadline; whatever it raises becomes a value."""
    begun = monotonic()
    limit = asyncio.timeout_at(begun + check.timeout_s + GRACE_S)
    try:
        async with limit:
            return _checked(probe, await probe.run(check.address, begun + check.timeout_s))
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        defect: BaseException = error
    except Exception as error:  # noqa: BLE001 - the border at which a defect becomes a value
        if limit.expired():
            return Measurement(False, monotonic() - begun, Failure.TIMEOUT)
        defect = error
    defects.note(check.id, defect)
    return _internal(monotonic() - begun, defect)


def _checked(probe: BoundKind, measurement: object) -> Measurement:
    if not isinstance(measurement, Measurement):
        raise TypeError(f"kind {probe.kind} returned {type(measurement).__name__} instead of a Measurement")
    return measurement


def _internal(elapsed_s: float, error: BaseException) -> Measurement:
    return Measurement(False, elapsed_s, Failure.INTERNAL, f"{type(error).__name__}: {error}"[:200])


class Engine:
    """Probes a set of checks for as long as :meth:`run` runs, and hands every result to ``emit``."""

    def __init__(
        self,
        emit: Callable[[Observation], None],
        *,
        vantage: str,
        rate_limit_pps: float = 50_000,
        confirm_interval_s: float = 0.2,
        confirm_probes: int = 8,
    ) -> None:
        self._emit = emit
        self._vantage = vantage
        self._schedule = Schedule(
            rate_limit_pps=rate_limit_pps, confirm_interval_s=confirm_interval_s, confirm_probes=confirm_probes
        )
        self._counters = EngineCounters(lag=Histogram.of(*LAG_BOUNDS_S))
        self._defects = Defects()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.Handle | None = None
        self._timer_at = 0.0
        self._batches = Batches(self._observed)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._queued: dict[str, Due] = {}
        self._queue: deque[str] = deque()

    @property
    def counters(self) -> EngineCounters:
        """The engine's own health; always the same object, brought up to date here and once a second."""
        self._counters.scheduled = len(self._schedule)
        self._counters.paced = self._schedule.paced
        self._counters.internal_errors = self._defects.count
        self._counters.batches.update(self._batches.counters())
        return self._counters

    def update(self, checks: Iterable[Check]) -> None:
        """The whole new set, by ``Check.id``; those that stay keep their place in the interval."""
        checks = tuple(checks)
        self._schedule.update(checks, monotonic() + len(checks) * PLACING_S)
        self._batches.need(checks)
        self._arm()

    def hasten(self, check_ids: Iterable[str]) -> None:
        """Ask these checks within a fraction of a second, out of their turn: what is beside them has fallen."""
        if self._schedule.hasten(check_ids, monotonic()):
            self._arm()

    async def run(self) -> None:
        """Probe until cancelled. Starts are spread over each check's first interval."""
        self._loop = asyncio.get_running_loop()
        self._schedule.start(monotonic() + len(self._schedule) * PLACING_S)
        self._arm()
        try:
            while True:
                await asyncio.sleep(HOUSEKEEPING_S)
                self._keep_house()
        finally:
            await self._stop()

    def _keep_house(self) -> None:
        try:
            self._batches.close_unneeded()
            _ = self.counters
        except Exception as error:  # noqa: BLE001 - the loop outlives every defect
            self._defects.note("housekeeping", error)

    async def _stop(self) -> None:
        self._loop = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._queue.clear()
        self._queued.clear()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._batches.close()

    # What is due

    def _arm(self) -> None:
        """Wake up when something is due, and not before."""
        if self._loop is None:
            return
        now = monotonic()
        at = self._schedule.next_due(now)
        if at is None or (self._timer is not None and self._timer_at <= at):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_later(max(0, ceil((at - now) * 1000)) / 1000, self._tick)  # libuv counts in ms

    def _tick(self) -> None:
        self._timer = None
        try:
            self._launch(self._schedule.due(monotonic()))
        except Exception as error:  # noqa: BLE001 - the loop outlives every defect
            self._defects.note("tick", error)
        self._arm()

    def _launch(self, due: list[Due]) -> None:
        now = monotonic()
        groups: dict[int, list[Check]] = {}  # by identity: a module's checks share one probe
        for each in due:
            probe = each.check.probe
            if isinstance(probe, BoundKind):
                self._start_or_queue(each)
                continue
            self._note_launch(each, now)
            groups.setdefault(id(probe), []).append(each.check)
        for checks in groups.values():
            self._launch_batch(checks)

    def _note_launch(self, due: Due, now: float) -> None:
        self._counters.lag.observe(now - due.due_at)
        self._counters.launched += 1
        self._counters.in_flight += 1
        self._counters.confirming += due.confirming

    def _launch_batch(self, checks: list[Check]) -> None:
        probe = checks[0].probe
        assert isinstance(probe, BoundBatch)  # noqa: S101 - sorted by _launch
        batch = self._batches.open(probe)
        if isinstance(batch, str):
            lost = Measurement(False, 0.0, Failure.SEND, batch)
        else:
            try:
                batch.launch(checks)
            except Exception as error:  # noqa: BLE001 - the border at which a defect becomes a value
                self._defects.note(f"kind {probe.kind}", error)
                lost = _internal(0.0, error)
            else:
                return
        for check in checks:
            self._observed(check, time(), lost)

    # Coroutine kinds

    def _start_or_queue(self, due: Due) -> None:
        check_id = due.check.id
        if check_id in self._tasks or check_id in self._queued:
            self._counters.skipped += not due.confirming
            self._schedule.not_launched(due)
        elif len(self._tasks) < CONCURRENCY:
            self._start(due)
        else:
            self._queued[check_id] = due
            self._queue.append(check_id)

    def _start(self, due: Due) -> None:
        self._note_launch(due, monotonic())
        task = asyncio.create_task(self._probe(due.check))
        self._tasks[due.check.id] = task
        task.add_done_callback(lambda _: self._finished(due.check.id))

    def _finished(self, check_id: str) -> None:
        del self._tasks[check_id]
        while self._queue and len(self._tasks) < CONCURRENCY:
            self._start(self._queued.pop(self._queue.popleft()))

    async def _probe(self, check: Check) -> None:
        assert isinstance(check.probe, BoundKind)  # noqa: S101 - sorted by _launch
        measurement = await _ask(check, check.probe, self._defects)
        self._observed(check, time(), measurement)

    # What was found

    def _observed(self, check: Check, observed_at: float, measurement: Measurement) -> None:
        """One result, of a check that may be gone since or ask something else by now."""
        self._counters.in_flight -= 1
        now = self._schedule.get(check.id)
        if now is not check and (now is None or (now.address, now.probe) != (check.address, check.probe)):
            return
        failure = measurement.failure
        if failure not in OF_US and self._schedule.outcome(check.id, measurement.success, monotonic()):
            self._arm()
        self._counters.observed += 1
        try:
            self._emit(Observation(check.id, observed_at, self._vantage, measurement))
        except Exception as error:  # noqa: BLE001 - what receives must not stop what probes
            self._defects.note("emit", error)


class Batches:
    """The open batches, one for each kind and set of parameters."""

    def __init__(self, emit: Callable[[Check, float, Measurement], None]) -> None:
        self._emit = emit
        self._open: dict[BoundBatch, Batch] = {}
        self._refused: dict[BoundBatch, tuple[str, float]] = {}
        self._unneeded: dict[BoundBatch, float] = {}
        self._closed: dict[str, BatchCounters] = {}

    def open(self, probe: BoundBatch) -> Batch | str:
        """The batch, or why there is none; then it is tried again after a while."""
        batch = self._open.get(probe)
        if batch is not None:
            return batch
        why, again_at = self._refused.get(probe, ("", 0.0))
        if monotonic() < again_at:
            return why
        try:
            batch = probe.open(self._emit)
        except OSError as error:
            why = error.strerror or str(error)
            log.error("batch_refused", kind=probe.kind, error=why)  # noqa: TRY400 - expected, and says what to do
            self._refused[probe] = (why, monotonic() + REOPEN_S)
            return why
        self._refused.pop(probe, None)
        self._open[probe] = batch
        log.info("batch_opened", kind=probe.kind, socket=batch.description)
        return batch

    def need(self, checks: Iterable[Check]) -> None:
        """Mark what these checks do not need any more."""
        probes = {id(check.probe): check.probe for check in checks}
        needed = {probe for probe in probes.values() if isinstance(probe, BoundBatch)}
        now = monotonic()
        self._unneeded = {probe: self._unneeded.get(probe, now) for probe in self._open if probe not in needed}

    def close_unneeded(self) -> None:
        """Close what has not been needed for a while; its counts stay."""
        for probe, since in list(self._unneeded.items()):
            if monotonic() - since > LINGER_S:
                del self._unneeded[probe]
                self._close(probe)

    def close(self) -> None:
        """Close everything."""
        for probe in list(self._open):
            self._close(probe)

    def counters(self) -> dict[str, BatchCounters]:
        """What was counted since the start, by kind."""
        total = dict(self._closed)
        for probe, batch in self._open.items():
            total[probe.kind] = _sum(total.get(probe.kind, BatchCounters()), batch.counters)
        return total

    def _close(self, probe: BoundBatch) -> None:
        batch = self._open.pop(probe)
        self._closed[probe.kind] = _sum(self._closed.get(probe.kind, BatchCounters()), batch.counters)
        batch.close()


def _sum(one: BatchCounters, other: BatchCounters) -> BatchCounters:
    pairs = zip(msgspec.structs.astuple(one), msgspec.structs.astuple(other), strict=True)
    return BatchCounters(*(a + b for a, b in pairs))


async def probe_once(check: Check) -> Measurement:
    """One probe by itself, of any kind, with its timeout. Every failure is a value."""
    defects = Defects()
    if isinstance(check.probe, BoundKind):
        return await _ask(check, check.probe, defects)
    return await _ask(check, BoundKind(check.probe.kind, check.probe.params, _Single(check, check.probe)), defects)


class _Single:
    """A batch that is opened for one probe; ``setup`` is the phase of opening it."""

    def __init__(self, check: Check, probe: BoundBatch) -> None:
        self._check = check
        self._probe = probe

    async def __call__(self, address: str, deadline: float) -> Measurement:  # noqa: ARG002 - both stand in the check
        begun = monotonic()
        answer: asyncio.Future[Measurement] = asyncio.get_running_loop().create_future()
        try:
            batch = self._probe.open(lambda _check, _at, found: None if answer.done() else answer.set_result(found))
        except OSError as error:
            return Measurement(False, monotonic() - begun, Failure.SEND, error.strerror or str(error))
        setup_s = monotonic() - begun
        try:
            batch.launch([self._check])
            measurement = await answer
        finally:
            batch.close()
        return msgspec.structs.replace(measurement, phases=(("setup", setup_s), *measurement.phases))
