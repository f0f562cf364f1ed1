"""Reads checks.yaml: modules (how to probe), check sets (what to ask of a point), services and witnesses.

A module is a name for a kind and its parameters, as in blackbox_exporter; the parameters stand under the kind's name
and are those of the kind's own ``Params``. A check is a point's address asked through a module.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, cast

import msgspec
from msgspec import Meta

from monitor.configuration.decode import WRONG, Name, decode, described
from monitor.configuration.errors import Errors, did_you_mean, quoted
from monitor.configuration.source import Listing, Node, Scalar, Section, find, read_yaml
from monitor.core.model import NodeKind, Source, Tier
from probes.model import TARGET, AnyKind, BoundBatch, BoundKind, Layer, Params
from probes.registry import KINDS

_WITH_PORT = re.compile(r"(?:\[.*\]|[^:]+):[0-9]{1,5}")

POINT_ID = "{id}"
PAGE = "page"
TARGET_CHARACTERS = 500
NAMES_SHOWN = 50
"""How many of the known names a message lists."""

WITNESS_INTERVAL_S = 0.2
"""In every phase: a witness is to vouch for the loss of any probe, whenever that was sent."""

Timeout = Annotated[float, Meta(gt=0.0, le=60.0)]


class Module(msgspec.Struct, frozen=True):
    """A kind with its parameters and timeout, under the name by which checks and ``/probe`` ask for it."""

    name: str
    probe: BoundKind | BoundBatch
    timeout_s: float
    layer: Layer


class CheckLine(msgspec.Struct, frozen=True):
    """One question of a check set."""

    module: str
    target: str = TARGET
    """What is asked; ``{address}`` is the point's, in brackets where an IPv6 address needs them, ``{id}`` its id."""
    every: Annotated[int, Meta(ge=1, le=1000)] = 1
    """Only each n-th time of the phase's interval."""

    def __post_init__(self) -> None:
        _check_target(
            self.target.replace(TARGET, "").replace(POINT_ID, ""), "a target such as {address}:1720", self.target
        )

    def address(self, point_address: str, point_id: str) -> str:
        """The target of a point."""
        if self.target == TARGET:
            return point_address
        bare = ":" not in point_address or f"[{TARGET}]" in self.target
        named = self.target.replace(POINT_ID, point_id)
        return named.replace(TARGET, point_address if bare else f"[{point_address}]")


class CheckSet(msgspec.Struct, frozen=True):
    """What a sort of point is asked, and what its line bears on a good day."""

    checks: tuple[CheckLine, ...]
    expected_loss_ratio: float = 0.01
    max_loss_ratio: float = 0.2
    max_jitter_s: Annotated[float, Meta(gt=0.0, le=60.0)] = 0.2

    def __post_init__(self) -> None:
        if self.max_loss_ratio < self.expected_loss_ratio:
            raise ValueError(
                f"max_loss: expected at least expected_loss, {self.expected_loss_ratio:g}, got {self.max_loss_ratio:g}"
            )


POWER_KINDS = frozenset({NodeKind.SUBSTATION, NodeKind.FEEDER, NodeKind.TRANSFORMER})


class Role(StrEnum):
    """Where a witness stands."""

    GATEWAY = "gateway"
    """On our side of the uplink: its answers do not show that the uplink works."""
    OUTSIDE = "outside"


class Witness(msgspec.Struct, frozen=True):
    """Something that answers as long as the monitor itself sees."""

    module: str
    target: str
    role: Role = Role.OUTSIDE
    """``gateway`` for our own router, ``outside`` for what lies beyond the uplink."""

    def __post_init__(self) -> None:
        _check_target(self.target, "an address such as 10.38.0.1", self.target)

    @property
    def source(self) -> Source:
        """What its evidence is good for."""
        return Source.GATEWAY if self.role is Role.GATEWAY else Source.WITNESS


class Service(msgspec.Struct, frozen=True):
    """Something that all points use: the portal, the broadcast, the room's list of who has joined."""

    module: str
    target: str
    interval_s: Annotated[float, Meta(ge=1.0, le=3600.0)] = 10.0

    def __post_init__(self) -> None:
        _check_target(self.target, "an address such as https://example.org/", self.target)


