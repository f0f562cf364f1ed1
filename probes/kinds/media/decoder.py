"""The child process of the media probe: decodes with libav, and says of each frame how it looks and sounds.

It stands alone, imports nothing of ours and decides nothing: a request comes as one JSON object on standard input, the
answer goes as JSON lines to standard output (:mod:`probes.codecs.picture` reads them), until it is killed. libav is a
large body of C that reads hostile bytes, so this process has no descriptor but these two, little memory, a life as
short as the probe, and no privilege.

A picture is looked at through a grid of at most SAMPLES of its pixels, which costs the same for any size and finds
the same means. ``bright`` is the luma that BRIGHT_QUANTILE of the pixels stay under, ``change`` the mean absolute
difference of luma to the reference: the last key frame, or the last frame since that differed by more than ``still``.
Both are of 0 to 1.
"""

import json
import os
import resource
import signal
import sys
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av import AudioFrame, VideoFrame
    from av.container import InputContainer
    from av.stream import Stream
    from numpy.typing import NDArray

MEMORY_BYTES = 1 << 30
"""Address space. Pictures of 4K with all the references that H.265 allows need a third of it."""
MAX_PIXELS = 4096 * 2304
"""A bigger picture is not decoded."""
DESCRIPTORS = 64
NICE = 10
NOBODY = 65534
FRAMES = {"picture", "sound"}
GATHER_S = 0.1
SAMPLES = 65_536
BRIGHT_QUANTILE = 0.98
"""As much of a picture is to be dark for ffmpeg's blackdetect (picture_black_ratio_th)."""
LIMITED, FULL = (16.0, 219.0), (0.0, 255.0)
"""Luma of black, and from there to white (Rec. 709; JPEG)."""
PLANAR_8_BIT = {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "gray"}
"""Formats whose first plane is luma, a byte a pixel; others are converted to the first."""
JPEG_RANGE = 2
SAMPLE_SCALES = {"flt": 1.0, "dbl": 1.0, "u8": 128.0, "s16": 32768.0, "s32": 2147483648.0, "s64": 2.0**63}


_flushed = 0.0


def say(line: str, **fields: object) -> None:
    """Send a line to the probe; frames wait for one another, so that it need not wake up for each."""
    global _flushed  # noqa: PLW0603 - there is one standard output
    sys.stdout.write(json.dumps({"line": line, **fields}) + "\n")
    if line not in FRAMES or monotonic() - _flushed > GATHER_S:
        sys.stdout.flush()
        _flushed = monotonic()


def confine(seconds: int) -> None:
    """Limit what this process may use, and end it after so many seconds even if nobody is left to kill it."""
    signal.alarm(seconds)
    limits = {
        resource.RLIMIT_AS: MEMORY_BYTES,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: DESCRIPTORS,
    }
    for which, limit in limits.items():
        _, hard = resource.getrlimit(which)
        bound = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(which, (bound, bound))
    os.nice(NICE)


def renounce() -> None:
    """Cease to be root, where that is what started us and it may be given up."""
    if os.geteuid() == 0:
        with suppress(OSError):
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)


class Eye:
    """Looks at one picture after another."""

    def __init__(self, still: float) -> None:
        self._still = still
        self._reference: NDArray[Any] | None = None

    def look(self, frame: "VideoFrame") -> dict[str, object]:
        """What there is to say of the next picture; the first has no change."""
        luma = sampled(frame)
        before, change = self._reference, None
        if before is not None and before.shape == luma.shape:
            change = float(abs(luma - before).mean())
        if change is None or frame.key_frame or change > self._still:
            self._reference = luma
        return {"bright": bright(luma), "change": change, "key": bool(frame.key_frame)}


def sampled(frame: "VideoFrame") -> "NDArray[Any]":
    """Luma of a grid of pixels, 0 for black to 1 for white."""
    import numpy as np  # noqa: PLC0415 - after the confinement

    if frame.format.name not in PLANAR_8_BIT:
        frame = frame.reformat(format="yuv420p", dst_color_range="MPEG")
    plane = frame.planes[0]
    luma = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
    step = max(1, round((luma.size / SAMPLES) ** 0.5 + 0.5))
    full = frame.color_range == JPEG_RANGE or frame.format.name.startswith(("yuvj", "gray"))
    black, span = FULL if full else LIMITED
    seen: NDArray[Any] = (luma[::step, ::step].astype(np.float32) - black) / span
    return seen.clip(0.0, 1.0)


def bright(luma: "NDArray[Any]") -> float:
    """What BRIGHT_QUANTILE of the pixels are no brighter than."""
    import numpy as np  # noqa: PLC0415

    at = int(BRIGHT_QUANTILE * (luma.size - 1))
    return float(np.partition(luma, at, axis=None)[at])


def power(frame: "AudioFrame") -> float:
    """Mean square of the samples, 1 for a square wave of full scale."""
    import numpy as np  # noqa: PLC0415

    kind = frame.format.name.removesuffix("p")
    samples = frame.to_ndarray().astype(np.float64)
    if kind == "u8":
        samples -= 128.0
    found = float(np.square(samples / SAMPLE_SCALES[kind]).mean()) if samples.size else 0.0
    return min(found, 1.0) if found == found else 0.0  # noqa: PLR0124 - false for what is no number


def described(stream: "Stream | None") -> str | None:
    """The name of a stream's codec; nothing where there is no stream."""
    return None if stream is None else stream.codec_context.name


def chosen(container: "InputContainer") -> dict[str, "Stream"]:
    """The picture and the sound that a player would take, each where there is one."""
    found = {sort: container.streams.best(sort) for sort in ("video", "audio")}
    return {sort: stream for sort, stream in found.items() if stream is not None}


def watch(request: dict[str, Any]) -> None:
    """Open the address and report frame after frame until it ends. Raises what libav raises."""
    import av  # noqa: PLC0415

    eye = Eye(request["still"])
    with av.open(request["url"], options=request["options"]) as container:
        streams = chosen(container)
        video, audio = streams.get("video"), streams.get("audio")
        for stream in streams.values():
            stream.codec_context.thread_count = 1
            stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
        say("opened", format=container.format.name, video=described(video), audio=described(audio))
        wanted = [stream for sort, stream in streams.items() if request[sort]]
        for packet in container.demux(wanted) if wanted else ():
            try:
                frames = packet.decode()
            except av.error.InvalidDataError as error:
                say("damaged", text=str(error.strerror))
                continue
            for frame in frames:
                report(frame, eye)


def report(frame: Any, eye: Eye) -> None:
    """Say of a frame when it is to be shown or heard, and how it looks or sounds."""
    at = frame.time
    if hasattr(frame, "planes") and hasattr(frame, "width"):
        say("picture", at=at, width=frame.width, height=frame.height, **eye.look(frame))
    else:
        say("sound", at=at, seconds=frame.samples / (frame.sample_rate or 1), power=power(frame))


def main() -> None:
    """Do what the request says; whatever goes wrong is said in a last line."""
    request = json.load(sys.stdin)
    confine(request["lifetime_s"])
    import av  # noqa: PLC0415
    import numpy as np  # noqa: F401, PLC0415 - loaded while it may be

    renounce()
    say("ready")
    try:
        watch(request)
    except av.error.FFmpegError as error:
        say("failed", error=type(error).__name__, number=error.errno, text=str(error.strerror))
    except MemoryError:
        say("failed", error="MemoryError", number=0, text="needs more memory than a decoder may have")
    else:
        say("ended")


if __name__ == "__main__":
    main()
