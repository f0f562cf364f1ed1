"""Incidents in a real browser: what lights up, by mouse, key and finger; the pages behind the list."""

from collections.abc import Callable
from typing import Any

import pytest

from monitor.core.attribution import Fact, FactKind, RunnerUp
from monitor.core.model import Certainty, Tree

Show = Callable[..., Any]

LIT = "[...document.querySelectorAll('.cell[data-lit]')].map((cell) => Number(cell.dataset.n))"
PRESSED = "#incidents-rows [aria-pressed=true]"
CHANCE = {"certainty": Certainty.PROBABLE, "probability": 0.8, "owner_probability": 0.829}


def ids_of(stage: Any, district: str) -> list[str]:
    points = stage.pipeline.inventory.points.values()
    return [point.id for point in points if point.district_code == district and point.expected]


def storm(stage: Any, incidents: int) -> None:
    """So many incidents over the districts, every third one doubtful or probable; some sites at last."""
    runner_up = RunnerUp("feeder-1", Tree.POWER, "Điện lực Thọ Xuân", 0.18)
    for number, code in enumerate(list(stage.pipeline.inventory.districts)[: max(1, incidents - 4)]):
        known = [{}, {**CHANCE, "runner_up": runner_up}, {"certainty": Certainty.UNDETERMINED, "runner_up": runner_up}]
        evidence = (Fact(FactKind.DOWN, 38, of=40, nats=160.0, ids=("tinh-uy",)), Fact(FactKind.SURVIVOR, 2, nats=-9.0))
        points = ids_of(stage, code)
        stage.blame(Tree.NETWORK, f"Nút gom huyện số {code}", points, evidence=evidence, **known[number % 3])
    for number in range(max(0, incidents - len(stage.pipeline.incidents.ongoing))):
        stage.blame(Tree.SITE, f"cq-{number:02}", [f"cq-{number:02}"])


@pytest.mark.parametrize("incidents", [1, 8, 30])
@pytest.mark.parametrize("size", ["wall", "desk", "phone"])
async def test_the_list_is_legible_on_every_screen(screen_of: Show, stage: Any, size: str, incidents: int) -> None:
    """Nothing runs out sideways; the list stands above the list of lost points or beside it, and is bounded."""
    storm(stage, incidents)
    for theme in ("dark", "light"):
        async with screen_of(size, theme) as screen:
            page = screen.page
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            listed, down = await page.locator("#incidents").bounding_box(), await page.locator("#down").bounding_box()
            assert listed["y"] < down["y"]
            assert await page.locator("#incidents-rows > li").count() == min(incidents, 12)
            assert await screen.text("#incidents-total") == str(incidents)
            if size == "wall":
                assert await page.evaluate("document.getElementById('incidents').scrollHeight <= "
                                           "document.getElementById('incidents').clientHeight + 1")  # fmt: skip
            await screen.shot(f"incidents-{incidents}-{size}-{theme}")


async def test_an_incident_lights_its_points_by_mouse_key_and_click(screen_of: Show, stage: Any) -> None:
    """While it is looked at; for good once chosen; Escape undoes; the state is told to those who do not see."""
    stage.blame(Tree.NETWORK, "loi", ids_of(stage, "384"))
    stage.blame(Tree.SITE, "tinh-uy", ["tinh-uy"])
    async with screen_of() as screen:
        page = screen.page
        first, second = page.locator("#incidents-rows button").nth(0), page.locator("#incidents-rows button").nth(1)
        assert await page.evaluate(LIT) == []
        await second.hover()
        assert await page.evaluate(LIT) == [0]
        await page.locator("#clock").hover()
        assert await page.evaluate(LIT) == []
        await first.click()
        await page.locator("#clock").hover()
        lit = await page.evaluate(LIT)
        assert len(lit) == len(ids_of(stage, "384"))
        assert await page.locator("#tile-384[data-lit]").count() == 1
        assert await page.locator(".tile[data-lit]").count() == 1
        assert await first.get_attribute("aria-pressed") == "true"
        await page.keyboard.press("Escape")
        assert await page.evaluate(LIT) == []
        assert await page.locator(PRESSED).count() == 0
        await page.focus("#incidents")
        await page.keyboard.press("Tab")  # to the page of all incidents,
        await page.keyboard.press("Tab")  # then to the first of the list
        assert len(await page.evaluate(LIT)) == len(lit)
        await page.keyboard.press("Enter")
        assert await page.locator(PRESSED).count() == 1


