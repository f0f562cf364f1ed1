"""What nobody waits for is kept when there is time, and pruned when it is old."""

import asyncio

import msgspec

from monitor.core.access import Account, AuditEntry, Role, Session
from monitor.core.acknowledgement import Acknowledgement
from monitor.core.checkin import Author, Draft, Voice, receive
from monitor.core.model import Cause, PointChanged, PointState
from monitor.core.organization import Reminder
from monitor.core.trend import Sample
from monitor.store import OWED, Store
from monitor.store.backlog import Backlog
from monitor.store.schema import incidents, transitions

NOW = 1_746_660_000.0
AUDIT = AuditEntry(at=NOW, actor="x", action="x")
ACCOUNT = Account(name="a", password_hash="h", role=Role.WALL, created_at=NOW)  # noqa: S106 - none


def change(point: str, at: float) -> PointChanged:
    return PointChanged(point, PointState.UP, PointState.DOWN, Cause.NONE, at, at - 2.5)


async def settled(store: Store) -> None:
    """Until nothing waits."""
    async with asyncio.timeout(10):
        while store.writer.pending:  # noqa: ASYNC110 - a count, no event
            await asyncio.sleep(0.02)


async def test_changes_of_points_are_kept_and_found_by_point_and_span(store: Store) -> None:
    made = [change(f"p-{number % 2}", NOW + number) for number in range(10)]
    store.note([*made, "what it does not know", AUDIT])
    store.note([])
    await settled(store)
    assert await store.transitions() == made[::-1]
    assert await store.transitions("p-1") == made[1::2][::-1]
    assert await store.transitions("p-1", since=NOW + 3, until=NOW + 7) == [made[7], made[5], made[3]]
    assert await store.transitions(limit=2) == made[:-3:-1]
    assert await store.transitions("p-9") == []


async def test_of_an_incident_the_latest_word_holds(store: Store) -> None:
    for number in range(3):
        store.keep_incident("i", NOW, True, b"%d" % number, NOW + number)
    store.keep_incident("i", NOW + 9, True, b"again", NOW + 9)
    await settled(store)
    assert await store.incidents(0) == [b"2", b"again"]
    store.keep_incident("i", NOW, False, b"over", NOW + 20)
    await settled(store)
    assert await store.incidents(NOW + 20) == [b"over", b"again"]
    assert await store.incidents(NOW + 21) == [b"again"], "one that goes on is never old"


async def test_closing_writes_what_waits(url: str) -> None:
    made = [change(f"p-{number}", NOW + number) for number in range(3000)]
    samples = [Sample(NOW + number, 5, 4, 3, 2) for number in range(10)]
    async with await Store.open(url) as store:
        store.note(made)
        for sample in reversed(samples):
            store.keep_sample(sample)
        store.keep_sample(samples[0])
    async with await Store.open(url) as store:
        assert await store.transitions(limit=5000) == made[::-1]
        assert await store.samples(NOW + 5) == samples[5:]


async def test_old_rows_are_pruned_but_what_is_owed_is_kept_until_it_is_named(url: str) -> None:
    async with await Store.open(url) as store:
        await fill(store)
    async with await Store.open(url) as store:
        gone = await store.prune(NOW + 50)
        assert gone == {
            "transitions": 12_000,
            "samples": 1,
            "incidents": 1,
            "acknowledgements": 1,
            "reminders": 1,
            "sessions": 1,
            "threads": 0,
            "notices": 0,
            "messages": 0,
            "attempts": 0,
        }
        assert await store.transitions() == [change("new", NOW + 100)]
        assert await store.incidents(0) == [b"old, goes on", b"new"]
        assert [each.digest for each in [await store.session("new")] if each] == ["new"]
        assert len(await store.check_ins(0)) == 2
        assert await store.prune(NOW + 50, OWED) == dict.fromkeys(gone, 0) | {"check_ins": 1, "audit": 4}
        assert [each.entry for each in await store.check_ins(0)] == ["entry-0100"]
        assert len(await store.snapshots()) == 1


async def fill(store: Store) -> None:
    """Old and new of everything."""
    store.note([*(change("old", NOW) for _ in range(12_000)), change("new", NOW + 100)])
    store.keep_incident("old", NOW, False, b"old", NOW)
    store.keep_incident("goes on", NOW, True, b"old, goes on", NOW)
    store.keep_incident("new", NOW + 100, False, b"new", NOW + 100)
    await store.put_account(ACCOUNT, AUDIT)
    for name, at in (("old", NOW), ("new", NOW + 100)):
        store.keep_sample(Sample(at, 1, 1, 1, 1))
        await store.add_session(Session(digest=name, account="a", csrf="", created_at=NOW, expires_at=at))
        await store.add_reminder(Reminder(district="386", at=at, by="a", points=()))
        said_so = Acknowledgement(incident="i", opened_at=at, desk="d", at=at, means="link")
        await store.acknowledge(said_so, "", AuditEntry(at=at, actor="", action="acknowledge"))
        entry = f"entry-{int(at - NOW):04}"
        made = receive(Draft(entry=entry), "p", Author(Voice.POINT, "p"), at, NOW)
        await store.add_check_ins([made], msgspec.structs.replace(AUDIT, at=at))
    await store.add_audit(AUDIT)
    await store.add_snapshot(b"{}", taken_at=NOW, deadline=NOW, automatic=True, by="")


def test_of_too_many_rows_the_oldest_are_dropped_and_counted() -> None:
    backlog = Backlog(3)
    for number in range(5):
        backlog.add(transitions, {"id": None, "at": number})
    assert backlog.dropped == 2
    assert [row["at"] for _, row in backlog.take(2).values()] == [2, 3]
    assert [row["at"] for _, row in backlog.take(2).values()] == [4]
    assert len(backlog) == 0


def test_rows_that_were_not_written_go_first_but_what_has_come_since_holds() -> None:
    backlog = Backlog(10)

    def row(name: str, number: int) -> dict[str, object]:
        return {"id": name, "opened_at": 0.0, "n": number}

    for name in "ab":
        backlog.add(incidents, row(name, 1))
    taken = backlog.take(10)
    backlog.add(incidents, row("c", 1))
    backlog.add(incidents, row("a", 2))
    backlog.put_back(taken)
    assert [(each["id"], each["n"]) for _, each in backlog.take(10).values()] == [("a", 2), ("b", 1), ("c", 1)]
    assert backlog.dropped == 0
