"""Whether a stream advances, on servers that behave as badly as a test wants."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from time import monotonic, time

import pytest

from probes.kinds import hls as kind
from probes.kinds.hls import KIND, HlsParams, Memory
from probes.model import Failure, Measurement

Serve = Callable[..., int]
Tls = Callable[[int], ssl.SSLContext]
Certificate = Callable[[int], tuple[Path, Path]]
Pages = dict[str, bytes]
BOUND_S = 5.0
MASTER = b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=900\nhigh/live.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=100\nlow/live.m3u8\n"


def playlist(sequence: int, *segments: str, target: int = 2, more: str = "") -> bytes:
    listed = "".join(f"#EXTINF:{target},\n{segment}\n" for segment in segments)
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-MEDIA-SEQUENCE:{sequence}\n{listed}{more}".encode()


async def ask(address: str, params: HlsParams | None = None, timeout_s: float = BOUND_S) -> Measurement:
    return await KIND.bind(params or HlsParams()).run(address, monotonic() + timeout_s)


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    """Nothing is remembered from another test, whose server may have had the same port."""
    fresh = Memory()
    monkeypatch.setattr(kind, "MEMORY", fresh)
    return fresh


class Site:
    """Pages by path, over kept connections; what was asked is noted."""

    def __init__(self, pages: Pages, headers: str = "") -> None:
        self.pages, self.headers = pages, headers
        self.asked: list[str] = []
        self.moved: dict[str, str] = {}
        """Where else a path is."""
        self.told: set[str] = set()
        """Paths that were asked for with a secret."""
        self.connections = 0

    def __call__(self, sock: socket.socket) -> None:
        """One connection."""
        self.connections += 1
        waiting = b""
        while True:
            while b"\r\n\r\n" not in waiting:
                if not (data := sock.recv(4096)):
                    return
                waiting += data
            request, _, waiting = waiting.partition(b"\r\n\r\n")
            path = request.split()[1].decode()
            self.asked.append(
                path + (" " + request.decode().split("Range: ")[1].splitlines()[0] if b"Range" in request else "")
            )
            if b"X-Key" in request:
                self.told.add(path)
            sock.sendall(self.answer(path))

    def answer(self, path: str) -> bytes:
        """What there is under a path."""
        body = self.pages.get(path)
        status = "200 OK" if body is not None else "404 Not Found"
        if path in self.moved:
            status = f"302 Found\r\nLocation: {self.moved[path]}"
        return f"HTTP/1.1 {status}\r\nContent-Length: {len(body or b'')}\r\n{self.headers}\r\n".encode() + (body or b"")


async def test_a_live_stream_succeeds_and_its_newest_segment_is_measured(serve: Serve) -> None:
    """All requests on one connection."""
    site = Site({"/a/live.m3u8": playlist(7, "7.ts", "8.ts"), "/a/8.ts": b"x" * 5000})
    found = await ask(f"http://127.0.0.1:{serve(site)}/a/live.m3u8")
    assert found.success, found
    figures = dict(found.figures)
    assert figures["probe_hls_media_sequence"] == 8
    assert figures["probe_hls_target_duration_seconds"] == 2
    assert figures["probe_hls_segment_bytes"] == 5000
    assert figures["probe_hls_throughput_bytes_per_second"] > 0
    assert figures["probe_hls_staleness_seconds"] < BOUND_S
    assert (site.asked, site.connections) == (["/a/live.m3u8", "/a/8.ts"], 1)


@pytest.mark.parametrize(("variant", "path"), [("lowest", "/low/live.m3u8"), ("highest", "/high/live.m3u8")])
async def test_a_variant_is_chosen_by_its_bandwidth(serve: Serve, variant: str, path: str) -> None:
    site = Site({"/m.m3u8": MASTER, path: playlist(1, "1.ts"), path.replace("live.m3u8", "1.ts"): b"x"})
    found = await ask(f"http://127.0.0.1:{serve(site)}/m.m3u8", HlsParams(variant=variant))  # type: ignore[arg-type]
    assert found.success, found
    assert path in site.asked
    promised = {"lowest": 100, "highest": 900}[variant] / 8
    assert dict(found.figures)["probe_hls_bandwidth_bytes_per_second"] == promised


async def test_a_secret_stays_with_the_server_of_the_address(serve: Serve) -> None:
    """Whatever its playlist, or a redirect of that, points to."""
    other = Site({"/live.m3u8": playlist(1, "1.ts"), "/1.ts": b"x"})
    away = f"http://127.0.0.1:{serve(other)}/live.m3u8"
    home = Site({"/m.m3u8": f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{away}\n".encode()})
    home.moved["/moved.m3u8"] = away
    port = serve(home)
    params = HlsParams(headers=("X-Key: made-up",))
    for path in ("/m.m3u8", "/moved.m3u8"):
        found = await ask(f"http://127.0.0.1:{port}{path}", params)
        assert found.success, found
    assert home.told == {"/m.m3u8", "/moved.m3u8"}
    assert set(other.asked) == {"/live.m3u8", "/1.ts"}
    assert not other.told


async def test_a_segment_is_followed_to_where_it_was_moved(serve: Serve) -> None:
    """With its range; round and round no more often than max_redirects."""
    more = "#EXTINF:2,\n#EXT-X-BYTERANGE:100@20\nall.ts\n"
    site = Site({"/live.m3u8": playlist(1, more=more), "/cdn/all.ts": b"x" * 100})
    site.moved["/all.ts"] = "/cdn/all.ts"
    address = f"http://127.0.0.1:{serve(site)}/live.m3u8"
    assert (await ask(address)).success
    assert site.asked[-2:] == ["/all.ts bytes=20-119", "/cdn/all.ts bytes=20-119"]
    site.moved["/cdn/all.ts"] = "/all.ts"
    found = await ask(address, HlsParams(max_redirects=3))
    assert found.failure is Failure.STATUS
    assert "more than 3 redirects" in found.detail


async def test_a_segment_is_fetched_once(serve: Serve) -> None:
    site = Site({"/live.m3u8": playlist(1, "1.ts"), "/1.ts": b"x", "/2.ts": b"xx"})
    address = f"http://127.0.0.1:{serve(site)}/live.m3u8"
    await ask(address)
    again = await ask(address)
    assert again.success
    assert "probe_hls_segment_bytes" not in dict(again.figures)
    site.pages["/live.m3u8"] = playlist(1, "1.ts", "2.ts")
    assert dict((await ask(address)).figures)["probe_hls_segment_bytes"] == 2
    assert site.asked.count("/1.ts") == 1


async def test_a_playlist_that_stands_still_is_stalled(serve: Serve) -> None:
    site = Site({"/live.m3u8": playlist(1, "1.ts"), "/1.ts": b"x"})
    address, params = f"http://127.0.0.1:{serve(site)}/live.m3u8", HlsParams(max_staleness_s=0.2)
    assert (await ask(address, params)).success
    await asyncio.sleep(0.3)
    stalled = await ask(address, params)
    assert stalled.failure is Failure.STALLED
    assert "at segment 1" in stalled.detail
    site.pages["/live.m3u8"] = playlist(2, "1.ts")
    assert (await ask(address, params)).success


async def test_the_first_probe_believes_the_servers_own_clock(serve: Serve) -> None:
    """Whatever ours says: an hour between its Date and the playlist's Last-Modified."""
    now = time() - 10_000
    headers = f"Date: {formatdate(now, usegmt=True)}\r\nLast-Modified: {formatdate(now - 3600, usegmt=True)}\r\n"
    found = await ask(f"http://127.0.0.1:{serve(Site({'/l.m3u8': playlist(1, '1.ts')}, headers))}/l.m3u8")
    assert found.failure is Failure.STALLED
    assert "by its server's dates" in found.detail
    assert dict(found.figures)["probe_hls_staleness_seconds"] == pytest.approx(3600, abs=10)


