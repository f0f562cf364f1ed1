"""The door: signing in with a name and a password, signing out, and the wall's link.

What is told of a refusal is the same whether the name is unknown, disabled, or the password wrong, and takes as long.
"""

import hmac
import re
import secrets
from collections.abc import Callable
from math import ceil

from aiohttp import hdrs, web

from monitor.core.access import Account, Identity, Means, Session
from monitor.core.throttle import Throttle
from monitor.web import peer, text
from monitor.web.access import (
    CSRF_FIELD,
    FORM,
    SESSION_COOKIE,
    WALL_COOKIE,
    Access,
    audit_of,
    digest_of,
    is_foreign,
    local_path,
    see_other,
)
from monitor.web.backend import Backend
from monitor.web.passwords import Passwords, TooManyAttempts
from monitor.web.presence import Render
from monitor.web.recent import Recent
from monitor.web.text import TEXT

FORM_COOKIE = "diemcau_form"
"""Holds what the form repeats: a page of another site can neither read nor set it."""
FORM_S = 3600.0
WALL_S = 400 * 86_400.0
"""As long as browsers keep a cookie."""
SECRET_BYTES = 32
ASKED_EVERY_S = 5.0
"""How often it is looked whether there is any account."""
ACCOUNT_NAME = re.compile(r"[a-z][a-z0-9._-]{1,31}")


