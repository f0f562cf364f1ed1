"""Who was named and told, judged from hand-made evidence."""

import msgspec
import pytest

from monitor.core.attribution import SITE
from monitor.core.contacts import Company
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
from monitor.rehearsal.blame import BlameScore, Delivered, Misplaced, judge
from monitor.rehearsal.faults import Fault
from monitor.rehearsal.score import Evidence, Hit, Told

VNPT, GRID = "VNPT Thanh Hóa", "Điện lực Mường Lát"
INVENTORY = Inventory(
    {
        point: Point(id=point, name=point, tier=Tier.COMMUNE, mode=mode)
        for point, mode in {"a": Mode.WATCH, "b": Mode.WATCH, "c": Mode.WATCH, "merged": Mode.MERGED}.items()
    },
    {
        "agg": Node("agg", None, "agg", NodeKind.AGGREGATION, VNPT),
        "olt": Node("olt", "agg", "olt", NodeKind.ACCESS, VNPT, powered_by="feeder"),
        "other": Node("other", None, "other", NodeKind.AGGREGATION, VNPT),
    },
    {"feeder": Node("feeder", None, "feeder", NodeKind.FEEDER, GRID)},
    {},
)
PROBED = frozenset("abc")


def evidence(kind: str = "cut", node: str = "agg") -> Evidence:
    """Three points fall at 100, 101 and 102, for forty seconds."""
    found = Evidence((Fault(0, "the fault", kind, 0, 40, node=node),), began_at=95, ended_at=200)
    found.hits = [Hit(0, point, 100.0 + at, 140.0) for at, point in enumerate("abc")]
    return found


COMPANIES = {"vnpt": Company.TELECOM, "dien-luc": Company.POWER, "ky-thuat": Company.TECHNICAL}
TREES = {VNPT: (Tree.NETWORK, "agg"), GRID: (Tree.POWER, "feeder"), SITE: (Tree.SITE, "a")}


def named(
    at: float,
    operator: str,
    change: Change = Change.OPENED,
    certainty: Certainty = Certainty.CERTAIN,
    node: str = "",
) -> IncidentChanged:
    tree, usual = TREES[operator]
    node = node or usual
    return IncidentChanged(f"{tree}:{node}", change, at, 100.0, tree, node, operator, certainty, 0.99, 3)


def told(at: float, receiver: str, operator: str, *, firing: bool = True) -> Delivered:
    tree, node = TREES[operator]
    return Delivered(at, receiver, COMPANIES[receiver], f"{tree}:{node}", operator, firing)


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
    assert found.wrongly_told == (Misplaced("dien-luc", "power:feeder", GRID, 10.0, 4.0),)
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


def test_another_node_of_the_right_company_is_the_wrong_one() -> None:
    """Its equipment without power is the electricity's fault, and another district's switch nobody's."""
    dark = evidence("power_cut", "feeder")
    olt = Delivered(103.0, "vnpt", Company.TELECOM, "network:olt", VNPT, True)
    found = judged([named(102.0, GRID), named(103.0, VNPT, node="olt")], [told(102.5, "dien-luc", GRID), olt], dark)
    assert [each.incident for each in (*found.wrongly_told, *found.wrongly_named)] == ["network:olt"] * 2
    other = Delivered(103.5, "vnpt", Company.TELECOM, "network:other", VNPT, True)
    assert not judged([named(103.5, VNPT, node="other")], [other]).passed
    assert judged([named(103.5, VNPT, node="olt")], [told(103.5, "vnpt", VNPT)]).passed


def test_the_very_node_may_come_later_than_the_company() -> None:
    (row,) = judged([named(102.0, VNPT, node="olt"), named(104.0, VNPT)], [told(102.1, "vnpt", VNPT)]).rows
    assert (row.named, row.named_seconds, row.exact_seconds) == ("network:olt", 1.0, 3.0)


def test_an_alert_to_both_is_wrong_for_the_one_that_has_no_fault() -> None:
    """It is not clear who must act, so both hear of it: under the id of one of them."""
    right = [named(103.5, VNPT)]
    both = [
        Delivered(103.0, to, COMPANIES[to], "power:feeder", of, True) for to, of in (("vnpt", VNPT), ("dien-luc", GRID))
    ]
    found = judged(right, both)
    assert [each.by for each in found.wrongly_told] == ["dien-luc"]
    assert found.rows[0].told_seconds == 2.0


def test_a_notification_that_is_repeated_counts_once() -> None:
    deliveries = [told(104.0, "vnpt", VNPT), *(told(at, "dien-luc", GRID) for at in (105.0, 106.0, 107.0))]
    assert len(judged([named(103.5, VNPT)], deliveries).wrongly_told) == 1


def test_what_the_board_takes_back_is_noted_and_forgiven() -> None:
    changes = [
        named(102.0, SITE),
        named(103.5, VNPT),
        named(104.0, GRID),
        named(105.0, SITE, Change.MERGED),
        named(108.0, GRID, Change.GREW),
        named(109.0, GRID, certainty=Certainty.UNDETERMINED, change=Change.REASSESSED),
    ]
    found = judged(changes, [told(104.0, "vnpt", VNPT)])
    assert found.passed
    assert found.wrongly_named == (
        Misplaced("board", "site:a", SITE, 7.0, 3.0, "merged"),
        Misplaced("board", "power:feeder", GRID, 9.0, 5.0, "reassessed"),
    )


def test_a_site_that_falls_alone_is_named_but_not_owed() -> None:
    alone = evidence("site_off", "")
    del alone.hits[1:]
    found = judged([named(103.0, SITE)], [], alone)
    (row,) = found.rows
    assert (row.operator, row.owed, row.named_seconds, found.wrongly_named) == (SITE, False, 3.0, ())


def test_of_sites_that_fall_each_for_itself_time_counts_from_the_one_that_is_named() -> None:
    (row,) = judged([named(105.0, SITE, node="c")], [], evidence("flapping", "")).rows
    assert (row.points, row.owed, row.named, row.named_seconds) == (3, False, "site:c", 3.0)


def test_nothing_may_be_opened_while_our_own_uplink_is_lost() -> None:
    lost = Evidence((Fault(0, "ours", "uplink", 5, 20),), began_at=95, ended_at=200, uplink={0: [100.0, 115.0]})
    found = judged([named(107.0, VNPT)], [], lost)
    assert (found.rows, found.while_blind, found.passed) == ((), ("network:agg",), False)
    assert judged([named(99.0, VNPT, Change.OPENED), named(101.0, VNPT, Change.GREW)], [], lost).while_blind == ()


def test_a_site_incident_of_a_merged_point_fails() -> None:
    found = judged([named(103.5, VNPT), named(104.0, SITE, node="merged")], [told(104.0, "vnpt", VNPT)])
    assert (found.merged_points, found.passed) == (("merged",), False)


def test_a_desk_that_has_had_its_messages_may_read_of_it_in_the_next_summary() -> None:
    late = Delivered(140.0, "vnpt", Company.TELECOM, "network:agg", VNPT, True)
    assert not judged([named(103.5, VNPT)], [late]).passed
    found = judged([named(103.5, VNPT)], [msgspec.structs.replace(late, summary=True)])
    assert (found.rows[0].told_with_others, found.passed) == (True, True)
