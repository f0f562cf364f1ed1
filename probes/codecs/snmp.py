"""SNMPv2c: asks an agent for objects and reads its answer (RFC 3416; BER as RFC 3417, 8, narrows it down).

Pure: bytes in, messages out. Object identifiers stay as they are encoded, for all that is done with them is to
compare them. The structure of a message is fixed, so reading needs no recursion; lengths are those of the packet.
"""

from collections.abc import Sequence

import msgspec

from probes.model import Malformed

Oid = bytes
"""An object identifier as its encoded content."""
Value = int | bytes | None
"""Of an object; None where the agent has no such object."""
Field = tuple[int, int, int]
"""Tag, and where the content begins and ends."""

VERSION_2C = 1
INTEGER, OCTETS, NULL, OBJECT_ID, SEQUENCE = 0x02, 0x04, 0x05, 0x06, 0x30
GET, RESPONSE, GET_BULK, REPORT = 0xA0, 0xA2, 0xA5, 0xA8
PDUS = frozenset({RESPONSE, REPORT})
"""What an agent answers."""
UNSIGNED = frozenset({0x41, 0x42, 0x43, 0x46})  # Counter32, Gauge32, TimeTicks, Counter64
TEXTS = frozenset({OCTETS, OBJECT_ID, 0x40, 0x44})  # IpAddress and Opaque too
ABSENT = frozenset({NULL, 0x80, 0x81, 0x82})  # noSuchObject, noSuchInstance, endOfMibView

INTEGER_BYTES = 9
"""A Counter64 with its leading zero."""
BINDINGS = 128
"""More than any request of ours can bring."""
FIELDS = 16
"""No sequence but that of the bindings has as many."""

ERRORS = (
    *("noError", "tooBig", "noSuchName", "badValue", "readOnly", "genErr", "noAccess", "wrongType", "wrongLength"),
    *("wrongEncoding", "wrongValue", "noCreation", "inconsistentValue", "resourceUnavailable", "commitFailed"),
    *("undoFailed", "authorizationError", "notWritable", "inconsistentName"),
)
"""By error-status (RFC 3416, 3)."""


class SnmpError(Malformed):
    """No SNMP message, or one that no agent sends."""


class Pdu(msgspec.Struct, frozen=True):
    """What an agent said: a response or, in SNMPv3, a report."""

    tag: int
    request_id: int
    error: str
    """A word of ERRORS; empty for noError."""
    values: dict[Oid, Value]


class Answer(msgspec.Struct, frozen=True):
    """A message of SNMPv2c."""

    community: bytes
    pdu: Pdu


def oid(dotted: str) -> Oid:
    """``1.3.6.1`` as it is encoded (X.690, 8.19)."""
    first, second, *rest = map(int, dotted.split("."))
    return b"".join(map(_base128, (first * 40 + second, *rest)))


def _base128(number: int) -> bytes:
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(number & 0x7F | 0x80)
    return bytes(reversed(groups))


def tlv(tag: int, content: bytes) -> bytes:
    """A field: tag, length in its shortest form, content."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def integer(number: int) -> bytes:
    """An INTEGER in its shortest form, two's complement."""
    return tlv(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True))


def sequence(*parts: bytes) -> bytes:
    """Fields in a SEQUENCE."""
    return tlv(SEQUENCE, b"".join(parts))


def get(request_id: int, oids: Sequence[Oid]) -> bytes:
    """A GetRequest-PDU for these objects."""
    return _request(GET, request_id, 0, 0, oids)


def get_bulk(request_id: int, column: Oid, rows: int) -> bytes:
    """A GetBulkRequest-PDU for the first rows of a column."""
    return _request(GET_BULK, request_id, 0, rows, (column,))


def _request(tag: int, request_id: int, second: int, third: int, oids: Sequence[Oid]) -> bytes:
    bindings = sequence(*(sequence(tlv(OBJECT_ID, name), b"\x05\x00") for name in oids))
    return tlv(tag, integer(request_id) + integer(second) + integer(third) + bindings)


