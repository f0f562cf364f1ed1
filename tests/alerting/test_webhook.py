"""What Alertmanager's words mean, given what a desk was told before."""

import json
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.alerting.gateway.webhook import notices_of, read
from monitor.core.contacts import Channel, Company, Desk
from monitor.core.notices import Kind, Notice, Refused, Thread

NOW = 1_746_666_000.0
DESK = Desk(id="vnpt", title="Trực VNPT", company=Company.TELECOM, channels=(Channel.SMS,), phone="0000 000 384")
INCIDENT = "network:agg-384"
GROUP = '{}/{cause="point"}:{district="384"}'


def alert(status: str = "firing", incident: str = INCIDENT, at: float = NOW, **annotations: str) -> dict[str, object]:
    name = {"alertname": "Incident", "incident": incident} if incident else {"alertname": "PointDown"}
    ends = {"endsAt": iso(at + 30)} if status == "resolved" else {"endsAt": "0001-01-01T00:00:00Z"}
    labels = {**name, "cause": "telecom"}
    return {"status": status, "labels": labels, "annotations": annotations, "startsAt": iso(at), **ends}


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def body(*alerts: dict[str, object], group: str = GROUP, version: str = "4") -> bytes:
    for number, each in enumerate(alerts):
        each.setdefault("fingerprint", f"f{number}")
    return json.dumps({"version": version, "groupKey": group, "status": "firing", "alerts": alerts}).encode()


def thread_of(notice: Notice) -> Thread:
    return Thread(
        number=7,
        desk=notice.desk,
        subject=notice.subject,
        code="1234",
        opened_at=notice.story.since,
        told_at=notice.at,
        story=notice.story,
    )


def told(raw: bytes, *threads: Thread, now: float = NOW + 60) -> list[Notice]:
    return notices_of(read(raw), DESK, {(each.desk, each.subject): each for each in threads}, now)


def test_an_incident_is_opened_once_and_over_once() -> None:
    (opened,) = told(body(alert(title="Sự cố mạng")))
    assert (opened.kind, opened.subject, opened.story.incident) == (Kind.OPENED, f"incident:{INCIDENT}", INCIDENT)
    assert (opened.story.since, opened.story.annotations["title"]) == (NOW, "Sự cố mạng")
    thread = thread_of(opened)
    assert told(body(alert()), thread) == [], "Alertmanager repeats itself"
    (over,) = told(body(alert("resolved")), thread)
    assert (over.kind, over.story.ended_at) == (Kind.RESOLVED, NOW + 30)
    assert told(body(alert("resolved"))) == [], "what was never told is not over"


@pytest.mark.parametrize("name", ["retracted", "replaced"])
def test_what_was_wrong_or_makes_room_says_so(name: str) -> None:
    (opened,) = told(body(alert()))
    (end,) = told(body(alert("resolved", **{name: "nay xác định: mất điện"})), thread_of(opened))
    assert (end.kind, end.changes) == (Kind.RETRACTED, ("nay xác định: mất điện",))


def test_an_alert_that_makes_room_for_another_of_its_incident_is_no_end() -> None:
    """A phase of graver severity: one ends, one begins, and nothing has changed for the desk."""
    (opened,) = told(body(alert()))
    both = body(alert("resolved", replaced="chưa kết thúc"), alert(at=NOW + 30))
    assert told(both, thread_of(opened)) == []


def test_a_group_of_points_is_one_thread_that_says_how_it_grows() -> None:
    first = [alert(incident="", summary=f"Mất kết nối: x-{n}") for n in range(2)]
    (opened,) = told(body(*first))
    assert (opened.subject, opened.story.count, len(opened.story.summaries)) == (GROUP, 2, 2)
    thread = thread_of(opened)
    assert told(body(*first), thread) == []
    more = [alert(incident="", summary=f"Mất kết nối: x-{n}") for n in range(3)]
    (grown,) = told(body(*more), thread)
    assert (grown.kind, grown.changes) == (Kind.UPDATED, ("từ 2 thành 3",))
    (again,) = told(body(*more), thread, now=NOW + 61)
    assert again.tracking_id == grown.tracking_id, "two gateways are told the same"
    (over,) = told(body(alert("resolved", incident="", summary="Mất kết nối: x-0")), thread)
    assert over.kind is Kind.RESOLVED


def test_an_end_that_is_still_to_come_is_now() -> None:
    (opened,) = told(body(alert()))
    (over,) = told(body(alert("resolved", at=NOW + 3600)), thread_of(opened))
    assert over.story.ended_at == NOW + 60


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "expected the body of Alertmanager's webhook"),
        (b"[]", "expected the body of Alertmanager's webhook"),
        (b"{}", "expected the body of Alertmanager's webhook"),
        (b'{"version":"4","groupKey":"x","alerts":[]}', "expected from 1 to 20000 alerts, got 0"),
        (body(alert(), version="5"), "expected version 4 of Alertmanager's webhook, got '5'"),
        (body({**alert(), "startsAt": "2025-05-08T08:00:00"}), "expected instants with a time zone"),
        (body({**alert(), "startsAt": "soon"}), "expected the body of Alertmanager's webhook"),
        (b"[" * 100_000, "expected the body of Alertmanager's webhook"),
    ],
)
def test_what_is_no_webhook_is_refused(raw: bytes, why: str) -> None:
    with pytest.raises(Refused, match=why.split(",", maxsplit=1)[0]):
        read(raw)


@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: text.encode()))
def test_garbage_is_refused_and_nothing_else(raw: bytes) -> None:
    with pytest.raises(Refused):
        read(raw)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["firing", "resolved", "?"]),
            st.sampled_from([INCIDENT, "", "x" * 5000]),
            st.dictionaries(st.text(max_size=10), st.text(max_size=50), max_size=4),
        ),
        min_size=1,
        max_size=8,
    ),
    st.booleans(),
)
def test_whatever_it_says_each_subject_is_told_at_most_once(
    said: list[tuple[str, str, dict[str, str]]],
    open_: bool,  # noqa: FBT001
) -> None:
    raw = body(*(alert(status, incident) | {"annotations": annotations} for status, incident, annotations in said))
    opened = told(body(alert()))
    threads = [thread_of(opened[0])] if open_ else []
    found = told(raw, *threads)
    assert len({notice.subject for notice in found}) == len(found)
    assert all(msgspec.json.encode(notice.story) for notice in found)
