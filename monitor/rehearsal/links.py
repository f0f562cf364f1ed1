"""Carries every packet between the centre and the points: delays it, loses it or, where the line is cut, drops it.

A process by itself (``python -m monitor.rehearsal.links``) between two TUN devices, told what to do by JSON lines on a
socket. One loop with a beat of a millisecond: read what both devices hold, write what is due. It knows addresses and
lines and nothing of points, faults or scenarios. What it reports as the instant of a change is the truth of the
rehearsal: the clock is read right after the last line has changed, before any packet passes under the new state.
"""

import os
import random
import socket
import sys
import time
from collections.abc import Iterable
from heapq import heappop, heappush
from ipaddress import ip_address
from math import sqrt

import msgspec

BEAT_S = 0.001
"""A packet is due at the beat nearest to its time."""
PACKET_BYTES = 2048
PACKETS_A_BEAT = 2_000
"""Read from one device before those that are due are written: a flood delays nobody for long."""
CONTROL_BYTES = 1 << 16
WITH_PORTS = {b"\x06", b"\x11"}
"""TCP and UDP."""


class Line(msgspec.Struct, frozen=True):
    """The quality of a line. Delays hold for each way; ``loss_ratio`` for the way out and back together."""

    latency_s: float = 0.002
    jitter_s: float = 0.0
    """Standard deviation of the delay."""
    loss_ratio: float = 0.0
    """Each way loses its share, so that what goes out and comes back is lost this often."""
    burst_packets: float = 1.0
    """Mean length of a burst of losses (Gilbert 1960); 1 for losses that know nothing of each other."""


class Lay(msgspec.Struct, frozen=True, tag=True):
    """First order: every line by its address, and the line to every address that is not named."""

    lines: dict[str, Line]
    other: Line = Line()
    seed: int = 0
    near: tuple[str, ...] = ()
    """Addresses on our side of the uplink: they answer whatever becomes of it."""
    signalling: tuple[int, ...] = ()
    """TCP and UDP ports of a codec: silent while it is off."""


class Change(msgspec.Struct, frozen=True, tag=True):
    """Order: cut and mend lines, switch codecs, and tear or mend the centre's own uplink, all at once."""

    number: int
    cut: tuple[str, ...] = ()
    mend: tuple[str, ...] = ()
    mute: tuple[str, ...] = ()
    """Addresses whose codec goes off."""
    heard: tuple[str, ...] = ()
    """Addresses whose codec is on again."""
    uplink_loss: float | None = None
    """Share of packets that the uplink loses, each way: 1 when it is cut, 0 when it is whole."""


class Changed(msgspec.Struct, frozen=True, tag=True):
    """Report: the change was made at ``at`` (Unix time, seconds)."""

    number: int
    at: float


class Carried(msgspec.Struct, frozen=True, tag=True):
    """Report, the last one: what there was to do, and what it took."""

    packets: int
    lost: int
    cut: int
    late_beats: int
    """Beats more than 20 ms late: the machine was too busy, and delays grew by as much."""
    worst_beat_s: float
    cpu_s: float
    elapsed_s: float


Order = Lay | Change
Report = Changed | Carried
LATE_BEAT_S = 0.02


class Cable:
    """A line in use."""

    __slots__ = ("bad", "burst", "cut", "jitter_s", "latency_s", "loss", "mute", "near")

    def __init__(self, line: Line, *, near: bool = False) -> None:
        self.near = near
        self.latency_s, self.jitter_s = line.latency_s, line.jitter_s
        self.loss, self.burst = 1 - sqrt(1 - line.loss_ratio), line.burst_packets
        self.cut = self.mute = False
        self.bad = [False, False]
        """In a burst of losses, back and out."""

    def loses(self, rng: random.Random, *, outward: bool = True) -> bool:
        """Whether the next packet is lost. Two-state Markov chain with the wanted ratio and mean burst."""
        if self.burst <= 1 or self.loss >= 1:
            return rng.random() < self.loss
        bad = self.bad[outward]
        turns = 1 / self.burst if bad else self.loss / (self.burst * (1 - self.loss))
        if rng.random() < turns:
            self.bad[outward] = bad = not bad
        return bad


def key_of(address: str) -> bytes:
    """The bytes under which a packet carries the address."""
    return ip_address(address).packed


