"""A database as the store sees it, and the URL that names one."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from sqlalchemy import Connection
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from monitor.store.faults import DATABASE_ERRORS, said
from monitor.store.revision import StoreUnusable, migrate

FILE = "diemcau.db"
SCHEMES = {"sqlite": "sqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
EXPECTED = "--store: expected postgresql://user@host/database or a file"

T = TypeVar("T")
Work = Callable[[Connection], T]


class Database(Protocol):
    """Works are plain functions of a connection; where they run is the database's own business, never the loop's."""

    async def read(self, work: Work[T]) -> T:
        """Ask. Never waits for those who write."""

    async def write(self, work: Work[T]) -> T:
        """Have it done in one transaction: committed when it returns. One writes at a time, of all processes."""

    async def export(self, work: Work[T]) -> T:
        """Read much, all of it as it stood at one instant."""

    async def alter(self, work: Work[T]) -> T:
        """Write in one transaction, however long it takes."""

    async def is_shared(self) -> bool:
        """Whether another process has it open."""

    async def close(self) -> None:
        """Let go of it."""


def default_url(state: Path) -> str:
    """The file in the state directory where nothing else is named."""
    return f"sqlite:///{(state / FILE).absolute()}"


async def connect(written: str) -> Database:
    """The database, at this program's revision; a file is made where there is none. Raises StoreUnusable."""
    url = read_url(written)
    if url.get_backend_name() == "sqlite":
        _prepare_file(Path(str(url.database)))
    database = reach(url, ours=True)
    try:
        await database.alter(migrate)
    except BaseException as error:
        await database.close()
        if isinstance(error, (*DATABASE_ERRORS, TypeError, ValueError)):  # the latter: a driver of options it dislikes
            raise unusable(url, error) from error
        raise
    return database


def reach(url: URL, *, ours: bool = False) -> Database:
    """The database; nothing is opened yet. One that is not ours to keep is left as it is."""
    if url.get_backend_name() == "sqlite":
        from monitor.store.sqlite import Sqlite  # noqa: PLC0415 - each only where it is named

        return Sqlite(url, ours=ours)
    from monitor.store.postgresql import Postgresql  # noqa: PLC0415

    return Postgresql(url)


def unusable(url: URL, error: BaseException) -> StoreUnusable:
    """Why it is, and what to do."""
    shown = url.set(drivername=url.get_backend_name()).render_as_string(hide_password=True)
    return StoreUnusable(f"cannot open {shown}: {said(error)}; mend that, or name another store with --store")


def read_url(written: str) -> URL:
    """A URL with its driver, of ``sqlite:///…``, ``postgresql://…`` or the path of a file. Raises StoreUnusable."""
    if "://" not in written:
        return _file_url(Path(written)) if written else _refuse("nothing")
    try:
        url = make_url(written)
    except (ArgumentError, ValueError):  # what was written may hold a password: it is not shown
        return _refuse("what cannot be read as a URL")
    scheme = url.drivername.partition("+")[0]
    if scheme not in SCHEMES:
        _refuse(f"{scheme}://")
    if scheme == "sqlite":
        return _file_url(Path(url.database)) if url.database not in (None, "", ":memory:") else _refuse("memory")
    return _with_what_libpq_knows(url.set(drivername=SCHEMES[scheme]))


def _refuse(got: str) -> URL:
    raise StoreUnusable(f"{EXPECTED}, not {got}")


def _file_url(path: Path) -> URL:
    return URL.create("sqlite", database=str(path.absolute()))


def _with_what_libpq_knows(url: URL) -> URL:
    """PGPASSWORD, and ``sslmode``, which asyncpg calls otherwise."""
    if url.password is None and (password := os.environ.get("PGPASSWORD")):
        url = url.set(password=password)
    if "sslmode" in url.query:
        url = url.difference_update_query(["sslmode"]).update_query_dict({"ssl": url.query["sslmode"]})
    return url


def _prepare_file(path: Path) -> None:
    """The file is its owner's alone from the first byte on. Raises StoreUnusable."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StoreUnusable(f"{path}: {error.strerror}; name a file that may be written with --store") from error
