"""Who reports to whom, and who is called for a point: what pages and reports print of the organization. Pure."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from monitor.core.model import Point


class ReportForm(StrEnum):
    """What a report is written as."""

    DOCX = "docx"
    XLSX = "xlsx"
    CSV = "csv"


class Coordinator(msgspec.Struct, frozen=True, kw_only=True):
    """The desk that answers for the points of a district or of a commune; a desk, not a person."""

    scope: str
    """``district:386`` or ``commune:14869``."""
    title: str
    phone: str = ""
    """As it is written; empty where none is told."""
    email: str = ""


def scopes_of(point: Point) -> tuple[str, ...]:
    """The scopes whose coordinators speak for a point: its district's, its commune's; none for the province's own."""
    codes = {"district": point.district_code, "commune": point.commune_code}
    return tuple(f"{kind}:{code}" for kind, code in codes.items() if code)


class Letterhead(msgspec.Struct, frozen=True, kw_only=True):
    """What a report says beside its figures (Nghị định 30/2020/NĐ-CP, Phụ lục I)."""

    superior: str = "UBND tỉnh Thanh Hóa"
    """Cơ quan chủ quản."""
    agency: str = "Sở Khoa học và Công nghệ"
    number: str = "      /BC-SKHCN"
    """Số, ký hiệu, after ``Số:``; blanks are filled in by hand."""
    place: str = "Thanh Hóa"
    recipient: str = "Ủy ban nhân dân tỉnh Thanh Hóa"
    signer: tuple[str, ...] = ("KT. GIÁM ĐỐC", "PHÓ GIÁM ĐỐC")
    """Quyền hạn and chức vụ, line by line; the name is left to whoever signs."""
    receivers: tuple[str, ...] = ("Như trên",)
    """Nơi nhận."""
    archive: str = "VT, CNTT"
    """``Lưu:``"""


class Reminder(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody asked a district to report what is missing."""

    district: str
    """Code; empty for the province's own points."""
    at: float
    by: str
    points: tuple[str, ...]
    """Ids of the points that were not ready."""


REMIND_EVERY_S = 600.0
"""A district is reminded at most so often,"""
REMINDERS_AN_HOUR = 60
"""and all of them together at most so many times an hour."""


def wait_s(district: str, given: Sequence[Reminder], now: float) -> float:
    """How long the next reminder of a district has to wait; 0 when it may go. ``given``: those of the last hour."""
    recent = [each for each in given if 0 <= now - each.at < 3600.0]
    ours = max((each.at for each in recent if each.district == district), default=-REMIND_EVERY_S + now)
    waits = [ours + REMIND_EVERY_S - now]
    if len(recent) >= REMINDERS_AN_HOUR:
        waits.append(sorted(each.at for each in recent)[-REMINDERS_AN_HOUR] + 3600.0 - now)
    return max(0.0, *waits)


class TooSoon(Exception):  # noqa: N818 - says why not
    """Another reminder has to wait."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"the next reminder may go in {wait_s:.0f} s")
        self.wait_s = wait_s
