"""Puts a rehearsal on: the province behind its forwarder, the real service before it, faults by the clock, a score.

What answers, and what speaks, at the points runs inside the points' namespace; everything of the centre's inside its
own. What people see from outside are sockets of the host that are opened before: the board's is handed to the
service, those of Prometheus and Alertmanager are carried in (``doors``). The calling process itself moves in and does
not come back: this is for a command, not for a library.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from random import Random

import msgspec
from aiohttp import web

from monitor.configuration import Configuration
from monitor.configuration.checks import Role
from monitor.configuration.links import GATEWAY_FILE, link_secret, webhook_secret
from monitor.core.incidents import Incident
from monitor.core.model import Point, PointState, Tier
from monitor.rehearsal import directory, doors, namespaces, peers, remote, reporting, scenario, servers, sites, upses
from monitor.rehearsal.batteries import Battery
from monitor.rehearsal.blame import BlameScore, judge
from monitor.rehearsal.children import Child, Household
from monitor.rehearsal.deliveries import Deliveries, Told, delivered, deliveries
from monitor.rehearsal.faults import Fault, Step, has_line, plan
from monitor.rehearsal.gathering import ServiceLog, Truth, Webhook
from monitor.rehearsal.links import Carried, Lay
from monitor.rehearsal.pages import Heard, Laptop, Open
from monitor.rehearsal.phones import Phones
from monitor.rehearsal.remote import Browsers, Forwarder
from monitor.rehearsal.reporting import Frozen, Reported
from monitor.rehearsal.scenario import MOBILE, Scenario
from monitor.rehearsal.score import CONNECTED, Evidence, Score, score
from monitor.rehearsal.servers import SERVERS, SIP_PORT
from monitor.rehearsal.upses import Upses
from monitor.rehearsal.watch import Watch
from monitor.service import alertmanager_configuration
from monitor.store import Store, default_url
from monitor.web.links import Links
from probes.model import Layer

BEAT_S = 0.1
WARM_UP_S = 30.0
"""How long the points may take to be all seen up before the scenario begins all the same."""
SETTLE_S = 3.0
"""Between the last point's coming up and the beginning, and for what is on its way at the end."""
ROUTES = "alertmanager.yml"
STATE = "state"
"""The service's own directory within ours."""
MOST_MESSAGES = 100_000
START_S = 30.0
"""How long a program may take to serve."""
LAPTOP_MINUTES = 90.0
"""What a laptop's battery lasts where its line ends before it."""
PAGE_TELLS_S = 3.0
"""So soon a page has told that its charger is without mains, on a mobile line as well."""
UPS_TELLS_S = 3.0
"""The same for a UPS, beyond the interval at which it is asked: its driver looks once a second."""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted of a rehearsal."""

    scenario: Path
    config: Path | None = None
    """None for the sample of Thanh Hóa."""
    duration_s: float | None = None
    """None for the scenario's own."""
    speed: float = 1.0
    everyone: bool = False
    seed: int = 0
    loss_ratio: float | None = None
    mobile_loss_ratio: float | None = None
    board: tuple[str, int] = ("127.0.0.1", peers.BOARD_PORT)
    keep: Path | None = None
    """Where the logs, the configuration, each message to a desk (messages.jsonl) and Prometheus' data are kept."""
    stay: bool = False
    """Keep everything running after the scenario, until told to stop."""


