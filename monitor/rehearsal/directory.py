"""The configuration directory of a rehearsal: the operator's own or the sample, with the ceremony moved to now.

What nothing would answer here is not asked: a check of a kind whose program is not installed is left out of the copy.
"""

import shutil
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import yaml

from monitor.configuration import Configuration, load
from monitor.core.model import Ceremony, Inventory, Mode
from monitor.rehearsal import phones, province, sample
from monitor.rehearsal.desks import contacts_yaml
from monitor.rehearsal.peers import BOARD_PORT

DRILL = "[DIỄN TẬP]"
READY_AFTER = "30s"
"""A rehearsal is short: a point is ready sooner."""
REPORT_IN = timedelta(minutes=2)
"""Within the shortest of our scenarios."""
BEGINS_AFTER = timedelta(minutes=30)
INTERVAL, ALPHA = "1s", "1e-6"
"""The live phase, as in the sample."""
FILES = ("points.csv", "points.xlsx", "network.csv", "network.xlsx", "power.csv", "power.xlsx", "districts.csv",
         "districts.xlsx", "checks.yaml", "ceremony.yaml", "attribution.yaml", "readiness.yaml", "report.yaml",
         "coordinators.csv", "coordinators.xlsx", "contacts.yaml")  # fmt: skip
"""Not gateway.yaml: a rehearsal's messages reach our own stand-ins alone."""


SECRETS = "secrets"
ESCALATE_AFTER, DIRECT_AFTER = "60s", "10s"


class Prepared(NamedTuple):
    """The configuration of a rehearsal."""

    configuration: Configuration
    left_out: frozenset[str]
    """Kinds whose checks and services were taken out."""


def prepare(
    source: Path | None, target: Path, *, everyone: bool, now: float, answered: Collection[str] | None = None
) -> Prepared:
    """Write the directory and load it. Without ``source`` it is the sample of Thanh Hóa.

    ``everyone``: points that are merged into another or have no coverage take part as well. ``answered``: the kinds of
    probes that something answers here; None for all.

    Raises:
        InvalidConfiguration: the source is not valid.
    """
    target.mkdir(parents=True, exist_ok=True)
    if source is None:
        for name, text in sample.files(province.make()).items():
            (target / name).write_text(text, encoding="utf-8")
    else:
        load(source)  # so that errors name the operator's own files
        for name in FILES:
            if (source / name).is_file():
                shutil.copyfile(source / name, target / name)
    phones.write_secrets(target / SECRETS)
    (target / "gateway.yaml").write_text(phones.gateway_yaml(target / SECRETS), encoding="utf-8")
    configuration = load(target)
    if not configuration.contacts.desks:
        (target / "contacts.yaml").write_text(contacts_yaml(configuration.inventory), encoding="utf-8")
    if everyone:
        _write_points(configuration.inventory, target)
    (target / "ceremony.yaml").write_text(_ceremony(configuration.ceremony, now), encoding="utf-8")
    (target / "contacts.yaml").write_text(_contacts(target / "contacts.yaml"), encoding="utf-8")
    left_out = frozenset() if answered is None else _kinds_asked(configuration) - frozenset(answered)
    if left_out:
        _leave_out({name for name, module in configuration.modules.items() if module.probe.kind in left_out}, target)
    return Prepared(load(target), left_out)


def _kinds_asked(configuration: Configuration) -> frozenset[str]:
    """The kinds that a check or a service is of; modules that only ``/probe`` knows hurt nobody."""
    lines = [line.module for check_set in configuration.check_sets.values() for line in check_set.checks]
    lines += [service.module for service in configuration.services.values()]
    return frozenset(configuration.modules[name].probe.kind for name in lines)


def _leave_out(modules: Collection[str], target: Path) -> None:
    """Take every check and service of these modules out of ``checks.yaml``."""
    path = target / "checks.yaml"
    written: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    for check_set in written["check_sets"].values():
        check_set["checks"] = [line for line in check_set["checks"] if line["module"] not in modules]
    services = written.get("services") or {}
    written["services"] = {name: each for name, each in services.items() if each["module"] not in modules}
    path.write_text(yaml.safe_dump(written, allow_unicode=True, sort_keys=False), encoding="utf-8")


def _write_points(inventory: Inventory, target: Path) -> None:
    points = {
        point.id: point if point.expected else msgspec.structs.replace(point, mode=Mode.WATCH, merged_into=None)
        for point in inventory.points.values()
    }
    (target / "points.xlsx").unlink(missing_ok=True)
    text = sample.files(msgspec.structs.replace(inventory, points=points))["points.csv"]
    (target / "points.csv").write_text(text, encoding="utf-8")


def _contacts(path: Path) -> str:
    """The same desks; nobody but our own gateway is told, and the live phase is the only one."""
    written: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name, after in (("escalate_after", ESCALATE_AFTER), ("direct_after", DIRECT_AFTER)):
        written[name] = {"live": after}
    written["gateways"] = [f"http://127.0.0.1:{BOARD_PORT}"]
    written.pop("watchdog_url", None)
    for desk in written["desks"]:
        for name in ("telegram", "webhook"):
            desk.pop(name, None)
    return yaml.safe_dump(written, allow_unicode=True, sort_keys=False)


def _ceremony(ceremony: Ceremony, now: float) -> str:
    """The same ceremony, live for an hour, with the report owed in some minutes."""
    local = datetime.fromtimestamp(now, ZoneInfo(ceremony.timezone)).replace(microsecond=0)
    report_at = local + REPORT_IN
    live = {
        "name": "live",
        "title": "Diễn tập",
        "starts_at": _written(local - timedelta(hours=1)),
        "interval": INTERVAL,
        "alpha": ALPHA,
        "severity": "critical",
    }
    day = {
        "title": f"{DRILL} {ceremony.title}",
        "timezone": ceremony.timezone,
        "report_at": _written(report_at),
        "begins_at": _written(report_at + BEGINS_AFTER),
        "ready_after": READY_AFTER,
        "phases": [live],
        "drill": True,
        "programme": _programme(ceremony, report_at + BEGINS_AFTER),
    }
    return yaml.safe_dump(day, allow_unicode=True, sort_keys=False)


def _programme(ceremony: Ceremony, begins_at: datetime) -> list[dict[str, str]]:
    """Who speaks, as long after the beginning as on the day."""
    items = ((item, begins_at + timedelta(seconds=item.starts_at - ceremony.begins_at)) for item in ceremony.programme)
    return [
        {"starts_at": _written(at), "title": item.title} | ({"point": item.point} if item.point else {})
        for item, at in items
    ]


def _written(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
