from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.codecs import stun
from probes.codecs.stun import Attribute, Class, Method, StunError

ID = bytes.fromhex("b7e7a701bc34d686fa87dfae")
PASSWORD = b"VOkJxbRl1RmTxUk/WvJxBt"
"""Short-term credentials: the password is the key (RFC 8489, 9.1.1)."""

REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008932ff9b1"
    "51263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf"
)
"""RFC 5769, 2.1."""
IPV4_RESPONSE = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96"
)
"""RFC 5769, 2.2."""
IPV6_RESPONSE = bytes.fromhex(
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9faa5d3f179bc25f4b5"
    "bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c"
)
"""RFC 5769, 2.3."""
LONG_TERM_REQUEST = bytes.fromhex(
    "000100602112a44278ad3433c6ad72c029da412e00060012e3839ee38388e383aae38383e382afe382b900000015001c662f2f3439396b39"
    "353464364f4c33346f4c394653547679363473410014000b6578616d706c652e6f72670000080014f67024656dd64a3e02b8e0712e85c9a2"
    "8ca89666"
)
"""RFC 5769, 2.4."""
SHA256_REQUEST = bytes.fromhex(
    "000100902112a44278ad3433c6ad72c029da412e001e00204a3cf38fef6992bda952c6780417da0f24819415569e60b205c46e41407f1704"
    "001500296f624d61744a6f733241414143662f2f3439396b39353464364f4c33346f4c394653547679363473410000000014000b6578616d"
    "706c652e6f726700001d000400020000001c0020b5c7bf005b6c52a21c51c5e892f81924136296cb927c43149309278cc6518e65"
)
"""RFC 8489, B.1."""
USERNAME = "マトリックス"


@pytest.mark.parametrize("message", [REQUEST, IPV4_RESPONSE, IPV6_RESPONSE], ids=["request", "ipv4", "ipv6"])
def test_samples_of_rfc_5769_are_protected_by_their_password(message: bytes) -> None:
    """Integrity, and fingerprint, which decode verifies; padding need not be zeros."""
    read = stun.decode(message)
    assert (read.method, read.transaction) == (Method.BINDING, ID)
    assert Attribute.FINGERPRINT in read.attributes
    stun.verify(read, PASSWORD)
    with pytest.raises(StunError, match="wrong integrity"):
        stun.verify(read, PASSWORD[:-1])


def test_sample_request_of_rfc_5769() -> None:
    read = stun.decode(REQUEST)
    assert read.outcome is Class.REQUEST
    assert stun.text(read, Attribute.SOFTWARE) == "STUN test client"
    assert stun.text(read, Attribute.USERNAME) == "evtj:h6vY"
    assert stun.protected(read)


@pytest.mark.parametrize(
    ("message", "host"), [(IPV4_RESPONSE, "192.0.2.1"), (IPV6_RESPONSE, "2001:db8:1234:5678:11:2233:4455:6677")]
)
def test_sample_responses_of_rfc_5769(message: bytes, host: str) -> None:
    read = stun.decode(message)
    assert read.outcome is Class.SUCCESS
    assert stun.text(read, Attribute.SOFTWARE) == "test vector"
    assert stun.address(read, Attribute.XOR_MAPPED_ADDRESS, Attribute.MAPPED_ADDRESS) == (host, 32853)


def test_long_term_request_of_rfc_5769_is_written_byte_by_byte() -> None:
    """The password as SASLprep leaves it."""
    attributes = [
        (Attribute.USERNAME, USERNAME.encode()),
        (Attribute.NONCE, b"f//499k954d6OL34oL9FSTvy64sA"),
        (Attribute.REALM, b"example.org"),
    ]
    key = stun.long_term_key(USERNAME, "example.org", "TheMatrIX")
    transaction = LONG_TERM_REQUEST[8:20]
    assert stun.encode(Method.BINDING, transaction, attributes, key=key, fingerprint=False) == LONG_TERM_REQUEST
    stun.verify(stun.decode(LONG_TERM_REQUEST), key)


