"""Incidents over time: a small province, probed each second, attributed as the service would, without a clock."""

from collections.abc import Iterator
from heapq import heapify, heappop, heappush

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.acknowledgement import Acknowledgement
from monitor.core.attribution import Attribution, Attributor, Blame
from monitor.core.incidents import Incidents, certainty_of
from monitor.core.model import (
    Ceremony,
    Certainty,
    Change,
    CheckPolicy,
    Happening,
    IncidentChanged,
    IncidentState,
    Inventory,
    Mode,
    Node,
    NodeKind,
    Phase,
    Point,
    PointState,
    Source,
    Tier,
    Tree,
)
from monitor.core.pipeline import Pipeline
from monitor.core.power import UPS, Reading
from probes.model import Failure, Layer, Measurement, Observation

START = 1_746_660_000.0
STEP_S = 0.05
VNPT, GRID = "VNPT", "Điện lực"


def inventory(ups_each: int) -> Inventory:
    """Two districts with three OLTs each; a substation with three feeders of four transformers; 48 points.

    Points of an OLT are spread over the feeders, so that a cut of one tree looks nothing like one of the other.
    """
    network = {"core": Node("core", None, "core", NodeKind.CORE, VNPT)}
    power = {"sub": Node("sub", None, "sub", NodeKind.SUBSTATION, GRID)}
    for a in range(2):
        network[f"agg{a}"] = Node(f"agg{a}", "core", f"agg{a}", NodeKind.AGGREGATION, VNPT)
        for o in range(3):
            network[f"olt{a}{o}"] = Node(f"olt{a}{o}", f"agg{a}", f"olt{a}{o}", NodeKind.ACCESS, VNPT)
    for f in range(3):
        power[f"feeder{f}"] = Node(f"feeder{f}", "sub", f"feeder{f}", NodeKind.FEEDER, GRID)
        for t in range(4):
            power[f"tba{f}{t}"] = Node(f"tba{f}{t}", f"feeder{f}", f"tba{f}{t}", NodeKind.TRANSFORMER, GRID)
    points = {}
    for n in range(48):
        points[f"p{n}"] = Point(
            id=f"p{n}",
            name=f"p{n}",
            tier=Tier.COMMUNE,
            mode=Mode.TWO_WAY,
            network_node=f"olt{n % 6 // 3}{n % 3}",
            power_node=f"tba{n // 16}{n // 4 % 4}",
            ups_minutes=15.0 if n % ups_each == ups_each - 1 else 0.0,
        )
    points["merged"] = Point(
        id="merged", name="merged", tier=Tier.VILLAGE, mode=Mode.MERGED, merged_into="p0", network_node="olt00"
    )
    return Inventory(points, network, power, {})


PHASE = Phase(name="live", title="live", starts_at=0, interval_s=1.0, alpha=1e-6, severity="critical")
CEREMONY = Ceremony(
    title="", timezone="Asia/Ho_Chi_Minh", report_at=START + 1000, begins_at=START + 2000, phases=(PHASE,)
)


