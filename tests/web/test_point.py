"""One point's page, as figures, words and geometry."""

from math import inf, isfinite, nan
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.history import Bin
from monitor.web.point import HEIGHT, chart, failure, scale, view

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
AT = 1_746_660_600.0


def bins_of(*found: tuple[int, int, float]) -> list[Bin]:
    return [Bin(AT + 15 * i, *each) for i, each in enumerate(found)]


bins = st.lists(
    st.tuples(st.integers(0, 100), st.floats(0, 1), st.floats(0, 30)).map(
        lambda drawn: (drawn[0], lost := int(drawn[0] * drawn[1]), drawn[2] if drawn[0] > lost else nan)
    ),
    max_size=240,
)


@given(bins)
def test_whatever_was_measured_fits_the_drawing(found: list[tuple[int, int, float]]) -> None:
    """Lines, losses and gaps lie within the chart; gaps cover what was not probed and nothing else."""
    drawn = chart(bins_of(*found), AT + 3600, ZONE)
    unseen = {x for x, (sent, _, _) in enumerate(found) if not sent}
    assert {x for gap in drawn.gaps for x in range(gap.x, gap.x + gap.width)} == unseen
    assert all(0 <= loss.y <= HEIGHT and 0 <= loss.height <= HEIGHT for loss in drawn.losses)
    numbers = [
        float(word)
        for line in drawn.lines
        for word in line.replace("M", " ").replace("L", " ").replace("h", " ").split()
    ]
    assert all(isfinite(number) and -0.1 <= number <= max(240.0, HEIGHT) for number in numbers)


def test_a_line_is_interrupted_where_nothing_answered() -> None:
    """Three bins with answers in two stretches are two lines; one alone is drawn as a dash."""
    drawn = chart(bins_of((5, 0, 0.01), (5, 0, 0.02), (5, 5, nan), (0, 0, nan), (5, 0, 0.01)), AT + 60, ZONE)
    assert drawn.lines == ("M0.5 50.0 L1.5 0.0", "M4.5 50.0h0.5")
    assert [(loss.x, loss.height) for loss in drawn.losses] == [(2, 100.0)]
    assert [(gap.x, gap.width) for gap in drawn.gaps] == [(3, 1)]
    assert drawn.scale == ("20", "10", "0")
    assert drawn.summary == "Độ trễ lớn nhất 20,0 ms, mất 5 trên 20 gói."


def test_a_chart_of_nothing_says_so() -> None:
    drawn = chart(bins_of((0, 0, nan), (0, 0, nan)), AT, ZONE)
    assert drawn.summary == "Chưa có số liệu trong một giờ qua."
    assert drawn.lines == ()


@given(st.floats(0, 1e6))
def test_the_scale_holds_the_most_and_not_much_more(most_s: float) -> None:
    assert most_s <= scale(most_s) <= max(0.001, most_s * 2.5 * (1 + 1e-9))


@pytest.mark.parametrize(
    ("detail", "told"),
    [
        ("", ""),
        ("timeout", "hết thời gian chờ, không có trả lời"),
        ("unreachable host from 10.38.0.9", "thiết bị mạng báo không có đường tới (host from 10.38.0.9)"),
        ("<script>", "<script>"),
    ],
)
def test_a_failure_reads_in_vietnamese_with_what_it_names(detail: str, told: str) -> None:
    assert failure(detail) == told


def test_a_lost_point_shows_why_and_since_when(stage: Any) -> None:
    stage.up()
    stage.down(["tinh-uy"])
    shown = view(stage.pipeline, "tinh-uy", stage.now)
    assert shown is not None
    assert (shown.state, shown.cause, shown.code) == ("Mất kết nối", "không trả lời", "d")
    assert shown.detail == "hết thời gian chờ, không có trả lời"
    assert [check.module for check in shown.checks] == ["icmp", "h323_port"]
    assert [step.operator for step in shown.network] == ["VNPT Thanh Hóa"]
    figures = {fact.name: fact.value for fact in shown.checks[0].figures}
    assert figures["Tỷ lệ mất gói"] == "100,0 %"
    assert "hết thời gian chờ" in figures["Lần đo gần nhất"]


def test_a_merged_point_names_its_host(stage: Any) -> None:
    merged = next(p for p in stage.pipeline.inventory.points.values() if p.merged_into)
    shown = view(stage.pipeline, merged.id, stage.now)
    assert shown is not None
    assert shown.state == "Không tính"
    assert shown.checks == ()
    assert any(fact.href == merged.merged_into for fact in shown.facts)


def test_a_check_that_was_never_made_shows_dashes(stage: Any) -> None:
    shown = view(stage.pipeline, "tinh-uy", stage.now)
    assert shown is not None
    values = [fact.value for fact in shown.checks[0].figures]
    assert values[:3] == ["–", "–", "–"]
    assert values[-1] == "chưa đo lần nào"
    assert stage.pipeline.checks["tinh-uy/icmp"].last_at == -inf


def test_there_is_no_page_of_an_unknown_point(stage: Any) -> None:
    assert view(stage.pipeline, "khong-co", stage.now) is None
