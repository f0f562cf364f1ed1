"""The table of kinds, read from the modules of ``probes/kinds``: adding a kind is adding one file there."""

import pkgutil
from collections.abc import Iterable, Mapping
from importlib import import_module
from types import MappingProxyType, ModuleType

from probes import kinds
from probes.model import AnyKind, BatchKind, Figure, Kind


class DuplicateKind(Exception):  # noqa: N818 - the name says what is wrong
    """Two modules of ``probes/kinds`` claim the same name: rename one of them."""


def modules() -> list[ModuleType]:
    """The modules of ``probes/kinds``, by name."""
    return [import_module(f"{kinds.__name__}.{found.name}") for found in pkgutil.iter_modules(kinds.__path__)]


def read(found: Iterable[ModuleType]) -> Mapping[str, AnyKind]:
    """The kind of each module, by the kind's name.

    Raises DuplicateKind for a name taken twice, and TypeError for a module whose ``KIND`` is no kind.
    """
    table: dict[str, AnyKind] = {}
    owners: dict[str, str] = {}
    for module in found:
        kind = getattr(module, "KIND", None)
        if not isinstance(kind, Kind | BatchKind):
            raise TypeError(f"{module.__name__} needs KIND = Kind(…) or BatchKind(…), got {kind!r}")
        if kind.name in table:
            raise DuplicateKind(f"kind {kind.name!r} stands in {owners[kind.name]} and in {module.__name__}")
        table[kind.name] = kind
        owners[kind.name] = module.__name__
    return MappingProxyType(table)


def figures(kinds: Iterable[AnyKind]) -> tuple[Figure, ...]:
    """The figures of all these kinds, each once. Raises ValueError where two kinds mean different things by a name."""
    found: dict[str, Figure] = {}
    for kind in kinds:
        for figure in kind.figures:
            if found.setdefault(figure.name, figure) != figure:
                raise ValueError(f"kind {kind.name} explains {figure.name} otherwise than another kind does")
    return tuple(found.values())


KINDS: Mapping[str, AnyKind] = read(modules())
"""Every kind of probe, by the name that configuration uses."""

FIGURES = figures(KINDS.values())
"""Every figure that a kind reports."""
