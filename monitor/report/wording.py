"""What a report says: a count under a letterhead becomes the text, the tables and the rows of DOCX, XLSX and CSV alike.

Every form is made from the same words and cells, so that no two of them can tell different figures. Pure.
"""

from collections import Counter
from collections.abc import Iterator

import msgspec

from monitor.core.organization import Letterhead
from monitor.core.readiness import Counts, Lack
from monitor.core.snapshot import Content, SnapshotHead
from monitor.report.spelling import day, moment, pair, percent, printable, share, whole
from monitor.report.tables import (
    Cell,
    Table,
    Tables,
    district_table,
    not_ready,
    not_ready_table,
    point_table,
    tier_table,
)
from monitor.words import LACKS

NATION = "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM"
MOTTO = "Độc lập - Tự do - Hạnh phúc"
KIND = "BÁO CÁO"


class Part(msgspec.Struct, frozen=True):
    """A numbered part of the body."""

    heading: str
    paragraphs: tuple[str, ...]
    table: Table | None = None


class Appendix(msgspec.Struct, frozen=True):
    """A Phụ lục."""

    number: str
    """Roman."""
    title: str
    intro: str
    table: Table


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """What is laid out on paper, word by word."""

    superior: str
    agency: str
    number: str
    dated: str
    subject: str
    """Trích yếu."""
    recipient: str
    opening: str
    parts: tuple[Part, ...]
    digest: str
    """SHA-256 of the snapshot, behind the last part; empty for live figures."""
    closing: str
    signer: tuple[str, ...]
    receivers: tuple[str, ...]
    attached: str
    """The line below the title of each appendix."""
    appendices: tuple[Appendix, ...]


class Report(Letter, frozen=True, kw_only=True):
    """The whole of a report on the count."""

    facts: tuple[tuple[str, Cell], ...]
    """What heads the sheets: label and value."""
    tables: Tables


def written(content: Content, letterhead: Letterhead, snapshot: SnapshotHead | None = None) -> Report:
    """The report of a count, live or frozen in ``snapshot``."""
    dated = f"ngày {day(content.taken_at)}"
    tables = Tables(
        tiers=tier_table(content),
        districts=district_table(content),
        not_ready=not_ready_table(content),
        points=point_table(content),
    )
    return Report(
        superior=printable(letterhead.superior).upper(),
        agency=printable(letterhead.agency).upper(),
        number=f"Số: {printable(letterhead.number)}",
        dated=f"{printable(letterhead.place)}, {dated}",
        subject=f"Kết quả chuẩn bị điểm cầu và số đại biểu tham dự {printable(content.event)}",
        recipient=f"Kính gửi: {printable(letterhead.recipient)}",
        opening=f"Kết quả tổng hợp các điểm cầu tham dự {printable(content.event)}, tính đến "
        f"{moment(content.taken_at)}, như sau:",
        parts=(
            Part("1. Kết quả chung", tuple(_general(content))),
            Part("2. Kết quả theo cấp", (TIERS_INTRO,), tables.tiers),
            Part("3. Điểm cầu chưa sẵn sàng", tuple(_missing(content))),
            Part("4. Nguồn số liệu", tuple(_source(snapshot))),
        ),
        digest=snapshot.digest if snapshot else "",
        closing=f"Trên đây là kết quả tổng hợp, kính báo cáo {printable(letterhead.recipient)}./.",
        signer=tuple(printable(line).upper() for line in letterhead.signer),
        receivers=tuple(_receivers(letterhead)),
        attached=f"(Kèm theo Báo cáo số {printable(letterhead.number)} {dated} của {printable(letterhead.agency)})",
        facts=tuple(_facts(content, snapshot)),
        tables=tables,
        appendices=tuple(_appendices(tables)),
    )


# Sentences


def _general(content: Content) -> Iterator[str]:
    """The number, what it is made of, and how far it can be believed."""
    total = content.total
    yield (
        f"Toàn tỉnh có {whole(total.ready)} điểm cầu sẵn sàng trên {whole(total.expected)} điểm cầu tham gia"
        f"{_percent(total)}, với {whole(total.delegates)} đại biểu và tổng số {whole(total.attendees)} người dự."
    )
    yield (
        f"Theo kế hoạch có {whole(total.planned)} điểm cầu, trong đó: {whole(total.expected)} điểm tham gia kết nối; "
        f"{whole(total.merged)} điểm ghép, đại biểu dự tại điểm cầu khác và được tính tại điểm cầu đó; "
        f"{whole(total.without_coverage)} điểm không có điều kiện kết nối. "
        f"Trong các điểm tham gia, {whole(total.up)} điểm đã kết nối."
    )
    yield _target(content)
    yield _reported(content)
    if content.blind:
        yield BLIND


