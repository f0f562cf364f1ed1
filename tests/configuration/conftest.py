"""A small configuration that is valid, to spoil."""

import shutil
from pathlib import Path

import pytest

GOOD = Path(__file__).parent / "good"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the good configuration, as ``config`` in the current directory."""
    shutil.copytree(GOOD, tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    return Path("config")
