"""One incident's page: what failed and why, its points, and what became of it. Pure: (state, now) → what to show."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import exp, log1p
from types import MappingProxyType
from zoneinfo import ZoneInfo

import msgspec

from monitor.core.acknowledgement import Acknowledgement
from monitor.core.attribution import Fact, FactKind
from monitor.core.contacts import Desk
from monitor.core.incidents import Entry, Incident
from monitor.core.model import Inventory, Tree
from monitor.core.pipeline import Pipeline, PointStatus
from monitor.web import incidents, text
from monitor.web.board import STATE_CODES, point_href
from monitor.web.layout import RANK
from monitor.web.point import Step, steps
from monitor.web.text import TEXT

POINTS = 200
"""How many points each list names before it counts the others."""
NAMED = 3
"""How many points or nodes a fact names before it counts the others."""
BAR = 100.0
"""How long the longest bar is, in its drawing's own unit."""
ODDS_AT_MOST = 1000.0


class Link(msgspec.Struct, frozen=True):
    """A name, and where it leads; nowhere when ``href`` is empty."""

    name: str
    href: str = ""


class Reason(msgspec.Struct, frozen=True):
    """A piece of the evidence as a sentence."""

    sentence: str
    who: tuple[Link, ...]
    more: str
    """``và 12 điểm nữa``: those that are not named."""
    nats: str
    """Signed, for people; empty where it weighs nothing."""
    share: str
    """The same in words."""
    bar: float
    """How long its bar is: above 0 for the conclusion, below 0 against it, at most :data:`BAR` either way."""


class PointLine(msgspec.Struct, frozen=True):
    """A point of the incident."""

    name: str
    href: str
    code: str
    since: str


class PointList(msgspec.Struct, frozen=True):
    """Points in the same plight; bounded."""

    title: str
    total: int
    points: tuple[PointLine, ...]
    more: str


class Moment(msgspec.Struct, frozen=True):
    """A line of the timeline."""

    at: str
    told: str
    before: str
    """What leads over to ``other``."""
    other: Link | None


class IncidentView(msgspec.Struct, frozen=True):
    """All that the page shows."""

    row: incidents.IncidentRow
    state: str
    ended: str
    became: Link | None
    node_sure: str
    owner_sure: str
    reasons: tuple[Reason, ...]
    runner_up: str
    odds: str
    indistinguishable: tuple[str, ...]
    secondary: tuple[str, ...]
    path: tuple[Step, ...]
    points: tuple[PointList, ...]
    timeline: tuple[Moment, ...]
    """The latest first."""
    at: str
    blind: str
    acknowledged: tuple[str, ...]
    """Who works on it, in sentences."""
    ongoing: bool


def view(
    pipeline: Pipeline, incident_id: str, now: float, desks: Mapping[str, Desk] = MappingProxyType({})
) -> IncidentView | None:
    """The page of an incident; None for an unknown one. ``desks``: the titles of those who may work on it."""
    incident = pipeline.incidents.get(incident_id)
    if incident is None:
        return None
    inventory, zone = pipeline.inventory, ZoneInfo(pipeline.ceremony.timezone)
    return IncidentView(
        row=incidents.row_of(incident, inventory, now, zone),
        state=text.INCIDENT_STATES[incident.state],
        ended=text.moment(incident.ended_at, now, zone) if incident.ended_at is not None else "",
        became=_other(pipeline, incident.became),
        node_sure=text.chance(incident.probability),
        owner_sure=text.chance(incident.owner_probability),
        reasons=tuple(reasons(incident.evidence, inventory)),
        runner_up=_runner_up(incident, inventory),
        odds=_odds(incident),
        indistinguishable=_names(inventory, incident.tree, incident.indistinguishable),
        secondary=_names(inventory, Tree.NETWORK, incident.secondary),
        path=tuple(_path(incident, inventory)),
        points=tuple(_points(incident, pipeline, now, zone)),
        timeline=tuple(_moment(entry, incident, pipeline, now, zone, desks) for entry in reversed(incident.timeline)),
        acknowledged=tuple(said_by(word, desks, now, zone) for word in incident.acknowledged),
        ongoing=incident.ongoing,
        at=text.moment(now, now, zone),
        blind=TEXT["blind"].format(since=text.moment(pipeline.blind_since, now, zone)) if pipeline.blind else "",
    )


# Why


def reasons(evidence: Sequence[Fact], inventory: Inventory) -> Iterator[Reason]:
    """The evidence as sentences, what weighs most first; the runner-up is no evidence, and told apart."""
    facts = [fact for fact in evidence if fact.kind is not FactKind.RUNNER_UP]
    most = max((log1p(abs(fact.nats)) for fact in facts), default=0.0) or 1.0
    for fact in sorted(facts, key=lambda fact: -abs(fact.nats)):
        yield _reason(fact, inventory, most)


def _reason(fact: Fact, inventory: Inventory, most: float) -> Reason:
    form = text.FACTS.get((fact.kind, fact.source)) or text.FACTS[fact.kind, ""]
    hidden = max(0, fact.count - NAMED) if fact.ids else 0
    written = _weight(abs(fact.nats))
    share = TEXT["share_for" if fact.nats > 0 else "share_against"].format(nats=written) if fact.nats else ""
    return Reason(
        form.format(count=text.count(fact.count), of=text.count(fact.of)),
        tuple(_link(inventory, one) for one in fact.ids[:NAMED]) if fact.kind is not FactKind.NODE else (),
        TEXT["and_more"].format(count=text.count(hidden)) if hidden else "",
        f"{'+' if fact.nats > 0 else '−'}{written}" if fact.nats else "",
        share,
        round((1 if fact.nats > 0 else -1) * BAR * log1p(abs(fact.nats)) / most, 1),
    )