def message_2c(community: bytes, pdu: bytes) -> bytes:
    """The packet of SNMPv2c that carries a PDU (RFC 1901)."""
    return sequence(integer(VERSION_2C), tlv(OCTETS, community), pdu)


def parse_2c(data: bytes) -> Answer:
    """Read an agent's packet of SNMPv2c. Raises SnmpError."""
    version, community, pdu = outline(data, INTEGER, OCTETS, None)
    if read_integer(data, version) != VERSION_2C:
        raise SnmpError("not version 2c")
    return Answer(content(data, community), read_pdu(data, pdu))


def outline(data: bytes, *tags: int | None) -> list[Field]:
    """The fields of a packet that is one SEQUENCE of these tags, None for any. Raises SnmpError."""
    whole = fields(data, 0, len(data), 1, cut_off=False)
    return inside(data, whole[0], *tags) if whole and whole[0][0] == SEQUENCE else _no_message()


def _no_message() -> list[Field]:
    raise SnmpError("no SNMP message")


def inside(data: bytes, outer: Field, *tags: int | None) -> list[Field]:
    """The fields within another one, of these tags, None for any. Raises SnmpError."""
    found = fields(data, outer[1], outer[2], FIELDS)
    if len(found) != len(tags) or any(want not in {None, field[0]} for want, field in zip(tags, found, strict=True)):
        raise SnmpError(f"unexpected fields in the one at byte {outer[1]}")
    return found


def fields(data: bytes, at: int, end: int, most: int, *, cut_off: bool = True) -> list[Field]:
    """The fields from ``at`` to ``end``. More than ``most`` raise SnmpError, or are left where not ``cut_off``."""
    found: list[Field] = []
    while at < end and len(found) < most:
        tag = data[at]
        start, size = _length(data, at + 1, end)
        at = start + size
        if at > end:
            raise SnmpError(f"field {tag:#x} is cut short")
        found.append((tag, start, at))
    if at < end and cut_off:
        raise SnmpError(f"more than {most} fields")
    return found


def _length(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Where the content begins, and its length. RFC 3417 forbids the indefinite form."""
    if at >= end:
        raise SnmpError("a field without length")
    head = data[at]
    if head < 0x80:
        return at + 1, head
    start = at + 1 + (head & 0x7F)
    if head == 0x80 or head > 0x84 or start > end:
        raise SnmpError("a length of a form that SNMP has not")
    return start, int.from_bytes(data[at + 1 : start], "big")


def content(data: bytes, field: Field) -> bytes:
    """The content of a field."""
    return data[field[1] : field[2]]


def read_integer(data: bytes, field: Field) -> int:
    """The number in a field that is an INTEGER or one of its unsigned kin. Raises SnmpError."""
    tag, start, end = field
    if not 0 < end - start <= INTEGER_BYTES:
        raise SnmpError(f"a number of {end - start} bytes")
    return int.from_bytes(data[start:end], "big", signed=tag == INTEGER)


def read_pdu(data: bytes, field: Field) -> Pdu:
    """Read a response or a report. Raises SnmpError."""
    if field[0] not in PDUS:
        raise SnmpError(f"PDU {field[0]:#x} is no answer")
    request_id, error, _, bindings = inside(data, field, INTEGER, INTEGER, INTEGER, SEQUENCE)
    status = read_integer(data, error)
    return Pdu(
        field[0],
        read_integer(data, request_id),
        "" if not status else ERRORS[status] if 0 < status < len(ERRORS) else f"error-status {status}",
        dict(_binding(data, binding) for binding in fields(data, bindings[1], bindings[2], BINDINGS)),
    )


def _binding(data: bytes, field: Field) -> tuple[Oid, Value]:
    name, value = inside(data, field, OBJECT_ID, None)
    return content(data, name), _value(data, value)


def _value(data: bytes, field: Field) -> Value:
    tag = field[0]
    if tag == INTEGER or tag in UNSIGNED:
        return read_integer(data, field)
    if tag in TEXTS:
        return content(data, field)
    if tag in ABSENT:
        return None
    raise SnmpError(f"a value of type {tag:#x}")
