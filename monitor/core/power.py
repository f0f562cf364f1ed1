"""Where a site's electricity comes from, merged from its UPS and from the browser of its page. Pure.

Declared rules:

* A **UPS** (UPS-MIB, Network UPS Tools) is believed as it speaks: mains or battery.
* **Browsers** are believed when a charger is plugged, and when none is any more that was plugged while its page was
  open. A laptop that was never seen plugged runs on its battery for reasons of its own: that is no power cut.
* A UPS that was heard lately outweighs the browser: what stands behind it keeps its charger.
* What was last heard stays, with its age: a site that went silent on battery went silent for want of power.
"""

import msgspec

from monitor.core.model import Power, PowerState
from probes.model import BATTERY_CHARGE, BATTERY_RUNTIME, ON_BATTERY, Measurement

UPS = "ups"
BROWSER = "browser"
UPS_SPEAKS_FOR_S = 120.0
"""A UPS is asked rarely; so long after its last word the browser is listened to instead."""


class Reading(msgspec.Struct, frozen=True):
    """One word on a site's electricity."""

    source: str
    on_battery: bool
    at: float
    left_s: float | None = None
    charge_ratio: float | None = None


def reading_of_ups(measurement: Measurement, at: float) -> Reading | None:
    """What a probe of a UPS says; None when it could not tell."""
    figures = dict(measurement.figures)
    on_battery = figures.get(ON_BATTERY.name)
    if not measurement.success or on_battery is None:
        return None
    left_s, charge = figures.get(BATTERY_RUNTIME.name), figures.get(BATTERY_CHARGE.name)
    return Reading(UPS, on_battery > 0, at, left_s, charge)


def hear(power: Power, reading: Reading) -> Power:
    """What is known after this word."""
    if reading.source == BROWSER and power.source == UPS and reading.at - power.heard_at < UPS_SPEAKS_FOR_S:
        return power
    state = _state(power, reading)
    since = power.since if state is power.state else reading.at
    return Power(state, reading.source, since, reading.at, reading.left_s, reading.charge_ratio)


def _state(power: Power, reading: Reading) -> PowerState:
    if not reading.on_battery:
        return PowerState.MAINS
    if reading.source == UPS or power.state is not PowerState.UNKNOWN:
        return PowerState.BATTERY
    return PowerState.UNKNOWN
