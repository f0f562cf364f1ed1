"""``diemcau accounts``: who may sign in, and as what. A running service heeds a change within seconds."""

import asyncio
import getpass
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TextIO, TypeVar

import click
import msgspec

from monitor.cli.run import state_directory
from monitor.core.access import Account, AuditEntry, Role
from monitor.core.records import NotRecorded, Records
from monitor.store import Store, StoreUnusable, default_url
from monitor.web.passwords import LONGEST, hashed, problem
from monitor.web.signin import ACCOUNT_NAME

T = TypeVar("T")
ROLES = click.Choice([role.value for role in Role])


class Office(msgspec.Struct):
    """What every subcommand works with."""

    url: str
    """Of the store."""

    def do(self, work: Callable[[Records], Awaitable[T]]) -> T:
        """Some work on the open store; its failures are the command's."""
        try:
            return asyncio.run(self._do(work))
        except (StoreUnusable, NotRecorded) as error:
            raise click.ClickException(str(error)) from None

    async def _do(self, work: Callable[[Records], Awaitable[T]]) -> T:
        store = await Store.open(self.url)
        try:
            return await work(store)
        finally:
            await store.close()


state_option = click.option(
    "--state",
    default=state_directory,
    show_default="$DIEMCAU_STATE, $STATE_DIRECTORY or ~/.local/state/diemcau",
    type=click.Path(path_type=Path),
    help="Directory with the store: that of `diemcau run`.",
)
store_option = click.option(
    "--store",
    default="",
    envvar="DIEMCAU_STORE",
    metavar="URL",
    help="The store, where `diemcau run` has another: postgresql://… or a file. [default: diemcau.db in --state]",
)
password_option = click.option(
    "--password-file",
    type=click.File(encoding="utf-8"),
    help="Read the password from a file's first line; - for standard input. Asked for otherwise.",
)


@click.group()
@state_option
@store_option
@click.pass_context
def command(ctx: click.Context, state: Path, store: str) -> None:
    """Add, list, disable the accounts that people sign in with; change passwords and roles.

    \b
      diemcau accounts add huong --role organizer
      diemcau accounts list
      diemcau accounts disable huong

    Roles: wall (looks), organizer (checks in, freezes the count, reminds), technician (works the incidents, reloads),
    administrator (everything, and the audit trail). A session of a disabled account ends within seconds.
    """  # noqa: D301
    ctx.obj = Office(store or default_url(state))


@command.command()
@click.argument("name")
@click.option("--role", type=ROLES, required=True)
@password_option
@click.pass_obj
def add(office: Office, name: str, role: str, password_file: TextIO | None) -> None:
    """Add an account. Its password is asked for, or read from a file; it is no argument, which others could see."""
    if not ACCOUNT_NAME.fullmatch(name):
        raise click.UsageError("a name begins with a letter and has 2 to 32 of: a-z 0-9 . _ -")

    async def work(records: Records) -> None:
        if await records.account(name) is not None:
            raise click.ClickException(f"there is an account {name}; change it with `password`, `role`, `enable`")
        password = hashed(_password(password_file))
        made = Account(name=name, password_hash=password, role=Role(role), created_at=time.time())
        await records.put_account(made, audit_entry("account.add", name, role))

    office.do(work)
    click.echo(f"{name} added as {role}", err=True)


@command.command(name="list")
@click.pass_obj
def list_accounts(office: Office) -> None:
    """All accounts, by name."""
    for account in office.do(lambda records: records.accounts()):
        state = "disabled" if account.disabled else "enabled"
        click.echo(f"{account.name:32} {account.role:14} {state:9} since {written(account.created_at)}")


@command.command()
@click.argument("name")
@password_option
@click.pass_obj
def password(office: Office, name: str, password_file: TextIO | None) -> None:
    """Give an account another password; its sessions end."""
    _change(office, name, "account.password", "", lambda: {"password_hash": hashed(_password(password_file))})
    click.echo(f"{name} has another password", err=True)


@command.command()
@click.argument("name")
@click.argument("role", type=ROLES)
@click.pass_obj
def role(office: Office, name: str, role: str) -> None:
    """Give an account another role; its sessions end."""
    _change(office, name, "account.role", role, lambda: {"role": Role(role)})
    click.echo(f"{name} is {role} now", err=True)


@command.command()
@click.argument("name")
@click.pass_obj
def disable(office: Office, name: str) -> None:
    """Let nobody sign in with it, and end its sessions."""
    _change(office, name, "account.disable", "", lambda: {"disabled": True})
    click.echo(f"{name} is disabled", err=True)


@command.command()
@click.argument("name")
@click.pass_obj
def enable(office: Office, name: str) -> None:
    """Let it in again, with the password that it had."""
    _change(office, name, "account.enable", "", lambda: {"disabled": False})
    click.echo(f"{name} is enabled", err=True)


def audit_entry(action: str, target: str, detail: str = "") -> AuditEntry:
    """The trace of what is done at the console."""
    return AuditEntry(at=time.time(), actor=f"console:{_user()}", action=action, target=target, detail=detail)


def written(at: float) -> str:
    """An instant, on this machine's clock."""
    return f"{datetime.fromtimestamp(at).astimezone():%Y-%m-%d %H:%M}"


def _change(office: Office, name: str, action: str, detail: str, change: Callable[[], dict[str, object]]) -> None:
    """Change an account that is there."""

    async def work(records: Records) -> None:
        account = await records.account(name)
        if account is None:
            raise click.ClickException(f"there is no account {name}; `diemcau accounts list` shows all")
        await records.put_account(msgspec.structs.replace(account, **change()), audit_entry(action, name, detail))

    office.do(work)


def _password(file: TextIO | None) -> str:
    """From the file, or asked for twice, unseen."""
    if file is not None:
        chosen = file.readline(4 * LONGEST).rstrip("\r\n")
    elif sys.stdin.isatty():
        chosen = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        raise click.UsageError("nobody is there to be asked: name a file with --password-file, or - for standard input")
    if why := problem(chosen):
        raise click.ClickException(why)
    return chosen


def _user() -> str:
    """Who sits at the console, by the system's word."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
