"""One incident a cause: opened, grown, attributed otherwise, resolved. Pure.

An incident is known by its cause, ``tree:node``, so that two monitors, or one before and after a restart, speak of the
same. Its life, given each new attribution:

* A cause that nothing ongoing has is **opened** once its neighbours have been probed since the last of its points fell
  and none of them is in the midst of a confirm burst; a doubtful one waits a little longer. It need not wait for ever.
* It **grows** as points join, and is reassessed as its odds change, with hysteresis.
* When the explanation changes, the cause that lost its points is **merged** into the new one where both have the same
  owner, else **retracted** in words; never before the new one is open.
* It is **resolved** only when all its points have been probed up. While they come up one after the other, what is still
  down is not attributed anew: it is **recovering**.
* One that comes again and again stays open over its short calms, longer each time: nobody is rung at each fall.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import inf
from typing import Protocol

import msgspec

from monitor.core.acknowledgement import Acknowledgement
from monitor.core.attribution.model import Attribution, Blame, Fact, RunnerUp
from monitor.core.detection import CheckStatus, Hold
from monitor.core.model import (
    ONGOING,
    Cause,
    Certainty,
    Change,
    CheckState,
    IncidentChanged,
    IncidentState,
    PointState,
    Power,
    PowerState,
    Tree,
)
from probes.model import Histogram, Layer

HOLD_AT_MOST_S = 2.0
"""How long a cause waits for its neighbours to be probed."""
UNSETTLED_RATIO = 0.02
"""So many of them need not be waited for: of a thousand, chance alone has some in a confirm burst at any time."""
DOUBTFUL_HOLD_S = 3.5
"""How long one waits of which it is not clear who must act: the next answers may tell."""
DARK_TIMES = 4
"""A cause of which only batteries tell must be the best explanation so many times in a row."""
TAKES_OVER_AFTER_S = 2.0
"""How long a cause must be the better explanation before it takes the points of another node's incident."""
RECOVERY_S = 30.0
"""How long what is left of an incident is held after the last of its points came up."""
CALM_S = (0.0, 30.0, 60.0, 180.0)
"""How long all points must be up before an incident is resolved, by how often it came again lately."""
LATELY_S = 900.0
RESTORED_FOR_S = 60.0
"""What was ongoing before a restart is not concluded for so long: its points have to be probed first."""
ACK_SKEW_S = 5.0
"""An acknowledgement may be dated so long before the incident was opened here: clocks of two monitors differ."""
KEPT = 1000
"""Incidents that are over and still told of."""
TIMELINE = 200
"""Lines of a timeline; of more the first and the latest are kept."""
GROWS_AFTER_S = 1.0
"""Points that join within so long make one line of the timeline."""

RISES = {Certainty.CERTAIN: 0.95, Certainty.PROBABLE: 0.70}
"""From which probability that the owner must act a certainty begins,"""
FALLS = {Certainty.CERTAIN: 0.92, Certainty.PROBABLE: 0.65}
"""and below which it ends."""
WELL = frozenset({PointState.UP, PointState.DEGRADED})
ASSESSED = ("probability", "owner_probability", "evidence", "runner_up", "indistinguishable", "secondary")
"""What an incident has from the latest attribution."""


class Entry(msgspec.Struct, frozen=True):
    """A line of an incident's timeline."""

    at: float
    change: Change
    points: int
    """Points down because of it, then."""
    certainty: Certainty
    probability: float
    """That its owner must act."""
    other: str = ""
    """The incident that it became, or that it took the place of."""
    by: str = ""
    """The desk that acknowledged, or that was told because nobody below it had."""


