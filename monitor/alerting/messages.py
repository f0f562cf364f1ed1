"""Alerts in the words of those who receive them: Vietnamese texts, labels to route and group by. Pure.

Alertmanager knows an alert by its labels alone, so they are frozen when it starts: a label that changed would leave a
ghost. Two events replace an alert, the old one ending as the new one starts with the same ``starts_at``: a reload that
corrects its point's row, and a phase of graver severity, so that what was lost quietly the night before rings in the
morning. Severity never falls while an alert fires: nobody is told that something is over which is not. No label names
the monitor that saw a point fall: two monitors over one province make one alert.
"""

from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from urllib.parse import quote
from zoneinfo import ZoneInfo

import msgspec

from monitor.core.model import Cause, Ceremony, Inventory, Node, Phase, Point
from probes.model import Failure

POINT_DOWN = "PointDown"
POINT_DEGRADED = "PointDegraded"
"""The line is there; a layer above it, or the electricity, is not."""
MONITOR_BLIND = "MonitorBlind"

SEVERITIES = ("info", "warning", "critical")
"""From the lightest to the gravest."""

UNENDED = "chưa kết thúc"
REPLACED = f"{UNENDED}, được thay bằng một cảnh báo khác"

DRILL = "[DIỄN TẬP]"
"""Before everything that is told while we practise."""

DETAIL_LENGTH = 200
"""A failure's detail comes from outside: so much of it is passed on."""

DEGRADATIONS = {
    Cause.LOST_SIGNALLING: "Mất báo hiệu",
    Cause.LOST_PICTURE: "Mất tín hiệu hình",
    Cause.LOST_SOUND: "Mất tiếng",
    Cause.POWER_LOST: "Mất điện lưới",
}
"""What a point that is degraded is alerted for, and in which words."""

WHO = {POINT_DOWN: "point", POINT_DEGRADED: "site"}
"""The label ``cause``, by alertname: of a lost point the technical team alone is told, others hear of its incident."""

FAILURES = {
    Failure.TIMEOUT: "không có trả lời",
    Failure.REFUSED: "thiết bị từ chối kết nối",
    Failure.RESET: "kết nối bị ngắt giữa chừng",
    Failure.UNREACHABLE: "không có đường tới",
    Failure.TTL_EXCEEDED: "gói tin đi vòng, hết số chặng",
    Failure.RESOLVE: "không phân giải được tên miền",
    Failure.TLS: "lỗi chứng thư hoặc mã hóa TLS",
    Failure.PROTOCOL: "trả lời không đúng giao thức",
    Failure.STATUS: "trả lời báo lỗi",
    Failure.STALLED: "luồng phát đứng yên",
    Failure.BLACK: "hình đen",
    Failure.FROZEN: "hình đứng yên",
    Failure.SILENT: "không có tiếng",
    Failure.SEND: "máy giám sát không gửi được",
    Failure.INTERNAL: "lỗi của chương trình giám sát",
}


class Alert(msgspec.Struct, frozen=True):
    """What fires, or has fired: known by its labels alone, as Alertmanager knows it."""

    fingerprint: str
    """Of the labels; 16 hexadecimal digits. Ours, not Alertmanager's."""
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: float
    """When the first lost probe was sent (Unix time): what people read."""
    raised_at: float
    """When that was known, and the alert began to fire: Alertmanager's ``startsAt``, which begins its ``group_wait``.

    With the earlier instant it would send the first points of a falling district off without waiting for the rest.
    """
    link: str
    """The page that shows more."""


class Scene(msgspec.Struct, frozen=True):
    """What an alert is composed against."""

    inventory: Inventory
    ceremony: Ceremony
    severity: str
    external_url: str
    """Where the board is seen by those who are alerted; without a slash at its end."""
    now: float
    """Unix time."""
    monitor: str = ""
    """Names this monitor where there are several."""
    districts: Mapping[str, str] = {}
    """The district of each node of both trees all of whose points lie in one."""

    @classmethod
    def of(
        cls,
        inventory: Inventory,
        ceremony: Ceremony,
        phase: Phase,
        external_url: str,
        now: float,
        monitor: str = "",
        districts: Mapping[str, str] | None = None,
    ) -> "Scene":
        """The scene during ``phase``."""
        return cls(inventory, ceremony, phase.severity, external_url.rstrip("/"), now, monitor, districts or {})


def point_down(point: Point, since: float, detail: str, scene: Scene, cause: Cause = Cause.LOST_CONNECTION) -> Alert:
    """A point is lost since that instant; ``detail`` is the verdict's: a failure's word, then what it names."""
    what = "Mất kết nối do mất điện" if cause is Cause.POWER_LOST else "Mất kết nối"
    return _about(point, POINT_DOWN, cause, what, since, detail, scene)


def point_degraded(point: Point, since: float, detail: str, scene: Scene, cause: Cause) -> Alert:
    """A point's line is there, and something above it is not, since that instant; ``cause`` is in DEGRADATIONS."""
    return _about(point, POINT_DEGRADED, cause, DEGRADATIONS[cause], since, detail, scene)


def _about(point: Point, name: str, cause: Cause, what: str, since: float, detail: str, scene: Scene) -> Alert:
    time, day = clock(since, scene)
    link = f"{scene.external_url}/points/{quote(point.id, safe='', errors='replace')}"
    return alert_of(
        _point_labels(point, scene, name),
        {
            "summary": marked(f"{what}: {_place(point, scene.inventory)} từ {time}", scene),
            "description": _description(point, what, cause, detail, f"{time} ngày {day}", scene.inventory),
            "since": f"{time} {day}",
            "dashboard": link,
        },
        since,
        scene.now,
        link,
    )


