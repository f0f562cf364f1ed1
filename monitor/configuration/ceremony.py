"""Reads ceremony.yaml: the timeline of the day, in the ceremony's own time zone."""

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

from monitor.configuration.decode import WRONG, Name, decode
from monitor.configuration.errors import Errors, did_you_mean, quoted
from monitor.configuration.source import Section, find, read_yaml
from monitor.core.model import Ceremony, Inventory, Phase, ProgrammeItem

FILE = "ceremony.yaml"

Interval = Annotated[float, Meta(ge=0.1, le=3600.0)]
Alpha = Annotated[float, Meta(gt=0.0, le=0.1)]


class PhaseEntry(msgspec.Struct, frozen=True):
    """An item of ``phases``. See :class:`monitor.core.model.Phase`."""

    name: Name
    title: str
    starts_at: datetime
    interval_s: Interval
    alpha: Alpha
    severity: Literal["info", "warning", "critical"]


class ProgrammeEntry(msgspec.Struct, frozen=True):
    """An item of ``programme``. See :class:`monitor.core.model.ProgrammeItem`."""

    starts_at: datetime
    title: Annotated[str, Meta(min_length=1, max_length=200, description="a title of 1 to 200 characters")]
    point: str = ""


class CeremonyFile(msgspec.Struct, frozen=True):
    """The whole of ceremony.yaml. See :class:`monitor.core.model.Ceremony`."""

    title: str
    timezone: str
    report_at: datetime
    begins_at: datetime
    phases: Annotated[tuple[PhaseEntry, ...], Meta(min_length=1, max_length=100, description="from 1 to 100 phases")]
    ready_after_s: Annotated[float, Meta(ge=0.0, le=86400.0)] = 120.0
    programme: Annotated[tuple[ProgrammeEntry, ...], Meta(max_length=200, description="at most 200 items")] = ()
    drill: bool = False


def read(directory: Path, errors: Errors) -> Ceremony | None:
    """The ceremony of ``ceremony.yaml``; None with every error noted."""
    tree = read_yaml(directory / FILE, errors)
    if tree is None:
        return None
    before = errors.total
    file = decode(tree, CeremonyFile, errors)
    zone = _zone(tree, errors)
    if file is WRONG or zone is None:
        return None
    _check_order(tree, file, errors)
    return _ceremony(file, zone) if errors.total == before else None


def check_points(directory: Path, ceremony: Ceremony, inventory: Inventory, errors: Errors) -> None:
    """Whether each point of the programme is one of the inventory: nobody would be warned for a misspelt one."""
    unknown = [(at, item) for at, item in enumerate(ceremony.programme) if item.point not in ("", *inventory.points)]
    tree = read_yaml(directory / FILE, errors) if unknown else None
    if tree is None:
        return
    for at, item in unknown:
        hint = did_you_mean(item.point, sorted(inventory.points))
        place = find(tree, "programme", at, "point")
        errors.add(place, f"programme[{at}].point", "the id of a point in points.csv", quoted(item.point), hint)


def _zone(tree: Section, errors: Errors) -> ZoneInfo | None:
    entry = tree.entries.get("timezone")
    name = getattr(entry[1], "text", "") if entry else ""
    if not name:
        return None  # which decoding has noted
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        place = find(tree, "timezone")
        errors.add(place, "timezone", "a time zone such as Asia/Ho_Chi_Minh", quoted(name))
        return None


def _check_order(tree: Section, file: CeremonyFile, errors: Errors) -> None:
    if file.report_at >= file.begins_at:
        expected = f"an instant before begins_at, {file.begins_at:%Y-%m-%d %H:%M}"
        errors.add(find(tree, "report_at"), "report_at", expected, f"{file.report_at:%Y-%m-%d %H:%M}")
    for index, (one, next_one) in enumerate(pairwise(file.phases), start=1):
        if next_one.starts_at <= one.starts_at:
            expected = f"an instant after phase {one.name}, {one.starts_at:%Y-%m-%d %H:%M}"
            place = find(tree, "phases", index, "starts_at")
            errors.add(place, f"phases[{index}].starts_at", expected, f"{next_one.starts_at:%Y-%m-%d %H:%M}")
    for index, (item, next_item) in enumerate(pairwise(file.programme), start=1):
        if next_item.starts_at < item.starts_at:
            expected = f"an instant no earlier than that of the item before it, {item.starts_at:%Y-%m-%d %H:%M}"
            place = find(tree, "programme", index, "starts_at")
            errors.add(place, f"programme[{index}].starts_at", expected, f"{next_item.starts_at:%Y-%m-%d %H:%M}")
    for index, name in _repeated(phase.name for phase in file.phases):
        place = find(tree, "phases", index, "name")
        errors.add(place, f"phases[{index}].name", "a name that occurs once", quoted(name))


def _repeated(names: Iterator[str]) -> Iterator[tuple[int, str]]:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            yield index, name
        seen.add(name)


def _ceremony(file: CeremonyFile, zone: ZoneInfo) -> Ceremony:
    return Ceremony(
        title=file.title,
        timezone=file.timezone,
        report_at=_instant(file.report_at, zone),
        begins_at=_instant(file.begins_at, zone),
        ready_after_s=file.ready_after_s,
        phases=tuple(_phase(entry, zone) for entry in file.phases),
        programme=tuple(
            ProgrammeItem(starts_at=_instant(item.starts_at, zone), title=item.title, point=item.point)
            for item in file.programme
        ),
        drill=file.drill,
    )


def _phase(entry: PhaseEntry, zone: ZoneInfo) -> Phase:
    return Phase(
        name=entry.name,
        title=entry.title,
        starts_at=_instant(entry.starts_at, zone),
        interval_s=entry.interval_s,
        alpha=entry.alpha,
        severity=entry.severity,
    )


def _instant(local: datetime, zone: ZoneInfo) -> float:
    """Unix time of a local date and time."""
    return local.replace(tzinfo=zone).timestamp()
