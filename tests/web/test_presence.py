"""The socket of a point's page, spoken to kindly and unkindly."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from unittest.mock import Mock

import msgspec
import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, WSServerHandshakeError
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.model import Inventory
from monitor.core.pulse import Beat
from monitor.web import heartbeat, presence
from monitor.web.app import PRESENCE
from monitor.web.heartbeat import HeartbeatError, read

POINT = "x-14801"
WHOLE = (
    '{"n":17,"rtt":0.038,"jitter":0.004,"loss":0.05,"charging":false,"charge":0.5,"left":5400,"visible":false,"new":1}'
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What happens each second happens sooner."""
    monkeypatch.setattr(presence, "SWEEP_EVERY_S", 0.05)
    return iter((None,))


@pytest.fixture
def path(stage: Any) -> str:
    return f"/p/{stage.links.token(POINT)}"


async def closed(socket: ClientWebSocketResponse) -> int | None:
    """The code with which the server closes."""
    async with asyncio.timeout(5):
        while (message := await socket.receive()).type is WSMsgType.TEXT:
            pass
    assert message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED), message
    return socket.close_code


async def told(socket: ClientWebSocketResponse) -> Any:
    return json.loads((await socket.receive(timeout=5)).data)


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_the_page_names_its_point_and_nothing_secret(stage: Any, client: ClientSession, path: str) -> None:
    """The name and the words; not the token, so that no copy of the page gives it away."""
    async with client.get(path) as response:
        page = await response.text()
        assert response.status == 200
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Referrer-Policy"] == "no-referrer"
    assert '<h1 id="name">Xã 2</h1>' in page
    assert 'lang="vi"' in page
    assert path.removeprefix("/p/") not in page


@pytest.mark.parametrize(
    "spoil", [str.swapcase, lambda p: p + "A", lambda p: p[:-1], lambda _: "/p/x", lambda _: "/p/%ff"]
)
async def test_a_link_that_does_not_hold(client: ClientSession, path: str, spoil: Callable[[str], str]) -> None:
    """Says where to get another; and its socket is not opened."""
    wrong = "/p/" + spoil(path.removeprefix("/p/")) if spoil(path).startswith("/P") else spoil(path)
    async with client.get(wrong) as response:
        assert response.status == 404
        page = await response.text()
    assert "<h1>Đường dẫn không có hiệu lực</h1>" in page
    assert "xin trung tâm đường dẫn mới" in page
    assert 'href="/"' not in page
    with pytest.raises(WSServerHandshakeError, match="404"):
        await client.ws_connect(f"{wrong}/ws")


async def test_the_link_of_a_point_that_is_gone(stage: Any, client: ClientSession) -> None:
    """Signed, but of no point of the inventory: no other answer than to a forged one."""
    async with client.get(f"/p/{stage.links.token('khong-co')}") as response:
        assert response.status == 404


