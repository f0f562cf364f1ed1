"""The schedule, on a clock that the test turns."""

import itertools
from collections import Counter
from collections.abc import Iterable
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.model import BoundKind, Check, Measurement, Params
from probes.schedule import AT_ONCE, TICK_S, Due, Schedule, TokenBucket, fraction_of, next_place


async def never(_address: str, _deadline: float) -> Measurement:
    raise AssertionError


PROBE = BoundKind("test", Params(), never)


def check(name: str, *, interval_s: float = 10.0, timeout_s: float = 1.0, address: str = "a") -> Check:
    return Check(name, name, "test", address, PROBE, interval_s, timeout_s)


def checks(count: int, *, interval_s: float = 10.0) -> list[Check]:
    return [check(f"p{i}/icmp", interval_s=interval_s) for i in range(count)]


def play(schedule: Schedule, begin: float, end: float) -> list[tuple[float, Due]]:
    """What is launched from ``begin`` to ``end``, by a shell that wakes up when it was told to."""
    launched: list[tuple[float, Due]] = []
    now = begin
    for _ in range(1_000_000):
        launched += [(now, due) for due in schedule.due(now)]
        following = schedule.next_due(now)
        if following is None or following >= end:
            return launched
        now = max(now + 1e-6, following)
    raise AssertionError("the schedule never comes to rest")


