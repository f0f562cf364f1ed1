"""What outlives a run, as those who need it see it: the store keeps it, the web asks for it.

Whatever is awaited here is committed when it returns; then it may be told to a person.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from monitor.core.access import Account, ApiToken, AuditEntry, Session
from monitor.core.checkin import CheckIn
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
