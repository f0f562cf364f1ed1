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
_RTPMAP = re.compile(r"rtpmap:([0-9]{1,3}) [^/\s]{1,64}/([0-9]{1,9})(?:/|\s|\Z)")
STATIC_CLOCKS = {
    0: 8000,
    3: 8000,
    4: 8000,
    8: 8000,
    9: 8000,
    14: 90000,
    18: 8000,
    26: 90000,
    31: 90000,
    32: 90000,
    33: 90000,
}
"""Clock rates of static payload types (RFC 3551, section 6)."""


class SdpError(Malformed):
    """This is no session description."""


class Media(msgspec.Struct):
    """A section of the description: one track."""

    kind: str
    """``audio``, ``video`` or another."""
    payload: int
    """The first payload type that is listed."""
    control: str = ""
    """Where it is set up, relative to the whole; empty for the whole's own."""
    clock_hz: int = 90_000


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
    if len(words) < 4 or not (words[3].isascii() and words[3].isdecimal() and len(words[3]) <= 3):
        raise SdpError(f"no track: {value[:60]!r}")
    payload = int(words[3])
    return Media(words[0], payload, clock_hz=STATIC_CLOCKS.get(payload, 90_000))


def _clock(media: Media, value: str) -> None:
    found = _RTPMAP.match(value)
    if found is not None and int(found[1]) == media.payload and int(found[2]) > 0:
        media.clock_hz = int(found[2])
