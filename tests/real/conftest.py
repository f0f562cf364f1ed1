"""Real servers of streams: nginx with its RTMP module, which also makes HLS, and ffmpeg that feeds it."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from urllib.request import urlopen

import pytest

PATIENCE_S = 30.0
"""A server or a stream that is not there by then never comes."""
TEST_PICTURE = "testsrc=size=320x180:rate=15"
TEST_SOUND = "sine=frequency=440"
BUILTIN_MODULES = Path("/usr/lib/nginx/modules")

NGINX = """
load_module {modules}/ngx_rtmp_module.so;
user {user};
worker_processes 1;
pid nginx.pid;
error_log stderr notice;
events {{ worker_connections 1024; }}
rtmp {{
    server {{
        listen 127.0.0.1:{rtmp};
        listen [::1]:{rtmp};
        application live {{ live on; idle_streams {idle}; {hls} }}
        application closed {{ live on; deny play all; }}
    }}
}}
http {{
    access_log off;
    types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; text/xml xml; }}
    client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
    server {{
        listen 127.0.0.1:{http};
        location /stat {{ rtmp_stat all; }}
        location /hls/ {{ alias {folder}/hls/; add_header Cache-Control no-cache; }}
    }}
}}
"""
HLS = "hls on; hls_path {folder}/hls; hls_fragment 1s; hls_playlist_length 6s;"


class RtmpServer:
    """nginx-rtmp on ports of its own: applications ``live`` (which also makes HLS) and ``closed`` (nobody may play)."""

    def __init__(self, nginx: Path, ffmpeg: Path, folder: Path, *, idle_streams: bool, hls: bool) -> None:
        self.folder, self.hls_folder, self._ffmpeg = folder, folder / "hls", ffmpeg
        self.rtmp_port, self.http_port = free_ports(2)
        self.url = f"rtmp://127.0.0.1:{self.rtmp_port}/live"
        """Where to publish and play, without the stream's name."""
        self.hls_url = f"http://127.0.0.1:{self.http_port}/hls"
        """Where ``<name>.m3u8`` is."""
        self.hls_folder.mkdir(parents=True)
        self._configure(idle_streams=idle_streams, hls=hls)
        command = (nginx, "-p", folder, "-c", "nginx.conf", "-g", "daemon off;")
        self.process = started(command, folder / "nginx.log")

    def _configure(self, *, idle_streams: bool, hls: bool) -> None:
        text = NGINX.format(
            modules=BUILTIN_MODULES,
            user="root" if os.geteuid() == 0 else "nobody",
            rtmp=self.rtmp_port,
            http=self.http_port,
            idle="on" if idle_streams else "off",
            hls=HLS.format(folder=self.folder) if hls else "",
            folder=self.folder,
        )
        (self.folder / "nginx.conf").write_text(text)

    def wait(self) -> None:
        """Until it listens."""
        until(lambda: listens(self.rtmp_port) and listens(self.http_port), self.folder / "nginx.log")

    def publishing(self) -> set[str]:
        """Names of the streams that somebody publishes now."""
        with urlopen(f"http://127.0.0.1:{self.http_port}/stat", timeout=PATIENCE_S) as answer:
            streams = answer.read().decode().split("<stream>")[1:]
        return {one.partition("<name>")[2].partition("</name>")[0] for one in streams if "<publishing/>" in one}

    @contextmanager
    def publish(
        self, name: str, *, video: str = TEST_PICTURE, audio: str = TEST_SOUND
    ) -> Iterator["subprocess.Popen[bytes]"]:
        """Ffmpeg publishes lavfi sources (empty: none) as H.264 and AAC under this name; killed at the end."""
        with publishing(self._ffmpeg, f"{self.url}/{name}", self.folder / f"{name}.log", video, audio) as process:
            until(lambda: name in self.publishing(), self.folder / f"{name}.log")
            yield process

    def stop(self) -> None:
        """End it and its workers."""
        stop(self.process)


@contextmanager
def publishing(
    ffmpeg: Path, url: str, log: Path, video: str = TEST_PICTURE, audio: str = TEST_SOUND
) -> Iterator["subprocess.Popen[bytes]"]:
    """Ffmpeg sends lavfi sources to an RTMP address in real time, a key frame each second."""
    sources = [source for source in (video, audio) if source]
    inputs = [word for source in sources for word in ("-re", "-f", "lavfi", "-i", source)]
    picture = ("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p")
    keys = ("-force_key_frames", "expr:gte(t,n_forced)")
    coded = (*picture, *keys, "-threads", "1") if video else ()
    process = started((ffmpeg, "-nostdin", "-v", "warning", *inputs, *coded, "-c:a", "aac", "-f", "flv", url), log)
    try:
        yield process
    finally:
        stop(process, signal.SIGKILL)


def started(command: tuple[str | Path, ...], log: Path) -> "subprocess.Popen[bytes]":
    """A process in a session of its own, its output in a file."""
    with log.open("wb") as output:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)


def stop(process: "subprocess.Popen[bytes]", how: signal.Signals = signal.SIGTERM) -> None:
    """End a process and all of its session."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, how)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def until(condition: Callable[[], bool], log: Path) -> None:
    """Wait for it, generously; where it never comes, the log says why."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, log.read_text(errors="replace")[-4000:]
        time.sleep(0.05)


def listens(port: int) -> bool:
    """Whether a port of 127.0.0.1 accepts."""
    try:
        socket.create_connection(("127.0.0.1", port), PATIENCE_S).close()
    except OSError:
        return False
    return True


def free_ports(count: int) -> list[int]:
    """Ports on which nothing listens now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(sock.getsockname()[1]) for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


@pytest.fixture
def rtmp_servers(program: Callable[[str], Path], tmp_path: Path) -> Iterator[Callable[..., RtmpServer]]:
    """``rtmp_servers(idle_streams=False, hls=True)``: nginx-rtmp, listening; ended with the test."""
    nginx, ffmpeg, running = program("nginx"), program("ffmpeg"), list[RtmpServer]()

    def start(*, idle_streams: bool = True, hls: bool = True) -> RtmpServer:
        folder = tmp_path / f"nginx{len(running)}"
        running.append(RtmpServer(nginx, ffmpeg, folder, idle_streams=idle_streams, hls=hls))
        running[-1].wait()
        return running[-1]

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def rtmp_server(rtmp_servers: Callable[..., RtmpServer]) -> RtmpServer:
    """nginx-rtmp as it comes: ``.url``, ``.hls_url``, ``.hls_folder``, ``.publish(name, video=…, audio=…)``."""
    return rtmp_servers()


@pytest.fixture
def publisher(
    program: Callable[[str], Path], tmp_path: Path
) -> Callable[..., AbstractContextManager["subprocess.Popen[bytes]"]]:
    """Have ffmpeg publish to any RTMP address for as long as a ``with`` lasts: from url, video and audio."""
    ffmpeg = program("ffmpeg")

    def publish(
        url: str, *, video: str = TEST_PICTURE, audio: str = TEST_SOUND
    ) -> AbstractContextManager["subprocess.Popen[bytes]"]:
        return publishing(ffmpeg, url, tmp_path / "ffmpeg.log", video, audio)

    return publish
