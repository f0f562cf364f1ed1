"""Judges who was named and who was told: the right company, soon enough, and nobody else. Pure.

The truth is the scenario's: a fault lies at a node, and whoever owns that node must act. What was named comes from the
service's log, what was told from webhooks behind the routes of the shipped Alertmanager configuration, one a receiver.
"""

from collections.abc import Iterable, Iterator, Mapping
from math import inf

import msgspec

from monitor.core.model import Certainty, Change, IncidentChanged, Inventory, Node, Tree
from monitor.rehearsal.faults import Fault
from monitor.rehearsal.score import GRACE_S, OWED_S, Evidence, Spread

NAMED_WITHIN_S = 5.0
"""After the second of its points fell, the company that must act is to be named."""
ENDS_WITHIN_S = 60.0
"""What was told of a fault may go on for so long after it is mended: its points come up one after the other."""
RECEIVERS = {Tree.NETWORK: "vnpt", Tree.POWER: "dien-luc"}
"""Of the shipped routes: who hears of which tree."""
ENDS = frozenset({Change.RESOLVED, Change.MERGED, Change.RETRACTED})


class Delivered(msgspec.Struct, frozen=True):
    """An alert of an incident arrived at a receiver."""

    at: float
    receiver: str
    incident: str
    operators: tuple[str, ...]
    """Owners that its labels name: of the line, of the mains."""
    firing: bool


class Blamed(msgspec.Struct, frozen=True):
    """How a fault was named."""

    fault: str
    operator: str
    points: int
    """Watched points that fell because of it."""
    owed: bool
    """Whether enough of them fell, for long enough, in sight."""
    named: str
    """The incident that named the right company first; empty for none."""
    named_seconds: float | None
    """From the second point's fall to the board."""
    told_seconds: float | None
    """From the second point's fall to the company's own receiver."""


class BlameScore(msgspec.Struct, frozen=True):
    """Who was named and told, over the whole rehearsal."""

    rows: tuple[Blamed, ...]
    named_seconds: Spread | None
    incidents: int
    retractions: int
    wrongly_told: tuple[str, ...]
    """Companies that were told of what is not theirs: receiver, incident, seconds until it was taken back."""
    merged_points: tuple[str, ...]
    """Points that are not expected, and of which somebody was told."""
    passed: bool


def judge(
    evidence: Evidence,
    named: Iterable[IncidentChanged],
    delivered: Iterable[Delivered],
    inventory: Inventory,
    probed: frozenset[str],
    *,
    alerted: bool,
) -> BlameScore:
    """``named``: the service's log; ``alerted``: whether alerts could be received."""
    happened, told = list(named), list(delivered)
    nodes: Mapping[str, Node] = {**inventory.network, **inventory.power}
    rows = tuple(
        _row(evidence, fault, nodes[fault.node], happened, told, probed)
        for fault in evidence.faults
        if fault.node in nodes
    )
    wrong = tuple(_wrongly(told, evidence, nodes))
    merged = tuple(
        sorted(point.id for point in inventory.points.values() if not point.expected and point.id in _told_of(evidence))
    )
    late = [
        row for row in rows if row.owed and not _in_time(row, alerted=alerted, tree=_tree(row, evidence, inventory))
    ]
    opened = {Change.OPENED, Change.REOPENED}
    return BlameScore(
        rows,
        Spread.of(row.named_seconds for row in rows if row.named_seconds is not None),
        sum(each.change in opened for each in happened),
        sum(each.change is Change.RETRACTED for each in happened),
        wrong,
        merged,
        passed=not (late or wrong or merged),
    )


def _told_of(evidence: Evidence) -> set[str]:
    return {told.point for told in evidence.told}


def _tree(row: Blamed, evidence: Evidence, inventory: Inventory) -> Tree:
    node = next(fault.node for fault in evidence.faults if fault.name == row.fault)
    return Tree.NETWORK if node in inventory.network else Tree.POWER


def _in_time(row: Blamed, *, alerted: bool, tree: Tree) -> bool:
    named = row.named_seconds is not None and row.named_seconds <= NAMED_WITHIN_S
    ours = alerted and (tree is Tree.POWER or row.operator.startswith("VNPT"))  # another carrier has no receiver
    return named and (not ours or (row.told_seconds is not None and row.told_seconds <= NAMED_WITHIN_S))


def _row(
    evidence: Evidence,
    fault: Fault,
    node: Node,
    named: list[IncidentChanged],
    delivered: list[Delivered],
    probed: frozenset[str],
) -> Blamed:
    hits = sorted(
        (hit for hit in evidence.hits if hit.fault == fault.number and hit.point in probed), key=lambda hit: hit.cut_at
    )
    if len(hits) < 2:
        return Blamed(fault.name, node.operator, len(hits), False, "", None, None)
    second, ends_at = hits[1].cut_at, max(hit.mended_at for hit in hits) + GRACE_S
    right = next(
        (
            each
            for each in named
            if hits[0].cut_at <= each.at <= ends_at
            and each.operator == node.operator
            and each.certainty is not Certainty.UNDETERMINED
            and each.change not in ENDS
        ),
        None,
    )
    told = min(
        (
            each.at
            for each in delivered
            if each.firing
            and hits[0].cut_at <= each.at <= ends_at
            and node.operator in each.operators
            and each.receiver in RECEIVERS.values()
        ),
        default=None,
    )
    lasted_s = min(hits[1].mended_at, evidence.ended_at or inf) - second
    return Blamed(
        fault.name,
        node.operator,
        len(hits),
        lasted_s >= OWED_S,
        right.incident if right is not None else "",
        max(0.0, right.at - second) if right is not None else None,
        max(0.0, told - second) if told is not None else None,
    )


def _wrongly(delivered: list[Delivered], evidence: Evidence, nodes: Mapping[str, Node]) -> Iterator[str]:
    """Alerts that a company got while nothing of its own had failed."""
    for each in delivered:
        if not each.firing or each.receiver not in RECEIVERS.values():
            continue
        theirs = {
            nodes[fault.node].operator
            for fault in evidence.faults
            if fault.node in nodes and _goes_on(evidence, fault, each.at)
        }
        if not theirs & set(each.operators):
            over = min(
                (one.at for one in delivered if one.incident == each.incident and one.at > each.at and not one.firing),
                default=inf,
            )
            after_s, lasted_s = each.at - evidence.began_at, over - each.at
            yield f"{each.receiver}: {each.incident} after {after_s:.1f} s, for {lasted_s:.1f} s"


def _goes_on(evidence: Evidence, fault: Fault, at: float) -> bool:
    spans = [hit for hit in (*evidence.hits, *evidence.dark) if hit.fault == fault.number]
    return any(hit.cut_at <= at <= hit.mended_at + ENDS_WITHIN_S for hit in spans)
