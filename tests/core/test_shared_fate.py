"""What neighbours lost is evidence too."""

from collections.abc import Callable
from typing import Any

from monitor.core.model import PointChanged, PointState
from monitor.core.shared_fate import CAP, SharedFate

Make = Callable[..., Any]


def test_a_cut_switch_is_known_at_the_second_loss(province: Make) -> None:
    """Forty points on lines that lose a tenth fall together: all are down after two probes each, not eight."""
    p = province(points=40)
    p.run(300)
    p.silent = set(p.names)
    fell: dict[str, float] = {}
    start = p.now
    for _ in range(40):
        for happening in p.run(0.1):
            if isinstance(happening, PointChanged) and happening.after is PointState.DOWN:
                fell[happening.point] = p.now - start
    assert len(fell) == 40
    assert max(fell.values()) <= 2.7  # two seconds' probes, and half a second to see them sighted; a third comes at 3


def test_one_dead_point_says_nothing_of_its_neighbours(province: Make) -> None:
    p = province(points=5)
    fate = SharedFate(p.inventory, list(p.inventory.points.values())[:5])
    for _ in range(20):
        fate.lost("p0", 5.0, 1.0)
        for name in ("p1", "p2", "p3", "p4"):
            fate.answered(name, 0.9)
    assert fate.support("p1", 0.0, 2.0) == 0.0


def test_a_sum_is_bounded_and_gone_after_a_few_answers(province: Make) -> None:
    p = province(points=5)
    fate = SharedFate(p.inventory, list(p.inventory.points.values())[:5])
    for _ in range(1000):
        fate.lost("p0", 5.0, 1.0)
    assert fate.support("p1", 0.0, 2.0) == CAP
    for _ in range(6):
        fate.answered("p1", 0.9)
    assert fate.support("p2", 0.0, 2.0) == 0.0


def test_a_loss_says_nothing_of_a_switch_that_has_answered_since(province: Make) -> None:
    """A loss is known at its deadline; what was sent later and came back tells of a later instant."""
    p = province(points=5)
    fate = SharedFate(p.inventory, list(p.inventory.points.values())[:5])
    fate.answered("p1", 1.1)
    for name in ("p0", "p2", "p3"):
        fate.lost(name, 20.0, 1.0)
    assert fate.support("p4", 0.0, 1.2) == 0.0
    fate.lost("p0", 20.0, 1.2)
    assert fate.support("p4", 0.0, 1.3) == 20.0
    fate.answered("p1", 1.4)
    assert fate.support("p4", 0.0, 1.3) == 0.0


def test_two_points_under_a_node_are_too_few(province: Make) -> None:
    p = province(points=2)
    fate = SharedFate(p.inventory, list(p.inventory.points.values())[:2])
    fate.lost("p0", 50.0, 1.0)
    assert fate.support("p1", 0.0, 2.0) == 0.0


def test_a_short_silence_of_a_switch_takes_nobody_down(province: Make) -> None:
    """Every point loses one probe, and answers the next: no alarm."""
    p = province(points=40)
    p.run(60)
    p.silent = set(p.names)
    happened = p.run(1.0)
    p.silent = set()
    happened += p.run(20)
    assert not [h for h in happened if isinstance(h, PointChanged) and h.after is PointState.DOWN]
