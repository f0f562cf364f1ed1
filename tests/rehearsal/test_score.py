"""The score: what happened against what was noticed."""

from math import inf

import pytest

from monitor.core.model import Cause, PointState
from monitor.rehearsal.faults import Fault
from monitor.rehearsal.score import GRACE_S, Evidence, Hit, Score, Seen, Sight, Spread, Told, score

PROBED = frozenset({"a", "b", "c"})
CUT = Fault(0, "sợi", "cut", 10, 40)
UP, DOWN = PointState.UP, PointState.DOWN


def noticed(point: str, cut_at: float, mended_at: float = inf, *, after_s: float = 1.0) -> Evidence:
    """A point that was cut and noticed as it should be."""
    evidence = Evidence((CUT,), hits=[Hit(0, point, cut_at, mended_at)])
    evidence.seen = [Seen(cut_at + after_s, point, DOWN)]
    evidence.told = [Told(cut_at + after_s + 0.1, point, firing=True)]
    if mended_at < inf:
        evidence.seen.append(Seen(mended_at + 2, point, UP))
        evidence.told.append(Told(mended_at + 2.1, point, firing=False))
    evidence.ended_at = min(mended_at, cut_at + 60) + 20
    return evidence


def judged(evidence: Evidence, *, alerted: bool = True) -> Score:
    return score(evidence, PROBED, alerted=alerted)


def test_a_fault_that_is_noticed_passes_with_its_times() -> None:
    result = judged(noticed("a", 100, 130))
    row = result.rows[0]
    assert result.passed
    assert (row.points_hit, row.points_detected, row.points_missed, row.false_alarms) == (1, 1, 0, 0)
    for spread, expected in (
        (row.detection_seconds, 1.0),
        (row.alert_seconds, 1.1),
        (row.recovery_seconds, 2.0),
        (row.resolved_seconds, 2.1),
    ):
        assert spread is not None
        assert abs(spread.max - expected) < 1e-6


def test_a_point_that_stays_unnoticed_is_missed() -> None:
    evidence = noticed("a", 100, 130)
    evidence.hits.append(Hit(0, "b", 100, 130))
    result = judged(evidence)
    assert (result.rows[0].points_hit, result.rows[0].points_detected, result.rows[0].points_missed) == (2, 1, 1)
    assert not result.passed


def test_an_alert_that_does_not_arrive_fails_where_alerts_can() -> None:
    evidence = noticed("a", 100, 130)
    evidence.told.clear()
    assert not judged(evidence).passed
    assert judged(evidence, alerted=False).passed


def test_an_outage_too_short_to_judge_is_not_owed() -> None:
    """Neither one that was mended soon nor one that had just begun when the rehearsal ended."""
    for hit in (Hit(0, "a", 100, 103), Hit(0, "a", 115)):
        result = judged(Evidence((CUT,), hits=[hit], ended_at=120))
        assert result.passed
        assert (result.rows[0].points_hit, result.rows[0].points_owed) == (1, 0)


def test_a_point_that_nobody_probes_is_no_hit() -> None:
    result = judged(Evidence((CUT,), hits=[Hit(0, "merged", 100, 130)], ended_at=150))
    assert result.passed
    assert result.rows[0].points_hit == 0


def test_what_is_said_of_a_whole_line_is_a_false_alarm() -> None:
    """Once for a point, whether the board, the alert or both said it; it counts with the fault before it."""
    evidence = noticed("a", 100, 130)
    evidence.seen.append(Seen(140, "b", DOWN))
    evidence.told.append(Told(140.1, "b", firing=True))
    evidence.told.append(Told(141, "c", firing=True))
    result = judged(evidence)
    assert [(alarm.point, alarm.by) for alarm in result.false_alarms] == [("b", "board"), ("c", "alert")]
    assert result.rows[0].false_alarms == 2
    assert not result.passed


def test_a_false_alarm_that_stands_counts_once() -> None:
    """Through blindness and back it is the same one; after the point was seen up it is another."""
    evidence = Evidence((CUT,), ended_at=200)
    for at, state in ((100, DOWN), (101, PointState.UNKNOWN), (110, DOWN), (120, UP), (130, DOWN)):
        evidence.seen.append(Seen(at, "a", state))
    assert [alarm.at for alarm in judged(evidence).false_alarms] == [100, 130]


