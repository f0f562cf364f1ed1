"""Every string that a page shows: the one catalogue, in Vietnamese; and how numbers and instants are written. Pure."""

from datetime import datetime
from math import isfinite
from zoneinfo import ZoneInfo

from monitor.core.detection import Hold
from monitor.core.model import Cause, CheckState, Mode, NodeKind, PointState, Tier
from monitor.core.power import BROWSER, UPS
from probes.model import Failure, Layer

TEXT = {
    "product": "Giám sát điểm cầu",
    "board": "Bảng theo dõi",
    "skip": "Đến danh sách mất kết nối",
    "phase": "Giai đoạn",
    "server_time": "Giờ máy chủ",
    "light": "Nền sáng",
    "dark": "Nền tối",
    "live": "Trực tiếp",
    "connecting": "Đang kết nối…",
    "disconnected": "Mất kết nối với máy chủ giám sát",
    "stale": "Mất kết nối với máy chủ giám sát từ {since}. Số liệu bên dưới dừng ở thời điểm đó; đang kết nối lại…",
    "blind": "Hệ thống giám sát mất tầm nhìn từ {since}: không kết luận về các điểm cầu.",
    "ready_title": "Điểm cầu sẵn sàng",
    "ready_of": "trên {expected} điểm cầu dự kiến",
    "ready_rule": "Sẵn sàng: đã kết nối ổn định liên tục {minutes}.",
    "report_left": "Còn {left} đến hạn báo cáo {at}",
    "report_over": "Đã qua hạn báo cáo {at}",
    "begin_left": "Còn {left} đến giờ khai mạc {at}",
    "begin_over": "Đã khai mạc lúc {at}",
    "days": "{days} ngày {clock}",
    "tiers_title": "Theo cấp",
    "tier": "Cấp",
    "ready": "Sẵn sàng",
    "expected": "Dự kiến",
    "states_title": "Theo trạng thái",
    "why": "Suy giảm: {causes}.",
    "legend_tile": "Số ở góc ô: điểm đang kết nối trên số điểm dự kiến.",
    "legend_size": "Ô càng lớn, cấp càng cao.",
    "map_title": "Bản đồ điểm cầu theo địa bàn",
    "map_hint": "Dùng phím mũi tên để xem từng điểm, Enter để mở.",
    "map_needs_script": "Bản đồ cần JavaScript; số liệu và danh sách ở trang này là của lúc tải trang.",
    "tile_label": "{name}: {up} trên {expected} điểm đang kết nối, {down} mất kết nối",
    "tile_label_quiet": "{name}: {up} trên {expected} điểm đang kết nối",
    "tile_label_unknown": "{name}: {expected} điểm, chưa rõ trạng thái",
    "province_tile": "Tỉnh ủy và cơ quan cấp tỉnh",
    "district_unknown": "Địa bàn {code}",
    "down_title": "Đang mất kết nối",
    "down_none": "Không có điểm cầu nào mất kết nối.",
    "down_blind": "Không kết luận trong khi hệ thống giám sát mất tầm nhìn.",
    "down_group": "{district}: {count} điểm",
    "down_group_province": "Cấp tỉnh: {count} điểm",
    "down_more": "và {count} điểm nữa",
    "names_more": "{names} và {count} điểm nữa",
    "down_summary": "{count} điểm cầu đang mất kết nối. Mới nhất: {newest}.",
    "since": "từ {at}",
    "alerts_title": "Cảnh báo đang phát",
    "alerts_none": "Không có cảnh báo.",
    "alerts_more": "và {count} cảnh báo nữa",
    "open": "Xem chi tiết",
    "back": "Về bảng theo dõi",
    "seconds": "{n} giây",
    "minutes": "{n} phút",
    # the page of one point
    "point": "Điểm cầu",
    "updated": "Cập nhật lúc {at}",
    "updates_itself": "Trang tự cập nhật 5 giây một lần.",
    "point_stale": "Không cập nhật được từ {since}: mất kết nối với máy chủ giám sát. Đang thử lại…",
    "facts": "Thông tin",
    "id": "Mã điểm cầu",
    "mode": "Hình thức",
    "role": "Vai trò",
    "address": "Địa chỉ",
    "district": "Địa bàn",
    "commune_code": "Mã xã",
    "merged_into": "Ghép vào",
    "backup_link": "Đường dự phòng",
    "ups": "Bộ lưu điện (UPS)",
    "checks": "Các phép kiểm tra",
    "no_checks": "Không có phép kiểm tra nào cho điểm cầu này.",
    "rtt": "Độ trễ khứ hồi (RTT)",
    "loss": "Tỷ lệ mất gói",
    "jitter": "Biến động trễ",
    "interval": "Chu kỳ",
    "probes": "Đã đo",
    "probes_of": "{probes} lần, {losses} lần mất",
    "last": "Lần đo gần nhất",
    "never": "chưa đo lần nào",
    "last_good": "có trả lời",
    "hold": "Đang cân nhắc",
    "layers": "Các lớp",
    "layer_unheard": "chưa có số liệu",
    "layer_sound": "tốt",
    "layer_broken": "hỏng",
    "heard": "nghe lần cuối {ago}",
    "just_now": "vừa xong",
    "seconds_ago": "{n} giây trước",
    "minutes_ago": "{n} phút trước",
    "hours_ago": "{n} giờ trước",
    "mos": "Điểm chất lượng thoại (MOS)",
    "mos_of": "{score} trên 5, {word}",
    "page_check": "trang của điểm cầu",
    "on_mains": "điện lưới",
    "on_its_battery": "máy chạy bằng pin",
    "on_battery": "đang chạy bằng ắc quy từ {since}",
    "battery_left": "còn {n} phút",
    "charge": "{percent} pin",
    "flapping": "Chập chờn",
    "hour": "Một giờ qua",
    "hour_of": "{module}: độ trễ và mất gói trong một giờ qua",
    "hour_summary": "Độ trễ lớn nhất {rtt}, mất {lost} trên {sent} gói.",
    "hour_empty": "Chưa có số liệu trong một giờ qua.",
    "chart_rtt": "Độ trễ (ms)",
    "chart_loss": "Mất gói (%)",
    "chart_gap": "không quan sát",
    "network": "Đường truyền",
    "power": "Nguồn điện",
    "no_tree": "Chưa khai báo.",
    "operator": "đơn vị quản lý: {operator}",
    "fed_by": "cấp điện: {node}",
    # the point's own page, open at the site
    "page_connected": "Đã kết nối với trung tâm",
    "page_connecting": "Đang kết nối…",
    "page_again": "Đang kết nối lại…",
    "page_offline": "Máy này không có mạng",
    "page_unanswered": "Trung tâm không trả lời",
    "page_revoked": "Đường dẫn này không còn hiệu lực. Hãy xin trung tâm đường dẫn mới.",
    "page_crowded": "Điểm cầu này đang mở trang trên quá nhiều máy: máy này đã được ngắt.",
    "page_resume": "Kết nối lại trên máy này",
    "page_needs_script": "Trang này cần JavaScript để giữ kết nối với trung tâm.",
    "page_seen": "Điểm cầu của bạn: {state}",
    "page_seen_ms": "Điểm cầu của bạn: {state}, {ms}",
    "page_since": "từ {at}",
    "page_keep": "Giữ trang này mở suốt buổi lễ.",
    "page_awake": "Màn hình được giữ sáng.",
    "page_sleeps": "Hãy tắt chế độ tự khóa màn hình.",
    "page_rtt": "Độ trễ",
    "page_loss": "Mất gói",
    "page_jitter": "Biến động trễ",
    "page_power": "Nguồn điện",
    "page_up_since": "Giữ kết nối từ",
    "page_power_lost": "Mất nguồn điện: máy đang chạy bằng pin",
    "page_mains": "Đang cắm điện",
    "page_charging": "Đang cắm điện, pin {charge}",
    "page_battery": "Chạy bằng pin, còn {charge}",
    "page_left_minutes": "Pin còn dùng được khoảng {minutes} phút.",
    "page_left_hours": "Pin còn dùng được khoảng {hours} giờ {minutes} phút.",
    "page_none": "Máy không cho biết",
    "error_link": "Đường dẫn không có hiệu lực",
    "error_link_hint": "Đường dẫn này sai, đã được thay hoặc đã bị thu hồi. Hãy xin trung tâm đường dẫn mới.",
    # what goes wrong with a request
    "error_404": "Không tìm thấy trang",
    "error_404_hint": "Địa chỉ này không có trong hệ thống giám sát.",
    "error_point": "Không tìm thấy điểm cầu",
    "error_point_hint": "Không có điểm cầu nào mang mã này trong danh sách.",
    "error_405": "Thao tác không được phép",
    "error_405_hint": "Địa chỉ này không nhận yêu cầu như vậy.",
    "error_500": "Lỗi của hệ thống giám sát",
    "error_500_hint": "Lỗi đã được ghi lại. Việc giám sát vẫn tiếp tục; hãy thử tải lại trang.",
    "error_503": "Tạm thời quá tải",
    "error_503_hint": "Quá nhiều màn hình đang mở. Hãy thử lại sau ít phút.",
    "error_other": "Yêu cầu không hợp lệ",
    "error_other_hint": "Hệ thống không xử lý được yêu cầu này.",
}

