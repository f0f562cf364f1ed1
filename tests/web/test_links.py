"""Links that hold, and all those that do not."""

import re

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from monitor.web.links import LONGEST_TOKEN, SIGNATURE_BYTES, Links

LINKS = Links(b"a secret of thirty-two bytes ...", 3, {"x-14801": 2}, frozenset({"x-666"}))
ids = st.text(st.characters(codec="utf-8", exclude_characters="/\\"), min_size=1, max_size=64)


@given(ids)
def test_a_link_leads_to_its_point_and_is_one_path_segment(point_id: str) -> None:
    token = LINKS.token(point_id)
    assert LINKS.point_of(token) == point_id
    assert re.fullmatch(r"[A-Za-z0-9_-]+", token)
    assert len(token) <= LONGEST_TOKEN


def test_it_is_short_enough_for_a_small_qr_code() -> None:
    """A village's link under a host name of usual length fits version 5 (37 modules) with medium correction."""
    assert len(LINKS.token("t-14801-1234")) <= 40


@given(ids, ids)
def test_points_do_not_share_links(one: str, other: str) -> None:
    assume(one != other)
    assert LINKS.token(one) != LINKS.token(other)


@given(st.text() | st.text("ABCabc-_09", max_size=400))
def test_what_was_not_signed_is_nobody(token: str) -> None:
    """Any text at all, without an exception."""
    assert LINKS.point_of(token) is None


@given(ids, st.data())
def test_one_changed_character_undoes_it(point_id: str, data: st.DataObject) -> None:
    """Trailing bits that no byte needs included: a point has exactly one token."""
    token = LINKS.token(point_id)
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/."))
    assume(letter != token[place])
    assert LINKS.point_of(token[:place] + letter + token[place + 1 :]) is None


@pytest.mark.parametrize(
    "spoil", [lambda t: t + "=", lambda t: t + "A", lambda t: t[:-1], lambda t: f" {t}", str.lower]
)
def test_a_token_has_one_spelling(spoil: "type[str]") -> None:
    assert LINKS.point_of(spoil(LINKS.token("x-14801"))) is None


def test_nothing_is_empty() -> None:
    """The signature of no id at all is no link either."""
    assert LINKS.point_of("") is None
    assert LINKS.point_of(LINKS.token("")) is None
    assert LINKS.point_of("A" * LONGEST_TOKEN) is None
    assert LINKS.point_of("A" * 1_000_000) is None


def test_rotation_of_all_and_of_one() -> None:
    """All: no old link holds. One: only that point's is another."""
    token, neighbour = LINKS.token("x-14801"), LINKS.token("x-14802")
    all_new = msgspec.structs.replace(LINKS, generation=4)
    assert all_new.point_of(token) is None
    assert all_new.point_of(neighbour) is None
    one_new = msgspec.structs.replace(LINKS, generations={"x-14801": 3})
    assert one_new.point_of(token) is None
    assert one_new.point_of(neighbour) == "x-14802"
    assert one_new.point_of(one_new.token("x-14801")) == "x-14801"


def test_revocation() -> None:
    """The link of a revoked point does not hold although it was signed."""
    assert LINKS.point_of(LINKS.token("x-666")) is None


def test_another_secret() -> None:
    assert msgspec.structs.replace(LINKS, secret=b"another").point_of(LINKS.token("x-14801")) is None


def test_generations_cannot_be_shifted_into_the_id() -> None:
    """Fields that are signed are parted: 1 and 23 are not 12 and 3."""
    one = Links(b"k", 1, {"p": 23})
    other = Links(b"k", 12, {"p": 3})
    assert one.token("p") != other.token("p")


def test_an_id_of_any_inventory_fits() -> None:
    """64 characters of four bytes each."""
    assert LINKS.point_of(LINKS.token("\U0001f4a1" * 64)) == "\U0001f4a1" * 64
    with pytest.raises(ValueError, match="at most 256 bytes"):
        LINKS.token("\U0001f4a1" * 65)


def test_the_signature_has_128_bits() -> None:
    assert SIGNATURE_BYTES == 16
