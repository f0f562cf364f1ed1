"""RTSP, and packets interleaved in it."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.codecs import rtsp
from probes.codecs.rtsp import Frame, Reader, Response, RtspError

OK = b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nSession: 12345678;timeout=60\r\nContent-Length: 5\r\n\r\nhello"
FRAME = b"$\x02\x00\x03abc"
SERVERS_OWN = b"ANNOUNCE rtsp://x/ RTSP/1.0\r\nCSeq: 9\r\nContent-Length: 2\r\n\r\nhi"


def whole(data: bytes, *cuts: int) -> list[rtsp.Event]:
    reader, events = Reader(), list[rtsp.Event]()
    for start, end in zip((0, *cuts), (*cuts, len(data)), strict=True):
        events += reader.feed(data[start:end])
    return events


def test_a_request_is_written() -> None:
    told = rtsp.encode("DESCRIBE", "rtsp://x/live", 3, {"Accept": "application/sdp"})
    assert told == b"DESCRIBE rtsp://x/live RTSP/1.0\r\nCSeq: 3\r\nAccept: application/sdp\r\n\r\n"


def test_a_request_that_would_be_two_is_refused() -> None:
    with pytest.raises(RtspError):
        rtsp.encode("DESCRIBE", "rtsp://x/\r\nEvil: 1", 1, {})


def test_a_response_with_its_body_and_session() -> None:
    (found,) = whole(OK)
    assert isinstance(found, Response)
    assert (found.status, found.reason, found.cseq, found.session, found.body) == (200, "OK", "2", "12345678", b"hello")


@given(st.lists(st.integers(0, len(FRAME + SERVERS_OWN + OK + FRAME)), max_size=6).map(sorted))
def test_packets_and_the_servers_own_requests_come_between_however_it_is_cut(cuts: list[int]) -> None:
    """The server's requests are passed over."""
    first, answer, last = whole(FRAME + SERVERS_OWN + b"\r\n" + OK + FRAME, *cuts)
    assert first == last == Frame(2, b"abc")
    assert isinstance(answer, Response)
    assert answer.body == b"hello"


def test_headers_may_be_repeated_and_folded() -> None:
    (found,) = whole(b'RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic realm="a"\r\n'
                     b'WWW-Authenticate: Digest realm="b",\r\n nonce="n"\r\n\r\n')  # fmt: skip
    assert isinstance(found, Response)
    assert found.headers["www-authenticate"] == ('Basic realm="a"', 'Digest realm="b", nonce="n"')


@pytest.mark.parametrize(
    "data",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x\r\n\r\n", b"220 smtp\r\n\r\n", b"\x16\x03\x01\x00\xff",
     b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\nContent-Le", b"RTSP/2.0 505 No\r\n",  # told by their first line
     b"RTSP/1.0 abc\r\n\r\n", b"RTSP/1.0 200 OK\r\nnonsense\r\n\r\n", b"RTSP/1.0 200 OK\r\nContent-Length: x\r\n\r\n",
     b"RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n", b"RTSP/1.0 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
     b"RTSP/1.0 200 OK\r\n" + b"A" * rtsp.MAX_HEAD],
)  # fmt: skip
def test_what_is_no_rtsp_is_refused(data: bytes) -> None:
    with pytest.raises(RtspError):
        whole(data)


@pytest.mark.parametrize(
    ("transport", "channel"),
    [
        ("RTP/AVP/TCP;unicast;interleaved=4-5;ssrc=1A2B", 4),
        ("RTP/AVP/TCP;interleaved=0", 0),
        ("RTP/AVP/TCP", 2),
        ("interleaved=9999", 2),
        ("", 2),
    ],
)
def test_the_server_may_choose_a_tracks_channel(transport: str, channel: int) -> None:
    assert rtsp.channel(transport, 2) == channel


@given(st.binary(max_size=200), st.integers(0, 200))
def test_any_bytes_are_events_or_an_error(data: bytes, cut: int) -> None:
    with suppress(RtspError):
        whole(data, min(cut, len(data)))
