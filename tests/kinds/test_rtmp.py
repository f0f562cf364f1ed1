"""The rtmp kind against servers that a test scripts, written in the codec's own words; nginx is in tests/real."""

import asyncio
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain, repeat
from pathlib import Path
from threading import Event

import msgspec
import pytest

from probes.codecs import amf0, rtmp
from probes.codecs.rtmp import Message, Type
from probes.dial import Miss
from probes.kinds.rtmp import KIND, RtmpParams, Url, url_of
from probes.model import Failure, Layer, Measurement

Serve = Callable[..., int]
BOUND_S = 8.0
"""More than any answer here takes on a busy machine."""
SHORT_S = 0.6
"""How long a test waits for what never comes."""
STREAM = 7
PICTURE, SOUND = (Type.VIDEO, b"\x17\x01\0\0\0" + bytes(300)), (Type.AUDIO, b"\xaf\x01" + bytes(60))
PICTURE_HEADER, SOUND_HEADER = (Type.VIDEO, b"\x17\x00\0\0\0" + bytes(40)), (Type.AUDIO, b"\xaf\x00\x11\x90")
META_DATA = (Type.DATA, amf0.encode("onMetaData", {"width": 320.0}))
HELLO = b"\x03" + bytes(2 * rtmp.HANDSHAKE_BYTES)


