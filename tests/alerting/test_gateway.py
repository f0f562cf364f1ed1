"""The gateway at work over a real store: at least once, within budgets, and somebody answers in the end."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.alerting.gateway.dispatcher import Dispatcher
from monitor.alerting.gateway.gateway import LEASE_S, Gateway
from monitor.alerting.messages import Alert
from monitor.core.access import AuditEntry
from monitor.core.acknowledgement import Acknowledgement, AckRefusal, AckRefused
from monitor.core.contacts import Channel, Company, Contacts, Desk
from monitor.core.model import Happening
from monitor.core.notices import Form, Kind, Mail, MessageState, Outcome, Parcel, Refused, Result, Sms
from monitor.core.pipeline import Pipeline
from monitor.core.records import NotRecorded
from monitor.store import Store

LABELS = {"alertname": "Incident", "cause": "telecom", "operator": "VNPT", "severity": "critical", "district": "397"}
DESKS = {
    desk.id: desk
    for desk in (
        Desk(
            id="vnpt-397",
            title="Trực VNPT Triệu Sơn",
            company=Company.TELECOM,
            districts=("397",),
            channels=(Channel.SMS, Channel.EMAIL),
            phone="0000 000 397",
            email="vnpt-397@vnpt.example.invalid",
        ),
        Desk(
            id="vnpt",
            title="Điều hành VNPT tỉnh",
            company=Company.TELECOM,
            level=2,
            channels=(Channel.EMAIL,),
            email="vnpt@vnpt.example.invalid",
        ),
        Desk(
            id="ky-thuat",
            title="Tổ kỹ thuật",
            company=Company.TECHNICAL,
            channels=(Channel.EMAIL,),
            email="ky-thuat@so-khcn.example.invalid",
        ),
    )
}


class Phone:
    """A channel that does as it is told, and remembers."""

    def __init__(self) -> None:
        self.outcome = Outcome.ACCEPTED
        self.sent: list[tuple[str, Parcel, str]] = []
        self.tried = 0

    async def send(self, to: str, parcel: Parcel, tracking_id: str) -> Result:
        """As it is told."""
        self.tried += 1
        if self.outcome is Outcome.ACCEPTED:
            self.sent.append((to, parcel, tracking_id))
        return Result(outcome=self.outcome, detail="as told", provider_id=f"p-{tracking_id}")


class Hall:
    """A gateway, its store, its channels and a clock moved by hand."""

    def __init__(self, store: Store, pipeline: Pipeline, owner: str = "a") -> None:
        self.store, self.pipeline = store, pipeline
        self.now = pipeline.ceremony.phases[-1].starts_at + 60
        self.pipeline.tick(self.now)
        self.phones = {Channel.SMS: Phone(), Channel.EMAIL: Phone()}
        self.firing: dict[str, Alert] = {}
        self.away_s = 0.0
        self.told = list[Happening]()
        self.muted = False
        self.contacts = Contacts(desks=DESKS, escalate_after_s={"live": 60.0}, direct_after_s={"live": 10.0})
        self.dispatcher = Dispatcher(
            store,
            contacts=lambda: self.contacts,
            receivers=lambda: self.phones,
            ceremony=lambda: pipeline.ceremony,
            ack_link=lambda number, _until: f"https://monitor.example.invalid/a/{number}",
            clock=lambda: self.now,
        )
        self.gateway = Gateway(
            store,
            self.dispatcher,
            pipeline,
            self,
            owner=owner,
            secret="a word that nobody guesses",  # noqa: S106 - a test's own
            contacts=lambda: self.contacts,
            tell=self.told.extend,
            clock=lambda: self.now,
            muted=lambda _labels, _now: self.muted,
        )

    def unreachable_for_s(self, _now: float) -> float:
        """As a test sets it."""
        return self.away_s

    async def look(self, after_s: float = 0.0) -> None:
        """Let so much time pass, and the gateway look until all that it sends has landed."""
        self.now += after_s
        await self.gateway._look()
        while self.dispatcher._flying:
            await asyncio.gather(*self.dispatcher._flying.values(), return_exceptions=True)
            await asyncio.sleep(0)

    async def hook(self, desk: str, incident: str, status: str = "firing", **annotations: str) -> int:
        """Alertmanager tells a desk of an incident."""
        return await self.gateway.notified(desk, self.body(incident, status, **annotations))

    def body(self, incident: str, status: str = "firing", **annotations: str) -> bytes:
        """Of the webhook."""
        at = datetime.fromtimestamp(self.now, UTC).isoformat()
        labels = {**LABELS, "incident": incident}
        alert = {"status": status, "labels": labels, "annotations": annotations, "startsAt": at, "fingerprint": "f"}
        return json.dumps({"version": "4", "groupKey": "g", "alerts": [alert]}).encode()

    def texts(self, channel: Channel) -> list[str]:
        """What went through a channel."""
        return [_text(parcel) for _, parcel, _ in self.phones[channel].sent]


def _text(parcel: Parcel) -> str:
    assert isinstance(parcel, Sms | Mail)
    return parcel.text


def ack(hall: Hall, incident: str, desk: str = "vnpt-397") -> Acknowledgement:
    return Acknowledgement(incident=incident, opened_at=hall.now, desk=desk, at=hall.now, means="link")


def trace(hall: Hall) -> AuditEntry:
    return AuditEntry(at=hall.now, actor="desk:vnpt-397", action="acknowledge")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await Store.open(str(tmp_path / "store.db")) as opened:
        yield opened


@pytest.fixture
def hall(store: Store, stage: Callable[[int], object]) -> Hall:
    return Hall(store, stage(3).pipeline)  # type: ignore[attr-defined]


async def test_what_alertmanager_tells_reaches_the_phone_once(hall: Hall) -> None:
    assert await hall.hook("vnpt-397", "network:acc-1", title="Sự cố mạng: Switch Xuân Lộc") == 1
    assert await hall.hook("vnpt-397", "network:acc-1") == 0, "a repetition"
    await hall.look()
    await hall.look(1)
    ((to, _, _),) = hall.phones[Channel.SMS].sent
    (text,) = hall.texts(Channel.SMS)
    assert to == "0000 000 397"
    assert "https://monitor.example.invalid/a/1" in text
    assert "Switch Xuan Loc" in text
    (message,) = await hall.store.messages(0)
    assert (message.state, message.channel, message.form) == (MessageState.SENT, Channel.SMS, Form.SINGLE)
    assert hall.gateway.counters.attempts == {("vnpt-397", "sms", "accepted"): 1}


async def test_a_storm_is_three_messages_and_nothing_is_left_out(hall: Hall) -> None:
    for number in range(12):
        await hall.hook("vnpt-397", f"network:acc-{number}", title=f"Nút {number}")
    for _ in range(12):
        await hall.look(1)
    assert len(hall.phones[Channel.SMS].sent) == 3
    told = [each for message in await hall.store.messages(0) for each in message.notices]
    assert len(await hall.store.notices(told)) == 12
    assert await hall.store.waiting() == []


async def test_a_channel_that_refuses_gives_way_to_the_next(hall: Hall) -> None:
    hall.phones[Channel.SMS].outcome = Outcome.REFUSED
    await hall.hook("vnpt-397", "network:acc-1")
    for _ in range(5):
        await hall.look(1)
    assert hall.phones[Channel.SMS].sent == []
    assert len(hall.phones[Channel.EMAIL].sent) == 1


async def test_a_channel_that_fails_is_tried_until_it_works(hall: Hall) -> None:
    for phone in hall.phones.values():
        phone.outcome = Outcome.FAILED
    await hall.hook("vnpt-397", "network:acc-1")
    for _ in range(30):
        await hall.look(1)
    assert all(phone.tried > 1 for phone in hall.phones.values()), "both, again and again"
    for phone in hall.phones.values():
        phone.outcome = Outcome.ACCEPTED
    for _ in range(60):
        await hall.look(2)
    assert sum(len(phone.sent) for phone in hall.phones.values()) >= 1
    assert (await hall.store.pending()) == []


async def test_who_is_silent_is_followed_by_the_level_above_and_at_last_the_technical_team(hall: Hall) -> None:
    await hall.hook("vnpt-397", "network:acc-1")
    await hall.hook("ky-thuat", "network:acc-1")
    await hall.look()
    await hall.look(59)
    assert [to for to, _, _ in hall.phones[Channel.EMAIL].sent] == ["ky-thuat@so-khcn.example.invalid"]
    await hall.look(1)
    await hall.look(1)
    assert hall.phones[Channel.EMAIL].sent[-1][0] == "vnpt@vnpt.example.invalid"
    assert "Trực VNPT Triệu Sơn" in hall.texts(Channel.EMAIL)[-1]
    await hall.look(60)
    await hall.look(1)
    assert hall.phones[Channel.EMAIL].sent[-1][0] == "ky-thuat@so-khcn.example.invalid"
    sent = len(hall.phones[Channel.EMAIL].sent)
    await hall.look(300)
    assert len(hall.phones[Channel.EMAIL].sent) == sent, "then nobody further"
    assert hall.gateway.counters.escalations == {2: 1, 9: 1}


async def test_an_acknowledgement_ends_it_and_the_same_form_counts_once(hall: Hall) -> None:
    await hall.hook("vnpt-397", "network:acc-1")
    await hall.look()
    await hall.gateway.acknowledge(ack(hall, "network:acc-1"), "form-1", trace(hall))
    await hall.look(120)
    assert hall.phones[Channel.EMAIL].sent == []
    with pytest.raises(AckRefused) as refused:
        await hall.gateway.acknowledge(ack(hall, "network:acc-1"), "form-1", trace(hall))
    assert refused.value.why is AckRefusal.REPLAYED
    assert len(await hall.store.acknowledgements()) == 1


async def test_a_desk_that_no_channel_reaches_is_not_waited_for(hall: Hall) -> None:
    hall.phones = {Channel.EMAIL: hall.phones[Channel.EMAIL]}
    gone = {**DESKS, "vnpt-397": Desk(id="vnpt-397", title="x", company=Company.TELECOM, channels=(Channel.SMS,))}
    hall.contacts = Contacts(desks=gone, escalate_after_s={"live": 60.0})
    await hall.hook("vnpt-397", "network:acc-1")
    await hall.look()
    await hall.look(2)
    await hall.look(1)
    assert [to for to, _, _ in hall.phones[Channel.EMAIL].sent] == ["vnpt@vnpt.example.invalid"]
    assert hall.gateway.counters.given_up == {"vnpt-397": 1}


async def test_silenced_is_not_escalated(hall: Hall) -> None:
    await hall.hook("vnpt-397", "network:acc-1")
    hall.muted = True
    await hall.look(120)
    assert hall.phones[Channel.EMAIL].sent == []


async def test_without_alertmanager_it_delivers_itself_and_says_so(hall: Hall) -> None:
    labels = {**LABELS, "incident": "network:acc-1"}
    hall.firing = {"f": Alert("f", labels, {"title": "Sự cố mạng: Switch Xuân Lộc"}, hall.now, hall.now, "")}
    hall.away_s = 9.0
    await hall.look(1)
    assert hall.phones[Channel.SMS].sent == []
    hall.away_s = 10.0
    await hall.look(1)
    assert hall.gateway.counters.direct
    assert [to for to, _, _ in hall.phones[Channel.SMS].sent] == ["0000 000 397"]
    assert [to for to, _, _ in hall.phones[Channel.EMAIL].sent] == ["ky-thuat@so-khcn.example.invalid"]
    assert "Alertmanager" in hall.texts(Channel.EMAIL)[0]
    hall.away_s = 0.0
    assert await hall.hook("vnpt-397", "network:acc-1") == 0, "it is back, and says what was said"
    hall.firing, hall.away_s = {}, 20.0
    await hall.look(1)
    kinds = [notice.kind for notice in await hall.store.notices(await told(hall))]
    assert kinds.count(Kind.RESOLVED) == 2


async def told(hall: Hall) -> list[str]:
    return [each for message in await hall.store.messages(0) for each in message.notices]


async def test_of_two_over_one_store_one_sends(hall: Hall, store: Store, stage: Callable[[int], object]) -> None:
    other = Hall(store, stage(3).pipeline, "b")  # type: ignore[attr-defined]
    body = hall.body("network:acc-1")
    kept = await asyncio.gather(*(each.gateway.notified("vnpt-397", body) for each in (hall, other)))
    assert sorted(kept) == [0, 1]
    for _ in range(3):
        await asyncio.gather(hall.look(0.1), other.look(0.1))
    assert len(hall.phones[Channel.SMS].sent) + len(other.phones[Channel.SMS].sent) == 1
    leads = [each for each in (hall, other) if each.gateway.counters.leading]
    assert len(leads) == 1
    (rest,) = {hall, other} - set(leads)
    await rest.hook("vnpt-397", "network:acc-2")
    await rest.look(LEASE_S + 1)
    assert len(rest.phones[Channel.SMS].sent) == 1, "the other one is gone: it takes over"


@pytest.mark.parametrize(("desk", "body", "error"), [("nobody", b"{}", LookupError), ("vnpt-397", b"{}", Refused)])
async def test_what_is_no_notification_is_counted_and_refused(
    hall: Hall, desk: str, body: bytes, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await hall.gateway.notified(desk, body)
    assert sum(hall.gateway.counters.refused.values()) == 1


async def test_a_store_that_fails_is_said_and_tried_again(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alertmanager is told to come again; what is owed goes out once the store is back."""
    await hall.hook("vnpt-397", "network:acc-1")

    async def away(*_: object, **__: object) -> None:
        raise NotRecorded("the store does not answer")

    with monkeypatch.context() as broken:
        broken.setattr(hall.store, "waiting", away)
        broken.setattr(hall.store, "accept", away)
        await hall.look(1)
        with pytest.raises(NotRecorded):
            await hall.hook("vnpt-397", "network:acc-2")
    assert hall.phones[Channel.SMS].sent == []
    await hall.look(1)
    assert len(hall.phones[Channel.SMS].sent) == 1


def test_the_secret_is_compared_whole(hall: Hall) -> None:
    assert hall.gateway.is_secret("a word that nobody guesses")
    assert not any(map(hall.gateway.is_secret, ("", "a word", "a word that nobody guesses ", "đ")))
