"""Words that pages, alerts, reports and dashboards must say alike, in Vietnamese."""

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
