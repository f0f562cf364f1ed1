"""Panels as every dashboard here has them: one data source, Vietnamese names, colours that all can tell apart.

Colours are of Okabe and Ito (2008). A panel shows at most 20 series: queries aggregate, or keep the worst few.
"""

from collections.abc import Mapping
from string import ascii_uppercase
from typing import NamedTuple

from grafana_foundation_sdk.builders import bargauge, common, prometheus, stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BigValueColorMode,
    BigValueGraphMode,
    BigValueTextMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    TooltipDisplayMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = DataSourceRef(type_val="prometheus", uid="prometheus")
"""As config/grafana/provisioning/datasources names it."""

GOOD, WARN, BAD, IDLE, CALM = "#009E73", "#E69F00", "#D55E00", "#999999", "#0072B2"

TIERS = {
    "province": "Tỉnh ủy",
    "agency": "Ban, sở, ngành",
    "district": "Huyện, thị, thành phố",
    "commune": "Xã, phường, thị trấn",
    "village": "Thôn, bản, tổ dân phố",
}
STATES = {
    "up": ("Đã kết nối", GOOD),
    "degraded": ("Chập chờn", WARN),
    "down": ("Mất kết nối", BAD),
    "unknown": ("Không rõ", IDLE),
}

LAYERS = {
    "reachable": "Đường truyền",
    "signalling": "Báo hiệu",
    "media": "Hình và tiếng",
    "joined": "Vào phòng họp",
}

Steps = Mapping[float | None, str]
"""Colour from a value upwards; None is from minus infinity."""
LOST: Steps = {None: CALM, 1: WARN, 10: BAD}

Words = Mapping[str, tuple[str, str]]
"""Value → (word, colour)."""


def query(expr: str, legend: str = "", *, ref_id: str = "A", instant: bool = False) -> prometheus.Dataquery:
    """One expression. ``instant`` for panels that show only the latest value; ``ref_id`` is its own in its panel."""
    asked = prometheus.Dataquery().expr(expr).legend_format(legend or "__auto").ref_id(ref_id)
    return asked.instant() if instant else asked.range()


def latest() -> common.ReduceDataOptions:
    """The last value of a series."""
    return common.ReduceDataOptions().calcs(["lastNotNull"])


def thresholds(steps: Steps) -> ThresholdsConfig:
    """Colours by absolute value, ascending."""
    ascending = [Threshold(value=value, color=color) for value, color in steps.items()]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(ascending)


def figure(title: str, expr: str, *, about: str, unit: str = "none", steps: Steps) -> stat.Panel:
    """One big number, an eighth of the wall wide."""
    return (
        stat.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .height(4)
        .span(3)
        .unit(unit)
        .thresholds(thresholds(steps))
        .color_mode(BigValueColorMode.BACKGROUND)
        .graph_mode(BigValueGraphMode.NONE)
        .reduce_options(latest())
        .no_value("–")
        .with_target(query(expr, instant=True))
    )


def name(title: str, expr: str, legend: str, *, about: str) -> stat.Panel:
    """The name of the one series there is."""
    panel = figure(title, expr, about=about, steps={None: CALM})
    return panel.text_mode(BigValueTextMode.NAME).targets([query(expr, legend, instant=True)])


def mapped(words: Words) -> list[ValueMapping]:
    """Words instead of values."""
    results = {value: ValueMappingResult(text=text, color=color) for value, (text, color) in words.items()}
    return [ValueMap(options=results)]


def word(panel: stat.Panel, words: Words) -> stat.Panel:
    """Words instead of numbers."""
    return panel.mappings(mapped(words))


def bars(title: str, expr: str, legend: str, *, about: str, unit: str = "none", steps: Steps) -> bargauge.Panel:
    """A bar for each of a few series, a third of the wall wide."""
    return (
        bargauge.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .height(9)
        .span(8)
        .unit(unit)
        .min(0)
        .thresholds(thresholds(steps))
        .orientation(VizOrientation.HORIZONTAL)
        .display_mode(BarGaugeDisplayMode.BASIC)
        .reduce_options(latest())
        .no_value("Không có")
        .with_target(query(expr, legend, instant=True))
    )


def lines(
    title: str, queries: Mapping[str, str], *, about: str, unit: str = "none", span: int = 12
) -> timeseries.Panel:
    """Lines over time: legend → expression."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .height(9)
        .span(span)
        .unit(unit)
        .min(0)
        .line_width(2)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
        )
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    )
    asked = zip(ascii_uppercase, queries.items(), strict=False)
    return panel.targets([query(expr, legend, ref_id=letter) for letter, (legend, expr) in asked])


def stacked(panel: timeseries.Panel) -> timeseries.Panel:
    """Areas on top of each other."""
    return panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL)).fill_opacity(60)


def coloured(panel: timeseries.Panel, colours: Mapping[str, str]) -> timeseries.Panel:
    """Fixed colours by legend."""
    for legend, colour in colours.items():
        fixed = {"mode": FieldColorModeId.FIXED, "fixedColor": colour}
        panel = panel.override_by_name(legend, [DynamicConfigValue(id_val="color", value=fixed)])
    return panel


def named(panel: bargauge.Panel, names: Mapping[str, str]) -> bargauge.Panel:
    """Vietnamese names instead of labels' values."""
    for label, vietnamese in names.items():
        panel = panel.override_by_name(label, [DynamicConfigValue(id_val="displayName", value=vietnamese)])
    return panel


class Column(NamedTuple):
    """A column of a table."""

    title: str
    unit: str = ""
    words: Words | None = None


def rows(title: str, queries: Mapping[str, str], columns: Mapping[str, Column], *, key: str, about: str) -> table.Panel:
    """A row for each value of the label ``key``: letter → expression, of which ``columns`` are shown, in their order.

    A column is a label, or ``Value #A`` for the value of query A.
    """
    panel = (
        table.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .height(9)
        .unit("none")
        .no_value("Không có")
        .targets(
            [query(expr, ref_id=letter, instant=True).format(PromQueryFormat.TABLE) for letter, expr in queries.items()]
        )
        .transformations(_joined(key, columns))
    )
    for column in columns.values():
        if shown := _shown(column):
            panel = panel.override_by_name(column.title, shown)
    return panel


def _shown(column: Column) -> list[DynamicConfigValue]:
    """How its cells look."""
    values: dict[str, object] = {"unit": column.unit}
    if column.words:
        values |= {"mappings": mapped(column.words), "custom.cellOptions": {"type": "color-text"}}
    return [DynamicConfigValue(id_val=name, value=value) for name, value in values.items() if value]


def _joined(key: str, columns: Mapping[str, Column]) -> list[DataTransformerConfig]:
    """One table of several, the columns that are wanted, their titles."""
    titles = {name: column.title for name, column in columns.items()}
    order = {name: place for place, name in enumerate(columns)}
    steps = {
        "joinByField": {"byField": key, "mode": "inner"},
        "filterFieldsByName": {"include": {"names": list(columns)}},
        "organize": {"indexByName": order, "renameByName": titles},
    }
    return [DataTransformerConfig(id_val=step, options=options) for step, options in steps.items()]
