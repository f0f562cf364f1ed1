"""Alertmanager's configuration from the contacts: who is told is who :class:`Contacts` says, by amtool and in deed."""

import asyncio
import itertools
import json
import os
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import aiohttp
import msgspec
import pytest
import yaml
from aiohttp import web

from monitor.alerting.publication import publish, write
from monitor.alerting.routes import NOBODY, Surroundings, rendered
from monitor.core.contacts import CONCERNED, DAY_MINUTES, Channel, Company, Contacts, Desk, Duty, is_told

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
OPERATORS = {
    Company.TELECOM: ("VNPT (mẫu)", 'Nhà mạng "số 2" \\ [B].*'),
    Company.POWER: ("Điện lực A - B", "Điện lực C"),
}
AROUND = Surroundings(timezone="Asia/Ho_Chi_Minh", gateways=("http://127.0.0.1:1",), credentials_file="word")


def contacts(seed: int) -> Contacts:
    """A dozen desks with territories that overlap as they like; the technical team last or first."""
    rng = Random(seed)
    desks = [Desk(id="team", title="Đội", company=Company.TECHNICAL, channels=(Channel.EMAIL,), email="a@b.invalid")]
    for number in range(rng.randrange(3, 13)):
        company = rng.choice([Company.TELECOM, Company.POWER, Company.SITE, Company.COORDINATION])
        desk = Desk(
            id=f"d-{number}",
            title=f"Trực {number}",
            company=company,
            level=rng.randrange(1, 4),
            districts=tuple(rng.sample(["380", "384"], rng.randrange(3))),
            operators=tuple(rng.sample(OPERATORS.get(company, ()), rng.randrange(2))) if company in OPERATORS else (),
            channels=(Channel.SMS,),
            phone="0000 000 001",
            severity=rng.choice(["info", "warning", "critical"]),
        )
        desks.append(desk)
    rng.shuffle(desks)
    return Contacts(desks={desk.id: desk for desk in desks})


def expected(known: Contacts, labels: dict[str, str], at: float) -> set[str]:
    """By the contacts."""
    concerned = CONCERNED.get(labels["cause"], frozenset())
    firsts = [desk for company in concerned for desk in known.first_on_duty(company, labels, at, ZONE)]
    team = [] if labels["cause"] == "reminder" else [d for d in known.desks.values() if d.company is Company.TECHNICAL]
    return {desk.id for desk in (*firsts, *team) if is_told(desk, labels["severity"])}


