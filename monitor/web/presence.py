"""The page that a technician opens at the site: served to whoever has its link, and heard each second.

A page that is closed in an orderly way takes its leave; one whose line is cut does not, and its silence is evidence.
What comes over the sockets is hostile until proved otherwise: few sockets a point, few bytes a message, few messages a
second, from pages of our own origin only.
"""

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol
from zoneinfo import ZoneInfo

import msgspec
import structlog
from aiohttp import WSMessage, WSMsgType, hdrs, web

from monitor.web import form, heartbeat, text
from monitor.web.backend import Backend
from monitor.web.heartbeat import LARGEST, Allowance, HeartbeatError, Told
from monitor.web.origin import of_our_origin
from monitor.web.text import TEXT

SESSIONS_PER_POINT = 4
SOCKETS = 15_000
SILENT_S = 15.0
"""A socket that has brought no heartbeat for so long is dropped; that the page is silent was known long before."""
SWEEP_EVERY_S = 1.0
GOODBYES_WITHIN_S = 0.5
"""How long a shutdown waits for the pages to be told."""
CLOSE_WITHIN_S = 1.0
"""How long a page has to answer that it is closed."""

MESSAGES = frozenset({WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.PING, WSMsgType.PONG})
LEAVING = frozenset({1000, 1001})
"""What a browser says when its page is closed or left (RFC 6455, section 7.4.1)."""
NOT_TEXT, NOT_A_HEARTBEAT, TOO_MANY, RESTARTING = 1003, 1007, 1008, 1012
REVOKED, CROWDED, REPLACED = 4401, 4409, 4410
"""For pages: your link holds no more; too many pages of the point are open; you came again on another socket."""

WORDS = (
    *(
        "page_connecting",
        "page_connected",
        "page_again",
        "page_offline",
        "page_unanswered",
        "page_revoked",
        "page_crowded",
    ),
    *("page_seen", "page_seen_ms", "page_since", "page_awake", "page_sleeps", "page_none"),
    *("page_mains", "page_charging", "page_battery", "page_left_minutes", "page_left_hours"),
    *form.WORDS,
)
"""What the page's script has to say."""
_SESSION_NAME = re.compile(r"[\w-]{8,32}", re.ASCII)

log = structlog.get_logger("diemcau.web")


class Render(Protocol):
    """Makes a page of a template."""

    def __call__(
        self, request: web.Request, name: str, status: int = 200, /, **what: object
    ) -> Awaitable[web.StreamResponse]:
        """The whole response."""


class Refused(Exception):  # noqa: N818  (a page is refused; nothing of ours is wrong)
    """A message for which the socket is closed, with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Session(msgspec.Struct, eq=False):
    """A page that is open, on its present socket."""

    point_id: str
    token: str
    name: str
    """The page's own, the same on each of its sockets."""
    socket: web.WebSocketResponse
    transport: asyncio.WriteTransport | None
    heard_at: float
    """On the loop's clock, as the allowance is."""
    allowance: Allowance
    told: Told


