"""Programs that live exactly as long as the rehearsal: none outlives it, not even when it is killed.

Each child asks the kernel to be killed with its parent (prctl(2), PR_SET_PDEATHSIG) and has a session of its own, so
that Ctrl-C reaches the rehearsal alone, which then ends the others in order. A janitor that waits for our end removes
the scratch directory.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from monitor.rehearsal import namespaces

PR_SET_PDEATHSIG = 1
PATIENCE_S = 5.0
"""How long a child may take to end when asked to."""
JANITOR = 'trap "" INT TERM HUP; cat >/dev/null; sleep 0.3; rm -rf -- "$1"'
LOG_SHOWN = 2_000
"""Bytes of a dead child's log that an error repeats."""


class ChildDied(Exception):  # noqa: N818  (the name says what happened)
    """A program that the rehearsal needs ended by itself; the text has the last of what it said."""


def die_with(parent: int) -> None:
    """In the child, before exec: to be killed when the parent ends, and at once when it has ended already."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


class Child:
    """A running program. What it says goes to its log."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        pass_fds: Sequence[int] = (),
        namespace: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """``namespace``: where it is to run, if not where we are."""
        self.name = name
        self.log = log
        parent = os.getpid()

        def settle() -> None:
            die_with(parent)
            if namespace is not None:
                namespaces.join(namespace)

        with log.open("wb") as said:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                pass_fds=pass_fds,
                start_new_session=True,
                env=None if environment is None else {**os.environ, **environment},
                preexec_fn=settle,  # noqa: PLW1509  (this process has one thread)
            )

    def check(self) -> None:
        """Raises ChildDied when it is no longer running."""
        if self.process.poll() is not None:
            said = self.log.read_bytes()[-LOG_SHOWN:].decode(errors="replace").strip()
            raise ChildDied(f"{self.name} ended by itself with code {self.process.returncode}. It said:\n{said}")

    @property
    def cpu_s(self) -> float:
        """Processor time used so far; 0 when it has ended."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def resident_bytes(self) -> int:
        """Memory in use; 0 when it has ended."""
        try:
            fields = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()
        except OSError:
            return 0
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


class Household:
    """The children and their scratch directory; a context manager that leaves neither behind."""

    def __init__(self) -> None:
        self.scratch = Path(tempfile.mkdtemp(prefix="diemcau-rehearsal-"))
        self._janitor = subprocess.Popen(
            ["/bin/sh", "-c", JANITOR, "janitor", str(self.scratch)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()
        shutil.rmtree(self.scratch, ignore_errors=True)
        if self._janitor.stdin is not None:
            self._janitor.stdin.close()
        self._janitor.wait()

    def start(
        self,
        name: str,
        command: Sequence[str],
        pass_fds: Sequence[int] = (),
        namespace: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Child:
        """Start a program; its log is ``<name>.log`` in the scratch directory."""
        child = Child(name, command, self.scratch / f"{name}.log", pass_fds, namespace, environment)
        self._children.append(child)
        return child

    def start_own(
        self, name: str, module: str, *arguments: str, pass_fds: Sequence[int] = (), namespace: int | None = None
    ) -> Child:
        """Start a module of ours in a Python of its own, from the same place as this one."""
        return self.start(name, [sys.executable, "-m", module, *arguments], pass_fds, namespace)

    def check(self) -> None:
        """Raises ChildDied when one has ended by itself."""
        for child in self._children:
            child.check()

    def end(self) -> None:
        """End all, in the reverse order of their start; kill what does not end when asked to."""
        for child in reversed(self._children):
            child.process.terminate()
        give_up = time.monotonic() + PATIENCE_S
        for child in reversed(self._children):
            try:
                child.process.wait(max(0.1, give_up - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
        self._children.clear()
