"""The page behind the link of a message, and what programs say: over the real gateway and a real store."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp import ClientSession

from monitor.alerting.gateway.dispatcher import Dispatcher
from monitor.alerting.gateway.gateway import Gateway
from monitor.core.access import Role
from monitor.core.contacts import Channel, Company, Contacts, Desk
from monitor.core.model import IncidentState, Tree
from monitor.store import Store
from monitor.web.acknowledge import expected_at
from monitor.web.gateway import digits_of, masked

WORD = "a-word-that-nobody-guesses"
DESKS = {
    desk.id: desk
    for desk in (
        Desk(
            id="vnpt",
            title="Trực VNPT Thanh Hóa",
            company=Company.TELECOM,
            channels=(Channel.SMS,),
            phone="0000 000 384",
        ),
        Desk(id="ky-thuat", title="Tổ kỹ thuật", company=Company.TECHNICAL, channels=(Channel.SMS,), phone="0000 1"),
    )
}
ZONE = ZoneInfo("Asia/Ho_Chi_Minh")


class Desks:
    """What a desk and Alertmanager do."""

    def __init__(self, stage: Any, client: ClientSession, store: Store) -> None:
        self.stage, self.client, self.store = stage, client, store

    async def told(self, incident: str = "network:loi", status: str = "firing", desk: str = "vnpt") -> str:
        """Alertmanager tells the desk; the path of the link in the message."""
        at = datetime.fromtimestamp(self.stage.now, UTC).isoformat()
        labels = {"alertname": "Incident", "incident": incident, "cause": "telecom"}
        said = {"title": "Sự cố mạng: Nút lõi <b>", "owner": "VNPT Thanh Hóa", "points": "4", "halls": "4 xã"}
        alert = {"status": status, "labels": labels, "annotations": said, "startsAt": at, "fingerprint": "f"}
        body = json.dumps({"version": "4", "groupKey": "g", "alerts": [alert]})
        async with self.client.post(f"/gateway/alertmanager/{desk}", data=body, headers=bearer()) as answer:
            assert answer.status == 200, await answer.text()
        threads = [each for each in await self.store.threads(0) if each.story.incident == incident]
        return self.path(threads[-1].number) if threads else ""

    def path(self, number: int, holds_s: float = 3600.0) -> str:
        """Of a thread's link."""
        return f"/a/{self.stage.links.thread_token(number, self.stage.now + holds_s)}"

    async def page(self, path: str, status: int = 200) -> str:
        """What it shows."""
        async with self.client.get(path) as answer:
            assert answer.status == status, await answer.text()
            assert answer.headers["Cache-Control"] == "no-store"
            return await answer.text()

    async def send(self, path: str, form: str, **fields: str) -> tuple[int, str]:
        """Send a form."""
        async with self.client.post(path, data={"form": form, **fields}, allow_redirects=False) as answer:
            return answer.status, await answer.text()


def bearer(word: str = WORD) -> dict[str, str]:
    return {"Authorization": f"Bearer {word}"}


def form_of(page: str) -> str:
    found = re.search(r'name="form" value="([^"]+)"', page)
    assert found is not None
    return found.group(1)


@pytest.fixture
async def desks(stage: Any, stranger: ClientSession, tmp_path: Path) -> AsyncIterator[Desks]:
    async with await Store.open(str(tmp_path / "store.db")) as store:
        contacts = Contacts(desks=DESKS)
        dispatcher = Dispatcher(
            store,
            contacts=lambda: contacts,
            receivers=dict,
            ceremony=lambda: stage.pipeline.ceremony,
            ack_link=lambda number, _until: f"/a/{number}",
            clock=lambda: stage.now,
        )
        stage.gate = Gateway(
            store,
            dispatcher,
            stage.pipeline,
            stage,
            owner="test",
            secret=WORD,
            contacts=lambda: contacts,
            tell=stage.tell,
            clock=lambda: stage.now,
        )
        yield Desks(stage, stranger, store)


async def test_opening_the_link_shows_and_changes_nothing(desks: Desks) -> None:
    """Phones and mail servers open links by themselves, and ask for their heads."""
    incident = desks.stage.blame(Tree.NETWORK, "loi", ["x-14801", "x-14802"])
    path = await desks.told()
    for _ in range(3):
        page = await desks.page(path)
    async with desks.client.head(path) as head:
        assert head.status == 200
    assert "Sự cố mạng: Nút lõi &lt;b&gt;" in page
    assert "ĐÃ TIẾP NHẬN" in page
    assert "VNPT Thanh Hóa" in page
    assert "Xã 2" in page, "each point is found here"
    assert await desks.store.acknowledgements() == []
    assert incident.acknowledged == ()


