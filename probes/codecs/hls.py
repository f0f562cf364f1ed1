"""Reads playlists of HTTP Live Streaming: multivariant and media, live and ended, low-latency parts included.

RFC 8216; EXT-X-PART, EXT-X-PRELOAD-HINT, EXT-X-SERVER-CONTROL and EXT-X-SKIP as in its successor
(draft-pantos-hls-rfc8216bis). Sans-IO: text in, a playlist out. Tags that are not known are passed over, as section
6.3.1 asks; whatever a tag that is known may not say raises :class:`HlsError`, and nothing else is raised. A date alone
may be anything.
"""

import re
from collections.abc import Mapping
from datetime import datetime

import msgspec

from probes.model import Malformed

MAX_BYTES = 2 << 20
MAX_LINES = 50_000
"""Segments, parts and variants are fewer."""
MAX_LINE = 16_384
"""Characters."""
MAX_URI = 4096
MAX_SECONDS = 86_400.0

_ATTRIBUTE = re.compile(r'(?<![A-Z0-9-])([A-Z0-9-]{1,64})=("[^"\r\n]*"|[^",\s][^,]*)?(?:,|$)')
"""It begins where a name does, lest a long one be read anew from each of its letters."""
_INTEGER = re.compile(r"[0-9]{1,20}")
_DECIMAL = re.compile(r"[0-9]{1,9}(?:\.[0-9]{0,18})?")


class HlsError(Malformed):
    """This is no playlist, or one that breaks its own rules."""


class Variant(msgspec.Struct, frozen=True):
    """A rendition of a multivariant playlist."""

    uri: str
    bandwidth: int
    """Peak, bits a second."""


class Segment(msgspec.Struct, frozen=True):
    """A piece of the stream."""

    uri: str
    duration_s: float
    length: int | None = None
    """Of a byte range; None for the whole resource."""
    offset: int | None = None
    """Where the range begins."""
    begins_at: float | None = None
    """Unix time by its EXT-X-PROGRAM-DATE-TIME, or by that of one before it and what lies between."""


class Multivariant(msgspec.Struct, frozen=True):
    """A choice of renditions."""

    variants: tuple[Variant, ...]


class Media(msgspec.Struct, frozen=True):
    """A rendition's segments, the newest last."""

    target_duration_s: float
    sequence: int
    """Number of the first segment that is listed (or skipped)."""
    segments: tuple[Segment, ...]
    skipped: int = 0
    discontinuity: int = 0
    """Number of the first segment's discontinuity."""
    ended: bool = False
    part_target_s: float | None = None
    """Longest partial segment that it promises; None where it has none."""
    parts: int = 0
    """Partial segments behind the newest whole one."""
    last_part: Segment | None = None

    @property
    def next_sequence(self) -> int:
        """The number that the next segment will have."""
        return self.sequence + self.skipped + len(self.segments)

    @property
    def position(self) -> tuple[int, int]:
        """How far the stream is: it grows as long as it lives."""
        return self.next_sequence, self.parts

    @property
    def newest_ends_at(self) -> float | None:
        """Unix time at the end of the newest segment or part, where the playlist has dates."""
        newest = self.last_part or (self.segments[-1] if self.segments else None)
        return None if newest is None or newest.begins_at is None else newest.begins_at + newest.duration_s


Playlist = Multivariant | Media


def read(data: bytes) -> Playlist:
    """The playlist. Raises HlsError."""
    lines = _lines(data)
    return _multivariant(lines) if any(line.startswith("#EXT-X-STREAM-INF:") for line in lines) else _media(lines)


