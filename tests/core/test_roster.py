"""Who of the platform's participants is which point."""

import pytest

from monitor.core.model import District, Inventory, Mode, Point, Tier
from monitor.core.roster import Register, spoken, unaccented


def point(point_id: str, name: str, district: str, mode: Mode = Mode.TWO_WAY) -> Point:
    return Point(id=point_id, name=name, tier=Tier.COMMUNE, mode=mode, district_code=district)


POINTS = (
    point("xa-1", "Xã Xuân Lộc", "1"),
    point("xa-2", "Xã Xuân Lộc", "2"),
    point("xa-3", "Xã Quảng Hùng", "2"),
    point("xa-4", "Xã Ghép", "2", Mode.MERGED),
)
DISTRICTS = {"1": District("1", "Huyện Thường Xuân", 0, 0), "2": District("2", "Thị xã Nghi Sơn", 1, 0)}


@pytest.fixture
def register() -> Register:
    return Register(Inventory({each.id: each for each in POINTS}, {}, {}, DISTRICTS))


@pytest.mark.parametrize(
    ("name", "point_id"),
    [
        ("xa-3", "xa-3"),
        ("Xã Quảng Hùng", "xa-3"),
        ("  XÃ QUẢNG   HÙNG. ", "xa-3"),
        ("Xa Quang Hung", "xa-3"),
        ("Xã Quảng Hùng - Nghi Sơn", "xa-3"),
        ("Nghi Sơn: Xã Quảng Hùng", "xa-3"),
        ("Xã Xuân Lộc - Huyện Thường Xuân", "xa-1"),
        ("xuan loc", None),
        ("Xã Xuân Lộc", None),
        ("Xã Ghép", None),
        ("", None),
        ("...", None),
        ("Khách", None),
    ],
)
def test_a_name_leads_to_one_point_or_to_none(register: Register, name: str, point_id: str | None) -> None:
    """Of three communes of one name, none has joined because somebody of that name has."""
    assert register.point_of(name) == point_id


def test_all_who_joined(register: Register) -> None:
    assert register.joined(["Xa Quang Hung", "xa-1", "xa-1", "Ai đó"]) == {"xa-1", "xa-3"}


def test_decomposed_accents_are_the_same_name() -> None:
    assert spoken("Xa\u0303 Hu\u0300ng") == spoken("Xã Hùng")
    assert unaccented(spoken("Đồng Lương")) == "dong luong"
