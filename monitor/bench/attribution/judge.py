"""Holds what a method answers against the truth, and adds it up over scenarios. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import nan

import msgspec
import numpy as np

from monitor.bench.attribution.generator import Scenario
from monitor.bench.attribution.terrain import Terrain
from monitor.core.attribution import SITE, Attribution
from monitor.core.model import Tree

BINS = 10
"""Of equal width, for the expected calibration error (ECE)."""


class Named(msgspec.Struct, frozen=True):
    """A node, or a site, that a method blames."""

    names: frozenset[str]
    """The node and those that it is said not to be told from; :data:`SITE` for a site."""
    operator: str
    points: tuple[str, ...]
    probability: float = nan
    owner_probability: float = nan


class Answer(msgspec.Struct, frozen=True):
    """What a method says of one scenario."""

    blamed: tuple[Named, ...]
    owners: Mapping[str, str]
    """By point that is down."""
    undetermined: frozenset[str] = frozenset()
    suspects: frozenset[str] = frozenset()


def answer(attribution: Attribution) -> Answer:
    """Our own."""
    blamed = [
        Named(
            frozenset((SITE,)) if blame.tree is Tree.SITE else frozenset((blame.node, *blame.indistinguishable)),
            blame.operator,
            blame.points,
            blame.probability,
            blame.owner_probability,
        )
        for blame in attribution.blamed
    ]
    owners = {point: one.operator for one in blamed for point in one.points}
    return Answer(tuple(blamed), owners, frozenset(attribution.undetermined), frozenset(attribution.suspects))


def of_nodes(terrain: Terrain, places: Mapping[str, int]) -> Answer:
    """Of a method that says for each point that is down the node to blame, or -1 for its site."""
    points: dict[int, list[str]] = {}
    for point, place in places.items():
        points.setdefault(place, []).append(point)
    blamed = [
        Named(frozenset((terrain.nodes[place].id,)), terrain.nodes[place].operator, tuple(those))
        for place, those in points.items()
        if place >= 0
    ]
    blamed += [Named(frozenset((SITE,)), SITE, (point,)) for point in points.get(-1, ())]
    return Answer(tuple(blamed), {point: one.operator for one in blamed for point in one.points})


class Bench:
    """What a scenario's answers are held against."""

    def __init__(self, scenario: Scenario) -> None:
        self.truth, self.terrain = scenario.truth, scenario.terrain
        self._count = self.terrain.count(self.truth.observed)
        self.same = {node: self._chain(self.terrain.places[node]) for node in self.truth.failed}
        """By failed node, all that stand above the same observed points in its tree."""
        self.right = frozenset().union(*self.same.values())

    def _chain(self, place: int) -> frozenset[str]:
        """The nodes above and below with just the same observed points beneath."""
        forest, nodes = self.terrain.forest, self.terrain.nodes
        below = range(place, int(forest.last[place]) + 1)
        near = [*forest.above(place), *below]
        return frozenset(nodes[one].id for one in near if self._count[one] == self._count[place])

    def owners(self, point: str) -> frozenset[str]:
        """Whoever must act before a point can come up: any of them is a right answer."""
        causes = self.truth.causes.get(point, frozenset())
        return frozenset(SITE if cause == SITE else self._operator(cause) for cause in causes)

    def _operator(self, node: str) -> str:
        return self.terrain.nodes[self.terrain.places[node]].operator

    def is_right(self, named: Named) -> bool:
        """Whether it names a node that failed, or one with the same points; a site whose own fault it is."""
        if named.operator == SITE:
            return all(SITE in self.truth.causes.get(point, frozenset()) for point in named.points)
        return bool(named.names & self.right)

    def is_owner_right(self, named: Named) -> bool:
        """Whether its owner must act on most of its points, or on what failed around it where no point is down."""
        if named.points:
            return 2 * sum(named.operator in self.owners(point) for point in named.points) > len(named.points)
        places = self.terrain.places
        return any(
            self._operator(node) == named.operator
            and any(self.terrain.nested(places[node], places[name]) for name in named.names)
            for node in self.truth.failed
        )

    @property
    def plain(self) -> frozenset[str]:
        """The failed nodes that hold down two points or more by themselves."""
        alone = Counter(next(iter(causes)) for causes in self.truth.causes.values() if len(causes) == 1)
        return frozenset(node for node in self.truth.visible if alone[node] > 1)

    def found(self, answer: Answer) -> frozenset[str]:
        """The failed nodes that are visible and named."""
        named = frozenset().union(*(one.names for one in answer.blamed))
        return frozenset(node for node in self.truth.visible if self.same[node] & named)


