"""Which routers are on the way to a host, and where does the way end? Run on demand, as evidence of an incident.

Sends ICMP echo requests with every TTL from one up, a few at once, and asks again where nobody answered. Success
means that the host itself answered. ``names`` are the addresses of the hops in order, ``*`` where one is silent; after
a failure ``detail`` says the last hop that answers: beyond it the line is cut, or a firewall drops what is asked. A
hop may be silent and still carry traffic: routers answer when they have time.

Phases: ``resolve``, ``trace``. Packets that go round in a loop are ``ttl_exceeded``, and so is a host further than
``max_hops``. Needs CAP_NET_RAW, or a group that may use datagram ICMP sockets (net.ipv4.ping_group_range).
"""

import asyncio
import ctypes
import os
import socket
from collections.abc import Iterator
from struct import Struct
from time import monotonic
from typing import Annotated

import msgspec
from msgspec import Meta

from probes.codecs import icmp
from probes.dial import DialParams, Miss, SocketAddress, Trace, find, measure, split_host_port
from probes.model import IP_PROTOCOL, Failure, Figure, Kind, Layer, Measurement

HOPS = Figure("probe_path_hops", "Hops to the host, itself counted; absent where it did not answer.")
LAST_HOP = Figure("probe_path_last_hop", "The last hop that answered; 0 where none did.")

AT_ONCE = 6
"""Requests sent before the next look at what came back: Linux tells one host of no more than six errors in a row."""
LOOK_S = 0.02
"""Between two looks. No reader is registered: libuv stops watching a datagram socket that has errors in its queue."""
JUDGE_S = 0.05
"""Before the deadline the trace ends, so that what was found is told in time."""
PAYLOAD_BYTES = 32
PACKET_BYTES = 2048
PACKETS = 128
"""Read at one look."""

# Numbers of the Linux ABI that the socket module does not name.
SO_ATTACH_FILTER = 26
IP_RECVERR, IPV6_RECVERR = 11, 25
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
VERSION = {family: version for version, family in FAMILY.items()}
PROTOCOL = {4: socket.IPPROTO_ICMP, 6: socket.IPPROTO_ICMPV6}
TTL = {4: (socket.IPPROTO_IP, socket.IP_TTL), 6: (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS)}
RECEIVE_ERRORS = {4: (socket.IPPROTO_IP, IP_RECVERR), 6: (socket.IPPROTO_IPV6, IPV6_RECVERR)}
_PROGRAM = Struct("@H P")
NOT_ALLOWED = (
    "no ICMP socket is allowed: run as root, grant CAP_NET_RAW, or let this group use datagram ICMP sockets: "
    'sysctl -w net.ipv4.ping_group_range="{group} {group}"'
)


class PathParams(DialParams, frozen=True, kw_only=True):
    """How far to look, and how often."""

    max_hops: Annotated[int, Meta(ge=1, le=64)] = 30
    """The highest TTL, 1 to 64."""
    rounds: Annotated[int, Meta(ge=1, le=10)] = 3
    """How often a hop that is silent is asked, 1 to 10."""


class Answer(msgspec.Struct, frozen=True):
    """What one request was answered: by whom, and None or why it did not get to the host."""

    ttl: int
    address: str
    failure: Failure | None


