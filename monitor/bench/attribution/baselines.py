"""What others do: SCORE, a greedy search of the same energy, and "blame the nearest parent". Pure.

Each says for every point that is down the node to blame, or -1 for the point's own site. They see the states and, the
greedy search, also the words on power; none of them knows of cascades.
"""

from collections.abc import Mapping
from math import expm1, log

import msgspec
import numpy as np

from monitor.bench.attribution.terrain import Terrain
from monitor.core.attribution import Evidence, PowerSource, Priors
from monitor.core.attribution.forest import NONE, Bools, Floats, Ints
from monitor.core.model import CheckState

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
"""Hit ratios that SCORE is tried with."""
NEAREST_AT_LEAST = 0.8
"""Share of a node's observed points that must be down for the nearest parent to be blamed."""
YEAR_S = 365.25 * 86_400
WORDS = {PowerSource.UPS: 5.5, PowerSource.NUT: 5.5, PowerSource.GASP: 4.0, PowerSource.BROWSER: 2.5}
"""Nats of a word "on battery"."""
LONG_S = 3600.0
"""What fell longer ago tells nothing of when the power failed."""


class Seen(msgspec.Struct, frozen=True):
    """The evidence by point of a terrain."""

    down: Bools
    up: Bools
    down_for: Floats
    """0 where it is not down."""
    words: Floats
    """Nats for "the mains are gone"."""

    @classmethod
    def of(cls, terrain: Terrain, evidence: Evidence) -> "Seen":
        """In the terrain's order."""
        size = len(terrain.points)
        seen = cls(np.zeros(size, np.bool_), np.zeros(size, np.bool_), np.zeros(size), np.zeros(size))
        for point, known in evidence.points.items():
            seat = terrain.seats[point]
            seen.down[seat], seen.up[seat] = known.state is CheckState.DOWN, known.state is CheckState.UP
            seen.down_for[seat] = known.down_for_s or 0.0
            seen.words[seat] = sum(WORDS[sign.source] for sign in known.power if sign.on_battery)
        return seen


Blamed = Mapping[str, int]
"""By point that is down, a node by number, or -1."""


def score(terrain: Terrain, seen: Seen, threshold: float) -> Blamed:
    """Kompella et al., NSDI 2005: of the risk groups that are hit enough, the one that explains most, and again."""
    hit, observed = terrain.count(seen.down), terrain.count(seen.down | seen.up)
    ratio = hit / np.maximum(observed, 1)
    fit = (ratio >= threshold) & (hit > 0)
    blamed = np.full(len(terrain.points), NONE)
    left = seen.down.copy()
    while left.any():
        covered = np.where(fit, terrain.count(left), 0)
        place = int(np.lexsort((observed, -ratio, -covered))[0])
        if not covered[place]:
            break
        theirs = terrain.beneath(place)
        blamed[theirs[left[theirs]]] = place
        left[theirs] = False
    return _named(terrain, seen, blamed)


def nearest_parent(terrain: Terrain, seen: Seen) -> Blamed:
    """Each point that is down blames the lowest node above it, in either tree, most of whose points are down."""
    ratio = terrain.count(seen.down) / np.maximum(terrain.count(seen.down | seen.up), 1)
    blamed = np.full(len(terrain.points), NONE)
    above = [terrain.net, terrain.pow]
    while any((places != NONE).any() for places in above):
        ratios = [np.where(places == NONE, 0.0, ratio[places]) for places in above]
        better = np.where(ratios[0] >= ratios[1], above[0], above[1])
        fit = (blamed == NONE) & (np.maximum(*ratios) >= NEAREST_AT_LEAST)
        blamed[fit] = better[fit]
        above = [np.where(places == NONE, NONE, terrain.forest.parent[places]) for places in above]
    return _named(terrain, seen, blamed)