class Peer:
    """A server's side of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._chunks = rtmp.Chunks()
        self._messages: list[Message] = []
        self.application: amf0.Value = None
        """What connect said of it."""

    def shake_hands(self) -> None:
        """C0 and C1, S0 to S2, C2."""
        hello = self._exactly(1 + rtmp.HANDSHAKE_BYTES)
        self.sock.sendall(b"\x03" + bytes(rtmp.HANDSHAKE_BYTES) + hello[1:])
        assert self._exactly(rtmp.HANDSHAKE_BYTES) == bytes(rtmp.HANDSHAKE_BYTES)

    def message(self) -> Message:
        """The next one."""
        while not self._messages:
            if not (data := self.sock.recv(4096)):
                raise ConnectionResetError
            self._messages += self._chunks.feed(data)
        return self._messages.pop(0)

    def command(self) -> rtmp.Command:
        """The next message that is one."""
        while (command := rtmp.read_command(self.message())) is None:
            pass
        return command

    def say(self, *values: amf0.Value, stream_id: int = 0) -> None:
        """Give a command or an answer."""
        self.send((Type.COMMAND, amf0.encode(*values)), stream_id)

    def status(self, code: str, level: str = "status", description: str = "") -> None:
        """Of the stream."""
        self.say("onStatus", 0.0, None, {"level": level, "code": code, "description": description}, stream_id=STREAM)

    def send(self, message: tuple[int, bytes], stream_id: int = STREAM) -> None:
        """Any message."""
        self.sock.sendall(rtmp.write(5, message[0], message[1], stream_id))

    def hold(self) -> None:
        """Wait until the probe is done; it hangs up with a reset when it has not read everything."""
        with suppress(ConnectionError):
            while self.sock.recv(4096):
                pass

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            if not (more := self.sock.recv(count - len(data))):
                raise ConnectionResetError
            data += more
        return data


Script = Callable[[Peer], None]


def accepts(peer: Peer) -> rtmp.Command:
    """Handshake and application; what was asked."""
    peer.shake_hands()
    asked = rtmp.read_command(message := peer.message())
    peer.send((Type.WINDOW_SIZE, (2000).to_bytes(4, "big")), 0)
    peer.send((Type.SET_CHUNK_SIZE, (128).to_bytes(4, "big")), 0)
    peer.say("onBWDone", 0.0, None)
    peer.say("_result", 1.0, {"fmsVer": "test"}, {"level": "status", "code": "NetConnection.Connect.Success"})
    peer.application = amf0.decode(message.payload)[2]
    assert asked is not None
    return asked


def plays(*messages: tuple[int, bytes], start: bool = True, endless: Iterable[tuple[int, bytes]] = ()) -> Script:
    """A server with a stream that brings these messages."""

    def script(peer: Peer) -> None:
        accepts(peer)
        assert peer.command().name == "createStream"
        peer.say("_result", 2.0, None, float(STREAM))
        assert peer.command().arguments == ("name", -1000.0)
        if start:
            peer.status("NetStream.Play.Reset")
            peer.status("NetStream.Play.Start")
        for message in chain(messages, endless):
            peer.send(message)
        peer.hold()

    return script


def answers_play(code: str, level: str, description: str = "") -> Script:
    """A server that says this when it is asked for the stream."""

    def script(peer: Peer) -> None:
        accepts(peer)
        peer.command()
        peer.say("_result", 2.0, None, float(STREAM))
        peer.command()
        peer.status(code, level, description)
        peer.hold()

    return script


@pytest.fixture
def server(serve: Serve) -> Callable[..., str]:
    """Start a server with a script or raw handler; its address without the application."""

    def start(script: Script, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> str:
        port = serve(lambda sock: script(Peer(sock)), host=host, tls=tls)
        return f"rtmp{'s' if tls else ''}://{f'[{host}]' if ':' in host else host}:{port}"

    return start


Server = Callable[..., str]


async def ask(address: str, timeout_s: float = BOUND_S, **params: object) -> Measurement:
    deadline = asyncio.get_running_loop().time() + timeout_s
    return await KIND.bind(msgspec.convert(params, RtmpParams)).run(address, deadline)


def phases(found: Measurement) -> list[str]:
    return [name for name, _ in found.phases]


# What succeeds


async def test_an_application_that_is_accepted_proves_signalling(server: Server) -> None:
    """Without a stream nothing is played, and nothing is said of one."""

    def script(peer: Peer) -> None:
        assert accepts(peer).name == "connect"
        assert isinstance(peer.application, dict)
        assert (peer.application["app"], peer.application["tcUrl"]) == ("live", f"{address}/live")
        peer.hold()

    address = server(script)
    found = await ask(f"{address}/live")
    assert found.success, found.detail
    assert phases(found) == ["resolve", "connect", "handshake", "command"]
    assert dict(found.figures) == {"probe_ip_protocol": 4.0}


@pytest.mark.parametrize("frame", [PICTURE, SOUND], ids=["picture", "sound"])
async def test_a_frame_proves_that_the_stream_is_published(server: Server, frame: tuple[int, bytes]) -> None:
    found = await ask(server(plays(META_DATA, PICTURE_HEADER, SOUND_HEADER, frame)) + "/live/name")
    assert found.success, found.detail
    assert phases(found) == ["resolve", "connect", "handshake", "command", "play", "media"]
    figures = dict(found.figures)
    assert figures["probe_rtmp_published"] == 1.0
    assert 0.0 < figures["probe_rtmp_first_media_seconds"] < found.duration_s


async def test_media_without_a_word_before_it_will_do(server: Server) -> None:
    """Some servers send no NetStream.Play.Start."""
    found = await ask(server(plays(PICTURE, start=False)) + "/live/name")
    assert found.success, found.detail
    assert dict(found.figures)["probe_rtmp_published"] == 1.0


async def test_as_many_frames_as_wanted_are_waited_for(server: Server) -> None:
    address = server(plays(PICTURE, SOUND, PICTURE)) + "/live/name"
    assert (await ask(address, frames=3)).success
    assert (await ask(address, SHORT_S, frames=4)).failure is Failure.STALLED


async def test_without_frames_the_servers_word_will_do(server: Server) -> None:
    found = await ask(server(plays()) + "/live/name", frames=0)
    assert found.success, found.detail
    assert "probe_rtmp_first_media_seconds" not in dict(found.figures)


async def test_a_server_that_writes_byte_by_byte_is_understood(server: Server) -> None:
    def script(peer: Peer) -> None:
        peer.shake_hands()
        peer.command()
        for byte in rtmp.write(3, Type.COMMAND, amf0.encode("_result", 1.0, None, {"code": "x" * 200})):
            peer.sock.sendall(bytes((byte,)))
        peer.hold()

    assert (await ask(server(script) + "/live")).success


async def test_ipv6_in_brackets(server: Server) -> None:
    found = await ask(server(plays(PICTURE), host="::1") + "/live/name")
    assert found.success, found.detail
    assert dict(found.figures)["probe_ip_protocol"] == 6.0


# What does not


async def test_a_closed_port_is_refused(closed_port: int) -> None:
    found = await ask(f"rtmp://127.0.0.1:{closed_port}/live/name")
    assert (found.failure, found.detail) == (Failure.REFUSED, f"127.0.0.1 port {closed_port}: Connection refused")


@pytest.mark.parametrize(
    ("script", "phase"),
    [
        (Peer.hold, "handshake"),
        (lambda peer: (peer.sock.sendall(HELLO[:-1]), peer.hold()), "handshake"),
        (lambda peer: (peer.shake_hands(), peer.hold()), "command"),
        (lambda peer: (accepts(peer), peer.hold()), "command"),
    ],
    ids=["at all", "in the handshake", "after it", "before createStream is answered"],
)
async def test_silence_before_the_stream_is_asked_for_is_a_timeout(server: Server, script: Script, phase: str) -> None:
    found = await ask(server(script) + "/live/name", SHORT_S)
    assert (found.failure, found.detail) == (Failure.TIMEOUT, f"no answer in phase {phase}")
    assert "probe_rtmp_published" not in dict(found.figures)


@pytest.mark.parametrize(
    ("script", "phase"),
    [
        (plays(start=False), "play"),
        (plays(), "media"),
        (plays(META_DATA, PICTURE_HEADER, SOUND_HEADER), "media"),
        (plays(endless=repeat((Type.USER_CONTROL, b"\0\6\0\0\0\1"))), "media"),
        (plays(endless=repeat((Type.DATA, b"\2\0\0")), start=False), "play"),
    ],
    ids=["no word", "no media", "headers alone", "pings for ever", "data for ever"],
)
async def test_a_stream_that_does_not_come_is_stalled(server: Server, script: Script, phase: str) -> None:
    """Most servers wait in silence for the publisher; what keeps the codec's headers sends them all the same."""
    begun = time.monotonic()
    found = await ask(server(script) + "/live/name", SHORT_S)
    assert time.monotonic() - begun < BOUND_S
    assert found.failure is Failure.STALLED
    assert f"in phase {phase}" in found.detail
    assert dict(found.figures)["probe_rtmp_published"] == 0.0


