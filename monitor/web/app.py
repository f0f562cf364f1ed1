"""The web application: pages for people, endpoints for programs, one way out for whatever goes wrong."""

import time
from asyncio import CancelledError, create_task
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import jinja2
import msgspec
import structlog
from aiohttp import hdrs, web
from markupsafe import Markup

from monitor.core.access import Permission
from monitor.core.model import Tier
from monitor.core.records import NotRecorded
from monitor.web import incident, incidents, point, text
from monitor.web.access import ACCESS, Access, problem
from monitor.web.acknowledge import AckPage
from monitor.web.api import Api
from monitor.web.audit import Audit
from monitor.web.backend import Backend
from monitor.web.board import CAUSE_CODES, SHOWN, STATE_CODES, Board, Head
from monitor.web.checkin import CheckIns, Desk
from monitor.web.coordinator import Coordinators
from monitor.web.deliveries import Deliveries
from monitor.web.endpoints import Endpoints, compressed
from monitor.web.gateway import GatewayEndpoints
from monitor.web.organizers import Organizers
from monitor.web.presence import Presence
from monitor.web.signin import SignIn
from monitor.web.silences import Quiet
from monitor.web.snapshots import Snapshots
from monitor.web.stream import Stream
from monitor.web.text import TEXT
from monitor.web.upload import Uploads

HERE = Path(__file__).parent
HTML = "text/html; charset=utf-8"
LARGEST_BODY = 16 * 1024
LONGEST_ID = 200
THEMES = ("dark", "light")

BOARD = web.AppKey("board", Stream)
"""The service tells ``app[BOARD].notice(happenings)``."""
READINESS = web.AppKey("readiness", Stream)
"""Told of every happening, as the board is."""
PRESENCE = web.AppKey("presence", Presence)
"""How many points' pages are open: ``app[PRESENCE].sessions``."""

