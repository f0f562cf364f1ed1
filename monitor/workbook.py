"""Reads an Excel workbook that a stranger sends, bounded in size, parts and cells before they are read; and writes one.

An .xlsx is a ZIP archive of XML (ECMA-376), so it may be a bomb in either way. Every part is expanded once with a hard
bound, whatever its header claims, before openpyxl sees it; entities are refused by defusedxml. Formulas are told apart
from values: what Excel would compute is nobody's statement.
"""

import io
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

MOST_BYTES: Final = 8 << 20
MOST_EXPANDED: Final = 64 << 20
MOST_RATIO: Final = 200
"""Honest sheets shrink some tenfold; only the small ones are let off."""
RATIO_FROM: Final = 1 << 20
MOST_PARTS: Final = 200
MOST_ROWS: Final = 20_000
MOST_COLUMNS: Final = 64
LONGEST_CELL: Final = 2000
CHUNK: Final = 1 << 16
FORMULAS: Final = ("=", "+", "-", "@")
"""What a cell that Excel takes for a formula begins with."""
MACROS: Final = "xl/vbaProject.bin"
BOOK: Final = "xl/workbook.xml"

Cell = str | int | float | bool | None


class Formula(msgspec.Struct, frozen=True):
    """A cell that holds a formula instead of a value."""

    text: str


class Unreadable(Exception):  # noqa: N818 - says what it is
    """Not a workbook that we read. ``reason`` is one of :data:`REASONS`; ``detail`` may hold a number."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason} {detail}".strip())
        self.reason = reason
        self.detail = detail


REASONS: Final = ("not_xlsx", "too_large", "bomb", "macros", "too_many_rows", "too_many_columns", "broken")

Row = tuple[int, tuple[Cell | Formula, ...]]


def rows_of(body: bytes) -> list[Row]:
    """The rows of the first sheet that hold anything, by their number in the file (from 1). Raises Unreadable."""
    _inspect(body)
    try:
        return list(_rows(body))
    except Unreadable:
        raise
    except Exception as error:  # openpyxl lets out whatever its depths raise on a broken file
        raise Unreadable("broken", type(error).__name__) from error


def _inspect(body: bytes) -> None:
    """Whether it is safe to let openpyxl see it."""
    if len(body) > MOST_BYTES:
        raise Unreadable("too_large", str(MOST_BYTES >> 20))
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            parts = archive.infolist()
            names = {part.filename for part in parts}
            if BOOK not in names or len(names) != len(parts):
                raise Unreadable("not_xlsx")
            if MACROS in names:
                raise Unreadable("macros")
            if len(parts) > MOST_PARTS or any(part.flag_bits & 1 for part in parts):
                raise Unreadable("not_xlsx")
            _expand(archive, parts)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError) as error:
        raise Unreadable("not_xlsx") from error


def _expand(archive: zipfile.ZipFile, parts: list[zipfile.ZipInfo]) -> None:
    """Expand every part once and throw it away: headers lie, bytes do not."""
    total = 0
    for part in parts:
        size = 0
        with archive.open(part) as opened:
            while chunk := opened.read(CHUNK):
                size += len(chunk)
                total += len(chunk)
                if total > MOST_EXPANDED or (size > RATIO_FROM and size > MOST_RATIO * max(1, part.compress_size)):
                    raise Unreadable("bomb")


def _rows(body: bytes) -> Iterator[Row]:
    import openpyxl  # noqa: PLC0415 - half a second that only an upload is worth

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of styles and validations, which are not read
        book = openpyxl.load_workbook(io.BytesIO(body), read_only=True, data_only=False, keep_links=False)
    try:
        sheet = book.worksheets[0]
        for number, row in enumerate(sheet.iter_rows(max_col=MOST_COLUMNS + 1), start=1):
            cells = tuple(_cell(cell.value, cell.data_type) for cell in row)
            if not any(cell is not None for cell in cells):
                if number > 10 * MOST_ROWS:
                    raise Unreadable("too_many_rows", f"{MOST_ROWS:,}")
                continue
            if number > MOST_ROWS + 1:
                raise Unreadable("too_many_rows", f"{MOST_ROWS:,}")
            if len(cells) > MOST_COLUMNS and cells[MOST_COLUMNS] is not None:
                raise Unreadable("too_many_columns", str(MOST_COLUMNS))
            yield number, _trimmed(cells)
    finally:
        book.close()


def _trimmed(cells: tuple[Cell | Formula, ...]) -> tuple[Cell | Formula, ...]:
    """Without the empty ones at its end."""
    width = len(cells)
    while cells[width - 1] is None:
        width -= 1
    return cells[:width]


def _cell(value: object, kind: str) -> Cell | Formula:
    """A value in one of four shapes; dates and whatever else Excel has are text."""
    if kind == "f":
        return Formula(str(value)[:LONGEST_CELL])
    if value is None or value == "":
        return None
    if isinstance(value, bool | int | float):
        return value
    return str(value)[:LONGEST_CELL]


def write(headings: Sequence[str], rows: Iterable[Sequence[Cell]], choices: Mapping[int, Sequence[str]]) -> bytes:
    """A workbook with one sheet: headings that stay in sight, rows, and for some columns (from 0) what may be chosen.

    Text stays text, whatever it begins with: what people wrote must not become a formula on somebody else's machine.
    """
    import openpyxl  # noqa: PLC0415 - as above
    from openpyxl.styles import Font  # noqa: PLC0415
    from openpyxl.utils import get_column_letter  # noqa: PLC0415
    from openpyxl.worksheet.datavalidation import DataValidation  # noqa: PLC0415

    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    last = 1
    for last, row in enumerate((headings, *rows), start=1):
        for column, value in enumerate(row, start=1):
            cell = sheet.cell(last, column, value)
            if isinstance(value, str):
                cell.data_type, cell.quotePrefix = "s", value[:1] in FORMULAS
            if last == 1:
                cell.font = Font(bold=True)
    for column, words in choices.items():
        validation = DataValidation(type="list", formula1=f'"{",".join(words)}"', allow_blank=True)
        validation.add(f"{get_column_letter(column + 1)}2:{get_column_letter(column + 1)}{last}")
        sheet.add_data_validation(validation)
    for column, heading in enumerate(headings, start=1):
        sheet.column_dimensions[get_column_letter(column)].width = max(12, len(heading) + 4)
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = sheet.dimensions
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()