class Day:
    """Lets time pass; whom to silence is decided from outside."""

    def __init__(self, ups_each: int = 4) -> None:
        """``ups_each``: each so manieth point has a UPS."""
        self.inventory = inventory(ups_each)
        checks = [f"p{n}" for n in range(48)]
        self.policies = [CheckPolicy(f"{point}/icmp", point, Layer.REACHABLE, 1.0) for point in checks]
        self.policies += [
            CheckPolicy(f"witness:w{n}/icmp", "", Layer.REACHABLE, 0.2, source=Source.WITNESS) for n in range(2)
        ]
        self.pipeline = Pipeline(self.inventory, CEREMONY, self.policies, START)
        self.now = START
        self.silent: set[str] = set()
        self.on_battery: set[str] = set()
        self.blind = False
        self._due = [(START + 1 / (3 + place), place) for place in range(len(self.policies))]
        heapify(self._due)
        self._coming: list[tuple[float, int, Observation]] = []
        self.run(5)

    def run(self, seconds: float) -> list[IncidentChanged]:
        """What happened to incidents meanwhile."""
        end, happened = self.now + seconds, list[Happening]()
        while self.now < end:
            self.now += STEP_S
            self._probe()
            while self._coming and self._coming[0][0] <= self.now:
                happened += self.pipeline.observe(heappop(self._coming)[2])
            happened += self.pipeline.tick(self.now)
            for point in self.on_battery - self.silent:
                happened += self.pipeline.hear_power(point, Reading(UPS, True, self.now, 900.0))
            question = self.pipeline.question(self.now)
            if question is not None:
                answer = question.attributor.explain(question.observed)
                happened += self.pipeline.attributed(question, answer, 0.01, self.now)
        return [each for each in happened if isinstance(each, IncidentChanged)]

    def _probe(self) -> None:
        while self._due[0][0] <= self.now:
            at, place = heappop(self._due)
            policy = self.policies[place]
            lost = self.blind or policy.point in self.silent
            found = Measurement(False, 0.5, Failure.TIMEOUT) if lost else Measurement(True, 0.01)
            at_end = at + found.duration_s
            heappush(self._coming, (at_end, place, Observation(policy.check, at_end, "test", found)))
            hold = self.pipeline.checks[policy.check].hold
            heappush(self._due, (at + (0.2 if hold else policy.interval_s), place))

    def set_back(self, by_s: float) -> None:
        """The clock is wrong, and is put right."""
        self.now -= by_s
        self._due = [(at - by_s, place) for at, place in self._due]
        self._coming.clear()

    def below(self, node: str) -> set[str]:
        """The points that take part below a node."""
        return set(Attributor(self.inventory).beneath(node))

    def ongoing(self) -> set[str]:
        """The ids of what is ongoing."""
        return set(self.pipeline.incidents.ongoing)


def told(changes: list[IncidentChanged]) -> list[tuple[Change, str]]:
    """What happened to which, growth left out."""
    quiet = {Change.GREW, Change.SHRANK, Change.REASSESSED, Change.RECOVERING}
    return [(each.change, each.incident) for each in changes if each.change not in quiet]


@pytest.fixture
def day() -> Day:
    """All points up."""
    return Day()


@pytest.mark.parametrize(
    ("node", "incident", "operator"),
    [
        ("agg0", "network:agg0", VNPT),
        ("olt11", "network:olt11", VNPT),
        ("core", "network:core", VNPT),
        ("tba02", "power:tba02", GRID),
    ],
)
def test_a_cut_is_one_incident_within_five_seconds_and_over_when_all_its_points_are_up(
    day: Day, node: str, incident: str, operator: str
) -> None:
    day.silent = day.below(node)
    (opened, *_) = changes = day.run(5)
    assert told(changes) == [(Change.OPENED, incident)]
    assert opened.operator == operator
    found = day.pipeline.incidents.get(incident)
    assert found is not None
    assert set(found.points) == day.silent
    assert found.certainty is Certainty.CERTAIN
    assert day.pipeline.incidents.retractions == 0
    day.silent = set()
    assert told(day.run(10)) == [(Change.RESOLVED, incident)]
    assert (found.state, found.points, len(found.hit)) == (IncidentState.RESOLVED, (), len(day.below(node)))


def test_it_is_not_resolved_while_one_of_its_points_is_not_up(day: Day) -> None:
    day.silent = day.below("agg0")
    day.run(6)
    day.silent = {"p0"}
    changes = day.run(15)
    assert told(changes) == []
    assert day.ongoing() == {"network:agg0"}
    assert day.pipeline.incidents.of_point("p0") is day.pipeline.incidents.get("network:agg0")
    day.silent = set()
    assert told(day.run(10)) == [(Change.RESOLVED, "network:agg0")]


