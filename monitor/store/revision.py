"""The revision of a database's tables, and how they are brought up to this program's."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection


class StoreUnusable(Exception):  # noqa: N818 - says what is wrong
    """The store cannot be opened; the message says what to do."""


def migrate(connection: Connection) -> None:
    """Bring the tables up to date, in the transaction that is open. Raises StoreUnusable."""
    found = version(connection)
    if found not in (None, *revisions()):
        raise StoreUnusable(
            f"the store is of revision {found}, of a newer version of this program, which knows up to {newest()}: "
            "update this one, or name another store with --store"
        )
    if found != newest():
        upgrade(connection, "head")


def upgrade(connection: Connection, revision: str) -> None:
    """Take the steps up to a revision."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def version(connection: Connection) -> str | None:
    """The revision of the tables; None for an empty database."""
    return MigrationContext.configure(connection).get_current_revision()


def newest() -> str:
    """The revision that this program writes."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def revisions() -> list[str]:
    """All, the oldest first."""
    return [step.revision for step in ScriptDirectory.from_config(_config()).walk_revisions()][::-1]


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    return config
