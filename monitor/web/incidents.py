"""Incidents in words: what failed, who must act, how sure that is; the board's list of them. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from heapq import nlargest
from urllib.parse import quote
from zoneinfo import ZoneInfo

import msgspec

from monitor.core.attribution import SITE, RunnerUp
from monitor.core.incidents import Incident
from monitor.core.model import Certainty, IncidentState, Inventory, Node, Point, Tree
from monitor.web import text
from monitor.web.text import TEXT

ROWS = 12
SITES = 4
"""More incidents at single sites than this make one row."""
NAMED = 3
"""How many sites that row names before it counts the others."""
APART = 3
"""How many nodes are named that cannot be told apart."""
OVER = 200
"""How many incidents that are over a page lists."""
SITES_KEY = "sites"


class IncidentRow(msgspec.Struct, frozen=True):
    """An incident, or all those at single sites, in the list."""

    key: str
    title: str
    company: str
    """Who must act."""
    points: str
    sure: str
    """How sure that is, what else it may be, whether it recovers, who lives on batteries."""
    brief: str
    """How sure that is and whether it recovers, where there is less room."""
    since: str
    href: str
    kind: str
    """The tree, or ``doubt`` where nobody can tell; what colours the row."""
    cells: tuple[int, ...] = ()
    """Where its points are on the map."""


class IncidentListing(msgspec.Struct, frozen=True):
    """A list that is bounded: ``total`` incidents, some of them in ``rows``, ``more`` in words of those in none."""

    total: int
    rows: tuple[IncidentRow, ...]
    more: str
    summary: str
    """What is said where there are none, and to those who listen to the page."""


class Rows:
    """Rows of incidents over one inventory, made again only when an incident has changed."""

    def __init__(self, inventory: Inventory, cells: Mapping[str, int]) -> None:
        """``cells`` is the number of each point's cell."""
        self._inventory, self._cells = inventory, cells
        self._made: dict[str, tuple[tuple[object, ...], IncidentRow]] = {}

    def listing(self, ongoing: Mapping[str, Incident], now: float, zone: ZoneInfo) -> IncidentListing:
        """What goes on: sure ones with the most points first, then what nobody can tell, sites at last."""
        if not ongoing:
            self._made.clear()
            return IncidentListing(0, (), "", TEXT["incidents_none"])
        groups = grouped(ongoing.values())
        rows = tuple(self._row(group, now, zone) for group in groups[:ROWS])
        hidden = sum(len(group) for group in groups[ROWS:])
        newest = max(ongoing.values(), key=lambda incident: incident.opened_at)
        self._made = {key: made for key, made in self._made.items() if key in ongoing}
        return IncidentListing(
            len(ongoing),
            rows,
            TEXT["incidents_more"].format(count=text.count(hidden)) if hidden else "",
            TEXT["incidents_summary"].format(count=text.count(len(ongoing)), newest=cause(newest, self._inventory)),
        )

    def _row(self, group: Sequence[Incident], now: float, zone: ZoneInfo) -> IncidentRow:
        if len(group) > 1:
            return self._sites_row(group, now, zone)
        (incident,) = group
        today = datetime.fromtimestamp(now, zone).toordinal()
        seen = (incident.changed_at, incident.state, incident.since, incident.points, incident.on_battery, today)
        known = self._made.get(incident.id)
        if known is None or known[0] != seen:
            known = seen, row_of(incident, self._inventory, now, zone, self._numbers(incident))
            self._made[incident.id] = known
        return known[1]

    def _sites_row(self, group: Sequence[Incident], now: float, zone: ZoneInfo) -> IncidentRow:
        newest = nlargest(NAMED, group, key=lambda incident: incident.since)
        names = ", ".join(name_of(self._inventory, incident.tree, incident.node) for incident in newest)
        return IncidentRow(
            SITES_KEY,
            TEXT["sites"].format(count=text.count(len(group))),
            TEXT["site_company"],
            TEXT["points"].format(count=text.count(sum(len(incident.points) for incident in group))),
            TEXT["names_more"].format(names=names, count=text.count(len(group) - len(newest))),
            "",
            text.moment(min(incident.since for incident in group), now, zone),
            "/incidents",
            Tree.SITE,
            tuple(number for incident in group for number in self._numbers(incident)),
        )

    def _numbers(self, incident: Incident) -> tuple[int, ...]:
        """The cells of its points; one that the inventory no longer has, has none."""
        points = (*incident.points, *incident.on_battery)
        return tuple(sorted({self._cells[point] for point in points if point in self._cells}))