class SignIn:
    """Who comes, who goes, and the screens on the wall."""

    def __init__(self, backend: Backend, now: Callable[[], float], render: Render, access: Access) -> None:
        self._backend = backend
        self._now = now
        self._render = render
        self._access = access
        self._throttle = Throttle()
        self._passwords = Passwords()
        self._inhabited = Recent[bool](ASKED_EVERY_S, 1)

    def routes(self) -> list[web.RouteDef]:
        """Where the doors are."""
        return [
            web.get("/login", self.form),
            web.post("/login", self.sign_in),
            web.post("/logout", self.sign_out),
            web.get("/wall/{token}", self.wall),
        ]

    async def close(self, _app: web.Application) -> None:
        """Check no more passwords."""
        self._passwords.close()

    async def form(self, request: web.Request) -> web.StreamResponse:
        """``/login``: the form; straight on for who is in already."""
        target = local_path(request.query.get("next", "/"))
        identity = await self._access.identify(request)
        if identity is not None and identity.means is not Means.WALL:
            return see_other(target)
        return await self._form(request, target)

    async def sign_in(self, request: web.Request) -> web.StreamResponse:
        """A name and a password, from our own form."""
        if request.content_type != FORM:
            raise web.HTTPUnsupportedMediaType
        sent = {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
        target, name = local_path(sent.get("next", "/")), sent.get("name", "").strip().lower()
        if not self._is_our_form(request, sent.get(CSRF_FIELD, "")):
            return await self._form(request, target, 403, name=name, error=TEXT["login_again"])
        account = await self._backend.records.account(name) if ACCOUNT_NAME.fullmatch(name) else None
        place = name[:64], peer.neighbourhood(self._access.address_of(request))
        if (wait := self._throttle.attempt(*place, self._backend.access, self._now())) > 0:
            return await self._wait(request, target, name, account, wait)
        try:
            checked = await self._passwords.check(account, sent.get("password", ""))
        except TooManyAttempts:
            raise web.HTTPServiceUnavailable(headers={hdrs.RETRY_AFTER: "10"}) from None
        if account is None or not checked.genuine:
            self._note_failure(request, account, TEXT["refused_password"])
            return await self._form(request, target, 401, name=name, error=TEXT["login_wrong"])
        self._throttle.succeed(*place)
        return await self._enter(request, await self._renewed(request, account, checked.renewed), target)

    async def sign_out(self, request: web.Request) -> web.StreamResponse:
        """``/logout``: the session ends, here and everywhere its cookie may have got to."""
        identity = await self._access.identify(request)
        if identity is not None and identity.means is Means.SESSION:
            if not await self._access.is_meant(request, identity):
                return await self._access.forbid(request, TEXT["refused_csrf"], "not sent by a page of ours")
            await self._leave(request, identity)
        response = see_other("/login")
        self._access.set_cookie(request, response, SESSION_COOKIE, "", 0)
        return response

    async def wall(self, request: web.Request) -> web.StreamResponse:
        """``/wall/<token>``: a screen is let in to look, until the link is rotated."""
        token = request.match_info["token"]
        if not self._backend.links.is_wall(token):
            refusal = {"title": TEXT["error_link"], "hint": TEXT["error_link_hint"], "back": False}
            return await self._render(request, "error.html", 404, **refusal)
        theme = request.query.get("theme", "")
        target = f"/?theme={theme}" if theme in ("dark", "light") else "/"
        response = see_other(target)
        self._access.set_cookie(request, response, WALL_COOKIE, token, WALL_S)
        return response

    async def _form(
        self, request: web.Request, target: str, status: int = 200, *, name: str = "", error: str = ""
    ) -> web.StreamResponse:
        inhabited = await self._inhabited.get("", self._ask_inhabited)
        token = self._access.cookie(request, FORM_COOKIE) or secrets.token_urlsafe(SECRET_BYTES)
        what = {"name": name[:64], "error": error, "next": target, "csrf": token, "inhabited": inhabited}
        response = await self._render(request, "login.html", status, **what)
        if status == 401:
            response.headers[hdrs.WWW_AUTHENTICATE] = 'Form realm="diemcau"'
        self._access.set_cookie(request, response, FORM_COOKIE, token, FORM_S)
        return response

    async def _ask_inhabited(self) -> bool:
        """Whether there is anybody who could sign in."""
        return bool(await self._backend.records.accounts())

    def _is_our_form(self, request: web.Request, sent: str) -> bool:
        """Whether the form is one that we gave to this browser: nobody is signed in as somebody else unawares."""
        given = self._access.cookie(request, FORM_COOKIE)
        same = hmac.compare_digest(given.encode(errors="replace"), sent.encode(errors="replace"))
        return bool(given) and same and not is_foreign(request)

    async def _wait(
        self, request: web.Request, target: str, name: str, account: Account | None, wait_s: float
    ) -> web.StreamResponse:
        self._note_failure(request, account, TEXT["refused_wait"])
        error = TEXT["login_wait"].format(wait=text.span(ceil(wait_s)))
        response = await self._form(request, target, 429, name=name, error=error)
        response.headers[hdrs.RETRY_AFTER] = str(ceil(wait_s))
        return response

    def _note_failure(self, request: web.Request, account: Account | None, why: str) -> None:
        """Names that are none are not written down: people type passwords there."""
        self._access.refuse(request, "sign_in", why, target=account.name if account is not None else "-")

    async def _renewed(self, request: web.Request, account: Account, password_hash: str) -> Account:
        """The account, with the hash that today's parameters make."""
        if not password_hash:
            return account
        renewed = Account(
            name=account.name, password_hash=password_hash, role=account.role, created_at=account.created_at
        )
        audit = audit_of(request, "account.rehash", account.name, actor=account.name)
        await self._backend.records.put_account(renewed, audit)
        return renewed

    async def _enter(self, request: web.Request, account: Account, target: str) -> web.StreamResponse:
        """A new session under a secret that nobody has seen; the former one of this browser ends."""
        records, access, now = self._backend.records, self._access, self._now()
        if former := access.cookie(request, SESSION_COOKIE):
            access.forget(digest_of(former))
            await records.drop_session(digest_of(former))
        secret, session_s = secrets.token_urlsafe(SECRET_BYTES), self._backend.access.session_s
        session = Session(
            digest=digest_of(secret),
            account=account.name,
            csrf=secrets.token_urlsafe(SECRET_BYTES),
            created_at=now,
            expires_at=now + session_s,
        )
        await records.add_session(session)
        await records.add_audit(audit_of(request, "sign_in", account.name, actor=account.name))
        response = see_other(target)
        access.set_cookie(request, response, SESSION_COOKIE, secret, session_s)
        access.set_cookie(request, response, FORM_COOKIE, "", 0)
        return response

    async def _leave(self, request: web.Request, identity: Identity) -> None:
        records, digest = self._backend.records, digest_of(self._access.cookie(request, SESSION_COOKIE))
        await records.drop_session(digest)
        self._access.forget(digest)
        await records.add_audit(audit_of(request, "sign_out", identity.name, actor=identity.name))
