"""Who was named and told, judged from hand-made evidence."""

from pathlib import Path

import pytest

from monitor.core.model import (
    Certainty,
    Change,
    IncidentChanged,
    Inventory,
    Mode,
    Node,
    NodeKind,
    Point,
    Tier,
    Tree,
)
from monitor.rehearsal.blame import BlameScore, Delivered, judge
from monitor.rehearsal.faults import Fault
from monitor.rehearsal.geography import read_data
from monitor.rehearsal.score import Evidence, Hit, Told

VNPT, GRID = "VNPT Thanh Hóa", "Điện lực Mường Lát"
INVENTORY = Inventory(
    {
        point: Point(id=point, name=point, tier=Tier.COMMUNE, mode=mode)
        for point, mode in {"a": Mode.WATCH, "b": Mode.WATCH, "c": Mode.WATCH, "merged": Mode.MERGED}.items()
    },
    {"agg": Node("agg", None, "agg", NodeKind.AGGREGATION, VNPT)},
    {"feeder": Node("feeder", None, "feeder", NodeKind.FEEDER, GRID)},
    {},
)
PROBED = frozenset("abc")


def evidence(kind: str = "cut", node: str = "agg") -> Evidence:
    """Three points fall at 100, 101 and 102, for forty seconds."""
    found = Evidence((Fault(0, "the fault", kind, 0, 40, node=node),), began_at=95, ended_at=200)
    found.hits = [Hit(0, point, 100.0 + at, 140.0) for at, point in enumerate("abc")]
    return found


def named(
    at: float, operator: str, change: Change = Change.OPENED, certainty: Certainty = Certainty.CERTAIN
) -> IncidentChanged:
    tree = Tree.NETWORK if operator == VNPT else Tree.POWER
    node = "agg" if operator == VNPT else "feeder"
    return IncidentChanged(f"{tree}:{node}", change, at, 100.0, tree, node, operator, certainty, 0.99, 3)


def told(at: float, receiver: str, operator: str, *, firing: bool = True) -> Delivered:
    return Delivered(at, receiver, "network:agg" if operator == VNPT else "power:feeder", (operator,), firing)


def judged(named_: list[IncidentChanged], told_: list[Delivered], of: Evidence | None = None) -> BlameScore:
    return judge(of or evidence(), named_, told_, INVENTORY, PROBED, alerted=True)


def test_the_right_company_in_time_passes() -> None:
    found = judged([named(103.5, VNPT)], [told(104.0, "vnpt", VNPT), told(103.6, "ky-thuat", VNPT)])
    (row,) = found.rows
    assert (row.operator, row.points, row.owed, row.named) == (VNPT, 3, True, "network:agg")
    assert (row.named_seconds, row.told_seconds) == (2.5, 3.0)
    assert (found.passed, found.incidents, found.retractions) == (True, 1, 0)


@pytest.mark.parametrize(
    ("what_was_named", "what_was_told"),
    [
        ([], []),
        ([named(107.0, VNPT)], [told(107.0, "vnpt", VNPT)]),
        ([named(103.5, VNPT)], []),
        ([named(103.5, VNPT)], [told(103.6, "ky-thuat", VNPT)]),
        ([named(103.5, GRID)], [told(103.6, "dien-luc", GRID)]),
        ([named(103.5, VNPT, certainty=Certainty.UNDETERMINED)], [told(103.6, "vnpt", VNPT)]),
        ([named(103.5, VNPT, Change.RETRACTED)], [told(103.6, "vnpt", VNPT)]),
    ],
    ids=["nobody", "too late", "not told", "the team alone", "another company", "not clear", "taken back"],
)
def test_anything_else_does_not(what_was_named: list[IncidentChanged], what_was_told: list[Delivered]) -> None:
    assert not judged(what_was_named, what_was_told).passed


def test_a_company_without_a_fault_of_its_own_was_told_wrongly() -> None:
    right = [named(103.5, VNPT)]
    deliveries = [told(104.0, "vnpt", VNPT), told(105.0, "dien-luc", GRID), told(109.0, "dien-luc", GRID, firing=False)]
    found = judged(right, deliveries)
    assert found.wrongly_told == ("dien-luc: power:feeder after 10.0 s, for 4.0 s",)
    assert not found.passed


def test_the_power_company_has_its_own_receiver() -> None:
    found = judged([named(102.0, GRID)], [told(102.5, "dien-luc", GRID)], evidence("power_cut", "feeder"))
    assert found.passed


def test_nobody_need_be_named_for_one_point_or_a_blink() -> None:
    single = evidence()
    del single.hits[1:]
    assert judged([], [], single).passed
    blink = evidence()
    for hit in blink.hits:
        hit.mended_at = 103.0
    assert judged([], [], blink).passed


def test_an_alarm_about_a_merged_point_fails() -> None:
    wrong = evidence()
    wrong.told.append(Told(101.0, "merged", firing=True))
    found = judged([named(103.5, VNPT)], [told(104.0, "vnpt", VNPT)], wrong)
    assert (found.merged_points, found.passed) == (("merged",), False)


def test_the_routes_of_the_rehearsal_are_those_that_are_shipped() -> None:
    shipped = Path(__file__).parents[2] / "config/alertmanager/alertmanager.yml"
    assert read_data("alertmanager.yml") == shipped.read_text(encoding="utf-8")
