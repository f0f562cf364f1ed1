import dns.flags
import dns.message
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.codecs.dns import MAX_TEXTS, Answer, DnsError, Query, decode, encode, framed, rcode_name, rest_bytes

ID = 0xABCD


def answer(query: Query, *records: str, message_id: int = ID, rcode: int = 0, flags: int = 0) -> bytes:
    """What a server answers, written by dnspython; each record as ``name TTL class type data``."""
    made = dns.message.make_response(dns.message.from_wire(encode(query, message_id)))
    made.set_rcode(rcode)
    made.flags |= flags
    for record in records:
        name, ttl, class_, type_, data = record.split(" ", 4)
        made.answer.append(dns.rrset.from_text(name, int(ttl), class_, type_, data))
    return made.to_wire(max_size=65535)


def test_a_query_asks_one_question_and_takes_what_no_path_fragments() -> None:
    read = dns.message.from_wire(encode(Query("điểm.test", "AAAA"), ID))
    assert (read.id, read.payload, read.edns) == (ID, 1232, 0)
    assert [str(question) for question in read.question] == ["xn--im-pma3251a.test. IN AAAA"]
    assert read.flags == dns.flags.RD
    assert dns.message.from_wire(encode(Query(".", "NS", recursion=False), ID)).flags == 0


@pytest.mark.parametrize("name", ["a..b", "a" * 64, ".".join(["a" * 60] * 5), "\ud800.test", "x" * 10_000])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(DnsError, match="is no domain name"):
        encode(Query(name), ID)


def test_records_are_written_as_in_a_zone_file() -> None:
    """Compressed names are followed; an alias on the way is told, and not counted."""
    query = Query("www.codec.test", "MX")
    read = decode(
        answer(
            query,
            "www.codec.test. 60 IN CNAME codec.test.",
            "codec.test. 60 IN MX 10 mail.codec.test.",
            "codec.test. 60 IN A 192.0.2.1",
        ),
        query,
        ID,
    )
    assert read == Answer(0, False, (3, 0, 1), 1, ("CNAME codec.test.", "MX 10 mail.codec.test."))


@pytest.mark.parametrize(
    ("type_", "data"),
    [
        ("A", "192.0.2.1"),
        ("AAAA", "2001:db8::1"),
        ("NS", "ns.test."),
        ("MX", "10 mail.test."),
        ("TXT", '"v=spf1 -all"'),
        ("SRV", "10 60 5060 sip.test."),
        ("SOA", "ns.test. admin.test. 2025050800 3600 600 86400 60"),
        ("PTR", "codec.test."),
        ("CAA", '0 issue "ca.test"'),
        ("NAPTR", '10 100 "s" "SIP+D2U" "" _sip._udp.test.'),
        ("HTTPS", '1 . alpn="h2"'),
    ],
)
def test_each_type_has_its_text(type_: str, data: str) -> None:
    query = Query("codec.test", type_)
    read = decode(answer(query, f"codec.test. 60 IN {type_} {data}"), query, ID)
    assert read is not None
    assert read.texts == (f"{type_} {data}",)
    assert read.wanted == 1
    assert read.serial == (2025050800 if type_ == "SOA" else None)


def test_of_many_records_the_first_are_told_and_all_are_counted() -> None:
    query = Query("codec.test", "A")
    many = [f"codec.test. 60 IN A 192.0.{i // 250}.{i % 250}" for i in range(600)]
    read = decode(answer(query, *many), query, ID)
    assert read is not None
    assert (read.wanted, len(read.texts), read.counts[0]) == (600, MAX_TEXTS, 600)


@pytest.mark.parametrize("rcode", [0, 2, 3, 5, 16, 23])
def test_response_codes_reach_beyond_four_bits(rcode: int) -> None:
    """EDNS carries the rest of them (RFC 6891, 6.1.3)."""
    query = Query("codec.test")
    read = decode(answer(query, rcode=rcode), query, ID)
    assert read is not None
    assert read.rcode == rcode


def test_response_codes_have_names() -> None:
    assert [rcode_name(code) for code in (0, 3, 16, 3841)] == ["NOERROR", "NXDOMAIN", "BADVERS", "RCODE3841"]


def test_what_answers_another_question_is_not_ours() -> None:
    """Another id, another name, another type; capitals do not matter."""
    query = Query("codec.test")
    assert decode(answer(query, message_id=1), query, ID) is None
    assert decode(answer(Query("other.test")), query, ID) is None
    assert decode(answer(Query("codec.test", "AAAA")), query, ID) is None
    assert decode(answer(Query("CODEC.test")), query, ID) is not None


def test_an_error_may_leave_the_question_out() -> None:
    bare = ID.to_bytes(2, "big") + b"\x80\x01" + bytes(8)
    assert decode(bare, Query("codec.test"), ID) == Answer(1)
    assert decode(ID.to_bytes(2, "big") + b"\x80\x00" + bytes(8), Query("codec.test"), ID) is None


def test_of_a_truncated_answer_nothing_else_is_read() -> None:
    query = Query("codec.test")
    cut = answer(query, "codec.test. 60 IN A 192.0.2.1", flags=dns.flags.TC)[:-20]
    assert decode(cut, query, ID) == Answer(0, truncated=True)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:11],
        lambda data: data[:-1],
        lambda data: data[:7] + b"\xff" + data[8:],
        lambda data: data[:2] + b"\x00" + data[3:],
        lambda data: data[:2] + b"\xa0" + data[3:],
        lambda data: data.replace(b"\x04\xc0\x00\x02\x01", b"\x03\xc0\x00\x02\x01"),
        lambda data: data.replace(b"\xc0\x0c", b"\x80\x0c"),
    ],
    ids=["head", "cut", "counts", "a query", "an update", "short address", "label type"],
)
def test_what_is_no_answer_is_refused(spoil: object) -> None:
    query = Query("codec.test")
    good = answer(query, "codec.test. 60 IN A 192.0.2.1")
    assert decode(good, query, ID) is not None
    with pytest.raises(DnsError):
        decode(spoil(good), query, ID)


@pytest.mark.parametrize("pointer", [b"\xc0\x0c", b"\xc0\xff", b"\xff\xff"])
def test_a_name_that_points_to_itself_or_beyond_is_refused(pointer: bytes) -> None:
    query = Query("codec.test", "NS")
    good = answer(query, "codec.test. 60 IN NS ns.codec.test.")
    at = good.index(b"\x02ns\xc0")
    loop = b"\xc0" + bytes((at,)) if pointer == b"\xc0\x0c" else pointer
    with pytest.raises(DnsError, match="NS record"):
        decode(good[:at] + b"\x02ns" + loop + good[at + 5 :], query, ID)


def test_a_message_in_a_stream_comes_after_its_length() -> None:
    assert framed(b"x" * 300) == b"\x01\x2c" + b"x" * 300
    assert rest_bytes(b"\x01\x2c") == 300
    with pytest.raises(DnsError, match="a message of 11 bytes"):
        rest_bytes(b"\x00\x0b")


BODY = answer(Query("codec.test", "MX"), "codec.test. 60 IN MX 10 mail.codec.test.", "codec.test. 60 IN CNAME a.test.")


@given(st.binary(max_size=200), st.integers(0, len(BODY)), st.integers(0, 40))
def test_any_bytes_are_an_answer_or_a_dns_error(noise: bytes, at: int, removed: int) -> None:
    """Bytes of any sort in the middle of a good answer."""
    try:
        read = decode(BODY[:at] + noise + BODY[at + removed :], Query("codec.test", "MX"), ID)
    except DnsError:
        return
    assert read is None or len(read.texts) <= MAX_TEXTS
