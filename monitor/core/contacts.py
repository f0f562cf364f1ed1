"""Who is told of what, in which order, by which means: the desks on duty. Pure.

A desk is a duty post, never a person. It belongs to a company, at a level: the lowest desk whose territory an alert
lies in is told first; who does not answer in time is followed by the level above, at last by the technical team.
Everybody who asks "which desk?" asks here: the routes of Alertmanager, the escalation, the direct delivery.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

import msgspec


class Company(StrEnum):
    """On whose behalf a desk acts."""

    TELECOM = "telecom"
    POWER = "power"
    SITE = "site"
    """Whoever calls the points' own technicians."""
    COORDINATION = "coordination"
    """Whoever is asked for check-ins that are missing."""
    TECHNICAL = "technical"
    """The technical team: told of everything, and the last resort."""


class Channel(StrEnum):
    """How a message travels."""

    SMS = "sms"
    ZALO = "zalo"
    EMAIL = "email"


CONCERNED: Mapping[str, frozenset[Company]] = {
    "telecom": frozenset({Company.TELECOM}),
    "power": frozenset({Company.POWER}),
    "site": frozenset({Company.SITE}),
    "undetermined": frozenset({Company.TELECOM, Company.POWER, Company.SITE}),
    "reminder": frozenset({Company.COORDINATION}),
}
"""The companies that an alert's label ``cause`` concerns; the technical team is concerned by all but reminders."""
OPERATOR_LABEL = {Company.TELECOM: "operator", Company.POWER: "power_operator"}
"""The label that names the owner of what failed."""
SEVERITIES = ("info", "warning", "critical")
"""From the lightest to the gravest."""
DAY_MINUTES = 24 * 60


class Duty(msgspec.Struct, frozen=True):
    """A span of a week in which a desk is manned, by the ceremony's time zone; it may go past midnight."""

    days: tuple[int, ...]
    """0 is Monday; the days on which it begins."""
    starts_min: int
    """Minutes after midnight, 0 to 1439."""
    ends_min: int
    """Up to 1440; not above ``starts_min`` where it ends on the next day."""

    def holds(self, local: datetime) -> bool:
        """Whether this instant lies in it."""
        minute = local.hour * 60 + local.minute
        if self.starts_min < self.ends_min:
            return local.weekday() in self.days and self.starts_min <= minute < self.ends_min
        yesterday = (local.weekday() - 1) % 7
        return (local.weekday() in self.days and minute >= self.starts_min) or (
            yesterday in self.days and minute < self.ends_min
        )


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """A duty post: an item of ``desks`` in contacts.yaml."""

    id: str
    """Lower-case letters, digits and hyphens; Alertmanager's receiver is named after it."""
    title: str
    company: Company
    level: int = 1
    """1 is told first; above it 2 and 3."""
    districts: tuple[str, ...] = ()
    """Codes; empty for the whole province."""
    operators: tuple[str, ...] = ()
    """Names as in network.csv and power.csv; empty for whichever the company's are."""
    channels: tuple[Channel, ...]
    """In order: the first that gets through. At least one, each with its address."""
    phone: str = ""
    """For calls and SMS, as it is written."""
    zalo: str = ""
    """The number that Zalo knows it by; the phone's where empty."""
    email: str = ""
    telegram: int = 0
    """A chat that Alertmanager itself writes to, beside the gateway's messages and without their budget; 0 for none."""
    webhook: str = ""
    """The same for somebody else's program that takes Alertmanager's webhooks; empty for none."""
    duty: tuple[Duty, ...] = ()
    """When it is manned; always where empty."""
    budget: int = 3
    """Messages a minute, at least 2; what is above goes into summaries."""
    severity: str = "warning"
    """The lightest that it is told of."""

    def address(self, channel: Channel) -> str:
        """Where a message by this channel goes; empty where it has no such address."""
        return {Channel.SMS: self.phone, Channel.ZALO: self.zalo or self.phone, Channel.EMAIL: self.email}[channel]

    def covers(self, labels: Mapping[str, str]) -> bool:
        """Whether an alert with these labels lies in its territory; of whom it is and how grave is not asked."""
        operator = labels.get(OPERATOR_LABEL.get(self.company, ""), "")
        in_district = not self.districts or labels.get("district", "") in self.districts
        return in_district and (not self.operators or operator in self.operators)

    def on_duty(self, at: float, zone: ZoneInfo) -> bool:
        """Whether it is manned at that instant (Unix time)."""
        local = datetime.fromtimestamp(at, zone)
        return not self.duty or any(span.holds(local) for span in self.duty)


class Contacts(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of contacts.yaml: without the file, nobody."""

    desks: Mapping[str, Desk] = {}
    """By id, in the order of the file."""
    escalate_after_s: Mapping[str, float] = {}
    """How long a desk may take to acknowledge, by phase; absent for phases in which nothing is escalated."""
    direct_after_s: Mapping[str, float] = {}
    """For how long every Alertmanager must be unreachable before we deliver ourselves, by phase."""
    gateways: tuple[str, ...] = ()
    """Where Alertmanager reaches the monitors' gateways, each ``http://host:8080``."""
    watchdog_url: str = ""
    """What Alertmanager calls as long as all is well: somebody else's dead man's switch; empty for none."""

    def concerned(self, labels: Mapping[str, str]) -> frozenset[Company]:
        """The companies that an alert concerns, the technical team apart."""
        return CONCERNED.get(labels.get("cause", ""), frozenset())

    def told_first(self, company: Company, labels: Mapping[str, str]) -> tuple[Desk, ...]:
        """Its first desk in the file at the lowest level that covers the alert; empty where none does."""
        return self._lowest(company, 0, labels)

    def above(self, company: Company, level: int, labels: Mapping[str, str]) -> tuple[Desk, ...]:
        """Who is told when that level does not answer: the next level of the company, at last the technical team."""
        found = self._lowest(company, level, labels)
        return found if found or company is Company.TECHNICAL else tuple(self._of(Company.TECHNICAL))

    def _lowest(self, company: Company, above: int, labels: Mapping[str, str]) -> tuple[Desk, ...]:
        """One, as Alertmanager takes the first route that fits; of the technical team all."""
        desks = [desk for desk in self._of(company) if desk.level > above and desk.covers(labels)]
        lowest = min((desk.level for desk in desks), default=0)
        found = tuple(desk for desk in desks if desk.level == lowest)
        return found if company is Company.TECHNICAL else found[:1]

    def first_on_duty(self, company: Company, labels: Mapping[str, str], at: float, zone: ZoneInfo) -> tuple[Desk, ...]:
        """Who is told at that instant: the lowest level of which somebody is on duty, else the technical team."""
        desks = self.told_first(company, labels)
        while desks and desks[0].company is company:
            if manned := tuple(desk for desk in desks if desk.on_duty(at, zone)):
                return manned
            desks = self.above(company, desks[0].level, labels)
        return desks

    def _of(self, company: Company) -> Iterable[Desk]:
        return (desk for desk in self.desks.values() if desk.company is company)


def is_told(desk: Desk, severity: str) -> bool:
    """Whether what is so grave is told to this desk; an unknown word is grave. Reminders are sent by hand: always."""
    if desk.company is Company.COORDINATION:
        return True
    known = severity in SEVERITIES and desk.severity in SEVERITIES
    return not known or SEVERITIES.index(severity) >= SEVERITIES.index(desk.severity)