def grouped(incidents: Iterable[Incident]) -> list[list[Incident]]:
    """Incidents in the order in which they are listed, each by itself but sites together where they are many."""
    ordered = sorted(incidents, key=_rank)
    sites = [incident for incident in ordered if incident.tree is Tree.SITE]
    others = [[incident] for incident in ordered if incident.tree is not Tree.SITE]
    return [*others, sites] if len(sites) > SITES else [*others, *([incident] for incident in sites)]


def _rank(incident: Incident) -> tuple[bool, bool, int, float]:
    doubtful = incident.certainty is Certainty.UNDETERMINED
    size = len(incident.points) + len(incident.on_battery)
    return incident.tree is Tree.SITE, doubtful, -size, -incident.since


def row_of(
    incident: Incident, inventory: Inventory, now: float, zone: ZoneInfo, cells: tuple[int, ...] = ()
) -> IncidentRow:
    """An incident as a row."""
    return IncidentRow(
        incident.id,
        cause(incident, inventory),
        company(incident, inventory),
        TEXT["points"].format(count=text.count(len(incident.points if incident.ongoing else incident.hit))),
        " · ".join(filter(None, _sayings(incident, inventory, now, zone))),
        " · ".join(filter(None, _briefly(incident))),
        text.moment(incident.since, now, zone),
        href(incident.id),
        kind(incident),
        cells,
    )


def listed(
    incidents: Sequence[Incident], inventory: Inventory, now: float, zone: ZoneInfo
) -> tuple[list[IncidentRow], list[IncidentRow], int]:
    """What goes on, what was over today, the latest first, and how many more there are of these."""
    ongoing = sorted((incident for incident in incidents if incident.ongoing), key=_rank)
    today = datetime.fromtimestamp(now, zone).date()
    over = [
        incident
        for incident in incidents
        if incident.ended_at is not None and datetime.fromtimestamp(incident.ended_at, zone).date() == today
    ]
    over = [incident for incident in over if not incident.ongoing]
    over.sort(key=lambda incident: -(incident.ended_at or 0.0))

    def rows(some: Sequence[Incident]) -> list[IncidentRow]:
        return [row_of(incident, inventory, now, zone) for incident in some]

    return rows(ongoing), rows(over[:OVER]), max(0, len(over) - OVER)


# Words


def name_of(inventory: Inventory, tree: Tree, node: str) -> str:
    """A node's name, or a point's for a site; its id where the inventory does not know it any more."""
    trees: dict[Tree, Mapping[str, Node | Point]] = {
        Tree.NETWORK: inventory.network,
        Tree.POWER: inventory.power,
        Tree.SITE: inventory.points,
    }
    named = trees[tree].get(node)
    return named.name if named else node


def cause(incident: Incident, inventory: Inventory) -> str:
    """What failed: ``Sự cố mạng: Nút gom huyện Thọ Xuân``; all that it may be where nobody can tell."""
    if is_doubtful(incident) and incident.tree is not Tree.SITE:
        return TEXT["doubt"].format(names=one_of(list(_suspects(incident, inventory))))
    return text.INCIDENTS[incident.tree].format(names=one_of(list(_nodes(incident, inventory))))


def one_of(names: Sequence[str]) -> str:
    """Names that cannot be told apart: ``TBA 12 hoặc Lộ 473``; of many the first two, the others counted."""
    if len(names) > APART:
        names = [*names[: APART - 1], TEXT["other_nodes"].format(count=len(names) - APART + 1)]
    *first, last = names
    return TEXT["either"].format(first=", ".join(first), last=last) if first else last


