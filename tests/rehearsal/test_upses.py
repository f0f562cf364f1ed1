"""The UPSes' files, as the driver reads them. The real upsd takes part in the acceptance tests."""

from pathlib import Path

import pytest

from monitor.rehearsal import servers, upses
from monitor.rehearsal.batteries import Battery
from monitor.rehearsal.upses import Programs, Upses
from probes.model import Check
from probes.registry import KINDS


@pytest.fixture
def two(tmp_path: Path) -> Upses:
    return Upses(tmp_path, {"h-1": Battery(1800.0, 60.0), "h-2": Battery(1800.0, 60.0)})


def said(folder: Path, name: str) -> dict[str, str]:
    lines = (folder / "nut" / f"{name}.dev").read_text().splitlines()
    return dict(line.split(": ") for line in lines)


def test_each_ups_has_a_driver_and_upsd_comes_last(two: Upses, tmp_path: Path) -> None:
    commands = list(two.commands(Programs("/x/upsd", "/x/dummy-ups")))
    assert [name for name, _ in commands] == ["nut/h-1", "nut/h-2", "nut/upsd"]
    assert commands[1][1][:3] == ("/x/dummy-ups", "-a", "h-2")
    assert "[h-2]\ndriver = dummy-ups\nport = h-2.dev" in (tmp_path / "nut" / "ups.conf").read_text()
    assert "LISTEN 0.0.0.0 3493" in (tmp_path / "nut" / "upsd.conf").read_text()


def test_a_power_cut_is_told_of_the_one_that_it_hits(two: Upses, tmp_path: Path) -> None:
    assert said(tmp_path, "h-1") == {
        "ups.status": "OL CHRG",
        "battery.charge": "97",
        "battery.runtime": str(round(0.97 * 1800 * 60)),
    }
    two.turn(["h-1", "x-of-another"], mains=False)
    assert said(tmp_path, "h-1")["ups.status"] == "OB DISCHRG"
    assert said(tmp_path, "h-2")["ups.status"] == "OL CHRG"
    two.turn(["h-1"], mains=True)
    assert said(tmp_path, "h-1")["ups.status"] == "OL CHRG"


def test_the_driver_sees_each_change_by_the_second_of_the_file(two: Upses, tmp_path: Path) -> None:
    """It compares times in whole seconds: two changes within one must not look alike."""
    seconds = []
    for mains in (False, True, False):
        two.turn(["h-1"], mains=mains)
        seconds.append(int((tmp_path / "nut" / "h-1.dev").stat().st_mtime))
    assert len(set(seconds)) == 3


def test_a_battery_that_is_nearly_empty_says_so(tmp_path: Path) -> None:
    Upses(tmp_path, {"h-1": Battery(0.0)}).turn(["h-1"], mains=False)
    assert said(tmp_path, "h-1") == {"ups.status": "OB DISCHRG LB", "battery.charge": "0", "battery.runtime": "0"}


def test_a_ups_is_ours_to_play_where_it_is_asked_for_by_its_points_id() -> None:
    def check(target: str, kind: str, address: str) -> Check:
        return Check(f"{target}/m", target, "m", address, KINDS[kind].bind(KINDS[kind].params()), 5.0, 2.0)

    checks = [
        check("h-1", "nut", "h-1@10.38.1.1"),
        check("h-2", "nut", "ups@10.38.1.2"),
        check("h-3", "icmp", "h-3@10.38.1.3"),
    ]
    assert upses.points_of(checks) == {"h-1"}


def test_what_is_not_installed_answers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_given, **_more: None)
    assert servers.answered() == frozenset()
