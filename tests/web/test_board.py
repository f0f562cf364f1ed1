"""What the board says of the pipeline, and that deltas and snapshots agree."""

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.model import Happening, Inventory, PointState, Tier, Tree
from monitor.web.board import MANY, ROWS, STATE_CODES, Board, Delta, Snapshot


def board_of(stage: Any) -> Board:
    return Board(stage.pipeline, lambda: stage.firing)


def commune_ids(stage: Any, district: str, count: int) -> list[str]:
    inventory = stage.pipeline.inventory
    ids = [p.id for p in inventory.points.values() if p.tier is Tier.COMMUNE and p.district_code == district]
    return ids[:count]


def test_at_the_start_nothing_is_known(stage: Any) -> None:
    """Unknown is a state of its own: neither up nor down, and nobody is ready."""
    head = board_of(stage).head(stage.now)
    assert head.ready == 0
    assert head.expected == sum(1 for p in stage.pipeline.inventory.points.values() if p.expected)
    assert head.states["n"] == head.expected
    assert head.states["d"] == head.down.total == 0


def test_points_become_ready_after_two_minutes(stage: Any) -> None:
    board = board_of(stage)
    stage.up()
    assert board.head(stage.now).ready == 0
    stage.wait(121)
    head = board.head(stage.now)
    assert head.ready == head.expected
    assert all(row.ready == row.expected == row.states["u"] for row in head.tiers)


def test_what_is_down_is_listed_newest_first(stage: Any) -> None:
    stage.up()
    first, second = commune_ids(stage, "380", 1) + commune_ids(stage, "381", 1)
    board = board_of(stage)
    stage.down([first])
    stage.wait(5)
    stage.down([second])
    down = board_of(stage).head(stage.now).down
    points = stage.pipeline.points
    assert [row.title for row in down.rows] == [points[second].point.name, points[first].point.name]
    assert down.rows[0].href == f"/points/{second}"
    assert down.rows[0].detail == "Huyện Số 2 · không trả lời"
    assert board.head(stage.now).down.total == 0, "a board that was told of nothing changes nothing"


def test_a_district_that_falls_is_one_row(stage: Any) -> None:
    """Many points of a district make one row with the first names and the number of the others."""
    stage.up()
    ids = commune_ids(stage, "382", MANY + 2)
    stage.down(ids)
    (row,) = board_of(stage).head(stage.now).down.rows
    assert row.title == f"Huyện Số 3: {len(ids)} điểm"
    assert row.detail.endswith("và 3 điểm nữa")
    assert row.href == "#tile-382"


def test_the_list_is_bounded_and_counts_what_it_leaves_out(
    make_stage: Callable[..., Any], make_province: Callable[..., Inventory]
) -> None:
    big = make_stage(make_province(1200, districts=26))
    big.up()
    ids = [point for code in big.pipeline.inventory.districts for point in commune_ids(big, code, 2)]
    big.down(ids)
    down = board_of(big).head(big.now).down
    assert len(down.rows) == ROWS
    assert down.total == len(ids)
    assert down.more == f"và {len(ids) - ROWS} điểm nữa"


def test_a_blind_monitor_accuses_nobody(stage: Any) -> None:
    """All is unknown, the banner says why, and the list does not claim that nothing is lost."""
    stage.up()
    stage.blind()
    head = board_of(stage).head(stage.now)
    assert head.blind.startswith("Hệ thống giám sát mất tầm nhìn từ 06:")
    assert head.states["d"] == head.states["u"] == 0
    assert head.down.rows == ()
    assert "Không kết luận" in head.down.summary


def test_a_change_is_a_delta_of_its_cells_alone(stage: Any) -> None:
    stage.up()
    board = board_of(stage)
    board.changes(stage.now)
    (lost,) = commune_ids(stage, "383", 1)
    lose(stage, board, [lost])
    change = board.changes(stage.now)
    assert isinstance(change, Delta)
    ((number, state, _cause, since),) = change.cells
    assert board.layout.ids[number] == lost
    assert state == "d"
    assert abs(since - stage.now) < 3
    assert board.changes(stage.now).cells == []


