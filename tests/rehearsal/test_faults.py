"""What a scenario does to a province, on paper."""

from collections import defaultdict
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.model import Inventory, NodeKind, Tier
from monitor.rehearsal import province
from monitor.rehearsal.faults import DIES_WITHIN_S, NODE_MINUTES, Plan, below, plan
from monitor.rehearsal.scenario import At, Event, Flapping, Scenario, Some


def played(inventory: Inventory, *events: Event, duration_s: float = 100.0, battery_speed: float = 60.0) -> Plan:
    scenario = Scenario(title="", duration_s=duration_s, battery_speed=battery_speed, events=events)
    return plan(inventory, scenario, Random(1))


def spans(found: Plan) -> dict[str, list[tuple[float, float]]]:
    by_point: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for outage in found.outages:
        by_point[outage.point].append((outage.from_s, outage.to_s))
    return dict(by_point)


def test_a_cut_silences_all_points_below_the_node_at_once_and_until_it_ends(inventory: Inventory) -> None:
    """Merged points with a line of their own as well; a point without an address has no line."""
    found = spans(played(inventory, Event(at_s=5, cut=At("olt-2"), for_s=30)))
    assert found == {f"t-{n}": [(5, 35)] for n in (201, 202, 203, 204)}


def test_a_cut_reaches_through_every_level_of_the_tree(inventory: Inventory) -> None:
    found = spans(played(inventory, Event(at_s=5, cut=At("core"))))
    assert len(found) == 14
    assert set(map(tuple, found.values())) == {((5, 100),)}


def test_without_mains_points_fall_as_their_batteries_drain(inventory: Inventory) -> None:
    """At once without a battery, ten minutes at sixty times the speed with one."""
    found = spans(played(inventory, Event(at_s=5, power_cut=At("feeder-1"), for_s=60)))
    assert found["t-110"] == [(15, 65)]
    assert all(5 <= found[f"t-{n}"][0][0] <= 5 + DIES_WITHIN_S for n in range(101, 110))


def test_network_equipment_without_mains_silences_what_hangs_on_it(inventory: Inventory) -> None:
    """tba-1 feeds olt-2, so its points fall when its battery is empty, although their own mains are there."""
    cut = played(inventory, Event(at_s=5, power_cut=At("tba-1"), for_s=60))
    found = spans(cut)
    assert {"t-201", "t-202", "t-203", "t-204"} <= found.keys()
    assert found["t-201"] == [(5 + NODE_MINUTES[NodeKind.ACCESS], 65)]
    assert "t-201" not in {blackout.point for blackout in cut.blackouts}
    assert spans(played(inventory, Event(at_s=5, power_cut=At("feeder-2")))).keys() == {
        "t-201", "t-202", "t-203", "t-204",
    }  # fmt: skip


def test_points_without_mains_are_known_whether_they_fall_or_not(inventory: Inventory) -> None:
    """From the cut until its end, each step naming those whose mains fail and return; merged ones as well."""
    found = played(inventory, Event(at_s=5, power_cut=At("feeder-1"), for_s=9))
    assert {(span.point, span.from_s, span.to_s) for span in found.blackouts} == {
        (f"t-{number}", 5, 14) for number in range(101, 111)
    }
    assert [(step.at_s, len(step.dark), len(step.lit)) for step in found.steps if step.dark or step.lit] == [
        (5, 10, 0),
        (14, 0, 10),
    ]


def test_a_codec_that_is_off_cuts_no_line(inventory: Inventory) -> None:
    found = played(inventory, Event(at_s=5, codec_off=Some(points=("t-101", "t-102")), for_s=20))
    assert not found.outages
    assert {(outage.point, outage.address) for outage in found.codecs_off} == {
        ("t-101", "10.38.2.1"),
        ("t-102", "10.38.2.2"),
    }
    assert [(step.at_s, len(step.mute), len(step.heard)) for step in found.steps] == [(5, 2, 0), (25, 0, 2)]


