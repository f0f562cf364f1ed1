"""The shipped configuration of Prometheus and Alertmanager, judged and run by the real programs."""

import asyncio
import json
import re
import socket
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import yaml
from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope
from click.testing import CliRunner

from monitor.alerting.alertmanager import Alertmanagers, postable
from monitor.alerting.incidents import concluded, districts_of_nodes, incident_alert
from monitor.alerting.ledger import Entry, Ledger
from monitor.alerting.messages import Alert, Scene, monitor_blind, point_down, replaced
from monitor.cli import main
from monitor.configuration import Configuration, load
from monitor.core.contacts import Company
from monitor.core.incidents import Incident
from monitor.core.model import Certainty, IncidentState, Tree
from monitor.core.organization import Reminder
from monitor.core.pipeline import Pipeline
from monitor.core.trend import Sample, Trend
from monitor.metrics import Exposition, LoopLag
from probes.model import (
    BATTERY_RUNTIME,
    ON_BATTERY,
    BatchCounters,
    EngineCounters,
    Failure,
    Histogram,
    Layer,
    Measurement,
    Observation,
)

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ALERTMANAGER = ROOT / "config/alertmanager/alertmanager.yml"
PROMETHEUS = ROOT / "config/prometheus/prometheus.yml"
RULES = ROOT / "config/prometheus/rules/diemcau.yml"
DASHBOARD = ROOT / "dashboards/json/tong-quan.json"
SURE = Certainty.CERTAIN
CUT = "397"
"""A district whose points are lost in the figures that Prometheus scrapes."""
DARK = "386"
"""A district whose codecs are off and whose halls run on their batteries."""


@pytest.mark.parametrize(
    "command",
    [
        ("promtool", "check", "config", str(PROMETHEUS)),
        ("promtool", "check", "rules", str(RULES)),
        ("promtool", "test", "rules", str(HERE / "rules_test.yml")),
        ("amtool", "check-config", str(ALERTMANAGER)),
    ],
    ids=" ".join,
)
def test_the_tools_accept_it(program: Callable[[str], Path], command: tuple[str, ...]) -> None:
    """Prometheus' and Alertmanager's own checks pass."""
    program(command[0])
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


OWNERS = {"operator": "VNPT Thanh Hóa", "power_operator": "Điện lực Triệu Sơn", "district": "397"}
VNPT, BRANCH, SITES, TEAM = "vnpt-397", "dien-luc-trieu-son", "diem-cau", "ky-thuat"


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ({"cause": "undetermined"}, {TEAM, VNPT, BRANCH, SITES}),
        ({"cause": "telecom"}, {TEAM, VNPT}),
        ({"cause": "telecom", "district": ""}, {TEAM, "vnpt-tinh"}),
        ({"cause": "power"}, {TEAM, BRANCH}),
        ({"cause": "power", "district": ""}, {TEAM, BRANCH}),
        ({"cause": "power", "power_operator": "Công ty Điện lực Thanh Hóa"}, {TEAM, "dieu-do"}),
        ({"cause": "site"}, {TEAM, SITES}),
        ({"cause": "site", "severity": "info"}, set()),
        ({"alertname": "PointDegraded", "cause": "site"}, {TEAM, SITES}),
        ({"alertname": "PointDown", "cause": "point"}, {TEAM}),
        ({"alertname": "PointDown", "cause": "telecom"}, {TEAM}),
        ({"cause": "telecom", "operator": "Viettel (mẫu)"}, {TEAM, "viettel-mau"}),
        ({"cause": "undetermined", "severity": "warning"}, {TEAM, VNPT, BRANCH, SITES}),
        ({"cause": "telecom", "operator": "Nhà mạng khác"}, {TEAM}),
        ({"cause": ""}, {TEAM}),
        ({"alertname": "MonitorBlind", "cause": "monitor"}, {"technical-direct"}),
        ({"alertname": "Watchdog", "cause": "monitor", "severity": "info"}, {"watchdog"}),
        ({"alertname": "CheckInReminder", "cause": "reminder"}, {"dau-moi-397"}),
        ({"alertname": "CheckInReminder", "cause": "reminder", "district": ""}, {"dau-moi-tinh"}),
        ({"alertname": "ReadinessBehind", "cause": "readiness"}, {TEAM}),
    ],
    ids=str,
)
def test_who_is_told_of_which_cause(
    program: Callable[[str], Path], labels: dict[str, str], receivers: set[str]
) -> None:
    """The carrier's desk of the district, the branch, the desk for sites; the team of all; no company of a point."""
    given = {"alertname": "Incident", **OWNERS, "severity": "critical", **labels}
    pairs = [f"{name}={value}" for name, value in given.items() if value]
    command = [str(program("amtool")), "config", "routes", "test", f"--config.file={ALERTMANAGER}", *pairs]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert set(done.stdout.strip().split(",")) - {"nobody"} == receivers


