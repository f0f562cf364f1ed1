"""The icmp kind on real sockets: loopback, and a router in network namespaces of the test's own."""

import asyncio
import errno
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from time import monotonic, time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.codecs import icmp as codec
from probes.kinds import icmp
from probes.kinds.icmp import names
from probes.kinds.icmp.flights import REMEMBER_S, Flights
from probes.kinds.icmp.names import literal
from probes.model import Batch, BatchCounters, Check, Failure, Measurement

ROOT = Path(__file__).parents[2]
PATIENCE_S = 20.0
Answers = list[tuple[Check, float, Measurement]]


def check(address: str, timeout_s: float = 5.0) -> Check:
    return Check(f"{address}/icmp", address, "icmp", address, icmp.KIND.bind(icmp.IcmpParams()), 1.0, timeout_s)


class Subject:
    """An open batch, what it emitted, and a way to forge what comes back to it."""

    def __init__(self, **params: int) -> None:
        self.answers: Answers = []
        self.pinger = icmp.Pinger(icmp.IcmpParams(**params), lambda *answer: self.answers.append(answer))
        self.socket = self.pinger._sockets[4]

    async def ask(self, *checks: Check) -> list[Measurement]:
        """Launch, and wait for as many answers."""
        wanted = len(self.answers) + len(checks)
        self.pinger.launch(checks)
        await self.until(lambda: len(self.answers) >= wanted)
        return [measurement for _, _, measurement in self.answers[-len(checks) :]]

    async def until(self, happened: Callable[[], bool]) -> None:
        """Let the loop run."""
        give_up_at = monotonic() + PATIENCE_S
        while not happened():
            assert monotonic() < give_up_at, self.pinger.counters
            await asyncio.sleep(0.005)

    def mute(self) -> None:
        """From now on nothing is really sent, so nothing answers but what the test forges."""
        self.socket.sendto = lambda data, _to: len(data)  # type: ignore[assignment, misc]

    def last_nonce(self) -> int:
        """That of the packet sent last."""
        return self.pinger._nonces._at(self.pinger._nonces.issued - 1)


def unprivileged(what: str) -> None:
    """Skip by name on a developer's machine; fail where nothing may be skipped."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"{what}: run as root")


@pytest.fixture
async def subject() -> AsyncIterator[Subject]:
    try:
        made = Subject()
    except PermissionError as error:
        unprivileged(str(error))
    if not made.socket.raw:
        made.pinger.close()
        unprivileged("forging replies needs a raw socket")
    yield made
    made.pinger.close()


def message(type_: int, identifier: int, nonce: int, code: int = 0) -> bytes:
    """An echo request or reply with the right checksum."""
    bare = codec.Requests(4, 56).encode(identifier, [nonce])[0]
    bare = bytes([type_, code, 0, 0]) + bare[4:]
    return bare[:2] + (0xFFFF ^ codec.word_sum(bare)).to_bytes(2, "big") + bare[4:]


def deliver(data: bytes, source: str = "127.0.0.1") -> None:
    """Send an ICMP message to ourselves from an address of loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        raw.bind((source, 0))
        raw.sendto(data, ("127.0.0.1", 0))


def quote(destination: str, request: bytes) -> bytes:
    header = bytes([0x45, 0]) + bytes(7) + b"\x01" + bytes(6) + socket.inet_aton(destination)
    bare = bytes([3, 1, 0, 0]) + bytes(4) + header + request
    return bare[:2] + (0xFFFF ^ codec.word_sum(bare)).to_bytes(2, "big") + bare[4:]


# Answers


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.7.6", "::1", "localhost"])
async def test_host_that_is_there_answers(subject: Subject, address: str) -> None:
    """With a round trip in microseconds, though the loop itself takes far longer, and at the present time."""
    (found,) = await subject.ask(check(address))
    assert found.success
    assert 0.0 < found.duration_s < 0.05
    assert [name for name, _ in found.phases] == ["resolve", "rtt"]
    assert found.phases[1] == ("rtt", found.duration_s)
    assert abs(subject.answers[0][1] - time()) < PATIENCE_S
    assert subject.pinger.description in ("raw ICMP socket", "datagram ICMP socket")


