"""Passwords: hashed with argon2id (RFC 9106), in threads that step back behind whatever else the machine has to do."""

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple
from unicodedata import normalize

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from monitor.core.access import Account

SHORTEST = 10
LONGEST = 256
"""Characters; a longer one is wrong, unhashed."""
AT_ONCE = 2
MOST_WAITING = 32
"""Some six seconds of hashing on a slow core."""
NICE = 10

HASHER = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1)
"""RFC 9106, section 4, second recommendation, in one lane: 64 MiB and one thread for each password."""


class TooManyAttempts(Exception):  # noqa: N818 - says what has happened
    """More passwords wait to be checked than can be within reason."""


class Checked(NamedTuple):
    """What came of checking a password."""

    genuine: bool
    renewed: str = ""
    """The hash to keep from now on, where the kept one was made with other parameters."""


class Passwords:
    """Checks passwords while everything else goes on."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, "password", _step_back)
        self._waiting = 0
        self._decoy = ""

    async def check(self, account: Account | None, password: str) -> Checked:
        """Whether it is the account's; for no account, or one that is disabled, no, after as much work."""
        if len(password) > LONGEST:
            return Checked(genuine=False)
        if self._waiting >= MOST_WAITING:
            raise TooManyAttempts
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._check, account, password)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Check nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _check(self, account: Account | None, password: str) -> Checked:
        self._decoy = self._decoy or HASHER.hash(os.urandom(16))
        genuine = _fits(account.password_hash if account else self._decoy, password)
        if account is None or account.disabled or not genuine:
            return Checked(genuine=False)
        outdated = HASHER.check_needs_rehash(account.password_hash)
        return Checked(genuine=True, renewed=hashed(password) if outdated else "")


def problem(password: str) -> str:
    """Why it may not be a new password, in English; empty where it may."""
    if not SHORTEST <= len(password) <= LONGEST:
        return f"expected a password of {SHORTEST} to {LONGEST} characters, got {len(password)}"
    if not password.isprintable():
        return "expected a password of printable characters"
    if len(set(password)) < SHORTEST // 2:
        return f"expected a password of at least {SHORTEST // 2} different characters"
    return ""


def hashed(password: str) -> str:
    """Its PHC string, salted; a fifth of a second of work."""
    return HASHER.hash(_spelled(password))


def _spelled(password: str) -> bytes:
    """One keyboard composes a Vietnamese letter, another leaves it in parts (RFC 8265, section 4.2.2)."""
    return normalize("NFC", password).encode(errors="surrogatepass")


def _fits(password_hash: str, password: str) -> bool:
    try:
        return HASHER.verify(password_hash, _spelled(password))
    except (VerificationError, InvalidHashError):
        return False


def _step_back() -> None:
    """Probes go first: Linux has a priority for each thread (sched(7))."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
