"""One point's verdict from all its evidence: the first broken layer names the state. Pure.

The layers are reachable → signalling → media → joined, with power beside them. How evidence is merged:

* A layer is **down** when one of its checks is down and nothing has proved it since that check fell; **up** when none
  of its checks is down, or something has; **unknown** when nothing is known of it.
* What proves a layer, whatever the source, stands in :data:`PROVES`: signalling and media that answer prove that the
  point is reachable even where its ping is filtered; the platform's word that it has joined proves only that, for it
  comes late. A proof must be **newer** than the fall: an answer from before it refutes nothing.
* A check of the same layer that is still up, and not overdue, keeps the layer up until its own next answer or loss.
* Old evidence is no evidence: a check that has been silent for five of its intervals is unknown.
* Power names the state of a point that fell while its site ran on battery, and of one that still runs on it.

A point is down when its reachable layer is, degraded when a later layer, the power or the quality of the line is not
as it should be; unknown when nothing is known of its reachable layer; not expected when merged or without coverage.
"""

from collections.abc import Mapping, Sequence

import msgspec

from monitor.core.detection import CheckStatus
from monitor.core.model import Cause, CheckState, Mode, Point, PointState, Power, PowerState
from probes.model import Failure, Layer

NOT_EXPECTED = {Mode.MERGED: Cause.MERGED, Mode.NO_COVERAGE: Cause.NO_COVERAGE}
BROKEN_LAYER = {
    Layer.REACHABLE: Cause.LOST_CONNECTION,
    Layer.SIGNALLING: Cause.LOST_SIGNALLING,
    Layer.MEDIA: Cause.LOST_PICTURE,
    Layer.JOINED: Cause.NOT_JOINED,
}
"""In the order in which they are judged."""
PROVES = {
    Layer.REACHABLE: frozenset({Layer.REACHABLE, Layer.SIGNALLING, Layer.MEDIA}),
    Layer.SIGNALLING: frozenset({Layer.SIGNALLING}),
    Layer.MEDIA: frozenset({Layer.MEDIA}),
    Layer.JOINED: frozenset({Layer.JOINED}),
}
"""Layer → the layers whose success proves it."""
OVERDUE_INTERVALS = 1.5
"""A check that is up and has not answered for so many of its intervals no longer keeps its layer up."""
BEFORE_THE_FALL_S = 1800.0
"""Power that was last heard of so long before a point fell says nothing of its fall."""

Layers = Mapping[Layer, CheckState]


class Verdict(msgspec.Struct, frozen=True):
    """A point's state, why, since when (None: since now), and the failure that names a router or a reason."""

    state: PointState
    cause: Cause
    since: float | None = None
    detail: str = ""
    layers: Layers = {}
    contested_until: float | None = None
    """One check says down and another has not been heard since: judge again then."""


class LayerVerdict(msgspec.Struct, frozen=True):
    """A layer's state; ``fallen`` are the checks that took it down."""

    state: CheckState
    fallen: Sequence[CheckStatus] = ()
    contested_until: float | None = None


UNHEARD = LayerVerdict(CheckState.UNKNOWN)
SOUND = LayerVerdict(CheckState.UP)


def judge(
    point: Point, checks: Sequence[CheckStatus], *, blind: bool, now: float, power: Power | None = None
) -> Verdict:
    """The verdict of the moment ``now`` (Unix time)."""
    if point.mode in NOT_EXPECTED:
        return Verdict(PointState.NOT_EXPECTED, NOT_EXPECTED[point.mode])
    if blind:
        return Verdict(PointState.UNKNOWN, Cause.BLIND)
    found = {layer: judge_layer(layer, checks, now) for layer in BROKEN_LAYER}
    layers = {layer: verdict.state for layer, verdict in found.items()}
    told = _of_layers(found) or _of_power(power) or _of_quality(checks)
    if told.state is PointState.DOWN and _fell_on_battery(power, told.since):
        told = msgspec.structs.replace(told, cause=Cause.POWER_LOST)
    contested = [verdict.contested_until for verdict in found.values() if verdict.contested_until is not None]
    return msgspec.structs.replace(told, layers=layers, contested_until=min(contested, default=None))


def judge_layer(layer: Layer, checks: Sequence[CheckStatus], now: float) -> LayerVerdict:
    """Whether a layer is broken, by the rules above."""
    ours = [check for check in checks if check.policy.layer is layer and check.state is not CheckState.UNKNOWN]
    fallen = [check for check in ours if check.state is CheckState.DOWN]
    if not fallen:
        return SOUND if ours or _proved(layer, checks, 0.0) else UNHEARD
    if _proved(layer, checks, max(check.since for check in fallen)):
        return SOUND
    waits = [_overdue_at(check) for check in ours if check.state is CheckState.UP]
    if waits and max(waits) > now:
        return LayerVerdict(CheckState.UP, contested_until=max(waits))
    return LayerVerdict(CheckState.DOWN, fallen)


def _proved(layer: Layer, checks: Sequence[CheckStatus], since: float) -> bool:
    """Whether anything that is up has proved the layer after that instant."""
    return any(
        check.policy.layer in PROVES[layer] and check.state is CheckState.UP and check.answered_at > since
        for check in checks
    )


def _overdue_at(check: CheckStatus) -> float:
    return check.answered_at + OVERDUE_INTERVALS * check.policy.interval_s


def _of_layers(found: Mapping[Layer, LayerVerdict]) -> Verdict | None:
    """The first broken layer; nothing known of the reachable one is a verdict, too."""
    if found[Layer.REACHABLE].state is CheckState.UNKNOWN:
        return Verdict(PointState.UNKNOWN, Cause.NO_EVIDENCE)
    for layer, cause in BROKEN_LAYER.items():
        fallen = found[layer].fallen
        if fallen:
            state = PointState.DOWN if layer is Layer.REACHABLE else PointState.DEGRADED
            return Verdict(state, _cause(cause, fallen), max(check.since for check in fallen), _reason(fallen))
    return None


def _cause(cause: Cause, fallen: Sequence[CheckStatus]) -> Cause:
    """A media layer whose picture is well has lost its sound."""
    failures = {check.last.failure for check in fallen if check.last is not None}
    return Cause.LOST_SOUND if cause is Cause.LOST_PICTURE and failures == {Failure.SILENT} else cause


def _of_power(power: Power | None) -> Verdict | None:
    if power is None or power.state is not PowerState.BATTERY:
        return None
    return Verdict(PointState.DEGRADED, Cause.POWER_LOST, power.since)


def _fell_on_battery(power: Power | None, since: float | None) -> bool:
    return (
        power is not None
        and power.state is PowerState.BATTERY
        and since is not None
        and power.heard_at > since - BEFORE_THE_FALL_S
    )


def _of_quality(checks: Sequence[CheckStatus]) -> Verdict:
    """Flapping, loss or jitter of the lowest layer that has any."""
    ordered = [check for layer in BROKEN_LAYER for check in checks if check.policy.layer is layer]
    if any(check.flapping for check in ordered):
        return Verdict(PointState.DEGRADED, Cause.FLAPPING)
    for check in ordered:
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
