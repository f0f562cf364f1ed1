"""Answers a challenge for a password: HTTP's Basic (RFC 7617) and Digest (RFC 7616), which RTSP uses as well.

Pure: the client's nonce is handed in. Digest is answered with MD5 or SHA-256, with quality of protection "auth" or, for
servers of RFC 2069, without any.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from hashlib import md5, sha256

import msgspec

from probes.model import Malformed

MAX_HEADER = 4096
HASHES = {"MD5": md5, "SHA-256": sha256}
_PARAMETER = re.compile(r'([A-Za-z0-9_-]{1,32})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))')
_SCHEME = re.compile(r"\s*([A-Za-z0-9-]{1,32})(?:\s+(.*))?\Z", re.DOTALL)


class ChallengeError(Malformed):
    """A challenge that cannot be read, or one that nobody here can answer."""


class Challenge(msgspec.Struct, frozen=True):
    """What a server asks for."""

    scheme: str
    """``basic`` or ``digest``."""
    realm: str
    nonce: str = ""
    opaque: str | None = None
    algorithm: str = "MD5"
    auth: bool = False
    """Whether quality of protection "auth" is offered."""


def read(header: str) -> Challenge:
    """One challenge, the value of a WWW-Authenticate header. Raises ChallengeError."""
    if len(header) > MAX_HEADER:
        raise ChallengeError(f"a challenge of {len(header)} characters")
    found = _SCHEME.match(header)
    scheme = found[1].lower() if found else ""
    if found is None or scheme not in ("basic", "digest"):
        raise ChallengeError(f"no way to log in that is known here: {header[:40]!r}")
    said = _parameters(found[2] or "")
    if scheme == "basic":
        return Challenge(scheme, said.get("realm", ""))
    return _digest(said)


def choose(headers: Sequence[str]) -> Challenge:
    """The best of several challenges: Digest before Basic, SHA-256 before MD5. Raises ChallengeError for none."""
    readable: list[Challenge] = []
    refused: ChallengeError | None = None
    for header in headers:
        try:
            readable.append(read(header))
        except ChallengeError as error:
            refused = error
    if not readable:
        raise refused or ChallengeError("a password is asked for, and no way to log in is offered")
    return max(readable, key=lambda each: (each.scheme == "digest", each.algorithm == "SHA-256"))


def respond(challenge: Challenge, method: str, uri: str, username: str, password: str, cnonce: str) -> str:
    """The value of the Authorization header."""
    if challenge.scheme == "basic":
        return "Basic " + b64encode(f"{username}:{password}".encode()).decode()
    hashed = _hashed(challenge.algorithm)
    ha1, ha2 = hashed(f"{username}:{challenge.realm}:{password}"), hashed(f"{method}:{uri}")
    said = {"username": username, "realm": challenge.realm, "nonce": challenge.nonce, "uri": uri}
    bare = {}
    if challenge.auth:
        said |= {"cnonce": cnonce}
        bare = {"qop": "auth", "nc": "00000001"}
        said["response"] = hashed(f"{ha1}:{challenge.nonce}:00000001:{cnonce}:auth:{ha2}")
    else:
        said["response"] = hashed(f"{ha1}:{challenge.nonce}:{ha2}")
    bare["algorithm"] = challenge.algorithm
    if challenge.opaque is not None:
        said["opaque"] = challenge.opaque
    words = [f'{name}="{_escaped(value)}"' for name, value in said.items()]
    return "Digest " + ", ".join([*words, *(f"{name}={value}" for name, value in bare.items())])


def _digest(said: Mapping[str, str]) -> Challenge:
    algorithm = said.get("algorithm", "MD5").upper()
    if algorithm not in HASHES:
        raise ChallengeError(f"a digest by {algorithm[:20]!r}, which is not known here")
    if "nonce" not in said or "realm" not in said:
        raise ChallengeError("a digest challenge without realm or nonce")
    offered = {each.strip().lower() for each in said.get("qop", "").split(",")} - {""}
    if offered and "auth" not in offered:
        raise ChallengeError(f"a digest of quality {', '.join(sorted(offered))[:40]!r}, which is not known here")
    return Challenge("digest", said["realm"], said["nonce"], said.get("opaque"), algorithm, bool(offered))


def _parameters(text: str) -> Mapping[str, str]:
    return {
        name.lower(): re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL) if quoted or not bare else bare
        for name, quoted, bare in _PARAMETER.findall(text)
    }


def _hashed(algorithm: str) -> Callable[[str], str]:
    """Text → its hash in hexadecimal digits."""
    new = HASHES[algorithm]
    return lambda text: new(text.encode(errors="replace")).hexdigest()


def _escaped(text: str) -> str:
    """Within quotes, on one line."""
    return "".join(char if char.isprintable() else " " for char in text).replace("\\", "\\\\").replace('"', '\\"')
