"""The stand-ins for providers, spoken to by the gateway's own channels; and the desks that answer."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random

import aiohttp
import pytest
from aiohttp import web

from monitor.alerting.receivers import Receiver, connect
from monitor.configuration import gateway
from monitor.configuration.errors import Errors
from monitor.core.contacts import Channel
from monitor.core.notices import Mail, Outcome, Sms, Zns
from monitor.rehearsal import phones, watch
from monitor.rehearsal.phones import Arrival, Phones
from monitor.rehearsal.watch import Watch

NAME = "AAAAAWsGEWymSmNgAex_qg"
LINK = f"http://127.0.0.1:8080/a/{NAME}"
Ringing = tuple[Phones, dict[Channel, Receiver]]


@pytest.fixture
async def ringing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator["Ringing"]:
    """The phones, and the channels that gateway.yaml sets up for them."""
    for name in ("SMTP_PORT", "PROVIDER_PORT"):
        with socket.create_server(("127.0.0.1", 0)) as free:
            monkeypatch.setattr(phones, name, free.getsockname()[1])
    phones.write_secrets(tmp_path / "secrets")
    (tmp_path / "gateway.yaml").write_text(phones.gateway_yaml(tmp_path / "secrets"), encoding="utf-8")
    errors = Errors()
    providers = gateway.read(tmp_path, errors)
    assert providers is not None, errors
    async with AsyncExitStack() as stack, aiohttp.ClientSession() as session:
        ours = Phones()
        await ours.open(stack)
        yield ours, dict(connect(providers, tmp_path, session))


async def test_each_channel_reaches_a_phone(ringing: Ringing) -> None:
    """Mail, SMS, Zalo with a token that is drawn first; what was sent is what is read."""
    ours, channels = ringing
    sent = {
        Channel.EMAIL: ("a@b.example.invalid", Mail("Mất điện", f"Xem {LINK}", "<p>x</p>")),
        Channel.SMS: ("0000 000 001", Sms(f"Mat dien {LINK}")),
        Channel.ZALO: ("0000 000 001", Zns("opened", {"title": "Mất điện", "link": LINK})),
    }
    for channel, (to, parcel) in sent.items():
        result = await channels[channel].send(to, parcel, f"t-{channel}")
        assert result.outcome is Outcome.ACCEPTED, result
    assert [(each.channel, each.tracking_id) for each in ours.arrived] == [(each, f"t-{each}") for each in sent]
    assert all(each.token == NAME for each in ours.arrived)
    assert "Mất điện" in ours.arrived[0].text


async def test_a_desk_that_is_awake_opens_the_link_and_taps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for each message; a link that does not open is a defect, what is over by then is none."""
    monkeypatch.setattr(watch, "READS_AFTER_S", (0.0, 0.01))
    monkeypatch.setattr(watch, "ASLEEP", 0.0)
    tapped: list[dict[str, str]] = []

    async def show(request: web.Request) -> web.Response:
        form = '<form><input name="form" value="f"><input name="thread" value="7"><button>ĐÃ TIẾP NHẬN</button></form>'
        known = {"good": web.Response(text=form), "late": web.Response(text=form), "none": web.Response(text="over")}
        return known.get(request.match_info["token"], web.Response(status=404))

    async def take(request: web.Request) -> web.Response:
        tapped.append({name: str(value) for name, value in (await request.post()).items()})
        return web.Response(status={"late": 409}.get(request.match_info["token"], 303))

    app = web.Application()
    app.add_routes([web.get("/a/{token}", show), web.post("/a/{token}", take)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    ours = Phones()
    desks = Watch(f"http://127.0.0.1:{runner.addresses[0][1]}", ours, Random(1))
    working = asyncio.create_task(desks.run())
    for token in ("good", "late", "none", "forged"):
        ours.arrived.append(Arrival(0.0, Channel.SMS, "84", token, f"x http://h/a/{token}"))
        ours.news.set()
        await asyncio.sleep(0.05)
    async with asyncio.timeout(10):
        while len(tapped) < 2 or not desks.refused:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    working.cancel()
    await runner.cleanup()
    assert (desks.tapped, desks.refused) == (1, 1)
    assert all((sent["form"], sent["thread"]) == ("f", "7") for sent in tapped)
