"""A question and its answer over UDP, TCP or TLS, on :mod:`probes.dial`: what STUN, TURN and DNS have in common.

Over UDP a message is a packet, and the question is sent again until an answer comes, as RFC 8489, 6.2.1 has it: after
half a second, then after twice as long each time, until the deadline. In a stream, messages say how long they are.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import Literal, Protocol, TypeVar

import msgspec

from probes.dial import Connection, Datagram, Miss, TlsParams, Trace, connect, open_datagram, secure
from probes.model import Failure, Malformed

T = TypeVar("T")
Transport = Literal["udp", "tcp", "tls"]
Read = Callable[[bytes], T | None]
"""What a message says; None where it answers another question. Raises Malformed where it is none."""

FIRST_WAIT_S = 0.5


class ExchangeParams(TlsParams, frozen=True, kw_only=True):
    """How to reach the server."""

    transport: Transport = "udp"
    """What carries the messages: udp, tcp or tls."""


class Framing(msgspec.Struct, frozen=True):
    """How messages are marked off in a stream: each has a head of this size, which says how many bytes follow it."""

    head_bytes: int
    rest_bytes: Callable[[bytes], int]


class Exchange(Protocol):
    """Open towards one server."""

    @property
    def local_address(self) -> tuple[str, int]:
        """Our own host and port."""

    async def ask(self, question: bytes, read: Read[T]) -> T:
        """Send, and return what ``read`` makes of the answer. Raises Miss, Malformed or OSError."""


@asynccontextmanager
async def open_exchange(
    trace: Trace, host: str, port: int, params: TlsParams, transport: Transport, framing: Framing
) -> AsyncIterator[Exchange]:
    """Reach the server (phases ``resolve``, ``connect``, ``tls``); closed at the end. Raises Miss or OSError."""
    if transport == "udp":
        datagram = await open_datagram(trace, host, port, params)
        try:
            yield Packets(datagram)
        finally:
            datagram.close()
        return
    connection = await connect(trace, host, port, params)
    try:
        if transport == "tls":
            await secure(trace, connection, host, params)
        yield Stream(connection, framing)
    finally:
        connection.close()


class Packets:
    """Over UDP."""

    def __init__(self, datagram: Datagram) -> None:
        self._datagram = datagram

    @property
    def local_address(self) -> tuple[str, int]:
        """Our own host and port."""
        return self._datagram.local_address

    async def ask(self, question: bytes, read: Read[T]) -> T:
        """Send again and again until an answer comes; the deadline around it ends the waiting."""
        wait_s = FIRST_WAIT_S
        while True:
            await self._datagram.send(question)
            if (answer := await self._within(wait_s, read)) is not None:
                return answer
            wait_s *= 2

    async def _within(self, wait_s: float, read: Read[T]) -> T | None:
        """The answer, if it comes in time. What is no message counts only when nothing better has come by then."""
        wrong: Malformed | None = None
        until = monotonic() + wait_s
        while (packet := await self._datagram.receive_within(until - monotonic())) is not None:
            try:
                if (answer := read(packet)) is not None:
                    return answer
            except Malformed as error:
                wrong = error
        if wrong is not None:
            raise wrong
        return None


class Stream:
    """Over TCP or TLS, which carry everything once and in order."""

    def __init__(self, connection: Connection, framing: Framing) -> None:
        self._connection = connection
        self._framing = framing

    @property
    def local_address(self) -> tuple[str, int]:
        """Our own host and port."""
        return self._connection.local_address

    async def ask(self, question: bytes, read: Read[T]) -> T:
        """Send once; what answers another question is passed over."""
        await self._connection.send(question)
        while True:
            head = await self._exactly(self._framing.head_bytes)
            message = head + await self._exactly(self._framing.rest_bytes(head))
            if (answer := read(message)) is not None:
                return answer

    async def _exactly(self, count: int) -> bytes:
        received = b""
        while len(received) < count:
            part = await self._connection.receive(count - len(received))
            if not part:
                raise Miss(Failure.RESET, "closed by the other side before a whole answer came")
            received += part
        return received
