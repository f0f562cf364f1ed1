"""Words that pages, alerts, reports and dashboards must say alike, in Vietnamese."""

from monitor.core.attribution import Fact, FactKind, PowerSource
from monitor.core.model import Inventory, Tree
from monitor.core.readiness import Lack

LACKS = {
    Lack.LOST_POWER: "mất điện",
    Lack.LOST_SIGNAL: "mất tín hiệu",
    Lack.DEGRADED: "kết nối chưa tốt",
    Lack.UNSEEN: "chưa thấy tín hiệu",
    Lack.SETTLING: "vừa kết nối, chưa đủ lâu",
    Lack.NOT_ATTENDED: "chưa có người trực",
    Lack.NOT_REPORTED: "có người trực, chưa báo",
    Lack.OUTDATED: "số báo đã cũ",
    Lack.NO_PICTURE: "chưa xác nhận hình",
    Lack.NO_SOUND: "chưa xác nhận tiếng",
    Lack.NO_DELEGATES: "chưa báo số đại biểu",
    Lack.NO_CHAIR: "chưa báo người chủ trì",
    Lack.NO_POWER_SOURCE: "chưa báo nguồn điện",
}
"""What a point lacks."""

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
NODES_NAMED = 3


def node_name(node_id: str, inventory: Inventory) -> str:
    """The name of a node or of a point; its id where there is none any more."""
    named = inventory.network.get(node_id) or inventory.power.get(node_id) or inventory.points.get(node_id)
    return named.name if named is not None else node_id


def fact_told(fact: Fact, inventory: Inventory) -> str:
    """A piece of the evidence as a sentence; empty for what is told elsewhere."""
    names = ", ".join(node_name(one, inventory) for one in fact.ids[:NODES_NAMED])
    source = SOURCES.get(fact.source, "")
    if fact.kind is FactKind.SURVIVOR and source:
        source = f" nhờ {source}"
    told = FACTS.get(fact.kind, "").format(count=fact.count, of=fact.of, source=source, names=names)
    return f"{told[:1].upper()}{told[1:]}"
