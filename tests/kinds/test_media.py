"""Servers on loopback that lie, and clips made by libav itself; tests/real/test_media.py has the real servers."""

import asyncio
import io
import os
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from probes.codecs.picture import Failed
from probes.kinds import media
from probes.kinds.media import KIND, MediaParams, child, explain
from probes.kinds.media.source import SCHEMES, source_of
from probes.model import Failure, Layer, Measurement

av = pytest.importorskip("av", reason="pip install diemcau[media]")
np = pytest.importorskip("numpy")

BOUND_S = 15.0
"""More than any answer here takes on a busy machine."""
WATCH_S = 0.5
Handler = Callable[[socket.socket], None]
Serve = Callable[..., int]
Paint = Callable[[int], int]


async def ask(address: str, timeout_s: float = BOUND_S, **params: object) -> Measurement:
    deadline = asyncio.get_running_loop().time() + timeout_s
    bound = KIND.bind(MediaParams(**{"watch_s": WATCH_S, **params}))  # type: ignore[arg-type]
    return await bound.run(address, deadline)


def hold(sock: socket.socket) -> None:
    while sock.recv(65536):
        pass


def answering(body: bytes, status: str = "200 OK") -> Handler:
    def handle(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    return handle


def clip(paint: Paint = lambda at: at * 40 % 256, tone: float = 0.3, seconds: float = 1.0, size: int = 64) -> bytes:
    """MPEG-TS of MPEG-4 and MP2: each picture of one luma, the sound a tone of this amplitude."""
    target = io.BytesIO()
    with av.open(target, "w", format="mpegts") as container:
        video = container.add_stream("mpeg4", rate=20)
        video.width = video.height = size
        audio = container.add_stream("mp2", rate=48000, layout="mono")
        for at in range(int(seconds * 20)):
            frame = av.VideoFrame.from_ndarray(np.full((size * 3 // 2, size), 128, np.uint8), format="yuv420p")
            luma = np.full(frame.planes[0].buffer_size, paint(at), np.uint8)
            frame.planes[0].update(luma.tobytes())
            frame.pts = at
            container.mux(video.encode(frame))
        for at in range(int(seconds * 48000 / 1152)):
            wave = np.sin(np.arange(at * 1152, (at + 1) * 1152) * 0.06) * tone * 32767
            sound = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None, :], format="s16", layout="mono")
            sound.sample_rate, sound.pts = 48000, at * 1152
            container.mux(audio.encode(sound))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    return target.getvalue()


def decoders() -> list[str]:
    """Decoders that run now as children of this process."""
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    commands = [Path(f"/proc/{pid}/cmdline") for pid in listed]
    return [command.read_text() for command in commands if command.exists() and b"decoder.py" in command.read_bytes()]


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """No process and no descriptor outlives its probe."""
    yield
    assert decoders() == []


async def test_picture_and_sound_that_come_are_a_success(serve: Serve) -> None:
    found = await ask(f"http://127.0.0.1:{serve(answering(clip()))}/a.ts")
    assert found.success, found
    assert [name for name, _ in found.phases] == ["resolve", "connect", "queue", "start", "open", "watch"]
    figures = dict(found.figures)
    assert figures["probe_media_frames_per_second"] == pytest.approx(20.0, rel=0.1)
    assert (figures["probe_media_width_pixels"], figures["probe_media_height_pixels"]) == (64.0, 64.0)
    assert figures["probe_media_loudness_dbfs"] == pytest.approx(-13.5, abs=2.0)
    assert figures["probe_media_black_ratio"] < 1.0


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        (clip(lambda _: 16), Failure.BLACK),
        (clip(lambda _: 120), Failure.FROZEN),
        (clip(tone=0.0), Failure.SILENT),
        (clip(seconds=0.3), Failure.STALLED),
    ],
    ids=["black", "frozen", "silent", "ends too early"],
)
async def test_what_is_wrong_with_a_picture_or_sound_is_named(serve: Serve, body: bytes, failure: Failure) -> None:
    found = await ask(f"http://127.0.0.1:{serve(answering(body))}/a.ts")
    assert found.failure is failure, found


async def test_what_is_not_wanted_is_not_judged(serve: Serve) -> None:
    slide, muted = clip(lambda _: 120), clip(tone=0.0)
    assert (await ask(f"http://127.0.0.1:{serve(answering(slide))}/", frozen=False)).success
    assert (await ask(f"http://127.0.0.1:{serve(answering(slide))}/", picture=False)).success
    assert (await ask(f"http://127.0.0.1:{serve(answering(muted))}/", sound=False)).success
    assert (await ask(f"http://127.0.0.1:{serve(answering(clip()))}/", min_fps=40.0)).failure is Failure.STALLED


