"""A province of a few points whose states a test sets by hand."""

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from monitor.core.blindness import Blindness
from monitor.core.model import (
    BlindnessChanged,
    Cause,
    Ceremony,
    CheckPolicy,
    District,
    Happening,
    Inventory,
    Mode,
    Node,
    NodeKind,
    Phase,
    Point,
    PointChanged,
    PointState,
    Tier,
)
from monitor.core.pipeline import Pipeline
from probes.model import Layer

MORNING = datetime(2025, 5, 8, 7, 12, 3, tzinfo=ZoneInfo("Asia/Ho_Chi_Minh")).timestamp()


class Stage:
    """The pipeline's read model, moved by hand: each move returns the happenings that the pipeline would tell."""

    def __init__(self, points: int) -> None:
        self.now = MORNING
        self.pipeline = Pipeline(inventory(points), CEREMONY, policies(points), MORNING)

    def turn(
        self, point: str, state: PointState, detail: str = "timeout", cause: Cause = Cause.NONE
    ) -> list[Happening]:
        """The point takes this state now."""
        status = self.pipeline.points[point]
        before, status.state, status.since, status.detail = status.state, state, self.now, detail
        status.cause = cause
        return [PointChanged(point, before, state, cause, self.now, self.now, detail)] if before != state else []

    def blind(self, blind: bool) -> list[Happening]:  # noqa: FBT001
        """Sight is lost, or regained."""
        if self.pipeline.blind is blind:
            return []
        if blind:
            self.pipeline._sight.miss("p0/icmp", self.now)
            self.pipeline._sight.lose(Blindness.SILENCE)
        else:
            self.pipeline._sight.regain(self.now)
        return [BlindnessChanged(blind, self.now, self.now, "không nhận được trả lời nào")]

    def reload(self, changed: Inventory, checks: int) -> list[Happening]:
        """Another inventory, of whose points the first ``checks`` are observed."""
        return self.pipeline.replace(changed, CEREMONY, policies(checks), self.now)


CEREMONY = Ceremony(
    title="Lễ phát động",
    timezone="Asia/Ho_Chi_Minh",
    report_at=MORNING + 1000,
    begins_at=MORNING + 2000,
    phases=(
        Phase(name="check", title="Kiểm tra", starts_at=0, interval_s=10, alpha=1e-4, severity="warning"),
        Phase(name="live", title="Diễn ra", starts_at=MORNING + 1500, interval_s=1, alpha=1e-6, severity="critical"),
    ),
)


def inventory(points: int, operator: str = "VNPT Triệu Sơn") -> Inventory:
    """``p0``, ``p1`` … in one district on one switch and one transformer."""
    return Inventory(
        {f"p{i}": point(f"p{i}") for i in range(points)},
        {"acc-1": Node("acc-1", None, "Switch Xuân Lộc", NodeKind.ACCESS, operator)},
        {"tba-12": Node("tba-12", None, "TBA 12", NodeKind.TRANSFORMER, "Điện lực Triệu Sơn")},
        {"397": District("397", "Triệu Sơn", 4, 4)},
    )


def point(point_id: str, mode: Mode = Mode.TWO_WAY) -> Point:
    """A commune's point."""
    return Point(
        id=point_id,
        name="Xã Xuân Lộc",
        tier=Tier.COMMUNE,
        mode=mode,
        district_code="397",
        commune_code="15709",
        address="10.38.0.1",
        network_node="acc-1",
        power_node="tba-12",
        backup_link="4g",
        ups_minutes=20,
    )


def policies(points: int) -> list[CheckPolicy]:
    """One check a point."""
    return [CheckPolicy(f"p{i}/icmp", f"p{i}", Layer.REACHABLE, 1.0) for i in range(points)]


@pytest.fixture
def stage() -> Callable[[int], Stage]:
    """``stage(3)``: a stage of three points."""
    return Stage


@pytest.fixture
def another_inventory() -> Callable[..., Inventory]:
    """``another_inventory(3, operator="…")``."""
    return inventory


@pytest.fixture
def a_point() -> Callable[..., Point]:
    """``a_point("p0", Mode.MERGED)``."""
    return point
