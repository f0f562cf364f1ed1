from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.codecs.x509 import not_after

ALGORITHM = b"\x30\x00"


def field(tag: int, content: bytes) -> bytes:
    """A DER field, with the shortest form of its length."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def certificate(until: bytes, tag: int = 0x17, version: bytes = b"\xa0\x03\x02\x01\x02", padding: int = 0) -> bytes:
    """As much of a certificate as matters (RFC 5280, 4.1)."""
    validity = field(0x30, field(0x17, b"200101000000Z") + field(tag, until))
    issuer = field(0x30, b"\x31\x00" * padding)
    signed = version + b"\x02\x01\x01" + ALGORITHM + issuer + validity + field(0x30, b"")
    return field(0x30, field(0x30, signed) + ALGORITHM + field(0x03, b"\0"))


@pytest.mark.parametrize(
    ("until", "tag", "expected"),
    [
        (b"250508080000Z", 0x17, datetime(2025, 5, 8, 8, tzinfo=UTC)),
        (b"491231235959Z", 0x17, datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (b"500101000000Z", 0x17, datetime(1950, 1, 1, tzinfo=UTC)),
        (b"991231235959Z", 0x17, datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (b"99991231235959Z", 0x18, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_both_forms_of_time(until: bytes, tag: int, expected: datetime) -> None:
    """UTCTime to 2049, GeneralizedTime from 2050 on."""
    assert not_after(certificate(until, tag)) == expected.timestamp()


def test_a_certificate_of_version_1_has_no_field_of_version() -> None:
    assert not_after(certificate(b"250508080000Z", version=b"")) == 1746691200.0


def test_lengths_of_more_than_one_byte() -> None:
    assert not_after(certificate(b"250508080000Z", padding=40_000)) == 1746691200.0


@pytest.mark.parametrize("until", [b"", b"250508080000", b"251308080000Z", b"25050808000\xffZ", b"250508080000+0700"])
def test_a_time_that_is_none_is_a_value_error(until: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        not_after(certificate(until))


def test_cut_anywhere_it_is_a_value_error() -> None:
    whole = certificate(b"250508080000Z")
    for end in range(len(whole)):
        with pytest.raises(ValueError, match=r"."):
            not_after(whole[:end])


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_error_at_worst(data: bytes) -> None:
    try:
        not_after(b"\x30" + data)
    except ValueError:
        return


@given(st.integers(0, 90), st.integers(0, 255))
def test_a_flipped_byte_is_a_value_error_at_worst(at: int, value: int) -> None:
    damaged = bytearray(certificate(b"250508080000Z"))
    damaged[at % len(damaged)] = value
    try:
        not_after(bytes(damaged))
    except ValueError:
        return
