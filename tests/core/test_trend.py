"""The forecast of when the target will be met."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.trend import KEPT_S, SAMPLE_EVERY_S, Sample, Trend


def sample(at: float, ready: int) -> Sample:
    return Sample(at, 1000, ready, ready, 0)


def climbing(a_minute: float, minutes: int = 10) -> Trend:
    steps = range(int(minutes * 60 / SAMPLE_EVERY_S))
    return Trend(sample(each * SAMPLE_EVERY_S, round(each * SAMPLE_EVERY_S / 60 * a_minute)) for each in steps)


def test_a_steady_climb_is_drawn_out() -> None:
    assert climbing(40.0).met_at(1000, 400, 600.0) == pytest.approx(600 + 15 * 60, rel=0.02)


def test_one_sample_that_is_out_of_line_does_not_bend_it() -> None:
    trend = climbing(40.0)
    samples = [sample(each.at, 0 if number == 12 else each.ready) for number, each in enumerate(trend.samples)]
    assert Trend(samples).met_at(1000, 400, 600.0) == pytest.approx(1500.0, rel=0.05)


@pytest.mark.parametrize("trend", [Trend(), climbing(40.0, minutes=1), climbing(0.0), climbing(-5.0)])
def test_what_is_not_in_sight_is_not_forecast(trend: Trend) -> None:
    assert trend.met_at(1000, 100, 600.0) is None


def test_what_is_met_is_met_now() -> None:
    assert Trend().met_at(10, 10, 5.0) == 5.0


def test_samples_are_taken_in_their_time_also_after_the_clock_was_set_back() -> None:
    trend = Trend()
    assert trend.due(0.0)
    trend.note(sample(1000.0, 1))
    assert not trend.due(1000.0 + SAMPLE_EVERY_S - 1)
    assert trend.due(1000.0 + SAMPLE_EVERY_S)
    assert trend.due(900.0)
    trend.note(sample(900.0, 2))
    assert trend.samples == (sample(900.0, 2),)


@given(st.lists(st.floats(0, 3 * KEPT_S), max_size=50))
def test_they_stay_in_order_and_within_the_hours_that_are_kept(instants: list[float]) -> None:
    trend = Trend()
    for at in instants:
        trend.note(sample(at, 0))
    kept = [each.at for each in trend.samples]
    assert kept == sorted(set(kept))
    assert not kept or kept[-1] - kept[0] <= KEPT_S
