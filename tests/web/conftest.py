"""A stage: a province of any size over the real pipeline, a backend around it, and a clock that the test moves."""

# ruff: noqa: D102 - the methods of MemoryRecords are described by monitor/core/records.py

import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession, CookieJar, TCPConnector, web

from monitor.core.access import AccessPolicy, Account, ApiToken, AuditEntry, Role, Session
from monitor.core.attribution import SITE
from monitor.core.checkin import Author, CheckIn, Draft, receive
from monitor.core.contacts import Contacts
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
from monitor.core.organization import Coordinator, Reminder, ReportForm, TooSoon, wait_s
from monitor.core.pipeline import Pipeline
from monitor.core.pulse import Beat, Pulses
from monitor.core.records import NotRecorded
from monitor.core.silences import NotSilenced, Silence
from monitor.core.snapshot import Content, Snapshot, SnapshotHead, canonical, digest_of
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


COOKIES = web.AppKey("cookies", dict[str, str])
"""What a client brings that a test does not say otherwise of: it may look, as the wall may."""


class MemoryRecords:
    """What outlives a run, for the length of a test. ``failing``: nothing can be kept or read."""

    def __init__(self) -> None:
        self.failing = False
        self.asked = 0
        """How often anything was asked."""
        self.check_ins: list[CheckIn] = []
        self.taken: list[Snapshot] = []
        self.reminded: list[Reminder] = []
        self.accounts_by_name: dict[str, Account] = {}
        self.sessions: dict[str, Session] = {}
        self.tokens_by_name: dict[str, ApiToken] = {}
        self.trail: list[AuditEntry] = []

    async def add_check_ins(self, check_ins: Sequence[CheckIn], audit: AuditEntry) -> list[CheckIn]:
        self._ask()
        known = {(each.point, each.entry): each for each in self.check_ins}
        kept = [known.setdefault((each.point, each.entry), each) for each in check_ins]
        self.check_ins = list(known.values())
        self.trail.append(audit)
        return kept

    async def check_ins_of(self, point_id: str) -> list[CheckIn]:
        self._ask()
        ours = [each for each in self.check_ins if each.point == point_id]
        return sorted(ours, key=lambda each: each.received_at, reverse=True)

    async def add_snapshot(
        self, content: bytes, *, taken_at: float, deadline: float, automatic: bool, by: str
    ) -> Snapshot:
        self._ask()
        for each in self.taken:
            if automatic and each.automatic and each.deadline == deadline:
                return each
        previous = self.taken[-1].digest if self.taken else ""
        snapshot = Snapshot(
            number=len(self.taken) + 1,
            taken_at=taken_at,
            automatic=automatic,
            deadline=deadline,
            by=by,
            previous=previous,
            digest=digest_of(content, previous),
            content=content,
        )
        self.taken.append(snapshot)
        return snapshot

    async def snapshots(self) -> list[SnapshotHead]:
        self._ask()
        return [each for each in reversed(self.taken)]  # noqa: C416 - a list of heads

    async def snapshot(self, number: int) -> Snapshot | None:
        self._ask()
        return self.taken[number - 1] if 1 <= number <= len(self.taken) else None

    async def add_reminder(self, reminder: Reminder) -> None:
        self._ask()
        self.reminded.append(reminder)

    async def reminders(self, since: float) -> list[Reminder]:
        self._ask()
        return [each for each in self.reminded if each.at >= since]

    async def account(self, name: str) -> Account | None:
        self._ask()
        return self.accounts_by_name.get(name)

    async def accounts(self) -> list[Account]:
        self._ask()
        return [self.accounts_by_name[name] for name in sorted(self.accounts_by_name)]

    async def put_account(self, account: Account, audit: AuditEntry) -> None:
        self._ask()
        before = self.accounts_by_name.get(account.name)
        self.accounts_by_name[account.name] = account
        if before is None or account.disabled or _rights(before) != _rights(account):
            self.sessions = {key: each for key, each in self.sessions.items() if each.account != account.name}
        self.trail.append(audit)

    async def add_session(self, session: Session) -> None:
        self._ask()
        self.sessions[session.digest] = session

    async def session(self, digest: str) -> Session | None:
        self._ask()
        return self.sessions.get(digest)

    async def drop_session(self, digest: str) -> None:
        self._ask()
        self.sessions.pop(digest, None)

    async def tokens(self) -> list[ApiToken]:
        self._ask()
        return [self.tokens_by_name[name] for name in sorted(self.tokens_by_name)]

    async def put_token(self, token: ApiToken, audit: AuditEntry) -> None:
        self._ask()
        self.tokens_by_name[token.name] = token
        self.trail.append(audit)

    async def add_audit(self, entry: AuditEntry) -> None:
        self._ask()
        self.trail.append(entry)

    async def audit(self, before: int | None = None, limit: int = 100) -> list[tuple[int, AuditEntry]]:
        self._ask()
        numbered = [(number, each) for number, each in enumerate(self.trail, 1) if before is None or number < before]
        return numbered[::-1][:limit]

    def actions(self) -> list[str]:
        """What the trail tells, the oldest first."""
        return [each.action for each in self.trail]

    def _ask(self) -> None:
        self.asked += 1
        if self.failing:
            raise NotRecorded("the store of the test fails")


