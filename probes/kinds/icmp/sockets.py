"""An ICMP socket of one IP version, raw or datagram, and many packets read from it with one system call.

``recvmmsg`` into buffers that stay is a third of the time of ``recvmsg``; Python does not have it, libc does. Both
are Linux, as are receive times in nanoseconds, the count of dropped packets and the filters in the kernel.
"""

import ctypes
import os
import socket
from collections.abc import Callable, Iterator
from errno import EAGAIN, EPERM
from select import EPOLLERR, EPOLLIN, epoll
from struct import Struct
from time import time_ns

import msgspec

from probes.codecs import icmp
from probes.kinds.icmp.names import FAMILY

PACKETS = 64
"""Read at once."""
PACKET_BYTES = 2048
NAME_BYTES = 32
CONTROL_BYTES = 128
RECEIVE_BUFFER_BYTES = 32 << 20
SEND_BUFFER_BYTES = 4 << 20

# Numbers of the Linux ABI that the socket module does not name.
SO_ATTACH_FILTER = 26
SO_SNDBUFFORCE = 32
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
SO_RXQ_OVFL = 40
SOL_RAW = 255
ICMP_FILTER = 1
ICMP6_FILTER = 1
IP_RECVERR = 11
IPV6_RECVERR = 25

PROTOCOL = {4: socket.IPPROTO_ICMP, 6: socket.IPPROTO_ICMPV6}
TYPE_FILTER = {4: (SOL_RAW, ICMP_FILTER), 6: (socket.IPPROTO_ICMPV6, ICMP6_FILTER)}
TTL = {4: (socket.IPPROTO_IP, socket.IP_TTL), 6: (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS)}
TRAFFIC_CLASS = {4: (socket.IPPROTO_IP, socket.IP_TOS), 6: (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)}
RECEIVE_ERRORS = {4: (socket.IPPROTO_IP, IP_RECVERR), 6: (socket.IPPROTO_IPV6, IPV6_RECVERR)}
ADDRESS_AT = {4: slice(4, 8), 6: slice(8, 24)}
"""Within struct sockaddr_in and sockaddr_in6."""

NOT_ALLOWED = (
    "no ICMP socket is allowed: run as root, or grant CAP_NET_RAW (systemd: AmbientCapabilities=CAP_NET_RAW; docker: "
    "--cap-add NET_RAW), or let this group use datagram ICMP sockets: sysctl -w "
    'net.ipv4.ping_group_range="{group} {group}"'
)

Received = tuple[bytes, bytes, int]
"""A packet, the packed address that it came from, and when the kernel received it (wall clock, ns)."""


