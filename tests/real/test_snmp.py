"""UPSes behind the real agents: net-snmp's snmpd with the UPS-MIB of a script, and snmpsim playing a recording."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import pytest

from probes.codecs.usm import Authentication, Privacy
from probes.kinds.snmp_ups import KIND, SnmpUpsParams
from probes.model import Failure, Measurement

STATE = {
    "2.1.0": "integer 2",
    "2.2.0": "integer 0",
    "2.3.0": "integer 42",
    "2.4.0": "integer 97",
    "3.1.0": "counter 3",
    "4.1.0": "integer 3",
    "6.1.0": "gauge 0",
    "7.3.0": "integer 6",
}
"""Below upsObjects: on mains, 42 minutes, 97 %."""
ON_BATTERY = {"2.2.0": "integer 65", "4.1.0": "integer 5", "2.4.0": "integer 80", "6.1.0": "gauge 2"}
MAINS_FIGURES = {
    "probe_ip_protocol": 4.0,
    "probe_ups_on_battery": 0.0,
    "probe_ups_runtime_seconds": 2520.0,
    "probe_ups_charge_ratio": 0.97,
    "probe_ups_battery_low": 0.0,
    "probe_ups_on_battery_seconds": 0.0,
    "probe_ups_input_line_bads": 3.0,
    "probe_ups_alarms": 0.0,
    "probe_ups_testing": 0.0,
}

AGENT = """
import sys
BASE = ".1.3.6.1.2.1.33.1."
def key(oid): return tuple(map(int, oid.strip(".").split(".")))
while True:
    command = sys.stdin.readline().strip()
    if command == "PING":
        print("PONG", flush=True)
        continue
    if not command:
        sys.exit()
    asked = key(sys.stdin.readline().strip())
    lines = [line.split(" ", 2) for line in open(sys.argv[1]).read().splitlines()]
    rows = sorted((key(BASE + name), BASE + name, kind, value) for name, kind, value in lines)
    found = [row for row in rows if (row[0] > asked if command == "getnext" else row[0] == asked)]
    print("\\n".join(found[0][1:]) if found else "NONE", flush=True)
"""
"""snmpd's pass_persist protocol, from a file of ``oid type value`` that is read at each question."""