def by_check(launched: Iterable[tuple[float, Due]]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for at, due in launched:
        found.setdefault(due.check.id, []).append(at)
    return found


def test_each_check_is_due_once_an_interval_and_never_early() -> None:
    """At its place, later by no more than a tick."""
    schedule = Schedule()
    schedule.update(checks(500), 1000.0)
    launched = play(schedule, 1000.0, 1030.0)
    assert all(0.0 <= at - due.due_at <= TICK_S + 1e-6 for at, due in launched)
    for name, times in by_check(launched).items():
        assert len(times) == 3
        assert times[0] == pytest.approx(next_place(fraction_of(name), 10.0, 1000.0), abs=2 * TICK_S)
        assert [b - a for a, b in itertools.pairwise(times)] == pytest.approx([10.0, 10.0], abs=2 * TICK_S)


def test_starts_are_spread_over_the_first_interval() -> None:
    """A cold start of very many does not burst: each tenth of the interval gets its share."""
    schedule = Schedule()
    schedule.update(checks(20_000), 5.0)
    launched = play(schedule, 5.0, 15.0 + 2 * TICK_S)
    tenths = Counter(int(due.due_at - 5.0) for _, due in launched if due.due_at < 15.0)
    assert sum(tenths.values()) == 20_000
    assert all(1800 < tenths[tenth] < 2200 for tenth in range(10))


@given(st.text(max_size=40), st.floats(0.005, 3600.0), st.floats(0.0, 1e6))
def test_place_is_in_the_interval_that_follows(name: str, interval_s: float, after: float) -> None:
    """Later than the instant, by one interval at most, whatever rounding does."""
    at = next_place(fraction_of(name), interval_s, after)
    assert after < at <= after + interval_s * (1 + 1e-6) + 1e-9


def test_survivors_keep_their_place_when_others_come_and_go() -> None:
    """A reload moves nobody: neither those before nor those behind."""
    schedule, alone = Schedule(), Schedule()
    schedule.update(checks(50), 0.0)
    alone.update(checks(50), 0.0)
    play(schedule, 0.0, 4.0)
    schedule.update([*checks(30), *(check(f"new{i}") for i in range(20))], 4.0)
    now, before = by_check(play(schedule, 4.0, 25.0)), by_check(play(alone, 0.0, 25.0))
    for i in range(30):
        expected = [at for at in before[f"p{i}/icmp"] if at >= 4.0]
        assert now[f"p{i}/icmp"] == pytest.approx(expected, abs=2 * TICK_S)
    assert {f"new{i}" for i in range(20)} <= set(now)
    assert not {f"p{i}/icmp" for i in range(30, 50)} & set(now)
    assert len(schedule) == 50


@pytest.mark.parametrize(("before_s", "after_s"), [(60.0, 1.0), (1.0, 60.0)])
def test_another_interval_is_in_force_at_once(before_s: float, after_s: float) -> None:
    """A phase switch spreads the new interval by the same places, and what the old one had planned is void."""
    schedule = Schedule()
    schedule.update(checks(300, interval_s=before_s), 0.0)
    play(schedule, 0.0, 30.0)
    schedule.update(checks(300, interval_s=after_s), 30.0)
    launched = by_check(play(schedule, 30.0, 30.0 + 2 * after_s + 2 * TICK_S))
    assert all(2 <= len(times) <= 3 for times in launched.values())
    assert len(launched) == 300
    quarters = Counter(int((times[0] - 30.0) / after_s * 4) for times in launched.values())
    assert all(quarters[quarter] > 40 for quarter in range(4))


def test_stall_makes_a_check_due_once() -> None:
    """After a minute of standing still, each is launched once, at the rate allowed, and then at its place again."""
    schedule = Schedule(rate_limit_pps=1_000_000)
    schedule.update(checks(50, interval_s=1.0), 0.0)
    late = schedule.due(60.0)
    assert Counter(due.check.id for due in late) == Counter(c.id for c in checks(50))
    assert not schedule.due(60.0)
    assert len(play(schedule, 60.0, 61.0 + TICK_S)) == 50


def test_start_forgets_how_long_ago_checks_were_handed_in() -> None:
    """A set that waited before the engine ran is spread from the start, not due at once."""
    schedule = Schedule()
    schedule.update(checks(1000), 0.0)
    schedule.start(300.0)
    assert schedule.due(300.0) == []
    assert len(play(schedule, 300.0, 310.1)) == pytest.approx(1000, abs=20)


def test_nothing_scheduled_is_nothing_due() -> None:
    """And nobody needs to wake up for it."""
    schedule = Schedule()
    assert schedule.next_due(1.0) is None
    schedule.update(checks(3), 0.0)
    schedule.update([], 0.0)
    play(schedule, 0.0, 100.0)
    assert schedule.next_due(100.0) is None
    assert schedule.get("p0/icmp") is None
    assert schedule.outcome("p0/icmp", False, 100.0) is False


# Confirm bursts


def confirming(schedule: Schedule, begin: float, end: float) -> list[float]:
    return [at for at, due in play(schedule, begin, end) if due.confirming]


@pytest.fixture
def quiet() -> Schedule:
    """One check, asked every hour, so that only bursts are seen."""
    schedule = Schedule(confirm_interval_s=0.2, confirm_probes=4)
    schedule.update([check("p/icmp", interval_s=3600.0)], 0.0)
    return schedule


def test_first_loss_is_confirmed_at_once_and_without_waiting_for_answers(quiet: Schedule) -> None:
    """Every confirm interval, until the budget of twice the confirmations is spent."""
    assert quiet.outcome("p/icmp", False, 100.0) is True
    assert confirming(quiet, 100.0, 110.0) == pytest.approx([100.0 + 0.2 * i for i in range(8)], abs=2 * TICK_S)


def test_burst_ends_when_enough_agree(quiet: Schedule) -> None:
    """Four losses in a row settle it: the next loss is nothing new, the first answer is."""
    quiet.outcome("p/icmp", False, 100.0)
    sent = confirming(quiet, 100.0, 100.5)
    for i in range(4):
        assert quiet.outcome("p/icmp", False, 100.6 + i * 0.01) is False
    assert len(sent) == 3
    assert confirming(quiet, 100.7, 110.0) == []
    assert quiet.outcome("p/icmp", False, 200.0) is False
    assert quiet.outcome("p/icmp", True, 300.0) is True
    assert confirming(quiet, 300.0, 310.0) != []


def test_single_loss_is_confirmed_and_dismissed(quiet: Schedule) -> None:
    """Enough answers in a row: the settled outcome stays."""
    quiet.outcome("p/icmp", False, 100.0)
    confirming(quiet, 100.0, 100.5)
    for i in range(4):
        quiet.outcome("p/icmp", True, 100.5 + i * 0.1)
    assert confirming(quiet, 101.0, 110.0) == []
    assert quiet.outcome("p/icmp", True, 110.0) is False


def test_burst_that_never_agrees_is_given_up(quiet: Schedule) -> None:
    """A check that answers every other time spends its budget; a departure later begins another burst."""
    quiet.outcome("p/icmp", False, 100.0)
    sent = confirming(quiet, 100.0, 110.0)
    for i in range(8):
        assert quiet.outcome("p/icmp", bool(i % 2), 101.5 + i / 100) is False
    assert len(sent) == 8
    assert quiet.outcome("p/icmp", False, 103.0) is True


def test_budget_is_given_back_for_what_was_not_launched(quiet: Schedule) -> None:
    """A confirm probe that found its forerunner still under way costs nothing."""
    quiet.outcome("p/icmp", False, 100.0)
    launched = 0
    for at, due in play(quiet, 100.0, 100.0 + TICK_S):
        quiet.not_launched(due)
        assert at >= 100.0
    launched += len(confirming(quiet, 100.01, 110.0))
    assert launched == 8


def test_check_that_asks_something_else_begins_anew(quiet: Schedule) -> None:
    """Another address has no past: its burst is over and it counts as answering."""
    quiet.outcome("p/icmp", False, 100.0)
    quiet.update([check("p/icmp", interval_s=3600.0, address="b")], 100.0)
    assert confirming(quiet, 100.0, 110.0) == []
    assert quiet.outcome("p/icmp", False, 111.0) is True


def test_removed_check_is_not_confirmed(quiet: Schedule) -> None:
    """Its burst goes with it."""
    quiet.outcome("p/icmp", False, 100.0)
    quiet.update([], 100.0)
    assert play(quiet, 100.0, 110.0) == []


@pytest.mark.parametrize(
    ("probes", "interval_s"),
    [pytest.param(0, 10.0, id="switched off"), pytest.param(8, 0.2, id="asked as often anyway")],
)
def test_no_burst_where_it_would_add_nothing(probes: int, interval_s: float) -> None:
    """Confirmations can be switched off, and a quick check confirms itself."""
    schedule = Schedule(confirm_probes=probes, confirm_interval_s=0.2)
    schedule.update([check("p/icmp", interval_s=interval_s)], 0.0)
    assert schedule.outcome("p/icmp", False, 1.0) is False


# Pacing


def test_rate_holds_for_bursts_and_everything_comes_through() -> None:
    """A storm of confirmations is stretched to the rate; what is due by the clock does not wait behind it."""
    schedule = Schedule(rate_limit_pps=1000.0, confirm_probes=8)
    schedule.update(checks(1000), 0.0)
    play(schedule, 0.0, 1.0)
    for one in checks(1000):
        schedule.outcome(one.id, False, 1.0)
    launched = play(schedule, 1.0, 5.0)
    per_second = Counter(int(at) for at, _ in launched)
    assert all(count <= 1000 + 20 for count in per_second.values())
    assert 500 < per_second[2] <= 700  # of the rate 100 by the clock, and no more than half for bursts
    assert all(at - due.due_at < 0.05 for at, due in launched if not due.confirming)
    assert schedule.paced > 0
    once = Counter(due.check.id for _, due in play(schedule, 5.0, 30.0) if due.confirming)
    assert max(once.values()) <= 16


def test_no_more_at_once_than_the_loop_can_bear() -> None:
    """Even without a limit to the rate."""
    schedule = Schedule(rate_limit_pps=inf)
    schedule.update(checks(5000, interval_s=1.0), 0.0)
    assert len(schedule.due(10.0)) == AT_ONCE
    assert schedule.next_due(10.0) == pytest.approx(10.0)


@given(st.floats(1.0, 1e6), st.lists(st.floats(0.0, 1.0), max_size=50))
def test_bucket_never_exceeds_its_rate(rate: float, steps: list[float]) -> None:
    """Over any stretch: what may pass at once, and the rate times the time."""
    bucket, now, passed = TokenBucket(rate), 0.0, 0
    for step in steps:
        now += step
        available = bucket.available(now)
        bucket.take(available)
        passed += available
    assert passed <= bucket.most + rate * now + 1e-6


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["due", "loss", "answer", "update", "remove"]), st.integers(0, 7), st.floats(0.0, 2.0)
        ),
        max_size=60,
    )
)
def test_no_check_is_ever_forgotten(story: list[tuple[str, int, float]]) -> None:
    """Whatever happened before, afterwards each check that is scheduled is launched at its place."""
    schedule = Schedule(rate_limit_pps=10_000.0, confirm_probes=2)
    alive = {f"c{i}": 1.0 + i for i in range(8)}
    schedule.update([check(name, interval_s=interval_s) for name, interval_s in alive.items()], 0.0)
    now = 0.0
    for what, which, wait_s in story:
        now += wait_s
        name = f"c{which}"
        if what == "due":
            schedule.due(now)
        elif what in ("loss", "answer"):
            schedule.outcome(name, what == "answer", now)
        else:
            alive.pop(name, None)
            if what == "update":
                alive[name] = 0.5 + wait_s
            schedule.update([check(one, interval_s=interval_s) for one, interval_s in alive.items()], now)
    launched = by_check((at, due) for at, due in play(schedule, now, now + 30.0) if not due.confirming)
    assert {name: len(times) for name, times in launched.items()} == {
        name: pytest.approx(30.0 / interval_s, abs=2.0) for name, interval_s in alive.items()
    }


