"""What was answered "đã ghi nhận" is there, whenever the service is killed."""

import asyncio
import os
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from monitor.configuration.links import link_secret
from monitor.store import Store, default_url
from monitor.web.links import Links

KILLS = 200
POINTS = 16
LIVES_S = 0.06
"""A life lasts at most so long beyond its first answer; every third is killed before it has answered at all."""
FILES = {
    "points.csv": "id,name,tier,mode,address\n"
    + "".join(f"p-{n:02},Thôn {n},village,watch,127.7.0.{n + 1}\n" for n in range(POINTS)),
    "network.csv": "id,parent,name,kind,operator,powered_by\n",
    "power.csv": "id,parent,name,kind,operator,powered_by\n",
    "checks.yaml": "modules: {icmp: {kind: icmp}}\ncheck_sets: {any: {checks: [{module: icmp}]}}\n"
    "defaults: {village: any}\n",
    "ceremony.yaml": "title: kills\ntimezone: UTC\nreport_at: 2099-01-01 07:30\nbegins_at: 2099-01-01 08:00\n"
    "phases: [{name: live, title: x, starts_at: 2025-01-01 00:00, interval: 1s, alpha: 1e-6, severity: info}]\n",
}


class Pages:
    """The points' pages: each sends entry after entry, one until it is answered."""

    def __init__(self, base: str, links: Links) -> None:
        self.answered: dict[str, list[str]] = {}
        self.delegates: dict[tuple[str, str], int] = {}
        self.answers = 0
        self._base, self._links = base, links

    async def report(self, point: str) -> None:
        """Until cancelled."""
        timeout = aiohttp.ClientTimeout(total=3.0)
        connector = aiohttp.TCPConnector(force_close=True)
        async with aiohttp.ClientSession(self._base, timeout=timeout, connector=connector) as client:
            number = 0
            while True:
                number += 1
                entry, delegates = f"{point}-{number:06}", random.randint(0, 500)
                self.delegates[point, entry] = delegates
                while not await self._sent(client, point, entry, delegates):  # noqa: ASYNC110 - it is sent again
                    await asyncio.sleep(0.01)
                self.answered.setdefault(point, []).append(entry)
                self.answers += 1
                await asyncio.sleep(random.uniform(0.0, 0.02))

    async def _sent(self, client: aiohttp.ClientSession, point: str, entry: str, delegates: int) -> bool:
        said = {"entry": entry, "picture": True, "sound": True, "delegates": delegates}
        try:
            async with client.post(f"/p/{self._links.token(point)}/check-in", json=said) as answer:
                if answer.status in (429, 503):
                    return False
                assert answer.status == 200, await answer.text()
                await answer.read()
                return True
        except (aiohttp.ClientError, TimeoutError):
            return False


@asynccontextmanager
async def immortal(directory: Path, listener: socket.socket, store: str) -> AsyncIterator[asyncio.StreamReader]:
    """Lines with the pid of the life that has just begun."""
    arguments = [str(listener.fileno()), str(directory / "config"), str(directory / "state"), store]
    with (directory / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).with_name("mortal.py")),
            *arguments,
            pass_fds=[listener.fileno()],
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        process.stdin.close()
        await asyncio.wait_for(process.wait(), 30)


async def killed(lives: asyncio.StreamReader, pages: Pages) -> None:
    """Life after life is ended, in the midst of whatever it does."""
    for number in range(KILLS):
        pid = int(await asyncio.wait_for(lives.readline(), 60))
        before = pages.answers
        if number % 3:
            async with asyncio.timeout(60):
                while pages.answers == before:  # noqa: ASYNC110 - a count, no event
                    await asyncio.sleep(0.005)
        await asyncio.sleep(random.uniform(0.0, LIVES_S))
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_nothing_that_was_answered_is_lost(database: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    config = tmp_path / "config"
    config.mkdir()
    for name, content in FILES.items():
        (config / name).write_text(content, encoding="utf-8")
    store = request.getfixturevalue("postgresql") if database == "postgresql" else default_url(tmp_path / "state")
    links = Links(link_secret(tmp_path / "state"))
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        pages = Pages(f"http://127.0.0.1:{listener.getsockname()[1]}", links)
        async with immortal(tmp_path, listener, store) as lives:
            reporting = [asyncio.create_task(pages.report(f"p-{number:02}")) for number in range(POINTS)]
            try:
                await killed(lives, pages)
            finally:
                for task in reporting:
                    task.cancel()
                await asyncio.gather(*reporting, return_exceptions=True)
    found = await kept(store)
    answered = {(point, entry) for point, entries in pages.answered.items() for entry in entries}
    assert len(answered) > KILLS
    assert answered <= found.keys()
    assert {key: found[key] for key in answered} == {key: pages.delegates[key] for key in answered}


async def kept(store: str) -> dict[tuple[str, str], int | None]:
    """What is in the store: delegates by point and entry. None of them stands there twice."""
    opened = await Store.open(store)
    try:
        found = await opened.check_ins(0.0)
    finally:
        await opened.close()
    assert len({(each.point, each.entry) for each in found}) == len(found)
    return {(each.point, each.entry): each.delegates for each in found}