def _check_target(rest: str, expected: str, target: str) -> None:
    """Raise ValueError when what remains of a target beside the point's address cannot stand in one."""
    if not target or len(target) > TARGET_CHARACTERS or re.search(r"[\s{}]", rest):
        raise ValueError(f"target: expected {expected}, got {quoted(target)}")


class Checks(msgspec.Struct, frozen=True):
    """The whole of checks.yaml."""

    modules: Mapping[str, Module]
    check_sets: Mapping[str, CheckSet]
    defaults: Mapping[Tier, str]
    witnesses: Mapping[str, Witness]
    services: Mapping[str, Service] = {}
    nodes: Mapping[NodeKind, str] = {}
    """Kind of network node → the module that asks those that have an address."""


class Names(msgspec.Struct, frozen=True):
    """What the inventory may refer to, known even when something in checks.yaml is wrong; then no tier is accused."""

    check_sets: frozenset[str]
    tiers_with_default: frozenset[str]


class ModuleHead(msgspec.Struct, frozen=True, kw_only=True):
    """What every module says; its parameters follow under the kind's name."""

    kind: str
    timeout_s: Timeout = 2.0
    layer: Layer | None = None


class ChecksFile(msgspec.Struct, frozen=True):
    """checks.yaml as it is declared; a module is decoded as its kind has it."""

    modules: dict[Name, object]
    check_sets: dict[Name, CheckSet]
    defaults: dict[Tier, str] = {}
    witnesses: dict[Name, Witness] = {}
    services: dict[Name, Service] = {}
    nodes: dict[NodeKind, str] = {}


def read(directory: Path, errors: Errors) -> tuple[Checks | None, Names | None]:
    """What ``checks.yaml`` says, None with every error noted; and the names in it as far as it can be read."""
    tree = read_yaml(directory / "checks.yaml", errors)
    if tree is None:
        return None, None
    before = errors.total
    file = decode(tree, ChecksFile, errors)
    modules = {name: _module(name, node, errors) for name, node in _entries(tree, "modules")}
    _check_references(tree, errors)
    tiers = _names(tree, "defaults") if file is not WRONG else list(Tier)
    names = Names(frozenset(_names(tree, "check_sets")), frozenset(tiers))
    if file is WRONG or errors.total > before:
        return None, names
    made = {name: module for name, module in modules.items() if module is not None}
    return Checks(made, file.check_sets, file.defaults, file.witnesses, file.services, file.nodes), names


def _entries(tree: Section, part: str) -> list[tuple[str, Node]]:
    """The names in a part of the file with their nodes, whether or not these are right."""
    named = tree.entries.get(part)
    section = named[1] if named else None
    return [(name, node) for name, (_, node) in section.entries.items()] if isinstance(section, Section) else []


def _names(tree: Section, part: str) -> list[str]:
    return [name for name, _ in _entries(tree, part)]


# Modules


def _module(name: str, node: Node, errors: Errors) -> Module | None:
    key = f"modules.{name}"
    if name == PAGE:
        errors.add(node, key, "another name: that of the evidence from the points' own pages", quoted(name))
    kind = _kind(key, node, errors)
    if kind is None:
        return None
    head = decode(node, _declared(kind.name, kind.params), errors, key)
    if head is WRONG:
        return None
    return Module(name, kind.bind(getattr(head, kind.name)), head.timeout_s, head.layer or kind.layer)


def _kind(key: str, node: Node, errors: Errors) -> AnyKind | None:
    written = node.entries.get("kind") if isinstance(node, Section) else None
    if written is None or not isinstance(written[1], Scalar):
        decode(node, ModuleHead, errors, key)
        return None
    text = written[1].text
    if text not in KINDS:
        errors.add(written[1], f"{key}.kind", f"one of {', '.join(KINDS)}", quoted(text), did_you_mean(text, KINDS))
        return None
    kind = KINDS[text]
    if kind.needs and find_spec(kind.needs) is None:
        expected = f"a kind that can work here: {text} needs `pip install diemcau[{kind.extra}]`"
        errors.add(written[1], f"{key}.kind", expected, quoted(text))
        return None
    return kind


