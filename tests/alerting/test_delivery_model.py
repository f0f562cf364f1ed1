"""Ledger and outbox against stand-ins for Alertmanager, through every order of faults, outages and restarts."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from monitor.alerting.alertmanager import PostableAlert, postable, rfc3339
from monitor.alerting.ledger import Ledger
from monitor.alerting.outbox import Outbox
from monitor.core.model import Happening, PointState

POINTS = 5
EXPIRES_S = 120.0
POINT = st.integers(0, POINTS - 1).map("p{}".format)
STATE = st.sampled_from([PointState.UP, PointState.DOWN, PointState.DEGRADED, PointState.UNKNOWN])
PEER = st.integers(0, 1)


class StandIn:
    """Knows alerts by their labels, expires them at their end, and forgets all at a restart."""

    def __init__(self) -> None:
        self.up = True
        self.ends: dict[frozenset[tuple[str, str]], str] = {}

    def post(self, alerts: Iterable[PostableAlert]) -> None:
        """Take these in."""
        for alert in alerts:
            assert alert.starts_at <= alert.ends_at
            self.ends[frozenset(alert.labels.items())] = alert.ends_at

    def firing(self, now: str) -> set[frozenset[tuple[str, str]]]:
        """What has not ended."""
        return {labels for labels, ends_at in self.ends.items() if ends_at > now}


class Delivery(RuleBasedStateMachine):
    """At any moment the world may move; once both peers are up and heard, they fire what is true."""

    make_stage: ClassVar

    def __init__(self) -> None:
        super().__init__()
        self.stage = type(self).make_stage(POINTS)
        self.ledger = Ledger(self.stage.pipeline, external_url="https://monitor.example.invalid")
        self.outboxes = (Outbox(), Outbox())
        self.peers = (StandIn(), StandIn())
        self.lost: set[str] = set()
        """The model: points that were seen down, and have not been seen connected since."""

    @rule(point=POINT, state=STATE)
    def turn(self, point: str, state: PointState) -> None:
        """A point takes another state."""
        self.tell(self.stage.turn(point, state))
        down = state is PointState.DOWN
        if down and not self.stage.pipeline.blind:
            self.lost.add(point)
        elif not down and state is not PointState.UNKNOWN:
            self.lost.discard(point)

    @rule(blind=st.booleans())
    def sight(self, blind: bool) -> None:  # noqa: FBT001
        """The monitor loses its sight, or regains it."""
        self.tell(self.stage.blind(blind))
        if not blind:
            states = self.stage.pipeline.points
            self.lost |= {point for point, status in states.items() if status.state is PointState.DOWN}

    @rule(peer=PEER, forgets=st.booleans())
    def stop_or_start(self, peer: int, forgets: bool) -> None:  # noqa: FBT001
        """An Alertmanager goes or comes, perhaps without its memory."""
        self.peers[peer].up = not self.peers[peer].up
        if forgets:
            self.peers[peer].ends.clear()

    @rule(peer=PEER, most=st.integers(1, 3), answered=st.booleans())
    def request(self, peer: int, most: int, answered: bool) -> None:  # noqa: FBT001
        """One request; it may be acted upon and yet its answer be lost."""
        outbox, there = self.outboxes[peer], self.peers[peer]
        taken = outbox.take(most)
        entries = [entry for key in taken if (entry := self.ledger.entry(key)) is not None]
        if there.up:
            there.post([postable(entry, self.stage.now, EXPIRES_S) for entry in entries])
        if not (there.up and answered):
            outbox.failed()
        elif outbox.accepted():
            outbox.repeat(self.ledger)

    @rule(peer=PEER, most=st.integers(1, 3))
    def aborted_request(self, peer: int, most: int) -> None:
        """Taken and never accounted for, as when the service is cancelled."""
        self.outboxes[peer].take(most)

    @rule()
    def half_a_minute_passes(self) -> None:
        """Time to repeat."""
        self.stage.now += 30.0
        mended = self.ledger.mend(self.stage.now)
        self.ledger.forget(self.stage.now - 900.0, owed=set().union(*(box.owed() for box in self.outboxes)))
        for outbox in self.outboxes:
            outbox.change(mended)
            outbox.repeat(self.ledger)

    def tell(self, happenings: Iterable[Happening]) -> None:
        """Half a second passes, and these are told."""
        self.stage.now += 0.5
        changed = self.ledger.fold(happenings, self.stage.now)
        for outbox in self.outboxes:
            outbox.change(changed)

    @invariant()
    def fires_what_is_lost(self) -> None:
        """The ledger agrees with the model."""
        about = {alert.labels["instance"] for alert in self.ledger.firing.values() if "instance" in alert.labels}
        assert about == self.lost
        assert (len(self.ledger.firing) > len(about)) is self.stage.pipeline.blind

    def teardown(self) -> None:
        """Both peers come back: the next repeat leaves each with exactly what fires."""
        self.half_a_minute_passes()
        for peer, there in enumerate(self.peers):
            there.up = True
            while self.outboxes[peer].owed() or self.outboxes[peer]._repeats:
                self.request(peer, 3, answered=True)
            want = {frozenset(alert.labels.items()) for alert in self.ledger.firing.values()}
            assert there.firing(rfc3339(self.stage.now)) == want


def test_every_alertmanager_ends_with_what_fires(stage: Callable[[int], Any]) -> None:
    """Whatever happened, was lost, refused or restarted on the way, both end with the truth."""

    class OnStage(Delivery):
        make_stage = staticmethod(stage)

    run_state_machine_as_test(OnStage, settings=settings(max_examples=60, stateful_step_count=40, deadline=None))
