"""Decides whether a check is up. Wald's sequential probability ratio test (1945). Pure: time is an argument.

Each check learns its own loss ratio p0 while it is up. The first lost probe opens a test of "down" (a probe is
lost with probability 0.99) against "up" (lost with probability p0):

* a loss adds ln(0.99 / p0) to the log-likelihood ratio, an answer adds ln(0.01 / (1 - p0)), never below 0;
* above ln(1 / alpha) the check is down, and alpha bounds the false alarms for each probe of a healthy line;
* back at 0 the test ends: the losses were a burst, counted and not alarmed;
* a check that is down comes up by the mirrored test.

With alpha = 1e-6 a clean fibre line is down after 3 losses in a row, a 4G line that loses a tenth after 8: the
rate of false alarms is bounded for both. p0 is fixed when the test opens, and what a fall itself taught is
forgotten when the check is called down, so an outage never makes its own line look lossy.
"""

from enum import StrEnum
from math import inf, isnan, log, nan, sqrt

import msgspec

from monitor.core.model import Cause, CheckPolicy, CheckState
from probes.model import OF_US, Layer, Measurement

LOSS_WHEN_DOWN = 0.99
"""A dead point now and then answers: a reply that was forged, or an outage that ends within the test."""
P0_FLOOR = 0.005
P0_CAP = 0.3
PRIOR_PROBES = 50
"""The weight of ``expected_loss_ratio`` against what is learned."""
MEMORY_PROBES = 500
RECENT_PROBES = 120
"""What ``loss_ratio`` looks back on: two minutes in the live phase."""
LOSSY_SIGMAS = 3.0
"""A line is called lossy when its recent loss is above the limit by so much more than chance."""
CALM_AGAIN = 0.8
"""A jitter that was too high is right again below this share of the limit."""
UPPER_BOUND_SIGMAS = 3.0
"""p0 is an upper confidence bound: a lossy line with a lucky quarter of an hour is not called down for it."""
RTT_GAIN = 1 / 8
"""Smoothing of the round trip, RFC 6298 section 2."""
JITTER_GAIN = 1 / 16
"""Smoothing of the interarrival jitter, RFC 3550 section 6.4.1, here over round trips."""

FLAP_SLOTS = 20
FLAP_SLOT_S = 15.0
FLAP_WEIGHTS = tuple(0.8 + 0.02 * i for i in range(FLAP_SLOTS))
"""Icinga's and Nagios' weighting: the newest change counts half as much again as the oldest."""
FLAP_STARTS = 0.30
FLAP_ENDS = 0.25

OWN_LOSSES = 2
"""However much the neighbours say, so many lost probes of its own a check must have: a switch that is silent for a
quarter of a second takes no point down."""


class Hold(StrEnum):
    """Why a check that misses answers is not down, or one that answers is not up."""

    CONFIRMING = "confirming"
    """Losses are being weighed."""
    RECOVERING = "recovering"
    """Answers are being weighed."""


class CheckStatus(msgspec.Struct):
    """All that is known of one check. Detection writes it; everybody else reads."""

    policy: CheckPolicy
    state: CheckState = CheckState.UNKNOWN
    hold: Hold | None = None
    since: float = 0.0
    """When the state began: the sending of the first probe that was lost (down) or answered (up)."""
    flapping: bool = False
    quality: Cause = Cause.NONE
    """LOSS or JITTER while above the policy's limit."""
    loss_ratio: float = 0.0
    """Over the last two minutes or so; 1 while down."""
    rtt_s: float = nan
    jitter_s: float = 0.0
    last_rtt_s: float = nan
    probes: int = 0
    losses: int = 0
    bursts: int = 0
    """Tests that ended without alarm."""
    last: Measurement | None = None
    last_at: float = -inf
    answered_at: float = -inf
    """When the latest probe was sent that was answered."""

    llr: float = 0.0
    """The test's log-likelihood ratio; 0 when no test is open."""
    p0: float = P0_CAP
    """The loss ratio that the open test assumes of a healthy line."""
    test_losses: int = 0
    """Lost probes since the open test of "down" began."""
    test_sent_at: float = 0.0
    """When the first probe of the open test was sent."""
    learned: float = 0.0
    """The line's own loss ratio, while it is up."""
    weight: float = 0.0
    """How many probes ``learned`` rests on, up to MEMORY_PROBES."""
    learned_before: float = 0.0
    """Both as they stood when the open test began, to come back to should it end in down."""
    weight_before: float = 0.0
    recent: int = 0
    """How many probes ``loss_ratio`` rests on, up to RECENT_PROBES."""
    flaps: int = 0
    """A bit a slot of FLAP_SLOT_S, the newest lowest: did the state change in it?"""
    flap_slot: int = 0


