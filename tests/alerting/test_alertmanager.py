"""The shell against stand-ins that behave badly; the real Alertmanager is met in tests/real."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from structlog.testing import capture_logs

from monitor.alerting.alertmanager import Alertmanagers, endpoint
from monitor.core.model import PointState

EXTERNAL = "https://monitor.example.invalid"
Answer = Callable[[], Awaitable[web.Response]]


class StandIn:
    """Answers each post with the next of ``answers`` (the last one for ever), and keeps what it was told."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.posts: list[list[dict[str, Any]]] = []

    async def take(self, request: web.Request) -> web.Response:
        """One post."""
        self.posts.append(msgspec.json.decode(await request.read()))
        return await (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])()

    def told(self) -> set[str]:
        """Point ids in all posts."""
        return {alert["labels"]["instance"] for post in self.posts for alert in post}


def answers(status: int, text: str = "") -> Answer:
    """Answer with this at once."""

    async def answer() -> web.Response:
        return web.Response(status=status, text=text, headers={"Location": "/elsewhere"} if status == 302 else None)

    return answer


async def hangs() -> web.Response:
    """Never answer."""
    await asyncio.sleep(3600)
    raise AssertionError


@asynccontextmanager
async def listening(stand_in: StandIn, prefix: str = "") -> AsyncIterator[str]:
    """The URL at which it listens."""
    app = web.Application()
    app.router.add_post(f"{prefix}/api/v2/alerts", stand_in.take)
    server = TestServer(app)
    await server.start_server(shutdown_timeout=0.1)
    try:
        yield f"http://127.0.0.1:{server.port}{prefix}"
    finally:
        await server.close()