async def test_a_finger_chooses_and_lets_go(screen_of: Show, stage: Any) -> None:
    stage.blame(Tree.SITE, "tinh-uy", ["tinh-uy"])
    async with screen_of("phone") as screen:
        await screen.page.locator("#incidents-rows button").tap()
        assert await screen.page.evaluate(LIT) == [0]
        await screen.page.locator("#incidents-rows button").tap()
        assert await screen.page.evaluate(LIT) == []
        await screen.page.locator("#incidents-rows a").tap()
        await screen.page.wait_for_url("**/incidents/site%3Atinh-uy")
        assert await screen.text("h1") == "Tại điểm cầu: Điểm cầu Tỉnh ủy"


async def test_the_list_follows_while_one_is_chosen(screen_of: Show, stage: Any) -> None:
    """It grows: its new cells light up. It is over: nothing stays dark. The choice and the focus survive the others."""
    incident = stage.blame(Tree.NETWORK, "loi", ["tinh-uy"])
    async with screen_of() as screen:
        page = screen.page
        await page.locator("#incidents-rows button").click()
        await page.locator("#clock").hover()
        stage.blame(Tree.NETWORK, "other", ids_of(stage, "385"))
        await page.wait_for_selector("#incidents-rows > li:nth-child(2)")
        assert await page.get_attribute(PRESSED, "type") == "button"
        assert await page.evaluate("document.activeElement.closest('li')?.dataset.key") == "network:loi"
        incident.points = ("tinh-uy", "cq-00", "cq-01")
        stage.tell([])
        await page.wait_for_selector(".cell[data-lit][data-n='2']")
        del stage.pipeline.incidents._by_id[incident.id]
        stage.tell([])
        await page.wait_for_selector("#incidents-rows > li:nth-child(2)", state="detached")
        await page.mouse.move(5, 5)
        assert await page.evaluate(LIT) == []
        assert await page.locator(PRESSED).count() == 0


async def test_on_a_wall_it_stands_in_the_hole_of_the_map(screen_of: Show, stage: Any, big_province: Any) -> None:
    """Where districts leave room it takes that, and no tile has to make room; on a smaller screen it is above."""
    districts = {code: place for code, place in big_province.districts.items() if (place.column > 2) == (place.row > 0)}
    points = {
        key: p for key, p in big_province.points.items() if p.district_code is None or p.district_code in districts
    }
    roomy = type(big_province)(points, big_province.network, {}, districts)
    stage.pipeline.replace(roomy, stage.pipeline.ceremony, (), stage.now)
    stage.blame(Tree.NETWORK, "loi", ["tinh-uy"])
    async with screen_of() as screen:
        assert await screen.page.locator("#tiles > #incidents").count() == 1
        await screen.page.set_viewport_size({"width": 1280, "height": 800})
        await screen.page.wait_for_selector("main > #incidents")
        listed = await screen.page.locator("#incidents").bounding_box()
        tiles = await screen.page.locator("#tiles").bounding_box()
        assert listed["y"] + listed["height"] <= tiles["y"]


async def test_the_page_of_an_incident_keeps_itself_fresh(screen_of: Show, stage: Any) -> None:
    storm(stage, 8)
    key = next(iter(stage.pipeline.incidents.ongoing))
    for size, theme in (("desk", "dark"), ("phone", "light")):
        async with screen_of(size, theme, path=f"/incidents/{key}") as screen:
            assert await screen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert await screen.page.locator(".reasons rect").count() == 2
            await screen.shot(f"incident-{size}-{theme}")
    async with screen_of("desk", path=f"/incidents/{key}") as screen:
        assert "chắc chắn 99 %" in await screen.text("header dl")
        incident = stage.pipeline.incidents.get(key)
        incident.certainty, incident.owner_probability = Certainty.PROBABLE, 0.82
        await screen.page.wait_for_selector("text=nhiều khả năng 82 %", timeout=20_000)
