"""What is reported, as figures and as text. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from math import isnan, nan

import msgspec

from monitor.bench.attribution.judge import Tally, brier, calibration_error, ratio
from monitor.bench.attribution.replay import Played, median, within
from monitor.bench.attribution.world import Family
from monitor.bench.peers import quantile

OURS = "diemcau"
IN_TIME_S = 5.0
"""By then the right company is to be named."""


class Row(msgspec.Struct, frozen=True):
    """One method over one family. NaN (null in JSON) for what has no meaning there."""

    precision: float = nan
    recall: float = nan
    recall_plain: float = nan
    """Of the faults that two points or more are down for alone."""
    owner_by_point: float = nan
    owner_by_incident: float = nan
    undetermined: float = nan
    ece: float = nan
    """Of the probability of blamed nodes."""
    ece_sites: float = nan
    ece_owner: float = nan
    """Of the owner's probability, of nodes and sites."""
    brier: float = nan
    suspects_precision: float = nan
    suspects_recall: float = nan
    """Of the wrong rows that show."""
    blamed: int = 0
    faults: int = 0

    @classmethod
    def of(cls, tally: Tally) -> "Row":
        """The figures of a sum."""
        return cls(
            ratio(tally.blamed_right, tally.blamed),
            ratio(tally.found, tally.visible),
            ratio(tally.plain_found, tally.plain),
            ratio(tally.owners_right, tally.points),
            ratio(tally.incidents_right, tally.incidents),
            ratio(tally.undetermined, tally.points),
            calibration_error(tally.stated),
            calibration_error(tally.stated_sites),
            calibration_error(tally.stated_owners),
            brier(tally.stated),
            ratio(tally.suspects_right, tally.suspects) if tally.exposed else nan,
            ratio(tally.exposed_found, tally.exposed),
            tally.blamed,
            tally.visible,
        )


class Times(msgspec.Struct, frozen=True):
    """Of one attribution, in seconds."""

    points: int
    nodes: int
    median_seconds: float
    p95_seconds: float

    @classmethod
    def of(cls, points: int, nodes: int, seconds: list[float]) -> "Times":
        """From single runs."""
        return cls(points, nodes, quantile(sorted(seconds), 0.5), quantile(sorted(seconds), 0.95))


class Report(msgspec.Struct, frozen=True):
    """Everything that was measured."""

    seed: int
    scenarios: int
    """Of each family."""
    replays: int
    families: Mapping[Family, Mapping[str, Row]]
    overall: Row
    """Ours, over all families."""
    replayed: Mapping[Family, Played]
    times: Times
    times_large: Times | None = None


WANTED = {
    Family.FEW: Row(precision=0.98, recall=0.96, owner_by_point=0.998),
    Family.STORM: Row(precision=0.98, recall=0.93, owner_by_point=0.995),
    Family.CASCADE: Row(precision=0.97, recall=0.97),
    Family.WRONG_MAP: Row(owner_by_point=0.95, suspects_precision=0.8),
}
"""At least; the calibration errors at most 0.05."""
COLUMNS = {
    "precision": "precision",
    "recall": "recall",
    "recall_plain": "…2+ points",
    "owner_by_point": "owner/point",
    "owner_by_incident": "owner/inc.",
    "undetermined": "undeterm.",
    "suspects_precision": "suspects P",
    "suspects_recall": "suspects R",
    "ece": "ECE nodes",
    "ece_sites": "ECE sites",
    "ece_owner": "ECE owner",
    "brier": "Brier",
}
WIDTH = 12


def lines(report: Report) -> Iterator[str]:
    """For people."""
    yield f"{report.scenarios} scenarios a family, {report.replays} of them played; seed {report.seed}"
    for family, rows in report.families.items():
        yield from _family(family, rows)
    yield "\n" + _line("all families", report.overall)
    yield "wanted: calibration errors of at most 0.05"
    yield from _replayed(report.replayed)
    for times in filter(None, (report.times, report.times_large)):
        yield (
            f"one attribution, {times.points:,} points, {times.nodes:,} nodes: "
            f"{times.median_seconds * 1e3:.1f} ms median, {times.p95_seconds * 1e3:.1f} ms p95"
        )
    yield "wanted: 10 ms median at 5,000 points, 300 ms at 100,000"


def _family(family: Family, rows: Mapping[str, Row]) -> Iterator[str]:
    ours = rows[OURS]
    yield f"\n{family.value}: {ours.faults} faults that show, {ours.blamed} nodes blamed"
    yield f"{'':18}" + "".join(f"{title:>{WIDTH}}" for title in COLUMNS.values())
    for method, row in rows.items():
        yield _line(method, row)
    if family in WANTED:
        yield _line("wanted", WANTED[family])


def _line(title: str, row: Row) -> str:
    return f"{title:18}" + "".join(_figure(getattr(row, column)) for column in COLUMNS)


def _timed(seconds: Sequence[float], width: int) -> str:
    return f"{median(seconds):{width - 2}.1f} s{within(seconds, IN_TIME_S):8.1%}"


def _figure(value: float) -> str:
    return " " * (WIDTH - 1) + "·" if isnan(value) else f"{value:{WIDTH}.3f}"


def _replayed(played: Mapping[Family, Played]) -> Iterator[str]:
    yield "\nplayed second by second; seconds from the fall of the second point of a fault"
    yield (
        f"{'':12}{'faults':>8}{'first right':>13}{'in 5 s':>8}{'stable':>8}{'in 5 s':>8}"
        f"{'retractions/scenario':>22}{'false alarms/scenario':>23}"
    )
    for family, one in played.items():
        number = max(1, one.scenarios)
        timed = (
            f"{_timed(one.first_right_s, 13)}{_timed(one.stable_s, 8)}"
            if one.stable_s
            else f"{'·':>13}{'·':>8}{'·':>8}{'·':>8}"
        )
        yield (
            f"{family.value:12}{len(one.stable_s):8}{timed}"
            f"{one.retractions / number:22.2f}{one.false_alarms / number:23.2f}"
        )
    yield f"wanted: the right company within {IN_TIME_S:g} s, nobody else called"