class Tally(msgspec.Struct):
    """Sums over scenarios."""

    scenarios: int = 0
    blamed: int = 0
    """Nodes, sites apart."""
    blamed_right: int = 0
    visible: int = 0
    found: int = 0
    plain: int = 0
    """Those that two points or more are down for alone: a single point tells a node's fault from no site's."""
    plain_found: int = 0
    points: int = 0
    owners_right: int = 0
    undetermined: int = 0
    incidents: int = 0
    """Failed nodes that hold down a point."""
    incidents_right: int = 0
    """Most of whose points are given to its owner."""
    suspects: int = 0
    suspects_right: int = 0
    exposed: int = 0
    exposed_found: int = 0
    stated: list[tuple[float, bool]] = msgspec.field(default_factory=list)
    """Probability, and whether it was right; of nodes."""
    stated_sites: list[tuple[float, bool]] = msgspec.field(default_factory=list)
    stated_owners: list[tuple[float, bool]] = msgspec.field(default_factory=list)
    """Of nodes and sites."""

    def add(self, bench: Bench, answer: Answer) -> None:
        """One more scenario."""
        self.scenarios += 1
        for named in answer.blamed:
            self._blame(named, right=bench.is_right(named), owner_right=bench.is_owner_right(named))
        self.visible += len(bench.truth.visible)
        found, plain = bench.found(answer), bench.plain
        self.found += len(found)
        self.plain += len(plain)
        self.plain_found += len(found & plain)
        self._points(bench, answer)
        self.suspects += len(answer.suspects)
        self.suspects_right += len(answer.suspects & bench.truth.wrong_rows)
        self.exposed += len(bench.truth.exposed)
        self.exposed_found += len(answer.suspects & bench.truth.exposed)

    def _blame(self, named: Named, *, right: bool, owner_right: bool) -> None:
        if named.operator == SITE:
            self.stated_sites.append((named.probability, right))
        else:
            self.blamed += 1
            self.blamed_right += right
            self.stated.append((named.probability, right))
        self.stated_owners.append((named.owner_probability, owner_right))

    def _points(self, bench: Bench, answer: Answer) -> None:
        down = bench.truth.causes
        right = {point for point in down if answer.owners.get(point, "") in bench.owners(point)}
        self.points += len(down)
        self.owners_right += len(right)
        self.undetermined += len(answer.undetermined & down.keys())
        for node in bench.truth.failed:
            theirs = [point for point, causes in down.items() if node in causes]
            if theirs:
                self.incidents += 1
                self.incidents_right += 2 * len(right.intersection(theirs)) > len(theirs)

    def plus(self, other: "Tally") -> "Tally":
        """The sum."""
        return Tally(*(getattr(self, field) + getattr(other, field) for field in self.__struct_fields__))

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return 2 * self.blamed_right / max(1, self.blamed + self.visible)


def ratio(part: float, whole: float) -> float:
    """NaN of nothing."""
    return part / whole if whole else nan


def calibration_error(stated: Iterable[tuple[float, bool]]) -> float:
    """Expected calibration error over equal bins; NaN where nothing was stated."""
    found = np.array(list(stated), np.float64).reshape(-1, 2)
    found = found[~np.isnan(found[:, 0])]
    if not len(found):
        return nan
    bins = np.minimum((found[:, 0] * BINS).astype(np.int64), BINS - 1)
    gaps = [abs(float((found[bins == one, 0] - found[bins == one, 1]).sum())) for one in range(BINS)]
    return sum(gaps) / len(found)


def brier(stated: Sequence[tuple[float, bool]]) -> float:
    """Mean squared error of what was stated; NaN where nothing was."""
    return ratio(sum((probability - right) ** 2 for probability, right in stated), len(stated))
