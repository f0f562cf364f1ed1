"""Workbooks that strangers send: read within bounds, or refused by name."""

import io
import zipfile
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from time import process_time

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor import workbook
from monitor.workbook import BOOK, MOST_COLUMNS, MOST_EXPANDED, MOST_ROWS, REASONS, Formula, Unreadable, rows_of, write


def made(rows: Iterable[Sequence[object]]) -> bytes:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in rows:
        sheet.append(row)
    body = io.BytesIO()
    book.save(body)
    return body.getvalue()


def changed(body: bytes, part: str, change: Callable[[bytes], bytes]) -> bytes:
    """The same archive with one part changed, or added."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        parts = {each.filename: old.read(each) for each in old.infolist()}
        parts[part] = change(parts.get(part, b""))
        for name, content in parts.items():
            new.writestr(name, content)
    return out.getvalue()


PLAIN = made([["a", 1, 2.5, True, None, "=1+1"], [], ["b"]])
SHEET = "xl/worksheets/sheet1.xml"


def test_values_keep_their_sort_and_formulas_are_told_apart() -> None:
    rows = rows_of(PLAIN)
    assert rows[0] == (1, ("a", 1, 2.5, True, None, Formula("=1+1")))
    assert rows[1][0] == 3
    assert rows[1][1][0] == "b"


def test_a_date_is_text() -> None:
    assert isinstance(rows_of(made([[date(2025, 5, 8)]]))[0][1][0], str)


def test_an_entity_bomb_is_refused() -> None:
    bomb = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
    body = changed(PLAIN, SHEET, lambda xml: bomb + xml.partition(b"?>")[2].replace(b"<v>1</v>", b"<v>&b;</v>"))
    with pytest.raises(Unreadable) as refused:
        rows_of(body)
    assert refused.value.reason == "broken"


def test_a_zip_bomb_is_refused_before_it_is_read() -> None:
    bomb = changed(PLAIN, "xl/media/x.xml", lambda _: b" " * (MOST_EXPANDED + 1))
    began = process_time()
    with pytest.raises(Unreadable) as refused:
        rows_of(bomb)
    assert refused.value.reason == "bomb"
    assert process_time() - began < 5


def test_a_header_that_lies_about_the_size_helps_nobody() -> None:
    bomb = bytearray(changed(PLAIN, "xl/media/x.xml", lambda _: b" " * (8 << 20)))
    size = (8 << 20).to_bytes(4, "little")
    assert size in bomb
    lying = bytes(bomb).replace(size, (100).to_bytes(4, "little"))
    with pytest.raises(Unreadable):
        rows_of(lying)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_xlsx"),
        (b"<html><table></table></html>", "not_xlsx"),
        (b"\xd0\xcf\x11\xe0" + bytes(600), "not_xlsx"),
        (PLAIN[:400], "not_xlsx"),
        (changed(PLAIN, "xl/vbaProject.bin", lambda _: b"x"), "macros"),
        (changed(PLAIN, BOOK, lambda _: b"<nothing/>"), "broken"),
        (b"P" * (workbook.MOST_BYTES + 1), "too_large"),
        (made([["x"]] * 50_000), "too_many_rows"),
        (made([["x"] * 200]), "too_many_columns"),
    ],
    ids=["empty", "html", "xls", "torn", "macros", "spoilt", "large", "rows", "columns"],
)
def test_what_is_no_workbook_for_us_says_why(body: bytes, reason: str) -> None:
    assert reason in REASONS
    with pytest.raises(Unreadable) as refused:
        rows_of(body)
    assert refused.value.reason == reason


def test_the_largest_that_is_read() -> None:
    assert len(rows_of(made([["x"] * MOST_COLUMNS] + [["y"]] * MOST_ROWS))) == MOST_ROWS + 1


@given(st.binary(max_size=2000))
def test_whatever_comes_is_read_or_refused(noise: bytes) -> None:
    for body in (noise, PLAIN[:200] + noise + PLAIN[200 + len(noise) :]):
        try:
            rows_of(body)
        except Unreadable as refused:
            assert refused.reason in REASONS  # noqa: PT017 - reading it is as good


@given(
    st.lists(
        st.text(st.characters(min_codepoint=32, max_codepoint=0x24F), min_size=1, max_size=20), min_size=1, max_size=8
    )
)
def test_what_is_written_is_read_again_and_never_a_formula(cells: list[str]) -> None:
    body = write(["Mã", *["c"] * len(cells)], [["x", *cells, "=1+1", "+1", "-1", "@a"]], {})
    (_, row) = rows_of(body)[1]
    assert [cell for cell in row if cell is not None] == ["x", *cells, "=1+1", "+1", "-1", "@a"]
