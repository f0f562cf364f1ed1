"""``diemcau attribute``: the answer for programs, the report for people, and what it says to what it cannot read."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from monitor.cli import attribute, main
from monitor.core.attribution import Attribution, Blame, Evidence, Fact, FactKind, PointEvidence, Priors, RunnerUp
from monitor.core.model import CheckState, Inventory, Mode, Node, NodeKind, Point, Tier, Tree

HEADER = "id,name,tier,mode,merged_into,network_node,power_node,ups_minutes,check_set"
NETWORK = """id,parent,name,kind,operator,powered_by
core,,Lõi,core,VNPT Thanh Hóa,
agg-1,core,Nút gom 1,aggregation,VNPT Thanh Hóa,
agg-2,core,Nút gom 2,aggregation,VNPT Thanh Hóa,
"""
POWER = """id,parent,name,kind,operator
sub,,Trạm 110 kV,substation,Công ty Điện lực
lo-1,sub,Lộ 471,feeder,Điện lực Một
lo-2,sub,Lộ 472,feeder,Điện lực Hai
"""
BLAMED = {
    "node",
    "tree",
    "operator",
    "probability",
    "owner_probability",
    "points",
    "runner_up",
    "indistinguishable",
    "secondary",
    "evidence",
}


def ids(network: int, power: int) -> list[str]:
    """The points on one network node and one power node."""
    return [f"x-{network}{power}-{number}" for number in range(6)]


ALL = [point for network in (1, 2) for power in (1, 2) for point in ids(network, power)]


@pytest.fixture(autouse=True)
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twenty-four points, six on each pair of nodes, and two that are never counted; nothing but the three tables."""
    directory = tmp_path / "inventory"
    directory.mkdir()
    rows = [f"{one},Điểm {one},commune,two_way,,agg-{one[2]},lo-{one[3]},0,nobody_checks_this" for one in ALL]
    rows += ["gop,Gộp,village,merged,x-11-0,agg-1,lo-1,0,", "khong,Không,village,no_coverage,,agg-1,lo-1,0,"]
    (directory / "points.csv").write_text("\n".join([HEADER, *rows, ""]))
    (directory / "network.csv").write_text(NETWORK)
    (directory / "power.csv").write_text(POWER)
    monkeypatch.chdir(tmp_path)
    return directory


def attributed(points: Mapping[str, Any], *options: str, nodes: Mapping[str, Any] | None = None) -> Result:
    """The command's result for this evidence."""
    document = {"points": points, "nodes": nodes or {}}
    Path("evidence.json").write_text(json.dumps(document))
    return CliRunner().invoke(main, ["attribute", "--inventory", "inventory", "--evidence", "evidence.json", *options])


def seen(down: list[str], **down_as: Any) -> dict[str, Any]:
    """All points, those down and the others up."""
    return {one: {"state": "down", **down_as} if one in down else {"state": "up"} for one in ALL}


def test_a_network_node_is_named_with_its_company() -> None:
    down = ids(1, 1) + ids(1, 2)
    result = attributed(seen(down, down_for_s=12.5), "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    answer = json.loads(result.stdout)
    assert answer.keys() == {"blamed", "undetermined", "suspects"}
    (blame,) = answer["blamed"]
    assert blame.keys() == BLAMED
    assert (blame["node"], blame["tree"], blame["operator"]) == ("agg-1", "network", "VNPT Thanh Hóa")
    assert sorted(blame["points"]) == sorted(down)
    assert blame["runner_up"].keys() == {"node", "tree", "operator", "probability"}
    assert all(fact.keys() == {"kind", "count", "of", "source", "nats", "ids"} for fact in blame["evidence"])


def test_a_feeder_is_named_with_its_branch() -> None:
    power = [{"source": "ups", "on_battery": True, "minutes_left": 20}]
    result = attributed(seen(ids(1, 2) + ids(2, 2), power=power), "--json")
    (blame,) = json.loads(result.stdout)["blamed"]
    assert (blame["node"], blame["tree"], blame["operator"]) == ("lo-2", "power", "Điện lực Hai")


def test_points_that_are_not_expected_are_never_down() -> None:
    result = attributed({"gop": {"state": "down"}, "khong": {"state": "down"}}, "--json")
    assert json.loads(result.stdout) == {"blamed": [], "undetermined": [], "suspects": []}


def test_people_read_names_companies_and_why() -> None:
    result = attributed(seen(ids(1, 1) + ids(1, 2)))
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "12 points down of 24 observed; 24 points take part."
    assert "1. Nút gom 1 (agg-1)" in lines
    assert any(line.strip().startswith("VNPT Thanh Hóa must") for line in lines)
    assert any("down: 12 of 12 points observed beneath it" in line for line in lines)


@pytest.mark.parametrize(
    ("points", "line"),
    [
        (seen([]), "Nothing is down: 24 points observed, all up."),
        ({}, "Nothing is down: the evidence names no point that takes part."),
        ({"gop": {"state": "down"}}, "Nothing is down: the evidence names no point that takes part."),
        (
            {ALL[0]: {"state": "unknown"}},
            "Nothing is known to be down: of the 1 point named, none was seen up or down.",
        ),
    ],
)
def test_it_is_said_when_nothing_is_down(points: Mapping[str, Any], line: str) -> None:
    result = attributed(points)
    assert (result.exit_code, result.stdout) == (0, line + "\n")


def test_evidence_from_standard_input() -> None:
    arguments = ["attribute", "--inventory", "inventory", "--evidence", "-"]
    result = CliRunner().invoke(main, arguments, input='{"points": {"x-11-0": {"state": "up"}}}')
    assert result.stdout == "Nothing is down: 1 point observed, all up.\n"
    refused = CliRunner().invoke(main, arguments, input="{")
    assert refused.exit_code == 1
    assert refused.stderr.startswith("standard input:1:2: expected JSON")


def test_errors_of_all_files_at_once(inventory: Path) -> None:
    """Nothing on standard output; exit status 1."""
    (inventory / "power.csv").unlink()
    result = attributed({"x-11-0": {"state": "dwn"}})
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        'evidence.json:1:33: points.x-11-0.state: expected one of unknown, up, down, got "dwn". Did you mean "down"?',
        "inventory/power.csv:1:1: expected a file power.csv or power.xlsx, got none",
    ]


