"""Writes echo requests and reads what comes back: replies, and errors that quote what we sent.

RFC 792 (ICMP), RFC 4443 (ICMPv6), RFC 1071 (checksum). Sans-IO: a socket's bytes in, messages out. Whatever is too
short, damaged or of no interest raises :class:`BadPacketError`, and nothing else is raised for anything that a network
can deliver.

The payload begins with a 64-bit nonce, the low 32 bits of a counter beside a keyed hash of it, so that a reply can
be told to be ours without remembering what was sent, and none can be made up. The sequence number is the counter's
low 16 bits. An error of IPv4 may quote no more than the eight bytes of our ICMP header (RFC 792): identifier,
sequence and checksum then lead back to the counter, and the checksum to the nonce that it covers.
"""

from collections.abc import Iterator
from enum import IntEnum
from hashlib import blake2b
from struct import Struct
from sys import byteorder

import msgspec

from probes.model import Failure

NONCE_BYTES = 8
MAX_PAYLOAD_BYTES = 1472
"""What fits one Ethernet frame beside the IPv4 and ICMP headers."""

IPV4_HEADER_BYTES = 20
IPV6_HEADER_BYTES = 40
HEADER_BYTES = 8
PROTOCOL = {4: 1, 6: 58}
"""ICMP's number in the header of IPv4 and of IPv6."""
REQUEST = {4: 8, 6: 128}
REPLY = {4: 0, 6: 129}

_ECHO = Struct(">BBHHHQ")
_ECHO_HEADER = Struct(">BBHHH")
_IPV4_ECHO = Struct(">B8xB10xH4xHQ")
_WORD_MAX = 0xFFFF
_LOW_32 = 0xFFFF_FFFF


class BadPacketError(ValueError):
    """What was received is no answer that could concern us: truncated, damaged, or of another kind."""


class EchoReply(msgspec.Struct, frozen=True, gc=False):
    """A host answered."""

    identifier: int
    sequence: int
    nonce: int


class ErrorReport(msgspec.Struct, frozen=True, gc=False):
    """A router, or the host itself, says why an echo request of ours did not get there.

    ``identifier``, ``sequence``, ``checksum`` and ``destination`` (packed address; empty where the quote has no IP
    header) are those of the quoted request; ``nonce`` is None where the quote ends before it. ``ttl`` is what was left
    of its time to live when it arrived there; None where the quote has no IP header.
    """

    type: int
    code: int
    failure: Failure
    destination: bytes
    identifier: int
    sequence: int
    checksum: int
    nonce: int | None
    ttl: int | None = None


class Nonces:
    """Issues nonces that nobody can guess, and knows its own again. ``secret`` is at most 64 random bytes."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self.issued = 0

    def issue(self, count: int) -> list[int]:
        """The next ``count`` nonces."""
        counters = range(self.issued, self.issued + count)
        self.issued += count
        tags: list[int] = []
        for block in range(counters.start >> 4, (counters.stop + 15) >> 4):
            tags += self._tags(block)
        return [(c & _LOW_32) << 32 | tag for c, tag in zip(counters, tags[counters.start & 15 :], strict=False)]

    def is_ours(self, nonce: int) -> bool:
        """Whether this nonce was issued here, within the last 2³² of them."""
        counter = self._latest(nonce >> 32, 1 << 32)
        return counter >= 0 and self._at(counter) == nonce

    def with_sequence(self, sequence: int, in_flight: int) -> Iterator[int]:
        """The nonces among the ``in_flight`` issued last that were sent with this sequence number, newest first."""
        oldest = max(0, self.issued - in_flight)
        for counter in range(self._latest(sequence, 1 << 16), oldest - 1, -(1 << 16)):
            yield self._at(counter)

    def _latest(self, low: int, modulus: int) -> int:
        """The last counter issued that is ``low`` modulo ``modulus``; negative when there was none."""
        last = self.issued - 1
        return last - (last - low) % modulus

    def _at(self, counter: int) -> int:
        return (counter & _LOW_32) << 32 | self._tags(counter >> 4)[counter & 15]

    def _tags(self, block: int) -> tuple[int, ...]:
        """Sixteen tags at once: a hash makes 64 bytes and a tag needs four."""
        return _TAGS.unpack(blake2b(block.to_bytes(8, "big"), key=self._secret).digest())


_TAGS = Struct(">16I")


def sequence_of(nonce: int) -> int:
    """The sequence number that goes with a nonce."""
    return nonce >> 32 & _WORD_MAX


def padding(payload_bytes: int) -> bytes:
    """What follows the nonce: 0x10, 0x11 … as ping has it, so that a damaged byte shows in a trace."""
    return bytes((0x10 + i) & 0xFF for i in range(max(0, min(payload_bytes, MAX_PAYLOAD_BYTES) - NONCE_BYTES)))


def word_sum(data: bytes) -> int:
    """The ones' complement sum of 16-bit words, RFC 1071: 2¹⁶ leaves 1 modulo 2¹⁶−1, so one division does it."""
    return int.from_bytes(data + b"\0" if len(data) & 1 else data, "big") % _WORD_MAX


