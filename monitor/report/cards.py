"""The sheets of QR codes that are handed out: for each commune its points' cards, and coordinators', to cut out. Pure.

A4, two cards side by side, four below one another. A code holds the link of a point or of a coordinator; whoever has
the card may speak for it, so the card says not to pass it on.
"""

from collections.abc import Callable, Iterator, Sequence
from importlib import resources
from io import BytesIO

import msgspec
import segno
from fpdf import FPDF

COLUMNS, ROWS = 2, 4
MARGIN_MM, HEADER_MM = 12.0, 16.0
WIDTH_MM, HEIGHT_MM = 210.0, 297.0
CARD_MM = ((WIDTH_MM - 2 * MARGIN_MM) / COLUMNS, (HEIGHT_MM - 2 * MARGIN_MM - HEADER_MM) / ROWS)
CODE_MM = 40.0
INSET_MM = 4.0
PIXELS_A_MODULE = 6
"""Enough that no viewer blurs the edges."""
GREY = 120
FONT = "DejaVuSans"
STYLES = {"": "", "B": "-Bold"}

HEADING = "Mã QR điểm cầu · {place}"
STEPS = (
    "Mở trên máy tính hoặc điện thoại đặt tại điểm cầu.",
    "Giữ trang mở, cắm sạc, từ lúc kiểm tra đến hết buổi lễ.",
    "Mã này chỉ dùng cho điểm cầu này: không chuyển cho người khác.",
)
COORDINATORS = "Mã QR điều phối địa bàn · {place}"
COORDINATOR_STEPS = (
    "Mở trên điện thoại hoặc máy tính của người điều phối.",
    "Xem điểm cầu nào chưa báo cáo; báo số liệu thay cho điểm cầu.",
    "Mã này dùng cho mọi điểm cầu trên địa bàn: không chuyển cho người khác.",
)
PAGE = "Trang {page}"


class Card(msgspec.Struct, frozen=True):
    """A card to cut out."""

    name: str
    holder: str
    """What the link speaks for: a point's id, or a coordinator's scope."""
    link: str


class Sheet(msgspec.Struct, frozen=True):
    """The cards of one place, on as many pages as they need."""

    place: str
    cards: tuple[Card, ...]
    heading: str = HEADING
    steps: tuple[str, ...] = STEPS
    """What each card says to do."""


def pdf(event: str, sheets: Sequence[Sheet], drawn: Callable[[int], None] = lambda _cards: None) -> bytes:
    """The whole document; ``event`` stands in each heading, ``drawn`` is told how many cards a page took."""
    document = _document(event)
    for sheet in sheets:
        for cards in _pages(sheet.cards):
            document.add_page()
            _head(document, event, sheet.heading.format(place=sheet.place))
            for place, card in enumerate(cards):
                _draw(document, card, sheet.steps, place % COLUMNS, place // COLUMNS)
            drawn(len(cards))
    return bytes(document.output())


def code(link: str) -> bytes:
    """The QR code of a link as PNG; error correction M, for paper is folded and smudged (ISO/IEC 18004)."""
    picture = BytesIO()
    segno.make_qr(link, error="m").save(picture, kind="png", scale=PIXELS_A_MODULE, border=4)
    return picture.getvalue()


def _document(event: str) -> FPDF:
    document = FPDF(format="A4")
    document.set_auto_page_break(auto=False)
    document.set_title(event)
    document.set_creator("diemcau")
    document.set_lang("vi")
    fonts = resources.files("monitor.report").joinpath("fonts")
    for style, suffix in STYLES.items():
        with resources.as_file(fonts.joinpath(f"{FONT}{suffix}.ttf")) as path:
            document.add_font(FONT, style, path)
    return document


def _pages(cards: Sequence[Card]) -> Iterator[Sequence[Card]]:
    for start in range(0, len(cards), COLUMNS * ROWS):
        yield cards[start : start + COLUMNS * ROWS]


def _head(document: FPDF, event: str, heading: str) -> None:
    document.set_text_color(0)
    document.set_xy(MARGIN_MM, MARGIN_MM)
    _write(document, heading, 13, 7, "B")
    _write(document, event, 9, 5)
    document.set_text_color(GREY)
    document.set_xy(MARGIN_MM, HEIGHT_MM - MARGIN_MM)
    _write(document, PAGE.format(page=document.page_no()), 8, 4)


def _draw(document: FPDF, card: Card, steps: Sequence[str], column: int, row: int) -> None:
    width, height = CARD_MM
    x, y = MARGIN_MM + column * width, MARGIN_MM + HEADER_MM + row * height
    document.set_draw_color(GREY)
    document.set_dash_pattern(1, 1)
    document.rect(x, y, width, height)
    document.set_dash_pattern()
    document.image(code(card.link), x + INSET_MM / 2, y + (height - CODE_MM) / 2, CODE_MM, CODE_MM, link=card.link)
    left = x + CODE_MM + INSET_MM
    document.set_left_margin(left)
    document.set_right_margin(WIDTH_MM - x - width + INSET_MM / 2)
    document.set_xy(left, y + INSET_MM)
    document.set_text_color(0)
    _write(document, card.name, 11, 5, "B")
    _write(document, card.holder, 8, 5)
    for step in steps:
        document.set_xy(left, document.get_y() + 1)
        _write(document, step, 7.5, 3.6)
    document.set_left_margin(MARGIN_MM)
    document.set_right_margin(MARGIN_MM)


def _write(document: FPDF, text: str, points: float, line_mm: float, style: str = "") -> None:
    """Text from the left to the right margin, on as many lines as it takes."""
    document.set_font(FONT, style, points)
    document.multi_cell(0, line_mm, text, align="L", new_x="LMARGIN", new_y="NEXT")
