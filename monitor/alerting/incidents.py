"""An incident as an alert: whom it concerns, and why, in the words of those who must act. Pure.

One alert an incident. The label ``cause`` leads it to the carrier (``telecom``), to the electricity company
(``power``), to the site (``site``), or, where it cannot be told, to all of them (``undetermined``). Annotations change
while it fires, as points join and odds change; labels do not, but for a cause that becomes clear, or graver severity.
"""

from urllib.parse import quote

import msgspec

from monitor.alerting.messages import SEVERITIES, Alert, Scene, alert_of, clock
from monitor.core.attribution import Fact, FactKind, PowerSource, RunnerUp
from monitor.core.incidents import Incident
from monitor.core.model import Certainty, IncidentState, Inventory, Point, Tier, Tree

INCIDENT = "Incident"
CAUSES = {Tree.NETWORK: "telecom", Tree.POWER: "power", Tree.SITE: "site"}
UNDETERMINED = "undetermined"
WHAT = {Tree.NETWORK: "Sự cố mạng", Tree.POWER: "Mất điện", Tree.SITE: "Sự cố tại điểm cầu"}
NAMED = 3
"""How many points a text names before it counts the others."""
SUMMARY = 160
"""Characters of a summary."""
SPEAKS = frozenset({"host", "speaker"})
"""Roles of points whose own fault is as grave as anybody's."""
RANK = {tier: rank for rank, tier in enumerate(Tier)}
FACTS = {
    FactKind.DOWN: "{count} trên {of} điểm quan sát được bên dưới đã mất",
    FactKind.ON_BATTERY: "{source} ở {count} điểm báo mất điện lưới",
    FactKind.ON_MAINS: "{source} ở {count} điểm báo còn điện lưới",
    FactKind.NODE: "nút này {source}",
    FactKind.SURVIVOR: "{count} điểm bên dưới vẫn kết nối{source}",
    FactKind.UNOBSERVED: "{count} điểm bên dưới không quan sát được",
    FactKind.TOGETHER: "{count} điểm mất cùng lúc dù danh mục xếp ở nơi khác",
    FactKind.CASCADE: "thiết bị mạng mất theo vì mất nguồn: {names}",
    FactKind.NEIGHBOURS: "{count} trên {of} điểm {source} vẫn tốt",
}
"""The evidence in sentences; what is not here is told elsewhere."""
SOURCES = {
    PowerSource.UPS: "bộ lưu điện",
    PowerSource.NUT: "bộ lưu điện",
    PowerSource.BROWSER: "máy tính tại điểm cầu",
    PowerSource.GASP: "modem",
    "backup": "đường dự phòng",
    "up": "vẫn trả lời",
    "down": "không trả lời",
    Tree.NETWORK: "cùng nút mạng",
    Tree.POWER: "cùng trạm điện",
}


def cause_of(incident: Incident) -> str:
    """The label that leads the alert to those who must act."""
    return UNDETERMINED if incident.certainty is Certainty.UNDETERMINED else CAUSES[incident.tree]


def incident_alert(incident: Incident, scene: Scene, before: Alert | None = None) -> Alert:
    """The alert of an incident that is ongoing; ``before`` is the one that fires, whose place and severity stay."""
    link = f"{scene.external_url}/incidents/{quote(incident.id, safe='', errors='replace')}"
    labels = _labels(incident, scene)
    if before is not None:
        labels |= {name: before.labels.get(name, "") for name in ("district", "district_name")}
        labels["severity"] = max(labels["severity"], before.labels.get("severity", ""), key=_gravity)
    time, day = clock(incident.since, scene)
    annotations = {
        "summary": _summary(incident, scene, time),
        "description": _description(incident, scene, f"{time} ngày {day}"),
        "since": f"{time} {day}",
        "points": str(len(incident.points)),
        "probability": odds(incident),
        "dashboard": link,
    }
    return alert_of(labels, annotations, incident.since, scene.now, link)


def withdrawn(alert: Alert, incident: Incident, successor: Incident | None, inventory: Inventory) -> Alert:
    """The alert of an incident that ends because it was wrong, or is part of another one: its last words say so."""
    if incident.state not in (IncidentState.MERGED, IncidentState.RETRACTED):
        return alert
    now = f"nay xác định: {title(successor, inventory)}" if successor is not None else "không còn căn cứ"
    if incident.state is IncidentState.MERGED:
        words = {"replaced": f"gộp vào sự cố lớn hơn; {now}"}
    else:
        words = {"retracted": f"Rút lại: không phải {title(incident, inventory)}; {now}"}
    return msgspec.structs.replace(alert, annotations={**alert.annotations, **words})


def title(incident: Incident, inventory: Inventory) -> str:
    """What failed: ``Mất điện: TBA 12 hoặc Lộ 473 E9.14``."""
    names = [node_name(node, inventory) for node in (incident.node, *incident.indistinguishable[: NAMED - 1])]
    return f"{WHAT[incident.tree]}: {' hoặc '.join(names)}"


def node_name(node_id: str, inventory: Inventory) -> str:
    """The name of a node or of a point; its id where there is none any more."""
    named = inventory.network.get(node_id) or inventory.power.get(node_id) or inventory.points.get(node_id)
    return named.name if named is not None else node_id


