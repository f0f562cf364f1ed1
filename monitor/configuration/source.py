"""Reads a file into nodes that know their line and column: YAML, CSV and XLSX, nothing decided yet.

YAML is composed by libyaml (CSafeLoader) and its scalars stay text, because PyYAML would read ``12:30`` as 750, ``no``
as False, ``010`` as 8, and keep the last of two equal keys in silence. Aliases, merge keys and tags are refused: what
is in force stands where it is read. A table is the same whether CSV or a workbook's first sheet brought it.
Everything is bounded: a file that is too large, too deep or too wide is an error, as is one that is broken.
"""

import csv
import io
import unicodedata
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec
import yaml

from monitor.configuration.errors import Errors, Spot, quoted

YAML_BYTES = 1 << 20
YAML_DEPTH = 32
TABLE_BYTES = 64 << 20
WORKBOOK_BYTES = 16 << 20
WORKBOOK_UNPACKED_BYTES = 128 << 20
"""What the parts of a workbook may amount to: 100,000 points need about 50 MB, a zip bomb more."""
TABLE_ROWS = 250_000
TABLE_COLUMNS = 64

NULLS = frozenset({"", "~", "null", "Null", "NULL"})


class Scalar(msgspec.Struct, frozen=True, gc=False):
    """A value as it was written."""

    path: str
    line: int
    column: int
    text: str
    plain: bool = True
    """Not quoted: only then may it mean nothing at all."""

    @property
    def null(self) -> bool:
        """Whether it says that there is no value."""
        return self.plain and self.text in NULLS


class Listing(msgspec.Struct, frozen=True):
    """Values in order."""

    path: str
    line: int
    column: int
    items: tuple["Node", ...]


class Section(msgspec.Struct, frozen=True):
    """Values by name, each with the scalar that names it; no name occurs twice."""

    path: str
    line: int
    column: int
    entries: Mapping[str, tuple[Scalar, "Node"]]


Node = Scalar | Listing | Section


def find(node: Node, *way: str | int) -> Node:
    """The node at the end of a way of names and indices, or the last that there is on it."""
    for step in way:
        if isinstance(node, Section) and step in node.entries:
            node = node.entries[str(step)][1]
        elif isinstance(node, Listing) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
        else:
            break
    return node


class Table(msgspec.Struct, frozen=True):
    """A table with named columns; rows have their line in the file and as many cells as there are columns."""

    path: str
    header_line: int
    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]

    def spot(self, line: int, column: str) -> Spot:
        """Where a field stands; the line's first field when there is no such column."""
        return Spot(self.path, line, self.header.index(column) + 1 if column in self.header else 1)


Rows = Iterator[tuple[int, tuple[str, ...]]]


# Files


def read_bounded(path: Path, limit: int, errors: Errors) -> bytes | None:
    """The file's bytes; None, with the error noted, when there is no such file or it is larger than ``limit``."""
    spot = Spot(str(path))
    try:
        if not path.is_file():
            got = "none" if not path.exists() else "something that is no regular file"
            errors.add(spot, "", f"a file {path.name}", got)
            return None
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        errors.add(spot, "", "a file that can be read", error.strerror or type(error).__name__)
        return None
    if len(data) > limit:
        errors.add(spot, "", f"a file of at most {limit >> 20} MiB", "a larger one")
        return None
    return data


