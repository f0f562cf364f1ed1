"""Resolves and connects, each phase timed; whatever the network does on the way becomes a Failure.

A kind writes its work as ``async def work(trace)`` and hands it to :func:`measure`, which holds it to the deadline.
Inside, what is wrong with the other side is raised as :class:`Miss` or as the OSError of the system call; outside,
both are values in a Measurement. After a failure the last phase is the one that failed, for as long as it lasted.

Sockets are used directly, and TLS is OpenSSL on two memory buffers (:pep:`543`'s way), so that connecting,
handshaking and waiting are apart, and nothing is left open behind a cancelled probe. Phases are timed with
``time.monotonic``: it is the clock of ``loop.time()``, which uvloop rounds to a millisecond.
"""

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from time import monotonic
from typing import Literal, TypeVar

from probes.codecs.x509 import not_after
from probes.model import CERT_EXPIRY, IP_PROTOCOL, Failure, Malformed, Measurement, Params

T = TypeVar("T")
IpProtocol = Literal["ip4", "ip6"]
SocketAddress = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]

READ_BYTES = 4096
"""Read at once. Small, so that hostile input of many tiny parts cannot hold the loop for long."""
ENDS = (ssl.SSLZeroReturnError, ssl.SSLEOFError)
"""How OpenSSL says that no more bytes come: with a farewell, and without."""
DATAGRAM_BYTES = 65535
SECRET_BYTES = 4096
DETAIL_CHARS = 200
"""What others send is quoted no further than this."""
FAMILIES: dict[IpProtocol, socket.AddressFamily] = {"ip4": socket.AF_INET, "ip6": socket.AF_INET6}
VERSIONS = {socket.AF_INET: 4.0, socket.AF_INET6: 6.0}

FAILURES = {
    errno.ECONNREFUSED: Failure.REFUSED,
    errno.ENOPROTOOPT: Failure.REFUSED,  # ICMP protocol unreachable
    errno.ECONNRESET: Failure.RESET,
    errno.ECONNABORTED: Failure.RESET,
    errno.EPIPE: Failure.RESET,
    errno.ENETUNREACH: Failure.UNREACHABLE,
    errno.EHOSTUNREACH: Failure.UNREACHABLE,
    errno.EHOSTDOWN: Failure.UNREACHABLE,
    errno.ENETDOWN: Failure.UNREACHABLE,
    errno.ENONET: Failure.UNREACHABLE,
    errno.ETIMEDOUT: Failure.TIMEOUT,
}
"""By errno. Any other (no descriptor, no buffer, no free port, a local firewall) is our own kernel's: SEND."""


class DialParams(Params, frozen=True, kw_only=True):
    """How to reach the address."""

    ip_protocol: IpProtocol = "ip4"
    """Which to prefer where a name has both: ip4 or ip6."""
    ip_protocol_fallback: bool = True
    """Whether the other IP protocol will do where the preferred one has no address."""


class TlsParams(DialParams, frozen=True, kw_only=True):
    """How to reach the address, and whom to trust where it speaks TLS."""

    insecure_skip_verify: bool = False
    """Accept any certificate: self-signed, expired, of another host."""
    ca_file: str = ""
    """PEM file of the authorities to trust; empty for the system's."""
    server_name: str = ""
    """Name to ask for and to verify in TLS; empty for the host of the address."""


class Miss(Exception):  # noqa: N818 - no error of ours: the answer that a probe was made to find out
    """The probe did not succeed, and why."""

    def __init__(self, failure: Failure, detail: str) -> None:
        super().__init__(failure, detail)
        self.failure = failure
        self.detail = detail[:DETAIL_CHARS]


class Trace:
    """What a probe has found so far: phases in seconds, in order, figures by metric name, names."""

    def __init__(self) -> None:
        self.started = monotonic()
        self.phases: dict[str, float] = {}
        self.figures: dict[str, float] = {}
        self.names: tuple[str, ...] = ()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase. One that comes again, behind a redirect, is added up and moves to the end."""
        before = self.phases.pop(name, 0.0)
        begun = monotonic()
        self.phases[name] = before
        try:
            yield
        finally:
            self.phases[name] = before + monotonic() - begun

    def measurement(self, failure: Failure | None = None, detail: str = "") -> Measurement:
        """Close the trace with its outcome."""
        return Measurement(
            success=failure is None,
            duration_s=monotonic() - self.started,
            failure=failure,
            detail=detail,
            phases=tuple(self.phases.items()),
            figures=tuple(self.figures.items()),
            names=self.names,
        )


async def measure(work: Callable[[Trace], Awaitable[None]], deadline: float) -> Measurement:
    """Do a probe's work until the monotonic ``deadline``; it succeeds when the work ends without a Miss."""
    trace = Trace()
    try:
        async with asyncio.timeout_at(deadline):
            await work(trace)
    except Miss as miss:
        return trace.measurement(miss.failure, miss.detail)
    except Malformed as error:
        return trace.measurement(Failure.PROTOCOL, str(error)[:DETAIL_CHARS])
    except TimeoutError:
        return trace.measurement(Failure.TIMEOUT, f"no answer in phase {next(reversed(trace.phases), 'start')}")
    except OSError as error:
        return trace.measurement(*explain(error))
    return trace.measurement()