def _lines(data: bytes) -> list[str]:
    """Those that say something, behind the one that makes it a playlist (section 4.3.1.1)."""
    if len(data) > MAX_BYTES:
        raise HlsError(f"a playlist of {len(data)} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise HlsError("not UTF-8") from error
    lines = text.split("\n", MAX_LINES + 1)
    if len(lines) > MAX_LINES:
        raise HlsError(f"more than {MAX_LINES} lines")
    if (longest := max(map(len, lines))) > MAX_LINE:
        raise HlsError(f"a line of {longest} characters")
    kept = [stripped for line in lines if (stripped := line.rstrip("\r").strip())]
    if not kept or kept[0] != "#EXTM3U":
        raise HlsError(f"does not begin with #EXTM3U but with {data[:20]!r}")
    return kept[1:]


def _multivariant(lines: list[str]) -> Multivariant:
    variants: list[Variant] = []
    bandwidth: int | None = None
    for line in lines:
        if line.startswith("#EXT-X-STREAM-INF:"):
            bandwidth = _integer(_attributes(line).get("BANDWIDTH", "0"), line)
        elif not line.startswith("#") and bandwidth is not None:
            variants.append(Variant(_uri(line), bandwidth))
            bandwidth = None
    if not variants:
        raise HlsError("names no variant")
    return Multivariant(tuple(variants))


def _media(lines: list[str]) -> Media:
    reader = _MediaReader()
    for line in lines:
        reader.take(line)
    if reader.target_s is None:
        raise HlsError("has no EXT-X-TARGETDURATION")
    return Media(
        target_duration_s=reader.target_s,
        sequence=reader.sequence,
        segments=tuple(reader.segments),
        skipped=reader.skipped,
        discontinuity=reader.discontinuity,
        ended=reader.ended,
        part_target_s=reader.part_target_s,
        parts=reader.parts,
        last_part=reader.last_part if reader.parts else None,
    )


class _MediaReader:
    """Takes a media playlist line by line."""

    def __init__(self) -> None:
        self.target_s: float | None = None
        self.part_target_s: float | None = None
        self.sequence = self.skipped = self.discontinuity = 0
        self.ended = False
        self.segments: list[Segment] = []
        self.parts = 0
        """Behind the newest whole segment."""
        self.last_part: Segment | None = None
        """Behind it or within it."""
        self._at: float | None = None
        """Unix time at which the next segment begins."""
        self._part_at: float | None = None
        self._duration_s: float | None = None
        self._range: tuple[int | None, int | None] = (None, None)

    def take(self, line: str) -> None:
        """One line."""
        if not line.startswith("#"):
            self._segment(line)
            return
        name, _, value = line.partition(":")
        tag = self.TAGS.get(name)
        if tag is not None:
            tag(self, value, line)

    def _segment(self, line: str) -> None:
        if self._duration_s is None:
            raise HlsError(f"a segment without EXTINF: {line[:80]!r}")
        length, offset = self._range
        if length is not None and offset is None:
            offset = _end_of(self.segments[-1] if self.segments else None, line)
        self.segments.append(Segment(_uri(line), self._duration_s, length, offset, self._at))
        self._part_at = self._at = _later(self._at, self._duration_s)
        self._duration_s, self._range = None, (None, None)
        self.parts = 0

    def _target(self, value: str, line: str) -> None:
        self.target_s = _seconds(value, line)

    def _sequence(self, value: str, line: str) -> None:
        self.sequence = _integer(value, line)

    def _discontinuity_sequence(self, value: str, line: str) -> None:
        self.discontinuity = _integer(value, line)

    def _discontinuity(self, _value: str, _line: str) -> None:
        self._at = self._part_at = None

    def _date(self, value: str, _line: str) -> None:
        self._at = self._part_at = _instant(value)

    def _extinf(self, value: str, line: str) -> None:
        self._duration_s = _seconds(value.partition(",")[0].strip(), line)

    def _byterange(self, value: str, line: str) -> None:
        self._range = _byterange(value, line)

    def _end(self, _value: str, _line: str) -> None:
        self.ended = True

    def _skip(self, _value: str, line: str) -> None:
        self.skipped = _integer(_attributes(line).get("SKIPPED-SEGMENTS", ""), line)

    def _part_target(self, _value: str, line: str) -> None:
        self.part_target_s = _seconds(_attributes(line).get("PART-TARGET", ""), line)

    def _part(self, _value: str, line: str) -> None:
        said = _attributes(line)
        uri, duration_s = _uri(_quoted(said, "URI")), _seconds(said.get("DURATION", ""), line)
        length, offset = _byterange(_quoted(said, "BYTERANGE"), line) if "BYTERANGE" in said else (None, None)
        if length is not None and offset is None:
            offset = _end_of(self.last_part, uri)
        self.last_part = Segment(uri, duration_s, length, offset, self._part_at)
        self._part_at = _later(self._part_at, duration_s)
        self.parts += 1

    TAGS = {  # noqa: RUF012 - a table, never changed
        "#EXT-X-TARGETDURATION": _target,
        "#EXT-X-MEDIA-SEQUENCE": _sequence,
        "#EXT-X-DISCONTINUITY-SEQUENCE": _discontinuity_sequence,
        "#EXT-X-DISCONTINUITY": _discontinuity,
        "#EXT-X-PROGRAM-DATE-TIME": _date,
        "#EXT-X-PART-INF": _part_target,
        "#EXTINF": _extinf,
        "#EXT-X-BYTERANGE": _byterange,
        "#EXT-X-ENDLIST": _end,
        "#EXT-X-SKIP": _skip,
        "#EXT-X-PART": _part,
    }


def _end_of(last: Segment | None, uri: str) -> int:
    """Where a byte range begins that does not say (section 4.3.2.2): behind the one before in its resource."""
    if last is None or last.uri != uri or last.length is None or last.offset is None:
        raise HlsError(f"a byte range that begins nowhere: {uri[:80]!r}")
    return last.offset + last.length


def _later(at: float | None, seconds: float) -> float | None:
    return None if at is None else at + seconds


def _attributes(line: str) -> Mapping[str, str]:
    """An attribute list (section 4.2), values as written."""
    return dict(_ATTRIBUTE.findall(line.partition(":")[2]))


def _quoted(said: Mapping[str, str], name: str) -> str:
    value = said.get(name, "")
    if len(value) < 2 or value[0] != '"':
        raise HlsError(f"{name} is no quoted text: {value[:40]!r}")
    return value[1:-1]


def _uri(text: str) -> str:
    if not text or len(text) > MAX_URI:
        raise HlsError(f"a URI of {len(text)} characters")
    return text


def _integer(text: str, line: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise HlsError(f"no whole number: {line[:80]!r}")
    return int(text)


def _seconds(text: str, line: str) -> float:
    if not _DECIMAL.fullmatch(text) or (seconds := float(text)) > MAX_SECONDS:
        raise HlsError(f"no duration: {line[:80]!r}")
    return seconds


def _instant(text: str) -> float | None:
    """Unix time of a date (section 4.3.2.6); None where it is none or has no time zone, for players do without."""
    try:
        date = datetime.fromisoformat(text)
        return date.timestamp() if date.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _byterange(text: str, line: str) -> tuple[int, int | None]:
    length, at, offset = text.partition("@")
    return _integer(length, line), _integer(offset, line) if at else None
