"""A UPS by Network UPS Tools, of servers that behave as badly as a test wants."""

import asyncio
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from probes.dial import Trace
from probes.kinds.nut import KIND, NutParams, judge, split_address
from probes.model import Failure, Measurement

Serve = Callable[..., int]
Handler = Callable[[socket.socket], None]
BOUND_S = 5.0
"""More than any answer here takes on a busy machine."""
STATE = {"ups.status": "OL CHRG", "battery.charge": "97", "battery.runtime": "2520"}
WORD = "sesame"


async def ask(address: str, params: NutParams | None = None, timeout_s: float = BOUND_S) -> Measurement:
    deadline = asyncio.get_running_loop().time() + timeout_s
    return await KIND.bind(params or NutParams()).run(address, deadline)


def listing(values: dict[str, str], ups: str = "ups") -> bytes:
    rows = "".join(f'VAR {ups} {name} "{value}"\n' for name, value in values.items())
    return f"BEGIN LIST VAR {ups}\n{rows}END LIST VAR {ups}\n".encode()


ANSWERS = {
    b"LIST UPS\n": b'BEGIN LIST UPS\nUPS ups "Rack"\nEND LIST UPS\n',
    b"LIST VAR ups\n": listing(STATE),
    b"USERNAME watch\n": b"OK\n",
    b"PASSWORD sesame\n": b"OK\n",
}


def upsd(answers: dict[bytes, bytes] | None = None) -> Handler:
    """Answers by command; to others as upsd does."""
    table = ANSWERS | (answers or {})

    def handle(sock: socket.socket) -> None:
        while line := sock.recv(1000):
            sock.sendall(table.get(line, b"ERR UNKNOWN-COMMAND\n"))

    return handle


async def test_the_state_of_a_ups_on_mains(serve: Serve) -> None:
    found = await ask(f"ups@127.0.0.1:{serve(upsd())}")
    assert (found.success, found.detail) == (True, "")
    assert [name for name, _ in found.phases] == ["resolve", "connect", "ask"]
    assert dict(found.figures) == {
        "probe_ip_protocol": 4.0,
        "probe_ups_on_battery": 0.0,
        "probe_ups_runtime_seconds": 2520.0,
        "probe_ups_charge_ratio": 0.97,
        "probe_ups_battery_low": 0.0,
        "probe_ups_testing": 0.0,
    }


async def test_the_only_ups_need_not_be_named(serve: Serve) -> None:
    found = await ask(f"127.0.0.1:{serve(upsd())}")
    assert found.success
    assert [name for name, _ in found.phases] == ["resolve", "connect", "list", "ask"]


async def test_ipv6(serve: Serve) -> None:
    found = await ask(f"ups@[::1]:{serve(upsd(), host='::1')}")
    assert dict(found.figures)["probe_ip_protocol"] == 6.0


@pytest.mark.parametrize(
    ("rows", "detail"),
    [
        (b"", "upsd has no UPS"),
        (b'UPS a ""\nUPS b ""\n', "several UPSes, name one of them as ups@host: a, b"),
    ],
)
async def test_without_a_name_there_must_be_one_ups(serve: Serve, rows: bytes, detail: str) -> None:
    port = serve(upsd({b"LIST UPS\n": b"BEGIN LIST UPS\n" + rows + b"END LIST UPS\n"}))
    found = await ask(f"127.0.0.1:{port}")
    assert (found.failure, found.detail) == (Failure.STATUS, detail)


@pytest.mark.parametrize("name", ["x\\ny", "a b", "@", "x" * 200])
async def test_a_name_from_outside_becomes_no_command(serve: Serve, name: str) -> None:
    port = serve(upsd({b"LIST UPS\n": f'BEGIN LIST UPS\nUPS "{name}" ""\nEND LIST UPS\n'.encode()}))
    assert (await ask(f"127.0.0.1:{port}")).failure in {Failure.PROTOCOL, Failure.STATUS}


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        ("DATA-STALE", "data stale"),
        ("DRIVER-NOT-CONNECTED", "driver not connected"),
        ("ACCESS-DENIED", "access denied"),
    ],
)
async def test_a_refusal_is_a_failure_of_status_without_a_word_about_the_mains(
    serve: Serve, error: str, detail: str
) -> None:
    port = serve(upsd({b"LIST VAR ups\n": f"ERR {error}\n".encode()}))
    found = await ask(f"ups@127.0.0.1:{port}")
    assert (found.failure, found.detail) == (Failure.STATUS, f"upsd answers: {detail}")
    assert dict(found.figures) == {"probe_ip_protocol": 4.0}


async def test_user_and_password_are_told_first(serve: Serve) -> None:
    found = await ask(f"ups@127.0.0.1:{serve(upsd())}", NutParams(username="watch", password=WORD))
    assert found.success
    assert [name for name, _ in found.phases] == ["resolve", "connect", "login", "ask"]


