"""*Tổng quan*: the wall of the technical team. How many are ready, who is missing, and is it us?"""

from collections.abc import Mapping

from grafana_foundation_sdk.builders import timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from dashboards import incidents, readiness
from dashboards.panels import (
    BAD,
    CALM,
    GOOD,
    IDLE,
    LAYERS,
    LOST,
    STATES,
    TIERS,
    WARN,
    Steps,
    bars,
    coloured,
    figure,
    lines,
    name,
    named,
    stacked,
    word,
)

READY_RATIO: Steps = {None: BAD, 0.9: WARN, 0.98: GOOD}

DISTRICT_NAMES = 'max by (district, district_name) (point_info{district!=""})'
LOST_BY_DISTRICT = f'diemcau_points{{state="down"}} * on (district) group_left (district_name) {DISTRICT_NAMES}'

PLACES = 'max by (instance, district_name) (point_info{district!=""})'
BY_DISTRICT = f"on (instance) group_left (district_name) {PLACES}"
BROKEN = "diemcau_point_layer_up == 0"
LINE_UP = 'max by (instance) (diemcau_point_layer_up{layer="reachable"}) == 1'
MUTE = f'max by (instance) (diemcau_point_layer_up{{layer!="reachable"}} == 0) and on (instance) {LINE_UP}'
"""Points whose line is sound and which have no signalling, no picture, or are not in the room."""
ON_BATTERY = "max by (instance) (diemcau_point_on_battery)"

LOSS_BANDS = {
    "không mất gói": ("probe_loss_ratio == 0", CALM),
    "đến 5 %": ("probe_loss_ratio > 0 and probe_loss_ratio <= 0.05", GOOD),
    "5–20 %": ("probe_loss_ratio > 0.05 and probe_loss_ratio <= 0.2", WARN),
    "trên 20 %": ("probe_loss_ratio > 0.2 and probe_loss_ratio < 1", BAD),
}
"""A check that is down has a ratio of 1 and is kept out: it says nothing of the quality of lines."""

MOS_BANDS = {
    "rất tốt (từ 4,3)": ("diemcau_point_mos >= 4.3", CALM),
    "tốt (4,0–4,3)": ("diemcau_point_mos >= 4 and diemcau_point_mos < 4.3", GOOD),
    "trung bình (3,6–4,0)": ("diemcau_point_mos >= 3.6 and diemcau_point_mos < 4", WARN),
    "kém (dưới 3,6)": ("diemcau_point_mos < 3.6", BAD),
}
"""ITU-T G.107, annex B; words as on the page of a point."""


def dashboard() -> Dashboard:
    """The whole of it."""
    built = (
        Dashboard("Tổng quan")
        .uid("diemcau-tong-quan")
        .description("Điểm cầu toàn tỉnh: sẵn sàng, mất kết nối, chất lượng đường truyền, và chính máy giám sát.")
        .tags(["diemcau"])
        .timezone("Asia/Ho_Chi_Minh")
        .time("now-1h", "now")
        .refresh("5s")
        .readonly()
    )
    for add in (
        _figures,
        readiness.add,
        incidents.add,
        _places,
        _course,
        _beyond_the_line,
        _broken_places,
        _quality,
        _ourselves,
    ):
        built = add(built)
    return built


def _figures(built: Dashboard) -> Dashboard:
    blind = figure(
        "Tầm nhìn của máy giám sát",
        "max(diemcau_blind)",
        about="Khi máy giám sát không thấy gì bên ngoài, trạng thái các điểm cầu là không rõ và không báo động thêm.",
        steps={None: GOOD, 1: BAD},
    )
    panels = (
        figure(
            "Sẵn sàng",
            "sum(diemcau_points_ready)",
            about="Số điểm cầu dự kiến tham gia đã đạt mọi yêu cầu: kết nối ổn định và đã báo đủ.",
            steps={None: CALM},
        ),
        figure(
            "Dự kiến tham gia",
            "sum(diemcau_points_expected)",
            about="Họp trực tuyến hai chiều hoặc xem phát trực tiếp; không tính điểm ghép và nơi không có kết nối.",
            steps={None: CALM},
        ),
        figure(
            "Tỷ lệ sẵn sàng",
            "sum(diemcau_points_ready) / sum(diemcau_points_expected)",
            about="Sẵn sàng trên dự kiến.",
            unit="percentunit",
            steps=READY_RATIO,
        ).decimals(1),
        figure(
            "Mất kết nối",
            'sum(diemcau_points{state="down"})',
            about="Điểm cầu dự kiến tham gia mà không còn trả lời.",
            steps=LOST,
        ),
        figure(
            "Đếm ngược đến giờ báo cáo",
            "clamp_min(max(diemcau_report_deadline_timestamp_seconds) - time(), 0)",
            about="Thời gian còn lại đến giờ phải báo cáo số điểm cầu với UBND tỉnh.",
            unit="dthms",
            steps={None: BAD, 900: WARN, 3600: CALM},
        ),
        name(
            "Giai đoạn",
            "max by (phase) (diemcau_phase_info)",
            "{{phase}}",
            about="Giai đoạn đang áp dụng; quyết định chu kỳ đo và mức độ cảnh báo.",
        ),
        word(blind, {"0": ("Bình thường", GOOD), "1": ("MẤT TẦM NHÌN", BAD)}),
        figure(
            "Cảnh báo đang mở",
            "max(diemcau_alerts_firing)",
            about="Số cảnh báo mà máy giám sát đang giữ mở.",
            steps=LOST,
        ),
    )
    for panel in panels:
        built = built.with_panel(panel)
    return built