def test_a_directory_without_an_inventory(tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "inventory")
    result = attributed({})
    assert result.exit_code == 1
    assert "inventory/points.csv:1:1: expected a file points.csv or points.xlsx, got none" in result.stderr


def test_help_has_evidence_that_can_be_copied() -> None:
    """What stands in the example is JSON of the form that is read."""
    shown = CliRunner().invoke(main, ["attribute", "--help"]).stdout
    example = shown[shown.index('{"points"') : shown.index("$ diemcau attribute")]
    assert json.loads(example).keys() == {"points", "nodes"}


# The report, of answers made by hand

NODES = {
    "olt": Node("olt", None, "OLT Na Mèo", NodeKind.ACCESS, "VNPT Thanh Hóa"),
}
GRID = {
    "lo": Node("lo", None, "Lộ 473", NodeKind.FEEDER, "Điện lực Quan Sơn"),
    "tba": Node("tba", "lo", "TBA 12", NodeKind.TRANSFORMER, "Điện lực Quan Sơn"),
}
POINTS = {name: Point(id=name, name=f"Bản {name}", tier=Tier.VILLAGE, mode=Mode.WATCH) for name in ("a", "b", "c", "d")}


def report(*blamed: Blame, undetermined: tuple[str, ...] = (), suspects: tuple[str, ...] = ()) -> str:
    down = {point: PointEvidence(CheckState.DOWN) for point in POINTS}
    case = attribute.Case(Inventory(POINTS, NODES, GRID, {}), Evidence(down), Priors())
    return "\n".join(attribute.Report(case, Attribution(blamed, undetermined, suspects)).lines())


def blamed(owner_probability: float, **members: Any) -> Blame:
    return Blame("tba", Tree.POWER, "Điện lực Quan Sơn", 0.6, owner_probability, ("a", "b"), **members)


def test_nodes_that_cannot_be_told_apart_are_named_together() -> None:
    assert "1. TBA 12 (tba) or Lộ 473 (lo)" in report(blamed(0.99, indistinguishable=("lo",)))


@pytest.mark.parametrize(
    ("probability", "verdict"),
    [
        (0.95, "Điện lực Quan Sơn must act: 95.0 %"),
        (0.70, "Điện lực Quan Sơn must probably act: 70.0 %"),
        (0.6, "it cannot be told who must act; Điện lực Quan Sơn: 60.0 %"),
    ],
)
def test_how_sure_it_is_decides_the_words(probability: float, verdict: str) -> None:
    assert verdict in report(blamed(probability))


def test_the_runner_up_has_odds() -> None:
    facts = (Fact(FactKind.RUNNER_UP, 1, nats=1.1, ids=("olt",)),)
    text = report(blamed(0.75, runner_up=RunnerUp("olt", Tree.NETWORK, "VNPT Thanh Hóa", 0.25), evidence=facts))
    assert "second best: OLT Na Mèo (olt), VNPT Thanh Hóa, network: 25.0 %, 3 to 1 against it" in text


@pytest.mark.parametrize("kind", [kind for kind in FactKind if kind is not FactKind.RUNNER_UP])
def test_each_kind_of_evidence_has_a_sentence(kind: FactKind) -> None:
    """With its weight, where it has one."""
    text = report(blamed(0.99, evidence=(Fact(kind, 2, 3, "up", nats=-1.25),)))
    why = text.partition("why:\n")[2].splitlines()[0]
    assert why.endswith("(-1.2 nats)")
    assert len(why.split()) > 4


def test_sites_are_one_list_and_no_flood() -> None:
    sites = [Blame(point, Tree.SITE, "site", 0.9, 0.9, (point,)) for point in list(POINTS) * 10]
    text = report(*sites)
    assert "40 points down by their own fault (site):" in text
    assert "Bản a (a): 90.0 %" in text
    assert text.endswith("and 20 more; --json has all of them")


def test_what_is_open_stands_at_the_end() -> None:
    text = report(blamed(0.6), undetermined=("a", "b"), suspects=("c",))
    assert "Whose fault it is cannot be told of 2: a, b" in text
    assert text.endswith("Rows of points.csv that contradict what was seen: 1: c")
