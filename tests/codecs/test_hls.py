"""Playlists of HTTP Live Streaming."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.codecs import hls
from probes.codecs.hls import HlsError, Media, Multivariant, Segment, Variant

LIVE = b"""#EXTM3U
#EXT-X-TARGETDURATION:8
#EXT-X-VERSION:3
#EXT-X-MEDIA-SEQUENCE:2680

#EXTINF:7.975,
https://priv.example.com/fileSequence2680.ts
#EXTINF:7.941,a title
https://priv.example.com/fileSequence2681.ts
#EXTINF:7.975,
https://priv.example.com/fileSequence2682.ts
"""
"""RFC 8216, section 8.2."""
MASTER = b"""#EXTM3U
#EXT-X-STREAM-INF:BANDWIDTH=1280000,AVERAGE-BANDWIDTH=1000000
http://example.com/low.m3u8
#EXT-X-STREAM-INF:CODECS="mp4a.40.5,avc1",BANDWIDTH=2560000
mid.m3u8
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=86000,URI="low/iframe.m3u8"
"""
"""RFC 8216, sections 8.4 and 8.5."""
LOW_LATENCY = b"""#EXTM3U
#EXT-X-TARGETDURATION:4
#EXT-X-VERSION:6
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.0,CAN-SKIP-UNTIL=24.0
#EXT-X-PART-INF:PART-TARGET=0.33334
#EXT-X-MEDIA-SEQUENCE:266
#EXT-X-SKIP:SKIPPED-SEGMENTS=3
#EXTINF:4.00008,
fileSequence269.mp4
#EXT-X-PART:DURATION=0.33334,URI="filePart270.0.mp4"
#EXT-X-PART:DURATION=0.33334,URI="filePart270.1.mp4",BYTERANGE="100@50"
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="filePart270.2.mp4"
"""


def test_a_live_playlist() -> None:
    found = hls.read(LIVE)
    assert isinstance(found, Media)
    assert (found.target_duration_s, found.sequence, found.ended) == (8.0, 2680, False)
    assert [segment.duration_s for segment in found.segments] == [7.975, 7.941, 7.975]
    assert found.segments[-1].uri == "https://priv.example.com/fileSequence2682.ts"
    assert found.next_sequence == 2683


def test_a_choice_of_variants_is_told_from_frames_to_seek_by() -> None:
    found = hls.read(MASTER)
    assert found == Multivariant((Variant("http://example.com/low.m3u8", 1280000), Variant("mid.m3u8", 2560000)))


def test_low_latency_advances_by_its_parts() -> None:
    """Skipped segments count, hints do not."""
    found = hls.read(LOW_LATENCY)
    assert isinstance(found, Media)
    assert found.position == (270, 2)
    assert found.last_part == Segment("filePart270.1.mp4", 0.33334, 100, 50)


DATED = b"""#EXTM3U
#EXT-X-TARGETDURATION:4
#EXT-X-DISCONTINUITY-SEQUENCE:3
#EXT-X-MEDIA-SEQUENCE:18446744073709551615
#EXT-X-PROGRAM-DATE-TIME:2010-02-19T14:54:23.031+08:00
#EXTINF:4.0,
a.ts
#EXTINF:3.5,
b.ts
"""
BEGUN_AT = 1266562463.031
"""The date there, section 4.3.2.6."""


def test_a_date_holds_for_the_segments_behind_it() -> None:
    """Until a discontinuity."""
    found = hls.read(DATED + b"#EXT-X-DISCONTINUITY\n#EXTINF:4,\nc.ts\n")
    assert isinstance(found, Media)
    assert (found.discontinuity, found.sequence) == (3, 2**64 - 1)
    assert [one.begins_at for one in found.segments] == [BEGUN_AT, BEGUN_AT + 4.0, None]
    assert found.newest_ends_at is None


def test_the_newest_end_is_that_of_the_last_part() -> None:
    whole = hls.read(DATED)
    parts = hls.read(DATED + b'#EXT-X-PART:DURATION=1,URI="c"\n#EXT-X-PART:DURATION=0.5,URI="c"\n')
    assert isinstance(whole, Media)
    assert isinstance(parts, Media)
    assert whole.newest_ends_at == pytest.approx(BEGUN_AT + 7.5)
    assert parts.newest_ends_at == pytest.approx(BEGUN_AT + 9.0)


@pytest.mark.parametrize("date", [b"", b"soon", b"2010-02-19T14:54:23", b"9" * 99, b"0001-01-01T00:00:00+23:59"])
def test_a_date_may_be_anything(date: bytes) -> None:
    """Players do without, and so does a probe."""
    found = hls.read(b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-PROGRAM-DATE-TIME:%b\n#EXTINF:4,\na.ts\n" % date)
    assert isinstance(found, Media)
    assert (found.newest_ends_at or 0.0) <= 0.0


def test_a_part_goes_on_where_the_one_before_ended() -> None:
    part = b'#EXT-X-PART:DURATION=1,URI="a.mp4",BYTERANGE="%b"\n'
    head = b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-PART-INF:PART-TARGET=1.004\n"
    found = hls.read(head + part % b"100@20" + part % b"30")
    assert isinstance(found, Media)
    assert found.part_target_s == 1.004
    assert found.last_part == Segment("a.mp4", 1.0, 30, 120)


def test_a_recording_has_an_end() -> None:
    found = hls.read(LIVE + b"#EXT-X-ENDLIST\r\n")
    assert isinstance(found, Media)
    assert found.ended


def test_a_byte_range_goes_on_where_the_one_before_ended() -> None:
    found = hls.read(
        b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n#EXT-X-BYTERANGE:100@20\na.ts\n#EXTINF:5,\n#EXT-X-BYTERANGE:30\na.ts\n"
    )
    assert isinstance(found, Media)
    assert [(one.offset, one.length) for one in found.segments] == [(20, 100), (120, 30)]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "does not begin with #EXTM3U"),
        (b"<html>", "does not begin with #EXTM3U"),
        (b"\xff\xfe", "not UTF-8"),
        (b"#EXTM3U\n", "no EXT-X-TARGETDURATION"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:soon\n", "no duration"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:nan\n", "no duration"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:999999\n", "no duration"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:5\nsegment.ts\n", "without EXTINF"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXT-X-MEDIA-SEQUENCE:-1\n", "no whole number"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n#EXT-X-BYTERANGE:5\na.ts\n", "begins nowhere"),
        (b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n", "names no variant"),
        (b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=x\na\n", "no whole number"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXT-X-PART:DURATION=1,URI=bare\n", "no quoted text"),
        (b"#EXTM3U\n" + b"#\n" * (hls.MAX_LINES + 1), "lines"),
        (b"#EXTM3U\n" + b" " * hls.MAX_BYTES, "bytes"),
        (b"#EXTM3U\n#EXT-X-PART:" + b"A" * hls.MAX_LINE, "a line of"),
        (b'#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXT-X-PART:DURATION=1,URI="a",BYTERANGE="5"\n', "begins nowhere"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXT-X-DISCONTINUITY-SEQUENCE:x\n", "no whole number"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n" + b"a" * 5000, "characters"),
    ],
)
def test_what_breaks_the_rules_is_refused(text: bytes, why: str) -> None:
    with pytest.raises(HlsError, match=why):
        hls.read(text)


@given(st.lists(st.sampled_from([*LIVE.splitlines(), *MASTER.splitlines(), *LOW_LATENCY.splitlines(), b"#", b"a"])))
def test_lines_in_any_order_are_a_playlist_or_an_error(lines: list[bytes]) -> None:
    with suppress(HlsError):
        hls.read(b"#EXTM3U\n" + b"\n".join(lines))


@given(st.floats(0.1, 100), st.integers(0, 10**12), st.lists(st.floats(0, 100), max_size=20))
def test_what_is_written_is_read(target: float, sequence: int, durations: list[float]) -> None:
    head = f"#EXTM3U\n#EXT-X-TARGETDURATION:{target:.3f}\n#EXT-X-MEDIA-SEQUENCE:{sequence}\n"
    body = "".join(f"#EXTINF:{duration:.6f},\nseg{number}.ts\n" for number, duration in enumerate(durations))
    found = hls.read((head + body).encode())
    assert isinstance(found, Media)
    assert found.position == (sequence + len(durations), 0)
    assert [segment.duration_s for segment in found.segments] == pytest.approx(durations, abs=1e-6)