class Scene(msgspec.Struct):
    """What is shown while it runs."""

    scenario: Scenario
    points: int
    """Points that take part and are probed."""
    addresses: dict[str, str] = {}
    """Name → URL, of what can be looked at."""
    absent: tuple[str, ...] = ()
    """Programs that are not installed."""
    phase: str = "starting"
    elapsed_s: float = 0.0
    faults: tuple[Fault, ...] = ()
    counts: dict[PointState, int] = {}
    cut_now: int = 0
    alerts_firing: int = 0
    messages: int = 0
    """That have come to desks' phones."""
    blind: bool = False


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The result, as it is written with ``--json``."""

    scenario: str
    passed: bool
    points: int
    elapsed_seconds: float
    alerts_by: str
    """``prometheus-alertmanager``, or ``log``: the instant when the service would have posted."""
    prometheus: bool
    score: Score
    blame: BlameScore
    deliveries: Deliveries | None
    """None without Alertmanager: nobody is told."""
    forwarder: Carried | None
    pages: Heard | None
    reported: Reported
    frozen: Frozen | None
    """The count at the deadline, where the rehearsal lasted until then."""
    service_cpu_ratio: float
    """Of one core, from its start to its end."""
    service_resident_bytes: int
    service_errors: dict[str, int]
    """What it logged as errors, and how often."""


Show = Callable[[Scene], None]


def rehearse(setting: Setting, show: Show, say: Callable[[str], None]) -> Outcome:
    """Put it on, from beginning to end; SIGINT, SIGTERM and SIGHUP end it early, with the score so far.

    ``show`` gets the scene several times a second; ``say`` a line for each thing that happens.

    Raises:
        NamespacesUnavailable: no province can be emulated here.
        InvalidConfiguration: configuration or scenario are not valid.
        ChildDied: a program that is needed ended by itself.
        OSError: the board's address cannot be listened on.
    """
    with Household() as household, contextlib.ExitStack() as stack:
        if setting.keep is not None:
            stack.callback(_keep, household, setting.keep)
        config = household.scratch / "config"
        answered = ANSWERED | servers.answered()
        configuration, left_out = directory.prepare(
            setting.config, config, everyone=setting.everyone, now=time.time(), answered=answered
        )
        for kind in sorted(left_out):
            missing = SERVERS[kind].called if kind in SERVERS else "anything"
            say(f"checks of kind {kind} are left out: {missing} that would answer them is not here")
        play = scenario.read(setting.scenario, configuration.inventory, configuration.check_sets)
        play = play.faster(setting.speed).with_loss(setting.loss_ratio, setting.mobile_loss_ratio)
        if setting.duration_s is not None:
            play = msgspec.structs.replace(play, duration_s=setting.duration_s)
        rehearsal = Rehearsal(setting, household, configuration, play, show, say, stack)
        return asyncio.run(rehearsal.run())


ANSWERED = frozenset({"icmp", "tcp", "http"})
"""Kinds of probes that the kernel and ``sites`` answer for every point."""


def _keep(household: Household, target: Path) -> None:
    household.end()
    shutil.copytree(household.scratch, target, dirs_exist_ok=True, ignore=_no_files)


def _no_files(folder: str, names: list[str]) -> list[str]:
    """Sockets and pipes that programs left, and the state, which holds a secret."""
    return [name for name in names if name == STATE or not ((at := Path(folder, name)).is_dir() or at.is_file())]


class Rehearsal:
    """One rehearsal under way."""

    def __init__(
        self,
        setting: Setting,
        household: Household,
        configuration: Configuration,
        play: Scenario,
        show: Show,
        say: Callable[[str], None],
        stack: contextlib.ExitStack,
    ) -> None:
        """Opens the doors on the host and moves this process into the centre's namespace; ``stack`` closes them."""
        self._setting = setting
        self._household = household
        self._configuration = configuration
        self._show, self._say = show, say
        self._rng = Random(setting.seed)
        self._plan = plan(configuration.inventory, play, self._rng)
        self.evidence = Evidence(self._plan.faults)
        self._checks = configuration.checks(configuration.ceremony.phases[-1])
        points = configuration.inventory.points
        self._villages = [point for point in points.values() if _has_page(point)]
        self._probed = (frozenset(check.target for check in self._checks) & points.keys()) | {
            point.id for point in self._villages
        }
        self.scene = Scene(play, len(self._probed), faults=self._plan.faults)
        self._truth = Truth(self.evidence)
        self._webhook = Webhook(self.evidence)
        self._phones = Phones()
        self._stop = asyncio.Event()
        self._board = stack.enter_context(doors.listen(*setting.board))
        self._doors = {name: stack.enter_context(doors.listen("127.0.0.1", port)) for name, port in PEER_PORTS.items()}
        points_end = namespaces.enter_points_side()
        stack.callback(os.close, points_end)
        self._points_side = namespaces.here()
        stack.callback(os.close, self._points_side)
        self._sites = [stack.enter_context(sites.listen(port)) for port in sites.ports(self._checks)]
        self._ends = (points_end, namespaces.enter_centre_side())
        stack.callback(os.close, self._ends[1])
        self._upses = self._upses_of(upses.points_of(self._checks))
        self._links = Links(link_secret(household.scratch / STATE))
        duties = reporting.plan(configuration.inventory, play.duration_s, self._rng)
        board = f"http://127.0.0.1:{peers.BOARD_PORT}"
        self._technicians = reporting.Technicians(board, self._links, duties)
        self._watch = Watch(board, self._phones, Random(setting.seed))

    async def run(self) -> Outcome:
        """From the first program started to the last one ended."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop.set)
        async with contextlib.AsyncExitStack() as stack:
            forwarder = await stack.enter_async_context(remote.forwarder(self._household, self._ends, self._lay()))
            service = await self._open(stack)
            pages = remote.browsers(self._household, self._points_side, self._pages())
            browsers = await stack.enter_async_context(pages)
            began_at = time.time()
            await self._warm_up()
            for people in (self._technicians.run(), self._watch.run()):
                at_work = asyncio.create_task(people)
                self._tasks.append(at_work)
                stack.callback(at_work.cancel)
            await self._perform(forwarder, browsers)
            if self._setting.stay and not self._stop.is_set():
                self._enter("staying until Ctrl-C")
                await self._pause(float("inf"))
            cpu_s, resident = service.cpu_s, service.resident_bytes
            elapsed_s = time.time() - began_at
            self._log.read()
            holding, frozen = await reporting.kept(default_url(self._household.scratch / STATE))
            reported = self._technicians.outcome(holding)
            told = await _kept(default_url(self._household.scratch / STATE))
            heard, carried = await browsers.finish(), await forwarder.finish()
        self._phones.write(self._household.scratch / "messages.jsonl")
        return self._outcome(told, carried, heard, reported, frozen, cpu_s / max(elapsed_s, 0.1), resident, elapsed_s)

    # Opening

    def _lay(self) -> Lay:
        points = self._configuration.inventory.points.values()
        lines = {
            point.address: self.scene.scenario.line(point.check_set, point.tier)
            for point in points
            if point.address is not None and has_line(point)
        }
        witnesses = self._configuration.witnesses.values()
        near = tuple(witness.target for witness in witnesses if witness.role is Role.GATEWAY)
        codecs = sites.ports(self._checks, self._layers(Layer.SIGNALLING)) | {SIP_PORT}
        return Lay(lines, seed=self._rng.randrange(1 << 30), near=near, signalling=tuple(sorted(codecs)))

    def _layers(self, layer: Layer) -> frozenset[str]:
        """The modules whose answer proves this layer."""
        return frozenset(name for name, module in self._configuration.modules.items() if module.layer is layer)

    def _pages(self) -> Open:
        """The page of every village that takes part, with the link that was signed for it."""
        speed = self.scene.scenario.battery_speed
        laptops = tuple(
            Laptop(point.id, point.address or "", self._links.token(point.id), _laptop_minutes(point) * 60 / speed)
            for point in self._villages
        )
        port = peers.BOARD_PORT
        return Open((namespaces.CENTRE, port), (namespaces.CENTRE_V6, port), laptops, speed)

    def _upses_of(self, names: frozenset[str]) -> Upses | None:
        """The UPSes that are asked; None without any."""
        if not names:
            return None
        points, speed = self._configuration.inventory.points, self.scene.scenario.battery_speed
        batteries = {name: Battery(points[name].ups_minutes * 60 / speed, speed) for name in sorted(names)}
        return Upses(self._household.scratch, batteries)

    def _tells_s(self) -> dict[str, float]:
        """By point, how soon its UPS or its page tells that it is without mains."""
        tells = {
            check.target: check.interval_s + UPS_TELLS_S for check in self._checks if check.probe.kind == upses.KIND
        }
        return tells | {point.id: PAGE_TELLS_S for point in self._villages}

    async def _open(self, stack: contextlib.AsyncExitStack) -> Child:
        """Start the peers and the service, each once what it needs is there."""
        alertmanager, prometheus = self._peers()
        instrument = peers.instrument(self._household.scratch)
        background: list[Coroutine[None, None, None]] = [sites.serve(self._sites), *self._servers()]
        if alertmanager is not None:
            await self._receive(stack)
        seen = filter(None, (alertmanager, prometheus))
        background += [doors.carry(self._doors[peer.name], peer.port) for peer in seen]
        for peer in filter(None, (alertmanager, instrument, prometheus)):
            self._household.start(peer.name, peer.command)
        for name in self.scene.absent:
            self._doors[name].close()
        self._tasks = [asyncio.create_task(job) for job in background]
        stack.callback(lambda: [task.cancel() for task in self._tasks])
        for peer in filter(None, (alertmanager, instrument)):
            await self._served(peer.port)
        service = self._service(alerting=alertmanager is not None)
        self._log = ServiceLog(service.log, self.evidence, sorted(self._probed))
        stack.callback(self._log.close)
        return service

    def _servers(self) -> Iterator[Coroutine[None, None, None]]:
        """Start the real programs at the points; what keeps them going."""
        for name, command in servers.programs(self._checks, self._household.scratch):
            self._household.start(name, command, (), self._points_side)
        programs = upses.find()
        if self._upses is not None and programs is not None:
            for name, command in self._upses.commands(programs):
                self._household.start(name, command, (), self._points_side, self._upses.environment)
            yield self._upses.run()

    def _peers(self) -> tuple[peers.Peer | None, peers.Peer | None]:
        scratch = self._household.scratch
        urls = {name: f"http://{doors.address(listener)}" for name, listener in self._doors.items()}
        alertmanager = peers.alertmanager(scratch, urls["alertmanager"], self._routes())
        rules = peers.rule_files(self._setting.config) if self._setting.config else []
        prometheus = peers.prometheus(scratch, urls["prometheus"], rules, alerts=alertmanager is not None)
        found = {"alertmanager": alertmanager, "prometheus": prometheus}
        self.scene.addresses = {"board": f"http://{doors.address(self._board)}/wall/{self._links.wall_token()}"}
        self.scene.addresses |= {name: f"{urls[name]}/" for name, peer in found.items() if peer is not None}
        self.scene.absent = tuple(name for name, peer in found.items() if peer is None)
        for name, url in self.scene.addresses.items():
            self._say(f"{name}: {url}")
        for name in self.scene.absent:
            self._say(f"{name}: not on the PATH, done without")
        return alertmanager, prometheus

    def _routes(self) -> Path:
        """Alertmanager's configuration, as the service will keep it: it has to start before."""
        state, written = self._household.scratch / STATE, self._household.scratch / ROUTES
        webhook_secret(state, None)
        text = alertmanager_configuration(self._configuration, str((state / GATEWAY_FILE).absolute()))
        written.write_text(text, encoding="utf-8")
        return written

    async def _receive(self, stack: contextlib.AsyncExitStack) -> None:
        await self._phones.open(stack)
        runner = web.AppRunner(self._webhook.application(), access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", peers.WEBHOOK_PORT).start()

    def _service(self, *, alerting: bool) -> Child:
        command = [
            *(sys.executable, "-m", "monitor", "run"),
            *("--config", str(self._household.scratch / "config")),
            *("--listen", f"fd:{self._board.fileno()}", "--listen", f":{peers.BOARD_PORT}"),
            *("--state", str(self._household.scratch / STATE)),
            *("--external-url", f"http://{doors.address(self._board)}", "--vantage", "rehearsal"),
            *("--log-format", "json", "--log-level", "debug"),
        ]
        if alerting:
            for port in (peers.ALERTMANAGER_PORT, peers.INSTRUMENT_PORT):
                command += ["--alertmanager", f"http://127.0.0.1:{port}"]
            command += ["--alertmanager-config", str(self._household.scratch / ROUTES)]
        return self._household.start("service", command, pass_fds=[self._board.fileno()])

    async def _served(self, port: int) -> None:
        """Wait until something serves on the port."""
        give_up = time.monotonic() + START_S
        while not self._stop.is_set():
            self._household.check()
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            if time.monotonic() > give_up:
                raise TimeoutError(f"nothing serves on port {port} after {START_S:g} s")
            await asyncio.sleep(BEAT_S)

    # Playing

    async def _warm_up(self) -> None:
        """Until every point that is probed has been seen up."""
        self._enter("warming up")
        give_up = time.monotonic() + WARM_UP_S
        while not self._stop.is_set() and not self._all_up() and time.monotonic() < give_up:
            await self._pause(BEAT_S)
        if not self._stop.is_set() and not self._all_up():
            self._say(f"not all points came up within {WARM_UP_S:g} s; the scenario begins all the same")
        await self._pause(SETTLE_S)

    def _all_up(self) -> bool:
        return all(self._log.states[point] in CONNECTED for point in self._probed)

    async def _perform(self, forwarder: Forwarder, browsers: Browsers) -> None:
        self._enter(f"playing {self.scene.scenario.title}")
        self.evidence.began_at = time.time()
        start = time.monotonic()
        for number, step in enumerate(self._plan.steps):
            await self._pause(start + step.at_s - time.monotonic(), start)
            if self._stop.is_set():
                break
            self._announce(step)
            self._truth.happened(step, await forwarder.change(number, step))
            await browsers.change(step)
            if self._upses is not None:
                self._upses.turn((span.point for span in step.dark), mains=False)
                self._upses.turn((span.point for span in step.lit), mains=True)
        await self._pause(start + self.scene.scenario.duration_s - time.monotonic(), start)
        self._log.read()
        self.evidence.ended_at = time.time()

    async def _pause(self, seconds: float, start: float | None = None) -> None:
        """Let time pass, unless told to stop, and show how things are. Raises ChildDied."""
        until = time.monotonic() + seconds
        while not self._stop.is_set():
            self._check()
            self._log.read()
            if start is not None:
                self.scene.elapsed_s = time.monotonic() - start
            self._refresh()
            rest_s = until - time.monotonic()
            if rest_s <= 0:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), min(BEAT_S, rest_s))

    def _check(self) -> None:
        """Raises what ended a program or a task of ours."""
        self._household.check()
        for task in self._tasks:
            if task.done():
                task.result()

    def _refresh(self) -> None:
        self.scene.counts = dict(self._log.counts)
        self.scene.cut_now = len(self._truth.cut_now & self._probed)
        self.scene.alerts_firing = len(self._webhook.firing)
        self.scene.messages = len(self._phones.arrived)
        self.scene.blind = self._log.blind
        self._show(self.scene)

    def _enter(self, phase: str) -> None:
        self.scene.phase = phase
        self._say(phase)

    def _announce(self, step: Step) -> None:
        known = {hit.fault for hit in (*self.evidence.hits, *self.evidence.dark, *self.evidence.mute)}
        known |= self.evidence.uplink.keys()
        new = {span.fault for span in (*step.cut, *step.dark, *step.mute)}
        if step.uplink_loss and step.fault is not None:
            new.add(step.fault)
        for number in sorted(new - known):
            hit = "our own uplink" if step.uplink_loss else f"{len(self._struck(number) & self._probed)} points"
            self._say(f"fault: {self._plan.faults[number].name} ({self._plan.faults[number].kind}): {hit}")

    def _struck(self, fault: int) -> set[str]:
        spans = (*self._plan.outages, *self._plan.blackouts, *self._plan.codecs_off)
        return {span.point for span in spans if span.fault == fault}

    def _outcome(
        self,
        told: Told,
        carried: Carried | None,
        heard: Heard | None,
        reported: Reported,
        frozen: Frozen | None,
        cpu_ratio: float,
        resident: int,
        elapsed_s: float,
    ) -> Outcome:
        alerting = "alertmanager" not in self.scene.absent
        result = score(self.evidence, self._probed, tells_s=self._tells_s())
        inventory, contacts = self._configuration.inventory, self._configuration.contacts
        arrived = self._phones.arrived
        blame = judge(
            self.evidence,
            self._log.named,
            delivered(arrived, told, contacts),
            inventory,
            self._probed,
            alerted=alerting,
        )
        sent = deliveries(
            arrived,
            told,
            contacts,
            inventory,
            self.evidence,
            [row.told_seconds for row in blame.rows if row.owed and row.told_seconds is not None],
            probed=self._probed,
            acknowledged=self._watch.tapped,
            refused=self._watch.refused,
        )
        return Outcome(
            scenario=self.scene.scenario.title,
            passed=result.passed
            and blame.passed
            and not (reported.refused or reported.lost)
            and (sent.passed or not alerting),
            points=len(self._probed),
            elapsed_seconds=elapsed_s,
            alerts_by="prometheus-alertmanager" if alerting else "log",
            prometheus="prometheus" not in self.scene.absent,
            score=result,
            blame=blame,
            deliveries=sent if alerting else None,
            forwarder=carried,
            pages=heard,
            reported=reported,
            frozen=frozen,
            service_cpu_ratio=cpu_ratio,
            service_resident_bytes=resident,
            service_errors=dict(self._log.errors),
        )


PEER_PORTS = {"prometheus": peers.PROMETHEUS_PORT, "alertmanager": peers.ALERTMANAGER_PORT}


async def _kept(store: str) -> Told:
    """What the gateway has told, and the incidents as they stand."""
    opened = await Store.open(store)
    try:
        messages = await opened.messages(0.0, limit=MOST_MESSAGES)
        notices = await opened.notices([name for message in messages for name in message.notices])
        incidents = [msgspec.msgpack.decode(body, type=Incident) for body in await opened.incidents(0.0)]
    finally:
        await opened.close()
    return Told({each.tracking_id: each for each in messages}, {each.tracking_id: each for each in notices}, incidents)


def _has_page(point: Point) -> bool:
    """Whether a laptop at the point keeps its page open: villages sit before one."""
    return point.tier is Tier.VILLAGE and point.expected and has_line(point)


def _laptop_minutes(point: Point) -> float:
    """On a mobile line the laptop's battery is what the point lasts by."""
    mobile = (point.check_set or "").endswith(MOBILE)
    return point.ups_minutes if mobile and point.ups_minutes else LAPTOP_MINUTES
