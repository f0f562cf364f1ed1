"""Which alerts fire, move by move."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from monitor.alerting.ledger import Ledger
from monitor.alerting.messages import REPLACED
from monitor.core.model import Cause, Happening, Inventory, Mode, PhaseChanged, Point, PointState

UP, DEGRADED, DOWN, UNKNOWN = PointState.UP, PointState.DEGRADED, PointState.DOWN, PointState.UNKNOWN


class Desk:
    """A ledger over a stage: every move is folded in."""

    def __init__(self, stage: Any) -> None:
        self.stage = stage
        self.ledger = Ledger(stage.pipeline, external_url="https://monitor.example.invalid")
        self.ledger.mend(stage.now)

    def turn(self, point: str, state: PointState) -> set[str]:
        """A point takes this state; the fingerprints that changed."""
        return self.fold(self.stage.turn(point, state))

    def blind(self, blind: bool) -> set[str]:  # noqa: FBT001
        """Sight is lost, or regained."""
        return self.fold(self.stage.blind(blind))

    def fold(self, happenings: Iterable[Happening]) -> set[str]:
        """A second passes, and these are told."""
        self.stage.now += 1
        return self.ledger.fold(happenings, self.stage.now)

    def enter(self, number: int) -> set[str]:
        """A phase begins."""
        pipeline = self.stage.pipeline
        before, pipeline.phase = pipeline.phase, pipeline.ceremony.phases[number]
        return self.fold([PhaseChanged(before.name, pipeline.phase.name, self.stage.now)])

    @property
    def firing(self) -> set[str]:
        """What fires is about: point ids, or MonitorBlind."""
        return {alert.labels.get("instance", alert.labels["alertname"]) for alert in self.ledger.firing.values()}

    @property
    def ended(self) -> set[str]:
        """What has ended is about these."""
        alerts = (entry.alert for entry in self.ledger.ended.values())
        return {alert.labels.get("instance", alert.labels["alertname"]) for alert in alerts}


@pytest.fixture
def desk(stage: Callable[[int], Any]) -> Callable[[int], Desk]:
    """``desk(3)``: an empty ledger over three points."""
    return lambda points: Desk(stage(points))


def test_a_point_that_falls_fires_once(desk: Callable[[int], Desk]) -> None:
    """Down fires; what it is called afterwards while it stays down changes nothing."""
    ours = desk(2)
    assert len(ours.turn("p0", DOWN)) == 1
    ours.turn("p0", UNKNOWN)
    assert ours.turn("p0", DOWN) == set()
    assert ours.firing == {"p0"}


@pytest.mark.parametrize("state", [UP, DEGRADED])
def test_a_point_that_is_seen_connected_ends_its_alert(desk: Callable[[int], Desk], state: PointState) -> None:
    """Degraded is connected; it neither fires nor keeps firing."""
    ours = desk(1)
    ours.turn("p0", DOWN)
    fingerprint = next(iter(ours.ledger.firing))
    assert ours.turn("p0", state) == {fingerprint}
    assert (ours.firing, ours.ended) == (set(), {"p0"})
    entry = ours.ledger.entry(fingerprint)
    assert entry is not None
    assert entry.ends_at == ours.stage.now - 1


@pytest.mark.parametrize("state", [DEGRADED, UNKNOWN, UP])
def test_only_down_fires(desk: Callable[[int], Desk], state: PointState) -> None:
    ours = desk(1)
    assert ours.turn("p0", state) == set()
    assert ours.firing == set()


def test_a_point_that_flaps_keeps_its_one_alert(desk: Callable[[int], Desk]) -> None:
    """Up and down again while it flaps: nothing is resolved, nothing rings anew; calm again, it is over."""
    at = desk(1)
    at.fold(at.stage.turn("p0", PointState.DOWN))
    fired = set(at.ledger.firing)
    at.fold(at.stage.turn("p0", PointState.DEGRADED, cause=Cause.FLAPPING))
    at.ledger.mend(at.stage.now)
    assert set(at.ledger.firing) == fired
    at.fold(at.stage.turn("p0", PointState.DOWN))
    assert set(at.ledger.firing) == fired
    at.fold(at.stage.turn("p0", PointState.DEGRADED, cause=Cause.FLAPPING))
    at.fold(at.stage.turn("p0", PointState.UP))
    assert not at.ledger.firing


def test_what_falls_again_is_no_longer_ended(desk: Callable[[int], Desk]) -> None:
    ours = desk(1)
    for state in (DOWN, UP, DOWN):
        ours.turn("p0", state)
    assert (ours.firing, ours.ended) == ({"p0"}, set())


def test_blindness_freezes_what_fires_and_starts_nothing(desk: Callable[[int], Desk]) -> None:
    """While blind one alert is about us; a point that was down stays alerted until it is seen up."""
    ours = desk(3)
    ours.turn("p0", DOWN)
    ours.blind(True)
    ours.turn("p0", UNKNOWN)
    ours.turn("p1", DOWN)
    assert ours.firing == {"p0", "MonitorBlind"}
    ours.turn("p1", UNKNOWN)
    ours.blind(False)
    assert ours.firing == {"p0"}
    ours.turn("p0", UP)
    assert ours.firing == set()


def test_a_point_that_fell_while_we_were_blind_fires_when_we_see_again(desk: Callable[[int], Desk]) -> None:
    """What creation was suppressed for is made good at once, even if nothing more is told of it."""
    ours = desk(3)
    ours.blind(True)
    ours.turn("p1", DOWN)
    assert ours.firing == {"MonitorBlind"}
    ours.blind(False)
    assert ours.firing == {"p1"}
    assert ours.ended == {"MonitorBlind"}


def test_a_graver_phase_raises_what_fires(desk: Callable[[int], Desk]) -> None:
    """What was lost quietly rings when it matters: the old alert ends as a graver one starts, from the same instant."""
    ours = desk(1)
    ours.turn("p0", DOWN)
    (quiet,) = ours.ledger.firing.values()
    ours.enter(1)
    (grave,) = ours.ledger.firing.values()
    assert grave.labels == {**quiet.labels, "severity": "critical"}
    assert grave.starts_at == quiet.starts_at
    assert set(ours.ledger.ended) == {quiet.fingerprint}
    assert ours.ledger.ended[quiet.fingerprint].alert.annotations == {**quiet.annotations, "replaced": REPLACED}
    assert "replaced" not in grave.annotations


def test_a_lighter_phase_changes_nothing_that_fires(desk: Callable[[int], Desk]) -> None:
    """Nobody is told that something is over which is not; what starts now is lighter."""
    ours = desk(2)
    ours.enter(1)
    ours.turn("p0", DOWN)
    assert ours.enter(0) == set()
    ours.turn("p1", DOWN)
    severities = {alert.labels["instance"]: alert.labels["severity"] for alert in ours.ledger.firing.values()}
    assert severities == {"p0": "critical", "p1": "warning"}


def test_a_blind_monitor_is_raised_as_well(desk: Callable[[int], Desk]) -> None:
    """It has no point, and its severity follows the same rule."""
    ours = desk(1)
    ours.blind(True)
    ours.enter(1)
    assert [alert.labels["severity"] for alert in ours.ledger.firing.values()] == ["critical"]
    ours.blind(False)
    assert not ours.ledger.firing


def test_a_point_that_a_reload_removes_ends_its_alert(
    desk: Callable[[int], Desk], another_inventory: Callable[..., Inventory]
) -> None:
    """Nothing is told of a point that is gone, so the ledger looks for itself."""
    ours = desk(3)
    ours.turn("p2", DOWN)
    ours.fold(ours.stage.reload(another_inventory(2), checks=2))
    assert (ours.firing, ours.ended) == (set(), {"p2"})


def test_a_point_that_is_not_expected_any_more_ends_its_alert(
    desk: Callable[[int], Desk], another_inventory: Callable[..., Inventory], a_point: Callable[..., Point]
) -> None:
    """Merged into another at the last minute, as happens: it is not lost any more."""
    ours = desk(2)
    ours.turn("p1", DOWN)
    merged = another_inventory(2)
    merged.points["p1"] = a_point("p1", Mode.MERGED)
    ours.fold(ours.stage.reload(merged, checks=2))
    assert (ours.firing, ours.ended) == (set(), {"p1"})


def test_a_point_that_nobody_observes_any_more_ends_its_alert(
    desk: Callable[[int], Desk], another_inventory: Callable[..., Inventory]
) -> None:
    """Without a check it could never be seen up again."""
    ours = desk(2)
    ours.turn("p1", DOWN)
    ours.fold(ours.stage.reload(another_inventory(2), checks=1))
    assert (ours.firing, ours.ended) == (set(), {"p1"})


def test_a_reload_that_corrects_the_owner_moves_the_alert(
    desk: Callable[[int], Desk], another_inventory: Callable[..., Inventory]
) -> None:
    """The wrong company is told that it is over, the right one that it began; the start stays."""
    ours = desk(1)
    ours.turn("p0", DOWN)
    before = next(iter(ours.ledger.firing.values()))
    ours.fold(ours.stage.reload(another_inventory(1, operator="VNPT Nông Cống"), checks=1))
    (after,) = ours.ledger.firing.values()
    assert before.fingerprint in ours.ledger.ended
    assert after.labels == {**before.labels, "operator": "VNPT Nông Cống"}
    assert after.starts_at == before.starts_at


def test_a_reload_that_changes_nothing_moves_nothing(
    desk: Callable[[int], Desk], another_inventory: Callable[..., Inventory]
) -> None:
    ours = desk(2)
    ours.turn("p0", DOWN)
    assert ours.fold(ours.stage.reload(another_inventory(2), checks=2)) == set()


def test_the_ledger_mends_itself(desk: Callable[[int], Desk]) -> None:
    """Happenings that got lost are found in the state they came from."""
    ours = desk(3)
    ours.turn("p0", DOWN)
    ours.stage.turn("p0", UP)
    ours.stage.turn("p1", DOWN)
    ours.ledger.mend(ours.stage.now)
    assert (ours.firing, ours.ended) == ({"p1"}, {"p0"})
    assert ours.ledger.mend(ours.stage.now) == set()


def test_what_ended_is_forgotten_in_time_unless_somebody_is_owed_it(desk: Callable[[int], Desk]) -> None:
    ours = desk(2)
    for point in ("p0", "p1"):
        ours.turn(point, DOWN)
        ours.turn(point, UP)
    first, second = ours.ledger.ended
    ours.ledger.forget(ours.stage.now - 100, owed=())
    assert set(ours.ledger) == {first, second}
    ours.ledger.forget(ours.stage.now + 1, owed={second})
    assert set(ours.ledger) == {second}
