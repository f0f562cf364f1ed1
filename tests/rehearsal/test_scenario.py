"""Scenario files: those that come with the program, and every way to write a bad one."""

from pathlib import Path

import pytest

from monitor.configuration.errors import InvalidConfiguration
from monitor.core.model import Inventory, Tier
from monitor.rehearsal import province, scenario
from monitor.rehearsal.links import Line
from monitor.rehearsal.scenario import At, Event, Scenario

CHECK_SETS = ("hall", "village", "village_4g", "village_nat")


@pytest.fixture(scope="module")
def sample() -> Inventory:
    return province.make()


def errors_of(text: str, path: Path, inventory: Inventory) -> list[str]:
    file = path / "scenario.yaml"
    file.write_text(f"title: x\nduration: 1m\n{text}", encoding="utf-8")
    with pytest.raises(InvalidConfiguration) as refused:
        scenario.read(file, inventory, CHECK_SETS)
    return [str(error).removeprefix(str(file)) for error in refused.value.errors]


@pytest.mark.parametrize("name", scenario.names())
def test_what_comes_with_the_program_suits_the_sample(name: str, sample: Inventory) -> None:
    """Every fault ends, with time left to see the recovery."""
    read = scenario.read(scenario.path_of(name), sample, CHECK_SETS)
    assert all(event.for_s and event.at_s + event.for_s + 5 <= read.duration_s for event in read.events)


def test_the_scenarios_of_the_program() -> None:
    assert scenario.names() == ["calm", "cuts", "district-cut", "morning", "storm", "uplink", "who"]
    assert scenario.path_of("my.yaml") == Path("my.yaml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "events: [{at: 5s, cut: {node: nowhere}}]",
            [":3:31: events[0].cut.node: expected a node of network.csv, got"],
        ),
        (
            "events: [{at: 5s, power_cut: {node: agg}}]",
            [":3:37: events[0].power_cut.node: expected a node of power.csv"],
        ),
        (
            "events: [{at: 5s}]",
            [":3:15: events[0].at: expected one of cut, power_cut, flapping, codec_off, site_off, uplink, restore"],
        ),
        ("events: [{at: 5s, uplink: lost, cut: {node: agg}}]", [":3:15: events[0].at: expected one of cut, power_cut"]),
        ("events: [{at: 5s, uplink: cut}]", [':3:27: events[0].uplink: expected one of lost, lossy, got "cut"']),
        (
            "events: [{at: 5s, restore: x}]",
            [":3:28: events[0].restore: expected the name of a fault that begins before"],
        ),
        ("events: [{at: soon, uplink: lost}]", [":3:15: events[0].at: expected a duration such as 2s, got"]),
        (
            "events: [{at: 5s, flapping: {points: [t-101, t-999]}}]",
            [":3:46: events[0].flapping.points[1]: expected a point"],
        ),
        (
            "events: [{at: 5s, flapping: {district: 999}}]",
            [":3:40: events[0].flapping.district: expected a district's"],
        ),
        (
            "events: [{at: 5s, flapping: {period: 5s, down: 5s}}]",
            [":3:48: events[0].flapping.down: expected less than"],
        ),
        ("lines: {vilage: {loss: 1%}}", [":3:17: lines.vilage: expected a tier or a check set"]),
        ("lines: {village: {loss: 2}}", [":3:25: lines.village.loss: expected a ratio from 0 to 1"]),
        ("battery_speed: 0", [":3:16: battery_speed: expected more than 0"]),
        ("speed: 3", [":3:1: speed: expected one of title, duration, battery_speed, lines, events"]),
    ],
)
def test_a_bad_scenario_is_named_with_line_and_column(
    text: str, expected: list[str], tmp_path: Path, inventory: Inventory
) -> None:
    found = errors_of(text, tmp_path, inventory)
    assert len(found) == len(expected)
    for error, beginning in zip(found, expected, strict=True):
        assert error.startswith(beginning), error


def test_all_errors_come_at_once(tmp_path: Path, inventory: Inventory) -> None:
    text = "lines: {x: {}}\nevents: [{at: 5s, cut: {node: x}}, {at: 9s, power_cut: {node: y}}]"
    assert len(errors_of(text, tmp_path, inventory)) == 3


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path, inventory: Inventory) -> None:
    with pytest.raises(InvalidConfiguration, match="got none"):
        scenario.read(tmp_path / "nothing.yaml", inventory, CHECK_SETS)


def test_speed_hurries_events_and_batteries() -> None:
    faster = Scenario(
        title="", duration_s=60, battery_speed=10, events=(Event(at_s=10, for_s=20, cut=At("agg")),)
    ).faster(2)
    assert (faster.duration_s, faster.battery_speed) == (30, 20)
    assert (faster.events[0].at_s, faster.events[0].for_s) == (5, 10)


def test_a_line_is_its_check_sets_or_its_tiers() -> None:
    made = Scenario(title="", duration_s=60, lines={"village": Line(0.1), "hall": Line(0.2)})
    assert made.line("hall", Tier.VILLAGE) == Line(0.2)
    assert made.line(None, Tier.VILLAGE) == Line(0.1)
    assert made.line("somebody's", Tier.VILLAGE) == Line(0.1)
    assert made.line("village_4g", Tier.VILLAGE).loss_ratio == 0.1


def test_loss_is_set_for_mobile_lines_apart() -> None:
    made = Scenario(title="", duration_s=60)
    lossy = made.with_loss(0.01, None)
    assert {tier: lossy.line(None, tier).loss_ratio for tier in Tier} == dict.fromkeys(Tier, 0.01)
    assert lossy.line("village_4g", Tier.VILLAGE).loss_ratio == 0.1
    assert made.with_loss(None, 0.3).line("village_4g", Tier.VILLAGE).loss_ratio == 0.3
