"""The page of a coordinator: the points of a district or a commune, who has reported, and reporting for who has not.

Opened by a signed link without an account. It speaks for the points of its scope and for no others.
"""

import re
from collections.abc import Callable
from hashlib import blake2b
from zoneinfo import ZoneInfo

import msgspec
from aiohttp import hdrs, web

from monitor.core.checkin import Author, CheckIn, Voice
from monitor.core.model import Inventory, Point, Tier
from monitor.core.organization import scopes_of
from monitor.core.readiness import Standing, people
from monitor.web import text
from monitor.web.access import ACCESS
from monitor.web.backend import Backend
from monitor.web.board import STATE_CODES
from monitor.web.checkin import JSON, Desk, refuse, refuse_link
from monitor.web.endpoints import compressed
from monitor.web.form import WORDS, form_of, place_of, told_by
from monitor.web.presence import Render
from monitor.web.text import TEXT
from monitor.words import LACKS

SCRIPT_WORDS = (*WORDS, "coordinator_at", "coordinator_is_ready")
TIERS = tuple(Tier)
_NUMBERS = re.compile(r"(\d+)")


class Row(msgspec.Struct, frozen=True):
    """A point of the scope."""

    id: str
    name: str
    tier: Tier
    place: str
    """Its commune, or its tier where it is a commune's hall or above."""
    code: str
    """Of its state, as on the board."""
    state: str
    ready: bool
    lacks: str
    delegates: int | None
    attendees: int | None
    told: str
    """Who reported, and when; empty for nobody."""
    late: bool
    entry: str
    """Of the report that holds: another one where the form is to look again."""


class Roll(msgspec.Struct, frozen=True):
    """The points of the scope that take part, and their sums."""

    expected: int
    up: int
    ready: int
    reported: int
    delegates: int
    attendees: int
    rows: tuple[Row, ...]


class Scopes:
    """The points of each coordinator, in the order of their pages; made once for each inventory."""

    def __init__(self) -> None:
        self._inventory: Inventory | None = None
        self._points: dict[str, list[Point]] = {}
        self._communes: dict[str, str] = {}

    def points(self, scope: str, inventory: Inventory) -> list[Point]:
        """Those that take part; none for a scope that the inventory does not have."""
        if inventory is not self._inventory:
            self._learn(inventory)
        return self._points.get(scope, [])

    def place_of(self, point: Point) -> str:
        """Where a village is, for names occur in several communes; what any other point is."""
        here = self._communes.get(point.commune_code or "", "") if point.tier is Tier.VILLAGE else ""
        return here or text.TIERS_SHORT[point.tier]

    def _learn(self, inventory: Inventory) -> None:
        points = inventory.points.values()
        self._inventory, self._points = inventory, {}
        self._communes = {each.commune_code or "": each.name for each in points if each.tier is Tier.COMMUNE}
        for point in sorted((each for each in points if each.expected), key=self._order):
            for scope in scopes_of(point):
                self._points.setdefault(scope, []).append(point)

    def _order(self, point: Point) -> tuple[object, ...]:
        """The district's own halls, then each commune with its villages, by name, numbers as numbers."""
        commune = self._communes.get(point.commune_code or "", "")
        return _natural(commune), point.commune_code or "", TIERS.index(point.tier), _natural(point.name)


