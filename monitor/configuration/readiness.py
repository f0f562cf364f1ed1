"""Reads readiness.yaml: what makes points ready, and what share of them is owed. The file may be missing."""

from collections.abc import Iterator
from itertools import product
from math import inf
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from monitor.configuration.decode import WRONG, decode
from monitor.configuration.errors import Errors
from monitor.configuration.source import Section, find, read_yaml
from monitor.core.model import Mode, Tier
from monitor.core.readiness import Requirement, Rule, Rules

FILE = "readiness.yaml"
REPORTED = frozenset({Requirement.PICTURE, Requirement.SOUND, Requirement.DELEGATES})
STRICT = Rules(rules=(Rule(requires=REPORTED),))
"""Without a file: everyone that takes part has reported picture, sound and delegates."""

AT_LEAST_ONE = Meta(min_length=1, description="a list that is not empty, or nothing for all")
Tiers = Annotated[tuple[Tier, ...], AT_LEAST_ONE]
Modes = Annotated[tuple[Literal["two_way", "watch"], ...], AT_LEAST_ONE]
Pair = tuple[Tier, Mode]


class RuleEntry(msgspec.Struct, frozen=True):
    """An item of ``rules``. See :class:`monitor.core.readiness.Rule`."""

    tiers: Tiers = tuple(Tier)
    modes: Modes = ("two_way", "watch")
    requires: tuple[Requirement, ...] = ()
    connected_for_s: Annotated[float, Meta(ge=0.0, le=86_400.0, description="at most 1d")] | None = None
    degraded_counts: bool = False
    report_valid_s: Annotated[float, Meta(ge=60.0, le=2_592_000.0, description="from 1m to 30d")] | None = None

    @property
    def pairs(self) -> frozenset[Pair]:
        """Each tier and mode that it names."""
        return frozenset(product(self.tiers, map(Mode, self.modes)))


class ReadinessFile(msgspec.Struct, frozen=True):
    """The whole of readiness.yaml. See :class:`monitor.core.readiness.Rules`."""

    target_ratio: Annotated[float, Meta(gt=0.0, le=1.0)] = STRICT.target_ratio
    rules: Annotated[tuple[RuleEntry, ...], Meta(max_length=100, description="at most 100 rules")] | None = None


def read(directory: Path, errors: Errors) -> Rules | None:
    """What ``readiness.yaml`` says; None with every error noted."""
    path = directory / FILE
    if not path.exists():
        return STRICT
    tree = read_yaml(path, errors)
    file = WRONG if tree is None else decode(tree, ReadinessFile, errors)
    if tree is None or file is WRONG:
        return None
    if file.rules is None:
        return msgspec.structs.replace(STRICT, target_ratio=file.target_ratio)
    before = errors.total
    _check_reach(tree, file.rules, errors)
    rules = Rules(rules=tuple(map(_rule, file.rules)), target_ratio=file.target_ratio)
    return rules if errors.total == before else None


def _rule(entry: RuleEntry) -> Rule:
    return Rule(
        tiers=frozenset(entry.tiers),
        modes=frozenset(map(Mode, entry.modes)),
        requires=frozenset(entry.requires),
        connected_for_s=entry.connected_for_s,
        degraded_counts=entry.degraded_counts,
        report_valid_s=inf if entry.report_valid_s is None else entry.report_valid_s,
    )


def _check_reach(tree: Section, entries: tuple[RuleEntry, ...], errors: Errors) -> None:
    """Whether each rule has a point to rule: the first one that fits a point is its rule."""
    for index in _unreachable(entries):
        expected = "a rule for some tier and mode that no rule before it takes"
        errors.add(find(tree, "rules", index), f"rules[{index}]", expected, "one that is never reached")


def _unreachable(entries: tuple[RuleEntry, ...]) -> Iterator[int]:
    taken: frozenset[Pair] = frozenset()
    for index, entry in enumerate(entries):
        if entry.pairs <= taken:
            yield index
        taken |= entry.pairs
