"""What the board shows: figures, lists and the state of every cell, read from the pipeline.

Keeps only what makes a push cheap: which points changed since the last one, and which are down. All that goes over
the wire is a :class:`Snapshot` or a :class:`Delta`; cells are spoken of by their number in the layout.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import nlargest
from math import isfinite
from typing import Protocol
from urllib.parse import quote
from zoneinfo import ZoneInfo

import msgspec

from monitor.core.model import Cause, Happening, PointChanged, PointState, Tier
from monitor.core.pipeline import Pipeline, PointStatus
from monitor.core.readiness import Readiness
from monitor.web import text
from monitor.web.incidents import IncidentListing, Rows
from monitor.web.layout import RANK, Layout, lay_out
from monitor.web.text import TEXT

STATE_CODES = {
    PointState.UP: "u",
    PointState.DEGRADED: "g",
    PointState.DOWN: "d",
    PointState.UNKNOWN: "n",
    PointState.NOT_EXPECTED: "x",
}
CAUSE_CODES = {cause: chr(ord("a") + i) for i, cause in enumerate(Cause)}
SHOWN = tuple(state for state in PointState if state is not PointState.NOT_EXPECTED)
"""The states that have a column of their own."""

MANY = 4
"""So many points of a district that are down make one row."""
ROWS = 12
ALERT_ROWS = 5
NAMED = 3
"""How many points a row names before it counts the others."""


class FiringAlert(Protocol):
    """An alert as the board shows it."""

    @property
    def annotations(self) -> Mapping[str, str]:
        """With ``summary``, in Vietnamese."""

    @property
    def labels(self) -> Mapping[str, str]:
        """With ``severity``, and ``instance`` where it is about a point."""

    @property
    def starts_at(self) -> float:
        """Unix time."""


Firing = Callable[[], Mapping[str, FiringAlert]]
"""Asks for the alerts that fire, by any key."""


class Row(msgspec.Struct, frozen=True):
    """A line of a list: what, more of it, since when, and where it leads."""

    title: str
    detail: str
    since: str
    href: str
    kind: str = ""


class Listing(msgspec.Struct, frozen=True):
    """A list that is bounded: ``total`` things, some of them in ``rows``, ``more`` of them in none."""

    total: int
    rows: tuple[Row, ...]
    more: str
    """``và 12 điểm nữa``; empty when there are none."""
    summary: str = ""
    """For those who listen to the page."""


class TierRow(msgspec.Struct, frozen=True):
    """A tier's line in the table; ``states`` counts its expected points by state code."""

    tier: Tier
    expected: int
    ready: int
    states: dict[str, int]


class Head(msgspec.Struct, frozen=True):
    """All of the board but its cells."""

    at: float
    title: str
    phase: str
    blind: str
    """The banner's sentence; empty while we see."""
    expected: int
    ready: int
    tiers: tuple[TierRow, ...]
    states: dict[str, int]
    """Points by state code, all tiers together."""
    report_at: float
    begins_at: float
    report: str
    begins: str
    down: Listing
    alerts: Listing
    incidents: IncidentListing
    why: str = ""
    """What the degraded points suffer from, the commonest first; empty when there are none."""


class Snapshot(msgspec.Struct, frozen=True):
    """Everything at an instant; ``states`` and ``causes`` have one letter a cell."""

    layout: str
    head: Head
    states: str
    causes: str
    epoch: int
    since: list[int]
    """Seconds after ``epoch`` (Unix time), a number a cell."""
    cells: tuple[()] = ()
    whole: bool = True


class Delta(msgspec.Struct, frozen=True):
    """What changed: the whole head, and ``(cell, state code, cause code, since)`` of the cells that did."""

    layout: str
    head: Head
    cells: list[tuple[int, str, str, int]]
    whole: bool = False


