"""``diemcau attribute``: who is to blame for what is down, by a file of evidence, for post-mortems and evaluation."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from math import exp
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec

from monitor.configuration import attribution as attribution_file
from monitor.configuration import evidence as evidence_file
from monitor.configuration import inventory as inventory_files
from monitor.configuration.errors import Errors, InvalidConfiguration
from monitor.core.attribution import Attribution, Attributor, Blame, Evidence, Fact, FactKind, Priors
from monitor.core.incidents import certainty_of
from monitor.core.model import Certainty, CheckState, Inventory, Tree

SITES_SHOWN = 20
IDS_SHOWN = 8
LONGEST_ODDS = 999
LEAST_NATS = 0.05
"""What is worth mentioning."""
DIGITS = 4
"""Of the numbers in JSON."""


@click.command(
    "attribute",
    epilog="""\b
Example, with the ids of `diemcau sample config`: two points are silent, and one has lost its mains.

\b
  $ cat evidence.json
  {"points": {"x-14869":     {"state": "down", "down_for_s": 12.5,
                              "power": [{"source": "ups", "on_battery": true, "minutes_left": 20}]},
              "x-14869-t06": {"state": "down"},
              "x-14872":     {"state": "up"}},
   "nodes":  {"olt-14869-1": {"state": "down"}}}
  $ diemcau attribute --inventory config --evidence evidence.json

