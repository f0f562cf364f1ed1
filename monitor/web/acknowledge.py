"""Đã tiếp nhận: the page behind the link of a message. No account; one tap.

Opening it changes nothing, for phones and mail servers open links by themselves to show or to judge them: GET shows,
POST acknowledges. The form that a page carries is signed, of that link alone, and counts once; whoever sends the same
again, or one that is too old, is told how things stand, and it is written into the audit trail.
"""

import binascii
import hmac
import secrets
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import quote
from zoneinfo import ZoneInfo

import msgspec
from aiohttp import hdrs, web

from monitor.core.acknowledgement import AckMeans, Acknowledgement, AckRefusal, AckRefused
from monitor.core.incidents import Incident
from monitor.core.notices import Thread
from monitor.web import text
from monitor.web.access import ACCESS, audit_of, see_other
from monitor.web.backend import Backend
from monitor.web.board import STATE_CODES
from monitor.web.incident import said_by
from monitor.web.layout import RANK
from monitor.web.presence import Render
from monitor.web.text import TEXT

FORM = b"diemcau acknowledge form v1"
FORM_HOLDS_S = 7200.0
MAC_BYTES, NONCE_BYTES = 8, 8
A_DAY_S = 86_400.0
CHOICES = (15, 30, 60, 120)
"""Minutes until all is mended, to choose from."""
LONGEST_NOTE = 300
MOST_AT_ONCE = 50
MOST_POINTS = 5000
SAID = {
    AckRefusal.FORGED: "ack_forged",
    AckRefusal.EXPIRED: "ack_expired",
    AckRefusal.REPLAYED: "ack_replayed",
    AckRefusal.OVER: "ack_over_now",
    AckRefusal.UNKNOWN: "ack_unknown",
}
STATUS = {
    AckRefusal.FORGED: 400,
    AckRefusal.EXPIRED: 410,
    AckRefusal.REPLAYED: 409,
    AckRefusal.OVER: 409,
    AckRefusal.UNKNOWN: 404,
}
HEADERS = {hdrs.CACHE_CONTROL: "no-store", "X-Robots-Tag": "noindex, nofollow"}


class PointLine(msgspec.Struct, frozen=True):
    """A point that an incident has hit."""

    name: str
    code: str
    """Of its state, as on the board."""
    state: str


class Case(msgspec.Struct, frozen=True):
    """A thread as the page shows it."""

    number: int
    title: str
    head: str
    """Since when, how many."""
    facts: tuple[tuple[str, str], ...]
    acknowledged: tuple[str, ...]
    """Who works on it, in sentences."""
    mine: bool
    """Whether this desk has said so."""
    over: str
    """Since when it is over; empty while it goes on."""
    may: bool
    """Whether there is something to acknowledge."""
    points: tuple[PointLine, ...] = ()
    lines: tuple[str, ...] = ()


