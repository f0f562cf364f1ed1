"""Judges picture and sound of a stream from what was seen and heard of each frame: black, frozen, silent, stalled.

The terms are those of FFmpeg's filters, over a window of ``watch_s`` where they have ``duration`` (2 s by default):

- black (blackdetect): at least 98 % of the pixels are no brighter than ``black_luma`` between black and white (0.10),
  in every frame;
- frozen (freezedetect): the mean absolute difference to the reference is no more than ``frozen_change`` (0.001, which
  is -60 dB). An encoder redraws a still picture with each key frame and sharpens it over the next few, so key frames
  are left out (unless there are no others), and STILL_RATIO of the frames will do where the filter wants all;
- silent (silencedetect): the sound stays under ``silent_dbfs`` (-60). The filter looks at single samples, here it is
  the root mean square of each frame, so that a click is no sound.

Sans-IO. The frames come as JSON lines from a process that hostile bytes may have taken over: lines, numbers and their
count are bounded, and anything else raises :class:`PictureError`.
"""

from collections.abc import Callable, Iterator
from math import log10
from typing import Annotated

import msgspec
from msgspec import Meta

from probes.model import Failure, Malformed

LINE_BYTES = 1024
MAX_FRAMES = 20_000
"""Of picture and of sound each; a minute of 120 pictures a second is a third of it."""
GAP_S = 1.0
"""A longer jump between the times of two frames is a fault of the clock, and counts as this."""
UNTIMED_S = 0.04
"""Between two pictures whose stream tells no times."""
STALL_S = 1.0
"""What has brought nothing for so long does not advance."""
WHOLE_RATIO = 0.95
"""So much of the window makes it a whole one: times of frames are rounded, and sound comes in blocks."""
STILL_RATIO = 0.8
FLOOR_DBFS = -120.0
"""Said of digital silence, which has no logarithm; 20 bits reach so far."""

Ratio = Annotated[float, Meta(ge=0.0, le=1.0)]
Seconds = Annotated[float, Meta(ge=-1e9, le=1e9)]
Side = Annotated[int, Meta(ge=1, le=65_536)]
Word = Annotated[str, Meta(max_length=64)]
Text = Annotated[str, Meta(max_length=200)]


class PictureError(Malformed):
    """The decoder says what it never should: too long, too much, or no line of its language."""


class Line(msgspec.Struct, frozen=True, gc=False, tag_field="line", tag=str.lower, forbid_unknown_fields=True):
    """A line of the decoder; its field ``line`` names the class."""


class Ready(Line, frozen=True, gc=False):
    """The decoder is there and will now open the stream."""


class Opened(Line, frozen=True, gc=False):
    """The stream is open: its container, and the codecs of picture and sound, None where it has none."""

    format: Word
    video: Word | None
    audio: Word | None


class Picture(Line, frozen=True, gc=False):
    """A frame of picture."""

    at: Seconds | None
    """When it is to be shown, on the stream's clock; not every stream says."""
    width: Side
    height: Side
    bright: Ratio
    """The luma that 98 % of the pixels do not exceed, from black to white."""
    change: Ratio | None
    """The mean absolute difference of luma to the reference; None for the first."""
    key: bool
    """Whether it was coded without looking at others."""


class Sound(Line, frozen=True, gc=False):
    """A frame of sound."""

    at: Seconds | None
    seconds: Annotated[float, Meta(ge=0.0, le=60.0)]
    """How long it lasts."""
    power: Ratio
    """Mean square of its samples."""


class Damaged(Line, frozen=True, gc=False):
    """A packet could not be decoded."""

    text: Text


class Failed(Line, frozen=True, gc=False):
    """libav gave up: the class of its error, the number, and its words."""

    error: Word
    number: Annotated[int, Meta(ge=-(2**31), le=2**31)]
    text: Text


class Ended(Line, frozen=True, gc=False):
    """The stream came to its end."""


AnyLine = Ready | Opened | Picture | Sound | Damaged | Failed | Ended
_DECODER: msgspec.json.Decoder[AnyLine] = msgspec.json.Decoder(AnyLine)


