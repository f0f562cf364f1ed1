"""What one Alertmanager is owed, and when to try again."""

from hypothesis import given
from hypothesis import strategies as st

from monitor.alerting.outbox import BACKOFF_MOST_S, COALESCE_S, Outbox


def test_changes_go_before_repeats() -> None:
    outbox = Outbox()
    outbox.repeat(["a", "b"])
    outbox.change(["c", "a"])
    assert outbox.take(3) == ("c", "a", "b")


def test_a_request_is_bounded() -> None:
    outbox = Outbox()
    outbox.change(map(str, range(5)))
    sizes = []
    while taken := outbox.take(2):
        sizes.append(len(taken))
        outbox.accepted()
    assert sizes == [2, 2, 1]


def test_what_did_not_arrive_is_owed_first() -> None:
    outbox = Outbox()
    outbox.change(["a", "b"])
    outbox.take(1)
    outbox.change(["c"])
    outbox.failed()
    assert outbox.take(3) == ("a", "b", "c")
    assert len(outbox) == 3


def test_a_request_without_an_end_is_owed() -> None:
    """As when the service is cancelled in the middle of a post."""
    outbox = Outbox()
    outbox.change(["a"])
    outbox.take(1)
    assert outbox.owed() == {"a"}
    assert outbox.take(1) == ("a",)


def test_the_first_success_after_failures_is_told() -> None:
    outbox = Outbox()
    outbox.change(["a"])
    outbox.take(1)
    outbox.failed()
    outbox.take(1)
    assert outbox.accepted()
    assert not outbox.accepted()
    assert len(outbox) == 0


@given(failures=st.integers(0, 100_000), chance=st.floats(0, 1))
def test_the_pause_is_bounded_however_long_the_outage(failures: int, chance: float) -> None:
    """Recovery is noticed within seconds; without failures only company is waited for."""
    outbox = Outbox()
    outbox.failures = failures
    assert COALESCE_S <= outbox.pause_s(chance) <= BACKOFF_MOST_S
