import asyncio
import errno
import os
import resource
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.dial import FAILURES, explain, split_host_port
from probes.kinds.tcp import EXPECT_BYTES, KIND, Send, TcpParams, parse_steps, unescape
from probes.model import Failure, Measurement

Serve = Callable[..., int]
Tls = Callable[[int], ssl.SSLContext]
Certificate = Callable[[int], tuple[Path, Path]]
BOUND_S = 5.0
"""More than any answer here takes on a busy machine."""


async def ask(address: str, params: TcpParams | None = None, timeout_s: float = BOUND_S) -> Measurement:
    deadline = asyncio.get_running_loop().time() + timeout_s
    return await KIND.bind(params or TcpParams()).run(address, deadline)


def hold(sock: socket.socket) -> None:
    sock.recv(1)


async def test_a_port_that_accepts_is_a_success_with_both_phases(serve: Serve) -> None:
    found = await ask(f"127.0.0.1:{serve(hold)}")
    assert found.success
    assert found.failure is None
    assert [name for name, _ in found.phases] == ["resolve", "connect"]
    assert all(0 <= seconds <= found.duration_s for _, seconds in found.phases)
    assert dict(found.figures) == {"probe_ip_protocol": 4.0}


async def test_ipv6_in_brackets_is_connected_to_over_ipv6(serve: Serve) -> None:
    found = await ask(f"[::1]:{serve(hold, host='::1')}")
    assert found.success
    assert dict(found.figures) == {"probe_ip_protocol": 6.0}


async def test_the_preferred_protocol_is_used_where_a_name_has_both(
    monkeypatch: pytest.MonkeyPatch, serve: Serve
) -> None:
    """Both addresses stand in the answer; the preference alone decides, not the resolver's order."""
    port = serve(hold, host="::1")
    entries = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
    ]

    loop = asyncio.get_running_loop()
    real = loop.getaddrinfo

    async def both(host: str, *rest: object, **more: object) -> list[object]:
        return list(entries) if host == "both.test" else await real(host, *rest, **more)

    monkeypatch.setattr(loop, "getaddrinfo", both)
    six = await ask(f"both.test:{port}", TcpParams(ip_protocol="ip6"))
    four = await ask(f"both.test:{port}", TcpParams(ip_protocol="ip4"))
    assert six.success
    assert four.failure is Failure.REFUSED


async def test_without_fallback_the_other_protocol_will_not_do() -> None:
    found = await ask("127.0.0.1:9", TcpParams(ip_protocol="ip6", ip_protocol_fallback=False))
    assert found.failure is Failure.RESOLVE
    assert "ip6" in found.detail


async def test_a_closed_port_is_refused_and_named(closed_port: int) -> None:
    found = await ask(f"127.0.0.1:{closed_port}")
    assert (found.success, found.failure) == (False, Failure.REFUSED)
    assert found.detail == f"127.0.0.1 port {closed_port}: Connection refused"
    assert found.phases[-1][0] == "connect"


async def test_a_silent_host_is_a_timeout_by_the_deadline(silent_port: int) -> None:
    begun = asyncio.get_running_loop().time()
    found = await ask(f"127.0.0.1:{silent_port}", timeout_s=0.2)
    assert found.failure is Failure.TIMEOUT
    assert found.detail == "no answer in phase connect"
    assert 0.15 <= asyncio.get_running_loop().time() - begun < BOUND_S


async def test_a_deadline_already_past_is_a_timeout(silent_port: int) -> None:
    assert (await ask(f"127.0.0.1:{silent_port}", timeout_s=-1.0)).failure is Failure.TIMEOUT


async def test_no_route_is_unreachable() -> None:
    """To the broadcast address no connection is made: our kernel says so at once."""
    found = await ask("255.255.255.255:9")
    assert found.failure in {Failure.UNREACHABLE, Failure.SEND}


async def test_a_name_that_does_not_exist_is_a_failure_of_resolving(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    found = await ask("nobody.invalid:80")
    assert found.failure is Failure.RESOLVE
    assert found.detail == "nobody.invalid: Name or service not known"


async def test_a_resolver_that_hangs_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: object, **__: object) -> list[object]:
        await asyncio.sleep(60)
        return []

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", hang)
    found = await ask("slow.invalid:80", timeout_s=0.1)
    assert (found.failure, found.detail) == (Failure.TIMEOUT, "no answer in phase resolve")


