"""Pushes a view, such as the board, to every page that shows it, by server-sent events.

An event is encoded once and sent to all. Each client has a mailbox of its own that holds a few events; one that is
too slow to empty it gets the latest snapshot instead of what it missed. Events carry states, never steps, so one
that comes twice or after a newer snapshot does no harm.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sized
from contextlib import suppress
from typing import Protocol

import msgspec
import structlog
from aiohttp import web

from monitor.core.model import Happening

PUSH_EVERY_S = 0.25
"""Changes within it go out together."""
LOOK_EVERY_S = 1.0
"""What changes by the mere passing of time (points become ready) is looked for so often."""
TICK_EVERY_S = 5.0
"""A page that has heard nothing for more than twice as long calls itself stale."""
WRITE_WITHIN_S = 30.0
"""A client that takes nothing for so long is gone."""
MAILBOX = 8
CLIENTS = 1000
RETRY_MS = 1000

log = structlog.get_logger("diemcau.web")


class Change(Protocol):
    """What is pushed."""

    @property
    def head(self) -> msgspec.Struct:
        """What is shown beside the cells; it has a field ``at``, which is no change by itself."""

    @property
    def cells(self) -> Sized:
        """What is other than it was."""

    @property
    def whole(self) -> bool:
        """Whether it is everything, and needs nothing that was sent before."""


class View(Protocol):
    """What is shown: told of every happening, asked for pushes."""

    def notice(self, happenings: Iterable[Happening]) -> None:
        """Remember what changed."""

    def changes(self, now: float) -> Change:
        """What changed since the last call."""

    def snapshot(self, now: float) -> Change:
        """All of it."""

    def idle(self) -> None:
        """Nobody looks, and whoever comes gets all of it: what changed so far need not be told."""


class Mailbox:
    """What one client has still to be sent."""

    def __init__(self) -> None:
        self._events: deque[bytes] = deque()
        self._behind = True
        self._closed = False
        self._wake = asyncio.Event()
        self._wake.set()

    def put(self, event: bytes) -> None:
        """Keep one more event, or none at all but the wish for a snapshot when they are too many."""
        if self._behind:
            return
        if len(self._events) == MAILBOX:
            self._events.clear()
            self._behind = True
        else:
            self._events.append(event)
        self._wake.set()

    def close(self) -> None:
        """No more events: the client is sent away."""
        self._closed = True
        self._wake.set()

    async def take(self, snapshot: Callable[[], bytes]) -> bytes | None:
        """All that is waiting, as soon as there is something; None when closed."""
        await self._wake.wait()
        self._wake.clear()
        if self._closed:
            return None
        if self._behind:
            self._behind = False
            return snapshot()
        waiting = b"".join(self._events)
        self._events.clear()
        return waiting


class Stream:
    """Decides when to push a view, and keeps the clients."""

    def __init__(self, view: View, now: Callable[[], float], every_s: float = PUSH_EVERY_S) -> None:
        self.view = view
        self._now = now
        self._every_s = every_s
        self._clients: set[Mailbox] = set()
        self._wake = asyncio.Event()
        self._number = 0
        self._shown: msgspec.Struct | None = None
        self._cached: bytes | None = None
        self._ticked_at = 0.0

    @property
    def clients(self) -> int:
        """How many pages are listening."""
        return len(self._clients)

    def notice(self, happenings: Iterable[Happening]) -> None:
        """Something happened: it will be pushed within ``every_s``. Never blocks."""
        self.view.notice(happenings)
        self._cached = None
        self._wake.set()

    async def run(self) -> None:
        """Push until cancelled. A defect in a push is logged, and the next push is made all the same."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._wake.wait()
            self._wake.clear()
            try:
                self._push(asyncio.get_running_loop().time())
            except Exception:
                log.exception("push failed")
            await asyncio.sleep(self._every_s)

    def close(self) -> None:
        """Send every client away, at once."""
        for client in self._clients:
            client.close()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One client, from its snapshot until it leaves, is too slow, or is sent away."""
        if len(self._clients) >= CLIENTS:
            raise web.HTTPServiceUnavailable(headers={"Retry-After": "60"})
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
        client = Mailbox()
        self._clients.add(client)
        try:
            await response.prepare(request)
            await response.write(f"retry: {RETRY_MS}\n\n".encode())
            while (waiting := await client.take(self.snapshot)) is not None:
                async with asyncio.timeout(WRITE_WITHIN_S):
                    await response.write(waiting)
        except (ConnectionError, TimeoutError):
            log.debug("client gone", clients=len(self._clients) - 1)
        except Exception:
            log.exception("stream failed")  # its headers are out: no error page can follow, the client comes again
        finally:
            self._clients.discard(client)
        return response

    def snapshot(self) -> bytes:
        """The event of the whole board; encoded again only after something happened."""
        if self._cached is None:
            self._cached = self._event("snapshot", self.view.snapshot(self._now()))
        return self._cached

    def _push(self, loop_now: float) -> None:
        if not self._clients:
            self._cached = None
            self.view.idle()
            return
        change = self.view.changes(self._now())
        if change.whole or change.cells or self._differs(change.head):
            self._cached = None
            self._send("snapshot" if change.whole else "delta", change)
        elif loop_now - self._ticked_at >= TICK_EVERY_S:
            self._send("tick", change)
        else:
            return
        self._shown, self._ticked_at = change.head, loop_now

    def _differs(self, head: msgspec.Struct) -> bool:
        return self._shown is None or msgspec.structs.replace(self._shown, at=getattr(head, "at", 0.0)) != head

    def _send(self, name: str, change: Change) -> None:
        if not self._clients:
            return
        event = self._event(name, change)
        for client in self._clients:
            client.put(event)

    def _event(self, name: str, change: Change) -> bytes:
        self._number += 1
        return b"event: %s\nid: %d\ndata: %s\n\n" % (name.encode(), self._number, msgspec.json.encode(change))
