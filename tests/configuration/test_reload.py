from pathlib import Path

from monitor.configuration import Configuration, InvalidConfiguration, load
from monitor.configuration.reload import reload


def test_what_did_not_change_is_the_same_snapshot(config: Path) -> None:
    current = load(config)
    assert reload(current, config) is current


def test_a_change_is_a_new_snapshot_whole(config: Path) -> None:
    current = load(config)
    checks = config / "checks.yaml"
    checks.write_text(checks.read_text().replace("timeout: 500ms", "timeout: 700ms"))
    new = reload(current, config)
    assert isinstance(new, Configuration)
    assert new.modules["icmp"].timeout_s == 0.7
    assert current.modules["icmp"].timeout_s == 0.5


def test_an_invalid_change_is_its_errors(config: Path) -> None:
    """Also a file that is being written: an inventory without points is none."""
    current = load(config)
    points = config / "points.csv"
    points.write_text(points.read_text().splitlines()[0] + "\n")
    refused = reload(current, config)
    assert isinstance(refused, InvalidConfiguration)
    assert [str(error) for error in refused.errors] == [
        "config/points.csv:1:1: id: expected the id of at least one point, got none"
    ]
