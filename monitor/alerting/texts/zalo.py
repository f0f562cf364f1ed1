"""A letter as the data of a Zalo ZNS template: named values, each a short word. Pure.

Templates are approved by Zalo beforehand, so their parameters are fixed: those of KEYS, the same in every template.
Values are 1 to 100 characters. https://developers.zalo.me/docs/zalo-notification-service
"""

from monitor.alerting.texts.story import DRILL, ENDED, gravest_first, words_of
from monitor.core.notices import Form, Letter, Zns

LONGEST = 100
NOTHING = "-"
SUMMARY = "summary"
KEYS = ("su_co", "so_diem", "tu_luc", "don_vi", "kha_nang", "ghi_chu", "ma", "lien_ket")
"""Parameters of every template: what, how many, since when, who must act, how sure, a note, reply code, link."""


def zns(letter: Letter) -> Zns:
    """What fills the template of its kind."""
    ordered = gravest_first(letter)
    told = words_of(ordered[0], letter.timezone)
    if letter.form is Form.SUMMARY:
        going = sum(each.kind not in ENDED for each in ordered)
        names = "; ".join(words_of(each, letter.timezone).what for each in ordered)
        values = (f"{going} sự cố đang diễn ra, {len(ordered) - going} đã xong", "", told.since, "", "", names)
    else:
        note = "; ".join(filter(None, (*told.changes, told.speaker, told.lasted and f"sau {told.lasted}", told.place)))
        values = (
            f"{told.head}: {told.what}" if told.head else told.what,
            told.count,
            told.since,
            told.owner,
            told.odds,
            note,
        )
    marked = (f"{DRILL}: {values[0]}" if letter.drill else values[0], *values[1:], letter.code, letter.ack_link)
    data = {key: _value(value) for key, value in zip(KEYS, marked, strict=True)}
    return Zns(SUMMARY if letter.form is Form.SUMMARY else letter.notices[0].kind.value, data)


def _value(text: str) -> str:
    return text if 0 < len(text) <= LONGEST else f"{text[: LONGEST - 1]}…" if text else NOTHING
