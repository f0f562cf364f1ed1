"""Is it us? A blind monitor accuses nobody. Pure.

A check may be called down only with **proof of sight**: something else answered a probe that was sent after the
check's last lost one. (After its first would not do: a probe may be lost by chance just before we go blind.) When
whole districts fall the others prove it within milliseconds; when our own uplink fails nothing proves it, the
decisions are held, and when several of them, every witness among them, have waited for a second the monitor calls
itself blind. It sees again after a few answers, and what it missed meanwhile is unknown, not down.

With fewer than three checks and no witness there is nothing to compare with, and proof is not asked for.
"""

from math import inf

import msgspec

BLIND_AFTER_S = 1.0
"""How long a decision waits for proof before the monitor doubts itself."""
ANSWERS_TO_SEE = 5
"""How many answers end blindness (or one a check, where there are fewer checks)."""
EYES = 3
"""Checks below which a province cannot vouch for itself."""


class Sight(msgspec.Struct):
    """What proves that we see."""

    checks: int = 0
    witnesses: int = 0
    seen_at: float = -inf
    """The latest instant at which a probe was sent that came back."""
    blind: bool = False
    since: float = -inf
    """When blindness began, or ended."""
    answers: int = 0
    """Since blindness began."""

    def saw(self, sent_at: float) -> bool:
        """A probe sent at ``sent_at`` was answered; true when that ends blindness."""
        self.seen_at = max(self.seen_at, sent_at)
        if not self.blind or sent_at <= self.since:
            return False
        self.answers += 1
        return self.answers >= min(ANSWERS_TO_SEE, self.checks)

    def proven(self, since: float) -> bool:
        """Whether anything sent after ``since`` was answered, or no proof can be asked for."""
        return self.seen_at > since or (self.checks < EYES and not self.witnesses)

    def doubted(self, held: int, since: float, now: float) -> bool:
        """Whether so many held decisions, the oldest about a probe sent at ``since``, say that it is us."""
        return not self.blind and held >= min(EYES, self.checks) and now - since > BLIND_AFTER_S

    def lose(self, since: float) -> None:
        """We are blind, since that instant."""
        self.blind, self.since, self.answers = True, since, 0

    def regain(self, now: float) -> None:
        """We see again. Probes sent before ``now`` say nothing."""
        self.blind, self.since = False, now
