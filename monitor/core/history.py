"""The last hour of every check in bins of 15 seconds. Pure.

One row of numpy a bin, one column a check: memory is touched only as the hour passes, 40 MB for 5,000 checks at
the end of it (0.8 GB would be 100,000 checks at 32 bytes; at 8 bytes a cell it is 0.2 GB).
"""

from math import nan

import msgspec
import numpy as np

BIN_S = 15
BINS = 240


class Bin(msgspec.Struct, frozen=True):
    """What was probed in the 15 seconds from ``at`` (Unix time)."""

    at: float
    sent: int
    lost: int
    rtt_s: float
    """Mean round trip; NaN when nothing answered."""


class History:
    """Counts of a fixed number of checks, by column."""

    def __init__(self, checks: int) -> None:
        self.sent = np.zeros((BINS, checks), np.uint16)
        self.lost = np.zeros((BINS, checks), np.uint16)
        self.rtt_s = np.zeros((BINS, checks), np.float32)
        self.newest = -1

    def add(self, column: int, at: float, rtt_s: float | None) -> None:
        """Count one probe; ``rtt_s`` is None for a lost one. What is older than the hour is ignored."""
        slot = int(at // BIN_S)
        if slot > self.newest:
            self._advance(slot)
        elif slot <= self.newest - BINS:
            return
        row = slot % BINS
        self.sent[row, column] += 1
        if rtt_s is None:
            self.lost[row, column] += 1
        else:
            self.rtt_s[row, column] += rtt_s

    def read(self, column: int, now: float) -> list[Bin]:
        """The hour before ``now``, oldest first, bins without a probe included."""
        newest = int(now // BIN_S)
        return [self._bin(slot, column) for slot in range(newest - BINS + 1, newest + 1)]

    def adopt(self, other: "History", columns: list[tuple[int, int]]) -> None:
        """Take over the hour of surviving checks: pairs of (column there, column here)."""
        if not columns:
            return
        there, here = (list(side) for side in zip(*columns, strict=True))
        self.sent[:, here] = other.sent[:, there]
        self.lost[:, here] = other.lost[:, there]
        self.rtt_s[:, here] = other.rtt_s[:, there]
        self.newest = other.newest

    def _advance(self, slot: int) -> None:
        empty_from = self.newest + 1 if self.newest >= 0 else slot + 1  # a new history is empty as it is
        for passed in range(max(empty_from, slot - BINS + 1), slot + 1):
            row = passed % BINS
            self.sent[row] = self.lost[row] = self.rtt_s[row] = 0
        self.newest = slot

    def _bin(self, slot: int, column: int) -> Bin:
        if not self.newest - BINS < slot <= self.newest:
            return Bin(float(slot * BIN_S), 0, 0, nan)
        row = slot % BINS
        sent, lost = int(self.sent[row, column]), int(self.lost[row, column])
        answered = sent - lost
        rtt_s = float(self.rtt_s[row, column]) / answered if answered else nan
        return Bin(float(slot * BIN_S), sent, lost, rtt_s)
