"""Reads a file of evidence: what was seen of points and nodes at one instant, as JSON, keyed by their ids.

``json`` keeps neither places nor the first of two equal names. So a document is read in full, judged member by
member, and only where something is wrong is the text gone over again to find its line and column.
"""

import json
import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from monitor.configuration.decode import joined
from monitor.configuration.errors import KEPT, Errors, Spot, did_you_mean, quoted
from monitor.configuration.source import read_bounded, text_of
from monitor.core.attribution import Evidence, PointEvidence, PowerSign, PowerSource
from monitor.core.model import CheckState, Inventory

EVIDENCE_BYTES = 64 << 20
LARGEST = 1e9
"""Seconds and minutes beyond which a number is a slip: 31 years."""
COMPARISONS = 200_000
"""Of unknown ids with known ones, to find a near one: two seconds' worth. Those beyond get no hint."""

STATES = {state.value: state for state in CheckState}
NODE_STATES = {state.value: state for state in (CheckState.UP, CheckState.DOWN)}
SOURCES = {source.value: source for source in PowerSource}

Way = tuple[str | int, ...]
"""The names and indices that lead to a value."""
Reading = Callable[[Any, Way], Any]
"""Returns the value of what a document holds; anything at all once a fault is noted."""


def read(path: Path, inventory: Inventory | None, errors: Errors) -> Evidence | None:
    """The evidence of a file; None with every error noted. Without an inventory the ids are not judged."""
    data = read_bounded(path, EVIDENCE_BYTES, errors)
    return None if data is None else parse(str(path), data, inventory, errors)


def parse(path: str, data: bytes, inventory: Inventory | None, errors: Errors) -> Evidence | None:
    """The evidence of a file's content; ``path`` is what messages call it."""
    if len(data) > EVIDENCE_BYTES:
        errors.add(Spot(path), "", f"at most {EVIDENCE_BYTES >> 20} MiB", "more")
        return None
    text = text_of(Path(path), data, errors)
    document = None if text is None else _document(path, text, errors)
    if text is None or document is None:
        return None
    judge = _Judge(inventory)
    evidence = judge.evidence(document)
    if not judge.total:
        return evidence
    _report(path, text, judge, errors)
    return None


