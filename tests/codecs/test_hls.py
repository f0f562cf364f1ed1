"""Playlists as RFC 8216 shows them, as its low-latency successor does, and as nobody should write them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.codecs import hls
from probes.codecs.hls import ByteRange, HlsError, Master, Media, Segment, Variant, parse

SIMPLE = b"""#EXTM3U
#EXT-X-TARGETDURATION:10
#EXTINF:9.009,
http://media.example.com/first.ts
#EXTINF:9.009,
http://media.example.com/second.ts
#EXTINF:3.003,
http://media.example.com/third.ts
#EXT-X-ENDLIST
"""
LIVE = b"""#EXTM3U
#EXT-X-VERSION:3
#EXT-X-TARGETDURATION:8
#EXT-X-MEDIA-SEQUENCE:2680

#EXTINF:7.975,
https://priv.example.com/fileSequence2680.ts
#EXTINF:7.941,
https://priv.example.com/fileSequence2681.ts
#EXTINF:7.975,
https://priv.example.com/fileSequence2682.ts
"""
MASTER = b"""#EXTM3U
#EXT-X-STREAM-INF:BANDWIDTH=1280000,AVERAGE-BANDWIDTH=1000000
http://example.com/low.m3u8
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=86000,URI="low/iframe.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=7680000,CODECS="avc1.4d401f,mp4a.40.5"
hi/index.m3u8
#EXT-X-STREAM-INF:CODECS="mp4a.40.5",BANDWIDTH=65000
audio-only.m3u8
"""
LOW_LATENCY = b"""#EXTM3U
#EXT-X-TARGETDURATION:4
#EXT-X-VERSION:9
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.0,CAN-SKIP-UNTIL=12.0
#EXT-X-PART-INF:PART-TARGET=0.33334
#EXT-X-MEDIA-SEQUENCE:266
#EXT-X-SKIP:SKIPPED-SEGMENTS=3
#EXT-X-PART:DURATION=0.33334,URI="filePart269.0.mp4"
#EXTINF:4.00008,
fileSequence269.mp4
#EXT-X-PART:DURATION=0.33334,URI="filePart270.0.mp4",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.33334,URI="filePart270.1.mp4"
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="filePart270.2.mp4"
#EXT-X-RENDITION-REPORT:URI="../1M/waitForMSN.php",LAST-MSN=270,LAST-PART=1
"""


def media(text: bytes) -> Media:
    found = parse(text)
    assert isinstance(found, Media)
    return found


def test_simple_media_playlist() -> None:
    """RFC 8216, section 8.1."""
    found = media(SIMPLE)
    assert (found.target_duration_s, found.media_sequence, found.ended) == (10, 0, True)
    assert [segment.duration_s for segment in found.segments] == [9.009, 9.009, 3.003]
    assert found.last == Segment("http://media.example.com/third.ts", 3.003)
    assert found.overlong == 0


def test_live_media_playlist() -> None:
    """RFC 8216, section 8.2; lines may end in CR LF."""
    for text in (LIVE, LIVE.replace(b"\n", b"\r\n"), LIVE.rstrip()):
        found = media(text)
        assert (found.media_sequence, len(found.segments), found.ended) == (2680, 3, False)
        assert found.newest == (2683, 0)


def test_multivariant_playlist() -> None:
    """RFC 8216, section 8.4: by bandwidth; a variant of key frames alone is none to play."""
    found = parse(MASTER)
    assert isinstance(found, Master)
    assert found.variants[0] == Variant("http://example.com/low.m3u8", 1_280_000)
    assert found.pick(highest=False).uri == "audio-only.m3u8"
    assert found.pick(highest=True).uri == "hi/index.m3u8"


def test_low_latency_playlist() -> None:
    """Parts and what was skipped count; parts of a segment that is whole do not."""
    found = media(LOW_LATENCY)
    assert (found.part_target_s, found.skipped, found.trailing_parts) == (0.33334, 3, 2)
    assert found.last_part == Segment("filePart270.1.mp4", 0.33334)
    assert found.newest == (270, 2)
    assert found.last == Segment("fileSequence269.mp4", 4.00008)


def test_parts_alone_are_media() -> None:
    """At the very beginning of a stream."""
    found = media(b'#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-PART:DURATION=0.5,URI="a.mp4",BYTERANGE="10@5"\n')
    assert found.last == Segment("a.mp4", 0.5, ByteRange(10, 5))
    assert found.newest == (0, 1)


def test_byte_ranges() -> None:
    """Without an offset one goes on where the last one of the same resource ended (section 4.3.2.2)."""
    found = media(
        b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9,\n#EXT-X-BYTERANGE:100@20\na.ts\n"
        b"#EXT-X-BYTERANGE:50\n#EXTINF:9,\na.ts\n#EXTINF:9,\nb.ts\n"
    )
    assert [segment.byte_range for segment in found.segments] == [ByteRange(100, 20), ByteRange(50, 120), None]
    assert ByteRange(50, 120).header == "bytes=120-169"


def test_gap_is_not_the_segment_to_fetch() -> None:
    """It counts all the same."""
    found = media(b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\na.ts\n#EXT-X-GAP\n#EXTINF:2,\nb.ts\n")
    assert found.newest == (2, 0)
    assert found.last == Segment("a.ts", 2.0)


@pytest.mark.parametrize(("duration", "overlong"), [("4.49", 0), ("4.5", 1), ("5", 1), ("4", 0)])
def test_overlong_segments_by_their_rounded_duration(duration: str, overlong: int) -> None:
    """Section 4.3.3.1: rounded to the nearest whole number."""
    assert media(f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:{duration},\na.ts\n".encode()).overlong == overlong


HEAD = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "begins with ''"),
        (b"<html>not found</html>", "begins with '<html>"),
        (b"\xef\xbb\xbf#EXTM3U\n", "begins with"),
        (b"#EXTM3U8\n", "begins with"),
        (b"#EXTM3U\n\xff\n", "not in UTF-8"),
        (b"#EXTM3U\n", "neither a variant nor"),
        (b"#EXTM3U\n#EXTINF:2,\na.ts\n", "neither a variant nor"),
        (HEAD + b"a.ts\n", "a URI without EXTINF"),
        (HEAD + b"#EXTINF:-2,\na.ts\n", "'-2' where a number of seconds"),
        (HEAD + b"#EXTINF:nan,\na.ts\n", "'nan' where a number of seconds"),
        (HEAD + b"#EXTINF:1e9,\na.ts\n", "'1e9' where a number of seconds"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:\n", "'' where a number of seconds"),
        (HEAD + b"#EXT-X-MEDIA-SEQUENCE:" + b"9" * 21, "where a whole number"),
        (HEAD + b"#EXT-X-SKIP:OTHER=1\n", "'' where a whole number"),
        (HEAD + b"#EXTINF:2,\n#EXT-X-BYTERANGE:10\na.ts\n", "without an offset"),
        (HEAD + b"#EXTINF:2,\n#EXT-X-BYTERANGE:0@0\na.ts\n", "'0@0' is no byte range"),
        (HEAD + b"#EXT-X-PART:DURATION=1\n", "without a URI"),
        (HEAD + b'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="open\n', "is no attribute"),
        (b"#EXTM3U\n#EXT-X-STREAM-INF:CODECS=x\na.m3u8\n", "'' where a whole number"),
        (HEAD + b"#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n", "both a multivariant and a media"),
        (HEAD + b"#" * (hls.LINE_CHARS + 1), "a line of more than"),
        (HEAD + b"\n" * hls.LINES, "a playlist of more than"),
        (HEAD + bytes(hls.PLAYLIST_BYTES), "a playlist of more than"),
        (b"#EXTM3U\n" + b"#EXT-X-STREAM-INF:BANDWIDTH=1\na\n" * 257, "more than 16384 segments or 256 variants"),
    ],
)
def test_what_is_no_playlist_is_refused(text: bytes, says: str) -> None:
    """With the reason."""
    with pytest.raises(HlsError, match="(?i)" + says.replace("<", "\\<")):
        parse(text)


def test_unknown_tags_and_comments_are_passed_over() -> None:
    """Section 6.3.1."""
    assert len(media(LIVE + b"# a comment\n#EXT-X-NEW:anything, at all\n#EXT\n\n").segments) == 3


@settings(max_examples=50)
@given(
    first=st.integers(0, 10**12),
    durations=st.lists(st.integers(0, 20_000), min_size=1, max_size=50),
    ended=st.booleans(),
)
def test_what_is_written_is_read(first: int, durations: list[int], ended: bool) -> None:  # noqa: FBT001
    """Numbers, order and durations."""
    lines = ["#EXTM3U", f"#EXT-X-MEDIA-SEQUENCE:{first}", "#EXT-X-TARGETDURATION:20"]
    for number, duration_ms in enumerate(durations, first):
        lines += [f"#EXTINF:{duration_ms / 1000:.3f},", f"{number}.ts"]
    found = media("\n".join([*lines, *(["#EXT-X-ENDLIST"] if ended else [])]).encode())
    assert found.newest == (first + len(durations), 0)
    assert [round(segment.duration_s * 1000) for segment in found.segments] == durations
    assert found.ended is ended


@settings(max_examples=200)
@given(st.binary(max_size=300), st.sampled_from([b"", HEAD, HEAD + b"#EXT-X-PART:", b"#EXTM3U\n#EXT-X-STREAM-INF:"]))
def test_any_bytes_are_a_playlist_or_refused(data: bytes, head: bytes) -> None:
    """By the codec's own error alone."""
    try:
        parse(head + data)
    except HlsError:
        pass


def test_hostile_lines_are_read_in_linear_time() -> None:
    """As many of the longest lines as fit, of what the pattern of attributes would go over again and again."""
    for piece in (b"A" * 8000, b'A="' * 2700, b"A=," * 2700, b" " * 8000):
        line = b"#EXT-X-SERVER-CONTROL:" + piece + b"\n"
        try:
            parse(HEAD + line * (hls.PLAYLIST_BYTES // len(line) - 1))
        except HlsError:
            pass