NAV = (
    ("/", "nav_board", Permission.LOOK),
    ("/readiness", "nav_readiness", Permission.LOOK),
    ("/incidents", "nav_incidents", Permission.LOOK),
    ("/snapshots", "nav_snapshots", Permission.LOOK),
    ("/check-ins/upload", "nav_upload", Permission.CHECK_IN),
    ("/deliveries", "nav_deliveries", Permission.ACKNOWLEDGE),
    ("/silences", "nav_silences", Permission.SILENCE),
    ("/audit", "nav_audit", Permission.ADMINISTER),
)
"""The pages, for who has signed in and may open them."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}

log = structlog.get_logger("diemcau.web")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def create_app(backend: Backend, *, now: Callable[[], float] = time.time) -> web.Application:
    """The application over a backend; ``now`` is the clock that pages show (Unix time)."""
    pages = Pages(backend, now)
    access = Access(backend, now, pages.render)
    sign_in = SignIn(backend, now, pages.render, access)
    app = web.Application(client_max_size=LARGEST_BODY, middlewares=[pages.catch, access.guard])
    app[BOARD] = pages.stream
    app[PRESENCE] = Presence(backend, now, pages.render)
    app[ACCESS] = access
    desk = Desk(backend, now)
    organizers = Organizers(backend, now, pages.render, as_json)
    app[READINESS] = organizers.stream
    app.add_routes(
        [
            web.get("/", pages.board),
            web.get("/points/{id}", pages.point),
            web.get("/incidents", pages.incidents),
            web.get("/incidents/{id}", pages.incident),
            web.get("/events", pages.stream.serve, allow_head=False),
            *app[PRESENCE].routes(),
            *CheckIns(backend, desk).routes(),
            *Coordinators(backend, now, pages.render, desk).routes(),
            *organizers.routes(),
            *Snapshots(backend, now, pages.render).routes(),
            *Uploads(backend, now, pages.render).routes(),
            *AckPage(backend, now, pages.render).routes(),
            *GatewayEndpoints(backend, now).routes(),
            *Endpoints(backend).routes(),
            *Api(backend, now).routes(),
            *sign_in.routes(),
            *Audit(backend, pages.render).routes(),
            *Deliveries(backend, pages.render).routes(),
            *Quiet(backend, now, pages.render).routes(),
        ]
    )
    app.router.add_static("/static", HERE / "static")
    app.on_response_prepare.append(_secure)
    app.on_shutdown.append(_send_clients_away)
    app.on_cleanup.append(sign_in.close)
    app.cleanup_ctx.append(_push)
    return app


class Pages:
    """What a browser shows: the board, a point, an incident, and an error."""

    def __init__(self, backend: Backend, now: Callable[[], float]) -> None:
        self._backend = backend
        self._now = now
        self._board = Board(backend.pipeline, lambda: backend.firing)
        self.stream = Stream(self._board, now)
        self._templates = _templates()
        self._layout: tuple[str, Markup] | None = None

    async def board(self, request: web.Request) -> web.StreamResponse:
        """``/``: everything at once; then the page listens to ``/events``."""
        snapshot = self._board.snapshot(self._now())
        return await self.render(
            request,
            "board.html",
            head=snapshot.head,
            snapshot=as_json(snapshot),
            layout=self._layout_json(),
            words=as_json(script_words(self._backend.pipeline.ceremony.timezone)),
            zone=self._board.zone,
            minutes=text.span(self._backend.pipeline.ceremony.ready_after_s),
        )

    async def point(self, request: web.Request) -> web.StreamResponse:
        """``/points/<id>``."""
        point_id = request.match_info["id"]
        shown = point.view(self._backend.pipeline, point_id, self._now()) if len(point_id) <= LONGEST_ID else None
        if shown is None:
            return await self.render(
                request, "error.html", 404, title=TEXT["error_point"], hint=TEXT["error_point_hint"]
            )
        return await self.render(request, "point.html", point=shown, words=self._fresh_words())

    async def incidents(self, request: web.Request) -> web.StreamResponse:
        """``/incidents``: what goes on, and what was over today."""
        pipeline, now, zone = self._backend.pipeline, self._now(), self._board.zone
        shown = incidents.listed(pipeline.incidents.all, pipeline.inventory, now, zone)
        at, blind = text.moment(now, now, zone), self._board.blind(now)
        words = self._fresh_words()
        return await self.render(request, "incidents.html", listed=shown, at=at, blind=blind, words=words)

    async def incident(self, request: web.Request) -> web.StreamResponse:
        """``/incidents/<id>``."""
        desks = self._backend.gate.contacts.desks
        shown = incident.view(self._backend.pipeline, request.match_info["id"], self._now(), desks)
        if shown is None:
            return await self.render(
                request, "error.html", 404, title=TEXT["error_incident"], hint=TEXT["error_incident_hint"]
            )
        return await self.render(request, "incident.html", incident=shown, words=self._fresh_words())

    def _fresh_words(self) -> Markup:
        """What a page must know that fetches itself again."""
        return as_json({"stale": TEXT["point_stale"], "timezone": self._backend.pipeline.ceremony.timezone})

    @web.middleware
    async def catch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Turn whatever a handler raises into a page: the client never sees a traceback, the log does."""
        try:
            return await handler(request)
        except web.HTTPException as refusal:
            if refusal.status < 400:
                raise
            return await self._refuse(request, refusal)
        except ConnectionError:
            raise
        except NotRecorded as unrecorded:
            log.warning("store failed", method=request.method, path=_spoken(request), why=str(unrecorded))
            return await self._excuse(request)
        except Exception:
            log.exception("request failed", method=request.method, path=_spoken(request))
            return await self._refuse(request, web.HTTPInternalServerError())

    async def _excuse(self, request: web.Request) -> web.Response:
        """The store does not answer: nothing was done, and it may be tried again."""
        if request.path.startswith("/api/"):
            response = problem(503, "Service Unavailable", "the store does not answer: nothing was done")
        else:
            title, hint = TEXT["access_store"], TEXT["access_store_hint"]
            response = await self.render(request, "error.html", 503, title=title, hint=hint)
        response.headers[hdrs.RETRY_AFTER] = "5"
        return response

    async def _refuse(self, request: web.Request, refusal: web.HTTPException) -> web.Response:
        known = f"error_{refusal.status}" if f"error_{refusal.status}" in TEXT else "error_other"
        title, hint = TEXT[known], TEXT[f"{known}_hint"]
        response = await self.render(request, "error.html", refusal.status, title=title, hint=hint)
        for name in (hdrs.ALLOW, hdrs.RETRY_AFTER):
            if name in refusal.headers:
                response.headers[name] = refusal.headers[name]
        return response

    async def render(self, request: web.Request, name: str, status: int = 200, /, **what: object) -> web.Response:
        """A page of a template, in the theme that was asked for."""
        theme = request.query.get("theme", "")
        page = self._templates.get_template(name).render(
            t=TEXT,
            theme=theme if theme in THEMES else "",
            path=request.path,
            identity=request.get("identity"),
            drill=self._backend.pipeline.ceremony.drill,
            silenced=sum(each.holds_at(self._now()) for each in self._backend.silences.known),
            **what,
        )
        response = await compressed(request, page.encode(errors="replace"), HTML)
        response.set_status(status)
        return response

    def _layout_json(self) -> Markup:
        """Encoded once for each inventory: it is most of the page."""
        layout = self._board.layout
        if self._layout is None or self._layout[0] != layout.version:
            self._layout = layout.version, as_json(layout)
        return self._layout[1]


