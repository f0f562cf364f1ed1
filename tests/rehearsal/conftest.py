"""A province small enough to see through: two districts, two carriers' nodes, one feeder that feeds an access node."""

import pytest

from monitor.core.model import District, Inventory, Mode, Node, NodeKind, Point, Tier


def village(number: int, **given: object) -> Point:
    """A village that watches, on the access node of its hundred."""
    default = {
        "name": f"Thôn {number}",
        "tier": Tier.VILLAGE,
        "mode": Mode.WATCH,
        "district_code": f"{380 + number // 100}",
        "address": f"10.38.{1 + number // 100}.{number % 100}",
        "network_node": f"olt-{number // 100}",
        "power_node": f"tba-{number // 100}",
    }
    return Point(id=f"t-{number}", **default | given)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def inventory() -> Inventory:
    """Points t-101 … t-110 (no battery; t-110 has 10 minutes) and t-201 … t-205; t-105 is merged, t-205 has no address.

    core ─ agg ─ olt-1, olt-2; feeder-1 ─ tba-1, feeder-2 ─ tba-2; olt-2 is fed by tba-1.
    """
    points = [village(number) for number in (*range(101, 111), *range(201, 206))]
    points[4] = village(105, mode=Mode.MERGED, merged_into="t-101")
    points[9] = village(110, ups_minutes=10.0, check_set="village_4g")
    points[14] = village(205, address=None)
    network = [
        Node("core", None, "core", NodeKind.CORE, "VNPT"),
        Node("agg", "core", "agg", NodeKind.AGGREGATION, "VNPT"),
        Node("olt-1", "agg", "olt-1", NodeKind.ACCESS, "VNPT"),
        Node("olt-2", "agg", "olt-2", NodeKind.ACCESS, "VNPT", "tba-1"),
    ]
    power = [
        Node("sub", None, "sub", NodeKind.SUBSTATION, "EVN"),
        *(Node(f"feeder-{n}", "sub", f"feeder-{n}", NodeKind.FEEDER, "EVN") for n in (1, 2)),
        *(Node(f"tba-{n}", f"feeder-{n}", f"tba-{n}", NodeKind.TRANSFORMER, "EVN") for n in (1, 2)),
    ]
    return Inventory(
        points={point.id: point for point in points},
        network={node.id: node for node in network},
        power={node.id: node for node in power},
        districts={"381": District("381", "Bỉm Sơn", 0, 0), "382": District("382", "Sầm Sơn", 1, 0)},
    )