async def test_loop_that_is_held_up_does_not_lengthen_the_round_trip(subject: Subject) -> None:
    """The kernel stamps the answer; and it came before its deadline, however late it is read."""
    subject.pinger.launch([check("127.0.0.1", timeout_s=0.05)])
    give_up_at = monotonic() + 0.2
    while monotonic() < give_up_at:
        pass
    await subject.until(lambda: bool(subject.answers))
    assert subject.answers[0][2].success
    assert subject.answers[0][2].duration_s < 0.05


async def test_thousands_at_once_are_all_answered(subject: Subject) -> None:
    """A launch of any size reads in between, so that nothing is dropped."""
    found = await subject.ask(*(check(f"127.1.{i >> 8}.{i & 255}") for i in range(5000)))
    assert sum(one.success for one in found) == 5000
    assert subject.pinger.counters == BatchCounters(sent=5000)
    assert sorted(one.duration_s for one in found)[2500] < 0.001


@pytest.mark.parametrize("params", [{"payload_bytes": 8}, {"payload_bytes": 1472}, {"ttl": 1, "dscp": 46}])
async def test_parameters_shape_the_request(params: dict[str, int]) -> None:
    """The smallest and the largest payload, and the header's fields, all come back."""
    subject = Subject(**params)
    assert (await subject.ask(check("127.0.0.1"), check("::1")))[0].success
    subject.pinger.close()


async def test_other_pingers_wake_nobody(subject: Subject, program: Callable[[str], Path]) -> None:
    """The kernel filters what carries another identifier: fping's traffic is neither seen nor counted."""
    fping = await asyncio.create_subprocess_exec(
        str(program("fping")),
        "-q",
        "-i",
        "1",
        "-p",
        "10",
        "-c",
        "30",
        "127.0.0.1",
        "127.0.0.2",
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert (await subject.ask(*(check("127.0.0.1") for _ in range(10))))[0].success
    assert await fping.wait() == 0
    assert subject.pinger.counters == BatchCounters(sent=10)


async def test_identifier_is_changed_without_losing_what_is_in_flight(subject: Subject) -> None:
    """Replies to the identifier before still pass the filter."""
    before = subject.socket.identifiers[0]
    subject.mute()
    subject.pinger.launch([check("127.0.0.1")])
    subject.pinger._rotate_at = 0.0
    nonce = subject.last_nonce()
    subject.pinger.launch([])
    assert subject.socket.identifiers == (subject.socket.identifiers[0], before)
    deliver(message(0, before, nonce))
    await subject.until(lambda: bool(subject.answers))
    assert subject.answers[0][2].success


# Losses and lies


async def test_silence_is_a_loss_at_its_own_deadline(subject: Subject) -> None:
    """Each packet has its own, and the shorter one of two does not wait for the longer."""
    subject.mute()
    subject.pinger.launch([check("127.0.0.1", timeout_s=0.3), check("127.0.0.2", timeout_s=0.05)])
    await subject.until(lambda: len(subject.answers) == 2)
    (first, _, quick), (second, _, slow) = subject.answers
    assert [first.address, second.address] == ["127.0.0.2", "127.0.0.1"]
    assert quick.failure is slow.failure is Failure.TIMEOUT
    assert quick.duration_s >= 0.05
    assert slow.duration_s >= 0.3


async def test_late_reply_is_counted_and_changes_nothing(subject: Subject) -> None:
    """After the loss was told, once; the same again is a duplicate."""
    subject.mute()
    await subject.ask(check("127.0.0.1", timeout_s=0.02))
    for _ in range(2):
        deliver(message(0, subject.socket.identifiers[0], subject.last_nonce()))
    await subject.until(lambda: subject.pinger.counters.duplicate_replies == 1)
    assert subject.pinger.counters.late_replies == 1
    assert len(subject.answers) == 1


async def test_duplicate_reply_is_counted_and_changes_nothing(subject: Subject) -> None:
    """A second answer to what is answered."""
    await subject.ask(check("127.0.0.1"))
    deliver(message(0, subject.socket.identifiers[0], subject.last_nonce()))
    await subject.until(lambda: subject.pinger.counters.duplicate_replies == 1)
    assert subject.pinger.counters.late_replies == 0
    assert len(subject.answers) == 1


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda identifier, nonce: (message(0, identifier, nonce ^ 1), "127.0.0.1"), id="wrong nonce"),
        pytest.param(lambda identifier, nonce: (message(0, identifier, nonce), "127.0.0.9"), id="wrong address"),
        pytest.param(lambda identifier, nonce: (message(0, identifier, nonce, 1), "127.0.0.1"), id="with a code"),
        pytest.param(lambda identifier, nonce: (message(0, identifier, nonce)[:20], "127.0.0.1"), id="truncated"),
        pytest.param(lambda identifier, nonce: (message(0, identifier, nonce)[:-1] + b"!", "127.0.0.1"), id="damaged"),
        pytest.param(
            lambda identifier, nonce: (quote("127.0.0.1", message(8, identifier, nonce ^ 1)), "127.0.0.1"),
            id="error with a wrong nonce",
        ),
        pytest.param(
            lambda identifier, nonce: (quote("127.0.0.2", message(8, identifier, nonce)), "127.0.0.1"),
            id="error about another address",
        ),
        pytest.param(
            lambda identifier, nonce: (quote("127.0.0.1", message(8, identifier, nonce ^ 1)[:8]), "127.0.0.1"),
            id="short error with a wrong checksum",
        ),
    ],
)
async def test_forged_answer_is_counted_and_never_believed(
    subject: Subject, forge: Callable[[int, int], tuple[bytes, str]]
) -> None:
    """The probe stays in flight, and the true answer still counts."""
    subject.mute()
    subject.pinger.launch([check("127.0.0.1", timeout_s=60.0)])
    deliver(*forge(subject.socket.identifiers[0], subject.last_nonce()))
    await subject.until(lambda: subject.pinger.counters.foreign_replies == 1)
    assert subject.answers == []
    deliver(message(0, subject.socket.identifiers[0], subject.last_nonce()))
    await subject.until(lambda: len(subject.answers) == 1)
    assert subject.answers[0][2].success
    assert subject.pinger.counters == BatchCounters(sent=1, foreign_replies=1)