class AckPage:
    """``/a/<token>``."""

    def __init__(self, backend: Backend, now: Callable[[], float], render: Render) -> None:
        self._backend = backend
        self._now = now
        self._render = render

    def routes(self) -> list[web.RouteDef]:
        """Where it is."""
        return [
            web.get("/a/{token}", self.show),
            web.post("/a/{token}", self.take),
            web.post("/incidents/{id}/acknowledge", self.by_account),
        ]

    async def show(self, request: web.Request) -> web.StreamResponse:
        """How things stand; changes nothing."""
        try:
            thread = await self._thread(request)
        except AckRefused as refused:
            return await self._refuse(request, refused.why)
        return await self._page(request, thread)

    async def take(self, request: web.Request) -> web.StreamResponse:
        """The desk works on it."""
        try:
            thread = await self._thread(request)
        except AckRefused as refused:
            return await self._refuse(request, refused.why)
        try:
            await self._acknowledge(request, thread)
        except AckRefused as refused:
            self._note(request, refused.why, thread)
            return await self._page(request, thread, refused.why)
        return web.Response(status=303, headers={hdrs.LOCATION: request.path, **HEADERS})

    async def by_account(self, request: web.Request) -> web.StreamResponse:
        """Somebody of the technical team works on it, or has been told so by telephone."""
        incident = self._backend.pipeline.incidents.get(request.match_info["id"])
        if incident is None or not incident.ongoing:
            raise web.HTTPNotFound
        sent, identity, now = await request.post(), request["identity"], self._now()
        said_so = Acknowledgement(
            incident=incident.id,
            opened_at=incident.opened_at,
            desk=identity.name,
            at=now,
            means=AckMeans.ACCOUNT.value,
            repair_expected_at=expected_at("", str(sent.get("time", "")), now, self._zone),
            note=" ".join(str(sent.get("note", ""))[:LONGEST_NOTE].split()),
        )
        await self._backend.gate.acknowledge(said_so, "", audit_of(request, "acknowledge", incident.id, said_so.note))
        return see_other(f"/incidents/{quote(incident.id, safe='')}")

    async def _acknowledge(self, request: web.Request, thread: Thread) -> None:
        """Raises AckRefused."""
        sent = await request.post()
        form = str(sent.get("form", ""))
        self._check_form(form, request.match_info["token"])
        wanted = {str(each) for each in sent.getall("thread", [str(thread.number)])[:MOST_AT_ONCE]}
        ours = [each for each in await self._threads(thread.desk) if str(each.number) in wanted and _is_open(each)]
        if not ours:
            raise AckRefused(AckRefusal.OVER)
        now = self._now()
        until = expected_at(str(sent.get("minutes", "")), str(sent.get("time", "")), now, self._zone)
        note = " ".join(str(sent.get("note", ""))[:LONGEST_NOTE].split())
        for each in ours:
            said_so = Acknowledgement(
                incident=each.story.incident,
                opened_at=each.opened_at,
                desk=each.desk,
                at=now,
                means=AckMeans.LINK.value,
                repair_expected_at=until,
                note=note,
            )
            trace = audit_of(request, "acknowledge", said_so.incident, note, actor=f"desk:{each.desk}")
            await self._backend.gate.acknowledge(said_so, f"{form}:{each.number}", trace)

    async def _thread(self, request: web.Request) -> Thread:
        """The thread of the link. Raises AckRefused."""
        claim = self._backend.links.thread_claim(request.match_info["token"])
        if claim is None:
            raise AckRefused(AckRefusal.FORGED)
        number, expires_at = claim
        if self._now() >= expires_at:
            raise AckRefused(AckRefusal.EXPIRED)
        thread = await self._backend.gate.dispatches.thread(number)
        if thread is None:
            raise AckRefused(AckRefusal.UNKNOWN)
        return thread

    async def _threads(self, desk: str) -> list[Thread]:
        """Those of the desk that are open, and those of the last day."""
        found = await self._backend.gate.dispatches.threads(self._now() - A_DAY_S)
        return [each for each in found if each.desk == desk]

    async def _page(
        self, request: web.Request, thread: Thread, refusal: AckRefusal | None = None
    ) -> web.StreamResponse:
        others = [each for each in await self._threads(thread.desk) if each.number != thread.number]
        waiting = [each for each in others if _is_open(each)]
        desk = self._backend.gate.contacts.desks.get(thread.desk)
        response = await self._render(
            request,
            "acknowledge.html",
            200 if refusal is None else STATUS[refusal],
            desk=desk.title if desk is not None else thread.desk,
            case=self._case(thread, whole=True),
            waiting=[self._case(each) for each in waiting],
            over=[self._case(each) for each in others if each.closed_at is not None],
            refusal=TEXT[SAID[refusal]] if refusal is not None else "",
            form=self._sign_form(request.match_info["token"]),
            choices=[(minutes, text.span(minutes * 60.0)) for minutes in CHOICES],
            at=text.moment(self._now(), self._now(), self._zone),
        )
        response.headers.update(HEADERS)
        return response

    async def _refuse(self, request: web.Request, why: AckRefusal) -> web.StreamResponse:
        """A link that is none, or none any more."""
        self._note(request, why, None)
        status = 404 if why is AckRefusal.FORGED else STATUS[why]
        title, hint = TEXT["ack_link"], TEXT[SAID[why]]
        response = await self._render(request, "error.html", status, title=title, hint=hint, back=False)
        response.headers.update(HEADERS)
        return response

    def _note(self, request: web.Request, why: AckRefusal, thread: Thread | None) -> None:
        target = f"{thread.desk} {thread.story.incident}" if thread is not None else "/a"
        request.config_dict[ACCESS].refuse(request, "acknowledge", why.value, target=target)

    # The form

    def _sign_form(self, token: str) -> str:
        claim = struct.pack(">I", int(self._now())) + secrets.token_bytes(NONCE_BYTES)
        return urlsafe_b64encode(claim + self._mac(claim, token)).rstrip(b"=").decode()

    def _check_form(self, form: str, token: str) -> None:
        """Raises AckRefused for one that we did not write into this page, or too long ago."""
        try:
            decoded = urlsafe_b64decode(form + "=" * (-len(form) % 4)) if form.isascii() and len(form) < 64 else b""
        except binascii.Error:
            decoded = b""
        claim, mac = decoded[:-MAC_BYTES], decoded[-MAC_BYTES:]
        if len(claim) != 4 + NONCE_BYTES or not hmac.compare_digest(mac, self._mac(claim, token)):
            raise AckRefused(AckRefusal.FORGED)
        (issued_at,) = struct.unpack(">I", claim[:4])
        if not -60.0 <= self._now() - issued_at < FORM_HOLDS_S:
            raise AckRefused(AckRefusal.EXPIRED)

    def _mac(self, claim: bytes, token: str) -> bytes:
        signed = FORM + b"\0" + token.encode(errors="replace") + b"\0" + claim
        return hmac.digest(self._backend.links.secret, signed, "sha256")[:MAC_BYTES]

    # What is shown

    def _case(self, thread: Thread, *, whole: bool = False) -> Case:
        now, story, said = self._now(), thread.story, thread.story.annotations
        incident = self._backend.pipeline.incidents.get(story.incident) if story.incident else None
        pairs = (
            ("ack_owner", said.get("owner", "")),
            ("ack_probability", said.get("probability", "")),
            ("ack_halls", said.get("halls", "")),
            ("ack_speaker", said.get("speaker", "")),
            ("ack_place", said.get("place", "")),
            ("ack_evidence", said.get("evidence", "")),
        )
        since = text.moment(story.since, now, self._zone)
        words = incident.acknowledged if incident is not None else ()
        return Case(
            number=thread.number,
            title=said.get("title") or said.get("summary") or next(iter(story.summaries), TEXT["ack_alert"]),
            head=TEXT["ack_since"].format(at=since, points=text.count(_points(thread, incident))),
            facts=tuple((TEXT[name], value[:500]) for name, value in pairs if value) if whole else (),
            acknowledged=tuple(self._said(each, now) for each in words),
            mine=any(each.desk == thread.desk for each in words),
            over=text.moment(thread.closed_at, now, self._zone) if thread.closed_at is not None else "",
            may=_is_open(thread),
            points=self._points(incident) if incident is not None and whole else (),
            lines=story.summaries[:500] if whole else (),
        )

    def _said(self, word: Acknowledgement, now: float) -> str:
        return said_by(word, self._backend.gate.contacts.desks, now, self._zone)

    def _points(self, incident: Incident) -> tuple[PointLine, ...]:
        """All that it has ever hit: whoever reads of a storm finds each point here."""
        known = self._backend.pipeline.points
        hit = [known[point] for point in {*incident.hit, *incident.on_battery} if point in known]
        hit.sort(key=lambda status: (RANK[status.point.tier], status.point.name, status.point.id))
        return tuple(
            PointLine(status.point.name, STATE_CODES[status.state], text.STATES[status.state])
            for status in hit[:MOST_POINTS]
        )

    @property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self._backend.pipeline.ceremony.timezone)


def expected_at(minutes: str, time: str, now: float, zone: ZoneInfo) -> float | None:
    """When all is mended, by a number of minutes or a time of day; None where neither is told, or is none."""
    if minutes.isdecimal() and 0 < int(minutes[:5]) <= 1440:
        return now + int(minutes) * 60.0
    try:
        clock = datetime.strptime(time, "%H:%M").time()  # noqa: DTZ007 - a time of day has no zone
    except ValueError:
        return None
    today = datetime.fromtimestamp(now, zone)
    at = today.replace(hour=clock.hour, minute=clock.minute, second=0, microsecond=0)
    return (at if at > today else at + timedelta(days=1)).timestamp()


def _is_open(thread: Thread) -> bool:
    return thread.closed_at is None and bool(thread.story.incident)


def _points(thread: Thread, incident: Incident | None) -> int:
    if incident is not None:
        return len(incident.points) or len(incident.hit)
    told = thread.story.annotations.get("points", "")
    return int(told) if told.isdecimal() and len(told) < 7 else thread.story.count
