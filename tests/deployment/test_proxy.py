"""The proxy of config/README.md, run by the real nginx before what points' pages need: their host, and WebSockets."""

import asyncio
import re
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web

README = (Path(__file__).parents[2] / "config" / "README.md").read_text(encoding="utf-8")
(SHOWN,) = re.findall(r"```nginx\n(.*?)```", README, re.DOTALL)
WHOLE = """\
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
{shown}
}}
"""


async def socket_of_our_origin(request: web.Request) -> web.StreamResponse:
    """As the service takes sockets: from its own pages only. Says everything twice."""
    if urlsplit(request.headers["Origin"]).netloc != request.host:
        raise web.HTTPForbidden
    opened = web.WebSocketResponse()
    await opened.prepare(request)
    async for message in opened:
        await opened.send_str(message.data * 2)
    return opened


async def text(_request: web.Request) -> web.Response:
    return web.Response(text="inside")


@pytest.fixture
async def service() -> AsyncIterator[int]:
    """The port of what stands behind the proxy."""
    app = web.Application()
    app.add_routes([web.get("/p/token/ws", socket_of_our_origin), web.get("/{any:.*}", text)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


@pytest.fixture
def certificate(program: Callable[[str], Path], tmp_path: Path) -> tuple[Path, Path]:
    """Of the site, by itself; and its key."""
    pem, key = tmp_path / "site.pem", tmp_path / "site.key"
    command = [str(program("openssl")), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-nodes", "-subj", "/CN=dc.example.vn", "-days", "1", "-keyout", str(key), "-out", str(pem)]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    return pem, key


@pytest.fixture
async def proxy(
    program: Callable[[str], Path],
    tmp_path: Path,
    certificate: tuple[Path, Path],
    service: int,
    unused_tcp_port: int,
) -> AsyncIterator[str]:
    """Host and port of nginx with what is shown, but for places."""
    pem, key = certificate
    places = {
        "listen 443": f"listen 127.0.0.1:{unused_tcp_port}",
        "/etc/ssl/dc.example.vn.pem": str(pem),
        "/etc/ssl/dc.example.vn.key": str(key),
        "127.0.0.1:8080": f"127.0.0.1:{service}",
    }
    shown = SHOWN
    for there, here in places.items():
        assert shown.count(there) == 1
        shown = shown.replace(there, here)
    config = tmp_path / "nginx.conf"
    config.write_text(WHOLE.format(folder=tmp_path, shown=shown), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(str(program("nginx")), "-c", str(config), "-e", "stderr")
    try:
        await listens(unused_tcp_port)
        yield f"127.0.0.1:{unused_tcp_port}"
    finally:
        process.terminate()
        await process.wait()


async def listens(port: int) -> None:
    """Wait until something does."""
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return await writer.wait_closed()


@pytest.fixture
async def browser() -> AsyncIterator[aiohttp.ClientSession]:
    """That takes any certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        yield session


async def test_a_page_has_its_socket(proxy: str, browser: aiohttp.ClientSession) -> None:
    """Over wss, with the origin that a browser tells: https, host and port."""
    async with browser.ws_connect(f"wss://{proxy}/p/token/ws", origin=f"https://{proxy}") as opened:
        await opened.send_str("beat")
        assert await opened.receive_str(timeout=10) == "beatbeat"


@pytest.mark.parametrize(
    ("path", "status"),
    [("/p/token", 200), ("/static/style.css", 200), ("/", 404), ("/metrics", 404), ("/-/reload", 404)],
)
async def test_points_reach_what_they_need_alone(
    proxy: str, browser: aiohttp.ClientSession, path: str, status: int
) -> None:
    async with browser.get(f"https://{proxy}{path}") as response:
        assert response.status == status
