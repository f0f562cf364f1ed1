"""Who may do what: roles, what each is allowed, and what is kept of accounts, sessions and tokens. Pure."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec


class Role(StrEnum):
    """What somebody is to the service."""

    WALL = "wall"
    """A screen on a wall: it looks, and changes nothing."""
    ORGANIZER = "organizer"
    """Ban tổ chức: owes the number, chases what is missing."""
    TECHNICIAN = "technician"
    """Tổ kỹ thuật: works the incidents."""
    ADMINISTRATOR = "administrator"


class Permission(StrEnum):
    """What may be allowed."""

    LOOK = "look"
    """The board, points, incidents, readiness, snapshots, reports."""
    CHECK_IN = "check_in"
    """Check in on behalf of any point, one by one or by a file."""
    SNAPSHOT = "snapshot"
    REMIND = "remind"
    SILENCE = "silence"
    ACKNOWLEDGE = "acknowledge"
    RELOAD = "reload"
    ADMINISTER = "administer"
    """Accounts, tokens, the audit trail."""


_LOOKS = frozenset({Permission.LOOK})
_ORGANIZES = _LOOKS | {Permission.CHECK_IN, Permission.SNAPSHOT, Permission.REMIND}
_WORKS = _ORGANIZES | {Permission.SILENCE, Permission.ACKNOWLEDGE, Permission.RELOAD}
GRANTS = {
    Role.WALL: _LOOKS,
    Role.ORGANIZER: _ORGANIZES,
    Role.TECHNICIAN: _WORKS,
    Role.ADMINISTRATOR: frozenset(Permission),
}


class Means(StrEnum):
    """How somebody was recognised."""

    SESSION = "session"
    TOKEN = "token"  # noqa: S105 - a word, no secret
    PROXY = "proxy"
    """By the header of a trusted reverse proxy."""
    WALL = "wall"
    """By the wall's signed link."""


class Identity(msgspec.Struct, frozen=True):
    """Somebody who is known for the length of one request."""

    name: str
    role: Role
    means: Means
    csrf: str = ""
    """What a form of this session must carry; empty where no browser sends credentials by itself."""

    def may(self, permission: Permission) -> bool:
        """Whether this is allowed."""
        return permission in GRANTS[self.role]


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A local account."""

    name: str
    password_hash: str
    """PHC string of argon2id (RFC 9106)."""
    role: Role
    created_at: float
    disabled: bool = False


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A browser that has signed in. The cookie holds the secret, the store its SHA-256."""

    digest: str
    account: str
    csrf: str
    created_at: float
    expires_at: float


class ApiToken(msgspec.Struct, frozen=True, kw_only=True):
    """A program's token. It is shown once; the store holds its SHA-256."""

    name: str
    digest: str
    role: Role
    created_at: float
    expires_at: float | None = None
    revoked: bool = False


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what to what, and whether it was let."""

    at: float
    actor: str
    """An account, ``token:<name>``, ``proxy:<user>``, ``point:<id>``, ``district:386``, or empty for nobody known."""
    action: str
    """Such as ``check_in``, ``sign_in``, ``snapshot``, ``remind``, ``reload``, ``account.add``."""
    target: str = ""
    """What it was done to: a point, an account, a snapshot's number."""
    allowed: bool = True
    detail: str = ""
    """What changed, briefly; never a secret."""
    address: str = ""
    """Where it came from."""


class ProxyPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A reverse proxy in front that has signed people in already."""

    trusted: tuple[str, ...]
    """Networks (CIDR) from which the header is believed; from elsewhere it is ignored."""
    header: str = "X-Forwarded-User"
    roles: Mapping[str, Role] = {}
    """Role by user; ``*`` for everybody else. Who has none may not enter."""


class AccessPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How people are let in: access.yaml."""

    session_s: float = 12 * 3600.0
    """How long a session lasts."""
    attempts: int = 5
    """Failed attempts to sign in, by account and by address, before each further one has to wait,"""
    wait_s: float = 30.0
    """first so long, then twice as long each time, up to an hour."""
    proxy: ProxyPolicy | None = None
