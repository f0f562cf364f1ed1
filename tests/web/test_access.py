"""Who is let in, and to what: signing in and out, sessions, tokens, a proxy, the wall, and what is written down."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
import pytest
from aiohttp import ClientResponse, ClientSession, FormData, web
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.access import AccessPolicy, Account, ApiToken, Permission, ProxyPolicy, Role
from monitor.core.throttle import TOLD_A_MINUTE
from monitor.web import access, passwords, peer, signin
from monitor.web.access import ACCESS, PUBLIC, audit_of, digest_of, local_path, needed_for
from monitor.web.passwords import Passwords, TooManyAttempts
from monitor.web.recent import Recent

PASSWORD = "một mật khẩu dài"  # noqa: S105 - of the test
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
SignedIn = Callable[..., AbstractAsyncContextManager[ClientSession]]
TRUSTED = ProxyPolicy(trusted=("127.0.0.0/8",), header="X-User", roles={"huong": Role.ORGANIZER})


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes of some microseconds, and nothing believed for longer than it is asked."""
    monkeypatch.setattr(passwords, "HASHER", CHEAP)


@pytest.fixture
def account(records: Any) -> Account:
    """``huong``, an organizer."""
    made = Account(name="huong", password_hash=passwords.hashed(PASSWORD), role=Role.ORGANIZER, created_at=0.0)
    records.accounts_by_name["huong"] = made
    return made


@pytest.fixture(autouse=True)
def probe_route(stage: Any) -> list[Any]:
    """``/seen`` and ``POST /snapshots`` that note who asks."""
    seen: list[Any] = []

    async def see(request: web.Request) -> web.Response:
        seen.append((request["identity"], audit_of(request, "look", "there")))
        return web.Response(text="seen")

    stage.app.router.add_get("/seen", see)
    stage.app.router.add_post("/seen", see)
    return seen


async def sign_in(session: ClientSession, name: str = "huong", password: str = PASSWORD, **more: Any) -> ClientResponse:
    """By the form, as a browser does."""
    async with session.get("/login", headers=more.get("headers")) as response:
        token = re.search(r'name="csrf" value="([^"]+)"', await response.text())
    assert token
    form = {"name": name, "password": password, "csrf": token[1], "next": more.pop("next", "/")}
    return await session.post("/login", data=form, allow_redirects=False, **more)


async def csrf_of(session: ClientSession) -> str:
    """What the page that somebody sees carries."""
    async with session.get("/") as response:
        found = re.search(r'action="/logout"><input type="hidden" name="csrf" value="([^"]+)"', await response.text())
    assert found
    return found[1]


