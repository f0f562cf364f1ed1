"""Whatever stands in the files, the answer is a configuration or InvalidConfiguration, and nothing else."""

import io
import shutil
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import openpyxl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.configuration import InvalidConfiguration, load
from monitor.configuration.reload import reload

GOOD = Path(__file__).parent / "good"
CURRENT = load(GOOD)
FILES = sorted(path.name for path in GOOD.iterdir())
OPTIONAL = ["points.xlsx", "districts.csv", "readiness.yaml", "coordinators.csv", "coordinators.xlsx"]


def load_with(name: str, content: bytes) -> None:
    with TemporaryDirectory() as folder:
        config = shutil.copytree(GOOD, Path(folder) / "config")
        if name == "points.xlsx":
            (config / "points.csv").unlink()
        (config / name).write_bytes(content)
        answer = reload(CURRENT, config)
    if isinstance(answer, InvalidConfiguration):
        assert answer.errors
        assert all(error.line >= 1 and error.column >= 1 for error in answer.errors)
        assert len(str(answer).splitlines()) == len(answer.errors) + bool(answer.omitted)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([*FILES, *OPTIONAL]), st.binary(max_size=300))
@example("checks.yaml", b"[" * 100_000)
@example("checks.yaml", b"? " * 50_000)
@example("checks.yaml", b"&a [*a]")
@example("ceremony.yaml", b"{? {? {} : 1} : 2}")
@example("points.csv", b"id,name,tier,mode\n\x00,\x00,\x00,\x00\n")
@example("points.csv", b"\xef\xbb\xbf\xef\xbb\xbfid,name,tier,mode\na,b,c,d")
@example("readiness.yaml", b"rules: [{}, {}]")
@example("coordinators.csv", b"scope,title\n:,\x00\ndistrict:,a\n")
@example("points.xlsx", b"PK\x05\x06" + bytes(18))
def test_arbitrary_bytes(name: str, content: bytes) -> None:
    load_with(name, content)


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from(FILES))
def test_spoilt_good_files(data: st.DataObject, name: str) -> None:
    """A piece of the good file replaced by what means something in these formats."""
    good = (GOOD / name).read_text()
    start = data.draw(st.integers(0, len(good)), label="start")
    end = data.draw(st.integers(start, min(len(good), start + 30)), label="end")
    signs = [*"\n\t ,;:\"'{}[]&*!|>%@#-?~0.é\u202e\x00", "---", "...", "<<", "null", "1e9", "!!binary", "\r\n"]
    piece = data.draw(st.lists(st.sampled_from(signs), max_size=6).map("".join), label="piece")
    load_with(name, (good[:start] + piece + good[end:]).encode())


@pytest.fixture(scope="module")
def workbook() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["id", "name", "tier", "mode"])
    sheet.append(["a", "A", "village", "watch"])
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_spoilt_workbooks(workbook: bytes, data: st.DataObject) -> None:
    """Bytes replaced inside a part of a real workbook, and the whole packed again."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as whole, zipfile.ZipFile(packed, "w") as spoilt:
        victim = data.draw(st.sampled_from(whole.namelist()), label="part")
        for name in whole.namelist():
            part = whole.read(name)
            if name == victim:
                start = data.draw(st.integers(0, len(part)), label="start")
                part = part[:start] + data.draw(st.binary(max_size=4), label="bytes") + part[start + 1 :]
            spoilt.writestr(name, part)
    load_with("points.xlsx", packed.getvalue())


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_truncated_and_flipped_workbooks(workbook: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(workbook) - 1))
    flipped = workbook[:at] + bytes([workbook[at] ^ data.draw(st.integers(1, 255))]) + workbook[at + 1 :]
    load_with("points.xlsx", workbook[:at])
    load_with("points.xlsx", flipped)
