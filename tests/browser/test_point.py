"""The page of one point in a real browser."""

import time
from collections.abc import Callable
from typing import Any

from probes.model import Failure, Measurement, Observation

Show = Callable[..., Any]


def an_hour(stage: Any, check: str) -> None:
    """An hour of answers each five seconds, a little slower for a while, unseen for a while."""
    stage.wait(7200)
    for step in range(720):
        stage.wait(5)
        if 300 < step < 340:
            continue
        lost = step % 50 == 0 or 600 < step < 602
        found = Measurement(not lost, 0.012 + 0.004 * (step % 7) / 7 + 0.01 * (step // 90 == 2), _why(lost=lost))
        stage.pipeline.observe(Observation(check, stage.now, "test", found))


def _why(*, lost: bool) -> Failure | None:
    return Failure.TIMEOUT if lost else None


async def test_the_last_hour_is_drawn(screen_of: Show, stage: Any) -> None:
    """Round trips with a gap where nothing was probed, losses below, hours on the axis; on every screen."""
    an_hour(stage, "x-14801/icmp")
    for size, theme in (("desk", "dark"), ("desk", "light"), ("phone", "light")):
        async with screen_of(size, theme, path="/points/x-14801") as screen:
            page = screen.page
            chart = page.locator(".chart").first
            assert await chart.locator("path.rtt").count() >= 2
            assert await chart.locator("rect.loss").count() >= 10
            assert await chart.locator("rect.gap").count() >= 1
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            await screen.shot(f"point-{size}-{theme}")


async def test_it_keeps_itself_fresh(screen_of: Show, stage: Any) -> None:
    """What happens to the point shows without a reload; a server that is gone shows as well."""
    async with screen_of("desk", path="/points/tinh-uy") as screen:
        assert await screen.text("header .verdict b") == "Kết nối tốt"
        stage.down(["tinh-uy"])
        before = time.monotonic()
        await screen.page.wait_for_selector("header .verdict.d", timeout=20_000)
        assert time.monotonic() - before < 20
        await screen.page.route("**/points/*", lambda route: route.abort())
        await screen.page.wait_for_selector("#stale:not([hidden])", timeout=20_000)
        screen.complaints.clear()
