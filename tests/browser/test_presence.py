"""The point's own page in a real browser, on a line that a test cuts and heals."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
import pytest
from playwright.async_api import Browser, Page

from monitor.core.model import CheckPolicy, Source
from monitor.web.app import PRESENCE
from probes.model import Layer

POINT = "x-14801"
PHONE, LAPTOP = (360, 740), (1280, 800)

BATTERY = """
class Battery extends EventTarget {
  charging = true; level = 0.87; dischargingTime = Infinity;
  unplug() { this.charging = false; this.dischargingTime = 5460; this.dispatchEvent(new Event("chargingchange")); }
  plug() { this.charging = true; this.dischargingTime = Infinity; this.dispatchEvent(new Event("chargingchange")); }
}
window.battery = new Battery();
navigator.getBattery = async () => window.battery;
"""
WAKE_LOCK = """
window.locks = [];
Object.defineProperty(navigator, "wakeLock", { value: { request: async () => {
  const lock = new EventTarget();
  window.locks.push(lock);
  return lock;
} } });
"""
NO_WAKE_LOCK = 'Object.defineProperty(navigator, "wakeLock", { value: undefined });'
NO_BATTERY = "navigator.getBattery = undefined;"
COUNT_TOLD = """
window.told = 0;
new MutationObserver(() => told++).observe(
  document.getElementById("status"), { childList: true, subtree: true, characterData: true });
"""
REGIONS = "[...document.querySelectorAll('[aria-live], [role=alert]')].map((node) => node.id || node.dataset.part)"


class Line:
    """A TCP line to the server that can be cut, as a cable is: nothing comes through, and nobody is told."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._carries = asyncio.Event()
        self._carries.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    def cut(self) -> None:
        """Nothing comes through any more."""
        self._carries.clear()

    def heal(self) -> None:
        """What still waits, and all that comes, goes through."""
        self._carries.set()

    def reset(self) -> None:
        """Every connection is torn down, as when the machine behind it starts anew."""
        for writer in self._writers:
            writer.transport.abort()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        await self._carries.wait()
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += [writer, back]
        for one, other in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._pump(one, other))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                await self._carries.wait()
                writer.write(data)
        writer.close()


@pytest.fixture
async def line(stage: Any, serve: Callable[..., Any]) -> AsyncIterator[tuple[Line, str]]:
    """A line to the stage that lives in real time; and where the point's page is."""
    own = [CheckPolicy(f"{POINT}/page", POINT, Layer.REACHABLE, 1.0, source=Source.PAGE)]
    policies = [check.policy for check in stage.pipeline.checks.values() if check.policy.point != POINT]
    stage.pipeline.replace(stage.pipeline.inventory, stage.pipeline.ceremony, policies + own, stage.now)
    async with serve(stage.app) as session:
        line = Line(session._base_url.port)
        server = await asyncio.start_server(line.carry, "127.0.0.1", 0)
        living = asyncio.create_task(live(stage))
        yield line, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/p/{stage.links.token(POINT)}"
        living.cancel()
        line.heal()
        line.reset()
        server.close()
        await asyncio.sleep(0.1)


async def live(stage: Any) -> None:
    """The stage's clock runs, its witness answers, and pages that are overdue are noticed."""
    began, started = stage.now, time.monotonic()
    while True:
        stage.now = began + time.monotonic() - started
        stage._observe("witness:gateway/icmp", 0.001)
        for lost in stage.pulses.overdue(stage.now):
            stage.tell(stage.pipeline.observe(lost))
        stage.tell(stage.pipeline.tick(stage.now))
        await asyncio.sleep(0.1)


@asynccontextmanager
async def opened(
    browser: Browser, url: str, size: tuple[int, int] = PHONE, theme: str = "dark", script: str = ""
) -> AsyncIterator[Page]:
    """The page, on a screen of that size."""
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if theme == "dark" else "light",
        is_mobile=size == PHONE,
        has_touch=size == PHONE,
        timezone_id="Europe/Lisbon",
    )
    await context.add_init_script(script)
    page = await context.new_page()
    page.set_default_timeout(20_000)
    await page.goto(url)
    yield page
    await context.close()


async def connected(page: Page) -> None:
    await page.wait_for_selector("html[data-pulse=connected]")
    await page.wait_for_selector("#seen:not([hidden]).u")


async def shot(page: Page, name: str, root: Any) -> None:
    folder = root / "out/screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=folder / f"presence-{name}.png")


