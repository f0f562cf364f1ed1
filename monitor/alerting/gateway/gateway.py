"""The gateway at work: takes what Alertmanager tells, sends what desks are owed, follows up who does not answer.

What it is told is committed before it answers, so that a kill loses nothing. Of the monitors over one store one leads:
it alone decides and sends, for as long as it renews its lease; another one takes over within seconds. Each look at
the store is whole in itself: nothing but what flies through the wires at this moment stands in memory alone.
"""

import asyncio
import hmac
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol
from zoneinfo import ZoneInfo

import structlog

from monitor.alerting.gateway import direct, escalation, webhook
from monitor.alerting.gateway.dispatcher import Dispatcher
from monitor.alerting.gateway.updates import updates
from monitor.alerting.messages import Alert
from monitor.alerting.receivers import receipts
from monitor.core.access import AuditEntry
from monitor.core.acknowledgement import Acknowledgement
from monitor.core.contacts import Channel, Contacts
from monitor.core.model import Happening
from monitor.core.notices import Kind, Message, MessageState, Notice, Outcome, Refused, Thread
from monitor.core.pipeline import Pipeline
from monitor.core.records import Dispatches, NotRecorded

LOOK_EVERY_S = 0.5
"""A look at the store, when nobody has called for one before."""
LEASE_S = 5.0
RENEW_S = 1.0
REMEMBERED_S = 86_400.0
"""Acknowledgements and closed threads of so long ago are still looked at."""

log = structlog.get_logger("diemcau.gateway")


class Outlet(Protocol):
    """How alerts leave the monitor, as far as the gateway asks."""

    @property
    def firing(self) -> Mapping[str, Alert]:
        """What fires, by any key."""

    def unreachable_for_s(self, now: float) -> float:
        """For how long no Alertmanager has answered; 0 while one does, or where none is configured."""


