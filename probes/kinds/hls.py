"""Does a stream over HTTP advance? Asks for its playlist (RFC 8216), a rendition's, and the newest segment.

Success: the stream is live, its playlist has advanced within ``max_staleness_s``, and its newest segment is there. How
long it has stood still is known from the probe before, which is remembered for each address and set of parameters
(the newest 20,000). A first probe asks the server's own clock, its Date: how long ago was Last-Modified or, where there
is none, the end of the newest segment by EXT-X-PROGRAM-DATE-TIME (an encoder's clock that is wrong misleads until the
stream is seen to advance). A low-latency playlist advances by its parts. The newest segment is fetched once, when it is
new; until there is another one its figures are left out.

Phases, those of all requests added up: ``resolve``, ``connect``, ``tls`` (https alone), ``processing``, ``transfer``.
One connection serves them all where the server allows it. Renditions and segments may lie on any other server, as they
do behind a CDN, private networks included: only http and https are followed, only by GET, for each no more redirects
than ``max_redirects``; ``headers`` go to the server of the address alone, and what is no playlist is quoted no further
than 80 characters.
"""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from probes.codecs import hls
from probes.codecs.hls import Media, Multivariant, Segment
from probes.dial import Miss, Trace, measure
from probes.fetch import Answer, Client, FetchParams, Url, joined, url_of
from probes.model import CERT_EXPIRY, IP_PROTOCOL, Failure, Figure, Kind, Layer, Measurement

REMEMBERED = 20_000
TARGETS = 3.0
"""A live playlist is to change at least every one and a half target durations (section 6.2.1): twice that is stale."""
STALE_AT_LEAST_S = 6.0
LARGEST_SEGMENT = 64 << 20

STATUS = Figure("probe_http_status_code", "Status code of the HTTP answer, the last one behind redirects.")
STALENESS = Figure("probe_hls_staleness_seconds", "For how long the stream has not advanced, in seconds.")
SEQUENCE = Figure("probe_hls_media_sequence", "Number of the newest segment.")
TARGET = Figure("probe_hls_target_duration_seconds", "Longest segment that the playlist promises, in seconds.")
SEGMENTS = Figure("probe_hls_segments", "Segments in the playlist.")
BANDWIDTH = Figure(
    "probe_hls_bandwidth_bytes_per_second", "Peak of the chosen rendition; absent where there is no choice."
)
OVERLONG = Figure("probe_hls_overlong_segments", "Segments that are longer than the playlist promises.")
SEGMENT_BYTES = Figure("probe_hls_segment_bytes", "Size of the newest segment, in bytes; absent where it is not new.")
THROUGHPUT = Figure(
    "probe_hls_throughput_bytes_per_second", "How fast the newest segment came; absent where it is not new."
)


class HlsParams(FetchParams, frozen=True, kw_only=True):
    """Which rendition is asked for, and what is wanted of it."""

    variant: Literal["lowest", "highest"] = "lowest"
    """Which rendition, by its bandwidth: lowest or highest."""
    live: bool = True
    """Whether the stream must go on; false for a recording, which has an end."""
    max_staleness_s: Annotated[float, Meta(ge=0.0, le=3600.0)] = 0.0
    """How long the stream may stand still; 0 for three target durations, and no less than 6s."""
    fetch_segment: bool = True
    """Whether the newest segment is fetched, when it is new."""
    max_segment_bytes: Annotated[int, Meta(ge=1, le=1 << 30)] = LARGEST_SEGMENT
    """A bigger segment fails."""


class Seen(msgspec.Struct):
    """How far a stream was at the last probe."""

    position: tuple[int, int]
    advanced_at: float
    """Monotonic; of a first sight the server's word, else that instant."""
    said: bool
    """Whether that is the server's word."""
    fetched: str = ""
    """The newest segment that was fetched."""


class Memory:
    """What was seen of each stream; the least lately asked is forgotten first."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self._seen: OrderedDict[tuple[str, HlsParams], Seen] = OrderedDict()

    def __len__(self) -> int:
        return len(self._seen)

    def look(self, key: tuple[str, HlsParams], position: tuple[int, int], age_s: float, now: float) -> Seen:
        """The stream is there now; at a first sight the playlist is ``age_s`` old by its server's word."""
        seen = self._seen.pop(key, None)
        if seen is None:
            seen = Seen(position, now - age_s, said=age_s > 0.0)
        elif seen.position != position:
            seen.position, seen.advanced_at, seen.said = position, now, False
        self._seen[key] = seen
        if len(self._seen) > self._most:
            self._seen.popitem(last=False)
        return seen


MEMORY = Memory()


async def probe(address: str, params: HlsParams, deadline: float) -> Measurement:
    """Playlist, rendition, newest segment."""

    async def work(trace: Trace) -> None:
        with Client(trace, params) as client:
            url, playlist, answer = await read(client, trace, url_of(address))
            if isinstance(playlist, Multivariant):
                variant = chosen(playlist, params)
                trace.figures[BANDWIDTH.name] = variant.bandwidth / 8
                url, playlist, answer = await read(client, trace, joined(url, variant.uri))
            if not isinstance(playlist, Media):
                raise Miss(Failure.PROTOCOL, "a multivariant playlist within a multivariant playlist")
            age_s = age_of(answer.headers, playlist)
            seen = MEMORY.look((address, params), playlist.position, age_s, monotonic())
            note(trace, playlist, seen)
            judge(playlist, seen, params)
            if params.fetch_segment:
                await fetch(client, trace, url, playlist, seen, params)

    return await measure(work, deadline)


