"""Check-ins by an Excel file: what would change is shown first, and nothing is until somebody has said yes.

The file is read in a thread, one at a time, within the bounds of :mod:`monitor.workbook`. A preview is held for some
minutes, for whoever sent the file alone; what it was made against must still hold when it is confirmed.
"""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator
from hashlib import sha256

import msgspec
from aiohttp import hdrs, web

from monitor import workbook
from monitor.core.bulk import BulkError, Column, Fault, Table, read_table
from monitor.core.checkin import Author, CheckIn, Draft, Voice
from monitor.core.records import NotRecorded
from monitor.web import text
from monitor.web.access import audit_of
from monitor.web.backend import Backend
from monitor.web.presence import Render
from monitor.web.text import TEXT

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
JSON = "application/json"
HELD = 20
HELD_S = 600.0
CHANGES_SHOWN = 2000
READ_WITHIN_S = 60.0
WORDS = (
    *("upload_reading", "upload_failed", "upload_kept", "upload_confirm", "upload_nothing", "upload_errors"),
    *("upload_more", "upload_row", "upload_changed", "upload_point", "upload_before", "upload_after"),
)
FIELDS = ("picture", "sound", "delegates", "attendees", "chair", "power", "note")


class Change(msgspec.Struct, frozen=True):
    """What would change of a point."""

    point: str
    name: str
    before: str
    after: str


class Preview(msgspec.Struct, frozen=True):
    """What a file comes to."""

    id: str
    """For the confirmation; empty where there is nothing to confirm."""
    total: int
    """Points that would report; a row that says what is said already is no report."""
    changes: tuple[Change, ...]
    """At most :data:`CHANGES_SHOWN`."""
    errors: tuple[str, ...]
    total_errors: int
    note: str = ""
    """Why it is shown again."""


class Held(msgspec.Struct, frozen=True):
    """A preview that may be confirmed."""

    owner: str
    at: float
    drafts: tuple[tuple[str, Draft], ...]
    holding: tuple[str, ...]
    """The entry that held for each point when the preview was made; empty for none."""


