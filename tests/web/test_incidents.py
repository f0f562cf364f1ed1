"""Incidents in words: causes, companies, odds, evidence, timelines; and which come first."""

import time
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from monitor.core.attribution import SITE, Fact, FactKind, RunnerUp
from monitor.core.incidents import Entry, Incident
from monitor.core.model import Certainty, Change, IncidentState, Inventory, Mode, Node, NodeKind, Point, Tier, Tree
from monitor.web import incident as page
from monitor.web.incidents import ROWS, SITES_KEY, Rows, cause, company, grouped, listed, one_of, row_of

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
NOW = 1_746_661_728.0
PROBABLE, DOUBT = Certainty.PROBABLE, Certainty.UNDETERMINED


def nodes(*rows: tuple[str, str | None, str, NodeKind, str]) -> dict[str, Node]:
    return {row[0]: Node(*row) for row in rows}


NETWORK = nodes(
    ("core", None, "Lõi", NodeKind.CORE, "VNPT Thanh Hóa"),
    ("agg-395", "core", "Nút gom huyện Thọ Xuân", NodeKind.AGGREGATION, "VNPT Thanh Hóa"),
    ("olt-1", "agg-395", "OLT Thọ Xuân 1", NodeKind.ACCESS, "VNPT Thanh Hóa"),
)
POWER = nodes(
    ("sub-1", None, "Trạm 110 kV E9.1", NodeKind.SUBSTATION, "Công ty Điện lực"),
    ("feeder-1", "sub-1", "Lộ 471 E9.1", NodeKind.FEEDER, "Điện lực Thọ Xuân"),
    ("tba-12", "feeder-1", "TBA 12", NodeKind.TRANSFORMER, "Điện lực Thọ Xuân"),
)
POINTS = {
    f"x-{i}": Point(
        id=f"x-{i}", name=f"Xã {i}", tier=Tier.COMMUNE, mode=Mode.TWO_WAY, network_node="olt-1", power_node="tba-12"
    )
    for i in range(30)
}
PLACE = Inventory(POINTS, NETWORK, POWER, {})
BY_POWER = RunnerUp("feeder-1", Tree.POWER, "Điện lực Thọ Xuân", 0.18)


def incident(tree: Tree = Tree.NETWORK, node: str = "agg-395", points: int = 3, **known: Any) -> Incident:
    ids = tuple(POINTS)[:points] if tree is not Tree.SITE else (node,)
    fields = {
        "operator": {Tree.NETWORK: "VNPT Thanh Hóa", Tree.POWER: "Điện lực Thọ Xuân", Tree.SITE: SITE}[tree],
        "since": NOW - 60,
        "opened_at": NOW - 58,
        "changed_at": NOW,
        "certainty": Certainty.CERTAIN,
        "owner_probability": 0.992,
        "points": ids,
        "hit": set(ids),
    }
    return Incident(id=f"{tree}:{node}", tree=tree, node=node, **{**fields, **known})