async def test_dead_addresses_cost_no_decoder(closed_port: int, silent_port: int) -> None:
    refused = await ask(f"rtsp://127.0.0.1:{closed_port}/")
    assert (refused.failure, [name for name, _ in refused.phases]) == (Failure.REFUSED, ["resolve", "connect"])
    silent = await ask(f"rtmp://127.0.0.1:{silent_port}/live/x", timeout_s=WATCH_S + 0.5)
    assert (silent.failure, silent.detail) == (Failure.TIMEOUT, "no answer in phase connect")


@pytest.mark.parametrize("scheme", ["rtsp", "rtmp", "http"])
async def test_a_server_that_says_nothing_is_a_timeout(serve: Serve, scheme: str) -> None:
    found = await ask(f"{scheme}://127.0.0.1:{serve(hold)}/live/x", timeout_s=WATCH_S + 1.5)
    assert (found.failure, found.detail) == (Failure.TIMEOUT, "connected, and no stream came")


def close_at_once(_: socket.socket) -> None:
    """Without a word."""


def other_protocol(sock: socket.socket) -> None:
    sock.sendall(b"SSH-2.0-OpenSSH_9.2\r\n" * 300)


@pytest.mark.parametrize("scheme", ["rtsp", "rtmp", "http"])
@pytest.mark.parametrize("handler", [close_at_once, other_protocol, answering(bytes(range(256)) * 200)])
async def test_what_is_no_stream_fails_for_its_own_fault(serve: Serve, scheme: str, handler: Handler) -> None:
    found = await ask(f"{scheme}://127.0.0.1:{serve(handler)}/live/x", timeout_s=WATCH_S + 2.0)
    wrong = {Failure.RESET, Failure.PROTOCOL, Failure.STALLED, Failure.STATUS, Failure.TIMEOUT}
    assert found.failure in wrong, found


@pytest.mark.parametrize("status", ["404 Not Found", "403 Forbidden", "500 Oops"])
async def test_a_refusal_in_http_is_a_failure_of_status(serve: Serve, status: str) -> None:
    found = await ask(f"http://127.0.0.1:{serve(answering(b'', status))}/a.m3u8")
    assert found.failure is Failure.STATUS, found


async def test_a_stream_that_stops_is_stalled(serve: Serve) -> None:
    body = clip(seconds=1.0)

    def stop_halfway(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + body)
        sock.recv(1)

    address = f"http://127.0.0.1:{serve(stop_halfway)}/a.ts"
    found = await ask(address, timeout_s=4.0, watch_s=2.0)
    assert found.failure is Failure.STALLED, found


@pytest.mark.parametrize("target", ["file:///etc/passwd", "/etc/passwd", "concat:/etc/passwd|/etc/hosts", "data:,x"])
async def test_a_playlist_opens_no_file(serve: Serve, target: str) -> None:
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{target}\n#EXT-X-ENDLIST\n".encode()
    found = await ask(f"http://127.0.0.1:{serve(answering(playlist))}/a.m3u8", timeout_s=WATCH_S + 3.0)
    assert not found.success
    assert found.failure is not Failure.SEND, found


@pytest.mark.parametrize("address", ["file:///etc/passwd", "/etc/passwd", "concat:a|b", "pipe:0", "rtsp://", "udp://h"])
async def test_what_is_no_stream_address_is_named(address: str) -> None:
    found = await ask(address)
    assert found.failure is Failure.RESOLVE
    assert found.detail.startswith("expected rtsp[s]://")


def test_no_scheme_may_read_files() -> None:
    local = {"file", "concat", "data", "pipe", "subfile", "fd", "cache", "async"}
    assert not any(local & set(scheme.protocols.split(",")) for scheme in SCHEMES.values())


def test_a_password_goes_to_the_decoder_alone() -> None:
    source = source_of("rtsp://old:gone@[::1]:8554/a?b=c", "viewer", "p@ss/w:rd", "tcp")
    assert source.url == "rtsp://viewer:p%40ss%2Fw%3Ard@[::1]:8554/a?b=c"
    assert (source.host, source.port) == ("::1", 8554)
    assert source_of("rtmp://10.0.0.1/live/x", "", "", "tcp").port == 1935


