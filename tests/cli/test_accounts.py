"""``diemcau accounts`` and ``diemcau tokens``, on a real store."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from monitor.cli import main
from monitor.core.access import Account, ApiToken, AuditEntry, Role, Session
from monitor.store import Store, default_url
from monitor.web.access import digest_of
from monitor.web.passwords import HASHER

PASSWORD = "một mật khẩu dài"  # noqa: S105 - of the test
Invoke = Callable[..., Result]


@pytest.fixture
def invoke(tmp_path: Path) -> Invoke:
    """``invoke("accounts", "add", …, input=…)`` on a store of its own."""

    def run(group: str, *arguments: str, typed: str = "") -> Result:
        return CliRunner().invoke(main, [group, "--state", str(tmp_path), *arguments], input=typed)

    return run


@pytest.fixture
def kept(tmp_path: Path) -> Callable[[Callable[[Store], Any]], Any]:
    """``kept(lambda store: store.accounts())``: what stands in the store."""

    async def ask(question: Callable[[Store], Any]) -> Any:
        store = await Store.open(default_url(tmp_path))
        try:
            return await question(store)
        finally:
            await store.close()

    return lambda question: asyncio.run(ask(question))


def add(invoke: Invoke, name: str = "huong", role: str = "organizer", password: str = PASSWORD) -> Result:
    return invoke("accounts", "add", name, "--role", role, "--password-file", "-", typed=f"{password}\n")


def test_an_account_is_added_and_its_password_is_nowhere(invoke: Invoke, kept: Any, tmp_path: Path) -> None:
    result = add(invoke)
    assert (result.exit_code, result.stderr) == (0, "huong added as organizer\n")
    account: Account = kept(lambda store: store.account("huong"))
    assert account.role is Role.ORGANIZER
    assert account.password_hash.startswith("$argon2id$")
    assert HASHER.verify(account.password_hash, PASSWORD)
    assert not any(PASSWORD.encode() in file.read_bytes() for file in tmp_path.iterdir())
    (_, entry), *_ = kept(lambda store: store.audit())
    assert (entry.action, entry.target, entry.detail) == ("account.add", "huong", "organizer")
    assert entry.actor.startswith("console:")


def test_accounts_are_listed_with_what_they_are(invoke: Invoke) -> None:
    add(invoke)
    add(invoke, "an", "administrator")
    invoke("accounts", "disable", "huong")
    first, second = invoke("accounts", "list").stdout.splitlines()
    assert re.fullmatch(r"an +administrator +enabled +since \d{4}-\d\d-\d\d \d\d:\d\d", first)
    assert re.match(r"huong +organizer +disabled ", second)


@pytest.mark.parametrize(
    ("arguments", "role", "disabled", "same_password"),
    [
        (("disable", "huong"), Role.ORGANIZER, True, True),
        (("role", "huong", "wall"), Role.WALL, False, True),
        (("password", "huong", "--password-file", "-"), Role.ORGANIZER, False, False),
    ],
)
def test_a_change_ends_the_sessions(
    invoke: Invoke,
    kept: Any,
    arguments: tuple[str, ...],
    role: Role,
    disabled: bool,  # noqa: FBT001
    same_password: bool,  # noqa: FBT001
) -> None:
    add(invoke)
    session = Session(digest="d", account="huong", csrf="c", created_at=1.0, expires_at=4e9)
    kept(lambda store: store.add_session(session))
    assert invoke("accounts", *arguments, typed="another password\n").exit_code == 0
    account: Account = kept(lambda store: store.account("huong"))
    assert (account.role, account.disabled) == (role, disabled)
    assert HASHER.verify(account.password_hash, PASSWORD if same_password else "another password")
    assert kept(lambda store: store.session("d")) is None
    (_, entry), *_ = kept(lambda store: store.audit())
    assert entry.action == f"account.{arguments[0]}"


def test_an_account_is_enabled_again(invoke: Invoke, kept: Any) -> None:
    add(invoke)
    invoke("accounts", "disable", "huong")
    assert invoke("accounts", "enable", "huong").exit_code == 0
    assert not kept(lambda store: store.account("huong")).disabled


@pytest.mark.parametrize(
    ("name", "password", "message"),
    [
        ("Hương", PASSWORD, "a name begins with a letter"),
        ("x", PASSWORD, "a name begins with a letter"),
        ("proxy:a", PASSWORD, "a name begins with a letter"),
        ("huong", "too short", "expected a password of 10 to 256 characters, got 9"),
        ("huong", "x" * 300, "expected a password of 10 to 256 characters, got 300"),
        ("huong", "aaaaaaaaaaaa", "at least 5 different characters"),
        ("huong", "", "expected a password of 10 to 256 characters, got 0"),
    ],
)
def test_what_may_not_be_is_said(invoke: Invoke, kept: Any, name: str, password: str, message: str) -> None:
    result = add(invoke, name, password=password)
    assert result.exit_code != 0
    assert message in result.stderr
    assert kept(lambda store: store.accounts()) == []


def test_nobody_is_asked_where_nobody_is(invoke: Invoke) -> None:
    result = invoke("accounts", "add", "huong", "--role", "organizer", typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert result.exit_code == 2
    assert "--password-file" in result.stderr


@pytest.mark.parametrize("arguments", [("disable", "nobody"), ("role", "nobody", "wall"), ("enable", "nobody")])
def test_who_is_not_there_cannot_be_changed(invoke: Invoke, arguments: tuple[str, ...]) -> None:
    result = invoke("accounts", *arguments)
    assert result.exit_code == 1
    assert "there is no account nobody" in result.stderr


def test_a_name_is_given_once(invoke: Invoke, kept: Any) -> None:
    add(invoke)
    result = add(invoke, role="administrator")
    assert "there is an account huong" in result.stderr
    assert kept(lambda store: store.account("huong")).role is Role.ORGANIZER


def test_a_store_that_cannot_be_opened_says_so(invoke: Invoke) -> None:
    result = invoke("accounts", "--store", "mysql://somewhere/db", "list")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.stderr


def test_a_token_is_shown_once_and_kept_as_its_digest(invoke: Invoke, kept: Any) -> None:
    shown = invoke("tokens", "add", "dashboard", "--role", "wall", "--expires", "30d").stdout.strip()
    assert re.fullmatch(r"dct_[\w-]{43}", shown)
    (token,) = kept(lambda store: store.tokens())
    assert isinstance(token, ApiToken)
    assert (token.digest, token.role, token.revoked) == (digest_of(shown), Role.WALL, False)
    assert token.expires_at == pytest.approx(token.created_at + 30 * 86_400)
    listed = invoke("tokens", "list").stdout
    assert re.match(r"dashboard +wall +holds until ", listed)
    assert shown not in listed


def test_a_token_is_revoked(invoke: Invoke, kept: Any) -> None:
    invoke("tokens", "add", "dashboard", "--role", "organizer")
    assert re.match(r"dashboard +organizer +holds since ", invoke("tokens", "list").stdout)
    assert invoke("tokens", "revoke", "dashboard").exit_code == 0
    assert re.match(r"dashboard +organizer +revoked", invoke("tokens", "list").stdout)
    trail: list[tuple[int, AuditEntry]] = kept(lambda store: store.audit())
    assert [entry.action for _, entry in trail] == ["token.revoke", "token.add"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("add", "dash", "--role", "wall", "--expires", "soon"), "'soon' is no duration"),
        (("add", "dash", "--role", "wall", "--expires", "0s"), "'0s' is no duration"),
        (("add", "D", "--role", "wall"), "a name begins with a letter"),
        (("add", "dash", "--role", "boss"), "is not one of 'wall'"),
        (("revoke", "dash"), "there is no token dash"),
    ],
)
def test_a_token_that_may_not_be_is_refused(invoke: Invoke, arguments: tuple[str, ...], message: str) -> None:
    result = invoke("tokens", *arguments)
    assert result.exit_code != 0
    assert message in result.stderr
