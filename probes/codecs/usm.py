"""SNMPv3 with the User-based Security Model: messages that are signed, and private if wanted.

RFC 3412 (messages), RFC 3414 (USM; HMAC-MD5-96, HMAC-SHA-96, CBC-DES), RFC 3826 (AES-128) and RFC 7860 (SHA-2).
An agent's engine has an identifier and a clock (boots, and seconds since the last); both stand in each message of
its user. So the first packet is a :func:`discovery`, whose report tells them. Pure: identifiers and salts are
arguments, to be chosen at random.
"""

import hmac
from functools import lru_cache
from hashlib import new as new_hash
from typing import Literal

import msgspec
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from probes.codecs.snmp import (
    INTEGER,
    OCTETS,
    REPORT,
    SEQUENCE,
    Field,
    Oid,
    Pdu,
    SnmpError,
    content,
    fields,
    get,
    inside,
    integer,
    oid,
    outline,
    read_integer,
    read_pdu,
    sequence,
    tlv,
)

Authentication = Literal["", "md5", "sha", "sha224", "sha256", "sha384", "sha512"]
Privacy = Literal["", "des", "aes"]

VERSION_3 = 3
SECURITY_MODEL = 3
MESSAGE_BYTES = 65_507
"""What we can receive: the most that a UDP packet carries over IPv4."""
AUTHENTICATED, PRIVATE, REPORTABLE = 1, 2, 4
ENGINE_ID_BYTES = 32
MOST = 2**31 - 1
"""Of boots, time and message identifiers."""

HASHES = {"md5": "md5", "sha": "sha1", "sha224": "sha224", "sha256": "sha256", "sha384": "sha384", "sha512": "sha512"}
MAC_BYTES = {"md5": 12, "sha": 12, "sha224": 16, "sha256": 24, "sha384": 32, "sha512": 48}
PASSWORD_STRETCH = 1 << 20
"""A password is repeated to this length and hashed (RFC 3414, A.2)."""
SALT_BYTES = 8
KEY_BYTES = 16
"""Of a localized key, both ciphers use so much: AES all of it, DES half as key and half to make its vector."""
DES_BLOCK = 8

_STATISTICS = "1.3.6.1.6.3.15.1.1"
REPORTS: dict[Oid, str] = {
    oid(f"{_STATISTICS}.1.0"): "unsupported security level",
    oid(f"{_STATISTICS}.2.0"): "not in time window",
    oid(f"{_STATISTICS}.3.0"): "unknown user name",
    oid(f"{_STATISTICS}.4.0"): "unknown engine ID",
    oid(f"{_STATISTICS}.5.0"): "wrong digest",
    oid(f"{_STATISTICS}.6.0"): "decryption error",
}
"""Why an agent does not answer (RFC 3414, 5), by the counter that its report names."""
NOT_IN_TIME_WINDOW = "not in time window"
UNKNOWN_ENGINE_ID = "unknown engine ID"


class User(msgspec.Struct, frozen=True):
    """Whom an agent knows; private only where authenticated."""

    name: bytes = b""
    authentication: Authentication = ""
    authentication_password: bytes = b""
    privacy: Privacy = ""
    privacy_password: bytes = b""
    context: bytes = b""
    """Which of the agent's devices to ask; empty for its own (RFC 3411, 3.3.1)."""

    @property
    def flags(self) -> int:
        """The security level as msgFlags has it."""
        return AUTHENTICATED * bool(self.authentication) | PRIVATE * bool(self.privacy)


NOBODY = User()


class Engine(msgspec.Struct, frozen=True):
    """The agent's engine: its identifier and its clock."""

    id: bytes = b""
    boots: int = 0
    time: int = 0
    """Seconds since the last boot."""


UNKNOWN = Engine()
"""Before it is discovered."""


class Answer(msgspec.Struct, frozen=True):
    """A message of SNMPv3 whose signature, if the user has one, is verified."""

    message_id: int
    engine: Engine
    authenticated: bool
    pdu: Pdu

    @property
    def report(self) -> str:
        """Why the agent did not answer, a word of REPORTS; empty for a response."""
        if self.pdu.tag != REPORT:
            return ""
        return next((REPORTS[name] for name in self.pdu.values if name in REPORTS), "report of another kind")


