"""One question to a provider over HTTP, bounded in time and size; its secrets; numbers as providers write them."""

import os
from collections.abc import Mapping
from pathlib import Path

import aiohttp
import msgspec

from monitor.core.notices import Outcome, Result

TIMEOUT = aiohttp.ClientTimeout(total=5.0)
MOST_BYTES = 64 * 1024
SHOWN = 200
"""Characters of a provider's words that are passed on."""
FILE, ENVIRONMENT = "file:", "env:"
MASK = "•••"
SHORTEST_MASKED = 4
DIGITS = range(8, 16)
"""How many a number with its country's code may have (E.164)."""


class Answer(msgspec.Struct, frozen=True):
    """What a provider said: ``body`` is None where that is no JSON, or too long."""

    status: int
    body: object

    @property
    def fields(self) -> Mapping[str, object]:
        """The body, where it is an object; nothing where it is anything else."""
        return self.body if isinstance(self.body, dict) else {}


class NoSecret(Exception):  # noqa: N818 - says what is wrong
    """A secret cannot be read; the message says where it was looked for, never what it is."""


class Keyring:
    """The secrets of one sending: looked up anew each time, and kept out of whatever is shown afterwards."""

    def __init__(self) -> None:
        self._hidden: set[str] = set()

    def look_up(self, reference: str) -> str:
        """What a reference stands for. Raises NoSecret."""
        found = self.hide(_read(reference))
        if not found:
            raise NoSecret(f"{reference} is empty")
        return found

    def hide(self, secret: str) -> str:
        """The same, noted; of ``Bearer abc`` the last word, too."""
        self._hidden |= {word for word in (secret, *secret.split()[-1:]) if len(word) >= SHORTEST_MASKED}
        return secret

    def shown(self, words: object) -> str:
        """A provider's words, one bounded line without our secrets: some echo what they were sent."""
        text = str(words)
        for secret in sorted(self._hidden, key=len, reverse=True):
            text = text.replace(secret, MASK)
        line = "".join(char if char.isprintable() else " " for char in text[:SHOWN])
        return line.encode(errors="replace").decode().strip()


def is_reference(value: str) -> bool:
    """Whether it says where a secret is."""
    return value.startswith((FILE, ENVIRONMENT))


async def ask(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    data: bytes | Mapping[str, str] | None = None,
) -> Answer | Result:
    """The provider's answer; a Result that says FAILED where there is none. ``data`` as a mapping is sent as a form."""
    try:
        async with session.request(
            method, url, headers=headers, data=data, timeout=TIMEOUT, allow_redirects=False
        ) as response:
            return Answer(response.status, _decoded(await _whole(response.content)))
    except TimeoutError:
        return Result(outcome=Outcome.FAILED, detail=f"no answer within {TIMEOUT.total:g} s")
    except Exception as error:  # noqa: BLE001 - whatever goes wrong is a result; its words may hold the header
        return Result(outcome=Outcome.FAILED, detail=type(error).__name__)


def international(phone: str) -> str:
    """``0912 000 384`` → ``84912000384``: digits alone, with the country's code; empty for what is no number."""
    digits = "".join(char for char in phone if char.isascii() and char.isdigit())
    if digits.startswith("0084"):
        digits = digits[2:]
    if digits.startswith("840"):  # +84 (0)912…
        digits = f"84{digits[3:]}"
    elif digits.startswith("0"):
        digits = f"84{digits[1:]}"
    elif len(digits) == 9 and not phone.strip().startswith("+"):  # a table that took 0912… for a number
        digits = f"84{digits}"
    return digits if len(digits) in DIGITS else ""


def _read(reference: str) -> str:
    try:
        if reference.startswith(FILE):
            with Path(reference.removeprefix(FILE)).open("rb") as file:
                return file.read(MOST_BYTES).decode().strip()
        return os.environ[reference.removeprefix(ENVIRONMENT)].strip()
    except (OSError, ValueError, KeyError) as error:
        raise NoSecret(f"{reference} cannot be read: {type(error).__name__}") from error


async def _whole(content: aiohttp.StreamReader) -> bytes:
    """All of it, or a little more than is allowed."""
    found = bytearray()
    async for piece in content.iter_any():
        found += piece
        if len(found) > MOST_BYTES:
            break
    return bytes(found)


def _decoded(raw: bytes) -> object:
    if len(raw) > MOST_BYTES:
        return None
    try:
        found: object = msgspec.json.decode(raw)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    return found
