"""Reads coordinators.csv or .xlsx: the desks that answer for the points of a district or commune. It may be missing.

A desk is named by its title, never by a person: columns that are not ours, such as a name, are not read.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from monitor.configuration.decode import rows
from monitor.configuration.errors import Errors, quoted
from monitor.configuration.source import Table, read_table
from monitor.core.model import Inventory
from monitor.core.organization import Coordinator

FILE = "coordinators"
DISTRICT, COMMUNE = "district", "commune"
SCOPED = ("scope", "district_code", "commune_code")
BY_RANK = ("scope", "commune_code", "district_code")
"""Which of them says it where several stand."""
NUMBER = "a phone number such as 0237 000 0386, +84 237 000 0386 or 1900 0386"

_SCOPE = re.compile(rf"({DISTRICT}|{COMMUNE}):([^:\s]{{1,64}})")
_PUNCTUATION = str.maketrans("", "", " .-()")
_PHONE = re.compile(r"\+[1-9][0-9]{7,14}|0[0-9]{8,10}|1[89]00[0-9]{4,6}")
"""Abroad; mobile, landline; hotlines."""
_EATEN_ZERO = re.compile(r"[1-9][0-9]{7,9}")

Title = Annotated[str, Meta(min_length=1, max_length=120, description="a title of 1 to 120 characters")]
Phone = Annotated[str, Meta(max_length=30, description="at most 30 characters")]
Email = Annotated[
    str, Meta(pattern=r"^[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+\Z", max_length=254, description="an e-mail address")
]


class CoordinatorRow(msgspec.Struct, frozen=True):
    """A row: a scope (``district:386``, ``commune:14869``), or the code of a district or commune by itself."""

    title: Title
    scope: str = ""
    district_code: str = ""
    commune_code: str = ""
    phone: Phone = ""
    email: Email | None = None


class Places(msgspec.Struct, frozen=True):
    """The codes that may be answered for."""

    districts: frozenset[str]
    communes: Mapping[str, frozenset[str]]
    """The districts of each."""

    @classmethod
    def of(cls, inventory: Inventory) -> "Places":
        """Those of the inventory."""
        communes: dict[str, set[str]] = {}
        for point in inventory.points.values():
            if point.commune_code:
                communes.setdefault(point.commune_code, set()).add(point.district_code or "")
        return cls(frozenset(inventory.districts), {code: frozenset(found) for code, found in communes.items()})


def read(directory: Path, inventory: Inventory | None, errors: Errors) -> Mapping[str, Coordinator] | None:
    """By scope; None with every error noted. Without an inventory, because it is unreadable, codes are believed."""
    if not any((directory / f"{FILE}.{ending}").exists() for ending in ("csv", "xlsx")):
        return {}
    before = errors.total
    table = read_table(directory, FILE, errors)
    if table is None:
        return None
    if not set(SCOPED) & set(table.header):
        place = table.spot(table.header_line, "")
        errors.add(place, "scope", "a column scope, or columns district_code and commune_code", "neither")
        return None
    _check_scopes(table, None if inventory is None else Places.of(inventory), errors)
    _check_phones(table, errors)
    found = {_scope_of(row): _coordinator(row) for _, row in rows(table, CoordinatorRow, errors)}
    return found if errors.total == before else None


def _coordinator(row: CoordinatorRow) -> Coordinator:
    return Coordinator(scope=_scope_of(row), title=row.title, phone=row.phone, email=row.email or "")


def _scope_of(row: CoordinatorRow) -> str:
    """What it answers for, where both codes stand the commune; empty for nothing."""
    codes = {COMMUNE: row.commune_code, DISTRICT: row.district_code}
    return row.scope or next((f"{kind}:{code}" for kind, code in codes.items() if code), "")


def _written(table: Table) -> Iterator[tuple[int, CoordinatorRow]]:
    """Rows as they are written, with their lines: also those in which something is wrong, to find all of it."""
    for line, cells in table.rows:
        record = dict(zip(table.header, cells, strict=True))
        yield line, CoordinatorRow("", *(record.get(column, "") for column in (*SCOPED, "phone")))


def _check_scopes(table: Table, places: Places | None, errors: Errors) -> None:
    """Whether each row answers for a district or commune of the inventory that no other row answers for."""
    lines: dict[str, int] = {}
    for line, row in _written(table):
        scope = _scope_of(row)
        column = next((name for name in BY_RANK if getattr(row, name)), SCOPED[0])
        got = quoted(getattr(row, column)) if scope else "nothing"
        expected = _wrong_scope(row, scope, places)
        if not expected and lines.setdefault(scope, line) != line:
            expected, got = "what no other row answers for", f"{got}, which line {lines[scope]} has"
        if expected:
            errors.add(table.spot(line, column), column, expected, got)


def _wrong_scope(row: CoordinatorRow, scope: str, places: Places | None) -> str:
    """What is expected of it where it is wrong, else empty."""
    if row.scope and (row.district_code or row.commune_code):
        return "either a scope or codes, for the row has both"
    form = _SCOPE.fullmatch(scope)
    if form is None:
        return "district:<code> or commune:<code>, or the code in a column of its own"
    kind, code = form.groups()
    if places is None:
        return ""
    if code not in (places.districts if kind == DISTRICT else places.communes):
        return f"the code of a {kind} of the inventory"
    if kind == COMMUNE and row.district_code and row.district_code not in places.communes[code]:
        return f"the code of a commune of district {row.district_code}"
    return ""


def _check_phones(table: Table, errors: Errors) -> None:
    """Whether each number could be dialled; it is kept as it is written."""
    for line, row in _written(table):
        digits = row.phone.translate(_PUNCTUATION)
        if row.phone and not _PHONE.fullmatch(digits):
            hint = "Has a spreadsheet taken its leading 0?" if _EATEN_ZERO.fullmatch(digits) else ""
            errors.add(table.spot(line, "phone"), "phone", NUMBER, quoted(row.phone), hint)
