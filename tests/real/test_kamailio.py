"""SIP OPTIONS to the real kamailio: over UDP, TCP and TLS, on IPv4 and IPv6."""

import asyncio
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from probes.kinds.sip import KIND, SipParams
from probes.model import Failure, Measurement

PATIENCE_S = 20.0
EXPIRES = "probe_ssl_earliest_cert_expiry"
DAY_S = 86400

CONFIGURATION = """
debug=0
log_stderror=yes
children=1
tcp_children=1
auto_aliases=no
enable_tls=yes
listen=udp:127.0.0.1:{sip}
listen=udp:[::1]:{sip}
listen=tcp:127.0.0.1:{sip}
listen=tcp:[::1]:{sip}
listen=tls:127.0.0.1:{tls}
listen=tls:[::1]:{tls}
listen=tls:127.0.0.1:{expired}
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "tls.so"
modparam("tls", "config", "{folder}/tls.cfg")

request_route {{
    if ($rU == "nobody") {{ sl_send_reply("404", "Not Found"); exit; }}
    if ($rU == "closed") {{
        append_to_reply("WWW-Authenticate: Digest realm=\\"x\\", nonce=\\"y\\"\\r\\n");
        sl_send_reply("401", "Unauthorized");
        exit;
    }}
    if ($rU == "slow") {{ sl_send_reply("100", "Trying"); }}
    if ($rU == "silent") {{ exit; }}
    if ($rd == "example.vn") {{ sl_send_reply("486", "Busy Here"); exit; }}
    if ($fU == "stranger") {{ sl_send_reply("403", "Forbidden"); exit; }}
    sl_send_reply("200", "OK");
}}
"""
TLS_CONFIGURATION = """
[server:default]
method = TLSv1.2+
private_key = {folder}/good.key
certificate = {folder}/good.pem
[server:127.0.0.1:{expired}]
method = TLSv1.2+
private_key = {folder}/expired.key
certificate = {folder}/expired.pem
"""


class Kamailio(NamedTuple):
    """Where it listens, and the files of its certificates."""

    folder: Path
    sip: int
    tls: int
    expired: int


async def ask(address: str, timeout_s: float = 5.0, /, **params: object) -> Measurement:
    deadline = asyncio.get_running_loop().time() + timeout_s
    return await KIND.bind(msgspec.convert(params, SipParams)).run(address, deadline)


def make_certificate(openssl: Path, folder: Path, name: str, days: int) -> None:
    """Self-signed, for the addresses of loopback, valid for so many days."""
    pem, key, request, names = (folder / f"{name}.{end}" for end in ("pem", "key", "csr", "names"))
    names.write_text("subjectAltName=IP:127.0.0.1,IP:::1\n")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    signing = ("-signkey", key, "-days", str(days), "-extfile", names)
    for command in (
        ("req", *curve, "-keyout", key, "-out", request, "-subj", "/CN=localhost"),
        ("x509", "-req", "-in", request, *signing, "-out", pem),
    ):
        subprocess.run((openssl, *command), check=True, capture_output=True, timeout=60)


def free_ports(count: int) -> list[int]:
    with_ports = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(sock.getsockname()[1]) for sock in with_ports]
    for sock in with_ports:
        sock.close()
    return ports


@contextmanager
def running(command: tuple[str | Path, ...], log: Path) -> Iterator[None]:
    """A program and all that it forks, until the end."""
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True) as it,
    ):
        try:
            yield
        finally:
            for how in (signal.SIGTERM, signal.SIGKILL):
                with suppress(ProcessLookupError):
                    os.killpg(it.pid, how)
                with suppress(subprocess.TimeoutExpired):
                    it.wait(5)


def wait_for(server: Kamailio, log: Path) -> None:
    """Until it answers on every port."""
    until = time.monotonic() + PATIENCE_S
    ports = {server.sip: "udp", server.tls: "tls", server.expired: "tls"}
    for port, transport in ports.items():
        while not asyncio.run(ask(f"127.0.0.1:{port}", 1.0, transport=transport, insecure_skip_verify=True)).success:
            assert time.monotonic() < until, log.read_text(errors="replace")
            time.sleep(0.05)


