"""Does a camera, codec or media server stream? Asks it over RTSP (RFC 2326), and counts what comes.

``ask`` says how far: ``options`` (it speaks RTSP, which proves its signalling: say ``layer: signalling`` in
checks.yaml), ``describe`` (the stream is there, with its tracks), or ``play``, which sets up every track of picture
and sound over the same connection, plays for ``play_s`` and counts RTP packets: bytes, loss and jitter of the worst
track. Success: an answer of 2xx, and with ``play`` packets of every track. A server that plays and sends nothing is
``stalled``.

Phases: ``resolve``, ``connect``, ``tls`` (rtsps alone), ``options``, ``describe``, ``tracks``, ``play``, ``receive``.
A password is asked for by Digest or Basic; Basic is answered within TLS alone unless ``allow_basic`` says otherwise.
"""

import asyncio
import re
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from secrets import token_hex
from time import monotonic
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from probes.codecs import digest, rtp, rtsp, sdp
from probes.codecs.digest import Challenge
from probes.codecs.rtp import Reception, RtpError
from probes.codecs.rtsp import Event, Frame, Reader, Response
from probes.dial import Connection, Miss, TlsParams, Trace, connect, measure, read_secret, secure
from probes.model import CERT_EXPIRY, IP_PROTOCOL, Failure, Figure, Kind, Layer, Measurement

PORTS = {"rtsp": 554, "rtsps": 322}
AGENT = "diemcau"
BULK_BYTES = 8 << 10
"""Read at once: little enough that a flood of tiny packets does not hold the loop."""
JUDGE_S = 0.05
"""Before the deadline, to tell a stream that does not come from an answer that does not."""
PHASES = {"OPTIONS": "options", "DESCRIBE": "describe", "SETUP": "tracks", "PLAY": "play"}
PLAYED = frozenset({"audio", "video"})
ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")

STATUS_CODE = Figure("probe_rtsp_status_code", "Status code of the last answer over RTSP.")
TRACKS = Figure("probe_rtsp_tracks", "Tracks of picture and sound that the stream has.")
PACKETS = Figure("probe_rtsp_packets", "RTP packets that came while it was played.")
RATE = Figure("probe_rtsp_bytes_per_second", "Bytes of RTP that came each second while it was played.")
LOSS = Figure("probe_rtsp_loss_ratio", "Share of RTP packets that did not come, of the worst track.")
JITTER = Figure("probe_rtsp_jitter_seconds", "Interarrival jitter of RTP (RFC 3550), of the worst track.")


class RtspParams(TlsParams, frozen=True, kw_only=True):
    """How far to ask, as whom, and what is wanted of the stream."""

    ask: Literal["options", "describe", "play"] = "describe"
    """How far to ask: options, describe or play."""
    play_s: Annotated[float, Meta(ge=0.1, le=30.0)] = 1.0
    """For how long RTP is counted, from its first packet on."""
    max_loss_ratio: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.0
    """More loss than this fails; 0 judges none."""
    min_bytes_per_second: Annotated[float, Meta(ge=0.0)] = 0.0
    """Fewer bytes a second than this fail; 0 judges none."""
    username: str = ""
    """User, where the server asks for one."""
    password: str = ""
    """Password of the user."""
    password_file: str = ""
    """File whose first line is the password; it takes the place of ``password``."""
    allow_basic: bool = False
    """Whether the password may be sent readable, without TLS, to a server that asks for it so."""


class Url(msgspec.Struct, frozen=True):
    """An address taken apart."""

    text: str
    host: str
    port: int
    tls: bool


