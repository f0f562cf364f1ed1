"""Đã tiếp nhận: a desk has said that it works on an incident. Pure."""

from enum import StrEnum

import msgspec


class AckMeans(StrEnum):
    """How it was said."""

    LINK = "link"
    """By the signed link of a message."""
    SMS = "sms"
    """By the code that a message asks to be sent back."""
    ACCOUNT = "account"
    """By somebody of the technical team, for a desk that called or for themselves."""


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True):
    """A desk has said that it works on an incident."""

    incident: str
    opened_at: float
    """With the incident's id its key: an id comes again when the same thing fails again."""
    desk: str
    """A desk's id, or an account's name."""
    at: float
    means: str
    """How it was said: a value of AckMeans."""
    repair_expected_at: float | None = None
    """When power or line are expected back, as the desk says (Unix time)."""
    note: str = ""


class AckRefusal(StrEnum):
    """Why a link or a code acknowledges nothing."""

    FORGED = "forged"
    """No link of ours, or of another incident or desk than it says."""
    EXPIRED = "expired"
    REPLAYED = "replayed"
    """The very form was sent before."""
    OVER = "over"
    """The incident has ended."""
    UNKNOWN = "unknown"
    """No such code among what this number was sent."""


class AckRefused(Exception):  # noqa: N818 - says what has happened
    """Nothing was acknowledged."""

    def __init__(self, why: AckRefusal) -> None:
        super().__init__(why.value)
        self.why = why
