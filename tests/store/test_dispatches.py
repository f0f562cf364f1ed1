"""What the gateway owes, over both databases, and two monitors over one."""

import asyncio

import msgspec
import pytest

from monitor.core.access import AuditEntry
from monitor.core.acknowledgement import Acknowledgement, AckRefusal, AckRefused
from monitor.core.contacts import Channel
from monitor.core.notices import Attempt, Form, Kind, Message, MessageState, Notice, Outcome, Story, Thread
from monitor.store import Store

NOW = 1_746_666_000.0


def notice(kind: Kind = Kind.OPENED, number: int = 1, desk: str = "vnpt", subject: str = "incident:x") -> Notice:
    story = Story(subject=subject, labels={"đ": "1"}, annotations={"title": "Sự cố"}, since=NOW)
    return Notice(
        tracking_id=f"{desk}-{subject}-{kind}-{number}",
        desk=desk,
        subject=subject,
        kind=kind,
        story=story,
        at=NOW + number,
        changes=("từ 1 thành 2",),
    )


def message(*told: Notice, name: str = "m1", at: float = NOW) -> Message:
    names = tuple(each.tracking_id for each in told)
    return Message(tracking_id=name, desk="vnpt", form=Form.SINGLE, notices=names, created_at=at, due_at=at)


def attempt(of: Message, outcome: Outcome = Outcome.ACCEPTED) -> Attempt:
    return Attempt(message=of.tracking_id, desk=of.desk, channel=Channel.SMS, at=NOW, outcome=outcome, took_s=0.1)


async def test_a_thread_is_opened_once_and_closed_once(store: Store) -> None:
    (opened,) = await store.accept([notice()], 2)
    (thread,) = await store.threads(NOW)
    assert thread == Thread(
        number=opened.thread,
        desk="vnpt",
        subject="incident:x",
        code=thread.code,
        opened_at=NOW,
        told_at=NOW + 1,
        story=opened.story,
        level=2,
        level_at=NOW + 1,
    )
    assert thread.code.isdecimal()
    assert len(thread.code) == 4
    assert await store.accept([notice(), notice(number=2)]) == [], "known; open already"
    grown = msgspec.structs.replace(notice(Kind.UPDATED, 3), story=Story(subject="incident:x", labels={}, since=NOW))
    assert [each.thread for each in await store.accept([grown])] == [opened.thread]
    assert [(each.story, each.told_at) for each in await store.threads(NOW)] == [(grown.story, NOW + 3)]
    assert len(await store.accept([notice(Kind.RESOLVED, 4), notice(Kind.RETRACTED, 5)])) == 1
    assert [each.closed_at for each in await store.threads(NOW)] == [NOW + 4]
    assert await store.threads(NOW + 5) == []
    (again,) = await store.accept([notice(number=6)])
    assert again.thread > opened.thread


@pytest.mark.parametrize("kind", [Kind.UPDATED, Kind.RESOLVED, Kind.RETRACTED])
async def test_what_was_never_told_is_not_followed_up(store: Store, kind: Kind) -> None:
    assert await store.accept([notice(kind)]) == []
    assert await store.waiting() == []


async def test_an_escalation_opens_a_thread_or_raises_one(store: Store) -> None:
    await store.accept([notice(Kind.ESCALATED, 5)], 2)
    assert [(each.level, each.level_at) for each in await store.threads(NOW)] == [(2, NOW + 5)]
    await store.accept([notice(Kind.ESCALATED, 6)], 9)
    await store.accept([notice(Kind.UPDATED, 7)], 1)
    assert [(each.level, each.level_at, each.told_at) for each in await store.threads(NOW)] == [(9, NOW + 6, NOW + 7)]


async def test_codes_of_a_desk_differ(store: Store) -> None:
    await store.accept([notice(subject=f"incident:{number}") for number in range(200)])
    codes = [each.code for each in await store.threads(NOW)]
    assert len(set(codes)) == 200


async def test_a_notice_is_told_by_one_message(store: Store) -> None:
    told = [notice(subject=f"incident:{number}") for number in range(3)]
    await store.accept(told)
    assert [each.tracking_id for each in await store.waiting()] == [each.tracking_id for each in told]
    assert await store.compose(message(*told[:2]))
    assert not await store.compose(message(*told[1:], name="m2")), "one of them is told"
    assert not await store.compose(message(notice(subject="incident:9"), name="m3")), "nobody knows it"
    assert [each.tracking_id for each in await store.waiting()] == [told[2].tracking_id]
    assert await store.notices([each.tracking_id for each in told[::-1]]) == [
        msgspec.structs.replace(each, thread=number) for number, each in enumerate(told, 1)
    ]
    assert [each.tracking_id for each in await store.pending()] == ["m1"]


