"""A headless Chromium, and the stage of the web tests served to it."""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, Route, async_playwright

ROOT = Path(__file__).parents[2]
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SIZES = {"wall": (1920, 1080), "desk": (1280, 800), "phone": (390, 844)}


def _load_stage() -> ModuleType:
    """The web tests' conftest: test folders are not packages, so it is read by its path."""
    spec = spec_from_file_location("stage_of_web_tests", ROOT / "tests/web/conftest.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


STAGE = _load_stage()


class Screen:
    """A page of the board, and what it must never do."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.origin = origin
        self.complaints: list[str] = []
        self.strangers: list[str] = []
        page.on(
            "console", lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    async def guard(self, route: Route) -> None:
        """Let requests to our own origin through, and remember all others."""
        if route.request.url.startswith(self.origin):
            await route.fallback()
        else:
            self.strangers.append(route.request.url)
            await route.abort()

    async def text(self, selector: str) -> str:
        """The text of one element."""
        return (await self.page.locator(selector).inner_text()).strip()

    async def shot(self, name: str) -> None:
        """A picture in out/screenshots/, for people to look at."""
        folder = ROOT / "out/screenshots"
        folder.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=folder / f"{name}.png")


@pytest.fixture(scope="session")
def big_province() -> Any:
    """Five thousand points in 26 districts."""
    return STAGE.province(5000)


@pytest.fixture
def stage(big_province: Any) -> Any:
    """All of them up and ready."""
    stage = STAGE.Stage(big_province)
    stage.up()
    stage.wait(125)
    return stage


@pytest.fixture(scope="session")
def serve() -> Callable[..., Any]:
    """``serve(stage.app)``: over loopback, as the web tests have it."""
    return STAGE.served  # type: ignore[no-any-return]


@pytest.fixture
async def browser(program: Callable[[str], Path]) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=program("chromium"), args=list(FLAGS))
        yield chromium
        await chromium.close()


@pytest.fixture
async def screen_of(browser: Browser, stage: Any) -> AsyncIterator[Callable[..., AbstractAsyncContextManager[Screen]]]:
    """``screen_of("phone", "light")``: the stage, served, on a screen of that size; fails if the page misbehaves."""
    async with STAGE.served(stage.app) as session:
        origin = str(session._base_url).rstrip("/")
        cookies = list(stage.app[STAGE.COOKIES].items())

        @asynccontextmanager
        async def show(size: str = "wall", theme: str = "dark", path: str = "/") -> AsyncIterator[Screen]:
            context = await _context(browser, size, theme)
            await context.add_cookies([{"name": name, "value": value, "url": origin} for name, value in cookies])
            screen = Screen(await context.new_page(), origin)
            await context.route("**/*", screen.guard)
            await screen.page.goto(origin + path)
            if path == "/":
                await screen.page.wait_for_selector("html[data-link=live]")
            yield screen
            await context.close()
            assert screen.strangers == []
            assert screen.complaints == []

        yield show


async def _context(browser: Browser, size: str, theme: str) -> BrowserContext:
    width, height = SIZES[size]
    return await browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if theme == "dark" else "light",
        has_touch=size == "phone",
        is_mobile=size == "phone",
    )
