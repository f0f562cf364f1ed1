"""Tables of check-ins: drafts, or every error with its row and column."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.bulk import HEADINGS, MOST_ERRORS, Column, Fault, _Wrong, _yes, plain, read_table
from monitor.core.checkin import PowerSupply
from monitor.core.model import Mode, Point, Tier

POINTS = {
    name: Point(id=name, name=f"Điểm {name}", tier=Tier.VILLAGE, mode=mode, merged_into=into)
    for name, mode, into in (
        ("x-1", Mode.WATCH, None),
        ("x-2", Mode.TWO_WAY, None),
        ("10001", Mode.WATCH, None),
        ("m-1", Mode.MERGED, "x-1"),
        ("n-1", Mode.NO_COVERAGE, None),
    )
}
HEAD = (
    *("Mã điểm cầu", "Tên", "Hình", "Tiếng", "Đại biểu", "Người tham dự"),
    *("Chủ trì (chức danh)", "Nguồn điện", "Ghi chú"),
)


class Sum:
    """A formula, as the workbook hands it over."""

    text = "=SUM(A1:A9)"


def read(*rows: tuple[Any, ...], head: tuple[Any, ...] = HEAD) -> Any:
    return read_table(enumerate([head, *rows], start=1), POINTS, "upload")


def row(
    point: Any = "x-1",
    picture: Any = "x",
    sound: Any = "x",
    delegates: Any = 10,
    attendees: Any = 12,
    chair: Any = "Bí thư",
    power: Any = "lưới",
    note: Any = None,
) -> tuple[Any, ...]:
    return (point, "tên", picture, sound, delegates, attendees, chair, power, note)


def test_a_row_becomes_a_draft() -> None:
    table = read(row(), row("x-2", None, "Có", 3.0, None, None, "Máy phát điện", " chờ\r\nsửa "))
    assert table.errors == ()
    (first, one), (second, other) = table.drafts
    assert (first, one.picture, one.sound, one.delegates, one.attendees) == ("x-1", True, True, 10, 12)
    assert (one.chair, one.power) == ("Bí thư", PowerSupply.GRID)
    assert (second, other.picture, other.delegates, other.power) == ("x-2", False, 3, PowerSupply.GENERATOR)
    assert other.note == "chờ\nsửa"


def test_a_number_may_be_a_points_id() -> None:
    assert [point for point, _ in read(row(10001.0)).drafts] == ["10001"]


def test_rows_without_a_report_are_passed_over_whatever_point_they_name() -> None:
    assert read(("x-1", "tên"), ("nobody",), (None,) * 9, ("m-1", "tên", "", " ")).drafts == ()
    assert read(("nobody", "tên")).errors == ()


def test_columns_are_found_in_any_order_without_marks() -> None:
    table = read((7, "x-1"), head=("DAI BIEU", "ma diem cau"))
    assert [(point, draft.delegates) for point, draft in table.drafts] == [("x-1", 7)]
    assert all(plain(word) == word for words in HEADINGS.values() for word in words)


@pytest.mark.parametrize(
    ("bad", "column", "fault", "detail"),
    [
        (row("10002"), Column.POINT, Fault.UNKNOWN_POINT, "10001"),
        (row("zzz"), Column.POINT, Fault.UNKNOWN_POINT, ""),
        (row(None), Column.POINT, Fault.NO_POINT, ""),
        (row("m-1"), Column.POINT, Fault.NO_PART, "Điểm x-1"),
        (row("n-1"), Column.POINT, Fault.NO_PART, ""),
        (row(Sum()), Column.POINT, Fault.FORMULA, ""),
        (row(delegates=-1), Column.DELEGATES, Fault.OUT_OF_BOUNDS, "0–20000"),
        (row(delegates="-5"), Column.DELEGATES, Fault.OUT_OF_BOUNDS, "0–20000"),
        (row(delegates=20_001), Column.DELEGATES, Fault.OUT_OF_BOUNDS, "0–20000"),
        (row(delegates=3.5), Column.DELEGATES, Fault.NOT_A_NUMBER, ""),
        (row(delegates=float("nan")), Column.DELEGATES, Fault.NOT_A_NUMBER, ""),
        (row(delegates=float("inf")), Column.DELEGATES, Fault.NOT_A_NUMBER, ""),
        (row(delegates=True), Column.DELEGATES, Fault.NOT_A_NUMBER, ""),
        (row(delegates="mười"), Column.DELEGATES, Fault.NOT_A_NUMBER, ""),
        (row(delegates="=1+1"), Column.DELEGATES, Fault.FORMULA, ""),
        (row(delegates=Sum()), Column.DELEGATES, Fault.FORMULA, ""),
        (row(delegates=12, attendees=11), Column.ATTENDEES, Fault.FEWER, ""),
        (row(picture="maybe"), Column.PICTURE, Fault.NOT_YES_OR_NO, ""),
        (row(power="than"), Column.POWER, Fault.UNKNOWN_SUPPLY, ""),
        (row(chair="=cmd|' /C calc'!A0"), Column.CHAIR, Fault.FORMULA, ""),
        (row(chair="x" * 121), Column.CHAIR, Fault.TOO_LONG, "120"),
        (row(note="\u202egnộc"), Column.NOTE, Fault.BAD_TEXT, ""),
    ],
)
def test_what_is_wrong_is_named_with_its_row_and_nothing_counts(
    bad: tuple[Any, ...], column: Column, fault: Fault, detail: str
) -> None:
    table = read(row("x-2"), bad)
    assert [(each.row, each.column, each.fault, each.detail) for each in table.errors] == [(3, column, fault, detail)]
    assert table.drafts == ()


def test_a_point_that_comes_twice_names_both_rows() -> None:
    (error,) = read(row(), row("x-2"), row()).errors
    assert (error.row, error.fault, error.detail) == (4, Fault.REPEATED, "2")


@pytest.mark.parametrize("head", [(), ("Tên", "Huyện"), ("Mã điểm cầu",), (1, 2, 3)])
def test_a_table_without_headings_says_so(head: tuple[Any, ...]) -> None:
    (error,) = read(row(), head=head).errors
    assert (error.row, error.fault) == (0, Fault.NO_HEADING)


def test_a_heading_that_comes_twice_is_an_error() -> None:
    (error,) = read(("x-1", 1, 2), head=("Mã", "Đại biểu", "Số đại biểu")).errors
    assert error.fault is Fault.REPEATED_HEADING


def test_errors_are_bounded_and_counted() -> None:
    table = read(*[row("nobody")] * (MOST_ERRORS + 50))
    assert (len(table.errors), table.total_errors) == (MOST_ERRORS, MOST_ERRORS + 50)


def test_the_same_upload_makes_the_same_entries_and_another_others() -> None:
    rows = list(enumerate([HEAD, row()], start=1))
    one, same, other = (read_table(rows, POINTS, name).drafts[0][1].entry for name in ("a", "a", "b"))
    assert one == same != other


cells = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["x", "x-1", "x-2", "m-1", "lưới", "=1", Sum()]),
)


@given(st.lists(st.lists(cells, max_size=10).map(tuple), max_size=8))
def test_whatever_stands_in_the_cells_it_is_drafts_or_errors(rows: list[tuple[Any, ...]]) -> None:
    table = read(*rows)
    assert not (table.drafts and table.errors)
    assert len({point for point, _ in table.drafts}) == len(table.drafts)
    assert all(POINTS[point].expected and draft.delegates in (None, *range(20_001)) for point, draft in table.drafts)


@pytest.mark.parametrize("cell", [float("inf"), float("nan"), 1.7, 3.0, -2.5])
def test_a_number_that_is_neither_one_nor_zero_is_no_yes(cell: float) -> None:
    with pytest.raises(_Wrong):
        _yes(cell, {})