def explain(error: OSError) -> tuple[Failure, str]:
    """Whose fault an error of a system call or of OpenSSL is, and a few words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Failure.TLS, f"certificate not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return Failure.TLS, f"TLS handshake failed: {error.reason or error}"
    number = error.errno or 0
    return FAILURES.get(number, Failure.SEND), os.strerror(number) if number else str(error)


def split_host_port(address: str, default_port: int | None = None) -> tuple[str, int]:
    """``host:port`` or ``[v6]:port`` taken apart; with a default also ``host``, ``v6`` or ``[v6]`` alone.

    Raises Miss when it is none of these.
    """
    if default_port is not None and (bare := _bare_host(address)):
        return bare, default_port
    host, colon, port = address.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        colon = ""  # an IPv6 address needs its brackets
    if not (colon and host and port.isascii() and port.isdecimal() and len(port) <= 5 and 0 < int(port) < 65536):
        raise Miss(Failure.RESOLVE, f"expected host:port or [v6]:port, got {address!r}")
    return host, int(port)


def _bare_host(address: str) -> str:
    """The host of an address without a port; empty when it has one."""
    if address.startswith("["):
        return address[1:-1] if address.endswith("]") else ""
    return address if address.count(":") != 1 else ""


async def resolve(
    host: str, port: int, ip_protocol: IpProtocol, *, fallback: bool
) -> tuple[socket.AddressFamily, SocketAddress]:
    """The first address of the preferred protocol, or with ``fallback`` of the other. Raises Miss for none."""
    try:
        found = await _addresses(host, port)
    except socket.gaierror as error:
        raise Miss(Failure.RESOLVE, f"{host}: {error.strerror}") from error
    except ValueError as error:  # UnicodeError of a label that is too long, a NUL character
        raise Miss(Failure.RESOLVE, f"{host!r} is no host name: {error}") from error
    preferred = [entry for entry in found if entry[0] == FAMILIES[ip_protocol]]
    chosen = preferred or (found if fallback else [])
    if not chosen:
        raise Miss(Failure.RESOLVE, f"{host} has no address for {ip_protocol}")
    return chosen[0]


async def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, SocketAddress]]:
    """A literal is read on the spot; only a name goes to the resolver, which waits in a thread."""
    numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    try:
        # As bytes, for Python would first take a text through IDNA.
        entries = socket.getaddrinfo(host.encode(), port, type=socket.SOCK_STREAM, flags=numeric)
    except socket.gaierror:
        entries = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in entries if family in VERSIONS]


async def find(trace: Trace, host: str, port: int, params: DialParams) -> tuple[socket.AddressFamily, SocketAddress]:
    """Where the host is; phase ``resolve``, figure probe_ip_protocol. Raises Miss."""
    with trace.phase("resolve"):
        family, address = await resolve(host, port, params.ip_protocol, fallback=params.ip_protocol_fallback)
    trace.figures[IP_PROTOCOL.name] = VERSIONS[family]
    return family, address


async def connect(trace: Trace, host: str, port: int, params: DialParams) -> "Connection":
    """Resolve, then connect over TCP (phases ``resolve``, ``connect``); the caller closes. Raises Miss or OSError."""
    family, address = await find(trace, host, port, params)
    with trace.phase("connect"):
        connection = Connection(socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK))
        try:
            await connection.open(address)
        except BaseException:
            connection.close()
            raise
    return connection


async def secure(
    trace: Trace, connection: "Connection", host: str, params: TlsParams, alpn: Sequence[str] = ()
) -> None:
    """The TLS handshake (phase ``tls``). Figure: when the first certificate runs out. Raises Miss or OSError."""
    try:
        context = tls_context(params.ca_file, insecure=params.insecure_skip_verify, alpn=tuple(alpn))
    except OSError as error:
        raise Miss(Failure.TLS, f"ca_file {params.ca_file}: {error.strerror or error}") from error
    with trace.phase("tls"):
        await connection.start_tls(context, params.server_name or host)
    with suppress(ValueError):  # a date that is none, where no certificate need be good
        trace.figures[CERT_EXPIRY.name] = min(map(not_after, connection.certificates()))


@lru_cache(maxsize=64)
def tls_context(ca_file: str, *, insecure: bool, alpn: tuple[str, ...]) -> ssl.SSLContext:
    """A context for these settings; kept, because reading the authorities takes tens of milliseconds."""
    context = (
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if insecure else ssl.create_default_context(cafile=ca_file or None)
    )
    if alpn:
        context.set_alpn_protocols(alpn)
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def read_secret(value: str, file: str) -> str:
    """A password as configured: as it stands, or the first line of a file. Raises Miss when the file is unreadable.

    Read anew for each probe, so that a rotated secret is in force at once.
    """
    if not file:
        return value
    try:
        with Path(file).open("rb") as opened:
            return opened.readline(SECRET_BYTES).rstrip(b"\r\n").decode()
    except (OSError, UnicodeDecodeError) as error:
        raise Miss(Failure.SEND, f"password_file {file}: {getattr(error, 'strerror', None) or error}") from error


async def open_datagram(trace: Trace, host: str, port: int, params: DialParams) -> "Datagram":
    """Resolve, then a UDP socket connected there (phase ``resolve``); the caller closes. Raises Miss or OSError."""
    family, address = await find(trace, host, port, params)
    sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return Datagram(sock)


class Datagram:
    """A UDP socket connected to one address: only its packets arrive, and its ICMP refusal is an OSError."""

    def __init__(self, sock: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = sock

    @property
    def local_address(self) -> tuple[str, int]:
        """Our own host and port."""
        host, port = self._socket.getsockname()[:2]
        return host, port

    async def send(self, data: bytes) -> None:
        """Send one packet. Raises OSError, also the one of an earlier packet that was refused."""
        await self._loop.sock_sendall(self._socket, data)

    async def receive(self) -> bytes:
        """The next packet, whole. Raises OSError."""
        await asyncio.sleep(0)
        return await self._loop.sock_recv(self._socket, DATAGRAM_BYTES)

    async def receive_within(self, seconds: float) -> bytes | None:
        """The next packet, None when there is none in time. Raises OSError."""
        try:
            async with asyncio.timeout(seconds):
                return await self.receive()
        except TimeoutError:
            return None

    def close(self) -> None:
        """Close at once."""
        self._socket.close()


class Connection:
    """A TCP connection; inside TLS once :meth:`start_tls` is done. The deadline around it bounds every call."""

    def __init__(self, sock: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = sock
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None

    async def open(self, address: SocketAddress) -> None:
        """Connect. Raises OSError; the one of a refusal or a missing route names the address."""
        try:
            await self._loop.sock_connect(self._socket, address)
        except OSError as error:
            failure, words = explain(error)
            raise Miss(failure, f"{address[0]!s} port {address[1]!s}: {words}") from error

    async def start_tls(self, context: ssl.SSLContext, server_name: str) -> None:
        """Shake hands. Raises Miss when the other side leaves, ssl.SSLError for anything else that fails."""
        try:
            self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        except (ValueError, TypeError) as error:  # TypeError for a NUL character
            raise Miss(Failure.TLS, f"{server_name!r} cannot be asked for: {error}") from error
        try:
            await self._through_tls(self._tls.do_handshake)
        except ENDS as error:
            raise Miss(Failure.RESET, "closed by the other side during the TLS handshake") from error

    def certificates(self) -> list[bytes]:
        """What the other side presented, DER, its own first; before Python 3.13 its own alone."""
        if self._tls is None:
            return []
        chain: Callable[[], list[bytes]] | None = getattr(self._tls, "get_unverified_chain", None)
        return chain() if chain else [self._tls.getpeercert(binary_form=True) or b""]

    async def send(self, data: bytes) -> None:
        """Send all of it. Raises OSError."""
        if self._tls is None:
            await self._loop.sock_sendall(self._socket, data)
            return
        tls = self._tls
        await self._through_tls(lambda: tls.write(data))

    @property
    def local_address(self) -> tuple[str, int]:
        """Our own host and port."""
        host, port = self._socket.getsockname()[:2]
        return host, port

    async def receive(self, at_most: int = READ_BYTES) -> bytes:
        """The next bytes; none when the other side has closed. Raises OSError."""
        if self._tls is None:
            return await self._receive_raw(at_most)
        tls = self._tls
        try:
            return await self._through_tls(lambda: tls.read(at_most))
        except ENDS:
            return b""

    def close(self) -> None:
        """Close at once, without waiting for anybody."""
        self._socket.close()

    async def _through_tls(self, step: Callable[[], T]) -> T:
        """Repeat a step of OpenSSL, carrying its bytes, until it needs no more of them."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self._flush()
                self._fill(await self._receive_raw())
            else:
                await self._flush()
                return result

    async def _flush(self) -> None:
        if pending := self._outgoing.read():
            await self._loop.sock_sendall(self._socket, pending)

    def _fill(self, data: bytes) -> None:
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    async def _receive_raw(self, at_most: int = READ_BYTES) -> bytes:
        # What waits in the kernel is returned without a turn of the loop: a fast sender would never let a timer fire.
        await asyncio.sleep(0)
        return await self._loop.sock_recv(self._socket, at_most)
