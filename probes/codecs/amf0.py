"""Writes and reads AMF0, in which RTMP's commands are said. Adobe's Action Message Format, AMF 0 (December 2007).

Sans-IO: the bytes of one message in, its values out, and back. Anything else raises :class:`AmfError`. Dates become
their milliseconds, XML its text, undefined and unsupported None; so does a reference, for no command refers back.
"""

from collections.abc import Callable
from struct import Struct

from probes.model import Malformed

Value = float | str | bool | None | dict[str, "Value"] | list["Value"]

MAX_DEPTH = 8
"""Objects and arrays within one another."""
MAX_VALUES = 1024
"""Of one message, those within objects and arrays counted too."""

NUMBER, BOOLEAN, STRING, OBJECT, NULL, UNDEFINED, REFERENCE = 0, 1, 2, 3, 5, 6, 7
ECMA_ARRAY, OBJECT_END, STRICT_ARRAY, DATE, LONG_STRING, UNSUPPORTED, XML, TYPED_OBJECT = 8, 9, 10, 11, 12, 13, 15, 16
"""Type markers, section 2.1."""

_DOUBLE = Struct(">d")
_SHORT = Struct(">H")
_LONG = Struct(">I")
_END = bytes((0, 0, OBJECT_END))


class AmfError(Malformed):
    """Not AMF0: cut, of an unknown type, nested too deep or of too many values."""


def encode(*values: Value) -> bytes:
    """The values one after another. Raises AmfError for what is nested too deep or a name that is too long."""
    return b"".join(_encode(value, MAX_DEPTH) for value in values)


def _encode(value: Value, depth: int) -> bytes:
    if value is None:
        return bytes((NULL,))
    if isinstance(value, bool):
        return bytes((BOOLEAN, value))
    if isinstance(value, str):
        return _encode_string(value.encode("utf-8", "replace"))
    if not isinstance(value, dict | list):
        return bytes((NUMBER,)) + _DOUBLE.pack(value)
    if not depth:
        raise AmfError(f"nested deeper than {MAX_DEPTH}")
    if isinstance(value, list):
        head = bytes((STRICT_ARRAY,)) + _LONG.pack(len(value))
        return head + b"".join(_encode(each, depth - 1) for each in value)
    members = (_encode_name(name) + _encode(each, depth - 1) for name, each in value.items())
    return bytes((OBJECT,)) + b"".join(members) + _END


def _encode_string(text: bytes) -> bytes:
    if len(text) > 0xFFFF:
        return bytes((LONG_STRING,)) + _LONG.pack(len(text)) + text
    return bytes((STRING,)) + _SHORT.pack(len(text)) + text


def _encode_name(name: str) -> bytes:
    text = name.encode("utf-8", "replace")
    if len(text) > 0xFFFF:
        raise AmfError("name longer than 65535 bytes")
    return _SHORT.pack(len(text)) + text


def decode(data: bytes) -> list[Value]:
    """The values of a message. Raises AmfError."""
    reader = _Reader(data)
    values: list[Value] = []
    while reader.at < len(data):
        values.append(reader.value(MAX_DEPTH))
    return values


class _Reader:
    """Reads values from ``at`` on; ``depth`` is how many objects and arrays may still be entered."""

    def __init__(self, data: bytes) -> None:
        self.at = 0
        self._data = data
        self._values = 0

    def value(self, depth: int) -> Value:
        self._values += 1
        if self._values > MAX_VALUES:
            raise AmfError(f"more than {MAX_VALUES} values")
        marker = self._take(1)[0]
        read = _READERS.get(marker)
        if read is None:
            raise AmfError(f"no value has type {marker}")
        return read(self, depth)

    def number(self, _depth: int) -> float:
        (number,) = _DOUBLE.unpack(self._take(8))
        return float(number)

    def boolean(self, _depth: int) -> bool:
        return self._take(1) != b"\0"

    def string(self, _depth: int) -> str:
        return self._text(_SHORT)

    def long_string(self, _depth: int) -> str:
        return self._text(_LONG)

    def none(self, _depth: int) -> None:
        return None

    def reference(self, _depth: int) -> None:
        self._take(2)

    def date(self, depth: int) -> float:
        milliseconds = self.number(depth)
        self._take(2)  # a time zone that is always 0
        return milliseconds

    def object(self, depth: int) -> dict[str, Value]:
        inside = self._enter(depth)
        members: dict[str, Value] = {}
        while self._data[self.at : self.at + 3] != _END:
            name = self._text(_SHORT)
            members[name] = self.value(inside)
        self.at += 3
        return members

    def typed_object(self, depth: int) -> dict[str, Value]:
        self._text(_SHORT)
        return self.object(depth)

    def ecma_array(self, depth: int) -> dict[str, Value]:
        self._take(4)  # a count that need not be true
        return self.object(depth)

    def strict_array(self, depth: int) -> list[Value]:
        inside = self._enter(depth)
        count: int = _LONG.unpack(self._take(4))[0]
        return [self.value(inside) for _ in range(count)]  # a count that lies runs out of bytes or values

    def _enter(self, depth: int) -> int:
        if not depth:
            raise AmfError(f"nested deeper than {MAX_DEPTH}")
        return depth - 1

    def _text(self, length: Struct) -> str:
        size: int = length.unpack(self._take(length.size))[0]
        return self._take(size).decode("utf-8", "replace")

    def _take(self, count: int) -> bytes:
        taken = self._data[self.at : self.at + count]
        if len(taken) < count:
            raise AmfError("cut in the middle of a value")
        self.at += count
        return taken


_READERS: dict[int, Callable[[_Reader, int], Value]] = {
    NUMBER: _Reader.number,
    BOOLEAN: _Reader.boolean,
    STRING: _Reader.string,
    OBJECT: _Reader.object,
    NULL: _Reader.none,
    UNDEFINED: _Reader.none,
    REFERENCE: _Reader.reference,
    ECMA_ARRAY: _Reader.ecma_array,
    STRICT_ARRAY: _Reader.strict_array,
    DATE: _Reader.date,
    LONG_STRING: _Reader.long_string,
    UNSUPPORTED: _Reader.none,
    XML: _Reader.long_string,
    TYPED_OBJECT: _Reader.typed_object,
}