async def until(condition: Callable[[], object]) -> None:
    """What nobody waits for comes soon."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - somebody else's list
            await asyncio.sleep(0.01)


# The table


def test_every_route_is_public_or_wants_what_it_should(stage: Any) -> None:
    """Of every route that there is; whoever adds one that is not just looked at adds it here."""
    public = {"/static", "/login", "/logout", "/wall/{token}", "/metrics", "/probe", "/-/healthy", "/-/ready"}
    for route in stage.app.router.routes():
        canonical = route.resource.canonical
        needed = needed_for(route.method, canonical)
        signed = canonical.startswith(("/p/{token}", "/c/{token}", "/a/{token}", "/gateway/"))
        assert (needed == PUBLIC) is (canonical in public or signed)
        if route.method not in access.SAFE and needed != PUBLIC:
            assert needed != Permission.LOOK, (route.method, canonical)


@pytest.mark.parametrize(
    ("method", "route", "needed"),
    [
        ("GET", "/", Permission.LOOK),
        ("HEAD", "/audit", Permission.ADMINISTER),
        ("GET", "/audit", Permission.ADMINISTER),
        ("GET", "", Permission.LOOK),
        ("POST", "", Permission.ADMINISTER),
        ("GET", "/check-ins/upload", Permission.CHECK_IN),
        ("POST", "/check-ins/upload/{upload}", Permission.CHECK_IN),
        ("GET", "/snapshots", Permission.LOOK),
        ("POST", "/snapshots", Permission.SNAPSHOT),
        ("POST", "/readiness/remind", Permission.REMIND),
        ("POST", "/-/reload", Permission.RELOAD),
        ("GET", "/api/v1/openapi.json", Permission.LOOK),
        ("GET", "/api/v1/check-ins", Permission.LOOK),
        ("POST", "/api/v1/check-ins", Permission.CHECK_IN),
        ("POST", "/api/v1/points/{id}/check-ins", Permission.CHECK_IN),
        ("DELETE", "/api/v1/check-ins", Permission.ADMINISTER),
        ("POST", "/api/v1/snapshots", Permission.SNAPSHOT),
        ("PUT", "/anything", Permission.ADMINISTER),
        ("POST", "/metrics", Permission.ADMINISTER),
        ("GET", "/metrics", PUBLIC),
        ("POST", "/p/{token}/check-in", PUBLIC),
    ],
)
def test_what_a_route_wants(method: str, route: str, needed: str) -> None:
    assert needed_for(method, route) == needed


# Nobody known


@pytest.mark.parametrize(
    ("path", "door"),
    [
        ("/", "/login?next=%2F"),
        ("/points/tinh-uy?theme=dark", "/login?next=%2Fpoints%2Ftinh-uy%3Ftheme%3Ddark"),
        ("/audit", "/login?next=%2Faudit"),
        ("/nowhere", "/login?next=%2Fnowhere"),
    ],
)
async def test_a_stranger_is_sent_to_the_door(stranger: ClientSession, path: str, door: str) -> None:
    async with stranger.get(path, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, door)


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/events", {}),
        ("GET", "/api/v1/points", {}),
        ("POST", "/-/reload", {}),
        ("POST", "/snapshots", {}),
        ("DELETE", "/", {}),
        ("GET", "/", {"Sec-Fetch-Dest": "empty"}),
        ("GET", "/", {"Authorization": "Bearer dct_wrong"}),
        ("GET", "/", {"Authorization": "Bearer \xff"}),
    ],
)
async def test_what_is_no_visit_of_a_person_is_refused(
    stage: Any, stranger: ClientSession, method: str, path: str, headers: dict[str, str]
) -> None:
    async with stranger.request(method, path, headers=headers, allow_redirects=False) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
        if path.startswith("/api"):
            assert (await response.json(content_type="application/problem+json"))["status"] == 401
    assert stage.reloads == 0


@pytest.mark.parametrize("path", ["/static/style.css", "/metrics", "/-/healthy", "/login"])
async def test_what_is_public_asks_nothing_of_the_store(records: Any, stranger: ClientSession, path: str) -> None:
    async with stranger.get(path) as response:
        assert response.status == 200
    assert records.asked == (1 if path == "/login" else 0)


async def test_a_link_that_does_not_hold_leaves_a_trace(stage: Any, records: Any, stranger: ClientSession) -> None:
    """Without the link itself, which is somebody's password."""
    good = stage.links.token("tinh-uy")
    async with stranger.get(f"/p/{good[:-2]}AA") as response:
        assert response.status == 404
    async with stranger.get(f"/p/{good}") as response:
        assert response.status == 200
    await until(lambda: records.trail)
    (entry,) = records.trail
    assert (entry.action, entry.target, entry.allowed) == ("link", "GET /p/{token}", False)
    assert entry.address == "127.0.0.1"


# Signing in and out


async def test_a_person_signs_in_works_and_signs_out(
    records: Any, stranger: ClientSession, account: Account, probe_route: list[Any]
) -> None:
    async with await sign_in(stranger, next="/seen?a=1") as response:
        assert (response.status, response.headers["Location"]) == (303, "/seen?a=1")
        cookie = response.cookies["diemcau_session"]
        assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
        assert not cookie["secure"]
    (kept,) = records.sessions.values()
    assert kept.digest == digest_of(cookie.value)
    assert cookie.value not in msgspec.json.encode(records.sessions).decode()
    async with stranger.get("/seen") as response:
        assert response.status == 200
    identity, audit = probe_route[0]
    assert (identity.name, identity.role, audit.actor, audit.address) == ("huong", "organizer", "huong", "127.0.0.1")
    token = await csrf_of(stranger)
    async with stranger.post("/logout", data={"csrf": token}, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, "/login")
    assert records.sessions == {}
    stolen = {"Cookie": f"diemcau_session={cookie.value}"}
    async with stranger.get("/seen", headers=stolen, allow_redirects=False) as response:
        assert response.status == 303
    assert [entry.action for entry in records.trail][:2] == ["sign_in", "sign_out"]


async def test_a_form_of_another_site_signs_nobody_out(records: Any, stranger: ClientSession, account: Account) -> None:
    await sign_in(stranger)
    async with stranger.post("/logout", data={"csrf": "guessed"}, allow_redirects=False) as response:
        assert response.status == 403
    assert len(records.sessions) == 1


