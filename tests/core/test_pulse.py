"""Heartbeats of the points' own pages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.pulse import BEAT_S, LATE_S, SLOT_AT_LEAST_S, SLOT_AT_MOST_S, Beat, Pulses

BEAT = Beat(rtt_s=0.02)


def beating(seconds: int, *, start: float = 100.0) -> Pulses:
    pulses = Pulses("here")
    for second in range(seconds):
        pulses.beat("p", "s", BEAT, start + second)
        assert not list(pulses.overdue(start + second + 0.1))
    return pulses


def losses(pulses: Pulses, start: float, end: float) -> list[float]:
    """Instants at which a loss was told, looking ten times a second."""
    times = [start + step / 10 for step in range(round((end - start) * 10))]
    return [observation.observed_at for now in times for observation in pulses.overdue(now)]


def test_a_beat_is_an_answered_probe() -> None:
    found = Pulses("here").beat("p", "s", BEAT, 100.0)
    assert (found.check, found.observed_at, found.measurement.success) == ("p/page", 100.0, True)
    assert found.measurement.duration_s == 0.02


def test_a_beat_without_a_round_trip_is_not_timed() -> None:
    assert Pulses("here").beat("p", "s", Beat(), 100.0).measurement.duration_s == 0.0


def test_five_losses_within_two_and_a_half_seconds_of_the_last_beat() -> None:
    """So many decide on a clean line, however new, and the board is to show it within three."""
    pulses = beating(5)
    told = losses(pulses, 104.1, 107.0)
    assert told[0] >= 104.0 + BEAT_S + LATE_S
    assert told[4] <= 106.5


def test_a_long_round_trip_is_given_more_time() -> None:
    """Each loss stands for another attempt of TCP that failed."""
    pulses = Pulses("here")
    for second in range(30):
        pulses.beat("p", "s", Beat(rtt_s=0.1), 100.0 + second)
    assert pulses["p"].slot_s == pytest.approx(0.4, abs=0.02)


def test_a_long_silence_is_told_once_a_second() -> None:
    pulses = beating(3)
    told = losses(pulses, 102.1, 200.0)
    assert 180 - 160 - 1 <= len([at for at in told if 160 <= at < 180]) <= 21


def test_an_uneven_line_is_given_more_time() -> None:
    pulses = Pulses("here")
    at = 100.0
    for number in range(40):
        at += 0.6 if number % 2 else 1.4
        pulses.beat("p", "s", BEAT, at)
    assert SLOT_AT_LEAST_S < pulses["p"].slot_s <= SLOT_AT_MOST_S
    assert not losses(pulses, at, at + BEAT_S + LATE_S + 0.3)


def test_one_open_page_of_two_is_enough() -> None:
    pulses = beating(2)
    for second in range(5):
        pulses.beat("p", "phone", BEAT, 102.0 + second)
        assert not list(pulses.overdue(102.5 + second))
    assert not pulses.leave("p", "s", 106.5)
    assert pulses.leave("p", "phone", 106.5)
    assert not losses(pulses, 107.0, 120.0)


def test_a_page_long_silent_does_not_keep_alive_what_another_one_takes_with_it() -> None:
    """It was lost without a word, and opened again under another name."""
    pulses = beating(2)
    for second in range(20):
        pulses.beat("p", "new", BEAT, 102.0 + second)
    assert pulses.leave("p", "new", 122.0)
    assert pulses.get("p") is None


def test_a_page_that_is_closed_takes_its_evidence_with_it() -> None:
    pulses = beating(3)
    assert pulses.leave("p", "s", 102.5)
    assert not pulses.leave("p", "s", 102.5)
    assert not losses(pulses, 103.0, 110.0)
    assert pulses.sessions == 0


def test_when_we_were_held_up_nobody_is_overdue_yet() -> None:
    """Five seconds without a look at the clock: the beats are waiting in our buffers."""
    pulses = beating(3)
    assert not list(pulses.overdue(107.0))
    assert list(pulses.overdue(107.1)) == []
    assert losses(pulses, 107.2, 108.0)


def test_a_clock_set_back_loses_nothing_and_accuses_nobody() -> None:
    pulses = beating(3)
    assert not list(pulses.overdue(50.0))
    pulses.beat("p", "s", BEAT, 50.2)
    assert not losses(pulses, 50.2, 51.2)
    assert losses(pulses, 51.2, 53.0)


def test_points_that_are_gone_are_forgotten() -> None:
    pulses = beating(2)
    pulses.keep(set())
    assert pulses.get("p") is None


def charger(pulses: Pulses, session: str, at: float, *, charging: bool | None) -> bool | None:
    pulses.beat("p", session, Beat(charging=charging), at)
    return pulses["p"].on_battery


def test_no_mains_is_when_no_charger_is_plugged_that_was() -> None:
    """A plugged laptop speaks for the socket in the wall, whatever the phone beside it lives on."""
    pulses = Pulses("here")
    assert charger(pulses, "firefox", 100.0, charging=None) is None
    assert charger(pulses, "phone", 100.1, charging=False) is None
    assert charger(pulses, "laptop", 100.2, charging=True) is False
    assert charger(pulses, "phone", 101.1, charging=False) is False
    assert charger(pulses, "laptop", 101.2, charging=False) is True
    assert pulses.leave("p", "laptop", 101.5) is False
    assert charger(pulses, "phone", 102.1, charging=False) is None


def test_pages_that_were_lost_are_not_kept_for_ever() -> None:
    pulses = Pulses("here")
    for opened in range(50):
        pulses.beat("p", f"s{opened}", BEAT, 100.0 + 20 * opened)
    assert pulses.sessions == 1


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.floats(0, 3), st.booleans()), max_size=60))
def test_whatever_comes_sessions_are_counted_and_losses_have_their_point(
    events: list[tuple[str, str, float, bool]],
) -> None:
    pulses, now, open_now = Pulses("here"), 100.0, set[tuple[str, str]]()
    for point_id, session, passed, leaves in events:
        now += passed
        told = {observation.check for observation in pulses.overdue(now)}
        assert told <= {f"{point}/page" for point, _ in open_now}
        if leaves:
            last = pulses.leave(point_id, session, now)
            open_now = {each for each in open_now if each[0] != point_id or (not last and each[1] != session)}
        else:
            pulses.beat(point_id, session, BEAT, now)
            open_now.add((point_id, session))
        assert 0 <= pulses.sessions <= len(open_now)
