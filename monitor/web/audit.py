"""``/audit``: who did what to what, and who was turned away; the newest first."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from aiohttp import web

from monitor.core.access import AuditEntry
from monitor.core.records import Records
from monitor.web import text
from monitor.web.backend import Backend
from monitor.web.presence import Render

ROWS = 100
READ_AT_ONCE = 500
MOST_READ = 5_000
"""A filter that fits little looks no further back in one go; the page goes on from there."""
FILTERS = ("actor", "action")


class Row(NamedTuple):
    """An entry as it is shown."""

    when: str
    entry: AuditEntry
    action: str


class Found(NamedTuple):
    """A page of the trail."""

    entries: list[AuditEntry]
    before: int | None
    """Where the next page goes on; None at the end."""


class Audit:
    """The trail, for administrators."""

    def __init__(self, backend: Backend, render: Render) -> None:
        self._backend = backend
        self._render = render

    def routes(self) -> list[web.RouteDef]:
        """Where it is."""
        return [web.get("/audit", self.page)]

    async def page(self, request: web.Request) -> web.StreamResponse:
        """``/audit?actor=&action=&before=``."""
        wanted = {name: request.query.get(name, "").strip()[:100] for name in FILTERS}
        found = await find(self._backend.records, wanted, _number(request.query.get("before", "")))
        zone = ZoneInfo(self._backend.pipeline.ceremony.timezone)
        rows = [_row(entry, zone) for entry in found.entries]
        given = {name: value for name, value in wanted.items() if value}
        older = "?" + urlencode({**given, "before": found.before}) if found.before is not None else ""
        first = "?" + urlencode(given) if request.query.get("before") else ""
        return await self._render(request, "audit.html", rows=rows, wanted=wanted, older=older, first=first)


def _row(entry: AuditEntry, zone: ZoneInfo) -> Row:
    when = f"{datetime.fromtimestamp(entry.at, zone):%d/%m/%Y %H:%M:%S}"
    return Row(when, entry, text.ACTIONS.get(entry.action, entry.action))


async def find(records: Records, wanted: Mapping[str, str], before: int | None) -> Found:
    """The newest entries that fit, from a number downwards."""
    entries: list[AuditEntry] = []
    for _ in range(MOST_READ // READ_AT_ONCE):
        read = await records.audit(before, READ_AT_ONCE)
        for number, entry in read:
            before = number
            entries += [entry] if _fits(entry, wanted) else []
            if len(entries) == ROWS:
                return Found(entries, before)
        if len(read) < READ_AT_ONCE:
            return Found(entries, None)
    return Found(entries, before)


def _fits(entry: AuditEntry, wanted: Mapping[str, str]) -> bool:
    """By part of a word: of who, or of what was done, as it is kept or as it is shown."""
    actions = (entry.action, text.ACTIONS.get(entry.action, ""))
    return wanted["actor"].lower() in entry.actor.lower() and any(
        wanted["action"].lower() in action.lower() for action in actions if action or not wanted["action"]
    )


def _number(written: str) -> int | None:
    if not (written.isascii() and written.isdecimal() and len(written) < 19):
        return None
    return int(written)