def parse_url(address: str) -> Url:
    """Read ``rtsp[s]://host[:port]/path``. Raises Miss for anything else, and for a password in the address."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError as error:
        raise Miss(Failure.RESOLVE, f"expected rtsp://host[:port]/path, got {address!r}: {error}") from error
    if parts.scheme not in PORTS or not parts.hostname:
        raise Miss(Failure.RESOLVE, f"expected rtsp://host[:port]/path or rtsps://…, got {address!r}")
    if "@" in parts.netloc:
        raise Miss(Failure.RESOLVE, "expected no user or password in the address: set username and password_file")
    return Url(address, parts.hostname, port or PORTS[parts.scheme], parts.scheme == "rtsps")


async def probe(address: str, params: RtspParams, deadline: float) -> Measurement:
    """Ask as far as is wanted."""

    async def work(trace: Trace) -> None:
        url = parse_url(address)
        connection = await connect(trace, url.host, url.port, params)
        try:
            if url.tls:
                await secure(trace, connection, url.host, params)
            dialogue = Dialogue(connection, trace, url, params)
            if params.ask == "options":
                await dialogue.ask("OPTIONS", url.text)
                return
            tracks, base = await describe(dialogue, url)
            if params.ask == "play":
                await play(dialogue, tracks, base, params, deadline - JUDGE_S)
        finally:
            connection.close()

    return await measure(work, deadline)


class Dialogue:
    """Requests and answers on one connection, and the packets among them."""

    def __init__(self, connection: Connection, trace: Trace, url: Url, params: RtspParams) -> None:
        self.trace = trace
        self._connection = connection
        self._params, self._url = params, url
        self._reader = Reader()
        self._events: deque[Event] = deque()
        self._cseq = 0
        self._challenge: Challenge | None = None
        self._answered = 0
        """So many requests have answered the challenge."""
        self.session = ""
        self.on_frame: Callable[[Frame], None] = lambda _frame: None

    async def ask(self, method: str, uri: str, **headers: str) -> Response:
        """The answer, whose status is good; a password that is asked for is told, once. Raises Miss."""
        with self.trace.phase(PHASES[method]):
            response = await self._exchange(method, uri, headers)
            if response.status == 401 and self._params.username and self._challenge is None:
                self._challenge = self._accept(response)
                response = await self._exchange(method, uri, headers)
        if response.status // 100 != 2:
            raise Miss(Failure.STATUS, f"{method}: status {response.status} {response.reason}")
        self.session = response.session or self.session
        return response

    async def say(self, method: str, uri: str) -> None:
        """Send a request whose answer is of no interest."""
        await self._connection.send(self._request(method, uri, {}))

    async def listen(self) -> Frame:
        """The next packet. Raises Miss when no more come."""
        while True:
            event = await self._event()
            if isinstance(event, Frame):
                return event

    async def _exchange(self, method: str, uri: str, headers: dict[str, str]) -> Response:
        await self._connection.send(self._request(method, uri, headers))
        wanted = str(self._cseq)
        while True:
            event = await self._event()
            if isinstance(event, Frame):
                self.on_frame(event)
            elif event.cseq in (wanted, "") and event.status // 100 != 1:
                self.trace.figures[STATUS_CODE.name] = float(event.status)
                return event

    def _request(self, method: str, uri: str, headers: dict[str, str]) -> bytes:
        self._cseq += 1
        said = {"User-Agent": AGENT, **headers}
        if self.session:
            said["Session"] = self.session
        if self._challenge is not None:
            params = self._params
            password = read_secret(params.password, params.password_file)
            self._answered += 1
            said["Authorization"] = digest.respond(
                self._challenge, method, uri, params.username, password, token_hex(16), self._answered
            )
        return rtsp.encode(method, uri, self._cseq, said)

    def _accept(self, response: Response) -> Challenge:
        challenge = digest.choose(response.headers.get("www-authenticate", ()))
        if challenge.scheme == "basic" and not (self._url.tls or self._params.allow_basic):
            raise Miss(Failure.STATUS, "asks for the password readable (Basic) without TLS: set allow_basic to send it")
        return challenge

    async def _event(self) -> Event:
        while not self._events:
            data = await self._connection.receive(BULK_BYTES)
            if not data:
                raise Miss(Failure.RESET, "closed by the other side in the middle of the dialogue")
            self._events.extend(self._reader.feed(data))
        return self._events.popleft()


class Track(msgspec.Struct):
    """A track that is played."""

    uri: str
    reception: Reception


async def describe(dialogue: Dialogue, url: Url) -> tuple[list[Track], str]:
    """The tracks of picture and sound, and where the whole is controlled. Raises Miss."""
    response = await dialogue.ask("DESCRIBE", url.text, Accept="application/sdp")
    session = sdp.read(response.body)
    base = response.header("content-base") or response.header("content-location") or url.text
    played = [media for media in session.media if media.kind in PLAYED]
    dialogue.trace.figures[TRACKS.name] = float(len(played))
    if not played:
        raise Miss(Failure.STATUS, "the stream has neither picture nor sound")
    tracks = [Track(controlled(base, media.control), Reception(media.clock_hz)) for media in played]
    return tracks, controlled(base, session.control)


def controlled(base: str, control: str) -> str:
    """Where a track, or the whole, is controlled (RFC 2326, appendix C.1.1): ``control`` is relative to ``base``.

    It is appended, not resolved by RFC 3986: cameras whose streams are named in the query of the URL expect that.
    """
    if control in ("", "*"):
        return base
    if ABSOLUTE.match(control):
        return control
    return base + control if base.endswith("/") or control.startswith("/") else f"{base}/{control}"


async def play(dialogue: Dialogue, tracks: Sequence[Track], whole: str, params: RtspParams, end: float) -> None:
    """Set all up, play, count until the monotonic ``end`` at most, judge. Raises Miss."""
    channels: dict[int, Reception] = {}
    started = 0.0

    def count(frame: Frame) -> None:
        nonlocal started
        reception = channels.get(frame.channel)
        if reception is not None:
            now = monotonic()
            started = started or now
            with suppress(RtpError):
                reception.take(rtp.read(frame.data), now)

    dialogue.on_frame = count
    for number, track in enumerate(tracks):
        transport = f"RTP/AVP/TCP;unicast;interleaved={2 * number}-{2 * number + 1}"
        response = await dialogue.ask("SETUP", track.uri, Transport=transport)
        channels[rtsp.channel(response.header("transport"), 2 * number)] = track.reception
    await dialogue.ask("PLAY", whole)
    with dialogue.trace.phase("receive"), suppress(TimeoutError):
        async with asyncio.timeout_at(end):
            while not started:
                count(await dialogue.listen())
        async with asyncio.timeout_at(min(end, started + params.play_s)):
            while True:
                count(await dialogue.listen())
    took_s = monotonic() - started
    with suppress(OSError):
        await dialogue.say("TEARDOWN", whole)
    if not started:
        raise Miss(Failure.STALLED, "plays, and sends nothing")
    note(dialogue.trace, tracks, took_s)
    judge(dialogue.trace, tracks, params)


def note(trace: Trace, tracks: Sequence[Track], took_s: float) -> None:
    """What was counted."""
    received = [track.reception for track in tracks]
    trace.figures |= {
        PACKETS.name: float(sum(each.packets for each in received)),
        RATE.name: sum(each.bytes for each in received) / max(took_s, 1e-6),
        LOSS.name: max(each.loss_ratio for each in received),
        JITTER.name: max(each.jitter_s for each in received),
    }


def judge(trace: Trace, tracks: Sequence[Track], params: RtspParams) -> None:
    """Raise Miss unless everything that was played came as it should."""
    silent = sum(not track.reception.packets for track in tracks)
    if silent:
        raise Miss(Failure.STALLED, f"{silent} of {len(tracks)} tracks sent nothing")
    loss, rate = trace.figures[LOSS.name], trace.figures[RATE.name]
    if params.max_loss_ratio and loss > params.max_loss_ratio:
        raise Miss(Failure.STATUS, f"lost {loss:.1%} of its packets, more than {params.max_loss_ratio:.1%}")
    if rate < params.min_bytes_per_second:
        raise Miss(Failure.STATUS, f"{rate:.0f} bytes a second, fewer than {params.min_bytes_per_second:.0f}")


KIND = Kind(
    "rtsp",
    RtspParams,
    probe,
    "rtsp[s]://host[:port]/path, port 554 (rtsps: 322) unless given",
    figures=(IP_PROTOCOL, CERT_EXPIRY, STATUS_CODE, TRACKS, PACKETS, RATE, LOSS, JITTER),
    layer=Layer.MEDIA,
    target="rtsp://{address}/",
)