@lru_cache(maxsize=64)
def stretch(authentication: Authentication, password: bytes) -> bytes:
    """The user's key from a password that is not empty (RFC 3414, A.2). Kept, for it takes a millisecond."""
    repeated = password * (PASSWORD_STRETCH // len(password) + 1)
    return new_hash(HASHES[authentication], repeated[:PASSWORD_STRETCH]).digest()


def localize(authentication: Authentication, password: bytes, engine_id: bytes) -> bytes:
    """The user's key at one engine (RFC 3414, 2.6)."""
    key = stretch(authentication, password)
    return new_hash(HASHES[authentication], key + engine_id + key).digest()


def discovery(message_id: int) -> bytes:
    """A packet that every engine answers with a report: who it is, and its clock (RFC 3414, 4)."""
    return message(NOBODY, UNKNOWN, message_id, bytes(SALT_BYTES), get(message_id, ()))


def message(user: User, engine: Engine, message_id: int, salt: bytes, pdu: bytes) -> bytes:
    """The packet of a user to an engine that carries a PDU; ``salt``, 8 bytes, never the same twice."""
    scoped = sequence(tlv(OCTETS, engine.id), tlv(OCTETS, user.context), pdu)
    if user.privacy:
        scoped = tlv(OCTETS, _encrypt(user, engine, salt, scoped))
    else:
        salt = b""
    mac_bytes = MAC_BYTES.get(user.authentication, 0)
    security = sequence(
        tlv(OCTETS, engine.id),
        integer(engine.boots),
        integer(engine.time),
        tlv(OCTETS, user.name),
        tlv(OCTETS, bytes(mac_bytes)),
        tlv(OCTETS, salt),
    )
    header = sequence(
        integer(message_id),
        integer(MESSAGE_BYTES),
        tlv(OCTETS, bytes((user.flags | REPORTABLE,))),
        integer(SECURITY_MODEL),
    )
    packet = sequence(integer(VERSION_3), header, tlv(OCTETS, security), scoped)
    if not mac_bytes:
        return packet
    end = len(packet) - len(scoped) - len(tlv(OCTETS, salt))
    return packet[: end - mac_bytes] + _mac(user, engine.id, packet) + packet[end:]


def _mac(user: User, engine_id: bytes, packet: bytes) -> bytes:
    """The signature of a packet that has zeros in its place (RFC 3414, 6.3.1; RFC 7860, 4.2.1)."""
    key = localize(user.authentication, user.authentication_password, engine_id)
    return hmac.digest(key, packet, HASHES[user.authentication])[: MAC_BYTES[user.authentication]]


def parse_3(data: bytes, user: User) -> Answer:
    """Read an agent's packet to a user, verify and decrypt it. Raises SnmpError.

    A report may come without a signature: an engine that does not know the user, or its clock, cannot sign.
    """
    version, header, security, scoped = outline(data, INTEGER, SEQUENCE, OCTETS, None)
    if read_integer(data, version) != VERSION_3:
        raise SnmpError("not version 3")
    message_id, flags = _header(data, header)
    engine, mac, salt = _security(data, security)
    if flags & AUTHENTICATED:
        _verify(data, user, engine, mac)
    pdu = _private_pdu(user, engine, salt, content(data, scoped)) if flags & PRIVATE else _scoped_pdu(data, scoped)
    if pdu.tag != REPORT and flags & (AUTHENTICATED | PRIVATE) != user.flags:
        raise SnmpError("answered at another security level than asked")
    return Answer(message_id, engine, bool(flags & AUTHENTICATED), pdu)


def _header(data: bytes, field: Field) -> tuple[int, int]:
    """Identifier and flags of a message."""
    message_id, _, flags, model = inside(data, field, INTEGER, INTEGER, OCTETS, INTEGER)
    if flags[2] - flags[1] != 1 or read_integer(data, model) != SECURITY_MODEL:
        raise SnmpError("not of the user-based security model")
    return read_integer(data, message_id), data[flags[1]]


def _security(data: bytes, field: Field) -> tuple[Engine, Field, bytes]:
    """The engine, where the signature is, and the salt."""
    inner = inside(data, field, SEQUENCE)[0]
    engine_id, boots, time, _, mac, salt = inside(data, inner, OCTETS, INTEGER, INTEGER, OCTETS, OCTETS, OCTETS)
    engine = Engine(content(data, engine_id), read_integer(data, boots), read_integer(data, time))
    if len(engine.id) > ENGINE_ID_BYTES or not (0 <= engine.boots <= MOST and 0 <= engine.time <= MOST):
        raise SnmpError("an engine that cannot be")
    return engine, mac, content(data, salt)


def _verify(data: bytes, user: User, engine: Engine, mac: Field) -> None:
    size = MAC_BYTES.get(user.authentication, 0)
    if not size or mac[2] - mac[1] != size:
        raise SnmpError("signed otherwise than asked")
    unsigned = data[: mac[1]] + bytes(size) + data[mac[2] :]
    if not hmac.compare_digest(_mac(user, engine.id, unsigned), content(data, mac)):
        raise SnmpError("the signature is wrong")


def _private_pdu(user: User, engine: Engine, salt: bytes, encrypted: bytes) -> Pdu:
    """Decrypt, then read; what follows the sequence is padding."""
    if not user.privacy or len(salt) != SALT_BYTES or (user.privacy == "des" and len(encrypted) % DES_BLOCK):
        raise SnmpError("encrypted otherwise than asked")
    decryptor = _cipher(user, engine, salt).decryptor()
    plain = decryptor.update(encrypted) + decryptor.finalize()
    found = fields(plain, 0, len(plain), 1, cut_off=False)
    if not found:
        raise SnmpError("nothing was encrypted")
    return _scoped_pdu(plain, found[0])


def _scoped_pdu(data: bytes, field: Field) -> Pdu:
    """Read the PDU within its context."""
    if field[0] != SEQUENCE:
        raise SnmpError("no PDU in its context")
    _, _, pdu = inside(data, field, OCTETS, OCTETS, None)
    return read_pdu(data, pdu)


def _encrypt(user: User, engine: Engine, salt: bytes, plain: bytes) -> bytes:
    if user.privacy == "des":
        plain += bytes(-len(plain) % DES_BLOCK)
    encryptor = _cipher(user, engine, salt).encryptor()
    return encryptor.update(plain) + encryptor.finalize()


def _cipher(user: User, engine: Engine, salt: bytes) -> Cipher[CBC] | Cipher[CFB]:
    """CBC-DES (RFC 3414, 8.1.1) or CFB128-AES-128 (RFC 3826, 3.1) with the key and vector of one message."""
    key = localize(user.authentication, user.privacy_password, engine.id)[:KEY_BYTES]
    if user.privacy == "des":
        vector = bytes(a ^ b for a, b in zip(key[DES_BLOCK:], salt, strict=True))
        return Cipher(TripleDES(key[:DES_BLOCK] * 3), CBC(vector))  # thrice with one key is DES once
    return Cipher(AES(key), CFB(engine.boots.to_bytes(4, "big") + engine.time.to_bytes(4, "big") + salt))
