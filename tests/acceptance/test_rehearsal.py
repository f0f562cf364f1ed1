"""The whole chain on real packets: province, service, Prometheus, Alertmanager, and the score of what was noticed.

Times are judged with the tolerance of a machine that does other things as well; `diemcau rehearse --json` measures.
"""

import json
import re
import signal
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen
from typing import Any
from urllib.parse import urljoin

import pytest

from monitor.rehearsal import province, sample

SCENARIO = """\
title: Kiểm thử
duration: 30s
battery_speed: 180
events:
  - {at: 0.5s, name: fibre, cut: {node: agg-386}, for: 11s}
  - {at: 1s, name: mains, power_cut: {node: feeder-384-1}, for: 13s}
  - {at: 15.5s, name: ours, uplink: lost, for: 10.5s}
"""
URL = re.compile(r"(board|alertmanager|prometheus): (http://\S+)")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A small province and a scenario for it."""
    for name, text in sample.files(province.make(700)).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "scenario.yaml").write_text(SCENARIO, encoding="utf-8")
    return tmp_path


@pytest.fixture
def arguments(directory: Path) -> tuple[str, ...]:
    config, scenario = str(directory), str(directory / "scenario.yaml")
    return ("--config", config, "--scenario", scenario, "--board", "127.0.0.1:0", "--headless", "--everyone")


def lines_until(process: Popen[str], text: str) -> Iterator[str]:
    """What it says, up to the line that contains the text."""
    assert process.stderr is not None
    for line in process.stderr:
        yield line
        if text in line:
            return
    raise AssertionError(f"ended before it said {text!r}")


def fetched(url: str) -> str:
    """What a browser gets, which keeps the wall's cookie."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with browser.open(url, timeout=10) as response:
        return str(response.read().decode())


def test_faults_are_noticed_and_nothing_else(
    rehearse: Callable[..., Popen[str]],
    program: Callable[[str], Path],
    directory: Path,
    arguments: tuple[str, ...],
) -> None:
    """Every point that was hit, by board and by webhook; no point while our own uplink is lost; and nothing is left."""
    program("prometheus")
    program("prometheus-alertmanager")
    result = directory / "out.json"
    process = rehearse(*arguments, "--json", str(result))
    addresses = dict(found.groups() for line in lines_until(process, "fault: ") if (found := URL.search(line)))
    assert 'id="snapshot"' in fetched(addresses["board"])
    assert "point_info{" in fetched(urljoin(addresses["board"], "/metrics"))
    assert json.loads(fetched(addresses["prometheus"] + "api/v1/status/runtimeinfo"))["status"] == "success"
    assert json.loads(fetched(addresses["alertmanager"] + "api/v2/status"))["cluster"]["status"] == "disabled"
    table, said = process.communicate(timeout=100)
    outcome: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    score = outcome["score"]
    assert score["false_alarms"] == [], table
    for row in score["rows"]:
        assert row["points_missed"] == row["alerts_missed"] == 0, table
        assert row["points_owed"] > 0, table
        assert row["points_detected"] >= row["points_hit"], table
    assert score["detection_seconds"]["p95"] < 8
    assert score["power"]["points_owed"] > 0, table
    assert (score["power"]["points_missed"], score["power"]["wrong"]) == (0, []), table
    blame = outcome["blame"]
    fibre, mains = blame["rows"]
    assert (fibre["named"], fibre["operator"]) == ("network:agg-386", "VNPT Thanh Hóa"), table
    assert mains["operator"] == "Điện lực Mường Lát", table
    assert fibre["owed"], table
    for row in (fibre, mains):
        assert row["named_seconds"] is not None, table
        assert row["told_seconds"] >= row["named_seconds"], table
    for wrong in ("wrongly_told", "while_blind", "merged_points"):
        assert blame[wrong] == [], table
    assert outcome["pages"]["open"] == outcome["pages"]["pages"] > 0, table
    assert outcome["alerts_by"] == "prometheus-alertmanager"
    assert outcome["forwarder"]["packets"] > 10_000
    assert (process.returncode, outcome["passed"]) == (0, True), table + said
    assert table.splitlines()[-1] == "PASSED"


def test_an_interrupt_ends_it_with_the_score_so_far(
    rehearse: Callable[..., Popen[str]], arguments: tuple[str, ...]
) -> None:
    process = rehearse(*arguments)
    list(lines_until(process, "fault: fibre"))
    process.send_signal(signal.SIGINT)
    table, _ = process.communicate(timeout=30)
    assert re.search(r"fibre +cut +\d+", table)
    assert re.search(r"ours +uplink +not reached", table)
    assert "False alarms: 0" in table


@pytest.mark.parametrize("moment", ["board: ", "warming up"])
def test_a_kill_leaves_nothing_either(
    rehearse: Callable[..., Popen[str]], arguments: tuple[str, ...], moment: str
) -> None:
    """Neither namespaces nor devices, processes or directories: the fixture looks."""
    process = rehearse(*arguments)
    list(lines_until(process, moment))
    process.kill()
    assert process.wait(10) == -signal.SIGKILL


def test_a_bad_scenario_is_refused_before_anything_is_started(
    rehearse: Callable[..., Popen[str]], directory: Path, arguments: tuple[str, ...]
) -> None:
    (directory / "scenario.yaml").write_text("title: x\nduration: never\n", encoding="utf-8")
    _, said = rehearse(*arguments).communicate(timeout=30)
    assert "scenario.yaml:2:11: duration: expected a duration such as 2s" in said
