"""Compares what happened with what was noticed: detection, alerts, false alarms, fault by fault. Pure.

The truth is what the forwarder reports that it did, with its instants; what was noticed comes from the service's log
and from the webhook behind Alertmanager. All instants are Unix time on one machine.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from math import ceil, inf
from statistics import median

import msgspec

from monitor.core.model import Cause, PointState
from monitor.rehearsal.faults import Fault

OWED_S = 10.0
"""An outage shorter than this, or seen for less before the end, may go unnoticed; a longer one must be called down."""
CODEC_OWED_S = 30.0
"""The same for a codec, which is asked every ten seconds."""
LIT_GRACE_S = 10.0
"""So long after its mains are back a site may be said to have none: its UPS is asked every five seconds."""
GRACE_S = 5.0
"""What is said of a point so long after its line is mended was decided while it was cut, or on its way."""
CONNECTED = frozenset({PointState.UP, PointState.DEGRADED})


class Hit(msgspec.Struct):
    """A point lost something: its line, its mains, its codec."""

    fault: int
    point: str
    cut_at: float
    mended_at: float = inf


class Seen(msgspec.Struct, frozen=True):
    """The board showed a change of a point's state."""

    at: float
    point: str
    state: PointState
    cause: Cause = Cause.NONE


class Told(msgspec.Struct, frozen=True):
    """An alert arrived; ``point`` is empty for the one about the monitor itself."""

    at: float
    point: str
    firing: bool


class Sight(msgspec.Struct, frozen=True):
    """The monitor said that it is blind, or that it sees again."""

    at: float
    blind: bool


class Evidence(msgspec.Struct):
    """All that is needed to judge. The rehearsal adds to it as it goes."""

    faults: tuple[Fault, ...]
    began_at: float = 0.0
    ended_at: float = 0.0
    hits: list[Hit] = []
    """Lines that were cut."""
    dark: list[Hit] = []
    """Mains that failed."""
    mute: list[Hit] = []
    """Codecs that were off."""
    uplink: dict[int, list[float]] = {}
    """By fault: the instants when our uplink was lost and regained."""
    seen: list[Seen] = []
    told: list[Told] = []
    sight: list[Sight] = []


class Spread(msgspec.Struct, frozen=True):
    """Times in seconds."""

    count: int
    median: float
    p95: float
    max: float

    @classmethod
    def of(cls, times: Iterable[float]) -> "Spread | None":
        """None without any."""
        ordered = sorted(times)
        if not ordered:
            return None
        return cls(len(ordered), median(ordered), ordered[ceil(0.95 * len(ordered)) - 1], ordered[-1])


class Row(msgspec.Struct, frozen=True):
    """A fault and how it was noticed."""

    name: str
    kind: str
    began_at: float | None
    """None when it was not reached."""
    points_hit: int
    points_owed: int
    """Those of which a verdict and an alert must come: hit for long enough, in sight, and of points that are probed."""
    points_detected: int
    points_missed: int
    alerts_missed: int
    detection_seconds: Spread | None
    alert_seconds: Spread | None
    recovery_seconds: Spread | None
    """From the mending to the board."""
    resolved_seconds: Spread | None
    """From the mending to the webhook."""
    false_alarms: int
    """Between its beginning and that of the next."""


class FalseAlarm(msgspec.Struct, frozen=True):
    """A point was called down, or alerted, whose line was whole."""

    at: float
    point: str
    by: str
    """``board`` or ``alert``."""


class PowerScore(msgspec.Struct, frozen=True):
    """How want of power was told from want of a line."""

    points_dark: int
    """Points that are watched and were without mains."""
    points_owed: int
    """Those of which it could be told: a UPS or a page says so, and the line held for long enough."""
    points_told: int
    """Those that were shown to be without power, owed or not."""
    points_missed: int
    told_seconds: Spread | None
    """From the loss of the mains to the board."""
    wrong: tuple[str, ...]
    """Points that were shown to be without power and were not."""


class Score(msgspec.Struct, frozen=True):
    """The outcome of a rehearsal."""

    rows: tuple[Row, ...]
    false_alarms: tuple[FalseAlarm, ...]
    detection_seconds: Spread | None
    alert_seconds: Spread | None
    power: PowerScore
    passed: bool
    """Every fault that was reached was noticed, every alert that was owed came, and none that was not."""


class _Timeline(msgspec.Struct):
    """Instants of one point, for looking up what came next."""

    at: list[float] = []

    def next(self, after: float, before: float = inf) -> float | None:
        """The first instant in the span."""
        index = bisect_left(self.at, after)
        return self.at[index] if index < len(self.at) and self.at[index] <= before else None

    def last(self, before: float) -> float:
        """The last instant earlier than that; -inf when there is none."""
        index = bisect_left(self.at, before)
        return self.at[index - 1] if index else -inf


