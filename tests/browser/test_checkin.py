"""Reporting in a real browser: filled in, sent, kept in the page while nothing answers, sent once it can be."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Locator, Page, Route, expect

from monitor.core.checkin import Author, Draft, Voice
from monitor.core.model import Mode

POINT = "x-14801"
DISTRICT = "district:381"
WAITS_MS = 20_000
PHONE, LAPTOP = (360, 740), (1280, 800)
REFUSED = """
Object.defineProperty(window, "localStorage", { get() { throw new DOMException("refused", "SecurityError"); } });
Object.defineProperty(window, "indexedDB", { get() { throw new DOMException("refused", "SecurityError"); } });
"""
FITS = "document.documentElement.scrollWidth <= innerWidth"


@pytest.fixture
def big_province() -> Any:
    """A small one does here."""
    return sys.modules["stage_of_web_tests"].province(400, districts=6)


@pytest.fixture
async def origin(stage: Any, serve: Callable[..., Any]) -> AsyncIterator[str]:
    """Where the stage is served."""
    async with serve(stage.app) as session:
        yield str(session._base_url).rstrip("/")


@pytest.fixture
def link(stage: Any, origin: str) -> str:
    """The point's own."""
    return f"{origin}/p/{stage.links.token(POINT)}"


@pytest.fixture
def desk(stage: Any, origin: str) -> str:
    """Its coordinator's."""
    return f"{origin}/c/{stage.links.coordinator_token(DISTRICT)}"


@pytest.fixture
async def phone(browser: Browser) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context(
        viewport={"width": PHONE[0], "height": PHONE[1]}, has_touch=True, is_mobile=True, timezone_id="Europe/Lisbon"
    )
    yield context
    await context.close()


