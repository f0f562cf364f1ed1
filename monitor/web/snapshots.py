"""The count as it was: the list of snapshots, and one of them beside the figures of now."""

from asyncio import to_thread
from collections.abc import Callable, Iterator, Sequence
from zoneinfo import ZoneInfo

import msgspec
from aiohttp import hdrs, web

from monitor.core.access import Identity, Permission
from monitor.core.readiness import Counts
from monitor.core.snapshot import (
    Content,
    Differences,
    PointDifference,
    PointRow,
    Snapshot,
    SnapshotHead,
    differences,
    read,
)
from monitor.web import text
from monitor.web.access import audit_of
from monitor.web.backend import Backend
from monitor.web.organizers import download
from monitor.web.presence import Render
from monitor.web.text import TEXT
from monitor.words import LACKS

SHOWN = 500
"""Points that differ; the rest are counted."""
LARGEST_NUMBER = 9
"""Digits."""


class Figures(msgspec.Struct, frozen=True):
    """What the list shows of a content; nothing of one that was tampered with."""

    total: Counts | None


class Compared(msgspec.Struct, frozen=True):
    """A snapshot, read and held against the figures of now."""

    genuine: bool
    content: Content
    changed: Differences


class Changed(msgspec.Struct, frozen=True):
    """A point that stands otherwise now."""

    id: str
    name: str
    before: str
    after: str


class Snapshots:
    """``/snapshots``."""

    def __init__(self, backend: Backend, now: Callable[[], float], render: Render) -> None:
        self._backend = backend
        self._now = now
        self._render = render
        self._figures: dict[str, Figures] = {}
        """By digest: they never change, and are read once."""

    def routes(self) -> list[web.RouteDef]:
        """Where they are."""
        return [
            web.get("/snapshots", self.all),
            web.post("/snapshots", self.take),
            web.get("/snapshots/{number}", self.one),
            web.get("/snapshots/{number}/content.json", self.content),
            web.get("/snapshots/{number}/report.{form}", self.report),
        ]

    async def all(self, request: web.Request) -> web.StreamResponse:
        """The list."""
        heads = await self._backend.records.snapshots()
        identity: Identity = request["identity"]
        return await self._render(
            request,
            "snapshots.html",
            heads=heads,
            figures=await self._figures_of(heads),
            at=lambda instant: text.moment(instant, self._now(), self._zone),
            may_freeze=identity.may(Permission.SNAPSHOT),
        )

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Freeze the figures of now."""
        identity: Identity = request["identity"]
        taken = await self._backend.take_snapshot(identity.name, audit_of(request, "snapshot"))
        raise web.HTTPSeeOther(f"/snapshots/{taken.number}")

    async def one(self, request: web.Request) -> web.StreamResponse:
        """One, and what has changed since."""
        snapshot = await self._of(request)
        if snapshot is None:
            hint = TEXT["error_snapshot_hint"]
            return await self._render(request, "error.html", 404, title=TEXT["error_snapshot"], hint=hint)
        now = self._now()
        try:
            found = await to_thread(compared, snapshot, self._backend.pipeline.content(now))
        except msgspec.MsgspecError:
            return await self._forged(request)
        changed = found.changed
        return await self._render(
            request,
            "snapshot.html",
            snapshot=snapshot,
            content=found.content,
            genuine=found.genuine,
            taken_at=text.moment(snapshot.taken_at, now, self._zone),
            at=text.moment(now, now, self._zone),
            changed=list(_changed(changed.points[:SHOWN])),
            more=max(0, len(changed.points) - SHOWN),
            total=changed.total,
        )

    async def content(self, request: web.Request) -> web.StreamResponse:
        """The very bytes that were hashed, behind nothing: whoever wants to may hash them again."""
        snapshot = await self._of(request)
        if snapshot is None:
            raise web.HTTPNotFound
        headers = {
            hdrs.CONTENT_TYPE: "application/json",
            hdrs.CONTENT_DISPOSITION: f'attachment; filename="so-lieu-{snapshot.number}.json"',
            "X-Previous-Digest": snapshot.previous,
            "X-Digest": snapshot.digest,
        }
        return web.Response(body=snapshot.content, headers=headers)

    async def report(self, request: web.Request) -> web.StreamResponse:
        """The report of the frozen figures."""
        snapshot = await self._of(request)
        if snapshot is None:
            raise web.HTTPNotFound
        if not snapshot.genuine:
            return await self._forged(request)
        content = await to_thread(read, snapshot.content)
        return await download(self._backend, request.match_info["form"], content, snapshot)

    async def _of(self, request: web.Request) -> Snapshot | None:
        number = request.match_info["number"]
        if not number.isascii() or not number.isdecimal() or len(number) > LARGEST_NUMBER:
            return None
        return await self._backend.records.snapshot(int(number))

    async def _forged(self, request: web.Request) -> web.StreamResponse:
        title, hint = TEXT["error_snapshot_forged"], TEXT["snapshot_forged"]
        return await self._render(request, "error.html", 409, title=title, hint=hint)

    async def _figures_of(self, heads: Sequence[SnapshotHead]) -> dict[str, Figures]:
        for head in heads:
            if head.digest not in self._figures:
                snapshot = await self._backend.records.snapshot(head.number)
                self._figures[head.digest] = await to_thread(figures_of, snapshot)
        return self._figures

    @property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self._backend.pipeline.ceremony.timezone)


def figures_of(snapshot: Snapshot | None) -> Figures:
    """What the list shows of a snapshot."""
    if snapshot is None or not snapshot.genuine:
        return Figures(None)
    return msgspec.json.decode(snapshot.content, type=Figures)


def compared(snapshot: Snapshot, live: Content) -> Compared:
    """Read a snapshot and hold it against the count as it is: some 20 ms at 5,000 points, so not in the event loop."""
    content = read(snapshot.content)
    return Compared(snapshot.genuine, content, differences(content, live))


def _changed(points: tuple[PointDifference, ...]) -> Iterator[Changed]:
    for each in points:
        known = each.after or each.before
        if known is not None:
            yield Changed(each.id, known.name, _standing(each.before), _standing(each.after))


def _standing(row: PointRow | None) -> str:
    """How a point stood, in a line."""
    if row is None:
        return TEXT["snapshot_absent"]
    lacks = ", ".join(LACKS[lack] for lack in row.lacks)
    stood = TEXT["readiness_ready"] if row.ready else lacks or text.MODES[row.mode]
    people = TEXT["snapshot_delegates"].format(n=text.count(row.delegates)) if row.delegates is not None else ""
    return " · ".join(filter(None, (stood, people)))