class Incident(msgspec.Struct, kw_only=True):
    """One cause and all that it has done. Written by :class:`Incidents`; everybody else reads."""

    id: str
    """``network:agg-395``, ``power:feeder-384-1``, ``site:x-14869``: the same on every monitor and after a restart."""
    tree: Tree
    node: str
    """The id of the node, or of the point for a site."""
    operator: str
    """Who owns it; ``site`` for a site."""
    since: float
    """When its first point fell."""
    opened_at: float
    state: IncidentState = IncidentState.OPEN
    certainty: Certainty = Certainty.UNDETERMINED
    probability: float = 0.5
    """That the node is right."""
    owner_probability: float = 0.5
    """That its owner must act."""
    points: tuple[str, ...] = ()
    """Down because of it, and not probed up since."""
    on_battery: tuple[str, ...] = ()
    """Still up under it, on battery."""
    hit: set[str] = msgspec.field(default_factory=set)
    """All that were ever down because of it."""
    runner_up: RunnerUp | None = None
    indistinguishable: tuple[str, ...] = ()
    secondary: tuple[str, ...] = ()
    evidence: tuple[Fact, ...] = ()
    changed_at: float = 0.0
    ended_at: float | None = None
    became: str = ""
    timeline: list[Entry] = msgspec.field(default_factory=list)
    openings: list[float] = msgspec.field(default_factory=list)
    """When it was opened, the first time and again."""
    up_at: float = -inf
    """When the last of its points came up."""
    acknowledged: tuple[Acknowledgement, ...] = ()
    """Who works on it, the first first; of one desk the latest word."""

    @property
    def ongoing(self) -> bool:
        """Whether it is not over."""
        return self.state in ONGOING


class PointStatus(Protocol):
    """What is read of a point."""

    @property
    def state(self) -> PointState: ...  # noqa: D102

    @property
    def cause(self) -> Cause: ...  # noqa: D102

    @property
    def since(self) -> float: ...  # noqa: D102

    @property
    def power(self) -> Power: ...  # noqa: D102

    @property
    def checks(self) -> tuple[CheckStatus, ...]: ...  # noqa: D102


class Territory(Protocol):
    """Who hangs where."""

    def beneath(self, node: str) -> Sequence[str]:
        """The points below a node."""

    def neighbours(self, tree: Tree, node: str) -> Sequence[str]:
        """The points whose state tells a fault of this node from one of its parent's: those below the parent."""


class Province(msgspec.Struct, frozen=True):
    """What incidents are judged against."""

    points: Mapping[str, PointStatus]
    territory: Territory


