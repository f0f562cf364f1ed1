"""Draws scenarios: what failed, what is seen of it, and what is the truth. Deterministic for a seed. Pure.

Tuning is done on seeds below 1,000; what is reported is run on :data:`REPORT_SEED`.
"""

from collections.abc import Iterator, Mapping
from math import inf

import msgspec
import numpy as np

from monitor.bench.attribution.terrain import Terrain
from monitor.bench.attribution.world import RECIPES, Family, Range, Recipe, World
from monitor.core.attribution import SITE, Evidence, PointEvidence, PowerSign, PowerSource
from monitor.core.attribution.forest import NONE, Bools, Floats, Ints
from monitor.core.model import CheckState, Inventory, NodeKind, Tier

REPORT_SEED = 20250508
NEVER = inf
TELLS_S = (0.5, 4.0)
"""A word on the power is heard so long after it came to be true."""
BLIND_S = (30.0, 60.0)
"""We ourselves do not see: from, for."""


class Truth(msgspec.Struct, frozen=True):
    """What nobody but the judge knows."""

    failed: frozenset[str]
    """The topmost nodes that failed; what fell for want of power is not among them."""
    visible: frozenset[str]
    """Those with a point beneath that is observed, and down or on battery."""
    causes: Mapping[str, frozenset[str]]
    """By point that is observed and down: the failed nodes, or :data:`SITE`, any of which holds it down."""
    wrong_rows: frozenset[str]
    """Points whose row of the inventory leads to another node than they hang on."""
    exposed: frozenset[str]
    """Those of them where it shows: one of both nodes is out, the other is not."""
    observed: Bools
    """By point of the terrain."""


class Event(msgspec.Struct, frozen=True):
    """Something that is learned of a point. Instants are seconds since the first fault."""

    at: float
    seat: int
    state: CheckState | None = None
    since: float = 0.0
    """When that began."""
    sign: PowerSign | None = None


class Scenario(msgspec.Struct, frozen=True):
    """One draw."""

    family: Family
    number: int
    at: float
    """The instant of the evidence, in seconds since the first fault."""
    map: Inventory
    """As the inference has it."""
    terrain: Terrain
    """As it is."""
    evidence: Evidence
    truth: Truth
    timeline: tuple[Event, ...]
    """From before the first fault to the instant of the evidence, in order."""


class _Course(msgspec.Struct, frozen=True):
    """What happens to nodes and points; instants are NEVER for what does not happen."""

    faults: list[int]
    out_at: Floats
    """By node."""
    cause: Ints
    """By node, the fault that took it."""
    network_at: Floats
    """By point, when it falls because of its network,"""
    power_at: Floats
    """of its power,"""
    site_at: Floats
    """of itself."""
    dark_at: Floats
    """By point, when its mains fail."""

    @property
    def falls_at(self) -> Floats:
        """By point, when it falls."""
        return np.minimum(np.minimum(self.network_at, self.power_at), self.site_at)


def draw(terrain: Terrain, family: Family, number: int, seed: int, world: World | None = None) -> Scenario:
    """The scenario of that number; the same for the same seed, whatever else is drawn."""
    rng = np.random.default_rng((seed, list(Family).index(family), number))
    return _Draw(terrain, family, number, world or World(), rng).scenario()


