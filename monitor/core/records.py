"""What outlives a run, as those who need it see it: the store keeps it, the web asks for it.

Whatever is awaited here is committed when it returns; then it may be told to a person.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from monitor.core.access import Account, ApiToken, AuditEntry, Session
from monitor.core.acknowledgement import Acknowledgement
from monitor.core.checkin import CheckIn
from monitor.core.contacts import Channel
from monitor.core.notices import Attempt, Message, Notice, Outcome, Thread
from monitor.core.organization import Reminder
from monitor.core.snapshot import Snapshot, SnapshotHead


class NotRecorded(Exception):  # noqa: N818 - says what has happened
    """It could not be kept: nothing of it was, and it may be tried again. The message says why."""


class Records(Protocol):
    """What outlives a run. Every method raises NotRecorded."""

    async def add_check_ins(self, check_ins: Sequence[CheckIn], audit: AuditEntry) -> list[CheckIn]:
        """Keep all or none, and the trace of it. For each what is kept: itself, or the first one of the same entry."""

    async def check_ins_of(self, point_id: str) -> list[CheckIn]:
        """All of a point, the one received last first."""

    async def add_snapshot(
        self, content: bytes, *, taken_at: float, deadline: float, automatic: bool, by: str
    ) -> Snapshot:
        """Keep a content under the next number. An automatic one of a deadline that has one: that one, unchanged."""

    async def snapshots(self) -> list[SnapshotHead]:
        """All, the newest first."""

    async def snapshot(self, number: int) -> Snapshot | None:
        """One; None for a number that is not there."""

    async def add_reminder(self, reminder: Reminder) -> None:
        """Keep it."""

    async def reminders(self, since: float) -> list[Reminder]:
        """Those given since then, the oldest first."""

    async def account(self, name: str) -> Account | None:
        """One; None where there is none."""

    async def accounts(self) -> list[Account]:
        """All, by name."""

    async def put_account(self, account: Account, audit: AuditEntry) -> None:
        """Add it, or change what it is; sessions of one that is disabled, or has another password or role, end."""

    async def add_session(self, session: Session) -> None:
        """Keep it."""

    async def session(self, digest: str) -> Session | None:
        """One; None where there is none, however old it may be."""

    async def drop_session(self, digest: str) -> None:
        """It has signed out."""

    async def tokens(self) -> list[ApiToken]:
        """All, by name."""

    async def put_token(self, token: ApiToken, audit: AuditEntry) -> None:
        """Add it, or change what it is."""

    async def add_audit(self, entry: AuditEntry) -> None:
        """Keep the trace of what was done, or refused."""

    async def audit(self, before: int | None = None, limit: int = 100) -> list[tuple[int, AuditEntry]]:
        """The trail, newest first, with growing numbers; only what has a number below ``before``."""


class Journal(Protocol):
    """What is kept without anybody waiting: a full queue drops the oldest and counts it."""

    def note(self, records: Iterable[object]) -> None:
        """Never blocks, never raises."""


class Dispatches(Protocol):
    """What the gateway keeps, shared by the monitors over one store. Every method raises NotRecorded."""

    async def lead(self, owner: str, for_s: float, now: float) -> bool:
        """Ask to be the one who sends, for so long from ``now``: true for one owner at a time, who may ask again."""

    async def resign(self, owner: str) -> None:
        """No longer lead, so that another may at once."""

    async def accept(self, notices: Sequence[Notice], level: int = 1) -> list[Notice]:
        """Keep what is new, in one transaction; what was kept, with the number of its thread.

        OPENED opens its desk's thread about the subject, at ``level``; where one is open it is a repetition. UPDATED,
        RESOLVED and RETRACTED need an open thread, and the last two close it. ESCALATED opens one or goes on in it,
        and raises its level to ``level``. Whatever has a tracking id that is known is a repetition. What is kept
        becomes what the thread has told.
        """

    async def threads(self, since: float) -> list[Thread]:
        """All that are open, and those closed since then, by number."""

    async def thread(self, number: int) -> Thread | None:
        """One; None for a number that is not there."""

    async def threads_of(self, numbers: Collection[int]) -> list[Thread]:
        """Those with these numbers."""

    async def waiting(self) -> list[Notice]:
        """Notices that no message tells yet, the oldest first."""

    async def notices(self, tracking_ids: Sequence[str]) -> list[Notice]:
        """Those with these tracking ids, the oldest first."""

    async def compose(self, message: Message) -> bool:
        """Keep a message that tells these notices; false, and nothing is kept, where one of them is told already."""

    async def pending(self) -> list[Message]:
        """Messages that are still to be sent, by ``created_at``."""

    async def messages(self, since: float, desk: str | None = None, limit: int = 1000) -> list[Message]:
        """Those created since then, the newest first."""

    async def attempted(self, message: Message, attempt: Attempt) -> None:
        """Keep an attempt, and how its message stands after it; a receipt that came before is not undone by it."""

    async def attempts(self, tracking_ids: Sequence[str]) -> list[Attempt]:
        """What was tried for these messages, the oldest first."""

    async def receipt(self, channel: Channel, reference: str, outcome: Outcome, detail: str, at: float) -> bool:
        """A provider says what became of a message, known by its tracking id or provider id; whether it is known."""

    async def acknowledge(self, said_so: Acknowledgement, form: str, audit: AuditEntry) -> None:
        """Keep it and its trace. ``form`` names the very form that was sent. Raises AckRefused when it was before."""

    async def acknowledgements(self, since: float = 0.0, incident: str | None = None) -> list[Acknowledgement]:
        """Those given since then, of all incidents or of one, the oldest first."""