HASHES: tuple[Authentication, ...] = ("sha", "sha224", "sha256", "sha384", "sha512")
CIPHERS: tuple[Privacy, ...] = ("des", "aes")
WORDS = {"auth": "wrong way round", "priv": "hidden from view"}
LEVELS = {
    "noauth": SnmpUpsParams(version="3", username="noauth"),
    "md5": SnmpUpsParams(version="3", username="md5", auth_protocol="md5", auth_password=WORDS["auth"]),
    **{
        f"{auth}-{priv}": SnmpUpsParams(
            version="3",
            username=f"{auth}{priv}",
            auth_protocol=auth,
            auth_password=WORDS["auth"],
            priv_protocol=priv,
            priv_password=WORDS["priv"],
        )
        for auth, priv in product(HASHES, CIPHERS)
    },
}
NAMES = {"sha224": "SHA-224", "sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}


async def ask(port: int, params: SnmpUpsParams, timeout_s: float = 10.0, host: str = "127.0.0.1") -> Measurement:
    deadline = asyncio.get_running_loop().time() + timeout_s
    return await KIND.bind(params).run(f"{host}:{port}", deadline)


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    assert isinstance(port, int)
    return port


def answers(port: int, params: SnmpUpsParams) -> bool:
    return asyncio.run(ask(port, params, 1.0)).failure not in {Failure.REFUSED, Failure.TIMEOUT}


@contextmanager
def running(command: list[str | Path], port: int, params: SnmpUpsParams, folder: Path) -> Iterator[None]:
    """The agent until the test is over; its words go to a file that a failure shows."""
    log = folder / "agent.log"
    environment = os.environ | {"SNMP_PERSISTENT_DIR": str(folder / "kept"), "HOME": str(folder)}
    with (
        log.open("wb") as opened,
        subprocess.Popen(
            command, stdout=opened, stderr=opened, stdin=subprocess.DEVNULL, env=environment, cwd=folder
        ) as agent,
    ):
        try:
            until = time.monotonic() + 15
            while not answers(port, params):
                assert agent.poll() is None, log.read_text(errors="replace")
                assert time.monotonic() < until, log.read_text(errors="replace")
                time.sleep(0.05)
            yield
        finally:
            agent.kill()


class Ups:
    """The agent's port, and the state that it tells from now on."""

    def __init__(self, port: int, file: Path) -> None:
        self.port, self.file = port, file
        self.tell(STATE)

    def tell(self, *states: dict[str, str]) -> None:
        """Objects by what stands behind upsObjects; the later ones win."""
        merged = {name: value for state in states for name, value in state.items()}
        new = self.file.with_suffix(".new")
        new.write_text("".join(f"{name} {value}\n" for name, value in merged.items()))
        new.rename(self.file)


@pytest.fixture(scope="module")
def snmpd(program: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ups]:
    folder = tmp_path_factory.mktemp("snmpd")
    ups = Ups(free_port(), folder / "state")
    script = folder / "agent.py"
    script.write_text(AGENT)
    lines = [
        f"agentAddress udp:127.0.0.1:{ups.port},udp6:[::1]:{ups.port}",
        "rocommunity public",
        "rocommunity6 public",
        f"pass_persist .1.3.6.1.2.1.33 {sys.executable} {script} {ups.file}",
        "rouser noauth noauth",
        "createUser noauth",
    ]
    for params in LEVELS.values():
        if auth := params.auth_protocol:
            hidden = f" {params.priv_protocol.upper()} '{params.priv_password}'" if params.priv_protocol else ""
            lines += [
                f"createUser {params.username} {NAMES.get(auth, auth.upper())} '{params.auth_password}'{hidden}",
                f"rouser {params.username} {'priv' if hidden else 'auth'}",
            ]
    (folder / "snmpd.conf").write_text("\n".join(lines) + "\n")
    command: list[str | Path] = [program("snmpd"), "-f", "-Lo", "-r", "-C", "-c", folder / "snmpd.conf"]
    with running(command, ups.port, SnmpUpsParams(), folder):
        yield ups


@pytest.fixture
def ups(snmpd: Ups) -> Ups:
    snmpd.tell(STATE)
    return snmpd


async def test_version_2c_tells_the_state(ups: Ups) -> None:
    found = await ask(ups.port, SnmpUpsParams())
    assert (found.success, found.detail) == (True, "")
    assert [name for name, _ in found.phases] == ["resolve", "ask"]
    assert dict(found.figures) == MAINS_FIGURES


async def test_ipv6(ups: Ups) -> None:
    found = await ask(ups.port, SnmpUpsParams(), host="[::1]")
    assert dict(found.figures) == MAINS_FIGURES | {"probe_ip_protocol": 6.0}


@pytest.mark.parametrize("level", LEVELS)
async def test_version_3_tells_the_same_at_every_level(ups: Ups, level: str) -> None:
    """Each hash with each cipher, as net-snmp does them."""
    found = await ask(ups.port, LEVELS[level])
    assert (found.success, found.detail) == (True, "")
    assert [name for name, _ in found.phases] == ["resolve", "discover", "ask"]
    assert dict(found.figures) == MAINS_FIGURES


@pytest.mark.parametrize("params", [SnmpUpsParams(), LEVELS["sha256-aes"]], ids=["2c", "3"])
async def test_a_power_cut_and_its_end_are_seen(ups: Ups, params: SnmpUpsParams) -> None:
    """The alarms are looked at, and none of them is a test."""
    ups.tell(STATE, ON_BATTERY, {"6.2.1.2.1": "objectid .1.3.6.1.2.1.33.1.6.3.2"})
    cut = await ask(ups.port, params)
    assert cut.success
    assert [name for name, _ in cut.phases][-1] == "alarms"
    figures = dict(cut.figures)
    assert figures["probe_ups_on_battery"] == 1.0
    assert figures["probe_ups_on_battery_seconds"] == 65.0
    assert figures["probe_ups_charge_ratio"] == 0.8
    ups.tell(STATE)
    assert dict((await ask(ups.port, params)).figures) == MAINS_FIGURES


@pytest.mark.parametrize(
    "test", [{"7.3.0": "integer 5"}, {"6.2.1.2.7": "objectid .1.3.6.1.2.1.33.1.6.3.24"}], ids=["result", "alarm"]
)
async def test_a_self_test_counts_as_mains(ups: Ups, test: dict[str, str]) -> None:
    """Whether the UPS says so in its test group or in its list of alarms."""
    ups.tell(STATE, ON_BATTERY, {"6.2.1.2.3": "objectid .1.3.6.1.2.1.33.1.6.3.2"}, test)
    figures = dict((await ask(ups.port, SnmpUpsParams())).figures)
    assert figures["probe_ups_on_battery"] == 0.0
    assert figures["probe_ups_testing"] == 1.0


async def test_an_agent_without_ups_is_a_failure_of_status(ups: Ups) -> None:
    ups.tell({})
    found = await ask(ups.port, SnmpUpsParams())
    assert found.failure is Failure.STATUS
    assert found.detail.startswith("no UPS-MIB")


@pytest.mark.parametrize(
    ("level", "change", "reason"),
    [
        ("noauth", {"username": "nobody"}, "unknown user name"),
        ("md5", {"auth_password": "another one"}, "wrong digest"),
        ("md5", {"auth_protocol": "sha"}, "wrong digest"),
        ("noauth", {"auth_protocol": "sha", "auth_password": "none such"}, "unsupported security level"),
    ],
)
async def test_a_user_who_may_not_is_told_why(ups: Ups, level: str, change: dict[str, str], reason: str) -> None:
    params = {name: getattr(LEVELS[level], name) for name in LEVELS[level].__struct_fields__}
    found = await ask(ups.port, SnmpUpsParams(**params | change), 3.0)
    assert (found.failure, found.detail) == (Failure.STATUS, f"the agent reports: {reason}")


@pytest.mark.parametrize(
    "params",
    [
        SnmpUpsParams(community="wrong"),
        SnmpUpsParams(
            version="3",
            username="shaaes",
            auth_protocol="sha",
            auth_password=WORDS["auth"],
            priv_protocol="aes",
            priv_password=WORDS["auth"],
        ),
    ],
    ids=["community", "key"],
)
async def test_a_wrong_community_or_key_is_met_with_silence(ups: Ups, params: SnmpUpsParams) -> None:
    """What the wrong key decrypts to is no message for the agent."""
    found = await ask(ups.port, params, 0.5)
    assert (found.failure, found.detail) == (Failure.TIMEOUT, "no answer in phase ask")


RECORDING = """\
1.3.6.1.2.1.1.1.0|4|Emulated UPS
1.3.6.1.2.1.33.1.2.1.0|2|3
1.3.6.1.2.1.33.1.2.2.0|2|600
1.3.6.1.2.1.33.1.2.3.0|2|4
1.3.6.1.2.1.33.1.2.4.0|2|11
1.3.6.1.2.1.33.1.3.1.0|65|9
1.3.6.1.2.1.33.1.4.1.0|2|5
1.3.6.1.2.1.33.1.6.1.0|66|2
1.3.6.1.2.1.33.1.6.2.1.2.1|6|1.3.6.1.2.1.33.1.6.3.2
1.3.6.1.2.1.33.1.6.2.1.2.2|6|1.3.6.1.2.1.33.1.6.3.3
1.3.6.1.2.1.33.1.7.3.0|2|1
"""


@pytest.fixture(scope="module")
def snmpsim(program: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("snmpsim")
    (folder / "data").mkdir()
    (folder / "data" / "public.snmprec").write_text(RECORDING)
    port = free_port()
    command: list[str | Path] = [program("snmpsimd"), f"--data-dir={folder}/data", f"--cache-dir={folder}"]
    command += [f"--agent-udpv4-endpoint=127.0.0.1:{port}", "--process-user=root", "--process-group=root"]
    command += ["--v3-user=watch", f"--v3-auth-key={WORDS['auth']}", "--v3-auth-proto=SHA"]
    command += [f"--v3-priv-key={WORDS['priv']}", "--v3-priv-proto=AES"]
    with running(command, port, SnmpUpsParams(), folder):
        yield port


SNMPSIM = {
    "2c": SnmpUpsParams(),
    "3": SnmpUpsParams(
        version="3",
        username="watch",
        auth_protocol="sha",
        auth_password=WORDS["auth"],
        priv_protocol="aes",
        priv_password=WORDS["priv"],
        context="public",
    ),
}


@pytest.mark.parametrize("version", SNMPSIM)
async def test_snmpsim_plays_a_ups_whose_battery_runs_low(snmpsim: int, version: str) -> None:
    """Another make of agent, pysnmp's."""
    found = await ask(snmpsim, SNMPSIM[version])
    assert (found.success, found.detail) == (True, "")
    assert dict(found.figures) == {
        "probe_ip_protocol": 4.0,
        "probe_ups_on_battery": 1.0,
        "probe_ups_runtime_seconds": 240.0,
        "probe_ups_charge_ratio": 0.11,
        "probe_ups_battery_low": 1.0,
        "probe_ups_on_battery_seconds": 600.0,
        "probe_ups_input_line_bads": 9.0,
        "probe_ups_alarms": 2.0,
        "probe_ups_testing": 0.0,
    }
