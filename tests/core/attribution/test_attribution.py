"""Who is to blame: asked of a small town where the answer is known, and of any evidence at all."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.core.attribution import (
    SITE,
    Attribution,
    Attributor,
    Blame,
    Evidence,
    Fact,
    FactKind,
    PointEvidence,
    PowerSign,
    PowerSource,
)
from monitor.core.model import CheckState, Inventory, Mode, NodeKind, Tree

Town = Any
"""The conftest's."""
Nodes = Callable[[Attribution], set[str]]
Only = Callable[[Attribution], Blame]

LEAST, CERTAIN, MOST = 0.5, 0.95, 0.999
ALL = tuple(f"p{number:02}" for number in range(40))
NETWORK = ("agg0", "agg1", *(f"olt{olt}" for olt in range(6)))
POWER = ("lo0", "lo1", "lo2", *(f"tba{tba}" for tba in range(12)))


def on_battery(source: str = "ups") -> tuple[PowerSign, ...]:
    return (PowerSign(PowerSource(source), on_battery=True),)


def on_mains(source: str = "ups") -> tuple[PowerSign, ...]:
    return (PowerSign(PowerSource(source), on_battery=False),)


def facts(blame: Blame, kind: FactKind) -> list[Fact]:
    return [fact for fact in blame.evidence if fact.kind is kind]


def fact(blame: Blame, kind: FactKind) -> Fact:
    (found,) = facts(blame, kind)
    return found


@pytest.fixture
def twins(town: Town) -> Town:
    """OLT 5 and transformer 11 carry the same three points, and nothing but evidence of power tells them apart."""
    for one in town.under("olt5"):
        town.point(one, network_node="olt4")
    for one in town.under("tba11"):
        town.point(one, network_node="olt5")
    return town


# One fault


@pytest.mark.parametrize("node", [*NETWORK, *POWER])
def test_one_fault(town: Town, only: Only, node: str) -> None:
    """Everything below one node is down and all else is up: that node, its owner, for sure, and no second incident."""
    down = town.under(node)
    answer = town.blame(down)
    blame = only(answer)
    owner = (town.network if node in NETWORK else town.power)[node].operator
    assert (blame.node, blame.operator, blame.points) == (node, owner, down)
    assert blame.tree is (Tree.NETWORK if node in NETWORK else Tree.POWER)
    assert blame.probability >= CERTAIN
    assert blame.owner_probability >= CERTAIN
    assert fact(blame, FactKind.DOWN).count == fact(blame, FactKind.DOWN).of == len(down)
    assert (answer.undetermined, answer.suspects) == ((), ())


@pytest.mark.parametrize("point", ALL[::7])
def test_a_site_alone(town: Town, only: Only, point: str) -> None:
    """One point is down between neighbours that are up: its own fault."""
    blame = only(town.blame([point]))
    assert (blame.node, blame.tree, blame.operator, blame.points) == (point, Tree.SITE, SITE, (point,))
    assert blame.probability >= CERTAIN
    assert {one.source for one in facts(blame, FactKind.NEIGHBOURS)} == {Tree.NETWORK, Tree.POWER}


def test_two_sites_that_share_nothing_but_the_town(town: Town) -> None:
    """Two single points of different OLTs and feeders are two single points."""
    answer = town.blame(["p00", "p39"])
    assert {(blame.node, blame.tree) for blame in answer.blamed} == {("p00", Tree.SITE), ("p39", Tree.SITE)}


def test_both_points_of_a_transformer(town: Town, only: Only) -> None:
    """Two are enough to blame their transformer, less surely than three; the runner-up is that each is a site."""
    town.point("p06", power_node="tba2")
    blame = only(town.blame(["p04", "p05"]))
    assert (blame.node, blame.points) == ("tba1", ("p04", "p05"))
    assert blame.runner_up is not None
    assert blame.runner_up.operator == SITE
    assert LEAST < blame.probability < only(town.blame(town.under("tba2"))).probability


def test_half_of_a_transformer_is_no_transformer(town: Town, nodes: Nodes) -> None:
    """Two of four points are down, the other two, without a battery, are up."""
    assert nodes(town.blame(["p00", "p01"])) == set()


def test_everything_is_down(town: Town, only: Only) -> None:
    """Without witnesses one root is as good as the other: both are named, and nothing is certain."""
    answer = town.blame(ALL)
    blame = only(answer)
    assert {blame.node, blame.runner_up and blame.runner_up.node} == {"hub", "sub"}
    assert answer.undetermined == ALL


# Several faults


