"""A coordinator's page: its own points and no others; what is entered there is the coordinator's word."""

import asyncio
import json
import re
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession

from monitor.core.checkin import Author, Voice
from monitor.core.model import Inventory, Mode, Tier
from monitor.core.organization import Coordinator, scopes_of
from monitor.core.readiness import Requirement, Rule, Rules
from monitor.web import text

DISTRICT, POINT = "district:381", "x-14801"
DRAFT: dict[str, object] = {"entry": "an-entry-of-a-desk", "picture": True, "delegates": 30, "attendees": 35}


def path_of(stage: Any, scope: str = DISTRICT) -> str:
    return f"/c/{stage.links.coordinator_token(scope)}"


@pytest.fixture
def path(stage: Any) -> str:
    return path_of(stage)


async def roll(client: ClientSession, path: str) -> Any:
    async with client.get(f"{path}/points") as response:
        assert response.status == 200
        return await response.json()


def rows(told: Any) -> dict[str, Any]:
    return {row["id"]: row for row in told["rows"]}


@pytest.mark.parametrize("scope", [DISTRICT, "commune:14801"])
async def test_it_lists_the_points_of_its_scope_that_take_part(stage: Any, client: ClientSession, scope: str) -> None:
    points = stage.pipeline.inventory.points.values()
    expected = {each.id for each in points if each.expected and scope in scopes_of(each)}
    assert expected
    told = await roll(client, path_of(stage, scope))
    assert set(rows(told)) == expected
    assert told["expected"] == len(expected)


async def test_villages_stand_below_their_commune_and_numbers_in_their_order(
    stage: Any, client: ClientSession, path: str
) -> None:
    told = (await roll(client, path))["rows"]
    points = stage.pipeline.inventory.points
    assert points[told[0]["id"]].tier is Tier.DISTRICT
    communes = [points[row["id"]].commune_code for row in told]
    changes = [code for place, code in enumerate(communes) if place == 0 or communes[place - 1] != code]
    assert len(changes) == len(set(changes)), "each commune is one run"
    for place, row in enumerate(told):
        if row["tier"] == "village":
            assert row["place"] == next(each["name"] for each in reversed(told[:place]) if each["tier"] == "commune")
    halls = [int(row["name"].split()[1]) for row in told if row["tier"] == "commune"]
    assert halls == sorted(halls)


async def test_what_a_point_lacks_is_said_in_words_and_who_reported(stage: Any, client: ClientSession) -> None:
    rules = Rules(rules=(Rule(requires=frozenset({Requirement.PICTURE, Requirement.SOUND, Requirement.DELEGATES})),))
    pipeline = stage.pipeline
    policies = [check.policy for check in pipeline.checks.values()]
    pipeline.replace(pipeline.inventory, pipeline.ceremony, policies, stage.now, rules=rules)
    stage.coordinators = {DISTRICT: Coordinator(scope=DISTRICT, title="Phòng Văn hóa (mẫu)")}
    stage.up()
    stage.wait(125)
    path = path_of(stage)
    before = rows(await roll(client, path))[POINT]
    assert (before["ready"], before["lacks"], before["told"]) == (False, "chưa có người trực", "")
    async with client.post(f"{path}/check-ins/{POINT}", json=DRAFT) as response:
        assert response.status == 200
        told = await response.json()
    assert told["told_by"] == "điều phối báo thay (Phòng Văn hóa (mẫu))"
    after = await roll(client, path)
    row = rows(after)[POINT]
    assert (row["lacks"], row["delegates"], row["attendees"], row["code"]) == ("chưa xác nhận tiếng", 30, 35, "u")
    assert row["told"] == "điều phối báo thay (Phòng Văn hóa (mẫu)) · 06:50:53"
    assert row["entry"] == DRAFT["entry"]
    assert (after["reported"], after["delegates"], after["attendees"], after["ready"]) == (1, 30, 35, 0)
    assert after["up"] == after["expected"]


async def test_it_is_kept_as_the_coordinators_word(stage: Any, client: ClientSession, path: str) -> None:
    async with client.post(f"{path}/check-ins/{POINT}", json=DRAFT) as response:
        assert response.status == 200
    (kept,) = stage.records.check_ins
    assert (kept.point, kept.author) == (POINT, Author(Voice.COORDINATOR, DISTRICT))
    assert stage.records.trail[-1].actor == f"coordinator:{DISTRICT}"
    async with client.get(f"/p/{stage.links.token(POINT)}/check-in") as response:
        told = await response.json()
    assert told["report"]["delegates"] == 30, "the point's own page shows it, too"
    assert told["told_by"] == "điều phối báo thay (Huyện Số 2)"


@pytest.mark.parametrize("point", ["x-14802", "tinh-uy", "khong-co", "%2e%2e%2fx"])
async def test_another_ones_point_is_refused_and_written_down(
    stage: Any, client: ClientSession, path: str, point: str
) -> None:
    """Another district's, the province's own, and one that is not there: no difference is told."""
    async with client.post(f"{path}/check-ins/{point}", json=DRAFT) as response:
        assert response.status == 403
        assert (await response.json())["error"] == text.TEXT["coordinator_not_yours"]
    async with client.get(f"{path}/check-ins/{point}") as response:
        assert response.status == 403
    async with asyncio.timeout(5):
        while not stage.records.trail:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    trace = next(each for each in stage.records.trail if each.action == "check_in")
    assert not trace.allowed
    assert DISTRICT in trace.detail
    assert stage.records.check_ins == []


