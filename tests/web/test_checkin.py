"""A point reports over its own link: what is kept, what is refused, and what is written down of it."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.checkin import MOST_PEOPLE, Author, Voice
from monitor.core.model import Mode
from monitor.core.organization import Coordinator
from monitor.web import text
from monitor.web.checkin import BURST, LARGEST, RATE, Share
from monitor.web.form import WORDS, WRONG, told_by

POINT = "x-14801"
WHOLE: dict[str, object] = {
    "entry": "an-entry-of-the-page_1",
    "picture": True,
    "sound": True,
    "delegates": 42,
    "attendees": 60,
    "chair": "Bí thư Đảng ủy",
    "power": "ups",
    "note": "Hội trường tầng 2",
    "age_s": 12.5,
}


@pytest.fixture
def path(stage: Any) -> str:
    return f"/p/{stage.links.token(POINT)}/check-in"


async def send(client: ClientSession, path: str, draft: object, **options: Any) -> tuple[int, Any]:
    async with client.post(path, json=draft, **options) as response:
        return response.status, await response.json()


async def test_nothing_holds_before_anybody_has_reported(stage: Any, client: ClientSession, path: str) -> None:
    async with client.get(path) as response:
        assert response.status == 200
        assert response.headers["Cache-Control"] == "no-store"
        told = await response.json()
    assert told == {
        "now": stage.now,
        "deadline": stage.pipeline.ceremony.report_at,
        "report": None,
        "told_by": "",
        "closed": "",
        "kept": None,
    }


async def test_a_report_is_kept_counted_and_told(stage: Any, client: ClientSession, path: str) -> None:
    """What is answered is what was kept: when it was entered, when received, and that it holds."""
    status, told = await send(client, path, WHOLE)
    assert status == 200
    (kept,) = stage.records.check_ins
    assert msgspec.convert(told["kept"], type(kept)) == kept
    assert told["report"] == told["kept"]
    assert (kept.author, kept.late) == (Author(Voice.POINT, POINT), False)
    assert kept.received_at == stage.now
    assert kept.entered_at == stage.now - 12.5
    assert told["told_by"] == "điểm cầu báo"
    assert stage.pipeline.readiness(stage.now).total.delegates == 42
    (trace,) = stage.records.trail
    assert (trace.actor, trace.action, trace.target) == (f"point:{POINT}", "check_in", POINT)
    assert trace.address == "127.0.0.1"


async def test_the_same_entry_is_kept_once(stage: Any, client: ClientSession, path: str) -> None:
    """However often it is sent, and whatever it says the second time."""
    first = await send(client, path, WHOLE)
    stage.wait(5)
    again = await send(client, path, {**WHOLE, "delegates": 7})
    assert again[1]["kept"] == first[1]["kept"]
    assert len(stage.records.check_ins) == 1
    assert stage.pipeline.tally.report_of(POINT).delegates == 42


async def test_what_was_entered_before_what_holds_is_kept_and_does_not_hold(
    stage: Any, client: ClientSession, path: str
) -> None:
    """An entry that waited without a line."""
    await send(client, path, {**WHOLE, "age_s": 0})
    stage.wait(10)
    status, told = await send(client, path, {"entry": "waited-long", "delegates": 7, "age_s": 600})
    assert status == 200
    assert told["kept"]["delegates"] == 7
    assert told["report"]["delegates"] == 42
    assert len(stage.records.check_ins) == 2


async def test_after_the_deadline_it_is_late(stage: Any, client: ClientSession, path: str) -> None:
    stage.now = stage.pipeline.ceremony.report_at + 1
    _, told = await send(client, path, WHOLE)
    assert told["kept"]["late"] is True


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"delegates": -1}, "delegates"),
        ({"delegates": MOST_PEOPLE + 1}, "delegates"),
        ({"delegates": 1.5}, "delegates"),
        ({"delegates": "=1+1"}, "delegates"),
        ({"delegates": 61}, "attendees"),
        ({"chair": "x" * 121}, "chair"),
        ({"chair": "a\0b"}, "chair"),
        ({"note": "\u202eabc"}, "note"),
        ({"power": "solar"}, "power"),
        ({"picture": None}, "picture"),
        ({"age_s": -1}, "age_s"),
        ({"age_s": 1e9}, "age_s"),
        ({"entry": "short"}, "entry"),
        ({"entry": "with a blank"}, "entry"),
        ({"point": "x-14802"}, "point"),
    ],
)
async def test_a_field_that_is_wrong_is_named(
    stage: Any, client: ClientSession, path: str, wrong: Mapping[str, object], field: str
) -> None:
    status, told = await send(client, path, {**WHOLE, **wrong})
    assert (status, told["field"]) == (422, field)
    assert told["error"] == text.TEXT[WRONG.get(field, "checkin_wrong_field")]
    assert stage.records.check_ins == []
    assert stage.records.trail == []


async def test_an_entry_without_its_name_is_refused(client: ClientSession, path: str) -> None:
    status, told = await send(client, path, {"delegates": 1})
    assert (status, told["field"]) == (422, "entry")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"entry":"\\ud800abcdefgh"}', b"[" * 3000, b" " * (LARGEST + 1)],
)
async def test_a_body_that_is_none_is_refused(stage: Any, client: ClientSession, path: str, body: bytes) -> None:
    async with client.post(path, data=body, headers={"Content-Type": "application/json"}) as response:
        assert response.status == 422
        assert (await response.json())["error"] in text.TEXT.values()
    assert stage.records.check_ins == []


async def test_a_form_of_another_site_is_refused(stage: Any, client: ClientSession, path: str) -> None:
    """By its type, which no form can send; and by its origin, whatever its type."""
    async with client.post(path, data={"entry": "abcdefgh"}) as response:
        assert response.status == 422
    status, _ = await send(client, path, WHOLE, headers={"Origin": "https://elsewhere.example"})
    assert status == 403
    assert stage.records.check_ins == []
    status, _ = await send(client, path, WHOLE, headers={"Origin": str(client._base_url).rstrip("/")})
    assert status == 200


async def test_a_body_that_comes_in_pieces_is_read_whole(stage: Any, client: ClientSession, path: str) -> None:
    """As over a slow line."""
    encoded = msgspec.json.encode(WHOLE)

    async def pieces() -> Any:
        for place in range(0, len(encoded), 20):
            yield encoded[place : place + 20]
            await asyncio.sleep(0.002)

    async with client.post(path, data=pieces(), headers={"Content-Type": "application/json"}) as response:
        assert response.status == 200
    assert stage.records.check_ins[0].note == WHOLE["note"]


@pytest.mark.parametrize("size", [LARGEST + 1, 1_000_000])
async def test_a_body_of_any_size_is_not_taken(stage: Any, client: ClientSession, path: str, size: int) -> None:
    async def pieces() -> Any:
        for _ in range(0, size, 4096):
            yield b" " * 4096
        yield b" "

    headers = {"Content-Type": "application/json"}
    async with client.post(path, data=pieces(), headers=headers) as response:
        assert response.status in (413, 422)
    assert stage.records.check_ins == []


async def test_a_link_that_does_not_hold_is_refused_and_written_down(
    stage: Any, client: ClientSession, path: str
) -> None:
    stage.links = msgspec.structs.replace(stage.links, revoked=frozenset({POINT}))
    for status, told in (await send(client, path, WHOLE), await send(client, "/p/forged/check-in", WHOLE)):
        assert status == 404
        assert told["error"] == text.TEXT["error_link_hint"]
    async with client.get(path) as response:
        assert response.status == 404
    async with asyncio.timeout(5):
        while "link" not in stage.records.actions():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert not any(each.allowed for each in stage.records.trail)
    assert path.split("/")[2] not in str(stage.records.trail), "no token is written down"
    assert stage.records.check_ins == []


@pytest.mark.parametrize("mode", [Mode.MERGED, Mode.NO_COVERAGE])
async def test_a_point_that_takes_no_part_reports_nothing(stage: Any, client: ClientSession, mode: Mode) -> None:
    """Of a merged one it is said where its people are counted; its page has no form."""
    points = stage.pipeline.inventory.points
    point = next(each for each in points.values() if each.mode is mode)
    path = f"/p/{stage.links.token(point.id)}"
    status, told = await send(client, f"{path}/check-in", WHOLE)
    assert status == 409
    host = points[point.merged_into].name if mode is Mode.MERGED else "không tham gia"
    assert host in told["error"]
    async with client.get(f"{path}/check-in") as response:
        assert (await response.json())["closed"] == told["error"]
    async with client.get(path) as response:
        page = await response.text()
    assert told["error"] in page
    assert "<form class" not in page
    assert stage.records.check_ins == []


async def test_a_store_that_fails_says_come_again(stage: Any, client: ClientSession, path: str) -> None:
    """Nothing is counted that was not kept."""
    stage.records.failing = True
    async with client.post(path, json=WHOLE) as response:
        assert response.status == 503
        assert float(response.headers["Retry-After"]) > 0
        assert (await response.json())["error"] == text.TEXT["checkin_not_kept"]
    assert stage.pipeline.tally.report_of(POINT) is None
    stage.records.failing = False
    status, _ = await send(client, path, WHOLE)
    assert status == 200


async def test_too_many_are_told_to_wait_and_no_other_point_is(stage: Any, client: ClientSession, path: str) -> None:
    codes = [(await send(client, path, {**WHOLE, "entry": f"entry-{n:04}"}))[0] for n in range(int(BURST) + 8)]
    assert codes[: int(BURST)] == [200] * int(BURST)
    assert codes[-1] == 429
    status, _ = await send(client, f"/p/{stage.links.token('x-14802')}/check-in", WHOLE)
    assert status == 200


@given(st.lists(st.floats(0, 30), max_size=200))
def test_in_no_minute_more_than_the_share(gaps: list[float]) -> None:
    """After the first burst: a token bucket's own promise."""
    share, now, taken = Share(0.0), 0.0, []
    for gap in gaps:
        now += gap
        if share.take(now):
            taken.append(now)
    for start in taken:
        assert sum(start <= at <= start + 60 for at in taken) <= BURST + RATE * 60 + 1


