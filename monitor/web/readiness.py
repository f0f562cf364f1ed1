"""The organizers' view: the one number, what is missing and whom to call, and every point's standing. Pure.

A point's standing is a short row of codes; of 5,000 only those are looked at that something happened to, or whose time
has come: a line that has settled, a report that has grown old. A few more at each look make good whatever is missed,
such as a clock that was set back.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2s
from heapq import heappop, heappush
from math import inf, isfinite
from zoneinfo import ZoneInfo

import msgspec

from monitor.core.model import BlindnessChanged, CheckChanged, CheckedIn, Happening, Mode, PointChanged, Tier
from monitor.core.organization import Coordinator
from monitor.core.pipeline import Pipeline
from monitor.core.readiness import Counts, Lack, Standing
from monitor.core.snapshot import target_of
from monitor.web import text
from monitor.web.board import STATE_CODES
from monitor.web.text import TEXT

LACK_CODES = {lack: chr(ord("a") + number) for number, lack in enumerate(Lack)}
READY, CONNECTED, LATE = 1, 2, 4
"""Flags of a row."""
LOOKS = 32
"""All points have been looked at after so many looks, whatever has happened."""
TREND_POINTS = 120
"""The drawing needs no more."""
NEVER = -1
CoordinatorsOf = Callable[[], Mapping[str, Coordinator]]
"""Asks who answers for which scope; another mapping after a reload."""

Row = tuple[int, str, str, int, int, int, int]
"""Number of the point, code of its state, lacks, flags, delegates, people (-1 for not told), when it reported."""


class Sheet(msgspec.Struct, frozen=True):
    """Who the points are: a column each, in the order of their numbers. Made anew for each inventory."""

    version: str
    """Changes with anything else here: a page that was made for another sheet has to load again."""
    ids: tuple[str, ...]
    names: tuple[str, ...]
    tiers: tuple[int, ...]
    """Numbers of tiers, from the province downwards."""
    districts: tuple[int, ...]
    """Numbers of places in ``places``."""
    hosts: tuple[int, ...]
    """Of a merged point the number of the one where its people sit, of one without coverage -2, else -1."""
    places: tuple[tuple[str, str], ...]
    """Code and name of each district; the province's own points first."""


class DistrictView(msgspec.Struct, frozen=True):
    """What a district still lacks."""

    code: str
    name: str
    expected: int
    ready: int
    up: int
    reported: int
    delegates: int
    lacks: tuple[tuple[str, int], ...]
    """Code of a lack, and how many points have it; the commonest first."""
    desk: str
    """Who is to be called."""
    phone: str


class Head(msgspec.Struct, frozen=True):
    """All but the rows."""

    at: float
    blind: str
    report_at: float
    begins_at: float
    report: str
    begins: str
    total: Counts
    tiers: tuple[tuple[str, Counts], ...]
    districts: tuple[DistrictView, ...]
    """The one with most missing first."""
    target: int
    forecast: str
    """In words, when the target will be met."""
    trend: tuple[tuple[int, int, int], ...]
    """Instant, ready and expected points, oldest first."""


class Whole(msgspec.Struct, frozen=True):
    """Everything at an instant."""

    layout: str
    head: Head
    cells: list[Row]
    whole: bool = True


class Delta(msgspec.Struct, frozen=True):
    """The head, and the rows that are other than they were."""

    layout: str
    head: Head
    cells: list[Row]
    whole: bool = False


