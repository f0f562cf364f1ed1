"""What the gateway owes and has done: threads, notices, messages, attempts, and who leads.

Several monitors may share a store. Writers follow one another, of all processes, so each of these works sees what
was there and decides: a thread is opened once, a notice told once, one of them leads.
See :class:`monitor.core.records.Dispatches` for what is promised.
"""

from collections.abc import Callable, Collection, Sequence
from hashlib import blake2b
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Row, Select, delete, func, or_, select, update

from monitor.core.access import AuditEntry
from monitor.core.acknowledgement import Acknowledgement, AckRefusal, AckRefused
from monitor.core.contacts import Channel
from monitor.core.notices import Attempt, Kind, Message, MessageState, Notice, Outcome, Story, Thread
from monitor.store import schema
from monitor.store.rows import add, merge, read, row_of
from monitor.store.writer import Writer

LEADER = "gateway"
CODES = 10_000
AT_ONCE = 500
"""Names of one question; databases bound its parameters."""
ENDS = frozenset({Kind.RESOLVED, Kind.RETRACTED})
BEGINS = frozenset({Kind.OPENED, Kind.ESCALATED})
AFTER_RECEIPT = {
    Outcome.DELIVERED: MessageState.DELIVERED,
    Outcome.ACCEPTED: MessageState.SENT,
    Outcome.REFUSED: MessageState.FAILED,
    Outcome.FAILED: MessageState.FAILED,
}
"""How a message stands after a receipt."""

T = TypeVar("T")


class StoredDispatches:
    """The part of the store that the gateway asks."""

    writer: Writer

    async def _ask(self, question: Select[Any], convert: Callable[[Row[Any]], T]) -> list[T]:
        raise NotImplementedError

    async def lead(self, owner: str, for_s: float, now: float) -> bool:
        """Ask to be the one who sends, for so long from ``now``."""
        return await self.writer.do(_lead, (owner, for_s, now))

    async def resign(self, owner: str) -> None:
        """No longer lead, so that another may at once."""
        table = schema.leases
        await self.writer.do(_remove, delete(table).where(table.c.name == LEADER, table.c.owner == owner))

    async def accept(self, notices: Sequence[Notice], level: int = 1) -> list[Notice]:
        """Keep what is new; what was kept, with the number of its thread."""
        return await self.writer.do(_accept, (tuple(notices), level))

    async def threads(self, since: float) -> list[Thread]:
        """All that are open, and those closed since then, by number."""
        table = schema.threads
        asked = select(table).where(table.c.closed_at.is_(None) | (table.c.closed_at >= since))
        return await self._ask(asked.order_by(table.c.number), _thread_of)

    async def thread(self, number: int) -> Thread | None:
        """One; None for a number that is not there."""
        if not 0 < number < 1 << 62:
            return None
        found = await self._ask(select(schema.threads).where(schema.threads.c.number == number), _thread_of)
        return found[0] if found else None

    async def threads_of(self, numbers: Collection[int]) -> list[Thread]:
        """Those with these numbers."""
        table, wanted, found = schema.threads, sorted(numbers), list[Thread]()
        for start in range(0, len(wanted), AT_ONCE):
            asked = select(table).where(table.c.number.in_(wanted[start : start + AT_ONCE]))
            found += await self._ask(asked, _thread_of)
        return found

    async def waiting(self) -> list[Notice]:
        """Notices that no message tells yet, the oldest first."""
        table = schema.notices
        return await self._ask(select(table).where(table.c.message.is_(None)).order_by(table.c.id), _notice_of)

    async def notices(self, tracking_ids: Sequence[str]) -> list[Notice]:
        """Those with these tracking ids, the oldest first."""
        table, found = schema.notices, list[tuple[int, Notice]]()
        for start in range(0, len(tracking_ids), AT_ONCE):
            asked = select(table).where(table.c.tracking_id.in_(tracking_ids[start : start + AT_ONCE]))
            found += await self._ask(asked, lambda row: (int(row.id), _notice_of(row)))
        return [notice for _, notice in sorted(found, key=lambda one: one[0])]

    async def compose(self, message: Message) -> bool:
        """Keep a message that tells these notices; false where one of them is told already."""
        return await self.writer.do(_compose, message)

    async def pending(self) -> list[Message]:
        """Messages that are still to be sent, by ``created_at``."""
        table = schema.messages
        asked = select(table).where(table.c.state == MessageState.PENDING.value)
        return await self._ask(asked.order_by(table.c.created_at, table.c.id), _message_of)

    async def messages(self, since: float, desk: str | None = None, limit: int = 1000) -> list[Message]:
        """Those created since then, the newest first."""
        table = schema.messages
        asked = select(table).where(table.c.created_at >= since).limit(limit)
        if desk is not None:
            asked = asked.where(table.c.desk == desk)
        return await self._ask(asked.order_by(table.c.created_at.desc(), table.c.id.desc()), _message_of)

    async def attempted(self, message: Message, attempt: Attempt) -> None:
        """Keep an attempt, and how its message stands after it."""
        await self.writer.do(_attempted, (message, attempt))

    async def attempts(self, tracking_ids: Sequence[str]) -> list[Attempt]:
        """What was tried for these messages, the oldest first."""
        table, found = schema.attempts, list[tuple[int, Attempt]]()
        for start in range(0, len(tracking_ids), AT_ONCE):
            asked = select(table).where(table.c.message.in_(tracking_ids[start : start + AT_ONCE]))
            found += await self._ask(asked, lambda row: (int(row.id), read(row, Attempt)))
        return [attempt for _, attempt in sorted(found, key=lambda one: one[0])]

    async def receipt(self, channel: Channel, reference: str, outcome: Outcome, detail: str, at: float) -> bool:
        """A provider says what became of a message; whether it is known."""
        return await self.writer.do(_receipt, (channel, reference, outcome, detail, at))

    async def acknowledge(self, said_so: Acknowledgement, form: str, audit: AuditEntry) -> None:
        """Keep it and its trace. Raises AckRefused when that very form was sent before."""
        if not await self.writer.do(_acknowledge, (said_so, form, audit)):
            raise AckRefused(AckRefusal.REPLAYED)

    async def acknowledgements(self, since: float = 0.0, incident: str | None = None) -> list[Acknowledgement]:
        """Those given since then, of all incidents or of one, the oldest first."""
        table = schema.acknowledgements
        asked = select(table).where(table.c.at >= since).order_by(table.c.id)
        if incident is not None:
            asked = asked.where(table.c.incident == incident)
        return await self._ask(asked, lambda row: read(row, Acknowledgement))


