import csv
import os
import zipfile
from pathlib import Path

import openpyxl
import pytest

from monitor.configuration import source
from monitor.configuration.errors import Errors
from monitor.configuration.source import Listing, Scalar, Section, find, read_table, read_yaml


def messages(errors: Errors) -> list[str]:
    return str(errors.invalid()).splitlines()


def write_workbook(path: Path, rows: list[list[object]]) -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    workbook.save(path)


def test_yaml_scalars_stay_text_with_their_places(tmp_path: Path) -> None:
    """What PyYAML would make 750, False and 8 stays as it was written."""
    path = tmp_path / "a.yaml"
    path.write_text("at: 12:30\nwords:\n  - no\n  - 010\n  - '~'\n  - ~\n")
    errors = Errors()
    tree = read_yaml(path, errors)
    assert isinstance(tree, Section)
    assert find(tree, "at") == Scalar(str(path), 1, 5, "12:30")
    words = find(tree, "words")
    assert isinstance(words, Listing)
    assert [(one.text, one.null, one.line) for one in words.items if isinstance(one, Scalar)] == [
        ("no", False, 3),
        ("010", False, 4),
        ("~", False, 5),
        ("~", True, 6),
    ]
    assert errors.total == 0


def test_find_stops_where_the_way_ends(tmp_path: Path) -> None:
    """An error of something that is missing stands at what should have held it."""
    (tmp_path / "a.yaml").write_text("a:\n  - b: 1\n")
    tree = read_yaml(tmp_path / "a.yaml", Errors())
    assert tree is not None
    found = find(tree, "a", 0, "c")
    assert (found.line, found.column) == (2, 5)
    assert find(tree, "a", 7).line == 2


