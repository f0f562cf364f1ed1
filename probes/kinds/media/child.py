"""The process that decodes, from its start to its end: libav never runs in the process of the probe."""

import asyncio
import math
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import monotonic

import msgspec

from probes.codecs.picture import AnyLine, Lines, Standard
from probes.dial import READ_BYTES, Trace
from probes.kinds.media.source import Source

PROGRAM = Path(__file__).with_name("decoder.py")
COMMAND = (sys.executable, "-I", "-B", str(PROGRAM))
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"}
GRACE_S = 1.0
"""A decoder that nobody killed ends so long after the deadline."""


class Decoder:
    """A decoder under way."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._lines = Lines()
        self.heard_at = monotonic()
        """When it last said something."""

    async def tell(self, told: bytes) -> None:
        """Hand it what to decode."""
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 - made with a pipe
        with suppress(OSError):  # it is gone already: that nothing comes will tell
            stdin.write(told)
            await stdin.drain()
        stdin.close()

    async def listen(self) -> list[AnyLine]:
        """What it says next; nothing once it is gone. Raises PictureError."""
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101 - made with a pipe
        while data := await stdout.read(READ_BYTES):
            self.heard_at = monotonic()
            if lines := self._lines.feed(data):
                return lines
        return []

    async def ended(self) -> str:
        """Wait for its end, and say how that was."""
        code = await self._process.wait()
        return f"signal {-code}" if code < 0 else f"exit status {code}"

    async def kill(self) -> None:
        """End it unless it is gone, and bury it."""
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.communicate()


def request(source: Source, wanted: Standard, deadline: float) -> bytes:
    """The one thing that a decoder is told."""
    told = {
        "url": source.url,
        "options": dict(source.options),
        "video": wanted.picture,
        "audio": wanted.sound,
        "still": wanted.frozen_change,
        "lifetime_s": math.ceil(max(deadline - monotonic(), 0.0) + GRACE_S),
    }
    return msgspec.json.encode(told)


@asynccontextmanager
async def started(trace: Trace) -> AsyncIterator[Decoder]:
    """A decoder that lives no longer than the block (phase ``start``). Raises OSError where no process can be made."""
    with trace.phase("start"):
        process = await asyncio.create_subprocess_exec(
            *COMMAND, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=ENVIRONMENT, cwd="/", start_new_session=True
        )
    decoder = Decoder(process)
    try:
        yield decoder
    finally:
        await decoder.kill()
