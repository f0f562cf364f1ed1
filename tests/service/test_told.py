"""The service as a process, told of points by their own pages and by the platform: real sockets, real links."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import ClientSession, WSMsgType, web

POINTS = """id,name,tier,mode,merged_into,district_code,commune_code,address,network_node,power_node
tinh,Điểm cầu Tỉnh,province,two_way,,,,127.0.0.1,core,sub
thon-1,Thôn Một,village,watch,,386,,,core,sub
thon-2,Thôn Hai,village,watch,,386,,,core,sub
"""
CHECKS = """
modules:
  icmp: {kind: icmp, timeout: 300ms}
  room: {kind: roster, roster: {platform: json, names: "people[].name"}}
check_sets:
  hall: {checks: [{module: icmp}]}
  told: {checks: []}
defaults: {province: hall, village: told}
witnesses:
  near: {module: icmp, target: 127.0.0.1}
services:
  room: {module: room, target: "http://127.0.0.1:%d/people", interval: 1s}
"""
CEREMONY = """
title: Lễ thử
timezone: Asia/Ho_Chi_Minh
report_at: 2035-05-08 07:30
begins_at: 2035-05-08 08:00
phases:
  - {name: live, title: Diễn ra, starts_at: 2025-05-08 07:00, interval: 500ms, alpha: 1e-6, severity: critical}
"""


class Running:
    """A service under test and its platform."""

    def __init__(self, directory: Path, platform: int) -> None:
        self.directory, self.platform = directory, platform
        self.joined = ["Thôn Một"]

    def write(self) -> None:
        """The configuration."""
        for name, text in {
            "points.csv": POINTS,
            "network.csv": "id,parent,name,kind,operator\ncore,,Lõi,core,VNPT\n",
            "power.csv": "id,parent,name,kind,operator\nsub,,Trạm,substation,Điện lực\n",
            "checks.yaml": CHECKS % self.platform,
            "ceremony.yaml": CEREMONY,
        }.items():
            (self.directory / name).write_text(text, encoding="utf-8")

    async def start(self) -> None:
        """Start, and wait until it says where it listens."""
        self.write()
        where = ["--config", str(self.directory), "--state", str(self.directory / "state"), "--listen", "127.0.0.1:0"]
        command = [sys.executable, "-m", "monitor", "run", "--log-format", "json", *where]
        with (self.directory / "log").open("wb") as log:
            self.process = await asyncio.create_subprocess_exec(*command, stderr=log)
        await self.until(lambda: bool(self.port()))
        self.base = f"http://127.0.0.1:{self.port()}"

    def port(self) -> int:
        """Where it listens; 0 before it does."""
        files = [line.split() for line in Path(f"/proc/{self.process.pid}/net/tcp").read_text().splitlines()[1:]]
        inodes = set()
        for link in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed since it was listed
                inodes.add(link.readlink().name)
        ours = [row for row in files if row[3] == "0A" and f"socket:[{row[9]}]" in inodes]
        return int(ours[0][1].rpartition(":")[2], 16) if ours else 0

    async def until(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        """Wait for it."""
        async with asyncio.timeout(seconds):
            while not condition():
                assert self.process.returncode is None, (self.directory / "log").read_text()
                await asyncio.sleep(0.05)

    async def links(self, *arguments: str) -> str:
        """What ``diemcau links`` prints."""
        where = ["--config", str(self.directory), "--state", str(self.directory / "state"), "--external-url", self.base]
        command = [sys.executable, "-m", "monitor", "links", *where, *arguments]
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        said, _ = await process.communicate()
        assert process.returncode == 0
        return said.decode()

    async def link(self, point_id: str) -> str:
        """The link of a point."""
        return (await self.links("--point", point_id)).strip().rpartition(",")[2]


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    app = web.Application()
    runner = web.AppRunner(app)
    service = Running(tmp_path, 0)

    async def people(_request: web.Request) -> web.Response:
        return web.json_response({"people": [{"name": name} for name in service.joined]})

    app.router.add_get("/people", people)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    service.platform = runner.addresses[0][1]
    try:
        await service.start()
        yield service
    finally:
        if service.process.returncode is None:
            service.process.kill()
            await service.process.wait()
        await runner.cleanup()


async def shows(session: ClientSession, running: Running, line: str, seconds: float = 20.0) -> None:
    """Wait until ``/metrics`` has this line."""
    async with asyncio.timeout(seconds):
        while True:
            async with session.get(f"{running.base}/metrics") as response:
                if line in (await response.text()).splitlines():
                    return
            await asyncio.sleep(0.1)


async def test_a_page_makes_its_point_known_and_a_revoked_link_ends_it(running: Running) -> None:
    """Opened by the link that was printed; up, on battery when the charger is pulled, closed when it is revoked."""
    async with ClientSession() as session:
        link = await running.link("thon-1")
        async with session.get(link) as page:
            assert page.status == 200
            assert "Thôn Một" in await page.text()
        async with session.ws_connect(f"{link}/ws?s=test-page") as socket:
            beats = asyncio.create_task(beat(socket))
            await shows(session, running, 'diemcau_point_up{instance="thon-1"} 1')
            await shows(session, running, 'diemcau_point_on_battery{instance="thon-1"} 1')
            await shows(session, running, "diemcau_pages_open 1")
            await running.links("revoke", "thon-1")
            running.process.send_signal(signal.SIGHUP)
            async with asyncio.timeout(10):
                while (message := await socket.receive()).type is not WSMsgType.CLOSE:
                    pass
            assert message.data == 4401
            beats.cancel()
        async with session.get(link) as page:
            assert page.status == 404


async def beat(socket: object) -> None:
    """As a page does; its charger is pulled after the third."""
    for number in range(1000):
        said = {"n": number, "rtt": 0.01, "charging": number < 3, "charge": 0.8}
        await socket.send_str(json.dumps(said))  # type: ignore[attr-defined]
        await asyncio.sleep(0.3)


async def test_who_has_joined_is_asked_of_the_platform(running: Running) -> None:
    async with ClientSession() as session:
        await shows(session, running, 'probe_success{instance="thon-1",check="room"} 1')
        await shows(session, running, 'probe_success{instance="thon-2",check="room"} 0')
        await shows(session, running, 'diemcau_point_layer_up{instance="tinh",layer="joined"} 0')
        await shows(session, running, 'probe_roster_joined{instance="service:room",check="room"} 1')
        running.joined = ["Thon Hai", "Thôn Một"]
        await shows(session, running, 'probe_success{instance="thon-2",check="room"} 1')


async def test_a_page_that_falls_silent_takes_its_point_down_and_one_that_leaves_does_not(running: Running) -> None:
    async with ClientSession() as session:
        socket = await session.ws_connect(f"{await running.link('thon-1')}/ws?s=test-page")
        for number in range(5):
            await socket.send_json({"n": number, "rtt": 0.01})
            await asyncio.sleep(0.3)
        await shows(session, running, 'diemcau_point_up{instance="thon-1"} 1')
        await shows(session, running, 'diemcau_point_up{instance="thon-1"} 0', 6)
        for number in range(8):
            await socket.send_json({"n": number, "rtt": 0.01})
            await asyncio.sleep(0.3)
        await shows(session, running, 'diemcau_point_up{instance="thon-1"} 1', 6)
        await socket.close(code=1000)
        await shows(session, running, 'diemcau_points{tier="village",district="386",state="unknown"} 2', 6)
