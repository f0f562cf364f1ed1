"""``diemcau links``: the links of points, coordinators and the wall, their QR codes, and which of them hold."""

import csv
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from urllib.parse import urlsplit

import click
import msgspec
import yaml

from monitor.cli.run import state_directory
from monitor.configuration import Configuration, InvalidConfiguration, load
from monitor.configuration.links import FILE, LinkPolicy, SecretUnusable, link_secret, names
from monitor.core.model import Inventory, Point, Tier
from monitor.core.organization import scopes_of
from monitor.report.cards import COORDINATOR_STEPS, COORDINATORS, Card, Sheet, pdf
from monitor.web.links import Links

PROVINCE = "cấp tỉnh"
WRITTEN = """\
# Which of the signed links hold. Written by `diemcau links`; in force after a reload (SIGHUP, POST /-/reload).
#   generation    of all links: raising it makes every link that was handed out before as good as forged
#   generations   of single links: a point's (its id), a coordinator's (district:386, commune:14869), the wall's (wall)
#   revoked       those whose links do not hold at all
"""
RELOAD = "In force after a reload: send SIGHUP to the service, or POST to its /-/reload."


LEVELS = ("district", "commune")

pdf_option = click.option(
    "--pdf", "pdf_file", type=click.Path(path_type=Path, dir_okay=False), help="Write sheets of QR codes here."
)


class Office(msgspec.Struct):
    """What every subcommand works with."""

    directory: Path
    state: Path
    configuration: Configuration
    external_url: str
    wanted: dict[str, tuple[str, ...]]
    """Attribute of a point → the values that were asked for; none for all."""


