"""Is it us? A blind monitor accuses nobody. Pure.

A lost probe is evidence against its point only where it was **sighted**: something else was sent shortly before it, and
something else shortly after it, and both came back. While districts fall the others answer a thousand times a second
and sight every loss; when our own uplink fails, for a blink or for minutes, nothing sent in the gap comes back, and
what was lost in it says nothing. How short "shortly" is follows from the rate of answers to be expected; a loss that
is known sooner (a refusal, an ICMP error) waits for as long.

When several checks have lost unsighted probes and nothing has come back for a second, the monitor calls itself blind.
It sees again after a few answers, and what it missed meanwhile is unknown, not down. With fewer than three checks and
no witness there is nothing to compare with, and every loss counts.
"""

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
        return self._answers >= min(ANSWERS_TO_SEE, self.checks)

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
        near_s = self.near_s
        after = near_s > WAIT_AT_MOST_S or self._any(sent_at + AFTER_S, sent_at + AFTER_S + near_s)
        return after and self._any(sent_at - near_s - BUCKET_S, sent_at - BUCKET_S)  # its own bucket may lie after it

    def miss(self, check: str, sent_at: float) -> None:
        """This loss was not sighted."""
        self.missed.add(check)
        self.missed_since = min(self.missed_since, sent_at)

    def doubted(self, now: float) -> bool:
        """Whether what is missing says that it is us."""
        silent_s = now - self.seen_at
        return not self.blind and len(self.missed) >= min(EYES, self.checks) and silent_s > BLIND_AFTER_S

    def lose(self) -> None:
        """We are blind, since the first unsighted loss."""
        self.blind, self.since, self._answers = True, self.missed_since, 0
        self._forget_missed()

    def regain(self, now: float) -> None:
        """We see again. Probes sent before ``now`` say nothing."""
        self.blind, self.since = False, now

    def shift(self, by_s: float) -> None:
        """The clock was set back by so much."""
        self.seen_at += by_s
        self.since += by_s
        self._newest += round(by_s / BUCKET_S)
        self._forget_missed()

    @property
    def _compares(self) -> bool:
        return self.checks >= EYES or self.witnesses > 0

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
