"""The dns probe against dnsmasq, which knows a few names and has nobody to ask for others."""

import asyncio
import pwd
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from os import geteuid
from pathlib import Path
from typing import Literal

import pytest

from probes.kinds import dns
from probes.kinds.dns import DnsParams
from probes.model import Failure, Measurement

BOUND_S = 10.0
"""More than any answer here takes on a busy machine."""
BIG = [f"--txt-record=big.test,{number:03}{'x' * 100}" for number in range(40)]
RECORDS = [
    "--host-record=codec.test,192.0.2.7,2001:db8::7",
    "--local=/codec.test/",
    "--address=/nobody.test/",
    "--address=/all.test/192.0.2.9",
    "--cname=alias.test,codec.test",
    "--txt-record=txt.test,điểm cầu",
    "--srv-host=_sip._udp.test,codec.test,5060,10,60",
    "--mx-host=mail.test,codec.test,10",
    "--naptr-record=naptr.test,10,100,S,SIP+D2U,,_sip._udp.test",
]
TRANSPORTS = pytest.mark.parametrize("transport", ["udp", "tcp"])
Transport = Literal["udp", "tcp"]


@pytest.fixture(scope="module")
def address(program: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("dnsmasq") / "log"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    closed = ["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file="]
    here = [f"--port={port}", "--listen-address=127.0.0.1", "--bind-interfaces"]
    user = f"--user={pwd.getpwuid(geteuid()).pw_name}"
    with log.open("wb") as output:
        command = [program("dnsmasq"), *closed, *here, user, *RECORDS, *BIG]
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        wait_until_it_listens(port, log)
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


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


async def ask(address: str, params: DnsParams) -> Measurement:
    return await dns.probe(address, params, asyncio.get_running_loop().time() + BOUND_S)


@TRANSPORTS
@pytest.mark.parametrize(
    ("name", "type_", "pattern"),
    [
        ("codec.test", "A", r"^A 192\.0\.2\.7$"),
        ("codec.test", "AAAA", r"^AAAA 2001:db8::7$"),
        ("điểm.all.test", "A", r"^A 192\.0\.2\.9$"),
        ("alias.test", "A", r"^CNAME codec\.test\.$"),
        ("txt.test", "TXT", r"^TXT \"\\196\\145"),
        ("_sip._udp.test", "SRV", r"^SRV 10 60 5060 codec\.test\.$"),
        ("mail.test", "MX", r"^MX 10 codec\.test\.$"),
        ("naptr.test", "NAPTR", r"SIP\+D2U"),
    ],
)
async def test_it_tells_what_it_knows(
    address: str, transport: Transport, name: str, type_: dns.dns.Type, pattern: str
) -> None:
    params = DnsParams(query=name, type=type_, transport=transport, min_answers=1, answers_match=(pattern,))
    found = await ask(address, params)
    assert found.success, found
    assert dict(found.figures)["probe_dns_rcode"] == 0.0
    assert dict(found.figures)["probe_dns_answer_rrs"] >= 1.0


@TRANSPORTS
@pytest.mark.parametrize(("name", "rcode"), [("nobody.test", "NXDOMAIN"), ("example.com", "REFUSED")])
async def test_it_tells_that_it_does_not_know(address: str, transport: Transport, name: str, rcode: str) -> None:
    found = await ask(address, DnsParams(query=name, type="A", transport=transport))
    assert (found.failure, found.detail) == (Failure.STATUS, f"{rcode}, wanted NOERROR")
    params = DnsParams(query=name, type="A", transport=transport, valid_rcodes=(rcode,))
    assert (await ask(address, params)).success


async def test_a_name_without_such_a_record_has_no_answers(address: str) -> None:
    found = await ask(address, DnsParams(query="codec.test", type="MX", min_answers=1))
    assert (found.failure, found.detail) == (Failure.STATUS, "0 MX records, wanted at least 1")


async def test_what_does_not_fit_a_packet_comes_over_tcp(address: str) -> None:
    params = DnsParams(query="big.test", type="TXT", min_answers=40, answers_match=("039x",))
    found = await ask(address, params)
    assert found.success, found
    assert [name for name, _ in found.phases] == ["resolve", "connect", "request"]
    assert dict(found.figures)["probe_dns_answer_rrs"] == 40.0
