"""What comes after a try that did not go through: the same channel again, the desk's next one, or giving up. Pure.

A refusal is for good: the next channel. A failure may pass: twice more by the same channel, each time a little later,
then the next one; after the last the first again, for a quarter of an hour. At least once beats silence: a message is
given up only when every channel has refused it, or when it has become history.
"""

from collections.abc import Mapping, Sequence

import msgspec

from monitor.alerting.circuit import Circuit
from monitor.core.contacts import Channel
from monitor.core.notices import Message, Outcome, Result

TRIES = 3
"""By one channel before the next has its turn."""
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
) -> Retry | None:
    """The try after this one, which did not go through; None to give up. ``channels``: the desk's, in order."""
    left = [channel for channel in channels if channel is not tried]
    if result.outcome is Outcome.REFUSED and not left:
        return None
    if not 0 <= now - message.created_at < GIVE_UP_S:
        return None if now >= message.created_at else Retry(tried, now + MOST_S)
    again = (message.attempts + 1) % TRIES != 0 and result.outcome is Outcome.FAILED
    if again and not circuits.get(tried, Circuit()).is_open(now):
        return Retry(tried, now + _pause_s(message.attempts))
    closed = [channel for channel in _after(channels, tried) if not circuits.get(channel, Circuit()).is_open(now)]
    if result.outcome is Outcome.REFUSED:
        closed = [channel for channel in closed if channel is not tried]
    if closed:
        return Retry(closed[0], now if closed[0] is not tried else now + _pause_s(message.attempts))
    return Retry(_after(channels, tried)[0], now + _pause_s(message.attempts + TRIES))


def _after(channels: Sequence[Channel], tried: Channel) -> list[Channel]:
    """The others first, in their order from there on; then itself."""
    if tried not in channels:
        return list(channels)
    at = list(channels).index(tried) + 1
    return [*channels[at:], *channels[:at]]


def _pause_s(attempts: int) -> float:
    return min(MOST_S, FIRST_S * 2.0 ** min(attempts, 16))
