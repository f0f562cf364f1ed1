"""What programs say to the gateway: Alertmanager its notifications, providers their receipts, and SMS that came back.

Each brings the word that both sides know, as a bearer or, from providers that can set no header, as ``?key=``.
"""

import re
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

from aiohttp import hdrs, web

from monitor.core.acknowledgement import AckMeans, Acknowledgement, AckRefusal, AckRefused
from monitor.core.contacts import Channel, Desk
from monitor.core.notices import Refused, Thread
from monitor.core.throttle import Throttle
from monitor.web.access import ACCESS, FORM, audit_of
from monitor.web.backend import Backend

LARGEST_BODY = 8 * 1024 * 1024
"""Alertmanager's notification of some thousand alerts."""
LARGEST_RECEIPT = 64 * 1024
KEY = "key"
_REPLY = re.compile(r"(?:TN)?\s*[:.#-]?\s*([0-9]{4})(?:\s+([0-9]{1,3})\s*(?:P|PHUT|M|MIN)?)?\s*[.!]*", re.IGNORECASE)


class GatewayEndpoints:
    """``/gateway/…``."""

    def __init__(self, backend: Backend, now: Callable[[], float]) -> None:
        self._backend = backend
        self._now = now
        self._guesses = Throttle()

    def routes(self) -> list[web.RouteDef]:
        """Where they are."""
        return [
            web.post("/gateway/alertmanager/{desk}", self.notified),
            web.post("/gateway/watchdog", self.watchdog),
            *(web.route(how, "/gateway/receipts/{channel}", self.receipt) for how in ("GET", "POST")),
            *(web.route(how, "/gateway/replies", self.reply) for how in ("GET", "POST")),
        ]

    async def notified(self, request: web.Request) -> web.Response:
        """Alertmanager's webhook for a desk; 503, and it comes again, while the store does not take it."""
        self._authorize(request)
        body = await _body(request, LARGEST_BODY)
        desk = request.match_info["desk"]
        try:
            made = await self._backend.gate.notified(desk, body)
        except LookupError:
            return _said(404, error=f"no desk {desk[:60]} in contacts.yaml: render Alertmanager's configuration again")
        except Refused as refused:
            return _said(400, error=str(refused))
        return _said(200, notices=made)

    async def watchdog(self, request: web.Request) -> web.Response:
        """Alertmanager says that the whole chain lives."""
        self._authorize(request)
        self._backend.gate.watchdog()
        return _said(200)

    async def receipt(self, request: web.Request) -> web.Response:
        """A provider says what became of a message."""
        self._authorize(request)
        named = request.match_info["channel"]
        if named not in tuple(Channel):
            return _said(404, error=f"no channel {named[:20]}: one of {', '.join(Channel)}")
        body, query = await _told(request)
        try:
            known = await self._backend.gate.receipt(Channel(named), body, query)
        except Refused as refused:
            return _said(400, error=str(refused))
        return _said(200, known=known)

    async def reply(self, request: web.Request) -> web.Response:
        """An SMS that a desk sent: with its code it acknowledges. Always 200, or its provider would say it again."""
        self._authorize(request)
        body, query = await _told(request)
        try:
            phone, text = self._backend.gate.reply(body, query)
        except Refused as refused:
            return _said(400, error=str(refused))
        try:
            desk, thread, minutes = await self._understood(phone, text)
        except AckRefused as refused:
            trail = request.config_dict[ACCESS]
            trail.refuse(request, "acknowledge", refused.why, target=masked(phone))
            return _said(200, acknowledged=False, why=refused.why.value)
        now = self._now()
        said_so = Acknowledgement(
            incident=thread.story.incident,
            opened_at=thread.opened_at,
            desk=desk.id,
            at=now,
            means=AckMeans.SMS.value,
            repair_expected_at=now + minutes * 60 if minutes else None,
        )
        trace = audit_of(request, "acknowledge", said_so.incident, f"SMS {thread.code}", actor=f"desk:{desk.id}")
        await self._backend.gate.acknowledge(said_so, "", trace)
        return _said(200, acknowledged=True, incident=said_so.incident)

    async def _understood(self, phone: str, text: str) -> tuple[Desk, Thread, int]:
        """Whose SMS it is, what it is about, and in how many minutes all is mended. Raises AckRefused."""
        digits = digits_of(phone)
        policy = self._backend.access
        desks = {desk.id: desk for desk in self._backend.gate.contacts.desks.values() if digits in _numbers(desk)}
        form = _REPLY.fullmatch(text.strip())
        if not desks or form is None or self._guesses.attempt(digits, digits, policy, self._now()) > 0:
            raise AckRefused(AckRefusal.UNKNOWN)
        code, minutes = form.groups()
        for thread in await self._backend.gate.dispatches.threads(self._now()):
            ours = thread.desk in desks and thread.closed_at is None and thread.code == code
            if ours and thread.story.incident:
                self._guesses.succeed(digits, digits)
                return desks[thread.desk], thread, int(minutes or 0)
        raise AckRefused(AckRefusal.UNKNOWN)

    def _authorize(self, request: web.Request) -> None:
        """Raises HTTPUnauthorized, which is written down, for whoever does not bring the word."""
        scheme, _, word = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        spoken = word.strip() if scheme.lower() == "bearer" else request.query.get(KEY, "")
        if not self._backend.gate.is_secret(spoken):
            request.config_dict[ACCESS].refuse(request, "webhook", "does not bring the word")
            raise web.HTTPUnauthorized(headers={hdrs.WWW_AUTHENTICATE: 'Bearer realm="diemcau gateway"'})


def digits_of(phone: str) -> str:
    """A number as it is compared: ``+84 912 000 384`` and ``0912000384`` alike."""
    digits = "".join(char for char in phone if char.isascii() and char.isdigit())
    return digits.removeprefix("84") if digits.startswith("84") else digits.removeprefix("0")


def masked(phone: str) -> str:
    """A number as others may see it."""
    shown = phone.strip()
    return f"{shown[:4]}…{shown[-3:]}" if len(shown) > 8 else "…"


def _numbers(desk: Desk) -> set[str]:
    return {digits_of(number) for number in (desk.phone, desk.zalo) if number}


async def _told(request: web.Request) -> tuple[bytes, Mapping[str, str]]:
    """What is said, as a body or as a query; a form counts as a query."""
    body = await _body(request, LARGEST_RECEIPT)
    query = {name: value for name, value in request.query.items() if name != KEY}
    if request.content_type == FORM:
        return b"", query | dict(parse_qsl(body.decode(errors="replace"), max_num_fields=50))
    return body, query


async def _body(request: web.Request, most: int) -> bytes:
    """Raises HTTPRequestEntityTooLarge."""
    request._client_max_size = most  # noqa: SLF001 - aiohttp has no other way for one route
    return await request.read()


def _said(status: int, **what: object) -> web.Response:
    return web.json_response(what, status=status)
