"""How well faults are attributed: scenarios drawn from a world of its own, our method beside others', one table.

``terrain``    an inventory as arrays
``world``      what breaks and what survives; the families of scenarios
``generator``  draws scenarios: the evidence, the timeline, the truth
``baselines``  SCORE, greedy, nearest parent
``judge``      answers against the truth
``replay``     how soon the right company is named
``table``      the report

Tuning is done on seeds below 1,000; what is reported is run on :data:`REPORT_SEED`, which no tuning has seen.
"""

from collections.abc import Callable, Iterator, Mapping
from time import perf_counter

from monitor.bench.attribution import baselines, replay
from monitor.bench.attribution.baselines import Blamed, Seen
from monitor.bench.attribution.generator import REPORT_SEED, Scenario, draw
from monitor.bench.attribution.judge import Answer, Bench, Tally, answer, of_nodes
from monitor.bench.attribution.replay import Played
from monitor.bench.attribution.table import OURS, Report, Row, Times, lines
from monitor.bench.attribution.terrain import Terrain, with_everyone
from monitor.bench.attribution.world import Family
from monitor.core.attribution import Attributor, Priors
from monitor.core.model import Inventory

__all__ = ["REPORT_SEED", "Report", "lines", "run"]

SCORE = "SCORE@"
LARGE_RUNS = 7
"""Storms that a large province is timed with."""
Say = Callable[[str], None]


def run(
    inventory: Inventory, scenarios: int, seed: int, replays: int, large: Inventory | None = None, say: Say = print
) -> Report:
    """All families over an inventory, every point taking part; the time alone over a large one, where there is one."""
    terrain = Terrain.of(with_everyone(inventory))
    attributor = Attributor(terrain.inventory)
    seconds: list[float] = []
    families: dict[Family, Mapping[str, Tally]] = {}
    played: dict[Family, Played] = {}
    for family in Family:
        say(f"{family.value}: {scenarios} scenarios")
        families[family] = _judged(terrain, attributor, family, scenarios, seed, seconds)
        say(f"{family.value}: {replays} played")
        played[family] = _played(terrain, attributor, family, replays, seed)
    overall = Tally()
    for tallies in families.values():
        overall = overall.plus(tallies[OURS])
    if large is not None:
        say(f"{len(large.points):,} points")
    return Report(
        seed,
        scenarios,
        replays,
        {family: {method: Row.of(tally) for method, tally in _best(tallies)} for family, tallies in families.items()},
        Row.of(overall),
        played,
        Times.of(len(terrain.points), len(terrain.nodes), seconds),
        None if large is None else _timed(large, seed),
    )


def methods(terrain: Terrain, seen: Seen) -> Iterator[tuple[str, Callable[[], Blamed]]]:
    """The others, by name."""
    for threshold in baselines.THRESHOLDS:
        yield f"{SCORE}{threshold}", lambda threshold=threshold: baselines.score(terrain, seen, threshold)  # type: ignore[misc]
    yield "greedy add-only", lambda: baselines.greedy(terrain, seen, Priors())
    yield "nearest parent", lambda: baselines.nearest_parent(terrain, seen)


def _judged(
    terrain: Terrain, attributor: Attributor, family: Family, scenarios: int, seed: int, seconds: list[float]
) -> Mapping[str, Tally]:
    """Sums by method; ``seconds`` takes what each of our own attributions took."""
    tallies: dict[str, Tally] = {}
    for number in range(scenarios):
        scenario = draw(terrain, family, number, seed)
        bench = Bench(scenario)
        for method, said in _answers(scenario, _informed(attributor, scenario), seconds):
            tallies.setdefault(method, Tally()).add(bench, said)
    return tallies


def _answers(scenario: Scenario, attributor: Attributor, seconds: list[float]) -> Iterator[tuple[str, Answer]]:
    began = perf_counter()
    attribution = attributor.attribute(scenario.evidence)
    seconds.append(perf_counter() - began)
    yield OURS, answer(attribution)
    mapped = scenario.terrain if scenario.map is scenario.terrain.inventory else Terrain.of(scenario.map)
    for method, blame in methods(mapped, Seen.of(mapped, scenario.evidence)):
        yield method, of_nodes(mapped, blame())


def _informed(attributor: Attributor, scenario: Scenario) -> Attributor:
    """Of the map that the inference has, which may be wrong."""
    return attributor if scenario.map is attributor.inventory else Attributor(scenario.map)


def _played(terrain: Terrain, attributor: Attributor, family: Family, replays: int, seed: int) -> Played:
    played = Played()
    for number in range(replays):
        scenario = draw(terrain, family, number, seed)
        played = played.plus(replay.play(scenario, _informed(attributor, scenario)))
    return played


def _best(tallies: Mapping[str, Tally]) -> Iterator[tuple[str, Tally]]:
    """Every method, and of SCORE the threshold that did best."""
    swept = [method for method in tallies if method.startswith(SCORE)]
    best = max(swept, key=lambda method: tallies[method].f1, default="")
    return ((method, tally) for method, tally in tallies.items() if method not in swept or method == best)


def _timed(large: Inventory, seed: int) -> Times:
    """One attribution of a storm in a large province."""
    terrain = Terrain.of(with_everyone(large))
    attributor = Attributor(terrain.inventory)
    seconds: list[float] = []
    for number in range(LARGE_RUNS):
        evidence = draw(terrain, Family.STORM, number, seed).evidence
        began = perf_counter()
        attributor.attribute(evidence)
        seconds.append(perf_counter() - began)
    return Times.of(len(terrain.points), len(terrain.nodes), seconds)