@pytest.fixture(scope="session")
def root(pytestconfig: pytest.Config) -> Any:
    return pytestconfig.rootpath


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize(("name", "size"), [("phone", PHONE), ("laptop", LAPTOP)])
async def test_it_says_what_the_centre_sees(
    browser: Browser, line: tuple[Line, str], name: str, size: tuple[int, int], theme: str, root: Any
) -> None:
    """Connected, the centre's word with the round trip, electricity; whole on a cheap phone's screen."""
    complaints: list[str] = []
    async with opened(browser, line[1], size, theme, BATTERY + WAKE_LOCK) as page:
        page.on("console", lambda said: complaints.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.reload()
        await connected(page)
        assert await page.inner_text("#status") == "Đã kết nối với trung tâm"
        told = await page.inner_text("#seen-state")
        assert told.startswith("Điểm cầu của bạn: đã kết nối, ")
        assert told.endswith(" ms")
        assert await page.inner_text("#seen-why") in {
            f"từ 06:{minute:02}:{s:02}" for minute in (50, 51) for s in range(60)
        }
        assert await page.inner_text("#power") == "Đang cắm điện, pin 87 %"
        assert await page.inner_text("#awake") == "Màn hình được giữ sáng."
        await page.wait_for_timeout(1500)
        assert await page.inner_text("#loss") == "0 %"
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        top = await page.evaluate("document.querySelector('.checkin').getBoundingClientRect().top")
        assert top < 0.6 * size[1], "what is to be filled in is in sight"
        await shot(page, f"{name}-{theme}", root)
    assert complaints == []


async def test_it_beats_once_a_second_and_says_what_it_knows(
    browser: Browser, line: tuple[Line, str], stage: Any
) -> None:
    async with opened(browser, line[1], script=BATTERY) as page:
        await connected(page)
        before = len(stage.beats)
        await page.wait_for_timeout(5000)
        assert 4 <= len(stage.beats) - before <= 6
    point, _, beat = stage.beats[-1]
    assert point == POINT
    assert 0 < beat.rtt_s < 1
    assert beat.jitter_s < 1
    assert (beat.loss_ratio, beat.charging, beat.charge_ratio, beat.visible) == (0, True, 0.87, True)


async def test_a_page_that_is_closed_takes_leave(browser: Browser, line: tuple[Line, str], stage: Any) -> None:
    async with opened(browser, line[1]) as page:
        await connected(page)
        await page.goto("about:blank")
        async with asyncio.timeout(10):
            while not stage.left:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    assert stage.app[PRESENCE].sessions == 0


async def test_a_line_that_is_cut_shows_here_and_there_and_heals_by_itself(
    browser: Browser, line: tuple[Line, str], stage: Any, root: Any
) -> None:
    """A cable: nobody is told. The centre knows within 3 s, the page as well; both recover with the line."""
    cable, url = line
    status = stage.pipeline.points[POINT]
    async with opened(browser, url) as page:
        await connected(page)
        await page.wait_for_timeout(1000)
        cable.cut()
        before = time.monotonic()
        while status.state != "down":
            await asyncio.sleep(0.05)
            assert time.monotonic() - before < 10
        print(f"the centre knew {time.monotonic() - before:.1f} s after the cut")  # noqa: T201
        await page.wait_for_selector("html[data-pulse=again]")
        assert await page.inner_text("#status") == "Đang kết nối lại…"
        assert time.monotonic() - before < 6
        assert await page.locator("#seen").is_hidden()
        await shot(page, "again-phone-dark", root)
        await page.wait_for_selector("html[data-pulse=unanswered]")
        assert await page.inner_text("#status") == "Trung tâm không trả lời"
        await shot(page, "unanswered-phone-dark", root)
        cable.heal()
        healed = time.monotonic()
        await connected(page)
        print(f"the page was back {time.monotonic() - healed:.1f} s after the line")  # noqa: T201
        assert status.state == "up"
        assert float((await page.inner_text("#loss")).split()[0].replace(",", ".")) > 0
    assert len({session for _, session, _ in stage.beats}) == 1, "the same session on another socket"


async def test_a_server_that_starts_anew_finds_the_page_again(
    browser: Browser, line: tuple[Line, str], stage: Any
) -> None:
    """Connections torn down: back within moments."""
    cable, url = line
    async with opened(browser, url) as page:
        await connected(page)
        cable.reset()
        await page.wait_for_selector("html[data-pulse=again]")
        before = time.monotonic()
        await connected(page)
        assert time.monotonic() - before < 5


async def test_no_network_is_said_at_once(browser: Browser, line: tuple[Line, str], root: Any) -> None:
    """What the browser knows before any timeout; and it hurries when the network is back."""
    async with opened(browser, line[1]) as page:
        await connected(page)
        line[0].cut()
        await page.context.set_offline(True)
        await page.wait_for_selector("html[data-pulse=offline]")
        assert await page.inner_text("#status") == "Máy này không có mạng"
        await shot(page, "offline-phone-dark", root)
        line[0].heal()
        await page.context.set_offline(False)
        await connected(page)


async def test_a_charger_that_is_pulled_is_said_loudly(
    browser: Browser, line: tuple[Line, str], stage: Any, root: Any
) -> None:
    """To the people there and, with the next beat, to the centre."""
    async with opened(browser, line[1], theme="light", script=BATTERY + NO_WAKE_LOCK) as page:
        await connected(page)
        assert await page.locator("#power-lost").is_hidden()
        await page.evaluate("battery.unplug()")
        assert await page.inner_text("#power-lost") == "Mất nguồn điện: máy đang chạy bằng pin"
        assert await page.inner_text("#power") == "Chạy bằng pin, còn 87 %"
        assert await page.inner_text("#power-left") == "Pin còn dùng được khoảng 1 giờ 31 phút."
        assert await page.inner_text("#awake") == "Hãy tắt chế độ tự khóa màn hình."
        await shot(page, "battery-phone-light", root)
        await page.wait_for_timeout(1500)
        assert (stage.beats[-1][2].charging, stage.beats[-1][2].discharging_s) == (False, 5460)
        await page.evaluate("battery.plug()")
        await page.wait_for_selector("#power-lost", state="hidden")


async def test_a_phone_that_was_never_plugged_has_lost_nothing(
    browser: Browser, line: tuple[Line, str], stage: Any
) -> None:
    """It runs on its battery for reasons of its own."""
    async with opened(browser, line[1], script=f"{BATTERY} battery.unplug();") as page:
        await connected(page)
        assert await page.inner_text("#power") == "Chạy bằng pin, còn 87 %"
        assert await page.locator("#power-lost").is_hidden()
    assert stage.beats[-1][2].charging is False


async def test_a_browser_that_does_not_tell_of_its_battery(
    browser: Browser, line: tuple[Line, str], stage: Any
) -> None:
    """As Firefox and Safari: not known is said as not known."""
    async with opened(browser, line[1], script=NO_BATTERY) as page:
        await connected(page)
        assert await page.inner_text("#power") == "Máy không cho biết"
    assert stage.beats[-1][2].charging is None


async def test_the_screen_is_kept_awake_again_after_it_was_hidden(browser: Browser, line: tuple[Line, str]) -> None:
    """A lock that was let go is asked for again with the page in front."""
    async with opened(browser, line[1], script=WAKE_LOCK) as page:
        await connected(page)
        await page.evaluate("locks[0].dispatchEvent(new Event('release'))")
        assert await page.inner_text("#awake") == "Hãy tắt chế độ tự khóa màn hình."
        await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        await page.wait_for_function("locks.length === 2")
        assert await page.inner_text("#awake") == "Màn hình được giữ sáng."


async def test_a_revoked_link_ends_it_with_a_reason(
    browser: Browser, line: tuple[Line, str], stage: Any, root: Any
) -> None:
    """The open page says so and stops trying; loaded again, it is an error page that says where to ask."""
    async with opened(browser, line[1]) as page:
        await connected(page)
        stage.links = msgspec.structs.replace(stage.links, revoked=frozenset({POINT}))
        await page.wait_for_selector("html[data-pulse=revoked]")
        assert "xin trung tâm đường dẫn mới" in await page.inner_text("#status")
        await shot(page, "revoked-phone-dark", root)
        beats = len(stage.beats)
        await page.wait_for_timeout(2000)
        assert len(stage.beats) == beats
        await page.reload()
        assert await page.inner_text("h1") == "Đường dẫn không có hiệu lực"
        await shot(page, "error-phone-dark", root)


async def test_a_link_that_was_revoked_while_the_line_was_cut(
    browser: Browser, line: tuple[Line, str], stage: Any
) -> None:
    """The socket is refused without a reason: the page asks for itself, and finds out."""
    async with opened(browser, line[1]) as page:
        await connected(page)
        line[0].cut()
        await page.wait_for_selector("html[data-pulse=again]")
        stage.links = msgspec.structs.replace(stage.links, generation=1)
        line[0].heal()
        await page.wait_for_selector("html[data-pulse=revoked]")


async def test_a_fifth_machine_sends_the_quietest_away(browser: Browser, line: tuple[Line, str], root: Any) -> None:
    """With a reason, and a button to come back."""
    async with opened(browser, line[1]) as first:
        await connected(first)
        pages = [await first.context.new_page() for _ in range(4)]
        for page in pages:
            await page.goto(line[1])
        away = None
        async with asyncio.timeout(20):
            while away is None:
                for page in (first, *pages):
                    if await page.get_attribute("html", "data-pulse") == "crowded":
                        away = page
        assert "quá nhiều máy" in await away.inner_text("#status")
        await shot(away, "crowded-phone-dark", root)
        await next(page for page in (first, *pages) if page is not away).close()
        await away.click("#resume")
        await connected(away)


async def test_it_is_not_read_out_each_second(browser: Browser, line: tuple[Line, str]) -> None:
    """What changes with every beat stands in no live region; and there is one main heading."""
    async with opened(browser, line[1]) as page:
        await connected(page)
        assert sorted(await page.evaluate(REGIONS)) == ["power-lost", "said", "status", "wrong"]
        await page.evaluate(COUNT_TOLD)
        await page.wait_for_timeout(2500)
        assert await page.evaluate("told") == 0
        assert await page.locator("h1").count() == 1
        words = json.loads(await page.text_content("#words") or "")
        assert set(words) >= {"page_connected", "timezone"}
