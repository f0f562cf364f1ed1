"""Writes and reads STUN messages (RFC 8489), with the attributes that TURN adds to them (RFC 8656).

Sans-IO: bytes in, messages out; transaction ids are handed in. Whatever is no message raises :class:`StunError`. An
attribute that is not known here is kept and ignored, also one that must be understood (0x0000-0x7FFF): servers of
RFC 3489 send such ones, and the question is whether they answer.
"""

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from ipaddress import ip_address
from struct import Struct
from unicodedata import category, normalize
from zlib import crc32

import msgspec

from probes.model import Malformed

PORTS = {"udp": 3478, "tcp": 3478, "tls": 5349}
"""Where a server listens, by transport (RFC 8489, 18.6)."""
MAGIC_COOKIE = 0x2112A442
HEADER_BYTES = 20
TRANSACTION_BYTES = 12
MAX_BODY_BYTES = 4096
"""More than any answer to a request has; a length in a header beyond it is no message."""
REASON_CHARS = 128
"""A reason phrase has fewer than this (RFC 8489, 14.8)."""
UDP = b"\x11\0\0\0"
"""REQUESTED-TRANSPORT of a relay for UDP: the protocol's number in IP, and three bytes of nothing."""

_HEADER = Struct(">HHI12s")
_ATTRIBUTE = Struct(">HH")
_COOKIE = MAGIC_COOKIE.to_bytes(4, "big")
_FINGERPRINT_MASK = 0x5354554E
_ADDRESS_BYTES = {1: 4, 2: 16}
"""By the number of the address family."""


class StunError(Malformed):
    """These bytes are no message of STUN, or the message is not what it must be."""


class Method(IntEnum):
    """What is asked for."""

    BINDING = 0x001
    ALLOCATE = 0x003
    REFRESH = 0x004


class Class(IntEnum):
    """Who speaks, and with what outcome."""

    REQUEST = 0
    INDICATION = 1
    SUCCESS = 2
    ERROR = 3


class Attribute(IntEnum):
    """Those that are read or written here (RFC 8489, 18.3; RFC 8656, 18)."""

    MAPPED_ADDRESS = 0x0001
    USERNAME = 0x0006
    MESSAGE_INTEGRITY = 0x0008
    ERROR_CODE = 0x0009
    LIFETIME = 0x000D
    REALM = 0x0014
    NONCE = 0x0015
    XOR_RELAYED_ADDRESS = 0x0016
    REQUESTED_TRANSPORT = 0x0019
    MESSAGE_INTEGRITY_SHA256 = 0x001C
    XOR_MAPPED_ADDRESS = 0x0020
    SOFTWARE = 0x8022
    ALTERNATE_SERVER = 0x8023
    FINGERPRINT = 0x8028


PLAIN_ADDRESSES = frozenset({Attribute.MAPPED_ADDRESS, Attribute.ALTERNATE_SERVER})
"""Addresses that are not combined with cookie and transaction."""
INTEGRITIES = {Attribute.MESSAGE_INTEGRITY_SHA256: ("sha256", 16, 32), Attribute.MESSAGE_INTEGRITY: ("sha1", 20, 20)}
"""Hash, and how many bytes of it there are at least and at most; the stronger first."""
FOLLOWERS: Mapping[int, frozenset[int]] = {
    Attribute.MESSAGE_INTEGRITY: frozenset({Attribute.MESSAGE_INTEGRITY_SHA256, Attribute.FINGERPRINT}),
    Attribute.MESSAGE_INTEGRITY_SHA256: frozenset({Attribute.FINGERPRINT}),
    Attribute.FINGERPRINT: frozenset(),
}
"""All that counts after one of these: they cover what stands before them (RFC 8489, 14.5 to 14.7)."""


class Message(msgspec.Struct, frozen=True):
    """A message as it came."""

    method: int
    outcome: Class
    transaction: bytes
    attributes: Mapping[int, bytes]
    """By number; of a repeated one the first (RFC 8489, 14)."""
    places: Mapping[int, int]
    """Where in ``raw`` each attribute begins."""
    raw: bytes


class Refusal(msgspec.Struct, frozen=True):
    """What ERROR-CODE says."""

    code: int
    reason: str
    """Printable, in the server's words; may be empty."""

    def __str__(self) -> str:
        return f"{self.code} {self.reason}".rstrip()


