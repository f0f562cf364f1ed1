"""The ICMP codec: what it writes, and that nothing a network delivers gets past it or breaks it."""

import struct
from contextlib import suppress
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.codecs import icmp
from probes.model import Failure

SECRET = bytes(range(32))
HOST = {4: ip_address("192.0.2.7").packed, 6: ip_address("2001:db8::7").packed}
VERSIONS = pytest.mark.parametrize("version", [4, 6])
IDENTIFIER = 0x1234


def words(data: bytes) -> int:
    """RFC 1071 as it is written: add 16-bit words, fold the carries back in."""
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def request(version: int, nonce: int, payload_bytes: int = 56) -> bytes:
    return icmp.Requests(version, payload_bytes).encode(IDENTIFIER, [nonce])[0]


def reply_to(version: int, message: bytes) -> bytes:
    """What a host makes of a request: another type, and the checksum that goes with it."""
    bare = bytes([icmp.REPLY[version], 0, 0, 0]) + message[4:]
    return bare[:2] + (0xFFFF ^ words(bare)).to_bytes(2, "big") + bare[4:]


def ip_packet(version: int, message: bytes, options: bytes = b"") -> bytes:
    """An IP header that goes to HOST, as a router quotes it and, for IPv4, as a raw socket delivers it."""
    if version == 6:
        return (
            bytes([0x60, 0, 0, 0]) + len(message).to_bytes(2, "big") + bytes([58, 64]) + bytes(16) + HOST[6] + message
        )
    header = bytes([0x45 + len(options) // 4, 0]) + bytes(7) + bytes([1]) + bytes(6) + HOST[4] + options
    return header + message


def error(version: int, type_: int, code: int, quote: bytes) -> bytes:
    bare = bytes([type_, code]) + bytes(6) + quote + bytes(len(quote) % 2)
    return bare[:2] + (0xFFFF ^ words(bare)).to_bytes(2, "big") + bare[4:]


nonces = st.integers(0, 2**64 - 1)


@given(nonces, st.integers(8, 200), st.integers(0, 0xFFFF))
def test_request_has_the_checksum_of_rfc_1071(nonce: int, payload_bytes: int, identifier: int) -> None:
    """The one division gives what adding word by word gives, for even and odd lengths."""
    message = icmp.Requests(4, payload_bytes).encode(identifier, [nonce])[0]
    assert len(message) == icmp.HEADER_BYTES + payload_bytes
    assert words(message + bytes(len(message) % 2)) == 0xFFFF
    assert int.from_bytes(message[2:4], "big") == icmp.Requests(4, payload_bytes).checksum(identifier, nonce)


def test_payload_is_as_long_as_asked_for_within_reason() -> None:
    """A size outside what the parameters allow is brought back into it rather than sent."""
    assert len(request(4, 1, 0)) == icmp.HEADER_BYTES + icmp.NONCE_BYTES
    assert len(request(4, 1, 10**9)) == icmp.HEADER_BYTES + icmp.MAX_PAYLOAD_BYTES


@VERSIONS
@given(nonce=nonces)
def test_reply_gives_the_nonce_back(version: int, nonce: int) -> None:
    """By the quick way and by the thorough one."""
    reply = reply_to(version, request(version, nonce))
    assert icmp.parse(version, reply) == icmp.EchoReply(IDENTIFIER, icmp.sequence_of(nonce), nonce)
    assert icmp.reply_nonce(reply) == nonce
    if version == 4:
        assert icmp.reply_nonce_in_ipv4(ip_packet(4, reply)) == nonce
        assert icmp.parse(4, icmp.strip_ipv4(ip_packet(4, reply, options=bytes(8)))).nonce == nonce


@settings(max_examples=300)
@given(nonces, st.integers(0, 8 * 64 - 1), st.integers(0, 63))
def test_damaged_reply_is_never_taken_for_a_good_one(nonce: int, bit: int, cut: int) -> None:
    """One flipped bit anywhere in the ICMP message, or a missing end, and it is no reply (checksum of IPv4)."""
    reply = reply_to(4, request(4, nonce))
    flipped = bytearray(reply)
    flipped[bit // 8] ^= 0x80 >> bit % 8
    for damaged in (bytes(flipped), reply[:cut]):
        assert (
            icmp.reply_nonce_in_ipv4(ip_packet(4, damaged)) == -1 or words(damaged + bytes(len(damaged) % 2)) == 0xFFFF
        )
        try:
            message = icmp.parse(4, damaged)
        except icmp.BadPacketError:
            continue
        assert words(damaged + bytes(len(damaged) % 2)) == 0xFFFF, message


@settings(max_examples=500)
@given(
    st.sampled_from([4, 6]),
    st.one_of(
        st.binary(max_size=120),
        st.builds(
            lambda at, junk, cut: (bytes([3, 1]) + bytes(6) + ip_packet(4, request(4, 7)))[:cut] + junk[:at],
            st.integers(0, 20),
            st.binary(max_size=20),
            st.integers(0, 100),
        ),
        st.builds(
            lambda first, junk: bytes([first]) + junk, st.sampled_from([0, 1, 2, 3, 11, 129]), st.binary(max_size=120)
        ),
    ),
)
def test_no_input_raises_anything_but_bad_packet(version: int, data: bytes) -> None:
    """Whatever comes, from a raw or a datagram socket or an error queue."""
    for read in (
        lambda: icmp.parse(version, data),
        lambda: icmp.strip_ipv4(data),
        lambda: icmp.parse_quote(version, 3, 1, data),
        lambda: icmp.parse_error(version, 3, 1, b"", data),
        lambda: icmp.parse_extended_error(version, data),
    ):
        with suppress(icmp.BadPacketError):
            read()
    assert icmp.reply_nonce(data) >= -1
    assert icmp.reply_nonce_in_ipv4(data) >= -1


@VERSIONS
@pytest.mark.parametrize(
    ("ends", "type_", "code", "failure"),
    [
        pytest.param(4, 3, 1, Failure.UNREACHABLE, id="host unreachable"),
        pytest.param(4, 3, 4, Failure.UNREACHABLE, id="fragmentation needed"),
        pytest.param(4, 3, 13, Failure.UNREACHABLE, id="prohibited"),
        pytest.param(4, 11, 0, Failure.TTL_EXCEEDED, id="ttl exceeded"),
        pytest.param(6, 1, 0, Failure.UNREACHABLE, id="no route"),
        pytest.param(6, 1, 1, Failure.UNREACHABLE, id="prohibited v6"),
        pytest.param(6, 2, 0, Failure.UNREACHABLE, id="packet too big"),
        pytest.param(6, 3, 0, Failure.TTL_EXCEEDED, id="hop limit exceeded"),
    ],
)
def test_error_says_why_and_which_request(version: int, ends: int, type_: int, code: int, failure: Failure) -> None:
    """An error quotes the request: its destination, identifier, sequence and, where it goes on so far, nonce."""
    if version != ends:
        with pytest.raises(icmp.BadPacketError):
            icmp.parse(version, error(version, type_, code, ip_packet(ends, request(ends, 77))))
        return
    found = icmp.parse(version, error(version, type_, code, ip_packet(version, request(version, 77 << 32 | 5))))
    assert isinstance(found, icmp.ErrorReport)
    assert (found.failure, found.type, found.code) == (failure, type_, code)
    assert (found.destination, found.identifier, found.sequence) == (HOST[version], IDENTIFIER, 77)
    assert found.nonce == 77 << 32 | 5
    assert found.ttl == (0 if version == 4 else 64), "as ip_packet has them"


def test_error_that_quotes_eight_bytes_has_no_nonce() -> None:
    """RFC 792 asks for no more than the IP header and 64 bits."""
    found = icmp.parse(4, error(4, 3, 1, ip_packet(4, request(4, 77 << 32)[:8])))
    assert isinstance(found, icmp.ErrorReport)
    assert found.nonce is None
    assert found.checksum == icmp.Requests(4, 56).checksum(IDENTIFIER, 77 << 32)


@pytest.mark.parametrize(
    "quote",
    [
        pytest.param(ip_packet(4, reply_to(4, request(4, 1))), id="a reply"),
        pytest.param(ip_packet(4, request(4, 1))[:9] + b"\x11" + ip_packet(4, request(4, 1))[10:], id="UDP"),
        pytest.param(ip_packet(4, request(4, 1))[:6] + b"\x20\x01" + ip_packet(4, request(4, 1))[8:], id="a fragment"),
        pytest.param(ip_packet(4, request(4, 1))[:26], id="cut within the header"),
    ],
)
def test_error_about_something_else_is_bad(quote: bytes) -> None:
    """Errors that quote what no prober of ours sends."""
    with pytest.raises(icmp.BadPacketError):
        icmp.parse(4, error(4, 3, 1, quote))


@given(st.lists(st.integers(1, 40), min_size=1, max_size=20))
def test_nonces_differ_and_are_known_again(counts: list[int]) -> None:
    """However many are issued at a time, each is new, carries its sequence number, and is ours."""
    issuer = icmp.Nonces(SECRET)
    issued = [nonce for count in counts for nonce in issuer.issue(count)]
    assert len(set(issued)) == sum(counts) == issuer.issued
    assert [icmp.sequence_of(nonce) for nonce in issued] == list(range(sum(counts)))
    assert all(issuer.is_ours(nonce) for nonce in issued)


@given(nonces, st.integers(0, 100))
def test_forged_nonce_is_not_ours(forged: int, count: int) -> None:
    """A guess, and the nonce of another process, which has another secret."""
    issuer = icmp.Nonces(SECRET)
    issued = set(issuer.issue(count))
    assert issuer.is_ours(forged) is (forged in issued)
    others = icmp.Nonces(bytes(32)).issue(count)
    assert not any(issuer.is_ours(nonce) for nonce in others if nonce not in issued)


def test_nonces_go_on_after_the_counter_has_wrapped() -> None:
    """The low 32 bits begin again; what was issued that long ago is not ours any more."""
    issuer = icmp.Nonces(SECRET)
    old = issuer.issue(1)[0]
    issuer.issued = (1 << 32) - 8
    recent = issuer.issue(16)
    assert [nonce >> 32 for nonce in recent] == [*range((1 << 32) - 8, 1 << 32), *range(8)]
    assert all(issuer.is_ours(nonce) for nonce in recent)
    assert not issuer.is_ours(old)


def test_sequence_number_leads_back_to_few_nonces() -> None:
    """Those in flight that may have had it, newest first."""
    issuer = icmp.Nonces(SECRET)
    issued = issuer.issue(150_000)
    assert list(issuer.with_sequence(10, 150_000)) == [issued[131_082], issued[65_546], issued[10]]
    assert list(issuer.with_sequence(10, 100_000)) == [issued[131_082], issued[65_546]]
    assert list(icmp.Nonces(SECRET).with_sequence(10, 100_000)) == []


@VERSIONS
def test_kernel_filter_jumps_stay_inside(version: int) -> None:
    """Every jump of the program goes forward to an instruction of it, and it ends with a return."""
    program = list(struct.iter_unpack("=HBBI", icmp.kernel_filter(version, (1, 2))))
    for at, (op, yes, no, k) in enumerate(program):
        targets = {0x15: [yes, no], 0x05: [k]}.get(op, [])
        assert all(at + 1 + jump < len(program) for jump in targets)
    assert program[-1][0] == 0x06


@VERSIONS
def test_only_types_of_interest_pass_the_kernel(version: int) -> None:
    """A set bit blocks; requests, which loopback delivers to us too, are blocked."""
    blocked = icmp.kernel_types(version)
    words_of = struct.unpack(f"={len(blocked) // 4}I", blocked)
    passing = {32 * i + bit for i, word in enumerate(words_of) for bit in range(32) if not word >> bit & 1}
    assert passing == ({0, 3, 11} if version == 4 else {1, 2, 3, 129})
