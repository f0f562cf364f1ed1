"""Folds observations and the clock through the stages: detection → verdict → readiness, under the phase's policy.

The one writer of the state that everything else shows. Pure: a whole ceremony replays here in milliseconds. It
takes observations that are late, repeated, out of order or of a check it does not know, and a clock that jumps.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from math import inf, isfinite

import msgspec

from monitor.core import detection, verdict
from monitor.core.acknowledgement import Acknowledgement
from monitor.core.attribution import Attribution, Attributor, Priors
from monitor.core.blindness import Blindness, Sight
from monitor.core.checkin import CheckIn, Voice
from monitor.core.detection import CheckStatus
from monitor.core.dossier import Dossier, Question
from monitor.core.history import Bin, History
from monitor.core.incidents import Incidents, Province
from monitor.core.model import (
    BlindnessChanged,
    Cause,
    Ceremony,
    CheckChanged,
    CheckedIn,
    CheckPolicy,
    CheckState,
    Happening,
    Inventory,
    PhaseChanged,
    Point,
    PointChanged,
    PointState,
    Power,
    PowerChanged,
    PowerState,
    Source,
    Tier,
    Tree,
)
from monitor.core.phases import phase_at
from monitor.core.power import Reading, hear, reading_of_ups
from monitor.core.pulse import COMES_AGAIN_S
from monitor.core.readiness import BLIND_VALID_S, CONNECTED, Lack, Readiness, Rules, Seen, Standing, Tally
from monitor.core.roster import Register
from monitor.core.shared_fate import SharedFate
from monitor.core.snapshot import Content, content_of
from monitor.core.trend import Sample, Trend
from monitor.core.verdict import Layers
from probes.model import Failure, Layer, Measurement, Observation

SILENT_INTERVALS = 5
"""A check that has reported nothing, not even a loss, for so many of its intervals is unknown."""
SILENT_AT_LEAST_S = 15.0
SWEEP_S = 10.0
"""How long one pass over all checks takes, spread over the ticks."""
CLOCK_BACK_S = 1.0
"""A step back of the clock by more than this moves every instant that is kept."""
RECALLED_FOR_S = 30.0
"""After a restart a line that is seen up within so long was up all the while."""
STALL_S = 10.0
"""Ticks further apart than this: the process was held up, and its silence says nothing of the checks."""
BLIND_REASONS = {
    Blindness.SILENCE: "không nhận được trả lời nào từ bên ngoài, kể cả từ các điểm làm chứng",
    Blindness.UPLINK: "bộ định tuyến của hệ thống giám sát còn trả lời, phía ngoài thì không: đứt đường truyền ra",
    Blindness.LOSSY: "đường truyền của chính hệ thống giám sát mất gói nhiều: các điểm làm chứng cũng bị mất gói",
    Blindness.STRAIN: "máy chủ giám sát quá tải, không theo kịp các phép đo",
}
ATTRIBUTE_EVERY_S = 1.0
"""At most so often what is down is attributed,"""
ATTRIBUTE_AGAIN_S = 5.0
"""and so often while an incident is ongoing and nothing changes: batteries drain, words grow old."""
RESTLESS_S = 6.0
"""So long after a change the neighbours' answers still come in."""
RESTS, RESTS_AT_MOST_S = 4.0, 3.0
"""In a storm one takes longer: it then rests for so many times as long, so that probing goes on, but not longer."""
REVIEW_EVERY_S = 0.2
"""How often incidents are looked at for what time alone changes."""
LAG_S = 0.25
"""A loop held up for longer than this has its own silence to answer for."""
STRAIN_BEFORE_S = 0.5
"""What was sent so shortly before a strain was noticed may have been lost to it."""
VOUCHES = frozenset({Source.PROBE, Source.PAGE, Source.SERVICE, Source.WITNESS})
"""Whose answers prove that our uplink works."""
NOT_JOINED = "not in the room"


