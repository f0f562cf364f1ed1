"""Plays the browsers at the points: each keeps the page of its point open, from the point's own address.

A process by itself (``python -m monitor.rehearsal.pages CONTROL_FD``) in the points' namespace, told what to do by JSON
lines on a socket. It does as the page's own script does: a heartbeat a second, each page at an instant of its own; a
socket whose heartbeats stay unanswered is given up; another is opened after a wait that doubles and is jittered, and
begins with a few quick beats. The protocol is that of ``monitor/web/heartbeat.py``; the sockets are as bare as they
can be (RFC 6455), for there are thousands.
"""

import asyncio
import contextlib
import resource
import socket
import sys
import time
from collections import deque
from typing import cast

import msgspec
import uvloop

from monitor.rehearsal.batteries import Battery

BEAT_S = 1.0
SLOTS = 100
"""Beats are spread over the second in so many steps."""
QUICK, QUICK_S = 4, 0.25
"""So many beats follow a connection at once, so far apart."""
DEAD_AFTER_S, DEAD_AT_MOST_S = 4.0, 8.0
"""A beat unanswered for so long, and four times the jitter: the socket is given up."""
LATE_S = 1.0
OPEN_WITHIN_S = 8.0
WAIT_S, WAIT_AT_MOST_S = 0.3, 4.0
OPENING, OPENING_S = 20, 0.02
"""At the start so many pages come at once, so far apart."""
COUNTED = 60
CONTROL_BYTES = 1 << 22
RTTS_KEPT = 200_000

