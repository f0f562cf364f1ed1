"""The API: pages and cursors, freshness, problems, and what is kept of what is sent."""

import io
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

import pytest
from aiohttp import ClientSession
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.access import Role
from monitor.core.model import Tree
from monitor.web.api.exchange import Refused, behind, cursor_of, key_of, page_of, read_query
from monitor.web.api.openapi import BASE, OPERATIONS, document
from monitor.web.api.resources import PointsQuery

Enter = Callable[..., AbstractAsyncContextManager[ClientSession]]


async def problem(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status == status, await answer.text()
    assert answer.content_type == "application/problem+json"
    found: dict[str, Any] = json.loads(await answer.text())
    assert found["status"] == status
    return found


async def test_points_come_in_pages_each_once(stage: Any, client: ClientSession) -> None:
    stage.up()
    found, after, pages = [], "", 0
    while after is not None:
        async with client.get(f"{BASE}/points", params={"limit": 999, **({"after": after} if after else {})}) as answer:
            assert answer.status == 200
            page = await answer.json()
            assert ("Link" in answer.headers) == (page["next"] is not None)
        found += [point["id"] for point in page["items"]]
        after, pages = page["next"], pages + 1
    assert found == list(stage.pipeline.inventory.points)
    assert pages == -(-len(found) // 999)


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ({"tier": "agency"}, lambda each: each["tier"] == "agency"),
        ({"district": "384"}, lambda each: each["district"] == "384"),
        ({"ready": "true"}, lambda each: each["ready"]),
        ({"state": "down"}, lambda each: each["state"] == "down"),
        ({"lack": "lost_signal"}, lambda each: "lost_signal" in each["lacks"]),
        ({"q": "CƠ QUAN 1"}, lambda each: "Cơ quan 1" in each["name"]),
    ],
)
async def test_filters(stage: Any, client: ClientSession, query: dict[str, str], fits: Callable[[Any], bool]) -> None:
    stage.up()
    stage.wait(130)
    stage.down(["cq-01", "cq-02"])
    async with client.get(f"{BASE}/points", params={"limit": 1000, **query}) as answer:
        items = (await answer.json())["items"]
    assert items
    assert all(map(fits, items))


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        ("/points?limit=0", 400, "limit"),
        ("/points?limit=x", 400, "limit"),
        ("/points?tier=planet", 400, "tier"),
        ("/points?colour=red", 400, "known are: tier"),
        ("/points?tier=agency&tier=village", 400, "more than once"),
        ("/points?after=%21%21", 400, "after"),
        ("/points?after=" + cursor_of("gone"), 400, "begin again"),
        ("/points/nobody", 404, "no point"),
        ("/incidents/network:none", 404, "incident"),
        ("/snapshots/99", 404, "snapshot"),
        ("/snapshots/x", 404, "snapshot"),
        ("/check-ins?point=nobody", 404, "no point"),
        ("/nothing", 404, "openapi.json"),
    ],
)
async def test_what_cannot_be_asked_is_a_problem(client: ClientSession, path: str, status: int, word: str) -> None:
    async with client.get(BASE + path) as answer:
        assert word in (await problem(answer, status))["detail"]


async def test_other_methods_are_told_which_there_are(signed_in: Enter) -> None:
    async with signed_in(Role.ADMINISTRATOR) as client:
        async with client.delete(f"{BASE}/points") as answer:
            await problem(answer, 405)
            assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"
        async with client.options(f"{BASE}/check-ins") as answer:
            assert (answer.status, answer.headers["Allow"]) == (204, "GET, HEAD, OPTIONS, POST")
        async with client.head(f"{BASE}/points") as answer:
            assert answer.status == 200


async def test_what_the_client_has_is_not_sent_again(stage: Any, client: ClientSession) -> None:
    async with client.get(f"{BASE}/points?limit=5") as answer:
        etag = answer.headers["ETag"]
    for known in (etag, f'"other", {etag}', "*"):
        async with client.get(f"{BASE}/points?limit=5", headers={"If-None-Match": known}) as answer:
            assert (answer.status, await answer.read()) == (304, b"")
    stage.up(["tinh-uy"])
    async with client.get(f"{BASE}/points?limit=5", headers={"If-None-Match": etag}) as answer:
        assert answer.status == 200


async def test_readiness_is_the_number(stage: Any, client: ClientSession) -> None:
    stage.up()
    stage.wait(130)
    async with client.get(f"{BASE}/readiness") as answer:
        found = await answer.json()
    counted = stage.pipeline.readiness(stage.now)
    assert found["total"]["ready"] == counted.total.ready > 0
    assert sum(each["counts"]["expected"] for each in found["districts"]) == counted.total.expected
    assert found["deadline"] == "2025-05-08T00:30:00Z"
    assert found["communes"] is None
    async with client.get(f"{BASE}/readiness?communes=true") as answer:
        communes = (await answer.json())["communes"]
    below = [each for each in stage.pipeline.inventory.points.values() if each.commune_code]
    assert sum(each["counts"]["planned"] for each in communes) == len(below)


async def test_an_incident_and_its_timeline(stage: Any, client: ClientSession) -> None:
    stage.blame(Tree.NETWORK, "loi", ["tinh-uy"])
    async with client.get(f"{BASE}/incidents?state=open") as answer:
        (found,) = (await answer.json())["items"]
    async with client.get(f"{BASE}/incidents/{found['id']}") as answer:
        whole = await answer.json()
    assert (whole["id"], whole["name"], whole["points"]) == ("network:loi", "Nút lõi Thanh Hóa", ["tinh-uy"])
    assert "timeline" in whole


