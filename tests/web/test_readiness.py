"""The organizers' page: its figures, what is pushed to it, reminders and reports."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession

from monitor.core.access import Role
from monitor.core.checkin import Author, CheckIn, Draft, Voice, receive
from monitor.core.model import Mode
from monitor.core.organization import Coordinator
from monitor.core.readiness import Requirement, Rule, Rules
from monitor.core.trend import Sample
from monitor.web.app import READINESS
from monitor.web.readiness import CONNECTED, LACK_CODES, LATE, LOOKS, NEVER, READY, ReadinessBoard, sheet_of

Enter = Callable[..., AbstractAsyncContextManager[ClientSession]]
STRICT = Rules(rules=(Rule(requires=frozenset({Requirement.DELEGATES})),), target_ratio=0.98)


@pytest.fixture
def strict(stage: Any) -> Any:
    """All points up for long; each has to tell its delegates."""
    stage.up()
    stage.wait(130)
    pipeline = stage.pipeline
    checks = [check.policy for check in pipeline.checks.values()]
    pipeline.replace(pipeline.inventory, pipeline.ceremony, checks, stage.now, None, STRICT)
    return stage


def receive_of(stage: Any, point: str, delegates: int | None, *, late: bool = False) -> CheckIn:
    draft = Draft(entry=f"entry-{point}", delegates=delegates)
    deadline = stage.now - 1 if late else stage.now + 1
    return receive(draft, point, Author(Voice.POINT, point), stage.now, deadline)


def report(stage: Any, point: str, delegates: int | None = 30, *, late: bool = False) -> None:
    kept = receive_of(stage, point, delegates, late=late)
    stage.app[READINESS].notice(stage.pipeline.check_in(kept))


def board_of(stage: Any) -> ReadinessBoard:
    return ReadinessBoard(stage.pipeline, lambda: stage.coordinators)


def row_of(board: ReadinessBoard, point: str, now: float) -> Any:
    return board.snapshot(now).cells[board.sheet.ids.index(point)]


def test_every_point_has_a_row_of_codes(strict: Any) -> None:
    board = board_of(strict)
    report(strict, "cq-01")
    report(strict, "cq-02", None)
    report(strict, "cq-03", late=True)
    strict.down(["cq-04"])
    codes = {code: lack for lack, code in LACK_CODES.items()}
    assert row_of(board, "cq-01", strict.now)[2:5] == ("", READY | CONNECTED, 30)
    found = row_of(board, "cq-02", strict.now)
    assert [codes[code] for code in found[2]] == ["no_delegates"]
    assert found[4] == NEVER
    assert row_of(board, "cq-03", strict.now)[3] == READY | CONNECTED | LATE
    assert [codes[code] for code in row_of(board, "cq-04", strict.now)[2]] == ["lost_signal", "not_attended"]


def test_the_sheet_seats_everybody_and_says_where_the_merged_sit(stage: Any) -> None:
    sheet, points = sheet_of(stage.pipeline), stage.pipeline.inventory.points
    assert set(sheet.ids) == set(points)
    for number, point_id in enumerate(sheet.ids):
        point, host = points[point_id], sheet.hosts[number]
        if point.mode is Mode.MERGED:
            assert sheet.ids[host] == point.merged_into
        else:
            assert host == (-1 if point.expected else -2)


def test_the_head_agrees_with_the_tally_and_names_the_worst_first(strict: Any) -> None:
    strict.coordinators["district:384"] = Coordinator(scope="district:384", title="Trực huyện", phone="0000 000 384")
    for point in strict.pipeline.inventory.points.values():
        if point.expected and point.district_code != "384":
            report(strict, point.id)
    head = board_of(strict).snapshot(strict.now).head
    total = strict.pipeline.readiness(strict.now).total
    assert head.total == total
    worst = head.districts[0]
    assert (worst.code, worst.ready, worst.desk, worst.phone) == ("384", 0, "Trực huyện", "0000 000 384")
    assert worst.lacks == ((LACK_CODES["not_attended"], worst.expected),)  # type: ignore[index]
    assert sum(each.expected for each in head.districts) == total.expected


def test_the_forecast_says_when_or_that_it_cannot(strict: Any) -> None:
    board = board_of(strict)
    assert "chưa dự báo được" in board.head(strict.now).forecast
    expected = strict.pipeline.readiness(strict.now).total.expected
    for minute in range(10):
        strict.pipeline.trend.note(Sample(strict.now - 600 + minute * 60, expected, expected, minute * 5, 0))
    assert "sau hạn báo cáo" in board.head(strict.now).forecast
    for point in strict.pipeline.inventory.points.values():
        if point.expected:
            report(strict, point.id)
    assert "Đã đạt mục tiêu" in board.head(strict.now).forecast


def test_what_time_alone_changes_is_told_at_the_next_look(stage: Any) -> None:
    stage.up()
    board = board_of(stage)
    assert board.snapshot(stage.now).head.total.ready == 0
    stage.now += 125
    changed = {row[0] for row in board.changes(stage.now).cells if row[3] & READY}
    assert len(changed) == board.head(stage.now).total.ready > 0


def test_a_clock_that_was_set_back_is_made_good_within_some_looks(stage: Any) -> None:
    stage.up()
    stage.now += 125
    board = board_of(stage)
    assert board.snapshot(stage.now).head.total.ready > 0
    stage.pipeline.tally.shift(3600.0, stage.now)  # as if all had come up an hour later
    settling = {row[0] for _ in range(LOOKS) for row in board.changes(stage.now).cells if not row[3] & READY}
    assert len(settling) == board.head(stage.now).total.expected


def test_who_opens_the_page_takes_no_change_from_those_who_have_it_open(strict: Any) -> None:
    board = board_of(strict)
    board.snapshot(strict.now)
    board.notice(strict.pipeline.check_in(receive_of(strict, "cq-07", 30)))
    board.snapshot(strict.now)
    assert [row[4] for row in board.changes(strict.now).cells] == [30]


def test_the_lacks_of_a_district_follow_its_points(strict: Any) -> None:
    board = board_of(strict)
    members = [each.id for each in strict.pipeline.inventory.points.values() if each.district_code == "384"]
    expected = [point_id for point_id in members if strict.pipeline.inventory.points[point_id].expected]
    for done, point_id in enumerate(expected, 1):
        board.notice(strict.pipeline.check_in(receive_of(strict, point_id, 30)))
        (found,) = [each for each in board.changes(strict.now).head.districts if each.code == "384"]
        assert found.ready == done
        assert sum(count for _, count in found.lacks) == len(expected) - done


def test_changes_are_told_once_and_a_new_inventory_as_a_whole(strict: Any) -> None:
    board = board_of(strict)
    for _ in range(4):
        board.changes(strict.now)
    report(strict, "cq-07")
    board.notice(strict.pipeline.check_in(strict.pipeline.tally.report_of("cq-07")))
    told = [board.changes(strict.now) for _ in range(5)]
    assert [len(each.cells) for each in told] == [1, 0, 0, 0, 0]
    inventory = strict.pipeline.inventory
    fewer = msgspec.structs.replace(inventory, points={k: v for k, v in inventory.points.items() if k != "cq-07"})
    checks = [check.policy for check in strict.pipeline.checks.values() if check.policy.point != "cq-07"]
    strict.pipeline.replace(fewer, strict.pipeline.ceremony, checks, strict.now)
    assert board.changes(strict.now).whole


async def test_a_report_is_pushed_within_a_second(strict: Any, serve: Any) -> None:
    async with serve(strict.app) as client, client.get("/readiness/events") as events:
        assert events.content_type == "text/event-stream"
        await event(events, "snapshot")
        report(strict, "cq-01", 41)
        async with asyncio.timeout(1.0):
            found = await event(events, "delta")
    assert [row[4] for row in found["cells"]] == [41]
    assert found["head"]["total"]["delegates"] == 41


async def event(events: Any, name: str) -> Any:
    """The data of the next event of this name."""
    current = ""
    async for line in events.content:
        if line.startswith(b"event: "):
            current = line[7:].strip().decode()
        elif line.startswith(b"data: ") and current == name:
            return json.loads(line[6:])
    raise AssertionError("the stream ended")


async def test_the_page_says_the_number_and_the_wall_may_change_nothing(strict: Any, client: ClientSession) -> None:
    async with client.get("/readiness") as answer:
        page = await answer.text()
    assert '<strong id="ready">0</strong>' in page
    assert "csrf" not in page.partition("<main>")[2].partition('id="words"')[0]
    assert '"may_remind":false' in page
    async with client.post("/readiness/remind", json="384") as answer:
        assert answer.status == 403


async def test_a_district_is_reminded_once(strict: Any, signed_in: Enter) -> None:
    async with signed_in(Role.ORGANIZER) as client:
        async with client.post("/readiness/remind", json="384") as answer:
            told = (await answer.json())["told"]
            assert (answer.status, "đã nhắc" in told) == (200, True)
        async with client.post("/readiness/remind", json="384") as answer:
            assert answer.status == 429
            assert int(answer.headers["Retry-After"]) > 0
            assert "10 phút" in (await answer.json())["told"]
    assert [each.district for each in strict.records.reminded] == ["384"]
    assert strict.records.actions() == ["remind"]


@pytest.mark.parametrize("body", [b'"999"', b"{}", b"", b"\xff", b'"' + b"3" * 300 + b'"'])
async def test_no_district_is_no_reminder(strict: Any, signed_in: Enter, body: bytes) -> None:
    async with signed_in(Role.ORGANIZER) as client, client.post("/readiness/remind", data=body) as answer:
        assert answer.status == 422
    assert strict.records.reminded == []


async def test_a_reminder_that_cannot_be_kept_is_not_said_to_be_sent(strict: Any, signed_in: Enter) -> None:
    async with signed_in(Role.ORGANIZER) as client:
        async with client.get("/readiness") as answer:
            assert answer.status == 200  # the session is known from now on
        strict.records.failing = True
        async with client.post("/readiness/remind", json="384") as answer:
            assert answer.status == 503
            assert "Retry-After" in answer.headers


@pytest.mark.parametrize("form", ["docx", "xlsx", "csv"])
async def test_the_report_is_a_file(strict: Any, client: ClientSession, form: str) -> None:
    async with client.get(f"/readiness/report.{form}") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Disposition"].endswith(f'.{form}"')
        assert await answer.read()
    async with client.get("/readiness/report.exe") as answer:
        assert answer.status == 404