def test_a_feeder_and_an_aggregation_at_once(town: Town, nodes: Nodes) -> None:
    """Both companies have work, and each point is somebody's, once."""
    down = {*town.under("agg0"), *town.under("lo2")}
    answer = town.blame(down)
    assert nodes(answer) == {"agg0", "lo2"}
    assert sorted(point for blame in answer.blamed for point in blame.points) == sorted(down)


def test_a_fault_in_each_of_four_places(town: Town, nodes: Nodes) -> None:
    """Two OLTs, a transformer and a point."""
    answer = town.blame({*town.under("olt1", "olt4", "tba6"), "p00"})
    assert nodes(answer) == {"olt1", "olt4", "tba6"}
    assert [blame.node for blame in answer.blamed if blame.tree is Tree.SITE] == ["p00"]


def test_two_olts_of_an_aggregation_are_two(town: Town, nodes: Nodes) -> None:
    """As long as the third one carries points that are up."""
    assert nodes(town.blame(town.under("olt0", "olt1"))) == {"olt0", "olt1"}


def test_the_larger_comes_first(town: Town) -> None:
    """Blames are in the order of their points."""
    sizes = [len(blame.points) for blame in town.blame({*town.under("agg0", "tba9"), "p39"}).blamed]
    assert sizes == sorted(sizes, reverse=True)


# Evidence of power


def test_no_evidence_of_power_leaves_it_undetermined(twins: Town, only: Only) -> None:
    """An OLT and a transformer of the same points: no company is called alone, and both are named."""
    answer = twins.blame(twins.under("tba11"))
    blame = only(answer)
    assert blame.runner_up is not None
    assert {blame.node, blame.runner_up.node} == {"olt5", "tba11"}
    assert {blame.operator, blame.runner_up.operator} == {"VNPT B", "Điện lực 2"}
    assert blame.owner_probability < 0.7
    assert answer.undetermined == twins.under("tba11")


@pytest.mark.parametrize("source", PowerSource)
def test_a_site_on_battery_speaks_for_power(twins: Town, only: Only, source: PowerSource) -> None:
    """Of all who fell; the more, the surer."""
    down = twins.under("tba11")
    one = only(twins.blame(down, words={down[0]: on_battery(source)}))
    three = only(twins.blame(down, words={point: on_battery(source) for point in down}))
    assert (one.node, three.node) == ("tba11", "tba11")
    assert LEAST < one.probability <= three.probability
    assert three.probability >= CERTAIN
    assert fact(three, FactKind.ON_BATTERY).count == 3


def test_a_site_on_mains_speaks_for_the_network(twins: Town, only: Only) -> None:
    """A point that is up nowhere but by its UPS's own line: its word of mains refutes the transformer."""
    down = twins.under("tba11")
    blame = only(twins.blame(down, words={point: on_mains() for point in down}))
    assert (blame.node, blame.operator) == ("olt5", "VNPT B")
    assert blame.probability > only(twins.blame(down)).probability


@pytest.mark.parametrize(("answers", "node"), [(True, "tba11"), (False, "olt5")])
def test_an_olt_that_answers_is_not_at_fault(twins: Town, only: Only, answers: object, node: str) -> None:
    """A gateway or OLT that answers refutes the network fault; one that does not confirms it."""
    blame = only(twins.blame(twins.under("tba11"), nodes={"olt5": answers}))
    assert blame.node == node
    assert blame.probability >= CERTAIN


def test_an_aggregation_that_answers_is_not_at_fault(town: Town, only: Only) -> None:
    """Of its points only those on one OLT are seen: it could be either, until the aggregation answers."""
    seen = town.under("olt0")
    unknown = town.under("olt1", "olt2")
    silent = only(town.blame(seen, unknown=unknown))
    answered = only(town.blame(seen, unknown=unknown, nodes={"agg0": True}))
    assert {silent.node, *silent.indistinguishable} == {"olt0", "agg0"}
    assert (answered.node, answered.indistinguishable) == ("olt0", ())


def test_a_power_cut_that_nothing_has_fallen_to_yet(town: Town, only: Only) -> None:
    """All points of a feeder live on their UPS and say so: the company can be called before any of them is lost."""
    blame = only(town.blame(words={point: on_battery() for point in town.under("lo1")}))
    assert (blame.node, blame.points) == ("lo1", ())
    assert blame.probability >= CERTAIN


def test_one_laptop_is_weak_and_several_are_strong(town: Town, nodes: Nodes) -> None:
    """One is unplugged by its owner; all on one transformer by the transformer."""
    several = town.under("tba0")
    assert nodes(town.blame(words={several[0]: on_battery("browser")})) == set()
    assert nodes(town.blame(words={point: on_battery("browser") for point in several})) == {"tba0"}


