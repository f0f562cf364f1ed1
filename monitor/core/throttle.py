"""How long whoever fails to sign in has to wait, and which refusals are told one by one. Pure, and bounded.

An account that somebody else tries from elsewhere still opens from where its owner has signed in before: otherwise
anybody could lock an organizer out, five minutes before the deadline.
"""

from collections.abc import Hashable
from math import inf
from typing import TypeVar

import msgspec

from monitor.core.access import AccessPolicy

LONGEST_WAIT_S = 3600.0
FORGOTTEN_AFTER_S = 2 * 3600.0
"""Attempts of so long ago no longer count."""
MOST_KEYS = 20_000
MOST_FAMILIAR = 5_000
MOST_SOURCES = 1_000
OTHERS = ""
"""All sources beyond the most that are told apart."""
A_MINUTE_S = 60.0
TOLD_A_MINUTE = 10

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Attempts(msgspec.Struct, frozen=True):
    """Those that have failed, or have not yet succeeded."""

    count: int
    last_at: float


class Throttle:
    """Attempts to sign in, by account and by address. What was tried longest ago is forgotten first."""

    def __init__(self) -> None:
        self._attempts: dict[Hashable, Attempts] = {}
        self._familiar: dict[tuple[str, str], None] = {}

    def attempt(self, account: str, address: str, policy: AccessPolicy, now: float) -> float:
        """How many seconds this attempt has to wait; 0 when it may be made: it counts as failed from then on."""
        keys = self._keys(account, address)
        wait = max(_wait_s(self._known(key, now), policy, now) for key in keys)
        if wait <= 0:
            for key in keys:
                _keep(self._attempts, key, Attempts(self._known(key, now).count + 1, now), MOST_KEYS)
        return wait

    def succeed(self, account: str, address: str) -> None:
        """The attempt was right after all: whoever is there is forgiven what went before."""
        for key in self._keys(account, address):
            self._attempts.pop(key, None)
        _keep(self._familiar, (account, address), None, MOST_FAMILIAR)

    def __len__(self) -> int:
        return len(self._attempts) + len(self._familiar)

    def _keys(self, account: str, address: str) -> tuple[Hashable, Hashable]:
        here = (account, address)
        return ("address", address), ("here", *here) if here in self._familiar else ("account", account)

    def _known(self, key: Hashable, now: float) -> Attempts:
        known = self._attempts.get(key, _NONE)
        return known if abs(now - known.last_at) < FORGOTTEN_AFTER_S else _NONE


_NONE = Attempts(0, -inf)


def _wait_s(known: Attempts, policy: AccessPolicy, now: float) -> float:
    """From the last attempt: nothing at first, then twice as long after each, up to an hour."""
    beyond = known.count - policy.attempts
    if beyond < 0:
        return 0.0
    owed = min(policy.wait_s * 2.0 ** min(beyond, 32), LONGEST_WAIT_S)
    return min(max(0.0, known.last_at + owed - now), owed)


class Sieve:
    """Of what comes from a source, so much a minute is told one by one; the rest is counted and told as a number."""

    def __init__(self) -> None:
        self._minutes: dict[str, tuple[float, int]] = {}
        """Source → when its minute began, and how much has come since."""

    def take(self, source: str, now: float) -> bool:
        """Whether this one is told by itself."""
        if source not in self._minutes and len(self._minutes) >= MOST_SOURCES:
            source = OTHERS
        since, count = self._minutes.get(source, (now, 0))
        self._minutes[source] = since, count + 1
        return count < TOLD_A_MINUTE

    def due(self, now: float) -> list[tuple[str, int]]:
        """The sources whose minute is over, with how much of each was only counted; each is told once."""
        over = [source for source, (since, _) in self._minutes.items() if abs(now - since) >= A_MINUTE_S]
        counted = [(source, self._minutes.pop(source)[1] - TOLD_A_MINUTE) for source in over]
        return [(source, rest) for source, rest in counted if rest > 0]


def _keep(table: dict[K, V], key: K, value: V, most: int) -> None:
    """As the latest; the oldest goes when there are too many."""
    table.pop(key, None)
    while len(table) >= most:
        del table[next(iter(table))]
    table[key] = value
