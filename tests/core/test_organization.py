"""How often a district may be reminded."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from monitor.core.organization import REMIND_EVERY_S, REMINDERS_AN_HOUR, Reminder, wait_s


def given_at(district: str, at: float) -> Reminder:
    return Reminder(district=district, at=at, by="x", points=())


def test_the_first_may_go_and_the_second_waits() -> None:
    assert wait_s("386", [], 1000.0) == 0
    assert wait_s("386", [given_at("386", 1000.0)], 1100.0) == REMIND_EVERY_S - 100.0
    assert wait_s("386", [given_at("384", 1000.0)], 1100.0) == 0


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.floats(0, 900)), max_size=300))
def test_never_more_than_the_limits(asked: list[tuple[str, float]]) -> None:
    now, reminders = 0.0, list[Reminder]()
    for district, passed in asked:
        now += passed
        if wait_s(district, reminders, now) == 0:
            reminders.append(given_at(district, now))
    for one in reminders:
        hour = [other for other in reminders if one.at - 3600 < other.at <= one.at]
        assert len(hour) <= REMINDERS_AN_HOUR
        ours = [each.at for each in reminders if each.district == one.district]
        assert all(later - earlier >= REMIND_EVERY_S - 1e-6 for earlier, later in pairwise(ours))