def test_it_is_what_the_contacts_say() -> None:
    """``diemcau render alertmanager --output config/alertmanager/alertmanager.yml`` would change nothing."""
    made = CliRunner().invoke(main, ["render", "alertmanager", "--config", str(ROOT / "config")])
    assert made.output == ALERTMANAGER.read_text(encoding="utf-8")


def test_no_address_can_be_reached() -> None:
    """Samples end in .invalid, RFC 2606."""
    addresses = re.findall(r"[\w.-]+@[\w.-]+", ALERTMANAGER.read_text(encoding="utf-8"))
    assert addresses
    assert all(address.endswith(".example.invalid") for address in addresses)


def test_rules_and_metrics_agree() -> None:
    """A rule about a metric that nobody exposes would be silent for ever."""
    golden = {line.split()[0] for line in (ROOT / "tests/metrics.txt").read_text(encoding="utf-8").splitlines() if line}
    used = set(re.findall(r"\bdiemcau_\w+", RULES.read_text(encoding="utf-8")))
    assert used
    assert {name.removesuffix("_bucket") for name in used} <= golden


def test_grafana_finds_its_source_and_its_dashboards() -> None:
    """The dashboard names the data source that is provisioned."""
    folder = ROOT / "config/grafana/provisioning"
    (source,) = yaml.safe_load((folder / "datasources/prometheus.yml").read_text(encoding="utf-8"))["datasources"]
    (provider,) = yaml.safe_load((folder / "dashboards/diemcau.yml").read_text(encoding="utf-8"))["providers"]
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    assert {panel["datasource"]["uid"] for panel in panels if panel["type"] != "row"} == {source["uid"]}
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"


@pytest.fixture(scope="module")
def sample() -> Configuration:
    """Thanh Hóa, as shipped."""
    return load(ROOT / "config")


@pytest.fixture
def scene(sample: Configuration) -> Scene:
    """The live phase."""
    (live,) = (phase for phase in sample.ceremony.phases if phase.severity == "critical")
    made = Scene.of(sample.inventory, sample.ceremony, live, "https://monitor.example.invalid", time.time())
    return msgspec.structs.replace(made, districts=districts_of_nodes(sample.inventory))


@asynccontextmanager
async def running(*command: str, ready: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A server process, from when it is ready until the end."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: ASYNC220
    try:
        async with aiohttp.ClientSession() as session:
            await until(lambda: answers(session, ready))
            yield session
    finally:
        process.terminate()
        process.wait(timeout=20)


async def answers(session: aiohttp.ClientSession, url: str) -> bool:
    """Whether it is there."""
    try:
        async with session.get(url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


async def until(condition: Callable[[], Any]) -> None:
    """Wait for it, generously; it may be a coroutine function."""
    async with asyncio.timeout(60):
        while True:
            found = condition()
            if await found if asyncio.iscoroutine(found) else found:
                return
            await asyncio.sleep(0.05)


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def lost(sample: Configuration, scene: Scene, district: str) -> Iterator[Alert]:
    """Alerts of a district's expected points on VNPT's lines."""
    for point in sample.inventory.points.values():
        if (
            point.district_code == district
            and point.expected
            and sample.inventory.network_operator(point)[:4] == "VNPT"
        ):
            yield point_down(point, time.time() - 5, "timeout", scene)


def struck(node: str, tree: Tree, operator: str, points: list[Alert], certainty: Certainty = SURE) -> Incident:
    """The incident that took them."""
    return Incident(
        id=f"{tree}:{node}",
        tree=tree,
        node=node,
        operator=operator,
        since=time.time() - 5,
        opened_at=time.time(),
        certainty=certainty,
        owner_probability=0.99,
        points=tuple(alert.labels["instance"] for alert in points),
    )


class Desks:
    """Where the shipped Alertmanager's webhooks and mails arrive."""

    def __init__(self, base: str) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        """Desk and notification."""
        self.mails = list[EmailMessage]()
        self.words: set[str] = set()
        """What webhooks brought as Authorization."""
        self._url = f"{base}/api/v2/alerts"

    async def webhook(self, request: web.Request) -> web.Response:
        """As the gateway."""
        self.words.add(request.headers.get("Authorization", ""))
        if "desk" in request.match_info:
            self.told.append((request.match_info["desk"], await request.json()))
        return web.Response()

    async def handle_DATA(self, _server: object, _session: object, envelope: Envelope) -> str:  # noqa: N802
        """As the mail server."""
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))  # type: ignore[arg-type]
        return "250 OK"

    async def post(self, *alerts: Alert, ended: tuple[Alert, ...] = ()) -> None:
        """These fire; those have ended now."""
        entries = [*map(Entry, alerts), *(Entry(alert, time.time()) for alert in ended)]
        body = msgspec.json.encode([postable(entry, time.time(), 120.0) for entry in entries])
        headers = {"Content-Type": "application/json"}
        async with aiohttp.request("POST", self._url, data=body, headers=headers) as response:
            assert response.status == 200

    def heard(self) -> Counter[tuple[str, str, str]]:
        """Desk, status and what it is about, of each alert in each notification."""
        return Counter(
            (desk, alert["status"], alert["labels"].get("incident") or alert["labels"]["alertname"])
            for desk, notification in self.told
            for alert in notification["alerts"]
        )


