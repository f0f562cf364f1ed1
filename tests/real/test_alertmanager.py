"""Alerts of the real pipeline, posted to the real Alertmanager, as its webhook receiver gets them."""

import asyncio
import json
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import yaml
from aiohttp import web

from monitor.alerting.alertmanager import Alertmanagers
from monitor.core.incidents import Incident
from monitor.core.model import (
    Ceremony,
    Certainty,
    Change,
    CheckPolicy,
    District,
    IncidentChanged,
    IncidentState,
    Inventory,
    Mode,
    Node,
    NodeKind,
    Phase,
    Point,
    PointState,
    Tier,
    Tree,
)
from monitor.core.organization import Reminder
from monitor.core.pipeline import Pipeline
from probes.model import Failure, Layer, Measurement, Observation

EXTERNAL = "https://monitor.example.invalid"
LOST = Measurement(False, 0.5, Failure.TIMEOUT)
ANSWERED = Measurement(True, 0.001)
SHIPPED = Path(__file__).parents[2] / "config/alertmanager/alertmanager.yml"
CONFIGURATION = """
route:
  receiver: hook
  group_by: [instance]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1h
receivers:
- name: hook
  webhook_configs:
  - {{url: "{url}", send_resolved: true}}
"""


class Province:
    """Points that are cut and mended by what their probes are answered; the last point always answers."""

    def __init__(self, points: int) -> None:
        self.ids = [f"p{i}" for i in range(points)]
        self.now = time.time() - 120
        inventory = Inventory(
            {point_id: _point(point_id) for point_id in self.ids},
            {"acc": Node("acc", None, "Switch", NodeKind.ACCESS, "VNPT Triệu Sơn")},
            {"tba": Node("tba", None, "TBA 12", NodeKind.TRANSFORMER, "Điện lực Triệu Sơn")},
            {"397": District("397", "Huyện Triệu Sơn", 4, 4)},
        )
        phase = Phase(name="live", title="Diễn ra", starts_at=0, interval_s=1, alpha=1e-6, severity="critical")
        ceremony = Ceremony(
            title="Lễ", timezone="Asia/Ho_Chi_Minh", report_at=self.now, begins_at=self.now, phases=(phase,)
        )
        policies = [CheckPolicy(f"{point_id}/icmp", point_id, Layer.REACHABLE, 1.0) for point_id in self.ids]
        self.pipeline = Pipeline(inventory, ceremony, policies, self.now)
        self.alerts: Alertmanagers | None = None
        self.answer(self.ids)

    def cut(self, ids: Iterable[str]) -> None:
        """Probe these in vain until they are down."""
        self.probe(list(ids), LOST, PointState.DOWN)

    def answer(self, ids: Iterable[str]) -> None:
        """Let these answer until they are up."""
        self.probe(list(ids), ANSWERED, PointState.UP)

    def probe(self, ids: list[str], measurement: Measurement, until: PointState) -> None:
        """Fold probes in until all of these points are in that state; twenty rounds at most."""
        for _ in range(20):
            for point_id in ids:
                self.observe(point_id, measurement)
            self.observe(self.ids[-1], ANSWERED)
            self.now += 0.2
            self.tell(self.pipeline.tick(self.now))
            if all(self.pipeline.points[point_id].state is until for point_id in ids):
                return
        raise AssertionError(until)

    def observe(self, point_id: str, measurement: Measurement) -> None:
        """One probe's end."""
        self.now += 1e-5
        self.tell(self.pipeline.observe(Observation(f"{point_id}/icmp", self.now, "center", measurement)))

    def tell(self, happenings: list[Any]) -> None:
        """As the service does."""
        if self.alerts is not None and happenings:
            self.alerts.notice(happenings)

    def incident(self, incident: Incident, change: Change) -> None:
        """It stands so now."""
        self.pipeline.incidents._by_id[incident.id] = incident
        told = incident
        self.tell(
            [
                IncidentChanged(
                    told.id,
                    change,
                    time.time(),
                    told.since,
                    told.tree,
                    told.node,
                    told.operator,
                    told.certainty,
                    told.owner_probability,
                    len(told.points),
                    told.became,
                )
            ]
        )


def _point(point_id: str) -> Point:
    return Point(
        id=point_id,
        name="Xã Xuân Lộc",
        tier=Tier.COMMUNE,
        mode=Mode.TWO_WAY,
        district_code="397",
        network_node="acc",
        power_node="tba",
    )


