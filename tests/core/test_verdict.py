"""One point's verdict from its checks."""

import pytest

from monitor.core import detection, verdict
from monitor.core.detection import CheckStatus
from monitor.core.model import Cause, CheckPolicy, CheckState, Layer, Mode, Point, PointState, Tier
from probes.model import Failure, Measurement

POINT = Point(id="p", name="P", tier=Tier.COMMUNE, mode=Mode.TWO_WAY)


def check(layer: Layer, state: CheckState, *, since: float = 10.0, failure: Measurement | None = None) -> CheckStatus:
    status = detection.fresh(CheckPolicy(f"p/{layer}", "p", layer, 1.0), 0.0)
    status.state, status.since, status.last = state, since, failure
    return status


UP, DOWN, UNKNOWN = CheckState.UP, CheckState.DOWN, CheckState.UNKNOWN


@pytest.mark.parametrize(
    ("reachable", "signalling", "media", "state", "cause"),
    [
        (UP, UP, UP, PointState.UP, Cause.NONE),
        (UP, UNKNOWN, UNKNOWN, PointState.UP, Cause.NONE),
        (DOWN, UP, UP, PointState.DOWN, Cause.LOST_CONNECTION),
        (DOWN, DOWN, DOWN, PointState.DOWN, Cause.LOST_CONNECTION),
        (UP, DOWN, DOWN, PointState.DEGRADED, Cause.LOST_SIGNALLING),
        (UP, UP, DOWN, PointState.DEGRADED, Cause.LOST_MEDIA),
        (UNKNOWN, UP, UP, PointState.UNKNOWN, Cause.NO_EVIDENCE),
    ],
)
def test_the_first_broken_layer_names_the_state(
    reachable: CheckState, signalling: CheckState, media: CheckState, state: PointState, cause: Cause
) -> None:
    checks = [check(Layer.REACHABLE, reachable), check(Layer.SIGNALLING, signalling), check(Layer.MEDIA, media)]
    found = verdict.judge(POINT, checks, blind=False)
    assert (found.state, found.cause) == (state, cause)


def test_one_way_in_is_enough() -> None:
    """Two reachable checks, one of them answering: the point is there."""
    checks = [check(Layer.REACHABLE, DOWN), check(Layer.REACHABLE, UP)]
    assert verdict.judge(POINT, checks, blind=False).state is PointState.UP


def test_down_since_the_last_way_in_was_lost_and_the_router_is_named() -> None:
    unreachable = Measurement(False, 0.0, Failure.UNREACHABLE, "10.38.0.9")
    silent = Measurement(False, 0.5, Failure.TIMEOUT)
    checks = [
        check(Layer.REACHABLE, DOWN, since=5.0, failure=silent),
        check(Layer.REACHABLE, DOWN, since=9.0, failure=unreachable),
    ]
    found = verdict.judge(POINT, checks, blind=False)
    assert (found.since, found.detail) == (9.0, "unreachable 10.38.0.9")


@pytest.mark.parametrize(("mode", "cause"), [(Mode.MERGED, Cause.MERGED), (Mode.NO_COVERAGE, Cause.NO_COVERAGE)])
def test_who_is_not_expected_is_never_lost(mode: Mode, cause: Cause) -> None:
    """Not even while the monitor is blind."""
    point = Point(id="p", name="P", tier=Tier.VILLAGE, mode=mode)
    for blind in (False, True):
        found = verdict.judge(point, [check(Layer.REACHABLE, DOWN)], blind=blind)
        assert (found.state, found.cause) == (PointState.NOT_EXPECTED, cause)


def test_a_point_without_a_check_is_unknown() -> None:
    assert verdict.judge(POINT, [], blind=False).cause is Cause.NO_EVIDENCE


def test_flapping_and_quality_degrade() -> None:
    status = check(Layer.REACHABLE, UP)
    status.quality = Cause.LOSS
    assert verdict.judge(POINT, [status], blind=False).cause is Cause.LOSS
    status.flapping = True
    found = verdict.judge(POINT, [status], blind=False)
    assert (found.state, found.cause) == (PointState.DEGRADED, Cause.FLAPPING)
