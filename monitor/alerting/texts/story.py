"""What the words of all channels share: a notice taken apart, so that each channel says the essential first. Pure.

Stories come from outside, through Alertmanager: whatever is missing in them or absurd costs words, never a message.
"""

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from monitor.core.notices import INCIDENT_SUBJECT, Kind, Letter, Notice, Story

LONGEST = 500
"""Characters of any value that is passed on."""
MINUTE_S, HOUR_S = 60, 3600
ENDED = frozenset({Kind.RESOLVED, Kind.RETRACTED})
HEADS = {
    Kind.OPENED: "",
    Kind.UPDATED: "Cập nhật",
    Kind.RESOLVED: "Đã khắc phục",
    Kind.RETRACTED: "Rút lại",
    Kind.ESCALATED: "CHƯA AI TIẾP NHẬN",
}
"""What stands before the subject."""
DIRECT = "Gửi trực tiếp vì Alertmanager không hoạt động"
DRILL = "DIỄN TẬP"
REMINDER = "CheckInReminder"


class Words(msgspec.Struct, frozen=True):
    """One notice as words; empty where there is nothing to say."""

    head: str
    what: str
    """``Mất điện: Lộ 473 E9.14``."""
    count: str
    """``42 điểm``; empty where one point or none is counted."""
    halls: str
    place: str
    since: str
    """``07:12:03``."""
    day: str
    owner: str
    odds: str
    evidence: str
    speaker: str
    lasted: str
    """Of what is over: ``sau 12 phút``."""
    changes: tuple[str, ...]
    description: str
    lines: tuple[str, ...]
    """Of a group: what each of its alerts says."""
    link: str
    direct: bool


def story_of(
    labels: Mapping[str, str], annotations: Mapping[str, str], since: float, ended_at: float | None, link: str
) -> Story:
    """What an alert of an incident says."""
    return Story(
        subject=f"{INCIDENT_SUBJECT}{labels.get('incident', '')}",
        labels=dict(labels),
        annotations=dict(annotations),
        since=since,
        ended_at=ended_at,
        link=link,
    )


def words_of(notice: Notice, timezone: str) -> Words:
    """What a notice says."""
    story, said = notice.story, notice.story.annotations
    since, day = clock(story.since, timezone)
    return Words(
        head=HEADS[notice.kind],
        what=_what(story),
        count=_count(story),
        halls=_tame(said.get("halls", "")),
        place=_tame(said.get("place", "")) or _tame(story.labels.get("district_name", "")),
        since=_tame(said.get("since", "")).partition(" ")[0] or since,
        day=day,
        owner=_tame(said.get("owner", "")),
        odds=_tame(said.get("probability", "")),
        evidence=_tame(said.get("evidence", "")),
        speaker=_tame(said.get("speaker", "")),
        lasted=span(story.ended_at - story.since) if story.ended_at is not None and notice.kind in ENDED else "",
        changes=tuple(_tame(change) for change in notice.changes),
        description=_tame(said.get("description", "")),
        lines=tuple(map(_tame, story.summaries)),
        link=story.link[:LONGEST],
        direct=notice.direct,
    )


def _what(story: Story) -> str:
    """What it is about, without count and time."""
    said = story.annotations
    if title := _tame(said.get("title", "")):
        return title
    if len(story.summaries) > 1:
        return _tame(f"{story.count} cảnh báo {_place_of(story)}".strip())
    return _tame(said.get("summary", "")) or (_tame(story.summaries[0]) if story.summaries else "Cảnh báo")


def _place_of(story: Story) -> str:
    return story.labels.get("district_name", "")


def _count(story: Story) -> str:
    points = story.annotations.get("points", "")
    told = points if points.isdecimal() and len(points) < 7 else ""
    return f"{told} điểm" if told and told != "0" and story.labels.get("cause") != "site" else ""


def clock(at: float, timezone: str) -> tuple[str, str]:
    """The time of day and the date; of an instant that is none, dashes."""
    try:
        local = datetime.fromtimestamp(at, ZoneInfo(timezone))
    except (ValueError, OverflowError, OSError, ZoneInfoNotFoundError):
        return "--:--:--", "--/--/----"
    return f"{local:%H:%M:%S}", f"{local:%d/%m/%Y}"


def span(seconds: float) -> str:
    """``45 giây``, ``12 phút``, ``1 giờ 05 phút``."""
    if not 0 <= seconds < 1e9:
        return ""
    if seconds < MINUTE_S:
        return f"{seconds:.0f} giây"
    minutes = round(seconds / MINUTE_S)
    return f"{minutes} phút" if seconds < HOUR_S else f"{minutes // 60} giờ {minutes % 60:02} phút"


def gravest_first(letter: Letter) -> tuple[Notice, ...]:
    """What goes on before what is over; of each, escalations first, then by time."""
    return tuple(
        sorted(letter.notices, key=lambda each: (each.kind in ENDED, each.kind is not Kind.ESCALATED, each.at))
    )


def asks(letter: Letter) -> bool:
    """Whether it asks to be acknowledged: an incident goes on."""
    return bool(letter.ack_link) and any(each.story.incident and each.kind not in ENDED for each in letter.notices)


def _tame(text: str) -> str:
    """Text from outside: one line, bounded, valid in UTF-8."""
    line = "".join(char if char.isprintable() else " " for char in text[:LONGEST])
    return " ".join(line.encode(errors="replace").decode().split())
