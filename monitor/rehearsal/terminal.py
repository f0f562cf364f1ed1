"""Shows a rehearsal to a person: a few lines that are redrawn in place, a log above them, the table at the end."""

import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TextIO

from monitor.core.attribution import SITE
from monitor.core.model import PointState
from monitor.rehearsal.blame import Blamed, BlameScore, Misplaced
from monitor.rehearsal.deliveries import Deliveries
from monitor.rehearsal.score import PowerScore, Row, Score, Spread
from monitor.rehearsal.stage import Outcome, Scene

REDRAW_S = 0.25
BAR = 30
SHOWN_STATES = (PointState.UP, PointState.DEGRADED, PointState.DOWN, PointState.UNKNOWN)
FALSE_ALARMS_SHOWN = 10
ERASE_BELOW = "\x1b[J"


class Terminal:
    """Writes plain lines; on a terminal, also the scene beneath them."""

    def __init__(self, stream: TextIO | None = None, *, live: bool) -> None:
        self._stream = stream or sys.stderr
        self._live = live and self._stream.isatty()
        self._drawn = 0
        self._drawn_at = 0.0

    def say(self, text: str) -> None:
        """A line that stays."""
        self._erase()
        self._stream.write(f"{datetime.now().astimezone():%H:%M:%S} {text}\n")
        self._stream.flush()

    def show(self, scene: Scene) -> None:
        """Redraw the scene, not too often."""
        if not self._live or time.monotonic() - self._drawn_at < REDRAW_S:
            return
        width = shutil.get_terminal_size().columns - 1
        lines = [line[:width] for line in scene_lines(scene)]  # a line that wraps would not be erased
        self._erase()
        self._stream.write("\n".join(lines) + "\n")
        self._stream.flush()
        self._drawn, self._drawn_at = len(lines), time.monotonic()

    def close(self) -> None:
        """Take the scene away."""
        self._erase()
        self._stream.flush()

    def _erase(self) -> None:
        if self._drawn:
            self._stream.write(f"\x1b[{self._drawn}F{ERASE_BELOW}")
            self._drawn = 0


def scene_lines(scene: Scene) -> Iterator[str]:
    """The scene as it stands."""
    duration_s = scene.scenario.duration_s
    done = min(1.0, scene.elapsed_s / duration_s)
    bar = "█" * round(done * BAR) + "░" * (BAR - round(done * BAR))
    yield ""
    yield f"  {scene.phase}  {bar}  {_clock(scene.elapsed_s)} of {_clock(duration_s)}"
    yield "  points   " + "   ".join(f"{state.value} {scene.counts.get(state, 0)}" for state in SHOWN_STATES)
    sight = "   the monitor says that it is blind" if scene.blind else ""
    yield f"  truth    lines cut {scene.cut_now}   alerts firing {scene.alerts_firing}{sight}"
    yield f"  faults   {_current(scene)}   messages to desks {scene.messages}"
    yield "  look     " + "   ".join(f"{name} {url}" for name, url in scene.addresses.items())
    yield "  Ctrl-C ends it, with the score so far"


def _current(scene: Scene) -> str:
    now = [fault.name for fault in scene.faults if fault.from_s <= scene.elapsed_s < fault.to_s]
    coming = [fault for fault in scene.faults if fault.from_s > scene.elapsed_s]
    if now:
        return ", ".join(now)
    return f"none; next in {coming[0].from_s - scene.elapsed_s:.0f} s: {coming[0].name}" if coming else "none"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


COLUMNS = (
    "fault", "kind", "hit", "detected", "missed", "to detection", "to the alert", "to recovery", "to resolved",
    "false alarms",
)  # fmt: skip
LEFT = {"fault", "kind"}


def table(outcome: Outcome) -> str:
    """The score of a rehearsal as text."""
    rows = [COLUMNS, *(_cells(row) for row in outcome.score.rows)]
    widths = [max(len(row[index]) for row in rows) for index in range(len(COLUMNS))]
    lines = ["  ".join(_aligned(row, widths)).rstrip() for row in rows]
    lines.insert(1, "  ".join("─" * width for width in widths))
    return "\n".join([outcome.scenario, *(lines if outcome.score.rows else ()), *_remarks(outcome)])


