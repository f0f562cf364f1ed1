"""Network equipment that fails for want of power: cheap to be out where its power is, dear elsewhere. Pure.

What it costs depends on the labelling, and the coupling is not submodular: neither the power node alone nor the
equipment alone pays, both together may. So: solve; make cheap what is dark by the solution, and solve again with the
same power out, until nothing changes; then try each power node together with what it feeds, as long as that is better.
"""

from typing import NamedTuple

import msgspec
import numpy as np

from monitor.core.attribution.cut import Problem, energy, least_change, live, solve, state
from monitor.core.attribution.forest import NONE, Bools, Ints

ROUNDS = 8
"""Two or three settle it."""
FORCED = 1_000_000
"""Millinats that leave no choice."""


class Wiring(NamedTuple):
    """Which power node feeds each network node, and what the node costs without it.

    That depends on when it fell: a transformer may have failed in that moment, and the feeder above it long before.
    """

    feeds: Ints
    """NONE for none, and throughout the power tree."""
    above: Ints
    """What stands above that in the power tree; NONE for nothing."""
    dark_cost: Ints
    """Where what feeds it failed by itself,"""
    dark_cost_above: Ints
    """and where something above that did."""

    def cost(self, cost: Ints, out: Bools) -> Ints:
        """The costs where these nodes are out."""
        dark = np.where(state(out, self.above), self.dark_cost_above, self.dark_cost)
        return np.where(state(out, self.feeds), np.minimum(cost, dark), cost)

    def cheapest(self, cost: Ints) -> Ints:
        """The costs where all power is out that could make something cheaper."""
        dark = np.minimum(self.dark_cost, np.where(self.above != NONE, self.dark_cost_above, self.dark_cost))
        return np.where(self.feeds != NONE, np.minimum(cost, dark), cost)

    def part(self, nodes: Ints) -> "Wiring":
        """Of these nodes alone, numbered in their order."""
        place = np.full(len(self.feeds) + 1, NONE)
        place[nodes] = np.arange(len(nodes))
        feeds, above = place[self.feeds[nodes]], place[self.above[nodes]]
        return Wiring(feeds, above, self.dark_cost[nodes], self.dark_cost_above[nodes])


class Solution(NamedTuple):
    """A labelling, its energy in millinats, and the costs that it was found under."""

    out: Bools
    energy: int
    cost: Ints


def plainly(problem: Problem, wiring: Wiring) -> Solution:
    """The labelling of least energy without a cascade: near enough to count faults by."""
    return _judged(problem, wiring, solve(problem))


def settle(problem: Problem, wiring: Wiring) -> Solution:
    """The labelling of least energy that cascades allow."""
    best = _pressed(problem, wiring, plainly(problem, wiring))
    cheap = msgspec.structs.replace(problem, cost=wiring.cheapest(problem.cost))
    lit = (wiring.feeds != NONE) & ~state(best.out, wiring.feeds)
    if not (least_change(cheap)[lit] < 0).any():
        return best  # nothing that has power would be out for the want of it
    eager = solve(cheap)
    for _ in range(len(problem.forest)):
        found = _joined(problem, wiring, best, eager)
        if found is None:
            break
        best = _pressed(problem, wiring, found)
    return best


def may_be_out(problem: Problem, wiring: Wiring) -> Bools:
    """The nodes that may be out in some labelling of least energy, cascades considered, whatever else is forbidden.

    What feeds equipment gains all that this could explain.
    """
    cheap = msgspec.structs.replace(problem, cost=wiring.cheapest(problem.cost))
    gain = np.maximum(0, -least_change(cheap))
    fed = np.flatnonzero((wiring.feeds != NONE) & (gain > 0))
    unary = problem.unary.copy()
    np.subtract.at(unary, wiring.feeds[fed], gain[fed])
    return live(msgspec.structs.replace(cheap, unary=unary))


def _pressed(problem: Problem, wiring: Wiring, best: Solution) -> Solution:
    """The best labelling where what is dark now is cheap; again, until nothing changes.

    Where that alone would light the power again for which it is cheap, also with the same power nodes kept out.
    """
    for _ in range(ROUNDS):
        cost = best.cost
        if (cost == problem.cost).all():
            break
        found = _judged(problem, wiring, solve(msgspec.structs.replace(problem, cost=cost)))
        if (found.cost != cost).any():
            kept = _judged(problem, wiring, solve(msgspec.structs.replace(_forced(problem, best.out), cost=cost)))
            found = min(found, kept, key=lambda one: one.energy)
        if found.energy >= best.energy:
            break
        best = found
        if (best.cost == cost).all():
            break
    return best


def _forced(problem: Problem, out: Bools) -> Problem:
    """With the same power nodes out, whatever it costs."""
    tops = problem.forest.topmost(out)
    unary = problem.unary.copy()
    unary[tops[problem.forest.power[tops]]] -= FORCED
    return msgspec.structs.replace(problem, unary=unary)


def _judged(problem: Problem, wiring: Wiring, out: Bools) -> Solution:
    """The labelling at its true costs."""
    cost = wiring.cost(problem.cost, out)
    return Solution(out, energy(msgspec.structs.replace(problem, cost=cost), out), cost)


def _joined(problem: Problem, wiring: Wiring, best: Solution, eager: Bools) -> Solution | None:
    """The best of the labellings with one more power node out and what it feeds; None where none is better.

    ``eager`` is the labelling in which all equipment is cheap: what is not out there hangs on no cascade.
    """
    forest = problem.forest
    tops = forest.topmost(eager | best.out)
    fed = tops[(wiring.feeds[tops] != NONE) & ~state(best.out, wiring.feeds[tops])]
    found: Solution | None = None
    least = best.energy
    for place in sorted({above for feeder in np.unique(wiring.feeds[fed]) for above in forest.above(int(feeder))}):
        out = best.out.copy()
        out[place : forest.last[place] + 1] = True
        for node in fed[(wiring.feeds[fed] >= place) & (wiring.feeds[fed] <= forest.last[place])]:
            out[node : forest.last[node] + 1] = True
        trial = _judged(problem, wiring, out)
        if trial.energy < least:
            found, least = trial, trial.energy
    return found