HANDSHAKE = (
    "GET /p/{token}/ws?s={session} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SWITCHED = b"HTTP/1.1 101"
HEAD_END = b"\r\n\r\n"
POWER = b'"charging":%b,"charge":%.2f,"left":%b'
BEAT = b'{"n":%d,"rtt":%b,"jitter":%.4f,"loss":%.3f,%b,"visible":true}'
"""At most 125 bytes, which the shortest form of a frame holds."""
TEXT_FRAME, CLOSE_FRAME, MASKED = 0x81, 0x88, 0x80
NO_MASK = bytes(4)
"""As good as any other: the server undoes it all the same (RFC 6455, section 5.3)."""
LONG, LONGEST = 126, 127
"""A length that follows in two bytes, or in eight (section 5.2)."""


class Laptop(msgspec.Struct, frozen=True):
    """What a page is open on."""

    point: str
    address: str
    """From where it connects."""
    token: str
    battery_s: float
    """How long its battery lasts, in the time of the rehearsal."""


class Open(msgspec.Struct, frozen=True, tag=True):
    """First order: who opens which page where."""

    server: tuple[str, int]
    server_v6: tuple[str, int]
    laptops: tuple[Laptop, ...]
    battery_speed: float = 1.0


class Mains(msgspec.Struct, frozen=True, tag=True):
    """Order: points whose mains fail, and those that have them back."""

    lost: tuple[str, ...] = ()
    back: tuple[str, ...] = ()


class Heard(msgspec.Struct, frozen=True, tag=True):
    """Report, the last one: how the centre was heard, and what it took."""

    pages: int
    open: int
    """At the end."""
    beats: int
    unanswered: int
    """Of those that were sent: no echo within a second."""
    connections: int
    rtt_median_s: float
    rtt_p95_s: float
    rtt_max_s: float
    cpu_s: float
    elapsed_s: float


Order = Open | Mains


class Echo(msgspec.Struct):
    """What matters here of what the centre says."""

    n: int


_ECHO = msgspec.json.Decoder(Echo)


class Page(asyncio.Protocol):
    """One browser."""

    def __init__(self, crowd: "Crowd", laptop: Laptop, number: int) -> None:
        self._crowd, self.laptop = crowd, laptop
        self.battery = Battery(laptop.battery_s, crowd.battery_speed)
        self._v6 = ":" in laptop.address
        host, port = self._server
        self._handshake = HANDSHAKE.format(
            token=laptop.token, session=f"laptop-{number:06}", host=f"[{host}]:{port}" if self._v6 else f"{host}:{port}"
        ).encode()
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._switched = False
        self._waiting: deque[tuple[int, float]] = deque()
        """Beats on this socket without an echo, the oldest first."""
        self._number = self._attempts = self._quick = 0
        self._rtt_s: float | None = None
        self._jitter_s = self._loss = 0.0
        self._coming = False
        """Whether another socket will be opened in a moment."""
        self.open = False
        """Whether an echo came on this socket."""

    @property
    def _server(self) -> tuple[str, int]:
        return self._crowd.order.server_v6 if self._v6 else self._crowd.order.server

    # The socket

    async def connect(self) -> None:
        """Come, now or later."""
        self._coming = False
        try:
            async with asyncio.timeout(OPEN_WITHIN_S):
                await asyncio.get_running_loop().create_connection(
                    lambda: self, *self._server, local_addr=(self.laptop.address, 0)
                )
        except (OSError, TimeoutError):
            self._come_again()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the socket of the page."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self._crowd.connections += 1
        self._transport.write(self._handshake)
        self._waiting.append((0, time.monotonic()))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Come again, whyever."""
        self._transport, self._received, self._switched, self._quick = None, b"", False, 0
        self._waiting.clear()
        self._crowd.open -= self.open
        self.open = False
        self._come_again()

    def _come_again(self) -> None:
        if self._coming:
            return
        self._coming = True
        wait_s = min(WAIT_AT_MOST_S, WAIT_S * 2**self._attempts) * self._crowd.jitter()
        self._attempts += 1
        self._crowd.later(wait_s, self)

    # What comes

    def data_received(self, data: bytes) -> None:
        """The answer to the handshake, then frames, in whatever pieces."""
        self._received += data
        if not self._switched:
            self._switch()
        while self._switched and self._frame():
            pass

    def _switch(self) -> None:
        head, end, rest = self._received.partition(HEAD_END)
        if not end:
            return
        if not head.startswith(SWITCHED):
            self.give_up()
            return
        self._switched, self._received, self._quick = True, rest, QUICK
        self._waiting.clear()
        self._quick_beat()

    def _frame(self) -> bool:
        """Take one frame; whether there was a whole one (section 5.2; the centre's are not masked)."""
        received = self._received
        if len(received) < 2:
            return False
        start, length = 2, received[1]
        if length >= LONG:
            start = 4 if length == LONG else 10
            length = int.from_bytes(received[2:start])
        if len(received) < start + length:
            return False
        self._received = received[start + length :]
        if received[0] == TEXT_FRAME:
            self._echoed(_ECHO.decode(received[start : start + length]).n)
        elif received[0] == CLOSE_FRAME:
            self.give_up()
        return True

    def _echoed(self, number: int) -> None:
        now = time.monotonic()
        while self._waiting and self._waiting[0][0] <= number:
            _, sent_at = self._waiting.popleft()
            self._measure(now - sent_at)
        if not self.open:
            self.open, self._attempts = True, 0
            self._crowd.open += 1

    def _measure(self, rtt_s: float) -> None:
        """Jitter as RFC 3550, section 6.4.1, smooths it."""
        if self._rtt_s is not None:
            self._jitter_s += (abs(rtt_s - self._rtt_s) - self._jitter_s) / 16
        self._rtt_s = rtt_s
        self._count(late=rtt_s > LATE_S)
        self._crowd.rtts.append(rtt_s)

    def _count(self, *, late: bool) -> None:
        self._crowd.unanswered += late
        self._loss += (late - self._loss) / COUNTED

    def give_up(self) -> None:
        """This socket is of no use."""
        if self._transport is not None:
            self._transport.abort()

    # What goes

    def _quick_beat(self) -> None:
        if self._quick:
            self._quick -= 1
            self.beat()
            asyncio.get_running_loop().call_later(QUICK_S, self._quick_beat)

    def look(self) -> None:
        """Once a second: a beat, or an end to a socket that is dead."""
        if self._transport is None:
            return
        patience_s = self._patience_s if self._switched else OPEN_WITHIN_S
        if self._waiting and time.monotonic() - self._waiting[0][1] > patience_s:
            for _ in self._waiting:
                self._count(late=self._switched)
            self.give_up()
        elif self._switched and not self._quick:
            self.beat()

    @property
    def _patience_s(self) -> float:
        if not self._switched:
            return OPEN_WITHIN_S
        return min(DEAD_AT_MOST_S, DEAD_AFTER_S + 4 * self._jitter_s)

    def beat(self) -> None:
        """Say how we are; nothing when the battery is empty."""
        now, battery = time.monotonic(), self.battery
        charge = battery.charge(now)
        if self._transport is None or not charge:
            return
        self._number += 1
        self._crowd.beats += 1
        rtt = b"null" if self._rtt_s is None else b"%.4f" % self._rtt_s
        power = (b"true", charge, b"null") if battery.mains else (b"false", charge, b"%d" % battery.left_s(now))
        said = BEAT % (self._number, rtt, self._jitter_s, self._loss, POWER % power)
        self._waiting.append((self._number, now))
        self._transport.write(bytes((TEXT_FRAME, MASKED | len(said))) + NO_MASK + said)


class Crowd:
    """All the pages."""

    def __init__(self, order: Open, jitter: "Jitter") -> None:
        self.order, self.jitter = order, jitter
        self.battery_speed = order.battery_speed
        self.rtts: deque[float] = deque(maxlen=RTTS_KEPT)
        self.open = self.beats = self.unanswered = self.connections = 0
        self.pages = [Page(self, laptop, number) for number, laptop in enumerate(order.laptops)]
        self._by_point = {page.laptop.point: page for page in self.pages}
        self._tasks: set[asyncio.Task[None]] = set()
        self._began, self._closing = time.monotonic(), False

    async def come(self) -> None:
        """Every page opens, a few at a time."""
        for start in range(0, len(self.pages), OPENING):
            for page in self.pages[start : start + OPENING]:
                self._start(page)
            await asyncio.sleep(OPENING_S)

    async def beat(self) -> None:
        """Once a second each, until cancelled."""
        began, slot = time.monotonic(), 0
        while True:
            for page in self.pages[slot % SLOTS :: SLOTS]:
                page.look()
            slot += 1
            await asyncio.sleep(max(0.0, began + slot * BEAT_S / SLOTS - time.monotonic()))

    def change(self, order: Mains) -> None:
        """Mains fail here and are back there."""
        now = time.monotonic()
        for points, mains in ((order.lost, False), (order.back, True)):
            for point in points:
                if (page := self._by_point.get(point)) is not None:
                    page.battery.turn(mains=mains, now=now)

    def later(self, wait_s: float, page: Page) -> None:
        """A page comes again."""
        asyncio.get_running_loop().call_later(wait_s, self._start, page)

    def close(self) -> Heard:
        """Nobody comes any more; how it was."""
        self._closing = True
        rtts = sorted(self.rtts) or [0.0]
        heard = Heard(
            pages=len(self.pages),
            open=self.open,
            beats=self.beats,
            unanswered=self.unanswered,
            connections=self.connections,
            rtt_median_s=rtts[len(rtts) // 2],
            rtt_p95_s=rtts[len(rtts) * 95 // 100],
            rtt_max_s=rtts[-1],
            cpu_s=time.process_time(),
            elapsed_s=time.monotonic() - self._began,
        )
        for page in self.pages:
            page.give_up()
        return heard

    def _start(self, page: Page) -> None:
        if not self._closing:
            task = asyncio.get_running_loop().create_task(page.connect())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


class Jitter:
    """Waits between half of what was meant and all of it, evenly spread: the golden ratio's multiples."""

    def __init__(self) -> None:
        self._at = 0.0

    def __call__(self) -> float:
        """The next one."""
        self._at = (self._at + 0.618034) % 1.0
        return 0.5 + self._at / 2


async def play(control: socket.socket) -> None:
    """Until the other side says no more, then report."""
    reader, writer = await asyncio.open_connection(sock=control, limit=CONTROL_BYTES)
    decoder = msgspec.json.Decoder(Order)
    line = await reader.readline()
    first = decoder.decode(line) if line else None
    if not isinstance(first, Open):
        return
    crowd = Crowd(first, Jitter())
    jobs = [asyncio.create_task(crowd.come()), asyncio.create_task(crowd.beat())]
    while line := await reader.readline():
        order = decoder.decode(line)
        if isinstance(order, Mains):
            crowd.change(order)
    for job in jobs:
        job.cancel()
    with contextlib.suppress(OSError):
        writer.write(msgspec.json.encode(crowd.close()) + b"\n")
        await writer.drain()
    writer.close()


def main(argv: list[str]) -> None:
    """``pages CONTROL_FD``."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with socket.socket(fileno=int(argv[0])) as control, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(play(control))


if __name__ == "__main__":
    main(sys.argv[1:])