async def test_the_page_has_the_form_and_its_words(stage: Any, client: ClientSession, path: str) -> None:
    async with client.get(path.removesuffix("/check-in")) as response:
        page = await response.text()
    assert "Hạn báo cáo: 07:30" in page
    assert 'id="chairs-commune"' in page
    assert "không ghi họ tên" in page
    for name in ("picture", "sound", "delegates", "attendees", "chair", "power", "note"):
        assert f'name="{name}"' in page
    for key in WORDS:
        assert f'"{key}":' in page


def test_who_has_reported_is_told_without_an_accounts_name(stage: Any) -> None:
    inventory = stage.pipeline.inventory
    desks = {"district:380": Coordinator(scope="district:380", title="Phòng Văn hóa (mẫu)")}
    told = {
        (voice, name): told_by(Author(voice, name), desks, inventory)
        for voice, name in [
            (Voice.POINT, POINT),
            (Voice.USER, "quan-tri"),
            (Voice.COORDINATOR, "district:380"),
            (Voice.COORDINATOR, "district:381"),
            (Voice.COORDINATOR, "commune:14801"),
        ]
    }
    assert list(told.values()) == [
        "điểm cầu báo",
        "ban tổ chức nhập",
        "điều phối báo thay (Phòng Văn hóa (mẫu))",
        "điều phối báo thay (Huyện Số 2)",
        "điều phối báo thay (Xã 2)",
    ]