def text_of(path: Path, data: bytes, errors: Errors) -> str | None:
    """The text of UTF-8, with or without a byte order mark."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        spot = Spot(str(path), line, len(before.rpartition(b"\n")[2].decode("utf-8", "replace")) + 1)
        errors.add(spot, "", "text in UTF-8", f"the byte 0x{data[error.start]:02x}")
        return None


# YAML


def read_yaml(path: Path, errors: Errors) -> Section | None:
    """The mapping that a YAML file holds; None, with every error noted, when it does not."""
    data = read_bounded(path, YAML_BYTES, errors)
    text = None if data is None else text_of(path, data, errors)
    if text is None:
        return None
    before = errors.total
    try:
        for spot, expected, got in _refused(str(path), text):
            errors.add(spot, "", expected, got)
        composed = yaml.compose(text, yaml.CSafeLoader) if errors.total == before else None
    except yaml.YAMLError as error:
        _add_syntax(path, text, error, errors)
        return None
    if errors.total > before:
        return None
    node = None if composed is None else _node(str(path), composed, errors, "")
    if isinstance(node, Section):
        return node if errors.total == before else None
    errors.add(node or Spot(str(path)), "", "a mapping of names to values", "another value" if node else "nothing")
    return None


def _refused(path: str, text: str) -> Iterator[tuple[Spot, str, str]]:
    """What well-formed YAML may contain and these files may not. Ends early when composing would recurse too deep."""
    depth = documents = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
        mark = event.start_mark
        spot = Spot(path, mark.line + 1, mark.column + 1) if mark else Spot(path)
        if isinstance(event, yaml.AliasEvent):
            yield spot, "the value itself, for aliases are not followed", quoted(f"*{event.anchor}")
        elif isinstance(event, yaml.NodeEvent) and getattr(event, "tag", None) is not None:
            yield spot, "a value without a tag", quoted(str(getattr(event, "tag", "")))
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents == 2:
                yield spot, "one document", "a second one"
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > YAML_DEPTH:
            yield spot, f"at most {YAML_DEPTH} levels", "a deeper one"
            return


def _add_syntax(path: Path, text: str, error: yaml.YAMLError, errors: Errors) -> None:
    """Note why libyaml could not read the text, at the place that it names."""
    spot, got = Spot(str(path)), "text that is not"
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        spot = Spot(str(path), error.problem_mark.line + 1, error.problem_mark.column + 1)
        got = ", ".join(part for part in (error.problem, error.context) if part)
    elif isinstance(error, yaml.reader.ReaderError):
        before = text.encode()[: error.position]
        column = len(before.rpartition(b"\n")[2].decode("utf-8", "replace")) + 1
        spot = Spot(str(path), before.count(b"\n") + 1, column)
        got = f"the character U+{error.character:04X}" if isinstance(error.character, int) else str(error.reason)
    errors.add(spot, "", "well-formed YAML", got)


def _node(path: str, node: yaml.Node, errors: Errors, key: str) -> Node:
    """Our own node of libyaml's, with the names that occur twice noted."""
    line, column = node.start_mark.line + 1, node.start_mark.column + 1
    if isinstance(node, yaml.SequenceNode):
        items = (_node(path, item, errors, f"{key}[{index}]") for index, item in enumerate(node.value))
        return Listing(path, line, column, tuple(items))
    if isinstance(node, yaml.MappingNode):
        return Section(path, line, column, _entries(path, node, errors, key))
    return Scalar(path, line, column, str(node.value), not getattr(node, "style", None))


def _entries(path: str, node: yaml.MappingNode, errors: Errors, key: str) -> dict[str, tuple[Scalar, Node]]:
    entries: dict[str, tuple[Scalar, Node]] = {}
    for key_node, value_node in node.value:
        name = _node(path, key_node, errors, key)
        if not isinstance(name, Scalar):
            errors.add(name, key, "a name", "a list or a mapping")
            continue
        inner = f"{key}.{name.text}" if key else name.text
        value = _node(path, value_node, errors, inner)
        if name.text in entries:
            first = entries[name.text][0].line
            errors.add(name, inner, "a name that occurs once", f"{quoted(name.text)}, which line {first} has")
        else:
            entries[name.text] = (name, value)
    return entries


# Tables


def read_table(directory: Path, name: str, errors: Errors) -> Table | None:
    """The table ``name.csv`` or ``name.xlsx``; None, with the errors noted, when it cannot be read."""
    plain, workbook = directory / f"{name}.csv", directory / f"{name}.xlsx"
    if plain.exists() and workbook.exists():
        errors.add(Spot(str(workbook)), "", f"either {plain.name} or {workbook.name}", "both")
        return None
    if not plain.exists() and not workbook.exists():
        errors.add(Spot(str(plain)), "", f"a file {plain.name} or {workbook.name}", "none")
        return None
    before = errors.total
    table = _read_workbook(workbook, errors) if workbook.exists() else _read_csv(plain, errors)
    return table if errors.total == before else None


def _read_csv(path: Path, errors: Errors) -> Table | None:
    data = read_bounded(path, TABLE_BYTES, errors)
    text = None if data is None else text_of(path, data, errors)
    return None if text is None else _table(path, _csv_rows(path, text, errors), errors, padded=False)