async def test_the_secret_is_new_each_time(records: Any, stranger: ClientSession, account: Account) -> None:
    """A cookie that somebody else has set before never becomes a session."""
    planted = "planted-by-somebody-else"
    async with stranger.get("/login") as response:
        token = re.search(r'name="csrf" value="([^"]+)"', await response.text())
    assert token
    form = {"name": "huong", "password": PASSWORD, "csrf": token[1]}
    cookies = {"diemcau_session": planted}
    async with stranger.post("/login", data=form, cookies=cookies, allow_redirects=False) as response:
        first = response.cookies["diemcau_session"].value
    assert first != planted
    assert digest_of(planted) not in records.sessions
    former = set(records.sessions)
    stranger.cookie_jar.clear(lambda cookie: cookie.key == "diemcau_session")
    async with await sign_in(stranger) as response:
        assert response.cookies["diemcau_session"].value != first
    assert former < set(records.sessions)


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("huong", "wrong password"),
        ("nobody", PASSWORD),
        ("huong", ""),
        ("huong", "x" * 5000),
        ("", ""),
        ("x" * 3000, PASSWORD),
        ("hương\x00'--", PASSWORD),
    ],
)
async def test_a_refusal_tells_nothing(
    records: Any, stranger: ClientSession, account: Account, name: str, password: str
) -> None:
    async with await sign_in(stranger, name, password) as response:
        page = await response.text()
        assert response.status == 401
        assert "Sai tên tài khoản hoặc mật khẩu." in page
        assert "diemcau_session" not in response.cookies
    await until(lambda: records.trail)
    (entry,) = records.trail
    assert (entry.action, entry.allowed, entry.actor) == ("sign_in", False, "")
    assert entry.target == ("huong" if name == "huong" else "-")
    assert records.sessions == {}


async def test_a_disabled_account_is_let_in_no_more(records: Any, stranger: ClientSession, account: Account) -> None:
    records.accounts_by_name["huong"] = msgspec.structs.replace(account, disabled=True)
    async with await sign_in(stranger) as response:
        assert response.status == 401


async def test_a_password_in_parts_is_the_same_password(stranger: ClientSession, account: Account) -> None:
    """Keyboards compose Vietnamese letters in two ways."""
    from unicodedata import normalize  # noqa: PLC0415

    in_parts = normalize("NFD", PASSWORD)
    assert in_parts != PASSWORD
    async with await sign_in(stranger, " HUONG ", in_parts) as response:
        assert response.status == 303


async def test_a_form_that_is_not_ours_signs_nobody_in(records: Any, stranger: ClientSession, account: Account) -> None:
    form = {"name": "huong", "password": PASSWORD, "csrf": "anything"}
    async with stranger.post("/login", data=form, allow_redirects=False) as response:
        assert response.status == 403
    async with await sign_in(stranger, headers={"Sec-Fetch-Site": "cross-site"}) as response:
        assert response.status == 403
    async with await sign_in(stranger, headers={"Origin": "http://elsewhere.example"}) as response:
        assert response.status == 403
    assert records.sessions == {}
    async with await sign_in(stranger, headers={"Origin": "null"}) as response:  # of a page without a referrer
        assert response.status == 303


@pytest.mark.parametrize("body", [FormData({"name": "huong"}, default_to_multipart=True), b"\xff\xfe", {"json": 1}])
async def test_a_body_that_is_no_form_is_refused(stranger: ClientSession, account: Account, body: Any) -> None:
    what = {"json": body} if isinstance(body, dict) else {"data": body}
    async with stranger.post("/login", **what) as response:
        assert response.status in (403, 415)


async def test_guessing_has_to_wait_and_the_owner_has_not(
    stage: Any, stranger: ClientSession, account: Account
) -> None:
    stage.access = AccessPolicy(attempts=3, wait_s=30.0)
    for _ in range(3):
        async with await sign_in(stranger, password="wrong password") as response:  # noqa: S106
            assert response.status == 401
    async with await sign_in(stranger) as response:
        assert response.status == 429
        assert response.headers["Retry-After"] == "30"
        assert "Hãy thử lại sau 30 giây." in await response.text()
    stage.wait(30)
    async with await sign_in(stranger) as response:
        assert response.status == 303


