"""The workbook and the CSV, read back: the same figures as in the count, and nothing that calculates."""

import csv
from io import BytesIO, StringIO
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook

from monitor.core.checkin import PowerSupply
from monitor.core.model import Mode, PointState, Tier
from monitor.core.organization import Letterhead, ReportForm
from monitor.core.readiness import Lack
from monitor.core.snapshot import Content, SnapshotHead
from monitor.report import TABLES, report, table_csv
from monitor.report.sheet import FORMULA, SHEETS, csv_of
from monitor.report.tables import COUNTS, LEVELS, MODES, POWERS, STATES, TIERS, Column, Table
from monitor.words import LACKS

FIELDS = {column.title: field for column, field in COUNTS}


@pytest.fixture
def book(content: Content, snapshot: SnapshotHead) -> Workbook:
    return load_workbook(BytesIO(report(content, Letterhead(), ReportForm.XLSX, snapshot)))


def records(sheet: Any, head: int = 1) -> list[dict[str, Any]]:
    titles, *rows = list(sheet.iter_rows(min_row=head, values_only=True))
    return [dict(zip(titles, row, strict=True)) for row in rows]


def from_csv(made: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(made.decode("utf-8-sig"), newline="")))


def test_the_sheets(book: Workbook) -> None:
    assert tuple(book.sheetnames) == SHEETS


def test_the_summary_says_which_count_it_is(book: Workbook, snapshot: SnapshotHead) -> None:
    facts = {row[0]: row[1] for row in book["Tổng hợp"].iter_rows(values_only=True, max_col=2)}
    assert facts["Điểm cầu sẵn sàng"] == 2
    assert facts["Điểm cầu tham gia"] == 5
    assert facts["Đại biểu"] == 1430
    assert facts["Bản chốt số"] == 3
    assert facts["SHA-256"] == snapshot.digest
    assert facts["Số liệu tính đến"] == "07 giờ 30 phút ngày 08 tháng 5 năm 2025"
    assert "dữ liệu mẫu" in facts["Sự kiện"]


def test_a_blind_count_says_so(content: Content) -> None:
    blind = msgspec.structs.replace(content, blind=True)
    sheet = load_workbook(BytesIO(report(blind, Letterhead(), ReportForm.XLSX)))["Tổng hợp"]
    facts = {row[0]: row[1] for row in sheet.iter_rows(values_only=True, max_col=2)}
    assert "không quan sát được" in facts["Lưu ý"]
    assert facts["Bản chốt số"] == "chưa chốt: số liệu trực tiếp"


def test_counts_by_tier_and_district_are_those_of_the_count(book: Workbook, content: Content) -> None:
    summary = book["Tổng hợp"]
    head = next(row[0].row for row in summary.iter_rows(max_col=1) if row[0].value == "Cấp điểm cầu")
    assert head is not None
    *tiers, total = records(summary, head)
    assert [row["Cấp điểm cầu"] for row in tiers] == [TIERS[tier] for tier in content.tiers]
    *districts, whole = records(book["Huyện"])
    assert [row["Mã"] for row in districts] == [None, "384", "386"]
    for row, counts in (
        *zip(tiers, content.tiers.values(), strict=True),
        *zip(districts, (each.counts for each in content.districts), strict=True),
        (total, content.total),
        (whole, content.total),
    ):
        assert {field: row[title] for title, field in FIELDS.items()} == msgspec.structs.asdict(counts)
        assert row["Tỷ lệ sẵn sàng"] == pytest.approx(counts.ready / counts.expected, abs=0.001)


def test_every_point_has_its_row(book: Workbook, content: Content) -> None:
    rows = records(book["Toàn bộ điểm cầu"])
    assert [row["Mã"] for row in rows] == [point.id for point in content.points]
    for row, point in zip(rows, content.points, strict=True):
        assert (row["Điểm cầu"], row["Cấp"], row["Hình thức"]) == (point.name, LEVELS[point.tier], MODES[point.mode])
        assert (row["Đại biểu"], row["Người dự"]) == (point.delegates, point.attendees)
        assert (row["Mã huyện"] or "", row["Mã xã"] or "") == (point.district, point.commune)
        assert (row["Ghi chú"] or "", row["Chủ trì (chức danh)"] or "") == (point.note, point.chair)
    by_id = {row["Mã"]: row for row in rows}
    assert by_id["V3"]["Ghép vào điểm"] == "Xã Điền Lư"
    assert by_id["V1"]["Lý do chưa sẵn sàng"] == "mất điện; chưa có người trực"
    assert [by_id[each]["Sẵn sàng"] for each in ("TU", "V1", "V3")] == ["có", "không", None]
    assert by_id["C1"]["Báo muộn"] == "có"


