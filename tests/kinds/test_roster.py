"""No BigBlueButton is to be had from Debian: a small server here verifies the checksum and answers as documented."""

import asyncio
import hashlib
import json
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

import pytest

from probes.kinds.roster import KIND, RosterParams
from probes.model import Failure, Layer, Measurement

BOUND_S = 8.0
SECRET = "synthetic-secret"  # noqa: S105 - of the server below
Handler = Callable[[socket.socket], None]
Serve = Callable[..., int]
JOINED = {"hall": [("386-01", "Xã Mẫu 01"), ("w_1", "Xã Mẫu 02")], "test": [("w_2", "Kỹ thuật")]}


async def ask(address: str, timeout_s: float = BOUND_S, **params: object) -> Measurement:
    deadline = asyncio.get_running_loop().time() + timeout_s
    return await KIND.bind(RosterParams(**params)).run(address, deadline)  # type: ignore[arg-type]


def request_of(sock: socket.socket) -> str:
    head = b""
    while b"\r\n\r\n" not in head:
        if not (data := sock.recv(4096)):
            raise ConnectionResetError
        head += data
    return head.split(b" ")[1].decode()


def answering(body: bytes, status: str = "200 OK") -> Handler:
    def handle(sock: socket.socket) -> None:
        request_of(sock)
        sock.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    return handle


def meeting(meeting_id: str, attendees: list[tuple[str, str]]) -> str:
    people = "".join(
        f"<attendee><userID>{user}</userID><fullName>{escape(name)}</fullName><role>VIEWER</role></attendee>"
        for user, name in attendees
    )
    name = f"<meetingName>Phòng {meeting_id}</meetingName><meetingID>{meeting_id}</meetingID>"
    return f"<meeting>{name}<attendees>{people}</attendees></meeting>"


def big_blue_button(meetings: dict[str, list[tuple[str, str]]]) -> Handler:
    """Answers to getMeetings as https://docs.bigbluebutton.org/development/api documents."""

    def answer(path: str) -> str:
        parts = urlsplit(path)
        call = parts.path.removeprefix("/bigbluebutton/api/")
        query, _, checksum = parts.query.rpartition("checksum=")
        expected = {hashlib.new(digest, f"{call}{query}{SECRET}".encode()).hexdigest() for digest in ("sha1", "sha256")}
        if checksum not in expected:
            words = "<messageKey>checksumError</messageKey><message>Checksums do not match</message>"
            return f"<response><returncode>FAILED</returncode>{words}</response>"
        found = "".join(meeting(meeting_id, joined) for meeting_id, joined in meetings.items())
        key = "" if meetings else "<messageKey>noMeetings</messageKey>"
        return f"<response><returncode>SUCCESS</returncode><meetings>{found}</meetings>{key}</response>"

    def handle(sock: socket.socket) -> None:
        body = answer(request_of(sock)).encode()
        sock.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    return handle


@pytest.mark.parametrize("base", ["/bigbluebutton/", "/bigbluebutton", "/bigbluebutton/api/", "/bigbluebutton/api?x=1"])
@pytest.mark.parametrize("digest", ["sha1", "sha256"])
async def test_everybody_who_has_joined_is_named(serve: Serve, base: str, digest: str) -> None:
    port = serve(big_blue_button(JOINED))
    found = await ask(f"http://127.0.0.1:{port}{base}", secret=SECRET, digest=digest)
    assert found.success, found
    assert found.names == ("Xã Mẫu 01", "386-01", "Xã Mẫu 02", "w_1", "Kỹ thuật", "w_2")
    assert dict(found.figures) == {"probe_ip_protocol": 4.0, "probe_http_status_code": 200.0, "probe_roster_joined": 3}
    assert [name for name, _ in found.phases] == ["resolve", "connect", "processing", "transfer", "read"]


def test_success_proves_that_points_have_joined() -> None:
    assert KIND.layer is Layer.JOINED


@pytest.mark.parametrize("name", ["hall", "Phòng hall"])
async def test_one_meeting_is_chosen_by_id_or_name(serve: Serve, name: str) -> None:
    found = await ask(f"http://127.0.0.1:{serve(big_blue_button(JOINED))}/bigbluebutton", secret=SECRET, meeting=name)
    assert found.names == ("Xã Mẫu 01", "386-01", "Xã Mẫu 02", "w_1")


async def test_a_meeting_that_is_not_there_is_a_failure_of_status(serve: Serve) -> None:
    found = await ask(
        f"http://127.0.0.1:{serve(big_blue_button(JOINED))}/bigbluebutton", secret=SECRET, meeting="other"
    )
    assert (found.failure, found.detail) == (Failure.STATUS, "no meeting 'other' among 2")


