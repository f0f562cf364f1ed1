"""What the pages and endpoints ask of the service that runs them."""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Protocol

from monitor.core.access import AccessPolicy, AuditEntry
from monitor.core.acknowledgement import Acknowledgement
from monitor.core.checkin import Author, CheckIn, Draft
from monitor.core.contacts import Channel, Contacts
from monitor.core.organization import Coordinator, Reminder, ReportForm
from monitor.core.pipeline import Pipeline
from monitor.core.pulse import Beat
from monitor.core.records import Dispatches, Records
from monitor.core.silences import Silence
from monitor.core.snapshot import Content, Snapshot, SnapshotHead
from monitor.web.board import FiringAlert
from monitor.web.links import Links
from probes.model import Measurement


class Gate(Protocol):
    """The gateway, as seen from the web: what Alertmanager, providers and desks say to it."""

    @property
    def dispatches(self) -> Dispatches:
        """What it keeps: threads, notices, messages, attempts."""

    @property
    def contacts(self) -> Contacts:
        """The desks; another object after a reload."""

    def is_secret(self, spoken: str) -> bool:
        """Whether this is the secret that webhooks bring; compared in constant time."""

    def notified(self, desk: str, body: bytes) -> Awaitable[int]:
        """Alertmanager tells a desk: how many notices it makes. Committed when it returns.

        Raises Refused for a body that is none, LookupError for a desk that is none, NotRecorded.
        """

    def watchdog(self) -> None:
        """Alertmanager says that the whole chain lives."""

    def receipt(self, channel: Channel, body: bytes, query: Mapping[str, str]) -> Awaitable[bool]:
        """A provider says what became of a message: whether it is known. Raises Refused, NotRecorded."""

    def reply(self, body: bytes, query: Mapping[str, str]) -> tuple[str, str]:
        """Who sent an SMS to us, and what, from a provider's call. Raises Refused."""

    def acknowledge(self, said_so: Acknowledgement, form: str, audit: AuditEntry) -> Awaitable[None]:
        """A desk works on an incident: committed, shown on the board and told to nobody further when it returns.

        ``form`` names the very form. Raises AckRefused when that was sent before, NotRecorded.
        """


class Quieting(Protocol):
    """Alertmanager's silences, as seen from the web."""

    @property
    def known(self) -> Sequence[Silence]:
        """Those that hold, will hold, or have ended of late; as of the last look."""

    @property
    def reachable(self) -> bool:
        """Whether an Alertmanager answered it."""

    def add(self, silence: Silence) -> Awaitable[None]:
        """Set it; it holds when it returns. Raises NotSilenced."""

    def end(self, silence: Silence) -> Awaitable[None]:
        """End it now. Raises NotSilenced."""


class Backend(Protocol):
    """The service, as seen from the web."""

    @property
    def pipeline(self) -> Pipeline:
        """The state to show; the same object for good."""

    @property
    def firing(self) -> Mapping[str, FiringAlert]:
        """The alerts that fire now, by any key."""

    def ready(self) -> bool:
        """Whether something has been observed."""

    def exposition(self) -> Awaitable[bytes]:
        """The text of ``/metrics``."""

    def reload(self) -> Awaitable[list[str]]:
        """Read the configuration again; its errors, or none when it is in force."""

    def kind_of(self, module: str) -> str | None:
        """The kind of probe that a module makes; None for an unknown module."""

    def probe(self, target: str, module: str) -> Awaitable[Measurement | None]:
        """One probe now; None for a target that may not be asked with this module."""

    @property
    def links(self) -> Links:
        """What checks the links to the points' own pages; another object after a reload that changed something."""

    def beat(self, point_id: str, session: str, beat: Beat) -> None:
        """A heartbeat of a point's page arrived now."""

    def leave(self, point_id: str, session: str) -> None:
        """A point's page was closed in an orderly way, or was sent away: its silence says nothing."""

    @property
    def records(self) -> Records:
        """What outlives a run: accounts, sessions, tokens, the audit trail, check-ins, snapshots."""

    @property
    def access(self) -> AccessPolicy:
        """How people are let in; another object after a reload."""

    @property
    def coordinators(self) -> Mapping[str, Coordinator]:
        """Who answers for a district or commune, by scope."""

    def check_in(
        self, drafts: Sequence[tuple[str, Draft]], author: Author, audit: AuditEntry
    ) -> Awaitable[list[CheckIn]]:
        """Points (by id, that take part) report, all or none. Committed when it returns; raises NotRecorded."""

    def take_snapshot(self, by: str, audit: AuditEntry) -> Awaitable[Snapshot]:
        """Freeze the count as it is. Committed when it returns; raises NotRecorded."""

    def remind(self, district: str, by: str, audit: AuditEntry) -> Awaitable[Reminder]:
        """Ask a district for what is missing, through the alert channels. Raises TooSoon, NotRecorded."""

    def report(self, content: Content, form: ReportForm, snapshot: SnapshotHead | None = None) -> Awaitable[bytes]:
        """The report to the People's Committee, from a count that is live, or frozen in a snapshot."""

    @property
    def silences(self) -> Quieting:
        """What is silenced."""

    @property
    def gate(self) -> Gate:
        """The gateway. Raises NotRecorded before the store is open."""