class Route:
    """What is known of the way: who answered, by TTL, and which of them ends it. Pure."""

    def __init__(self, max_hops: int) -> None:
        self.max_hops = max_hops
        self._answers: dict[int, Answer] = {}

    def note(self, answer: Answer) -> None:
        """The first answer counts, unless the host itself answers later."""
        if answer.ttl not in self._answers or answer.failure is None:
            self._answers[answer.ttl] = answer

    @property
    def end(self) -> Answer | None:
        """The host's own answer, or that of a router which knows no way further; the nearest one."""
        ends = [answer for answer in self._answers.values() if answer.failure is not Failure.TTL_EXCEEDED]
        return min(ends, key=lambda answer: (answer.failure is not None, answer.ttl), default=None)

    @property
    def last(self) -> Answer | None:
        """The last hop that answered, no further than the end."""
        return self.end or max(self._answers.values(), key=lambda answer: answer.ttl, default=None)

    def silent(self) -> list[int]:
        """TTLs on the way that nobody answered yet."""
        end = self.end
        last = end.ttl if end else self.max_hops
        return [ttl for ttl in range(1, last + 1) if ttl not in self._answers]

    def names(self) -> tuple[str, ...]:
        """Addresses of the hops in order, up to the last that answered."""
        last = self.last
        hops = (self._answers.get(ttl) for ttl in range(1, last.ttl + 1 if last else 1))
        return tuple(hop.address if hop else "*" for hop in hops)

    def loops(self) -> bool:
        """Whether a router answered at two hops that are not neighbours."""
        first: dict[str, int] = {}
        return any(
            ttl - first.setdefault(answer.address, ttl) > 1
            for ttl, answer in sorted(self._answers.items())
            if answer.failure is Failure.TTL_EXCEEDED
        )

    def judge(self) -> None:
        """Raise Miss unless the host answered."""
        last = self.last
        if last is None:
            raise Miss(Failure.TIMEOUT, "no hop answers")
        words = f"last hop that answers: {last.address} (hop {last.ttl})"
        if last.failure is Failure.UNREACHABLE:
            raise Miss(Failure.UNREACHABLE, f"{words}; it says unreachable")
        if last.failure is not None and self.loops():
            raise Miss(Failure.TTL_EXCEEDED, f"{words}; packets go round in a loop")
        if last.failure is not None and last.ttl == self.max_hops:
            raise Miss(Failure.TTL_EXCEEDED, f"{words}; the host is further")
        if last.failure is not None:
            raise Miss(Failure.TIMEOUT, words)


async def probe(address: str, params: PathParams, deadline: float) -> Measurement:
    """Trace the way until every hop has answered, at the latest until shortly before the deadline."""

    async def work(trace: Trace) -> None:
        host, _ = split_host_port(address, 0)
        family, target = await find(trace, host, 0, params)
        route = Route(params.max_hops)
        try:
            with trace.phase("trace"):
                await _walk(route, Asker(VERSION[family], target), params.rounds, deadline - JUDGE_S)
        finally:
            trace.names = route.names()
            trace.figures[LAST_HOP.name] = float(route.last.ttl if route.last else 0)
        route.judge()
        trace.figures[HOPS.name] = float(len(trace.names))

    return await measure(work, deadline)


async def _walk(route: Route, asker: "Asker", rounds: int, end: float) -> None:
    """Ask every silent hop once a round; the rounds share the time until ``end``."""
    try:
        for left in range(rounds, 0, -1):
            next_round, asked = monotonic() + (end - monotonic()) / left, 0
            while monotonic() < next_round and (silent := route.silent()):
                for ttl in [ttl for ttl in silent if ttl > asked][:AT_ONCE]:
                    asker.ask(ttl)
                    asked = ttl
                await asyncio.sleep(LOOK_S)
                for answer in asker.answers():
                    route.note(answer)
    finally:
        asker.close()


