"""Judges who was named and who was told: the right company, soon enough, and nobody else. Pure.

The truth is the scenario's: a fault lies at a node, and whoever owns that node must act; equipment that dies for want
of power belongs to the fault of the power. What was named comes from the service's log, what was told from the phones
of the desks, behind the real Alertmanager and the gateway. A name is right when its node lies above or
below the one that failed, in the same tree: another node of the same company is another fault, and was none.
"""

from collections.abc import Iterable, Iterator
from math import inf
from typing import NamedTuple

import msgspec

from monitor.core.attribution import SITE
from monitor.core.contacts import Company
from monitor.core.model import Certainty, Change, IncidentChanged, Inventory, Tree
from monitor.rehearsal.faults import Fault, below
from monitor.rehearsal.score import GRACE_S, OWED_S, Evidence, Hit, Spread

NAMED_WITHIN_S = 5.0
"""After the second of its points fell, the company that must act is to be named."""
SUMMARY_WITHIN_S = 70.0
"""The same where its desk has had its messages of this minute: then it stands in the next summary."""
ENDS_WITHIN_S = 60.0
"""A fault may be spoken of for so long after it is mended: its points come up one after the other."""
OPENINGS = frozenset({Change.OPENED, Change.REOPENED})
ENDS = frozenset({Change.RESOLVED, Change.MERGED, Change.RETRACTED})
BOARD = "board"


class Owner(NamedTuple):
    """A company that owns nodes."""

    tree: Tree
    label: str
    """Of an alert: which of them it is for."""


OWNERS = {Company.TELECOM: Owner(Tree.NETWORK, "operator"), Company.POWER: Owner(Tree.POWER, "power_operator")}


class Delivered(msgspec.Struct, frozen=True):
    """A message about an incident arrived at a desk."""

    at: float
    desk: str
    company: Company
    incident: str
    operator: str
    """Who is to act on it, of those that the desk's company speaks for; empty where it speaks for none."""
    firing: bool
    summary: bool = False
    """With others in one message, for the desk's budget was spent."""


class Blamed(msgspec.Struct, frozen=True):
    """How a fault was named."""

    fault: str
    operator: str
    points: int
    """Watched points that fell because of it."""
    owed: bool
    """Whether enough of them fell, for long enough, in sight."""
    named: str
    """The incident that named the right owner first; empty for none."""
    named_seconds: float | None
    """From the second point's fall, or the only one's, to the board; of a site, from its own."""
    exact_seconds: float | None
    """The same to the first incident at the very node."""
    told_seconds: float | None
    """The same to a phone of the company's own desk."""
    told_with_others: bool = False
    """In a summary, which comes once a minute."""


class Misplaced(msgspec.Struct, frozen=True):
    """Somebody was blamed for what is not theirs."""

    by: str
    """``board``, or the desk that was told."""
    incident: str
    operator: str
    after_seconds: float
    """From the beginning of the rehearsal."""
    lasted_seconds: float | None
    """Until it was taken back; None when it never was."""
    ended: str = ""
    """On the board: the change that ended it."""


class BlameScore(msgspec.Struct, frozen=True):
    """Who was named and told, over the whole rehearsal."""

    rows: tuple[Blamed, ...]
    named_seconds: Spread | None
    incidents: int
    """Opened, again or for the first time."""
    retractions: int
    wrongly_named: tuple[Misplaced, ...]
    """On the board, which may change its mind: where nothing had failed, or another."""
    wrongly_told: tuple[Misplaced, ...]
    """Companies that got a message while nothing of their own had failed there."""
    while_blind: tuple[str, ...]
    """Incidents that were opened while our own uplink was lost."""
    merged_points: tuple[str, ...]
    """Points that are not expected, and of which somebody was told."""
    passed: bool


