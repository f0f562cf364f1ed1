"""State → Prometheus text exposition (format 0.0.4). Metric names and help texts stand here, and in kinds' figures.

Names of probes are blackbox_exporter's, so that its dashboards and rules work. ``instance`` is a point's id and
``check`` the module that asked; what is fixed about a point stands on ``point_info`` alone, to be joined.
The process's own families come from prometheus_client. Those of points and checks do not: at 5,000 points that would
hold the loop for half a second. Here the labels of a series are rendered once, values in slices of a millisecond or
so, and between two slices the loop has its turn, so that a scrape does not hold up probing.
"""

import asyncio
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from itertools import accumulate, product
from math import isfinite, nan
from typing import Protocol, TypeVar

import msgspec
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest

from monitor.core.checkin import Voice
from monitor.core.detection import CheckStatus
from monitor.core.gateway import GatewayCounters
from monitor.core.incidents import Incident
from monitor.core.model import (
    Certainty,
    Change,
    CheckState,
    Inventory,
    Node,
    Point,
    PointState,
    Power,
    PowerState,
    Tree,
)
from monitor.core.pipeline import Pipeline, PointStatus
from monitor.core.quality import mos_of
from monitor.core.readiness import Counts, Lack, Place
from monitor.core.snapshot import target_of
from probes.model import EngineCounters, Figure, Histogram

T = TypeVar("T")

SLICE = 250
"""Checks or points rendered between two turns of the loop."""


class Family(msgspec.Struct, frozen=True):
    """A metric: its name, its type, and what it means."""

    name: str
    type: str
    help: str

    @property
    def header(self) -> bytes:
        """The lines that open its samples."""
        words = self.help.replace("\\", "\\\\").replace("\n", "\\n")
        return f"# HELP {self.name} {words}\n# TYPE {self.name} {self.type}\n".encode()


FAMILIES: dict[str, Family] = {}
"""All metrics of ours, in the order of the text; behind them come the figures that kinds of probes declare."""


def _gauge(name: str, words: str) -> str:
    FAMILIES[name] = Family(name, "gauge", words)
    return name


def _counter(name: str, words: str) -> str:
    FAMILIES[name] = Family(name, "counter", words)
    return name


def _histogram(name: str, words: str) -> str:
    FAMILIES[name] = Family(name, "histogram", words)
    return name


# Of each check: labels instance, check.
SUCCESS = _gauge("probe_success", "Whether the last probe succeeded.")
DURATION = _gauge("probe_duration_seconds", "How long the last probe took; after a failure, until it was known.")
DNS_LOOKUP = _gauge("probe_dns_lookup_time_seconds", "How long the last probe waited for the address of a name.")
ICMP_PHASES = _gauge("probe_icmp_duration_seconds", "How long the last ICMP probe spent in each phase.")
HTTP_PHASES = _gauge("probe_http_duration_seconds", "How long the last HTTP probe spent in each phase.")
OTHER_PHASES = _gauge("probe_phase_duration_seconds", "How long the last probe of any other kind spent in each phase.")
RTT = _gauge("probe_rtt_seconds", "Round trip, a moving average over the answers of a check.")
JITTER = _gauge("probe_jitter_seconds", "Variation of the round trip from answer to answer, a moving average.")
LOSS = _gauge("probe_loss_ratio", "Share of recent probes that were lost; 1 while the check is down.")
ATTEMPTS = _counter("probe_attempts_total", "Probes of which the outcome is known.")
LOSSES = _counter("probe_losses_total", "Probes that did not succeed.")
ANSWERED_AT = _gauge("probe_last_answer_timestamp_seconds", "When the latest probe was sent that was answered.")

# Of each point: label instance.
POINT_INFO = _gauge("point_info", "What is fixed about a point; always 1.")
POINT_UP = _gauge("diemcau_point_up", "1 while a point is up or degraded, 0 while down; absent while not known.")
POINT_LAYER = _gauge("diemcau_point_layer_up", "1 while a layer of a point is sound, 0 while broken; absent unheard.")
POINT_MOS = _gauge("diemcau_point_mos", "Mean opinion score of a conversation over the line, 1 to 4.5 (ITU-T G.107).")
POINT_BATTERY = _gauge("diemcau_point_on_battery", "1 while a site is on battery, 0 on mains; absent unheard.")
BATTERY_LEFT = _gauge("diemcau_point_battery_left_seconds", "How long the battery lasts, as UPS or browser say.")

