"""What has changed in an incident that matters to those who must act; most of what changes does not. Pure."""

from collections.abc import Iterator, Mapping

from monitor.core.notices import Story

DOUBLED = 2.0
MANY = 50
"""So many points more are told even where they have not doubled."""


def changes(told: Story, now: Story) -> tuple[str, ...]:
    """In sentences; empty when nothing matters."""
    return tuple(_changes(told.annotations, now.annotations))


def _changes(told: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    if (title := now.get("title", "")) and title != told.get("title", ""):
        yield f"Nay là: {title}"
    before, after = _number(told.get("points", "")), _number(now.get("points", ""))
    if (after >= before * DOUBLED and after - before >= DOUBLED) or after - before >= MANY:
        yield f"Lan rộng từ {before} thành {after} điểm"
    if tiers := _new_tiers(told.get("halls", ""), now.get("halls", "")):
        yield f"Thêm điểm cấp {tiers}"
    if (speaker := now.get("speaker", "")) and speaker != told.get("speaker", ""):
        yield speaker
    if (odds := now.get("probability", "")) and _sure(odds) != _sure(told.get("probability", "")):
        yield f"Mức chắc chắn: {odds}"


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 7 else 0


def _new_tiers(told: str, now: str) -> str:
    """Tiers that are hit now and were not, villages apart: there are so many of them."""
    before, after = _tiers(told), _tiers(now)
    return ", ".join(tier for tier in after if tier not in before and tier != "thôn")


def _tiers(halls: str) -> list[str]:
    return [words.strip().partition(" ")[2] for words in halls.split(",") if words.strip()]


def _sure(odds: str) -> str:
    """The words without the figure: ``chắc chắn``."""
    return "".join(char for char in odds if not char.isdigit() and char not in "%, ").strip()
