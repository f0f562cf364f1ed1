"""Makes up the two trees that a point hangs on: who carries it and who feeds it.

Feeder and access-network maps are not public, so both are synthetic: plausible in shape (a hub a district, an OLT or
two and a couple of transformers a commune), true in no detail. ``scale`` is 1.0 for the real number of points: about
850 network nodes and 1,500 power nodes, and in proportion for other sizes, but never less than one a commune.
"""

from collections.abc import Iterator, Sequence
from itertools import count, cycle
from math import ceil
from random import Random
from typing import NamedTuple

from monitor.core.model import District, Node, NodeKind
from monitor.rehearsal import geography
from monitor.rehearsal.chance import apportion, chunks
from monitor.rehearsal.geography import Commune, Region

CARRIER = "VNPT Thanh Hóa"
MOBILE_CARRIER = "Viettel (mẫu)"
GRID = "Công ty Điện lực Thanh Hóa"

OLTS, TRANSFORMERS = 745, 1_190
"""Nodes that serve communes, in the whole province at scale 1."""
OLTS_A_HUB = 28
LOADS_A_FEEDER = 6
FEEDERS_A_SUBSTATION = 9
MOBILE_SITES_A_DISTRICT = 2
AGENCY_OLTS, AGENCY_TRANSFORMERS = 8, 12


class Trees(NamedTuple):
    """Both trees, parents before children, and which leaves serve whom."""

    network: dict[str, Node]
    power: dict[str, Node]
    olts: dict[str, list[str]]
    """Access nodes by commune code."""
    transformers: dict[str, list[str]]
    """Transformers by commune code."""
    mobile: dict[str, list[str]]
    """The mobile carrier's sites by district code."""


def hub(district: str) -> str:
    """The id of a district's aggregation node; its hall is connected there."""
    return f"agg-{district}"


def hall_transformer(district: str) -> str:
    """The id of the transformer that feeds a district's hall."""
    return f"tba-h-{district}"


def agency_olt(number: int) -> str:
    """The id of the access node of the n-th agency (from 1)."""
    return f"olt-cq-{1 + (number - 1) % AGENCY_OLTS:02d}"


def agency_transformer(number: int) -> str:
    """The id of the transformer of the n-th agency (from 1)."""
    return f"tba-cq-{1 + (number - 1) % AGENCY_TRANSFORMERS:02d}"


PROVINCE_OLT, PROVINCE_TRANSFORMER = "olt-tinh-uy", "tba-tinh-uy"


def grow(scale: float, rng: Random) -> Trees:
    """Make up both trees; the same for the same scale and the same state of ``rng``."""
    everyone = geography.communes()
    weights = [rng.uniform(0.5, 1.5) for _ in everyone]
    shares = apportion(round(TRANSFORMERS * scale), weights, least=1)
    loads = {commune.code: _commune_loads(commune, share) for commune, share in zip(everyone, shares, strict=True)}
    transformers = {code: [load.id for load in row] for code, row in loads.items()}
    network = {node.id: node for node in _carrier(scale, transformers, rng)}
    mobile = {node.id: node for node in _mobile_carrier(scale, transformers, rng)}
    return Trees(
        network=network | mobile,
        power={node.id: node for node in _grid(loads)},
        olts={commune.code: _numbered(f"olt-{commune.code}-", network) for commune in everyone},
        transformers=transformers,
        mobile={code: _numbered(f"mob-{code}-", mobile) for code in geography.TILES},
    )


def _numbered(prefix: str, nodes: dict[str, Node]) -> list[str]:
    """The ids prefix1, prefix2 … as far as they exist."""
    found = []
    for number in count(1):
        if (node_id := f"{prefix}{number}") not in nodes:
            break
        found.append(node_id)
    return found


def _in_text(district: District) -> str:
    return district.name[0].lower() + district.name[1:]


def _communes_of(district: str) -> list[Commune]:
    return [commune for commune in geography.communes() if commune.district == district]


# Power: substation → feeder → transformer.


class _Load(NamedTuple):
    """A transformer that is yet to be hung on a feeder."""

    id: str
    name: str
    operator: str


class _Line(NamedTuple):
    """A feeder with its transformers, yet to be hung on a substation."""

    id: str
    operator: str
    loads: Sequence[_Load]


def _commune_loads(commune: Commune, number: int) -> list[_Load]:
    operator = geography.branch(commune.district, commune.code)
    return [_Load(f"tba-{commune.code}-{n}", f"TBA {commune.bare_name} {n}", operator) for n in range(1, number + 1)]


def _district_loads(district: District) -> Iterator[_Load]:
    """The transformers of the hall and of the telephone exchange; in the capital also those of the province."""
    operator = geography.branch(district.code)
    yield _Load(hall_transformer(district.code), f"TBA trung tâm {_in_text(district)}", operator)
    yield _Load(f"tba-vt-{district.code}", f"TBA viễn thông {_in_text(district)}", operator)
    if district.code == geography.CAPITAL:
        yield _Load(PROVINCE_TRANSFORMER, "TBA Tỉnh ủy", operator)
        for n in range(1, AGENCY_TRANSFORMERS + 1):
            yield _Load(agency_transformer(n), f"TBA khối cơ quan tỉnh {n}", operator)


def _lines(district: District, loads: dict[str, list[_Load]]) -> Iterator[_Line]:
    """The feeders that start in a district: none in Mường Lát, whose one line starts in Quan Hóa."""
    if district.code == geography.LONG_LINE_DISTRICT:
        return
    home = list(_district_loads(district))
    for commune in _communes_of(district.code):
        if commune.code not in geography.LONG_LINE_COMMUNES:
            home += loads[commune.code]
    for n, run in enumerate(chunks(home, ceil(len(home) / LOADS_A_FEEDER)), 1):
        yield _Line(f"feeder-{district.code}-{n}", geography.branch(district.code), run)
    if district.code == geography.LONG_LINE_FED_FROM:
        yield _long_line(loads)


