"""How much a desk is told at once: single messages up to its budget, above it one summary a minute. Pure.

In any minute a desk receives at most ``budget`` messages: all but one of them may tell a single thing each, at once;
what is more is gathered for some seconds and told together, nothing left out. So the first words of a storm come
without delay, and the storm itself in a message.
"""

from collections.abc import Sequence

import msgspec

from monitor.core.notices import Form, Kind, Message, Notice

MINUTE_S = 60.0
GATHER_S = 5.0
"""How long a summary waits for more, from the first notice that it tells."""


class Step(msgspec.Struct, frozen=True):
    """What to do for a desk."""

    form: Form | None
    """None: nothing yet."""
    notices: tuple[Notice, ...] = ()
    look_at: float = 0.0
    """When to ask again, where nothing is to be done yet (Unix time)."""


NOTHING = Step(None)


def next_step(waiting: Sequence[Notice], sent: Sequence[Message], budget: int, now: float) -> Step:
    """What this desk is sent now. ``waiting``: what it is not told yet; ``sent``: its messages of two minutes."""
    if not waiting:
        return NOTHING
    recent = [message for message in sent if abs(now - _rang_at(message, now)) < MINUTE_S]  # some since we looked
    singles = sum(message.form is Form.SINGLE for message in recent)
    ordered = sorted(waiting, key=lambda notice: (notice.kind is not Kind.ESCALATED, notice.at, notice.tracking_id))
    if singles < budget - 1 and len(recent) < budget:
        return Step(Form.SINGLE, (ordered[0],))
    return _summary(ordered, recent, budget, now)


def _summary(ordered: Sequence[Notice], recent: Sequence[Message], budget: int, now: float) -> Step:
    """All that waits, once it has been gathered and the last summary is a minute old."""
    frees_at = _frees_at([_rang_at(message, now) for message in recent], budget)
    gathered_at = min(notice.at for notice in ordered) + GATHER_S
    look_at = max(frees_at, gathered_at if gathered_at - now <= GATHER_S else now)
    if now < look_at:
        return Step(None, look_at=look_at)
    alone = len(ordered) == 1
    return Step(Form.SINGLE if alone else Form.SUMMARY, tuple(ordered))


def _rang_at(message: Message, now: float) -> float:
    """When the phone rang, or will: what is on its way rings now at the soonest, unless it has been for too long."""
    if message.finished_at is not None:
        return message.finished_at
    return max(now, message.created_at) if now - message.created_at < MINUTE_S else message.created_at


def _frees_at(recent: Sequence[float], budget: int) -> float:
    """When the minute has room for one more message; at once where it has."""
    rang = sorted(recent)
    return rang[-budget] + MINUTE_S if len(rang) >= budget else 0.0