@pytest.mark.parametrize("code", ["UnpublishNotify", "Stop", "Complete"])
async def test_a_stream_that_ends_is_stalled_at_once(server: Server, code: str) -> None:
    found = await ask(server(answers_play(f"NetStream.Play.{code}", "status", "over")) + "/live/name")
    assert (found.failure, found.detail) == (Failure.STALLED, f"NetStream.Play.{code}: over")


async def test_a_stream_that_the_server_does_not_have_is_said_so(server: Server) -> None:
    script = answers_play("NetStream.Play.StreamNotFound", "error", "No such stream")
    found = await ask(server(script) + "/live/name")
    assert (found.failure, found.detail) == (Failure.STATUS, "NetStream.Play.StreamNotFound: No such stream")
    assert dict(found.figures)["probe_rtmp_published"] == 0.0


async def test_the_key_of_a_stream_is_kept_out_of_the_detail(server: Server) -> None:
    script = answers_play("NetStream.Play.Failed", "error", "no access to name?key=hunter2")
    found = await ask(server(script) + "/live/name?key=hunter2")
    assert found.detail == "NetStream.Play.Failed: no access to name?…"


async def test_an_application_that_is_rejected_is_said_so(server: Server) -> None:
    def script(peer: Peer) -> None:
        peer.shake_hands()
        peer.command()
        info: amf0.Value = {"level": "error", "code": "NetConnection.Connect.Rejected", "description": "no such app"}
        peer.say("_error", 1.0, None, info)
        peer.hold()

    found = await ask(server(script) + "/nothing/name")
    assert (found.failure, found.detail) == (Failure.STATUS, "NetConnection.Connect.Rejected: no such app")


async def test_an_error_without_words_names_what_was_asked(server: Server) -> None:
    def script(peer: Peer) -> None:
        accepts(peer)
        peer.command()
        peer.say("_error", 2.0, None, None)
        peer.hold()

    found = await ask(server(script) + "/live/name")
    assert (found.failure, found.detail) == (Failure.STATUS, "createStream is answered with an error")


@pytest.mark.parametrize("number", [None, 0.0, -1.0, float("nan"), float("inf"), 1e10, "1"])
async def test_a_stream_without_a_number_is_no_rtmp(server: Server, number: amf0.Value) -> None:
    def script(peer: Peer) -> None:
        accepts(peer)
        peer.command()
        peer.say("_result", 2.0, None, number)
        peer.hold()

    assert (await ask(server(script) + "/live/name")).failure is Failure.PROTOCOL


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH\r\n", b"\x15\x03\x01\0\2\2F", bytes(4000)]
)
async def test_who_speaks_something_else_is_no_rtmp(server: Server, said: bytes) -> None:
    found = await ask(server(lambda peer: (peer.sock.sendall(said), peer.hold())) + "/live")
    assert found.failure is Failure.PROTOCOL
    assert "no RTMP handshake" in found.detail