@asynccontextmanager
async def running(alerts: Alertmanagers) -> AsyncIterator[None]:
    """The shell at work."""
    task = asyncio.create_task(alerts.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it, generously."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_post_as_the_api_wants_it(stage: Callable[[int], Any]) -> None:
    """Behind a path, with four repeats' time to live, and a link."""
    ours, there = stage(1), StandIn(answers(200))
    async with listening(there, "/prefix") as url:
        alerts = Alertmanagers([f"{url}/"], ours.pipeline, external_url=EXTERNAL, clock=lambda: ours.now)
        async with running(alerts):
            alerts.notice(ours.turn("p0", PointState.DOWN))
            await until(lambda: alerts.deliveries[0].posted == 1)
    (post,) = there.posts
    (alert,) = alerts.firing.values()
    assert post == [
        {
            "labels": alert.labels,
            "annotations": alert.annotations,
            "startsAt": "2025-05-08T00:12:03.000+00:00",
            "endsAt": "2025-05-08T00:14:03.000+00:00",
            "generatorURL": f"{EXTERNAL}/points/p0",
        }
    ]
    assert alerts.deliveries[0].last_success_at == ours.now


async def test_a_thousand_changes_go_in_few_requests(stage: Callable[[int], Any]) -> None:
    """Changes of the same moment travel together, in requests of bounded size."""
    ours, there = stage(1200), StandIn(answers(200))
    async with listening(there) as url:
        alerts = Alertmanagers([url], ours.pipeline, external_url=EXTERNAL)
        async with running(alerts):
            for i in range(1200):
                alerts.notice(ours.turn(f"p{i}", PointState.DOWN))
            await until(lambda: len(there.told()) == 1200)
    assert [len(post) for post in there.posts] == [500, 500, 200]


async def test_a_payload_that_is_refused_for_good_is_counted_and_does_not_spin(stage: Callable[[int], Any]) -> None:
    """It is logged with what the other side said, dropped until the next repeat, and others go on."""
    ours, there = stage(2), StandIn(answers(400, "bad label"), answers(200))
    async with listening(there) as url:
        alerts = Alertmanagers([url], ours.pipeline, external_url=EXTERNAL)
        async with running(alerts):
            with capture_logs() as logs:
                alerts.notice(ours.turn("p0", PointState.DOWN))
                await until(lambda: alerts.deliveries[0].refused == 1)
            alerts.notice(ours.turn("p1", PointState.DOWN))
            await until(lambda: alerts.deliveries[0].posted == 1)
    assert [len(post) for post in there.posts] == [1, 1]
    assert [(line["event"], line.get("told")) for line in logs] == [("alertmanager.refused", "bad label")]


@pytest.mark.parametrize("status", [302, 401, 404, 429, 500, 503])
async def test_what_may_pass_is_tried_again_and_said_once(stage: Callable[[int], Any], status: int) -> None:
    """Every alert arrives in the end; the log has a line when it begins and a line when it is over."""
    ours, there = stage(1), StandIn(answers(status), answers(status), answers(200))
    async with listening(there) as url:
        alerts = Alertmanagers([url], ours.pipeline, external_url=EXTERNAL)
        with capture_logs() as logs:
            async with running(alerts):
                alerts.notice(ours.turn("p0", PointState.DOWN))
                await until(lambda: alerts.deliveries[0].posted > 0)
    assert [line["event"] for line in logs] == ["alertmanager.unreachable", "alertmanager.reachable"]
    assert (alerts.deliveries[0].failed, alerts.deliveries[0].reachable) == (2, True)


async def test_one_that_hangs_and_one_that_is_dead_delay_nobody(stage: Callable[[int], Any]) -> None:
    """Each has a task of its own; what they miss is owed to them."""
    ours, slow, good = stage(50), StandIn(hangs), StandIn(answers(200))
    async with listening(slow) as slow_url, listening(good) as good_url:
        urls = [slow_url, "http://127.0.0.1:9", good_url]
        alerts = Alertmanagers(urls, ours.pipeline, external_url=EXTERNAL, timeout_s=60.0)
        task = asyncio.create_task(alerts.run())
        for i in range(50):
            alerts.notice(ours.turn(f"p{i}", PointState.DOWN))
            await until(lambda wanted=i + 1: len(good.told()) == wanted)  # type: ignore[misc]
        await until(lambda: alerts.deliveries[1].failed > 0)
        assert [delivery.pending for delivery in alerts.deliveries] == [50, 50, 0]
        assert [delivery.reachable for delivery in alerts.deliveries] == [True, False, True]
        alerts._timeout_s = 0.1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_is_pending_is_posted_when_the_service_stops(stage: Callable[[int], Any]) -> None:
    """A change in the last instant is told before the end; one that cannot be told does not hold it up."""
    ours, there, slow = stage(1), StandIn(answers(200)), StandIn(hangs)
    async with listening(there) as url, listening(slow) as slow_url:
        alerts = Alertmanagers([slow_url, url], ours.pipeline, external_url=EXTERNAL, timeout_s=0.3)
        async with running(alerts):
            await asyncio.sleep(0.1)
            alerts.notice(ours.turn("p0", PointState.DOWN))
        assert there.told() == {"p0"}


async def test_without_an_alertmanager_alerts_are_kept_and_logged(stage: Callable[[int], Any]) -> None:
    """One line each, and the mapping that the board shows."""
    ours = stage(1)
    alerts = Alertmanagers([], ours.pipeline, external_url=EXTERNAL)
    with capture_logs() as logs:
        async with running(alerts):
            alerts.notice(ours.turn("p0", PointState.DOWN))
            assert [alert.labels["instance"] for alert in alerts.firing.values()] == ["p0"]
            alerts.notice(ours.turn("p0", PointState.UP))
    assert not alerts.firing
    assert [line["event"] for line in logs] == ["alert.firing", "alert.resolved"]
    assert logs[0]["summary"] == "Mất kết nối: Xã Xuân Lộc (Triệu Sơn) từ 07:12:03"


async def test_a_defect_is_logged_and_mended(stage: Callable[[int], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """What ``notice`` could not take in is found by the next comparison with the pipeline."""
    ours, there = stage(1), StandIn(answers(200))
    async with listening(there) as url:
        alerts = Alertmanagers([url], ours.pipeline, external_url=EXTERNAL, resend_s=0.2)
        with monkeypatch.context() as broken, capture_logs() as logs:
            broken.setattr(alerts._ledger, "fold", None)
            alerts.notice(ours.turn("p0", PointState.DOWN))
        async with running(alerts):
            await until(lambda: there.told() == {"p0"})
    assert [line["event"] for line in logs] == ["alerting.defect"]


async def test_what_fires_and_what_ended_is_repeated(stage: Callable[[int], Any]) -> None:
    """One that was restarted learns both."""
    ours, there = stage(2), StandIn(answers(200))
    async with listening(there) as url:
        alerts = Alertmanagers([url], ours.pipeline, external_url=EXTERNAL, resend_s=0.2, clock=lambda: ours.now)
        async with running(alerts):
            for point, state in (("p0", PointState.DOWN), ("p1", PointState.DOWN), ("p1", PointState.UP)):
                ours.now += 1
                alerts.notice(ours.turn(point, state))
            await until(lambda: any(len(post) == 2 for post in there.posts))
            there.posts.clear()
            await until(lambda: len(there.posts) >= 3)
    ends = {alert["labels"]["instance"]: alert["endsAt"] for alert in there.posts[-1]}
    assert ends == {"p0": "2025-05-08T00:12:06.800+00:00", "p1": "2025-05-08T00:12:06.000+00:00"}


@pytest.mark.parametrize("url", ["localhost:9093", "ftp://host", "http://", "", "http:///path"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    """Whoever starts the service reads what is wanted."""
    with pytest.raises(ValueError, match="Alertmanager"):
        endpoint(url)


def test_a_password_in_the_url_is_not_shown(stage: Callable[[int], Any]) -> None:
    """Neither in the log nor in a metric."""
    urls = ["https://user:secret@alerts.example.invalid/am"]
    alerts = Alertmanagers(urls, stage(1).pipeline, external_url=EXTERNAL)
    assert alerts.deliveries[0].url == "https://alerts.example.invalid/am"
