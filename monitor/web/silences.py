"""``/silences``: for a while nobody is told of a node, a district or a point; set and ended here, with who and why."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from aiohttp import web

from monitor.core.access import Permission
from monitor.core.silences import LONGEST_COMMENT, NotSilenced, Silence, Unfit, checked, matchers
from monitor.web import text
from monitor.web.access import audit_of, see_other
from monitor.web.backend import Backend
from monitor.web.presence import Render
from monitor.web.text import TEXT

CHOICES = (15, 60, 120, 240, 480, 1440)
"""Minutes."""


class Row(NamedTuple):
    """A silence as it is shown."""

    what: str
    by: str
    why: str
    starts: str
    ends: str
    state: str
    may_end: bool
    name: str
    """By which it is ended."""


class Quiet:
    """For who works at a node and does not want phones to ring."""

    def __init__(self, backend: Backend, now: Callable[[], float], render: Render) -> None:
        self._backend = backend
        self._now = now
        self._render = render

    def routes(self) -> list[web.RouteDef]:
        """Where it is."""
        return [
            web.get("/silences", self.page),
            web.post("/silences", self.add),
            web.post("/silences/end", self.end),
        ]

    async def page(self, request: web.Request) -> web.StreamResponse:
        """``/silences?node=…``, or ``district``, ``point``: what the form begins with."""
        given = next(((scope, request.query[scope]) for scope in text.SCOPES if scope in request.query), ("node", ""))
        return await self._show(request, *given)

    async def add(self, request: web.Request) -> web.StreamResponse:
        """Set one, and say so in the trail."""
        sent = await request.post()
        scope, name, now = str(sent.get("scope", "")), str(sent.get("id", "")).strip()[:200], self._now()
        try:
            starts_at = self._instant(str(sent.get("from", "")), now)
            silence = Silence(
                matchers=matchers(scope, name, self._backend.pipeline.inventory),
                starts_at=starts_at,
                ends_at=starts_at + _minutes(str(sent.get("minutes", ""))) * 60.0,
                created_by=request["identity"].name,
                comment=str(sent.get("comment", ""))[:LONGEST_COMMENT],
            )
            await self._backend.silences.add(checked(silence, now))
        except (Unfit, NotSilenced) as refused:
            return await self._show(request, scope, name, _words(refused, scope, name))
        detail = f"{self._moment(silence.starts_at)} – {self._moment(silence.ends_at)}: {silence.comment}"
        await self._backend.records.add_audit(audit_of(request, "silence", f"{scope}:{name}", detail))
        return see_other("/silences")

    async def end(self, request: web.Request) -> web.StreamResponse:
        """End one now, and say so in the trail."""
        name = str((await request.post()).get("name", ""))
        found = next((each for each in self._backend.silences.known if name in each.ids), None)
        if found is None:
            raise web.HTTPNotFound
        try:
            await self._backend.silences.end(found)
        except NotSilenced:
            return await self._show(request, "node", "", TEXT["silence_no_alertmanager"])
        await self._backend.records.add_audit(audit_of(request, "silence.end", self._what(found), found.comment))
        return see_other("/silences")

    async def _show(self, request: web.Request, scope: str, name: str, refusal: str = "") -> web.StreamResponse:
        now, identity = self._now(), request["identity"]
        may = identity is not None and identity.may(Permission.SILENCE)
        return await self._render(
            request,
            "silences.html",
            400 if refusal else 200,
            rows=[self._row(each, now, may=may) for each in self._backend.silences.known],
            away=not self._backend.silences.reachable,
            may=may,
            scopes=text.SCOPES,
            scope=scope,
            name=name,
            choices=[(minutes, _span(minutes)) for minutes in CHOICES],
            refusal=refusal,
        )

    def _row(self, silence: Silence, now: float, *, may: bool) -> Row:
        state = silence.state(now)
        return Row(
            what=self._what(silence),
            by=silence.created_by,
            why=silence.comment,
            starts=self._moment(silence.starts_at),
            ends=self._moment(silence.ends_at),
            state=text.SILENCE_STATES[state],
            may_end=may and state != "expired" and bool(silence.ids),
            name=silence.ids[0] if silence.ids else "",
        )

    def _what(self, silence: Silence) -> str:
        """By names where it is one of ours, else as Alertmanager has it."""
        inventory = self._backend.pipeline.inventory
        named = []
        for each in silence.matchers:
            node = inventory.network.get(each.value) or inventory.power.get(each.value)
            point, district = inventory.points.get(each.value), inventory.districts.get(each.value)
            known = node or (point if each.name == "instance" else None) or (
                district if each.name == "district" else None
            )  # fmt: skip
            sign = ("=" if each.is_equal else "≠") + ("~" if each.is_regex else "")
            named.append(known.name if known is not None and each.is_equal else f"{each.name} {sign} {each.value}")
        return ", ".join(named)

    def _instant(self, written: str, now: float) -> float:
        """Of a form's local time; now where nothing is written. Raises Unfit."""
        if not written:
            return now
        try:
            return datetime.fromisoformat(written).replace(tzinfo=self._zone).timestamp()
        except (ValueError, OverflowError):
            raise Unfit("span") from None

    def _moment(self, at: float) -> str:
        return text.moment(at, self._now(), self._zone)

    @property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self._backend.pipeline.ceremony.timezone)


def _minutes(written: str) -> int:
    """Raises Unfit."""
    if not written.isascii() or not written.isdecimal() or len(written) > 5:
        raise Unfit("span")
    return int(written)


def _span(minutes: int) -> str:
    return TEXT["hours"].format(n=minutes // 60) if minutes % 60 == 0 else TEXT["minutes"].format(n=minutes)


def _words(refused: Unfit | NotSilenced, scope: str, name: str) -> str:
    if isinstance(refused, NotSilenced):
        return TEXT["silence_no_alertmanager"]
    what = text.SCOPES.get(scope, scope).lower()
    known = {
        "place": TEXT["silence_no_place"].format(what=what, id=name),
        "reason": TEXT["silence_no_reason"],
        "span": TEXT["silence_no_span"],
    }
    return known[refused.key]
