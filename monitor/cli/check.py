"""``diemcau check``: is the configuration valid? Every error at once, with file, line, column and what to write."""

import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
import msgspec

from monitor.configuration import Configuration, InvalidConfiguration, load
from monitor.core.model import Mode, Tier


@click.command("check")
@click.argument("directory", type=click.Path(path_type=Path), default=Path("config"))
@click.option("--json", "as_json", is_flag=True, help="Write the summary or the errors as JSON to standard output.")
def command(directory: Path, as_json: bool) -> None:  # noqa: FBT001  (click passes it by name)
    """Validate the configuration in DIRECTORY (config/ by default).

    Prints what was read and exits with 0; or prints every error, one a line, and exits with 1.
    """
    try:
        configuration = load(directory)
    except InvalidConfiguration as invalid:
        _refuse(directory, invalid, as_json=as_json)
        sys.exit(1)
    if as_json:
        click.echo(_json(summary(configuration)))
    else:
        click.echo("\n".join([f"{directory} is valid", *_lines(configuration)]))


def _refuse(directory: Path, invalid: InvalidConfiguration, *, as_json: bool) -> None:
    if as_json:
        errors = [{**msgspec.structs.asdict(error), "message": str(error)} for error in invalid.errors]
        click.echo(_json({"valid": False, "errors": errors, "omitted": invalid.omitted}))
        return
    click.echo(str(invalid), err=True)
    count = "1 error" if invalid.total == 1 else f"{invalid.total:,} errors"
    click.echo(f"{directory} is not valid: {count}", err=True)


def _json(content: dict[str, Any]) -> str:
    return msgspec.json.format(msgspec.json.encode(content), indent=2).decode()


def summary(configuration: Configuration) -> dict[str, Any]:
    """What was read, in numbers; the instants of phases are Unix time in seconds."""
    points = configuration.inventory.points.values()
    expected = [point for point in points if point.expected]
    return {
        "valid": True,
        "points": len(points),
        "expected": len(expected),
        "expected_without_address": sum(point.address is None for point in expected),
        "points_by_tier_and_mode": _by_tier_and_mode(configuration),
        "network_nodes": len(configuration.inventory.network),
        "power_nodes": len(configuration.inventory.power),
        "districts": len(configuration.inventory.districts),
        "modules": sorted(configuration.modules),
        "check_sets": sorted(configuration.check_sets),
        "witnesses": sorted(configuration.witnesses),
        "checks": len(configuration.checks(configuration.ceremony.phases[0])),
        "phases": [msgspec.structs.asdict(phase) for phase in configuration.ceremony.phases],
    }


def _by_tier_and_mode(configuration: Configuration) -> dict[str, dict[str, int]]:
    counted = Counter((point.tier, point.mode) for point in configuration.inventory.points.values())
    tiers = {tier.value: {mode.value: counted[tier, mode] for mode in Mode if counted[tier, mode]} for tier in Tier}
    return {tier: modes for tier, modes in tiers.items() if modes}


def _lines(configuration: Configuration) -> Iterator[str]:
    """The summary as a person reads it."""
    read = summary(configuration)
    yield f"  points      {read['points']:,}, of which {read['expected']:,} are expected to connect"
    for tier, modes in read["points_by_tier_and_mode"].items():
        by_mode = ", ".join(f"{count:,} {mode}" for mode, count in modes.items())
        yield f"    {tier:9} {sum(modes.values()):>7,}  {by_mode}"
    yield f"  nodes       {read['network_nodes']:,} network, {read['power_nodes']:,} power"
    yield f"  districts   {read['districts']:,}"
    witnesses = len(read["witnesses"])
    yield f"  checks      {read['checks']:,} by {len(read['modules'])} modules, witnesses among them: {witnesses}"
    if read["expected_without_address"]:
        yield f"  not probed  {read['expected_without_address']:,} expected points, which have no address"
    yield f"  phases      {configuration.ceremony.timezone}"
    yield from _phase_lines(configuration)


def _phase_lines(configuration: Configuration) -> Iterator[str]:
    zone = ZoneInfo(configuration.ceremony.timezone)
    for phase in configuration.ceremony.phases:
        start = f"{datetime.fromtimestamp(phase.starts_at, zone):%Y-%m-%d %H:%M}"
        yield f"    {start}  {phase.name}: every {phase.interval_s:g} s, alpha {phase.alpha:g}, {phase.severity}"
