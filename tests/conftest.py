"""What every test may ask for."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

CI = os.environ.get("CI") == "true"


def missing(what: str) -> None:
    """Skip with the reason on a developer's machine; fail where nothing may be skipped."""
    reason = f"{what} is missing: install the packages of tests/apt-packages.txt"
    if CI:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def program() -> Callable[[str], Path]:
    """``program("fping")``: the path of a real peer; skips the test by name where it is not installed."""

    def find(name: str) -> Path:
        found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")
        if found is None:
            missing(name)
            raise AssertionError
        return Path(found)

    return find
