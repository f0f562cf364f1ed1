"""The technicians who report, against a server that keeps, hesitates and refuses."""

import asyncio
from collections import Counter
from random import Random

import pytest
from aiohttp import web

from monitor.core.checkin import Author, CheckIn, Draft, Voice, receive
from monitor.core.model import Inventory, Mode, Point, Tier
from monitor.rehearsal.reporting import LATE, NEVER, UNCOUNTED, Report, Technicians, plan
from monitor.web.links import Links

LINKS = Links(b"x" * 32)


def inventory(points: int) -> Inventory:
    modes = [Mode.WATCH, Mode.TWO_WAY, Mode.MERGED, Mode.NO_COVERAGE]
    made = [Point(id=f"p-{n}", name="x", tier=list(Tier)[n % 5], mode=modes[n % 4]) for n in range(points)]
    return Inventory({point.id: point for point in made}, {}, {}, {})


def test_nearly_all_who_take_part_report_in_time() -> None:
    reports = plan(inventory(8000), 100.0, Random(1))
    assert [each.at_s for each in reports] == sorted(each.at_s for each in reports)
    assert all(int(each.point[2:]) % 4 < 2 for each in reports)
    assert len(reports) / 4000 == pytest.approx(1 - NEVER, abs=0.01)
    assert sum(each.at_s > 89 for each in reports) / 4000 == pytest.approx(LATE, abs=0.01)
    assert sum(each.draft.delegates is None for each in reports) / 4000 == pytest.approx(UNCOUNTED, abs=0.01)
    assert len({each.draft.entry for each in reports}) == len(reports)


def report(name: str, delegates: int) -> Report:
    return Report(name, 0.0, Draft(entry=f"entry-{name}", delegates=delegates))


async def test_a_report_is_sent_until_it_is_answered_and_what_was_not_kept_is_told() -> None:
    """The first attempt of each is not answered with a yes; one point is refused for good, another forgotten."""
    asked: Counter[str] = Counter()
    kept: dict[str, CheckIn] = {}

    async def take(request: web.Request) -> web.Response:
        point = LINKS.point_of(request.match_info["token"]) or ""
        asked[point] += 1
        if asked[point] == 1:
            return web.Response(status=503)
        if point == "refused":
            return web.Response(status=409)
        said = await request.json()
        if point != "forgotten":
            draft = Draft(entry=said["entry"], delegates=said["delegates"])
            kept[point] = receive(draft, point, Author(Voice.POINT, point), 1.0, 2.0)
        return web.Response()

    app = web.Application()
    app.router.add_post("/p/{token}/check-in", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    reports = [report("kept", 10), report("refused", 20), report("forgotten", 30)]
    technicians = Technicians(f"http://{host}:{port}", LINKS, reports)
    async with asyncio.timeout(20):
        await technicians.run()
    await runner.cleanup()
    found = technicians.outcome(kept)
    assert (found.sent, found.delegates, found.refused, found.lost) == (2, 40, 1, 1)
    assert asked == {"kept": 2, "refused": 2, "forgotten": 2}
