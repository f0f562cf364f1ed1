"""The DOCX, compared point by point with the layout of Nghị định 30/2020/NĐ-CP; then as LibreOffice prints it."""

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from docx import Document
from docx.document import Document as Paper
from docx.oxml.ns import qn
from docx.text.paragraph import Paragraph
from fpdf import FPDF

from monitor.core.organization import Letterhead, ReportForm
from monitor.core.snapshot import Content, SnapshotHead
from monitor.report import report
from monitor.report.document import FOOT_MM, HEAD_MM, TEXT_MM, document

LAYOUT = json.loads((Path(__file__).parent / "nd30_layout.json").read_text(encoding="utf-8"))
PAGE, BOXES = LAYOUT["page"], LAYOUT["boxes"]
RULE = "Đường kẻ"
MM = 36_000
"""EMU."""


def within(value: float, bounds: list[float]) -> bool:
    return bounds[0] - 0.05 <= value <= bounds[1] + 0.05


def paragraphs(paper: Paper) -> list[Paragraph]:
    """All, also those in tables, in the order of the text."""
    return [Paragraph(element, paper) for element in paper.element.body.iter(qn("w:p"))]


def of_style(paper: Paper, name: str) -> list[Paragraph]:
    return [each for each in paragraphs(paper) if each.style is not None and each.style.name == name]


def text_of(paper: Paper) -> str:
    return "\n".join(each.text for each in paragraphs(paper))


@pytest.fixture
def paper(content: Content, letterhead: Letterhead, snapshot: SnapshotHead) -> Paper:
    return Document(BytesIO(document(content, letterhead, snapshot)))


@pytest.fixture
def opened(letterhead: Letterhead) -> Callable[..., Paper]:
    def make(content: Content, **changed: object) -> Paper:
        return Document(BytesIO(document(content, msgspec.structs.replace(letterhead, **changed))))

    return make


# Page


def test_every_section_is_a4_with_margins_in_range(paper: Paper) -> None:
    """The letter and two appendices."""
    assert len(paper.sections) == 3
    for section in paper.sections:
        assert section.page_width is not None
        assert section.page_height is not None
        assert [round(section.page_width / MM), round(section.page_height / MM)] == PAGE["size_mm"]
        for side in ("top", "bottom", "left", "right"):
            assert within(getattr(section, f"{side}_margin") / MM, PAGE[f"{side}_mm"]), side


def test_the_page_number_stands_centred_in_the_top_margin_and_not_on_the_first_page(paper: Paper) -> None:
    for section in paper.sections:
        assert section.different_first_page_header_footer
        assert "PAGE" not in section.first_page_header._element.xml
        assert not section.first_page_header.paragraphs[0].text
        (number,) = section.header.paragraphs
        assert re.findall(r'w:instr="(\w+)"', number._p.xml) == ["PAGE"]
        assert number.style is not None
        assert number.style.name == "Số trang"
        assert section.header_distance is not None
        assert section.header_distance / MM + 14 * 0.3528 * 1.2 < 20, "it would push the text down"
        assert not section.footer.paragraphs[0].text


def test_each_appendix_counts_its_own_pages(paper: Paper) -> None:
    starts = [section._sectPr.find(qn("w:pgNumType")) for section in paper.sections]
    assert starts[0] is None
    assert [each.get(qn("w:start")) for each in starts[1:]] == ["1", "1"]


# Type


@pytest.mark.parametrize("name", BOXES)
def test_a_box_looks_as_the_decree_says(paper: Paper, name: str) -> None:
    box, style = BOXES[name], paper.styles[name]
    form, font = style.paragraph_format, style.font  # type: ignore[attr-defined]
    assert font.name == PAGE["font"]
    assert str(font.color.rgb) == "000000"
    assert within(font.size.pt, box["pt"])
    assert (bool(font.bold), bool(font.italic)) == (box.get("bold", False), box.get("italic", False))
    assert form.alignment.name == box["align"]
    if "first_line_mm" in box:
        assert within(form.first_line_indent / MM, box["first_line_mm"])
    if "after_pt" in box:
        assert within(form.space_after.pt, box["after_pt"])
    if "lines" in box:
        assert within(form.line_spacing, box["lines"])


@pytest.mark.parametrize("name", [name for name in BOXES if "text" in BOXES[name]])
def test_a_box_says_what_it_has_to(paper: Paper, name: str) -> None:
    assert of_style(paper, name)[0].text == BOXES[name]["text"]


