"""The stun and turn probes against coturn with long-term credentials."""

import asyncio
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from probes.kinds import stun, turn
from probes.kinds.stun import StunParams
from probes.kinds.turn import TurnParams
from probes.model import Failure, Measurement

BOUND_S = 10.0
"""More than any answer here takes on a busy machine."""
USER, PASSWORD, REALM = "cau", "mật khẩu", "điểm.test"


class Turnserver:
    """Listens on ports of its own: UDP and TCP, and TLS."""

    def __init__(self, port: int, tls_port: int, ca_file: Path) -> None:
        self.port, self.tls_port, self.ca_file = port, tls_port, str(ca_file)

    def address(self, transport: str) -> str:
        """Where this transport is spoken."""
        return f"127.0.0.1:{self.tls_port if transport == 'tls' else self.port}"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_until_it_listens(port: int, log: Path) -> None:
    end = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), BOUND_S).close()
        except OSError:
            assert time.monotonic() < end, log.read_text(errors="replace")[-4000:]
            time.sleep(0.05)
        else:
            return


@pytest.fixture(scope="module")
def turnserver(program: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Turnserver]:
    folder = tmp_path_factory.mktemp("coturn")
    pem, key, log = folder / "cert.pem", folder / "key.pem", folder / "log"
    make = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = [program("openssl"), *make, "-keyout", key, "-out", pem, *names]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    server = Turnserver(free_port(), free_port(), pem)
    config = folder / "turnserver.conf"
    config.write_text(
        f"listening-port={server.port}\ntls-listening-port={server.tls_port}\nlistening-ip=127.0.0.1\n"
        f"relay-ip=127.0.0.1\nlt-cred-mech\nuser={USER}:{PASSWORD}\nrealm={REALM}\nno-dtls\nno-cli\n"
        f"cert={pem}\npkey={key}\nuserdb={folder}/users\npidfile={folder}/pid\nlog-file=stdout\nsimple-log\n",
        encoding="utf-8",
    )
    with log.open("wb") as output:
        process = subprocess.Popen([program("turnserver"), "-c", config], stdout=output, stderr=output)
    try:
        wait_until_it_listens(server.port, log)
        wait_until_it_listens(server.tls_port, log)
        yield server
    finally:
        process.kill()
        process.wait()


async def bind(address: str, params: StunParams) -> Measurement:
    return await stun.probe(address, params, asyncio.get_running_loop().time() + BOUND_S)


async def allocate(address: str, params: TurnParams) -> Measurement:
    return await turn.probe(address, params, asyncio.get_running_loop().time() + BOUND_S)


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_it_answers_a_binding_request(turnserver: Turnserver, transport: str) -> None:
    """And sees us by our own address: there is no NAT on loopback."""
    params = StunParams(transport=transport, ca_file=turnserver.ca_file)
    found = await bind(turnserver.address(transport), params)
    assert found.success, found
    figures = dict(found.figures)
    assert figures["probe_stun_translated"] == 0.0
    assert ("probe_ssl_earliest_cert_expiry" in figures) is (transport == "tls")


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_it_relays_for_the_right_password(turnserver: Turnserver, transport: str) -> None:
    """Ten in a row from ports of their own, each given back."""
    params = TurnParams(username=USER, password=PASSWORD, transport=transport, ca_file=turnserver.ca_file)
    for _ in range(10):
        found = await allocate(turnserver.address(transport), params)
        assert found.success, found
        assert dict(found.figures)["probe_turn_lifetime_seconds"] == 600.0
        assert dict(found.phases)["release"] < turn.RELEASE_S


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
@pytest.mark.parametrize(("user", "password"), [(USER, "sai"), ("ai", PASSWORD), ("", "")])
async def test_it_does_not_relay_for_anybody_else(
    turnserver: Turnserver, transport: str, user: str, password: str
) -> None:
    params = TurnParams(username=user, password=password, transport=transport, ca_file=turnserver.ca_file)
    found = await allocate(turnserver.address(transport), params)
    assert (found.failure, found.detail) == (Failure.STATUS, "error 401 Unauthorized")
    assert dict(found.figures)["probe_stun_error_code"] == 401.0


async def test_a_certificate_that_nobody_vouches_for_is_not_accepted(turnserver: Turnserver) -> None:
    found = await allocate(turnserver.address("tls"), TurnParams(username=USER, password=PASSWORD, transport="tls"))
    assert (found.failure, found.detail) == (Failure.TLS, "certificate not accepted: self-signed certificate")
