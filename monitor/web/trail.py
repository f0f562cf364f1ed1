"""The trace of what was refused: kept without anybody waiting for it, and without a flood filling the store."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from math import inf

import structlog

from monitor.core.access import AuditEntry
from monitor.core.records import NotRecorded, Records
from monitor.core.throttle import Sieve
from monitor.web.text import TEXT

WAITING = 1_000
SWEEP_EVERY_S = 5.0
KEEP_WITHIN_S = 10.0
"""A store that takes longer has lost the entry; the log has it."""
LEFT_WITHIN_S = 1.0
"""How long a shutdown waits for what is still to be kept."""

log = structlog.get_logger("diemcau.web")


class Trail:
    """Between those who refuse and the store."""

    def __init__(self, records: Callable[[], Records], now: Callable[[], float]) -> None:
        self._records = records
        self._now = now
        self._sieve = Sieve()
        self._waiting: asyncio.Queue[AuditEntry] = asyncio.Queue(WAITING)
        self.lost = 0
        """Entries that could not be kept."""

    def note(self, entry: AuditEntry) -> None:
        """Keep it soon, or count it where its address has had its share of this minute. Never blocks, never raises."""
        if self._sieve.take(entry.address, self._now()):
            self._put(entry)

    async def run(self) -> None:
        """Keep what comes, until cancelled; then what is left, for a moment."""
        try:
            while True:
                if (entry := await self._next()) is not None:
                    await self._keep(entry)
                self._summarise(self._now())
        finally:
            self._summarise(inf)
            with suppress(TimeoutError):
                async with asyncio.timeout(LEFT_WITHIN_S):
                    while not self._waiting.empty():
                        await self._keep(self._waiting.get_nowait())

    async def _next(self) -> AuditEntry | None:
        """What waits; None after a while without anything."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SWEEP_EVERY_S):
                return await self._waiting.get()
        return None

    def _summarise(self, now: float) -> None:
        for address, count in self._sieve.due(now):
            detail = TEXT["refused_more"].format(count=count)
            self._put(AuditEntry(at=self._now(), actor="", action="refused", allowed=False, detail=detail,
                                 address=address))  # fmt: skip

    def _put(self, entry: AuditEntry) -> None:
        try:
            self._waiting.put_nowait(entry)
        except asyncio.QueueFull:
            self.lost += 1

    async def _keep(self, entry: AuditEntry) -> None:
        try:
            async with asyncio.timeout(KEEP_WITHIN_S):
                await self._records().add_audit(entry)
        except (NotRecorded, TimeoutError) as error:
            self.lost += 1
            log.warning("refusal not recorded", action=entry.action, target=entry.target, why=str(error))
