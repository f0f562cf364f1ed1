"""Alerts of incidents: one each, to those who must act, and taken back in words."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.alerting.incidents import SUMMARY, cause_of, districts_of_nodes, incident_alert, speaker
from monitor.alerting.ledger import REWORDED_S, Ledger
from monitor.alerting.messages import Scene
from monitor.core.attribution import Fact, FactKind, RunnerUp
from monitor.core.incidents import Incident
from monitor.core.model import (
    ONGOING,
    Ceremony,
    Certainty,
    Change,
    IncidentChanged,
    IncidentState,
    Inventory,
    Mode,
    Node,
    NodeKind,
    Phase,
    ProgrammeItem,
    Tree,
)
from monitor.words import fact_told

Stage = Callable[[int], Any]

CUT = Incident(
    id="network:acc-1",
    tree=Tree.NETWORK,
    node="acc-1",
    operator="VNPT Triệu Sơn",
    since=1746663123.0,
    opened_at=1746663126.0,
    certainty=Certainty.CERTAIN,
    probability=0.99,
    owner_probability=0.99,
    points=("p0", "p1", "p2", "p3"),
    evidence=(
        Fact(FactKind.DOWN, 4, of=5, nats=21.0),
        Fact(FactKind.SURVIVOR, 1, source="backup", nats=-0.7, ids=("p4",)),
        Fact(FactKind.RUNNER_UP, 1, nats=4.2, ids=("tba-12",)),
    ),
    runner_up=RunnerUp("tba-12", Tree.POWER, "Điện lực Triệu Sơn", 0.01),
)


def incident(**changes: Any) -> Incident:
    """The cut, with something else about it."""
    return msgspec.structs.replace(CUT, hit=set(CUT.points), **changes)


@pytest.fixture
def scene(stage: Stage) -> Scene:
    """During the phase of severity critical."""
    pipeline = stage(5).pipeline
    phase = next(phase for phase in pipeline.ceremony.phases if phase.severity == "critical")
    places = districts_of_nodes(pipeline.inventory)
    return Scene.of(
        pipeline.inventory, pipeline.ceremony, phase, "https://monitor.example.invalid/", 1746663130.0, districts=places
    )


def moved(scene: Scene, **changed: dict[str, Any]) -> Scene:
    """The scene with points whose rows read otherwise."""
    points = {key: msgspec.structs.replace(row, **changed.get(key, {})) for key, row in scene.inventory.points.items()}
    inventory = msgspec.structs.replace(scene.inventory, points=points)
    return msgspec.structs.replace(scene, inventory=inventory, districts=districts_of_nodes(inventory))


def test_it_says_what_failed_whose_it_is_and_why(scene: Scene) -> None:
    alert = incident_alert(incident(), scene)
    assert alert.annotations == {
        "title": "Sự cố mạng: Switch Xuân Lộc",
        "owner": "VNPT Triệu Sơn",
        "halls": "4 xã",
        "place": "Triệu Sơn",
        "evidence": "4 trên 5 điểm quan sát được bên dưới đã mất",
        "summary": "Sự cố mạng: Switch Xuân Lộc, 4 điểm mất kết nối từ 07:12:03, chắc chắn 99 %",
        "description": "Sự cố mạng: Switch Xuân Lộc [acc-1] từ 07:12:03 ngày 08/05/2025. "
        "Đơn vị xử lý: VNPT Triệu Sơn (chắc chắn 99 %). "
        "Điểm mất kết nối: Xã Xuân Lộc, Xã Xuân Lộc, Xã Xuân Lộc và 1 điểm nữa. Địa bàn: Triệu Sơn. "
        "4 trên 5 điểm quan sát được bên dưới đã mất. 1 điểm bên dưới vẫn kết nối nhờ đường dự phòng.",
        "since": "07:12:03 08/05/2025",
        "points": "4",
        "probability": "chắc chắn 99 %",
        "dashboard": "https://monitor.example.invalid/incidents/network%3Aacc-1",
    }


def test_its_labels_lead_to_the_owner_alone(scene: Scene) -> None:
    assert incident_alert(incident(), scene).labels == {
        "alertname": "Incident",
        "incident": "network:acc-1",
        "cause": "telecom",
        "access": "acc-1",
        "node": "acc-1",
        "node_kind": "access",
        "operator": "VNPT Triệu Sơn",
        "district": "397",
        "district_name": "Triệu Sơn",
        "severity": "critical",
    }


def test_the_power_company_has_a_label_of_its_own(scene: Scene) -> None:
    dark = incident(id="power:tba-12", tree=Tree.POWER, node="tba-12", operator="Điện lực Triệu Sơn")
    labels = incident_alert(dark, scene).labels
    assert (labels["cause"], labels["power_operator"], labels.get("operator")) == ("power", "Điện lực Triệu Sơn", None)


def test_what_is_not_clear_goes_to_both_and_names_the_other(scene: Scene) -> None:
    alert = incident_alert(incident(certainty=Certainty.UNDETERMINED, owner_probability=0.6), scene)
    assert alert.labels["cause"] == "undetermined"
    assert alert.labels["operator"] == "VNPT Triệu Sơn"
    assert alert.labels["power_operator"] == "Điện lực Triệu Sơn"
    assert "VNPT Triệu Sơn, Điện lực Triệu Sơn và điểm cầu cùng kiểm tra" in alert.annotations["description"]
    assert "Khả năng khác: mất điện: TBA 12 (1 %)" in alert.annotations["description"]


def test_what_is_probable_says_so(scene: Scene) -> None:
    alert = incident_alert(incident(certainty=Certainty.PROBABLE, owner_probability=0.823), scene)
    assert alert.labels["cause"] == "telecom"
    assert alert.annotations["summary"].endswith("nhiều khả năng 82 %")


def test_nodes_that_cannot_be_told_apart_are_named_together(scene: Scene) -> None:
    alert = incident_alert(incident(indistinguishable=("tba-12",)), scene)
    assert alert.annotations["summary"].startswith("Sự cố mạng: Switch Xuân Lộc hoặc TBA 12, ")


def test_batteries_alone_are_told(scene: Scene) -> None:
    dark = incident(id="power:tba-12", tree=Tree.POWER, node="tba-12", points=(), on_battery=("p0", "p1"))
    alert = incident_alert(dark, scene)
    assert alert.annotations["summary"].startswith("Mất điện: TBA 12, 2 điểm đang chạy ắc quy từ ")


@pytest.mark.parametrize(("role", "severity"), [(None, "warning"), ("listener", "warning"), ("speaker", "critical")])
def test_a_site_rings_loudly_only_where_somebody_speaks(scene: Scene, role: str | None, severity: str) -> None:
    point = msgspec.structs.replace(scene.inventory.points["p0"], role=role)
    inventory = msgspec.structs.replace(scene.inventory, points={"p0": point})
    site = incident(id="site:p0", tree=Tree.SITE, node="p0", operator="site", points=("p0",))
    alert = incident_alert(site, msgspec.structs.replace(scene, inventory=inventory))
    assert (alert.labels["severity"], alert.labels["cause"]) == (severity, "site")
    assert alert.annotations["summary"].startswith("Sự cố tại điểm cầu: Xã Xuân Lộc từ ")


def test_its_place_is_that_of_its_node_whatever_fell_first(scene: Scene) -> None:
    """Two monitors, or one before and after a restart, make one alert of points that they saw fall otherwise."""
    assert {incident_alert(incident(points=points), scene).fingerprint for points in (("p0",), ("p3", "p1"))} == {
        incident_alert(incident(), scene).fingerprint
    }
    apart = moved(scene, p4={"district_code": "400"})
    assert "district" not in incident_alert(incident(), apart).labels


def test_what_is_merged_elsewhere_does_not_move_a_node(scene: Scene) -> None:
    apart = moved(scene, p4={"district_code": "400", "mode": Mode.MERGED})
    assert incident_alert(incident(), apart).labels["district"] == "397"


def test_a_site_has_the_district_of_its_row(scene: Scene) -> None:
    site = incident(id="site:p0", tree=Tree.SITE, node="p0", operator="site", points=("p0",))
    assert incident_alert(site, scene).labels["district_name"] == "Triệu Sơn"
    removed = msgspec.structs.replace(scene, inventory=Inventory({}, {}, {}, {}), districts={})
    assert "p0" in incident_alert(site, removed).annotations["summary"]


def test_districts_are_counted(scene: Scene) -> None:
    apart = moved(scene, p3={"district_code": "400"})
    told = incident_alert(incident(), apart).annotations["description"]
    assert "Địa bàn: Triệu Sơn (3 điểm), 400 (1 điểm). " in told


@given(name=st.text(max_size=300), points=st.integers(0, 5000), certainty=st.sampled_from(Certainty))
def test_a_summary_is_short_and_keeps_its_end(name: str, points: int, certainty: Certainty) -> None:
    """Of a long name the end goes; never the count, the time or the odds."""
    node = Node("n", None, name, NodeKind.FEEDER, "Điện lực")
    told = incident(tree=Tree.POWER, node="n", points=("x",) * points, certainty=certainty)
    summary = incident_alert(told, away(Inventory({}, {}, {"n": node}, {}))).annotations["summary"]
    assert len(summary) <= SUMMARY
    assert summary.endswith(("từ 07:12:03, chắc chắn 99 %", "nhiều khả năng 99 %", "chưa rõ nguyên nhân"))
    assert f"{points or 4} điểm" in summary


def away(inventory: Inventory) -> Scene:
    """A scene with that inventory alone."""
    ceremony = Ceremony(title="", timezone="Asia/Ho_Chi_Minh", report_at=0, begins_at=0, phases=())
    return Scene(inventory, ceremony, "critical", "https://monitor.example.invalid", CUT.since)


def test_every_fact_that_is_told_has_words(scene: Scene) -> None:
    told = {
        kind: fact_told(Fact(kind, 2, of=3, source="network", ids=("acc-1",)), scene.inventory) for kind in FactKind
    }
    assert {kind for kind, words in told.items() if not words} == {FactKind.RUNNER_UP}
    assert all("{" not in words for words in told.values())


# In the ledger


class Desk:
    """A ledger over a stage whose incidents are put there by hand."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage(5)
        self.pipeline = self.stage.pipeline
        self.ledger = Ledger(self.pipeline, external_url="https://monitor.example.invalid")

    def tell(self, told: Incident, change: Change = Change.OPENED) -> set[str]:
        """It stands so now."""
        self.pipeline.incidents._by_id[told.id] = told
        happening = IncidentChanged(
            told.id, change, self.stage.now, told.since, told.tree, told.node, told.operator, told.certainty, 0.9, 4
        )
        return self.ledger.fold([happening], self.stage.now)

    def last(self, fingerprint: str) -> Any:
        """The last words of what has ended."""
        return self.ledger.ended[fingerprint].alert.annotations

    def firing(self) -> list[str]:
        """The incidents that fire."""
        return [alert.labels["incident"] for alert in self.ledger.firing.values() if "incident" in alert.labels]


