"""The province as every room knows it: points, two trees, phases, states, and what happens to them.

Instants are Unix time in seconds (UTC) and named ``at``, ``since`` or ``now``; spans are named ``_s``.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum

import msgspec

from probes.model import Failure, Layer


class Tier(StrEnum):
    """The level of a point in the administration, from the host downwards."""

    PROVINCE = "province"
    AGENCY = "agency"
    DISTRICT = "district"
    COMMUNE = "commune"
    VILLAGE = "village"


class Mode(StrEnum):
    """How a point takes part."""

    TWO_WAY = "two_way"
    """Họp trực tuyến hai chiều."""
    WATCH = "watch"
    """Xem phát trực tiếp."""
    MERGED = "merged"
    """Ghép điểm: its people sit at another point; it is never lost."""
    NO_COVERAGE = "no_coverage"
    """Không có điều kiện kết nối."""


class NodeKind(StrEnum):
    """What a node of the network tree (first three) or of the power tree (last three) is."""

    CORE = "core"
    AGGREGATION = "aggregation"
    ACCESS = "access"
    SUBSTATION = "substation"
    FEEDER = "feeder"
    TRANSFORMER = "transformer"


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """A connection point (điểm cầu): one row of points.csv."""

    id: str
    name: str
    tier: Tier
    mode: Mode
    merged_into: str | None = None
    """The point where its people sit; only for mode merged."""
    district_code: str | None = None
    commune_code: str | None = None
    address: str | None = None
    """IP address or host name; None where nothing outside can reach it."""
    network_node: str | None = None
    power_node: str | None = None
    backup_link: str | None = None
    """What carries it when its line fails, such as ``4g``; None without."""
    ups_minutes: float = 0.0
    check_set: str | None = None
    """A set of checks.yaml; None for the tier's default."""
    role: str | None = None
    """``host``, ``speaker`` …: a point that is about to speak matters more than one that listens."""

    @property
    def expected(self) -> bool:
        """Whether it is to be seen connected."""
        return self.mode is Mode.TWO_WAY or self.mode is Mode.WATCH


class Node(msgspec.Struct, frozen=True):
    """A node of the network or of the power tree: one row of network.csv or power.csv."""

    id: str
    parent: str | None
    name: str
    kind: NodeKind
    operator: str
    """The company, desk or branch that owns it, as written in the file."""
    powered_by: str | None = None
    """For network equipment, the power node that feeds it."""
    address: str | None = None
    """For network equipment, where it answers; None where nobody asks it."""


class District(msgspec.Struct, frozen=True):
    """A district and the place of its tile on the board (column and row from 0, the north-west corner)."""

    code: str
    name: str
    column: int
    row: int


class Inventory(msgspec.Struct, frozen=True):
    """All points and both trees, keyed by id, in the order of the files. Valid as a whole: no dangling id, no cycle."""

    points: Mapping[str, Point]
    network: Mapping[str, Node]
    power: Mapping[str, Node]
    districts: Mapping[str, District]
    """Keyed by district code."""

    def ancestors(self, node_id: str) -> Iterator[Node]:
        """The node itself and those above it, upwards. Raises KeyError for an unknown id."""
        tree = self.network if node_id in self.network else self.power
        next_id: str | None = node_id
        while next_id is not None:
            node = tree[next_id]
            yield node
            next_id = node.parent

    def network_operator(self, point: Point) -> str:
        """Who owns the point's access; empty where the inventory does not say."""
        return self.network[point.network_node].operator if point.network_node else ""

    def power_operator(self, point: Point) -> str:
        """Who owns the point's transformer; empty where the inventory does not say."""
        return self.power[point.power_node].operator if point.power_node else ""

    def district_name(self, code: str | None) -> str:
        """The district's name, its code where the name is not known, empty for the province's own points."""
        if code is None:
            return ""
        return self.districts[code].name if code in self.districts else code


