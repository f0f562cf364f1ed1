"""Turns a node into a value of a declared type, or into every error at once.

A struct's fields are the names that a file may use, and a field's unit stands in its name, not in the file:
``timeout_s`` is written ``timeout: 2s`` (a duration) and ``max_loss_ratio`` is written ``max_loss: 5%`` (a ratio).
Bounds come from ``msgspec.Meta``. ``msgspec.convert`` would stop at the first error and knows no lines, so the walk is
made here: a decoder is built once for each type out of the table of scalars and called for each node.
"""

import operator
import re
import types
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from monitor.configuration.errors import Errors, did_you_mean, quoted
from monitor.configuration.source import Listing, Node, Scalar, Section, Table

TEXT_CHARACTERS = 1_000


class Wrong(Enum):
    """What a decoder returns after it has noted why there is no value."""

    WRONG = 0


WRONG = Wrong.WRONG

Decoder = Callable[[Node, str, Errors], Any]
"""``decoder(node, key, errors)``: the value, or WRONG with the error noted under the key."""

T = TypeVar("T", bound=msgspec.Struct)

Name = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[\w.-]{1,64}\Z", description="a name of at most 64 letters, digits, underscores, dots and hyphens"
    ),
]
"""A name that a file chooses, and that labels of metrics and addresses of pages repeat."""


def decode(node: Node, declared: type[T], errors: Errors, key: str = "") -> T | Wrong:
    """The node as a value of the declared type; WRONG with every error noted when it is none."""
    value: T | Wrong = decoder(declared)(node, key, errors)
    return value


def rows(table: Table, declared: type[T], errors: Errors) -> list[tuple[int, T]]:
    """The table's rows as structs, with their lines; a row with an error is noted and left out.

    Columns that the struct does not know are other tools' and passed over, unless they nearly have a missing name.
    """
    fields = _fields(declared)
    if not _columns_stand(table, fields, errors):
        return []
    row_of = _mapping(declared)
    columns = [(index, name) for index, name in enumerate(table.header) if name in fields]
    found = []
    for line, cells in table.rows:
        entries: dict[str, tuple[Scalar, Node]] = {
            name: (_COLUMN_NAMED, Scalar(table.path, line, index + 1, cells[index])) for index, name in columns
        }
        value = row_of(Section(table.path, line, 1, entries), "", errors)
        if value is not WRONG:
            found.append((line, value))
    return found


_COLUMN_NAMED = Scalar("", 1, 1, "")
"""Stands for the name of a cell, which is known to be right."""


def _columns_stand(table: Table, fields: Mapping[str, "_Field"], errors: Errors) -> bool:
    """Whether every required column is there and none is nearly another."""
    before = errors.total
    strangers = {name: did_you_mean_column(name, fields.keys() - set(table.header)) for name in table.header}
    for index, name in enumerate(table.header, start=1):
        if name not in fields and strangers[name]:
            place = Scalar(table.path, table.header_line, index, name)
            errors.add(place, name, "a known column or a name of its own", quoted(name), strangers[name])
    near = {hint for name, hint in strangers.items() if name not in fields}
    for name, field in fields.items():
        if field.required and name not in table.header and f"Did you mean {quoted(name)}?" not in near:
            errors.add(table.spot(table.header_line, ""), name, f"a column {name}", "none")
    return errors.total == before


def did_you_mean_column(name: str, missing: set[str]) -> str:
    """A hint only for what is very near a missing column's name: other tools may add columns."""
    hint = did_you_mean(name, missing)
    return hint if name and did_you_mean(name, missing, cutoff=0.8) else ""


# Scalars


class _Reading(msgspec.Struct, frozen=True):
    """How a scalar is read: the words for what is expected, and the text's value or None."""

    expected: str
    read: Callable[[str], Any]


_WHOLE = re.compile(r"[+-]?(0|[1-9][0-9]{0,14})")
_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?([eE][+-]?[0-9]{1,2})?")
_SPAN = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)")
_SPANS = re.compile(rf"({_SPAN.pattern})+")
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,9})?)\s?%")
_LOCAL_TIME = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2})?")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that reverse what a reader sees; line breaks and tabs are text."""

_SECONDS = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600), "d": Decimal(86400)}


def _text(text: str) -> str | None:
    fine = len(text) <= TEXT_CHARACTERS and (text.isprintable() or not _CONTROL.search(text))
    return text if fine else None


def _whole(text: str) -> int | None:
    return int(text) if _WHOLE.fullmatch(text) else None


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _duration(text: str) -> float | None:
    """Seconds of ``500ms``, ``2s``, ``1m30s``."""
    if not _SPANS.fullmatch(text):
        return None
    return float(sum(Decimal(amount) * _SECONDS[unit] for amount, unit in _SPAN.findall(text)))


