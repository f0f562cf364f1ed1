"""Session descriptions."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.codecs import sdp
from probes.codecs.sdp import Media, SdpError

CAMERA = b"""v=0\r
o=- 1188340656180883 1 IN IP4 192.0.2.3\r
s=Session streamed with GStreamer\r
a=control:rtsp://192.0.2.3/live/\r
m=video 0 RTP/AVP 96\r
a=rtpmap:96 H264/90000\r
a=control:stream=0\r
m=audio 0 RTP/AVP 8\r
a=control:stream=1\r
m=application 0 RTP/AVP 107\r
a=rtpmap:107 vnd.onvif.metadata/44100\r
"""


def test_a_cameras_tracks() -> None:
    session = sdp.read(CAMERA)
    assert session.control == "rtsp://192.0.2.3/live/"
    assert session.media == [
        Media("video", 96, "stream=0", 90_000),
        Media("audio", 8, "stream=1", 8_000),
        Media("application", 107, "", 44_100),
    ]


def test_what_does_not_go_over_rtp_has_no_payload_type() -> None:
    """RFC 8866, section 5.14: its formats are names."""
    session = sdp.read(b"v=0\r\nm=video 0 RTP/AVP 26\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n")
    assert [(media.kind, media.payload) for media in session.media] == [("video", 26), ("application", None)]


@pytest.mark.parametrize(("payload", "clock_hz"), [(0, 8_000), (11, 44_100), (14, 90_000), (26, 90_000), (33, 90_000)])
def test_static_payload_types_have_their_clocks(payload: int, clock_hz: int) -> None:
    """RFC 3551, section 6."""
    assert sdp.read(b"v=0\nm=audio 0 RTP/AVP %d\n" % payload).media[0].clock_hz == clock_hz


@pytest.mark.parametrize(
    "data",
    [b"", b"<html>", b"v=0\nm=video", b"v=0\nm=video 0 RTP/AVP x", b"v=0\n" * 3000, b"v=0\n" + b"m=a 0 b 1\n" * 40,
     b"v=" + b"x" * sdp.MAX_BYTES],
)  # fmt: skip
def test_what_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(SdpError):
        sdp.read(data)


@given(st.lists(st.sampled_from([*CAMERA.splitlines(), b"a=rtpmap:96 X/0", b"a=", b"=", b"m=v 0 x 300"])))
def test_lines_in_any_order_have_clocks_that_run(lines: list[bytes]) -> None:
    with suppress(SdpError):
        assert all(media.clock_hz > 0 for media in sdp.read(b"v=0\n" + b"\n".join(lines)).media)
