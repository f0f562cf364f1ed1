"""SQLite: one file, one writer. Its calls block, so each runs in a thread; one hop of the loop a transaction.

Through an asynchronous driver every statement would be several hops: twelve times the loop's time, as measured.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

T = TypeVar("T")

READERS = 4
BUSY_MS = 3000
"""How long another process that writes is waited for: less than anybody waits for us."""
PRAGMAS = (f"busy_timeout={BUSY_MS}", "synchronous=FULL", "foreign_keys=ON")
"""FULL: a commit survives a power cut too, at one fsync each; commits are grouped."""
FOLDED_EVERY_S = 60.0
"""So often the journal is folded into the file, beside the writing. Each time the disk is busy for 0.2 s and commits
wait; left to SQLite it would be at every hundredth of them, and part of it."""
JOURNAL_PAGES = 65_536
"""256 MiB: only a journal that has grown so long is folded by a commit after all."""
OURS = (*PRAGMAS, "journal_mode=WAL", f"wal_autocheckpoint={JOURNAL_PAGES}")
"""With its journal apart, readers and the writer never wait for each other. The file remembers it."""


class Sqlite:
    """A file."""

    def __init__(self, url: URL, *, ours: bool = False) -> None:
        self._file = Path(str(url.database))
        self.engine = create_engine(url, pool_size=READERS + 1, max_overflow=0)
        event.listen(self.engine, "connect", partial(_set_up, OURS if ours else PRAGMAS))
        event.listen(self.engine, "begin", _begin)
        self._writing = self.engine.execution_options(writing=True)
        self._writer = ThreadPoolExecutor(1, "store-writer")
        self._readers = ThreadPoolExecutor(READERS, "store-reader")
        self._folded_at: float | None = None

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Ask."""
        return await self._within(self._readers, partial(self._read, work))

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Have it done in one transaction."""
        answer = await self._within(self._writer, partial(self._write, work))
        self._fold_when_due(asyncio.get_running_loop().time())
        return answer

    export = read
    alter = write

    async def is_shared(self) -> bool:
        """Nobody else may have it open for it to leave its journal's mode."""
        self.engine.dispose()
        return await asyncio.to_thread(_is_open_elsewhere, self._file)

    async def close(self) -> None:
        """Let go of the file; the last one to do so folds its journal into it."""
        await asyncio.to_thread(self._close)

    async def _within(self, threads: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(threads, work)

    def _read(self, work: Callable[[Connection], T]) -> T:
        with self.engine.connect() as connection:
            return work(connection)

    def _write(self, work: Callable[[Connection], T]) -> T:
        with self._writing.begin() as connection:
            return work(connection)

    def _fold_when_due(self, now: float) -> None:
        if self._folded_at is None:
            self._folded_at = now
        if now - self._folded_at > FOLDED_EVERY_S:
            self._folded_at = now
            self._readers.submit(self._fold)

    def _fold(self) -> None:
        """What readers still need stays for the next time (PASSIVE); a failure costs nothing but room."""
        with suppress(sqlite3.Error), closing(self.engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)")

    def _close(self) -> None:
        for threads in (self._writer, self._readers):
            threads.shutdown()
        self.engine.dispose()


def _set_up(pragmas: Iterable[str], connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the module leaves BEGIN to us
    cursor = connection.cursor()
    for pragma in pragmas:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    """A writer takes its turn before it reads: one that first reads may find that it has read what is no more."""
    writes = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _is_open_elsewhere(path: Path) -> bool:
    with closing(sqlite3.connect(path, timeout=0.0, isolation_level=None)) as connection:
        try:
            connection.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.OperationalError:
            return True
        with suppress(sqlite3.OperationalError):  # somebody has come in between: then it stays as it is
            connection.execute("PRAGMA journal_mode=WAL")
    return False
