"""Whether a channel is worth trying: closed, open, half open. Pure.

A provider that is away is not asked for every message anew: after some failures in a row its circuit opens, messages
take their next channel, and now and then one is let through to see. M. Nygard, "Release It!", 2nd ed. 2018, ch. 5.
"""

from enum import StrEnum

import msgspec

from monitor.core.notices import Outcome

FAILURES = 3
"""In a row, of any messages, and the circuit opens."""
OPEN_S = 10.0
"""How long it stays open at first; twice as long each time that the try in between fails,"""
OPEN_AT_MOST_S = 60.0
"""but no longer than this."""
TRY_S = 6.0
"""How long others wait for the try in between; no channel takes longer."""


class State(StrEnum):
    """How a circuit stands."""

    CLOSED = "closed"
    """Whoever wants to may try."""
    OPEN = "open"
    """Nobody should; nor while the try in between is under way."""
    HALF_OPEN = "half open"
    """One may try."""


class Circuit(msgspec.Struct, frozen=True):
    """What is known of a channel."""

    failures: int = 0
    """In a row."""
    open_until: float = 0.0
    """From then on one may try (Unix time); 0 while closed."""

    def state(self, now: float) -> State:
        """A clock that was set back holds nothing up."""
        if self.failures < FAILURES:
            return State.CLOSED
        return State.OPEN if now < self.open_until <= now + OPEN_AT_MOST_S else State.HALF_OPEN

    def is_open(self, now: float) -> bool:
        """Whether nobody should try."""
        return self.state(now) is State.OPEN

    def begun(self, now: float) -> "Circuit":
        """Once a try has begun: half open, it is the one that is let through."""
        return Circuit(self.failures, now + TRY_S) if self.state(now) is State.HALF_OPEN else self

    def after(self, outcome: Outcome, now: float) -> "Circuit":
        """Once a try has ended. A refusal is an answer: the provider is there."""
        if outcome is not Outcome.FAILED:
            return Circuit()
        failures = self.failures + 1
        if failures < FAILURES:
            return Circuit(failures)
        doublings = min(failures - FAILURES, 16)
        return Circuit(failures, now + min(OPEN_AT_MOST_S, OPEN_S * 2.0**doublings))


CLOSED = Circuit()
"""Of a channel of which nothing is known."""