def test_an_alarm_about_a_point_that_takes_no_part_is_false() -> None:
    evidence = noticed("a", 100, 130)
    evidence.hits.append(Hit(0, "merged", 100, 130))
    evidence.told.append(Told(101, "merged", firing=True))
    assert [alarm.point for alarm in judged(evidence).false_alarms] == ["merged"]


def test_an_alarm_in_the_wake_of_an_outage_is_not_false() -> None:
    evidence = Evidence((CUT,), hits=[Hit(0, "a", 100, 101)], ended_at=150)
    evidence.seen = [Seen(101 + GRACE_S - 0.5, "a", DOWN)]
    assert judged(evidence).passed
    evidence.seen = [Seen(101 + GRACE_S + 0.5, "a", DOWN)]
    assert not judged(evidence).passed


def test_flapping_is_noticed_once_a_point_and_owes_no_alert() -> None:
    fault = Fault(0, "4G", "flapping", 10, 60)
    hits = [Hit(0, point, at, at + 4) for point in "ab" for at in (110.0, 125.0, 140.0)]
    evidence = Evidence((fault,), hits=hits, ended_at=200)
    evidence.seen = [Seen(126, "a", DOWN), Seen(129, "a", PointState.DEGRADED, Cause.FLAPPING)]
    row = judged(evidence).rows[0]
    assert (row.points_hit, row.points_detected, row.points_missed) == (2, 1, 0)
    assert row.detection_seconds is not None
    assert row.detection_seconds.max == 16
    assert judged(evidence).passed


def blinded(*sight: Sight, told: tuple[Told, ...] = ()) -> Evidence:
    fault = Fault(0, "uplink", "uplink", 10, 40)
    return Evidence((fault,), uplink={0: [100.0, 130.0]}, sight=list(sight), told=list(told), ended_at=150)


def test_a_lost_uplink_is_noticed_by_saying_so() -> None:
    told = (Told(103.2, "", firing=True), Told(131, "", firing=False))
    result = judged(blinded(Sight(103, blind=True), Sight(130.5, blind=False), told=told))
    row = result.rows[0]
    assert result.passed
    assert (row.points_hit, row.points_detected) == (0, 1)
    assert row.detection_seconds is not None
    assert row.detection_seconds.max == 3


def test_a_lost_uplink_that_is_taken_for_the_points_fails() -> None:
    evidence = blinded(Sight(103, blind=True), told=(Told(103, "", firing=True), Told(104, "a", firing=True)))
    assert [alarm.point for alarm in judged(evidence).false_alarms] == ["a"]
    assert not judged(blinded()).passed


def test_what_begins_while_we_are_blind_counts_from_our_seeing_again() -> None:
    evidence = noticed("a", 110, 160, after_s=22)
    evidence.faults = (CUT, Fault(1, "uplink", "uplink", 0, 20))
    evidence.uplink = {1: [100.0, 130.0]}
    evidence.sight = [Sight(103, blind=True), Sight(130, blind=False)]
    evidence.told.append(Told(103, "", firing=True))
    result = judged(evidence)
    assert result.passed
    assert result.detection_seconds is not None
    assert result.detection_seconds.max == 2


def test_a_point_that_was_down_already_brings_no_news() -> None:
    """Its line is cut again before the board has shown it up: nothing can be said once more."""
    evidence = noticed("a", 100, 130)
    evidence.seen = [Seen(101, "a", DOWN), Seen(170, "a", UP)]
    evidence.hits.append(Hit(0, "a", 131, 160))
    evidence.ended_at = 200
    result = judged(evidence)
    assert result.passed
    assert result.rows[0].points_hit == 1


def test_a_fault_that_was_not_reached_has_no_times() -> None:
    result = judged(Evidence((CUT,)))
    assert result.passed
    assert result.rows[0].began_at is None


def test_spread_is_median_95th_percentile_and_maximum() -> None:
    assert Spread.of([]) is None
    assert Spread.of([3.0]) == Spread(1, 3.0, 3.0, 3.0)
    assert Spread.of(float(n) for n in range(1, 101)) == Spread(100, 50.5, 95.0, 100.0)


