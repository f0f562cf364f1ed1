"""What makes points ready, as it is written."""

from math import inf
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.configuration import load
from monitor.configuration.errors import Errors
from monitor.configuration.readiness import STRICT, read
from monitor.core.model import Mode, Point, Tier
from monitor.core.readiness import PLANNED_MODES, Requirement, Rule, Rules

ROOT = Path(__file__).parents[2]


def said(directory: Path, text: str) -> tuple[Rules | None, list[str]]:
    """The rules and the errors of a readiness.yaml."""
    (directory / "readiness.yaml").write_text(text, encoding="utf-8")
    errors = Errors()
    rules = read(directory, errors)
    return rules, [str(each).replace(f"{directory}/", "") for each in errors.invalid().errors]


def point(tier: Tier, mode: Mode) -> Point:
    return Point(id="p", name="p", tier=tier, mode=mode)


def test_without_a_file_everyone_reports_picture_sound_and_delegates(tmp_path: Path) -> None:
    errors = Errors()
    rules = read(tmp_path, errors)
    assert rules == STRICT
    assert not errors.total
    asked = {Requirement.PICTURE, Requirement.SOUND, Requirement.DELEGATES}
    for tier in Tier:
        for mode in PLANNED_MODES:
            assert STRICT.of(point(tier, mode)) == Rule(requires=frozenset(asked))
    assert STRICT.target_ratio == 1.0


@pytest.mark.parametrize("text", ["target: 98%\n", "target: 0.98\n", "target: 98 %\nrules:\n"])
def test_a_target_alone_leaves_the_rules_as_they_are(tmp_path: Path, text: str) -> None:
    assert said(tmp_path, text) == (Rules(rules=STRICT.rules, target_ratio=0.98), [])


def test_no_rule_at_all_wants_points_to_be_connected(tmp_path: Path) -> None:
    assert said(tmp_path, "rules: []\n") == (Rules(), [])


def test_a_rule_with_everything(tmp_path: Path) -> None:
    text = (
        "rules:\n- tiers: [village, commune]\n  modes: [watch]\n  requires: [chair, power]\n  connected_for: 1m30s\n"
        "  degraded_counts: true\n  report_valid: 12h\n"
    )
    rule = Rule(
        tiers=frozenset({Tier.VILLAGE, Tier.COMMUNE}),
        modes=frozenset({Mode.WATCH}),
        requires=frozenset({Requirement.CHAIR, Requirement.POWER}),
        connected_for_s=90.0,
        degraded_counts=True,
        report_valid_s=43_200.0,
    )
    assert said(tmp_path, text) == (Rules(rules=(rule,)), [])


def test_what_a_rule_leaves_out(tmp_path: Path) -> None:
    """All that take part, nothing reported, as long as the ceremony says, never outdated."""
    rules, errors = said(tmp_path, "rules: [{}]\n")
    assert errors == []
    assert rules == Rules(rules=(Rule(),))
    assert (Rule().connected_for_s, Rule().report_valid_s, Rule().modes) == (None, inf, PLANNED_MODES)


def test_the_first_rule_that_fits_is_a_points_rule() -> None:
    """The sample: halls that speak say who chairs, villages that watch may flicker, the others are asked the usual."""
    rules = load(ROOT / "config").rules
    usual = {Requirement.PICTURE, Requirement.SOUND, Requirement.DELEGATES}
    hall, village, commune = (
        rules.of(point(tier, mode))
        for tier, mode in (
            (Tier.DISTRICT, Mode.TWO_WAY),
            (Tier.VILLAGE, Mode.WATCH),
            (Tier.COMMUNE, Mode.TWO_WAY),
        )
    )
    assert (hall.requires, hall.degraded_counts) == (usual | {Requirement.CHAIR}, False)
    assert (village.requires, village.degraded_counts) == (usual, True)
    assert (commune.requires, commune.degraded_counts) == (usual, False)
    assert rules.of(point(Tier.PROVINCE, Mode.TWO_WAY)) is hall
    assert rules.of(point(Tier.VILLAGE, Mode.TWO_WAY)) is commune
    assert rules.target_ratio == 0.98


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("target: 0", "readiness.yaml:1:9: target: expected more than 0 and at most 1"),
        ("target: 101%", "readiness.yaml:1:9: target: expected a ratio from 0 to 1"),
        ("rules: 98%", 'readiness.yaml:1:8: rules: expected a list, got "98%"'),
        ("rules: [{}, {tiers: [village]}]", "readiness.yaml:1:13: rules[1]: expected a rule for some tier and mode"),
        ("rules: [{connected_for: 2d}]", "readiness.yaml:1:25: rules[0].connected_for: expected at most 1d"),
        ("rules: [{requires: delegates}]", "readiness.yaml:1:20: rules[0].requires: expected a list"),
        ("rule: []", "readiness.yaml:1:1: rule: expected one of target, rules"),
        ("rules: [", "readiness.yaml:"),
    ],
)
def test_a_mistake_is_named_by_line_and_column(tmp_path: Path, text: str, message: str) -> None:
    rules, errors = said(tmp_path, text + "\n")
    assert rules is None
    assert any(each.startswith(message) for each in errors), errors


NAMED = st.tuples(
    st.sets(st.sampled_from(list(Tier)), min_size=1), st.sets(st.sampled_from(["two_way", "watch"]), min_size=1)
)


@given(st.lists(NAMED, max_size=6))
def test_a_rule_is_refused_exactly_when_no_point_has_it(
    tmp_path_factory: pytest.TempPathFactory, named: list[tuple[set[Tier], set[str]]]
) -> None:
    """Compared with asking every sort of point for its rule."""
    rules = Rules(
        rules=tuple(
            Rule(tiers=frozenset(t), modes=frozenset(map(Mode, m)), report_valid_s=n + 60)
            for n, (t, m) in enumerate(named)
        )
    )
    reached = {rules.of(point(tier, mode)).report_valid_s - 60 for tier in Tier for mode in PLANNED_MODES}
    lines = [
        f"- {{tiers: [{', '.join(tiers)}], modes: [{', '.join(modes)}], report_valid: {n + 60}s}}\n"
        for n, (tiers, modes) in enumerate(named)
    ]
    found, errors = said(
        tmp_path_factory.mktemp("rules"), "target: 1\nrules:" + ("\n" + "".join(lines) if lines else " []\n")
    )
    refused = {n for n in range(len(named)) if n not in reached}
    assert {int(error.partition("rules[")[2].partition("]")[0]) for error in errors} == refused
    assert found == (None if refused else rules)
