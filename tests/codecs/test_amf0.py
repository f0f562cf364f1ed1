"""AMF0: examples byte by byte as players and servers send them, round trips, and what is refused."""

import math
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.codecs import amf0
from probes.codecs.amf0 import MAX_DEPTH, MAX_VALUES, AmfError, decode, encode

VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def text(content: bytes) -> bytes:
    return len(content).to_bytes(2, "big") + content


def test_a_command_is_written_as_players_write_it() -> None:
    said = encode("connect", 1.0, {"app": "live", "fpad": False}, None)
    assert said == (
        b"\x02\x00\x07connect"
        b"\x00\x3f\xf0\x00\x00\x00\x00\x00\x00"
        b"\x03\x00\x03app\x02\x00\x04live\x00\x04fpad\x01\x00\x00\x00\x09"
        b"\x05"
    )


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"\x00\x40\x08" + bytes(6), 3.0),
        (b"\x01\x02", True),
        (b"\x02" + text("Bá Thước".encode()), "Bá Thước"),
        (b"\x02" + text(b"\xff"), "�"),
        (b"\x05", None),
        (b"\x06", None),
        (b"\x07\x00\x01", None),
        (b"\x08\x00\x00\x00\x63" + text(b"a") + b"\x05\x00\x00\x09", {"a": None}),
        (b"\x0a\x00\x00\x00\x02\x05\x01\x01", [None, True]),
        (b"\x0b\x42\x70" + bytes(6) + b"\x00\x00", float(1 << 40)),
        (b"\x0c\x00\x00\x00\x01x", "x"),
        (b"\x0d", None),
        (b"\x0f\x00\x00\x00\x04<a/>", "<a/>"),
        (b"\x10" + text(b"Class") + text(b"a") + b"\x01\x01\x00\x00\x09", {"a": True}),
    ],
)
def test_each_type_of_the_specification_is_read(data: bytes, value: amf0.Value) -> None:
    assert decode(data) == [value]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x04", "type 4"),
        (b"\x0e", "type 14"),
        (b"\x11", "type 17"),
        (b"\x00\x01", "cut"),
        (b"\x02\x00\x05abc", "cut"),
        (b"\x03\x00\x01a", "cut"),
        (b"\x03\x00\x01a\x05", "cut"),
        (b"\x0a\xff\xff\xff\xff", "cut"),
        (b"\x0c\xff\xff\xff\xff", "cut"),
        (b"\x0a\x00\x00\x00\x01" * (MAX_DEPTH + 1) + b"\x05", "nested"),
        (b"\x05" * (MAX_VALUES + 1), "values"),
        (b"\x0a\xff\xff\xff\xff" + b"\x05" * MAX_VALUES, "values"),
    ],
)
def test_what_is_no_amf0_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(AmfError, match=reason):
        decode(data)


def test_a_long_text_takes_the_long_type() -> None:
    assert encode("x" * 65536)[:5] == b"\x0c\x00\x01\x00\x00"
    assert decode(encode("x" * 65536)) == ["x" * 65536]


def test_depth_is_bounded_both_ways() -> None:
    value: amf0.Value = 1.0
    for _ in range(MAX_DEPTH):
        value = [value]
    assert decode(encode(value)) == [value]
    with pytest.raises(AmfError, match="nested"):
        encode([value])


def test_a_name_that_is_too_long_is_refused() -> None:
    with pytest.raises(AmfError, match="name"):
        encode({"x" * 65536: None})


def test_not_a_number_is_a_number() -> None:
    (value,) = decode(encode(math.nan))
    assert isinstance(value, float)
    assert math.isnan(value)


@settings(max_examples=100)
@given(st.lists(VALUES, max_size=4))
def test_what_is_written_is_read(values: list[amf0.Value]) -> None:
    try:
        said = encode(*values)
    except AmfError:
        return
    assert decode(said) == values


@settings(max_examples=200)
@given(st.binary(max_size=60))
def test_any_bytes_are_values_or_refused(data: bytes) -> None:
    with suppress(AmfError):
        decode(data)