class Presence:
    """Every point's page that is open."""

    def __init__(self, backend: Backend, now: Callable[[], float], render: Render) -> None:
        self._backend = backend
        self._now = now
        self._render = render
        self._sessions: dict[str, dict[str, Session]] = {}
        """Point → the name of a session → the session."""
        self._sockets = 0
        self._goodbyes: set[asyncio.Task[bool]] = set()
        self._closing = False
        self._held = self._holding()

    @property
    def sessions(self) -> int:
        """How many pages are open."""
        return sum(map(len, self._sessions.values()))

    def routes(self) -> list[web.RouteDef]:
        """Where pages and their sockets are."""
        return [
            web.get("/p/{token}", self.page),
            web.get("/p/{token}/ws", self.socket, allow_head=False),
        ]

    async def page(self, request: web.Request) -> web.StreamResponse:
        """``/p/<token>``: the point's own page; every link that does not hold gets the same answer."""
        point_id = self._point_of(request)
        if point_id is None:
            refusal = {"title": TEXT["error_link"], "hint": TEXT["error_link_hint"], "back": False}
            return await self._render(request, "error.html", 404, **refusal)
        status = self._backend.pipeline.points[point_id]
        pipeline = self._backend.pipeline
        return await self._render(
            request,
            "presence.html",
            point=status.point,
            tier=text.TIERS[status.point.tier],
            closed=form.closed(status.point, pipeline.inventory),
            form=form.form_of(pipeline.ceremony, self._now()),
            words={**{key: TEXT[key] for key in WORDS}, "timezone": pipeline.ceremony.timezone},
        )

    async def socket(self, request: web.Request) -> web.StreamResponse:
        """``/p/<token>/ws``: heartbeats in, echoes out, until one of us closes it."""
        point_id = self._point_of(request)
        if point_id is None:
            raise web.HTTPNotFound
        if not of_our_origin(request):
            raise web.HTTPForbidden
        if self._closing or self._sockets >= SOCKETS:
            raise web.HTTPServiceUnavailable(headers={hdrs.RETRY_AFTER: "5"})
        self._sockets += 1
        try:
            return await self._serve(request, point_id)
        finally:
            self._sockets -= 1

    async def run(self) -> None:
        """Drop dead sockets and links that no longer hold, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            try:
                self._sweep(asyncio.get_running_loop().time())
            except Exception:
                log.exception("sweep failed")

    async def close(self) -> None:
        """Tell every page that we go, so that it comes again at once; wait for the telling a moment only."""
        self._closing = True
        for session in list(self._each()):
            self._say_goodbye(session, RESTARTING)
        if self._goodbyes:
            await asyncio.wait(self._goodbyes, timeout=GOODBYES_WITHIN_S)

    def _point_of(self, request: web.Request) -> str | None:
        point_id = self._backend.links.point_of(request.match_info["token"])
        return point_id if point_id in self._backend.pipeline.points else None

    async def _serve(self, request: web.Request, point_id: str) -> web.StreamResponse:
        socket = web.WebSocketResponse(timeout=CLOSE_WITHIN_S, autoping=False, compress=False, max_msg_size=LARGEST + 1)
        try:
            await socket.prepare(request)
            await self._keep(self._session(request, point_id, socket))
        except ConnectionError:
            log.debug("page gone", point=point_id)
        return socket if socket.prepared else web.Response(status=503)  # to nobody: it left before we answered

    def _session(self, request: web.Request, point_id: str, socket: web.WebSocketResponse) -> Session:
        token, name, now = request.match_info["token"], _name_of(request), asyncio.get_running_loop().time()
        return Session(point_id, token, name, socket, request.transport, now, Allowance(at=now), Told())

    async def _keep(self, session: Session) -> None:
        """A session from its first heartbeat to its last."""
        self._admit(session)
        try:
            await self._listen(session)
        except ConnectionError:
            raise
        except Exception:
            log.exception("page failed", point=session.point_id)  # the socket is open: no error page can follow
        finally:
            self._forget(session)

    def _admit(self, session: Session) -> None:
        """In; for the page's own former socket, or for the one that has been silent longest where they are too many."""
        ours = self._sessions.setdefault(session.point_id, {})
        former = ours.pop(session.name, None)
        if former is not None:
            self._say_goodbye(former, REPLACED)
        elif len(ours) >= SESSIONS_PER_POINT:
            self._dismiss(min(ours.values(), key=lambda each: each.heard_at), CROWDED)
        self._sessions.setdefault(session.point_id, ours)[session.name] = session

    async def _listen(self, session: Session) -> None:
        """Answer until the socket is closed, by whomever."""
        socket, loop = session.socket, asyncio.get_running_loop()
        while (message := await socket.receive()).type in MESSAGES:
            try:
                await self._respond(session, message, loop.time())
            except Refused as refused:
                log.debug("page refused", point=session.point_id, code=refused.code)
                self._depart(session)
                await socket.close(code=refused.code, drain=False)
                return
        if message.type is WSMsgType.CLOSE and message.data in LEAVING:
            self._depart(session)

    async def _respond(self, session: Session, message: WSMessage, now: float) -> None:
        """A heartbeat: to the service, and its echo to the page. Raises Refused."""
        if not session.allowance.take(now):
            raise Refused(TOO_MANY)
        if message.type is WSMsgType.BINARY:
            raise Refused(NOT_TEXT)
        if message.type is not WSMsgType.TEXT:
            await _pong(session.socket, message)
            return
        try:
            number, beat = heartbeat.read(message.data)
        except HeartbeatError:
            raise Refused(NOT_A_HEARTBEAT) from None
        session.heard_at = now
        self._backend.beat(session.point_id, session.name, beat)
        await session.socket.send_str(self._answer(session, number))

    def _answer(self, session: Session, number: int) -> str:
        status, now = self._backend.pipeline.points.get(session.point_id), self._now()
        if status is None or not session.told.due(status, now):
            return heartbeat.echo(number)
        zone = ZoneInfo(self._backend.pipeline.ceremony.timezone)
        return heartbeat.echo(number, heartbeat.seen(status, now, zone))

    def _depart(self, session: Session) -> None:
        """The page is gone and said so, or we sent it away: its silence means nothing."""
        if self._forget(session):
            self._backend.leave(session.point_id, session.name)

    def _forget(self, session: Session) -> bool:
        """Whether it was there: not yet forgotten, and not on another socket by now."""
        ours = self._sessions.get(session.point_id, {})
        if ours.get(session.name) is not session:
            return False
        del ours[session.name]
        if not ours:
            del self._sessions[session.point_id]
        return True

    def _dismiss(self, session: Session, code: int) -> None:
        self._depart(session)
        self._say_goodbye(session, code)

    def _say_goodbye(self, session: Session, code: int) -> None:
        task = asyncio.create_task(session.socket.close(code=code, drain=False), name="goodbye to a page")
        self._goodbyes.add(task)
        task.add_done_callback(self._goodbyes.discard)

    def _sweep(self, now: float) -> None:
        for session in self._each():
            if now - session.heard_at > SILENT_S and session.transport is not None:
                session.transport.abort()
        held, self._held = self._held, self._holding()
        if any(one is not other for one, other in zip(held, self._held, strict=True)):
            self._check_links()

    def _holding(self) -> tuple[object, object]:
        """What decides which links hold; other objects after a reload."""
        return self._backend.links, self._backend.pipeline.inventory

    def _check_links(self) -> None:
        links, points = self._backend.links, self._backend.pipeline.points
        for session in list(self._each()):
            if links.point_of(session.token) != session.point_id or session.point_id not in points:
                self._dismiss(session, REVOKED)

    def _each(self) -> Iterator[Session]:
        return (session for ours in self._sessions.values() for session in ours.values())


async def _pong(socket: web.WebSocketResponse, message: WSMessage) -> None:
    """Browsers never ping, yet what stands between may; a pong needs no answer (RFC 6455, section 5.5)."""
    if message.type is WSMsgType.PING:
        await socket.pong(message.data)


def _name_of(request: web.Request) -> str:
    """What the page calls itself; a name of our own for one that does not say, or says something else."""
    name = request.query.get("s", "")
    return name if _SESSION_NAME.fullmatch(name) else secrets.token_urlsafe(12)