class _Truth(NamedTuple):
    """A fault and all that may be said of it."""

    fault: Fault
    tree: Tree
    operator: str
    places: frozenset[str]
    """Nodes on its line; the points themselves where it lies at the sites."""
    spans: tuple[Hit, ...]
    """Watched points that fell,"""
    marks: tuple[Hit, ...]
    """and those, with the ones that lost their mains or their codec."""

    def is_named_by(self, each: IncidentChanged) -> bool:
        return each.tree is self.tree and each.operator == self.operator and each.node in self.places

    def goes_on(self, at: float, grace_s: float = ENDS_WITHIN_S) -> bool:
        return any(mark.cut_at <= at <= mark.mended_at + grace_s for mark in self.marks)


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
    truths = [_truth(evidence, fault, inventory, probed) for fault in evidence.faults if fault.kind != "uplink"]
    rows = [_row(truth, evidence, happened, told) for truth in truths]
    late = [row for row in rows if not _in_time(row, alerted=alerted)]
    wrong = tuple(_wrongly_told(told, truths, evidence.began_at))
    blind = tuple(_while_blind(happened, truths, evidence))
    merged = tuple(sorted(_not_expected(evidence, happened, inventory)))
    return BlameScore(
        tuple(rows),
        Spread.of(row.named_seconds for row in rows if row.owed and row.named_seconds is not None),
        sum(each.change in OPENINGS for each in happened),
        sum(each.change is Change.RETRACTED for each in happened),
        tuple(_wrongly_named(happened, truths, evidence.began_at)),
        wrong,
        blind,
        merged,
        passed=not (late or wrong or blind or merged),
    )


# What was true


def _truth(evidence: Evidence, fault: Fault, inventory: Inventory, probed: frozenset[str]) -> _Truth:
    hits = tuple(
        sorted((hit for hit in evidence.hits if _is_of(hit, fault) and hit.point in probed), key=lambda hit: hit.cut_at)
    )
    marks = (*hits, *(hit for hit in (*evidence.dark, *evidence.mute) if _is_of(hit, fault)))
    if fault.node not in inventory.network and fault.node not in inventory.power:
        return _Truth(fault, Tree.SITE, SITE, frozenset(mark.point for mark in marks), hits, marks)
    tree = Tree.NETWORK if fault.node in inventory.network else Tree.POWER
    nodes = inventory.network if tree is Tree.NETWORK else inventory.power
    places = below(nodes, [fault.node]) | {node.id for node in inventory.ancestors(fault.node)}
    return _Truth(fault, tree, nodes[fault.node].operator, frozenset(places), hits, marks)


def _is_of(hit: Hit, fault: Fault) -> bool:
    return hit.fault == fault.number


# In time


def _row(
    truth: _Truth, evidence: Evidence, happened: Iterable[IncidentChanged], delivered: Iterable[Delivered]
) -> Blamed:
    hits = truth.spans
    if not hits:
        return Blamed(truth.fault.name, truth.operator, 0, False, "", None, None, None)
    ends_at = max(hit.mended_at for hit in hits) + GRACE_S
    right = [each for each in happened if hits[0].cut_at <= each.at <= ends_at and _accuses(each, truth)]
    counted = _counted(truth, right[0].node if right else "")
    exact = (each.at for each in right if each.node == truth.fault.node)
    told = [
        (each.at, each.summary)
        for each in delivered
        if each.firing and hits[0].cut_at <= each.at <= ends_at and _is_theirs(each, truth)
    ]
    told_at, with_others = min(told, default=(None, False))
    lasted_s = min(counted.mended_at, evidence.ended_at or inf) - counted.cut_at
    return Blamed(
        truth.fault.name,
        truth.operator,
        len({hit.point for hit in hits}),
        truth.tree is not Tree.SITE and len(hits) > 1 and lasted_s >= OWED_S,
        right[0].incident if right else "",
        _seconds(counted.cut_at, right[0].at if right else None),
        _seconds(counted.cut_at, min(exact, default=None)),
        _seconds(counted.cut_at, told_at),
        with_others,
    )


def _counted(truth: _Truth, named: str) -> Hit:
    """The fall from which time counts: the second point's; of sites, each of which falls alone, the named one's."""
    if truth.tree is Tree.SITE:
        return next((hit for hit in truth.spans if hit.point == named), truth.spans[0])
    return truth.spans[:2][-1]


