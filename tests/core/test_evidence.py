"""Evidence of every source, merged into verdicts: pages, the platform's roll, UPSes, our own eyes."""

from collections.abc import Callable
from typing import Any

import pytest

from monitor.core.model import (
    BlindnessChanged,
    Cause,
    CheckPolicy,
    CheckState,
    Happening,
    PointChanged,
    PointState,
    PowerChanged,
    PowerState,
    Source,
)
from monitor.core.pipeline import Pipeline, Strain
from monitor.core.power import BROWSER, Reading
from monitor.core.pulse import Beat, Pulses, check_of
from probes.model import BATTERY_RUNTIME, ON_BATTERY, Failure, Layer, Measurement, Observation

Make = Callable[..., Any]


def changes(happened: list[Happening]) -> list[tuple[str, PointState, Cause]]:
    return [(h.point, h.after, h.cause) for h in happened if isinstance(h, PointChanged)]


class Site:
    """A province whose first point has a page, a roster line and a UPS as well; its ping may be left out."""

    def __init__(self, make: Make, *, pinged: bool = True) -> None:
        self.province = make()
        extra = [
            CheckPolicy(check_of("p0"), "p0", Layer.REACHABLE, 1.0, source=Source.PAGE),
            CheckPolicy("p0/room", "p0", Layer.JOINED, 5.0, source=Source.ROSTER),
            CheckPolicy("p1/room", "p1", Layer.JOINED, 5.0, source=Source.ROSTER),
            CheckPolicy("p0/ups", "p0", Layer.POWER, 5.0),
        ]
        service = CheckPolicy("service:bbb/room", "", Layer.JOINED, 5.0, source=Source.SERVICE)
        if not pinged:
            self.province.policies = [each for each in self.province.policies if each.point != "p0"]
        probed = self.province.policies
        self.province.pipeline = Pipeline(
            self.province.inventory, self.province.ceremony, [*probed, *extra, service], self.province.now
        )
        self.pulses = Pulses("here")
        self.open = False

    @property
    def pipeline(self) -> Pipeline:
        """What decides."""
        pipeline: Pipeline = self.province.pipeline
        return pipeline

    def run(self, seconds: float) -> list[Happening]:
        """A second at a time: the others are probed, the page beats while it is open."""
        happened: list[Happening] = []
        for _ in range(round(seconds * 10)):
            happened += self.province.run(0.1)
            now = self.province.now
            if self.open and round(now * 10) % 10 == 0:
                happened += self.pipeline.observe(self.pulses.beat("p0", "s", Beat(rtt_s=0.02), now))
            for observation in self.pulses.overdue(now):
                happened += self.pipeline.observe(observation)
        return happened

    def tell(self, check: str, measurement: Measurement) -> list[Happening]:
        """A probe of this check found this, now."""
        return self.pipeline.observe(Observation(check, self.province.now, "here", measurement))


@pytest.fixture
def site(province: Make) -> Callable[..., Site]:
    return lambda **options: Site(province, **options)


def test_a_point_behind_nat_is_watched_by_its_page_alone(site: Callable[..., Site]) -> None:
    """Unknown before its page is opened, up with it, down within three seconds of its silence, up again by itself."""
    nat = site(pinged=False)
    nat.run(3)
    assert nat.pipeline.points["p0"].cause is Cause.NO_EVIDENCE
    nat.open = True
    nat.run(30)
    assert nat.pipeline.points["p0"].state is PointState.UP
    nat.open = False
    fallen = nat.run(3.1)
    assert ("p0", PointState.DOWN, Cause.LOST_CONNECTION) in changes(fallen)
    nat.open = True
    nat.run(5)
    assert nat.pipeline.points["p0"].state is PointState.UP


def test_a_page_that_is_closed_in_an_orderly_way_accuses_nobody(site: Callable[..., Site]) -> None:
    nat = site(pinged=False)
    nat.open = True
    nat.run(10)
    nat.open = False
    assert nat.pulses.leave("p0", "s", nat.province.now)
    left = nat.pipeline.leave(check_of("p0"), nat.province.now)
    assert changes(left) == [("p0", PointState.UNKNOWN, Cause.NO_EVIDENCE)]
    assert not changes(nat.run(20))


def test_a_page_that_beats_refutes_a_ping_that_is_lost(site: Callable[..., Site]) -> None:
    both = site()
    both.open = True
    both.run(20)
    both.province.silent = {"p0"}
    assert not [change for change in changes(both.run(10)) if change[1] is PointState.DOWN]
    assert both.pipeline.checks["p0/icmp"].state is CheckState.DOWN


def test_a_cut_line_is_down_although_its_page_was_heard_just_before(site: Callable[..., Site]) -> None:
    """Probed once a second, without a confirm burst; the page is waited for no longer than an interval and a half."""
    both = site()
    both.open = True
    both.run(20)
    both.province.silent, both.open = {"p0"}, False
    assert ("p0", PointState.DOWN, Cause.LOST_CONNECTION) in changes(both.run(4.5))


ROLL = Measurement(True, 0.05, names=("P0", "khách"))


