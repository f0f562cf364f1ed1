"""Reads attribution.yaml: how often what fails, and what survives it. The file may be missing."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from monitor.configuration.decode import WRONG, decode
from monitor.configuration.errors import Errors
from monitor.configuration.source import Node, find, read_yaml
from monitor.core.attribution import Priors
from monitor.core.attribution.likelihood import chance_of_fault
from monitor.core.attribution.model import RATES
from monitor.core.model import NodeKind

FILE = "attribution.yaml"
LIKELIEST = 0.2
"""A fault that is likelier than this is no fault but the rule."""

Rate = Annotated[float, Meta(gt=0.0, le=1000.0)]
Chance = Annotated[float, Meta(gt=0.0, lt=0.5)]


class AttributionFile(msgspec.Struct, frozen=True):
    """The whole of attribution.yaml. See :class:`monitor.core.attribution.Priors`."""

    faults_a_year: dict[NodeKind, Rate] = {}
    window_s: Annotated[float, Meta(ge=60.0, le=604_800.0)] = 3600.0
    storm: Annotated[float, Meta(ge=1.0, le=1000.0)] = 1.0
    site_fault_ratio: Chance = 0.005
    survives_network_ratio: Chance = 0.01
    survives_on_backup_ratio: Annotated[float, Meta(gt=0.0, le=0.99)] = 0.5
    survives_power_ratio: Chance = 0.02
    wrong_row_ratio: Chance = 0.02


def read(directory: Path, errors: Errors) -> Priors | None:
    """What ``attribution.yaml`` says; None with every error noted."""
    path = directory / FILE
    if not path.exists():
        return Priors()
    tree = read_yaml(path, errors)
    if tree is None:
        return None
    before = errors.total
    file = decode(tree, AttributionFile, errors)
    if file is WRONG:
        return None
    priors = Priors(
        faults_a_year=RATES | file.faults_a_year,
        window_s=file.window_s,
        storm=file.storm,
        site_fault=file.site_fault_ratio,
        survives_network=file.survives_network_ratio,
        survives_on_backup=file.survives_on_backup_ratio,
        survives_power=file.survives_power_ratio,
        wrong_row=file.wrong_row_ratio,
    )
    _check_rarity(tree, priors, errors)
    return priors if errors.total == before else None


def _check_rarity(tree: Node, priors: Priors, errors: Errors) -> None:
    """Whether each fault is rarer than its absence, by far: the odds rest on that."""
    for kind, rate in priors.faults_a_year.items():
        chance = chance_of_fault(rate, priors)
        if chance > LIKELIEST:
            place = find(tree, "faults_a_year", kind)
            expected = f"a rate that with window and storm makes a chance of at most {LIKELIEST:g}"
            errors.add(place, f"faults_a_year.{kind}", expected, f"{rate:g} a year, a chance of {chance:.2g}")
