"""Both trees of an inventory as arrays: one numbering over all nodes, sums over subtrees by level. Pure."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.core.model import Inventory, Node

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

NONE = -1
"""Stands where a root has its parent, and where a point hangs on no node."""


class Forest(msgspec.Struct, frozen=True):
    """The shape of both trees. Nodes are numbered from 0, in preorder: a subtree is ``node … last[node]``."""

    parent: Ints
    """NONE for a root."""
    power: Bools
    """Whether a node belongs to the power tree."""
    last: Ints
    """The last node of each subtree."""
    levels: tuple[Ints, ...]
    """Nodes by depth, the roots first."""

    @classmethod
    def of(cls, parent: Sequence[int] | Ints, power: Sequence[bool] | Bools) -> "Forest":
        """From parents. Raises ValueError where the numbering is no preorder."""
        up = np.asarray(parent, np.int64)
        depth = np.zeros(len(up), np.int64)
        last = np.arange(len(up))
        for node in range(len(up)):
            above = up[node]
            if above != NONE:
                if not (above < node and last[above] == node - 1):
                    raise ValueError(f"node {node} does not follow the subtree of its parent {above} so far")
                depth[node] = depth[above] + 1
                while above != NONE:
                    last[above] = node
                    above = up[above]
        levels = tuple(np.flatnonzero(depth == level) for level in range(depth.max(initial=-1) + 1))
        return cls(up, np.asarray(power, np.bool_), last, levels)

    def __len__(self) -> int:
        return len(self.parent)

    def sums(self, values: Ints | Floats) -> Ints | Floats:
        """Over each subtree."""
        running = np.concatenate(([0], np.cumsum(values)))
        total: Ints | Floats = running[self.last + 1] - running[:-1]
        return total

    def above(self, node: int) -> list[int]:
        """The node itself and those above it, upwards."""
        found = []
        while node != NONE:
            found.append(node)
            node = int(self.parent[node])
        return found

    def lifted(self, marked: Bools) -> Bools:
        """The marked nodes and all above them."""
        found = marked.copy()
        for level in reversed(self.levels[1:]):
            found[self.parent[level[found[level]]]] = True
        return found

    def spread(self, marked: Bools) -> None:
        """Mark all below what is marked."""
        for level in self.levels[1:]:
            marked[level] |= marked[self.parent[level]]

    def topmost(self, out: Bools) -> Ints:
        """Those that are out while their parent is not."""
        parent_out = np.where(self.parent == NONE, False, out[self.parent])
        return np.flatnonzero(out & ~parent_out)


def preorder(nodes: Sequence[Node]) -> tuple[list[Node], list[int]]:
    """The nodes of one tree, parents before children and subtrees in one piece, with the place of each parent."""
    children: dict[str | None, list[Node]] = {}
    for node in nodes:
        children.setdefault(node.parent, []).append(node)
    ordered: list[Node] = []
    parents: list[int] = []
    waiting = [(node, NONE) for node in reversed(children.get(None, []))]
    while waiting:
        node, parent = waiting.pop()
        waiting += [(child, len(ordered)) for child in reversed(children.get(node.id, []))]
        ordered.append(node)
        parents.append(parent)
    return ordered, parents


def plant(inventory: Inventory) -> tuple[Forest, list[Node]]:
    """The forest of an inventory, and its nodes in that numbering."""
    network, network_parents = preorder(list(inventory.network.values()))
    power, power_parents = preorder(list(inventory.power.values()))
    shift = len(network)
    parents = network_parents + [parent if parent == NONE else parent + shift for parent in power_parents]
    flags = [False] * len(network) + [True] * len(power)
    return Forest.of(parents, flags), network + power
