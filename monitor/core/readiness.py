"""The number before 07:30: which points are ready, what the others lack, and the counts by tier, district and commune.

A point is ready when it meets its rule: its line as the probes see it, and what it has reported of itself. Only a point
that takes part (``two_way`` or ``watch``) is counted as connected, ready, or with delegates; those who sit elsewhere
are counted where they sit, by their host, and what a merged point reports of itself counts nowhere.

Counts are kept current by events, so that asking costs nothing at 100,000 points: a heap holds the points whose
standing the mere passing of time will change, by the instant when it does. Pure.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from heapq import heappop, heappush
from math import inf, isfinite

import msgspec

from monitor.core.checkin import CheckIn, supersedes
from monitor.core.model import Cause, Mode, Point, PointState, Tier

CONNECTED = frozenset({PointState.UP, PointState.DEGRADED})
PLANNED_MODES = frozenset({Mode.TWO_WAY, Mode.WATCH})
BLIND_VALID_S = 300.0
"""While we ourselves do not see, a point stands as it was last seen, for so long."""

Place = tuple[Tier, str, str]
"""Tier, district code and commune code; empty codes for the province's own."""


class Requirement(StrEnum):
    """What a rule may ask a point to have reported."""

    PICTURE = "picture"
    SOUND = "sound"
    DELEGATES = "delegates"
    CHAIR = "chair"
    POWER = "power"


class Lack(StrEnum):
    """Why a point is not ready, the gravest first: the word that pages, reports, metrics and tests all read."""

    LOST_POWER = "lost_power"
    """Mất điện."""
    LOST_SIGNAL = "lost_signal"
    """Mất tín hiệu."""
    DEGRADED = "degraded"
    """Up, but not as it should be: chập chờn, mất hình, mất tiếng …"""
    UNSEEN = "unseen"
    """Nothing has been heard of its line."""
    SETTLING = "settling"
    """Connected, not yet for long enough."""
    NOT_ATTENDED = "not_attended"
    """Chưa có người trực: it has not reported, and its page is not open."""
    NOT_REPORTED = "not_reported"
    """Its page is open, it has not reported."""
    OUTDATED = "outdated"
    """Its report is too old to count."""
    NO_PICTURE = "no_picture"
    NO_SOUND = "no_sound"
    NO_DELEGATES = "no_delegates"
    """Chưa báo số đại biểu."""
    NO_CHAIR = "no_chair"
    NO_POWER_SOURCE = "no_power_source"


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What makes points of these tiers and modes ready."""

    tiers: frozenset[Tier] = frozenset(Tier)
    modes: frozenset[Mode] = PLANNED_MODES
    requires: frozenset[Requirement] = frozenset()
    """What it must have reported; empty: nothing, its line suffices."""
    connected_for_s: float | None = None
    """How long it must have been up; None for the ceremony's ``ready_after``."""
    degraded_counts: bool = False
    """Whether a line that is up but degraded suffices."""
    report_valid_s: float = inf
    """A report that was entered longer ago does not count."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What makes points ready: the first rule that fits a point is its rule; one that none fits must only be up."""

    rules: tuple[Rule, ...] = ()
    target_ratio: float = 1.0
    """The share of the points taking part that are to be ready by the deadline."""

    def of(self, point: Point) -> Rule:
        """The rule of a point."""
        return next((rule for rule in self.rules if point.tier in rule.tiers and point.mode in rule.modes), ONLY_UP)


ONLY_UP = Rule()


class Seen(msgspec.Struct, frozen=True):
    """A point's line, as far as readiness goes."""

    state: PointState
    cause: Cause
    since: float
    until: float = inf
    """Until when this may be believed; finite while we do not see."""


class Assessment(msgspec.Struct, frozen=True):
    """What a point lacks; ready when nothing."""

    lacks: tuple[Lack, ...]
    changes_at: float
    """When the mere passing of time changes it; infinite for never."""

    @property
    def ready(self) -> bool:
        """Whether it lacks nothing."""
        return not self.lacks