async def test_attempts_at_once_are_counted_before_they_are_checked(
    stage: Any, stranger: ClientSession, account: Account
) -> None:
    """Fifty guesses in one moment are no more than five."""
    async with stranger.get("/login") as response:
        token = re.search(r'name="csrf" value="([^"]+)"', await response.text())
    assert token
    form = {"name": "huong", "password": "wrong password", "csrf": token[1]}
    answers = await asyncio.gather(*(stranger.post("/login", data=form) for _ in range(50)))
    assert sum(answer.status == 401 for answer in answers) == AccessPolicy().attempts
    assert sum(answer.status == 429 for answer in answers) == 50 - AccessPolicy().attempts


async def test_a_hash_of_former_parameters_is_renewed(
    records: Any, stranger: ClientSession, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "HASHER", PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    async with await sign_in(stranger) as response:
        assert response.status == 303
    renewed = records.accounts_by_name["huong"].password_hash
    assert renewed != account.password_hash
    assert "m=16,t=2" in renewed
    async with stranger.get("/", allow_redirects=False) as response:
        assert response.status == 200


async def test_where_there_is_no_account_the_door_says_how_to_make_one(
    records: Any, stranger: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stranger.get("/login") as response:
        page = await response.text()
    assert "Hệ thống chưa có tài khoản nào" in page
    assert "diemcau accounts add" in page


async def test_where_there_is_one_it_does_not(stranger: ClientSession, account: Account) -> None:
    async with stranger.get("/login") as response:
        assert "diemcau accounts add" not in await response.text()


async def test_a_store_that_fails_lets_nobody_in_and_says_so(
    records: Any, stranger: ClientSession, account: Account
) -> None:
    async with stranger.get("/login") as response:
        token = re.search(r'name="csrf" value="([^"]+)"', await response.text())
    assert token
    records.failing = True
    form = {"name": "huong", "password": PASSWORD, "csrf": token[1]}
    async with stranger.post("/login", data=form) as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "5")
        assert "Chưa truy cập được kho dữ liệu" in await response.text()
        assert "diemcau_session" not in response.cookies
    cookie = {"Cookie": "diemcau_session=something"}
    async with stranger.get("/api/v1/points", headers=cookie) as response:
        assert response.status == 503
        assert response.content_type == "application/problem+json"


# Sessions


async def test_many_requests_ask_the_store_once(
    stage: Any, records: Any, signed_in: SignedIn, probe_route: list[Any]
) -> None:
    async with signed_in(Role.ORGANIZER) as session:

        async def look() -> int:
            async with session.get("/seen") as response:
                return response.status

        assert set(await asyncio.gather(*(look() for _ in range(300)))) == {200}
    assert records.asked == 2  # the session, and its account


async def test_a_session_ends_with_its_time(stage: Any, signed_in: SignedIn, probe_route: list[Any]) -> None:
    async with signed_in(Role.ORGANIZER) as session:
        async with session.get("/seen") as response:
            assert response.status == 200
        stage.wait(86_400)
        async with session.get("/seen", allow_redirects=False) as response:
            assert response.status == 303


async def test_a_disabled_account_is_out_at_once(
    stage: Any, records: Any, signed_in: SignedIn, probe_route: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert access.BELIEVED_S <= 5
    monkeypatch.setattr(stage.app[ACCESS]._sessions, "_kept_s", 0.05)
    async with signed_in(Role.ORGANIZER) as session:
        async with session.get("/seen") as response:
            assert response.status == 200
        name = "the-organizer"
        records.accounts_by_name[name] = msgspec.structs.replace(records.accounts_by_name[name], disabled=True)
        await asyncio.sleep(0.06)
        async with session.get("/seen", allow_redirects=False) as response:
            assert response.status == 303


@pytest.mark.parametrize("role", [Role.WALL, Role.ORGANIZER, Role.TECHNICIAN])
async def test_who_may_not_is_told_so_and_it_is_written_down(records: Any, signed_in: SignedIn, role: Role) -> None:
    async with signed_in(role) as session, session.get("/audit") as response:
        assert response.status == 403
        assert "<h1>Không có quyền</h1>" in await response.text()
    await until(lambda: records.trail)
    (entry,) = records.trail
    assert (entry.actor, entry.action, entry.target) == (f"the-{role}", "refused", "GET /audit")
    assert (entry.allowed, entry.detail) == (False, "không có quyền administer")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"X-CSRF-Token": "wrong"}, 403),
        ({"X-CSRF-Token": ""}, 403),
        ({"X-CSRF-Token": "\xff"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "null"}, 200),
    ],
)
async def test_what_changes_something_comes_from_a_page_of_ours(
    signed_in: SignedIn, probe_route: list[Any], headers: dict[str, str], status: int
) -> None:
    async with signed_in(Role.ADMINISTRATOR) as session, session.post("/seen", headers=headers) as response:
        assert response.status == status
    assert len(probe_route) == (status == 200)