@pytest.fixture
async def desks(program: Callable[[str], Path], tmp_path: Path) -> AsyncIterator[Desks]:
    """Alertmanager with its shipped configuration; behind it a gateway and a mail server of ours."""
    base = f"http://127.0.0.1:{free_port()}"
    ours = Desks(base)
    app = web.Application(client_max_size=2**24)
    app.router.add_post("/gateway/alertmanager/{desk}", ours.webhook)
    app.router.add_post("/gateway/watchdog", ours.webhook)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    smtp = await asyncio.get_running_loop().create_server(lambda: SMTP(ours, enable_SMTPUTF8=True), "127.0.0.1", 0)
    text = ALERTMANAGER.read_text(encoding="utf-8")
    for there, here in {
        "http://monitor:8080": f"http://127.0.0.1:{runner.addresses[0][1]}",
        "localhost:25": f"127.0.0.1:{smtp.sockets[0].getsockname()[1]}",
        "interval: 10s": "interval: 1s",
    }.items():
        assert there in text
        text = text.replace(there, here)
    (tmp_path / "alertmanager.yml").write_text(text, encoding="utf-8")
    (tmp_path / "gateway_secret").write_text("a word\n", encoding="utf-8")
    command = [
        str(program("prometheus-alertmanager")),
        f"--config.file={tmp_path / 'alertmanager.yml'}",
        f"--storage.path={tmp_path / 'data'}",
        f"--web.listen-address={base.removeprefix('http://')}",
        "--cluster.listen-address=",
    ]
    async with running(*command, ready=f"{base}/-/ready"):
        yield ours
    smtp.close()
    await runner.cleanup()


async def test_a_storm_is_one_notification_for_each_incident_and_none_for_its_points(
    desks: Desks, sample: Configuration, scene: Scene
) -> None:
    """Two districts fall, each of its own cause: points under a node are its incident's; those elsewhere come late.

    While we are blind nobody is told of anything but that, by a mail past the gateway.
    """
    first, second, other = (list(lost(sample, scene, code)) for code in ("397", "384", "395"))
    first = [alert for alert in first if alert.labels.get("aggregation") == "agg-397"]
    under = [alert for alert in second if alert.labels.get("feeder") == "feeder-384-1"]
    cut, dark = (
        incident_alert(incident, scene)
        for incident in (
            struck("agg-397", Tree.NETWORK, sample.inventory.network["agg-397"].operator, first),
            struck("feeder-384-1", Tree.POWER, sample.inventory.power["feeder-384-1"].operator, under),
        )
    )
    assert first
    assert under
    assert other
    await desks.post(*first, *under, *other[:3], cut, dark)
    branch = "dien-luc-muong-lat"
    want = [("vnpt-397", cut), (branch, dark), (TEAM, cut), (TEAM, dark)]
    await until(lambda: ("ky-thuat", "firing", "PointDown") in desks.heard())
    expected = Counter({(desk, "firing", alert.labels["incident"]): 1 for desk, alert in want})
    expected[TEAM, "firing", "PointDown"] = 3
    assert desks.heard() == expected
    assert len(desks.told) == 5, "three points of a district are one notification"
    assert desks.words == {"Bearer a word"}
    desks.told.clear()
    blind = monitor_blind(time.time(), "không nhận được trả lời nào", scene)
    await desks.post(blind)
    await until(lambda: desks.mails)
    await desks.post(
        *lost(sample, scene, "380"), incident_alert(struck("agg-380", Tree.NETWORK, "VNPT", list(first)), scene)
    )
    await asyncio.sleep(4)
    assert desks.told == []
    (mail,) = desks.mails
    assert (mail["To"], str(mail["Subject"])) == (
        "ky-thuat@technical.example.invalid",
        f"[GIÁM SÁT] {blind.annotations['summary']}",
    )
    text = mail.get_body(("plain",))
    assert text is not None
    assert blind.annotations["description"] in text.get_content()