Timelines = Mapping[str, _Timeline]


def _timelines(instants: Iterable[tuple[str, float]]) -> Timelines:
    found: dict[str, _Timeline] = defaultdict(_Timeline)
    for point, at in sorted(instants):
        found[point].at.append(at)
    return found


def score(
    evidence: Evidence, probed: frozenset[str], *, alerted: bool = True, tells_s: Mapping[str, float] | None = None
) -> Score:
    """The table.

    ``probed``: the points that are watched at all; ``alerted``: whether alerts could be received; ``tells_s``: by
    point, within how many seconds its UPS or its page tells that the mains are gone, where it has either.
    """
    noticed = _Noticed(evidence)
    wrong = tuple(sorted(_false_alarms(evidence, probed), key=lambda alarm: alarm.at))
    starts = sorted(
        (began, fault.number) for fault in evidence.faults if (began := _began(evidence, fault)) is not None
    )
    blame = [number for _, number in starts]
    shares: dict[int, int] = defaultdict(int)
    for alarm in wrong:
        shares[blame[max(0, bisect_right([at for at, _ in starts], alarm.at) - 1)] if blame else -1] += 1
    rows = tuple(_row(evidence, fault, noticed, probed, shares[fault.number]) for fault in evidence.faults)
    lasting = [hit for hit in evidence.hits if evidence.faults[hit.fault].lasting and hit.point in probed]
    complete = all(row.points_missed == 0 and (not alerted or row.alerts_missed == 0) for row in rows)
    power = _power(evidence, noticed, probed, tells_s or {})
    return Score(
        rows,
        wrong,
        Spread.of(_known(noticed.detection_s(hit) for hit in lasting)),
        Spread.of(_known(noticed.alert_s(hit) for hit in lasting)),
        power,
        passed=complete and not wrong and not power.wrong,
    )


class _Noticed:
    """What was noticed, by point, and how long each notice took."""

    def __init__(self, evidence: Evidence) -> None:
        self._end = evidence.ended_at or inf
        self._darkness = [(lost[0], lost[1] if len(lost) > 1 else inf) for lost in evidence.uplink.values() if lost]
        self.down = _timelines((s.point, s.at) for s in evidence.seen if s.state is PointState.DOWN)
        self.unwell = _timelines(
            (s.point, s.at) for s in evidence.seen if s.state is PointState.DOWN or s.cause is Cause.FLAPPING
        )
        self.unpowered = _timelines((s.point, s.at) for s in evidence.seen if s.cause is Cause.POWER_LOST)
        self.mute = _timelines((s.point, s.at) for s in evidence.seen if s.cause is Cause.LOST_SIGNALLING)
        self.well = _timelines((s.point, s.at) for s in evidence.seen if s.state is PointState.UP)
        self._cut = _timelines((hit.point, hit.cut_at) for hit in evidence.hits)
        self._mended = _timelines((hit.point, hit.mended_at) for hit in evidence.hits)
        self.connected = _timelines((s.point, s.at) for s in evidence.seen if s.state in CONNECTED)
        self.firing = _timelines((t.point, t.at) for t in evidence.told if t.firing)
        self.resolved = _timelines((t.point, t.at) for t in evidence.told if not t.firing)
        self.blind = _timelines(("", s.at) for s in evidence.sight if s.blind)
        self.sighted = _timelines(("", s.at) for s in evidence.sight if not s.blind)

    def from_at(self, hit: Hit) -> float:
        """When the outage could first be seen: at once, or when our own uplink was back."""
        return max([hit.cut_at, *(regained for lost, regained in self._darkness if lost <= hit.cut_at < regained)])

    def prolonged(self, span: tuple[float, float]) -> tuple[float, float]:
        """The span, until the lamp that was lit again could be seen: not while our own uplink was lost."""
        begin, end = span
        return begin, max([end, *(regained + LIT_GRACE_S for lost, regained in self._darkness if begin <= lost <= end)])

    def owed(self, hit: Hit) -> bool:
        """Whether it lasted, in sight, for long enough."""
        return self._until(hit) - self.from_at(hit) >= OWED_S

    def owed_beside(self, hit: Hit, within_s: float) -> bool:
        """Whether it lasted for long enough while the line was whole: what else is amiss shows only then."""
        if self._mended[hit.point].last(hit.cut_at) < self._cut[hit.point].last(hit.cut_at):
            return False
        fell_at = self._cut[hit.point].next(hit.cut_at)
        return min(self._until(hit), inf if fell_at is None else fell_at) - self.from_at(hit) >= within_s

    def _until(self, hit: Hit) -> float:
        return min([hit.mended_at, self._end, *(lost for lost, _ in self._darkness if lost > hit.cut_at)])

    def was_down(self, hit: Hit) -> bool:
        """Whether the point was shown as down before its line was cut, so that no news can come of it."""
        return self.down[hit.point].last(hit.cut_at) > self.connected[hit.point].last(hit.cut_at)

    def detection_s(self, hit: Hit) -> float | None:
        """From the cut to the board."""
        return _since(self.from_at(hit), self.down[hit.point].next(self.from_at(hit), hit.mended_at + GRACE_S))

    def mute_s(self, hit: Hit) -> float | None:
        """From a codec's going off to the board."""
        return _since(self.from_at(hit), self.mute[hit.point].next(self.from_at(hit), hit.mended_at + GRACE_S))

    def unpowered_s(self, dark: Hit) -> float | None:
        """From the loss of the mains to the board."""
        return _since(dark.cut_at, self.unpowered[dark.point].next(dark.cut_at, dark.mended_at + GRACE_S))

    def alert_s(self, hit: Hit) -> float | None:
        """From the cut to the webhook."""
        return _since(self.from_at(hit), self.firing[hit.point].next(self.from_at(hit), hit.mended_at + GRACE_S))

    def recovery_s(self, hit: Hit) -> float | None:
        """From the mending to the board."""
        return _since(hit.mended_at, self.connected[hit.point].next(hit.mended_at))

    def resolved_s(self, hit: Hit) -> float | None:
        """From the mending to the webhook."""
        return _since(hit.mended_at, self.resolved[hit.point].next(hit.mended_at))


