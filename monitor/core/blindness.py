"""Is it us? A blind monitor accuses nobody. Pure.

A lost probe is evidence against its point only where it was **sighted**: something else was sent shortly before it, and
something else shortly after it, and both came back. While districts fall the others answer a thousand times a second
and sight every loss; when our own uplink fails, for a blink or for minutes, nothing sent in the gap comes back, and
what was lost in it says nothing. How short "shortly" is follows from the rate of answers to be expected; a loss that
is known sooner (a refusal, an ICMP error) waits for as long. Our own gateway does not vouch: it stands before the
uplink.

Nor is a loss evidence

* while the **witnesses** lose as well: an uplink that is torn but not cut loses a share of everything. What they were
  asked within a second of the loss is counted over all of them, and most must have lost, for one carrier's resolver
  falls with that carrier; one that has answered nothing for long while others do is dead for reasons of its own, and
  not counted;
* while we were **strained**: the loop was held up, or our own kernel dropped packets.

When several checks have lost unsighted probes and nothing has come back for a second, or the witnesses have been losing
for a second, or the strain lasts, the monitor calls itself blind, and says which. It sees again after a few answers in
peace, and what it missed meanwhile is unknown, not down. With fewer than three checks and no witness there is
nothing to compare with, and every loss counts.
"""

from collections import deque
from enum import StrEnum
from itertools import chain
from math import inf

import msgspec

BLIND_AFTER_S = 1.0
"""Without any answer for so long, we doubt ourselves."""
ANSWERS_TO_SEE = 5
"""How many answers end blindness (or one a check, where there are fewer checks)."""
EYES = 3
"""Checks below which a province cannot vouch for itself."""
BUCKET_S = 0.05
"""How finely it is remembered when probes were sent that came back."""
BUCKETS = 2400
"""Two minutes."""
NEAR_AT_LEAST_S = 0.25
NEAR_AT_MOST_S = 60.0
ANSWERS_NEAR = 3.0
"""So many answers are expected within the window on either side: by chance none comes once in twenty."""
WAIT_AT_MOST_S = 1.0
"""Where answers are so rare that the window is longer than this, a loss does not wait for one after it."""
AFTER_S = 0.2
"""An answer vouches for a loss before it only when it was sent so much later, longer than a round trip: what was under
way when our uplink failed is lost although others, on quicker lines, were sent with it and came back."""
ON_ITS_WAY_S = 0.05
"""For the round trip of the answer that sights a loss."""
WITNESS_S = 1.0
"""Around a loss, what the witnesses lost within so long testifies against us."""
WITNESS_LOSSES = 2
WITNESS_RATIO = 0.1
"""So many losses, and so large a share, are more than a line of ours loses on any day."""
WITNESS_DEAD_S = 5.0
WITNESS_MEMORY = 64
"""Outcomes that are remembered of each witness: a dozen seconds."""
TORN_AFTER_S = 1.0
"""Witnesses that lose for so long, while points do, too, make us blind."""
STRAINED_AFTER_S = 2.0


class Blindness(StrEnum):
    """Why we do not see."""

    SILENCE = "silence"
    """Nothing answers, our own gateway does not, or is not asked."""
    UPLINK = "uplink"
    """Our gateway answers, and nothing beyond it."""
    LOSSY = "lossy"
    """Witnesses and points lose together."""
    STRAIN = "strain"
    """The machine that we run on does not keep up."""


class Witness(msgspec.Struct):
    """What one witness answered lately: when it was asked, and whether the answer was lost."""

    gateway: bool = False
    outcomes: deque[tuple[float, bool]] = msgspec.field(default_factory=lambda: deque(maxlen=WITNESS_MEMORY))
    answered_at: float = -inf


