"""The shipped configuration of Prometheus and Alertmanager, judged and run by the real programs."""

import asyncio
import json
import re
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.header import decode_header, make_header
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import yaml
from aiohttp import web

from monitor.alerting.alertmanager import Alertmanagers, postable
from monitor.alerting.incidents import concluded, incident_alert
from monitor.alerting.ledger import Entry, Ledger
from monitor.alerting.messages import Alert, Scene, monitor_blind, point_down, replaced
from monitor.configuration import Configuration, load
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


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ({"cause": "undetermined"}, "ky-thuat,vnpt,dien-luc,diem-cau"),
        ({"cause": "telecom"}, "ky-thuat,vnpt"),
        ({"cause": "power"}, "ky-thuat,dien-luc"),
        ({"cause": "site"}, "ky-thuat,diem-cau"),
        ({"cause": "site", "severity": "info"}, "ky-thuat"),
        ({"alertname": "PointDegraded", "cause": "site"}, "ky-thuat,diem-cau"),
        ({"alertname": "PointDown", "cause": "point"}, "ky-thuat"),
        ({"alertname": "PointDown", "cause": "telecom"}, "ky-thuat"),
        ({"cause": "monitor"}, "ky-thuat"),
        ({"cause": "undetermined", "severity": "warning"}, "ky-thuat,vnpt,dien-luc,diem-cau"),
        ({"cause": "undetermined", "severity": "info"}, "ky-thuat"),
        ({"cause": "telecom", "operator": "Viettel (mẫu)"}, "ky-thuat"),
        ({"cause": "undetermined", "operator": "Viettel (mẫu)"}, "ky-thuat,dien-luc,diem-cau"),
        ({"cause": "telecom", "severity": "warning"}, "ky-thuat,vnpt"),
        ({"cause": "telecom", "severity": "info"}, "ky-thuat"),
        ({"alertname": "PointDegraded", "cause": "site", "severity": "info"}, "ky-thuat"),
        ({"cause": "power", "power_operator": ""}, "ky-thuat"),
        ({"cause": ""}, "ky-thuat"),
        ({"alertname": "CheckInReminder", "cause": "reminder"}, "dieu-phoi"),
        ({"alertname": "CheckInReminder", "cause": "reminder", "severity": "info"}, "dieu-phoi"),
        ({"alertname": "ReadinessBehind", "cause": "readiness"}, "ky-thuat"),
    ],
    ids=str,
)
def test_who_is_told_of_which_cause(program: Callable[[str], Path], labels: dict[str, str], receivers: str) -> None:
    """VNPT of its lines, electricity of its grid, both and the site while the cause is open; no company of a point."""
    owners = {"operator": "VNPT Thanh Hóa", "power_operator": "Điện lực Triệu Sơn"}
    given = {"alertname": "Incident", **owners, "severity": "critical", **labels}
    pairs = [f"{name}={value}" for name, value in given.items() if value]
    command = [str(program("amtool")), "config", "routes", "test", f"--config.file={ALERTMANAGER}", *pairs]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == receivers


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


