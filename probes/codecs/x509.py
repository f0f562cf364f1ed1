"""Until when a certificate is valid: the one field of X.509 (RFC 5280, 4.1.2.5) that a probe reports.

Python tells it only of certificates that it has verified; an expired one is the one to be told of.
Pure: DER bytes in, Unix time out.
"""

from datetime import UTC, datetime

SEQUENCE, EXPLICIT_VERSION, UTC_TIME, GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18
FORMATS = {UTC_TIME: "%y%m%d%H%M%SZ", GENERALIZED_TIME: "%Y%m%d%H%M%SZ"}


def not_after(certificate: bytes) -> float:
    """The end of validity, Unix time in seconds. Raises ValueError for anything that is no certificate."""
    signed = _inside(_inside([(SEQUENCE, certificate)]))
    fields = _inside(signed)
    at = 4 if fields[:1] and fields[0][0] == EXPLICIT_VERSION else 3  # version, serial, algorithm, issuer come before
    _, (tag, text) = _inside(fields[at:])
    return _instant(tag, text)


def _inside(fields: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """What the first of these fields, a sequence, consists of: tags and contents (X.690, 8.1)."""
    if not fields or fields[0][0] != SEQUENCE:
        raise ValueError("no sequence where a certificate has one")
    data, at, found = fields[0][1], 0, []
    while at < len(data):
        tag, length, start = data[at], *_length(data, at + 1)
        if start + length > len(data):
            raise ValueError(f"field at byte {at} is cut short")
        found.append((tag, data[start : start + length]))
        at = start + length
    return found


def _length(data: bytes, at: int) -> tuple[int, int]:
    """A length and where its field starts. Short form, or up to four bytes of the long one."""
    head = data[at : at + 1]
    if not head or head[0] in (0x80, 0xFF) or head[0] > 0x84:
        raise ValueError(f"length at byte {at} is none of DER")
    if head[0] < 0x80:
        return head[0], at + 1
    start = at + 1 + (head[0] & 0x7F)
    return int.from_bytes(data[at + 1 : start], "big"), start


def _instant(tag: int, text: bytes) -> float:
    if tag not in FORMATS:
        raise ValueError(f"ASN.1 tag {tag:#x} is no time")
    at = datetime.strptime(text.decode("ascii"), FORMATS[tag]).replace(tzinfo=UTC)
    if tag == UTC_TIME and at.year >= 2050:  # RFC 5280: of two digits, those from 50 up are the last century
        at = at.replace(year=at.year - 100)
    return at.timestamp()
