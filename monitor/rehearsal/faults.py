"""Plays a scenario over a province on paper: which line is cut from when to when, and by which fault. Pure.

A point below a node that is cut falls silent at once. A point without mains falls when its battery is empty, or within
a second when it has none; network equipment has batteries of its own, and what hangs on it falls when they are empty. A
backup link does not help: it does not carry the address that is probed. A codec that is off takes its point's
signalling away and nothing else.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from ipaddress import ip_address
from random import Random
from typing import TypeVar

import msgspec

from monitor.core.model import Inventory, Node, NodeKind, Point
from monitor.rehearsal.scenario import Event, Flapping, Scenario, Some

DIES_WITHIN_S = 1.0
"""Equipment without a battery rides on its capacitors for a moment."""

NODE_MINUTES = {NodeKind.CORE: 480.0, NodeKind.AGGREGATION: 240.0, NodeKind.ACCESS: 45.0}
"""How long network equipment lasts without mains, assumed: an exchange has a room full of batteries, an OLT a box."""


class Fault(msgspec.Struct, frozen=True):
    """A fault of the scenario."""

    number: int
    name: str
    kind: str
    """``cut``, ``power_cut``, ``flapping``, ``codec_off``, ``site_off`` or ``uplink``."""
    from_s: float
    to_s: float
    """The end of the scenario when nothing ends it before."""

    uplink_loss: float = 0.0
    """Of a fault of our own uplink: the share of packets that it loses."""
    node: str = ""
    """Where it lies, where it lies at a node of a tree."""

    @property
    def lasting(self) -> bool:
        """Whether each point that it hits stays down, so that it must be called down and alerted."""
        return self.kind in {"cut", "power_cut", "site_off"}


class Span(msgspec.Struct, frozen=True, order=True):
    """Something is amiss with a point from then to then, seconds from the start of the scenario."""

    from_s: float
    to_s: float
    point: str
    fault: int


class Outage(Span, frozen=True, order=True):
    """Its line is cut, or its codec is off."""

    address: str


S = TypeVar("S", bound=Span)


class Step(msgspec.Struct, frozen=True):
    """What changes at an instant of the scenario."""

    at_s: float
    cut: tuple[Outage, ...] = ()
    mend: tuple[Outage, ...] = ()
    dark: tuple[Span, ...] = ()
    """Whose mains fail."""
    lit: tuple[Span, ...] = ()
    """Whose mains are back."""
    mute: tuple[Outage, ...] = ()
    """Whose codec goes off."""
    heard: tuple[Outage, ...] = ()
    """Whose codec is on again."""
    uplink_loss: float | None = None
    fault: int | None = None
    """Whose the uplink is."""


class Plan(msgspec.Struct, frozen=True):
    """A scenario with all its consequences, in order."""

    faults: tuple[Fault, ...]
    outages: tuple[Outage, ...]
    """Outages of one address do not overlap: what a second fault adds belongs to the first."""
    blackouts: tuple[Span, ...]
    """Points without mains, whether or not they fall for it; those of one point do not overlap either."""
    codecs_off: tuple[Outage, ...]
    steps: tuple[Step, ...]


def plan(inventory: Inventory, scenario: Scenario, rng: Random) -> Plan:
    """All that a scenario does to the points that have an IP address, within its duration."""
    faults = tuple(_faults(scenario))
    events = [event for event in scenario.events if event.restore is None]
    outages: list[Outage] = []
    codecs_off: list[Outage] = []
    blackouts: list[Span] = []
    for fault, event in zip(faults, events, strict=True):
        struck = codecs_off if event.codec_off is not None else outages
        for point, from_s, to_s in _struck(inventory, event, fault, scenario.battery_speed, rng):
            if from_s < to_s and has_line(point):
                struck.append(Outage(from_s, to_s, point.id, fault.number, point.address or ""))
        if event.power_cut is not None:
            dark = below(inventory.power, [event.power_cut.node])
            lightless = [point for point in inventory.points.values() if point.power_node in dark]
            blackouts += (Span(fault.from_s, fault.to_s, point.id, fault.number) for point in lightless)
    made = Plan(
        faults,
        tuple(sorted(_without_overlaps(outages, lambda outage: outage.address))),
        tuple(sorted(_without_overlaps(blackouts, lambda span: span.point))),
        tuple(sorted(_without_overlaps(codecs_off, lambda outage: outage.address))),
        steps=(),
    )
    return msgspec.structs.replace(made, steps=tuple(_steps(made, scenario.duration_s)))


def has_line(point: Point) -> bool:
    """Whether the point has an IP address; a host name has no line of its own here."""
    try:
        ip_address(point.address or "")
    except ValueError:
        return False
    return True


def below(tree: Mapping[str, Node], node_ids: Iterable[str]) -> set[str]:
    """These nodes and all beneath them."""
    children: dict[str, list[str]] = defaultdict(list)
    for node in tree.values():
        if node.parent is not None:
            children[node.parent].append(node.id)
    found: set[str] = set()
    waiting = list(node_ids)
    while waiting:
        node_id = waiting.pop()
        found.add(node_id)
        waiting += children[node_id]
    return found


def _faults(scenario: Scenario) -> Iterator[Fault]:
    restored = {event.restore: event.at_s for event in scenario.events if event.restore is not None}
    events = [event for event in scenario.events if event.restore is None]
    for number, event in enumerate(events):
        ends = [scenario.duration_s]
        if event.for_s is not None:
            ends.append(event.at_s + event.for_s)
        if event.name in restored and event.name:
            ends.append(restored[event.name])
        loss = {"lost": 1.0, "lossy": event.loss_ratio}.get(event.uplink or "", 0.0)
        place = event.cut or event.power_cut
        node = place.node if place is not None else ""
        yield Fault(number, event.name or _title(event), event.action, event.at_s, min(ends), loss, node)


def _title(event: Event) -> str:
    place = event.cut or event.power_cut
    return f"{event.action} {place.node}" if place else event.action


def _struck(
    inventory: Inventory, event: Event, fault: Fault, battery_speed: float, rng: Random
) -> Iterator[tuple[Point, float, float]]:
    """Each point that is hit, from when to when."""
    if event.cut is not None:
        gone = below(inventory.network, [event.cut.node])
        points = [point for point in inventory.points.values() if point.network_node in gone]
        yield from ((point, fault.from_s, fault.to_s) for point in points)
    if event.power_cut is not None:
        lasts = _without_mains(inventory, event.power_cut.node, battery_speed, rng)
        yield from ((point, fault.from_s + lasts_s, fault.to_s) for point, lasts_s in lasts)
    if event.flapping is not None:
        for point in chosen(inventory, event.flapping, rng):
            falls = _falls(event.flapping, fault, rng)
            yield from ((point, from_s, min(from_s + event.flapping.down_s, fault.to_s)) for from_s in falls)
    some = event.codec_off or event.site_off
    if some is not None:
        yield from ((point, fault.from_s, fault.to_s) for point in chosen(inventory, some, rng))


def _without_mains(
    inventory: Inventory, node_id: str, battery_speed: float, rng: Random
) -> Iterator[tuple[Point, float]]:
    """Each point that a power cut silences, and how long it lasts: as long as itself, and all that carries it."""
    dark = below(inventory.power, [node_id])
    lasts = _nodes_without_mains(inventory, dark)
    for point in inventory.points.values():
        spans = [lasts[point.network_node]] if point.network_node in lasts else []
        spans += [point.ups_minutes] if point.power_node in dark else []
        if spans:
            yield point, min(spans) * 60 / battery_speed or rng.uniform(0, DIES_WITHIN_S)


def _nodes_without_mains(inventory: Inventory, dark: Collection[str]) -> dict[str, float]:
    """By network node, the minutes after which it is silent, by its own battery or by one above it."""
    lasts: dict[str, float] = {}
    for node in inventory.network.values():
        if node.powered_by in dark:
            for node_id in below(inventory.network, [node.id]):
                lasts[node_id] = min(NODE_MINUTES[node.kind], lasts.get(node_id, NODE_MINUTES[node.kind]))
    return lasts


def chosen(inventory: Inventory, some: Some, rng: Random) -> list[Point]:
    """The points that are named or drawn; fewer than wanted where not so many fit."""
    if some.points:
        return [inventory.points[point_id] for point_id in some.points]
    wanted = {"tier": some.tier, "district_code": some.district, "check_set": some.check_set}
    fitting = [
        point
        for point in inventory.points.values()
        if point.expected
        and has_line(point)
        and all(getattr(point, name) == value for name, value in wanted.items() if value is not None)
    ]
    return rng.sample(fitting, min(some.count, len(fitting)))


def _falls(flapping: Flapping, fault: Fault, rng: Random) -> Iterator[float]:
    """When a flapping point falls: once a period, at a moment of its own."""
    at_s = fault.from_s + rng.uniform(0, flapping.period_s - flapping.down_s)
    while at_s < fault.to_s:
        yield at_s
        at_s += flapping.period_s


def _without_overlaps(spans: Collection[S], key: Callable[[S], str]) -> Iterator[S]:
    by_key: dict[str, list[S]] = defaultdict(list)
    for span in sorted(spans):
        ours = by_key[key(span)]
        if ours and span.from_s <= ours[-1].to_s:
            ours[-1] = msgspec.structs.replace(ours[-1], to_s=max(ours[-1].to_s, span.to_s))
        else:
            ours.append(span)
    for ours in by_key.values():
        yield from ours


def _steps(made: Plan, duration_s: float) -> Iterator[Step]:
    """The instants at which something changes, in order; what would last longer than the scenario is left as it is."""
    cut, mend = _ends(made.outages)
    dark, lit = _ends(made.blackouts)
    mute, heard = _ends(made.codecs_off)
    ours = [fault for fault in made.faults if fault.kind == "uplink"]
    uplink = {fault.from_s: (fault.uplink_loss, fault.number) for fault in ours}
    uplink |= {fault.to_s: (0.0, fault.number) for fault in ours}
    for at_s in sorted({*cut, *mend, *dark, *lit, *mute, *heard, *uplink}):
        if at_s < duration_s:
            loss, number = uplink.get(at_s, (None, None))
            yield Step(
                at_s,
                cut=tuple(cut[at_s]),
                mend=tuple(mend[at_s]),
                dark=tuple(dark[at_s]),
                lit=tuple(lit[at_s]),
                mute=tuple(mute[at_s]),
                heard=tuple(heard[at_s]),
                uplink_loss=loss,
                fault=number,
            )


def _ends(spans: Iterable[S]) -> tuple[dict[float, list[S]], dict[float, list[S]]]:
    """By instant, the spans that begin then, and those that end then."""
    begin: dict[float, list[S]] = defaultdict(list)
    end: dict[float, list[S]] = defaultdict(list)
    for span in spans:
        begin[span.from_s].append(span)
        end[span.to_s].append(span)
    return begin, end
