"""Finds the most probable explanation of what is down, whose fault it is, and how sure that is. Pure."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import log, nan
from typing import NamedTuple

import msgspec
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from monitor.core.attribution import suspicion
from monitor.core.attribution.cascade import Solution, Wiring, may_be_out, plainly, settle
from monitor.core.attribution.cut import MILLINATS, Problem, energy
from monitor.core.attribution.explanation import DETERMINED, Explanation, Finding, Scene
from monitor.core.attribution.forest import NONE, Bools, Floats, Forest, Ints, plant
from monitor.core.attribution.likelihood import TOGETHER_S, Likelihood, nats, prior_cost
from monitor.core.attribution.model import Attribution, Evidence, Priors
from monitor.core.attribution.observed import DOWN, NODE_NATS, UNKNOWN, Observed, Seats
from monitor.core.model import Inventory, Node, NodeKind, Tree

DARK_COST = {NodeKind.ACCESS: 2.0, NodeKind.AGGREGATION: 4.0, NodeKind.CORE: 6.0}
"""Nats for network equipment to be dead when its mains are: an OLT has a box of batteries or none, an exchange many."""
DRAINED_COST = {NodeKind.ACCESS: 2.0, NodeKind.AGGREGATION: 2.0, NodeKind.CORE: 2.0}
"""Nats more for it to die later than its mains, by a battery that has run out."""
MOST_EXPLAINED = 10_000
"""Millinats: more than a fault ever gains by a point that is down."""
FORBIDDEN = 1_000_000
"""Millinats that nothing is worth: a fault that is not to be considered."""


class Weather(NamedTuple):
    """How much oftener than their priors say things fail."""

    network: float = 1.0
    power: float = 1.0
    site: float = 1.0


FAIR = Weather()
MOST_SITES = 4.0


def _factor(found: int, expected: float) -> float:
    """So many were found of so many expected: the mean of a rate whose prior is a Gamma distribution of weight 1."""
    return (found + 1.0) / (expected + 1.0)


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
        self._chance = 1 / (1 + np.exp(self._cost / MILLINATS))
        feeds = np.array([self.places.get(node.powered_by or "", NONE) for node in self.nodes], np.int64)
        dark_cost = nats(np.array([DARK_COST.get(node.kind, 0.0) for node in self.nodes]))
        self._wiring = Wiring(feeds, np.append(self.forest.parent, NONE)[feeds], dark_cost, dark_cost)

    def attribute(self, evidence: Evidence) -> Attribution:
        """The explanation of evidence by id. Names that are not in the inventory are passed over."""
        return self.explain(Observed.of(evidence, self.seats, self.places))

    def explain(self, observed: Observed) -> Attribution:
        """The explanation of evidence in this attributor's own numbering."""
        if not ((observed.state == DOWN).any() or observed.on_battery.any()):
            return Attribution()
        cut_for = self._likelihood.cut_for(observed)
        survives_power = self._likelihood.survives_power(observed, cut_for)
        against = self._likelihood.against(observed, survives_power) + self._words(observed)
        wiring = self._timed(observed, cut_for, against)
        scene = self._scene(observed, survives_power, against, FAIR)
        at_first = Explanation(scene, plainly(scene.problem, wiring), wiring)
        scene = self._scene(observed, survives_power, against, self._weather(observed, at_first.findings()))
        best = settle(scene.problem, wiring)
        explanation = Explanation(scene, best, wiring)
        findings = suspicion.reunited(explanation.findings(), scene)
        alternatives = Alternatives(scene.problem, wiring, best)
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

    def _timed(self, observed: Observed, cut_for: Floats, against: Ints) -> Wiring:
        """The wiring of now: no relief for what fell before its power could have failed, less for what fell later."""
        sign_s = np.fmax(observed.down_for, observed.battery_for)
        dark, above = self._wiring.dark_cost.copy(), self._wiring.dark_cost_above.copy()
        for place in map(int, np.flatnonzero(self._fallen(observed, against) & (self._wiring.feeds != NONE))):
            feeds = int(self._wiring.feeds[place])
            known = observed.down_for[self.seats.beneath(self.forest, place)]
            fell_s = float(np.median(known[~np.isnan(known)]))
            failed_s = float(np.fmax.reduce(sign_s[self.seats.beneath(self.forest, feeds)], initial=nan))
            dark[place] += self._lateness(place, failed_s - fell_s)
            above[place] += self._lateness(place, float(cut_for[self._likelihood.feeder_of[feeds]]) - fell_s)
        return self._wiring._replace(dark_cost=dark, dark_cost_above=above)

    def _fallen(self, observed: Observed, against: Ints) -> Bools:
        """By node, whether it may be out, and it is known of a point beneath it when it fell."""
        count = np.zeros(len(self.forest), np.int64)
        known = np.flatnonzero(~np.isnan(observed.down_for) & (self.seats.net != NONE))
        np.add.at(count, self.seats.net[known], 1)
        beneath = self.forest.sums(count)
        fallen: Bools = (beneath > 0) & (self.forest.sums(against) < MOST_EXPLAINED * beneath)
        return fallen

    def _lateness(self, place: int, lasted_s: float) -> int:
        """Millinats against a cascade of equipment that outlived its mains by so long; NaN is not known."""
        if lasted_s < -TOGETHER_S:
            return FORBIDDEN
        return round(DRAINED_COST[self.nodes[place].kind] * MILLINATS) if lasted_s > TOGETHER_S else 0

    def _scene(self, observed: Observed, survives_power: Floats, against: Ints, weather: Weather) -> Scene:
        terms = self._likelihood.terms(observed, survives_power, self.priors.site_fault * weather.site)
        relief = np.where(self.forest.power, log(weather.power), log(weather.network))
        cost = np.maximum(0, self._cost - nats(relief))
        problem = Problem(self.forest, cost, against, terms)
        return Scene(
            self.inventory, self.nodes, self.forest, self.seats, self.priors, observed, survives_power, problem
        )

    def _weather(self, observed: Observed, findings: Sequence[Finding]) -> Weather:
        """How much oftener things fail today, by what was found at first: a storm multiplies the rates of a tree."""
        down = int((observed.state == DOWN).sum())
        powers = [bool(self.forest.power[one.place]) for one in findings if len(one.points)]
        expected = [float(self._chance[self.forest.power == power].sum()) for power in (False, True)]
        sites = down - sum(len(one.points) for one in findings)
        seen = int((observed.state != UNKNOWN).sum())
        return Weather(
            _factor(powers.count(False), expected[0]),
            _factor(powers.count(True), expected[1]),
            min(MOST_SITES, _factor(sites, seen * self.priors.site_fault)),
        )

    def _words(self, observed: Observed) -> Ints:
        """What is said of the power below each transformer, and what nodes say by answering."""
        heard = np.zeros(len(self.forest), np.int64)
        spoke = np.flatnonzero((observed.power_nats != 0) & (self.seats.pow != NONE))
        np.add.at(heard, self.seats.pow[spoke], nats(-observed.power_nats[spoke]))
        for state, told in NODE_NATS.items():
            heard[observed.node == state] -= round(told * MILLINATS)
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
        self._live = may_be_out(problem, wiring)
        self._asked: dict[int, tuple[Ints, Problem, Wiring, int]] = {}
        self._risen: dict[tuple[int, bytes], Rise] = {}

    @cached_property
    def _part(self) -> Ints:
        return _parts(self._problem, self._wiring, self._live)

    def without(self, place: int, forbidden: Ints) -> Rise:
        """In which none of the forbidden nodes, ``place`` among them, is the topmost that failed."""
        nodes, problem, wiring, least = self._around(place)
        banned = np.isin(nodes, forbidden)
        key = (int(self._part[place]), banned.tobytes())
        if key not in self._risen:
            cost = np.where(banned, FORBIDDEN, problem.cost)
            found = settle(msgspec.structs.replace(problem, cost=cost), wiring)
            out = self._best.out.copy()
            out[nodes] = found.out
            self._risen[key] = Rise(out, max(0, found.energy - least) / MILLINATS)
        return self._risen[key]

    def _around(self, place: int) -> tuple[Ints, Problem, Wiring, int]:
        """The part with that node, and the energy there of the best explanation."""
        number = int(self._part[place])
        if number not in self._asked:
            nodes = np.flatnonzero(self._live & (self._part == number))
            problem, wiring = self._problem.part(nodes), self._wiring.part(nodes)
            least = energy(msgspec.structs.replace(problem, cost=self._best.cost[nodes]), self._best.out[nodes])
            self._asked[number] = nodes, problem, wiring, least
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
