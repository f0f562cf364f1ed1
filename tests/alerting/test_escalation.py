"""Who is told next when nobody answers."""

from zoneinfo import ZoneInfo

import msgspec
import pytest

from monitor.alerting.gateway.escalation import LAST_LEVEL, Watch, awaiting, due
from monitor.core.acknowledgement import Acknowledgement
from monitor.core.contacts import Channel, Company, Contacts, Desk
from monitor.core.notices import Kind, Story, Thread

NOW = 1_746_666_000.0
ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
INCIDENT = "network:agg-384"
LABELS = {
    "alertname": "Incident",
    "incident": INCIDENT,
    "cause": "telecom",
    "operator": "VNPT",
    "district": "384",
    "severity": "critical",
}
DESKS = (
    ("vnpt-384", "Trực VNPT Mường Lát", Company.TELECOM, 1, ("384",)),
    ("vnpt-385", "Trực VNPT Quan Hóa", Company.TELECOM, 1, ("385",)),
    ("vnpt", "Điều hành VNPT tỉnh", Company.TELECOM, 2, ()),
    ("dien", "Điều độ điện lực", Company.POWER, 2, ()),
    ("ky-thuat", "Tổ kỹ thuật", Company.TECHNICAL, 1, ()),
)
CONTACTS = Contacts(
    desks={
        name: Desk(id=name, title=title, company=company, level=level, districts=districts, channels=(Channel.SMS,))
        for name, title, company, level, districts in DESKS
    }
)


def thread(desk: str, told_at: float, level: int = 1, number: int = 1) -> Thread:
    story = Story(subject=f"incident:{INCIDENT}", labels=LABELS, since=NOW)
    return Thread(
        number=number,
        desk=desk,
        subject=story.subject,
        code="0000",
        opened_at=NOW,
        told_at=told_at + 30,
        level_at=told_at,
        story=story,
        level=level,
    )


def said(desk: str, at: float = NOW + 5) -> Acknowledgement:
    return Acknowledgement(incident=INCIDENT, opened_at=NOW, desk=desk, at=at, means="link")


def watch(*threads: Thread, said_so: tuple[Acknowledgement, ...] = (), **other: object) -> Watch:
    known = Watch(CONTACTS, threads, said_so, (), 60.0, ZONE)
    return msgspec.structs.replace(known, **other)


def told(found: Watch, now: float) -> list[tuple[str, int]]:
    return [(notice.desk, each.level) for each in due(found, now) for notice in each.notices]


def test_after_its_time_the_level_above_is_told_and_hears_who_was_silent() -> None:
    found = watch(thread("vnpt-384", NOW), thread("ky-thuat", NOW, number=2))
    assert told(found, NOW + 59) == []
    (escalation,) = due(found, NOW + 60)
    (notice,) = escalation.notices
    assert (notice.desk, notice.kind, escalation.level) == ("vnpt", Kind.ESCALATED, 2)
    assert notice.changes == ("Trực VNPT Mường Lát đã được báo lúc 08:00:00, chưa tiếp nhận",)


def test_then_the_technical_team_and_then_nobody_further() -> None:
    below = (thread("vnpt-384", NOW), thread("vnpt", NOW + 60, 2, 2), thread("ky-thuat", NOW, 1, 3))
    assert told(watch(*below), NOW + 119) == []
    assert told(watch(*below), NOW + 120) == [("ky-thuat", LAST_LEVEL)]
    last = (*below[:2], thread("ky-thuat", NOW + 120, LAST_LEVEL, 3))
    assert told(watch(*last), NOW + 1000) == []


@pytest.mark.parametrize(
    ("desk", "ends"), [("vnpt-384", True), ("vnpt", True), ("ky-thuat", True), ("admin", True), ("dien", False)]
)
def test_who_ends_it_by_acknowledging(desk: str, ends: bool) -> None:  # noqa: FBT001
    """Anybody of the company or of the technical team, an account among them; not another company."""
    found = watch(thread("vnpt-384", NOW), said_so=(said(desk),))
    assert told(found, NOW + 61) == ([] if ends else [("vnpt", 2)])


def test_an_acknowledgement_of_an_earlier_time_counts_for_nothing() -> None:
    assert told(watch(thread("vnpt-384", NOW), said_so=(said("vnpt-384", NOW - 100),)), NOW + 61) == [("vnpt", 2)]


def test_who_cannot_be_reached_is_not_waited_for() -> None:
    (escalation,) = due(watch(thread("vnpt-384", NOW), unreachable={1}), NOW + 1)
    assert escalation.notices[0].changes == ("Trực VNPT Mường Lát đã được báo lúc 08:00:00, không liên lạc được",)


def test_nothing_is_escalated_in_a_phase_that_does_not_ask_for_it() -> None:
    assert told(watch(thread("vnpt-384", NOW), after_s=None), NOW + 1000) == []


def test_each_step_has_one_tracking_id() -> None:
    """Two looks, or two monitors, make one notice."""
    found = watch(thread("vnpt-384", NOW))
    (one,), (two,) = due(found, NOW + 60), due(found, NOW + 65)
    assert one.notices[0].tracking_id == two.notices[0].tracking_id


def test_a_desk_that_is_gone_from_the_contacts_does_not_stop_the_others() -> None:
    assert told(watch(thread("gone", NOW), thread("vnpt-384", NOW, number=2)), NOW + 60) == [("vnpt", 2)]


def test_what_nobody_has_acknowledged() -> None:
    threads = [thread("vnpt-384", NOW), thread("ky-thuat", NOW, number=2)]
    assert awaiting(threads, []) == {INCIDENT: NOW}
    assert awaiting(threads, [said("vnpt-384")]) == {}
    assert awaiting(threads, [said("vnpt-384", NOW - 50)]) == {INCIDENT: NOW}
