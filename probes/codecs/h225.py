"""Asks an H.323 system for a call's state and reads its call signalling: TPKT, Q.931 and the outside of H.225.0.

On TCP each Q.931 message stands in a TPKT (RFC 1006, 6). Of H.225.0's own part, the User-User element in aligned PER
(X.691), so much is read as tells which message it is and why a call was released. The numbers of messages, elements and
causes are those of Q.931 and Q.850, the order of choices is that of H.225.0 (12/2009), annex H.
"""

from collections.abc import Iterator
from enum import IntEnum
from struct import Struct

import msgspec

from probes.model import Malformed

PORT = 1720
TPKT_VERSION = 3
MESSAGE_BYTES = 16_384
"""A TPKT, whole; its 16 bits would allow more."""
ELEMENTS = 64
"""Of one message."""
CALL_REFERENCES = 1 << 15
CALL_ID_BYTES = 16

PROTOCOL_DISCRIMINATOR = 8
CAUSE, USER_USER, SHIFT = 0x08, 0x7E, 0x90
H225_CONTENTS = 5
"""The protocol discriminator of a User-User element that holds ASN.1 (H.225.0, 7.2.2)."""

_TPKT = Struct(">BBH")
_HEAD = Struct(">BBHB")
_TO_ORIGINATOR = 0x8000
"""The call reference's flag: set in what goes to the side that chose it (Q.931, 4.3)."""
_H225_VERSION_4 = bytes.fromhex("0008914a0004")
"""{itu-t(0) recommendation(0) h(8) h225-0(2250) version(0) 4}: the first that has a status inquiry."""


class H225Error(Malformed):
    """Not H.225.0 call signalling, or more of it than any system would send."""


class MessageType(IntEnum):
    """Messages of Q.931 that call signalling may carry."""

    ALERTING = 0x01
    CALL_PROCEEDING = 0x02
    PROGRESS = 0x03
    SETUP = 0x05
    CONNECT = 0x07
    SETUP_ACKNOWLEDGE = 0x0D
    CONNECT_ACKNOWLEDGE = 0x0F
    DISCONNECT = 0x45
    RELEASE = 0x4D
    RELEASE_COMPLETE = 0x5A
    FACILITY = 0x62
    NOTIFY = 0x6E
    STATUS_ENQUIRY = 0x75
    INFORMATION = 0x7B
    STATUS = 0x7D


class Body(IntEnum):
    """The choices of ``h323-message-body``; those from PROGRESS on were added later."""

    SETUP = 0
    CALL_PROCEEDING = 1
    CONNECT = 2
    ALERTING = 3
    INFORMATION = 4
    RELEASE_COMPLETE = 5
    FACILITY = 6
    PROGRESS = 7
    EMPTY = 8
    STATUS = 9
    STATUS_INQUIRY = 10
    SETUP_ACKNOWLEDGE = 11
    NOTIFY = 12


_ADDED = Body.PROGRESS

CAUSE_OF_REASON = (34, 47, 3, 16, 88, 127, 38, 42, 28, 41, 17, 31)
"""The cause that stands for each ReleaseCompleteReason of the first version, noBandwidth to undefinedReason
(H.225.0, table 5)."""


class Message(msgspec.Struct, frozen=True):
    """A message of call signalling."""

    type: int
    """A MessageType, as a rule."""
    call_reference: int
    to_originator: bool
    """Whether it goes to the side that chose the call reference."""
    cause: int | None = None
    """Why the call was released, or the state told (Q.850)."""
    body: int | None = None
    """A Body, as a rule; None where the message is of Q.931 alone."""


def encode_status_enquiry(call_reference: int, call_id: bytes) -> bytes:
    """A STATUS ENQUIRY about a call, in its TPKT (H.225.0, 7.3). Raises H225Error for numbers out of bounds."""
    if not 0 <= call_reference < CALL_REFERENCES or len(call_id) != CALL_ID_BYTES:
        raise H225Error("expected a call reference of 15 bits and a call identifier of 16 bytes")
    # SEQUENCE without options; then the call identifier's, likewise.
    inquiry = b"\x00" + _counted(_H225_VERSION_4) + b"\x00" + call_id
    # The choice is an added one: its bit, a bit 0, six bits of index, padding, and the value as an open type.
    index = Body.STATUS_INQUIRY - _ADDED
    user_user = bytes((H225_CONTENTS, 0x08 | index >> 4, index << 4 & 0xFF)) + _counted(inquiry)
    element = bytes((USER_USER, 0, len(user_user))) + user_user
    return framed(_HEAD.pack(PROTOCOL_DISCRIMINATOR, 2, call_reference, MessageType.STATUS_ENQUIRY) + element)


def _counted(data: bytes) -> bytes:
    return bytes((len(data),)) + data


def framed(message: bytes) -> bytes:
    """In a TPKT."""
    return _TPKT.pack(TPKT_VERSION, 0, _TPKT.size + len(message)) + message


