"""Row about the number that is owed: how much of it is missing, why, where, and whether it is kept."""

from grafana_foundation_sdk.builders import bargauge, stat, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from dashboards.panels import BAD, CALM, GOOD, WARN, Steps, bars, figure, lines, named
from monitor.words import LACKS

READY_RATIO: Steps = {None: BAD, 0.9: WARN, 0.98: GOOD}
OWED: Steps = {None: GOOD, 1: WARN, 100: BAD}
TARGET = "sum(diemcau_points_expected) * max(diemcau_readiness_target)"
NAMES = 'max by (district, district_name) (point_info{district!=""})'
BY_DISTRICT = (
    "sum by (district) (diemcau_points_ready_by_district) / sum by (district) (diemcau_points_expected_by_district)"
)


def add(built: Dashboard) -> Dashboard:
    """All of it, under a heading."""
    built = built.with_row(Row("Sẵn sàng: con số phải báo cáo"))
    for panel in (*_figures(), _lacking(), _districts(), _course(), _check_ins(), _store()):
        built = built.with_panel(panel)
    return built


def _figures() -> tuple[stat.Panel, ...]:
    panels = (
        figure(
            "Còn thiếu so với mục tiêu",
            f"clamp_min(ceil({TARGET}) - sum(diemcau_points_ready), 0)",
            about="Số điểm cầu còn phải sẵn sàng để đạt mục tiêu đặt trong readiness.yaml.",
            steps=OWED,
        ),
        figure(
            "Dự báo đạt mục tiêu lúc",
            "max(diemcau_readiness_met_timestamp_seconds) * 1000",
            about="Theo đà 15 phút gần đây; để trống khi chưa thấy lúc đạt.",
            unit="dateTimeAsLocalNoDateIfToday",
            steps={None: CALM},
        ).no_value("Chưa rõ"),
        figure(
            "Đã báo số đại biểu",
            "sum(diemcau_points_reported)",
            about="Điểm cầu dự kiến tham gia đã báo số đại biểu.",
            steps={None: CALM},
        ),
        figure(
            "Báo sau giờ chốt",
            "sum(diemcau_points_reported_late)",
            about="Điểm cầu có số đại biểu được báo sau giờ phải báo cáo.",
            steps={None: GOOD, 1: WARN},
        ),
        figure(
            "Đại biểu", "sum(diemcau_delegates)", about="Tổng số đại biểu các điểm cầu đã báo.", steps={None: CALM}
        ),
        figure(
            "Người dự", "sum(diemcau_attendees)", about="Tổng số người trong các hội trường, theo số đã báo.",
            steps={None: CALM},
        ),
    )  # fmt: skip
    return tuple(panel.span(4) for panel in panels)


def _lacking() -> bargauge.Panel:
    panel = bars(
        "Vì sao chưa sẵn sàng",
        "sum by (lack) (diemcau_points_lacking) > 0",
        "{{lack}}",
        about="Điểm cầu chưa sẵn sàng, theo từng điều còn thiếu; một điểm có thể thiếu nhiều điều.",
        steps={None: CALM, 10: WARN, 100: BAD},
    )
    return named(panel.span(12), {lack.value: word for lack, word in LACKS.items()})


def _districts() -> bargauge.Panel:
    return bars(
        "Huyện có tỷ lệ sẵn sàng thấp nhất",
        f"bottomk(13, ({BY_DISTRICT}) * on (district) group_left (district_name) {NAMES})",
        "{{district_name}}",
        about="Sẵn sàng trên dự kiến của 13 huyện thấp nhất; cả 26 huyện và đầu mối cần gọi ở trang /readiness.",
        unit="percentunit",
        steps=READY_RATIO,
    ).span(12)


def _course() -> timeseries.Panel:
    return lines(
        "Diễn biến con số",
        {
            "mục tiêu": TARGET,
            "đã kết nối": "sum(diemcau_points_connected)",
            "đã báo số đại biểu": "sum(diemcau_points_reported)",
            "sẵn sàng": "sum(diemcau_points_ready)",
        },
        about="Điểm cầu đã kết nối, đã báo và sẵn sàng, so với mục tiêu.",
        span=8,
    )


def _check_ins() -> timeseries.Panel:
    def a_minute(voice: str) -> str:
        return f'sum(rate(diemcau_check_ins_total{{voice="{voice}"}}[$__rate_interval])) * 60'

    return lines(
        "Lượt báo mỗi phút",
        {
            "tại điểm cầu": a_minute("point"),
            "đầu mối báo thay": a_minute("coordinator"),
            "ban tổ chức": a_minute("user"),
        },
        about="Lượt báo đã ghi nhận, theo người báo.",
        span=8,
    )


def _store() -> timeseries.Panel:
    return lines(
        "Lưu trữ",
        {
            "lần ghi gần nhất": "max(diemcau_store_last_commit_seconds)",
            "ghi hỏng mỗi giây": "sum(rate(diemcau_store_failures_total[$__rate_interval]))",
            "bỏ mỗi giây": "sum(rate(diemcau_store_dropped_total[$__rate_interval]))",
        },
        about="Thời gian ghi (giây), số giao dịch hỏng và số dòng phải bỏ mỗi giây.",
        unit="none",
        span=8,
    )