async def test_no_meeting_at_all_is_nobody(serve: Serve) -> None:
    found = await ask(f"http://127.0.0.1:{serve(big_blue_button({}))}/bigbluebutton", secret=SECRET)
    assert found.success
    assert found.names == ()
    assert dict(found.figures)["probe_roster_joined"] == 0.0


async def test_a_wrong_secret_is_refused_and_stays_unsaid(serve: Serve, tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{serve(big_blue_button(JOINED))}/bigbluebutton"
    (tmp_path / "secret").write_text(SECRET + "\n")
    assert (await ask(address, secret_file=str(tmp_path / "secret"))).success
    found = await ask(address, secret="wrong-secret")  # noqa: S106 - synthetic
    assert (found.failure, found.detail) == (Failure.STATUS, "checksumError: Checksums do not match")
    assert (await ask(address, secret_file=str(tmp_path / "none"))).failure is Failure.SEND


async def test_a_big_meeting_is_read_whole(serve: Serve) -> None:
    crowd = {"hall": [(f"w_{at}", f"Thôn Mẫu {at}") for at in range(5000)]}
    found = await ask(f"http://127.0.0.1:{serve(big_blue_button(crowd))}/bigbluebutton", secret=SECRET)
    assert dict(found.figures)["probe_roster_joined"] == 5000.0
    assert len(found.names) == 10_000


PEOPLE = {"participants": [{"name": "Xã Mẫu 01"}, {"name": " Xã Mẫu 02 "}, {"name": "Xã Mẫu 01"}, {"name": ""}]}


async def test_any_json_is_asked_by_expression(serve: Serve) -> None:
    """Each name once, in order, none empty."""
    port = serve(answering(json.dumps(PEOPLE).encode()))
    found = await ask(f"http://127.0.0.1:{port}/rooms?id=1", platform="json", names="participants[].name")
    assert found.success, found
    assert found.names == ("Xã Mẫu 01", "Xã Mẫu 02")
    assert dict(found.figures)["probe_roster_joined"] == 4.0


@pytest.mark.parametrize(
    ("body", "names", "failure"),
    [
        (b"<html>", "[].name", Failure.PROTOCOL),
        (b"\xff", "[].name", Failure.PROTOCOL),
        (b"[" * 10_000, "[].name", Failure.PROTOCOL),
        (b"{}", "[].name", Failure.STATUS),
        (b'[{"name": 1}]', "[].name", Failure.STATUS),
        (b'["x"]', "length(@)", Failure.STATUS),
        (b"[1]", "starts_with([0], 'x')", Failure.STATUS),
    ],
)
async def test_json_without_names_is_explained(serve: Serve, body: bytes, names: str, failure: Failure) -> None:
    found = await ask(f"http://127.0.0.1:{serve(answering(body))}/", platform="json", names=names)
    assert found.failure is failure, found


@pytest.mark.parametrize("platform", ["bigbluebutton", "json"])
async def test_a_refusal_in_http_is_a_failure_of_status(serve: Serve, platform: str) -> None:
    """A redirect too: the checksum of a call is not carried elsewhere, nor told."""
    port = serve(answering(b"", "301 Moved\r\nLocation: http://127.0.0.1:1/"))
    found = await ask(f"http://127.0.0.1:{port}/", platform=platform)
    assert (found.failure, found.detail) == (Failure.STATUS, "status 301, wanted 2xx")


async def test_what_is_no_big_blue_button_is_a_failure_of_protocol(serve: Serve) -> None:
    found = await ask(f"http://127.0.0.1:{serve(answering(b'<html><body/></html>'))}/bigbluebutton")
    assert (found.failure, found.detail) == (Failure.PROTOCOL, "no answer of BigBlueButton: without a returncode")
    found = await ask(f"http://127.0.0.1:{serve(lambda sock: sock.sendall(b'SSH-2.0'))}/bigbluebutton")
    assert found.failure is Failure.PROTOCOL


async def test_nobody_there_is_refused_and_silence_is_a_timeout(
    serve: Serve, closed_port: int, silent_port: int
) -> None:
    assert (await ask(f"http://127.0.0.1:{closed_port}/")).failure is Failure.REFUSED
    assert (await ask(f"http://127.0.0.1:{silent_port}/", timeout_s=0.2)).failure is Failure.TIMEOUT
    quiet = serve(lambda sock: sock.recv(1) and sock.recv(9999) and sock.recv(1))
    assert (await ask(f"http://127.0.0.1:{quiet}/", timeout_s=0.3)).failure is Failure.TIMEOUT


async def test_an_answer_too_big_fails(serve: Serve) -> None:
    found = await ask(f"http://127.0.0.1:{serve(answering(b'x' * 2000))}/", max_body_bytes=1000)
    assert (found.failure, found.detail) == (Failure.STATUS, "body bigger than 1000 bytes")


def test_an_expression_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="names: expected a JMESPath expression"):
        RosterParams(names="[")
