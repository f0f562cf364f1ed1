"""Check-ins: what may be said, and which of several holds."""

from itertools import permutations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.checkin import MOST_PEOPLE, Author, CheckIn, Draft, Voice, problem, receive, supersedes

AUTHOR = Author(Voice.POINT, "a")
DEADLINE = 1_746_664_200.0


def draft(**said: object) -> Draft:
    return msgspec.convert({"entry": "entry-0001", **said}, Draft)


@pytest.mark.parametrize(
    "said",
    [
        {"entry": "short"},
        {"entry": "with blanks in it"},
        {"entry": "x" * 65},
        {"delegates": -1},
        {"delegates": MOST_PEOPLE + 1},
        {"delegates": 3.5},
        {"delegates": "12"},
        {"attendees": True},
        {"chair": "x" * 121},
        {"note": "x" * 501},
        {"power": "diesel"},
        {"age_s": -1},
        {"age_s": 8 * 86_400},
        {"picture": "yes"},
        {"surprise": 1},
    ],
)
def test_what_is_out_of_bounds_is_no_draft(said: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        draft(**said)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"delegates": 30, "attendees": 29}, "attendees"),
        ({"delegates": 30, "attendees": 30}, ""),
        ({"attendees": 3}, ""),
        ({"chair": "Bí thư\x00"}, "chair"),
        ({"note": "một\nhai"}, ""),
        ({"note": "\u202egnộc"}, "note"),
    ],
)
def test_what_contradicts_itself_is_named(said: dict[str, object], field: str) -> None:
    assert problem(draft(**said)) == field


def test_late_is_what_arrives_after_the_deadline_whenever_it_was_entered() -> None:
    waited = receive(draft(age_s=600.0), "a", AUTHOR, DEADLINE + 1, DEADLINE)
    assert (waited.late, waited.entered_at) == (True, DEADLINE - 599)
    assert not receive(draft(), "a", AUTHOR, DEADLINE, DEADLINE).late


def test_a_title_is_one_line_without_blanks_around_it() -> None:
    assert receive(draft(chair="  Bí thư \n Đảng ủy "), "a", AUTHOR, 0.0, 1.0).chair == "Bí thư Đảng ủy"


made = st.builds(
    lambda entry, entered, received: msgspec.structs.replace(
        receive(draft(), "a", AUTHOR, received, DEADLINE), entry=f"entry-{entry}", entered_at=entered
    ),
    st.integers(0, 3),
    st.sampled_from([1.0, 2.0, 3.0]),
    st.sampled_from([3.0, 4.0]),
)


@given(st.lists(made, min_size=1, max_size=4))
def test_the_same_one_holds_in_whatever_order_they_come(reports: list[CheckIn]) -> None:
    holding: set[tuple[float, float, str]] = set()
    for order in permutations(reports):
        held: CheckIn | None = None
        for report in order:
            held = report if supersedes(report, held) else held
        assert held is not None
        holding.add((held.entered_at, held.received_at, held.entry))
    assert len(holding) == 1
    assert holding.pop()[0] == max(report.entered_at for report in reports)
