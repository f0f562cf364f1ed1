"""An incident as an alert: whom it concerns, and why, in the words of those who must act. Pure.

One alert an incident. The label ``cause`` leads it to the carrier (``telecom``), to the electricity company
(``power``), to the site (``site``), or, where it cannot be told, to all of them (``undetermined``). Annotations change
while it fires, as points join and odds change; labels do not, but for a cause that becomes clear, or graver severity.
Labels are drawn from the cause and the inventory, not from what was first to fall: two monitors make one alert.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import inf
from urllib.parse import quote

import msgspec

from monitor.alerting.messages import SEVERITIES, Alert, Scene, alert_of, ancestry, clock, marked
from monitor.core.attribution import RunnerUp
from monitor.core.incidents import Incident
from monitor.core.model import Certainty, IncidentState, Inventory, Point, ProgrammeItem, Tier, Tree
from monitor.words import fact_told, node_name

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
HALLS = {
    Tier.PROVINCE: "tỉnh",
    Tier.AGENCY: "cơ quan",
    Tier.DISTRICT: "huyện",
    Tier.COMMUNE: "xã",
    Tier.VILLAGE: "thôn",
}
SPEAKS_SOON_S = 1800.0
"""So long before a point speaks its loss is told with that."""
ODDS = {
    Certainty.CERTAIN: "chắc chắn {percent} %",
    Certainty.PROBABLE: "nhiều khả năng {percent} %",
    Certainty.UNDETERMINED: "chưa rõ nguyên nhân",
}
NOW = {
    Certainty.CERTAIN: "nay xác định: {what} ({who})",
    Certainty.PROBABLE: "nay nhiều khả năng: {what} ({who})",
    Certainty.UNDETERMINED: "nay chưa rõ nguyên nhân, có thể là {what}",
}
"""What took the place of a cause that was told before."""
NOTHING_NOW = "không còn căn cứ"
LAST_WORDS = {
    IncidentState.RESOLVED: ("replaced", "đã kết thúc; những điểm còn mất: {now}"),
    IncidentState.MERGED: ("replaced", "chưa kết thúc, gộp vào một sự cố khác; {now}"),
    IncidentState.RETRACTED: ("retracted", "Rút lại: không phải do {wrong}; {now}"),
}
"""The annotation with which the alert ends whose place another took."""


def cause_of(incident: Incident) -> str:
    """The label that leads the alert to those who must act."""
    return UNDETERMINED if incident.certainty is Certainty.UNDETERMINED else CAUSES[incident.tree]


def incident_alert(incident: Incident, scene: Scene, before: Alert | None = None) -> Alert:
    """The alert of an incident that is ongoing; ``before`` is the one that fires; its severity does not fall."""
    link = f"{scene.external_url}/incidents/{quote(incident.id, safe='', errors='replace')}"
    labels = _labels(incident, scene)
    if before is not None:
        labels["severity"] = max(labels["severity"], before.labels.get("severity", ""), key=_gravity)
    time, day = clock(incident.since, scene)
    annotations = {
        "title": title(incident, scene.inventory),
        "summary": marked(_summary(incident, scene, time), scene),
        "description": _description(incident, scene, f"{time} ngày {day}"),
        "since": f"{time} {day}",
        "owner": _owner_told(incident, scene.inventory),
        "points": str(len(incident.points)),
        "halls": _halls(incident, scene.inventory),
        "speaker": speaker(_concerned(incident), scene),
        "place": _where(incident, scene.inventory).removeprefix("Địa bàn: "),
        "probability": odds(incident),
        "evidence": _evidence(incident, scene.inventory),
        "drill": "1" if scene.ceremony.drill else "",
        "dashboard": link,
    }
    told = {name: words for name, words in annotations.items() if words}
    return alert_of(labels, told, incident.since, scene.now, link)


def speaker(point_ids: Iterable[str], scene: Scene) -> str:
    """Which of these points speaks soonest, within half an hour: ``Điểm cầu Nghi Sơn phát biểu lúc 08:20: …``."""
    ours = set(point_ids)
    soon = scene.now + SPEAKS_SOON_S
    for item, ends_at in zip(scene.ceremony.programme, _ends(scene.ceremony.programme), strict=True):
        if item.point in ours and item.starts_at <= soon and scene.now < ends_at:
            point = scene.inventory.points.get(item.point)
            at = clock(item.starts_at, scene)[0][:5]
            return f"{point.name if point is not None else item.point} phát biểu lúc {at}: {item.title}"
    return ""


def _ends(programme: Sequence[ProgrammeItem]) -> list[float]:
    """When each item ends: as the next one starts."""
    return [*(item.starts_at for item in programme[1:]), inf][: len(programme)]


def _owner_told(incident: Incident, inventory: Inventory) -> str:
    """Who must act; of what is not clear both companies."""
    if incident.certainty is not Certainty.UNDETERMINED:
        return _owner(incident)
    return " / ".join(filter(None, _owners(incident, inventory))) or _owner(incident)


def _halls(incident: Incident, inventory: Inventory) -> str:
    """``1 huyện, 8 xã, 33 thôn``: the points that are lost, by tier."""
    counted = Counter(inventory.points[one].tier for one in incident.points if one in inventory.points)
    return ", ".join(f"{counted[tier]} {HALLS[tier]}" for tier in Tier if counted[tier])


def _evidence(incident: Incident, inventory: Inventory) -> str:
    """The weightiest fact that has words, in one line."""
    return next((told for fact in incident.evidence if (told := fact_told(fact, inventory))), "")


def concluded(alert: Alert, incident: Incident, successor: Incident | None, scene: Scene) -> Alert:
    """The alert of an incident that is over, with its last words: that it is, or what has taken its place."""
    if incident.state is IncidentState.RESOLVED:
        alert = msgspec.structs.replace(alert, annotations=incident_alert(incident, scene, alert).annotations)
    if incident.state is IncidentState.RESOLVED and successor is None:
        return alert
    name, words = LAST_WORDS[incident.state]
    told = words.format(wrong=_lower(title(incident, scene.inventory)), now=now_told(successor, scene.inventory))
    return msgspec.structs.replace(alert, annotations={**alert.annotations, name: told})


def now_told(incident: Incident | None, inventory: Inventory) -> str:
    """What is to blame now, as sure as it is: ``nay xác định: mất điện: TBA 12 (Điện lực Triệu Sơn)``."""
    if incident is None:
        return NOTHING_NOW
    return NOW[incident.certainty].format(what=_lower(title(incident, inventory)), who=_owner(incident))


def title(incident: Incident, inventory: Inventory) -> str:
    """What failed: ``Mất điện: TBA 12 hoặc Lộ 473 E9.14``."""
    names = [node_name(node, inventory) for node in (incident.node, *incident.indistinguishable[: NAMED - 1])]
    return f"{WHAT[incident.tree]}: {' hoặc '.join(names)}"


def odds(incident: Incident) -> str:
    """How sure it is who must act: ``chắc chắn 99 %``."""
    return ODDS[incident.certainty].format(percent=int(incident.owner_probability * 100))


def districts_of_nodes(inventory: Inventory) -> Mapping[str, str]:
    """The district of each node of both trees all of whose expected points lie in one; a pass over all points."""
    beneath: dict[str, set[str]] = defaultdict(set)
    for point in inventory.points.values():
        for leaf in (point.network_node, point.power_node) if point.expected else ():
            if leaf:
                beneath[leaf].add(point.district_code or "")
    for leaf, codes in list(beneath.items()):
        for node in inventory.ancestors(leaf):
            beneath[node.id] |= codes
    return {node: next(iter(codes)) for node, codes in beneath.items() if len(codes) == 1}


def _gravity(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else -1


def _labels(incident: Incident, scene: Scene) -> dict[str, str]:
    inventory = scene.inventory
    node = inventory.network.get(incident.node) or inventory.power.get(incident.node)
    network, power = _owners(incident, inventory)
    site = inventory.points.get(incident.node) if incident.tree is Tree.SITE else None
    district = scene.districts.get(incident.node, "") if site is None else site.district_code
    above = ancestry(inventory, site.network_node, site.power_node) if site else ancestry(inventory, incident.node)
    return {
        **above,
        "alertname": INCIDENT,
        "incident": incident.id,
        "cause": cause_of(incident),
        "instance": site.id if site is not None else "",
        "node": incident.node,
        "node_kind": node.kind.value if node is not None else "",
        "operator": network,
        "power_operator": power,
        "district": district or "",
        "district_name": inventory.district_name(district or None),
        "severity": _severity(incident, site, scene.severity),
    }


def _severity(incident: Incident, site: Point | None, severity: str) -> str:
    """The phase's; of a site that neither hosts nor speaks no graver than a warning."""
    if incident.tree is not Tree.SITE or (site is not None and site.role in SPEAKS):
        return severity
    return min(severity, "warning", key=_gravity)


