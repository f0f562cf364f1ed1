"""Scenarios are what they claim to be, the judge is just, the others are what they are, and the table comes out."""

import json
from collections.abc import Mapping
from math import inf, isnan

import msgspec
import pytest
from click.testing import CliRunner

from monitor.bench.attribution import Row, baselines, judge, replay
from monitor.bench.attribution.baselines import Seen
from monitor.bench.attribution.generator import Scenario, draw
from monitor.bench.attribution.judge import Answer, Bench, Named, Tally, calibration_error, of_nodes
from monitor.bench.attribution.terrain import Terrain, with_everyone
from monitor.bench.attribution.world import RECIPES, Family
from monitor.cli.bench import command
from monitor.core.attribution import SITE, Attributor, Evidence, PointEvidence, Priors
from monitor.core.model import CheckState, Inventory, Mode, Node, NodeKind, Point, Tier
from monitor.rehearsal import province

SEED = 7
"""A tuning seed."""


@pytest.fixture(scope="module")
def terrain() -> Terrain:
    return Terrain.of(with_everyone(province.make(1500)))


def node(id_: str, parent: str | None, kind: NodeKind, operator: str) -> Node:
    return Node(id_, parent, id_, kind, operator)


def hamlet() -> Terrain:
    """Two OLTs of four points each, one feeder with two transformers across them, a district apart from nothing."""
    network = [
        node("core", None, NodeKind.CORE, "VNPT"),
        node("olt-1", "core", NodeKind.ACCESS, "VNPT"),
        node("olt-2", "core", NodeKind.ACCESS, "VNPT"),
    ]
    power = [
        node("feeder", None, NodeKind.FEEDER, "EVN"),
        node("tba-1", "feeder", NodeKind.TRANSFORMER, "EVN"),
        node("tba-2", "feeder", NodeKind.TRANSFORMER, "EVN"),
    ]
    points = [
        Point(
            id=f"p{n}",
            name=f"p{n}",
            tier=Tier.VILLAGE,
            mode=Mode.WATCH,
            network_node=f"olt-{1 + n // 4}",
            power_node=f"tba-{1 + n % 2}",
        )
        for n in range(8)
    ]
    return Terrain.of(
        Inventory(
            {point.id: point for point in points},
            {one.id: one for one in network},
            {one.id: one for one in power},
            {},
        )
    )


def seen(terrain: Terrain, *down: str) -> Seen:
    points = {
        point: PointEvidence(CheckState.DOWN, 5.0) if point in down else PointEvidence(CheckState.UP)
        for point in terrain.ids
    }
    return Seen.of(terrain, Evidence(points))


def named(terrain: Terrain, blamed: Mapping[str, int]) -> dict[str, str]:
    return {point: SITE if place < 0 else terrain.nodes[place].id for point, place in blamed.items()}


# The generator


@pytest.mark.parametrize("family", Family)
def test_the_same_seed_draws_the_same_scenario(terrain: Terrain, family: Family) -> None:
    """Evidence, timeline and truth; and another number another one."""
    one, again, other = (draw(terrain, family, number, SEED) for number in (3, 3, 4))
    assert one.evidence == again.evidence
    assert one.timeline == again.timeline
    assert one.truth.causes == again.truth.causes
    assert other.timeline != one.timeline


@pytest.mark.parametrize("family", Family)
def test_the_truth_tells_a_cause_for_each_point_that_is_down(terrain: Terrain, family: Family) -> None:
    """And each visible fault is one of those drawn, as many as the recipe says."""
    least, most = RECIPES[family].faults
    for number in range(5):
        scenario = draw(terrain, family, number, SEED)
        down = {point for point, seen in scenario.evidence.points.items() if seen.state is CheckState.DOWN}
        assert scenario.truth.causes.keys() == down
        assert all(causes <= scenario.truth.failed | {SITE} and causes for causes in scenario.truth.causes.values())
        assert scenario.truth.visible <= scenario.truth.failed
        assert least <= len(scenario.truth.failed) <= most


def test_no_fault_stands_above_another(terrain: Terrain) -> None:
    """The failed nodes are the topmost."""
    for number in range(5):
        failed = draw(terrain, Family.STORM, number, SEED).truth.failed
        above = {node.id for one in failed for node in terrain.inventory.ancestors(one)} - failed
        assert all(not ({node.id for node in terrain.inventory.ancestors(one)} - {one}) & failed for one in failed)
        assert above