\b
A point's state is up, down or unknown, a node's is up or down; source is ups, nut, browser or gasp. down_for_s,
power, minutes_left and nodes may be left out. What is not named has not been observed: it is neither up nor down,
so name the points that are up, too. Points that are merged or without coverage are never counted as down.""",
)
@click.option(
    "--inventory",
    "directory",
    metavar="DIR",
    required=True,
    type=click.Path(path_type=Path),
    help="Directory with points.csv, network.csv and power.csv; districts.csv and attribution.yaml are read if there.",
)
@click.option(
    "--evidence",
    "source",
    metavar="FILE",
    required=True,
    help="What was seen, as JSON; - reads standard input.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Write the answer as JSON: ids, odds, and each piece of evidence."
)
def command(directory: Path, source: str, as_json: bool) -> None:  # noqa: FBT001  (click passes it by name)
    """Name what failed, in the network or the power grid, the company that must act, how sure that is, and why.

    The same engine as in the monitor, over one instant. Exits with 1, and every error, when a file is not valid.
    """
    try:
        case = _read(directory, source)
    except InvalidConfiguration as invalid:
        click.echo(str(invalid), err=True)
        sys.exit(1)
    attribution = Attributor(case.inventory, case.priors).attribute(case.evidence)
    click.echo(_json(attribution) if as_json else "\n".join(Report(case, attribution).lines()))


class Case(NamedTuple):
    """What there is to explain."""

    inventory: Inventory
    evidence: Evidence
    priors: Priors


def _read(directory: Path, source: str) -> Case:
    errors = Errors()
    inventory = inventory_files.read(directory, None, errors)
    evidence = _evidence(source, inventory, errors)
    priors = attribution_file.read(directory, errors)
    if inventory is None or evidence is None or priors is None:
        raise errors.invalid()
    return Case(inventory, evidence, priors)


def _evidence(source: str, inventory: Inventory | None, errors: Errors) -> Evidence | None:
    if source != "-":
        return evidence_file.read(Path(source), inventory, errors)
    data = sys.stdin.buffer.read(evidence_file.EVIDENCE_BYTES + 1)
    return evidence_file.parse("standard input", data, inventory, errors)


def _json(attribution: Attribution) -> str:
    return msgspec.json.format(msgspec.json.encode(_rounded(msgspec.to_builtins(attribution))), indent=2).decode()


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return round(value, DIGITS) if isinstance(value, float) else value


# For people


VERDICTS = {
    Certainty.CERTAIN: "{owner} must act: {percent}",
    Certainty.PROBABLE: "{owner} must probably act: {percent}",
    Certainty.UNDETERMINED: "it cannot be told who must act; {owner}: {percent}",
}
VOICES = {"ups": "a UPS", "nut": "a UPS (NUT)", "browser": "a laptop's charger", "gasp": "a modem's last word"}
KEPT_UP = {
    "ups": "{points} beneath it {are} up, on a UPS or battery",
    "backup": "{points} beneath it {are} up and {have} a backup link",
    "": "{points} beneath it {are} up for no known reason",
}
ANSWERS = {"up": "it answers itself", "down": "it does not answer itself"}
FACTS: dict[FactKind, Callable[[Fact], str]] = {
    FactKind.DOWN: lambda fact: f"down: {fact.count:,} of {_points(fact.of)} observed beneath it",
    FactKind.ON_BATTERY: lambda fact: f"mains gone at {_sites(fact.count)}, by {VOICES.get(fact.source, fact.source)}",
    FactKind.ON_MAINS: lambda fact: f"mains there at {_sites(fact.count)}, by {VOICES.get(fact.source, fact.source)}",
    FactKind.NODE: lambda fact: ANSWERS.get(fact.source, fact.source),
    FactKind.SURVIVOR: lambda fact: KEPT_UP.get(fact.source, KEPT_UP[""]).format(
        points=_points(fact.count), are=_are(fact.count), have="has" if fact.count == 1 else "have"
    ),
    FactKind.UNOBSERVED: lambda fact: f"nothing is known of {_points(fact.count)} beneath it",
    FactKind.TOGETHER: lambda fact: f"{_points(fact.count)} fell in the same moment, though the map has them elsewhere",
    FactKind.NEIGHBOURS: lambda fact: f"up: {fact.count:,} of {_points(fact.of)} beside it in the {fact.source} tree",
    FactKind.CASCADE: lambda fact: f"{_counted(fact.count, 'network node')} fell for want of its power",
}
"""Each piece of evidence as a sentence; the runner-up has a line of its own."""


class Report:
    """An attribution as a person reads it."""

    def __init__(self, case: Case, attribution: Attribution) -> None:
        self._case, self._attribution = case, attribution

    def lines(self) -> Iterator[str]:
        """The whole of it."""
        yield self._observed()
        nodes = [blame for blame in self._attribution.blamed if blame.tree is not Tree.SITE]
        sites = [blame for blame in self._attribution.blamed if blame.tree is Tree.SITE]
        for number, blame in enumerate(nodes, start=1):
            yield ""
            yield f"{number}. {self._title(blame)}"
            yield from (f"   {line}" for line in self._node(blame))
        if sites:
            yield from self._sites(sites)
        yield from self._open_ends()

    def _observed(self) -> str:
        """What was seen of the points that take part."""
        points, seen = self._case.inventory.points, self._case.evidence.points
        states = Counter(one.state for point_id, one in seen.items() if points[point_id].expected)
        known = states[CheckState.UP] + states[CheckState.DOWN]
        if not states:
            return "Nothing is down: the evidence names no point that takes part."
        if not known:
            return f"Nothing is known to be down: of the {_points(states.total())} named, none was seen up or down."
        if not states[CheckState.DOWN]:
            but = " But by what is said of the power:" if self._attribution.blamed else ""
            return f"Nothing is down: {_points(known)} observed, all up.{but}"
        expected = sum(point.expected for point in points.values())
        return f"{_points(states[CheckState.DOWN])} down of {known:,} observed; {_points(expected)} take part."

    def _title(self, blame: Blame) -> str:
        names = " or ".join(self._named(node) for node in (blame.node, *blame.indistinguishable))
        certainty = certainty_of(blame.owner_probability, Certainty.UNDETERMINED)
        verdict = VERDICTS[certainty].format(owner=blame.operator, percent=_percent(blame.owner_probability))
        return f"{names}\n   {verdict}"

    def _node(self, blame: Blame) -> Iterator[str]:
        yield f"this node, of the {blame.tree} tree: {_percent(blame.probability)}"
        yield f"down because of it: {self._listed(blame.points)}"
        if blame.indistinguishable:
            yield "nothing observed tells them apart"
        yield from self._runner_up(blame)
        if blame.secondary:
            yield f"without its power: {self._listed(blame.secondary)}"
        yield "why:"
        yield from (f"  {line}" for line in _why(blame))

    def _runner_up(self, blame: Blame) -> Iterator[str]:
        other = blame.runner_up
        if other is None:
            return
        nats = next((fact.nats for fact in blame.evidence if fact.kind is FactKind.RUNNER_UP), 0.0)
        whose = "the site" if other.tree is Tree.SITE else f"{other.operator}, {other.tree}"
        percent = _percent(other.probability)
        yield f"second best: {self._named(other.node)}, {whose}: {percent}, {_odds(nats)} against it"

    def _sites(self, sites: Sequence[Blame]) -> Iterator[str]:
        yield ""
        yield f"{_points(len(sites))} down by {'its' if len(sites) == 1 else 'their'} own fault (site):"
        for blame in sites[:SITES_SHOWN]:
            yield f"   {self._named(blame.node)}: {_percent(blame.owner_probability)}"
            yield from (f"     {line}" for line in (*_why(blame), *self._runner_up(blame)))
        if len(sites) > SITES_SHOWN:
            yield f"   and {len(sites) - SITES_SHOWN:,} more; --json has all of them"

    def _open_ends(self) -> Iterator[str]:
        if self._attribution.undetermined:
            yield ""
            yield f"Whose fault it is cannot be told of {self._listed(self._attribution.undetermined)}"
        if self._attribution.suspects:
            yield ""
            yield f"Rows of points.csv that contradict what was seen: {self._listed(self._attribution.suspects)}"

    def _named(self, one: str) -> str:
        inventory = self._case.inventory
        found = inventory.network.get(one) or inventory.power.get(one) or inventory.points.get(one)
        return f"{found.name} ({one})" if found else one

    def _listed(self, ids: Sequence[str]) -> str:
        more = f" and {len(ids) - IDS_SHOWN:,} more" if len(ids) > IDS_SHOWN else ""
        return f"{len(ids):,}: {', '.join(ids[:IDS_SHOWN])}{more}" if ids else "no point"


def _why(blame: Blame) -> Iterator[str]:
    """The evidence, with what each piece weighs: above 0 it speaks for the blame."""
    for fact in blame.evidence:
        if fact.kind in FACTS:
            weight = f" ({fact.nats:+.1f} nats)" if abs(fact.nats) >= LEAST_NATS else ""
            yield f"{FACTS[fact.kind](fact)}{weight}"


def _points(count: int) -> str:
    return _counted(count, "point")


def _sites(count: int) -> str:
    return _counted(count, "site")


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _percent(probability: float) -> str:
    return f"{probability * 100:.1f} %"


def _odds(nats: float) -> str:
    """How many times likelier the best explanation is."""
    times = exp(min(max(nats, 0.0), 50.0))
    return f"more than {LONGEST_ODDS} to 1" if times > LONGEST_ODDS else f"{times:.3g} to 1"
