"""A letter as an SMS: plain letters, 160 characters, the essential first; the link and the code are never cut. Pure.

Vietnamese accents would force UCS-2 and 70 characters (3GPP TS 23.038), so the text is unaccented, of letters that both
the GSM 7-bit alphabet and ASCII have and that take one septet each.
"""

import unicodedata
from collections import Counter

from monitor.alerting.texts.story import DRILL, ENDED, asks, gravest_first, words_of
from monitor.core.notices import Form, Letter, Sms

LONGEST = 160
PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,:;!?()+-*/=%&#@<>'\"_$")
"""One septet each. ``[ ] { } ~ ^ | \\`` take two, and are left out."""
INSTEAD = {"đ": "d", "Đ": "D", "–": "-", "—": "-", "…": ".", "“": '"', "”": '"', "’": "'", "[": "(", "]": ")"}
KINDS = {"telecom": "mang", "power": "dien", "site": "diem cau", "undetermined": "chua ro"}
REPLY = ". Tra loi TN {code}"


def unaccented(text: str) -> str:
    """In plain letters: ``Lộ 473 E9.14`` → ``Lo 473 E9.14``; what has none is left out."""
    spelt = "".join(INSTEAD.get(char, char) for char in text)
    bare = (char for char in unicodedata.normalize("NFD", spelt) if not unicodedata.combining(char))
    return " ".join("".join(char if char in PLAIN else " " if char.isspace() else "" for char in bare).split())


def sms(letter: Letter) -> Sms:
    """At most 160 characters, whatever the names."""
    tail = _tail(letter)
    start = f"{unaccented(DRILL)}. " if letter.drill else ""
    body = _summary(letter) if letter.form is Form.SUMMARY else _single(letter)
    room = LONGEST - len(start) - len(tail)
    if room < 0:  # a link that is longer than an SMS: better without it than not at all
        start, tail, room = start[:LONGEST], "", LONGEST - len(start)
    return Sms(f"{start}{_fit(body, room)}{tail}")


def _tail(letter: Letter) -> str:
    """What must not be cut."""
    reply = REPLY.format(code=letter.code) if letter.code and asks(letter) else ""
    link = f" {letter.ack_link}" if letter.ack_link.isascii() and letter.ack_link.isprintable() else ""
    return f"{reply}{link}"


def _single(letter: Letter) -> list[str]:
    """The parts, the most important first; of the first as much as there is room for."""
    told = words_of(letter.notices[0], letter.timezone) if letter.notices else None
    if told is None:
        return []
    head = f"{told.head}: " if told.head else ""
    ended = letter.notices[0].kind in ENDED
    parts = [
        f"{head}{told.what}",
        told.count if not ended else told.lasted and f"sau {told.lasted}",
        f"tu {told.since}" if not ended else "",
        told.speaker,
        *told.changes,
        told.odds if not ended else "",
        told.place,
        "gui truc tiep" if told.direct else "",
    ]
    return [plain for part in parts if (plain := unaccented(part))]


def _summary(letter: Letter) -> list[str]:
    """How many of what; then the first by name."""
    ordered = gravest_first(letter)
    going = [each for each in ordered if each.kind not in ENDED]
    kinds = Counter(KINDS.get(each.story.labels.get("cause", ""), "khac") for each in going)
    counted = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    over = len(ordered) - len(going)
    parts = [
        f"{len(going)} su co ({counted})" if going else "",
        f"{over} da xong" if over else "",
        *(words_of(each, letter.timezone).what for each in ordered),
    ]
    return [plain for part in parts if (plain := unaccented(part))]


def _fit(parts: list[str], room: int) -> str:
    """As many parts as there is room for, of the first at least a piece."""
    told = parts[0][:room].rstrip() if parts else ""
    for part in parts[1:]:
        if len(told) + 2 + len(part) > room:
            continue
        told = f"{told}, {part}"
    return told
