"""Which rows of the inventory contradict what is seen. Pure.

Two things give a wrong row away. A point that is up though the node it hangs on, by the map, is out, without a backup
link or a battery to live on. And a point that falls alone, by the map, in the very moment in which a whole node falls
elsewhere: it hangs there. The latter is also given to that node, whoever owns it.
"""

from collections.abc import Sequence
from math import inf

import numpy as np

from monitor.core.attribution.explanation import Finding, Scene
from monitor.core.attribution.forest import NONE, Floats, Ints
from monitor.core.attribution.observed import DOWN, UP

TOGETHER_S = 2.5
"""A network node takes its points within so long of one another, detection included."""
AT_LEAST = 3
"""So many points make a moment."""
MARGIN_S = 0.5
"""By how much the instants of points that fell together may be wrong."""
MOST_OF = 0.8
"""A node's points fell together when so many of them did."""
CONTRADICTED = 0.8
"""How much likelier it must be that a survivor hangs elsewhere than that it was lucky."""
WEIGHT = 40.0
"""How many points the share of wrong rows is believed for before it is counted."""
LARGEST_SHARE = 0.25
"""Where more of a node's points are up than so many, it is the explanation that is doubtful, not their rows."""


def reunited(findings: Sequence[Finding], scene: Scene) -> list[Finding]:
    """The findings, each with those points that fell alone in its moment."""
    fell = scene.observed.down_for
    moments = [_moment(fell[finding.points]) for finding in findings]
    explained = np.concatenate([finding.points for finding in findings] or [np.array([], np.int64)])
    joined: list[list[int]] = [[] for _ in findings]
    for seat in np.setdiff1d(scene.down, explained):
        near = [place for place, (first, last) in enumerate(moments) if first <= fell[seat] <= last]
        if len(near) == 1 and _is_alone(int(seat), scene):
            joined[near[0]].append(int(seat))
    return [
        Finding(one.place, np.concatenate((one.points, np.array(more, np.int64))), one.secondary, tuple(more))
        if more
        else one
        for one, more in zip(findings, joined, strict=True)
    ]


def _moment(fell: Floats) -> tuple[float, float]:
    """From when to when these points fell, if they did so together; else never, as where nobody measured it."""
    known = fell[~np.isnan(fell)]
    together = known[np.abs(known - np.median(known)) <= TOGETHER_S] if len(known) else known
    if len(together) < max(AT_LEAST, MOST_OF * len(known)) or np.ptp(together) == 0:
        return inf, -inf
    return float(together.min()) - MARGIN_S, float(together.max()) + MARGIN_S


def _is_alone(seat: int, scene: Scene) -> bool:
    """Whether other points on both of its nodes are well: by the map, it fell by itself."""
    leaves = (int(scene.seats.net[seat]), int(scene.seats.pow[seat]))
    return all(leaf != NONE and (scene.observed.state[scene.beneath(leaf)] == UP).any() for leaf in leaves)


def suspects(findings: Sequence[Finding], scene: Scene) -> tuple[str, ...]:
    """The points whose row contradicts what is seen, by id."""
    found = {seat for finding in findings for seat in finding.together}
    for power, floor in ((False, scene.priors.survives_network), (True, scene.priors.survives_power)):
        found.update(
            map(int, _survivors([one for one in findings if scene.forest.power[one.place] == power], scene, floor))
        )
    return tuple(sorted(scene.names(sorted(found))))


def _survivors(findings: Sequence[Finding], scene: Scene, floor: float) -> Ints:
    """Points that are up for no reason, where that is more than chance lets survive."""
    up, hit = [], 0
    for finding in findings:
        without = _without_reason(finding.place, scene)
        state = scene.observed.state[without]
        survivors, fallen = without[state == UP], int((state == DOWN).sum())
        if fallen >= AT_LEAST and len(survivors) <= LARGEST_SHARE * (len(survivors) + fallen):
            up.append(survivors)
            hit += len(survivors) + fallen
    found: Ints = np.concatenate([np.array([], np.int64), *up])
    share = (len(found) + WEIGHT * (scene.priors.wrong_row + floor)) / (hit + WEIGHT)
    contradicted = bool((share - floor) / share >= CONTRADICTED)
    return found if contradicted else found[:0]


def _without_reason(place: int, scene: Scene) -> Ints:
    """The points below a node that nothing would keep up."""
    beneath = scene.beneath(place)
    if scene.forest.power[place]:
        mains_only: Ints = beneath[(scene.seats.battery_s[beneath] == 0) & ~scene.observed.on_battery[beneath]]
        return mains_only
    unaided: Ints = beneath[~scene.seats.backup[beneath]]
    return unaided
