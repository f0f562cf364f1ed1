"""The emulated browsers against the real service's own door for pages."""

import asyncio
import itertools
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import WSMsgType, web

from monitor.rehearsal import pages
from monitor.rehearsal.pages import Heard, Jitter, Laptop, Mains, Open
from monitor.web import heartbeat


class Centre:
    """Takes heartbeats as the service does, and answers them while it is told to."""

    def __init__(self) -> None:
        self.answers = True
        self.beats: list[tuple[str, int, heartbeat.Beat]] = []
        self.sockets: list[tuple[str, web.WebSocketResponse]] = []
        self.padding = ""

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """One page's socket."""
        token, ours = request.match_info["token"], web.WebSocketResponse()
        await ours.prepare(request)
        self.sockets.append((request.query["s"], ours))
        async for message in ours:
            assert message.type is WSMsgType.TEXT
            assert len(message.data) <= 125
            number, beat = heartbeat.read(message.data)
            self.beats.append((token, number, beat))
            if self.answers:
                await ours.send_str(json.dumps({"n": number, "seen": self.padding}))
        return ours


class Stage:
    """Pages under way, with our end of their control socket."""

    def __init__(self, centre: Centre, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.centre, self._reader, self._writer = centre, reader, writer

    async def order(self, order: msgspec.Struct) -> None:
        """Say it to the pages."""
        self._writer.write(msgspec.json.encode(order) + b"\n")
        await self._writer.drain()

    async def end(self) -> Heard:
        """Have them end."""
        self._writer.write_eof()
        return msgspec.json.decode(await self._reader.readline(), type=Heard)


async def until(holds: Callable[[], Any], within_s: float = 10.0) -> None:
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 - what is waited for gives no event
            await asyncio.sleep(0.01)


@asynccontextmanager
async def played(*laptops: Laptop, speed: float = 1.0) -> AsyncIterator[Stage]:
    """These laptops before a centre."""
    centre, app = Centre(), web.Application()
    app.router.add_get("/p/{token}/ws", centre.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    ours, theirs = socket.socketpair()
    playing = asyncio.create_task(pages.play(theirs))
    reader, writer = await asyncio.open_connection(sock=ours)
    stage = Stage(centre, reader, writer)
    await stage.order(Open(("127.0.0.1", port), ("::1", port), laptops, speed))
    try:
        yield stage
    finally:
        writer.close()
        await playing
        await runner.cleanup()


HERE, THERE = (Laptop(f"t-{n}", f"127.0.0.{n}", f"token-{n}", 10.0) for n in (11, 12))


async def test_each_page_beats_from_its_own_address_and_measures_the_echo() -> None:
    """A few quick beats, then one a second; the first cannot know a round trip, later ones do."""
    async with played(HERE, THERE) as stage:
        await until(lambda: len(stage.centre.beats) >= 10)
        heard = await stage.end()
    first, *_, last = (beat for token, _, beat in stage.centre.beats if token == "token-11")  # noqa: S105
    assert first.rtt_s is None
    assert last.rtt_s is not None
    assert 0 < last.rtt_s < 1
    assert (first.charging, first.charge_ratio, first.discharging_s) == (True, 0.97, None)
    assert (heard.pages, heard.open, heard.connections) == (2, 2, 2)
    assert heard.beats >= 10
    assert 0 < heard.rtt_median_s <= heard.rtt_p95_s <= heard.rtt_max_s


async def test_without_mains_the_charger_says_so_and_the_battery_drains_until_nothing_is_said() -> None:
    weak = msgspec.structs.replace(HERE, battery_s=3.0)
    async with played(weak, THERE, speed=60.0) as stage:
        await until(lambda: stage.centre.beats)
        await stage.order(Mains(lost=("t-11", "t-of-another")))
        await until(lambda: any(beat.charging is False for _, _, beat in stage.centre.beats))
        drained = [beat for _, _, beat in stage.centre.beats if beat.charging is False]
        assert drained[0].charge_ratio is not None
        assert drained[0].charge_ratio < 0.97
        assert drained[0].discharging_s is not None
        assert 0 < drained[0].discharging_s < 180
        await asyncio.sleep(3.0)
        silent = len([1 for token, _, _ in stage.centre.beats if token == "token-11"])  # noqa: S105
        await asyncio.sleep(1.2)
        assert len([1 for token, _, _ in stage.centre.beats if token == "token-11"]) == silent  # noqa: S105
        assert all(beat.charging for token, _, beat in stage.centre.beats if token == "token-12")  # noqa: S105
        await stage.order(Mains(back=("t-11",)))
        await until(lambda: stage.centre.beats[-1][2].charging and stage.centre.beats[-1][0] == "token-11")


async def test_a_page_that_is_not_answered_comes_again_as_the_same_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "DEAD_AFTER_S", 0.2)
    async with played(HERE) as stage:
        await until(lambda: len(stage.centre.beats) >= 4)
        stage.centre.answers = False
        await until(lambda: len(stage.centre.sockets) == 2)
        stage.centre.answers = True
        (name, _), (again, _) = stage.centre.sockets
        assert name == again
        numbers = [number for _, number, _ in stage.centre.beats]
        assert numbers == sorted(numbers)
        heard = await stage.end()
    assert heard.unanswered >= 1


async def test_a_page_that_is_sent_away_comes_again() -> None:
    async with played(HERE) as stage:
        await until(lambda: stage.centre.beats)
        await stage.centre.sockets[0][1].close(code=1012)
        await until(lambda: len(stage.centre.sockets) == 2)


@pytest.mark.parametrize("length", [0, 200, 70_000])
async def test_echoes_of_any_length_are_read(length: int) -> None:
    """Lengths in one byte, in two, in eight; in as many pieces as they come."""
    async with played(HERE) as stage:
        stage.centre.padding = "x" * length
        await until(lambda: len(stage.centre.beats) >= 5)
        heard = await stage.end()
    assert heard.open == 1
    assert heard.connections == 1


def test_waits_are_between_half_and_all_of_what_was_meant_and_apart() -> None:
    jitter = Jitter()
    waits = sorted(jitter() for _ in range(100))
    assert waits[0] >= 0.5
    assert waits[-1] <= 1.0
    assert max(later - sooner for sooner, later in itertools.pairwise(waits)) < 0.02
