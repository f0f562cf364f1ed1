"""Network equipment that fails for want of power: cheap to be out where its power is, dear elsewhere. Pure.

What it costs depends on the labelling, and the coupling is not submodular. So: solve, make cheap what is dark by the
solution, solve again until nothing changes; once from no cascade at all and once from every cascade, and the better of
both counts.
"""

from typing import NamedTuple

import msgspec
import numpy as np

from monitor.core.attribution.cut import Problem, energy, solve, state
from monitor.core.attribution.forest import NONE, Bools, Ints

ROUNDS = 8
"""Two or three settle it."""


class Wiring(NamedTuple):
    """Which power node feeds each network node, and what the node costs without it."""

    feeds: Ints
    """NONE for none, and throughout the power tree."""
    dark_cost: Ints

    def cost(self, cost: Ints, dark: Bools) -> Ints:
        """The costs where these nodes are without power."""
        return np.where(dark, np.minimum(cost, self.dark_cost), cost)

    def part(self, nodes: Ints) -> "Wiring":
        """Of these nodes alone, numbered in their order."""
        place = np.full(len(self.feeds) + 1, NONE)
        place[nodes] = np.arange(len(nodes))
        return Wiring(place[self.feeds[nodes]], self.dark_cost[nodes])


class Solution(NamedTuple):
    """A labelling, its energy in millinats, and the costs that it was found under."""

    out: Bools
    energy: int
    cost: Ints


def settle(problem: Problem, wiring: Wiring) -> Solution:
    """The labelling of least energy that cascades allow."""
    tried: dict[bytes, None] = {}
    found: list[Solution] = []
    for dark in (np.zeros(len(problem.forest), np.bool_), wiring.feeds != NONE):
        trial = wiring.cost(problem.cost, dark)
        for _ in range(ROUNDS):
            if trial.tobytes() in tried:
                break
            tried[trial.tobytes()] = None
            out = solve(msgspec.structs.replace(problem, cost=trial))
            trial = wiring.cost(problem.cost, state(out, wiring.feeds))
            found.append(Solution(out, energy(msgspec.structs.replace(problem, cost=trial), out), trial))
    return min(found, key=lambda one: one.energy)