def _ratio(text: str) -> float | None:
    """0 to 1, of ``1%`` or ``0.01``."""
    percent = _PERCENT.fullmatch(text)
    ratio = float(percent[1]) / 100 if percent else _number(text)
    return ratio if ratio is not None and 0 <= ratio <= 1 else None


def _local_time(text: str) -> datetime | None:
    """A naive date and time; whoever asked knows the time zone."""
    try:
        return datetime.fromisoformat(text) if _LOCAL_TIME.fullmatch(text) else None
    except ValueError:
        return None


SCALARS: dict[Any, _Reading] = {
    str: _Reading("printable text", _text),
    int: _Reading("a whole number such as 3", _whole),
    float: _Reading("a number such as 0.5", _number),
    bool: _Reading("true or false", {"true": True, "false": False}.get),
    datetime: _Reading("a date and time such as 2025-05-08 07:30", _local_time),
}
UNITS = {
    "_s": _Reading("a duration such as 2s", _duration),
    "_ratio": _Reading("a ratio from 0 to 1 such as 1% or 0.01", _ratio),
}
"""By the ending of the field's name, which the file leaves out."""


def _scalar(reading: _Reading) -> Decoder:
    def read(node: Node, key: str, errors: Errors) -> Any:
        value = reading.read(node.text) if isinstance(node, Scalar) and not node.null else None
        if value is not None:
            return value
        errors.add(node, key, reading.expected, described(node))
        return WRONG

    return read


def _choice(choices: Mapping[str, Any]) -> Decoder:
    expected = f"one of {', '.join(choices)}" if len(choices) > 1 else quoted(next(iter(choices), ""))

    def read(node: Node, key: str, errors: Errors) -> Any:
        if isinstance(node, Scalar) and node.text in choices:
            return choices[node.text]
        hint = did_you_mean(node.text, choices) if isinstance(node, Scalar) else ""
        errors.add(node, key, expected, described(node), hint)
        return WRONG

    return read


def described(node: Node) -> str:
    """What a message says that it got."""
    if not isinstance(node, Scalar):
        kind = "list" if isinstance(node, Listing) else "mapping"
        return f"a {kind}" if isinstance(node, Section) or node.items else f"an empty {kind}"
    if len(node.text) > TEXT_CHARACTERS:
        return f"{quoted(node.text)} of {len(node.text):,} characters where {TEXT_CHARACTERS:,} are allowed"
    return "nothing" if node.null else quoted(node.text)


# Types


@cache
def decoder(declared: Any, unit: str = "") -> Decoder:
    """The decoder of a type. Raises TypeError for a type that no file can write: a defect of the declaration."""
    if declared is object:
        return lambda node, key, errors: node  # noqa: ARG005  (somebody else decodes it)
    if declared in SCALARS:
        return _scalar(UNITS[unit] if unit and declared is float else SCALARS[declared])
    origin = get_origin(declared)
    if origin in _BY_ORIGIN:
        return _BY_ORIGIN[origin](get_args(declared), unit)
    for base, build in _BY_BASE.items():
        if isinstance(declared, type) and issubclass(declared, base):
            return build(declared)
    raise TypeError(f"no file can write a {declared!r}")


def _optional(arguments: tuple[Any, ...], unit: str) -> Decoder:
    others = [one for one in arguments if one is not types.NoneType]
    if len(others) != 1:
        raise TypeError(f"no file can tell which of {others!r} is meant")
    inner = decoder(others[0], unit)
    return lambda node, key, errors: None if _is_null(node) else inner(node, key, errors)


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.null


def _sequence(arguments: tuple[Any, ...], unit: str) -> Decoder:
    """A tuple of any length with items of one type."""
    item = decoder(arguments[0], unit)

    def read(node: Node, key: str, errors: Errors) -> Any:
        if not isinstance(node, Listing):
            errors.add(node, key, "a list", described(node))
            return WRONG
        values = [item(one, f"{key}[{index}]", errors) for index, one in enumerate(node.items)]
        return WRONG if any(value is WRONG for value in values) else tuple(values)

    return read


def _named(arguments: tuple[Any, ...], unit: str) -> Decoder:
    """A mapping whose names the file chooses."""
    name, value = decoder(arguments[0]), decoder(arguments[1], unit)

    def read(node: Node, key: str, errors: Errors) -> Any:
        if not isinstance(node, Section):
            errors.add(node, key, "a mapping of names to values", described(node))
            return WRONG
        pairs = [
            (name(named, joined(key, text), errors), value(inner, joined(key, text), errors))
            for text, (named, inner) in node.entries.items()
        ]
        return WRONG if any(one is WRONG for pair in pairs for one in pair) else dict(pairs)

    return read


BOUNDS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "gt": (operator.gt, "more than {}"),
    "ge": (operator.ge, "at least {}"),
    "lt": (operator.lt, "less than {}"),
    "le": (operator.le, "at most {}"),
    "min_length": (lambda value, bound: len(value) >= bound, "a length of at least {}"),
    "max_length": (lambda value, bound: len(value) <= bound, "a length of at most {}"),
    "pattern": (lambda value, bound: re.search(bound, value) is not None, "text that matches {}"),
}


