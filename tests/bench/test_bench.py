"""The bench commands run, use the real path, and print what the issue's figures are read from."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from monitor.bench import icmp, peers
from monitor.cli.bench import command


def bench(*arguments: str) -> str:
    """In a process of its own: it has a loop and a garbage collector to itself."""
    ran = subprocess.run(
        [sys.executable, "-m", "monitor", "bench", *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_sweep_reports_what_it_measured() -> None:
    """Every target answered, and the three figures are there, in seconds."""
    report = json.loads(bench("icmp", "--targets", "300", "--rounds", "2", "--no-peers", "--json"))
    assert report["answered"] == report["targets"] == 300
    assert 0 < report["rtt_median_seconds"] <= report["rtt_p99_seconds"] < report["sweep_seconds"] < 30
    assert report["peers"] == {}


def test_sweep_runs_side_by_side_with_every_peer(program: Callable[[str], Path]) -> None:
    """fping, icmplib and blackbox_exporter, each with all targets answered and its time over ours."""
    program("fping")
    program("prometheus-blackbox-exporter")
    report = json.loads(bench("icmp", "--targets", "100", "--rounds", "1", "--json"))
    assert set(report["peers"]) == {"fping", "icmplib", "blackbox_exporter"}
    for peer in report["peers"].values():
        assert peer["answered"] == 100
        assert peer["ratio"] > 0
        assert 0 < peer["rtt_median_seconds"] <= peer["rtt_p99_seconds"]


def test_table_is_for_people() -> None:
    """One line a contestant."""
    assert "diemcau" in bench("icmp", "--targets", "50", "--rounds", "1", "--no-peers")


def test_engine_bears_a_small_load_without_a_loss() -> None:
    """Observations go through the pipeline; nothing is lost or dropped."""
    report = json.loads(
        bench("engine", "--checks", "2000", "--interval", "500ms", "--duration", "2s", "--json").splitlines()[-1]
    )
    assert report["lost"] == report["kernel_drops"] == 0
    assert report["probes"] >= 2000
    assert 0 <= report["lag_p50_seconds"] <= report["lag_p99_seconds"] <= report["lag_max_seconds"]
    assert report["max_rss_bytes"] < 1e9


@pytest.mark.parametrize("interval", ["fast", "0s", "-1s", "1", "1e9"])
def test_duration_that_is_none_is_refused(interval: str) -> None:
    """With an example of what is expected."""
    ran = CliRunner().invoke(command, ["engine", "--interval", interval])
    assert ran.exit_code == 2
    assert "expected a duration such as 500ms" in ran.output


def test_targets_are_distinct_and_of_loopback() -> None:
    """Nothing leaves the host."""
    targets = icmp.loopback(100_000)
    assert len(set(targets)) == 100_000
    assert all(target.startswith("127.") for target in targets)


def test_quantile_of_nothing_is_no_number() -> None:
    """And of one value, that value."""
    assert peers.quantile([], 0.5) != peers.quantile([], 0.5)
    assert peers.quantile([3.0], 0.99) == 3.0


def test_pages_beat_and_come_back_after_a_restart() -> None:
    """The real service, tokens of its own secret, every heartbeat echoed, everybody back."""
    report = json.loads(bench("pages", "--pages", "40", "--duration", "2s", "--restart", "--json").splitlines()[-1])
    assert report["pages"] == 40
    assert report["beats"] >= 60
    assert report["unanswered"] == 0
    assert 0 < report["rtt_median_seconds"] <= report["rtt_p99_seconds"] <= report["rtt_max_seconds"]
    assert report["stopped_seconds"] < report["back_seconds"] < 60


def test_streams_are_watched(program: Callable[[str], Path]) -> None:
    """Ten streams from a real nginx: none fails, each new segment is fetched."""
    program("nginx")
    report = json.loads(bench("hls", "--checks", "10", "--interval", "2s", "--duration", "4s", "--json"))
    assert report["failed"] == 0
    assert report["probes"] >= 15
    assert report["segments"] >= 10


def test_check_ins_are_answered_and_kept() -> None:
    report = json.loads(bench("check-ins", "--points", "40", "--duration", "3s", "--json"))
    assert (report["check_ins"], report["failed"], report["missing"]) == (40, 0, 0)
    assert report["probes"] >= 40
    assert 0 < report["answer_median_seconds"] <= report["answer_p99_seconds"] <= report["answer_max_seconds"]
