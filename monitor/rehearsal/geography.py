"""The facts of Thanh Hóa that the sample stands on: districts, communes with official codes, electricity branches.

Tables and two files of ``data/``; nothing here is drawn from a seed. ``data/SOURCES.md`` says where each comes from.
"""

import csv
import re
from collections.abc import Iterator
from enum import IntEnum
from functools import cache
from importlib import resources

import msgspec

from monitor.core.model import District


class Region(IntEnum):
    """A part of the province; the value counts the mobile carrier's aggregation nodes."""

    NORTH_WEST = 1
    SOUTH_WEST = 2
    DELTA = 3
    COAST = 4

    @property
    def highland(self) -> bool:
        """Whether it is one of the eleven mountain districts: hamlets (bản), more 4G, less coverage."""
        return self <= Region.SOUTH_WEST


REGION_NAMES = {
    Region.NORTH_WEST: "miền núi phía tây bắc",
    Region.SOUTH_WEST: "miền núi phía tây nam",
    Region.DELTA: "đồng bằng",
    Region.COAST: "ven biển",
}

TILES: dict[str, tuple[int, int, Region]] = {
    "384": (0, 0, Region.NORTH_WEST),  # Mường Lát
    "385": (1, 0, Region.NORTH_WEST),  # Quan Hóa
    "387": (1, 1, Region.NORTH_WEST),  # Quan Sơn
    "386": (2, 1, Region.NORTH_WEST),  # Bá Thước
    "390": (3, 1, Region.NORTH_WEST),  # Cẩm Thủy
    "391": (4, 1, Region.NORTH_WEST),  # Thạch Thành
    "381": (5, 1, Region.DELTA),  # Bỉm Sơn
    "388": (2, 2, Region.NORTH_WEST),  # Lang Chánh
    "389": (3, 2, Region.NORTH_WEST),  # Ngọc Lặc
    "393": (4, 2, Region.DELTA),  # Vĩnh Lộc
    "392": (5, 2, Region.DELTA),  # Hà Trung
    "401": (6, 2, Region.COAST),  # Nga Sơn
    "396": (2, 3, Region.SOUTH_WEST),  # Thường Xuân
    "395": (3, 3, Region.DELTA),  # Thọ Xuân
    "394": (4, 3, Region.DELTA),  # Yên Định
    "398": (5, 3, Region.DELTA),  # Thiệu Hóa
    "400": (6, 3, Region.COAST),  # Hậu Lộc
    "402": (2, 4, Region.SOUTH_WEST),  # Như Xuân
    "403": (3, 4, Region.SOUTH_WEST),  # Như Thanh
    "397": (4, 4, Region.DELTA),  # Triệu Sơn
    "380": (5, 4, Region.DELTA),  # Thành phố Thanh Hóa
    "399": (6, 4, Region.COAST),  # Hoằng Hóa
    "404": (4, 5, Region.DELTA),  # Nông Cống
    "406": (5, 5, Region.COAST),  # Quảng Xương
    "382": (6, 5, Region.COAST),  # Sầm Sơn
    "407": (5, 6, Region.COAST),  # Nghi Sơn
}
"""District code → column, row and region. Schematic: the province reads as on a map, Laos left, the sea right."""

CAPITAL = "380"
"""The district where the province's own institutions sit."""

LONG_LINE_DISTRICT, LONG_LINE_FED_FROM = "384", "385"
LONG_LINE_COMMUNES = frozenset({"14872", "14875", "14878", "14881", "14884"})
"""One 35 kV line feeds all of Mường Lát and these communes of Quan Hóa. In 2018 a truck broke two of its poles and all
of them were dark until the next morning. Which communes of Quan Hóa is made up."""

DONG_SON = range(16378, 16436)
"""Commune codes of the old district Đông Sơn, since 2025 within the capital, with an electricity branch of its own."""
DONG_SON_BRANCH = "Điện lực Đông Sơn"


class Commune(msgspec.Struct, frozen=True):
    """A commune (xã, phường, thị trấn). Its code is the key: eighteen names occur in more than one district."""

    code: str
    name: str
    """With its type in front: ``Xã Xuân Lộc``."""
    type: str
    district: str
    """The district's code."""

    @property
    def bare_name(self) -> str:
        """Without its type: ``Xuân Lộc``."""
        return self.name.removeprefix(self.type).strip()

    @property
    def in_text(self) -> str:
        """As it stands in the middle of a name: ``xã Xuân Lộc``."""
        return f"{self.type.lower()} {self.bare_name}"


def read_data(name: str) -> str:
    """The text of a file of ``data/``."""
    return resources.files("monitor.rehearsal").joinpath("data", name).read_text(encoding="utf-8")


def _rows(name: str) -> Iterator[dict[str, str]]:
    return csv.DictReader(read_data(name).splitlines())


@cache
def communes() -> tuple[Commune, ...]:
    """The 547 communes as in force in May 2025, in the order of the official file."""
    return tuple(
        Commune(row["commune_code"], row["commune_name"], row["commune_type"], row["district_code"])
        for row in _rows("thanhhoa_communes_2025-05.csv")
    )


@cache
def districts() -> tuple[District, ...]:
    """The 26 districts in order of their codes, each with its tile."""
    names = {row["district_code"]: row["district_name"] for row in _rows("thanhhoa_communes_2025-05.csv")}
    return tuple(District(code, names[code], *TILES[code][:2]) for code in sorted(names))


def region(district: str) -> Region:
    """The region of a district code."""
    return TILES[district][2]


@cache
def _branches() -> dict[str, str]:
    return {
        code: row["branch"]
        for row in _rows("pc_thanhhoa_branches_INFERRED.csv")
        if row["branch"] != DONG_SON_BRANCH
        for code in re.findall(r"\d+", row["district_codes_2025"])
    }


def branch(district: str, commune: str | None = None) -> str:
    """The electricity branch that serves a district, or one commune of it."""
    if commune is not None and int(commune) in DONG_SON:
        return DONG_SON_BRANCH
    return _branches()[district]
