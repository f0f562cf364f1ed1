"""What the report says beside its figures."""

from pathlib import Path

import pytest

from monitor.configuration.errors import Errors
from monitor.configuration.report import read
from monitor.core.organization import Letterhead

ROOT = Path(__file__).parents[2]


def said(tmp_path: Path, text: str) -> tuple[Letterhead | None, list[str]]:
    """The letterhead and the errors of a report.yaml."""
    (tmp_path / "report.yaml").write_text(text, encoding="utf-8")
    errors = Errors()
    letterhead = read(tmp_path, errors)
    return letterhead, [str(each).replace(f"{tmp_path}/", "") for each in errors.invalid().errors]


def test_without_a_file_the_standard_holds(tmp_path: Path) -> None:
    errors = Errors()
    assert read(tmp_path, errors) == Letterhead()
    assert not errors.total


def test_what_is_left_out_is_as_in_the_standard(tmp_path: Path) -> None:
    assert said(tmp_path, "place: Sầm Sơn\n") == (Letterhead(place="Sầm Sơn"), [])


def test_the_sample_is_the_standard_in_other_letters() -> None:
    """What is printed in capitals may be written otherwise."""
    errors = Errors()
    sample = read(ROOT / "config", errors)
    assert errors.total == 0
    assert sample is not None
    standard = Letterhead()
    assert (sample.superior.upper(), sample.agency.upper()) == (standard.superior.upper(), standard.agency.upper())
    assert tuple(map(str.upper, sample.signer)) == tuple(map(str.upper, standard.signer))
    for field in ("number", "place", "recipient", "receivers", "archive"):
        assert getattr(sample, field) == getattr(standard, field), field


def test_the_sample_is_what_the_generator_writes() -> None:
    copy = ROOT / "monitor" / "rehearsal" / "data" / "report.yaml"
    assert (ROOT / "config" / "report.yaml").read_bytes() == copy.read_bytes()


@pytest.mark.parametrize("number", ["05/BC-SKHCN", "123/BC-SKHCN", "      /BC-SKHCN", "/BC-UBND", "……/BC-BCĐ-CNTT"])
def test_numbers_and_signs(tmp_path: Path, number: str) -> None:
    assert said(tmp_path, f'number: "{number}"\n') == (Letterhead(number=number), [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("number: 5/BC-SKHCN", "report.yaml:1:9: number: expected a number and sign without blanks around / and -"),
        ("number: 05 /BC-SKHCN", "report.yaml:1:9: number: expected a number and sign"),
        ("number: 05/BC - SKHCN", "report.yaml:1:9: number: expected a number and sign"),
        ("agency: ''", "report.yaml:1:9: agency: expected a line of 1 to 120 characters, without blanks around it"),
        ("place: ' Thanh Hóa'", "report.yaml:1:8: place: expected a line"),
        (f"recipient: {'x' * 121}", "report.yaml:1:12: recipient: expected a line"),
        ("signer: []", "report.yaml:1:9: signer: expected from 1 to 4 lines, got an empty list"),
        ("signer: GIÁM ĐỐC", 'report.yaml:1:9: signer: expected a list, got "GIÁM ĐỐC"'),
        ('place: "a\\nb"', "report.yaml:1:8: place: expected a line"),
        ("recipients: UBND", "report.yaml:1:1: recipients: expected one of"),
        ("archive: [VT]", "report.yaml:1:10: archive: expected printable text, got a list"),
        ("place: [", "report.yaml:"),
    ],
)
def test_a_mistake_is_named_by_line_and_column(tmp_path: Path, text: str, message: str) -> None:
    letterhead, errors = said(tmp_path, text + "\n")
    assert letterhead is None
    assert any(each.startswith(message) for each in errors), errors


def test_every_mistake_at_once(tmp_path: Path) -> None:
    _, errors = said(tmp_path, "number: 5/BC\nplace: ''\nreceivers: ['', a]\n")
    assert len(errors) == 3
