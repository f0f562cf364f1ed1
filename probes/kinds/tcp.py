r"""Does a TCP port accept a connection, and does what listens there say what it should? TLS and STARTTLS included.

Without steps, nothing is sent and the connection is closed as soon as it stands, or with ``tls`` as soon as the
handshake is done. Steps are taken in their order: ``send:TEXT`` sends exactly this (``\r``, ``\n``, ``\t``, ``\\``
and ``\xHH`` stand for what they stand for elsewhere), ``expect:REGEX`` reads line by line until one matches,
``starttls`` shakes hands in the middle. So SMTP is asked whether it speaks TLS by ``expect:^220 ``,
``send:EHLO probe\r\n``, ``expect:^250 ``, ``send:STARTTLS\r\n``, ``expect:^220 ``, ``starttls``.

Phases: ``resolve``, ``connect``, ``tls``, ``send``, ``expect``. Success: all steps were taken. Lines of which none
matches, when the other side then closes or falls silent, are a failure ``status``; silence from the beginning is a
``timeout``, 16 KiB without a match are one of ``protocol``.
"""

import re
from asyncio import timeout_at
from functools import lru_cache
from typing import NoReturn

import msgspec

from probes.dial import Connection, Miss, TlsParams, Trace, connect, measure, secure, split_host_port
from probes.model import CERT_EXPIRY, IP_PROTOCOL, Failure, Kind, Layer, Measurement

EXPECT_BYTES = 16_384
"""So much is read for one expectation."""
MARGIN_S = 0.02
"""So long before the deadline, lines that do not match are judged, so that they are told from silence."""
QUOTED_BYTES = 60
ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|.?)", re.DOTALL)
ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "\\": b"\\"}


class Send(msgspec.Struct, frozen=True):
    """Send these bytes."""

    data: bytes


class Expect(msgspec.Struct, frozen=True):
    """Read until a line matches."""

    pattern: re.Pattern[bytes]


class StartTls(msgspec.Struct, frozen=True):
    """Go on inside TLS."""


Step = Send | Expect | StartTls


class TcpParams(TlsParams, frozen=True, kw_only=True):
    """How to connect, and what to say and hear then."""

    tls: bool = False
    """Whether TLS is spoken from the beginning."""
    steps: tuple[str, ...] = ()
    """What to do on the connection: "send:TEXT", "expect:REGEX" or "starttls", in this order."""

    def __post_init__(self) -> None:
        if self.tls + parse_steps(self.steps).count(StartTls()) > 1:
            raise ValueError("steps: expected one TLS handshake, got more")


@lru_cache(maxsize=256)
def parse_steps(steps: tuple[str, ...]) -> tuple[Step, ...]:
    """Read what is configured. Raises ValueError naming the step."""
    return tuple(map(_parse_step, steps))


def _parse_step(step: str) -> Step:
    word, colon, rest = step.partition(":")
    try:
        if (word, colon) == ("starttls", ""):
            return StartTls()
        if word == "send" and rest:
            return Send(unescape(rest))
        if word == "expect" and rest:
            return Expect(re.compile(rest.encode()))
    except (ValueError, re.error) as error:
        raise ValueError(f'steps: expected "send:TEXT" or "expect:REGEX", got "{step}": {error}') from error
    raise ValueError(f'steps: expected "send:TEXT", "expect:REGEX" or "starttls", got "{step}"')


def unescape(text: str) -> bytes:
    r"""The bytes that a text with \r, \n, \t, \\ and \xHH stands for. Raises ValueError for any other escape."""
    parts, end = list[bytes](), 0
    for found in ESCAPE.finditer(text):
        parts += [text[end : found.start()].encode(), _escaped(found[1])]
        end = found.end()
    return b"".join(parts) + text[end:].encode()


def _escaped(name: str) -> bytes:
    if len(name) == 3:
        return bytes.fromhex(name[1:])
    if name not in ESCAPES:
        raise ValueError(f"\\{name} is no escape, there are \\r \\n \\t \\\\ \\xHH")
    return ESCAPES[name]


async def probe(address: str, params: TcpParams, deadline: float) -> Measurement:
    """Connect to ``host:port`` and take the steps."""

    async def work(trace: Trace) -> None:
        host, port = split_host_port(address)
        connection = await connect(trace, host, port, params)
        try:
            dialogue = Dialogue(trace, connection, deadline - MARGIN_S)
            if params.tls:
                await secure(trace, connection, host, params)
            for step in parse_steps(params.steps):
                if isinstance(step, StartTls):
                    dialogue.must_be_silent()
                    await secure(trace, connection, host, params)
                else:
                    await dialogue.take(step)
        finally:
            connection.close()

    return await measure(work, deadline)


class Dialogue:
    """Sends, and reads line by line."""

    def __init__(self, trace: Trace, connection: Connection, until: float) -> None:
        self._trace = trace
        self._connection = connection
        self._until = until
        self._unread = b""
        self._ended = False

    async def take(self, step: Send | Expect) -> None:
        """Do what the step says. Raises Miss, OSError or TimeoutError."""
        if isinstance(step, Send):
            with self._trace.phase("send"):
                await self._connection.send(step.data)
        else:
            with self._trace.phase("expect"):
                await self._expect(step.pattern)

    def must_be_silent(self) -> None:
        """Raise Miss where the other side has said more than was asked: it would count as said inside TLS."""
        if self._unread:
            raise Miss(Failure.PROTOCOL, f"{_quoted(self._unread)} before the TLS handshake")

    async def _expect(self, pattern: re.Pattern[bytes]) -> None:
        heard = b""
        left = EXPECT_BYTES
        try:
            async with timeout_at(self._until):
                while left > 0 and (line := await self._line()) is not None:
                    if pattern.search(line):
                        return
                    heard, left = line or heard, left - len(line) - 1
        except TimeoutError:
            if not (heard or self._unread):
                raise
        self._say_what_came(heard or self._unread, pattern, left)

    def _say_what_came(self, heard: bytes, pattern: re.Pattern[bytes], left: int) -> NoReturn:
        if left <= 0:
            raise Miss(
                Failure.PROTOCOL, f"more than {EXPECT_BYTES} bytes without a match of {_text(pattern.pattern)!r}"
            )
        if not heard:
            raise Miss(Failure.RESET, "closed by the other side without a word")
        raise Miss(Failure.STATUS, f"{_quoted(heard)} where {_text(pattern.pattern)!r} was expected")

    async def _line(self) -> bytes | None:
        """The next line, also an unfinished one at the end; None after it. A longer one than may be comes in parts."""
        while b"\n" not in self._unread and not self._ended and len(self._unread) < EXPECT_BYTES:
            part = await self._connection.receive()
            self._unread += part
            self._ended = not part
        if not self._unread:
            return None
        line, _, self._unread = self._unread.partition(b"\n")
        return line.removesuffix(b"\r")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _quoted(data: bytes) -> str:
    return repr(_text(data[:QUOTED_BYTES]))


KIND = Kind(
    "tcp",
    TcpParams,
    probe,
    "host:port or [v6]:port",
    figures=(IP_PROTOCOL, CERT_EXPIRY),
    layer=Layer.REACHABLE,
    needs_port=True,
)
