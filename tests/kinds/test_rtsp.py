"""RTSP servers that behave as badly as a test wants; the real one is GStreamer's."""

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import Callable
from time import monotonic, sleep

import pytest

from probes.codecs import digest
from probes.kinds.rtsp import KIND, RtspParams, controlled
from probes.model import Failure, Measurement

Serve = Callable[..., int]
BOUND_S = 5.0
SDP = b"""v=0
m=video 0 RTP/AVP 96
a=rtpmap:96 H264/90000
a=control:track=0
m=audio 0 RTP/AVP 8
a=control:track=1
"""
PLAY = RtspParams(ask="play", play_s=0.3)


async def ask(address: str, params: RtspParams | None = None, timeout_s: float = BOUND_S) -> Measurement:
    return await KIND.bind(params or RtspParams()).run(address, monotonic() + timeout_s)


def soon(so: Callable[[], bool]) -> bool:
    """Whether it becomes so, in the threads of the servers, within the bound."""
    until = monotonic() + BOUND_S
    while not so() and monotonic() < until:
        sleep(0.01)
    return so()


def frame(channel: int, sequence: int) -> bytes:
    packet = struct.pack(">BBHII", 0x80, 96, sequence, sequence * 1800, 7) + b"x" * 100
    return struct.pack(">BBH", 0x24, channel, len(packet)) + packet


class Camera:
    """Answers as a camera does; a test spoils what it wants."""

    def __init__(
        self,
        *,
        channels: tuple[int, ...] = (0, 2),
        lose: int = 0,
        sdp: bytes = SDP,
        between: bytes = b"",
        headers: str = "",
        packets: int = 100,
    ) -> None:
        self.channels, self.lose, self.sdp, self.between = channels, lose, sdp, between
        self.headers, self.packets = headers, packets
        self.asked: list[str] = []
        self.requests: list[str] = []

    def __call__(self, sock: socket.socket) -> None:
        """One connection."""
        waiting = b""
        while True:
            while b"\r\n\r\n" not in waiting:
                if not (data := sock.recv(4096)):
                    return
                waiting += data
            request, _, waiting = waiting.partition(b"\r\n\r\n")
            if self.answer(sock, request.decode()) == "PLAY":
                self.play(sock)

    def answer(self, sock: socket.socket, request: str) -> str:
        """One answer."""
        method, uri = request.split()[:2]
        cseq = request.partition("CSeq: ")[2].split()[0]
        self.asked.append(f"{method} {uri}")
        self.requests.append(request)
        body = self.sdp if method == "DESCRIBE" else b""
        told = f"CSeq: {cseq}\r\nSession: 77;timeout=60\r\n{self.headers}Content-Length: {len(body)}\r\n\r\n"
        sock.sendall(f"RTSP/1.0 200 OK\r\n{told}".encode() + body)
        return method

    def play(self, sock: socket.socket) -> None:
        """Packets each 10 ms, of each channel."""
        for number in range(self.packets):
            for channel in self.channels:
                if not self.lose or number % self.lose:
                    sock.sendall(frame(channel, number) + self.between)
            sleep(0.01)


async def test_options_and_describe(serve: Serve) -> None:
    camera = Camera()
    port = serve(camera)
    found = await ask(f"rtsp://127.0.0.1:{port}/live", RtspParams(ask="options"))
    assert found.success, found
    assert [name for name, _ in found.phases] == ["resolve", "connect", "options"]
    described = await ask(f"rtsp://127.0.0.1:{port}/live")
    assert dict(described.figures)["probe_rtsp_tracks"] == 2


async def test_play_sets_up_every_track_and_counts_what_comes(serve: Serve) -> None:
    camera = Camera()
    port = serve(camera)
    found = await ask(f"rtsp://127.0.0.1:{port}/live", PLAY)
    assert found.success, found
    base = f"rtsp://127.0.0.1:{port}/live"
    assert camera.asked[:4] == [f"DESCRIBE {base}", f"SETUP {base}/track=0", f"SETUP {base}/track=1", f"PLAY {base}"]
    assert "Session: 77" in camera.requests[2]
    assert "interleaved=2-3" in camera.requests[2]
    figures = dict(found.figures)
    assert figures["probe_rtsp_packets"] > 10
    assert figures["probe_rtsp_bytes_per_second"] > 1000
    assert figures["probe_rtsp_loss_ratio"] == 0


