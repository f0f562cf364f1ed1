"""Plays a scenario over a province on paper: which line is cut from when to when, and by which fault. Pure.

A point below a node that is cut falls silent at once. A point without mains falls when its battery is empty, or within
a second when it has none; network equipment has no battery here, so what hangs on it falls with its own mains. A
backup link does not help: it does not carry the address that is probed.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from random import Random

import msgspec

from monitor.core.model import Inventory, Node, Point
from monitor.rehearsal.scenario import Event, Flapping, Scenario

DIES_WITHIN_S = 1.0
"""Equipment without a battery rides on its capacitors for a moment."""


class Fault(msgspec.Struct, frozen=True):
    """A fault of the scenario."""

    number: int
    name: str
    kind: str
    """``cut``, ``power_cut``, ``flapping`` or ``uplink``."""
    from_s: float
    to_s: float
    """The end of the scenario when nothing ends it before."""

    uplink_loss: float = 0.0
    """Of a fault of our own uplink: the share of packets that it loses."""

    @property
    def lasting(self) -> bool:
        """Whether each point that it hits stays down, so that it must be called down and alerted."""
        return self.kind in {"cut", "power_cut"}


class Outage(msgspec.Struct, frozen=True, order=True):
    """A point's line is cut from then to then, seconds from the start of the scenario."""

    from_s: float
    to_s: float
    address: str
    point: str
    fault: int


class Step(msgspec.Struct, frozen=True):
    """What changes at an instant of the scenario."""

    at_s: float
    cut: tuple[Outage, ...] = ()
    mend: tuple[Outage, ...] = ()
    uplink_loss: float | None = None
    fault: int | None = None
    """Whose the uplink is."""


class Plan(msgspec.Struct, frozen=True):
    """A scenario with all its consequences, in order."""

    faults: tuple[Fault, ...]
    outages: tuple[Outage, ...]
    """Outages of one address do not overlap: what a second fault adds belongs to the first."""
    steps: tuple[Step, ...]


def plan(inventory: Inventory, scenario: Scenario, rng: Random) -> Plan:
    """All that a scenario does to the points that have an IP address, within its duration."""
    faults = tuple(_faults(scenario))
    events = [event for event in scenario.events if event.restore is None]
    outages: list[Outage] = []
    for fault, event in zip(faults, events, strict=True):
        for point, from_s, to_s in _struck(inventory, event, fault, scenario.battery_speed, rng):
            if from_s < to_s and has_line(point):
                outages.append(Outage(from_s, to_s, point.address or "", point.id, fault.number))
    merged = tuple(sorted(_without_overlaps(outages)))
    return Plan(faults, merged, tuple(_steps(faults, merged, scenario.duration_s)))


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
        yield Fault(number, event.name or _title(event), event.action, event.at_s, min(ends), loss)


def _title(event: Event) -> str:
    place = event.cut or event.power_cut
    return f"{event.action} {place.node}" if place else event.action


def _struck(
    inventory: Inventory, event: Event, fault: Fault, battery_speed: float, rng: Random
) -> Iterator[tuple[Point, float, float]]:
    """Each point that is hit, from when to when."""
    if event.cut is not None:
        gone = below(inventory.network, [event.cut.node])
        for point in inventory.points.values():
            if point.network_node in gone:
                yield point, fault.from_s, fault.to_s
    elif event.power_cut is not None:
        for point, lasts_s in _without_mains(inventory, event.power_cut.node, battery_speed, rng):
            yield point, fault.from_s + lasts_s, fault.to_s
    elif event.flapping is not None:
        for point in chosen(inventory, event.flapping, rng):
            for from_s in _falls(event.flapping, fault, rng):
                yield point, from_s, min(from_s + event.flapping.down_s, fault.to_s)


def _without_mains(
    inventory: Inventory, node_id: str, battery_speed: float, rng: Random
) -> Iterator[tuple[Point, float]]:
    """Each point that a power cut silences, and how long it lasts."""
    dark = below(inventory.power, [node_id])
    silent = below(inventory.network, [node.id for node in inventory.network.values() if node.powered_by in dark])
    for point in inventory.points.values():
        if point.network_node in silent or (point.power_node in dark and not point.ups_minutes):
            yield point, rng.uniform(0, DIES_WITHIN_S)
        elif point.power_node in dark:
            yield point, point.ups_minutes * 60 / battery_speed


def chosen(inventory: Inventory, flapping: Flapping, rng: Random) -> list[Point]:
    """The points that flap; fewer than wanted where not so many fit."""
    if flapping.points:
        return [inventory.points[point_id] for point_id in flapping.points]
    wanted = {"tier": flapping.tier, "district_code": flapping.district, "check_set": flapping.check_set}
    fitting = [
        point
        for point in inventory.points.values()
        if point.expected
        and has_line(point)
        and all(getattr(point, name) == value for name, value in wanted.items() if value is not None)
    ]
    return rng.sample(fitting, min(flapping.count, len(fitting)))


def _falls(flapping: Flapping, fault: Fault, rng: Random) -> Iterator[float]:
    """When a flapping point falls: once a period, at a moment of its own."""
    at_s = fault.from_s + rng.uniform(0, flapping.period_s - flapping.down_s)
    while at_s < fault.to_s:
        yield at_s
        at_s += flapping.period_s


def _without_overlaps(outages: Collection[Outage]) -> Iterator[Outage]:
    by_address: dict[str, list[Outage]] = defaultdict(list)
    for outage in sorted(outages):
        ours = by_address[outage.address]
        if ours and outage.from_s <= ours[-1].to_s:
            ours[-1] = msgspec.structs.replace(ours[-1], to_s=max(ours[-1].to_s, outage.to_s))
        else:
            ours.append(outage)
    for ours in by_address.values():
        yield from ours


def _steps(faults: Sequence[Fault], outages: Sequence[Outage], duration_s: float) -> Iterator[Step]:
    """The instants at which something changes, in order; what would last longer than the scenario is left as it is."""
    cut, mend = defaultdict(list), defaultdict(list)
    for outage in outages:
        cut[outage.from_s].append(outage)
        mend[outage.to_s].append(outage)
    uplink = {fault.from_s: (fault.uplink_loss, fault.number) for fault in faults if fault.kind == "uplink"}
    uplink |= {fault.to_s: (0.0, fault.number) for fault in faults if fault.kind == "uplink"}
    for at_s in sorted({*cut, *mend, *uplink}):
        if at_s < duration_s:
            yield Step(at_s, tuple(cut[at_s]), tuple(mend[at_s]), *uplink.get(at_s, (None, None)))
