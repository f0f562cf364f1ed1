"""``diemcau links``: the links to the points' own pages, their sheets of QR codes, and which of them hold."""

import csv
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import click
import msgspec
import yaml

from monitor.cli.run import state_directory
from monitor.configuration import Configuration, InvalidConfiguration, load
from monitor.configuration.links import FILE, LinkPolicy, SecretUnusable, link_secret
from monitor.core.model import Inventory, Point, Tier
from monitor.report.cards import Card, Sheet, pdf
from monitor.web.links import Links

PROVINCE = "cấp tỉnh"
WRITTEN = """\
# Which links to points' own pages hold. Written by `diemcau links`; in force after a reload (SIGHUP, POST /-/reload).
#   generation    of all links: raising it makes every link that was handed out before as good as forged
#   generations   of single points' links
#   revoked       points whose links do not hold at all
"""
RELOAD = "In force after a reload: send SIGHUP to the service, or POST to its /-/reload."


class Office(msgspec.Struct):
    """What every subcommand works with."""

    directory: Path
    state: Path
    configuration: Configuration


@click.group(invoke_without_command=True)
@click.option(
    "--config",
    default="config",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Directory with points.csv and the rest.",
)
@click.option(
    "--state",
    default=state_directory,
    show_default="$DIEMCAU_STATE, $STATE_DIRECTORY or ~/.local/state/diemcau",
    type=click.Path(path_type=Path),
    help="Directory with the secret that signs the links: that of `diemcau run`.",
)
@click.option(
    "--external-url",
    default="",
    metavar="URL",
    help="Where the points reach the service, such as https://dc.example.vn.",
)
@click.option("--commune", multiple=True, metavar="CODE", help="Only points of this commune. Repeatable.")
@click.option("--district", multiple=True, metavar="CODE", help="Only points of this district. Repeatable.")
@click.option(
    "--tier", type=click.Choice([tier.value for tier in Tier]), multiple=True, help="Only this tier. Repeatable."
)
@click.option("--point", multiple=True, metavar="ID", help="Only this point. Repeatable.")
@click.option(
    "--pdf", "pdf_file", type=click.Path(path_type=Path, dir_okay=False), help="Write sheets of QR codes here."
)
@click.pass_context
def command(
    ctx: click.Context,
    config: Path,
    state: Path,
    external_url: str,
    commune: tuple[str, ...],
    district: tuple[str, ...],
    tier: tuple[str, ...],
    point: tuple[str, ...],
    pdf_file: Path | None,
) -> None:
    """Print the links to the points' own pages, as CSV; or make sheets of QR codes of them, by commune.

    A technician opens the link, or the code, on the laptop or phone at the site: no account. Whoever has a link may
    speak for its point, so hand it out as a key. The secret that signs them stays in the state directory; keep it.

    \b
    Examples:
      diemcau links --external-url https://dc.example.vn > links.csv
      diemcau links --external-url https://dc.example.vn --district 386 --pdf ba-thuoc.pdf
      diemcau links revoke x-14869
      diemcau links rotate --all
    """  # noqa: D301
    office = Office(config, state, _load(config))
    ctx.obj = office
    if ctx.invoked_subcommand is not None:
        return
    base = _base(external_url)
    inventory = office.configuration.inventory
    chosen = _chosen(inventory, {"id": point, "commune_code": commune, "district_code": district, "tier": tier})
    links = _links(office)
    link_of: Callable[[Point], str] = lambda each: f"{base}/p/{links.token(each.id)}"  # noqa: E731
    if pdf_file is None:
        _print(chosen, inventory, link_of)
    else:
        _write_pdf(pdf_file, chosen, office.configuration, link_of)


@command.command()
@click.argument("points", nargs=-1, metavar="[POINT]...")
@click.option("--all", "everyone", is_flag=True, help="All links at once.")
@click.pass_obj
def rotate(office: Office, points: tuple[str, ...], everyone: bool) -> None:  # noqa: FBT001
    """Make the links of these points, or all links, anew: those handed out before no longer hold."""
    if bool(points) is everyone:
        raise click.UsageError("name the points, or say --all")
    policy = office.configuration.links
    generations = {**policy.generations, **{each: policy.generations.get(each, 0) + 1 for each in points}}
    _store(
        office,
        msgspec.structs.replace(policy, generation=policy.generation + everyone, generations=generations),
        points,
    )