# Of the province.
POINTS = _gauge("diemcau_points", "Points by state.")
POINTS_EXPECTED = _gauge("diemcau_points_expected", "Points that are to take part.")
POINTS_CONNECTED = _gauge("diemcau_points_connected", "Expected points that are up or degraded.")
POINTS_READY = _gauge("diemcau_points_ready", "Expected points that meet their rule of readiness.")
POINTS_PLANNED = _gauge("diemcau_points_planned", "All points of the plan, whatever their mode.")
POINTS_REPORTED = _gauge("diemcau_points_reported", "Expected points that have told their delegates.")
REPORTED_LATE = _gauge("diemcau_points_reported_late", "Of those, the ones that told them after the deadline.")
POINTS_LACKING = _gauge("diemcau_points_lacking", "Expected points that are not ready, by each thing that they lack.")
DELEGATES = _gauge("diemcau_delegates", "Delegates at the expected points, as told.")
ATTENDEES = _gauge("diemcau_attendees", "Everybody at the expected points, as told.")
DISTRICT_EXPECTED = _gauge("diemcau_points_expected_by_district", "Points of a district that are to take part.")
DISTRICT_READY = _gauge("diemcau_points_ready_by_district", "Expected points of a district that are ready.")
TARGET = _gauge("diemcau_readiness_target", "Share of the expected points that is to be ready, 0 to 1.")
MET_AT = _gauge("diemcau_readiness_met_timestamp_seconds", "When the target will be met; absent while not in sight.")
CHECK_INS = _counter("diemcau_check_ins_total", "Check-ins received, by who spoke for the point.")
PHASE = _gauge("diemcau_phase_info", "The phase of the day that is in force; always 1.")
REPORT_AT = _gauge("diemcau_report_deadline_timestamp_seconds", "When the count of points is owed.")
BEGINS_AT = _gauge("diemcau_ceremony_start_timestamp_seconds", "When the ceremony begins.")
BLIND = _gauge("diemcau_blind", "1 while the monitor itself does not see, and says nothing about points.")
PAGES = _gauge("diemcau_pages_open", "Points' own pages that are open, silent ones included.")
HAPPENINGS = _counter("diemcau_happenings_total", "Changes of checks, points, power, phase and sight.")
STALE = _counter("diemcau_observations_stale_total", "Observations that came twice or late, and were not believed.")
STRAY = _counter("diemcau_observations_stray_total", "Observations of checks that are not configured.")

# Of incidents, by who must act; of each that is ongoing, label incident.
INCIDENTS = _gauge("diemcau_incidents", "Ongoing incidents by tree, owner, state and certainty.")
INCIDENT_POINTS = _gauge("diemcau_incident_points", "Points down because of incidents, by tree and owner.")
INCIDENT_INFO = _gauge("diemcau_incident_info", "What is known of an ongoing incident; always 1.")
INCIDENT_SIZE = _gauge("diemcau_incident_points_down", "Points down because of an ongoing incident.")
INCIDENT_SINCE = _gauge("diemcau_incident_start_timestamp_seconds", "When the first point of an incident fell.")
INCIDENT_ODDS = _gauge("diemcau_incident_owner_probability", "That the owner named is the one who must act, 0 to 1.")
INCIDENT_CHANGES = _counter("diemcau_incident_changes_total", "What happened to incidents, by sort.")
RETRACTIONS = _counter("diemcau_incident_retractions_total", "Incidents whose owner was not to blame after all.")
NAMING = _histogram("diemcau_incident_naming_seconds", "From its first point's fall until an incident had a name.")
ATTRIBUTION = _histogram("diemcau_attribution_duration_seconds", "How long one attribution of all that is down took.")
UNDETERMINED = _gauge("diemcau_incident_points_undetermined", "Points down of which it is not clear who must act.")
SUSPECTS = _gauge("diemcau_inventory_suspects", "Points whose row in the inventory contradicted what was seen.")