def encode(
    method: Method,
    transaction: bytes,
    attributes: Iterable[tuple[Attribute, bytes]] = (),
    *,
    key: bytes = b"",
    integrity: Attribute = Attribute.MESSAGE_INTEGRITY,
    fingerprint: bool = True,
    outcome: Class = Class.REQUEST,
) -> bytes:
    """A message; with a key, protected by it."""
    body = b"".join(_attribute(kind, value) for kind, value in attributes)
    message = _HEADER.pack(_type(method, outcome), len(body), MAGIC_COOKIE, transaction) + body
    if key:
        name, _, size = INTEGRITIES[integrity]
        message = _appended(message, integrity, hmac.digest(key, _covered(message, len(message), size), name))
    if fingerprint:
        message = _appended(message, Attribute.FINGERPRINT, _fingerprint(message, len(message)))
    return message


def address_value(kind: Attribute, host: str, port: int, transaction: bytes) -> bytes:
    """The value of an address attribute. Raises ValueError unless the host is an IP address."""
    packed = ip_address(host).packed
    family = 1 if len(packed) == 4 else 2
    value = port.to_bytes(2, "big") + packed
    return bytes((0, family)) + (value if kind in PLAIN_ADDRESSES else _masked(value, transaction))


def long_term_key(username: str, realm: str, password: str, algorithm: str = "md5") -> bytes:
    """The key of long-term credentials (RFC 8489, 9.2.2); the algorithm is md5 or sha256."""
    text = ":".join((username, opaque(realm), opaque(password))).encode()
    return hashlib.new(algorithm, text, usedforsecurity=False).digest()


def opaque(text: str) -> str:
    """The OpaqueString profile (RFC 8265, 4.2.2): every blank is a space, and composed characters."""
    return normalize("NFC", "".join(" " if category(character) == "Zs" else character for character in text))


def body_bytes(header: bytes) -> int:
    """How much follows these 20 bytes; in a stream that is all that marks a message off. Raises StunError."""
    if len(header) < HEADER_BYTES:
        raise StunError("too short for STUN")
    type_, length, cookie, _ = _HEADER.unpack_from(header)
    if type_ & 0xC000 or cookie != MAGIC_COOKIE or length % 4:
        raise StunError("no header of STUN")
    if length > MAX_BODY_BYTES:
        raise StunError(f"a message of {length} bytes")
    return int(length)


def decode(data: bytes) -> Message:
    """Read one whole message; a fingerprint, where there is one, must be right. Raises StunError."""
    if len(data) != HEADER_BYTES + body_bytes(data):
        raise StunError("length is not the one in the header")
    type_, _, _, transaction = _HEADER.unpack_from(data)
    attributes: dict[int, bytes] = {}
    places: dict[int, int] = {}
    for at, kind, value in _counting(_walk(data)):
        if kind not in attributes:
            attributes[kind], places[kind] = value, at
    expected = attributes.get(Attribute.FINGERPRINT)
    if expected is not None and expected != _fingerprint(data, places[Attribute.FINGERPRINT]):
        raise StunError("wrong fingerprint")
    method = type_ & 0x000F | (type_ & 0x00E0) >> 1 | (type_ & 0x3E00) >> 2
    return Message(method, Class((type_ & 0x0010) >> 4 | (type_ & 0x0100) >> 7), transaction, attributes, places, data)


def verify(message: Message, key: bytes) -> None:
    """Raise StunError unless the message is protected by this key; of two integrities the stronger counts."""
    for kind, (name, least, most) in INTEGRITIES.items():
        if (found := message.attributes.get(kind)) is None:
            continue
        size = len(found)
        if size % 4 or not least <= size <= most:
            raise StunError(f"integrity of {size} bytes")
        expected = hmac.digest(key, _covered(message.raw, message.places[kind], size), name)
        if not hmac.compare_digest(found, expected[:size]):
            raise StunError("wrong integrity: not protected by this password")
        return
    raise StunError("not protected by any password")


def protected(message: Message) -> bool:
    """Whether the message claims to be protected by a key."""
    return any(kind in message.attributes for kind in INTEGRITIES)


