"""Where a site's electricity comes from."""

import pytest

from monitor.core.model import Power, PowerState
from monitor.core.power import BROWSER, UPS, UPS_SPEAKS_FOR_S, Reading, hear, reading_of_ups
from probes.model import BATTERY_CHARGE, BATTERY_RUNTIME, ON_BATTERY, Failure, Measurement

UNHEARD = Power()
MAINS, BATTERY, UNKNOWN = PowerState.MAINS, PowerState.BATTERY, PowerState.UNKNOWN


def told(*words: tuple[str, bool, float]) -> Power:
    power = UNHEARD
    for source, on_battery, at in words:
        power = hear(power, Reading(source, on_battery, at))
    return power


@pytest.mark.parametrize(
    ("words", "state"),
    [
        ([(UPS, True, 1.0)], BATTERY),
        ([(UPS, False, 1.0)], MAINS),
        ([(BROWSER, False, 1.0)], MAINS),
        ([(BROWSER, True, 1.0)], UNKNOWN),
        ([(BROWSER, True, 1.0), (BROWSER, True, 2.0)], UNKNOWN),
        ([(BROWSER, False, 1.0), (BROWSER, True, 2.0)], BATTERY),
        ([(BROWSER, False, 1.0), (BROWSER, True, 2.0), (BROWSER, False, 3.0)], MAINS),
        ([(UPS, True, 1.0), (BROWSER, False, 2.0)], BATTERY),
        ([(UPS, False, 1.0), (BROWSER, True, 2.0)], MAINS),
        ([(UPS, False, 1.0), (BROWSER, True, 2.0 + UPS_SPEAKS_FOR_S)], BATTERY),
    ],
)
def test_the_declared_rules(words: list[tuple[str, bool, float]], state: PowerState) -> None:
    assert told(*words).state is state


def test_since_is_when_it_changed_and_heard_when_it_was_last_said() -> None:
    power = told((UPS, True, 1.0), (UPS, True, 5.0))
    assert (power.since, power.heard_at) == (1.0, 5.0)


def test_a_probe_of_a_ups_is_read_by_its_figures() -> None:
    figures = ((ON_BATTERY.name, 1.0), (BATTERY_RUNTIME.name, 600.0), (BATTERY_CHARGE.name, 0.5))
    assert reading_of_ups(Measurement(True, 0.1, figures=figures), 7.0) == Reading(UPS, True, 7.0, 600.0, 0.5)
    assert reading_of_ups(Measurement(True, 0.1), 7.0) is None
    assert reading_of_ups(Measurement(False, 0.1, Failure.TIMEOUT, figures=figures), 7.0) is None
