"""Who is let in, and to what. Default deny: a route that stands in no table here wants somebody who is known.

Somebody is recognised by the first of: an API token, a session, the header of a trusted reverse proxy, the wall's link.
What a browser sends by itself (session, proxy) changes something only with the token of its page (CSRF), from a page of
our own. Who is turned away is written into the audit trail; nobody waits for that, and no flood fills it.
"""

import hmac
import warnings
from collections.abc import Awaitable, Callable, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from hashlib import sha256
from typing import Literal, NamedTuple
from urllib.parse import quote, urlsplit

import msgspec
from aiohttp import hdrs, web

from monitor.core.access import ApiToken, AuditEntry, Identity, Means, Permission, Role
from monitor.web import peer
from monitor.web.backend import Backend
from monitor.web.presence import Render
from monitor.web.recent import Recent
from monitor.web.text import TEXT
from monitor.web.trail import Trail

BELIEVED_S = 3.0
"""So long is believed what the store said of a session or of tokens; then it is asked again."""
REMEMBERED = 10_000
LONGEST_SECRET = 200
LONGEST_USER = 64
TOKEN_PREFIX = "dct_"  # noqa: S105 - how a token begins, none
SESSION_COOKIE, WALL_COOKIE = "diemcau_session", "diemcau_wall"
CSRF_HEADER, CSRF_FIELD = "X-CSRF-Token", "csrf"
FORM = "application/x-www-form-urlencoded"
CSRF = b"diemcau csrf v1"
"""Signed first: the same secret signs links."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
CHALLENGE: Mapping[str, str] = {hdrs.WWW_AUTHENTICATE: 'Bearer realm="diemcau"'}
LINKS = ("/p/{token}", "/c/{token}", "/a/{token}", "/wall/{token}")

PUBLIC: Literal["public"] = "public"
Needed = Permission | Literal["public"]
RULES: tuple[tuple[str, str, Needed], ...] = (
    ("*", "/static", PUBLIC),
    *(("*", f"{link}*", PUBLIC) for link in LINKS),  # signed: they say themselves for whom they are
    ("*", "/login", PUBLIC),
    ("*", "/logout", PUBLIC),
    ("*", "/gateway/*", PUBLIC),  # with a word of its own
    ("GET", "/metrics", PUBLIC),  # what Prometheus and those who watch the watcher ask
    ("GET", "/probe", PUBLIC),
    ("GET", "/-/healthy", PUBLIC),
    ("GET", "/-/ready", PUBLIC),
    ("*", "/audit*", Permission.ADMINISTER),
    ("GET", "/deliveries", Permission.ACKNOWLEDGE),  # what providers say may name a number
    ("POST", "/silences*", Permission.SILENCE),
    ("*", "/check-ins/*", Permission.CHECK_IN),
    ("GET", "*", Permission.LOOK),
    ("POST", "/incidents/{id}/acknowledge", Permission.ACKNOWLEDGE),
    ("POST", "/snapshots", Permission.SNAPSHOT),
    ("POST", "/readiness/remind", Permission.REMIND),
    ("POST", "/-/reload", Permission.RELOAD),
    ("POST", "/api/v1/*check-in*", Permission.CHECK_IN),
    ("PUT", "/api/v1/*check-in*", Permission.CHECK_IN),
    ("POST", "/api/v1/*snapshots", Permission.SNAPSHOT),
    ("POST", "/api/v1/*remind*", Permission.REMIND),
    ("*", "*", Permission.ADMINISTER),
)
"""What a method of a route wants, the route as it was registered; the first rule that fits holds."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Known(NamedTuple):
    """A session that the store has."""

    identity: Identity | None
    """None once its account is disabled."""
    expires_at: float


class Problem(msgspec.Struct, frozen=True):
    """What programs are told (RFC 9457)."""

    title: str
    status: int
    detail: str
    type: str = "about:blank"