class Gateway:
    """One monitor's gateway. ``run`` it; the web calls the rest."""

    def __init__(
        self,
        dispatches: Dispatches,
        dispatcher: Dispatcher,
        pipeline: Pipeline,
        outlet: Outlet,
        *,
        owner: str,
        secret: str,
        contacts: Callable[[], Contacts],
        tell: Callable[[Sequence[Happening]], None],
        clock: Callable[[], float],
        muted: Callable[[Mapping[str, str], float], bool] = lambda _labels, _now: False,
    ) -> None:
        """``owner``: names this monitor in the lease; the same after a restart. ``muted``: whether a silence holds."""
        self.dispatches = dispatches
        self.counters = dispatcher.counters
        self.dispatcher = dispatcher
        self._pipeline = pipeline
        self._outlet = outlet
        self._owner = owner
        self._secret = secret.encode()
        self._contacts = contacts
        self._tell = tell
        self._clock = clock
        self._muted = muted
        self._wake = asyncio.Event()
        self._leads_until = 0.0
        self._heard = 0.0
        """Acknowledgements up to then are in the pipeline."""
        self._asked_at = 0.0
        self._given_up: set[int] = set()
        """Threads that no channel tells, as far as was known then."""

    # What the web calls

    @property
    def contacts(self) -> Contacts:
        """The desks as they are configured now."""
        return self._contacts()

    def is_secret(self, spoken: str) -> bool:
        """Whether this is the secret that webhooks bring; compared in constant time."""
        return hmac.compare_digest(spoken.encode(errors="replace"), self._secret)

    async def notified(self, desk: str, body: bytes) -> int:
        """Alertmanager tells a desk: how many notices it makes. Committed when it returns.

        Raises Refused for a body that is none, LookupError for a desk that is none, NotRecorded.
        """
        post = self.contacts.desks.get(desk)
        if post is None:
            self.counters.refused["unknown desk"] += 1
            raise LookupError(desk)
        try:
            told = webhook.read(body)
        except Refused:
            self.counters.refused["bad webhook"] += 1
            raise
        now = self._clock()
        threads = {(each.desk, each.subject): each for each in await self._open_threads(now)}
        return len(await self.accept(webhook.notices_of(told, post, threads, now), post.level))

    def watchdog(self) -> None:
        """Alertmanager says that the whole chain lives."""
        self.counters.watchdog_at = self._clock()

    async def receipt(self, channel: Channel, body: bytes, query: Mapping[str, str]) -> bool:
        """A provider says what became of a message: whether it is known. Raises Refused, NotRecorded.

        One that has not arrived goes by the desk's next channel.
        """
        told = receipts.receipt(channel, body, query)
        now = self._clock()
        known = await self.dispatches.receipt(channel, told.reference, told.outcome, told.detail, now)
        if known and told.outcome in (Outcome.REFUSED, Outcome.FAILED):
            await self.dispatcher.go_on(channel, told.reference, now)
            self._wake.set()
        return known

    def reply(self, body: bytes, query: Mapping[str, str]) -> tuple[str, str]:
        """Who sent an SMS to us, and what, from a provider's call. Raises Refused."""
        return receipts.reply(body, query)

    async def acknowledge(self, said_so: Acknowledgement, form: str, audit: AuditEntry) -> None:
        """A desk works on an incident. Committed when it returns. Raises AckRefused, NotRecorded."""
        await self.dispatches.acknowledge(said_so, form, audit)
        self._hear(said_so)
        self._wake.set()

    # What the service calls

    def notice(self, happenings: Sequence[Happening]) -> None:
        """Something has happened: look soon. Never blocks, never raises."""
        if happenings:
            self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await self._look()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY_S):
                        await self._wake.wait()
                self._wake.clear()
        finally:
            await self.dispatcher.close()
            with suppress(NotRecorded, Exception):
                await asyncio.shield(self.dispatches.resign(self._owner))

    async def accept(self, notices: Sequence[Notice], level: int = 1) -> list[Notice]:
        """Keep what is new of this. Raises NotRecorded."""
        kept = await self.dispatches.accept(notices, level) if notices else []
        for notice in kept:
            self.counters.notices[notice.kind.value] += 1
            log.info("notice", desk=notice.desk, kind=notice.kind, subject=notice.subject, direct=notice.direct)
        if kept:
            self._wake.set()
        return kept

    # What the leader does

    async def _look(self) -> None:
        """One whole look; what goes wrong is tried again at the next."""
        try:
            now = self._clock()
            leads = await self._leads(now)
            if leads:
                await self.dispatcher.dispatch(now)  # first: somebody's phone is to ring
            said = await self._catch_up(now)
            if leads and await self._decide(said, now):
                await self.dispatcher.dispatch(now)
        except NotRecorded as error:
            log.warning("gateway waits for the store", why=str(error))
        except Exception:
            log.exception("gateway.defect")

    async def _leads(self, now: float) -> bool:
        """Whether this monitor is the one that sends; the lease is renewed long before it ends."""
        if not 0 <= self._leads_until - now - (LEASE_S - RENEW_S) <= RENEW_S:
            led, self.counters.leading = self.counters.leading, await self.dispatches.lead(self._owner, LEASE_S, now)
            self._leads_until = now + LEASE_S if self.counters.leading else 0.0
            if led is not self.counters.leading:
                log.info("gateway leads" if not led else "gateway no longer leads", owner=self._owner)
        return self.counters.leading

    async def _catch_up(self, now: float) -> list[Acknowledgement]:
        """All that was acknowledged of late, here or at another monitor."""
        said = await self.dispatches.acknowledgements(now - REMEMBERED_S)
        for said_so in said:
            if said_so.at > self._heard - LEASE_S:
                self._hear(said_so)
        self._heard = max([self._heard, *(each.at for each in said)])
        return said

    async def _decide(self, said: Sequence[Acknowledgement], now: float) -> int:
        """How much there is to be told because of it."""
        threads = await self._open_threads(now)
        self.counters.unacknowledged = len(escalation.awaiting(threads, said))
        alerts = {
            alert.labels["incident"]: alert for alert in self._outlet.firing.values() if "incident" in alert.labels
        }
        spoken = [thread for thread in threads if not self._muted(thread.story.labels, now)]
        before = self.counters.notices.total()
        await self.accept(updates(spoken, alerts, self._pipeline.incidents.get, now))
        await self._deliver_directly(threads, alerts, now)
        await self._escalate(spoken, said, now)
        return self.counters.notices.total() - before

    async def _deliver_directly(self, threads: Sequence[Thread], alerts: Mapping[str, Alert], now: float) -> None:
        """Where no Alertmanager has answered for longer than the phase allows."""
        contacts, phase = self.contacts, self._pipeline.phase
        patience_s = contacts.direct_after_s.get(phase.name)
        before, away_s = self.counters.direct, self._outlet.unreachable_for_s(now)
        self.counters.direct = patience_s is not None and away_s >= patience_s
        if before is not self.counters.direct:
            log.warning("delivering without Alertmanager" if not before else "Alertmanager is back", away_s=away_s)
        if not self.counters.direct:
            return
        audible = {key: alert for key, alert in alerts.items() if not self._muted(alert.labels, now)}
        for level, notices in direct.notices(audible, threads, contacts, self._zone, now).items():
            await self.accept(notices, level)

    async def _escalate(self, threads: Sequence[Thread], said: Sequence[Acknowledgement], now: float) -> None:
        contacts = self.contacts
        after_s = contacts.escalate_after_s.get(self._pipeline.phase.name)
        unreachable = await self._unreachable(threads, now)
        watch = escalation.Watch(contacts, threads, said, unreachable, after_s, self._zone)
        for each in escalation.due(watch, now):
            for notice in await self.accept(each.notices, each.level):
                self.counters.escalations[each.level] += 1
                self._tell(self._pipeline.escalated(notice.story.incident, notice.desk, now))

    async def _unreachable(self, threads: Sequence[Thread], now: float) -> set[int]:
        """Threads whose desk no channel reaches: the message that was to tell of it has been given up."""
        if threads and not 0 <= now - self._asked_at < RENEW_S:
            self._asked_at, self._given_up = now, await self._ask_given_up(now)
        return self._given_up

    async def _ask_given_up(self, now: float) -> set[int]:
        failed = [each for each in await self.dispatches.messages(now - REMEMBERED_S) if _is_given_up(each)]
        told = await self.dispatches.notices([each for message in failed for each in message.notices]) if failed else []
        return {notice.thread for notice in told if notice.kind in (Kind.OPENED, Kind.ESCALATED)}

    def _hear(self, said_so: Acknowledgement) -> None:
        happened = self._pipeline.acknowledge(said_so)
        incident = self._pipeline.incidents.get(said_so.incident)
        if happened and incident is not None and len(incident.acknowledged) == 1:
            self.counters.acknowledge_s.observe(max(0.0, said_so.at - incident.opened_at))
        self._tell(happened)

    async def _open_threads(self, now: float) -> list[Thread]:
        return [thread for thread in await self.dispatches.threads(now) if thread.closed_at is None]

    @property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self._pipeline.ceremony.timezone)


def _is_given_up(message: Message) -> bool:
    return message.state is MessageState.FAILED
