"""The report after the event: incidents, who acted how soon, and how long halls were connected; DOCX and XLSX.

Laid out as the report before it, from the same words and cells in both forms.
"""

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from monitor.core.aftermath import Aftermath, Case, Owner, Share
from monitor.core.attribution import SITE
from monitor.core.incidents import Entry
from monitor.core.model import Ceremony, Change, IncidentState, Inventory, Tier, Tree
from monitor.core.organization import Letterhead
from monitor.report.document import laid_out
from monitor.report.sheet import sheets
from monitor.report.spelling import day, percent, printable, whole
from monitor.report.tables import TIERS, Cell, Column, Kind, Table
from monitor.report.wording import Appendix, Letter, Part
from monitor.words import fact_told

STATES = {
    IncidentState.OPEN: "đang xảy ra",
    IncidentState.RECOVERING: "đang khôi phục",
    IncidentState.RESOLVED: "đã khắc phục",
    IncidentState.RETRACTED: "đã rút lại",
}
CAUSES = {Tree.NETWORK: "Đường truyền", Tree.POWER: "Điện", Tree.SITE: "Tại điểm cầu"}
OWNERS_INTRO = (
    "Thời gian tiếp nhận tính từ khi xác định sự cố, thời gian khắc phục từ khi điểm cầu đầu tiên mất kết nối."
)
SITES = "Tại điểm cầu"
"""Whose the incidents of single points are."""
PROVINCE = "Cấp tỉnh"
CASES = (
    Column("TT", 8, Kind.COUNT),
    Column("Nơi xảy ra", 28),
    Column("Loại", 12),
    Column("Đơn vị xử lý", 24),
    Column("Từ", 14),
    Column("Đến", 14),
    Column("Điểm cầu", 12, Kind.COUNT),
    Column("Tiếp nhận sau", 14),
    Column("Khắc phục sau", 12),
    Column("Đơn vị tiếp nhận", 20, paper=False),
    Column("Xác suất", 9, Kind.SHARE, paper=False),
    Column("Kết quả", 14),
)
EVIDENCE = (
    Column("TT", 8, Kind.COUNT),
    Column("Nơi xảy ra", 28),
    Column("Xác suất", 12, Kind.SHARE),
    Column("Căn cứ", 60),
)
TIMELINE = (
    Column("Lúc", 12),
    Column("Nơi xảy ra", 28),
    Column("Việc", 24),
    Column("Đơn vị", 24),
    Column("Điểm cầu đang mất", 12, Kind.COUNT),
)
CHANGES = {
    Change.OPENED: "xác định sự cố",
    Change.GREW: "thêm điểm cầu",
    Change.SHRANK: "bớt điểm cầu",
    Change.REASSESSED: "đánh giá lại",
    Change.RECOVERING: "đang khôi phục",
    Change.REOPENED: "xảy ra lại",
    Change.RESOLVED: "khắc phục xong",
    Change.MERGED: "gộp vào sự cố khác",
    Change.RETRACTED: "rút lại",
    Change.ACKNOWLEDGED: "tiếp nhận",
    Change.ESCALATED: "báo lên cấp trên",
}
OWNERS = (
    Column("Đơn vị", 26),
    Column("Sự cố", 8, Kind.COUNT),
    Column("Chưa tiếp nhận", 9, Kind.COUNT),
    Column("Chưa khắc phục", 9, Kind.COUNT),
    Column("Tiếp nhận (giữa / chậm nhất)", 18),
    Column("Khắc phục (giữa / lâu nhất)", 18),
    Column("Đã rút lại", 8, Kind.COUNT),
)
SHARES = (
    Column("Điểm cầu", 9, Kind.COUNT),
    Column("Tỷ lệ thời gian kết nối", 12, Kind.SHARE),
    Column("Thời gian mất kết nối", 16),
    Column("Thời gian không quan sát được", 16),
)


def document(aftermath: Aftermath, inventory: Inventory, ceremony: Ceremony, letterhead: Letterhead) -> bytes:
    """As DOCX."""
    words = _Words(aftermath, inventory, ceremony)
    return laid_out(words.letter(letterhead), words.made_at)


