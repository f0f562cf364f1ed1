"""Puts a rehearsal on: the province behind its forwarder, the real service before it, faults by the clock, a score.

Everything real runs inside the centre's namespace. What people see from outside are sockets of the host that are
opened before: the board's is handed to the service, those of Prometheus and Alertmanager are carried in (``doors``).
The calling process itself moves in and does not come back: this is for a command, not for a library.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from random import Random

import msgspec
from aiohttp import web

from monitor.configuration import Configuration
from monitor.configuration.checks import Role
from monitor.core.model import PointState
from monitor.rehearsal import directory, doors, namespaces, peers, scenario, sites
from monitor.rehearsal.children import Child, Household
from monitor.rehearsal.faults import Fault, Step, has_line, plan
from monitor.rehearsal.gathering import ServiceLog, Truth, Webhook
from monitor.rehearsal.links import Carried, Change, Changed, Lay, Report
from monitor.rehearsal.scenario import Scenario
from monitor.rehearsal.score import CONNECTED, Evidence, Score, score

BEAT_S = 0.1
WARM_UP_S = 30.0
"""How long the points may take to be all seen up before the scenario begins all the same."""
SETTLE_S = 3.0
"""Between the last point's coming up and the beginning, and for what is on its way at the end."""
START_S = 30.0
"""How long a program may take to serve."""
CONTROL_BYTES = 1 << 22


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
    """Where the logs, the configuration and Prometheus' data are kept."""
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
    forwarder: Carried | None
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
        configuration = directory.prepare(setting.config, config, everyone=setting.everyone, now=time.time())
        play = scenario.read(setting.scenario, configuration.inventory, configuration.check_sets)
        play = play.faster(setting.speed).with_loss(setting.loss_ratio, setting.mobile_loss_ratio)
        if setting.duration_s is not None:
            play = msgspec.structs.replace(play, duration_s=setting.duration_s)
        rehearsal = Rehearsal(setting, household, configuration, play, show, say, stack)
        return asyncio.run(rehearsal.run())


