"""What a point says of itself by 07:30: picture, sound, how many delegates, who chairs, where its power comes from.

A check-in is a statement, whole, and never changed: a correction is another one. Of several the one that was *entered*
last holds, whenever it came: an entry that waited in a page without a line must not undo what was said since. Pure.
"""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

MOST_PEOPLE = 20_000
"""In one hall; more is a slip of the finger."""
LONGEST_WAIT_S = 7 * 86_400.0
"""An entry that claims to have waited longer was not made for this ceremony."""

Entry = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
People = Annotated[int, Meta(ge=0, le=MOST_PEOPLE)]


class PowerSupply(StrEnum):
    """Where the hall's electricity comes from, by its technician's word."""

    GRID = "grid"
    """Điện lưới."""
    UPS = "ups"
    """Bộ lưu điện."""
    GENERATOR = "generator"
    """Máy phát điện."""


class Voice(StrEnum):
    """Who speaks for a point."""

    POINT = "point"
    """The technician there, by the point's own link."""
    COORDINATOR = "coordinator"
    """The coordinator of its commune or district, by that link."""
    USER = "user"
    """Somebody who signed in, or a program with a token: one by one, or by a file."""


class Author(msgspec.Struct, frozen=True):
    """Who made a check-in."""

    voice: Voice
    name: str
    """The point's id, the coordinator's scope (``district:386``), or the account."""


class Draft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is entered, before anybody has received it. msgspec checks each field's bounds, ``problem`` the rest."""

    entry: Entry
    """Drawn by whoever enters it, the same at each attempt to send it: what makes sending idempotent."""
    picture: bool = False
    """Picture confirmed."""
    sound: bool = False
    """Sound confirmed."""
    delegates: People | None = None
    """Đại biểu; None for not told."""
    attendees: People | None = None
    """Everybody in the hall, delegates among them; None for not told."""
    chair: Annotated[str, Meta(max_length=120)] = ""
    """Who chairs, by title: never a name."""
    power: PowerSupply | None = None
    note: Annotated[str, Meta(max_length=500)] = ""
    age_s: Annotated[float, Meta(ge=0.0, le=LONGEST_WAIT_S)] = 0.0
    """How long ago it was entered, by the page's own steady clock: a wall clock out there is not to be trusted."""


class CheckIn(msgspec.Struct, frozen=True, kw_only=True):
    """A check-in that was received: committed before anybody is told so."""

    point: str
    entry: str
    author: Author
    picture: bool
    sound: bool
    delegates: int | None
    attendees: int | None
    chair: str
    power: PowerSupply | None
    note: str
    entered_at: float
    """Unix time, like all instants."""
    received_at: float
    late: bool
    """It was received after the deadline."""


def problem(draft: Draft) -> str:
    """The name of the field that contradicts the others or holds what no line of text does; empty for none."""
    if draft.attendees is not None and draft.delegates is not None and draft.attendees < draft.delegates:
        return "attendees"
    for field in ("chair", "note"):
        if any(not char.isprintable() and char != "\n" for char in getattr(draft, field)):
            return field
    return ""


def receive(draft: Draft, point: str, author: Author, now: float, deadline: float) -> CheckIn:
    """The check-in that a draft becomes when it arrives at ``now``."""
    return CheckIn(
        point=point,
        entry=draft.entry,
        author=author,
        picture=draft.picture,
        sound=draft.sound,
        delegates=draft.delegates,
        attendees=draft.attendees,
        chair=" ".join(draft.chair.split()),
        power=draft.power,
        note=draft.note.strip(),
        entered_at=now - draft.age_s,
        received_at=now,
        late=now > deadline,
    )


def supersedes(one: CheckIn, other: CheckIn | None) -> bool:
    """Whether of two check-ins of a point the first holds. A total order: the same on each replay and monitor."""
    return other is None or _order(one) > _order(other)


def _order(check_in: CheckIn) -> tuple[float, float, str]:
    return check_in.entered_at, check_in.received_at, check_in.entry
