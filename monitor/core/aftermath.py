"""After the event: what failed, who acted how soon, and how long each hall was connected. Pure.

Availability is the time that a point was connected, of the time that we know of: what nobody observed (before the first
probe, while we were blind) is in neither, and told apart. Points that do not take part are not counted, so that people
who sit at a host are counted there.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from statistics import median

import msgspec

from monitor.core.attribution import Fact
from monitor.core.incidents import Entry, Incident
from monitor.core.model import IncidentState, Inventory, PointChanged, PointState, Tier, Tree

CONNECTED = frozenset({PointState.UP, PointState.DEGRADED})
OBSERVED = CONNECTED | {PointState.DOWN}
WORST = 20
"""Points that are named."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """An incident as it ended."""

    incident: str
    tree: Tree
    node: str
    """Id of the node, or of the point."""
    owner: str
    """Who had to act; ``site`` for a site."""
    state: IncidentState
    probability: float
    """That its owner had to act."""
    evidence: tuple[Fact, ...]
    timeline: tuple[Entry, ...]
    since: float
    opened_at: float
    ended_at: float | None
    points: int
    tiers: Mapping[Tier, int]
    """Points by tier, of those that are still in the inventory."""
    acknowledged_s: float | None
    """From its opening; None where nobody did."""
    acknowledged_by: str
    repaired_s: float | None
    """From the first point's fall to the last one's return; None while it goes on, or was taken back."""


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """A company and its incidents."""

    name: str
    incidents: int
    retracted: int
    """Of which it was told, and which were not its own; in none of the other figures."""
    unacknowledged: int
    acknowledged_median_s: float | None
    acknowledged_worst_s: float | None
    repaired_median_s: float | None
    repaired_worst_s: float | None
    ongoing: int


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """How long the points of a tier, of a district, or one alone were connected. Seconds, added up over points."""

    name: str
    """A tier, the code of a district, the id of a point."""
    points: int
    connected_s: float
    observed_s: float
    unobserved_s: float

    @property
    def ratio(self) -> float | None:
        """Of the time observed; None without any."""
        return self.connected_s / self.observed_s if self.observed_s > 0 else None


class Aftermath(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    begins_at: float
    ends_at: float
    cases: tuple[Case, ...]
    """By their beginning; merged ones stand in the one that took them."""
    owners: tuple[Owner, ...]
    total: Share
    tiers: tuple[Share, ...]
    districts: tuple[Share, ...]
    worst: tuple[Share, ...]
    """Points, the least connected first, of those that were ever down."""


def look_back(
    inventory: Inventory,
    incidents: Iterable[Incident],
    changes: Iterable[PointChanged],
    begins_at: float,
    ends_at: float,
) -> Aftermath:
    """``changes``: in any order; those before ``begins_at`` tell how points stood then."""
    cases = tuple(sorted(_cases(inventory, incidents, begins_at, ends_at), key=lambda case: (case.since, case.node)))
    shares = _shares(inventory, changes, begins_at, ends_at)
    points = inventory.points
    down = [share for share in shares.values() if share.connected_s < share.observed_s]
    return Aftermath(
        begins_at=begins_at,
        ends_at=ends_at,
        cases=cases,
        owners=tuple(_owners(cases)),
        total=_sum("", shares.values()),
        tiers=tuple(_grouped(shares, lambda name: points[name].tier.value, [tier.value for tier in Tier])),
        districts=tuple(_grouped(shares, lambda name: points[name].district_code or "", ["", *inventory.districts])),
        worst=tuple(sorted(down, key=lambda share: (share.ratio or 0.0, share.name))[:WORST]),
    )


# Incidents


def _cases(inventory: Inventory, incidents: Iterable[Incident], begins_at: float, ends_at: float) -> Iterator[Case]:
    for incident in incidents:
        lasted = incident.ended_at is None or incident.ended_at >= begins_at
        if incident.state is not IncidentState.MERGED and lasted and incident.since <= ends_at:
            yield _case(inventory, incident)


def _case(inventory: Inventory, incident: Incident) -> Case:
    first = min(incident.acknowledged, key=lambda word: word.at, default=None)
    over = incident.state is IncidentState.RESOLVED and incident.ended_at is not None
    known = [inventory.points[point].tier for point in incident.hit if point in inventory.points]
    return Case(
        incident=incident.id,
        tree=incident.tree,
        node=incident.node,
        owner=incident.operator,
        state=incident.state,
        probability=incident.owner_probability,
        evidence=incident.evidence,
        timeline=tuple(incident.timeline),
        since=incident.since,
        opened_at=incident.opened_at,
        ended_at=incident.ended_at,
        points=len(incident.hit),
        tiers=dict(Counter(known)),
        acknowledged_s=max(0.0, first.at - incident.opened_at) if first is not None else None,
        acknowledged_by=first.desk if first is not None else "",
        repaired_s=incident.ended_at - incident.since if over and incident.ended_at is not None else None,
    )


def _owners(cases: Sequence[Case]) -> Iterator[Owner]:
    """The one with the most incidents first."""
    by_name = defaultdict[str, list[Case]](list)
    for case in cases:
        by_name[case.owner].append(case)
    made = [_owner(name, ours) for name, ours in by_name.items()]
    yield from sorted(made, key=lambda owner: (-owner.incidents, owner.name))


def _owner(name: str, cases: Sequence[Case]) -> Owner:
    own = [case for case in cases if case.state is not IncidentState.RETRACTED]
    acknowledged = [case.acknowledged_s for case in own if case.acknowledged_s is not None]
    repaired = [case.repaired_s for case in own if case.repaired_s is not None]
    return Owner(
        name=name,
        incidents=len(own),
        retracted=len(cases) - len(own),
        unacknowledged=len(own) - len(acknowledged),
        acknowledged_median_s=median(acknowledged) if acknowledged else None,
        acknowledged_worst_s=max(acknowledged, default=None),
        repaired_median_s=median(repaired) if repaired else None,
        repaired_worst_s=max(repaired, default=None),
        ongoing=sum(case.ended_at is None for case in own),
    )


# Availability


def _shares(
    inventory: Inventory, changes: Iterable[PointChanged], begins_at: float, ends_at: float
) -> dict[str, Share]:
    """By point that takes part."""
    by_point = defaultdict[str, list[PointChanged]](list)
    for change in changes:
        by_point[change.point].append(change)
    expected = (point.id for point in inventory.points.values() if point.expected)
    return {name: _share(name, by_point.get(name, ()), begins_at, ends_at) for name in expected}


def _share(name: str, changes: Iterable[PointChanged], begins_at: float, ends_at: float) -> Share:
    seconds = defaultdict[PointState, float](float)
    state, since = PointState.UNKNOWN, begins_at
    for change in sorted(changes, key=lambda each: each.at):
        at = min(max(change.at, begins_at), ends_at)
        seconds[state] += at - since
        state, since = change.after, at
    seconds[state] += ends_at - since
    return Share(
        name=name,
        points=1,
        connected_s=sum(seconds[each] for each in CONNECTED),
        observed_s=sum(seconds[each] for each in OBSERVED),
        unobserved_s=seconds[PointState.UNKNOWN],
    )


def _grouped(shares: Mapping[str, Share], group_of: Callable[[str], str], order: Sequence[str]) -> Iterator[Share]:
    groups = defaultdict[str, list[Share]](list)
    for name, share in shares.items():
        groups[group_of(name)].append(share)
    known = [*order, *sorted(groups.keys() - set(order))]
    yield from (_sum(name, groups[name]) for name in known if name in groups)


def _sum(name: str, shares: Iterable[Share]) -> Share:
    each = list(shares)
    return Share(
        name=name,
        points=len(each),
        connected_s=sum(share.connected_s for share in each),
        observed_s=sum(share.observed_s for share in each),
        unobserved_s=sum(share.unobserved_s for share in each),
    )