@pytest.mark.parametrize("seed", range(6))
def test_amtool_leads_an_alert_to_whom_the_contacts_name(
    program: Callable[[str], Path], tmp_path: Path, seed: int
) -> None:
    known = contacts(seed)
    file = tmp_path / "alertmanager.yml"
    file.write_text(rendered(known, AROUND), encoding="utf-8")
    checked = subprocess.run([program("amtool"), "check-config", file], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    rng = Random(seed)
    kinds = [*itertools.product(["telecom", "power", "site", "undetermined", "reminder"], ["", "380", "386"])]
    for cause, district in rng.sample(kinds, 10):
        labels = {
            "alertname": "CheckInReminder" if cause == "reminder" else "Incident",
            "cause": cause,
            "severity": rng.choice(["info", "warning", "critical"]),
            "operator": rng.choice(OPERATORS[Company.TELECOM]),
            "power_operator": rng.choice([*OPERATORS[Company.POWER], "Điện lực D"]),
            "district": district,
        }
        pairs = [f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in labels.items() if value]
        command = [program("amtool"), "config", "routes", "test", f"--config.file={file}", *pairs]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        assert set(done.stdout.strip().split(",")) - {NOBODY} == expected(known, labels, 0.0), (labels, known)


def test_who_is_off_duty_is_followed_by_the_level_above_and_at_last_the_team() -> None:
    """As the contacts have it: the intervals that mute one are those that activate nobody else."""
    now = datetime(2025, 5, 8, 6, 0, tzinfo=ZONE)
    day = Duty(tuple(range(7)), 7 * 60, 17 * 60)
    first = Desk(id="a", title="a", company=Company.POWER, channels=(Channel.SMS,), phone="1", duty=(day,))
    team = Desk(id="team", title="t", company=Company.TECHNICAL, channels=(Channel.SMS,), phone="1")
    known = Contacts(desks={"a": first, "team": team})
    assert expected(known, {"cause": "power", "severity": "critical"}, now.timestamp()) == {"team"}
    made = yaml.safe_load(rendered(known, AROUND))
    (power,) = (route for route in made["route"]["routes"] if 'cause =~ "power|undetermined"' in str(route))
    (territory,) = power["routes"]
    assert [(turn["receiver"], turn.get("active_time_intervals"), turn.get("mute_time_intervals")) for turn in
            territory["routes"]] == [("a", ["duty-a"], None), ("team", None, ["duty-a"])]  # fmt: skip
    (interval,) = made["time_intervals"]
    (span,) = interval["time_intervals"]
    assert (span["location"], span["times"]) == (
        "Asia/Ho_Chi_Minh",
        [{"start_time": "07:00", "end_time": "17:00"}],
    )


@asynccontextmanager
async def desks_told(known: Contacts, program: Path, folder: Path) -> AsyncIterator[tuple[str, list[str]]]:
    """The real Alertmanager under this configuration; its URL and the desks that its webhooks named."""
    told: list[str] = []

    async def webhook(request: web.Request) -> web.Response:
        told.append(request.match_info["desk"])
        return web.Response()

    app = web.Application()
    app.router.add_post("/gateway/alertmanager/{desk}", webhook)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    free = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = free.sockets[0].getsockname()[1]
    free.close()
    (folder / "word").write_text("word")
    around = Surroundings(
        timezone="Asia/Ho_Chi_Minh",
        gateways=(f"http://127.0.0.1:{runner.addresses[0][1]}",),
        credentials_file="word",
    )
    (folder / "am.yml").write_text(rendered(known, around), encoding="utf-8")
    arguments = (f"--config.file={folder / 'am.yml'}", f"--storage.path={folder / 'data'}", "--cluster.listen-address=")
    process = await asyncio.create_subprocess_exec(
        program, *arguments, f"--web.listen-address=127.0.0.1:{port}", stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield f"http://127.0.0.1:{port}", told
    finally:
        process.terminate()
        await process.wait()
        await runner.cleanup()


async def test_the_real_alertmanager_knows_who_is_on_duty(program: Callable[[str], Path], tmp_path: Path) -> None:
    """One desk works at this hour, one at all others, and one has nobody above it but the team."""
    now = datetime.now(ZONE)
    minute = now.hour * 60 + now.minute
    here = Duty(tuple(range(7)), (minute - 120) % DAY_MINUTES, (minute + 120) % DAY_MINUTES)
    away = Duty(tuple(range(7)), (minute + 120) % DAY_MINUTES, (minute - 120) % DAY_MINUTES)

    def desk(name: str, company: Company, level: int, *duty: Duty) -> Desk:
        return Desk(id=name, title=name, company=company, level=level, channels=(Channel.SMS,), phone="1", duty=duty)

    known = Contacts(
        desks={
            each.id: each
            for each in (
                desk("team", Company.TECHNICAL, 1),
                desk("vnpt", Company.TELECOM, 1, here),
                desk("vnpt-2", Company.TELECOM, 2),
                desk("power", Company.POWER, 1, away),
                desk("power-2", Company.POWER, 2),
                desk("site", Company.SITE, 1, away),
            )
        }
    )
    async with desks_told(known, program("prometheus-alertmanager"), tmp_path) as (url, told):
        labels = {"alertname": "Incident", "incident": "x", "cause": "undetermined", "severity": "critical"}
        async with aiohttp.ClientSession() as session, asyncio.timeout(30):
            while True:
                try:
                    async with session.post(f"{url}/api/v2/alerts", json=[{"labels": labels}]) as response:
                        assert response.status == 200
                        break
                except aiohttp.ClientError:
                    await asyncio.sleep(0.05)
            while len(set(told)) < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            await asyncio.sleep(2.5)  # the desk for sites gathers for two seconds
    assert set(told) == expected(known, labels, time.time()) == {"team", "vnpt", "power-2"}


async def test_a_file_that_has_changed_is_written_whole_and_read_again(tmp_path: Path) -> None:
    asked: list[str] = []
    status = {"code": 200}

    async def reload(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=status["code"], text="no such receiver")

    app = web.Application()
    app.router.add_post("/{path:.*}", reload)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url, path = f"http://127.0.0.1:{runner.addresses[0][1]}/am", tmp_path / "alertmanager.yml"
    async with aiohttp.ClientSession() as session:
        assert await publish("route: 1\n", path, [url, url], session) == []
        assert await publish("route: 1\n", path, [url], session) == []
        assert asked == ["/am/-/reload"], "once, and not where nothing has changed"
        status["code"] = 500
        (refused,) = await publish("route: 2\n", path, [url], session)
        assert "HTTP 500 no such receiver" in refused
        (away,) = await publish("route: 3\n", path, ["http://u:secret@127.0.0.1:9"], session)
        assert "secret" not in away
        (unwritable,) = await publish("x", tmp_path / "none" / "a.yml", [url], session)
        assert "cannot be written" in unwritable
    await runner.cleanup()
    assert path.read_text() == "route: 3\n"
    assert os.listdir(tmp_path) == ["alertmanager.yml"]  # noqa: PTH208 - no draft is left
    assert not write("route: 3\n", path)


@pytest.mark.parametrize(("known", "around", "why"), [
    (Contacts(), AROUND, "names no desk"),
    (contacts(1), Surroundings(timezone="UTC", gateways=(), credentials_file="w"), "no gateway"),
])  # fmt: skip
def test_what_is_missing_is_said(known: Contacts, around: Surroundings, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        rendered(known, around)


def test_a_chat_and_a_program_of_a_desk_are_told_by_alertmanager_itself() -> None:
    """Beside the gateway; a chat without a bot is an error."""
    team = Desk(
        id="team",
        title="Đội",
        company=Company.TECHNICAL,
        channels=(Channel.SMS,),
        phone="1",
        telegram=-100200,
        webhook="https://chat.example.invalid/hook",
    )
    known = Contacts(desks={"team": team})
    with pytest.raises(ValueError, match="team has a chat, but no bot writes there"):
        rendered(known, AROUND)
    made = yaml.safe_load(rendered(known, msgspec.structs.replace(AROUND, telegram_token_file="/run/bot")))  # noqa: S106
    (receiver,) = (each for each in made["receivers"] if each["name"] == "team")
    assert [hook["url"] for hook in receiver["webhook_configs"]] == [
        "http://127.0.0.1:1/gateway/alertmanager/team",
        "https://chat.example.invalid/hook",
    ]
    (chat,) = receiver["telegram_configs"]
    assert (chat["chat_id"], chat["bot_token_file"], chat["parse_mode"]) == (-100200, "/run/bot", "")
