"""Who is told next when nobody says that they work on it: level by level, at last the technical team. Pure.

The clock of a level begins when its desks are told. A desk that cannot be reached at all is not waited for. Whoever
acknowledges, of the company or of the technical team, ends the escalation of that company.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from monitor.alerting.gateway.webhook import notice_id
from monitor.core.acknowledgement import Acknowledgement
from monitor.core.contacts import Company, Contacts, Desk, is_told
from monitor.core.notices import Kind, Notice, Thread

LAST_LEVEL = 9
"""What the technical team's thread is raised to when it is the last resort."""


class Escalation(msgspec.Struct, frozen=True):
    """A company has not answered: these desks are told, at this level."""

    level: int
    notices: tuple[Notice, ...]


class Watch(msgspec.Struct, frozen=True):
    """What escalation is judged by."""

    contacts: Contacts
    threads: Sequence[Thread]
    """All that are open."""
    acknowledgements: Sequence[Acknowledgement]
    unreachable: Collection[int]
    """Numbers of threads whose desk no channel reaches."""
    after_s: float | None
    """How long a desk may take, in the phase in force; None where nothing is escalated."""
    zone: ZoneInfo


def due(watch: Watch, now: float) -> list[Escalation]:
    """What is to be told now."""
    if watch.after_s is None:
        return []
    incidents: dict[str, list[Thread]] = {}
    for thread in watch.threads:
        if thread.story.incident and thread.desk in watch.contacts.desks:
            incidents.setdefault(thread.story.incident, []).append(thread)
    found = (_of_incident(incident, threads, watch, now) for incident, threads in incidents.items())
    return [escalation for each in found for escalation in each]


def answered(threads: Iterable[Thread], company: Company, watch: Watch) -> bool:
    """Whether somebody of the company, or of the technical team, works on it since it was told."""
    told = {(thread.story.incident, thread.opened_at) for thread in threads}
    for said_so in watch.acknowledgements:
        desk = watch.contacts.desks.get(said_so.desk)
        theirs = desk is None or desk.company in {company, Company.TECHNICAL}
        if theirs and any(said_so.incident == incident and said_so.at >= since for incident, since in told):
            return True
    return False


def _of_incident(incident: str, threads: Sequence[Thread], watch: Watch, now: float) -> Iterator[Escalation]:
    by_company: dict[Company, list[Thread]] = {}
    for thread in threads:
        by_company.setdefault(watch.contacts.desks[thread.desk].company, []).append(thread)
    last_resort = any(thread.level >= LAST_LEVEL for thread in by_company.pop(Company.TECHNICAL, ()))
    for company, theirs in by_company.items():
        top = max(thread.level for thread in theirs)
        highest = [thread for thread in theirs if thread.level == top]
        if not answered(theirs, company, watch) and _has_waited(highest, watch, now):
            yield from _next(incident, company, highest, watch, now, last_resort=last_resort)


def _has_waited(highest: Sequence[Thread], watch: Watch, now: float) -> bool:
    """Whether the level has had its time, or cannot be reached by any channel."""
    after_s = watch.after_s or 0.0
    if all(thread.number in watch.unreachable for thread in highest):
        return True
    return now - max(thread.level_at for thread in highest) >= after_s


def _next(
    incident: str, company: Company, highest: Sequence[Thread], watch: Watch, now: float, *, last_resort: bool
) -> Iterator[Escalation]:
    thread = highest[0]
    desks = watch.contacts.above(company, thread.level, thread.story.labels)
    if not desks or (desks[0].company is Company.TECHNICAL and last_resort):
        return
    level = LAST_LEVEL if desks[0].company is Company.TECHNICAL else desks[0].level
    words = tuple(_told_before(each, watch) for each in highest)
    told = [desk for desk in desks if is_told(desk, thread.story.labels.get("severity", ""))] or list(desks)
    notices = tuple(_notice(desk, incident, thread, level, words, now) for desk in told)
    yield Escalation(level, notices)


def _told_before(thread: Thread, watch: Watch) -> str:
    at = datetime.fromtimestamp(thread.level_at, watch.zone)
    title = watch.contacts.desks[thread.desk].title
    missed = "không liên lạc được" if thread.number in watch.unreachable else "chưa tiếp nhận"
    return f"{title} đã được báo lúc {at:%H:%M:%S}, {missed}"


def _notice(desk: Desk, incident: str, thread: Thread, level: int, words: tuple[str, ...], now: float) -> Notice:
    tracking_id = notice_id(desk.id, incident, Kind.ESCALATED, f"{thread.opened_at:.3f}", level)
    return Notice(
        tracking_id=tracking_id,
        desk=desk.id,
        subject=thread.subject,
        kind=Kind.ESCALATED,
        story=thread.story,
        at=now,
        changes=words,
    )


def awaiting(threads: Iterable[Thread], acknowledgements: Sequence[Acknowledgement]) -> Mapping[str, float]:
    """Incidents that nobody has acknowledged, and since when somebody is told of them."""
    found: dict[str, float] = {}
    for thread in threads:
        incident = thread.story.incident
        said = any(each.incident == incident and each.at >= thread.opened_at for each in acknowledgements)
        if incident and not said:
            found[incident] = min(found.get(incident, thread.opened_at), thread.opened_at)
    return found
