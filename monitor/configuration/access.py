"""Reads access.yaml: how people are let in. The file may be missing: then local accounts alone open the door."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from monitor.configuration.decode import WRONG, decode
from monitor.configuration.errors import Errors, quoted
from monitor.configuration.source import read_yaml
from monitor.core.access import AccessPolicy, ProxyPolicy, Role

FILE = "access.yaml"
HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
OURS = frozenset({"authorization", "cookie", "host", "origin", "x-forwarded-for", "x-forwarded-proto", "x-csrf-token"})
"""Headers that say something else."""

User = Annotated[str, Meta(pattern=r"^(\*|[^\s*]{1,64})\Z", description="a user's name without blanks, or * for all")]
STANDARD = AccessPolicy()


class ProxyFile(msgspec.Struct, frozen=True):
    """``proxy``. See :class:`monitor.core.access.ProxyPolicy`."""

    trusted: Annotated[tuple[str, ...], Meta(min_length=1, max_length=20, description="from 1 to 20 networks")]
    header: str = "X-Forwarded-User"
    roles: dict[User, Role] = {}

    def __post_init__(self) -> None:
        """Raises ValueError for networks that are none, or everybody's, and for a header that says something else."""
        for written in self.trusted:
            _check_network(written)
        if not HEADER.fullmatch(self.header) or self.header.lower() in OURS:
            raise ValueError(f"header: expected the name of a header of the proxy's own, got {quoted(self.header)}")


class AccessFile(msgspec.Struct, frozen=True):
    """The whole of access.yaml. See :class:`monitor.core.access.AccessPolicy`."""

    session_s: Annotated[float, Meta(ge=300.0, le=30 * 86_400.0, description="from 5m to 30d")] = STANDARD.session_s
    attempts: Annotated[int, Meta(ge=1, le=100)] = STANDARD.attempts
    wait_s: Annotated[float, Meta(ge=1.0, le=3600.0)] = STANDARD.wait_s
    proxy: ProxyFile | None = None


def read(directory: Path, errors: Errors) -> AccessPolicy | None:
    """What ``access.yaml`` says; None with every error noted."""
    path = directory / FILE
    if not path.exists():
        return STANDARD
    tree = read_yaml(path, errors)
    if tree is None:
        return None
    file = decode(tree, AccessFile, errors)
    if file is WRONG:
        return None
    proxy = ProxyPolicy(**msgspec.structs.asdict(file.proxy)) if file.proxy is not None else None
    return AccessPolicy(session_s=file.session_s, attempts=file.attempts, wait_s=file.wait_s, proxy=proxy)


def _check_network(written: str) -> None:
    try:
        network = ip_network(written)
    except ValueError:
        raise ValueError(f"trusted: expected networks such as 10.0.0.0/24 or 10.0.0.1, got {quoted(written)}") from None
    if network.prefixlen == 0:
        raise ValueError(f"trusted: expected networks of proxies of yours, got {quoted(written)}, which is everybody")
