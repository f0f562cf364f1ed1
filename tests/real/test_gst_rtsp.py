"""GStreamer's RTSP server: a camera's picture and sound, passwords, TLS."""

import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest

from probes.kinds.rtsp import KIND, RtspParams
from probes.model import Failure, Measurement

SERVER = Path(__file__).with_name("gst_rtsp_server.py")
PLAY = RtspParams(ask="play", play_s=1.0)

Start = Callable[..., int]


@pytest.fixture
def start(program: Callable[[str], Path], tmp_path: Path) -> Iterator[Start]:
    """``start("--auth", "user:password")``: the port of a server that listens; it ends with the test."""
    program("python3")
    running: list[subprocess.Popen[str]] = []

    def begin(*options: str) -> int:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
        # Debian's own Python, which has its GObject introspection.
        command = ["/usr/bin/python3", str(SERVER), "--port", str(port), *options]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        assert running[-1].stdout is not None
        told = running[-1].stdout.readline()
        assert told == "listening\n", running[-1].communicate()[1]
        return port

    yield begin
    for process in running:
        process.send_signal(signal.SIGKILL)
        process.communicate()


@pytest.fixture
def certificate(program: Callable[[str], Path], tmp_path: Path) -> Path:
    """Certificate and key in one file, for a day."""
    made, key = tmp_path / "server.pem", tmp_path / "key.pem"
    command = [program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=cam"]
    subprocess.run([*command, "-keyout", key, "-out", made], check=True, capture_output=True)
    made.write_text(made.read_text() + key.read_text())
    return made


async def ask(address: str, params: RtspParams | None = None) -> Measurement:
    return await KIND.bind(params or RtspParams()).run(address, monotonic() + 8.0)


async def test_a_camera_is_described_and_played(start: Start) -> None:
    port = start()
    address = f"rtsp://127.0.0.1:{port}/live"
    assert (await ask(address, RtspParams(ask="options"))).success
    assert dict((await ask(address)).figures)["probe_rtsp_tracks"] == 2
    found = await ask(address, PLAY)
    assert found.success, found
    figures = dict(found.figures)
    assert figures["probe_rtsp_packets"] > 30
    assert figures["probe_rtsp_bytes_per_second"] > 10_000
    assert figures["probe_rtsp_loss_ratio"] == 0
    missing = await ask(f"rtsp://127.0.0.1:{port}/none", PLAY)
    assert (missing.failure, dict(missing.figures)["probe_rtsp_status_code"]) == (Failure.STATUS, 404)


async def test_a_still_picture_without_sound_is_one_track_that_comes(start: Start) -> None:
    """Packets tell nothing of what is in them: that is for kind media."""
    port = start("--pattern", "black", "--frozen", "--audio", "none")
    found = await ask(f"rtsp://127.0.0.1:{port}/live", PLAY)
    assert found.success, found
    assert dict(found.figures)["probe_rtsp_tracks"] == 1


@pytest.mark.parametrize("basic", [False, True])
async def test_a_password_is_asked_for_and_told(start: Start, basic: bool, tmp_path: Path) -> None:  # noqa: FBT001
    """By digest, and readable where that is allowed; from a file as well."""
    port = start("--auth", "viewer:p@ss", *(["--basic"] if basic else []))
    address = f"rtsp://127.0.0.1:{port}/live"
    (tmp_path / "secret").write_text("p@ss\n")
    known = RtspParams(ask="play", username="viewer", password_file=str(tmp_path / "secret"), allow_basic=basic)
    assert (await ask(address, known)).success
    assert (await ask(address)).failure is Failure.STATUS
    wrong = RtspParams(username="viewer", password="guess", allow_basic=basic)  # noqa: S106
    assert (await ask(address, wrong)).failure is Failure.STATUS


async def test_over_tls(start: Start, certificate: Path) -> None:
    port = start("--certificate", str(certificate))
    address = f"rtsps://127.0.0.1:{port}/live"
    found = await ask(address, RtspParams(ask="play", insecure_skip_verify=True))
    assert found.success, found
    assert "probe_ssl_earliest_cert_expiry" in dict(found.figures)
    assert (await ask(address)).failure is Failure.TLS


async def test_over_ipv6(start: Start) -> None:
    port = start("--address", "::1")
    found = await ask(f"rtsp://[::1]:{port}/live", PLAY)
    assert found.success, found
    assert dict(found.figures)["probe_ip_protocol"] == 6