def _places(built: Dashboard) -> Dashboard:
    ready = bars(
        "Tỷ lệ sẵn sàng theo cấp",
        "sum by (tier) (diemcau_points_ready) / sum by (tier) (diemcau_points_expected)",
        "{{tier}}",
        about="Sẵn sàng trên dự kiến, từng cấp.",
        unit="percentunit",
        steps=READY_RATIO,
    )
    lost = bars(
        "Mất kết nối theo cấp",
        'sum by (tier) (diemcau_points{state="down"})',
        "{{tier}}",
        about="Số điểm cầu không còn trả lời, từng cấp.",
        steps=LOST,
    )
    worst = bars(
        "Huyện mất kết nối nhiều nhất",
        f"topk(10, sum by (district_name) ({LOST_BY_DISTRICT}) > 0)",
        "{{district_name}}",
        about="Mười huyện, thị xã, thành phố có nhiều điểm cầu không còn trả lời nhất.",
        steps=LOST,
    )
    return built.with_panel(named(ready.max(1), TIERS)).with_panel(named(lost, TIERS)).with_panel(worst)


def _course(built: Dashboard) -> Dashboard:
    count = lines(
        "Kết nối và sẵn sàng",
        {
            "Dự kiến": "sum(diemcau_points_expected)",
            "Đã kết nối": "sum(diemcau_points_connected)",
            "Sẵn sàng": "sum(diemcau_points_ready)",
        },
        about="Số điểm cầu theo thời gian.",
    )
    states = {text: f'sum(diemcau_points{{state="{state}"}})' for state, (text, _) in STATES.items()}
    state = stacked(lines("Trạng thái", states, about="Số điểm cầu dự kiến tham gia theo trạng thái."))
    return built.with_panel(coloured(count, {"Dự kiến": IDLE, "Đã kết nối": CALM, "Sẵn sàng": GOOD})).with_panel(
        coloured(state, dict(STATES.values()))
    )


def _beyond_the_line(built: Dashboard) -> Dashboard:
    built = built.with_row(Row("Tín hiệu, nguồn điện, dịch vụ chung"))
    panels = (
        figure(
            "Thông mạng, mất tín hiệu",
            f"count({MUTE}) or vector(0)",
            about="Điểm cầu có đường truyền tốt nhưng hỏng báo hiệu, hình, tiếng, hoặc chưa vào phòng họp.",
            steps=LOST,
        ),
        figure(
            "Đang chạy ắc quy",
            f"sum({ON_BATTERY})",
            about="Điểm cầu mất điện lưới, theo bộ lưu điện hoặc máy tính tại chỗ; gạch ngang: chưa nơi nào cho biết.",
            steps=LOST,
        ),
        figure(
            "Ắc quy cạn sớm nhất",
            "min(diemcau_point_battery_left_seconds and on (instance) diemcau_point_on_battery == 1)",
            about="Thời gian còn lại của ắc quy yếu nhất trong các điểm cầu đang mất điện lưới.",
            unit="dtdurations",
            steps={None: BAD, 900: WARN, 3600: CALM},
        ),
        figure(
            "Trang điểm cầu đang mở",
            "sum(diemcau_pages_open)",
            about="Số trang /p/… đang mở trên máy tính, điện thoại tại điểm cầu; kể cả trang vừa mất liên lạc.",
            steps={None: CALM},
        ),
        figure(
            "Điểm MOS trung vị",
            "quantile(0.5, diemcau_point_mos)",
            about="Chất lượng đàm thoại theo ITU-T G.107, từ 1 đến 4,5: nửa số điểm cầu tốt hơn mức này.",
            steps={None: BAD, 3.6: WARN, 4: GOOD},
        ).decimals(1),
        figure(
            "Điểm cầu MOS dưới 3,6",
            "count(diemcau_point_mos < 3.6) or vector(0)",
            about="Điểm cầu mà nhiều người nghe sẽ không hài lòng.",
            steps=LOST,
        ),
        figure(
            "Dịch vụ chung không hoạt động",
            'count(probe_success{instance=~"service:.+"} == 0) or vector(0)',
            about="Nền tảng họp, luồng phát: mọi điểm cầu đều dùng. Khai báo ở services của checks.yaml.",
            steps={None: GOOD, 1: BAD},
        ),
        figure(
            "Chứng thư sắp hết hạn",
            "count(probe_ssl_earliest_cert_expiry - time() < 14 * 86400) or vector(0)",
            about="Số chứng thư TLS còn dưới 14 ngày; cảnh báo CertificateExpiresSoon nêu rõ nơi nào.",
            steps={None: GOOD, 1: WARN},
        ),
    )
    for panel in panels:
        built = built.with_panel(panel)
    return built


