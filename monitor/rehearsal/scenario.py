"""Reads a scenario: which faults strike when, over lines of which quality. ``data/scenarios/*.yaml`` are examples.

Decoded as every other file of the configuration is: all errors at once, each with line and column. What the file names
(nodes, points, check sets) is looked up by ``faults``, which knows the inventory.
"""

from collections.abc import Collection, Iterator
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from monitor.configuration.decode import WRONG, Name, decode
from monitor.configuration.errors import Errors, did_you_mean, quoted
from monitor.configuration.source import Node, find, read_yaml
from monitor.core.model import Inventory, Tier
from monitor.rehearsal.links import Line

Instant = Annotated[float, Meta(ge=0.0, le=86_400.0)]
Span = Annotated[float, Meta(gt=0.0, le=86_400.0)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]

LINES = {
    "province": Line(0.002, 0.0002),
    "agency": Line(0.002, 0.0003, 0.001),
    "district": Line(0.004, 0.0005, 0.001),
    "commune": Line(0.006, 0.001, 0.002),
    "village": Line(0.009, 0.002, 0.005),
    "village_4g": Line(0.045, 0.015, 0.1),
    "village_nat": Line(0.009, 0.002, 0.005),
}
"""Lines by check set, else by tier, as far as the scenario says nothing. Assumed, for FTTH and 4G in a province."""
MOBILE = "4g"
"""What the name of a check set for mobile lines ends in."""


class At(msgspec.Struct, frozen=True):
    """A node of one of the trees: what hangs on it is hit."""

    node: str


class Some(msgspec.Struct, frozen=True, kw_only=True):
    """Points: those named, or ``count`` drawn from those that fit the rest."""

    points: tuple[str, ...] = ()
    count: Count = 1
    tier: Tier | None = None
    district: str | None = None
    check_set: str | None = None


class Flapping(Some, frozen=True, kw_only=True):
    """Points that come and go (chập chờn)."""

    period_s: Span = 20.0
    down_s: Span = 8.0
    """For so long of each period, at a moment of the point's own."""

    def __post_init__(self) -> None:
        if self.down_s >= self.period_s:
            raise ValueError(f"down: expected less than period, {self.period_s:g}s, got {self.down_s:g}s")


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A fault that begins, or the end of one that has begun. Exactly one of :data:`ACTIONS` says which."""

    at_s: Instant
    name: str = ""
    """By which ``restore`` and the score know it."""
    for_s: Span | None = None
    """Until restored, or until the end of the scenario, when it is not said."""
    cut: At | None = None
    """Fibre or equipment at a node of the network."""
    power_cut: At | None = None
    """Mains at a node of the power tree: points fall as their batteries drain, network equipment at once."""
    flapping: Flapping | None = None
    codec_off: Some | None = None
    """The codec is off or hangs: nothing answers for the signalling, while the point is still to be reached."""
    site_off: Some | None = None
    """Points that fall for a reason of their own."""
    uplink: Literal["lost", "lossy"] | None = None
    """Our own: nothing passes, or not everything."""
    loss_ratio: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.5
    """Of an uplink that is lossy, each way."""
    restore: str | None = None
    """The name of the fault that ends."""

    def __post_init__(self) -> None:
        said = [name for name in ACTIONS if getattr(self, name) is not None]
        if len(said) != 1:
            raise ValueError(f"at: expected one of {', '.join(ACTIONS)} beside it, got {' and '.join(said) or 'none'}")

    @property
    def action(self) -> str:
        """Which of :data:`ACTIONS` it is."""
        return next(name for name in ACTIONS if getattr(self, name) is not None)


ACTIONS = ("cut", "power_cut", "flapping", "codec_off", "site_off", "uplink", "restore")


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of a scenario file."""

    title: str
    duration_s: Span
    battery_speed: Annotated[float, Meta(gt=0.0, le=10_000.0)] = 1.0
    """How many times faster than in life a battery drains: a rehearsal cannot wait for half an hour."""
    lines: dict[Name, Line] = {}
    """By check set or by tier; what is not named is as in :data:`LINES`."""
    events: tuple[Event, ...] = ()

    def line(self, check_set: str | None, tier: Tier) -> Line:
        """The line of a point."""
        lines = LINES | self.lines
        return lines[check_set] if check_set in lines else lines[tier]

    def faster(self, speed: float) -> "Scenario":
        """The same in less time: events and batteries go ``speed`` times as fast, the network as before."""
        events = tuple(
            msgspec.structs.replace(event, at_s=event.at_s / speed, for_s=event.for_s and event.for_s / speed)
            for event in self.events
        )
        return msgspec.structs.replace(
            self, duration_s=self.duration_s / speed, battery_speed=self.battery_speed * speed, events=events
        )

    def with_loss(self, loss_ratio: float | None, mobile_loss_ratio: float | None) -> "Scenario":
        """The same with another loss on every line, and with another on mobile lines; None leaves it as it is."""
        lines = LINES | self.lines
        for name, line in lines.items():
            wanted = mobile_loss_ratio if name.endswith(MOBILE) else loss_ratio
            if wanted is not None:
                lines[name] = msgspec.structs.replace(line, loss_ratio=wanted)
        return msgspec.structs.replace(self, lines=lines)