async def test_snapshots_are_taken_listed_and_handed_out_byte_by_byte(stage: Any, signed_in: Enter) -> None:
    async with signed_in(Role.ORGANIZER) as client:
        async with client.post(f"{BASE}/snapshots") as answer:
            taken = await answer.json()
            assert (answer.status, answer.headers["Location"]) == (201, f"{BASE}/snapshots/1")
        async with client.get(f"{BASE}/snapshots") as answer:
            assert (await answer.json())["items"] == [taken]
        async with client.get(f"{BASE}/snapshots/1/content") as answer:
            assert await answer.read() == stage.records.taken[0].content


def said(point: str, **more: object) -> dict[str, object]:
    return {"point": point, "entry": f"entry-{point}", "delegates": 12, **more}


async def test_reports_are_kept_all_or_none(stage: Any, signed_in: Enter) -> None:
    async with signed_in(Role.ORGANIZER) as client:
        wrong = [said("cq-01"), said("nobody"), said("cq-02", attendees=3)]
        async with client.post(f"{BASE}/check-ins", json=wrong) as answer:
            errors = (await problem(answer, 422))["errors"]
        assert [(each["item"], each["field"]) for each in errors] == [(1, "point"), (2, "attendees")]
        assert stage.records.check_ins == []
        async with client.post(f"{BASE}/check-ins", json=[said("cq-01"), said("cq-02")]) as answer:
            assert answer.status == 200
        async with client.post(f"{BASE}/check-ins", json=[said("cq-01", delegates=99)]) as answer:
            assert (await answer.json())["items"][0]["delegates"] == 12
        async with client.get(f"{BASE}/check-ins?point=cq-01") as answer:
            (kept,) = (await answer.json())["items"]
    assert (kept["author"], kept["voice"]) == ("the-organizer", "user")
    assert stage.pipeline.readiness(stage.now).total.delegates == 24


async def test_a_merged_point_has_nothing_to_report(stage: Any, signed_in: Enter) -> None:
    merged = next(each.id for each in stage.pipeline.inventory.points.values() if each.mode == "merged")
    async with (
        signed_in(Role.ORGANIZER) as client,
        client.post(f"{BASE}/check-ins", json=[said(merged)]) as answer,
    ):
        assert "merged" in (await problem(answer, 422))["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"[", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[]", "application/json", 422),
        (b'[{"point": "cq-01"}]', "application/json", 422),
        (b"[]", "text/plain", 415),
        (b" " * ((1 << 20) + 1), "application/json", 413),
    ],
)
async def test_bodies_that_are_none(signed_in: Enter, body: bytes, kind: str, status: int) -> None:
    async with (
        signed_in(Role.ORGANIZER) as client,
        client.post(f"{BASE}/check-ins", data=io.BytesIO(body), headers={"Content-Type": kind}) as answer,
    ):
        await problem(answer, status)


@pytest.mark.parametrize(("role", "status"), [(Role.WALL, 403), (Role.ORGANIZER, 200)])
async def test_who_may_report(stage: Any, signed_in: Enter, role: Role, status: int) -> None:
    async with signed_in(role) as client, client.post(f"{BASE}/check-ins", json=[said("cq-01")]) as answer:
        assert answer.status == status


async def test_nobody_known_is_told_how_to_be(stranger: ClientSession) -> None:
    async with stranger.get(f"{BASE}/points") as answer:
        await problem(answer, 401)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_store_that_fails_is_said_so(stage: Any, client: ClientSession) -> None:
    stage.records.failing = True
    async with client.get(f"{BASE}/snapshots") as answer:
        await problem(answer, 503)
        assert "Retry-After" in answer.headers


def test_the_document_has_every_route_and_no_other(stage: Any) -> None:
    routes = {
        (route.method, route.resource.canonical)
        for route in stage.app.router.routes()
        if route.resource is not None and route.resource.canonical.startswith(f"{BASE}/") and route.method != "*"
    }
    told = {(method.upper(), path) for path, known in document()["paths"].items() for method in known}
    heads = {("HEAD", path) for method, path in told if method == "GET"}
    own = {("GET", f"{BASE}/openapi.json"), ("HEAD", f"{BASE}/openapi.json")}
    assert routes == told | heads | own
    assert len({each.id for each in OPERATIONS}) == len(OPERATIONS)


@given(st.text(max_size=40))
def test_cursors_come_back(key: str) -> None:
    assert key_of(cursor_of(key)) == key


@given(st.text(max_size=60))
def test_no_cursor_breaks_anything(written: str) -> None:
    with suppress(Refused):
        assert isinstance(key_of(written), str)


@given(st.lists(st.integers(), unique=True, max_size=60), st.integers(1, 20))
def test_pages_are_the_whole(items: list[int], limit: int) -> None:
    found, after = list[int](), ""
    while True:
        page, cursor = page_of(behind(items, str, after), str, limit)
        found += page
        if cursor is None:
            break
        after = cursor
    assert found == items


@given(st.lists(st.tuples(st.sampled_from([*PointsQuery.__struct_fields__, "x"]), st.text(max_size=20)), max_size=5))
def test_a_query_is_read_or_refused(pairs: list[tuple[str, str]]) -> None:
    with suppress(Refused):
        assert isinstance(read_query(pairs, PointsQuery), PointsQuery)
