"""Answers of DNS: the first byte says which of the queries they answer, the rest is the message."""

from struct import pack

from probes.codecs import dns
from probes.codecs.dns import Query

ERROR = dns.DnsError
ID = 0x1234
QUERIES = (
    *(Query("codec.test", "A"), Query("codec.test", "MX"), Query("codec.test", "TXT"), Query("codec.test", "SOA")),
    *(Query(".", "NS"), Query("codec.test", "HTTPS"), Query("codec.test", "NAPTR"), Query("codec.test", "SRV")),
)
TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "MX": 15, "TXT": 16, "SRV": 33, "NAPTR": 35, "HTTPS": 65}
MAIL = b"\x04mail\xc0\x0c"
OPT = b"\0" + pack(">HHIH", 41, 1232, 0, 0)


def _record(type_: str, data: bytes, name: bytes = b"\xc0\x0c") -> bytes:
    return name + pack(">HHIH", TYPES[type_], 1, 60, len(data)) + data


def _answer(number: int, *records: bytes, flags: int = 0x8180) -> bytes:
    """Our own query, turned into an answer with these records."""
    query = dns.encode(QUERIES[number], ID)
    return (
        bytes((number,))
        + query[:2]
        + pack(">HHHHH", flags, 1, len(records), 0, 1)
        + query[12:-11]
        + b"".join((*records, OPT))
    )


SEEDS = (
    _answer(0, _record("A", b"\xc0\x00\x02\x01"), _record("A", b"\xc0\x00\x02\x02")),
    _answer(0, _record("CNAME", b"\x03www\xc0\x0c"), _record("A", b"\xc0\x00\x02\x01", b"\xc0\x28")),
    _answer(1, _record("MX", b"\0\x0a" + MAIL), _record("MX", b"\0\x14" + MAIL)),
    _answer(2, _record("TXT", b'\x0bv=spf1 -all\x05\x00\xff"\\x')),
    _answer(3, _record("SOA", b"\x02ns\xc0\x0c" + MAIL + pack(">IIIII", 2025050800, 3600, 600, 86400, 60))),
    _answer(4, _record("NS", b"\x01a\x0croot-servers\x03net\0", b"\0")),
    _answer(5, _record("HTTPS", b"\0\x01\0\0\x01\0\x03\x02h2\0\x04\0\x04\xc0\x00\x02\x01")),
    _answer(6, _record("NAPTR", b"\0\x0a\0\x64\x01s\x07SIP+D2U\0\x04_sip\x04_udp\xc0\x0c")),
    _answer(7, _record("SRV", b"\0\x0a\0\x3c\x13\xc4\x03sip\xc0\x0c")),
    _answer(0, flags=0x8183),
    _answer(0, flags=0x8380),
)


def feed(data: bytes) -> None:
    """As a packet, and as a message after its length."""
    query, message = QUERIES[data[0] % len(QUERIES) if data else 0], data[1:]
    dns.rest_bytes(dns.framed(message)[: dns.LENGTH_BYTES])
    answer = dns.decode(message, query, ID)
    if answer is not None:
        dns.rcode_name(answer.rcode)
