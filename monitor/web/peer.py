"""Where a request comes from, through however many proxies that are trusted. Pure."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network


def origin(remote: str, forwarded: str, trusted: Sequence[str]) -> str:
    """The address of whoever asks: ``X-Forwarded-For`` is read from its end, as far as those who wrote it are trusted.

    Args:
        remote: the other end of the connection.
        forwarded: the header's addresses, the client's first; anybody may have written those before the last.
        trusted: networks of our own proxies.
    """
    for hop in reversed(forwarded.split(",")):
        if not is_within(remote, trusted) or _address(hop.strip()) is None:
            break
        remote = hop.strip()
    return remote


def is_within(address: str, networks: Sequence[str]) -> bool:
    """Whether an address lies in one of these networks; what is no address lies in none."""
    known = _address(address) if networks else None
    return known is not None and any(known in network for network in _networks(tuple(networks)))


def neighbourhood(address: str) -> str:
    """What counts as one visitor: an address, or the /64 that one line has in IPv6 (RFC 6177)."""
    known = _address(address)
    return str(IPv6Network((known, 64), strict=False)) if isinstance(known, IPv6Address) else address


@lru_cache(maxsize=4096)
def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


@lru_cache(maxsize=4)
def _networks(written: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(each) for each in written)
