"""What is known of each point and each node, as arrays: the evidence in the order of the inventory. Pure."""

from collections.abc import Mapping
from math import nan

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.core.attribution.forest import NONE, Floats, Forest, Ints
from monitor.core.attribution.model import Evidence, PointEvidence, PowerSign, PowerSource
from monitor.core.model import CheckState, Inventory

Bytes = NDArray[np.int8]

UNKNOWN, UP, DOWN = 0, 1, 2
STATES = {CheckState.UNKNOWN: UNKNOWN, CheckState.UP: UP, CheckState.DOWN: DOWN}

NATS = {
    (PowerSource.UPS, True): 4.6,
    (PowerSource.NUT, True): 4.6,
    (PowerSource.GASP, True): 4.0,
    (PowerSource.BROWSER, True): 2.5,
    (PowerSource.UPS, False): -4.0,
    (PowerSource.NUT, False): -4.0,
    (PowerSource.GASP, False): 0.0,
    (PowerSource.BROWSER, False): -1.5,
}
"""What a word is worth: ln of how likelier it is where the mains are gone. A UPS may be tripped, tested or unplugged
at the site, and a single one is no transformer; one unplugged laptop is weak, several on one transformer are strong."""
NODE_NATS = {UP: -6.0, DOWN: 4.0}
"""The same of a node that answers, or does not: next to nothing answers in its stead, while its silence is also that of
whatever stands above it."""
SITE_CAP = 5.5
"""What the words of one site add up to at most: its UPS and its laptop hang on one socket."""
STALE = 0.05
"""What is left of a word "on mains" once the point has fallen: it was said before, and so were its neighbours'."""


class Hung(msgspec.Struct, frozen=True):
    """Points in the order of the nodes that they hang on, to find those of a subtree at once."""

    points: Ints
    leaves: Ints

    @classmethod
    def of(cls, leaves: Ints) -> "Hung":
        """From the leaf of each point."""
        order = np.argsort(leaves, kind="stable")
        return cls(order, leaves[order])

    def between(self, first: int, last: int) -> Ints:
        """The points on nodes ``first … last``, in their order."""
        start, end = np.searchsorted(self.leaves, (first, last + 1))
        found: Ints = np.sort(self.points[start:end])
        return found


class Seats(msgspec.Struct, frozen=True):
    """Where each point stands in the arrays, and what is fixed about it."""

    ids: tuple[str, ...]
    """Of the points that are expected; nobody else is ever lost."""
    number: Mapping[str, int]
    net: Ints
    """The node that carries it, in the forest's numbering; NONE for none."""
    pow: Ints
    backup: NDArray[np.bool_]
    battery_s: Floats
    """How long its UPS lasts by the inventory; 0 without one."""
    on_net: Hung
    on_pow: Hung

    @classmethod
    def of(cls, inventory: Inventory, places: Mapping[str, int]) -> "Seats":
        """``places``: node id → number in the forest."""
        points = [point for point in inventory.points.values() if point.expected]
        ids = tuple(point.id for point in points)
        net = np.array([places.get(point.network_node or "", NONE) for point in points], np.int64)
        power = np.array([places.get(point.power_node or "", NONE) for point in points], np.int64)
        return cls(
            ids,
            {point_id: number for number, point_id in enumerate(ids)},
            net,
            power,
            np.array([point.backup_link is not None for point in points], np.bool_),
            np.array([point.ups_minutes * 60 for point in points], np.float64),
            Hung.of(net),
            Hung.of(power),
        )

    def beneath(self, forest: Forest, place: int) -> Ints:
        """The points that hang below a node, by its own tree."""
        hung = self.on_pow if forest.power[place] else self.on_net
        return hung.between(place, int(forest.last[place]))

    def __len__(self) -> int:
        return len(self.ids)


class Observed(msgspec.Struct):
    """The evidence of one instant. Instants are seconds before it."""

    state: Bytes
    down_for: Floats
    """NaN where nobody knows."""
    on_battery: NDArray[np.bool_]
    battery_for: Floats
    """Since when; NaN where nobody knows."""
    left_s: Floats
    """What its battery has left, by its own word; NaN without one."""
    power_nats: Floats
    """What its words say for "the mains are gone"."""
    words: dict[int, tuple[PowerSign, ...]]
    """The words themselves, by point."""
    node: Bytes
    """Of each node of the forest."""

    @classmethod
    def nothing(cls, points: int, nodes: int) -> "Observed":
        """Nothing is known of anything."""
        return cls(
            np.zeros(points, np.int8),
            np.full(points, nan),
            np.zeros(points, np.bool_),
            np.full(points, nan),
            np.full(points, nan),
            np.zeros(points),
            {},
            np.zeros(nodes, np.int8),
        )

    @classmethod
    def of(cls, evidence: Evidence, seats: Seats, places: Mapping[str, int]) -> "Observed":
        """From evidence by id; what is not in the inventory, or not expected, is passed over."""
        observed = cls.nothing(len(seats), len(places))
        for point_id, seen in evidence.points.items():
            seat = seats.number.get(point_id)
            if seat is not None:
                observed.see(seat, seen)
        for node_id, state in evidence.nodes.items():
            place = places.get(node_id)
            if place is not None:
                observed.node[place] = STATES[state]
        return observed

    def see(self, seat: int, seen: PointEvidence) -> None:
        """This is known of a point now."""
        down = seen.state is CheckState.DOWN
        self.state[seat] = STATES[seen.state]
        self.down_for[seat] = nan if seen.down_for_s is None else seen.down_for_s
        if seen.power or seat in self.words:
            self._hear(seat, seen.power, down=down)

    def _hear(self, seat: int, signs: tuple[PowerSign, ...], *, down: bool) -> None:
        battery = [sign for sign in signs if sign.on_battery]
        left = [sign.minutes_left * 60 for sign in battery if sign.minutes_left is not None]
        self.words[seat] = signs
        self.on_battery[seat] = bool(battery)
        self.left_s[seat] = min(left, default=nan)
        self.power_nats[seat] = max(-SITE_CAP, min(SITE_CAP, sum(worth(sign, down=down) for sign in signs)))


def worth(sign: PowerSign, *, down: bool) -> float:
    """What a word says for "the mains are gone", in nats."""
    nats = NATS[sign.source, sign.on_battery]
    return nats * STALE if down and nats < 0 else nats
