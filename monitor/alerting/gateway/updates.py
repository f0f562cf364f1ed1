"""What desks are told of an incident between its first word and its last, and the last where Alertmanager forgot. Pure.

Alertmanager sends again when alerts join or end, not when their words change: that an incident has spread, or that a
point is hit which is about to speak, is told here, at most once a minute to each desk. And it forgets: one that was
restarted without its memory never says that something is over which it does not know to have told.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from monitor.alerting.gateway.webhook import notice_id
from monitor.alerting.messages import Alert
from monitor.alerting.texts.changes import changes
from monitor.alerting.texts.story import story_of
from monitor.core.incidents import Incident
from monitor.core.model import IncidentState
from monitor.core.notices import Kind, Notice, Story, Thread

EVERY_S = 60.0
"""Between two words in a thread,"""
FORGOTTEN_S = 20.0
"""and how long Alertmanager is waited for when an incident is over;"""
UNKNOWN_S = 600.0
"""so long for one that this monitor does not know, or no longer."""


def updates(
    threads: Sequence[Thread], alerts: Mapping[str, Alert], incident_of: Callable[[str], Incident | None], now: float
) -> list[Notice]:
    """What is to be told now. ``alerts``: those of incidents that fire, by the incident's id."""
    return [notice for thread in threads for notice in _of_thread(thread, alerts, incident_of, now)]


def _of_thread(
    thread: Thread, alerts: Mapping[str, Alert], incident_of: Callable[[str], Incident | None], now: float
) -> Iterator[Notice]:
    incident = thread.story.incident
    alert = alerts.get(incident)
    if not incident:
        return
    if alert is not None and _is_theirs(alert, thread) and now - thread.told_at >= EVERY_S:
        story = story_of(alert.labels, alert.annotations, alert.raised_at, None, alert.link)
        if told := changes(thread.story, story):
            yield _notice(thread, story, Kind.UPDATED, told, now)
    if alert is None and _is_forgotten(thread, incident_of(incident), now):
        wrong = getattr(incident_of(incident), "state", None) in (IncidentState.RETRACTED, IncidentState.MERGED)
        story = msgspec.structs.replace(thread.story, ended_at=now)
        yield _notice(thread, story, Kind.RETRACTED if wrong else Kind.RESOLVED, (), now)


def _is_theirs(alert: Alert, thread: Thread) -> bool:
    """Whether the alert still concerns the same company; if not, Alertmanager takes back what was told."""
    return alert.labels.get("cause") == thread.story.labels.get("cause")


def _is_forgotten(thread: Thread, incident: Incident | None, now: float) -> bool:
    """Whether it is over, and Alertmanager would have said so by now."""
    if incident is None:
        return now - thread.told_at >= UNKNOWN_S
    return not incident.ongoing and now - (incident.ended_at or incident.changed_at) >= FORGOTTEN_S


def _notice(thread: Thread, story: Story, kind: Kind, told: tuple[str, ...], now: float) -> Notice:
    tracking_id = notice_id(thread.number, thread.desk, thread.subject, kind, f"{thread.told_at:.3f}")
    return Notice(
        tracking_id=tracking_id,
        desk=thread.desk,
        subject=thread.subject,
        kind=kind,
        story=story,
        at=now,
        changes=told,
        thread=thread.number,
    )