class Strain(msgspec.Struct, frozen=True):
    """How well we keep up, counted since the start by the loop and the engine."""

    lag_s: float = 0.0
    """How late the loop is now."""
    dropped: int = 0
    """Packets that our own kernel dropped."""


class PointStatus(msgspec.Struct):
    """All that is known of one point. The pipeline writes it; everybody else reads."""

    point: Point
    checks: tuple[CheckStatus, ...]
    state: PointState
    cause: Cause
    since: float
    detail: str = ""
    layers: Layers = {}
    power: Power = Power()
    contested_until: float | None = None
    """When to judge again, for a check that was not heard since another one fell."""
    seen: verdict.Verdict | None = None
    """What was shown before blindness, with its own ``since``, to come back to."""


class Pipeline:
    """The state of the province, and the only way to change it: ``observe``, ``tick`` and ``replace``."""

    def __init__(
        self,
        inventory: Inventory,
        ceremony: Ceremony,
        policies: Iterable[CheckPolicy],
        now: float,
        priors: Priors | None = None,
        rules: Rules | None = None,
    ) -> None:
        self.trend = Trend()
        """How the count has gone."""
        self._recalled: dict[str, float] = {}
        """Since when points were connected before a restart,"""
        self._recalled_until = -inf
        """and until when that may be believed."""
        self.incidents = Incidents()
        """Whose fault what is down is."""
        self.happenings: Counter[str] = Counter()
        """How many of each sort, by name."""
        self.check_ins: Counter[tuple[Voice, bool]] = Counter()
        """How many were received, by who spoke and whether it was late."""
        self.stale = 0
        """Observations that came twice or after a newer one of their check: counted, not believed."""
        self.strays = 0
        """Observations of a check that is not, or no longer, configured, or at no instant at all."""
        self._sight = Sight()
        self._strain = Strain()
        self._contested: set[str] = set()
        self._waiting: deque[Observation] = deque()
        """Losses of which it cannot be told yet whether they were sighted; the oldest first."""
        self._checks: dict[str, CheckStatus] = {}
        self._history = History(0)
        self._columns: dict[str, int] = {}
        self._points: dict[str, PointStatus] = {}
        self._now = now
        self._changed_at = -inf
        """When the evidence of the attribution last changed,"""
        self._asked_at = -inf
        """and of when it was last asked for,"""
        self._unanswered = False
        """Whether the last question has had no answer: it will be asked again."""
        self._reviewed_at = -inf
        """and when incidents were last looked at."""
        self._tally = Tally({}, Rules(), 0.0, now)
        self._install(inventory, ceremony, policies, now, priors, rules)

    @property
    def blind(self) -> bool:
        """Whether the monitor itself does not see; then nothing is said about points."""
        return self._sight.blind

    @property
    def blind_since(self) -> float:
        """When that began (Unix time); meaningful while blind."""
        return self._sight.since

    @property
    def blind_reason(self) -> str:
        """Why, for people; empty while we see."""
        return BLIND_REASONS[self._sight.reason] if self._sight.blind else ""

    @property
    def points(self) -> Mapping[str, PointStatus]:
        """Every point of the inventory, by id."""
        return self._points

    @property
    def checks(self) -> Mapping[str, CheckStatus]:
        """Every check, witnesses included, by id."""
        return self._checks

    @property
    def counts(self) -> Mapping[tuple[Tier, str, PointState], int]:
        """How many points by (tier, district code or "", state); zeros may occur."""
        return self._counts

    @property
    def tally(self) -> Tally:
        """Who is ready, and what the others lack; another object after ``replace``."""
        return self._tally

    def readiness(self, now: float) -> Readiness:
        """Points and people at ``now``, by tier."""
        return self._tally.count(now)

    def standing(self, point_id: str, now: float) -> Standing:
        """Whether a point is ready, and what it lacks. Raises KeyError for an unknown one."""
        return self._tally.standing(point_id, now, attended=_is_attended(self._points[point_id]))

    def lacking(self, now: float) -> Counter[tuple[Tier, Lack]]:
        """How many points taking part lack what, by tier; zeros may occur."""
        pages = (check for check in self._order if check.policy.source is Source.PAGE)
        return self._tally.lacking(now, (page.policy.point for page in pages if page.state is CheckState.UP))

    def content(self, now: float) -> Content:
        """The whole count at ``now``: some 10 µs a point."""
        return content_of(
            ceremony=self.ceremony,
            inventory=self.inventory,
            target_ratio=self._tally.rules.target_ratio,
            readiness=self._tally.count(now),
            places=self._tally.places(now),
            standings=[self.standing(point_id, now) for point_id in self._points],
            blind=self.blind,
        )

    def restore(
        self,
        reports: Iterable[CheckIn],
        incidents: Iterable[bytes],
        samples: Iterable[Sample],
        now: float,
        connected: Mapping[str, float] | None = None,
    ) -> int:
        """Take up what was kept before a restart; how many incidents could not be.

        ``connected``: since when points were connected, where the restart was too short to have missed much.
        """
        self._recalled, self._recalled_until = dict(connected or {}), now + RECALLED_FOR_S
        for report in reports:
            self._tally.report(report, now)
        self.trend = Trend(samples)
        return self.incidents.restore(incidents, self._province, now)

    def check_in(self, report: CheckIn) -> list[Happening]:
        """A check-in that is kept for good; what happened because of it."""
        if report.point not in self._points:
            return []
        self._tally.report(report, self._now)
        self.check_ins[report.author.voice, report.late] += 1
        return self._told([CheckedIn(report.point, report.received_at, report.late, report.author.voice)])

    def acknowledge(self, said_so: Acknowledgement) -> list[Happening]:
        """A desk works on an incident, which is kept for good; what happened because of it."""
        return self._told(list(self.incidents.acknowledge(said_so, max(self._now, said_so.at))))

    def escalated(self, incident_id: str, desk: str, now: float) -> list[Happening]:
        """A desk is told because nobody below it has acknowledged; what happened because of it."""
        return self._told(list(self.incidents.escalated(incident_id, desk, now)))

    def history(self, check_id: str, now: float) -> list[Bin]:
        """The last hour of a check, oldest first. Raises KeyError for an unknown check."""
        return self._history.read(self._columns[check_id], now)

    def observe(self, observation: Observation) -> list[Happening]:
        """Fold one observation in; what happened because of it, in order."""
        happened = self._take(observation)
        return self._told(happened) if happened else happened

    def hear_power(self, point_id: str, reading: Reading) -> list[Happening]:
        """A word on a site's electricity, from its page; what happened because of it."""
        status = self._points.get(point_id)
        happened = self._powered(status, reading) if status is not None else []
        return self._told(happened) if happened else happened

    def leave(self, check_id: str, at: float) -> list[Happening]:
        """A page was closed in an orderly way: its check says nothing any more."""
        status = self._checks.get(check_id)
        if status is None or status.state is CheckState.UNKNOWN:
            return []
        return self._told(self._forget(status, at))

    def tick(self, now: float, strain: Strain | None = None) -> list[Happening]:
        """Let time pass: phases, waiting losses, blindness, silence. Wants to be called several times a second."""
        happened: list[Happening] = []
        passed, self._now = now - self._now, now
        if strain is not None:
            self._feel(strain, now)
        if passed < -CLOCK_BACK_S:
            self._shift(passed)
        elif passed > STALL_S:
            self._grace_until = now + STALL_S
        happened += self._change_phase(now)
        happened += self._judge_waiting(now)
        if (doubt := self._sight.doubted(now)) is not None:
            happened += self._lose_sight(doubt, now)
        for point_id in [each for each in self._contested if self._due(each, now)]:
            happened += self._judge(point_id, now)
        happened += self._sweep(max(0.0, min(passed, SWEEP_S)), now)
        happened += self._review(now)
        if self.trend.due(now):
            total = self._tally.count(now).total
            self.trend.note(Sample(now, total.expected, total.up, total.ready, total.delegates))
        return self._told(happened) if happened else happened

    def question(self, now: float) -> Question | None:
        """What is to be attributed now; None when it is not time, nothing is down, or we do not see."""
        since_s = now - self._asked_at
        restless = self._unanswered or self._changed_at > self._asked_at - RESTLESS_S
        wait_s = ATTRIBUTE_EVERY_S if restless else ATTRIBUTE_AGAIN_S if self.incidents.waiting else inf
        wait_s = max(wait_s, min(self.incidents.attribution_s * RESTS, RESTS_AT_MOST_S))
        if self.blind or 0 <= since_s < wait_s:
            return None
        self._asked_at, self._unanswered = now, True
        return Question(self._dossier.attributor, self._dossier.at(now, self._points), now)

    def attributed(self, question: Question, answer: Attribution, took_s: float, now: float) -> list[Happening]:
        """A question has been answered; what happened because of it. One about another inventory is passed over."""
        self.incidents.timed(took_s)
        self._unanswered = False
        if self.blind or question.attributor is not self._dossier.attributor:
            return []
        return self._told(list(self.incidents.fold(answer, self._province, now)))

    def neighbours(self, point_id: str) -> list[str]:
        """The checks that tell whether what took this point has taken those beside it, too."""
        points = self._dossier.attributor.neighbours(Tree.SITE, point_id)
        checks = (check for one in points for check in self._points[one].checks)
        return [check.policy.check for check in checks if check.policy.layer is Layer.REACHABLE]

    def set_policies(self, policies: Iterable[CheckPolicy]) -> None:
        """The same checks under the policy of another phase."""
        for policy in policies:
            if policy.check in self._checks:
                self._checks[policy.check].policy = policy
        self._expect_answers()

    def replace(
        self,
        inventory: Inventory,
        ceremony: Ceremony,
        policies: Iterable[CheckPolicy],
        now: float,
        priors: Priors | None = None,
        rules: Rules | None = None,
    ) -> list[Happening]:
        """Another configuration: what survives keeps its state, what is gone is forgotten."""
        before = {point_id: (status.state, status.cause) for point_id, status in self._points.items()}
        phase = self.phase
        self._install(inventory, ceremony, policies, now, priors, rules)
        happened: list[Happening] = []
        if self.phase.name != phase.name:
            happened.append(PhaseChanged(phase.name, self.phase.name, now))
        for point_id, status in self._points.items():
            state, cause = before.get(point_id, (status.state, status.cause))
            if (state, cause) != (status.state, status.cause):
                happened.append(PointChanged(point_id, state, status.state, status.cause, now, status.since))
        return self._told(happened)

    def _install(
        self,
        inventory: Inventory,
        ceremony: Ceremony,
        policies: Iterable[CheckPolicy],
        now: float,
        priors: Priors | None,
        rules: Rules | None,
    ) -> None:
        reports = self._tally.reports()
        self.inventory, self.ceremony = inventory, ceremony
        self.phase = phase_at(ceremony, now)
        self._boundary = detection.threshold(self.phase.alpha)
        old, old_points = self._checks, self._points
        self._checks = {policy.check: self._adopt(old.get(policy.check), policy, now) for policy in policies}
        self._adopt_history(old)
        self._order = list(self._checks.values())
        self._cursor = 0
        self._grace_until = now + SILENT_AT_LEAST_S
        self._sight.checks = sum(map(_is_eye, self._order))
        self._sight.witnesses = sum(check.policy.source is Source.WITNESS for check in self._order)
        self._sight.testimony.clear()
        self._expect_answers()
        self._register = Register(inventory)
        self._rosters = _rosters(self._order)
        self._contested.clear()
        probed = {policy.point for policy in (check.policy for check in self._order) if policy.point}
        self._fate = SharedFate(inventory, [inventory.points[point_id] for point_id in sorted(probed)])
        self._tally = Tally(inventory.points, rules or Rules(), ceremony.ready_after_s, now)
        self._seat_points(old_points, now)
        for report in reports:
            self._tally.report(report, now)
        self._dossier = Dossier(Attributor(inventory, priors), self._points)
        for check in self._order:
            self._heard_node(check, now)
        self._province = Province(self._points, self._dossier.attributor)
        self._changed_at = now

    def _expect_answers(self) -> None:
        self._sight.rate = sum(_answers_of(check, check.state) for check in self._order)

    def _adopt(self, old: CheckStatus | None, policy: CheckPolicy, now: float) -> CheckStatus:
        if old is None:
            return detection.fresh(policy, now)
        old.policy = policy
        return old

    def _adopt_history(self, old: Mapping[str, CheckStatus]) -> None:
        columns = {check_id: column for column, check_id in enumerate(self._checks)}
        history = History(len(columns))
        if old:
            history.adopt(self._history, [(self._columns[c], columns[c]) for c in columns if c in old])
        self._columns, self._history = columns, history

    def _seat_points(self, old: Mapping[str, PointStatus], now: float) -> None:
        ours: dict[str, list[CheckStatus]] = {point_id: [] for point_id in self.inventory.points}
        for check in self._order:
            if check.policy.point:
                ours[check.policy.point].append(check)
        self._points = {}
        self._counts: Counter[tuple[Tier, str, PointState]] = Counter()
        for point in self.inventory.points.values():
            self._seat(point, tuple(ours[point.id]), old.get(point.id), now)

    def _seat(self, point: Point, checks: tuple[CheckStatus, ...], old: PointStatus | None, now: float) -> None:
        power = old.power if old is not None else Power()
        seen = verdict.judge(point, checks, blind=self.blind, now=now, power=power)
        status = PointStatus(point, checks, seen.state, seen.cause, seen.since or now, seen.detail, seen.layers, power)
        self._contest(status, seen)
        if old is not None and (old.state, old.cause) == (status.state, status.cause):
            status.since, status.seen = old.since, old.seen
        self._points[point.id] = status
        self._counts[point.tier, point.district_code or "", status.state] += 1
        self._tally.place(point.id, self._as_seen(status), now)

    def _take(self, observation: Observation) -> list[Happening]:
        status = self._checks.get(observation.check)
        at, measurement = observation.observed_at, observation.measurement
        if status is None or not (isfinite(at) and isfinite(measurement.duration_s)):
            self.strays += 1
            return []
        if at < status.last_at or (at == status.last_at and measurement == status.last):
            self.stale += 1
            return []
        if not detection.record(status, measurement, at):
            return []
        if status.policy.source in (Source.WITNESS, Source.GATEWAY):
            self._testify(status, observation)
        if measurement.success:
            return self._answered(status, observation)
        if not self._sight.blind:
            self._history.add(self._columns[observation.check], at, None)
        sent_at = at - measurement.duration_s
        if sent_at + self._sight.patience_s > at:
            self._waiting.append(observation)
            return []
        return self._lost(status, observation)

    def _answered(self, status: CheckStatus, observation: Observation) -> list[Happening]:
        at, measurement = observation.observed_at, observation.measurement
        sent_at = at - measurement.duration_s
        vouches = status.policy.source in VOUCHES
        happened = self._regain(at) if vouches and self._sight.saw(sent_at) else []
        if status.policy.layer is Layer.POWER:
            happened += self._heard_ups(status, observation)
        if observation.check in self._rosters:
            happened += self._call_roll(observation)
        if status.policy.layer is Layer.REACHABLE and status.policy.point:
            self._fate.answered(status.policy.point, sent_at)
        self._history.add(self._columns[observation.check], at, measurement.duration_s)
        return self._fold(status, observation, 0.0, happened)

    def _lost(self, status: CheckStatus, observation: Observation) -> list[Happening]:
        at, measurement = observation.observed_at, observation.measurement
        sent_at = at - measurement.duration_s
        if self._sight.blind or sent_at < self._sight.since or self._comes_again(status, sent_at):
            return []
        if not self._sight.sighted(sent_at):
            self._sight.miss(observation.check, sent_at)
            return []
        point_id = status.policy.point
        if status.policy.layer is not Layer.REACHABLE or not point_id:
            return self._fold(status, observation, 0.0, [])
        gain = detection.gain_of_loss(status)
        if status.hold is None and status.state is not CheckState.DOWN:
            self._fate.lost(point_id, gain, sent_at)
        return self._fold(status, observation, self._fate.support(point_id, gain, sent_at), [])

    def _comes_again(self, status: CheckStatus, at: float) -> bool:
        """Whether it is a page that our own blindness parted from us, and that has not had the time to come again."""
        regained_at = self._sight.since
        parted = status.policy.source is Source.PAGE and status.answered_at < regained_at
        return parted and at < regained_at + COMES_AGAIN_S

    def _fold(
        self, status: CheckStatus, observation: Observation, support: float, happened: list[Happening]
    ) -> list[Happening]:
        before, quality = status.state, status.quality
        at = observation.observed_at
        detection.observe(status, observation.measurement, at, self._boundary, support)
        if status.state is not before:
            happened.append(self._changed(status, before, at))
            self._heard_node(status, at)
            detection.judge_flapping(status, at)
        elif status.quality is quality:
            return happened
        happened += self._judge(status.policy.point, at)
        return happened

    def _changed(self, status: CheckStatus, before: CheckState, at: float) -> CheckChanged:
        self._sight.rate += _answers_of(status, status.state) - _answers_of(status, before)
        if status.policy.source is Source.PAGE:
            self._sight.checks += (status.state is not CheckState.UNKNOWN) - (before is not CheckState.UNKNOWN)
        failure = status.last.failure if status.last else None
        detail = status.last.detail if status.last else ""
        policy = status.policy
        return CheckChanged(policy.check, policy.point, before, status.state, at, status.since, failure, detail)

    def _judge(self, point_id: str, at: float) -> list[Happening]:
        if not point_id:
            return []
        status = self._points[point_id]
        found = verdict.judge(status.point, status.checks, blind=self.blind, now=at, power=status.power)
        status.layers = found.layers
        self._contest(status, found)
        if found.state is status.state and found.cause is status.cause:
            status.detail = found.detail
            return []
        before, since = status.state, status.since
        status.since = found.since if found.since is not None else at
        if before is PointState.UNKNOWN and self._recalled:
            status.since = self._recall(point_id, found.state, status.since, at)
        if found.cause is Cause.BLIND:
            status.seen = verdict.Verdict(before, status.cause, since)
        elif status.seen is not None:
            if (status.seen.state, status.seen.cause) == (found.state, found.cause) and status.seen.since is not None:
                status.since = status.seen.since
            status.seen = None
        status.state, status.cause, status.detail = found.state, found.cause, found.detail
        self._counts[status.point.tier, status.point.district_code or "", before] -= 1
        self._counts[status.point.tier, status.point.district_code or "", status.state] += 1
        self._tally.place(point_id, self._as_seen(status), at)
        self._noted(status, at)
        return [PointChanged(point_id, before, status.state, status.cause, at, status.since, status.detail)]

    def _recall(self, point_id: str, state: PointState, since: float, at: float) -> float:
        """Since when a point is so, that is seen for the first time since a restart."""
        recalled = self._recalled.pop(point_id, None)
        believed = recalled is not None and state in CONNECTED and at <= self._recalled_until
        return min(since, recalled) if believed and recalled is not None else since

    def _as_seen(self, status: PointStatus) -> Seen:
        """A point's line as readiness counts it: while we do not see, as it was last seen, for a while."""
        if status.seen is not None and status.cause is Cause.BLIND:
            since = status.since if status.seen.since is None else status.seen.since
            return Seen(status.seen.state, status.seen.cause, since, self.blind_since + BLIND_VALID_S)
        return Seen(status.state, status.cause, status.since)

    def _contest(self, status: PointStatus, found: verdict.Verdict) -> None:
        """Remember that a point is to be judged again, if it is."""
        status.contested_until = found.contested_until
        if found.contested_until is None:
            self._contested.discard(status.point.id)
        else:
            self._contested.add(status.point.id)

    def _due(self, point_id: str, now: float) -> bool:
        until = self._points[point_id].contested_until
        return until is not None and until <= now

    def _heard_node(self, status: CheckStatus, at: float) -> None:
        """A node of the network answers, or does not any more."""
        if status.policy.node:
            self._dossier.note_node(status.policy.node, status.state)
            self._changed_at = max(self._changed_at, at)

    def _heard_ups(self, status: CheckStatus, observation: Observation) -> list[Happening]:
        point = self._points.get(status.policy.point)
        reading = reading_of_ups(observation.measurement, observation.observed_at)
        return self._powered(point, reading) if point is not None and reading is not None else []

    def _powered(self, status: PointStatus, reading: Reading) -> list[Happening]:
        before, status.power = status.power.state, hear(status.power, reading)
        if status.power.state is before:
            if status.power.state is PowerState.BATTERY:
                self._dossier.note(status.point.id, status)  # its minutes left
            return []
        self._noted(status, reading.at)
        point_id, after = status.point.id, status.power.state
        return [
            PowerChanged(point_id, before, after, reading.at, status.power.source),
            *self._judge(point_id, reading.at),
        ]

    def _call_roll(self, observation: Observation) -> list[Happening]:
        """The platform has told who has joined: an answer, or the lack of one, for each point."""
        joined = self._register.joined(observation.measurement.names)
        happened: list[Happening] = []
        for status in self._rosters[observation.check]:
            there = status.policy.point in joined
            found = Measurement(True, 0.0) if there else Measurement(False, 0.0, Failure.STATUS, NOT_JOINED)
            happened += self._take(msgspec.structs.replace(observation, check=status.policy.check, measurement=found))
        return happened

    def _testify(self, status: CheckStatus, observation: Observation) -> None:
        sent_at = observation.observed_at - observation.measurement.duration_s
        gateway = status.policy.source is Source.GATEWAY
        self._sight.testify(observation.check, sent_at, lost=not observation.measurement.success, gateway=gateway)

    def _review(self, now: float) -> list[Happening]:
        """Let incidents notice that time has passed."""
        if self.blind or not self.incidents.waiting or 0 <= now - self._reviewed_at < REVIEW_EVERY_S:
            return []
        self._reviewed_at = now
        return list(self.incidents.advance(self._province, now))

    def _noted(self, status: PointStatus, at: float) -> None:
        """The evidence of the attribution has changed."""
        self._dossier.note(status.point.id, status)
        self._changed_at = max(self._changed_at, at)

    def _feel(self, strain: Strain, now: float) -> None:
        """What the loop and the kernel say of ourselves."""
        dropped, self._strain = strain.dropped > self._strain.dropped, strain
        if dropped or strain.lag_s > LAG_S:
            self._sight.strain(now - strain.lag_s - STRAIN_BEFORE_S, now)

    def _change_phase(self, now: float) -> list[Happening]:
        phase = phase_at(self.ceremony, now)
        if phase is self.phase:
            return []
        before, self.phase = self.phase, phase
        self._boundary = detection.threshold(phase.alpha)
        self._grace_until = max(self._grace_until, now + SILENT_INTERVALS * before.interval_s)
        return [PhaseChanged(before.name, phase.name, now)]

    def _judge_waiting(self, now: float) -> list[Happening]:
        """Losses that were known before it could be told whether they were sighted."""
        happened: list[Happening] = []
        patience_s = self._sight.patience_s
        while self._waiting:
            observation = self._waiting[0]
            sent_at = observation.observed_at - observation.measurement.duration_s
            if sent_at + patience_s > now:
                break
            self._waiting.popleft()
            status = self._checks.get(observation.check)
            if status is not None:
                happened += self._lost(status, observation)
        return happened

    def _lose_sight(self, doubt: Blindness, now: float) -> list[Happening]:
        self._sight.lose(doubt)
        self._fate.forget()
        for status in self._order:
            detection.abandon(status)
        since = self._sight.since
        happened: list[Happening] = [BlindnessChanged(blind=True, at=now, since=since, reason=BLIND_REASONS[doubt])]
        for point_id in self._points:
            happened += self._judge(point_id, now)
        return happened

    def _regain(self, now: float) -> list[Happening]:
        since = self._sight.since
        self._sight.regain(now)
        self._grace_until = now + SILENT_AT_LEAST_S
        happened: list[Happening] = [BlindnessChanged(blind=False, at=now, since=since, reason="")]
        for point_id in self._points:
            happened += self._judge(point_id, now)
        return happened

    def _sweep(self, passed: float, now: float) -> list[Happening]:
        """Look at the next part of the checks for silence and for flapping that has calmed down."""
        happened: list[Happening] = []
        share = min(len(self._order), int(len(self._order) * passed / SWEEP_S) + 1)
        for _ in range(share if self._order else 0):
            self._cursor = (self._cursor + 1) % len(self._order)
            happened += self._look_at(self._order[self._cursor], now)
        return happened

    def _look_at(self, status: CheckStatus, now: float) -> list[Happening]:
        changed = detection.judge_flapping(status, now)
        silence_s = max(SILENT_AT_LEAST_S, SILENT_INTERVALS * status.policy.interval_s)
        if (
            status.state is not CheckState.UNKNOWN
            and now - status.last_at > silence_s
            and now > self._grace_until
            and not self.blind
        ):
            return self._forget(status, now)
        return self._judge(status.policy.point, now) if changed else []

    def _forget(self, status: CheckStatus, now: float) -> list[Happening]:
        before = status.state
        detection.forget(status, now)
        self._heard_node(status, now)
        return [self._changed(status, before, now), *self._judge(status.policy.point, now)]

    def _shift(self, by_s: float) -> None:
        """The clock was set back: move what is remembered with it, or everything new would look late."""
        for check in self._order:
            check.last_at += by_s
            check.since += by_s
            check.answered_at += by_s
            check.test_sent_at += by_s
        self._sight.shift(by_s)
        self.incidents.shift(by_s)
        self._dossier.shift(by_s)
        self._tally.shift(by_s, self._now)
        self._changed_at += by_s
        self._asked_at += by_s
        self._waiting.clear()
        self._grace_until += by_s

    def _told(self, happened: list[Happening]) -> list[Happening]:
        for happening in happened:
            self.happenings[type(happening).__name__] += 1
        return happened