# What the writer does


def _lead(connection: Connection, items: Sequence[tuple[str, float, float]]) -> list[bool]:
    return [_leads(connection, *item) for item in items]


def _leads(connection: Connection, owner: str, for_s: float, now: float) -> bool:
    table = schema.leases
    held = connection.execute(select(table).where(table.c.name == LEADER)).first()
    # A lease that ends later than any that is given comes from a clock that was ahead.
    if held is not None and held.owner != owner and now < held.until <= now + 2 * for_s:
        return False
    merge(connection, table, [{"name": LEADER, "owner": owner, "until": now + for_s}])
    return True


def _remove(connection: Connection, items: Sequence[Any]) -> list[None]:
    for each in items:
        connection.execute(each)
    return [None] * len(items)


def _accept(connection: Connection, items: Sequence[tuple[Sequence[Notice], int]]) -> list[list[Notice]]:
    found = [[_accept_one(connection, notice, level) for notice in notices] for notices, level in items]
    return [[notice for notice in kept if notice is not None] for kept in found]


def _accept_one(connection: Connection, notice: Notice, level: int) -> Notice | None:
    table = schema.notices
    if connection.execute(select(table.c.id).where(table.c.tracking_id == notice.tracking_id)).first() is not None:
        return None
    number = _thread_for(connection, notice, level)
    if number is None:
        return None
    kept = msgspec.structs.replace(notice, thread=number)
    row = {"tracking_id": kept.tracking_id, "desk": kept.desk, "at": kept.at, "body": msgspec.msgpack.encode(kept)}
    connection.execute(table.insert(), {**row, "message": None})
    return kept


def _thread_for(connection: Connection, notice: Notice, level: int) -> int | None:
    """The number of the thread that it belongs to, brought up to date; None where it has no place."""
    table = schema.threads
    is_ours = (table.c.desk == notice.desk) & (table.c.subject == notice.subject) & table.c.closed_at.is_(None)
    thread = connection.execute(select(table).where(is_ours)).first()
    if thread is None:
        return _open(connection, notice, level) if notice.kind in BEGINS else None
    if notice.kind is Kind.OPENED:
        return None
    told: dict[str, object] = {"told_at": notice.at, "story": msgspec.msgpack.encode(notice.story)}
    if notice.kind in ENDS:
        told["closed_at"] = notice.at
    if notice.kind is Kind.ESCALATED:
        told |= {"level": max(level, thread.level), "level_at": notice.at}
    connection.execute(update(table).where(table.c.number == thread.number).values(told))
    return int(thread.number)


def _open(connection: Connection, notice: Notice, level: int) -> int:
    table = schema.threads
    row = {
        "desk": notice.desk,
        "subject": notice.subject,
        "code": _code(connection, notice),
        "opened_at": notice.story.since,
        "told_at": notice.at,
        "level": level,
        "level_at": notice.at,
        "closed_at": None,
        "story": msgspec.msgpack.encode(notice.story),
    }
    return int(connection.execute(table.insert().returning(table.c.number), row).scalar_one())