# Of the engine.
LAG = _histogram("diemcau_schedule_lag_seconds", "From the instant a probe was due to its launch.")
SCHEDULED = _gauge("diemcau_checks_scheduled", "Checks in the schedule.")
IN_FLIGHT = _gauge("diemcau_probes_in_flight", "Probes under way.")
LAUNCHED = _counter("diemcau_probes_launched_total", "Probes launched.")
OBSERVED = _counter("diemcau_probes_observed_total", "Probes of which the outcome was told.")
CONFIRMING = _counter("diemcau_probes_confirming_total", "Probes launched to confirm a first loss.")
SKIPPED = _counter("diemcau_probes_skipped_total", "Probes not launched because the one before was under way.")
PACED = _counter("diemcau_probes_paced_total", "Probes held back to keep within the packet rate.")
DEFECTS = _counter("diemcau_probe_defects_total", "Probes that ended in an error of our own program.")
SENT = _counter("diemcau_icmp_sent_total", "Packets sent.")
SEND_ERRORS = _counter("diemcau_icmp_send_errors_total", "Packets that our own kernel did not send.")
LATE = _counter("diemcau_icmp_late_replies_total", "Replies that came after their packet's deadline.")
DUPLICATE = _counter("diemcau_icmp_duplicate_replies_total", "Further replies to a probe already answered.")
FOREIGN = _counter("diemcau_icmp_foreign_replies_total", "Forged, truncated or somebody else's packets, not believed.")
KERNEL_DROPS = _counter("diemcau_icmp_kernel_drops_total", "Packets that our own kernel dropped, its buffer full.")

# Of alerting: label alertmanager, but for the first.
FIRING = _gauge("diemcau_alerts_firing", "Alerts that fire.")
POSTED = _counter("diemcau_alertmanager_posted_total", "Alerts that an Alertmanager accepted, repeats included.")
FAILED = _counter("diemcau_alertmanager_failed_requests_total", "Requests that did not reach an Alertmanager.")
REFUSED = _counter("diemcau_alertmanager_refused_total", "Alerts that an Alertmanager will never accept.")
PENDING = _gauge("diemcau_alertmanager_pending", "Changes that an Alertmanager has not accepted yet.")
REACHABLE = _gauge("diemcau_alertmanager_reachable", "Whether the last request reached the Alertmanager.")

# Of the gateway that tells desks.
GATEWAY_ATTEMPTS = _counter("diemcau_gateway_messages_total", "Messages handed to a channel, by what became of it.")
GATEWAY_GIVEN_UP = _counter("diemcau_gateway_given_up_total", "Messages that no channel of their desk took.")
GATEWAY_NOTICES = _counter("diemcau_gateway_notices_total", "What desks were to be told, by kind.")
GATEWAY_ESCALATIONS = _counter("diemcau_gateway_escalations_total", "Desks told because nobody below had answered.")
GATEWAY_REFUSED = _counter("diemcau_gateway_refused_total", "Webhooks, links and codes that were turned away.")
GATEWAY_WAITING = _gauge("diemcau_gateway_waiting", "Notices that no message tells yet.")
GATEWAY_OLDEST = _gauge("diemcau_gateway_oldest_waiting_seconds", "How long the oldest of them has waited.")
GATEWAY_CIRCUIT = _gauge("diemcau_gateway_circuit_open", "1 while a channel is not tried, because it fails.")
GATEWAY_LEADING = _gauge("diemcau_gateway_leading", "1 at the one monitor that sends.")
GATEWAY_DIRECT = _gauge("diemcau_gateway_direct", "1 while it delivers without Alertmanager.")
WATCHDOG_AT = _gauge("diemcau_watchdog_last_seen_timestamp_seconds", "When Alertmanager last said that it lives.")
UNACKNOWLEDGED = _gauge("diemcau_incidents_unacknowledged", "Incidents told to desks that nobody works on.")
ACKNOWLEDGING = _histogram(
    "diemcau_incident_acknowledge_seconds", "From the opening of an incident until somebody works on it."
)

# Of the store.
STORE_HEALTHY = _gauge("diemcau_store_healthy", "Whether the last transaction was committed.")
STORE_COMMITS = _counter("diemcau_store_commits_total", "Transactions that were committed.")
STORE_FAILURES = _counter("diemcau_store_failures_total", "Transactions that failed, retries included.")
STORE_DROPPED = _counter("diemcau_store_dropped_total", "Rows that nobody waited for, and that were given up.")
STORE_PENDING = _gauge("diemcau_store_pending", "What is not committed yet.")
STORE_COMMIT = _gauge("diemcau_store_last_commit_seconds", "How long the last transaction took.")

