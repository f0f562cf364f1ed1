"""Asks a web server, HTTP/1.1 (RFC 9112) over :mod:`probes.dial`, each phase timed, every read bounded.

Phases, as blackbox_exporter has them: ``resolve``, ``connect``, ``tls`` (https alone), ``processing`` (from the
request to the first byte of the answer), ``transfer``; those of several requests are added up. h11 speaks HTTP. What
is wrong with the other side is raised as :class:`probes.dial.Miss`.
"""

import re
from collections.abc import Mapping
from types import TracebackType
from typing import Annotated, Self
from urllib.parse import quote, urljoin, urlsplit

import h11
import msgspec
from msgspec import Meta

from probes.dial import READ_BYTES, Connection, Miss, TlsParams, Trace, connect, secure
from probes.model import Failure

PORTS = {"http": 80, "https": 443}
REDIRECTS = {301, 302, 303, 307, 308}
KEEP_METHOD = {307, 308}
HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*")
UNRESERVED = "/:@!$&'()*+,;=~%"
AGENT = "diemcau"
BULK_BYTES = 65536
"""Read at once of a body whose length was announced: such a body is one part, however it is sent."""


class FetchParams(TlsParams, frozen=True, kw_only=True):
    """How to ask a web server, and how long its answer may be."""

    headers: tuple[str, ...] = ()
    """Further headers of the request, each as "Name: value"; never sent to another host than that of the address."""
    max_redirects: Annotated[int, Meta(ge=0, le=20)] = 5
    """How many redirects in a row are followed."""
    max_header_bytes: Annotated[int, Meta(ge=1024, le=1048576)] = 16384
    """An answer with more than this before its body is no HTTP."""
    max_body_bytes: Annotated[int, Meta(ge=0, le=268435456)] = 1048576
    """An answer with a bigger body fails."""

    def __post_init__(self) -> None:
        for header in self.headers:
            if not (HEADER.fullmatch(header) and header.isascii()):
                raise ValueError(f'headers: expected "Name: value" in ASCII, got "{header}"')


class Url(msgspec.Struct, frozen=True):
    """An address taken apart; host in ASCII, without brackets."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """Who is asked: what decides whether own headers may be sent there, and whether a connection serves again."""
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """The Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


