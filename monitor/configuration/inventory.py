"""Reads points.csv, network.csv, power.csv and districts.csv: the points, the two trees that carry them, the tiles.

Each table may also be a workbook (.xlsx) of the same name and columns. Columns that are not ours are other tools' and
passed over. The inventory is valid as a whole or not at all: no dangling id, no cycle, no address that is none.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import TypeVar

import msgspec

from monitor.configuration.checks import Names
from monitor.configuration.decode import SCALARS, TEXT_CHARACTERS, rows
from monitor.configuration.errors import Errors, quoted
from monitor.configuration.source import Table, read_table
from monitor.core.model import District, Inventory, Mode, Node, NodeKind, Point, Tier

ID_CHARACTERS = 64
NAME_CHARACTERS = 200
UPS_MINUTES = 100_000
TILES = 100
"""Columns and rows that the board's map may have."""
SETS_SHOWN = 50
RESERVED = ("witness:", "service:", "node:")
"""What ids of checks begin with that are no point's."""
CYCLE_SHOWN = 8
"""How many nodes of a cycle a message names."""

NETWORK_KINDS = (NodeKind.CORE, NodeKind.AGGREGATION, NodeKind.ACCESS)
POWER_KINDS = (NodeKind.SUBSTATION, NodeKind.FEEDER, NodeKind.TRANSFORMER)
RANKS: dict[str, int] = {kind: rank for kinds in (NETWORK_KINDS, POWER_KINDS) for rank, kind in enumerate(kinds)}
"""How near to the points a kind is: a node hangs under one of its own rank or of a lower one."""

EXPECTED: frozenset[str | None] = frozenset({Mode.TWO_WAY, Mode.WATCH})
NOT_MERGED: frozenset[str | None] = EXPECTED | {Mode.NO_COVERAGE}

_UNFIT_FOR_ID = re.compile(r"[/\\\s]|^\.{1,2}\Z")
_HOST_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}\.?\Z)(?:{_HOST_LABEL}\.)*{_HOST_LABEL}\.?")
"""RFC 1123, 2.1."""
_NUMERIC_END = re.compile(r"(?:^|\.)[0-9]+\.?\Z")
"""What looks like an IPv4 address is one or an error, never a host name."""

T = TypeVar("T", Point, Node, District)


@dataclass(frozen=True)
class Records:
    """A table's rows as they are written, by column: also those in which something is wrong, to find all of it."""

    table: Table
    key: str
    """The column that names a row."""
    rows: list[tuple[int, Mapping[str, str]]]
    """With their lines."""

    @cached_property
    def lines(self) -> dict[str, int]:
        """The ids and the line of each one's first row."""
        return {record[self.key]: line for line, record in reversed(self.rows) if record.get(self.key)}

    def has(self, row_id: str) -> bool:
        """Whether a row has this id. A table without the column accuses nobody."""
        return row_id in self.lines or self.key not in self.table.header

    def by_id(self, column: str) -> dict[str, str]:
        """What stands in a column, by id; of rows with one id, the first one's."""
        return {record[self.key]: record.get(column, "") for _, record in reversed(self.rows) if record.get(self.key)}

    def check(self, column: str, fits: Callable[[str], object], expected: str, errors: Errors) -> None:
        """Note an error for each text in the column that does not fit."""
        for line, record in self.rows:
            text = record.get(column)
            if text and not fits(text):
                self.add(errors, line, column, expected, quoted(text))

    def add(self, errors: Errors, line: int, column: str, expected: str, got: str) -> None:
        """Note an error of a field."""
        errors.add(self.table.spot(line, column), column, expected, got)


