"""Where an address is: a literal at once, a host name through a resolver that works off the loop.

What a resolver said is kept, and asked for again now and then. An address that was found stays in use while its
refresh fails: the resolver's outage says nothing of the host.
"""

import asyncio
import socket
from errno import ENODEV
from functools import lru_cache
from time import monotonic
from typing import NamedTuple

REFRESH_S = 60.0
"""How old the address of a host name may be."""
NAMES_KEPT = 100_000
LITERALS_KEPT = 1 << 18
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}


class Destination(NamedTuple):
    """Where to send: ``packed`` is the address in network order, ``sockaddr`` what sendto takes."""

    version: int
    packed: bytes
    sockaddr: tuple[str | int, ...]


@lru_cache(maxsize=LITERALS_KEPT)
def literal(address: str) -> Destination | None:
    """The destination of a literal IPv4 or IPv6 address, with or without a zone; None for a host name."""
    try:
        return Destination(4, socket.inet_pton(socket.AF_INET, address), (address, 0))
    except (OSError, ValueError):
        pass
    host, _, zone = address.partition("%")
    try:
        packed = socket.inet_pton(socket.AF_INET6, host)
        scope = 0 if not zone else int(zone) if zone.isdecimal() else socket.if_nametoindex(zone)
    except (OSError, ValueError):
        return None
    return Destination(6, packed, (host, 0, 0, scope))


async def _ask(name: str) -> list[tuple[int, tuple[str | int | bytes, ...]]]:
    """Family and socket address of each answer."""
    if "%" in name:  # uvloop would leave an unknown zone out
        raise OSError(ENODEV, "no such network interface")
    found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_DGRAM)
    return [(family, sockaddr) for family, _, _, _, sockaddr in found]


class Names:
    """Addresses of host names; ``preferred`` is the IP version to take where there are both."""

    def __init__(self, preferred: int) -> None:
        self._preferred = FAMILY[preferred]
        self._known: dict[str, tuple[Destination, float]] = {}
        self._under_way: dict[str, asyncio.Task[Destination | str]] = {}

    def known(self, name: str) -> Destination | None:
        """What is known now; a refresh begins when it is old."""
        if name not in self._known:
            return None
        destination, since = self._known[name]
        if monotonic() - since > REFRESH_S:
            self._begin(name)
        return destination

    async def find(self, name: str) -> Destination | str:
        """The destination, or why there is none."""
        return await asyncio.shield(self._begin(name))

    def close(self) -> None:
        """Forget what is under way."""
        for task in list(self._under_way.values()):
            task.cancel()

    def _begin(self, name: str) -> "asyncio.Task[Destination | str]":
        if name not in self._under_way:
            task = self._under_way[name] = asyncio.create_task(self._resolve(name))
            task.add_done_callback(lambda _: self._under_way.pop(name, None))
        return self._under_way[name]

    async def _resolve(self, name: str) -> Destination | str:
        try:
            found = await _ask(name)
        except (OSError, ValueError) as error:  # UnicodeError, of a name that IDNA refuses, is a ValueError
            return getattr(error, "strerror", None) or str(error)
        if not found:
            return "no address"
        family, (host, _, *scope) = min(found, key=lambda answer: answer[0] != self._preferred)
        version = 4 if family == socket.AF_INET else 6
        destination = Destination(version, socket.inet_pton(family, str(host)), (str(host), 0, *map(int, scope)))
        if len(self._known) >= NAMES_KEPT:
            self._known.clear()
        self._known[name] = (destination, monotonic())
        return destination
