"""Rows about incidents: what goes on, who must act, how sure that is, and how soon it was known."""

from grafana_foundation_sdk.builders import bargauge, common, stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from dashboards.panels import BAD, CALM, GOOD, LOST, WARN, Column, bars, figure, lines, named, rows

TREES = {"network": ("Mạng", CALM), "power": ("Điện", WARN), "site": ("Tại điểm cầu", CALM)}
CERTAINTIES = {
    "certain": ("chắc chắn", GOOD),
    "probable": ("nhiều khả năng", WARN),
    "undetermined": ("chưa rõ nguyên nhân", BAD),
}

SIZE = "max by (incident) (diemcau_incident_points_down)"
INFO = "max by (incident, name, tree, operator, certainty) (diemcau_incident_info)"
LARGEST = f"topk(20, {SIZE})"
COLUMNS = {
    "name": Column("Nguyên nhân"),
    "tree": Column("Loại", words=TREES),
    "operator": Column("Đơn vị phải xử lý", words={"site": ("điểm cầu", CALM)}),
    "certainty": Column("Mức chắc chắn", words=CERTAINTIES),
    "Value #A": Column("Điểm cầu mất kết nối"),
    "Value #B": Column("Xác suất", unit="percentunit"),
    "Value #C": Column("Từ lúc", unit="dateTimeAsLocalNoDateIfToday"),
}


def add(built: Dashboard) -> Dashboard:
    """All of them, under a heading."""
    built = built.with_row(Row("Sự cố: ai phải xử lý"))
    for panel in (*_figures(), _table(), _owners(), _points(), _course(), _by_owner(), _naming()):
        built = built.with_panel(panel)
    return built


def _figures() -> tuple[stat.Panel, ...]:
    panels = (
        figure(
            "Sự cố đang diễn ra",
            "sum(diemcau_incidents) or vector(0)",
            about="Mỗi nguyên nhân là một sự cố, dù làm mất bao nhiêu điểm cầu.",
            steps=LOST,
        ),
        figure(
            "Điểm cầu chưa rõ nguyên nhân",
            "max(diemcau_incident_points_undetermined)",
            about="Điểm cầu mất kết nối mà chưa rõ viễn thông, điện lực hay chính điểm cầu phải xử lý.",
            steps=LOST,
        ),
        figure(
            "Kết luận rút lại trong 1 giờ",
            "max(round(increase(diemcau_incident_retractions_total[1h])))",
            about="Số lần đã nêu tên một đơn vị rồi phải rút lại, vì lỗi không ở đơn vị đó.",
            steps={None: GOOD, 1: WARN},
        ),
        figure(
            "Điểm cầu nghi sai danh mục",
            "max(diemcau_inventory_suspects)",
            about="Điểm cầu có dòng trong danh mục trái với những gì quan sát được; cần kiểm tra nút mạng, trạm điện.",
            steps={None: GOOD, 1: WARN},
        ),
    )
    return tuple(panel.span(6) for panel in panels)


def _table() -> table.Panel:
    panel = rows(
        "Sự cố đang diễn ra: nguyên nhân và đơn vị",
        {
            "A": f"{INFO} * on (incident) group_left () {LARGEST}",
            "B": f"max by (incident) (diemcau_incident_owner_probability) and on (incident) {LARGEST}",
            "C": f"min by (incident) (diemcau_incident_start_timestamp_seconds) * 1000 and on (incident) {LARGEST}",
        },
        COLUMNS,
        key="incident",
        about="Hai mươi sự cố lớn nhất; xác suất là của đơn vị phải xử lý. Bằng chứng và diễn biến ở trang /incidents.",
    )
    largest_first = common.TableSortByFieldState().display_name(COLUMNS["Value #A"].title).desc(desc=True)
    return panel.span(12).sort_by([largest_first])


def _owners() -> bargauge.Panel:
    return bars(
        "Sự cố theo đơn vị phải xử lý",
        'topk(12, sum by (operator) (diemcau_incidents{tree!="site"}) > 0)',
        "{{operator}}",
        about="Số sự cố đang diễn ra của từng đơn vị; nguyên nhân, xác suất và diễn biến ở trang /incidents.",
        steps=LOST,
    ).span(6)


def _points() -> bargauge.Panel:
    panel = bars(
        "Điểm cầu mất kết nối theo đơn vị phải xử lý",
        "topk(12, sum by (operator) (diemcau_incident_points) > 0)",
        "{{operator}}",
        about="Số điểm cầu mất kết nối vì sự cố của từng đơn vị, hoặc tại chính điểm cầu.",
        steps=LOST,
    ).span(6)
    return named(panel, {"site": "tại điểm cầu"})


def _course() -> timeseries.Panel:
    return lines(
        "Diễn biến sự cố theo loại",
        {
            "mạng": 'sum(diemcau_incidents{tree="network"}) or vector(0)',
            "điện": 'sum(diemcau_incidents{tree="power"}) or vector(0)',
            "tại điểm cầu": 'sum(diemcau_incidents{tree="site"}) or vector(0)',
            "chưa rõ nguyên nhân": 'sum(diemcau_incidents{certainty="undetermined"}) or vector(0)',
            "rút lại trong 5 phút": "sum(increase(diemcau_incident_retractions_total[5m]))",
        },
        about="Số sự cố đang diễn ra theo nơi có lỗi, và số kết luận phải rút lại.",
        span=8,
    )


def _by_owner() -> timeseries.Panel:
    return lines(
        "Diễn biến sự cố theo đơn vị phải xử lý",
        {"{{operator}}": 'topk(12, sum by (operator) (diemcau_incidents{tree!="site"}))'},
        about="Số sự cố đang diễn ra của từng đơn vị; đơn vị từng có sự cố thì trở về 0.",
        span=8,
    )


def _naming() -> timeseries.Panel:
    def quantile(share: float, histogram: str) -> str:
        return f"histogram_quantile({share}, sum by (le) (rate({histogram}_bucket[5m])))"

    return lines(
        "Thời gian xác định nguyên nhân",
        {
            "từ lúc mất đến lúc nêu tên (p95)": quantile(0.95, "diemcau_incident_naming_seconds"),
            "một lần suy luận (p99)": quantile(0.99, "diemcau_attribution_duration_seconds"),
        },
        about="Từ khi điểm đầu tiên mất kết nối đến khi nêu tên đơn vị phải xử lý (mục tiêu dưới 5 giây).",
        unit="s",
        span=8,
    )