@pytest.mark.parametrize("quoted_bytes", [8, 64])
async def test_error_that_quotes_us_ends_the_probe(subject: Subject, quoted_bytes: int) -> None:
    """Even one that quotes no more than the ICMP header; ``detail`` is who says so."""
    subject.mute()
    subject.pinger.launch([check("127.0.0.1", timeout_s=60.0)])
    request = codec.Requests(4, 56).encode(subject.socket.identifiers[0], [subject.last_nonce()])[0]
    deliver(quote("127.0.0.1", request[:quoted_bytes]), "127.0.0.53")
    await subject.until(lambda: bool(subject.answers))
    found = subject.answers[0][2]
    assert (found.failure, found.detail) == (Failure.UNREACHABLE, "127.0.0.53")
    assert dict(found.figures) == {icmp.ERROR_TYPE: 3.0, icmp.ERROR_CODE: 1.0}


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        (errno.EPERM, Failure.SEND),
        (errno.ENOBUFS, Failure.SEND),
        (errno.EMSGSIZE, Failure.SEND),
        (errno.ENETUNREACH, Failure.UNREACHABLE),
        (errno.EHOSTUNREACH, Failure.UNREACHABLE),
    ],
)
async def test_kernel_that_refuses_to_send_is_a_value(subject: Subject, code: int, failure: Failure) -> None:
    """Ours (send) or the way there (unreachable); the others of the launch go out."""
    real = subject.socket.sendto

    def refuse(data: bytes, to: tuple[str, int]) -> int:
        if to[0] == "127.0.0.2":
            raise OSError(code, os.strerror(code))
        return real(data, to)

    subject.socket.sendto = refuse  # type: ignore[assignment]
    found = await subject.ask(check("127.0.0.1"), check("127.0.0.2"), check("127.0.0.3"))
    assert sorted(one.success for one in found) == [False, True, True]
    bad = next(one for one in found if not one.success)
    assert bad.failure is failure
    assert os.strerror(code) in bad.detail
    assert subject.pinger.counters == BatchCounters(sent=2, send_errors=1)


