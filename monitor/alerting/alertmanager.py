"""Keeps every Alertmanager told, through its API v2: at once on a change, again and again while an alert fires.

Alertmanager forgets what is not repeated and keeps nothing over a restart, so all that fires is posted every
``resend_s`` with an end four times as far ahead: should this process die, its alerts expire by themselves. What has
ended is repeated for fifteen minutes, as Prometheus does. Each Alertmanager has a task, an outbox and a backoff of
its own; a slow or dead one delays nobody. https://github.com/prometheus/alertmanager, api/v2/openapi.yaml
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import aiohttp
import msgspec
import structlog
from yarl import URL

from monitor.alerting.ledger import Entry, Ledger
from monitor.alerting.messages import Alert
from monitor.alerting.outbox import Outbox
from monitor.core.model import Happening
from monitor.core.organization import Coordinator, Reminder
from monitor.core.pipeline import Pipeline

RESEND_S = 30.0
TIMEOUT_S = 2.0
"""For a whole request, and for the last posts when the service stops."""
BATCH = 500
"""Alerts in a request; about half a megabyte, below the usual limit of a proxy in front."""
REPEAT_ENDED_S = 900.0
MISSED_REPEATS = 4
"""An alert expires in Alertmanager when it has not been repeated for so many times ``resend_s``."""
BODY_SHOWN = 500
"""Bytes of an Alertmanager's refusal that are read and logged."""
PERMANENT = frozenset({400, 413, 422})
"""Statuses that mean: this payload, never. All others may pass: overload, a proxy, a wrong password put right."""

log = structlog.get_logger()


class PostableAlert(msgspec.Struct, rename="camel"):
    """``postableAlert`` of the API."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: str
    ends_at: str
    generator_url: str = msgspec.field(name="generatorURL")


class Delivery(msgspec.Struct):
    """How the posting to one Alertmanager goes, for metrics."""

    url: str
    """Without a password."""
    posted: int = 0
    """Alerts accepted, repeats included."""
    failed: int = 0
    """Requests that did not arrive."""
    refused: int = 0
    """Alerts in requests that it will never accept; they are tried again with the next repeat."""
    last_success_at: float = 0.0
    """Unix time; 0 before the first."""
    reachable: bool = True
    """Whether the last request arrived; nothing is known against it before the first."""
    unreachable_since: float = 0.0
    """When the first of the requests failed that have failed in a row; meaningful while not reachable."""
    pending: int = 0
    """Changes not yet accepted."""


def postable(entry: Entry, now: float, expires_s: float) -> PostableAlert:
    """The alert as it is posted at ``now``; never with an end before its start, nor an end that is still to come."""
    starts_at = min(entry.alert.raised_at, now)
    ends_at = now + expires_s if entry.ends_at is None else max(starts_at, min(entry.ends_at, now))
    return PostableAlert(
        entry.alert.labels, entry.alert.annotations, rfc3339(starts_at), rfc3339(ends_at), entry.alert.link
    )


def rfc3339(at: float) -> str:
    """An instant as the API wants it, in UTC and with milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def endpoint(url: str) -> URL:
    """Where an Alertmanager takes alerts; it may stand behind a path. Raises ValueError where it is no http URL."""
    parsed = URL(url)
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError(f"the URL of an Alertmanager reads http://host:9093 or https://host/path, got {url!r}")
    return parsed / "api/v2/alerts"


class Courier:
    """Brings one Alertmanager what is in its outbox."""

    def __init__(
        self, url: str, ledger: Ledger, *, expires_s: float, timeout_s: float, clock: Callable[[], float]
    ) -> None:
        self.outbox = Outbox()
        self.delivery = Delivery(str(URL(url).with_user(None)))
        self.wake = asyncio.Event()
        self._endpoint = endpoint(url)
        self._ledger = ledger
        self._expires_s = expires_s
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._clock = clock

    async def run(self, session: aiohttp.ClientSession) -> None:
        """Until cancelled."""
        while True:
            await self.wake.wait()
            self.wake.clear()
            await asyncio.sleep(self.outbox.pause_s(random.random()))
            if not await self.empty(session):
                self.wake.set()

    async def empty(self, session: aiohttp.ClientSession) -> bool:
        """Post until nothing is due, or until a request fails; whether all went."""
        while fingerprints := self.outbox.take(BATCH):
            try:
                failure = await self._post(session, fingerprints)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                failure = f"{type(error).__name__} {error}".strip()
            except Exception:
                log.exception("alertmanager.defect", url=self.delivery.url)
                failure = "a defect of ours"
            self._account(failure)
            if failure:
                return False
        return True

    async def _post(self, session: aiohttp.ClientSession, fingerprints: Sequence[str]) -> str:
        """Post these; why it failed, or an empty string. A payload that is refused for good counts as done."""
        now = self._clock()
        entries = [entry for key in fingerprints if (entry := self._ledger.entry(key)) is not None]
        body = msgspec.json.encode([postable(entry, now, self._expires_s) for entry in entries])
        async with session.post(
            self._endpoint,
            data=body,
            headers={"Content-Type": "application/json"},
            timeout=self._timeout,
            allow_redirects=False,
        ) as response:
            if response.status < 300:
                self.delivery.posted += len(entries)
                return ""
            told = (await response.content.read(BODY_SHOWN)).decode(errors="replace")
            if response.status not in PERMANENT:
                return f"HTTP {response.status} {told}"
            self.delivery.refused += len(entries)
            log.error("alertmanager.refused", url=self.delivery.url, status=response.status, told=told)
            return ""

    def _account(self, failure: str) -> None:
        if failure:
            self.outbox.failed()
            self.delivery.failed += 1
            if self.delivery.reachable:
                self.delivery.unreachable_since = self._clock()
                log.warning("alertmanager.unreachable", url=self.delivery.url, reason=failure)
        else:
            self.delivery.last_success_at = self._clock()
            if self.outbox.accepted():
                log.info("alertmanager.reachable", url=self.delivery.url)
                self.outbox.repeat(self._ledger)  # it may have been restarted, and know nothing
        self.delivery.reachable = not failure
        self.delivery.pending = len(self.outbox)