class Answer(msgspec.Struct, frozen=True):
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name; of a repeated one the last."""
    body: bytes = b""
    """Empty where it was not to be kept."""
    body_bytes: int = 0
    """How long the body was."""

    @property
    def location(self) -> str:
        """Where a redirect points; empty without."""
        return self.headers.get("location", "")


def parse_url(address: str) -> Url:
    """Read ``[http[s]://]host[:port][/path]``. Raises ValueError for anything else."""
    parts = urlsplit(address if "://" in address else f"http://{address}")
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError(f"expected http://host[:port]/path or https://…, got {address!r}")
    host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode("ascii")
    query = f"?{quote(parts.query, safe=UNRESERVED + '?')}" if parts.query else ""
    target = (quote(parts.path, safe=UNRESERVED) or "/") + query
    return Url(parts.scheme, host, parts.port or PORTS[parts.scheme], target)


def url_of(address: str) -> Url:
    """The same for a configured address. Raises Miss."""
    try:
        return parse_url(address)
    except ValueError as error:
        raise Miss(Failure.RESOLVE, str(error)) from error


def joined(url: Url, reference: str) -> Url:
    """Where a reference in an answer from ``url`` leads. Raises Miss where that is no address."""
    try:
        return parse_url(urljoin(str(url), reference))
    except ValueError as error:
        raise Miss(Failure.PROTOCOL, f"points to what is no address: {reference}") from error


class Client:
    """Asks one server after another; a connection serves again where the server lets it. Use as a context manager.

    The headers of the parameters may hold a secret: they go to the origin that is asked first, and to no other one.
    """

    def __init__(self, trace: Trace, params: FetchParams) -> None:
        self._trace = trace
        self._params = params
        self._exchange: _Exchange | None = None
        self._origin: tuple[str, str, int] | None = None
        """Of the connection that is open."""
        self._home: tuple[str, str, int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection that is open, if any."""
        if self._exchange is not None:
            self._exchange.close()
            self._exchange = None

    async def follow(
        self,
        url: Url,
        method: str = "GET",
        *,
        headers: tuple[str, ...] = (),
        keep: bool = True,
        last: bool = True,
        max_body_bytes: int | None = None,
    ) -> tuple[Url, Answer]:
        """The answer at the end of the redirects, and where it came from."""
        for _ in range(self._params.max_redirects + 1):
            answer = await self.ask(url, method, headers=headers, keep=keep, last=last, max_body_bytes=max_body_bytes)
            if not (answer.status in REDIRECTS and answer.location):
                return url, answer
            if answer.status not in KEEP_METHOD and method != "HEAD":
                method = "GET"
            url = joined(url, answer.location)
        raise Miss(Failure.STATUS, f"more than {self._params.max_redirects} redirects, the last to {url}")

    async def ask(
        self,
        url: Url,
        method: str = "GET",
        *,
        headers: tuple[str, ...] = (),
        keep: bool = True,
        last: bool = True,
        max_body_bytes: int | None = None,
    ) -> Answer:
        """One request and its answer, whatever its status.

        ``headers`` are sent wherever it is; ``keep`` the body; ``last``: the connection ends with it.
        """
        self._home = self._home or url.origin
        most = self._params.max_body_bytes if max_body_bytes is None else max_body_bytes
        own = (*(self._params.headers if url.origin == self._home else ()), *headers)
        try:
            request = h11.Request(method=method, target=url.target, headers=_headers(url, own, last=last))
            exchange = await self._asked(url, request)
            with self._trace.phase("transfer"):
                return await exchange.read(keep=keep, max_body_bytes=most)
        except h11.LocalProtocolError as error:
            raise Miss(Failure.PROTOCOL, f"cannot be asked in HTTP: {error}") from error
        except h11.RemoteProtocolError as error:
            raise Miss(Failure.PROTOCOL, f"no HTTP answer: {error}") from error

    async def _asked(self, url: Url, request: h11.Request) -> "_Exchange":
        """An exchange that has begun to answer; a connection that was kept may have ended meanwhile."""
        used = self._exchange
        exchange = await self._open(url)
        try:
            with self._trace.phase("processing"):
                await exchange.ask(request)
        except (Miss, OSError) as error:
            if exchange is not used or (isinstance(error, Miss) and error.failure is not Failure.RESET):
                raise
            self.close()
            exchange = await self._open(url)
            with self._trace.phase("processing"):
                await exchange.ask(request)
        return exchange

    async def _open(self, url: Url) -> "_Exchange":
        if self._exchange is not None and self._origin == url.origin and self._exchange.reuse():
            return self._exchange
        self.close()
        connection = await connect(self._trace, url.host, url.port, self._params)
        try:
            if url.scheme == "https":
                await secure(self._trace, connection, url.host, self._params, ("http/1.1",))
        except BaseException:
            connection.close()
            raise
        self._exchange, self._origin = _Exchange(connection, self._params), url.origin
        return self._exchange


class _Exchange:
    """Requests and answers on one connection: h11 over it."""

    def __init__(self, connection: Connection, params: FetchParams) -> None:
        self._connection = connection
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=params.max_header_bytes)
        self._read_bytes = READ_BYTES
        self._ended = False

    def close(self) -> None:
        self._connection.close()

    def reuse(self) -> bool:
        """Make ready for another request; false when the connection ends with the last one."""
        if self._ended or self._h11.our_state is not h11.DONE or self._h11.their_state is not h11.DONE:
            return False
        if self._h11.trailing_data[0]:  # what came behind the answer would be taken for the next one
            return False
        self._h11.start_next_cycle()
        return True

    async def ask(self, request: h11.Request) -> None:
        """Send the request and wait for the first bytes of the answer."""
        self._read_bytes = READ_BYTES
        await self._connection.send((self._h11.send(request) or b"") + (self._h11.send(h11.EndOfMessage()) or b""))
        if not (begin := (await self._receive())[:5]):
            raise Miss(Failure.RESET, "closed by the other side without an answer")
        if begin != b"HTTP/"[: len(begin)]:
            raise Miss(Failure.PROTOCOL, f"no HTTP answer: begins with {begin!r}")

    async def read(self, *, keep: bool, max_body_bytes: int) -> Answer:
        """The answer. Raises Miss when it is cut or too big."""
        status, headers, body, body_bytes = 0, dict[str, str](), list[bytes](), 0
        while not isinstance(event := await self._event(), h11.EndOfMessage | h11.ConnectionClosed):
            if isinstance(event, h11.Response):
                status, headers = event.status_code, _texts(event)
                self._read_bytes = BULK_BYTES if "content-length" in headers else READ_BYTES
            elif isinstance(event, h11.Data):
                body_bytes += len(event.data)
                if body_bytes > max_body_bytes:
                    raise Miss(Failure.STATUS, f"body bigger than {max_body_bytes} bytes")
                if keep:
                    body.append(bytes(event.data))
        return Answer(status, headers, b"".join(body), body_bytes)

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
        data = await self._connection.receive(self._read_bytes)
        self._ended = not data
        self._h11.receive_data(data)
        return data


def _texts(response: h11.Response) -> dict[str, str]:
    return {name.decode("ascii"): value.decode("ascii", "backslashreplace") for name, value in response.headers}


def _headers(url: Url, own: tuple[str, ...], *, last: bool) -> list[tuple[str, str]]:
    """Those that every request has, unless the caller's own take their place."""
    headers = {"host": ("Host", url.authority), "user-agent": ("User-Agent", AGENT), "accept": ("Accept", "*/*")}
    for header in own:
        name, _, value = header.partition(":")
        headers[name.lower()] = (name, value.strip())
    return [*headers.values(), *([("Connection", "close")] if last else [])]