async def test_a_password_that_is_refused_is_never_told(serve: Serve) -> None:
    port = serve(upsd({b"PASSWORD sesame\n": b"ERR INVALID-PASSWORD\n"}))
    found = await ask(f"ups@127.0.0.1:{port}", NutParams(username="watch", password=WORD))
    assert (found.failure, found.detail) == (Failure.STATUS, "upsd answers: invalid password")


async def test_a_closed_port_is_refused(closed_port: int) -> None:
    assert (await ask(f"127.0.0.1:{closed_port}")).failure is Failure.REFUSED


async def test_a_silent_host_is_a_timeout(silent_port: int) -> None:
    found = await ask(f"127.0.0.1:{silent_port}", timeout_s=0.2)
    assert (found.failure, found.detail) == (Failure.TIMEOUT, "no answer in phase connect")


async def test_a_silent_server_is_a_timeout(serve: Serve) -> None:
    port = serve(lambda sock: sock.recv(1000) and sock.recv(1000))
    found = await ask(f"ups@127.0.0.1:{port}", timeout_s=0.2)
    assert (found.failure, found.detail) == (Failure.TIMEOUT, "no answer in phase ask")


async def test_a_slow_server_is_waited_for(serve: Serve) -> None:
    """A byte at a time."""

    def handle(sock: socket.socket) -> None:
        sock.recv(1000)
        for byte in listing(STATE):
            sock.sendall(bytes((byte,)))
            time.sleep(0.001)

    assert (await ask(f"ups@127.0.0.1:{serve(handle)}")).success


@pytest.mark.parametrize("said", [b"", b'BEGIN LIST VAR ups\nVAR ups ups.status "OL"\n'], ids=["nothing", "half"])
async def test_a_server_that_leaves_is_a_reset(serve: Serve, said: bytes) -> None:
    def handle(sock: socket.socket) -> None:
        sock.recv(1000)
        sock.sendall(said)

    found = await ask(f"ups@127.0.0.1:{serve(handle)}")
    assert (found.failure, found.detail) == (Failure.RESET, "closed by the other side instead of an answer to LIST")


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"x" * 10_000,
        b"OK\n",
        listing(STATE, "other"),
        listing(STATE) + b"OK\n",
        b"BEGIN LIST VAR ups\n" + b'VAR ups a "b"\n' * 3000,
    ],
    ids=["http", "long line", "ok", "other ups", "two answers", "long list"],
)
async def test_another_protocol_is_named_so(serve: Serve, said: bytes) -> None:
    port = serve(upsd({b"LIST VAR ups\n": said}))
    assert (await ask(f"ups@127.0.0.1:{port}")).failure is Failure.PROTOCOL


@pytest.mark.parametrize(
    "address", ["a b@host", "a\n@host", '"@host', "@host", "ü@host", "x" * 200 + "@host", "a@b@host"]
)
async def test_an_address_that_is_none_is_named(address: str) -> None:
    found = await ask(address)
    assert found.failure is Failure.RESOLVE
    assert found.detail.startswith("expected [ups@]host[:port]")


def test_the_parts_of_an_address() -> None:
    assert split_address("ups@192.0.2.1") == ("ups", "192.0.2.1", 3493)
    assert split_address("192.0.2.1:13493") == ("", "192.0.2.1", 13493)
    assert split_address("rack-1.ups@[2001:db8::1]:1") == ("rack-1.ups", "2001:db8::1", 1)


def figures(values: dict[str, str]) -> dict[str, float]:
    trace = Trace()
    judge(trace, values)
    return trace.figures


@pytest.mark.parametrize(
    ("status", "on_battery", "low", "testing"),
    [
        ("OL", 0.0, 0.0, 0.0),
        ("OL CHRG", 0.0, 0.0, 0.0),
        ("OL BOOST", 0.0, 0.0, 0.0),
        ("OL BYPASS", 0.0, 0.0, 0.0),
        ("OL RB ALARM", 0.0, 0.0, 0.0),
        ("OB DISCHRG", 1.0, 0.0, 0.0),
        ("OB LB", 1.0, 1.0, 0.0),
        ("FSD OB LB", 1.0, 1.0, 0.0),
        ("OL CAL", 0.0, 0.0, 1.0),
        ("OB CAL", 0.0, 0.0, 1.0),
        ("OB TEST DISCHRG", 0.0, 0.0, 1.0),
        ("FSD", None, 0.0, 0.0),
        ("OFF", None, 0.0, 0.0),
        ("OL OB", None, 0.0, 0.0),
    ],
)
def test_what_a_status_says(status: str, on_battery: float | None, low: float, testing: float) -> None:
    """Words of ups.status (RFC 9271, 5.1); a test counts as mains, and what does not tell says nothing."""
    found = figures({"ups.status": status})
    assert found.get("probe_ups_on_battery") == on_battery
    assert (found["probe_ups_battery_low"], found["probe_ups_testing"]) == (low, testing)