def read(directory: Path, names: Names | None, errors: Errors) -> Inventory | None:
    """The inventory; None with every error noted.

    ``names`` are those of checks.yaml; without them, because it is unreadable or nobody asked for it, the points'
    check sets are believed.
    """
    before = errors.total
    network, power = _records(directory, "network", "id", errors), _records(directory, "power", "id", errors)
    points, districts = _records(directory, "points", "id", errors), _optional_districts(directory, errors)
    _check_trees(network, power, errors)
    _check_tiles(districts, errors)
    addresses = {} if points is None else _check_points(points, names, errors)
    addresses |= _check_node_addresses(network, power, points, errors)
    _check_references(points, {"network_node": network, "power_node": power, "district_code": districts}, errors)
    found = _decoded(points, Point, errors)
    inventory = Inventory(
        {point.id: _spelled(point, addresses) for point in found},
        {node.id: _spelled(node, addresses) for node in _decoded(network, Node, errors)},
        {node.id: node for node in _decoded(power, Node, errors)},
        {district.code: district for district in _decoded(districts, District, errors)} or _laid_out(found),
    )
    return inventory if errors.total == before else None


def _records(directory: Path, name: str, key: str, errors: Errors) -> Records | None:
    """A table whose rows have each an id of their own, or the errors that say which have not; None if unreadable."""
    table = read_table(directory, name, errors)
    if table is None:
        return None
    records = Records(table, key, [(line, dict(zip(table.header, cells, strict=True))) for line, cells in table.rows])
    noun = f"{_an(key)} of at most {ID_CHARACTERS} characters without spaces and slashes"
    records.check(key, _fit_for_id, noun, errors)
    records.check("name", _fit_for_name, f"at most {NAME_CHARACTERS} characters", errors)
    for line, record in records.rows:
        row_id = record.get(key)
        if row_id and records.lines[row_id] != line:
            got = f"{quoted(row_id)}, which line {records.lines[row_id]} has"
            records.add(errors, line, key, f"{_an(key)} that occurs once", got)
    return records


def _decoded(records: Records | None, declared: type[T], errors: Errors) -> list[T]:
    return [] if records is None else [row for _, row in rows(records.table, declared, errors)]


def _fit_for_id(text: str) -> bool:
    return len(text) <= ID_CHARACTERS and not _UNFIT_FOR_ID.search(text) and not text.startswith(RESERVED)


def _fit_for_name(text: str) -> bool:
    """Whether a name is short enough; what no text may be so long as is not judged here."""
    return not NAME_CHARACTERS < len(text) <= TEXT_CHARACTERS


