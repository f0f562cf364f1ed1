from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from monitor.rehearsal.chance import apportion, chunks, draw, stream

weights = st.lists(st.floats(0.01, 100.0), min_size=1, max_size=50)


@given(total=st.integers(0, 5_000), weights=weights, least=st.integers(0, 5))
def test_shares_sum_to_the_total(total: int, weights: list[float], least: int) -> None:
    """Exactly, however the weights round; none is below the least, even where the total cannot pay for it."""
    shares = apportion(total, weights, least)
    assert sum(shares) == max(total, least * len(weights))
    assert min(shares) >= least


@given(total=st.integers(0, 5_000), weights=weights)
def test_the_heavier_never_gets_less(total: int, weights: list[float]) -> None:
    shares = dict(zip(weights, apportion(total, weights), strict=True))
    ordered = [shares[weight] for weight in sorted(shares)]
    assert all(after >= before - 1 for before, after in pairwise(ordered))


@given(items=st.lists(st.integers()), count=st.integers(1, 20))
def test_chunks_join_to_the_whole(items: list[int], count: int) -> None:
    """In order, and their lengths differ by one at most."""
    runs = chunks(items, count)
    assert [item for run in runs for item in run] == items
    assert max(map(len, runs)) - min(map(len, runs)) <= 1


def test_drawing_prefers_the_heavy_and_puts_nothing_back() -> None:
    items = range(1_000)
    drawn = draw(stream(1, "test"), items, [10.0 if item < 500 else 1.0 for item in items], 200)
    assert len(set(drawn)) == 200
    assert sum(item < 500 for item in drawn) > 150


def test_streams_are_apart_and_repeatable() -> None:
    assert stream(2025, "villages").random() == stream(2025, "villages").random()
    assert stream(2025, "villages").random() != stream(2025, "modes").random()
