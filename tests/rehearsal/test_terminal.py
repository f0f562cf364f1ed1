"""What a person sees of a rehearsal."""

import io

from monitor.core.model import PointState
from monitor.rehearsal.blame import Blamed, BlameScore, Misplaced
from monitor.rehearsal.deliveries import Deliveries
from monitor.rehearsal.faults import Fault
from monitor.rehearsal.links import Carried
from monitor.rehearsal.pages import Heard
from monitor.rehearsal.reporting import Frozen, Reported
from monitor.rehearsal.scenario import Scenario
from monitor.rehearsal.score import Evidence, FalseAlarm, Hit, PowerScore, Row, Score, Seen, Spread, score
from monitor.rehearsal.stage import Outcome, Scene
from monitor.rehearsal.terminal import FALSE_ALARMS_SHOWN, Terminal, scene_lines, table

HEARD = Heard(5, 4, 300, 7, 8, 0.02, 0.1, 1.25, cpu_s=0.6, elapsed_s=60.0)
DARK = PowerScore(9, 6, 7, 1, Spread(7, 0.5, 2.0, 2.5), wrong=("b",))
FAULTS = (Fault(0, "cáp quang", "cut", 10, 40), Fault(1, "ta", "uplink", 60, 70))


def scene(elapsed_s: float) -> Scene:
    made = Scene(Scenario(title="Buổi sáng", duration_s=100), 12, faults=FAULTS, elapsed_s=elapsed_s, phase="playing")
    made.counts = {PointState.UP: 10, PointState.DOWN: 2}
    made.addresses = {"board": "http://127.0.0.1:8080/wall/token"}
    return made


