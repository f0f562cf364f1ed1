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


class Answer(msgspec.Struct, frozen=True):
    """What a provider said: ``body`` is None where that is no JSON."""

    status: int
    body: object


class NoSecret(Exception):  # noqa: N818 - says what is wrong
    """A secret cannot be read; the message says where it was looked for, never what it is."""


async def ask(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    data: bytes | None = None,
    form: Mapping[str, str] | None = None,
) -> Answer | Result:
    """The provider's answer; a Result that says FAILED where there is none. Raises nothing."""
    try:
        async with session.request(
            method, url, headers=headers, data=data if form is None else form, timeout=TIMEOUT, allow_redirects=False
        ) as response:
            raw = await response.content.read(MOST_BYTES + 1)
            return Answer(response.status, _decoded(raw))
    except TimeoutError:
        return Result(outcome=Outcome.FAILED, detail=f"no answer within {TIMEOUT.total:g} s")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Result(outcome=Outcome.FAILED, detail=type(error).__name__)


def secret(reference: str) -> str:
    """What a reference stands for. Raises NoSecret."""
    try:
        if reference.startswith(FILE):
            return Path(reference.removeprefix(FILE)).read_text("utf-8").strip()
        return os.environ[reference.removeprefix(ENVIRONMENT)]
    except (OSError, UnicodeDecodeError, KeyError) as error:
        raise NoSecret(f"{reference} cannot be read: {type(error).__name__}") from error


def international(phone: str) -> str:
    """``0912 000 384`` → ``84912000384``: digits alone, with the country's code."""
    digits = "".join(char for char in phone if char.isascii() and char.isdigit())
    return f"84{digits[1:]}" if digits.startswith("0") else digits


def shown(words: object) -> str:
    """A provider's words, one bounded line."""
    line = "".join(char if char.isprintable() else " " for char in str(words)[:SHOWN])
    return line.encode(errors="replace").decode().strip()


def _decoded(raw: bytes) -> object:
    if len(raw) > MOST_BYTES:
        return None
    try:
        found: object = msgspec.json.decode(raw)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    return found
