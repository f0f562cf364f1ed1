"""Keeps the evidence of the attribution current: from each change of a point to arrays of all of them. Pure.

A point that was up before its neighbour fell says nothing of what took the neighbour: within the first seconds it
counts as not observed until it has been probed again, and while its own losses are being weighed.
"""

from collections.abc import Mapping
from math import inf, nan

import msgspec
import numpy as np

from monitor.core.attribution import Attributor, PointEvidence, PowerSign, PowerSource
from monitor.core.attribution.observed import STATES, UNKNOWN, UP, Observed
from monitor.core.incidents import PointStatus, is_settled
from monitor.core.model import CheckState, PointState, Power, PowerState
from monitor.core.power import UPS

RECENT_S = 6.0
"""So long after a fall its neighbours' older answers are not believed."""
HEARD_S = 300.0
"""A word on the electricity of a site that is up is believed for so long."""
SEEN = {PointState.UP: CheckState.UP, PointState.DEGRADED: CheckState.UP, PointState.DOWN: CheckState.DOWN}


class Dossier:
    """The evidence about one inventory's points."""

    def __init__(self, attributor: Attributor, statuses: Mapping[str, PointStatus]) -> None:
        self.attributor = attributor
        self._observed = Observed.nothing(len(attributor.seats), len(attributor.forest))
        self._fell_at = np.full(len(attributor.seats), nan)
        self._dark_at = np.full(len(attributor.seats), nan)
        for point_id, status in statuses.items():
            self.note(point_id, status)

    def note(self, point_id: str, status: PointStatus) -> None:
        """A point's state or its electricity is another one."""
        seat = self.attributor.seats.number.get(point_id)
        if seat is None:
            return
        state = SEEN.get(status.state, CheckState.UNKNOWN)
        self._observed.see(seat, PointEvidence(state, None, signs_of(status.power)))
        self._fell_at[seat] = status.since if state is CheckState.DOWN else nan
        self._dark_at[seat] = status.power.since if status.power.state is PowerState.BATTERY else nan

    def note_node(self, node_id: str, state: CheckState) -> None:
        """A node of the network answers, or does not."""
        place = self.attributor.places.get(node_id)
        if place is not None:
            self._observed.node[place] = STATES[state]

    def shift(self, by_s: float) -> None:
        """The clock was set back by so much."""
        self._fell_at += by_s
        self._dark_at += by_s

    def at(self, now: float, statuses: Mapping[str, PointStatus]) -> Observed:
        """The evidence of the moment, to be kept by whoever asked."""
        mine = self._observed
        found = Observed(
            mine.state.copy(),
            np.maximum(now - self._fell_at, 0.0),
            mine.on_battery.copy(),
            np.maximum(now - self._dark_at, 0.0),
            mine.left_s.copy(),
            mine.power_nats.copy(),
            dict(mine.words),
            mine.node.copy(),
        )
        self._doubt(found, now, statuses)
        self._unhear(found, now, statuses)
        return found

    def _doubt(self, found: Observed, now: float, statuses: Mapping[str, PointStatus]) -> None:
        """What has not been probed since a neighbour fell is not observed."""
        seats, forest = self.attributor.seats, self.attributor.forest
        recent = np.flatnonzero(self._fell_at > now - RECENT_S)
        latest = np.full(len(seats), -inf)
        for leaf in (seats.net, seats.pow):
            hung = recent[leaf[recent] >= 0]
            above = np.where(forest.parent[leaf[hung]] >= 0, forest.parent[leaf[hung]], leaf[hung])
            for place in np.unique(above):
                region = seats.beneath(forest, int(place))
                latest[region] = np.maximum(latest[region], self._fell_at[hung[above == place]].max())
        for seat in np.flatnonzero((latest > -inf) & (found.state == UP)):
            if not is_settled(statuses.get(seats.ids[seat]), float(latest[seat])):
                found.state[seat] = UNKNOWN

    def _unhear(self, found: Observed, now: float, statuses: Mapping[str, PointStatus]) -> None:
        """Words about sites that are up, and have not been said again."""
        for seat in list(found.words):
            status = statuses.get(self.attributor.seats.ids[seat])
            if found.state[seat] == UP and status is not None and now - status.power.heard_at > HEARD_S:
                found.see(seat, PointEvidence(CheckState.UP))
                found.words.pop(seat)


def signs_of(power: Power) -> tuple[PowerSign, ...]:
    """What was last heard of a site's electricity, as evidence."""
    if power.state is PowerState.UNKNOWN or not power.source:
        return ()
    source = PowerSource.UPS if power.source == UPS else PowerSource.BROWSER
    left = power.left_s / 60 if power.left_s is not None else None
    return (PowerSign(source, power.state is PowerState.BATTERY, left),)


class Question(msgspec.Struct, frozen=True):
    """What is to be attributed: to be answered anywhere, by :meth:`answer`."""

    attributor: Attributor
    observed: Observed
    asked_at: float
