"""Does a STUN server answer, over UDP, TCP or TLS (RFC 8489)? What browsers and codecs behind NAT need to be reached.

Phases: ``resolve``, ``connect`` and ``tls`` (TCP and TLS alone), ``binding``. Over UDP the request is sent again after
0.5 s, 1 s, 2 s … until the deadline. Success: a binding response to our own request that says from where the server
sees us. An error response is a failure ``status``, with its code and reason.
"""

from secrets import token_bytes

from probes.codecs import stun
from probes.codecs.stun import Attribute, Class, Message, Method
from probes.dial import Miss, Trace, measure, split_host_port
from probes.exchange import Exchange, ExchangeParams, Framing, open_exchange
from probes.model import CERT_EXPIRY, IP_PROTOCOL, Failure, Figure, Kind, Measurement

FRAMING = Framing(stun.HEADER_BYTES, stun.body_bytes)


class StunParams(ExchangeParams, frozen=True, kw_only=True):
    """How to reach the server."""


async def probe(address: str, params: StunParams, deadline: float) -> Measurement:
    """Ask ``host[:port]`` from where it sees us."""

    async def work(trace: Trace) -> None:
        host, port = split_host_port(address, stun.PORTS[params.transport])
        async with open_exchange(trace, host, port, params, params.transport, FRAMING) as exchange:
            with trace.phase("binding"):
                answer = await bind(exchange)
            judge(trace, answer, exchange.local_address)

    return await measure(work, deadline)


async def bind(exchange: Exchange) -> Message:
    """One binding request and its answer, whatever that says."""
    transaction = token_bytes(stun.TRANSACTION_BYTES)

    def read(data: bytes) -> Message | None:
        answer = stun.decode(data)
        if answer.outcome not in {Class.SUCCESS, Class.ERROR}:
            raise stun.StunError("a request of STUN, no answer")
        return answer if (answer.method, answer.transaction) == (Method.BINDING, transaction) else None

    return await exchange.ask(stun.encode(Method.BINDING, transaction), read)


def judge(trace: Trace, answer: Message, local_address: tuple[str, int]) -> None:
    """Raise Miss or StunError unless the answer says from where the server sees us."""
    if answer.outcome is Class.ERROR:
        refusal = stun.refusal(answer)
        trace.figures["probe_stun_error_code"] = float(refusal.code)
        raise Miss(Failure.STATUS, f"error {refusal}")
    mapped = stun.address(answer, Attribute.XOR_MAPPED_ADDRESS, Attribute.MAPPED_ADDRESS)
    if mapped is None:
        raise stun.StunError("an answer without our address")
    host, port = local_address
    own = host.partition("%")[0], port  # a link-local address names its interface
    trace.figures["probe_stun_translated"] = float(mapped != own)


KIND = Kind(
    "stun",
    StunParams,
    probe,
    "host[:port] or [v6][:port], port 3478 (tls: 5349) unless given",
    figures=(
        IP_PROTOCOL,
        Figure("probe_stun_translated", "1 where the server sees us by another address or port than our own, so NAT."),
        Figure("probe_stun_error_code", "Code of the error that answered instead."),
        CERT_EXPIRY,
    ),
)
