"""SNMPv2c: what is asked is what the RFCs show, what comes is read or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.codecs import snmp
from probes.codecs.snmp import OBJECT_ID, OCTETS, REPORT, RESPONSE, SnmpError, integer, oid, sequence, tlv

SYS_DESCR = oid("1.3.6.1.2.1.1.1.0")


def response(*bindings: bytes, tag: int = RESPONSE, status: bytes = b"\x02\x01\0") -> bytes:
    pdu = tlv(tag, integer(7) + status + integer(0) + sequence(*bindings))
    return snmp.message_2c(b"public", pdu)


def binding(value: bytes, name: bytes = SYS_DESCR) -> bytes:
    return sequence(tlv(OBJECT_ID, name), value)


def test_a_request_octet_by_octet() -> None:
    """Version, community, GetRequest-PDU with one binding to NULL (RFC 1901, RFC 3416, 3)."""
    request = snmp.message_2c(b"public", snmp.get(0x0156_2D1F, (SYS_DESCR,)))
    assert request.hex() == ("302902010104067075626c6963a01c020401562d1f020100020100300e300c06082b060102010101000500")


def test_a_bulk_request_tells_how_many_rows_it_wants() -> None:
    pdu = snmp.get_bulk(1, SYS_DESCR, 16)
    assert pdu.hex() == "a519020101020100020110300e300c06082b060102010101000500"


@pytest.mark.parametrize(
    ("dotted", "encoded"),
    [("1.3.6.1", "2b0601"), ("2.999.3", "883703"), ("1.3.6.1.4.1.8072", "2b06010401bf08"), ("0.0", "00")],
)
def test_object_identifiers(dotted: str, encoded: str) -> None:
    """X.690, 8.19, with its example of a second arc beyond 39."""
    assert oid(dotted).hex() == encoded


@given(st.integers(-(2**63), 2**64 - 1))
def test_integers_come_back(number: int) -> None:
    packet = integer(number)
    assert len(packet) <= 2 or packet[2:4] not in {b"\0\0", b"\xff\xff"}
    assert snmp.read_integer(packet, (packet[0], 2, len(packet))) == number


@given(st.binary(max_size=70_000))
def test_contents_of_any_length_come_back(content: bytes) -> None:
    packet = tlv(OCTETS, content)
    found = snmp.fields(packet, 0, len(packet), 1)
    assert [packet[start:end] for _, start, end in found] == [content]


@pytest.mark.parametrize(
    ("encoded", "value"),
    [
        ("0201ff", -1),
        ("4104ffffffff", 2**32 - 1),  # Counter32 of an agent that leaves out the zero before it
        ("410500ffffffff", 2**32 - 1),
        ("42012a", 42),
        ("43020100", 256),
        ("4609" + "00" + "ff" * 8, 2**64 - 1),
        ("0403555053", b"UPS"),
        ("06032b0601", b"\x2b\x06\x01"),
        ("4004c0000207", b"\xc0\0\x02\x07"),
        ("0500", None),
        ("8000", None),
        ("8100", None),
        ("8200", None),
    ],
)
def test_values_of_every_type(encoded: str, value: snmp.Value) -> None:
    """RFC 3416, 3: numbers, texts, and three ways to say that there is none."""
    found = snmp.parse_2c(response(binding(bytes.fromhex(encoded))))
    assert found.pdu.values == {SYS_DESCR: value}
    assert (found.community, found.pdu.request_id, found.pdu.error) == (b"public", 7, "")


@pytest.mark.parametrize(
    ("status", "word"),
    [(1, "tooBig"), (5, "genErr"), (18, "inconsistentName"), (19, "error-status 19"), (-3, "error-status -3")],
)
def test_errors_have_their_words(status: int, word: str) -> None:
    assert snmp.parse_2c(response(status=integer(status))).pdu.error == word


GOOD = response(binding(integer(1)))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30",
        b"\x30\x80\0\0",
        b"\x30\x85\0\0\0\0\0",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        GOOD.replace(b"\x02\x01\x01\x04", b"\x02\x01\x00\x04", 1),
        GOOD[:-1],
        response(binding(tlv(0x47, b"\0"))),
        response(binding(b"\x02\0")),
        response(binding(tlv(2, bytes(10)))),
        response(b"\x05\0"),
        response(*[binding(integer(1))] * (snmp.BINDINGS + 1)),
        response(tag=0xA0),
        sequence(*[integer(1)] * 100),
    ],
)
def test_what_is_no_answer_is_refused(data: bytes) -> None:
    """Truncated, indefinite, of another version, another protocol, another type, too many."""
    with pytest.raises(SnmpError):
        snmp.parse_2c(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for packet in (data, sequence(integer(1), tlv(OCTETS, b""), data), response(data, tag=REPORT)):
        try:
            snmp.parse_2c(packet)
        except SnmpError:
            continue
