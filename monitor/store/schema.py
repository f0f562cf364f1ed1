"""The tables. Instants are Unix time in seconds; what only we read is kept as the bytes that we wrote."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy import Text as LongString

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
"""Constraints have names that a later migration can speak of."""
METADATA = MetaData(naming_convention=NAMING)
SERIAL = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts by itself in INTEGER keys only."""


class Words(TypeDecorator[str]):
    """Text that every database takes: NUL and halves of surrogate pairs, which some path or header may bring, are not.

    So what is asked with them finds nothing, and what is kept with them is kept.
    """

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """With question marks in the place of what no database takes."""
        if value is None or value.isprintable():
            return value
        return value.encode(errors="replace").decode().replace("\0", "?")


class Text(Words):
    """Long words."""

    impl = LongString
    cache_ok = True


check_ins = Table(
    "check_ins",
    METADATA,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("point", Words, nullable=False),
    Column("entry", Words, nullable=False),
    Column("voice", Words, nullable=False),
    Column("author", Words, nullable=False),
    Column("picture", Boolean, nullable=False),
    Column("sound", Boolean, nullable=False),
    Column("delegates", Integer),
    Column("attendees", Integer),
    Column("chair", Words, nullable=False),
    Column("power", Words),
    Column("note", Text, nullable=False),
    Column("entered_at", Float(53), nullable=False),
    Column("received_at", Float(53), nullable=False, index=True),
    Column("late", Boolean, nullable=False),
    UniqueConstraint("point", "entry"),
)

snapshots = Table(
    "snapshots",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("taken_at", Float(53), nullable=False),
    Column("automatic_for", Float(53), unique=True),  # the deadline of an automatic one: of each there is one
    Column("deadline", Float(53), nullable=False),
    Column("by", Words, nullable=False),
    Column("previous", Words, nullable=False),
    Column("digest", Words, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

reminders = Table(
    "reminders",
    METADATA,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("district", Words, nullable=False),
    Column("at", Float(53), nullable=False, index=True),
    Column("by", Words, nullable=False),
    Column("points", Text, nullable=False),
)

accounts = Table(
    "accounts",
    METADATA,
    Column("name", Words, primary_key=True),
    Column("password_hash", Words, nullable=False),
    Column("role", Words, nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("disabled", Boolean, nullable=False),
)

sessions = Table(
    "sessions",
    METADATA,
    Column("digest", Words, primary_key=True),
    Column("account", Words, ForeignKey("accounts.name", ondelete="CASCADE"), nullable=False, index=True),
    Column("csrf", Words, nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("expires_at", Float(53), nullable=False),
)

api_tokens = Table(
    "api_tokens",
    METADATA,
    Column("name", Words, primary_key=True),
    Column("digest", Words, nullable=False, unique=True),
    Column("role", Words, nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("expires_at", Float(53)),
    Column("revoked", Boolean, nullable=False),
)

audit = Table(
    "audit",
    METADATA,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("at", Float(53), nullable=False),
    Column("actor", Words, nullable=False),
    Column("action", Words, nullable=False),
    Column("target", Words, nullable=False),
    Column("allowed", Boolean, nullable=False),
    Column("detail", Text, nullable=False),
    Column("address", Words, nullable=False),
)

incidents = Table(
    "incidents",
    METADATA,
    Column("id", Words, primary_key=True),
    Column("opened_at", Float(53), primary_key=True),
    Column("ongoing", Boolean, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("updated_at", Float(53), nullable=False, index=True),
)

acknowledgements = Table(
    "acknowledgements",
    METADATA,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("incident", Words, nullable=False, index=True),
    Column("opened_at", Float(53), nullable=False),
    Column("desk", Words, nullable=False),
    Column("at", Float(53), nullable=False),
    Column("means", Words, nullable=False),
    Column("repair_expected_at", Float(53)),
    Column("note", Text, nullable=False),
    Column("form", Words, unique=True),  # the very form that was sent: it acknowledges once
)

threads = Table(
    "threads",
    METADATA,
    Column("number", SERIAL, primary_key=True, autoincrement=True),
    Column("desk", Words, nullable=False),
    Column("subject", Text, nullable=False),
    Column("code", Words, nullable=False),
    Column("opened_at", Float(53), nullable=False),
    Column("told_at", Float(53), nullable=False),
    Column("level", Integer, nullable=False),
    Column("level_at", Float(53), nullable=False),
    Column("closed_at", Float(53), index=True),
    Column("story", LargeBinary, nullable=False),
)
Index(
    "uq_threads_open",
    threads.c.desk,
    threads.c.subject,
    unique=True,
    sqlite_where=threads.c.closed_at.is_(None),
    postgresql_where=threads.c.closed_at.is_(None),
)  # of a desk and subject one is open

notices = Table(
    "notices",
    METADATA,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("tracking_id", Words, nullable=False, unique=True),
    Column("desk", Words, nullable=False),
    Column("at", Float(53), nullable=False, index=True),
    Column("message", Words, index=True),  # that tells it; none yet
    Column("body", LargeBinary, nullable=False),
)

messages = Table(
    "messages",
    METADATA,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("tracking_id", Words, nullable=False, unique=True),
    Column("desk", Words, nullable=False),
    Column("form", Words, nullable=False),
    Column("notices", Text, nullable=False),
    Column("created_at", Float(53), nullable=False, index=True),
    Column("state", Words, nullable=False, index=True),
    Column("channel", Words),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Float(53), nullable=False),
    Column("provider_id", Words, nullable=False, index=True),
    Column("finished_at", Float(53)),
)

attempts = Table(
    "attempts",
    METADATA,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("message", Words, nullable=False, index=True),
    Column("desk", Words, nullable=False),
    Column("channel", Words, nullable=False),
    Column("at", Float(53), nullable=False, index=True),
    Column("outcome", Words, nullable=False),
    Column("detail", Text, nullable=False),
    Column("provider_id", Words, nullable=False),
    Column("took_s", Float(53), nullable=False),
)

leases = Table(
    "leases",
    METADATA,
    Column("name", Words, primary_key=True),
    Column("owner", Words, nullable=False),
    Column("until", Float(53), nullable=False),
)

transitions = Table(
    "transitions",
    METADATA,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("point", Words, nullable=False),
    Column("before", Words, nullable=False),
    Column("after", Words, nullable=False),
    Column("cause", Words, nullable=False),
    Column("at", Float(53), nullable=False, index=True),
    Column("since", Float(53), nullable=False),
    Index("ix_transitions_point_at", "point", "at"),
)

samples = Table(
    "samples",
    METADATA,
    Column("at", Float(53), primary_key=True),
    Column("expected", Integer, nullable=False),
    Column("up", Integer, nullable=False),
    Column("ready", Integer, nullable=False),
    Column("delegates", Integer, nullable=False),
)
