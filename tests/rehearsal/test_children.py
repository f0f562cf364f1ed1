"""Programs of the rehearsal: none outlives it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.rehearsal import enclosure
from monitor.rehearsal.children import ChildDied, Household

PARENT = """
import sys, time
from monitor.rehearsal.children import Household
household = Household()
child = household.start("sleeper", ["sleep", "1000"])
(household.scratch / "big").write_bytes(bytes(100_000))
print(child.process.pid, household.scratch, flush=True)
time.sleep(1000)
"""


def eventually(holds: Callable[[], bool], within_s: float = 10.0) -> bool:
    give_up = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.02)
    return True


def running(pid: int) -> bool:
    """Whether it runs, zombies apart."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_killed_rehearsal_takes_children_and_scratch_directory_with_it() -> None:
    """SIGKILL leaves no chance to tidy up: the kernel ends the child, the janitor removes the directory."""
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, scratch = parent.stdout.readline().split()
        assert running(int(pid))
        parent.kill()
    assert eventually(lambda: not running(int(pid)))
    assert eventually(lambda: not Path(scratch).exists())


def test_the_end_of_the_rehearsal_ends_all_in_reverse_order() -> None:
    with Household() as household:
        first = household.start("first", ["sleep", "1000"])
        stubborn = household.start(
            "second", [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(999)"]
        )
        assert eventually(lambda: b"up" in stubborn.log.read_bytes())
        assert stubborn.resident_bytes > 1 << 20
        assert stubborn.cpu_s >= 0
        scratch = household.scratch
    assert first.process.returncode == -signal.SIGTERM
    assert stubborn.process.returncode == -signal.SIGTERM
    assert not scratch.exists()
    assert stubborn.resident_bytes == 0


def test_a_child_that_ends_by_itself_is_named_with_what_it_said() -> None:
    with Household() as household:
        household.start("liar", [sys.executable, "-c", "raise SystemExit('no such thing')"])
        with pytest.raises(ChildDied, match=r"liar ended by itself with code 1\. It said:\nno such thing"):
            eventually(lambda: household.check() is not None)


def test_a_child_does_not_hear_the_terminals_interrupt() -> None:
    """It has a session of its own: Ctrl-C reaches the rehearsal, which ends the others in order."""
    with Household() as household:
        child = household.start("sleeper", ["sleep", "1000"])
        assert os.getsid(child.process.pid) == child.process.pid


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a process namespace")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_enclosed_program_takes_its_own_children_with_it(number: signal.Signals) -> None:
    """However it ends: those that it forked are in a process namespace of which it was the first."""
    mark = f"1000.{os.getpid()}{int(number)}"
    script = f"trap 'exit 3' TERM; setsid sleep {mark} & while :; do sleep 0.01; done"

    def forked() -> list[int]:
        marked = f"sleep\0{mark}\0".encode()
        found = (path for path in Path("/proc").glob("[0-9]*/cmdline") if path.parent.name != str(os.getpid()))
        return [int(path.parent.name) for path in found if _read(path) == marked]

    with Household() as household:
        child = household.start_own("enclosed", enclosure.__name__, "/bin/sh", "-c", script)
        assert eventually(lambda: len(forked()) == 1)
        child.process.send_signal(number)
        assert child.process.wait(10) == (3 if number is signal.SIGTERM else -signal.SIGKILL)
        assert eventually(lambda: not forked())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