class QueuedError(msgspec.Struct, frozen=True):
    """What a datagram socket's error queue has: the request that failed, and the kernel's account of it."""

    request: bytes
    destination: bytes
    error: bytes
    received_ns: int


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Message(ctypes.Structure):
    """``struct mmsghdr``."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.c_void_p),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("padding", ctypes.c_size_t * 0),
        ("length", ctypes.c_uint),
        ("end", ctypes.c_size_t * 0),
    )


_MESSAGE = Struct("@P I P N P N i 0P I 0P")
_STAMP = Struct("@N i i q q")
_CONTROL = Struct("@N i i")
_TIMESPEC = Struct("@q q")
_DROPS = Struct("@I")
_PROGRAM = Struct("@H P")
_recvmmsg = ctypes.CDLL(None, use_errno=True).recvmmsg


class Buffers:
    """The memory that recvmmsg fills: for each of ``PACKETS`` a packet, an address and ancillary data."""

    def __init__(self) -> None:
        self._packets = bytearray(PACKETS * PACKET_BYTES)
        self._names = bytearray(PACKETS * NAME_BYTES)
        self._control = bytearray(PACKETS * CONTROL_BYTES)
        packets, names, control = map(_address_of, (self._packets, self._names, self._control))
        self._vectors = (_Vector * PACKETS)(
            *(_Vector(packets + i * PACKET_BYTES, PACKET_BYTES) for i in range(PACKETS))
        )
        first, each = ctypes.addressof(self._vectors), ctypes.sizeof(_Vector)
        self._messages = (_Message * PACKETS)()
        for i, message in enumerate(self._messages):
            message.name, message.name_length = names + i * NAME_BYTES, NAME_BYTES
            message.vectors, message.vector_count = first + i * each, 1
            message.control, message.control_length = control + i * CONTROL_BYTES, CONTROL_BYTES
        self._fresh = bytes(self._messages)
        self._headers = memoryview(self._messages).cast("B")
        self._view = memoryview(self._packets)

    def receive(self, fd: int, address: slice) -> tuple[list[Received], int]:
        """What has come, at most ``PACKETS``, and the socket's count of drops (0: not told). Raises OSError."""
        self._headers[:] = self._fresh
        count = _recvmmsg(fd, self._messages, PACKETS, socket.MSG_DONTWAIT, None)
        if count < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        view, names, control, dropped = self._view, self._names, self._control, 0
        received: list[Received] = []
        for i, header in enumerate(_MESSAGE.iter_unpack(self._headers[: count * _MESSAGE.size])):
            at, name = i * PACKET_BYTES, i * NAME_BYTES
            _, _, kind, seconds, nanoseconds = _STAMP.unpack_from(control, i * CONTROL_BYTES)
            stamp = seconds * 1_000_000_000 + nanoseconds
            if header[5] != _STAMP.size or kind != SO_TIMESTAMPNS:  # more, or something else, beside the stamp
                stamp, dropped = self._read_control(i, header[5])
            source = bytes(names[name + address.start : name + address.stop])
            received.append((bytes(view[at : at + header[7]]), source, stamp))
        return received, dropped

    def _read_control(self, index: int, length: int) -> tuple[int, int]:
        start = index * CONTROL_BYTES
        return read_ancillary(_control_messages(bytes(self._control[start : start + length])))


def _address_of(memory: bytearray) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