class Hook:
    """A webhook receiver: the last word on each point, as a recipient has it."""

    def __init__(self) -> None:
        self.url = ""
        self.status: dict[str, str] = {}
        self.alerts: list[dict[str, Any]] = []
        self.told: dict[tuple[str, str], list[dict[str, Any]]] = {}
        """What was said of an incident, by receiver and incident."""
        self.reminded: list[tuple[str, dict[str, Any]]] = []
        """Reminders, with the receiver."""

    async def take(self, request: web.Request) -> web.Response:
        """One notification."""
        notification = await request.json()
        for alert in notification["alerts"]:
            self.alerts.append(alert)
            labels = alert["labels"]
            if labels["alertname"] == "CheckInReminder":
                self.reminded.append((notification["receiver"], alert))
            elif "instance" in labels:
                self.status[labels["instance"]] = alert["status"]
            else:
                self.told.setdefault((notification["receiver"], labels["incident"]), []).append(alert)
        return web.Response()

    def words(self) -> dict[tuple[str, str], list[str]]:
        """The statuses that each receiver was told of each incident, in order."""
        return {key: [alert["status"] for alert in alerts] for key, alerts in self.told.items()}

    def having(self, status: str) -> set[str]:
        """Points last told to be firing, or resolved."""
        return {point for point, last in self.status.items() if last == status}


