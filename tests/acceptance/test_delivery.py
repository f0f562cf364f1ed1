"""From the real Alertmanager through the real service to the phone, while one of them after the other is killed.

Alerts are posted as a monitor posts them: again and again, to every Alertmanager.
"""

import asyncio
import signal
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from click.testing import CliRunner

from monitor.cli import main
from monitor.core.contacts import Channel
from monitor.rehearsal import phones
from monitor.rehearsal.phones import Phones

KILLS = 4
FILES = {
    "points.csv": "id,name,tier,mode,address\np-1,Thôn 1,village,watch,127.7.0.1\n",
    "network.csv": "id,parent,name,kind,operator,powered_by\nacc,,Nút gom,access,VNPT,\n",
    "power.csv": "id,parent,name,kind,operator,powered_by\n",
    "checks.yaml": "modules: {icmp: {kind: icmp}}\ncheck_sets: {any: {checks: [{module: icmp}]}}\n"
    "defaults: {village: any}\n",
    "ceremony.yaml": "title: kills\ntimezone: UTC\nreport_at: 2099-01-01 07:30\nbegins_at: 2099-01-01 08:00\n"
    "phases: [{name: live, title: x, starts_at: 2025-01-01 00:00, interval: 1s, alpha: 1e-6, severity: critical}]\n",
}
CONTACTS = """\
direct_after: {{live: 3s}}
gateways: [{gateways}]
desks:
  - {{id: vnpt, title: "Trực (mẫu)", company: telecom, channels: [{channels}], phone: "0000 000 001",
     email: vnpt@telecom.example.invalid, budget: 60}}
  - {{id: team, title: "Đội (mẫu)", company: technical, channels: [email], email: team@technical.example.invalid,
     severity: critical, budget: 60}}
"""
TO = "84000000001"


class Provider(Phones):
    """An SMS provider that does as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.mode = "answers"
        self.asked = asyncio.Event()

    async def _esms(self, request: web.Request) -> web.Response:
        self.asked.set()
        if self.mode == "500":
            return web.Response(status=500, text="no")
        if self.mode == "stalls":
            await asyncio.sleep(30)
        if self.mode == "rings and stalls":
            said = await request.json()
            self._ring(Channel.SMS, said["Phone"], said["RequestId"], said["Content"])
            await asyncio.sleep(30)
        return await super()._esms(request)

    def rung(self) -> Counter[str]:
        """How often each incident's message came to the desk, by whichever channel."""
        texts = [each.text for each in self.arrived if each.to in (TO, "vnpt@telecom.example.invalid")]
        return Counter(name for text in texts for name in NAMES if name in text)


NAMES = [f"Nut so {number:02}" for number in range(40)]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