# Of the process, beside what prometheus_client says of it.
LOOP_LAG = _histogram("diemcau_loop_lag_seconds", "How late the event loop runs what is due.")
EXPOSITION_DURATION = _gauge("diemcau_exposition_duration_seconds", "How long the exposition before this one took.")
EXPOSITION_SIZE = _gauge("diemcau_exposition_size_bytes", "Size of the exposition before this one.")
BUILD = _gauge("diemcau_build_info", "Version of this program and of its Python; always 1.")

INCIDENTS_TOLD = 200
"""Ongoing incidents that have series of their own: the largest."""
PHASED = {"icmp": ICMP_PHASES, "http": HTTP_PHASES}
"""Kind → where its phases go."""
TOLD_BY_TIER: Mapping[str, Callable[[Counts], int]] = {
    POINTS_EXPECTED: lambda counts: counts.expected,
    POINTS_CONNECTED: lambda counts: counts.up,
    POINTS_READY: lambda counts: counts.ready,
    POINTS_REPORTED: lambda counts: counts.reported,
    REPORTED_LATE: lambda counts: counts.late,
    DELEGATES: lambda counts: counts.delegates,
    ATTENDEES: lambda counts: counts.attendees,
}
"""Of each tier of which a point is to take part."""
LAYER_UP = {CheckState.UP: 1, CheckState.DOWN: 0}
UP = {PointState.UP: 1, PointState.DEGRADED: 1, PointState.DOWN: 0}


class Delivery(Protocol):
    """How the posting to one Alertmanager goes."""

    url: str
    posted: int
    failed: int
    refused: int
    reachable: bool
    pending: int


class Alerts(Protocol):
    """What alerting says of itself."""

    @property
    def firing(self) -> Mapping[str, object]:
        """What fires."""

    @property
    def deliveries(self) -> Sequence[Delivery]:
        """One for each Alertmanager."""


class StoreCounters(Protocol):
    """What the store's writer says of itself."""

    @property
    def commits(self) -> int:
        """Transactions that were committed."""

    @property
    def failures(self) -> int:
        """Transactions that failed, retries included."""

    @property
    def dropped(self) -> int:
        """Rows that nobody waited for, and that were given up."""

    @property
    def pending(self) -> int:
        """What is not committed yet."""

    @property
    def last_commit_s(self) -> float:
        """How long the last transaction took."""

    @property
    def healthy(self) -> bool:
        """Whether the last transaction was committed."""


