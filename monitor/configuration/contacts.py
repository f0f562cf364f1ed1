"""Reads contacts.yaml: the desks that are told, by which means, and who is told next. The file may be missing.

Without it nobody is told by the gateway. A desk is a duty post: names of persons have no place here.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from monitor.configuration.coordinators import Email, Phone
from monitor.configuration.decode import WRONG, decode
from monitor.configuration.errors import Errors, did_you_mean, quoted
from monitor.configuration.source import Section, find, read_yaml
from monitor.core.contacts import Channel, Company, Contacts, Desk, Duty
from monitor.core.model import Ceremony, Inventory

FILE = "contacts.yaml"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ALL_WEEK = "daily"
DUTY = "days and hours such as mon-fri 07:00-17:00, sat,sun 08:00-12:00 or daily 18:00-06:00"

_DUTY = re.compile(r"(\S+) ([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")
_PUNCTUATION = str.maketrans("", "", " .-()")
_NUMBER = re.compile(r"\+?[0-9]{8,15}")
NUMBER = "a phone number of 8 to 15 digits"

Id = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?\Z",
        description="lower-case letters, digits and hyphens, up to 50",
    ),
]
Title = Annotated[str, Meta(min_length=1, max_length=120, description="a title of 1 to 120 characters")]
Url = Annotated[str, Meta(pattern=r"^https?://[^\s/]+(/\S*)?\Z", max_length=500, description="an http or https URL")]
Span = Annotated[float, Meta(ge=1.0, le=86_400.0, description="from 1s to 1d")]


class DeskEntry(msgspec.Struct, frozen=True):
    """An item of ``desks``. See :class:`monitor.core.contacts.Desk`."""

    id: Id
    title: Title
    company: Company
    channels: Annotated[tuple[Channel, ...], Meta(min_length=1, max_length=3, description="from 1 to 3 channels")]
    level: Annotated[int, Meta(ge=1, le=5)] = 1
    districts: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    phone: Phone = ""
    zalo: Phone = ""
    email: Email | None = None
    telegram: int = 0
    webhook: Url | None = None
    duty: tuple[str, ...] = ()
    budget: Annotated[int, Meta(ge=2, le=60)] = 3
    severity: Literal["info", "warning", "critical"] = "warning"


class ContactsFile(msgspec.Struct, frozen=True):
    """The whole of contacts.yaml. See :class:`monitor.core.contacts.Contacts`."""

    desks: Annotated[tuple[DeskEntry, ...], Meta(max_length=2000, description="at most 2000 desks")]
    escalate_after_s: dict[str, Span] = {}
    direct_after_s: dict[str, Span] = {}
    gateways: tuple[Url, ...] = ()
    watchdog_url: Url | None = None


def read(directory: Path, inventory: Inventory | None, ceremony: Ceremony | None, errors: Errors) -> Contacts | None:
    """What ``contacts.yaml`` says; None with every error noted."""
    path = directory / FILE
    if not path.exists():
        return Contacts()
    tree = read_yaml(path, errors)
    if tree is None:
        return None
    before = errors.total
    file = decode(tree, ContactsFile, errors)
    if file is WRONG:
        return None
    _check_desks(tree, file.desks, errors)
    _check_phases(tree, file, ceremony, errors)
    if inventory is not None:
        _check_territories(tree, file.desks, inventory, errors)
    if errors.total > before:
        return None
    return Contacts(
        desks={entry.id: _desk(entry) for entry in file.desks},
        escalate_after_s=file.escalate_after_s,
        direct_after_s=file.direct_after_s,
        gateways=tuple(url.rstrip("/") for url in file.gateways),
        watchdog_url=file.watchdog_url or "",
    )


def _desk(entry: DeskEntry) -> Desk:
    known = msgspec.structs.asdict(entry) | {
        "email": entry.email or "",
        "webhook": entry.webhook or "",
        "duty": _spans(entry.duty),
    }
    return Desk(**known)


def _spans(written: Sequence[str]) -> tuple[Duty, ...]:
    return tuple(span for text in written if (span := duty(text)) is not None)


def duty(text: str) -> Duty | None:
    """``mon-fri 07:00-17:00``; None for what is none."""
    form = _DUTY.fullmatch(text)
    days = _days(form.group(1)) if form is not None else ()
    if form is None or not days:
        return None
    starts, ends = (int(form.group(at)) * 60 + int(form.group(at + 1)) for at in (2, 4))
    return Duty(days, starts, ends) if starts != ends <= 24 * 60 else None


def _days(text: str) -> tuple[int, ...]:
    """``mon-fri``, ``sat,sun``, ``daily``; empty for what is none."""
    if text == ALL_WEEK:
        return tuple(range(7))
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first not in DAYS or (last or first) not in DAYS:
            return ()
        begin, end = DAYS.index(first), DAYS.index(last or first)
        found.update(day % 7 for day in range(begin, end + 1 if end >= begin else end + 8))
    return tuple(sorted(found))


def _check_desks(tree: Section, desks: Sequence[DeskEntry], errors: Errors) -> None:
    """Each desk by itself, and against those before it."""
    seen: dict[str, int] = {}
    for index, entry in enumerate(desks):
        key = f"desks[{index}]"
        if seen.setdefault(entry.id, index) != index:
            errors.add(find(tree, "desks", index, "id"), f"{key}.id", "an id that occurs once", quoted(entry.id))
        for name, expected, got in _problems(entry):
            errors.add(find(tree, "desks", index, name), f"{key}.{name}", expected, got)
    if desks and not any(entry.company is Company.TECHNICAL for entry in desks):
        errors.add(find(tree, "desks"), "desks", "a desk of company technical, the last resort", "none")
    for index, other in _never_told(desks):
        expected = f"a territory or level other than that of {other}, which is told first"
        errors.add(find(tree, "desks", index), f"desks[{index}]", expected, "the same")


def _problems(entry: DeskEntry) -> Iterator[tuple[str, str, str]]:
    """What is wrong with a desk by itself: key, what is expected, what it is."""
    addresses = {Channel.SMS: entry.phone, Channel.ZALO: entry.zalo or entry.phone, Channel.EMAIL: entry.email}
    needed = {Channel.SMS: "phone", Channel.ZALO: "zalo or phone", Channel.EMAIL: "email"}
    for channel in entry.channels:
        if not addresses[channel]:
            yield "channels", f"{needed[channel]} beside the channel {channel}", "none"
    if len(set(entry.channels)) < len(entry.channels):
        yield "channels", "each channel once", ", ".join(entry.channels)
    for name in ("phone", "zalo"):
        written = getattr(entry, name)
        if written and not _NUMBER.fullmatch(written.translate(_PUNCTUATION)):
            yield name, NUMBER, quoted(written)
    for text in entry.duty:
        if duty(text) is None:
            yield "duty", DUTY, quoted(text)


def _never_told(desks: Sequence[DeskEntry]) -> Iterator[tuple[int, str]]:
    """Desks whose every alert goes to another one before: Alertmanager takes the first that fits."""
    first: dict[tuple[object, ...], str] = {}
    for index, entry in enumerate(desks):
        if entry.company is Company.TECHNICAL:
            continue
        territory = (entry.company, entry.level, frozenset(entry.districts), frozenset(entry.operators))
        other = first.setdefault(territory, entry.id)
        if other != entry.id:
            yield index, other


def _check_phases(tree: Section, file: ContactsFile, ceremony: Ceremony | None, errors: Errors) -> None:
    """Whether each phase that is named is one of the ceremony."""
    phases = [phase.name for phase in ceremony.phases] if ceremony is not None else []
    for name in ("escalate_after", "direct_after"):
        for phase in getattr(file, f"{name}_s") if phases else ():
            if phase not in phases:
                expected = f"a phase of ceremony.yaml: {', '.join(phases)}"
                hint = did_you_mean(phase, phases)
                errors.add(find(tree, name, phase), f"{name}.{phase}", expected, quoted(phase), hint)


def _check_territories(tree: Section, desks: Sequence[DeskEntry], inventory: Inventory, errors: Errors) -> None:
    """Whether districts and operators are those of the inventory: a desk under a misspelt name would never be told."""
    operators = {node.operator for nodes in (inventory.network, inventory.power) for node in nodes.values()}
    known = {"districts": sorted(inventory.districts), "operators": sorted(filter(None, operators))}
    expected = {"districts": "the code of a district", "operators": "an operator of network.csv or power.csv"}
    for index, entry in enumerate(desks):
        for name, names in known.items():
            for at, value in enumerate(getattr(entry, name)):
                if value not in names:
                    place, key = find(tree, "desks", index, name, at), f"desks[{index}].{name}[{at}]"
                    errors.add(place, key, expected[name], quoted(value), did_you_mean(value, names))