def test_whatever_is_typed_is_black_times_new_roman(paper: Paper) -> None:
    """No theme, no other font, no other colour, in the defaults or in a run."""
    defaults = paper.styles.element.find(qn("w:docDefaults"))
    assert {each.get(qn("w:ascii")) for each in defaults.iter(qn("w:rFonts"))} == {PAGE["font"]}
    assert not [each for each in defaults.iter(qn("w:rFonts")) if each.get(qn("w:asciiTheme"))]
    used = {each.style.name for each in paragraphs(paper) if each.style is not None}
    assert {paper.styles[name].font.name for name in used} == {PAGE["font"]}  # type: ignore[attr-defined]
    for tag in ("w:rFonts", "w:color", "w:sz", "w:shd"):
        assert not list(paper.element.body.iter(qn(tag))), f"{tag} outside the styles"


# Rules


def measured_mm(text: str, size: float) -> float:
    """In Times Bold, whose widths a letter keeps under its marks."""
    plain = text.replace("Ộ", "O").replace("Ở", "O").replace("Ọ", "O")
    ruler = FPDF(unit="mm")
    ruler.set_font("times", "B", size)
    bare = str.maketrans("ộậựạÀÔỆĐ", "oauaAOED")
    return float(ruler.get_string_width(plain.translate(bare).replace("ú", "u")))


@pytest.mark.parametrize(("name", "room"), [("Tiêu ngữ", HEAD_MM[1]), ("Cơ quan ban hành", HEAD_MM[0])])
def test_a_rule_is_as_long_as_the_decree_says(paper: Paper, name: str, room: float) -> None:
    """A border, not underscores; in the middle; of the length that its line has in print."""
    line = of_style(paper, name)[0]
    rule = Paragraph(line._p.getnext(), paper)
    length = rule_mm(rule, room)
    assert line.style is not None
    ratio = length / measured_mm(line.text, line.style.font.size.pt)  # type: ignore[attr-defined]
    low, high = BOXES[name]["rule"]
    assert low - 0.01 <= ratio <= high + 0.01


def rule_mm(rule: Paragraph, room: float) -> float:
    """The length of a rule that stands in the middle."""
    assert rule.style is not None
    assert rule.style.name == RULE
    assert not rule.text
    (border,) = rule._p.iter(qn("w:top"))
    assert (border.get(qn("w:val")), border.get(qn("w:color"))) == ("single", "000000")
    left, right = rule.paragraph_format.left_indent, rule.paragraph_format.right_indent
    assert left is not None
    assert left == right
    return room - 2 * left / MM


def test_the_subject_has_a_rule_of_a_third_to_a_half_of_its_line(
    opened: Callable[..., Paper], content: Content
) -> None:
    """Also when it fills more than one line."""
    for event in ("Lễ", "Lễ phát động phong trào " * 5):
        paper = opened(msgspec.structs.replace(content, event=event))
        rule = Paragraph(of_style(paper, "Trích yếu")[0]._p.getnext(), paper)
        assert 20 < rule_mm(rule, TEXT_MM) <= TEXT_MM / 2


def test_nothing_is_underscored(paper: Paper) -> None:
    assert "__" not in text_of(paper)


# Boxes


def test_head_and_foot_stand_side_by_side_without_borders(paper: Paper) -> None:
    """Boxes 1 and 2 level, 3 and 4 level, 7 and 9b level; no borders but the rules."""
    head, foot = paper.tables[0], paper.tables[2]
    styles = [[[each.style.name for each in cell.paragraphs if each.style] for cell in row.cells] for row in head.rows]
    assert styles == [
        [["Cơ quan chủ quản", "Cơ quan ban hành", RULE], ["Quốc hiệu", "Tiêu ngữ", RULE]],
        [["Số, ký hiệu"], ["Địa danh, thời gian"]],
    ]
    assert [each.style.name for each in foot.rows[0].cells[1].paragraphs if each.style] == [
        "Quyền hạn, chức vụ",
        "Quyền hạn, chức vụ",
        "Họ tên",
    ]
    assert all(table._tbl.find(f".//{qn('w:tblBorders')}") is None for table in (head, foot))
    assert sum(HEAD_MM) == sum(FOOT_MM) == TEXT_MM