@asynccontextmanager
async def opened(browser: Browser, url: str, size: tuple[int, int], theme: str) -> AsyncIterator[Page]:
    """A page that must not complain."""
    complaints: list[str] = []
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if theme == "dark" else "light",
        is_mobile=size == PHONE,
        has_touch=size == PHONE,
    )
    page = await context.new_page()
    page.on("console", lambda said: complaints.append(said.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(url)
    yield page
    await context.close()
    assert complaints == []


async def fill(page: Page, delegates: str = "42") -> None:
    await page.get_by_label("Đã có hình").check()
    await page.get_by_label("Đã có tiếng").check()
    await page.locator("[name=delegates]").fill(delegates)
    await page.get_by_label("Tổng số người tham dự").fill("60")
    await page.get_by_label("Chủ trì tại điểm cầu").fill("Bí thư Đảng ủy")
    await page.get_by_label("máy phát điện").check()
    await page.get_by_label("Ghi chú").fill("Dùng máy\u00a0phát\ttừ 6 giờ\u200b")
    await page.get_by_role("button", name="Gửi báo cáo").click()


def said(page: Page) -> Locator:
    return page.locator("[data-part=said]")


async def shot(page: Page, name: str, root: Any) -> None:
    folder = root / "out/screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=folder / f"checkin-{name}.png", full_page=True)


@pytest.fixture(scope="session")
def root(pytestconfig: pytest.Config) -> Any:
    return pytestconfig.rootpath


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize(("name", "size"), [("phone", PHONE), ("laptop", LAPTOP)])
async def test_a_report_is_sent_and_there_again_after_a_reload(
    browser: Browser, link: str, stage: Any, name: str, size: tuple[int, int], theme: str, root: Any
) -> None:
    async with opened(browser, link, size, theme) as page:
        await expect(said(page)).to_have_text("Chưa báo cáo")
        await fill(page)
        await expect(said(page)).to_have_text("Đã ghi nhận lúc 06:50:53 · điểm cầu báo", timeout=WAITS_MS)
        assert await page.evaluate(FITS)
        await shot(page, f"{name}-{theme}", root)
        await page.reload()
        await expect(page.locator("[name=delegates]")).to_have_value("42")
        await expect(page.get_by_label("máy phát điện")).to_be_checked()
        await page.locator("[name=delegates]").fill("43")
        await expect(said(page)).to_contain_text("có thay đổi chưa gửi")
    report = stage.pipeline.tally.report_of(POINT)
    assert (report.picture, report.sound, report.delegates, report.attendees) == (True, True, 42, 60)
    assert (report.chair, report.power) == ("Bí thư Đảng ủy", "generator")
    assert report.note == "Dùng máy phát từ 6 giờ", "what was pasted and cannot be seen is left out"
    assert report.author == Author(Voice.POINT, POINT)


async def test_it_is_done_by_keyboard_alone(browser: Browser, link: str, stage: Any) -> None:
    async with opened(browser, link, LAPTOP, "light") as page:
        await expect(said(page)).to_have_text("Chưa báo cáo")
        for key in ("Tab", "Space", "Tab", "Space", "Tab"):
            await page.keyboard.press(key)
        await page.keyboard.type("1.018")
        await page.keyboard.press("Tab")
        await page.keyboard.type("1100")
        await page.keyboard.press("Enter")
        await expect(said(page)).to_contain_text("Đã ghi nhận lúc", timeout=WAITS_MS)
    report = stage.pipeline.tally.report_of(POINT)
    assert (report.picture, report.sound, report.delegates, report.attendees) == (True, True, 1018, 1100)
    assert report.power is None


@pytest.mark.parametrize(
    ("delegates", "field"), [("61", "attendees"), ("-1", "delegates"), ("12,5", "delegates"), ("20001", "delegates")]
)
async def test_what_cannot_be_right_is_not_sent(
    browser: Browser, link: str, stage: Any, delegates: str, field: str, root: Any
) -> None:
    async with opened(browser, link, PHONE, "dark") as page:
        await fill(page, delegates)
        wrong = page.locator(f"[name={field}]")
        await expect(page.locator("[data-part=wrong]")).to_contain_text("phải là số nguyên")
        await expect(wrong).to_be_focused()
        await expect(wrong).to_have_attribute("aria-invalid", "")
        await shot(page, "wrong-phone-dark", root)
        assert stage.records.check_ins == []
        await page.locator("[name=delegates]").fill("1")
        await page.get_by_role("button", name="Gửi báo cáo").click()
        await expect(said(page)).to_contain_text("Đã ghi nhận lúc", timeout=WAITS_MS)
        await expect(page.locator("[data-part=wrong]")).to_be_hidden()


async def test_after_the_deadline_it_says_late(browser: Browser, link: str, stage: Any) -> None:
    stage.now = stage.pipeline.ceremony.report_at + 60
    async with opened(browser, link, PHONE, "dark") as page:
        await expect(page.get_by_text("Đã quá hạn báo cáo 07:30")).to_be_visible()
        await fill(page)
        await expect(said(page)).to_have_text("Đã ghi nhận lúc 07:31:00 · muộn · điểm cầu báo", timeout=WAITS_MS)


async def test_without_a_line_it_waits_and_survives_a_reload_and_a_closed_tab(
    phone: BrowserContext, link: str, stage: Any, root: Any
) -> None:
    """Two reports: sent by themselves, in order, each once, as old as they are."""
    page = await phone.new_page()
    await page.goto(link)
    await expect(said(page)).to_have_text("Chưa báo cáo")
    await phone.route("**/check-in", lambda route: route.abort())
    await fill(page, "40")
    await expect(said(page)).to_contain_text("Chờ gửi (1): trang giữ lại", timeout=WAITS_MS)
    await fill(page, "41")
    await expect(said(page)).to_contain_text("Chờ gửi (2)", timeout=WAITS_MS)
    await shot(page, "waiting-phone-light", root)
    await page.reload()
    await expect(said(page)).to_contain_text("Chờ gửi (2)", timeout=WAITS_MS)
    await expect(page.locator("[name=delegates]")).to_have_value("41")
    await page.close()
    assert stage.records.check_ins == []
    await asyncio.sleep(1)
    await phone.unroute("**/check-in")
    page = await phone.new_page()
    await page.goto(link)
    await expect(said(page)).to_contain_text("Đã ghi nhận lúc", timeout=WAITS_MS)
    first, second = stage.records.check_ins
    assert (first.delegates, second.delegates) == (40, 41)
    assert first.entered_at <= second.entered_at
    assert 1 < first.received_at - first.entered_at < 60
    assert stage.pipeline.tally.report_of(POINT).delegates == 41
    assert await page.evaluate("localStorage.length") == 0


async def test_an_answer_that_is_lost_makes_no_second_report(phone: BrowserContext, link: str, stage: Any) -> None:
    """The centre has it, the page does not know: it is sent again and known by its entry."""
    page = await phone.new_page()
    lost = 0

    async def lose(route: Route) -> None:
        nonlocal lost
        if route.request.method == "POST" and lost < 2:
            await route.fetch()
            lost += 1
            await route.abort()
        else:
            await route.fallback()

    await phone.route("**/check-in", lose)
    await page.goto(link)
    await fill(page)
    await expect(said(page)).to_contain_text("Đã ghi nhận lúc", timeout=WAITS_MS)
    assert lost == 2
    assert len(stage.records.check_ins) == 1


async def test_a_portal_that_answers_for_us_is_not_believed(phone: BrowserContext, link: str, stage: Any) -> None:
    """As in a hotel: 200, and a page of its own."""
    page = await phone.new_page()
    await page.goto(link)
    await expect(said(page)).to_have_text("Chưa báo cáo")
    await phone.route("**/check-in", lambda route: route.fulfill(body="<h1>Welcome</h1>", content_type="text/html"))
    await fill(page)
    await expect(said(page)).to_contain_text("Chờ gửi (1)", timeout=WAITS_MS)
    await phone.unroute("**/check-in")
    await expect(said(page)).to_contain_text("Đã ghi nhận lúc", timeout=WAITS_MS)
    assert len(stage.records.check_ins) == 1


async def test_a_store_that_fails_is_asked_again_until_it_keeps(phone: BrowserContext, link: str, stage: Any) -> None:
    stage.records.failing = True
    page = await phone.new_page()
    await page.goto(link)
    await fill(page)
    await expect(said(page)).to_contain_text("Chờ gửi", timeout=WAITS_MS)
    stage.records.failing = False
    await expect(said(page)).to_contain_text("Đã ghi nhận", timeout=WAITS_MS)
    assert len(stage.records.check_ins) == 1


async def test_a_browser_that_keeps_nothing_still_reports(phone: BrowserContext, link: str, stage: Any) -> None:
    """Storage is refused: the page itself keeps it, and says not to close it."""
    page = await phone.new_page()
    await page.add_init_script(REFUSED)
    await page.goto(link)
    await expect(said(page)).to_have_text("Chưa báo cáo")
    await phone.route("**/check-in", lambda route: route.abort())
    await fill(page)
    await expect(said(page)).to_contain_text("đừng đóng trang này", timeout=WAITS_MS)
    await phone.unroute("**/check-in")
    await expect(said(page)).to_contain_text("Đã ghi nhận lúc", timeout=WAITS_MS)
    assert stage.pipeline.tally.report_of(POINT).delegates == 42


async def test_what_somebody_else_reported_later_is_not_undone(phone: BrowserContext, link: str, stage: Any) -> None:
    """It waited here while the coordinator reported: kept, and said not to count."""
    page = await phone.new_page()
    await page.goto(link)
    await expect(said(page)).to_have_text("Chưa báo cáo")
    await phone.route("**/check-in", lambda route: route.abort())
    await fill(page)
    await expect(said(page)).to_contain_text("Chờ gửi (1)", timeout=WAITS_MS)
    draft = Draft(entry="of-the-coordinator", delegates=55)
    await asyncio.sleep(0.5)
    await stage.check_in([(POINT, draft)], Author(Voice.COORDINATOR, DISTRICT), None)
    await phone.unroute("**/check-in")
    await expect(said(page)).to_contain_text("đang tính báo cáo được nhập sau đó", timeout=WAITS_MS)
    await expect(said(page)).to_contain_text("điều phối báo thay (Huyện Số 2)")
    await expect(page.locator("[name=delegates]")).to_have_value("55")
    assert len(stage.records.check_ins) == 2


async def test_what_the_centre_refuses_stands_in_the_form_again(phone: BrowserContext, link: str, stage: Any) -> None:
    page = await phone.new_page()
    await page.goto(link)
    await expect(said(page)).to_have_text("Chưa báo cáo")
    answer = {"status": 422, "json": {"error": "Ghi chú có ký tự lạ.", "field": "note"}}
    await phone.route("**/check-in", lambda route: route.fulfill(**answer))
    await fill(page)
    await expect(page.locator("[data-part=wrong]")).to_have_text("Ghi chú có ký tự lạ.", timeout=WAITS_MS)
    await expect(page.get_by_label("Ghi chú")).to_be_focused()
    await expect(page.locator("[name=delegates]")).to_have_value("42")
    assert await page.evaluate("localStorage.length") == 0


async def test_a_link_that_was_rotated_keeps_what_waits_for_the_next_one(
    phone: BrowserContext, link: str, origin: str, stage: Any
) -> None:
    page = await phone.new_page()
    await page.goto(link)
    await expect(said(page)).to_have_text("Chưa báo cáo")
    await phone.route("**/check-in", lambda route: route.abort())
    await fill(page)
    await expect(said(page)).to_contain_text("Chờ gửi (1)", timeout=WAITS_MS)
    stage.links = type(stage.links)(stage.links.secret, generations={POINT: 1})
    await phone.unroute("**/check-in")
    await page.wait_for_selector("html[data-pulse=revoked]")
    await page.wait_for_timeout(1500)
    assert stage.records.check_ins == []
    await page.goto(f"{origin}/p/{stage.links.token(POINT)}")
    await expect(said(page)).to_contain_text("Đã ghi nhận lúc", timeout=WAITS_MS)
    assert len(stage.records.check_ins) == 1


async def test_a_point_that_is_merged_has_no_form(browser: Browser, origin: str, stage: Any) -> None:
    point = next(each for each in stage.pipeline.inventory.points.values() if each.mode is Mode.MERGED)
    async with opened(browser, f"{origin}/p/{stage.links.token(point.id)}", PHONE, "dark") as page:
        await page.wait_for_selector("html[data-pulse=connected]")
        await expect(page.get_by_text("số liệu được báo tại đó")).to_be_visible()
        assert await page.locator("form").count() == 0


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize(("name", "size"), [("phone", PHONE), ("laptop", LAPTOP)])
async def test_a_coordinator_finds_a_point_and_reports_for_it(
    browser: Browser, desk: str, stage: Any, name: str, size: tuple[int, int], theme: str, root: Any
) -> None:
    async with opened(browser, desk, size, theme) as page:
        await shot(page, f"coordinator-{name}-{theme}", root)
        await page.get_by_placeholder("Tìm điểm cầu").fill("XA 2")
        shown = page.locator("#points li:visible").first
        await expect(shown.locator(".name")).to_have_text("Xã 2")
        await shown.locator("summary").focus()
        await page.keyboard.press("Enter")
        await expect(said(page)).to_have_text("Chưa báo cáo")
        await fill(page)
        await expect(said(page)).to_contain_text("điều phối báo thay (Huyện Số 2)", timeout=WAITS_MS)
        await expect(shown.locator(".people")).to_have_text("42 / 60", timeout=WAITS_MS)
        await expect(page.locator("#delegates")).to_have_text("42")
        assert await page.evaluate(FITS)
        await shot(page, f"coordinator-form-{name}-{theme}", root)
        await page.get_by_placeholder("Tìm điểm cầu").fill("khong co")
        await expect(page.get_by_text("Không có điểm cầu nào như vậy.")).to_be_visible()
    assert stage.pipeline.tally.report_of(POINT).author == Author(Voice.COORDINATOR, DISTRICT)


async def test_what_waits_at_the_desk_is_seen_and_sent_without_its_form(
    phone: BrowserContext, desk: str, stage: Any
) -> None:
    """After a reload no form is open, and it is sent all the same."""
    page = await phone.new_page()
    await page.goto(desk)
    await page.get_by_placeholder("Tìm điểm cầu").fill(POINT)
    row = page.locator("#points li:visible")
    await row.locator("summary").click()
    await expect(said(page)).to_have_text("Chưa báo cáo")
    await phone.route("**/check-ins/*", lambda route: route.abort())
    await fill(page)
    await expect(said(page)).to_contain_text("Chờ gửi (1)", timeout=WAITS_MS)
    await page.reload()
    await page.get_by_placeholder("Tìm điểm cầu").fill(POINT)
    await expect(row.locator(".why")).to_contain_text("Chờ gửi (1)")
    await phone.unroute("**/check-ins/*")
    await expect(row.locator(".people")).to_have_text("42 / 60", timeout=WAITS_MS)
    assert len(stage.records.check_ins) == 1


async def test_the_desk_sees_what_points_report_and_keeps_an_open_form_current(
    phone: BrowserContext, desk: str, stage: Any
) -> None:
    page = await phone.new_page()
    await page.goto(desk)
    await page.get_by_placeholder("Tìm điểm cầu").fill(POINT)
    row = page.locator("#points li:visible")
    await row.locator("summary").click()
    await expect(said(page)).to_have_text("Chưa báo cáo")
    await stage.check_in([(POINT, Draft(entry="of-the-point", delegates=17))], Author(Voice.POINT, POINT), None)
    await expect(row.locator(".people")).to_have_text("17 / –", timeout=WAITS_MS)
    await expect(page.locator("[name=delegates]")).to_have_value("17")
    await expect(said(page)).to_contain_text("điểm cầu báo")