@command.command()
@click.argument("points", nargs=-1, required=True, metavar="POINT...")
@click.pass_obj
def revoke(office: Office, points: tuple[str, ...]) -> None:
    """Let the links of these points hold no more, until they are restored."""
    policy = office.configuration.links
    _store(office, msgspec.structs.replace(policy, revoked=tuple(dict.fromkeys([*policy.revoked, *points]))), points)


@command.command()
@click.argument("points", nargs=-1, required=True, metavar="POINT...")
@click.pass_obj
def restore(office: Office, points: tuple[str, ...]) -> None:
    """Let the links of these points hold again. Where one was stolen, rotate it first."""
    policy = office.configuration.links
    _store(office, msgspec.structs.replace(policy, revoked=tuple(set(policy.revoked) - set(points))), points)


def _load(config: Path) -> Configuration:
    try:
        return load(config)
    except InvalidConfiguration as invalid:
        for error in invalid.errors:
            click.echo(str(error), err=True)
        raise click.ClickException(f"{invalid.total} errors in {config}") from None


def _base(external_url: str) -> str:
    parts = urlsplit(external_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.UsageError(
            "say where the points reach the service: --external-url https://… (browsers keep a screen awake only there)"
        )
    return external_url.rstrip("/")


def _links(office: Office) -> Links:
    policy = office.configuration.links
    try:
        secret = link_secret(office.state)
    except SecretUnusable as unusable:
        raise click.ClickException(str(unusable)) from None
    return Links(secret, policy.generation, policy.generations, frozenset(policy.revoked))


def _chosen(inventory: Inventory, wanted: dict[str, tuple[str, ...]]) -> list[Point]:
    """The points that take part and fit everything that was asked for."""
    unknown = [name for name in wanted["id"] if name not in inventory.points]
    if unknown:
        raise click.UsageError(f"no point has the id {', '.join(unknown)}")
    found = [
        point
        for point in inventory.points.values()
        if point.expected and all(getattr(point, name) in values for name, values in wanted.items() if values)
    ]
    if not found:
        raise click.ClickException("no point that takes part fits")
    return found


def _print(points: Iterable[Point], inventory: Inventory, link_of: Callable[[Point], str]) -> None:
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(("id", "name", "tier", "district", "commune_code", "link"))
    for point in points:
        district = inventory.district_name(point.district_code)
        rows.writerow((point.id, point.name, point.tier, district, point.commune_code or "", link_of(point)))


def _write_pdf(
    target: Path, points: Sequence[Point], configuration: Configuration, link_of: Callable[[Point], str]
) -> None:
    sheets = list(_sheets(points, configuration.inventory, link_of))
    with click.progressbar(length=len(points), label="Drawing", file=sys.stderr) as progress:
        document = pdf(configuration.ceremony.title, sheets, progress.update)
    try:
        target.write_bytes(document)
    except OSError as error:
        raise click.ClickException(f"{target}: {error.strerror or error}") from None
    click.echo(f"{target}: {len(points):,} codes of {len(sheets):,} places, {len(document) / 1e6:.1f} MB", err=True)


def _sheets(points: Iterable[Point], inventory: Inventory, link_of: Callable[[Point], str]) -> Iterable[Sheet]:
    """By commune; halls that belong to none by district, and those above them together."""
    places: dict[tuple[str, str], list[Card]] = {}
    for point in points:
        key = (point.district_code or "", point.commune_code or "")
        places.setdefault(key, []).append(Card(point.name, point.id, link_of(point)))
    names = {point.commune_code: point.name for point in inventory.points.values() if point.tier is Tier.COMMUNE}
    for (district, commune), cards in places.items():
        told = [names.get(commune, commune), inventory.district_name(district)]
        yield Sheet(", ".join(filter(None, told)) or PROVINCE, tuple(cards))


def _store(office: Office, policy: LinkPolicy, points: Sequence[str]) -> None:
    """Write links.yaml, whole or not at all."""
    unknown = [name for name in points if name not in office.configuration.inventory.points]
    if unknown:
        raise click.UsageError(f"no point has the id {', '.join(unknown)}")
    target, draft = office.directory / FILE, office.directory / f".{FILE}.new"
    content = {
        "generation": policy.generation,
        "generations": dict(policy.generations),
        "revoked": sorted(policy.revoked),
    }
    try:
        draft.write_text(WRITTEN + yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")
        draft.replace(target)
    except OSError as error:
        raise click.ClickException(f"{target}: {error.strerror or error}") from None
    click.echo(f"{target} written. {RELOAD}", err=True)
