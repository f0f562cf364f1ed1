"""The forwarder, between two sockets that stand for the TUN devices."""

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from ipaddress import ip_address
from random import Random
from typing import NamedTuple

import msgspec
import pytest

from monitor.rehearsal.links import Cable, Carried, Change, Changed, Forwarder, Lay, Line, Report, run

CENTRE, CENTRE_V6 = "10.37.255.1", "fd37::1"


def packet(source: str, target: str, body: bytes = b"") -> bytes:
    """As much of an IP packet as the forwarder looks at."""
    from_, to = ip_address(source).packed, ip_address(target).packed
    if len(from_) == 4:
        return struct.pack("!B11x4s4s", 0x45, from_, to) + body
    return struct.pack("!B7x16s16s", 0x60, from_, to) + body


class Rig(NamedTuple):
    """A forwarder, and the outer ends of its devices."""

    forwarder: Forwarder
    points: socket.socket
    centre: socket.socket

    def after(self, now: float) -> tuple[list[bytes], list[bytes]]:
        """One beat; what has arrived at the points and at the centre."""
        self.forwarder.beat(now)
        return _all(self.points), _all(self.centre)


def _all(end: socket.socket) -> list[bytes]:
    found = []
    while True:
        try:
            found.append(end.recv(4096))
        except BlockingIOError:
            return found


@pytest.fixture
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    lay = Lay(getattr(request, "param", {}), other=Line(0.010))
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2)]
    for end in (end for pair in pairs for end in pair):
        end.setblocking(False)
    (points, inner_points), (centre, inner_centre) = pairs
    yield Rig(Forwarder(inner_points.fileno(), inner_centre.fileno(), lay), points, centre)
    for end in (points, inner_points, centre, inner_centre):
        end.close()


@pytest.mark.parametrize("rig", [{"10.38.1.1": Line(0.050)}], indirect=True)
def test_each_way_takes_as_long_as_the_line_says(rig: Rig) -> None:
    there, back = packet(CENTRE, "10.38.1.1"), packet("10.38.1.1", CENTRE)
    rig.centre.send(there)
    assert rig.after(100.0) == ([], [])
    assert rig.after(100.048) == ([], [])
    assert rig.after(100.050) == ([there], [])
    rig.points.send(back)
    assert rig.after(100.051) == ([], [])
    assert rig.after(100.102) == ([], [back])


def test_an_address_that_is_not_named_has_the_other_line(rig: Rig) -> None:
    rig.centre.send(packet(CENTRE, "192.0.2.7"))
    rig.after(0.0)
    assert len(rig.after(0.010)[0]) == 1


@pytest.mark.parametrize("rig", [{"fd38::1": Line(0.030), "10.38.1.1": Line(0.0)}], indirect=True)
def test_ipv6_is_carried_by_its_own_address(rig: Rig) -> None:
    rig.centre.send(packet(CENTRE_V6, "fd38::1"))
    rig.points.send(packet("fd38::1", CENTRE_V6))
    rig.after(0.0)
    assert rig.after(0.020) == ([], [])
    assert [len(found) for found in rig.after(0.030)] == [1, 1]


def test_a_cut_line_carries_nothing_either_way_until_it_is_mended(rig: Rig) -> None:
    def arrived(now: float) -> tuple[int, int]:
        rig.centre.send(packet(CENTRE, "10.38.1.1"))
        rig.points.send(packet("10.38.1.1", CENTRE))
        rig.centre.send(packet(CENTRE, "10.38.1.2"))
        rig.after(now)
        there, back = rig.after(now + 0.1)
        return len(there), len(back)

    rig.forwarder.change(Change(1, cut=("10.38.1.1",)))
    assert arrived(0.0) == (1, 0)
    assert rig.forwarder.dropped == 2
    rig.forwarder.change(Change(2, mend=("10.38.1.1",)))
    assert arrived(1.0) == (2, 1)
    rig.forwarder.change(Change(3, uplink_loss=1.0))
    assert arrived(2.0) == (0, 0)
    rig.forwarder.change(Change(4, uplink_loss=0.0))
    assert arrived(3.0) == (2, 1)


@pytest.mark.parametrize("rig", [{"10.38.1.1": Line(0.0, loss_ratio=0.19)}], indirect=True)
def test_each_way_loses_its_share(rig: Rig) -> None:
    """A tenth each, so that of ten thousand there and back 1,900 do not come."""
    there = back = 0
    for _ in range(100):
        for _ in range(100):
            rig.centre.send(packet(CENTRE, "10.38.1.1"))
            rig.points.send(packet("10.38.1.1", CENTRE))
            rig.forwarder.beat(1.0)
        found = rig.after(2.0)
        there, back = there + len(found[0]), back + len(found[1])
    assert 8_800 < there < 9_200
    assert 8_800 < back < 9_200
    assert rig.forwarder.lost == 20_000 - there - back


