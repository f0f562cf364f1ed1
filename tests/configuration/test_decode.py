import math
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from monitor.configuration.decode import SCALARS, UNITS, WRONG, decode, decoder, rows
from monitor.configuration.errors import KEPT, SHOWN, Errors, Spot
from monitor.configuration.source import Scalar, Table, read_yaml
from probes.registry import KINDS


class Colour(StrEnum):
    """Words to choose from."""

    RED = "red"
    BLUE = "blue"


class Inner(msgspec.Struct, frozen=True):
    """A part."""

    every: Annotated[int, Meta(ge=1)]
    wait_s: float | None = None


class Outer(msgspec.Struct, frozen=True):
    """A field of each type that a file can write."""

    name: str
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 2.0
    spans_s: tuple[float, ...] = ()
    loss_ratio: float = 0.01
    share: float = 0.5
    at: datetime | None = None
    colour: Colour = Colour.RED
    size: Literal["small", "big"] = "small"
    fast: bool = False
    inner: Inner | None = None
    by_name: dict[Colour, Inner] = {}

    def __post_init__(self) -> None:
        if self.name == "nobody":
            raise ValueError('name: expected somebody, got "nobody"')
        if self.name == "chaos":
            raise ValueError("too much")


FIELDS = "name, timeout, spans, loss, share, at, colour, size, fast, inner, by_name"

Decode = Callable[[str], tuple[object, list[str]]]


@pytest.fixture
def decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Decode:
    """YAML → the Outer it is, and the errors in it."""
    monkeypatch.chdir(tmp_path)

    def read(text: str) -> tuple[object, list[str]]:
        Path("a.yaml").write_text(text)
        errors = Errors()
        tree = read_yaml(Path("a.yaml"), errors)
        assert tree is not None
        return decode(tree, Outer, errors), str(errors.invalid()).splitlines()

    return read


def test_every_declared_type_is_read(decoded: Decode) -> None:
    """A unit in a field's name is left out in the file and written with the value."""
    value, errors = decoded(
        "name: 12:30\ntimeout: 500ms\nspans: [1m30s, 2h]\nloss: 5%\nshare: 1e-1\nat: 2025-05-08 07:30\n"
        "colour: blue\nsize: big\nfast: true\ninner: {every: 3, wait: ~}\nby_name: {red: {every: 1, wait: 1s}}\n"
    )
    assert errors == []
    assert value == Outer(
        name="12:30",
        timeout_s=0.5,
        spans_s=(90.0, 7200.0),
        loss_ratio=0.05,
        share=0.1,
        at=datetime(2025, 5, 8, 7, 30),  # noqa: DTZ001  (the file's time zone is not known here)
        colour=Colour.BLUE,
        size="big",
        fast=True,
        inner=Inner(3),
        by_name={Colour.RED: Inner(1, 1.0)},
    )


def test_what_is_left_out_or_empty_has_its_default(decoded: Decode) -> None:
    assert decoded("name: a\ntimeout:\ncolour: ~\n") == (Outer("a"), [])