class Hall:
    """A directory, an SMS provider, Alertmanagers and monitors, each of which may be killed and started again."""

    def __init__(self, folder: Path, alertmanager: Path, *, monitors: int, store: str, channels: str = "sms") -> None:
        self.folder, self.provider = folder, Provider()
        self.ports = [free_port() for _ in range(monitors)]
        self.urls = [f"http://127.0.0.1:{free_port()}" for _ in range(monitors)]
        self._gossip = [free_port() for _ in range(monitors)]
        self._alertmanager, self._store = alertmanager, store
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._config(channels)

    def _config(self, channels: str) -> None:
        config = self.folder / "config"
        config.mkdir()
        gateways = ", ".join(f'"http://127.0.0.1:{port}"' for port in self.ports)
        written = {**FILES, "contacts.yaml": CONTACTS.format(gateways=gateways, channels=channels)}
        phones.write_secrets(self.folder / "secrets")
        written["gateway.yaml"] = phones.gateway_yaml(self.folder / "secrets")
        for name, text in written.items():
            (config / name).write_text(text, encoding="utf-8")
        (self.folder / "word").write_text("a-word-that-nobody-guesses")
        arguments = ["--config", str(config), "--output", str(self.folder / "am.yml"), "--credentials-file", "word"]
        made = CliRunner().invoke(main, ["render", "alertmanager", *arguments])
        assert made.exit_code == 0, made.output

    async def start(self, name: str, *command: str | Path) -> None:
        """A process by this name."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running[name] = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)

    async def start_alertmanager(self, number: int = 0) -> None:
        """One of a cluster, where there are several."""
        peers = [f"--cluster.peer=127.0.0.1:{port}" for port in self._gossip if len(self._gossip) > 1]
        listen = f"127.0.0.1:{self._gossip[number]}" if peers else ""
        await self.start(
            f"alertmanager-{number}",
            self._alertmanager,
            f"--config.file={self.folder / 'am.yml'}",
            f"--storage.path={self.folder / f'am-{number}'}",
            f"--web.listen-address={self.urls[number].removeprefix('http://')}",
            f"--cluster.listen-address={listen}",
            *peers,
        )
        await self.answers(f"{self.urls[number]}/-/ready")

    async def start_monitor(self, number: int = 0) -> None:
        """Ready when it answers."""
        await self.start(
            f"monitor-{number}",
            *(sys.executable, "-m", "monitor", "run", "--config", str(self.folder / "config")),
            *("--listen", f"127.0.0.1:{self.ports[number]}", "--state", str(self.folder / f"state-{number}")),
            *("--store", self._store, "--gateway-secret", str(self.folder / "word"), "--vantage", f"m-{number}"),
            *(part for url in self.urls for part in ("--alertmanager", url)),
        )
        await self.answers(f"http://127.0.0.1:{self.ports[number]}/-/healthy")

    async def kill(self, name: str) -> None:
        """At once."""
        process = self._running.pop(name)
        process.send_signal(signal.SIGKILL)
        await process.wait()

    async def end(self) -> None:
        """All."""
        for name in list(self._running):
            await self.kill(name)

    async def answers(self, url: str) -> None:
        """Wait until it does."""
        async with asyncio.timeout(60), aiohttp.ClientSession() as session:
            while True:
                with suppress(aiohttp.ClientError):
                    async with session.get(url) as response:
                        if response.status == 200:
                            return
                await asyncio.sleep(0.05)

    async def post(self, names: Iterable[str]) -> None:
        """These incidents go on: each Alertmanager that is there is told."""
        alerts = [
            {
                "labels": {
                    "alertname": "Incident", "incident": f"network:{name}", "cause": "telecom", "operator": "VNPT",
                    "severity": "critical",
                },
                "annotations": {"title": name, "summary": name},
            }
            for name in names
        ]  # fmt: skip
        async with aiohttp.ClientSession() as session:
            for url in self.urls:
                with suppress(aiohttp.ClientError):
                    async with session.post(f"{url}/api/v2/alerts", json=alerts) as response:
                        assert response.status == 200

    async def until_rung(self, names: list[str], *, within_s: float = 60.0) -> None:
        """All of these have come; they are posted again each second, as a monitor does."""
        async with asyncio.timeout(within_s):
            while not set(names) <= self.provider.rung().keys():
                await self.post(names)
                await asyncio.sleep(0.5)


@asynccontextmanager
async def hall(
    folder: Path, program: Callable[[str], Path], *, monitors: int = 1, store: str = "", channels: str = "sms"
) -> AsyncIterator[Hall]:
    """With its provider listening; all is killed at the end."""
    with pytest.MonkeyPatch.context() as patched:
        for name in ("SMTP_PORT", "PROVIDER_PORT"):
            patched.setattr(phones, name, free_port())
        made = Hall(
            folder,
            program("prometheus-alertmanager"),
            monitors=monitors,
            store=store or str(folder / "store.db"),
            channels=channels,
        )
        async with AsyncExitStack() as stack:
            await made.provider.open(stack)
            try:
                yield made
            finally:
                await made.end()


async def test_alertmanager_is_killed_and_comes_back(program: Callable[[str], Path], tmp_path: Path) -> None:
    """What began meanwhile is told; what was told is not told again, though it has forgotten."""
    async with hall(tmp_path, program) as here:
        await here.start_alertmanager()
        await here.start_monitor()
        await here.until_rung(NAMES[:2])
        await here.kill("alertmanager-0")
        await here.post(NAMES[:4])
        await asyncio.sleep(1)
        assert here.provider.rung().keys() == set(NAMES[:2])
        await here.start_alertmanager()
        await here.until_rung(NAMES[:4])
        await asyncio.sleep(3)
        assert here.provider.rung() == Counter(NAMES[:4])


async def test_the_gateway_is_killed_between_acceptance_and_sending(
    program: Callable[[str], Path], tmp_path: Path
) -> None:
    """Each incident comes at least once, and for each kill at most one comes once more."""
    async with hall(tmp_path, program) as here:
        await here.start_alertmanager()
        for number in range(KILLS):
            here.provider.mode = "answers"
            await here.start_monitor()
            await here.until_rung(NAMES[:number])
            await asyncio.sleep(3)  # so that what was in flight has been answered
            here.provider.mode = ("rings and stalls", "stalls")[number % 2]
            here.provider.asked.clear()
            await here.post(NAMES[: number + 1])
            async with asyncio.timeout(30):
                await here.provider.asked.wait()
            await here.kill("monitor-0")
        here.provider.mode = "answers"
        await here.start_monitor()
        await here.until_rung(NAMES[:KILLS])
        await asyncio.sleep(2)
        rung = here.provider.rung()
        assert rung.keys() == set(NAMES[:KILLS])
        assert KILLS <= rung.total() <= 2 * KILLS, rung
        again = Counter(each.tracking_id for each in here.provider.arrived)
        assert max(again.values()) <= 2, "the same message, by which the provider could know it again"


@pytest.mark.parametrize("mode", ["500", "stalls"])
async def test_the_sms_provider_fails_and_recovers(program: Callable[[str], Path], tmp_path: Path, mode: str) -> None:
    """With no other channel they wait for it; none is lost, none comes twice."""
    async with hall(tmp_path, program) as here:
        here.provider.mode = mode
        await here.start_alertmanager()
        await here.start_monitor()
        await here.post(NAMES[:3])
        async with asyncio.timeout(30):
            await here.provider.asked.wait()
        await asyncio.sleep(3)
        assert not here.provider.rung()
        here.provider.mode = "answers"
        await here.until_rung(NAMES[:3])
        await asyncio.sleep(1)
        assert here.provider.rung() == Counter(NAMES[:3])


async def test_a_desk_with_a_second_channel_need_not_wait(program: Callable[[str], Path], tmp_path: Path) -> None:
    async with hall(tmp_path, program, channels="sms, email") as here:
        here.provider.mode = "500"
        await here.start_alertmanager()
        await here.start_monitor()
        await here.until_rung(NAMES[:2], within_s=15)
        assert {each.channel for each in here.provider.arrived} == {Channel.EMAIL}


async def test_without_any_alertmanager_it_still_answers_and_refuses_who_has_no_word(
    program: Callable[[str], Path], tmp_path: Path
) -> None:
    """A webhook without the secret, or with another, is refused; nobody is told."""
    async with hall(tmp_path, program) as here, aiohttp.ClientSession() as session:
        await here.start_monitor()
        url = f"http://127.0.0.1:{here.ports[0]}/gateway/alertmanager/vnpt"
        for headers in ({}, {"Authorization": "Bearer another"}, {"Authorization": "Basic YTpi"}):
            async with session.post(url, json={}, headers=headers) as response:
                assert response.status in (401, 403)
        async with session.post(url, json={}, headers={"Authorization": "Bearer a-word-that-nobody-guesses"}) as known:
            assert known.status == 400
        assert here.provider.arrived == []


async def test_two_monitors_and_two_alertmanagers_are_one(
    program: Callable[[str], Path], tmp_path: Path, postgresql: str
) -> None:
    """Each incident is one message; whoever is killed, none is lost."""
    async with hall(tmp_path, program, monitors=2, store=postgresql) as here:
        await asyncio.gather(*(here.start_alertmanager(number) for number in range(2)))
        await here.start_monitor(0)
        await here.start_monitor(1)
        await here.until_rung(NAMES[:3])
        await asyncio.sleep(2)
        assert here.provider.rung() == Counter(NAMES[:3])
        await here.kill("monitor-0")
        await here.until_rung(NAMES[:6])
        await here.kill("alertmanager-0")
        await here.until_rung(NAMES[:8])
        await here.start_monitor(0)
        await here.kill("monitor-1")
        await here.until_rung(NAMES[:10])
        await asyncio.sleep(2)
        rung = here.provider.rung()
        assert rung.keys() == set(NAMES[:10])
        assert rung.total() - 10 <= 2, rung