class Board:
    """The board's view of a pipeline. Told of every happening; asked for pushes."""

    def __init__(self, pipeline: Pipeline, firing: Firing) -> None:
        self._pipeline = pipeline
        self._firing = firing
        self._changed: set[str] = set()
        self._down: set[str] = set()
        self._degraded: set[str] = set()
        self._reseat()

    def notice(self, happenings: Iterable[Happening]) -> None:
        """Remember which points changed."""
        for happening in happenings:
            if isinstance(happening, PointChanged):
                self._changed.add(happening.point)

    @property
    def zone(self) -> ZoneInfo:
        """Where the ceremony is."""
        return ZoneInfo(self._pipeline.ceremony.timezone)

    def changes(self, now: float) -> "Delta | Snapshot":
        """What changed since the last call; the whole when that is shorter, or when the inventory is another."""
        if self._pipeline.inventory is not self._inventory:
            self._reseat()
            return self.snapshot(now)
        changed, self._changed = self._changed, set()
        self._follow_down(changed)
        if len(changed) * 4 > len(self.layout.ids):
            return self.snapshot(now)
        cells = [self._cell(point_id) for point_id in changed if point_id in self._numbers]
        return Delta(self.layout.version, self.head(now), cells)

    def idle(self) -> None:
        """Nobody looks: what changed so far need not be told."""
        self._follow_down(self._changed)
        self._changed = set()

    def snapshot(self, now: float) -> Snapshot:
        """All of it."""
        if self._pipeline.inventory is not self._inventory:
            self._reseat()
        self._follow_down(self._changed)
        points = [self._pipeline.points[point_id] for point_id in self.layout.ids]
        since = [_whole(status.since) for status in points]
        epoch = min(since, default=0)
        return Snapshot(
            self.layout.version,
            self.head(now),
            "".join(STATE_CODES[status.state] for status in points),
            "".join(CAUSE_CODES[status.cause] for status in points),
            epoch,
            [at - epoch for at in since],
        )

    def blind(self, now: float) -> str:
        """That we do not see, and since when; empty while we do."""
        if not self._pipeline.blind:
            return ""
        return TEXT["blind"].format(since=text.moment(self._pipeline.blind_since, now, self.zone))

    def head(self, now: float) -> Head:
        """Figures and lists."""
        pipeline, ceremony, zone = self._pipeline, self._pipeline.ceremony, self.zone
        readiness = pipeline.readiness(now)
        states = self._count_states()
        return Head(
            at=now,
            title=ceremony.title,
            phase=pipeline.phase.title,
            blind=self.blind(now),
            expected=readiness.total.expected,
            ready=readiness.total.ready,
            tiers=_tier_rows(readiness, states),
            states=_totals(states),
            report_at=ceremony.report_at,
            begins_at=ceremony.begins_at,
            report=text.appointment(ceremony.report_at, now, zone),
            begins=text.appointment(ceremony.begins_at, now, zone),
            down=self._list_down(now, zone),
            incidents=self._list_incidents(now, zone),
            why=told_why(self._pipeline.points[point_id].cause for point_id in self._degraded),
            alerts=list_alerts(self._firing(), now, zone),
        )

    def _reseat(self) -> None:
        self._inventory = self._pipeline.inventory
        self.layout: Layout = lay_out(self._inventory)
        self._numbers = {point_id: number for number, point_id in enumerate(self.layout.ids)}
        self._incidents = Rows(self._inventory, self._numbers)
        self._changed, self._down, self._degraded = set(), set(), set()
        self._follow_down(self._numbers)

    def _follow_down(self, changed: Iterable[str]) -> None:
        for point_id in changed:
            status = self._pipeline.points.get(point_id)
            for state, members in ((PointState.DOWN, self._down), (PointState.DEGRADED, self._degraded)):
                if status is not None and status.state is state:
                    members.add(point_id)
                else:
                    members.discard(point_id)

    def _cell(self, point_id: str) -> tuple[int, str, str, int]:
        status = self._pipeline.points[point_id]
        return self._numbers[point_id], STATE_CODES[status.state], CAUSE_CODES[status.cause], _whole(status.since)

    def _list_down(self, now: float, zone: ZoneInfo) -> Listing:
        if self._pipeline.blind:
            return Listing(0, (), "", TEXT["down_blind"])
        return list_down([self._pipeline.points[point_id] for point_id in self._down], self._name, now, zone)

    def _list_incidents(self, now: float, zone: ZoneInfo) -> IncidentListing:
        if self._pipeline.blind:
            return IncidentListing(0, (), "", TEXT["down_blind"])
        return self._incidents.listing(self._pipeline.incidents.ongoing, now, zone)

    def _name(self, district_code: str | None) -> str:
        return self._inventory.district_name(district_code)

    def _count_states(self) -> dict[tuple[Tier, PointState], int]:
        states: dict[tuple[Tier, PointState], int] = {}
        for (tier, _district, state), number in self._pipeline.counts.items():
            states[tier, state] = states.get((tier, state), 0) + number
        return states


