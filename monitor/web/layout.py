"""Where each point stands on the board: a tile a district, a cell a point. Pure; made anew for each inventory.

A tile map, not a map: districts keep their rough place and all have the same room. Cells are numbered from 0, tile
by tile, in each tile from the higher tiers to the lower and at last those that are not expected, so that everything
later can speak of a point by number.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2s

import msgspec

from monitor.core.model import District, Inventory, Point, Tier
from monitor.web.text import DISTRICT_TYPES, TEXT

AUTO = -1
"""A tile that has no place of its own: after the others, wherever there is room."""
HOME_SPAN = 3
"""The tile of the province's own points takes up to so many columns of a gap in the map."""
HOLE_COLUMNS = 2
HOLE_ROWS = 3
"""A free rectangle of so many places has room for the incidents."""
FARTHEST = 63
"""Columns and rows beyond it are drawn there: a grid has to end somewhere."""

RANK = {tier: rank for rank, tier in enumerate(Tier)}


class Tile(msgspec.Struct, frozen=True):
    """A district, or the province's own points (``code`` is empty then)."""

    code: str
    name: str
    short: str
    column: int
    row: int
    span: int
    runs: tuple[tuple[Tier, bool, int], ...]
    """How many cells of each tier, expected or not, in the order in which they are drawn."""


class Layout(msgspec.Struct, frozen=True):
    """All cells in order, and the tiles that they fill one after the other."""

    version: str
    """Changes with anything else here: a page that was made for another layout has to load again."""
    columns: int
    ids: tuple[str, ...]
    names: tuple[str, ...]
    tiles: tuple[Tile, ...]
    hole: tuple[int, int, int, int] | None
    """Column, row, columns and rows of the largest free rectangle; None where none is worth using."""


def lay_out(inventory: Inventory) -> Layout:
    """Seat every point of the inventory."""
    by_district: dict[str, list[Point]] = {}
    for point in inventory.points.values():
        by_district.setdefault(point.district_code or "", []).append(point)
    for points in by_district.values():
        points.sort(key=lambda point: (not point.expected, RANK[point.tier], point.commune_code or ""))
    tiles = [_tile(code, by_district[code], inventory) for code in by_district]
    tiles.sort(key=lambda tile: (bool(tile.code), tile.row % (FARTHEST + 1), tile.column, tile.code))
    seated = [point for tile in tiles for point in by_district[tile.code]]
    columns = max((tile.column + tile.span for tile in tiles if tile.column != AUTO), default=0)
    ids, names = tuple(point.id for point in seated), tuple(point.name for point in seated)
    version = blake2s(msgspec.json.encode((columns, ids, names, tiles)), digest_size=8).hexdigest()
    return Layout(version, columns, ids, names, tuple(tiles), hole(tiles, columns))


def gap(districts: Iterable[District]) -> tuple[int, int, int]:
    """Column, row and length of the longest run of free places, the uppermost of several; AUTO and 1 without any."""
    taken = {(min(place.column, FARTHEST), min(place.row, FARTHEST)) for place in districts}
    columns = max((column for column, _ in taken), default=-1) + 1
    best = (AUTO, AUTO, 1)
    longest = 0
    for row in sorted({row for _, row in taken}):
        length = 0
        for column in range(columns):
            length = 0 if (column, row) in taken else length + 1
            if length > longest:
                longest, best = length, (column - length + 1, row, length)
    return best


def hole(tiles: Sequence[Tile], columns: int) -> tuple[int, int, int, int] | None:
    """Column, row, columns and rows of the largest free rectangle, the uppermost of several.

    None where none is worth using, and where tiles without a place of their own fill what is free.
    """
    if any(tile.column == AUTO for tile in tiles):
        return None
    taken = {(tile.column + i, tile.row) for tile in tiles for i in range(tile.span)}
    _area, up, left, width, height = max(_rectangles(taken, columns), default=(0, 0, 0, 0, 0))
    return (-left, -up, width, height) if width else None


def _rectangles(taken: set[tuple[int, int]], columns: int) -> Iterator[tuple[int, int, int, int, int]]:
    """Free rectangles worth using: area, minus row, minus column, columns, rows."""
    free_above = [0] * columns
    for row in range(max((row for _, row in taken), default=-1) + 1):
        free_above = [0 if (column, row) in taken else free_above[column] + 1 for column in range(columns)]
        for first in range(columns):
            height = row + 1
            for last in range(first, columns):
                height = min(height, free_above[last])
                if height < HOLE_ROWS:
                    break
                if (width := last - first + 1) >= HOLE_COLUMNS:
                    yield width * height, height - row - 1, -first, width, height


def _tile(code: str, points: list[Point], inventory: Inventory) -> Tile:
    runs = Counter((point.tier, point.expected) for point in points)
    name = _name(code, inventory)
    column, row, span = _place(code, inventory)
    return Tile(code, name, _short(name), column, row, span, tuple((*run, number) for run, number in runs.items()))


def _place(code: str, inventory: Inventory) -> tuple[int, int, int]:
    if not code:
        column, row, length = gap(inventory.districts.values())
        span = min(length, HOME_SPAN)
        return (column + length - span if column != AUTO else AUTO), row, span
    district = inventory.districts.get(code)
    if district is None:
        return AUTO, AUTO, 1
    return min(district.column, FARTHEST), min(district.row, FARTHEST), 1


def _name(code: str, inventory: Inventory) -> str:
    if not code:
        return TEXT["province_tile"]
    return inventory.districts[code].name if code in inventory.districts else TEXT["district_unknown"].format(code=code)


def _short(name: str) -> str:
    for kind in DISTRICT_TYPES:
        if name.startswith(kind):
            return name.removeprefix(kind)
    return name