def _code(connection: Connection, notice: Notice) -> str:
    """Four digits that no other open thread of the desk has."""
    table = schema.threads
    taken = select(table.c.code).where(table.c.desk == notice.desk, table.c.closed_at.is_(None))
    codes = set(connection.execute(taken).scalars())
    seed = f"{notice.desk}\0{notice.subject}\0{notice.story.since}".encode(errors="replace")
    first = int.from_bytes(blake2b(seed, digest_size=4).digest(), "big")
    spelt = (f"{(first + step) % CODES:04}" for step in range(CODES))
    return next((code for code in spelt if code not in codes), f"{first % CODES:04}")


def _compose(connection: Connection, items: Sequence[Message]) -> list[bool]:
    return [_compose_one(connection, message) for message in items]


def _compose_one(connection: Connection, message: Message) -> bool:
    table, names = schema.notices, list(message.notices)
    free = 0
    for start in range(0, len(names), AT_ONCE):
        part = table.c.tracking_id.in_(names[start : start + AT_ONCE])
        free += connection.execute(select(func.count()).where(part, table.c.message.is_(None))).scalar_one()
    if free != len(names) or not add(connection, schema.messages, [_row_of_message(message)], "tracking_id"):
        return False
    for start in range(0, len(names), AT_ONCE):
        part = table.c.tracking_id.in_(names[start : start + AT_ONCE])
        connection.execute(update(table).where(part).values(message=message.tracking_id))
    return True


def _attempted(connection: Connection, items: Sequence[tuple[Message, Attempt]]) -> list[None]:
    table = schema.messages
    for message, attempt in items:
        connection.execute(schema.attempts.insert(), _plain(attempt))
        row = _row_of_message(message)
        is_it = (table.c.tracking_id == message.tracking_id) & (table.c.state != MessageState.DELIVERED.value)
        values = {name: row[name] for name in ("state", "channel", "attempts", "due_at", "provider_id", "finished_at")}
        connection.execute(update(table).where(is_it).values(values))
    return [None] * len(items)


def _receipt(connection: Connection, items: Sequence[tuple[Channel, str, Outcome, str, float]]) -> list[bool]:
    return [_receipt_one(connection, *item) for item in items]


def _receipt_one(
    connection: Connection, channel: Channel, reference: str, outcome: Outcome, detail: str, at: float
) -> bool:
    table = schema.messages
    by_provider = (table.c.provider_id == reference) & (table.c.channel == channel.value)
    named = select(table).where(or_(by_provider, table.c.tracking_id == reference)).order_by(table.c.id.desc())
    found = connection.execute(named.limit(1)).first() if reference else None
    if found is None:
        return False
    message = _message_of(found)
    state = AFTER_RECEIPT[outcome]
    if message.state is not MessageState.DELIVERED:
        is_it = table.c.tracking_id == message.tracking_id
        connection.execute(update(table).where(is_it).values(state=state.value, finished_at=at))
    told = Attempt(
        message=message.tracking_id,
        desk=message.desk,
        channel=channel,
        at=at,
        outcome=outcome,
        detail=detail,
        provider_id=message.provider_id,
    )
    connection.execute(schema.attempts.insert(), _plain(told))
    return True


def _acknowledge(connection: Connection, items: Sequence[tuple[Acknowledgement, str, AuditEntry]]) -> list[bool]:
    return [_acknowledge_one(connection, *item) for item in items]


def _acknowledge_one(connection: Connection, said_so: Acknowledgement, form: str, audit: AuditEntry) -> bool:
    row = {**_plain(said_so), "form": form or None}
    if not add(connection, schema.acknowledgements, [row], "id"):
        return False
    add(connection, schema.audit, [row_of(audit)])
    return True


# Rows


def _plain(struct: msgspec.Struct) -> dict[str, object]:
    """A struct whose fields are columns, words of a choice spelt out."""
    return dict(msgspec.to_builtins(struct))


def _row_of_message(message: Message) -> dict[str, object]:
    return {**_plain(message), "notices": msgspec.json.encode(message.notices).decode()}


def _message_of(row: Row[Any]) -> Message:
    known = dict(row._mapping)  # noqa: SLF001 - its public name for rows as mappings
    known["notices"] = msgspec.json.decode(known["notices"])
    return msgspec.convert({name: known[name] for name in Message.__struct_fields__}, Message)


def _notice_of(row: Row[Any]) -> Notice:
    return msgspec.msgpack.decode(row.body, type=Notice)


def _thread_of(row: Row[Any]) -> Thread:
    known = dict(row._mapping)  # noqa: SLF001
    known["story"] = msgspec.msgpack.decode(known["story"], type=Story)
    return Thread(**{name: known[name] for name in Thread.__struct_fields__})
