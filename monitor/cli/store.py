"""``diemcau store``: a copy of what outlives a run, and back; what it holds, and how old that may be."""

import asyncio
import re
import time
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import TypeVar

import click

from monitor.cli.run import state_directory

T = TypeVar("T")

DAY_S = 86_400.0
UNITS_S = {"h": 3600.0, "d": DAY_S, "w": 7 * DAY_S}
OWED = ("check_ins", "audit")


class Age(click.ParamType[float]):
    """Such as ``90d``: hours, days or weeks; seconds."""

    name = "age"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """As the command line has it."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d{1,6})([hdw])", value)
        if found is None or not int(found[1]):
            self.fail(f'expected hours, days or weeks such as 48h, 90d or 12w, got "{value}"', param, ctx)
        return int(found[1]) * UNITS_S[found[2]]


@click.group()
@click.option(
    "--state",
    default=state_directory,
    show_default="$DIEMCAU_STATE, $STATE_DIRECTORY or ~/.local/state/diemcau",
    type=click.Path(path_type=Path),
    help="Directory of the store where no other is named: that of `diemcau run`.",
)
@click.option(
    "--store",
    "url",
    default="",
    envvar="DIEMCAU_STORE",
    metavar="URL",
    help="The store: postgresql://… or a file, a backup too. [default: diemcau.db in --state]",
)
@click.pass_context
def command(ctx: click.Context, state: Path, url: str) -> None:
    """Back up, restore and prune what outlives a run: check-ins, snapshots, incidents, accounts, the audit trail.

    A backup is one SQLite file, whatever the store is: it can be read with --store like any store, and restored to
    SQLite or to PostgreSQL. It holds hashes of passwords and tokens: keep it as the store itself.

    \b
    Examples:
      diemcau store backup /var/backups/diemcau-$(date +%F).db
      diemcau store --store postgresql://diemcau@db/diemcau restore /var/backups/diemcau-2025-05-07.db
      diemcau store prune --older-than 90d
      diemcau store info
    """  # noqa: D301
    from monitor.store import default_url  # noqa: PLC0415 - SQLAlchemy takes its time

    ctx.obj = url or default_url(state)


@command.command()
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--replace", is_flag=True, help="Overwrite a file that is there already.")
@click.pass_obj
def backup(url: str, target: Path, *, replace: bool) -> None:
    """Copy the store to a file, as it stands at one instant, while the service runs."""
    from monitor.store.backup import back_up  # noqa: PLC0415

    if target.exists() and not replace:
        raise click.ClickException(f"{target} is there already: name another file, or say --replace")
    counts = _run(back_up(url, target))
    click.echo(f"{target}: {sum(counts.values()):,} rows, {_megabytes(target)}", err=True)


@command.command()
@click.argument("source", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--replace", is_flag=True, help="Empty a store that holds something first.")
@click.pass_obj
def restore(url: str, source: Path, *, replace: bool) -> None:
    """Put a backup into the store, all of it or nothing. The service must be stopped."""
    from monitor.store.backup import restore as put_back  # noqa: PLC0415

    counts = _run(put_back(url, source, replace=replace))
    click.echo(f"{sum(counts.values()):,} rows restored from {source}", err=True)


@command.command()
@click.option("--older-than", required=True, type=Age(), metavar="AGE", help="Such as 48h, 90d or 12w.")
@click.option(
    "--also",
    multiple=True,
    type=click.Choice(OWED),
    help="Also what is otherwise kept for good. Repeatable. Snapshots always stay: each proves the one before it.",
)
@click.pass_obj
def prune(url: str, older_than: float, also: tuple[str, ...]) -> None:
    """Delete old transitions, trend, incidents that are over, acknowledgements, reminders and ended sessions.

    The service may run meanwhile. Room that is freed in a file is used again, but not given back.
    """
    _print(_run(_pruned(url, time.time() - older_than, also)), "deleted")


@command.command()
@click.pass_obj
def info(url: str) -> None:
    """Print where the store is, its revision, and how many rows each table holds. Changes nothing."""
    from monitor.store.database import read_url  # noqa: PLC0415

    found, newest, counts = _run(_described(url))
    known = read_url(url)
    backend = known.get_backend_name()
    shown = known.set(drivername=backend).render_as_string(hide_password=True)
    click.echo(shown if backend != "sqlite" else f"{known.database}, {_megabytes(Path(str(known.database)))}")
    older = "" if found == newest else f", brought up to {newest} when the service next opens it"
    click.echo(f"revision {found}{older}")
    _print(counts, "rows")


async def _pruned(url: str, before: float, also: tuple[str, ...]) -> Mapping[str, int]:
    from monitor.store import Store  # noqa: PLC0415
    from monitor.store.backup import existing  # noqa: PLC0415

    await (await existing(url)).close()  # one that is not there is not made
    async with await Store.open(url) as store:
        return await store.prune(before, also)


async def _described(url: str) -> tuple[str | None, str, Mapping[str, int]]:
    from monitor.store.backup import count, existing  # noqa: PLC0415
    from monitor.store.revision import newest, version  # noqa: PLC0415

    database = await existing(url)
    try:
        return await database.read(version), newest(), await database.export(count)
    finally:
        await database.close()


def _run(asked: Awaitable[T]) -> T:
    from monitor.core.records import NotRecorded  # noqa: PLC0415
    from monitor.store import StoreUnusable  # noqa: PLC0415

    async def main() -> T:
        return await asked

    try:
        return asyncio.run(main())
    except (StoreUnusable, NotRecorded) as reason:
        raise click.ClickException(str(reason)) from None


def _print(counts: Mapping[str, int], title: str) -> None:
    width = max(map(len, [*counts, "table"]))
    click.echo(f"{'table':<{width}}  {title:>12}")
    for name, number in sorted(counts.items()):
        click.echo(f"{name:<{width}}  {number:>12,}")


def _megabytes(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f} MB"