def fresh(policy: CheckPolicy, now: float) -> CheckStatus:
    """A check of which nothing is known but what its policy expects."""
    return CheckStatus(
        policy=policy,
        since=now,
        learned=policy.expected_loss_ratio,
        weight=PRIOR_PROBES,
        flap_slot=int(now // FLAP_SLOT_S),
    )


def threshold(alpha: float) -> float:
    """Wald's boundary ln(1 / alpha)."""
    return log(1 / alpha)


def healthy_loss(status: CheckStatus) -> float:
    """p0: an upper confidence bound of the learned loss ratio, within floor and cap."""
    p = status.learned
    bound = p + UPPER_BOUND_SIGMAS * sqrt(p * (1 - p) / status.weight)
    return min(P0_CAP, max(P0_FLOOR, bound))


def gain_of_loss(status: CheckStatus) -> float:
    """What a lost probe adds to the test: ln(0.99 / p0), with the p0 of the open test or of one that opens now."""
    return log(LOSS_WHEN_DOWN / (status.p0 if status.llr > 0 else healthy_loss(status)))


def record(status: CheckStatus, measurement: Measurement, at: float) -> bool:
    """Keep what a probe found; whether it is evidence at all, for what is of us says nothing of the target."""
    status.last = measurement
    status.last_at = at
    status.probes += 1
    status.losses += not measurement.success
    if measurement.success:
        status.answered_at = max(status.answered_at, at - measurement.duration_s)
    return measurement.failure not in OF_US


def observe(status: CheckStatus, measurement: Measurement, at: float, boundary: float, support: float = 0.0) -> None:
    """Weigh one probe that is evidence; the state changes as soon as the test has decided.

    ``boundary`` is :func:`threshold` of alpha, ``support`` what neighbours say for "down".
    """
    if status.state is CheckState.DOWN:
        _test_up(status, measurement, at, boundary)
    else:
        _test_down(status, measurement, at, boundary, support)
    if measurement.success:
        _time(status, measurement.duration_s)
    if status.state is not CheckState.DOWN:
        _learn(status, lost=not measurement.success)
        _grade(status)


def settle(status: CheckStatus, state: CheckState, at: float) -> None:
    """Enter a state that the test has decided on."""
    if status.state is not CheckState.UNKNOWN:
        _roll(status, at)
        status.flaps |= 1
    if state is CheckState.DOWN:
        status.learned, status.weight = status.learned_before, status.weight_before
        status.loss_ratio, status.quality = 1.0, Cause.NONE
    elif status.state is CheckState.DOWN:
        status.loss_ratio, status.recent = status.learned, 1
    status.state = state
    status.since = status.test_sent_at
    abandon(status)


def abandon(status: CheckStatus) -> None:
    """Close the open test without a decision."""
    status.llr = 0.0
    status.hold = None


def forget(status: CheckStatus, at: float) -> None:
    """Nothing has been heard of the check for too long: what it was says nothing any more."""
    abandon(status)
    status.state = CheckState.UNKNOWN
    status.since = at


def judge_flapping(status: CheckStatus, now: float) -> bool:
    """Bring ``flapping`` up to date; true when it changed. Hysteresis of 30 and 25 per cent."""
    _roll(status, now)
    if not status.flaps and not status.flapping:
        return False
    weighed = sum(w for i, w in enumerate(reversed(FLAP_WEIGHTS)) if status.flaps >> i & 1)
    share = weighed / FLAP_SLOTS
    flapping = share > (FLAP_ENDS if status.flapping else FLAP_STARTS)
    changed = flapping is not status.flapping
    status.flapping = flapping
    return changed


def _learn(status: CheckStatus, *, lost: bool) -> None:
    status.weight = min(status.weight + 1, MEMORY_PROBES)
    status.learned += (lost - status.learned) / status.weight
    status.recent = min(status.recent + 1, RECENT_PROBES)
    status.loss_ratio += (lost - status.loss_ratio) / status.recent


def _grade(status: CheckStatus) -> None:
    """Judge loss and jitter against the policy, with hysteresis and against chance.

    Jitter is a line's: what a handshake takes varies by a whole second when one of its packets is sent again.
    """
    policy, p = status.policy, status.loss_ratio
    if p > policy.max_loss_ratio and (
        status.quality is Cause.LOSS
        or p - LOSSY_SIGMAS * sqrt(p * (1 - p) / (2 * status.recent)) > policy.max_loss_ratio  # EWMA: 2n samples' worth
    ):
        status.quality = Cause.LOSS
    elif policy.layer is Layer.REACHABLE and status.jitter_s > policy.max_jitter_s * (
        CALM_AGAIN if status.quality is Cause.JITTER else 1
    ):
        status.quality = Cause.JITTER
    else:
        status.quality = Cause.NONE


def _time(status: CheckStatus, rtt_s: float) -> None:
    if rtt_s <= 0:  # not timed: the first heartbeat of a page, the platform's word
        return
    before = status.last_rtt_s
    status.last_rtt_s = rtt_s
    if isnan(before):
        status.rtt_s = rtt_s
        return
    status.rtt_s += (rtt_s - status.rtt_s) * RTT_GAIN
    status.jitter_s += (abs(rtt_s - before) - status.jitter_s) * JITTER_GAIN


def _test_down(status: CheckStatus, measurement: Measurement, at: float, boundary: float, support: float) -> None:
    if not measurement.success:
        if status.llr <= 0:
            _open(status, measurement, at, Hold.CONFIRMING)
        status.test_losses += 1
        status.llr += log(LOSS_WHEN_DOWN / status.p0)
        if status.llr + (support if status.test_losses >= OWN_LOSSES else 0) > boundary:
            settle(status, CheckState.DOWN, at)
    elif status.state is CheckState.UNKNOWN:
        _open(status, measurement, at, Hold.RECOVERING)
        settle(status, CheckState.UP, at)
    elif status.llr > 0:
        status.llr += log((1 - LOSS_WHEN_DOWN) / (1 - status.p0))
        if status.llr <= 0:
            status.bursts += 1
            abandon(status)


def _test_up(status: CheckStatus, measurement: Measurement, at: float, boundary: float) -> None:
    if measurement.success:
        if status.llr <= 0:
            _open(status, measurement, at, Hold.RECOVERING)
        status.llr += log((1 - status.p0) / (1 - LOSS_WHEN_DOWN))
        if status.llr > boundary:
            settle(status, CheckState.UP, at)
    elif status.llr > 0:
        status.llr += log(status.p0 / LOSS_WHEN_DOWN)
        if status.llr <= 0:
            abandon(status)


def _open(status: CheckStatus, measurement: Measurement, at: float, hold: Hold) -> None:
    status.hold = hold
    status.p0 = healthy_loss(status)
    status.test_losses = 0
    status.test_sent_at = at - measurement.duration_s
    status.learned_before, status.weight_before = status.learned, status.weight


def _roll(status: CheckStatus, now: float) -> None:
    """Shift the flap register to the slot of ``now``. A clock that jumps back leaves it as it is."""
    slot = int(now // FLAP_SLOT_S)
    passed = slot - status.flap_slot
    if passed > 0:
        status.flaps = (status.flaps << min(passed, FLAP_SLOTS)) & ((1 << FLAP_SLOTS) - 1)
        status.flap_slot = slot
