import csv
from collections import Counter
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor import rehearsal
from monitor.core.model import Inventory, Mode, NodeKind, Tier
from monitor.rehearsal import geography, province, sample, trees

OFFICIAL = Path(rehearsal.__file__).parent / "data" / "thanhhoa_communes_2025-05.csv"

PARENTS = {
    NodeKind.CORE: {None},
    NodeKind.AGGREGATION: {NodeKind.CORE, NodeKind.AGGREGATION},
    NodeKind.ACCESS: {NodeKind.AGGREGATION},
    NodeKind.SUBSTATION: {None},
    NodeKind.FEEDER: {NodeKind.SUBSTATION},
    NodeKind.TRANSFORMER: {NodeKind.FEEDER},
}


@pytest.fixture(scope="module")
def thanh_hoa() -> Inventory:
    return province.make()


def test_counts_are_those_of_the_plan_and_of_the_day(thanh_hoa: Inventory) -> None:
    """4,985 points in the plan, 1,018 taking part, 118 villages without coverage."""
    points = thanh_hoa.points.values()
    assert Counter(point.tier for point in points) == {
        Tier.PROVINCE: 1,
        Tier.AGENCY: 60,
        Tier.DISTRICT: 26,
        Tier.COMMUNE: 547,
        Tier.VILLAGE: 4_351,
    }
    assert sum(point.expected for point in points) == 1_018
    villages = Counter(point.mode for point in points if point.tier is Tier.VILLAGE)
    assert villages == {Mode.WATCH: 384, Mode.NO_COVERAGE: 118, Mode.MERGED: 3_849}


def test_codes_and_names_are_the_official_ones(thanh_hoa: Inventory) -> None:
    with OFFICIAL.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    communes = [point for point in thanh_hoa.points.values() if point.tier is Tier.COMMUNE]
    assert [(row["commune_code"], row["commune_name"], row["district_code"]) for row in rows] == [
        (point.commune_code, point.name, point.district_code) for point in communes
    ]
    assert {row["district_code"]: row["district_name"] for row in rows} == {
        district.code: district.name for district in thanh_hoa.districts.values()
    }


def test_villages_are_spread_over_the_communes(thanh_hoa: Inventory) -> None:
    """Every commune has 3 to 16 villages, a quarter of them on 4G."""
    villages = [point for point in thanh_hoa.points.values() if point.tier is Tier.VILLAGE]
    shares = Counter(point.commune_code for point in villages)
    assert len(shares) == 547
    assert min(shares.values()) >= 3
    assert max(shares.values()) <= 16
    assert 0.2 < sum(point.check_set == "village_4g" for point in villages) / len(villages) < 0.3
    assert {point.check_set for point in thanh_hoa.points.values()} == {None, "village_4g", "village_nat"}


def test_a_third_of_the_villages_that_watch_on_fibre_are_heard_by_their_page_alone(thanh_hoa: Inventory) -> None:
    watching = [point for point in thanh_hoa.points.values() if point.tier is Tier.VILLAGE and point.expected]
    sets = Counter(point.check_set for point in watching)
    assert 0 <= sets[None] - 2 * sets["village_nat"] <= 2
    hidden = [point for point in thanh_hoa.points.values() if point.check_set == "village_nat"]
    assert all(point.mode is Mode.WATCH and point.address for point in hidden)


def test_who_speaks(thanh_hoa: Inventory) -> None:
    roles = {point.id: point.role for point in thanh_hoa.points.values() if point.role}
    assert roles == {"tinh-uy": "host", "h-407": "speaker"}


def test_trees_have_a_plausible_shape(thanh_hoa: Inventory) -> None:
    """About 850 network and 1,500 power nodes; the districts' hubs are children of the one core of VNPT."""
    assert 800 <= len(thanh_hoa.network) <= 900
    power = Counter(node.kind for node in thanh_hoa.power.values())
    assert 1_400 <= power.total() <= 1_600
    assert 25 <= power[NodeKind.SUBSTATION] <= 40
    assert 180 <= power[NodeKind.FEEDER] <= 250
    assert {thanh_hoa.network[f"agg-{code}"].parent for code in thanh_hoa.districts} == {"core"}


def test_one_line_feeds_all_of_muong_lat_and_a_part_of_quan_hoa(thanh_hoa: Inventory) -> None:
    """As in 2018, when two broken poles left both in the dark."""
    on_the_line = {
        point.id
        for point in thanh_hoa.points.values()
        if point.power_node and any(node.id == "feeder-384-1" for node in thanh_hoa.ancestors(point.power_node))
    }
    muong_lat = {point.id for point in thanh_hoa.points.values() if point.district_code == "384"}
    quan_hoa = {point.id for point in thanh_hoa.points.values() if point.district_code == "385"}
    assert muong_lat <= on_the_line
    assert 0 < len(quan_hoa & on_the_line) < len(quan_hoa)
    assert on_the_line <= muong_lat | quan_hoa


