"""Keeps what people were told is kept: check-ins, snapshots, reminders; and takes it up again after a restart.

Order is everything here. What a person reports is committed, then counted, then answered; so a kill at any moment
loses nothing that was answered. At the deadline the count is frozen by itself, once, whoever restarts when.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec
import structlog

from monitor.core.access import AuditEntry
from monitor.core.checkin import Author, CheckIn, Draft, receive
from monitor.core.model import Happening, IncidentChanged
from monitor.core.organization import Reminder, TooSoon, wait_s
from monitor.core.pipeline import Pipeline
from monitor.core.readiness import CONNECTED
from monitor.core.records import NotRecorded
from monitor.core.snapshot import Snapshot, canonical
from monitor.core.trend import KEPT_S
from monitor.store import Store

LOOK_EVERY_S = 1.0
LATE_AT_MOST_S = 1800.0
"""A service that starts later than that after the deadline takes no automatic snapshot: it would be of another hour."""
INCIDENTS_KEPT_S = 86_400.0
"""Incidents of so long ago are taken up after a restart."""
AWAY_AT_MOST_S = 90.0
"""A restart that took no longer has missed little: lines up before it and after it were up all the while."""
CHECK_INS_KEPT_S = 30 * 86_400.0
PRUNE_EVERY_S = 86_400.0
PRUNED_AFTER_S = 90 * 86_400.0
"""Transitions, the trend and incidents that are over are kept so long; check-ins, snapshots and the audit for good."""
AN_HOUR_S = 3600.0

log = structlog.get_logger("diemcau")


class Registrar:
    """Between the pipeline, which counts, and the store, which keeps."""

    def __init__(
        self,
        pipeline: Pipeline,
        store: Store,
        tell: Callable[[Sequence[Happening]], None],
        clock: Callable[[], float],
    ) -> None:
        self._pipeline = pipeline
        self._store = store
        self._tell = tell
        self._clock = clock
        self._frozen: float | None = None
        """The deadline of which there is an automatic snapshot."""
        self._sampled_at = 0.0
        self._pruned_at = 0.0
        self._reminding = asyncio.Lock()

    async def restore(self) -> None:
        """Take up what a run before this one kept. Raises NotRecorded."""
        now = self._clock()
        reports = await self._store.check_ins(now - CHECK_INS_KEPT_S)
        incidents = await self._store.incidents(now - INCIDENTS_KEPT_S)
        samples = await self._store.samples(now - KEPT_S)
        connected = await self._connected(max((sample.at for sample in samples), default=0.0), now)
        left_out = self._pipeline.restore(reports, incidents, samples, now, connected)
        log.info("state restored", check_ins=len(reports), incidents=len(incidents) - left_out, left_out=left_out)

    async def _connected(self, alive_at: float, now: float) -> dict[str, float]:
        """Since when points were connected when we were last alive; nobody's where that was too long ago to tell."""
        changes = await self._store.last_transitions(now - PRUNED_AFTER_S)
        if not 0 <= now - max([alive_at, *(change.at for change in changes)]) <= AWAY_AT_MOST_S:
            return {}
        return {change.point: change.since for change in changes if change.after in CONNECTED}

    async def check_in(self, drafts: Sequence[tuple[str, Draft]], author: Author, audit: AuditEntry) -> list[CheckIn]:
        """Points report, all or none; what is kept for each. Committed when it returns. Raises NotRecorded."""
        now, deadline = self._clock(), self._pipeline.ceremony.report_at
        made = [receive(draft, point_id, author, now, deadline) for point_id, draft in drafts]
        kept = await self._store.add_check_ins(made, audit)
        for received, held in zip(made, kept, strict=True):
            if held == received:
                self._tell(self._pipeline.check_in(held))
        return kept

    async def take_snapshot(self, by: str, audit: AuditEntry) -> Snapshot:
        """Freeze the count as it is. Raises NotRecorded."""
        taken = await self._freeze(automatic=False, by=by)
        await self._store.add_audit(msgspec.structs.replace(audit, target=str(taken.number)))
        return taken

    async def remind(self, district: str, by: str, audit: AuditEntry) -> Reminder:
        """Note that a district is to be asked for what is missing. Raises TooSoon, NotRecorded."""
        async with self._reminding:
            now = self._clock()
            wait = wait_s(district, await self._store.reminders(now - AN_HOUR_S), now)
            if wait > 0:
                raise TooSoon(wait)
            reminder = Reminder(district=district, at=now, by=by, points=tuple(self._missing(district, now)))
            await self._store.add_reminder(reminder)
        await self._store.add_audit(audit)
        return reminder

    def notice(self, happenings: Sequence[Happening]) -> None:
        """Keep what nobody waits for. Never blocks, never raises."""
        self._store.note(happenings)
        for incident_id in {each.incident for each in happenings if isinstance(each, IncidentChanged)}:
            self._keep_incident(incident_id)

    async def run(self) -> None:
        """Freeze the count at the deadline and keep its trend, until cancelled."""
        while True:
            await asyncio.sleep(self._nap_s())
            self._keep_trend()
            with suppress(NotRecorded):  # which the store has logged; it is tried again
                await self._freeze_when_due()
                await self._prune_when_due()

    def _nap_s(self) -> float:
        left_s = self._pipeline.ceremony.report_at - self._clock()
        return left_s if 0 < left_s < LOOK_EVERY_S else LOOK_EVERY_S

    async def _freeze_when_due(self) -> None:
        deadline = self._pipeline.ceremony.report_at
        if self._frozen == deadline or not 0 <= self._clock() - deadline <= LATE_AT_MOST_S:
            return
        taken = await self._freeze(automatic=True, by="")
        self._frozen = deadline
        log.info("count frozen at the deadline", snapshot=taken.number, digest=taken.digest)

    async def _prune_when_due(self) -> None:
        now = self._clock()
        if 0 <= now - self._pruned_at < PRUNE_EVERY_S:
            return
        self._pruned_at = now
        await self._store.prune(now - PRUNED_AFTER_S)

    async def _freeze(self, *, automatic: bool, by: str) -> Snapshot:
        now, deadline = self._clock(), self._pipeline.ceremony.report_at
        content = await asyncio.to_thread(canonical, self._pipeline.content(now))
        return await self._store.add_snapshot(content, taken_at=now, deadline=deadline, automatic=automatic, by=by)

    def _keep_trend(self) -> None:
        for sample in self._pipeline.trend.samples[-1:]:
            if sample.at != self._sampled_at:
                self._sampled_at = sample.at
                self._store.keep_sample(sample)

    def _keep_incident(self, incident_id: str) -> None:
        incident, record = (self._pipeline.incidents.get(incident_id), self._pipeline.incidents.record(incident_id))
        if incident is not None and record is not None:
            self._store.keep_incident(incident.id, incident.opened_at, incident.ongoing, record, self._clock())

    def _missing(self, district: str, now: float) -> list[str]:
        """The points of a district that take part and are not ready."""
        points = self._pipeline.inventory.points.values()
        ours = (point.id for point in points if point.expected and (point.district_code or "") == district)
        return [point_id for point_id in ours if not self._pipeline.standing(point_id, now).ready]
