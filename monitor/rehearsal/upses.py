"""The UPSes at the points: Network UPS Tools' real upsd, with a driver for each, which reads from a file what to say.

One upsd stands for all points: whatever address is asked, it knows every UPS by its point's id. The driver is
dummy-ups(8), which reads its file again when the file's time has changed, in whole seconds.
"""

import asyncio
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from monitor.rehearsal.batteries import Battery
from probes.model import Check

KIND = "nut"
PORT = 3493
FOLDER = "nut"
"""Within the scratch directory."""
FOLDERS = ("/usr/lib/nut", "/lib/nut", "/usr/libexec/nut", "/usr/local/ups/bin")
"""Where distributions keep the programs themselves; what is on the PATH may be a script that asks /etc/nut first."""
WRITE_EVERY_S = 1.0
LOW_BELOW = 0.2
"""Where a UPS says LB, and that it will not last much longer."""


class Programs(NamedTuple):
    """Where they are."""

    upsd: str
    driver: str


def find() -> Programs | None:
    """None when they are not installed, or not to be started: they give their groups up, which only root may do."""
    if os.geteuid() != 0:
        return None
    folders = os.pathsep.join((*FOLDERS, os.environ.get("PATH", "")))
    upsd, driver = (shutil.which(name, path=folders) for name in ("upsd", "dummy-ups"))
    return Programs(upsd, driver) if upsd and driver else None


def points_of(checks: Iterable[Check]) -> frozenset[str]:
    """The points whose UPS is asked by its point's id."""
    return frozenset(
        check.target for check in checks if check.probe.kind == KIND and check.address.startswith(f"{check.target}@")
    )


class Upses:
    """Every UPS there is, by its point's id."""

    def __init__(self, scratch: Path, batteries: Mapping[str, Battery]) -> None:
        """Writes the configuration; nothing runs yet."""
        self._folder, self._batteries = scratch / FOLDER, batteries
        self._stamp = int(time.time())
        self._folder.mkdir()
        self._configure()
        self._write(batteries)

    def _configure(self) -> None:
        folder = self._folder
        drivers = (f"[{name}]\ndriver = dummy-ups\nport = {name}.dev\n" for name in self._batteries)
        (folder / "ups.conf").write_text("pollinterval = 1\n" + "".join(drivers), encoding="utf-8")
        (folder / "upsd.conf").write_text(f"LISTEN 0.0.0.0 {PORT}\nMAXAGE 5\n", encoding="utf-8")
        (folder / "upsd.users").write_text("", encoding="utf-8")
        for path in folder.iterdir():
            path.chmod(0o640)

    @property
    def environment(self) -> dict[str, str]:
        """Where its programs look for their files."""
        return dict.fromkeys(("NUT_CONFPATH", "NUT_STATEPATH", "NUT_ALTPIDPATH"), str(self._folder))

    def commands(self, programs: Programs) -> Iterator[tuple[str, Sequence[str]]]:
        """The name and the command of each process, the drivers first."""
        for name in self._batteries:
            yield f"{FOLDER}/{name}", (programs.driver, "-a", name, "-F", "-u", "root")
        yield f"{FOLDER}/upsd", (programs.upsd, "-F", "-u", "root")

    def turn(self, points: Iterable[str], *, mains: bool) -> None:
        """The mains of these points fail, or are back."""
        ours = [point for point in points if point in self._batteries]
        now = time.monotonic()
        for point in ours:
            self._batteries[point].turn(mains=mains, now=now)
        self._write(ours)

    async def run(self) -> None:
        """Let the batteries drain, until cancelled."""
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            self._write(point for point, battery in self._batteries.items() if not battery.mains)

    def _write(self, points: Iterable[str]) -> None:
        now = time.monotonic()
        self._stamp = max(self._stamp + 1, int(time.time()))
        for point in points:
            path = self._folder / f"{point}.dev"
            draft = path.with_suffix(".draft")
            draft.write_text(_state(self._batteries[point], now), encoding="utf-8")
            os.utime(draft, (self._stamp, self._stamp))
            draft.rename(path)


def _state(battery: Battery, now: float) -> str:
    charge = battery.charge(now)
    low = " LB" if charge < LOW_BELOW else ""
    status = "OL CHRG" if battery.mains else f"OB DISCHRG{low}"
    return f"ups.status: {status}\nbattery.charge: {charge * 100:.0f}\nbattery.runtime: {battery.left_s(now):.0f}\n"