class MailServer:
    """Takes mail by SMTP (RFC 5321), as much of it as Alertmanager speaks."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, str, str]] = []
        """Recipient, subject, text."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            writer.write(b"220 here\r\n")
            await self.talk(reader, writer)
        finally:
            writer.close()
            await writer.wait_closed()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Commands and answers, until QUIT or the end."""
        recipient = ""
        while line := await reader.readline():
            match line[:4].upper():
                case b"RCPT":
                    recipient = line.decode().partition("<")[2].partition(">")[0]
                case b"DATA":
                    writer.write(b"354 go on\r\n")
                    self.take(recipient, await reader.readuntil(b"\r\n.\r\n"))
                case b"QUIT":
                    writer.write(b"221 bye\r\n")
                    return
            writer.write(b"250 ok\r\n")

    def take(self, recipient: str, content: bytes) -> None:
        """One mail."""
        mail = message_from_bytes(content)
        text = next(part for part in mail.walk() if part.get_content_type() == "text/plain").get_payload(decode=True)
        assert isinstance(text, bytes)
        self.mails.append(
            (recipient.partition("@")[0], str(make_header(decode_header(mail["Subject"]))), text.decode())
        )

    def subjects(self) -> set[tuple[str, str]]:
        """Who got which subject."""
        return {(recipient, subject) for recipient, subject, _ in self.mails}


@pytest.fixture
async def mail() -> AsyncIterator[tuple[MailServer, int]]:
    """A mail server and its port."""
    ours = MailServer()
    server = await asyncio.start_server(ours.serve, "127.0.0.1", 0, limit=2**24)
    yield ours, server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


@pytest.fixture(scope="module")
def sample() -> Configuration:
    """Thanh Hóa, as shipped."""
    return load(ROOT / "config")


@pytest.fixture
def scene(sample: Configuration) -> Scene:
    """The live phase."""
    (live,) = (phase for phase in sample.ceremony.phases if phase.severity == "critical")
    return Scene.of(sample.inventory, sample.ceremony, live, "https://monitor.example.invalid", time.time())


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


class Mailing:
    """The shipped Alertmanager: alerts in, mails out."""

    def __init__(self, server: MailServer, base: str, session: aiohttp.ClientSession) -> None:
        self.server = server
        self._url = f"{base}/api/v2/alerts"
        self._session = session

    async def post(self, *alerts: Alert, ended: tuple[Alert, ...] = ()) -> None:
        """These fire; those have ended now."""
        entries = [*map(Entry, alerts), *(Entry(alert, time.time()) for alert in ended)]
        body = msgspec.json.encode([postable(entry, time.time(), 120.0) for entry in entries])
        headers = {"Content-Type": "application/json"}
        async with self._session.post(self._url, data=body, headers=headers) as response:
            assert response.status == 200

    async def mails(self, want: set[tuple[str, str]]) -> None:
        """These subjects come to these desks, each once, and no other."""
        await until(lambda: len(self.server.mails) >= len(want))
        assert self.server.subjects() == want
        assert len(self.server.mails) == len(want)
        self.server.mails.clear()


@pytest.fixture
async def mailing(
    program: Callable[[str], Path], tmp_path: Path, mail: tuple[MailServer, int]
) -> AsyncIterator[Mailing]:
    """Alertmanager with its shipped configuration, and a mail server of ours."""
    server, smtp = mail
    text = ALERTMANAGER.read_text(encoding="utf-8").replace("localhost:25", f"127.0.0.1:{smtp}")
    (tmp_path / "alertmanager.yml").write_text(
        text.replace("templates/", f"{ALERTMANAGER.parent}/templates/").replace("interval: 10s", "interval: 1s"),
        encoding="utf-8",
    )
    base = f"http://127.0.0.1:{free_port()}"
    command = [
        str(program("prometheus-alertmanager")),
        f"--config.file={tmp_path / 'alertmanager.yml'}",
        f"--storage.path={tmp_path / 'data'}",
        f"--web.listen-address={base.removeprefix('http://')}",
        "--cluster.listen-address=",
    ]
    async with running(*command, ready=f"{base}/-/ready") as session:
        yield Mailing(server, base, session)


async def test_a_storm_is_a_few_mails(mailing: Mailing, sample: Configuration, scene: Scene) -> None:
    """Two districts fall, each of its own cause: one mail to VNPT, one to the branch; of points our own team reads.

    While we are blind nobody else is told of anything.
    """
    first, second = list(lost(sample, scene, "397")), list(lost(sample, scene, "384"))
    names = [sample.inventory.districts[code].name for code in ("397", "384")]
    cut, dark = (
        incident_alert(incident, scene)
        for incident in (
            struck("agg-397", Tree.NETWORK, sample.inventory.network["agg-397"].operator, first),
            struck("feeder-384-1", Tree.POWER, sample.inventory.power["feeder-384-1"].operator, second),
        )
    )
    await mailing.post(*first, *second, cut, dark)
    want = {
        ("truc-ky-thuat", f"[ĐIỂM CẦU] {len(alerts)} điểm mất kết nối: {place}")
        for alerts, place in zip((first, second), names, strict=True)
    }
    want |= {("truc-ung-cuu", f"[SỰ CỐ] {cut.annotations['summary']}")}
    want |= {("truc-dieu-do", f"[SỰ CỐ] {dark.annotations['summary']}")}
    want |= {("truc-ky-thuat", f"[SỰ CỐ] {alert.annotations['summary']}") for alert in (cut, dark)}
    await until(lambda: len(mailing.server.mails) >= len(want))
    assert first[0].annotations["description"] in "".join(text for _, _, text in mailing.server.mails)
    await mailing.mails(want)
    blind = monitor_blind(time.time(), "không nhận được trả lời nào", scene)
    await mailing.post(blind)
    await until(lambda: mailing.server.mails)
    await mailing.post(
        *lost(sample, scene, "380"), incident_alert(struck("agg-380", Tree.NETWORK, "VNPT", list(first)), scene)
    )
    await asyncio.sleep(4)
    await mailing.mails({("truc-ky-thuat", f"[GIÁM SÁT] {blind.annotations['summary']}")})


async def test_what_was_wrong_is_taken_back_by_mail(mailing: Mailing, sample: Configuration, scene: Scene) -> None:
    """The subject says so, to those who were told, and what is over only because its cause became clear is not over."""
    points = list(lost(sample, scene, "384"))
    network, power = sample.inventory.network["agg-384"].operator, sample.inventory.power["feeder-384-1"].operator
    unclear = struck("agg-384", Tree.NETWORK, network, points, Certainty.UNDETERMINED)
    cut = struck("agg-384", Tree.NETWORK, network, points)
    dark = struck("feeder-384-1", Tree.POWER, power, points)
    asked, told, now = (incident_alert(incident, scene) for incident in (unclear, cut, dark))
    everybody = ("truc-ky-thuat", "truc-ung-cuu", "truc-dieu-do", "dau-moi-diem-cau")

    await mailing.post(asked)
    await mailing.mails({(desk, f"[SỰ CỐ] {asked.annotations['summary']}") for desk in everybody})

    clear = replaced(asked, "chưa kết thúc; nay xác định: sự cố mạng")
    await mailing.post(told, ended=(clear,))
    subject = f"[SỰ CỐ] {asked.annotations['summary']}: chưa kết thúc; nay xác định: sự cố mạng"
    want = {(desk, f"[SỰ CỐ] {told.annotations['summary']}") for desk in everybody[:2]}
    await mailing.mails(want | {(desk, subject) for desk in everybody[2:]})

    cut.state, cut.became = IncidentState.RETRACTED, dark.id
    taken_back = concluded(told, cut, dark, scene)
    await mailing.post(now, ended=(taken_back,))
    subject = f"[SỰ CỐ] {taken_back.annotations['retracted']}. Đã báo: {told.annotations['summary']}"
    assert subject.startswith("[SỰ CỐ] Rút lại: không phải do sự cố mạng: ")
    want = {(desk, f"[SỰ CỐ] {now.annotations['summary']}") for desk in ("truc-ky-thuat", "truc-dieu-do")}
    await mailing.mails(want | {(desk, subject) for desk in everybody[:2]})

    dark.state, dark.points, dark.hit = IncidentState.RESOLVED, (), set(dark.points)
    over = concluded(now, dark, None, scene)
    await mailing.post(ended=(over,))
    subject = f"[SỰ CỐ] Đã kết thúc: {over.annotations['summary']}"
    await mailing.mails({(desk, subject) for desk in ("truc-ky-thuat", "truc-dieu-do")})


async def test_a_reminder_is_one_mail_to_the_districts_desk(mailing: Mailing, sample: Configuration) -> None:
    """With what each point lacks and who is called; while it lasts it is not said again, and its end is no news."""
    live = sample.ceremony.phases[2]
    now = time.time()
    pipeline = Pipeline(sample.inventory, sample.ceremony, sample.policies(live), now, rules=sample.rules)
    ours = [p.id for p in sample.inventory.points.values() if p.district_code == DARK and p.expected]
    ledger = Ledger(pipeline, external_url="https://monitor.example.invalid")
    ledger.remind(Reminder(district=DARK, at=now, by="an", points=tuple(ours)), sample.coordinators, now)
    (alert,) = ledger.firing.values()
    await mailing.post(alert)
    await mailing.post(alert)
    await until(lambda: mailing.server.mails)
    ((_, _, text),) = mailing.server.mails
    assert "ĐỀ NGHỊ BÁO SỐ" in text
    assert "chưa có người trực" in text
    assert "Đầu mối: Phòng Văn hóa, Khoa học và Thông tin Huyện Bá Thước (mẫu), 0000 000 386" in text
    assert "https://monitor.example.invalid/readiness?district=386" in text
    await asyncio.sleep(2.5)  # two intervals of the group
    await mailing.post(ended=(alert,))
    await asyncio.sleep(2.5)
    subject = f"[NHẮC BÁO SỐ] {alert.annotations['summary']}"
    assert subject.startswith(f"[NHẮC BÁO SỐ] Huyện Bá Thước: còn {len(ours)}/{len(ours)} điểm cầu chưa sẵn sàng, hạn ")
    await mailing.mails({("dau-moi-huyen", subject)})


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
