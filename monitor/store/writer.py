"""The one writer: whatever waits goes into one transaction, in order, and nobody is answered before it is committed.

Two sorts of work. What somebody waits for (a check-in, a snapshot) is done or refused, within bounds of number and of
time. What nobody waits for (transitions, the trend, incidents) is kept as rows until the next commit; a database that
is away only delays them. Works of one sort that follow one another are done together, by one statement.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import groupby
from time import perf_counter
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, Table

from monitor.core.records import NotRecorded
from monitor.store.backlog import Backlog, Key, Row
from monitor.store.database import Database
from monitor.store.faults import is_ours, said
from monitor.store.rows import merge

MOST_WAITING = 2000
"""Works that somebody waits for."""
MOST_ROWS = 50_000
"""Rows that nobody waits for."""
LARGEST_BATCH = 500
"""Works, and rows, that go out together."""
FEW = 50
"""Rows that go out with works which somebody waits for."""
NOTE_EVERY_S = 0.5
AGAIN_S = 0.5
"""After a failure."""
PATIENCE_S = 5.0
"""Nobody waits longer for an answer."""

FULL = "too much waits to be kept already; try again in some seconds"
SLOW = "the store has not answered within {:.0f} s; try again: what is sent again is kept once"
STOPPING = "the service is stopping"
FAILED = "the store failed, nothing was kept: {}"

I = TypeVar("I")  # noqa: E741 - an item
A = TypeVar("A")
Work = Callable[[Connection, Sequence[I]], Sequence[A]]
"""Does all the items; an answer for each."""
Rows = dict[Key, tuple[Table, Row]]

log = structlog.get_logger("diemcau.store")


class Asked:
    """An item that somebody waits for."""

    def __init__(self, work: Work[Any, Any], item: object) -> None:
        self.work = work
        self.item = item
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def refuse(self, why: str, cause: Exception | None = None) -> None:
        """Nothing of it was kept."""
        if not self.answer.done():
            refusal = NotRecorded(why)
            refusal.__cause__ = cause
            self.answer.set_exception(refusal)


class Writer:
    """Writes until closed. What it counts may be read by anybody."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._asked: deque[Asked] = deque()
        self._backlog = Backlog(MOST_ROWS)
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._in_hand = 0
        self.commits = 0
        self.failures = 0
        self.refused_rows = 0
        self.last_commit_s = 0.0
        self.healthy = True
        """Whether the database took what it was last given."""
        self._task = asyncio.create_task(self._run(), name="store")

    @property
    def pending(self) -> int:
        """Works and rows that are not committed yet."""
        return len(self._asked) + len(self._backlog) + self._in_hand

    @property
    def dropped(self) -> int:
        """Rows that were never written: too many waited, or the database would not have them."""
        return self._backlog.dropped + self.refused_rows

    async def do(self, work: Work[I, A], item: I) -> A:
        """Have it done and committed; its answer. Raises NotRecorded, and then nothing of it was kept."""
        if self._closing.is_set():
            raise NotRecorded(STOPPING)
        if len(self._asked) >= MOST_WAITING:
            raise NotRecorded(FULL)
        asked = Asked(work, item)
        self._asked.append(asked)
        self._wake.set()
        try:
            async with asyncio.timeout(PATIENCE_S):
                answer: A = await asked.answer
                return answer
        except TimeoutError:
            raise NotRecorded(SLOW.format(PATIENCE_S)) from None

    def keep(self, table: Table, row: Row) -> None:
        """Keep a row when there is time; one with the same key is replaced. Never blocks."""
        self._backlog.add(table, row)

    async def close(self) -> None:
        """Write what waits, as long as the database takes it, and end."""
        self._closing.set()
        self._wake.set()
        await self._task
        for asked in self._asked:
            asked.refuse(STOPPING)

    async def _run(self) -> None:
        while not self._closing.is_set():
            await self._something_waits()
            if not await self._tried():
                await self._pause()
        while self.pending and await self._tried():
            pass

    async def _something_waits(self) -> None:
        if self._asked or len(self._backlog) >= LARGEST_BATCH:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(NOTE_EVERY_S):
                await self._wake.wait()

    async def _pause(self) -> None:
        """Until it is worth trying again; closing does not wait for it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(AGAIN_S):
                await self._closing.wait()

    async def _tried(self) -> bool:
        """A defect of ours must not end the writing either: those who wait give up by themselves."""
        try:
            return await self._flush()
        except Exception:
            self.failures += 1
            self.healthy = False
            with suppress(Exception):
                log.exception("store failing")
            return False

    async def _flush(self) -> bool:
        """Commit what waits; whether the database took it, or had reason not to."""
        self._wake.clear()
        asked = [self._asked.popleft() for _ in range(min(LARGEST_BATCH, len(self._asked)))]
        rows = self._backlog.take(FEW if asked else LARGEST_BATCH)  # who waits does not wait for what nobody waits for
        self._in_hand = len(asked) + len(rows)
        try:
            return await self._commit([one for one in asked if not one.answer.done()], rows)
        finally:
            self._in_hand = 0

    async def _commit(self, asked: list[Asked], rows: Rows) -> bool:
        """One transaction; those who wait are answered after it."""
        if not asked and not rows:
            return True
        began = perf_counter()
        try:
            answers = await self._database.write(lambda connection: _transact(connection, asked, rows))
        except Exception as error:  # noqa: BLE001 - whatever a driver raises
            return await self._failed(error, asked, rows)
        self._took(perf_counter() - began)
        for one, answer in zip(asked, answers, strict=True):
            if not one.answer.done():
                one.answer.set_result(answer)
        return True

    def _took(self, seconds: float) -> None:
        if not self.healthy:
            log.info("store is back", pending=self.pending, dropped=self.dropped)
        self.commits += 1
        self.healthy, self.last_commit_s = True, seconds

    async def _failed(self, error: Exception, asked: list[Asked], rows: Rows) -> bool:
        """Find out who is to blame by halves, unless it is the database."""
        self.failures += 1
        if not is_ours(error):
            self._give_up(error, asked, rows)
            return False
        if len(asked) + len(rows) == 1:
            self._turn_away(error, asked, rows)
            return True
        well = True
        for half in _halves(asked, rows):
            if well:
                well = await self._commit(*half)
            else:
                self._give_up(error, *half)
        return well

    def _give_up(self, error: Exception, asked: list[Asked], rows: Rows) -> None:
        """The database is away: those who wait are told, the rest waits on."""
        if self.healthy:
            log.error("store failing", error=said(error))
        self.healthy = False
        self._backlog.put_back(rows)
        for one in asked:
            one.refuse(FAILED.format(said(error)), error)

    def _turn_away(self, error: Exception, asked: list[Asked], rows: Rows) -> None:
        """No database would take it."""
        self.refused_rows += len(rows)
        for one in asked:
            one.refuse(FAILED.format(said(error)), error)
        log.error("the store refuses a record", error=said(error), tables=[table.name for table, _ in rows.values()])


def _transact(connection: Connection, asked: Sequence[Asked], rows: Mapping[Key, tuple[Table, Row]]) -> list[object]:
    answers: list[object] = []
    for work, group in groupby(asked, key=lambda one: one.work):
        answers += work(connection, [one.item for one in group])
    by_table: dict[Table, list[Row]] = {}
    for table, row in rows.values():
        by_table.setdefault(table, []).append(row)
    for table, batch in by_table.items():
        merge(connection, table, batch)
    return answers


def _halves(asked: list[Asked], rows: Rows) -> list[tuple[list[Asked], Rows]]:
    """What somebody waits for goes first."""
    if asked and rows:
        return [(asked, {}), ([], rows)]
    middle = (len(asked) + 1) // 2, (len(rows) + 1) // 2
    listed = list(rows.items())
    return [(asked[: middle[0]], dict(listed[: middle[1]])), (asked[middle[0] :], dict(listed[middle[1] :]))]