class LoopLag:
    """Measures how late the event loop is: a sleeper that looks at the clock when it is woken."""

    INTERVAL_S = 0.02

    def __init__(self) -> None:
        self.histogram = Histogram.of(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            due = time.monotonic() + self.INTERVAL_S
            await asyncio.sleep(self.INTERVAL_S)
            self.histogram.observe(max(0.0, time.monotonic() - due))


def escape(value: str) -> str:
    """A label's value as the format wants it."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def labelled(**labels: str) -> str:
    """A set of labels with its braces, and the blank before the value."""
    inside = ",".join(f'{name}="{escape(value)}"' for name, value in labels.items())
    return f"{{{inside}}} " if inside else " "


class Document:
    """Samples by family; the text has them in the order of the table, each family in one piece under its header."""

    def __init__(self, figures: Iterable[Figure] = ()) -> None:
        self._families = FAMILIES | {each.name: Family(each.name, "gauge", each.help) for each in figures}
        self._parts: dict[str, list[bytes]] = {name: [] for name in self._families}

    def add(self, family: str, value: float, **labels: str) -> None:
        """Add one sample; one without a finite value is left out."""
        if isfinite(value):
            self.append(family, f"{family}{labelled(**labels)}{value:.15g}\n")

    def append(self, family: str, lines: str) -> None:
        """Add samples that are rendered."""
        # A lone surrogate in a name must not cost the whole exposition.
        self._parts.setdefault(family, []).append(lines.encode(errors="replace"))

    def extend(self, family: str, parts: Iterable[bytes]) -> None:
        """Add samples that are rendered and encoded."""
        self._parts[family].extend(parts)

    def add_histogram(self, family: str, histogram: Histogram) -> None:
        """Add a histogram, cumulated as the format wants it."""
        bounds = [*(f"{bound:g}" for bound in histogram.bounds), "+Inf"]
        counts = list(accumulate(histogram.counts))
        for bound, count in zip(bounds, counts, strict=True):
            self.append(family, f'{family}_bucket{{le="{bound}"}} {count}\n')
        self.append(family, f"{family}_sum {histogram.total!r}\n{family}_count {counts[-1]}\n")

    def encode(self, rest: bytes = b"") -> bytes:
        """The text, with more behind it."""
        unknown = Family("", "gauge", "A figure of its kind of probe.")
        pieces = []
        for name, parts in self._parts.items():
            if parts:
                family = self._families.get(name) or msgspec.structs.replace(unknown, name=name)
                pieces += [family.header, *parts]
        return b"".join([*pieces, rest])


CheckRow = tuple[CheckStatus, str, str]
"""A check, its labels without the closing brace, and the family of its phases."""


class Rendered(msgspec.Struct):
    """What is rendered once for a configuration."""

    inventory: Inventory
    points: Mapping[str, PointStatus]
    checks: Mapping[str, CheckStatus]
    rows: list[CheckRow] = []
    instances: list[tuple[PointStatus, str]] = []
    infos: list[bytes] = []

    def still_holds(self, pipeline: Pipeline) -> bool:
        """Whether it is the configuration in force."""
        mine = (self.inventory, self.points, self.checks)
        theirs = (pipeline.inventory, pipeline.points, pipeline.checks)
        return all(one is other for one, other in zip(mine, theirs, strict=True))


class Exposition:
    """The text of ``/metrics``."""

    def __init__(
        self,
        pipeline: Pipeline,
        engine: EngineCounters,
        lag: LoopLag | None = None,
        alerts: Alerts | None = None,
        *,
        kind_of: Callable[[str], str] = str,
        figures: Iterable[Figure] = (),
        pages: Callable[[], int] = int,
        store: Callable[[], StoreCounters | None] = lambda: None,
        gateway: Callable[[], GatewayCounters | None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``kind_of(module)`` names its kind; it is asked once for each check and configuration."""
        self.registry = CollectorRegistry()
        """For what others want to expose with prometheus_client."""
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._pipeline = pipeline
        self._engine = engine
        self._lag = lag
        self._alerts = alerts
        self._kind_of = kind_of
        self._figures = tuple(figures)
        self._pages = pages
        self._store = store
        self._gateway = gateway
        self._clock = clock
        self._rendered: Rendered | None = None
        self._blamed: dict[tuple[str, ...], None] = {}
        """Owners that had an incident, in each state: they go on as 0, so that graphs fall to it."""
        self._build = {"version": version("diemcau"), "python": platform.python_version()}
        self._before = (0.0, 0)

    async def render(self) -> bytes:
        """All of it. Gives the loop its turn again and again; values are those of the instant they are rendered."""
        begun = time.perf_counter()
        document = Document(self._figures)
        rendered = await self._prepare()
        document.extend(POINT_INFO, rendered.infos)
        for rows in _slices(rendered.rows):
            for family, lines in check_lines(rows).items():
                document.append(family, "".join(lines))
            await asyncio.sleep(0)
        for instances in _slices(rendered.instances):
            for family, lines in point_lines(instances).items():
                document.append(family, "".join(lines))
            await asyncio.sleep(0)
        self._add_province(document)
        self._add_readiness(document)
        self._add_incidents(document)
        self._add_engine(document)
        self._add_alerts(document)
        self._add_gateway(document)
        self._add_store(document)
        self._add_process(document)
        text = document.encode(generate_latest(self.registry))
        self._before = (time.perf_counter() - begun, len(text))
        return text

    async def _prepare(self) -> Rendered:
        """What is rendered already, or that of another configuration."""
        if self._rendered is not None and self._rendered.still_holds(self._pipeline):
            return self._rendered
        fresh = Rendered(self._pipeline.inventory, self._pipeline.points, self._pipeline.checks)
        for checks in _slices(list(fresh.checks.values())):
            fresh.rows.extend(self._row(check) for check in checks)
            await asyncio.sleep(0)
        for points in _slices(list(fresh.points.values())):
            labels = ((status, labelled(instance=status.point.id)) for status in points)
            fresh.instances.extend((status, label.removesuffix("} ")) for status, label in labels)
            lines = "".join(_info_line(status.point, fresh.inventory) for status in points)
            fresh.infos.append(lines.encode(errors="replace"))
            await asyncio.sleep(0)
        self._rendered = fresh
        return fresh

    def _row(self, status: CheckStatus) -> CheckRow:
        instance, _, module = status.policy.check.rpartition("/")
        labels = labelled(instance=instance, check=module).removesuffix("} ")
        return status, labels, PHASED.get(self._kind_of(module), OTHER_PHASES)

    def _add_province(self, document: Document) -> None:
        pipeline = self._pipeline
        places = dict.fromkeys((tier, district) for tier, district, _ in pipeline.counts)
        for tier, district in places:
            for state in PointState:
                count = pipeline.counts.get((tier, district, state), 0)
                document.add(POINTS, count, tier=tier, district=district, state=state)
        document.add(PHASE, 1, phase=pipeline.phase.name)
        document.add(REPORT_AT, pipeline.ceremony.report_at)
        document.add(BEGINS_AT, pipeline.ceremony.begins_at)
        document.add(BLIND, pipeline.blind)
        document.add(PAGES, self._pages())
        document.add(STALE, pipeline.stale)
        document.add(STRAY, pipeline.strays)
        for kind, count in pipeline.happenings.items():
            document.add(HAPPENINGS, count, type=kind)

    def _add_readiness(self, document: Document) -> None:
        pipeline, now = self._pipeline, self._clock()
        readiness = pipeline.readiness(now)
        for tier, counts in readiness.tiers.items():
            document.add(POINTS_PLANNED, counts.planned, tier=tier)
            for family, of in TOLD_BY_TIER.items() if counts.expected else ():
                document.add(family, of(counts), tier=tier)
        lacking = pipeline.lacking(now)
        for tier, lack in product((tier for tier, counts in readiness.tiers.items() if counts.expected), Lack):
            document.add(POINTS_LACKING, lacking[tier, lack], tier=tier, lack=lack)
        for district, (expected, ready) in _by_district(pipeline.tally.places(now)).items():
            document.add(DISTRICT_EXPECTED, expected, district=district)
            document.add(DISTRICT_READY, ready, district=district)
        ratio, total = pipeline.tally.rules.target_ratio, readiness.total
        document.add(TARGET, ratio)
        met_at = pipeline.trend.met_at(target_of(total.expected, ratio), total.ready, now)
        document.add(MET_AT, nan if met_at is None else met_at)
        for voice, late in product(Voice, (False, True)):
            document.add(CHECK_INS, pipeline.check_ins[voice, late], voice=voice, late=str(late).lower())

    def _add_incidents(self, document: Document) -> None:
        incidents = self._pipeline.incidents
        ongoing = sorted(incidents.ongoing.values(), key=lambda one: -len(one.points))
        by_owner = Counter((one.tree.value, one.operator, one.state.value, one.certainty.value) for one in ongoing)
        points: Counter[tuple[str, ...]] = Counter()
        for one in ongoing:
            points[one.tree.value, one.operator] += len(one.points)
        self._blamed |= dict.fromkeys(by_owner)
        for tree, operator, state, certainty in self._blamed:
            count = by_owner[tree, operator, state, certainty]
            document.add(INCIDENTS, count, tree=tree, operator=operator, state=state, certainty=certainty)
        for tree, operator in dict.fromkeys(key[:2] for key in self._blamed):
            document.add(INCIDENT_POINTS, points[tree, operator], tree=tree, operator=operator)
        for one in ongoing[:INCIDENTS_TOLD]:
            _add_incident(document, one, self._pipeline.inventory)
        for change in Change:
            document.add(INCIDENT_CHANGES, incidents.changes[change], change=change)
        unclear = (len(one.points) for one in ongoing if one.certainty is Certainty.UNDETERMINED)
        document.add(UNDETERMINED, sum(unclear))
        document.add(SUSPECTS, len(incidents.suspects))
        document.add(RETRACTIONS, incidents.retractions)
        document.add_histogram(NAMING, incidents.naming_times)
        document.add_histogram(ATTRIBUTION, incidents.attribution_times)

    def _add_engine(self, document: Document) -> None:
        engine = self._engine
        document.add_histogram(LAG, engine.lag)
        document.add(SCHEDULED, engine.scheduled)
        document.add(IN_FLIGHT, engine.in_flight)
        document.add(LAUNCHED, engine.launched)
        document.add(OBSERVED, engine.observed)
        document.add(CONFIRMING, engine.confirming)
        document.add(SKIPPED, engine.skipped)
        document.add(PACED, engine.paced)
        document.add(DEFECTS, engine.internal_errors)
        for kind, batch in engine.batches.items():
            document.add(SENT, batch.sent, kind=kind)
            document.add(SEND_ERRORS, batch.send_errors, kind=kind)
            document.add(LATE, batch.late_replies, kind=kind)
            document.add(DUPLICATE, batch.duplicate_replies, kind=kind)
            document.add(FOREIGN, batch.foreign_replies, kind=kind)
            document.add(KERNEL_DROPS, batch.kernel_drops, kind=kind)

    def _add_alerts(self, document: Document) -> None:
        if self._alerts is None:
            return
        document.add(FIRING, len(self._alerts.firing))
        for delivery in self._alerts.deliveries:
            document.add(POSTED, delivery.posted, alertmanager=delivery.url)
            document.add(FAILED, delivery.failed, alertmanager=delivery.url)
            document.add(REFUSED, delivery.refused, alertmanager=delivery.url)
            document.add(PENDING, delivery.pending, alertmanager=delivery.url)
            document.add(REACHABLE, delivery.reachable, alertmanager=delivery.url)

    def _add_gateway(self, document: Document) -> None:
        gateway = self._gateway()
        if gateway is None:
            return
        for (desk, channel, outcome), count in gateway.attempts.items():
            document.add(GATEWAY_ATTEMPTS, count, desk=desk, channel=channel, outcome=outcome)
        for desk, count in gateway.given_up.items():
            document.add(GATEWAY_GIVEN_UP, count, desk=desk)
        for kind, count in gateway.notices.items():
            document.add(GATEWAY_NOTICES, count, kind=kind)
        for level, count in gateway.escalations.items():
            document.add(GATEWAY_ESCALATIONS, count, level=str(level))
        for why, count in gateway.refused.items():
            document.add(GATEWAY_REFUSED, count, why=why)
        for channel, is_open in gateway.circuits_open.items():
            document.add(GATEWAY_CIRCUIT, is_open, channel=channel)
        document.add(GATEWAY_WAITING, gateway.waiting)
        document.add(GATEWAY_OLDEST, gateway.oldest_waiting_s)
        document.add(GATEWAY_LEADING, gateway.leading)
        document.add(GATEWAY_DIRECT, gateway.direct)
        document.add(WATCHDOG_AT, gateway.watchdog_at)
        document.add(UNACKNOWLEDGED, gateway.unacknowledged)
        document.add_histogram(ACKNOWLEDGING, gateway.acknowledge_s)

    def _add_store(self, document: Document) -> None:
        store = self._store()
        if store is None:
            return
        document.add(STORE_HEALTHY, store.healthy)
        document.add(STORE_COMMITS, store.commits)
        document.add(STORE_FAILURES, store.failures)
        document.add(STORE_DROPPED, store.dropped)
        document.add(STORE_PENDING, store.pending)
        document.add(STORE_COMMIT, store.last_commit_s)

    def _add_process(self, document: Document) -> None:
        if self._lag is not None:
            document.add_histogram(LOOP_LAG, self._lag.histogram)
        duration_s, size_bytes = self._before
        document.add(EXPOSITION_DURATION, duration_s)
        document.add(EXPOSITION_SIZE, size_bytes)
        document.add(BUILD, 1, **self._build)


def _by_district(places: Mapping[Place, Counts]) -> dict[str, tuple[int, int]]:
    """Expected and ready points of each district that has any; the province's own belong to none."""
    found: dict[str, tuple[int, int]] = {}
    for (_, district, _), counts in places.items():
        if district and counts.expected:
            expected, ready = found.get(district, (0, 0))
            found[district] = expected + counts.expected, ready + counts.ready
    return found


def _add_incident(document: Document, one: Incident, inventory: Inventory) -> None:
    what = {"incident": one.id, "node": one.node, "tree": one.tree.value, "operator": one.operator}
    document.add(INCIDENT_INFO, 1, **what, name=_name_of(one, inventory), certainty=one.certainty)
    document.add(INCIDENT_SIZE, len(one.points), incident=one.id)
    document.add(INCIDENT_SINCE, one.since, incident=one.id)
    document.add(INCIDENT_ODDS, one.owner_probability, incident=one.id)


def _name_of(one: Incident, inventory: Inventory) -> str:
    """Of the node or the site; its id where a reload has taken it out of the inventory."""
    trees: dict[Tree, Mapping[str, Node | Point]] = {
        Tree.NETWORK: inventory.network,
        Tree.POWER: inventory.power,
        Tree.SITE: inventory.points,
    }
    named = trees[one.tree].get(one.node)
    return named.name if named is not None else one.node


def _slices(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), SLICE):
        yield items[start : start + SLICE]