async def read(client: Client, trace: Trace, url: Url) -> tuple[Url, hls.Playlist, Answer]:
    """The playlist at an address, and where it was at last. Raises Miss, HlsError."""
    url, answer = await client.follow(url, last=False)
    found(trace, answer, url.target)
    return url, hls.read(answer.body), answer


def found(trace: Trace, answer: Answer, what: str) -> None:
    """Raise Miss unless there is what was asked for. Figure: the status."""
    trace.figures[STATUS.name] = float(answer.status)
    if answer.status // 100 != 2:
        raise Miss(Failure.STATUS, f"status {answer.status} for {what}")


def chosen(playlist: Multivariant, params: HlsParams) -> hls.Variant:
    """The rendition that is wanted."""
    choose = min if params.variant == "lowest" else max
    return choose(playlist.variants, key=lambda variant: variant.bandwidth)


def age_of(headers: Mapping[str, str], playlist: Media) -> float:
    """How old the playlist is by its server's own clock, seconds; 0 where it does not say."""
    now, changed = (instant(headers.get(name, "")) for name in ("date", "last-modified"))
    if changed is None:
        changed = playlist.newest_ends_at
    return 0.0 if now is None or changed is None else max(0.0, now - changed)


def instant(text: str) -> float | None:
    """Unix time of an HTTP date (RFC 9110, section 5.6.7), which is always in UTC; None for anything else."""
    try:
        return parsedate_to_datetime(text).replace(tzinfo=UTC).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def note(trace: Trace, playlist: Media, seen: Seen) -> None:
    """What can be said of the stream in numbers."""
    overlong = sum(round(segment.duration_s) > playlist.target_duration_s for segment in playlist.segments)
    trace.figures |= {
        STALENESS.name: monotonic() - seen.advanced_at,
        SEQUENCE.name: float(playlist.next_sequence - 1),
        TARGET.name: playlist.target_duration_s,
        SEGMENTS.name: float(len(playlist.segments)),
        OVERLONG.name: float(overlong),
    }


def judge(playlist: Media, seen: Seen, params: HlsParams) -> None:
    """Raise Miss unless the stream lives and advances."""
    if playlist.ended:
        if params.live:
            raise Miss(Failure.STALLED, "the stream has ended (EXT-X-ENDLIST)")
        return
    if not playlist.segments and playlist.last_part is None:
        raise Miss(Failure.STALLED, "the playlist has no segment")
    most_s = params.max_staleness_s or max(STALE_AT_LEAST_S, TARGETS * playlist.target_duration_s)
    stale_s = monotonic() - seen.advanced_at
    if params.live and stale_s > most_s:
        by = " by its server's dates" if seen.said else ""
        newest = playlist.next_sequence - 1
        raise Miss(Failure.STALLED, f"has not advanced for {stale_s:.0f} s{by}, at segment {newest}")


async def fetch(client: Client, trace: Trace, url: Url, playlist: Media, seen: Seen, params: HlsParams) -> None:
    """The newest segment, unless it was fetched before. Raises Miss."""
    newest = playlist.segments[-1] if playlist.segments else playlist.last_part
    if newest is None:
        return
    name = f"{newest.uri} {newest.length} {newest.offset}"
    if name == seen.fetched:
        return
    before_s = trace.phases["transfer"] + trace.phases["processing"]
    where, answer = await client.follow(
        joined(url, newest.uri), headers=range_of(newest), keep=False, max_body_bytes=params.max_segment_bytes
    )
    found(trace, answer, f"the newest segment {where.target}")
    if not answer.body_bytes:
        raise Miss(Failure.STALLED, f"the newest segment {where.target} is empty")
    took_s = trace.phases["transfer"] + trace.phases["processing"] - before_s
    trace.figures[SEGMENT_BYTES.name] = float(answer.body_bytes)
    trace.figures[THROUGHPUT.name] = answer.body_bytes / max(took_s, 1e-6)
    seen.fetched = name


def range_of(segment: Segment) -> tuple[str, ...]:
    """The header that asks for a segment's part of its resource (RFC 9110, section 14.2)."""
    if segment.length is None or segment.offset is None:
        return ()
    return (f"Range: bytes={segment.offset}-{segment.offset + segment.length - 1}",)


KIND = Kind(
    "hls",
    HlsParams,
    probe,
    "http[s]://host[:port]/path/to/playlist.m3u8",
    figures=(
        IP_PROTOCOL,
        CERT_EXPIRY,
        STATUS,
        STALENESS,
        SEQUENCE,
        TARGET,
        SEGMENTS,
        BANDWIDTH,
        OVERLONG,
        SEGMENT_BYTES,
        THROUGHPUT,
    ),
    layer=Layer.MEDIA,
    target="http://{address}/live/index.m3u8",
)
