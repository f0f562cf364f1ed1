"""One point's verdict from its checks: the first broken layer names it. Pure.

A point is down when no check of its reachable layer answers, degraded when it answers but a later layer, or the
quality of the line, does not do; unknown when nothing is known; not expected when it is merged or without coverage.
"""

from collections.abc import Sequence

import msgspec

from monitor.core.detection import CheckStatus
from monitor.core.model import Cause, CheckState, Layer, Mode, Point, PointState

NOT_EXPECTED = {Mode.MERGED: Cause.MERGED, Mode.NO_COVERAGE: Cause.NO_COVERAGE}
BROKEN_LAYER = {
    Layer.REACHABLE: Cause.LOST_CONNECTION,
    Layer.SIGNALLING: Cause.LOST_SIGNALLING,
    Layer.MEDIA: Cause.LOST_MEDIA,
    Layer.JOINED: Cause.NOT_JOINED,
}


class Verdict(msgspec.Struct, frozen=True):
    """A point's state, why, since when (None: since now), and the failure that names a router or a reason."""

    state: PointState
    cause: Cause
    since: float | None = None
    detail: str = ""


def judge(point: Point, checks: Sequence[CheckStatus], *, blind: bool) -> Verdict:
    """The verdict of the moment."""
    if point.mode in NOT_EXPECTED:
        return Verdict(PointState.NOT_EXPECTED, NOT_EXPECTED[point.mode])
    if blind:
        return Verdict(PointState.UNKNOWN, Cause.BLIND)
    for layer, cause in BROKEN_LAYER.items():
        ours = [check for check in checks if check.policy.layer is layer and check.state is not CheckState.UNKNOWN]
        if ours and all(check.state is CheckState.DOWN for check in ours):
            state = PointState.DOWN if layer is Layer.REACHABLE else PointState.DEGRADED
            return Verdict(state, cause, max(check.since for check in ours), _reason(ours))
        if not ours and layer is Layer.REACHABLE:
            return Verdict(PointState.UNKNOWN, Cause.NO_EVIDENCE)
    return _quality(checks)


def _quality(checks: Sequence[CheckStatus]) -> Verdict:
    if any(check.flapping for check in checks):
        return Verdict(PointState.DEGRADED, Cause.FLAPPING)
    for check in checks:
        if check.quality is not Cause.NONE:
            return Verdict(PointState.DEGRADED, check.quality)
    return Verdict(PointState.UP, Cause.NONE)


def _reason(checks: Sequence[CheckStatus]) -> str:
    """The most telling failure among the checks: one that names a router before a mere silence."""
    failures = [check.last for check in checks if check.last is not None and check.last.failure is not None]
    told = next((failure for failure in failures if failure.detail), None) or next(iter(failures), None)
    if told is None or told.failure is None:
        return ""
    return f"{told.failure} {told.detail}".strip()