@pytest.mark.parametrize("step_s", [-3600, -1, 1, 3600])
async def test_step_of_the_wall_clock_does_not_touch_the_round_trip(
    subject: Subject, monkeypatch: pytest.MonkeyPatch, step_s: int
) -> None:
    """Set between the kernel's stamp and the reading of it, the worst moment: the monotonic clock is believed."""
    true = icmp._clocks
    monkeypatch.setattr(icmp, "_clocks", lambda: (true()[0] + step_s * 1_000_000_000, true()[1]))
    (found,) = await subject.ask(check("127.0.0.1"))
    assert found.success
    assert 0.0 <= found.duration_s < PATIENCE_S


async def test_losses_of_a_whole_province_leave_the_loop_its_turn(subject: Subject) -> None:
    """Losses are told in portions; what else runs on the loop goes on in between."""
    subject.mute()
    turns = 0

    async def others() -> None:
        nonlocal turns
        while len(subject.answers) < 20_000:
            turns += bool(subject.answers)
            await asyncio.sleep(0)

    subject.pinger.launch([check("127.0.0.1", timeout_s=0.05)] * 20_000)
    await asyncio.wait_for(others(), PATIENCE_S)
    assert turns > 3
    assert {measurement.failure for _, _, measurement in subject.answers} == {Failure.TIMEOUT}


async def test_flood_of_foreign_replies_does_not_postpone_losses_for_ever(subject: Subject) -> None:
    """Losses wait for answers that may have come in time, but not without end."""
    subject.mute()
    subject.socket.receive = lambda: [(b"junk", b"\x7f\0\0\1", 0)]  # type: ignore[method-assign]
    (found,) = await subject.ask(check("127.0.0.1", timeout_s=0.01))
    assert found.failure is Failure.TIMEOUT
    assert subject.pinger.counters.foreign_replies > 0


# Names


