"""Playlists of HTTP Live Streaming."""

from probes.codecs import hls

ERROR = hls.HlsError

LIVE = b"""#EXTM3U
#EXT-X-VERSION:3
#EXT-X-MEDIA-SEQUENCE:17
#EXT-X-TARGETDURATION:1
#EXTINF:1.033,
live-17.ts
#EXTINF:0.967,
live-18.ts
"""
CHOICE = b"""#EXTM3U
#EXT-X-STREAM-INF:BANDWIDTH=1280000,CODECS="avc1,mp4a"
low/index.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=2560000,RESOLUTION=1280x720
mid/index.m3u8
"""
LOW_LATENCY = b"""#EXTM3U
#EXT-X-TARGETDURATION:4
#EXT-X-PART-INF:PART-TARGET=0.33334
#EXT-X-MEDIA-SEQUENCE:266
#EXT-X-SKIP:SKIPPED-SEGMENTS=3
#EXTINF:4.00008,
fileSequence269.mp4
#EXT-X-PART:DURATION=0.33334,URI="filePart270.0.mp4"
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="filePart270.1.mp4"
"""
RECORDED = b"""#EXTM3U
#EXT-X-TARGETDURATION:10
#EXTINF:9.9,
#EXT-X-BYTERANGE:1000@0
all.ts
#EXTINF:9.9,
#EXT-X-BYTERANGE:1000
all.ts
#EXT-X-ENDLIST
"""
SEEDS = (LIVE, CHOICE, LOW_LATENCY, RECORDED)


def feed(data: bytes) -> None:
    """As the body of an answer."""
    playlist = hls.read(data)
    if isinstance(playlist, hls.Media):
        _ = playlist.position