class Desk(msgspec.Struct, frozen=True):
    """Whom a coordinator's link is for."""

    scope: str
    district: str
    place: str
    title: str
    """As the configuration has it; empty where it has none."""
    points: int
    """How many that take part it speaks for."""


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
@pdf_option
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
      diemcau links --external-url https://dc.example.vn --district 386 coordinators --level commune
      diemcau links --external-url https://dc.example.vn wall
      diemcau links revoke x-14869 district:386
      diemcau links rotate --all
    """  # noqa: D301
    wanted = {"id": point, "commune_code": commune, "district_code": district, "tier": tier}
    office = Office(config, state, _load(config), external_url, wanted)
    ctx.obj = office
    if ctx.invoked_subcommand is not None:
        return
    base = _base(office)
    inventory = office.configuration.inventory
    chosen = _chosen(inventory, office.wanted)
    links = _links(office)
    link_of: Callable[[Point], str] = lambda each: f"{base}/p/{links.token(each.id)}"  # noqa: E731
    if pdf_file is None:
        _print(chosen, inventory, link_of)
    else:
        _write_pdf(pdf_file, list(_sheets(chosen, inventory, link_of)), office)


@command.command()
@click.option("--level", type=click.Choice(LEVELS), multiple=True, help="Only of this level. Repeatable.")
@pdf_option
@click.pass_obj
def coordinators(office: Office, level: tuple[str, ...], pdf_file: Path | None) -> None:
    """Print the links of coordinators, who report for the points of their district or commune; or their QR codes.

    The options of `links` choose the points: of every district and commune that has one of them there is a link.
    """
    base, links = _base(office), _links(office)
    desks = _desks(office, level or LEVELS)
    link_of: Callable[[Desk], str] = lambda each: f"{base}/c/{links.coordinator_token(each.scope)}"  # noqa: E731
    if pdf_file is None:
        _print_desks(desks, link_of)
    else:
        _write_pdf(pdf_file, list(_desk_sheets(desks, link_of)), office)


@command.command()
@click.pass_obj
def wall(office: Office) -> None:
    """Print the link of the screens on the wall: whoever has it may look at every page, and change nothing."""
    click.echo(f"{_base(office)}/wall/{_links(office).wall_token()}")


@command.command()
@click.argument("points", nargs=-1, metavar="[POINT|SCOPE|wall]...")
@click.option("--all", "everyone", is_flag=True, help="All links at once.")
@click.pass_obj
def rotate(office: Office, points: tuple[str, ...], everyone: bool) -> None:  # noqa: FBT001
    """Make the links of these points or coordinators (district:386), or all, anew: former ones no longer hold."""
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
@click.argument("points", nargs=-1, required=True, metavar="POINT|SCOPE|wall...")
@click.pass_obj
def revoke(office: Office, points: tuple[str, ...]) -> None:
    """Let the links of these points or coordinators (district:386) hold no more, until they are restored."""
    policy = office.configuration.links
    _store(office, msgspec.structs.replace(policy, revoked=tuple(dict.fromkeys([*policy.revoked, *points]))), points)


@command.command()
@click.argument("points", nargs=-1, required=True, metavar="POINT|SCOPE|wall...")
@click.pass_obj
def restore(office: Office, points: tuple[str, ...]) -> None:
    """Let the links of these points or coordinators hold again. Where one was stolen, rotate it first."""
    policy = office.configuration.links
    _store(office, msgspec.structs.replace(policy, revoked=tuple(set(policy.revoked) - set(points))), points)


def _load(config: Path) -> Configuration:
    try:
        return load(config)
    except InvalidConfiguration as invalid:
        for error in invalid.errors:
            click.echo(str(error), err=True)
        raise click.ClickException(f"{invalid.total} errors in {config}") from None


def _base(office: Office) -> str:
    parts = urlsplit(office.external_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.UsageError(
            "say where the points reach the service: --external-url https://… (browsers keep a screen awake only there)"
        )
    return office.external_url.rstrip("/")


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


def _desks(office: Office, levels: Sequence[str]) -> list[Desk]:
    """The coordinators of the points that were asked for, as the inventory has them: a district, then its communes."""
    inventory = office.configuration.inventory
    counted = Counter(scope for point in inventory.points.values() if point.expected for scope in scopes_of(point))
    district_of = {
        scope: point.district_code for point in _chosen(inventory, office.wanted) for scope in scopes_of(point)
    }
    halls = {point.commune_code: point.name for point in inventory.points.values() if point.tier is Tier.COMMUNE}
    desks = []
    for scope, code in sorted(district_of.items(), key=lambda each: (each[1] or "", LEVELS.index(_level(each[0])))):
        district, (level, own) = inventory.district_name(code), scope.split(":", 1)
        place = district if level == "district" else halls.get(own, own)
        told = office.configuration.coordinators.get(scope)
        desks.append(Desk(scope, district, place, told.title if told else "", counted[scope]))
    chosen = [desk for desk in desks if _level(desk.scope) in levels]
    if not chosen:
        raise click.ClickException("those points belong to no district or commune")
    return chosen


def _level(scope: str) -> str:
    return scope.partition(":")[0]


def _print_desks(desks: Iterable[Desk], link_of: Callable[[Desk], str]) -> None:
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(("scope", "district", "place", "title", "points", "link"))
    for desk in desks:
        rows.writerow((desk.scope, desk.district, desk.place, desk.title, desk.points, link_of(desk)))


def _write_pdf(target: Path, sheets: Sequence[Sheet], office: Office) -> None:
    cards = sum(len(sheet.cards) for sheet in sheets)
    with click.progressbar(length=cards, label="Drawing", file=sys.stderr) as progress:
        document = pdf(office.configuration.ceremony.title, sheets, progress.update)
    try:
        target.write_bytes(document)
    except OSError as error:
        raise click.ClickException(f"{target}: {error.strerror or error}") from None
    click.echo(f"{target}: {cards:,} codes of {len(sheets):,} places, {len(document) / 1e6:.1f} MB", err=True)


def _sheets(points: Iterable[Point], inventory: Inventory, link_of: Callable[[Point], str]) -> Iterable[Sheet]:
    """By commune; halls that belong to none by district, and those above them together."""
    places: dict[tuple[str, str], list[Card]] = {}
    for point in points:
        key = (point.district_code or "", point.commune_code or "")
        places.setdefault(key, []).append(Card(point.name, point.id, link_of(point)))
    called = {point.commune_code: point.name for point in inventory.points.values() if point.tier is Tier.COMMUNE}
    for (district, commune), cards in places.items():
        told = [called.get(commune, commune), inventory.district_name(district)]
        yield Sheet(", ".join(filter(None, told)) or PROVINCE, tuple(cards))


def _desk_sheets(desks: Iterable[Desk], link_of: Callable[[Desk], str]) -> Iterable[Sheet]:
    """By district."""
    for district, ours in groupby(desks, lambda each: each.district):
        cards = tuple(Card(each.title or each.place, each.scope, link_of(each)) for each in ours)
        yield Sheet(district, cards, COORDINATORS, COORDINATOR_STEPS)


def _store(office: Office, policy: LinkPolicy, points: Sequence[str]) -> None:
    """Write links.yaml, whole or not at all."""
    known = names(office.configuration.inventory)
    unknown = [name for name in points if name not in known]
    if unknown:
        raise click.UsageError(f"no point has the id, and no coordinator the scope, {', '.join(unknown)}")
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
