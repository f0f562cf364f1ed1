"""The last hour of a check."""

from math import isnan

import pytest

from monitor.core.history import BIN_S, BINS, History


def test_mean_round_trip_of_what_answered() -> None:
    history = History(2)
    for rtt_s in (0.010, 0.030, None):
        history.add(1, 15_000.0, rtt_s)
    newest = history.read(1, 15_001.0)[-1]
    assert (newest.sent, newest.lost) == (3, 1)
    assert newest.rtt_s == pytest.approx(0.020)
    assert isnan(history.read(0, 15_001.0)[-1].rtt_s)


def test_the_hour_passes() -> None:
    """A bin that is older than an hour is empty again, also after a long pause."""
    history = History(1)
    history.add(0, 0.0, 0.01)
    history.add(0, float(BIN_S * BINS * 3), 0.01)
    assert sum(b.sent for b in history.read(0, float(BIN_S * BINS * 3))) == 1


def test_what_is_older_than_the_hour_is_ignored() -> None:
    history = History(1)
    history.add(0, float(BIN_S * BINS * 3), 0.01)
    history.add(0, 0.0, 0.01)
    assert sum(b.sent for b in history.read(0, float(BIN_S * BINS * 3))) == 1


def test_columns_move_with_their_checks() -> None:
    before = History(3)
    before.add(2, 15_000.0, 0.01)
    after = History(1)
    after.adopt(before, [(2, 0)])
    assert after.read(0, 15_000.0)[-1].sent == 1
