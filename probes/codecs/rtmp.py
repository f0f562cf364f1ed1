"""Speaks RTMP as a client: handshake, chunks, commands. Adobe's RTMP specification 1.0 (December 2012).

Sans-IO: :class:`Client` takes bytes as they come and gives messages; what must be sent meanwhile (C2, acknowledgements,
the answer to a ping) waits in ``outgoing``. Anything else than RTMP raises :class:`RtmpError`. The handshake is the
simple one (section 5.2). Of sound and pictures only the head is kept: they are counted, never decoded.
"""

from enum import IntEnum
from struct import Struct

import msgspec

from probes.codecs import amf0
from probes.model import Malformed

VERSION = 3
HANDSHAKE_BYTES = 1536
"""C1, S1, C2 and S2 each (section 5.2.3)."""
NONCE_BYTES = HANDSHAKE_BYTES - 8
CHUNK_BYTES = 128
"""Until a Set Chunk Size says otherwise (section 5.4.1); what we write stays with it."""

MAX_CHUNK_STREAMS = 64
"""A server uses fewer than ten."""
MAX_MESSAGE_BYTES = 65_536
"""A message that is neither sound nor picture, whole."""
MEDIA_BYTES_KEPT = 16
"""Of sound and pictures, whose length is bounded by its 24 bits alone, so much is kept."""

CONTROL_STREAM, COMMAND_STREAM, PLAY_STREAM = 2, 3, 8
"""Chunk streams that we write: the second is prescribed (section 5.3), the others are what players use."""

_NO_TIME = 0xFF_FFFF
"""In the place of a timestamp or its delta: an extended one of 32 bits follows."""
_WRAP = 0xFFFF_FFFF
_HEADER_BYTES = (11, 7, 3, 0)
"""Of a message's header in a chunk, by the chunk's format (section 5.3.1.2)."""
_BASIC_BYTES = {0: 2, 1: 3}
"""Of a basic header, by the number in its first byte; 1 for all others (section 5.3.1.1)."""
_LONG = Struct(">I")
_EVENT = Struct(">HI")
_HELLO = Struct(">BII")


class RtmpError(Malformed):
    """Not RTMP, or more than any server would send."""


class Type(IntEnum):
    """Message types (sections 5.4, 6.2, 7.1). Those of AMF3 begin with a zero byte, AMF0 follows all the same."""

    SET_CHUNK_SIZE = 1
    ABORT = 2
    ACKNOWLEDGEMENT = 3
    USER_CONTROL = 4
    WINDOW_SIZE = 5
    PEER_BANDWIDTH = 6
    AUDIO = 8
    VIDEO = 9
    DATA_AMF3 = 15
    COMMAND_AMF3 = 17
    DATA = 18
    COMMAND = 20
    AGGREGATE = 22


class Event(IntEnum):
    """User control events that matter here (section 6.2)."""

    SET_BUFFER_LENGTH = 3
    PING_REQUEST = 6
    PING_RESPONSE = 7


MEDIA = frozenset({Type.AUDIO, Type.VIDEO, Type.AGGREGATE})


class Message(msgspec.Struct, frozen=True, gc=False):
    """A message put together; ``payload`` is only the head of one of ``MEDIA``."""

    type: int
    stream_id: int
    timestamp: int
    """Milliseconds, modulo 2³²."""
    length: int
    """Of the whole payload, bytes."""
    payload: bytes


class Command(msgspec.Struct, frozen=True):
    """A command, or the answer to one: ``_result``, ``_error``, ``onStatus``."""

    name: str
    transaction: float
    arguments: tuple[amf0.Value, ...] = ()
    """Those after the command object."""

    @property
    def code(self) -> str:
        """Such as ``NetStream.Play.Start``; empty without."""
        return self._of_info("code")

    @property
    def level(self) -> str:
        """``status``, ``warning`` or ``error``; empty without."""
        return self._of_info("level")

    @property
    def description(self) -> str:
        """What the server adds in words; empty without."""
        return self._of_info("description")

    def _of_info(self, name: str) -> str:
        info = self.arguments[0] if self.arguments else None
        found = info.get(name) if isinstance(info, dict) else None
        return found if isinstance(found, str) else ""


def read_command(message: Message) -> Command | None:
    """The command that a message is; None when it is another. Raises RtmpError."""
    if message.type not in (Type.COMMAND, Type.COMMAND_AMF3):
        return None
    try:
        values = amf0.decode(message.payload[message.type == Type.COMMAND_AMF3 :])
    except amf0.AmfError as error:
        raise RtmpError(f"a command that is no AMF0: {error}") from error
    name, transaction = [*values[:2], None, None][:2]
    if not (isinstance(name, str) and isinstance(transaction, float)):
        raise RtmpError("a command without name or transaction")
    return Command(name, transaction, tuple(values[3:]))


