"""The count by 07:30, against a count from scratch over whatever may happen."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.checkin import Author, CheckIn, PowerSupply, Voice
from monitor.core.model import Cause, Mode, Point, PointState, Tier
from monitor.core.readiness import NOTHING, Counts, Lack, Requirement, Rule, Rules, Seen, Tally

READY_AFTER_S = 120.0
EVERYTHING = Rules(rules=(Rule(requires=frozenset(Requirement)),))


def point(name: str, mode: Mode = Mode.TWO_WAY, into: str | None = None, tier: Tier = Tier.VILLAGE) -> Point:
    return Point(id=name, name=name, tier=tier, mode=mode, merged_into=into, district_code="386", commune_code="1")


def tally(*points: Point, rules: Rules | None = None) -> Tally:
    return Tally({each.id: each for each in points}, rules or Rules(), READY_AFTER_S, 0.0)


def report(name: str = "a", at: float = 10.0, **said: object) -> CheckIn:
    whole = {
        "picture": True,
        "sound": True,
        "delegates": 30,
        "attendees": 50,
        "chair": "Bí thư chi bộ",
        "power": PowerSupply.GRID,
        "late": False,
        **said,
    }
    author = Author(Voice.POINT, name)
    return CheckIn(point=name, entry=f"entry-{at}", author=author, note="", entered_at=at, received_at=at, **whole)  # type: ignore[arg-type]


def seen(state: PointState, since: float = 0.0, cause: Cause = Cause.NONE, until: float = inf) -> Seen:
    return Seen(state, cause, since, until)


def test_degraded_counts_as_up_and_not_as_ready() -> None:
    books = tally(point("a"))
    books.place("a", seen(PointState.DEGRADED), 0.0)
    counted = books.count(1000.0).total
    assert (counted.expected, counted.up, counted.ready) == (1, 1, 0)


def test_a_rule_may_let_a_degraded_line_suffice() -> None:
    books = tally(point("a"), rules=Rules(rules=(Rule(degraded_counts=True),)))
    books.place("a", seen(PointState.DEGRADED), 0.0)
    assert books.count(1000.0).total.ready == 1


def test_merged_points_are_counted_where_they_sit_and_what_they_say_nowhere() -> None:
    books = tally(point("host"), point("m", Mode.MERGED, "host"), point("n", Mode.MERGED, "m"))
    books.report(report("m"), 10.0)
    books.report(report("host"), 10.0)
    total = books.count(10.0).total
    assert (total.planned, total.merged, total.hosted, total.expected) == (3, 2, 2, 1)
    assert (total.reported, total.delegates, total.attendees) == (1, 30, 50)


def test_points_merged_in_a_circle_sit_nowhere() -> None:
    books = tally(point("m", Mode.MERGED, "n"), point("n", Mode.MERGED, "m"))
    assert books.count(0.0).total == Counts(planned=2, merged=2)
    assert books.standing("m", 0.0).host is None


@pytest.mark.parametrize(
    ("said", "lack"),
    [
        ({"picture": False}, Lack.NO_PICTURE),
        ({"sound": False}, Lack.NO_SOUND),
        ({"delegates": None}, Lack.NO_DELEGATES),
        ({"chair": ""}, Lack.NO_CHAIR),
        ({"power": None}, Lack.NO_POWER_SOURCE),
        ({}, None),
    ],
)
def test_each_thing_that_a_report_lacks_is_named(said: dict[str, object], lack: Lack | None) -> None:
    books = tally(point("a"), rules=EVERYTHING)
    books.place("a", seen(PointState.UP), 0.0)
    books.report(report(**said), 10.0)
    found = books.standing("a", READY_AFTER_S)
    assert (found.lacks, found.ready) == (() if lack is None else (lack,), lack is None)


@pytest.mark.parametrize(
    ("line", "lack"),
    [
        (seen(PointState.DOWN), Lack.LOST_SIGNAL),
        (seen(PointState.DOWN, cause=Cause.POWER_LOST), Lack.LOST_POWER),
        (seen(PointState.DEGRADED, cause=Cause.POWER_LOST), Lack.LOST_POWER),
        (seen(PointState.DEGRADED, cause=Cause.FLAPPING), Lack.DEGRADED),
        (seen(PointState.UNKNOWN), Lack.UNSEEN),
        (seen(PointState.UP, since=950.0), Lack.SETTLING),
        (seen(PointState.UP, until=999.0), Lack.UNSEEN),
    ],
)
def test_each_fault_of_a_line_is_named(line: Seen, lack: Lack) -> None:
    books = tally(point("a"))
    books.place("a", line, 1000.0)
    assert books.standing("a", 1000.0).lacks == (lack,)


def test_a_point_that_has_not_reported_has_nobody_there_unless_its_page_is_open() -> None:
    books = tally(point("a"), rules=EVERYTHING)
    books.place("a", seen(PointState.UP), 0.0)
    assert books.standing("a", 500.0).lacks == (Lack.NOT_ATTENDED,)
    assert books.standing("a", 500.0, attended=True).lacks == (Lack.NOT_REPORTED,)


def test_a_report_grows_old() -> None:
    books = tally(point("a"), rules=Rules(rules=(Rule(requires=frozenset({Requirement.SOUND}), report_valid_s=600.0),)))
    books.place("a", seen(PointState.UP), 0.0)
    books.report(report(at=100.0), 100.0)
    assert [books.count(at).total.ready for at in (119.0, 120.0, 699.0, 700.0)] == [0, 1, 1, 0]
    assert books.standing("a", 700.0).lacks == (Lack.OUTDATED,)


def test_what_was_entered_last_holds_in_whatever_order_it_comes() -> None:
    for order in ((1, 2), (2, 1)):
        books = tally(point("a"))
        for at in order:
            books.report(report(at=float(at), delegates=at), 10.0)
        assert books.count(10.0).total.delegates == 2


def test_while_we_do_not_see_a_point_stands_as_it_was_seen_for_a_while() -> None:
    books = tally(point("a"))
    books.place("a", seen(PointState.UP, until=1300.0), 1000.0)
    assert [books.count(at).total.ready for at in (1299.0, 1300.0)] == [1, 0]
    assert books.count(1300.0).total.up == 0


def test_the_first_rule_that_fits_is_the_rule() -> None:
    watching = Rule(modes=frozenset({Mode.WATCH}), requires=frozenset({Requirement.PICTURE}))
    rules = Rules(rules=(watching, Rule(requires=frozenset({Requirement.CHAIR}))))
    assert rules.of(point("a", Mode.WATCH)) is watching
    assert rules.of(point("a")).requires == {Requirement.CHAIR}
    assert Rules(rules=(watching,)).of(point("a")).requires == set()


# A recount from the raw tables: inventory, verdicts and every report that came, in plain loops.


@dataclass
class Raw:
    """Everything that ever came, and nothing derived."""

    points: dict[str, Point]
    lines: dict[str, Seen] = field(default_factory=dict)
    reports: list[CheckIn] = field(default_factory=list)


REQUIRED = frozenset({Requirement.SOUND, Requirement.DELEGATES})
RULES = Rules(
    rules=(
        Rule(tiers=frozenset({Tier.VILLAGE}), modes=frozenset({Mode.WATCH}), connected_for_s=5.0, degraded_counts=True),
        Rule(requires=REQUIRED, report_valid_s=50.0),
    )
)


def sits_at(raw: Raw, name: str) -> str | None:
    """Walk at most as many steps as there are points."""
    for _ in range(len(raw.points) + 1):
        if raw.points[name].mode in (Mode.TWO_WAY, Mode.WATCH):
            return name
        into = raw.points[name].merged_into if raw.points[name].mode is Mode.MERGED else None
        if into is None:
            return None
        name = into
    return None


def is_ready(raw: Raw, name: str, last: CheckIn | None, now: float) -> bool:
    line, one = raw.lines.get(name), raw.points[name]
    if line is None:
        return False
    if one.tier is Tier.VILLAGE and one.mode is Mode.WATCH:
        return line.state in (PointState.UP, PointState.DEGRADED) and now - line.since >= 5.0
    told = last is not None and last.sound and last.delegates is not None and now < last.entered_at + 50.0
    return line.state is PointState.UP and now - line.since >= READY_AFTER_S and told


def recount(raw: Raw, now: float) -> dict[Tier, dict[str, int]]:
    found = {one.tier: dict.fromkeys(NOTHING.__struct_fields__, 0) for one in raw.points.values()}
    for name, one in raw.points.items():
        row = found[one.tier]
        row["planned"] += 1
        if one.mode is Mode.MERGED:
            row["merged"] += 1
            host = sits_at(raw, name)
            if host is not None:
                found[raw.points[host].tier]["hosted"] += 1
            continue
        if one.mode is Mode.NO_COVERAGE:
            row["without_coverage"] += 1
            continue
        row["expected"] += 1
        line = raw.lines.get(name)
        row["up"] += line is not None and line.state in (PointState.UP, PointState.DEGRADED)
        ours = [each for each in raw.reports if each.point == name]
        last = max(ours, key=lambda each: (each.entered_at, each.received_at, each.entry), default=None)
        row["ready"] += is_ready(raw, name, last, now)
        if last is not None:
            if last.delegates is not None:
                row["reported"] += 1
                row["late"] += last.late
                row["delegates"] += last.delegates
            people = last.attendees if last.attendees is not None else last.delegates
            row["attendees"] += people if people is not None else 0
    return found


NAMES = ["a", "b", "c", "d", "e", "f"]
people = st.one_of(st.none(), st.integers(0, 300))
plans = st.fixed_dictionaries(
    {
        name: st.builds(
            point,
            st.just(name),
            st.sampled_from(Mode),
            st.sampled_from([other for other in NAMES if other != name]),
            st.sampled_from([Tier.VILLAGE, Tier.COMMUNE]),
        )
        for name in NAMES
    }
)
moments = st.sampled_from([0.0, 1.0, 4.0, 5.0, 30.0, 50.0, 119.0, 120.0])
events = st.lists(
    st.one_of(
        st.tuples(st.just("line"), moments, st.sampled_from(NAMES), st.sampled_from(list(PointState)[:4])),
        st.tuples(
            st.just("report"),
            moments,
            st.sampled_from(NAMES),
            st.fixed_dictionaries(
                {
                    "delegates": people,
                    "attendees": people,
                    "sound": st.booleans(),
                    "waited": moments,
                    "late": st.booleans(),
                }
            ),
        ),
        st.tuples(st.just("plan"), moments, plans),
    ),
    max_size=40,
)


def replay(plan: dict[str, Point], history: list[tuple[object, ...]]) -> Iterator[tuple[Tally, Raw, float]]:
    """The books and the raw tables, after each event."""
    raw, now = Raw(plan), 0.0
    books = Tally(plan, RULES, READY_AFTER_S, now)
    for number, (sort, passed, *rest) in enumerate(history):
        now += passed  # type: ignore[operator]
        match sort, rest:
            case "line", [str(name), PointState() as state]:
                raw.lines[name] = seen(state, since=now)
                books.place(name, raw.lines[name], now)
            case "report", [str(name), {"waited": float(waited), **said}]:
                made = report(name, now - waited, **said)
                raw.reports.append(msgspec.structs.replace(made, entry=f"e{number:03}", received_at=now))
                books.report(raw.reports[-1], now)
            case "plan", [dict(plan)]:
                raw.points = plan
                held = books.reports()
                books = Tally(plan, RULES, READY_AFTER_S, now)
                for name, line in raw.lines.items():
                    books.place(name, line, now)
                for each in held:
                    books.report(each, now)
        yield books, raw, now


@given(plans, events)
def test_agrees_with_a_recount_from_the_raw_tables(plan: dict[str, Point], history: list[tuple[object, ...]]) -> None:
    """Merged chains and circles, late and waiting entries, modes that change: the books and the tables agree."""
    for books, raw, now in replay(plan, history):
        expected = {tier: Counts(**row) for tier, row in recount(raw, now).items()}
        counted = books.count(now)
        assert counted.tiers == expected
        assert sum(counts.planned for counts in books.places(now).values()) == len(plan)
        assert counted.total.ready == sum(books.standing(name, now).ready for name in NAMES)
