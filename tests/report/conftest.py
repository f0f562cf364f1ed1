"""A count to report: synthetic, small enough to recount by hand, with everything that is awkward to write down."""

from collections.abc import Callable

import msgspec
import pytest

from monitor.core.model import Mode, PointState, Tier
from monitor.core.organization import Letterhead
from monitor.core.readiness import NOTHING, PLANNED_MODES, Counts, Lack
from monitor.core.snapshot import Content, DistrictRow, PointRow, SnapshotHead, canonical, digest_of

DISTRICTS = {"": "", "384": "Huyện Mường Lát", "386": "Huyện Bá Thước"}


def row(point_id: str, **said: object) -> PointRow:
    """A village that is ready, but for what is said."""
    standard: dict[str, object] = {
        "name": f"Bản {point_id}",
        "tier": Tier.VILLAGE,
        "mode": Mode.WATCH,
        "district": "386",
        "commune": "14869",
        "host": "",
        "state": PointState.UP,
        "connected": True,
        "ready": True,
        "lacks": (),
        "delegates": 30,
        "attendees": 50,
        "chair": "Bí thư chi bộ",
        "power": "grid",
        "note": "",
        "late": False,
    }
    return PointRow(id=point_id, **(standard | said))  # type: ignore[arg-type]


UNSEEN: dict[str, object] = {
    "connected": False,
    "ready": False,
    "delegates": None,
    "attendees": None,
    "chair": "",
    "power": "",
}
ROWS = (
    row(
        "TU",
        name="Điểm cầu Tỉnh ủy",
        tier=Tier.PROVINCE,
        mode=Mode.TWO_WAY,
        district="",
        commune="",
        delegates=400,
        attendees=450,
    ),
    row("C1", name="Xã Điền Lư", tier=Tier.COMMUNE, mode=Mode.TWO_WAY, delegates=1_000, attendees=1_200, late=True),
    row("V1", **UNSEEN, state=PointState.DOWN, lacks=(Lack.LOST_POWER, Lack.NOT_ATTENDED)),
    row("V2", name="=HYPERLINK(1)", note="@x\n-1", ready=False, lacks=(Lack.NO_PICTURE,), chair="+Bí thư"),
    row("V3", **UNSEEN, mode=Mode.MERGED, host="C1", state=PointState.NOT_EXPECTED),
    row("V4", **UNSEEN, mode=Mode.NO_COVERAGE, state=PointState.NOT_EXPECTED),
    row("V5", **UNSEEN, district="384", commune="14845", state=PointState.UNKNOWN, lacks=(Lack.UNSEEN,)),
)


def counts(rows: list[PointRow], everybody: tuple[PointRow, ...]) -> Counts:
    """Counted by hand, by no rule of the program."""
    part = [each for each in rows if each.mode in PLANNED_MODES]
    ids = {each.id for each in rows}
    return Counts(
        planned=len(rows),
        merged=sum(each.mode is Mode.MERGED for each in rows),
        without_coverage=sum(each.mode is Mode.NO_COVERAGE for each in rows),
        expected=len(part),
        up=sum(each.connected for each in part),
        ready=sum(each.ready for each in part),
        hosted=sum(each.host in ids for each in everybody if each.host),
        reported=sum(each.delegates is not None for each in part),
        late=sum(each.late for each in part),
        delegates=sum(each.delegates or 0 for each in part),
        attendees=sum(each.attendees or 0 for each in part),
    )


def content_of(rows: tuple[PointRow, ...], **said: object) -> Content:
    tiers = {tier: counts([each for each in rows if each.tier is tier], rows) for tier in Tier}
    total = NOTHING
    for each in tiers.values():
        total = total.plus(each)
    districts = tuple(
        DistrictRow(code, DISTRICTS.get(code, code), counts([each for each in rows if each.district == code], rows))
        for code in sorted({each.district for each in rows})
    )
    standard: dict[str, object] = {
        "event": 'Lễ phát động "Bình dân học vụ số" (dữ liệu mẫu)',
        "deadline": "2025-05-08T00:30:00Z",
        "begins_at": "2025-05-08T01:00:00Z",
        "taken_at": "2025-05-08T00:30:00Z",
        "blind": False,
        "target": total.expected,
    }
    return Content(
        total=total,
        tiers={tier: each for tier, each in tiers.items() if each.planned},
        districts=districts,
        points=rows,
        **(standard | said),  # type: ignore[arg-type]
    )


@pytest.fixture
def content() -> Content:
    return content_of(ROWS)


@pytest.fixture
def many() -> Callable[..., Content]:
    """``many(5_000, 1_000)``: so many points, of which so many are not ready."""

    def make(points: int, missing: int) -> Content:
        rows = [
            row(f"v-{n:05}", name=f"Thôn {n}, xã Điền Lư", district="386" if n % 2 else "384") for n in range(points)
        ]
        lacks: dict[str, object] = {"ready": False, "lacks": (Lack.NO_DELEGATES,)}
        changed = [msgspec.structs.replace(each, **lacks) for each in rows[:missing]]
        return content_of((*changed, *rows[missing:]))

    return make


@pytest.fixture
def letterhead() -> Letterhead:
    return Letterhead(superior="UBND tỉnh Thanh Hóa", agency="Sở Khoa học và Công nghệ", number="05/BC-SKHCN")


@pytest.fixture
def snapshot(content: Content) -> SnapshotHead:
    digest = digest_of(canonical(content), "")
    return SnapshotHead(
        number=3, taken_at=1.0, automatic=True, deadline=1.0, by="an-account", previous="", digest=digest
    )