@pytest.fixture(scope="module")
def kamailio(program: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kamailio]:
    folder = tmp_path_factory.mktemp("kamailio")
    executable, openssl = program("kamailio"), program("openssl")
    server = Kamailio(folder, *free_ports(3))
    make_certificate(openssl, folder, "good", 30)
    make_certificate(openssl, folder, "expired", -1)
    (folder / "kamailio.cfg").write_text(CONFIGURATION.format(**server._asdict()))
    (folder / "tls.cfg").write_text(TLS_CONFIGURATION.format(**server._asdict()))
    # In the foreground, to stderr, with little memory, its files in our folder.
    settings = ("-DD", "-E", "-m", "16", "-M", "4", "-Y", folder, "-P", folder / "pid")
    log = folder / "log"
    with running((executable, "-f", folder / "kamailio.cfg", *settings), log):
        wait_for(server, log)
        yield server


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_it_answers_over_udp(kamailio: Kamailio, host: str) -> None:
    found = await ask(f"{host}:{kamailio.sip}")
    assert (found.success, found.detail) == (True, "")
    assert [name for name, _ in found.phases] == ["resolve", "options"]
    version = 6.0 if "[" in host else 4.0
    assert dict(found.figures) == {"probe_ip_protocol": version, "probe_sip_status_code": 200.0}


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_it_answers_over_tcp(kamailio: Kamailio, host: str) -> None:
    found = await ask(f"{host}:{kamailio.sip}", transport="tcp")
    assert (found.success, found.detail) == (True, "")
    assert [name for name, _ in found.phases] == ["resolve", "connect", "options"]
    assert dict(found.figures)["probe_sip_status_code"] == 200.0


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_it_answers_within_tls(kamailio: Kamailio, host: str) -> None:
    """And its certificate tells when it runs out."""
    found = await ask(f"{host}:{kamailio.tls}", transport="tls", ca_file=str(kamailio.folder / "good.pem"))
    assert (found.success, found.detail) == (True, "")
    assert [name for name, _ in found.phases] == ["resolve", "connect", "tls", "options"]
    figures = dict(found.figures)
    assert figures["probe_sip_status_code"] == 200.0
    assert 29 * DAY_S < figures[EXPIRES] - time.time() <= 30 * DAY_S


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"user": "nobody"}, 404.0),
        ({"user": "closed"}, 401.0),
        ({"user": "slow"}, 200.0),
        ({"domain": "example.vn"}, 486.0),
        ({"from_uri": "sip:stranger@example.vn"}, 403.0),
    ],
)
async def test_every_final_response_proves_signalling(
    kamailio: Kamailio, transport: str, params: dict[str, str], status: float
) -> None:
    """Also a refusal, also behind a provisional one; its code is kept."""
    found = await ask(f"127.0.0.1:{kamailio.sip}", transport=transport, **params)
    assert found.success, found
    assert dict(found.figures)["probe_sip_status_code"] == status


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_server_that_hears_and_does_not_answer_is_a_timeout(kamailio: Kamailio, transport: str) -> None:
    found = await ask(f"127.0.0.1:{kamailio.sip}", 0.8, transport=transport, user="silent")
    assert (found.failure, found.detail) == (Failure.TIMEOUT, "no answer in phase options")


async def test_an_expired_certificate_is_a_failure_of_tls(kamailio: Kamailio) -> None:
    """Unverified, it tells since when."""
    address, trusted = f"127.0.0.1:{kamailio.expired}", str(kamailio.folder / "expired.pem")
    verified = await ask(address, transport="tls", ca_file=trusted)
    unverified = await ask(address, transport="tls", insecure_skip_verify=True)
    assert (verified.failure, verified.detail) == (Failure.TLS, "certificate not accepted: certificate has expired")
    assert unverified.success
    assert dict(unverified.figures)[EXPIRES] < time.time()


async def test_a_certificate_that_nobody_vouches_for_is_a_failure_of_tls(kamailio: Kamailio) -> None:
    found = await ask(f"127.0.0.1:{kamailio.tls}", transport="tls")
    assert found.failure is Failure.TLS
    assert found.detail.startswith("certificate not accepted")


async def test_the_wrong_transport_for_a_port_is_no_success(kamailio: Kamailio) -> None:
    """SIP in the clear where TLS is spoken, TLS where SIP is, UDP where nothing listens."""
    clear = await ask(f"127.0.0.1:{kamailio.tls}", 2.0, transport="tcp")
    secured = await ask(f"127.0.0.1:{kamailio.sip}", 1.0, transport="tls", insecure_skip_verify=True)
    datagram = await ask(f"127.0.0.1:{kamailio.tls}", transport="udp")
    assert clear.failure in {Failure.PROTOCOL, Failure.RESET}
    assert secured.failure in {Failure.TLS, Failure.RESET, Failure.TIMEOUT}
    assert datagram.failure is Failure.REFUSED
