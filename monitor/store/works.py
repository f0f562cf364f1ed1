"""What the writer does: each a function of a connection and of what several callers asked for, an answer for each."""

from collections.abc import Sequence
from itertools import groupby

import msgspec
from sqlalchemy import Connection, Delete, Table, delete, select, tuple_

from monitor.core.access import Account, AuditEntry
from monitor.core.checkin import CheckIn
from monitor.core.snapshot import Snapshot, digest_of
from monitor.store import schema
from monitor.store.rows import add, check_in_of, head_of, merge, read, row_of, row_of_check_in, snapshot_of

LARGEST_PART = 500
"""Keys of one question; databases bound its parameters."""


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """A count that is to be frozen."""

    content: bytes
    taken_at: float
    deadline: float
    automatic: bool
    by: str


def insert(connection: Connection, items: Sequence[tuple[Table, dict[str, object]]]) -> list[None]:
    """Rows, each with its table."""
    for table, group in groupby(items, key=lambda item: item[0]):
        connection.execute(table.insert(), [row for _, row in group])
    return [None] * len(items)


def keep_check_ins(
    connection: Connection, items: Sequence[tuple[Sequence[CheckIn], AuditEntry]]
) -> list[list[CheckIn]]:
    """For each report what is kept: itself, or the first one of the same entry."""
    first: dict[tuple[str, str], CheckIn] = {}
    for reports, _ in items:
        for report in reports:
            first.setdefault((report.point, report.entry), report)
    new = add(connection, schema.check_ins, list(map(row_of_check_in, first.values())), "point", "entry")
    add(connection, schema.audit, [row_of(audit) for _, audit in items])
    kept = first | _kept(connection, [key for key in first if key not in new])
    return [[kept[report.point, report.entry] for report in reports] for reports, _ in items]


def freeze(connection: Connection, items: Sequence[Count]) -> list[Snapshot]:
    """Each under the next number, but one of a deadline that has one is that one."""
    return [_freeze(connection, count) for count in items]


def put_accounts(connection: Connection, items: Sequence[tuple[Account, AuditEntry]]) -> list[None]:
    """Sessions of one that is disabled, or has another password or role, end."""
    table, sessions = schema.accounts, schema.sessions
    for account, audit in items:
        found = connection.execute(select(table).where(table.c.name == account.name)).first()
        before = read(found, Account) if found is not None else account
        merge(connection, table, [row_of(account)])
        add(connection, schema.audit, [row_of(audit)])
        if account.disabled or (before.password_hash, before.role) != (account.password_hash, account.role):
            connection.execute(delete(sessions).where(sessions.c.account == account.name))
    return [None] * len(items)


def put(connection: Connection, items: Sequence[tuple[Table, dict[str, object], AuditEntry]]) -> list[None]:
    """Add a row, or change it, and keep the trace of it."""
    for table, row, audit in items:
        merge(connection, table, [row])
        add(connection, schema.audit, [row_of(audit)])
    return [None] * len(items)


def remove(connection: Connection, items: Sequence[Delete]) -> list[int]:
    """How many rows went."""
    return [connection.execute(each).rowcount for each in items]


def _freeze(connection: Connection, count: Count) -> Snapshot:
    table = schema.snapshots
    if count.automatic:
        found = connection.execute(select(table).where(table.c.automatic_for == count.deadline)).first()
        if found is not None:
            return snapshot_of(found)
    heads = [column for column in table.columns if column.name != "content"]
    last = connection.execute(select(*heads).order_by(table.c.number.desc()).limit(1)).first()
    number, previous = (last.number + 1, head_of(last).digest) if last is not None else (1, "")
    row = {
        "number": number,
        "taken_at": count.taken_at,
        "automatic_for": count.deadline if count.automatic else None,
        "deadline": count.deadline,
        "by": count.by,
        "previous": previous,
        "digest": digest_of(count.content, previous),
        "content": count.content,
    }
    connection.execute(table.insert(), row)
    return snapshot_of(connection.execute(select(table).where(table.c.number == number)).one())


def _kept(connection: Connection, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], CheckIn]:
    """What is kept already under these points and entries."""
    table, found = schema.check_ins, dict[tuple[str, str], CheckIn]()
    key = tuple_(table.c.point, table.c.entry)
    for start in range(0, len(keys), LARGEST_PART):
        for row in connection.execute(select(table).where(key.in_(keys[start : start + LARGEST_PART]))):
            found[row.point, row.entry] = check_in_of(row)
    return found
