"""Keeps Alertmanager's configuration file as the contacts say: written whole or not at all, then read again by it."""

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path

import aiohttp
from yarl import URL

TIMEOUT = aiohttp.ClientTimeout(total=5.0)
SHOWN = 300


def write(text: str, path: Path) -> bool:
    """Whether the file was another one before. Raises OSError."""
    if path.exists() and path.read_text("utf-8") == text:
        return False
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, "utf-8")
    draft.replace(path)
    return True


async def publish(text: str, path: Path, urls: Iterable[str], session: aiohttp.ClientSession) -> list[str]:
    """Write the file and, where it has changed, have every Alertmanager read it; what went wrong, in sentences."""
    try:
        changed = await asyncio.to_thread(write, text, path)
    except OSError as error:
        return [f"{path} cannot be written: {error.strerror or error}"]
    if not changed:
        return []
    said = await asyncio.gather(*(_reload(url, session) for url in dict.fromkeys(urls)))
    return [words for words in said if words]


async def _reload(url: str, session: aiohttp.ClientSession) -> str:
    shown = URL(url).with_user(None)
    try:
        async with session.post(URL(url) / "-/reload", timeout=TIMEOUT, allow_redirects=False) as response:
            if response.status < 300:
                return ""
            told = (await response.content.read(SHOWN)).decode(errors="replace").strip()
            return f"{shown} does not take its configuration: HTTP {response.status} {told}"
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return f"{shown} was not told to read its configuration again: {type(error).__name__}"
