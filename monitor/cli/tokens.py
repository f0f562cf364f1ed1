"""``diemcau tokens``: the tokens of programs that ask the API. Each is shown once; the store keeps its SHA-256."""

import secrets
import time
from pathlib import Path

import click
import msgspec

from monitor.cli.accounts import ROLES, Office, audit_entry, state_option, store_option, written
from monitor.configuration.decode import UNITS
from monitor.core.access import ApiToken, Role
from monitor.core.records import Records
from monitor.store import default_url
from monitor.web.access import TOKEN_PREFIX, digest_of
from monitor.web.signin import ACCOUNT_NAME

SECRET_BYTES = 32


def lasting(_ctx: click.Context, _param: click.Parameter, text: str | None) -> float | None:
    """Seconds of ``30d`` or ``12h``; refuses what is none, and zero."""
    span = UNITS["_s"].read(text) if text is not None else None
    if text is not None and not span:
        raise click.BadParameter(f"{text!r} is no duration such as 30d or 12h")
    return span


@click.group()
@state_option
@store_option
@click.pass_context
def command(ctx: click.Context, state: Path, store: str) -> None:
    """Add, list, revoke the tokens of programs that ask the API.

    \b
      diemcau tokens add dashboard --role wall --expires 30d
      curl -H "Authorization: Bearer dct_…" https://dc.example.vn/api/v1/readiness
      diemcau tokens revoke dashboard
    """  # noqa: D301
    ctx.obj = Office(store or default_url(state))


@command.command()
@click.argument("name")
@click.option("--role", type=ROLES, required=True, help="What the program may do.")
@click.option("--expires", default=None, callback=lasting, help="How long it holds, as 30d. [default: for good]")
@click.pass_obj
def add(office: Office, name: str, role: str, expires: float | None) -> None:
    """Make a token, and print it: it is never shown again."""
    if not ACCOUNT_NAME.fullmatch(name):
        raise click.UsageError("a name begins with a letter and has 2 to 32 of: a-z 0-9 . _ -")
    secret, now = TOKEN_PREFIX + secrets.token_urlsafe(SECRET_BYTES), time.time()
    expires_at = now + expires if expires is not None else None

    async def work(records: Records) -> None:
        if any(token.name == name for token in await records.tokens()):
            raise click.ClickException(f"there is a token {name}; give the new one a name of its own")
        made = ApiToken(name=name, digest=digest_of(secret), role=Role(role), created_at=now, expires_at=expires_at)
        await records.put_token(made, audit_entry("token.add", name, role))

    office.do(work)
    click.echo(secret)


@command.command(name="list")
@click.pass_obj
def list_tokens(office: Office) -> None:
    """All tokens, by name; what they are made of is kept nowhere."""
    for token in office.do(lambda records: records.tokens()):
        click.echo(f"{token.name:32} {token.role:14} {_state(token, time.time())}")


@command.command()
@click.argument("name")
@click.pass_obj
def revoke(office: Office, name: str) -> None:
    """Let a token hold no more; a running service heeds it within seconds."""

    async def work(records: Records) -> None:
        token = next((each for each in await records.tokens() if each.name == name), None)
        if token is None:
            raise click.ClickException(f"there is no token {name}; `diemcau tokens list` shows all")
        await records.put_token(msgspec.structs.replace(token, revoked=True), audit_entry("token.revoke", name))

    office.do(work)
    click.echo(f"{name} is revoked", err=True)


def _state(token: ApiToken, now: float) -> str:
    if token.revoked:
        return "revoked"
    if token.expires_at is None:
        return f"holds since {written(token.created_at)}"
    return f"{'holds' if now < token.expires_at else 'has expired,'} until {written(token.expires_at)}"