def _cells(row: Row) -> tuple[str, ...]:
    reached = row.began_at is not None
    ours = row.kind == "uplink"
    missed = row.points_missed + row.alerts_missed
    return (
        row.name,
        row.kind,
        ("us" if ours else str(row.points_hit)) if reached else "not reached",
        ("yes" if row.points_detected else "no") if ours else str(row.points_detected),
        str(missed),
        _spread(row.detection_seconds),
        _spread(row.alert_seconds),
        _spread(row.recovery_seconds),
        _spread(row.resolved_seconds),
        str(row.false_alarms),
    )


def _spread(spread: Spread | None) -> str:
    """Median, 95th percentile and maximum, seconds."""
    if spread is None:
        return "-"
    if spread.count == 1:
        return f"{spread.median:.2f}"
    return f"{spread.median:.2f} / {spread.p95:.2f} / {spread.max:.2f}"


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        cell.ljust(width) if name in LEFT else cell.rjust(width)
        for name, cell, width in zip(COLUMNS, row, widths, strict=True)
    ]


def _blame(blame: BlameScore) -> Iterator[str]:
    """Who was named and told."""
    yield from (f"{row.fault}: {row.operator} {_named(row)}" for row in blame.rows if row.points)
    yield (
        f"{blame.incidents} incidents, {blame.retractions} retracted; wrongly blamed on the board: "
        f"{len(blame.wrongly_named)}, companies told of what is not theirs: {len(blame.wrongly_told)}"
    )
    wrong = (*blame.wrongly_told, *blame.wrongly_named)
    yield from (f"  {_misplaced(each)}" for each in wrong[:FALSE_ALARMS_SHOWN])
    if blame.while_blind:
        yield f"Opened while our own uplink was lost: {', '.join(blame.while_blind[:FALSE_ALARMS_SHOWN])}"
    if blame.merged_points:
        yield f"Told of points that are not expected: {', '.join(blame.merged_points[:FALSE_ALARMS_SHOWN])}"


def _deliveries(sent: Deliveries) -> Iterator[str]:
    """What came to the desks' phones."""
    channels = ", ".join(f"{count} by {channel}" for channel, count in sent.by_channel.items())
    yield (
        f"{sent.messages} messages came to {sent.desks} desks ({channels or 'none'}); from a fault to the phone of who "
        f"must act {_spread(sent.told_seconds)} s. Alertmanager itself sent {sent.of_alertmanager} mails."
    )
    yield (
        f"The most that one desk got in a minute: {sent.most_in_a_minute}, after something was mended: "
        f"{sent.most_after_mending}; beyond their budget: {len(sent.beyond_budget)}; twice the same: {sent.twice}; "
        f"points that fell and nobody was told of: {len(sent.lost_points)}; children told before their parent: "
        f"{len(sent.children_first)}."
    )
    yield (
        f"{sent.acknowledged} times a desk tapped 'đã tiếp nhận', {sent.refused} refused; {sent.escalated} times the "
        "level above was told."
    )
    wrong = (*sent.beyond_budget, *sent.lost_points, *sent.children_first)
    yield from (f"  {each}" for each in wrong[:FALSE_ALARMS_SHOWN])


def _named(row: Blamed) -> str:
    if row.named_seconds is None:
        return "was not named" if row.owed else "was not named, and need not be"
    fell = "its point" if row.operator == SITE or row.points < 2 else f"the second of {row.points} points"
    told = f", told after {row.told_seconds:.1f} s" if row.told_seconds is not None else ""
    told += " with others" if row.told_with_others else ""
    return f"named {row.named_seconds:.1f} s after {fell} fell ({row.named}){told}"


def _misplaced(each: Misplaced) -> str:
    lasted = "to the end" if each.lasted_seconds is None else f"for {each.lasted_seconds:.1f} s"
    ended = f", then {each.ended}" if each.ended else ""
    return f"{each.by}: {each.incident} ({each.operator}) after {each.after_seconds:.1f} s, {lasted}{ended}"