def test_empty_values_in_yaml_are_null_and_quoted_ones_are_not(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a:\nb: ''\nc: null\nd: 'null'\n")
    tree = read_yaml(tmp_path / "a.yaml", Errors())
    assert tree is not None
    nulls = {name: getattr(node, "null", None) for name, (_, node) in tree.entries.items()}
    assert nulls == {"a": True, "b": False, "c": True, "d": False}


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_utf8_with_and_without_a_byte_order_mark(tmp_path: Path, mark: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(mark + "id,name\r\na,Điểm cầu\r\n".encode())
    table = read_table(tmp_path, "t", Errors())
    assert table is not None
    assert table.header == ("id", "name")
    assert table.rows == ((2, ("a", "Điểm cầu")),)


def test_a_record_has_the_line_on_which_it_begins(tmp_path: Path) -> None:
    """Quoted fields may hold line breaks, and blank lines are passed over but counted."""
    (tmp_path / "t.csv").write_text('id,name\n\na,"two\nlines"\n\nb,B\n,\n')
    table = read_table(tmp_path, "t", Errors())
    assert table is not None
    assert table.rows == ((3, ("a", "two lines")), (6, ("b", "B")))


def test_invisible_differences_are_removed(tmp_path: Path) -> None:
    """Outer and no-break spaces, and accents that were typed apart, make no other id."""
    (tmp_path / "t.csv").write_text("id,name\n a\u00a0,Thôn\u00a01\n")
    table = read_table(tmp_path, "t", Errors())
    assert table is not None
    assert table.rows == ((2, ("a", "Thôn 1")),)


def test_a_workbook_reads_as_the_same_table(tmp_path: Path) -> None:
    """Codes that Excel made numbers of are codes again."""
    write_workbook(
        tmp_path / "t.xlsx",
        [["id", "name", "code", "ups", None], ["a", "Điểm", 380.0, 1.5], [], ["b", None, 14755, True, "  "]],
    )
    (tmp_path / "u.csv").write_text("id,name,code,ups\na,Điểm,380,1.5\n\nb,,14755,True\n")
    book, plain = read_table(tmp_path, "t", Errors()), read_table(tmp_path, "u", Errors())
    assert book is not None
    assert plain is not None
    assert (book.header, book.rows) == (plain.header, plain.rows)


def test_text_beside_a_workbooks_columns_is_an_error(tmp_path: Path) -> None:
    write_workbook(tmp_path / "t.xlsx", [["id", "name"], ["a", "A", None, "a remark"]])
    errors = Errors()
    assert read_table(tmp_path, "t", errors) is None
    assert messages(errors) == [f"{tmp_path}/t.xlsx:2:1: expected 2 fields, got 4"]


def test_a_zip_bomb_is_refused_unopened(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.xlsx", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("xl/sharedStrings.xml", bytes(source.WORKBOOK_UNPACKED_BYTES + 1))
    assert (tmp_path / "t.xlsx").stat().st_size < 1 << 20
    errors = Errors()
    assert read_table(tmp_path, "t", errors) is None
    assert messages(errors) == [
        f"{tmp_path}/t.xlsx:1:1: expected a workbook of at most 128 MiB when unpacked, got 128 MiB"
    ]


@pytest.mark.parametrize("part", ["[Content_Types].xml", "xl/workbook.xml", "xl/worksheets/sheet1.xml"])
@pytest.mark.parametrize("content", [None, b"", b"<a>", b"<?xml version='1.0'?><a/>"])
def test_a_workbook_with_a_broken_part_is_an_error(tmp_path: Path, part: str, content: bytes | None) -> None:
    write_workbook(tmp_path / "whole.xlsx", [["id", "name"], ["a", "A"]])
    with zipfile.ZipFile(tmp_path / "whole.xlsx") as whole, zipfile.ZipFile(tmp_path / "t.xlsx", "w") as broken:
        for name in whole.namelist():
            if name != part or content is not None:
                broken.writestr(name, content if name == part and content is not None else whole.read(name))
    errors = Errors()
    assert read_table(tmp_path, "t", errors) is None
    assert len(messages(errors)) == 1


def test_a_sheet_that_claims_to_be_endless_is_read_to_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last row of a sheet is 1,048,576: what stands there must not make a million rows."""
    monkeypatch.setattr(source, "TABLE_ROWS", 10)
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet.append(["id"])
    sheet.cell(row=1_048_576, column=16_384, value="far away")
    workbook.save(tmp_path / "t.xlsx")
    table = read_table(tmp_path, "t", Errors())
    assert table is not None
    assert table.rows == ()


def test_rows_and_columns_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "TABLE_ROWS", 2)
    (tmp_path / "long.csv").write_text("id\na\nb\nc\nd\n")
    (tmp_path / "wide.csv").write_text(",".join(f"c{n}" for n in range(65)) + "\n")
    errors = Errors()
    assert read_table(tmp_path, "long", errors) is None
    assert read_table(tmp_path, "wide", errors) is None
    assert messages(errors) == [
        f"{tmp_path}/long.csv:4:1: expected at most 2 rows, got more",
        f"{tmp_path}/wide.csv:1:1: expected at most 64 columns, got more",
    ]


def test_a_file_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.yaml").write_bytes(b"a: " + b"x" * (1 << 20))
    errors = Errors()
    assert read_yaml(tmp_path / "a.yaml", errors) is None
    assert messages(errors) == [f"{tmp_path}/a.yaml:1:1: expected a file of at most 1 MiB, got a larger one"]


def test_what_is_no_file_is_an_error_and_never_waited_for(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    errors = Errors()
    assert read_yaml(tmp_path / "folder.yaml", errors) is None
    assert read_yaml(tmp_path / "missing.yaml", errors) is None
    assert read_table(tmp_path, "pipe", errors) is None
    assert read_table(tmp_path, "absent", errors) is None
    assert messages(errors) == [
        f"{tmp_path}/absent.csv:1:1: expected a file absent.csv or absent.xlsx, got none",
        f"{tmp_path}/folder.yaml:1:1: expected a file folder.yaml, got something that is no regular file",
        f"{tmp_path}/missing.yaml:1:1: expected a file missing.yaml, got none",
        f"{tmp_path}/pipe.csv:1:1: expected a file pipe.csv, got something that is no regular file",
    ]


def test_a_field_of_any_length_is_an_error_and_no_exception(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"id\n{'x' * (csv.field_size_limit() + 1)}\n")
    errors = Errors()
    assert read_table(tmp_path, "t", errors) is None
    assert messages(errors)[0].startswith(f"{tmp_path}/t.csv:2:1: expected a record of comma-separated values, got")
