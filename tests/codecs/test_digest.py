"""Challenges for a password."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.codecs import digest
from probes.codecs.digest import Challenge, ChallengeError

RFC_2617 = (
    'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
    'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
)
RFC_7616 = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


def response_of(header: str) -> str:
    return header.partition('response="')[2].partition('"')[0]


def test_the_example_of_rfc_2617() -> None:
    """Section 3.5."""
    told = digest.respond(digest.read(RFC_2617), "GET", "/dir/index.html", "Mufasa", "Circle Of Life", "0a4f113b")
    assert response_of(told) == "6629fae49393a05397450978507c4ef1"


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616(algorithm: str, response: str) -> None:
    """Section 3.9.1."""
    challenge = digest.read(RFC_7616.format(algorithm))
    told = digest.respond(challenge, "GET", "/dir/index.html", "Mufasa", "Circle of Life", CNONCE)
    assert response_of(told) == response
    assert 'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"' in told


def test_each_answer_to_one_challenge_is_counted() -> None:
    """RFC 7616, section 3.4: a count that does not rise is a replay."""
    first, second = (digest.respond(digest.read(RFC_2617), "GET", "/", "u", "p", "c", count) for count in (1, 2))
    assert "nc=00000001" in first
    assert "nc=00000002" in second
    assert response_of(first) != response_of(second)


def test_an_algorithm_is_named_where_the_server_named_one() -> None:
    assert "algorithm" not in digest.respond(digest.read(RFC_2617), "GET", "/", "u", "p", "c")
    assert "algorithm=MD5" in digest.respond(digest.read(RFC_7616.format("MD5")), "GET", "/", "u", "p", "c")


def test_a_server_of_rfc_2069_offers_no_quality() -> None:
    """As GStreamer's: the hash of three parts, without a nonce of ours."""
    told = digest.respond(digest.read('Digest realm="r", nonce="n"'), "DESCRIBE", "rtsp://x/", "u", "p", "unused")
    assert "cnonce" not in told
    assert len(response_of(told)) == 32


def test_basic_is_the_name_and_the_password() -> None:
    """RFC 7617, section 2."""
    challenge = digest.read('Basic realm="WallyWorld"')
    assert digest.respond(challenge, "GET", "/", "Aladdin", "open sesame", "") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


def test_the_best_of_several_is_chosen() -> None:
    offers = [
        'Basic realm="r"',
        "Negotiate",
        'Digest realm="r", nonce="n"',
        'Digest realm="r",nonce="n",algorithm=SHA-256',
    ]
    assert digest.choose(offers).algorithm == "SHA-256"
    assert digest.choose(offers[:3]) == Challenge("digest", "r", "n")
    assert digest.choose(offers[:2]).scheme == "basic"


@pytest.mark.parametrize(
    "header",
    [
        'Basic realm="other", Digest realm="r, Basic realm=x", nonce="n"',
        'Digest realm="r, Basic realm=x", nonce="n", Basic realm="other"',
        'Negotiate, Bearer abc==, Digest realm="r, Basic realm=x" , nonce = n, Basic realm="other"',
    ],
)
def test_several_challenges_in_one_header_are_told_apart(header: str) -> None:
    """RFC 9110, section 11.6.1: Digest is not given up for Basic, nor answered with the other's realm."""
    assert digest.read(header) == Challenge("digest", "r, Basic realm=x", "n")


@pytest.mark.parametrize(
    "header",
    ["", "Bearer x", 'Digest realm="r"', 'Digest realm="r", nonce="n", algorithm=MD5-sess', "Digest " + "x" * 5000,
     'Digest realm="r", nonce="n", qop="auth-int"'],
)  # fmt: skip
def test_what_cannot_be_answered_is_said(header: str) -> None:
    with pytest.raises(ChallengeError):
        digest.choose([header])


@given(st.text(max_size=300), st.text(max_size=20))
def test_whatever_is_asked_the_answer_is_one_line(header: str, name: str) -> None:
    with suppress(ChallengeError):
        told = digest.respond(digest.read(header), "DESCRIBE", "rtsp://x/", name, "p", "c")
        assert told.isprintable()


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40))
def test_a_realm_is_given_back_as_it_came(realm: str) -> None:
    quoted = realm.replace("\\", "\\\\").replace('"', '\\"')
    assert digest.read(f'Digest realm="{quoted}", nonce="n"').realm == realm
