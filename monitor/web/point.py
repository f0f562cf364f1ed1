"""One point's page: its checks, its last hour drawn, and its place in both trees. Pure: (state, now) → what to show."""

from collections.abc import Iterator, Sequence
from math import inf, isfinite
from zoneinfo import ZoneInfo

import msgspec

from monitor.core.detection import CheckStatus
from monitor.core.history import Bin
from monitor.core.model import CheckState, Inventory, Node, Point, Power, PowerState, Source
from monitor.core.pipeline import Pipeline, PointStatus
from monitor.core.quality import mos_of
from monitor.web import incidents, text
from monitor.web.board import STATE_CODES
from monitor.web.text import TEXT
from probes.model import Layer, Measurement

CHECK_CODES = {"up": "u", "down": "d", "unknown": "n"}
LAYER_WORDS = {CheckState.UP: "layer_sound", CheckState.DOWN: "layer_broken", CheckState.UNKNOWN: "layer_unheard"}
POWER_CODES = {PowerState.MAINS: "u", PowerState.BATTERY: "g", PowerState.UNKNOWN: "n"}
HEIGHT = 100.0
"""The charts' own unit is a bin wide and a hundredth of the height high; the browser stretches it."""
ROUND = (1.0, 2.0, 5.0)
"""The scale ends at one of these times a power of ten."""
LEAST_SCALE_S = 0.001
HOUR_MARKS = 5


class Span(msgspec.Struct, frozen=True):
    """A stretch of a chart: first bin, bins, and how much of the height."""

    x: int
    width: int
    height: float = HEIGHT

    @property
    def y(self) -> float:
        """Its upper end."""
        return HEIGHT - self.height


class Chart(msgspec.Struct, frozen=True):
    """The last hour of a check."""

    bins: int
    lines: tuple[str, ...]
    """SVG paths of the round trip, interrupted where nothing answered."""
    losses: tuple[Span, ...]
    gaps: tuple[Span, ...]
    """Where nothing was probed."""
    scale: tuple[str, str, str]
    """Milliseconds at the top, the middle and the bottom."""
    hours: tuple[str, ...]
    summary: str


class Fact(msgspec.Struct, frozen=True):
    """A name and a value."""

    name: str
    value: str
    href: str = ""


class CheckView(msgspec.Struct, frozen=True):
    """A check as its card shows it."""

    module: str
    layer: str
    code: str
    state: str
    since: str
    notes: tuple[str, ...]
    """Held decisions and flapping."""
    figures: tuple[Fact, ...]
    chart: Chart


class Rung(msgspec.Struct, frozen=True):
    """A layer of the point, or its power: whether it is sound, and how old that knowledge is."""

    name: str
    code: str
    word: str
    heard: str
    """``nghe lần cuối 3 giây trước``; empty where nothing was heard."""


class Step(msgspec.Struct, frozen=True):
    """A node above the point, or above another node."""

    kind: str
    name: str
    id: str
    operator: str
    fed_by: str


class PointView(msgspec.Struct, frozen=True):
    """All that the page shows."""

    id: str
    name: str
    tier: str
    code: str
    state: str
    cause: str
    since: str
    detail: str
    ladder: tuple[Rung, ...]
    quality: str
    """The mean opinion score in words; empty where no line was timed."""
    facts: tuple[Fact, ...]
    checks: tuple[CheckView, ...]
    network: tuple[Step, ...]
    power: tuple[Step, ...]
    at: str
    blind: str
    incident: incidents.IncidentRow | None
    """Whose fault it is that it is down, or on battery."""


def view(pipeline: Pipeline, point_id: str, now: float) -> PointView | None:
    """The page of a point; None for an unknown one."""
    status = pipeline.points.get(point_id)
    if status is None:
        return None
    point, inventory, zone = status.point, pipeline.inventory, ZoneInfo(pipeline.ceremony.timezone)
    return PointView(
        id=point.id,
        name=point.name,
        tier=text.TIERS[point.tier],
        code=STATE_CODES[status.state],
        state=text.STATES[status.state],
        cause=text.CAUSES[status.cause],
        since=text.moment(status.since, now, zone),
        detail=failure(status.detail),
        ladder=(*_rungs(status, now), _power_rung(status.power, now, zone)),
        quality=_quality(mos_of(status.checks)),
        facts=tuple(_facts(point, inventory)),
        checks=tuple(_check(check, point.id, pipeline, now, zone) for check in status.checks if _shown(check)),
        network=tuple(steps(point.network_node, inventory)),
        power=tuple(steps(point.power_node, inventory)),
        at=text.moment(now, now, zone),
        blind=TEXT["blind"].format(since=text.moment(pipeline.blind_since, now, zone)) if pipeline.blind else "",
        incident=_incident(pipeline, point_id, now, zone),
    )


