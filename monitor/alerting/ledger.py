"""Which alerts fire, and which have just ended: folds happenings, and mends itself from the state they came from. Pure.

Each ongoing incident fires one alert, to those who must act; and for the technical team each point that is lost.
Only an expected point fires: one that is down, or one whose line is there while signalling, picture, sound or its
electricity is not. A point has one alert; what it is about may change, then another takes its place. Suppress
creation, never resolution: while the monitor is blind nothing new fires about points; what fires already stays, through
unknown as well, until its point is seen connected, is not expected any more, or is taken out of the inventory or out
of observation. A point that flaps keeps its one alert until it has calmed down: nobody is rung at each fall. Reminders
fire beside all that, because somebody asked for them, and end when their time is over.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from monitor.alerting.incidents import cause_of, concluded, districts_of_nodes, incident_alert, now_told
from monitor.alerting.messages import (
    DEGRADATIONS,
    POINT_DEGRADED,
    POINT_DOWN,
    REPLACED,
    UNENDED,
    Alert,
    Scene,
    monitor_blind,
    point_degraded,
    point_down,
    relabelled,
    replaced,
)
from monitor.alerting.reminders import LASTS_S, reminder_alert
from monitor.core.incidents import Incident
from monitor.core.model import (
    BlindnessChanged,
    Cause,
    Change,
    Happening,
    IncidentChanged,
    Inventory,
    Phase,
    PointChanged,
    PointState,
)
from monitor.core.organization import Coordinator, Reminder
from monitor.core.pipeline import Pipeline

OVER = frozenset({PointState.UP, PointState.DEGRADED, PointState.NOT_EXPECTED})
"""A point in one of these is not lost, whatever else it is; unless it flaps."""
MONITOR = ""
"""What MonitorBlind is about, where other alerts have a point's id."""


def word_about(state: PointState, cause: Cause) -> str | None:
    """The alertname of what is to be said of a point in this state; None for nothing."""
    if state is PointState.DOWN:
        return POINT_DOWN
    if state is PointState.DEGRADED and cause in DEGRADATIONS:
        return POINT_DEGRADED
    return None


INCIDENTS = "incident "
"""Before the id of an incident that an alert is about: no point's id has a blank."""
GRADUAL = frozenset({Change.GREW, Change.SHRANK})
"""Changes that come in rows, point by point;"""
REWORDED_S = 5.0
"""so often at most they reword an alert. The next repeat says what is left."""


class Entry(msgspec.Struct, frozen=True):
    """An alert as it stands: it fires, or it has ended at ``ends_at`` (Unix time)."""

    alert: Alert
    ends_at: float | None = None


class Reminding(msgspec.Struct, frozen=True):
    """A reminder that fires."""

    fingerprint: str
    until: float