def assess(
    seen: Seen, report: CheckIn | None, rule: Rule, ready_after_s: float, now: float, *, attended: bool = False
) -> Assessment:
    """What a point that takes part lacks at ``now``, and when to look again."""
    line, line_until = _line_lack(seen, rule, ready_after_s, now)
    reported, report_until = _report_lacks(report, rule, now, attended=attended)
    return Assessment((*line, *reported), min(line_until, report_until))


def _line_lack(seen: Seen, rule: Rule, ready_after_s: float, now: float) -> tuple[tuple[Lack, ...], float]:
    """What the line lacks, and until when."""
    if seen.until <= now:
        return (Lack.UNSEEN,), inf
    lack = _fault(seen, rule)
    if lack is not None:
        return (lack,), seen.until
    settled_at = seen.since + (ready_after_s if rule.connected_for_s is None else rule.connected_for_s)
    if now < settled_at:
        return (Lack.SETTLING,), min(seen.until, settled_at)
    return (), seen.until


def _report_lacks(report: CheckIn | None, rule: Rule, now: float, *, attended: bool) -> tuple[tuple[Lack, ...], float]:
    """What the report lacks, and until when."""
    if not rule.requires:
        return (), inf
    if report is None:
        return (Lack.NOT_REPORTED if attended else Lack.NOT_ATTENDED,), inf
    valid_until = report.entered_at + rule.report_valid_s
    if valid_until <= now:
        return (Lack.OUTDATED,), inf
    told = {
        Requirement.PICTURE: report.picture,
        Requirement.SOUND: report.sound,
        Requirement.DELEGATES: report.delegates is not None,
        Requirement.CHAIR: bool(report.chair),
        Requirement.POWER: report.power is not None,
    }
    return tuple(UNTOLD[each] for each in Requirement if each in rule.requires and not told[each]), valid_until


UNTOLD = {
    Requirement.PICTURE: Lack.NO_PICTURE,
    Requirement.SOUND: Lack.NO_SOUND,
    Requirement.DELEGATES: Lack.NO_DELEGATES,
    Requirement.CHAIR: Lack.NO_CHAIR,
    Requirement.POWER: Lack.NO_POWER_SOURCE,
}


def _fault(seen: Seen, rule: Rule) -> Lack | None:
    """What is wrong with the line now."""
    if seen.state is PointState.DOWN:
        return Lack.LOST_POWER if seen.cause is Cause.POWER_LOST else Lack.LOST_SIGNAL
    if seen.state is PointState.DEGRADED and not rule.degraded_counts:
        return Lack.LOST_POWER if seen.cause is Cause.POWER_LOST else Lack.DEGRADED
    return None if seen.state in CONNECTED else Lack.UNSEEN


class Counts(msgspec.Struct, frozen=True):
    """Points and people of a tier, a district, a commune or the whole. Summed up thousands of times a second."""

    planned: int = 0
    """All of them, whatever their mode."""
    merged: int = 0
    """Of those, how many sit at another point,"""
    without_coverage: int = 0
    """and how many cannot connect."""
    expected: int = 0
    """Taking part: ``planned - merged - without_coverage``."""
    up: int = 0
    """Connected, degraded ones included."""
    ready: int = 0
    hosted: int = 0
    """Merged points, of wherever, that sit at points of this one."""
    reported: int = 0
    """Points taking part that have told their delegates; ``late`` of them after the deadline."""
    late: int = 0
    delegates: int = 0
    attendees: int = 0

    def plus(self, other: "Counts") -> "Counts":
        """Both together."""
        return Counts(
            self.planned + other.planned,
            self.merged + other.merged,
            self.without_coverage + other.without_coverage,
            self.expected + other.expected,
            self.up + other.up,
            self.ready + other.ready,
            self.hosted + other.hosted,
            self.reported + other.reported,
            self.late + other.late,
            self.delegates + other.delegates,
            self.attendees + other.attendees,
        )

    def minus(self, other: "Counts") -> "Counts":
        """What is left without the other."""
        return Counts(
            self.planned - other.planned,
            self.merged - other.merged,
            self.without_coverage - other.without_coverage,
            self.expected - other.expected,
            self.up - other.up,
            self.ready - other.ready,
            self.hosted - other.hosted,
            self.reported - other.reported,
            self.late - other.late,
            self.delegates - other.delegates,
            self.attendees - other.attendees,
        )


