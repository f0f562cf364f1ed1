"""``diemcau report incidents``: the report after the event."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click
import msgspec

from monitor.cli.run import state_directory

if TYPE_CHECKING:
    from monitor.core.incidents import Incident
    from monitor.core.model import Ceremony, PointChanged

ENDINGS = (".docx", ".xlsx")
BEFORE_S = 86_400.0
"""How points stood at the beginning is looked for so far back."""
MOST = 10_000_000
FORMS = ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d"]
NOTHING = (
    "nothing is known of {since} to {until} in {where}: no incident, and no point that changed. Another span is named "
    "with --from and --to, another store with --state or --store"
)


@click.command("incidents")
@click.option(
    "--config",
    default="config",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Directory of the ceremony: its points, its phases, report.yaml.",
)
@click.option(
    "--state",
    default=state_directory,
    show_default="$DIEMCAU_STATE, $STATE_DIRECTORY or ~/.local/state/diemcau",
    type=click.Path(path_type=Path),
    help="Directory of the store: that of `diemcau run`.",
)
@click.option("--store", "url", default="", envvar="DIEMCAU_STORE", metavar="URL", help="The store itself.")
@click.option(
    "--from", "since", type=click.DateTime(FORMS), help="Local time; the beginning of the second phase when left out."
)
@click.option(
    "--to", "until", type=click.DateTime(FORMS), help="The beginning of the last phase when left out, or now."
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("su-co.docx"),
    show_default=True,
    help="Where to; .docx or .xlsx.",
)
@click.option("--force", is_flag=True, help="Overwrite a file.")
def command(
    config: Path,
    state: Path,
    url: str,
    since: datetime | None,
    until: datetime | None,
    output: Path,
    *,
    force: bool,
) -> None:
    """Write what failed, who acted how soon, and how long halls were connected.

    Of each company: incidents, time until somebody acknowledged, time until all points were back. Availability leaves
    out what nobody observed, and counts merged points at their host. The service need not run.

    \b
    Examples:
      diemcau report incidents
      diemcau report incidents --from "2025-05-08 07:00" --to "2025-05-08 11:30" --output su-co.xlsx
    """  # noqa: D301
    from monitor.cli.report import write  # noqa: PLC0415 - it imports this module
    from monitor.configuration import InvalidConfiguration, load  # noqa: PLC0415
    from monitor.core.aftermath import look_back  # noqa: PLC0415
    from monitor.report import aftermath  # noqa: PLC0415 - python-docx takes its time
    from monitor.store import default_url  # noqa: PLC0415

    if output.suffix.lower() not in ENDINGS:
        raise click.UsageError(f"--output must end in {' or '.join(ENDINGS)}, got {output.name!r}")
    try:
        loaded = load(config)
    except InvalidConfiguration as invalid:
        click.echo(str(invalid), err=True)
        raise click.ClickException(f"{invalid.total} errors in {config}") from None
    begins_at, ends_at = span(loaded.ceremony, since, until, datetime.now().astimezone().timestamp())
    incidents, changes = _kept(url or default_url(state), begins_at, ends_at)
    found = look_back(loaded.inventory, incidents, changes, begins_at, ends_at)
    if not found.cases and found.total.observed_s == 0:
        zone = ZoneInfo(loaded.ceremony.timezone)
        told = (f"{datetime.fromtimestamp(at, zone):%Y-%m-%d %H:%M}" for at in (begins_at, ends_at))
        raise click.ClickException(NOTHING.format(since=next(told), until=next(told), where=url or state))
    write_as = aftermath.document if output.suffix.lower() == ".docx" else aftermath.workbook
    made = write_as(found, loaded.inventory, loaded.ceremony, loaded.letterhead)
    where = write(made, str(output), force=force)
    share = f"{found.total.ratio:.2%}" if found.total.ratio is not None else "-"
    click.echo(f"{where}: {len(found.cases):,} incidents; points were connected {share} of the time observed", err=True)


def span(ceremony: "Ceremony", since: datetime | None, until: datetime | None, now: float) -> tuple[float, float]:
    """From when to when (Unix time), in the ceremony's own zone. Raises UsageError where that is no span."""
    zone = ZoneInfo(ceremony.timezone)
    phases = ceremony.phases
    first, last = phases[min(1, len(phases) - 1)].starts_at, phases[-1].starts_at
    begins_at = since.replace(tzinfo=zone).timestamp() if since is not None else first
    default_end = min(now, last) if last > begins_at else now
    ends_at = until.replace(tzinfo=zone).timestamp() if until is not None else default_end
    if ends_at <= begins_at:
        told = (f"{datetime.fromtimestamp(at, zone):%Y-%m-%d %H:%M}" for at in (begins_at, ends_at))
        raise click.UsageError(
            f"the span ends before it begins: from {next(told)} to {next(told)}; see --from and --to"
        )
    return begins_at, ends_at


def _kept(url: str, begins_at: float, ends_at: float) -> "tuple[list[Incident], list[PointChanged]]":
    from monitor.core.records import NotRecorded  # noqa: PLC0415
    from monitor.store import StoreUnusable  # noqa: PLC0415

    path = url.removeprefix("sqlite:///")
    if "://" not in path and not Path(path).is_file():
        raise click.ClickException(f"there is no store {path}: name that of `diemcau run` with --state or --store")
    try:
        return asyncio.run(_read(url, begins_at, ends_at))
    except (StoreUnusable, NotRecorded) as reason:
        raise click.ClickException(str(reason)) from None


async def _read(url: str, begins_at: float, ends_at: float) -> "tuple[list[Incident], list[PointChanged]]":
    from monitor.core.incidents import Incident  # noqa: PLC0415
    from monitor.store import Store  # noqa: PLC0415

    store = await Store.open(url)
    try:
        bodies = await store.incidents(0.0)
        changes = await store.transitions(since=begins_at - BEFORE_S, until=ends_at, limit=MOST)
    finally:
        await store.close()
    try:
        return [msgspec.msgpack.decode(body, type=Incident) for body in bodies], changes
    except msgspec.DecodeError as error:
        raise click.ClickException(f"an incident cannot be read by this version: {error}") from None