def is_frame(message: Message) -> bool:
    """Whether it carries sound or a picture.

    Neither the codec's header, which a server keeps for whoever comes later, nor an empty message proves that the
    stream advances. FLV 10.1 annex E.4, Enhanced RTMP v1 for the first byte's highest bit.
    """
    head = message.payload
    if message.type == Type.AUDIO:
        return len(head) > 1 and not (head[0] >> 4 == 10 and head[1] == 0)
    if message.type == Type.VIDEO:
        return len(head) > 1 and _is_picture(head[0], head[1])
    return message.type == Type.AGGREGATE and bool(head)


def _is_picture(first: int, second: int) -> bool:
    if first & 0x80:
        return first & 0x0F in (1, 3)  # coded frames, with and without a composition time
    return first >> 4 != 5 and not (first & 0x0F in (7, 12) and second != 1)  # of AVC and HEVC 0 is a header, 2 the end


def write(chunk_stream: int, type_: int, payload: bytes, stream_id: int = 0) -> bytes:
    """A message at time 0, in chunks of ``CHUNK_BYTES``; ``chunk_stream`` is 2 to 63."""
    head = bytes((chunk_stream, 0, 0, 0)) + len(payload).to_bytes(3, "big") + bytes((type_,))
    parts = (payload[at : at + CHUNK_BYTES] for at in range(0, max(1, len(payload)), CHUNK_BYTES))
    return head + stream_id.to_bytes(4, "little") + bytes((0xC0 | chunk_stream,)).join(parts)


class _Stream:
    """What is known of one chunk stream: its last header, and as much of a message as has come."""

    __slots__ = ("delta", "extended", "kept", "length", "limit", "missing", "stream_id", "timestamp", "type")

    def __init__(self) -> None:
        self.timestamp = self.delta = self.length = self.type = self.stream_id = 0
        self.extended = False
        self.missing = 0
        """Bytes that the message under way still lacks; 0 when there is none."""
        self.limit = 0
        self.kept = bytearray()

    def begin(self, format_: int, header: bytes, time: int) -> None:
        """Take in the header of a new message; what was unfinished is given up. Raises RtmpError."""
        if format_ < 2:
            self.length, self.type = int.from_bytes(header[3:6], "big"), header[6]
        if format_ == 0:
            self.stream_id = int.from_bytes(header[7:11], "little")
            self.timestamp = 0
        if format_ < 3:
            self.delta = time
        self.timestamp = (self.timestamp + self.delta) & _WRAP
        self.limit = MEDIA_BYTES_KEPT if self.type in MEDIA else MAX_MESSAGE_BYTES
        if self.type not in MEDIA and self.length > MAX_MESSAGE_BYTES:
            raise RtmpError(f"a message of type {self.type} is {self.length} bytes long")
        self.missing = self.length
        self.kept.clear()

    def take(self, data: bytes | bytearray) -> None:
        """Some more of the message."""
        self.missing -= len(data)
        if room := self.limit - len(self.kept):
            self.kept += data[:room]

    def message(self) -> Message:
        """What is whole now."""
        return Message(self.type, self.stream_id, self.timestamp, self.length, bytes(self.kept))


class Chunks:
    """Puts messages together from chunks (section 5.3). What is kept is bounded, whatever is sent."""

    def __init__(self) -> None:
        self.chunk_bytes = CHUNK_BYTES
        self._buffer = bytearray()
        self._streams: dict[int, _Stream] = {}
        self._current: _Stream | None = None
        self._left = 0
        """Bytes that the current chunk still lacks."""

    def feed(self, data: bytes) -> list[Message]:
        """The messages that these bytes complete. Raises RtmpError."""
        self._buffer += data
        messages: list[Message] = []
        at = 0
        while (end := self._advance(at)) is not None:
            at = end
            if self._current is not None and not self._left:
                stream, self._current = self._current, None
                if not stream.missing:
                    messages.append(stream.message())
                    self._obey(messages[-1])
        del self._buffer[:at]
        return messages

    def _advance(self, at: int) -> int | None:
        """Read a header, or what there is of a payload; where that ended, None when there is too little."""
        if self._current is None:
            return self._read_header(at)
        some = self._buffer[at : at + self._left]
        self._current.take(some)
        self._left -= len(some)
        return at + len(some) if some else None

    def _read_header(self, start: int) -> int | None:
        """Begin a chunk; where its payload begins, None when the header is not all there."""
        buffer = self._buffer
        if start >= len(buffer):
            return None
        format_, number = buffer[start] >> 6, buffer[start] & 0x3F
        at = start + _BASIC_BYTES.get(number, 1)
        end = at + _HEADER_BYTES[format_]
        if len(buffer) < end:
            return None
        if number < 2:
            number = 64 + int.from_bytes(buffer[start + 1 : at], "little")
        stream, header = self._stream(number, format_), bytes(buffer[at:end])
        time = int.from_bytes(header[:3], "big")
        stream.extended = time == _NO_TIME if header else stream.extended
        if stream.extended:
            if len(buffer) < end + 4:
                return None
            (time,) = _LONG.unpack_from(buffer, end)
            end += 4
        if header or not stream.missing:
            stream.begin(format_, header, time)
        self._current, self._left = stream, min(stream.missing, self.chunk_bytes)
        return end

    def _stream(self, number: int, format_: int) -> _Stream:
        stream = self._streams.get(number)
        if stream is None:
            if format_:
                raise RtmpError(f"chunk stream {number} begins without a whole header")
            if len(self._streams) >= MAX_CHUNK_STREAMS:
                raise RtmpError(f"more than {MAX_CHUNK_STREAMS} chunk streams")
            stream = self._streams[number] = _Stream()
        return stream

    def _obey(self, message: Message) -> None:
        """Sections 5.4.1 and 5.4.2."""
        if message.type == Type.SET_CHUNK_SIZE:
            self.chunk_bytes = _number(message)
            if not 0 < self.chunk_bytes <= 0x7FFF_FFFF:
                raise RtmpError(f"chunks of {self.chunk_bytes} bytes")
        elif message.type == Type.ABORT and (stream := self._streams.get(_number(message))):
            stream.missing = 0