class Lines:
    """Bytes in, lines out."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[AnyLine]:
        """The lines that these bytes complete. Raises PictureError."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LINE_BYTES:
            raise PictureError(f"the decoder says a line of more than {LINE_BYTES} bytes")
        return [read(line) for line in lines]


def read(line: bytes) -> AnyLine:
    """One line, without its end. Raises PictureError."""
    if len(line) > LINE_BYTES:
        raise PictureError(f"the decoder says a line of more than {LINE_BYTES} bytes")
    try:
        return _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PictureError(f"the decoder says what is no line of its: {error}") from error


class Standard(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted of a stream."""

    picture: bool = True
    sound: bool = True
    watch_s: float = 2.0
    black_luma: float = 0.1
    frozen: bool = True
    frozen_change: float = 0.001
    silent_dbfs: float = -60.0
    min_fps: float = 0.0


class Clock:
    """How far the times of frames have advanced, in seconds: gaps are bounded, steps back count as none."""

    def __init__(self) -> None:
        self.span_s = 0.0
        self._last: float | None = None

    def tick(self, at: float | None, otherwise_s: float) -> None:
        """A frame with this time, or without one ``otherwise_s`` after the last."""
        if at is None:
            self.span_s += otherwise_s
        elif self._last is None:
            self._last = at
        else:
            self.span_s += min(max(at - self._last, 0.0), GAP_S)
            self._last = at


class Footage:
    """What was seen and heard so far."""

    def __init__(self) -> None:
        self.ready = False
        self.opened: Opened | None = None
        self.failed: Failed | None = None
        self.ended = False
        self.damaged = ""
        """What the last packet suffered from that could not be decoded; empty for none."""
        self.pictures: list[Picture] = []
        self.sounds: list[Sound] = []
        self.picture_clock = Clock()
        self.sound_clock = Clock()

    def add(self, line: AnyLine) -> None:
        """Take in the next line. Raises PictureError when there are more than there should ever be."""
        if isinstance(line, Picture):
            self.pictures.append(line)
            self.picture_clock.tick(line.at, UNTIMED_S)
        elif isinstance(line, Sound):
            self.sounds.append(line)
            self.sound_clock.tick(line.at, line.seconds)
        elif isinstance(line, Damaged):
            self.damaged = line.text
        elif isinstance(line, Opened):
            self.opened = line
        elif isinstance(line, Failed):
            self.failed = line
        self.ready = self.ready or isinstance(line, Ready)
        self.ended = self.ended or isinstance(line, Ended)
        if len(self.pictures) > MAX_FRAMES or len(self.sounds) > MAX_FRAMES:
            raise PictureError(f"the decoder says more than {MAX_FRAMES} frames")

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.ended or self.failed is not None

    def complete(self, wanted: Standard) -> bool:
        """Whether enough was seen and heard, or as much as there will be."""
        return self.over or all(clock.span_s >= wanted.watch_s for clock in self._awaited(wanted))

    def _awaited(self, wanted: Standard) -> Iterator[Clock]:
        has = self.opened or Opened("", None, None)
        if wanted.picture and has.video:
            yield self.picture_clock
        if wanted.sound and has.audio:
            yield self.sound_clock

    @property
    def frames_per_second(self) -> float | None:
        """Pictures by the stream's own clock; None before there are two."""
        span_s = self.picture_clock.span_s
        return (len(self.pictures) - 1) / span_s if span_s > 0.0 else None

    def black_ratio(self, wanted: Standard) -> float | None:
        """Which part of the pictures is black; None without any."""
        return _ratio([picture.bright <= wanted.black_luma for picture in self.pictures])

    def frozen_ratio(self, wanted: Standard) -> float | None:
        """Which part of the pictures is as the one before; None where there is none to compare."""
        changes = [(picture.key, picture.change) for picture in self.pictures if picture.change is not None]
        dependent = [change for key, change in changes if not key] or [change for _, change in changes]
        return _ratio([change <= wanted.frozen_change for change in dependent])

    def silent_ratio(self, wanted: Standard) -> float | None:
        """Which part of the sound is silence; None without any."""
        return _ratio([dbfs(sound.power) <= wanted.silent_dbfs for sound in self.sounds])

    @property
    def loudness_dbfs(self) -> float | None:
        """Root mean square of all the sound, in decibels of full scale; None without any."""
        return dbfs(sum(sound.power for sound in self.sounds) / len(self.sounds)) if self.sounds else None


def dbfs(power: float) -> float:
    """A mean square in decibels of full scale."""
    return max(10.0 * log10(power), FLOOR_DBFS) if power > 0.0 else FLOOR_DBFS


def _ratio(found: list[bool]) -> float | None:
    return sum(found) / len(found) if found else None


Verdict = tuple[Failure, str]
Rule = Callable[[Footage, Standard, float], Verdict | None]


def judge(footage: Footage, wanted: Standard, idle_s: float) -> Verdict | None:
    """What is wrong, None for nothing; ``idle_s``: how long nothing has come when the watch ended."""
    rules = (PICTURE_RULES if wanted.picture else ()) + (SOUND_RULES if wanted.sound else ())
    return next((found for rule in rules if (found := rule(footage, wanted, idle_s)) is not None), None)


def _picture_advances(footage: Footage, wanted: Standard, idle_s: float) -> Verdict | None:
    if footage.opened is None or footage.opened.video is None:
        return Failure.STALLED, "no picture in the stream"
    if not footage.pictures:
        return _nothing(footage, "picture")
    return _short(footage, footage.picture_clock.span_s, wanted, idle_s)


def _nothing(footage: Footage, what: str) -> Verdict:
    if footage.damaged:
        return Failure.PROTOCOL, f"{what} cannot be decoded: {footage.damaged}"
    return Failure.STALLED, f"no {what} came"


def _short(footage: Footage, span_s: float, wanted: Standard, idle_s: float) -> Verdict | None:
    """Whether the window was filled, and if not, why."""
    if span_s >= wanted.watch_s * WHOLE_RATIO:
        return None
    got = f"{span_s:.1f} s of {wanted.watch_s:g} s came"
    if footage.over:
        return Failure.STALLED, f"the stream ended: {got}"
    if idle_s < STALL_S:
        return Failure.TIMEOUT, f"still advancing at the deadline: {got}"
    return Failure.STALLED, f"nothing for {idle_s:.1f} s: {got}"


def _black(footage: Footage, wanted: Standard, _: float) -> Verdict | None:
    if footage.black_ratio(wanted) != 1.0:
        return None
    return Failure.BLACK, f"black for {footage.picture_clock.span_s:.1f} s"


def _frozen(footage: Footage, wanted: Standard, _: float) -> Verdict | None:
    if not wanted.frozen or (footage.frozen_ratio(wanted) or 0.0) < STILL_RATIO:
        return None
    return Failure.FROZEN, f"no change for {footage.picture_clock.span_s:.1f} s"


def _slow(footage: Footage, wanted: Standard, _: float) -> Verdict | None:
    fps = footage.frames_per_second or 0.0
    return (Failure.STALLED, f"{fps:.1f} frames a second, wanted {wanted.min_fps:g}") if fps < wanted.min_fps else None


def _sound_advances(footage: Footage, wanted: Standard, idle_s: float) -> Verdict | None:
    """With a picture, which was judged before, sound is measured by it."""
    if footage.opened is None or footage.opened.audio is None:
        return Failure.SILENT, "no sound in the stream"
    span_s = footage.sound_clock.span_s
    if not wanted.picture:
        return _short(footage, span_s, wanted, idle_s) if footage.sounds else _nothing(footage, "sound")
    if not footage.sounds:
        return Failure.SILENT, "no sound came"
    if span_s < footage.picture_clock.span_s - STALL_S:
        return Failure.SILENT, f"{span_s:.1f} s of sound beside {footage.picture_clock.span_s:.1f} s of picture"
    return None


def _silent(footage: Footage, wanted: Standard, _: float) -> Verdict | None:
    if footage.silent_ratio(wanted) != 1.0:
        return None
    return Failure.SILENT, f"{footage.loudness_dbfs:.0f} dBFS for {footage.sound_clock.span_s:.1f} s"


PICTURE_RULES: tuple[Rule, ...] = (_picture_advances, _black, _frozen, _slow)
SOUND_RULES: tuple[Rule, ...] = (_sound_advances, _silent)
"""In the order in which they are asked: the first that finds something says what is wrong."""
