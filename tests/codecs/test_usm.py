"""SNMPv3: keys as the RFCs compute them, messages that only who knows the words can read or write."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.codecs import usm
from probes.codecs.snmp import OBJECT_ID, REPORT, RESPONSE, SnmpError, integer, oid, sequence, tlv
from probes.codecs.usm import Authentication, Engine, Privacy, User

ENGINE = Engine(bytes.fromhex("80001f8880a1b2c3d4e5f60718"), 7, 86_400)
SALT = bytes(range(8))
NAME = oid("1.3.6.1.2.1.33.1.4.1.0")
MAPLE = b"maplesyrup"
HASHES: tuple[Authentication, ...] = ("md5", "sha", "sha224", "sha256", "sha384", "sha512")
CIPHERS: tuple[Privacy, ...] = ("", "des", "aes")
LEVELS = [("", ""), *product(HASHES, CIPHERS)]


def pdu(tag: int = RESPONSE, name: bytes = NAME) -> bytes:
    return tlv(tag, integer(1) + integer(0) + integer(0) + sequence(sequence(tlv(OBJECT_ID, name), integer(3))))


def user(authentication: Authentication = "sha256", privacy: Privacy = "aes", word: bytes = MAPLE) -> User:
    return User(b"watch", authentication, word, privacy, word)


@pytest.mark.parametrize(
    ("authentication", "stretched", "localized"),
    [
        ("md5", "9faf3283884e92834ebc9847d8edd963", "526f5eed9fcce26f8964c2930787d82b"),
        ("sha", "9fb5cc0381497b3793528939ff788d5d79145211", "6695febc9288e36282235fc7151f128497b38f3f"),
    ],
)
def test_keys_of_a_password(authentication: Authentication, stretched: str, localized: str) -> None:
    """RFC 3414, A.3.1 and A.3.2."""
    assert usm.stretch(authentication, MAPLE).hex() == stretched
    assert usm.localize(authentication, MAPLE, bytes(11) + b"\x02").hex() == localized


def test_discovery_asks_an_engine_that_is_not_known() -> None:
    """RFC 3414, 4: no engine, no user, no bindings, and a report is wanted."""
    assert usm.discovery(1).hex() == (
        "3038020103"
        "300e020101020300ffe3040104020103"  # identifier 1, 65,507 bytes, reportable, USM
        "0410300e0400020100020100040004000400"
        "301104000400a00b0201010201000201003000"
    )


@pytest.mark.parametrize(("authentication", "privacy"), LEVELS)
def test_what_is_written_is_read(authentication: Authentication, privacy: Privacy) -> None:
    """At each level, with each hash and cipher; hidden where it should be."""
    whom = user(authentication, privacy)
    packet = usm.message(whom, ENGINE, 99, SALT, pdu())
    found = usm.parse_3(packet, whom)
    assert (found.message_id, found.engine, found.authenticated) == (99, ENGINE, bool(authentication))
    assert (found.pdu.values, found.report) == ({NAME: 3}, "")
    assert (NAME in packet) is not bool(privacy)


@settings(max_examples=60)
@given(st.data())
def test_a_signed_packet_that_was_touched_is_refused(data: st.DataObject) -> None:
    """Whichever bit: the signature covers the whole message."""
    packet = bytearray(usm.message(user(), ENGINE, 99, SALT, pdu()))
    packet[data.draw(st.integers(0, len(packet) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(SnmpError):
        usm.parse_3(bytes(packet), user())


@pytest.mark.parametrize(
    "other",
    [
        usm.NOBODY,
        user(privacy=""),
        user("md5", ""),
        user("sha256", "des"),
        user("sha384", "aes"),
        user(word=b"applesyrup"),
    ],
)
def test_an_answer_at_another_level_than_asked_is_refused(other: User) -> None:
    """An answer without signature to who asked for one would be anybody's."""
    with pytest.raises(SnmpError):
        usm.parse_3(usm.message(other, ENGINE, 99, SALT, pdu()), user())


@pytest.mark.parametrize(("name", "word"), [*usm.REPORTS.items(), (NAME, "report of another kind")])
def test_a_report_may_come_unsigned_and_tells_why(name: bytes, word: str) -> None:
    packet = usm.message(usm.NOBODY, ENGINE, 99, SALT, pdu(REPORT, name))
    found = usm.parse_3(packet, user())
    assert (found.report, found.authenticated) == (word, False)


@pytest.mark.parametrize(
    "engine", [Engine(bytes(33)), Engine(b"e", usm.MOST + 1), Engine(b"e", 0, usm.MOST + 1), Engine(b"e", -1)]
)
def test_an_engine_that_cannot_be_is_refused(engine: Engine) -> None:
    """Longer than RFC 3411 allows, or a clock beyond its range."""
    with pytest.raises(SnmpError, match="engine"):
        usm.parse_3(usm.message(usm.NOBODY, engine, 99, SALT, pdu()), usm.NOBODY)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """In the open, and behind a good signature."""
    for packet in (data, usm.message(usm.NOBODY, ENGINE, 1, SALT, data), usm.message(user(), ENGINE, 1, SALT, data)):
        try:
            usm.parse_3(packet, user())
        except SnmpError:
            continue