def _accuses(each: IncidentChanged, truth: _Truth) -> bool:
    return truth.is_named_by(each) and each.certainty is not Certainty.UNDETERMINED and each.change not in ENDS


def _seconds(begun: float, at: float | None) -> float | None:
    return None if at is None else max(0.0, at - begun)


def _in_time(row: Blamed, *, alerted: bool) -> bool:
    if not row.owed:
        return True
    told_within_s = SUMMARY_WITHIN_S if row.told_with_others else NAMED_WITHIN_S
    owed = [(row.named_seconds, NAMED_WITHIN_S), *([(row.told_seconds, told_within_s)] if alerted else [])]
    return all(seconds is not None and seconds <= within_s for seconds, within_s in owed)


# Wrong


def _is_theirs(each: Delivered, truth: _Truth) -> bool:
    """Whether an alert tells the company that must act of this fault, be it together with others."""
    owner = OWNERS.get(each.company)
    if owner is None or owner.tree is not truth.tree or each.operator != truth.operator:
        return False
    tree, _, node = each.incident.partition(":")
    return tree != truth.tree or node in truth.places


def _wrongly_told(delivered: list[Delivered], truths: list[_Truth], began_at: float) -> Iterator[Misplaced]:
    """Each time that an alert about nothing of theirs began to fire at a company."""
    for each in _begun(delivered):
        if not any(_is_theirs(each, truth) and truth.goes_on(each.at) for truth in truths):
            over = (one.at for one in delivered if _same(one, each) and one.at > each.at and not one.firing)
            lasted_s = _seconds(each.at, min(over, default=None))
            yield Misplaced(each.desk, each.incident, each.operator, each.at - began_at, lasted_s)


def _begun(delivered: Iterable[Delivered]) -> Iterator[Delivered]:
    """Of what companies got, the first notification of each alert; what repeats it is left out."""
    firing: set[tuple[str, str]] = set()
    for each in delivered:
        key = each.desk, each.incident
        if each.firing and key not in firing and each.company in OWNERS:
            yield each
        (firing.add if each.firing else firing.discard)(key)


def _same(one: Delivered, other: Delivered) -> bool:
    return (one.desk, one.incident) == (other.desk, other.incident)


def _wrongly_named(happened: Iterable[IncidentChanged], truths: list[_Truth], began_at: float) -> Iterator[Misplaced]:
    """Each time that the board blamed somebody for what had not failed, until it blamed them no longer."""
    standing: dict[str, IncidentChanged] = {}
    for each in happened:
        over = each.change in ENDS or each.certainty is Certainty.UNDETERMINED
        if over and each.incident in standing:
            yield _misplaced(standing.pop(each.incident), each, began_at)
        elif not over and not any(truth.is_named_by(each) and truth.goes_on(each.at) for truth in truths):
            standing.setdefault(each.incident, each)
    yield from (_misplaced(each, None, began_at) for each in standing.values())


def _misplaced(each: IncidentChanged, over: IncidentChanged | None, began_at: float) -> Misplaced:
    lasted_s, ended = (over.at - each.at, over.change.value) if over is not None else (None, "")
    return Misplaced(BOARD, each.incident, each.operator, each.at - began_at, lasted_s, ended)


def _while_blind(happened: Iterable[IncidentChanged], truths: list[_Truth], evidence: Evidence) -> Iterator[str]:
    """What was opened while we did not see, and is none of the faults that went on meanwhile."""
    lost = [(instants[0], (*instants, inf)[1]) for instants in evidence.uplink.values() if instants]
    for each in happened:
        unseen = each.change in OPENINGS and any(begin <= each.at <= end for begin, end in lost)
        if unseen and not any(truth.is_named_by(each) and truth.goes_on(each.at, GRACE_S) for truth in truths):
            yield each.incident


def _not_expected(evidence: Evidence, happened: Iterable[IncidentChanged], inventory: Inventory) -> set[str]:
    spoken_of = {told.point for told in evidence.told if told.firing}
    spoken_of |= {each.node for each in happened if each.tree is Tree.SITE}
    return {point.id for point in inventory.points.values() if not point.expected} & spoken_of