def check_lines(rows: Iterable[CheckRow]) -> dict[str, list[str]]:
    """The samples of some checks, by family. The hot loop of a scrape: about a dozen lines a check."""
    families = (SUCCESS, DURATION, RTT, JITTER, LOSS, ATTEMPTS, LOSSES, ANSWERED_AT)
    lines: dict[str, list[str]] = {name: [] for name in families}
    success, duration, rtt, jitter, loss, attempts, losses, answered = lines.values()
    for status, labels, phased in rows:
        last = status.last
        if last is None:
            continue
        success.append(f"{SUCCESS}{labels}}} {1 if last.success else 0}\n")
        attempts.append(f"{ATTEMPTS}{labels}}} {status.probes}\n")
        losses.append(f"{LOSSES}{labels}}} {status.losses}\n")
        loss.append(f"{LOSS}{labels}}} {status.loss_ratio:.6g}\n")
        if isfinite(status.answered_at):
            answered.append(f"{ANSWERED_AT}{labels}}} {status.answered_at:.3f}\n")
        if isfinite(last.duration_s):
            duration.append(f"{DURATION}{labels}}} {last.duration_s:.6g}\n")
        if isfinite(status.rtt_s):
            rtt.append(f"{RTT}{labels}}} {status.rtt_s:.6g}\n")
            jitter.append(f"{JITTER}{labels}}} {status.jitter_s:.6g}\n")
        if last.phases:
            _add_phases(lines, phased, labels, last.phases)
        if last.figures:
            _add_figures(lines, labels, last.figures)
    return lines


