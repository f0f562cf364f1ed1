"""The sequential test of one check."""

import random
from math import log

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core import detection
from monitor.core.detection import CheckStatus, Hold
from monitor.core.model import Cause, CheckPolicy, CheckState
from probes.model import Failure, Layer, Measurement

LIVE = detection.threshold(1e-6)
ANSWER = Measurement(True, 0.01)
LOSS = Measurement(False, 0.3, Failure.TIMEOUT)


def check(expected_loss_ratio: float = 0.0, *, probes: int = 0) -> CheckStatus:
    policy = CheckPolicy("p/icmp", "p", Layer.REACHABLE, 1.0, expected_loss_ratio)
    status = detection.fresh(policy, 0.0)
    for second in range(probes):
        feed(status, ANSWER, float(second))
    return status


def feed(status: CheckStatus, measurement: Measurement, at: float) -> CheckState:
    if detection.record(status, measurement, at):
        detection.observe(status, measurement, at, LIVE)
    return status.state


def losses_until_down(status: CheckStatus) -> int:
    for count in range(1, 50):
        if feed(status, LOSS, 10_000.0 + count) is CheckState.DOWN:
            return count
    raise AssertionError("never down")


def test_a_clean_line_is_down_after_three_losses() -> None:
    """The figure of Wald's boundary at alpha 1e-6 and p0 at its floor."""
    assert losses_until_down(check(probes=600)) == 3


def test_a_lossy_line_needs_eight() -> None:
    """A line that loses a tenth is given more time, so that its rate of false alarms is bounded as well."""
    status = check(0.1)
    chance = random.Random(7)
    for second in range(3000):
        feed(status, LOSS if chance.random() < 0.1 else ANSWER, float(second))
    feed(status, ANSWER, 3001.0)
    assert losses_until_down(status) in (7, 8)


def test_a_new_check_is_up_at_its_first_answer() -> None:
    status = check()
    assert feed(status, ANSWER, 1.0) is CheckState.UP


def test_one_answer_among_losses_ends_the_test() -> None:
    """Two losses and an answer are a burst: counted, not alarmed."""
    status = check(probes=600)
    for measurement in (LOSS, ANSWER):
        feed(status, measurement, 1000.0)
    assert (status.state, status.hold, status.bursts) == (CheckState.UP, Hold.CONFIRMING, 0)
    feed(status, ANSWER, 1001.0)
    assert (status.hold, status.bursts) == (None, 1)


def test_down_since_the_first_lost_probe_was_sent() -> None:
    status = check(probes=600)
    for second in range(3):
        feed(status, LOSS, 1000.0 + second)
    assert status.since == pytest.approx(999.7)


def test_up_again_by_the_mirrored_test() -> None:
    """A single stray answer does not make a dead point live."""
    status = check(probes=600)
    losses_until_down(status)
    feed(status, ANSWER, 20_000.0)
    assert status.state is CheckState.DOWN
    assert status.hold is Hold.RECOVERING
    for second in range(4):
        feed(status, ANSWER, 20_001.0 + second)
    assert status.state is CheckState.UP


def test_an_outage_teaches_nothing_about_the_line() -> None:
    status = check(probes=600)
    before = status.learned
    losses_until_down(status)
    for second in range(1000):
        feed(status, LOSS, 20_000.0 + second)
    assert status.learned == before
    assert status.loss_ratio == 1.0


def test_our_own_failures_are_no_evidence() -> None:
    """A packet that our kernel did not send says nothing of the target."""
    status = check(probes=10)
    for second in range(50):
        feed(status, Measurement(False, 0.0, Failure.SEND), 100.0 + second)
    assert (status.state, status.hold, status.loss_ratio) == (CheckState.UP, None, 0)


def test_loss_above_the_limit_is_named_and_forgiven_below_it() -> None:
    status = check(probes=100)
    chance = random.Random(3)
    for second in range(400):
        feed(status, LOSS if chance.random() < 0.35 else ANSWER, 1000.0 + second)
    assert status.quality is Cause.LOSS
    for second in range(400):
        feed(status, ANSWER, 2000.0 + second)
    assert status.quality is Cause.NONE


def test_jitter_above_the_limit_is_named() -> None:
    status = check(probes=10)
    for second in range(100):
        feed(status, Measurement(True, 0.01 if second % 2 else 0.9), 100.0 + second)
    assert status.quality is Cause.JITTER


def test_a_handshake_sent_again_is_no_jitter() -> None:
    """A lost SYN makes one connection take a second longer; that says nothing of the line's jitter."""
    status = check(probes=10)
    status.policy = msgspec.structs.replace(status.policy, layer=Layer.SIGNALLING)
    for second in range(100):
        feed(status, Measurement(True, 0.01 if second % 2 else 1.01), 100.0 + second)
    assert status.quality is Cause.NONE


def test_flapping_starts_and_ends_with_hysteresis() -> None:
    """Six changes within five minutes are flapping; five quiet minutes are not."""
    status = check(probes=10)
    for slot in range(10):
        state = CheckState.DOWN if slot % 2 == 0 else CheckState.UP
        detection.settle(status, state, 100.0 + slot * detection.FLAP_SLOT_S)
    detection.judge_flapping(status, 250.0)
    assert status.flapping
    assert detection.judge_flapping(status, 250.0 + 20 * detection.FLAP_SLOT_S)
    assert not status.flapping


def test_one_outage_is_no_flapping() -> None:
    status = check(probes=10)
    detection.settle(status, CheckState.DOWN, 100.0)
    detection.settle(status, CheckState.UP, 200.0)
    assert not detection.judge_flapping(status, 201.0)


@pytest.mark.parametrize("loss", [0.0, 0.01, 0.1, 0.2])
def test_false_alarms_stay_below_the_bound(loss: float) -> None:
    """300,000 probes of a healthy line, at a looser alpha so that the bound is tried: per probe ≤ alpha."""
    alpha = 1e-3
    boundary = detection.threshold(alpha)
    status = detection.fresh(CheckPolicy("p", "p", Layer.REACHABLE, 1.0, loss), 0.0)
    chance = random.Random(11)
    alarms = 0
    for second in range(300_000):
        lost = chance.random() < loss
        detection.observe(status, LOSS if lost else ANSWER, float(second), boundary)
        if status.state is CheckState.DOWN:
            alarms += 1
            status.state = CheckState.UP
    assert alarms <= alpha * 300_000


@given(st.lists(st.booleans(), max_size=300), st.floats(0, 1), st.sampled_from([1e-1, 1e-4, 1e-6]))
def test_any_sequence_keeps_the_state_sound(answers: list[bool], expected: float, alpha: float) -> None:
    """The ratio stays within its bounds, p0 within floor and cap, loss ratios within 0 and 1."""
    status = detection.fresh(CheckPolicy("p", "p", Layer.REACHABLE, 1.0, expected), 0.0)
    boundary = detection.threshold(alpha)
    for second, answered in enumerate(answers):
        detection.observe(status, ANSWER if answered else LOSS, float(second), boundary)
        assert status.llr <= boundary + log(100)
        assert (status.llr > 0) == (status.hold is not None)
        assert detection.P0_FLOOR <= status.p0 <= detection.P0_CAP
        assert 0 <= status.learned <= 1
        assert 0 <= status.loss_ratio <= 1