class ReadinessBoard:
    """The view of a pipeline. Told of every happening; asked for pushes."""

    def __init__(self, pipeline: Pipeline, coordinators: CoordinatorsOf) -> None:
        self._pipeline = pipeline
        self._coordinators = coordinators
        self._changed: set[str] = set()
        self._untold: set[int] = set()
        """Numbers of rows that are other than those who look have been told."""
        self._watched = False
        """Whether somebody looks."""
        self._turn = 0
        self._reseat(0.0)

    def notice(self, happenings: Iterable[Happening]) -> None:
        """Remember which points changed."""
        for happening in happenings:
            if isinstance(happening, PointChanged | CheckedIn | CheckChanged):
                self._changed.add(happening.point)
            elif isinstance(happening, BlindnessChanged):
                self._changed.update(self.sheet.ids)

    def changes(self, now: float) -> Delta | Whole:
        """What changed since the last call, by what happened or by time."""
        if self._pipeline.inventory is not self._inventory:
            return self.snapshot(now)
        changed, self._changed = self._changed, set()
        self._turn = (self._turn + 1) % LOOKS
        for point_id in {*changed, *self._ripe(now), *self.sheet.ids[self._turn :: LOOKS]}:
            self._look(point_id, now)
        untold, self._untold = self._untold, set()
        return Delta(self.sheet.version, self.head(now), [self._rows[number] for number in untold])

    def idle(self) -> None:
        """Nobody looks: a snapshot will look at every point."""
        self._changed, self._watched = set(), False

    def snapshot(self, now: float) -> Whole:
        """All of it, for one who comes; the others are told by the next changes."""
        if self._pipeline.inventory is not self._inventory:
            self._reseat(now)
        for point_id in self.sheet.ids:
            self._look(point_id, now)
        if not self._watched:
            self._watched, self._untold = True, set()
        return Whole(self.sheet.version, self.head(now), self._rows)

    def head(self, now: float) -> Head:
        """Figures and what is missing by district."""
        pipeline, ceremony = self._pipeline, self._pipeline.ceremony
        zone, readiness = ZoneInfo(ceremony.timezone), pipeline.readiness(now)
        target = target_of(readiness.total.expected, pipeline.tally.rules.target_ratio)
        since = text.moment(pipeline.blind_since, now, zone)
        return Head(
            at=now,
            blind=TEXT["readiness_blind"].format(since=since) if pipeline.blind else "",
            report_at=ceremony.report_at,
            begins_at=ceremony.begins_at,
            report=text.appointment(ceremony.report_at, now, zone),
            begins=text.appointment(ceremony.begins_at, now, zone),
            total=readiness.total,
            tiers=tuple((text.TIERS[tier], counts) for tier, counts in readiness.tiers.items()),
            districts=tuple(sorted(self._districts(now), key=lambda each: (each.ready - each.expected, each.name))),
            target=target,
            forecast=self._forecast(target, readiness.total.ready, now, zone),
            trend=tuple(self._trend()),
        )

    def _forecast(self, target: int, ready: int, now: float, zone: ZoneInfo) -> str:
        told = {"target": text.count(target)}
        if ready >= target:
            return TEXT["forecast_met"].format(**told)
        met_at = self._pipeline.trend.met_at(target, ready, now)
        if met_at is None:
            return TEXT["forecast_none"].format(**told)
        late = met_at > self._pipeline.ceremony.report_at
        form = "forecast_late" if late else "forecast_at"
        return TEXT[form].format(**told, at=text.time_of_day(met_at, zone))

    def _trend(self) -> Iterator[tuple[int, int, int]]:
        samples = self._pipeline.trend.samples
        step = max(1, -(-len(samples) // TREND_POINTS))
        return ((int(each.at), each.ready, each.expected) for each in samples[::-1][::step][::-1])

    def _districts(self, now: float) -> Iterator[DistrictView]:
        sums: dict[str, Counts] = {}
        for (_tier, district, _commune), counts in self._pipeline.tally.places(now).items():
            sums[district] = sums[district].plus(counts) if district in sums else counts
        for (code, name), lacks in zip(self.sheet.places, self._lacks, strict=True):
            counts = sums.get(code, Counts())
            if counts.expected:
                yield self._district(code, name, counts, +lacks)

    def _district(self, code: str, name: str, counts: Counts, lacks: Counter[str]) -> DistrictView:
        desk = self._coordinators().get(f"district:{code}")
        return DistrictView(
            code=code,
            name=name,
            expected=counts.expected,
            ready=counts.ready,
            up=counts.up,
            reported=counts.reported,
            delegates=counts.delegates,
            lacks=tuple(lacks.most_common()),
            desk=desk.title if desk else "",
            phone=desk.phone if desk else "",
        )

    def _reseat(self, now: float) -> None:
        self._inventory = self._pipeline.inventory
        self.sheet = sheet_of(self._pipeline)
        self._numbers = {point_id: number for number, point_id in enumerate(self.sheet.ids)}
        self._rows: list[Row] = [(number, "", "", 0, NEVER, NEVER, NEVER) for number in range(len(self.sheet.ids))]
        self._lacks: list[Counter[str]] = [Counter() for _ in self.sheet.places]
        """How many points lack what, in each of the places; zeros may occur."""
        self._due = [inf] * len(self._rows)
        self._heap: list[tuple[float, int]] = []
        for point_id in self.sheet.ids:
            self._look(point_id, now)
        self._changed, self._untold = set(), set()

    def _ripe(self, now: float) -> Iterator[str]:
        """Points that time has changed. Each is then looked at."""
        while self._heap and self._heap[0][0] <= now:
            due, number = heappop(self._heap)
            if self._due[number] == due:
                self._due[number] = inf
                yield self.sheet.ids[number]

    def _look(self, point_id: str, now: float) -> None:
        """Take down how a point stands, and when to look again."""
        number = self._numbers.get(point_id)
        if number is None:
            return
        standing = self._pipeline.standing(point_id, now)
        if standing.changes_at != self._due[number]:
            self._due[number] = standing.changes_at
            if isfinite(standing.changes_at):
                heappush(self._heap, (standing.changes_at, number))
        row, before = row_of(number, standing), self._rows[number]
        if row != before:
            self._rows[number] = row
            self._untold.add(number)
            self._recount(self.sheet.districts[number], before[2], row[2])

    def _recount(self, place: int, before: str, after: str) -> None:
        if before != after:
            self._lacks[place].subtract(before)
            self._lacks[place].update(after)


def row_of(number: int, standing: Standing) -> Row:
    """A point's standing in codes."""
    report = standing.report
    flags = READY * standing.ready | CONNECTED * standing.connected | LATE * (report is not None and report.late)
    lacks = "".join(LACK_CODES[lack] for lack in standing.lacks)
    code = STATE_CODES[standing.seen.state]
    if report is None:
        return number, code, lacks, flags, NEVER, NEVER, NEVER
    return number, code, lacks, flags, _told(report.delegates), _told(report.attendees), int(report.received_at)


def sheet_of(pipeline: Pipeline) -> Sheet:
    """Every point of the inventory, by district, the higher tiers first."""
    inventory = pipeline.inventory
    codes = sorted({point.district_code or "" for point in inventory.points.values()})
    places = tuple((code, _place(code, pipeline)) for code in codes)
    order, rank = (
        {code: number for number, code in enumerate(codes)},
        {tier: number for number, tier in enumerate(Tier)},
    )
    points = sorted(
        inventory.points.values(),
        key=lambda each: (order[each.district_code or ""], not each.expected, rank[each.tier], each.commune_code or ""),
    )
    numbers = {point.id: number for number, point in enumerate(points)}
    made = Sheet(
        "",
        tuple(point.id for point in points),
        tuple(point.name for point in points),
        tuple(rank[point.tier] for point in points),
        tuple(order[point.district_code or ""] for point in points),
        tuple(
            numbers.get(point.merged_into or "", -2) if point.mode is Mode.MERGED else -1 if point.expected else -2
            for point in points
        ),
        places,
    )
    version = blake2s(msgspec.json.encode(made), digest_size=8).hexdigest()
    return msgspec.structs.replace(made, version=version)


def _place(code: str, pipeline: Pipeline) -> str:
    return pipeline.inventory.district_name(code) if code else TEXT["province_tile"]


def _told(people: int | None) -> int:
    return NEVER if people is None else people
