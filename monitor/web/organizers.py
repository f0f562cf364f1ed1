"""The organizers' pages: ``/readiness`` and what it does: look, remind a district, fetch the report."""

import math
from collections.abc import Callable

import msgspec
from aiohttp import hdrs, web
from markupsafe import Markup

from monitor.core.access import Identity, Permission
from monitor.core.organization import ReportForm, TooSoon
from monitor.core.records import NotRecorded
from monitor.core.snapshot import Content, SnapshotHead
from monitor.web import text
from monitor.web.access import audit_of
from monitor.web.backend import Backend
from monitor.web.presence import Render
from monitor.web.readiness import LACK_CODES, ReadinessBoard
from monitor.web.stream import Stream
from monitor.web.text import TEXT
from monitor.words import LACKS

MEDIA_TYPES = {
    ReportForm.DOCX: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ReportForm.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ReportForm.CSV: "text/csv; charset=utf-8",
}
WORDS = (
    *("live", "connecting", "disconnected", "stale", "days"),
    *("report_left", "report_over", "begin_left", "begin_over"),
    *("readiness_all_ready", "readiness_remind", "readiness_reminded", "readiness_failed"),
    *(
        "readiness_show",
        "readiness_in_table",
        "readiness_ready",
        "readiness_late",
        "readiness_merged",
        "readiness_no_coverage",
    ),
    *("readiness_rows", "readiness_sum"),
)
"""What the page's script has to say."""
PUSH_EVERY_S = 0.5
"""A change shows within a second, and a phone's line is spared."""


class Organizers:
    """``/readiness``."""

    def __init__(
        self, backend: Backend, now: Callable[[], float], render: Render, as_json: Callable[[object], Markup]
    ) -> None:
        self._backend = backend
        self._now = now
        self._render = render
        self._as_json = as_json
        self._board = ReadinessBoard(backend.pipeline, lambda: backend.coordinators)
        self.stream = Stream(self._board, now, PUSH_EVERY_S)
        self._sheet: tuple[str, Markup] | None = None

    def routes(self) -> list[web.RouteDef]:
        """Where they are."""
        return [
            web.get("/readiness", self.page),
            web.get("/readiness/events", self.stream.serve, allow_head=False),
            web.post("/readiness/remind", self.remind),
            web.get("/readiness/report.{form}", self.report),
        ]

    async def page(self, request: web.Request) -> web.StreamResponse:
        """All of it; then the page listens to ``/readiness/events``."""
        snapshot = self._board.snapshot(self._now())
        identity: Identity = request["identity"]
        pipeline = self._backend.pipeline
        words = {
            **{key: TEXT[key] for key in WORDS},
            "lacks": {code: LACKS[lack] for lack, code in LACK_CODES.items()},
            "tiers": list(text.TIERS_SHORT.values()),
            "timezone": pipeline.ceremony.timezone,
            "csrf": identity.csrf,
            "may_remind": identity.may(Permission.REMIND),
        }
        return await self._render(
            request,
            "readiness.html",
            title=pipeline.ceremony.title,
            head=snapshot.head,
            snapshot=self._as_json(snapshot),
            sheet=self._sheet_json(),
            words=self._as_json(words),
            may_freeze=identity.may(Permission.SNAPSHOT),
            lacks=[(code, LACKS[lack]) for lack, code in LACK_CODES.items()],
        )

    async def remind(self, request: web.Request) -> web.StreamResponse:
        """Ask a district for what is missing, through the alert channels."""
        asked = await _body(request)
        known = {point.district_code or "" for point in self._backend.pipeline.inventory.points.values()}
        if asked is None or asked not in known:
            return _told(422, TEXT["readiness_failed"])
        identity: Identity = request["identity"]
        try:
            reminder = await self._backend.remind(asked, identity.name, audit_of(request, "remind", asked))
        except TooSoon as early:
            wait = text.span(math.ceil(early.wait_s / 60) * 60)
            return _told(429, TEXT["readiness_too_soon"].format(wait=wait), {hdrs.RETRY_AFTER: f"{early.wait_s:.0f}"})
        except NotRecorded:
            return _told(503, TEXT["access_store_hint"], {hdrs.RETRY_AFTER: "2"})
        return _told(200, TEXT["readiness_reminded"].format(n=text.count(len(reminder.points))))

    async def report(self, request: web.Request) -> web.StreamResponse:
        """The report of the figures as they are now."""
        content = self._backend.pipeline.content(self._now())
        return await download(self._backend, request.match_info["form"], content, None)

    def _sheet_json(self) -> Markup:
        """Encoded once for each inventory: it is most of the page."""
        sheet = self._board.sheet
        if self._sheet is None or self._sheet[0] != sheet.version:
            self._sheet = sheet.version, self._as_json(sheet)
        return self._sheet[1]


async def download(backend: Backend, form: str, content: Content, snapshot: SnapshotHead | None) -> web.Response:
    """A report as a file. Raises HTTPNotFound for an unknown form."""
    if form not in list(ReportForm):
        raise web.HTTPNotFound
    known = ReportForm(form)
    body = await backend.report(content, known, snapshot)
    stamp = content.taken_at.replace(":", "").replace("-", "")
    number = f"-so-lieu-{snapshot.number}" if snapshot is not None else ""
    headers = {
        hdrs.CONTENT_TYPE: MEDIA_TYPES[known],
        hdrs.CONTENT_DISPOSITION: f'attachment; filename="bao-cao{number}-{stamp}.{known}"',
        hdrs.CACHE_CONTROL: "no-store",
    }
    return web.Response(body=body, headers=headers)


async def _body(request: web.Request) -> str | None:
    """The district's code in a JSON string; None for anything else."""
    try:
        return msgspec.json.decode(await request.content.read(200), type=str)
    except msgspec.MsgspecError:
        return None


def _told(status: int, words: str, headers: dict[str, str] | None = None) -> web.Response:
    body = msgspec.json.encode({"told": words})
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)