async def test_a_certificate_that_is_not_trusted_fails_before_the_decoder(
    serve: Serve, tls: Callable[[int], ssl.SSLContext]
) -> None:
    found = await ask(f"https://localhost:{serve(answering(b''), tls=tls(30))}/a.m3u8")
    assert found.failure is Failure.TLS
    assert [name for name, _ in found.phases] == ["resolve", "connect", "tls"]


async def test_https_is_decoded_where_the_certificate_may_be_any(
    serve: Serve, tls: Callable[[int], ssl.SSLContext]
) -> None:
    address = f"https://localhost:{serve(answering(clip()), tls=tls(30))}/a.ts"
    found = await ask(address, insecure_skip_verify=True)
    assert found.success, found
    assert dict(found.figures)["probe_ssl_earliest_cert_expiry"] > 0


async def test_too_little_time_is_our_own_fault(closed_port: int) -> None:
    found = await ask(f"rtsp://127.0.0.1:{closed_port}/", timeout_s=1.0, watch_s=2.0)
    assert (found.failure, found.detail) == (Failure.SEND, "the timeout is too short to watch 2 s")


async def test_waiting_for_a_decoder_is_our_own_fault(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """All seats are taken: nothing is known of the stream."""
    monkeypatch.setattr(media, "DECODERS", 1)
    address = f"rtsp://127.0.0.1:{serve(hold)}/"
    first = asyncio.create_task(ask(address, timeout_s=WATCH_S + 3.0))
    await asyncio.sleep(0.3)
    second = await ask(address, timeout_s=WATCH_S + 1.0)
    assert (second.failure, second.detail) == (Failure.SEND, "all 1 decoders are busy")
    assert second.phases[-1][0] == "queue"
    assert (await first).failure is Failure.TIMEOUT


async def test_a_cancelled_probe_leaves_nothing_behind(serve: Serve) -> None:
    address = f"rtsp://127.0.0.1:{serve(hold)}/"
    assert (await ask(address, timeout_s=WATCH_S + 0.5)).failure in {Failure.TIMEOUT, Failure.SEND}
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names only
    for delay_s in (0.01, 0.05, 0.5):
        task = asyncio.create_task(ask(address))
        await asyncio.sleep(delay_s)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await asyncio.sleep(0.2)
    assert len(os.listdir("/proc/self/fd")) <= before + 3  # noqa: PTH208 - the server's ends of three connections


SAY = "import sys, os, time; sys.stdin.read(); "


@pytest.mark.parametrize(
    ("program", "failure", "detail"),
    [
        ("os.kill(os.getpid(), 11)", Failure.SEND, "the decoder ended by itself: signal 11"),
        ("sys.exit(3)", Failure.SEND, "the decoder ended by itself: exit status 3"),
        ("print('x' * 100000); time.sleep(60)", Failure.PROTOCOL, "the decoder says a line of more than 1024 bytes"),
        ("time.sleep(60)", Failure.SEND, "the decoder did not start in time"),
    ],
)
async def test_a_decoder_that_dies_or_raves_is_told(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, program: str, failure: Failure, detail: str
) -> None:
    monkeypatch.setattr(child, "COMMAND", (sys.executable, "-I", "-c", SAY + program))
    found = await ask(f"rtsp://127.0.0.1:{serve(hold)}/", timeout_s=WATCH_S + 2.0)
    assert (found.failure, found.detail) == (failure, detail)


async def test_a_picture_too_big_is_not_decoded(serve: Serve) -> None:
    found = await ask(f"http://127.0.0.1:{serve(answering(clip(seconds=0.2, size=4080)))}/", sound=False)
    assert found.failure in {Failure.PROTOCOL, Failure.STALLED}, found


@pytest.mark.parametrize(
    ("error", "number", "failure"),
    [
        ("HTTPUnauthorizedError", 1, Failure.STATUS),
        ("ConnectionRefusedError", 111, Failure.REFUSED),
        ("ConnectionResetError", 104, Failure.RESET),
        ("OSError", 5, Failure.RESET),
        ("EOFError", 541478725, Failure.RESET),
        ("ProtocolNotFoundError", 1330794744, Failure.SEND),
        ("InvalidDataError", 1094995529, Failure.PROTOCOL),
        ("MemoryError", 12, Failure.PROTOCOL),
    ],
)
def test_errors_of_libav_are_told_apart(error: str, number: int, failure: Failure) -> None:
    assert explain(Failed(error, number, "…"))[0] is failure


def test_wanting_neither_is_refused() -> None:
    with pytest.raises(ValueError, match="picture: expected picture or sound to be wanted, got neither"):
        MediaParams(picture=False, sound=False)
    assert KIND.layer is Layer.MEDIA
