"""Pages and endpoints over HTTP, asked kindly and unkindly."""

import gzip
import json
import re
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import ClientSession
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.access import Role
from monitor.core.attribution import Fact, FactKind
from monitor.core.model import Inventory, Mode, Node, NodeKind, Point, Tier, Tree
from monitor.web.app import as_json
from monitor.web.endpoints import probe_text
from probes.model import Failure, Measurement

NASTY = '</script><script>alert("1")</script>{{ 7*7 }}&amp;\u2028'


def embedded(page: str, name: str) -> Any:
    """The JSON that stands in a page under this id."""
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


async def test_the_board_carries_its_data(stage: Any, client: ClientSession) -> None:
    """Numbers in the page itself, names once, a letter for each state; nothing has to be asked for."""
    stage.up()
    stage.wait(130)
    stage.down(["tinh-uy"])
    async with client.get("/") as response:
        assert response.status == 200
        page = await response.text()
    layout, snapshot = embedded(page, "layout"), embedded(page, "snapshot")
    assert layout["ids"][0] == "tinh-uy"
    assert len(layout["ids"]) == len(snapshot["states"]) == 300
    assert snapshot["states"][0] == "d"
    assert 'lang="vi"' in page
    assert "Điểm cầu sẵn sàng" in page
    assert re.search(r"Còn 00:3\d:\d\d đến hạn báo cáo 07:30", page)
    assert "Điểm cầu Tỉnh ủy" in page


async def test_a_blind_board_shows_no_number(stage: Any, client: ClientSession) -> None:
    stage.up()
    stage.blind()
    async with client.get("/") as response:
        page = await response.text()
    assert '<strong id="ready">–</strong>' in page
    assert re.search(r'role="alert">Hệ thống giám sát mất tầm nhìn từ 0\d:', page)


async def test_a_board_of_five_thousand_is_small(
    make_stage: Callable[..., Any], make_province: Callable[..., Inventory], serve: Callable[..., Any]
) -> None:
    """300 KB at most go over the wire for the page; compressed it is a fraction."""
    stage = make_stage(make_province(5000))
    stage.up()
    gzipped = {"Accept-Encoding": "gzip"}
    async with serve(stage.app, decompress=False) as session, session.get("/", headers=gzipped) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        body = await response.read()
    assert len(body) < 100_000
    assert len(embedded(gzip.decompress(body).decode(), "layout")["ids"]) == 5000


async def test_what_people_wrote_is_never_markup(
    make_stage: Callable[..., Any], serve: Callable[..., Any], make_alert: Callable[..., Any]
) -> None:
    """Names, details and alerts come from outside: they are shown as they are and do nothing."""
    point = Point(id="a b/ç?<i>", name=NASTY, tier=Tier.VILLAGE, mode=Mode.WATCH, address=NASTY, role=NASTY)
    stage = make_stage(Inventory({point.id: point}, {}, {}, {}))
    stage.firing = {"1": make_alert(NASTY, stage.now, point.id)}
    async with serve(stage.app) as session:
        async with session.get("/") as response:
            board = await response.text()
        async with session.get("/points/a%20b%2F%C3%A7%3F%3Ci%3E") as response:
            assert response.status == 200
            page = await response.text()
    assert embedded(board, "layout")["names"] == [NASTY]
    for shown in (board, page):
        assert "<script>alert" not in shown
        assert "{{ 7*7 }}" in shown
        assert re.findall(r"<script(?! type=)(?! src=)", shown) == []


@given(st.text())
def test_embedded_json_cannot_end_its_element(text: str) -> None:
    encoded = as_json({"text": text})
    assert "<" not in encoded
    assert json.loads(encoded) == {"text": text}


@pytest.mark.parametrize(
    "path", ["/", "/points/tinh-uy", "/nowhere", "/metrics", "/static/board.js", "/events", "/-/reload"]
)
async def test_every_answer_is_guarded(client: ClientSession, path: str) -> None:
    """No script but ours, no frame around us, no guessing of types, on errors and streams too."""
    async with client.get(path) as response:
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert "aiohttp" not in response.headers.get("Server", "")


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("/nowhere", "Không tìm thấy trang"),
        ("/points/khong-co", "Không tìm thấy điểm cầu"),
        ("/incidents/network:khong-co", "Không tìm thấy sự cố"),
        ("/incidents/%ff%00%ed%a0%80", "Không tìm thấy sự cố"),
        ("/incidents/" + "x" * 5000, "Không tìm thấy sự cố"),
        ("/points/%ff%00%ed%a0%80", "Không tìm thấy điểm cầu"),
        ("/%ff%00", "Không tìm thấy trang"),
        ("/points/" + "x" * 5000, "Không tìm thấy điểm cầu"),
        ("/static/../app.py", "Không tìm thấy trang"),
        ("/static/%2e%2e/app.py", "Không tìm thấy trang"),
        ("/static/", "Yêu cầu không hợp lệ"),
    ],
)
async def test_what_is_not_there_says_so_in_vietnamese(client: ClientSession, path: str, title: str) -> None:
    async with client.get(path) as response:
        assert response.status in (403, 404)
        assert f"<h1>{title}</h1>" in await response.text()


