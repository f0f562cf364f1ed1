"""One point's verdict from its checks."""

from math import inf

import pytest

from monitor.core import detection, verdict
from monitor.core.detection import CheckStatus
from monitor.core.model import Cause, CheckPolicy, CheckState, Mode, Point, PointState, Power, PowerState, Tier
from monitor.core.verdict import BEFORE_THE_FALL_S, Verdict
from probes.model import Failure, Layer, Measurement

POINT = Point(id="p", name="P", tier=Tier.COMMUNE, mode=Mode.TWO_WAY)


def check(
    layer: Layer,
    state: CheckState,
    *,
    since: float = 10.0,
    answered_at: float = -inf,
    failure: Measurement | None = None,
) -> CheckStatus:
    status = detection.fresh(CheckPolicy(f"p/{layer}", "p", layer, 1.0), 0.0)
    status.state, status.since, status.answered_at, status.last = state, since, answered_at, failure
    return status


def judged(
    *checks: CheckStatus, now: float = 100.0, power: Power | None = None, blind: bool = False, point: Point = POINT
) -> Verdict:
    return verdict.judge(point, checks, blind=blind, now=now, power=power)


UP, DOWN, UNKNOWN = CheckState.UP, CheckState.DOWN, CheckState.UNKNOWN


@pytest.mark.parametrize(
    ("reachable", "signalling", "media", "state", "cause"),
    [
        (UP, UP, UP, PointState.UP, Cause.NONE),
        (UP, UNKNOWN, UNKNOWN, PointState.UP, Cause.NONE),
        (DOWN, UP, UP, PointState.DOWN, Cause.LOST_CONNECTION),
        (DOWN, DOWN, DOWN, PointState.DOWN, Cause.LOST_CONNECTION),
        (UP, DOWN, DOWN, PointState.DEGRADED, Cause.LOST_SIGNALLING),
        (UP, UP, DOWN, PointState.DEGRADED, Cause.LOST_PICTURE),
        (UNKNOWN, UNKNOWN, UNKNOWN, PointState.UNKNOWN, Cause.NO_EVIDENCE),
    ],
)
def test_the_first_broken_layer_names_the_state(
    reachable: CheckState, signalling: CheckState, media: CheckState, state: PointState, cause: Cause
) -> None:
    found = judged(check(Layer.REACHABLE, reachable), check(Layer.SIGNALLING, signalling), check(Layer.MEDIA, media))
    assert (found.state, found.cause) == (state, cause)


def test_layers_are_told_beside_the_verdict() -> None:
    found = judged(check(Layer.REACHABLE, UP), check(Layer.MEDIA, DOWN))
    assert found.layers == {
        Layer.REACHABLE: UP,
        Layer.SIGNALLING: UNKNOWN,
        Layer.MEDIA: DOWN,
        Layer.JOINED: UNKNOWN,
    }


@pytest.mark.parametrize("layer", [Layer.REACHABLE, Layer.SIGNALLING, Layer.MEDIA])
def test_an_answer_from_after_the_fall_refutes_it_and_one_from_before_does_not(layer: Layer) -> None:
    """Signalling and media that answer prove that the point is reachable, where its ping is filtered."""
    fallen = check(Layer.REACHABLE, DOWN, since=50.0)
    assert judged(fallen, check(layer, UP, answered_at=50.1)).state is PointState.UP
    assert judged(fallen, check(layer, UP, answered_at=49.9)).state is PointState.DOWN


def test_what_the_platform_says_proves_nothing_else() -> None:
    """It tells of those who joined by time-outs of its own."""
    fallen = check(Layer.REACHABLE, DOWN, since=50.0)
    assert judged(fallen, check(Layer.JOINED, UP, answered_at=99.0)).state is PointState.DOWN
    assert judged(check(Layer.JOINED, UP, answered_at=99.0)).state is PointState.UNKNOWN


def test_higher_layers_alone_prove_that_a_point_is_reachable() -> None:
    """A codec whose ping nobody may send."""
    assert judged(check(Layer.SIGNALLING, UP, answered_at=99.0)).state is PointState.UP
    assert judged(check(Layer.SIGNALLING, DOWN)).state is PointState.UNKNOWN


