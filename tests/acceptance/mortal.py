"""The service, forked anew each time it dies, on a socket that outlives it: ``mortal.py FD CONFIG STATE STORE``.

Forking after the imports makes a life of a few hundred milliseconds worth having. Each child's pid is a line of
standard output; the end of standard input ends it all.
"""

import asyncio
import os
import select
import signal
import sys
from pathlib import Path

import structlog
import uvloop

from monitor.service import Service, Settings


def live(descriptor: int, config: Path, state: Path, store: str) -> None:
    """One life: until it is killed."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))

    async def serve() -> None:
        await Service(Settings(config=config, state=state, store=store, listen=(f"fd:{descriptor}",))).run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


def main() -> None:
    """Life after life."""
    descriptor, config, state, store = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    while True:
        child = os.fork()
        if child == 0:
            live(descriptor, config, state, store)
            os._exit(0)
        print(child, flush=True)  # noqa: T201 - the test reads it
        while os.waitpid(child, os.WNOHANG)[0] == 0:
            readable, _, _ = select.select([sys.stdin], [], [], 0.005)
            if readable and not sys.stdin.readline():
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return


main()
