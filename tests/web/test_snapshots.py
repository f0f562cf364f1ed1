"""Snapshots on their pages: taken, listed, held against the figures of now, handed out for anybody to verify."""

import hashlib
import html
import re
import shutil
import subprocess
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession

from monitor.core.access import Role

Enter = Callable[..., AbstractAsyncContextManager[ClientSession]]


@pytest.fixture
def ready(stage: Any) -> Any:
    stage.up()
    stage.wait(130)
    return stage


async def test_a_snapshot_is_taken_by_a_form_and_shown(ready: Any, signed_in: Enter) -> None:
    async with signed_in(Role.ORGANIZER) as client:
        async with client.post("/snapshots", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/snapshots/1")
        async with client.get("/snapshots/1") as answer:
            page = await answer.text()
        async with client.get("/snapshots") as answer:
            listed = await answer.text()
    total = ready.pipeline.readiness(ready.now).total
    assert f"<strong>{total.ready:,}</strong>".replace(",", ".") in page
    assert "Chưa có điểm nào thay đổi" in page
    assert ready.records.taken[0].digest in page
    assert "the-organizer" in listed
    assert ready.records.actions() == ["snapshot"]


async def test_what_has_changed_since_is_told(ready: Any, signed_in: Enter) -> None:
    async with signed_in(Role.ORGANIZER) as client:
        await client.post("/snapshots")
        ready.down(["cq-01"])
        async with client.get("/snapshots/1") as answer:
            page = await answer.text()
    assert "Cơ quan 2" in page
    assert "mất tín hiệu" in page
    assert "-1" in page


async def test_anybody_can_verify_what_was_frozen(ready: Any, signed_in: Enter) -> None:
    async with signed_in(Role.ORGANIZER) as client:
        for number in (1, 2):
            await client.post("/snapshots")
            async with client.get(f"/snapshots/{number}/content.json") as answer:
                body, previous, digest = (
                    await answer.read(),
                    answer.headers["X-Previous-Digest"],
                    answer.headers["X-Digest"],
                )
            assert hashlib.sha256(previous.encode() + b"\n" + body).hexdigest() == digest
    assert ready.records.taken[1].previous == ready.records.taken[0].digest


async def test_one_that_was_tampered_with_says_so(ready: Any, signed_in: Enter) -> None:
    async with signed_in(Role.ORGANIZER) as client:
        await client.post("/snapshots")
        (taken,) = ready.records.taken
        forged = taken.content.replace(b'"blind":false', b'"blind":true')
        ready.records.taken[0] = msgspec.structs.replace(taken, content=forged)
        async with client.get("/snapshots/1") as answer:
            assert "đã bị sửa sau khi chốt" in await answer.text()
        async with client.get("/snapshots") as answer:
            assert "Bản chốt đã bị sửa" in await answer.text()
        async with client.get("/snapshots/1/report.csv") as answer:
            assert answer.status == 409


async def test_one_that_cannot_be_read_any_more_says_so(ready: Any, signed_in: Enter) -> None:
    async with signed_in(Role.ORGANIZER) as client:
        await client.post("/snapshots")
        ready.records.taken[0] = msgspec.structs.replace(ready.records.taken[0], content=b"{")
        for path, status in (("/snapshots", 200), ("/snapshots/1", 409), ("/snapshots/1/report.csv", 409)):
            async with client.get(path) as answer:
                assert answer.status == status
                assert "đã bị sửa" in await answer.text()


async def test_the_command_on_the_page_verifies_the_file(ready: Any, signed_in: Enter, tmp_path: Path) -> None:
    shell = shutil.which("sh")
    if shell is None or shutil.which("sha256sum") is None:
        pytest.skip("needs sh and sha256sum")
    async with signed_in(Role.ORGANIZER) as client:
        for number in (1, 2):
            await client.post("/snapshots")
            async with client.get(f"/snapshots/{number}/content.json") as answer:
                (tmp_path / f"so-lieu-{number}.json").write_bytes(await answer.read())
            async with client.get(f"/snapshots/{number}") as answer:
                page = html.unescape(await answer.text())
            command = re.search(r"<code>(\{ printf .*sha256sum)</code>", page)
            assert command is not None
            said = subprocess.check_output([shell, "-c", command[1]], cwd=tmp_path, text=True)  # noqa: ASYNC221
            assert said.split()[0] == ready.records.taken[number - 1].digest


async def test_the_list_says_what_each_counted(ready: Any, signed_in: Enter) -> None:
    async with signed_in(Role.ORGANIZER) as client:
        await client.post("/snapshots")
        ready.down(["cq-01"])
        await client.post("/snapshots")
        async with client.get("/snapshots") as answer:
            listed = await answer.text()
    total = ready.pipeline.readiness(ready.now).total
    assert f"<td>{total.ready + 1}/{total.expected}</td>" in listed
    assert f"<td>{total.ready}/{total.expected}</td>" in listed


@pytest.mark.parametrize("number", ["0", "2", "-1", "x", "1e3", "9" * 30, "%D9%A1"])
async def test_there_is_no_other(ready: Any, client: ClientSession, number: str) -> None:
    for path in ("", "/content.json", "/report.csv"):
        async with client.get(f"/snapshots/{number}{path}") as answer:
            assert answer.status == 404


async def test_the_wall_takes_none(ready: Any, client: ClientSession) -> None:
    async with client.post("/snapshots") as answer:
        assert answer.status == 403
    assert ready.records.taken == []


async def test_a_form_of_another_site_takes_none(ready: Any, stage: Any, serve: Any) -> None:
    headers = stage.sign_in(Role.ORGANIZER)
    del headers["X-CSRF-Token"]
    async with serve(stage.app, headers=headers) as client, client.post("/snapshots", data={"csrf": "x"}) as answer:
        assert answer.status == 403
    assert ready.records.taken == []


async def test_a_store_that_fails_is_said_so(ready: Any, client: ClientSession) -> None:
    ready.records.failing = True
    async with client.get("/snapshots") as answer:
        assert answer.status == 503
        assert "Retry-After" in answer.headers