@pytest.fixture
def desk(stage: Stage) -> Desk:
    return Desk(stage)


def test_an_incident_fires_once_and_ends_with_it(desk: Desk) -> None:
    (fingerprint,) = desk.tell(incident())
    assert desk.firing() == ["network:acc-1"]
    assert desk.tell(incident()) == set()
    assert desk.tell(incident(points=(), state=IncidentState.RESOLVED), Change.RESOLVED) == {fingerprint}
    assert desk.firing() == []
    entry = desk.ledger.entry(fingerprint)
    assert entry is not None
    assert entry.ends_at is not None
    assert {"retracted", "replaced"}.isdisjoint(entry.alert.annotations)
    assert entry.alert.annotations["summary"] == (
        "Sự cố mạng: Switch Xuân Lộc, 4 điểm đã kết nối lại, mất từ 07:12:03, chắc chắn 99 %"
    )


def test_points_that_come_in_a_row_are_posted_now_and_then(desk: Desk) -> None:
    """Growth rewords an alert each five seconds at most; a repeat says the rest, and graver news waits for nothing."""
    (fingerprint,) = desk.tell(incident(points=("p0",)))
    assert desk.tell(incident(points=("p0", "p1")), Change.GREW) == set()
    desk.stage.now += REWORDED_S
    assert desk.tell(incident(points=("p0", "p1")), Change.GREW) == {fingerprint}
    assert desk.ledger.firing[fingerprint].annotations["points"] == "2"
    assert desk.tell(incident(points=("p0",)), Change.SHRANK) == set()
    assert desk.ledger.mend(desk.stage.now) == {fingerprint}
    assert desk.ledger.firing[fingerprint].annotations["points"] == "1"
    assert desk.tell(incident(certainty=Certainty.PROBABLE), Change.REASSESSED) == {fingerprint}
    assert desk.tell(incident(points=(), state=IncidentState.RECOVERING), Change.RECOVERING) == {fingerprint}
    assert desk.tell(incident(points=("p2",)), Change.REOPENED) == {fingerprint}


