"""The count by 07:30."""

from hypothesis import given
from hypothesis import strategies as st

from monitor.core.model import Mode, Point, PointState, Tier
from monitor.core.readiness import CONNECTED, Tally

POINTS = [
    Point(id=f"{tier}-{mode}", name="x", tier=tier, mode=mode)
    for tier in (Tier.DISTRICT, Tier.VILLAGE)
    for mode in (Mode.TWO_WAY, Mode.WATCH)
]


def test_degraded_counts_as_up_and_not_as_ready() -> None:
    tally = Tally(120.0)
    tally.place(POINTS[0], PointState.DEGRADED, 0.0)
    counted = tally.count(1000.0)
    assert (counted.expected, counted.up, counted.ready) == (1, 1, 0)


def test_a_merged_point_is_not_expected() -> None:
    tally = Tally(120.0)
    merged = Point(id="m", name="m", tier=Tier.VILLAGE, mode=Mode.MERGED, merged_into="x")
    tally.place(merged, PointState.NOT_EXPECTED, 0.0)
    assert tally.count(0.0).expected == 0


@given(
    st.lists(
        st.tuples(st.sampled_from(POINTS), st.sampled_from(list(PointState)[:4]), st.floats(0, 60)),
        max_size=60,
    )
)
def test_agrees_with_a_count_from_scratch(changes: list[tuple[Point, PointState, float]]) -> None:
    """Whatever happens in whatever order, the books agree with going through all points."""
    tally, now = Tally(30.0), 0.0
    states: dict[str, tuple[Point, PointState, float]] = {}
    for point, state, passed in changes:
        now += passed
        if point.id in states and states[point.id][1] is state:
            continue
        states[point.id] = (point, state, now)
        tally.place(point, state, now)
        counted = tally.count(now)
        assert counted.expected == len(states)
        assert counted.up == sum(s in CONNECTED for _, s, _ in states.values())
        assert counted.ready == sum(s is PointState.UP and since + 30.0 <= now for _, s, since in states.values())
