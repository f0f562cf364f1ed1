"""Check-ins by an Excel file: shown first, kept when confirmed, refused with the row named."""

import asyncio
import io
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from time import perf_counter
from typing import Any

import openpyxl
import pytest
from aiohttp import ClientSession

from monitor.core.access import Role
from monitor.core.checkin import Author, Draft, Voice, receive
from monitor.web import text
from monitor.workbook import MOST_BYTES, REASONS

Enter = Callable[..., AbstractAsyncContextManager[ClientSession]]
HEAD = ["Mã điểm cầu", "Hình", "Tiếng", "Đại biểu", "Người tham dự"]
URL = "/check-ins/upload"


def made(*rows: Sequence[object], head: Sequence[object] = HEAD) -> io.BytesIO:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in (head, *rows):
        sheet.append(row)
    body = io.BytesIO()
    book.save(body)
    body.seek(0)
    return body


async def preview(client: ClientSession, body: io.BytesIO, status: int = 200) -> Any:
    async with client.post(URL, data=body) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def confirm(client: ClientSession, held: str, status: int = 200) -> Any:
    async with client.post(f"{URL}/{held}") as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def test_nothing_is_kept_before_it_is_confirmed_and_all_of_it_then(stage: Any, signed_in: Enter) -> None:
    async with signed_in(Role.ORGANIZER) as client:
        shown = await preview(client, made(["cq-01", "x", "x", 12, 15], ["cq-02", None, None, 7]))
        assert (shown["total"], shown["errors"], stage.records.check_ins) == (2, [], [])
        assert shown["changes"][0]["before"] == "Chưa báo cáo"
        assert "12 đại biểu" in shown["changes"][0]["after"]
        assert await confirm(client, shown["id"]) == {"kept": 2}
        assert await confirm(client, shown["id"]) == {"kept": 2}
    assert len(stage.records.check_ins) == 2
    assert stage.pipeline.readiness(stage.now).total.delegates == 19
    assert {each.author for each in stage.records.check_ins} == {Author(Voice.USER, "the-organizer")}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([["cq-01", "x", "x", 1], ["nobody", "x"]], ["Hàng 3", "nobody"]),
        ([["cq-01", "x"], ["cq-02", "x"], ["cq-01", "x"]], ["Hàng 4", "hàng 2"]),
        ([["cq-01", "x", "x", -5]], ["Hàng 2", "Đại biểu", "-5"]),
        ([["cq-01", "x", "x", "=1+1"]], ["Hàng 2", "công thức"]),
    ],
)
async def test_a_wrong_row_is_named_and_nothing_can_be_confirmed(
    stage: Any, signed_in: Enter, rows: list[list[object]], words: list[str]
) -> None:
    async with signed_in(Role.ORGANIZER) as client:
        shown = await preview(client, made(*rows))
    assert shown["id"] == ""
    assert all(word in shown["errors"][0] for word in words)
    assert stage.records.check_ins == []


async def test_what_is_no_workbook_is_refused(stage: Any, signed_in: Enter) -> None:
    async with signed_in(Role.ORGANIZER) as client:
        for body, status in (
            (b"no", 422),
            (b"P" * (MOST_BYTES + 1), 413),
            (made(*[["cq-01"]] * 50_000).getvalue(), 422),
        ):
            assert (await preview(client, io.BytesIO(body), status))["error"]
    assert stage.records.check_ins == []


async def test_what_has_changed_since_the_preview_is_shown_again(stage: Any, signed_in: Enter) -> None:
    async with signed_in(Role.ORGANIZER) as client:
        shown = await preview(client, made(["cq-01", "x", "x", 12], ["cq-02", "x", "x", 5]))
        draft = Draft(entry="entry-of-the-point", delegates=99)
        kept = receive(draft, "cq-01", Author(Voice.POINT, "cq-01"), stage.now, stage.now + 1)
        stage.pipeline.check_in(kept)
        again = await confirm(client, shown["id"], 409)
        assert "99 đại biểu" in next(each["before"] for each in again["changes"] if each["point"] == "cq-01")
        assert stage.records.check_ins == []
        assert await confirm(client, again["id"]) == {"kept": 2}


async def test_a_preview_is_its_owners_alone_and_not_for_ever(stage: Any, signed_in: Enter) -> None:
    async with signed_in(Role.ORGANIZER) as client:
        held = (await preview(client, made(["cq-01", "x"])))["id"]
    async with signed_in(Role.ADMINISTRATOR) as other:
        await confirm(other, held, 404)
    stage.now += 601
    async with signed_in(Role.ORGANIZER) as client:
        await confirm(client, held, 404)
    assert stage.records.check_ins == []


async def test_the_template_has_every_point_and_comes_back_without_changes(stage: Any, signed_in: Enter) -> None:
    draft = Draft(entry="entry-1", picture=True, delegates=5, chair="Bí thư", power="ups", note="=1+1")  # type: ignore[arg-type]
    stage.pipeline.check_in(receive(draft, "cq-01", Author(Voice.POINT, "cq-01"), stage.now, stage.now + 1))
    async with signed_in(Role.ORGANIZER) as client:
        async with client.get("/check-ins/template.xlsx") as answer:
            assert answer.status == 200
            body = await answer.read()
        sheet = openpyxl.load_workbook(io.BytesIO(body)).worksheets[0]
        expected = sum(point.expected for point in stage.pipeline.inventory.points.values())
        assert sheet.max_row == expected + 1
        note = next(row[9] for row in sheet.iter_rows() if row[0].value == "cq-01")
        assert (note.value, note.data_type) == ("=1+1", "s")
        shown = await preview(client, io.BytesIO(body))
    assert [error for error in shown["errors"] if "công thức" not in error] == []
    assert (shown["total"], shown["id"]) == (0, "")


@pytest.mark.parametrize(("role", "status"), [(Role.WALL, 403), (Role.ORGANIZER, 200)])
async def test_who_may(signed_in: Enter, role: Role, status: int) -> None:
    async with signed_in(role) as client, client.get(URL) as answer:
        assert answer.status == status


async def test_without_the_pages_token_nothing_is_read(stage: Any, serve: Any) -> None:
    headers = stage.sign_in(Role.ORGANIZER)
    del headers["X-CSRF-Token"]
    async with serve(stage.app, headers=headers) as client, client.post(URL, data=made(["cq-01", "x"])) as answer:
        assert answer.status == 403


async def test_five_thousand_rows_do_not_hold_the_loop(stage: Any, signed_in: Enter) -> None:
    points = [point.id for point in stage.pipeline.inventory.points.values() if point.expected]
    body = made(*[[point, "x", "x", 30, 40] for point in points], *[["", "", "", ""]] * (5000 - len(points)))
    late_s = 0.0

    async def watch() -> None:
        nonlocal late_s
        while True:
            due = perf_counter() + 0.01
            await asyncio.sleep(0.01)
            late_s = max(late_s, perf_counter() - due)

    async with signed_in(Role.ORGANIZER) as client:
        watching = asyncio.create_task(watch())
        shown = await preview(client, body)
        watching.cancel()
    assert shown["total"] == len(points)
    assert late_s < 0.5  # on a quiet machine some milliseconds; held for the whole of it, it would be seconds


def test_every_reason_and_fault_has_its_words() -> None:
    assert set(text.UNREADABLE) == set(REASONS)
    assert set(text.FAULTS) == set(text.Fault)
    assert set(text.COLUMNS) == set(text.Column)