async def test_a_defect_is_a_page_and_a_log_line(
    stage: Any, client: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The traceback goes to the log, never to the client."""

    async def broken() -> bytes:
        raise RuntimeError("the secret of the defect")

    log = Mock()
    monkeypatch.setattr("monitor.web.app.log", log)
    monkeypatch.setattr(stage, "exposition", broken)
    async with client.get("/metrics") as response:
        assert response.status == 500
        page = await response.text()
    assert "Lỗi của hệ thống giám sát" in page
    assert "secret" not in page
    assert log.exception.call_args.args == ("request failed",)


async def test_metrics_are_what_the_backend_says(stage: Any, client: ClientSession) -> None:
    async with client.get("/metrics", headers={"Accept-Encoding": "identity"}) as response:
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "Content-Encoding" not in response.headers
        assert await response.read() == stage.text


@pytest.mark.parametrize(
    ("accept", "encoded"),
    [("gzip", True), ("br, GZIP;q=0.5", True), ("gzip;q=0", False), ("deflate", False), ("", False)],
)
async def test_metrics_are_compressed_when_asked(client: ClientSession, accept: str, encoded: bool) -> None:  # noqa: FBT001
    async with client.get("/metrics", headers={"Accept-Encoding": accept}) as response:
        assert (response.headers.get("Content-Encoding") == "gzip") is encoded
        assert (await response.read()).startswith(b"# HELP")


async def test_a_small_answer_is_not_compressed(stage: Any, client: ClientSession) -> None:
    stage.text = b"up 1\n"
    async with client.get("/metrics", headers={"Accept-Encoding": "gzip"}) as response:
        assert "Content-Encoding" not in response.headers


async def test_a_probe_answers_as_blackbox_exporter_does(stage: Any, client: ClientSession) -> None:
    stage.measurement = Measurement(
        True, 0.0125, phases=(("resolve", 0.001), ("rtt", 0.0115)), figures=(("probe_ip_protocol", 4.0),)
    )
    async with client.get("/probe?target=tinh-uy&module=icmp") as response:
        assert response.status == 200
        lines = (await response.text()).splitlines()
    assert "probe_success 1" in lines
    assert "probe_duration_seconds 0.0125" in lines
    assert 'probe_icmp_duration_seconds{phase="rtt"} 0.0115' in lines
    assert "probe_ip_protocol 4" in lines


def test_a_failed_probe_is_an_answer_all_the_same() -> None:
    lines = probe_text("tcp", Measurement(False, 2.0, Failure.TIMEOUT)).splitlines()
    assert lines[2] == "probe_success 0"
    assert lines[-2:] == ["probe_duration_seconds 2", "# timeout"]


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("", "target parameter is missing"),
        ("?target=tinh-uy", "module parameter is missing"),
        ("?module=icmp", "target parameter is missing"),
        ("?target=tinh-uy&module=nope", "unknown module 'nope'"),
        ("?target=192.0.2.1&module=icmp", "not in the inventory"),
        ("?target=" + "x" * 300 + "&module=icmp", "longer than 256"),
        ("?target=%00%ff&module=icmp", "not in the inventory"),
    ],
)
async def test_a_probe_that_cannot_be_made_is_a_bad_request(client: ClientSession, query: str, why: str) -> None:
    async with client.get(f"/probe{query}") as response:
        assert response.status == 400
        assert response.content_type == "text/plain"
        assert why in await response.text()


async def test_health_and_readiness(stage: Any, client: ClientSession) -> None:
    async with client.get("/-/healthy") as response:
        assert (response.status, await response.text()) == (200, "diemcau is healthy\n")
    async with client.get("/-/ready") as response:
        assert response.status == 503
    stage.observed = True
    async with client.get("/-/ready") as response:
        assert response.status == 200


async def test_a_reload_says_every_error(stage: Any, signed_in: Callable[..., Any]) -> None:
    async with signed_in(Role.TECHNICIAN) as client:
        async with client.post("/-/reload") as response:
            assert (response.status, await response.text()) == (200, "")
        stage.errors = ["config/points.csv:2:1: id: expected …", "config/checks.yaml:4:15: …"]
        async with client.post("/-/reload") as response:
            assert response.status == 500
            assert (await response.text()).splitlines() == ["failed to reload config:", *stage.errors]
    assert stage.reloads == 2


async def test_a_reload_is_a_post_and_not_from_another_site(stage: Any, signed_in: Callable[..., Any]) -> None:
    async with signed_in(Role.TECHNICIAN) as client:
        async with client.get("/-/reload") as response:
            assert response.status == 405
            assert response.headers["Allow"] == "POST"
        async with client.post("/-/reload", headers={"Sec-Fetch-Site": "cross-site"}) as response:
            assert response.status == 403
    assert stage.reloads == 0


async def test_a_page_of_a_point_has_its_hour(stage: Any, client: ClientSession) -> None:
    stage.up()
    async with client.get("/points/tinh-uy") as response:
        page = await response.text()
    assert "<h1>Điểm cầu Tỉnh ủy</h1>" in page
    assert page.count('<svg class="plot"') == 2
    assert "VNPT Thanh Hóa" in page


@pytest.mark.parametrize(("query", "theme"), [("?theme=dark", ' data-theme="dark"'), ("?theme=x%22onload", "")])
async def test_a_wall_screen_can_ask_for_a_theme(client: ClientSession, query: str, theme: str) -> None:
    async with client.get(f"/{query}") as response:
        assert f'<html lang="vi"{theme} data-link' in await response.text()


def test_a_probe_says_why_it_failed_and_whom_it_met_on_the_way() -> None:
    """In comments, on one line each, whatever others sent."""
    found = Measurement(False, 0.5, Failure.TIMEOUT, "no answer\nprobe_success 1", names=("10.1.1.1", "*", "a\nb 1"))
    text = probe_text("path", found)
    assert "# timeout no answer probe_success 1\n" in text
    assert text.endswith("# 1 10.1.1.1\n# 2 *\n# 3 a b 1\n")
    assert [line for line in text.splitlines() if line.startswith("probe_success")] == ["probe_success 0"]


async def test_an_incident_has_a_page_and_its_points_lead_there(stage: Any, client: ClientSession) -> None:
    stage.up()
    stage.blame(Tree.NETWORK, "loi", ["tinh-uy"], evidence=(Fact(FactKind.DOWN, 1, of=2, nats=4.2, ids=("tinh-uy",)),))
    for path in ("/incidents/network:loi", "/incidents/network%3Aloi"):
        async with client.get(path) as response:
            assert response.status == 200
            page = await response.text()
        assert "<h1>Sự cố mạng: Nút lõi Thanh Hóa</h1>" in page
        assert "1 trên 2 điểm quan sát được bên dưới đang mất kết nối" in page
        assert 'aria-label="ủng hộ, 4,2 nat"' in page
    for path in ("/", "/incidents", "/points/tinh-uy"):
        async with client.get(path) as response:
            assert 'href="/incidents/network%3Aloi"' in await response.text()


async def test_what_people_wrote_in_the_trees_is_never_markup(
    make_stage: Callable[..., Any], serve: Callable[..., Any]
) -> None:
    point = Point(id="p", name=NASTY, tier=Tier.VILLAGE, mode=Mode.WATCH, network_node="a/ç?<i>")
    node = Node("a/ç?<i>", None, NASTY, NodeKind.CORE, NASTY)
    stage = make_stage(Inventory({"p": point}, {node.id: node}, {}, {}))
    stage.blame(Tree.NETWORK, node.id, ["p"], operator=NASTY, indistinguishable=(NASTY,), secondary=(NASTY,))
    async with serve(stage.app) as session:
        for path in ("/", "/incidents", "/incidents/network%3Aa%2F%C3%A7%3F%3Ci%3E", "/points/p"):
            async with session.get(path) as response:
                assert response.status == 200
                shown = await response.text()
            assert "<script>alert" not in shown
            assert "{{ 7*7 }}" in shown
            assert re.findall(r"<script(?! type=)(?! src=)", shown) == []


async def test_incidents_are_none_until_there_are(stage: Any, client: ClientSession) -> None:
    async with client.get("/incidents") as response:
        page = await response.text()
    assert "Không có sự cố nào." in page
    assert "Hôm nay chưa có sự cố nào kết thúc." in page
    stage.up()
    stage.blind()
    async with client.get("/incidents") as response:
        assert "không kết luận" in await response.text()
