"""How a report spells numbers, instants and text. Pure.

Instants are told in the time of Việt Nam, where the report is read.
"""

import re
from datetime import datetime
from math import floor
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")


def share(part: int, of: int) -> float | None:
    """A ratio in thousandths, rounded down: only what is whole is told as whole. None where there is nothing."""
    return floor(part * 1000 / of) / 1000 if of else None


def whole(number: int) -> str:
    """A count as it is written here: 1.018."""
    return f"{number:,}".replace(",", ".")


def percent(ratio: float) -> str:
    """A ratio as it is written here: 88,9%."""
    return f"{ratio:.1%}".replace(".", ",")


def pair(number: int) -> str:
    """The number of a document: below ten with a nought before it."""
    return f"{number:02d}"


def day(instant: str) -> str:
    """``08 tháng 5 năm 2025``: a nought before days below ten, of months before the first two (NĐ 30/2020)."""
    at = datetime.fromisoformat(instant).astimezone(ZONE)
    month = f"{at.month:02d}" if at.month <= 2 else f"{at.month}"
    return f"{at.day:02d} tháng {month} năm {at.year}"


def moment(instant: str) -> str:
    """``07 giờ 30 phút ngày 08 tháng 5 năm 2025`` of RFC 3339; with its seconds, if there are any."""
    at = datetime.fromisoformat(instant).astimezone(ZONE)
    seconds = f" {at:%S} giây" if at.second else ""
    return f"{at:%H} giờ {at:%M} phút{seconds} ngày {day(instant)}"


_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def printable(text: str) -> str:
    """The text without what neither XML 1.0 nor a sheet can hold."""
    return _UNPRINTABLE.sub("", text)