def test_sample_request_of_rfc_8489_is_protected_by_sha_256() -> None:
    stun.verify(
        stun.decode(SHA256_REQUEST), stun.long_term_key(USERNAME, "example.org", "TheMatrIX", algorithm="sha256")
    )


def test_passwords_are_opaque_strings() -> None:
    """RFC 8265, 4.2: any blank is a space, and a letter with its accent is one character."""
    assert stun.opaque("mật\u00a0khẩu\u3000A\u0300") == "mật khẩu À"
    assert stun.long_term_key("u", "r", "mật\u00a0khẩu") == stun.long_term_key("u", "r", "mật khẩu")


@pytest.mark.parametrize("integrity", [Attribute.MESSAGE_INTEGRITY, Attribute.MESSAGE_INTEGRITY_SHA256])
def test_what_is_written_is_read(integrity: Attribute) -> None:
    relayed = stun.address_value(Attribute.XOR_RELAYED_ADDRESS, "2001:db8::1", 49152, ID)
    alternate = stun.address_value(Attribute.ALTERNATE_SERVER, "192.0.2.2", 3478, ID)
    attributes = [
        (Attribute.XOR_RELAYED_ADDRESS, relayed),
        (Attribute.ALTERNATE_SERVER, alternate),
        (Attribute.LIFETIME, (600).to_bytes(4, "big")),
        (Attribute.SOFTWARE, b"abc"),
    ]
    written = stun.encode(Method.ALLOCATE, ID, attributes, key=b"k", integrity=integrity, outcome=Class.SUCCESS)
    read = stun.decode(written)
    stun.verify(read, b"k")
    assert (read.method, read.outcome) == (Method.ALLOCATE, Class.SUCCESS)
    assert stun.address(read, Attribute.XOR_RELAYED_ADDRESS) == ("2001:db8::1", 49152)
    assert stun.address(read, Attribute.ALTERNATE_SERVER) == ("192.0.2.2", 3478)
    assert stun.address(read, Attribute.MAPPED_ADDRESS) is None
    assert stun.lifetime_s(read) == 600
    assert stun.text(read, Attribute.REALM) == ""


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("outcome", Class)
def test_method_and_class_go_into_one_number(method: Method, outcome: Class) -> None:
    read = stun.decode(stun.encode(method, ID, outcome=outcome))
    assert (read.method, read.outcome) == (method, outcome)


def test_known_types_have_their_known_numbers() -> None:
    """RFC 8489, 5; RFC 8656, 17: what others write."""
    numbers = {
        (Method.BINDING, Class.REQUEST): 0x0001,
        (Method.BINDING, Class.SUCCESS): 0x0101,
        (Method.BINDING, Class.ERROR): 0x0111,
        (Method.ALLOCATE, Class.SUCCESS): 0x0103,
        (Method.ALLOCATE, Class.ERROR): 0x0113,
        (Method.REFRESH, Class.REQUEST): 0x0004,
    }
    for (method, outcome), number in numbers.items():
        assert stun.encode(method, ID, outcome=outcome)[:2] == number.to_bytes(2, "big")


def error_response(value: bytes) -> stun.Message:
    return stun.decode(stun.encode(Method.ALLOCATE, ID, [(Attribute.ERROR_CODE, value)], outcome=Class.ERROR))


def test_an_error_says_its_code_and_reason() -> None:
    found = stun.refusal(error_response(b"\0\0\x04\x01Unauthorized"))
    assert (found.code, found.reason, str(found)) == (401, "Unauthorized", "401 Unauthorized")
    assert str(stun.refusal(error_response(b"\0\0\x05\0"))) == "500"
    assert str(stun.refusal(error_response(b"\0\0\x04\0Bad Request\0"))) == "400 Bad Request"


def test_a_reason_is_fit_for_a_log() -> None:
    reason = stun.refusal(error_response(b"\0\0\x04\x26a\r\nb\xff" + b"x" * 500)).reason
    assert reason.startswith("a��b�x")
    assert len(reason) == 128