def test_one_that_was_wrong_is_taken_back_in_words(desk: Desk) -> None:
    (fingerprint,) = desk.tell(incident())
    dark = incident(id="power:tba-12", tree=Tree.POWER, node="tba-12", operator="Điện lực Triệu Sơn")
    desk.tell(dark)
    desk.tell(incident(state=IncidentState.RETRACTED, became="power:tba-12"), Change.RETRACTED)
    assert desk.firing() == ["power:tba-12"]
    entry = desk.ledger.entry(fingerprint)
    assert entry is not None
    assert entry.alert.annotations["retracted"] == (
        "Rút lại: không phải do sự cố mạng: Switch Xuân Lộc; nay xác định: mất điện: TBA 12 (Điện lực Triệu Sơn)"
    )


@pytest.mark.parametrize(
    ("certainty", "words"),
    [
        (Certainty.PROBABLE, "nay nhiều khả năng: mất điện: TBA 12 (Điện lực Triệu Sơn)"),
        (Certainty.UNDETERMINED, "nay chưa rõ nguyên nhân, có thể là mất điện: TBA 12"),
        (None, "không còn căn cứ"),
    ],
)
def test_what_takes_its_place_is_not_surer_than_it_is(desk: Desk, certainty: Certainty | None, words: str) -> None:
    (fingerprint,) = desk.tell(incident())
    if certainty is not None:
        dark = incident(id="power:tba-12", tree=Tree.POWER, node="tba-12", operator="Điện lực Triệu Sơn")
        desk.tell(msgspec.structs.replace(dark, certainty=certainty))
    desk.tell(incident(state=IncidentState.RETRACTED, became="power:tba-12"), Change.RETRACTED)
    assert desk.last(fingerprint)["retracted"].endswith(f"; {words}")


