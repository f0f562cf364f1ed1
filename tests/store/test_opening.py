"""A store is opened, made, brought up to date, or refused with what to do."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from monitor.core.access import AuditEntry
from monitor.store import Store, StoreUnusable, default_url
from monitor.store.database import reach, read_url
from monitor.store.revision import newest, revisions, upgrade, version
from monitor.store.schema import METADATA

AUDIT = AuditEntry(at=0.0, actor="x", action="x")
READ = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM audit').fetchone()[0])"


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, METADATA))


async def test_a_fresh_store_has_the_tables_of_the_program(store: Store) -> None:
    assert await store.database.read(differences) == []
    assert await store.database.read(version) == newest()


@pytest.mark.parametrize("revision", revisions())
async def test_a_store_of_any_revision_is_brought_up_to_date(url: str, revision: str) -> None:
    database = reach(read_url(url))
    await database.alter(lambda connection: upgrade(connection, revision))
    assert await database.read(version) == revision
    await database.close()
    async with await Store.open(url) as store:
        assert await store.database.read(version) == newest()
        assert await store.database.read(differences) == []


async def test_every_step_can_be_taken_back(url: str) -> None:
    from alembic import command  # noqa: PLC0415

    from monitor.store.revision import _config  # noqa: PLC0415

    def back(connection: Connection) -> list[str]:
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        return inspect(connection).get_table_names()

    async with await Store.open(url) as store:
        assert await store.database.alter(back) == ["alembic_version"]


async def test_a_store_of_a_newer_program_is_left_alone(url: str) -> None:
    async with await Store.open(url) as store:
        await store.add_audit(AUDIT)
        await store.database.write(lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(StoreUnusable, match=r"revision 9999.*update this one"):
        await Store.open(url)


async def test_a_migration_that_fails_leaves_nothing_behind(url: str) -> None:
    """DDL is part of the transaction on both."""

    def half(connection: Connection) -> None:
        upgrade(connection, "head")
        connection.execute(text("SELECT no_such_column FROM audit"))

    database = reach(read_url(url))
    with pytest.raises(Exception, match="no_such_column"):
        await database.alter(half)
    assert await database.read(lambda connection: inspect(connection).get_table_names()) == []
    await database.close()


async def test_several_that_open_at_once_agree(url: str) -> None:
    opened = await asyncio.gather(*(Store.open(url) for _ in range(4)))
    for each in opened:
        await each.add_audit(AUDIT)
    assert len(await opened[0].audit()) == 4
    for each in opened:
        await each.close()


async def test_another_process_reads_while_we_write(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with await Store.open(str(path)) as store:
        for number in range(1, 4):
            await store.add_audit(AUDIT)
            read = await asyncio.to_thread(subprocess.check_output, [sys.executable, "-c", READ, str(path)], text=True)
            assert int(read) == number


async def test_a_file_is_its_owners_alone(tmp_path: Path) -> None:
    os.umask(0o022)
    url = default_url(tmp_path / "state")
    async with await Store.open(url) as store:
        await store.add_audit(AUDIT)
        files = sorted((tmp_path / "state").iterdir())
        assert [each.name for each in files] == ["diemcau.db", "diemcau.db-shm", "diemcau.db-wal"]
        assert {each.stat().st_mode & 0o777 for each in files} == {0o600}
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700


async def test_a_file_is_durable_and_keeps_its_keys(tmp_path: Path) -> None:
    async with await Store.open(str(tmp_path / "store.db")) as store:
        told = await store.database.read(
            lambda c: [
                c.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous", "foreign_keys")
            ]
        )
    assert told == ["wal", 2, 1]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "not nothing"),
        ("sqlite://", "not memory"),
        ("sqlite:///:memory:", "not memory"),
        ("mysql://x/y", "not mysql://"),
        ("postgresql://u:secret@h:port/x", "cannot be read as a URL"),
        ("/proc/none/store.db", "name a file that may be written"),
        ("/etc/passwd/store.db", "name a file that may be written"),
        ("/tmp", "Is a directory"),  # noqa: S108
        ("postgresql://u:secret@127.0.0.1:1/x", "cannot open postgresql://u:***@127.0.0.1:1/x"),
        ("postgresql://127.0.0.1:1/x?colour=red", "cannot open postgresql://127.0.0.1:1/x"),
    ],
)
async def test_what_cannot_be_opened_is_refused_with_what_to_do(url: str, told: str) -> None:
    with pytest.raises(StoreUnusable) as refused:
        await Store.open(url)
    assert told in str(refused.value)
    assert "secret" not in str(refused.value)


async def test_a_file_that_is_no_store_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_text("id,name\n" * 1000, encoding="utf-8")
    with pytest.raises(StoreUnusable, match="not a database"):
        await Store.open(str(path))
    assert path.read_text(encoding="utf-8") == "id,name\n" * 1000


async def test_a_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE accounts (id INTEGER)")
    with pytest.raises(StoreUnusable, match="already exists"):
        await Store.open(str(path))


async def test_a_database_that_is_not_there_is_named(postgresql: str) -> None:
    with pytest.raises(StoreUnusable, match='database "nowhere" does not exist'):
        await Store.open(postgresql.rpartition("/")[0] + "/nowhere")


async def test_who_may_not_make_tables_is_told(postgresql: str) -> None:
    cluster, _, name = postgresql.rpartition("/")
    role = f"guest_{name}"
    statements = ["-c", f"CREATE ROLE {role} LOGIN", "-c", f"REVOKE ALL ON DATABASE {name} FROM PUBLIC, {role}"]
    psql = ["psql", postgresql, "-q", *statements]
    await asyncio.to_thread(subprocess.run, psql, check=True, capture_output=True)
    with pytest.raises(StoreUnusable, match="permission denied"):
        await Store.open(cluster.replace("diemcau@", f"{role}@") + f"/{name}")


def test_urls_are_read_as_libpq_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "from the environment")
    url = read_url("postgres://u@h/db?sslmode=require")
    assert url.drivername == "postgresql+asyncpg"
    assert url.password == "from the environment"  # noqa: S105
    assert dict(url.query) == {"ssl": "require"}
    assert read_url("postgresql://u:own@h/db").password == "own"  # noqa: S105
    assert read_url("/var/lib/x.db").database == "/var/lib/x.db"
    assert read_url("sqlite:////var/lib/x.db").database == "/var/lib/x.db"
    assert read_url("x.db").database == str(Path("x.db").absolute())