@pytest.mark.parametrize("source", PowerSource)
def test_one_site_does_not_speak_for_many(town: Town, nodes: Nodes, source: PowerSource) -> None:
    """What hangs on one socket is one word, however often it is said: twenty of them blame no transformer."""
    assert nodes(town.blame(words={"p00": on_battery(source) * 20})) == set()


def test_words_of_one_site_are_capped(twins: Town, only: Only) -> None:
    """A second word of one site adds something; of a hundred no more is believed than of twenty."""

    def rise(words: dict[str, tuple[PowerSign, ...]]) -> float:
        blame = only(twins.blame(twins.under("tba11"), words=words))
        assert blame.node == "tba11"
        return fact(blame, FactKind.RUNNER_UP).nats

    one, *_ = twins.under("tba11")
    once, twenty, hundred = (rise({one: on_battery("browser") * times}) for times in (1, 20, 100))
    assert once < twenty == hundred


# Survivors


def test_survivors_on_a_backup_link_do_not_refute(town: Town, only: Only) -> None:
    """Two points of a dead aggregation are up over 4G: it is still the aggregation, they are told, and no suspects."""
    survivors = ("p06", "p13")
    for point in survivors:
        town.point(point, backup_link="4g")
    answer = town.blame(set(town.under("agg0")) - set(survivors))
    blame = only(answer)
    assert (blame.node, len(blame.points)) == ("agg0", len(town.under("agg0")) - 2)
    assert blame.probability >= CERTAIN
    told = fact(blame, FactKind.SURVIVOR)
    assert (told.source, told.ids) == ("backup", survivors)
    assert answer.suspects == ()


def test_survivors_on_a_ups_do_not_refute(town: Town, only: Only) -> None:
    """The same of a feeder: batteries keep three points up."""
    survivors = ("p15", "p19", "p24")
    for point in survivors:
        town.point(point, ups_minutes=30.0)
    answer = town.blame(set(town.under("lo1")) - set(survivors), down_for_s=40.0)
    blame = only(answer)
    assert blame.node == "lo1"
    assert blame.probability >= CERTAIN
    told = fact(blame, FactKind.SURVIVOR)
    assert (told.source, told.ids) == ("ups", survivors)
    assert answer.suspects == ()


def test_what_survives_for_no_reason_speaks_against(town: Town, only: Only) -> None:
    """Of a small node a point that is up costs more if nothing kept it up."""
    down = town.under("olt0")[1:4]
    unknown = town.under("olt0")[4:]
    bare = town.blame(down, unknown=unknown)
    town.point("p00", backup_link="4g")
    kept = only(town.blame(down, unknown=unknown))
    assert kept.node == "olt0"
    assert max((blame.probability for blame in bare.blamed if blame.node == "olt0"), default=LEAST) < kept.probability


def test_a_battery_that_is_long_empty_kept_nothing_up(town: Town, only: Only) -> None:
    """Ten minutes of UPS explain a survivor half a minute after the cut; an hour after it they do not."""
    for point in town.under("tba4"):
        town.point(point, ups_minutes=10.0)
    down = set(town.under("lo1")) - {"p14"}
    soon, late = (only(town.blame(down, down_for_s=span)) for span in (30.0, 3600.0))
    assert (soon.node, late.node) == ("lo1", "lo1")
    assert fact(late, FactKind.SURVIVOR).nats < fact(soon, FactKind.SURVIVOR).nats - 1


# Cascades


def test_an_olt_without_mains_is_secondary(make_town: Callable[..., Town], only: Only) -> None:
    """A feeder takes an OLT with it, and so points of other feeders: one incident, the electricity company's."""
    town = make_town({"olt0": "tba5"})
    down = {*town.under("lo1"), *town.under("olt0")}
    blame = only(town.blame(down))
    assert (blame.node, blame.operator, blame.secondary) == ("lo1", "Điện lực 1", ("olt0",))
    assert set(blame.points) == down
    assert fact(blame, FactKind.CASCADE).ids == ("olt0",)


def test_without_the_map_it_is_two_faults(town: Town, nodes: Nodes) -> None:
    """The same where nobody knows what feeds the OLT."""
    assert nodes(town.blame({*town.under("lo1"), *town.under("olt0")})) == {"lo1", "olt0"}


def test_an_olt_that_fails_by_itself(make_town: Callable[..., Town], only: Only) -> None:
    """Its mains are there, by the points beside it: the network's own."""
    town = make_town({"olt0": "tba5"})
    blame = only(town.blame(town.under("olt0")))
    assert (blame.node, blame.operator, blame.secondary) == ("olt0", "VNPT A", ())