@pytest.mark.parametrize(
    "address",
    [
        "",
        ":",
        "host",
        "host:",
        "host:0",
        "host:65536",
        "host:-1",
        "host:1e3",
        "host:٨٠",
        "::1",
        "::1:80",
        "[::1]",
        ":80",
    ],
)
async def test_an_address_that_is_none_is_named(address: str) -> None:
    found = await ask(address)
    assert found.failure is Failure.RESOLVE
    assert found.detail == f"expected host:port or [v6]:port, got {address!r}"


@pytest.mark.parametrize("host", ["a" * 64, "a..b", "nul\0", "\ud800", "x" * 5000])
async def test_a_host_that_is_no_name_never_raises(host: str) -> None:
    assert (await ask(f"{host}:80")).failure is Failure.RESOLVE


async def test_a_cancelled_probe_leaves_no_socket_open(silent_port: int) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names only
    task = asyncio.create_task(ask(f"127.0.0.1:{silent_port}"))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


async def test_without_a_descriptor_left_it_is_our_own_failure() -> None:
    """EMFILE says something of us and nothing of the target."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        found = await ask("127.0.0.1:80")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (found.failure, found.detail) == (Failure.SEND, "Too many open files")


@pytest.mark.parametrize("number", sorted(FAILURES))
def test_each_errno_of_the_table_is_explained(number: int) -> None:
    assert explain(OSError(number, "…")) == (FAILURES[number], os.strerror(number))


def test_an_unknown_errno_is_our_own_kernels() -> None:
    assert explain(OSError(errno.EADDRNOTAVAIL, "…"))[0] is Failure.SEND


def test_host_and_port_are_taken_apart() -> None:
    assert split_host_port("10.0.0.1:1720") == ("10.0.0.1", 1720)
    assert split_host_port("[2001:db8::1]:5061") == ("2001:db8::1", 5061)


async def test_over_tls_the_certificate_tells_when_it_runs_out(
    serve: Serve, tls: Tls, certificate: Certificate
) -> None:
    params = TcpParams(tls=True, ca_file=str(certificate(30)[0]))
    found = await ask(f"127.0.0.1:{serve(hold, tls=tls(30))}", params)
    assert found.success, found
    assert [name for name, _ in found.phases] == ["resolve", "connect", "tls"]
    left_s = dict(found.figures)["probe_ssl_earliest_cert_expiry"] - time.time()
    assert 29 * 86400 < left_s <= 30 * 86400


@pytest.mark.parametrize(
    ("days", "params", "detail"),
    [
        (30, {}, "self-signed certificate"),
        (-1, {"ca_file": True}, "certificate has expired"),
        (30, {"ca_file": True, "server_name": "codec.test"}, "codec.test"),
    ],
    ids=["self-signed", "expired", "another host's"],
)
async def test_a_certificate_that_is_not_good_is_not_accepted(
    serve: Serve, tls: Tls, certificate: Certificate, days: int, params: dict[str, str], detail: str
) -> None:
    told = {**params, "ca_file": str(certificate(days)[0])} if params else {}
    found = await ask(f"127.0.0.1:{serve(hold, tls=tls(days))}", TcpParams(tls=True, **told))
    assert found.failure is Failure.TLS
    assert detail in found.detail
    assert found.phases[-1][0] == "tls"


async def test_unverified_an_expired_certificate_tells_when_it_ran_out(serve: Serve, tls: Tls) -> None:
    params = TcpParams(tls=True, insecure_skip_verify=True)
    found = await ask(f"127.0.0.1:{serve(hold, tls=tls(-1))}", params)
    assert found.success
    assert dict(found.figures)["probe_ssl_earliest_cert_expiry"] < time.time()


async def test_without_tls_on_the_other_side_the_handshake_fails(serve: Serve) -> None:
    found = await ask(f"127.0.0.1:{serve(says(b'SSH-2.0-x' * 10))}", TcpParams(tls=True))
    assert found.failure is Failure.TLS


def says(*parts: bytes, then: str = "hold") -> Callable[[socket.socket], None]:
    """A handler that writes the parts at once, and then holds, closes or half-closes the connection."""

    def handle(sock: socket.socket) -> None:
        for part in parts:
            sock.sendall(part)
        if then == "half-close":
            sock.shutdown(socket.SHUT_WR)
        if then != "close":
            while sock.recv(1024):
                pass

    return handle


async def test_lines_are_passed_over_until_one_matches(serve: Serve) -> None:
    """As a greeting of several lines needs it; a line ends with LF or CR LF."""
    port = serve(says(b"220-codec.test\r\n220-please wait\n220 rea", b"dy\r\n"))
    found = await ask(f"127.0.0.1:{port}", TcpParams(steps=("expect:^220 ready$",)))
    assert found.success, found
    assert [name for name, _ in found.phases] == ["resolve", "connect", "expect"]


async def test_a_line_cut_off_by_the_end_counts(serve: Serve) -> None:
    port = serve(says(b"SSH-2.0-OpenSSH", then="half-close"))
    assert (await ask(f"127.0.0.1:{port}", TcpParams(steps=("expect:^SSH-2",)))).success


async def test_a_dialogue_goes_step_by_step(serve: Serve) -> None:
    heard: list[bytes] = []

    def handle(sock: socket.socket) -> None:
        sock.sendall(b"+OK\r\n")
        heard.append(sock.recv(100))
        sock.sendall(b"PONG 1\nPONG 2\n")
        sock.recv(1)

    steps = ("expect:OK", "send:PING\\x00\\r\\n", "expect:^PONG 1", "expect:^PONG 2")
    found = await ask(f"127.0.0.1:{serve(handle)}", TcpParams(steps=steps))
    assert found.success, found
    assert heard == [b"PING\0\r\n"]
    assert [name for name, _ in found.phases] == ["resolve", "connect", "send", "expect"]


async def test_a_dialogue_inside_tls(serve: Serve, tls: Tls) -> None:
    params = TcpParams(tls=True, insecure_skip_verify=True, steps=("expect:^ready$", "expect:^go$"))
    port = serve(says(b"rea", b"dy\ngo\n"), tls=tls(30))
    found = await ask(f"127.0.0.1:{port}", params)
    assert found.success, found
    assert [name for name, _ in found.phases] == ["resolve", "connect", "tls", "expect"]


@pytest.mark.parametrize("then", ["hold", "close", "half-close"])
async def test_another_answer_is_a_wrong_status_and_told(serve: Serve, then: str) -> None:
    """Whether the other side falls silent after it or leaves."""
    port = serve(says(b"421 codec.test too busy\r\n", then=then))
    found = await ask(f"127.0.0.1:{port}", TcpParams(steps=("expect:^220 ",)), timeout_s=1.0)
    assert (found.failure, found.detail) == (Failure.STATUS, "'421 codec.test too busy' where '^220 ' was expected")
    assert found.phases[-1][0] == "expect"


async def test_silence_is_a_timeout(serve: Serve) -> None:
    found = await ask(f"127.0.0.1:{serve(says())}", TcpParams(steps=("expect:^220 ",)), timeout_s=0.3)
    assert (found.failure, found.detail) == (Failure.TIMEOUT, "no answer in phase expect")


@pytest.mark.parametrize("then", ["close", "half-close"])
async def test_leaving_without_a_word_is_a_reset(serve: Serve, then: str) -> None:
    found = await ask(f"127.0.0.1:{serve(says(then=then))}", TcpParams(steps=("expect:.",)))
    assert (found.failure, found.detail) == (Failure.RESET, "closed by the other side without a word")


@pytest.mark.parametrize("banner", [b"x" * 4096, b"x\n" * 2048, b"\n" * 4096], ids=["one line", "many", "empty"])
async def test_an_endless_banner_is_cut_off(serve: Serve, banner: bytes) -> None:
    def endless(sock: socket.socket) -> None:
        while True:
            sock.sendall(banner)

    found = await ask(f"127.0.0.1:{serve(endless)}", TcpParams(steps=("expect:never",)))
    assert found.failure is Failure.PROTOCOL
    assert found.detail == f"more than {EXPECT_BYTES} bytes without a match of 'never'"


async def test_sending_to_who_does_not_read_is_held_to_the_deadline(serve: Serve) -> None:
    def deaf(sock: socket.socket) -> None:
        time.sleep(1.0)

    steps = ("send:" + "x" * 60_000,) * 200
    found = await ask(f"127.0.0.1:{serve(deaf)}", TcpParams(steps=steps), timeout_s=0.4)
    assert (found.failure, found.detail) == (Failure.TIMEOUT, "no answer in phase send")


def smtp(context: ssl.SSLContext, *, early: bytes = b"") -> Callable[[socket.socket], None]:
    """A mail server that can STARTTLS (RFC 3207), and may say too much before."""

    def handle(sock: socket.socket) -> None:
        sock.sendall(b"220 mail.test ESMTP\r\n")
        assert sock.recv(100) == b"EHLO probe\r\n"
        sock.sendall(b"250-mail.test\r\n250-STARTTLS\r\n250 HELP\r\n")
        assert sock.recv(100) == b"STARTTLS\r\n"
        sock.sendall(b"220 go ahead\r\n" + early)
        with context.wrap_socket(sock, server_side=True) as inside:
            assert inside.recv(100) == b"EHLO probe\r\n"
            inside.sendall(b"250 mail.test\r\n")
            inside.recv(1)

    return handle


SMTP = (
    "expect:^220 ",
    "send:EHLO probe\\r\\n",
    "expect:STARTTLS",
    "expect:^250 ",
    "send:STARTTLS\\r\\n",
    "expect:^220 ",
    "starttls",
    "send:EHLO probe\\r\\n",
    "expect:^250 ",
)


async def test_starttls_in_the_middle(serve: Serve, tls: Tls, certificate: Certificate) -> None:
    params = TcpParams(steps=SMTP, ca_file=str(certificate(30)[0]))
    found = await ask(f"127.0.0.1:{serve(smtp(tls(30)))}", params)
    assert found.success, found
    assert [name for name, _ in found.phases] == ["resolve", "connect", "tls", "send", "expect"]
    assert dict(found.figures)["probe_ssl_earliest_cert_expiry"] > time.time()


async def test_what_is_said_before_starttls_must_not_count_as_said_inside(
    serve: Serve, tls: Tls, certificate: Certificate
) -> None:
    params = TcpParams(steps=SMTP, ca_file=str(certificate(30)[0]))
    port = serve(smtp(tls(30), early=b"250 forged\r\n"))
    found = await ask(f"127.0.0.1:{port}", params)
    assert (found.failure, found.detail) == (Failure.PROTOCOL, "'250 forged\\r\\n' before the TLS handshake")


def test_escapes_stand_for_their_bytes() -> None:
    assert unescape(r"a\r\n\t\\n\x00\xfF:điểm") == b"a\r\n\t\\n\x00\xff:" + "điểm".encode()
    assert parse_steps((r"send:\x80 a:b",)) == (Send(b"\x80 a:b"),)


@given(st.binary(max_size=40))
def test_any_bytes_can_be_sent(data: bytes) -> None:
    assert unescape("".join(f"\\x{byte:02x}" for byte in data)) == data


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (("say:hello",), r'steps: expected "send:TEXT", "expect:REGEX" or "starttls", got "say:hello"'),
        (("",), r'"starttls", got ""'),
        (("send:",), r'got "send:"'),
        (("expect:",), r'got "expect:"'),
        (("starttls:now",), r'got "starttls:now"'),
        (("expect:(",), r'got "expect:\("'),
        (("expect:(?u)x",), r'got "expect:\(\?u\)x"'),
        ((r"send:\q",), r'got "send:\\q": \\q is no escape'),
        ((r"send:\x1",), r"\\x is no escape"),
        (("send:x\\",), r"is no escape"),
        (("send:\ud800",), r'expected "send:TEXT"'),
        (("starttls", "starttls"), "steps: expected one TLS handshake, got more"),
    ],
)
def test_a_bad_step_is_refused_when_configured(steps: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TcpParams(steps=steps)


def test_starttls_within_tls_is_refused_when_configured() -> None:
    with pytest.raises(ValueError, match="one TLS handshake"):
        TcpParams(tls=True, steps=("starttls",))
