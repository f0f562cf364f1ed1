import csv
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.configuration import load
from monitor.configuration.inventory import canonical
from monitor.core.model import District, Mode, NodeKind, Point, Tier


def test_points_are_read_in_the_order_of_the_file(config: Path) -> None:
    inventory = load(config).inventory
    assert list(inventory.points) == ["TU", "D-380", "C-14755", "C-14758", "V-1", "V-2", "V-3", "V-4"]
    assert inventory.points["C-14758"] == Point(
        id="C-14758",
        name="Phường Đông Thọ, hội trường",
        tier=Tier.COMMUNE,
        mode=Mode.WATCH,
        district_code="380",
        commune_code="14758",
        address="hoi-truong.dong-tho.example",
        network_node="acc-1",
        power_node="tr-2",
        backup_link="4g",
        check_set="village",
    )
    assert inventory.points["TU"].ups_minutes == 30
    assert inventory.points["V-3"].merged_into == "C-14755"


def test_both_trees_are_read(config: Path) -> None:
    inventory = load(config).inventory
    assert [node.id for node in inventory.ancestors("acc-1")] == ["acc-1", "agg-380", "core-1"]
    assert [node.kind for node in inventory.ancestors("tr-2")] == [
        NodeKind.TRANSFORMER,
        NodeKind.FEEDER,
        NodeKind.SUBSTATION,
    ]
    assert inventory.network["acc-1"].powered_by == "tr-2"
    assert inventory.power_operator(inventory.points["V-1"]) == "Điện lực Thành phố"


def test_a_workbook_makes_the_same_inventory(config: Path) -> None:
    """The same rows, with the codes as the numbers that Excel makes of them."""
    expected = load(config).inventory
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    with (config / "points.csv").open(encoding="utf-8") as file:
        for row in csv.reader(file):
            sheet.append([float(cell) if cell.isdecimal() else cell or None for cell in row])
    workbook.save(config / "points.xlsx")
    (config / "points.csv").unlink()
    assert load(config).inventory == expected


def test_only_the_required_columns_need_be_there(config: Path) -> None:
    (config / "points.csv").write_text("mode,tier,name,id,ghi chú\nwatch,village,Thôn 1,V-1,gọi trước\n")
    (config / "network.csv").write_text("id,parent,name,kind,operator\n")
    (config / "power.csv").write_text("id,parent,name,kind,operator\n")
    inventory = load(config).inventory
    assert inventory.points == {"V-1": Point(id="V-1", name="Thôn 1", tier=Tier.VILLAGE, mode=Mode.WATCH)}
    assert (inventory.network, inventory.power, inventory.districts) == ({}, {}, {})


def test_without_a_table_of_districts_tiles_are_laid_out(config: Path) -> None:
    """A grid as square as can be, of the codes that occur."""
    head = "id,name,tier,mode,district_code\n"
    rows = [f"p{code},Point,commune,no_coverage,{code}\n" for code in (405, 380, 390, 384, 396)]
    (config / "points.csv").write_text(head + "".join(rows))
    assert load(config).inventory.districts == {
        "380": District("380", "380", 0, 0),
        "384": District("384", "384", 1, 0),
        "390": District("390", "390", 2, 0),
        "396": District("396", "396", 0, 1),
        "405": District("405", "405", 1, 1),
    }


def test_districts_are_those_of_their_table(config: Path) -> None:
    (config / "districts.csv").write_text("code,name,column,row\n380,Thành phố,4,3\n393,Bỉm Sơn,0,1\n")
    assert load(config).inventory.districts["393"] == District("393", "Bỉm Sơn", 0, 1)


@pytest.mark.parametrize(
    ("written", "one_spelling"),
    [
        ("10.38.1.2", "10.38.1.2"),
        ("2001:DB8:0::7", "2001:db8::7"),
        ("::ffff:10.38.1.2", "::ffff:10.38.1.2"),
        ("Codec-1.Example.VN.", "codec-1.example.vn."),
        ("localhost", "localhost"),
        ("1a.2b", "1a.2b"),
        ("10.38.1.999", None),
        ("10.38.1", None),
        ("1.2.3.4.5", None),
        ("fe80::1::2", None),
        ("a_b", None),
        ("a-", None),
        ("x" * 64, None),
        (".".join(["x" * 60] * 5), None),
        ("[2001:db8::7]", None),
        ("239.1.2.3", None),
        ("0.0.0.0", None),  # noqa: S104  (refused)
    ],
)
def test_an_address_has_one_spelling_or_is_none(written: str, one_spelling: str | None) -> None:
    assert canonical(written) in (one_spelling, str(one_spelling).replace("10.38.1.2", "a26:102"))


@given(st.ip_addresses() | st.text() | st.from_regex(r"[a-z0-9.:-]{1,40}"))
def test_an_address_in_its_one_spelling_stays_as_it_is(written: object) -> None:
    address = canonical(str(written))
    assert address is None or canonical(address) == address


def test_a_chain_of_nodes_of_any_length_is_read(config: Path) -> None:
    """No recursion: a tree may be as deep as the file is long."""
    rows = "".join(f"a-{n},a-{n + 1},Node,access,VNPT\n" for n in range(20_000))
    network = (config / "network.csv").read_text().splitlines()
    stripped = "".join(line.rpartition(",")[0] + "\n" for line in network)
    (config / "network.csv").write_text(stripped + rows + "a-20000,acc-1,Node,access,VNPT\n")
    assert len(load(config).inventory.network) == 20_004
