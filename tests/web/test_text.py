"""The catalogue is whole, and numbers and instants read as people write them here."""

import re
from enum import StrEnum
from math import inf, nan
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from monitor.core.attribution import FactKind, PowerSource
from monitor.core.detection import Hold
from monitor.core.model import (
    Cause,
    Certainty,
    Change,
    CheckState,
    IncidentState,
    Mode,
    NodeKind,
    PointState,
    Tier,
    Tree,
)
from monitor.web import text
from probes.model import Failure, Layer

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
HALF_PAST_SEVEN = 1_746_664_200.0
WEB = Path(text.__file__).parent


@pytest.mark.parametrize(
    ("enum", "catalogue"),
    [
        (PointState, text.STATES),
        (PointState, text.SEEN),
        (Cause, text.CAUSES),
        (CheckState, text.CHECK_STATES),
        (Tier, text.TIERS),
        (Tier, text.TIERS_SHORT),
        (Mode, text.MODES),
        (Layer, text.LAYERS),
        (NodeKind, text.NODE_KINDS),
        (Hold, text.HOLDS),
        (Failure, text.FAILURES),
        (Tree, text.INCIDENTS),
        (IncidentState, text.INCIDENT_STATES),
        (Certainty, text.SURE),
        (Certainty, text.SURE_BRIEFLY),
        (Change, text.CHANGES),
    ],
)
def test_every_member_has_words(enum: type[StrEnum], catalogue: dict[StrEnum, str]) -> None:
    """A new state, cause or failure cannot be forgotten here."""
    assert set(catalogue) == set(enum)


def test_every_fact_has_a_sentence() -> None:
    """Of a source that is not foreseen as well; of every source of electricity by name."""
    assert {kind for kind, source in text.FACTS if not source} == set(FactKind)
    for kind in (FactKind.ON_BATTERY, FactKind.ON_MAINS):
        assert {source for known, source in text.FACTS if known is kind and source} == set(PowerSource)


@pytest.mark.parametrize(("probability", "written"), [(0.999, "99 %"), (0.82, "82 %"), (0.29, "29 %"), (0.5, "50 %")])
def test_nothing_is_ever_quite_sure(probability: float, written: str) -> None:
    assert text.chance(probability) == written


def test_every_string_is_used_and_every_used_one_exists() -> None:
    """The catalogue holds what the pages show, no less and no more."""
    sources = [path.read_text() for folder, ext in (("", "py"), ("templates", "html"), ("static", "js"))
               for path in (WEB / folder).glob(f"*.{ext}") if path.name != "text.py"]  # fmt: skip
    everything = "\n".join(sources)
    asked = set(re.findall(r'\bTEXT\["(\w+)"\]|\bt\.(\w+)|\bwords\.(\w+)', everything))
    asked_names = {name for names in asked for name in names if name}
    known = set(text.TEXT) | {"states", "causes", "tiers", "timezone", "lacks", "csrf", "may_remind"}
    assert asked_names <= known
    unused = {key for key in text.TEXT if not re.search(rf"\b{key}\b", everything)}
    assert {key.removesuffix("_hint") for key in unused} <= {f"error_{why}" for why in (404, 405, 500, 503, "other")}


def test_no_template_or_script_speaks_vietnamese_of_its_own() -> None:
    """Every string is in the one catalogue: the files beside it are plain ASCII but for arrows, dots and dashes."""
    for folder, ext in (("templates", "html"), ("static", "js")):
        for path in (WEB / folder).glob(f"*.{ext}"):
            assert set(re.findall(r"[^\x00-\x7f]", path.read_text())) <= set("–·←"), path.name


@pytest.mark.parametrize(("number", "written"), [(0, "0"), (999, "999"), (1018, "1.018"), (1_234_567, "1.234.567")])
def test_thousands_are_parted_by_dots(number: int, written: str) -> None:
    assert text.count(number) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(nan, "–"), (inf, "–"), (0.0000046, "0,00 ms"), (0.0123, "12,3 ms"), (0.34, "340 ms")],
)
def test_milliseconds_have_as_many_digits_as_mean_something(seconds: float, written: str) -> None:
    assert text.milliseconds(seconds) == written


@pytest.mark.parametrize(
    ("left_s", "written"),
    [(41 * 60 + 12.9, "00:41:12"), (-5, "00:00:00"), (3 * 86400 + 3600, "3 ngày 01:00:00"), (86399, "23:59:59")],
)
def test_a_countdown_ends_at_zero_and_has_days(left_s: float, written: str) -> None:
    assert text.countdown(left_s) == written


@pytest.mark.parametrize(
    ("at", "written"),
    [
        (HALF_PAST_SEVEN, "07:30:00"),
        (HALF_PAST_SEVEN - 86400, "07:30 07/05"),
        (HALF_PAST_SEVEN - 86400 * 365, "07:30 08/05/2024"),
        (-inf, "–"),
    ],
)
def test_an_instant_has_its_day_where_it_is_not_today(at: float, written: str) -> None:
    assert text.moment(at, HALF_PAST_SEVEN + 60, ZONE) == written


def test_an_appointment_on_another_day_says_so() -> None:
    assert text.appointment(HALF_PAST_SEVEN, HALF_PAST_SEVEN - 3600, ZONE) == "07:30"
    assert text.appointment(HALF_PAST_SEVEN, HALF_PAST_SEVEN - 86400, ZONE) == "07:30 ngày 08/05/2025"


@pytest.mark.parametrize(("seconds", "written"), [(120, "2 phút"), (90, "90 giây"), (0.5, "0,5 giây")])
def test_a_span_reads_in_minutes_where_it_is_whole(seconds: float, written: str) -> None:
    assert text.span(seconds) == written