def _since(begun: float, noticed: float | None) -> float | None:
    return None if noticed is None else noticed - begun


def _known(times: Iterable[float | None]) -> Iterator[float]:
    return (time for time in times if time is not None)


def _began(evidence: Evidence, fault: Fault) -> float | None:
    every = (*evidence.hits, *evidence.dark, *evidence.mute)
    instants = [hit.cut_at for hit in every if hit.fault == fault.number]
    return min(instants + evidence.uplink.get(fault.number, [])[:1], default=None)


def _row(evidence: Evidence, fault: Fault, noticed: _Noticed, probed: frozenset[str], false_alarms: int) -> Row:
    rows = {"uplink": _uplink_row, "flapping": _flapping_row, "codec_off": _codec_row}
    return rows.get(fault.kind, _lasting_row)(evidence, fault, noticed, probed, false_alarms)


def _hits(evidence: Evidence, fault: Fault, probed: frozenset[str]) -> list[Hit]:
    return [hit for hit in evidence.hits if hit.fault == fault.number and hit.point in probed]


def _lasting_row(evidence: Evidence, fault: Fault, noticed: _Noticed, probed: frozenset[str], false_alarms: int) -> Row:
    hits = [hit for hit in _hits(evidence, fault, probed) if not noticed.was_down(hit)]
    owed = [hit for hit in hits if noticed.owed(hit)]
    detected = [hit for hit in hits if noticed.detection_s(hit) is not None]
    mended = [hit for hit in detected if hit.mended_at < inf]
    return Row(
        fault.name,
        fault.kind,
        _began(evidence, fault),
        points_hit=len(hits),
        points_owed=len(owed),
        points_detected=len(detected),
        points_missed=sum(noticed.detection_s(hit) is None for hit in owed),
        alerts_missed=sum(noticed.alert_s(hit) is None for hit in owed),
        detection_seconds=Spread.of(_known(map(noticed.detection_s, hits))),
        alert_seconds=Spread.of(_known(map(noticed.alert_s, hits))),
        recovery_seconds=Spread.of(_known(map(noticed.recovery_s, mended))),
        resolved_seconds=Spread.of(_known(map(noticed.resolved_s, mended))),
        false_alarms=false_alarms,
    )


def _flapping_row(
    evidence: Evidence, fault: Fault, noticed: _Noticed, probed: frozenset[str], false_alarms: int
) -> Row:
    """By point, not by fall: it was noticed when the point was once shown as down or flapping."""
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    for hit in _hits(evidence, fault, probed):
        first[hit.point] = min(hit.cut_at, first.get(hit.point, inf))
        last[hit.point] = max(hit.mended_at, last.get(hit.point, 0.0))
    spans = {point: (at, last[point] + GRACE_S) for point, at in first.items()}
    seen = {point: _since(span[0], noticed.unwell[point].next(*span)) for point, span in spans.items()}
    told = {point: _since(span[0], noticed.firing[point].next(*span)) for point, span in spans.items()}
    return Row(
        fault.name,
        fault.kind,
        _began(evidence, fault),
        points_hit=len(spans),
        points_owed=0,
        points_detected=sum(time is not None for time in seen.values()),
        points_missed=0,
        alerts_missed=0,
        detection_seconds=Spread.of(_known(seen.values())),
        alert_seconds=Spread.of(_known(told.values())),
        recovery_seconds=None,
        resolved_seconds=None,
        false_alarms=false_alarms,
    )


