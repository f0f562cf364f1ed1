"""What people were told is kept: committed before it is counted, frozen at the deadline, back after a restart."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest

from monitor.core.access import AuditEntry
from monitor.core.checkin import Author, Draft, Voice
from monitor.core.model import Ceremony, CheckedIn, CheckPolicy, Happening, Inventory, Mode, Phase, Point, Tier
from monitor.core.organization import REMIND_EVERY_S, TooSoon
from monitor.core.pipeline import Pipeline
from monitor.core.records import NotRecorded
from monitor.core.snapshot import read
from monitor.core.trend import Sample
from monitor.registrar import LATE_AT_MOST_S, Registrar
from monitor.store import Store
from probes.model import Layer, Measurement, Observation

START = 1_746_660_000.0
DEADLINE = START + 600.0
PHASE = Phase(name="live", title="live", starts_at=0, interval_s=1.0, alpha=1e-6, severity="critical")
CEREMONY = Ceremony(title="Lễ", timezone="UTC", report_at=DEADLINE, begins_at=DEADLINE + 1800, phases=(PHASE,))
AUTHOR = Author(Voice.POINT, "a")
AUDIT = AuditEntry(at=START, actor="point:a", action="check_in", target="a")


def point(name: str, district: str) -> Point:
    return Point(id=name, name=name, tier=Tier.VILLAGE, mode=Mode.WATCH, district_code=district)


def pipeline(now: float) -> Pipeline:
    points = {name: point(name, district) for name, district in (("a", "386"), ("b", "386"), ("c", "384"))}
    policies = [CheckPolicy(f"{name}/icmp", name, Layer.REACHABLE, 1.0) for name in points]
    return Pipeline(Inventory(points, {}, {}, {}), CEREMONY, policies, now)


def draft(number: int, delegates: int = 10) -> Draft:
    return Draft(entry=f"entry-{number:04}", picture=True, sound=True, delegates=delegates)


class Office:
    """A registrar over a real store, with a clock of its own."""

    def __init__(self, store: Store, now: float = START) -> None:
        self.now = now
        self.told: list[Happening] = []
        self.store = store
        self.pipeline = pipeline(now)
        self.registrar = Registrar(self.pipeline, store, self._tell, lambda: self.now)

    def _tell(self, happened: Sequence[Happening]) -> None:
        self.told += happened
        self.registrar.notice(happened)

    async def runs_for(self, seconds: float) -> None:
        """Let its own job run."""
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.registrar.run()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(str(tmp_path / "store.db"))
    yield opened
    await opened.close()


async def test_a_report_is_kept_counted_and_told_once_however_often_it_is_sent(store: Store) -> None:
    office = Office(store)
    (first,) = await office.registrar.check_in([("a", draft(1))], AUTHOR, AUDIT)
    office.now += 5
    (again,) = await office.registrar.check_in([("a", draft(1, 99))], AUTHOR, AUDIT)
    assert again == first
    assert office.pipeline.readiness(office.now).total.delegates == 10
    assert [each.point for each in office.told if isinstance(each, CheckedIn)] == ["a"]
    assert await store.check_ins_of("a") == [first]


async def test_what_the_store_does_not_keep_is_not_counted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    office = Office(store)

    async def full(*_: object) -> None:
        raise NotRecorded("disk full")

    monkeypatch.setattr(store, "add_check_ins", full)
    with pytest.raises(NotRecorded):
        await office.registrar.check_in([("a", draft(1))], AUTHOR, AUDIT)
    assert office.pipeline.readiness(office.now).total.reported == 0
    assert office.told == []


async def test_after_a_restart_reports_are_back_and_the_last_entered_holds(store: Store) -> None:
    office = Office(store)
    waited = msgspec.structs.replace(draft(2, 77), age_s=3600.0)
    await office.registrar.check_in([("a", draft(1)), ("b", draft(1, 20))], AUTHOR, AUDIT)
    await office.registrar.check_in([("a", waited)], AUTHOR, AUDIT)
    office.pipeline.tick(START + 30)
    office.registrar._keep_trend()
    await asyncio.sleep(1.0)
    after = Office(store, START + 60)
    await after.registrar.restore()
    assert after.pipeline.readiness(after.now).total.delegates == 30
    assert [sample.at for sample in after.pipeline.trend.samples] == [START + 30]


async def test_the_count_is_frozen_at_the_deadline_by_itself_and_once(store: Store) -> None:
    office = Office(store, DEADLINE - 1000)
    await office.registrar.check_in([("a", draft(1))], AUTHOR, AUDIT)
    await office.runs_for(1.5)
    assert await store.snapshots() == []
    office.now = DEADLINE + 0.5
    await office.runs_for(1.5)
    await Office(store, DEADLINE + 100).runs_for(1.5)
    (head,) = await store.snapshots()
    assert (head.automatic, head.number, head.taken_at) == (True, 1, DEADLINE + 0.5)
    snapshot = await store.snapshot(1)
    assert snapshot is not None
    assert snapshot.genuine
    assert read(snapshot.content).total.delegates == 10


@pytest.mark.parametrize("late_s", [LATE_AT_MOST_S + 1, 86_400.0 * 500])
async def test_long_after_the_deadline_nothing_is_frozen_any_more(store: Store, late_s: float) -> None:
    await Office(store, DEADLINE + late_s).runs_for(1.5)
    assert await store.snapshots() == []


async def test_snapshots_by_hand_follow_one_another(store: Store) -> None:
    office = Office(store)
    first = await office.registrar.take_snapshot("huong", AUDIT)
    second = await office.registrar.take_snapshot("huong", AUDIT)
    assert (first.number, second.number, second.previous, second.by) == (1, 2, first.digest, "huong")
    assert [entry.target for _, entry in await store.audit()] == ["2", "1"]


async def test_a_district_is_reminded_of_what_it_lacks_and_not_again_at_once(store: Store) -> None:
    office = Office(store)
    reminder = await office.registrar.remind("386", "huong", AUDIT)
    assert reminder.points == ("a", "b")
    with pytest.raises(TooSoon) as refused:
        await office.registrar.remind("386", "huong", AUDIT)
    assert 0 < refused.value.wait_s <= REMIND_EVERY_S
    assert (await office.registrar.remind("384", "huong", AUDIT)).points == ("c",)


@pytest.mark.parametrize(("away_s", "ready"), [(20.0, 1), (600.0, 0)])
async def test_after_a_short_restart_a_line_has_been_up_all_the_while(store: Store, away_s: float, ready: int) -> None:
    """A restart at 07:29 must not make every point settle anew; one of ten minutes has seen nothing of them."""
    office = Office(store)
    see(office, "a", START + 1)
    office._tell(office.pipeline.tick(START + 200))
    assert office.pipeline.readiness(START + 200).total.ready == 1
    office.pipeline.trend.note(Sample(START + 200, 3, 1, 1, 0))
    office.registrar._keep_trend()
    await asyncio.sleep(1.0)
    after = Office(store, START + 200 + away_s)
    await after.registrar.restore()
    see(after, "a", after.now + 1)
    assert after.pipeline.readiness(after.now + 3).total.ready == ready


def see(office: Office, name: str, at: float) -> None:
    """A point answers, twice."""
    for later in (0.0, 1.0):
        found = Measurement(True, 0.01)
        office._tell(office.pipeline.observe(Observation(f"{name}/icmp", at + later, "test", found)))
