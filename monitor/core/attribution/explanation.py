"""Says what a labelling means: which nodes are to blame for which points, how surely, and on what evidence. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from math import exp
from typing import Protocol

import msgspec
import numpy as np

from monitor.core.attribution.cascade import Solution, Wiring
from monitor.core.attribution.cut import MILLINATS, Problem, state
from monitor.core.attribution.forest import NONE, Bools, Floats, Forest, Ints
from monitor.core.attribution.model import (
    IDS_TOLD,
    SITE,
    Blame,
    Fact,
    FactKind,
    PowerSource,
    Priors,
    RunnerUp,
)
from monitor.core.attribution.observed import DOWN, NODE_NATS, UNKNOWN, UP, Observed, Seats, worth
from monitor.core.model import Inventory, Node, Tree

LEAST, MOST = 0.5, 0.999
"""Between which a probability is stated: nobody is surer, and what is less likely is not said."""
DETERMINED = 0.7
"""From which on it is said whose fault it is."""


class Alternative(Protocol):
    """The best explanation without something that is blamed."""

    @property
    def out(self) -> Bools:
        """Which nodes are out by it."""

    @property
    def nats(self) -> float:
        """By how much it is worse."""


class Scene(msgspec.Struct, frozen=True, dict=True):
    """What is explained."""

    inventory: Inventory
    nodes: list[Node]
    forest: Forest
    seats: Seats
    priors: Priors
    observed: Observed
    survives_power: Floats
    problem: Problem

    @cached_property
    def down(self) -> Ints:
        """The points that are down, in the order of the problem's terms."""
        return np.flatnonzero(self.observed.state == DOWN)

    def beneath(self, place: int) -> Ints:
        """The points that hang below a node, by its own tree."""
        return self.seats.beneath(self.forest, place)

    def names(self, seats: Ints | Sequence[int]) -> tuple[str, ...]:
        """The ids of points."""
        return tuple(self.seats.ids[seat] for seat in seats)


class Finding(msgspec.Struct, frozen=True):
    """A node to blame."""

    place: int
    points: Ints
    """The points that are down because of it."""
    secondary: tuple[int, ...] = ()
    together: tuple[int, ...] = ()
    """Those among its points that the map has elsewhere."""