@settings(max_examples=60)
@given(
    st.sets(st.integers(0, 59), max_size=60),
    st.floats(0.0, 9.0),
    st.floats(20.0, 50_000.0),
)
def test_checks_that_are_hastened_are_asked_once_soon_and_keep_their_turn(
    who: set[int], after_s: float, rate: float
) -> None:
    """Never twice, never faster than the rate, and nobody else."""
    plain, schedule = (Schedule(rate_limit_pps=rate) for _ in range(2))
    for each in (plain, schedule):
        each.update(checks(60), 1000.0)
        play(each, 1000.0, 1000.0 + after_s)
    now = 1000.0 + after_s
    names = {f"p{number}/icmp" for number in who}
    concerned = schedule.hasten([*names, *names, "nobody/icmp"], now)
    assert concerned <= len(names)
    usual, launched = play(plain, now, now + 15.0), play(schedule, now, now + 15.0)
    extra = [(at, due) for at, due in launched if due.confirming]
    assert len(extra) == concerned
    assert {due.check.id for _, due in extra} <= names
    assert len({due.check.id for _, due in extra}) == concerned
    if rate > 2000:
        assert all(at <= now + 0.25 for at, _ in extra)
        regular = [(round(at, 2), due.check.id) for at, due in launched if not due.confirming]
        assert regular == [(round(at, 2), due.check.id) for at, due in usual]


