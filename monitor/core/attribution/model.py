"""What goes into an attribution and what comes out of it. Ids everywhere: of points.csv, network.csv, power.csv."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from monitor.core.model import CheckState, NodeKind, Tree

SITE = "site"
"""Stands as the operator of a fault at the site itself."""


class PowerSource(StrEnum):
    """Who says where a site's electricity comes from."""

    UPS = "ups"
    """A UPS with a card of its own (UPS-MIB)."""
    NUT = "nut"
    """Network UPS Tools."""
    BROWSER = "browser"
    """The charger of a laptop whose page was seen plugged before."""
    GASP = "gasp"
    """A modem's last word when its power fails (GPON dying gasp)."""


class PowerSign(msgspec.Struct, frozen=True):
    """One word on a site's electricity."""

    source: PowerSource
    on_battery: bool
    minutes_left: float | None = None
    """How long the battery lasts from now on, where anybody says."""


class PointEvidence(msgspec.Struct, frozen=True):
    """What is known of a point now."""

    state: CheckState
    down_for_s: float | None = None
    """Since when it is down; None where nobody knows."""
    power: tuple[PowerSign, ...] = ()


class Evidence(msgspec.Struct, frozen=True):
    """All that is known at one instant. What is not named is not observed: neither up nor down."""

    points: Mapping[str, PointEvidence]
    nodes: Mapping[str, CheckState] = {}
    """Of the network's nodes: whether a gateway, an OLT, a switch answers."""


RATES = {
    NodeKind.CORE: 0.3,
    NodeKind.AGGREGATION: 1.5,
    NodeKind.ACCESS: 3.0,
    NodeKind.SUBSTATION: 0.4,
    NodeKind.FEEDER: 6.0,
    NodeKind.TRANSFORMER: 3.0,
}
"""Faults a year of one node."""


class Priors(msgspec.Struct, frozen=True, kw_only=True):
    """How often what fails, and what survives it: the parameters of the model, in force for a whole attribution.

    A fault's prior is its rate times the window; rates are faults a year of one node of its kind. Assumed, from what
    operators publish of such equipment; an operator who knows better writes it into attribution.yaml.
    """

    faults_a_year: Mapping[NodeKind, float] = msgspec.field(default_factory=RATES.copy)
    window_s: float = 3600.0
    """Faults that are seen together began within so long."""
    storm: float = 1.0
    """What multiplies the rates of both trees in bad weather."""
    site_fault: float = 0.005
    """Chance that a point which is fed and connected is down: its codec, its people, what probing got wrong."""
    survives_network: float = 0.01
    """Chance that a point without a backup link is up though its network node is out."""
    survives_on_backup: float = 0.5
    """The same with a backup link, which need not carry the address that is probed."""
    survives_power: float = 0.02
    """Chance that a point without a known battery is up though its power is out."""
    wrong_row: float = 0.02
    """Share of points.csv whose network or power node is wrong."""


class FactKind(StrEnum):
    """What sort of evidence a :class:`Fact` is."""

    DOWN = "down"
    """``count`` points are down of ``of`` observed under the node."""
    ON_BATTERY = "on_battery"
    """``count`` sites say, by ``source``, that their mains are gone."""
    ON_MAINS = "on_mains"
    """``count`` sites say, by ``source``, that their mains are there."""
    NODE = "node"
    """The node itself answers (``source`` is ``up``) or does not (``down``)."""
    SURVIVOR = "survivor"
    """``count`` points under the node are up: on their ``source`` (``ups`` or ``backup``), or for no known reason."""
    UNOBSERVED = "unobserved"
    """Of ``count`` points under the node nothing is known."""
    TOGETHER = "together"
    """``count`` points fell in the same moment as the others though the map has them elsewhere."""
    NEIGHBOURS = "neighbours"
    """Of a site: ``count`` of ``of`` other points on its node of that tree (``source``) are well."""
    CASCADE = "cascade"
    """``count`` network nodes fell for want of this node's power."""
    RUNNER_UP = "runner_up"
    """What the second best explanation says; ``nats`` is by how much it is worse."""


class Fact(msgspec.Struct, frozen=True):
    """One piece of the evidence for a blamed node."""

    kind: FactKind
    count: int
    of: int = 0
    source: str = ""
    nats: float = 0.0
    """Its share of the evidence; above 0 it speaks for the node, below 0 against it."""
    ids: tuple[str, ...] = ()
    """Of whom it tells; at most :data:`IDS_TOLD`, the rest are counted."""


IDS_TOLD = 20


class RunnerUp(msgspec.Struct, frozen=True):
    """The best explanation without the blamed node."""

    node: str
    tree: Tree
    operator: str
    probability: float


class Blame(msgspec.Struct, frozen=True):
    """A node that failed by the most probable explanation, or a site (then ``node`` is the point's id)."""

    node: str
    tree: Tree
    operator: str
    """Who owns it; :data:`SITE` for a site."""
    probability: float
    """That this node, or one it cannot be told from, failed; 0.5 to 0.999."""
    owner_probability: float
    """That it is its owner who must act; 0.5 to 0.999."""
    points: tuple[str, ...]
    """The points that are down because of it."""
    runner_up: RunnerUp | None = None
    indistinguishable: tuple[str, ...] = ()
    """Nodes that nothing observed can tell from it."""
    secondary: tuple[str, ...] = ()
    """Network nodes that fell for want of its power."""
    evidence: tuple[Fact, ...] = ()


class Attribution(msgspec.Struct, frozen=True):
    """The most probable explanation of everything that is down."""

    blamed: tuple[Blame, ...] = ()
    """The larger first."""
    undetermined: tuple[str, ...] = ()
    """Points that are down, and of which it cannot be told whose fault it is (``owner_probability`` below 0.7)."""
    suspects: tuple[str, ...] = ()
    """Points whose row in the inventory contradicts what is seen."""