class Source(StrEnum):
    """Where the evidence of a check comes from, and what it is good for."""

    PROBE = "probe"
    """We ask the point."""
    PAGE = "page"
    """The point's own page tells us, each second, over the connection that it opened."""
    ROSTER = "roster"
    """The platform tells who has joined: late by its own time-outs, so it proves nothing but that."""
    NODE = "node"
    """A node of the network itself: no point's, and no eye of ours; evidence of the attribution."""
    SERVICE = "service"
    """What all points use: the portal, the broadcast. No point's, and no eye of ours."""
    WITNESS = "witness"
    """Something beyond our uplink that answers as long as we see."""
    GATEWAY = "gateway"
    """Our own router: its answers prove nothing of the uplink behind it, its silence that we are cut off."""


class CheckPolicy(msgspec.Struct, frozen=True):
    """What detection must know of a check beside its answers."""

    check: str
    point: str
    """Empty for a witness, which watches our own eyes and no point, and for a service."""
    layer: Layer
    interval_s: float
    expected_loss_ratio: float = 0.01
    """The loss of such a line on a good day, where learning starts; 0.1 for a village on 4G."""
    max_loss_ratio: float = 0.2
    """Above it the point is degraded. ITU limit for interactive video: 0.01; a watching village bears more."""
    max_jitter_s: float = 0.2
    """Above it the point is degraded."""
    source: Source = Source.PROBE
    node: str = ""
    """Of a node's check, the node's id."""


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the day with its own policy; in force from ``starts_at`` until the next one starts."""

    name: str
    title: str
    """Vietnamese, for screens."""
    starts_at: float
    interval_s: float
    """How often each check is made; a check set may ask for every n-th time only."""
    alpha: float
    """Bound on the probability that a healthy check is called down (error of the first kind)."""
    severity: str
    """The label of alerts raised in this phase: ``info``, ``warning`` or ``critical``."""


class ProgrammeItem(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the ceremony: a speech, a reply, a video."""

    starts_at: float
    title: str
    point: str = ""
    """Id of the point that speaks; empty where none does."""


class Ceremony(msgspec.Struct, frozen=True, kw_only=True):
    """The timeline: phases in order of their start, and the two instants that people wait for."""

    title: str
    timezone: str
    report_at: float
    """When the count is owed (07:30)."""
    begins_at: float
    """When the ceremony begins (08:00)."""
    ready_after_s: float = 120.0
    """A point counts as ready when it has been up for so long."""
    phases: tuple[Phase, ...]
    programme: tuple[ProgrammeItem, ...] = ()
    """By time: who is about to speak matters more than who listens."""
    drill: bool = False
    """Diễn tập: everything that is told to anybody is marked so."""


class CheckState(StrEnum):
    """Detection's answer for one check."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"


class PointState(StrEnum):
    """The verdict for one point."""

    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"
    UNKNOWN = "unknown"
    """Not observed: neither up nor down."""
    NOT_EXPECTED = "not_expected"
    """Merged or without coverage: never lost."""


class Cause(StrEnum):
    """Why a point is in its state: the word that the board, the log, the metric and the test all read."""

    NONE = "none"
    NO_EVIDENCE = "no_evidence"
    """Nothing has been heard of it yet, or not lately."""
    LOST_CONNECTION = "lost_connection"
    """No check of the reachable layer answers."""
    LOST_SIGNALLING = "lost_signalling"
    LOST_PICTURE = "lost_picture"
    """The media do not come, or the picture is black or frozen."""
    LOST_SOUND = "lost_sound"
    NOT_JOINED = "not_joined"
    POWER_LOST = "power_lost"
    """The site's electricity failed: it runs on its battery, or fell silent while it did."""
    FLAPPING = "flapping"
    LOSS = "loss"
    JITTER = "jitter"
    BLIND = "blind"
    """We ourselves do not see."""
    MERGED = "merged"
    NO_COVERAGE = "no_coverage"


class PowerState(StrEnum):
    """Where a site's electricity comes from."""

    UNKNOWN = "unknown"
    MAINS = "mains"
    BATTERY = "battery"