def _keep(household: Household, target: Path) -> None:
    household.end()
    shutil.copytree(household.scratch, target, dirs_exist_ok=True)


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
        checks = configuration.checks(configuration.ceremony.phases[-1])
        self._probed = frozenset(check.target for check in checks) & configuration.inventory.points.keys()
        self.scene = Scene(play, len(self._probed), faults=self._plan.faults)
        self._truth = Truth(self.evidence)
        self._webhook = Webhook(self.evidence)
        self._stop = asyncio.Event()
        self._board = stack.enter_context(doors.listen(*setting.board))
        self._doors = {name: stack.enter_context(doors.listen("127.0.0.1", port)) for name, port in PEER_PORTS.items()}
        points_end = namespaces.enter_points_side()
        stack.callback(os.close, points_end)
        self._sites = [stack.enter_context(sites.listen(port)) for port in sites.ports(checks)]
        self._ends = (points_end, namespaces.enter_centre_side())
        stack.callback(os.close, self._ends[1])

    async def run(self) -> Outcome:
        """From the first program started to the last one ended."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop.set)
        async with contextlib.AsyncExitStack() as stack:
            forwarder = await stack.enter_async_context(self._forwarder())
            service = await self._open(stack)
            began_at = time.time()
            await self._warm_up()
            await self._perform(forwarder)
            if self._setting.stay and not self._stop.is_set():
                self._enter("staying until Ctrl-C")
                await self._pause(float("inf"))
            cpu_s, resident = service.cpu_s, service.resident_bytes
            elapsed_s = time.time() - began_at
            self._log.read()
            carried = await forwarder.finish()
        return self._outcome(carried, cpu_s / max(elapsed_s, 0.1), resident, elapsed_s)

    # Opening

    @contextlib.asynccontextmanager
    async def _forwarder(self) -> AsyncIterator["Forwarder"]:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            fds = (*self._ends, theirs.fileno())
            self._household.start_own("forwarder", "monitor.rehearsal.links", *map(str, fds), pass_fds=fds)
            theirs.close()
            forwarder = Forwarder(*await asyncio.open_connection(sock=ours, limit=CONTROL_BYTES))
            await forwarder.order(self._lay())
            try:
                yield forwarder
            finally:
                forwarder.close()

    def _lay(self) -> Lay:
        points = self._configuration.inventory.points.values()
        lines = {
            point.address: self.scene.scenario.line(point.check_set, point.tier)
            for point in points
            if point.address is not None and has_line(point)
        }
        witnesses = self._configuration.witnesses.values()
        near = tuple(witness.target for witness in witnesses if witness.role is Role.GATEWAY)
        return Lay(lines, seed=self._rng.randrange(1 << 30), near=near)

    async def _open(self, stack: contextlib.AsyncExitStack) -> Child:
        """Start the peers and the service, each once what it needs is there."""
        alertmanager, prometheus = self._peers()
        background: list[Coroutine[None, None, None]] = [sites.serve(self._sites)]
        if alertmanager is not None:
            await self._receive(stack)
        for peer in filter(None, (alertmanager, prometheus)):
            self._household.start(peer.name, peer.command)
            background.append(doors.carry(self._doors[peer.name], peer.port))
        for name in self.scene.absent:
            self._doors[name].close()
        self._tasks = [asyncio.create_task(job) for job in background]
        stack.callback(lambda: [task.cancel() for task in self._tasks])
        if alertmanager is not None:
            await self._served(alertmanager.port)
        service = self._service(alerting=alertmanager is not None)
        self._log = ServiceLog(service.log, self.evidence, sorted(self._probed))
        stack.callback(self._log.close)
        return service

    def _peers(self) -> tuple[peers.Peer | None, peers.Peer | None]:
        scratch = self._household.scratch
        urls = {name: f"http://{doors.address(listener)}" for name, listener in self._doors.items()}
        alertmanager = peers.alertmanager(scratch, urls["alertmanager"])
        rules = peers.rule_files(self._setting.config) if self._setting.config else []
        prometheus = peers.prometheus(scratch, urls["prometheus"], rules, alerts=alertmanager is not None)
        found = {"alertmanager": alertmanager, "prometheus": prometheus}
        self.scene.addresses = {"board": f"http://{doors.address(self._board)}"}
        self.scene.addresses |= {name: urls[name] for name, peer in found.items() if peer is not None}
        self.scene.absent = tuple(name for name, peer in found.items() if peer is None)
        for name, url in self.scene.addresses.items():
            self._say(f"{name}: {url}/")
        for name in self.scene.absent:
            self._say(f"{name}: not on the PATH, done without")
        return alertmanager, prometheus

    async def _receive(self, stack: contextlib.AsyncExitStack) -> None:
        runner = web.AppRunner(self._webhook.application(), access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", peers.WEBHOOK_PORT).start()

    def _service(self, *, alerting: bool) -> Child:
        command = [
            *(sys.executable, "-m", "monitor", "run"),
            *("--config", str(self._household.scratch / "config")),
            *("--listen", f"fd:{self._board.fileno()}", "--listen", f"127.0.0.1:{peers.BOARD_PORT}"),
            *("--external-url", self.scene.addresses["board"], "--vantage", "rehearsal"),
            *("--log-format", "json", "--log-level", "debug"),
        ]
        if alerting:
            command += ["--alertmanager", f"http://127.0.0.1:{peers.ALERTMANAGER_PORT}"]
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

    async def _perform(self, forwarder: "Forwarder") -> None:
        self._enter(f"playing {self.scene.scenario.title}")
        self.evidence.began_at = time.time()
        start = time.monotonic()
        for number, step in enumerate(self._plan.steps):
            await self._pause(start + step.at_s - time.monotonic(), start)
            if self._stop.is_set():
                break
            self._announce(step)
            self._truth.happened(step, await forwarder.change(number, step))
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
        self.scene.blind = self._log.blind
        self._show(self.scene)

    def _enter(self, phase: str) -> None:
        self.scene.phase = phase
        self._say(phase)

    def _announce(self, step: Step) -> None:
        known = {hit.fault for hit in self.evidence.hits} | self.evidence.uplink.keys()
        new = {outage.fault for outage in step.cut} | ({step.fault} if step.uplink_loss else set())
        for number in sorted(fault for fault in new - known if fault is not None):
            struck = {outage.point for outage in self._plan.outages if outage.fault == number}
            hit = "our own uplink" if step.uplink_loss else f"{len(struck & self._probed)} points"
            self._say(f"fault: {self._plan.faults[number].name} ({self._plan.faults[number].kind}): {hit}")

    def _outcome(self, carried: Carried | None, cpu_ratio: float, resident: int, elapsed_s: float) -> Outcome:
        alerting = "alertmanager" not in self.scene.absent
        result = score(self.evidence, self._probed)
        return Outcome(
            scenario=self.scene.scenario.title,
            passed=result.passed,
            points=len(self._probed),
            elapsed_seconds=elapsed_s,
            alerts_by="prometheus-alertmanager" if alerting else "log",
            prometheus="prometheus" not in self.scene.absent,
            score=result,
            forwarder=carried,
            service_cpu_ratio=cpu_ratio,
            service_resident_bytes=resident,
            service_errors=dict(self._log.errors),
        )


PEER_PORTS = {"prometheus": peers.PROMETHEUS_PORT, "alertmanager": peers.ALERTMANAGER_PORT}


class Forwarder:
    """Our end of the forwarder's control connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._decoder = msgspec.json.Decoder(Report)

    def close(self) -> None:
        """Hang up: the forwarder ends by itself."""
        self._writer.close()

    async def order(self, order: Lay | Change) -> None:
        """Send one order."""
        self._writer.write(msgspec.json.encode(order) + b"\n")
        await self._writer.drain()

    async def change(self, number: int, step: Step) -> float:
        """Have a step made; the instant when it was."""
        cut, mend = (tuple(outage.address for outage in outages) for outages in (step.cut, step.mend))
        await self.order(Change(number, cut, mend, step.uplink_loss))
        report = self._decoder.decode(await self._reader.readline())
        if not isinstance(report, Changed):
            raise TypeError(f"expected the report of change {number}, got {report!r}")
        return report.at

    async def finish(self) -> Carried | None:
        """Have it end; what it carried."""
        self._writer.write_eof()
        line = await self._reader.readline()
        report = self._decoder.decode(line) if line else None
        return report if isinstance(report, Carried) else None