def test_one_that_is_over_in_part_says_where_the_rest_belongs(desk: Desk) -> None:
    (fingerprint,) = desk.tell(incident())
    desk.tell(incident(id="site:p3", tree=Tree.SITE, node="p3", operator="site", points=("p3",)))
    desk.tell(incident(points=(), state=IncidentState.RESOLVED, became="site:p3"), Change.RESOLVED)
    assert desk.last(fingerprint)["replaced"] == (
        "đã kết thúc; những điểm còn mất: nay xác định: "
        "sự cố tại điểm cầu: Xã Xuân Lộc (phụ trách kỹ thuật tại điểm cầu)"
    )
    assert "kết nối lại" not in desk.last(fingerprint)["summary"]


def test_one_that_comes_again_has_no_last_words(desk: Desk) -> None:
    desk.tell(incident())
    desk.tell(incident(state=IncidentState.RETRACTED), Change.RETRACTED)
    (fingerprint,) = desk.tell(incident(), Change.REOPENED)
    assert "retracted" not in desk.ledger.firing[fingerprint].annotations
    assert fingerprint not in desk.ledger.ended


def test_what_was_retracted_before_it_could_fire_never_does(desk: Desk) -> None:
    assert desk.tell(incident(state=IncidentState.RETRACTED), Change.OPENED) == set()


def test_one_that_is_part_of_another_says_so(desk: Desk) -> None:
    (fingerprint,) = desk.tell(incident())
    desk.tell(incident(state=IncidentState.MERGED), Change.MERGED)
    entry = desk.ledger.entry(fingerprint)
    assert entry is not None
    assert "gộp vào" in entry.alert.annotations["replaced"]
    assert "retracted" not in entry.alert.annotations


def test_a_cause_that_becomes_clear_is_another_alert_from_the_same_instant(desk: Desk) -> None:
    (first,) = desk.tell(incident(certainty=Certainty.UNDETERMINED))
    changed = desk.tell(incident(), Change.REASSESSED)
    (second,) = changed - {first}
    assert desk.ledger.firing[second].labels["cause"] == "telecom"
    assert desk.ledger.firing[second].starts_at == CUT.since
    assert first in desk.ledger.ended
    assert desk.last(first)["replaced"] == ("chưa kết thúc; nay xác định: sự cố mạng: Switch Xuân Lộc (VNPT Triệu Sơn)")


def test_while_blind_nothing_new_fires_and_afterwards_it_does(desk: Desk) -> None:
    desk.ledger.fold(desk.stage.blind(True), desk.stage.now)
    assert desk.tell(incident()) == set()
    desk.ledger.fold(desk.stage.blind(False), desk.stage.now)
    assert desk.firing() == ["network:acc-1"]


def test_the_ledger_mends_itself(desk: Desk) -> None:
    desk.pipeline.incidents._by_id["network:acc-1"] = incident()
    desk.ledger.mend(desk.stage.now)
    assert desk.firing() == ["network:acc-1"]
    del desk.pipeline.incidents._by_id["network:acc-1"]
    desk.ledger.mend(desk.stage.now)
    assert desk.firing() == []


