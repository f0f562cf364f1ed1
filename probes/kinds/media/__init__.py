"""Do picture and sound really come? Decodes a moment of an RTSP, RTMP, HLS, SRT or UDP stream and looks at it.

Success: for ``watch_s`` seconds there was a picture that is not black and not frozen, and sound that is not silence,
each where it is wanted, as FFmpeg's blackdetect, freezedetect and silencedetect mean it. A slide that stands still is
as still as a frozen line: where slides are shown, set ``frozen`` to false, and where nobody speaks for a while,
``sound``. Needs ``pip install diemcau[media]``, and a timeout of some seconds more than ``watch_s``. The wheels of
PyAV speak no SRT: for srt, build it against an FFmpeg that does.

Phases: ``resolve``, ``connect``, ``tls`` (a connection for itself, so that a dead address costs no decoder; not for
srt and udp), ``queue`` (for one of the few decoders), ``start`` (of its process), ``open``, ``watch``. The certificate
is verified in ``tls``, not again by the decoder. A decoder is a process of its own for each probe, with little memory,
low priority and no rights, and is killed at the deadline; what keeps it from starting is our fault (``send``), never
the stream's.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import Annotated, Literal
from weakref import WeakKeyDictionary

from msgspec import Meta

from probes.codecs.picture import Failed, Footage, Standard, judge
from probes.dial import FAILURES, Miss, TlsParams, Trace, connect, find, measure, read_secret, secure
from probes.kinds.media.child import Decoder, request, started
from probes.kinds.media.source import FORM, Source, source_of
from probes.model import CERT_EXPIRY, IP_PROTOCOL, Failure, Figure, Kind, Layer, Measurement

DECODERS = 2 * (os.cpu_count() or 1)
"""Decoders at once. One waits for the network most of the time, and takes 60 MB."""
JUDGE_S = 0.05
"""Before the deadline, to kill the decoder and to judge what came."""

ERRORS = {
    "OSError": Failure.RESET,  # EIO: the other side has closed
    "EOFError": Failure.RESET,
    "ExitError": Failure.TIMEOUT,
    "PermissionError": Failure.STATUS,
    "ProtocolNotFoundError": Failure.SEND,
    "DecoderNotFoundError": Failure.SEND,
}
"""By the class of libav's error: what its number does not tell. Of SEND is what this build of libav lacks."""

FRAMES_PER_SECOND = Figure("probe_media_frames_per_second", "Pictures a second, by the clock of the stream.")
WIDTH = Figure("probe_media_width_pixels", "Width of the last picture, in pixels.")
HEIGHT = Figure("probe_media_height_pixels", "Height of the last picture, in pixels.")
BLACK = Figure("probe_media_black_ratio", "Which part of the pictures is black, 0 to 1.")
FROZEN = Figure("probe_media_frozen_ratio", "Which part of the pictures is as the one before, 0 to 1.")
SILENT = Figure("probe_media_silent_ratio", "Which part of the sound is silence, 0 to 1.")
LOUDNESS = Figure("probe_media_loudness_dbfs", "Root mean square of the sound, in dB of full scale; -120 for none.")


class MediaParams(TlsParams, frozen=True, kw_only=True):
    """What is wanted of the stream."""

    picture: bool = True
    """Whether a picture is wanted."""
    sound: bool = True
    """Whether sound is wanted; a stream without any is then silent."""
    watch_s: Annotated[float, Meta(ge=0.5, le=60.0)] = 2.0
    """How much of the stream is watched, in seconds."""
    black_luma: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.1
    """A pixel no brighter is black, from 0 for black to 1 for white."""
    frozen: bool = True
    """Whether a picture that stands still is a failure; false where slides are shown."""
    frozen_change: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.001
    """A picture that differs from the one before by no more stands still, as mean difference of luma."""
    silent_dbfs: Annotated[float, Meta(ge=-119.0, le=0.0)] = -60.0
    """Sound that is no louder is silence, in decibels of full scale; a muted line is far below, a quiet room above."""
    min_fps: Annotated[float, Meta(ge=0.0, le=240.0)] = 0.0
    """Fewer pictures a second are a failure."""
    transport: Literal["tcp", "udp"] = "tcp"
    """What carries the media of RTSP: tcp or udp."""
    username: str = ""
    """User name, where the server asks for one; empty for the one in the address."""
    password: str = ""
    """Password of the user."""
    password_file: str = ""
    """File whose first line is the password."""

    def __post_init__(self) -> None:
        if not (self.picture or self.sound):
            raise ValueError("picture: expected picture or sound to be wanted, got neither")

    @property
    def standard(self) -> Standard:
        """What is judged by."""
        return Standard(**{field: getattr(self, field) for field in Standard.__struct_fields__})


