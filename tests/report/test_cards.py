"""The sheets of QR codes, read back as a printer and a phone would."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from monitor.report.cards import Card, Sheet, pdf

EVENT = 'Lễ phát động phong trào "Bình dân học vụ số"'
LONG = "Tổ dân phố Nguyễn Thị Minh Khai mở rộng số 12, Phường Đông Hương"


def cards(number: int, name: str = "Thôn Đồng Tiến") -> tuple[Card, ...]:
    return tuple(Card(f"{name} {i}", f"x-{i}", f"https://dc.example.vn/p/{'t' * 36}{i}") for i in range(number))


def read_back(program: Callable[[str], Path], tmp_path: Path, document: bytes) -> tuple[str, set[str]]:
    """The text of all pages, and what their codes say."""
    file = tmp_path / "cards.pdf"
    file.write_bytes(document)
    text = subprocess.run([program("pdftotext"), file, "-"], capture_output=True, check=True, text=True)
    pages = [program("pdftoppm"), "-r", "110", "-gray", "-png", file, tmp_path / "page"]
    subprocess.run(pages, check=True)
    pictures = sorted(tmp_path.glob("page*.png"))
    read = [program("zbarimg"), "--quiet", "--raw", *pictures]
    seen = subprocess.run(read, capture_output=True, check=True, text=True)
    return text.stdout, set(seen.stdout.split())


def test_every_code_on_paper_leads_to_its_point(program: Callable[[str], Path], tmp_path: Path) -> None:
    """Eleven cards of one commune and one of another: three pages, each with its heading in Vietnamese."""
    ours, theirs = cards(11), cards(1, LONG)
    document = pdf(EVENT, [Sheet("Xã Quảng Hùng, Thị xã Nghi Sơn", ours), Sheet("Phường Đông Hương", theirs)])
    text, codes = read_back(program, tmp_path, document)
    assert codes == {card.link for card in (*ours, *theirs)}
    assert text.count("Xã Quảng Hùng, Thị xã Nghi Sơn") == 2
    assert text.count(EVENT) == 3
    assert "Thôn Đồng Tiến 10" in text
    assert "không chuyển cho người" in text
    assert LONG.split(maxsplit=1)[0] in text


def test_progress_is_told_by_page() -> None:
    told: list[int] = []
    pdf(EVENT, [Sheet("Xã", cards(10))], told.append)
    assert told == [8, 2]