def odds(incident: Incident) -> str:
    """How sure it is who must act: ``chắc chắn 99 %``."""
    words = {
        Certainty.CERTAIN: "chắc chắn {percent} %",
        Certainty.PROBABLE: "nhiều khả năng {percent} %",
        Certainty.UNDETERMINED: "chưa rõ nguyên nhân",
    }
    return words[incident.certainty].format(percent=int(incident.owner_probability * 100))


def _gravity(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else -1


def _labels(incident: Incident, scene: Scene) -> dict[str, str]:
    inventory = scene.inventory
    node = inventory.network.get(incident.node) or inventory.power.get(incident.node)
    network, power = _owners(incident, inventory)
    points = [inventory.points[point] for point in _concerned(incident) if point in inventory.points]
    districts = {point.district_code or "" for point in points}
    district = districts.pop() if len(districts) == 1 else ""
    return {
        "alertname": INCIDENT,
        "incident": incident.id,
        "cause": cause_of(incident),
        "node": incident.node,
        "node_kind": node.kind.value if node is not None else "",
        "operator": network,
        "power_operator": power,
        "district": district,
        "district_name": inventory.district_name(district or None),
        "severity": _severity(incident, points, scene.severity),
    }


def _severity(incident: Incident, points: list[Point], severity: str) -> str:
    """The phase's; of a site that neither hosts nor speaks no graver than a warning."""
    if incident.tree is not Tree.SITE or any(point.role in SPEAKS for point in points):
        return severity
    return min(severity, "warning", key=_gravity)


def _owners(incident: Incident, inventory: Inventory) -> tuple[str, str]:
    """Who owns the line and who the mains, of those who are to act."""
    if incident.certainty is not Certainty.UNDETERMINED:
        owner = {incident.tree: incident.operator}
        return owner.get(Tree.NETWORK, ""), owner.get(Tree.POWER, "")
    found = {each.tree: each.operator for each in (incident.runner_up, incident) if each is not None}
    point = next((inventory.points[one] for one in _concerned(incident) if one in inventory.points), None)
    if point is not None:
        found.setdefault(Tree.NETWORK, inventory.network_operator(point))
        found.setdefault(Tree.POWER, inventory.power_operator(point))
    return found.get(Tree.NETWORK, ""), found.get(Tree.POWER, "")


def _concerned(incident: Incident) -> tuple[str, ...]:
    return (*incident.points, *incident.on_battery)


def _summary(incident: Incident, scene: Scene, time: str) -> str:
    counted = _counts(incident)
    told = f"{title(incident, scene.inventory)}{f', {counted}' if counted else ''} từ {time}, {odds(incident)}"
    return told if len(told) <= SUMMARY else f"{told[: SUMMARY - 1]}…"


def _counts(incident: Incident) -> str:
    """``42 điểm mất kết nối, 3 điểm đang chạy ắc quy``; nothing for a site."""
    if incident.tree is Tree.SITE:
        return ""
    down = f"{len(incident.points)} điểm mất kết nối" if incident.points else ""
    dark = f"{len(incident.on_battery)} điểm đang chạy ắc quy" if incident.on_battery else ""
    return ", ".join(filter(None, (down, dark)))


def _description(incident: Incident, scene: Scene, since: str) -> str:
    inventory = scene.inventory
    sentences = [
        f"{title(incident, inventory)} [{incident.node}] từ {since}",
        _who(incident),
        f"Điểm mất kết nối: {_names(incident.points, inventory)}" if incident.points else "",
        f"Điểm đang chạy ắc quy: {_names(incident.on_battery, inventory)}" if incident.on_battery else "",
        *(told for fact in incident.evidence if (told := fact_told(fact, inventory))),
        _second(incident.runner_up, inventory) if incident.certainty is not Certainty.CERTAIN else "",
    ]
    return ". ".join(filter(None, sentences)) + "."


def _who(incident: Incident) -> str:
    if incident.certainty is Certainty.UNDETERMINED:
        return "Chưa rõ nguyên nhân: viễn thông, điện lực và điểm cầu cùng kiểm tra"
    owner = "Phụ trách kỹ thuật tại điểm cầu" if incident.tree is Tree.SITE else incident.operator
    return f"Đơn vị xử lý: {owner} ({odds(incident)})"


def _second(runner_up: RunnerUp | None, inventory: Inventory) -> str:
    if runner_up is None:
        return ""
    what = f"{WHAT[runner_up.tree][0].lower()}{WHAT[runner_up.tree][1:]}"
    return f"Khả năng khác: {what}: {node_name(runner_up.node, inventory)} ({round(runner_up.probability * 100)} %)"


def _names(point_ids: tuple[str, ...], inventory: Inventory) -> str:
    """The highest tiers by name, the others counted."""
    points = [inventory.points[one] for one in point_ids if one in inventory.points]
    points.sort(key=lambda point: (RANK[point.tier], point.id))
    names = ", ".join(point.name for point in points[:NAMED])
    hidden = len(point_ids) - len(points[:NAMED])
    return f"{names} và {hidden} điểm nữa" if hidden else names


def fact_told(fact: Fact, inventory: Inventory) -> str:
    """A piece of the evidence as a sentence; empty for what is told elsewhere."""
    names = ", ".join(node_name(one, inventory) for one in fact.ids[:NAMED])
    source = SOURCES.get(fact.source, "")
    if fact.kind is FactKind.SURVIVOR and source:
        source = f" nhờ {source}"
    told = FACTS.get(fact.kind, "").format(count=fact.count, of=fact.of, source=source, names=names)
    return f"{told[:1].upper()}{told[1:]}"