STATES = {
    PointState.UP: "Kết nối tốt",
    PointState.DEGRADED: "Suy giảm",
    PointState.DOWN: "Mất kết nối",
    PointState.UNKNOWN: "Chưa rõ",
    PointState.NOT_EXPECTED: "Không tính",
}

SEEN = {
    PointState.UP: "đã kết nối",
    PointState.DEGRADED: "kết nối chưa tốt",
    PointState.DOWN: "mất kết nối",
    PointState.UNKNOWN: "chưa rõ trạng thái",
    PointState.NOT_EXPECTED: "không tính vào điểm danh",
}
"""How a point's state is told to the people who sit there."""

CAUSES = {
    Cause.NONE: "",
    Cause.NO_EVIDENCE: "chưa có số liệu",
    Cause.LOST_CONNECTION: "không trả lời",
    Cause.LOST_SIGNALLING: "mất báo hiệu",
    Cause.LOST_PICTURE: "mất tín hiệu hình",
    Cause.LOST_SOUND: "mất tiếng",
    Cause.NOT_JOINED: "chưa vào phòng họp",
    Cause.POWER_LOST: "mất điện",
    Cause.FLAPPING: "chập chờn",
    Cause.LOSS: "mất gói nhiều",
    Cause.JITTER: "độ trễ dao động",
    Cause.BLIND: "hệ thống giám sát mất tầm nhìn",
    Cause.MERGED: "ghép điểm",
    Cause.NO_COVERAGE: "không có điều kiện kết nối",
}

