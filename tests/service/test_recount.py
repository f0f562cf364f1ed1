"""The count agrees with a recount from the raw tables, by SQL of another hand, over whatever may have happened."""

import sqlite3
from pathlib import Path
from random import Random

import msgspec
import pytest

from monitor.core.access import AuditEntry
from monitor.core.checkin import Author, Draft, Voice
from monitor.core.model import Ceremony, Inventory, Mode, Phase, Point, Tier
from monitor.core.pipeline import Pipeline
from monitor.registrar import Registrar
from monitor.store import Store

START = 1_746_660_000.0
DEADLINE = START + 500.0
PHASE = Phase(name="live", title="live", starts_at=0, interval_s=1.0, alpha=1e-6, severity="critical")
CEREMONY = Ceremony(title="Lễ", timezone="UTC", report_at=DEADLINE, begins_at=DEADLINE + 1800, phases=(PHASE,))
AUDIT = AuditEntry(at=START, actor="x", action="check_in")
NAMES = [f"p-{number}" for number in range(12)]
LATEST = """
SELECT COUNT(delegates), SUM(COALESCE(delegates, 0)), SUM(COALESCE(attendees, delegates, 0)),
       SUM(delegates IS NOT NULL AND late)
FROM check_ins AS mine
WHERE point IN (SELECT id FROM plan WHERE mode IN ('two_way', 'watch'))
  AND NOT EXISTS (
    SELECT 1 FROM check_ins AS later
    WHERE later.point = mine.point
      AND (later.entered_at, later.received_at, later.entry) > (mine.entered_at, mine.received_at, mine.entry))
"""
HOSTED = """
WITH RECURSIVE sits(id, at, steps) AS (
  SELECT id, id, 0 FROM plan
  UNION
  SELECT sits.id, plan.into_id, steps + 1 FROM sits JOIN plan ON plan.id = sits.at
  WHERE plan.mode = 'merged' AND steps < 20)
SELECT COUNT(DISTINCT sits.id) FROM sits JOIN plan ON plan.id = sits.at
WHERE sits.id <> sits.at AND plan.mode IN ('two_way', 'watch')
"""


def drawn(rng: Random) -> dict[str, Point]:
    """A plan with merged chains, circles among them."""
    points = {}
    for name in NAMES:
        mode = rng.choice(list(Mode))
        into = rng.choice([other for other in NAMES if other != name]) if mode is Mode.MERGED else None
        points[name] = Point(id=name, name=name, tier=rng.choice(list(Tier)), mode=mode, merged_into=into)
    return points


@pytest.mark.parametrize("number", range(8))
async def test_the_count_agrees_with_the_tables(number: int, tmp_path: Path) -> None:
    rng, path, now = Random(number), tmp_path / "store.db", START
    store = await Store.open(str(path))
    plan = drawn(rng)
    pipeline = Pipeline(Inventory(plan, {}, {}, {}), CEREMONY, (), now)
    registrar = Registrar(pipeline, store, lambda _: None, lambda: now)
    for step in range(60):
        now += rng.uniform(0.0, 30.0)
        if rng.random() < 0.1:
            plan = drawn(rng)
            pipeline.replace(Inventory(plan, {}, {}, {}), CEREMONY, (), now)
        point = rng.choice(NAMES)
        entry = f"entry-{rng.randrange(step + 1):04}"
        draft = Draft(
            entry=entry,
            delegates=rng.choice([None, rng.randrange(300)]),
            attendees=rng.choice([None, 400]),
            age_s=rng.choice([0.0, 0.0, rng.uniform(0.0, 600.0)]),
        )
        await registrar.check_in([(point, draft)], Author(Voice.POINT, point), AUDIT)
        counted = pipeline.readiness(now).total
        found = (counted.reported, counted.delegates, counted.attendees, counted.late, counted.hosted)
        if step % 6 == 0:
            assert found == recounted(path, plan)
    after = Pipeline(Inventory(plan, {}, {}, {}), CEREMONY, (), now)
    await Registrar(after, store, lambda _: None, lambda: now).restore()
    assert msgspec.structs.replace(after.readiness(now), at=0.0) == msgspec.structs.replace(
        pipeline.readiness(now), at=0.0
    )
    await store.close()


def recounted(path: Path, plan: dict[str, Point]) -> tuple[int, ...]:
    """From the file itself, without anything of ours but the names of its columns."""
    with sqlite3.connect(path) as tables:
        tables.execute("CREATE TEMP TABLE plan (id TEXT, mode TEXT, into_id TEXT)")
        rows = [(each.id, each.mode.value, each.merged_into) for each in plan.values()]
        tables.executemany("INSERT INTO plan VALUES (?, ?, ?)", rows)
        latest = tables.execute(LATEST).fetchone()
        (hosted,) = tables.execute(HOSTED).fetchone()
    tables.close()
    return (*(value or 0 for value in latest), hosted)