@pytest.mark.parametrize(
    "said",
    [b"\xff" * 20, rtmp.write(2, Type.SET_CHUNK_SIZE, bytes(4)), rtmp.write(3, Type.COMMAND, b"\xff")],
    ids=["no chunk", "chunks of nothing", "no command"],
)
async def test_nonsense_after_the_handshake_is_no_rtmp(server: Server, said: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.shake_hands()
        peer.sock.sendall(said)
        peer.hold()

    assert (await ask(server(script) + "/live")).failure is Failure.PROTOCOL


@pytest.mark.parametrize(
    ("script", "asked"),
    [
        (lambda peer: peer.sock.recv(2000), "the handshake"),
        (lambda peer: (peer.shake_hands(), peer.command()), "connect"),
        (lambda peer: (accepts(peer), peer.command()), "createStream"),
        (lambda peer: (accepts(peer), peer.sock.shutdown(socket.SHUT_WR), peer.hold()), "createStream"),
    ],
    ids=["handshake", "connect", "createStream", "half-closed"],
)
async def test_a_server_that_closes_is_named_by_what_it_was_asked(server: Server, script: Script, asked: str) -> None:
    """So does nginx with an application that it does not know."""
    found = await ask(server(script) + "/live/name")
    assert found.failure is Failure.RESET
    assert found.detail in {f"closed by the other side in answer to {asked}", "Connection reset by peer"}


async def test_a_reset_is_one(server: Server) -> None:
    def script(peer: Peer) -> None:
        peer.shake_hands()
        peer.command()
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    found = await ask(server(script) + "/live")
    assert (found.failure, found.detail) == (Failure.RESET, "Connection reset by peer")


async def test_a_cancelled_probe_leaves_no_connection(server: Server) -> None:
    asked, gone = Event(), Event()

    def script(peer: Peer) -> None:
        accepts(peer)
        asked.set()
        peer.hold()
        gone.set()

    task = asyncio.create_task(ask(server(script) + "/live/name"))
    assert await asyncio.to_thread(asked.wait, BOUND_S)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(gone.wait, BOUND_S)


# TLS


@pytest.fixture(scope="module")
def certificate(program: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A self-signed certificate for 127.0.0.1, its key in the same file."""
    pem = tmp_path_factory.mktemp("certificate") / "both.pem"
    command = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=test"
    names = ("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", pem, "-out", f"{pem}.crt")
    subprocess.run([program("openssl"), *command.split(), *names], check=True, capture_output=True, timeout=60)
    pem.write_bytes(pem.read_bytes() + Path(f"{pem}.crt").read_bytes())
    return pem


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def test_within_tls_the_certificates_end_is_told(server: Server, tls: ssl.SSLContext, certificate: Path) -> None:
    found = await ask(server(plays(PICTURE), tls=tls) + "/live/name", ca_file=f"{certificate}.crt")
    assert found.success, found.detail
    assert phases(found) == ["resolve", "connect", "tls", "handshake", "command", "play", "media"]
    left_s = dict(found.figures)["probe_ssl_earliest_cert_expiry"] - time.time()
    assert 29 * 86_400 < left_s <= 30 * 86_400


async def test_a_certificate_of_nobody_known_is_not_accepted(server: Server, tls: ssl.SSLContext) -> None:
    address = server(plays(PICTURE), tls=tls) + "/live/name"
    found = await ask(address)
    assert (found.failure, found.detail) == (Failure.TLS, "certificate not accepted: self-signed certificate")
    assert (await ask(address, insecure_skip_verify=True)).success


async def test_tls_where_none_is_spoken_fails(server: Server) -> None:
    address = server(lambda peer: (peer.sock.sendall(HELLO), peer.hold()))
    found = await ask(f"{address.replace('rtmp:', 'rtmps:')}/live")
    assert found.failure is Failure.TLS


# Addresses and parameters


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("rtmp://h/live", Url("rtmp", "h", 1935, "live", "")),
        ("rtmp://h/live/", Url("rtmp", "h", 1935, "live", "")),
        ("RTMP://H:19350/live/name", Url("rtmp", "h", 19350, "live", "name")),
        ("rtmps://h/live/name?key=a/b&c=d", Url("rtmps", "h", 443, "live", "name?key=a/b&c=d")),
        ("rtmp://h/live/_definst_/name", Url("rtmp", "h", 1935, "live/_definst_", "name")),
        ("rtmp://[::1]/live?token=1", Url("rtmp", "::1", 1935, "live?token=1", "")),
        ("rtmp://h/live/mp4:Bá Thước.mp4", Url("rtmp", "h", 1935, "live", "mp4:Bá Thước.mp4")),
    ],
)
def test_an_address_is_taken_apart(address: str, url: Url) -> None:
    assert url_of(address) == url


@pytest.mark.parametrize(
    ("address", "app_url"),
    [
        ("rtmp://h/live/name", "rtmp://h/live"),
        ("rtmps://h:443/live/name", "rtmps://h/live"),
        ("rtmp://[::1]:1/live/name?key=1", "rtmp://[::1]:1/live"),
    ],
)
def test_the_server_is_told_its_own_address(address: str, app_url: str) -> None:
    assert url_of(address).app_url == app_url


@pytest.mark.parametrize(
    "address",
    ["", "127.0.0.1:1935", "http://h/live", "rtmp://", "rtmp://h", "rtmp://h/", "rtmp://h:0x/l", "rtmp://[/l"],
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(Miss) as refused:
        url_of(address)
    assert refused.value.failure is Failure.RESOLVE


@pytest.mark.parametrize("raw", [{"frames": -1}, {"frames": 1001}, {"frames": 1.5}, {"stream": "x"}])
def test_parameters_out_of_bounds_are_refused(raw: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(raw, RtmpParams)


def test_it_proves_media() -> None:
    assert KIND.layer is Layer.MEDIA
