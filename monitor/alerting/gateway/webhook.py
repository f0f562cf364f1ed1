"""What Alertmanager tells a desk, as notices: one for each incident, or for the group where it is about something else.

A thread decides what a notification means: firing without one opens it, firing within one tells at most what has
changed, and only what was told before can be over. Alertmanager repeats itself, two of them say the same, and a
resolved alert may only have made room for another one of the same incident: none of these is a message. Pure.
https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b

import msgspec

from monitor.alerting.texts.story import story_of
from monitor.core.contacts import Desk
from monitor.core.notices import INCIDENT_SUBJECT, Kind, Notice, Refused, Story, Thread

VERSION = "4"
INCIDENT = "Incident"
FIRING = "firing"
MOST_ALERTS = 20_000
MOST_LINES = 500
"""Summaries that a story keeps; of more the count stays right."""
LONGEST_SUBJECT = 1000
ID_BYTES = 12

Open = Mapping[tuple[str, str], Thread]
"""Threads that are open, by desk and subject."""


class HookAlert(msgspec.Struct, rename="camel"):
    """An alert in the body."""

    status: str
    labels: dict[str, str]
    starts_at: datetime
    annotations: dict[str, str] = {}
    ends_at: datetime | None = None
    fingerprint: str = ""

    @property
    def firing(self) -> bool:
        """Whether it goes on."""
        return self.status == FIRING

    @property
    def since(self) -> float:
        """Unix time."""
        return self.starts_at.timestamp()


class Notification(msgspec.Struct, rename="camel"):
    """The body of a webhook."""

    version: str
    group_key: str
    alerts: list[HookAlert]
    common_labels: dict[str, str] = {}
    common_annotations: dict[str, str] = {}
    truncated_alerts: int = 0


def read(body: bytes) -> Notification:
    """Raises Refused for what is no notification of Alertmanager."""
    try:
        told = msgspec.json.decode(body, type=Notification)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Refused(f"expected the body of Alertmanager's webhook: {error}") from error
    if told.version != VERSION:
        raise Refused(f"expected version {VERSION} of Alertmanager's webhook, got {told.version[:20]!r}")
    if not told.alerts or len(told.alerts) > MOST_ALERTS:
        raise Refused(f"expected from 1 to {MOST_ALERTS} alerts, got {len(told.alerts)}")
    if any(alert.starts_at.tzinfo is None for alert in told.alerts):
        raise Refused("expected instants with a time zone")
    return told


def notices_of(told: Notification, desk: Desk, threads: Open, now: float) -> list[Notice]:
    """What this desk is to be told, given what it has been."""
    incidents: dict[str, list[HookAlert]] = {}
    others: list[HookAlert] = []
    for alert in told.alerts:
        incident = alert.labels.get("incident", "") if alert.labels.get("alertname") == INCIDENT else ""
        (incidents.setdefault(incident, []) if incident else others).append(alert)
    found = [
        *(_about_incident(incident, alerts, desk, threads, now) for incident, alerts in incidents.items()),
        *([_about_group(told, others, desk, threads, now)] if others else ()),
    ]
    return [notice for notice in found if notice is not None]


def notice_id(*parts: object) -> str:
    """A tracking id of what these parts say: the same parts, the same notice."""
    return blake2b("\0".join(map(str, parts)).encode(errors="replace"), digest_size=ID_BYTES).hexdigest()


def _about_incident(incident: str, alerts: Sequence[HookAlert], desk: Desk, threads: Open, now: float) -> Notice | None:
    subject = f"{INCIDENT_SUBJECT}{incident}"[:LONGEST_SUBJECT]
    thread = threads.get((desk.id, subject))
    firing = [alert for alert in alerts if alert.firing]
    if bool(firing) is (thread is not None):
        return None  # a repetition, or the end of what was never told
    latest = max(firing or alerts, key=lambda alert: alert.starts_at)
    ended_at = None if firing else _ended_at(alerts, now)
    since = min(alert.since for alert in firing or alerts)
    link = latest.annotations.get("dashboard", "")
    story = story_of(latest.labels, latest.annotations, since, ended_at, link)
    kind, changes = (Kind.OPENED, ()) if firing else _end(latest)
    return _notice(desk, story, kind, now, changes)


def _end(alert: HookAlert) -> tuple[Kind, tuple[str, ...]]:
    """Whether what ended is over, or was wrong, or makes room for another."""
    words = alert.annotations.get("retracted") or alert.annotations.get("replaced")
    return (Kind.RETRACTED, (words,)) if words else (Kind.RESOLVED, ())


def _about_group(
    told: Notification, alerts: Sequence[HookAlert], desk: Desk, threads: Open, now: float
) -> Notice | None:
    thread = threads.get((desk.id, told.group_key[:LONGEST_SUBJECT]))
    firing = [alert for alert in alerts if alert.firing]
    if not firing:
        story = _group_story(told, alerts, _ended_at(alerts, now))
        return None if thread is None else _notice(desk, story, Kind.RESOLVED, now)
    story = _group_story(told, firing, None)
    if thread is None:
        return _notice(desk, story, Kind.OPENED, now)
    if thread.story.count == story.count and thread.story.summaries == story.summaries:
        return None
    words = f"từ {thread.story.count} thành {story.count}"
    marks = sorted(alert.fingerprint for alert in firing)
    tracking_id = notice_id(desk.id, story.subject, Kind.UPDATED, thread.number, *marks)
    return _notice(desk, story, Kind.UPDATED, now, (words,), tracking_id)


def _group_story(told: Notification, alerts: Sequence[HookAlert], ended_at: float | None) -> Story:
    lines = sorted({line for alert in alerts if (line := alert.annotations.get("summary", ""))})
    return Story(
        subject=told.group_key[:LONGEST_SUBJECT],
        labels=dict(_common(alert.labels for alert in alerts)),
        annotations=dict(_common(alert.annotations for alert in alerts)),
        since=min(alert.since for alert in alerts),
        ended_at=ended_at,
        link=alerts[0].annotations.get("dashboard", ""),
        summaries=tuple(lines[:MOST_LINES]),
        count=len(alerts) + (told.truncated_alerts if ended_at is None else 0),
    )


def _common(sets: Iterable[Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    """What all of them say alike."""
    first, *rest = sets
    yield from ((name, value) for name, value in first.items() if all(one.get(name) == value for one in rest))


def _ended_at(alerts: Iterable[HookAlert], now: float) -> float:
    """When the last of them ended; never in the time to come."""
    return min(now, max((alert.ends_at.timestamp() for alert in alerts if alert.ends_at is not None), default=now))


def _notice(
    desk: Desk, story: Story, kind: Kind, now: float, changes: tuple[str, ...] = (), tracking_id: str = ""
) -> Notice:
    made = tracking_id or notice_id(desk.id, story.subject, kind, f"{now:.3f}")
    return Notice(
        tracking_id=made, desk=desk.id, subject=story.subject, kind=kind, story=story, at=now, changes=changes
    )
