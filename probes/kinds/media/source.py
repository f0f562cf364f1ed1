"""Which streams libav may be given, and with what rights: the table of schemes. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import SplitResult, quote, urlsplit

import msgspec

from probes.dial import Miss
from probes.model import Failure

FORM = "rtsp[s]://, rtmp[s]://, http[s]:// (HLS), srt:// or udp:// and host[:port][/path]"
AGENT = "diemcau"


class Scheme(msgspec.Struct, frozen=True):
    """How a sort of stream is reached."""

    port: int
    """Where the address names none; 0 where it must."""
    protocols: str
    """What libav may speak on behalf of it: never file, concat, data, pipe or subfile."""
    formats: str
    """What it may be read as."""
    tcp: bool = True
    """Whether a connection over TCP comes first."""
    tls: bool = False
    options: Mapping[str, str] = MappingProxyType({})


RTSP = "rtsp,rtp,udp,tcp"
HTTP = "http,https,tls,tcp,crypto"
FLV = "flv,live_flv"
WEB = "hls,mpegts,mov,mp4,m4a,flv,aac,mp3,ogg,webvtt,matroska,webm"
SCHEMES: Mapping[str, Scheme] = {
    "rtsp": Scheme(554, RTSP, "rtsp,rtp,sdp,mpegts"),
    "rtsps": Scheme(322, f"{RTSP},tls", "rtsp,rtp,sdp,mpegts", tls=True),
    "rtmp": Scheme(1935, "rtmp,tcp", FLV, options={"rtmp_live": "live"}),
    "rtmps": Scheme(443, "rtmps,tls,tcp", FLV, tls=True, options={"rtmp_live": "live"}),
    "http": Scheme(80, HTTP, WEB),
    "https": Scheme(443, HTTP, WEB, tls=True),
    "srt": Scheme(0, "srt", "mpegts", tcp=False),
    "udp": Scheme(0, "udp", "mpegts,rtp", tcp=False),
}
COMMON = {
    "analyzeduration": "1000000",  # µs: no longer than that until it is known what the stream is made of
    "probesize": "1000000",
    "fpsprobesize": "0",  # frames are counted here
    "user_agent": AGENT,
}


class Source(msgspec.Struct, frozen=True):
    """A stream: where to knock, and what to hand to libav."""

    scheme: Scheme
    host: str
    port: int
    url: str
    """With the password: for the decoder alone, never to be told."""
    options: Mapping[str, str]


def source_of(address: str, username: str, password: str, transport: str) -> Source:
    """The stream at an address. Raises Miss where it is none."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise Miss(Failure.RESOLVE, f"expected {FORM}, got {address!r}") from error
    scheme = SCHEMES.get(parts.scheme)
    if scheme is None or not host or not (port or scheme.port) or not address.isprintable() or " " in address:
        raise Miss(Failure.RESOLVE, f"expected {FORM}, got {address!r}")
    own = {"protocol_whitelist": scheme.protocols, "format_whitelist": scheme.formats}
    rtsp = {"rtsp_transport": transport} if parts.scheme.startswith("rtsp") else {}
    url = _with_credentials(parts, username, password)
    return Source(scheme, host, port or scheme.port, url, {**COMMON, **own, **scheme.options, **rtsp})


def _with_credentials(parts: SplitResult, username: str, password: str) -> str:
    if not username:
        return parts.geturl()
    place = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{quote(username, safe='')}:{quote(password, safe='')}@{place}").geturl()