def address(message: Message, *kinds: Attribute) -> tuple[str, int] | None:
    """Host and port in the first of these attributes that is there, None without. Raises StunError."""
    for kind in kinds:
        if (value := message.attributes.get(kind)) is not None:
            return _address(value, None if kind in PLAIN_ADDRESSES else message.transaction)
    return None


def refusal(message: Message) -> Refusal:
    """What an error response says. Raises StunError (RFC 8489, 14.8)."""
    value = message.attributes.get(Attribute.ERROR_CODE, b"")
    if len(value) < 4:
        raise StunError("error without a code")
    hundreds, number = value[2] & 0x07, value[3]
    if not (3 <= hundreds <= 6 and number < 100):
        raise StunError(f"error code {hundreds}/{number}")
    reason = value[4:].rstrip(b"\0 ")  # some count the padding in
    return Refusal(hundreds * 100 + number, printable(reason)[:REASON_CHARS])


def lifetime_s(message: Message) -> int | None:
    """LIFETIME in seconds, None without. Raises StunError."""
    value = message.attributes.get(Attribute.LIFETIME)
    if value is not None and len(value) != 4:
        raise StunError(f"lifetime of {len(value)} bytes")
    return None if value is None else int.from_bytes(value, "big")


def text(message: Message, kind: Attribute) -> str:
    """A text such as REALM, exactly as it came; empty without. Raises StunError unless it is UTF-8."""
    try:
        return message.attributes.get(kind, b"").decode()
    except UnicodeDecodeError as error:
        raise StunError(f"{kind.name} is no UTF-8") from error


def printable(value: bytes) -> str:
    """Text of others that may stand in a log."""
    return "".join(character if character.isprintable() else "�" for character in value.decode("utf-8", "replace"))


def _type(method: int, outcome: Class) -> int:
    """Method and class, their bits interleaved (RFC 8489, figure 3)."""
    bits = (method & 0x000F) | (method & 0x0070) << 1 | (method & 0x0F80) << 2
    return bits | (outcome & 1) << 4 | (outcome & 2) << 7


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(kind, len(value)) + value + bytes(-len(value) % 4)


def _appended(message: bytes, kind: int, value: bytes) -> bytes:
    whole = message + _attribute(kind, value)
    return whole[:2] + (len(whole) - HEADER_BYTES).to_bytes(2, "big") + whole[4:]


def _covered(data: bytes, at: int, size: int) -> bytes:
    """What an integrity or a fingerprint at this place covers: all before it, the header counting up to its end."""
    return data[:2] + (at + _ATTRIBUTE.size + size - HEADER_BYTES).to_bytes(2, "big") + data[4:at]


def _fingerprint(data: bytes, at: int) -> bytes:
    return (crc32(_covered(data, at, 4)) ^ _FINGERPRINT_MASK).to_bytes(4, "big")


def _walk(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Place, number and value of each attribute of a message whose length is the one in its header."""
    at = HEADER_BYTES
    while at < len(data):
        kind, size = _ATTRIBUTE.unpack_from(data, at)
        value = at + _ATTRIBUTE.size
        if value + size > len(data):
            raise StunError(f"attribute {kind:#06x} is cut short")
        yield at, kind, data[value : value + size]
        at = value + size + -size % 4


def _counting(attributes: Iterable[tuple[int, int, bytes]]) -> Iterator[tuple[int, int, bytes]]:
    """Without those that stand where nothing protects them."""
    allowed: frozenset[int] | None = None
    for at, kind, value in attributes:
        if allowed is None or kind in allowed:
            allowed = FOLLOWERS.get(kind, allowed)
            yield at, kind, value


def _masked(value: bytes, transaction: bytes) -> bytes:
    """Port and address combined with the cookie and the transaction (RFC 8489, 14.2); the same back again."""
    mask = _COOKIE[:2] + _COOKIE + transaction
    return bytes(a ^ b for a, b in zip(value, mask, strict=False))


def _address(value: bytes, transaction: bytes | None) -> tuple[str, int]:
    family = value[1] if len(value) > 1 else 0
    if len(value) - 4 != _ADDRESS_BYTES.get(family):
        raise StunError(f"address of family {family} in {len(value)} bytes")
    plain = value[2:] if transaction is None else _masked(value[2:], transaction)
    return str(ip_address(plain[2:])), int.from_bytes(plain[:2], "big")