def _incident(pipeline: Pipeline, point_id: str, now: float, zone: ZoneInfo) -> incidents.IncidentRow | None:
    incident = pipeline.incidents.of_point(point_id)
    return incidents.row_of(incident, pipeline.inventory, now, zone) if incident is not None else None


def _rungs(status: PointStatus, now: float) -> Iterator[Rung]:
    for layer, state in status.layers.items():
        ours = [check for check in status.checks if check.policy.layer is layer]
        word = TEXT[LAYER_WORDS[state]]
        yield Rung(text.LAYERS[layer], CHECK_CODES[state], word, _heard(answered_at(ours), now))


def _shown(check: CheckStatus) -> bool:
    """A page that was never opened is no check to look at."""
    return check.policy.source is Source.PROBE or check.probes > 0


def answered_at(checks: Sequence[CheckStatus]) -> float:
    """When any of these checks was answered last; minus infinity for never."""
    return max((check.answered_at for check in checks), default=-inf)


def _heard(at: float, now: float) -> str:
    return TEXT["heard"].format(ago=ago(now - at)) if isfinite(at) else ""


def ago(seconds: float) -> str:
    """How long ago something was: ``vừa xong``, ``12 giây trước``, ``3 phút trước``."""
    if seconds < 1.5:
        return TEXT["just_now"]
    if seconds < 90:
        return TEXT["seconds_ago"].format(n=round(seconds))
    if seconds < 5400:
        return TEXT["minutes_ago"].format(n=round(seconds / 60))
    return TEXT["hours_ago"].format(n=round(seconds / 3600))


def _power_rung(power: Power, now: float, zone: ZoneInfo) -> Rung:
    name, code = text.LAYERS[Layer.POWER], POWER_CODES[power.state]
    if not power.source:
        return Rung(name, code, TEXT["layer_unheard"], "")
    known = {
        PowerState.MAINS: TEXT["on_mains"],
        PowerState.BATTERY: TEXT["on_battery"].format(since=text.moment(power.since, now, zone)),
        PowerState.UNKNOWN: TEXT["on_its_battery"],
    }
    left = TEXT["battery_left"].format(n=round(power.left_s / 60)) if power.left_s is not None else ""
    charge = TEXT["charge"].format(percent=text.percent(power.charge_ratio)) if power.charge_ratio is not None else ""
    words = ", ".join(filter(None, [known[power.state], left, charge, text.POWER_SOURCES.get(power.source, "")]))
    return Rung(name, code, words, _heard(power.heard_at, now))


def _quality(score: float | None) -> str:
    if score is None:
        return ""
    word = next(word for least, word in text.OPINIONS if score >= least)
    return TEXT["mos_of"].format(score=text.decimal(score), word=word)


def failure(detail: str) -> str:
    """A verdict's detail in Vietnamese: a failure's word, then what it names, such as a router."""
    word, _, named = detail.partition(" ")
    told = next((words for known, words in text.FAILURES.items() if known == word), None)
    if told is None:
        return detail
    return f"{told} ({named})" if named else told


def chart(bins: Sequence[Bin], now: float, zone: ZoneInfo) -> Chart:
    """Geometry and labels of the last hour."""
    top_s = scale(max((each.rtt_s for each in bins if isfinite(each.rtt_s)), default=0.0))
    return Chart(
        bins=len(bins),
        lines=tuple(_lines(bins, top_s)),
        losses=tuple(Span(x, 1, HEIGHT * each.lost / each.sent) for x, each in enumerate(bins) if each.lost),
        gaps=tuple(_gaps(bins)),
        scale=tuple(_plain(top_s * share) for share in (1.0, 0.5, 0.0)),  # type: ignore[arg-type]
        hours=_hours(bins, now, zone),
        summary=_summary(bins),
    )


def scale(most_s: float) -> float:
    """The least round number of seconds that holds them all."""
    top = LEAST_SCALE_S
    while True:
        for step in ROUND:
            if most_s <= top * step:
                return top * step
        top *= 10


def _lines(bins: Sequence[Bin], top_s: float) -> Iterator[str]:
    path: list[str] = []
    for x, each in enumerate([*bins, Bin(0.0, 0, 0, float("nan"))]):
        if isfinite(each.rtt_s):
            path.append(f"{x + 0.5:g} {HEIGHT * (1 - each.rtt_s / top_s):.1f}")
        elif path:
            yield "M" + " L".join(path) + ("h0.5" if len(path) == 1 else "")
            path = []


