"""Who fails to sign in waits longer each time; who floods is counted; and neither fills the memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core import throttle
from monitor.core.access import AccessPolicy
from monitor.core.throttle import A_MINUTE_S, LONGEST_WAIT_S, TOLD_A_MINUTE, Sieve, Throttle

POLICY = AccessPolicy(attempts=3, wait_s=30.0)
HERE, ELSEWHERE = "10.0.0.1", "192.0.2.1"


def fail(door: Throttle, times: int, now: float, account: str = "a", address: str = HERE) -> float:
    """So many attempts, each as soon as it may be made; when the last one was."""
    for _ in range(times):
        while wait := door.attempt(account, address, POLICY, now):
            now += wait
    return now


def test_the_first_attempts_are_free_and_the_waits_double() -> None:
    door, now = Throttle(), 1000.0
    fail(door, 3, now)
    for owed in (30.0, 60.0, 120.0):
        assert door.attempt("a", HERE, POLICY, now) == owed
        assert door.attempt("a", HERE, POLICY, now + owed - 1) == 1
        now += owed
        assert door.attempt("a", HERE, POLICY, now) == 0


def test_waiting_has_an_end() -> None:
    door = Throttle()
    now = fail(door, 40, 0.0)
    assert door.attempt("a", HERE, POLICY, now) == LONGEST_WAIT_S
    assert door.attempt("a", HERE, POLICY, now + throttle.FORGOTTEN_AFTER_S) == 0


def test_another_account_from_the_same_address_waits_too() -> None:
    door = Throttle()
    fail(door, 3, 0.0)
    assert door.attempt("b", HERE, POLICY, 1.0) == 29
    assert door.attempt("b", ELSEWHERE, POLICY, 1.0) == 0


def test_whoever_owns_an_account_cannot_be_locked_out_by_others() -> None:
    """From where they have signed in before, the attempts of somebody elsewhere do not count."""
    door = Throttle()
    assert door.attempt("a", HERE, POLICY, 0.0) == 0
    door.succeed("a", HERE)
    fail(door, 5, 1.0, address=ELSEWHERE)
    assert door.attempt("a", "203.0.113.7", POLICY, 100.0) > 0
    assert door.attempt("a", HERE, POLICY, 100.0) == 0


def test_a_familiar_place_waits_for_its_own_failures() -> None:
    door = Throttle()
    door.succeed("a", HERE)
    fail(door, 3, 0.0)
    assert door.attempt("a", HERE, POLICY, 0.0) == 30


def test_success_forgives() -> None:
    door = Throttle()
    fail(door, 3, 0.0)
    door.succeed("a", HERE)
    assert door.attempt("a", HERE, POLICY, 1.0) == 0


def test_a_clock_that_is_set_back_locks_nobody_out() -> None:
    door = Throttle()
    fail(door, 3, 1e9)
    assert door.attempt("a", HERE, POLICY, 0.0) <= POLICY.wait_s


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.sampled_from((HERE, ELSEWHERE)),
            st.floats(0, 4000),
            st.booleans(),
        ),
        max_size=80,
    ),
    st.integers(1, 6),
    st.floats(1, 3600),
)
def test_no_address_ever_guesses_faster_than_it_may(
    events: list[tuple[str, str, float, bool]], attempts: int, wait_s: float
) -> None:
    """Without a success, of ``attempts + 1`` failures in a row of one address the last is at least a wait later."""
    door, policy, now = Throttle(), AccessPolicy(attempts=attempts, wait_s=wait_s), 0.0
    made: dict[str, list[float]] = {HERE: [], ELSEWHERE: []}
    for account, address, after, right in events:
        now += after
        wait = door.attempt(account, address, policy, now)
        assert 0 <= wait <= LONGEST_WAIT_S
        if wait:
            continue
        if made[address] and now - made[address][-1] >= throttle.FORGOTTEN_AFTER_S:
            made[address].clear()
        made[address].append(now)
        if right:
            door.succeed(account, address)
            made[address].clear()
        recent = made[address][-attempts - 1 :]
        if len(recent) > attempts:
            assert recent[-1] - recent[-2] >= min(wait_s, LONGEST_WAIT_S) - 1e-6


def test_a_flood_of_names_is_forgotten_from_its_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "MOST_KEYS", 50)
    monkeypatch.setattr(throttle, "MOST_FAMILIAR", 50)
    door = Throttle()
    for number in range(1000):
        door.attempt(f"a{number}", f"10.0.{number // 256}.{number % 256}", POLICY, float(number))
        door.succeed(f"a{number}", f"192.0.2.{number}")
    assert len(door) <= 100


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.floats(0, 30)), max_size=200))
def test_every_refusal_is_told_or_counted_once(events: list[tuple[str, float]]) -> None:
    sieve, now, told, counted = Sieve(), 0.0, 0, 0
    for source, after in events:
        now += after
        counted += sum(count for _, count in sieve.due(now))
        told += sieve.take(source, now)
    counted += sum(count for _, count in sieve.due(now + A_MINUTE_S))
    assert told + counted == len(events)
    assert sieve.due(now + 2 * A_MINUTE_S) == []


def test_one_source_is_told_so_often_a_minute() -> None:
    sieve = Sieve()
    assert sum(sieve.take("a", 0.0) for _ in range(100)) == TOLD_A_MINUTE
    assert sieve.take("b", 0.0)
    assert sieve.due(A_MINUTE_S) == [("a", 100 - TOLD_A_MINUTE)]
    assert sieve.take("a", A_MINUTE_S)


def test_sources_beyond_the_most_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "MOST_SOURCES", 10)
    sieve = Sieve()
    assert sum(sieve.take(str(number), 0.0) for number in range(1000)) == 10 + TOLD_A_MINUTE
    assert sieve.due(A_MINUTE_S) == [(throttle.OTHERS, 1000 - 10 - TOLD_A_MINUTE)]