class Access:
    """Recognises who asks, and lets in or turns away."""

    def __init__(self, backend: Backend, now: Callable[[], float], render: Render) -> None:
        self._backend = backend
        self.now = now
        """Unix time, by the clock of the pages."""
        self._render = render
        self._sessions = Recent[Known | None](BELIEVED_S, REMEMBERED)
        self._tokens = Recent[dict[str, ApiToken]](BELIEVED_S, 1)
        self.trail = Trail(lambda: backend.records, now)

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let through, with ``request["identity"]``, or turn away."""
        route = route_of(request)
        needed = needed_for(request.method, route)
        if needed == PUBLIC:
            _introduce(request, None)
            return await self._watched(request, route, handler)
        identity = await self.identify(request)
        _introduce(request, identity)
        if identity is None:
            return await self._ask_who(request, route)
        if not identity.may(needed):
            return await self.forbid(request, TEXT["refused_right"].format(right=needed), f"needs {needed}")
        if request.method not in SAFE and not await self.is_meant(request, identity):
            return await self.forbid(request, TEXT["refused_csrf"], "not sent by a page of ours")
        return await handler(request)

    async def identify(self, request: web.Request) -> Identity | None:
        """Who asks; None for nobody known. Raises NotRecorded when the store does not say."""
        if bearer := _bearer(request):
            return await self._by_token(bearer)
        known = await self._session(request)
        if known is not None and known.identity is not None and self.now() < known.expires_at:
            return known.identity
        return self._by_proxy(request) or self._by_wall(request)

    async def is_meant(self, request: web.Request, identity: Identity) -> bool:
        """Whether a request that changes something was sent by a page of ours, or by a program with its token."""
        if not identity.csrf:
            return True
        sent = request.headers.get(CSRF_HEADER, "")
        if not sent and request.content_type == FORM:
            sent = str((await request.post()).get(CSRF_FIELD, ""))
        return not is_foreign(request) and hmac.compare_digest(_bytes(sent), identity.csrf.encode())

    async def forbid(self, request: web.Request, why: str, detail: str) -> web.StreamResponse:
        """Turn away somebody who is known. ``why`` is for the trail, ``detail`` for a program."""
        self.refuse(request, "refused", why)
        if _is_for_program(request):
            return problem(403, "Forbidden", detail)
        title, hint = TEXT["access_forbidden"], TEXT["access_forbidden_hint"]
        return await self._render(request, "error.html", 403, title=title, hint=hint)

    def refuse(self, request: web.Request, action: str, why: str, *, target: str = "") -> None:
        """Leave a trace of a refusal. Never blocks, never raises."""
        entry = audit_of(request, action, target or f"{request.method} {route_of(request) or '-'}", why)
        self.trail.note(msgspec.structs.replace(entry, allowed=False))

    def forget(self, digest: str) -> None:
        """A session is no more."""
        self._sessions.drop(digest)

    def address_of(self, request: web.Request) -> str:
        """Where a request comes from: what the nearest proxy that is not trusted, or the client itself, is seen as."""
        proxy = self._backend.access.proxy
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", ()))
        return peer.origin(request.remote or "", forwarded, proxy.trusted if proxy else ())

    def is_secure(self, request: web.Request) -> bool:
        """Whether the browser came by https."""
        return request.secure or (
            self._is_from_proxy(request) and request.headers.get("X-Forwarded-Proto", "").lower() == "https"
        )

    def cookie(self, request: web.Request, name: str) -> str:
        """What a cookie of ours holds; empty for none."""
        return request.cookies.get(self.cookie_name(request, name), "")

    def cookie_name(self, request: web.Request, name: str) -> str:
        """By https only cookies count that no neighbour under the same domain can set (RFC 6265bis, 4.1.3.2)."""
        return f"__Host-{name}" if self.is_secure(request) else name

    def set_cookie(
        self, request: web.Request, response: web.StreamResponse, name: str, value: str, max_age_s: float
    ) -> None:
        """Which no script reads, and no other site sends along but by a link."""
        response.set_cookie(
            self.cookie_name(request, name),
            value,
            max_age=int(max_age_s),
            path="/",
            httponly=True,
            samesite="Lax",
            secure=self.is_secure(request),
        )

    async def _session(self, request: web.Request) -> Known | None:
        """The session that the browser brings, dead or alive; None where there is none."""
        secret = self.cookie(request, SESSION_COOKIE)
        if not 0 < len(secret) <= LONGEST_SECRET:
            return None
        digest = digest_of(secret)
        return await self._sessions.get(digest, lambda: self._ask_session(digest))

    async def _ask_session(self, digest: str) -> Known | None:
        records = self._backend.records
        session = await records.session(digest)
        if session is None:
            return None
        account = await records.account(session.account)
        alive = account is not None and not account.disabled
        identity = Identity(account.name, account.role, Means.SESSION, session.csrf) if account and alive else None
        return Known(identity, session.expires_at)

    async def _by_token(self, secret: str) -> Identity | None:
        if not secret.startswith(TOKEN_PREFIX) or len(secret) > LONGEST_SECRET:
            return None
        token = (await self._tokens.get("", self._ask_tokens)).get(digest_of(secret))
        if token is None or token.revoked or (token.expires_at is not None and self.now() >= token.expires_at):
            return None
        return Identity(f"token:{token.name}", token.role, Means.TOKEN)

    async def _ask_tokens(self) -> dict[str, ApiToken]:
        return {token.digest: token for token in await self._backend.records.tokens()}

    def _by_proxy(self, request: web.Request) -> Identity | None:
        user, proxy = self._user(request), self._backend.access.proxy
        role = proxy.roles.get(user, proxy.roles.get("*")) if proxy is not None and user else None
        if role is None:
            return None
        csrf = hmac.digest(self._backend.links.secret, CSRF + b"\0" + user.encode(), "sha256").hex()
        return Identity(f"proxy:{user}", role, Means.PROXY, csrf)

    def _user(self, request: web.Request) -> str:
        """Whom a trusted proxy names; empty for nobody, or more than one."""
        if not self._is_from_proxy(request) or (proxy := self._backend.access.proxy) is None:
            return ""
        named = request.headers.getall(proxy.header, ())
        user = named[0].strip() if len(named) == 1 else ""
        return user if len(user) <= LONGEST_USER and user.isprintable() else ""

    def _is_from_proxy(self, request: web.Request) -> bool:
        proxy = self._backend.access.proxy
        return proxy is not None and peer.is_within(request.remote or "", proxy.trusted)

    def _by_wall(self, request: web.Request) -> Identity | None:
        token = self.cookie(request, WALL_COOKIE)
        return Identity("wall", Role.WALL, Means.WALL) if token and self._backend.links.is_wall(token) else None

    async def _watched(self, request: web.Request, route: str, handler: Handler) -> web.StreamResponse:
        """A public route; a link that does not hold, or reaches for what is another's, leaves a trace."""
        by_link = route.startswith(LINKS)
        try:
            response = await handler(request)
        except (web.HTTPForbidden, web.HTTPNotFound):
            if by_link:
                self.refuse(request, "link", TEXT["refused_link"])
            raise
        if by_link and not response.prepared and response.status in (403, 404):
            self.refuse(request, "link", TEXT["refused_link"])
        return response

    async def _ask_who(self, request: web.Request, route: str) -> web.StreamResponse:
        """Turn away whom nobody knows: a person to the door, a program with a word."""
        if presented := await self._presented(request):
            self.refuse(request, "refused", TEXT["refused_credential"].format(what=presented))
        if route.endswith("/events"):
            return web.Response(status=401, text="sign in first\n", headers=CHALLENGE)
        if _is_for_program(request):
            return problem(401, "Unauthorized", "an API token is needed: Authorization: Bearer dct_…", CHALLENGE)
        if request.method in ("GET", "HEAD") and request.headers.get("Sec-Fetch-Dest", "document") != "empty":
            return see_other(f"/login?next={quote(request.path_qs, safe='')}")
        title, hint = TEXT["access_unknown"], TEXT["access_unknown_hint"]
        response = await self._render(request, "error.html", 401, title=title, hint=hint)
        response.headers.update(CHALLENGE)
        return response

    async def _presented(self, request: web.Request) -> str:
        """Which credential was presented that is none; empty for none at all, or one that has merely expired."""
        if _bearer(request):
            return "API token"
        if user := self._user(request):
            return f"proxy:{user}"
        if self.cookie(request, WALL_COOKIE):
            return "/wall"
        return "session" if self.cookie(request, SESSION_COOKIE) and await self._session(request) is None else ""


