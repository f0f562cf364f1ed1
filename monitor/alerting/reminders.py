"""A reminder as an alert: which points a district still owes, what each of them lacks, and by when. Pure.

It goes the way of all alerts, to the desks that answer for the points, and ends by itself. Its labels say the district
alone: two organizers who remind it at two monitors make one alert.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import quote
from zoneinfo import ZoneInfo

from monitor.alerting.messages import Alert, Scene, alert_of, clock, marked
from monitor.core.model import Inventory, Point, Tier
from monitor.core.organization import Coordinator, Reminder
from monitor.core.pipeline import Pipeline
from monitor.core.readiness import Standing
from monitor.words import LACKS

CHECK_IN_REMINDER = "CheckInReminder"
CAUSE = "reminder"
LASTS_S = 300.0
"""How long a reminder fires: long enough for an Alertmanager that is being restarted."""
NAMED = 20
"""Points that the text names before it counts the others."""
RANK = {tier: rank for rank, tier in enumerate(Tier)}
PROVINCE = "Cấp tỉnh"


def reminder_alert(
    reminder: Reminder, pipeline: Pipeline, coordinators: Mapping[str, Coordinator], scene: Scene
) -> Alert | None:
    """The alert, or None where nothing is missing any more."""
    lacking = _lacking(reminder, pipeline, scene.now)
    if not lacking:
        return None
    inventory = scene.inventory
    name = inventory.district_name(reminder.district or None)
    time, day = clock(reminder.at, scene)
    link = f"{scene.external_url}/readiness" + (f"?district={quote(reminder.district)}" if reminder.district else "")
    labels = {
        "alertname": CHECK_IN_REMINDER,
        "cause": CAUSE,
        "district": reminder.district,
        "district_name": name,
        "severity": scene.severity,
    }
    annotations = {
        "summary": marked(f"{name or PROVINCE}: {_count(reminder, lacking, inventory)}, hạn {_deadline(scene)}", scene),
        "description": _description(lacking, coordinators.get(f"district:{reminder.district}")),
        "since": f"{time} {day}",
        "points": str(len(lacking)),
        "dashboard": link,
    }
    if scene.monitor:
        annotations["monitor"] = scene.monitor
    return alert_of(labels, annotations, reminder.at, scene.now, link)


def _lacking(reminder: Reminder, pipeline: Pipeline, now: float) -> list[Standing]:
    """The points it is about that are still not ready, the highest tiers first; a reload may have taken some."""
    known = (each for each in reminder.points if each in pipeline.points)
    standings = (pipeline.standing(each, now) for each in known)
    lacking = (each for each in standings if each.point.expected and not each.ready)
    return sorted(lacking, key=lambda each: (RANK[each.point.tier], each.point.id))


def _count(reminder: Reminder, lacking: Sequence[Standing], inventory: Inventory) -> str:
    ours = sum(_is_of(point, reminder.district) for point in inventory.points.values())
    return f"còn {len(lacking)}/{ours} điểm cầu chưa sẵn sàng"


def _is_of(point: Point, district: str) -> bool:
    """Whether a point takes part and is the district's."""
    return point.expected and (point.district_code or "") == district


def _deadline(scene: Scene) -> str:
    """``07:30``; with the day where that is another one."""
    zone = ZoneInfo(scene.ceremony.timezone)
    due, today = (datetime.fromtimestamp(at, zone) for at in (scene.ceremony.report_at, scene.now))
    return f"{due:%H:%M}" if due.date() == today.date() else f"{due:%H:%M ngày %d/%m}"


def _description(lacking: Sequence[Standing], coordinator: Coordinator | None) -> str:
    told = "; ".join(f"{each.point.name} ({_lacks(each)})" for each in lacking[:NAMED])
    hidden = len(lacking) - NAMED
    more = f" và {hidden} điểm nữa" if hidden > 0 else ""
    return ". ".join(filter(None, (f"Chưa sẵn sàng: {told}{more}", _desk(coordinator)))) + "."


def _lacks(standing: Standing) -> str:
    return ", ".join(LACKS[lack] for lack in standing.lacks)


def _desk(coordinator: Coordinator | None) -> str:
    """Who answers for the district, and how to reach them."""
    if coordinator is None:
        return ""
    return "Đầu mối: " + ", ".join(filter(None, (coordinator.title, coordinator.phone, coordinator.email)))