async def test_what_became_of_a_message(store: Store) -> None:
    await store.accept([notice()])
    first = message(notice())
    await store.compose(first)
    again = msgspec.structs.replace(first, attempts=1, due_at=NOW + 5, channel=Channel.SMS)
    await store.attempted(again, attempt(first, Outcome.FAILED))
    assert await store.pending() == [again]
    sent = msgspec.structs.replace(again, attempts=2, state=MessageState.SENT, provider_id="p1", finished_at=NOW + 6)
    await store.attempted(sent, attempt(first))
    assert await store.pending() == []
    assert await store.messages(NOW, "vnpt") == [sent]
    assert await store.messages(NOW, "other") == await store.messages(NOW + 1) == []
    assert [each.outcome for each in await store.attempts(["m1"])] == [Outcome.FAILED, Outcome.ACCEPTED]


@pytest.mark.parametrize("reference", ["p1", "m1"])
async def test_a_receipt_is_not_undone(store: Store, reference: str) -> None:
    """By the provider's name for it, or by ours; also where it overtakes our own note of having sent it."""
    await store.accept([notice()])
    first = msgspec.structs.replace(message(notice()), channel=Channel.SMS, provider_id="p1")
    await store.compose(first)
    assert await store.receipt(Channel.SMS, reference, Outcome.DELIVERED, "ok", NOW + 9)
    assert not await store.receipt(Channel.SMS, "unknown", Outcome.DELIVERED, "", NOW)
    assert not await store.receipt(Channel.SMS, "", Outcome.DELIVERED, "", NOW)
    await store.attempted(msgspec.structs.replace(first, state=MessageState.SENT), attempt(first))
    await store.receipt(Channel.SMS, reference, Outcome.FAILED, "late", NOW + 10)
    assert [each.state for each in await store.messages(NOW)] == [MessageState.DELIVERED]


async def test_the_same_form_acknowledges_once_and_disturbs_nobody(store: Store) -> None:
    said_so = Acknowledgement(incident="x", opened_at=NOW, desk="vnpt", at=NOW, means="link")
    trace = AuditEntry(at=NOW, actor="desk:vnpt", action="acknowledge")
    forms = ["a", "a", "b", "", ""]
    answers = await asyncio.gather(*(store.acknowledge(said_so, form, trace) for form in forms), return_exceptions=True)
    assert [each.why for each in answers if isinstance(each, AckRefused)] == [AckRefusal.REPLAYED]
    assert await store.acknowledgements() == [said_so] * 4
    assert len(await store.audit()) == 4


async def test_one_leads_at_a_time(store: Store) -> None:
    assert await store.lead("a", 5.0, NOW)
    assert not await store.lead("b", 5.0, NOW + 4)
    assert await store.lead("a", 5.0, NOW + 4)
    assert not await store.lead("b", 5.0, NOW + 8)
    assert await store.lead("b", 5.0, NOW + 9)
    await store.resign("a")
    assert not await store.lead("a", 5.0, NOW + 10)
    await store.resign("b")
    assert await store.lead("a", 5.0, NOW + 10)
    assert await store.lead("b", 5.0, NOW - 3600), "the clock of the one before was ahead"


async def test_two_monitors_over_one_keep_each_thing_once(postgresql: str) -> None:
    async with await Store.open(postgresql) as one, await Store.open(postgresql) as two:
        both = [notice(subject=f"incident:{number}") for number in range(30)]
        kept = await asyncio.gather(*(store.accept([each]) for each in both for store in (one, two)))
        assert sorted(each.tracking_id for found in kept for each in found) == sorted(each.tracking_id for each in both)
        assert len(await one.threads(NOW)) == 30
        composed = await asyncio.gather(*(store.compose(message(*both)) for store in (one, two)))
        assert sorted(composed) == [False, True]
        led = await asyncio.gather(one.lead("a", 5.0, NOW), two.lead("b", 5.0, NOW))
        assert sorted(led) == [False, True]


async def test_what_is_not_over_is_never_pruned(store: Store) -> None:
    await store.accept([notice(), notice(subject="incident:y")])
    await store.compose(message(notice()))
    await store.prune(NOW + 1000)
    assert (len(await store.threads(NOW)), len(await store.waiting()), len(await store.pending())) == (2, 1, 1)
