"""The count as it was at an instant, for good: what it holds, what is hashed, and what has changed since. Pure.

The canonical form is JSON with sorted keys, without white space, in UTF-8, of strings, integers, booleans and nulls
alone (RFC 8785 in its simple part), so that anybody can compute SHA-256 over it again. Each names the digest of the one
before, so that none can be taken out of the row.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from math import ceil

import msgspec

from monitor.core.model import Ceremony, Inventory, Mode, PointState, Tier
from monitor.core.readiness import NOTHING, Counts, Lack, Place, Readiness, Standing

VERSION = 1


class PointRow(msgspec.Struct, frozen=True, kw_only=True):
    """A point as it stood."""

    id: str
    name: str
    tier: Tier
    mode: Mode
    district: str
    """Its code; empty for the province's own."""
    commune: str
    host: str
    """Id of the point where its people sit; empty for one that sits for itself, or nowhere."""
    state: PointState
    connected: bool
    ready: bool
    lacks: tuple[Lack, ...]
    delegates: int | None
    attendees: int | None
    chair: str
    power: str
    """Its supply by its own word: a value of PowerSupply, or empty."""
    note: str
    late: bool
    """It reported after the deadline."""


class DistrictRow(msgspec.Struct, frozen=True):
    """A district's counts, all its tiers together; code and name are empty for the province's own points."""

    code: str
    name: str
    counts: Counts


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """The whole count at an instant: what a snapshot freezes, and what a report is made from."""

    version: int = VERSION
    event: str
    deadline: str
    """RFC 3339, UTC, whole seconds, as ``taken_at`` is."""
    begins_at: str
    taken_at: str
    blind: bool
    """The monitor did not see at that instant: lines stand as they were last seen."""
    target: int
    """How many points were to be ready."""
    total: Counts
    tiers: Mapping[Tier, Counts]
    districts: tuple[DistrictRow, ...]
    points: tuple[PointRow, ...]


class SnapshotHead(msgspec.Struct, frozen=True, kw_only=True):
    """What a list shows of a snapshot."""

    number: int
    """From 1, without gaps."""
    taken_at: float
    automatic: bool
    """At the deadline, by itself; of each deadline there is one."""
    deadline: float
    by: str
    """Who took it; empty for an automatic one."""
    previous: str
    """The digest of the snapshot before it; empty for the first."""
    digest: str
    """SHA-256 in hexadecimal over ``previous``, a line feed, and the content."""


class Snapshot(SnapshotHead, frozen=True, kw_only=True):
    """A content under its number. Immutable."""

    content: bytes
    """In canonical form."""

    @property
    def genuine(self) -> bool:
        """Whether it still is what was taken."""
        return digest_of(self.content, self.previous) == self.digest


class PointDifference(msgspec.Struct, frozen=True):
    """A point that stands otherwise than it did; None where it was not, or is no more, in the inventory."""

    id: str
    before: PointRow | None
    after: PointRow | None


class Differences(msgspec.Struct, frozen=True):
    """What has changed from one content to another."""

    total: Counts
    """After minus before."""
    points: tuple[PointDifference, ...]
    """Those of which readiness, connection, head count or mode differs, in the order of their ids."""


def content_of(
    *,
    ceremony: Ceremony,
    inventory: Inventory,
    target_ratio: float,
    readiness: Readiness,
    places: Mapping[Place, Counts],
    standings: Iterable[Standing],
    blind: bool,
) -> Content:
    """The count as it is."""
    return Content(
        event=ceremony.title,
        deadline=instant(ceremony.report_at),
        begins_at=instant(ceremony.begins_at),
        taken_at=instant(readiness.at),
        blind=blind,
        target=target_of(readiness.total.expected, target_ratio),
        total=readiness.total,
        tiers=readiness.tiers,
        districts=tuple(districts_of(places, inventory)),
        points=tuple(sorted(map(row_of, standings), key=lambda row: row.id)),
    )


def target_of(expected: int, ratio: float) -> int:
    """How many of so many are to be ready: rounded up, but a hair of floating point asks for no more."""
    return ceil(expected * ratio - 1e-9)


def row_of(standing: Standing) -> PointRow:
    """A point as it stands."""
    point, report = standing.point, standing.report
    merged = point.mode is Mode.MERGED
    return PointRow(
        id=point.id,
        name=point.name,
        tier=point.tier,
        mode=point.mode,
        district=point.district_code or "",
        commune=point.commune_code or "",
        host=standing.host.id if merged and standing.host is not None else "",
        state=standing.seen.state,
        connected=standing.connected,
        ready=standing.ready,
        lacks=standing.lacks,
        delegates=report.delegates if report else None,
        attendees=report.attendees if report else None,
        chair=report.chair if report else "",
        power=report.power or "" if report else "",
        note=report.note if report else "",
        late=report.late if report else False,
    )


def canonical(content: Content) -> bytes:
    """The bytes that are hashed."""
    return msgspec.json.encode(content, order="sorted")


def digest_of(content: bytes, previous: str) -> str:
    """SHA-256 in hexadecimal of a canonical content behind the digest of the snapshot before it."""
    return sha256(previous.encode() + b"\n" + content).hexdigest()


def read(content: bytes) -> Content:
    """A canonical content, read back. Raises msgspec.ValidationError, also msgspec.DecodeError."""
    return msgspec.json.decode(content, type=Content)


def differences(before: Content, after: Content) -> Differences:
    """What has changed."""
    old, new = ({row.id: row for row in content.points} for content in (before, after))
    changed = (
        PointDifference(point_id, old.get(point_id), new.get(point_id))
        for point_id in sorted(old.keys() | new.keys())
        if _told_of(old.get(point_id)) != _told_of(new.get(point_id))
    )
    return Differences(after.total.minus(before.total), tuple(changed))


def instant(at: float) -> str:
    """RFC 3339 of Unix time, in UTC and whole seconds."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _told_of(row: PointRow | None) -> tuple[object, ...] | None:
    return (row.mode, row.connected, row.ready, row.delegates, row.attendees) if row is not None else None


def districts_of(places: Mapping[Place, Counts], inventory: Inventory) -> Iterable[DistrictRow]:
    """The counts by district, in the order of their codes."""
    sums: dict[str, Counts] = {}
    for (_tier, district, _commune), counts in places.items():
        sums[district] = sums.get(district, NOTHING).plus(counts)
    for code in sorted(sums):
        yield DistrictRow(code, inventory.district_name(code or None), sums[code])