def monitor_blind(since: float, reason: str, scene: Scene) -> Alert:
    """The monitor itself does not see; ``reason`` is for people."""
    time, day = clock(since, scene)
    link = f"{scene.external_url}/"
    labels = {
        "alertname": MONITOR_BLIND,
        "cause": "monitor",
        "monitor": scene.monitor,
        "severity": scene.severity,
    }
    annotations = {
        "summary": marked(f"Máy giám sát mất tầm nhìn từ {time}", scene),
        "description": f"Từ {time} ngày {day}: {_tame(reason)}. Cần kiểm tra đường truyền của chính máy giám sát. "
        "Trong lúc này không báo động thêm về điểm cầu nào; trạng thái các điểm cầu là không rõ.",
        "since": f"{time} {day}",
        "dashboard": link,
    }
    return alert_of(labels, annotations, since, scene.now, link)


def relabelled(alert: Alert, point: Point | None, scene: Scene) -> Alert:
    """The alert as this scene would label it (``point`` is None for MonitorBlind), no less grave; raised now."""
    severity = max(alert.labels.get("severity", ""), scene.severity, key=_gravity)
    now = msgspec.structs.replace(scene, severity=severity)
    labels = {**alert.labels, "severity": severity}
    if point is not None:
        labels = _point_labels(point, now, alert.labels["alertname"])
    return alert_of(labels, alert.annotations, alert.starts_at, scene.now, alert.link)


def replaced(alert: Alert, words: str = REPLACED) -> Alert:
    """The alert that ends only because another takes its place: its last words say so."""
    return msgspec.structs.replace(alert, annotations={**alert.annotations, "replaced": words})


def _gravity(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else -1


def alert_of(
    labels: Mapping[str, str], annotations: Mapping[str, str], since: float, raised_at: float, link: str
) -> Alert:
    """An alert without empty labels, which Alertmanager would take off, and valid in UTF-8."""
    kept = {name: value.encode(errors="replace").decode() for name, value in labels.items() if value}
    known_by = "\xff".join(f"{name}\xff{kept[name]}" for name in sorted(kept))
    fingerprint = blake2b(known_by.encode(), digest_size=8).hexdigest()
    return Alert(fingerprint, kept, annotations, since, raised_at, link)


def _point_labels(point: Point, scene: Scene, name: str) -> dict[str, str]:
    inventory = scene.inventory
    return {
        **ancestry(inventory, point.network_node, point.power_node),
        "alertname": name,
        "instance": point.id,
        "tier": point.tier.value,
        "mode": point.mode.value,
        "role": point.role or "",
        "district": point.district_code or "",
        "district_name": inventory.district_name(point.district_code),
        "commune": point.commune_code or "",
        "network_node": point.network_node or "",
        "power_node": point.power_node or "",
        "operator": inventory.network_operator(point),
        "power_operator": inventory.power_operator(point),
        "cause": WHO[name],
        "severity": scene.severity,
    }


def ancestry(inventory: Inventory, *nodes: str | None) -> dict[str, str]:
    """Each node and those above it as labels, by their kind: ``feeder="feeder-384-1"``.

    By them Alertmanager holds back what is below an incident's node, and silences what is below any node.
    """
    known = [node for node in nodes if node in inventory.network or node in inventory.power]
    above = (one for node in known if node for one in reversed(list(inventory.ancestors(node))))
    return {one.kind.value: one.id for one in above}


def marked(words: str, scene: Scene) -> str:
    """As a drill where it is one."""
    return f"{DRILL} {words}" if scene.ceremony.drill else words


def clock(at: float, scene: Scene) -> tuple[str, str]:
    """The time of day and the date, where the ceremony is."""
    local = datetime.fromtimestamp(at, ZoneInfo(scene.ceremony.timezone))
    return f"{local:%H:%M:%S}", f"{local:%d/%m/%Y}"


def _place(point: Point, inventory: Inventory) -> str:
    district = inventory.district_name(point.district_code)
    return f"{point.name} ({district})" if district and district != point.name else point.name


def _description(point: Point, what: str, cause: Cause, detail: str, since: str, inventory: Inventory) -> str:
    told = f": {_failure(detail)}" if detail or cause is not Cause.POWER_LOST else ""
    sentences = [
        f"{_place(point, inventory)} {what[0].lower()}{what[1:]} từ {since}{told}",
        _node("Nút mạng", inventory.network.get(point.network_node or "")),
        _node("Trạm điện", inventory.power.get(point.power_node or "")),
        f"Đường dự phòng: {point.backup_link}" if point.backup_link else "",
        f"Bộ lưu điện (UPS): {point.ups_minutes:g} phút" if point.ups_minutes else "",
    ]
    return ". ".join(filter(None, sentences)) + "."


def _node(title: str, node: Node | None) -> str:
    if node is None:
        return ""
    owner = f", đơn vị quản lý: {node.operator}" if node.operator else ""
    return f"{title}: {node.name} [{node.id}]{owner}"


def _failure(detail: str) -> str:
    """The failure's word in Vietnamese, and what it names, such as the router that said so."""
    word, _, named = _tame(detail).partition(" ")
    if word not in FAILURES:
        return _tame(detail) or FAILURES[Failure.TIMEOUT]
    told = FAILURES[Failure(word)]
    return f"{told} ({named})" if named else told


def _tame(text: str) -> str:
    """Text from outside: one line, bounded, and valid in UTF-8."""
    line = "".join(char if char.isprintable() else " " for char in text[:DETAIL_LENGTH])
    return " ".join(line.encode(errors="replace").decode().split()).rstrip(".")