async def test_loss_is_counted_and_judged_where_it_is_to_be(serve: Serve) -> None:
    port = serve(Camera(lose=4))
    lossy = await ask(f"rtsp://127.0.0.1:{port}/", PLAY)
    assert dict(lossy.figures)["probe_rtsp_loss_ratio"] == pytest.approx(0.25, abs=0.1)
    judged = await ask(f"rtsp://127.0.0.1:{port}/", RtspParams(ask="play", play_s=0.3, max_loss_ratio=0.1))
    assert judged.failure is Failure.STATUS
    thin = await ask(f"rtsp://127.0.0.1:{port}/", RtspParams(ask="play", play_s=0.3, min_bytes_per_second=1e9))
    assert thin.failure is Failure.STATUS


@pytest.mark.parametrize(
    ("camera", "failure", "detail"),
    [
        (Camera(channels=()), Failure.STALLED, "plays, and sends nothing"),
        (Camera(channels=(0,)), Failure.STALLED, "1 of 2 tracks"),
        (Camera(sdp=b"<html>"), Failure.PROTOCOL, "v="),
        (Camera(sdp=b"v=0\r\nm=application 0 RTP/AVP 107\r\n"), Failure.STATUS, "neither picture nor sound"),
        (Camera(between=b"garbage"), Failure.PROTOCOL, "no RTSP"),
    ],
)
async def test_what_is_wrong_with_a_stream_is_told(serve: Serve, camera: Camera, failure: Failure, detail: str) -> None:
    found = await ask(f"rtsp://127.0.0.1:{serve(camera)}/live", PLAY, timeout_s=1.5)
    assert (found.success, found.failure) == (False, failure), found
    assert detail in found.detail


@pytest.mark.parametrize("spoilt", ["a=control:rtsp://[::1", "a=control:\\\0[", "a=control:\ufffd://"])
async def test_an_address_of_a_track_that_is_none_lets_nothing_out(serve: Serve, spoilt: str) -> None:
    """Whatever a server makes of its tracks' addresses: it is asked there, or that cannot be asked."""
    camera = Camera(channels=(), sdp=f"v=0\nm=video 0 RTP/AVP 96\n{spoilt}\n".encode())
    found = await ask(f"rtsp://127.0.0.1:{serve(camera)}/", PLAY, timeout_s=0.5)
    assert found.failure in {Failure.STALLED, Failure.PROTOCOL}, found
    base = Camera(channels=(), headers="Content-Base: rtsp://[x/\r\n")
    assert (await ask(f"rtsp://127.0.0.1:{serve(base)}/", PLAY, timeout_s=0.5)).failure is Failure.STALLED


async def test_packets_are_counted_on_the_channel_that_the_server_chose(serve: Serve) -> None:
    sdp = b"v=0\nm=video 0 RTP/AVP 96\na=control:t\n"
    chosen = Camera(channels=(6,), sdp=sdp, headers="Transport: RTP/AVP/TCP;unicast;interleaved=6-7\r\n")
    found = await ask(f"rtsp://127.0.0.1:{serve(chosen)}/", PLAY)
    assert found.success, found


async def test_a_stream_that_ends_does_not_hold_the_probe_until_its_deadline(serve: Serve) -> None:
    """Three packets of each track, and then none."""
    found = await ask(f"rtsp://127.0.0.1:{serve(Camera(packets=3))}/", PLAY, timeout_s=60.0)
    assert dict(found.figures)["probe_rtsp_packets"] == 6
    assert found.duration_s < 30.0


