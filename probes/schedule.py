"""Decides what is due at an instant. Pure: time is an argument, in monotonic seconds.

Each check has its own place in its interval, a hash of its id, so that load is even, a reload moves nobody, and a
change of interval leads to the same place in the new one. Due instants lie in a timing wheel (Varghese and Lauck,
1987): a bucket a tick, and nothing is searched or sorted for a probe.

When the outcome of a check departs from its settled one, in either direction, it is asked every ``confirm_interval_s``
without waiting for each answer, until ``confirm_probes`` in a row agree or the burst's budget is spent; what they
agree upon is then the settled outcome. A new check is settled on answering. A token bucket holds back what exceeds
the rate; bursts wait behind what is due by the clock and have a share of the rate, for when everything falls silent
at once it is us, and asking harder would only hold up the loop.
"""

from collections import deque
from collections.abc import Iterable
from hashlib import blake2b
from heapq import heappop, heappush
from math import ceil, floor, inf

import msgspec

from probes.model import Check

TICK_S = 0.005
"""How finely due instants are kept; a probe is launched by so much later."""
BUDGET_RATIO = 2
"""A burst sends at most so many probes for each one that has to agree."""
NOWHERE = -1
BURSTS_RATIO = 0.5
"""The share of the rate that bursts may have."""
HASTEN_S = 0.2
"""Over how long checks are spread that are asked out of their turn; one whose turn comes so soon waits for it."""
AT_ONCE_S = 0.01
"""How much of the rate may pass at once after a quiet time,"""
AT_ONCE = 512
"""and never more than this, so that the loop has its turn."""


class Due(msgspec.Struct, frozen=True, gc=False):
    """A probe to launch now."""

    check: Check
    due_at: float
    confirming: bool


class _Burst(msgspec.Struct, gc=False):
    """A confirm burst. ``over_at`` is when the last answer is in, once the budget is spent."""

    budget: int
    outcome: bool
    agreeing: int = 0
    over_at: float = inf
    hastened: bool = False
    """Nothing is to be confirmed: the check is asked once, out of its turn."""


class _Entry:
    """A check, its place, when it is due by the clock and by its burst, and the buckets where it lies for that.

    An instant of infinity is never, and ``NOWHERE`` no bucket.
    """

    __slots__ = ("burst", "check", "confirm_at", "confirm_tick", "due_at", "due_tick", "fraction", "settled", "waiting")

    def __init__(self, check: Check) -> None:
        self.check = check
        self.fraction = fraction_of(check.id)
        self.due_at = inf
        self.due_tick = NOWHERE
        self.confirm_at = inf
        self.confirm_tick = NOWHERE
        self.settled = True
        self.burst: _Burst | None = None
        self.waiting = 0
        """Bit 0: the bucket holds back a probe by the clock; bit 1: one of a burst."""

    def settle(self, outcome: bool) -> None:  # noqa: FBT001 - the outcome is the message
        self.settled = outcome
        self.burst = None
        self.confirm_at = inf
        self.confirm_tick = NOWHERE


def fraction_of(check_id: str) -> float:
    """The check's place in any interval, from 0 up to 1, the same in every process."""
    return int.from_bytes(blake2b(check_id.encode(), digest_size=6).digest(), "big") / (1 << 48)


def next_place(fraction: float, interval_s: float, after: float) -> float:
    """The first instant later than ``after`` at this place of the interval, intervals being counted from zero."""
    at = (floor(after / interval_s - fraction) + 1 + fraction) * interval_s
    return at if at > after else at + interval_s  # rounding


