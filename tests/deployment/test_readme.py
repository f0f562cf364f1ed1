"""What README and the sample's README say is what is there."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from click import Command, Context, Group

from monitor.cli import main
from monitor.configuration.access import AccessFile, ProxyFile
from monitor.configuration.checks import CheckLine, CheckSet, ModuleHead, Service, Witness
from monitor.configuration.contacts import ContactsFile, DeskEntry
from monitor.configuration.decode import spelled
from monitor.configuration.gateway import EsmsEntry, SmsEntry, SmtpEntry, TelegramEntry, ZaloEntry
from monitor.configuration.links import LinkFile
from monitor.configuration.readiness import ReadinessFile, RuleEntry
from probes.model import Layer
from probes.registry import KINDS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SAMPLE = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
OF_KIND = re.compile(r"^\| `(\w+)` \| (\w+): [^|]+ \| ([^|]+) \|$", re.MULTILINE)
COMMAND = re.compile(r"(?:^\$ |`|monitor )diemcau ([a-z]+)((?: [^`#>&|\n]+)?)", re.MULTILINE)


def test_every_kind_stands_in_the_table_with_what_it_proves() -> None:
    told = {name: layer for name, layer, _ in OF_KIND.findall(README)}
    assert told == {name: kind.layer.value for name, kind in KINDS.items()}
    assert set(told.values()) == set(Layer)


@pytest.mark.parametrize(("name", "address"), [(name, address) for name, _, address in OF_KIND.findall(README)])
def test_an_address_is_told_as_the_kind_declares_it(name: str, address: str) -> None:
    """The table is shorter than ``diemcau probe KIND --help``, and says nothing else."""
    assert address.removesuffix("…") in KINDS[name].address_form


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.extra])
def test_a_kind_that_needs_more_says_what_to_install(name: str) -> None:
    (row,) = (line for line in README.splitlines() if line.startswith(f"| `{name}` |"))
    assert f"pip install diemcau[{KINDS[name].extra}]" in row


def keys() -> Iterator[str]:
    """Every key of checks.yaml but the kinds' own, and of all files whose keys stand in tables."""
    parts: dict[str, type[msgspec.Struct]] = {
        "rules[].": RuleEntry,
        "modules.<name>.": ModuleHead,
        "check_sets.<name>.": CheckSet,
        "check_sets.<name>.checks[].": CheckLine,
        "services.<name>.": Service,
        "witnesses.<name>.": Witness,
        "": LinkFile,
        "proxy.": ProxyFile,
        "desks[].": DeskEntry,
        "smtp.": SmtpEntry,
        "esms.": EsmsEntry,
        "sms.": SmsEntry,
        "zalo.": ZaloEntry,
        "telegram.": TelegramEntry,
    }
    for place, declared in parts.items():
        yield from (place + spelled(field.name, field.type)[0] for field in msgspec.structs.fields(declared))
    for whole in (ReadinessFile, ContactsFile):
        yield from (spelled(field.name, field.type)[0] for field in msgspec.structs.fields(whole))
    fields = (field for field in msgspec.structs.fields(AccessFile) if field.name != "proxy")
    yield from (spelled(field.name, field.type)[0] for field in fields)
    yield from ("modules.<name>.<kind>", "defaults.<tier>", "nodes.<kind>")


def test_every_key_is_explained_and_no_other() -> None:
    first = re.findall(r"^\| ((?:`[\w.<>\[\]]+`(?:, )?)+) \|", SAMPLE.partition("## checks.yaml")[2], re.MULTILINE)
    assert sorted(key for cell in first for key in re.findall(r"`(.+?)`", cell)) == sorted(keys())


@pytest.mark.parametrize("text", [README, SAMPLE], ids=["README.md", "config/README.md"])
def test_commands_that_are_shown_exist(text: str) -> None:
    """With their options, and those of their subcommands."""
    shown = COMMAND.findall(text)
    assert shown
    for name, rest in shown:
        command = main.get_command(Context(main), name)
        assert command is not None, name
        words = rest.split()
        known = set(options(command))
        if isinstance(command, Group):
            below = [found for word in words if (found := command.get_command(Context(command), word)) is not None]
            known |= {option for each in below for option in options(each)}
        assert {word for word in words if word.startswith("--")} <= known, rest


def options(command: Command) -> Iterator[str]:
    """As they are written."""
    yield "--help"
    for param in command.params:
        yield from param.opts


@pytest.mark.parametrize("text", [README, SAMPLE], ids=["README.md", "config/README.md"])
def test_targets_of_make_that_are_shown_exist(text: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?:`|^\$ )make ([a-z]+)", text, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
