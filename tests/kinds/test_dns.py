import asyncio
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import dns.flags
import dns.message
import dns.rrset
import pytest

from probes import exchange
from probes.kinds.dns import KIND, DnsParams
from probes.model import Failure, Measurement

BOUND_S = 10.0
"""More than any answer here takes on a busy machine."""
Serve = Callable[..., int]
Tls = Callable[[int], ssl.SSLContext]
Certificate = Callable[[int], tuple[Path, Path]]
NAME = "codec.test"
ASK = DnsParams(query=NAME, type="A")
RECORDS = (f"{NAME}. 60 IN A 192.0.2.1", f"{NAME}. 60 IN A 192.0.2.2")


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no message is judged soon."""
    monkeypatch.setattr(exchange, "FIRST_WAIT_S", 0.1)


async def ask(address: str, params: DnsParams = ASK, timeout_s: float = BOUND_S) -> Measurement:
    deadline = asyncio.get_running_loop().time() + timeout_s
    return await KIND.bind(params).run(address, deadline)


def respond(data: bytes, *records: str, rcode: int = 0, truncated: bool = False) -> bytes:
    made = dns.message.make_response(dns.message.from_wire(data))
    made.set_rcode(rcode)
    made.flags |= dns.flags.TC if truncated else 0
    for record in records:
        name, ttl, class_, type_, value = record.split(" ", 4)
        made.answer.append(dns.rrset.from_text(name, int(ttl), class_, type_, value))
    return made.to_wire(max_size=65535)


def answers(data: bytes) -> list[bytes]:
    return [respond(data, *RECORDS)]


def stream(*records: str, **how: bool) -> Callable[[socket.socket], None]:
    """A server over TCP that answers one query."""

    def handle(sock: socket.socket) -> None:
        answer = respond(sock.recv(4096)[2:], *records, **how)
        sock.sendall(len(answer).to_bytes(2, "big") + answer)
        sock.recv(1)

    return handle


async def test_an_answer_is_a_success_with_its_numbers(serve_udp: Serve) -> None:
    found = await ask(f"127.0.0.1:{serve_udp(answers)}")
    assert found.success, found
    assert [name for name, _ in found.phases] == ["resolve", "request"]
    assert dict(found.figures) == {
        "probe_ip_protocol": 4.0,
        "probe_dns_rcode": 0.0,
        "probe_dns_answer_rrs": 2.0,
        "probe_dns_authority_rrs": 0.0,
        "probe_dns_additional_rrs": 1.0,
    }


async def test_by_default_the_root_is_asked_for(serve_udp: Serve) -> None:
    """Every resolver knows it: what a witness is asked."""
    asked: list[str] = []

    def root(data: bytes) -> list[bytes]:
        asked.extend(str(question) for question in dns.message.from_wire(data).question)
        return [respond(data, ". 60 IN NS a.root-servers.net.")]

    assert (await ask(f"[::1]:{serve_udp(root, host='::1')}", DnsParams())).success
    assert asked == [". IN NS"]


async def test_the_serial_of_a_zone_is_told(serve_udp: Serve) -> None:
    soa = f"{NAME}. 60 IN SOA ns.test. admin.test. 4000000000 1 1 1 1"
    port = serve_udp(lambda data: [respond(data, soa)])
    found = await ask(f"127.0.0.1:{port}", DnsParams(query=NAME, type="SOA", recursion=False))
    assert dict(found.figures)["probe_dns_serial"] == 4_000_000_000.0


@pytest.mark.parametrize(("rcode", "name"), [(2, "SERVFAIL"), (3, "NXDOMAIN"), (5, "REFUSED"), (16, "BADVERS")])
async def test_an_unwanted_response_code_fails_and_a_wanted_one_does_not(
    serve_udp: Serve, rcode: int, name: str
) -> None:
    port = serve_udp(lambda data: [respond(data, rcode=rcode)])
    found = await ask(f"127.0.0.1:{port}")
    assert (found.failure, found.detail) == (Failure.STATUS, f"{name}, wanted NOERROR")
    assert dict(found.figures)["probe_dns_rcode"] == rcode
    assert (await ask(f"127.0.0.1:{port}", DnsParams(query=NAME, type="A", valid_rcodes=("NOERROR", name)))).success


async def test_answers_are_counted_and_matched(serve_udp: Serve) -> None:
    """Each expression must occur in one record or another."""
    port = serve_udp(answers)
    both = DnsParams(query=NAME, type="A", min_answers=2, answers_match=(r"^A 192\.0\.2\.1$", r"\.2$"))
    assert (await ask(f"127.0.0.1:{port}", both)).success
    few = await ask(f"127.0.0.1:{port}", DnsParams(query=NAME, type="A", min_answers=3))
    assert (few.failure, few.detail) == (Failure.STATUS, "2 A records, wanted at least 3")
    other = await ask(f"127.0.0.1:{port}", DnsParams(query=NAME, type="A", answers_match=(r"\.1$", "203")))
    assert other.failure is Failure.STATUS
    assert other.detail == "no answer matches '203': A 192.0.2.1; A 192.0.2.2"


async def test_no_answer_at_all_matches_nothing(serve_udp: Serve) -> None:
    port = serve_udp(lambda data: [respond(data)])
    found = await ask(f"127.0.0.1:{port}", DnsParams(query=NAME, type="A", answers_match=("",)))
    assert found.detail == "no answer matches '': there is none"


async def test_strays_before_the_answer_are_passed_over(serve_udp: Serve) -> None:
    """Another id, another question, our own query, noise."""

    def strays(data: bytes) -> list[bytes]:
        good = respond(data, *RECORDS)
        foreign = bytes((good[0] ^ 1,)) + good[1:]
        other = good.replace(b"\x05codec", b"\x05other", 1)
        return [foreign, other, data, b"noise", b"", good]

    assert (await ask(f"127.0.0.1:{serve_udp(strays)}")).success


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    "reply",
    [
        lambda _: [b"SIP/2.0 400 Bad Request\r\n\r\n"],
        lambda _: [b"\0"],
        lambda data: [data],
        lambda data: [respond(data, *RECORDS)[:-3]],
        lambda data: [respond(data, *RECORDS).replace(b"\x00\x04\xc0\x00\x02\x01", b"\x00\x03\xc0\x00\x02\x01")],
    ],
    ids=["sip", "a byte", "echo", "cut", "short address"],
)
async def test_what_is_no_answer_of_dns_is_a_failure_of_protocol(
    serve_udp: Serve, reply: Callable[[bytes], Iterable[bytes]]
) -> None:
    found = await ask(f"127.0.0.1:{serve_udp(reply)}")
    assert found.failure is Failure.PROTOCOL
    assert found.phases[-1][0] == "request"


async def test_forged_answers_alone_are_a_timeout(serve_udp: Serve) -> None:
    """Whoever does not know the id cannot make us believe."""
    port = serve_udp(lambda data: [bytes((data[0] ^ 1,)) + respond(data, *RECORDS)[1:]])
    assert (await ask(f"127.0.0.1:{port}", timeout_s=0.3)).failure is Failure.TIMEOUT


async def test_a_lost_query_is_sent_again(serve_udp: Serve) -> None:
    heard: list[bytes] = []

    def second(data: bytes) -> Iterable[bytes]:
        heard.append(data)
        return answers(data) if len(heard) == 2 else []

    assert (await ask(f"127.0.0.1:{serve_udp(second)}")).success
    assert len(heard) == 2


async def test_a_truncated_answer_is_asked_for_over_tcp(serve: Serve) -> None:
    """On the same port."""
    many = [f"{NAME}. 60 IN A 192.0.2.{i}" for i in range(200)]
    port = serve(stream(*many))
    with udp_on(port) as sock:
        task = asyncio.create_task(ask(f"127.0.0.1:{port}", DnsParams(query=NAME, type="A", min_answers=200)))
        data, peer = await asyncio.to_thread(sock.recvfrom, 4096)
        sock.sendto(respond(data, truncated=True), peer)
        found = await task
    assert found.success, found
    assert [name for name, _ in found.phases] == ["resolve", "connect", "request"]


def udp_on(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", port))
    sock.settimeout(BOUND_S)
    return sock


async def test_an_answer_that_does_not_fit_over_tcp_either_is_no_answer(serve: Serve) -> None:
    found = await ask(f"127.0.0.1:{serve(stream(truncated=True))}", DnsParams(query=NAME, type="A", transport="tcp"))
    assert found.failure is Failure.PROTOCOL


@pytest.mark.parametrize(
    ("said", "failure"),
    [(b"\0\x05hello", Failure.PROTOCOL), (b"\xff\xffcut", Failure.RESET), (b"", Failure.RESET)],
    ids=["too short", "half closed", "closed"],
)
async def test_over_tcp_what_is_no_dns_is_told(serve: Serve, said: bytes, failure: Failure) -> None:
    def handle(sock: socket.socket) -> None:
        sock.recv(4096)
        sock.sendall(said)
        sock.shutdown(socket.SHUT_WR)
        sock.recv(1)

    found = await ask(f"127.0.0.1:{serve(handle)}", DnsParams(query=NAME, transport="tcp"))
    assert found.failure is failure


async def test_over_tls(serve: Serve, tls: Tls, certificate: Certificate) -> None:
    params = DnsParams(query=NAME, type="A", transport="tls", ca_file=str(certificate(30)[0]), min_answers=2)
    found = await ask(f"127.0.0.1:{serve(stream(*RECORDS), tls=tls(30))}", params)
    assert found.success, found
    assert [name for name, _ in found.phases] == ["resolve", "connect", "tls", "request"]
    assert dict(found.figures)["probe_ssl_earliest_cert_expiry"] > time.time()


async def test_over_tls_a_self_signed_certificate_is_not_accepted(serve: Serve, tls: Tls) -> None:
    params = DnsParams(query=NAME, transport="tls")
    found = await ask(f"127.0.0.1:{serve(stream(), tls=tls(30))}", params)
    assert (found.failure, found.detail) == (Failure.TLS, "certificate not accepted: self-signed certificate")


async def test_a_closed_port_is_refused_and_silence_a_timeout(serve_udp: Serve, closed_port: int) -> None:
    assert (await ask(f"127.0.0.1:{closed_port}")).failure is Failure.REFUSED
    assert (await ask(f"127.0.0.1:{closed_port}", DnsParams(transport="tcp"))).failure is Failure.REFUSED
    silent = await ask(f"127.0.0.1:{serve_udp(lambda _: [])}", timeout_s=0.2)
    assert (silent.failure, silent.detail) == (Failure.TIMEOUT, "no answer in phase request")


async def test_a_cancelled_probe_leaves_no_socket_open(serve_udp: Serve) -> None:
    port = serve_udp(lambda _: [])
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names only
    task = asyncio.create_task(ask(f"127.0.0.1:{port}"))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"query": "a..b"}, "query: expected a domain name, got 'a..b' is no domain name"),
        ({"query": "x" * 64}, "query: expected a domain name"),
        ({"valid_rcodes": ("OK",)}, 'valid_rcodes: expected a code such as NOERROR or NXDOMAIN, got "OK"'),
        ({"answers_match": ("(",)}, r'answers_match: expected a regular expression, got "\("'),
    ],
)
def test_bad_parameters_are_refused_when_configured(params: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DnsParams(**params)