def test_one_way_in_that_was_not_heard_since_the_fall_is_waited_for() -> None:
    """Not longer than one and a half of its intervals."""
    fallen, other = check(Layer.REACHABLE, DOWN, since=50.0), check(Layer.REACHABLE, UP, answered_at=49.5)
    waiting = judged(fallen, other, now=50.9)
    assert (waiting.state, waiting.contested_until) == (PointState.UP, 51.0)
    decided = judged(fallen, other, now=51.0)
    assert (decided.state, decided.contested_until) == (PointState.DOWN, None)


def test_down_since_the_last_way_in_was_lost_and_the_router_is_named() -> None:
    unreachable = Measurement(False, 0.0, Failure.UNREACHABLE, "10.38.0.9")
    silent = Measurement(False, 0.5, Failure.TIMEOUT)
    found = judged(
        check(Layer.REACHABLE, DOWN, since=5.0, failure=silent),
        check(Layer.REACHABLE, DOWN, since=9.0, failure=unreachable),
    )
    assert (found.since, found.detail) == (9.0, "unreachable 10.38.0.9")


@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        (Failure.SILENT, Cause.LOST_SOUND),
        (Failure.BLACK, Cause.LOST_PICTURE),
        (Failure.FROZEN, Cause.LOST_PICTURE),
        (Failure.STALLED, Cause.LOST_PICTURE),
        (Failure.TIMEOUT, Cause.LOST_PICTURE),
    ],
)
def test_picture_and_sound_are_told_apart(failure: Failure, cause: Cause) -> None:
    found = judged(check(Layer.REACHABLE, UP), check(Layer.MEDIA, DOWN, failure=Measurement(False, 1.0, failure)))
    assert (found.state, found.cause) == (PointState.DEGRADED, cause)


ON_BATTERY = Power(PowerState.BATTERY, "ups", since=40.0, heard_at=60.0)


def test_a_site_that_runs_on_its_battery_is_degraded_for_want_of_power() -> None:
    found = judged(check(Layer.REACHABLE, UP), power=ON_BATTERY)
    assert (found.state, found.cause, found.since) == (PointState.DEGRADED, Cause.POWER_LOST, 40.0)


def test_a_point_that_fell_on_battery_fell_for_want_of_power() -> None:
    """Unless that was last heard too long before."""
    found = judged(check(Layer.REACHABLE, DOWN, since=70.0), power=ON_BATTERY)
    assert (found.state, found.cause) == (PointState.DOWN, Cause.POWER_LOST)
    later = judged(check(Layer.REACHABLE, DOWN, since=61.0 + BEFORE_THE_FALL_S), power=ON_BATTERY, now=5000.0)
    assert later.cause is Cause.LOST_CONNECTION


def test_a_broken_layer_is_told_before_the_power() -> None:
    """The first broken layer names the state; that the site runs on battery stands beside it."""
    found = judged(check(Layer.REACHABLE, UP), check(Layer.MEDIA, DOWN), power=ON_BATTERY)
    assert found.cause is Cause.LOST_PICTURE


@pytest.mark.parametrize(("mode", "cause"), [(Mode.MERGED, Cause.MERGED), (Mode.NO_COVERAGE, Cause.NO_COVERAGE)])
def test_who_is_not_expected_is_never_lost(mode: Mode, cause: Cause) -> None:
    """Not even while the monitor is blind."""
    point = Point(id="p", name="P", tier=Tier.VILLAGE, mode=mode)
    for blind in (False, True):
        found = judged(check(Layer.REACHABLE, DOWN), blind=blind, point=point)
        assert (found.state, found.cause) == (PointState.NOT_EXPECTED, cause)


def test_a_point_without_a_check_is_unknown() -> None:
    assert judged().cause is Cause.NO_EVIDENCE


def test_flapping_and_quality_degrade() -> None:
    status = check(Layer.REACHABLE, UP)
    status.quality = Cause.LOSS
    assert judged(status).cause is Cause.LOSS
    status.flapping = True
    found = judged(status)
    assert (found.state, found.cause) == (PointState.DEGRADED, Cause.FLAPPING)