def test_what_is_left_of_a_recovery_becomes_an_incident_of_its_own_in_the_end(day: Day) -> None:
    day.silent = day.below("agg0")
    day.run(6)
    day.silent = {"p0"}
    assert told(day.run(60)) == [(Change.OPENED, "site:p0"), (Change.RESOLVED, "network:agg0")]
    assert day.pipeline.incidents.retractions == 0


def test_a_feeder_whose_batteries_drain_is_named_soon_and_grows(day: Day) -> None:
    below = day.below("feeder1")
    with_battery = {point for point in below if day.inventory.points[point].ups_minutes}
    day.silent, day.on_battery = below - with_battery, with_battery
    changes = day.run(5)
    assert told(changes) == [(Change.OPENED, "power:feeder1")]
    incident = day.pipeline.incidents.get("power:feeder1")
    assert incident is not None
    assert set(incident.on_battery) == with_battery
    day.silent = below
    changes = day.run(6)
    assert told(changes) == []
    assert set(incident.points) == below
    assert incident.since == pytest.approx(day.now - 11, abs=1.5)


def test_batteries_alone_tell_before_anything_falls() -> None:
    day = Day(ups_each=1)
    day.on_battery = day.below("feeder1")
    assert told(day.run(6)) == [(Change.OPENED, "power:feeder1")]
    (opened,) = day.pipeline.incidents.ongoing.values()
    assert (opened.points, len(opened.on_battery)) == ((), 16)


def test_a_single_battery_among_neighbours_on_mains_accuses_nobody(day: Day) -> None:
    day.on_battery = {"p7"}
    assert day.run(15) == []


def test_one_point_alone_is_its_site(day: Day) -> None:
    day.silent = {"p7"}
    assert told(day.run(6)) == [(Change.OPENED, "site:p7")]
    day.silent = set()
    assert told(day.run(6)) == [(Change.RESOLVED, "site:p7")]


def test_both_trees_at_once_are_two_incidents_and_each_company_has_its_own(day: Day) -> None:
    day.silent = day.below("agg0") | (day.below("feeder2") - day.below("agg0"))
    assert {each for each in told(day.run(6)) if each[0] is Change.OPENED} == {
        (Change.OPENED, "network:agg0"),
        (Change.OPENED, "power:feeder2"),
    }
    operators = {incident.operator for incident in day.pipeline.incidents.ongoing.values()}
    assert operators == {VNPT, GRID}


def test_an_explanation_that_grows_beyond_its_node_is_merged_into_the_larger_one(day: Day) -> None:
    day.silent = day.below("olt00")
    day.run(6)
    day.silent = day.below("agg0")
    changes = told(day.run(8))
    assert (Change.MERGED, "network:olt00") in changes
    merged = day.pipeline.incidents.get("network:olt00")
    assert merged is not None
    assert merged.became == "network:agg0"
    assert day.ongoing() == {"network:agg0"}
    assert set(day.pipeline.incidents.ongoing["network:agg0"].points) == day.below("agg0")
    assert day.pipeline.incidents.retractions == 0


def test_a_site_that_turns_out_to_be_a_feeder_is_retracted_in_words(day: Day) -> None:
    (first, *others) = sorted(day.below("tba12"))
    day.silent = {first}
    assert told(day.run(8)) == [(Change.OPENED, f"site:{first}")]
    day.silent |= set(others)
    changes = told(day.run(8))
    assert changes == [(Change.OPENED, "power:tba12"), (Change.RETRACTED, f"site:{first}")]
    wrong = day.pipeline.incidents.get(f"site:{first}")
    assert wrong is not None
    assert (wrong.became, wrong.timeline[-1].change) == ("power:tba12", Change.RETRACTED)
    assert day.pipeline.incidents.retractions == 1


def test_while_blind_nothing_is_opened_and_what_was_stays(day: Day) -> None:
    day.silent = day.below("agg1")
    day.run(6)
    day.blind = True
    assert told(day.run(10)) == []
    assert day.ongoing() == {"network:agg1"}
    day.blind = False
    assert told(day.run(10)) == []
    day.silent = set()
    assert told(day.run(10)) == [(Change.RESOLVED, "network:agg1")]


