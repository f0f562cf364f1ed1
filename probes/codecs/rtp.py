"""Counts what arrives of a stream of RTP packets: loss, jitter, bytes (RFC 3550). Pure: arrival times are arguments."""

from struct import Struct

import msgspec

from probes.model import Malformed

HEADER_BYTES = 12
_HEADER = Struct(">BBHII")
_SEQUENCES = 1 << 16
_TIMESTAMPS = 1 << 32
MAX_DROPOUT = 3_000
"""A greater step of sequence numbers is a stream that starts anew (RFC 3550, appendix A.1)."""
MAX_MISORDER = 100


class RtpError(Malformed):
    """This is no RTP packet."""


class Packet(msgspec.Struct, frozen=True, gc=False):
    """What counts of a packet."""

    payload_type: int
    sequence: int
    timestamp: int
    source: int
    size: int
    """Of the whole packet, in bytes."""


def read(data: bytes) -> Packet:
    """The header of a packet (section 5.1). Raises RtpError."""
    if len(data) < HEADER_BYTES:
        raise RtpError(f"an RTP packet of {len(data)} bytes")
    flags, kind, sequence, timestamp, source = _HEADER.unpack_from(data)
    if flags >> 6 != 2:
        raise RtpError(f"version {flags >> 6} instead of 2 of RTP")
    if len(data) < HEADER_BYTES + 4 * (flags & 0x0F):
        raise RtpError("an RTP packet that is shorter than its own header")
    return Packet(kind & 0x7F, sequence, timestamp, source, len(data))


class Reception(msgspec.Struct):
    """What has come of one source."""

    clock_hz: int
    packets: int = 0
    bytes: int = 0
    jitter_s: float = 0.0
    """Interarrival jitter, smoothed (section 6.4.1)."""
    source: int | None = None
    _first: int = 0
    """Extended sequence numbers: cycles × 2^16 beyond the 16 bits of the packet."""
    _highest: int = 0
    _expected_before: int = 0
    _transit_s: float | None = None
    _last_timestamp: int = 0
    _elapsed: int = 0
    """Timestamps passed since the first, not wrapped."""

    def take(self, packet: Packet, at: float) -> None:
        """A packet arrived at ``at``, seconds of any clock that does not jump."""
        if self.source != packet.source or not self._advance(packet.sequence):
            self._begin(packet)
        self.packets += 1
        self.bytes += packet.size
        self._time(packet.timestamp, at)

    @property
    def expected(self) -> int:
        """Packets that were sent, by their numbers, from the first to the latest that came."""
        current = self._highest - self._first + 1 if self.source is not None else 0
        return self._expected_before + current

    @property
    def loss_ratio(self) -> float:
        """Share of the expected packets that did not come; duplicates do not make it negative."""
        return max(0.0, 1 - self.packets / self.expected) if self.expected else 0.0

    def _begin(self, packet: Packet) -> None:
        self._expected_before = self.expected
        self.source = packet.source
        self._first = self._highest = packet.sequence
        self._transit_s, self._last_timestamp, self._elapsed = None, packet.timestamp, 0

    def _advance(self, sequence: int) -> bool:
        """Follow the sequence; false where it jumped too far to be the same stream."""
        step = (sequence - self._highest) % _SEQUENCES
        if step < MAX_DROPOUT:
            self._highest += step
            return True
        return step >= _SEQUENCES - MAX_MISORDER

    def _time(self, timestamp: int, at: float) -> None:
        step = (timestamp - self._last_timestamp) % _TIMESTAMPS
        self._elapsed += step - _TIMESTAMPS if step > _TIMESTAMPS // 2 else step
        self._last_timestamp = timestamp
        transit_s = at - self._elapsed / self.clock_hz
        if self._transit_s is not None:
            self.jitter_s += (abs(transit_s - self._transit_s) - self.jitter_s) / 16
        self._transit_s = transit_s
