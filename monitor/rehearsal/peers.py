"""The real Prometheus and Alertmanager of the rehearsal, when they are on the PATH: their files and command lines."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

BOARD_PORT, PROMETHEUS_PORT, ALERTMANAGER_PORT, INSTRUMENT_PORT, WEBHOOK_PORT = 8080, 9090, 9093, 9094, 9095
"""In the centre's namespace, where nobody else has a port."""
SCRAPE_INTERVAL_S = 5


class Peer(NamedTuple):
    """A program with its arguments, and the port where it serves in the centre's namespace."""

    name: str
    command: Sequence[str]
    port: int


def find(name: str) -> str | None:
    """The program's path; None when it is not installed."""
    return shutil.which(name)


def alertmanager(scratch: Path, external_url: str, configuration: Path) -> Peer | None:
    """As the contacts say who is told what; the service keeps its ``configuration``."""
    command = _alertmanager(scratch / "alertmanager", ALERTMANAGER_PORT, configuration)
    return (
        Peer("alertmanager", (*command, f"--web.external-url={external_url}"), ALERTMANAGER_PORT) if command else None
    )


def instrument(scratch: Path) -> Peer | None:
    """Another one, which tells each alert at once and holds nothing back: it measures our time and its own alone."""
    at_once = {"group_by": ["..."], "group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h"}
    hook = {"url": f"http://127.0.0.1:{WEBHOOK_PORT}/", "send_resolved": True}
    config = {
        "route": {"receiver": "everything", **at_once},
        "receivers": [{"name": "everything", "webhook_configs": [hook]}],
    }
    written = _write(scratch / "instrument.yml", config)
    command = _alertmanager(scratch / "instrument", INSTRUMENT_PORT, written)
    return Peer("instrument", command, INSTRUMENT_PORT) if command else None


def _alertmanager(storage: Path, port: int, configuration: Path) -> tuple[str, ...]:
    """Its command line; empty where it is not installed."""
    program = find("prometheus-alertmanager") or find("alertmanager")
    if program is None:
        return ()
    return (
        program,
        f"--config.file={configuration}",
        f"--storage.path={storage}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.route-prefix=/",
        "--cluster.listen-address=",
    )


def prometheus(scratch: Path, external_url: str, rules: Sequence[Path], *, alerts: bool) -> Peer | None:
    """Scrapes the service; its own rules watch the monitor itself."""
    program = find("prometheus")
    if program is None:
        return None
    jobs = {"diemcau": BOARD_PORT, "prometheus": PROMETHEUS_PORT} | (
        {"alertmanager": ALERTMANAGER_PORT} if alerts else {}
    )
    config: dict[str, object] = {
        "global": {"scrape_interval": f"{SCRAPE_INTERVAL_S}s", "evaluation_interval": "2s"},
        "scrape_configs": [{"job_name": job, "static_configs": _at(port)} for job, port in jobs.items()],
        "rule_files": [str(path) for path in rules],
    }
    if alerts:
        config["alerting"] = {"alertmanagers": [{"static_configs": _at(ALERTMANAGER_PORT)}]}
    arguments = (
        f"--config.file={_write(scratch / 'prometheus.yml', config)}",
        f"--storage.tsdb.path={scratch / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{PROMETHEUS_PORT}",
        f"--web.external-url={external_url}",
        "--web.route-prefix=/",
    )
    return Peer("prometheus", (program, *arguments), PROMETHEUS_PORT)


def _at(port: int) -> list[dict[str, list[str]]]:
    return [{"targets": [f"127.0.0.1:{port}"]}]


def rule_files(config: Path) -> list[Path]:
    """The files with Prometheus rules in the ``prometheus`` folder of a configuration directory."""
    return [path.resolve() for path in sorted((config / "prometheus").rglob("*.y*ml")) if _has_groups(path)]


def _has_groups(path: Path) -> bool:
    return any(line.startswith("groups:") for line in _lines(path))


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", errors="replace") as file:
        yield from file


def _write(path: Path, config: Mapping[str, object]) -> Path:
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return path
