"""What one Alertmanager is still to be told, in which order, and when to try again. Pure.

Changes go before repeats. What was taken for a request and did not arrive is owed again; since only fingerprints are
kept and entries are read at the time of sending, the last state of an alert is what arrives, never an older one.
"""

from collections.abc import Iterable

COALESCE_S = 0.02
"""How long a change waits for others to go with it."""
BACKOFF_FIRST_S = 0.1
BACKOFF_MOST_S = 3.0


class Outbox:
    """Fingerprints that are due, without doubles."""

    def __init__(self) -> None:
        self.failures = 0
        """In a row."""
        self._changes: dict[str, None] = {}
        self._repeats: dict[str, None] = {}
        self._taken: tuple[str, ...] = ()

    def __len__(self) -> int:
        """How many changes have not been accepted yet."""
        return len(self._changes.keys() | set(self._taken))

    def owed(self) -> set[str]:
        """Fingerprints whose last change has not been accepted yet."""
        return self._changes.keys() | set(self._taken)

    def change(self, fingerprints: Iterable[str]) -> None:
        """These alerts have changed."""
        self._changes.update(dict.fromkeys(fingerprints))

    def repeat(self, fingerprints: Iterable[str]) -> None:
        """Say these again, after all that is new."""
        self._repeats.update(dict.fromkeys(fingerprints))

    def take(self, most: int) -> tuple[str, ...]:
        """What goes into the next request. A request of which neither ``accepted`` nor ``failed`` was told is owed."""
        self._return()
        taken: dict[str, None] = {}
        for due in (self._changes, self._repeats):
            while due and len(taken) < most:
                fingerprint = next(iter(due))
                del due[fingerprint]
                self._repeats.pop(fingerprint, None)
                taken[fingerprint] = None
        self._taken = tuple(taken)
        return self._taken

    def accepted(self) -> bool:
        """The request arrived; true when it is the first after a failure, and all should be repeated."""
        recovered = self.failures > 0
        self._taken, self.failures = (), 0
        return recovered

    def failed(self) -> None:
        """The request did not arrive: what it held is owed, before all else."""
        self._return()
        self.failures += 1

    def _return(self) -> None:
        self._changes = dict.fromkeys((*self._taken, *self._changes))
        self._taken = ()

    def pause_s(self, chance: float) -> float:
        """How long to wait before posting: doubled at each failure, bounded, spread by ``chance`` of 0 to 1."""
        if not self.failures:
            return COALESCE_S
        longest = min(BACKOFF_MOST_S, BACKOFF_FIRST_S * 2.0 ** min(self.failures - 1, 16))
        return longest * (0.5 + chance / 2)
