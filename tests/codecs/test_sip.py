"""SIP: responses as RFC 3261 shows them, in pieces of any size; anything else is refused."""

import time
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.codecs import sip
from probes.codecs.sip import Reader, Request, Response, SipError, Transaction

OURS = Transaction("hjhs8ass877", "a84b4c76e66710", "1928301774", 63104)
REQUEST = Request("sip:carol@chicago.com", "sip:alice@pc33.atlanta.com", "udp", "192.0.2.1:5060")

ANSWER = (
    b"SIP/2.0 200 OK\r\n"
    b"Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKhjhs8ass877\r\n"
    b" ;received=192.0.2.4\r\n"
    b"To: <sip:carol@chicago.com>;tag=93810874\r\n"
    b"From: Alice <sip:alice@atlanta.com>;tag=1928301774\r\n"
    b"Call-ID: a84b4c76e66710\r\n"
    b"CSeq: 63104 OPTIONS\r\n"
    b"Contact: <sip:carol@chicago.com>\r\n"
    b"Allow: INVITE, ACK, CANCEL, OPTIONS, BYE\r\n"
    b"Content-Type: application/sdp\r\n"
    b"Content-Length: 5\r\n"
    b"\r\n"
    b"v=0\r\n"
)
"""RFC 3261, 11.2, with a body and a folded line."""
COMPACT = (
    b"sip/2.0 486 Busy Here\r\n"
    b"v:SIP/2.0/TCP 192.0.2.1;Branch = z9hG4bKhjhs8ass877, SIP/2.0/TCP h;branch=z9hG4bKother\r\n"
    b"v: SIP/2.0/TCP h2;branch=z9hG4bKthird\r\n"
    b"f: <sip:a@b>;tag=1\r\nt: <sip:c@d>;tag=2\r\ni :\ta84b4c76e66710\r\nCSEQ: 63104  OPTIONS\r\nl: 0\r\n\r\n"
)
TRYING = ANSWER.replace(b"200 OK", b"100 Trying")
THEIR_REQUEST = (
    b"NOTIFY sip:diemcau@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/TCP x;branch=z9hG4bK1\r\n"
    b"Call-ID: 1\r\nCSeq: 1 NOTIFY\r\nContent-Length: 3\r\n\r\nxyz"
)
STREAM = b"\r\n\r\n" + TRYING + b"\r\n" + THEIR_REQUEST + b"\r\n\r\n" + ANSWER + COMPACT


def test_a_request_has_all_that_one_must_have() -> None:
    """RFC 3261, 8.1.1 and 11.1, and rport of RFC 3581; outside a dialogue there is no tag in To."""
    assert sip.encode(REQUEST, OURS).decode().split("\r\n") == [
        "OPTIONS sip:carol@chicago.com SIP/2.0",
        "Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKhjhs8ass877",
        "Max-Forwards: 70",
        "From: <sip:alice@pc33.atlanta.com>;tag=1928301774",
        "To: <sip:carol@chicago.com>",
        "Call-ID: a84b4c76e66710",
        "CSeq: 63104 OPTIONS",
        "Contact: <sip:diemcau@192.0.2.1:5060>",
        "Accept: application/sdp",
        "User-Agent: diemcau",
        "Content-Length: 0",
        "",
        "",
    ]


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_via_and_contact_name_the_transport(transport: str) -> None:
    text = sip.encode(Request("sip:[::1]:5061", "sip:a@[::1]", transport, "[::1]:40000"), OURS).decode()
    assert f"Via: SIP/2.0/{transport.upper()} [::1]:40000;" in text
    assert f"Contact: <sip:diemcau@[::1]:40000;transport={transport}>" in text


@pytest.mark.parametrize(
    "uri",
    ["", "sip:", "tel:113", "sip:a b@c", "sip:a@c\r\nX: y", "sip:a@c>", "sip:a@", "sip:h:123456", "sip:" + "h" * 999],
)
def test_what_is_no_uri_comes_into_no_request(uri: str) -> None:
    for request in (Request(uri, "sip:a@b", "udp", "h:1"), Request("sip:a", uri, "udp", "h:1")):
        with pytest.raises(SipError):
            sip.encode(request, OURS)


@pytest.mark.parametrize("host", ["192.0.2.1", "codec_1.example.vn", "2001:db8::1", "fe80::1%eth0"])
def test_every_host_that_can_be_reached_makes_a_uri(host: str) -> None:
    assert sip.URI.fullmatch(f"sip:{sip.host_port(host, 5060)}")