def test_every_error_is_found_at_once(decoded: Decode) -> None:
    value, errors = decoded(
        "timeout: 90s\nspans: [1, 2s, x]\nloss: 2\ncolour: bleu\nfast: no\ninner: {every: 0, wait: soon}\n"
        "by_name: {green: {}}\nsiez: big\n"
    )
    assert value is WRONG
    assert errors == [
        "a.yaml:1:1: name: expected a value, got none",
        'a.yaml:1:10: timeout: expected more than 0s and at most 60s, got "90s"',
        'a.yaml:2:9: spans[0]: expected a duration such as 2s, got "1"',
        'a.yaml:2:16: spans[2]: expected a duration such as 2s, got "x"',
        'a.yaml:3:7: loss: expected a ratio from 0 to 1 such as 1% or 0.01, got "2"',
        'a.yaml:4:9: colour: expected one of red, blue, got "bleu". Did you mean "blue"?',
        'a.yaml:5:7: fast: expected true or false, got "no"',
        'a.yaml:6:16: inner.every: expected at least 1, got "0"',
        'a.yaml:6:25: inner.wait: expected a duration such as 2s, got "soon"',
        'a.yaml:7:11: by_name.green: expected one of red, blue, got "green"',
        "a.yaml:7:18: by_name.green.every: expected a value, got none",
        f'a.yaml:8:1: siez: expected one of {FIELDS}, got "siez". Did you mean "size"?',
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nobody", 'a.yaml:1:7: name: expected somebody, got "nobody"'),
        ("chaos", "a.yaml:1:1: expected values that fit together, got others: too much"),
    ],
)
def test_what_a_struct_refuses_itself_is_an_error_of_its_field(decoded: Decode, name: str, message: str) -> None:
    assert decoded(f"name: {name}\n") == (WRONG, [message])


@given(st.integers(0, 10**6), st.sampled_from([("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600), ("d", 86400)]))
def test_durations(amount: int, unit: tuple[str, float]) -> None:
    assert UNITS["_s"].read(f"{amount}{unit[0]}") == pytest.approx(amount * unit[1])


@given(st.floats(0, 100))
def test_percentages_are_ratios(percent: float) -> None:
    assert UNITS["_ratio"].read(f"{percent:.6f}%") == pytest.approx(percent / 100, abs=1e-8)


@given(st.sampled_from([*SCALARS.values(), *UNITS.values()]), st.text())
def test_any_text_is_a_value_or_none(reading: object, text: str) -> None:
    """No text makes a reading raise, or a number that is not finite."""
    value = reading.read(text)  # type: ignore[attr-defined]
    assert not isinstance(value, float) or math.isfinite(value)


@pytest.mark.parametrize("text", ["inf", "nan", "1_000", "0x10", " 1", "1e999", "１", "9" * 400])
def test_a_number_is_finite_and_written_plainly(text: str) -> None:
    assert SCALARS[float].read(text) is None
    assert SCALARS[int].read(text) is None


def test_a_type_that_no_file_can_write_is_a_defect() -> None:
    for declared in (complex, int | str, Callable[[], None]):
        with pytest.raises(TypeError, match="no file can"):
            decoder(declared)


@pytest.mark.parametrize("kind", KINDS)
def test_the_parameters_of_every_kind_can_be_written_in_a_file(kind: str) -> None:
    decoder(KINDS[kind].params)


def test_other_tools_may_add_columns() -> None:
    table = Table("t.csv", 1, ("every", "remark", ""), ((2, ("3", "anything at all \x07", "x")),))
    errors = Errors()
    assert rows(table, Inner, errors) == [(2, Inner(3))]
    assert errors.total == 0


def test_errors_are_sorted_bounded_and_the_rest_counted() -> None:
    errors = Errors()
    for line in range(KEPT + 7, 0, -1):
        errors.add(Spot("b.csv", line), "", "x", "y")
    errors.add(Spot("a.csv", 3), "", "beyond what is kept", "y")
    invalid = errors.invalid()
    assert len(invalid.errors) == SHOWN
    assert invalid.total == KEPT + 8
    assert [error.line for error in invalid.errors] == sorted(error.line for error in invalid.errors)
    assert str(invalid).endswith(f"\nand {KEPT + 8 - SHOWN} more errors")


@given(st.text(), st.text())
def test_a_message_is_one_line(key: str, text: str) -> None:
    errors = Errors()
    errors.add(Spot("a.yaml"), key, "nothing", text)
    assert len(str(errors.invalid()).splitlines()) == 1


def test_a_scalar_where_a_list_belongs() -> None:
    errors = Errors()
    assert decoder(tuple[int, ...])(Scalar("a", 1, 1, "1"), "k", errors) is WRONG
    assert str(errors.invalid()) == 'a:1:1: k: expected a list, got "1"'