async def test_no_log_line_holds_a_token(
    stage: Any, client: ClientSession, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect is logged under the route's name."""
    log = Mock()
    monkeypatch.setattr("monitor.web.app.log", log)
    monkeypatch.setattr("monitor.web.presence.WORDS", ("no such word",))
    async with client.get(path) as response:
        assert response.status == 500
    assert log.exception.call_args.kwargs == {"method": "GET", "path": "/p/{token}"}


async def test_a_heartbeat_is_heard_and_echoed(stage: Any, client: ClientSession, path: str) -> None:
    """The service gets what the page says of itself; the page its number back, and what the centre sees."""
    stage.up()
    async with client.ws_connect(f"{path}/ws?s=abcdefgh") as socket:
        await socket.send_str(WHOLE)
        first = await told(socket)
        assert first == {"n": 17, "seen": {"code": "u", "state": "đã kết nối", "cause": "", "since": "06:48:48"}}
        await socket.send_str('{"n":18}')
        assert await told(socket) == {"n": 18}
    assert stage.beats == [
        (
            POINT,
            "abcdefgh",
            Beat(0.038, 0.004, 0.05, charging=False, charge_ratio=0.5, discharging_s=5400.0, visible=False),
        ),
        (POINT, "abcdefgh", Beat()),
    ]


async def test_a_page_hears_of_a_change_with_its_next_beat(stage: Any, client: ClientSession, path: str) -> None:
    stage.up()
    async with client.ws_connect(f"{path}/ws") as socket:
        await socket.send_str('{"n":1}')
        assert (await told(socket))["seen"]["code"] == "u"
        stage.degrade([POINT])
        await socket.send_str('{"n":2}')
        seen = (await told(socket))["seen"]
        assert (seen["code"], seen["state"], seen["cause"]) == ("g", "kết nối chưa tốt", "mất báo hiệu")


async def test_a_page_is_told_again_after_a_while(stage: Any, client: ClientSession, path: str) -> None:
    async with client.ws_connect(f"{path}/ws") as socket:
        for number, expected in enumerate((True, False, True)):
            await socket.send_str(f'{{"n":{number}}}')
            assert ("seen" in await told(socket)) == expected
            stage.wait(3)


@pytest.mark.parametrize(("code", "leaves"), [(1000, True), (1001, True), (4000, False), (3000, False)])
async def test_who_closes_the_page_takes_leave(
    stage: Any,
    client: ClientSession,
    path: str,
    code: int,
    leaves: bool,  # noqa: FBT001
) -> None:
    """1000 and 1001 are a page that is closed; a page that gives up a dead line says 4000 and comes again."""
    async with client.ws_connect(f"{path}/ws?s=abcdefgh") as socket:
        await socket.send_str('{"n":1}')
        await told(socket)
        await socket.close(code=code)
    await until(lambda: not stage.app[PRESENCE].sessions)
    assert stage.left == ([(POINT, "abcdefgh")] if leaves else [])


async def test_a_line_that_is_cut_takes_no_leave(stage: Any, client: ClientSession, path: str) -> None:
    """The connection ends without a word: that is evidence, not a farewell."""
    socket = await client.ws_connect(f"{path}/ws")
    await socket.send_str('{"n":1}')
    await told(socket)
    assert socket._conn
    assert socket._conn.transport
    socket._conn.transport.abort()
    await until(lambda: not stage.app[PRESENCE].sessions)
    assert stage.left == []


NOT_HEARTBEATS = [
    "",
    "{",
    "[]",
    "17",
    "{}",
    '{"n":-1}',
    '{"n":1.5}',
    '{"n":9007199254740992}',
    '{"n":1,"rtt":NaN}',
    '{"n":1,"rtt":1e999}',
    '{"n":1,"rtt":"0.1"}',
    '{"n":1,"charging":1}',
    '{"n":1,"visible":null}',
    "[" * 400,
]


@pytest.mark.parametrize("message", NOT_HEARTBEATS)
async def test_what_is_no_heartbeat_ends_the_session(
    stage: Any, client: ClientSession, path: str, message: str
) -> None:
    async with client.ws_connect(f"{path}/ws") as socket:
        await socket.send_str(message)
        assert await closed(socket) == 1007
    assert stage.beats == []


async def test_what_is_no_text_ends_the_session(stage: Any, client: ClientSession, path: str) -> None:
    """Bytes, even if they would be a heartbeat; and text that is no UTF-8."""
    async with client.ws_connect(f"{path}/ws") as socket:
        await socket.send_bytes(b'{"n":1}')
        assert await closed(socket) == 1003
    async with client.ws_connect(f"{path}/ws") as socket:
        await socket.send_frame(b'{"n":1,"x":"\xff"}', WSMsgType.TEXT)
        assert await closed(socket) == 1007


async def test_a_message_that_is_too_large(stage: Any, client: ClientSession, path: str) -> None:
    """A heartbeat of 512 bytes is heard, one byte more is not, in one frame or in many."""
    fits = '{"n":1}' + " " * (heartbeat.LARGEST - 7)
    async with client.ws_connect(f"{path}/ws") as socket:
        await socket.send_str(fits)
        assert (await told(socket))["n"] == 1
        await socket.send_str(fits + " ")
        assert await closed(socket) == 1009
    async with client.ws_connect(f"{path}/ws") as socket:
        with suppress(ConnectionError):
            for _ in range(100):
                await socket.send_frame(b" " * 100, WSMsgType.TEXT)
        assert await closed(socket) in (1007, 1009)


async def test_too_many_messages(stage: Any, client: ClientSession, path: str) -> None:
    """What a stalled line delivers at once is borne, a flood is not; pings count, too."""
    async with client.ws_connect(f"{path}/ws") as socket:
        for number in range(30):
            await socket.send_str(f'{{"n":{number}}}')
        assert await closed(socket) == 1008
    assert 10 <= len(stage.beats) < 15
    async with client.ws_connect(f"{path}/ws", autoping=False) as socket:
        for _ in range(30):
            await socket.ping()
        async with asyncio.timeout(5):
            while (message := await socket.receive()).type is WSMsgType.PONG:
                pass
        assert message.data == 1008


async def test_a_page_of_another_site_is_refused(stage: Any, client: ClientSession, path: str) -> None:
    """Cross-site WebSocket hijacking: the origin must be the host that was asked; a program says none."""
    host = str(client._base_url).removeprefix("http://").rstrip("/")
    for origin in ("https://evil.example", "null", "http://[", f"http://{host}.evil.example", f"http://evil@{host}"):
        with pytest.raises(WSServerHandshakeError, match="403"):
            await client.ws_connect(f"{path}/ws", origin=origin)
    for origin in (f"http://{host}", f"https://{host}"):
        async with client.ws_connect(f"{path}/ws", origin=origin):
            pass


async def test_a_plain_request_for_the_socket(client: ClientSession, path: str) -> None:
    async with client.get(f"{path}/ws") as response:
        assert response.status == 400


async def test_few_pages_a_point(stage: Any, client: ClientSession, path: str) -> None:
    """With the fifth, the one that has been silent longest is sent away, with a word; the others stay."""
    sockets = [await client.ws_connect(f"{path}/ws?s=session{i}") for i in range(4)]
    for i in (0, 2, 3, 1, 0):
        await sockets[i].send_str('{"n":1}')
        await told(sockets[i])
    fifth = await client.ws_connect(f"{path}/ws?s=session4")
    assert await closed(sockets[2]) == 4409
    assert stage.left == [(POINT, "session2")]
    assert stage.app[PRESENCE].sessions == 4
    for socket in (*sockets[:2], sockets[3], fifth):
        await socket.send_str('{"n":2}')
        assert (await told(socket))["n"] == 2
        await socket.close()


async def test_a_page_that_comes_again_takes_its_own_place(stage: Any, client: ClientSession, path: str) -> None:
    """The same session on another socket: the former one, which is perhaps dead, is closed and takes no leave."""
    first = await client.ws_connect(f"{path}/ws?s=abcdefgh")
    second = await client.ws_connect(f"{path}/ws?s=abcdefgh")
    assert await closed(first) == 4410
    await second.send_str('{"n":1}')
    await told(second)
    assert stage.app[PRESENCE].sessions == 1
    assert stage.left == []
    await second.close()
    await until(lambda: stage.left == [(POINT, "abcdefgh")])


@pytest.mark.parametrize("name", ["", "short", "x" * 33, "a b c d e f", "<script>x"])
async def test_a_session_without_a_fit_name_gets_one(stage: Any, client: ClientSession, path: str, name: str) -> None:
    async with client.ws_connect(f"{path}/ws", params={"s": name}) as socket:
        await socket.send_str('{"n":1}')
        await told(socket)
    assert stage.beats[0][1] != name
    assert len(stage.beats[0][1]) == 16


async def test_few_pages_in_all(stage: Any, client: ClientSession, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is asked to come again; a place that gets free is given."""
    monkeypatch.setattr(presence, "SOCKETS", 1)
    async with client.ws_connect(f"{path}/ws"):
        with pytest.raises(WSServerHandshakeError, match="503"):
            await client.ws_connect(f"{path}/ws")
    await until(lambda: not stage.app[PRESENCE]._sockets)
    async with client.ws_connect(f"{path}/ws"):
        pass


async def test_a_silent_socket_is_dropped(
    stage: Any, client: ClientSession, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing for long: its memory is freed, and no leave is taken."""
    monkeypatch.setattr(presence, "SILENT_S", 0.2)
    async with client.ws_connect(f"{path}/ws") as socket:
        assert await closed(socket) == 1006
    assert stage.left == []
    assert stage.app[PRESENCE].sessions == 0


@pytest.mark.parametrize("change", [{"generation": 1}, {"generations": {POINT: 1}}, {"revoked": frozenset({POINT})}])
async def test_a_link_that_is_rotated_or_revoked_closes_its_pages(
    stage: Any, client: ClientSession, path: str, change: dict[str, object]
) -> None:
    """Soon after the reload, with a code of its own; what it had to say is no evidence any more."""
    async with client.ws_connect(f"{path}/ws?s=abcdefgh") as socket:
        await socket.send_str('{"n":1}')
        await told(socket)
        stage.links = msgspec.structs.replace(stage.links, **change)
        assert await closed(socket) == 4401
    assert stage.left == [(POINT, "abcdefgh")]
    async with client.get(path) as response:
        assert response.status == 404


async def test_a_reload_that_keeps_the_link_keeps_the_page(stage: Any, client: ClientSession, path: str) -> None:
    """Another point's link is revoked, the inventory is another object: nobody else notices."""
    async with client.ws_connect(f"{path}/ws") as socket:
        stage.links = msgspec.structs.replace(stage.links, revoked=frozenset({"x-14802"}))
        inventory = stage.pipeline.inventory
        stage.pipeline.replace(msgspec.structs.replace(inventory), stage.pipeline.ceremony, (), stage.now)
        await asyncio.sleep(0.2)
        await socket.send_str('{"n":1}')
        assert (await told(socket))["n"] == 1


async def test_a_point_that_leaves_the_inventory_loses_its_page(stage: Any, client: ClientSession, path: str) -> None:
    old = stage.pipeline.inventory
    async with client.ws_connect(f"{path}/ws") as socket:
        points = {key: point for key, point in old.points.items() if POINT not in (key, point.merged_into)}
        stage.pipeline.replace(
            Inventory(points, old.network, old.power, old.districts), stage.pipeline.ceremony, (), stage.now
        )
        assert await closed(socket) == 4401


async def test_a_shutdown_tells_every_page(stage: Any, serve: Callable[..., Any]) -> None:
    """They come again at once, for they are told to; new ones are not let in meanwhile."""
    async with serve(stage.app) as session:
        path = f"/p/{stage.links.token(POINT)}"
        socket = await session.ws_connect(f"{path}/ws")
        await stage.app[PRESENCE].close()
        assert await closed(socket) == 1012
        with pytest.raises(WSServerHandshakeError, match="503"):
            await session.ws_connect(f"{path}/ws")
    assert stage.left == []


async def test_a_defect_in_the_service_ends_one_session(
    stage: Any, client: ClientSession, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is logged, and the page comes again."""
    log = Mock()
    monkeypatch.setattr("monitor.web.presence.log", log)
    monkeypatch.setattr(stage, "beat", Mock(side_effect=RuntimeError("a defect")))
    async with client.ws_connect(f"{path}/ws") as socket:
        await socket.send_str('{"n":1}')
        assert await closed(socket) is not None
    assert log.exception.call_args.args == ("page failed",)


@given(st.text() | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.dictionaries(st.sampled_from(["n", "rtt", "loss", "charge", "left", "charging"]), inner),
).map(json.dumps))  # fmt: skip
def test_any_text_is_a_heartbeat_within_bounds_or_refused(message: str) -> None:
    with suppress(HeartbeatError):
        number, beat = read(message)
        assert 0 <= number < 2**53
        for value, most in (
            (beat.rtt_s, 60.0),
            (beat.jitter_s, 60.0),
            (beat.loss_ratio, 1.0),
            (beat.charge_ratio, 1.0),
            (beat.discharging_s, 7 * 86_400.0),
        ):
            assert value is None or 0.0 <= value <= most
