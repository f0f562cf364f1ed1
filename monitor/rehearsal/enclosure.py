"""Runs a program that forks in a process namespace of its own: with it ends everything that it has started.

``python -m monitor.rehearsal.enclosure PROGRAM …`` is what a child of the household is for such a program; the kernel
kills all in a process namespace when its first process ends (pid_namespaces(7)), which ends with us.
"""

import os
import signal
import sys

from monitor.rehearsal.children import die_with
from monitor.rehearsal.namespaces import enter_process_namespace


def main(argv: list[str]) -> None:
    """Run until the program ends, with its exit code; what asks us to end asks it."""
    enter_process_namespace()
    pid = os.fork()
    if not pid:
        die_with(0)
        os.execv(argv[0], argv)  # noqa: S606 - our own command line
    signal.signal(signal.SIGTERM, lambda number, _frame: os.kill(pid, number))
    _, status = os.waitpid(pid, 0)
    sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)


if __name__ == "__main__":
    main(sys.argv[1:])