class Requests:
    """Writes the echo requests of one IP version with one payload size."""

    def __init__(self, version: int, payload_bytes: int) -> None:
        self._type = REQUEST[version]
        self._padding = padding(payload_bytes)
        self._pack = Struct(f">BBHHHQ{len(self._padding)}s").pack
        self._base = (self._type << 8) + word_sum(self._padding)

    def checksum(self, identifier: int, nonce: int) -> int:
        """Of the request with this nonce. ICMPv6 covers a pseudo-header too; there the kernel writes it."""
        return _WORD_MAX ^ (self._base + identifier + (nonce >> 32 & _WORD_MAX) + nonce) % _WORD_MAX

    def encode(self, identifier: int, nonces: list[int]) -> list[bytes]:
        """A request for each nonce, from its ICMP header on."""
        type_, padded, base, pack = self._type, self._padding, self._base + identifier, self._pack
        return [
            pack(
                type_,
                0,
                _WORD_MAX ^ (base + (nonce >> 32 & _WORD_MAX) + nonce) % _WORD_MAX,
                identifier,
                nonce >> 32 & _WORD_MAX,
                nonce,
                padded,
            )
            for nonce in nonces
        ]


def reply_nonce(message: bytes) -> int:
    """The nonce of an intact echo reply of ICMPv6, or of ICMP from a datagram socket; -1 for anything else.

    The quick way for what comes most; :func:`parse` says what the rest is. The kernel has verified the checksum.
    """
    if len(message) < _ECHO.size:
        return -1
    type_, code, _, _, sequence, nonce = _ECHO.unpack_from(message)
    good = (type_ == REPLY[6] or type_ == REPLY[4]) and not code and sequence == nonce >> 32 & _WORD_MAX
    return nonce if good else -1


def reply_nonce_in_ipv4(packet: bytes) -> int:
    """The same of an IPv4 packet without options, as a raw socket delivers it; the checksum is verified here."""
    if len(packet) < _IPV4_ECHO.size:
        return -1
    version, protocol, type_code, sequence, nonce = _IPV4_ECHO.unpack_from(packet)
    good = version == 0x45 and protocol == 1 and not type_code and sequence == nonce >> 32 & _WORD_MAX
    return nonce if good and not word_sum(packet[IPV4_HEADER_BYTES:]) else -1


def strip_ipv4(packet: bytes) -> bytes:
    """The ICMP message within an IPv4 packet as a raw socket delivers it. Raises BadPacketError."""
    if len(packet) < IPV4_HEADER_BYTES or packet[0] >> 4 != 4 or packet[9] != PROTOCOL[4]:
        raise BadPacketError("no IPv4 header")
    header = (packet[0] & 0xF) * 4
    if header < IPV4_HEADER_BYTES:
        raise BadPacketError("IPv4 header too short")
    return packet[header:]


def parse(version: int, message: bytes) -> EchoReply | ErrorReport:
    """Read an ICMP message from its header on. Raises BadPacketError.

    The checksum of IPv4 is verified, for a raw socket gets its copy before the kernel does so; that of ICMPv6 the
    kernel has verified.
    """
    if len(message) < HEADER_BYTES:
        raise BadPacketError("truncated header")
    if version == 4 and word_sum(message):
        raise BadPacketError("wrong checksum")
    if message[0] == REPLY[version]:
        return _parse_reply(message)
    return parse_quote(version, message[0], message[1], message[HEADER_BYTES:])


def _parse_reply(message: bytes) -> EchoReply:
    if len(message) < _ECHO.size:
        raise BadPacketError("too short for a nonce")
    _, code, _, identifier, sequence, nonce = _ECHO.unpack_from(message)
    if code:
        raise BadPacketError("echo reply with a code")
    return EchoReply(identifier, sequence, nonce)


def parse_quote(version: int, type_: int, code: int, quote: bytes) -> ErrorReport:
    """Read the packet of ours that an error quotes, from its IP header on. Raises BadPacketError."""
    destination, request = _QUOTED[version](quote)
    return parse_error(version, type_, code, destination, request, quote[_TTL_AT[version]])


def parse_error(
    version: int, type_: int, code: int, destination: bytes, request: bytes, ttl: int | None = None
) -> ErrorReport:
    """Read the ICMP request that an error quotes, as a socket's error queue has it. Raises BadPacketError."""
    failure = FAILURES.get((version, type_))
    if failure is None:
        raise BadPacketError(f"ICMP type {type_} is of no interest")
    if len(request) < _ECHO_HEADER.size:
        raise BadPacketError("truncated quote")
    quoted_type, quoted_code, checksum, identifier, sequence = _ECHO_HEADER.unpack_from(request)
    if (quoted_type, quoted_code) != (REQUEST[version], 0):
        raise BadPacketError("quotes no echo request")
    nonce = int.from_bytes(request[HEADER_BYTES : _ECHO.size], "big") if len(request) >= _ECHO.size else None
    return ErrorReport(type_, code, failure, destination, identifier, sequence, checksum, nonce, ttl)


