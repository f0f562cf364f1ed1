"""Writes queries and reads answers of the domain name system (RFC 1035, EDNS of RFC 6891), with dnspython's classes.

Sans-IO: bytes in, answers out; ids are handed in. The message is walked here, in a time that grows with its length;
dnspython turns into text only the records that were asked for, a bounded number, and whatever it raises of hostile
bytes becomes :class:`DnsError`. Records are in class IN.
"""

from collections.abc import Iterator
from functools import lru_cache
from struct import Struct
from typing import Final, Literal, get_args

import dns.exception
import dns.flags
import dns.message
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import msgspec

from probes.model import Malformed

Type = Literal[
    "A",
    "AAAA",
    "CAA",
    "CNAME",
    "DNSKEY",
    "DS",
    "HTTPS",
    "MX",
    "NAPTR",
    "NS",
    "PTR",
    "SOA",
    "SRV",
    "SVCB",
    "TLSA",
    "TXT",
]
PORTS = {"udp": 53, "tcp": 53, "tls": 853}
"""Where a server listens, by transport (RFC 7858 for tls)."""
LENGTH_BYTES = 2
"""In a stream each message comes after its length (RFC 1035, 4.2.2)."""
PAYLOAD_BYTES = 1232
"""Of the largest answer over UDP that we want: what no path cuts into fragments."""
MAX_TEXTS = 100
"""So many records are turned into text; the rest are only counted."""
TEXT_CHARS = 4096
RCODES = {
    "NOERROR": 0,
    "FORMERR": 1,
    "SERVFAIL": 2,
    "NXDOMAIN": 3,
    "NOTIMP": 4,
    "REFUSED": 5,
    "YXDOMAIN": 6,
    "YXRRSET": 7,
    "NXRRSET": 8,
    "NOTAUTH": 9,
    "NOTZONE": 10,
    "BADVERS": 16,
    "BADCOOKIE": 23,
}
"""Names of response codes (RFC 6895, 2.3)."""
RCODE_NAMES = {number: name for name, number in RCODES.items()}

_HEADER = Struct(">HHHHHH")
_QUESTION = Struct(">HH")
_RECORD = Struct(">HHIH")
_RESPONSE, _OPCODE, _TRUNCATED, _RCODE = 0x8000, 0x7800, 0x0200, 0x000F
_IN: Final = dns.rdataclass.IN
_CNAME, _SOA, _OPT = dns.rdatatype.CNAME, dns.rdatatype.SOA, dns.rdatatype.OPT
_SOA_TAIL_BYTES = 20
"""Serial, refresh, retry, expire and minimum end the data of SOA."""

for _type in get_args(Type):  # now, for dnspython would read its modules from the disk when the first one comes
    dns.rdata.get_rdata_class(_IN, dns.rdatatype.from_text(_type))  # type: ignore[no-untyped-call]


class DnsError(Malformed):
    """These bytes are no answer of DNS, or the name is none."""


class Query(msgspec.Struct, frozen=True):
    """What to ask."""

    name: str
    type: Type = "A"
    recursion: bool = True
    """Whether the server may ask others."""


class Answer(msgspec.Struct, frozen=True):
    """What a server answered."""

    rcode: int
    truncated: bool = False
    """It did not fit; then nothing else of it is read."""
    counts: tuple[int, int, int] = (0, 0, 0)
    """Records in answer, authority and additional section."""
    wanted: int = 0
    """Records of the answer section that are of the type asked for."""
    texts: tuple[str, ...] = ()
    """Type and data of these, and of aliases on the way, as a zone file has them: ``MX 10 mail.example.``"""
    serial: int | None = None
    """Of the SOA record where one was asked for."""


class _Record(msgspec.Struct, frozen=True, gc=False):
    section: int
    type: int
    class_: int
    ttl: int
    at: int
    """Where its data begin."""
    size: int


def rcode_name(rcode: int) -> str:
    """What a response code is called, such as NOERROR."""
    return RCODE_NAMES.get(rcode, f"RCODE{rcode}")


def encode(query: Query, message_id: int) -> bytes:
    """The message that asks. Raises DnsError where the name is none."""
    return message_id.to_bytes(2, "big") + _template(query)[2:]


def framed(message: bytes) -> bytes:
    """As it is sent in a stream."""
    return len(message).to_bytes(LENGTH_BYTES, "big") + message


