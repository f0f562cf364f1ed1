"""Lets people into the centre's namespace: a socket of the host's is accepted here and carried to a port in there."""

import asyncio
import contextlib
import socket

CHUNK = 1 << 16
CONNECTIONS = 256


def listen(host: str, port: int) -> socket.socket:
    """A listening socket on the wanted port, or on any free one when that is taken. Raises OSError for a bad host."""
    try:
        return socket.create_server((host, port), backlog=128)
    except OSError:
        return socket.create_server((host, 0), backlog=128)


def address(listener: socket.socket) -> str:
    """``HOST:PORT`` of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def carry(listener: socket.socket, port: int) -> None:
    """Carry every connection to 127.0.0.1:port of this namespace, until cancelled."""
    free = asyncio.Semaphore(CONNECTIONS)

    async def through(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with free:
            with contextlib.suppress(OSError):
                inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
                await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))
                inner_writer.close()
        writer.close()

    async with await asyncio.start_server(through, sock=listener):
        await asyncio.get_running_loop().create_future()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until one side has said all; then the other hears so, and may still answer."""
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()