def _rights(account: Account) -> tuple[str, Role]:
    return account.password_hash, account.role


class Nobody:
    """A gateway that has nobody to tell."""

    contacts = Contacts()


class Quietness:
    """Silences, for the length of a test."""

    def __init__(self) -> None:
        self.known: list[Silence] = []
        self.reachable = True

    async def add(self, silence: Silence) -> None:
        """Set it. Raises NotSilenced where no Alertmanager is reachable."""
        self._ask()
        self.known.append(msgspec.structs.replace(silence, ids=(f"s-{len(self.known)}",)))

    async def end(self, silence: Silence) -> None:
        """End it."""
        self._ask()
        self.known.remove(silence)

    def _ask(self) -> None:
        if not self.reachable:
            raise NotSilenced("no Alertmanager took it")


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
        self.records = MemoryRecords()
        self.access = AccessPolicy()
        self.coordinators: dict[str, Coordinator] = {}
        self.reports: list[tuple[Content, ReportForm, SnapshotHead | None]] = []
        self.silences = Quietness()
        self.gate: Any = Nobody()
        """A test that speaks to desks puts a gateway in its place."""
        self.app = create_app(self, now=lambda: self.now)
        self.app[COOKIES] = {"diemcau_wall": self.links.wall_token()}

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

    async def check_in(self, drafts: Sequence[tuple[str, Draft]], author: Author, audit: AuditEntry) -> list[CheckIn]:
        """As the service does."""
        deadline = self.pipeline.ceremony.report_at
        made = [receive(draft, point_id, author, self.now, deadline) for point_id, draft in drafts]
        kept = await self.records.add_check_ins(made, audit)
        for each in kept:
            self.tell(self.pipeline.check_in(each))
        return kept

    async def take_snapshot(self, by: str, audit: AuditEntry) -> Snapshot:
        """As the service does."""
        content = canonical(self.pipeline.content(self.now))
        deadline = self.pipeline.ceremony.report_at
        taken = await self.records.add_snapshot(content, taken_at=self.now, deadline=deadline, automatic=False, by=by)
        await self.records.add_audit(msgspec.structs.replace(audit, target=str(taken.number)))
        return taken

    async def remind(self, district: str, by: str, audit: AuditEntry) -> Reminder:
        """As the service does, but for whom it names: all of the district that take part."""
        wait = wait_s(district, await self.records.reminders(self.now - 3600.0), self.now)
        if wait > 0:
            raise TooSoon(wait)
        points = self.pipeline.inventory.points.values()
        ours = tuple(each.id for each in points if each.expected and (each.district_code or "") == district)
        reminder = Reminder(district=district, at=self.now, by=by, points=ours)
        await self.records.add_reminder(reminder)
        await self.records.add_audit(audit)
        return reminder

    async def report(self, content: Content, form: ReportForm, snapshot: SnapshotHead | None = None) -> bytes:
        """Noted; its bytes say which form it would have."""
        self.reports.append((content, form, snapshot))
        return f"a report as {form}".encode()

    def sign_in(self, role: Role, name: str = "") -> dict[str, str]:
        """What a browser brings that has signed in: ``Cookie`` and ``X-CSRF-Token``."""
        account = Account(name=name or f"the-{role}", password_hash="none", role=role, created_at=self.now)  # noqa: S106
        secret, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        session = Session(
            digest=sha256(secret.encode()).hexdigest(),
            account=account.name,
            csrf=csrf,
            created_at=self.now,
            expires_at=self.now + 86_400,
        )
        self.records.accounts_by_name[account.name] = account
        self.records.sessions[session.digest] = session
        return {"Cookie": f"diemcau_session={secret}", "X-CSRF-Token": csrf}

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
async def served(
    app: web.Application, *, decompress: bool = True, headers: Mapping[str, str] | None = None
) -> AsyncIterator[ClientSession]:
    """A client of the application, over loopback: the wall, or whoever these headers say; ``{}`` for nobody known."""
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    async with ClientSession(
        f"http://{host}:{port}",
        connector=TCPConnector(limit=0),
        auto_decompress=decompress,
        cookies=app[COOKIES] if headers is None else {},
        cookie_jar=CookieJar(unsafe=True),  # keeps cookies of addresses, too
        headers=headers or {},
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
def records(stage: Stage) -> MemoryRecords:
    """Those of the stage."""
    return stage.records


@pytest.fixture
def signed_in(stage: Stage) -> Callable[..., AbstractAsyncContextManager[ClientSession]]:
    """The stage, served to somebody who has signed in in a role: an asynchronous context manager of a client.

    Each request carries the CSRF token, too. ``signed_in(role, another_stage)`` for a stage of your own.
    """

    def enter(role: Role, of: Stage = stage) -> AbstractAsyncContextManager[ClientSession]:
        return served(of.app, headers=of.sign_in(role))

    return enter


@pytest.fixture
async def stranger(stage: Stage) -> AsyncIterator[ClientSession]:
    """The stage, served to somebody nobody knows."""
    async with served(stage.app, headers={}) as session:
        yield session


@pytest.fixture
def make_alert() -> Callable[[str, float, str], Alert]:
    def make(summary: str, starts_at: float, point: str) -> Alert:
        return Alert({"severity": "critical", "instance": point}, {"summary": summary}, starts_at)

    return make