async def test_a_commune_does_not_speak_for_its_district(stage: Any, client: ClientSession) -> None:
    async with client.post(f"{path_of(stage, 'commune:14801')}/check-ins/h-381", json=DRAFT) as response:
        assert response.status == 403


async def test_a_merged_point_of_its_own_is_told_where_it_counts(stage: Any, client: ClientSession) -> None:
    points = stage.pipeline.inventory.points
    point = next(each for each in points.values() if each.mode is Mode.MERGED)
    async with client.post(
        f"{path_of(stage, f'district:{point.district_code}')}/check-ins/{point.id}", json=DRAFT
    ) as response:
        assert response.status == 409
        assert points[point.merged_into].name in (await response.json())["error"]


@pytest.mark.parametrize("scope", ["district:999", "commune:99999", "province:", "x-14801"])
async def test_a_scope_that_is_not_there_is_no_link(stage: Any, client: ClientSession, scope: str) -> None:
    """Signed, but of nothing: as a forged one."""
    path = path_of(stage, scope)
    for tail in ("", "/points", f"/check-ins/{POINT}"):
        async with client.get(path + tail) as response:
            assert response.status == 404, tail
    async with client.post(f"{path}/check-ins/{POINT}", json=DRAFT) as response:
        assert response.status == 404
    async with asyncio.timeout(5):
        while "link" not in stage.records.actions():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_links_of_points_and_of_coordinators_are_not_each_others(stage: Any, client: ClientSession) -> None:
    for path in (f"/c/{stage.links.token(POINT)}", f"/p/{stage.links.coordinator_token(DISTRICT)}"):
        async with client.get(path) as response:
            assert response.status == 404


async def test_a_revoked_link_holds_no_more(stage: Any, client: ClientSession, path: str) -> None:
    stage.links = msgspec.structs.replace(stage.links, revoked=frozenset({DISTRICT}))
    async with client.get(path) as response:
        assert response.status == 404
        assert "xin trung tâm đường dẫn mới" in await response.text()


async def test_a_page_of_another_site_does_not_speak(stage: Any, client: ClientSession, path: str) -> None:
    headers = {"Origin": "https://elsewhere.example"}
    async with client.post(f"{path}/check-ins/{POINT}", json=DRAFT, headers=headers) as response:
        assert response.status == 403
    assert stage.records.check_ins == []


async def test_what_has_not_changed_is_not_sent_again(stage: Any, client: ClientSession, path: str) -> None:
    async with client.get(f"{path}/points") as response:
        tag = response.headers["ETag"]
    asked = {"If-None-Match": tag}
    stage.wait(1)
    async with client.get(f"{path}/points", headers=asked) as response:
        assert response.status == 304
        assert await response.read() == b""
    async with client.post(f"{path}/check-ins/{POINT}", json=DRAFT) as response:
        assert response.status == 200
    async with client.get(f"{path}/points", headers=asked) as response:
        assert response.status == 200
        assert response.headers["ETag"] != tag


async def test_points_that_are_gone_after_a_reload_are_gone_here(stage: Any, client: ClientSession, path: str) -> None:
    before = rows(await roll(client, path))
    pipeline = stage.pipeline
    kept = {key: point for key, point in pipeline.inventory.points.items() if key != POINT and not point.merged_into}
    policies = [check.policy for check in pipeline.checks.values() if check.policy.point in {"", *kept}]
    inventory = msgspec.structs.replace(pipeline.inventory, points=kept)
    pipeline.replace(inventory, pipeline.ceremony, policies, stage.now)
    after = rows(await roll(client, path))
    assert POINT in before
    assert POINT not in after


async def test_the_page_holds_all_it_shows_at_first_and_no_token(stage: Any, client: ClientSession, path: str) -> None:
    async with client.get(path) as response:
        assert response.status == 200
        assert response.headers["Cache-Control"] == "no-store"
        page = await response.text()
    embedded = re.search(r'id="roll">(.*?)</script>', page)
    assert embedded is not None
    assert json.loads(embedded[1]) == await roll(client, path)
    assert "<h1>Huyện Số 2</h1>" in page
    assert path.removeprefix("/c/") not in page
    assert page.count("<form class") == 1, "one form for all of them"


async def test_a_district_of_400_points_is_light_and_quick(
    make_stage: Callable[[Inventory], Any],
    make_province: Callable[..., Inventory],
    serve: Callable[..., AbstractAsyncContextManager[ClientSession]],
) -> None:
    """What goes over a phone's line, and how long the service works for it."""
    inventory = make_province(430, districts=1)
    points = {
        key: msgspec.structs.replace(point, mode=Mode.WATCH, merged_into=None)
        for key, point in inventory.points.items()
    }
    stage = make_stage(msgspec.structs.replace(inventory, points=points))
    async with serve(stage.app, decompress=False) as client:
        path = path_of(stage, "district:380")
        headers = {"Accept-Encoding": "gzip"}
        sizes, took = [], []
        for _ in range(5):
            begun = time.perf_counter()
            async with client.get(path, headers=headers) as response:
                assert response.status == 200
                sizes.append(len(await response.read()))
            took.append(time.perf_counter() - begun)
    print(f"{sizes[0]:,} bytes, {min(took) * 1000:.0f} ms")  # noqa: T201
    assert sizes[0] < 40_000
    assert min(took) < 0.5
