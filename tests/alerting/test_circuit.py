"""Whether a channel is worth trying."""

from monitor.alerting.circuit import FAILURES, OPEN_AT_MOST_S, OPEN_S, Circuit
from monitor.core.notices import Outcome

NOW = 1_746_666_000.0


def failed(times: int, now: float = NOW) -> Circuit:
    circuit = Circuit()
    for _ in range(times):
        circuit = circuit.after(Outcome.FAILED, now)
    return circuit


def test_some_failures_in_a_row_open_it_for_a_while() -> None:
    assert not failed(FAILURES - 1).is_open(NOW)
    opened = failed(FAILURES)
    assert opened.is_open(NOW)
    assert opened.is_open(NOW + OPEN_S - 0.1)
    assert not opened.is_open(NOW + OPEN_S), "one may try"


def test_a_try_that_fails_again_opens_it_for_longer_and_one_that_works_closes_it() -> None:
    tried = failed(FAILURES).after(Outcome.FAILED, NOW + OPEN_S)
    assert tried.is_open(NOW + OPEN_S + OPEN_S)
    assert not tried.is_open(NOW + OPEN_S + 2 * OPEN_S)
    assert tried.after(Outcome.ACCEPTED, NOW) == Circuit()
    assert tried.after(Outcome.REFUSED, NOW) == Circuit(), "an answer, too"


def test_it_is_never_open_for_long() -> None:
    assert failed(1000).open_until == NOW + OPEN_AT_MOST_S
    assert not failed(1000, NOW + 3600).is_open(NOW), "nor after a clock was set back"
