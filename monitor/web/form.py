"""The form by which a point reports, wherever it stands: its words, its proposals, the deadline. Pure."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

import msgspec

from monitor.core.checkin import Author, PowerSupply, Voice
from monitor.core.model import Ceremony, Inventory, Mode, Point, Tier
from monitor.core.organization import Coordinator
from monitor.core.readiness import host_of
from monitor.web import text
from monitor.web.text import TEXT

WRONG = {
    "delegates": "checkin_wrong_delegates",
    "attendees": "checkin_wrong_attendees",
    "chair": "checkin_wrong_chair",
    "note": "checkin_wrong_note",
}
"""What is said of a field that is not right; of any other ``checkin_wrong_field``."""
WORDS = (
    *("checkin_loading", "checkin_none", "checkin_sending", "checkin_waiting", "checkin_waiting_open"),
    *("checkin_kept", "checkin_late", "checkin_dirty", "checkin_superseded", "checkin_wrong_field", "page_revoked"),
    *WRONG.values(),
)
"""What the form's script has to say."""


class Form(msgspec.Struct, frozen=True):
    """What a template needs to write the form."""

    deadline: str
    chairs: Mapping[Tier, tuple[str, ...]]
    supplies: Mapping[PowerSupply, str]


def form_of(ceremony: Ceremony, now: float) -> Form:
    """The form as it is asked for at ``now``."""
    deadline = text.appointment(ceremony.report_at, now, ZoneInfo(ceremony.timezone))
    return Form(deadline, text.CHAIRS, text.POWER_SUPPLIES)


def closed(point: Point, inventory: Inventory) -> str:
    """Why a point has nothing to report, for people; empty for one that takes part."""
    if point.expected:
        return ""
    host = host_of(point, inventory.points)
    merged = point.mode is Mode.MERGED and host is not None
    return TEXT["checkin_merged"].format(host=host.name) if merged and host else TEXT["checkin_no_part"]


def told_by(author: Author, coordinators: Mapping[str, Coordinator], inventory: Inventory) -> str:
    """Who has reported: no account's name, for whoever has a point's link reads this."""
    if author.voice is not Voice.COORDINATOR:
        return text.VOICES[author.voice]
    desk = coordinators.get(author.name)
    return f"{text.VOICES[author.voice]} ({desk.title if desk else place_of(author.name, inventory)})"


def place_of(scope: str, inventory: Inventory) -> str:
    """What the district or commune of a coordinator is called."""
    level, _, code = scope.partition(":")
    if level == "district":
        return inventory.district_name(code)
    halls = (point for point in inventory.points.values() if point.commune_code == code and point.tier is Tier.COMMUNE)
    return next((hall.name for hall in halls), code)