class Alertmanagers:
    """All configured Alertmanagers; without any, alerts are kept for the board and logged."""

    def __init__(
        self,
        urls: Sequence[str],
        pipeline: Pipeline,
        *,
        external_url: str,
        monitor: str = "",
        coordinators: Callable[[], Mapping[str, Coordinator]] = dict,
        resend_s: float = RESEND_S,
        timeout_s: float = TIMEOUT_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``external_url``: where the recipients see the board. ``monitor``: names this one where there are several.

        ``coordinators`` asks for the desks that reminders name, by scope.
        Raises ValueError for a URL that is none.
        """
        self._ledger = Ledger(pipeline, external_url=external_url, monitor=monitor)
        self._coordinators = coordinators
        self._resend_s = resend_s
        self._timeout_s = timeout_s
        self._clock = clock
        expires_s = MISSED_REPEATS * resend_s
        self._couriers = [
            Courier(url, self._ledger, expires_s=expires_s, timeout_s=timeout_s, clock=clock)
            for url in dict.fromkeys(urls)
        ]

    @property
    def firing(self) -> Mapping[str, Alert]:
        """What fires, by fingerprint."""
        return self._ledger.firing

    @property
    def deliveries(self) -> Sequence[Delivery]:
        """How posting goes, one for each Alertmanager, in the order given."""
        return [courier.delivery for courier in self._couriers]

    def unreachable_for_s(self, now: float) -> float:
        """For how long no Alertmanager has answered; 0 while one does, or where none is configured."""
        deliveries = self.deliveries
        if not deliveries or any(delivery.reachable for delivery in deliveries):
            return 0.0
        return max(0.0, now - max(delivery.unreachable_since for delivery in deliveries))

    def notice(self, happenings: Sequence[Happening]) -> None:
        """Take in what happened; after a reload, call it even with nothing. Never blocks, never raises."""
        try:
            self._tell(self._ledger.fold(happenings, self._clock()))
        except Exception:
            log.exception("alerting.defect")  # the next repeat mends the ledger

    def remind(self, reminder: Reminder) -> None:
        """Ask a district for what is missing; the alert ends by itself. Never blocks, never raises."""
        try:
            self._tell(self._ledger.remind(reminder, self._coordinators(), self._clock()))
        except Exception:
            log.exception("alerting.defect")

    async def run(self) -> None:
        """Until cancelled; then posts what is pending once, within ``timeout_s``."""
        async with aiohttp.ClientSession() as session:
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._repeat())
                    for courier in self._couriers:
                        tasks.create_task(courier.run(session))
            finally:
                await self._part(session)

    async def _repeat(self) -> None:
        while True:
            self._refresh()
            await asyncio.sleep(self._resend_s)

    def _refresh(self) -> None:
        """Mend the ledger, forget what ended long ago, and have all the rest said again."""
        try:
            now = self._clock()
            self._tell(self._ledger.mend(now))
            owed = set().union(*(courier.outbox.owed() for courier in self._couriers))
            self._ledger.forget(now - REPEAT_ENDED_S, owed=owed)
        except Exception:
            log.exception("alerting.defect")
        for courier in self._couriers:
            courier.outbox.repeat(self._ledger)
            courier.wake.set()

    def _tell(self, changed: set[str]) -> None:
        if not self._couriers:
            self._log(changed)
        for courier in self._couriers if changed else ():
            courier.outbox.change(changed)
            courier.delivery.pending = len(courier.outbox)
            courier.wake.set()

    def _log(self, changed: set[str]) -> None:
        for fingerprint in changed:
            entry = self._ledger.entry(fingerprint)
            if entry is not None:
                event = "alert.firing" if entry.ends_at is None else "alert.resolved"
                log.warning(event, summary=entry.alert.annotations["summary"], **entry.alert.labels)

    async def _part(self, session: aiohttp.ClientSession) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timeout_s):
                await asyncio.gather(*(courier.empty(session) for courier in self._couriers if len(courier.outbox)))
