"""What came to the desks' phones, judged from hand-made evidence."""

from collections.abc import Iterable

import pytest

from monitor.core.contacts import Channel, Company, Contacts, Desk
from monitor.core.incidents import Incident
from monitor.core.model import Inventory, Mode, Node, NodeKind, Point, PointState, Tier, Tree
from monitor.core.notices import Form, Kind, Message, MessageState, Notice, Story
from monitor.rehearsal.deliveries import Deliveries, Told, delivered, deliveries, most
from monitor.rehearsal.faults import Fault
from monitor.rehearsal.phones import Arrival
from monitor.rehearsal.score import Evidence, Hit, Seen

VNPT = "VNPT Thanh Hóa"
DESKS = {
    name: Desk(id=name, title=name, company=company, channels=(Channel.SMS,), phone="0000 000 001")
    for name, company in {"vnpt": Company.TELECOM, "ky-thuat": Company.TECHNICAL}.items()
}
CONTACTS = Contacts(desks=DESKS)
INVENTORY = Inventory(
    {p: Point(id=p, name=p, tier=Tier.VILLAGE, mode=Mode.WATCH, network_node="acc") for p in "ab"},
    {
        "agg": Node("agg", None, "agg", NodeKind.AGGREGATION, VNPT),
        "acc": Node("acc", "agg", "acc", NodeKind.ACCESS, VNPT),
    },
    {},
    {},
)


def notice(node: str, desk: str = "vnpt", kind: Kind = Kind.OPENED, since: float = 100.0) -> Notice:
    subject = f"incident:network:{node}"
    story = Story(subject=subject, labels={"node": node, "operator": VNPT}, since=since)
    return Notice(tracking_id=f"{desk}-{node}-{kind}", desk=desk, subject=subject, kind=kind, story=story, at=since + 2)


def happened(*notices: tuple[float, Notice], hit: Iterable[str] = "ab") -> tuple[list[Arrival], Told]:
    """Each notice is a message that arrived at that instant; the incident of ``agg`` has hit these points."""
    arrivals, messages = [], {}
    for at, each in notices:
        name = f"m-{each.tracking_id}"
        arrivals.append(Arrival(at, Channel.SMS, "84000000001", name, "text"))
        messages[name] = Message(
            tracking_id=name, desk=each.desk, form=Form.SINGLE, notices=(each.tracking_id,), created_at=at,
            state=MessageState.SENT,
        )  # fmt: skip
    incident = Incident(
        id="network:agg", tree=Tree.NETWORK, node="agg", operator=VNPT, since=100, opened_at=102, hit=set(hit)
    )
    return arrivals, Told(messages, {each.tracking_id: each for _, each in notices}, [incident])


def judged(arrivals: list[Arrival], told: Told) -> Deliveries:
    """Two points fell at 100 for forty seconds."""
    evidence = Evidence((Fault(0, "fault", "cut", 0, 40, node="agg"),), began_at=95, ended_at=200)
    evidence.hits = [Hit(0, point, 100.0, 140.0) for point in "ab"]
    evidence.seen = [Seen(102.0, point, PointState.DOWN) for point in "ab"]
    return deliveries(arrivals, told, CONTACTS, INVENTORY, evidence, [2.5], probed={"a", "b"})


def test_one_message_that_leads_to_all_points_is_enough() -> None:
    found = judged(*happened((102.5, notice("agg"))))
    assert found.passed
    assert (found.messages, found.desks, found.by_channel, found.most_in_a_minute) == (1, 1, {"sms": 1}, 1)


def test_a_point_that_no_message_leads_to_is_lost() -> None:
    found = judged(*happened((102.5, notice("agg")), hit="a"))
    assert (found.lost_points, found.passed) == (("b",), False)


def test_a_message_that_comes_twice_and_a_desk_that_is_told_too_much() -> None:
    arrivals, told = happened(*((102.0 + at, notice(f"n{at}")) for at in range(4)))
    found = judged([*arrivals, arrivals[0]], told)
    assert (found.twice, found.most_in_a_minute, found.beyond_budget) == (1, 5, ("vnpt",))
    assert not found.passed


def test_a_child_before_its_parent_counts_where_they_fell_together() -> None:
    child, parent = notice("acc"), notice("agg")
    assert judged(*happened((102.0, child), (103.0, parent))).children_first == (
        "network:acc before network:agg (vnpt)",
    )
    assert judged(*happened((102.0, parent), (103.0, child))).children_first == ()
    before = notice("acc", since=40.0)
    assert judged(*happened((42.0, before), (103.0, parent))).children_first == ()


def test_a_mail_of_alertmanagers_own_is_told_apart() -> None:
    arrivals, told = happened((102.5, notice("agg")))
    found = judged([*arrivals, Arrival(103.0, Channel.EMAIL, "a@b.example.invalid", "", "[GIÁM SÁT]")], told)
    assert (found.messages, found.of_alertmanager, found.desks) == (1, 1, 1)


def test_who_got_to_know_of_which_incident() -> None:
    arrivals, told = happened((102.5, notice("agg")), (150.0, notice("agg", kind=Kind.RESOLVED)))
    assert [(each.at, each.company, each.incident, each.operator, each.firing) for each in
            delivered(arrivals, told, CONTACTS)] == [
        (102.5, Company.TELECOM, "network:agg", VNPT, True),
        (150.0, Company.TELECOM, "network:agg", VNPT, False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("times", "found"), [((), 0), ((1.0,), 1), ((0.0, 30.0, 58.0, 61.0), 3), ((0.0, 60.0, 120.0), 1)]
)
def test_the_most_within_a_minute(times: tuple[float, ...], found: int) -> None:
    assert most(times) == found
