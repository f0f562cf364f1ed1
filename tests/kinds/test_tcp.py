import asyncio
import errno
import os
import resource
import socket
from collections.abc import Callable

import pytest

from probes.dial import FAILURES, explain, split_host_port
from probes.kinds.tcp import KIND, TcpParams
from probes.model import Failure, Measurement

Serve = Callable[..., int]
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
