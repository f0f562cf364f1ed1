"""Does a web address answer as it should, over HTTP or HTTPS? The platform's portal, an HLS playlist, a codec's page.

Phases, as blackbox_exporter has them: ``resolve``, ``connect``, ``tls`` (https alone), ``processing`` (from the
request to the first byte of the answer), ``transfer``. With redirects followed, each phase is the sum of all rounds.
HTTP/1.1 (RFC 9112) is spoken by h11. Headers and body of the answer are bounded, and nothing of it is kept.
"""

import re
import ssl
from contextlib import suppress
from functools import lru_cache
from typing import Annotated
from urllib.parse import quote, urljoin, urlsplit

import h11
import msgspec
from msgspec import Meta

from probes.codecs.x509 import not_after
from probes.dial import Connection, IpProtocol, Miss, Trace, connect, measure
from probes.model import Failure, Figure, Kind, Measurement, Params

PORTS = {"http": 80, "https": 443}
REDIRECTS = {301, 302, 303, 307, 308}
KEEP_METHOD = {307, 308}
HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*")
STATUS = re.compile(r"[1-5](xx|[0-9][0-9])")
UNRESERVED = "/:@!$&'()*+,;=~%"
AGENT = "diemcau"


class HttpParams(Params, frozen=True, kw_only=True):
    """What to ask, and which answer is wanted."""

    method: str = "GET"
    """Method of the request."""
    headers: tuple[str, ...] = ()
    """Further headers of the request, each as "Name: value"; never sent to another host behind a redirect."""
    valid_status: tuple[str, ...] = ("2xx",)
    """Status codes that count as success, such as 2xx or 401."""
    follow_redirects: bool = False
    """Whether to ask again where a redirect points."""
    max_redirects: Annotated[int, Meta(ge=0, le=20)] = 5
    """How many redirects in a row are followed."""
    max_header_bytes: Annotated[int, Meta(ge=1024, le=1048576)] = 16384
    """An answer with more than this before its body is no HTTP."""
    max_body_bytes: Annotated[int, Meta(ge=0, le=268435456)] = 1048576
    """An answer with a bigger body fails."""
    insecure_skip_verify: bool = False
    """Accept any certificate: self-signed, expired, of another host."""
    ca_file: str = ""
    """PEM file of the authorities to trust; empty for the system's."""
    server_name: str = ""
    """Name to ask for and to verify in TLS; empty for the host of the address."""
    ip_protocol: IpProtocol = "ip4"
    """Which to prefer where a name has both: ip4 or ip6."""
    ip_protocol_fallback: bool = True
    """Whether the other IP protocol will do where the preferred one has no address."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Z]+", self.method):
            raise ValueError(f'method: expected a method such as GET or HEAD, got "{self.method}"')
        for header in self.headers:
            if not (HEADER.fullmatch(header) and header.isascii()):
                raise ValueError(f'headers: expected "Name: value" in ASCII, got "{header}"')
        for status in self.valid_status:
            if not STATUS.fullmatch(status):
                raise ValueError(f'valid_status: expected a code such as 2xx or 401, got "{status}"')


class Url(msgspec.Struct, frozen=True):
    """An address taken apart; host in ASCII, without brackets."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """Who is asked: what decides whether own headers may be sent there."""
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """The Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


class Answer(msgspec.Struct, frozen=True):
    """What counts of an answer."""

    status: int
    location: str
    """Where a redirect points; empty without."""
    length: bytes
    """What it says of its body's length; empty when it does not."""


def parse_url(address: str) -> Url:
    """Read ``[http[s]://]host[:port][/path]``. Raises ValueError for anything else."""
    parts = urlsplit(address if "://" in address else f"http://{address}")
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError(f"expected http://host[:port]/path or https://…, got {address!r}")
    host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode("ascii")
    query = f"?{quote(parts.query, safe=UNRESERVED + '?')}" if parts.query else ""
    target = (quote(parts.path, safe=UNRESERVED) or "/") + query
    return Url(parts.scheme, host, parts.port or PORTS[parts.scheme], target)


async def probe(address: str, params: HttpParams, deadline: float) -> Measurement:
    """Ask for the address, follow redirects if told so, judge the status."""

    async def work(trace: Trace) -> None:
        try:
            url = parse_url(address)
        except ValueError as error:
            raise Miss(Failure.RESOLVE, str(error)) from error
        judge(await _follow(trace, url, params), params)

    return await measure(work, deadline)


def judge(answer: Answer, params: HttpParams) -> None:
    """Raise Miss unless the status is a wanted one."""
    if not _wanted(answer.status, params.valid_status):
        towards = f", points to {answer.location}" if answer.location else ""
        raise Miss(Failure.STATUS, f"status {answer.status}, wanted {' '.join(params.valid_status)}{towards}")


def _wanted(status: int, valid: tuple[str, ...]) -> bool:
    return str(status) in valid or f"{status // 100}xx" in valid


async def _follow(trace: Trace, url: Url, params: HttpParams) -> Answer:
    """The answer at the end of the redirects; the first one where none are to be followed."""
    origin, method = url.origin, params.method
    for _ in range(params.max_redirects + 1):
        own = params.headers if url.origin == origin else ()
        answer = await _ask(trace, url, method, own, params)
        if not (params.follow_redirects and answer.status in REDIRECTS and answer.location):
            return answer
        if answer.status not in KEEP_METHOD and method != "HEAD":
            method = "GET"
        url = _redirected(url, answer.location)
    raise Miss(Failure.STATUS, f"more than {params.max_redirects} redirects, the last to {url}")


