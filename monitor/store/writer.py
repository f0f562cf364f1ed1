"""The one writer: whatever waits goes into one transaction, in order, and nobody is answered before it is committed.

Two sorts of work. What somebody waits for (a check-in, a snapshot) is done or refused; there is a bound on how many may
wait. What nobody waits for (transitions, the trend, incidents) is kept as rows until the next commit; of too many the
oldest are dropped and counted, and a database that is away only delays them.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from time import perf_counter
from typing import TypeVar

import structlog
from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from monitor.core.records import NotRecorded
from monitor.store.rows import merge

MOST_WAITING = 2000
"""Works that somebody waits for."""
MOST_ROWS = 50_000
"""Rows that nobody waits for."""
LARGEST_BATCH = 500
"""Rows that go out together."""
NOTE_EVERY_S = 0.5
AGAIN_S = 1.0
"""After a failure."""
WITHIN_S = 5.0
"""A transaction that takes longer is given up, and those who wait are told."""

T = TypeVar("T")
Row = Mapping[str, object]
Work = Callable[[AsyncConnection], Awaitable[T]]

log = structlog.get_logger("diemcau.store")


class Asked:
    """A work that somebody waits for."""

    def __init__(self, work: Work[object]) -> None:
        self.work = work
        self.answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()


class Writer:
    """Writes until closed. ``counters`` are read by anybody."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._asked: deque[Asked] = deque()
        self._rows: deque[tuple[Table, Row]] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self._task = asyncio.create_task(self._run(), name="store")
        self.commits = 0
        self.failures = 0
        self.dropped = 0
        self.last_commit_s = 0.0
        self.healthy = True
        """Whether the last transaction was committed."""

    @property
    def pending(self) -> int:
        """Works and rows that are not committed yet."""
        return len(self._asked) + len(self._rows)

    async def do(self, work: Work[T]) -> T:
        """Have it done and committed; what it returned. Raises NotRecorded, and then nothing of it was kept."""
        if self._closing or len(self._asked) >= MOST_WAITING:
            raise NotRecorded("too much waits to be kept already; try again in some seconds")
        asked = Asked(work)
        self._asked.append(asked)
        self._wake.set()
        return await asked.answer  # type: ignore[return-value]  # what this very work returned

    def keep(self, table: Table, row: Row) -> None:
        """Keep a row when there is time; one with the same key is replaced. Never blocks."""
        if len(self._rows) >= MOST_ROWS:
            self._rows.popleft()
            self.dropped += 1
        self._rows.append((table, row))

    async def close(self) -> None:
        """Write what waits, once, and end."""
        self._closing = True
        self._wake.set()
        await self._task
        for asked in self._asked:
            if not asked.answer.done():
                asked.answer.set_exception(NotRecorded("the service is stopping"))

    async def _run(self) -> None:
        while not self._closing:
            with suppress(TimeoutError):
                async with asyncio.timeout(NOTE_EVERY_S):
                    await self._wake.wait()
            self._wake.clear()
            if not await self._flush():
                await asyncio.sleep(AGAIN_S)
        await self._flush()

    async def _flush(self) -> bool:
        """Commit all that waits; whether that went well."""
        asked, self._asked = list(self._asked), deque()
        rows = [self._rows.popleft() for _ in range(min(LARGEST_BATCH, len(self._rows)))]
        if not asked and not rows:
            return True
        if await self._commit(asked, rows):
            return True
        self._rows.extendleft(reversed(rows))
        if len(asked) > 1:  # one of them may be to blame: each by itself
            results = [await self._commit([one], []) for one in asked if not one.answer.done()]
            return all(results)
        return False

    async def _commit(self, asked: list[Asked], rows: list[tuple[Table, Row]]) -> bool:
        """One transaction. Those who wait are answered after it; of a failed one only where they are alone."""
        began, answers = perf_counter(), list[object]()
        try:
            async with asyncio.timeout(WITHIN_S), self._engine.begin() as connection:
                answers = [await one.work(connection) for one in asked]
                for table, batch in _by_table(rows).items():
                    await merge(connection, table, batch)
        except Exception as error:  # noqa: BLE001 - a defect in one work must not end the writing
            self._failed(error, asked)
            return False
        self.commits += 1
        self.healthy, self.last_commit_s = True, perf_counter() - began
        for one, answer in zip(asked, answers, strict=True):
            if not one.answer.done():
                one.answer.set_result(answer)
        return True

    def _failed(self, error: Exception, asked: list[Asked]) -> None:
        self.failures += 1
        if self.healthy:
            log.error("store failing", error=_said(error))
        self.healthy = False
        if len(asked) == 1 and not asked[0].answer.done():
            refusal = NotRecorded(f"the store failed, nothing was kept: {_said(error)}")
            refusal.__cause__ = error
            asked[0].answer.set_exception(refusal)


def _by_table(rows: list[tuple[Table, Row]]) -> dict[Table, list[Row]]:
    """In order; of several with one key the last."""
    found: dict[Table, dict[object, Row]] = {}
    for number, (table, row) in enumerate(rows):
        serial = table.autoincrement_column is not None
        key: object = number if serial else tuple(row[column.name] for column in table.primary_key)
        found.setdefault(table, {})[key] = row
    return {table: list(batch.values()) for table, batch in found.items()}


def _said(error: Exception) -> str:
    return (str(getattr(error, "orig", None) or error) or type(error).__name__).splitlines()[0]
