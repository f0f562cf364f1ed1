"""The cut finds the labelling of least energy: compared with all labellings of small forests, one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.attribution.attributor import Alternatives
from monitor.core.attribution.cascade import Wiring, settle
from monitor.core.attribution.cut import MILLINATS, Problem, Terms, energy, solve
from monitor.core.attribution.forest import NONE, Bools, Forest, Ints

MOST_NODES = 6
"""Of each tree: 4,096 labellings at most."""
SMALL = (0, 0, 1, 2, 3, 5, 8)
"""Few values, for many ties."""


def every_labelling(problem: Problem) -> Bools:
    """One row for each labelling in which a child is out where its parent is."""
    size = len(problem.forest)
    rows = (np.arange(2**size)[:, None] >> np.arange(size)) & 1 == 1
    for child, parent in enumerate(problem.forest.parent):
        if parent != NONE:
            rows = rows[rows[:, child] | ~rows[:, parent]]
    return rows


def energies(problem: Problem, rows: Bools, dark_cost: Ints | None = None, feeds: Ints | None = None) -> Ints:
    """The energy of each row, term by term as the model has it; a node without its power may cost less."""
    found = np.zeros(len(rows), np.int64)
    for node, parent in enumerate(problem.forest.parent):
        out = rows[:, node]
        price = np.full(len(rows), problem.cost[node])
        if feeds is not None and dark_cost is not None and feeds[node] != NONE:
            price = np.where(rows[:, feeds[node]], np.minimum(price, dark_cost[node]), price)
        topmost = out if parent == NONE else out & ~rows[:, parent]
        found += np.where(topmost, price, 0) + np.where(out, problem.unary[node], 0)
    for net, power, *costs in zip(*problem.terms, strict=True):
        n = rows[:, net] if net != NONE else np.zeros(len(rows), np.bool_)
        p = rows[:, power] if power != NONE else np.zeros(len(rows), np.bool_)
        found += np.array(costs)[2 * n + p]
    return found


def tree(shape: list[int], shift: int) -> list[int]:
    """Parents in preorder: each number is how far to climb from the last node; beyond the root, a new root."""
    parents: list[int] = []
    for place, climb in enumerate(shape):
        parent = place - 1 + shift if place else NONE
        for _ in range(climb):
            parent = parents[parent - shift] if parent != NONE else NONE
        parents.append(parent)
    return parents


@st.composite
def problems(draw: st.DrawFn, most: int = 8) -> Problem:
    """Two forests of a few roots each, and points on both, on one, on none, several on one pair."""
    shape = st.lists(st.integers(0, 3), max_size=MOST_NODES)
    network, power = draw(shape), draw(shape)
    size = len(network) + len(power)
    forest = Forest.of(tree(network, 0) + tree(power, len(network)), [False] * len(network) + [True] * len(power))
    value = st.sampled_from(SMALL) if most < max(SMALL) + 1 else st.integers(0, most)
    cost = draw(st.lists(value, min_size=size, max_size=size))
    unary = draw(st.lists(value, min_size=size, max_size=size))
    signs = draw(st.lists(st.sampled_from((-1, 0, 1)), min_size=size, max_size=size))
    point = st.tuples(st.integers(NONE, len(network) - 1), st.integers(NONE, len(power) - 1), *[value] * 4)
    points = draw(st.lists(point, max_size=8))
    rows = [
        (net, p if p == NONE else p + len(network), t00, t01, t10, t01 + t10 - t00 + joint)
        for net, p, t00, t01, t10, joint in points
    ]
    return Problem(
        forest,
        np.array(cost, np.int64),
        np.array(unary, np.int64) * np.array(signs, np.int64),
        Terms(*np.array(rows, np.int64).reshape(-1, 6).T),
    )


def is_monotone(forest: Forest, out: Bools) -> bool:
    return all(parent == NONE or out[child] or not out[parent] for child, parent in enumerate(forest.parent))


@settings(max_examples=2000, deadline=None)
@given(problems())
def test_no_labelling_has_less_energy(problem: Problem) -> None:
    """Many ties, zero costs, negative evidence: the cut's energy is the least there is, as an integer."""
    rows = every_labelling(problem)
    out = solve(problem)
    assert is_monotone(problem.forest, out)
    assert energy(problem, out) == energies(problem, rows).min()
    assert energy(problem, out) == energies(problem, out[None])[0]


@settings(max_examples=500, deadline=None)
@given(problems(most=20_000))
def test_no_labelling_has_less_energy_in_millinats(problem: Problem) -> None:
    """The same with costs of the size that the model has."""
    assert energy(problem, solve(problem)) == energies(problem, every_labelling(problem)).min()


@settings(max_examples=200, deadline=None)
@given(problems(), st.randoms(use_true_random=False))
def test_the_order_of_points_is_nothing(problem: Problem, random: object) -> None:
    """Permuted points give the same labelling, ties and all; points of one pair added up to one row the same energy."""
    order = np.arange(len(problem.terms.net))
    random.shuffle(order)  # type: ignore[attr-defined]
    permuted = Problem(problem.forest, problem.cost, problem.unary, Terms(*(row[order] for row in problem.terms)))
    added = Problem(problem.forest, problem.cost, problem.unary, _added(problem.terms))
    assert (solve(permuted) == solve(problem)).all()
    assert energy(added, solve(added)) == energy(problem, solve(problem))


