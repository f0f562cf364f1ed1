"""Alertmanager's configuration, from the contacts: who is told what, what waits for what, what is held back. Pure.

A receiver a desk, each a webhook to the gateways. Of a company the first desk that fits is told, from the lowest level
up, as :class:`monitor.core.contacts.Contacts` answers for all else. Three things keep phones quiet: an incident is a
group of its own, told at once; a lost point waits until its cause is known; and what lies below an incident's node, or
was seen by a blind monitor, is inhibited. What is about the monitor itself goes by mail, past the gateway, which may be
the very thing that has failed. https://prometheus.io/docs/alerting/latest/configuration/
"""

import re
from collections.abc import Iterator, Sequence

import msgspec
import yaml

from monitor.alerting.texts.alertmanager import SUBJECT, TELEGRAM, TEXT
from monitor.core.contacts import (
    CONCERNED,
    DAY_MINUTES,
    OPERATOR_LABEL,
    SEVERITIES,
    Company,
    Contacts,
    Desk,
    Duty,
    is_told,
)
from monitor.core.model import NodeKind
from monitor.core.providers import Encryption, Smtp

HEADER = """\
# Rendered from contacts.yaml by `diemcau render alertmanager`: what is changed here by hand is lost. Try it with
#   amtool check-config FILE
#   amtool config routes test --config.file=FILE alertname=Incident cause=telecom operator="VNPT Thanh Hóa" district=384
#
# Companies hear of incidents, one alert each (alertname Incident), and never of single points. The label `cause`
# decides: telecom, power, site, or undetermined, which is told to all three; monitor (the monitor itself), point (a
# lost point), readiness and reminder. The technical team is told everything but reminders.
#
# Labels of an incident: incident (its id, tree:node), cause, node, node_kind, operator (the carrier that must act),
# power_operator (the electricity branch that must), district and district_name where all that hangs on its node lies
# in one, severity, and its node and those above it by kind (feeder, substation …). No label names the monitor: two
# monitors that post to the same Alertmanager make one alert.
# Labels of a lost point: instance, tier, mode, role, district, district_name, commune, network_node, operator,
# power_node, power_operator, cause, severity, and what it hangs on by kind. Of a reminder: district, district_name,
# cause, severity.
"""
NOBODY = "nobody"
DIRECT = "technical-direct"
WATCHDOG = "watchdog"
POINT_WAIT_S = 10
"""A lost or degraded point waits so long for the incident that explains it, and by then is inhibited by it."""
SITE_WAIT_S = 2
"""A district whose codecs fall silent one after the other is one message."""
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
COMPANIES = (Company.TELECOM, Company.POWER, Company.SITE)

Tree = dict[str, object]


class Plain(yaml.SafeDumper):
    """Says twice what is there twice: no anchors."""

    def ignore_aliases(self, _data: object) -> bool:
        """Always."""
        return True


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration is rendered for."""

    timezone: str
    gateways: tuple[str, ...]
    """Where Alertmanager reaches them, each ``http://host:8080``."""
    credentials_file: str
    """The file with the word that webhooks bring, as Alertmanager finds it."""
    smtp: Smtp | None = None
    """The server of the mails about the monitor itself."""
    password_file: str = ""
    """Of that server, as Alertmanager finds it."""
    telegram_token_file: str = ""
    """Of the bot that writes to desks' chats, as Alertmanager finds it; empty for none."""


def rendered(contacts: Contacts, around: Surroundings) -> str:
    """The text of alertmanager.yml. Raises ValueError where there is nobody to tell, or no gateway."""
    if not contacts.desks:
        raise ValueError("contacts.yaml names no desk: there is nobody to tell; `diemcau sample` writes one")
    if not around.gateways:
        raise ValueError("no gateway: set `gateways` in contacts.yaml to where Alertmanager reaches the monitors")
    chats = [desk.id for desk in contacts.desks.values() if desk.telegram]
    if chats and not around.telegram_token_file:
        raise ValueError(f"{chats[0]} has a chat, but no bot writes there: set `telegram.bot_token` in gateway.yaml")
    dumped = yaml.dump(configuration(contacts, around), Dumper=Plain, allow_unicode=True, sort_keys=False, width=120)
    return f"{HEADER}\n{dumped}"


def configuration(contacts: Contacts, around: Surroundings) -> Tree:
    """The same as a structure."""
    intervals = [_interval(desk, around.timezone) for desk in contacts.desks.values() if desk.duty]
    return {
        "global": _global(around),
        "route": _root(contacts),
        "inhibit_rules": list(_inhibitions()),
        **({"time_intervals": intervals} if intervals else {}),
        "receivers": list(_receivers(contacts, around)),
    }


# Routes


def _root(contacts: Contacts) -> Tree:
    technical = _desks(contacts, Company.TECHNICAL)
    return {
        "receiver": technical[0].id,
        "group_by": ["alertname", "district"],
        "group_wait": f"{POINT_WAIT_S}s",
        "group_interval": "10s",
        "repeat_interval": "30m",
        "routes": [
            _watchdog(),
            {"receiver": DIRECT, "matchers": ['cause = "monitor"'], "group_by": ["alertname"], "group_wait": "0s"},
            _reminders(contacts),
            *(_technical(desk) for desk in technical),
            *(_company(company, contacts) for company in COMPANIES if _desks(contacts, company)),
            *(_degraded(contacts) if _desks(contacts, Company.SITE) else ()),
        ],
    }


