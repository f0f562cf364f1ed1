"""A backup is a store of one instant, whole; from either database to either; and the command line says what it does."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from monitor.cli.store import command
from monitor.core.access import Account, AuditEntry, Role, Session
from monitor.core.acknowledgement import Acknowledgement
from monitor.core.checkin import Author, CheckIn, Draft, PowerSupply, Voice, receive
from monitor.core.model import Cause, PointChanged, PointState
from monitor.core.trend import Sample
from monitor.store import Store, StoreUnusable
from monitor.store.backup import back_up, count, restore

NOW = 1_746_660_000.0
AUDIT = AuditEntry(at=NOW, actor="đội kỹ thuật", action="x", allowed=False)
ACCOUNT = Account(name="a", password_hash="h", role=Role.WALL, created_at=NOW, disabled=False)  # noqa: S106 - none
HOLD = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1])
held.execute("SELECT * FROM audit")
print("held", flush=True)
input()
"""


def report(number: int) -> CheckIn:
    draft = Draft(entry=f"entry-{number:05}", sound=True, power=PowerSupply.GRID, chair="Chủ tịch", note="mưa\nto")
    return receive(draft, "p", Author(Voice.POINT, "p"), NOW + number / 3, NOW)


def listed(directory: Path) -> list[str]:
    return [each.name for each in directory.iterdir()]


async def fill(store: Store) -> None:
    """Something in every table."""
    await store.add_check_ins([report(number) for number in range(2500)], AUDIT)
    await store.add_snapshot(bytes(range(256)), taken_at=NOW, deadline=NOW, automatic=True, by="")
    await store.add_snapshot(b"{}", taken_at=NOW, deadline=NOW, automatic=False, by="a")
    await store.put_account(ACCOUNT, AUDIT)
    await store.add_session(Session(digest="d", account="a", csrf="c", created_at=NOW, expires_at=NOW))
    said_so = Acknowledgement(incident="i", opened_at=NOW, desk="d", at=NOW, means="link")
    await store.acknowledge(said_so, "", AuditEntry(at=NOW, actor="", action="acknowledge"))
    store.note([PointChanged("p", PointState.UP, PointState.DOWN, Cause.NONE, NOW, NOW)])
    store.keep_incident("i", NOW, True, b"\0\xff", NOW)
    store.keep_sample(Sample(NOW + 0.1, 1, 2, 3, 4))


async def told(store: Store) -> list[object]:
    """Everything that can be asked."""
    return [
        await store.check_ins(0),
        [await store.snapshot(head.number) for head in await store.snapshots()],
        await store.accounts(),
        await store.session("d"),
        await store.acknowledgements(),
        await store.transitions(),
        await store.incidents(0),
        await store.samples(0),
        await store.audit(),
    ]


async def contents(url: str) -> list[object]:
    async with await Store.open(url) as store:
        return await told(store)


@pytest.mark.parametrize("other", ["sqlite", "postgresql"])
async def test_what_is_backed_up_is_restored_to_either_database(
    url: str, other: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    async with await Store.open(url) as store:
        await fill(store)
    before = await contents(url)
    backup = tmp_path / "backup.db"
    counts = await back_up(url, backup)
    assert counts["check_ins"] == 2500
    assert backup.stat().st_mode & 0o777 == 0o600
    assert [name for name in listed(tmp_path) if "backup" in name] == ["backup.db"]
    whole = backup.read_bytes()
    target = str(tmp_path / "other.db")
    if other == "postgresql":
        target = request.getfixturevalue("postgresql")
    assert await restore(target, backup, replace=target == url) == counts
    assert backup.read_bytes() == whole
    assert await contents(target) == before
    async with await Store.open(target) as store:
        await store.add_check_ins([report(9999)], AUDIT)
        assert len(await store.check_ins(0)) == 2501, "ids go on behind those that were restored"
        assert (await store.audit(limit=1))[0][0] > before[-1][0][0]  # type: ignore[index]
        again = await store.add_snapshot(b"[]", taken_at=NOW, deadline=NOW + 9, automatic=True, by="")
        assert again.number == 3


async def test_a_backup_can_be_asked_like_any_store(url: str, tmp_path: Path) -> None:
    async with await Store.open(url) as store:
        await fill(store)
    await back_up(url, tmp_path / "backup.db")
    assert await contents(str(tmp_path / "backup.db")) == await contents(url)


async def test_a_backup_made_while_others_write_is_of_one_instant(url: str, tmp_path: Path) -> None:
    """Every check-in is committed with its trace: there are as many of the one as of the other."""
    async with await Store.open(url) as store:

        async def write(caller: int) -> None:
            for number in range(caller * 10_000, caller * 10_000 + 10_000):
                await store.add_check_ins([report(number)], AUDIT)

        writing = [asyncio.create_task(write(caller)) for caller in range(4)]
        sizes = []
        for number in range(4):
            await asyncio.sleep(0.1)
            counts = await back_up(url, tmp_path / f"{number}.db")
            with closing(sqlite3.connect(tmp_path / f"{number}.db")) as backup:
                asked = "SELECT (SELECT count(*) FROM check_ins), (SELECT count(*) FROM audit)"
                check_ins, audit = backup.execute(asked).fetchone()
            assert check_ins == audit == counts["check_ins"]
            sizes.append(check_ins)
        for task in writing:
            task.cancel()
        await asyncio.gather(*writing, return_exceptions=True)
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]


