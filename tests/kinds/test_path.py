"""The path kind behind four hops, each a network namespace of its own; what is judged, without any network."""

import asyncio
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import msgspec
import pytest

from probes.codecs import icmp
from probes.dial import Miss
from probes.kinds.path import KIND, Answer, PathParams, Route, hop_of
from probes.model import Failure, Layer, Measurement

ROOT = Path(__file__).parents[2]
BOUND_S = 5.0
ON, OVER = Failure.TTL_EXCEEDED, Failure.UNREACHABLE


async def ask(address: str, timeout_s: float = BOUND_S, **params: object) -> Measurement:
    deadline = asyncio.get_running_loop().time() + timeout_s
    return await KIND.bind(msgspec.convert(params, PathParams)).run(address, deadline)


def route(*answers: tuple[int, str, Failure | None], max_hops: int = 30) -> Route:
    made = Route(max_hops)
    for ttl, address, failure in answers:
        made.note(Answer(ttl, address, failure))
    return made


# What is judged


def test_the_hosts_answer_ends_the_way() -> None:
    """However many later requests it answered; a hop that is silent has a star."""
    found = route((1, "a", ON), (4, "host", None), (3, "host", None), (5, "host", None))
    found.judge()
    assert found.names() == ("a", "*", "host")
    assert found.silent() == [2]


def test_every_hop_is_asked_until_the_end_is_known() -> None:
    assert route(max_hops=5).silent() == [1, 2, 3, 4, 5]
    assert route((2, "b", ON), (4, "d", ON), max_hops=5).silent() == [1, 3, 5]
    assert route((2, "b", OVER), (1, "a", ON), max_hops=5).silent() == []


@pytest.mark.parametrize(("left", "hop"), [(None, 20), (19, 2), (18, 3), (255, 1), (0, 20)])
def test_how_far_a_request_came_that_no_router_took_further(left: int | None, hop: int) -> None:
    """What its header had left says so; nonsense stays within the way."""
    report = icmp.ErrorReport(3, 0, OVER, b"", 1, 1, 1, None, left)
    assert hop_of(20, report) == hop
    assert hop_of(20, msgspec.structs.replace(report, failure=ON)) == 20


def test_the_host_counts_more_than_a_router_that_gave_it_up() -> None:
    """The way came back between two rounds."""
    found = route((1, "a", ON), (2, "b", OVER), (3, "b", OVER), (3, "host", None))
    found.judge()
    assert found.names() == ("a", "b", "host")


@pytest.mark.parametrize(
    ("found", "failure", "detail", "names"),
    [
        (route(), Failure.TIMEOUT, "no hop answers", ()),
        (route((1, "a", ON), (3, "c", ON)), Failure.TIMEOUT, "last hop that answers: c (hop 3)", ("a", "*", "c")),
        (
            route((1, "a", ON), (4, "b", OVER), (2, "b", OVER)),
            Failure.UNREACHABLE,
            "last hop that answers: b (hop 2); it says unreachable",
            ("a", "b"),
        ),
        (
            route((1, "a", ON), (2, "b", ON), (3, "c", ON), max_hops=3),
            Failure.TTL_EXCEEDED,
            "last hop that answers: c (hop 3); the host is further",
            ("a", "b", "c"),
        ),
        (
            route((1, "a", ON), (3, "a", ON)),
            Failure.TTL_EXCEEDED,
            "last hop that answers: a (hop 3); packets go round in a loop",
            ("a", "*", "a"),
        ),
        (route((1, "a", ON), (2, "a", ON)), Failure.TIMEOUT, "last hop that answers: a (hop 2)", ("a", "a")),
    ],
    ids=["nobody", "silence", "unreachable", "further", "loop", "a router that counts twice"],
)
def test_a_way_that_does_not_arrive_says_where_it_ends(
    found: Route, failure: Failure, detail: str, names: tuple[str, ...]
) -> None:
    with pytest.raises(Miss) as missed:
        found.judge()
    assert (missed.value.failure, missed.value.detail, found.names()) == (failure, detail, names)


# On loopback


def unprivileged(what: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} needs root")
    pytest.skip(f"{what} needs root")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.1:1720", "::1", "[::1]", "[::1]:1720"])
async def test_this_host_is_one_hop_away(address: str) -> None:
    found = await ask(address)
    if found.failure is Failure.SEND:
        unprivileged("an ICMP socket")
    assert found.success, found.detail
    assert found.names == ("::1" if "::" in address else "127.0.0.1",)
    assert [name for name, _ in found.phases] == ["resolve", "trace"]
    assert {**dict(found.figures), "probe_ip_protocol": 0.0} == {
        "probe_ip_protocol": 0.0,
        "probe_path_hops": 1.0,
        "probe_path_last_hop": 1.0,
    }