def workbook(aftermath: Aftermath, inventory: Inventory, ceremony: Ceremony, letterhead: Letterhead) -> bytes:
    """As XLSX."""
    words = _Words(aftermath, inventory, ceremony)
    tables = {
        "Sự cố": words.cases(),
        "Căn cứ": words.evidence(),
        "Dòng thời gian": words.timeline(),
        "Theo đơn vị": words.owners(),
        "Theo cấp": words.tiers(),
        "Theo huyện": words.districts(),
        "Điểm cầu kém nhất": words.worst(),
    }
    return sheets(words.subject, letterhead.agency, tables)


class _Words:
    def __init__(self, aftermath: Aftermath, inventory: Inventory, ceremony: Ceremony) -> None:
        self._found = aftermath
        self._inventory = inventory
        self._zone = ZoneInfo(ceremony.timezone)
        self._event = printable(ceremony.title)
        self.subject = f"Tình hình kết nối và sự cố trong {self._event}"

    @property
    def made_at(self) -> str:
        """The end of what is told of."""
        return datetime.fromtimestamp(self._found.ends_at, self._zone).isoformat()

    def letter(self, letterhead: Letterhead) -> Letter:
        """All of it."""
        dated = f"ngày {day(self.made_at)}"
        span = f"từ {self._clock(self._found.begins_at)} đến {self._clock(self._found.ends_at)}"
        return Letter(
            superior=printable(letterhead.superior).upper(),
            agency=printable(letterhead.agency).upper(),
            number=f"Số: {printable(letterhead.number)}",
            dated=f"{printable(letterhead.place)}, {dated}",
            subject=self.subject,
            recipient=f"Kính gửi: {printable(letterhead.recipient)}",
            opening=f"Kết quả theo dõi các điểm cầu tham dự {self._event}, {span}, như sau:",
            parts=(
                Part("1. Tình hình chung", tuple(self._general())),
                Part(
                    "2. Kết quả theo đơn vị xử lý", ("Thời gian tiếp nhận tính từ khi xác định sự cố.",), self.owners()
                ),
                Part("3. Thời gian kết nối theo cấp", ("Không tính thời gian không quan sát được.",), self.tiers()),
            ),
            digest="",
            closing=f"Trên đây là tình hình kết nối và sự cố, kính báo cáo {printable(letterhead.recipient)}./.",
            signer=tuple(printable(line).upper() for line in letterhead.signer),
            receivers=("- Như trên;", "- Lưu: VT."),
            attached=f"(Kèm theo Báo cáo số {printable(letterhead.number)} {dated} của {printable(letterhead.agency)})",
            appendices=(
                Appendix("I", "CÁC SỰ CỐ", f"Có {whole(len(self._found.cases))} sự cố, theo thời gian.", self.cases()),
                Appendix("II", "CĂN CỨ XÁC ĐỊNH", "Những gì quan sát được khi xác định sự cố.", self.evidence()),
                Appendix("III", "THỜI GIAN KẾT NỐI THEO HUYỆN", "Theo thứ tự trong danh mục.", self.districts()),
                Appendix("IV", "ĐIỂM CẦU KẾT NỐI KÉM NHẤT", "Chỉ các điểm cầu đã mất kết nối.", self.worst()),
            ),
        )

    def _general(self) -> Iterator[str]:
        total, cases = self._found.total, self._found.cases
        own = [case for case in cases if case.state is not IncidentState.RETRACTED]
        ratio = percent(total.ratio) if total.ratio is not None else "chưa xác định"
        yield (
            f"{whole(total.points)} điểm cầu tham gia được kết nối {ratio} thời gian quan sát được; tổng thời gian mất "
            f"kết nối là {_lasted(total.observed_s - total.connected_s)}."
        )
        by_tree = ", ".join(
            f"{whole(count)} {CAUSES[tree].lower()}"
            for tree in Tree
            if (count := sum(case.tree is tree for case in own))
        )
        yield f"Có {whole(len(own))} sự cố{f' ({by_tree})' if by_tree else ''}."
        if len(own) < len(cases):
            yield f"{whole(len(cases) - len(own))} thông báo ban đầu không đúng đơn vị đã được rút lại."
        if total.unobserved_s > 0:
            yield f"Tổng thời gian không quan sát được của các điểm cầu là {_lasted(total.unobserved_s)}."

    # Tables

    def cases(self) -> Table:
        """Incidents, by time."""
        return Table(CASES, tuple(self._case(number, case) for number, case in enumerate(self._found.cases, start=1)))

    def _case(self, number: int, case: Case) -> tuple[Cell, ...]:
        return (
            number,
            self._place(case),
            CAUSES[case.tree],
            _owner(case.owner),
            self._clock(case.since),
            self._clock(case.ended_at) if case.ended_at is not None else "",
            case.points,
            _or_none(case.acknowledged_s),
            _or_none(case.repaired_s),
            printable(case.acknowledged_by),
            case.probability,
            STATES.get(case.state, ""),
        )

    def evidence(self) -> Table:
        """Why it was said of each incident whose it is."""
        rows = (
            (number, self._place(case), case.probability, "; ".join(self._facts(case)))
            for number, case in enumerate(self._found.cases, start=1)
        )
        return Table(EVIDENCE, tuple(rows))

    def _facts(self, case: Case) -> Iterator[str]:
        yield from (printable(told) for fact in case.evidence if (told := fact_told(fact, self._inventory)))

    def timeline(self) -> Table:
        """What happened to incidents, in the order of time."""
        lines = sorted(((entry, case) for case in self._found.cases for entry in case.timeline), key=_when)
        rows = (
            (self._clock(entry.at), self._place(case), CHANGES[entry.change], printable(entry.by), entry.points)
            for entry, case in lines
        )
        return Table(TIMELINE, tuple(rows))

    def _place(self, case: Case) -> str:
        known = (
            self._inventory.network.get(case.node)
            or self._inventory.power.get(case.node)
            or self._inventory.points.get(case.node)
        )
        return printable(known.name) if known is not None else case.node

    def owners(self) -> Table:
        """By company."""
        return Table(OWNERS, tuple(_company(owner) for owner in self._found.owners))

    def tiers(self) -> Table:
        """By tier, and all."""
        rows = ((TIERS[Tier(share.name)], *_share(share)) for share in self._found.tiers)
        return Table((Column("Cấp", 24), *SHARES), tuple(rows), ("Cộng", *_share(self._found.total)))

    def districts(self) -> Table:
        """By district."""
        names = self._inventory.districts
        rows = (
            (printable(names[share.name].name) if share.name in names else PROVINCE, *_share(share))
            for share in self._found.districts
        )
        return Table((Column("Huyện, thị xã, thành phố", 24), *SHARES), tuple(rows))

    def worst(self) -> Table:
        """Points."""
        rows = ((printable(self._inventory.points[share.name].name), *_share(share)[1:]) for share in self._found.worst)
        return Table((Column("Điểm cầu", 30), *SHARES[1:]), tuple(rows))

    def _clock(self, at: float) -> str:
        return f"{datetime.fromtimestamp(at, self._zone):%H:%M:%S}"


