"""Asks a host for an ICMP echo, IPv4 or IPv6, and measures the round trip from the kernel's own receive time.

One raw socket an IP version serves every target; what is in flight is an entry in a table, with no task, timer or
future for a probe. Without CAP_NET_RAW a datagram ICMP socket does the same, where the group is allowed one. An ICMP
error that quotes our request ends the probe at once; ``detail`` is the address of the router that sent it.

Phases: ``resolve`` (0 for an address), ``rtt``.

Times: a packet is stamped with the monotonic clock right before ``sendto``, and the kernel stamps the answer with
the wall clock. The distance between the two is read anew at each wake-up, so a step of the wall clock while a packet
is in flight does no harm; a step between the kernel's stamp and that reading gives a round trip that cannot be, and
the monotonic clock is believed instead.
"""

import asyncio
import os
import socket
from collections.abc import Sequence
from errno import ECONNREFUSED, EHOSTDOWN, EHOSTUNREACH, EINVAL, ENETDOWN, ENETUNREACH
from time import monotonic, monotonic_ns, time, time_ns
from typing import Annotated, Literal

from msgspec import Meta

from probes.codecs import icmp
from probes.kinds.icmp.flights import Flight, Flights
from probes.kinds.icmp.names import FAMILY, Destination, Names, literal
from probes.kinds.icmp.sockets import Buffers, IcmpSocket
from probes.model import Batch, BatchCounters, BatchKind, Check, Emit, Failure, Figure, Layer, Measurement, Params

SEND_AT_ONCE = 64
"""Packets sent between two looks at the receive buffer, so that a large launch does not overflow it."""
READS_AT_ONCE = 4
"""System calls that read at one wake-up, so that the loop stays fair."""
EMIT_FOR_S = 0.003
"""How long losses are emitted before the loop has its turn."""
POSTPONE_LIMIT = 32
"""Wake-ups for which losses wait while answers that may have come in time are still unread."""
ROTATE_S = 600.0
"""An identifier kept for ever sticks in a firewall; a fresh one each time breaks a NAT's sessions."""
SEQUENCES_SEARCHED = 1 << 20
"""How many packets may be in flight while an error that quotes only a header still finds its own."""

NO_WAY = {ENETUNREACH, EHOSTUNREACH, EHOSTDOWN, ENETDOWN, ECONNREFUSED}
"""Errors of sendto that say something of the way to the target; all others say something of us."""

ERROR_TYPE = "probe_icmp_error_type"
ERROR_CODE = "probe_icmp_error_code"
FIGURES = (
    Figure(ERROR_TYPE, "Type of the ICMP error that answered the probe; absent where none did."),
    Figure(ERROR_CODE, "Code of the ICMP error that answered the probe; absent where none did."),
)


Sending = tuple[Check, Destination]


class IcmpParams(Params, frozen=True, kw_only=True):
    """How the echo requests look."""

    payload_bytes: Annotated[int, Meta(ge=icmp.NONCE_BYTES, le=icmp.MAX_PAYLOAD_BYTES)] = 56
    """Bytes after the ICMP header, 8 to 1472; ping sends 56."""
    ttl: Annotated[int, Meta(ge=1, le=255)] = 64
    """Hops that the request may take, 1 to 255."""
    dscp: Annotated[int, Meta(ge=0, le=63)] = 0
    """Class of service in the IP header, 0 to 63; 46 (EF) travels as voice does."""
    ip_protocol: Literal["ip4", "ip6"] = "ip4"
    """Which to prefer where a host name has both: ip4 or ip6."""