def _watchdog() -> Tree:
    often = {"group_wait": "0s", "group_interval": "30s", "repeat_interval": "1m"}
    return {"receiver": WATCHDOG, "matchers": ['alertname = "Watchdog"'], "group_by": ["alertname"], **often}


def _reminders(contacts: Contacts) -> Tree:
    """Each reminder is told once: it fires for some minutes only to outlast a restart of ours."""
    routes = list(_of_company(Company.COORDINATION, contacts, ["district"]))
    return {
        "receiver": NOBODY,
        "matchers": ['alertname = "CheckInReminder"'],
        "group_by": ["district"],
        "group_wait": "0s",
        "repeat_interval": "24h",
        **({"routes": routes} if routes else {}),
    }


def _technical(desk: Desk) -> Tree:
    incidents = {"receiver": desk.id, "matchers": ['alertname = "Incident"'], "group_by": ["incident"]}
    return {
        "receiver": NOBODY,
        "continue": True,
        "routes": [{"receiver": desk.id, "matchers": _graver(desk), "routes": [{**incidents, "group_wait": "0s"}]}],
    }


def _company(company: Company, contacts: Contacts) -> Tree:
    return {
        "receiver": NOBODY,
        "matchers": ['alertname = "Incident"', _causes(company)],
        "group_by": ["incident", "district"] if company is Company.SITE else ["incident"],
        "group_wait": f"{SITE_WAIT_S}s" if company is Company.SITE else "0s",
        "continue": True,
        "routes": list(_of_company(company, contacts, [])),
    }


def _degraded(contacts: Contacts) -> Iterator[Tree]:
    """The desk for sites hears of points that are up and yet not well, a district a message."""
    yield {
        "receiver": NOBODY,
        "matchers": ['alertname = "PointDegraded"', _causes(Company.SITE)],
        "group_by": ["alertname", "district"],
        "group_wait": f"{POINT_WAIT_S}s",
        "continue": True,
        "routes": list(_of_company(Company.SITE, contacts, [])),
    }


def _causes(company: Company) -> str:
    return f'cause =~ "{"|".join(cause for cause, companies in CONCERNED.items() if company in companies)}"'


def _of_company(company: Company, contacts: Contacts, grouped: list[str]) -> Iterator[Tree]:
    """Its desks, the lowest level first: the first whose territory fits is told, if it is grave enough for it."""
    for desk in sorted(_desks(contacts, company), key=lambda each: each.level):
        chain = list(_in_turn(desk, contacts))
        yield {
            "receiver": NOBODY,
            **({"matchers": territory} if (territory := _territory(desk)) else {}),
            **({"group_by": grouped} if grouped else {}),
            "routes": [_turn(each, muted) for each, muted in chain],
        }


def _turn(desk: Desk, muted: Sequence[str]) -> Tree:
    """A desk that is told while those before it are off duty, and it itself is on."""
    return {
        "receiver": desk.id,
        "matchers": _graver(desk),
        **({"active_time_intervals": [_name(desk)]} if desk.duty else {}),
        **({"mute_time_intervals": list(muted)} if muted else {}),
        **({"continue": True} if desk.duty else {}),
    }


def _in_turn(desk: Desk, contacts: Contacts) -> Iterator[tuple[Desk, tuple[str, ...]]]:
    """The desk, and for the hours when it is off duty those above it, each with the intervals that mute it."""
    muted: tuple[str, ...] = ()
    turn: Desk | None = desk
    while turn is not None:
        yield turn, muted
        muted = (*muted, _name(turn))
        turn = _above(turn, contacts) if turn.duty else None


def _above(desk: Desk, contacts: Contacts) -> Desk | None:
    """The next level that covers all that this one covers; at last the technical team."""
    if desk.company is Company.TECHNICAL:
        return None
    higher = [each for each in _desks(contacts, desk.company) if each.level > desk.level and _includes(each, desk)]
    return min(higher, key=lambda each: each.level, default=_desks(contacts, Company.TECHNICAL)[0])


def _includes(larger: Desk, desk: Desk) -> bool:
    pairs = ((larger.districts, desk.districts), (larger.operators, desk.operators))
    return all(not ours or (theirs and set(theirs) <= set(ours)) for ours, theirs in pairs)


def _territory(desk: Desk) -> list[str]:
    """What an alert must say to lie in it."""
    operator = OPERATOR_LABEL.get(desk.company, "")
    found = [f"district =~ {_any_of(desk.districts)}"] if desk.districts else []
    return [*found, f"{operator} =~ {_any_of(desk.operators)}"] if desk.operators and operator else found


def _graver(desk: Desk) -> list[str]:
    """What it must be to be told to this desk."""
    lighter = [severity for severity in SEVERITIES if not is_told(desk, severity)]
    return [f"severity !~ {_any_of(lighter)}"] if lighter else []


