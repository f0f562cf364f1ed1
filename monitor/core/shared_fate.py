"""Points under one switch fall together: what their neighbours lost is evidence too. Pure.

Every node of the network tree with several points below it keeps the same sequential test as a single check
(:mod:`monitor.core.detection`), over the probes of all those points: the first loss of each point's own test adds
ln(0.99 / p0), any answer below the node adds ln(0.01), never below 0 (a cumulative sum, Page 1954). A loss counts
only where no probe sent after it came back from below the node: it is known late, at its deadline. One dead point
among answering neighbours gets no further than one step; an aggregation switch that is cut is past any boundary
after the first few losses among its hundreds of points, within the first tenth of a second. Its sum then counts
for each point below, which is called down at its second lost probe instead of its fourth, or eighth on 4G.

The power tree has no such sums: its points fall one by one, as batteries drain, and points that a switch took down
would testify against their neighbours on the same feeder, who are well.
"""

from collections.abc import Iterable
from math import inf, log

import msgspec

from monitor.core.detection import LOSS_WHEN_DOWN
from monitor.core.model import Inventory, Point

ANSWER = log(1 - LOSS_WHEN_DOWN)
AT_LEAST_POINTS = 3
"""A node with fewer points below tells nothing that the points themselves do not."""
CAP = 25.0
"""So that a sum grown over a long outage is gone half a dozen answers after it."""


class NodeTest(msgspec.Struct):
    """The cumulative sum of one node."""

    sum: float = 0.0
    answered_at: float = -inf
    """When the latest probe was sent that came back from below the node."""


class SharedFate:
    """The sums of all switches, and which of them stand above each point."""

    def __init__(self, inventory: Inventory, points: Iterable[Point]) -> None:
        """``points`` are those that are probed."""
        below: dict[str, list[str]] = {}
        for point in points:
            for node in inventory.ancestors(point.network_node) if point.network_node else ():
                below.setdefault(node.id, []).append(point.id)
        above: dict[str, list[NodeTest]] = {}
        for point_ids in below.values():
            if len(point_ids) >= AT_LEAST_POINTS:
                test = NodeTest()
                for point_id in point_ids:
                    above.setdefault(point_id, []).append(test)
        self._above = {point_id: tuple(tests) for point_id, tests in above.items()}

    def lost(self, point_id: str, gain: float, sent_at: float) -> None:
        """The point's own test opened with the loss of a probe sent at that instant, worth ``gain``."""
        for test in self._above.get(point_id, ()):
            if sent_at > test.answered_at:
                test.sum = min(test.sum + gain, CAP)

    def answered(self, point_id: str, sent_at: float) -> None:
        """A probe of the point, sent at that instant, came back."""
        for test in self._above.get(point_id, ()):
            test.answered_at = max(test.answered_at, sent_at)
            if test.sum:
                test.sum = max(0.0, test.sum + ANSWER)

    def support(self, point_id: str, own: float, sent_at: float) -> float:
        """The evidence of the best node above the point that has not answered since, without the point's own part."""
        tests = self._above.get(point_id, ())
        return max((test.sum - own for test in tests if test.sum > own and sent_at > test.answered_at), default=0.0)

    def forget(self) -> None:
        """All sums back to 0: what was lost says nothing, we were blind."""
        for tests in self._above.values():
            for test in tests:
                test.sum = 0.0