class _Draw:
    """One scenario in the making."""

    def __init__(self, terrain: Terrain, family: Family, number: int, world: World, rng: np.random.Generator) -> None:
        self.terrain, self.family, self.number, self.world, self.rng = terrain, family, number, world, rng
        self.recipe: Recipe = RECIPES[family]
        self.size = len(terrain.points)
        self.observed: Bools = rng.random(self.size) >= self._value(world.unobserved)

    def scenario(self) -> Scenario:
        faults = self._faults()
        begins = np.sort(self.rng.uniform(0.0, max(self.recipe.within_s, 1e-9), len(faults)))
        begins -= begins[0] if len(begins) else 0.0
        at = float(begins[-1] if len(begins) else 0.0) + self._value(self.recipe.seen_after_s)
        course = self._course(faults, begins, at)
        mapped, wrong = self._map()
        known_at = course.falls_at + self.rng.uniform(*self.world.detected_s, self.size)
        bursts = self._bursts(at, course)
        words = self._words(course, at)
        down = known_at <= at
        evidence = self._evidence(course, at, down, bursts, words)
        truth = self._truth(course, at, evidence, wrong)
        timeline = sorted(self._sighted(course, at, known_at, bursts, words), key=lambda event: event.at)
        return Scenario(self.family, self.number, at, mapped, self.terrain, evidence, truth, tuple(timeline))

    def _value(self, between: Range) -> float:
        return float(self.rng.uniform(*between))

    # What fails

    def _faults(self) -> list[int]:
        weights = self._weights()
        if self.recipe.pair:
            return self._pair(weights)
        wanted = int(self.rng.integers(self.recipe.faults[0], self.recipe.faults[1], endpoint=True))
        return self._picked(weights, wanted)

    def _weights(self) -> Floats:
        """How readily each node breaks; 0 for those with nothing observed beneath."""
        terrain, world = self.terrain, self.world
        weights = np.array([world.breaks[kind] * (kind in self.recipe.kinds) for kind in terrain.kind])
        weights *= np.exp(self.rng.normal(0.0, world.rot, len(weights)))
        weights[terrain.count(self.observed) == 0] = 0.0
        if self.recipe.batteries:
            weights[terrain.count(self.observed & (terrain.battery_s > 0)) < self.recipe.batteries] = 0.0
        if self.recipe.storm:
            districts = sorted(set(terrain.district) - {""})
            hit = self.rng.choice(districts, min(world.stricken, len(districts)), replace=False)
            weights[np.isin(terrain.district, hit)] *= world.stricken_more
            weights[terrain.forest.power] *= world.storm_power
        return weights

    def _picked(self, weights: Floats, wanted: int) -> list[int]:
        """So many nodes, none above another."""
        weights = weights.copy()
        found: list[int] = []
        while len(found) < wanted and weights.any():
            place = int(self.rng.choice(len(weights), p=weights / weights.sum()))
            found.append(place)
            weights[self.terrain.forest.above(place)] = 0.0
            weights[place : int(self.terrain.forest.last[place]) + 1] = 0.0
        return found

    def _pair(self, weights: Floats) -> list[int]:
        """A node of each tree in one district."""
        power, districts = self.terrain.forest.power, np.array(self.terrain.district)
        for district in self.rng.permutation(sorted(set(self.terrain.district) - {""})):
            here = np.where(districts == district, weights, 0.0)
            if here[power].any() and here[~power].any():
                return [*self._picked(here * ~power, 1), *self._picked(here * power, 1)]
        return self._picked(weights, 2)

    def _course(self, faults: list[int], begins: Floats, at: float) -> _Course:
        out_at, cause = self._nodes(faults, begins)
        terrain, world, rng = self.terrain, self.world, self.rng
        together = rng.uniform(0.0, world.together_s, self.size)
        lives_on = rng.random(self.size) < self._value(world.lives_on)
        on_backup = terrain.backup & (rng.random(self.size) < rng.beta(*world.backup_works))
        lasts_s = terrain.battery_s * np.exp(rng.normal(0.0, world.battery_spread, self.size))
        lasts_s[rng.random(self.size) < world.battery_dead] = 0.0
        site = rng.random(self.size) < self._value(world.site_down) * self.recipe.noise
        dark_at = out_at[terrain.pow]
        return _Course(
            faults,
            out_at,
            cause,
            np.where(on_backup | lives_on, NEVER, out_at[terrain.net] + together),
            np.where(lives_on, NEVER, dark_at + lasts_s + together),
            np.where(site, rng.uniform(-world.site_down_since_s, at, self.size), NEVER),
            dark_at,
        )

    def _nodes(self, faults: list[int], begins: Floats) -> tuple[Floats, Ints]:
        """When each node is out, and which fault took it: first power, then what lives on it."""
        terrain, forest = self.terrain, self.terrain.forest
        out_at, cause = np.full(len(forest), NEVER), np.full(len(forest), NONE)
        out_at[faults], cause[faults] = begins, faults
        _spread(terrain, out_at, cause)
        battery_s = self.world.equipment_battery_s * np.exp(self.rng.normal(0.0, 0.4, len(forest)))
        bare = np.array([kind is NodeKind.ACCESS for kind in terrain.kind])
        bare &= self.rng.random(len(forest)) < self.recipe.equipment_without_battery
        starved_at = np.where(terrain.fed_by == NONE, NEVER, out_at[terrain.fed_by]) + np.where(bare, 0.0, battery_s)
        starved = starved_at < out_at
        out_at[starved], cause[starved] = starved_at[starved], cause[terrain.fed_by[starved]]
        _spread(terrain, out_at, cause)
        return out_at, cause

    # What the map says

    def _map(self) -> tuple[Inventory, dict[int, int]]:
        """The inventory with wrong rows, and by wrong point the node that its row leads to."""
        wrong: dict[int, int] = {}
        points = dict(self.terrain.inventory.points)
        for seat in np.flatnonzero(self.rng.random(self.size) < self.recipe.wrong_rows):
            point = self.terrain.points[seat]
            power = bool(self.rng.random() < 0.5)
            leaf = self._elsewhere(int(seat), power=power)
            wrong[int(seat)] = leaf
            field = "power_node" if power else "network_node"
            points[point.id] = msgspec.structs.replace(point, **{field: self.terrain.nodes[leaf].id})
        return msgspec.structs.replace(
            self.terrain.inventory, points=points
        ) if wrong else self.terrain.inventory, wrong

    def _elsewhere(self, seat: int, *, power: bool) -> int:
        """Another node that points of its tier hang on."""
        terrain = self.terrain
        leaves = terrain.pow if power else terrain.net
        others = leaves[leaves != leaves[seat]]
        if self.rng.random() >= self.world.far_row:
            district = terrain.points[seat].district_code
            near = [int(leaf) for leaf in others if terrain.district[leaf] == district]
            others = np.array(near, np.int64) if near else others
        return int(self.rng.choice(others))

    # What is seen

    def _bursts(self, at: float, course: _Course) -> list[tuple[int, float, float]]:
        """Points that lose packets for a while: who, from when, until when. None that falls for good by then."""
        rate = self._value(self.world.bursts_an_hour) * self.recipe.noise
        number = int(self.rng.poisson(rate * self.size * at / 3600))
        who = self.rng.permutation(np.flatnonzero(self.observed & (course.falls_at > at)))[:number]
        begins = self.rng.uniform(0.0, at, len(who))
        lasts = self.rng.uniform(*self.world.burst_s, len(who))
        return [(int(seat), float(b), float(b + s)) for seat, b, s in zip(who, begins, lasts, strict=True)]

    def _words(self, course: _Course, at: float) -> dict[int, list[tuple[float, PowerSign]]]:
        """By point, what it says of its power, and when: at first, and when its mains fail."""
        voices = np.flatnonzero(self.observed & self._speaks())
        said: dict[int, list[tuple[float, PowerSign]]] = {}
        for seat in map(int, voices):
            source = self._source(seat)
            lies = self.rng.random() < self.world.wrong_word
            tells_at = float(course.dark_at[seat]) + self._value(TELLS_S)
            dark = tells_at <= at and float(course.dark_at[seat]) < NEVER and tells_at < course.falls_at[seat]
            said[seat] = [(-1.0, PowerSign(source, lies))]
            if dark and not lies:
                said[seat].append((tells_at, PowerSign(source, True, self._left(seat, source, course, tells_at))))
        for seat in map(int, np.flatnonzero(self.observed & (self.terrain.battery_s == 0) & (course.power_at <= at))):
            first = course.power_at[seat] == course.falls_at[seat]
            if first and self.rng.random() < self.world.gasps:
                said[seat] = [(float(course.power_at[seat]), PowerSign(PowerSource.GASP, True))]
        return said

    def _speaks(self) -> Bools:
        village = np.array([point.tier is Tier.VILLAGE for point in self.terrain.points])
        share = np.where(village, self.world.paged, self.world.sensed)
        found: Bools = (self.terrain.battery_s > 0) & (self.rng.random(self.size) < share)
        return found

    def _source(self, seat: int) -> PowerSource:
        if self.terrain.points[seat].tier is Tier.VILLAGE:
            return PowerSource.BROWSER
        return PowerSource.NUT if seat % 2 else PowerSource.UPS

    def _left(self, seat: int, source: PowerSource, course: _Course, tells_at: float) -> float | None:
        """What the battery says it has left, in minutes; a browser does not say."""
        if source is PowerSource.BROWSER or course.power_at[seat] == NEVER:
            return None
        left_s = max(0.0, float(course.power_at[seat]) - tells_at)
        return round(left_s / 60 * float(np.exp(self.rng.normal(0.0, self.world.left_spread))), 1)

    def _evidence(
        self,
        course: _Course,
        at: float,
        down: Bools,
        bursts: list[tuple[int, float, float]],
        words: dict[int, list[tuple[float, PowerSign]]],
    ) -> Evidence:
        """The snapshot."""
        if self.recipe.blind:
            return Evidence({point: PointEvidence(CheckState.UNKNOWN) for point in self.terrain.ids})
        falls_at, burst = course.falls_at, {seat: begin for seat, begin, end in bursts if begin + 1.0 <= at < end}
        points: dict[str, PointEvidence] = {}
        for seat in map(int, np.flatnonzero(self.observed)):
            signs = tuple(_latest(words[seat], at, falls_at[seat])) if seat in words else ()
            began = float(falls_at[seat]) if down[seat] else burst.get(seat)
            if began is not None:
                seen = PointEvidence(CheckState.DOWN, round(at - began, 2), signs)
            else:
                seen = PointEvidence(CheckState.UP, None, signs) if signs else _UP
            points[self.terrain.ids[seat]] = seen
        return Evidence(points)

    def _timeline(
        self,
        course: _Course,
        at: float,
        known_at: Floats,
        bursts: list[tuple[int, float, float]],
        words: dict[int, list[tuple[float, PowerSign]]],
    ) -> Iterator[Event]:
        for seat in map(int, np.flatnonzero(self.observed)):
            yield Event(-_LONG, seat, CheckState.UP, -_LONG)
            if known_at[seat] <= at:
                yield Event(float(known_at[seat]), seat, CheckState.DOWN, float(course.falls_at[seat]))
            for said_at, sign in words.get(seat, ()):
                if sign.source is PowerSource.GASP or said_at < course.falls_at[seat]:
                    yield Event(said_at, seat, sign=sign)
        for seat, begin, end in bursts:
            known = begin + self._value(self.world.detected_s)
            if known < end:
                yield Event(known, seat, CheckState.DOWN, begin)
                yield Event(end, seat, CheckState.UP, end)

    def _sighted(
        self,
        course: _Course,
        at: float,
        known_at: Floats,
        bursts: list[tuple[int, float, float]],
        words: dict[int, list[tuple[float, PowerSign]]],
    ) -> Iterator[Event]:
        """The timeline but for what we ourselves do not see."""
        begins = min(BLIND_S[0], at / 3) if self.recipe.blind else NEVER
        ends = min(begins + BLIND_S[1], at * 2 / 3)
        for event in self._timeline(course, at, known_at, bursts, words):
            if not begins <= event.at <= ends:
                yield event
        if self.recipe.blind:
            yield from self._blindness(course, known_at, begins, ends)

    def _blindness(self, course: _Course, known_at: Floats, begins: float, ends: float) -> Iterator[Event]:
        """Nothing is known of anybody for a while; then everything as it stands."""
        for seat in map(int, np.flatnonzero(self.observed)):
            yield Event(begins, seat, CheckState.UNKNOWN, begins)
            down = known_at[seat] <= ends
            since = float(course.falls_at[seat]) if down else -_LONG
            yield Event(ends, seat, CheckState.DOWN if down else CheckState.UP, since)

    # What is true

    def _truth(self, course: _Course, at: float, evidence: Evidence, wrong: dict[int, int]) -> Truth:
        terrain, nodes = self.terrain, self.terrain.nodes
        seen = [evidence.points.get(point) for point in terrain.ids]
        down = np.array([one is not None and one.state is CheckState.DOWN for one in seen])
        told = np.array([one is not None and any(sign.on_battery for sign in one.power) for one in seen])
        dimmed = np.where(terrain.forest.power, terrain.count(told & (course.dark_at <= at)), 0)
        out, shows = course.out_at <= at, terrain.count(down) + dimmed > 0
        return Truth(
            frozenset(nodes[place].id for place in course.faults),
            frozenset(nodes[place].id for place in course.faults if shows[place]),
            {terrain.ids[seat]: self._held_down(int(seat), course, at) for seat in np.flatnonzero(down)},
            frozenset(terrain.ids[seat] for seat in wrong),
            frozenset(
                terrain.ids[seat]
                for seat, leaf in wrong.items()
                if self.observed[seat] and out[leaf] != out[self._leaf(seat, leaf)]
            ),
            self.observed,
        )

    def _leaf(self, seat: int, like: int) -> int:
        """What a point hangs on in the tree of another node."""
        return int((self.terrain.pow if self.terrain.forest.power[like] else self.terrain.net)[seat])

    def _held_down(self, seat: int, course: _Course, at: float) -> frozenset[str]:
        """Everything that would hold it down by itself; a burst of loss is the site's."""
        terrain = self.terrain
        found = {
            terrain.nodes[course.cause[leaf[seat]]].id
            for falls_at, leaf in ((course.network_at, terrain.net), (course.power_at, terrain.pow))
            if falls_at[seat] <= at
        }
        return frozenset(found | ({SITE} if course.site_at[seat] <= at or not found else set()))


_LONG = 86_400.0
_UP = PointEvidence(CheckState.UP)


def _latest(said: list[tuple[float, PowerSign]], at: float, falls_at: float) -> Iterator[PowerSign]:
    """The last word before it fell; a modem's very last one, too."""
    heard = [
        (said_at, sign)
        for said_at, sign in said
        if said_at <= at and (said_at < falls_at or sign.source is PowerSource.GASP)
    ]
    if heard:
        said_at, sign = heard[-1]
        since_s = (min(at, falls_at) - said_at) / 60
        left = None if sign.minutes_left is None else round(max(0.0, sign.minutes_left - since_s), 1)
        yield msgspec.structs.replace(sign, minutes_left=left)


def _spread(terrain: Terrain, out_at: Floats, cause: Ints) -> None:
    """What stands below what is out is out."""
    for level in terrain.forest.levels[1:]:
        above = terrain.forest.parent[level]
        sooner = (out_at[above] <= out_at[level]) & (out_at[above] < NEVER)
        out_at[level[sooner]] = out_at[above[sooner]]
        cause[level[sooner]] = cause[above[sooner]]
