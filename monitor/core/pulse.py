"""Heartbeats of the points' own pages, made into observations: evidence equal to probes. Pure.

A page beats once a second; each beat is an answered probe of the check ``<point>/page``. A beat that is overdue is a
lost one, and as long as the silence lasts there is another loss each slot, as a confirm burst has for a probe: on a
clean line a point whose page falls silent is down some two seconds after its last beat.

Beats travel over TCP, which sends a lost one again after two round trips, then after a retransmission time-out that
doubles (RFC 8985 section 7, RFC 6298): a slot is four round trips or four mean deviations of the time between beats,
whichever is more, so that each further loss stands for another attempt that failed, and a beat that a mobile line
delivers late was not lost. A silence that has lasted is heard of once a second.

A page that is closed in an orderly way takes its evidence with it: nothing is known then, and nobody is accused. When
we ourselves were held up, what is overdue is not yet believed to be.
"""

from collections import OrderedDict
from collections.abc import Iterator

import msgspec

from probes.model import Failure, Measurement, Observation

BEAT_S = 1.0
"""How often a page beats."""
LATE_S = 0.3
"""A beat that is later than this, or than a slot, is lost."""
SLOT_AT_LEAST_S = 0.2
SLOT_AT_MOST_S = 2.0
ROUND_TRIPS = 4.0
DEVIATIONS = 4.0
GAIN = 1 / 8
"""Smoothing of both, RFC 6298 section 2."""
PATIENCE_LOSSES = 20
"""After so many losses in a row the silence is told of only once a second."""
GONE_S = 10.0
"""A page that has been silent for so long does not keep the evidence of another, which is closed, alive."""
COMES_AGAIN_S = 10.0
"""How long a page may take to come again once our own uplink is back: it gives a dead socket up, waits, opens one."""
HELD_UP_S = 0.5
"""Looks at the clock further apart than this: the beats are waiting in our own buffers."""
UNTOLD = "no heartbeat from the point's page"


class Beat(msgspec.Struct, frozen=True):
    """What a page says of itself in one heartbeat; None where its browser does not tell."""

    rtt_s: float | None = None
    """The last round trip that it measured; None before the first."""
    jitter_s: float | None = None
    loss_ratio: float | None = None
    """Of its last 60 beats, those not answered within a second."""
    charging: bool | None = None
    charge_ratio: float | None = None
    discharging_s: float | None = None
    visible: bool = True


class Session(msgspec.Struct):
    """One open page, on a laptop or a phone."""

    last_at: float
    charging: bool | None = None
    """None where its browser does not tell."""
    was_plugged: bool = False
    """Whether its charger was once seen plugged."""


class Pulse(msgspec.Struct):
    """The pages of one point that are open."""

    last_at: float
    sessions: dict[str, Session]
    deviation_s: float = 0.0
    rtt_s: float = 0.0
    lost: int = 0
    """Losses since the last beat."""
    next_loss_at: float = 0.0
    beat: Beat = Beat()
    """The last one."""

    @property
    def slot_s(self) -> float:
        """For how long a silence must go on to count as another loss."""
        return min(SLOT_AT_MOST_S, max(SLOT_AT_LEAST_S, DEVIATIONS * self.deviation_s, ROUND_TRIPS * self.rtt_s))

    def heard(self, session: str, beat: Beat, now: float) -> None:
        """A beat arrived now."""
        page = self.sessions.get(session)
        if page is None:
            self._forget_gone(now)
            page = self.sessions[session] = Session(now)
        elif self.lost <= PATIENCE_LOSSES:  # an outage says nothing of how even the line is
            late_s = min(max(0.0, now - page.last_at - BEAT_S), SLOT_AT_MOST_S)
            self.deviation_s += (late_s - self.deviation_s) * GAIN
        if beat.rtt_s is not None:
            self.rtt_s += (beat.rtt_s - self.rtt_s) * GAIN
        page.last_at = self.last_at = now
        page.charging, page.was_plugged = beat.charging, page.was_plugged or beat.charging is True
        self.beat, self.lost = beat, 0
        self.next_loss_at = now + BEAT_S + max(LATE_S, self.slot_s)

    @property
    def on_battery(self) -> bool | None:
        """Whether the site has no mains, as its chargers tell: none is plugged, and one was. None where none tells."""
        told = [page for page in self.sessions.values() if page.charging is not None]
        if any(page.charging for page in told):
            return False
        return True if any(page.was_plugged for page in told) else None

    def _forget_gone(self, now: float) -> None:
        """A page that was lost without a word has been opened again under another name."""
        for name in [name for name, page in self.sessions.items() if now - page.last_at > GONE_S]:
            del self.sessions[name]