CHECK_STATES = {
    CheckState.UP: STATES[PointState.UP],
    CheckState.DOWN: "Không trả lời",
    CheckState.UNKNOWN: STATES[PointState.UNKNOWN],
}

TIERS = {
    Tier.PROVINCE: "Tỉnh ủy",
    Tier.AGENCY: "Cơ quan cấp tỉnh",
    Tier.DISTRICT: "Huyện, thị xã, thành phố",
    Tier.COMMUNE: "Xã, phường, thị trấn",
    Tier.VILLAGE: "Thôn, bản, tổ dân phố",
}

TIERS_SHORT = {
    Tier.PROVINCE: "Tỉnh ủy",
    Tier.AGENCY: "Cơ quan tỉnh",
    Tier.DISTRICT: "Cấp huyện",
    Tier.COMMUNE: "Cấp xã",
    Tier.VILLAGE: "Thôn, bản",
}

MODES = {
    Mode.TWO_WAY: "Họp trực tuyến hai chiều",
    Mode.WATCH: "Xem phát trực tiếp",
    Mode.MERGED: "Ghép điểm",
    Mode.NO_COVERAGE: "Không có điều kiện kết nối",
}

ROLES = {"host": "Điểm cầu chủ trì", "speaker": "Điểm cầu phát biểu"}

LAYERS = {
    Layer.REACHABLE: "Đường truyền",
    Layer.SIGNALLING: "Báo hiệu",
    Layer.MEDIA: "Hình và tiếng",
    Layer.JOINED: "Vào phòng họp",
    Layer.POWER: "Nguồn điện",
}

POWER_SOURCES = {UPS: "theo bộ lưu điện", BROWSER: "theo máy tính tại điểm cầu"}

OPINIONS = ((4.3, "rất tốt"), (4.0, "tốt"), (3.6, "trung bình"), (3.1, "kém"), (0.0, "rất kém"))
"""Mean opinion scores from which on a conversation is so good (ITU-T G.107, annex B), the best first."""