async def test_the_first_probe_believes_the_playlists_dates_where_the_server_has_none(serve: Serve) -> None:
    now = time() - 10_000
    begun = datetime.fromtimestamp(now - 3600 - 2, UTC).isoformat()
    body = playlist(1).replace(b"#EXT-X-MEDIA", f"#EXT-X-PROGRAM-DATE-TIME:{begun}\n#EXT-X-MEDIA".encode())
    site = Site({"/l.m3u8": body + b"#EXTINF:2,\n1.ts\n", "/1.ts": b"x"}, f"Date: {formatdate(now, usegmt=True)}\r\n")
    address = f"http://127.0.0.1:{serve(site)}/l.m3u8"
    found = await ask(address)
    assert found.failure is Failure.STALLED
    assert dict(found.figures)["probe_hls_staleness_seconds"] == pytest.approx(3600, abs=10)
    site.pages["/l.m3u8"] = playlist(2, "1.ts")
    assert (await ask(address)).success, "what is seen to advance outweighs any date"


@pytest.mark.parametrize(
    "changed",
    ["Mon, 01 Jan 9999999999999 00:00:00 GMT", "Mon, 99999999999999999999 Jan 2020 00:00:00 GMT", "1" * 5000, ","],
)
async def test_a_date_of_a_server_may_be_anything(serve: Serve, changed: str) -> None:
    headers = f"Date: {formatdate(usegmt=True)}\r\nLast-Modified: {changed}\r\n"
    site = Site({"/l.m3u8": playlist(1, "1.ts"), "/1.ts": b"x"}, headers)
    assert (await ask(f"http://127.0.0.1:{serve(site)}/l.m3u8")).success


