"""``diemcau report incidents``: from a store that the service left behind to DOCX and XLSX."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from click.testing import CliRunner, Result
from docx import Document
from openpyxl import load_workbook

from monitor.cli import main
from monitor.core.acknowledgement import Acknowledgement
from monitor.core.attribution import Fact, FactKind
from monitor.core.incidents import Entry, Incident
from monitor.core.model import Cause, Certainty, Change, IncidentState, PointChanged, PointState, Tree
from monitor.rehearsal import province, sample
from monitor.store import Store, default_url

Run = Callable[..., Result]
LIVE = datetime(2025, 5, 8, 7, 0, tzinfo=ZoneInfo("Asia/Ho_Chi_Minh")).timestamp()
TIMES = ("--from", "2025-05-08 07:00", "--to", "2025-05-08 08:00")


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration, and a store with an hour of one point's down time and its incident."""
    folder = tmp_path_factory.mktemp("left")
    (folder / "config").mkdir()
    for name, text in sample.files(province.make(700)).items():
        (folder / "config" / name).write_text(text, encoding="utf-8")
    (folder / "config" / "network.csv").write_text(
        (folder / "config" / "network.csv").read_text("utf-8").replace("Nút gom", "=Nút gom"), encoding="utf-8"
    )
    asyncio.run(fill(default_url(folder / "state")))
    return folder


async def fill(url: str) -> None:
    store = await Store.open(url)
    node = "agg-386"
    said = Acknowledgement(
        incident=f"network:{node}", opened_at=LIVE + 604, desk="vnpt-386", at=LIVE + 650, means="link"
    )
    incident = Incident(
        id=f"network:{node}", tree=Tree.NETWORK, node=node, operator="VNPT Thanh Hóa", since=LIVE + 600,
        opened_at=LIVE + 604, state=IncidentState.RESOLVED, owner_probability=0.99, hit={"h-386"},
        acknowledged=(said,), ended_at=LIVE + 1200, evidence=(Fact(FactKind.DOWN, 12, of=13),),
        timeline=[Entry(LIVE + 650, Change.ACKNOWLEDGED, 1, Certainty.CERTAIN, 0.99, by="vnpt-386")],
    )  # fmt: skip
    store.keep_incident(incident.id, incident.opened_at, False, msgspec.msgpack.encode(incident), LIVE + 1200)
    for at, after in ((-60, PointState.UP), (600, PointState.DOWN), (1200, PointState.UP)):
        store.note([PointChanged("h-386", PointState.UNKNOWN, after, Cause.NONE, LIVE + at, LIVE + at)])
    await store.close()


@pytest.fixture
def run(left: Path) -> Run:
    def invoke(*arguments: str | Path) -> Result:
        places = ["--config", left / "config", "--state", left / "state"]
        return CliRunner().invoke(main, ["report", "incidents", *map(str, [*places, *arguments])])

    return invoke


def test_as_docx(run: Run, tmp_path: Path) -> None:
    done = run(*TIMES, "--output", tmp_path / "su-co.docx")
    assert done.exit_code == 0, done.output
    assert "1 incidents; points were connected 83.33% of the time observed" in done.output
    paper = Document(str(tmp_path / "su-co.docx"))
    text = "\n".join(paragraph.text for paragraph in paper.paragraphs)
    assert "Tình hình kết nối và sự cố trong Lễ phát động" in text
    assert "được kết nối 83,3 % thời gian quan sát được" in text.replace("\u00a0", " ") or "83,3" in text
    cells = [[cell.text for cell in row.cells] for table in paper.tables for row in table.rows]
    assert ["VNPT Thanh Hóa", "1", "0", "0", "46 giây / 46 giây", "10 phút 00 giây / 10 phút 00 giây", "0"] in cells
    case, why = (row for row in cells if row[0] == "1")
    assert why[3] == "12 trên 13 điểm quan sát được bên dưới đã mất"
    assert case[3:9] == ["VNPT Thanh Hóa", "07:10:00", "07:20:00", "1", "46 giây", "10 phút 00 giây"]


def test_as_xlsx_with_every_table_and_no_formula(run: Run, tmp_path: Path) -> None:
    done = run(*TIMES, "--output", tmp_path / "su-co.xlsx")
    assert done.exit_code == 0, done.output
    book = load_workbook(tmp_path / "su-co.xlsx")
    assert book.sheetnames == [
        "Sự cố",
        "Căn cứ",
        "Dòng thời gian",
        "Theo đơn vị",
        "Theo cấp",
        "Theo huyện",
        "Điểm cầu kém nhất",
    ]
    place = book["Sự cố"]["B2"]
    assert (str(place.value)[:1], place.data_type) == ("=", "s")
    assert book["Sự cố"]["J2"].value == "vnpt-386"
    assert book["Căn cứ"]["D2"].value == "12 trên 13 điểm quan sát được bên dưới đã mất"
    assert [cell.value for cell in book["Dòng thời gian"][2]][2:] == ["tiếp nhận", "vnpt-386", 1]
    assert [cell.value for cell in book["Điểm cầu kém nhất"][2]][2:] == ["10 phút 00 giây", "0 giây"]


def test_the_report_before_the_event_is_where_it_was() -> None:
    told = CliRunner().invoke(main, ["report", "--help"]).output
    assert "--snapshot" in told
    assert "incidents" in told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--output", "su-co.pdf"), "must end in .docx or .xlsx"),
        (("--from", "2025-05-08 08:00", "--to", "2025-05-08 07:00"), "the span ends before it begins"),
        (("--from", "2024-01-01", "--to", "2024-01-02"), "nothing is known of 2024-01-01 00:00 to 2024-01-02 00:00"),
        ((*TIMES, "--store", "none.db"), "there is no store none.db"),
        (("--from", "yesterday"), "Invalid value for '--from'"),
    ],
)
def test_what_is_wrong_is_said(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...],
                               words: str) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert done.exit_code != 0
    assert words in done.output
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_not_overwritten_unasked(run: Run, tmp_path: Path) -> None:
    output = tmp_path / "su-co.docx"
    output.write_text("mine")
    assert "Overwrite it with --force" in run(*TIMES, "--output", output).output
    assert output.read_text() == "mine"
    assert run(*TIMES, "--output", output, "--force").exit_code == 0
