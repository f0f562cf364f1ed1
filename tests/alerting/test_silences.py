"""Silences of the real Alertmanager: set, heard, in force, ended; and remembered while it is away."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from monitor.alerting.silences import Silences
from monitor.core.silences import Matcher, NotSilenced, Silence

LABELS = {"alertname": "Incident", "incident": "network:acc", "aggregation": "agg-395", "cause": "telecom"}
CONFIG = "route: {receiver: a}\nreceivers: [{name: a}]\n"


class Peer:
    """An Alertmanager that may be killed and started again."""

    def __init__(self, program: Path, folder: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        (folder / "am.yml").write_text(CONFIG)
        self._command = (
            program,
            f"--config.file={folder / 'am.yml'}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        )
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, session: aiohttp.ClientSession) -> None:
        """Ready when it returns."""
        self._process = await asyncio.create_subprocess_exec(*self._command, stderr=asyncio.subprocess.DEVNULL)
        async with asyncio.timeout(30):
            while True:
                try:
                    async with session.get(f"{self.url}/-/ready") as response:
                        if response.status == 200:
                            return
                except aiohttp.ClientError:
                    await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """At once."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
async def peers(
    program: Callable[[str], Path], tmp_path: Path, session: aiohttp.ClientSession
) -> AsyncIterator[list[Peer]]:
    """Two that do not know of each other."""
    made = []
    for name in "ab":
        (tmp_path / name).mkdir()
        free = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = free.sockets[0].getsockname()[1]
        free.close()
        made.append(Peer(program("prometheus-alertmanager"), tmp_path / name, port))
    for peer in made:
        await peer.start(session)
    yield made
    for peer in made:
        await peer.kill()


def wanted(now: float) -> Silence:
    return Silence(
        matchers=(Matcher("aggregation", "agg-395"),),
        starts_at=now,
        ends_at=now + 3600,
        created_by="an",
        comment="thay tủ nguồn",
    )


async def states(url: str, session: aiohttp.ClientSession) -> list[str]:
    """How Alertmanager sees its alerts."""
    async with session.get(f"{url}/api/v2/alerts") as response:
        return [alert["status"]["state"] for alert in await response.json()]


async def test_it_holds_at_each_alertmanager_and_with_us(peers: list[Peer], session: aiohttp.ClientSession) -> None:
    """And for what we send ourselves while every Alertmanager is away."""
    ours = Silences([peer.url for peer in peers], lambda: session, time.time)
    await ours.add(wanted(time.time()))
    (known,) = ours.known
    assert len(known.ids) == 2, "one of each, shown as one"
    assert (known.comment, known.created_by) == ("thay tủ nguồn", "an")
    for peer in peers:
        async with session.post(f"{peer.url}/api/v2/alerts", json=[{"labels": LABELS}]) as response:
            assert response.status == 200
    async with asyncio.timeout(20):
        while any([await states(peer.url, session) != ["suppressed"] for peer in peers]):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    assert ours.muted(LABELS, time.time() + 1)
    assert not ours.muted({**LABELS, "aggregation": "agg-399"}, time.time() + 1)
    for peer in peers:
        await peer.kill()
    await ours.look()
    assert not ours.reachable
    assert ours.muted(LABELS, time.time() + 1), "as it was heard last"
    assert not ours.muted(LABELS, time.time() + 3700), "until it ends"
    with pytest.raises(NotSilenced):
        await ours.add(wanted(time.time()))
    with pytest.raises(NotSilenced):
        await ours.end(known)


async def test_what_is_ended_is_ended_everywhere(peers: list[Peer], session: aiohttp.ClientSession) -> None:
    ours = Silences([peer.url for peer in peers], lambda: session, time.time)
    await ours.add(wanted(time.time()))
    (known,) = ours.known
    await ours.end(known)
    assert not ours.muted(LABELS, time.time() + 1)
    assert {each.state(time.time() + 1) for each in ours.known} == {"expired"}
    other = Silences([peers[1].url], lambda: session, time.time)
    await other.look()
    assert not other.muted(LABELS, time.time() + 1), "another monitor hears so"


async def test_one_that_does_not_answer_is_passed_over(peers: list[Peer], session: aiohttp.ClientSession) -> None:
    await peers[0].kill()
    ours = Silences([peer.url for peer in peers], lambda: session, time.time)
    await ours.add(wanted(time.time()))
    assert ours.reachable
    assert ours.muted(LABELS, time.time() + 1)


async def test_without_any_configured_nothing_is_missing(session: aiohttp.ClientSession) -> None:
    ours = Silences([], lambda: session, time.time)
    await ours.look()
    assert ours.reachable
    with pytest.raises(NotSilenced):
        await ours.add(wanted(time.time()))
