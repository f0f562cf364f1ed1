"""Where no province can be emulated: what is said, and that nothing has been started."""

import errno
import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from monitor.cli import main
from monitor.rehearsal import namespaces, province, sample


@pytest.fixture
def tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Result:
    """``diemcau rehearse`` on a machine that allows neither namespaces nor user namespaces."""

    def refused(flags: int) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(namespaces, "_unshare", refused)
    for name, text in sample.files(province.make(700)).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return CliRunner().invoke(main, ["rehearse", "--config", str(tmp_path), "--board", "127.0.0.1:0"])


def test_what_is_missing_is_said_with_what_helps(tried: Result) -> None:
    assert tried.exit_code == 1
    said = tried.output.replace("\n", " ")
    assert "Error: cannot make a " in said
    assert "namespace: Operation not permitted. What helps: run as root, or allow user namespaces" in said
    assert "--cap-add NET_ADMIN" in said


def test_a_missing_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_given, **_more: None)
    with pytest.raises(namespaces.NamespacesUnavailable, match="apt install iproute2"):
        namespaces._ip("link")


def test_a_missing_tun_device_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(namespaces, "TUN_DEVICE", str(tmp_path / "tun"))
    monkeypatch.setattr(namespaces, "_unshare", lambda _flags: None)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(namespaces.NamespacesUnavailable, match="modprobe tun"):
        namespaces.enter_points_side()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--scenario", "nowhere.yaml"], "expected a file nowhere.yaml, got none"),
        (["--duration", "soon"], 'expected a duration such as 90s or 10m, got "soon"'),
        (["--loss", "2"], 'expected a ratio such as 1% or 0.01, got "2"'),
        (["--board", "8080"], 'expected HOST:PORT, got "8080"'),
        (["--config", "/nowhere"], "expected a directory with points.csv"),
    ],
)
def test_what_the_command_cannot_use_is_refused(arguments: list[str], expected: str) -> None:
    result = CliRunner().invoke(main, ["rehearse", *arguments])
    assert result.exit_code in {1, 2}
    assert expected in result.output