def _codec_row(evidence: Evidence, fault: Fault, noticed: _Noticed, probed: frozenset[str], false_alarms: int) -> Row:
    """The point is to lose its signalling and nothing else: were it called down, that would be a false alarm."""
    hits = [hit for hit in evidence.mute if hit.fault == fault.number and hit.point in probed]
    seen = {hit.point: time for hit in hits if (time := noticed.mute_s(hit)) is not None}
    mended = [hit for hit in hits if hit.point in seen and hit.mended_at < inf]
    owed = [hit for hit in hits if noticed.owed_beside(hit, CODEC_OWED_S)]
    return Row(
        fault.name,
        fault.kind,
        _began(evidence, fault),
        points_hit=len(hits),
        points_owed=len(owed),
        points_detected=len(seen),
        points_missed=sum(hit.point not in seen for hit in owed),
        alerts_missed=0,
        detection_seconds=Spread.of(seen.values()),
        alert_seconds=None,
        recovery_seconds=Spread.of(
            _known(_since(hit.mended_at, noticed.well[hit.point].next(hit.mended_at)) for hit in mended)
        ),
        resolved_seconds=None,
        false_alarms=false_alarms,
    )


def _uplink_row(evidence: Evidence, fault: Fault, noticed: _Noticed, probed: frozenset[str], false_alarms: int) -> Row:  # noqa: ARG001
    """What must be noticed is that we are blind; no point is hit."""
    instants = evidence.uplink.get(fault.number, [])
    lost, regained = (*instants, inf, inf)[:2]
    seen = _since(lost, noticed.blind[""].next(lost, regained + GRACE_S))
    told = _since(lost, noticed.firing[""].next(lost, regained + GRACE_S))
    owed = bool(instants) and min(regained, evidence.ended_at or inf) - lost >= OWED_S
    return Row(
        fault.name,
        fault.kind,
        instants[0] if instants else None,
        points_hit=0,
        points_owed=int(owed),
        points_detected=int(seen is not None),
        points_missed=int(owed and seen is None),
        alerts_missed=int(owed and told is None),
        detection_seconds=Spread.of(_known([seen])),
        alert_seconds=Spread.of(_known([told])),
        recovery_seconds=Spread.of(_known([_since(regained, noticed.sighted[""].next(regained))])),
        resolved_seconds=Spread.of(_known([_since(regained, noticed.resolved[""].next(regained))])),
        false_alarms=false_alarms,
    )


def _power(evidence: Evidence, noticed: _Noticed, probed: frozenset[str], tells_s: Mapping[str, float]) -> PowerScore:
    dark = [hit for hit in evidence.dark if hit.point in probed]
    owed = [hit for hit in dark if hit.point in tells_s and noticed.owed_beside(hit, tells_s[hit.point])]
    times = list(_known(map(noticed.unpowered_s, dark)))
    spans = _spans(evidence.dark, probed, LIT_GRACE_S)
    said = ((seen.point, seen.at) for seen in evidence.seen if seen.cause is Cause.POWER_LOST)
    return PowerScore(
        points_dark=len(dark),
        points_owed=len(owed),
        points_told=len(times),
        points_missed=sum(noticed.unpowered_s(hit) is None for hit in owed),
        told_seconds=Spread.of(times),
        wrong=tuple(sorted({point for point, at in said if not _within(map(noticed.prolonged, spans[point]), at)})),
    )


def _spans(hits: Iterable[Hit], probed: frozenset[str], grace_s: float) -> Mapping[str, list[tuple[float, float]]]:
    """By point, from when to when something may be said of it."""
    spans: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for hit in hits:
        if hit.point in probed:
            spans[hit.point].append((hit.cut_at, hit.mended_at + grace_s))
    return spans


def _within(spans: Iterable[tuple[float, float]], at: float) -> bool:
    return any(begin <= at <= end for begin, end in spans)


def _false_alarms(evidence: Evidence, probed: frozenset[str]) -> Iterator[FalseAlarm]:
    """What was said of a point whose line was whole. An alert that repeats the board's error is not counted again."""
    spans = _spans(evidence.hits, probed, GRACE_S)

    def justified(point: str, at: float) -> bool:
        return _within(spans[point], at)

    accused: set[str] = set()
    standing: set[str] = set()
    for seen in evidence.seen:
        if seen.state in CONNECTED:
            standing.discard(seen.point)
        elif seen.state is PointState.DOWN and seen.point not in standing and not justified(seen.point, seen.at):
            standing.add(seen.point)
            accused.add(seen.point)
            yield FalseAlarm(seen.at, seen.point, "board")
    for told in evidence.told:
        if told.firing and told.point and told.point not in accused and not justified(told.point, told.at):
            accused.add(told.point)
            yield FalseAlarm(told.at, told.point, "alert")
