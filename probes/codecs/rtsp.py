"""Asks a streaming server and reads its answers: RTSP 1.0 (RFC 2326), media packets interleaved among them.

Sans-IO: bytes in, responses and packets out. A server may send requests of its own (section 10); they are read and
passed over.
"""

import re
from collections.abc import Mapping
from struct import Struct

import msgspec

from probes.model import Malformed

VERSION = "RTSP/1.0"
MAX_HEAD = 16 << 10
MAX_BODY = 256 << 10
MAX_HEADERS = 100
START_LINE_BYTES = 512
"""A first line within so much is judged at once: what greets in another protocol may never send an empty line."""
_FRAME = Struct(">BBH")
_DOLLAR = 0x24
_METHOD = re.compile(rb"[A-Z_]+ ?[!-~]*")
_STATUS = re.compile(r"[1-9][0-9][0-9]")
_INTERLEAVED = re.compile(r"interleaved=([0-9]{1,3})(?![0-9])")


class RtspError(Malformed):
    """This is no RTSP, or more of it than anybody should send."""


class Response(msgspec.Struct, frozen=True):
    """What a server answered."""

    status: int
    reason: str
    headers: Mapping[str, tuple[str, ...]]
    """By lower-case name, each as often as it came."""
    body: bytes = b""

    def header(self, name: str) -> str:
        """The first of that lower-case name; empty without."""
        return self.headers.get(name, ("",))[0]

    @property
    def cseq(self) -> str:
        """Which request it answers."""
        return self.header("cseq").strip()

    @property
    def session(self) -> str:
        """The session's id, without its time-out (section 12.37)."""
        return self.header("session").partition(";")[0].strip()


class Frame(msgspec.Struct, frozen=True, gc=False):
    """A packet interleaved in the connection (section 10.12)."""

    channel: int
    data: bytes


Event = Response | Frame


def encode(method: str, uri: str, cseq: int, headers: Mapping[str, str]) -> bytes:
    """A request. Raises RtspError for what cannot stand in one."""
    lines = [f"{method} {uri} {VERSION}", f"CSeq: {cseq}", *(f"{name}: {value}" for name, value in headers.items())]
    if any(not line.isprintable() for line in lines):
        raise RtspError(f"cannot be asked in RTSP: {uri[:80]!r}")
    return "\r\n".join([*lines, "", ""]).encode()


def channel(transport: str, default: int) -> int:
    """Where a track's packets come, by the Transport header of the answer (section 12.39): the server may choose."""
    found = _INTERLEAVED.search(transport)
    return int(found[1]) if found else default


class Reader:
    """Takes the bytes of a connection; gives what is whole."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._head: Response | None = None
        """Whose body has not all come."""
        self._request = False
        """Whether it belongs to a request of the server's."""
        self._body_bytes = 0
        self._searched = 0

    def feed(self, data: bytes) -> list[Event]:
        """What these bytes complete, in order. Raises RtspError."""
        self._waiting += data
        events: list[Event] = []
        while (event := self._next()) is not None:
            if not isinstance(event, bool):
                events.append(event)
        return events

    def _next(self) -> Event | bool | None:
        """The next message; true for one that is passed over, None while nothing is whole."""
        if self._head is not None:
            return self._body(self._head)
        self._skip_blank_lines()
        if not self._waiting:
            return None
        return self._frame() if self._waiting[0] == _DOLLAR else self._begin()

    def _skip_blank_lines(self) -> None:
        if self._searched == 0 and self._waiting.startswith((b"\r", b"\n")):
            del self._waiting[: len(self._waiting) - len(self._waiting.lstrip(b"\r\n"))]

    def _frame(self) -> Frame | None:
        if len(self._waiting) < _FRAME.size:
            return None
        _, channel, size = _FRAME.unpack_from(self._waiting)
        if len(self._waiting) < _FRAME.size + size:
            return None
        data = bytes(self._waiting[_FRAME.size : _FRAME.size + size])
        del self._waiting[: _FRAME.size + size]
        return Frame(channel, data)

    def _begin(self) -> Event | bool | None:
        """A head, once it is whole; what has been searched for its end is not searched again."""
        end = self._waiting.find(b"\r\n\r\n", max(0, self._searched - 3))
        if end < 0:
            self._searched = len(self._waiting)
            self._refuse_head(self._searched)
            return None
        self._refuse_head(end)
        self._searched = 0
        text = bytes(self._waiting[:end]).decode("utf-8", "replace")
        del self._waiting[: end + 4]
        self._head, self._request = _head(text)
        self._body_bytes = _length(self._head)
        return self._body(self._head)

    def _refuse_head(self, size: int) -> None:
        """A response begins with the protocol's name, a request with that of a method."""
        begin = bytes(self._waiting[:5])
        if size > MAX_HEAD:
            raise RtspError(f"more than {MAX_HEAD} bytes before the end of a header")
        if not (b"RTSP/".startswith(begin) or _METHOD.fullmatch(begin)):
            raise RtspError(f"no RTSP: begins with {begin!r}")
        line, ended, _ = self._waiting[:START_LINE_BYTES].partition(b"\n")
        if ended:
            _start(line.decode("utf-8", "replace").removesuffix("\r"))

    def _body(self, head: Response) -> Event | bool | None:
        if len(self._waiting) < self._body_bytes:
            return None
        body = bytes(self._waiting[: self._body_bytes])
        del self._waiting[: self._body_bytes]
        self._head = None
        return True if self._request else msgspec.structs.replace(head, body=body)


def _head(text: str) -> tuple[Response, bool]:
    """The head of a message, and whether it is a request."""
    first, *lines = text.split("\r\n")
    status, reason = _start(first)
    return Response(status, reason, _headers(lines)), status == 0


def _start(line: str) -> tuple[int, str]:
    """Status and reason of a response; of a request 0 and its method."""
    words = line.split(" ", 2)
    if len(words) == 3 and words[2] == VERSION:
        return 0, words[0]
    if words[0] == VERSION and len(words) > 1 and _STATUS.fullmatch(words[1]):
        return int(words[1]), words[2].strip() if len(words) > 2 else ""
    raise RtspError(f"no RTSP: {line[:60]!r}")


def _headers(lines: list[str]) -> dict[str, tuple[str, ...]]:
    """Headers by name; a line that begins with a blank goes on with the one before (RFC 2326, section 4)."""
    if len(lines) > MAX_HEADERS:
        raise RtspError(f"more than {MAX_HEADERS} headers")
    found: dict[str, list[str]] = {}
    name = ""
    for line in lines:
        if line[:1] in (" ", "\t") and name:
            found[name][-1] += " " + line.strip()
            continue
        before, colon, value = line.partition(":")
        name = before.strip().lower()
        if not colon or not name:
            raise RtspError(f"no header: {line[:60]!r}")
        found.setdefault(name, []).append(value.strip())
    return {name: tuple(values) for name, values in found.items()}


def _length(head: Response) -> int:
    said = head.header("content-length") or "0"
    if not (said.isascii() and said.isdecimal() and len(said) <= 9):
        raise RtspError(f"a body of {said[:20]!r} bytes")
    if int(said) > MAX_BODY:
        raise RtspError(f"a body of {said} bytes, more than {MAX_BODY}")
    return int(said)
