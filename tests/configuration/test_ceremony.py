from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.configuration import InvalidConfiguration, load
from monitor.core.model import Phase, ProgrammeItem


def utc(hour: int, minute: int) -> float:
    return datetime(2025, 5, 8, hour, minute, tzinfo=UTC).timestamp()


def test_instants_are_those_of_the_ceremonys_time_zone(config: Path) -> None:
    """07:30 in Thanh Hóa is 00:30 UTC, wherever the monitor runs."""
    ceremony = load(config).ceremony
    assert ceremony.report_at == utc(0, 30)
    assert ceremony.begins_at == utc(1, 0)
    assert ceremony.ready_after_s == 90.0
    assert ceremony.phases[1] == Phase(
        name="live", title="Diễn ra", starts_at=utc(0, 0), interval_s=1.0, alpha=1e-6, severity="critical"
    )


def test_the_sample_ceremony_has_the_four_phases_of_the_day() -> None:
    sample = load(Path(__file__).parents[2] / "config").ceremony
    assert [(phase.name, phase.interval_s, phase.alpha, phase.severity) for phase in sample.phases] == [
        ("preparation", 30.0, 1e-4, "info"),
        ("test", 5.0, 1e-5, "warning"),
        ("live", 1.0, 1e-6, "critical"),
        ("after", 30.0, 1e-4, "info"),
    ]
    assert sample.report_at == utc(0, 30)


def test_the_programme_says_who_speaks_when(config: Path) -> None:
    text = (config / "ceremony.yaml").read_text("utf-8")
    text += 'drill: true\nprogramme: [{starts_at: 2025-05-08 08:00, title: "Khai mạc", point: TU}]\n'
    (config / "ceremony.yaml").write_text(text, "utf-8")
    ceremony = load(config).ceremony
    assert ceremony.drill
    assert ceremony.programme == (ProgrammeItem(starts_at=utc(1, 0), title="Khai mạc", point="TU"),)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (
            "{starts_at: 2025-05-08 08:00, title: x, point: TV}",
            'programme[1].point: expected the id of a point in points.csv, got "TV"',
        ),
        (
            "{starts_at: 2025-05-08 07:00, title: x}",
            "than that of the item before it, 2025-05-08 08:00, got 2025-05-08 07:00",
        ),
        ("{starts_at: 2025-05-08 08:10, title: ''}", "programme[1].title: expected a title of 1 to 200 characters"),
    ],
)
def test_a_programme_that_cannot_be_is_refused(config: Path, item: str, message: str) -> None:
    text = (config / "ceremony.yaml").read_text("utf-8")
    text += f"programme:\n- {{starts_at: 2025-05-08 08:00, title: x}}\n- {item}\n"
    (config / "ceremony.yaml").write_text(text, "utf-8")
    with pytest.raises(InvalidConfiguration) as refused:
        load(config)
    (error,) = refused.value.errors
    assert message in str(error)
