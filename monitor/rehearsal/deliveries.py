"""Judges what came to the desks' phones: soon enough, few enough, nothing twice, nothing left out. Pure.

What arrived is known by its tracking id; what it told, from the gateway's own store. A point is told of when an
incident that took it stands in some message: the link in that message leads to all points of the incident.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from monitor.core.contacts import Contacts
from monitor.core.incidents import Incident
from monitor.core.model import Inventory, PointState
from monitor.core.notices import Form, Kind, Message, Notice
from monitor.rehearsal.blame import OWNERS, Delivered
from monitor.rehearsal.phones import Arrival
from monitor.rehearsal.score import OWED_S, Evidence, Hit, Spread

MINUTE_S = 59.0
"""A minute, less a second's difference between two providers."""
TOLD_WITHIN_S = 5.0
"""A point that was shown as down for a shorter time may have come back before its incident was told to have grown."""
SAME_FALL_S = 1.0
"""A child whose first point fell so long before its parent's fell with it."""
ENDS = frozenset({Kind.RESOLVED, Kind.RETRACTED})


class Told(NamedTuple):
    """What the gateway has kept of what it told."""

    messages: Mapping[str, Message]
    """By tracking id."""
    notices: Mapping[str, Notice]
    incidents: Sequence[Incident]
    """As they stood at the end."""


class Deliveries(msgspec.Struct, frozen=True):
    """How the desks were told."""

    messages: int
    """That arrived from the gateway."""
    of_alertmanager: int
    """Mails that Alertmanager sent itself, about the monitor."""
    by_channel: dict[str, int]
    desks: int
    told_seconds: Spread | None
    """From a fault (the second point's fall) to the phone of the company that must act."""
    most_in_a_minute: int
    """Messages that one desk got within a minute, the worst of all."""
    most_after_mending: int
    """The same, within the minute after a fault was mended."""
    beyond_budget: tuple[str, ...]
    """Desks that got more in a minute than their budget."""
    twice: int
    """Messages that arrived again."""
    lost_points: tuple[str, ...]
    """Points that fell, for long enough and in sight, and stand in no message and behind no link."""
    children_first: tuple[str, ...]
    """``child before parent (desk)``."""
    escalated: int
    """Threads that a level above was told of."""
    acknowledged: int
    refused: int
    """Links in messages that did not open, or taps that were not taken."""

    @property
    def passed(self) -> bool:
        """Whether nobody has a reason to complain."""
        wrong = (self.beyond_budget, self.twice, self.lost_points, self.children_first, self.refused)
        return not any(wrong)


def delivered(arrivals: Iterable[Arrival], told: Told, contacts: Contacts) -> Iterator[Delivered]:
    """Who got to know of which incident, when; for :func:`monitor.rehearsal.blame.judge`."""
    for arrival, notice in _told(arrivals, told):
        desk = contacts.desks.get(notice.desk)
        summary = told.messages[arrival.tracking_id].form is Form.SUMMARY
        if desk is not None and notice.story.incident:
            owner = OWNERS.get(desk.company)
            operator = notice.story.labels.get(owner.label, "") if owner is not None else ""
            firing = notice.kind not in ENDS
            yield Delivered(arrival.at, desk.id, desk.company, notice.story.incident, operator, firing, summary)


def deliveries(
    arrivals: Sequence[Arrival],
    told: Told,
    contacts: Contacts,
    inventory: Inventory,
    evidence: Evidence,
    told_seconds: Iterable[float],
    *,
    probed: Collection[str],
    acknowledged: int = 0,
    refused: int = 0,
) -> Deliveries:
    """How it went. ``told_seconds``: by fault, as :func:`monitor.rehearsal.blame.judge` found them."""
    times = _times(arrivals, told)
    worst = {desk: most(ats) for desk, ats in times.items()}
    mended = [hit.mended_at for hit in evidence.hits if hit.mended_at <= evidence.ended_at]
    repeated = Counter((arrival.tracking_id, arrival.to) for arrival in arrivals if arrival.tracking_id)
    return Deliveries(
        messages=sum(map(len, times.values())),
        of_alertmanager=sum(not arrival.tracking_id for arrival in arrivals),
        by_channel=dict(sorted(Counter(arrival.channel.value for arrival in arrivals).items())),
        desks=len(times),
        told_seconds=Spread.of(told_seconds),
        most_in_a_minute=max(worst.values(), default=0),
        most_after_mending=max((_after(ats, mended) for ats in times.values()), default=0),
        beyond_budget=tuple(desk for desk in sorted(worst) if worst[desk] > _budget(desk, contacts)),
        twice=sum(count - 1 for count in repeated.values()),
        lost_points=tuple(sorted(_lost(arrivals, told, evidence, probed))),
        children_first=tuple(sorted(set(_children_first(arrivals, told, inventory)))),
        escalated=sum(notice.kind is Kind.ESCALATED for notice in told.notices.values()),
        acknowledged=acknowledged,
        refused=refused,
    )


