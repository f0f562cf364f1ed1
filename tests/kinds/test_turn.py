import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from probes import exchange
from probes.codecs import stun
from probes.codecs.stun import Attribute, Class, Message, Method
from probes.kinds.turn import KIND, TurnParams
from probes.model import Failure, Measurement

BOUND_S = 10.0
"""More than any answer here takes on a busy machine."""
Serve = Callable[..., int]
REALM, NONCE, USER, PASSWORD = "điểm.test", b"nonce-1", "cau", "mật khẩu"
KEY = stun.long_term_key(USER, REALM, PASSWORD)
CHALLENGE = [(Attribute.REALM, REALM.encode()), (Attribute.NONCE, NONCE)]
ME = TurnParams(username=USER, password=PASSWORD)
Behaviour = Callable[[Message], bytes | None]


async def ask(address: str, params: TurnParams = ME, timeout_s: float = BOUND_S) -> Measurement:
    deadline = asyncio.get_running_loop().time() + timeout_s
    return await KIND.bind(params).run(address, deadline)


def refuse(request: Message, code: int, reason: str = "", *more: tuple[Attribute, bytes], key: bytes = b"") -> bytes:
    value = bytes((0, 0, code // 100, code % 100)) + reason.encode()
    attributes = [(Attribute.ERROR_CODE, value), *more]
    return stun.encode(Method(request.method), request.transaction, attributes, key=key, outcome=Class.ERROR)


def challenge(request: Message, code: int = 401, nonce: bytes = NONCE) -> bytes:
    return refuse(request, code, "Unauthorized", (Attribute.REALM, REALM.encode()), (Attribute.NONCE, nonce))


def allocated(request: Message, key: bytes = KEY) -> bytes:
    relayed = stun.address_value(Attribute.XOR_RELAYED_ADDRESS, "192.0.2.9", 49152, request.transaction)
    attributes = [(Attribute.XOR_RELAYED_ADDRESS, relayed), (Attribute.LIFETIME, (600).to_bytes(4, "big"))]
    return stun.encode(Method.ALLOCATE, request.transaction, attributes, key=key, outcome=Class.SUCCESS)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no message is judged soon."""
    monkeypatch.setattr(exchange, "FIRST_WAIT_S", 0.1)


class Relay:
    """A TURN server that does as the RFC says, but where a test has put other behaviour in the place of an answer."""

    def __init__(self, **behaviour: Behaviour) -> None:
        self.behaviour, self.requests = behaviour, list[Message]()

    def __call__(self, data: bytes) -> list[bytes]:
        """Packet in, packets out."""
        request = stun.decode(data)
        self.requests.append(request)
        answer = self.behaviour.get(self.turn_of(request), self.good)(request)
        return [] if answer is None else [answer]

    def turn_of(self, request: Message) -> str:
        """Which of the three answers is due."""
        if request.method == Method.REFRESH:
            return "release"
        return "allocate" if Attribute.NONCE in request.attributes else "challenge"

    def good(self, request: Message) -> bytes:
        """The RFC's answer."""
        turn = self.turn_of(request)
        if turn == "challenge":
            assert request.attributes[Attribute.REQUESTED_TRANSPORT] == b"\x11\0\0\0"
            return challenge(request)
        assert stun.text(request, Attribute.USERNAME) == USER
        assert stun.text(request, Attribute.REALM) == REALM
        stun.verify(request, KEY)
        if turn == "allocate":
            return allocated(request)
        assert stun.lifetime_s(request) == 0
        return stun.encode(Method.REFRESH, request.transaction, key=KEY, outcome=Class.SUCCESS)


async def test_an_allocation_is_made_and_given_back(serve_udp: Serve) -> None:
    relay = Relay()
    found = await ask(f"127.0.0.1:{serve_udp(relay)}")
    assert found.success, found
    assert [name for name, _ in found.phases] == ["resolve", "allocate", "release"]
    assert dict(found.figures) == {"probe_ip_protocol": 4.0, "probe_turn_lifetime_seconds": 600.0}
    assert [request.method for request in relay.requests] == [Method.ALLOCATE, Method.ALLOCATE, Method.REFRESH]
    assert len({request.transaction for request in relay.requests}) == 3


async def test_ipv6_and_tcp(serve_udp: Serve, serve: Serve) -> None:
    assert (await ask(f"[::1]:{serve_udp(Relay(), host='::1')}")).success
    relay = Relay()

    def handle(sock: socket.socket) -> None:
        while data := sock.recv(4096):
            for answer in relay(data):
                sock.sendall(answer)

    params = TurnParams(username=USER, password=PASSWORD, transport="tcp")
    found = await ask(f"[::1]:{serve(handle, host='::1')}", params)
    assert found.success
    assert [name for name, _ in found.phases] == ["resolve", "connect", "allocate", "release"]


async def test_the_password_stands_in_a_file(serve_udp: Serve, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD + "\n", encoding="utf-8")
    port = serve_udp(Relay())
    assert (await ask(f"127.0.0.1:{port}", TurnParams(username=USER, password_file=str(secret)))).success
    missing = await ask(f"127.0.0.1:{port}", TurnParams(username=USER, password_file=str(tmp_path / "none")))
    assert missing.failure is Failure.SEND


async def test_a_server_that_wants_no_credentials_needs_none(serve_udp: Serve) -> None:
    relay = Relay(challenge=lambda request: allocated(request, key=b""), release=lambda _: None)
    assert (await ask(f"127.0.0.1:{serve_udp(relay)}", TurnParams())).success
    assert not any(stun.protected(request) for request in relay.requests)


async def test_without_credentials_a_challenge_is_the_answer(serve_udp: Serve) -> None:
    relay = Relay()
    found = await ask(f"127.0.0.1:{serve_udp(relay)}", TurnParams())
    assert (found.failure, found.detail) == (Failure.STATUS, "error 401 Unauthorized")
    assert len(relay.requests) == 1


async def test_a_wrong_password_is_refused_once_and_for_all(serve_udp: Serve) -> None:
    """No password is guessed, and none is told."""
    relay = Relay(allocate=challenge)
    found = await ask(f"127.0.0.1:{serve_udp(relay)}")
    assert (found.failure, found.detail) == (Failure.STATUS, "error 401 Unauthorized")
    assert dict(found.figures)["probe_stun_error_code"] == 401.0
    assert len(relay.requests) == 2


async def test_a_stale_nonce_is_changed_for_the_new_one(serve_udp: Serve) -> None:
    """RFC 8489, 9.2.5."""

    def stale(request: Message) -> bytes:
        fresh = request.attributes[Attribute.NONCE] == b"nonce-2"
        return allocated(request) if fresh else challenge(request, 438, b"nonce-2")

    found = await ask(f"127.0.0.1:{serve_udp(Relay(allocate=stale))}")
    assert found.success, found


async def test_nonces_that_are_stale_for_ever_are_an_answer(serve_udp: Serve) -> None:
    relay = Relay(allocate=lambda request: challenge(request, 438))
    found = await ask(f"127.0.0.1:{serve_udp(relay)}")
    assert found.failure is Failure.STATUS
    assert len(relay.requests) == 4


async def test_where_our_port_is_known_from_before_another_one_is_used(serve_udp: Serve) -> None:
    """RFC 8656, 7.4; three of them, and then that is the answer."""
    mismatches: list[Message] = []

    def mismatch(request: Message) -> bytes:
        mismatches.append(request)
        return refuse(request, 437, "Mismatch", key=KEY)

    once = Relay(allocate=lambda request: allocated(request) if mismatches else mismatch(request))
    assert (await ask(f"127.0.0.1:{serve_udp(once)}")).success
    mismatches.clear()
    found = await ask(f"127.0.0.1:{serve_udp(Relay(allocate=mismatch))}")
    assert (found.failure, found.detail) == (Failure.STATUS, "error 437 Mismatch")
    assert len(mismatches) == 3


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("key", [b"", b"wrong"], ids=["none", "wrong"])
async def test_an_allocation_that_does_not_know_our_password_is_not_believed(serve_udp: Serve, key: bytes) -> None:
    relay = Relay(allocate=lambda request: allocated(request, key=key))
    found = await ask(f"127.0.0.1:{serve_udp(relay)}")
    assert found.failure is Failure.PROTOCOL
    assert found.detail in {"not protected by any password", "wrong integrity: not protected by this password"}


@pytest.mark.usefixtures("hasty")
async def test_an_error_with_a_wrong_integrity_is_not_believed(serve_udp: Serve) -> None:
    relay = Relay(allocate=lambda request: refuse(request, 486, "Quota", key=b"wrong"))
    assert (await ask(f"127.0.0.1:{serve_udp(relay)}")).failure is Failure.PROTOCOL


async def test_an_error_is_kept_with_code_and_reason(serve_udp: Serve) -> None:
    relay = Relay(allocate=lambda request: refuse(request, 486, "Allocation Quota Reached", key=KEY))
    found = await ask(f"127.0.0.1:{serve_udp(relay)}")
    assert (found.failure, found.detail) == (Failure.STATUS, "error 486 Allocation Quota Reached")
    assert dict(found.figures)["probe_stun_error_code"] == 486.0


async def test_an_alternate_server_is_named_and_not_asked(serve_udp: Serve) -> None:
    alternate = stun.address_value(Attribute.ALTERNATE_SERVER, "192.0.2.5", 3478, b"")
    relay = Relay(allocate=lambda request: refuse(request, 300, "Try", (Attribute.ALTERNATE_SERVER, alternate)))
    found = await ask(f"127.0.0.1:{serve_udp(relay)}")
    assert (found.failure, found.detail) == (Failure.STATUS, "error 300 Try, points to 192.0.2.5 port 3478")


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("turn", "behaviour"),
    [
        ("challenge", lambda request: refuse(request, 401, "")),
        ("challenge", lambda request: refuse(request, 401, "", (Attribute.NONCE, NONCE), (Attribute.REALM, b"\xff"))),
        ("challenge", lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        (
            "allocate",
            lambda request: stun.encode(Method.ALLOCATE, request.transaction, key=KEY, outcome=Class.SUCCESS),
        ),
        ("allocate", lambda request: stun.encode(Method.ALLOCATE, request.transaction, outcome=Class.INDICATION)),
    ],
    ids=["no realm", "no text", "http", "no relay", "indication"],
)
async def test_what_is_no_answer_of_turn_is_a_failure_of_protocol(
    serve_udp: Serve, turn: str, behaviour: Behaviour
) -> None:
    found = await ask(f"127.0.0.1:{serve_udp(Relay(**{turn: behaviour}))}")
    assert found.failure is Failure.PROTOCOL
    assert found.phases[-1][0] == "allocate"


@pytest.mark.parametrize(
    "behaviour",
    [lambda _: None, lambda request: refuse(request, 437, "Mismatch"), lambda _: b"noise"],
    ids=["silent", "refused", "noise"],
)
async def test_an_allocation_counts_even_if_giving_it_back_fails(serve_udp: Serve, behaviour: Behaviour) -> None:
    found = await ask(f"127.0.0.1:{serve_udp(Relay(release=behaviour))}")
    assert found.success
    assert found.duration_s < BOUND_S


async def test_giving_back_is_not_waited_for_beyond_the_deadline(serve_udp: Serve) -> None:
    found = await ask(f"127.0.0.1:{serve_udp(Relay(release=lambda _: None))}", timeout_s=0.4)
    assert found.success or found.failure is Failure.TIMEOUT  # a machine may be slower than this
    assert found.duration_s < BOUND_S


async def test_silence_after_the_challenge_is_a_timeout(serve_udp: Serve) -> None:
    found = await ask(f"127.0.0.1:{serve_udp(Relay(allocate=lambda _: None))}", timeout_s=0.3)
    assert (found.failure, found.detail) == (Failure.TIMEOUT, "no answer in phase allocate")


async def test_a_closed_port_is_refused(closed_port: int) -> None:
    found = await ask(f"127.0.0.1:{closed_port}", TurnParams(transport="tcp"))
    assert found.failure is Failure.REFUSED


async def test_leaving_after_the_challenge_is_a_reset(serve: Serve) -> None:
    def leave(sock: socket.socket) -> None:
        sock.sendall(challenge(stun.decode(sock.recv(4096))))
        sock.recv(4096)

    found = await ask(f"127.0.0.1:{serve(leave)}", TurnParams(username=USER, password=PASSWORD, transport="tcp"))
    assert (found.failure, found.detail) == (Failure.RESET, "closed by the other side before a whole answer came")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"username": "x" * 509}, "username: expected at most 508 bytes, got 509"),
        ({"username": "\ud800"}, "username: expected text"),
        ({"password": "\ud800"}, "password: expected text"),
    ],
)
def test_bad_parameters_are_refused_when_configured(params: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TurnParams(**params)