@pytest.mark.parametrize(
    ("found", "title", "who", "sure"),
    [
        (incident(), "Sự cố mạng: Nút gom huyện Thọ Xuân", "VNPT Thanh Hóa", "chắc chắn 99 %"),
        (
            incident(Tree.POWER, "feeder-1", certainty=PROBABLE, owner_probability=0.829),
            "Mất điện: Lộ 471 E9.1",
            "Điện lực Thọ Xuân",
            "nhiều khả năng 82 %",
        ),
        (
            incident(certainty=PROBABLE, owner_probability=0.82, runner_up=BY_POWER),
            "Sự cố mạng: Nút gom huyện Thọ Xuân",
            "VNPT Thanh Hóa",
            "nhiều khả năng 82 %, hoặc mất điện: Lộ 471 E9.1 (Điện lực Thọ Xuân)",
        ),
        (
            incident(Tree.POWER, "tba-12", indistinguishable=("feeder-1",), on_battery=("x-9", "x-8")),
            "Mất điện: TBA 12 hoặc Lộ 471 E9.1",
            "Điện lực Thọ Xuân",
            "chắc chắn 99 % · 2 điểm chạy ắc quy",
        ),
        (
            incident(certainty=DOUBT, owner_probability=0.6, runner_up=BY_POWER),
            "Chưa rõ: Nút gom huyện Thọ Xuân hoặc Lộ 471 E9.1",
            "VNPT Thanh Hóa và Điện lực Thọ Xuân cùng kiểm tra",
            "chưa rõ nguyên nhân",
        ),
        (
            incident(Tree.SITE, "x-4", state=IncidentState.RECOVERING),
            "Tại điểm cầu: Xã 4",
            "Điểm cầu tự kiểm tra",
            "chắc chắn 99 % · đang hồi phục",
        ),
        (incident(node="gone", operator=""), "Sự cố mạng: gone", "Chưa khai báo đơn vị quản lý", "chắc chắn 99 %"),
    ],
)
def test_an_incident_says_what_failed_who_must_act_and_how_sure_that_is(
    found: Incident, title: str, who: str, sure: str
) -> None:
    row = row_of(found, PLACE, NOW, ZONE)
    assert (row.title, row.company, row.sure) == (title, who, sure)


def test_where_nobody_can_tell_those_on_whom_the_point_depends_look_together() -> None:
    """A site in doubt has no owner in either tree; without any inventory it is both, in general."""
    doubtful = incident(Tree.SITE, "x-4", certainty=DOUBT)
    assert company(doubtful, PLACE) == "VNPT Thanh Hóa và Điện lực Thọ Xuân cùng kiểm tra"
    assert company(doubtful, Inventory({}, {}, {}, {})) == "VNPT và điện lực cùng kiểm tra"
    assert cause(doubtful, Inventory({}, {}, {}, {})) == "Tại điểm cầu: x-4"


def test_many_that_cannot_be_told_apart_are_counted() -> None:
    assert one_of(["A"]) == "A"
    assert one_of(["A", "B", "C"]) == "A, B hoặc C"
    assert one_of(list("ABCDE")) == "A, B hoặc 3 nút khác"


def test_sure_ones_come_first_the_largest_before_sites_at_last() -> None:
    small, large = incident(node="olt-1", points=2), incident(points=20)
    doubtful, site = incident(Tree.POWER, "tba-12", points=25, certainty=DOUBT), incident(Tree.SITE, "x-29")
    assert grouped([site, doubtful, small, large]) == [[large], [small], [doubtful], [site]]
    sites = [incident(Tree.SITE, f"x-{i}") for i in range(5)]
    assert [len(group) for group in grouped([*sites, small])] == [1, 5]


def test_the_list_is_bounded_counted_and_lights_cells() -> None:
    """Twelve rows; what is in none is counted; a row knows the cells of its points, those on battery included."""
    rows = Rows(PLACE, {point: number for number, point in enumerate(reversed(POINTS))})
    ongoing = [incident(node=f"n-{i}", points=1) for i in range(15)]
    ongoing[0] = incident(points=3, on_battery=("x-29", "unknown"))
    listing = rows.listing({one.id: one for one in ongoing}, NOW, ZONE)
    assert listing.total == 15
    assert len(listing.rows) == ROWS
    assert listing.more == "và 3 sự cố nữa"
    assert listing.rows[0].cells == (0, 27, 28, 29)
    assert listing.rows[0].href == "/incidents/network%3Aagg-395"


def test_many_sites_make_one_row() -> None:
    sites = {f"site:x-{i}": incident(Tree.SITE, f"x-{i}", since=NOW - i) for i in range(7)}
    (row,) = Rows(PLACE, {"x-3": 5, "x-6": 2}).listing(sites, NOW, ZONE).rows
    assert (row.key, row.title, row.points) == (SITES_KEY, "Tại điểm cầu: 7 điểm", "7 điểm")
    assert row.sure == "Xã 0, Xã 1, Xã 2 và 4 điểm nữa"
    assert sorted(row.cells) == [2, 5]


