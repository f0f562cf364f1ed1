"""What flows through the gateway: from what Alertmanager tells, by threads and notices, to messages and attempts. Pure.

A *thread* is what one desk is told of one subject, from the first word to the last. A *notice* is one thing to be told
in it. A *message* is what is sent: one notice by itself, or a summary of several when the desk's budget is spent. An
*attempt* is a message handed to one channel once. Notices are committed before Alertmanager is answered, messages
before they are sent, attempts after: a kill at any moment loses nothing, and repeats at most the one in flight.
"""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from monitor.core.contacts import Channel, Desk

INCIDENT_SUBJECT = "incident:"
"""Before an incident's id, the subject of a thread about it; subjects of other alerts are Alertmanager's group keys."""


class Kind(StrEnum):
    """What a notice tells."""

    OPENED = "opened"
    UPDATED = "updated"
    """Something that matters is different: ``changes`` says what."""
    RESOLVED = "resolved"
    """It is over; how long it took is in the story."""
    RETRACTED = "retracted"
    """It was wrong, or another alert has taken its place: ``changes`` says which."""
    ESCALATED = "escalated"
    """Nobody below has acknowledged; ``changes`` says who was told before, and when."""


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a subject when a notice is made: an alert as Alertmanager carries it, or a group of them."""

    subject: str
    labels: Mapping[str, str]
    """Those that all alerts of the subject have in common."""
    annotations: Mapping[str, str] = {}
    """Of the alert; of several those in common. See monitor.alerting.incidents for those of an incident."""
    since: float
    """Unix time."""
    ended_at: float | None = None
    link: str = ""
    """The page on the board, for those who may sign in."""
    summaries: tuple[str, ...] = ()
    """Where the subject has several alerts: one line each, of those that fire."""
    count: int = 1
    """Alerts that fire, however many lines there are."""

    @property
    def incident(self) -> str:
        """The incident's id; empty where it is about something else."""
        return self.subject.removeprefix(INCIDENT_SUBJECT) if self.subject.startswith(INCIDENT_SUBJECT) else ""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to be told to one desk. What has the same tracking id is the same: it is kept once."""

    tracking_id: str
    desk: str
    subject: str
    kind: Kind
    story: Story
    at: float
    """When it came to be (Unix time)."""
    changes: tuple[str, ...] = ()
    """What is different, in sentences (Vietnamese)."""
    direct: bool = False
    """Alertmanager was unreachable: we deliver without it, and say so."""
    thread: int = 0
    """The thread's number; 0 before it is kept."""


class Thread(msgspec.Struct, frozen=True, kw_only=True):
    """What one desk is told of one subject, from the first word to the last. Of a desk and subject one is open."""

    number: int
    """Stands in links; grows."""
    desk: str
    subject: str
    code: str
    """Four digits that the desk may send back by SMS; of a desk's open threads no two have the same."""
    opened_at: float
    """Of the incident where it is about one: with its id the key of its acknowledgements."""
    told_at: float
    """When its last notice was made."""
    story: Story
    """As last told: what updates are compared with."""
    level: int = 1
    """How high the escalation has come in this thread: the desk's own level at first."""
    level_at: float = 0.0
    """When it came there: that of the notice OPENED or ESCALATED."""
    closed_at: float | None = None


class Form(StrEnum):
    """What a message is."""

    SINGLE = "single"
    SUMMARY = "summary"


class MessageState(StrEnum):
    """Where a message is in its life."""

    PENDING = "pending"
    """To be sent, now or at ``due_at``."""
    SENT = "sent"
    """A provider has accepted it."""
    DELIVERED = "delivered"
    """A receipt says that it has arrived."""
    FAILED = "failed"
    """Every channel has refused it for good, or for too long: it is on the board in red."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent to a desk."""

    tracking_id: str
    """Providers are given it, so that the same message twice is one (Zalo tracking_id, eSMS RequestId, Message-ID)."""
    desk: str
    form: Form
    notices: tuple[str, ...]
    """Tracking ids of what it tells."""
    created_at: float
    state: MessageState = MessageState.PENDING
    channel: Channel | None = None
    """Through which it went, or is tried next."""
    attempts: int = 0
    due_at: float = 0.0
    """When to try (again)."""
    provider_id: str = ""
    """The provider's own name for it, which receipts carry."""
    finished_at: float | None = None
    """When it was accepted, or given up."""


class Outcome(StrEnum):
    """What became of an attempt."""

    ACCEPTED = "accepted"
    """The provider has it; that is not yet delivered."""
    DELIVERED = "delivered"
    """The provider says that it has arrived (a receipt)."""
    REFUSED = "refused"
    """This channel will never take it: a wrong number, a template that is not approved. The next channel is tried."""
    FAILED = "failed"
    """It may pass: an overload, a timeout, no connection. Tried again."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel says of an attempt; a channel never raises."""

    outcome: Outcome
    detail: str = ""
    """Why, for the board and the log: the provider's code and words, bounded; never a secret."""
    provider_id: str = ""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """A message handed to one channel once, or a receipt about it. Kept for the board and for the report."""

    message: str
    """Tracking id."""
    desk: str
    channel: Channel
    at: float
    outcome: Outcome
    detail: str = ""
    provider_id: str = ""
    took_s: float = 0.0


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the words of a message are made from, whatever the channel."""

    tracking_id: str
    desk: Desk
    form: Form
    notices: tuple[Notice, ...]
    """One; or of a summary all, the gravest first."""
    ack_link: str = ""
    """Where one tap leads: to the incident, or to all that the desk has open; empty where nothing is to acknowledge."""
    code: str = ""
    """What the desk may send back by SMS, for a single notice."""
    drill: bool = False
    """Everything is marked DIỄN TẬP."""
    timezone: str = "Asia/Ho_Chi_Minh"


class Mail(msgspec.Struct, frozen=True):
    """A letter as an e-mail; Alertmanager's own text mails look alike."""

    subject: str
    text: str
    html: str


class Sms(msgspec.Struct, frozen=True):
    """A letter as an SMS: unaccented, of the GSM 7-bit alphabet's plain part, at most 160 characters."""

    text: str


class Zns(msgspec.Struct, frozen=True):
    """A letter as a Zalo ZNS: which of the approved templates, and what fills it."""

    template: str
    """A key of ``zalo.templates`` in gateway.yaml: the name of a Kind, or ``summary``."""
    data: Mapping[str, str]


Parcel = Mail | Sms | Zns
"""What a channel is handed."""


class Refused(Exception):  # noqa: N818 - says what has happened
    """A webhook's body is none: the message says why; answered with 400."""