async def test_a_form_carries_the_token_in_a_field(stage: Any, signed_in: SignedIn, probe_route: list[Any]) -> None:
    headers = stage.sign_in(Role.ADMINISTRATOR)
    token = headers.pop("X-CSRF-Token")
    async with signed_in(Role.ADMINISTRATOR) as session:
        headers["X-CSRF-Token"] = ""
        async with session.post("/seen", data={"csrf": token}, headers=headers) as response:
            assert response.status == 200
        async with session.post("/seen", data={"csrf": token + "x"}, headers=headers) as response:
            assert response.status == 403


@pytest.mark.parametrize("secret", ["", "x" * 3000, "../../etc", "a;b", '"'])
async def test_a_cookie_that_is_none(stranger: ClientSession, secret: str) -> None:
    headers = {"Cookie": f"diemcau_session={secret}; diemcau_wall={secret}"}
    async with stranger.get("/", headers=headers, allow_redirects=False) as response:
        assert response.status == 303


# Tokens of programs


def token_of(records: Any, role: Role = Role.TECHNICIAN, **more: Any) -> dict[str, str]:
    """A token that stands in the store, as a program sends it."""
    secret = "dct_" + "s" * 43
    records.tokens_by_name["ci"] = ApiToken(name="ci", digest=digest_of(secret), role=role, created_at=0.0, **more)
    return {"Authorization": f"Bearer {secret}"}


async def test_a_program_needs_its_token_alone(
    stage: Any, records: Any, stranger: ClientSession, probe_route: list[Any]
) -> None:
    headers = token_of(records)
    async with stranger.post("/-/reload", headers=headers) as response:
        assert response.status == 200
    async with stranger.get("/seen", headers=headers) as response:
        assert response.status == 200
    assert probe_route[0][1].actor == "token:ci"
    assert [(entry.action, entry.actor) for entry in records.trail] == [("reload", "token:ci")]
    assert (stage.reloads, records.asked) == (1, 2)  # the tokens, and the trail


@pytest.mark.parametrize("more", [{"revoked": True}, {"expires_at": 1.0}])
async def test_a_token_that_holds_no_more(
    records: Any, stranger: ClientSession, probe_route: list[Any], more: dict[str, Any]
) -> None:
    async with stranger.get("/seen", headers=token_of(records, **more)) as response:
        assert response.status == 401
    await until(lambda: records.trail)
    assert records.trail[0].detail == "API token không có hiệu lực"
    assert probe_route == []


async def test_a_revoked_token_is_out_within_seconds(
    stage: Any, records: Any, stranger: ClientSession, probe_route: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage.app[ACCESS]._tokens, "_kept_s", 0.05)
    headers = token_of(records)
    async with stranger.get("/seen", headers=headers) as response:
        assert response.status == 200
    token_of(records, revoked=True)
    await asyncio.sleep(0.06)
    async with stranger.get("/seen", headers=headers) as response:
        assert response.status == 401


async def test_a_program_that_may_not_is_told_in_its_language(records: Any, stranger: ClientSession) -> None:
    async with stranger.post("/-/reload", headers=token_of(records, Role.ORGANIZER)) as response:
        assert response.status == 403
        said = await response.json(content_type="application/problem+json")
    assert said == {"title": "Forbidden", "status": 403, "detail": "needs reload", "type": "about:blank"}


# The wall


async def test_the_wall_looks_and_changes_nothing(stage: Any, stranger: ClientSession, probe_route: list[Any]) -> None:
    async with stranger.get(f"/wall/{stage.links.wall_token()}", allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, "/")
        assert response.cookies["diemcau_wall"]["httponly"]
    async with stranger.get("/") as response:
        assert response.status == 200
        assert "/logout" not in await response.text()
    assert stage.records.asked == 0
    async with stranger.post("/seen") as response:
        assert response.status == 403
    async with stranger.get("/login") as response:
        assert response.status == 200
    stage.links = type(stage.links)(stage.links.secret, generation=1)
    async with stranger.get("/", allow_redirects=False) as response:
        assert response.status == 303


