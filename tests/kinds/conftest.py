"""Servers on loopback that behave as badly as a test wants."""

import asyncio
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest
import uvloop

Handler = Callable[[socket.socket], None]
Serve = Callable[..., int]
Reply = Callable[[bytes], Iterable[bytes]]

PATIENCE_S = 20.0
"""A server that waits for longer has found a defect."""


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every kind on both loops: they differ in how they connect, receive and cancel."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Server:
    """Accepts on a port of its own; each connection is handled in a thread, outside the loop that probes."""

    def __init__(self, handler: Handler, host: str, tls: ssl.SSLContext | None) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.handler, self.tls = handler, tls
        self.listener = socket.create_server((host, 0), family=family)
        self.sockets: list[socket.socket] = [self.listener]
        self.threads = [Thread(target=self.accept)]
        self.threads[0].start()

    def accept(self) -> None:
        """Take connections until the listener is shut."""
        with suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                sock.settimeout(PATIENCE_S)
                if self.tls:
                    sock = self.tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
                self.sockets.append(sock)
                self.threads.append(Thread(target=self.handle, args=(sock,)))
                self.threads[-1].start()

    def handle(self, sock: socket.socket) -> None:
        """Behave as the test wants, on one connection."""
        # A client that goes away, and the end of the test, are both what a server must expect.
        with sock, suppress(OSError):
            if isinstance(sock, ssl.SSLSocket):
                sock.do_handshake()
            self.handler(sock)

    def close(self) -> None:
        """Cut every connection and wait for its thread."""
        for sock in self.sockets:
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(PATIENCE_S)
        self.listener.close()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers, from handler, host and tls, each on a port of its own; they end with the test."""
    servers: list[Server] = []

    def start(handler: Handler, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> int:
        servers.append(Server(handler, host, tls))
        port = servers[-1].listener.getsockname()[1]
        assert isinstance(port, int)
        return port

    yield start
    for server in servers:
        server.close()


class UdpServer:
    """Answers each packet with those that a function makes of it, in a thread."""

    def __init__(self, reply: Reply, host: str) -> None:
        self.reply = reply
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.thread = Thread(target=self.answer)
        self.thread.start()

    def answer(self) -> None:
        """Take packets until an empty one ends it."""
        while True:
            data, peer = self.socket.recvfrom(65535)
            if not data:
                return
            for packet in self.reply(data):
                self.socket.sendto(packet, peer)

    def close(self) -> None:
        """End the thread, then the socket."""
        self.socket.sendto(b"", self.socket.getsockname())
        self.thread.join(PATIENCE_S)
        self.socket.close()


@pytest.fixture
def serve_udp() -> Iterator[Serve]:
    """``serve_udp(reply, host=…)``: packets in, packets out, on a port of its own; ends with the test."""
    servers: list[UdpServer] = []

    def start(reply: Reply, *, host: str = "127.0.0.1") -> int:
        servers.append(UdpServer(reply, host))
        port = servers[-1].socket.getsockname()[1]
        assert isinstance(port, int)
        return port

    yield start
    for server in servers:
        server.close()


@pytest.fixture(scope="session")
def certificate(
    program: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[int], tuple[Path, Path]]:
    """Make files of certificate and key: self-signed, for localhost and its addresses, valid for so many days."""
    openssl = program("openssl")
    made: dict[int, tuple[Path, Path]] = {}

    def make(days: int) -> tuple[Path, Path]:
        if days not in made:
            made[days] = _self_signed(openssl, tmp_path_factory.mktemp("certificate"), days)
        return made[days]

    return make


def _self_signed(openssl: Path, folder: Path, days: int) -> tuple[Path, Path]:
    pem, key, request, names = (folder / name for name in ("c.pem", "k.pem", "c.csr", "names"))
    names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\n")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    commands = [
        ["req", *curve, "-keyout", key, "-out", request, "-subj", "/CN=localhost"],
        ["x509", "-req", "-in", request, "-signkey", key, "-days", str(days), "-extfile", names, "-out", pem],
    ]
    for command in commands:
        subprocess.run([openssl, *command], check=True, capture_output=True, timeout=60)
    return pem, key


@pytest.fixture
def tls(certificate: Callable[[int], tuple[Path, Path]]) -> Callable[[int], ssl.SSLContext]:
    """``tls(days)``: a server's context with such a certificate."""

    def context(days: int) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(*certificate(days))
        return made

    return context


@pytest.fixture
def closed_port() -> int:
    """A port of 127.0.0.1 on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert isinstance(port, int)
    return port


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port of 127.0.0.1 that answers no SYN: its queue of connections is full and nobody accepts."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            assert isinstance(port, int)
            yield port
