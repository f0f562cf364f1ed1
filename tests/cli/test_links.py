"""``diemcau links``: what is printed opens the page, and what is revoked does not."""

import csv
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from monitor.cli import main
from monitor.configuration import load
from monitor.configuration.links import link_secret
from monitor.web.links import Links

URL = "https://dc.example.vn"
Run = Callable[..., Result]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return Path(shutil.copytree(Path(__file__).parents[1] / "configuration" / "good", tmp_path / "config"))


@pytest.fixture
def run(config: Path, tmp_path: Path) -> Run:
    def run(*arguments: str, url: str = URL) -> Result:
        where = ["--config", str(config), "--state", str(tmp_path / "state"), *(["--external-url", url] if url else [])]
        return CliRunner().invoke(main, ["links", *where, *arguments])

    return run


def rows(result: Result) -> dict[str, dict[str, str]]:
    assert result.exit_code == 0, result.output
    return {row["id"]: row for row in csv.DictReader(result.stdout.splitlines())}


def held(config: Path, tmp_path: Path, link: str) -> str | None:
    """The point that the service would take the link for."""
    policy = load(config).links
    links = Links(link_secret(tmp_path / "state"), policy.generation, policy.generations, frozenset(policy.revoked))
    return links.point_of(link.rpartition("/p/")[2])


def test_every_point_that_takes_part_has_a_link(run: Run, config: Path, tmp_path: Path) -> None:
    """Merged points and those without coverage have none."""
    found = rows(run())
    assert set(found) == {point.id for point in load(config).inventory.points.values() if point.expected}
    assert all(held(config, tmp_path, row["link"]) == point_id for point_id, row in found.items())
    assert all(re.fullmatch(rf"{URL}/p/[\w-]+", row["link"]) for row in found.values())


def test_links_are_the_same_each_time(run: Run) -> None:
    assert rows(run()) == rows(run())


def test_they_can_be_chosen_by_place_and_tier(run: Run) -> None:
    assert set(rows(run("--tier", "province"))) == {"TU"}
    assert set(rows(run("--point", "V-1"))) == {"V-1"}
    assert run("--commune", "99999").exit_code == 1


def test_a_rotated_link_is_void_and_its_successor_holds(run: Run, config: Path, tmp_path: Path) -> None:
    before = rows(run())
    assert run("rotate", "V-1").exit_code == 0
    assert held(config, tmp_path, before["V-1"]["link"]) is None
    assert held(config, tmp_path, before["TU"]["link"]) == "TU"
    assert held(config, tmp_path, rows(run())["V-1"]["link"]) == "V-1"


def test_all_links_are_rotated_at_once(run: Run, config: Path, tmp_path: Path) -> None:
    before = rows(run())
    assert run("rotate", "--all").exit_code == 0
    assert not any(held(config, tmp_path, row["link"]) for row in before.values())


def test_a_revoked_link_holds_again_when_restored(run: Run, config: Path, tmp_path: Path) -> None:
    link = rows(run())["V-1"]["link"]
    assert run("revoke", "V-1", "TU").exit_code == 0
    assert held(config, tmp_path, link) is None
    assert run("restore", "V-1").exit_code == 0
    assert held(config, tmp_path, link) == "V-1"
    assert load(config).links.revoked == ("TU",)


