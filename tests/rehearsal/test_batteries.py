"""What a battery holds while the mains come and go."""

import pytest

from monitor.rehearsal.batteries import FULL, Battery


def test_a_battery_is_full_until_the_mains_fail_and_then_drains() -> None:
    battery = Battery(100.0, speed=60.0)
    assert battery.charge(1000.0) == FULL
    battery.turn(mains=False, now=1000.0)
    assert battery.charge(1047.0) == pytest.approx(0.5)
    assert battery.left_s(1047.0) == pytest.approx(3000.0), "in the time of life"
    assert battery.charge(1200.0) == 0.0


def test_it_charges_again_as_fast_and_no_further_than_full() -> None:
    battery = Battery(100.0)
    battery.turn(mains=False, now=0.0)
    battery.turn(mains=True, now=50.0)
    assert battery.charge(60.0) == pytest.approx(0.57)
    assert battery.charge(500.0) == FULL


def test_a_battery_that_holds_nothing_is_empty_at_once() -> None:
    battery = Battery(0.0)
    battery.turn(mains=False, now=5.0)
    assert (battery.charge(5.0), battery.left_s(5.0)) == (0.0, 0.0)
