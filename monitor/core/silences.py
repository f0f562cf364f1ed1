"""Silences: for a while nobody is told of something. What is silenced is monitored all the same. Pure.

They are Alertmanager's, so that they hold for whatever it sends; whatever we send without it asks here. All matchers of
a silence must fit, a label that is missing is empty, a regular expression is anchored.
https://prometheus.io/docs/alerting/latest/alertmanager/#silences
"""

import re
from collections.abc import Iterable, Mapping

import msgspec

from monitor.core.model import Inventory

LONGEST_S = 86_400.0
AHEAD_S = 7 * 86_400.0
"""A maintenance window may be set so long before it begins."""
LATE_S = 300.0
"""A beginning so long ago is now: the form was open meanwhile."""
LONGEST_COMMENT = 300


class Matcher(msgspec.Struct, frozen=True):
    """One condition on a label."""

    name: str
    value: str
    is_regex: bool = False
    is_equal: bool = True

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Whether it does; an expression that Python does not know fits nothing."""
        value = labels.get(self.name, "")
        try:
            found = re.fullmatch(self.value, value) is not None if self.is_regex else value == self.value
        except re.error:
            return False
        return found is self.is_equal


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """For whom, how long and why nobody is told."""

    matchers: tuple[Matcher, ...]
    starts_at: float
    """Unix time,"""
    ends_at: float
    """and when it ends, or has been ended."""
    created_by: str
    comment: str
    ids: tuple[str, ...] = ()
    """Alertmanager's names for it: one, or one of each that is not of the same cluster."""

    def holds_at(self, now: float) -> bool:
        """Whether it is in force."""
        return self.starts_at <= now < self.ends_at

    def state(self, now: float) -> str:
        """``active``, ``pending`` or ``expired``."""
        return "active" if self.holds_at(now) else "pending" if now < self.starts_at else "expired"

    def silences(self, labels: Mapping[str, str], now: float) -> bool:
        """Whether nobody is told of an alert with these labels."""
        return self.holds_at(now) and bool(self.matchers) and all(each.fits(labels) for each in self.matchers)


class NotSilenced(Exception):  # noqa: N818 - says what has happened
    """It was not set: nothing is silenced that was not before. The message says why."""


class Unfit(Exception):  # noqa: N818 - says what is wrong
    """Nobody may be silenced so: ``key`` says why, of ``place``, ``reason`` and ``span``."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def is_silenced(silences: Iterable[Silence], labels: Mapping[str, str], now: float) -> bool:
    """Whether any of them holds for it."""
    return any(each.silences(labels, now) for each in silences)


def matchers(scope: str, name: str, inventory: Inventory) -> tuple[Matcher, ...]:
    """What an alert about it, or about anything below it, says of itself. Raises Unfit for what is not there.

    Alerts carry the nodes that they hang on by kind, an incident its own node as well; see the head of
    config/alertmanager/alertmanager.yml.
    """
    node = inventory.network.get(name) or inventory.power.get(name)
    if scope == "node" and node is not None:
        return (Matcher(str(node.kind), name),)
    if scope == "district" and name in inventory.districts:
        return (Matcher("district", name),)
    if scope == "point" and name in inventory.points:
        return (Matcher("instance", name),)
    raise Unfit("place")


def checked(silence: Silence, now: float) -> Silence:
    """The same, from now on where it should have begun a moment ago. Raises Unfit."""
    if not silence.comment.strip():
        raise Unfit("reason")
    starts_at = now if now - LATE_S <= silence.starts_at < now else silence.starts_at
    if not now <= starts_at <= now + AHEAD_S or not 0 < silence.ends_at - starts_at <= LONGEST_S:
        raise Unfit("span")
    return msgspec.structs.replace(silence, starts_at=starts_at, comment=" ".join(silence.comment.split()))
