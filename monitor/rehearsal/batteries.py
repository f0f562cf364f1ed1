"""What a battery holds while the mains come and go: of a laptop, of a UPS. Pure; the clock is an argument."""

import msgspec

FULL = 0.97
"""Where charging stops."""


class Battery(msgspec.Struct):
    """A battery that is full until the mains fail."""

    lasts_s: float
    """From full to empty, in the time of the rehearsal."""
    speed: float = 1.0
    """How many times faster than in life it drains."""
    mains: bool = True
    _held: float = FULL
    _since: float = 0.0

    def turn(self, *, mains: bool, now: float) -> None:
        """The mains fail, or are back."""
        self._held, self._since, self.mains = self.charge(now), now, mains

    def charge(self, now: float) -> float:
        """What it holds, 0 to 1; it charges as fast as it drains."""
        moved = (now - self._since) / self.lasts_s if self.lasts_s else 1.0
        return min(FULL, max(0.0, self._held + (moved if self.mains else -moved)))

    def left_s(self, now: float) -> float:
        """How long it would last without the mains, in the time of life."""
        return self.charge(now) * self.lasts_s * self.speed