NOTHING = Counts()


class Readiness(msgspec.Struct, frozen=True):
    """The number that the organizers owe, at the instant ``at`` (Unix time)."""

    total: Counts
    tiers: Mapping[Tier, Counts]
    """Tiers that have a point, from the province downwards."""
    at: float


class Standing(msgspec.Struct, frozen=True):
    """One point, as lists and reports show it."""

    point: Point
    host: Point | None
    """Where its people sit, for a merged one; None where that leads nowhere."""
    seen: Seen
    report: CheckIn | None
    """What it has reported; None for one that does not take part, for it counts nowhere."""
    connected: bool
    ready: bool
    lacks: tuple[Lack, ...]
    """Empty for a ready point and for one that does not take part."""
    changes_at: float = inf
    """When the mere passing of time changes it; infinite for never."""


class _Entry(msgspec.Struct):
    """What is kept of a point."""

    point: Point
    place: Place
    rule: Rule
    seen: Seen
    report: CheckIn | None = None
    counted: Counts = NOTHING
    """What it adds to its place now,"""
    lacks: tuple[Lack, ...] = ()
    """and what it lacks, as far as can be told without knowing whether its page is open."""
    changes_at: float = inf


class Tally:
    """Keeps the standing of every point. The pipeline writes it; everybody else reads."""

    def __init__(self, points: Mapping[str, Point], rules: Rules, ready_after_s: float, now: float) -> None:
        self.rules = rules
        self._ready_after_s = ready_after_s
        self._points = points
        self._places: dict[Place, Counts] = {}
        self._tiers: dict[Tier, Counts] = {}
        self._lacking: Counter[tuple[Tier, Lack]] = Counter()
        self._heap: list[tuple[float, str]] = []
        self._hosted: dict[str, int] = {}
        for point in points.values():
            host = host_of(point, points)
            if host is not None and host is not point:
                self._hosted[host.id] = self._hosted.get(host.id, 0) + 1
        unseen = Seen(PointState.UNKNOWN, Cause.NO_EVIDENCE, now)
        self._entries = {point.id: _Entry(point, place_of(point), rules.of(point), unseen) for point in points.values()}
        for entry in self._entries.values():
            self._recount(entry, now)

    def place(self, point_id: str, seen: Seen, now: float) -> None:
        """A point's line is so now."""
        entry = self._entries[point_id]
        entry.seen = seen
        self._recount(entry, now)

    def report(self, check_in: CheckIn, now: float) -> bool:
        """A point has reported; whether it is now what holds. One of an unknown point is passed over."""
        entry = self._entries.get(check_in.point)
        if entry is None or not supersedes(check_in, entry.report):
            return False
        entry.report = check_in
        self._recount(entry, now)
        return True

    def reports(self) -> list[CheckIn]:
        """The check-ins that hold, also of points that do not take part."""
        return [entry.report for entry in self._entries.values() if entry.report is not None]

    def report_of(self, point_id: str) -> CheckIn | None:
        """The check-in of a point that holds. Raises KeyError for an unknown point."""
        return self._entries[point_id].report

    def count(self, now: float) -> Readiness:
        """The counts at ``now``."""
        self._ripen(now)
        tiers = {tier: self._tiers[tier] for tier in Tier if tier in self._tiers}
        total = NOTHING
        for counts in tiers.values():
            total = total.plus(counts)
        return Readiness(total, tiers, now)

    def places(self, now: float) -> Mapping[Place, Counts]:
        """The counts of each tier in each commune; every other table is a sum of these."""
        self._ripen(now)
        return self._places

    def lacking(self, now: float, attended: Iterable[str] = ()) -> Counter[tuple[Tier, Lack]]:
        """How many points taking part lack what, by tier. ``attended``: those whose page is open."""
        self._ripen(now)
        found = Counter(self._lacking)
        for point_id in attended:
            entry = self._entries[point_id]
            if Lack.NOT_ATTENDED in entry.lacks:
                found[entry.point.tier, Lack.NOT_ATTENDED] -= 1
                found[entry.point.tier, Lack.NOT_REPORTED] += 1
        return found

    def standing(self, point_id: str, now: float, *, attended: bool = False) -> Standing:
        """One point. ``attended``: whether its page is open. Raises KeyError for an unknown one."""
        entry = self._entries[point_id]
        host = host_of(entry.point, self._points)
        if not entry.point.expected:
            return Standing(entry.point, host, entry.seen, None, connected=False, ready=False, lacks=())
        found = assess(entry.seen, entry.report, entry.rule, self._ready_after_s, now, attended=attended)
        connected = _is_connected(entry.seen, now)
        return Standing(
            entry.point, None, entry.seen, entry.report, connected, found.ready, found.lacks, found.changes_at
        )

    def shift(self, by_s: float, now: float) -> None:
        """The clock was set back: what the line was seen to be moves with it, what people said stays."""
        for entry in self._entries.values():
            entry.seen = msgspec.structs.replace(
                entry.seen, since=entry.seen.since + by_s, until=entry.seen.until + by_s
            )
            entry.changes_at = inf
        self._heap.clear()
        for entry in self._entries.values():
            self._recount(entry, now)

    def _ripen(self, now: float) -> None:
        while self._heap and self._heap[0][0] <= now:
            changes_at, point_id = heappop(self._heap)
            entry = self._entries[point_id]
            if entry.changes_at == changes_at:
                self._recount(entry, now)

    def _recount(self, entry: _Entry, now: float) -> None:
        counted, lacks, changes_at = self._count(entry, now)
        if changes_at != entry.changes_at:
            entry.changes_at = changes_at
            if isfinite(changes_at):
                heappush(self._heap, (changes_at, entry.point.id))
        tier = entry.place[0]
        if lacks != entry.lacks:
            self._lacking.subtract((tier, lack) for lack in entry.lacks)
            self._lacking.update((tier, lack) for lack in lacks)
            entry.lacks = lacks
        if counted != entry.counted:
            change = counted.minus(entry.counted)
            self._places[entry.place] = self._places.get(entry.place, NOTHING).plus(change)
            self._tiers[tier] = self._tiers.get(tier, NOTHING).plus(change)
            entry.counted = counted

    def _count(self, entry: _Entry, now: float) -> tuple[Counts, tuple[Lack, ...], float]:
        """What a point adds to its place, what it lacks, and until when."""
        point, report = entry.point, entry.report
        hosted = self._hosted.get(point.id, 0)
        if not point.expected:
            merged = point.mode is Mode.MERGED
            return Counts(planned=1, merged=int(merged), without_coverage=int(not merged), hosted=hosted), (), inf
        found = assess(entry.seen, report, entry.rule, self._ready_after_s, now)
        told = report is not None and report.delegates is not None
        counts = Counts(
            planned=1,
            expected=1,
            up=int(_is_connected(entry.seen, now)),
            ready=int(found.ready),
            hosted=hosted,
            reported=int(told),
            late=int(told and report is not None and report.late),
            delegates=(report.delegates or 0) if report is not None else 0,
            attendees=people(report),
        )
        return counts, found.lacks, found.changes_at


def people(report: CheckIn | None) -> int:
    """Everybody in the hall as far as told: delegates where only they were counted."""
    if report is None:
        return 0
    return report.attendees if report.attendees is not None else report.delegates or 0


def _is_connected(seen: Seen, now: float) -> bool:
    return seen.state in CONNECTED and now < seen.until


def place_of(point: Point) -> Place:
    """Where a point is counted."""
    return point.tier, point.district_code or "", point.commune_code or ""


def host_of(point: Point, points: Mapping[str, Point]) -> Point | None:
    """Where a merged point's people sit in the end, through all it is merged into; None where that leads nowhere."""
    seen: set[str] = set()
    found: Point | None = point
    while found is not None and found.mode is Mode.MERGED:
        if found.id in seen:
            return None
        seen.add(found.id)
        found = points.get(found.merged_into or "")
    return found if found is not None and found.expected else None