def test_an_olt_whose_mains_nobody_sees(make_town: Callable[..., Town], only: Only) -> None:
    """It hangs on a transformer of its own: that this one failed is the runner-up, and not by a thousand to one.

    Transformers fail as often as OLTs; what speaks against is but that the OLT has batteries.
    """
    town = make_town({"olt0": "tba5"})
    for point in town.under("tba5"):
        town.point(point, power_node="tba4")
    blame = only(town.blame(town.under("olt0")))
    assert blame.node == "olt0"
    assert blame.probability < 0.99
    assert blame.runner_up is not None
    assert (blame.runner_up.node, blame.runner_up.operator) == ("tba5", "Điện lực 1")


def test_an_olt_on_batteries_outlives_its_mains(make_town: Callable[..., Town], only: Only) -> None:
    """The cut does not take the OLT: nothing is secondary."""
    town = make_town({"olt0": "tba5"})
    blame = only(town.blame(town.under("lo1")))
    assert (blame.node, blame.secondary) == ("lo1", ())


def test_two_olts_of_one_substation(make_town: Callable[..., Town], nodes: Nodes) -> None:
    """Cascades of two feeders are each reported under their own."""
    town = make_town({"olt0": "tba5", "olt4": "tba10"})
    answer = town.blame({*town.under("lo1", "lo2"), *town.under("olt0", "olt4")})
    assert nodes(answer) == {"lo1", "lo2"}
    assert {blame.node: blame.secondary for blame in answer.blamed} == {"lo1": ("olt0",), "lo2": ("olt4",)}


# What is not observed, and who is not expected


def test_nothing_is_known(town: Town) -> None:
    """No evidence, only unknown points, only points that are up, only names that nobody knows: nothing is said."""
    stranger = Evidence({"nobody": PointEvidence(CheckState.DOWN)}, {"nothing": CheckState.DOWN})
    answers = (town.blame(), town.blame(unknown=ALL), town.attribute(Evidence({})), town.attribute(stranger))
    assert set(answers) == {Attribution()}


def test_unknown_points_say_nothing(town: Town) -> None:
    """A hundred more points that are not observed change neither verdict nor odds."""
    down = town.under("olt1")[:2]
    before = town.blame(down, unknown=town.under("olt1")[2:])
    for number in range(100):
        town.point(f"q{number}", network_node="olt1", power_node="tba0")
    after = town.blame(down, unknown=[*town.under("olt1")[2:], *(f"q{number}" for number in range(100))])
    assert [(one.node, one.points, one.probability, one.runner_up) for one in after.blamed] == [
        (one.node, one.points, one.probability, one.runner_up) for one in before.blamed
    ]


def test_what_is_not_observed_is_told(town: Town, only: Only) -> None:
    """The alert says of how many points under the node nothing is known."""
    seen = town.under("lo1")[:6]
    unknown = town.under("lo1")[6:]
    told = fact(only(town.blame(seen, unknown=unknown)), FactKind.UNOBSERVED)
    assert (told.count, told.ids) == (len(unknown), unknown)


@pytest.mark.parametrize("mode", [Mode.MERGED, Mode.NO_COVERAGE])
def test_who_is_not_expected_is_never_lost(town: Town, mode: Mode) -> None:
    """Not by itself and not with others, whatever is said of it, nor as evidence for or against."""
    down = town.under("olt1")
    before = town.blame(down)
    town.point("ghep", mode=mode, merged_into="p00" if mode is Mode.MERGED else None, network_node="olt1")
    for state in CheckState:
        seen = town.evidence(down)
        seen.points["ghep"] = PointEvidence(state, power=on_battery())
        assert town.attribute(seen) == before
    alone = Evidence({"ghep": PointEvidence(CheckState.DOWN, 5.0)})
    assert town.attribute(alone) == Attribution()


@pytest.mark.parametrize(
    ("field", "node", "tree"), [("network_node", "lo1", "power"), ("power_node", "agg0", "network")]
)
def test_points_that_hang_on_one_tree(town: Town, only: Only, field: str, node: str, tree: str) -> None:
    """Where the map has one half only, that half is asked."""
    for point in ALL:
        town.point(point, **{field: None})
    blame = only(town.blame(town.under(node)))
    assert (blame.node, blame.tree) == (node, Tree(tree))


def test_points_that_hang_on_nothing(town: Town) -> None:
    """Each is a site of its own, without a runner-up to name."""
    for point in ALL[:5]:
        town.point(point, network_node=None, power_node=None)
    answer = town.blame(ALL[:5])
    assert {(one.node, one.tree, one.runner_up) for one in answer.blamed} == {(p, Tree.SITE, None) for p in ALL[:5]}