class Pulses:
    """Every point whose page is open, or fell silent."""

    def __init__(self, vantage: str) -> None:
        self._vantage = vantage
        self._pulses: OrderedDict[str, Pulse] = OrderedDict()
        """The one that was heard least lately first."""
        self._looked_at: float | None = None

    def __getitem__(self, point_id: str) -> Pulse:
        """The pulse of a point. Raises KeyError where no page is, or was, open."""
        return self._pulses[point_id]

    def get(self, point_id: str) -> Pulse | None:
        """The pulse of a point; None where no page is, or was, open."""
        return self._pulses.get(point_id)

    @property
    def sessions(self) -> int:
        """How many pages are open, those included that fell silent."""
        return sum(len(pulse.sessions) for pulse in self._pulses.values())

    def beat(self, point_id: str, session: str, beat: Beat, now: float) -> Observation:
        """A heartbeat arrived."""
        pulse = self._pulses.get(point_id)
        if pulse is None:
            pulse = self._pulses[point_id] = Pulse(now, {})
        pulse.heard(session, beat, now)
        self._pulses.move_to_end(point_id)
        return self._observation(point_id, now, Measurement(True, beat.rtt_s or 0.0))

    def leave(self, point_id: str, session: str, now: float) -> bool:
        """A page was closed in an orderly way; true when it was the point's last that still beat."""
        pulse = self._pulses.get(point_id)
        if pulse is None or pulse.sessions.pop(session, None) is None:
            return False
        if any(now - page.last_at < GONE_S for page in pulse.sessions.values()):
            return False
        del self._pulses[point_id]
        return True

    def overdue(self, now: float) -> Iterator[Observation]:
        """Losses since the last look; wants to be called several times a second."""
        before, self._looked_at = self._looked_at, now
        held_up = before is not None and not 0 <= now - before <= HELD_UP_S
        for point_id, pulse in self._pulses.items():
            if pulse.last_at + BEAT_S + LATE_S > now:
                if pulse.last_at > now + BEAT_S:  # the clock was set back
                    pulse.last_at, pulse.next_loss_at = now, now + BEAT_S + max(LATE_S, pulse.slot_s)
                    continue
                break
            if held_up:
                pulse.next_loss_at = max(pulse.next_loss_at, now + pulse.slot_s)
            elif now >= pulse.next_loss_at:
                yield self._lost(point_id, pulse, now)

    def keep(self, point_ids: "set[str]") -> None:
        """Forget points that are not monitored any more."""
        for point_id in [known for known in self._pulses if known not in point_ids]:
            del self._pulses[point_id]

    def _lost(self, point_id: str, pulse: Pulse, now: float) -> Observation:
        pulse.lost += 1
        slot_s = pulse.slot_s if pulse.lost < PATIENCE_LOSSES else BEAT_S
        pulse.next_loss_at = now + slot_s
        return self._observation(point_id, now, Measurement(False, pulse.slot_s, Failure.TIMEOUT, UNTOLD))

    def _observation(self, point_id: str, now: float, measurement: Measurement) -> Observation:
        return Observation(check_of(point_id), now, self._vantage, measurement)


def check_of(point_id: str) -> str:
    """The id of the check that a point's page answers."""
    return f"{point_id}/page"
