"""Plays a timeline to the incidents, second by second, and notes how soon the right company is named. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from math import inf, nan

import msgspec

from monitor.bench.attribution.generator import Event, Scenario
from monitor.bench.attribution.judge import Bench, Named
from monitor.core.attribution import Attributor, Evidence, PointEvidence, PowerSign
from monitor.core.detection import CheckStatus, Hold
from monitor.core.incidents import Incident, Incidents, Province
from monitor.core.model import (
    Cause,
    Certainty,
    Change,
    CheckPolicy,
    CheckState,
    IncidentChanged,
    PointState,
    Power,
    PowerState,
    Tree,
)
from probes.model import Layer

TICK_S = 1.0
"""The service attributes once a second at most."""
AGO_S = 0.5
"""A point that is up answered so long ago."""
AFTER_S = 10.0
"""The timeline is followed for so long after its last event: what is held is opened or dropped."""
STATES = {CheckState.UP: PointState.UP, CheckState.DOWN: PointState.DOWN, CheckState.UNKNOWN: PointState.UNKNOWN}
_POLICY = CheckPolicy("bench", "bench", Layer.REACHABLE, TICK_S)


class Status(msgspec.Struct):
    """A point, as the incidents see it."""

    checks: tuple[CheckStatus, ...]
    state: PointState = PointState.UNKNOWN
    cause: Cause = Cause.NONE
    since: float = 0.0
    power: Power = Power()
    signs: tuple[PowerSign, ...] = ()


class Neighbourhood:
    """Who hangs where, by the map."""

    def __init__(self, scenario: Scenario) -> None:
        self._map = scenario.map
        self._beneath: dict[str, list[str]] = {}
        for point in scenario.map.points.values():
            for leaf in (point.network_node, point.power_node):
                for node in scenario.map.ancestors(leaf or ""):
                    self._beneath.setdefault(node.id, []).append(point.id)

    def beneath(self, node: str) -> Sequence[str]:
        """The points below a node."""
        return self._beneath.get(node, [])

    def neighbours(self, tree: Tree, node: str) -> Sequence[str]:
        """The points below its parent; for a site, those on its own two nodes."""
        if tree is Tree.SITE:
            point = self._map.points[node]
            return [*self.beneath(point.network_node or ""), *self.beneath(point.power_node or "")]
        nodes = self._map.network if tree is Tree.NETWORK else self._map.power
        return self.beneath(nodes[node].parent or node)


class Course(msgspec.Struct):
    """How soon one fault was put down to its owner: seconds from the fall of its second point."""

    second_fell_at: float
    right_at: float = inf
    stable_at: float = inf

    def note(self, now: float, *, right: bool) -> None:
        """How it stands now."""
        self.right_at = min(self.right_at, now) if right else self.right_at
        self.stable_at = min(self.stable_at, now) if right else inf


class Played(msgspec.Struct):
    """What came of one or more timelines. Seconds are ``inf`` for what never came."""

    scenarios: int = 0
    first_right_s: list[float] = msgspec.field(default_factory=list)
    stable_s: list[float] = msgspec.field(default_factory=list)
    retractions: int = 0
    false_alarms: int = 0
    """Incidents by which a company was called that had no fault there."""
    reports: list[str] = msgspec.field(default_factory=list)
    """Of them."""

    def plus(self, other: "Played") -> "Played":
        """The sum."""
        return Played(*(getattr(self, field) + getattr(other, field) for field in self.__struct_fields__))


def play(scenario: Scenario, attributor: Attributor) -> Played:
    """From before the first fault until shortly after the instant of the evidence."""
    return _Replay(scenario, attributor).play()


class _Replay:
    """One timeline being played."""

    def __init__(self, scenario: Scenario, attributor: Attributor) -> None:
        self.scenario, self.attributor, self.bench = scenario, attributor, Bench(scenario)
        self.incidents = Incidents()
        self.well = CheckStatus(_POLICY, CheckState.UP)
        self.confirming = CheckStatus(_POLICY, CheckState.UP, Hold.CONFIRMING)
        self.points = {point: Status((self.well,)) for point in scenario.map.points}
        self.province = Province(self.points, Neighbourhood(scenario))
        self.theirs = dict(self._theirs())
        self.courses: dict[str, Course] = {}
        self.alarmed: set[str] = set()

    def _theirs(self) -> Iterator[tuple[str, list[str]]]:
        """By failed node, the points that it holds down."""
        causes = self.scenario.truth.causes
        for node in self.scenario.truth.failed:
            yield node, [point for point, held in causes.items() if node in held]

    def play(self) -> Played:
        """All of it."""
        now = -TICK_S
        waiting = sorted(_confirmed(self.scenario.timeline), key=lambda event: event.at, reverse=True)
        while now <= self.scenario.at + AFTER_S:
            fresh = False
            while waiting and waiting[-1].at <= now:
                self._learn(waiting.pop())
                fresh = True
            self.well.answered_at = self.confirming.answered_at = now - AGO_S
            changes = self._fold(now) if fresh else self.incidents.advance(self.province, now)
            self._alarms(changes)
            self._note(now)
            now += TICK_S
        return self._played()

    def _learn(self, event: Event) -> None:
        point = self.scenario.terrain.ids[event.seat]
        status = self.points[point]
        if event.sign is not None:
            status.signs = (event.sign,)
            state = PowerState.BATTERY if event.sign.on_battery else PowerState.MAINS
            status.power = Power(state, event.sign.source, event.at)
        if event.state is not None:
            status.state, status.since, status.checks = STATES[event.state], event.since, (self.well,)
        elif event.sign is None:
            status.checks = (self.confirming,)

    def _fold(self, now: float) -> Sequence[IncidentChanged]:
        evidence = Evidence({point: _seen(status, now) for point, status in self.points.items()})
        return self.incidents.fold(self.attributor.attribute(evidence), self.province, now)

    def _note(self, now: float) -> None:
        """How each fault stands that two points or more have fallen by."""
        held = {point: one for one in self.incidents.ongoing.values() for point in one.points}
        for node, points in self.theirs.items():
            fell = sorted(self.points[point].since for point in points if self.points[point].state is PointState.DOWN)
            if len(fell) > 1:
                course = self.courses.setdefault(node, Course(fell[1]))
                course.note(now, right=self._is_right(node, points, held))

    def _is_right(self, node: str, points: Sequence[str], held: Mapping[str, Incident]) -> bool:
        """Whether its owner is called for most of its points."""
        owner = self.scenario.terrain.nodes[self.scenario.terrain.places[node]].operator
        down = [point for point in points if self.points[point].state is PointState.DOWN]
        named = [held[point] for point in down if point in held]
        right = sum(one.operator == owner and one.certainty is not Certainty.UNDETERMINED for one in named)
        return 2 * right > len(down)

    def _alarms(self, changes: Sequence[IncidentChanged]) -> None:
        for change in changes:
            incident = self.incidents.get(change.incident)
            if incident is None or change.change not in {Change.OPENED, Change.REOPENED, Change.REASSESSED}:
                continue
            called = change.tree is not Tree.SITE and change.certainty is not Certainty.UNDETERMINED
            if called and not self._is_called_for(incident):
                self.alarmed.add(incident.id)

    def _is_called_for(self, incident: Incident) -> bool:
        names = frozenset((incident.node, *incident.indistinguishable))
        named = Named(names, incident.operator, incident.points)
        return self.bench.is_owner_right(named) or self.bench.is_right(named)

    def _played(self) -> Played:
        played = Played(1, retractions=self.incidents.retractions, false_alarms=len(self.alarmed))
        for course in self.courses.values():
            played.first_right_s.append(max(0.0, course.right_at - course.second_fell_at))
            played.stable_s.append(max(0.0, course.stable_at - course.second_fell_at))
        where = f"{self.scenario.family} {self.scenario.number}"
        played.reports = [f"{where}: {incident}" for incident in sorted(self.alarmed)]
        return played


def _confirmed(timeline: Sequence[Event]) -> Iterator[Event]:
    """The events, and before each fall the beginning of its confirm burst: an event without content."""
    for event in timeline:
        yield event
        if event.state is CheckState.DOWN and event.since < event.at:
            yield Event(event.since, event.seat)


def _seen(status: Status, now: float) -> PointEvidence:
    if status.state is PointState.DOWN:
        return PointEvidence(CheckState.DOWN, now - status.since, status.signs)
    state = CheckState.UP if status.state is PointState.UP else CheckState.UNKNOWN
    return PointEvidence(state, None, status.signs)


def median(values: Sequence[float]) -> float:
    """The middle one, the lower of two; NaN of none."""
    return sorted(values)[(len(values) - 1) // 2] if values else nan


def within(values: Sequence[float], limit_s: float) -> float:
    """Share of what came in time; NaN of none."""
    return sum(value <= limit_s for value in values) / len(values) if values else nan