async def test_what_was_wrong_ends_with_those_who_were_told(desks: Desks, sample: Configuration, scene: Scene) -> None:
    """Its end says why: because the cause became clear, or because it was another's."""
    points = list(lost(sample, scene, "384"))
    network, power = sample.inventory.network["agg-384"].operator, sample.inventory.power["feeder-384-1"].operator
    unclear = struck("agg-384", Tree.NETWORK, network, points, Certainty.UNDETERMINED)
    cut = struck("agg-384", Tree.NETWORK, network, points)
    asked, said = (incident_alert(incident, scene) for incident in (unclear, cut))
    branch = next(desk for desk in sample.contacts.desks.values() if desk.operators == (power,)).id
    (carrier,) = (desk.id for desk in sample.contacts.told_first(Company.TELECOM, said.labels))
    name = asked.labels["incident"]
    told_of_all = (carrier, TEAM, SITES, branch) if asked.labels.get("power_operator") else (carrier, TEAM, SITES)

    await desks.post(asked)
    await until(lambda: len(desks.told) >= len(told_of_all))
    assert desks.heard() == Counter({(desk, "firing", name): 1 for desk in told_of_all})
    desks.told.clear()

    await desks.post(said, ended=(replaced(asked, "chưa kết thúc; nay xác định: sự cố mạng"),))
    await until(lambda: any(status == "resolved" and desk == SITES for desk, status, _ in desks.heard()))
    (over,) = (told for desk, told in desks.told if desk == SITES)
    assert over["alerts"][0]["annotations"]["replaced"] == "chưa kết thúc; nay xác định: sự cố mạng"
    desks.told.clear()

    cut.state, cut.became = IncidentState.RETRACTED, "power:feeder-384-1"
    dark = struck("feeder-384-1", Tree.POWER, power, points)
    await desks.post(incident_alert(dark, scene), ended=(concluded(said, cut, dark, scene),))
    await until(lambda: {desk for desk, status, _ in desks.heard() if status == "resolved"} >= {carrier, TEAM})
    await until(lambda: (branch, "firing", "power:feeder-384-1") in desks.heard())
    (taken_back,) = (
        alert
        for desk, notification in desks.told
        for alert in notification["alerts"]
        if (desk, alert["status"], alert["labels"]["cause"]) == (carrier, "resolved", "telecom")
    )
    assert taken_back["annotations"]["retracted"].startswith("Rút lại: không phải do sự cố mạng: ")


async def test_a_reminder_is_one_notification_to_the_districts_desk(desks: Desks, sample: Configuration) -> None:
    """With what each point lacks and who is called; while it lasts it is not said again, and its end is no news."""
    live = sample.ceremony.phases[2]
    now = time.time()
    pipeline = Pipeline(sample.inventory, sample.ceremony, sample.policies(live), now, rules=sample.rules)
    ours = [p.id for p in sample.inventory.points.values() if p.district_code == DARK and p.expected]
    ledger = Ledger(pipeline, external_url="https://monitor.example.invalid")
    ledger.remind(Reminder(district=DARK, at=now, by="an", points=tuple(ours)), sample.coordinators, now)
    (alert,) = ledger.firing.values()
    await desks.post(alert)
    await desks.post(alert)
    await until(lambda: desks.told)
    await asyncio.sleep(2.5)  # two intervals of the group
    await desks.post(ended=(alert,))
    await asyncio.sleep(2.5)
    ((desk, notification),) = desks.told
    assert desk == "dau-moi-386"
    said = notification["alerts"][0]["annotations"]
    assert said["summary"].startswith(f"Huyện Bá Thước: còn {len(ours)}/{len(ours)} điểm cầu chưa sẵn sàng, hạn ")
    assert "chưa có người trực" in said["description"]
    assert "Đầu mối: Phòng Văn hóa, Khoa học và Thông tin Huyện Bá Thước (mẫu), 0000 000 386" in said["description"]
    assert said["dashboard"] == "https://monitor.example.invalid/readiness?district=386"


def measured(layer: Layer, district: str | None) -> Measurement:
    """What a probe finds there."""
    if district == CUT or (district == DARK and layer is Layer.SIGNALLING):
        return Measurement(False, 0.012, Failure.TIMEOUT)
    if district == DARK and layer is Layer.POWER:
        return Measurement(True, 0.012, figures=((ON_BATTERY.name, 1.0), (BATTERY_RUNTIME.name, 1200.0)))
    return Measurement(True, 0.012)