class Coordinators:
    """``/c/<token>`` and what its page asks."""

    def __init__(self, backend: Backend, now: Callable[[], float], render: Render, desk: Desk) -> None:
        self._backend = backend
        self._now = now
        self._render = render
        self._desk = desk
        self._scopes = Scopes()

    def routes(self) -> list[web.RouteDef]:
        """Where coordinators are."""
        return [
            web.get("/c/{token}", self.page),
            web.get("/c/{token}/points", self.points),
            web.get("/c/{token}/check-ins/{id}", self.show),
            web.post("/c/{token}/check-ins/{id}", self.take),
        ]

    async def page(self, request: web.Request) -> web.StreamResponse:
        """The page itself, with all it shows at first."""
        scope = self._scope_of(request)
        if scope is None:
            refusal = {"title": TEXT["error_link"], "hint": TEXT["error_link_hint"], "back": False}
            return await self._render(request, "error.html", 404, **refusal)
        ceremony, now = self._backend.pipeline.ceremony, self._now()
        return await self._render(
            request,
            "coordinator.html",
            scope=scope,
            place=place_of(scope, self._backend.pipeline.inventory),
            form=form_of(ceremony, now),
            roll=self._roll(scope),
            at=text.moment(now, now, ZoneInfo(ceremony.timezone)),
            words={**{key: TEXT[key] for key in SCRIPT_WORDS}, "timezone": ceremony.timezone},
        )

    async def points(self, request: web.Request) -> web.StreamResponse:
        """The rows anew, as JSON; 304 when nothing is different."""
        scope = self._scope_of(request)
        if scope is None:
            return refuse_link()
        body = msgspec.json.encode(self._roll(scope))
        tag = f'"{blake2b(body, digest_size=12).hexdigest()}"'
        if request.headers.get(hdrs.IF_NONE_MATCH) == tag:
            return web.Response(status=304, headers={hdrs.ETAG: tag, hdrs.CACHE_CONTROL: "no-store"})
        response = await compressed(request, body, JSON)
        response.headers[hdrs.ETAG] = tag
        return response

    async def show(self, request: web.Request) -> web.StreamResponse:
        """What holds for a point."""
        scope, point_id = self._scope_of(request), request.match_info["id"]
        if scope is None:
            return refuse_link()
        return self._desk.holding(point_id) if self._is_of(point_id, scope) else self._forbid(request, scope)

    async def take(self, request: web.Request) -> web.StreamResponse:
        """A report for a point of the scope."""
        scope, point_id = self._scope_of(request), request.match_info["id"]
        if scope is None:
            return refuse_link()
        if not self._is_of(point_id, scope):
            return self._forbid(request, scope)
        return await self._desk.take(request, point_id, Author(Voice.COORDINATOR, scope))

    def _scope_of(self, request: web.Request) -> str | None:
        """The scope of the link; None for one that does not hold, or that has no points any more."""
        scope = self._backend.links.scope_of(request.match_info["token"])
        return scope if scope and self._scopes.points(scope, self._backend.pipeline.inventory) else None

    def _is_of(self, point_id: str, scope: str) -> bool:
        point = self._backend.pipeline.inventory.points.get(point_id)
        return point is not None and scope in scopes_of(point)

    def _forbid(self, request: web.Request, scope: str) -> web.Response:
        """Another's point: refused, and that is written down."""
        target = request.match_info["id"]
        request.config_dict[ACCESS].refuse(request, "check_in", f"{scope} does not speak for it", target=target)
        return refuse(403, TEXT["coordinator_not_yours"])

    def _roll(self, scope: str) -> Roll:
        pipeline, now = self._backend.pipeline, self._now()
        points = self._scopes.points(scope, pipeline.inventory)
        standings = [pipeline.standing(point.id, now) for point in points]
        reports = [each.report for each in standings if each.report is not None]
        return Roll(
            expected=len(points),
            up=sum(each.connected for each in standings),
            ready=sum(each.ready for each in standings),
            reported=sum(each.delegates is not None for each in reports),
            delegates=sum(each.delegates or 0 for each in reports),
            attendees=sum(people(each) for each in reports),
            rows=tuple(self._row(each, now) for each in standings),
        )

    def _row(self, standing: Standing, now: float) -> Row:
        point, report, state = standing.point, standing.report, standing.seen.state
        return Row(
            id=point.id,
            name=point.name,
            tier=point.tier,
            place=self._scopes.place_of(point),
            code=STATE_CODES[state],
            state=text.STATES[state],
            ready=standing.ready,
            lacks=", ".join(LACKS[lack] for lack in standing.lacks),
            delegates=report.delegates if report else None,
            attendees=report.attendees if report else None,
            told=self._told(report, now) if report else "",
            late=report is not None and report.late,
            entry=report.entry if report else "",
        )

    def _told(self, report: CheckIn, now: float) -> str:
        pipeline = self._backend.pipeline
        at = text.moment(report.received_at, now, ZoneInfo(pipeline.ceremony.timezone))
        return f"{told_by(report.author, self._backend.coordinators, pipeline.inventory)} · {at}"


def _natural(name: str) -> list[tuple[int, str]]:
    """A name to sort by: Thôn 2 comes before Thôn 10."""
    return [(int(part), "") if part.isdecimal() else (0, part.casefold()) for part in _NUMBERS.split(name)]
