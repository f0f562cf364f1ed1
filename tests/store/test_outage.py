"""A database that goes away, is full or busy: those who wait are told, the rest waits, and it comes back by itself."""

import asyncio
import sqlite3
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event

from monitor.core.access import AuditEntry
from monitor.core.checkin import Author, CheckIn, Draft, Voice, receive
from monitor.core.model import Cause, PointChanged, PointState
from monitor.core.records import NotRecorded
from monitor.store import Store, writer
from monitor.store.postgresql import TURN, Postgresql
from monitor.store.schema import samples
from monitor.store.sqlite import Sqlite

NOW = 1_746_660_000.0
AUDIT = AuditEntry(at=NOW, actor="x", action="x")


def report(number: int) -> CheckIn:
    return receive(Draft(entry=f"entry-{number:04}"), "p", Author(Voice.POINT, "p"), NOW, NOW)


def change(number: int) -> PointChanged:
    return PointChanged(f"p-{number}", PointState.UP, PointState.DOWN, Cause.NONE, NOW + number, NOW)


def psql(cluster: str, *statements: str) -> None:
    asked = [word for statement in statements for word in ("-c", statement)]
    subprocess.run(["psql", f"{cluster}/postgres", "-q", *asked], check=True, capture_output=True)


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Another process writes and does not end."""
    with closing(sqlite3.connect(url, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def shut(url: str) -> Iterator[None]:
    """The server ends every connection and takes no other, as it does while it restarts."""
    cluster, _, name = url.rpartition("/")
    ended = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"  # noqa: S608
    psql(cluster, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false", ended)
    try:
        yield
    finally:
        psql(cluster, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


def away(url: str) -> AbstractContextManager[None]:
    return shut(url) if url.startswith("postgresql") else locked(url)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "AGAIN_S", 0.05)
    monkeypatch.setattr("monitor.store.sqlite.OURS", ("busy_timeout=100", "foreign_keys=ON", "journal_mode=WAL"))


async def back(store: Store) -> None:
    async with asyncio.timeout(20):
        while store.writer.pending or not store.healthy:  # noqa: ASYNC110 - a count, no event
            await asyncio.sleep(0.02)


async def test_an_outage_is_told_and_survived(url: str) -> None:
    async with await Store.open(url) as store:
        await store.add_check_ins([report(0)], AUDIT)
        with away(url):
            for number in range(3):
                with pytest.raises(NotRecorded):
                    await store.add_check_ins([report(1)], AUDIT)
                store.note([change(number)])
            assert not store.healthy
            assert store.writer.failures >= 3
            assert store.writer.pending >= 3
        await back(store)
        assert await store.add_check_ins([report(1)], AUDIT) == [report(1)]
        assert await store.check_ins(0) == [report(0), report(1)]
        assert [each.point for each in await store.transitions()] == ["p-2", "p-1", "p-0"]
        assert store.writer.dropped == 0


async def test_those_who_ask_of_a_server_that_is_away_are_told(postgresql: str) -> None:
    async with await Store.open(postgresql) as store:
        with shut(postgresql), pytest.raises(NotRecorded):
            await store.check_ins(0)
        assert await store.check_ins(0) == []


async def test_a_server_that_has_ended_idle_connections_is_not_noticed(postgresql: str) -> None:
    async with await Store.open(postgresql) as store:
        await store.add_check_ins([report(0)], AUDIT)
        with shut(postgresql):
            pass
        await store.add_check_ins([report(1)], AUDIT)
        assert len(await store.check_ins(0)) == 2
        assert store.writer.failures == 0


async def test_nobody_waits_longer_than_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though the database hangs: it neither refuses nor answers."""
    monkeypatch.setattr(writer, "PATIENCE_S", 0.3)
    async with hanging(url) as store:
        async with asyncio.timeout(3):
            answers = await asyncio.gather(
                *(store.add_check_ins([report(number)], AUDIT) for number in range(1, 50)), return_exceptions=True
            )
        assert {type(answer) for answer in answers} == {NotRecorded}
    async with await Store.open(url) as store:
        assert await store.add_check_ins([report(1)], AUDIT) == [report(1)]


@asynccontextmanager
async def hanging(url: str) -> AsyncIterator[Store]:
    """A store whose turn to write never comes while the body runs."""
    async with await Store.open(url) as store, await Store.open(url) as other:
        go = asyncio.Event()
        turn: asyncio.Task[None] = asyncio.create_task(_hold(other, go))
        await asyncio.sleep(0.2)
        try:
            yield store
        finally:
            go.set()
            await turn


async def _hold(store: Store, go: asyncio.Event) -> None:
    if isinstance(store.database, Sqlite):
        held = threading.Event()
        writing = asyncio.create_task(store.database.write(lambda _: held.wait(10)))
        await go.wait()
        held.set()
        await writing
    else:
        assert isinstance(store.database, Postgresql)
        async with store.database.engine.begin() as connection:
            await connection.execute(TURN)
            await go.wait()


async def test_of_too_many_who_wait_the_last_are_refused_at_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MOST_WAITING", 10)
    async with await Store.open(url) as store:
        answers = await asyncio.gather(
            *(store.add_check_ins([report(number)], AUDIT) for number in range(30)), return_exceptions=True
        )
        assert [isinstance(answer, NotRecorded) for answer in answers] == [False] * 10 + [True] * 20
        assert len(await store.check_ins(0)) == 10


async def test_a_full_disk_refuses_and_recovers(tmp_path: Path) -> None:
    """The file may not grow: what SQLite says is what it says of a full disk."""
    pages: list[int] = [0]
    async with await Store.open(str(tmp_path / "store.db")) as store:
        assert isinstance(store.database, Sqlite)
        engine = store.database.engine
        event.listen(engine, "begin", lambda c: c.exec_driver_sql(f"PRAGMA max_page_count={pages[0] or 1 << 30}"))
        with sqlite3.connect(tmp_path / "store.db") as connection:
            pages[0] = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.close()
        with pytest.raises(NotRecorded, match="full"):
            await store.add_snapshot(b"x" * 100_000, taken_at=NOW, deadline=NOW, automatic=False, by="")
        assert not store.healthy
        assert await store.snapshots() == []
        pages[0] = 0
        taken = await store.add_snapshot(b"x" * 100_000, taken_at=NOW, deadline=NOW, automatic=False, by="")
        assert taken.number == 1
        assert store.healthy


async def test_a_row_that_no_database_takes_holds_up_no_other(store: Store) -> None:
    for number in range(20):
        row = {"at": NOW + number, "expected": 1, "up": 1, "ready": None if number == 7 else 1, "delegates": 1}
        store.writer.keep(samples, row)
    store.note([change(1)])
    assert await store.add_check_ins([report(1)], AUDIT) == [report(1)]
    await back(store)
    assert [each.at - NOW for each in await store.samples(0)] == [number for number in range(20) if number != 7]
    assert await store.transitions() == [change(1)]
    assert store.writer.dropped == 1


async def test_a_store_that_is_closed_says_so(url: str) -> None:
    store = await Store.open(url)
    await store.close()
    with pytest.raises(NotRecorded):
        await store.add_check_ins([report(1)], AUDIT)


async def test_a_caller_that_goes_away_harms_nobody(store: Store) -> None:
    tasks = [asyncio.create_task(store.add_check_ins([report(number)], AUDIT)) for number in range(10)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert answers[1::2] == [[report(number)] for number in range(1, 10, 2)]
    assert {report(number).entry for number in range(1, 10, 2)} <= {each.entry for each in await store.check_ins(0)}