def test_the_points_that_are_not_ready(book: Workbook) -> None:
    assert [row["Mã"] for row in records(book["Điểm cầu chưa sẵn sàng"])] == ["V5", "V2", "V1"]


def test_no_cell_is_a_formula(book: Workbook) -> None:
    """What begins with a sign of one is text, and stays text when somebody edits it."""
    typed = [cell for sheet in book for row in sheet.iter_rows() for cell in row if isinstance(cell.value, str)]
    assert {"=HYPERLINK(1)", "+Bí thư", "@x\n-1"} <= {cell.value for cell in typed}
    assert {(cell.data_type, cell.number_format) for cell in typed} == {("s", "@")}


def test_numbers_are_numbers(book: Workbook) -> None:
    cells = [cell for row in book["Huyện"].iter_rows(min_row=2, min_col=4) for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} == {"n"}
    assert {cell.number_format for cell in cells} == {"#,##0", "0.0%"}


@pytest.mark.parametrize("title", SHEETS[1:])
def test_heads_are_frozen_filtered_and_printed_on_each_page(book: Workbook, title: str) -> None:
    sheet = book[title]
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref.startswith("A1:")
    assert sheet.print_title_rows == "$1:$1"
    assert (sheet.page_setup.orientation, sheet.page_setup.paperSize) == ("landscape", 9)
    assert (sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight) == (1, 0)
    assert sheet.sheet_properties.pageSetUpPr is not None
    assert sheet.sheet_properties.pageSetUpPr.fitToPage
    assert all(sheet.column_dimensions[letter].width >= 7 for letter in ("A", "B", "C"))


def test_a_filter_leaves_the_sum_alone(book: Workbook) -> None:
    assert book["Huyện"].auto_filter.ref == "A1:O4"
    assert [cell.value for cell in book["Huyện"][5]][2] == "Toàn tỉnh"


# CSV


def test_csv_has_the_mark_by_which_excel_knows_utf_8(content: Content) -> None:
    assert report(content, Letterhead(), ReportForm.CSV).startswith("\ufeffMã,Điểm cầu,Cấp".encode())


def test_csv_has_the_figures_of_the_count(content: Content) -> None:
    points = from_csv(report(content, Letterhead(), ReportForm.CSV))
    assert [row["Đại biểu"] for row in points] == ["400", "1000", "", "30", "", "", ""]
    part = [row for row in points if row["Sẵn sàng"]]
    assert len(part) == content.total.expected
    assert sum(row["Sẵn sàng"] == "có" for row in part) == content.total.ready
    assert sum(int(row["Đại biểu"] or 0) for row in part) == content.total.delegates
    for table in ("tiers", "districts"):
        rows = from_csv(table_csv(content, table))
        for title, field in FIELDS.items():
            assert sum(int(row[title]) for row in rows) == getattr(content.total, field), (table, title)


@pytest.mark.parametrize("table", TABLES)
def test_every_table_can_be_had_by_itself(content: Content, table: str) -> None:
    expected = {"points": 7, "districts": 3, "tiers": 3, "not_ready": 3}
    assert len(from_csv(table_csv(content, table))) == expected[table]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r\0")))
def test_no_text_of_a_csv_begins_a_formula_and_none_is_lost(text: str) -> None:
    (row,) = from_csv(csv_of(Table((Column("a", 1), Column("b", 1)), ((text, 7),))))
    assert not row["a"].startswith(FORMULA)
    assert row["a"] in (text, f"'{text}")
    assert row["b"] == "7"


# Words


def test_there_are_words_for_everything() -> None:
    for words, meant in ((TIERS, Tier), (LEVELS, Tier), (MODES, Mode), (STATES, PointState), (POWERS, PowerSupply)):
        assert set(words) == set(meant)
    assert set(LACKS) == set(Lack)
    assert all(LACKS.values())
    assert len(set(LACKS.values())) == len(Lack), "two reasons are told apart"


def test_what_no_sheet_can_hold_is_left_out(content: Content) -> None:
    rows = (
        *content.points[:-1],
        msgspec.structs.replace(content.points[-1], name="Bản\x00\x0b A\ud800", note="x" * 40_000),
    )
    made = load_workbook(BytesIO(report(msgspec.structs.replace(content, points=rows), Letterhead(), ReportForm.XLSX)))
    *_, last = records(made["Toàn bộ điểm cầu"])
    assert last["Điểm cầu"] == "Bản A"
    assert len(last["Ghi chú"]) == 32_767