@pytest.mark.parametrize("address", ["", ":", "nobody.invalid:x", "a..b"])
async def test_an_address_that_is_none_is_a_failure_of_resolving(address: str) -> None:
    assert (await ask(address)).failure is Failure.RESOLVE


async def test_without_a_descriptor_left_it_is_our_own_failure() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        found = await ask("127.0.0.1")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (found.failure, found.detail) == (Failure.SEND, "Too many open files")


@pytest.mark.parametrize("raw", [{"max_hops": 0}, {"max_hops": 65}, {"rounds": 0}, {"rounds": 11}, {"hops": 3}])
def test_parameters_out_of_bounds_are_refused(raw: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(raw, PathParams)


def test_it_proves_that_a_host_is_reachable() -> None:
    assert KIND.layer is Layer.REACHABLE


# Behind routers

# Hop 0 asks. Hops 1, 2 and 3 are routers, hop 4 is the host; link n joins hop n-1 to hop n.
FAULTS = {
    "cut": (3, "iif up3"),  # what comes in at the third hop is lost
    "silent": (2, "iif lo"),  # what the second hop says itself is lost
}
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
LIVES_S = 120
"""A namespace ends by itself, should the tests be killed."""
POWERLESS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--clear-groups")
ASK = """
import asyncio, json, sys
import msgspec, uvloop
from probes.kinds.path import KIND, PathParams

async def main():
    params = msgspec.json.decode(sys.argv[2], type=PathParams)
    deadline = asyncio.get_running_loop().time() + 2.0
    found = await asyncio.gather(*(KIND.bind(params).run(a, deadline) for a in sys.argv[3:]))
    print(json.dumps([msgspec.to_builtins(one) for one in found]))

(uvloop if sys.argv[1] == "uvloop" else asyncio).run(main())
"""


class Chain:
    """Namespaces one behind the other, each as long as its process lives."""

    def __init__(self) -> None:
        self.hops = [subprocess.Popen(["unshare", "-n", "sleep", str(LIVES_S)]) for _ in range(5)]

    def build(self) -> None:
        """Addresses and ways; until both IP versions get through."""
        own = Path("/proc/self/ns/net").readlink()
        until(lambda: all(Path(f"/proc/{hop.pid}/ns/net").readlink() != own for hop in self.hops))
        for n in range(1, 5):
            self.at(n - 1, f"ip link add down{n} type veth peer name up{n} netns {self.hops[n].pid}")
        for n in range(5):
            self.at(n, "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
            self.at(n, "sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0")  # many tests, one source
            self.at(n, "ip -batch -", "\n".join(self.commands(n)))
        until(lambda: self.at(0, "fping -q -t 100 -r 0 10.201.0.1 fd01::1", check=False) == 0)

    def commands(self, n: int) -> list[str]:
        """For ip(8), in one namespace."""
        commands = ["link set lo up"]
        for name, link, side in ((f"up{n}", n, 2), (f"down{n + 1}", n + 1, 1)):
            if 1 <= link <= 4:
                commands += [f"addr add 10.200.{link}.{side}/24 dev {name}", f"link set {name} up"]
                commands += [f"addr add fd00:{link}::{side}/64 dev {name} nodad"]
        further = {0: (1, 2, 3), 1: (1, 2, 3), 2: (1, 2), 3: (1,), 4: ()}[n]
        commands += [f"route add 10.20{i}.0.0/16 via 10.200.{n + 1}.2" for i in further]
        commands += [f"route add fd0{i}::/16 via fd00:{n + 1}::2" for i in further]
        if n > 0:
            commands += [f"route add default via 10.200.{n}.1", f"route add default via fd00:{n}::1"]
        return commands + {
            2: ["route add unreachable 10.203.0.0/16", "route add unreachable fd03::/16"],
            4: ["addr add 10.201.0.1/32 dev lo", "addr add fd01::1/128 dev lo nodad"],
        }.get(n, [])

    def at(self, n: int, command: str, text: str = "", *, check: bool = True) -> int:
        """Run it in one namespace."""
        return self.run(n, command.split(), text, check=check).returncode

    def run(
        self, n: int, command: list[str], text: str = "", *, check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        """The same, with what it said."""
        entered = ["nsenter", "-t", str(self.hops[n].pid), "-n", *command]
        ran = subprocess.run(
            entered, input=text, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False
        )
        assert not check or ran.returncode == 0, ran.stderr
        return ran

    def trace(
        self,
        *addresses: str,
        fault: str = "",
        raw: bool = True,
        groups: str = "1 0",
        loop: str = "uvloop",
        **params: int,
    ) -> list[Measurement]:
        """What the kind finds out from hop 0, with all capabilities or with none."""
        self.run(0, ["sysctl", "-qw", f"net.ipv4.ping_group_range={groups}"])
        rights = () if raw else POWERLESS
        with self.fault(fault) if fault else nullcontext():
            ran = self.run(0, [*rights, sys.executable, "-c", ASK, loop, json.dumps(params), *addresses])
        return msgspec.json.decode(ran.stdout, type=list[Measurement])

    @contextmanager
    def fault(self, name: str) -> Iterator[None]:
        """Something is wrong for a while."""
        n, rule = FAULTS[name]
        for family in ("-4", "-6"):
            self.at(n, f"ip {family} rule add {rule} blackhole")
        try:
            yield
        finally:
            for family in ("-4", "-6"):
                self.at(n, f"ip {family} rule del {rule} blackhole")

    def end(self) -> None:
        """The namespaces go with their processes."""
        for hop in self.hops:
            hop.kill()
            hop.wait()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture(scope="module")
def chain(program: Callable[[str], Path]) -> Iterator[Chain]:
    """Five namespaces in a row."""
    for needed in ("fping", "ip", "nsenter", "setpriv", "sysctl", "unshare"):
        program(needed)
    if os.geteuid() != 0:
        unprivileged("a chain of network namespaces")
    made = Chain()
    try:
        made.build()
        yield made
    finally:
        made.end()


SOCKETS = pytest.mark.parametrize(
    "how", [{"raw": True}, {"raw": False, "groups": "0 2147483647"}], ids=["raw", "datagram"]
)
WAY_4, WAY_6 = ("10.200.1.2", "10.200.2.2", "10.200.3.2"), ("fd00:1::2", "fd00:2::2", "fd00:3::2")


@SOCKETS
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_every_hop_to_a_host_that_answers(chain: Chain, how: dict[str, Any], loop: str) -> None:
    """Both IP versions at once, and the first router itself."""
    four, six, near = chain.trace("10.201.0.1", "fd01::1", "10.200.1.2", loop=loop, **how)
    assert (four.success, four.names) == (True, (*WAY_4, "10.201.0.1"))
    assert (six.success, six.names) == (True, (*WAY_6, "fd01::1"))
    assert (near.success, near.names) == (True, WAY_4[:1])
    assert dict(four.figures) == {"probe_ip_protocol": 4.0, "probe_path_hops": 4.0, "probe_path_last_hop": 4.0}


@SOCKETS
def test_a_cut_behind_the_second_hop(chain: Chain, how: dict[str, Any]) -> None:
    """The link is down and no router says so: the last hop that answers is the one before it."""
    four, six = chain.trace("10.201.0.1", "fd01::1", fault="cut", **how)
    assert (four.failure, four.detail) == (Failure.TIMEOUT, "last hop that answers: 10.200.2.2 (hop 2)")
    assert (four.names, dict(four.figures)["probe_path_last_hop"]) == (WAY_4[:2], 2.0)
    assert "probe_path_hops" not in dict(four.figures)
    assert six.names == WAY_6[:2]


@SOCKETS
def test_a_router_that_knows_no_way(chain: Chain, how: dict[str, Any]) -> None:
    four, six = chain.trace("10.203.0.1", "fd03::1", **how)
    assert (four.failure, (four.names[0], four.names[-1])) == (Failure.UNREACHABLE, WAY_4[:2])
    if how["raw"]:  # a datagram socket is not told how far the request came, and the router answers once a second
        assert four.detail == "last hop that answers: 10.200.2.2 (hop 2); it says unreachable"
    assert (six.failure, six.names) == (Failure.UNREACHABLE, WAY_6[:2])


@SOCKETS
def test_routers_that_send_to_one_another(chain: Chain, how: dict[str, Any]) -> None:
    (found,) = chain.trace("10.202.0.1", max_hops=8, **how)
    assert (found.failure, found.names[:3]) == (Failure.TTL_EXCEEDED, WAY_4)
    assert found.detail == f"last hop that answers: {found.names[7]} (hop 8); packets go round in a loop"


def test_a_hop_that_is_silent_has_a_star(chain: Chain) -> None:
    """It forwards, and says nothing itself."""
    (found,) = chain.trace("10.201.0.1", fault="silent")
    assert (found.success, found.names) == (True, (WAY_4[0], "*", WAY_4[2], "10.201.0.1"))


def test_too_few_hops_allowed(chain: Chain) -> None:
    (found,) = chain.trace("10.201.0.1", max_hops=2)
    assert (found.failure, found.names) == (Failure.TTL_EXCEEDED, WAY_4[:2])


def test_without_any_privilege_it_says_what_to_do(chain: Chain) -> None:
    (found,) = chain.trace("10.201.0.1", raw=False)
    assert found.failure is Failure.SEND
    for way_out in ("run as root", "CAP_NET_RAW", 'net.ipv4.ping_group_range="0 0"'):
        assert way_out in found.detail
