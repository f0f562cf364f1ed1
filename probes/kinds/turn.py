"""Does a TURN server relay for these credentials, over UDP, TCP or TLS (RFC 8656)? What media needs across firewalls.

Phases: ``resolve``, ``connect`` and ``tls`` (TCP and TLS alone), ``allocate``, ``release``. A relay for UDP is asked
for; where the server wants credentials (401) it is asked again with them, once more where its nonce is stale (438), and
from another port where it still knows ours from before (437). Success: an allocation was made. It is given back at
once; whether the server confirms that does not count. An error response is a failure ``status`` with its code and
reason; an answer that does not prove to know the password is one of ``protocol``.
"""

from asyncio import timeout_at
from contextlib import suppress
from secrets import token_bytes
from time import monotonic

from probes.codecs import stun
from probes.codecs.stun import Attribute, Class, Message, Method, Refusal
from probes.dial import Miss, Trace, measure, read_secret, split_host_port
from probes.exchange import Exchange, ExchangeParams, Framing, open_exchange
from probes.model import CERT_EXPIRY, IP_PROTOCOL, Failure, Figure, Kind, Malformed, Measurement

FRAMING = Framing(stun.HEADER_BYTES, stun.body_bytes)
UNAUTHORIZED, ALLOCATION_MISMATCH, STALE_NONCE = 401, 437, 438
PORTS_TRIED = 3
"""Of our own, where the server still knows the one that the kernel gave us from somebody before (RFC 8656, 7.4)."""
STALE_NONCES = 2
"""How often in a row a nonce may be stale."""
USERNAME_BYTES = 508
RELEASE_S = 0.5
"""So long, and not beyond the deadline, the server is waited for when the allocation is given back."""
MARGIN_S = 0.02


class TurnParams(ExchangeParams, frozen=True, kw_only=True):
    """How to reach the server, and as whom."""

    username: str = ""
    """Name of the long-term credentials; empty where the server wants none."""
    password: str = ""
    """Password of the long-term credentials."""
    password_file: str = ""
    """File whose first line is the password; it takes the place of ``password``."""

    def __post_init__(self) -> None:
        for name in ("username", "password"):
            _check_text(name, getattr(self, name))
        if (size := len(self.username.encode())) > USERNAME_BYTES:
            raise ValueError(f"username: expected at most {USERNAME_BYTES} bytes, got {size}")


def _check_text(name: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name}: expected text, got what is no Unicode") from error


async def probe(address: str, params: TurnParams, deadline: float) -> Measurement:
    """Allocate a relay at ``host[:port]`` and give it back."""

    async def work(trace: Trace) -> None:
        password = read_secret(params.password, params.password_file)
        answer = await relay(trace, address, params, password, deadline)
        for _ in range(PORTS_TRIED - 1):
            if not refused_with(answer, ALLOCATION_MISMATCH):
                break
            answer = await relay(trace, address, params, password, deadline)
        judge(trace, answer)

    return await measure(work, deadline)


async def relay(trace: Trace, address: str, params: TurnParams, password: str, deadline: float) -> Message:
    """Ask for an allocation from a port of our own; the one that is made is given back."""
    host, port = split_host_port(address, stun.PORTS[params.transport])
    async with open_exchange(trace, host, port, params, params.transport, FRAMING) as exchange:
        client = Client(exchange, params.username, password)
        with trace.phase("allocate"):
            answer = await client.allocate()
        if answer.outcome is Class.SUCCESS:
            with trace.phase("release"):
                await client.release(min(monotonic() + RELEASE_S, deadline - MARGIN_S))
        return answer


def refused_with(answer: Message, code: int) -> bool:
    """Whether the answer is this error. Raises StunError."""
    return answer.outcome is Class.ERROR and stun.refusal(answer).code == code


