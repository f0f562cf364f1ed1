"""A copy of a store while it is in use, and back. A backup is itself a store: one SQLite file of the same tables.

So whatever reads a store reads a backup, and one that was taken from SQLite may be restored to PostgreSQL and the other
way round. The copy stands as of one instant, and is whole or not there at all.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Connection, MetaData, RowMapping, Table, create_engine, delete, func, insert, select
from sqlalchemy.pool import NullPool

from monitor.store.database import Database, connect, reach, read_url, unusable
from monitor.store.faults import DATABASE_ERRORS, said
from monitor.store.revision import StoreUnusable, newest, revisions, upgrade, version

AT_ONCE = 1000
"""Rows in memory at a time."""
IN_USE = "the store is in use: stop the service (and whatever else has it open) first"
HOLDS = "the store holds {:,} rows already: restore into an empty one, or let it be emptied first with --replace"
NEWER = "is of revision {}, of a newer version of this program, which knows up to {}: update this one"
ERRORS = (*DATABASE_ERRORS, sqlite3.Error)

Counts = dict[str, int]


async def back_up(written: str, target: Path) -> Counts:
    """Copy a store, also of an older revision, to a file; rows by table. Raises StoreUnusable."""
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    database = await existing(written)
    try:
        os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        counts = await database.export(lambda source: _copy_to_file(source, draft))
        _settle(draft)
        draft.replace(target)
        _sync(target.parent)
    except ERRORS as error:
        raise StoreUnusable(f"cannot back up to {target}: {said(error)}") from error
    finally:
        draft.unlink(missing_ok=True)
        await database.close()
    return counts


async def restore(written: str, backup: Path, *, replace: bool = False) -> Counts:
    """Put a backup into a store that nobody else has open; all of it or nothing. Raises StoreUnusable.

    One that holds something already is refused, or emptied where it is to be replaced.
    """
    await (await existing(str(backup))).close()
    target = await connect(written)
    try:
        if await target.is_shared():
            raise StoreUnusable(IN_USE)
        held = sum((await target.read(count)).values())
        if held and not replace:
            raise StoreUnusable(HOLDS.format(held))
        with _brought_up_to_date(backup) as path:
            return await target.alter(lambda connection: _refill(connection, path))
    except ERRORS as error:
        raise StoreUnusable(f"cannot restore {backup}: {said(error)}; the store is as it was") from error
    finally:
        await target.close()


async def existing(written: str) -> Database:
    """A store as it is: not made, not brought up to date. Raises StoreUnusable."""
    url = read_url(written)
    if url.get_backend_name() == "sqlite" and not os.path.isfile(str(url.database)):  # noqa: PTH113, ASYNC240 - at once
        raise StoreUnusable(f"{url.database}: there is no store")
    database = reach(url)
    try:
        _refuse_foreign(await database.read(version))
    except BaseException as error:
        await database.close()
        if isinstance(error, (*DATABASE_ERRORS, TypeError, ValueError)):
            raise unusable(url, error) from error
        raise
    return database


def count(connection: Connection) -> Counts:
    """How many rows there are, by table."""
    return {
        table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
        for table in _tables(connection)
    }


def _refuse_foreign(found: str | None) -> None:
    if found is None:
        raise StoreUnusable("this database is no store: it has none of our tables")
    if found not in revisions():
        raise StoreUnusable(f"the store {NEWER.format(found, newest())}")


def _tables(connection: Connection) -> Sequence[Table]:
    """As they are there, of whatever revision; those that are referred to first."""
    metadata = MetaData()
    metadata.reflect(connection)
    return [table for table in metadata.sorted_tables if table.name != "alembic_version"]


def _copy_to_file(source: Connection, path: Path) -> Counts:
    """SQLite copies itself page by page; of another the rows are copied."""
    if source.dialect.name != "sqlite":
        with _opened(path) as copy:
            upgrade(copy, str(version(source)))
            return _copy_rows(source, copy)
    counts = count(source)  # begins the transaction that the copy is made in
    driver = source.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)  # noqa: S101 - what the dialect says
    with closing(sqlite3.connect(path)) as copy:
        driver.backup(copy)
    return counts


def _settle(path: Path) -> None:
    """One file without a journal beside it, proven whole, on disk."""
    with closing(sqlite3.connect(path)) as copy:
        copy.execute("PRAGMA journal_mode=DELETE")
        (told,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
        if told != "ok":
            raise sqlite3.DatabaseError(told)
    _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _brought_up_to_date(backup: Path) -> Iterator[Path]:
    """The backup itself is never changed."""
    with TemporaryDirectory(prefix="diemcau-") as directory:
        path = Path(directory) / "backup.db"
        read_only = f"{backup.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(read_only, uri=True)) as source, closing(sqlite3.connect(path)) as copy:
            source.backup(copy)
        _settle(path)
        with _opened(path) as copy:
            upgrade(copy, "head")
        yield path


@contextmanager
def _opened(path: Path) -> Iterator[Connection]:
    """One transaction on a file of ours alone."""
    with create_engine(f"sqlite:///{path}", poolclass=NullPool).begin() as connection:
        yield connection


def _refill(target: Connection, backup: Path) -> Counts:
    for table in reversed(_tables(target)):
        target.execute(delete(table))
    with _opened(backup) as source:
        counts = _copy_rows(source, target)
    if target.dialect.name == "postgresql":
        _count_on(target)
    return counts


def _copy_rows(source: Connection, target: Connection) -> Counts:
    into = {table.name: table for table in _tables(target)}
    return {table.name: _copy_table(source, table, target, into[table.name]) for table in _tables(source)}


def _copy_table(source: Connection, table: Table, target: Connection, into: Table) -> int:
    copied = 0
    for part in _parts(source, table):
        target.execute(insert(into), [dict(row) for row in part])
        copied += len(part)
    return copied


def _parts(source: Connection, table: Table) -> Iterator[Sequence[RowMapping]]:
    asked = select(table).order_by(*table.primary_key).execution_options(yield_per=AT_ONCE)
    return source.execute(asked).mappings().partitions()


def _count_on(connection: Connection) -> None:
    """PostgreSQL counts apart from the rows: go on behind them."""
    for table in _tables(connection):
        if table.autoincrement_column is not None and table.autoincrement_column.name == "id":
            sequence = func.pg_get_serial_sequence(table.name, "id")
            connection.execute(select(func.setval(sequence, func.max(table.c.id))))
