"""The tables of a report: which columns, what each cell holds, and what they add up to. Pure."""

from collections.abc import Iterator
from enum import Enum
from itertools import groupby

import msgspec

from monitor.core.checkin import PowerSupply
from monitor.core.model import Mode, PointState, Tier
from monitor.core.readiness import PLANNED_MODES, Counts
from monitor.core.snapshot import Content, PointRow
from monitor.report.spelling import percent, printable, share, whole
from monitor.words import LACKS

PROVINCE = "Cấp tỉnh"
"""Where points are counted that belong to no district."""
WHOLE = "Toàn tỉnh"
TIERS = {
    Tier.PROVINCE: "Tỉnh ủy",
    Tier.AGENCY: "Cơ quan cấp tỉnh",
    Tier.DISTRICT: "Huyện, thị xã, thành phố",
    Tier.COMMUNE: "Xã, phường, thị trấn",
    Tier.VILLAGE: "Thôn, bản, tổ dân phố",
}
LEVELS = {
    Tier.PROVINCE: "Tỉnh ủy",
    Tier.AGENCY: "Cơ quan tỉnh",
    Tier.DISTRICT: "Cấp huyện",
    Tier.COMMUNE: "Cấp xã",
    Tier.VILLAGE: "Thôn, bản",
}
"""A single point's tier."""
MODES = {
    Mode.TWO_WAY: "Họp trực tuyến hai chiều",
    Mode.WATCH: "Xem phát trực tiếp",
    Mode.MERGED: "Ghép điểm",
    Mode.NO_COVERAGE: "Không có điều kiện kết nối",
}
STATES = {
    PointState.UP: "đã kết nối",
    PointState.DEGRADED: "kết nối chưa tốt",
    PointState.DOWN: "mất kết nối",
    PointState.UNKNOWN: "chưa rõ",
    PointState.NOT_EXPECTED: "",
}
POWERS = {PowerSupply.GRID: "điện lưới", PowerSupply.UPS: "bộ lưu điện (UPS)", PowerSupply.GENERATOR: "máy phát điện"}
DISTRICT = "Huyện, thị xã, thành phố"
YES = {True: "có", False: "không"}

Cell = str | int | float | None


class Kind(Enum):
    """What the cells of a column are."""

    TEXT = "text"
    COUNT = "count"
    SHARE = "share"
    """From 0 to 1."""


class Column(msgspec.Struct, frozen=True):
    """A column of a table."""

    title: str
    width: int
    """In characters, of a sheet; on paper in the same proportions."""
    kind: Kind = Kind.TEXT
    paper: bool = True
    """Whether it is printed: what has no room on paper stands in the sheets alone."""


class Table(msgspec.Struct, frozen=True):
    """A table, with what it adds up to."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: tuple[Cell, ...] | None = None
    by: int | None = None
    """The column whose text, on paper, stands above the rows that share it, and not in them; None for none."""

    @property
    def paper(self) -> "Table":
        """What is printed of it. A row of one cell heads those below it."""
        kept = [index for index, column in enumerate(self.columns) if column.paper and index != self.by]

        def pick(cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
            return tuple(cells[index] for index in kept)

        rows = tuple(row if len(row) == 1 else pick(row) for row in self._headed())
        total = pick(self.total) if self.total is not None else None
        return Table(tuple(self.columns[index] for index in kept), rows, total)

    def _headed(self) -> Iterator[tuple[Cell, ...]]:
        for title, group in groupby(self.rows, key=lambda row: None if self.by is None else row[self.by]):
            rows = list(group)
            if self.by is not None:
                yield (f"{title}: {whole(len(rows))} điểm cầu",)
            yield from rows


class Tables(msgspec.Struct, frozen=True):
    """Every table of a report."""

    tiers: Table
    districts: Table
    not_ready: Table
    points: Table


def shown(cell: Cell, kind: Kind) -> str:
    """A cell as it is printed."""
    if cell is None or isinstance(cell, str):
        return cell or ""
    return percent(cell) if kind is Kind.SHARE else whole(int(cell))


COUNTS: tuple[tuple[Column, str], ...] = (
    (Column("Kế hoạch", 9, Kind.COUNT), "planned"),
    (Column("Ghép điểm", 9, Kind.COUNT), "merged"),
    (Column("Không kết nối được", 9, Kind.COUNT), "without_coverage"),
    (Column("Tham gia", 9, Kind.COUNT), "expected"),
    (Column("Đã kết nối", 9, Kind.COUNT), "up"),
    (Column("Sẵn sàng", 9, Kind.COUNT), "ready"),
    (Column("Nhận ghép", 10, Kind.COUNT, paper=False), "hosted"),
    (Column("Đã báo đại biểu", 10, Kind.COUNT, paper=False), "reported"),
    (Column("Báo muộn", 10, Kind.COUNT, paper=False), "late"),
    (Column("Đại biểu", 10, Kind.COUNT), "delegates"),
    (Column("Người dự", 10, Kind.COUNT), "attendees"),
)
"""What is counted: column, and field of Counts."""
SHARE = Column("Tỷ lệ sẵn sàng", 10, Kind.SHARE)
ORDINAL = Column("TT", 8, Kind.COUNT)
COUNTED = (*(column for column, _field in COUNTS), SHARE)


def tier_table(content: Content) -> Table:
    """A row a tier."""
    rows = ((TIERS[tier], *_counted(content.tiers[tier])) for tier in Tier if tier in content.tiers)
    return Table((Column("Cấp điểm cầu", 26), *COUNTED), tuple(rows), (WHOLE, *_counted(content.total)))


def district_table(content: Content) -> Table:
    """A row a district, and one for the province's own points."""
    rows = (
        (number, row.code, printable(row.name) or PROVINCE, *_counted(row.counts))
        for number, row in enumerate(content.districts, start=1)
    )
    columns = (ORDINAL, Column("Mã", 7, paper=False), Column(DISTRICT, 22), *COUNTED)
    return Table(columns, tuple(rows), (None, "", WHOLE, *_counted(content.total)))


