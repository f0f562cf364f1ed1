"""A stage: a province of any size over the real pipeline, a backend around it, and a clock that the test moves."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import msgspec
import pytest
from aiohttp import ClientSession, TCPConnector, web

from monitor.core.attribution import SITE
from monitor.core.incidents import Entry, Incident
from monitor.core.model import (
    Ceremony,
    Certainty,
    Change,
    CheckPolicy,
    District,
    Happening,
    Inventory,
    Mode,
    Node,
    NodeKind,
    Phase,
    Point,
    Tier,
    Tree,
)
from monitor.core.pipeline import Pipeline
from monitor.core.pulse import Beat, Pulses
from monitor.web.app import BOARD, create_app
from monitor.web.links import Links
from probes.model import Failure, Layer, Measurement, Observation

REPORT_AT = 1_746_664_200.0
"""07:30 on 8 May 2025 in Thanh Hóa."""
NOW = REPORT_AT - 41 * 60 - 12
WITNESS = "witness:gateway/icmp"


class Alert(msgspec.Struct, frozen=True):
    """As the alerting room has it."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: float


class Stage:
    """The backend of the pages, and what a test does to the province."""

    def __init__(self, inventory: Inventory, *, now: float = NOW) -> None:
        self.now = now
        self.pipeline = Pipeline(inventory, ceremony(), policies(inventory), now)
        self.firing: dict[str, Alert] = {}
        self.text = b"# HELP up\n" + b"diemcau_point_up 1\n" * 1000
        self.errors: list[str] = []
        self.reloads = 0
        self.observed = False
        self.measurement: Measurement | None = None
        self.links = Links(b"the secret of the stage")
        self.pulses = Pulses("test")
        self.beats: list[tuple[str, str, Beat]] = []
        self.left: list[tuple[str, str]] = []
        self.app = create_app(self, now=lambda: self.now)

    def ready(self) -> bool:
        """What the test said."""
        return self.observed

    async def exposition(self) -> bytes:
        """What the test said."""
        return self.text

    async def reload(self) -> list[str]:
        """Counted; the errors are what the test said."""
        self.reloads += 1
        return self.errors

    def kind_of(self, module: str) -> str | None:
        """Two modules."""
        return {"icmp": "icmp", "h323_port": "tcp"}.get(module)

    async def probe(self, target: str, module: str) -> Measurement | None:  # noqa: ARG002
        """What the test said, for a point of the inventory."""
        return self.measurement if target in self.pipeline.points else None

    def beat(self, point_id: str, session: str, beat: Beat) -> None:
        """Noted, and observed where the point has such a check."""
        self.beats.append((point_id, session, beat))
        self.tell(self.pipeline.observe(self.pulses.beat(point_id, session, beat, self.now)))

    def leave(self, point_id: str, session: str) -> None:
        """Noted."""
        self.left.append((point_id, session))
        self.pulses.leave(point_id, session, self.now)

    def up(self, points: Iterable[str] | None = None, rtt_s: float = 0.012) -> None:
        """Every check of these points (of all) answers until it is up."""
        for check in self._checks(points):
            self._ask(check, 6, rtt_s)
        self._ask(WITNESS, 1, rtt_s)
        self.tell([])

    def down(self, points: Iterable[str]) -> None:
        """No check of these points answers, until they are down."""
        self._lose(self._checks(points))

    def degrade(self, points: Iterable[str]) -> None:
        """Their signalling is lost, while they are reached."""
        self._lose([check for check in self._checks(points) if check.endswith("h323_port")])

    def blind(self) -> None:
        """Nothing answers at all."""
        for _ in range(4):
            self.now += 0.5
            for check in self.pipeline.checks:
                self._observe(check, None)
            self.tell(self.pipeline.tick(self.now))
        assert self.pipeline.blind

    def blame(self, tree: Tree, node: str, points: Iterable[str] = (), **known: object) -> Incident:
        """An incident of this cause goes on, whatever the points do; over when ``ended_at`` is given."""
        ids = tuple(points)
        fields: dict[str, object] = {
            "operator": SITE if tree is Tree.SITE else "VNPT Thanh Hóa",
            "since": self.now - 60,
            "opened_at": self.now - 58,
            "changed_at": self.now,
            "certainty": Certainty.CERTAIN,
            "probability": 0.97,
            "owner_probability": 0.992,
            "points": ids,
            "hit": set(ids),
            "openings": [self.now - 58],
            "timeline": [Entry(self.now - 58, Change.OPENED, len(ids), Certainty.CERTAIN, 0.992)],
        }
        incident = Incident(id=f"{tree}:{node}", tree=tree, node=node, **{**fields, **known})  # type: ignore[arg-type]
        incidents = self.pipeline.incidents
        incidents._by_id[incident.id] = incident
        incidents._holder.update(dict.fromkeys(ids, incident.id))
        self.tell([])
        return incident

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    def tell(self, happenings: list[Happening]) -> None:
        """As the service does."""
        self.app[BOARD].notice(happenings)

    def _checks(self, points: Iterable[str] | None) -> list[str]:
        chosen = self.pipeline.points if points is None else points
        return [check.policy.check for point in chosen for check in self.pipeline.points[point].checks]

    def _lose(self, checks: list[str]) -> None:
        for _ in range(8):
            self.now += 0.05
            for check in checks:
                self._observe(check, None)
            self._observe(WITNESS, 0.001)
        for _ in range(12):  # a loss counts only when the witness has answered after it, too
            self.now += 0.05
            self._observe(WITNESS, 0.001)
        self.tell(self.pipeline.tick(self.now))

    def _ask(self, check: str, times: int, rtt_s: float) -> None:
        for _ in range(times):
            self.now += 1e-6
            self._observe(check, rtt_s)

    def _observe(self, check: str, rtt_s: float | None) -> None:
        lost = Measurement(False, 0.01, Failure.TIMEOUT)
        found = lost if rtt_s is None else Measurement(True, rtt_s)
        happenings = self.pipeline.observe(Observation(check, self.now, "test", found))
        if happenings:
            self.tell(happenings)


