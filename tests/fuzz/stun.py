"""STUN and TURN messages as a server answers: over UDP, and in a stream where the header says how much follows."""

from probes.codecs import stun
from probes.codecs.stun import Attribute, Class, Method

ERROR = stun.StunError
ID = bytes(range(12))
KEY = stun.long_term_key("cau", "test", "mật khẩu")
TEXTS = (Attribute.REALM, Attribute.SOFTWARE, Attribute.USERNAME)


def _address(kind: Attribute, host: str) -> tuple[Attribute, bytes]:
    return kind, stun.address_value(kind, host, 49152, ID)


LIFETIME = (Attribute.LIFETIME, (600).to_bytes(4, "big"))
REALM, NONCE = (Attribute.REALM, "điểm.test".encode()), (Attribute.NONCE, b"obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA")
SOFTWARE = (Attribute.SOFTWARE, b"Coturn-4.6.1 'Gorst'")
UNAUTHORIZED = (Attribute.ERROR_CODE, b"\0\0\x04\x01Unauthorized")
RELAYED = (_address(Attribute.XOR_RELAYED_ADDRESS, "192.0.2.9"), _address(Attribute.XOR_MAPPED_ADDRESS, "2001:db8::1"))

SEEDS = (
    stun.encode(
        Method.BINDING, ID, [_address(Attribute.XOR_MAPPED_ADDRESS, "192.0.2.1"), SOFTWARE], outcome=Class.SUCCESS
    ),
    stun.encode(
        Method.BINDING, ID, [_address(Attribute.MAPPED_ADDRESS, "192.0.2.1")], outcome=Class.SUCCESS, fingerprint=False
    ),
    stun.encode(Method.ALLOCATE, ID, [UNAUTHORIZED, NONCE, REALM, SOFTWARE], outcome=Class.ERROR),
    stun.encode(Method.ALLOCATE, ID, [*RELAYED, LIFETIME], outcome=Class.SUCCESS, key=KEY, fingerprint=False),
    stun.encode(
        Method.REFRESH, ID, [LIFETIME], outcome=Class.SUCCESS, key=KEY, integrity=Attribute.MESSAGE_INTEGRITY_SHA256
    ),
    stun.encode(
        Method.ALLOCATE,
        ID,
        [(Attribute.ERROR_CODE, b"\0\0\x03\0Try"), _address(Attribute.ALTERNATE_SERVER, "192.0.2.5")],
        outcome=Class.ERROR,
        fingerprint=False,
    ),
)


def feed(data: bytes) -> None:
    """As a packet, and as a stream of which the header comes first."""
    whole = stun.HEADER_BYTES + stun.body_bytes(data[: stun.HEADER_BYTES])
    message = stun.decode(data[:whole])
    stun.address(message, Attribute.XOR_MAPPED_ADDRESS, Attribute.MAPPED_ADDRESS)
    stun.address(message, Attribute.XOR_RELAYED_ADDRESS)
    stun.address(message, Attribute.ALTERNATE_SERVER)
    stun.lifetime_s(message)
    for kind in TEXTS:
        stun.long_term_key("cau", stun.text(message, kind), "mật khẩu")
    if message.outcome is Class.ERROR:
        str(stun.refusal(message))
    if stun.protected(message):
        stun.verify(message, KEY)