def _long_line(loads: dict[str, list[_Load]]) -> _Line:
    far_end = geography.LONG_LINE_DISTRICT
    district = next(d for d in geography.districts() if d.code == far_end)
    on_the_way = [load for code in sorted(geography.LONG_LINE_COMMUNES) for load in loads[code]]
    at_the_end = [load for commune in _communes_of(far_end) for load in loads[commune.code]]
    return _Line(
        f"feeder-{far_end}-1", geography.branch(far_end), [*on_the_way, *_district_loads(district), *at_the_end]
    )


def _grid(loads: dict[str, list[_Load]]) -> Iterator[Node]:
    """Every node of the power tree. Its roots are the 110 kV substations, E9.1, E9.2 …."""
    station_numbers = count(1)
    for district in geography.districts():
        lines = list(_lines(district, loads))
        kilovolts = "37" if geography.region(district.code).highland else "47"
        for n, run in enumerate(chunks(lines, ceil(len(lines) / FEEDERS_A_SUBSTATION)), 1):
            station, mark = f"sub-{district.code}-{n}", f"E9.{next(station_numbers)}"
            yield Node(station, None, f"Trạm 110 kV {mark} {_in_text(district)} (mẫu)", NodeKind.SUBSTATION, GRID)
            for position, line in enumerate(run, 1):
                yield Node(line.id, station, f"Lộ {kilovolts}{position} {mark} (mẫu)", NodeKind.FEEDER, line.operator)
                for load in line.loads:
                    yield Node(load.id, line.id, load.name, NodeKind.TRANSFORMER, load.operator)


# Network: core → aggregation → access.


def _carrier(scale: float, transformers: dict[str, list[str]], rng: Random) -> Iterator[Node]:
    yield Node("core", None, "Mạng lõi VNPT Thanh Hóa", NodeKind.CORE, CARRIER)
    yield from _province_network()
    everyone = geography.communes()
    shares = apportion(round(OLTS * scale), [rng.uniform(0.5, 1.5) for _ in everyone], least=1)
    olts_of = {commune.code: share for commune, share in zip(everyone, shares, strict=True)}
    for district in geography.districts():
        olts = [
            (commune, n, fed_by)
            for commune in _communes_of(district.code)
            for n, fed_by in zip(range(1, olts_of[commune.code] + 1), cycle(transformers[commune.code]), strict=False)
        ]
        for number, run in enumerate(chunks(olts, max(1, round(len(olts) / OLTS_A_HUB))), 1):
            fed_by = f"tba-vt-{district.code}" if number == 1 else run[0][2]
            aggregation = _aggregation(district, number, fed_by)
            yield aggregation
            for commune, n, fed_by in run:
                name = f"OLT {commune.in_text} {n}"
                yield Node(f"olt-{commune.code}-{n}", aggregation.id, name, NodeKind.ACCESS, CARRIER, fed_by)


def _aggregation(district: District, number: int, fed_by: str) -> Node:
    """The district's hub, or a further node beneath it: cutting the hub cuts the district."""
    if number == 1:
        name = f"Nút gom {_in_text(district)} (mẫu)"
        return Node(hub(district.code), "core", name, NodeKind.AGGREGATION, CARRIER, fed_by)
    name = f"Nút gom {_in_text(district)} {number} (mẫu)"
    return Node(f"{hub(district.code)}-{number}", hub(district.code), name, NodeKind.AGGREGATION, CARRIER, fed_by)


def _province_network() -> Iterator[Node]:
    site = "Nút gom khối cơ quan tỉnh (mẫu)"
    yield Node("agg-tinh", "core", site, NodeKind.AGGREGATION, CARRIER, PROVINCE_TRANSFORMER)
    yield Node(PROVINCE_OLT, "agg-tinh", "OLT Tỉnh ủy", NodeKind.ACCESS, CARRIER, PROVINCE_TRANSFORMER)
    for n in range(1, AGENCY_OLTS + 1):
        name = f"OLT khối cơ quan tỉnh {n}"
        yield Node(agency_olt(n), "agg-tinh", name, NodeKind.ACCESS, CARRIER, agency_transformer(n))


def _mobile_carrier(scale: float, transformers: dict[str, list[str]], rng: Random) -> Iterator[Node]:
    """A second carrier with a core of its own, which some villages on 4G use."""
    yield Node("mob-core", None, "Mạng lõi Viettel Thanh Hóa (mẫu)", NodeKind.CORE, MOBILE_CARRIER)
    for area in Region:
        name = f"Nút gom 4G Viettel {geography.REGION_NAMES[area]} (mẫu)"
        yield Node(f"mob-agg-{area}", "mob-core", name, NodeKind.AGGREGATION, MOBILE_CARRIER)
    for district in geography.districts():
        feeding = [tba for commune in _communes_of(district.code) for tba in transformers[commune.code]]
        parent = f"mob-agg-{geography.region(district.code)}"
        for n in range(1, max(1, round(MOBILE_SITES_A_DISTRICT * scale)) + 1):
            name = f"Trạm 4G Viettel {_in_text(district)} {n} (mẫu)"
            yield Node(f"mob-{district.code}-{n}", parent, name, NodeKind.ACCESS, MOBILE_CARRIER, rng.choice(feeding))