async def test_a_wall_link_that_does_not_hold(stage: Any, stranger: ClientSession) -> None:
    for token in (stage.links.token("wall"), stage.links.wall_token()[:-1], "x"):
        async with stranger.get(f"/wall/{token}", allow_redirects=False) as response:
            assert response.status == 404
            assert "diemcau_wall" not in response.cookies


async def test_a_wall_chooses_its_theme(stage: Any, stranger: ClientSession) -> None:
    path = f"/wall/{stage.links.wall_token()}"
    for query, target in (("?theme=light", "/?theme=light"), ("?theme=//evil", "/")):
        async with stranger.get(path + query, allow_redirects=False) as response:
            assert response.headers["Location"] == target


# A proxy in front


async def test_a_trusted_proxy_says_who_it_is(stage: Any, stranger: ClientSession, probe_route: list[Any]) -> None:
    stage.access = AccessPolicy(proxy=TRUSTED)
    named = {"X-User": "huong", "X-Forwarded-For": "198.51.100.1, 203.0.113.9"}
    async with stranger.get("/seen", headers=named) as response:
        assert response.status == 200
    identity, audit = probe_route[0]
    assert (identity.name, identity.role, audit.address) == ("proxy:huong", "organizer", "203.0.113.9")
    for headers, status in (({}, 403), ({"X-CSRF-Token": identity.csrf}, 200)):
        stage.access = AccessPolicy(proxy=msgspec.structs.replace(TRUSTED, roles={"huong": Role.ADMINISTRATOR}))
        async with stranger.post("/seen", headers={**named, **headers}) as response:
            assert response.status == status


@pytest.mark.parametrize(
    ("proxy", "headers"),
    [
        (None, {"X-User": "huong"}),
        (msgspec.structs.replace(TRUSTED, trusted=("10.0.0.0/8",)), {"X-User": "huong"}),
        (TRUSTED, {"X-User": "an"}),
        (TRUSTED, {"X-User": ""}),
        (TRUSTED, {"X-User": "x" * 5000}),
        (TRUSTED, {"X-Forwarded-User": "huong"}),
    ],
)
async def test_a_header_from_elsewhere_says_nothing(
    stage: Any, stranger: ClientSession, probe_route: list[Any], proxy: ProxyPolicy | None, headers: dict[str, str]
) -> None:
    stage.access = AccessPolicy(proxy=proxy)
    forwarded = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"} if proxy is not TRUSTED else {}
    async with stranger.get("/seen", headers={**headers, **forwarded}, allow_redirects=False) as response:
        assert response.status == 303
    assert probe_route == []


async def test_two_names_are_none(stage: Any, stranger: ClientSession) -> None:
    """Of a proxy that adds its header and does not take away the client's."""
    stage.access = AccessPolicy(proxy=TRUSTED)
    headers = [("X-User", "huong"), ("X-User", "an")]
    async with stranger.get("/", headers=headers, allow_redirects=False) as response:
        assert response.status == 303


async def test_cookies_are_secure_where_the_browser_came_by_https(
    stage: Any, stranger: ClientSession, account: Account
) -> None:
    stage.access = AccessPolicy(proxy=TRUSTED)
    by_https = {"X-Forwarded-Proto": "https"}
    async with stranger.get("/login", headers=by_https) as response:
        given = response.cookies["__Host-diemcau_form"]
        token = re.search(r'name="csrf" value="([^"]+)"', await response.text())
    assert token
    assert given["secure"]
    form = {"name": "huong", "password": PASSWORD, "csrf": token[1]}
    headers = {**by_https, "Cookie": f"__Host-diemcau_form={given.value}"}
    async with stranger.post("/login", data=form, headers=headers, allow_redirects=False) as response:
        cookie = response.cookies["__Host-diemcau_session"]
        assert (response.status, cookie["secure"], cookie["path"], cookie["domain"]) == (303, True, "/", "")
    neighbour = {**by_https, "Cookie": f"diemcau_session={cookie.value}"}
    async with stranger.get("/", headers=neighbour, allow_redirects=False) as response:
        assert response.status == 303
    ours = {**by_https, "Cookie": f"__Host-diemcau_session={cookie.value}"}
    async with stranger.get("/", headers=ours, allow_redirects=False) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        ("192.0.2.1", "1.1.1.1", "192.0.2.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "<script>, 10.0.0.2", "10.0.0.2"),
        ("::ffff:10.0.0.1", "2001:db8::7", "2001:db8::7"),
        ("", "1.1.1.1", ""),
    ],
)
def test_an_address_is_believed_as_far_as_those_who_tell_it(remote: str, forwarded: str, address: str) -> None:
    assert peer.origin(remote, forwarded, ("10.0.0.0/8",)) == address


