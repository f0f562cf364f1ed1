"""The rtmp kind against nginx with its RTMP module, fed by ffmpeg: both from Debian."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from probes.kinds.rtmp import KIND, RtmpParams
from probes.model import Failure, Measurement

BOUND_S = 10.0
SHORT_S = 1.5
"""How long a test waits for what never comes; frames come every 67 ms."""


async def ask(url: str, timeout_s: float = BOUND_S, **params: object) -> Measurement:
    deadline = asyncio.get_running_loop().time() + timeout_s
    return await KIND.bind(msgspec.convert(params, RtmpParams)).run(url, deadline)


async def until_it_fails(url: str) -> Measurement:
    """Nginx notices within a moment that the publisher is gone."""
    end = time.monotonic() + BOUND_S
    while (found := await ask(url, SHORT_S, frames=10)).success and time.monotonic() < end:
        pass
    return found


async def test_a_stream_is_published_until_its_publisher_dies(rtmp_server: Any) -> None:
    """Pictures with sound, pictures alone; another name is not there, and with the publisher the stream goes."""
    url = rtmp_server.url
    with rtmp_server.publish("hall") as publisher:
        found = await ask(f"{url}/hall", frames=20)
        assert found.success, found.detail
        assert [name for name, _ in found.phases] == ["resolve", "connect", "handshake", "command", "play", "media"]
        assert dict(found.figures)["probe_rtmp_published"] == 1.0
        assert 0.0 < dict(found.figures)["probe_rtmp_first_media_seconds"] < found.duration_s
        assert (await ask(f"{url.replace('127.0.0.1', '[::1]')}/hall?from=ip6")).success
        other = await ask(f"{url}/other", SHORT_S)
        assert (other.failure, other.phases[-1][0]) == (Failure.STALLED, "media")
        assert dict(other.figures)["probe_rtmp_published"] == 0.0
        publisher.kill()
        assert (await until_it_fails(f"{url}/hall")).failure is Failure.STALLED


async def test_a_publisher_that_stands_still_is_seen(rtmp_server: Any) -> None:
    """Nginx sends the codec's headers that it kept; they are not taken for media."""
    with rtmp_server.publish("hall", audio="") as publisher:
        assert (await ask(f"{rtmp_server.url}/hall", frames=5)).success
        publisher.send_signal(19)  # SIGSTOP
        found = await until_it_fails(f"{rtmp_server.url}/hall")
        assert found.failure is Failure.STALLED
        assert "hall" in rtmp_server.publishing()


async def test_a_server_that_keeps_no_idle_streams_says_so(rtmp_servers: Callable[..., Any]) -> None:
    found = await ask(f"{rtmp_servers(idle_streams=False).url}/other")
    assert (found.failure, found.detail) == (Failure.STATUS, "NetStream.Play.StreamNotFound: No such stream")


async def test_the_application_alone(rtmp_server: Any) -> None:
    """Signalling: with a stream or without. One that is not configured has the connection closed."""
    assert (await ask(rtmp_server.url)).success
    found = await ask(rtmp_server.url.replace("/live", "/nothing"))
    assert (found.failure, found.detail) == (Failure.RESET, "closed by the other side in answer to connect")


async def test_who_may_not_play_is_cut_off(rtmp_server: Any) -> None:
    found = await ask(rtmp_server.url.replace("/live", "/closed") + "/hall")
    assert (found.failure, found.detail) == (Failure.RESET, "closed by the other side in answer to play")


async def test_the_web_port_speaks_no_rtmp(rtmp_server: Any) -> None:
    """Nor answers at all: it waits for a line that ends."""
    found = await ask(f"rtmp://127.0.0.1:{rtmp_server.http_port}/live", SHORT_S)
    assert found.failure in {Failure.PROTOCOL, Failure.RESET, Failure.TIMEOUT}
    assert found.phases[-1][0] == "handshake"


@pytest.mark.parametrize("count", [50])
async def test_many_at_once(rtmp_server: Any, count: int) -> None:
    with rtmp_server.publish("hall"):
        found = await asyncio.gather(*(ask(f"{rtmp_server.url}/hall") for _ in range(count)))
    assert {(one.success, one.detail) for one in found} == {(True, "")}