class Writing(msgspec.Struct):
    """A store that writes."""

    commits: int = 12
    failures: int = 0
    dropped: int = 0
    pending: int = 0
    last_commit_s: float = 0.003
    healthy: bool = True


@pytest.fixture
async def exposed(sample: Configuration) -> AsyncIterator[str]:
    """The address of a monitor's metrics: the sample province, one district of which is lost."""
    now = time.time()
    live = sample.ceremony.phases[2]
    pipeline = Pipeline(sample.inventory, sample.ceremony, sample.policies(live), now - 60, rules=sample.rules)
    for step in range(40):
        for place, check in enumerate(pipeline.checks.values()):
            at = now - 40 + step + place / len(pipeline.checks)
            status = pipeline.points.get(check.policy.point) if step > 20 else None
            measurement = measured(check.policy.layer, status.point.district_code if status else None)
            pipeline.observe(Observation(check.policy.check, at, "center", measurement))
        pipeline.tick(now - 40 + step + 1)
        if (question := pipeline.question(now - 40 + step + 1)) is not None:
            answer = question.attributor.explain(question.observed)
            pipeline.attributed(question, answer, 0.01, now - 40 + step + 1)
    counters = EngineCounters(Histogram.of(0.01, 0.1, 1.0), batches={"icmp": BatchCounters()})
    counters.scheduled = len(pipeline.checks)
    alerts = Alertmanagers(["http://127.0.0.1:9/am"], pipeline, external_url="https://monitor.example.invalid")
    alerts._refresh()
    pipeline.trend = Trend(Sample(now - 30 * ago, 1018, 1018, 900 - 10 * ago, 0) for ago in range(10))
    exposition = Exposition(pipeline, counters, LoopLag(), alerts, store=Writing)

    async def metrics(_request: web.Request) -> web.Response:
        counters.observed += 1653
        counters.lag.observe(0.005)
        pipeline.incidents.timed(0.005)
        pipeline.incidents.naming_times.observe(2.5)
        return web.Response(body=await exposition.render(), content_type="text/plain")

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_prometheus_scrapes_judges_and_feeds_the_dashboard(
    program: Callable[[str], Path], tmp_path: Path, exposed: str
) -> None:
    """With the shipped prometheus.yml: ``instance`` is the point, rules are in force, every panel has its series."""
    own = f"127.0.0.1:{free_port()}"
    text = PROMETHEUS.read_text(encoding="utf-8").replace("rules/", f"{PROMETHEUS.parent}/rules/")
    for there, here in {"monitor:8080": exposed, "alertmanager:9093": "127.0.0.1:9", "localhost:9090": own}.items():
        text = text.replace(there, here)
    (tmp_path / "prometheus.yml").write_text(text.replace("5s", "1s").replace("4s", "1s"), encoding="utf-8")
    command = [
        str(program("prometheus")),
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address={own}",
    ]
    async with running(*command, ready=f"http://{own}/-/ready") as session:

        async def ask(expr: str) -> list[dict[str, Any]]:
            async with session.post(f"http://{own}/api/v1/query", data={"query": expr}) as response:
                answer = await response.json()
                assert answer["status"] == "success", (expr, answer)
                found: list[dict[str, Any]] = answer["data"]["result"]
                return found

        await until(lambda: ask("count_over_time(diemcau_blind[1m]) > 3"))
        assert await ask('probe_success{instance="tinh-uy", check="icmp"} == 1')
        async with session.get(f"http://{own}/api/v1/rules") as response:
            (group,) = (await response.json())["data"]["groups"]
        assert all(rule["health"] in {"ok", "unknown"} for rule in group["rules"])
        for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
            exprs = [target["expr"].replace("$__rate_interval", "10s") for target in panel.get("targets", ())]
            series = [await ask(expr) for expr in exprs]
            assert all(series), panel["title"]
            assert sum(map(len, series)) <= 20, panel["title"]
        (worst,) = await ask(next(expr for expr in _exprs() if expr.startswith("topk(10, sum by (district_name)")))
        assert worst["metric"] == {"district_name": "Huyện Triệu Sơn"}
        for expr in (expr for expr in _exprs() if expr.startswith("topk(10, count by (district_name)")):
            assert [found["metric"] for found in await ask(expr)] == [{"district_name": "Huyện Bá Thước"}]


def _exprs() -> Iterator[str]:
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]
