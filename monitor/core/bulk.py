"""Many check-ins in one table: rows of cells become drafts, or every error with its row and column. Pure.

One wrong row and nothing of the table counts: half of a file is worse than none. A row in which nothing is reported is
passed over, so that a file with every point may come back with some of them filled in.
"""

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from enum import StrEnum
from hashlib import sha256
from math import isfinite

import msgspec

from monitor.core.checkin import MOST_PEOPLE, Draft, PowerSupply, problem
from monitor.core.model import Mode, Point
from monitor.core.readiness import host_of

MOST_ERRORS = 200
"""So many are told; the rest are counted."""
LONGEST = {"chair": 120, "note": 500}


class Column(StrEnum):
    """What a column holds; each is known by the words of :data:`HEADINGS`."""

    POINT = "point"
    PICTURE = "picture"
    SOUND = "sound"
    DELEGATES = "delegates"
    ATTENDEES = "attendees"
    CHAIR = "chair"
    POWER = "power"
    NOTE = "note"


HEADINGS: Mapping[Column, tuple[str, ...]] = {
    Column.POINT: ("ma diem cau", "ma", "id"),
    Column.PICTURE: ("hinh", "co hinh", "hinh anh"),
    Column.SOUND: ("tieng", "co tieng", "am thanh"),
    Column.DELEGATES: ("dai bieu", "so dai bieu"),
    Column.ATTENDEES: ("nguoi tham du", "tong so nguoi du", "nguoi du"),
    Column.CHAIR: ("chu tri", "chu tri chuc danh", "nguoi chu tri"),
    Column.POWER: ("nguon dien",),
    Column.NOTE: ("ghi chu",),
}
"""Without marks, in small letters, brackets and signs left out."""
YES = frozenset({"x", "co", "1", "yes", "y", "da co", "true", "roi"})
NO = frozenset({"", "0", "khong", "no", "n", "chua", "false"})
SUPPLIES = {
    "luoi": PowerSupply.GRID,
    "dien luoi": PowerSupply.GRID,
    "ups": PowerSupply.UPS,
    "bo luu dien": PowerSupply.UPS,
    "bo luu dien ups": PowerSupply.UPS,
    "may phat": PowerSupply.GENERATOR,
    "may phat dien": PowerSupply.GENERATOR,
}


class Fault(StrEnum):
    """What is wrong with a cell, a row or the table."""

    NO_HEADING = "no_heading"
    """No row has the columns that are needed."""
    REPEATED_HEADING = "repeated_heading"
    UNKNOWN_POINT = "unknown_point"
    """``detail``: the nearest one, where there is one."""
    NO_PART = "no_part"
    """``detail``: where its people sit, for a merged one."""
    REPEATED = "repeated"
    """``detail``: the row where the point came first."""
    NO_POINT = "no_point"
    FORMULA = "formula"
    NOT_A_NUMBER = "not_a_number"
    OUT_OF_BOUNDS = "out_of_bounds"
    FEWER = "fewer"
    """Fewer people than delegates."""
    NOT_YES_OR_NO = "not_yes_or_no"
    UNKNOWN_SUPPLY = "unknown_supply"
    BAD_TEXT = "bad_text"
    TOO_LONG = "too_long"


class BulkError(msgspec.Struct, frozen=True):
    """One error."""

    row: int
    """As the file counts, from 1; 0 for the table as a whole."""
    column: Column | None
    fault: Fault
    written: str = ""
    detail: str = ""


Cell = object
"""str, int, float, bool or None; anything else is a formula."""
Row = tuple[int, Sequence[Cell]]


class Table(msgspec.Struct, frozen=True):
    """What a table comes to: drafts by point where there are no errors, and the errors."""

    drafts: tuple[tuple[str, Draft], ...]
    errors: tuple[BulkError, ...]
    total_errors: int


class _Wrong(Exception):  # noqa: N818
    def __init__(self, fault: Fault, detail: str = "") -> None:
        super().__init__(fault)
        self.fault = fault
        self.detail = detail


def plain(text: str) -> str:
    """Without marks, in small letters, letters and digits alone."""
    marked = unicodedata.normalize("NFD", text.replace("đ", "d").replace("Đ", "D"))
    kept = "".join(char if char.isalnum() else " " for char in marked if not unicodedata.combining(char))
    return " ".join(kept.lower().split())


def read_table(rows: Iterable[Row], points: Mapping[str, Point], upload: str) -> Table:
    """The drafts of a table. ``upload`` names it: the same table sent twice makes the same entries."""
    errors: list[BulkError] = []
    walking = iter(rows)
    columns = _headings(walking, errors)
    drafts: dict[str, tuple[int, Draft]] = {}
    for number, cells in walking if columns else ():
        found = _row(number, cells, columns, points, upload, errors)
        if found is None:
            continue
        point_id, draft = found
        if point_id in drafts:
            errors.append(BulkError(number, Column.POINT, Fault.REPEATED, point_id, str(drafts[point_id][0])))
        else:
            drafts[point_id] = (number, draft)
    made = () if errors else tuple((point_id, draft) for point_id, (_, draft) in drafts.items())
    return Table(made, tuple(errors[:MOST_ERRORS]), len(errors))


def _headings(rows: Iterable[Row], errors: list[BulkError]) -> Mapping[Column, int]:
    """Where each column is: by the first row that names the point's and one more."""
    for number, cells in rows:
        places: dict[Column, int] = {}
        for place, cell in enumerate(cells):
            for column, words in HEADINGS.items():
                if isinstance(cell, str) and plain(cell) in words:
                    if column in places:
                        errors.append(BulkError(number, column, Fault.REPEATED_HEADING, cell))
                    places[column] = place
        if Column.POINT in places and len(places) > 1:
            return places
    errors.append(BulkError(0, None, Fault.NO_HEADING))
    return {}