def _redirected(url: Url, location: str) -> Url:
    try:
        return parse_url(urljoin(str(url), location))
    except ValueError as error:
        raise Miss(Failure.PROTOCOL, f"redirect to what is no address: {location}") from error


async def _ask(trace: Trace, url: Url, method: str, headers: tuple[str, ...], params: HttpParams) -> Answer:
    """One request on a connection of its own."""
    context = _context(params) if url.scheme == "https" else None
    connection = await connect(trace, url.host, url.port, params.ip_protocol, fallback=params.ip_protocol_fallback)
    try:
        if context:
            await _secure(trace, connection, context, params.server_name or url.host)
        exchange = _Exchange(connection, params)
        with trace.phase("processing"):
            await exchange.ask(url, method, headers)
        with trace.phase("transfer"):
            answer, body_bytes = await exchange.read()
    except h11.LocalProtocolError as error:
        raise Miss(Failure.PROTOCOL, f"cannot be asked in HTTP: {error}") from error
    except h11.RemoteProtocolError as error:
        raise Miss(Failure.PROTOCOL, f"no HTTP answer: {error}") from error
    finally:
        connection.close()
    trace.figures["probe_http_status_code"] = float(answer.status)
    trace.figures["probe_http_content_length"] = float(answer.length or body_bytes)
    return answer


async def _secure(trace: Trace, connection: Connection, context: ssl.SSLContext, server_name: str) -> None:
    """The TLS handshake. Figure: when the first of the certificates runs out."""
    with trace.phase("tls"):
        await connection.start_tls(context, server_name)
    with suppress(ValueError):  # a date that is none, where no certificate need be good
        trace.figures["probe_ssl_earliest_cert_expiry"] = min(map(not_after, connection.certificates()))


def _context(params: HttpParams) -> ssl.SSLContext:
    try:
        return tls_context(params.ca_file, insecure=params.insecure_skip_verify)
    except OSError as error:
        raise Miss(Failure.TLS, f"ca_file {params.ca_file}: {error.strerror or error}") from error


@lru_cache(maxsize=64)
def tls_context(ca_file: str, *, insecure: bool) -> ssl.SSLContext:
    """A context for these settings; kept, because reading the authorities takes tens of milliseconds."""
    context = (
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if insecure else ssl.create_default_context(cafile=ca_file or None)
    )
    context.set_alpn_protocols(["http/1.1"])
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class _Exchange:
    """One request and its answer: h11 over a connection."""

    def __init__(self, connection: Connection, params: HttpParams) -> None:
        self._connection = connection
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=params.max_header_bytes)
        self._max_body_bytes = params.max_body_bytes
        self._ended = False

    async def ask(self, url: Url, method: str, headers: tuple[str, ...]) -> None:
        """Send the request and wait for the first bytes of the answer."""
        request = h11.Request(method=method, target=url.target, headers=_headers(url, headers))
        await self._connection.send((self._h11.send(request) or b"") + (self._h11.send(h11.EndOfMessage()) or b""))
        if not (begin := (await self._receive())[:5]):
            raise Miss(Failure.RESET, "closed by the other side without an answer")
        if begin != b"HTTP/"[: len(begin)]:
            raise Miss(Failure.PROTOCOL, f"no HTTP answer: begins with {begin!r}")

    async def read(self) -> tuple[Answer, int]:
        """The answer and the length of its body in bytes. Raises Miss when it is cut or too big."""
        answer, body_bytes = Answer(0, "", b""), 0
        while not isinstance(event := await self._event(), h11.EndOfMessage | h11.ConnectionClosed):
            if isinstance(event, h11.Response):
                answer = _answer(event)
            elif isinstance(event, h11.Data):
                body_bytes += len(event.data)
                if body_bytes > self._max_body_bytes:
                    raise Miss(Failure.STATUS, f"body bigger than {self._max_body_bytes} bytes")
        return answer, body_bytes

    async def _event(self) -> h11.Event:
        """The next part of the answer. An end in the middle of it is a cut, not bad HTTP."""
        try:
            while isinstance(event := self._h11.next_event(), type):
                if event is h11.PAUSED:  # the answer to CONNECT: from here on it is no HTTP
                    return h11.ConnectionClosed()
                await self._receive()
        except h11.RemoteProtocolError as error:
            if self._ended:
                raise Miss(Failure.RESET, "closed by the other side in the middle of its answer") from error
            raise
        return event

    async def _receive(self) -> bytes:
        data = await self._connection.receive()
        self._ended = not data
        self._h11.receive_data(data)
        return data


def _answer(response: h11.Response) -> Answer:
    headers = dict(response.headers)
    location = headers.get(b"location", b"").decode("ascii", "backslashreplace")
    return Answer(response.status_code, location, headers.get(b"content-length", b""))


def _headers(url: Url, own: tuple[str, ...]) -> list[tuple[str, str]]:
    """Those that every request has, unless the caller's own take their place."""
    headers = {"host": ("Host", url.authority), "user-agent": ("User-Agent", AGENT), "accept": ("Accept", "*/*")}
    for header in own:
        name, _, value = header.partition(":")
        headers[name.lower()] = (name, value.strip())
    return [*headers.values(), ("Connection", "close")]


KIND = Kind(
    "http",
    HttpParams,
    probe,
    "http[s]://host[:port]/path",
    figures=(
        Figure("probe_ip_protocol", "Version of the IP protocol that was used, 4 or 6."),
        Figure("probe_http_status_code", "Status code of the HTTP answer, the last one behind redirects."),
        Figure("probe_http_content_length", "Length of the body of the HTTP answer, in bytes."),
        Figure(
            "probe_ssl_earliest_cert_expiry", "When the first certificate presented runs out, Unix time in seconds."
        ),
    ),
)