def most(times: Sequence[float]) -> int:
    """The largest number within a minute; ``times`` in order."""
    return max((bisect_left(times, at + MINUTE_S) - place for place, at in enumerate(times)), default=0)


def _after(times: Sequence[float], mended: Iterable[float]) -> int:
    return max((bisect_left(times, at + MINUTE_S) - bisect_left(times, at) for at in set(mended)), default=0)


def _budget(desk: str, contacts: Contacts) -> int:
    return contacts.desks[desk].budget if desk in contacts.desks else 0


def _times(arrivals: Iterable[Arrival], told: Told) -> dict[str, list[float]]:
    """When each desk got something from the gateway, in order."""
    found = defaultdict[str, list[float]](list)
    for arrival in sorted(arrivals, key=lambda each: each.at):
        if (message := told.messages.get(arrival.tracking_id)) is not None:
            found[message.desk].append(arrival.at)
    return found


def _told(arrivals: Iterable[Arrival], told: Told) -> Iterator[tuple[Arrival, Notice]]:
    """What each arrival told, in order of time."""
    for arrival in sorted(arrivals, key=lambda each: each.at):
        message = told.messages.get(arrival.tracking_id)
        for name in message.notices if message is not None else ():
            if name in told.notices:
                yield arrival, told.notices[name]


def _lost(arrivals: Iterable[Arrival], told: Told, evidence: Evidence, probed: Collection[str]) -> set[str]:
    named = {notice.story.incident for _, notice in _told(arrivals, told)}
    known = {point for incident in told.incidents if incident.id in named for point in incident.hit}
    down = defaultdict[str, list[float]](list)
    for seen in evidence.seen:
        if seen.state is PointState.DOWN:
            down[seen.point].append(seen.at)
    return {
        hit.point
        for hit in evidence.hits
        if hit.point in probed and hit.point not in known and _is_owed(hit, down[hit.point], evidence)
    }


def _is_owed(hit: Hit, shown: Iterable[float], evidence: Evidence) -> bool:
    """Whether it fell for long enough, and was shown as down long enough before its mending to be told of."""
    until = min(hit.mended_at, evidence.ended_at)
    return until - hit.cut_at >= OWED_S and any(hit.cut_at <= at <= until - TOLD_WITHIN_S for at in shown)


def _children_first(arrivals: Iterable[Arrival], told: Told, inventory: Inventory) -> Iterator[str]:
    """Incidents of which a desk was told before that of a node above, though both fell together."""
    opened = defaultdict[str, list[Notice]](list)
    for _, notice in _told(arrivals, told):
        if notice.kind is Kind.OPENED and notice.story.incident:
            opened[notice.desk].append(notice)
    for desk, notices in opened.items():
        for place, child in enumerate(notices):
            above = _above(child, inventory)
            for parent in notices[place + 1 :]:
                together = child.story.since >= parent.story.since - SAME_FALL_S
                if together and parent.story.labels.get("node") in above:
                    yield f"{child.story.incident} before {parent.story.incident} ({desk})"


def _above(child: Notice, inventory: Inventory) -> set[str]:
    """Nodes above it in both trees."""
    node = child.story.labels.get("node", "")
    point = inventory.points.get(node)
    starts = [node] if point is None else [leaf for leaf in (point.network_node, point.power_node) if leaf]
    known = (leaf for leaf in starts if leaf in inventory.network or leaf in inventory.power)
    return {each.id for leaf in known for each in inventory.ancestors(leaf)} - {node}