ACCESS = web.AppKey("access", Access)


def audit_of(request: web.Request, action: str, target: str = "", detail: str = "", *, actor: str = "") -> AuditEntry:
    """The trace of what this request does. ``actor``: for those who speak by a signed link."""
    access, identity = request.config_dict[ACCESS], request.get("identity")
    return AuditEntry(
        at=access.now(),
        actor=actor or (identity.name if identity is not None else ""),
        action=action,
        target=target[:200],
        detail=detail[:500],
        address=access.address_of(request),
    )


def address_of(request: web.Request) -> str:
    """Where a request comes from, as it is written into the audit trail."""
    return request.config_dict[ACCESS].address_of(request)


def digest_of(secret: str) -> str:
    """What the store keeps of a secret that has 256 bits: nothing slower is needed."""
    return sha256(_bytes(secret)).hexdigest()


def local_path(written: str) -> str:
    """Where to go after signing in: a path of ours, whatever was asked for."""
    try:
        parts = urlsplit(written)
    except ValueError:
        return "/"
    ours = written.startswith("/") and not written.startswith("//") and not parts.netloc and not parts.scheme
    plain = written.isascii() and written.isprintable() and " " not in written and "\\" not in written
    door = parts.path in ("/login", "/logout")
    return written if ours and plain and not door and len(written) <= 2000 else "/"


