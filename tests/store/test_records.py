"""What the store promises to those who wait for it, on both databases."""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.core.access import Account, ApiToken, AuditEntry, Role, Session
from monitor.core.acknowledgement import Acknowledgement
from monitor.core.checkin import Author, CheckIn, Draft, PowerSupply, Voice, receive
from monitor.core.organization import Reminder
from monitor.core.records import NotRecorded
from monitor.store import Store

NOW = 1_746_660_000.0
AUDIT = AuditEntry(at=NOW, actor="point:p", action="check_in", target="p", detail="x", address="127.0.0.1")


def report(entry: str, point: str = "p-1", delegates: int = 7, at: float = NOW) -> CheckIn:
    draft = Draft(
        entry=entry, picture=True, delegates=delegates, chair="Phó Chủ tịch", power=PowerSupply.UPS, age_s=3.5
    )
    return receive(draft, point, Author(Voice.POINT, point), at, NOW + 60)


def account(**changes: object) -> Account:
    made = Account(name="binh", password_hash="$argon2id$x", role=Role.ORGANIZER, created_at=NOW)  # noqa: S106
    return msgspec.structs.replace(made, **changes)


async def test_a_check_in_comes_back_as_it_was(store: Store) -> None:
    said = report("entry-0001")
    silent = msgspec.structs.replace(report("entry-0002", at=NOW + 90), delegates=None, power=None, chair="")
    assert await store.add_check_ins([said, silent], AUDIT) == [said, silent]
    assert silent.late
    assert await store.check_ins_of("p-1") == [silent, said]
    assert await store.check_ins(NOW) == [said, silent]
    assert await store.check_ins(NOW + 1) == [silent]
    assert await store.check_ins_of("p-2") == []


async def test_of_an_entry_the_first_is_kept_however_it_is_sent_again(store: Store) -> None:
    first = report("entry-0001", delegates=1)
    await store.add_check_ins([first], AUDIT)
    again, other, twin = report("entry-0001", delegates=2), report("entry-0001", "p-2"), report("entry-0001", "p-2", 99)
    assert await store.add_check_ins([again, other, twin], AUDIT) == [first, other, other]
    assert len(await store.check_ins(0)) == 2


async def test_of_an_entry_sent_by_many_at_once_one_is_kept_and_all_are_told_which(url: str) -> None:
    """Within one service, and by two that share a database."""
    async with await Store.open(url) as one, await Store.open(url) as two:
        sent = [report(f"entry-{number % 20:04}", delegates=number) for number in range(200)]
        told = await asyncio.gather(
            *((one, two)[number % 2].add_check_ins([each], AUDIT) for number, each in enumerate(sent))
        )
        kept = {each.entry: each for each in await one.check_ins(0)}
    assert len(kept) == 20
    assert [answer for (answer,) in told] == [kept[each.entry] for each in sent]


async def test_those_who_come_together_are_committed_together(store: Store) -> None:
    before = store.writer.commits
    await asyncio.gather(*(store.add_check_ins([report(f"entry-{number:04}")], AUDIT) for number in range(400)))
    assert store.writer.commits - before <= 3
    assert len(await store.check_ins(0)) == 400
    assert len(await store.audit(limit=1000)) == 400


