"""Does an RTMP server answer, and is a stream being published there? What is broadcast goes in this way.

Address: ``rtmp://host[:port]/app[/stream]`` (port 1935) or ``rtmps://…`` (443, within TLS). With three or more parts
the last is the stream. Without a stream, success means that the server accepts the application: signalling alone, so
give such a check ``layer: signalling``. With one, success means that sound or pictures of it arrived: that it is being
published, now.

Phases: ``resolve``, ``connect``, ``tls`` (rtmps alone), ``handshake``, ``command`` (the application is accepted),
``play`` (the stream is asked for), ``media`` (until enough has come). A stream that is asked for and does not come in
time is ``stalled``: most servers wait in silence for its publisher. One that the server says it does not have, and an
application that it rejects, are ``status``. Some servers close the connection instead of saying so: ``reset``.
"""

import os
from collections import deque
from time import monotonic
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from probes.codecs import amf0, rtmp
from probes.dial import Connection, Miss, TlsParams, Trace, connect, measure, secure
from probes.model import CERT_EXPIRY, IP_PROTOCOL, Failure, Figure, Kind, Layer, Measurement

PORTS = {"rtmp": 1935, "rtmps": 443}
PUBLISHED = Figure("probe_rtmp_published", "1 where the stream's media arrived, 0 where it was asked for in vain.")
FIRST_MEDIA = Figure(
    "probe_rtmp_first_media_seconds", "From asking for the stream to its first sound or picture, in seconds."
)
LIVE_ONLY = -1000.0
"""Where to start: what is live, no recording. In milliseconds, as players send it."""
BUFFER_MS = 1000
ABILITIES: dict[str, amf0.Value] = {
    "flashVer": "LNX 11,1,102,55",
    "fpad": False,
    "capabilities": 15.0,
    "audioCodecs": 4071.0,
    "videoCodecs": 252.0,
    "videoFunction": 1.0,
    "objectEncoding": 0.0,
}
"""What a player says of itself (section 7.2.1.1): every codec will do, AMF0."""
STARTED = "NetStream.Play.Start"
ENDED = frozenset({"NetStream.Play.UnpublishNotify", "NetStream.Play.Stop", "NetStream.Play.Complete"})


class RtmpParams(TlsParams, frozen=True, kw_only=True):
    """How to connect, and how much of a stream proves that it is being published."""

    frames: Annotated[int, Meta(ge=0, le=1000)] = 1
    """Messages of sound or picture that must arrive, 0 to 1000. Ask for more than one where the server keeps the last
    pictures and sends them at once, be there a publisher or not. With 0 the server's word that it plays will do."""


class Url(msgspec.Struct, frozen=True):
    """An address taken apart; ``stream`` is empty where none is asked for."""

    scheme: str
    host: str
    port: int
    app: str
    stream: str

    @property
    def app_url(self) -> str:
        """What ``tcUrl`` says: everything but the stream."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}/{self.app}"


def url_of(address: str) -> Url:
    """Read an address. Raises Miss."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError as error:
        raise Miss(Failure.RESOLVE, f"no address of RTMP: {error}") from error
    app, stream = _names(parts.path.strip("/"), f"?{parts.query}" if parts.query else "")
    if parts.scheme not in PORTS or not parts.hostname or not app:
        raise Miss(Failure.RESOLVE, f"expected rtmp[s]://host[:port]/app[/stream], got {address.partition('?')[0]!r}")
    return Url(parts.scheme, parts.hostname, port or PORTS[parts.scheme], app, stream)


def _names(path: str, query: str) -> tuple[str, str]:
    """Application and stream: the first part is the application, with three or more all but the last are."""
    app, _, stream = path.rpartition("/")
    return (app, stream + query) if app else (path + query, "")


async def probe(address: str, params: RtmpParams, deadline: float) -> Measurement:
    """Connect to the application, play the stream where there is one."""

    async def work(trace: Trace) -> None:
        url = url_of(address)
        connection = await connect(trace, url.host, url.port, params)
        try:
            if url.scheme == "rtmps":
                await secure(trace, connection, url.host, params)
            await _converse(trace, _Dialogue(connection, address.partition("?")[2]), url, params)
        finally:
            connection.close()

    return _judged(await measure(work, deadline))


def _judged(found: Measurement) -> Measurement:
    """A server that was asked for a stream and says nothing waits for the publisher."""
    if found.failure is not Failure.TIMEOUT or found.phases[-1][0] not in {"play", "media"}:
        return found
    detail = f"nothing of the stream came, in phase {found.phases[-1][0]}: nobody publishes it, or it stands still"
    return msgspec.structs.replace(found, failure=Failure.STALLED, detail=detail)


