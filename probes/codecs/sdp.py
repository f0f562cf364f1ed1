"""Reads what a stream consists of: the Session Description Protocol (RFC 8866), as RTSP uses it (RFC 2326, appendix C).

Only what is needed to set up its tracks and to time their packets: kinds of media, payload types with their clock
rates, and control addresses.
"""

import re

import msgspec

from probes.model import Malformed

MAX_BYTES = 64 << 10
MAX_LINES = 2_000
MAX_MEDIA = 32
_PAYLOAD = re.compile(r"[0-9]{1,3}")
_RTPMAP = re.compile(r"rtpmap:([0-9]{1,3}) [^/\s]{1,64}/([0-9]{1,9})(?:/|\s|\Z)")
DEFAULT_CLOCK_HZ = 90_000
"""Of every static type of picture, and of MPEG audio (RFC 3551, section 6)."""
STATIC_CLOCKS = dict.fromkeys((0, 3, 4, 5, 7, 8, 9, 12, 13, 15, 18), 8_000) | {
    6: 16_000,
    10: 44_100,
    11: 44_100,
    16: 11_025,
    17: 22_050,
}
"""Clock rates of the other static payload types."""


class SdpError(Malformed):
    """This is no session description."""


class Media(msgspec.Struct):
    """A section of the description: one track."""

    kind: str
    """``audio``, ``video`` or another."""
    payload: int | None
    """The first payload type that is listed; None for what does not go over RTP."""
    control: str = ""
    """Where it is set up, relative to the whole; empty for the whole's own."""
    clock_hz: int = DEFAULT_CLOCK_HZ


class Session(msgspec.Struct):
    """The whole."""

    media: list[Media]
    control: str = ""


def read(data: bytes) -> Session:
    """The description. Raises SdpError."""
    if len(data) > MAX_BYTES:
        raise SdpError(f"a session description of {len(data)} bytes")
    lines = data.decode("utf-8", "replace").splitlines()
    if len(lines) > MAX_LINES:
        raise SdpError(f"a session description of {len(lines)} lines")
    if not lines or not lines[0].startswith("v="):
        raise SdpError(f"begins with {data[:20]!r} instead of v=")
    session = Session([])
    for line in lines:
        _take(session, line)
    return session


def _take(session: Session, line: str) -> None:
    name, _, value = line.partition("=")
    if name == "m":
        session.media.append(_media(value))
        if len(session.media) > MAX_MEDIA:
            raise SdpError(f"more than {MAX_MEDIA} tracks")
    elif name == "a" and value.startswith("control:"):
        control = value.removeprefix("control:").strip()
        if session.media:
            session.media[-1].control = control
        else:
            session.control = control
    elif name == "a" and session.media:
        _clock(session.media[-1], value)


def _media(value: str) -> Media:
    """``m=video 0 RTP/AVP 96``."""
    words = value.split()
    if len(words) < 4:
        raise SdpError(f"no track: {value[:60]!r}")
    if not words[2].startswith("RTP/"):
        return Media(words[0], None)
    if not _PAYLOAD.fullmatch(words[3]):
        raise SdpError(f"no track: {value[:60]!r}")
    payload = int(words[3])
    return Media(words[0], payload, clock_hz=STATIC_CLOCKS.get(payload, DEFAULT_CLOCK_HZ))


def _clock(media: Media, value: str) -> None:
    found = _RTPMAP.match(value)
    if found is not None and int(found[1]) == media.payload and int(found[2]) > 0:
        media.clock_hz = int(found[2])
