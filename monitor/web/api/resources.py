"""What the API takes and gives: one struct a resource. Instants are RFC 3339 in UTC, whole seconds; ids are strings."""

from math import isfinite
from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import Meta

from monitor.core.checkin import CheckIn, Draft, Voice
from monitor.core.incidents import Entry, Incident
from monitor.core.model import Cause, Certainty, Change, IncidentState, Inventory, Mode, PointState, Tier, Tree
from monitor.core.pipeline import PointStatus
from monitor.core.readiness import Counts, Lack, Standing
from monitor.core.snapshot import DistrictRow, SnapshotHead, instant

T = TypeVar("T")
Id = Annotated[str, Meta(min_length=1, max_length=200)]
Instant = Annotated[str, Meta(examples=["2025-05-08T00:30:00Z"], extra_json_schema={"format": "date-time"})]
Limit = Annotated[int, Meta(ge=1, le=1000, description="How many at most.")]
Cursor = Annotated[str, Meta(max_length=400, description="`next` of the page before.")]


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Some of them, and how to ask for the rest."""

    items: tuple[T, ...]
    next: str | None
    """The cursor of the next page, for `after`; null on the last."""


class PointOut(msgspec.Struct, frozen=True, kw_only=True):
    """A point: who it is, how its line stands, what it has reported, and what it still lacks."""

    id: str
    name: str
    tier: Tier
    mode: Mode
    host: str | None
    """Of a merged point, where its people sit."""
    district: str | None
    commune: str | None
    state: PointState
    cause: Cause
    since: Instant
    connected: bool
    ready: bool
    lacks: tuple[Lack, ...]
    delegates: int | None
    attendees: int | None
    late: bool
    reported_at: Instant | None
    incident: str | None
    """Whose fault it is that it is down: the id of an incident."""


class CommuneOut(msgspec.Struct, frozen=True):
    """A commune's counts, all its tiers together."""

    commune: str
    district: str
    counts: Counts


class ReadinessOut(msgspec.Struct, frozen=True, kw_only=True):
    """The number that is owed, and what it is made of."""

    at: Instant
    deadline: Instant
    begins_at: Instant
    blind: bool
    """The monitor does not see: lines stand as they were last seen."""
    target: int
    """How many points are to be ready."""
    met_at: Instant | None
    """When they will be, by the last quarter of an hour; null where that is not in sight."""
    total: Counts
    tiers: dict[Tier, Counts]
    districts: tuple[DistrictRow, ...]
    communes: tuple[CommuneOut, ...] | None
    """Where they were asked for."""


class IncidentOut(msgspec.Struct, frozen=True, kw_only=True):
    """A cause, and who must act."""

    id: str
    tree: Tree
    node: str
    name: str
    operator: str
    """Its owner; `site` for a site."""
    state: IncidentState
    certainty: Certainty
    probability: float
    """That the node is right."""
    owner_probability: float
    """That its owner must act."""
    since: Instant
    opened_at: Instant
    ended_at: Instant | None
    became: str | None
    points: tuple[str, ...]
    """Down because of it now."""
    hit: int
    """How many ever were."""


class EntryOut(msgspec.Struct, frozen=True):
    """A line of an incident's timeline."""

    at: Instant
    change: Change
    points: int
    certainty: Certainty
    other: str | None


class IncidentWhole(IncidentOut, frozen=True, kw_only=True):
    """An incident with its timeline."""

    timeline: tuple[EntryOut, ...]


class SnapshotOut(msgspec.Struct, frozen=True, kw_only=True):
    """A frozen count; its content is at `/snapshots/{number}/content`."""

    number: int
    taken_at: Instant
    automatic: bool
    deadline: Instant
    by: str
    previous: str
    digest: str
    """SHA-256 over `previous`, a line feed and the content."""


class CheckInOut(msgspec.Struct, frozen=True, kw_only=True):
    """A report that is kept."""

    point: str
    entry: str
    voice: Voice
    author: str
    picture: bool
    sound: bool
    delegates: int | None
    attendees: int | None
    chair: str
    power: str | None
    note: str
    entered_at: Instant
    received_at: Instant
    late: bool