def _bounded(arguments: tuple[Any, ...], unit: str) -> Decoder:
    inner, metas = decoder(arguments[0], unit), arguments[1:]
    bounds = [
        (holds, getattr(meta, name), words)
        for meta in metas
        for name, (holds, words) in BOUNDS.items()
        if getattr(meta, name, None) is not None
    ]
    sign = "s" if unit == "_s" else ""
    descriptions = [meta.description for meta in metas if getattr(meta, "description", None)]
    expected = " and ".join(
        descriptions
        or [words.format(f"{bound:g}{sign}" if isinstance(bound, float) else bound) for _, bound, words in bounds]
    )

    def read(node: Node, key: str, errors: Errors) -> Any:
        value = inner(node, key, errors)
        if value is WRONG or value is None or all(holds(value, bound) for holds, bound, _ in bounds):
            return value
        errors.add(node, key, expected, described(node))
        return WRONG

    return read


# Structs


class _Field(msgspec.Struct, frozen=True):
    """A field as a file writes it."""

    name: str
    """In the struct."""
    required: bool
    decoder: Decoder


def spelled(field: str, declared: Any) -> tuple[str, str]:
    """How a file writes a field, and its unit: ``timeout_s`` is ``timeout`` in ``_s``."""
    unit = next((unit for unit in UNITS if field.endswith(unit) and _measures(declared)), "")
    return field.removesuffix(unit), unit


def _measures(declared: Any) -> bool:
    """Whether a float is what a type comes down to."""
    return declared is float or any(map(_measures, get_args(declared)))


@cache
def _fields(declared: type) -> dict[str, _Field]:
    fields = {}
    for field in msgspec.structs.fields(declared):
        name, unit = spelled(field.encode_name, field.type)
        fields[name] = _Field(field.name, field.required, decoder(field.type, unit))
    return fields


def joined(key: str, name: str) -> str:
    """The key of a part, ``modules.icmp``."""
    return f"{key}.{name}" if key else name


@cache
def _mapping(declared: type) -> Decoder:
    fields = _fields(declared)

    def read(node: Node, key: str, errors: Errors) -> Any:
        if not isinstance(node, Section):
            errors.add(node, key, f"a mapping with {', '.join(fields)}", described(node))
            return WRONG
        before = errors.total
        if not fields.keys() >= node.entries.keys():
            _add_unknown(node, key, fields, errors)
        values = {}
        for name, field in fields.items():
            value = _field_value(node, name, field, joined(key, name), errors)
            if value is not _ABSENT:
                values[field.name] = value
        return _made(declared, values, node, key, errors) if errors.total == before else WRONG

    return read


_ABSENT = object()


def _field_value(node: Section, name: str, field: _Field, key: str, errors: Errors) -> Any:
    """The field's value; absent when nothing is written and the field has a default."""
    entry = node.entries.get(name)
    if entry is not None and (field.required or not _is_null(entry[1])):
        return field.decoder(entry[1], key, errors)
    if field.required:
        errors.add(node, key, "a value", "none")
    return _ABSENT


def _add_unknown(node: Section, key: str, fields: Mapping[str, _Field], errors: Errors) -> None:
    expected = f"one of {', '.join(fields)}" if fields else "nothing: there is nothing to set"
    for name, (named, _) in node.entries.items():
        if name not in fields:
            hint = did_you_mean(name, fields.keys() - node.entries.keys())
            errors.add(named, joined(key, name), expected, quoted(name), hint)


def _made(declared: type, values: dict[str, Any], node: Section, key: str, errors: Errors) -> Any:
    """The struct; what its own ``__post_init__`` refuses as ``field: expected …, got …`` is an error of that field."""
    try:
        return declared(**values)
    except (ValueError, TypeError) as error:
        refusal = _REFUSAL.fullmatch(str(error))
        name, expected, got = refusal.groups() if refusal else ("", "values that fit together", f"others: {error}")
        name = next((written for written, field in _fields(declared).items() if name in (written, field.name)), "")
        place = node.entries[name][1] if name in node.entries else node
        errors.add(place, joined(key, name) if name else key, expected, got)
        return WRONG


_REFUSAL = re.compile(r"(\w+): expected (.+), got (.+)", re.DOTALL)


_BY_ORIGIN: dict[Any, Callable[[tuple[Any, ...], str], Decoder]] = {
    Annotated: _bounded,
    Union: _optional,
    types.UnionType: _optional,
    Literal: lambda arguments, _: _choice({str(one): one for one in arguments}),
    tuple: _sequence,
    dict: _named,
}
_BY_BASE: dict[type, Callable[[Any], Decoder]] = {
    Enum: lambda declared: _choice({str(member.value): member for member in declared}),
    msgspec.Struct: _mapping,
}