class TokenBucket:
    """Lets ``rate`` probes a second pass, and ``most`` at once."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self.most = min(AT_ONCE, max(1.0, rate * AT_ONCE_S))
        self._tokens = self.most
        self._at = -inf

    def available(self, now: float) -> int:
        """How many may pass now."""
        if now > self._at:
            self._tokens = min(self.most, self._tokens + (now - self._at) * self._rate)
            self._at = now
        return int(self._tokens)

    def take(self, count: int) -> None:
        """So many have passed."""
        self._tokens -= count

    def wait_s(self, count: int) -> float:
        """From the last look until so many may pass, or as many as make a wake-up worth while."""
        return max(0.0, min(count, max(1.0, self.most / 2)) - self._tokens) / self._rate


class Schedule:
    """All checks, when each is due, and which are being confirmed. ``paced`` counts what the bucket held back."""

    def __init__(
        self, *, rate_limit_pps: float = 50_000, confirm_interval_s: float = 0.2, confirm_probes: int = 8
    ) -> None:
        self.paced = 0
        self._confirm_interval_s = confirm_interval_s
        self._confirm_probes = confirm_probes
        self._tokens = TokenBucket(rate_limit_pps)
        self._burst_tokens = TokenBucket(rate_limit_pps * BURSTS_RATIO)
        self._entries: dict[str, _Entry] = {}
        self._wheel: dict[int, list[_Entry]] = {}
        self._ticks: list[int] = []
        self._waiting: tuple[deque[tuple[_Entry, float]], ...] = (deque(), deque())

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, check_id: str) -> Check | None:
        """The check as it is scheduled now; None when it no longer is."""
        entry = self._entries.get(check_id)
        return None if entry is None else entry.check

    def update(self, checks: Iterable[Check], now: float) -> None:
        """The whole new set. Survivors keep their place and their settled outcome, unless they ask something else."""
        before, self._entries = self._entries, {}
        for check in checks:
            entry = before.pop(check.id, None) or self._entries.get(check.id) or _Entry(check)
            self._entries[check.id] = entry
            if (entry.check.address, entry.check.probe) != (check.address, check.probe):
                entry.settle(outcome=True)
            if entry.due_at == inf or entry.check.interval_s != check.interval_s:
                self._put_by_clock(entry, next_place(entry.fraction, _interval(check), now))
            entry.check = check
        for gone in before.values():
            gone.settle(outcome=True)
            gone.due_at, gone.due_tick = inf, NOWHERE

    def start(self, now: float) -> None:
        """Begin at ``now`` with every check at its place, however long ago they were handed in."""
        self._wheel.clear()
        self._ticks.clear()
        for entry in self._entries.values():
            entry.settle(outcome=True)
            self._put_by_clock(entry, next_place(entry.fraction, _interval(entry.check), now))

    def next_due(self, now: float) -> float | None:
        """When to ask :meth:`due` again; None when there is nothing to do."""
        by_clock, by_burst = map(len, self._waiting)
        if by_clock:
            return now + self._tokens.wait_s(by_clock)
        if by_burst:
            tick_at = self._ticks[0] * TICK_S if self._ticks else inf
            return min(tick_at, now + max(self._tokens.wait_s(by_burst), self._burst_tokens.wait_s(by_burst)))
        return self._ticks[0] * TICK_S if self._ticks else None

    def due(self, now: float) -> list[Due]:
        """What to launch now, at most ``AT_ONCE``. What a stall has made late by whole intervals is due once."""
        came = [0, 0]
        while self._ticks and self._ticks[0] * TICK_S <= now:
            tick = heappop(self._ticks)
            for entry in self._wheel.pop(tick):
                if entry.due_tick == tick:
                    came[False] += self._wait(entry, entry.due_at, confirming=False)
                    self._repeat(entry, now)
                if entry.confirm_tick == tick and entry.burst is not None:
                    came[True] += self._wait(entry, entry.confirm_at, confirming=True)
                    self._continue(entry, entry.burst, now)
        passed = self._pass(now)
        self.paced += sum(map(min, came, map(len, self._waiting)))
        return passed

    def outcome(self, check_id: str, success: bool, now: float) -> bool:  # noqa: FBT001 - the outcome is the message
        """A probe of this check has answered, or not; whether a burst begins, that is, something is due now."""
        entry = self._entries.get(check_id)
        if entry is None:
            return False
        if entry.burst is not None and entry.burst.hastened:
            entry.settle(entry.settled)
        burst = entry.burst
        if burst is not None and now < burst.over_at:
            burst.agreeing = burst.agreeing + 1 if success is burst.outcome else 1
            burst.outcome = success
            if burst.agreeing >= self._confirm_probes:
                entry.settle(success)
        elif success is entry.settled or not self._is_confirmed(entry.check):
            entry.settle(success)
        else:
            entry.burst = _Burst(self._confirm_probes * BUDGET_RATIO, success)
            self._put_by_burst(entry, now)
            return True
        return False

    def hasten(self, check_ids: Iterable[str], now: float) -> int:
        """Ask these checks soon, once and out of their turn, which stays; how many that concerns.

        Not those that are being confirmed, nor those whose turn comes as soon, nor those that are not scheduled.
        """
        entries = (self._entries.get(check_id) for check_id in dict.fromkeys(check_ids))
        late = [entry for entry in entries if entry and not entry.burst and now + HASTEN_S < entry.due_at < inf]
        for entry in late:
            entry.burst = _Burst(1, entry.settled, hastened=True)
            self._put_by_burst(entry, now + entry.fraction * HASTEN_S)
        return len(late)

    def not_launched(self, due: Due) -> None:
        """The check's probe before was still under way: a burst gets its budget back."""
        entry = self._entries.get(due.check.id)
        if due.confirming and entry is not None and entry.burst is not None:
            entry.burst.budget += 1
            entry.burst.over_at = inf
            if entry.confirm_at == inf:
                self._put_by_burst(entry, due.due_at + self._confirm_interval_s)

    def _is_confirmed(self, check: Check) -> bool:
        return self._confirm_probes > 0 and check.interval_s > self._confirm_interval_s

    def _put_by_clock(self, entry: _Entry, at: float) -> None:
        """Where it lies already for another instant does not count any more."""
        entry.due_at, entry.due_tick = at, ceil(at / TICK_S)
        self._put(entry, entry.due_tick)

    def _put_by_burst(self, entry: _Entry, at: float) -> None:
        entry.confirm_at, entry.confirm_tick = at, ceil(at / TICK_S)
        self._put(entry, entry.confirm_tick)

    def _put(self, entry: _Entry, tick: int) -> None:
        bucket = self._wheel.get(tick)
        if bucket is None:
            bucket = self._wheel[tick] = []
            heappush(self._ticks, tick)
        bucket.append(entry)

    def _repeat(self, entry: _Entry, now: float) -> None:
        interval_s = _interval(entry.check)
        following = entry.due_at + interval_s
        self._put_by_clock(entry, following if following > now else next_place(entry.fraction, interval_s, now))

    def _continue(self, entry: _Entry, burst: _Burst, now: float) -> None:
        burst.budget -= 1
        if burst.budget > 0:
            held_back = now - self._confirm_interval_s / 2
            self._put_by_burst(entry, max(entry.confirm_at, held_back) + self._confirm_interval_s)
        else:
            entry.confirm_at, entry.confirm_tick = inf, NOWHERE
            burst.over_at = now + entry.check.timeout_s + self._confirm_interval_s

    def _wait(self, entry: _Entry, at: float, *, confirming: bool) -> bool:
        """Queue behind the bucket; false when such a probe of this check waits there already."""
        if entry.waiting & 1 << confirming:
            return False
        entry.waiting |= 1 << confirming
        self._waiting[confirming].append((entry, at))
        return True

    def _pass(self, now: float) -> list[Due]:
        available = self._tokens.available(now)
        passed = self._pass_some(available, confirming=False)
        bursts = self._pass_some(min(available - len(passed), self._burst_tokens.available(now)), confirming=True)
        self._burst_tokens.take(len(bursts))
        self._tokens.take(len(passed) + len(bursts))
        return passed + bursts

    def _pass_some(self, most: int, *, confirming: bool) -> list[Due]:
        passed: list[Due] = []
        queue = self._waiting[confirming]
        while queue and len(passed) < most:
            entry, at = queue.popleft()
            entry.waiting &= ~(1 << confirming)
            if entry.due_at < inf and (entry.burst is not None or not confirming):  # else gone, or settled since
                passed.append(Due(entry.check, at, confirming))
        return passed


def _interval(check: Check) -> float:
    return max(check.interval_s, TICK_S)
