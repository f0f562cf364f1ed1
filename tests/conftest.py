"""What every test may ask for."""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
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


def _postgresql_binaries() -> Path | None:
    """Debian keeps them out of the PATH, by version."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


@pytest.fixture(scope="session")
def postgresql_cluster() -> Iterator[str]:
    """A real PostgreSQL on loopback; the URL of its server, without a database."""
    binaries = _postgresql_binaries()
    if binaries is None:
        missing("postgresql")
        raise AssertionError
    become = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []  # it refuses to run as root
    with tempfile.TemporaryDirectory(prefix="diemcau-pg-") as directory, socket.socket() as free:
        if become:
            shutil.chown(directory, "postgres")
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        data, user = f"{directory}/data", "diemcau"
        initdb = [str(binaries / "initdb"), "--no-sync", "-A", "trust", "-U", user, "-E", "UTF8", "-D", data]
        subprocess.run([*become, *initdb], check=True, capture_output=True, cwd="/")
        free.close()
        options = f"-h 127.0.0.1 -p {port} -k {directory} -c fsync=off -c max_connections=50"
        pg_ctl = [*become, str(binaries / "pg_ctl"), "-D", data, "-w", "-l", f"{directory}/log"]
        subprocess.run([*pg_ctl, "-o", options, "start"], check=True, capture_output=True, cwd="/")
        try:
            yield f"postgresql://{user}@127.0.0.1:{port}"
        finally:
            subprocess.run([*pg_ctl, "-m", "immediate", "stop"], check=False, capture_output=True, cwd="/")


@pytest.fixture
def postgresql(postgresql_cluster: str) -> str:
    """The URL of an empty database of its own."""
    name = f"test_{secrets.token_hex(6)}"
    binaries = _postgresql_binaries()
    assert binaries is not None
    psql = [str(binaries / "psql"), f"{postgresql_cluster}/postgres", "-c", f"CREATE DATABASE {name}"]
    subprocess.run(psql, check=True, capture_output=True)
    return f"{postgresql_cluster}/{name}"