def test_an_inventory_without_nodes() -> None:
    """Nor does one without points raise."""
    assert Attributor(Inventory({}, {}, {}, {})).attribute(Evidence({"x": PointEvidence(CheckState.DOWN)})).blamed == ()


# How sure, and what else


def test_nodes_that_nothing_tells_apart(town: Town, only: Only) -> None:
    """A feeder with one transformer: both are named, whichever is blamed."""
    for point in town.under("lo1"):
        town.point(point, power_node="tba4")
    blame = only(town.blame(town.under("lo1")))
    assert {blame.node, *blame.indistinguishable} == {"lo1", "tba4"}
    assert blame.probability >= CERTAIN


def test_a_point_that_is_up_tells_them_apart(town: Town, only: Only) -> None:
    """One point on another transformer of the feeder, and up: it is the transformer."""
    for point in town.under("lo1")[1:]:
        town.point(point, power_node="tba4")
    town.point("p14", power_node="tba5")
    blame = only(town.blame(town.under("tba4")))
    assert (blame.node, blame.indistinguishable) == ("tba4", ())


def test_the_runner_up_is_named_with_its_odds(twins: Town, only: Only) -> None:
    """What the best explanation without the blamed node says, as a probability beside it."""
    blame = only(twins.blame(twins.under("tba11"), words={twins.under("tba11")[0]: on_battery("browser")}))
    assert blame.runner_up is not None
    assert (blame.runner_up.node, blame.runner_up.tree, blame.runner_up.operator) == ("olt5", Tree.NETWORK, "VNPT B")
    assert blame.runner_up.probability == pytest.approx(1 - blame.probability, abs=1e-3)
    assert fact(blame, FactKind.RUNNER_UP).ids == ("olt5",)


def test_the_more_is_seen_the_surer(town: Town) -> None:
    """One point after the other is seen down on an OLT of which nothing was known."""
    below = town.under("olt2")
    stated = []
    for seen in range(2, len(below) + 1):
        answer = town.blame(below[:seen], unknown=below[seen:])
        stated.append(max((one.probability for one in answer.blamed if one.node == "olt2"), default=LEAST))
    assert stated == sorted(stated)
    assert stated[0] < stated[-1] == MOST


def test_a_likelier_fault_is_blamed_rather(twins: Town, only: Only) -> None:
    """Where nothing else tells two nodes apart, their rates do; the odds are those of the rates."""
    rates = {**twins.priors.faults_a_year, NodeKind.ACCESS: 1.0, NodeKind.TRANSFORMER: 4.0, NodeKind.FEEDER: 1e-3}
    twins.priors = msgspec.structs.replace(twins.priors, faults_a_year=rates)
    blame = only(twins.blame(twins.under("tba11")))
    assert blame.node == "tba11"
    assert 0.5 < blame.probability < 0.9


def test_one_company_for_two_nodes(town: Town, only: Only) -> None:
    """Which of its nodes it was may be open while it is certain that it is this company's."""
    for point in town.under("lo1"):
        town.point(point, power_node="tba4" if point < "p26" else "tba5")
    for point in town.under("lo1"):
        town.point(point, network_node=f"olt{int(point[1:]) % 6}")
    blame = only(town.blame(town.under("lo1")))
    assert blame.operator == "Điện lực 1"
    assert blame.owner_probability >= max(CERTAIN, blame.probability)


def test_the_owner_is_no_surer_than_the_owners_nodes(town: Town, only: Only) -> None:
    """A feeder and the only transformer on it, which a customer owns: nothing tells whose fault it is but the rates.

    These are 2 to 1. That one of the two failed is certain; that it is the feeder's company is not.
    """
    for point in town.under("lo1"):
        town.point(point, power_node="tba4")
    town.power["tba4"] = msgspec.structs.replace(town.power["tba4"], operator="Khách hàng")
    blame = only(town.blame(town.under("lo1")))
    assert {blame.node, *blame.indistinguishable} == {"lo1", "tba4"}
    assert blame.probability >= CERTAIN
    assert blame.owner_probability < 0.8


def test_words_of_mains_tell_nodes_apart(town: Town, only: Only) -> None:
    """No points are seen on the feeder but those of one transformer; sites elsewhere on it say that they have mains."""
    elsewhere = set(town.under("lo1")) - set(town.under("tba4"))
    words = {point: on_mains() for point in elsewhere}
    blame = only(town.blame(town.under("tba4"), unknown=elsewhere, words=words))
    assert (blame.node, blame.indistinguishable) == ("tba4", ())