async def test_one_tap_acknowledges_and_the_same_form_counts_once(desks: Desks) -> None:
    incident = desks.stage.blame(Tree.NETWORK, "loi", ["x-14801"])
    path = await desks.told()
    form = form_of(await desks.page(path))
    status, _ = await desks.send(path, form, minutes="30", note="đang ra hiện trường")
    assert status == 303
    (kept,) = await desks.store.acknowledgements()
    assert (kept.desk, kept.incident, kept.means) == ("vnpt", "network:loi", "link")
    assert kept.repair_expected_at == desks.stage.now + 1800
    assert incident.acknowledged == (kept,)
    page = await desks.page(path)
    assert "Trực VNPT Thanh Hóa đã tiếp nhận lúc" in page
    assert "đang ra hiện trường" in page
    assert "CẬP NHẬT" in page
    status, page = await desks.send(path, form, minutes="30")
    assert status == 409
    assert "đã được gửi trước đó" in page
    assert len(await desks.store.acknowledgements()) == 1
    status, _ = await desks.send(path, form_of(page), minutes="60")
    assert status == 303, "another form, from the page that was shown"
    assert incident.acknowledged[-1].repair_expected_at == desks.stage.now + 3600
    assert await desks.store.audit() != []


@pytest.mark.parametrize("form", ["", "x", "A" * 28, "đ" * 28, "A" * 10_000])
async def test_a_form_that_is_forged_is_refused(desks: Desks, form: str) -> None:
    path = await desks.told()
    status, _ = await desks.send(path, form)
    assert status == 400
    assert await desks.store.acknowledgements() == []


async def test_the_form_of_another_link_is_refused(desks: Desks) -> None:
    path, other = await desks.told(), await desks.told("network:other")
    status, _ = await desks.send(other, form_of(await desks.page(path)))
    assert status == 400


async def test_what_is_old_is_refused(desks: Desks) -> None:
    path = await desks.told()
    form = form_of(await desks.page(path))
    desks.stage.now += 3599
    await desks.page(path)
    desks.stage.now += 1
    assert "hết hạn" in await desks.page(path, 410)
    assert (await desks.send(path, form))[0] == 410
    longer = desks.path(1, 86_400)
    form = form_of(await desks.page(longer))
    desks.stage.now += 7201
    assert (await desks.send(longer, form))[0] == 410


@pytest.mark.parametrize("token", ["x", "A" * 22, "A" * 21, "đ" * 22, "A" * 500])
async def test_a_link_that_is_forged_is_none(desks: Desks, token: str) -> None:
    await desks.told()
    await desks.page(f"/a/{token}", 404)
    async with desks.client.post(f"/a/{token}", data={}) as answer:
        assert answer.status == 404


async def test_refusals_are_written_down(desks: Desks) -> None:
    path = await desks.told()
    await desks.page("/a/" + "A" * 22, 404)
    await desks.send(path, "forged")
    async with desks.client.post("/gateway/alertmanager/vnpt", data=b"{}", headers=bearer("wrong")) as answer:
        assert answer.status == 401
    async with asyncio.timeout(10):
        while len(desks.stage.records.trail) < 3:  # noqa: ASYNC110 - a list of the test
            await asyncio.sleep(0.02)
    told = [(each.action, each.allowed, each.detail) for each in desks.stage.records.trail]
    assert ("acknowledge", False, "forged") in told
    assert ("webhook", False, "does not bring the word") in told
    assert all("A" * 22 not in each.target for each in desks.stage.records.trail), "a link is a key"


async def test_what_is_over_needs_nobody(desks: Desks) -> None:
    path = await desks.told()
    form = form_of(await desks.page(path))
    await desks.told(status="resolved")
    page = await desks.page(path)
    assert "Đã kết thúc lúc" in page
    assert 'name="form"' not in page
    assert (await desks.send(path, form))[0] == 409


async def test_all_of_a_desk_by_one_tap_and_nobody_elses(desks: Desks) -> None:
    paths = [await desks.told(f"network:n{number}") for number in range(3)]
    await desks.told("network:foreign", desk="ky-thuat")
    page = await desks.page(paths[0])
    assert page.count("<article>") == 2
    fields = {"form": form_of(page), "thread": "1"}
    body = "&".join([*(f"{name}={value}" for name, value in fields.items()), "thread=2", "thread=3", "thread=4"])
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with desks.client.post(paths[0], data=body, headers=headers, allow_redirects=False) as answer:
        assert answer.status == 303
    assert [each.incident for each in await desks.store.acknowledgements()] == [
        "network:n0",
        "network:n1",
        "network:n2",
    ]


@pytest.mark.parametrize("text", ["TN {code}", "tn{code}", "{code}", " TN: {code} 30p ", "Tn {code} 30 phut."])
async def test_an_sms_with_the_code_acknowledges(desks: Desks, text: str) -> None:
    await desks.told()
    (thread,) = await desks.store.threads(0)
    said = {"phone": "+84 000 000 384", "text": text.format(code=thread.code)}
    async with desks.client.post("/gateway/replies", json=said, headers=bearer()) as answer:
        assert await answer.json() == {"acknowledged": True, "incident": "network:loi"}
    (kept,) = await desks.store.acknowledgements()
    assert (kept.desk, kept.means) == ("vnpt", "sms")
    assert kept.repair_expected_at == (desks.stage.now + 1800 if "30" in text else None)


