"""Silences: whom they keep quiet, and what may be one."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.model import District, Inventory, Mode, Node, NodeKind, Point, Tier
from monitor.core.silences import AHEAD_S, LONGEST_S, Matcher, Silence, Unfit, checked, is_silenced, matchers

NOW = 1_746_666_000.0
INVENTORY = Inventory(
    {"h-1": Point(id="h-1", name="Xã", tier=Tier.COMMUNE, mode=Mode.WATCH, district_code="384")},
    {"agg": Node("agg", None, "agg", NodeKind.AGGREGATION, "VNPT")},
    {"lo": Node("lo", None, "lo", NodeKind.FEEDER, "Điện lực")},
    {"384": District("384", "Mường Lát", 0, 0)},
)
words = st.sampled_from(["", "a", "b", "agg", "a.b", "a+", "("])
conditions = st.builds(Matcher, st.sampled_from(["x", "y", "z"]), words, st.booleans(), st.booleans())


def silence(**more: object) -> Silence:
    given_ = {"matchers": (Matcher("x", "a"),), "starts_at": NOW, "ends_at": NOW + 3600, "created_by": "an",
              "comment": "bảo trì"} | more  # fmt: skip
    return Silence(**given_)  # type: ignore[arg-type]


@given(
    st.lists(conditions, max_size=4),
    st.dictionaries(st.sampled_from(["x", "y"]), words),
    st.floats(NOW - 10, NOW + 3700),
)
def test_all_conditions_must_fit_as_long_as_it_holds(wanted: list[Matcher], labels: dict[str, str], now: float) -> None:
    """Against Alertmanager's rules, spelt out."""

    def fits(each: Matcher) -> bool:
        value = labels.get(each.name, "")
        try:
            same = bool(re.match(f"^(?:{each.value})$", value)) if each.is_regex else each.value == value
        except re.error:
            return False
        return same if each.is_equal else not same

    found = is_silenced([silence(matchers=tuple(wanted))], labels, now)
    assert found is (bool(wanted) and all(map(fits, wanted)) and NOW <= now < NOW + 3600)


@pytest.mark.parametrize(
    ("scope", "name", "label"),
    [("node", "agg", "aggregation"), ("node", "lo", "feeder"), ("district", "384", "district"),
     ("point", "h-1", "instance")],
)  # fmt: skip
def test_what_hangs_below_says_so_itself(scope: str, name: str, label: str) -> None:
    assert matchers(scope, name, INVENTORY) == (Matcher(label, name),)


@pytest.mark.parametrize(("scope", "name"), [("node", "h-1"), ("district", "agg"), ("point", ""), ("all", "agg")])
def test_of_what_is_not_there_nobody_is_silenced(scope: str, name: str) -> None:
    with pytest.raises(Unfit, match="place"):
        matchers(scope, name, INVENTORY)


def test_a_form_that_was_open_for_a_minute_begins_now() -> None:
    assert checked(silence(starts_at=NOW - 60), NOW).starts_at == NOW
    ahead = silence(starts_at=NOW + AHEAD_S - 1, ends_at=NOW + AHEAD_S + 3600)
    assert checked(ahead, NOW) == ahead


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"comment": " \n"}, "reason"),
        ({"ends_at": NOW}, "span"),
        ({"ends_at": NOW + LONGEST_S + 1}, "span"),
        ({"starts_at": NOW - 3600}, "span"),
        ({"starts_at": NOW + AHEAD_S + 1, "ends_at": NOW + AHEAD_S + 60}, "span"),
        ({"starts_at": float("nan")}, "span"),
    ],
)
def test_what_may_not_be(more: dict[str, object], why: str) -> None:
    with pytest.raises(Unfit, match=why):
        checked(silence(**more), NOW)


def test_its_state_by_the_clock() -> None:
    one = silence()
    assert [one.state(NOW + at) for at in (-1, 0, 3599, 3600)] == ["pending", "active", "active", "expired"]
    assert msgspec.json.decode(msgspec.json.encode(one), type=Silence) == one