async def test_the_session_is_torn_down_also_where_nothing_came(serve: Serve) -> None:
    camera = Camera(channels=())
    assert (await ask(f"rtsp://127.0.0.1:{serve(camera)}/", PLAY, timeout_s=0.5)).failure is Failure.STALLED
    assert soon(lambda: camera.asked[-1].startswith("TEARDOWN "))


async def test_a_server_that_closes_its_half_while_it_plays_has_cut_it(serve: Serve) -> None:
    class Leaving(Camera):
        def play(self, sock: socket.socket) -> None:
            super().play(sock)
            sock.shutdown(socket.SHUT_WR)

    found = await ask(f"rtsp://127.0.0.1:{serve(Leaving(packets=2))}/", RtspParams(ask="play", play_s=3.0))
    assert found.failure is Failure.RESET, found


async def test_packets_without_end_before_an_answer_do_not_hold_the_loop(serve: Serve) -> None:
    """The deadline ends it, however fast they come."""

    def flood(sock: socket.socket) -> None:
        while True:
            sock.sendall(b"$\0\0\0" * 4096)

    begun = monotonic()
    assert (await ask(f"rtsp://127.0.0.1:{serve(flood)}/", timeout_s=0.3)).failure is Failure.TIMEOUT
    assert monotonic() - begun < BOUND_S


async def test_to_go_on_is_no_answer(serve: Serve) -> None:
    """RFC 2326, section 11.1: 100 comes before it."""

    def provisional(sock: socket.socket) -> None:
        sock.recv(4096)
        sock.sendall(b"RTSP/1.0 100 Continue\r\nCSeq: 1\r\n\r\nRTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n")
        sock.recv(1)

    assert (await ask(f"rtsp://127.0.0.1:{serve(provisional)}/", RtspParams(ask="options"))).success


async def test_a_cancelled_probe_leaves_no_socket_open(serve: Serve) -> None:
    port = serve(Camera(channels=()))
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names only
    task = asyncio.create_task(ask(f"rtsp://127.0.0.1:{port}/", PLAY))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # The server's end is in this process too, and its thread closes it a little later.
    assert soon(lambda: len(os.listdir("/proc/self/fd")) == before)  # noqa: PTH208


def challenge(sock: socket.socket) -> None:
    """Wants a password by digest, and checks it."""
    asked = digest.read('Digest realm="cam", nonce="abc"')
    while data := sock.recv(4096):
        request = data.decode()
        method, uri = request.split()[:2]
        good = digest.respond(asked, method, uri, "viewer", "secret", "")
        status = (
            "200 OK" if good in request else '401 Unauthorized\r\nWWW-Authenticate: Digest realm="cam", nonce="abc"'
        )
        cseq = request.partition("CSeq: ")[2].split()[0]
        sock.sendall(f"RTSP/1.0 {status}\r\nCSeq: {cseq}\r\n\r\n".encode())


async def test_a_password_is_told_when_it_is_asked_for(serve: Serve) -> None:
    address = f"rtsp://127.0.0.1:{serve(challenge)}/"
    assert (await ask(address, RtspParams(ask="options", username="viewer", password="secret"))).success  # noqa: S106
    wrong = await ask(address, RtspParams(ask="options", username="viewer", password="guess"))  # noqa: S106
    assert wrong.failure is Failure.STATUS
    assert "401" in wrong.detail
    assert "guess" not in wrong.detail
    assert (await ask(address, RtspParams(ask="options"))).failure is Failure.STATUS


async def test_a_password_is_not_sent_readable_unless_that_is_allowed(serve: Serve) -> None:
    heard: list[bytes] = []

    def basic(sock: socket.socket) -> None:
        while data := sock.recv(4096):
            heard.append(data)
            cseq = data.decode().partition("CSeq: ")[2].split()[0]
            told = "200 OK" if b"Basic " in data else '401 No\r\nWWW-Authenticate: Basic realm="r"'
            sock.sendall(f"RTSP/1.0 {told}\r\nCSeq: {cseq}\r\n\r\n".encode())

    address = f"rtsp://127.0.0.1:{serve(basic)}/"
    refused = await ask(address, RtspParams(ask="options", username="u", password="p"))  # noqa: S106
    assert "allow_basic" in refused.detail
    assert not any(b"Authorization" in data for data in heard)
    assert (await ask(address, RtspParams(ask="options", username="u", password="p", allow_basic=True))).success  # noqa: S106


