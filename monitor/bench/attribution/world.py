"""How the world behaves that scenarios are drawn from. Its parameters are its own.

They differ from those of the inference (:class:`~monitor.core.attribution.Priors`) in value and in form: equipment of
one kind is not equally rotten, storms strike districts, chances differ from one scenario to the next, batteries last
by a lognormal, and nothing here is derived from there.
"""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from monitor.core.model import NodeKind

Range = tuple[float, float]
"""From which a scenario draws its own value, evenly."""


BREAKS = {
    NodeKind.CORE: 0.1,
    NodeKind.AGGREGATION: 2.2,
    NodeKind.ACCESS: 5.5,
    NodeKind.SUBSTATION: 0.7,
    NodeKind.FEEDER: 9.0,
    NodeKind.TRANSFORMER: 3.2,
}
"""How readily a node of a kind breaks, relative to the others."""


class World(msgspec.Struct, frozen=True, kw_only=True):
    """What breaks, what survives, what is seen and what is said."""

    breaks: Mapping[NodeKind, float] = msgspec.field(default_factory=BREAKS.copy)
    rot: float = 0.8
    """By how much equipment of one kind differs: the standard deviation of the ln of its rate."""
    stricken: int = 4
    """Districts that a storm strikes,"""
    stricken_more: float = 8.0
    """where this many times as much breaks,"""
    storm_power: float = 2.0
    """and that many times as much of the power grid."""
    backup_works: Range = (5.0, 2.5)
    """The chance that a backup link carries a point over a network fault: a beta distribution's a and b."""
    lives_on: Range = (0.003, 0.010)
    """Chance to survive for no reason."""
    unobserved: Range = (0.03, 0.08)
    site_down: Range = (0.002, 0.008)
    """Share of points that are down for a reason of their own,"""
    site_down_since_s: float = 7200.0
    """since so long before the first fault at most."""
    bursts_an_hour: Range = (0.005, 0.05)
    """Of loss, long enough to be taken for a fall, by point."""
    burst_s: Range = (4.0, 20.0)
    together_s: float = 2.0
    """Points of one node fall within so long."""
    detected_s: Range = (1.0, 2.5)
    """After its fall a point is known to be down."""
    battery_spread: float = 0.35
    """Standard deviation of the ln of how long a battery lasts, over what it is said to."""
    battery_dead: float = 0.08
    """Share of batteries that are dead from the start."""
    left_spread: float = 0.25
    """Of how long a UPS says that it lasts on, over what it does."""
    equipment_battery_s: float = 3600.0
    """What network equipment lives on that has a battery."""
    sensed: float = 0.5
    """Share of points with a UPS that say where their power comes from; half of them by NUT."""
    paged: float = 0.35
    """Share of villages on a laptop whose page tells of the charger."""
    gasps: float = 0.10
    """Share of modems that tell of their end."""
    wrong_word: float = 0.01
    """Share of words that are wrong."""
    far_row: float = 0.5
    """Share of wrong rows that lead anywhere; the others lead elsewhere in the district."""


class Family(StrEnum):
    """A family of scenarios."""

    FEW = "faults_1_3"
    STORM = "storm"
    CASCADE = "cascade"
    WRONG_MAP = "wrong_map"
    BATTERY = "battery"
    BOTH = "both"
    NOISE = "noise"
    BLIND = "blind"


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """What sets one family apart."""

    faults: tuple[int, int]
    """At least, at most."""
    kinds: frozenset[NodeKind] = frozenset(NodeKind)
    """What breaks."""
    within_s: float = 60.0
    """The faults begin within so long."""
    seen_after_s: Range = (10.0, 600.0)
    """The last of them."""
    storm: bool = False
    pair: bool = False
    """One fault in each tree, in one district."""
    batteries: int = 0
    """At least so many points with a battery hang beneath."""
    equipment_without_battery: float = 0.1
    """Share of network equipment that dies with its mains."""
    wrong_rows: float = 0.0
    noise: float = 1.0
    """Times as many bursts of loss and site faults."""
    blind: bool = False


MEDIUM_VOLTAGE = frozenset({NodeKind.FEEDER, NodeKind.SUBSTATION})

RECIPES = {
    Family.FEW: Recipe(faults=(1, 3)),
    Family.STORM: Recipe(faults=(12, 50), within_s=600.0, storm=True),
    Family.CASCADE: Recipe(faults=(1, 3), kinds=MEDIUM_VOLTAGE, equipment_without_battery=0.7),
    Family.WRONG_MAP: Recipe(faults=(12, 50), within_s=600.0, storm=True, wrong_rows=0.05),
    Family.BATTERY: Recipe(
        faults=(1, 1), kinds=frozenset({NodeKind.FEEDER}), batteries=3, within_s=0.0, seen_after_s=(60.0, 1800.0)
    ),
    Family.BOTH: Recipe(faults=(2, 2), within_s=30.0, pair=True),
    Family.NOISE: Recipe(faults=(0, 0), noise=5.0),
    Family.BLIND: Recipe(faults=(0, 0), blind=True),
}