def _nodes(incident: Incident, inventory: Inventory) -> Iterator[str]:
    for node in (incident.node, *incident.indistinguishable):
        yield name_of(inventory, incident.tree, node)


def _suspects(incident: Incident, inventory: Inventory) -> Iterator[str]:
    yield from _nodes(incident, inventory)
    if incident.runner_up is not None and incident.runner_up.tree is not Tree.SITE:
        yield name_of(inventory, incident.runner_up.tree, incident.runner_up.node)


def company(incident: Incident, inventory: Inventory) -> str:
    """Who must act; all who have to look where nobody can tell."""
    if incident.tree is Tree.SITE and not is_doubtful(incident):
        return TEXT["site_company"]
    if not is_doubtful(incident):
        return incident.operator or TEXT["no_company"]
    companies = list(dict.fromkeys(name for name in _companies(incident, inventory) if name not in ("", SITE)))
    if len(companies) < 2:
        return TEXT["doubt_anyone"]
    both = TEXT["and"].format(first=companies[0], last=companies[1])
    return TEXT["doubt_company"].format(companies=both)


def _companies(incident: Incident, inventory: Inventory) -> Iterator[str]:
    """Who may have to act: by the two best explanations, then those on whom the first point depends."""
    yield incident.operator
    if incident.runner_up is not None:
        yield incident.runner_up.operator
    for point in (inventory.points[each] for each in incident.points[:1] if each in inventory.points):
        yield inventory.network_operator(point)
        yield inventory.power_operator(point)


def _sayings(incident: Incident, inventory: Inventory, now: float, zone: ZoneInfo) -> Iterator[str]:
    if incident.state is not IncidentState.RETRACTED:
        yield _sure(incident, inventory)
    if incident.ended_at is not None and not incident.ongoing:
        at = text.moment(incident.ended_at, now, zone)
        yield TEXT["over_at"].format(state=text.INCIDENT_STATES[incident.state], at=at)
    elif incident.state is not IncidentState.OPEN:
        yield text.INCIDENT_STATES[incident.state]
    if incident.on_battery:
        yield TEXT["points_on_battery"].format(count=text.count(len(incident.on_battery)))


def _sure(incident: Incident, inventory: Inventory) -> str:
    sure = how_sure(incident.certainty, incident.owner_probability)
    if incident.certainty is not Certainty.PROBABLE or incident.runner_up is None:
        return sure
    return TEXT["or_else"].format(sure=sure, other=explained(incident.runner_up, inventory))


def _briefly(incident: Incident) -> Iterator[str]:
    yield text.SURE_BRIEFLY[incident.certainty].format(percent=text.chance(incident.owner_probability))
    if incident.state is IncidentState.RECOVERING:
        yield TEXT["recovering"]


def how_sure(certainty: Certainty, probability: float) -> str:
    """``chắc chắn 99 %``, ``nhiều khả năng 82 %``, ``chưa rõ nguyên nhân``."""
    return text.SURE[certainty].format(percent=text.chance(probability))


def explained(runner_up: RunnerUp, inventory: Inventory) -> str:
    """The other explanation: ``mất điện: Lộ 471 E9.1 (Điện lực Thọ Xuân)``."""
    name = name_of(inventory, runner_up.tree, runner_up.node)
    if runner_up.operator not in ("", SITE):
        name = TEXT["owned"].format(node=name, company=runner_up.operator)
    told = text.INCIDENTS[runner_up.tree].format(names=name)
    return told[0].lower() + told[1:]


def is_doubtful(incident: Incident) -> bool:
    """Whether nobody can tell who must act."""
    return incident.certainty is Certainty.UNDETERMINED


def kind(incident: Incident) -> str:
    """What colours it: its tree, or ``doubt``."""
    return "doubt" if is_doubtful(incident) and incident.tree is not Tree.SITE else incident.tree


def href(incident_id: str) -> str:
    """Where its page is."""
    return f"/incidents/{quote(incident_id, safe='')}"