async def test_over_tls_with_its_certificates_date(serve: Serve, tls: Callable[[int], ssl.SSLContext]) -> None:
    port = serve(Camera(), tls=tls(30))
    found = await ask(f"rtsps://127.0.0.1:{port}/", RtspParams(insecure_skip_verify=True))
    assert found.success, found
    assert "probe_ssl_earliest_cert_expiry" in dict(found.figures)
    assert (await ask(f"rtsps://127.0.0.1:{port}/")).failure is Failure.TLS


async def test_refused_silent_cut_and_something_else(serve: Serve, closed_port: int, silent_port: int) -> None:
    def cut(sock: socket.socket) -> None:
        sock.recv(4096)
        sock.sendall(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Le")

    def web(sock: socket.socket) -> None:
        sock.recv(4096)
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        sock.recv(1)

    def shell(sock: socket.socket) -> None:
        sock.sendall(b"SSH-2.0-OpenSSH\r\n")
        sock.recv(4096)
        sock.recv(1)

    assert (await ask(f"rtsp://127.0.0.1:{closed_port}/")).failure is Failure.REFUSED
    assert (await ask(f"rtsp://127.0.0.1:{silent_port}/", timeout_s=0.3)).failure is Failure.TIMEOUT
    assert (await ask(f"rtsp://127.0.0.1:{serve(cut)}/")).failure is Failure.RESET
    assert (await ask(f"rtsp://127.0.0.1:{serve(web)}/")).failure is Failure.PROTOCOL
    assert (await ask(f"rtsp://127.0.0.1:{serve(shell)}/")).failure is Failure.PROTOCOL


async def test_an_answer_that_drips_ends_at_the_deadline(serve: Serve) -> None:
    def drip(sock: socket.socket) -> None:
        while True:
            sock.sendall(b"R")
            sleep(0.05)

    begun = monotonic()
    assert not (await ask(f"rtsp://127.0.0.1:{serve(drip)}/", timeout_s=0.5)).success
    assert monotonic() - begun < BOUND_S


@pytest.mark.parametrize(
    ("address", "detail"),
    [
        ("http://127.0.0.1/", "expected rtsp://"),
        ("127.0.0.1", "expected rtsp://"),
        ("rtsp://user:secret@127.0.0.1/", "set username"),
        ("rtsp://127.0.0.1:99999/", "expected rtsp://"),
        ("rtsp://127.0.0.1/\r\nX: y", "Connection refused"),
    ],
)
async def test_an_address_that_is_none_is_told(address: str, detail: str) -> None:
    found = await ask(address)
    assert not found.success
    assert detail in found.detail or found.failure is Failure.REFUSED
    assert "secret" not in found.detail


@pytest.mark.parametrize(
    ("base", "control", "uri"),
    [
        ("rtsp://x/live", "*", "rtsp://x/live"),
        ("rtsp://x/live", "", "rtsp://x/live"),
        ("rtsp://x/live", "track=1", "rtsp://x/live/track=1"),
        ("rtsp://x/live/", "track=1", "rtsp://x/live/track=1"),
        ("rtsp://x/live", "rtsp://y/1", "rtsp://y/1"),
        ("rtsp://x/live", "/track=1", "rtsp://x/live/track=1"),
        ("rtsps://x/live", "track=1", "rtsps://x/live/track=1"),
        ("rtsp://x/cam?channel=1&subtype=0", "trackID=0", "rtsp://x/cam?channel=1&subtype=0/trackID=0"),
        ("rtsp://[x/", "rtsp://[y", "rtsp://[y"),
    ],
)
def test_where_a_track_is_controlled(base: str, control: str, uri: str) -> None:
    assert controlled(base, control) == uri