def test_only_a_wrong_map_is_wrong(terrain: Terrain) -> None:
    """Its rows lead elsewhere in one tree; the world and all other families have the true one."""
    wrong = draw(terrain, Family.WRONG_MAP, 0, SEED)
    differ = {
        point
        for point, row in wrong.map.points.items()
        if (row.network_node, row.power_node)
        != (wrong.terrain.inventory.points[point].network_node, wrong.terrain.inventory.points[point].power_node)
    }
    assert differ == wrong.truth.wrong_rows
    assert 0.03 < len(differ) / len(terrain.points) < 0.07
    assert wrong.truth.exposed <= wrong.truth.wrong_rows
    assert draw(terrain, Family.STORM, 0, SEED).map is terrain.inventory


def test_nothing_is_known_in_blindness_and_nothing_fails_in_noise(terrain: Terrain) -> None:
    """So nobody is to be blamed for either."""
    blind, noise = (draw(terrain, family, 1, SEED) for family in (Family.BLIND, Family.NOISE))
    assert {seen.state for seen in blind.evidence.points.values()} == {CheckState.UNKNOWN}
    assert not blind.truth.causes
    assert set().union(*noise.truth.causes.values()) == {SITE}


def test_the_timeline_ends_in_the_snapshot(terrain: Terrain) -> None:
    """What is known of each point by its last event is what the evidence says; bursts in their first second apart."""
    scenario = draw(terrain, Family.STORM, 2, SEED)
    state: dict[str, CheckState] = {}
    for event in scenario.timeline:
        if event.state is not None and event.at <= scenario.at:
            state[terrain.ids[event.seat]] = event.state
    differ = [point for point, one in scenario.evidence.points.items() if one.state is not state[point]]
    assert len(differ) <= 2


def test_points_with_batteries_fall_after_those_without(terrain: Terrain) -> None:
    """They fall one by one."""
    scenario = draw(terrain, Family.BATTERY, 0, SEED)
    (failed,) = scenario.truth.failed
    beneath = terrain.beneath(terrain.places[failed])
    down = {point for point, causes in scenario.truth.causes.items() if failed in causes}
    bare = [terrain.ids[seat] for seat in beneath if not terrain.battery_s[seat] and scenario.truth.observed[seat]]
    charged = [terrain.ids[seat] for seat in beneath if terrain.battery_s[seat] and scenario.truth.observed[seat]]
    assert down.intersection(bare)
    assert len(down.intersection(charged)) < len(charged)


# The baselines


def test_each_method_blames_the_olt_whose_points_all_fell() -> None:
    """An easy one."""
    terrain = hamlet()
    fallen = seen(terrain, "p0", "p1", "p2", "p3")
    wanted = dict.fromkeys(("p0", "p1", "p2", "p3"), "olt-1")
    assert named(terrain, baselines.score(terrain, fallen, 0.6)) == wanted
    assert named(terrain, baselines.greedy(terrain, fallen, Priors())) == wanted
    assert named(terrain, baselines.nearest_parent(terrain, fallen)) == wanted


def test_the_nearest_parent_sees_no_further_than_the_leaf() -> None:
    """The feeder failed; it blames what stands nearest."""
    terrain = hamlet()
    fallen = seen(terrain, *terrain.ids)
    assert set(named(terrain, baselines.nearest_parent(terrain, fallen)).values()) == {"olt-1", "olt-2"}
    assert set(named(terrain, baselines.greedy(terrain, fallen, Priors())).values()) == {"feeder"}


@pytest.mark.parametrize(("threshold", "blamed"), [(0.5, "olt-1"), (0.9, SITE)])
def test_score_needs_its_hit_ratio(threshold: float, blamed: str) -> None:
    """Three of four points are down, in two transformers' areas half each."""
    terrain = hamlet()
    assert named(terrain, baselines.score(terrain, seen(terrain, "p0", "p1", "p2"), threshold))["p0"] == blamed


def test_the_greedy_energy_leaves_a_single_point_to_its_site() -> None:
    """Seven of eight answer."""
    terrain = hamlet()
    assert named(terrain, baselines.greedy(terrain, seen(terrain, "p5"), Priors())) == {"p5": SITE}


# The judge


def judged(terrain: Terrain, scenario: Scenario, answer: Answer) -> Row:
    tally = Tally()
    tally.add(Bench(scenario), answer)
    return Row.of(tally)