def _broken_places(built: Dashboard) -> Dashboard:
    broken = bars(
        "Lớp bị hỏng",
        f"count by (layer) ({BROKEN})",
        "{{layer}}",
        about="Số điểm cầu có từng lớp bị hỏng; mất đường truyền thì các lớp sau cũng mất.",
        steps=LOST,
    )
    mute = bars(
        "Huyện thông mạng, mất tín hiệu nhiều nhất",
        f"topk(10, count by (district_name) (({MUTE}) * {BY_DISTRICT}))",
        "{{district_name}}",
        about="Mười huyện có nhiều điểm cầu thông mạng nhưng hỏng báo hiệu, hình, tiếng, hoặc chưa vào phòng họp.",
        steps=LOST,
    )
    dark = bars(
        "Huyện chạy ắc quy nhiều nhất",
        f"topk(10, count by (district_name) (({ON_BATTERY} == 1) * {BY_DISTRICT}))",
        "{{district_name}}",
        about="Mười huyện có nhiều điểm cầu đang mất điện lưới nhất.",
        steps=LOST,
    )
    return built.with_panel(named(broken, LAYERS)).with_panel(mute).with_panel(dark)


def _quality(built: Dashboard) -> Dashboard:
    quantiles = {"trung vị": 0.5, "90 %": 0.9, "99 %": 0.99}
    rtt = lines(
        "Thời gian khứ hồi (RTT)",
        {legend: f"quantile({share}, probe_rtt_seconds)" for legend, share in quantiles.items()},
        about="Phân bố trên các phép đo: nửa số đường truyền nhanh hơn trung vị, chín phần mười nhanh hơn mức 90 %.",
        unit="s",
        span=8,
    )
    loss = _banded(
        "Tỷ lệ mất gói",
        LOSS_BANDS,
        about="Số phép đo theo tỷ lệ mất gói trong khoảng hai phút; không tính điểm đã mất kết nối.",
    )
    mos = _banded(
        "Chất lượng đàm thoại (MOS)",
        MOS_BANDS,
        about="Số điểm cầu theo điểm MOS của đường truyền tốt nhất đang hoạt động (ITU-T G.107).",
    )
    built = built.with_row(Row("Chất lượng đường truyền"))
    return built.with_panel(rtt).with_panel(loss).with_panel(mos)


def _banded(title: str, bands: Mapping[str, tuple[str, str]], *, about: str) -> timeseries.Panel:
    """How many series lie in each band: legend → (condition, colour)."""
    counts = {legend: f"count({condition}) or vector(0)" for legend, (condition, _) in bands.items()}
    panel = stacked(lines(title, counts, about=about, span=8))
    return coloured(panel, {legend: colour for legend, (_, colour) in bands.items()})


def _ourselves(built: Dashboard) -> Dashboard:
    built = built.with_row(Row("Máy giám sát"))
    for panel in (_lag(), _pace(), _outlet()):
        built = built.with_panel(panel)
    return built


def _lag() -> timeseries.Panel:
    def p99(histogram: str) -> str:
        return f"histogram_quantile(0.99, sum by (le) (rate({histogram}_bucket[$__rate_interval])))"

    return lines(
        "Độ trễ của máy giám sát (p99)",
        {"lịch đo": p99("diemcau_schedule_lag_seconds"), "vòng lặp": p99("diemcau_loop_lag_seconds")},
        about="Trễ so với lịch đo, và trễ của vòng lặp sự kiện. Mục tiêu: dưới 25 ms và 20 ms.",
        unit="s",
        span=8,
    )


def _pace() -> timeseries.Panel:
    return lines(
        "Nhịp đo",
        {
            "kết quả mỗi giây": "sum(rate(diemcau_probes_observed_total[$__rate_interval]))",
            "kiểm tra lại mỗi giây": "sum(rate(diemcau_probes_confirming_total[$__rate_interval]))",
            "gói bị hệ điều hành bỏ mỗi giây": "sum(rate(diemcau_icmp_kernel_drops_total[$__rate_interval]))",
        },
        about="Số kết quả đo, số lần kiểm tra lại sau khi mất gói, và số gói trả lời bị bỏ vì bộ đệm đầy.",
        span=8,
    )


def _outlet() -> timeseries.Panel:
    return lines(
        "Cảnh báo chưa gửi được",
        {"{{alertmanager}}": "topk(10, max by (alertmanager) (diemcau_alertmanager_pending))"},
        about="Số thay đổi mà từng Alertmanager chưa nhận.",
        span=8,
    )
