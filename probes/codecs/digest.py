"""Answers a challenge for a password: HTTP's Basic (RFC 7617) and Digest (RFC 7616), which RTSP uses as well.

Pure: the client's nonce is handed in. Digest is answered with MD5 or SHA-256, with quality of protection "auth" or, for
servers of RFC 2069, without any.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from hashlib import md5, sha256

import msgspec

from probes.model import Malformed

MAX_HEADER = 4096
"""Characters of all challenges together."""
HASHES = {"MD5": md5, "SHA-256": sha256}
_PIECE = re.compile(
    r"""(?<![A-Za-z0-9_-])([A-Za-z0-9_-]{1,32}+)
    (?: \s*=\s* (?: "((?:[^"\\]|\\.)*)" | ([^\s",]+) ) | (?=\s|\Z) )""",
    re.DOTALL | re.VERBOSE,
)
"""A parameter, quoted or bare; else a name by itself, which begins a challenge."""
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class ChallengeError(Malformed):
    """A challenge that cannot be read, or one that nobody here can answer."""


class Challenge(msgspec.Struct, frozen=True):
    """What a server asks for."""

    scheme: str
    """``basic`` or ``digest``."""
    realm: str
    nonce: str = ""
    opaque: str | None = None
    algorithm: str = ""
    """As it was named; MD5 where none was."""
    auth: bool = False
    """Whether quality of protection "auth" is offered."""


def read(header: str) -> Challenge:
    """The best challenge in the value of one WWW-Authenticate header. Raises ChallengeError for none."""
    return choose([header])


def choose(headers: Iterable[str]) -> Challenge:
    """The best of several challenges: Digest before Basic, SHA-256 before MD5. Raises ChallengeError for none.

    One header may hold several, and says the same as that many headers (RFC 9110, sections 5.3 and 11.6.1).
    """
    header = ", ".join(headers)
    if len(header) > MAX_HEADER:
        raise ChallengeError(f"challenges of {len(header)} characters")
    readable: list[Challenge] = []
    refused = ChallengeError("a password is asked for, and no way to log in is offered")
    for scheme, said in _offers(header):
        try:
            readable.append(_challenge(scheme, said))
        except ChallengeError as error:
            refused = error
    if not readable:
        raise refused
    return max(readable, key=lambda each: (each.scheme == "digest", each.algorithm == "SHA-256"))


def respond(
    challenge: Challenge, method: str, uri: str, username: str, password: str, cnonce: str, count: int = 1
) -> str:
    """The value of the Authorization header of the request that is the ``count``-th to answer this challenge."""
    if challenge.scheme == "basic":
        return "Basic " + b64encode(f"{username}:{password}".encode()).decode()
    hashed = _hashed(challenge.algorithm)
    ha1, ha2 = hashed(f"{username}:{challenge.realm}:{password}"), hashed(f"{method}:{uri}")
    said = {"username": username, "realm": challenge.realm, "nonce": challenge.nonce, "uri": uri}
    bare = {"algorithm": challenge.algorithm} if challenge.algorithm else {}
    if challenge.auth:
        said |= {"cnonce": cnonce}
        bare |= {"qop": "auth", "nc": f"{count:08x}"}
        said["response"] = hashed(f"{ha1}:{challenge.nonce}:{count:08x}:{cnonce}:auth:{ha2}")
    else:
        said["response"] = hashed(f"{ha1}:{challenge.nonce}:{ha2}")
    if challenge.opaque is not None:
        said["opaque"] = challenge.opaque
    words = [f'{name}="{_escaped(value)}"' for name, value in said.items()]
    return "Digest " + ", ".join([*words, *(f"{name}={value}" for name, value in bare.items())])


def _offers(header: str) -> list[tuple[str, dict[str, str]]]:
    """Each challenge: its scheme, and its parameters by lower-case name."""
    offers: list[tuple[str, dict[str, str]]] = []
    for name, quoted, bare in (found.groups() for found in _PIECE.finditer(header)):
        if quoted is None and bare is None:
            offers.append((name.lower(), {}))
        elif offers:
            offers[-1][1][name.lower()] = _ESCAPED.sub(r"\1", quoted) if bare is None else bare
    return offers


def _challenge(scheme: str, said: Mapping[str, str]) -> Challenge:
    if scheme == "basic":
        return Challenge(scheme, said.get("realm", ""))
    if scheme == "digest":
        return _digest(said)
    raise ChallengeError(f"no way to log in that is known here: {scheme[:40]!r}")


def _digest(said: Mapping[str, str]) -> Challenge:
    algorithm = said.get("algorithm", "").upper()
    if algorithm and algorithm not in HASHES:
        raise ChallengeError(f"a digest by {algorithm[:20]!r}, which is not known here")
    if "nonce" not in said or "realm" not in said:
        raise ChallengeError("a digest challenge without realm or nonce")
    offered = {each.strip().lower() for each in said.get("qop", "").split(",")} - {""}
    if offered and "auth" not in offered:
        raise ChallengeError(f"a digest of quality {', '.join(sorted(offered))[:40]!r}, which is not known here")
    return Challenge("digest", said["realm"], said["nonce"], said.get("opaque"), algorithm, bool(offered))


def _hashed(algorithm: str) -> Callable[[str], str]:
    """Text → its hash in hexadecimal digits."""
    new = HASHES[algorithm or "MD5"]
    return lambda text: new(text.encode(errors="replace")).hexdigest()


def _escaped(text: str) -> str:
    """Within quotes, on one line."""
    return "".join(char if char.isprintable() else " " for char in text).replace("\\", "\\\\").replace('"', '\\"')
