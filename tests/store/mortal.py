"""Writes check-ins from several callers, a life a line of standard input: ``mortal.py URL``. Forks after the imports.

Each life says its pid, then a line for every entry that was acknowledged (whole if it ends in a dot), until it
is killed; then it is said to be ``dead``.
"""

import asyncio
import os
import sys

from monitor.core.access import AuditEntry
from monitor.core.checkin import Author, Draft, Voice, receive
from monitor.store import Store

CALLERS = 8


async def report(store: Store, life: str, caller: int) -> None:
    """One after another."""
    number = 0
    while True:
        number += 1
        entry = f"life-{life}-{caller}-{number:06}"
        made = receive(Draft(entry=entry, delegates=number), "p", Author(Voice.POINT, "p"), 1.0, 2.0)
        await store.add_check_ins([made], AuditEntry(at=1.0, actor="x", action="x"))
        os.write(1, f"{entry}.\n".encode())


async def live(life: str) -> None:
    """Until killed."""
    os.write(1, f"{os.getpid()}\n".encode())
    async with await Store.open(sys.argv[1]) as store:
        await asyncio.gather(*(report(store, life, caller) for caller in range(CALLERS)))


for line in sys.stdin:
    child = os.fork()
    if child == 0:
        asyncio.run(live(line.strip()))
    os.waitpid(child, 0)
    os.write(1, b"\ndead\n")
