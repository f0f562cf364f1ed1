import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.dial import Miss, Trace
from probes.fetch import Answer, Client, FetchParams, Url, _Exchange, joined, parse_url, url_of
from probes.model import Failure

Say = Callable[[bytes], bytes | None]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


class Site:
    """A web server on loopback that says what a test wants; counts connections and keeps the requests."""

    def __init__(self, say: Say) -> None:
        self.say, self.writers, self.requests, self.port = say, list[asyncio.StreamWriter](), list[bytes](), 0

    @property
    def connections(self) -> int:
        """How many there were."""
        return len(self.writers)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer each request on a connection; None closes it."""
        self.writers.append(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                if (answer := self.say(self.requests[-1])) is None:
                    break
                writer.write(answer)
        writer.close()

    def url(self, path: str = "/") -> Url:
        """Where it is."""
        return parse_url(f"http://127.0.0.1:{self.port}{path}")


@asynccontextmanager
async def site(say: Say) -> AsyncIterator[Site]:
    made = Site(say)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        async with asyncio.timeout(20):
            yield made
    finally:
        server.close()
        for writer in made.writers:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def test_a_connection_serves_again() -> None:
    """Until it is said to be the last, which the server is told."""
    async with site(lambda _: OK) as made:
        trace = Trace()
        with Client(trace, FetchParams()) as client:
            for path in ("/a", "/b", "/c"):
                answer = await client.ask(made.url(path), last=path == "/c")
                assert (answer.status, answer.body, answer.body_bytes) == (200, b"hello", 5)
    assert made.connections == 1
    assert [b"Connection: close" in request for request in made.requests] == [False, False, True]
    assert list(trace.phases) == ["resolve", "connect", "processing", "transfer"]


async def test_a_connection_that_the_server_ends_does_not_serve_again() -> None:
    closing = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    async with site(lambda _: closing) as made:
        with Client(Trace(), FetchParams()) as client:
            for _ in range(2):
                assert (await client.ask(made.url(), last=False)).body == b"hello"
    assert made.connections == 2


async def test_another_origin_has_a_connection_of_its_own() -> None:
    async with site(lambda _: OK) as one, site(lambda _: OK) as other:
        with Client(Trace(), FetchParams()) as client:
            for made in (one, other, one):
                await client.ask(made.url(), last=False)
    assert (one.connections, other.connections) == (2, 1)


async def test_a_connection_cut_between_two_requests_is_the_other_sides_cut() -> None:
    async with site(lambda request: OK if b"/first" in request else None) as made:
        with Client(Trace(), FetchParams()) as client:
            await client.ask(made.url("/first"), last=False)
            with pytest.raises(Miss) as missed:
                await client.ask(made.url("/second"), last=False)
    assert missed.value.failure is Failure.RESET


async def test_redirects_are_followed_on_one_connection_and_end_where_they_end() -> None:
    again = b"HTTP/1.1 302 Found\r\nLocation: /end?x=1\r\nContent-Length: 0\r\n\r\n"
    async with site(lambda request: OK if b"/end" in request else again) as made:
        with Client(Trace(), FetchParams()) as client:
            url, answer = await client.follow(made.url("/begin"), last=False)
    assert (url.target, answer.status, made.connections) == ("/end?x=1", 200, 1)


async def test_a_body_is_kept_only_where_it_is_wanted() -> None:
    async with site(lambda _: OK) as made:
        with Client(Trace(), FetchParams()) as client:
            answer = await client.ask(made.url(), keep=False)
    assert (answer.body, answer.body_bytes, answer.headers["content-length"]) == (b"", 5, "5")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n" + b"x" * 101,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"33\r\n" + b"x" * 51 + b"\r\n33\r\n" + b"x" * 51,
    ],
    ids=["announced", "in chunks"],
)
async def test_a_body_beyond_its_bound_is_not_read_on(answer: bytes) -> None:
    async with site(lambda _: answer) as made:
        with Client(Trace(), FetchParams(max_body_bytes=100)) as client, pytest.raises(Miss, match="bigger than 100"):
            await client.ask(made.url())


async def test_headers_beyond_their_bound_are_no_http() -> None:
    async with site(lambda _: b"HTTP/1.1 200 OK\r\nX: " + b"y" * 8192) as made:
        with Client(Trace(), FetchParams(max_header_bytes=1024)) as client, pytest.raises(Miss) as missed:
            await client.ask(made.url())
    assert missed.value.failure is Failure.PROTOCOL


async def test_bytes_after_an_answer_are_not_taken_for_the_next_one() -> None:
    """Two answers to one request: the second would be believed to answer what was never asked."""
    async with site(lambda request: OK + OK if b"/a" in request else OK.replace(b"hello", b"right")) as made:
        with Client(Trace(), FetchParams()) as client:
            assert (await client.ask(made.url("/a"), last=False)).body == b"hello"
            assert (await client.ask(made.url("/b"), last=False)).body == b"right"


@pytest.mark.parametrize("reference", ["ftp://127.0.0.1/", "http://[", "javascript:alert(1)", "http://h:99999/"])
def test_a_reference_to_no_address_is_a_miss(reference: str) -> None:
    with pytest.raises(Miss) as missed:
        joined(parse_url("http://codec.test/live/"), reference)
    assert missed.value.failure is Failure.PROTOCOL


def test_references_are_joined() -> None:
    base = parse_url("https://codec.test/live/index.m3u8?token=1")
    assert str(joined(base, "low/1.ts")) == "https://codec.test/live/low/1.ts"
    assert str(joined(base, "//cdn.test:8443/x")) == "https://cdn.test:8443/x"


def test_a_configured_address_that_is_none_is_a_failure_of_resolving() -> None:
    with pytest.raises(Miss) as missed:
        url_of("ftp://codec.test/")
    assert missed.value.failure is Failure.RESOLVE


def test_location_is_empty_without_one() -> None:
    assert Answer(200, {}).location == ""


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_a_value_error(text: str) -> None:
    """What is accepted makes a request line and a Host header of ASCII without blanks or control characters."""
    try:
        url = parse_url(text)
    except ValueError:
        return
    assert url.target.startswith("/")
    assert url.target.isascii()
    assert url.target.isprintable()
    assert " " not in url.target
    assert url.authority.isascii()


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("portal.test", "http://portal.test/"),
        ("https://Portal.test:443/a b?c=d e#f", "https://portal.test/a%20b?c=d%20e"),
        ("http://user@[2001:db8::1]:8080", "http://[2001:db8::1]:8080/"),
        ("https://bìnhdân.test/%20", "https://xn--bnhdn-6qa0e.test/%20"),
    ],
)
def test_addresses_are_taken_apart(address: str, expected: str) -> None:
    assert str(parse_url(address)) == expected


class Canned:
    """Stands for a connection: what it receives is given."""

    def __init__(self, *parts: bytes) -> None:
        self.parts = [part for part in parts if part]

    async def send(self, data: bytes) -> None:
        """Nothing."""

    async def receive(self, _at_most: int) -> bytes:
        """The next part; the end after the last one."""
        return self.parts.pop(0) if self.parts else b""


HEADS = [
    b"",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 100 A\r\n\r\n",
]


@given(
    st.sampled_from(HEADS), st.lists(st.binary(max_size=80), max_size=5), st.sampled_from(["GET", "HEAD", "CONNECT"])
)
def test_any_bytes_are_an_answer_or_a_miss(head: bytes, parts: list[bytes], method: str) -> None:
    """Whatever is sent, the exchange ends, and in one of the ways that a probe turns into a measurement."""

    async def exchange() -> None:
        made = _Exchange(Canned(head, *parts), FetchParams(max_header_bytes=1024))
        await made.ask(h11.Request(method=method, target="/", headers=[("Host", "codec.test")]))
        answer = await made.read(keep=True, max_body_bytes=100)
        assert answer.body_bytes <= 100
        assert len(answer.body) == answer.body_bytes
        made.reuse()

    with suppress(Miss, h11.RemoteProtocolError):
        asyncio.run(exchange())