class Explanation:
    """One labelling, read."""

    def __init__(self, scene: Scene, best: Solution, wiring: Wiring) -> None:
        self._scene, self._out, self._cost, self._feeds = scene, best.out, best.cost, wiring.feeds
        self._root = self._causes(best.out)

    def findings(self) -> list[Finding]:
        """The nodes to blame, each with its points; equipment that lost its power goes to what took that."""
        secondary: dict[int, list[int]] = {}
        blamed: dict[int, list[int]] = {}
        for top in map(int, self._scene.forest.topmost(self._out)):
            cause = int(self._root[top])
            blamed.setdefault(cause, [])
            if cause != top:
                secondary.setdefault(cause, []).append(top)
        for seat, place in zip(self._scene.down, self._assigned, strict=True):
            if place != NONE:
                blamed[int(place)].append(int(seat))
        return [
            Finding(place, np.array(points, np.int64), tuple(secondary.get(place, ())))
            for place, points in blamed.items()
        ]

    def _causes(self, out: Bools) -> Ints:
        """By node that is out, the node to blame: the topmost above it, or what took the power of that."""
        root = np.append(_roots(self._scene.forest, out), NONE)
        fed_by = np.append(self._feeds, NONE)[root]
        found: Ints = np.where(root[fed_by] != NONE, root[fed_by], root)[:-1]
        return found

    @cached_property
    def _assigned(self) -> Ints:
        """By point that is down, the node to blame: of two that would do, the one that explains it better."""
        terms = self._scene.problem.terms
        root = np.append(self._root, NONE)
        network, power = root[terms.net], root[terms.pow]
        by_power = (power != NONE) & ((network == NONE) | (terms.t01 < terms.t10))
        found: Ints = np.where(by_power, power, network)
        return found

    # How sure

    def group(self, finding: Finding) -> Ints:
        """The node and those that nothing observed can tell from it: same tree, same points, same evidence."""
        place, forest = finding.place, self._scene.forest
        if not self._beneath[0, place]:
            return np.array([place])
        same = (self._beneath == self._beneath[:, [place]]).all(axis=0)
        same[: place + 1] &= forest.last[: place + 1] >= place  # those above
        same[forest.last[place] + 1 :] = False
        return np.flatnonzero(same)

    def owned(self, finding: Finding) -> Ints:
        """The nodes of the same owner that could have to do with it."""
        scene, forest = self._scene, self._scene.forest
        marked = np.zeros(len(forest), np.bool_)
        concerned = np.union1d(finding.points, self._on_battery(finding.place))
        for leaf in (scene.seats.net[concerned], scene.seats.pow[concerned]):
            marked[leaf[leaf != NONE]] = True
        marked[[finding.place, *finding.secondary]] = True
        operator = scene.nodes[finding.place].operator
        return np.array(
            [place for place in np.flatnonzero(forest.lifted(marked)) if scene.nodes[place].operator == operator]
        )

    @cached_property
    def _beneath(self) -> Ints:
        """By node, what is known beneath it, so that equal columns are equal evidence.

        Points observed or heard of, nodes that answer, nodes that do not, equipment that fell for want of its power.
        """
        scene, observed = self._scene, self._scene.observed
        count = np.zeros((4, len(scene.forest)), np.int64)
        heard = np.flatnonzero((observed.state != UNKNOWN) | observed.on_battery | (observed.power_nats != 0))
        for leaf in (scene.seats.net[heard], scene.seats.pow[heard]):
            np.add.at(count[0], leaf[leaf != NONE], 1)
        count[1], count[2] = observed.node == UP, observed.node == DOWN
        for top in map(int, scene.forest.topmost(self._out)):
            if self._root[top] != top:
                count[3, self._feeds[top]] += 1
        return np.array([scene.forest.sums(row) for row in count], np.int64)

    # In words

    def told(self, finding: Finding, other: Alternative, without_owner: Alternative) -> Blame:
        """The blame of a node, given the best explanations without it and without its owner's nodes."""
        scene, place = self._scene, finding.place
        node = scene.nodes[place]
        probability = stated(other.nats)
        runner_up = self._runner_up(finding, other.out, 1 - probability)
        group = [scene.nodes[one] for one in self.group(finding) if one != place]
        owner = stated(without_owner.nats)
        if all(one.operator == node.operator for one in group):
            owner = max(owner, probability)
        return Blame(
            node.id,
            Tree.POWER if scene.forest.power[place] else Tree.NETWORK,
            node.operator,
            probability,
            owner,
            scene.names(finding.points),
            runner_up,
            tuple(one.id for one in group),
            tuple(scene.nodes[one].id for one in finding.secondary),
            (*self._facts(finding), Fact(FactKind.RUNNER_UP, 1, nats=round(other.nats, 3), ids=(runner_up.node,))),
        )

    def _runner_up(self, finding: Finding, out: Bools, probability: float) -> RunnerUp:
        """Whom the other labelling blames for most of these points."""
        scene = self._scene
        root = self._causes(out)
        votes: Counter[int] = Counter()
        concerned = finding.points if len(finding.points) else self._on_battery(finding.place)
        for seat in concerned:
            hung = [leaf for leaf in (int(scene.seats.net[seat]), int(scene.seats.pow[seat])) if leaf != NONE]
            votes.update({int(root[leaf]) for leaf in hung} - {NONE} or {NONE})
        votes.pop(finding.place, None)
        place = max(votes, key=lambda one: (votes[one], -one)) if votes else NONE
        if place == NONE:
            point = scene.names(concerned[:1])
            return RunnerUp(point[0] if point else scene.nodes[finding.place].id, Tree.SITE, SITE, probability)
        node = scene.nodes[place]
        tree = Tree.POWER if scene.forest.power[place] else Tree.NETWORK
        return RunnerUp(node.id, tree, node.operator, probability)

    def _on_battery(self, place: int) -> Ints:
        beneath = self._scene.beneath(place)
        return beneath[self._scene.observed.on_battery[beneath]]

    def _facts(self, finding: Finding) -> Iterator[Fact]:
        scene, place = self._scene, finding.place
        beneath = scene.beneath(place)
        state = scene.observed.state[beneath]
        yield self._down_fact(place, beneath[state == DOWN], int((state != UNKNOWN).sum()))
        yield from self._survivors(place, beneath[state == UP])
        yield from self._words(beneath, 1 if scene.forest.power[place] else -1)
        yield from self._answers(place)
        if finding.secondary:
            ids = tuple(scene.nodes[one].id for one in finding.secondary)
            yield Fact(FactKind.CASCADE, len(ids), ids=ids[:IDS_TOLD])
        if finding.together:
            yield Fact(FactKind.TOGETHER, len(finding.together), ids=scene.names(finding.together[:IDS_TOLD]))
        unobserved = beneath[state == UNKNOWN]
        if len(unobserved):
            yield Fact(FactKind.UNOBSERVED, len(unobserved), of=len(beneath), ids=scene.names(unobserved[:IDS_TOLD]))

    def _down_fact(self, place: int, down: Ints, observed: int) -> Fact:
        terms = self._scene.problem.terms
        row = np.searchsorted(self._scene.down, down)
        gain = terms.t00[row] - (terms.t01 if self._scene.forest.power[place] else terms.t10)[row]
        return _fact(FactKind.DOWN, down, self._scene, nats=int(gain.sum()) / MILLINATS, of=observed)

    def _survivors(self, place: int, up: Ints) -> Iterator[Fact]:
        scene = self._scene
        if scene.forest.power[place]:
            kept = (scene.seats.battery_s[up] > 0) | scene.observed.on_battery[up]
            source, survives = "ups", scene.survives_power[up]
        else:
            kept, source = scene.seats.backup[up], "backup"
            survives = np.where(kept, scene.priors.survives_on_backup, scene.priors.survives_network)
        for mask, why in ((kept, source), (~kept, "")):
            if mask.any():
                yield _fact(FactKind.SURVIVOR, up[mask], scene, nats=float(np.log(survives[mask]).sum()), source=why)

    def _words(self, beneath: Ints, sign: int) -> Iterator[Fact]:
        """What sites say of their mains; what speaks for the power speaks against the network."""
        observed = self._scene.observed
        heard: dict[tuple[FactKind, PowerSource], list[tuple[int, float]]] = {}
        for seat in map(int, beneath):
            words = observed.words.get(seat, ())
            shares = [worth(word, down=observed.state[seat] == DOWN) for word in words]
            capped = float(observed.power_nats[seat]) / sum(shares) if sum(shares) else 1.0
            for word, nats in zip(words, (share * capped for share in shares), strict=True):
                kind = FactKind.ON_BATTERY if word.on_battery else FactKind.ON_MAINS
                heard.setdefault((kind, word.source), []).append((seat, nats))
        for (kind, source), said in sorted(heard.items()):
            nats = sign * sum(nats for _, nats in said)
            yield _fact(kind, [seat for seat, _ in said], self._scene, nats=nats, source=source)

    def _answers(self, place: int) -> Iterator[Fact]:
        state = self._scene.observed.node[place]
        if state != UNKNOWN:
            source = "up" if state == UP else "down"
            yield Fact(FactKind.NODE, 1, source=source, nats=NODE_NATS[int(state)], ids=(self._scene.nodes[place].id,))

    # Sites

    def sites(self, findings: Sequence[Finding]) -> Iterator[Blame]:
        """The points that are down for no node's fault."""
        explained = {int(seat) for finding in findings for seat in finding.points}
        price = self._prices
        for seat in self._scene.down:
            if int(seat) not in explained:
                yield self._site(int(seat), price)

    @cached_property
    def _prices(self) -> Ints:
        """By node that is not out, what the energy would rise by, were it out and all else as it is."""
        scene, terms, out = self._scene, self._scene.problem.terms, self._out
        change = np.where(out, 0, scene.problem.unary)
        top = scene.forest.topmost(out)
        change[top] -= self._cost[top]
        for leaf, other, well, worse in (
            (terms.net, terms.pow, (terms.t00, terms.t01), (terms.t10, terms.t11)),
            (terms.pow, terms.net, (terms.t00, terms.t10), (terms.t01, terms.t11)),
        ):
            there = (leaf != NONE) & ~state(out, leaf)
            other_out = state(out, other)
            rise = np.where(other_out, worse[1] - well[1], worse[0] - well[0])
            np.add.at(change, leaf[there], rise[there])
        return (scene.forest.sums(change) + self._cost).astype(np.int64)

    def _site(self, seat: int, price: Ints) -> Blame:
        scene = self._scene
        leaves = [leaf for leaf in (int(scene.seats.net[seat]), int(scene.seats.pow[seat])) if leaf != NONE]
        above = [place for leaf in leaves for place in scene.forest.above(leaf) if not self._out[place]]
        weights = [exp(-min(700.0, max(0.0, int(price[place]) / MILLINATS))) for place in above]
        probability = clipped(1 / (1 + sum(weights)))
        point = scene.seats.ids[seat]
        runner_up = None
        facts = list(self._neighbours(leaves))
        if above:
            best = above[int(np.argmax(weights))]
            tree = Tree.POWER if scene.forest.power[best] else Tree.NETWORK
            node = scene.nodes[best]
            runner_up = RunnerUp(node.id, tree, node.operator, max(weights) / (1 + sum(weights)))
            facts.append(Fact(FactKind.RUNNER_UP, 1, nats=round(int(price[best]) / MILLINATS, 3), ids=(node.id,)))
        return Blame(point, Tree.SITE, SITE, probability, probability, (point,), runner_up, evidence=tuple(facts))

    def _neighbours(self, leaves: Sequence[int]) -> Iterator[Fact]:
        scene = self._scene
        for leaf in leaves:
            beneath = scene.beneath(leaf)
            state = scene.observed.state[beneath]
            observed = int((state != UNKNOWN).sum()) - 1
            if observed > 0:
                source = Tree.POWER if scene.forest.power[leaf] else Tree.NETWORK
                up = beneath[state == UP]
                yield _fact(FactKind.NEIGHBOURS, up, scene, nats=0.0, of=observed, source=source)


def stated(nats: float) -> float:
    """The probability of an explanation that is better than the next best by so many nats."""
    return clipped(1 / (1 + exp(-max(-700.0, min(700.0, nats)))))


def clipped(probability: float) -> float:
    """As it is stated."""
    return round(max(LEAST, min(MOST, probability)), 4)


def _fact(
    kind: FactKind, who: Ints | Sequence[int], scene: Scene, *, nats: float, of: int = 0, source: str = ""
) -> Fact:
    return Fact(kind, len(who), of, source, round(nats, 3), scene.names(who[:IDS_TOLD]))


def _roots(forest: Forest, out: Bools) -> Ints:
    """By node that is out, the topmost one above it that is; NONE for the others."""
    found = np.full(len(forest), NONE)
    top = forest.topmost(out)
    found[top] = top
    for level in forest.levels[1:]:
        fallen = level[out[level] & (found[level] == NONE)]
        found[fallen] = found[forest.parent[fallen]]
    return found