async def test_a_store_in_use_is_not_restored_into(url: str, tmp_path: Path) -> None:
    async with await Store.open(url) as store:
        await fill(store)
        await back_up(url, tmp_path / "backup.db")
        if url.startswith("postgresql"):
            with pytest.raises(StoreUnusable, match="in use"):
                await restore(url, tmp_path / "backup.db", replace=True)
    if not url.startswith("postgresql"):
        held = await asyncio.create_subprocess_exec(
            sys.executable, "-c", HOLD, url, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert held.stdout is not None
        await held.stdout.readline()
        with pytest.raises(StoreUnusable, match="in use"):
            await restore(url, tmp_path / "backup.db", replace=True)
        await held.communicate(b"\n")
    before = await contents(url)
    with pytest.raises(StoreUnusable, match="rows already"):
        await restore(url, tmp_path / "backup.db")
    assert await contents(url) == before


async def test_a_restore_that_fails_changes_nothing(url: str, tmp_path: Path) -> None:
    async with await Store.open(url) as store:
        await fill(store)
    before = await contents(url)
    backup = tmp_path / "backup.db"
    await back_up(url, backup)
    with closing(sqlite3.connect(backup)) as connection:  # a session of an account that is not there
        connection.execute("DELETE FROM accounts")
        connection.commit()
    with pytest.raises(StoreUnusable, match="the store is as it was"):
        await restore(url, backup, replace=True)
    assert await contents(url) == before


async def test_what_is_no_backup_is_refused(tmp_path: Path, url: str) -> None:
    async with await Store.open(url):
        pass
    foreign, torn, newer = tmp_path / "foreign.db", tmp_path / "torn.db", tmp_path / "newer.db"
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE t (x)")
    torn.write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    async with await Store.open(str(newer)) as store:
        await store.database.write(lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    for path, why in ((foreign, "no store"), (torn, "cannot open"), (newer, "revision 9999"), (tmp_path, "no store")):
        with pytest.raises(StoreUnusable, match=why):
            await restore(url, path)


async def test_a_backup_that_cannot_be_written_leaves_nothing(url: str, tmp_path: Path) -> None:
    async with await Store.open(url):
        pass
    with pytest.raises(StoreUnusable, match="cannot back up to"):
        await back_up(url, tmp_path / "none" / "backup.db")
    (tmp_path / "directory").mkdir()
    with pytest.raises(StoreUnusable, match="cannot back up to"):
        await back_up(url, tmp_path / "directory")
    assert set(listed(tmp_path)) <= {"directory", "store.db"}


@pytest.fixture
def diemcau(url: str) -> Callable[..., Result]:
    def run(*arguments: str, at: Sequence[str] = ("--store", url)) -> Result:
        return CliRunner().invoke(command, [*at, *arguments], catch_exceptions=False)

    return run


def test_the_command_line_backs_up_describes_prunes_and_restores(
    url: str, tmp_path: Path, diemcau: Callable[..., Result]
) -> None:
    async def filled() -> None:
        async with await Store.open(url) as store:
            await fill(store)

    asyncio.run(filled())
    described = diemcau("info")
    assert "revision 0002\n" in described.output
    assert "check_ins                2,500" in described.output
    backup = str(tmp_path / "backup.db")
    assert "2,5" in diemcau("backup", backup).output
    refused = diemcau("backup", backup)
    assert (refused.exit_code, "--replace" in refused.output) == (1, True)
    assert diemcau("backup", backup, "--replace").exit_code == 0
    pruned = diemcau("prune", "--older-than", "12w", "--also", "check_ins")
    assert "check_ins                2,500" in pruned.output
    assert "check_ins                    0" in diemcau("info").output
    assert diemcau("restore", backup).exit_code == 1
    assert diemcau("restore", backup, "--replace").exit_code == 0
    assert diemcau("info").output.splitlines()[1:] == described.output.splitlines()[1:]
    assert "check_ins                2,500" in diemcau("info", at=("--store", backup)).output
    with closing(sqlite3.connect(backup)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",), "asking left it as it was"


def test_the_command_line_makes_no_store_by_the_way(tmp_path: Path, diemcau: Callable[..., Result]) -> None:
    for arguments in (["info"], ["backup", str(tmp_path / "b.db")], ["prune", "--older-than", "1d"]):
        refused = diemcau(*arguments, at=("--state", str(tmp_path / "state")))
        assert (refused.exit_code, "there is no store" in refused.output) == (1, True)
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("age", ["90", "0d", "-5d", "1y", "d", "1d 2h", "9999999d"])
def test_an_age_that_is_none_is_refused(age: str, diemcau: Callable[..., Result]) -> None:
    refused = diemcau("prune", "--older-than", age)
    assert (refused.exit_code, "such as 48h" in refused.output) == (2, True)


async def test_counts_are_of_all_tables(store: Store) -> None:
    assert set((await store.database.read(count)).values()) == {0}
    assert len(await store.database.read(count)) == 16