NODE_KINDS = {
    NodeKind.CORE: "nút lõi",
    NodeKind.AGGREGATION: "nút gom",
    NodeKind.ACCESS: "nút truy nhập",
    NodeKind.SUBSTATION: "trạm biến áp",
    NodeKind.FEEDER: "lộ đường dây",
    NodeKind.TRANSFORMER: "trạm biến áp phân phối",
}

HOLDS = {
    Hold.CONFIRMING: "có gói mất, đang xác minh",
    Hold.RECOVERING: "đã có trả lời, đang xác minh hồi phục",
}

FAILURES = {
    Failure.TIMEOUT: "hết thời gian chờ, không có trả lời",
    Failure.REFUSED: "thiết bị từ chối kết nối: cổng không mở",
    Failure.RESET: "kết nối bị cắt giữa chừng",
    Failure.UNREACHABLE: "thiết bị mạng báo không có đường tới",
    Failure.TTL_EXCEEDED: "gói tin đi vòng trong mạng",
    Failure.RESOLVE: "không phân giải được tên miền",
    Failure.TLS: "lỗi mã hóa hoặc chứng thư TLS",
    Failure.PROTOCOL: "trả lời không đúng giao thức",
    Failure.STATUS: "trả lời không như mong đợi",
    Failure.STALLED: "luồng phát đứng yên, không có dữ liệu mới",
    Failure.BLACK: "hình đen",
    Failure.FROZEN: "hình đứng yên",
    Failure.SILENT: "không có tiếng",
    Failure.SEND: "máy giám sát không gửi được gói",
    Failure.INTERNAL: "lỗi phần mềm giám sát",
}

DISTRICT_TYPES = ("Huyện ", "Thị xã ", "Thành phố ")
"""Left out where a tile's name must be short."""

DAY_S = 86_400


def count(number: int) -> str:
    """A whole number with dots between thousands: ``1.018``."""
    return f"{number:,}".replace(",", ".")


def decimal(number: float, digits: int = 1) -> str:
    """A number with a decimal comma; a dash when there is none."""
    return f"{number:.{digits}f}".replace(".", ",") if isfinite(number) else "–"


def milliseconds(seconds: float) -> str:
    """A span as milliseconds, with as many digits as mean something: ``0,05 ms``, ``12,3 ms``, ``340 ms``."""
    ms = seconds * 1000
    digits = 2 if ms < 1 else 1 if ms < 100 else 0
    return f"{decimal(ms, digits)} ms" if isfinite(ms) else "–"


def percent(ratio: float) -> str:
    """A ratio as a percentage: ``2,5 %``."""
    return f"{decimal(ratio * 100)} %" if isfinite(ratio) else "–"


def span(seconds: float) -> str:
    """A configured span: whole minutes as minutes, else seconds."""
    if seconds >= 60 and seconds % 60 == 0:
        return TEXT["minutes"].format(n=int(seconds // 60))
    return TEXT["seconds"].format(n=f"{seconds:g}".replace(".", ","))


def time_of_day(at: float, zone: ZoneInfo) -> str:
    """The hour and minute of an instant: ``07:30``."""
    return f"{datetime.fromtimestamp(at, zone):%H:%M}"


def moment(at: float, now: float, zone: ZoneInfo) -> str:
    """An instant as people say it: ``07:12:03``, with the day where it is not today's; a dash for none at all."""
    if not isfinite(at):
        return "–"
    local, today = datetime.fromtimestamp(at, zone), datetime.fromtimestamp(now, zone)
    if local.date() == today.date():
        return f"{local:%H:%M:%S}"
    return f"{local:%H:%M} {local:%d/%m}" if local.year == today.year else f"{local:%H:%M} {local:%d/%m/%Y}"


def appointment(at: float, now: float, zone: ZoneInfo) -> str:
    """An instant that was agreed on: ``07:30``, with the day where it is not today's."""
    local, today = datetime.fromtimestamp(at, zone), datetime.fromtimestamp(now, zone)
    return f"{local:%H:%M}" if local.date() == today.date() else f"{local:%H:%M} ngày {local:%d/%m/%Y}"


def countdown(left_s: float) -> str:
    """A span that runs down: ``00:41:12``, with days before it where there are any."""
    whole = max(0, int(left_s))
    clock = f"{whole % DAY_S // 3600:02}:{whole % 3600 // 60:02}:{whole % 60:02}"
    return TEXT["days"].format(days=whole // DAY_S, clock=clock) if whole >= DAY_S else clock