def _gaps(bins: Sequence[Bin]) -> Iterator[Span]:
    start: int | None = None
    for x, each in enumerate([*bins, Bin(0.0, 1, 0, 0.0)]):
        if not each.sent and start is None:
            start = x
        elif each.sent and start is not None:
            yield Span(start, x - start)
            start = None


def _hours(bins: Sequence[Bin], now: float, zone: ZoneInfo) -> tuple[str, ...]:
    start = bins[0].at if bins else now
    return tuple(text.time_of_day(start + (now - start) * i / (HOUR_MARKS - 1), zone) for i in range(HOUR_MARKS))


def _summary(bins: Sequence[Bin]) -> str:
    sent, lost = sum(each.sent for each in bins), sum(each.lost for each in bins)
    if not sent:
        return TEXT["hour_empty"]
    most_s = max((each.rtt_s for each in bins if isfinite(each.rtt_s)), default=float("nan"))
    return TEXT["hour_summary"].format(rtt=text.milliseconds(most_s), lost=text.count(lost), sent=text.count(sent))


def _plain(seconds: float) -> str:
    return f"{seconds * 1000:g}".replace(".", ",")


def _facts(point: Point, inventory: Inventory) -> Iterator[Fact]:
    yield Fact(TEXT["id"], point.id)
    yield Fact(TEXT["mode"], text.MODES[point.mode])
    if point.role:
        yield Fact(TEXT["role"], text.ROLES.get(point.role, point.role))
    if point.merged_into:
        host = inventory.points.get(point.merged_into)
        yield Fact(TEXT["merged_into"], host.name if host else point.merged_into, point.merged_into)
    if point.district_code:
        yield Fact(TEXT["district"], inventory.district_name(point.district_code))
    yield from (Fact(TEXT[key], value) for key, value in _optional(point) if value)


def _optional(point: Point) -> Iterator[tuple[str, str | None]]:
    yield "commune_code", point.commune_code
    yield "address", point.address
    yield "backup_link", point.backup_link and point.backup_link.upper()
    yield "ups", text.TEXT["minutes"].format(n=f"{point.ups_minutes:g}") if point.ups_minutes else None


def _check(check: CheckStatus, point_id: str, pipeline: Pipeline, now: float, zone: ZoneInfo) -> CheckView:
    module = check.policy.check.removeprefix(f"{point_id}/")
    if check.policy.source is Source.PAGE:
        module = TEXT["page_check"]
    return CheckView(
        module=module,
        layer=text.LAYERS[check.policy.layer],
        code=CHECK_CODES[check.state],
        state=text.CHECK_STATES[check.state],
        since=text.moment(check.since, now, zone),
        notes=tuple(_notes(check)),
        figures=tuple(_figures(check, now, zone)),
        chart=chart(pipeline.history(check.policy.check, now), now, zone),
    )


def _notes(check: CheckStatus) -> Iterator[str]:
    if check.hold is not None:
        yield text.HOLDS[check.hold]
    if check.flapping:
        yield TEXT["flapping"].lower()


def _figures(check: CheckStatus, now: float, zone: ZoneInfo) -> Iterator[Fact]:
    yield Fact(TEXT["rtt"], text.milliseconds(check.rtt_s))
    yield Fact(TEXT["loss"], text.percent(check.loss_ratio) if check.probes else "–")
    yield Fact(TEXT["jitter"], text.milliseconds(check.jitter_s) if check.probes else "–")
    yield Fact(TEXT["interval"], text.span(check.policy.interval_s))
    counted = TEXT["probes_of"].format(probes=text.count(check.probes), losses=text.count(check.losses))
    yield Fact(TEXT["probes"], counted)
    yield Fact(TEXT["last"], _last(check.last, text.moment(check.last_at, now, zone)))


def _last(measurement: Measurement | None, at: str) -> str:
    if measurement is None:
        return TEXT["never"]
    if measurement.failure is None:
        return f"{at} · {TEXT['last_good']}"
    return f"{at} · {failure(f'{measurement.failure} {measurement.detail}'.strip())}"


def steps(node_id: str | None, inventory: Inventory) -> Iterator[Step]:
    """From the root of the tree down to the node, such as the one that a point hangs on."""
    above: list[Node] = list(inventory.ancestors(node_id)) if node_id else []
    for node in reversed(above):
        fed_by = inventory.power.get(node.powered_by or "")
        yield Step(text.NODE_KINDS[node.kind], node.name, node.id, node.operator, fed_by.name if fed_by else "")