class Pinger:
    """The batch of the icmp kind. Opens the IPv4 socket at once, that of IPv6 when it is first needed."""

    def __init__(self, params: IcmpParams, emit: Emit) -> None:
        self._params = params
        self._emit = emit
        self._loop = asyncio.get_running_loop()
        self._counters = BatchCounters()
        self._nonces = icmp.Nonces(os.urandom(32))
        self._requests = {version: icmp.Requests(version, params.payload_bytes) for version in FAMILY}
        self._flights = Flights()
        self._timer: asyncio.Handle | None = None
        self._timer_at = 0.0
        self._postponed = 0
        self._rotate_at = monotonic() + ROTATE_S
        self._names = Names(int(params.ip_protocol[-1]))
        self._naming: set[asyncio.Task[None]] = set()
        self._buffers = Buffers()
        self._sockets: dict[int, IcmpSocket] = {}
        self._socket(4)

    @property
    def counters(self) -> BatchCounters:
        """What has been counted so far."""
        self._counters.kernel_drops = sum(sock.kernel_drops for sock in self._sockets.values())
        return self._counters

    @property
    def description(self) -> str:
        """Which socket is in use."""
        return "raw ICMP socket" if all(sock.raw for sock in self._sockets.values()) else "datagram ICMP socket"

    def launch(self, checks: Sequence[Check]) -> None:
        """Send for each check now, reading answers in between."""
        if monotonic() >= self._rotate_at:
            self._rotate()
        for start in range(0, len(checks), SEND_AT_ONCE):
            if start:
                self._drain_all()
            self._launch_few(checks[start : start + SEND_AT_ONCE])
        self._arm()

    def close(self) -> None:
        """Stop. What is in flight is forgotten without a word."""
        for sock in self._sockets.values():
            self._loop.remove_reader(sock.fileno())
            sock.close()
        if self._timer is not None:
            self._timer.cancel()
        for task in self._naming:
            task.cancel()
        self._names.close()

    def _socket(self, version: int) -> IcmpSocket:
        if version not in self._sockets:
            sock = IcmpSocket(version, self._params.ttl, self._params.dscp, self._buffers)
            self._loop.add_reader(sock.fileno(), self._drain, sock)
            self._sockets[version] = sock
        return self._sockets[version]

    def _rotate(self) -> None:
        self._rotate_at = monotonic() + ROTATE_S
        for sock in self._sockets.values():
            sock.rotate()

    # Sending

    def _launch_few(self, checks: Sequence[Check]) -> None:
        by_version: dict[int, list[Sending]] = {4: [], 6: []}
        for check in checks:
            destination = literal(check.address) or self._names.known(check.address)
            if destination is None:
                self._launch_named(check)
            else:
                by_version[destination[0]].append((check, destination))
        for version, sendings in by_version.items():
            if sendings:
                self._send(version, sendings, 0.0)

    def _send(self, version: int, sendings: Sequence[Sending], resolve_s: float) -> None:
        """Send now; the deadline is each packet's own."""
        try:
            sock = self._socket(version)
        except OSError as error:
            for check, _ in sendings:
                self._fail_to_send(check, error)
            return
        if not sock.raw and len(sendings) > 1:  # an error must find its packet noted when the next one is sent
            for sending in sendings:
                self._send(version, [sending], resolve_s)
            return
        nonces = self._nonces.issue(len(sendings))
        packets = self._requests[version].encode(sock.identifiers[0], nonces)
        sendto, sent = sock.sendto, list[int]()
        for packet, (_, destination) in zip(packets, sendings, strict=True):
            now_ns = monotonic_ns()
            try:
                sendto(packet, destination[2])
            except OSError as error:
                now_ns = self._send_again(sock, packet, destination) or -(error.errno or EINVAL)
            sent.append(now_ns)
        if min(sent) < 0:
            nonces, sendings, sent = self._sort_out(nonces, sendings, sent)
        self._note_sent(nonces, sendings, sent, resolve_s)

    def _note_sent(
        self, nonces: Sequence[int], sendings: Sequence[Sending], sent: Sequence[int], resolve_s: float
    ) -> None:
        if nonces:
            flights = [(check, to[1], ns, resolve_s) for (check, to), ns in zip(sendings, sent, strict=True)]
            deadlines = [ns * 1e-9 + check.timeout_s - resolve_s for (check, _), ns in zip(sendings, sent, strict=True)]
            self._flights.add(nonces, flights, deadlines)
            self._counters.sent += len(nonces)

    def _sort_out(
        self, nonces: Sequence[int], sendings: Sequence[Sending], sent: Sequence[int]
    ) -> tuple[list[int], list[Sending], list[int]]:
        """Report what the kernel refused, whose ``sent`` is an error number, negative; the rest."""
        went = [index for index, ns in enumerate(sent) if ns >= 0]
        for (check, _), ns in zip(sendings, sent, strict=True):
            if ns < 0:
                self._fail_to_send(check, OSError(-ns, os.strerror(-ns)))
        return [nonces[i] for i in went], [sendings[i] for i in went], [sent[i] for i in went]

    def _send_again(self, sock: IcmpSocket, packet: bytes, destination: Destination) -> int:
        """When it was sent after all, monotonic ns; 0 when it was not.

        A datagram socket reports an earlier packet's ICMP error at the next sendto: that says nothing of this one.
        """
        if not self._drain_errors(sock):
            return 0
        sent_ns = monotonic_ns()
        try:
            sock.sendto(packet, destination.sockaddr)
        except OSError:
            return 0
        return sent_ns

    def _fail_to_send(self, check: Check, error: OSError) -> None:
        self._counters.send_errors += 1
        failure = Failure.UNREACHABLE if error.errno in NO_WAY else Failure.SEND
        detail = f"own kernel: {error.strerror or error}"
        self._emit(check, time(), Measurement(False, 0.0, failure, detail))

    def _launch_named(self, check: Check) -> None:
        task = self._loop.create_task(self._resolve_and_send(check))
        self._naming.add(task)
        task.add_done_callback(self._naming.discard)

    async def _resolve_and_send(self, check: Check) -> None:
        begun = monotonic()
        try:
            async with asyncio.timeout(check.timeout_s):
                found = await self._names.find(check.address)
        except TimeoutError:
            found = "the resolver did not answer in time"
        resolve_s = monotonic() - begun
        if isinstance(found, str):
            phases = (("resolve", resolve_s),)
            self._emit(check, time(), Measurement(False, resolve_s, Failure.RESOLVE, found, phases))
        else:
            self._send(found.version, [(check, found)], resolve_s)
            self._arm()

    # Receiving

    def _drain_all(self) -> bool:
        """Whether every socket has been read dry."""
        dry = [self._drain(sock) for sock in self._sockets.values()]
        return all(dry)

    def _drain(self, sock: IcmpSocket) -> bool:
        """Read some of what has come; whether there is no more."""
        distance_ns, now_ns = _clocks()
        by_nonce, reply_nonce, answered = self._flights.by_nonce, sock.reply_nonce, self._answered
        for _ in range(READS_AT_ONCE):
            try:
                received = sock.receive()
            except OSError:  # nothing there, or a datagram socket's way to say that its error queue is not empty
                if not self._drain_errors(sock):
                    return True
                continue
            for packet, source, stamp_ns in received:
                nonce = reply_nonce(packet)
                flight = by_nonce.get(nonce)
                if flight is not None and flight[1] == source:
                    del by_nonce[nonce]
                    answered(flight, stamp_ns - distance_ns, now_ns, distance_ns)
                else:
                    self._surprised(sock, packet, source, stamp_ns - distance_ns)
        return False

    def _answered(self, flight: Flight, received_ns: int, now_ns: int, distance_ns: int) -> None:
        check, _, sent_ns, resolve_s = flight
        rtt_ns = received_ns - sent_ns
        if not 0 <= rtt_ns <= now_ns - sent_ns:
            rtt_ns = _plausible(rtt_ns, sent_ns)
        rtt_s = rtt_ns * 1e-9
        if rtt_s + resolve_s > check.timeout_s:
            self._counters.late_replies += 1
            self._emit(check, time(), Measurement(False, rtt_s, Failure.TIMEOUT))
            return
        phases = (("resolve", resolve_s), ("rtt", rtt_s))
        self._emit(check, (sent_ns + rtt_ns + distance_ns) * 1e-9, Measurement(True, rtt_s, None, "", phases))

    def _surprised(self, sock: IcmpSocket, packet: bytes, source: bytes, received_ns: int) -> None:
        """What is no answer to anything in flight: an error, or to be counted and not believed."""
        try:
            message = sock.message(packet)
        except icmp.BadPacketError:
            self._counters.foreign_replies += 1
            return
        if isinstance(message, icmp.ErrorReport):
            self._refused(sock, message, source, received_ns)
        else:
            self._unexpected(message.nonce)

    def _refused(self, sock: IcmpSocket, report: icmp.ErrorReport, router: bytes, received_ns: int) -> None:
        """An ICMP error, believed only if it quotes what is in flight."""
        nonce = self._quoted(sock, report)
        flight = self._flights.by_nonce.get(nonce)
        if flight is None:
            self._unexpected(nonce)
            return
        check, packed, sent_ns, resolve_s = flight
        if report.destination != packed:
            self._counters.foreign_replies += 1
            return
        del self._flights.by_nonce[nonce]
        took_s = _plausible(received_ns - sent_ns, sent_ns) * 1e-9
        detail = socket.inet_ntop(FAMILY[sock.version], router)
        figures = ((ERROR_TYPE, float(report.type)), (ERROR_CODE, float(report.code)))
        phases = (("resolve", resolve_s), ("rtt", took_s))
        self._emit(check, time(), Measurement(False, took_s, report.failure, detail, phases, figures))

    def _quoted(self, sock: IcmpSocket, report: icmp.ErrorReport) -> int:
        """The nonce of what an error quotes; -1 where it does not say enough and nothing in flight fits."""
        if report.nonce is not None:
            return report.nonce
        if sock.version == 4 and report.identifier in sock.identifiers:
            for nonce in self._nonces.with_sequence(report.sequence, SEQUENCES_SEARCHED):
                checksum = self._requests[4].checksum(report.identifier, nonce)
                if checksum == report.checksum and nonce in self._flights.by_nonce:
                    return nonce
        return -1

    def _unexpected(self, nonce: int) -> None:
        """Count an answer that no probe waits for: late, a second one, or forged."""
        if self._flights.was_lost(nonce):
            self._counters.late_replies += 1
        elif nonce >= 0 and nonce not in self._flights.by_nonce and self._nonces.is_ours(nonce):
            self._counters.duplicate_replies += 1
        else:
            self._counters.foreign_replies += 1

    def _drain_errors(self, sock: IcmpSocket) -> bool:
        """Read a datagram socket's error queue; whether there was something in it."""
        distance_ns, _ = _clocks()
        queued = sock.queued_errors()
        for entry in queued:
            try:
                type_, code, router = icmp.parse_extended_error(sock.version, entry.error)
                report = icmp.parse_error(sock.version, type_, code, entry.destination, entry.request)
            except icmp.BadPacketError:
                self._counters.foreign_replies += 1
            else:
                self._refused(sock, report, router, entry.received_ns - distance_ns)
        return bool(queued)

    # Deadlines

    def _arm(self) -> None:
        """See to it that the next loss is noticed."""
        deadline = self._flights.next_deadline
        if deadline is None or (self._timer is not None and self._timer_at <= deadline):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = self._loop.call_later(max(0.0, deadline - monotonic()), self._expire)

    def _expire(self) -> None:
        """Give up what has passed its deadline, after reading what came in time; a while, then the loop's turn."""
        if not self._drain_all() and self._postponed < POSTPONE_LIMIT:
            self._postponed += 1
            self._timer = self._loop.call_soon(self._expire)
            return
        self._postponed = 0
        now = monotonic()
        for check, _, sent_ns, _ in self._flights.lose(now):
            elapsed_s = (monotonic_ns() - sent_ns) * 1e-9
            self._emit(check, time(), Measurement(False, elapsed_s, Failure.TIMEOUT))
            if monotonic() - now > EMIT_FOR_S:
                break
        self._timer = None
        self._arm()


def _clocks() -> tuple[int, int]:
    """The wall clock less the monotonic one, and the monotonic one, ns.

    Read again when the process was held up in between: the distance would be wrong by as much.
    """
    before, wall, now = monotonic_ns(), time_ns(), monotonic_ns()
    for _ in range(3):
        if now - before < 2_000:
            break
        before, wall, now = monotonic_ns(), time_ns(), monotonic_ns()
    return wall - (before + now) // 2, now


def _plausible(rtt_ns: int, sent_ns: int) -> int:
    """The round trip as measured if it can be; else, for the wall clock was set just now, by the monotonic clock."""
    elapsed_ns = monotonic_ns() - sent_ns
    return rtt_ns if 0 <= rtt_ns <= elapsed_ns else elapsed_ns


def open_batch(params: IcmpParams, emit: Emit) -> Batch:
    """Open the sockets, inside a running loop. Raises PermissionError, saying what to do, or OSError."""
    return Pinger(params, emit)


KIND = BatchKind(
    "icmp",
    IcmpParams,
    open_batch,
    "an IPv4 or IPv6 address, or a host name",
    FIGURES,
    layer=Layer.REACHABLE,
)
