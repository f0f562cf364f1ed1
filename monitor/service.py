"""Opens every room, wires them, drains and closes: alone knows them all, and decides nothing.

One event loop, one direction: the engine emits observations, the pipeline folds them into happenings, and each
happening is told to the log, to the alerts and to the board, none of which can hold up probing.
"""

import asyncio
import gc
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import msgspec
import structlog
from aiohttp import ClientSession, web

from monitor.alerting.alertmanager import Alertmanagers
from monitor.alerting.gateway.dispatcher import Dispatcher
from monitor.alerting.gateway.gateway import Gateway
from monitor.alerting.messages import Alert
from monitor.alerting.publication import publish
from monitor.alerting.receivers import Receiver, connect
from monitor.alerting.routes import Surroundings, rendered
from monitor.alerting.silences import Silences
from monitor.configuration import Configuration, InvalidConfiguration, load
from monitor.configuration.links import GATEWAY_FILE, link_secret, webhook_secret
from monitor.configuration.reload import reload
from monitor.core.access import AccessPolicy, AuditEntry
from monitor.core.checkin import Author, CheckIn, Draft
from monitor.core.contacts import Channel
from monitor.core.model import (
    BlindnessChanged,
    CheckChanged,
    CheckedIn,
    Happening,
    IncidentChanged,
    PhaseChanged,
    PointChanged,
    PointState,
    PowerChanged,
)
from monitor.core.organization import Coordinator, Reminder, ReportForm
from monitor.core.phases import phase_at
from monitor.core.pipeline import Pipeline, Strain
from monitor.core.power import BROWSER, Reading
from monitor.core.pulse import Beat, Pulses, check_of
from monitor.core.records import NotRecorded
from monitor.core.snapshot import Content, Snapshot, SnapshotHead
from monitor.metrics import Exposition, LoopLag
from monitor.registrar import Registrar
from monitor.report import report
from monitor.store import Store, default_url
from monitor.web.app import BOARD, READINESS, create_app
from monitor.web.links import Links
from probes.engine import Engine, probe_once
from probes.model import Check, Measurement, Observation
from probes.registry import FIGURES

TICK_S = 0.1
SWITCH_S = 0.0002
"""A thread that computes gives way so soon: after each packet that the loop sends it would wait for that."""
GC_THRESHOLD = (20_000, 20, 50)
"""Rarer than Python's own: with thousands of sockets a full collection holds the loop for a quarter of a second."""
BACKLOG = 4096
"""Connections that wait to be accepted: after a restart every page comes back within seconds."""
STARTS_QUIETLY = frozenset({PointState.UNKNOWN, PointState.NOT_EXPECTED})

log = structlog.get_logger("diemcau")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says, beside the configuration directory's own content."""

    config: Path
    listen: tuple[str, ...]
    """``HOST:PORT``, ``[v6]:PORT``, ``:PORT`` for all addresses, or ``fd:N`` for a socket that is already open."""
    alertmanagers: tuple[str, ...] = ()
    external_url: str = ""
    """Where people reach the board; links in alerts begin with it."""
    vantage: str = "center"
    state: Path
    """The directory of what outlives a run: the secret that signs the links to points' pages."""
    store: str = ""
    """Where check-ins, snapshots, incidents and accounts are kept: a URL; empty for a file in the state directory."""
    gateway_secret: Path | None = None
    """The file with the word that Alertmanager's webhooks bring; by default one in the state directory."""
    alertmanager_config: Path | None = None
    """The file of Alertmanager's configuration that is kept as the contacts say; None to leave it alone."""
    probe_any_target: bool = False
    """Let ``/probe`` ask addresses that are not in the inventory."""


