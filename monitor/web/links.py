"""Signed links: to the points' own pages, for coordinators, for the wall. Who made one, and does it hold? Pure.

A token is a point's id behind a truncated HMAC-SHA256 (RFC 2104, section 5; 128 bits stay), in the URL-safe alphabet
of RFC 4648 section 5 without padding. The generations are signed and not written, so that the link stays short enough
for a QR code: whoever raises one rotates the links below it, and the old ones are as good as forged. A token says
which point speaks and nothing else; whoever holds it may speak for the point, so it is never logged.
"""

import binascii
import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping

import msgspec

PURPOSE = b"diemcau point page v1"
"""Signed first: the same secret may sign other things, and another version of this one."""
COORDINATOR = b"diemcau coordinator v1"
"""Of a coordinator's link, which speaks for all points of its scope: ``district:386``, ``commune:14869``."""
WALL = b"diemcau wall v1"
"""Of the link of a screen on a wall, which looks at everything and changes nothing."""
THREAD = b"diemcau thread v1"
"""Of a link in a message to a desk: it shows what the desk is told, and acknowledges for it."""
SIGNATURE_BYTES = 16
THREAD_SIGNATURE_BYTES = 8
"""An SMS has 160 characters; guesses are counted."""
THREAD_BYTES = 8
"""A thread's number and the end of the link's life, four each."""
LONGEST_ID_BYTES = 256
"""64 characters of an inventory's id, in UTF-8."""
WALL_NAME = "wall"
THREAD_TOKEN = 22
LONGEST_TOKEN = -(-(SIGNATURE_BYTES + LONGEST_ID_BYTES) * 4 // 3)


class Links(msgspec.Struct, frozen=True):
    """What signs and checks the links of a configuration."""

    secret: bytes
    generation: int = 0
    """Of all links."""
    generations: Mapping[str, int] = {}
    """Of single links, by point id or scope; 0 where none is written."""
    revoked: frozenset[str] = frozenset()
    """Points and scopes whose links do not hold, whatever their generation."""

    def token(self, point_id: str) -> str:
        """What stands in a point's link, one path segment. Raises ValueError for an id that is too long."""
        return self._token(PURPOSE, point_id)

    def point_of(self, token: str) -> str | None:
        """The point whose link it is; None for one that is forged, rotated or revoked. The work tells nothing."""
        return self._holder(PURPOSE, token)

    def coordinator_token(self, scope: str) -> str:
        """What stands in a coordinator's link. Raises ValueError for a scope that is too long."""
        return self._token(COORDINATOR, scope)

    def scope_of(self, token: str) -> str | None:
        """The scope whose coordinator's link it is; None as for a point's."""
        return self._holder(COORDINATOR, token)

    def wall_token(self) -> str:
        """What stands in the wall's link, and in the cookie that it becomes."""
        return self._token(WALL, WALL_NAME)

    def is_wall(self, token: str) -> bool:
        """Whether it is the wall's link."""
        return self._holder(WALL, token) is not None

    def thread_token(self, number: int, expires_at: float) -> str:
        """What stands in a message: 22 characters, for a thread and until an instant (Unix time).

        Raises ValueError for a number or an instant beyond 32 bits.
        """
        try:
            claim = struct.pack(">II", number, int(expires_at))
        except struct.error as error:
            raise ValueError(f"expected a thread's number and an instant of 32 bits, got {number}") from error
        return urlsafe_b64encode(claim + self._thread_signature(claim)).rstrip(b"=").decode()

    def thread_claim(self, token: str) -> tuple[int, float] | None:
        """The number and the end of life of a thread's link, be it over; None for one that is forged or rotated."""
        if len(token) != THREAD_TOKEN or not token.isascii():
            return None
        try:
            decoded = urlsafe_b64decode(token + "==")
        except binascii.Error:
            return None
        claim, signature = decoded[:THREAD_BYTES], decoded[THREAD_BYTES:]
        if not hmac.compare_digest(signature, self._thread_signature(claim)):
            return None
        number, expires_at = struct.unpack(">II", claim)
        return number, float(expires_at)

    def _thread_signature(self, claim: bytes) -> bytes:
        signed = b"%s\0%d\0%s" % (THREAD, self.generation, claim)
        return hmac.digest(self.secret, signed, "sha256")[:THREAD_SIGNATURE_BYTES]

    def _token(self, purpose: bytes, name: str) -> str:
        spelled = name.encode()
        if len(spelled) > LONGEST_ID_BYTES:
            raise ValueError(f"expected a name of at most {LONGEST_ID_BYTES} bytes, got {len(spelled)}")
        return urlsafe_b64encode(self._signature(purpose, name) + spelled).rstrip(b"=").decode()

    def _holder(self, purpose: bytes, token: str) -> str | None:
        name = _claimed(token)
        expected = self._token(purpose, name)
        genuine = hmac.compare_digest(expected.encode(), token.encode(errors="replace"))
        return name if genuine and name and name not in self.revoked else None

    def _signature(self, purpose: bytes, name: str) -> bytes:
        own = self.generations.get(name, 0)
        signed = b"%s\0%d\0%d\0%s" % (purpose, self.generation, own, name.encode())
        return hmac.digest(self.secret, signed, "sha256")[:SIGNATURE_BYTES]


def _claimed(token: str) -> str:
    """The point that a token speaks of, unchecked; empty for what is no token."""
    if len(token) > LONGEST_TOKEN or not token.isascii():
        return ""
    try:
        return urlsafe_b64decode(token + "=" * (-len(token) % 4))[SIGNATURE_BYTES:].decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
