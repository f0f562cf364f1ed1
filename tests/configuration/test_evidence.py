"""Files of evidence: what is read, and that whatever is wrong is named with its line, all at once."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.configuration import evidence
from monitor.configuration.errors import SHOWN, Errors
from monitor.configuration.inventory import read as read_inventory
from monitor.core.attribution import Evidence, PointEvidence, PowerSign, PowerSource
from monitor.core.model import CheckState, Inventory

GOOD = Path(__file__).parent / "good"


@pytest.fixture(scope="module", name="inventory")
def _inventory() -> Inventory:
    inventory = read_inventory(GOOD, None, Errors())
    assert inventory is not None
    return inventory


def errors_of(data: bytes, inventory: Inventory | None) -> list[str]:
    """The messages for a file that must be refused."""
    errors = Errors()
    assert evidence.parse("e.json", data, inventory, errors) is None
    return [str(error) for error in errors.invalid().errors]


def test_everything_that_a_file_may_say(inventory: Inventory) -> None:
    document = {
        "points": {
            "TU": {"state": "up", "down_for_s": None, "power": []},
            "C-14755": {
                "state": "down",
                "down_for_s": 12.5,
                "power": [
                    {"source": "ups", "on_battery": True, "minutes_left": 20},
                    {"source": "browser", "on_battery": False, "minutes_left": None},
                ],
            },
            "V-3": {"state": "down"},
            "V-4": {"state": "unknown"},
        },
        "nodes": {"acc-1": {"state": "down"}, "tr-1": {"state": "up"}},
    }
    signs = (PowerSign(PowerSource.UPS, True, 20), PowerSign(PowerSource.BROWSER, False))
    assert evidence.parse("e.json", json.dumps(document).encode(), inventory, Errors()) == Evidence(
        {
            "TU": PointEvidence(CheckState.UP),
            "C-14755": PointEvidence(CheckState.DOWN, 12.5, signs),
            "V-3": PointEvidence(CheckState.DOWN),
            "V-4": PointEvidence(CheckState.UNKNOWN),
        },
        {"acc-1": CheckState.DOWN, "tr-1": CheckState.UP},
    )


def test_nodes_may_be_left_out_and_a_byte_order_mark_is_none_of_the_text(inventory: Inventory) -> None:
    read = evidence.parse("e.json", b'\xef\xbb\xbf{"points": {}}', inventory, Errors())
    assert read == Evidence({}, {})


UP = '{"state": "up"}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1:1: expected JSON, got text that is not: Expecting value"),
        ('{"points": {},}', "1:15: expected JSON, got text that is not: Expecting property name enclosed"),
        ("{} {}", "1:4: expected JSON, got text that is not: Extra data"),
        ("null", "1:1: expected an object with points, nodes, got null"),
        ("[]", "1:1: expected an object with points, nodes, got a list"),
        ("{}", "1:1: points: expected a value, got none"),
        ('{"points": null}', "1:12: points: expected an object of points by id, got null"),
        (
            '{"points": {}, "node": {}}',
            '1:16: node: expected one of points, nodes, got "node". Did you mean "nodes"?',
        ),
        ('{"points": {"TU": "up"}}', 'points.TU: expected an object with state, down_for_s, power, got "up"'),
        ('{"points": {"TU": {}}}', "1:19: points.TU.state: expected a value, got none"),
        (
            '{"points": {"TU": {"state": "dwn"}}}',
            '1:29: points.TU.state: expected one of unknown, up, down, got "dwn". Did you mean "down"?',
        ),
        ('{"points": {"TU": {"state": null}}}', "1:29: points.TU.state: expected one of unknown, up, down, got null"),
        (
            '{"points": {"TU":\n{"state": "up",\n "down_for": 3}}}',
            '3:2: points.TU.down_for: expected one of state, down_for_s, power, got "down_for". Did you',
        ),
        (
            f'{{"points": {{"C-14755x": {UP}}}}}',
            '1:13: points.C-14755x: expected the id of a point of the inventory, got "C-14755x". Did you mean "C-1',
        ),
        (
            '{"points": {}, "nodes": {"acc-2": {"state": "up"}}}',
            '1:26: nodes.acc-2: expected the id of a node of the inventory, got "acc-2". Did you mean "acc-1"?',
        ),
        (
            '{"points": {}, "nodes": {"acc-1": {"state": "unknown"}}}',
            '1:45: nodes.acc-1.state: expected one of up, down, got "unknown"',
        ),
        ('{"points": {}, "nodes": {"acc-1": {}}}', "1:35: nodes.acc-1.state: expected a value, got none"),
        (
            f'{{"points": {{"TU": {UP},\n"TU": {{"state": "down"}}}}}}',
            '1:13: points.TU: expected a name that occurs once, got "TU"',
        ),
        (
            '{"points": {"TU": {"state": "up", "state": "down"}}}',
            'points.TU.state: expected a name that occurs once, got "state"',
        ),
    ],
)
def test_a_mistake_is_named_by_line_and_column(inventory: Inventory, text: str, message: str) -> None:
    (found,) = errors_of(text.encode(), inventory)
    assert message in found


@pytest.mark.parametrize("number", ["-1", "-0.5", "NaN", "Infinity", "1e999", "1e10", "true", '"12"', "[]", "9" * 9999])
def test_a_number_of_seconds_is_one(inventory: Inventory, number: str) -> None:
    (found,) = errors_of(f'{{"points": {{"TU": {{"state": "up", "down_for_s": {number}}}}}}}'.encode(), inventory)
    assert "1:49: points.TU.down_for_s: expected a number from 0 to 1,000,000,000, or null, got " in found


def test_words_on_power_are_judged_each(inventory: Inventory) -> None:
    power = '[{"source": "usp", "on_battery": 1}, 3, {"source": "nut", "on_battery": true, "extra": 4}, {}]'
    found = errors_of(f'{{"points": {{"TU": {{"state": "up", "power": {power}}}}}}}'.encode(), inventory)
    assert [message.partition(": ")[2] for message in found] == [
        'points.TU.power[0].source: expected one of ups, nut, browser, gasp, got "usp". Did you mean "ups"?',
        "points.TU.power[0].on_battery: expected true or false, got 1",
        "points.TU.power[1]: expected an object with source, on_battery, minutes_left, got 3",
        'points.TU.power[2].extra: expected one of source, on_battery, minutes_left, got "extra"',
        "points.TU.power[3].source: expected a value, got none",
        "points.TU.power[3].on_battery: expected a value, got none",
    ]


def test_a_list_of_words_is_a_list(inventory: Inventory) -> None:
    (found,) = errors_of(b'{"points": {"TU": {"state": "up", "power": {"source": "ups"}}}}', inventory)
    assert "1:44: points.TU.power: expected a list, got an object" in found


@pytest.mark.parametrize("bomb", [b"[" * 1_000_000, b'{"points":' * 200_000])
def test_a_nesting_bomb_is_refused(inventory: Inventory, bomb: bytes) -> None:
    assert errors_of(bomb, inventory) == ["e.json:1:1: expected JSON of few levels, got hundreds, one within another"]


def test_what_is_no_utf8(inventory: Inventory) -> None:
    assert errors_of(b'{"points":\n {"\xe9": {}}}', inventory) == [
        "e.json:2:4: expected text in UTF-8, got the byte 0xe9"
    ]


def test_unknown_ids_are_named_all_at_once_up_to_a_bound(inventory: Inventory) -> None:
    """The rest are counted."""
    points = {f"P-{number}": {"state": "up"} for number in range(30_000)}
    errors = Errors()
    assert evidence.parse("e.json", json.dumps({"points": points}, indent=0).encode(), inventory, errors) is None
    invalid = errors.invalid()
    assert (len(invalid.errors), invalid.total) == (SHOWN, 30_000)
    assert (invalid.errors[-1].line, invalid.errors[-1].key) == (3 * SHOWN, f"points.P-{SHOWN - 1}")


def test_without_an_inventory_the_form_is_judged_alone() -> None:
    """Then it is the inventory that is not valid, and its errors are told."""
    (found,) = errors_of(b'{"points": {"nobody": {"state": "gone"}}}', None)
    assert "points.nobody.state" in found


def test_a_file_that_is_missing_or_too_large(inventory: Inventory, tmp_path: Path) -> None:
    errors = Errors()
    assert evidence.read(tmp_path / "none.json", inventory, errors) is None
    large = tmp_path / "large.json"
    with large.open("wb") as file:
        file.truncate(evidence.EVIDENCE_BYTES + 1)
    assert evidence.read(large, inventory, errors) is None
    assert [str(error).rpartition("/")[2] for error in errors.invalid().errors] == [
        "large.json:1:1: expected a file of at most 64 MiB, got a larger one",
        "none.json:1:1: expected a file none.json, got none",
    ]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["state", "power", "source", "TU", "x.y", "", "[0]"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(ANYTHING, ANYTHING)
def test_any_json_is_read_or_refused_with_a_place_in_the_text(inventory: Inventory, points: Any, nodes: Any) -> None:
    text = json.dumps({"points": points, "nodes": nodes}, indent=1)
    errors = Errors()
    read = evidence.parse("e.json", text.encode(), inventory, errors)
    assert (read is None) == bool(errors.total)
    lines = text.split("\n")
    for error in errors.invalid().errors:
        assert 1 <= error.line <= len(lines)
        assert 1 <= error.column <= len(lines[error.line - 1])


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    errors = Errors()
    assert (evidence.parse("e.json", data, None, errors) is None) == bool(errors.total)
