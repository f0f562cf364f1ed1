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


def test_nobody_real_is_told(source: Path, tmp_path: Path) -> None:
    """The desks stay; what sends to them, and what is told beside the gateway, is our own."""
    own = tmp_path / "own"
    own.mkdir()
    for file in source.iterdir():
        (own / file.name).write_bytes(file.read_bytes())
    (own / "contacts.yaml").write_text(
        """\
escalate_after: {test: 1m}
gateways: ["http://monitor.example.invalid:8080"]
watchdog_url: https://elsewhere.example.invalid/ping
desks:
  - {id: team, title: Đội, company: technical, channels: [email], email: team@real.example.invalid, telegram: -1001,
     webhook: "https://chat.example.invalid/hook"}
""",
        encoding="utf-8",
    )
    (own / "gateway.yaml").write_text(
        "smtp: {host: real.example.invalid, sender: a@real.example.invalid}\n", encoding="utf-8"
    )
    made = directory.prepare(own, tmp_path / "target", everyone=False, now=NOW).configuration
    (team,) = made.contacts.desks.values()
    assert (team.email, team.telegram, team.webhook) == ("team@real.example.invalid", 0, "")
    assert (made.contacts.gateways, made.contacts.watchdog_url) == (("http://127.0.0.1:8080",), "")
    assert made.contacts.escalate_after_s == {"live": 60.0}
    assert made.providers.smtp is not None
    assert made.providers.smtp.host == "127.0.0.1"
    assert made.ceremony.drill