def _csv_rows(path: Path, text: str, errors: Errors) -> Rows:
    """Records with the line on which each begins: a quoted field may hold line breaks."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader, None)
        except csv.Error as error:
            errors.add(Spot(str(path), line), "", "a record of comma-separated values", str(error))
            return
        if record is None:
            return
        yield line, tuple(map(_clean, record))


def _read_workbook(path: Path, errors: Errors) -> Table | None:
    data = read_bounded(path, WORKBOOK_BYTES, errors)
    if data is None:
        return None
    spot = Spot(str(path))
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
        if unpacked > WORKBOOK_UNPACKED_BYTES:
            limit = f"a workbook of at most {WORKBOOK_UNPACKED_BYTES >> 20} MiB when unpacked"
            errors.add(spot, "", limit, f"{unpacked >> 20} MiB")
            return None
        return _table(path, _workbook_rows(data), errors, padded=True)
    except Exception as error:  # noqa: BLE001  (openpyxl lets out whatever its depths raise on a broken file)
        reason = str(error) if isinstance(error, zipfile.BadZipFile) else type(error).__name__
        errors.add(spot, "", "an Excel workbook (.xlsx)", f"something else ({reason})")
        return None


def _workbook_rows(data: bytes) -> Rows:
    import openpyxl  # noqa: PLC0415  (0.3 s and 20 MiB that only a workbook is worth)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of styles and validations, which are not read
        workbook = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
    try:
        sheet = workbook.worksheets[0]
        rows = sheet.iter_rows(max_row=TABLE_ROWS + 2, max_col=TABLE_COLUMNS + 1, values_only=True)
        for line, row in enumerate(rows, start=1):
            yield line, tuple(map(_cell, row))
    finally:
        workbook.close()


def _cell(value: object) -> str:
    """A cell's text. Excel makes numbers of codes: 380.0 was ``380``."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return _clean(str(value))


def _clean(text: str) -> str:
    """Text without what an eye does not see: outer spaces, line breaks, a decomposed accent."""
    text = text.strip()
    if text.isascii() and text.isprintable():
        return text
    return unicodedata.normalize("NFC", " ".join(text.split()))


def _table(path: Path, rows: Rows, errors: Errors, *, padded: bool) -> Table | None:
    """Header and rows; rows without any text are passed over. A sheet's rows are ``padded`` to its header's width."""
    filled = ((line, row) for line, row in rows if any(row))
    header_line, header = next(filled, (1, ()))
    header = _trimmed(header) if padded else header
    if not _header_stands(Spot(str(path), header_line), header, errors):
        return None
    width = len(header)
    kept: list[tuple[int, tuple[str, ...]]] = []
    for line, row in filled:
        if len(kept) == TABLE_ROWS:
            errors.add(Spot(str(path), line), "", f"at most {TABLE_ROWS:,} rows", "more")
            break
        cells = _padded(row, width) if padded else row
        if len(cells) == width:
            kept.append((line, cells))
        else:
            errors.add(Spot(str(path), line), "", f"{width} fields", str(len(cells)))
    return Table(str(path), header_line, header, tuple(kept))


def _padded(row: tuple[str, ...], width: int) -> tuple[str, ...]:
    cells = _trimmed(row)
    return cells + ("",) * (width - len(cells))


def _trimmed(row: tuple[str, ...]) -> tuple[str, ...]:
    """The row without the empty cells at its end."""
    width = len(row)
    while width and not row[width - 1]:
        width -= 1
    return row[:width]


def _header_stands(spot: Spot, header: tuple[str, ...], errors: Errors) -> bool:
    """Whether the first row names columns, each once."""
    before = errors.total
    if not header:
        errors.add(spot, "", "a first row with the columns' names", "nothing")
    elif len(header) > TABLE_COLUMNS:
        errors.add(spot, "", f"at most {TABLE_COLUMNS} columns", "more")
    elif len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        errors.add(spot, "", "columns separated by commas", quoted(header[0]))
    for column, name in _repeated(header):
        errors.add(Spot(spot.path, spot.line, column), name, "a column that occurs once", quoted(name))
    return errors.total == before


def _repeated(header: Iterable[str]) -> Iterator[tuple[int, str]]:
    seen: set[str] = set()
    for column, name in enumerate(header, start=1):
        if name and name in seen:
            yield column, name
        seen.add(name)