def as_json(value: object) -> Markup:
    """JSON that may stand in a ``<script type="application/json">``: no ``<`` can end it or open a comment."""
    encoded = msgspec.json.encode(value).decode()
    return Markup(encoded.replace("<", "\\u003c").replace("\u2028", "\\u2028"))  # noqa: S704


def script_words(timezone: str) -> dict[str, object]:
    """What the board's script has to know of the catalogue and of the codes."""
    keys = ("live", "connecting", "disconnected", "stale", "report_left", "report_over", "begin_left", "begin_over")
    more = (
        "days",
        "alerts_none",
        "incident_why",
        "tile_label",
        "tile_label_quiet",
        "tile_label_unknown",
        "since",
        "open",
    )
    return {
        **{key: TEXT[key] for key in (*keys, *more)},
        "timezone": timezone,
        "states": {code: text.STATES[state] for state, code in STATE_CODES.items()},
        "causes": {code: text.CAUSES[cause] for cause, code in CAUSE_CODES.items()},
        "tiers": {tier: text.TIERS[tier] for tier in Tier},
    }


def _templates() -> jinja2.Environment:
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    templates.filters.update(as_json=as_json, count=text.count, quoted=lambda value: quote(value, safe=""))
    templates.globals.update(
        tiers=text.TIERS,
        tiers_short=text.TIERS_SHORT,
        states=text.STATES,
        codes=STATE_CODES,
        shown=SHOWN,
        countdown_line=countdown_line,
        roles=text.WHO,
        nav=NAV,
        time_of_day=text.time_of_day,
        moment=text.moment,
    )
    return templates


def countdown_line(head: Head, what: str) -> str:
    """The sentence of a countdown, ``report`` or ``begin``, at the instant of ``head``."""
    at, told = (head.report_at, head.report) if what == "report" else (head.begins_at, head.begins)
    if head.at < at:
        return TEXT[f"{what}_left"].format(left=text.countdown(at - head.at), at=told)
    return TEXT[f"{what}_over"].format(at=told)


def _spoken(request: web.Request) -> str:
    """The path as it may stand in a log: a point's link is its password."""
    known = request.match_info.route.resource
    return known.canonical if known is not None else request.path[:LONGEST_ID]


async def _secure(_request: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-cache")
    response.headers.pop(hdrs.SERVER, None)


async def _send_clients_away(app: web.Application) -> None:
    app[BOARD].close()
    app[READINESS].close()
    await app[PRESENCE].close()


async def _push(app: web.Application) -> AsyncIterator[None]:
    runs = {
        "board": app[BOARD].run(),
        "readiness": app[READINESS].run(),
        "presence": app[PRESENCE].run(),
        "trail": app[ACCESS].trail.run(),
    }
    tasks = [create_task(run, name=name) for name, run in runs.items()]
    yield
    for task in tasks:
        task.cancel()
        with suppress(CancelledError):
            await task
