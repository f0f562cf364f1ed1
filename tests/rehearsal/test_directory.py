"""The configuration directory of a rehearsal."""

from pathlib import Path

import pytest

from monitor.configuration import InvalidConfiguration, load
from monitor.core.model import Mode
from monitor.core.phases import phase_at
from monitor.rehearsal import directory, province, sample

NOW = 1_746_662_405.0
"""2025-05-08 07:00:05 in Thanh Hóa."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("config")
    for name, text in sample.files(province.make(700)).items():
        (made / name).write_text(text, encoding="utf-8")
    return made


def test_the_ceremony_is_moved_to_now(source: Path, tmp_path: Path) -> None:
    """The live phase is in force at 1 s, the report is owed in some minutes, and the title says that it is a drill."""
    made = directory.prepare(source, tmp_path, everyone=False, now=NOW).configuration
    ceremony = made.ceremony
    phase = phase_at(ceremony, NOW)
    assert (phase.name, phase.interval_s, phase.alpha, phase.severity) == ("live", 1.0, 1e-6, "critical")
    assert 120 <= ceremony.report_at - NOW <= 600
    assert ceremony.begins_at > ceremony.report_at
    assert ceremony.title.startswith("[DIỄN TẬP] Lễ phát động")
    assert made.inventory == load(source).inventory


def test_everyone_takes_part_when_asked_to(source: Path, tmp_path: Path) -> None:
    made = directory.prepare(source, tmp_path, everyone=True, now=NOW).configuration
    before = load(source).inventory
    assert all(point.expected for point in made.inventory.points.values())
    assert not all(point.expected for point in before.points.values())
    for point in made.inventory.points.values():
        if before.points[point.id].expected:
            assert point == before.points[point.id]
        else:
            assert (point.mode, point.merged_into) == (Mode.WATCH, None)


def test_the_operators_errors_name_the_operators_files(source: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in source.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    (broken / "power.csv").write_text("id\n", encoding="utf-8")
    with pytest.raises(InvalidConfiguration) as refused:
        directory.prepare(broken, tmp_path / "target", everyone=False, now=NOW)
    assert all(error.path.startswith(str(broken)) for error in refused.value.errors)


def test_without_a_directory_the_sample_is_played(tmp_path: Path) -> None:
    made = directory.prepare(None, tmp_path, everyone=False, now=NOW).configuration
    assert len(made.inventory.points) == 4_985


def test_what_nothing_would_answer_is_not_asked(source: Path, tmp_path: Path) -> None:
    """Its checks and services are left out of the copy, which says so; points stay, be it without a check."""
    made, left_out = directory.prepare(source, tmp_path, everyone=False, now=NOW, answered={"icmp", "tcp", "http"})
    assert left_out == {"sip", "nut", "hls"}
    asked = {line.module for check_set in made.check_sets.values() for line in check_set.checks}
    assert asked == {"icmp", "icmp_4g", "h323_port"}
    assert not made.services
    assert "ups" in made.modules, "/probe still knows it"
    assert made.inventory == load(source).inventory


def test_what_is_answered_is_copied_as_it_stands(source: Path, tmp_path: Path) -> None:
    answered = {"icmp", "tcp", "http", "sip", "nut", "hls"}
    _, left_out = directory.prepare(source, tmp_path, everyone=False, now=NOW, answered=answered)
    assert not left_out
    assert (tmp_path / "checks.yaml").read_bytes() == (source / "checks.yaml").read_bytes()
