"""A small province to decide about: no sockets, no clock."""

from collections.abc import Callable
from math import log

import msgspec
import pytest

from monitor.core.model import (
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
    Source,
    Tier,
)
from monitor.core.pipeline import Pipeline
from probes.model import Failure, Layer, Measurement, Observation

START = 1_746_660_000.0


class Province:
    """Points that answer or not, probed each second; ``run`` lets time pass and returns what happened."""

    def __init__(self, points: int = 8, *, witness: bool = True, interval_s: float = 1.0) -> None:
        self.now = START
        self.interval_s = interval_s
        self.silent: set[str] = set()
        self.names = [f"p{i}" for i in range(points)]
        self.inventory = inventory(self.names)
        self.policies = [CheckPolicy(f"{n}/icmp", n, Layer.REACHABLE, interval_s) for n in self.names]
        if witness:
            self.policies.append(CheckPolicy("witness:gateway/icmp", "", Layer.REACHABLE, 0.2, source=Source.WITNESS))
        self.ceremony = ceremony(interval_s)
        self.pipeline = Pipeline(self.inventory, self.ceremony, self.policies, self.now)

    def run(self, seconds: float) -> list[Happening]:
        """Probe every check once an interval, spread over it, with a tick each tenth of a second."""
        happened: list[Happening] = []
        steps = round(seconds * 10)
        for _ in range(steps):
            step = round((self.now - START) * 10)
            for place, policy in enumerate(self.policies):
                period = round(policy.interval_s * 10)
                if place % period == step % period:
                    happened += self.pipeline.observe(self.observation(policy))
            happened += self.pipeline.tick(self.now)
            self.now = START + (step + 1) / 10
        return happened

    def observation(self, policy: CheckPolicy, *, lost: bool | None = None) -> Observation:
        """What a probe of this check finds now."""
        lost = (policy.point or "gateway") in self.silent if lost is None else lost
        found = Measurement(False, 0.05, Failure.TIMEOUT) if lost else Measurement(True, 0.01)
        return Observation(policy.check, self.now, "test", found)


def inventory(names: list[str]) -> Inventory:
    """Points in one district, on one switch and one transformer."""
    switch = Node("sw", None, "Switch", NodeKind.CORE, "VNPT")
    transformer = Node("tba", None, "TBA", NodeKind.SUBSTATION, "Điện lực")
    points = {
        n: Point(id=n, name=n, tier=Tier.COMMUNE, mode=Mode.TWO_WAY, district_code="386", network_node="sw")
        for n in names
    }
    points["ghep"] = Point(id="ghep", name="Ghép", tier=Tier.VILLAGE, mode=Mode.MERGED, merged_into=names[0])
    return Inventory(points, {"sw": switch}, {"tba": transformer}, {"386": District("386", "Huyện Bá Thước", 0, 0)})


def ceremony(interval_s: float = 1.0) -> Ceremony:
    """Test phase from the start, live phase an hour later."""
    test = Phase(name="test", title="Thử", starts_at=START, interval_s=interval_s, alpha=1e-6, severity="warning")
    live = msgspec.structs.replace(test, name="live", starts_at=START + 3600, alpha=1e-4, severity="critical")
    return Ceremony(
        title="Lễ", timezone="Asia/Ho_Chi_Minh", report_at=START + 1800, begins_at=START + 3600, phases=(test, live)
    )


@pytest.fixture
def province() -> Callable[..., Province]:
    """``province(points=8, witness=True)``."""
    return Province


@pytest.fixture
def boundary() -> float:
    """The live phase's."""
    return log(1e6)
