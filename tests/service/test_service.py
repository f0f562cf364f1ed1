"""The service as a process: started, asked, reloaded, stopped."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monitor.configuration.links import link_secret
from monitor.web.links import Links

POINTS = """id,name,tier,mode,merged_into,district_code,commune_code,address,network_node,power_node
ha-noi,Điểm cầu chính,province,two_way,,,,127.0.0.1,core,sub
xa-1,Xã Một,commune,two_way,,386,,127.0.0.2,core,sub
xa-2,Xã Hai,commune,watch,,386,,127.0.0.3,core,sub
thon-1,Thôn Một,village,merged,xa-1,386,,,core,sub
"""
CHECKS = """
modules:
  icmp: {kind: icmp, timeout: 300ms}
check_sets:
  hall: {checks: [{module: icmp}]}
defaults: {province: hall, commune: hall, village: hall}
"""
CEREMONY = """
title: Lễ thử
timezone: Asia/Ho_Chi_Minh
report_at: 2035-05-08 07:30
begins_at: 2035-05-08 08:00
phases:
  - {name: live, title: Diễn ra, starts_at: 2025-05-08 07:00, interval: 500ms, alpha: 1e-6, severity: critical}
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Three points on loopback and a merged one."""
    for name, text in {
        "points.csv": POINTS,
        "network.csv": "id,parent,name,kind,operator\ncore,,Lõi,core,VNPT\n",
        "power.csv": "id,parent,name,kind,operator\nsub,,Trạm,substation,Điện lực\n",
        "checks.yaml": CHECKS,
        "ceremony.yaml": CEREMONY,
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


class Running:
    """A service under test, listening on a socket that was opened before it."""

    def __init__(self, directory: Path) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self.log = directory / "log"
        self.state = directory / "state"
        command = [sys.executable, "-m", "monitor", "run", "--config", str(directory), "--log-format", "json"]
        command += ["--state", str(self.state)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--listen", f"fd:{listener.fileno()}"], stderr=log, pass_fds=[listener.fileno()]
            )
        listener.close()

    def ask(self, path: str, method: str = "GET", *, token: str = "") -> tuple[int, str]:
        """Status and body, as the wall asks, or a program; an error status is an answer too."""
        wall = {"Cookie": f"diemcau_wall={Links(link_secret(self.state)).wall_token()}"}
        headers = {"Authorization": f"Bearer {token}"} if token else wall
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - loopback only
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read().decode()

    def token(self, role: str) -> str:
        """A new token of a program, by ``diemcau tokens``."""
        command = [sys.executable, "-m", "monitor", "tokens", "--state", str(self.state), "add", role, "--role", role]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def until(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        """Wait for it; a service that died meanwhile fails the test with its log."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    def shows(self, line: str) -> Callable[[], bool]:
        """Whether ``/metrics`` has this line."""
        return lambda: line in self.ask("/metrics")[1].splitlines()

    def logged(self, event: str) -> bool:
        """Whether such a line stands in the log."""
        return any(json.loads(line)["event"] == event for line in self.log.read_text().splitlines() if line[:1] == "{")


@pytest.fixture
def service(directory: Path) -> Iterator[Running]:
    """A running service, stopped afterwards."""
    running = Running(directory)
    try:
        running.until(lambda: running.ask("/-/ready")[0] == 200)
        yield running
    finally:
        running.process.kill()
        running.process.wait()


def test_probes_detects_and_publishes(service: Running) -> None:
    """Three real points come up within seconds of the start; the merged one is not expected."""
    service.until(service.shows('diemcau_points{tier="commune",district="386",state="up"} 2'))
    assert service.shows('diemcau_points{tier="village",district="386",state="not_expected"} 1')()
    assert service.ask("/-/healthy")[0] == 200
    assert "Xã Một" in service.ask("/points/xa-1")[1]


def test_probe_of_the_inventory_and_of_nothing_else(service: Running) -> None:
    """By id or by address, as blackbox_exporter is asked; what is not in the inventory is refused."""
    assert "\nprobe_success 1\n" in service.ask("/probe?target=xa-1&module=icmp")[1]
    assert "\nprobe_success 1\n" in service.ask("/probe?target=127.0.0.3&module=icmp")[1]
    assert service.ask("/probe?target=127.0.0.9&module=icmp")[0] == 400


def test_an_invalid_configuration_is_refused_and_the_old_one_runs_on(service: Running, directory: Path) -> None:
    (directory / "points.csv").write_text(POINTS.replace("127.0.0.2", "127.0.0.999"), encoding="utf-8")
    status, body = service.ask("/-/reload", "POST", token=service.token("technician"))
    assert status == 500
    assert "points.csv:3:8: address: expected " in body
    service.until(service.shows('diemcau_points{tier="commune",district="386",state="up"} 2'))


@pytest.mark.parametrize("how", ["post", "signal"])
def test_a_valid_configuration_comes_into_force(service: Running, directory: Path, how: str) -> None:
    """One point gone, one moved to where nothing answers pings: no restart, and the rest stays as it is."""
    service.until(service.shows('diemcau_points{tier="commune",district="386",state="up"} 2'))
    rows = [row for row in POINTS.splitlines() if not row.startswith("xa-2")]
    (directory / "points.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    if how == "post":
        assert service.ask("/-/reload", "POST", token=service.token("technician"))[0] == 200
    else:
        service.process.send_signal(signal.SIGHUP)
    service.until(service.shows('diemcau_points{tier="commune",district="386",state="up"} 1'))
    assert service.ask("/points/xa-2")[0] == 404


def test_stops_when_told_to(service: Running) -> None:
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(timeout=10) == 0
    assert service.logged("stopping")


def test_refuses_to_start_with_nothing_valid(directory: Path) -> None:
    """Every error on standard error, what to do next, and exit 1."""
    os.truncate(directory / "points.csv", 0)
    command = [sys.executable, "-m", "monitor", "run", "--config", str(directory), "--listen", "127.0.0.1:0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "points.csv:1:1" in done.stderr
    assert "diemcau sample" in done.stderr
    assert "Traceback" not in done.stderr