def perfect(scenario: Scenario) -> Answer:
    """What somebody says who knows."""
    terrain = scenario.terrain
    places = {
        point: -1 if SITE in causes else terrain.places[min(causes)] for point, causes in scenario.truth.causes.items()
    }
    said = of_nodes(terrain, places)
    rest = [
        Named(frozenset((node,)), terrain.nodes[terrain.places[node]].operator, ()) for node in scenario.truth.visible
    ]
    return msgspec.structs.replace(said, blamed=(*said.blamed, *rest))


def test_whoever_knows_is_right_throughout(terrain: Terrain) -> None:
    """Every figure is 1."""
    scenario = draw(terrain, Family.STORM, 1, SEED)
    row = judged(terrain, scenario, perfect(scenario))
    assert row.precision == row.recall == row.recall_plain == row.owner_by_point == row.owner_by_incident == 1.0


def test_whoever_blames_the_sites_finds_nothing(terrain: Terrain) -> None:
    """No node is named, no fault found, only the sites' own faults are right."""
    scenario = draw(terrain, Family.STORM, 1, SEED)
    row = judged(terrain, scenario, of_nodes(terrain, dict.fromkeys(scenario.truth.causes, -1)))
    assert isnan(row.precision)
    assert row.recall == 0.0
    assert row.owner_by_point < 0.5


def test_a_node_with_the_same_points_is_as_good(terrain: Terrain) -> None:
    """Nothing observed tells them apart."""
    for number in range(20):
        bench = Bench(draw(terrain, Family.FEW, number, SEED))
        for failed, same in bench.same.items():
            assert failed in same
            assert all(bench.is_right(Named(frozenset((one,)), "x", ())) for one in same)


def test_calibration_error_is_the_gap_between_said_and_true() -> None:
    """Nine of ten right at 0.95 is 0.05 off; nothing stated is no figure."""
    assert calibration_error([(0.95, True)] * 9 + [(0.95, False)]) == pytest.approx(0.05)
    assert judge.brier([(0.8, True), (0.8, False)]) == pytest.approx((0.04 + 0.64) / 2)
    assert isnan(calibration_error([]))
    assert isnan(calibration_error([(float("nan"), True)]))


# The replay


def test_a_course_is_stable_from_when_it_stays_right() -> None:
    """Right, wrong, right for good."""
    course = replay.Course(0.0)
    for now, right in enumerate((False, True, False, True, True)):
        course.note(float(now), right=right)
    assert (course.right_at, course.stable_at) == (1.0, 3.0)
    course.note(5.0, right=False)
    assert course.stable_at == inf


def test_faults_are_named_as_they_come(terrain: Terrain) -> None:
    """Each fault with two points or more gets its instants; no company is called in blindness."""
    attributor = Attributor(terrain.inventory)
    played = replay.play(draw(terrain, Family.BOTH, 0, SEED), attributor)
    assert played.scenarios == 1
    assert all(0 <= first <= stable for first, stable in zip(played.first_right_s, played.stable_s, strict=True))
    assert replay.play(draw(terrain, Family.BLIND, 0, SEED), attributor).false_alarms == 0


# The command


def bench(*arguments: str) -> str:
    small = ("--scenarios", "2", "--replays", "1", "--points", "1000", "--seed", str(SEED))
    ran = CliRunner().invoke(command, ["attribution", *small, *arguments])
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def test_the_report_has_every_family_and_method() -> None:
    """SCORE with its best threshold only."""
    report = json.loads(bench("--json", "--large", "0"))
    assert set(report["families"]) == set(report["replayed"]) == set(Family)
    for rows in report["families"].values():
        swept, *others = sorted(rows)
        assert swept.startswith("SCORE@")
        assert others == ["diemcau", "greedy add-only", "nearest parent"]
    storm = report["families"]["storm"]
    assert storm["diemcau"]["precision"] > storm["nearest parent"]["precision"]
    assert 0 < report["times"]["median_seconds"] <= report["times"]["p95_seconds"]
    assert report["times_large"] is None


def test_the_table_shows_what_is_wanted() -> None:
    """Beside ours; and the time that a larger province takes."""
    text = bench("--large", "2000")
    assert "storm" in text
    assert "wanted" in text
    assert "1,9" in text.split("one attribution")[2]


def test_a_province_too_small_is_refused() -> None:
    """By name."""
    ran = CliRunner().invoke(command, ["attribution", "--large", "5"])
    assert ran.exit_code == 2
    assert "--large" in ran.output
