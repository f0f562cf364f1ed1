"""Servers on loopback that behave as badly as a test wants."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Thread

import pytest
import uvloop

Handler = Callable[[socket.socket], None]
Serve = Callable[..., int]

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