def _owners(incident: Incident, inventory: Inventory) -> tuple[str, str]:
    """Who owns the line and who the mains, of those who are to act."""
    found = {incident.tree: incident.operator}
    if incident.certainty is Certainty.UNDETERMINED:
        if incident.runner_up is not None:
            found.setdefault(incident.runner_up.tree, incident.runner_up.operator)
        point = inventory.points.get(min(_concerned(incident), default=""))  # the same one on every monitor
        if point is not None:
            found.setdefault(Tree.NETWORK, inventory.network_operator(point))
            found.setdefault(Tree.POWER, inventory.power_operator(point))
    return found.get(Tree.NETWORK, ""), found.get(Tree.POWER, "")


def _concerned(incident: Incident) -> tuple[str, ...]:
    return (*incident.points, *incident.on_battery)


def _summary(incident: Incident, scene: Scene, time: str) -> str:
    """At most SUMMARY characters; of long names the end goes, never the count, the time or the odds."""
    rest = f"{_lost(incident)} từ {time}, {odds(incident)}"
    what = title(incident, scene.inventory)
    room = SUMMARY - len(rest)
    return f"{what if len(what) <= room else f'{what[: room - 1]}…'}{rest}"


def _lost(incident: Incident) -> str:
    """``, 42 điểm mất kết nối, 3 điểm đang chạy ắc quy``; nothing for a site, which is one."""
    if incident.tree is Tree.SITE:
        return ""
    counted = {"mất kết nối": len(incident.points), "đang chạy ắc quy": len(incident.on_battery)}
    if not any(counted.values()) and not incident.became:
        counted = {"đã kết nối lại, mất": len(incident.hit)}
    return "".join(f", {count} điểm {how}" for how, count in counted.items() if count)


