"""What outlives a run: check-ins, snapshots, incidents, accounts, the audit trail; in SQLite, or PostgreSQL by URL.

``async with await Store.open(url) as store`` is the door; see :class:`monitor.core.records.Records` for what it
promises.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Self, TypeVar

from sqlalchemy import Delete, Row, Select, Table, delete, func, select, tuple_

from monitor.core.access import Account, ApiToken, AuditEntry, Session
from monitor.core.checkin import CheckIn
from monitor.core.model import PointChanged
from monitor.core.organization import Reminder
from monitor.core.records import NotRecorded
from monitor.core.snapshot import Snapshot, SnapshotHead
from monitor.core.trend import Sample
from monitor.store import schema, works
from monitor.store.database import Database, connect, default_url
from monitor.store.dispatches import StoredDispatches
from monitor.store.faults import DATABASE_ERRORS, said
from monitor.store.revision import StoreUnusable
from monitor.store.rows import (
    check_in_of,
    head_of,
    read,
    reminder_of,
    row_of,
    row_of_reminder,
    snapshot_of,
)
from monitor.store.writer import Writer

__all__ = ["OWED", "Store", "StoreUnusable", "default_url"]

HEAD = [column for column in schema.snapshots.columns if column.name != "content"]
TRANSITION = ("point", "before", "after", "cause", "at", "since")
AGES = {
    schema.transitions: schema.transitions.c.at,
    schema.samples: schema.samples.c.at,
    schema.incidents: schema.incidents.c.updated_at,
    schema.acknowledgements: schema.acknowledgements.c.at,
    schema.threads: schema.threads.c.closed_at,
    schema.notices: schema.notices.c.at,
    schema.messages: schema.messages.c.finished_at,
    schema.attempts: schema.attempts.c.at,
    schema.reminders: schema.reminders.c.at,
    schema.sessions: schema.sessions.c.expires_at,
    schema.check_ins: schema.check_ins.c.received_at,
    schema.audit: schema.audit.c.at,
}
"""What makes a row old; what has no such instant is not over. Snapshots never are: each names the one before it."""
OWED = (schema.check_ins.name, schema.audit.name)
"""Tables that are pruned only where they are named."""
AT_ONCE = 5000
"""Rows that one transaction deletes, so that a check-in need not wait for all of them."""

T = TypeVar("T")
S = TypeVar("S")


class Store(StoredDispatches):
    """An open store. It writes by itself until it is closed."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.writer = Writer(database)

    @classmethod
    async def open(cls, url: str) -> Self:
        """``sqlite:///…``, ``postgresql://…`` or the path of a file; made where it is not. Raises StoreUnusable."""
        return cls(await connect(url))

    async def close(self) -> None:
        """Write what waits, then end."""
        await self.writer.close()
        await self.database.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def healthy(self) -> bool:
        """Whether the database took what it was last given; ``writer`` counts more."""
        return self.writer.healthy

    # Check-ins

    async def add_check_ins(self, check_ins: Sequence[CheckIn], audit: AuditEntry) -> list[CheckIn]:
        """Keep all or none, and the trace of it. For each what is kept: itself, or the first one of the same entry."""
        return await self.writer.do(works.keep_check_ins, (check_ins, audit))

    async def check_ins(self, since: float) -> list[CheckIn]:
        """Those received since then, in the order in which they were kept."""
        table = schema.check_ins
        return await self._ask(select(table).where(table.c.received_at >= since).order_by(table.c.id), check_in_of)

    async def check_ins_of(self, point_id: str) -> list[CheckIn]:
        """All of a point, the one received last first."""
        table = schema.check_ins
        return await self._ask(select(table).where(table.c.point == point_id).order_by(table.c.id.desc()), check_in_of)

    # Snapshots

    async def add_snapshot(
        self, content: bytes, *, taken_at: float, deadline: float, automatic: bool, by: str
    ) -> Snapshot:
        """Keep a content under the next number. An automatic one of a deadline that has one: that one, unchanged."""
        count = works.Count(content=content, taken_at=taken_at, deadline=deadline, automatic=automatic, by=by)
        return await self.writer.do(works.freeze, count)

    async def snapshots(self) -> list[SnapshotHead]:
        """All, the newest first."""
        return await self._ask(select(*HEAD).order_by(schema.snapshots.c.number.desc()), head_of)

    async def snapshot(self, number: int) -> Snapshot | None:
        """One; None for a number that is not there."""
        table = schema.snapshots
        if not 0 < number < 1 << 31:
            return None
        return _one(await self._ask(select(table).where(table.c.number == number), snapshot_of))

    # Reminders

    async def add_reminder(self, reminder: Reminder) -> None:
        """Keep it."""
        await self._insert(schema.reminders, row_of_reminder(reminder))

    async def reminders(self, since: float) -> list[Reminder]:
        """Those given since then, the oldest first."""
        table = schema.reminders
        return await self._ask(select(table).where(table.c.at >= since).order_by(table.c.id), reminder_of)

    # Who may do what

    async def account(self, name: str) -> Account | None:
        """One; None where there is none."""
        asked = select(schema.accounts).where(schema.accounts.c.name == name)
        return _one(await self._ask(asked, lambda row: read(row, Account)))

    async def accounts(self) -> list[Account]:
        """All, by name."""
        asked = select(schema.accounts).order_by(schema.accounts.c.name)
        return await self._ask(asked, lambda row: read(row, Account))

    async def put_account(self, account: Account, audit: AuditEntry) -> None:
        """Add it, or change what it is; sessions of one that is disabled, or has another password or role, end."""
        await self.writer.do(works.put_accounts, (account, audit))

    async def add_session(self, session: Session) -> None:
        """Keep it."""
        await self._insert(schema.sessions, row_of(session))

    async def session(self, digest: str) -> Session | None:
        """One; None where there is none, however old it may be."""
        asked = select(schema.sessions).where(schema.sessions.c.digest == digest)
        return _one(await self._ask(asked, lambda row: read(row, Session)))

    async def drop_session(self, digest: str) -> None:
        """It has signed out."""
        await self.writer.do(works.remove, delete(schema.sessions).where(schema.sessions.c.digest == digest))

    async def tokens(self) -> list[ApiToken]:
        """All, by name."""
        asked = select(schema.api_tokens).order_by(schema.api_tokens.c.name)
        return await self._ask(asked, lambda row: read(row, ApiToken))

    async def put_token(self, token: ApiToken, audit: AuditEntry) -> None:
        """Add it, or change what it is."""
        await self.writer.do(works.put, (schema.api_tokens, row_of(token), audit))

    async def add_audit(self, entry: AuditEntry) -> None:
        """Keep the trace of what was done, or refused."""
        await self._insert(schema.audit, row_of(entry))

    async def audit(self, before: int | None = None, limit: int = 100) -> list[tuple[int, AuditEntry]]:
        """The trail, newest first, with growing numbers; only what has a number below ``before``."""
        table = schema.audit
        asked = select(table).order_by(table.c.id.desc()).limit(limit)
        if before is not None:
            asked = asked.where(table.c.id < max(0, min(before, 1 << 62)))
        return await self._ask(asked, lambda row: (row.id, read(row, AuditEntry)))

    # What nobody waits for

    def note(self, records: Iterable[object]) -> None:
        """Keep what has happened to points. Never blocks, never raises."""
        for record in records:
            if isinstance(record, PointChanged):
                self.writer.keep(schema.transitions, {name: getattr(record, name) for name in TRANSITION})

    def keep_incident(self, incident: str, opened_at: float, ongoing: bool, body: bytes, at: float) -> None:  # noqa: FBT001
        """Keep how an incident stands now; the latest word holds. Never blocks, never raises."""
        row = {"id": incident, "opened_at": opened_at, "ongoing": ongoing, "body": body, "updated_at": at}
        self.writer.keep(schema.incidents, row)

    def keep_sample(self, sample: Sample) -> None:
        """Keep a sample of the trend. Never blocks, never raises."""
        self.writer.keep(schema.samples, row_of(sample))

    async def incidents(self, since: float) -> list[bytes]:
        """Bodies of those that have changed since then or are ongoing, the one opened first first."""
        table = schema.incidents
        asked = select(table.c.body).where((table.c.updated_at >= since) | table.c.ongoing)
        return await self._ask(asked.order_by(table.c.opened_at), lambda row: bytes(row.body))

    async def samples(self, since: float) -> list[Sample]:
        """The trend since then, oldest first."""
        table = schema.samples
        asked = select(table).where(table.c.at >= since).order_by(table.c.at)
        return await self._ask(asked, lambda row: read(row, Sample))

    async def transitions(
        self, point_id: str | None = None, *, since: float = 0.0, until: float = 1e12, limit: int = 1000
    ) -> list[PointChanged]:
        """How points changed, the latest first; of one point or of all."""
        table = schema.transitions
        asked = select(table).where(table.c.at.between(since, until)).limit(limit)
        if point_id is not None:
            asked = asked.where(table.c.point == point_id)
        asked = asked.order_by(table.c.at.desc(), table.c.id.desc())
        return await self._ask(asked, lambda row: read(row, PointChanged))

    async def last_transitions(self, since: float) -> list[PointChanged]:
        """How each point that has changed since then stands now, as far as is kept."""
        table = schema.transitions
        latest = select(func.max(table.c.id)).where(table.c.at >= since).group_by(table.c.point)
        return await self._ask(select(table).where(table.c.id.in_(latest)), lambda row: read(row, PointChanged))

    # Retention

    async def prune(self, before: float, also: Collection[str] = ()) -> dict[str, int]:
        """Delete what is older and owed to nobody, ``also`` what is (OWED); how many rows of each table went."""
        gone: dict[str, int] = {}
        for table in AGES:
            if table.name not in OWED or table.name in also:
                gone[table.name] = await self._prune(table, before)
        return gone

    async def _prune(self, table: Table, before: float) -> int:
        """In parts."""
        gone, part = 0, AT_ONCE
        while part == AT_ONCE:
            part = await self.writer.do(works.remove, _oldest(table, before))
            gone += part
        return gone

    # Asking

    async def _insert(self, table: Table, row: dict[str, object]) -> None:
        await self.writer.do(works.insert, (table, row))

    async def _ask(self, question: Select[Any], convert: Callable[[Row[Any]], T]) -> list[T]:
        try:
            return await self.database.read(lambda connection: list(map(convert, connection.execute(question))))
        except DATABASE_ERRORS as error:
            raise NotRecorded(f"the store does not answer: {said(error)}") from error


def _one(found: Sequence[S]) -> S | None:
    return found[0] if found else None


def _oldest(table: Table, before: float) -> Delete:
    """What deletes at most AT_ONCE rows. An incident that goes on is not old."""
    keys = list(table.primary_key)
    old = select(*keys).where(AGES[table] < before).limit(AT_ONCE)
    if table is schema.incidents:
        old = old.where(~schema.incidents.c.ongoing)
    if table is schema.notices:
        old = old.where(schema.notices.c.message.is_not(None))
    return delete(table).where(tuple_(*keys).in_(old))
