"""A UPS behind the real upsd: the driver dummy-ups plays it from a file that the tests change."""

import asyncio
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from probes.kinds.nut import KIND, NutParams
from probes.model import Failure, Measurement

STATE = {"ups.status": "OL CHRG", "battery.charge": "97", "battery.runtime": "2520", "ups.load": "23"}
MAINS_FIGURES = {
    "probe_ip_protocol": 4.0,
    "probe_ups_on_battery": 0.0,
    "probe_ups_runtime_seconds": 2520.0,
    "probe_ups_charge_ratio": 0.97,
    "probe_ups_battery_low": 0.0,
    "probe_ups_testing": 0.0,
    "probe_ups_load_ratio": 0.23,
}
LIBRARY = Path("/lib/nut")
"""The programs themselves; upsd on the PATH is a script that starts it only where /etc/nut says so."""
PATIENCE_S = 15.0
WORD = "kept in a file"


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=30)


class Nut:
    """upsd with drivers, in a folder of its own."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.folder, self.names = folder, names
        self.drivers: dict[str, subprocess.Popen[bytes]] = {}
        self.stack = ExitStack()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port: int = listener.getsockname()[1]

    def start(self, settings: str = "") -> None:
        """Write the configuration, start the drivers and upsd, wait until every UPS is known."""
        sections = (f"[{name}]\ndriver = dummy-ups\nport = {name}.dev\n" for name in self.names)
        (self.folder / "ups.conf").write_text("pollinterval = 1\n" + "".join(sections))
        listens = f"LISTEN 127.0.0.1 {self.port}\nLISTEN ::1 {self.port}\nMAXAGE 2\n"
        (self.folder / "upsd.conf").write_text(listens + settings)
        (self.folder / "upsd.users").write_text(f'[watch]\npassword = "{WORD}"\nupsmon slave\n')
        for name in self.names:
            self.tell(name)
            self.drivers[name] = self.spawn(LIBRARY / "dummy-ups", "-a", name, "-F", "-u", "root")
        for name in self.names:
            self.until((self.folder / f"dummy-ups-{name}").exists)
        self.spawn(LIBRARY / "upsd", "-F", "-u", "root")
        for name in self.names:
            self.until(partial(self.knows, name))

    def knows(self, name: str) -> bool:
        """Whether upsd tells a state of this UPS."""
        return asyncio.run(ask(f"{name}@127.0.0.1:{self.port}")).success

    def spawn(self, *command: str | Path) -> subprocess.Popen[bytes]:
        """A process that ends with the stack."""
        places = dict.fromkeys(("NUT_CONFPATH", "NUT_STATEPATH", "NUT_ALTPIDPATH"), str(self.folder))
        log = self.stack.enter_context((self.folder / "log").open("ab"))
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=os.environ | places)
        self.stack.enter_context(process)
        self.stack.callback(process.kill)
        return process

    def until(self, ready: Callable[[], bool]) -> None:
        """Wait, with the words of all processes in the message of a failure."""
        until = time.monotonic() + PATIENCE_S
        while not ready():
            assert time.monotonic() < until, (self.folder / "log").read_text(errors="replace")
            time.sleep(0.05)

    def tell(self, name: str, **changes: str) -> None:
        """What the UPS says from the driver's next look on; the driver looks at the time of the file."""
        state = STATE | {key.replace("_", "."): value for key, value in changes.items()}
        file = self.folder / f"{name}.dev"
        new = file.with_suffix(".new")
        new.write_text("".join(f"{key}: {value}\n" for key, value in state.items()))
        if file.exists():
            later = int(file.stat().st_mtime) + 1
            os.utime(new, (later, later))
        new.rename(file)

    async def hears(self, address: str, wanted: Callable[[Measurement], bool]) -> Measurement:
        """The first measurement that is as wanted."""
        until = time.monotonic() + PATIENCE_S
        while not wanted(found := await ask(address)):
            assert time.monotonic() < until, found
            await asyncio.sleep(0.1)
        return found


async def ask(address: str, params: NutParams | None = None, timeout_s: float = 5.0) -> Measurement:
    deadline = asyncio.get_running_loop().time() + timeout_s
    return await KIND.bind(params or NutParams()).run(address, deadline)


@pytest.fixture(scope="module")
def upsd(program: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nut]:
    """One UPS behind upsd that speaks TLS: Debian's is built with NSS, which keeps certificates in a database."""
    folder = tmp_path_factory.mktemp("nut")
    database, word = folder / "nss", folder / "word"
    database.mkdir()
    word.write_text("nss")
    key, certificate, both = folder / "key.pem", folder / "certificate.pem", folder / "both.p12"
    made = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2")
    run(program("openssl"), *made, "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1")
    exported = ("-inkey", key, "-in", certificate, "-passout", "pass:nss", "-name", "upsd", "-out", both)
    run(program("openssl"), "pkcs12", "-export", *exported)
    run(program("certutil"), "-N", "-d", database, "-f", word)
    run(program("pk12util"), "-i", both, "-d", database, "-k", word, "-w", word)
    program("upsd")
    nut = Nut(folder, "ups")
    with nut.stack:
        nut.start(f'CERTPATH {database}\nCERTIDENT "upsd" "nss"\n')
        yield nut