class Asker:
    """An ICMP socket, raw or datagram, that asks one host. Raises Miss when neither is allowed, or OSError."""

    def __init__(self, version: int, target: SocketAddress) -> None:
        self._version, self._target = version, target
        self._packed = _packed(version, str(target[0]))
        self._asked: dict[int, tuple[int, int]] = {}
        """Nonce and TTL by sequence number."""
        self._requests = icmp.Requests(version, PAYLOAD_BYTES)
        self._nonces = icmp.Nonces(os.urandom(32))
        self._raw, self._socket = _open(version)
        try:
            self._identifier = _filtered(self._socket, version) if self._raw else _bound(self._socket, version)
        except BaseException:
            self.close()
            raise

    def ask(self, ttl: int) -> None:
        """Send a request that may take so many hops. Raises OSError."""
        (nonce,) = self._nonces.issue(1)
        (packet,) = self._requests.encode(self._identifier, [nonce])
        self._asked[icmp.sequence_of(nonce)] = nonce, ttl
        self._socket.setsockopt(*TTL[self._version], ttl)
        try:
            self._socket.sendto(packet, self._target)
        except OSError:
            if self._raw:
                raise
            self._socket.sendto(packet, self._target)  # a datagram socket told of an earlier packet's error

    def answers(self) -> Iterator[Answer]:
        """What has come since the last look, some of it at most."""
        for read in (self._received,) if self._raw else (self._received, self._queued):
            for _ in range(PACKETS):
                try:
                    answer = read()
                except BlockingIOError:
                    break
                except (icmp.BadPacketError, OSError):  # not ours, or a datagram socket that tells of its error queue
                    continue
                if answer:
                    yield answer

    def close(self) -> None:
        """Close at once."""
        self._socket.close()

    def _received(self) -> Answer | None:
        packet, (address, *_) = self._socket.recvfrom(PACKET_BYTES)
        message = icmp.parse(self._version, icmp.strip_ipv4(packet) if self._raw and self._version == 4 else packet)
        if isinstance(message, icmp.ErrorReport):
            return self._reported(message, address)
        ttl = self._ttl(message.identifier, message.sequence, message.nonce)
        ours = ttl and _packed(self._version, address) == self._packed
        return Answer(ttl, _bare(address), None) if ours else None

    def _queued(self) -> Answer | None:
        """Of a datagram socket's error queue (IP_RECVERR, ip(7))."""
        request, ancillary, _, (destination, *_) = self._socket.recvmsg(PACKET_BYTES, 512, socket.MSG_ERRQUEUE)
        error = next((data for *at, data in ancillary if tuple(at) == RECEIVE_ERRORS[self._version]), b"")
        type_, code, router = icmp.parse_extended_error(self._version, error)
        report = icmp.parse_error(self._version, type_, code, _packed(self._version, destination), request)
        return self._reported(report, socket.inet_ntop(FAMILY[self._version], router))

    def _reported(self, report: icmp.ErrorReport, router: str) -> Answer | None:
        ttl = self._ttl(report.identifier, report.sequence, report.nonce)
        ours = ttl and report.destination == self._packed
        return Answer(hop_of(ttl, report), _bare(router), report.failure) if ours else None

    def _ttl(self, identifier: int, sequence: int, nonce: int | None) -> int:
        """That of the request which is answered, 0 for none of ours; an error may quote too little for a nonce."""
        sent, ttl = self._asked.get(sequence, (None, 0))
        return ttl if identifier == self._identifier and nonce in (None, sent) else 0


def hop_of(ttl: int, report: icmp.ErrorReport) -> int:
    """At which hop the router stands that answered a request sent with this TTL.

    One that knows no way further answers seldom (Linux: one packet a second), so that the first answer may be that to
    a request which could have gone much further: the quoted header tells how far it came.
    """
    if report.failure is not Failure.UNREACHABLE or report.ttl is None:
        return ttl
    return min(ttl, max(1, ttl - report.ttl + 1))


def _bare(address: str) -> str:
    """Without the zone of a link-local address."""
    return address.partition("%")[0]


def _packed(version: int, address: str) -> bytes:
    return socket.inet_pton(FAMILY[version], _bare(address))


def _open(version: int) -> tuple[bool, socket.socket]:
    """A raw socket, or else a datagram socket. Raises Miss when neither is allowed."""
    for raw, type_ in ((True, socket.SOCK_RAW), (False, socket.SOCK_DGRAM)):
        try:
            return raw, socket.socket(FAMILY[version], type_ | socket.SOCK_NONBLOCK, PROTOCOL[version])
        except PermissionError:
            continue
    raise Miss(Failure.SEND, NOT_ALLOWED.format(group=os.getegid()))


def _filtered(sock: socket.socket, version: int) -> int:
    """Choose an identifier, and let the kernel pass only what carries it; the rest of the host's ICMP stays out."""
    identifier = int.from_bytes(os.urandom(2), "big")
    program = icmp.kernel_filter(version, (identifier, identifier))
    code = ctypes.create_string_buffer(program, len(program))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, _PROGRAM.pack(len(program) // 8, ctypes.addressof(code)))
    return identifier


def _bound(sock: socket.socket, version: int) -> int:
    """Let the kernel choose the identifier, and queue errors."""
    sock.setsockopt(*RECEIVE_ERRORS[version], 1)
    sock.bind(("0.0.0.0", 0) if version == 4 else ("::", 0))  # noqa: S104 - an ICMP identifier, not a port
    identifier: int = sock.getsockname()[1]
    return identifier


KIND = Kind(
    "path",
    PathParams,
    probe,
    "an IPv4 or IPv6 address, or a host name; a port is ignored",
    figures=(IP_PROTOCOL, HOPS, LAST_HOP),
    layer=Layer.REACHABLE,
)
