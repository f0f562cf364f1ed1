from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from monitor import configuration
from monitor.cli import main
from monitor.core.model import NodeKind
from monitor.rehearsal import province, sample

CONFIG = Path(__file__).parents[2] / "config"
TABLES = ["points.csv", "network.csv", "power.csv", "districts.csv"]
FILES = [*TABLES, "checks.yaml", "ceremony.yaml", "attribution.yaml", "readiness.yaml", "coordinators.csv"]
FILES += ["report.yaml", "contacts.yaml", "gateway.yaml", "README.md"]


def diemcau(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["sample", *map(str, arguments)])


def test_writes_a_whole_directory_and_says_so(tmp_path: Path) -> None:
    result = diemcau(tmp_path / "a" / "b")
    assert result.exit_code == 0
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == sorted(FILES)
    assert all(f"wrote {tmp_path / 'a' / 'b' / name}" in result.output for name in FILES)
    assert "4,985 points, of which 1,018 take part" in result.output
    assert "Synthetic" in result.output


@pytest.mark.parametrize("name", FILES)
def test_config_is_what_the_generator_writes(name: str) -> None:
    """``diemcau sample config --force`` changes nothing: not a byte of the committed sample was edited by hand."""
    made = sample.files(province.make())
    assert list(made) == FILES
    assert (CONFIG / name).read_bytes() == made[name].encode()


@pytest.mark.parametrize("points", [700, 4_985, 20_000])
def test_what_it_writes_is_valid(tmp_path: Path, points: int) -> None:
    """The configuration that is read back is the province that was made up."""
    assert diemcau(tmp_path, "--points", str(points), "--seed", "7").exit_code == 0
    loaded = configuration.load(tmp_path)
    assert loaded.inventory == province.make(points, 7)
    assert any(node.kind is NodeKind.FEEDER for node in loaded.inventory.power.values())


def test_refuses_to_overwrite(tmp_path: Path) -> None:
    """It names what is in the way, and leaves everything as it was."""
    (tmp_path / "points.csv").write_text("mine")
    result = diemcau(tmp_path)
    assert result.exit_code == 1
    assert f"{tmp_path} already has points.csv: name another directory, or overwrite with --force" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["points.csv"]
    assert (tmp_path / "points.csv").read_text() == "mine"


def test_force_overwrites(tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text("mine")
    assert diemcau(tmp_path, "--force", "--points", "700").exit_code == 0
    assert len((tmp_path / "points.csv").read_text().splitlines()) == 701


def test_the_seed_decides(tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        diemcau(tmp_path / name, "--seed", seed, "--points", "1000")
    first, again, other = ((tmp_path / name / "points.csv").read_bytes() for name in "abc")
    assert first == again
    assert first != other


@pytest.mark.parametrize("points", ["699", "129795", "many"])
def test_sizes_out_of_range_are_usage_errors(tmp_path: Path, points: str) -> None:
    result = diemcau(tmp_path / "new", "--points", points)
    assert result.exit_code == 2
    assert "--points" in result.output
    assert not (tmp_path / "new").exists()


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = diemcau(tmp_path / "file" / "below")
    assert result.exit_code == 1
    assert "name a directory you may write to" in result.output
    assert "Traceback" not in result.output


def test_the_licence_goes_with_the_data(tmp_path: Path) -> None:
    diemcau(tmp_path, "--points", "700")
    readme = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "Copyright (c) 2021 Thang Le Quoc" in readme
    assert "The above copyright notice and this permission notice shall be included" in readme
    assert "fac63085" in readme
    assert "synthetic" in readme
