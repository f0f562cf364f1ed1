"""From observations to what happened: the province as a whole."""

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.core.model import (
    BlindnessChanged,
    Cause,
    CheckState,
    Happening,
    Mode,
    PhaseChanged,
    PointChanged,
    PointState,
    Tier,
)
from monitor.core.pipeline import Pipeline
from probes.model import Failure, Measurement, Observation

Make = Callable[..., Any]


def falls(happened: list[Happening]) -> list[str]:
    return [h.point for h in happened if isinstance(h, PointChanged) and h.after is PointState.DOWN]


def blindness(happened: list[Happening]) -> list[bool]:
    return [h.blind for h in happened if isinstance(h, BlindnessChanged)]


def test_everything_answers(province: Make) -> None:
    """All expected points come up; the merged one is never lost."""
    p = province()
    p.run(5)
    assert Counter(s.state for s in p.pipeline.points.values()) == {PointState.UP: 8, PointState.NOT_EXPECTED: 1}
    assert p.pipeline.counts[Tier.COMMUNE, "386", PointState.UP] == 8


def test_one_point_falls_and_comes_back(province: Make) -> None:
    p = province()
    p.run(60)
    p.silent = {"p3"}
    fallen = p.run(10)
    assert falls(fallen) == ["p3"]
    assert p.pipeline.points["p3"].cause is Cause.LOST_CONNECTION
    p.silent = set()
    p.run(10)
    assert p.pipeline.points["p3"].state is PointState.UP


def test_our_uplink_fails_and_nobody_is_accused(province: Make) -> None:
    """Everything falls silent, the witness too: blind, every point unknown, none down; then all is as before."""
    p = province()
    p.run(60)
    since = p.pipeline.points["p1"].since
    p.silent = {*p.names, "gateway"}
    happened = p.run(20)
    assert falls(happened) == []
    assert blindness(happened) == [True]
    assert p.pipeline.points["p1"].cause is Cause.BLIND
    p.silent = set()
    happened = p.run(5)
    assert blindness(happened) == [False]
    assert p.pipeline.points["p1"].state is PointState.UP
    assert p.pipeline.points["p1"].since == since


def test_a_chance_loss_just_before_our_uplink_fails_accuses_nobody(province: Make) -> None:
    """What others answered after that loss, and before the uplink failed, is no proof that we still see."""
    p = province(points=8)
    p.run(60)
    p.silent = {"p2"}
    p.run(1.0)
    p.silent = {*p.names, "gateway"}
    happened = p.run(20)
    assert falls(happened) == []
    assert blindness(happened) == [True]


@pytest.mark.parametrize("seconds", [0.5, 0.8, 1.2, 2.0, 3.0])
def test_a_short_gap_of_our_uplink_accuses_nobody(province: Make, seconds: float) -> None:
    """Too short to be called blind or just long enough: what was lost in it says nothing either way."""
    p = province(points=40)
    p.run(60)
    p.silent = {*p.names, "gateway"}
    happened = p.run(seconds)
    p.silent = set()
    happened += p.run(10)
    assert falls(happened) == []


def test_a_refusal_waits_to_be_sighted(province: Make) -> None:
    """Our own kernel says at once that there is no way when our link is down: that accuses nobody either."""
    p = province(points=8)
    p.run(60)
    happened = []
    for _ in range(30):
        p.now += 0.1
        for policy in p.policies:
            refused = Measurement(False, 0.0, Failure.UNREACHABLE)
            happened += p.pipeline.observe(Observation(policy.check, p.now, "test", refused))
        happened += p.pipeline.tick(p.now)
    assert falls(happened) == []
    assert blindness(happened) == [True]


def test_all_points_fall_while_the_witness_answers(province: Make) -> None:
    """The witness vouches for our sight: this is the province's trouble, not ours."""
    p = province()
    p.run(60)
    p.silent = set(p.names)
    happened = p.run(20)
    assert sorted(falls(happened)) == p.names
    assert blindness(happened) == []


def test_a_monitor_that_starts_blind_calls_nothing_down(province: Make) -> None:
    p = province()
    p.silent = {*p.names, "gateway"}
    happened = p.run(30)
    assert falls(happened) == []
    assert blindness(happened) == [True]


def test_a_point_that_fell_before_blindness_is_down_after_it(province: Make) -> None:
    """And its fall is told once more, with the instant at which it really fell."""
    p = province()
    p.run(60)
    p.silent = {"p3"}
    p.run(20)
    since = p.pipeline.points["p3"].since
    p.silent = {*p.names, "gateway"}
    p.run(20)
    p.silent = {"p3"}
    p.run(5)
    assert (p.pipeline.points["p3"].state, p.pipeline.points["p3"].since) == (PointState.DOWN, since)


def test_slow_probing_is_not_taken_for_blindness(province: Make) -> None:
    """Where others are not probed within a second, their silence proves nothing."""
    p = province(points=4, witness=False, interval_s=10.0)
    p.run(600)
    p.silent = {"p1"}
    happened = p.run(120)
    assert falls(happened) == ["p1"]
    assert blindness(happened) == []


def test_a_single_point_without_witness_can_be_down(province: Make) -> None:
    p = province(points=1, witness=False)
    p.run(30)
    p.silent = {"p0"}
    assert falls(p.run(20)) == ["p0"]