class Forwarder:
    """Both devices, all lines, and the packets under way. ``beat`` is called with a monotonic clock."""

    def __init__(self, points: int, centre: int, lay: Lay) -> None:
        self.packets = self.lost = self.dropped = 0
        self._points, self._centre = points, centre
        self._cables: dict[bytes, Cable] = {key_of(address): Cable(line) for address, line in lay.lines.items()}
        self._other = Cable(lay.other)
        self._uplink_loss = 0.0
        self._signalling = frozenset(lay.signalling)
        for address in lay.near:
            self._cables[key_of(address)] = Cable(Line(latency_s=0.0), near=True)
        self._under_way: list[tuple[float, int, int, bytes]] = []
        """When it is due, its number, where to, and the packet: those of one instant stay in order."""
        self._rng = random.Random(lay.seed)

    def change(self, order: Change) -> None:
        """Cut, mend, mute. Unknown addresses get a line of their own, so that they can be cut as well."""
        for addresses, cut in ((order.cut, True), (order.mend, False)):
            for address in addresses:
                self._cable(address).cut = cut
        for addresses, mute in ((order.mute, True), (order.heard, False)):
            for address in addresses:
                self._cable(address).mute = mute
        if order.uplink_loss is not None:
            self._uplink_loss = order.uplink_loss

    def beat(self, now: float) -> None:
        """Take what waits at both devices, and deliver what is due."""
        self._take(self._centre, self._points, now, outward=True)
        self._deliver(now)
        self._take(self._points, self._centre, now, outward=False)

    def _cable(self, address: str) -> Cable:
        key = key_of(address)
        if key not in self._cables:
            self._cables[key] = Cable(Line(self._other.latency_s, self._other.jitter_s, self._other.loss))
        return self._cables[key]

    def _take(self, source: int, target: int, now: float, *, outward: bool) -> None:
        """Give each packet that waits at ``source`` the instant when it is due at ``target``, or drop it."""
        v4, v6 = (slice(16, 20), slice(24, 40)) if outward else (slice(12, 16), slice(8, 24))
        cables, other, rng, gauss = self._cables, self._other, self._rng, self._rng.gauss
        for _ in range(PACKETS_A_BEAT):
            try:
                packet = os.read(source, PACKET_BYTES)
            except (BlockingIOError, InterruptedError):
                return
            self.packets += 1
            cable = cables.get(packet[v4] if packet[0] >> 4 == 4 else packet[v6], other)
            if cable.cut or (self._uplink_loss and not cable.near and rng.random() < self._uplink_loss):
                self.dropped += 1
            elif cable.loss and cable.loses(rng, outward=outward):
                self.lost += 1
            elif cable.mute and outward and _port(packet) in self._signalling:
                self.dropped += 1
            else:
                delay_s = gauss(cable.latency_s, cable.jitter_s) if cable.jitter_s else cable.latency_s
                due = now + max(delay_s, 0.0) - BEAT_S / 2
                heappush(self._under_way, (due, self.packets, target, packet))

    def _deliver(self, now: float) -> None:
        under_way = self._under_way
        while under_way and under_way[0][0] <= now:
            _, _, target, packet = heappop(under_way)
            try:
                os.write(target, packet)
            except OSError:  # what a kernel does not take is lost, as on any line
                self.lost += 1


def _port(packet: bytes) -> int | None:
    """The port that a TCP or UDP packet is for (RFC 791, 8200; without extension headers)."""
    v4 = packet[0] >> 4 == 4
    start = (packet[0] & 15) * 4 if v4 else 40
    protocol = packet[9:10] if v4 else packet[6:7]
    return int.from_bytes(packet[start + 2 : start + 4]) if protocol in WITH_PORTS else None


class Control:
    """The socket on which orders come and reports go; ends when the other side closes it."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received = bytearray()
        self.closed = False
        self._decoder = msgspec.json.Decoder(Order)

    def orders(self) -> Iterable[Order]:
        """What has come in since the last call; never waits, unless the socket does."""
        try:
            data = self._connection.recv(CONTROL_BYTES)
        except (BlockingIOError, InterruptedError):
            return ()
        self.closed = not data
        self._received += data
        *lines, rest = self._received.split(b"\n")
        self._received = bytearray(rest)
        return [self._decoder.decode(line) for line in lines]

    def report(self, report: Report) -> None:
        """Tell the other side; a few dozen bytes, which fit the socket's buffer."""
        self._connection.send(msgspec.json.encode(report) + b"\n")

    def first(self) -> Lay | None:
        """Wait for the first order; None when the other side went away instead."""
        while not self.closed:
            for order in self.orders():
                if isinstance(order, Lay):
                    return order
        return None


def run(points: int, centre: int, connection: socket.socket) -> None:
    """Forward until the other side closes its end of the connection for writing, then report and return."""
    control = Control(connection)
    lay = control.first()
    if lay is None:
        return
    connection.setblocking(False)
    forwarder = Forwarder(points, centre, lay)
    began = next_beat = time.monotonic()
    late_beats, worst_s = 0, 0.0
    while not control.closed:
        now = time.monotonic()
        late_beats += now - next_beat > LATE_BEAT_S
        worst_s = max(worst_s, now - next_beat)
        for order in control.orders():
            if isinstance(order, Change):
                forwarder.change(order)
                control.report(Changed(order.number, time.time()))
        forwarder.beat(now)
        next_beat = max(next_beat + BEAT_S, time.monotonic())
        time.sleep(max(0.0, next_beat - time.monotonic()))
    elapsed_s = time.monotonic() - began
    figures = (forwarder.packets, forwarder.lost, forwarder.dropped, late_beats, worst_s)
    control.report(Carried(*figures, cpu_s=time.process_time(), elapsed_s=elapsed_s))


def main(argv: list[str]) -> None:
    """``links POINTS_FD CENTRE_FD CONTROL_FD``."""
    points, centre, control = map(int, argv)
    with socket.socket(fileno=control) as connection:
        run(points, centre, connection)


if __name__ == "__main__":
    main(sys.argv[1:])