async def test_over_ipv6_and_tls(serve: Serve, tls: Tls, certificate: Certificate) -> None:
    """Playlist and segment; the certificate tells when it runs out."""
    site = Site({"/l.m3u8": playlist(1, "1.ts"), "/1.ts": b"x"})
    port = serve(site, host="::1", tls=tls(30))
    found = await ask(f"https://[::1]:{port}/l.m3u8", HlsParams(ca_file=str(certificate(30)[0])))
    assert found.success, found
    assert dict(found.figures)["probe_ip_protocol"] == 6.0
    assert dict(found.figures)["probe_ssl_earliest_cert_expiry"] > time()


async def test_an_expired_certificate_is_not_accepted(serve: Serve, tls: Tls, certificate: Certificate) -> None:
    port = serve(Site({}), tls=tls(-1))
    found = await ask(f"https://127.0.0.1:{port}/l.m3u8", HlsParams(ca_file=str(certificate(-1)[0])))
    assert (found.failure, found.detail) == (Failure.TLS, "certificate not accepted: certificate has expired")


@pytest.mark.parametrize("path", ["/live.m3u8", "/1.ts"])
async def test_what_never_ends_is_not_read_on(serve: Serve, path: str) -> None:
    """A playlist or a segment without an announced length."""
    site = Site({"/live.m3u8": playlist(1, "1.ts")})

    def endless(sock: socket.socket) -> None:
        while (asked := sock.recv(4096).split()[1].decode()) != path:
            sock.sendall(site.answer(asked))
        sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            sock.sendall(b"8\r\n#EXTM3U\n\r\n" * 1000)

    params = HlsParams(max_body_bytes=200_000, max_segment_bytes=300_000)
    found = await ask(f"http://127.0.0.1:{serve(endless)}/live.m3u8", params)
    assert found.failure is Failure.STATUS
    assert "body bigger than" in found.detail


async def test_low_latency_advances_by_parts_alone(serve: Serve) -> None:
    part = '#EXT-X-PART:DURATION=0.3,URI="2.{}.mp4"\n'
    site = Site({"/live.m3u8": playlist(1, "1.mp4", more=part.format(0)), "/1.mp4": b"x"})
    address, params = f"http://127.0.0.1:{serve(site)}/live.m3u8", HlsParams(max_staleness_s=0.2)
    assert (await ask(address, params)).success
    await asyncio.sleep(0.3)
    site.pages["/live.m3u8"] = playlist(1, "1.mp4", more=part.format(0) + part.format(1))
    assert (await ask(address, params)).success


async def test_a_byte_range_is_asked_for(serve: Serve) -> None:
    more = "#EXTINF:2,\n#EXT-X-BYTERANGE:100@20\nall.ts\n"
    site = Site({"/live.m3u8": playlist(1, more=more), "/all.ts": b"x" * 100})
    assert (await ask(f"http://127.0.0.1:{serve(site)}/live.m3u8")).success
    assert site.asked[-1] == "/all.ts bytes=20-119"


