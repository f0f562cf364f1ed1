"""Plays the people who report: each point's technician checks in from its own page, as the page's script would send it.

Who reports when, and what, is drawn beforehand, so that the count at the end can be held against what was sent: nearly
all report before the deadline, a few never, a few without a head count, a few late. Head counts are those of a hall.
"""

import asyncio
from collections.abc import Mapping, Sequence
from math import inf
from random import Random

import aiohttp
import msgspec

from monitor.core.checkin import CheckIn, Draft, PowerSupply, supersedes
from monitor.core.model import Inventory, Point, Tier
from monitor.core.snapshot import Snapshot, read
from monitor.store import Store
from monitor.web.links import Links

SPREAD = 0.6
"""Within so much of the scenario nearly all have reported."""
NEVER, LATE, UNCOUNTED = 0.01, 0.01, 0.02
"""Shares of the points that never report, that report at the end, and that tell no head count."""
HALL = {Tier.PROVINCE: 300, Tier.AGENCY: 40, Tier.DISTRICT: 150, Tier.COMMUNE: 90, Tier.VILLAGE: 30}
"""Delegates, in the median; assumed, so that some 52,000 people are at 1,018 points."""
CHAIRS = {
    Tier.PROVINCE: "Bí thư Tỉnh ủy",
    Tier.AGENCY: "Thủ trưởng đơn vị",
    Tier.DISTRICT: "Bí thư Huyện ủy",
    Tier.COMMUNE: "Bí thư Đảng ủy xã",
    Tier.VILLAGE: "Bí thư chi bộ",
}
AT_ONCE = 50
AGAIN_S = 0.5
ANSWER_WITHIN_S = 5.0


class Report(msgspec.Struct, frozen=True):
    """What a point will send, and when."""

    point: str
    at_s: float
    """From the beginning of the scenario."""
    draft: Draft


class Reported(msgspec.Struct, frozen=True):
    """How it went."""

    sent: int
    """Reports that were answered."""
    delegates: int
    """In those."""
    refused: int
    """Answered, and not with a yes: a defect of ours."""
    slowest_seconds: float
    lost: int
    """Answered, and not kept as it was sent: a defect of ours."""


class Frozen(msgspec.Struct, frozen=True):
    """The count at the deadline, as the service froze it."""

    number: int
    expected: int
    ready: int
    delegates: int
    after_seconds: float
    """From the deadline to the instant of the figures."""
    genuine: bool


async def kept(store: str) -> tuple[dict[str, CheckIn], Frozen | None]:
    """What the service has kept: the check-in that holds for each point, and the automatic snapshot."""
    opened = await Store.open(store)
    try:
        holding: dict[str, CheckIn] = {}
        for report in await opened.check_ins(0.0):
            if supersedes(report, holding.get(report.point)):
                holding[report.point] = report
        automatic = next((head.number for head in await opened.snapshots() if head.automatic), None)
        snapshot = await opened.snapshot(automatic) if automatic is not None else None
    finally:
        await opened.close()
    return holding, _frozen(snapshot) if snapshot is not None else None


def _frozen(snapshot: Snapshot) -> Frozen:
    total = read(snapshot.content).total
    after_s = snapshot.taken_at - snapshot.deadline
    return Frozen(snapshot.number, total.expected, total.ready, total.delegates, after_s, snapshot.genuine)


def plan(inventory: Inventory, duration_s: float, rng: Random) -> list[Report]:
    """Who reports what, by time. Points that do not take part have nothing to report."""
    points = (point for point in inventory.points.values() if point.expected)
    reports = (_report(point, duration_s, rng) for point in points)
    return sorted((each for each in reports if each.at_s < inf), key=lambda each: each.at_s)


def _report(point: Point, duration_s: float, rng: Random) -> Report:
    fate = rng.random()
    at_s = inf if fate < NEVER else rng.triangular(0.0, SPREAD, SPREAD / 4) * duration_s
    if NEVER <= fate < NEVER + LATE:
        at_s = rng.uniform(0.9, 0.97) * duration_s
    delegates = round(HALL[point.tier] * rng.lognormvariate(0.0, 0.4))
    draft = Draft(
        entry=f"rehearsal-{rng.randrange(1 << 48):012x}",
        picture=True,
        sound=True,
        delegates=delegates if rng.random() >= UNCOUNTED else None,
        attendees=delegates + round(delegates * rng.random() * 0.3),
        chair=CHAIRS[point.tier],
        power=rng.choices(list(PowerSupply), (94, 4, 2))[0],
    )
    return Report(point.id, at_s, draft)


class Technicians:
    """All who report."""

    def __init__(self, base: str, links: Links, reports: Sequence[Report]) -> None:
        self._base = base
        self._links = links
        self._reports = reports
        self._sent: dict[str, Draft] = {}
        self._refused = 0
        self._slowest_s = 0.0

    async def run(self) -> None:
        """Send each report at its time, again until it is answered."""
        loop = asyncio.get_running_loop()
        began, places = loop.time(), asyncio.Semaphore(AT_ONCE)
        timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)
        async with aiohttp.ClientSession(self._base, timeout=timeout) as client, asyncio.TaskGroup() as sending:
            for report in self._reports:
                await asyncio.sleep(began + report.at_s - loop.time())
                await places.acquire()
                task = sending.create_task(self._send(client, report))
                task.add_done_callback(lambda _: places.release())

    def outcome(self, kept: Mapping[str, CheckIn]) -> Reported:
        """How it went, against what the service has kept for each point."""
        return Reported(
            sent=len(self._sent),
            delegates=sum(draft.delegates or 0 for draft in self._sent.values()),
            refused=self._refused,
            slowest_seconds=self._slowest_s,
            lost=sum(
                point not in kept or kept[point].delegates != draft.delegates for point, draft in self._sent.items()
            ),
        )

    async def _send(self, client: aiohttp.ClientSession, report: Report) -> None:
        path = f"/p/{self._links.token(report.point)}/check-in"
        body, loop = msgspec.json.encode(report.draft), asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                async with client.post(path, data=body, headers={"Content-Type": "application/json"}) as answer:
                    await answer.read()
            except (aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(AGAIN_S)
                continue
            self._slowest_s = max(self._slowest_s, loop.time() - began)
            if answer.status == 200:
                self._sent[report.point] = report.draft
                return
            if answer.status not in (429, 503):
                self._refused += 1
                return
            await asyncio.sleep(AGAIN_S)
