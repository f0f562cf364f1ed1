"""Every point has one cell, whatever the inventory looks like."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from monitor.core.model import District, Inventory, Mode, Point, Tier
from monitor.web.layout import AUTO, FARTHEST, Tile, gap, hole, lay_out

CODES = ("380", "384", "999")

points = st.builds(
    Point,
    id=st.uuids().map(str),
    name=st.text(max_size=20),
    tier=st.sampled_from(Tier),
    mode=st.sampled_from(Mode),
    district_code=st.sampled_from([*CODES, None]),
    commune_code=st.none() | st.text("0123456789", min_size=5, max_size=5),
)
places = st.dictionaries(
    st.sampled_from(CODES[:2]), st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), max_size=2
)


def inventory_of(some: list[Point], placed: dict[str, tuple[int, int]]) -> Inventory:
    districts = {code: District(code, f"Huyện {code}", *place) for code, place in placed.items()}
    return Inventory({point.id: point for point in some}, {}, {}, districts)


@given(st.lists(points, max_size=30), places)
def test_each_point_is_seated_once_and_the_runs_count_them(
    some: list[Point], placed: dict[str, tuple[int, int]]
) -> None:
    """Cells are numbered through all tiles; runs and ids agree on tier and expectation."""
    layout = lay_out(inventory_of(some, placed))
    assert sorted(layout.ids) == sorted(point.id for point in some)
    by_id = {point.id: point for point in some}
    seats = iter(layout.ids)
    for tile in layout.tiles:
        for tier, expected, number in tile.runs:
            for _ in range(number):
                point = by_id[next(seats)]
                assert (point.tier, point.expected, point.district_code or "") == (tier, expected, tile.code)
        assert tile.column == AUTO or 0 <= tile.column <= FARTHEST


@given(st.lists(points, max_size=10), places)
def test_the_version_is_that_of_the_content(some: list[Point], placed: dict[str, tuple[int, int]]) -> None:
    """The same inventory read again is the same layout; another point makes it another."""
    layout = lay_out(inventory_of(some, placed))
    assert layout.version == lay_out(inventory_of(list(some), dict(placed))).version
    extra = Point(id="extra", name="Thêm", tier=Tier.VILLAGE, mode=Mode.WATCH)
    assert layout.version != lay_out(inventory_of([*some, extra], placed)).version


def test_the_tiers_stand_from_high_to_low_and_who_is_not_expected_last(make_province: Callable[..., Inventory]) -> None:
    layout = lay_out(make_province(5000))
    assert len(layout.ids) == 5000
    home, *districts = layout.tiles
    assert [run[0] for run in home.runs] == [Tier.PROVINCE, Tier.AGENCY]
    assert [run[:2] for run in districts[0].runs] == [
        (Tier.DISTRICT, True),
        (Tier.COMMUNE, True),
        (Tier.VILLAGE, True),
        (Tier.VILLAGE, False),
    ]


def test_the_provinces_own_points_fill_the_longest_gap_of_the_map() -> None:
    """Two districts in the west of the first row, five below: the gap is east of the two."""
    districts = [
        District("1", "a", 0, 0),
        District("2", "b", 1, 0),
        *(District(str(9 + i), "c", i, 1) for i in range(7)),
    ]
    assert gap(districts) == (2, 0, 5)
    assert gap([]) == (AUTO, AUTO, 1)


def test_a_district_without_a_place_has_a_tile_all_the_same() -> None:
    point = Point(id="a", name="A", tier=Tier.COMMUNE, mode=Mode.WATCH, district_code="123")
    (tile,) = lay_out(inventory_of([point], {})).tiles
    assert (tile.name, tile.column) == ("Địa bàn 123", AUTO)


grids = st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=40)


def tiles_of(taken: set[tuple[int, int]]) -> list[Tile]:
    return [Tile("", "", "", column, row, 1, ()) for column, row in taken]


@given(grids)
def test_the_hole_is_free_within_the_map_and_none_is_larger(taken: set[tuple[int, int]]) -> None:
    """Against every rectangle there is."""
    columns, rows = (max((place[i] for place in taken), default=-1) + 1 for i in (0, 1))
    free = [
        (width * height, column, row, width, height)
        for column in range(columns)
        for row in range(rows)
        for width in range(2, columns - column + 1)
        for height in range(3, rows - row + 1)
        if not any((column + i, row + j) in taken for i in range(width) for j in range(height))
    ]
    found = hole(tiles_of(taken), columns)
    if found is None:
        assert not free
    else:
        assert (found[2] * found[3], *found) in free
        assert found[2] * found[3] == max(free)[0]


def test_tiles_without_a_place_fill_what_is_free() -> None:
    """So nothing else may."""
    corners = {(0, 0), (5, 5)}
    assert hole(tiles_of(corners), 6) == (1, 0, 5, 5)
    assert hole([*tiles_of(corners), Tile("x", "", "", AUTO, AUTO, 1, ())], 6) is None
