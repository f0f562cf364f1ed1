"""The most probable explanation over two trees, exactly: one minimum cut (Kolmogorov and Zabih, PAMI 2004). Pure.

A node is out (1) or not (0); a child is out where its parent is. The energy of a labelling, in whole millinats, is

* ``cost`` of each node that is out while its parent is not: the price of that fault;
* ``unary`` of each node that is out: evidence for (below 0) or against it;
* for each point ``t[n][p]``, n and p being the states of the nodes that it hangs on.

With q = 1 - p throughout the power tree every term is submodular, so a maximum flow finds the least energy. Most nodes
need not be asked: one that costs more than all that it could ever explain is never the topmost that failed, and where
that holds for all above it, too, it is not out. A few dozen nodes of thousands are left, in parts that have nothing
to do with one another.
"""

from typing import NamedTuple

import msgspec
import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from monitor.core.attribution.forest import NONE, Bools, Forest, Ints

MILLINATS = 1000
LARGEST = 2**31 - 2
"""Capacities are 32 bits wide."""


class Terms(NamedTuple):
    """The costs of points, one row each or one row for several that hang on the same nodes."""

    net: Ints
    """The network node; NONE for none."""
    pow: Ints
    t00: Ints
    t01: Ints
    """Network well, power out."""
    t10: Ints
    t11: Ints


class Problem(msgspec.Struct, frozen=True):
    """What is to be explained. ``t00 + t11 >= t01 + t10`` for each term, ``cost >= 0``."""

    forest: Forest
    cost: Ints
    unary: Ints
    terms: Terms

    def part(self, nodes: Ints) -> "Problem":
        """The same about these nodes alone, given that no other one is out; numbered in their order."""
        place = np.full(len(self.forest) + 1, NONE)
        place[nodes] = np.arange(len(nodes))
        terms = self.terms
        net, power = place[terms.net], place[terms.pow]
        ours = (net != NONE) | (power != NONE)
        forest = Forest.of(place[self.forest.parent[nodes]], self.forest.power[nodes])
        kept = Terms(net[ours], power[ours], *(cost[ours] for cost in terms[2:]))
        return Problem(forest, self.cost[nodes], self.unary[nodes], kept)


def energy(problem: Problem, out: Bools) -> int:
    """The energy of a labelling that is monotone, in millinats."""
    forest, terms = problem.forest, problem.terms
    network, power = state(out, terms.net), state(out, terms.pow)
    of_points = np.where(network, np.where(power, terms.t11, terms.t10), np.where(power, terms.t01, terms.t00))
    return int(problem.cost[forest.topmost(out)].sum() + problem.unary[out].sum() + of_points.sum())


def state(out: Bools, places: Ints) -> Bools:
    """Whether these nodes are out; NONE is not."""
    found: Bools = np.append(out, False)[places]  # NONE is the last
    return found


def live(problem: Problem) -> Bools:
    """The nodes that may be out in a labelling of least energy: all others cost more than they could explain."""
    found: Bools = least_change(problem) < 0
    problem.forest.spread(found)
    return found


def least_change(problem: Problem) -> Ints:
    """By node, the least that the energy can change by when it is the topmost that fails."""
    forest, terms = problem.forest, problem.terms
    rise = problem.unary.copy()
    for leaf, other in ((terms.net, terms.t10), (terms.pow, terms.t01)):
        there = leaf != NONE
        np.subtract.at(rise, leaf[there], np.maximum(terms.t00 - other, 0)[there])
    return forest.sums(rise).astype(np.int64) + problem.cost


def solve(problem: Problem) -> Bools:
    """The labelling of least energy; among several of them always the same one."""
    out = live(problem)
    nodes = np.flatnonzero(out)
    if len(nodes):
        part = problem if len(nodes) == len(out) else problem.part(nodes)
        out[nodes] = _cut(part)
    return out


class Arcs(NamedTuple):
    """From power to network: paid where the power is there and the network is."""

    power: Ints
    network: Ints
    weight: Ints


def _pointwise(problem: Problem) -> tuple[Ints, Arcs]:
    """The terms as unary costs and arcs: t = w·(1-n)(1-p) + (t11-t01)·n + (t11-t10)·p + a constant."""
    terms, unary = problem.terms, problem.unary.copy()
    on_network, on_power = terms.net != NONE, terms.pow != NONE
    both = on_network & on_power
    np.add.at(unary, terms.net[on_network], np.where(both, terms.t11 - terms.t01, terms.t10 - terms.t00)[on_network])
    np.add.at(unary, terms.pow[on_power], np.where(both, terms.t11 - terms.t10, terms.t01 - terms.t00)[on_power])
    weight = terms.t00 + terms.t11 - terms.t01 - terms.t10
    joined = both & (weight > 0)
    return unary, Arcs(terms.pow[joined], terms.net[joined], weight[joined])


def _cut(problem: Problem) -> Bools:
    """Which nodes are out."""
    forest, price = problem.forest, problem.cost
    unary, arcs = _pointwise(problem)
    size = len(forest)
    source, sink, here = size, size + 1, np.arange(size)
    root = forest.parent == NONE
    own = unary + np.where(root, price, 0)
    gain, loss = np.maximum(-own, 0), np.maximum(own, 0)
    from_source, to_sink = np.where(forest.power, loss, gain), np.where(forest.power, gain, loss)
    never = int(min(from_source.sum(), to_sink.sum())) + 1  # more than a cut that is there without any search
    child, parent = here[~root], forest.parent[~root]
    down = np.where(forest.power[child], price[child], never)
    up = np.where(forest.power[child], never, price[child])
    tails = np.concatenate((np.full(size, source), here, parent, child, arcs.power))
    heads = np.concatenate((here, np.full(size, sink), child, parent, arcs.network))
    capacities = np.concatenate((from_source, to_sink, down, up, arcs.weight))
    coarser = max(never, int(arcs.weight.sum())) // LARGEST + 1  # 1 below some hundred thousand points that are down
    reached = _source_side(tails, heads, np.minimum(capacities, never) // coarser, sink + 1)
    out: Bools = reached[:source] != forest.power
    return out


def _source_side(tails: Ints, heads: Ints, capacities: Ints, size: int) -> Bools:
    """What the source, the last but one, still reaches when the flow to the sink, the last, is at its most."""
    graph = csr_array((capacities.astype(np.int32), (tails, heads)), shape=(size, size), dtype=np.int32)
    flow = maximum_flow(graph, size - 2, size - 1).flow
    residual = graph - flow
    residual.eliminate_zeros()
    order: Ints = breadth_first_order(residual, size - 2, directed=True, return_predecessors=False)
    reached = np.zeros(size, np.bool_)
    reached[order] = True
    return reached
