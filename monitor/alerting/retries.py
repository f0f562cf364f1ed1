"""What comes after a try that did not go through: the same channel again, the desk's next one, or giving up. Pure.

A refusal is for good: the next channel, and never this one again. A failure may pass: once more by the same channel a
moment later, then the next one; after the last the first again, each round a little later, for a quarter of an hour.
At least once beats silence: a message is given up only when every channel has refused it, or when it is history.
"""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from monitor.alerting.circuit import CLOSED, Circuit
from monitor.core.contacts import Channel
from monitor.core.notices import Message, Outcome, Result

TRIES = 2
"""By one channel before the next has its turn: each may take five seconds to fail."""
FIRST_S = 0.5
"""Until the second try; each further one waits twice as long,"""
MOST_S = 15.0
"""at most this."""
GIVE_UP_S = 900.0
"""After its creation."""


class Retry(msgspec.Struct, frozen=True):
    """The next try."""

    channel: Channel
    at: float


def next_try(
    message: Message,
    channels: Sequence[Channel],
    tried: Channel,
    result: Result,
    circuits: Mapping[Channel, Circuit],
    now: float,
    refused: Collection[Channel] = (),
) -> Retry | None:
    """The try after this one, which did not go through; None to give up.

    ``channels``: the desk's, in order. ``refused``: those that have refused this message before. ``message``: as it was
    before this try.
    """
    fails = result.outcome is Outcome.FAILED
    spent = {*refused} if fails else {*refused, tried}
    left = [channel for channel in _after(channels, tried) if channel not in spent]
    if not left or now - message.created_at >= GIVE_UP_S:
        return None
    closed = [channel for channel in left if not circuits.get(channel, CLOSED).is_open(now)]
    pause_s = min(MOST_S, FIRST_S * 2.0 ** min(message.attempts, 16))
    if fails and tried in closed and (message.attempts + 1) % TRIES:
        return Retry(tried, now + pause_s)
    if closed:
        return Retry(closed[0], now if _comes_later(closed[0], tried, channels) else now + pause_s)
    soonest = min(left, key=lambda channel: circuits[channel].open_until)
    return Retry(soonest, min(max(circuits[soonest].open_until, now + pause_s), now + MOST_S))


def _after(channels: Sequence[Channel], tried: Channel) -> list[Channel]:
    """The others first, in their order from there on; then itself."""
    at = channels.index(tried) + 1 if tried in channels else 0
    return [*channels[at:], *channels[:at]]


def _comes_later(channel: Channel, tried: Channel, channels: Sequence[Channel]) -> bool:
    """Whether it has its turn in this round yet."""
    return tried not in channels or channels.index(channel) > channels.index(tried)
