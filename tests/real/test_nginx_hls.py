"""HLS as nginx makes it of what ffmpeg publishes."""

import asyncio
from time import monotonic
from typing import Any

import pytest

from probes.kinds import hls
from probes.kinds.hls import KIND, HlsParams
from probes.model import Failure, Measurement


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hls, "MEMORY", hls.Memory())


async def ask(address: str, params: HlsParams | None = None) -> Measurement:
    return await KIND.bind(params or HlsParams()).run(address, monotonic() + 5.0)


async def live(address: str) -> Measurement:
    """The first success, once nginx has written a playlist."""
    until = monotonic() + 30
    while not (found := await ask(address)).success:
        assert monotonic() < until, found
        await asyncio.sleep(0.2)
    return found


async def test_a_stream_that_is_published_advances_and_one_that_is_not_any_more_stalls(rtmp_server: Any) -> None:
    address = f"{rtmp_server.hls_url}/hall.m3u8"
    assert (await ask(address)).failure is Failure.STATUS
    with rtmp_server.publish("hall"):
        first = await live(address)
        figures = dict(first.figures)
        assert figures["probe_hls_segment_bytes"] > 1000
        await asyncio.sleep(2.5)
        later = dict((await ask(address)).figures)
        assert later["probe_hls_media_sequence"] > figures["probe_hls_media_sequence"]
    patient = HlsParams(max_staleness_s=2.0)
    await ask(address, patient)
    await asyncio.sleep(2.5)
    stalled = await ask(address, patient)
    assert stalled.failure is Failure.STALLED, stalled
