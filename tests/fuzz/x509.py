"""The end of a certificate's validity, of certificates as anybody may present them."""

from probes.codecs.x509 import not_after

ERROR = ValueError


def _field(tag: int, content: bytes) -> bytes:
    size = len(content)
    return bytes((tag, size) if size < 0x80 else (tag, 0x82, size >> 8, size & 0xFF)) + content


def _certificate(tag: int, until: bytes, version: bytes, issuer: bytes) -> bytes:
    validity = _field(0x30, _field(0x17, b"200101000000Z") + _field(tag, until))
    algorithm = _field(0x30, _field(0x06, bytes.fromhex("2a864886f70d01010b")) + b"\x05\x00")
    signed = version + b"\x02\x01\x07" + algorithm + _field(0x30, issuer) + validity + _field(0x30, b"")
    return _field(0x30, _field(0x30, signed) + algorithm + _field(0x03, bytes(65)))


VERSION_3 = b"\xa0\x03\x02\x01\x02"
SEEDS = (
    _certificate(0x17, b"250508080000Z", VERSION_3, b""),
    _certificate(0x17, b"991231235959Z", b"", b"\x31\x00" * 40),
    _certificate(0x18, b"99991231235959Z", VERSION_3, b"\x31\x00" * 100),
)


def feed(data: bytes) -> None:
    """As the leaf of a handshake."""
    not_after(data)