def test_a_cascade_tells_nodes_apart(make_town: Callable[..., Town], only: Only) -> None:
    """All points of the feeder hang on one transformer, but an OLT on another fell with it: it was the feeder."""
    town = make_town({"olt0": "tba5"})
    for point in town.under("lo1"):
        town.point(point, power_node="tba4")
    blame = only(town.blame({*town.under("lo1"), *town.under("olt0")}))
    assert (blame.node, blame.secondary, blame.indistinguishable) == ("lo1", ("olt0",), ())


@pytest.mark.parametrize("answers", [{"olt1": True, "agg0": False}, {"olt1": True, "olt2": False}])
def test_answers_that_contradict_each_other_tell_nodes_apart(town: Town, only: Only, answers: dict[str, bool]) -> None:
    """One node answers and another does not: that is not the same as nothing heard."""
    unknown = town.under("olt1", "olt2")
    blame = only(town.blame(town.under("olt0"), unknown=unknown, nodes=answers))
    assert (blame.node, blame.indistinguishable) == ("olt0", ())


# The evidence that goes with it


def test_what_a_silent_node_is_worth_is_told_apart_from_its_survivors(town: Town, only: Only) -> None:
    """Each source's share once: a survivor does not take from what the node's own silence says."""
    all_down = only(town.blame(town.under("olt0"), nodes={"olt0": False}))
    one_up = only(town.blame(town.under("olt0")[1:], nodes={"olt0": False}))
    assert fact(one_up, FactKind.NODE).nats == fact(all_down, FactKind.NODE).nats > 0
    assert fact(one_up, FactKind.SURVIVOR).nats < 0


def test_shares_of_power_words_are_as_capped(town: Town, only: Only) -> None:
    """UPS and NUT of one site together are stated at no more than they are worth to the verdict."""
    both = {point: (*on_battery("ups"), *on_battery("nut")) for point in town.under("tba0")}
    often = {point: (*on_battery("ups"), *on_battery("nut")) * 9 for point in town.under("tba0")}
    told, most = (
        sum(one.nats for one in facts(only(town.blame(town.under("tba0"), words=words)), FactKind.ON_BATTERY))
        for words in (both, often)
    )
    least = fact(
        only(town.blame(town.under("tba0"), words={point: on_battery() for point in both})), FactKind.ON_BATTERY
    ).nats
    assert least < told < 2 * least
    assert told <= most < 2 * least


# A map that is wrong


def test_rows_that_survive_their_node(town: Town, only: Only) -> None:
    """Two points, without a backup link, are up through a fault of twenty: they hang elsewhere."""
    survivors = ("p07", "p20")
    answer = town.blame(set(town.under("agg0")) - set(survivors))
    assert only(answer).node == "agg0"
    assert answer.suspects == survivors


def test_a_row_that_falls_with_another_node(town: Town, nodes: Nodes) -> None:
    """One point of another aggregation falls in the very second: it hangs here, and its company is this one."""
    down = [*town.under("agg0"), "p04"]
    moments = {point: 20.0 + 0.1 * (number % 7) for number, point in enumerate(down)}
    answer = town.blame(down, down_for_s=moments)
    assert nodes(answer) == {"agg0"}
    assert answer.suspects == ("p04",)


def test_a_row_that_falls_at_another_time_is_no_suspect(town: Town) -> None:
    """The same point ten minutes earlier: its own fault."""
    down = [*town.under("agg0"), "p04"]
    moments = {point: 20.0 + 0.1 * (number % 7) for number, point in enumerate(down)} | {"p04": 620.0}
    answer = town.blame(down, down_for_s=moments)
    assert [(one.node, one.tree) for one in answer.blamed] == [("agg0", Tree.NETWORK), ("p04", Tree.SITE)]
    assert answer.suspects == ()


# Timing


def test_points_that_fall_one_by_one_speak_for_power(twins: Town, only: Only) -> None:
    """A network fault takes its points together; batteries of different size let them go one after the other."""
    down = twins.under("tba11")
    for point, minutes in zip(down, (1.0, 5.0, 15.0), strict=True):
        twins.point(point, ups_minutes=minutes)
    blame = only(twins.blame(down, down_for_s=dict(zip(down, (1500.0, 1200.0, 500.0), strict=True))))
    together = only(twins.blame(down, down_for_s=dict(zip(down, (1500.0, 1500.2, 1500.4), strict=True))))
    assert blame.node == "tba11"
    assert together.node == "olt5"


# Whatever the evidence