def _any_of(values: Sequence[str]) -> str:
    """A quoted expression that is one of them and nothing else: Alertmanager anchors it (RE2)."""
    escaped = "|".join(re.escape(value).replace("\\ ", " ").replace("\\-", "-") for value in values)
    spelled = escaped.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{spelled}"'


def _desks(contacts: Contacts, company: Company) -> list[Desk]:
    return [desk for desk in contacts.desks.values() if desk.company is company]


# What is held back


def _inhibitions() -> Iterator[Tree]:
    # A blind monitor accuses nobody; nor does one that is gone, whose alerts run out and would be told as resolved.
    yield {
        "source_matchers": ['alertname =~ "MonitorBlind|MonitorDown"'],
        "target_matchers": ['alertname =~ "PointDown|PointDegraded|Incident"'],
    }
    for kind in NodeKind:
        yield {
            "source_matchers": ['alertname = "Incident"', 'cause != "site"', f'node_kind = "{kind}"'],
            "target_matchers": [
                'alertname =~ "PointDown|PointDegraded|Incident"',
                'cause =~ "point|site"',
                f'{kind} != ""',
            ],
            "equal": [str(kind)],
        }
    yield {
        "source_matchers": ['alertname = "Incident"', 'instance != ""'],
        "target_matchers": ['alertname =~ "PointDown|PointDegraded"'],
        "equal": ["instance"],
    }


# When


def _name(desk: Desk) -> str:
    return f"duty-{desk.id}"


def _interval(desk: Desk, timezone: str) -> Tree:
    spans = [span for duty in desk.duty for span in _spans(duty)]
    return {"name": _name(desk), "time_intervals": [{**span, "location": timezone} for span in spans]}


def _spans(duty: Duty) -> Iterator[Tree]:
    """One past midnight is two: Alertmanager's days end there."""
    if duty.starts_min < duty.ends_min:
        yield _span(duty.days, duty.starts_min, duty.ends_min)
        return
    yield _span(duty.days, duty.starts_min, DAY_MINUTES)
    if duty.ends_min:
        yield _span(tuple(sorted((day + 1) % 7 for day in duty.days)), 0, duty.ends_min)


def _span(days: Sequence[int], starts_min: int, ends_min: int) -> Tree:
    times = [{"start_time": _clock(starts_min), "end_time": _clock(ends_min)}]
    return {"times": times, "weekdays": [DAYS[day] for day in days]}


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


# Who


def _global(around: Surroundings) -> Tree:
    found: Tree = {"resolve_timeout": "2m"}
    if (smtp := around.smtp) is None:
        return found
    found |= {"smtp_smarthost": f"{smtp.host}:{smtp.port}", "smtp_from": smtp.sender}
    found["smtp_require_tls"] = smtp.encryption is Encryption.STARTTLS
    if smtp.user:
        found |= {"smtp_auth_username": smtp.user, "smtp_auth_password_file": around.password_file}
    return found


def _receivers(contacts: Contacts, around: Surroundings) -> Iterator[Tree]:
    yield {"name": NOBODY}
    mails = [desk.email for desk in _desks(contacts, Company.TECHNICAL) if desk.email]
    if mails and around.smtp is not None:
        yield {"name": DIRECT, "email_configs": [_mail(address) for address in mails]}
    else:  # better by the gateway than not at all
        technical = _desks(contacts, Company.TECHNICAL)
        yield {"name": DIRECT, "webhook_configs": [hook for each in technical for hook in _hooks(each, around)]}
    own = [{**_hook(f"{url}/gateway/watchdog", around), "send_resolved": False} for url in around.gateways]
    others = [{"url": contacts.watchdog_url, "send_resolved": False}] if contacts.watchdog_url else []
    yield {"name": WATCHDOG, "webhook_configs": [*own, *others]}
    for desk in contacts.desks.values():
        theirs = [{"url": desk.webhook, "send_resolved": True}] if desk.webhook else []
        chats = [_chat(desk, around)] if desk.telegram else []
        yield {
            "name": desk.id,
            "webhook_configs": [*_hooks(desk, around), *theirs],
            **({"telegram_configs": chats} if chats else {}),
        }


def _chat(desk: Desk, around: Surroundings) -> Tree:
    return {
        "bot_token_file": around.telegram_token_file,
        "chat_id": desk.telegram,
        "message": TELEGRAM,
        "parse_mode": "",
        "send_resolved": True,
    }


def _hooks(desk: Desk, around: Surroundings) -> list[Tree]:
    send_resolved = desk.company is not Company.COORDINATION  # that a reminder has ended says nothing of the points
    urls = [f"{url}/gateway/alertmanager/{desk.id}" for url in around.gateways]
    return [{**_hook(url, around), "send_resolved": send_resolved} for url in urls]


def _hook(url: str, around: Surroundings) -> Tree:
    return {
        "url": url,
        "http_config": {"authorization": {"credentials_file": around.credentials_file}},
    }


def _mail(address: str) -> Tree:
    return {
        "to": address,
        "send_resolved": True,
        "headers": {"Subject": SUBJECT},
        "text": TEXT,
        "html": "",
    }
