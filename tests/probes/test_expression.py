"""JSON from outside, asked by expressions."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes import expression
from probes.dial import Miss


def test_a_tree_is_asked() -> None:
    tree = expression.tree_of(b'{"rooms": [{"name": "A"}, {"name": "B"}]}')
    assert expression.search("rooms[].name", tree) == ["A", "B"]
    assert expression.search("length(rooms) > `1`", tree) is True


@pytest.mark.parametrize("text", ["rooms[", "", "a b"])
def test_what_is_no_expression_is_refused_in_the_words_of_its_parameter(text: str) -> None:
    with pytest.raises(ValueError, match="names: expected a JMESPath expression, got"):
        expression.check("names", text)


@given(st.binary(max_size=200))
def test_whatever_comes_is_a_tree_or_no_json(text: bytes) -> None:
    try:
        tree = expression.tree_of(text)
    except expression.NotJsonError:
        return
    with suppress(Miss):
        expression.search("a.b[?c > `1`].d | sort(@)", tree)
