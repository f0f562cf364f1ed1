"""The E-model."""

from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.quality import mos, opinion, rating


def test_the_default_parameters_give_the_recommendations_rating() -> None:
    """ITU-T G.107 (06/2015): R = 93.2 with all parameters at their default, which is a MOS of 4.41."""
    assert rating(0.0, 0.0) == pytest.approx(93.2, abs=0.05)
    assert opinion(93.2) == pytest.approx(4.41, abs=0.005)


@pytest.mark.parametrize(
    ("r", "score"), [(-5, 1.0), (0, 1.0), (50, 2.58), (60, 3.10), (70, 3.60), (80, 4.03), (100, 4.5)]
)
def test_a_rating_becomes_an_opinion(r: float, score: float) -> None:
    """Annex B's table of the limits of user satisfaction."""
    assert opinion(r) == pytest.approx(score, abs=0.01)


def test_loss_costs_what_g113_says() -> None:
    """Ie,eff = 95 · Ppl / (Ppl + Bpl), with Bpl = 25.1 for G.711 with concealment."""
    assert rating(0.0, 0.0) - rating(0.0, 0.05) == pytest.approx(95 * 5 / 30.1)
    assert rating(0.0, 0.05, burst_ratio=2.0) < rating(0.0, 0.05)


@given(st.floats(0, 2), st.floats(0, 1), st.floats(0, 1))
def test_more_delay_jitter_or_loss_is_never_better(rtt_s: float, jitter_s: float, loss: float) -> None:
    score = mos(rtt_s, jitter_s, loss)
    worse = mos(rtt_s + 0.5, jitter_s, min(1.0, loss + 0.1))
    assert score is not None
    assert worse is not None
    assert 1.0 <= worse <= score + 1e-9 <= 4.5


def test_what_is_not_known_has_no_score() -> None:
    assert mos(nan, 0.0, 0.0) is None
    assert mos(-1.0, 0.0, 0.0) is None