def _remarks(outcome: Outcome) -> Iterator[str]:
    yield ""
    yield "Times are seconds: median / 95th percentile / maximum."
    if outcome.alerts_by == "log":
        yield "No Alertmanager is on the PATH: the alert's time is when the service raised it, delivered or not."
    else:
        yield "The alert's time is its arrival at a webhook behind a real Alertmanager that holds nothing back."
    yield f"{outcome.points:,} points took part for {outcome.elapsed_seconds:.0f} s; {_load(outcome)}"
    yield from _pages(outcome)
    yield from _reported(outcome)
    yield from _power(outcome.score.power)
    yield from _blame(outcome.blame)
    if outcome.deliveries is not None:
        yield from _deliveries(outcome.deliveries)
    for event, count in outcome.service_errors.items():
        yield f"The service logged an error, {event}: {count} times (--keep DIR keeps its log)"
    yield from _false_alarms(outcome.score)
    yield "PASSED" if outcome.passed else "FAILED"


def _pages(outcome: Outcome) -> Iterator[str]:
    heard = outcome.pages
    if heard is None or not heard.pages:
        return
    rtts = " / ".join(f"{rtt_s * 1000:.0f}" for rtt_s in (heard.rtt_median_s, heard.rtt_p95_s, heard.rtt_max_s))
    cpu = heard.cpu_s / max(heard.elapsed_s, 0.1)
    yield (
        f"{heard.pages:,} villages had their page open: {heard.beats:,} heartbeats, {heard.unanswered:,} without an "
        f"echo in time, {heard.connections - heard.pages:,} connections anew; echoes after {rtts} ms; {cpu:.0%} "
        "of a core."
    )


def _reported(outcome: Outcome) -> Iterator[str]:
    said, frozen = outcome.reported, outcome.frozen
    yield (
        f"{said.sent:,} points reported {said.delegates:,} delegates, answered within {said.slowest_seconds:.2f} s; "
        f"{said.refused:,} refused, {said.lost:,} answered and not kept."
    )
    if frozen is not None:
        yield (
            f"Snapshot {frozen.number}, {frozen.after_seconds:.1f} s after the deadline: {frozen.ready:,} of "
            f"{frozen.expected:,} points ready, {frozen.delegates:,} delegates"
            f"{'' if frozen.genuine else '; its digest does NOT fit'}."
        )


def _power(power: PowerScore) -> Iterator[str]:
    if not power.points_dark:
        return
    wrong = "".join(f"\n  {point} (power_lost)" for point in power.wrong[:FALSE_ALARMS_SHOWN])
    yield (
        f"{power.points_dark:,} points had no mains, a UPS or a page could tell of {power.points_owed:,} and missed "
        f"{power.points_missed:,}; {power.points_told:,} were shown to be without power "
        f"(after {_spread(power.told_seconds)}), {len(power.wrong):,} wrongly.{wrong}"
    )


def _load(outcome: Outcome) -> str:
    memory = (
        f"the service took {outcome.service_cpu_ratio:.0%} of a core and {outcome.service_resident_bytes >> 20} MiB"
    )
    carried = outcome.forwarder
    if carried is None:
        return f"{memory}."
    cpu = carried.cpu_s / max(carried.elapsed_s, 0.1)
    return f"{memory}; the forwarder carried {carried.packets:,} packets at {cpu:.0%} of a core."


def _false_alarms(result: Score) -> Iterator[str]:
    yield f"False alarms: {len(result.false_alarms)}"
    for alarm in result.false_alarms[:FALSE_ALARMS_SHOWN]:
        at = datetime.fromtimestamp(alarm.at).astimezone()
        yield f"  {at:%H:%M:%S} {alarm.point} ({alarm.by})"
    if len(result.false_alarms) > FALSE_ALARMS_SHOWN:
        yield f"  and {len(result.false_alarms) - FALSE_ALARMS_SHOWN} more"
