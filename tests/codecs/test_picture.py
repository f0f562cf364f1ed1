import json
import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.codecs.picture import (
    FLOOR_DBFS,
    GAP_S,
    LINE_BYTES,
    MAX_FRAMES,
    AnyLine,
    Clock,
    Damaged,
    Ended,
    Failed,
    Footage,
    Lines,
    Opened,
    Picture,
    PictureError,
    Ready,
    Sound,
    Standard,
    dbfs,
    judge,
    read,
)
from probes.model import Failure

BOTH = Opened("flv", "h264", "aac")
RATE = 15
RATIOS = st.floats(0.0, 1.0)


def pictures(seconds: float, *, bright: float = 0.9, change: float = 0.02, key_each: int = 15) -> list[AnyLine]:
    """Frames of a stream, a key frame each second."""
    count = int(seconds * RATE) + 1
    return [
        Picture(100 + at / RATE, 320, 180, bright, change if at else None, at % key_each == 0) for at in range(count)
    ]


def sounds(seconds: float, power: float = 0.01) -> list[AnyLine]:
    return [Sound(100 + at * 0.02, 0.02, power) for at in range(int(seconds / 0.02) + 1)]


def footage(*lines: AnyLine | list[AnyLine], opened: Opened = BOTH) -> Footage:
    made = Footage()
    made.add(opened)
    for line in lines:
        for one in line if isinstance(line, list) else [line]:
            made.add(one)
    return made


def verdict(made: Footage, idle_s: float = 0.0, **wanted: Any) -> tuple[Failure | None, str]:
    return judge(made, Standard(**wanted), idle_s) or (None, "")


@pytest.mark.parametrize(
    ("lines", "wanted", "failure", "detail"),
    [
        ([*pictures(2), *sounds(2)], {}, None, ""),
        ([*pictures(2, bright=0.09), *sounds(2)], {}, Failure.BLACK, "black for 2.0 s"),
        ([*pictures(1, bright=0.09), *pictures(2)[16:], *sounds(2)], {}, None, ""),
        ([*pictures(2, bright=0.2), *sounds(2)], {"black_luma": 0.25}, Failure.BLACK, "black for 2.0 s"),
        ([*pictures(2, change=0.0), *sounds(2)], {}, Failure.FROZEN, "no change for 2.0 s"),
        ([*pictures(2, change=0.0), *sounds(2)], {"frozen": False}, None, ""),
        ([*pictures(2, change=0.004), *sounds(2)], {"frozen_change": 0.005}, Failure.FROZEN, "no change for 2.0 s"),
        ([*pictures(2, change=0.0, key_each=1), *sounds(2)], {}, Failure.FROZEN, "no change for 2.0 s"),
        ([*pictures(2), *sounds(2)], {"min_fps": 20.0}, Failure.STALLED, "15.0 frames a second, wanted 20"),
        ([*pictures(2), *sounds(2, 0.0)], {}, Failure.SILENT, "-120 dBFS for 2.0 s"),
        ([*pictures(2), *sounds(2, 1e-5)], {}, None, ""),
        ([*pictures(2), *sounds(2, 1e-5)], {"silent_dbfs": -45.0}, Failure.SILENT, "-50 dBFS for 2.0 s"),
        ([*pictures(2), *sounds(2, 0.0)], {"sound": False}, None, ""),
        ([*pictures(2)], {}, Failure.SILENT, "no sound came"),
        ([*pictures(2), *sounds(0.5)], {}, Failure.SILENT, "0.5 s of sound beside 2.0 s of picture"),
        ([*sounds(2)], {}, Failure.STALLED, "no picture came"),
        ([*sounds(2)], {"picture": False}, None, ""),
        ([], {"picture": False}, Failure.STALLED, "no sound came"),
        ([Damaged("Invalid data")], {}, Failure.PROTOCOL, "picture cannot be decoded: Invalid data"),
        ([*pictures(1), *sounds(1), Ended()], {}, Failure.STALLED, "the stream ended: 1.0 s of 2 s came"),
        ([*pictures(1), *sounds(1)], {}, Failure.TIMEOUT, "still advancing at the deadline: 1.0 s of 2 s came"),
    ],
)
def test_each_verdict(lines: list[AnyLine], wanted: dict[str, Any], failure: Failure | None, detail: str) -> None:
    assert verdict(footage(lines), **wanted) == (failure, detail)


def test_what_advances_no_more_is_stalled() -> None:
    found = verdict(footage(pictures(1), sounds(1)), idle_s=3.0)
    assert found == (Failure.STALLED, "nothing for 3.0 s: 1.0 s of 2 s came")


def test_a_stream_without_picture_or_sound_lacks_it() -> None:
    radio, mute = Opened("flv", None, "aac"), Opened("flv", "h264", None)
    assert verdict(footage(sounds(2), opened=radio)) == (Failure.STALLED, "no picture in the stream")
    assert verdict(footage(pictures(2), opened=mute)) == (Failure.SILENT, "no sound in the stream")
    assert verdict(footage(pictures(2), opened=mute), sound=False) == (None, "")
    assert verdict(footage(opened=mute), picture=False) == (Failure.SILENT, "no sound in the stream")
    assert verdict(Footage()) == (Failure.STALLED, "no picture in the stream")


def test_a_still_picture_that_key_frames_redraw_is_frozen() -> None:
    """The key frame, and a few after it, differ by what the encoder makes of the same picture."""
    lines = [
        Picture(at / RATE, 320, 180, 0.9, 0.01 if at % RATE == 0 else 0.002 if at % RATE in {1, 2} else 0.0, at == 0)
        if at % RATE
        else Picture(at / RATE, 320, 180, 0.9, 0.01, key=True)
        for at in range(2 * RATE + 1)
    ]
    assert verdict(footage([*lines], sounds(2)))[0] is Failure.FROZEN


