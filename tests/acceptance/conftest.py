"""The emulated province for tests: real packets, real processes, and the certainty that nothing is left of them."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import gettempdir

import pytest

CI = os.environ.get("CI") == "true"
ENTER = """
from monitor.rehearsal import namespaces
try:
    namespaces.enter_points_side(), namespaces.enter_centre_side()
except namespaces.NamespacesUnavailable as reason:
    raise SystemExit(str(reason))
"""
MARKS = ("monitor.rehearsal", "diemcau-rehearsal-")
"""What the command line of each process of a rehearsal contains."""


@pytest.fixture(scope="session")
def emulation() -> None:
    """Skip by name, with the reason, where no province can be emulated; fail where nothing may be skipped."""
    tried = subprocess.run([sys.executable, "-c", ENTER], capture_output=True, text=True, check=False)
    if tried.returncode == 0:
        return
    if CI:
        pytest.fail(tried.stderr)
    pytest.skip(tried.stderr)


def leftovers() -> set[str]:
    """Processes, network namespaces, devices and directories that a rehearsal could have left."""
    found = {f"directory {path}" for path in Path(gettempdir()).glob("diemcau-rehearsal-*")}
    found |= {f"device {path.name}" for path in Path("/sys/class/net").iterdir()}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            namespace = str((process / "ns" / "net").readlink())
        except OSError:
            continue
        found.add(f"namespace {namespace}")
        if any(mark in command for mark in MARKS):
            found.add(f"process {process.name} {command}")
    return found


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """What is there after the test was there before it; the kernel may take a moment to tidy up."""
    before = leftovers()
    yield
    give_up = time.monotonic() + 15
    while (new := leftovers() - before) and time.monotonic() < give_up:
        time.sleep(0.1)
    assert not new


Rehearse = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def rehearse(emulation: None, nothing_left: None) -> Iterator[Rehearse]:
    """``rehearse("--scenario", …)``: the command as a process of its own, killed at the end of the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "monitor", "rehearse", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