class Sight(msgspec.Struct):
    """What proves that we see."""

    checks: int = 0
    witnesses: int = 0
    rate: float = 0.0
    """Answers a second to be expected: over all checks that are up, what their intervals make."""
    blind: bool = False
    since: float = -inf
    """When blindness began, or ended."""
    seen_at: float = -inf
    """When the latest probe was sent that came back."""
    missed: set[str] = msgspec.field(default_factory=set)
    """Checks that lost a probe unsighted since anything came back."""
    missed_since: float = inf
    reason: Blindness = Blindness.SILENCE
    """Why we are, or were last, blind."""
    testimony: dict[str, Witness] = msgspec.field(default_factory=dict)
    """By the witness's check."""
    torn: set[str] = msgspec.field(default_factory=set)
    """Checks that lost a probe while the witnesses lost, too."""
    torn_since: float = inf
    strained_since: float = inf
    strained_until: float = -inf
    _losing: dict[int, bool] = msgspec.field(default_factory=dict)
    """What :meth:`losing` has found since the witnesses last spoke, by bucket."""
    _answers: int = 0
    _newest: int = 0
    """The latest bucket with an answer."""
    _seen: int = 0
    """A bit for each bucket with an answer, that of ``_newest`` the lowest."""

    def saw(self, sent_at: float) -> bool:
        """A probe sent at ``sent_at`` was answered; true when that ends blindness."""
        bucket = int(sent_at / BUCKET_S)
        if bucket != self._newest:
            self._mark(bucket)
        self.seen_at = max(self.seen_at, sent_at)
        if self.missed and sent_at > self.missed_since:
            self._forget_missed()
        if not self.blind or sent_at <= self.since:
            return False
        self._answers += 1
        return self._answers >= min(ANSWERS_TO_SEE, self.checks) and self._in_peace(sent_at)

    def testify(self, check: str, sent_at: float, *, lost: bool, gateway: bool) -> None:
        """A witness that was asked at ``sent_at`` has answered, or has not."""
        witness = self.testimony.setdefault(check, Witness(gateway))
        witness.outcomes.append((sent_at, lost))
        self._losing.clear()
        if not lost:
            witness.answered_at = max(witness.answered_at, sent_at)

    def strain(self, start: float, end: float) -> None:
        """Between these instants we did not keep up: what was lost then says nothing."""
        if start > self.strained_until:
            self.strained_since = start
        self.strained_until = max(self.strained_until, end)

    def strained(self, at: float) -> bool:
        """Whether we did not keep up then."""
        return self.strained_since <= at <= self.strained_until

    @property
    def near_s(self) -> float:
        """How far from a lost probe an answered one still vouches for it."""
        return min(NEAR_AT_MOST_S, max(NEAR_AT_LEAST_S, ANSWERS_NEAR / self.rate)) if self.rate > 0 else NEAR_AT_MOST_S

    @property
    def patience_s(self) -> float:
        """How long after the sending of a probe its loss can be judged."""
        near_s = self.near_s
        return AFTER_S + near_s + ON_ITS_WAY_S if near_s <= WAIT_AT_MOST_S and self._compares else 0.0

    def sighted(self, sent_at: float) -> bool:
        """Whether the loss of a probe sent at ``sent_at`` is evidence; ask no sooner than ``patience_s`` after it."""
        if not self._compares:
            return True
        if self.strained(sent_at) or self.losing(sent_at):
            return False
        near_s = self.near_s
        after = near_s > WAIT_AT_MOST_S or self._any(sent_at + AFTER_S, sent_at + AFTER_S + near_s)
        return after and self._any(sent_at - near_s - BUCKET_S, sent_at - BUCKET_S)  # its own bucket may lie after it

    def losing(self, at: float) -> bool:
        """Whether the witnesses that were asked around that instant lost more than chance takes."""
        bucket = int(at / BUCKET_S)
        known = self._losing.get(bucket)
        if known is None:
            known = self._losing[bucket] = self._count_losing(bucket * BUCKET_S)
        return known

    def _count_losing(self, at: float) -> bool:
        """Our gateway by itself, or most of those beyond it: one of these may be cut off alone."""
        asked = [_asked(witness, at) for witness in self.testimony.values() if not self._dead(witness)]
        inside = [said for gateway, said in asked if gateway and said]
        outside = [said for gateway, said in asked if not gateway and said]
        hurt = sum(any(said) for said in outside)
        return any(map(_too_many, inside)) or (hurt * 2 > len(outside) and _too_many(list(chain(*outside))))

    def miss(self, check: str, sent_at: float) -> None:
        """This loss was not sighted."""
        if self.losing(sent_at):
            self.torn.add(check)
            self.torn_since = min(self.torn_since, sent_at)
        self.missed.add(check)
        self.missed_since = min(self.missed_since, sent_at)

    def doubted(self, now: float) -> Blindness | None:
        """What says that it is us, if anything does."""
        if self.torn and not self.losing(now - WITNESS_S):
            self._forget_torn()
        eyes = max(1, min(EYES, self.checks))  # nothing that could be missed is nothing missed
        if self.blind:
            return None
        if len(self.missed) >= eyes and now - self.seen_at > BLIND_AFTER_S:
            return Blindness.UPLINK if self._gateway_answers(now) else Blindness.SILENCE
        if len(self.torn) >= eyes and now - self.torn_since > TORN_AFTER_S:
            return Blindness.LOSSY
        if self.strained(now) and now - self.strained_since > STRAINED_AFTER_S:
            return Blindness.STRAIN
        return None

    def lose(self, reason: Blindness) -> None:
        """We are blind, since the first loss that was not sighted."""
        since = {Blindness.LOSSY: self.torn_since, Blindness.STRAIN: self.strained_since}
        self.blind, self.reason, self._answers = True, reason, 0
        self.since = since.get(reason, self.missed_since)
        self._forget_missed()
        self._forget_torn()

    def regain(self, now: float) -> None:
        """We see again. Probes sent before ``now`` say nothing."""
        self.blind, self.since = False, now

    def shift(self, by_s: float) -> None:
        """The clock was set back by so much."""
        self.seen_at += by_s
        self.since += by_s
        self._newest += round(by_s / BUCKET_S)
        self.testimony.clear()
        self._losing.clear()
        self.strained_since, self.strained_until = inf, -inf
        self._forget_missed()
        self._forget_torn()

    @property
    def _compares(self) -> bool:
        return self.checks >= EYES or self.witnesses > 0

    def _in_peace(self, at: float) -> bool:
        return not self.losing(at) and not self.strained(at)

    def _dead(self, witness: Witness) -> bool:
        """Whether a witness has long been silent while the world answers."""
        return bool(witness.outcomes) and witness.answered_at < self.seen_at - WITNESS_DEAD_S

    def _gateway_answers(self, now: float) -> bool:
        return any(witness.gateway and now - witness.answered_at < BLIND_AFTER_S for witness in self.testimony.values())

    def _forget_torn(self) -> None:
        self.torn.clear()
        self.torn_since = inf

    def _forget_missed(self) -> None:
        self.missed.clear()
        self.missed_since = inf

    def _mark(self, bucket: int) -> None:
        if bucket > self._newest:
            kept = (1 << BUCKETS) - 1
            self._seen = (self._seen << min(bucket - self._newest, BUCKETS) & kept) | 1
            self._newest = bucket
        elif self._newest - bucket < BUCKETS:
            self._seen |= 1 << (self._newest - bucket)

    def _any(self, start: float, end: float) -> bool:
        """Whether a probe sent within these instants came back."""
        oldest = self._newest - int(start / BUCKET_S)
        newest = self._newest - int(end / BUCKET_S)
        if oldest < 0:
            return False
        newest = max(0, newest)
        return (
            bool(self._seen >> newest & ((1 << (min(oldest, BUCKETS) - newest + 1)) - 1)) if oldest >= newest else False
        )


def _asked(witness: Witness, at: float) -> tuple[bool, list[bool]]:
    """Whether it is the gateway, and which of its probes around that instant were lost."""
    return witness.gateway, [lost for sent_at, lost in witness.outcomes if abs(sent_at - at) <= WITNESS_S]


def _too_many(said: list[bool]) -> bool:
    losses = sum(said)
    return losses >= WITNESS_LOSSES and losses >= WITNESS_RATIO * len(said)
