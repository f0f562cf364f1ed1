"""Answers of an agent by SNMPv2c: a UPS, an agent without one, an error, a list of alarms."""

from probes.codecs import snmp
from probes.codecs.snmp import OBJECT_ID, OCTETS, RESPONSE, integer, oid, sequence, tlv

ERROR = snmp.SnmpError
UPS = "1.3.6.1.2.1.33.1"


def _response(error: int, *bindings: tuple[str, bytes]) -> bytes:
    listed = sequence(*(sequence(tlv(OBJECT_ID, oid(f"{UPS}.{name}")), value) for name, value in bindings))
    pdu = tlv(RESPONSE, integer(0x1234_5678) + integer(error) + integer(error and 1) + listed)
    return snmp.message_2c(b"public", pdu)


SEEDS = (
    _response(
        0,
        ("2.1.0", integer(2)),
        ("2.2.0", integer(0)),
        ("2.3.0", integer(42)),
        ("2.4.0", integer(97)),
        ("3.1.0", tlv(0x41, b"\0\xff\xff\xff\xff")),
        ("4.1.0", integer(3)),
        ("6.1.0", tlv(0x42, b"\0")),
        ("7.3.0", integer(6)),
    ),
    _response(0, *((f"{name}.0", tlv(0x80, b"")) for name in ("2.1", "2.2", "4.1", "7.3"))),
    _response(5, ("2.1.0", b"\x05\0")),
    _response(0, *((f"6.2.1.2.{row}", tlv(OBJECT_ID, oid(f"{UPS}.6.3.{row}"))) for row in (2, 3, 24))),
    _response(0, ("1.1.0", tlv(OCTETS, "Nguồn".encode())), ("2.3.0", tlv(0x46, bytes(9))), ("2.4.0", tlv(0x82, b""))),
    _response(0, ("1.1.0", tlv(OCTETS, b"x" * 300))),
)


def feed(data: bytes) -> None:
    """As a packet from the agent."""
    snmp.parse_2c(data)