def test_a_row_follows_its_incident() -> None:
    """Rows are kept between pushes: never longer than what they say is true."""
    found = incident()
    rows = Rows(PLACE, {})
    assert rows.listing({found.id: found}, NOW, ZONE).rows[0].points == "3 điểm"
    found.points = found.points[:1]
    assert rows.listing({found.id: found}, NOW, ZONE).rows[0].points == "1 điểm"
    found.certainty, found.owner_probability, found.changed_at = PROBABLE, 0.8, NOW + 1
    assert rows.listing({found.id: found}, NOW + 1, ZONE).rows[0].sure == "nhiều khả năng 80 %"
    found.state = IncidentState.RECOVERING
    assert "đang hồi phục" in rows.listing({found.id: found}, NOW + 1, ZONE).rows[0].sure
    assert rows.listing({found.id: found}, NOW + 86_400, ZONE).rows[0].since.endswith("08/05")


def test_a_storm_is_listed_in_no_time(
    make_province: Callable[..., Inventory], record_property: Callable[[str, object], None]
) -> None:
    """Thirty incidents of 400 points each; the time is recorded (its budget is two milliseconds)."""
    big = make_province(5000)
    ids = list(big.points)
    rows = Rows(big, {point: number for number, point in enumerate(ids)})
    storm = {f"network:n-{i}": incident(node=f"n-{i}") for i in range(30)}
    for i, one in enumerate(storm.values()):
        one.points = tuple(ids[i * 100 : i * 100 + 400])
    rows.listing(storm, NOW, ZONE)
    before = time.perf_counter()
    for _ in range(100):
        rows.listing(storm, NOW, ZONE)
    took_ms = (time.perf_counter() - before) * 10
    record_property("storm_listing_ms", took_ms)
    print(f"30 incidents of 400 points listed in {took_ms:.3f} ms")  # noqa: T201
    assert took_ms < 20


def test_what_was_over_today_is_listed_by_itself() -> None:
    """Not what was over yesterday; with how many it hit and when it ended."""
    over = incident(node="olt-1", state=IncidentState.RESOLVED, ended_at=NOW - 5, points=4)
    over.points = ()
    yesterday = incident(node="core", state=IncidentState.RESOLVED, ended_at=NOW - 86_400)
    ongoing, past, hidden = listed([incident(), over, yesterday], PLACE, NOW, ZONE)
    assert [row.key for row in ongoing] == ["network:agg-395"]
    assert [(row.key, row.points) for row in past] == [("network:olt-1", "4 điểm")]
    assert past[0].sure == "chắc chắn 99 % · đã khắc phục lúc 06:48:43"
    assert hidden == 0


# The page of one


def test_the_evidence_is_told_in_sentences_what_weighs_most_first() -> None:
    facts = (
        Fact(FactKind.SURVIVOR, 2, source="backup", nats=-1.4, ids=("x-1", "x-2")),
        Fact(FactKind.DOWN, 12, of=14, nats=250.2, ids=tuple(POINTS)[:12]),
        Fact(FactKind.RUNNER_UP, 1, nats=6.3, ids=("feeder-1",)),
        Fact(FactKind.UNOBSERVED, 3, of=17),
        Fact(FactKind.ON_BATTERY, 1, source="a source of tomorrow", nats=2.0),
    )
    first, second, third, last = page.reasons(facts, PLACE)
    assert first.sentence == "12 trên 14 điểm quan sát được bên dưới đang mất kết nối"
    assert [one.href for one in first.who] == ["/points/x-0", "/points/x-1", "/points/x-2"]
    assert (first.more, first.nats, first.bar) == ("và 9 nữa", "+250", page.BAR)
    assert second.sentence == "1 điểm báo mất điện lưới"
    assert third.share == "phản bác, 1,4 nat"
    assert -page.BAR < third.bar < 0
    assert (last.sentence, last.nats, last.bar) == ("3 trên 17 điểm bên dưới chưa quan sát được", "", 0)


