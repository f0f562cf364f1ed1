"""Structs as rows and back."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Row, Table
from sqlalchemy.dialects import postgresql, sqlite

from monitor.core.checkin import Author, CheckIn
from monitor.core.organization import Reminder
from monitor.core.snapshot import Snapshot, SnapshotHead

S = TypeVar("S", bound=msgspec.Struct)
AT_ONCE = 500
"""Rows of one statement: PostgreSQL's are made on the loop, which must not be held up."""


def row_of(struct: msgspec.Struct) -> dict[str, object]:
    """A struct whose fields are columns."""
    return msgspec.structs.asdict(struct)


def read(row: Row[Any], kind: type[S]) -> S:
    """The struct of a row; fields that are no columns have their defaults."""
    known = row._mapping  # noqa: SLF001 - its public name for rows as mappings
    return msgspec.convert({name: known[name] for name in kind.__struct_fields__ if name in known}, kind)


def row_of_check_in(report: CheckIn) -> dict[str, object]:
    """Its author in two columns."""
    row = row_of(report)
    row.update(author=report.author.name, voice=report.author.voice.value)
    return row


def check_in_of(row: Row[Any]) -> CheckIn:
    """A row of ``check_ins``."""
    known = dict(row._mapping)  # noqa: SLF001
    author = Author(known.pop("voice"), known["author"])
    named = {name: known[name] for name in CheckIn.__struct_fields__}
    return msgspec.convert({**named, "author": author}, CheckIn)


def snapshot_of(row: Row[Any]) -> Snapshot:
    """A row of ``snapshots``."""
    return Snapshot(**msgspec.structs.asdict(head_of(row)), content=row.content)


def head_of(row: Row[Any]) -> SnapshotHead:
    """A row of ``snapshots``, its content left out."""
    return SnapshotHead(
        number=row.number,
        taken_at=row.taken_at,
        automatic=row.automatic_for is not None,
        deadline=row.deadline,
        by=row.by,
        previous=row.previous,
        digest=row.digest,
    )


def row_of_reminder(reminder: Reminder) -> dict[str, object]:
    """Its points as JSON."""
    return row_of(reminder) | {"points": msgspec.json.encode(reminder.points).decode()}


def reminder_of(row: Row[Any]) -> Reminder:
    """A row of ``reminders``."""
    points = msgspec.json.decode(row.points, type=tuple[str, ...])
    return Reminder(district=row.district, at=row.at, by=row.by, points=points)


def add(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, object]], *told: str
) -> set[tuple[object, ...]]:
    """Insert the rows, but those that are there already by any unique key; these columns of the ones inserted."""
    insert, found = _insert(connection, table).on_conflict_do_nothing(), set[tuple[object, ...]]()
    statement = insert.returning(*(table.c[name] for name in told)) if told else insert
    for start in range(0, len(rows), AT_ONCE):
        result = connection.execute(statement, rows[start : start + AT_ONCE])
        found.update(map(tuple, result if told else ()))
    return found


def merge(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert the rows; one with the same primary key is replaced."""
    insert = _insert(connection, table)
    if table.autoincrement_column is None:
        keys = list(table.primary_key)
        rest = {column.name: insert.excluded[column.name] for column in table.columns if column not in keys}
        insert = insert.on_conflict_do_update(index_elements=keys, set_=rest)
    connection.execute(insert, rows)


def _insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Each of the two has its own way to insert or leave be in one statement, spelt the same."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