def rest_bytes(head: bytes) -> int:
    """How long the message is that comes after these two bytes. Raises DnsError where it would be empty."""
    length = int.from_bytes(head, "big")
    if length < _HEADER.size:
        raise DnsError(f"a message of {length} bytes")
    return length


def decode(data: bytes, query: Query, message_id: int) -> Answer | None:
    """The answer, None where it belongs to another question. Raises DnsError."""
    if len(data) < _HEADER.size:
        raise DnsError("too short for DNS")
    found_id, flags, questions, *counts = _HEADER.unpack_from(data)
    if not flags & _RESPONSE or flags & _OPCODE:
        raise DnsError("no response to a query")
    if found_id != message_id or not _repeats(data, query, questions, flags & _RCODE):
        return None
    if flags & _TRUNCATED:
        return Answer(flags & _RCODE, truncated=True)
    begin = _HEADER.size + (len(_question(query)) if questions else 0)
    return _answer(data, query, flags & _RCODE, list(_records(data, begin, counts)))


@lru_cache(maxsize=256)
def _template(query: Query) -> bytes:
    try:
        made = dns.message.make_query(query.name, query.type, use_edns=0, payload=PAYLOAD_BYTES, id=0)
        if not query.recursion:
            made.flags &= ~dns.flags.RD
        return made.to_wire()
    except (dns.exception.DNSException, UnicodeError) as error:
        raise DnsError(f"{query.name!r} is no domain name: {error}") from error


@lru_cache(maxsize=256)
def _question(query: Query) -> bytes:
    """Name, type and class as they stand in the query."""
    template = _template(query)
    return template[_HEADER.size : _skip_name(template, _HEADER.size) + _QUESTION.size]


def _repeats(data: bytes, query: Query, questions: int, rcode: int) -> bool:
    """Whether the answer repeats our question, in capitals or not; one that is an error may leave it out."""
    if questions == 0 and rcode:
        return True
    asked = _question(query)
    found = data[_HEADER.size : _HEADER.size + len(asked)]
    name = len(asked) - _QUESTION.size
    return questions == 1 and found[name:] == asked[name:] and found[:name].lower() == asked[:name].lower()


def _answer(data: bytes, query: Query, rcode: int, records: list[_Record]) -> Answer:
    asked = dns.rdatatype.from_text(query.type)
    answers = [record for record in records if record.section == 0 and record.class_ == _IN]
    wanted = [record for record in answers if record.type == asked]
    readable = [record for record in answers if record.type in {asked, _CNAME}]
    extended = [record.ttl >> 24 for record in records if record.type == _OPT and record.section == 2]
    return Answer(
        rcode | extended[0] << 4 if extended else rcode,
        counts=_counts(records),
        wanted=len(wanted),
        texts=tuple(_text(data, record) for record in readable[:MAX_TEXTS]),
        serial=_serial(data, wanted[0]) if wanted and asked == _SOA else None,
    )


def _counts(records: list[_Record]) -> tuple[int, int, int]:
    sections = [record.section for record in records]
    return sections.count(0), sections.count(1), sections.count(2)


def _records(data: bytes, at: int, counts: list[int]) -> Iterator[_Record]:
    for section, count in enumerate(counts):
        for _ in range(count):
            at = _skip_name(data, at)
            if at + _RECORD.size > len(data):
                raise DnsError("a record is cut short")
            type_, class_, ttl, size = _RECORD.unpack_from(data, at)
            at += _RECORD.size
            yield _Record(section, type_, class_, ttl, at, size)
            at += size
    if at > len(data):
        raise DnsError("a record is cut short")


def _skip_name(data: bytes, at: int) -> int:
    """Where a name ends (RFC 1035, 4.1.4)."""
    while at < len(data):
        size = data[at]
        if size >= 0xC0:
            return at + 2
        if size > 63:
            raise DnsError(f"a label of type {size:#x}")
        at += 1 + size
        if size == 0:
            return at
    raise DnsError("a name is cut short")


def _text(data: bytes, record: _Record) -> str:
    type_ = dns.rdatatype.RdataType.make(record.type)
    try:
        rdata = dns.rdata.from_wire(_IN, type_, data, record.at, record.size)
        return f"{type_.name} {rdata.to_text()}"[:TEXT_CHARS]
    except Exception as error:  # a library may raise anything of bytes made to that end
        raise DnsError(f"{type_.name} record: {error}") from error


def _serial(data: bytes, record: _Record) -> int:
    tail = record.at + record.size - _SOA_TAIL_BYTES
    return int.from_bytes(data[tail : tail + 4], "big")
