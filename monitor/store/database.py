"""Opens the database that a URL names, and brings its tables up to this program's version."""

import os
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

FILE = "diemcau.db"
BUSY_MS = 5000
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_MS}")
"""FULL: a commit in WAL mode survives a power cut too, at one fsync each; commits are grouped."""
CONNECT_S = 5.0
DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}


class StoreUnusable(Exception):  # noqa: N818 - says what is wrong
    """The store cannot be opened; the message says what to do."""


def default_url(state: Path) -> str:
    """The file in the state directory where nothing else is named."""
    return f"sqlite:///{(state / FILE).absolute()}"


async def connect(written: str) -> AsyncEngine:
    """The database, at this program's schema. Raises StoreUnusable."""
    url = read_url(written)
    shown = url.render_as_string(hide_password=True)
    if url.get_backend_name() == "sqlite":
        _prepare_file(url)
    engine = _engine(url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(migrate)
    except StoreUnusable:
        await engine.dispose()
        raise
    except (DBAPIError, OSError, TimeoutError) as error:
        await engine.dispose()
        raise StoreUnusable(f"cannot open {shown}: {_first_line(error)}; name another store with --store") from error
    return engine


def read_url(written: str) -> URL:
    """A URL with its driver, of ``sqlite:///…``, ``postgresql://…`` or the path of a file. Raises StoreUnusable."""
    if "://" not in written:
        written = f"sqlite:///{Path(written).absolute()}"
    try:
        url = make_url(written)
    except ArgumentError as error:
        raise StoreUnusable(f"--store: expected postgresql://user@host/database or a file, {error}") from None
    scheme = url.drivername.partition("+")[0]
    if scheme not in DRIVERS:
        raise StoreUnusable(f"--store: expected postgresql://user@host/database or a file, not {scheme}://")
    if scheme != "sqlite" and url.password is None and (password := os.environ.get("PGPASSWORD")):
        url = url.set(password=password)
    return url.set(drivername=DRIVERS[scheme])


def migrate(connection: Connection) -> None:
    """Bring the tables up to date. Raises StoreUnusable where they are a newer program's."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7269)")  # of two that start at once, one migrates
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    newest = ScriptDirectory.from_config(config).get_current_head()
    if version(connection) == newest:
        return
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreUnusable(f"the store is of a newer version of this program: {error}; update this one") from error


def version(connection: Connection) -> str | None:
    """The revision of the tables; None for an empty database."""
    return MigrationContext.configure(connection).get_current_revision()


def _engine(url: URL) -> AsyncEngine:
    if url.get_backend_name() == "postgresql":
        return create_async_engine(url, pool_pre_ping=True, pool_size=4, connect_args={"timeout": CONNECT_S})
    engine = create_async_engine(url, pool_size=4)
    event.listen(engine.sync_engine, "connect", _set_pragmas)
    return engine


def _set_pragmas(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for pragma in PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _prepare_file(url: URL) -> None:
    """The file is its owner's alone from the first byte on. Raises StoreUnusable."""
    if url.database in (None, "", ":memory:"):
        raise StoreUnusable("--store: expected a file, for what is kept in memory is not kept")
    path = Path(str(url.database))
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StoreUnusable(f"{path}: {error.strerror}; name a file that may be written with --store") from error


def _first_line(error: Exception) -> str:
    return (str(getattr(error, "orig", None) or error) or type(error).__name__).splitlines()[0]