SIGNS = st.builds(
    PowerSign,
    st.sampled_from(PowerSource),
    st.booleans(),
    st.one_of(st.none(), st.sampled_from((0.0, 1.0, 20.0, 1e6))),
)
SPANS = st.one_of(st.none(), st.sampled_from((0.0, 0.1, 5.0, 30.0, 600.0, 86_400.0, 1e7)))


@st.composite
def evidences(draw: st.DrawFn, town: Town) -> Evidence:
    """Faults of some nodes, points that are as they are, some words, some answers."""
    failed = draw(st.lists(st.sampled_from((*NETWORK, *POWER, "hub", "sub")), max_size=3))
    below = set(town.under(*failed))
    contrary = draw(st.dictionaries(st.sampled_from(ALL), st.sampled_from(CheckState), max_size=8))
    silent = draw(st.sampled_from((CheckState.UP, CheckState.UP, CheckState.UNKNOWN)))
    words = draw(st.dictionaries(st.sampled_from(ALL), st.lists(SIGNS, max_size=3).map(tuple), max_size=6))
    spans = draw(st.dictionaries(st.sampled_from(ALL), SPANS, max_size=12))
    span = draw(SPANS)
    points = {
        point: PointEvidence(
            contrary.get(point, CheckState.DOWN if point in below else silent),
            spans.get(point, span),
            words.get(point, ()),
        )
        for point in ALL
    }
    nodes = draw(st.dictionaries(st.sampled_from(NETWORK), st.sampled_from(CheckState), max_size=3))
    return Evidence(points, nodes)


FAST = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def mixed(make_town: Callable[..., Town]) -> Town:
    """The town with cascades, batteries, backup links, and rows that are half empty."""
    town = make_town({"olt0": "tba5", "agg1": "tba1", "olt4": "tba5"})
    for number, point in enumerate(ALL):
        town.point(point, ups_minutes=15.0 * (number % 5 == 0), backup_link="4g" if number % 7 == 3 else None)
    town.point("p08", network_node=None)
    town.point("p09", power_node=None)
    town.point("p10", network_node=None, power_node=None)
    return town


@FAST
@given(st.data())
def test_every_answer_is_sound(mixed: Town, data: st.DataObject) -> None:
    """Nothing raises; each point that is down is somebody's, once; odds are within bounds."""
    evidence = data.draw(evidences(mixed))
    answer = mixed.attribute(evidence)
    down = sorted(point for point, seen in evidence.points.items() if seen.state is CheckState.DOWN)
    assert sorted(point for blame in answer.blamed for point in blame.points) == down
    assert [len(one.points) for one in answer.blamed] == sorted(
        (len(one.points) for one in answer.blamed), reverse=True
    )
    doubtful = sorted(p for one in answer.blamed if one.owner_probability < 0.7 for p in one.points)
    assert list(answer.undetermined) == doubtful
    assert set(answer.suspects) <= set(ALL)
    for blame in answer.blamed:
        _check(blame, mixed, set(answer.suspects))


def _check(blame: Blame, town: Town, suspects: set[str]) -> None:
    assert LEAST <= blame.probability <= MOST
    assert LEAST <= blame.owner_probability <= MOST
    if blame.tree is Tree.SITE:
        assert (blame.operator, blame.points) == (SITE, (blame.node,))
        return
    tree = town.power if blame.tree is Tree.POWER else town.network
    assert blame.operator == tree[blame.node].operator
    assert set(blame.points) <= set(town.under(blame.node, *blame.secondary)) | suspects
    assert all(town.network[one].powered_by in town.power for one in blame.secondary)
    assert set(blame.indistinguishable) <= set(tree) - {blame.node}
    assert blame.runner_up is not None
    assert 0 <= blame.runner_up.probability <= LEAST
    assert blame.runner_up.node != blame.node


@FAST
@given(st.data())
def test_the_order_of_evidence_is_nothing(mixed: Town, data: st.DataObject) -> None:
    """Nor whether it is asked twice."""
    evidence = data.draw(evidences(mixed))
    backwards = Evidence(dict(reversed(evidence.points.items())), dict(reversed(evidence.nodes.items())))
    answer = mixed.attribute(evidence)
    assert mixed.attribute(backwards) == answer
    assert mixed.attribute(evidence) == answer