class CheckInIn(Draft, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A report to be kept."""

    point: Id


class Kept(msgspec.Struct, frozen=True):
    """What is kept, in the order of what was sent."""

    items: tuple[CheckInOut, ...]


class PointsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which points."""

    tier: Tier | None = None
    district: Id | None = None
    commune: Id | None = None
    mode: Mode | None = None
    state: PointState | None = None
    ready: bool | None = None
    lack: Lack | None = None
    q: Annotated[str, Meta(max_length=100, description="Part of the name or id, without regard to case.")] = ""
    limit: Limit = 100
    after: Cursor = ""


class ReadinessQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How fine the counts are to be."""

    communes: Annotated[bool, Meta(description="Counts by commune, too.")] = False


class IncidentsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which incidents."""

    state: IncidentState | None = None
    operator: Id | None = None
    limit: Limit = 100
    after: Cursor = ""


class CheckInsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of one point all, the latest first; without it of each point the one that holds."""

    point: Id | None = None
    limit: Limit = 100
    after: Cursor = ""


class SnapshotsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of them."""

    limit: Limit = 100
    after: Cursor = ""


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No parameter."""


def moment(at: float | None) -> Instant | None:
    """RFC 3339 of an instant; None for none, and for never."""
    return instant(at) if at is not None and isfinite(at) else None


def point_out(standing: Standing, status: PointStatus, incident: str | None) -> PointOut:
    """A point as it stands."""
    point, report = standing.point, standing.report
    return PointOut(
        id=point.id,
        name=point.name,
        tier=point.tier,
        mode=point.mode,
        host=standing.host.id if point.mode is Mode.MERGED and standing.host is not None else None,
        district=point.district_code,
        commune=point.commune_code,
        state=status.state,
        cause=status.cause,
        since=instant(status.since),
        connected=standing.connected,
        ready=standing.ready,
        lacks=standing.lacks,
        delegates=report.delegates if report else None,
        attendees=report.attendees if report else None,
        late=report.late if report else False,
        reported_at=moment(report.received_at) if report else None,
        incident=incident,
    )


def incident_out(incident: Incident, inventory: Inventory) -> dict[str, object]:
    """The fields that both forms of an incident have."""
    return {
        "id": incident.id,
        "tree": incident.tree,
        "node": incident.node,
        "name": _name(incident, inventory),
        "operator": incident.operator,
        "state": incident.state,
        "certainty": incident.certainty,
        "probability": round(incident.probability, 4),
        "owner_probability": round(incident.owner_probability, 4),
        "since": instant(incident.since),
        "opened_at": instant(incident.opened_at),
        "ended_at": moment(incident.ended_at),
        "became": incident.became or None,
        "points": incident.points,
        "hit": len(incident.hit),
    }


def _name(incident: Incident, inventory: Inventory) -> str:
    if incident.tree is Tree.SITE:
        point = inventory.points.get(incident.node)
        return point.name if point is not None else incident.node
    node = (inventory.network if incident.tree is Tree.NETWORK else inventory.power).get(incident.node)
    return node.name if node is not None else incident.node


def entry_out(entry: Entry) -> EntryOut:
    """A line of a timeline."""
    return EntryOut(instant(entry.at), entry.change, entry.points, entry.certainty, entry.other or None)


def snapshot_out(head: SnapshotHead) -> SnapshotOut:
    """A snapshot without its content."""
    return SnapshotOut(
        number=head.number,
        taken_at=instant(head.taken_at),
        automatic=head.automatic,
        deadline=instant(head.deadline),
        by=head.by,
        previous=head.previous,
        digest=head.digest,
    )


def check_in_out(report: CheckIn) -> CheckInOut:
    """A report as it is kept."""
    return CheckInOut(
        point=report.point,
        entry=report.entry,
        voice=report.author.voice,
        author=report.author.name,
        picture=report.picture,
        sound=report.sound,
        delegates=report.delegates,
        attendees=report.attendees,
        chair=report.chair,
        power=report.power,
        note=report.note,
        entered_at=instant(report.entered_at),
        received_at=instant(report.received_at),
        late=report.late,
    )
