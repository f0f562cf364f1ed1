"""Writes ``dashboards/json`` from the modules beside it: ``python dashboards/build.py``.

The JSON is what Grafana reads, and is committed; a test fails when it differs from what is built here.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards import tong_quan

OUT = Path(__file__).parent / "json"
DASHBOARDS: Mapping[str, Callable[[], Dashboard]] = {"tong-quan": tong_quan.dashboard}
"""File name → what builds it."""


def render(build: Callable[[], Dashboard]) -> str:
    """The dashboard's JSON, its panels numbered from 1 in reading order."""
    built = build().build()
    for number, panel in enumerate(built.panels or (), 1):
        panel.id_val = number
    return json.dumps(built, cls=JSONEncoder, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def main() -> None:
    """Write all of them, and say which."""
    OUT.mkdir(exist_ok=True)
    for name, build in DASHBOARDS.items():
        path = OUT / f"{name}.json"
        path.write_text(render(build), encoding="utf-8")
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
