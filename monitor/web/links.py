"""Signed links to the points' own pages: who made the link, and whether it still holds. Pure.

A token is a point's id behind a truncated HMAC-SHA256 (RFC 2104, section 5; 128 bits stay), in the URL-safe alphabet
of RFC 4648 section 5 without padding. The generations are signed and not written, so that the link stays short enough
for a QR code: whoever raises one rotates the links below it, and the old ones are as good as forged. A token says
which point speaks and nothing else; whoever holds it may speak for the point, so it is never logged.
"""

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping

import msgspec

PURPOSE = b"diemcau point page v1"
"""Signed first: the same secret may sign other things, and another version of this one."""
SIGNATURE_BYTES = 16
LONGEST_ID_BYTES = 256
"""64 characters of an inventory's id, in UTF-8."""
LONGEST_TOKEN = -(-(SIGNATURE_BYTES + LONGEST_ID_BYTES) * 4 // 3)


class Links(msgspec.Struct, frozen=True):
    """What signs and checks the links of a configuration."""

    secret: bytes
    generation: int = 0
    """Of all links."""
    generations: Mapping[str, int] = {}
    """Of single points' links, by point id; 0 where none is written."""
    revoked: frozenset[str] = frozenset()
    """Points whose links do not hold, whatever their generation."""

    def token(self, point_id: str) -> str:
        """What stands in a point's link, one path segment. Raises ValueError for an id that is too long."""
        spelled = point_id.encode()
        if len(spelled) > LONGEST_ID_BYTES:
            raise ValueError(f"expected a point id of at most {LONGEST_ID_BYTES} bytes, got {len(spelled)}")
        return urlsafe_b64encode(self._signature(point_id) + spelled).rstrip(b"=").decode()

    def point_of(self, token: str) -> str | None:
        """The point whose link it is; None for one that is forged, rotated or revoked. The work tells nothing."""
        point_id = _claimed(token)
        expected = self.token(point_id)
        genuine = hmac.compare_digest(expected.encode(), token.encode(errors="replace"))
        return point_id if genuine and point_id and point_id not in self.revoked else None

    def _signature(self, point_id: str) -> bytes:
        own = self.generations.get(point_id, 0)
        signed = b"%s\0%d\0%d\0%s" % (PURPOSE, self.generation, own, point_id.encode())
        return hmac.digest(self.secret, signed, "sha256")[:SIGNATURE_BYTES]


def _claimed(token: str) -> str:
    """The point that a token speaks of, unchecked; empty for what is no token."""
    if len(token) > LONGEST_TOKEN or not token.isascii():
        return ""
    try:
        return urlsafe_b64decode(token + "=" * (-len(token) % 4))[SIGNATURE_BYTES:].decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