def test_a_change_of_most_cells_is_a_snapshot(stage: Any) -> None:
    board = board_of(stage)
    hear(stage, board)
    stage.up()
    assert isinstance(board.changes(stage.now), Snapshot)


def test_another_inventory_is_another_layout(stage: Any, make_province: Callable[..., Inventory]) -> None:
    board = board_of(stage)
    before = board.layout.version
    pipeline = stage.pipeline
    pipeline.replace(make_province(310, districts=6), pipeline.ceremony, (), stage.now)
    change = board.changes(stage.now)
    assert isinstance(change, Snapshot)
    assert change.layout != before
    assert len(change.states) == 310


def test_alerts_are_shown_newest_first_and_bounded(stage: Any, make_alert: Callable[..., Any]) -> None:
    stage.firing = {str(i): make_alert(f"Mất kết nối: điểm {i}", stage.now - i, f"p/{i}") for i in range(9)}
    alerts = board_of(stage).head(stage.now).alerts
    assert alerts.total == 9
    assert alerts.rows[0].title == "Mất kết nối: điểm 0"
    assert alerts.rows[0].href == "/points/p%2F0"
    assert alerts.more == "và 4 cảnh báo nữa"


acts = st.tuples(st.sampled_from(["up", "down", "degrade"]), st.sets(st.integers(0, 60), max_size=8))


@settings(max_examples=15, deadline=None)
@given(st.lists(acts, max_size=6))
def test_a_page_that_follows_the_deltas_sees_what_a_new_page_sees(
    make_stage: Callable[..., Any], make_province: Callable[..., Inventory], steps: list[tuple[str, set[int]]]
) -> None:
    """Snapshot, then every delta: the same states as a snapshot at the end, and the counts of the pipeline."""
    stage = make_stage(make_province(150, districts=3))
    board = board_of(stage)
    hear(stage, board)
    states = list(board.snapshot(stage.now).states)
    expected = [point.id for point in stage.pipeline.inventory.points.values() if point.expected]
    for act, chosen in steps:
        getattr(stage, act)([expected[i] for i in chosen if i < len(expected)])
        change = board.changes(stage.now)
        if isinstance(change, Snapshot):
            states = list(change.states)
        else:
            for number, state, _cause, _since in change.cells:
                states[number] = state
    last = board.snapshot(stage.now)
    assert "".join(states) == last.states
    down = sum(1 for status in stage.pipeline.points.values() if status.state is PointState.DOWN)
    assert last.head.states[STATE_CODES[PointState.DOWN]] == down == last.head.down.total


def hear(stage: Any, board: Board) -> None:
    """Tell this board, too, of all that happens on the stage."""
    tell = stage.tell

    def both(happenings: Sequence[Happening]) -> None:
        board.notice(happenings)
        tell(happenings)

    stage.tell = both


def lose(stage: Any, board: Board, points: list[str]) -> None:
    hear(stage, board)
    stage.down(points)


def test_incidents_are_in_the_head_and_gone_while_blind(stage: Any) -> None:
    """Which cells they light is by number; what is not seen accuses no company."""
    stage.up()
    board = board_of(stage)
    lost = commune_ids(stage, "380", 3)
    assert board.head(stage.now).incidents.summary == "Không có sự cố nào."
    stage.blame(Tree.NETWORK, "loi", lost)
    listing = board.head(stage.now).incidents
    assert [row.title for row in listing.rows] == ["Sự cố mạng: Nút lõi Thanh Hóa"]
    assert {board.layout.ids[number] for number in listing.rows[0].cells} == set(lost)
    stage.blind()
    listing = board.head(stage.now).incidents
    assert listing.rows == ()
    assert "Không kết luận" in listing.summary