def test_the_boxes_come_in_the_order_of_the_decree(paper: Paper) -> None:
    order = [each.style.name for each in paragraphs(paper) if each.style and each.style.name in BOXES]
    firsts = sorted(set(order), key=order.index)
    assert firsts == [
        "Cơ quan chủ quản", "Cơ quan ban hành", "Quốc hiệu", "Tiêu ngữ", "Số, ký hiệu", "Địa danh, thời gian",
        "Tên loại", "Trích yếu", "Kính gửi", "Nội dung", "Đề mục", "Mã kiểm chứng",
        "Nơi nhận", "Danh sách nhận", "Quyền hạn, chức vụ", "Họ tên",
        "Phụ lục", "Tên phụ lục", "Chỉ dẫn phụ lục",
    ]  # fmt: skip


def test_the_body_ends_with_its_mark_and_only_the_body(paper: Paper) -> None:
    said = [each.text for each in of_style(paper, "Nội dung")]
    assert [text for text in said if text.endswith("./.")] == [
        "Trên đây là kết quả tổng hợp, kính báo cáo Ủy ban nhân dân tỉnh Thanh Hóa./."
    ]


def test_receivers_end_with_the_archive(paper: Paper) -> None:
    assert [each.text for each in of_style(paper, "Danh sách nhận")] == ["- Như trên;", "- Lưu: VT, CNTT."]


def test_the_signer_has_an_office_and_no_name(paper: Paper) -> None:
    assert [each.text for each in of_style(paper, "Quyền hạn, chức vụ")] == ["KT. GIÁM ĐỐC", "PHÓ GIÁM ĐỐC"]
    assert [each.text for each in of_style(paper, "Họ tên")] == [""]


@pytest.mark.parametrize(
    ("taken_at", "dated"),
    [
        ("2025-05-08T00:30:00Z", "ngày 08 tháng 5 năm 2025"),
        ("2025-05-07T17:00:00Z", "ngày 08 tháng 5 năm 2025"),
        ("2025-12-10T00:30:00Z", "ngày 10 tháng 12 năm 2025"),
        ("2026-02-01T00:30:00Z", "ngày 01 tháng 02 năm 2026"),
        ("2026-03-31T18:00:00Z", "ngày 01 tháng 4 năm 2026"),
    ],
)
def test_days_and_the_first_two_months_have_a_nought_in_the_time_of_vietnam(
    opened: Callable[..., Paper], content: Content, taken_at: str, dated: str
) -> None:
    paper = opened(msgspec.structs.replace(content, taken_at=taken_at))
    assert of_style(paper, "Địa danh, thời gian")[0].text == f"Thanh Hóa, {dated}"
    assert f"/BC-SKHCN {dated} của Sở Khoa học và Công nghệ)" in of_style(paper, "Chỉ dẫn phụ lục")[0].text


def test_blanks_of_the_number_stay_to_be_filled_in(opened: Callable[..., Paper], content: Content) -> None:
    paper = opened(content, number="      /BC-SKHCN")
    assert of_style(paper, "Số, ký hiệu")[0].text == "Số:       /BC-SKHCN"


# Figures


def cells(table: Any) -> list[list[str]]:
    return [[cell.text for cell in row.cells] for row in table.rows]


def test_the_body_says_the_number_and_what_it_is_made_of(paper: Paper) -> None:
    text = text_of(paper)
    assert "Toàn tỉnh có 2 điểm cầu sẵn sàng trên 5 điểm cầu tham gia (40,0%)" in text
    assert "với 1.430 đại biểu và tổng số 1.700 người dự." in text
    assert "Theo kế hoạch có 7 điểm cầu, trong đó: 5 điểm tham gia kết nối; 1 điểm ghép" in text
    assert "1 điểm không có điều kiện kết nối. Trong các điểm tham gia, 3 điểm đã kết nối." in text
    assert "là 5 điểm cầu sẵn sàng: còn thiếu 3 điểm cầu." in text
    assert "Đã có 3 điểm cầu báo số đại biểu, 2 điểm cầu chưa báo; 1 điểm cầu báo sau thời hạn." in text
    assert "mất điện: 1; chưa thấy tín hiệu: 1; chưa xác nhận hình: 1." in text