def _quoted_ipv4(quote: bytes) -> tuple[bytes, bytes]:
    request = strip_ipv4(quote)
    if int.from_bytes(quote[6:8], "big") & 0x1FFF:
        raise BadPacketError("quotes a later fragment")
    return quote[16:20], request


def _quoted_ipv6(quote: bytes) -> tuple[bytes, bytes]:
    if len(quote) < IPV6_HEADER_BYTES or quote[0] >> 4 != 6 or quote[6] != PROTOCOL[6]:
        raise BadPacketError("quotes no IPv6 header")
    return quote[24:40], quote[IPV6_HEADER_BYTES:]


def parse_extended_error(version: int, error: bytes) -> tuple[int, int, bytes]:
    """Type, code and packed address of the router in a ``struct sock_extended_err``. Raises BadPacketError.

    That is how the error queue of a datagram socket tells of an ICMP error (IP_RECVERR, ip(7)).
    """
    at = _ERROR.size + _OFFENDER_AT[version]
    if len(error) < at + _ADDRESS_BYTES[version]:
        raise BadPacketError("truncated error")
    _, origin, type_, code, _, _, _ = _ERROR.unpack_from(error)
    if origin != _ORIGIN[version]:
        raise BadPacketError("no ICMP error")
    return type_, code, error[at : at + _ADDRESS_BYTES[version]]


_ERROR = Struct("=IBBBBII")
_ORIGIN = {4: 2, 6: 3}
_OFFENDER_AT = {4: 4, 6: 8}  # within struct sockaddr_in and sockaddr_in6
_ADDRESS_BYTES = {4: 4, 6: 16}
_QUOTED = {4: _quoted_ipv4, 6: _quoted_ipv6}
_TTL_AT = {4: 8, 6: 7}  # within the IP header; hop limit of IPv6

FAILURES = {
    (4, 3): Failure.UNREACHABLE,  # every code: network, host, prohibited, fragmentation needed …
    (4, 11): Failure.TTL_EXCEEDED,
    (6, 1): Failure.UNREACHABLE,  # every code: no route, prohibited, address, beyond scope …
    (6, 2): Failure.UNREACHABLE,  # packet too big
    (6, 3): Failure.TTL_EXCEEDED,
}
"""What an error means to a probe, by IP version and ICMP type."""


class _Op(IntEnum):
    """Instructions of the classic BPF machine, ``linux/bpf_common.h``; X holds where the ICMP header begins."""

    X_IPV4_HEADER = 0xB1
    X_CONSTANT = 0x01
    LOAD_BYTE = 0x50
    LOAD_HALF = 0x48
    JUMP = 0x05
    JUMP_EQUAL = 0x15
    RETURN = 0x06


_INSTRUCTION = Struct("=HBBI")
_INNER_HEADER = {4: IPV4_HEADER_BYTES, 6: IPV6_HEADER_BYTES}
_INNER_PROTOCOL_AT = {4: 9, 6: 6}


def kernel_filter(version: int, identifiers: tuple[int, int]) -> bytes:
    """A classic BPF program for a raw socket that passes only what carries one of two identifiers of ours.

    That is echo replies, and errors that quote an echo request; so other pingers' traffic wakes nobody. What is cut
    off before its identifier cannot be told to be ours, and does not pass.
    """
    inner = HEADER_BYTES + _INNER_HEADER[version]
    start = (_Op.X_IPV4_HEADER, 0, 0, 0) if version == 4 else (_Op.X_CONSTANT, 0, 0, 0)
    program = (
        start,
        (_Op.LOAD_BYTE, 0, 0, 0),
        (_Op.JUMP_EQUAL, 0, 2, REPLY[version]),
        (_Op.LOAD_HALF, 0, 0, 4),  # a reply's identifier
        (_Op.JUMP, 0, 0, 5),
        (_Op.LOAD_BYTE, 0, 0, HEADER_BYTES + _INNER_PROTOCOL_AT[version]),
        (_Op.JUMP_EQUAL, 0, 5, PROTOCOL[version]),
        (_Op.LOAD_BYTE, 0, 0, inner),
        (_Op.JUMP_EQUAL, 0, 3, REQUEST[version]),
        (_Op.LOAD_HALF, 0, 0, inner + 4),  # the quoted request's identifier
        (_Op.JUMP_EQUAL, 2, 0, identifiers[0]),
        (_Op.JUMP_EQUAL, 1, 0, identifiers[1]),
        (_Op.RETURN, 0, 0, 0),
        (_Op.RETURN, 0, 0, 0x4_0000),
    )
    return b"".join(_INSTRUCTION.pack(*instruction) for instruction in program)


def kernel_types(version: int) -> bytes:
    """The types that a raw socket blocks: ``struct icmp_filter`` (one word) or ``struct icmp6_filter`` (eight)."""
    wanted = {REPLY[version], *(type_ for of, type_ in FAILURES if of == version)}
    words = range(1 if version == 4 else 8)
    return b"".join(_blocked(wanted, word * 32).to_bytes(4, byteorder) for word in words)


def _blocked(wanted: set[int], first: int) -> int:
    return sum(1 << bit for bit in range(32) if first + bit not in wanted)
