"""Gathers the evidence as it comes in: what the forwarder did, what the service's log says, which alerts arrived."""

import time
from collections import Counter
from collections.abc import Iterable, KeysView
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec
from aiohttp import web

from monitor.core.model import Cause, IncidentChanged, PointState
from monitor.rehearsal.faults import Span, Step
from monitor.rehearsal.score import Evidence, Hit, Seen, Sight, Told

POINT_DOWN, MONITOR_BLIND = "PointDown", "MonitorBlind"
ERRORS = frozenset({"error", "critical"})
READ_BYTES = 1 << 20
WEBHOOK_BYTES = 4 << 20


class Truth:
    """Notes what was really done."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._cut: dict[str, Hit] = {}
        self._dark: dict[str, Hit] = {}
        self._mute: dict[str, Hit] = {}

    @property
    def cut_now(self) -> KeysView[str]:
        """Points whose line is cut."""
        return self._cut.keys()

    def happened(self, step: Step, at: float) -> None:
        """The step was made at that instant."""
        evidence = self._evidence
        _note(step.mend, step.cut, at, self._cut, evidence.hits)
        _note(step.lit, step.dark, at, self._dark, evidence.dark)
        _note(step.heard, step.mute, at, self._mute, evidence.mute)
        if step.fault is not None:
            evidence.uplink.setdefault(step.fault, []).append(at)


def _note(ended: Iterable[Span], begun: Iterable[Span], at: float, now: dict[str, Hit], noted: list[Hit]) -> None:
    for span in ended:
        hit = now.pop(span.point, None)
        if hit is not None:
            hit.mended_at = at
    for span in begun:
        now[span.point] = Hit(span.fault, span.point, at)
        noted.append(now[span.point])


class LogLine(msgspec.Struct):
    """What matters here of a line of the service's log; everything may be missing."""

    event: str = ""
    level: str = ""
    timestamp: str = ""
    point: str = ""
    after: str = ""
    cause: str = ""
    blind: bool | None = None
    alertname: str = ""
    instance: str = ""


class ServiceLog:
    """Follows the service's log (JSON, a line for each happening) and keeps every point's state as the board has it."""

    def __init__(self, path: Path, evidence: Evidence, point_ids: Iterable[str]) -> None:
        self.states = dict.fromkeys(point_ids, PointState.UNKNOWN)
        self.counts = Counter(self.states.values())
        self.blind = False
        self.errors: Counter[str] = Counter()
        """Events that it logged as errors: defects, all of them."""
        self.named: list[IncidentChanged] = []
        """What happened to incidents."""
        self._evidence = evidence
        self._file = path.open("rb")
        self._rest = b""
        self._decoder = msgspec.json.Decoder(LogLine)
        self._folds = {
            "point changed": self._point_changed,
            "sight changed": self._sight_changed,
            "alert.firing": self._alert,
            "alert.resolved": self._alert,
        }

    def close(self) -> None:
        """Stop following."""
        self._file.close()

    def read(self) -> None:
        """Fold in what has been written since the last call."""
        while data := self._file.read(READ_BYTES):
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                with suppress(msgspec.DecodeError, ValueError):  # a line that is no JSON, such as a traceback's
                    self._fold(self._decoder.decode(line), line)

    def _fold(self, line: LogLine, whole: bytes) -> None:
        if line.level in ERRORS:
            self.errors[line.event] += 1
        if line.event == "incident changed":
            self.named.append(msgspec.json.decode(whole, type=IncidentChanged))
        fold = self._folds.get(line.event)
        if fold is not None:
            fold(line, datetime.fromisoformat(line.timestamp).timestamp())

    def _point_changed(self, line: LogLine, at: float) -> None:
        state = PointState(line.after)
        self.counts[self.states.get(line.point, state)] -= line.point in self.states
        self.counts[state] += 1
        self.states[line.point] = state
        self._evidence.seen.append(Seen(at, line.point, state, Cause(line.cause)))

    def _sight_changed(self, line: LogLine, at: float) -> None:
        self.blind = bool(line.blind)
        self._evidence.sight.append(Sight(at, self.blind))

    def _alert(self, line: LogLine, at: float) -> None:
        """Only written where no Alertmanager is told."""
        if line.alertname in {POINT_DOWN, MONITOR_BLIND}:
            self._evidence.told.append(Told(at, line.instance, firing=line.event == "alert.firing"))


class ReceivedAlert(msgspec.Struct):
    """An alert in the body of Alertmanager's webhook."""

    status: str
    labels: dict[str, str]


class Received(msgspec.Struct):
    """The body of Alertmanager's webhook. https://prometheus.io/docs/alerting/latest/configuration/#webhook_config."""

    alerts: list[ReceivedAlert]


class Webhook:
    """Behind an Alertmanager that tells everything at once: when each point's alert has come through it."""

    def __init__(self, evidence: Evidence) -> None:
        self.firing: set[str] = set()
        """Points of which an alert has arrived and not been resolved."""
        self._evidence = evidence
        self._decoder = msgspec.json.Decoder(Received)

    def application(self) -> web.Application:
        """The web application that Alertmanager posts to."""
        app = web.Application(client_max_size=WEBHOOK_BYTES)
        app.router.add_post("/", self._receive)
        return app

    async def _receive(self, request: web.Request) -> web.Response:
        at = time.time()
        try:
            received = self._decoder.decode(await request.read())
        except msgspec.DecodeError as error:
            return web.Response(status=400, text=str(error))
        for alert in received.alerts:
            self._take(alert, at)
        return web.Response()

    def _take(self, alert: ReceivedAlert, at: float) -> None:
        name, firing = alert.labels.get("alertname"), alert.status == "firing"
        if name == MONITOR_BLIND:
            self._evidence.told.append(Told(at, "", firing))
        elif name == POINT_DOWN:
            point = alert.labels.get("instance", "")
            self._evidence.told.append(Told(at, point or "?", firing))
            (self.firing.add if firing else self.firing.discard)(point)
