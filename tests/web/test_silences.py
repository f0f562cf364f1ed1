"""``/silences``: who may set one, what is refused, and that it stands in the trail and on every page."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from aiohttp import ClientSession

from monitor.core.access import Role
from monitor.core.model import Tree

Connect = Callable[..., AbstractAsyncContextManager[ClientSession]]


@pytest.fixture
def node(stage: Any) -> str:
    return next(iter(stage.pipeline.inventory.network))


async def test_it_is_set_seen_and_ended_and_stands_in_the_trail(stage: Any, signed_in: Any, node: str) -> None:
    async with signed_in(Role.TECHNICIAN) as client:
        form = {"scope": "node", "id": node, "minutes": "60", "comment": "thay <tủ> nguồn"}
        async with client.post("/silences", data=form, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/silences")
        (silence,) = stage.silences.known
        assert (silence.ends_at - silence.starts_at, silence.comment) == (3600.0, "thay <tủ> nguồn")
        page = await (await client.get("/silences")).text()
        assert "thay &lt;tủ&gt; nguồn" in page
        assert stage.pipeline.inventory.network[node].name in page
        board = await (await client.get("/")).text()
        assert "Đang tắt báo động: 1" in board
        ended = {"name": silence.ids[0]}
        async with client.post("/silences/end", data=ended, allow_redirects=False) as answer:
            assert answer.status == 303
        assert stage.silences.known == []
        async with client.post("/silences/end", data=ended) as answer:
            assert answer.status == 404
    actions = [(entry.action, entry.target) for entry in stage.records.trail if entry.action.startswith("silence")]
    assert actions[0] == ("silence", f"node:{node}")
    assert actions[1][0] == "silence.end"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"id": "nowhere"}, "Không có nút mạng hoặc điện mã “nowhere”."),
        ({"comment": " "}, "Xin ghi lý do."),
        ({"minutes": "100000"}, "Thời gian không hợp lệ"),
        ({"minutes": "-5"}, "Thời gian không hợp lệ"),
        ({"minutes": "2880"}, "Thời gian không hợp lệ"),
        ({"from": "yesterday"}, "Thời gian không hợp lệ"),
        ({"from": "2000-01-01T00:00"}, "Thời gian không hợp lệ"),
        ({"scope": "everything"}, "Không có everything mã"),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_set(
    stage: Any, signed_in: Any, node: str, more: dict[str, str], words: str
) -> None:
    async with signed_in(Role.TECHNICIAN) as client:
        form = {"scope": "node", "id": node, "minutes": "60", "comment": "x", **more}
        async with client.post("/silences", data=form) as answer:
            assert answer.status == 400
            assert words in await answer.text()
    assert stage.silences.known == []


async def test_without_alertmanager_nothing_is_set_and_it_is_said(stage: Any, signed_in: Any, node: str) -> None:
    stage.silences.reachable = False
    async with signed_in(Role.TECHNICIAN) as client:
        form = {"scope": "node", "id": node, "minutes": "60", "comment": "x"}
        async with client.post("/silences", data=form) as answer:
            assert answer.status == 400
            page = await answer.text()
    assert "Không Alertmanager nào nhận." in page
    assert "Chưa nghe được Alertmanager nào" in page


async def test_organizers_look_and_may_not_set(stage: Any, signed_in: Any, node: str) -> None:
    async with signed_in(Role.ORGANIZER) as client:
        page = await (await client.get("/silences")).text()
        assert '<form method="post" action="/silences"' not in page
        form = {"scope": "node", "id": node, "minutes": "60", "comment": "x"}
        async with client.post("/silences", data=form) as answer:
            assert answer.status == 403
    assert stage.silences.known == []


async def test_a_link_brings_what_it_is_about(stage: Any, signed_in: Any) -> None:
    async with signed_in(Role.TECHNICIAN) as client:
        page = await (await client.get("/silences?district=384")).text()
    assert '<option value="district" selected>' in page
    assert 'value="384"' in page


@pytest.mark.parametrize(("tree", "scope"), [(Tree.NETWORK, "node"), (Tree.SITE, "point")])
async def test_an_incidents_page_leads_there(stage: Any, signed_in: Any, node: str, tree: Tree, scope: str) -> None:
    name = node if tree is Tree.NETWORK else next(iter(stage.pipeline.inventory.points))
    incident = stage.blame(tree, name)
    async with signed_in(Role.TECHNICIAN) as client:
        page = await (await client.get(f"/incidents/{incident.id}")).text()
    assert f'<a href="/silences?{scope}={name}">Tắt báo động</a>' in page
