"""A small town whose two trees cross: 40 points on 6 OLTs and 12 transformers, no transformer's points on one OLT."""

from collections.abc import Callable, Iterable, Mapping

import msgspec
import pytest

from monitor.core.attribution import Attribution, Attributor, Blame, Evidence, PointEvidence, PowerSign, Priors
from monitor.core.model import CheckState, Inventory, Mode, Node, NodeKind, Point, Tier, Tree

ALL = tuple(f"p{number:02}" for number in range(40))
NETWORK_OWNERS = ("VNPT A", "VNPT B")
POWER_OWNERS = ("Điện lực 0", "Điện lực 1", "Điện lực 2")


def _network(fed_by: Mapping[str, str]) -> dict[str, Node]:
    nodes = [Node("hub", None, "Core", NodeKind.CORE, "VNPT")]
    for agg, owner in enumerate(NETWORK_OWNERS):
        nodes.append(Node(f"agg{agg}", "hub", f"Agg {agg}", NodeKind.AGGREGATION, owner))
        nodes += [
            Node(f"olt{olt}", f"agg{agg}", f"OLT {olt}", NodeKind.ACCESS, owner) for olt in range(3 * agg, 3 * agg + 3)
        ]
    return {node.id: msgspec.structs.replace(node, powered_by=fed_by.get(node.id)) for node in nodes}


def _power() -> dict[str, Node]:
    nodes = [Node("sub", None, "110 kV", NodeKind.SUBSTATION, "Điện lực tỉnh")]
    for feeder, owner in enumerate(POWER_OWNERS):
        nodes.append(Node(f"lo{feeder}", "sub", f"Lộ {feeder}", NodeKind.FEEDER, owner))
        nodes += [
            Node(f"tba{tba}", f"lo{feeder}", f"TBA {tba}", NodeKind.TRANSFORMER, owner)
            for tba in range(4 * feeder, 4 * feeder + 4)
        ]
    return {node.id: node for node in nodes}


def _point(number: int) -> Point:
    """Points 0, 6, 12 … hang on OLT 0; points 0 … 3 on transformer 0, 4 … 6 on transformer 1 and so on."""
    return Point(
        id=f"p{number:02}",
        name=f"Point {number}",
        tier=Tier.COMMUNE,
        mode=Mode.TWO_WAY,
        network_node=f"olt{number % 6}",
        power_node=f"tba{number * 12 // 40}",
    )


class Town:
    """An inventory that a test changes by ``point`` and asks by ``blame``; what is not said to be down is up."""

    def __init__(self, fed_by: Mapping[str, str] | None = None) -> None:
        self.points = {point.id: point for point in map(_point, range(40))}
        self.network = _network(fed_by or {})
        self.power = _power()
        self.priors = Priors()

    @property
    def inventory(self) -> Inventory:
        """The town as it is now."""
        return Inventory(self.points, self.network, self.power, {})

    def point(self, point_id: str, **changes: object) -> None:
        """Give a point other fields, or add one like the first."""
        like = self.points.get(point_id, self.points[ALL[0]])
        self.points[point_id] = msgspec.structs.replace(like, id=point_id, **changes)

    def under(self, *nodes: str) -> tuple[str, ...]:
        """The points below any of these nodes by the map, in order."""
        return tuple(one.id for one in self.points.values() if set(nodes) & set(self._above(one)))

    def _above(self, point: Point) -> list[str]:
        leaves = [leaf for leaf in (point.network_node, point.power_node) if leaf]
        return [node.id for leaf in leaves for node in self.inventory.ancestors(leaf)]

    def evidence(
        self,
        down: Iterable[str] = (),
        *,
        unknown: Iterable[str] = (),
        words: Mapping[str, Iterable[PowerSign]] | None = None,
        nodes: Mapping[str, bool] | None = None,
        down_for_s: float | Mapping[str, float] | None = None,
    ) -> Evidence:
        """These are down, those unknown, all others up; ``nodes``: whether it answers."""
        down, unknown, words = set(down), set(unknown), words or {}
        found = {}
        for one in self.points:
            state = CheckState.DOWN if one in down else CheckState.UNKNOWN if one in unknown else CheckState.UP
            since = down_for_s.get(one) if isinstance(down_for_s, Mapping) else down_for_s
            found[one] = PointEvidence(state, since if one in down else None, tuple(words.get(one, ())))
        answers = {node: CheckState.UP if up else CheckState.DOWN for node, up in (nodes or {}).items()}
        return Evidence(found, answers)

    def attribute(self, evidence: Evidence) -> Attribution:
        """The answer to this evidence."""
        return Attributor(self.inventory, self.priors).attribute(evidence)

    def blame(self, down: Iterable[str] = (), **rest: object) -> Attribution:
        """The answer to :meth:`evidence` of the same arguments."""
        return self.attribute(self.evidence(down, **rest))  # type: ignore[arg-type]


@pytest.fixture
def town() -> Town:
    """The town, no OLT of which is fed by a transformer that the map knows."""
    return Town()


@pytest.fixture
def make_town() -> Callable[..., Town]:
    """``make_town({"olt0": "tba1"})``: the town with the power of its network equipment on the map."""
    return Town


@pytest.fixture
def nodes() -> Callable[[Attribution], set[str]]:
    """``nodes(answer)``: the nodes of the trees that are to blame, without sites."""
    return lambda answer: {blame.node for blame in answer.blamed if blame.tree is not Tree.SITE}


@pytest.fixture
def only() -> Callable[[Attribution], Blame]:
    """``only(answer)``: the one thing that is to blame."""

    def one(answer: Attribution) -> Blame:
        assert len(answer.blamed) == 1, [(blame.node, blame.points) for blame in answer.blamed]
        return answer.blamed[0]

    return one