def _named(terrain: Terrain, seen: Seen, blamed: Ints) -> Blamed:
    return {terrain.ids[seat]: int(blamed[seat]) for seat in np.flatnonzero(seen.down)}


class _Costs(msgspec.Struct, frozen=True):
    """The model's energy."""

    fault: Floats
    """By node, for being the topmost that failed."""
    points: Floats
    """By network state, power state and point."""
    words: Floats
    """By power node, for being out; below 0 where words say so."""


def greedy(terrain: Terrain, seen: Seen, priors: Priors) -> Blamed:
    """Adds the node that lowers the energy most, until none does."""
    costs = _costs(terrain, seen, priors)
    out = np.zeros(len(terrain.forest), np.bool_)
    while True:
        rise = _rise(terrain, costs, out)
        place = int(np.argmin(rise))
        if rise[place] >= -1e-9:
            break
        out[place : int(terrain.forest.last[place]) + 1] = True
    return _named(terrain, seen, _assigned(terrain, costs, out))


def _rise(terrain: Terrain, costs: _Costs, out: Bools) -> Floats:
    """By node, by how much the energy rises if it is out, too."""
    forest, everyone = terrain.forest, np.arange(len(terrain.points))
    network, power = out[terrain.net].astype(np.int64), out[terrain.pow].astype(np.int64)
    now = costs.points[network, power, everyone]
    change = np.where(out, 0.0, costs.words)
    np.add.at(change, terrain.net, costs.points[1, power, everyone] - now)
    np.add.at(change, terrain.pow, costs.points[network, 1, everyone] - now)
    top = forest.topmost(out)
    change[top] -= costs.fault[top]
    return np.where(out, 0.0, forest.sums(change) + costs.fault)


def _assigned(terrain: Terrain, costs: _Costs, out: Bools) -> Ints:
    """By point, the failed node that explains it better."""
    root = np.full(len(out), NONE)
    for top in terrain.forest.topmost(out):
        root[top : int(terrain.forest.last[top]) + 1] = top
    network, power = root[terrain.net], root[terrain.pow]
    by_power = (power != NONE) & ((network == NONE) | (costs.points[0, 1] < costs.points[1, 0]))
    return np.where(by_power, power, network)


def _costs(terrain: Terrain, seen: Seen, priors: Priors) -> _Costs:
    expected = [priors.faults_a_year[kind] * priors.storm * priors.window_s / YEAR_S for kind in terrain.kind]
    network = np.where(terrain.backup, priors.survives_on_backup, priors.survives_network)
    power = _survives(terrain, seen, priors)
    up = (1 - priors.site_fault) * np.stack(
        [np.stack([np.ones_like(power), power]), np.stack([network, network * power])]
    )
    points = np.where(seen.up, -np.log(up), np.where(seen.down, -np.log(1 - up), 0.0))
    words = np.zeros(len(terrain.forest))
    np.add.at(words, terrain.pow, -np.minimum(seen.words, max(WORDS.values())))
    return _Costs(np.array([-log(expm1(one)) for one in expected]), points, words)


def _survives(terrain: Terrain, seen: Seen, priors: Priors) -> Floats:
    """Chance to be up, or to have been, so long after the power of the point's feeder failed."""
    feeder = np.where(terrain.forest.parent[terrain.pow] == NONE, terrain.pow, terrain.forest.parent[terrain.pow])
    since = np.zeros(len(terrain.forest))
    recent = seen.down & (seen.down_for < LONG_S)
    np.maximum.at(since, feeder[recent], seen.down_for[recent])
    lived = np.maximum(since[feeder] - seen.down_for, 0.0)
    lasts = np.maximum(terrain.battery_s, 1e-9)
    on_battery = 0.9 / (1 + (lived / lasts) ** 4)
    found = np.where(terrain.battery_s > 0, np.maximum(on_battery, priors.survives_power), priors.survives_power)
    found = np.where((seen.words > 0) & seen.up, 0.98, found)
    return np.minimum(found, 0.99)