@pytest.mark.parametrize(("nats", "odds"), [(1.0, "2,7 lần"), (4.0, "55 lần"), (60.0, "1.000 lần trở lên")])
def test_the_odds_of_the_runner_up_are_bounded(stage: Any, nats: float, odds: str) -> None:
    stage.blame(Tree.NETWORK, "loi", runner_up=BY_POWER, evidence=(Fact(FactKind.RUNNER_UP, 1, nats=nats),))
    shown = page.view(stage.pipeline, "network:loi", stage.now)
    assert shown
    assert shown.odds == f"kém khả năng hơn {odds}"
    assert shown.runner_up == "Mất điện: feeder-1 (Điện lực Thọ Xuân)"


def test_its_points_are_listed_by_their_plight(stage: Any) -> None:
    stage.up()
    others = [point for point in stage.pipeline.points if point != "tinh-uy"]
    down, rest = others[:205], others[205:]
    stage.blame(Tree.NETWORK, "loi", ["tinh-uy", *down], on_battery=(rest[0],), hit={"tinh-uy", *down, *rest[:3]})
    shown = page.view(stage.pipeline, "network:loi", stage.now)
    assert shown
    lists = {one.title: one for one in shown.points}
    assert lists["Đang mất kết nối"].points[0].name == "Điểm cầu Tỉnh ủy"
    assert len(lists["Đang mất kết nối"].points) == page.POINTS
    assert lists["Đang mất kết nối"].more == f"và {len(down) + 1 - page.POINTS} điểm nữa"
    assert lists["Đang chạy ắc quy"].total == 1
    assert lists["Đã kết nối lại"].total == 2


def test_a_retraction_says_so_and_leads_to_what_took_its_place(stage: Any) -> None:
    """The latest line first; an incident that has been forgotten is named by its id."""
    after = stage.blame(Tree.POWER, "feeder-1", operator="Điện lực")
    told = Entry(stage.now, Change.RETRACTED, 0, Certainty.CERTAIN, 0.97, after.id)
    gone = msgspec.structs.replace(told, change=Change.MERGED, other="network:forgotten")
    stage.blame(
        Tree.NETWORK,
        "loi",
        state=IncidentState.RETRACTED,
        ended_at=stage.now,
        became=after.id,
        timeline=[Entry(stage.now - 9, Change.OPENED, 3, Certainty.PROBABLE, 0.83), gone, told],
    )
    shown = page.view(stage.pipeline, "network:loi", stage.now)
    assert shown
    retracted, merged, opened = shown.timeline
    assert f"{retracted.told} {retracted.before}" == "Rút lại: không phải “Sự cố mạng: Nút lõi Thanh Hóa” mà là:"
    assert retracted.other == page.Link("Mất điện: feeder-1", "/incidents/power%3Afeeder-1")
    assert merged.other == page.Link("network:forgotten")
    assert opened.told == "Phát hiện: 3 điểm, nhiều khả năng 83 %"
    assert shown.state == "đã rút lại"
    assert "chắc chắn" not in shown.row.sure


def test_the_path_ends_at_what_failed(stage: Any) -> None:
    stage.blame(Tree.NETWORK, "loi")
    stage.blame(Tree.SITE, "tinh-uy", ["tinh-uy"])
    stage.blame(Tree.POWER, "gone")
    for key, names in (
        ("network:loi", ["Nút lõi Thanh Hóa"]),
        ("site:tinh-uy", ["Nút lõi Thanh Hóa"]),
        ("power:gone", []),
    ):
        shown = page.view(stage.pipeline, key, stage.now)
        assert shown
        assert [step.name for step in shown.path] == names
    assert page.view(stage.pipeline, "network:nothing", stage.now) is None
