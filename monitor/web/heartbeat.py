"""What a point's page and the centre say to each other over their WebSocket. Pure.

Each second the page says ``{"n":17,"rtt":0.038,"jitter":0.004,"loss":0,"charging":true,"charge":0.9,"left":null,
"visible":true}``: seconds and ratios, null where its browser does not tell. The centre says ``{"n":17}`` at once, and
now and then with it what it sees of the point: ``"seen":{"code":"u","state":"…","cause":"","since":"07:12:03"}``.
"""

from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec

from monitor.core.model import Cause, PointState
from monitor.core.pipeline import PointStatus
from monitor.core.pulse import Beat
from monitor.web import text
from monitor.web.board import STATE_CODES

LARGEST = 512
"""Bytes of a message from a page."""
RATE = 5.0
"""Messages a second from one page; a page beats once a second."""
BURST = 10.0
"""What a line that stood still may deliver at once."""
TELL_EVERY_S = 5.0
LONGEST_S = 60.0
"""A round trip, or its jitter, beyond this is told as this."""
LONGEST_BATTERY_S = 7 * 86_400.0


class HeartbeatError(ValueError):
    """A message that is no heartbeat."""


class Heartbeat(msgspec.Struct, frozen=True):
    """As it comes, of whatever a stranger may write."""

    n: Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
    rtt: float | None = None
    jitter: float | None = None
    loss: float | None = None
    charging: bool | None = None
    charge: float | None = None
    left: float | None = None
    visible: bool = True


class Seen(msgspec.Struct, frozen=True):
    """What the centre sees of a point, in words."""

    code: str
    state: str
    cause: str
    since: str


class Allowance(msgspec.Struct):
    """A token bucket: how many messages a page may send now."""

    left: float = BURST
    at: float = 0.0

    def take(self, now: float) -> bool:
        """One more message; false when it is one too many."""
        self.left = min(BURST, self.left + (now - self.at) * RATE) - 1.0
        self.at = now
        return self.left >= 0.0


class Told(msgspec.Struct):
    """What a page was last told of its point."""

    state: PointState | None = None
    cause: Cause | None = None
    since: float = 0.0
    at: float = 0.0

    def due(self, status: PointStatus, now: float) -> bool:
        """Whether to tell it again: something is different, or it was long ago. Then it counts as told."""
        same = self.state is status.state and self.cause is status.cause and self.since == status.since
        if same and 0.0 <= now - self.at < TELL_EVERY_S:
            return False
        self.state, self.cause, self.since, self.at = status.state, status.cause, status.since, now
        return True


_DECODE = msgspec.json.Decoder(Heartbeat).decode


def read(message: str) -> tuple[int, Beat]:
    """The number of a heartbeat and what it says, within bounds. Raises HeartbeatError."""
    try:
        said = _DECODE(message)
    except (ValueError, RecursionError) as error:  # msgspec's own are ValueErrors; so are lone surrogates
        raise HeartbeatError(str(error)) from None
    return said.n, Beat(
        rtt_s=_within(said.rtt, LONGEST_S),
        jitter_s=_within(said.jitter, LONGEST_S),
        loss_ratio=_within(said.loss, 1.0),
        charging=said.charging,
        charge_ratio=_within(said.charge, 1.0),
        discharging_s=_within(said.left, LONGEST_BATTERY_S),
        visible=said.visible,
    )


def echo(number: int, seen: Seen | None = None) -> str:
    """The answer to a heartbeat."""
    if seen is None:
        return f'{{"n":{number}}}'
    return f'{{"n":{number},"seen":{msgspec.json.encode(seen).decode()}}}'


def seen(status: PointStatus, now: float, zone: ZoneInfo) -> Seen:
    """What the centre sees of a point at ``now`` (Unix time)."""
    return Seen(
        code=STATE_CODES[status.state],
        state=text.SEEN[status.state],
        cause=text.CAUSES[status.cause],
        since=text.moment(status.since, now, zone),
    )


def _within(value: float | None, most: float) -> float | None:
    """JSON knows no NaN, and what is too large for a float was refused."""
    return None if value is None else min(max(value, 0.0), most)