def test_the_body_has_a_row_a_tier_and_the_sum(paper: Paper) -> None:
    assert cells(paper.tables[1]) == [
        ["Cấp điểm cầu", "Kế hoạch", "Ghép điểm", "Không kết nối được", "Tham gia", "Đã kết nối", "Sẵn sàng",
         "Đại biểu", "Người dự", "Tỷ lệ sẵn sàng"],
        ["Tỉnh ủy", "1", "0", "0", "1", "1", "1", "400", "450", "100,0%"],
        ["Xã, phường, thị trấn", "1", "0", "0", "1", "1", "1", "1.000", "1.200", "100,0%"],
        ["Thôn, bản, tổ dân phố", "5", "1", "1", "3", "1", "0", "30", "50", "0,0%"],
        ["Toàn tỉnh", "7", "1", "1", "5", "3", "2", "1.430", "1.700", "40,0%"],
    ]  # fmt: skip


def test_the_first_appendix_has_a_row_a_district(paper: Paper) -> None:
    head, *rows, total = cells(paper.tables[3])
    assert head[:2] == ["TT", "Huyện, thị xã, thành phố"]
    assert [row[:3] for row in rows] == [
        ["1", "Cấp tỉnh", "1"],
        ["2", "Huyện Mường Lát", "1"],
        ["3", "Huyện Bá Thước", "5"],
    ]
    assert total[1:4] == ["Toàn tỉnh", "7", "1"]


def test_the_second_appendix_says_of_each_point_why_it_is_not_ready(paper: Paper) -> None:
    """By district; merged points and those without coverage lack nothing."""
    head, *rows = cells(paper.tables[4])
    assert head == ["TT", "Điểm cầu", "Cấp", "Xã, phường, thị trấn", "Lý do chưa sẵn sàng"]
    assert rows == [
        ["Huyện Mường Lát: 1 điểm cầu"] * 5,
        ["1", "Bản V5", "Thôn, bản", "14845", "chưa thấy tín hiệu"],
        ["Huyện Bá Thước: 2 điểm cầu"] * 5,
        ["2", "=HYPERLINK(1)", "Thôn, bản", "Xã Điền Lư", "chưa xác nhận hình"],
        ["3", "Bản V1", "Thôn, bản", "Xã Điền Lư", "mất điện; chưa có người trực"],
    ]


def test_heads_of_tables_stand_on_each_page_and_rows_are_not_parted(paper: Paper) -> None:
    for table in (paper.tables[1], *paper.tables[3:]):
        properties = [row._tr.trPr for row in table.rows]
        assert all(each is not None and each.find(qn("w:cantSplit")) is not None for each in properties)
        heads = [each is not None and each.find(qn("w:tblHeader")) is not None for each in properties]
        assert heads == [True] + [False] * (len(heads) - 1)


def test_where_the_figures_come_from_is_told(paper: Paper, snapshot: SnapshotHead, content: Content) -> None:
    assert of_style(paper, "Mã kiểm chứng")[0].text == snapshot.digest
    assert "bản chốt số 03, do hệ thống tự động lập" in text_of(paper)
    live = Document(BytesIO(document(content, Letterhead())))
    assert not of_style(live, "Mã kiểm chứng")
    assert "chưa lập bản chốt" in text_of(live)


def test_no_account_stands_in_it(paper: Paper) -> None:
    properties = paper.core_properties
    assert "an-account" not in text_of(paper)
    assert (properties.author, properties.comments, properties.language) == ("SỞ KHOA HỌC VÀ CÔNG NGHỆ", "", "vi-VN")


def test_a_blind_count_says_so(opened: Callable[..., Paper], content: Content) -> None:
    assert "không quan sát được" not in text_of(opened(content))
    assert "không quan sát được" in text_of(opened(msgspec.structs.replace(content, blind=True)))


def test_a_province_that_is_ready_lists_nobody(opened: Callable[..., Paper], many: Callable[..., Content]) -> None:
    paper = opened(many(10, 0))
    text = text_of(paper)
    assert "Không có điểm cầu nào chưa sẵn sàng." in text
    assert "đã đạt mục tiêu" in text
    assert len(paper.tables) == 4


def test_only_what_is_whole_is_told_as_whole(opened: Callable[..., Paper], many: Callable[..., Content]) -> None:
    """1,999 of 2,000 are not 100.0%."""
    assert "(99,9%)" in text_of(opened(many(2_000, 1)))


def test_what_no_xml_can_hold_is_left_out(opened: Callable[..., Paper], content: Content) -> None:
    rows = (*content.points[:-1], msgspec.structs.replace(content.points[-1], name="Bản\x00 <b>&\ud800"))
    assert "Bản <b>&" in text_of(opened(msgspec.structs.replace(content, points=rows)))