class Client:
    """Asks for a relay; knows after the first challenge what to sign its requests with."""

    def __init__(self, exchange: Exchange, username: str, password: str) -> None:
        self._exchange = exchange
        self._username = username
        self._password = password
        self._credentials: tuple[tuple[Attribute, bytes], ...] = ()
        self._key = b""

    async def allocate(self) -> Message:
        """The last answer, once there is no challenge left that we can meet. Raises StunError."""
        answer = await self._ask(Method.ALLOCATE, (Attribute.REQUESTED_TRANSPORT, stun.UDP))
        for _ in range(1 + STALE_NONCES):
            if not self._challenged(answer):
                break
            self._sign(answer)
            answer = await self._ask(Method.ALLOCATE, (Attribute.REQUESTED_TRANSPORT, stun.UDP))
        if answer.outcome is Class.SUCCESS and not _whole(answer):
            raise stun.StunError("an allocation without address or lifetime")
        return answer

    async def release(self, until: float) -> None:
        """Give the allocation back; it would end by itself, so nothing that goes wrong here matters."""
        with suppress(Miss, Malformed, OSError):  # TimeoutError is an OSError
            async with timeout_at(until):
                await self._ask(Method.REFRESH, (Attribute.LIFETIME, bytes(4)))

    def _challenged(self, answer: Message) -> bool:
        """Whether the same request may succeed when it is signed anew."""
        return bool(self._username) and refused_with(answer, STALE_NONCE if self._key else UNAUTHORIZED)

    def _sign(self, challenge: Message) -> None:
        """Take realm and nonce from a challenge (RFC 8489, 9.2.5)."""
        realm = stun.text(challenge, Attribute.REALM)
        nonce = challenge.attributes.get(Attribute.NONCE)
        if nonce is None or Attribute.REALM not in challenge.attributes:
            raise stun.StunError("credentials are wanted, but without realm or nonce")
        self._credentials = (
            (Attribute.USERNAME, self._username.encode()),
            (Attribute.REALM, realm.encode()),
            (Attribute.NONCE, nonce),
        )
        self._key = stun.long_term_key(self._username, realm, self._password)

    async def _ask(self, method: Method, *attributes: tuple[Attribute, bytes]) -> Message:
        transaction = token_bytes(stun.TRANSACTION_BYTES)
        request = stun.encode(method, transaction, attributes + self._credentials, key=self._key)

        def read(data: bytes) -> Message | None:
            answer = stun.decode(data)
            if (answer.method, answer.transaction) != (method, transaction):
                return None
            self._check(answer)
            return answer

        return await self._exchange.ask(request, read)

    def _check(self, answer: Message) -> None:
        """Raise StunError unless it is an answer, and one that knows our password where it must (RFC 8489, 9.2.5)."""
        if answer.outcome not in {Class.SUCCESS, Class.ERROR}:
            raise stun.StunError("a request of STUN, no answer")
        if self._key and (answer.outcome is Class.SUCCESS or stun.protected(answer)):
            stun.verify(answer, self._key)


def _whole(allocation: Message) -> bool:
    """Whether it has what it must have (RFC 8656, 7.3)."""
    relayed = stun.address(allocation, Attribute.XOR_RELAYED_ADDRESS)
    return relayed is not None and stun.lifetime_s(allocation) is not None


def judge(trace: Trace, answer: Message) -> None:
    """Raise Miss unless the answer is an allocation."""
    if answer.outcome is Class.ERROR:
        refusal = stun.refusal(answer)
        trace.figures["probe_stun_error_code"] = float(refusal.code)
        raise Miss(Failure.STATUS, _explained(refusal, answer))
    trace.figures["probe_turn_lifetime_seconds"] = float(stun.lifetime_s(answer) or 0)


def _explained(refusal: Refusal, answer: Message) -> str:
    alternate = stun.address(answer, Attribute.ALTERNATE_SERVER)
    return f"error {refusal}" + (f", points to {alternate[0]} port {alternate[1]}" if alternate else "")


KIND = Kind(
    "turn",
    TurnParams,
    probe,
    "host[:port] or [v6][:port], port 3478 (tls: 5349) unless given",
    figures=(
        IP_PROTOCOL,
        Figure("probe_turn_lifetime_seconds", "How long the server would have kept the allocation, in seconds."),
        Figure("probe_stun_error_code", "Code of the error that answered instead."),
        CERT_EXPIRY,
    ),
)
