import csv
import shutil
import time
from pathlib import Path

import pytest

from monitor.configuration import InvalidConfiguration, load
from monitor.core.attribution import Priors
from monitor.core.model import NodeKind, Source


def test_a_directory_that_is_missing_is_an_error_of_the_same_form(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        load(tmp_path / "nowhere")
    expected = "expected a directory with points.csv and checks.yaml, got none"
    assert str(caught.value) == f"{tmp_path}/nowhere:1:1: {expected}"


def test_every_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        load(tmp_path)
    assert str(caught.value).replace(f"{tmp_path}/", "").splitlines() == [
        "ceremony.yaml:1:1: expected a file ceremony.yaml, got none",
        "checks.yaml:1:1: expected a file checks.yaml, got none",
        "network.csv:1:1: expected a file network.csv or network.xlsx, got none",
        "points.csv:1:1: expected a file points.csv or points.xlsx, got none",
        "power.csv:1:1: expected a file power.csv or power.xlsx, got none",
    ]


def test_a_file_that_is_unreadable_accuses_no_other(config: Path) -> None:
    """Without network.csv and checks.yaml no node and no check set of points.csv is called unknown."""
    (config / "network.csv").unlink()
    (config / "checks.yaml").write_text("modules: {")
    with pytest.raises(InvalidConfiguration) as caught:
        load(config)
    assert [error.path for error in caught.value.errors] == ["config/checks.yaml", "config/network.csv"]


def test_twenty_thousand_points_and_as_many_errors_load_in_seconds(config: Path) -> None:
    """Measured 1 s on two shared cores; the bound is there for what would be quadratic."""
    with (config / "points.csv").open("a", newline="") as file:
        writer = csv.writer(file)
        for n in range(20_000):
            address = f"10.{40 + n // 65536}.{n // 256 % 256}.{n % 256}"
            writer.writerow(
                [f"p{n}", f"Thôn {n}", "village", "watch", "", "380", "", address, "acc-1", "tr-2", *[""] * 4]
            )
    started = time.perf_counter()
    assert len(load(config).inventory.points) == 20_008
    broken = shutil.copy(config / "network.csv", config / "network.csv.old")
    (config / "network.csv").write_text(Path(broken).read_text().replace("acc-1,", "acc-2,"))
    with pytest.raises(InvalidConfiguration) as caught:
        load(config)
    assert caught.value.total == 20_005
    assert time.perf_counter() - started < 30


def test_network_nodes_with_an_address_are_asked_by_their_kind(config: Path) -> None:
    """Their states are evidence of the attribution: of no point, and no eye of ours."""
    lines = (config / "network.csv").read_text(encoding="utf-8").splitlines()
    addresses = {"core-1": "", "agg-380": "10.38.200.1", "acc-1": "10.38.200.2"}
    rows = [f"{lines[0]},address", *(f"{line},{addresses.get(line.split(',')[0], '')}" for line in lines[1:])]
    (config / "network.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    with (config / "checks.yaml").open("a", encoding="utf-8") as file:
        file.write("nodes: {aggregation: icmp}\n")
    configuration = load(config)
    phase = configuration.ceremony.phases[0]
    (check,) = [each for each in configuration.checks(phase) if each.target.startswith("node:")]
    assert (check.id, check.address) == ("node:agg-380/icmp", "10.38.200.1")
    (policy,) = [each for each in configuration.policies(phase) if each.source is Source.NODE]
    assert (policy.check, policy.point, policy.node) == (check.id, "", "agg-380")
    assert configuration.inventory.network["acc-1"].address == "10.38.200.2"


def test_priors_are_those_of_the_file_or_the_usual_ones(config: Path) -> None:
    assert load(config).priors == Priors()
    (config / "attribution.yaml").write_text("faults_a_year: {feeder: 9}\nstorm: 4\nsite_fault: 1%\n", encoding="utf-8")
    priors = load(config).priors
    assert (priors.faults_a_year[NodeKind.FEEDER], priors.faults_a_year[NodeKind.CORE]) == (9.0, 0.3)
    assert (priors.storm, priors.site_fault, priors.window_s) == (4.0, 0.01, 3600.0)


def test_a_fault_that_is_the_rule_is_refused(config: Path) -> None:
    (config / "attribution.yaml").write_text("window: 7d\nstorm: 50\n", encoding="utf-8")
    with pytest.raises(InvalidConfiguration) as caught:
        load(config)
    assert "faults_a_year.feeder: expected a rate that with window and storm makes a chance of at most 0.2" in str(
        caught.value
    )