def test_a_test_that_shows_in_its_result_alone_counts_as_mains() -> None:
    found = figures({"ups.status": "OB DISCHRG", "ups.test.result": "In progress"})
    assert (found["probe_ups_on_battery"], found["probe_ups_testing"]) == (0.0, 1.0)


@pytest.mark.parametrize("status", ["WAIT", "", "OB NOCOMM"])
async def test_a_driver_that_has_no_state_is_a_failure_of_status(serve: Serve, status: str) -> None:
    port = serve(upsd({b"LIST VAR ups\n": listing({"ups.status": status})}))
    found = await ask(f"ups@127.0.0.1:{port}")
    assert found.failure is Failure.STATUS
    assert "probe_ups_on_battery" not in dict(found.figures)


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "1e9", "٣", "", "100.5.1", "9" * 400])
def test_numbers_that_cannot_be_are_left_out(value: str) -> None:
    found = figures({"ups.status": "OL", "battery.charge": value, "battery.runtime": value, "ups.load": value})
    assert not {"probe_ups_runtime_seconds", "probe_ups_charge_ratio", "probe_ups_load_ratio"} & set(found)


def test_a_fraction_of_a_percent_is_read() -> None:
    assert figures({"ups.status": "OL", "battery.charge": "99.5"})["probe_ups_charge_ratio"] == 0.995


@pytest.fixture(scope="module")
def certificate(program: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of 127.0.0.1 in one file."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate, both = folder / "key.pem", folder / "certificate.pem", folder / "both.pem"
    made = (program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate)
    named = ("-subj", "/CN=upsd", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2")
    subprocess.run((*made, *named), check=True, capture_output=True)
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return both


def secured(certificate: Path, agreed: bytes = b"OK STARTTLS\n") -> Handler:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def handle(sock: socket.socket) -> None:
        sock.recv(1000)
        sock.sendall(agreed)
        with context.wrap_socket(sock, server_side=True) as inside:
            upsd()(inside)

    return handle


async def test_starttls(serve: Serve, certificate: Path) -> None:
    params = NutParams(starttls=True, ca_file=str(certificate))
    found = await ask(f"ups@127.0.0.1:{serve(secured(certificate))}", params)
    assert (found.success, found.detail) == (True, "")
    assert [name for name, _ in found.phases] == ["resolve", "connect", "starttls", "tls", "ask"]
    assert dict(found.figures)["probe_ssl_earliest_cert_expiry"] > time.time()


async def test_a_certificate_that_nobody_vouches_for_is_a_failure_of_tls(serve: Serve, certificate: Path) -> None:
    found = await ask(f"ups@127.0.0.1:{serve(secured(certificate))}", NutParams(starttls=True))
    assert found.failure is Failure.TLS


async def test_what_comes_before_the_handshake_is_not_taken_for_secured(serve: Serve, certificate: Path) -> None:
    """An answer slipped in on the way would be read as if it had come inside TLS."""
    params = NutParams(starttls=True, ca_file=str(certificate))
    for slipped in (b"BEGIN LIST VAR ups\n", b"OK\n", b"VAR"):
        port = serve(secured(certificate, b"OK STARTTLS\n" + slipped))
        assert (await ask(f"ups@127.0.0.1:{port}", params)).failure is Failure.PROTOCOL


async def test_no_tls_is_a_failure_of_tls(serve: Serve) -> None:
    port = serve(upsd({b"STARTTLS\n": b"ERR FEATURE-NOT-CONFIGURED\n"}))
    found = await ask(f"ups@127.0.0.1:{port}", NutParams(starttls=True))
    assert (found.failure, found.detail) == (Failure.TLS, "upsd does not speak TLS: FEATURE-NOT-CONFIGURED")


@pytest.mark.parametrize(("raw", "message"), [({"username": "a\nb"}, "username"), ({"username": "a"}, "password")])
def test_parameters_that_do_not_fit_are_refused(raw: dict[str, str], message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(raw, NutParams)


async def test_a_password_that_no_line_can_carry_is_our_own_fault(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(b"a\x01b\n")
    params = NutParams(username="watch", password_file=str(tmp_path / "password"))
    assert (await ask(f"ups@127.0.0.1:{serve(upsd())}", params)).failure is Failure.SEND


async def test_a_cancelled_probe_leaves_no_socket_open(silent_port: int) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names only
    task = asyncio.create_task(ask(f"127.0.0.1:{silent_port}"))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
