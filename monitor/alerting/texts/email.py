"""A letter as an e-mail: the subject says the essential, one big button acknowledges; as HTML and as plain text. Pure.

HTML for the mail clients of phones: a table, styles inline, no picture, no script; both colours of every text are set,
so that a dark theme that inverts keeps them apart.
"""

from html import escape

from monitor.alerting.texts.story import DIRECT, DRILL, ENDED, Words, asks, gravest_first, words_of
from monitor.core.notices import Form, Kind, Letter, Mail, Notice

SUBJECT = 150
LINES = 40
"""What a group lists before it counts the rest."""
COLOURS = {Kind.RESOLVED: "#1b6e3c", Kind.RETRACTED: "#5a5a5a", Kind.ESCALATED: "#8a1f11"}
FIRING = "#b3261e"
BUTTON = "ĐÃ TIẾP NHẬN"
PAGE = (
    '<!DOCTYPE html><html lang="vi"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width,initial-scale=1"><title>{title}</title></head>'
    '<body style="margin:0;background:#f2f2f2;color:#1a1a1a;font-family:Arial,Helvetica,sans-serif">'
    '<table role="presentation" width="100%" cellpadding="0" cellspacing="0"><tr><td align="center">'
    '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" '
    'style="max-width:600px;background:#ffffff;color:#1a1a1a">{rows}</table></td></tr></table></body></html>'
)
ROW = '<tr><td style="padding:8px 16px;font-size:16px;line-height:1.5">{text}</td></tr>'
BAND = (
    '<tr><td style="padding:12px 16px;background:{colour};color:#ffffff;font-size:18px;font-weight:bold">'
    "{text}</td></tr>"
)
LINK = (
    '<tr><td style="padding:16px" align="center"><a href="{href}" style="display:inline-block;padding:16px 32px;'
    'background:#0b57d0;color:#ffffff;font-size:18px;font-weight:bold;text-decoration:none;border-radius:6px">'
    "{text}</a></td></tr>"
)


def email(letter: Letter) -> Mail:
    """Subject, text and HTML of a letter."""
    ordered = gravest_first(letter)
    subject = _subject(letter, ordered)
    return Mail(subject, _text(letter, ordered), _html(letter, ordered, subject))


def _subject(letter: Letter, ordered: tuple[Notice, ...]) -> str:
    mark = f"[{DRILL}] " if letter.drill else ""
    if letter.form is Form.SUMMARY:
        going = sum(each.kind not in ENDED for each in ordered)
        over = len(ordered) - going
        told = f"{going} sự cố đang diễn ra" + (f", {over} đã xong" if over else "")
    else:
        words = words_of(ordered[0], letter.timezone)
        told = _headline(words)
    return f"{mark}[ĐIỂM CẦU] {told}"[:SUBJECT]


def _headline(words: Words) -> str:
    head = f"{words.head}: " if words.head else ""
    rest = ", ".join(filter(None, (words.count, words.lasted and f"sau {words.lasted}")))
    return f"{head}{words.what}" + (f", {rest}" if rest else "") + f" (từ {words.since})"


def _facts(words: Words) -> list[tuple[str, str]]:
    """What is told of a notice, name by name."""
    facts = [
        ("", DIRECT if words.direct else ""),
        ("Thay đổi", "; ".join(words.changes)),
        ("Từ lúc", f"{words.since} ngày {words.day}"),
        ("Thời gian", words.lasted),
        ("Đơn vị xử lý", words.owner and f"{words.owner}" + (f" ({words.odds})" if words.odds else "")),
        ("Điểm cầu mất", ", ".join(filter(None, (words.count, words.halls and f"gồm {words.halls}")))),
        ("Sắp phát biểu", words.speaker),
        ("Địa bàn", words.place),
        ("Căn cứ", words.evidence),
        ("Chi tiết", "" if words.owner else words.description),
    ]
    return [(name, value) for name, value in facts if value]


def _text(letter: Letter, ordered: tuple[Notice, ...]) -> str:
    lines = [f"*** {DRILL} ***", ""] if letter.drill else []
    for notice in ordered:
        words = words_of(notice, letter.timezone)
        lines += [_headline(words).upper() if letter.form is Form.SINGLE else f"- {_headline(words)}"]
        lines += [f"  {name}: {value}" if name else f"  {value}" for name, value in _facts(words)]
        lines += [f"  . {line}" for line in _listed(words.lines)]
    if letter.ack_link:
        lines += ["", f"{BUTTON if asks(letter) else 'Xem chi tiết'}: {letter.ack_link}"]
    if letter.code and asks(letter):
        lines += [f"Hoặc nhắn tin: TN {letter.code}"]
    lines += ["", f"Gửi: {letter.desk.title}"]
    return "\n".join(lines) + "\n"


def _html(letter: Letter, ordered: tuple[Notice, ...], subject: str) -> str:
    rows = [BAND.format(colour="#6a1b9a", text=DRILL)] if letter.drill else []
    for notice in ordered:
        words = words_of(notice, letter.timezone)
        rows.append(BAND.format(colour=COLOURS.get(notice.kind, FIRING), text=escape(_headline(words))))
        rows += [ROW.format(text=_fact(name, value)) for name, value in _facts(words)]
        rows += [ROW.format(text=escape(line)) for line in _listed(words.lines)]
    if letter.ack_link:
        label = BUTTON if asks(letter) else "Xem chi tiết"
        rows.append(LINK.format(href=escape(letter.ack_link), text=label))
    if letter.code and asks(letter):
        rows.append(ROW.format(text=f"Hoặc nhắn tin: <b>TN {escape(letter.code)}</b>"))
    rows.append(ROW.format(text=f"Gửi: {escape(letter.desk.title)}"))
    return PAGE.format(title=escape(subject), rows="".join(rows))


def _fact(name: str, value: str) -> str:
    return f"<b>{escape(name)}:</b> {escape(value)}" if name else f"<b>{escape(value)}</b>"


def _listed(lines: tuple[str, ...]) -> list[str]:
    hidden = len(lines) - LINES
    return [*lines[:LINES], *([f"và {hidden} dòng nữa"] if hidden > 0 else [])] if len(lines) > 1 else []