def policies(inventory: Inventory) -> list[CheckPolicy]:
    """ICMP for all that take part, signalling from the communes upwards, and a witness."""
    made = [CheckPolicy(WITNESS, "", Layer.REACHABLE, 1.0)]
    for point in inventory.points.values():
        if point.expected:
            made.append(CheckPolicy(f"{point.id}/icmp", point.id, Layer.REACHABLE, 1.0))
            if point.tier is not Tier.VILLAGE:
                made.append(CheckPolicy(f"{point.id}/h323_port", point.id, Layer.SIGNALLING, 10.0))
    return made


def ceremony() -> Ceremony:
    test = Phase(name="test", title="Kiểm tra kết nối", starts_at=0.0, interval_s=1.0, alpha=1e-6, severity="warning")
    live = msgspec.structs.replace(test, name="live", title="Diễn ra", starts_at=REPORT_AT - 1800, severity="critical")
    return Ceremony(
        title="Lễ phát động phong trào “Bình dân học vụ số”",
        timezone="Asia/Ho_Chi_Minh",
        report_at=REPORT_AT,
        begins_at=REPORT_AT + 1800,
        phases=(test, live),
    )


def province(points: int = 5000, districts: int = 26) -> Inventory:
    """A host, 60 agencies, and districts with their communes and villages; one village in eleven takes part."""
    places = {str(380 + i): District(str(380 + i), f"Huyện Số {i + 1}", i % 7, i // 7) for i in range(districts)}
    made = [Point(id="tinh-uy", name="Điểm cầu Tỉnh ủy", tier=Tier.PROVINCE, mode=Mode.TWO_WAY, network_node="loi")]
    made += [Point(id=f"cq-{i:02}", name=f"Cơ quan {i + 1}", tier=Tier.AGENCY, mode=Mode.TWO_WAY) for i in range(60)]
    made += [
        Point(id=f"h-{code}", name=place.name, tier=Tier.DISTRICT, mode=Mode.TWO_WAY, district_code=code)
        for code, place in places.items()
    ]
    communes = min(547, points // 2)
    made += [_below(number, communes, list(places)) for number in range(points - len(made))]
    core = Node("loi", None, "Nút lõi Thanh Hóa", NodeKind.CORE, "VNPT Thanh Hóa")
    return Inventory({point.id: point for point in made}, {"loi": core}, {}, places)


def _below(number: int, communes: int, codes: list[str]) -> Point:
    code = codes[number % communes % len(codes)]
    commune = f"{14800 + number % communes:05}"
    if number < communes:
        name = f"Xã {number + 1}"
        return Point(
            id=f"x-{commune}",
            name=name,
            tier=Tier.COMMUNE,
            mode=Mode.TWO_WAY,
            district_code=code,
            commune_code=commune,
            network_node="loi",
        )
    mode = Mode.WATCH if number % 11 == 0 else Mode.NO_COVERAGE if number % 37 == 0 else Mode.MERGED
    name = f"Thôn {number}, xã {number % communes + 1}"
    return Point(
        id=f"t-{commune}-{number}",
        name=name,
        tier=Tier.VILLAGE,
        mode=mode,
        merged_into=f"x-{commune}" if mode is Mode.MERGED else None,
        district_code=code,
        commune_code=commune,
    )


@pytest.fixture(scope="session")
def make_stage() -> Callable[[Inventory], Stage]:
    return Stage


@pytest.fixture(scope="session")
def make_province() -> Callable[..., Inventory]:
    return province


@pytest.fixture
def stage() -> Stage:
    """A small province: quick to judge as a whole."""
    return Stage(province(300, districts=6))


@asynccontextmanager
async def served(app: web.Application, *, decompress: bool = True) -> AsyncIterator[ClientSession]:
    """A client of the application, over loopback."""
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    async with ClientSession(
        f"http://{host}:{port}", connector=TCPConnector(limit=0), auto_decompress=decompress
    ) as session:
        yield session
    await runner.cleanup()


@pytest.fixture(scope="session")
def serve() -> Callable[..., AbstractAsyncContextManager[ClientSession]]:
    return served


@pytest.fixture
async def client(stage: Stage) -> AsyncIterator[ClientSession]:
    async with served(stage.app) as session:
        yield session


@pytest.fixture
def make_alert() -> Callable[[str, float, str], Alert]:
    def make(summary: str, starts_at: float, point: str) -> Alert:
        return Alert({"severity": "critical", "instance": point}, {"summary": summary}, starts_at)

    return make