def _added(terms: Terms) -> Terms:
    pairs, first = np.unique(np.array(terms[:2]), axis=1, return_inverse=True)
    sums = [np.bincount(first.ravel(), weights=row, minlength=pairs.shape[1]).astype(np.int64) for row in terms[2:]]
    return Terms(pairs[0], pairs[1], *sums)


@pytest.mark.parametrize("power", [False, True])
@pytest.mark.parametrize(("gain", "out"), [(8_999, False), (9_000, False), (9_001, True)])
def test_nothing_is_out_for_nothing(*, power: bool, gain: int, out: bool) -> None:
    """A fault that explains no more than it costs is not stated."""
    here, there, zero = np.array([0]), np.array([NONE]), np.array([0])
    worth = np.array([gain])
    terms = Terms(there, here, worth, zero, worth, zero) if power else Terms(here, there, worth, worth, zero, zero)
    problem = Problem(Forest.of([NONE], [power]), np.array([9_000]), np.array([0]), terms)
    assert solve(problem).tolist() == [out]


@settings(max_examples=300, deadline=None)
@given(problems(), st.data())
def test_a_part_is_solved_like_the_whole(problem: Problem, data: st.DataObject) -> None:
    """Two problems side by side are solved each for itself."""
    other = data.draw(problems())
    together = _beside(problem, other)
    assert energy(together, solve(together)) == energy(problem, solve(problem)) + energy(other, solve(other))


def _beside(one: Problem, other: Problem) -> Problem:
    shift = len(one.forest)

    def shifted(places: Ints) -> Ints:
        return np.where(places == NONE, NONE, places + shift)

    parents = np.concatenate((one.forest.parent, shifted(other.forest.parent)))
    forest = Forest.of(parents, np.concatenate((one.forest.power, other.forest.power)))
    net = np.concatenate((one.terms.net, shifted(other.terms.net)))
    power = np.concatenate((one.terms.pow, shifted(other.terms.pow)))
    costs = (np.concatenate(both) for both in zip(one.terms[2:], other.terms[2:], strict=True))
    return Problem(
        forest,
        np.concatenate((one.cost, other.cost)),
        np.concatenate((one.unary, other.unary)),
        Terms(net, power, *costs),
    )


@settings(max_examples=500, deadline=None)
@given(problems(), st.data())
def test_cascades_are_no_worse_than_none(problem: Problem, data: st.DataObject) -> None:
    """With equipment on the mains: the energy is the labelling's own, no better than the least, no worse than without.

    The coupling is not submodular: the least is not promised.
    """
    power = [NONE, *np.flatnonzero(problem.forest.power).tolist()]
    size = len(problem.forest)
    drawn = data.draw(st.lists(st.sampled_from(power), min_size=size, max_size=size))
    feeds = np.where(problem.forest.power, NONE, np.array(drawn, np.int64))
    dark_cost = np.array(data.draw(st.lists(st.integers(0, 3), min_size=size, max_size=size)), np.int64)
    found = settle(problem, Wiring(feeds, np.append(problem.forest.parent, NONE)[feeds], dark_cost, dark_cost))
    assert is_monotone(problem.forest, found.out)
    assert found.energy == energies(problem, found.out[None], dark_cost, feeds)[0]
    least = energies(problem, every_labelling(problem), dark_cost, feeds).min()
    assert least <= found.energy <= energy(problem, solve(problem))


@settings(max_examples=500, deadline=None)
@given(problems(most=9_000), st.data())
def test_odds_are_the_rise_in_energy(problem: Problem, data: st.DataObject) -> None:
    """Forbidding nodes: by how much the best labelling in which none of them is the topmost is worse than the best."""
    nothing, free = np.full(len(problem.forest), NONE), np.zeros(len(problem.forest), np.int64)
    wiring = Wiring(nothing, nothing, free, free)
    best = settle(problem, wiring)
    blamed = problem.forest.topmost(best.out).tolist()
    if not blamed:
        return
    place = data.draw(st.sampled_from(blamed))
    others = [node for node in range(len(problem.forest)) if node not in blamed]
    forbidden = np.array([place, *(data.draw(st.lists(st.sampled_from(others), max_size=4)) if others else [])])
    rows = every_labelling(problem)
    allowed = [not np.isin(problem.forest.topmost(row), forbidden).any() for row in rows]
    found = Alternatives(problem, wiring, best).without(place, forbidden)
    assert is_monotone(problem.forest, found.out)
    assert not np.isin(problem.forest.topmost(found.out), forbidden).any()
    assert found.nats == (energies(problem, rows[allowed]).min() - energies(problem, rows).min()) / MILLINATS


def test_sums_beyond_32_bits() -> None:
    """A hundred thousand points that are down, each worth far more than a fault: still the one fault that explains."""
    forest = Forest.of([NONE, 0, 0, NONE], [False, False, False, True])
    many, dear = 100_000, 40_000
    net = np.arange(many) % 2 + 1
    zero, t00 = np.zeros(many, np.int64), np.full(many, dear)
    problem = Problem(
        forest, np.array([9, 8, 8, 9]) * 1000, np.zeros(4, np.int64), Terms(net, zero + 3, t00, t00, zero, zero)
    )
    assert solve(problem).tolist() == [True, True, True, False]
