from datetime import UTC, datetime
from pathlib import Path

from monitor.configuration import load
from monitor.core.model import Phase


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