async def probe(address: str, params: MediaParams, deadline: float) -> Measurement:
    """Knock, decode, judge."""
    wanted, end = params.standard, deadline - JUDGE_S

    async def work(trace: Trace) -> None:
        password = read_secret(params.password, params.password_file)
        source = source_of(address, params.username, password, params.transport)
        if end - monotonic() < wanted.watch_s:
            raise Miss(Failure.SEND, f"the timeout is too short to watch {wanted.watch_s:g} s")
        await knock(trace, source, params)
        footage = Footage()
        async with seat(trace, end - wanted.watch_s), started(trace) as decoder:
            await watch(trace, decoder, request(source, wanted, deadline), footage, wanted, end)
        trace.figures.update(figures(footage, wanted))
        if footage.failed is not None:
            raise Miss(*explain(footage.failed))
        if (verdict := judge(footage, wanted, monotonic() - decoder.heard_at)) is not None:
            raise Miss(*verdict)

    return await measure(work, deadline)


async def knock(trace: Trace, source: Source, params: MediaParams) -> None:
    """Whether anybody is there and whom he is, as far as that can be told without libav. Raises Miss or OSError."""
    if not source.scheme.tcp:
        await find(trace, source.host, source.port, params)
        return
    connection = await connect(trace, source.host, source.port, params)
    try:
        if source.scheme.tls:
            await secure(trace, connection, source.host, params)
    finally:
        connection.close()


_SEATS: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


@asynccontextmanager
async def seat(trace: Trace, latest: float) -> AsyncIterator[None]:
    """The right to run a decoder, waited for until the monotonic ``latest`` (phase ``queue``). Raises Miss."""
    seats = _SEATS.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(DECODERS))
    with trace.phase("queue"):
        try:
            async with asyncio.timeout_at(latest):
                await seats.acquire()
        except TimeoutError as error:
            raise Miss(Failure.SEND, f"all {DECODERS} decoders are busy") from error
    try:
        yield
    finally:
        seats.release()


async def watch(trace: Trace, decoder: Decoder, told: bytes, footage: Footage, wanted: Standard, end: float) -> None:
    """Phases ``start``, ``open``, ``watch``: until enough came, or the monotonic ``end``. Raises Miss."""
    with trace.phase("start"):
        await decoder.tell(told)
        if not await listen(decoder, footage, lambda: footage.ready, end):
            raise Miss(Failure.SEND, "the decoder did not start in time")
    with trace.phase("open"):
        if not await listen(decoder, footage, lambda: footage.opened is not None or footage.over, end):
            raise Miss(Failure.TIMEOUT, "connected, and no stream came")
    with trace.phase("watch"):
        await listen(decoder, footage, lambda: footage.complete(wanted), end)


async def listen(decoder: Decoder, footage: Footage, done: Callable[[], bool], end: float) -> bool:
    """Take in what the decoder says until it is ``done``; false when that is not by ``end``. Raises Miss."""
    try:
        async with asyncio.timeout_at(end):
            while not done():
                if not (lines := await decoder.listen()):
                    raise Miss(Failure.SEND, f"the decoder ended by itself: {await decoder.ended()}")
                for line in lines:
                    footage.add(line)
    except TimeoutError:
        return False
    return True


def explain(failed: Failed) -> tuple[Failure, str]:
    """Whose fault an error of libav is, and its words."""
    if failed.error.startswith("HTTP"):
        return Failure.STATUS, failed.text
    failure = ERRORS.get(failed.error) or FAILURES.get(failed.number) or Failure.PROTOCOL
    return failure, f"libav: {failed.text}"


def figures(footage: Footage, wanted: Standard) -> dict[str, float]:
    """What can be said in numbers."""
    width, height = (footage.pictures[-1].width, footage.pictures[-1].height) if footage.pictures else (None, None)
    found = {
        FRAMES_PER_SECOND: footage.frames_per_second,
        WIDTH: width,
        HEIGHT: height,
        BLACK: footage.black_ratio(wanted),
        FROZEN: footage.frozen_ratio(wanted),
        SILENT: footage.silent_ratio(wanted),
        LOUDNESS: footage.loudness_dbfs,
    }
    return {figure.name: float(value) for figure, value in found.items() if value is not None}


KIND = Kind(
    "media",
    MediaParams,
    probe,
    FORM,
    figures=(IP_PROTOCOL, CERT_EXPIRY, FRAMES_PER_SECOND, WIDTH, HEIGHT, BLACK, FROZEN, SILENT, LOUDNESS),
    layer=Layer.MEDIA,
    target="rtsp://{address}/",
    extra="media",
    needs="av",
)