def _number(message: Message) -> int:
    """What a protocol control message says. Raises RtmpError."""
    if len(message.payload) < _LONG.size:
        raise RtmpError(f"a message of type {message.type} is {message.length} bytes long")
    number: int = _LONG.unpack_from(message.payload)[0]
    return number


class Client:
    """The client's side of a connection. ``nonce`` is what C1 is filled with, ``NONCE_BYTES`` random bytes."""

    def __init__(self, nonce: bytes) -> None:
        self.established = False
        """Whether the handshake is done."""
        self.received = 0
        """Bytes, those of the handshake counted too."""
        self._outgoing = bytearray(_HELLO.pack(VERSION, 0, 0) + nonce)
        self._incoming = bytearray()
        self._answered = False
        self._chunks = Chunks()
        self._window = 0
        self._acknowledged = 0
        self._transaction = 0

    def outgoing(self) -> bytes:
        """What must be sent now; asked for again it is empty."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def call(self, name: str, *arguments: amf0.Value, stream_id: int = 0) -> int:
        """Give a command, ``arguments`` from the command object on; its transaction. Raises RtmpError."""
        self._transaction += 1
        try:
            payload = amf0.encode(name, float(self._transaction), *arguments)
        except amf0.AmfError as error:
            raise RtmpError(f"{name} cannot be said: {error}") from error
        chunk_stream = PLAY_STREAM if stream_id else COMMAND_STREAM
        self._outgoing += write(chunk_stream, Type.COMMAND, payload, stream_id)
        return self._transaction

    def set_buffer(self, stream_id: int, milliseconds: int) -> None:
        """Say how much of a stream we can hold (section 6.2); some servers send nothing before."""
        self._control(Type.USER_CONTROL, _EVENT.pack(Event.SET_BUFFER_LENGTH, stream_id) + _LONG.pack(milliseconds))

    def feed(self, data: bytes) -> list[Message]:
        """The messages that these bytes complete. Raises RtmpError."""
        self.received += len(data)
        if not self.established:
            data = self._shake_hands(data)
        messages = self._chunks.feed(data)
        for message in messages:
            self._heed(message)
        self._acknowledge()
        return messages

    def _shake_hands(self, data: bytes) -> bytes:
        """S0, S1 and S2; what comes after them. S2 need not echo C1: with some servers it does not."""
        self._incoming += data
        if self._incoming and self._incoming[0] != VERSION:
            raise RtmpError(f"no RTMP handshake: begins with {bytes(self._incoming[:8])!r}")
        if not self._answered and len(self._incoming) > HANDSHAKE_BYTES:
            self._answered = True
            self._outgoing += self._incoming[1 : HANDSHAKE_BYTES + 1]
        if len(self._incoming) <= 2 * HANDSHAKE_BYTES:
            return b""
        self.established = True
        rest = bytes(self._incoming[2 * HANDSHAKE_BYTES + 1 :])
        self._incoming.clear()
        return rest

    def _heed(self, message: Message) -> None:
        """Note how much may come unacknowledged (section 5.4.4); answer a ping."""
        if message.type == Type.WINDOW_SIZE:
            self._window = _number(message)
        elif message.type == Type.USER_CONTROL and len(message.payload) >= _EVENT.size:
            event, stamp = _EVENT.unpack_from(message.payload)
            if event == Event.PING_REQUEST:
                self._control(Type.USER_CONTROL, _EVENT.pack(Event.PING_RESPONSE, stamp))

    def _acknowledge(self) -> None:
        """Section 5.4.3."""
        if self._window and self.received - self._acknowledged >= self._window:
            self._acknowledged = self.received
            self._control(Type.ACKNOWLEDGEMENT, _LONG.pack(self.received & _WRAP))

    def _control(self, type_: Type, payload: bytes) -> None:
        self._outgoing += write(CONTROL_STREAM, type_, payload)