def test_ready_after_two_minutes_up(province: Make) -> None:
    p = province()
    p.run(60)
    assert (p.pipeline.readiness(p.now).total.up, p.pipeline.readiness(p.now).total.ready) == (8, 0)
    p.run(70)
    assert p.pipeline.readiness(p.now).total.ready == 8
    p.silent = {"p0"}
    p.run(10)
    counted = p.pipeline.readiness(p.now)
    assert (counted.total.expected, counted.total.up, counted.total.ready) == (8, 7, 7)
    assert [tier for tier, counts in counted.tiers.items() if counts.expected] == [Tier.COMMUNE]


def test_phases_change_at_their_instant(province: Make) -> None:
    p = province()
    p.run(2)
    p.now += 3600
    changed = [h for h in p.pipeline.tick(p.now) if isinstance(h, PhaseChanged)]
    assert [(h.before, h.after) for h in changed] == [("test", "live")]


def test_silence_of_the_prober_is_unknown(province: Make) -> None:
    """Not even a loss is reported: neither up nor down."""
    p = province()
    p.run(30)
    for _ in range(400):
        p.now += 0.1
        p.pipeline.tick(p.now)
    states = {s.state for s in p.pipeline.points.values() if s.point.expected}
    assert states == {PointState.UNKNOWN}


def test_repeated_and_late_observations_are_counted_not_believed(province: Make) -> None:
    p = province()
    p.run(10)
    policy = p.policies[0]
    newest = p.observation(policy)
    p.pipeline.observe(newest)
    for _ in range(20):
        p.pipeline.observe(msgspec.structs.replace(newest, observed_at=newest.observed_at - 5))
        p.pipeline.observe(newest)
    assert p.pipeline.stale == 40
    p.pipeline.observe(msgspec.structs.replace(newest, check="nobody/icmp"))
    assert p.pipeline.strays == 1


def test_a_clock_set_back_an_hour_stops_nothing(province: Make) -> None:
    p = province()
    p.run(60)
    p.pipeline.tick(p.now - 3600)
    back = Measurement(False, 0.05, Failure.TIMEOUT)
    for second in range(10):
        at = p.now - 3600 + second
        happened = p.pipeline.observe(Observation("p2/icmp", at, "test", back))
        for tenth in range(10):
            answer = Observation("witness:gateway/icmp", at + tenth / 10, "test", Measurement(True, 0.01))
            p.pipeline.observe(answer)
            happened += p.pipeline.tick(at + tenth / 10)
        if falls(happened):
            break
    assert p.pipeline.points["p2"].state is PointState.DOWN


def test_a_clock_set_forward_calls_nothing_unknown(province: Make) -> None:
    p = province()
    p.run(60)
    p.pipeline.tick(p.now + 7200)
    assert p.pipeline.points["p1"].state is PointState.UP


def test_replace_keeps_what_survives(province: Make) -> None:
    """A reload without p0, and with p7 merged into p1: the others stay up without a word."""
    p = province()
    p.run(60)
    points = {k: v for k, v in p.inventory.points.items() if k != "p0"}
    points["p7"] = msgspec.structs.replace(points["p7"], mode=Mode.MERGED, merged_into="p1")
    smaller = msgspec.structs.replace(p.inventory, points=points)
    policies = [q for q in p.policies if q.point not in ("p0", "p7")]
    happened = p.pipeline.replace(smaller, p.ceremony, policies, p.now)
    assert [h.point for h in happened if isinstance(h, PointChanged)] == ["p7"]
    assert "p0" not in p.pipeline.points
    assert p.pipeline.checks["p1/icmp"].state is CheckState.UP
    assert sum(b.sent for b in p.pipeline.history("p1/icmp", p.now)) >= 59


def test_history_of_the_last_hour(province: Make) -> None:
    p = province()
    p.run(30)
    p.silent = {"p0"}
    p.run(30)
    bins = p.pipeline.history("p0/icmp", p.now)
    assert len(bins) == 240
    assert sum(b.sent for b in bins) == 60
    assert sum(b.lost for b in bins) == 30
    assert all(b.at - a.at == 15 for a, b in pairwise(bins))
    with pytest.raises(KeyError):
        p.pipeline.history("nobody", p.now)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    events=st.lists(
        st.tuples(
            st.sampled_from(["p0/icmp", "p1/icmp", "p2/icmp", "witness:gateway/icmp", "stray"]),
            st.booleans(),
            st.floats(-400, 400),
            st.booleans(),
        ),
        max_size=300,
    )
)
def test_counts_agree_with_states_whatever_comes(province: Make, events: list[tuple[str, bool, float, bool]]) -> None:
    """Late, repeated, foreign observations and a jumping clock: no exception, and the books balance."""
    p = province(points=3)
    now = p.now
    for check, answered, step, ticks in events:
        now += step / 100 if ticks else step / 1000
        found = Measurement(True, 0.01) if answered else Measurement(False, 0.3, Failure.TIMEOUT)
        p.pipeline.observe(Observation(check, now, "test", found))
        if ticks:
            p.pipeline.tick(now)
    balance(p.pipeline, now)


def balance(pipeline: Pipeline, now: float) -> None:
    states = Counter((s.point.tier, s.point.district_code or "", s.state) for s in pipeline.points.values())
    assert {k: v for k, v in pipeline.counts.items() if v} == dict(states)
    readiness = pipeline.readiness(now).total
    assert 0 <= readiness.ready <= readiness.up <= readiness.expected == 3