def _weight(nats: float) -> str:
    return text.count(round(nats)) if nats >= 100 else text.decimal(nats)


def _link(inventory: Inventory, one: str) -> Link:
    """A point by its name and with its page, a node of either tree by its name."""
    if one in inventory.points:
        return Link(inventory.points[one].name, point_href(one))
    node = inventory.network.get(one) or inventory.power.get(one)
    return Link(node.name if node else one)


def _runner_up(incident: Incident, inventory: Inventory) -> str:
    if incident.runner_up is None:
        return ""
    told = incidents.explained(incident.runner_up, inventory)
    return told[0].upper() + told[1:]


def _odds(incident: Incident) -> str:
    """By how much the runner-up is the worse explanation."""
    nats = next((fact.nats for fact in incident.evidence if fact.kind is FactKind.RUNNER_UP), None)
    if nats is None or incident.runner_up is None:
        return ""
    times = exp(min(50.0, max(0.0, nats)))
    if times >= ODDS_AT_MOST:
        return TEXT["odds_vast"]
    return TEXT["odds"].format(times=text.decimal(times, 0 if times >= 10 else 1))


def _names(inventory: Inventory, tree: Tree, nodes: Iterable[str]) -> tuple[str, ...]:
    return tuple(incidents.name_of(inventory, tree, node) for node in nodes)


def _path(incident: Incident, inventory: Inventory) -> Iterator[Step]:
    """From the root of its tree down to what failed; of a site, to what it hangs on in the network."""
    node = incident.node
    if incident.tree is Tree.SITE:
        point = inventory.points.get(node)
        node = (point.network_node if point else None) or ""
    if node in inventory.network or node in inventory.power:
        yield from steps(node, inventory)


# Its points


def _points(incident: Incident, pipeline: Pipeline, now: float, zone: ZoneInfo) -> Iterator[PointList]:
    """Those that are down, those on battery, those that are back; what is empty is left out."""
    waiting = {*incident.points, *incident.on_battery}
    lists = (
        (TEXT["still_down"], incident.points),
        (TEXT["still_on_battery"], incident.on_battery),
        (TEXT["back_up"], incident.hit - waiting),
    )
    for title, ids in lists:
        found = [pipeline.points[one] for one in ids if one in pipeline.points]
        if found:
            yield _point_list(title, found, now, zone)


def _point_list(title: str, found: list[PointStatus], now: float, zone: ZoneInfo) -> PointList:
    found.sort(key=lambda status: (RANK[status.point.tier], status.point.name, status.point.id))
    hidden = len(found) - POINTS
    lines = tuple(
        PointLine(
            status.point.name,
            point_href(status.point.id),
            STATE_CODES[status.state],
            text.moment(status.since, now, zone),
        )
        for status in found[:POINTS]
    )
    return PointList(title, len(found), lines, TEXT["down_more"].format(count=text.count(hidden)) if hidden > 0 else "")


# What became of it


def said_by(word: Acknowledgement, desks: Mapping[str, Desk], now: float, zone: ZoneInfo) -> str:
    """``Trực VNPT Mường Lát đã tiếp nhận lúc 08:12:40, dự kiến xong lúc 08:45: đang ra hiện trường``."""
    told = TEXT["ack_said"].format(who=_desk(word.desk, desks), at=text.moment(word.at, now, zone))
    if word.repair_expected_at is not None:
        told += TEXT["ack_until"].format(at=text.moment(word.repair_expected_at, now, zone))
    return f"{told}: {word.note}" if word.note else told


def _desk(name: str, desks: Mapping[str, Desk]) -> str:
    """Its title; of an account, or a desk that is gone, the name."""
    return desks[name].title if name in desks else name


def _moment(
    entry: Entry, incident: Incident, pipeline: Pipeline, now: float, zone: ZoneInfo, desks: Mapping[str, Desk]
) -> Moment:
    told = text.CHANGES[entry.change].format(
        points=TEXT["points"].format(count=text.count(entry.points)),
        sure=incidents.how_sure(entry.certainty, entry.probability),
        cause=_named(incident, pipeline.inventory),
        by=_desk(entry.by, desks),
    )
    other = _other(pipeline, entry.other)
    before = text.REPLACED_BY.get(entry.change, "") if other is not None else ""
    return Moment(text.moment(entry.at, now, zone), told, before, other)


def _named(incident: Incident, inventory: Inventory) -> str:
    """What was blamed, however sure that was."""
    name = incidents.name_of(inventory, incident.tree, incident.node)
    return text.INCIDENTS[incident.tree].format(names=name)


def _other(pipeline: Pipeline, incident_id: str) -> Link | None:
    """Another incident by its cause; by its id where it has been forgotten."""
    if not incident_id:
        return None
    other = pipeline.incidents.get(incident_id)
    if other is None:
        return Link(incident_id)
    return Link(_named(other, pipeline.inventory), incidents.href(incident_id))