@pytest.mark.parametrize(("packet", "status", "reason"), [(ANSWER, 200, "OK"), (COMPACT, 486, "Busy Here")])
def test_a_response_is_matched_to_its_request(packet: bytes, status: int, reason: str) -> None:
    """Folded lines, compact names in any case, several Vias of which the topmost counts."""
    found = sip.decode(packet)
    assert found == Response(status, reason, "z9hG4bKhjhs8ass877", "a84b4c76e66710", 63104, "OPTIONS")
    assert found.final
    assert found.answers(OURS)


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"z9hG4bKhjhs", b"z9hG4bKhjhx"), (b"a84b", b"b84b"), (b"63104", b"63105"), (b"4 OPTIONS", b"4 INVITE")],
    ids=["branch", "Call-ID", "CSeq", "method"],
)
def test_a_response_to_another_request_is_not_ours(old: bytes, new: bytes) -> None:
    found = sip.decode(ANSWER.replace(old, new))
    assert found is not None
    assert not found.answers(OURS)


def test_a_provisional_response_is_not_final() -> None:
    found = sip.decode(TRYING)
    assert found is not None
    assert not found.final


@pytest.mark.parametrize("packet", [b"", b"\r\n\r\n", b"\r\n", THEIR_REQUEST])
def test_keep_alives_and_requests_are_no_responses(packet: bytes) -> None:
    assert sip.decode(packet) is None


def test_our_own_request_is_no_response() -> None:
    """A service that echoes is no SIP server."""
    assert sip.decode(sip.encode(REQUEST, OURS)) is None


@pytest.mark.parametrize(
    "packet",
    [
        b"\0",
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        b"SIP/2.0 200 OK",
        b"SIP/2.0 99 Low\r\n\r\n",
        b"SIP/2.0 700 High\r\n\r\n",
        b"SIP/3.0 200 OK\r\n\r\n",
        b"SIP/2.0 200 OK\r\n\r\n",
        ANSWER.replace(b"Call-ID: a84b4c76e66710\r\n", b""),
        ANSWER.replace(b"CSeq: 63104 OPTIONS\r\n", b"CSeq: x\r\n"),
        ANSWER.replace(b"Allow: ", b"Allow "),
        ANSWER.replace(b"Length: 5", b"Length: 6"),
        ANSWER.replace(b"Length: 5", b"Length: -5"),
        ANSWER.replace(b"Length: 5", b"Length: 99999"),
        ANSWER.replace(b"Length: 5", "Length: ٥".encode()),
        b"SIP/2.0 200 OK\r\n" + b"x: y\r\n" * (sip.FIELDS + 1) + b"\r\n",
        b"SIP/2.0 200 OK\r\nx: " + b"y" * sip.HEAD_BYTES + b"\r\n\r\n",
    ],
)
def test_what_is_no_response_is_refused(packet: bytes) -> None:
    with pytest.raises(SipError):
        sip.decode(packet)


def feed_bytewise(reader: Reader, data: bytes) -> None:
    for at in range(len(data)):
        reader.feed(data[at : at + 1])


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_pieces_of_any_size_give_the_same_responses(cuts: list[int]) -> None:
    reader = Reader()
    bounds = [0, *sorted(cuts), len(STREAM)]
    found = [one for start, end in pairwise(bounds) for one in reader.feed(STREAM[start:end])]
    assert [one.status for one in found] == [100, 200, 486]
    assert all(one.answers(OURS) for one in found)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_a_stream_in_tiny_pieces(size: int) -> None:
    reader = Reader()
    found = [one for at in range(0, len(STREAM), size) for one in reader.feed(STREAM[at : at + size])]
    assert [one.status for one in found] == [100, 200, 486]


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"220 mail.example.vn ESMTP\r\n",
        b"\x15\x03\x03\x00\x02\x02\x46",
        b"x" * (sip.LINE_BYTES + 1),
        b"SIP/2.0 200 OK\r\nx: " + b"y" * sip.HEAD_BYTES,
        ANSWER + b"HTTP/1.1 400 Bad Request\r\n",
    ],
)
def test_a_stream_that_can_become_no_message_is_refused_at_once(data: bytes) -> None:
    """Without waiting for the end of a header that may never come."""
    with pytest.raises(SipError):
        Reader().feed(data)
    with pytest.raises(SipError):
        feed_bytewise(Reader(), data)


def test_a_stream_of_single_bytes_costs_no_more_than_its_bounds() -> None:
    """A header as long as may be, byte by byte, is no quadratic work."""
    reader, begun = Reader(), time.process_time()
    feed_bytewise(reader, b"SIP/2.0 200 OK\r\nx: " + b"y" * (sip.HEAD_BYTES - 100))
    for _ in range(50_000):
        reader.feed(b"")
    assert time.process_time() - begun < 5.0


@settings(max_examples=200)
@given(st.binary(max_size=300) | st.binary(max_size=60).map(lambda tail: ANSWER[:150] + tail + ANSWER[150:]))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    for read in (sip.decode, Reader().feed):
        with suppress(SipError):
            read(data)
