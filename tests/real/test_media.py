"""Picture and sound of streams that ffmpeg publishes: by nginx-rtmp over RTMP and HLS, and as MPEG-TS over UDP."""

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from probes.kinds.media import KIND, MediaParams
from probes.model import Failure, Measurement

pytest.importorskip("av", reason="pip install diemcau[media]")

BOUND_S = 20.0
"""More than any stream here needs on a busy machine."""
MOVING = "testsrc=size=320x180:rate=15"
TONE = "sine=frequency=440"
STREAMS = {
    "ok": (MOVING, TONE, None),
    "black": ("color=black:size=320x180:rate=15", TONE, Failure.BLACK),
    "frozen": ("smptebars=size=320x180:rate=15", TONE, Failure.FROZEN),
    "silent": (MOVING, "anullsrc", Failure.SILENT),
    "mute": (MOVING, "", Failure.SILENT),
}
"""By name: picture, sound, and what is wrong with it."""


async def ask(address: str, timeout_s: float = BOUND_S, **params: object) -> Measurement:
    deadline = asyncio.get_running_loop().time() + timeout_s
    return await KIND.bind(MediaParams(**params)).run(address, deadline)  # type: ignore[arg-type]


async def test_pictures_and_sound_through_nginx(rtmp_server: Any) -> None:
    """Each fault is named over RTMP and, of the same stream, over HLS; what nobody publishes is neither."""
    with ExitStack() as publishers:
        for name, (video, audio, _) in STREAMS.items():
            publishers.enter_context(rtmp_server.publish(name, video=video, audio=audio))
        rtmp = await asyncio.gather(*(ask(f"{rtmp_server.url}/{name}") for name in STREAMS))
        absent = (f"{rtmp_server.url}/nobody", f"{rtmp_server.hls_url}/nobody.m3u8")
        nobody = asyncio.gather(*(ask(address, timeout_s=3.5) for address in absent))
        hls = await asyncio.gather(*(ask(f"{rtmp_server.hls_url}/{name}.m3u8") for name in STREAMS))
        nowhere = await nobody
    wanted = [failure for _, _, failure in STREAMS.values()]
    assert [found.failure for found in rtmp] == wanted, rtmp
    assert [found.failure for found in hls] == wanted, hls
    assert [found.failure for found in nowhere] == [Failure.TIMEOUT, Failure.STATUS], nowhere
    for found in (rtmp[0], hls[0]):
        figures = dict(found.figures)
        assert figures["probe_media_frames_per_second"] == pytest.approx(15.0, rel=0.1)
        assert (figures["probe_media_width_pixels"], figures["probe_media_height_pixels"]) == (320.0, 180.0)
        assert figures["probe_media_loudness_dbfs"] == pytest.approx(-21.1, abs=1.0)


async def test_a_publisher_that_leaves_while_watched(rtmp_server: Any) -> None:
    """The stream no longer advances."""
    with rtmp_server.publish("leaving") as publisher:
        watched = asyncio.create_task(ask(f"{rtmp_server.url}/leaving", timeout_s=6.0, watch_s=4.0))
        await asyncio.sleep(2.0)
        publisher.kill()
        found = await watched
    assert found.failure in {Failure.STALLED, Failure.RESET}, found


@contextmanager
def sending(ffmpeg: Path, url: str) -> Iterator[None]:
    """MPEG-TS over UDP, a key frame each second."""
    sources = ("-re", "-f", "lavfi", "-i", MOVING, "-re", "-f", "lavfi", "-i", TONE)
    coded = ("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "15", "-pix_fmt", "yuv420p")
    command = (ffmpeg, "-nostdin", "-v", "error", *sources, *coded, "-c:a", "aac", "-f", "mpegts", url)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


async def test_a_transport_stream_over_udp(program: Callable[[str], Path], unused_udp_port: int) -> None:
    with sending(program("ffmpeg"), f"udp://127.0.0.1:{unused_udp_port}?pkt_size=1316"):
        found = await ask(f"udp://127.0.0.1:{unused_udp_port}")
    assert found.success, found
    assert [name for name, _ in found.phases] == ["resolve", "queue", "start", "open", "watch"]
