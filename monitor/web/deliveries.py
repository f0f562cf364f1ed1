"""``/deliveries``: every message to a desk, and every attempt to get it there; the newest first."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from aiohttp import web

from monitor.core.notices import Attempt, Form, Message, MessageState, Notice
from monitor.web import text
from monitor.web.backend import Backend
from monitor.web.presence import Render
from monitor.web.text import TEXT

ROWS = 50
MOST_READ = 5_000
"""Messages that a page looks back at."""
LINES = 12
"""Things told that a row of a summary names; of more the number."""


class Told(NamedTuple):
    """A thing that a message tells."""

    title: str
    kind: str
    link: str
    """To the incident's page; empty for what is none."""


class Try(NamedTuple):
    """An attempt as it is shown."""

    when: str
    channel: str
    outcome: str
    detail: str
    took: str
    bad: bool


class Row(NamedTuple):
    """A message as it is shown."""

    when: str
    desk: str
    form: str
    told: tuple[Told, ...]
    more: int
    state: str
    bad: bool
    tries: tuple[Try, ...]


class Deliveries:
    """For who has to find out why a phone did not ring."""

    def __init__(self, backend: Backend, render: Render) -> None:
        self._backend = backend
        self._render = render

    def routes(self) -> list[web.RouteDef]:
        """Where it is."""
        return [web.get("/deliveries", self.page)]

    async def page(self, request: web.Request) -> web.StreamResponse:
        """``/deliveries?desk=&state=&before=``. ``before``: a message's tracking id, from which the page goes on."""
        gate = self._backend.gate
        desks = {desk.id: desk.title for desk in gate.contacts.desks.values()}
        desk = request.query.get("desk", "")[:100]
        state = request.query.get("state", "")
        found = await gate.dispatches.messages(0.0, desk or None, MOST_READ)
        fitting = [each for each in found if state not in text.MESSAGE_STATES or each.state == state]
        shown, older = _page(fitting, request.query.get("before", ""))
        notices = {n.tracking_id: n for n in await gate.dispatches.notices([x for each in shown for x in each.notices])}
        attempts = await gate.dispatches.attempts([each.tracking_id for each in shown])
        given = {name: value for name, value in (("desk", desk), ("state", state)) if value}
        return await self._render(
            request,
            "deliveries.html",
            rows=[self._row(each, desks, notices, attempts) for each in shown],
            desks=desks,
            states=text.MESSAGE_STATES,
            desk=desk,
            state=state,
            older="?" + urlencode({**given, "before": older}) if older else "",
        )

    def _row(
        self,
        message: Message,
        desks: Mapping[str, str],
        notices: Mapping[str, Notice],
        attempts: Sequence[Attempt],
    ) -> Row:
        told = [_told(notices[name]) for name in message.notices if name in notices]
        return Row(
            when=self._clock(message.created_at, "%d/%m %H:%M:%S"),
            desk=desks.get(message.desk, message.desk),
            form=TEXT["delivery_summary"] if message.form is Form.SUMMARY else "",
            told=tuple(told[:LINES]),
            more=len(told) - LINES,
            state=text.MESSAGE_STATES[message.state],
            bad=message.state is MessageState.FAILED,
            tries=tuple(self._try(each) for each in attempts if each.message == message.tracking_id),
        )

    def _try(self, attempt: Attempt) -> Try:
        return Try(
            self._clock(attempt.at, "%H:%M:%S"),
            text.CHANNELS[attempt.channel],
            text.OUTCOMES[attempt.outcome],
            attempt.detail,
            text.span(round(attempt.took_s, 1)) if attempt.took_s else "",
            attempt.outcome in ("refused", "failed"),
        )

    def _clock(self, at: float, form: str) -> str:
        return format(datetime.fromtimestamp(at, ZoneInfo(self._backend.pipeline.ceremony.timezone)), form)


def _page(messages: Sequence[Message], before: str) -> tuple[Sequence[Message], str]:
    """So many from there on, and where the next page goes on; empty at the end."""
    names = [each.tracking_id for each in messages]
    start = names.index(before) if before in names else 0
    rest = names[start + ROWS :]
    return messages[start : start + ROWS], rest[0] if rest else ""


def _told(notice: Notice) -> Told:
    story, said = notice.story, notice.story.annotations
    title = said.get("title") or said.get("summary") or next(iter(story.summaries), TEXT["ack_alert"])
    link = f"/incidents/{quote(story.incident, safe='')}" if story.incident else ""
    return Told(title, text.KINDS[notice.kind], link)