def _description(incident: Incident, scene: Scene, since: str) -> str:
    inventory = scene.inventory
    sentences = [
        f"{title(incident, inventory)} [{incident.node}] từ {since}",
        _who(incident, inventory),
        f"Điểm mất kết nối: {_names(incident.points, inventory)}" if incident.points else "",
        f"Điểm đang chạy ắc quy: {_names(incident.on_battery, inventory)}" if incident.on_battery else "",
        _where(incident, inventory),
        *(told for fact in incident.evidence if (told := fact_told(fact, inventory))),
        _second(incident.runner_up, inventory) if incident.certainty is not Certainty.CERTAIN else "",
    ]
    return ". ".join(filter(None, sentences)) + "."


def _who(incident: Incident, inventory: Inventory) -> str:
    if incident.certainty is Certainty.UNDETERMINED:
        network, power = _owners(incident, inventory)
        return f"Chưa rõ nguyên nhân: {network or 'viễn thông'}, {power or 'điện lực'} và điểm cầu cùng kiểm tra"
    return f"Đơn vị xử lý: {_owner(incident)} ({odds(incident)})"


def _owner(incident: Incident) -> str:
    return "phụ trách kỹ thuật tại điểm cầu" if incident.tree is Tree.SITE else incident.operator


def _where(incident: Incident, inventory: Inventory) -> str:
    """The districts, those with the most points first."""
    points = [inventory.points[one] for one in _concerned(incident) if one in inventory.points]
    counted = Counter(inventory.district_name(point.district_code) or "cấp tỉnh" for point in points)
    places = sorted(counted.items(), key=lambda place: (-place[1], place[0]))
    if len(places) < 2:
        return f"Địa bàn: {places[0][0]}" if places else ""
    told = ", ".join(f"{name} ({count} điểm)" for name, count in places[:NAMED])
    hidden = len(places) - NAMED
    return f"Địa bàn: {told}{f' và {hidden} nơi nữa' if hidden > 0 else ''}"


def _second(runner_up: RunnerUp | None, inventory: Inventory) -> str:
    if runner_up is None:
        return ""
    what = f"{_lower(WHAT[runner_up.tree])}: {node_name(runner_up.node, inventory)}"
    return f"Khả năng khác: {what} ({round(runner_up.probability * 100)} %)"


def _lower(text: str) -> str:
    """As it stands within a sentence."""
    return f"{text[:1].lower()}{text[1:]}"


def _names(point_ids: tuple[str, ...], inventory: Inventory) -> str:
    """The highest tiers by name, the others counted."""
    points = [inventory.points[one] for one in point_ids if one in inventory.points]
    points.sort(key=lambda point: (RANK[point.tier], point.id))
    names = ", ".join(point.name for point in points[:NAMED])
    hidden = len(point_ids) - len(points[:NAMED])
    return f"{names} và {hidden} điểm nữa" if hidden else names
