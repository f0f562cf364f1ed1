"""What the gateway counts since it began, for metrics and the board. Pure."""

from collections import Counter

import msgspec

from probes.model import Histogram


def _acknowledge_times() -> Histogram:
    return Histogram.of(5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)


class GatewayCounters(msgspec.Struct):
    """The gateway writes them; everybody else reads."""

    attempts: Counter[tuple[str, str, str]] = msgspec.field(default_factory=Counter)
    """Messages handed to a channel, by desk, channel, outcome."""
    given_up: Counter[str] = msgspec.field(default_factory=Counter)
    """Messages that no channel took, by desk."""
    notices: Counter[str] = msgspec.field(default_factory=Counter)
    """Kept, by kind."""
    escalations: Counter[int] = msgspec.field(default_factory=Counter)
    """Desks told because nobody below had answered, by level."""
    refused: Counter[str] = msgspec.field(default_factory=Counter)
    """Webhooks, links and codes turned away, by why."""
    waiting: int = 0
    """Notices that no message tells yet,"""
    oldest_waiting_s: float = 0.0
    """and how long the oldest of them has waited."""
    circuits_open: dict[str, bool] = msgspec.field(default_factory=dict)
    """Channels that are not tried at the moment, because they fail."""
    leading: bool = False
    """Whether this monitor is the one that sends."""
    direct: bool = False
    """Whether it delivers without Alertmanager."""
    watchdog_at: float = 0.0
    """When Alertmanager last said that the whole chain lives (Unix time); 0 before the first time."""
    unacknowledged: int = 0
    """Incidents that desks are told of and nobody works on."""
    acknowledge_s: Histogram = msgspec.field(default_factory=_acknowledge_times)
    """From the opening of an incident to its first acknowledgement."""