def test_a_cause_that_comes_and_goes_does_not_flood(day: Day) -> None:
    changes = []
    for _ in range(12):
        day.silent = day.below("olt01")
        changes += day.run(8)
        day.silent = set()
        changes += day.run(8)
    assert len([each for each in told(changes) if each[0] in (Change.OPENED, Change.REOPENED)]) <= 3
    day.run(400)
    assert day.ongoing() == set()


def test_a_restarted_monitor_speaks_of_the_same_incident(day: Day) -> None:
    day.silent = day.below("feeder0")
    day.run(6)
    other = Day()
    other.silent = other.below("feeder0")
    other.run(8)
    assert other.ongoing() == day.ongoing() == {"power:feeder0"}


def test_a_clock_that_is_set_back_holds_nothing_up(day: Day) -> None:
    day.silent = day.below("agg0")
    day.run(6)
    day.set_back(3600)
    day.silent |= day.below("feeder2")
    assert (Change.OPENED, "power:feeder2") in told(day.run(10))
    day.silent = set()
    changes = told(day.run(15))
    assert {(Change.RESOLVED, "network:agg0"), (Change.RESOLVED, "power:feeder2")} <= set(changes)


def test_merged_points_are_in_no_incident(day: Day) -> None:
    day.silent = day.below("olt00")
    day.run(6)
    (incident,) = day.pipeline.incidents.ongoing.values()
    assert "merged" not in incident.hit
    assert incident.hit == day.silent


def test_a_node_that_leaves_the_inventory_ends_its_incident(day: Day) -> None:
    day.silent = day.below("olt00")
    day.run(6)
    left = {key: point for key, point in day.inventory.points.items() if point.network_node != "olt00"}
    network = {key: node for key, node in day.inventory.network.items() if key != "olt00"}
    day.inventory = msgspec.structs.replace(day.inventory, points=left, network=network)
    day.policies = [policy for policy in day.policies if not policy.point or policy.point in left]
    day.pipeline.replace(day.inventory, CEREMONY, day.policies, day.now)
    day._due = [(day.now + 0.1, place) for place in range(len(day.policies))]
    day._coming.clear()
    assert told(day.run(5)) == [(Change.RESOLVED, "network:olt00")]


def test_a_timeline_says_what_was_said_when(day: Day) -> None:
    day.silent = day.below("agg0")
    day.run(6)
    day.silent = set()
    day.run(8)
    incident = day.pipeline.incidents.get("network:agg0")
    assert incident is not None
    assert incident.timeline[0].change is Change.OPENED
    assert incident.timeline[-1].change is Change.RESOLVED
    instants = [entry.at for entry in incident.timeline]
    assert instants == sorted(instants)
    assert incident.ended_at == instants[-1]


def test_nobody_is_attributed_more_than_once_a_second(day: Day) -> None:
    before = day.pipeline.incidents.attributions
    day.silent = day.below("core")
    day.run(10)
    assert day.pipeline.incidents.attributions - before <= 11
    calm = Day()
    before = calm.pipeline.incidents.attributions
    calm.run(30)
    assert calm.pipeline.incidents.attributions - before <= 6


@pytest.mark.parametrize(
    ("probability", "before", "after"),
    [
        (0.96, Certainty.UNDETERMINED, Certainty.CERTAIN),
        (0.93, Certainty.UNDETERMINED, Certainty.PROBABLE),
        (0.93, Certainty.CERTAIN, Certainty.CERTAIN),
        (0.91, Certainty.CERTAIN, Certainty.PROBABLE),
        (0.68, Certainty.UNDETERMINED, Certainty.UNDETERMINED),
        (0.68, Certainty.PROBABLE, Certainty.PROBABLE),
        (0.68, Certainty.CERTAIN, Certainty.PROBABLE),
        (0.5, Certainty.CERTAIN, Certainty.UNDETERMINED),
    ],
)
def test_certainty_has_hysteresis(probability: float, before: Certainty, after: Certainty) -> None:
    assert certainty_of(probability, before) is after


