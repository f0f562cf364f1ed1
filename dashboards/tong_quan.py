"""*Tổng quan*: the wall of the technical team. How many are ready, who is missing, and is it us?"""

from grafana_foundation_sdk.builders import timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from dashboards.panels import (
    BAD,
    CALM,
    GOOD,
    IDLE,
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

LOST: Steps = {None: CALM, 1: WARN, 10: BAD}
READY_RATIO: Steps = {None: BAD, 0.9: WARN, 0.98: GOOD}

DISTRICT_NAMES = 'max by (district, district_name) (point_info{district!=""})'
LOST_BY_DISTRICT = f'diemcau_points{{state="down"}} * on (district) group_left (district_name) {DISTRICT_NAMES}'

LOSS_BANDS = {
    "không mất gói": ("probe_loss_ratio == 0", CALM),
    "đến 5 %": ("probe_loss_ratio > 0 and probe_loss_ratio <= 0.05", GOOD),
    "5–20 %": ("probe_loss_ratio > 0.05 and probe_loss_ratio <= 0.2", WARN),
    "trên 20 %": ("probe_loss_ratio > 0.2 and probe_loss_ratio < 1", BAD),
}
"""A check that is down has a ratio of 1 and is kept out: it says nothing of the quality of lines."""


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
    for add in (_figures, _places, _course, _quality, _ourselves):
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
            about="Số điểm cầu dự kiến tham gia đã kết nối ổn định đủ lâu.",
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


def _quality(built: Dashboard) -> Dashboard:
    quantiles = {"trung vị": 0.5, "90 %": 0.9, "99 %": 0.99}
    rtt = lines(
        "Thời gian khứ hồi (RTT)",
        {legend: f"quantile({share}, probe_rtt_seconds)" for legend, share in quantiles.items()},
        about="Phân bố trên các phép đo: nửa số đường truyền nhanh hơn trung vị, chín phần mười nhanh hơn mức 90 %.",
        unit="s",
    )
    bands = {legend: f"count({band}) or vector(0)" for legend, (band, _) in LOSS_BANDS.items()}
    loss = lines(
        "Tỷ lệ mất gói",
        bands,
        about="Số phép đo theo tỷ lệ mất gói trong khoảng hai phút; không tính điểm đã mất kết nối.",
    )
    built = built.with_row(Row("Chất lượng đường truyền"))
    return built.with_panel(rtt).with_panel(
        coloured(stacked(loss), {legend: colour for legend, (_, colour) in LOSS_BANDS.items()})
    )


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
