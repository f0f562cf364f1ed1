"""Packets as raw and datagram ICMP sockets deliver them: the first byte says by which of the ways."""

from collections.abc import Callable

from probes.codecs import icmp

ERROR = icmp.BadPacketError


def _checked(bare: bytes) -> bytes:
    """With its checksum in the third and fourth byte (RFC 1071)."""
    total = sum(int.from_bytes(bare[at : at + 2], "big") for at in range(0, len(bare), 2))
    total = (total & 0xFFFF) + (total >> 16)
    return bare[:2] + (0xFFFF ^ (total & 0xFFFF) + (total >> 16)).to_bytes(2, "big") + bare[4:]


ECHO = {version: icmp.Requests(version, 56).encode(0x1234, [0x0102_0304_0506_0708])[0] for version in (4, 6)}
REPLY = {4: _checked(bytes(4) + ECHO[4][4:]), 6: _checked(b"\x81\0\0\0" + ECHO[6][4:])}
HEADER_4 = b"\x45" + bytes(8) + b"\x01" + bytes(6) + b"\xc0\0\x02\x07"
HEADER_6 = b"\x60\0\0\0\0\x40\x3a\x40" + bytes(32)


def _raw_ipv4(data: bytes) -> None:
    icmp.reply_nonce_in_ipv4(data)
    icmp.parse(4, icmp.strip_ipv4(data))


def _datagram(data: bytes) -> None:
    icmp.reply_nonce(data)
    icmp.parse(4, data)


def _icmpv6(data: bytes) -> None:
    icmp.reply_nonce(data)
    icmp.parse(6, data)


def _error_queue(data: bytes) -> None:
    type_, code, router = icmp.parse_extended_error(4, data[:24])
    icmp.parse_error(4, type_, code, router, data[24:])


WAYS: tuple[Callable[[bytes], None], ...] = (_raw_ipv4, _datagram, _icmpv6, _error_queue)
QUEUED = bytes((0, 0, 0, 0, 2, 11, 0, 0)) + bytes(16)

SEEDS = (
    b"\0" + HEADER_4 + REPLY[4],
    b"\0" + HEADER_4 + _checked(b"\x0b" + bytes(7) + HEADER_4 + ECHO[4]),
    b"\0" + HEADER_4 + _checked(b"\x03\x01" + bytes(6) + HEADER_4 + ECHO[4][:8]),
    b"\1" + REPLY[4],
    b"\2" + REPLY[6],
    b"\2" + b"\x01" + bytes(7) + HEADER_6 + ECHO[6],
    b"\3" + QUEUED + ECHO[4],
)


def feed(data: bytes) -> None:
    """By the way that the first byte names."""
    WAYS[data[0] % len(WAYS) if data else 0](data[1:])