def _when(line: tuple[Entry, Case]) -> tuple[float, str]:
    return line[0].at, line[1].incident


def _company(owner: Owner) -> tuple[Cell, ...]:
    return (
        _owner(owner.name),
        owner.incidents,
        owner.unacknowledged,
        owner.ongoing,
        _both(owner.acknowledged_median_s, owner.acknowledged_worst_s),
        _both(owner.repaired_median_s, owner.repaired_worst_s),
        owner.retracted,
    )


def _share(share: Share) -> tuple[Cell, ...]:
    return share.points, share.ratio, _lasted(share.observed_s - share.connected_s), _lasted(share.unobserved_s)


def _owner(name: str) -> str:
    return SITES if name == SITE else printable(name) or "Chưa rõ"


def _both(middle: float | None, worst: float | None) -> str:
    return f"{_lasted(middle)} / {_lasted(worst)}" if middle is not None and worst is not None else ""


def _or_none(seconds: float | None) -> str:
    return _lasted(seconds) if seconds is not None else ""


def _lasted(seconds: float) -> str:
    """``1 giờ 05 phút``, ``4 phút 20 giây``, ``12 giây``."""
    whole_s = round(seconds)
    hours, minutes, rest = whole_s // 3600, whole_s % 3600 // 60, whole_s % 60
    if hours:
        return f"{whole(hours)} giờ {minutes:02} phút"
    return f"{minutes} phút {rest:02} giây" if minutes else f"{rest} giây"