def is_foreign(request: web.Request) -> bool:
    """Whether a browser says that the page which asks is not ours.

    A form of a page without a referrer has no origin ("null"; Fetch, section 3.1): that says nothing, the token does.
    """
    if site := request.headers.get("Sec-Fetch-Site"):
        return site not in ("same-origin", "none")
    origin = request.headers.get(hdrs.ORIGIN, "null")
    return origin != "null" and origin.partition("://")[2].lower() != request.host.lower()


def see_other(path: str) -> web.Response:
    """On to another page, just as it is written: aiohttp's own answer would write it anew."""
    return web.Response(status=303, headers={hdrs.LOCATION: path, hdrs.CACHE_CONTROL: "no-store"})


def route_of(request: web.Request) -> str:
    """The route as it was registered, ``/p/{token}``; empty for none. Unlike the path it holds no secret."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else ""


@lru_cache(maxsize=1024)
def needed_for(method: str, route: str) -> Needed:
    """What a method of a route wants."""
    asked = "GET" if method in SAFE else method
    return next(n for m, pattern, n in RULES if m in (asked, "*") and fnmatchcase(route, pattern))


def problem(status: int, title: str, detail: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """A refusal for programs."""
    body = msgspec.json.encode(Problem(title, status, detail))
    return web.Response(
        status=status, body=body, headers={hdrs.CONTENT_TYPE: "application/problem+json", **(headers or {})}
    )


def _introduce(request: web.Request, identity: Identity | None) -> None:
    """``request["identity"]``, for handlers and templates."""
    with warnings.catch_warnings():  # aiohttp would rather have a key of its own kind, and says so
        warnings.simplefilter("ignore", web.NotAppKeyWarning)
        request["identity"] = identity


def _bearer(request: web.Request) -> str:
    """The token of a program; any other scheme is a proxy's own."""
    scheme, _, secret = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def _is_for_program(request: web.Request) -> bool:
    return request.path.startswith(("/api/", "/-/")) or bool(_bearer(request))


def _bytes(text: str) -> bytes:
    """Header values may hold bytes that are no UTF-8."""
    return text.encode(errors="surrogateescape")