async def _converse(trace: Trace, dialogue: "_Dialogue", url: Url, params: RtmpParams) -> None:
    application: dict[str, amf0.Value] = {"app": url.app, "tcUrl": url.app_url}
    with trace.phase("handshake"):
        await dialogue.handshake()
    with trace.phase("command"):
        await dialogue.call("connect", application | ABILITIES)
        stream_id = await dialogue.create_stream() if url.stream else 0
    if url.stream:
        trace.figures[PUBLISHED.name] = 0.0
        await _play(trace, dialogue, stream_id, url.stream, params.frames)
        trace.figures[PUBLISHED.name] = 1.0


async def _play(trace: Trace, dialogue: "_Dialogue", stream_id: int, stream: str, frames: int) -> None:
    """Ask for the stream and wait until enough of it came."""
    begun = monotonic()
    with trace.phase("play"):
        dialogue.play(stream_id, stream)
        await dialogue.advance()
    with trace.phase("media"):
        while dialogue.frames < frames:
            await dialogue.advance()
    if dialogue.frames:
        trace.figures[FIRST_MEDIA.name] = dialogue.first_frame_at - begun


class _Dialogue:
    """What is said on a connection. A refusal, an end and a closed connection are raised as Miss.

    Of what the server says in words, ``secret`` is left out: a key often stands in the query of an address.
    """

    def __init__(self, connection: Connection, secret: str) -> None:
        self.frames = 0
        self.first_frame_at = 0.0
        self._connection = connection
        self._secret = secret
        self._client = rtmp.Client(os.urandom(rtmp.NONCE_BYTES))
        self._messages: deque[rtmp.Message] = deque()
        self._asked = "the handshake"

    async def handshake(self) -> None:
        """C0 to S2."""
        while not self._client.established:
            await self._exchange()

    async def call(self, name: str, *arguments: amf0.Value) -> rtmp.Command:
        """Give a command; its answer."""
        self._asked = name
        transaction = self._client.call(name, *arguments)
        while True:
            command = rtmp.read_command(await self._next())
            if command and command.transaction == transaction and command.name in ("_result", "_error"):
                return self._good(command)

    async def create_stream(self) -> int:
        """The message stream on which to play."""
        answer = await self.call("createStream", None)
        number = answer.arguments[0] if answer.arguments else None
        if not (isinstance(number, float) and 1 <= number < 1 << 32):
            raise Miss(Failure.PROTOCOL, "the answer to createStream names no stream")
        return int(number)

    def play(self, stream_id: int, stream: str) -> None:
        """Ask for the stream."""
        self._asked = "play"
        self._client.call("play", None, stream, LIVE_ONLY, stream_id=stream_id)
        self._client.set_buffer(stream_id, BUFFER_MS)

    async def advance(self) -> None:
        """Wait for a frame, or for the word that it plays."""
        while True:
            message = await self._next()
            if rtmp.is_frame(message):
                self.first_frame_at = self.first_frame_at or monotonic()
                self.frames += 1
                return
            command = rtmp.read_command(message)
            if command and self._good(command).code == STARTED:
                return

    def _good(self, command: rtmp.Command) -> rtmp.Command:
        words = f"{command.code}: {command.description}" if command.description else command.code
        if self._secret:
            words = words.replace(self._secret, "…")
        if command.name == "_error" or command.level == "error":
            raise Miss(Failure.STATUS, words or f"{self._asked} is answered with an error")
        if command.code in ENDED:
            raise Miss(Failure.STALLED, words)
        return command

    async def _next(self) -> rtmp.Message:
        while not self._messages:
            await self._exchange()
        return self._messages.popleft()

    async def _exchange(self) -> None:
        """Send what is due, take what comes."""
        if due := self._client.outgoing():
            await self._connection.send(due)
        if not (data := await self._connection.receive()):
            raise Miss(Failure.RESET, f"closed by the other side in answer to {self._asked}")
        self._messages.extend(self._client.feed(data))


KIND = Kind(
    "rtmp",
    RtmpParams,
    probe,
    "rtmp[s]://host[:port]/app[/stream]",
    figures=(IP_PROTOCOL, PUBLISHED, FIRST_MEDIA, CERT_EXPIRY),
    layer=Layer.MEDIA,
    target="rtmp://{address}/live",
)