@pytest.mark.parametrize("value", [b"", b"\0\0\4", b"\0\0\0\1", b"\0\0\7\1", b"\0\0\4\x64"])
def test_an_error_without_a_code_that_exists_is_none(value: bytes) -> None:
    with pytest.raises(StunError):
        stun.refusal(error_response(value))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Attribute.XOR_MAPPED_ADDRESS, b""),
        (Attribute.XOR_MAPPED_ADDRESS, b"\0\1\0\0"),
        (Attribute.XOR_MAPPED_ADDRESS, b"\0\1" + bytes(18)),
        (Attribute.XOR_MAPPED_ADDRESS, b"\0\2" + bytes(6)),
        (Attribute.MAPPED_ADDRESS, b"\0\3" + bytes(6)),
    ],
)
def test_an_address_that_is_none_is_refused(kind: Attribute, value: bytes) -> None:
    with pytest.raises(StunError, match="address of family"):
        stun.address(stun.decode(stun.encode(Method.BINDING, ID, [(kind, value)])), kind)


def test_what_is_not_protected_does_not_count() -> None:
    """After the integrity an attacker may append what he likes."""
    protected = stun.encode(Method.ALLOCATE, ID, [(Attribute.REALM, b"r")], key=b"k", fingerprint=False)
    appended = b"\x00\x0d\x00\x04\0\0\0\x07"
    longer = protected[:2] + (len(protected) - 20 + 8).to_bytes(2, "big") + protected[4:] + appended
    read = stun.decode(longer)
    stun.verify(read, b"k")
    assert Attribute.LIFETIME not in read.attributes


def test_of_a_repeated_attribute_the_first_counts() -> None:
    read = stun.decode(stun.encode(Method.ALLOCATE, ID, [(Attribute.REALM, b"one"), (Attribute.REALM, b"two")]))
    assert stun.text(read, Attribute.REALM) == "one"


@pytest.mark.parametrize("size", [0, 4, 16, 17, 36])
def test_an_integrity_of_a_wrong_size_protects_nothing(size: int) -> None:
    attributes = [(Attribute.MESSAGE_INTEGRITY_SHA256, bytes(size))]
    with pytest.raises(StunError):
        stun.verify(stun.decode(stun.encode(Method.BINDING, ID, attributes, fingerprint=False)), b"k")


def test_without_integrity_there_is_nothing_to_verify() -> None:
    with pytest.raises(StunError, match="not protected"):
        stun.verify(stun.decode(stun.encode(Method.BINDING, ID)), b"k")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        REQUEST[:19],
        REQUEST[:-4],
        REQUEST + b"\0\0\0\0",
        b"\x40" + REQUEST[1:],
        REQUEST[:4] + b"\0" + REQUEST[5:],
        REQUEST[:-1] + b"\0",
        REQUEST[:3] + b"\x59" + REQUEST[4:] + b"\0",
        b"\x01\x01\x00\x04" + REQUEST[4:20] + b"\x00\x01\x00\x01",
        b"\x01\x01\xff\xfc" + REQUEST[4:20] + bytes(0xFFFC),
    ],
    ids=["empty", "head", "cut", "long", "bits", "cookie", "fingerprint", "odd", "attribute", "huge"],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(StunError):
        stun.decode(data)


def test_the_header_says_how_much_follows() -> None:
    assert stun.body_bytes(REQUEST[:20]) == len(REQUEST) - 20


@given(st.binary(max_size=400), st.booleans())
def test_any_bytes_are_a_message_or_a_stun_error(body: bytes, headed: bool) -> None:  # noqa: FBT001
    body = body[: len(body) // 4 * 4]
    data = b"\x01\x01" + len(body).to_bytes(2, "big") + REQUEST[4:20] + body if headed else body
    try:
        read = stun.decode(data)
    except StunError:
        return
    assert read.raw == data
    assert all(here < there for here, there in pairwise(sorted(read.places.values())))