class Power(msgspec.Struct, frozen=True):
    """What was last heard of a site's electricity."""

    state: PowerState = PowerState.UNKNOWN
    source: str = ""
    """``ups`` or ``browser``; empty before anything was heard."""
    since: float = 0.0
    heard_at: float = 0.0
    left_s: float | None = None
    """How long the battery lasts; None where nobody says."""
    charge_ratio: float | None = None


class Tree(StrEnum):
    """Where a fault lies."""

    NETWORK = "network"
    POWER = "power"
    SITE = "site"


class Certainty(StrEnum):
    """How sure it is who must act."""

    CERTAIN = "certain"
    """0.95 and more: alert that company."""
    PROBABLE = "probable"
    """0.70 and more: alert it, and name the runner-up (nhiều khả năng)."""
    UNDETERMINED = "undetermined"
    """Less: alert both, and ask the site (chưa rõ nguyên nhân)."""


class IncidentState(StrEnum):
    """Where an incident is in its life."""

    OPEN = "open"
    RECOVERING = "recovering"
    """Its cause is over by what is seen; some of its points have not been probed up again yet."""
    RESOLVED = "resolved"
    """All its points have been probed up again."""
    MERGED = "merged"
    """It is part of another one with the same owner: ``became``."""
    RETRACTED = "retracted"
    """It was wrong: another explanation with another owner has taken its place (``became``), or none."""


ONGOING = frozenset({IncidentState.OPEN, IncidentState.RECOVERING})
"""Incidents in one of these fire."""


class Change(StrEnum):
    """What happened to an incident."""

    OPENED = "opened"
    GREW = "grew"
    """Points joined."""
    SHRANK = "shrank"
    """Points came up, or were given to another incident."""
    REASSESSED = "reassessed"
    """Its certainty is another one."""
    RECOVERING = "recovering"
    REOPENED = "reopened"
    """The same cause again."""
    RESOLVED = "resolved"
    MERGED = "merged"
    RETRACTED = "retracted"
    ACKNOWLEDGED = "acknowledged"
    """A desk says that it works on it."""
    ESCALATED = "escalated"
    """Nobody said so in time: the level above was told."""


class CheckChanged(msgspec.Struct, frozen=True):
    """A check changed its state."""

    check: str
    point: str
    before: CheckState
    after: CheckState
    at: float
    since: float
    """When the first of the probes that decided it was lost or answered."""
    failure: Failure | None
    detail: str


class PointChanged(msgspec.Struct, frozen=True):
    """A point changed its state, or the cause of it."""

    point: str
    before: PointState
    after: PointState
    cause: Cause
    at: float
    since: float
    detail: str = ""


class PowerChanged(msgspec.Struct, frozen=True):
    """A site's electricity comes from elsewhere than before."""

    point: str
    before: PowerState
    after: PowerState
    at: float
    source: str


class PhaseChanged(msgspec.Struct, frozen=True):
    """Another phase is in force: intervals, α and severity with it."""

    before: str
    after: str
    at: float


class BlindnessChanged(msgspec.Struct, frozen=True):
    """The monitor lost, or regained, its own sight."""

    blind: bool
    at: float
    since: float
    reason: str
    """Vietnamese, for people."""


class IncidentChanged(msgspec.Struct, frozen=True):
    """An incident was opened, has grown, was attributed otherwise, is over."""

    incident: str
    change: Change
    at: float
    since: float
    """When its first point fell."""
    tree: Tree
    node: str
    operator: str
    certainty: Certainty
    probability: float
    """That its owner must act."""
    points: int
    """That are down because of it now."""
    became: str = ""
    """The incident that took its place."""
    by: str = ""
    """The desk that acknowledged, or was told."""


class CheckedIn(msgspec.Struct, frozen=True):
    """A point has reported of itself, or somebody for it; what it said stands in the tally."""

    point: str
    at: float
    late: bool
    voice: str
    """Who spoke: a value of :class:`monitor.core.checkin.Voice`."""


Happening = CheckChanged | PointChanged | PowerChanged | PhaseChanged | BlindnessChanged | IncidentChanged | CheckedIn
