"""``/deliveries``: every message and every attempt, over a real store."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from monitor.core.access import Role
from monitor.core.contacts import Channel, Company, Contacts, Desk
from monitor.core.notices import Attempt, Form, Kind, Message, MessageState, Notice, Outcome, Story
from monitor.store import Store
from monitor.web.deliveries import ROWS

DESK = Desk(id="vnpt", title="Trực VNPT (mẫu)", company=Company.TELECOM, channels=(Channel.SMS,), phone="0000 000 384")


class Gate:
    """As much of the gateway as the page asks."""

    def __init__(self, dispatches: Store) -> None:
        self.dispatches = dispatches
        self.contacts = Contacts(desks={"vnpt": DESK})


@pytest.fixture
async def store(tmp_path: Path, stage: Any) -> AsyncIterator[Store]:
    async with await Store.open(str(tmp_path / "store.db")) as opened:
        stage.gate = Gate(opened)
        yield opened


async def sent(store: Store, number: int, at: float, state: MessageState = MessageState.SENT) -> Message:
    """A message about one incident, refused by SMS, then sent by mail."""
    subject = f"incident:network:acc-{number}"
    story = Story(subject=subject, labels={}, annotations={"title": f"Sự cố <{number}>"}, since=at)
    notice = Notice(tracking_id=f"n-{number}", desk="vnpt", subject=subject, kind=Kind.OPENED, story=story, at=at)
    await store.accept([notice])
    message = Message(
        tracking_id=f"m-{number}",
        desk="vnpt",
        form=Form.SINGLE,
        notices=(notice.tracking_id,),
        created_at=at,
        state=state,
    )
    assert await store.compose(message)
    for channel, outcome, detail in (
        (Channel.SMS, Outcome.REFUSED, "HTTP 200 108 Phone not valid"),
        (Channel.EMAIL, Outcome.ACCEPTED, "queued"),
    ):
        known = {"message": message.tracking_id, "desk": "vnpt", "at": at, "took_s": 0.26}
        attempt = Attempt(channel=channel, outcome=outcome, detail=detail, **known)  # type: ignore[arg-type]
        await store.attempted(message, attempt)
    return message


async def test_each_message_with_all_that_was_tried(stage: Any, signed_in: Any, store: Store) -> None:
    await sent(store, 1, stage.now)
    async with signed_in(Role.TECHNICIAN) as client:
        page = await (await client.get("/deliveries")).text()
    assert "Trực VNPT (mẫu)" in page
    assert '<a href="/incidents/network%3Aacc-1">Sự cố &lt;1&gt;</a>' in page
    assert 'SMS: từ chối (0,3 giây) <small class="muted">HTTP 200 108 Phone not valid</small>' in page
    assert "Email: đã nhận" in page
    assert "0000 000 384" not in page


async def test_they_are_filtered_and_paged(stage: Any, signed_in: Any, store: Store) -> None:
    for number in range(ROWS + 5):
        await sent(store, number, stage.now + number, MessageState.FAILED if number == 7 else MessageState.SENT)
    async with signed_in(Role.TECHNICIAN) as client:
        page = await (await client.get("/deliveries")).text()
        assert page.count("<tr") == ROWS + 1
        older = page.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
        rest = await (await client.get(older)).text()
        assert rest.count("<tr") == 6
        assert 'rel="next"' not in rest
        failed = await (await client.get("/deliveries?state=failed&desk=vnpt")).text()
        assert failed.count("<tr") == 2
        assert "không gửi được" in failed
        nothing = await (await client.get("/deliveries?desk=nobody&state=%00&before=x")).text()
        assert "Chưa có tin nào." in nothing


@pytest.mark.parametrize(("role", "status"), [(Role.ORGANIZER, 403), (Role.ADMINISTRATOR, 200)])
async def test_who_may_look(signed_in: Any, store: Store, role: Role, status: int) -> None:
    """What a provider says may name a number."""
    async with signed_in(role) as client, client.get("/deliveries") as answer:
        assert answer.status == status