def names() -> list[str]:
    """The scenarios that come with the program."""
    folder = resources.files("monitor.rehearsal").joinpath("data", "scenarios")
    return sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml"))


def path_of(name: str) -> Path:
    """The file of a scenario: one that comes with the program, else the path that is given."""
    if name in names():
        return Path(str(resources.files("monitor.rehearsal").joinpath("data", "scenarios", f"{name}.yaml")))
    return Path(name)


def read(path: Path, inventory: Inventory, check_sets: Collection[str]) -> Scenario:
    """The scenario of a file, for a province. Raises InvalidConfiguration with every error at once."""
    errors = Errors()
    tree = read_yaml(path, errors)
    scenario = decode(tree, Scenario, errors) if tree is not None else WRONG
    if scenario is not WRONG and tree is not None:
        _check_lines(scenario, tree, check_sets, errors)
        _check_references(scenario, tree, inventory, check_sets, errors)
        _check_restores(scenario, tree, errors)
    if scenario is WRONG or errors.total:
        raise errors.invalid()
    return scenario


def _check_lines(scenario: Scenario, tree: Node, check_sets: Collection[str], errors: Errors) -> None:
    known = [*Tier, *check_sets]
    for name in scenario.lines:
        if name not in known:
            errors.add(
                find(tree, "lines", name),
                f"lines.{name}",
                "a tier or a check set",
                quoted(name),
                did_you_mean(name, known),
            )


def _check_references(
    scenario: Scenario, tree: Node, inventory: Inventory, check_sets: Collection[str], errors: Errors
) -> None:
    """Whether every node, point, district and check set that an event names is in the province."""
    known: dict[str, Collection[str]] = {
        "a node of network.csv": inventory.network.keys(),
        "a node of power.csv": inventory.power.keys(),
        "a point of points.csv": inventory.points.keys(),
        "a district's code": inventory.districts.keys(),
        "a check set": check_sets,
    }
    for index, event in enumerate(scenario.events):
        for name, expected, *way in _named(event):
            if name not in known[expected]:
                key = _key("events", index, *way)
                hint = did_you_mean(name, known[expected])
                errors.add(find(tree, "events", index, *way), key, expected, quoted(name), hint)


def _key(*way: str | int) -> str:
    """``events[3].cut.node``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in way).removeprefix(".")


def _named(event: Event) -> Iterator[tuple[str, str, *tuple[str | int, ...]]]:
    """Each name that an event takes from the inventory: the name, what it is to be, and the way to it."""
    if event.cut is not None:
        yield event.cut.node, "a node of network.csv", "cut", "node"
    if event.power_cut is not None:
        yield event.power_cut.node, "a node of power.csv", "power_cut", "node"
    some = event.flapping or event.codec_off or event.site_off or Some()
    for position, point in enumerate(some.points):
        yield point, "a point of points.csv", event.action, "points", position
    if some.district is not None:
        yield some.district, "a district's code", event.action, "district"
    if some.check_set is not None:
        yield some.check_set, "a check set", event.action, "check_set"


def _check_restores(scenario: Scenario, tree: Node, errors: Errors) -> None:
    """Whether each ``restore`` names a fault that begins before it."""
    for index, event in enumerate(scenario.events):
        began = [one.name for one in scenario.events if one.name and one.restore is None and one.at_s < event.at_s]
        if event.restore is not None and event.restore not in began:
            expected = f"one of {', '.join(began)}" if began else "the name of a fault that begins before"
            errors.add(
                find(tree, "events", index, "restore"),
                _key("events", index, "restore"),
                expected,
                quoted(event.restore),
            )