DARK = Fault(0, "điện", "power_cut", 10, 70)
LOST = Cause.POWER_LOST


def unpowered(*said: Seen, hits: list[Hit] | None = None) -> Evidence:
    """A and b were without mains from 100 to 160."""
    dark = [Hit(0, "a", 100, 160), Hit(0, "b", 100, 160)]
    return Evidence((DARK,), ended_at=200, hits=hits or [], dark=dark, seen=list(said))


def test_want_of_power_is_told_by_whoever_could() -> None:
    """A has a page and told; b has neither page nor UPS, so nobody is owed its story."""
    evidence = unpowered(Seen(100.4, "a", PointState.DEGRADED, LOST))
    power = score(evidence, PROBED, tells_s={"a": 3.0}).power
    assert (power.points_dark, power.points_owed, power.points_told, power.points_missed) == (2, 1, 1, 0)
    assert power.told_seconds is not None
    assert power.told_seconds.max == pytest.approx(0.4)
    assert power.wrong == ()


def test_a_point_that_did_not_tell_in_time_is_missed_unless_its_line_fell_first() -> None:
    assert score(unpowered(), PROBED, tells_s={"a": 3.0}).power.points_missed == 1
    for cut_at in (90.0, 100.5, 102.0):
        hits = [Hit(0, "a", cut_at, 160)]
        assert score(unpowered(hits=hits), PROBED, tells_s={"a": 3.0}).power.points_owed == 0
    last_breath = unpowered(Seen(101.5, "a", DOWN, LOST), hits=[Hit(0, "a", 100.5, 160)])
    assert score(last_breath, PROBED, tells_s={"a": 3.0}).power.points_told == 1


def test_a_point_with_mains_is_not_to_be_shown_without() -> None:
    """After the mains are back its UPS has a moment to say so."""
    evidence = unpowered(Seen(120, "c", DOWN, LOST), Seen(165, "a", UP), Seen(169, "a", PointState.DEGRADED, LOST))
    assert score(evidence, PROBED).power.wrong == ("c",)


CODEC = Fault(0, "codec", "codec_off", 10, 70)
MUTE = Cause.LOST_SIGNALLING


def silenced(*said: Seen, hits: list[Hit] | None = None) -> Score:
    """The codec of a was off from 100 to 150."""
    mute = [Hit(0, "a", 100, 150)]
    return judged(Evidence((CODEC,), ended_at=200, mute=mute, seen=list(said), hits=hits or []))


def test_a_codec_that_is_off_is_noticed_as_such() -> None:
    result = silenced(Seen(114, "a", PointState.DEGRADED, MUTE), Seen(158, "a", UP))
    row = result.rows[0]
    assert result.passed
    assert (row.points_hit, row.points_owed, row.points_detected, row.points_missed) == (1, 1, 1, 0)
    assert row.detection_seconds is not None
    assert row.detection_seconds.max == 14
    assert row.recovery_seconds is not None
    assert row.recovery_seconds.max == 8


def test_a_point_whose_codec_is_off_is_not_down() -> None:
    result = silenced(Seen(114, "a", DOWN))
    assert [alarm.point for alarm in result.false_alarms] == ["a"]
    assert result.rows[0].points_missed == 1


def test_of_a_codec_behind_a_cut_line_nothing_is_owed() -> None:
    for cut_at, mended_at in ((90, 160), (110, 140)):
        result = silenced(Seen(112, "a", DOWN), hits=[Hit(0, "a", cut_at, mended_at)])
        assert result.rows[0].points_owed == 0
        assert not result.false_alarms


def test_mains_that_came_back_while_our_uplink_was_lost_are_seen_when_it_is_back() -> None:
    """And not before; without that excuse it was said for too long."""
    late = unpowered(Seen(103, "a", PointState.DEGRADED, LOST), Seen(185, "a", PointState.DEGRADED, LOST))
    late.uplink = {1: [165.0, 180.0]}
    assert score(late, PROBED, tells_s={"a": 5.0}).power.wrong == ()
    late.uplink = {}
    assert score(late, PROBED, tells_s={"a": 5.0}).power.wrong == ("a",)