def test_no_points_at_all(opened: Callable[..., Paper], many: Callable[..., Content]) -> None:
    assert "0 điểm cầu sẵn sàng trên 0 điểm cầu tham gia, với 0 đại biểu" in text_of(opened(many(0, 0)))


def test_five_thousand_points_of_which_a_thousand_are_not_ready_take_no_time(
    many: Callable[..., Content], letterhead: Letterhead
) -> None:
    """Measured 0.3 s on two shared cores; the bound is there for what would take seconds a hundred rows."""
    content = many(5_000, 1_000)
    started = time.process_time()
    made = report(content, letterhead, ReportForm.DOCX)
    assert time.process_time() - started < 3
    assert len(Document(BytesIO(made)).tables[4]._tbl.tr_lst) == 1_003


# In print


@pytest.fixture
def printed(program: Callable[[str], Path], tmp_path: Path) -> Callable[[bytes], Path]:
    """The PDF that LibreOffice makes of a document."""

    def convert(made: bytes) -> Path:
        (tmp_path / "report.docx").write_bytes(made)
        home = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
        command = [program("soffice"), home, "--headless", "--convert-to", "pdf", "--outdir", tmp_path]
        subprocess.run([*command, tmp_path / "report.docx"], capture_output=True, check=True, timeout=120)
        return tmp_path / "report.pdf"

    return convert


def pages(program: Callable[[str], Path], pdf: Path) -> list[str]:
    made = subprocess.run([program("pdftotext"), "-layout", pdf, "-"], capture_output=True, check=True, text=True)
    return made.stdout.split("\f")[:-1]


def test_in_print(
    printed: Callable[[bytes], Path],
    program: Callable[[str], Path],
    many: Callable[..., Content],
    letterhead: Letterhead,
    tmp_path: Path,
) -> None:
    """Numbers on all pages but each part's first, every word, nothing outside the margins."""
    pdf = printed(document(many(400, 90), letterhead))
    said = pages(program, pdf)
    assert len(said) == 6
    tops = [page.strip().splitlines()[0].strip() for page in said]
    assert [tops[1], *tops[4:]] == ["2", "2", "3"]
    assert [re.sub(r"\s+", " ", each) for each in (tops[2], tops[3])] == ["Phụ lục I", "Phụ lục II"]
    assert tops[0].startswith("UBND TỈNH THANH HÓA")
    assert "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM" in said[0].splitlines()[0]
    assert sum(page.count("Lý do chưa sẵn sàng") for page in said) == 3
    assert all(f"Thôn {n}, xã Điền Lư" in "".join(said) for n in range(90))
    for number, box in enumerate(inked(program, pdf, tmp_path), start=1):
        left, top, right, bottom = box
        assert left > 29
        assert right < 210 - 14
        assert (top > 19) is (number in (1, 3, 4)), "the number alone stands in the top margin"
        assert bottom < 297 - 19


def test_the_fonts_are_embedded_and_none_but_of_times_form(
    printed: Callable[[bytes], Path], program: Callable[[str], Path], content: Content, letterhead: Letterhead
) -> None:
    """Liberation Serif has the widths of Times New Roman; what it lacks comes from another font with serifs."""
    pdf = printed(document(content, letterhead))
    listed = subprocess.run([program("pdffonts"), pdf], capture_output=True, check=True, text=True).stdout
    fonts = [line.split() for line in listed.splitlines()[2:]]
    assert all("yes yes yes" in " ".join(font) for font in fonts)
    assert {"LiberationSerif", "LiberationSerif-Bold"} <= {font[0].partition("+")[2] for font in fonts}
    assert not [font[0] for font in fonts if "Sans" in font[0] or "Carlito" in font[0]]


def inked(program: Callable[[str], Path], pdf: Path, tmp_path: Path) -> Iterator[tuple[float, ...]]:
    """For each page the box around all that is printed, in mm."""
    dots = 60
    subprocess.run([program("pdftoppm"), "-r", str(dots), "-gray", pdf, tmp_path / "page"], check=True)
    for file in sorted(tmp_path.glob("page*.pgm")):
        _, size, _, picture = file.read_bytes().split(b"\n", 3)
        width, height = map(int, size.split())
        lines = [picture[y * width : (y + 1) * width] for y in range(height)]
        used = [y for y, line in enumerate(lines) if min(line) < 128]
        columns = [x for x in range(width) if min(picture[x::width]) < 128]
        edges = (columns[0], used[0], columns[-1], used[-1])
        yield tuple(edge * 25.4 / dots for edge in edges)
