"""What is in flight, by nonce, and when each packet is lost. Pure: the instants are arguments.

A packet has a deadline of its own and lies in the bucket of that deadline, so that neither a timer nor a search is
needed for it. What was lost is remembered for a while, to tell a late reply from a second one.
"""

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush

from probes.model import Check

TICK_S = 0.01
"""How finely deadlines are kept; a loss is known by so much later."""
REMEMBER_S = 30.0
REMEMBERED = 100_000

Flight = tuple[Check, bytes, int, float]
"""Check, packed address, monotonic ns of sending, seconds spent on the name before."""


class Flights:
    """The table and its deadlines, monotonic seconds. ``by_nonce`` is read, and an answered probe removed, directly."""

    def __init__(self) -> None:
        self.by_nonce: dict[int, Flight] = {}
        self._buckets: dict[int, list[int]] = {}
        self._ticks: list[int] = []
        self._lost: tuple[set[int], set[int]] = (set(), set())
        self._forget_at = 0.0

    @property
    def next_deadline(self) -> float | None:
        """When to look for losses next; None when nothing is in flight."""
        return self._ticks[0] * TICK_S if self._ticks else None

    def add(self, nonces: Sequence[int], flights: Sequence[Flight], deadlines: Sequence[float]) -> None:
        """Packets were sent, at least one."""
        self.by_nonce.update(zip(nonces, flights, strict=True))
        first = int(min(deadlines) / TICK_S) + 1
        if max(deadlines) < first * TICK_S:  # as with nearly all that are sent together
            self._bucket(first).extend(nonces)
            return
        for nonce, deadline in zip(nonces, deadlines, strict=True):
            self._bucket(int(deadline / TICK_S) + 1).append(nonce)

    def lose(self, now: float) -> Iterator[Flight]:
        """Those that have passed their deadline, removed one at a time; the caller may stop at any of them."""
        self._forget(now)
        while self._ticks and self._ticks[0] * TICK_S <= now:
            bucket = self._buckets[self._ticks[0]]
            while bucket:
                nonce = bucket.pop()
                flight = self.by_nonce.pop(nonce, None)
                if flight is not None:
                    self._lost[0].add(nonce)
                    yield flight
            del self._buckets[heappop(self._ticks)]

    def was_lost(self, nonce: int) -> bool:
        """Whether this packet was given up a while ago; true once."""
        for lost in self._lost:
            if nonce in lost:
                lost.discard(nonce)
                return True
        return False

    def _bucket(self, tick: int) -> list[int]:
        bucket = self._buckets.get(tick)
        if bucket is None:
            bucket = self._buckets[tick] = []
            heappush(self._ticks, tick)
        return bucket

    def _forget(self, now: float) -> None:
        if now >= self._forget_at or len(self._lost[0]) >= REMEMBERED:
            self._lost = (set(), self._lost[0])
            self._forget_at = now + REMEMBER_S