def test_every_transformer_belongs_to_the_branch_of_its_district(thanh_hoa: Inventory) -> None:
    owners = {
        point.district_code: thanh_hoa.power_operator(point)
        for point in thanh_hoa.points.values()
        if point.tier is Tier.DISTRICT
    }
    assert owners["388"] == owners["389"] == "Điện lực khu vực Ngọc Lặc - Lang Chánh"
    assert thanh_hoa.power_operator(thanh_hoa.points["x-16378"]) == "Điện lực Đông Sơn"
    assert len(set(owners.values())) == 23, "24 branches; Đông Sơn serves no district's hall"


def test_tiles_share_no_cell_and_lie_as_on_a_map(thanh_hoa: Inventory) -> None:
    """Mường Lát is the north-west corner, Nghi Sơn the south, the sea lies to the right."""
    tiles = {code: (district.column, district.row) for code, district in thanh_hoa.districts.items()}
    assert len(set(tiles.values())) == 26
    assert tiles["384"] == (0, 0)
    assert max(tiles, key=lambda code: tiles[code][1]) == "407"
    rightmost = max(column for column, _ in tiles.values())
    assert {code for code, (column, _) in tiles.items() if column == rightmost} == {"382", "399", "400", "401"}
    assert all(geography.region(code).highland for code, (column, _) in tiles.items() if column <= 2)


sizes = st.integers(province.FEWEST, 7_000)


@settings(max_examples=15, deadline=None)
@given(points=sizes, seed=st.integers(0, 2**32))
def test_any_size_is_whole(points: int, seed: int) -> None:
    """Ids and addresses are distinct, every reference resolves, both trees are trees, who is merged has a host."""
    made = province.make(points, seed)
    assert_whole(made, points)


@settings(max_examples=5, deadline=None)
@given(points=sizes, seed=st.integers())
def test_the_same_seed_makes_the_same_bytes(points: int, seed: int) -> None:
    assert sample.files(province.make(points, seed)) == sample.files(province.make(points, seed))


def test_another_seed_makes_another_province_with_the_same_counts() -> None:
    one, other = province.make(seed=1), province.make(seed=2)
    assert one != other
    assert sum(point.expected for point in other.points.values()) == 1_018


def test_a_hundred_thousand_points() -> None:
    """The trees grow in proportion, and every point still has an address of its own."""
    made = province.make(100_000)
    assert_whole(made, 100_000)
    assert 15_000 <= len(made.network) <= 22_000
    assert 23_000 <= len(made.power) <= 32_000
    fixed = Counter(node.parent for node in made.network.values() if node.operator == trees.CARRIER)
    assert max(fixed.values()) < 100


def test_the_largest_province_fits_the_network() -> None:
    addresses = [ip_address(point.address or "") for point in province.make(province.MOST).points.values()]
    assert all(address in province.NETWORK for address in (addresses[0], addresses[-1]))


@pytest.mark.parametrize("points", [0, province.FEWEST - 1, province.MOST + 1])
def test_sizes_that_cannot_be_made_up_are_refused(points: int) -> None:
    with pytest.raises(ValueError, match="a sample has 700 to 129,794 points"):
        province.make(points)


def assert_whole(made: Inventory, points: int) -> None:
    assert len(made.points) == points
    assert_addresses(made)
    assert not made.network.keys() & made.power.keys()
    for tree in (made.network, made.power):
        for node in tree.values():
            kind = tree[node.parent].kind if node.parent else None
            assert kind in PARENTS[node.kind]
            assert node.powered_by is None or node.powered_by in made.power
            assert node.operator
    assert_acyclic(made)
    for point in made.points.values():
        assert point.network_node in made.network
        assert point.power_node in made.power
        assert point.district_code is None or point.district_code in made.districts
        assert (point.mode is Mode.MERGED) == (point.merged_into is not None)
        assert point.merged_into is None or made.points[point.merged_into].expected


def assert_addresses(made: Inventory) -> None:
    """All distinct, none of the 256 that belong to the centre and its gateway."""
    addresses = {int(ip_address(point.address or "")) for point in made.points.values()}
    assert len(addresses) == len(made.points)
    assert min(addresses) >= int(province.NETWORK.network_address) + 256
    assert max(addresses) < int(province.NETWORK.broadcast_address)


def assert_acyclic(made: Inventory) -> None:
    """Every node's parent stands before it, so there is no cycle."""
    for tree in (made.network, made.power):
        order = {node_id: position for position, node_id in enumerate(tree)}
        assert all(node.parent is None or order[node.parent] < order[node.id] for node in tree.values())
