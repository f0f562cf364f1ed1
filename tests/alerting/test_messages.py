"""What an alert says, and how it is known."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.alerting.messages import FAILURES, Scene, monitor_blind, point_down, relabelled
from monitor.core.model import Ceremony, Inventory, Mode, Point, Tier
from probes.model import Failure

NOW = 1746663125.0
NOWHERE = Scene(
    Inventory({}, {}, {}, {}),
    Ceremony(title="", timezone="Asia/Ho_Chi_Minh", report_at=0, begins_at=0, phases=()),
    "critical",
    "https://monitor.example.invalid",
    NOW,
)


@pytest.fixture
def scene(stage: Callable[[int], Any]) -> Scene:
    """The first phase of the morning."""
    pipeline = stage(1).pipeline
    return Scene.of(pipeline.inventory, pipeline.ceremony, pipeline.phase, "https://monitor.example.invalid/", NOW)


def test_a_lost_point_in_words(scene: Scene, a_point: Callable[..., Point], stage: Callable[[int], Any]) -> None:
    """The texts name the place, the local time, the failure and who named it, both owners and what backs it up."""
    alert = point_down(a_point("p0"), stage(1).now, "unreachable 10.38.9.1", scene)
    assert alert.annotations == {
        "summary": "Mất kết nối: Xã Xuân Lộc (Triệu Sơn) từ 07:12:03",
        "description": "Xã Xuân Lộc (Triệu Sơn) mất kết nối từ 07:12:03 ngày 08/05/2025: "
        "không có đường tới (10.38.9.1). Nút mạng: Switch Xuân Lộc [acc-1], đơn vị quản lý: VNPT Triệu Sơn. "
        "Trạm điện: TBA 12 [tba-12], đơn vị quản lý: Điện lực Triệu Sơn. Đường dự phòng: 4g. "
        "Bộ lưu điện (UPS): 20 phút.",
        "since": "07:12:03 08/05/2025",
        "dashboard": "https://monitor.example.invalid/points/p0",
    }


def test_labels_of_a_lost_point(scene: Scene, a_point: Callable[..., Point], stage: Callable[[int], Any]) -> None:
    """Labels are what to route and group by; one that would be empty is left out."""
    assert point_down(a_point("p0"), stage(1).now, "", scene).labels == {
        "alertname": "PointDown",
        "instance": "p0",
        "tier": "commune",
        "mode": "two_way",
        "district": "397",
        "district_name": "Triệu Sơn",
        "commune": "15709",
        "network_node": "acc-1",
        "access": "acc-1",
        "power_node": "tba-12",
        "transformer": "tba-12",
        "operator": "VNPT Triệu Sơn",
        "power_operator": "Điện lực Triệu Sơn",
        "cause": "point",
        "severity": "warning",
    }


def test_a_blind_monitor_in_words(scene: Scene, stage: Callable[[int], Any]) -> None:
    """MonitorBlind is about us: its cause is the monitor, and it names no company."""
    alert = monitor_blind(stage(1).now, "không nhận được trả lời nào", scene)
    assert alert.labels == {"alertname": "MonitorBlind", "cause": "monitor", "severity": "warning"}
    assert alert.annotations["summary"] == "Máy giám sát mất tầm nhìn từ 07:12:03"
    assert "không nhận được trả lời nào. Cần kiểm tra" in alert.annotations["description"]


def test_a_point_of_the_province_needs_no_district_nor_nodes(scene: Scene, stage: Callable[[int], Any]) -> None:
    """The province's own points stand in no district, and the inventory may not know their nodes."""
    pipeline = stage(1).pipeline
    host = Point(id="tinh uy/1", name="Tỉnh ủy", tier=Tier.PROVINCE, mode=Mode.TWO_WAY, role="host")
    alert = point_down(host, pipeline.ceremony.report_at, "", scene)
    assert alert.annotations["description"] == ("Tỉnh ủy mất kết nối từ 07:28:43 ngày 08/05/2025: không có trả lời.")
    assert alert.labels["role"] == "host"
    assert alert.link == "https://monitor.example.invalid/points/tinh%20uy%2F1"


def test_every_failure_has_words() -> None:
    """No receiver reads an English word for why a point is lost."""
    assert set(FAILURES) == set(Failure)


@pytest.mark.parametrize(
    ("scene_is", "alert_becomes"),
    [("info", "warning"), ("warning", "warning"), ("critical", "critical"), ("of another kind", "warning")],
)
def test_severity_rises_and_never_falls(
    scene: Scene, a_point: Callable[..., Point], stage: Callable[[int], Any], scene_is: str, alert_becomes: str
) -> None:
    """A lost point rings in a graver phase, and is not told to be over in a lighter one."""
    alert = point_down(a_point("p0"), stage(1).now, "", scene)
    after = relabelled(alert, a_point("p0"), msgspec.structs.replace(scene, severity=scene_is))
    assert after.labels == {**alert.labels, "severity": alert_becomes}
    assert (after.fingerprint == alert.fingerprint) is (alert_becomes == "warning")


def test_another_owner_is_another_alert(
    scene: Scene,
    a_point: Callable[..., Point],
    stage: Callable[[int], Any],
    another_inventory: Callable[..., Inventory],
) -> None:
    """A corrected map gives new labels, hence a new fingerprint, from the same instant."""
    alert = point_down(a_point("p0"), stage(1).now, "", scene)
    corrected: Inventory = another_inventory(1, operator="VNPT Nông Cống")
    moved = relabelled(alert, a_point("p0"), msgspec.structs.replace(scene, inventory=corrected))
    assert moved.fingerprint != alert.fingerprint
    assert (moved.starts_at, moved.labels["operator"]) == (alert.starts_at, "VNPT Nông Cống")


@given(detail=st.text(max_size=2000), name=st.text(max_size=300))
def test_text_from_outside_is_tamed(detail: str, name: str) -> None:
    """Whatever a probe was told or a file holds, texts stay short in what they quote, on one line, valid in UTF-8."""
    point = Point(id=name, name="Xã Xuân Lộc", tier=Tier.COMMUNE, mode=Mode.TWO_WAY)
    alert = point_down(point, 1746663123.0, detail, NOWHERE)
    description = alert.annotations["description"]
    assert len(description) < 400
    assert "\n" not in description
    msgspec.json.decode(msgspec.json.encode(alert))


def test_two_alerts_are_told_apart_by_any_label(
    scene: Scene, a_point: Callable[..., Point], stage: Callable[[int], Any]
) -> None:
    """Fingerprints differ where labels do, and only there."""
    first, again, other = (point_down(a_point(name), stage(1).now, "", scene) for name in ("p0", "p0", "p1"))
    assert first.fingerprint == again.fingerprint != other.fingerprint