async def test_name_is_resolved_off_the_loop_once(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many checks of one name wait for one question; afterwards the answer is at hand; literals never ask."""
    asked: list[str] = []
    release = asyncio.Event()

    async def slow(name: str) -> list[object]:
        asked.append(name)
        await release.wait()
        return [(socket.AF_INET6, ("::1", 0, 0, 0)), (socket.AF_INET, ("127.0.0.1", 0))]

    monkeypatch.setattr(names, "_ask", slow)
    subject.pinger.launch([check("a.test")] * 3)
    subject.pinger.launch([check("127.0.0.1"), check("::1")])
    await subject.until(lambda: len(subject.answers) == 2)
    release.set()
    await subject.until(lambda: len(subject.answers) == 5)
    assert all(one.success for one in await subject.ask(check("a.test")))
    assert asked == ["a.test"]
    assert literal("::1") is not None
    assert subject.pinger._names.known("a.test") == (4, b"\x7f\0\0\1", ("127.0.0.1", 0))


@pytest.mark.parametrize(
    "address",
    [
        "",
        ".",
        "a..b",
        "x" * 300,
        "name\0with-nul",
        "ümlaut…" * 30,
        "127.0.0.1/8",
        "fe80::1%nowhere",
        "::1]",
    ],
)
async def test_address_that_is_none_is_a_failure(subject: Subject, address: str) -> None:
    """Hostile text in the place of an address: a value, never an exception, and nothing leaves the host."""
    (found,) = await subject.ask(check(address, timeout_s=2.0))
    assert found.failure is Failure.RESOLVE
    assert found.detail


async def test_slow_resolver_is_a_failure_at_the_deadline(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """The probe does not wait for longer than its own timeout."""

    async def hang(_name: str) -> list[object]:
        await asyncio.sleep(PATIENCE_S)
        return []

    monkeypatch.setattr(names, "_ask", hang)
    subject.pinger.launch([check("a.test", timeout_s=0.05)])
    await subject.until(lambda: bool(subject.answers))
    assert subject.answers[0][2].failure is Failure.RESOLVE
    assert subject.answers[0][2].duration_s >= 0.04  # uvloop counts in milliseconds


async def test_old_address_serves_while_the_resolver_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refresh that fails takes nothing away."""
    known = names.Names(4)
    first = await known.find("localhost")
    assert not isinstance(first, str)
    known._known["localhost"] = (first, -1e9)

    async def fail(_name: str) -> list[object]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(names, "_ask", fail)
    assert known.known("localhost") == first
    assert await known.find("localhost") == "Temporary failure in name resolution"
    assert known.known("localhost") == first
    known.close()


@given(st.text(max_size=60))
def test_literal_never_raises(text: str) -> None:
    """Whatever stands in the place of an address."""
    found = literal(text)
    assert found is None or found.version in (4, 6)


# The table of what is in flight


@settings(max_examples=60)
@given(st.lists(st.tuples(st.floats(0.0, 5.0), st.floats(0.001, 3.0), st.booleans()), max_size=60))
def test_every_packet_is_lost_once_or_answered(story: list[tuple[float, float, bool]]) -> None:
    """Never before its deadline, and by a tick after it at the latest."""
    flights, one = Flights(), check("127.0.0.1")
    open_, lost = {}, []
    for nonce, (now, timeout_s, answered) in enumerate(sorted(story)):
        lost += [(now, flight[2]) for flight in flights.lose(now)]
        flights.add([nonce], [(one, b"", nonce, 0.0)], [now + timeout_s])
        if answered:
            del flights.by_nonce[nonce]
        else:
            open_[nonce] = now + timeout_s
    lost += [(100.0, flight[2]) for flight in flights.lose(100.0)]
    assert sorted(nonce for _, nonce in lost) == sorted(open_)
    assert all(now >= open_[nonce] for now, nonce in lost)
    assert flights.next_deadline is None
    assert flights.by_nonce == {}


def test_lost_packet_is_remembered_for_a_while_and_not_for_ever() -> None:
    """Two generations: then nothing is kept."""
    flights, one = Flights(), check("127.0.0.1")
    flights.add([1, 2], [(one, b"", 0, 0.0)] * 2, [1.0, 1.0])
    assert len(list(flights.lose(2.0))) == 2
    list(flights.lose(2.0 + REMEMBER_S))
    assert flights.was_lost(1)
    assert not flights.was_lost(1)
    list(flights.lose(3.0 + 2 * REMEMBER_S))
    assert not flights.was_lost(2)


# Privileges and routers

ROUTER = """
set -e
sysctl -qw net.ipv4.ping_group_range='{groups}'
ip link set lo up
unshare -n sleep 120 & router=$!
trap "kill $router" EXIT
while [ "$(readlink /proc/$router/ns/net)" = "$(readlink /proc/$$/ns/net)" ]; do sleep 0.02; done
ip link add v0 type veth peer name v1 netns $router
ip addr add 10.200.0.1/24 dev v0
ip addr add fd00::1/64 dev v0 nodad
ip link set v0 up
nsenter -t $router -n sh -ec '
  ip link set lo up; ip addr add 10.200.0.2/24 dev v1; ip addr add fd00::2/64 dev v1 nodad; ip link set v1 up
  sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
  ip route add unreachable 10.9.1.0/24; ip route add prohibit 10.9.2.0/24; ip route add blackhole 10.9.3.0/24
  ip route add 10.9.4.0/24 via 10.200.0.1; ip -6 route add fd08::/64 via fd00::1
  ip -6 route add unreachable fd09::/64'
ip route add default via 10.200.0.2
ip -6 route add default via fd00::2
{run}
"""

ASK = """
import asyncio, json, sys
from probes.kinds.icmp import KIND, IcmpParams
from probes.model import Check

async def main():
    found, done = {}, asyncio.Event()
    addresses = sys.argv[2:]
    def emit(check, at, measurement):
        found[check.id] = [measurement.success, measurement.failure, measurement.detail]
        if len(found) == len(addresses):
            done.set()
    batch = KIND.bind(IcmpParams(ttl=int(sys.argv[1]))).open(emit)
    batch.launch([Check(a, a, "icmp", a, None, 1.0, 2.0) for a in addresses])
    await done.wait()
    found["socket"] = batch.description
    found["foreign"] = batch.counters.foreign_replies + batch.counters.duplicate_replies
    batch.close()
    print(json.dumps(found))

try:
    if UVLOOP:
        import uvloop
        uvloop.run(main())
    else:
        asyncio.run(main())
except PermissionError as error:
    print(json.dumps({"refused": error.strerror}))
"""
POWERLESS = "setpriv --bounding-set=-all --inh-caps=-all --clear-groups "
"""Still uid 0, which may read this checkout wherever it lies, but without a single capability."""
REACHED = [True, None, ""]


@pytest.fixture
def behind_router(program: Callable[[str], Path]) -> Callable[..., dict[str, object]]:
    """Asks addresses from a network namespace behind a router of another, with all capabilities or with none."""
    for needed in ("ip", "unshare", "nsenter", "setpriv"):
        program(needed)
    if os.geteuid() != 0:
        unprivileged("network namespaces with a router")

    def ask(
        *addresses: str, ttl: int = 64, root: bool = True, groups: str = "1 0", uvloop: bool = True
    ) -> dict[str, object]:
        command = f'{"" if root else POWERLESS}{sys.executable} -c "$CODE" {ttl} {" ".join(addresses)}'
        code = ASK.replace("UVLOOP", str(uvloop))
        ran = subprocess.run(
            ["unshare", "-n", "sh", "-c", ROUTER.format(groups=groups, run=command)],
            env={**os.environ, "CODE": code, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        found: dict[str, object] = json.loads(ran.stdout)
        return found

    return ask


@pytest.mark.parametrize(
    ("root", "socket_name"), [(True, "raw ICMP socket"), (False, "datagram ICMP socket")], ids=["raw", "datagram"]
)
@pytest.mark.parametrize("uvloop", [True, False], ids=["uvloop", "asyncio"])
def test_router_says_why(
    behind_router: Callable[..., dict[str, object]], *, root: bool, socket_name: str, uvloop: bool
) -> None:
    """Several at once, on either socket: each error finds its own probe and names the router, and others answer."""
    hosts = [f"10.9.1.{i}" for i in range(1, 4)]  # Linux sends one peer no more than five such errors in a row
    asked = [*hosts, "10.9.2.1", "10.9.3.1", "fd09::1", "10.200.0.2", "fd00::2", "127.0.0.1", "::1"]
    found = behind_router(*asked, root=root, groups="0 2147483647", uvloop=uvloop)
    assert found.pop("socket") == socket_name
    assert found.pop("foreign") == 0
    assert {str(found[host]) for host in hosts} == {str([False, "unreachable", "10.200.0.2"])}
    assert found["10.9.2.1"] == [False, "unreachable", "10.200.0.2"]
    assert found["10.9.3.1"] == [False, "timeout", ""]
    assert found["fd09::1"] == [False, "unreachable", "fd00::2"]
    assert found["10.200.0.2"] == found["fd00::2"] == found["127.0.0.1"] == found["::1"] == REACHED


@pytest.mark.parametrize("root", [True, False], ids=["raw", "datagram"])
def test_packet_that_runs_out_of_hops_names_the_router(
    behind_router: Callable[..., dict[str, object]], *, root: bool
) -> None:
    """With a TTL of one the first router is the last; thirty errors at once find their probes."""
    hosts = [f"10.9.4.{i}" for i in range(1, 31)]
    found = behind_router(*hosts, "fd08::1", "10.200.0.2", ttl=1, root=root, groups="0 2147483647")
    assert {str(found[host]) for host in hosts} == {str([False, "ttl_exceeded", "10.200.0.2"])}
    assert found["fd08::1"] == [False, "ttl_exceeded", "fd00::2"]
    assert found["10.200.0.2"] == REACHED


def test_without_any_privilege_the_error_says_what_to_do(behind_router: Callable[..., dict[str, object]]) -> None:
    """Neither a capability nor a group: three ways out are named."""
    refused = str(behind_router("127.0.0.1", root=False, groups="1 0")["refused"])
    for way_out in ("run as root", "CAP_NET_RAW", 'net.ipv4.ping_group_range="0 0"'):
        assert way_out in refused


@pytest.mark.parametrize(
    "raw",
    [
        {"payload_bytes": 7},
        {"payload_bytes": 1473},
        {"ttl": 0},
        {"ttl": 256},
        {"dscp": 64},
        {"ip_protocol": "ip5"},
        {"payload": 56},
    ],
)
def test_parameters_out_of_bounds_are_refused(raw: dict[str, object]) -> None:
    """Before anything is opened."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(raw, icmp.IcmpParams)


async def test_batch_is_what_the_model_promises(subject: Subject) -> None:
    """The protocol that the engine knows."""
    batch: Batch = subject.pinger
    assert batch.counters.sent == 0
    assert icmp.KIND.bind(icmp.IcmpParams()) == icmp.KIND.bind(icmp.IcmpParams(ttl=64))