@st.composite
def days(draw: st.DrawFn) -> list[tuple[float, str, bool]]:
    """Cuts and repairs: so long after the one before, this node, cut or mended."""
    nodes = st.sampled_from(["agg0", "olt10", "olt12", "feeder1", "tba00", "tba21", "p5", "p30"])
    return draw(st.lists(st.tuples(st.sampled_from([0.3, 1.0, 4.0, 9.0]), nodes, st.booleans()), max_size=8))


@settings(max_examples=25, deadline=None)
@given(days())
def test_whatever_happens_each_lost_point_has_one_incident_and_all_end_with_the_faults(
    steps: list[tuple[float, str, bool]],
) -> None:
    day = Day()
    cut: set[str] = set()
    for pause_s, node, falls in steps:
        (cut.add if falls else cut.discard)(node)
        day.silent = {point for one in cut for point in ({one} if one.startswith("p") else day.below(one))}
        day.run(pause_s)
    day.run(45)
    _check(day)
    states = day.pipeline.points
    down = {point for point in day.silent if states[point].state is PointState.DOWN}
    assert down == {point for incident in day.pipeline.incidents.ongoing.values() for point in incident.points}
    day.silent = set()
    day.run(230)
    assert day.ongoing() == set()


def _check(day: Day) -> None:
    held: dict[str, str] = {}
    for incident in day.pipeline.incidents.ongoing.values():
        for point in incident.points:
            assert point not in held, f"{point} is held by {held[point]} and by {incident.id}"
            held[point] = incident.id
            assert day.pipeline.incidents.of_point(point) is incident


def changes_of(incidents: Incidents) -> Iterator[Change]:
    """All that the timelines tell."""
    for incident in incidents.all:
        yield from (entry.change for entry in incident.timeline)


def test_a_question_that_had_no_answer_is_asked_again(day: Day) -> None:
    day.run(30)
    assert day.pipeline.question(day.now + 60) is None
    day.pipeline.hear_power("p3", Reading(UPS, True, day.now + 61, 900.0))
    asked = [day.pipeline.question(day.now + at) is not None for at in (61, 61.5, 62.5, 120, 120.5, 180)]
    assert asked == [True, False, True, True, False, True]


def test_an_answer_about_another_inventory_is_passed_over(day: Day) -> None:
    day.silent = day.below("olt00")
    question = None
    while question is None:
        day._probe()
        day.now += STEP_S
        question = day.pipeline.question(day.now)
    day.pipeline.replace(day.inventory, CEREMONY, day.policies, day.now)
    wrong = Attribution((Blame("agg0", Tree.NETWORK, VNPT, 0.99, 0.99, ("p0",)),))
    assert day.pipeline.attributed(question, wrong, 0.1, day.now) == []
    assert list(changes_of(day.pipeline.incidents)) == []


def restarted(day: Day) -> Day:
    """Another process takes up what was kept: it knows nothing else, not even who is up."""
    incidents = day.pipeline.incidents
    kept = [record for one in reversed(incidents.all) if (record := incidents.record(one.id)) is not None]
    day.pipeline = Pipeline(day.inventory, CEREMONY, day.policies, day.now)
    assert day.pipeline.restore([], [*kept, b"spoilt"], [], day.now) == 1
    return day


def test_after_a_restart_an_incident_goes_on_with_its_instants_and_its_timeline(day: Day) -> None:
    day.silent = day.below("agg0")
    day.run(10)
    before = day.pipeline.incidents.get("network:agg0")
    assert before is not None
    changes = restarted(day).run(10)
    after = day.pipeline.incidents.get("network:agg0")
    assert after is not None
    assert told(changes) == []
    assert (after.since, after.opened_at, after.timeline[0]) == (before.since, before.opened_at, before.timeline[0])
    day.silent = set()
    assert told(day.run(60)) == [(Change.RESOLVED, "network:agg0")]


