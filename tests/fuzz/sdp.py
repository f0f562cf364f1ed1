"""Session descriptions."""

from probes.codecs import sdp

ERROR = sdp.SdpError

CAMERA = b"""v=0
o=- 1188340656180883 1 IN IP4 192.0.2.3
s=Session streamed with GStreamer
a=control:*
m=video 0 RTP/AVP 96
b=AS:512
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1
a=control:stream=0
m=audio 0 RTP/AVP 97
a=rtpmap:97 MPEG4-GENERIC/44100/2
a=control:rtsp://192.0.2.3/live/stream=1
"""
SEEDS = (CAMERA, b"v=0\r\nm=audio 0 RTP/AVP 0\r\n", b"v=0\nm=video 0 RTP/AVP 26\na=control:trackID=1\n")


def feed(data: bytes) -> None:
    """As the body of an answer."""
    sdp.read(data)
