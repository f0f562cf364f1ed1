"""The report as a workbook for Excel, and as CSV: the same cells as on paper, numbers as numbers.

What people have typed is text for good: a cell that begins with a sign of a formula is never one (CWE-1236).
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO, StringIO
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter

from monitor.core.organization import Letterhead
from monitor.core.snapshot import Content, SnapshotHead
from monitor.report.tables import Cell, Kind, Table
from monitor.report.wording import Report, written

Sheet = Any
"""A write-only one: the stubs do not know what it has."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""With these a spreadsheet begins to calculate."""
FORMATS = {Kind.TEXT: "@", Kind.COUNT: "#,##0", Kind.SHARE: "0.0%"}
SHEETS = ("Tổng hợp", "Huyện", "Điểm cầu chưa sẵn sàng", "Toàn bộ điểm cầu")
A4 = 9
"""As spreadsheets number the sizes of paper."""
LONGEST = 32_767
"""Characters of a cell."""

FONT = "Times New Roman"
PLAIN, BOLD, LARGE = Font(name=FONT, size=12), Font(name=FONT, size=12, bold=True), Font(name=FONT, size=14, bold=True)
SHADE = PatternFill("solid", fgColor="E7E6E6")
THIN = Side(style="thin", color="808080")
FRAME = Border(left=THIN, right=THIN, top=THIN, bottom=THIN)
WRAPPED = Alignment(vertical="top", wrap_text=True)
CENTRED = Alignment(horizontal="center", vertical="center", wrap_text=True)


def workbook(content: Content, letterhead: Letterhead, snapshot: SnapshotHead | None = None) -> bytes:
    """The report as XLSX."""
    report = written(content, letterhead, snapshot)
    book = Workbook(write_only=True)
    book.properties.title, book.properties.creator = report.subject, letterhead.agency
    tables = report.tables
    _summary(_sheet(book, SHEETS[0], tables.tiers, frozen=0), report)
    for title, table in zip(SHEETS[1:], (tables.districts, tables.not_ready, tables.points), strict=True):
        _fill(_sheet(book, title, table, frozen=1), table)
    file = BytesIO()
    book.save(file)
    return file.getvalue()


def sheets(title: str, author: str, tables: Mapping[str, Table]) -> bytes:
    """These tables as XLSX, a sheet each."""
    book = Workbook(write_only=True)
    book.properties.title, book.properties.creator = title, author
    for name, table in tables.items():
        _fill(_sheet(book, name, table, frozen=1), table)
    file = BytesIO()
    book.save(file)
    return file.getvalue()


def points_csv(content: Content, letterhead: Letterhead, snapshot: SnapshotHead | None = None) -> bytes:
    """All points as CSV."""
    return csv_of(written(content, letterhead, snapshot).tables.points)


def csv_of(table: Table) -> bytes:
    """A table as CSV (RFC 4180), in UTF-8 with the mark by which Excel knows it; without what it adds up to."""
    text = StringIO()
    rows = csv.writer(text)
    rows.writerow(column.title for column in table.columns)
    rows.writerows([_harmless(cell) for cell in row] for row in table.rows)
    return text.getvalue().encode("utf-8-sig")


def _harmless(cell: Cell) -> Cell:
    """An apostrophe before what would be taken for a formula, for CSV knows no text."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def _sheet(book: Workbook, title: str, table: Table, frozen: int) -> Sheet:
    """An empty sheet with widths, print set-up and the filter of its table."""
    sheet: Sheet = book.create_sheet(title)
    for index, column in enumerate(table.columns, start=1):
        sheet.column_dimensions[get_column_letter(index)].width = column.width + 2
    sheet.page_setup.paperSize = A4
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    sheet.oddFooter.center.text = "&P/&N"
    if frozen:
        sheet.freeze_panes = "A2"
        sheet.print_title_rows = "1:1"
        sheet.auto_filter.ref = f"A1:{get_column_letter(len(table.columns))}{len(table.rows) + 1}"
    return sheet


def _summary(sheet: Sheet, report: Report) -> None:
    """The facts, label by value, then the tiers."""
    sheet.append([_cell(sheet, report.subject, _style(sheet, LARGE))])
    sheet.append([])
    label_style, text, count = _style(sheet, BOLD), _style(sheet, PLAIN), _style(sheet, PLAIN, Kind.COUNT)
    for label, value in report.facts:
        told = _cell(sheet, value, text if isinstance(value, str) else count)
        sheet.append([_cell(sheet, label, label_style), told])
    sheet.append([])
    _fill(sheet, report.tables.tiers)


def _fill(sheet: Sheet, table: Table) -> None:
    """Head, rows and total of a table, below what is there."""
    head = _style(sheet, BOLD, alignment=CENTRED, border=FRAME, fill=SHADE)
    sheet.append([_cell(sheet, column.title, head) for column in table.columns])
    _append(sheet, table.rows, table, PLAIN)
    _append(sheet, [table.total] if table.total else [], table, BOLD)


def _append(sheet: Sheet, rows: Iterable[Sequence[Cell]], table: Table, font: Font) -> None:
    styles = [_style(sheet, font, column.kind, alignment=WRAPPED, border=FRAME) for column in table.columns]
    for row in rows:
        sheet.append([_cell(sheet, value, style) for value, style in zip(row, styles, strict=True)])


def _style(sheet: Sheet, font: Font, kind: Kind = Kind.TEXT, **look: Any) -> Any:
    """A style, made once for many cells: making it takes longer than writing them."""
    cell: Any = WriteOnlyCell(sheet)
    cell.font, cell.number_format = font, FORMATS[kind]
    for name, value in look.items():
        setattr(cell, name, value)
    return cell._style  # noqa: SLF001 - as openpyxl's own documentation copies it


def _cell(sheet: Sheet, value: Cell, style: Any) -> Any:
    """A cell; text is declared to be text, so that none is read as a formula, now or when it is edited."""
    cell: Any = WriteOnlyCell(sheet, value[:LONGEST] if isinstance(value, str) else value)
    cell._style = style  # noqa: SLF001
    if isinstance(value, str):
        cell.data_type = "s"
    return cell