def test_a_line_has_many_addresses_in_ipv6() -> None:
    assert peer.neighbourhood("2001:db8::1") == peer.neighbourhood("2001:db8::ffff:1") == "2001:db8::/64"
    assert peer.neighbourhood("2001:db8:0:1::1") != "2001:db8::/64"
    assert peer.neighbourhood("192.0.2.1") == "192.0.2.1"


@given(st.text(), st.text(), st.lists(st.sampled_from(("10.0.0.0/8", "::1", "127.0.0.1")), max_size=3))
def test_no_header_breaks_it(remote: str, forwarded: str, trusted: list[str]) -> None:
    found = peer.origin(remote, forwarded, trusted)
    assert found == remote or peer.is_within(remote, trusted)


# Where to go


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("/readiness?x=1#y", "/readiness?x=1#y"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/\t/evil.example", "/"),
        ("\t//evil.example", "/"),
        ("/\n/evil", "/"),
        ("", "/"),
        ("/login?next=/", "/"),
        ("/logout", "/"),
        ("http://[", "/"),
        ("/" + "x" * 3000, "/"),
    ],
)
def test_after_signing_in_nobody_leaves_us(written: str, path: str) -> None:
    assert local_path(written) == path


@given(st.text(alphabet="/\\:.@?#\t\n\r evil%0a[]", max_size=20))
def test_no_path_leads_elsewhere(written: str) -> None:
    path = local_path(written)
    assert path[0] == "/"
    assert path[1:2] not in ("/", "\\")
    assert not set(path) & set("\\\t\r\n ")


# What is written down


async def test_a_flood_of_refusals_is_counted(stage: Any, records: Any, stranger: ClientSession) -> None:
    bad = {"Authorization": "Bearer dct_wrong"}
    for _ in range(TOLD_A_MINUTE + 30):
        async with stranger.get("/", headers=bad) as response:
            assert response.status == 401
    await until(lambda: len(records.trail) == TOLD_A_MINUTE)
    stage.wait(61)
    async with stranger.get("/", headers=bad):  # wakes the trail, which then sums up
        pass
    await until(lambda: len(records.trail) >= TOLD_A_MINUTE + 1)
    told = records.trail[TOLD_A_MINUTE]
    assert (told.detail, told.address, told.allowed) == ("thêm 31 lần trong một phút", "127.0.0.1", False)