def _renamed(value: object, names: dict[str, str]) -> Any:
    """Every id of an inventory, an evidence or an answer by its other name."""
    if isinstance(value, dict):
        return {_renamed(key, names): _renamed(one, names) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [_renamed(one, names) for one in value]
    return names.get(value, value) if isinstance(value, str) else value


@FAST
@given(st.data())
def test_other_ids_change_nothing_else(mixed: Town, data: st.DataObject) -> None:
    """Names carry no meaning, and no order."""
    evidence = data.draw(evidences(mixed))
    ids = [*mixed.points, *mixed.network, *mixed.power]
    names = dict(zip(ids, (f"z{9999 - place}" for place in range(len(ids))), strict=True))
    inventory = msgspec.convert(_renamed(msgspec.to_builtins(mixed.inventory), names), Inventory)
    other = msgspec.convert(_renamed(msgspec.to_builtins(evidence), names), Evidence)
    expected = _renamed(msgspec.to_builtins(mixed.attribute(evidence)), names)
    found = _renamed(msgspec.to_builtins(Attributor(inventory).attribute(other)), {})
    assert _unordered(found) == _unordered(expected)


def _unordered(answer: dict[str, Any]) -> tuple[list[Any], ...]:
    by_node = sorted(answer["blamed"], key=lambda one: (one["node"], one["tree"]))
    return list(by_node), sorted(answer["undetermined"]), sorted(answer["suspects"])


@FAST
@given(st.data())
def test_a_point_that_is_up_speaks_for_no_node_above_it(mixed: Town, data: st.DataObject) -> None:
    """A point that hangs on one tree is seen up: the nodes above it are no likelier to have failed than before.

    But for the hundredth that one more site without a fault of its own takes from the day's rate of such. Without
    cascades, whose odds are no exact ones.
    """
    for node in NETWORK:
        mixed.network[node] = msgspec.structs.replace(mixed.network[node], powered_by=None)
    for leaf in ("olt1", "olt3", "tba0", "tba5", "tba9"):
        field, other = ("network_node", "power_node") if leaf in NETWORK else ("power_node", "network_node")
        mixed.point(f"q-{leaf}", ups_minutes=0.0, backup_link=None, **{field: leaf, other: None})
    evidence = data.draw(evidences(mixed))
    before = mixed.attribute(evidence)
    above = [
        (blame, point)
        for blame in before.blamed
        if blame.tree is not Tree.SITE
        for point in mixed.under(blame.node)
        if point.startswith("q-")
    ]
    if above:
        blame, point = data.draw(st.sampled_from(above))
        after = mixed.attribute(Evidence({**evidence.points, point: PointEvidence(CheckState.UP)}, evidence.nodes))
        stated = [one.probability for one in after.blamed if (one.node, one.tree) == (blame.node, blame.tree)]
        assert max(stated, default=LEAST) <= blame.probability + 0.01


# Two provinces


def _twice(town: Town) -> Town:
    """The town and a copy of it that has nothing to do with it."""
    names = {one: f"{one}'" for one in (*town.points, *town.network, *town.power)}
    for table in ("points", "network", "power"):
        rows = getattr(town, table)
        kind = type(next(iter(rows.values())))
        copies = (msgspec.convert(_renamed(msgspec.to_builtins(row), names), kind) for row in rows.values())
        setattr(town, table, {**rows, **{row.id: row for row in copies}})
    return town


@pytest.mark.parametrize(
    "failed", [("agg0",), ("olt1",), ("lo1",), ("tba4",), ("agg0", "lo2"), ("olt1", "tba6", "olt4"), ("lo1", "olt0")]
)
def test_a_copy_of_the_province_is_explained_like_it(make_town: Callable[..., Town], failed: tuple[str, ...]) -> None:
    """The answer for both is the answer of each: the same nodes, points, secondaries, as certain."""
    town = make_town({"olt0": "tba5"})
    down = {*town.under(*failed), "p00"}
    one = town.blame(down)
    both = _twice(town).blame({*down, *(f"{point}'" for point in down)})
    expected = [(*_told(blame, ""), _told(blame, "'")) for blame in one.blamed]
    assert sorted(_told(blame, "") for blame in both.blamed) == sorted(
        told for first in expected for told in (first[:-1], first[-1])
    )


def _told(blame: Blame, mark: str) -> tuple[object, ...]:
    certain = blame.owner_probability >= CERTAIN
    return (
        f"{blame.node}{mark}",
        blame.tree,
        tuple(f"{point}{mark}" for point in blame.points),
        tuple(f"{node}{mark}" for node in blame.secondary),
        certain,
    )


def test_an_outage_elsewhere_does_not_move_a_verdict(town: Town, nodes: Nodes) -> None:
    """What is to blame here is to blame whatever happens in the other copy."""
    down = town.under("agg0")
    both = _twice(town)
    for failed in ((), ("lo1'",), ("agg1'", "lo0'"), ("olt1'", "olt4'", "tba0'")):
        answer = both.blame({*down, *both.under(*failed)})
        assert nodes(answer) == {"agg0", *failed}