def test_a_codec_that_is_off_is_silent_and_its_point_is_not(rig: Rig) -> None:
    """TCP and UDP to the ports of signalling alone, and on the way out alone; ICMP and the page's own line go on."""

    def asked(protocol: int, port: int, target: str = "10.38.1.1") -> bytes:
        header = packet(CENTRE, target)
        return header[:9] + bytes((protocol,)) + header[10:] + struct.pack("!HH", 40000, port)

    lay = Lay({}, other=Line(0.0), signalling=(1720, 5060))
    forwarder = Forwarder(rig.forwarder._points, rig.forwarder._centre, lay)
    forwarder.change(Change(1, mute=("10.38.1.1",)))
    heard = [asked(1, 1720), asked(6, 3493), asked(17, 53), asked(6, 1720, "10.38.1.2"), packet(CENTRE, "10.38.1.1")]
    for each in (asked(6, 1720), asked(17, 5060), *heard):
        rig.centre.send(each)
    rig.points.send(packet("10.38.1.1", CENTRE, struct.pack("!HH", 1720, 1720)))
    for now in (0.0, 1.0):
        forwarder.beat(now)
    assert _all(rig.points) == heard
    assert len(_all(rig.centre)) == 1
    forwarder.change(Change(2, heard=("10.38.1.1",)))
    rig.centre.send(asked(6, 1720))
    for now in (2.0, 3.0):
        forwarder.beat(now)
    assert _all(rig.points) == [asked(6, 1720)]


@pytest.mark.parametrize("rig", [{"10.38.1.1": Line(0.010, jitter_s=0.1)}], indirect=True)
def test_jitter_never_delivers_before_the_packet_came(rig: Rig) -> None:
    for _ in range(100):
        rig.centre.send(packet(CENTRE, "10.38.1.1"))
    rig.after(5.0)
    assert len(rig.after(6.0)[0]) + len(rig.after(5.0)[0]) <= 100


@pytest.mark.parametrize("burst", [1.0, 4.0])
def test_losses_have_the_wanted_ratio_and_mean_burst(burst: float) -> None:
    cable, rng = Cable(Line(loss_ratio=0.19, burst_packets=burst)), Random(7)
    fates = [cable.loses(rng) for _ in range(100_000)]
    bursts = sum(lost and not before for before, lost in zip([False, *fates], fates, strict=False))
    assert abs(sum(fates) / len(fates) - 0.1) < 0.01
    assert abs(sum(fates) / bursts - max(burst, 1 / 0.9)) < 0.2


@pytest.mark.parametrize("garbage", [b"\x45", b"\x60" + bytes(10), b"\xff" * 40, b"\x00"])
def test_a_packet_that_is_none_is_carried_like_any_other(rig: Rig, garbage: bytes) -> None:
    """The kernel at the other end judges it; the forwarder must not fall over it."""
    rig.centre.send(garbage)
    rig.after(0.0)
    assert rig.after(1.0) == ([garbage], [])


def test_orders_are_taken_and_reported_until_the_connection_closes() -> None:
    """Change by change with the instant, and the account at the end; half an order waits for its other half."""
    ours, theirs = socket.socketpair()
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2)]
    for _, inner in pairs:
        inner.setblocking(False)
    worker = threading.Thread(target=run, args=(pairs[0][1].fileno(), pairs[1][1].fileno(), theirs))
    worker.start()
    ours.settimeout(10)
    ours.sendall(msgspec.json.encode(Lay({})) + b"\n")
    order = msgspec.json.encode(Change(7, cut=("10.38.1.1",))) + b"\n"
    before = time.time()
    ours.sendall(order[:20])
    time.sleep(0.02)
    ours.sendall(order[20:])
    changed = msgspec.json.decode(ours.recv(4096), type=Report)
    assert isinstance(changed, Changed)
    assert changed.number == 7
    assert before <= changed.at <= time.time()
    ours.shutdown(socket.SHUT_WR)
    carried = msgspec.json.decode(ours.recv(4096), type=Report)
    assert isinstance(carried, Carried)
    worker.join(10)
    assert not worker.is_alive()
    for end in (ours, theirs, *(end for pair in pairs for end in pair)):
        end.close()


def test_a_forwarder_whose_parent_is_gone_ends() -> None:
    ours, theirs = socket.socketpair()
    ours.close()
    run(-1, -1, theirs)
    theirs.close()


def test_reports_read_as_json_lines() -> None:
    assert json.loads(msgspec.json.encode(Changed(1, 2.5))) == {"type": "Changed", "number": 1, "at": 2.5}


def test_our_own_gateway_answers_whatever_becomes_of_the_uplink(rig: Rig) -> None:
    lay = Lay({}, other=Line(0.0), near=("10.38.0.1",))
    forwarder = Forwarder(rig.forwarder._points, rig.forwarder._centre, lay)
    forwarder.change(Change(1, uplink_loss=1.0))
    rig.centre.send(packet(CENTRE, "10.38.0.1"))
    rig.centre.send(packet(CENTRE, "10.38.1.1"))
    forwarder.beat(0.0)
    forwarder.beat(1.0)
    assert _all(rig.points) == [packet(CENTRE, "10.38.0.1")]


def test_a_torn_uplink_loses_its_share(rig: Rig) -> None:
    rig.forwarder.change(Change(1, uplink_loss=0.5))
    for _ in range(200):
        rig.centre.send(packet(CENTRE, "10.38.1.9"))
        rig.after(0.0)
    there, _ = rig.after(1.0)
    assert rig.forwarder.dropped in range(60, 141)
    assert len(there) == 200 - rig.forwarder.dropped
