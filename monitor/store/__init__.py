"""What outlives a run: check-ins, snapshots, incidents, accounts, the audit trail; in SQLite, or PostgreSQL by URL.

``await Store.open(url)`` is the door; see :class:`monitor.core.records.Records` for what it promises.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row, Select, Table, delete, select, text, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from monitor.core.access import Account, ApiToken, AuditEntry, Session
from monitor.core.checkin import CheckIn
from monitor.core.model import Happening, PointChanged
from monitor.core.organization import Reminder
from monitor.core.records import NotRecorded
from monitor.core.snapshot import Snapshot, SnapshotHead, digest_of
from monitor.core.trend import Sample
from monitor.store import schema
from monitor.store.database import StoreUnusable, connect, default_url
from monitor.store.rows import (
    LARGEST_PART,
    add,
    check_in_of,
    head_of,
    merge,
    read,
    reminder_of,
    row_of,
    row_of_check_in,
    row_of_reminder,
    snapshot_of,
)
from monitor.store.writer import Writer

__all__ = ["Store", "StoreUnusable", "default_url"]

HEAD = [column for column in schema.snapshots.columns if column.name != "content"]
TRANSITION = ("point", "before", "after", "cause", "at", "since")


class Store:
    """An open store. It writes by itself until it is closed."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.writer = Writer(engine)

    @classmethod
    async def open(cls, url: str) -> "Store":
        """``sqlite:///…``, ``postgresql://…`` or the path of a file; made where it is not. Raises StoreUnusable."""
        return cls(await connect(url))

    async def close(self) -> None:
        """Write what waits, then end."""
        await self.writer.close()
        await self.engine.dispose()

    # Check-ins

    async def add_check_ins(self, check_ins: Sequence[CheckIn], audit: AuditEntry) -> list[CheckIn]:
        """Keep all or none, and the trace of it. For each what is kept: itself, or the first one of the same entry."""

        async def work(connection: AsyncConnection) -> list[CheckIn]:
            kept = {(report.point, report.entry): report for report in reversed(check_ins)}
            new = await add(connection, schema.check_ins, list(map(row_of_check_in, kept.values())), "point", "entry")
            await add(connection, schema.audit, [row_of(audit)])
            kept |= await _kept(connection, [each for key, each in kept.items() if key not in new])
            return [kept[report.point, report.entry] for report in check_ins]

        return await self.writer.do(work)

    async def check_ins(self, since: float) -> list[CheckIn]:
        """Those received since then, in the order in which they were kept."""
        table = schema.check_ins
        rows = await self._ask(select(table).where(table.c.received_at >= since).order_by(table.c.id))
        return list(map(check_in_of, rows))

    async def check_ins_of(self, point_id: str) -> list[CheckIn]:
        """All of a point, the one received last first."""
        table = schema.check_ins
        rows = await self._ask(select(table).where(table.c.point == point_id).order_by(table.c.id.desc()))
        return list(map(check_in_of, rows))

    # Snapshots

    async def add_snapshot(
        self, content: bytes, *, taken_at: float, deadline: float, automatic: bool, by: str
    ) -> Snapshot:
        """Keep a content under the next number. An automatic one of a deadline that has one: that one, unchanged."""

        async def work(connection: AsyncConnection) -> Snapshot:
            await _lock(connection, schema.snapshots)
            table = schema.snapshots
            if automatic:
                found = (await connection.execute(select(table).where(table.c.automatic_for == deadline))).first()
                if found is not None:
                    return snapshot_of(found)
            last = (await connection.execute(select(*HEAD).order_by(table.c.number.desc()).limit(1))).first()
            number, previous = (last.number + 1, last.digest) if last is not None else (1, "")
            row = {
                "number": number,
                "taken_at": taken_at,
                "automatic_for": deadline if automatic else None,
                "deadline": deadline,
                "by": by,
                "previous": previous,
                "digest": digest_of(content, previous),
                "content": content,
            }
            await connection.execute(table.insert(), row)
            return snapshot_of((await connection.execute(select(table).where(table.c.number == number))).one())

        return await self.writer.do(work)

    async def snapshots(self) -> list[SnapshotHead]:
        """All, the newest first."""
        return list(map(head_of, await self._ask(select(*HEAD).order_by(schema.snapshots.c.number.desc()))))

    async def snapshot(self, number: int) -> Snapshot | None:
        """One; None for a number that is not there."""
        table = schema.snapshots
        rows = await self._ask(select(table).where(table.c.number == number)) if 0 < number < 1 << 31 else []
        return snapshot_of(rows[0]) if rows else None

    # Reminders

    async def add_reminder(self, reminder: Reminder) -> None:
        """Keep it."""
        await self._insert(schema.reminders, row_of_reminder(reminder))

    async def reminders(self, since: float) -> list[Reminder]:
        """Those given since then, the oldest first."""
        table = schema.reminders
        return list(map(reminder_of, await self._ask(select(table).where(table.c.at >= since).order_by(table.c.id))))

    # Who may do what

    async def account(self, name: str) -> Account | None:
        """One; None where there is none."""
        rows = await self._ask(select(schema.accounts).where(schema.accounts.c.name == name))
        return read(rows[0], Account) if rows else None

    async def accounts(self) -> list[Account]:
        """All, by name."""
        rows = await self._ask(select(schema.accounts).order_by(schema.accounts.c.name))
        return [read(row, Account) for row in rows]

    async def put_account(self, account: Account, audit: AuditEntry) -> None:
        """Add it, or change what it is; sessions of one that is disabled, or has another password or role, end."""

        async def work(connection: AsyncConnection) -> None:
            table, sessions = schema.accounts, schema.sessions
            found = (await connection.execute(select(table).where(table.c.name == account.name))).first()
            before = read(found, Account) if found is not None else account
            await merge(connection, table, [row_of(account)])
            await add(connection, schema.audit, [row_of(audit)])
            if account.disabled or (before.password_hash, before.role) != (account.password_hash, account.role):
                await connection.execute(delete(sessions).where(sessions.c.account == account.name))

        await self.writer.do(work)

    async def add_session(self, session: Session) -> None:
        """Keep it."""
        await self._insert(schema.sessions, row_of(session))

    async def session(self, digest: str) -> Session | None:
        """One; None where there is none, however old it may be."""
        rows = await self._ask(select(schema.sessions).where(schema.sessions.c.digest == digest))
        return read(rows[0], Session) if rows else None

    async def drop_session(self, digest: str) -> None:
        """It has signed out."""

        async def work(connection: AsyncConnection) -> None:
            await connection.execute(delete(schema.sessions).where(schema.sessions.c.digest == digest))

        await self.writer.do(work)

    async def tokens(self) -> list[ApiToken]:
        """All, by name."""
        rows = await self._ask(select(schema.api_tokens).order_by(schema.api_tokens.c.name))
        return [read(row, ApiToken) for row in rows]

    async def put_token(self, token: ApiToken, audit: AuditEntry) -> None:
        """Add it, or change what it is."""

        async def work(connection: AsyncConnection) -> None:
            await merge(connection, schema.api_tokens, [row_of(token)])
            await add(connection, schema.audit, [row_of(audit)])

        await self.writer.do(work)

    async def add_audit(self, entry: AuditEntry) -> None:
        """Keep the trace of what was done, or refused."""
        await self._insert(schema.audit, row_of(entry))

    async def audit(self, before: int | None = None, limit: int = 100) -> list[tuple[int, AuditEntry]]:
        """The trail, newest first, with growing numbers; only what has a number below ``before``."""
        table = schema.audit
        asked = select(table).order_by(table.c.id.desc()).limit(limit)
        if before is not None:
            asked = asked.where(table.c.id < before)
        return [(row.id, read(row, AuditEntry)) for row in await self._ask(asked)]

    # What nobody waits for

    def note(self, happenings: Iterable[Happening]) -> None:
        """Keep what has happened to points. Never blocks, never raises."""
        for happening in happenings:
            if isinstance(happening, PointChanged):
                self.writer.keep(schema.transitions, {name: getattr(happening, name) for name in TRANSITION})

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
        return [bytes(row.body) for row in await self._ask(asked.order_by(table.c.opened_at))]

    async def samples(self, since: float) -> list[Sample]:
        """The trend since then, oldest first."""
        table = schema.samples
        rows = await self._ask(select(table).where(table.c.at >= since).order_by(table.c.at))
        return [read(row, Sample) for row in rows]

    async def transitions(
        self, point_id: str | None = None, *, since: float = 0.0, until: float = 1e12, limit: int = 1000
    ) -> list[PointChanged]:
        """How points changed, the latest first; of one point or of all."""
        table = schema.transitions
        asked = select(table).where(table.c.at.between(since, until)).order_by(table.c.id.desc()).limit(limit)
        if point_id is not None:
            asked = asked.where(table.c.point == point_id)
        return [read(row, PointChanged) for row in await self._ask(asked)]

    async def prune(self, before: float) -> int:
        """Delete what is older and owed to nobody: transitions, trend, incidents that are over, dead sessions."""

        async def work(connection: AsyncConnection) -> int:
            incidents = schema.incidents
            old = [
                delete(schema.transitions).where(schema.transitions.c.at < before),
                delete(schema.samples).where(schema.samples.c.at < before),
                delete(incidents).where(incidents.c.updated_at < before, ~incidents.c.ongoing),
                delete(schema.sessions).where(schema.sessions.c.expires_at < before),
            ]
            return sum([(await connection.execute(each)).rowcount for each in old])

        return await self.writer.do(work)

    # Asking

    async def _insert(self, table: Table, row: dict[str, object]) -> None:
        async def work(connection: AsyncConnection) -> None:
            await connection.execute(table.insert(), row)

        await self.writer.do(work)

    async def _ask(self, question: Select[Any]) -> Sequence[Row[Any]]:
        try:
            async with self.engine.connect() as connection:
                rows: Sequence[Row[Any]] = (await connection.execute(question)).all()
                return rows
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise NotRecorded(f"the store does not answer: {error}") from error


async def _kept(connection: AsyncConnection, check_ins: Sequence[CheckIn]) -> dict[tuple[str, str], CheckIn]:
    """What is kept already under the same points and entries."""
    table, found = schema.check_ins, dict[tuple[str, str], CheckIn]()
    for start in range(0, len(check_ins), LARGEST_PART):
        entries = [report.entry for report in check_ins[start : start + LARGEST_PART]]
        points = [report.point for report in check_ins[start : start + LARGEST_PART]]
        asked = select(table).where(table.c.point.in_(points), table.c.entry.in_(entries))
        for row in await connection.execute(asked):
            found[row.point, row.entry] = check_in_of(row)
    return found


async def _lock(connection: AsyncConnection, table: Table) -> None:
    """Nobody else writes to a table until we have committed. SQLite has one writer anyway, once it writes."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text(f"LOCK TABLE {table.name} IN EXCLUSIVE MODE"))
    else:
        await connection.execute(update(table).where(table.c.number < 0).values(number=-1))
