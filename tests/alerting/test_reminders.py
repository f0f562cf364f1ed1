"""What a district that is reminded reads, and how long."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.alerting.alertmanager import Alertmanagers, postable
from monitor.alerting.ledger import Ledger
from monitor.alerting.reminders import LASTS_S, NAMED
from monitor.core.model import Cause, PointState, Tier
from monitor.core.organization import Coordinator, Reminder
from monitor.core.readiness import Lack
from monitor.words import LACKS

EXTERNAL = "https://monitor.example.invalid"
DESK = Coordinator(scope="district:397", title="Phòng VH-KH-TT (mẫu)", phone="0000 000 397", email="x@y.invalid")
DESKS = {DESK.scope: DESK}


def asked(ours: Any, points: int, district: str = "397", at: float = 0.0) -> Reminder:
    """A reminder of the first points."""
    return Reminder(district=district, at=at or ours.now, by="an", points=tuple(f"p{i}" for i in range(points)))


def ledger_of(ours: Any, monitor: str = "") -> Ledger:
    return Ledger(ours.pipeline, external_url=EXTERNAL, monitor=monitor)


def test_every_lack_has_words() -> None:
    assert set(LACKS) == set(Lack)


def test_what_a_reminder_says(stage: Callable[[int], Any]) -> None:
    ours = stage(3)
    ours.turn("p1", PointState.DOWN, cause=Cause.POWER_LOST)
    ours.pipeline._tally.place("p1", ours.pipeline._as_seen(ours.pipeline.points["p1"]), ours.now)
    ledger = ledger_of(ours)
    (fingerprint,) = ledger.remind(asked(ours, 2), DESKS, ours.now)
    alert = ledger.firing[fingerprint]
    assert alert.labels == {
        "alertname": "CheckInReminder",
        "cause": "reminder",
        "district": "397",
        "district_name": "Triệu Sơn",
        "severity": "warning",
    }
    assert alert.annotations == {
        "summary": "Triệu Sơn: còn 2/3 điểm cầu chưa sẵn sàng, hạn 07:28",
        "description": "Chưa sẵn sàng: Xã Xuân Lộc (chưa thấy tín hiệu); Xã Xuân Lộc (mất điện). "
        "Đầu mối: Phòng VH-KH-TT (mẫu), 0000 000 397, x@y.invalid.",
        "since": "07:12:03 08/05/2025",
        "points": "2",
        "dashboard": f"{EXTERNAL}/readiness?district=397",
    }
    assert alert.link == f"{EXTERNAL}/readiness?district=397"


def test_of_many_points_the_first_are_named_and_the_others_counted(stage: Callable[[int], Any]) -> None:
    ours = stage(NAMED + 28)
    last = f"p{NAMED + 27}"
    inventory = ours.pipeline.inventory
    hall = msgspec.structs.replace(inventory.points[last], tier=Tier.DISTRICT, name="Hội trường huyện")
    ours.reload(msgspec.structs.replace(inventory, points={**inventory.points, last: hall}), NAMED + 28)
    ledger = ledger_of(ours)
    (fingerprint,) = ledger.remind(asked(ours, NAMED + 28), {}, ours.now)
    told = ledger.firing[fingerprint].annotations["description"]
    assert told.startswith("Chưa sẵn sàng: Hội trường huyện (")
    assert told.count("(chưa thấy tín hiệu)") == NAMED
    assert told.endswith(" và 28 điểm nữa.")


def test_the_province_itself_is_reminded_without_a_district(stage: Callable[[int], Any]) -> None:
    ours = stage(2)
    inventory = ours.pipeline.inventory
    points = {key: msgspec.structs.replace(one, district_code=None) for key, one in inventory.points.items()}
    ours.reload(msgspec.structs.replace(inventory, points=points), 2)
    ledger = ledger_of(ours)
    (fingerprint,) = ledger.remind(asked(ours, 2, district=""), DESKS, ours.now)
    alert = ledger.firing[fingerprint]
    assert not {"district", "district_name"} & alert.labels.keys()
    assert alert.annotations["summary"].startswith("Cấp tỉnh: còn 2/2 điểm cầu")
    assert alert.link == f"{EXTERNAL}/readiness"


def test_where_nothing_is_missing_any_more_nobody_is_reminded(stage: Callable[[int], Any]) -> None:
    """A point that a reload took is missed by nobody."""
    ours = stage(1)
    ledger = ledger_of(ours)
    assert ledger.remind(asked(ours, 0), DESKS, ours.now) == set()
    gone = Reminder(district="397", at=ours.now, by="an", points=("p9",))
    assert ledger.remind(gone, DESKS, ours.now) == set()
    assert not ledger.firing


def test_it_ends_by_itself_and_may_come_again(stage: Callable[[int], Any]) -> None:
    ours = stage(2)
    ledger = ledger_of(ours)
    ledger.mend(ours.now)
    (fingerprint,) = ledger.remind(asked(ours, 2), DESKS, ours.now)
    assert ledger.mend(ours.now + LASTS_S - 1) == set()
    assert ledger.mend(ours.now + LASTS_S + 20) == {fingerprint}
    entry = ledger.entry(fingerprint)
    assert entry is not None
    assert entry.ends_at == ours.now + LASTS_S
    assert not ledger.firing
    again = ours.now + 2 * LASTS_S
    assert ledger.remind(asked(ours, 1, at=again), DESKS, again) == {fingerprint}
    assert ledger.firing[fingerprint].annotations["points"] == "1"
    assert not ledger.ended
    assert ledger.mend(again + LASTS_S + 1) == {fingerprint}


def test_a_graver_phase_replaces_a_districts_reminder(stage: Callable[[int], Any]) -> None:
    """The next one has other labels; the one before ends with it, so that a district has one."""
    ours = stage(2)
    ledger = ledger_of(ours)
    (first,) = ledger.remind(asked(ours, 2), DESKS, ours.now)
    ours.now += 1600
    ours.pipeline.tick(ours.now)
    changed = ledger.remind(asked(ours, 2), DESKS, ours.now)
    assert {alert.labels["severity"] for alert in ledger.firing.values()} == {"critical"}
    assert changed == {first, *ledger.firing}


def test_two_monitors_make_one_alert(stage: Callable[[int], Any]) -> None:
    """The labels do not say which; the words do."""
    ours = stage(2)
    alerts = []
    for monitor in ("center", "backup"):
        ledger = ledger_of(ours, monitor)
        ledger.remind(asked(ours, 2), DESKS, ours.now)
        alerts += ledger.firing.values()
    assert alerts[0].fingerprint == alerts[1].fingerprint
    assert alerts[0].labels == alerts[1].labels
    assert [each.annotations["monitor"] for each in alerts] == ["center", "backup"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # a class, the same for all
@given(st.lists(st.sampled_from(["down", "up", "remind", "blind", "sight", "wait", "reload", "back"]), max_size=25))
def test_a_reminder_disturbs_no_other_alert(stage: Callable[[int], Any], moves: list[str]) -> None:
    """Whatever happens, what fires beside it is what fires without it; the clock may be set back."""
    ours = stage(3)
    plain, reminded = ledger_of(ours), ledger_of(ours)
    for move in moves:
        ours.now += {"wait": 200.0, "back": -400.0}.get(move, 1.0)
        happenings = {
            "down": lambda: ours.turn("p0", PointState.DOWN, cause=Cause.LOST_CONNECTION),
            "up": lambda: ours.turn("p0", PointState.UP),
            "blind": lambda: ours.blind(blind=True),
            "sight": lambda: ours.blind(blind=False),
            "reload": lambda: ours.reload(ours.pipeline.inventory, 2),
        }.get(move, list)()
        for ledger in (plain, reminded):
            ledger.fold(happenings, ours.now)
            ledger.mend(ours.now)
        if move == "remind":
            reminded.remind(asked(ours, 2), DESKS, ours.now)
        others = {key for key, each in reminded.firing.items() if each.labels["alertname"] != "CheckInReminder"}
        assert others == set(plain.firing)
        assert len(reminded.firing) - len(others) <= 1
    for ledger in (plain, reminded):
        ledger.mend(ours.now + LASTS_S + 1)
    assert set(reminded.firing) == set(plain.firing)


def test_the_shell_asks_for_the_desks_of_the_day_and_never_raises(stage: Callable[[int], Any]) -> None:
    ours = stage(1)
    desks: dict[str, Coordinator] = {}
    alerts = Alertmanagers(
        ["http://127.0.0.1:9"], ours.pipeline, external_url=EXTERNAL, clock=lambda: ours.now, coordinators=lambda: desks
    )
    desks |= DESKS
    alerts.remind(asked(ours, 1))
    (alert,) = alerts.firing.values()
    assert "0000 000 397" in alert.annotations["description"]
    assert alerts.deliveries[0].pending == 1
    entry = alerts._ledger.entry(alert.fingerprint)
    assert entry is not None
    assert postable(entry, ours.now, 120.0).starts_at == "2025-05-08T00:12:03.000+00:00"
    alerts.remind(msgspec.structs.replace(asked(ours, 1), at=float("nan")))


@pytest.mark.parametrize("coordinators", [{}, {"commune:15709": DESK}])
def test_a_district_without_a_desk_is_reminded_all_the_same(
    stage: Callable[[int], Any], coordinators: dict[str, Coordinator]
) -> None:
    ours = stage(1)
    ledger = ledger_of(ours)
    ledger.remind(asked(ours, 1), coordinators, ours.now)
    (alert,) = ledger.firing.values()
    assert "Đầu mối" not in alert.annotations["description"]
