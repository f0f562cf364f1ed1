"""After the event: against a recount, second by second, and hand-made incidents."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.acknowledgement import Acknowledgement
from monitor.core.aftermath import look_back
from monitor.core.incidents import Incident
from monitor.core.model import (
    Cause,
    District,
    IncidentState,
    Inventory,
    Mode,
    Point,
    PointChanged,
    PointState,
    Tier,
    Tree,
)

INVENTORY = Inventory(
    {
        "a": Point(id="a", name="Xã A", tier=Tier.COMMUNE, mode=Mode.WATCH, district_code="384"),
        "b": Point(id="b", name="Thôn B", tier=Tier.VILLAGE, mode=Mode.WATCH, district_code="384"),
        "c": Point(id="c", name="Tỉnh ủy", tier=Tier.PROVINCE, mode=Mode.TWO_WAY),
        "guest": Point(id="guest", name="Thôn G", tier=Tier.VILLAGE, mode=Mode.MERGED, merged_into="b"),
    },
    {},
    {},
    {"384": District("384", "Mường Lát", 0, 0)},
)
BEGIN, END = 100, 160
events = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", "guest"]), st.integers(50, 200), st.sampled_from(PointState)),
    max_size=40,
    unique_by=lambda event: event[:2],
)


def change(point: str, at: float, after: PointState) -> PointChanged:
    return PointChanged(point, PointState.UNKNOWN, after, at, at, Cause.NONE)


@given(events)
def test_availability_is_what_a_recount_by_the_second_finds(happened: list[tuple[str, int, PointState]]) -> None:
    """Merged points are at their host; what nobody observed is in neither part."""
    found = look_back(INVENTORY, (), [change(*event) for event in happened], BEGIN, END)
    seconds: dict[str, list[PointState]] = {}
    for point in "abc":
        told = sorted((at, after) for name, at, after in happened if name == point)
        state_at = [PointState.UNKNOWN] * (END - BEGIN)
        for (at, after), (until, _) in pairwise([*told, (10**6, PointState.UNKNOWN)]):
            for second in range(max(at, BEGIN), min(until, END)):
                state_at[second - BEGIN] = after
        seconds[point] = state_at
    up = sum(each in (PointState.UP, PointState.DEGRADED) for states in seconds.values() for each in states)
    down = sum(each is PointState.DOWN for states in seconds.values() for each in states)
    unknown = sum(each is PointState.UNKNOWN for states in seconds.values() for each in states)
    assert (found.total.connected_s, found.total.observed_s, found.total.unobserved_s) == (up, up + down, unknown)
    assert sum(share.points for share in found.tiers) == sum(share.points for share in found.districts) == 3
    assert sum(share.connected_s for share in found.districts) == pytest.approx(up)
    assert {share.name for share in found.worst} == {
        point for point, states in seconds.items() if PointState.DOWN in states
    }


def incident(node: str, owner: str, state: IncidentState, *acknowledged: float, ended_at: float | None) -> Incident:
    words = tuple(
        Acknowledgement(incident=node, opened_at=104.0, desk=f"desk-{at:g}", at=at, means="link") for at in acknowledged
    )
    return Incident(
        id=f"network:{node}", tree=Tree.NETWORK, node=node, operator=owner, since=102.0, opened_at=104.0, state=state,
        owner_probability=0.97, hit={"a", "b", "gone"}, acknowledged=words, ended_at=ended_at,
    )  # fmt: skip


def test_each_company_with_how_soon_it_answered_and_mended() -> None:
    found = look_back(
        INVENTORY,
        [
            incident("x", "VNPT", IncidentState.RESOLVED, 130.0, 110.0, ended_at=142.0),
            incident("y", "VNPT", IncidentState.OPEN, ended_at=None),
            incident("z", "VNPT", IncidentState.RETRACTED, 105.0, ended_at=106.0),
            incident("m", "VNPT", IncidentState.MERGED, ended_at=106.0),
            incident("old", "Điện lực", IncidentState.RESOLVED, ended_at=90.0),
        ],
        (),
        BEGIN,
        END,
    )
    assert [case.node for case in found.cases] == ["x", "y", "z"]
    first = found.cases[0]
    assert (first.acknowledged_s, first.acknowledged_by, first.repaired_s) == (6.0, "desk-110", 40.0)
    assert (first.points, first.tiers) == (3, {Tier.COMMUNE: 1, Tier.VILLAGE: 1})
    (vnpt,) = found.owners
    assert (vnpt.incidents, vnpt.retracted, vnpt.unacknowledged, vnpt.ongoing) == (2, 1, 1, 1)
    assert (vnpt.acknowledged_median_s, vnpt.repaired_worst_s) == (6.0, 40.0)
