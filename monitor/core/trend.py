"""How the count goes, and when it will meet its target: a forecast that says nothing rather than something wild. Pure.

The slope is Theil and Sen's (the median of the slopes of all pairs; P. K. Sen, J. Amer. Stat. Assoc. 63, 1968): half a
district that falls and comes back within the window does not bend it.
"""

from collections import deque
from collections.abc import Iterable
from statistics import median

import msgspec

SAMPLE_EVERY_S = 30.0
KEPT_S = 12 * 3600.0
WINDOW_S = 900.0
"""The forecast looks back so far,"""
LEAST_SAMPLES = 5
"""and wants so many samples in it."""
FARTHEST_S = 24 * 3600.0
"""A target that would be met later than this is not in sight."""


class Sample(msgspec.Struct, frozen=True):
    """The count at an instant."""

    at: float
    expected: int
    up: int
    ready: int
    delegates: int


class Trend:
    """The counts of the last hours."""

    def __init__(self, samples: Iterable[Sample] = ()) -> None:
        self._samples: deque[Sample] = deque(sorted(samples, key=lambda sample: sample.at))

    @property
    def samples(self) -> tuple[Sample, ...]:
        """Oldest first."""
        return tuple(self._samples)

    def due(self, now: float) -> bool:
        """Whether it is time for another sample, also after the clock was set back."""
        return not self._samples or not 0 <= now - self._samples[-1].at < SAMPLE_EVERY_S

    def note(self, sample: Sample) -> None:
        """Keep a sample. Those of a future that the clock has left are dropped."""
        while self._samples and self._samples[-1].at >= sample.at:
            self._samples.pop()
        self._samples.append(sample)
        while self._samples[0].at < sample.at - KEPT_S:
            self._samples.popleft()

    def met_at(self, target: int, ready: int, now: float) -> float | None:
        """When ``target`` points will be ready; now where they are, None where it is not in sight."""
        if ready >= target:
            return now
        recent = [sample for sample in self._samples if now - WINDOW_S <= sample.at <= now]
        if len(recent) < LEAST_SAMPLES:
            return None
        slope = median(
            (later.ready - earlier.ready) / (later.at - earlier.at)
            for number, earlier in enumerate(recent)
            for later in recent[number + 1 :]
        )
        left_s = (target - ready) / slope if slope > 0 else FARTHEST_S
        return now + left_s if left_s < FARTHEST_S else None