def list_down(down: Sequence[PointStatus], name_of: Callable[[str | None], str], now: float, zone: ZoneInfo) -> Listing:
    """What is down, newest first; one row for a district where it is many. Pure."""
    if not down:
        return Listing(0, (), "", TEXT["down_none"])
    rows = nlargest(ROWS, _groups(down), key=lambda group: group[0].since)
    shown = sum(len(group) for group in rows)
    newest = rows[0][0]
    summary = TEXT["down_summary"].format(count=text.count(len(down)), newest=newest.point.name)
    more = TEXT["down_more"].format(count=text.count(len(down) - shown)) if shown < len(down) else ""
    return Listing(len(down), tuple(_down_row(group, name_of, now, zone) for group in rows), more, summary)


def told_why(causes: Iterable[Cause]) -> str:
    """What degraded points suffer from: ``mất điện 12 · mất tiếng 3``. Pure."""
    counted = Counter(causes).most_common()
    told = " · ".join(f"{text.CAUSES[cause]} {text.count(number)}" for cause, number in counted)
    return TEXT["why"].format(causes=told) if told else ""


def list_alerts(firing: Mapping[str, FiringAlert], now: float, zone: ZoneInfo) -> Listing:
    """What fires, incidents before single points, in each the newest first. Pure."""
    newest = nlargest(ALERT_ROWS, firing.values(), key=lambda alert: ("incident" in alert.labels, alert.starts_at))
    rows = tuple(
        Row(
            alert.annotations.get("summary", ""),
            "",
            text.moment(alert.starts_at, now, zone),
            point_href(alert.labels.get("instance", "")),
            alert.labels.get("severity", ""),
        )
        for alert in newest
    )
    hidden = len(firing) - len(rows)
    return Listing(len(firing), rows, TEXT["alerts_more"].format(count=text.count(hidden)) if hidden else "")


def _groups(down: Sequence[PointStatus]) -> list[list[PointStatus]]:
    """Points of a district together where they are many, else each by itself; in each, the newest first."""
    by_district: dict[str, list[PointStatus]] = {}
    for status in sorted(down, key=lambda status: (-status.since, RANK[status.point.tier])):
        by_district.setdefault(status.point.district_code or "", []).append(status)
    groups: list[list[PointStatus]] = []
    for members in by_district.values():
        groups += [members] if len(members) >= MANY else [[status] for status in members]
    return groups


def _down_row(group: Sequence[PointStatus], name_of: Callable[[str | None], str], now: float, zone: ZoneInfo) -> Row:
    first = group[0]
    district = name_of(first.point.district_code)
    if len(group) == 1:
        told = [district if district != first.point.name else "", text.CAUSES[first.cause]]
        detail = " · ".join(filter(None, told))
        return Row(first.point.name, detail, text.moment(first.since, now, zone), point_href(first.point.id))
    title = TEXT["down_group" if district else "down_group_province"]
    return Row(
        title.format(district=district, count=text.count(len(group))),
        _names(group),
        text.moment(min(status.since for status in group), now, zone),
        f"#tile-{quote(first.point.district_code or 'home')}",
        "group",
    )


def _names(group: Sequence[PointStatus]) -> str:
    highest = sorted(group, key=lambda status: RANK[status.point.tier])[:NAMED]
    names = ", ".join(status.point.name for status in highest)
    hidden = len(group) - len(highest)
    return TEXT["names_more"].format(names=names, count=text.count(hidden)) if hidden else names


def _tier_rows(readiness: Readiness, states: Mapping[tuple[Tier, PointState], int]) -> tuple[TierRow, ...]:
    return tuple(
        TierRow(
            tier,
            counts.expected,
            counts.ready,
            {STATE_CODES[state]: states.get((tier, state), 0) for state in SHOWN},
        )
        for tier, counts in readiness.tiers.items()
        if counts.expected
    )


def _totals(states: Mapping[tuple[Tier, PointState], int]) -> dict[str, int]:
    totals = dict.fromkeys(STATE_CODES.values(), 0)
    for (_tier, state), number in states.items():
        totals[STATE_CODES[state]] += number
    return totals


def point_href(point_id: str) -> str:
    """Where a point's page is; nowhere for no point."""
    return f"/points/{quote(point_id, safe='')}" if point_id else ""


def _whole(at: float) -> int:
    return int(at) if isfinite(at) else 0
