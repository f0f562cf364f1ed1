"""``diemcau report``: from a store that the service left behind to a file that somebody signs."""

import asyncio
import csv
import sqlite3
from collections.abc import Callable
from io import BytesIO, StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from docx import Document
from openpyxl import load_workbook

from monitor.cli import main
from monitor.core.model import Mode, PointState, Tier
from monitor.core.readiness import Counts, Lack
from monitor.core.snapshot import Content, DistrictRow, PointRow, canonical
from monitor.store import Store, default_url

Run = Callable[..., Result]


def content(delegates: int, *, blind: bool = False) -> Content:
    """Two points, of which one is ready. Synthetic."""
    counts = Counts(planned=2, expected=2, up=1, ready=1, reported=1, delegates=delegates, attendees=delegates)

    def row(point_id: str, *, ready: bool) -> PointRow:
        return PointRow(
            id=point_id, name=f"Thôn {point_id}", tier=Tier.VILLAGE, mode=Mode.WATCH, district="386", commune="14869",
            host="", state=PointState.UP if ready else PointState.DOWN, connected=ready, ready=ready,
            lacks=() if ready else (Lack.LOST_SIGNAL,), delegates=delegates if ready else None, attendees=None,
            chair="", power="", note="", late=False,
        )  # fmt: skip

    return Content(
        event="Lễ (dữ liệu mẫu)",
        deadline="2025-05-08T00:30:00Z",
        begins_at="2025-05-08T01:00:00Z",
        taken_at="2025-05-08T00:30:00Z",
        blind=blind,
        target=2,
        total=counts,
        tiers={Tier.VILLAGE: counts},
        districts=(DistrictRow("386", "Huyện Bá Thước", counts),),
        points=(row("a", ready=True), row("b", ready=False)),
    )


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory with two snapshots."""
    state = tmp_path / "state"
    asyncio.run(fill(default_url(state), content(30), content(1_234, blind=True)))
    return state


async def fill(url: str, *contents: Content) -> None:
    store = await Store.open(url)
    for number, each in enumerate(contents):
        await store.add_snapshot(
            canonical(each), taken_at=1746664200.0 + number, deadline=1746664200.0, automatic=number == 0, by=""
        )
    await store.close()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command, in a directory of its own with a ``config`` that holds nothing else."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "report.yaml").write_text("number: 07/BC-SKHCN\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, ["report", "--state", str(tmp_path / "state"), *arguments])


def text_of(made: bytes) -> str:
    paper = Document(BytesIO(made))
    cells = [cell.text for table in paper.tables for row in table.rows for cell in row.cells]
    return "\n".join([*(each.text for each in paper.paragraphs), *cells])


def test_the_newest_snapshot_is_written_as_docx_and_told(run: Run, state: Path, tmp_path: Path) -> None:
    result = run()
    assert result.exit_code == 0, result.output
    text = text_of((tmp_path / "bao-cao-02.docx").read_bytes())
    assert "1.234 đại biểu" in text
    assert "Số: 07/BC-SKHCN" in text
    digest = next(line.split()[1] for line in result.stderr.splitlines() if line.startswith("SHA-256"))
    assert digest in text
    assert "bao-cao-02.docx: " in result.stderr
    assert "snapshot 2 of 2025-05-08T00:30:00Z (taken while the monitor was blind)" in result.stderr
    assert "1 of 2 points ready, 1,234 delegates, 1,234 people" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bao-cao-02.docx", "config", "state"]


def test_another_one_and_another_form_can_be_asked_for(run: Run, state: Path, tmp_path: Path) -> None:
    """The ending of the file says the form."""
    assert run("--snapshot", "1", "--output", "a.xlsx").exit_code == 0
    sheet = load_workbook(tmp_path / "a.xlsx")["Tổng hợp"]
    facts = {row[0]: row[1] for row in sheet.iter_rows(values_only=True, max_col=2)}
    assert (facts["Đại biểu"], facts["Bản chốt số"]) == (30, 1)


@pytest.mark.parametrize(("arguments", "rows"), [((), 2), (("--table", "not_ready"), 1), (("--table", "districts"), 1)])
def test_csv_goes_down_a_pipe(run: Run, state: Path, arguments: tuple[str, ...], rows: int) -> None:
    """With nothing else on standard output."""
    result = run("--form", "csv", "--output", "-", *arguments)
    assert result.exit_code == 0, result.output
    text = result.stdout_bytes.decode("utf-8-sig")
    assert len(list(csv.DictReader(StringIO(text, newline="")))) == rows
    assert "standard output" in result.stderr


def test_a_store_is_named_by_url(run: Run, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'other.db'}"
    asyncio.run(fill(url, content(5)))
    assert run("--store", url).exit_code == 0
    assert (tmp_path / "bao-cao-01.docx").exists()


def test_a_report_that_somebody_may_have_edited_is_not_overwritten_unasked(
    run: Run, state: Path, tmp_path: Path
) -> None:
    (tmp_path / "bao-cao-02.docx").write_text("edited")
    result = run()
    assert result.exit_code == 1
    assert "bao-cao-02.docx is there already" in result.output
    assert (tmp_path / "bao-cao-02.docx").read_text() == "edited"
    assert run("--force").exit_code == 0
    assert (tmp_path / "bao-cao-02.docx").read_bytes().startswith(b"PK")


def test_a_snapshot_that_was_changed_is_refused(run: Run, state: Path, tmp_path: Path) -> None:
    """One more delegate, written into the database behind our back."""
    forge(state, b'"delegates":1234', b'"delegates":1235')
    result = run()
    assert result.exit_code == 1
    assert "snapshot 2 is not what was taken" in result.output
    assert not (tmp_path / "bao-cao-02.docx").exists()
    forced = run("--force")
    assert forced.exit_code == 0
    assert "Warning: snapshot 2 is not what was taken" in forced.stderr
    assert run("--snapshot", "1").exit_code == 0, "the others stand"


def test_a_snapshot_that_cannot_be_read_is_said_to_be_so(run: Run, state: Path) -> None:
    forge(state, b'"event"', b'"evil"')
    result = run("--force")
    assert result.exit_code == 1
    assert "snapshot 2 cannot be read by this version" in result.output
    assert "Traceback" not in result.output


def forge(state: Path, old: bytes, new: bytes) -> None:
    """Change the second snapshot as one would who has the file, and takes the guard away if there is one."""
    with sqlite3.connect(default_url(state).removeprefix("sqlite:///")) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        ((kept,),) = database.execute("SELECT content FROM snapshots WHERE number = 2")
        assert old in kept
        database.execute("UPDATE snapshots SET content = ? WHERE number = 2", (bytes(kept).replace(old, new),))
    database.close()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--snapshot", "9"), 1, "there is no snapshot 9: the newest is 2, of 2"),
        (("--config", "nowhere"), 1, "nowhere is no directory"),
        (("--store", "mysql://x/y"), 1, "postgresql://"),
        (("--store", "not-there.db"), 1, "no count has been frozen in the store"),
        (("--table", "tiers"), 2, "--form csv"),
        (("--output", "no/where.docx"), 1, "no/where.docx"),
        (("--snapshot", "0"), 2, "--snapshot"),
    ],
)
def test_what_cannot_be_done_is_said(
    run: Run, state: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert message in result.output
    assert "Traceback" not in result.output


def test_without_a_snapshot_it_says_how_there_will_be_one(run: Run, tmp_path: Path) -> None:
    """And makes no store by looking for one."""
    result = run()
    assert result.exit_code == 1
    assert "no count has been frozen in" in result.output
    assert "/snapshots" in result.output
    assert not (tmp_path / "state").exists()
    asyncio.run(fill(default_url(tmp_path / "state")))
    assert "no count has been frozen in" in run().output


def test_a_mistake_in_report_yaml_is_named(run: Run, state: Path, tmp_path: Path) -> None:
    (tmp_path / "config" / "report.yaml").write_text("number: 7 / BC\nsuperior: ''\n", encoding="utf-8")
    result = run()
    assert result.exit_code == 1
    assert "config/report.yaml:1:9: number: expected a number and sign" in result.output
    assert "config/report.yaml:2:11: superior: expected a line" in result.output
    assert "2 errors in config/report.yaml" in result.output
