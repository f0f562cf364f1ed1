"""The tables. Instants are Unix time in seconds; what only we read is kept as the bytes that we wrote."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

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

check_ins = Table(
    "check_ins",
    METADATA,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("point", String, nullable=False),
    Column("entry", String, nullable=False),
    Column("voice", String, nullable=False),
    Column("author", String, nullable=False),
    Column("picture", Boolean, nullable=False),
    Column("sound", Boolean, nullable=False),
    Column("delegates", Integer),
    Column("attendees", Integer),
    Column("chair", String, nullable=False),
    Column("power", String),
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
    Column("by", String, nullable=False),
    Column("previous", String, nullable=False),
    Column("digest", String, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

reminders = Table(
    "reminders",
    METADATA,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("district", String, nullable=False),
    Column("at", Float(53), nullable=False, index=True),
    Column("by", String, nullable=False),
    Column("points", Text, nullable=False),
)

accounts = Table(
    "accounts",
    METADATA,
    Column("name", String, primary_key=True),
    Column("password_hash", String, nullable=False),
    Column("role", String, nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("disabled", Boolean, nullable=False),
)

sessions = Table(
    "sessions",
    METADATA,
    Column("digest", String, primary_key=True),
    Column("account", String, ForeignKey("accounts.name", ondelete="CASCADE"), nullable=False, index=True),
    Column("csrf", String, nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("expires_at", Float(53), nullable=False),
)

api_tokens = Table(
    "api_tokens",
    METADATA,
    Column("name", String, primary_key=True),
    Column("digest", String, nullable=False, unique=True),
    Column("role", String, nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("expires_at", Float(53)),
    Column("revoked", Boolean, nullable=False),
)

audit = Table(
    "audit",
    METADATA,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("at", Float(53), nullable=False),
    Column("actor", String, nullable=False),
    Column("action", String, nullable=False),
    Column("target", String, nullable=False),
    Column("allowed", Boolean, nullable=False),
    Column("detail", Text, nullable=False),
    Column("address", String, nullable=False),
)

incidents = Table(
    "incidents",
    METADATA,
    Column("id", String, primary_key=True),
    Column("opened_at", Float(53), primary_key=True),
    Column("ongoing", Boolean, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("updated_at", Float(53), nullable=False, index=True),
)

acknowledgements = Table(
    "acknowledgements",
    METADATA,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("incident", String, nullable=False, index=True),
    Column("opened_at", Float(53), nullable=False),
    Column("desk", String, nullable=False),
    Column("at", Float(53), nullable=False),
    Column("means", String, nullable=False),
    Column("repair_expected_at", Float(53)),
    Column("note", Text, nullable=False),
)

transitions = Table(
    "transitions",
    METADATA,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("point", String, nullable=False),
    Column("before", String, nullable=False),
    Column("after", String, nullable=False),
    Column("cause", String, nullable=False),
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
