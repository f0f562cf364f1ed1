"""What was acknowledged is kept, whenever the process that wrote it is killed."""

import asyncio
import os
import random
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

from monitor.store import Store

KILLS = 25
LIVES_S = 0.3
"""A life lasts at most so long beyond its first acknowledgement."""
MORTAL = str(Path(__file__).with_name("mortal.py"))


async def lived(process: Process, life: int) -> list[str]:
    """What one life acknowledged; its end comes at any moment."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{life}\n".encode())
    pid = int(await asyncio.wait_for(process.stdout.readline(), 60))
    first = await asyncio.wait_for(process.stdout.readline(), 60)
    ending = asyncio.get_running_loop().call_later(random.uniform(0.0, LIVES_S), os.kill, pid, signal.SIGKILL)
    lines = [first]
    while (line := await asyncio.wait_for(process.stdout.readline(), 60)) != b"dead\n":
        lines.append(line)
    ending.cancel()
    return [line.decode().strip() for line in lines if line.startswith(b"life-") and line.endswith(b".\n")]


async def test_no_acknowledged_entry_is_missing(url: str) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, MORTAL, url, stdin=PIPE, stdout=PIPE)
    acknowledged = [entry.rstrip(".") for life in range(KILLS) for entry in await lived(process, life)]
    assert process.stdin is not None
    process.stdin.close()
    await process.wait()
    async with await Store.open(url) as store:
        kept = [each.entry for each in await store.check_ins(0)]
    assert len(acknowledged) > KILLS
    assert len(set(kept)) == len(kept)
    assert set(acknowledged) <= set(kept)
