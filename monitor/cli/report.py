"""``diemcau report``: the report to the People's Committee, from a count that was frozen."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from monitor.cli.report_incidents import command as incidents
from monitor.cli.run import state_directory
from monitor.configuration import report as letterhead_file
from monitor.configuration.errors import Errors
from monitor.core.organization import Letterhead, ReportForm
from monitor.core.records import NotRecorded
from monitor.core.snapshot import Content, Snapshot, read
from monitor.report import TABLES, report, table_csv

if TYPE_CHECKING:
    from monitor.store import Store

POINTS = "points"
NONE = (
    "no count has been frozen in {where}: one is at the deadline, by itself, while `diemcau run` runs on this store; "
    "or freeze one now on the page /snapshots. Another store is named with --state or --store"
)
FORGED = (
    "snapshot {number} is not what was taken: its content does not have the digest {digest}. Take the file from a "
    "backup, or write it all the same with --force"
)


@click.group("report", invoke_without_command=True)
@click.option(
    "--config",
    default="config",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Directory with report.yaml: agency, number, signer.",
)
@click.option(
    "--state",
    default=state_directory,
    show_default="$DIEMCAU_STATE, $STATE_DIRECTORY or ~/.local/state/diemcau",
    type=click.Path(path_type=Path),
    help="Directory of the store: that of `diemcau run`.",
)
@click.option(
    "--store",
    "url",
    default="",
    envvar="DIEMCAU_STORE",
    metavar="URL",
    help="The store itself, if it is not in the state directory.",
)
@click.option("--snapshot", "number", type=click.IntRange(1), metavar="N", help="Which one; the newest when left out.")
@click.option(
    "--form",
    type=click.Choice([form.value for form in ReportForm]),
    help="What to write; by the ending of --output when left out, else docx.",
)
@click.option("--table", type=click.Choice(list(TABLES)), default=POINTS, show_default=True, help="Which one, as csv.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True),
    help="Where to; - for standard output. bao-cao-N.FORM here when left out.",
)
@click.option("--force", is_flag=True, help="Write it though the snapshot is not what was taken; overwrite a file.")
@click.pass_context
def command(
    ctx: click.Context,
    config: Path,
    state: Path,
    url: str,
    number: int | None,
    form: str | None,
    table: str,
    output: str | None,
    *,
    force: bool,
) -> None:
    """Write the report to the People's Committee, from a snapshot of the count.

    DOCX is laid out after Nghị định 30/2020/NĐ-CP, to be edited and signed; XLSX has all tables, CSV one of them. The
    service need not run, and of the configuration only report.yaml is read.

    \b
    Examples:
      diemcau report
      diemcau report --snapshot 3 --output bao-cao.xlsx
      diemcau report --form csv --table districts --output -
    """  # noqa: D301
    if ctx.invoked_subcommand is not None:
        return
    letterhead = _letterhead(config)
    chosen = _form(form, output)
    if table != POINTS and chosen is not ReportForm.CSV:
        raise click.UsageError("--table chooses what is written as csv: say --form csv, too")
    snapshot = _snapshot(state, url, number)
    _check(snapshot, force=force)
    content = _content(snapshot)
    made = table_csv(content, table) if chosen is ReportForm.CSV else report(content, letterhead, chosen, snapshot)
    written = write(made, output or f"bao-cao-{snapshot.number:02d}.{chosen}", force=force)
    click.echo(_told(written, len(made), snapshot, content), err=True)


command.add_command(incidents)


def _letterhead(config: Path) -> Letterhead:
    """What report.yaml says, or every error of it."""
    errors = Errors()
    if not config.is_dir():
        raise click.ClickException(f"{config} is no directory: name that of `diemcau run` with --config")
    letterhead = letterhead_file.read(config, errors)
    if letterhead is None:
        click.echo(str(errors.invalid()), err=True)
        raise click.ClickException(f"{errors.total} errors in {config / letterhead_file.FILE}")
    return letterhead


def _form(form: str | None, output: str | None) -> ReportForm:
    ending = Path(output or "").suffix.removeprefix(".").lower()
    return ReportForm(form or (ending if ending in set(ReportForm) else ReportForm.DOCX))


def _snapshot(state: Path, url: str, number: int | None) -> Snapshot:
    """The snapshot that is asked for; a store that is not there is not made."""
    from monitor.store import StoreUnusable, default_url  # noqa: PLC0415 - SQLAlchemy takes its time

    where = "the store" if url else str(state)
    if _is_missing(url or default_url(state)):
        raise click.ClickException(NONE.format(where=where))
    try:
        found, known = asyncio.run(_fetch(url or default_url(state), number))
    except (StoreUnusable, NotRecorded) as reason:
        raise click.ClickException(str(reason)) from None
    if found is None and known:
        raise click.ClickException(f"there is no snapshot {number}: the newest is {known[0]}, of {len(known)}")
    if found is None:
        raise click.ClickException(NONE.format(where=where))
    return found


def _is_missing(url: str) -> bool:
    """Whether it names a file that is not there."""
    path = url.removeprefix("sqlite:///")
    return "://" not in path and not Path(path).is_file()


async def _fetch(url: str, number: int | None) -> tuple[Snapshot | None, list[int]]:
    """The snapshot, and the numbers of all, the newest first."""
    from monitor.store import Store  # noqa: PLC0415

    store = await Store.open(url)
    try:
        return await _among(store, number)
    finally:
        await store.close()


async def _among(store: "Store", number: int | None) -> tuple[Snapshot | None, list[int]]:
    known = [head.number for head in await store.snapshots()]
    wanted = number if number is not None else next(iter(known), None)
    return (None if wanted is None else await store.snapshot(wanted)), known


def _check(snapshot: Snapshot, *, force: bool) -> None:
    if snapshot.genuine:
        return
    told = FORGED.format(number=snapshot.number, digest=snapshot.digest)
    if not force:
        raise click.ClickException(told)
    click.echo(f"Warning: {told}", err=True)


def _content(snapshot: Snapshot) -> Content:
    try:
        return read(snapshot.content)
    except msgspec.DecodeError as error:
        raise click.ClickException(f"snapshot {snapshot.number} cannot be read by this version: {error}") from None


def write(made: bytes, output: str, *, force: bool) -> str:
    """Write it whole or not at all, and never over another one unasked; what to call where it went."""
    if output == "-":
        sys.stdout.buffer.write(made)
        return "standard output"
    target = Path(output)
    if target.exists() and not force:
        raise click.ClickException(f"{target} is there already: somebody may have edited it. Overwrite it with --force")
    draft = target.with_name(f".{target.name}.new")
    try:
        draft.write_bytes(made)
        draft.replace(target)
    except OSError as error:
        raise click.ClickException(f"{target}: {error.strerror or error}") from None
    return str(target)


def _told(where: str, size: int, snapshot: Snapshot, content: Content) -> str:
    total = content.total
    return (
        f"{where}: {size / 1000:,.0f} kB, snapshot {snapshot.number} of {content.taken_at}"
        f"{' (taken while the monitor was blind)' if content.blind else ''}\n"
        f"{total.ready:,} of {total.expected:,} points ready, {total.delegates:,} delegates, "
        f"{total.attendees:,} people\n"
        f"SHA-256 {snapshot.digest}"
    )