class Incidents:
    """All incidents of this run. :meth:`fold` takes a new attribution in, :meth:`advance` lets time pass."""

    def __init__(self) -> None:
        self.retractions = 0
        """How often an owner was named who was not to blame."""
        self.attributions = 0
        """How often the province was attributed."""
        self.attribution_s = 0.0
        """How long the last one took."""
        self.attribution_times = Histogram.of(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
        self.naming_times = Histogram.of(0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 7.5, 10.0, 30.0, 60.0)
        """From its first point's fall to the opening of an incident, seconds."""
        self.changes: Counter[Change] = Counter()
        """How much has happened to incidents, by sort."""
        self.suspects: tuple[str, ...] = ()
        """Points whose row in the inventory contradicted what was seen."""
        self._by_id: OrderedDict[str, Incident] = OrderedDict()
        self._holder: dict[str, str] = {}
        """Point → the ongoing incident that it is down because of."""
        self._wanted: dict[str, Blame] = {}
        """What the latest attribution blames, by the incident's id."""
        self._wanted_since: dict[str, float] = {}
        self._wanted_again: Counter[str] = Counter()
        """In how many attributions in a row."""
        self._claims: dict[str, str] = {}
        """Point → what it is down because of, by the latest attribution; of several the largest."""
        self._explained: set[str] = set()
        """Points that were down when the latest attribution was asked for."""
        self._unsettled: dict[str, float] = {}
        """Until when what was ongoing before a restart waits for its points to be probed."""

    @property
    def ongoing(self) -> Mapping[str, Incident]:
        """Those that are not over, by id."""
        return {key: incident for key, incident in self._by_id.items() if incident.ongoing}

    @property
    def all(self) -> Sequence[Incident]:
        """Those of this run, the latest opened first."""
        return sorted(self._by_id.values(), key=lambda incident: -incident.opened_at)

    @property
    def waiting(self) -> bool:
        """Whether time alone may change something: a cause is held, or an incident is ongoing."""
        return bool(self._wanted) or any(incident.ongoing for incident in self._by_id.values())

    def get(self, incident_id: str) -> Incident | None:
        """An incident of this run, over or not."""
        return self._by_id.get(incident_id)

    def of_point(self, point_id: str) -> Incident | None:
        """The one that a point is down, or on battery, because of."""
        if (held := self._holder.get(point_id)) is not None:
            return self._by_id[held]
        return next((one for one in self._by_id.values() if one.ongoing and point_id in one.on_battery), None)

    def timed(self, seconds: float) -> None:
        """An attribution took so long."""
        self.attributions += 1
        self.attribution_s = seconds
        self.attribution_times.observe(seconds)

    def record(self, incident_id: str) -> bytes | None:
        """An incident as it may be kept, for :meth:`restore`; None for an unknown one."""
        incident = self._by_id.get(incident_id)
        return msgspec.msgpack.encode(incident) if incident is not None else None

    def restore(self, records: Iterable[bytes], province: Province, now: float) -> int:
        """Take up what was kept before a restart, the oldest first; how many were left out, as no longer to be read.

        Incidents of nodes and points that are gone are left out. What was ongoing goes on, under its old instants.
        """
        left_out = 0
        for record in records:
            incident = _read(record)
            if incident is None or not _is_placed(incident, province):
                left_out += 1
                continue
            incident.points = tuple(point for point in incident.points if point in province.points)
            self._by_id[incident.id] = incident
            self._by_id.move_to_end(incident.id)
            if incident.ongoing:
                self._unsettled[incident.id] = now + RESTORED_FOR_S
                self._holder.update(dict.fromkeys(incident.points, incident.id))
        self._forget()
        return left_out

    def fold(self, attribution: Attribution, province: Province, now: float) -> list[IncidentChanged]:
        """Take in what is the most probable explanation now."""
        self._wanted = {f"{blame.tree}:{blame.node}": blame for blame in attribution.blamed}
        self._wanted_since = {key: self._wanted_since.get(key, now) for key in self._wanted}
        self._wanted_again = Counter({key: self._wanted_again[key] + 1 for key in self._wanted})
        self._claims = {point: key for key, one in reversed(self._wanted.items()) for point in one.points}
        self._explained = {*attribution.undetermined, *self._claims}
        self.suspects = tuple(sorted({*self.suspects, *attribution.suspects} & province.points.keys()))
        return self.advance(province, now)

    def acknowledge(self, said_so: Acknowledgement, now: float) -> list[IncidentChanged]:
        """A desk works on it. What is known already, or of an earlier failure of the same, tells nothing."""
        incident = self._by_id.get(said_so.incident)
        if incident is None or said_so in incident.acknowledged or said_so.at < incident.opened_at - ACK_SKEW_S:
            return []
        before = [each for each in incident.acknowledged if each.desk == said_so.desk]
        if any(each.at > said_so.at for each in before):
            return []
        others = [each for each in incident.acknowledged if each.desk != said_so.desk]
        incident.acknowledged = (*others, said_so)
        return list(self._note(incident, Change.ACKNOWLEDGED, now, said_so.desk))

    def escalated(self, incident_id: str, desk: str, now: float) -> list[IncidentChanged]:
        """A desk is told because nobody below it has acknowledged."""
        incident = self._by_id.get(incident_id)
        return list(self._note(incident, Change.ESCALATED, now, desk)) if incident is not None else []

    def shift(self, by_s: float) -> None:
        """The clock was set back by so much: what waits must not wait for it to come round again."""
        self._wanted_since = {key: since + by_s for key, since in self._wanted_since.items()}
        for incident in self.ongoing.values():
            incident.opened_at += by_s
            incident.up_at += by_s
            incident.openings = [at + by_s for at in incident.openings]

    def advance(self, province: Province, now: float) -> list[IncidentChanged]:
        """Let time pass: points come up, holds run out."""
        changed: list[IncidentChanged] = []
        for incident in list(self.ongoing.values()):
            changed += self._follow(incident, province, now)
        for key, blame in self._wanted.items():
            changed += self._consider(key, blame, province, now)
        for incident in list(self.ongoing.values()):
            changed += self._conclude(incident, province, now)
        return changed

    # Following what is ongoing

    def _follow(self, incident: Incident, province: Province, now: float) -> Iterator[IncidentChanged]:
        """Points that came up leave; those that its cause explains join; odds are brought up to date."""
        before = len(incident.points)
        self._leave(incident, [point for point in incident.points if _is_over(province.points.get(point))], now)
        shrunk = len(incident.points) < before
        if shrunk:
            incident.up_at = now
        blame = self._wanted.get(incident.id)
        joined = self._join(incident, blame.points, province, now) if blame is not None else 0
        if blame is not None:
            yield from self._assess(incident, blame, province, now)
        if joined:
            yield from self._note(incident, Change.GREW, now)
        elif shrunk and incident.points:
            yield from self._note(incident, Change.SHRANK, now)

    def _join(self, incident: Incident, points: Iterable[str], province: Province, now: float) -> int:
        """Those of the points that are down, and not held by an incident with a cause of its own."""
        ours = set(incident.points)
        new = [
            point
            for point in points
            if point not in ours and _is_down(province.points.get(point)) and self._is_free(point, incident)
        ]
        for point in new:
            holder = self._by_id.get(self._holder.get(point, ""))
            if holder is not None:
                self._leave(holder, [point], now)
            self._holder[point] = incident.id
        incident.points = (*incident.points, *new)
        incident.hit.update(new)
        return len(new)

    def _is_free(self, point: str, incident: Incident) -> bool:
        """Whether no other incident has a better right to a point: one that still explains it, or that recovers."""
        holder = self._by_id.get(self._holder.get(point, ""))
        if holder is None or holder is incident or not holder.ongoing:
            return True
        return holder.state is not IncidentState.RECOVERING and self._claims.get(point) != holder.id

    def _leave(self, incident: Incident, points: Sequence[str], now: float) -> None:
        for point in points:
            if self._holder.get(point) == incident.id:
                del self._holder[point]
        if points:
            gone = set(points)
            incident.points = tuple(point for point in incident.points if point not in gone)
            incident.changed_at = now

    def _assess(self, incident: Incident, blame: Blame, province: Province, now: float) -> Iterator[IncidentChanged]:
        before = incident.certainty
        for name in ASSESSED:
            if getattr(incident, name) != getattr(blame, name):
                setattr(incident, name, getattr(blame, name))
                incident.changed_at = now
        incident.certainty = certainty_of(blame.owner_probability, before)
        incident.on_battery = self._on_battery(incident, province)
        if incident.state is IncidentState.RECOVERING and any(_is_down(province.points.get(p)) for p in blame.points):
            incident.state, incident.changed_at = IncidentState.OPEN, now
        if incident.certainty is not before:
            yield from self._note(incident, Change.REASSESSED, now)

    def _on_battery(self, incident: Incident, province: Province) -> tuple[str, ...]:
        if incident.tree is not Tree.POWER:
            return ()
        beneath = province.territory.beneath(incident.node)
        return tuple(point for point in beneath if _lives_on_battery(province.points.get(point)))

    # Opening

    def _consider(self, key: str, blame: Blame, province: Province, now: float) -> Iterator[IncidentChanged]:
        """Open what is blamed and not ongoing, when it is time."""
        known = self._by_id.get(key)
        if known is not None and known.ongoing:
            return
        down = [point for point in blame.points if _is_down(province.points.get(point))]
        free = [point for point in down if self._may_take(key, blame, point, now)]
        dark = not down and blame.tree is Tree.POWER and self._dark(blame, province)
        if ((free and len(free) * 2 >= len(down)) or dark) and self._is_time(key, blame, free, province, now):
            since = min((province.points[point].since for point in free), default=now)
            incident = self._open(key, blame, known, since, now)
            self._join(incident, free, province, now)
            incident.on_battery = self._on_battery(incident, province)
            incident.openings.append(now)
            self.naming_times.observe(max(0.0, now - since))
            again = len(incident.openings) > 1
            yield from self._note(incident, Change.REOPENED if again else Change.OPENED, now)

    def _may_take(self, key: str, blame: Blame, point: str, now: float) -> bool:
        """Whether a new cause may have a point: nobody holds it, or its holder has no longer a cause."""
        holder = self._by_id.get(self._holder.get(point, ""))
        if holder is None or not holder.ongoing:
            return True
        if holder.state is IncidentState.RECOVERING:
            return False
        if self._claims.get(point) == holder.id:
            return False
        patience_s = 0.0 if holder.tree is Tree.SITE and blame.tree is not Tree.SITE else TAKES_OVER_AFTER_S
        return now - self._wanted_since.get(key, now) >= patience_s

    def _dark(self, blame: Blame, province: Province) -> bool:
        return any(_lives_on_battery(province.points.get(point)) for point in province.territory.beneath(blame.node))

    def _is_time(self, key: str, blame: Blame, free: Sequence[str], province: Province, now: float) -> bool:
        """Whether its neighbours have been probed since most of its points fell, or it has waited long enough."""
        waited_s = now - self._wanted_since.get(key, now)
        doubtful = blame.owner_probability < RISES[Certainty.PROBABLE] or not free
        if not free and self._wanted_again[key] < DARK_TIMES:
            return False  # batteries tell one after the other, in a storm over seconds
        if waited_s >= (DOUBTFUL_HOLD_S if doubtful else HOLD_AT_MOST_S):
            return True
        if doubtful:
            return False
        fell = sorted(province.points[point].since for point in free)
        fell_at = fell[len(fell) // 2]  # stragglers say nothing of the neighbours
        neighbours = province.territory.neighbours(blame.tree, blame.node)
        known = self._explained | {*free, *province.territory.beneath(blame.node)}
        if any(_is_down(province.points.get(point)) and point not in known for point in neighbours):
            return False  # it fell since the attribution was asked for
        waited_for = sum(not is_settled(province.points.get(point), fell_at) for point in neighbours)
        return waited_for <= len(neighbours) * UNSETTLED_RATIO

    def _open(self, key: str, blame: Blame, known: Incident | None, since: float, now: float) -> Incident:
        """The incident with this cause, anew or again."""
        incident = Incident(
            id=key,
            tree=blame.tree,
            node=blame.node,
            operator=blame.operator,
            since=since,
            opened_at=now,
            certainty=certainty_of(blame.owner_probability, Certainty.UNDETERMINED),
            probability=blame.probability,
            owner_probability=blame.owner_probability,
            runner_up=blame.runner_up,
            indistinguishable=blame.indistinguishable,
            secondary=blame.secondary,
            evidence=blame.evidence,
            changed_at=now,
        )
        if known is not None:
            incident.timeline, incident.hit = known.timeline, known.hit
            incident.openings = [at for at in known.openings if now - at < LATELY_S]
        self._by_id[key] = incident
        self._by_id.move_to_end(key)
        self._forget()
        return incident

    def _forget(self) -> None:
        over = [key for key, incident in self._by_id.items() if not incident.ongoing]
        for key in over[: max(0, len(over) - KEPT)]:
            del self._by_id[key]

    # Concluding

    def _conclude(self, incident: Incident, province: Province, now: float) -> Iterator[IncidentChanged]:
        """Resolve what is over; give what another cause explains to that."""
        if self._is_unsettled(incident, province, now):
            return
        incident.on_battery = self._on_battery(incident, province)
        successor = self._successor(incident)
        if not incident.points and not incident.on_battery:
            taken = successor if incident.up_at < incident.opened_at else None
            if taken is not None:
                yield from self._replace(incident, taken, now)
            elif now - max(incident.up_at, incident.opened_at) >= _calm_s(incident, now):
                yield from self._end(incident, IncidentState.RESOLVED, Change.RESOLVED, now)
            else:
                yield from self._recover(incident, now)
        elif incident.id not in self._wanted:
            if now - incident.up_at < RECOVERY_S:
                yield from self._recover(incident, now)
            elif successor is not None:
                yield from self._replace(incident, successor, now)
            elif incident.state is IncidentState.RECOVERING:
                incident.state, incident.changed_at = IncidentState.OPEN, now  # another cause may have what is left

    def _is_unsettled(self, incident: Incident, province: Province, now: float) -> bool:
        """Whether it was ongoing before a restart, and not all of its points have been observed since."""
        until = self._unsettled.get(incident.id)
        if until is None:
            return False
        seen = (
            province.points[point].state is not PointState.UNKNOWN for point in incident.hit & province.points.keys()
        )
        if now < until and not all(seen):
            return True
        del self._unsettled[incident.id]
        return False

    def _recover(self, incident: Incident, now: float) -> Iterator[IncidentChanged]:
        if incident.state is not IncidentState.RECOVERING:
            incident.state = IncidentState.RECOVERING
            yield from self._note(incident, Change.RECOVERING, now)

    def _successor(self, incident: Incident) -> Incident | None:
        """The ongoing incident with a cause that has, or explains, most of what this one hit and is still down."""
        if incident.id in self._wanted and incident.points:
            return None
        votes = Counter(holder for point in incident.hit if (holder := self._claimed(point)) not in (None, incident.id))
        for key, _ in votes.most_common():
            other = self._by_id.get(key or "")
            if other is not None and other.ongoing:
                return other
        return self._above(incident) if not incident.hit else None

    def _above(self, incident: Incident) -> Incident | None:
        """Of one that no point fell of yet: the ongoing incident with a cause that has all of its points on battery."""
        if not incident.on_battery:
            return None
        others = (self._by_id[key] for key in self._wanted if key in self._by_id)
        ours = set(incident.on_battery)
        return next((one for one in others if one.ongoing and one is not incident and ours <= {*one.on_battery}), None)

    def _claimed(self, point: str) -> str | None:
        holder = self._holder.get(point)
        if holder is not None and holder in self._wanted:
            return holder
        return self._claims.get(point, holder)

    def _replace(self, incident: Incident, successor: Incident, now: float) -> Iterator[IncidentChanged]:
        """Another explanation has taken its place, in part or as a whole."""
        left = incident.points
        self._leave(incident, left, now)
        for point in left:
            claimed = self._by_id.get(self._claimed(point) or "")
            holder = claimed if claimed is not None and claimed.ongoing else successor
            holder.points, self._holder[point] = (*holder.points, point), holder.id
            holder.hit.add(point)
            holder.changed_at = now
        successor.since, successor.changed_at = min(successor.since, incident.since), now
        mostly_up = len(left) * 2 < len(incident.hit) and incident.up_at > incident.opened_at
        incident.became = successor.id
        if mostly_up:
            state, change = IncidentState.RESOLVED, Change.RESOLVED
        elif successor.operator == incident.operator:
            state, change = IncidentState.MERGED, Change.MERGED
        else:
            state, change = IncidentState.RETRACTED, Change.RETRACTED
            self.retractions += 1
        yield from self._end(incident, state, change, now)

    def _end(self, incident: Incident, state: IncidentState, change: Change, now: float) -> Iterator[IncidentChanged]:
        incident.state, incident.ended_at = state, now
        yield from self._note(incident, change, now)

    def _note(self, incident: Incident, change: Change, now: float, by: str = "") -> Iterator[IncidentChanged]:
        """Write it into the timeline, and tell. Points that come in a row make one line."""
        entry = Entry(
            now, change, len(incident.points), incident.certainty, incident.owner_probability, incident.became, by
        )
        lines, last = incident.timeline, incident.timeline[-1] if incident.timeline else None
        if last is not None and (last.change, last.by) == (change, by) and now - last.at < GROWS_AFTER_S:
            lines[-1] = msgspec.structs.replace(entry, at=last.at)
        else:
            lines.append(entry)
        if len(lines) > TIMELINE:
            del lines[TIMELINE // 2]
        incident.changed_at = now
        self.changes[change] += 1
        yield IncidentChanged(
            incident.id,
            change,
            now,
            incident.since,
            incident.tree,
            incident.node,
            incident.operator,
            incident.certainty,
            incident.owner_probability,
            len(incident.points),
            incident.became,
            by,
        )


def _read(record: bytes) -> Incident | None:
    try:
        return msgspec.msgpack.decode(record, type=Incident)
    except msgspec.MsgspecError:
        return None


def _is_placed(incident: Incident, province: Province) -> bool:
    """Whether its cause is still in the inventory."""
    if incident.tree is Tree.SITE:
        return incident.node in province.points
    return bool(province.territory.beneath(incident.node))


def certainty_of(probability: float, before: Certainty) -> Certainty:
    """In words, how sure it is that the owner must act; with hysteresis against what was said before."""
    order = (Certainty.CERTAIN, Certainty.PROBABLE)
    for certainty in order:
        kept = before in order[: order.index(certainty) + 1]
        if probability >= (FALLS if kept else RISES)[certainty]:
            return certainty
    return Certainty.UNDETERMINED


def is_settled(status: PointStatus | None, fell_at: float) -> bool:
    """Whether it is known how a point stands since that instant: nothing of it is under way, nothing is old."""
    if status is None or status.state not in WELL:
        return True
    asked = [check for check in status.checks if check.policy.layer is Layer.REACHABLE and check.state is CheckState.UP]
    return all(check.hold is not Hold.CONFIRMING for check in asked) and any(
        check.answered_at >= fell_at for check in status.checks
    )


def _is_down(status: PointStatus | None) -> bool:
    return status is not None and status.state is PointState.DOWN


def _is_over(status: PointStatus | None) -> bool:
    """Whether a point has been probed up, or is not asked for any more. Not observed is neither."""
    if status is None or status.state is PointState.NOT_EXPECTED:
        return True
    return status.state in WELL and status.cause is not Cause.FLAPPING


def _lives_on_battery(status: PointStatus | None) -> bool:
    return status is not None and status.state in WELL and status.power.state is PowerState.BATTERY


def _calm_s(incident: Incident, now: float) -> float:
    again = sum(now - at < LATELY_S for at in incident.openings) - 1
    return CALM_S[max(0, min(again, len(CALM_S) - 1))]
