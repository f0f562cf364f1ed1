"""An inventory as the bench walks it: both trees and all points as arrays. Pure."""

from functools import cached_property

import msgspec
import numpy as np

from monitor.core.attribution.forest import NONE, Bools, Floats, Forest, Ints, plant
from monitor.core.model import Inventory, Mode, Node, NodeKind, Point


class Terrain(msgspec.Struct, frozen=True, dict=True):
    """Points and nodes by number. The forest numbers nodes in preorder: a subtree is one run."""

    inventory: Inventory
    forest: Forest
    nodes: list[Node]
    places: dict[str, int]
    points: list[Point]

    @classmethod
    def of(cls, inventory: Inventory) -> "Terrain":
        """The points that are expected, in the order of the inventory."""
        forest, nodes = plant(inventory)
        places = {node.id: place for place, node in enumerate(nodes)}
        return cls(inventory, forest, nodes, places, [point for point in inventory.points.values() if point.expected])

    @cached_property
    def ids(self) -> list[str]:
        """Of the points."""
        return [point.id for point in self.points]

    @cached_property
    def seats(self) -> dict[str, int]:
        """The number of each point."""
        return {point: seat for seat, point in enumerate(self.ids)}

    @cached_property
    def net(self) -> Ints:
        """The network node of each point."""
        return np.array([self.places[point.network_node or ""] for point in self.points], np.int64)

    @cached_property
    def pow(self) -> Ints:
        """The power node of each point."""
        return np.array([self.places[point.power_node or ""] for point in self.points], np.int64)

    @cached_property
    def backup(self) -> Bools:
        """Whether a point has a second line."""
        return np.array([point.backup_link is not None for point in self.points], np.bool_)

    @cached_property
    def battery_s(self) -> Floats:
        """How long each point's battery is said to last."""
        return np.array([point.ups_minutes * 60 for point in self.points], np.float64)

    @cached_property
    def fed_by(self) -> Ints:
        """The power node of each network node; NONE for none."""
        return np.array([self.places.get(node.powered_by or "", NONE) for node in self.nodes], np.int64)

    @cached_property
    def kind(self) -> list[NodeKind]:
        """Of each node."""
        return [node.kind for node in self.nodes]

    @cached_property
    def district(self) -> list[str]:
        """Of each node: that of the first point beneath it; empty for none."""
        found = [""] * len(self.nodes)
        for point, *leaves in zip(self.points, self.net, self.pow, strict=True):
            for leaf in leaves:
                for place in self.forest.above(int(leaf)):
                    found[place] = found[place] or point.district_code or ""
        return found

    def beneath(self, place: int) -> Ints:
        """The points below a node."""
        leaf = self.pow if self.forest.power[place] else self.net
        return np.flatnonzero((leaf >= place) & (leaf <= self.forest.last[place]))

    def count(self, marked: Bools) -> Ints:
        """By node, how many of the marked points hang beneath it."""
        at = np.zeros(len(self.nodes), np.int64)
        np.add.at(at, self.net[marked], 1)
        np.add.at(at, self.pow[marked], 1)
        return self.forest.sums(at).astype(np.int64)

    def nested(self, one: int, other: int) -> bool:
        """Whether one of them stands above the other, or they are the same."""
        low, high = sorted((one, other))
        return high <= int(self.forest.last[low])


def with_everyone(inventory: Inventory) -> Inventory:
    """The same inventory, the merged villages watching by themselves."""
    points = {
        point.id: msgspec.structs.replace(point, mode=Mode.WATCH, merged_into=None)
        if point.mode is Mode.MERGED
        else point
        for point in inventory.points.values()
    }
    return msgspec.structs.replace(inventory, points=points)
