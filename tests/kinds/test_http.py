import asyncio
import socket
import ssl
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from probes.kinds.http import KIND, HttpParams
from probes.model import Failure, Measurement

BOUND_S = 8.0
"""More than any answer here takes on a busy machine."""
Handler = Callable[[socket.socket], None]
Serve = Callable[..., int]
Tls = Callable[[int], ssl.SSLContext]
Certificate = Callable[[int], tuple[Path, Path]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


async def ask(address: str, params: HttpParams | None = None, timeout_s: float = BOUND_S) -> Measurement:
    deadline = asyncio.get_running_loop().time() + timeout_s
    return await KIND.bind(params or HttpParams()).run(address, deadline)


def read_head(sock: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        if not (data := sock.recv(4096)):
            raise ConnectionResetError
        head += data
    return head


def says(*parts: bytes, then: str = "close", requests: list[bytes] | None = None) -> Handler:
    """A handler that reads the request, writes the parts, and then closes, holds or resets the connection."""

    def handle(sock: socket.socket) -> None:
        request = read_head(sock)
        if requests is not None:
            requests.append(request)
        for part in parts:
            sock.sendall(part)
        if then == "hold":
            sock.recv(1)
        if then == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return handle


async def test_an_answer_is_a_success_with_phases_and_figures(serve: Serve) -> None:
    found = await ask(f"http://127.0.0.1:{serve(says(OK))}/")
    assert found.success, found
    assert [name for name, _ in found.phases] == ["resolve", "connect", "processing", "transfer"]
    assert sum(seconds for _, seconds in found.phases) <= found.duration_s
    assert dict(found.figures) == {
        "probe_ip_protocol": 4.0,
        "probe_http_status_code": 200.0,
        "probe_http_content_length": 5.0,
    }


async def test_ipv6_is_asked_with_its_brackets_in_the_host_header(serve: Serve) -> None:
    requests: list[bytes] = []
    port = serve(says(OK, requests=requests), host="::1")
    found = await ask(f"http://[::1]:{port}/")
    assert found.success
    assert f"Host: [::1]:{port}\r\n".encode() in requests[0]
    assert dict(found.figures)["probe_ip_protocol"] == 6.0


async def test_method_and_headers_are_sent_as_configured(serve: Serve) -> None:
    requests: list[bytes] = []
    port = serve(says(b"HTTP/1.1 204 No Content\r\n\r\n", requests=requests))
    params = HttpParams(method="HEAD", headers=("X-Point: 7", "host: codec.test"))
    assert (await ask(f"127.0.0.1:{port}/tình trạng?q=có", params)).success
    head = requests[0].split(b"\r\n")
    assert head[0] == b"HEAD /t%C3%ACnh%20tr%E1%BA%A1ng?q=c%C3%B3 HTTP/1.1"
    assert b"X-Point: 7" in head
    assert b"host: codec.test" in head
    assert not any(line.startswith(b"Host:") for line in head)


async def test_a_length_promised_to_head_is_no_missing_body(serve: Serve) -> None:
    port = serve(says(b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n"))
    found = await ask(f"127.0.0.1:{port}", HttpParams(method="HEAD"))
    assert found.success
    assert dict(found.figures)["probe_http_content_length"] == 5_000_000


async def test_an_unwanted_status_fails_and_says_both(serve: Serve) -> None:
    port = serve(says(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"))
    found = await ask(f"http://127.0.0.1:{port}/")
    assert (found.failure, found.detail) == (Failure.STATUS, "status 503, wanted 2xx")
    assert dict(found.figures)["probe_http_status_code"] == 503.0


async def test_a_status_that_is_configured_counts_as_success(serve: Serve) -> None:
    port = serve(says(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"))
    assert (await ask(f"127.0.0.1:{port}", HttpParams(valid_status=("2xx", "401")))).success


async def test_a_closed_port_is_refused(closed_port: int) -> None:
    found = await ask(f"http://127.0.0.1:{closed_port}/")
    assert found.failure is Failure.REFUSED
    assert found.phases[-1][0] == "connect"


async def test_a_server_that_accepts_and_keeps_silent_is_a_timeout_in_processing(serve: Serve) -> None:
    found = await ask(f"http://127.0.0.1:{serve(says(then='hold'))}/", timeout_s=0.3)
    assert (found.failure, found.detail) == (Failure.TIMEOUT, "no answer in phase processing")


async def test_a_server_that_drips_is_held_to_the_deadline(serve: Serve) -> None:
    """A byte at a time, for ever: each read succeeds, the probe does not."""

    def drip(sock: socket.socket) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            sock.sendall(b"x")
            time.sleep(0.01)

    found = await ask(f"http://127.0.0.1:{serve(drip)}/", timeout_s=0.3)
    assert (found.failure, found.detail) == (Failure.TIMEOUT, "no answer in phase transfer")
    assert found.duration_s < BOUND_S


async def test_a_flood_of_interim_answers_is_held_to_the_deadline(serve: Serve) -> None:
    """1xx without end fills no buffer and counts as no answer; other work of the loop goes on meanwhile."""

    def flood(sock: socket.socket) -> None:
        while True:
            sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)

    found = await ask(f"http://127.0.0.1:{serve(flood)}/", timeout_s=0.3)
    assert found.failure is Failure.TIMEOUT
    assert found.duration_s < BOUND_S


@pytest.mark.parametrize(
    "part",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
    ids=["nothing", "half a head", "half a body", "half a chunk"],
)
async def test_an_end_in_the_middle_is_the_other_sides_cut(serve: Serve, part: bytes) -> None:
    found = await ask(f"http://127.0.0.1:{serve(says(part))}/")
    assert found.failure is Failure.RESET
    assert found.detail.startswith("closed by the other side")


async def test_a_reset_connection_is_a_reset(serve: Serve) -> None:
    found = await ask(f"http://127.0.0.1:{serve(says(b'HTTP/1.1 200 OK', then='reset'))}/")
    assert found.failure is Failure.RESET


async def test_a_body_that_ends_with_the_connection_is_whole(serve: Serve) -> None:
    """HTTP/1.0 without a length: the end of the connection is the end of the body."""
    port = serve(says(b"HTTP/1.0 200 OK\r\n\r\nabc"))
    found = await ask(f"http://127.0.0.1:{port}/")
    assert found.success
    assert dict(found.figures)["probe_http_content_length"] == 3.0


@pytest.mark.parametrize(
    "banner",
    [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x15\x03\x01\x00\x02\x02\x46\r\n", b"220 mail ESMTP\r\n\r\n", b"\0" * 64 + b"\r\n"],
    ids=["ssh", "tls alert", "smtp", "zeros"],
)
async def test_another_protocol_is_no_http(serve: Serve, banner: bytes) -> None:
    found = await ask(f"http://127.0.0.1:{serve(says(banner))}/")
    assert found.failure is Failure.PROTOCOL
    assert found.detail.isprintable()
    assert len(found.detail) <= 200


@pytest.mark.parametrize("length", [b"-1", b"9" * 5000, b"five", b"5, 6"])
async def test_a_length_that_is_none_is_no_http(serve: Serve, length: bytes) -> None:
    port = serve(says(b"HTTP/1.1 200 OK\r\nContent-Length: " + length + b"\r\n\r\nhello"))
    assert (await ask(f"http://127.0.0.1:{port}/")).failure is Failure.PROTOCOL


async def test_huge_headers_are_cut_off(serve: Serve) -> None:
    port = serve(says(b"HTTP/1.1 200 OK\r\n", *[b"X-%d: %s\r\n" % (i, b"y" * 1000) for i in range(500)]))
    found = await ask(f"http://127.0.0.1:{port}/")
    assert found.failure is Failure.PROTOCOL


async def test_a_huge_body_is_cut_off_at_the_bound(serve: Serve) -> None:
    def endless(sock: socket.socket) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            sock.sendall(b"x" * 65536)

    found = await ask(f"http://127.0.0.1:{serve(endless)}/", HttpParams(max_body_bytes=100_000))
    assert (found.failure, found.detail) == (Failure.STATUS, "body bigger than 100000 bytes")


async def test_a_redirect_is_not_followed_unless_told_so(serve: Serve) -> None:
    port = serve(says(b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n"))
    found = await ask(f"http://127.0.0.1:{port}/")
    assert (found.failure, found.detail) == (Failure.STATUS, "status 302, wanted 2xx, points to /login")


async def test_a_redirect_is_followed_and_own_headers_stay_at_home(serve: Serve) -> None:
    """A secret for one host is not told to another one."""
    requests: list[bytes] = []
    end = serve(says(OK, requests=requests))
    location = f"Location: http://127.0.0.1:{end}/end\r\n".encode()
    port = serve(says(b"HTTP/1.1 302 Found\r\n" + location + b"Content-Length: 0\r\n\r\n", requests=requests))
    params = HttpParams(method="POST", follow_redirects=True, headers=("X-Key: made-up",))
    found = await ask(f"http://127.0.0.1:{port}/", params)
    assert found.success, found
    assert requests[0].startswith(b"POST / ")
    assert b"X-Key" in requests[0]
    assert requests[1].startswith(b"GET /end ")
    assert b"X-Key" not in requests[1]
    assert [name for name, _ in found.phases] == ["resolve", "connect", "processing", "transfer"]


async def test_a_redirect_loop_ends_at_the_bound(serve: Serve) -> None:
    requests: list[bytes] = []
    loop = says(b"HTTP/1.1 307 Again\r\nLocation: ?again\r\nContent-Length: 0\r\n\r\n", requests=requests)
    found = await ask(f"http://127.0.0.1:{serve(loop)}/", HttpParams(follow_redirects=True, max_redirects=3))
    assert found.failure is Failure.STATUS
    assert found.detail.startswith("more than 3 redirects, the last to http://127.0.0.1")
    assert len(requests) == 4


@pytest.mark.parametrize("location", [b"ftp://127.0.0.1/", b"http://[", b"http://:80:80/", b"javascript:alert(1)"])
async def test_a_redirect_to_no_address_is_no_http(serve: Serve, location: bytes) -> None:
    port = serve(says(b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"))
    found = await ask(f"http://127.0.0.1:{port}/", HttpParams(follow_redirects=True))
    assert found.failure in {Failure.PROTOCOL, Failure.RESOLVE}


async def test_https_with_a_trusted_certificate_tells_when_it_runs_out(
    serve: Serve, tls: Tls, certificate: Certificate
) -> None:
    port = serve(says(OK), tls=tls(30))
    found = await ask(f"https://127.0.0.1:{port}/", HttpParams(ca_file=str(certificate(30)[0])))
    assert found.success, found
    assert [name for name, _ in found.phases] == ["resolve", "connect", "tls", "processing", "transfer"]
    left_s = dict(found.figures)["probe_ssl_earliest_cert_expiry"] - time.time()
    assert 29 * 86400 < left_s <= 30 * 86400


async def test_https_over_ipv6(serve: Serve, tls: Tls, certificate: Certificate) -> None:
    port = serve(says(OK), host="::1", tls=tls(30))
    assert (await ask(f"https://[::1]:{port}/", HttpParams(ca_file=str(certificate(30)[0])))).success


async def test_a_self_signed_certificate_is_not_accepted(serve: Serve, tls: Tls) -> None:
    found = await ask(f"https://127.0.0.1:{serve(says(OK), tls=tls(30))}/")
    assert (found.failure, found.detail) == (Failure.TLS, "certificate not accepted: self-signed certificate")
    assert found.phases[-1][0] == "tls"


async def test_an_expired_certificate_is_not_accepted(serve: Serve, tls: Tls, certificate: Certificate) -> None:
    port = serve(says(OK), tls=tls(-1))
    found = await ask(f"https://127.0.0.1:{port}/", HttpParams(ca_file=str(certificate(-1)[0])))
    assert (found.failure, found.detail) == (Failure.TLS, "certificate not accepted: certificate has expired")


async def test_a_certificate_of_another_host_is_not_accepted(serve: Serve, tls: Tls, certificate: Certificate) -> None:
    port = serve(says(OK), tls=tls(30))
    params = HttpParams(ca_file=str(certificate(30)[0]), server_name="codec.test")
    found = await ask(f"https://127.0.0.1:{port}/", params)
    assert found.failure is Failure.TLS
    assert "codec.test" in found.detail


async def test_unverified_an_expired_certificate_still_tells_when_it_ran_out(serve: Serve, tls: Tls) -> None:
    port = serve(says(OK), tls=tls(-1))
    found = await ask(f"https://127.0.0.1:{port}/", HttpParams(insecure_skip_verify=True))
    assert found.success
    assert dict(found.figures)["probe_ssl_earliest_cert_expiry"] < time.time()


async def test_https_to_a_port_without_tls_is_a_failure_of_tls(serve: Serve) -> None:
    def plain(sock: socket.socket) -> None:
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        sock.recv(1)

    found = await ask(f"https://127.0.0.1:{serve(plain)}/")
    assert found.failure is Failure.TLS
    assert found.detail.startswith("TLS handshake failed")


async def test_a_tls_handshake_that_hangs_is_a_timeout(serve: Serve) -> None:
    def hold(sock: socket.socket) -> None:
        while sock.recv(1024):
            pass

    found = await ask(f"https://127.0.0.1:{serve(hold)}/", timeout_s=0.3)
    assert (found.failure, found.detail) == (Failure.TIMEOUT, "no answer in phase tls")


async def test_leaving_in_the_handshake_is_a_reset(serve: Serve) -> None:
    def leave(sock: socket.socket) -> None:
        sock.recv(1024)

    found = await ask(f"https://127.0.0.1:{serve(leave)}/")
    assert (found.failure, found.detail) == (Failure.RESET, "closed by the other side during the TLS handshake")


async def test_a_body_cut_inside_tls_is_a_reset(serve: Serve, tls: Tls) -> None:
    port = serve(says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", then="reset"), tls=tls(30))
    found = await ask(f"https://127.0.0.1:{port}/", HttpParams(insecure_skip_verify=True))
    assert found.failure is Failure.RESET


async def test_a_big_body_inside_tls_comes_whole(serve: Serve, tls: Tls) -> None:
    body = b"x" * 300_000
    port = serve(says(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n", body), tls=tls(30))
    found = await ask(f"https://127.0.0.1:{port}/", HttpParams(insecure_skip_verify=True))
    assert found.success
    assert dict(found.figures)["probe_http_content_length"] == 300_000


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_authorities_that_cannot_be_read_are_named(serve: Serve, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    found = await ask(f"https://127.0.0.1:{serve(says(OK))}/", HttpParams(ca_file=str(path)))
    assert found.failure is Failure.TLS
    assert str(path) in found.detail


@pytest.mark.parametrize("name", [".codec.test", "x" * 300, "a b\0"])
async def test_a_server_name_that_is_none_never_raises(serve: Serve, name: str) -> None:
    found = await ask(f"https://127.0.0.1:{serve(says(OK))}/", HttpParams(server_name=name))
    assert found.failure is Failure.TLS


@pytest.mark.parametrize(
    "address", ["", "http://", "ftp://host/", "http://[::1", "http://host:99999/", "://", "http://ñ..test/"]
)
async def test_an_address_that_is_none_is_named(address: str) -> None:
    assert (await ask(address)).failure is Failure.RESOLVE


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"method": "get it"}, "method: expected"),
        ({"headers": ("No colon",)}, 'headers: expected "Name: value"'),
        ({"headers": ("X: a\r\nHost: b",)}, 'headers: expected "Name: value"'),
        ({"valid_status": ("20",)}, "valid_status: expected a code such as 2xx"),
    ],
)
def test_bad_parameters_are_refused_when_configured(params: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HttpParams(**params)


def page(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


async def test_a_body_is_searched_for_what_it_must_and_must_not_say(serve: Serve) -> None:
    port = serve(says(page("Hội nghị đang diễn ra".encode())))
    wanted = HttpParams(body_matches=("đang diễn ra$", "^Hội"), body_not_matches=("bảo trì",))
    assert (await ask(f"127.0.0.1:{port}", wanted)).success


@pytest.mark.parametrize(
    ("params", "detail"),
    [
        ({"body_matches": ("hello", "world")}, "body does not match 'world'"),
        ({"body_not_matches": ("world", "hel+o")}, "body matches 'hel+o'"),
    ],
)
async def test_a_body_that_says_otherwise_is_a_wrong_status(
    serve: Serve, params: dict[str, tuple[str, ...]], detail: str
) -> None:
    found = await ask(f"127.0.0.1:{serve(says(OK))}", HttpParams(**params))
    assert (found.failure, found.detail) == (Failure.STATUS, detail)
    assert dict(found.figures)["probe_http_status_code"] == 200.0


async def test_a_body_is_searched_no_further_than_its_first_64_kib(serve: Serve) -> None:
    """A regular expression may take a time that grows with the text; and what is no UTF-8 is no defect."""
    port = serve(says(page(b"\xff" * 65_536 + b"needle")))
    assert (await ask(f"127.0.0.1:{port}", HttpParams(body_matches=("needle",)))).failure is Failure.STATUS


async def test_the_status_is_judged_before_the_body(serve: Serve) -> None:
    port = serve(says(b"HTTP/1.1 500 No\r\nContent-Length: 5\r\n\r\nhello"))
    found = await ask(f"127.0.0.1:{port}", HttpParams(body_matches=("world",)))
    assert found.detail == "status 500, wanted 2xx"


JSON = b'{"status": "ok", "rooms": [{"name": "H\xe1\xbb\x99i tr\xc6\xb0\xe1\xbb\x9dng", "live": true}]}'


async def test_expressions_over_json_must_all_be_true(serve: Serve) -> None:
    params = HttpParams(
        body_json=("status == 'ok'", "length(rooms) > `0`", "rooms[0].live", "rooms[0].name == 'Hội trường'")
    )
    assert (await ask(f"127.0.0.1:{serve(says(page(JSON)))}", params)).success


@pytest.mark.parametrize(
    ("body", "expression", "detail"),
    [
        (JSON, "status == 'down'", "\"status == 'down'\" is false, wanted true"),
        (JSON, "rooms[7].live", "'rooms[7].live' is null, wanted true"),
        (JSON, "status", "'status' is \"ok\", wanted true"),
        (JSON, "length(status.x)", "'length(status.x)' cannot be asked of this JSON: "),
        (b"<html>", "status", "body is no JSON: "),
        (b"", "status", "body is no JSON: "),
        (b"[" * 100_000, "status", "body is no JSON: "),
        (b"\xff", "status", "body is no JSON: "),
    ],
    ids=["false", "nothing", "text", "no length", "html", "empty", "deep", "no utf-8"],
)
async def test_json_that_says_otherwise_is_a_wrong_status(
    serve: Serve, body: bytes, expression: str, detail: str
) -> None:
    found = await ask(f"127.0.0.1:{serve(says(page(body)))}", HttpParams(body_json=(expression,)))
    assert found.failure is Failure.STATUS
    assert found.detail.startswith(detail)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"body_matches": ("(",)}, r'body_matches: expected a regular expression, got "\("'),
        ({"body_not_matches": ("[",)}, r'body_not_matches: expected a regular expression, got "\["'),
        ({"body_json": ("a ==",)}, 'body_json: expected a JMESPath expression, got "a =="'),
        ({"body_json": ("",)}, 'body_json: expected a JMESPath expression, got ""'),
    ],
)
def test_bad_expressions_are_refused_when_configured(params: dict[str, tuple[str, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HttpParams(**params)