@pytest.mark.parametrize(
    ("pages", "params", "failure", "detail"),
    [
        ({}, {}, Failure.STATUS, "status 404 for /live.m3u8"),
        ({"/live.m3u8": b"<html>"}, {}, Failure.PROTOCOL, "#EXTM3U"),
        ({"/live.m3u8": playlist(1)}, {}, Failure.STALLED, "no segment"),
        ({"/live.m3u8": playlist(1, "1.ts")}, {}, Failure.STATUS, "status 404 for the newest segment /1.ts"),
        ({"/live.m3u8": playlist(1, "1.ts"), "/1.ts": b""}, {}, Failure.STALLED, "is empty"),
        ({"/live.m3u8": playlist(1, "1.ts", more="#EXT-X-ENDLIST\n")}, {}, Failure.STALLED, "has ended"),
        ({"/live.m3u8": playlist(1, "1.ts"), "/1.ts": b"x" * 99}, {"max_segment_bytes": 50}, Failure.STATUS, "bigger"),
        ({"/live.m3u8": b"#EXTM3U\n" + b"#\n" * 900}, {"max_body_bytes": 1000}, Failure.STATUS, "bigger"),
        ({"/live.m3u8": playlist(1, "ftp://x/1.ts")}, {}, Failure.PROTOCOL, "no address"),
        ({"/live.m3u8": MASTER, "/low/live.m3u8": MASTER}, {}, Failure.PROTOCOL, "within a multivariant"),
    ],
)
async def test_what_is_wrong_with_a_stream_is_told(
    serve: Serve, pages: Pages, params: dict[str, int], failure: Failure, detail: str
) -> None:
    found = await ask(f"http://127.0.0.1:{serve(Site(pages))}/live.m3u8", HlsParams(**params))  # type: ignore[arg-type]
    assert (found.success, found.failure) == (False, failure), found
    assert detail in found.detail


async def test_a_recording_may_end_where_none_must_live(serve: Serve) -> None:
    site = Site({"/live.m3u8": playlist(1, "1.ts", more="#EXT-X-ENDLIST\n"), "/1.ts": b"x"})
    assert (await ask(f"http://127.0.0.1:{serve(site)}/live.m3u8", HlsParams(live=False))).success


async def test_a_kept_connection_that_ended_is_opened_anew(serve: Serve) -> None:
    """A server that closes after each answer without saying so."""
    pages = {"/live.m3u8": playlist(1, "1.ts"), "/1.ts": b"x"}

    def once(sock: socket.socket) -> None:
        path = sock.recv(4096).split()[1].decode()
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(pages[path]), pages[path]))

    assert (await ask(f"http://127.0.0.1:{serve(once)}/live.m3u8")).success


async def test_refused_silent_and_half_closed(serve: Serve, closed_port: int, silent_port: int) -> None:
    def half(sock: socket.socket) -> None:
        sock.recv(4096)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n#EXTM3U\n")

    assert (await ask(f"http://127.0.0.1:{closed_port}/")).failure is Failure.REFUSED
    assert (await ask(f"http://127.0.0.1:{silent_port}/", timeout_s=0.3)).failure is Failure.TIMEOUT
    assert (await ask(f"http://127.0.0.1:{serve(half)}/")).failure is Failure.RESET
    assert (await ask("nonsense://x")).failure is Failure.RESOLVE


async def test_a_segment_that_drips_ends_at_the_deadline(serve: Serve) -> None:
    def drip(sock: socket.socket) -> None:
        pages = {"/live.m3u8": playlist(1, "1.ts")}
        path = sock.recv(4096).split()[1].decode()
        if path in pages:
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(pages[path]), pages[path]))
            sock.recv(4096)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nx")
        sock.recv(1)

    begun = monotonic()
    found = await ask(f"http://127.0.0.1:{serve(drip)}/live.m3u8", timeout_s=0.5)
    assert found.failure is Failure.TIMEOUT
    assert monotonic() - begun < BOUND_S


def test_the_memory_is_bounded_and_forgets_what_was_asked_least_lately() -> None:
    memory = Memory(2)
    for number, name in enumerate(("a", "b", "a", "c")):
        memory.look((name, HlsParams()), (1, 0), 0.0, float(number))
    assert len(memory) == 2
    assert memory.look(("a", HlsParams()), (1, 0), 0.0, 9.0).advanced_at == 0.0
    assert memory.look(("b", HlsParams()), (1, 0), 0.0, 9.0).advanced_at == 9.0