async def test_a_file_of_a_whole_province_is_kept_whole(store: Store) -> None:
    sent = [report("entry-0001", f"p-{number}", number % 100) for number in range(6000)]
    assert await store.add_check_ins(sent, AUDIT) == sent
    assert await store.add_check_ins(sent[:1500], AUDIT) == sent[:1500]
    assert len(await store.check_ins(0)) == 6000


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2), st.integers(0, 9)), max_size=5)))
def test_whatever_is_sent_the_first_word_of_each_entry_holds(
    batches: list[list[tuple[int, int, int]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Against a dictionary."""
    path = tmp_path_factory.mktemp("store") / "store.db"
    sent = [
        [report(f"entry-{entry:04}", f"p-{point}", delegates) for entry, point, delegates in batch] for batch in batches
    ]
    model: dict[tuple[str, str], CheckIn] = {}
    for each in (each for batch in sent for each in batch):
        model.setdefault((each.point, each.entry), each)

    async def play() -> tuple[list[list[CheckIn]], Sequence[CheckIn]]:
        async with await Store.open(str(path)) as store:
            told = await asyncio.gather(*(store.add_check_ins(batch, AUDIT) for batch in sent))
            return told, await store.check_ins(0)

    told, kept = asyncio.run(play())
    assert told == [[model[each.point, each.entry] for each in batch] for batch in sent]
    assert kept == list(model.values())


async def test_snapshots_are_numbered_without_gaps_and_each_names_the_one_before(store: Store) -> None:
    taken = [
        await store.add_snapshot(b'{"n":%d}' % number, taken_at=NOW, deadline=NOW, automatic=number == 1, by="binh")
        for number in range(3)
    ]
    assert [each.number for each in taken] == [1, 2, 3]
    assert [each.previous for each in taken] == ["", taken[0].digest, taken[1].digest]
    assert all(each.genuine for each in taken)
    assert [each.automatic for each in taken] == [False, True, False]
    assert [head.number for head in await store.snapshots()] == [3, 2, 1]
    assert await store.snapshot(2) == taken[1]
    for number in (0, -1, 4, 1 << 31, 1 << 80):
        assert await store.snapshot(number) is None


async def test_services_that_share_a_database_number_snapshots_together(url: str) -> None:
    async with await Store.open(url) as one, await Store.open(url) as two:
        taken = await asyncio.gather(
            *(
                (one, two)[number % 2].add_snapshot(
                    b"%d" % number, taken_at=NOW, deadline=NOW + number // 20, automatic=number % 2 == 0, by=""
                )
                for number in range(40)
            )
        )
        heads = await one.snapshots()
    assert sorted(head.number for head in heads) == list(range(1, 23)), "20 by hand, and one of each of two deadlines"
    assert len({each.number for each in taken if each.automatic}) == 2
    assert [head.previous for head in heads] == [*(head.digest for head in heads[1:]), ""]


async def test_reminders_are_kept_in_order(store: Store) -> None:
    given_ = [Reminder(district="386", at=NOW + n, by="binh", points=("a", "b")[:n]) for n in range(3)]
    for each in given_:
        await store.add_reminder(each)
    assert await store.reminders(NOW + 1) == given_[1:]


async def test_an_account_is_added_changed_and_found(store: Store) -> None:
    assert await store.account("binh") is None
    await store.put_account(account(), AUDIT)
    await store.put_account(account(name="an"), AUDIT)
    await store.put_account(account(role=Role.TECHNICIAN), AUDIT)
    assert await store.account("binh") == account(role=Role.TECHNICIAN)
    assert [each.name for each in await store.accounts()] == ["an", "binh"]
    assert len(await store.audit()) == 3


@pytest.mark.parametrize(
    ("change", "goes_on"),
    [({}, True), ({"disabled": True}, False), ({"password_hash": "other"}, False), ({"role": Role.WALL}, False)],
)
async def test_a_session_ends_with_what_it_was_begun_with(
    store: Store,
    change: dict[str, object],
    goes_on: bool,  # noqa: FBT001
) -> None:
    await store.put_account(account(), AUDIT)
    await store.put_account(account(name="an"), AUDIT)
    session = Session(digest="d1", account="binh", csrf="c", created_at=NOW, expires_at=NOW + 1)
    other = Session(digest="d2", account="an", csrf="c", created_at=NOW, expires_at=NOW + 1)
    await store.add_session(session)
    await store.add_session(other)
    await store.put_account(account(**change), AUDIT)
    assert await store.session("d1") == (session if goes_on else None)
    assert await store.session("d2") == other
    await store.drop_session("d2")
    assert await store.session("d2") is None


async def test_a_session_of_nobody_is_refused_and_others_are_not(store: Store) -> None:
    """Also where they come in one transaction."""
    await store.put_account(account(), AUDIT)
    good = [Session(digest=f"d{n}", account="binh", csrf="c", created_at=NOW, expires_at=NOW) for n in range(5)]
    bad = Session(digest="bad", account="nobody", csrf="c", created_at=NOW, expires_at=NOW)
    answers = await asyncio.gather(*map(store.add_session, [*good[:2], bad, *good[2:]]), return_exceptions=True)
    assert [isinstance(answer, NotRecorded) for answer in answers] == [False, False, True, False, False, False]
    assert [await store.session(each.digest) for each in good] == good
    assert await store.session("bad") is None
    assert store.healthy


async def test_tokens_are_added_changed_and_listed(store: Store) -> None:
    token = ApiToken(name="grafana", digest="d", role=Role.WALL, created_at=NOW, expires_at=NOW + 5)
    await store.put_token(token, AUDIT)
    await store.put_token(msgspec.structs.replace(token, name="a", digest="e", expires_at=None), AUDIT)
    revoked = msgspec.structs.replace(token, revoked=True)
    await store.put_token(revoked, AUDIT)
    assert [each.name for each in await store.tokens()] == ["a", "grafana"]
    assert (await store.tokens())[1] == revoked
    with pytest.raises(NotRecorded):
        await store.put_token(msgspec.structs.replace(token, name="twin"), AUDIT)
    assert len(await store.audit()) == 3, "nothing of what was refused is kept"


async def test_the_trail_is_read_page_by_page(store: Store) -> None:
    made = [msgspec.structs.replace(AUDIT, detail=str(number), allowed=bool(number % 2)) for number in range(5)]
    for entry in made:
        await store.add_audit(entry)
    first = await store.audit(limit=2)
    rest = await store.audit(before=first[-1][0], limit=10)
    assert [entry for _, entry in first + rest] == made[::-1]
    assert await store.audit(before=10**30, limit=1) == first[:1]
    assert await store.audit(before=-(10**30), limit=1) == []


@pytest.mark.parametrize("weird", ["a\0b", "a\udc80b", "Đinh\nThị", "😀" * 2000, ""])
async def test_text_that_no_database_takes_is_kept_as_far_as_it_goes(store: Store, weird: str) -> None:
    """Paths and headers of strangers stand in the trail; a name that cannot be is nobody's."""
    await store.add_audit(msgspec.structs.replace(AUDIT, target=weird))
    ((_, entry),) = await store.audit()
    assert entry.target == weird.replace("\0", "?").replace("\udc80", "?")
    assert await store.account(weird) is None
    assert await store.session(weird) is None
    assert await store.check_ins_of(weird) == []


async def test_acknowledgements_are_listed_by_incident(store: Store) -> None:
    said = [
        Acknowledgement(
            incident=name, opened_at=NOW, desk="vnpt:386", at=NOW + n, means="link", repair_expected_at=when
        )
        for n, (name, when) in enumerate([("a", None), ("b", NOW + 600), ("a", NOW + 60)])
    ]
    for each in said:
        await store.acknowledge(each, "", AuditEntry(at=NOW, actor="", action="acknowledge"))
    assert await store.acknowledgements() == said
    assert await store.acknowledgements(incident="a") == [said[0], said[2]]
    assert await store.acknowledgements(since=NOW + 1) == said[1:]


async def test_all_of_it_is_back_after_a_restart(url: str) -> None:
    async with await Store.open(url) as store:
        await store.add_check_ins([report("entry-0001")], AUDIT)
        taken = await store.add_snapshot(b"{}", taken_at=NOW, deadline=NOW, automatic=True, by="")
        await store.put_account(account(), AUDIT)
    async with await Store.open(url) as store:
        assert await store.check_ins(0) == [report("entry-0001")]
        assert await store.add_snapshot(b"[]", taken_at=NOW, deadline=NOW, automatic=True, by="") == taken
        assert await store.accounts() == [account()]