class Reader:
    """Takes a stream in pieces of any size, and gives its messages. An empty TPKT only keeps the connection alive."""

    def __init__(self) -> None:
        self._unread = bytearray()

    @property
    def idle(self) -> bool:
        """Whether the stream stands between two messages."""
        return not self._unread

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are whole. Raises H225Error."""
        self._unread += data
        return [decode(message) for message in self._messages() if message]

    def _messages(self) -> Iterator[bytes]:
        start, length = 0, self._length(0)
        while length and start + length <= len(self._unread):
            yield bytes(self._unread[start + _TPKT.size : start + length])
            start += length
            length = self._length(start)
        del self._unread[:start]

    def _length(self, start: int) -> int:
        """Of the TPKT that begins there; 0 as long as it does not tell."""
        begun = self._unread[start : start + _TPKT.size]
        # Its second byte is reserved and of any value.
        if begun and begun[0] != TPKT_VERSION:
            raise H225Error(f"no TPKT: {bytes(begun)!r}")
        if len(begun) < _TPKT.size:
            return 0
        length: int = _TPKT.unpack(begun)[2]
        if not _TPKT.size <= length <= MESSAGE_BYTES:
            raise H225Error(f"a TPKT of {length} bytes, expected {_TPKT.size} to {MESSAGE_BYTES}")
        return length


def decode(message: bytes) -> Message:
    """A Q.931 message without its TPKT. Raises H225Error."""
    if len(message) < _HEAD.size:
        raise H225Error(f"a message of {len(message)} bytes")
    discriminator, reference_bytes, reference, kind = _HEAD.unpack_from(message)
    if (discriminator, reference_bytes, kind & 0x80) != (PROTOCOL_DISCRIMINATOR, 2, 0):
        raise H225Error(f"no Q.931 of H.225.0: {message[: _HEAD.size]!r}")
    elements = dict(_elements(message))
    body, reason = _user_user(elements.get(USER_USER, b""))
    cause = _cause(elements[CAUSE]) if CAUSE in elements else reason
    to_originator = bool(reference & _TO_ORIGINATOR)
    return Message(kind, reference & ~_TO_ORIGINATOR, to_originator, cause, body)


def _elements(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Identifiers and contents of the information elements of codeset 0 (Q.931, 4.5.1 to 4.5.4)."""
    at, count, locked, codeset = _HEAD.size, 0, 0, 0
    while at < len(message):
        identifier, count = message[at], count + 1
        if count > ELEMENTS:
            raise H225Error(f"more than {ELEMENTS} information elements")
        if identifier & 0x80:  # of one octet
            at += 1
            shifts = identifier & 0xF0 == SHIFT
            codeset = identifier & 0x07 if shifts else locked
            locked = codeset if shifts and not identifier & 0x08 else locked
            continue
        # User-User alone is longer than its one octet of length could tell (H.225.0, 7.2.2).
        width = 2 if identifier == USER_USER and not codeset else 1
        begin = at + 1 + width
        at = begin + int.from_bytes(message[at + 1 : begin])
        if begin > len(message) or at > len(message):
            raise H225Error(f"information element {identifier} is longer than its message")
        if not codeset:
            yield identifier, message[begin:at]
        codeset = locked


def _cause(contents: bytes) -> int:
    """Q.850's number behind one or two octets of where it comes from; each octet but a group's last has its bit 8 0."""
    at = 0 if contents and contents[0] & 0x80 else 1
    if len(contents) < at + 2:
        raise H225Error("a cause without its value")
    return contents[at + 1] & 0x7F


def _user_user(contents: bytes) -> tuple[int | None, int | None]:
    """Index of the message body, and the cause that its reason stands for."""
    if not contents or contents[0] != H225_CONTENTS:
        return None, None
    if len(contents) < 3:
        raise H225Error("a User-User element without a message")
    # Bits: H323-UserInformation is extended, has user-data; H323-UU-PDU is extended, has nonStandardData; choice.
    preamble, following = contents[1], contents[2]
    if preamble & 0x08:
        small = (preamble & 0x07) << 4 | following >> 4
        if small & 0x40:
            raise H225Error("an h323-message-body that no version has")
        return _ADDED + small, None
    body = preamble & 0x07
    if body >= _ADDED:
        raise H225Error("an h323-message-body that no version has")
    return body, _reason(contents[2:]) if body == Body.RELEASE_COMPLETE else None


def _reason(contents: bytes) -> int | None:
    """The cause of a ReleaseComplete-UUIE: its options, a counted object identifier, then the choice."""
    if not contents[0] & 0x40 or len(contents) < 2:
        return None
    at = 2 + contents[1]
    if contents[1] & 0x80 or at >= len(contents):
        raise H225Error("a release that breaks off")
    choice = contents[at]
    index = choice >> 3 & 0x0F
    return CAUSE_OF_REASON[index] if choice < 0x80 and index < len(CAUSE_OF_REASON) else None