def _control_messages(control: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Level, type and data of each ``struct cmsghdr``."""
    at, word = 0, ctypes.sizeof(ctypes.c_size_t)
    while at + _CONTROL.size <= len(control):
        length, level, kind = _CONTROL.unpack_from(control, at)
        if length < _CONTROL.size:
            return
        yield level, kind, control[at + _CONTROL.size : at + length]
        at += (length + word - 1) // word * word


def read_ancillary(ancillary: Iterator[tuple[int, int, bytes]]) -> tuple[int, int]:
    """The kernel's receive time, ns of the wall clock, and the socket's count of drops (0: not told)."""
    received_ns = drops = 0
    for level, kind, data in ancillary:
        if (level, kind, len(data)) == (socket.SOL_SOCKET, SO_TIMESTAMPNS, _TIMESPEC.size):
            seconds, nanoseconds = _TIMESPEC.unpack(data)
            received_ns = seconds * 1_000_000_000 + nanoseconds
        elif (level, kind, len(data)) == (socket.SOL_SOCKET, SO_RXQ_OVFL, _DROPS.size):
            (drops,) = _DROPS.unpack(data)
    return received_ns or time_ns(), drops


class IcmpSocket:
    """An open socket of one IP version. Raises PermissionError that says what to do, or OSError."""

    def __init__(self, version: int, ttl: int, dscp: int, buffers: Buffers) -> None:
        self.version = version
        self.kernel_drops = 0
        """Packets that the kernel dropped for want of room since the socket was opened, modulo 2³²."""
        self.identifiers = (0, 0)
        """That of requests now, and the one before."""
        self._buffers = buffers
        self._poll: epoll | None = None
        self.raw, self._socket = _open(version)
        self.reply_nonce: Callable[[bytes], int] = icmp.reply_nonce
        if self.raw and version == 4:
            self.reply_nonce = icmp.reply_nonce_in_ipv4
        self.sendto = self._socket.sendto
        try:
            self._prepare(ttl, dscp)
        except OSError:
            self.close()
            raise

    def fileno(self) -> int:
        """What the loop watches."""
        return self._socket.fileno() if self._poll is None else self._poll.fileno()

    def receive(self) -> list[Received]:
        """What has come, at most ``PACKETS``. Raises OSError, BlockingIOError when there is nothing."""
        received, drops = self._buffers.receive(self._socket.fileno(), ADDRESS_AT[self.version])
        self.kernel_drops = drops or self.kernel_drops
        return received

    def message(self, packet: bytes) -> icmp.EchoReply | icmp.ErrorReport:
        """What a packet says. Raises BadPacketError."""
        return icmp.parse(self.version, icmp.strip_ipv4(packet) if self.raw and self.version == 4 else packet)

    def queued_errors(self) -> list[QueuedError]:
        """Some of a datagram socket's error queue; empty when there is nothing, and of a raw socket."""
        errors: list[QueuedError] = []
        while not self.raw and len(errors) < PACKETS:
            try:
                request, ancillary, _, address = self._socket.recvmsg(PACKET_BYTES, 512, socket.MSG_ERRQUEUE)
            except OSError:
                break
            received_ns, _ = read_ancillary(iter(ancillary))
            error = next((data for *at, data in ancillary if tuple(at) == RECEIVE_ERRORS[self.version]), b"")
            errors.append(QueuedError(request, socket.inet_pton(FAMILY[self.version], address[0]), error, received_ns))
        return errors

    def rotate(self) -> None:
        """Take another identifier, and go on listening to the one before."""
        if self.raw:
            self.identifiers = (int.from_bytes(os.urandom(2), "big"), self.identifiers[0])
            _attach(self._socket, icmp.kernel_filter(self.version, self.identifiers))
        else:
            self.identifiers = (self._socket.getsockname()[1],) * 2  # the kernel's choice, kept for the socket's life

    def close(self) -> None:
        """Release what the kernel holds."""
        if self._poll is not None:
            self._poll.close()
        self._socket.close()

    def _prepare(self, ttl: int, dscp: int) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
        self._socket.setsockopt(*TTL[self.version], ttl)
        self._socket.setsockopt(*TRAFFIC_CLASS[self.version], dscp << 2)
        _enlarge(self._socket, SO_RCVBUFFORCE, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        _enlarge(self._socket, SO_SNDBUFFORCE, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        if self.raw:
            self._socket.setsockopt(*TYPE_FILTER[self.version], icmp.kernel_types(self.version))
            self.rotate()
            _flush(self._socket)
        else:
            self._poll = _bind(self._socket, self.version)
            self.rotate()


def _open(version: int) -> tuple[bool, socket.socket]:
    for raw, type_ in ((True, socket.SOCK_RAW), (False, socket.SOCK_DGRAM)):
        try:
            return raw, socket.socket(FAMILY[version], type_ | socket.SOCK_NONBLOCK, PROTOCOL[version])
        except PermissionError:
            continue
    raise PermissionError(EPERM, NOT_ALLOWED.format(group=os.getegid()))


def _enlarge(sock: socket.socket, force: int, polite: int, size: int) -> None:
    try:
        sock.setsockopt(socket.SOL_SOCKET, force, size)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, polite, size)


def _attach(sock: socket.socket, program: bytes) -> None:
    """Replaces the filter before, at once."""
    code = ctypes.create_string_buffer(program, len(program))
    header = _PROGRAM.pack(len(program) // 8, ctypes.addressof(code))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, header)


def _flush(sock: socket.socket) -> None:
    """Throw away what came before the filter stood."""
    for _ in range(PACKETS):
        try:
            sock.recv(PACKET_BYTES)
        except OSError as error:
            if error.errno == EAGAIN:
                return


def _bind(sock: socket.socket, version: int) -> epoll:
    """Let the kernel choose the identifier, and put an epoll around the socket.

    libuv stops watching a socket once its error queue is not empty, and nobody can tell it otherwise.
    """
    sock.setsockopt(*RECEIVE_ERRORS[version], 1)
    sock.bind(("0.0.0.0", 0) if version == 4 else ("::", 0))  # noqa: S104 - an ICMP identifier, not a port
    poll = epoll()
    poll.register(sock.fileno(), EPOLLIN | EPOLLERR)
    return poll