class Screen(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:  # noqa: D102
        return True


def test_the_scene_says_what_is_going_on() -> None:
    text = "\n".join(scene_lines(scene(20)))
    for part in (
        "playing",
        "0:20 of 1:40",
        "up 10",
        "down 2",
        "faults   cáp quang",
        "http://127.0.0.1:8080/wall/token",
    ):
        assert part in text
    assert "none; next in 10 s: ta" in "\n".join(scene_lines(scene(50)))
    assert "faults   none" in "\n".join(scene_lines(scene(80)))


def test_a_terminal_is_redrawn_in_place_and_left_clean() -> None:
    screen = Screen()
    terminal = Terminal(screen, live=True)
    terminal.show(scene(20))
    drawn = len(list(scene_lines(scene(20))))
    terminal.say("a line")
    assert f"\x1b[{drawn}F\x1b[J" in screen.getvalue()
    terminal.close()
    assert screen.getvalue().endswith("a line\n")


def test_a_file_gets_plain_lines_only() -> None:
    for live in (True, False):
        stream = io.StringIO()
        terminal = Terminal(stream, live=live)
        terminal.show(scene(20))
        terminal.say("a line")
        terminal.close()
        assert stream.getvalue().endswith(" a line\n")
        assert "\x1b" not in stream.getvalue()


BLAME = BlameScore(
    (
        Blamed("cáp quang", "VNPT Thanh Hóa", 48, True, "network:agg-395", 2.6, 3.6, 2.7),
        Blamed("đường dây", "Điện lực Mường Lát", 23, True, "", None, None, None),
        Blamed("một điểm", "site", 1, False, "site:a", 4.0, None, None),
    ),
    Spread.of([2.6]),
    3,
    1,
    (Misplaced("board", "site:b", "site", 51.0, 2.0, "merged"),),
    (Misplaced("vnpt", "network:olt-1", "VNPT Thanh Hóa", 9.12, None),),
    ("power:tba-1",),
    ("x-1",),
    passed=False,
)


DELIVERIES = Deliveries(
    messages=20,
    of_alertmanager=2,
    by_channel={"email": 5, "sms": 17},
    desks=7,
    told_seconds=Spread.of([2.5, 3.5]),
    most_in_a_minute=4,
    most_after_mending=2,
    beyond_budget=("vnpt-395",),
    twice=0,
    lost_points=("x-9",),
    children_first=(),
    escalated=1,
    acknowledged=6,
    refused=0,
)


def outcome(result: Score, *, alerts_by: str = "prometheus-alertmanager") -> Outcome:
    return Outcome(
        scenario="Buổi sáng",
        passed=result.passed,
        points=12,
        elapsed_seconds=61.2,
        alerts_by=alerts_by,
        prometheus=False,
        score=result,
        blame=BLAME,
        deliveries=DELIVERIES,
        forwarder=Carried(1000, 1, 2, 0, 0.001, 1.0, 10.0),
        pages=HEARD,
        reported=Reported(990, 51_234, 1, 0.125, 2),
        frozen=Frozen(1, 1018, 1001, 51_000, 0.25, genuine=True),
        service_cpu_ratio=0.25,
        service_resident_bytes=100 << 20,
        service_errors={"alerting.defect": 3},
    )


def test_the_table_has_a_row_for_each_fault_and_the_verdict_last() -> None:
    evidence = Evidence(FAULTS, hits=[Hit(0, "a", 100, 130)], seen=[Seen(101.5, "a", PointState.DOWN)], ended_at=150)
    lines = table(outcome(score(evidence, frozenset({"a"}), alerted=False))).splitlines()
    assert lines[0] == "Buổi sáng"
    assert lines[3].split()[:6] == ["cáp", "quang", "cut", "1", "1", "1"]
    assert "1.50" in lines[3]
    assert "not reached" in lines[4]
    assert lines[-1] == "PASSED"
    assert "The service logged an error, alerting.defect: 3 times (--keep DIR keeps its log)" in lines
    told = "5 villages had their page open: 300 heartbeats, 7 without an echo in time, 3 connections anew"
    assert f"{told}; echoes after 20 / 100 / 1250 ms; 1% of a core." in lines
    assert not any("no mains" in line for line in lines)
    told = "990 points reported 51,234 delegates, answered within 0.12 s"
    assert f"{told}; 1 refused, 2 answered and not kept." in lines
    assert "Snapshot 1, 0.2 s after the deadline: 1,001 of 1,018 points ready, 51,000 delegates." in lines
    assert "25% of a core and 100 MiB; the forwarder carried 1,000 packets at 10% of a core" in "\n".join(lines)


def test_false_alarms_are_listed_but_not_without_end() -> None:
    wrong = tuple(FalseAlarm(1.7e9 + n, f"p-{n}", "board") for n in range(FALSE_ALARMS_SHOWN + 5))
    spread = Spread(2, 1.0, 2.0, 2.0)
    row = Row("x", "cut", 1.0, 2, 2, 2, 0, 0, spread, spread, None, None, len(wrong))
    text = table(outcome(Score((row,), wrong, spread, spread, DARK, passed=False), alerts_by="log"))
    assert "9 points had no mains, a UPS or a page could tell of 6 and missed 1; 7 were shown to be without" in text
    assert "(after 0.50 / 2.00 / 2.50), 1 wrongly.\n  b (power_lost)" in text
    assert "1.00 / 2.00 / 2.00" in text
    assert "and 5 more" in text
    assert "No Alertmanager is on the PATH" in text
    assert text.endswith("FAILED")


def test_who_was_named_and_told_is_shown() -> None:
    lines = table(outcome(score(Evidence(FAULTS), frozenset(), alerted=False))).splitlines()
    for line in (
        "cáp quang: VNPT Thanh Hóa named 2.6 s after the second of 48 points fell (network:agg-395), told after 2.7 s",
        "đường dây: Điện lực Mường Lát was not named",
        "một điểm: site named 4.0 s after its point fell (site:a)",
        "3 incidents, 1 retracted; wrongly blamed on the board: 1, companies told of what is not theirs: 1",
        "  vnpt: network:olt-1 (VNPT Thanh Hóa) after 9.1 s, to the end",
        "  board: site:b (site) after 51.0 s, for 2.0 s, then merged",
        "Opened while our own uplink was lost: power:tba-1",
        "Told of points that are not expected: x-1",
    ):
        assert line in lines


def test_what_came_to_the_desks_is_told_and_what_did_not() -> None:
    lines = table(outcome(score(Evidence(FAULTS, ended_at=150), frozenset({"a"}), alerted=False))).splitlines()
    told = "20 messages came to 7 desks (5 by email, 17 by sms); from a fault to the phone of who must act "
    assert f"{told}3.00 / 3.50 / 3.50 s. Alertmanager itself sent 2 mails." in lines
    assert "6 times a desk tapped 'đã tiếp nhận', 0 refused; 1 times the level above was told." in lines
    assert lines[lines.index("  vnpt-395") + 1] == "  x-9"