class Ledger:
    """The one writer of what fires. Each method returns the fingerprints whose entry changed."""

    def __init__(self, pipeline: Pipeline, *, external_url: str, monitor: str = "") -> None:
        self.firing: dict[str, Alert] = {}
        """By fingerprint."""
        self.ended: dict[str, Entry] = {}
        """By fingerprint; those that fire again are not among them."""
        self._pipeline = pipeline
        self._external_url = external_url
        self._monitor = monitor
        self._about: dict[str, str] = {}
        """Point id, incident (after INCIDENTS), or MONITOR → fingerprint, of what fires."""
        self._worded_at: dict[str, float] = {}
        """When it was last worded, by what it is about."""
        self._reminders: dict[str, Reminding] = {}
        """Those that fire, by district."""
        self._blind = False
        self._under: tuple[Inventory, Phase] | None = None
        """What the labels of all that fires were made under."""
        self._placed: Inventory | None = None
        self._districts: Mapping[str, str] = {}
        """Of the nodes of that inventory."""

    def fold(self, happenings: Iterable[Happening], now: float) -> set[str]:
        """What these happenings change."""
        changed: set[str] = set()
        if self._outdated():
            changed.update(self.mend(now))
        for happening in happenings:
            if isinstance(happening, PointChanged):
                told = happening
                changed.update(self._point(told.point, told.after, told.cause, told.since, told.detail, told.at))
            elif isinstance(happening, IncidentChanged):
                changed.update(self._incident(happening.incident, happening.at, happening.change))
            elif isinstance(happening, BlindnessChanged):
                changed.update(self._sight(happening.blind, happening.since, happening.reason, happening.at))
        return changed

    def mend(self, now: float) -> set[str]:
        """Compare with the pipeline itself: after a reload, at the start, and now and then against a lost happening."""
        pipeline = self._pipeline
        changed = set(self._sight(pipeline.blind, pipeline.blind_since, pipeline.blind_reason, now))
        changed.update(self._leave(now))
        changed.update(self._relabel(now))
        changed.update(self._expire(now))
        for point_id, status in pipeline.points.items():
            if word_about(status.state, status.cause) != self._word(point_id):
                told = status
                changed.update(self._point(point_id, told.state, told.cause, told.since, told.detail, now))
        for incident_id in pipeline.incidents.ongoing.keys() - self._incidents():
            changed.update(self._incident(incident_id, now))
        return changed

    def remind(self, reminder: Reminder, coordinators: Mapping[str, Coordinator], now: float) -> set[str]:
        """A district is reminded; where that fires already its time begins anew. Nothing where nothing is missing."""
        alert = reminder_alert(reminder, self._pipeline, coordinators, self._scene(now))
        if alert is None:
            return set()
        changed = set(self._forgo(reminder.district, now))
        self.ended.pop(alert.fingerprint, None)
        self.firing[alert.fingerprint] = alert
        self._reminders[reminder.district] = Reminding(alert.fingerprint, now + LASTS_S)
        return changed | {alert.fingerprint}

    def entry(self, fingerprint: str) -> Entry | None:
        """How this alert stands; None once it is forgotten."""
        alert = self.firing.get(fingerprint)
        return Entry(alert) if alert is not None else self.ended.get(fingerprint)

    def __iter__(self) -> Iterator[str]:
        """All fingerprints: of what fires, then of what has ended."""
        yield from self.firing
        yield from self.ended

    def forget(self, before: float, *, owed: Iterable[str]) -> None:
        """Drop what ended before that instant, except what somebody is still owed."""
        keep = set(owed)
        over = [key for key, entry in self.ended.items() if (entry.ends_at or 0.0) < before and key not in keep]
        for fingerprint in over:
            del self.ended[fingerprint]

    def _point(
        self, point_id: str, state: PointState, cause: Cause, since: float, detail: str, at: float
    ) -> Iterator[str]:
        word, said = word_about(state, cause), self._word(point_id)
        if word is None:
            if state in OVER and cause is not Cause.FLAPPING:
                yield from self._end(point_id, at)
        elif word != said and not self._blind:
            status = self._pipeline.points.get(point_id)
            if status is not None and status.point.expected:
                compose = point_down if state is PointState.DOWN else point_degraded
                alert = compose(status.point, since, detail, self._scene(at), cause)
                yield from self._replace(point_id, alert, at) if said else self._fire(point_id, alert)

    def _word(self, point_id: str) -> str | None:
        fingerprint = self._about.get(point_id)
        return self.firing[fingerprint].labels["alertname"] if fingerprint is not None else None

    def _incidents(self) -> set[str]:
        """The incidents that alerts are about."""
        return {about.removeprefix(INCIDENTS) for about in self._about if about.startswith(INCIDENTS)}

    def _incident(self, incident_id: str, now: float, change: Change | None = None) -> Iterator[str]:
        """One alert an incident: new words in the same alert, another one when it concerns somebody else."""
        about, incident = f"{INCIDENTS}{incident_id}", self._pipeline.incidents.get(incident_id)
        before = self.firing.get(self._about.get(about, ""))
        if incident is None or not incident.ongoing:
            yield from self._conclude(about, incident, now)
        elif before is None:
            if not self._blind:
                yield from self._fire(about, incident_alert(incident, self._scene(now)))
        elif before.labels["cause"] != cause_of(incident):
            words = f"{UNENDED}; {now_told(incident, self._pipeline.inventory)}"
            yield from self._replace(about, incident_alert(incident, self._scene(now), before), now, words)
        elif change not in GRADUAL or now - self._worded_at[about] >= REWORDED_S:
            yield from self._reword(about, incident_alert(incident, self._scene(now), before), now)

    def _reword(self, about: str, alert: Alert, now: float) -> Iterator[str]:
        before = self.firing[self._about[about]]
        if alert.annotations != before.annotations:
            self._worded_at[about] = now
            self.firing[before.fingerprint] = msgspec.structs.replace(before, annotations=alert.annotations)
            yield before.fingerprint

    def _conclude(self, about: str, incident: Incident | None, now: float) -> Iterator[str]:
        """End it, in words that say why; of an incident that nobody knows any more without."""
        fingerprint = self._about.get(about)
        if fingerprint is not None and incident is not None:
            successor = self._pipeline.incidents.get(incident.became)
            alert = concluded(self.firing[fingerprint], incident, successor, self._scene(now))
            self.firing[fingerprint] = alert
        yield from self._end(about, now)

    def _sight(self, blind: bool, since: float, reason: str, now: float) -> Iterator[str]:  # noqa: FBT001
        regained, self._blind = self._blind and not blind, blind
        if blind and MONITOR not in self._about:
            yield from self._fire(MONITOR, monitor_blind(since, reason, self._scene(now)))
        elif regained:
            yield from self._end(MONITOR, now)
            yield from self.mend(now)

    def _leave(self, now: float) -> Iterator[str]:
        """End what is about points that nobody observes any more; say of each incident how it stands."""
        incidents = self._incidents()
        for incident_id in incidents:
            yield from self._incident(incident_id, now)
        for point_id in self._about.keys() - {MONITOR} - {f"{INCIDENTS}{each}" for each in incidents}:
            status = self._pipeline.points.get(point_id)
            if status is None or not status.checks or not status.point.expected:
                yield from self._end(point_id, now)

    def _relabel(self, now: float) -> Iterator[str]:
        """After a reload, or in another phase: replace what would be labelled otherwise now."""
        if not self._outdated():
            return
        self._under = (self._pipeline.inventory, self._pipeline.phase)
        for about, fingerprint in list(self._about.items()):
            incident_id = about.removeprefix(INCIDENTS) if about.startswith(INCIDENTS) else ""
            incident = self._pipeline.incidents.get(incident_id)
            if incident is not None:
                alert = incident_alert(incident, self._scene(now), self.firing[fingerprint])
            else:
                point = None if about == MONITOR else self._pipeline.points[about].point
                alert = relabelled(self.firing[fingerprint], point, self._scene(now))
            if alert.fingerprint != fingerprint:
                yield from self._replace(about, alert, now)

    def _expire(self, now: float) -> Iterator[str]:
        """End the reminders whose time is over; one from the future, too: the clock was set back."""
        over = {key: min(one.until, now) for key, one in self._reminders.items() if not 0 < one.until - now <= LASTS_S}
        for district, ended_at in over.items():
            yield from self._forgo(district, ended_at)

    def _forgo(self, district: str, at: float) -> Iterator[str]:
        reminding = self._reminders.pop(district, None)
        if reminding is not None:
            alert = self.firing.pop(reminding.fingerprint)
            self.ended[reminding.fingerprint] = Entry(alert, max(at, alert.raised_at))
            yield reminding.fingerprint

    def _outdated(self) -> bool:
        pipeline, under = self._pipeline, self._under
        return under is None or under[0] is not pipeline.inventory or under[1] is not pipeline.phase

    def _fire(self, about: str, alert: Alert) -> Iterator[str]:
        self.ended.pop(alert.fingerprint, None)
        self.firing[alert.fingerprint] = alert
        self._about[about] = alert.fingerprint
        self._worded_at[about] = alert.raised_at
        yield alert.fingerprint

    def _replace(self, about: str, alert: Alert, now: float, words: str = REPLACED) -> Iterator[str]:
        fingerprint = self._about[about]
        self.firing[fingerprint] = replaced(self.firing[fingerprint], words)
        yield from self._end(about, now)
        yield from self._fire(about, alert)

    def _end(self, about: str, at: float) -> Iterator[str]:
        fingerprint = self._about.pop(about, None)
        if fingerprint is not None:
            del self._worded_at[about]
            alert = self.firing.pop(fingerprint)
            self.ended[fingerprint] = Entry(alert, max(at, alert.raised_at))
            yield fingerprint

    def _scene(self, now: float) -> Scene:
        pipeline, inventory = self._pipeline, self._pipeline.inventory
        if inventory is not self._placed:
            self._placed, self._districts = inventory, districts_of_nodes(inventory)
        return Scene.of(
            inventory,
            pipeline.ceremony,
            pipeline.phase,
            self._external_url,
            now,
            monitor=self._monitor,
            districts=self._districts,
        )
