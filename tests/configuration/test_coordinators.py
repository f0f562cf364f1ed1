"""Who answers for a district or commune, as it is written."""

import re
from pathlib import Path

import openpyxl
import pytest

from monitor.configuration import InvalidConfiguration, load
from monitor.configuration.coordinators import read
from monitor.configuration.errors import Errors
from monitor.core.organization import Coordinator

ROOT = Path(__file__).parents[2]


def said(config: Path, text: str) -> tuple[dict[str, Coordinator] | None, list[str]]:
    """The coordinators and the errors of a coordinators.csv beside the good configuration."""
    inventory = load(config).inventory
    (config / "coordinators.csv").write_text(text, encoding="utf-8")
    errors = Errors()
    found = read(config, inventory, errors)
    return None if found is None else dict(found), [str(each) for each in errors.invalid().errors]


def test_without_a_file_nobody_is_named(config: Path) -> None:
    assert load(config).coordinators == {}


@pytest.mark.parametrize(
    "text",
    [
        "scope,title,phone\ndistrict:380,Phòng,0000 000 380\ncommune:14755,Phường,\n",
        "district_code,commune_code,title,phone\n380,,Phòng,0000 000 380\n380,14755,Phường,\n",
        "title,commune_code,phone,district_code,họ tên\nPhòng,,0000 000 380,380,x\nPhường,14755,,,y\n",
    ],
    ids=["scopes", "codes", "any order, and columns of others"],
)
def test_by_scope_or_by_codes(config: Path, text: str) -> None:
    found, errors = said(config, text)
    assert errors == []
    assert found == {
        "district:380": Coordinator(scope="district:380", title="Phòng", phone="0000 000 380"),
        "commune:14755": Coordinator(scope="commune:14755", title="Phường"),
    }


@pytest.mark.parametrize(
    "phone",
    ["0237 000 0386", "0237.000.0386", "(0237) 000-0386", "0000000386", "+84 237 000 0386", "1900 0386", "18000386"],
)
def test_phones_are_kept_as_they_are_written(config: Path, phone: str) -> None:
    found, errors = said(config, f'scope,title,phone\ndistrict:380,Phòng,"{phone}"\n')
    assert errors == []
    assert found is not None
    assert found["district:380"].phone == phone


@pytest.mark.parametrize(
    "phone",
    [
        "12",
        "113 114",
        "gọi sau",
        "0237 000 0386; 0237 000 0387",
        "+0 237 000 0386",
        "0" * 12,
        "00-00",
        "２３７０００３８６",
    ],
)
def test_absurd_phones_are_refused(config: Path, phone: str) -> None:
    found, (error,) = said(config, f'scope,title,phone\ndistrict:380,Phòng,"{phone}"\n')
    assert found is None
    assert error.startswith("config/coordinators.csv:2:3: phone: expected ")


def test_a_workbook_that_took_the_leading_zero_is_told_so(config: Path) -> None:
    """Excel makes a number of it."""
    book = openpyxl.Workbook()
    for row in (["district_code", "title", "phone"], [380, "Phòng", 237_000_386]):
        book.active.append(row)
    book.save(config / "coordinators.xlsx")
    with pytest.raises(InvalidConfiguration) as caught:
        load(config)
    (error,) = caught.value.errors
    assert str(error).endswith('got "237000386". Has a spreadsheet taken its leading 0?')
    book.active["C2"] = "0237 000 386"
    book.save(config / "coordinators.xlsx")
    assert load(config).coordinators["district:380"].phone == "0237 000 386"


def test_an_inventory_that_is_unreadable_accuses_nobody(config: Path) -> None:
    (config / "coordinators.csv").write_text("scope,title\ndistrict:999,Phòng\n", encoding="utf-8")
    errors = Errors()
    assert read(config, None, errors) is not None
    assert not errors.total


def test_both_forms_of_the_file_are_one_too_many(config: Path) -> None:
    for ending in ("csv", "xlsx"):
        (config / f"coordinators.{ending}").write_bytes(b"")
    with pytest.raises(InvalidConfiguration, match=re.escape("either coordinators.csv or coordinators.xlsx, got both")):
        load(config)


def test_the_sample_names_a_desk_for_each_district_that_nobody_can_reach() -> None:
    configuration = load(ROOT / "config")
    desks = configuration.coordinators
    assert set(desks) == {f"district:{code}" for code in configuration.inventory.districts}
    for desk in desks.values():
        assert re.fullmatch(r"0000 000 \d{3}", desk.phone)
        assert desk.email.endswith(".example.invalid")
        assert desk.title.endswith("(mẫu)")
    assert "dữ liệu mẫu" in (ROOT / "config/coordinators.csv").read_text(encoding="utf-8")
