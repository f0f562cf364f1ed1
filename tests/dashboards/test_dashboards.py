"""The committed dashboards are those that are built, and ask only for what is exposed."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards.build import DASHBOARDS, OUT, render

ROOT = Path(__file__).parents[2]
WORDS = re.compile(r"\b[a-z]+(?:_[a-z0-9]+)+\b")
NOT_METRICS = {"district_name", "clamp_min", "group_left", "histogram_quantile"}
FULL_WIDTH = 24


@pytest.fixture(params=sorted(DASHBOARDS))
def name(request: pytest.FixtureRequest) -> str:
    """Each dashboard."""
    found: str = request.param
    return found


@pytest.fixture
def built(name: str) -> dict[str, Any]:
    """As Grafana reads it."""
    found: dict[str, Any] = json.loads(render(DASHBOARDS[name]))
    return found


def exprs(built: dict[str, Any]) -> list[str]:
    """All queries."""
    return [target["expr"] for panel in built["panels"] for target in panel.get("targets", ())]


def test_the_committed_json_is_what_is_built(name: str) -> None:
    """After a change: ``python dashboards/build.py``."""
    assert (OUT / f"{name}.json").read_text(encoding="utf-8") == render(DASHBOARDS[name])


def test_nothing_else_lies_among_the_dashboards() -> None:
    """A dashboard that nobody builds any more would be shown for ever."""
    assert {path.stem for path in OUT.iterdir()} == set(DASHBOARDS)


def test_every_metric_asked_for_is_exposed(built: dict[str, Any]) -> None:
    """A panel over a metric that nobody exposes would stay empty."""
    lines = (ROOT / "tests/metrics.txt").read_text(encoding="utf-8").splitlines()
    golden = {line.split()[0] for line in lines if line}
    used = {word.removesuffix("_bucket") for expr in exprs(built) for word in WORDS.findall(expr)} - NOT_METRICS
    assert used - {"__rate_interval"} <= golden


def test_every_query_is_promql(built: dict[str, Any], program: Callable[[str], Path], tmp_path: Path) -> None:
    """Judged by promtool, as rules."""
    rules = [
        {"record": f"query:{number}", "expr": expr.replace("$__rate_interval", "1m")}
        for number, expr in enumerate(exprs(built))
    ]
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}), encoding="utf-8")
    command = [str(program("promtool")), "check", "rules", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_panel_can_be_read(built: dict[str, Any]) -> None:
    """Each says in Vietnamese what it shows, in a unit, from the source that is provisioned."""
    for panel in built["panels"]:
        assert panel["title"]
        if panel["type"] == "row":
            continue
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "prometheus"}
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs)


def test_a_table_shows_what_its_queries_bring(built: dict[str, Any]) -> None:
    """A column that no query has would not be shown, and a title that no column has would not be looked at."""
    for panel in (panel for panel in built["panels"] if panel["type"] == "table"):
        exprs = {target["refId"]: target["expr"] for target in panel["targets"]}
        join, choice, order = (step["options"] for step in panel["transformations"])
        labels = [set(re.findall(r"\w+", by)) for by in re.findall(r"by \(([^)]*)\)", " ".join(exprs.values()))]
        assert all(join["byField"] in by for by in labels)
        assert set(choice["include"]["names"]) <= set().union(*labels) | {f"Value #{ref}" for ref in exprs}
        assert {each["matcher"]["options"] for each in panel["fieldConfig"]["overrides"]} <= {
            *order["renameByName"].values()
        }
        assert all(target["format"] == "table" and target["instant"] for target in panel["targets"])


def test_panels_fill_their_rows_and_do_not_overlap(built: dict[str, Any]) -> None:
    """The wall has no holes."""
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in built["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    height = 1 + max(y for _, y in cells)
    assert sorted(cells) == sorted((x, y) for x in range(FULL_WIDTH) for y in range(height))