class Service:
    """One running monitor. ``await Service(settings).run()`` returns after SIGTERM or SIGINT."""

    def __init__(self, settings: Settings) -> None:
        """Raises InvalidConfiguration when there is nothing valid to start with, SecretUnusable without a secret."""
        self.settings = settings
        self.configuration = load(settings.config)
        self._secret = link_secret(settings.state)
        self._webhook_secret = webhook_secret(settings.state, settings.gateway_secret)
        self.links = self._signed_links()
        now = time.time()
        first, ceremony = self.configuration.inventory, self.configuration.ceremony
        self.pipeline = Pipeline(first, ceremony, (), now)
        self._put_in_force(now)
        self.pulses = Pulses(settings.vantage)
        self.engine = Engine(self._observe, vantage=settings.vantage)
        self.engine.update(self.configuration.checks(self.pipeline.phase))
        self.lag = LoopLag()
        self.alerts = Alertmanagers(
            settings.alertmanagers,
            self.pipeline,
            external_url=settings.external_url,
            monitor=settings.vantage,
            coordinators=lambda: self.coordinators,
        )
        self._exposition = Exposition(
            self.pipeline,
            self.engine.counters,
            self.lag,
            self.alerts,
            kind_of=lambda module: self.kind_of(module) or "",
            figures=FIGURES,
            pages=lambda: self.pulses.sessions,
            store=lambda: self._store.writer if self._store is not None else None,
            gateway=lambda: self._gateway.counters if self._gateway is not None else None,
        )
        self._store: Store | None = None
        self._registrar: Registrar | None = None
        self._gateway: Gateway | None = None
        self.silences = Silences(settings.alertmanagers, lambda: self._session, time.time)
        self._channels: Mapping[Channel, Receiver] = dict[Channel, Receiver]()
        """Through which the gateway sends; others after a reload."""
        self.app = create_app(self)
        self._reloading = asyncio.Lock()
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Serve until told to stop, then say what is pending and close."""
        _allow_many_sockets()
        gc.collect()
        gc.freeze()  # the inventory lives as long as we do: no use in walking it again and again
        gc.set_threshold(*GC_THRESHOLD)
        sys.setswitchinterval(SWITCH_S)
        async with AsyncExitStack() as stack:
            await self._open_store(stack)
            await self._open_gateway(stack)
            runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=1.0)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            for address in self.settings.listen:
                await _site(runner, address).start()
                log.info("listening", address=address)
            tasks = [asyncio.create_task(job, name=name) for name, job in self._jobs().items()]
            stack.push_async_callback(_cancel, tasks)
            self._watch_signals()
            points = len(self.pipeline.points)
            log.info("monitoring", points=points, checks=len(self.pipeline.checks), phase=self.pipeline.phase.name)
            await self._until_stopped(tasks)

    def ready(self) -> bool:
        """Whether something has been observed, so that the board says more than nothing."""
        return self.engine.counters.observed > 0 or not self.pipeline.checks

    async def exposition(self) -> bytes:
        """The text of ``/metrics``."""
        return await self._exposition.render()

    def beat(self, point_id: str, session: str, beat: Beat) -> None:
        """A heartbeat of a point's own page arrived."""
        now = time.time()
        self._observe(self.pulses.beat(point_id, session, beat, now))
        if (on_battery := self.pulses[point_id].on_battery) is not None:
            reading = Reading(BROWSER, on_battery, now, beat.discharging_s, beat.charge_ratio)
            self._tell(self.pipeline.hear_power(point_id, reading))

    def leave(self, point_id: str, session: str) -> None:
        """A point's own page was closed in an orderly way."""
        now = time.time()
        if self.pulses.leave(point_id, session, now):
            self._tell(self.pipeline.leave(check_of(point_id), now))

    @property
    def records(self) -> Store:
        """What outlives a run; there once the service runs."""
        if self._store is None:
            raise NotRecorded("the store is not open yet")
        return self._store

    @property
    def registrar(self) -> Registrar:
        """Who keeps it; there once the service runs."""
        if self._registrar is None:
            raise NotRecorded("the store is not open yet")
        return self._registrar

    @property
    def gate(self) -> Gateway:
        """The gateway; there once the service runs."""
        if self._gateway is None:
            raise NotRecorded("the store is not open yet")
        return self._gateway

    @property
    def access(self) -> AccessPolicy:
        """How people are let in."""
        return self.configuration.access

    @property
    def coordinators(self) -> Mapping[str, Coordinator]:
        """Who answers for a district or commune."""
        return self.configuration.coordinators

    async def check_in(self, drafts: Sequence[tuple[str, Draft]], author: Author, audit: AuditEntry) -> list[CheckIn]:
        """Points report, all or none. Committed when it returns; raises NotRecorded."""
        return await self.registrar.check_in(drafts, author, audit)

    async def take_snapshot(self, by: str, audit: AuditEntry) -> Snapshot:
        """Freeze the count as it is. Raises NotRecorded."""
        return await self.registrar.take_snapshot(by, audit)

    async def remind(self, district: str, by: str, audit: AuditEntry) -> Reminder:
        """Ask a district for what is missing, through the alert channels. Raises TooSoon, NotRecorded."""
        reminder = await self.registrar.remind(district, by, audit)
        self.alerts.remind(reminder)
        return reminder

    async def report(self, content: Content, form: ReportForm, snapshot: SnapshotHead | None = None) -> bytes:
        """The report to the People's Committee, written in a thread."""
        return await asyncio.to_thread(report, content, self.configuration.letterhead, form, snapshot)

    @property
    def firing(self) -> Mapping[str, Alert]:
        """The alerts that fire now."""
        return self.alerts.firing

    def kind_of(self, module: str) -> str | None:
        """The kind of probe that a module makes; None for an unknown module."""
        found = self.configuration.modules.get(module)
        return found.probe.kind if found else None

    async def probe(self, target: str, module: str) -> Measurement | None:
        """One probe of a target of the inventory (or of any, when so configured); None for an unknown one."""
        check = self.configuration.check_for(target, module)
        if check is None and self.settings.probe_any_target and module in self.configuration.modules:
            found = self.configuration.modules[module]
            check = Check(f"{target}/{module}", target, module, target, found.probe, found.timeout_s, found.timeout_s)
        return None if check is None else await probe_once(check)

    async def reload(self) -> list[str]:
        """Read the configuration again: in force as a whole, or refused with every error and nothing changed."""
        async with self._reloading:
            found = await asyncio.to_thread(reload, self.configuration, self.settings.config)
            if isinstance(found, InvalidConfiguration):
                log.warning("configuration refused", errors=found.total, first=str(found.errors[0]))
                return [str(error) for error in found.errors]
            if found is not self.configuration:
                self._adopt(found)
                await self._publish()
            log.info("configuration reloaded", points=len(found.inventory.points))
            return []

    def _adopt(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.links = self._signed_links()
        self._tell(self._put_in_force(time.time()))
        self.pulses.keep(set(configuration.inventory.points))
        self.engine.update(configuration.checks(self.pipeline.phase))
        self._connect()
        gc.freeze()

    def _put_in_force(self, now: float) -> list[Happening]:
        """Hand the configuration to the pipeline."""
        configuration = self.configuration
        policies = configuration.policies(phase_at(configuration.ceremony, now))
        return self.pipeline.replace(
            configuration.inventory,
            configuration.ceremony,
            policies,
            now,
            configuration.priors,
            configuration.rules,
        )

    def _signed_links(self) -> Links:
        policy = self.configuration.links
        return Links(self._secret, policy.generation, policy.generations, frozenset(policy.revoked))

    def _jobs(self) -> dict[str, Coroutine[None, None, None]]:
        return {
            "engine": self.engine.run(),
            "clock": self._tick(),
            "attribution": self._attribute(),
            "alerting": self.alerts.run(),
            "registrar": self.registrar.run(),
            "gateway": self.gate.run(),
            "silences": self.silences.run(),
            "loop lag": self.lag.run(),
        }

    def _observe(self, observation: Observation) -> None:
        self._tell(self.pipeline.observe(observation))

    async def _tick(self) -> None:
        due = time.monotonic()
        while True:
            late_s = max(0.0, time.monotonic() - due)
            now = time.time()
            for observation in self.pulses.overdue(now):
                self._observe(observation)
            self._tell(self.pipeline.tick(now, Strain(late_s, self._dropped())))
            due = time.monotonic() + TICK_S
            await asyncio.sleep(TICK_S)

    async def _attribute(self) -> None:
        """Answer the pipeline's questions in a thread, so that probing goes on; a defect is logged, and asked again."""
        while True:
            await asyncio.sleep(TICK_S)
            question = self.pipeline.question(time.time())
            if question is None:
                continue
            begun = time.perf_counter()
            try:
                answer = await asyncio.to_thread(question.attributor.explain, question.observed)
                took_s = time.perf_counter() - begun
                self._tell(self.pipeline.attributed(question, answer, took_s, time.time()))
            except Exception:
                log.exception("attribution failed")

    def _dropped(self) -> int:
        """Packets that our own kernel dropped since the start."""
        return sum(batch.kernel_drops for batch in self.engine.counters.batches.values())

    def _tell(self, happened: Sequence[Happening]) -> None:
        if not happened:
            return
        for happening in happened:
            if isinstance(happening, PhaseChanged):
                self._enter_phase()
            if isinstance(happening, PointChanged) and happening.after is PointState.DOWN:
                self.engine.hasten(self.pipeline.neighbours(happening.point))
            _say(happening)
        self.alerts.notice(happened)
        self.app[BOARD].notice(happened)
        self.app[READINESS].notice(happened)
        if self._registrar is not None:
            self._registrar.notice(happened)
        if self._gateway is not None:
            self._gateway.notice(happened)

    async def _open_store(self, stack: AsyncExitStack) -> None:
        """Raises StoreUnusable, NotRecorded."""
        self._store = await Store.open(self.settings.store or default_url(self.settings.state))
        stack.push_async_callback(self._store.close)
        self._registrar = Registrar(self.pipeline, self._store, self._tell, time.time)
        await self._registrar.restore()

    async def _open_gateway(self, stack: AsyncExitStack) -> None:
        """After the store, which holds all that the gateway owes."""
        self._session = await stack.enter_async_context(ClientSession())
        self._connect()
        await self._publish()
        dispatcher = Dispatcher(
            self.records,
            contacts=lambda: self.configuration.contacts,
            receivers=lambda: self._channels,
            ceremony=lambda: self.configuration.ceremony,
            ack_link=self._ack_link,
            clock=time.time,
        )
        self._gateway = Gateway(
            self.records,
            dispatcher,
            self.pipeline,
            self.alerts,
            owner=self.settings.vantage,
            secret=self._webhook_secret,
            contacts=lambda: self.configuration.contacts,
            tell=self._tell,
            clock=time.time,
            muted=self.silences.muted,
        )

    async def _publish(self) -> None:
        """Keep Alertmanager's file as the contacts say, where we are asked to."""
        path = self.settings.alertmanager_config
        if path is None:
            return
        credentials = self.settings.gateway_secret or self.settings.state / GATEWAY_FILE
        try:
            text = alertmanager_configuration(self.configuration, str(credentials.absolute()))
        except ValueError as error:
            log.warning("alertmanager not configured", why=str(error))
            return
        for problem in await publish(text, path, self.settings.alertmanagers, self._session):
            log.error("alertmanager not configured", why=problem)

    def _connect(self) -> None:
        self._channels = connect(self.configuration.providers, self.settings.state, self._session)

    def _ack_link(self, thread: int, expires_at: float) -> str:
        return f"{self.settings.external_url.rstrip('/')}/a/{self.links.thread_token(thread, expires_at)}"

    def _enter_phase(self) -> None:
        phase = self.pipeline.phase
        self.pipeline.set_policies(self.configuration.policies(phase))
        self.engine.update(self.configuration.checks(phase))

    def _watch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload_soon)

    def _reload_soon(self) -> None:
        task = asyncio.create_task(self.reload(), name="reload")
        task.add_done_callback(lambda done: done.exception())

    async def _until_stopped(self, tasks: Sequence["asyncio.Task[None]"]) -> None:
        """Return when told to stop. A job that ends by itself is a defect: say so and end with its exception."""
        stop = asyncio.create_task(self._stop.wait(), name="stop")
        done, _ = await asyncio.wait([stop, *tasks], return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        for task in done:
            if task is not stop:
                log.critical("a job ended by itself", job=task.get_name())
                task.result()
        log.info("stopping")


def alertmanager_configuration(
    configuration: Configuration, credentials_file: str, gateways: Sequence[str] = ()
) -> str:
    """The text of alertmanager.yml. ``gateways``: instead of the contacts' own.

    Raises ValueError where there is nobody to tell, or no gateway.
    """
    smtp, telegram = configuration.providers.smtp, configuration.providers.telegram
    around = Surroundings(
        timezone=configuration.ceremony.timezone,
        gateways=tuple(url.rstrip("/") for url in gateways) or configuration.contacts.gateways,
        credentials_file=credentials_file,
        smtp=smtp,
        telegram_token_file=telegram.bot_token.removeprefix("file:") if telegram is not None else "",
        password_file=smtp.password.removeprefix("file:") if smtp is not None else "",
    )
    return rendered(configuration.contacts, around)


def _say(happening: Happening) -> None:
    """One line for each happening; what is only the start of the day is for the debug log."""
    match happening:
        case PointChanged():
            starts = happening.before in STARTS_QUIETLY and happening.after is PointState.UP
            say: Callable[..., object] = log.debug if starts else log.info
            say("point changed", **msgspec.structs.asdict(happening))
        case CheckChanged():
            log.debug("check changed", **msgspec.structs.asdict(happening))
        case PowerChanged():
            log.info("power changed", **msgspec.structs.asdict(happening))
        case PhaseChanged():
            log.info("phase changed", **msgspec.structs.asdict(happening))
        case CheckedIn():
            log.debug("checked in", **msgspec.structs.asdict(happening))
        case IncidentChanged():
            log.info("incident changed", **msgspec.structs.asdict(happening))
        case BlindnessChanged():
            log.warning("sight changed", **msgspec.structs.asdict(happening))


def _site(runner: web.AppRunner, address: str) -> web.BaseSite:
    """Where to listen. Raises ValueError for an address in none of the forms."""
    if address.startswith("fd:"):
        return web.SockSite(runner, socket.socket(fileno=int(address.removeprefix("fd:"))), backlog=BACKLOG)
    host, _, port = address.rpartition(":")
    return web.TCPSite(runner, host.strip("[]") or None, int(port), backlog=BACKLOG)


def _allow_many_sockets() -> None:
    """Every page is a socket: raise the soft limit to the hard one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _cancel(tasks: Sequence["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError, Exception):
            await task
