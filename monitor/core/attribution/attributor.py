"""Finds the most probable explanation of what is down, whose fault it is, and how sure that is. Pure."""

from typing import TYPE_CHECKING

import msgspec
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from monitor.core.attribution import suspicion
from monitor.core.attribution.cascade import Solution, Wiring, settle
from monitor.core.attribution.cut import MILLINATS, Problem, live
from monitor.core.attribution.explanation import DETERMINED, Explanation, Scene
from monitor.core.attribution.forest import NONE, Bools, Forest, Ints, plant
from monitor.core.attribution.likelihood import Likelihood, nats, prior_cost
from monitor.core.attribution.model import Attribution, Evidence, Priors
from monitor.core.attribution.observed import DOWN, UP, Observed, Seats
from monitor.core.model import Inventory, Node, NodeKind, Tree

if TYPE_CHECKING:
    from collections.abc import Mapping
from functools import cached_property

NODE_ANSWERS = 6.0
"""Nats against a fault of a node that answers: next to nothing answers in its stead."""
NODE_SILENT = 4.0
"""Nats for it when the node does not answer, which what stands above it may explain as well."""
DARK_COST = {NodeKind.ACCESS: 0.7, NodeKind.AGGREGATION: 2.0, NodeKind.CORE: 4.0}
"""Nats for network equipment to be dead when its mains are: an OLT has a box of batteries or none, an exchange many."""
FORBIDDEN = 1_000_000
"""Millinats that nothing is worth: a fault that is not to be considered."""


class Attributor:
    """Explains evidence over one inventory. Stateless between calls; may be called from any thread."""

    def __init__(self, inventory: Inventory, priors: Priors | None = None) -> None:
        self.inventory, self.priors = inventory, priors or Priors()
        self.forest, self.nodes = plant(inventory)
        self.places: Mapping[str, int] = {node.id: place for place, node in enumerate(self.nodes)}
        self.seats = Seats.of(inventory, self.places)
        self._likelihood = Likelihood(self.seats, self.forest, _feeders(self.forest, self.nodes), self.priors)
        rates = (self.priors.faults_a_year[node.kind] for node in self.nodes)
        self._cost = nats(np.array([prior_cost(rate, self.priors) for rate in rates]))
        self._wiring = Wiring(
            np.array([self.places.get(node.powered_by or "", NONE) for node in self.nodes], np.int64),
            nats(np.array([DARK_COST.get(node.kind, 0.0) for node in self.nodes])),
        )

    def attribute(self, evidence: Evidence) -> Attribution:
        """The explanation of evidence by id. Names that are not in the inventory are passed over."""
        return self.explain(Observed.of(evidence, self.seats, self.places))

    def explain(self, observed: Observed) -> Attribution:
        """The explanation of evidence in this attributor's own numbering."""
        if not ((observed.state == DOWN).any() or observed.on_battery.any()):
            return Attribution()
        scene = self._scene(observed)
        best = settle(scene.problem, self._wiring)
        explanation = Explanation(scene, best.out, best.cost, self._wiring.feeds)
        findings = suspicion.reunited(explanation.findings(), scene)
        alternatives = Alternatives(scene.problem, self._wiring, best)
        blamed = [
            explanation.told(
                finding,
                alternatives.without(finding.place, explanation.group(finding)),
                alternatives.without(finding.place, explanation.owned(finding)),
            )
            for finding in findings
        ]
        blamed += explanation.sites(findings)
        blamed.sort(key=lambda blame: (-len(blame.points), blame.tree, blame.node))
        doubtful = (blame.points for blame in blamed if blame.owner_probability < DETERMINED)
        return Attribution(
            tuple(blamed),
            tuple(sorted(point for points in doubtful for point in points)),
            suspicion.suspects(findings, scene),
        )

    def beneath(self, node: str) -> tuple[str, ...]:
        """The points that hang below a node, by id; none for a node that is not there."""
        place = self.places.get(node)
        return () if place is None else self._names(place)

    def neighbours(self, tree: Tree, node: str) -> tuple[str, ...]:
        """The points whose state tells a fault of this node, or site, from one of what is above it."""
        if tree is not Tree.SITE:
            place = self.places.get(node, NONE)
            above = int(self.forest.parent[place]) if place != NONE else NONE
            return self._names(above if above != NONE else place) if place != NONE else ()
        seat = self.seats.number.get(node)
        leaves = () if seat is None else (int(self.seats.net[seat]), int(self.seats.pow[seat]))
        return tuple(dict.fromkeys(point for leaf in leaves if leaf != NONE for point in self._names(leaf)))

    def _names(self, place: int) -> tuple[str, ...]:
        return tuple(self.seats.ids[seat] for seat in self.seats.beneath(self.forest, place))

    def _scene(self, observed: Observed) -> Scene:
        survives_power = self._likelihood.survives_power(observed)
        terms, against = self._likelihood.terms(observed, survives_power)
        against = against + self._likelihood.stragglers(observed) + self._words(observed)
        problem = Problem(self.forest, self._cost, against, terms)
        return Scene(
            self.inventory, self.nodes, self.forest, self.seats, self.priors, observed, survives_power, problem
        )

    def _words(self, observed: Observed) -> Ints:
        """What is said of the power below each transformer, and what nodes say by answering."""
        heard = np.zeros(len(self.forest), np.int64)
        spoke = np.flatnonzero((observed.power_nats != 0) & (self.seats.pow != NONE))
        np.add.at(heard, self.seats.pow[spoke], nats(-observed.power_nats[spoke]))
        heard[observed.node == UP] += round(NODE_ANSWERS * MILLINATS)
        heard[observed.node == DOWN] -= round(NODE_SILENT * MILLINATS)
        return heard