def test_severity_rises_with_the_phase(desk: Desk) -> None:
    desk.tell(incident())
    severities = [alert.labels["severity"] for alert in desk.ledger.firing.values()]
    graver: Phase = next(phase for phase in desk.pipeline.ceremony.phases if phase.severity == "critical")
    desk.pipeline.phase = graver
    desk.ledger.mend(desk.stage.now)
    assert (severities, [alert.labels["severity"] for alert in desk.ledger.firing.values()]) == (
        ["warning"],
        ["critical"],
    )


def test_the_cause_is_that_of_its_tree() -> None:
    assert [cause_of(incident(tree=tree)) for tree in Tree] == ["telecom", "power", "site"]
    assert cause_of(incident(certainty=Certainty.UNDETERMINED)) == "undetermined"


NODES = {f"{tree}:{node}": (tree, node) for tree, node in zip(Tree, ("acc-1", "tba-12", "p0"), strict=True)}
MOVE = st.tuples(
    st.sampled_from(sorted(NODES)),
    st.sampled_from(IncidentState),
    st.sampled_from(Certainty),
    st.sets(st.sampled_from(CUT.points)).map(lambda points: tuple(sorted(points))),
    st.sampled_from(Change),
    st.sampled_from(["told", "lost", "blind", "sighted"]),
)


@given(moves=st.lists(MOVE, max_size=25))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])  # it makes a new stage
def test_one_alert_an_incident_whatever_happens(stage: Stage, moves: list[Any]) -> None:
    """After any moves, some of them lost or unseen, what is ongoing fires once each, for those who must act now."""
    desk = Desk(stage)
    for key, state, certainty, points, change, how in moves:
        desk.stage.now += 1.0
        tree, node = NODES[key]
        told = incident(id=key, tree=tree, node=node, state=state, certainty=certainty, points=points)
        if how == "told":
            desk.tell(told, change)
        elif how == "lost":
            desk.pipeline.incidents._by_id[key] = told
        else:
            desk.ledger.fold(desk.stage.blind(how == "blind"), desk.stage.now)
        assert len(set(desk.firing())) == len(desk.firing())
        assert desk.ledger.firing.keys().isdisjoint(desk.ledger.ended)
    desk.ledger.fold(desk.stage.blind(False), desk.stage.now)
    desk.ledger.mend(desk.stage.now)
    ongoing = [each for each in desk.pipeline.incidents._by_id.values() if each.state in ONGOING]
    firing = {alert.labels["incident"]: alert for alert in desk.ledger.firing.values()}
    assert {key: alert.labels["cause"] for key, alert in firing.items()} == {
        each.id: cause_of(each) for each in ongoing
    }
    assert {key: alert.annotations["points"] for key, alert in firing.items()} == {
        each.id: str(len(each.points)) for each in ongoing
    }
    assert desk.ledger.mend(desk.stage.now) == set()


def test_who_is_about_to_speak_is_told_half_an_hour_ahead(scene: Scene) -> None:
    """The item that comes soonest, or goes on; not one that is over, nor another point's."""
    programme = tuple(
        ProgrammeItem(starts_at=scene.now + minutes * 60, title=title, point=point)
        for minutes, title, point in ((-30, "Khai mạc", "p1"), (-10, "Giới thiệu", ""), (20, "Hưởng ứng", "p1"))
    )
    ceremony = msgspec.structs.replace(scene.ceremony, programme=programme)
    told = msgspec.structs.replace(scene, ceremony=ceremony)
    assert speaker(["p0", "p1"], told) == "Xã Xuân Lộc phát biểu lúc 07:32: Hưởng ứng"
    assert speaker(["p0"], told) == ""
    assert speaker(["p1"], msgspec.structs.replace(told, now=told.now - 900)).endswith("Khai mạc"), "it goes on"
    assert speaker(["p1"], msgspec.structs.replace(told, now=told.now + 1e5)).endswith("Hưởng ứng"), "the last one"


def test_a_drill_says_so(scene: Scene) -> None:
    drill = msgspec.structs.replace(scene, ceremony=msgspec.structs.replace(scene.ceremony, drill=True))
    alert = incident_alert(incident(), drill)
    assert alert.annotations["summary"].startswith("[DIỄN TẬP] Sự cố mạng")
    assert alert.annotations["drill"] == "1"
    assert alert.labels == incident_alert(incident(), scene).labels