def test_the_watch_is_complete_when_both_have_advanced_enough() -> None:
    wanted = Standard()
    assert not footage(pictures(2), sounds(1)).complete(wanted)
    assert not footage(pictures(1), sounds(2)).complete(wanted)
    assert footage(pictures(2.1), sounds(2.1)).complete(wanted)
    assert footage(pictures(1), Ended()).complete(wanted)
    assert footage(Failed("EOFError", 1, "End of file")).complete(wanted)
    assert footage(pictures(2.1), opened=Opened("hls", "h264", None)).complete(wanted)
    assert footage(opened=Opened("hls", "h264", None)).complete(Standard(picture=False))


def test_numbers_that_are_reported() -> None:
    made = footage(pictures(2), sounds(2, 0.01))
    wanted = Standard()
    assert made.frames_per_second == pytest.approx(15.0)
    assert made.loudness_dbfs == pytest.approx(-20.0)
    assert (made.black_ratio(wanted), made.frozen_ratio(wanted), made.silent_ratio(wanted)) == (0.0, 0.0, 0.0)
    empty = Footage()
    assert (empty.frames_per_second, empty.loudness_dbfs) == (None, None)
    assert (empty.black_ratio(wanted), empty.frozen_ratio(wanted), empty.silent_ratio(wanted)) == (None, None, None)


@given(st.lists(st.none() | st.floats(-1e9, 1e9), max_size=50))
def test_the_clock_advances_by_bounded_steps_and_never_back(times: list[float | None]) -> None:
    clock, spans = Clock(), [0.0]
    for at in times:
        clock.tick(at, 0.04)
        spans.append(clock.span_s)
    assert all(0.0 <= after - before <= GAP_S + 1e-6 for before, after in pairwise(spans))


@given(st.lists(st.tuples(RATIOS, st.none() | RATIOS, st.booleans()), max_size=60), st.lists(RATIOS, max_size=60))
def test_any_frames_have_a_verdict_that_their_ratios_explain(
    seen: list[tuple[float, float | None, bool]], heard: list[float]
) -> None:
    made, wanted = Footage(), Standard()
    made.add(BOTH)
    for at, (bright, change, key) in enumerate(seen):
        made.add(Picture(at / 10, 320, 180, bright, change, key))
    for at, power in enumerate(heard):
        made.add(Sound(at / 10, 0.1, power))
    failure, detail = verdict(made)
    if failure is Failure.BLACK:
        assert all(bright <= 0.1 for bright, _, _ in seen)
    if failure is Failure.SILENT and heard and "dBFS" in detail:
        assert all(dbfs(power) <= -60.0 for power in heard)
    if failure is None:
        assert (made.black_ratio(wanted) or 0.0) < 1.0
        assert (made.frozen_ratio(wanted) or 0.0) < 0.8
        assert (made.silent_ratio(wanted) or 0.0) < 1.0


@given(RATIOS)
def test_decibels_are_finite_and_ascend(power: float) -> None:
    assert FLOOR_DBFS <= dbfs(power) <= 0.0
    assert dbfs(power / 2) <= dbfs(power)


def test_decibels_of_full_scale() -> None:
    assert dbfs(1.0) == 0.0
    assert dbfs(0.5) == pytest.approx(-3.01, abs=0.01)
    assert dbfs(0.0) == FLOOR_DBFS


LINES = [
    Ready(),
    BOTH,
    Picture(1.5, 320, 180, 0.5, None, key=True),
    Sound(None, 0.02, 0.5),
    Damaged("…"),
    Failed("EOFError", -541478725, "End of file"),
    Ended(),
]


def told(line: AnyLine) -> bytes:
    fields = {name: getattr(line, name) for name in line.__struct_fields__}
    return json.dumps({"line": type(line).__name__.lower(), **fields}).encode() + b"\n"


@given(st.lists(st.sampled_from(LINES), max_size=8), st.integers(1, 40))
def test_lines_are_read_however_they_are_cut(lines: list[AnyLine], size: int) -> None:
    stream, reader = b"".join(map(told, lines)), Lines()
    found = [line for at in range(0, len(stream), size) for line in reader.feed(stream[at : at + size])]
    assert found == lines


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"[" * 900,
        b'{"line": "other"}',
        b'{"line": "ready", "more": 1}',
        b'{"line": "picture"}',
        told(Picture(1e10, 320, 180, 0.5, None, key=True)),
        told(Picture(1.0, 0, 180, 0.5, None, key=True)),
        told(Picture(1.0, 320, 180, math.nan, None, key=True)),
        told(Sound(1.0, 0.02, 1.5)),
        told(Failed("E" * 65, 1, "")),
        b'{"line": "\xff"}',
    ],
)
def test_what_no_decoder_of_ours_says_is_refused(line: bytes) -> None:
    with pytest.raises(PictureError):
        read(line)


def test_a_line_without_end_is_refused() -> None:
    reader = Lines()
    assert reader.feed(b"x" * LINE_BYTES) == []
    with pytest.raises(PictureError, match="1024"):
        reader.feed(b"x")
    with pytest.raises(PictureError):
        read(b" " * 2000)


def test_frames_without_end_are_refused() -> None:
    made = Footage()
    for _ in range(MAX_FRAMES):
        made.add(Sound(1.0, 0.0, 0.0))
    with pytest.raises(PictureError, match="20000 frames"):
        made.add(Sound(1.0, 0.0, 0.0))
