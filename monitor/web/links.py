"""Signed links: to the points' own pages, for coordinators, for the wall. Who made one, and does it hold? Pure.

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
COORDINATOR = b"diemcau coordinator v1"
"""Of a coordinator's link, which speaks for all points of its scope: ``district:386``, ``commune:14869``."""
WALL = b"diemcau wall v1"
"""Of the link of a screen on a wall, which looks at everything and changes nothing."""
SIGNATURE_BYTES = 16
LONGEST_ID_BYTES = 256
"""64 characters of an inventory's id, in UTF-8."""
WALL_NAME = "wall"
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