class Rise(msgspec.Struct, frozen=True):
    """The best explanation without something that is blamed."""

    out: Bools
    nats: float
    """By how much it is worse."""


class Alternatives:
    """What else could explain it: asked within the part of the forest that has to do with it."""

    def __init__(self, problem: Problem, wiring: Wiring, best: Solution) -> None:
        self._problem, self._wiring, self._best = problem, wiring, best
        cheapest = wiring.cost(problem.cost, wiring.feeds != NONE)
        self._live = live(msgspec.structs.replace(problem, cost=cheapest))
        self._asked: dict[int, tuple[Ints, Problem, Wiring, int]] = {}

    @cached_property
    def _part(self) -> Ints:
        return _parts(self._problem, self._wiring, self._live)

    def without(self, place: int, forbidden: Ints) -> Rise:
        """In which none of the forbidden nodes, ``place`` among them, is the topmost that failed."""
        nodes, problem, wiring, least = self._around(place)
        cost = problem.cost.copy()
        cost[np.isin(nodes, forbidden)] = FORBIDDEN
        found = settle(msgspec.structs.replace(problem, cost=cost), wiring)
        out = self._best.out.copy()
        out[nodes] = found.out
        return Rise(out, max(0, found.energy - least) / MILLINATS)

    def _around(self, place: int) -> tuple[Ints, Problem, Wiring, int]:
        """The part with that node, and the energy there of the best explanation."""
        number = int(self._part[place])
        if number not in self._asked:
            nodes = np.flatnonzero(self._live & (self._part == number))
            problem, wiring = self._problem.part(nodes), self._wiring.part(nodes)
            self._asked[number] = nodes, problem, wiring, settle(problem, wiring).energy
        return self._asked[number]


def _parts(problem: Problem, wiring: Wiring, alive: Bools) -> Ints:
    """By node, the number of the part that it belongs to: nodes that depend on one another by trees, points, mains."""
    forest, terms = problem.forest, problem.terms
    everyone = np.arange(len(forest))
    tails = np.concatenate((everyone, everyone, terms.net))
    heads = np.concatenate((forest.parent, wiring.feeds, terms.pow))
    joined = (tails != NONE) & (heads != NONE) & alive[tails] & alive[heads]
    ones = np.ones(int(joined.sum()), np.int8)
    graph = coo_array((ones, (tails[joined], heads[joined])), shape=(len(forest), len(forest)))
    part: Ints = connected_components(graph, directed=False)[1]
    return part


def _feeders(forest: Forest, nodes: list[Node]) -> Ints:
    """By node, the feeder above it, itself included; itself where there is none."""
    found = np.arange(len(nodes))
    for place, node in enumerate(nodes):
        above = int(forest.parent[place])
        if node.kind is not NodeKind.FEEDER and above != NONE and nodes[found[above]].kind is NodeKind.FEEDER:
            found[place] = found[above]
    return found