def _is_attended(status: PointStatus) -> bool:
    """Whether somebody is there: its page is open."""
    return any(check.policy.source is Source.PAGE and check.state is CheckState.UP for check in status.checks)


def _answers_of(status: CheckStatus, state: CheckState) -> float:
    """Answers a second that prove our uplink, to be expected of a check in this state."""
    return 1 / status.policy.interval_s if state is CheckState.UP and status.policy.source in VOUCHES else 0.0


def _is_eye(status: CheckStatus) -> bool:
    """Whether a check may vouch for our sight; a page does once it has been heard."""
    source = status.policy.source
    return source in VOUCHES and (source is not Source.PAGE or status.state is not CheckState.UNKNOWN)


def _rosters(checks: Iterable[CheckStatus]) -> dict[str, list[CheckStatus]]:
    """Checks that the platform answers for the points, by the check that asks the platform: of the same module."""
    by_module: dict[str, list[CheckStatus]] = {}
    asking: dict[str, str] = {}
    for status in checks:
        module = status.policy.check.rpartition("/")[2]
        if status.policy.source is Source.ROSTER:
            by_module.setdefault(module, []).append(status)
        elif status.policy.source is Source.SERVICE:
            asking[module] = status.policy.check
    return {asking[module]: answered for module, answered in by_module.items() if module in asking}
