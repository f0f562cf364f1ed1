"""A point reports of itself from its own page: what holds now, and one more report.

The answer "kept" is given once the report is committed, never before. What the page sends again, because no answer
came, is known by its entry and kept once. A page of another origin may not speak for a point.
"""

import asyncio
import re
from collections.abc import Callable

import msgspec
from aiohttp import hdrs, web

from monitor.core.checkin import Author, CheckIn, Draft, Voice, problem
from monitor.core.records import NotRecorded
from monitor.web.access import audit_of
from monitor.web.backend import Backend
from monitor.web.form import WRONG, closed, told_by
from monitor.web.origin import of_our_origin
from monitor.web.text import TEXT

LARGEST = 4096
"""Bytes of a report."""
BURST = 30.0
"""So many reports of a point may come at once,"""
RATE = 0.5
"""and then so many a second."""
RETRY_S = "2"
JSON = "application/json"
_FIELD = re.compile(r"`\$\.(\w+)|field `(\w+)`")
"""How msgspec names a field that is wrong, or one that is missing or unknown."""


class Holding(msgspec.Struct, frozen=True):
    """What a form shows: the report that holds, and the deadline."""

    now: float
    deadline: float
    report: CheckIn | None
    told_by: str
    """Who made it, for people."""
    closed: str
    """Why this point has nothing to report, for people; empty for one that has."""
    kept: CheckIn | None = None
    """The report that was just sent, as it was kept; it need not be the one that holds."""


class Refusal(msgspec.Struct, frozen=True):
    """Why a report was not kept."""

    error: str
    """For people."""
    field: str = ""
    """Which of the fields is wrong, where it is one."""


class Share(msgspec.Struct):
    """A token bucket: how many reports may still come now."""

    at: float
    left: float = BURST

    def take(self, now: float) -> bool:
        """One more; false when it is one too many."""
        self.left, self.at = min(BURST, self.left + (now - self.at) * RATE), now
        if self.left < 1.0:
            return False
        self.left -= 1.0
        return True


class Desk:
    """Takes reports, for whomever may speak for a point."""

    def __init__(self, backend: Backend, now: Callable[[], float]) -> None:
        self._backend = backend
        self._now = now
        self._shares: dict[str, Share] = {}
        """By point: as many as the inventory has had."""

    def holding(self, point_id: str, kept: CheckIn | None = None) -> web.Response:
        """What holds for a point."""
        pipeline = self._backend.pipeline
        inventory, report = pipeline.inventory, pipeline.tally.report_of(point_id)
        return _answer(
            Holding(
                now=self._now(),
                deadline=pipeline.ceremony.report_at,
                report=report,
                told_by=told_by(report.author, self._backend.coordinators, inventory) if report else "",
                closed=closed(inventory.points[point_id], inventory),
                kept=kept,
            )
        )

    async def take(self, request: web.Request, point_id: str, author: Author) -> web.Response:
        """A report that came in a request."""
        if not of_our_origin(request):
            return refuse(403, TEXT["error_other_hint"])
        inventory = self._backend.pipeline.inventory
        if why := closed(inventory.points[point_id], inventory):
            return refuse(409, why)
        if not self._share(point_id):
            return refuse(429, TEXT["checkin_too_many"], retry=True)
        draft = await _read(request)
        if isinstance(draft, Refusal):
            return _answer(draft, 422)
        audit = audit_of(request, "check_in", point_id, _said(draft), actor=f"{author.voice}:{author.name}")
        try:
            (kept,) = await self._backend.check_in([(point_id, draft)], author, audit)
        except NotRecorded:
            return refuse(503, TEXT["checkin_not_kept"], retry=True)
        return self.holding(point_id, kept)

    def _share(self, point_id: str) -> bool:
        now = asyncio.get_running_loop().time()
        return self._shares.setdefault(point_id, Share(now)).take(now)


class CheckIns:
    """``/p/<token>/check-in``."""

    def __init__(self, backend: Backend, desk: Desk) -> None:
        self._backend = backend
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        """Where points report."""
        return [web.get("/p/{token}/check-in", self.show), web.post("/p/{token}/check-in", self.take)]

    async def show(self, request: web.Request) -> web.Response:
        """What holds now."""
        point_id = self._point_of(request)
        return refuse_link() if point_id is None else self._desk.holding(point_id)

    async def take(self, request: web.Request) -> web.Response:
        """One more report."""
        point_id = self._point_of(request)
        if point_id is None:
            return refuse_link()
        return await self._desk.take(request, point_id, Author(Voice.POINT, point_id))

    def _point_of(self, request: web.Request) -> str | None:
        point_id = self._backend.links.point_of(request.match_info["token"])
        return point_id if point_id in self._backend.pipeline.points else None


def refuse_link() -> web.Response:
    """A link that does not hold, whatever the reason."""
    return refuse(404, TEXT["error_link_hint"])


async def _read(request: web.Request) -> Draft | Refusal:
    """The draft of a body, or what is wrong with it."""
    if request.content_type != JSON or (request.content_length or 0) > LARGEST:
        return Refusal(TEXT["checkin_unreadable"])
    body = await request.read()  # of one without a length the application reads so much and no more
    if len(body) > LARGEST:
        return Refusal(TEXT["checkin_unreadable"])
    try:
        draft = msgspec.json.decode(body, type=Draft)
    except (ValueError, RecursionError) as error:  # msgspec's own are ValueErrors; so are lone surrogates
        found = _FIELD.search(str(error))
        return _wrong(found[1] or found[2]) if found else Refusal(TEXT["checkin_unreadable"])
    field = problem(draft)
    return _wrong(field) if field else draft


def _wrong(field: str) -> Refusal:
    return Refusal(TEXT[WRONG.get(field, "checkin_wrong_field")], field)


def _said(draft: Draft) -> str:
    """For the audit trail."""
    return f"delegates={draft.delegates} attendees={draft.attendees} picture={draft.picture} sound={draft.sound}"


def _answer(body: msgspec.Struct, status: int = 200) -> web.Response:
    headers = {hdrs.CACHE_CONTROL: "no-store"}
    return web.Response(status=status, body=msgspec.json.encode(body), content_type=JSON, headers=headers)


def refuse(status: int, why: str, *, retry: bool = False) -> web.Response:
    """An answer that says why not. ``retry``: it may be sent again."""
    response = _answer(Refusal(why), status)
    if retry:
        response.headers[hdrs.RETRY_AFTER] = RETRY_S
    return response
