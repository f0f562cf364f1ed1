"""Answers of an agent by SNMPv3 to users of each level.

The first byte of an input says to whom. Signatures would stop nearly every spoilt message at the door, so that some
inputs are PDUs that are signed and encrypted after they were spoilt, as an agent that is hostile itself would.
"""

from probes.codecs import usm
from probes.codecs.snmp import OBJECT_ID, REPORT, RESPONSE, SnmpError, integer, oid, sequence, tlv
from probes.codecs.usm import Engine, User

ERROR = SnmpError
ENGINE = Engine(bytes.fromhex("80001f8880a1b2c3d4e5f60718"), 7, 86_400)
SALT = bytes(range(8))
WORDS = b"wrong way round"
USERS = (
    usm.NOBODY,
    User(b"md5", "md5", WORDS),
    User(b"sha256", "sha256", WORDS, "aes", WORDS),
    User(b"sha", "sha", WORDS, "des", WORDS),
)


def _pdu(tag: int, *bindings: tuple[str, bytes]) -> bytes:
    listed = sequence(*(sequence(tlv(OBJECT_ID, oid(name)), value) for name, value in bindings))
    return tlv(tag, integer(77) + integer(0) + integer(0) + listed)


STATE = _pdu(RESPONSE, ("1.3.6.1.2.1.33.1.4.1.0", integer(5)), ("1.3.6.1.2.1.33.1.2.2.0", integer(65)))
UNKNOWN_ENGINE = _pdu(REPORT, ("1.3.6.1.6.3.15.1.1.4.0", tlv(0x41, b"\x01")))
NOT_IN_TIME_WINDOW = _pdu(REPORT, ("1.3.6.1.6.3.15.1.1.2.0", tlv(0x41, b"\x02")))
SEEDS = (
    *(bytes((which,)) + usm.message(user, ENGINE, 99, SALT, STATE) for which, user in enumerate(USERS)),
    *(bytes((which,)) + usm.message(USERS[0], ENGINE, 99, SALT, UNKNOWN_ENGINE) for which in range(4)),
    b"\1" + usm.message(USERS[1], ENGINE, 99, SALT, NOT_IN_TIME_WINDOW),
    *(bytes((4 + which,)) + pdu for which in range(4) for pdu in (STATE, NOT_IN_TIME_WINDOW)),
)


def feed(data: bytes) -> None:
    """To the user whom the first byte names: a packet, or a PDU that becomes one."""
    which = data[0] % 8 if data else 0
    user, packet = USERS[which % 4], data[1:]
    if which >= 4:
        packet = usm.message(user, ENGINE, 99, SALT, packet)
    if usm.parse_3(packet, user).report == usm.NOT_IN_TIME_WINDOW:
        usm.message(user, ENGINE, 99, SALT, STATE)