BLIND = (
    "Lưu ý: tại thời điểm tổng hợp, hệ thống giám sát không quan sát được đường truyền; tình trạng kết nối nêu trong "
    "báo cáo là tình trạng ghi nhận gần nhất trước đó, cần kiểm tra lại trước khi sử dụng."
)


TIERS_INTRO = "Số điểm cầu, đại biểu và người dự theo cấp của điểm cầu:"


def _percent(counts: Counts) -> str:
    ratio = share(counts.ready, counts.expected)
    return "" if ratio is None else f" ({percent(ratio)})"


def _target(content: Content) -> str:
    missing = content.target - content.total.ready
    met = "đã đạt mục tiêu" if missing <= 0 else f"còn thiếu {whole(missing)} điểm cầu"
    return f"Mục tiêu đến {moment(content.deadline)} là {whole(content.target)} điểm cầu sẵn sàng: {met}."


def _reported(content: Content) -> str:
    """Who has told the number of delegates, and who told it late."""
    total, told = content.total, content.total.reported
    untold = total.expected - told
    said = f"Đã có {whole(told)} điểm cầu báo số đại biểu"
    said += f", {whole(untold)} điểm cầu chưa báo" if untold else ""
    return said + (
        f"; {whole(total.late)} điểm cầu báo sau thời hạn." if total.late else "; không có điểm cầu báo muộn."
    )


def _missing(content: Content) -> Iterator[str]:
    """How many points are not ready, by the gravest that each lacks."""
    rows = not_ready(content)
    if not rows:
        yield "Không có điểm cầu nào chưa sẵn sàng."
        return
    counted = Counter(row.lacks[0] for row in rows if row.lacks)
    reasons = "; ".join(f"{LACKS[lack]}: {whole(counted[lack])}" for lack in Lack if counted[lack])
    yield f"Còn {whole(len(rows))} điểm cầu chưa sẵn sàng" + (f", theo lý do chính: {reasons}." if reasons else ".")
    yield "Số liệu từng huyện, thị xã, thành phố tại Phụ lục I; danh sách điểm cầu chưa sẵn sàng tại Phụ lục II."


def _source(snapshot: SnapshotHead | None) -> Iterator[str]:
    if snapshot is None:
        yield "Số liệu được lấy trực tiếp từ hệ thống giám sát tại thời điểm nêu trên, chưa lập bản chốt."
        return
    how = "do hệ thống tự động lập khi đến hạn báo cáo" if snapshot.automatic else "lập theo yêu cầu"
    yield f"Số liệu theo bản chốt số {pair(snapshot.number)}, {how}. Mã kiểm chứng SHA-256 của bản chốt:"


def _receivers(letterhead: Letterhead) -> Iterator[str]:
    yield from (f"- {printable(each)};" for each in letterhead.receivers)
    yield f"- Lưu: {printable(letterhead.archive)}."


def _facts(content: Content, snapshot: SnapshotHead | None) -> Iterator[tuple[str, Cell]]:
    total = content.total
    yield "Sự kiện", printable(content.event)
    yield "Số liệu tính đến", moment(content.taken_at)
    yield "Hạn báo cáo", moment(content.deadline)
    yield "Điểm cầu sẵn sàng", total.ready
    yield "Điểm cầu tham gia", total.expected
    yield "Mục tiêu sẵn sàng", content.target
    yield "Đại biểu", total.delegates
    yield "Tổng số người dự", total.attendees
    yield "Bản chốt số", snapshot.number if snapshot else "chưa chốt: số liệu trực tiếp"
    if snapshot:
        yield "SHA-256", snapshot.digest
    if content.blind:
        yield "Lưu ý", BLIND.removeprefix("Lưu ý: ")


def _appendices(tables: Tables) -> Iterator[Appendix]:
    yield Appendix(
        "I", "Số liệu điểm cầu và đại biểu theo địa bàn cấp huyện".upper(), DISTRICTS_INTRO, tables.districts
    )
    found = len(tables.not_ready.rows)
    intro = f"Có {whole(found)} điểm cầu." if found else "Không có điểm cầu nào."
    yield Appendix("II", "Danh sách điểm cầu chưa sẵn sàng".upper(), intro, tables.not_ready)


DISTRICTS_INTRO = (
    "Điểm ghép được tính vào kế hoạch của nơi có điểm đó; đại biểu của điểm ghép được tính tại điểm cầu tiếp nhận."
)