async def test_a_store_that_does_not_answer_holds_up_no_refusal(
    stage: Any, records: Any, stranger: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_entry: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(records, "add_audit", never)
    async with asyncio.timeout(5):
        for _ in range(20):
            async with stranger.get("/", headers={"Authorization": "Bearer dct_wrong"}) as response:
                assert response.status == 401


async def test_what_cannot_be_written_down_is_counted(stage: Any, records: Any, signed_in: SignedIn) -> None:
    trail = stage.app[ACCESS].trail
    async with signed_in(Role.WALL) as session:
        async with session.get("/audit") as response:
            assert response.status == 403
        await until(lambda: records.trail)
        records.failing = True
        async with session.get("/audit") as response:
            assert response.status == 403
        await until(lambda: trail.lost == 1)


async def test_the_trail_is_read_page_by_page(stage: Any, records: Any, signed_in: SignedIn) -> None:
    async with signed_in(Role.ADMINISTRATOR) as session:
        for number in range(250):
            entry = access.AuditEntry(at=stage.now, actor=f"a{number}", action="check_in", target=f"<i>{number}")
            records.trail.append(msgspec.structs.replace(entry, allowed=number % 2 == 0))
        async with session.get("/audit") as response:
            page = await response.text()
        assert response.status == 200
        assert [int(n) for n in re.findall(r"<td>a(\d+)</td>", page)] == list(range(249, 149, -1))
        assert "báo số liệu" in page
        assert page.count("từ chối") == 50
        assert "<i>" not in page
        older = re.search(r'rel="next" href="([^"]+)"', page)
        assert older
        async with session.get(older[1]) as response:
            page = await response.text()
        assert [int(n) for n in re.findall(r"<td>a(\d+)</td>", page)] == list(range(149, 49, -1))


@pytest.mark.parametrize(
    ("query", "actors"),
    [
        ("actor=huong", {"huong"}),
        ("action=sign_in", {"huong", "an"}),
        ("action=%C4%91%C4%83ng+nh%E1%BA%ADp", {"huong", "an"}),
        ("actor=an&action=sign_in", {"an"}),
        ("actor=nobody", set()),
        ("before=3", {"huong", "an"}),
        ("before=x", {"huong", "an", "token:ci"}),
        ("before=99999999999999999999", {"huong", "an", "token:ci"}),
        ("before=0", set()),
    ],
)
async def test_the_trail_is_filtered(
    stage: Any, records: Any, signed_in: SignedIn, query: str, actors: set[str]
) -> None:
    for actor, action in (("huong", "sign_in"), ("an", "sign_in"), ("token:ci", "reload")):
        records.trail.append(access.AuditEntry(at=stage.now, actor=actor, action=action))
    async with signed_in(Role.ADMINISTRATOR) as session, session.get(f"/audit?{query}") as response:
        assert response.status == 200
        page = await response.text()
    assert {actor for actor in ("huong", "an", "token:ci") if f"<td>{actor}</td>" in page} == actors


async def test_a_filter_that_fits_little_reads_on_in_pages(stage: Any, records: Any, signed_in: SignedIn) -> None:
    records.trail.append(access.AuditEntry(at=stage.now, actor="needle", action="reload"))
    records.trail += [access.AuditEntry(at=stage.now, actor="hay", action="check_in")] * 6000
    async with signed_in(Role.ADMINISTRATOR) as session:
        path = "/audit?actor=needle"
        for _ in range(3):
            async with session.get(path) as response:
                page = await response.text()
            older = re.search(r'rel="next" href="([^"]+)"', page)
            if older is None:
                break
            path = older[1].replace("&amp;", "&")
    assert "<td>needle</td>" in page


async def test_pages_show_who_has_signed_in_and_what_they_may_open(signed_in: SignedIn) -> None:
    for role, audit in ((Role.ORGANIZER, False), (Role.ADMINISTRATOR, True)):
        async with signed_in(role) as session, session.get("/") as response:
            page = await response.text()
        assert f"the-{role}" in page
        assert ('href="/audit"' in page) is audit
        assert 'action="/logout"' in page


# Parts


async def test_passwords_do_not_queue_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "MOST_WAITING", 3)
    checker = Passwords()
    answers = await asyncio.gather(*(checker.check(None, "x") for _ in range(10)), return_exceptions=True)
    checker.close()
    assert sum(isinstance(answer, TooManyAttempts) for answer in answers) == 7
    assert not any(answer.genuine for answer in answers if isinstance(answer, passwords.Checked))


def test_passwords_are_hashed_with_argon2id_at_its_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert passwords.hashed(PASSWORD).startswith("$argon2id$v=19$m=65536,t=3,p=1$")


@pytest.fixture
def counted() -> tuple[list[int], Callable[[], Awaitable[int]]]:
    calls: list[int] = []

    async def ask() -> int:
        calls.append(1)
        await asyncio.sleep(0.01)
        return len(calls)

    return calls, ask


async def test_what_is_asked_at_once_is_asked_once(counted: Any) -> None:
    calls, ask = counted
    recent = Recent[int](60.0, 2)
    assert set(await asyncio.gather(*(recent.get("a", ask) for _ in range(100)))) == {1}
    await recent.get("b", ask)
    await recent.get("c", ask)
    assert (len(calls), len(recent)) == (3, 2)
    recent.drop("c")
    assert await recent.get("c", ask) == 4


async def test_a_question_that_failed_is_asked_again() -> None:
    recent = Recent[int](60.0, 2)

    async def fail() -> int:
        raise RuntimeError("the store")

    async def answer() -> int:
        return 7

    with pytest.raises(RuntimeError, match="the store"):
        await recent.get("a", fail)
    await asyncio.sleep(0)
    assert await recent.get("a", answer) == 7


async def test_one_who_leaves_takes_nobody_elses_answer(counted: Any) -> None:
    calls, ask = counted
    recent = Recent[int](60.0, 2)
    first = asyncio.create_task(recent.get("a", ask))
    second = asyncio.create_task(recent.get("a", ask))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 1
    assert len(calls) == 1


def test_names_that_nobody_may_have() -> None:
    """None can be taken for a token's, a proxy's or a point's in the trail."""
    assert not any(signin.ACCOUNT_NAME.fullmatch(name) for name in ("token:x", "proxy:x", "a b", "-", "A", "á", "a"))
    assert signin.ACCOUNT_NAME.fullmatch("huong.tt-01")
