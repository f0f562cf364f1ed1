"""RTP packets, and the reception of them."""

import struct

from probes.codecs import rtp

ERROR = rtp.RtpError

SEEDS = (
    struct.pack(">BBHII", 0x80, 96, 1000, 90_000, 0x1234) + bytes(100),
    struct.pack(">BBHII", 0x80, 0x80 | 8, 65535, 2**32 - 1, 0xFFFFFFFF) + bytes(160),
    struct.pack(">BBHIIIIHH", 0xB2, 97, 5, 6, 7, 8, 9, 0xBEDE, 1) + bytes(20),
)
reception = rtp.Reception(90_000)


def feed(data: bytes) -> None:
    """As packets of one stream that goes on and on."""
    reception.take(rtp.read(data), float(len(data)))
    _ = reception.loss_ratio