@pytest.mark.parametrize(
    ("arguments", "url", "message"),
    [
        ((), "", "--external-url"),
        ((), "dc.example.vn", "--external-url"),
        (("--point", "V-99"), URL, "no point has the id V-99"),
        (("rotate",), URL, "name the points, or say --all"),
        (("rotate", "--all", "V-1"), URL, "name the points, or say --all"),
        (("revoke", "V-99"), URL, "no point has the id, and no coordinator the scope, V-99"),
        (("rotate", "district:999"), URL, "no point has the id, and no coordinator the scope, district:999"),
        (("coordinators",), "", "--external-url"),
        (("wall",), "", "--external-url"),
        (("coordinators", "--level", "village"), URL, "'village' is not one of 'district', 'commune'"),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, arguments: tuple[str, ...], url: str, message: str) -> None:
    result = run(*arguments, url=url)
    assert result.exit_code == 2
    assert message in result.output


def scopes(result: Result) -> dict[str, dict[str, str]]:
    assert result.exit_code == 0, result.output
    return {row["scope"]: row for row in csv.DictReader(result.stdout.splitlines())}


def signed(config: Path, tmp_path: Path) -> Links:
    """As the service would check."""
    policy = load(config).links
    return Links(link_secret(tmp_path / "state"), policy.generation, policy.generations, frozenset(policy.revoked))


def test_coordinators_have_links_that_lead_to_their_scope(run: Run, config: Path, tmp_path: Path) -> None:
    """Of every district and commune in which a point takes part; its district comes before a commune."""
    found = scopes(run("coordinators"))
    assert list(found) == ["district:380", "commune:14755", "commune:14758"]
    for scope, row in found.items():
        assert signed(config, tmp_path).scope_of(row["link"].removeprefix(f"{URL}/c/")) == scope
    assert found["district:380"]["place"] == found["commune:14755"]["district"]
    assert found["commune:14755"]["place"] == "Phường Hàm Rồng"
    assert found["commune:14755"]["points"] == "3", "the merged one does not count"


def test_coordinators_are_chosen_by_level_and_by_their_points(run: Run) -> None:
    assert set(scopes(run("coordinators", "--level", "district"))) == {"district:380"}
    assert set(scopes(run("--commune", "14755", "coordinators", "--level", "commune"))) == {"commune:14755"}
    assert run("--tier", "province", "coordinators").exit_code == 1


def test_a_coordinator_is_called_by_the_title_that_is_configured(run: Run, config: Path) -> None:
    (config / "coordinators.csv").write_text("scope,title\ndistrict:380,Phòng Văn hóa và Thông tin (mẫu)\n")
    assert scopes(run("coordinators"))["district:380"]["title"] == "Phòng Văn hóa và Thông tin (mẫu)"


def test_a_coordinators_link_is_rotated_revoked_and_restored(run: Run, config: Path, tmp_path: Path) -> None:
    """By its scope; what it speaks for keeps its own links."""

    def token() -> str:
        return scopes(run("coordinators"))["district:380"]["link"].rpartition("/")[2]

    first, point = token(), rows(run())["V-1"]["link"]
    assert run("rotate", "district:380").exit_code == 0
    assert signed(config, tmp_path).scope_of(first) is None
    assert signed(config, tmp_path).scope_of(token()) == "district:380"
    assert run("revoke", "district:380").exit_code == 0
    assert signed(config, tmp_path).scope_of(token()) is None
    assert held(config, tmp_path, point) == "V-1"
    assert run("restore", "district:380").exit_code == 0
    assert signed(config, tmp_path).scope_of(token()) == "district:380"


def test_the_walls_link_is_printed_and_can_be_rotated(run: Run, config: Path, tmp_path: Path) -> None:
    link = run("wall").stdout.strip()
    token = link.removeprefix(f"{URL}/wall/")
    assert signed(config, tmp_path).is_wall(token)
    assert run("rotate", "wall").exit_code == 0
    assert not signed(config, tmp_path).is_wall(token)
    assert run("wall").stdout.strip() != link


def test_the_codes_of_coordinators_are_written(run: Run, tmp_path: Path) -> None:
    result = run("coordinators", "--pdf", str(tmp_path / "desks.pdf"))
    assert result.exit_code == 0, result.output
    assert (tmp_path / "desks.pdf").read_bytes().startswith(b"%PDF-")
    assert "3 codes of 1 places" in result.stderr


def test_a_sheet_of_codes_is_written(run: Run, tmp_path: Path) -> None:
    result = run("--pdf", str(tmp_path / "codes.pdf"))
    assert result.exit_code == 0, result.output
    assert (tmp_path / "codes.pdf").read_bytes().startswith(b"%PDF-")
    assert "codes of" in result.stderr