def test_a_loss_of_a_hastened_check_begins_a_burst_and_an_answer_does_not() -> None:
    schedule = Schedule()
    schedule.update(checks(2), 1000.0)
    names = ["p0/icmp", "p1/icmp"]
    at = 1001.0
    assert schedule.hasten(names, at) <= 2
    due = play(schedule, at, at + 0.5)
    for _, each in due:
        schedule.outcome(each.check.id, success=True, now=at + 0.6)
    assert not [each for _, each in play(schedule, at + 0.6, at + 1.5) if each.confirming]
    again = at + 1.5
    schedule.hasten(names, again)
    hastened = [each.check.id for _, each in play(schedule, again, again + 0.5) if each.confirming]
    for name in hastened:
        assert schedule.outcome(name, success=False, now=again + 0.6)
    burst = [each.check.id for _, each in play(schedule, again + 0.6, again + 1.5) if each.confirming]
    assert set(burst) == set(hastened)
    assert len(burst) > len(hastened)


def test_a_check_that_is_being_confirmed_is_not_hastened() -> None:
    schedule = Schedule()
    schedule.update(checks(1), 1000.0)
    assert schedule.outcome("p0/icmp", success=False, now=1001.0)
    assert schedule.hasten(["p0/icmp"], 1001.1) == 0