@cache
def _declared(name: str, params: type[Params]) -> type[ModuleHead]:
    """A module of this kind: the head, and the kind's parameters under its name."""
    optional = not any(field.required for field in msgspec.structs.fields(params))
    part = (name, params, msgspec.field(default_factory=params)) if optional else (name, params)
    made = msgspec.defstruct(f"{name}_module", [part], bases=(ModuleHead,), frozen=True, kw_only=True)
    return cast("type[ModuleHead]", made)


# References


def _check_references(tree: Section, errors: Errors) -> None:
    """Whether every module and check set that is referred to is there."""
    check_sets = _names(tree, "check_sets")
    kinds = {name: _part(node, "kind") for name, node in _entries(tree, "modules")}
    modules = {name: kind.text if kind is not None else "" for name, kind in kinds.items()}
    for name, node in _entries(tree, "check_sets"):
        _check_lines(f"check_sets.{name}", find(node, "checks"), modules, errors)
    for tier, node in _entries(tree, "defaults"):
        _check_known(node, f"defaults.{tier}", check_sets, errors)
    for kind, node in _entries(tree, "nodes"):
        _check_node_module(node, f"nodes.{kind}", modules, errors)
    for part in ("witnesses", "services"):
        for name, node in _entries(tree, part):
            _check_question(node, f"{part}.{name}", modules, errors)


def _check_lines(key: str, lines: Node, modules: Mapping[str, str], errors: Errors) -> None:
    """The lines of a check set: known modules, each once, for the module is in the check's id."""
    seen: set[str] = set()
    for index, line in enumerate(lines.items if isinstance(lines, Listing) else ()):
        module, inner = _part(line, "module"), f"{key}.checks[{index}]"
        _check_question(line, inner, modules, errors)
        if module is not None and module.text in seen:
            errors.add(module, f"{inner}.module", "a module that occurs once in the check set", quoted(module.text))
        seen.add(module.text if module is not None else "")


def _check_question(node: Node, key: str, modules: Mapping[str, str], errors: Errors) -> None:
    """A module that is there, and a target that says enough to its kind."""
    module, target = _part(node, "module"), _part(node, "target")
    _check_known(module, f"{key}.module", list(modules), errors)
    if (
        module is not None
        and (kind := KINDS.get(modules.get(module.text, ""))) is not None
        and kind.needs_port
        and not _WITH_PORT.fullmatch(target.text if target else "")
    ):
        expected = f"a target with a port such as {TARGET}:1720, for {module.text} is {modules[module.text]}"
        errors.add(target or node, f"{key}.target", expected, described(target) if target else "none")


def _check_node_module(node: Node, key: str, modules: Mapping[str, str], errors: Errors) -> None:
    """A module that is there, and that an address alone is enough for."""
    _check_known(node, key, list(modules), errors)
    if key.removeprefix("nodes.") in POWER_KINDS:
        errors.add(node, key, "core, aggregation or access", "a kind of the power grid")
    kind = KINDS.get(modules.get(node.text, "")) if isinstance(node, Scalar) else None
    if kind is not None and (kind.needs_port or kind.target != TARGET):
        expected = "a module that an address is enough for, such as one of kind icmp"
        errors.add(node, key, expected, f"one of kind {kind.name}")


def _part(node: Node, name: str) -> Scalar | None:
    part = find(node, name)
    return part if part is not node and isinstance(part, Scalar) else None


def _check_known(node: Node | None, key: str, known: list[str], errors: Errors) -> None:
    if isinstance(node, Scalar) and not node.null and node.text not in known:
        expected = f"one of {', '.join(known[:NAMES_SHOWN])}" if known else "a name that is defined above"
        errors.add(node, key, expected, quoted(node.text), did_you_mean(node.text, known[:NAMES_SHOWN]))
