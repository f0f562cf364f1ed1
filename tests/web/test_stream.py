"""Server-sent events: a snapshot, then what changes; nobody slow holds anybody up."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import ClientResponse, ClientSession

from monitor.web import stream
from monitor.web.app import BOARD
from monitor.web.stream import MAILBOX, Mailbox


async def events(response: ClientResponse) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """The events of a stream, decoded."""
    name = ""
    async for line in response.content:
        field, _, value = line.decode().rstrip("\n").partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


async def following(response: ClientResponse) -> tuple[AsyncIterator[tuple[str, dict[str, Any]]], dict[str, Any]]:
    """A stream after its snapshot, and the snapshot."""
    coming = events(response)
    name, snapshot = await anext(coming)
    assert name == "snapshot"
    return coming, snapshot


async def until(name: str, coming: AsyncIterator[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """The next event of this name."""
    async with asyncio.timeout(10):
        async for found, data in coming:
            if found == name:
                return data
    raise AssertionError(name)


async def test_a_client_gets_everything_first(stage: Any, client: ClientSession) -> None:
    """On connect: one snapshot, with a letter a cell."""
    stage.up()
    async with client.get("/events") as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        _, snapshot = await following(response)
    assert len(snapshot["states"]) == len(snapshot["causes"]) == len(snapshot["since"]) == 300
    assert set(snapshot["states"]) == {"u", "x"}


async def test_a_change_is_pushed(stage: Any, client: ClientSession) -> None:
    """What goes down arrives as a delta with its cell, the figures and the list."""
    stage.up()
    async with client.get("/events") as response:
        coming, _ = await following(response)
        await asyncio.sleep(0.3)
        stage.down(["tinh-uy"])
        while True:
            delta = await until("delta", coming)
            if delta["cells"]:
                break
    ((number, state, _cause, _since),) = delta["cells"]
    assert (number, state) == (0, "d")
    assert delta["head"]["down"]["rows"][0]["title"] == "Điểm cầu Tỉnh ủy"
    assert delta["layout"]


async def test_the_mere_passing_of_time_is_pushed(stage: Any, client: ClientSession) -> None:
    """Points become ready with nothing happening to them."""
    stage.up()
    async with client.get("/events") as response:
        coming, snapshot = await following(response)
        assert snapshot["head"]["ready"] == 0
        await asyncio.sleep(0.3)
        stage.wait(121)
        while not (await until("delta", coming))["head"]["ready"]:
            pass


async def test_a_tick_comes_when_nothing_changes(
    stage: Any, client: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a page knows that it is not stale."""
    monkeypatch.setattr(stream, "TICK_EVERY_S", 0.2)
    monkeypatch.setattr(stream, "LOOK_EVERY_S", 0.1)
    async with client.get("/events") as response:
        coming, _ = await following(response)
        stage.wait(3)
        tick = await until("tick", coming)
    assert tick["cells"] == []
    assert tick["head"]["at"] == stage.now


async def test_an_event_is_encoded_once_for_all(
    stage: Any, client: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred clients cost one snapshot and one delta."""
    board: stream.Stream = stage.app[BOARD]
    responses = [await client.get("/events") for _ in range(100)]
    coming = [await following(response) for response in responses]
    assert board.clients == 100
    await asyncio.sleep(0.3)
    encoded: list[str] = []
    encode = board._event

    def counted(name: str, change: Any) -> bytes:
        encoded.append(name)
        return encode(name, change)

    monkeypatch.setattr(board, "_event", counted)
    stage.up(["tinh-uy"])
    found = await asyncio.gather(*(until("delta", each) for each, _ in coming))
    assert all(delta["cells"] == found[0]["cells"] != [] for delta in found)
    assert encoded == ["delta"]
    for response in responses:
        response.close()


async def test_who_leaves_is_forgotten(stage: Any, client: ClientSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "TICK_EVERY_S", 0.1)
    monkeypatch.setattr(stream, "LOOK_EVERY_S", 0.05)
    response = await client.get("/events")
    await following(response)
    response.close()
    for _ in range(200):
        await asyncio.sleep(0.05)
        if not stage.app[BOARD].clients:
            return
    pytest.fail("still there after ten seconds")


async def test_too_many_clients_are_refused(client: ClientSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "CLIENTS", 1)
    async with client.get("/events") as first:
        await following(first)
        async with client.get("/events") as second:
            assert second.status == 503
            assert second.headers["Retry-After"] == "60"


async def test_closing_ends_every_stream(stage: Any, client: ClientSession) -> None:
    """A shutdown waits for nobody."""
    async with client.get("/events") as response:
        coming, _ = await following(response)
        stage.app[BOARD].close()
        async with asyncio.timeout(5):
            assert [name async for name, _ in coming if name != "tick"] == []


async def test_a_defect_in_a_push_does_not_end_pushing(
    stage: Any, client: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    board: stream.Stream = stage.app[BOARD]
    changes = board.view.changes
    failed: list[float] = []

    def broken(now: float) -> Any:
        if not failed:
            failed.append(now)
            raise RuntimeError("defect")
        return changes(now)

    async with client.get("/events") as response:
        coming, _ = await following(response)
        monkeypatch.setattr(stream, "log", Mock())
        monkeypatch.setattr(board.view, "changes", broken)
        stage.up(["tinh-uy"])
        while not (await until("delta", coming))["cells"]:
            pass
    assert failed


async def test_a_defect_in_a_stream_ends_it_and_the_client_may_come_again(
    stage: Any, client: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Mock()
    with monkeypatch.context() as broken:
        broken.setattr(stream, "log", log)
        broken.setattr(stage.app[BOARD], "snapshot", lambda: 1 / 0)
        async with client.get("/events") as response:
            assert [name async for name, _ in events(response)] == []
    assert log.exception.call_args.args == ("stream failed",)
    async with client.get("/events") as response:
        await following(response)


async def test_a_mailbox_hands_over_all_that_waits_at_once() -> None:
    box = Mailbox()
    assert await box.take(lambda: b"all") == b"all"
    box.put(b"1")
    box.put(b"2")
    assert await box.take(lambda: b"all") == b"12"


async def test_a_slow_client_gets_the_latest_snapshot_instead_of_a_backlog() -> None:
    """More events than the mailbox holds are replaced by one snapshot, made when it is taken."""
    box = Mailbox()
    await box.take(lambda: b"first")
    for number in range(MAILBOX + 5):
        box.put(b"%d" % number)
    assert await box.take(lambda: b"latest") == b"latest"
    box.put(b"after")
    assert await box.take(lambda: b"never") == b"after"


async def test_a_closed_mailbox_ends_even_with_mail_in_it() -> None:
    box = Mailbox()
    box.put(b"1")
    box.close()
    assert await box.take(lambda: b"all") is None