@pytest.mark.parametrize(
    ("phone", "text"),
    [("0000 000 384", "TN 0"), ("0000 000 384", "hello"), ("0000 000 385", "{code}"), ("0000 000 384", "TN {other}")],
)
async def test_an_sms_that_says_nothing_we_know_is_answered_and_written_down(
    desks: Desks, phone: str, text: str
) -> None:
    """With 200: its provider would say it again and again."""
    await desks.told()
    (thread,) = await desks.store.threads(0)
    other = f"{(int(thread.code) + 1) % 10_000:04}"
    said = {"phone": phone, "text": text.format(code=thread.code, other=other)}
    async with desks.client.post(f"/gateway/replies?key={WORD}", json=said) as answer:
        assert (answer.status, (await answer.json())["acknowledged"]) == (200, False)
    assert await desks.store.acknowledgements() == []


async def test_guesses_are_counted(desks: Desks) -> None:
    await desks.told()
    (thread,) = await desks.store.threads(0)
    for guess in range(20):
        said = {"phone": "0000 000 384", "text": f"{(int(thread.code) + 1 + guess) % 10_000:04}"}
        await desks.client.post("/gateway/replies", json=said, headers=bearer())
    said = {"phone": "0000 000 384", "text": thread.code}
    async with desks.client.post("/gateway/replies", json=said, headers=bearer()) as answer:
        assert not (await answer.json())["acknowledged"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/gateway/alertmanager/vnpt", b"{}", 400),
        ("/gateway/alertmanager/nobody", b"{}", 404),
        ("/gateway/receipts/pigeon", b"{}", 404),
        ("/gateway/receipts/sms", b"[]", 400),
        ("/gateway/receipts/sms", b'{"reference": "x", "delivered": true}', 200),
        ("/gateway/replies", b"{}", 400),
        ("/gateway/watchdog", b"", 200),
    ],
)
async def test_what_programs_say_is_judged(desks: Desks, path: str, body: bytes, status: int) -> None:
    async with desks.client.post(path, data=body, headers=bearer()) as answer:
        assert answer.status == status, await answer.text()
    for headers in ({}, bearer("wrong"), {"Authorization": f"Basic {WORD}"}):
        async with desks.client.post(path, data=body, headers=headers) as answer:
            assert answer.status == 401


async def test_a_notification_that_is_too_large_is_refused(desks: Desks) -> None:
    async with desks.client.post("/gateway/receipts/sms", data=b"x" * 70_000, headers=bearer()) as answer:
        assert answer.status == 413


@pytest.mark.parametrize(
    ("minutes", "time", "after_s"),
    [("30", "", 1800.0), ("", "08:00", 1512.0), ("0", "", None), ("9" * 40, "", None), ("", "7h", None)],
)
def test_when_all_is_mended(minutes: str, time: str, after_s: float | None) -> None:
    now = datetime(2025, 5, 8, 7, 34, 48, tzinfo=ZONE).timestamp()
    found = expected_at(minutes, time, now, ZONE)
    assert found == (None if after_s is None else now + after_s)
    assert expected_at("", "07:00", now, ZONE) == datetime(2025, 5, 9, 7, 0, tzinfo=ZONE).timestamp()


def test_numbers_are_compared_in_digits_and_shown_in_part() -> None:
    assert digits_of("+84 912 000 384") == digits_of("0912.000.384") == "912000384"
    assert masked("0912 000 384") == "0912…384"
    assert "000" not in masked("0912000384")


async def test_somebody_of_the_team_may_say_so_for_a_desk_that_called(
    desks: Desks, signed_in: Callable[..., AbstractAsyncContextManager[ClientSession]]
) -> None:
    """An organizer may not; nor is anything to be said of what is over."""
    incident = desks.stage.blame(Tree.NETWORK, "loi", ["x-14801"])
    path = "/incidents/network%3Aloi/acknowledge"
    async with signed_in(Role.ORGANIZER) as organizer, organizer.post(path) as answer:
        assert answer.status == 403
    async with signed_in(Role.TECHNICIAN) as technician:
        async with technician.get("/incidents/network%3Aloi") as page:
            assert "chưa ai" in (shown := await page.text())
            assert "acknowledge" in shown
        async with technician.post(path, data={"note": "gọi 113"}) as answer:
            assert answer.status == 200
            assert "the-technician đã tiếp nhận lúc" in await answer.text()
        incident.state = IncidentState.RESOLVED
        async with technician.post(path) as answer:
            assert answer.status == 404
    (kept,) = await desks.store.acknowledgements()
    assert (kept.desk, kept.means, kept.note) == ("the-technician", "account", "gọi 113")