Pairs = tuple[tuple[str, float], ...]


def _add_phases(lines: dict[str, list[str]], family: str, labels: str, phases: Pairs) -> None:
    into = lines.setdefault(family, [])
    for name, seconds in phases:
        if isfinite(seconds):
            into.append(f'{family}{labels},phase="{name}"}} {seconds:.6g}\n')
            if name == "resolve":
                lines.setdefault(DNS_LOOKUP, []).append(f"{DNS_LOOKUP}{labels}}} {seconds:.6g}\n")


def _add_figures(lines: dict[str, list[str]], labels: str, figures: Pairs) -> None:
    for name, value in figures:
        if isfinite(value):
            lines.setdefault(name, []).append(f"{name}{labels}}} {value:.15g}\n")


def point_lines(instances: Iterable[tuple[PointStatus, str]]) -> dict[str, list[str]]:
    """The samples of some points, by family; labels come without their closing brace."""
    lines: dict[str, list[str]] = {name: [] for name in (POINT_UP, POINT_LAYER, POINT_MOS, POINT_BATTERY, BATTERY_LEFT)}
    for status, labels in instances:
        up = UP.get(status.state)
        if up is not None:
            lines[POINT_UP].append(f"{POINT_UP}{labels}}} {up}\n")
        for layer, state in status.layers.items():
            if state is not CheckState.UNKNOWN:
                lines[POINT_LAYER].append(f'{POINT_LAYER}{labels},layer="{layer}"}} {LAYER_UP[state]}\n')
        score = mos_of(status.checks)
        if score is not None:
            lines[POINT_MOS].append(f"{POINT_MOS}{labels}}} {score:.3g}\n")
        _add_power(lines, labels, status.power)
    return lines


def _add_power(lines: dict[str, list[str]], labels: str, power: Power) -> None:
    if power.state is not PowerState.UNKNOWN:
        lines[POINT_BATTERY].append(f"{POINT_BATTERY}{labels}}} {int(power.state is PowerState.BATTERY)}\n")
    if power.left_s is not None:
        lines[BATTERY_LEFT].append(f"{BATTERY_LEFT}{labels}}} {power.left_s:.6g}\n")


def _info_line(point: Point, inventory: Inventory) -> str:
    labels = labelled(
        instance=point.id,
        name=point.name,
        tier=point.tier,
        mode=point.mode,
        role=point.role or "",
        district=point.district_code or "",
        district_name=inventory.district_name(point.district_code),
        commune=point.commune_code or "",
        network_node=point.network_node or "",
        power_node=point.power_node or "",
        operator=inventory.network_operator(point),
        power_operator=inventory.power_operator(point),
    )
    return f"{POINT_INFO}{labels}1\n"