class Peer:
    """A real Alertmanager that can be killed and started again at the same port."""

    def __init__(self, program: Path, directory: Path, hook: str) -> None:
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}/am"
        directory.mkdir()
        configuration = directory / "alertmanager.yml"
        configuration.write_text(CONFIGURATION.format(url=hook), encoding="utf-8")
        self.configuration = configuration
        self.command = [
            str(program),
            f"--config.file={configuration}",
            f"--storage.path={directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            f"--web.external-url={self.url}",
            "--cluster.listen-address=",
            "--log.level=error",
        ]
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Return once it is ready."""
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: ASYNC220
        async with aiohttp.ClientSession() as session, asyncio.timeout(30):
            while not await self._ready(session):  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def _ready(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(f"{self.url}/-/ready") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    async def firing(self) -> set[str]:
        """Points whose alert is active, from its own API."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/api/v2/alerts") as response:
            return {alert["labels"]["instance"] for alert in json.loads(await response.read())}

    async def incidents(self) -> list[str]:
        """The incidents of its active alerts."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/api/v2/alerts") as response:
            return [alert["labels"]["incident"] for alert in json.loads(await response.read())]

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Gone when this returns."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(timeout=20)
            self.process = None


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    """Where all Alertmanagers of a test deliver."""
    receiver = Hook()
    app = web.Application()
    app.router.add_post("/", receiver.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield receiver
    await runner.cleanup()


@pytest.fixture
async def peers(program: Callable[[str], Path], tmp_path: Path, hook: Hook) -> AsyncIterator[list[Peer]]:
    """Two Alertmanagers, not started."""
    found = program("prometheus-alertmanager")
    two = [Peer(found, tmp_path / name, hook.url) for name in ("first", "second")]
    yield two
    for peer in two:
        peer.stop()


@asynccontextmanager
async def telling(province: Province, peers: Iterable[Peer], resend_s: float = 30.0) -> AsyncIterator[Alertmanagers]:
    """The shell at work between them."""
    urls = [peer.url for peer in peers]
    province.alerts = Alertmanagers(urls, province.pipeline, external_url=EXTERNAL, resend_s=resend_s)
    task = asyncio.create_task(province.alerts.run())
    yield province.alerts
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it, generously."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_a_point_that_falls_and_comes_back(peers: list[Peer], hook: Hook) -> None:
    """The recipient reads it in Vietnamese with all labels, and reads that it is over."""
    province, peer = Province(4), peers[0]
    await peer.start()
    async with telling(province, [peer]) as alerts:
        province.cut(["p1"])
        (sent,) = alerts.firing.values()
        await until(lambda: hook.having("firing") == {"p1"})
        assert hook.alerts[0]["labels"] == sent.labels
        assert hook.alerts[0]["annotations"] == sent.annotations
        assert hook.alerts[0]["generatorURL"] == f"{EXTERNAL}/points/p1"
        province.answer(["p1"])
        await until(lambda: hook.having("resolved") == {"p1"})
    assert alerts.deliveries[0].refused == alerts.deliveries[0].failed == 0


async def test_one_that_is_killed_and_restarted_knows_all_again(peers: list[Peer], hook: Hook) -> None:
    """What fired before, what fell meanwhile and what came back meanwhile: nothing is lost in the outage."""
    province, peer = Province(6), peers[0]
    await peer.start()
    async with telling(province, [peer]):
        province.cut(["p0", "p1"])
        await until(lambda: hook.having("firing") == {"p0", "p1"})
        peer.stop()
        province.answer(["p1"])
        province.cut(["p2"])
        await asyncio.sleep(0.5)
        await peer.start()
        await until(lambda: hook.having("firing") == {"p0", "p2"})
        assert hook.having("resolved") == {"p1"}
        assert await peer.firing() == {"p0", "p2"}


async def test_one_that_is_restarted_unnoticed_learns_by_repetition(peers: list[Peer], hook: Hook) -> None:
    """Killed without warning between two posts, it has forgotten everything; the next repeat tells it."""
    province, peer = Province(4), peers[0]
    await peer.start()
    async with telling(province, [peer], resend_s=2.0):
        province.cut(["p0"])
        await until(lambda: hook.having("firing") == {"p0"})
        peer.stop(signal.SIGKILL)
        await peer.start()
        hook.status.clear()
        await until(lambda: hook.having("firing") == {"p0"})


async def test_one_that_is_started_late_is_told_what_fires(peers: list[Peer], hook: Hook) -> None:
    """The monitor was there first."""
    province, peer = Province(4), peers[0]
    async with telling(province, [peer]) as alerts:
        province.cut(["p0", "p1", "p2"])
        province.answer(["p1"])
        await until(lambda: alerts.deliveries[0].failed > 1)
        await peer.start()
        await until(lambda: hook.having("firing") == {"p0", "p2"})
        assert await peer.firing() == {"p0", "p2"}


async def test_of_two_one_is_dead(peers: list[Peer], hook: Hook) -> None:
    """The one that lives is told at once; when the other comes, it is told as well."""
    province = Province(4)
    dead, alive = peers
    await alive.start()
    async with telling(province, peers) as alerts:
        province.cut(["p0"])
        await until(lambda: hook.having("firing") == {"p0"})
        await until(lambda: not alerts.deliveries[0].reachable)
        assert (alerts.deliveries[0].posted, alerts.deliveries[1].failed) == (0, 0)
        await dead.start()
        await until(lambda: alerts.deliveries[0].pending == 0 and alerts.deliveries[0].posted > 0)
        assert await dead.firing() == {"p0"}


async def test_two_thousand_points_at_once(peers: list[Peer], hook: Hook) -> None:
    """A storm reaches the recipient whole, and so does its end."""
    province, peer = Province(2001), peers[0]
    storm = set(province.ids[:-1])
    await peer.start()
    async with telling(province, [peer]) as alerts:
        province.cut(storm)
        await until(lambda: hook.having("firing") == storm)
        province.answer(storm)
        await until(lambda: hook.having("resolved") == storm)
        assert await peer.firing() == set()
    assert alerts.deliveries[0].refused == 0


async def test_alerts_of_a_monitor_that_died_expire(peers: list[Peer], hook: Hook) -> None:
    """Nobody repeats them, so they end by themselves."""
    province, peer = Province(4), peers[0]
    await peer.start()
    async with telling(province, [peer], resend_s=1.0):
        province.cut(["p0"])
        await until(lambda: hook.having("firing") == {"p0"})
    await until(lambda: hook.having("resolved") == {"p0"})


def shipped_routes(hook: str) -> str:
    """Who is told what as shipped, also of an end; each receiver is a webhook, and an end is told within a second."""
    shipped = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    del shipped["global"]
    shipped["route"]["group_interval"] = "1s"
    shipped["receivers"] = [_hooked(receiver, hook) for receiver in shipped["receivers"]]
    return str(yaml.safe_dump(shipped, allow_unicode=True))


def _hooked(receiver: dict[str, Any], hook: str) -> dict[str, Any]:
    (told,) = receiver.get("webhook_configs") or receiver.get("email_configs") or (None,)
    if told is None:
        return receiver
    return {"name": receiver["name"], "webhook_configs": [{"url": hook, "send_resolved": told["send_resolved"]}]}


CUT = Incident(
    id="network:acc",
    tree=Tree.NETWORK,
    node="acc",
    operator="VNPT Thanh Hóa",
    since=time.time() - 5,
    opened_at=time.time(),
    certainty=Certainty.CERTAIN,
    owner_probability=0.97,
    points=("p0", "p1"),
)
DARK = msgspec.structs.replace(
    CUT, id="power:tba", tree=Tree.POWER, node="tba", operator="Điện lực Triệu Sơn", certainty=Certainty.PROBABLE
)


async def test_an_incident_that_was_wrong_is_taken_back(peers: list[Peer], hook: Hook) -> None:
    """Opened, retracted, its successor: the carrier reads that it was not it, the branch of its own alone."""
    province, peer = Province(4), peers[0]
    peer.configuration.write_text(shipped_routes(hook.url), encoding="utf-8")
    await peer.start()
    async with telling(province, [peer]) as alerts:
        province.incident(CUT, Change.OPENED)
        cut = {("ky-thuat", CUT.id): ["firing"], ("vnpt-397", CUT.id): ["firing"]}
        await until(lambda: hook.words() == cut)
        (sent,) = alerts.firing.values()
        assert hook.told["vnpt-397", CUT.id][0]["labels"] == sent.labels
        assert hook.told["vnpt-397", CUT.id][0]["annotations"] == sent.annotations
        assert hook.told["vnpt-397", CUT.id][0]["generatorURL"] == f"{EXTERNAL}/incidents/network%3Aacc"

        province.incident(DARK, Change.OPENED)
        over = msgspec.structs.replace(CUT, state=IncidentState.RETRACTED, points=(), became=DARK.id)
        province.incident(over, Change.RETRACTED)
        dark = {("ky-thuat", DARK.id): ["firing"], ("dien-luc-trieu-son", DARK.id): ["firing"]}
        await until(lambda: hook.words() == {key: ["firing", "resolved"] for key in cut} | dark)
        assert hook.told["vnpt-397", CUT.id][-1]["annotations"]["retracted"] == (
            "Rút lại: không phải do sự cố mạng: Switch; nay nhiều khả năng: mất điện: TBA 12 (Điện lực Triệu Sơn)"
        )

        gone = msgspec.structs.replace(DARK, state=IncidentState.RESOLVED, points=(), hit=set(DARK.points))
        province.incident(gone, Change.RESOLVED)
        await until(lambda: hook.words() == {key: ["firing", "resolved"] for key in cut | dark})
        assert "2 điểm đã kết nối lại" in hook.told["dien-luc-trieu-son", DARK.id][-1]["annotations"]["summary"]
    assert alerts.deliveries[0].refused == 0


async def test_two_monitors_make_one_alert(peers: list[Peer], hook: Hook) -> None:
    """They saw the points fall in another order, and one of them fewer: a receiver is told once."""
    peer, provinces = peers[0], (Province(4), Province(4))
    peer.configuration.write_text(shipped_routes(hook.url), encoding="utf-8")
    await peer.start()
    async with telling(provinces[0], [peer]) as first, telling(provinces[1], [peer]) as second:
        provinces[0].incident(CUT, Change.OPENED)
        provinces[1].incident(msgspec.structs.replace(CUT, points=("p1",)), Change.OPENED)
        await until(lambda: all(each.deliveries[0].posted for each in (first, second)))
        await until(lambda: hook.words() == {("ky-thuat", CUT.id): ["firing"], ("vnpt-397", CUT.id): ["firing"]})
        await asyncio.sleep(2.5)  # two intervals of the group
        assert hook.words() == {("ky-thuat", CUT.id): ["firing"], ("vnpt-397", CUT.id): ["firing"]}
        assert await peer.incidents() == [CUT.id]


async def test_a_reminder_comes_once_and_may_come_again(
    peers: list[Peer], hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From two monitors, repeated as it fires: once to the districts' desk alone, its end untold; later again."""
    monkeypatch.setattr("monitor.alerting.ledger.LASTS_S", 8.0)
    peer, provinces = peers[0], (Province(4), Province(4))
    peer.configuration.write_text(shipped_routes(hook.url), encoding="utf-8")
    async with telling(provinces[0], [peer], 1.0) as first, telling(provinces[1], [peer], 1.0) as second:
        provinces[0].cut(["p0"])
        provinces[1].cut(["p0"])

        def remind() -> None:
            for alerts in (first, second):
                alerts.remind(Reminder(district="397", at=time.time(), by="an", points=("p0",)))

        remind()
        await until(lambda: all(alerts.deliveries[0].failed for alerts in (first, second)))
        await peer.start()  # it was away when the organizers asked
        await until(lambda: len(hook.reminded) == 1 and hook.having("firing") == {"p0"})
        await until(lambda: all(len(alerts.firing) == 1 for alerts in (first, second)))
        await asyncio.sleep(3)  # its end is posted, and the group told of it
        ((receiver, told),) = hook.reminded
        assert (receiver, told["status"]) == ("dau-moi-397", "firing")
        assert told["annotations"]["summary"].startswith("Huyện Triệu Sơn: còn 1/4 điểm cầu chưa sẵn sàng, hạn ")
        assert told["generatorURL"] == f"{EXTERNAL}/readiness?district=397"

        remind()
        await until(lambda: len(hook.reminded) == 2)
        await asyncio.sleep(2)
        assert [alert["status"] for _, alert in hook.reminded] == ["firing", "firing"]
        assert hook.having("firing") == {"p0"}
