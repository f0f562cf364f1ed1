"""The report as DOCX, for an official to edit and sign: the layout of Nghị định 30/2020/NĐ-CP, Phụ lục I and III.

Each box of the layout is a paragraph style, named as the decree names it, so that whoever edits the text keeps it in
form. Lengths are millimetres, sizes of type points. Tables are made as XML: python-docx would take a second for each
hundred rows.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from html import escape
from io import BytesIO
from typing import Any

import msgspec
from docx import Document
from docx.document import Document as Paper
from docx.enum.section import WD_SECTION
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_LINE_SPACING
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls, qn
from docx.section import Section
from docx.shared import Mm, Pt, RGBColor
from docx.table import _Cell
from docx.text.paragraph import Paragraph
from fpdf import FPDF

from monitor.core.organization import Letterhead
from monitor.core.snapshot import Content, SnapshotHead
from monitor.report.tables import Cell, Kind, Table, shown
from monitor.report.wording import KIND, MOTTO, NATION, Appendix, Letter, written

FONT = "Times New Roman"
PAGE_MM = (210.0, 297.0)
TOP_MM, BOTTOM_MM, LEFT_MM, RIGHT_MM = 20.0, 20.0, 30.0, 15.0
PAGE_NUMBER_MM = 10.0
"""From the edge of the paper, within the top margin."""
TEXT_MM = PAGE_MM[0] - LEFT_MM - RIGHT_MM
HEAD_MM = (68.0, 97.0)
"""Columns of the head: the agency's and the nation's."""
FOOT_MM = (75.0, 90.0)
"""Columns of the foot: who receives it, who signs it."""
RULE_RATIO = 0.4
"""Of the line above it: the decree asks for 1/3 to 1/2."""
PADDING_MM = 0.8
"""Left and right in the cells of a table of figures."""

TWIPS_A_MM = 1440 / 25.4
LEFT, CENTRE, RIGHT, JUSTIFIED = (
    WD_ALIGN_PARAGRAPH.LEFT,
    WD_ALIGN_PARAGRAPH.CENTER,
    WD_ALIGN_PARAGRAPH.RIGHT,
    WD_ALIGN_PARAGRAPH.JUSTIFY,
)


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """How a box of the layout looks."""

    size: float
    align: WD_ALIGN_PARAGRAPH = CENTRE
    bold: bool = False
    italic: bool = False
    before: float = 0.0
    after: float = 0.0
    indent_mm: float = 0.0
    """Of the first line."""
    lines: float = 1.0
    keep: bool = False
    """On the page of what follows."""


LOOKS = {
    "Số trang": Look(size=13),
    "Quốc hiệu": Look(size=12, bold=True),
    "Tiêu ngữ": Look(size=13, bold=True),
    "Cơ quan chủ quản": Look(size=12),
    "Cơ quan ban hành": Look(size=12, bold=True),
    "Số, ký hiệu": Look(size=13, before=6),
    "Địa danh, thời gian": Look(size=13, italic=True, before=6),
    "Tên loại": Look(size=14, bold=True, before=18, keep=True),
    "Trích yếu": Look(size=14, bold=True, keep=True),
    "Đường kẻ": Look(size=2),
    "Kính gửi": Look(size=14, before=12, after=12),
    "Nội dung": Look(size=14, align=JUSTIFIED, after=6, indent_mm=12.7, lines=1.15),
    "Đề mục": Look(size=14, align=JUSTIFIED, bold=True, after=6, indent_mm=12.7, lines=1.15, keep=True),
    "Mã kiểm chứng": Look(size=13, align=LEFT, after=6),
    "Quyền hạn, chức vụ": Look(size=14, bold=True, keep=True),
    "Họ tên": Look(size=14, bold=True, before=64),
    "Nơi nhận": Look(size=12, align=LEFT, bold=True, italic=True),
    "Danh sách nhận": Look(size=11, align=LEFT),
    "Phụ lục": Look(size=14, bold=True, keep=True),
    "Tên phụ lục": Look(size=14, bold=True, keep=True),
    "Chỉ dẫn phụ lục": Look(size=13, italic=True, after=6, keep=True),
    "Đầu cột": Look(size=11, bold=True, before=1, after=1, keep=True),
    "Ô chữ": Look(size=11, align=LEFT, before=1, after=1),
    "Ô số": Look(size=11, align=RIGHT, before=1, after=1),
}
"""By the name of the box, which is that of its style. Sizes and spaces in points."""
CELLS = {Kind.TEXT: "Ô chữ", Kind.COUNT: "Ô số", Kind.SHARE: "Ô số"}


def document(content: Content, letterhead: Letterhead, snapshot: SnapshotHead | None = None) -> bytes:
    """The report as DOCX."""
    return laid_out(written(content, letterhead, snapshot), content.taken_at)


def laid_out(report: Letter, made_at: str) -> bytes:
    """Any letter as DOCX; ``made_at`` (ISO 8601) is the date that the file says of itself."""
    paper = _blank(report, made_at)
    _head(paper, report)
    _subject(paper, report)
    _body(paper, report)
    _foot(paper, report)
    for appendix in report.appendices:
        _appendix(paper, report, appendix)
    file = BytesIO()
    paper.save(file)
    return file.getvalue()


# Page and styles


def _blank(report: Letter, made_at: str) -> Paper:
    """An empty document with the page, its number and the styles."""
    paper = Document()
    _fonts(paper)
    for name, look in LOOKS.items():
        _style(paper, name, look)
    _page(paper.sections[0])
    properties = paper.core_properties
    properties.title, properties.author, properties.subject = report.subject, report.agency, report.number
    properties.comments, properties.language, properties.last_modified_by = "", "vi-VN", report.agency
    properties.created = properties.modified = datetime.fromisoformat(made_at).replace(tzinfo=None)
    return paper


def _fonts(paper: Paper) -> None:
    """Times New Roman, black, Vietnamese, for whatever is typed: the theme of the template has no say."""
    normal = paper.styles["Normal"].element.get_or_add_rPr()
    defaults = paper.styles.element.find(f"{qn('w:docDefaults')}/{qn('w:rPrDefault')}/{qn('w:rPr')}")
    for place in (defaults, normal):
        for tag in ("w:rFonts", "w:lang"):
            for found in place.findall(qn(tag)):
                place.remove(found)
        names = " ".join(f'w:{script}="{FONT}"' for script in ("ascii", "hAnsi", "eastAsia", "cs"))
        place.insert(0, parse_xml(f"<w:rFonts {nsdecls('w')} {names}/>"))
        place.append(parse_xml(f'<w:lang {nsdecls("w")} w:val="vi-VN" w:eastAsia="vi-VN" w:bidi="ar-SA"/>'))


def _style(paper: Paper, name: str, look: Look) -> None:
    style: Any = paper.styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH)
    style.base_style, style.quick_style, style.hidden = paper.styles["Normal"], True, False
    style.font.name, style.font.size, style.font.color.rgb = FONT, Pt(look.size), RGBColor(0, 0, 0)
    style.font.bold, style.font.italic = look.bold, look.italic
    form = style.paragraph_format
    form.alignment, form.line_spacing, form.keep_with_next = look.align, look.lines, look.keep
    form.space_before, form.space_after = Pt(look.before), Pt(look.after)
    form.first_line_indent, form.widow_control = Mm(look.indent_mm), True


def _page(section: Section) -> None:
    """A4, its margins, and the number in the top margin of every page but the first."""
    section.page_width, section.page_height = map(Mm, PAGE_MM)
    section.top_margin, section.bottom_margin = Mm(TOP_MM), Mm(BOTTOM_MM)
    section.left_margin, section.right_margin = Mm(LEFT_MM), Mm(RIGHT_MM)
    section.header_distance = section.footer_distance = Mm(PAGE_NUMBER_MM)
    section.different_first_page_header_footer = True
    number = section.header.paragraphs[0]
    number.style = "Số trang"
    number._p.append(  # noqa: SLF001 - python-docx has no fields
        parse_xml(f'<w:fldSimple {nsdecls("w")} w:instr="PAGE"><w:r><w:t>2</w:t></w:r></w:fldSimple>')
    )
    section.first_page_header.paragraphs[0].style = "Số trang"


# Boxes


def _head(paper: Paper, report: Letter) -> None:
    """Boxes 1 to 4, side by side."""
    table = _columns(paper, 2, HEAD_MM)
    agency, nation = table[0]
    agency_mm, nation_mm = HEAD_MM
    if report.superior:
        _write(agency, report.superior, "Cơ quan chủ quản")
    ours = _write(agency, report.agency, "Cơ quan ban hành")
    _rule(agency, RULE_RATIO * _length_mm(report.agency, ours, agency_mm), agency_mm)
    _write(nation, NATION, "Quốc hiệu")
    motto = _write(nation, MOTTO, "Tiêu ngữ")
    _rule(nation, _length_mm(MOTTO, motto, nation_mm), nation_mm)
    number, dated = table[1]
    _write(number, report.number, "Số, ký hiệu")
    _write(dated, report.dated, "Địa danh, thời gian")


def _subject(paper: Paper, report: Letter) -> None:
    """Boxes 5a and 9a."""
    paper.add_paragraph(KIND, "Tên loại")
    subject = paper.add_paragraph(report.subject, "Trích yếu")
    _rule(paper, RULE_RATIO * _length_mm(report.subject, subject, TEXT_MM), TEXT_MM)
    paper.add_paragraph(report.recipient, "Kính gửi")


def _body(paper: Paper, report: Letter) -> None:
    """Box 6."""
    paper.add_paragraph(report.opening, "Nội dung")
    for part in report.parts:
        paper.add_paragraph(part.heading, "Đề mục")
        for text in part.paragraphs:
            paper.add_paragraph(text, "Nội dung")
        if part.table is not None:
            paper.paragraphs[-1].paragraph_format.keep_with_next = True
            _figures(paper, part.table.paper, together=True)
            paper.paragraphs[-1].paragraph_format.space_after = Pt(6)
    if report.digest:
        paper.paragraphs[-1].paragraph_format.keep_with_next = True
        paper.add_paragraph(report.digest, "Mã kiểm chứng")
    closing = paper.add_paragraph(report.closing, "Nội dung")
    closing.paragraph_format.keep_with_next = True
    closing.paragraph_format.space_after = Pt(12)


def _foot(paper: Paper, report: Letter) -> None:
    """Boxes 9b and 7, level with each other; the name is left to whoever signs."""
    ((receivers, signer),) = _columns(paper, 1, FOOT_MM)
    _write(receivers, "Nơi nhận:", "Nơi nhận")
    for line in report.receivers:
        _write(receivers, line, "Danh sách nhận")
    for line in report.signer:
        _write(signer, line, "Quyền hạn, chức vụ")
    _write(signer, "", "Họ tên")


def _appendix(paper: Paper, report: Letter, appendix: Appendix) -> None:
    """A Phụ lục on pages of its own, which it counts from 1."""
    section = paper.add_section(WD_SECTION.NEW_PAGE)
    properties = section._sectPr  # noqa: SLF001 - python-docx has no page numbering
    for old in properties.findall(qn("w:pgNumType")):
        properties.remove(old)
    properties.find(qn("w:cols")).addprevious(parse_xml(f'<w:pgNumType {nsdecls("w")} w:start="1"/>'))
    paper.add_paragraph(f"Phụ lục {appendix.number}", "Phụ lục")
    paper.add_paragraph(appendix.title, "Tên phụ lục")
    paper.add_paragraph(report.attached, "Chỉ dẫn phụ lục")
    paper.add_paragraph(appendix.intro, "Nội dung")
    if appendix.table.rows:
        _figures(paper, appendix.table.paper)


# Paragraphs, rules and tables


def _write(cell: _Cell, text: str, style: str) -> Paragraph:
    """A paragraph more; the first one of a cell is there already, without a style."""
    first: Paragraph = cell.paragraphs[0]
    fresh = first._p.pPr is None  # noqa: SLF001 - whether nobody has written in it
    paragraph: Paragraph = first if fresh else cell.add_paragraph()
    paragraph.style = style
    paragraph.add_run(text)
    return paragraph


def _rule(place: Paper | _Cell, length_mm: float, room_mm: float) -> None:
    """A line of that length in the middle: the border of a paragraph that is as good as empty."""
    rule = place.add_paragraph("", "Đường kẻ")
    form = rule.paragraph_format
    form.left_indent = form.right_indent = Mm((room_mm - length_mm) / 2)
    form.space_before, form.line_spacing_rule, form.line_spacing = Pt(2), WD_LINE_SPACING.EXACTLY, Pt(3)
    border = f'<w:pBdr {nsdecls("w")}><w:top w:val="single" w:sz="6" w:space="0" w:color="000000"/></w:pBdr>'
    rule._p.get_or_add_pPr().insert_element_before(  # noqa: SLF001 - python-docx has no borders
        parse_xml(border), "w:shd", "w:tabs", "w:suppressAutoHyphens", "w:spacing", "w:ind", "w:jc", "w:rPr"
    )


def _length_mm(text: str, paragraph: Paragraph, room_mm: float) -> float:
    """How long the text is in print, or the line of it that fills the room. As Adobe's Times, whose widths TNR has.

    A Vietnamese letter is as wide as the Latin one that it is made of.
    """
    name = paragraph.style.name if paragraph.style is not None else None
    look = LOOKS[name or "Nội dung"]
    ruler = FPDF(unit="mm")
    ruler.set_font("times", "B" if look.bold else "", look.size)
    bare = unicodedata.normalize("NFD", text.translate({ord("Đ"): "D", ord("đ"): "d"}))
    plain = (
        "".join(char for char in bare if not unicodedata.combining(char)).encode("latin-1", "replace").decode("latin-1")
    )
    return min(float(ruler.get_string_width(plain)), room_mm)


def _columns(paper: Paper, rows: int, widths_mm: Sequence[float]) -> list[tuple[_Cell, ...]]:
    """Cells without borders or padding, side by side and never parted by the end of a page."""
    table = paper.add_table(rows, len(widths_mm))
    table.autofit = False
    edges = "".join(f'<w:{edge} w:w="0" w:type="dxa"/>' for edge in ("left", "right"))
    table._tbl.tblPr.append(parse_xml(f"<w:tblCellMar {nsdecls('w')}>{edges}</w:tblCellMar>"))  # noqa: SLF001
    for row in table.rows:
        row._tr.get_or_add_trPr().append(parse_xml(f"<w:cantSplit {nsdecls('w')}/>"))  # noqa: SLF001
    for column, width in zip(table.columns, widths_mm, strict=True):
        column.width = Mm(width)
        for cell in column.cells:
            cell.width = Mm(width)
    return [tuple(row.cells) for row in table.rows]


def _figures(paper: Paper, table: Table, *, together: bool = False) -> None:
    """A table with borders, whose head stands on each page; and the paragraph that Word wants behind a table.

    ``together``: all its rows on one page.
    """
    widths = [TEXT_MM * column.width / sum(column.width for column in table.columns) for column in table.columns]
    twips = [round(width * TWIPS_A_MM) for width in widths]
    ids = {name: str(paper.styles[name].style_id) for name in ("Đầu cột", *CELLS.values())}
    kinds = [column.kind for column in table.columns]
    styles = [ids[CELLS[kind]] for kind in kinds]
    head = _row((column.title for column in table.columns), twips, [ids["Đầu cột"]] * len(twips), head=True)
    rows = (
        _heading(shown(row[0], Kind.TEXT), sum(twips), len(twips), ids["Ô chữ"])
        if len(row) == 1
        else _row(_shown(row, kinds), twips, styles, keep=together)
        for row in table.rows
    )
    total = _row(_shown(table.total, kinds), twips, styles, bold=True) if table.total else ""
    grid = "".join(f'<w:gridCol w:w="{width}"/>' for width in twips)
    made = (
        f"<w:tbl {nsdecls('w')}>{_frame(sum(twips))}<w:tblGrid>{grid}</w:tblGrid>{head}{''.join(rows)}{total}</w:tbl>"
    )
    behind = paper.add_paragraph("", "Đường kẻ")
    behind._p.addprevious(parse_xml(made))  # noqa: SLF001


def _frame(width: int) -> str:
    edges = "".join(
        f'<w:{edge} w:val="single" w:sz="4" w:space="0" w:color="000000"/>'
        for edge in ("top", "left", "bottom", "right", "insideH", "insideV")
    )
    padding = round(PADDING_MM * TWIPS_A_MM)
    sides = "".join(f'<w:{side} w:w="{padding}" w:type="dxa"/>' for side in ("left", "right"))
    return (
        f'<w:tblPr><w:tblW w:w="{width}" w:type="dxa"/><w:jc w:val="center"/><w:tblBorders>{edges}</w:tblBorders>'
        f'<w:tblLayout w:type="fixed"/><w:tblCellMar>{sides}</w:tblCellMar></w:tblPr>'
    )


def _shown(cells: Iterable[Cell], kinds: Iterable[Kind]) -> Iterator[str]:
    return (shown(cell, kind) for cell, kind in zip(cells, kinds, strict=True))


def _row(
    texts: Iterable[str],
    twips: Sequence[int],
    styles: Sequence[str],
    *,
    head: bool = False,
    bold: bool = False,
    keep: bool = False,
) -> str:
    """A row, which no page parts; ``keep``: nor from the next one."""
    run = "<w:rPr><w:b/></w:rPr>" if bold else ""
    kept = "<w:keepNext/>" if keep else ""
    cells = "".join(
        _cell(text, f'<w:tcW w:w="{width}" w:type="dxa"/>', f'<w:pStyle w:val="{style}"/>{kept}', run)
        for text, width, style in zip(texts, twips, styles, strict=True)
    )
    return f"<w:tr><w:trPr><w:cantSplit/>{'<w:tblHeader/>' if head else ''}</w:trPr>{cells}</w:tr>"


def _heading(text: str, width: int, columns: int, style: str) -> str:
    """A row of one cell, which stays with the row below it."""
    form = f'<w:tcW w:w="{width}" w:type="dxa"/><w:gridSpan w:val="{columns}"/>'
    cell = _cell(text, form, f'<w:pStyle w:val="{style}"/><w:keepNext/>', "<w:rPr><w:b/></w:rPr>")
    return f"<w:tr><w:trPr><w:cantSplit/></w:trPr>{cell}</w:tr>"


def _cell(text: str, form: str, paragraph: str, run: str) -> str:
    return (
        f'<w:tc><w:tcPr>{form}<w:vAlign w:val="center"/></w:tcPr><w:p><w:pPr>{paragraph}</w:pPr>'
        f'<w:r>{run}<w:t xml:space="preserve">{escape(text)}</w:t></w:r></w:p></w:tc>'
    )