class Uploads:
    """``/check-ins/upload`` and its template."""

    def __init__(self, backend: Backend, now: Callable[[], float], render: Render) -> None:
        self._backend = backend
        self._now = now
        self._render = render
        self._held: OrderedDict[str, Held] = OrderedDict()
        self._reading = asyncio.Lock()

    def routes(self) -> list[web.RouteDef]:
        """Where they are."""
        return [
            web.get("/check-ins/upload", self.page),
            web.get("/check-ins/template.xlsx", self.template),
            web.post("/check-ins/upload", self.preview),
            web.post("/check-ins/upload/{id}", self.confirm),
        ]

    async def page(self, request: web.Request) -> web.StreamResponse:
        """The page with the form."""
        words = {**{key: TEXT[key] for key in WORDS}, "csrf": request["identity"].csrf}
        limit = text.count(workbook.MOST_ROWS)
        return await self._render(request, "upload.html", words=words, rows=limit, size=workbook.MOST_BYTES >> 20)

    async def template(self, _request: web.Request) -> web.StreamResponse:
        """A workbook with every point that takes part, and what it has reported."""
        rows = list(self._rows())
        headings = [text.COLUMNS[column] for column in Column]
        headings[1:1] = [TEXT["upload_name"], TEXT["readiness_district"]]
        supplies = [word.partition(" (")[0] for word in text.POWER_SUPPLIES.values()]
        body = await asyncio.to_thread(workbook.write, headings, rows, {3: ["x"], 4: ["x"], 8: supplies})
        name = 'attachment; filename="diem-cau.xlsx"'
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: XLSX, hdrs.CONTENT_DISPOSITION: name})

    async def preview(self, request: web.Request) -> web.StreamResponse:
        """What the file that is the body would change."""
        body = await _bounded(request)
        if body is None:
            return _refuse(413, text.UNREADABLE["too_large"].format(n=workbook.MOST_BYTES >> 20))
        try:
            table = await self._read(body)
        except workbook.Unreadable as unreadable:
            return _refuse(422, text.UNREADABLE[unreadable.reason].format(n=unreadable.detail))
        except TimeoutError:
            return _refuse(503, TEXT["upload_busy"])
        return _answer(self._shown(table.drafts, request["identity"].name, table))

    async def confirm(self, request: web.Request) -> web.StreamResponse:
        """Keep what was shown, all or none."""
        held, owner = self._held.get(request.match_info["id"]), request["identity"].name
        if held is None or held.owner != owner or not 0 <= self._now() - held.at < HELD_S:
            return _refuse(404, TEXT["upload_gone"])
        if self._has_moved(held):
            del self._held[request.match_info["id"]]
            drafts = tuple(each for each in held.drafts if self._takes_part(each[0]))
            return _answer(self._shown(drafts, owner, Table((), (), 0), TEXT["upload_moved"]), 409)
        audit = audit_of(request, "check_in", f"{len(held.drafts)} points", "by a file")
        try:
            kept = await self._backend.check_in(list(held.drafts), Author(Voice.USER, owner), audit)
        except NotRecorded:
            return _refuse(503, TEXT["access_store_hint"])
        return _answer({"kept": len(kept)})

    async def _read(self, body: bytes) -> Table:
        """Raises Unreadable, TimeoutError."""
        async with asyncio.timeout(READ_WITHIN_S), self._reading:
            rows = await asyncio.to_thread(workbook.rows_of, body)
            points = self._backend.pipeline.inventory.points
            return await asyncio.to_thread(read_table, rows, points, sha256(body).hexdigest() + secrets.token_hex(4))

    def _shown(self, drafts: tuple[tuple[str, Draft], ...], owner: str, table: Table, note: str = "") -> Preview:
        """The preview; held when it may be confirmed."""
        found = [(each, change) for each in drafts if (change := self._change(*each)) is not None]
        changes = tuple(change for _, change in found)
        upload = self._hold(tuple(each for each, _ in found), owner) if found and not table.total_errors else ""
        errors = tuple(map(told, table.errors))
        return Preview(upload, len(found), changes[:CHANGES_SHOWN], errors, table.total_errors, note)

    def _hold(self, drafts: tuple[tuple[str, Draft], ...], owner: str) -> str:
        name = secrets.token_urlsafe(16)
        self._held[name] = Held(owner, self._now(), drafts, tuple(self._entry(point_id) for point_id, _ in drafts))
        while len(self._held) > HELD:
            self._held.popitem(last=False)
        return name

    def _has_moved(self, held: Held) -> bool:
        """Whether something of it is not as it was shown: but for what this very upload has brought."""
        return any(
            not self._takes_part(point_id) or self._entry(point_id) not in (before, draft.entry)
            for (point_id, draft), before in zip(held.drafts, held.holding, strict=True)
        )

    def _takes_part(self, point_id: str) -> bool:
        point = self._backend.pipeline.inventory.points.get(point_id)
        return point is not None and point.expected

    def _entry(self, point_id: str) -> str:
        report = self._report(point_id)
        return report.entry if report is not None else ""

    def _report(self, point_id: str) -> CheckIn | None:
        known = point_id in self._backend.pipeline.inventory.points
        return self._backend.pipeline.tally.report_of(point_id) if known else None

    def _change(self, point_id: str, draft: Draft) -> Change | None:
        """What is other than it was; None where nothing is."""
        report = self._report(point_id)
        if report is not None and all(getattr(report, field) == getattr(draft, field) for field in FIELDS):
            return None
        name = self._backend.pipeline.inventory.points[point_id].name
        return Change(point_id, name, said(report) if report is not None else TEXT["checkin_none"], said(draft))

    def _rows(self) -> Iterator[list[workbook.Cell]]:
        inventory = self._backend.pipeline.inventory
        for point in inventory.points.values():
            if not point.expected:
                continue
            report = self._report(point.id)
            yield [
                point.id,
                point.name,
                inventory.district_name(point.district_code),
                "x" if report and report.picture else None,
                "x" if report and report.sound else None,
                report.delegates if report else None,
                report.attendees if report else None,
                report.chair if report else None,
                text.POWER_SUPPLIES[report.power].partition(" (")[0] if report and report.power else None,
                report.note if report else None,
            ]


def said(report: CheckIn | Draft) -> str:
    """What is reported, in a line."""
    people = [
        TEXT["upload_delegates"].format(n=text.count(report.delegates)) if report.delegates is not None else "",
        TEXT["upload_attendees"].format(n=text.count(report.attendees)) if report.attendees is not None else "",
    ]
    proofs = [TEXT["upload_picture"] if report.picture else "", TEXT["upload_sound"] if report.sound else ""]
    power = text.POWER_SUPPLIES[report.power] if report.power is not None else ""
    return ", ".join(filter(None, (*proofs, *people, report.chair, power, report.note)))


def told(error: BulkError) -> str:
    """An error for people: its row, its column, what is wrong."""
    column = f"{text.COLUMNS[error.column]}: " if error.column is not None else ""
    what = text.FAULTS[error.fault].format(written=error.written, detail=error.detail)
    if error.detail and error.fault in (Fault.UNKNOWN_POINT, Fault.NO_PART):
        what = text.FAULTS_NEAR[error.fault].format(written=error.written, detail=error.detail)
    return f"{TEXT['upload_row'].format(n=error.row)} · {column}{what}" if error.row else what


async def _bounded(request: web.Request) -> bytes | None:
    """The body, None for one that is too large."""
    body = bytearray()
    async for chunk in request.content.iter_chunked(1 << 16):
        body += chunk
        if len(body) > workbook.MOST_BYTES:
            return None
    return bytes(body)


def _answer(body: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(body), content_type=JSON)


def _refuse(status: int, why: str) -> web.Response:
    return _answer({"error": why}, status)