def test_what_was_mended_while_we_were_away_is_resolved_once_its_points_are_seen(day: Day) -> None:
    day.silent = day.below("olt11")
    day.run(10)
    day.silent = set()
    assert told(restarted(day).run(60)) == [(Change.RESOLVED, "network:olt11")]


def test_an_incident_of_a_node_that_is_gone_is_not_taken_up(day: Day) -> None:
    day.silent = day.below("olt11")
    day.run(10)
    record = day.pipeline.incidents.record("network:olt11")
    assert record is not None
    without = {name: node for name, node in day.inventory.network.items() if name != "olt11"}
    points = {name: point for name, point in day.inventory.points.items() if point.network_node != "olt11"}
    smaller = Inventory(points, without, day.inventory.power, {})
    pipeline = Pipeline(smaller, CEREMONY, [each for each in day.policies if each.point in points], day.now)
    assert pipeline.restore([], [record], [], day.now) == 1
    assert pipeline.incidents.all == []


# Acknowledged, escalated


def said(day: Day, desk: str, incident: str) -> Acknowledgement:
    return Acknowledgement(incident=incident, opened_at=day.now, desk=desk, at=day.now, means="link")


def test_who_works_on_it_stands_in_the_timeline_once() -> None:
    """Two monitors over one store hear of the same word more than once."""
    day = Day()
    day.silent |= {f"p{n}" for n in range(48) if n % 6 // 3 == 0}
    day.run(6)
    (incident,) = day.pipeline.incidents.ongoing.values()
    word = said(day, "vnpt-384", incident.id)
    happened = [*day.pipeline.acknowledge(word), *day.pipeline.acknowledge(word)]
    assert [(each.change, each.by) for each in happened if isinstance(each, IncidentChanged)] == [
        (Change.ACKNOWLEDGED, "vnpt-384")
    ]
    assert incident.acknowledged == (word,)
    day.run(2)
    later = msgspec.structs.replace(word, at=day.now, repair_expected_at=day.now + 1800)
    day.pipeline.acknowledge(later)
    day.pipeline.acknowledge(word)
    assert incident.acknowledged == (later,), "of a desk the latest word"
    day.pipeline.escalated(incident.id, "vnpt", day.now)
    lines = [(entry.change, entry.by) for entry in incident.timeline if entry.by]
    assert lines == [(Change.ACKNOWLEDGED, "vnpt-384"), (Change.ACKNOWLEDGED, "vnpt-384"), (Change.ESCALATED, "vnpt")]


def test_a_word_on_what_is_not_or_was_before_tells_nothing() -> None:
    day = Day()
    assert day.pipeline.acknowledge(said(day, "vnpt", "network:nothing")) == []
    old = said(day, "vnpt", "network:agg0")
    day.run(30)
    day.silent |= {f"p{n}" for n in range(48) if n % 6 // 3 == 0}
    day.run(6)
    assert day.pipeline.incidents.ongoing
    assert (
        day.pipeline.acknowledge(msgspec.structs.replace(old, incident=next(iter(day.pipeline.incidents.ongoing))))
        == []
    )


def test_who_works_on_it_is_known_after_a_restart() -> None:
    day = Day()
    day.silent |= {f"p{n}" for n in range(48) if n % 6 // 3 == 0}
    day.run(6)
    (incident,) = day.pipeline.incidents.ongoing.values()
    word = said(day, "vnpt-384", incident.id)
    day.pipeline.acknowledge(word)
    record = day.pipeline.incidents.record(incident.id)
    assert record is not None
    again = Pipeline(day.inventory, CEREMONY, day.policies, day.now)
    again.restore([], [record], [], day.now)
    assert again.incidents.ongoing[incident.id].acknowledged == (word,)
    assert again.acknowledge(word) == []