def test_the_roll_tells_who_has_joined(site: Callable[..., Site]) -> None:
    room = site()
    room.run(5)
    for _ in range(6):
        room.run(2)
        room.tell("service:bbb/room", ROLL)
    room.run(2)
    assert room.pipeline.checks["p0/room"].state is CheckState.UP
    assert room.pipeline.points["p0"].state is PointState.UP
    assert (room.pipeline.points["p1"].state, room.pipeline.points["p1"].cause) == (
        PointState.DEGRADED,
        Cause.NOT_JOINED,
    )


def test_a_platform_that_does_not_answer_says_nothing_of_the_points(site: Callable[..., Site]) -> None:
    room = site()
    room.run(5)
    for _ in range(6):
        room.run(2)
        room.tell("service:bbb/room", Measurement(False, 1.0, Failure.TIMEOUT))
    assert room.pipeline.checks["p1/room"].state is CheckState.UNKNOWN
    assert room.pipeline.points["p1"].state is PointState.UP


def ups(*, on_battery: bool) -> Measurement:
    return Measurement(True, 0.05, figures=((ON_BATTERY.name, float(on_battery)), (BATTERY_RUNTIME.name, 600.0)))


def test_a_ups_on_battery_degrades_and_names_the_fall(site: Callable[..., Site]) -> None:
    lit = site()
    lit.run(5)
    lit.tell("p0/ups", ups(on_battery=False))
    lit.run(1)
    happened = lit.tell("p0/ups", ups(on_battery=True))
    assert [(h.before, h.after) for h in happened if isinstance(h, PowerChanged)] == [
        (PowerState.MAINS, PowerState.BATTERY)
    ]
    assert changes(happened) == [("p0", PointState.DEGRADED, Cause.POWER_LOST)]
    assert lit.pipeline.points["p0"].power.left_s == 600.0
    lit.province.silent = {"p0"}
    assert ("p0", PointState.DOWN, Cause.POWER_LOST) in changes(lit.run(10))


def test_a_charger_that_is_pulled_counts_and_one_that_never_was_in_does_not(site: Callable[..., Site]) -> None:
    lit = site()
    lit.run(5)
    never = lit.pipeline.hear_power("p1", Reading(BROWSER, on_battery=True, at=lit.province.now))
    assert not changes(never)
    lit.pipeline.hear_power("p0", Reading(BROWSER, on_battery=False, at=lit.province.now))
    pulled = lit.pipeline.hear_power("p0", Reading(BROWSER, on_battery=True, at=lit.province.now))
    assert changes(pulled) == [("p0", PointState.DEGRADED, Cause.POWER_LOST)]
    assert not lit.pipeline.hear_power("nobody", Reading(BROWSER, on_battery=True, at=lit.province.now))


def test_what_falls_silent_while_we_are_strained_is_not_accused(province: Make) -> None:
    """Our kernel drops packets for a while: nobody is down, and when it lasts the monitor says that it is blind."""
    strained = province()
    strained.run(30)
    strained.silent = {"p1", "p2"}
    happened: list[Happening] = []
    for step in range(40):
        happened += strained.run(0.1)
        happened += strained.pipeline.tick(strained.now, Strain(0.0, dropped=step + 1))
    assert not [change for change in changes(happened) if change[1] is PointState.DOWN]
    assert [h.blind for h in happened if isinstance(h, BlindnessChanged)] == [True]
    assert "quá tải" in strained.pipeline.blind_reason
    strained.silent = set()
    seen = strained.run(5)
    assert [h.blind for h in seen if isinstance(h, BlindnessChanged)] == [False]


def test_a_gateway_that_answers_does_not_vouch_for_the_uplink(province: Make) -> None:
    """All points and the witness fall silent, the gateway answers: blind, and nobody is down."""
    behind = province()
    gateway = CheckPolicy("witness:router/icmp", "", Layer.REACHABLE, 0.2, source=Source.GATEWAY)
    behind.policies.append(gateway)
    behind.pipeline = Pipeline(behind.inventory, behind.ceremony, behind.policies, behind.now)
    observation = behind.observation
    behind.observation = lambda policy, **how: observation(policy, lost=False if policy is gateway else None, **how)
    behind.run(30)
    behind.silent = {*behind.names, "gateway"}
    happened = behind.run(20)
    assert not [change for change in changes(happened) if change[1] is PointState.DOWN]
    assert [h.blind for h in happened if isinstance(h, BlindnessChanged)] == [True]
    assert "bộ định tuyến" in behind.pipeline.blind_reason


@pytest.mark.parametrize("comes_again", [True, False])
def test_a_page_has_the_time_to_come_again_after_our_own_uplink_failed(
    site: Callable[..., Site], *, comes_again: bool
) -> None:
    """Its socket died with our uplink: it needs some seconds to open another, and is called down only after that."""
    nat = site(pinged=False)
    nat.open = True
    nat.run(30)
    nat.province.silent, nat.open = {*nat.province.names, "gateway"}, False
    nat.run(15)
    assert nat.pipeline.blind
    nat.province.silent = set()
    back = changes(nat.run(8))
    assert ("p0", PointState.UP, Cause.NONE) in back
    nat.open = comes_again
    back += changes(nat.run(12))
    assert (("p0", PointState.DOWN, Cause.LOST_CONNECTION) in back) is not comes_again
