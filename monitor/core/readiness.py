"""The count by 07:30: how many of the expected points are up, and ready. Pure.

A point is ready when it has been up, undegraded, for ``ready_after_s``. Kept current by events, so that asking
costs nothing at 100,000 points: a heap holds the points that will become ready, by the instant when they do.
"""

from heapq import heappop, heappush

import msgspec

from monitor.core.model import Point, PointState, Tier

CONNECTED = frozenset({PointState.UP, PointState.DEGRADED})


class TierReadiness(msgspec.Struct, frozen=True):
    """The points of a tier: expected ≥ up (degraded ones included) ≥ ready."""

    tier: Tier
    expected: int
    up: int
    ready: int


class Readiness(msgspec.Struct, frozen=True):
    """The number that the organizers owe, at the instant ``at`` (Unix time)."""

    expected: int
    up: int
    ready: int
    tiers: tuple[TierReadiness, ...]
    at: float


class Tally:
    """Counts points as they change state."""

    def __init__(self, ready_after_s: float) -> None:
        self.ready_after_s = ready_after_s
        self._expected = dict.fromkeys(Tier, 0)
        self._up = dict.fromkeys(Tier, 0)
        self._ready = dict.fromkeys(Tier, 0)
        self._state: dict[str, PointState] = {}
        self._ripe: dict[str, float] = {}
        """When a point that is up becomes, or became, ready."""
        self._counted: set[str] = set()
        self._heap: list[tuple[float, str, Tier]] = []

    def place(self, point: Point, state: PointState, since: float) -> None:
        """A point is in this state since then; called once for each new point and at each change."""
        before = self._state.get(point.id)
        self._state[point.id] = state
        if before is None and point.expected:
            self._expected[point.tier] += 1
        self._up[point.tier] += (state in CONNECTED) - (before in CONNECTED)
        if state is PointState.UP:
            self._ripen(point, since + self.ready_after_s)
        else:
            self._spoil(point)

    def count(self, now: float) -> Readiness:
        """The counts at ``now``; tiers without an expected point are left out."""
        while self._heap and self._heap[0][0] <= now:
            ripe_at, point_id, tier = heappop(self._heap)
            if self._ripe.get(point_id) == ripe_at and point_id not in self._counted:
                self._counted.add(point_id)
                self._ready[tier] += 1
        tiers = tuple(
            TierReadiness(tier, self._expected[tier], self._up[tier], self._ready[tier])
            for tier in Tier
            if self._expected[tier]
        )
        return Readiness(
            sum(tier.expected for tier in tiers),
            sum(tier.up for tier in tiers),
            sum(tier.ready for tier in tiers),
            tiers,
            now,
        )

    def _ripen(self, point: Point, ripe_at: float) -> None:
        if self._ripe.get(point.id) == ripe_at:
            return
        self._spoil(point)
        self._ripe[point.id] = ripe_at
        heappush(self._heap, (ripe_at, point.id, point.tier))

    def _spoil(self, point: Point) -> None:
        self._ripe.pop(point.id, None)
        if point.id in self._counted:
            self._counted.remove(point.id)
            self._ready[point.tier] -= 1
