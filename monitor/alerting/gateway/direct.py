"""What desks are told without Alertmanager, when none can be reached: its routing, by the same contacts. Pure.

Only incidents, each to whom it concerns and to the technical team; lost points and the rest wait for Alertmanager.
The threads are the same ones, so that nothing is told twice when it comes back.
"""

from collections.abc import Iterator, Mapping, Sequence
from zoneinfo import ZoneInfo

import msgspec

from monitor.alerting.gateway.webhook import notice_id
from monitor.alerting.messages import Alert
from monitor.alerting.texts.story import story_of
from monitor.core.contacts import Company, Contacts, Desk, is_told
from monitor.core.notices import INCIDENT_SUBJECT, Kind, Notice, Story, Thread


def notices(
    alerts: Mapping[str, Alert], threads: Sequence[Thread], contacts: Contacts, zone: ZoneInfo, now: float
) -> dict[int, list[Notice]]:
    """What is to be told now, by the desk's level. ``alerts``: those of incidents that fire, by the incident's id."""
    told = {(thread.desk, thread.subject) for thread in threads}
    found: dict[int, list[Notice]] = {}
    for incident, alert in alerts.items():
        story = story_of(alert.labels, alert.annotations, alert.raised_at, None, alert.link)
        for desk in _desks(alert.labels, contacts, zone, now):
            if (desk.id, f"{INCIDENT_SUBJECT}{incident}") not in told:
                found.setdefault(desk.level, []).append(_notice(desk.id, story, Kind.OPENED, now))
    for thread in threads:
        if thread.story.incident and (kind := _end(thread, alerts)) is not None:
            story = msgspec.structs.replace(thread.story, ended_at=now)
            found.setdefault(thread.level, []).append(_notice(thread.desk, story, kind, now))
    return found


def _end(thread: Thread, alerts: Mapping[str, Alert]) -> Kind | None:
    """Whether what was told is over, or concerns another company now."""
    alert = alerts.get(thread.story.incident)
    if alert is None:
        return Kind.RESOLVED
    return None if alert.labels.get("cause") == thread.story.labels.get("cause") else Kind.RETRACTED


def _desks(labels: Mapping[str, str], contacts: Contacts, zone: ZoneInfo, now: float) -> Iterator[Desk]:
    """Whom the rendered routes would tell, each once."""
    severity = labels.get("severity", "")
    companies = (*sorted(contacts.concerned(labels)), Company.TECHNICAL)
    desks = {desk.id: desk for company in companies for desk in contacts.first_on_duty(company, labels, now, zone)}
    yield from (desk for desk in desks.values() if is_told(desk, severity))


def _notice(desk: str, story: Story, kind: Kind, now: float) -> Notice:
    tracking_id = notice_id(desk, story.subject, kind, "direct", f"{now:.3f}")
    return Notice(
        tracking_id=tracking_id, desk=desk, subject=story.subject, kind=kind, story=story, at=now, direct=True
    )
