"""What proves that we see."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.blindness import AFTER_S, BUCKET_S, NEAR_AT_LEAST_S, NEAR_AT_MOST_S, Blindness, Sight


def dense(*, gap: tuple[float, float] = (0.0, 0.0)) -> Sight:
    """A thousand answers a second from 100 to 110, but for those sent within the gap."""
    sight = Sight(checks=1000, rate=1000.0)
    for millisecond in range(10_000):
        sent_at = 100.0 + millisecond / 1000
        if not gap[0] <= sent_at < gap[1]:
            sight.saw(sent_at)
    return sight


def test_others_sight_every_loss() -> None:
    sight = dense()
    assert all(sight.sighted(100.5 + step / 10) for step in range(90))


@pytest.mark.parametrize("sent_at", [104.86, 104.94, 105.0, 105.1, 105.5, 106.1, 106.9])
def test_nothing_lost_in_a_gap_counts(sent_at: float) -> None:
    """Nor what was under way when it began; nor at its beginning, in its middle or at its end, noticed or not."""
    assert not dense(gap=(104.95, 107.0)).sighted(sent_at)


def test_a_blink_shorter_than_the_window_is_not_noticed() -> None:
    assert dense(gap=(105.0, 105.1)).sighted(105.05)


def test_the_window_follows_the_rate() -> None:
    assert Sight(rate=1000.0).near_s == NEAR_AT_LEAST_S
    assert Sight(rate=6.0).near_s == 0.5
    assert Sight(rate=0.0).near_s == Sight(rate=0.001).near_s == NEAR_AT_MOST_S


def test_rare_answers_sight_what_came_after_them_without_waiting() -> None:
    """Three points probed each half a minute: a loss need not wait for the next answer."""
    sight = Sight(checks=3, rate=0.1)
    sight.saw(100.0)
    assert sight.patience_s == 0.0
    assert sight.sighted(125.0)
    assert not sight.sighted(131.0)


def test_with_nothing_to_compare_every_loss_counts() -> None:
    assert Sight(checks=2).sighted(5.0)
    assert not Sight(checks=2, witnesses=1).sighted(5.0)


def test_blind_after_a_second_without_an_answer() -> None:
    sight = dense()
    for check in ("a", "b", "c"):
        sight.miss(check, 110.1)
    assert not sight.doubted(110.9)
    assert sight.doubted(111.1)
    sight.lose(Blindness.SILENCE)
    assert (sight.blind, sight.since) == (True, 110.1)


def test_a_few_answers_end_blindness_and_late_ones_do_not() -> None:
    sight = dense()
    for check in ("a", "b", "c"):
        sight.miss(check, 110.1)
    sight.lose(Blindness.SILENCE)
    assert not any(sight.saw(110.05) for _ in range(50))
    assert [sight.saw(120.0 + step / 10) for step in range(5)] == [False] * 4 + [True]


def test_an_answer_clears_what_was_missed_before_it() -> None:
    """Three chance losses, each unsighted, with answers in between are no blindness."""
    sight = Sight(checks=100, rate=100.0)
    for number, check in enumerate(("a", "b", "c")):
        sight.miss(check, 100.0 + number)
        sight.saw(100.5 + number)
    assert not sight.missed


@given(st.lists(st.integers(0, 400), max_size=80), st.integers(0, 400), st.sampled_from([0.3, 1.0, 3.0, 12.0, 500.0]))
def test_agrees_with_a_search_through_all_answers(answers: list[int], lost: int, rate: float) -> None:
    """Bits in buckets say the same as the instants themselves, whatever their order (on bucket boundaries)."""
    sight = Sight(checks=100, rate=rate)
    middle = BUCKET_S / 2
    instants = [100.0 + place * BUCKET_S + middle for place in answers]
    random.Random(1).shuffle(instants)
    for sent_at in instants:
        sight.saw(sent_at)
    sent_at, near_s = 100.0 + lost * BUCKET_S + middle, sight.near_s

    def any_in(start: float, end: float) -> bool:
        return any(int(start / BUCKET_S) <= int(a / BUCKET_S) <= int(end / BUCKET_S) for a in instants)

    before = any_in(sent_at - near_s - BUCKET_S, sent_at - BUCKET_S)
    after = any_in(sent_at + AFTER_S, sent_at + AFTER_S + near_s)
    assert sight.sighted(sent_at) == (before and (after or near_s > 1.0))


def asked(sight: Sight, name: str, start: float, end: float, *, lost: int = 0, gateway: bool = False) -> None:
    """A witness asked five times a second; the last ``lost`` of its probes were lost."""
    times = [start + step / 5 for step in range(round((end - start) * 5))]
    for number, sent_at in enumerate(times):
        sight.testify(name, sent_at, lost=number >= len(times) - lost, gateway=gateway)


def test_while_most_witnesses_lose_a_loss_is_no_evidence() -> None:
    """An uplink that is torn: others are answered before and after, and a third of everything is lost."""
    sight = dense()
    asked(sight, "vnpt", 104.0, 106.0, lost=3)
    asked(sight, "other", 104.0, 106.0, lost=2)
    asked(sight, "centre", 104.0, 106.0)
    assert not sight.sighted(105.5)
    assert sight.sighted(103.0)


def test_one_carriers_resolver_may_fall_with_its_carrier() -> None:
    sight = dense()
    asked(sight, "vnpt", 104.0, 106.0, lost=8)
    asked(sight, "other", 104.0, 106.0)
    asked(sight, "centre", 104.0, 106.0)
    assert sight.sighted(105.5)


def test_a_gateway_that_loses_is_ours_by_itself() -> None:
    sight = dense()
    asked(sight, "gateway", 104.0, 106.0, lost=3, gateway=True)
    asked(sight, "other", 104.0, 106.0)
    assert not sight.sighted(105.5)


def test_a_witness_long_dead_among_the_living_is_not_counted() -> None:
    sight = dense()
    asked(sight, "gone", 101.0, 109.0, lost=40)
    assert sight.sighted(108.5)


def test_a_chance_loss_of_a_witness_says_nothing() -> None:
    sight = dense()
    asked(sight, "vnpt", 104.0, 106.0, lost=1)
    assert sight.sighted(105.5)


def test_a_torn_uplink_makes_blind_after_a_second_and_peace_ends_it() -> None:
    """Though answers come in all the time."""
    sight = dense()
    asked(sight, "vnpt", 108.0, 111.5, lost=7)
    for number, check in enumerate(("a", "b", "c")):
        sight.miss(check, 110.2 + number / 10)
        sight.saw(111.0)
    assert sight.doubted(111.0) is None
    assert sight.doubted(111.3) is Blindness.LOSSY
    sight.lose(Blindness.LOSSY)
    assert sight.since == 110.2
    assert not any(sight.saw(111.3 + step / 100) for step in range(20))
    asked(sight, "vnpt", 111.5, 116.0)
    assert any(sight.saw(114.0 + step / 100) for step in range(20))


def test_a_silent_uplink_behind_a_gateway_that_answers_is_named() -> None:
    sight = dense()
    asked(sight, "gateway", 105.0, 112.0, gateway=True)
    for check in ("a", "b", "c"):
        sight.miss(check, 110.1)
    assert sight.doubted(111.5) is Blindness.UPLINK


def test_what_was_lost_under_strain_says_nothing_and_lasting_strain_makes_blind() -> None:
    """Unless it lasts, nothing is said of ourselves."""
    sight = dense()
    sight.strain(104.0, 104.5)
    assert not sight.sighted(104.2)
    assert sight.sighted(103.9)
    assert sight.sighted(104.6)
    assert sight.doubted(104.5) is None
    for step in range(30):
        sight.strain(105.0 + step / 10, 105.4 + step / 10)
    assert sight.doubted(108.2) is Blindness.STRAIN