class _Repeated(dict[str, Any]):
    """An object in which a name occurs twice."""

    names: Collection[str] = ()
    """Those that do."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    repeated = _Repeated(found)
    repeated.names = [name for name, times in Counter(name for name, _ in pairs).items() if times > 1]
    return repeated


def _document(path: str, text: str, errors: Errors) -> Any:
    """What the JSON holds, numbers all floats; None with the error noted, and nothing else is None."""
    try:
        found = json.loads(text, object_pairs_hook=_object, parse_int=float)
    except json.JSONDecodeError as error:
        errors.add(Spot(path, error.lineno, error.colno), "", "JSON", f"text that is not: {error.msg}")
        return None
    except RecursionError:
        errors.add(Spot(path), "", "JSON of few levels", "hundreds, one within another")
        return None
    if found is None:
        errors.add(Spot(path), "", _members_of(("points", "nodes")), "null")
    return found


# What belongs there


class _Fault(NamedTuple):
    at: Way
    key: Way
    expected: str
    got: str
    hint: str = ""
    named: bool = False
    """Whether it is the name that is wrong and not what it names."""


class _Judge:
    """Goes through a document and notes what is wrong in it, bounded in number.

    Once anything is, what is returned has no meaning.
    """

    def __init__(self, inventory: Inventory | None) -> None:
        self.faults: list[_Fault] = []
        self.total = 0
        self._compared = 0
        self._points: Collection[str] | None = None if inventory is None else inventory.points
        self._nodes: Collection[str] | None = None if inventory is None else {**inventory.network, **inventory.power}
        self._sign = {"source": _choice(self, SOURCES), "on_battery": self._flag, "minutes_left": self._amount}
        self._point = {"state": _choice(self, STATES), "down_for_s": self._amount, "power": self._signs}
        self._node = {"state": _choice(self, NODE_STATES)}

    def add(self, fault: _Fault) -> None:
        self.total += 1
        if len(self.faults) < KEPT:
            self.faults.append(fault)

    def wrong(self, way: Way, expected: str, value: object) -> None:
        """A value is not what is expected."""
        self.add(_Fault(way, way, expected, _described(value)))

    def evidence(self, document: object) -> Evidence:
        found = self._members(document, (), {"points": self._all_points, "nodes": self._all_nodes}, ("points",))
        return Evidence(found.get("points", {}), found.get("nodes", {}))

    def _all_points(self, value: Any, way: Way) -> dict[str, PointEvidence]:
        return {name: self._seen(one, (*way, name)) for name, one in self._known(value, way, self._points, "a point")}

    def _all_nodes(self, value: Any, way: Way) -> dict[str, CheckState | None]:
        return {
            name: self._members(one, (*way, name), self._node, ("state",)).get("state")
            for name, one in self._known(value, way, self._nodes, "a node")
        }

    def _seen(self, value: Any, way: Way) -> PointEvidence:
        found = self._members(value, way, self._point, ("state",))
        return PointEvidence(found.get("state", CheckState.UNKNOWN), found.get("down_for_s"), found.get("power", ()))

    def _signs(self, value: Any, way: Way) -> tuple[PowerSign, ...]:
        if not isinstance(value, list):
            self.wrong(way, "a list", value)
            return ()
        return tuple(self._heard(one, (*way, index)) for index, one in enumerate(value))

    def _heard(self, value: Any, way: Way) -> PowerSign:
        found = self._members(value, way, self._sign, ("source", "on_battery"))
        return PowerSign(
            found.get("source", PowerSource.UPS), found.get("on_battery", False), found.get("minutes_left")
        )

    def _flag(self, value: Any, way: Way) -> Any:
        if not isinstance(value, bool):
            self.wrong(way, "true or false", value)
        return value

    def _amount(self, value: Any, way: Way) -> Any:
        if value is not None and not (isinstance(value, float) and 0 <= value <= LARGEST):
            self.wrong(way, f"a number from 0 to {LARGEST:,.0f}, or null", value)
        return value

    def _members(
        self, value: Any, way: Way, readings: Mapping[str, Reading], required: Sequence[str]
    ) -> dict[str, Any]:
        """The members of an object whose names are ours."""
        if not self._is_object(value, way, _members_of(readings)):
            return {}
        if not value.keys() <= readings.keys():
            self._strangers(value, way, readings)
        for name in required:
            if name not in value:
                self.add(_Fault(way, (*way, name), "a value", "none"))
        return {name: readings[name](member, (*way, name)) for name, member in value.items() if name in readings}

    def _strangers(self, value: Mapping[str, Any], way: Way, readings: Mapping[str, Reading]) -> None:
        for name in value:
            if name not in readings:
                hint = did_you_mean(name, readings.keys() - value.keys())
                expected = f"one of {', '.join(readings)}"
                self.add(_Fault((*way, name), (*way, name), expected, quoted(name), hint, named=True))

    def _known(self, value: Any, way: Way, ids: Collection[str] | None, what: str) -> Iterator[tuple[str, Any]]:
        """The members of an object whose names are ids of the inventory."""
        if not self._is_object(value, way, f"an object of {what.split()[1]}s by id"):
            return
        for name, member in value.items():
            if ids is not None and name not in ids:
                at = (*way, name)
                self.add(
                    _Fault(at, at, f"the id of {what} of the inventory", quoted(name), self._near(name, ids), True)
                )
            yield name, member

    def _near(self, name: str, ids: Collection[str]) -> str:
        if self._compared > COMPARISONS:
            return ""
        self._compared += len(ids)
        return did_you_mean(name, ids)

    def _is_object(self, value: object, way: Way, expected: str) -> bool:
        if not isinstance(value, dict):
            self.wrong(way, expected, value)
        elif isinstance(value, _Repeated):
            for name in value.names:
                self.add(_Fault((*way, name), (*way, name), "a name that occurs once", quoted(name), named=True))
        return isinstance(value, dict)


def _choice(judge: _Judge, choices: Mapping[str, Any]) -> Reading:
    """One of some words."""

    def read(value: Any, way: Way) -> Any:
        if isinstance(value, str) and value in choices:
            return choices[value]
        hint = did_you_mean(value, choices) if isinstance(value, str) else ""
        judge.add(_Fault(way, way, f"one of {', '.join(choices)}", _described(value), hint))
        return None

    return read


def _members_of(names: Collection[str]) -> str:
    return f"an object with {', '.join(names)}"


def _described(value: object) -> str:
    """What a message says that it got."""
    if isinstance(value, float):
        return f"{value:g}" if math.isfinite(value) else "no finite number"
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return quoted(value) if isinstance(value, str) else json.dumps(value)


# Where it stands


class _Place(NamedTuple):
    """Offsets into the text."""

    name: int
    value: int


_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
"""Of text that is known to be JSON."""


def _report(path: str, text: str, judge: _Judge, errors: Errors) -> None:
    """Note the faults with their lines and columns."""
    places = _places(text, {fault.at for fault in judge.faults})
    starts = [0, *(found.end() for found in re.finditer("\n", text))]
    for fault in judge.faults:
        place = places.get(fault.at, _Place(0, 0))
        offset = place.name if fault.named else place.value
        line = bisect_right(starts, offset)
        key = ""
        for step in fault.key:
            key = f"{key}[{step}]" if isinstance(step, int) else joined(key, step)
        errors.add(Spot(path, line, offset - starts[line - 1] + 1), key, fault.expected, fault.got, fault.hint)
    errors.total += judge.total - len(judge.faults)


def _places(text: str, wanted: set[Way]) -> dict[Way, _Place]:
    """Where the values at these ways stand; of two with one way, the first."""
    found: dict[Way, _Place] = {}
    for way, place in _walk(text):
        if way in wanted:
            found.setdefault(way, place)
            if len(found) == len(wanted):
                break
    return found


def _walk(text: str) -> Iterator[tuple[Way, _Place]]:
    """Each value's way and place."""
    way: list[str | int] = []
    names: list[int] = []
    naming = False
    for token in _TOKEN.finditer(text):
        word, start = token[0], token.start()
        if word in "}]":
            way.pop()
            names.pop()
        elif word == ",":
            naming = isinstance(way[-1], str)
            way[-1] = "" if naming else int(way[-1]) + 1
        elif naming and word != ":":
            way[-1], names[-1], naming = json.loads(word), start, False
        elif word != ":":
            yield tuple(way), _Place(names[-1] if names else start, start)
            if word in "{[":
                way.append("" if word == "{" else 0)
                names.append(start)
                naming = word == "{"