def not_ready_table(content: Content) -> Table:
    """A row for each point that takes part and is not ready, with why; by district."""
    names = Names(content)
    columns = (
        ORDINAL,
        Column("Mã", 16, paper=False),
        Column("Điểm cầu", 36),
        Column("Cấp", 15),
        Column("Xã, phường, thị trấn", 23),
        Column(DISTRICT, 23),
        Column("Lý do chưa sẵn sàng", 40),
        Column("Đại biểu", 10, Kind.COUNT, paper=False),
    )
    rows = (
        (
            number,
            row.id,
            printable(row.name),
            LEVELS[row.tier],
            names.commune(row),
            names.district(row),
            reasons(row),
            row.delegates,
        )
        for number, row in enumerate(not_ready(content), start=1)
    )
    return Table(columns, tuple(rows), by=[column.title for column in columns].index(DISTRICT))


POINTS = (
    Column("Mã", 16),
    Column("Điểm cầu", 34),
    Column("Cấp", 13),
    Column("Hình thức", 25),
    Column("Mã huyện", 9),
    Column(DISTRICT, 22),
    Column("Mã xã", 9),
    Column("Xã, phường, thị trấn", 22),
    Column("Ghép vào điểm", 30),
    Column("Đường truyền", 17),
    Column("Đã kết nối", 9),
    Column("Sẵn sàng", 9),
    Column("Lý do chưa sẵn sàng", 40),
    Column("Đại biểu", 10, Kind.COUNT),
    Column("Người dự", 10, Kind.COUNT),
    Column("Chủ trì (chức danh)", 25),
    Column("Nguồn điện", 17),
    Column("Báo muộn", 9),
    Column("Ghi chú", 40),
)


def point_table(content: Content) -> Table:
    """A row for each point, whatever its mode."""
    names = Names(content)
    return Table(POINTS, tuple(_point(row, names) for row in content.points))


def _point(row: PointRow, names: "Names") -> tuple[Cell, ...]:
    part = row.mode in PLANNED_MODES
    return (
        row.id,
        printable(row.name),
        LEVELS[row.tier],
        MODES[row.mode],
        row.district,
        names.district(row),
        row.commune,
        names.commune(row),
        names.point(row.host),
        STATES[row.state] if part else "",
        YES[row.connected] if part else "",
        YES[row.ready] if part else "",
        reasons(row),
        row.delegates,
        row.attendees,
        printable(row.chair),
        POWERS[PowerSupply(row.power)] if row.power else "",
        YES[True] if row.late else "",
        printable(row.note),
    )


class Names:
    """What places and points are called, by code and id."""

    def __init__(self, content: Content) -> None:
        self._points = {row.id: printable(row.name) for row in content.points}
        self._districts = {row.code: printable(row.name) for row in content.districts}
        self._communes = {
            row.commune: printable(row.name) for row in content.points if row.tier is Tier.COMMUNE and row.commune
        }

    def district(self, row: PointRow) -> str:
        """The district's name."""
        return self._districts.get(row.district, row.district) or PROVINCE

    def commune(self, row: PointRow) -> str:
        """The commune's name, which is that of its own point; its code where it has none."""
        return self._communes.get(row.commune, row.commune)

    def point(self, point_id: str) -> str:
        """The point's name, its id where it is not known."""
        return self._points.get(point_id, point_id)


def not_ready(content: Content) -> list[PointRow]:
    """The points that take part and are not ready: by district, from the highest tier down."""
    order = {tier: index for index, tier in enumerate(Tier)}
    found = (row for row in content.points if row.mode in PLANNED_MODES and not row.ready)
    return sorted(found, key=lambda row: (row.district, order[row.tier], row.commune, row.name, row.id))


def reasons(row: PointRow) -> str:
    """Why a point is not ready, the gravest first."""
    return "; ".join(LACKS[lack] for lack in row.lacks)


def _counted(counts: Counts) -> tuple[Cell, ...]:
    return (*(getattr(counts, field) for _column, field in COUNTS), share(counts.ready, counts.expected))