def test_a_battery_that_outlasts_the_cut_saves_its_point(inventory: Inventory) -> None:
    assert "t-110" not in spans(played(inventory, Event(at_s=5, power_cut=At("feeder-1"), for_s=9)))


def test_a_restore_ends_the_fault_of_that_name(inventory: Inventory) -> None:
    found = played(inventory, Event(at_s=5, name="sợi", cut=At("olt-2")), Event(at_s=20, restore="sợi"))
    assert (found.faults[0].from_s, found.faults[0].to_s) == (5, 20)
    assert len(found.faults) == 1


def test_flapping_points_come_and_go_and_are_expected_ones(inventory: Inventory) -> None:
    flapping = Flapping(tier=Tier.VILLAGE, count=3, period_s=10, down_s=4)
    found = spans(played(inventory, Event(at_s=5, flapping=flapping, for_s=40)))
    assert len(found) == 3
    assert "t-105" not in found
    for ours in found.values():
        assert len(ours) == 4
        assert all(to_s - from_s <= 4 + 1e-9 for from_s, to_s in ours)


@pytest.mark.parametrize(
    ("flapping", "expected"),
    [
        (Flapping(points=("t-105", "t-201")), {"t-105", "t-201"}),
        (Flapping(check_set="village_4g", count=9), {"t-110"}),
        (Flapping(district="382", count=9), {"t-201", "t-202", "t-203", "t-204"}),
    ],
)
def test_what_flaps_is_named_or_chosen(inventory: Inventory, flapping: Flapping, expected: set[str]) -> None:
    assert spans(played(inventory, Event(at_s=5, flapping=flapping, for_s=90))).keys() == expected


def test_a_second_fault_on_a_dead_line_prolongs_the_first(inventory: Inventory) -> None:
    found = played(inventory, Event(at_s=5, cut=At("olt-2"), for_s=10), Event(at_s=10, cut=At("agg"), for_s=20))
    assert spans(found)["t-201"] == [(5, 30)]
    assert {outage.fault for outage in found.outages if outage.point == "t-201"} == {0}
    assert spans(found)["t-101"] == [(10, 30)]


def test_losing_our_uplink_hits_no_point(inventory: Inventory) -> None:
    found = played(inventory, Event(at_s=5, uplink="lost", for_s=10))
    assert not found.outages
    assert [(step.at_s, step.uplink_loss, step.fault) for step in found.steps] == [(5, 1.0, 0), (15, 0.0, 0)]


def test_nodes_below_are_found_in_the_sample() -> None:
    """The 2018 accident: one line, all of Mường Lát and five communes of Quan Hóa."""
    made = province.make()
    dark = below(made.power, ["feeder-384-1"])
    struck = {point.commune_code for point in made.points.values() if point.power_node in dark}
    assert len(struck - {None}) == 8 + 5


events = st.builds(
    lambda at_s, for_s, action: Event(at_s=at_s, for_s=for_s, **action),
    st.floats(0, 90),
    st.none() | st.floats(0.5, 60),
    st.sampled_from(
        [
            {"cut": At("agg")},
            {"cut": At("olt-1")},
            {"power_cut": At("feeder-1")},
            {"power_cut": At("sub")},
            {"flapping": Flapping(count=4, period_s=7, down_s=3)},
            {"codec_off": Some(count=4)},
            {"uplink": "lost"},
        ]
    ),
)


@settings(max_examples=60)
@given(st.lists(events, max_size=5), st.randoms(use_true_random=False))
def test_steps_cut_and_mend_each_line_in_turn(inventory: Inventory, chosen: list[Event], rng: Random) -> None:
    """Whatever overlaps: no line is cut that is cut, none mended that is whole, and time goes forward."""
    found = plan(inventory, Scenario(title="", duration_s=100.0, events=tuple(chosen)), rng)
    cut: set[str] = set()
    before = -1.0
    for step in found.steps:
        assert step.at_s > before
        before = step.at_s
        for outage in step.mend:
            cut.remove(outage.address)
        for outage in step.cut:
            assert outage.address not in cut
            cut.add(outage.address)
    assert all(outage.from_s < outage.to_s <= 100.0 for outage in found.outages)