def _an(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeio" else f"a {noun}"


# Trees


def _check_trees(network: Records | None, power: Records | None, errors: Errors) -> None:
    for tree, kinds in ((network, NETWORK_KINDS), (power, POWER_KINDS)):
        if tree is not None:
            _check_tree(tree, kinds, errors)
    if power is not None:
        expected = "nothing, for only network equipment is powered by a node"
        power.check("powered_by", lambda _: False, expected, errors)
    if network is not None and power is not None:
        network.check("powered_by", power.has, f"an id of {power.table.path}", errors)
        network.check("id", lambda text: text not in power.lines, f"an id that {power.table.path} has not", errors)


def _check_tree(tree: Records, kinds: tuple[NodeKind, ...], errors: Errors) -> None:
    """Whether the nodes are of the tree's kinds, hang under one that is there, and in no cycle."""
    others = {kind.value for kind in NodeKind} - set(kinds)
    tree.check("kind", lambda text: text not in others, f"one of {', '.join(kinds)}", errors)
    tree.check("parent", tree.has, f"an id of {tree.table.path}", errors)
    kind_of = tree.by_id("kind")
    for line, record in tree.rows:
        parent_id = record.get("parent", "")
        kind, parent_kind = record.get("kind", ""), kind_of.get(parent_id, "")
        if kind in kinds and parent_kind in kinds and RANKS[parent_kind] > RANKS[kind]:
            fitting = " or ".join(_an(one) for one in kinds if RANKS[one] <= RANKS[kind])
            got = f"{quoted(parent_id)}, {_an(parent_kind)}"
            tree.add(errors, line, "parent", f"{fitting} above {_an(kind)}", got)
    for cycle in _cycles(tree.by_id("parent")):
        _add_cycle(tree, cycle, errors)


def _cycles(parents: Mapping[str, str]) -> list[list[str]]:
    """Each cycle once, as the ids on it, upwards. Follows every edge once."""
    done: set[str] = set()
    cycles = []
    for start in parents:
        way: dict[str, int] = {}
        at = start
        while at in parents and at not in done and at not in way:
            way[at] = len(way)
            at = parents[at]
        if at in way:
            cycles.append(list(way)[way[at] :])
        done.update(way)
    return cycles


def _add_cycle(tree: Records, cycle: list[str], errors: Errors) -> None:
    """Note a cycle once, at the line of the member that comes first in the file."""
    first = min(cycle, key=tree.lines.__getitem__)
    turn = cycle.index(first)
    ring = [*cycle[turn:], *cycle[:turn]]
    shown = [*ring[:CYCLE_SHOWN], *(["…"] if len(ring) > CYCLE_SHOWN else []), first]
    tree.add(errors, tree.lines[first], "parent", "a tree", f"the cycle {' → '.join(shown)}")


# Districts


def _optional_districts(directory: Path, errors: Errors) -> Records | None:
    """The table districts.csv; None when there is no such file."""
    there = any((directory / f"districts.{ending}").exists() for ending in ("csv", "xlsx"))
    return _records(directory, "districts", "code", errors) if there else None


def _check_tiles(districts: Records | None, errors: Errors) -> None:
    """Whether each district has a tile of its own on the map."""
    if districts is None:
        return
    for column in ("column", "row"):
        districts.check(column, _fit_for_map, f"a number from 0 to {TILES - 1}", errors)
    owners: dict[tuple[str, str], str] = {}
    for line, record in districts.rows:
        tile, code = (record.get("column", ""), record.get("row", "")), record.get("code", "")
        if all(tile) and owners.setdefault(tile, code) != code:
            districts.add(errors, line, "column", "a tile of its own", f"that of {quoted(owners[tile])}")


def _fit_for_map(text: str) -> bool:
    """Whether a number is on the map; what is no number is not judged here."""
    number = SCALARS[int].read(text)
    return number is None or 0 <= number < TILES


def _laid_out(points: Iterable[Point]) -> dict[str, District]:
    """Tiles in a grid as square as can be, for the district codes that occur."""
    codes = sorted({point.district_code for point in points if point.district_code is not None})
    width = math.isqrt(max(len(codes) - 1, 0)) + 1
    return {code: District(code, code, index % width, index // width) for index, code in enumerate(codes)}


# Points


def _check_references(points: Records | None, others: Mapping[str, Records | None], errors: Errors) -> None:
    """Whether what points refer to is there; a table that is unreadable accuses nobody."""
    for column, other in others.items():
        if points is not None and other is not None:
            points.check(column, other.has, f"{_an(other.key)} of {other.table.path}", errors)


def _check_points(points: Records, names: Names | None, errors: Errors) -> dict[str, str | None]:
    """What a point says of itself and of other points. Returns each written address with its one spelling."""
    if not points.rows:
        points.add(errors, points.table.header_line, "id", "the id of at least one point", "none")
    if names is not None:
        _check_sets(points, names, errors)
    points.check("ups_minutes", _fit_for_ups, f"minutes from 0 to {UPS_MINUTES:,}", errors)
    modes = points.by_id("mode")
    for line, record in points.rows:
        wrong = _wrong_merge(record, points, modes)
        if wrong:
            into = record.get("merged_into")
            points.add(errors, line, "merged_into", wrong, quoted(into) if into else "nothing")
    return _check_addresses(points, errors)


def _check_sets(points: Records, names: Names, errors: Errors) -> None:
    """Whether each point that will be probed has a check set, and one that is there."""
    known = ", ".join(sorted(names.check_sets)[:SETS_SHOWN]) or "the check sets of checks.yaml, which has none"
    points.check("check_set", names.check_sets.__contains__, f"one of {known}", errors)
    without = {tier.value for tier in Tier} - names.tiers_with_default
    for line, record in points.rows:
        probed = record.get("mode") in EXPECTED and record.get("address")
        if probed and not record.get("check_set") and record.get("tier") in without:
            expected = f"a check set, for checks.yaml has no default for tier {record['tier']}"
            points.add(errors, line, "check_set", expected, "nothing")


def _fit_for_ups(text: str) -> bool:
    """Whether a number is in bounds; what is no number is not judged here."""
    number = SCALARS[float].read(text)
    return number is None or 0 <= number <= UPS_MINUTES


def _wrong_merge(record: Mapping[str, str], points: Records, modes: Mapping[str, str]) -> str:
    """What is expected of ``merged_into`` where that is wrong, else empty."""
    mode, into = record.get("mode"), record.get("merged_into", "")
    if mode != Mode.MERGED:
        return f"nothing, for the mode is {mode}" if into and mode in NOT_MERGED else ""
    if not into or not points.has(into):
        return "the id of the point where its people sit"
    if into == record.get("id"):
        return "the id of another point"
    other = modes.get(into)
    return f"a point that takes part, not one that is {other}" if other in (Mode.MERGED, Mode.NO_COVERAGE) else ""


def _check_addresses(points: Records, errors: Errors) -> dict[str, str | None]:
    """Written address → its one spelling, None for what is none; two points that are expected may not share one."""
    spelled = {record.get("address", ""): None for _, record in points.rows}
    addresses = {written: canonical(written) for written in spelled if written}
    points.check("address", addresses.__getitem__, "an IP address or a host name", errors)
    owners: dict[str, int] = {}
    for line, record in points.rows:
        address = addresses.get(record.get("address", ""))
        if address and record.get("mode") in EXPECTED and owners.setdefault(address, line) != line:
            got = f"{quoted(address)}, which line {owners[address]} has"
            points.add(errors, line, "address", "an address of its own", got)
    return addresses


def _check_node_addresses(
    network: Records | None, power: Records | None, points: Records | None, errors: Errors
) -> dict[str, str | None]:
    """Written addresses of network nodes, each with its one spelling; neither a node nor a point shares one."""
    if power is not None:
        power.check("address", lambda _: False, "nothing, for only network equipment is asked", errors)
    if network is None:
        return {}
    written = {record.get("address", "") for _, record in network.rows} - {""}
    addresses = {one: canonical(one) for one in written}
    network.check("address", addresses.__getitem__, "an IP address or a host name", errors)
    taken: dict[str, str] = {}
    for line, record in points.rows if points is not None else ():
        address = canonical(record.get("address", "")) if record.get("mode") in EXPECTED else None
        if address is not None:
            taken[address] = f"line {line} of {points.table.path if points is not None else ''}"
    for line, record in network.rows:
        address = addresses.get(record.get("address", ""))
        if address is not None and address in taken:
            got = f"{quoted(address)}, which {taken[address]} has"
            network.add(errors, line, "address", "an address of its own", got)
        elif address is not None:
            taken[address] = f"line {line}"
    return addresses


Addressed = TypeVar("Addressed", Point, Node)


def _spelled(one: Addressed, addresses: Mapping[str, str | None]) -> Addressed:
    """The point, or the node, with its address in the one spelling."""
    if one.address is None or addresses[one.address] == one.address:
        return one
    return msgspec.structs.replace(one, address=addresses[one.address])


def canonical(address: str) -> str | None:
    """An IP address or host name in its one spelling; None for what is neither or cannot be one machine's."""
    try:
        ip = ip_address(address)
    except ValueError:
        host = _HOST.fullmatch(address) and not _NUMERIC_END.search(address)
        return address.lower() if host else None
    return None if ip.is_multicast or ip.is_unspecified or address == "255.255.255.255" else str(ip)