def _row(
    number: int,
    cells: Sequence[Cell],
    columns: Mapping[Column, int],
    points: Mapping[str, Point],
    upload: str,
    errors: list[BulkError],
) -> tuple[str, Draft] | None:
    """The draft of a row; None for one without a report, and for one with errors, which are noted."""
    said = {column: cells[place] if place < len(cells) else None for column, place in columns.items()}
    if all(_is_empty(cell) for column, cell in said.items() if column is not Column.POINT):
        return None
    before = len(errors)
    values: dict[Column, object] = {}
    for column, cell in said.items():
        try:
            values[column] = READERS[column](cell, points)
        except _Wrong as wrong:
            errors.append(BulkError(number, column, wrong.fault, _shown(cell), wrong.detail))
    if len(errors) > before:
        return None
    point_id = str(values.pop(Column.POINT))
    named = {column.value: value for column, value in values.items()}
    draft = msgspec.convert({"entry": entry_of(upload, point_id), **named}, Draft)
    if field := problem(draft):
        fault = Fault.FEWER if field == "attendees" else Fault.BAD_TEXT
        errors.append(BulkError(number, Column(field), fault, _shown(said.get(Column(field)))))
        return None
    return point_id, draft


def entry_of(upload: str, point_id: str) -> str:
    """The entry of a point in an upload."""
    return f"bulk-{sha256(upload.encode() + b'/' + point_id.encode()).hexdigest()[:40]}"


def _point(cell: Cell, points: Mapping[str, Point]) -> str:
    written = str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell or "").strip()
    if isinstance(cell, bool) or not _is_plain(cell):
        raise _Wrong(Fault.FORMULA if not _is_plain(cell) else Fault.UNKNOWN_POINT)
    if not written:
        raise _Wrong(Fault.NO_POINT)
    point = points.get(written)
    if point is None:
        raise _Wrong(Fault.UNKNOWN_POINT, next(iter(get_close_matches(written[:64], points, 1, 0.8)), ""))
    if not point.expected:
        host = host_of(point, points)
        raise _Wrong(Fault.NO_PART, host.name if point.mode is Mode.MERGED and host is not None else "")
    return written


def _people(cell: Cell, _points: Mapping[str, Point]) -> int | None:
    if _is_empty(cell):
        return None
    if not _is_plain(cell):
        raise _Wrong(Fault.FORMULA)
    if isinstance(cell, str):
        return _people_in_text(cell.strip())
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        raise _Wrong(Fault.NOT_A_NUMBER)
    if not isfinite(cell) or cell != int(cell):
        raise _Wrong(Fault.NOT_A_NUMBER)
    return _bounded(int(cell))


def _people_in_text(written: str) -> int:
    if written.startswith(("=", "@")):
        raise _Wrong(Fault.FORMULA)
    sign, digits = (-1, written[1:]) if written.startswith(("-", "\u2212")) else (1, written.removeprefix("+"))
    if not digits.isascii() or not digits.isdecimal() or len(digits) > 9:
        raise _Wrong(Fault.NOT_A_NUMBER)
    return _bounded(sign * int(digits))


def _bounded(people: int) -> int:
    if not 0 <= people <= MOST_PEOPLE:
        raise _Wrong(Fault.OUT_OF_BOUNDS, f"0–{MOST_PEOPLE}")
    return people


def _yes(cell: Cell, _points: Mapping[str, Point]) -> bool:
    if not _is_plain(cell):
        raise _Wrong(Fault.FORMULA)
    written = plain(f"{cell:g}" if isinstance(cell, bool | float) else str(cell if cell is not None else ""))
    if written not in YES | NO:
        raise _Wrong(Fault.NOT_YES_OR_NO)
    return written in YES


def _supply(cell: Cell, _points: Mapping[str, Point]) -> PowerSupply | None:
    if _is_empty(cell):
        return None
    if not _is_plain(cell):
        raise _Wrong(Fault.FORMULA)
    if plain(str(cell)) not in SUPPLIES:
        raise _Wrong(Fault.UNKNOWN_SUPPLY)
    return SUPPLIES[plain(str(cell))]


def _text(column: Column) -> "Reader":
    def read(cell: Cell, _points: Mapping[str, Point]) -> str:
        if _is_empty(cell):
            return ""
        if not _is_plain(cell) or (isinstance(cell, str) and cell.lstrip().startswith(("=", "@"))):
            raise _Wrong(Fault.FORMULA)
        written = unicodedata.normalize("NFC", str(cell)).replace("\r\n", "\n").replace("\t", " ").strip()
        if len(written) > LONGEST[column]:
            raise _Wrong(Fault.TOO_LONG, str(LONGEST[column]))
        return written

    return read


Reader = Callable[[Cell, Mapping[str, Point]], object]
READERS: Mapping[Column, Reader] = {
    Column.POINT: _point,
    Column.PICTURE: _yes,
    Column.SOUND: _yes,
    Column.DELEGATES: _people,
    Column.ATTENDEES: _people,
    Column.CHAIR: _text(Column.CHAIR),
    Column.POWER: _supply,
    Column.NOTE: _text(Column.NOTE),
}


def _is_plain(cell: Cell) -> bool:
    """Whether a cell holds a value; what does not is a formula."""
    return cell is None or isinstance(cell, str | int | float | bool)


def _is_empty(cell: Cell) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _shown(cell: Cell) -> str:
    return str(getattr(cell, "text", cell) if cell is not None else "")[:60]