@pytest.fixture
async def ups(upsd: Nut) -> Nut:
    upsd.tell("ups")
    await upsd.hears(f"ups@127.0.0.1:{upsd.port}", lambda found: dict(found.figures) == MAINS_FIGURES)
    return upsd


async def test_the_only_ups_is_found_without_its_name(ups: Nut) -> None:
    found = await ask(f"127.0.0.1:{ups.port}")
    assert (found.success, found.detail) == (True, "")
    assert [name for name, _ in found.phases] == ["resolve", "connect", "list", "ask"]
    assert dict(found.figures) == MAINS_FIGURES


async def test_ipv6(ups: Nut) -> None:
    assert dict((await ask(f"ups@[::1]:{ups.port}")).figures) == MAINS_FIGURES | {"probe_ip_protocol": 6.0}


async def test_a_power_cut_and_its_end_are_seen(ups: Nut) -> None:
    """OL, then OB, then OB LB, then OL again."""
    address = f"ups@127.0.0.1:{ups.port}"
    ups.tell("ups", ups_status="OB DISCHRG", battery_charge="80")
    found = await ups.hears(address, lambda found: dict(found.figures).get("probe_ups_on_battery") == 1.0)
    assert found.success
    assert dict(found.figures)["probe_ups_charge_ratio"] == 0.8
    ups.tell("ups", ups_status="OB LB DISCHRG", battery_charge="9")
    await ups.hears(address, lambda found: dict(found.figures).get("probe_ups_battery_low") == 1.0)
    ups.tell("ups")
    await ups.hears(address, lambda found: dict(found.figures) == MAINS_FIGURES)


async def test_a_calibration_counts_as_mains(ups: Nut) -> None:
    ups.tell("ups", ups_status="OB CAL DISCHRG")
    found = await ups.hears(
        f"ups@127.0.0.1:{ups.port}", lambda found: dict(found.figures).get("probe_ups_testing") == 1.0
    )
    assert dict(found.figures)["probe_ups_on_battery"] == 0.0


async def test_a_driver_that_falls_silent_is_no_power_cut(ups: Nut) -> None:
    """Stale data are a failure of status, without a word about the mains."""
    ups.drivers["ups"].send_signal(signal.SIGSTOP)
    try:
        found = await ups.hears(f"ups@127.0.0.1:{ups.port}", lambda found: not found.success)
    finally:
        ups.drivers["ups"].send_signal(signal.SIGCONT)
    assert (found.failure, found.detail) == (Failure.STATUS, "upsd answers: data stale")
    assert "probe_ups_on_battery" not in dict(found.figures)


async def test_an_unknown_ups_is_a_failure_of_status(ups: Nut) -> None:
    found = await ask(f"other@127.0.0.1:{ups.port}")
    assert (found.failure, found.detail) == (Failure.STATUS, "upsd answers: unknown ups")


async def test_a_user_with_his_password_from_a_file(ups: Nut) -> None:
    (ups.folder / "password").write_text(f"{WORD}\n")
    params = NutParams(username="watch", password_file=str(ups.folder / "password"))
    found = await ask(f"ups@127.0.0.1:{ups.port}", params)
    assert dict(found.figures) == MAINS_FIGURES
    assert "login" in dict(found.phases)


async def test_starttls_tells_the_same_and_when_the_certificate_runs_out(ups: Nut) -> None:
    params = NutParams(starttls=True, ca_file=str(ups.folder / "certificate.pem"))
    found = await ask(f"ups@127.0.0.1:{ups.port}", params)
    assert (found.success, found.detail) == (True, "")
    assert [name for name, _ in found.phases] == ["resolve", "connect", "starttls", "tls", "ask"]
    figures = dict(found.figures)
    assert figures.pop("probe_ssl_earliest_cert_expiry") > time.time()
    assert figures == MAINS_FIGURES


async def test_a_certificate_that_nobody_vouches_for_is_a_failure_of_tls(ups: Nut) -> None:
    found = await ask(f"ups@127.0.0.1:{ups.port}", NutParams(starttls=True))
    assert found.failure is Failure.TLS
    assert found.detail.startswith("certificate not accepted")


async def test_of_several_upses_one_must_be_named(program: Callable[[str], Path], tmp_path: Path) -> None:
    """And an upsd without a certificate says that it has no TLS."""
    program("upsd")
    nut = Nut(tmp_path, "left", "right")
    with nut.stack:
        await asyncio.to_thread(nut.start)
        found = await ask(f"127.0.0.1:{nut.port}")
        named = await ask(f"right@127.0.0.1:{nut.port}")
        secured = await ask(f"right@127.0.0.1:{nut.port}", NutParams(starttls=True))
    assert found.failure is Failure.STATUS
    assert found.detail == "several UPSes, name one of them as ups@host: left, right"
    assert named.success
    assert (secured.failure, secured.detail) == (Failure.TLS, "upsd does not speak TLS: FEATURE-NOT-CONFIGURED")
