import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from monitor.cli import main

GOOD = Path(__file__).parent.parent / "configuration" / "good"


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the good configuration, as ``config`` in the current directory."""
    shutil.copytree(GOOD, tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "config"


def test_a_valid_configuration_is_summed_up() -> None:
    """What was read, so that a person sees that the right file was read; exit status 0."""
    result = CliRunner().invoke(main, ["check", "config/"])
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "config is valid",
        "  points      8, of which 6 are expected to connect",
        "    province        1  1 two_way",
        "    district        1  1 two_way",
        "    commune         2  1 two_way, 1 watch",
        "    village         4  2 watch, 1 merged, 1 no_coverage",
        "  nodes       3 network, 4 power",
        "  districts   2",
        "  checks      9 by 4 modules, witnesses among them: 1",
        "  not probed  1 expected points, which have no address",
        "  phases      Asia/Ho_Chi_Minh",
        "    2025-05-08 05:30  test: every 5 s, alpha 1e-05, warning",
        "    2025-05-08 07:00  live: every 1 s, alpha 1e-06, critical",
    ]


def test_every_error_goes_to_standard_error_one_a_line(config: Path) -> None:
    """Then their number; exit status 1, and nothing on standard output."""
    (config / "checks.yaml").write_text((config / "checks.yaml").read_text().replace("500ms", "fast"))
    (config / "power.csv").unlink()
    result = CliRunner().invoke(main, ["check"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        'config/checks.yaml:2:31: modules.icmp.timeout: expected a duration such as 2s, got "fast"',
        "config/power.csv:1:1: expected a file power.csv or power.xlsx, got none",
        "config is not valid: 2 errors",
    ]


def test_a_directory_that_is_missing() -> None:
    result = CliRunner().invoke(main, ["check", "nowhere"])
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "nowhere:1:1: expected a directory with points.csv and checks.yaml, got none",
        "nowhere is not valid: 1 error",
    ]


def test_json_of_a_valid_configuration() -> None:
    result = CliRunner().invoke(main, ["check", "config", "--json"])
    summary = json.loads(result.stdout)
    assert result.exit_code == 0
    assert summary["valid"] is True
    assert (summary["points"], summary["expected"], summary["checks"]) == (8, 6, 9)
    assert summary["points_by_tier_and_mode"]["village"] == {"watch": 2, "merged": 1, "no_coverage": 1}
    assert [phase["name"] for phase in summary["phases"]] == ["test", "live"]


def test_json_of_errors(config: Path) -> None:
    (config / "power.csv").unlink()
    result = CliRunner().invoke(main, ["check", "config", "--json"])
    assert (result.exit_code, result.stderr) == (1, "")
    assert json.loads(result.stdout) == {
        "valid": False,
        "errors": [
            {
                "path": "config/power.csv",
                "line": 1,
                "column": 1,
                "key": "",
                "expected": "a file power.csv or power.xlsx",
                "got": "none",
                "hint": "",
                "message": "config/power.csv:1:1: expected a file power.csv or power.xlsx, got none",
            }
        ],
        "omitted": 0,
    }
