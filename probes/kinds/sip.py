"""Does a codec, a conference server or a SIP proxy answer signalling, over UDP, TCP or TLS (RFC 3261)?

It is asked by OPTIONS, which rings nobody. Phases: ``resolve``, ``connect`` and ``tls`` (TCP and TLS alone),
``options``. Over UDP the request is sent again after 0.5 s, 1 s, 2 s … until the deadline. Success: a final response
to our own request, whatever its code, for also a refusal (401, 404, 486, 503 …) is signalling that works; what else it
means stands in ``probe_sip_status_code``. Provisional responses (1xx) are waited through, others' responses ignored.
"""

from secrets import randbelow, token_hex

from probes.codecs import sip
from probes.codecs.sip import Request, Response, Transaction
from probes.dial import Connection, Miss, Trace, connect, measure, open_datagram, secure, split_host_port
from probes.exchange import ExchangeParams, Packets
from probes.model import CERT_EXPIRY, IP_PROTOCOL, Failure, Figure, Kind, Measurement

CSEQ_BOUND = 1 << 31
"""Of sequence numbers (8.1.1.5)."""
BRANCH_BYTES, TAG_BYTES, CALL_ID_BYTES = 12, 8, 12


class SipParams(ExchangeParams, frozen=True, kw_only=True):
    """How to reach it, whom to ask for, and as whom."""

    user: str = ""
    """Whom to ask for, such as an extension or a room; empty for the device or server itself."""
    domain: str = ""
    """Domain to ask for, such as example.vn, where it is not the host of the address."""
    from_uri: str = ""
    """As whom to ask, such as sip:monitor@example.vn; empty for diemcau at our own address."""

    def __post_init__(self) -> None:
        if self.user and not sip.USER.fullmatch(self.user):
            raise ValueError(f'user: expected what stands before the @ of a SIP URI, got "{self.user}"')
        if self.domain and not sip.HOST_PORT.fullmatch(self.domain):
            raise ValueError(f'domain: expected a host such as example.vn, got "{self.domain}"')
        if self.from_uri and not sip.URI.fullmatch(self.from_uri):
            raise ValueError(f'from_uri: expected a SIP URI such as sip:monitor@example.vn, got "{self.from_uri}"')


async def probe(address: str, params: SipParams, deadline: float) -> Measurement:
    """Ask ``host[:port]`` by OPTIONS."""

    async def work(trace: Trace) -> None:
        host, port = split_host_port(address, sip.PORTS[params.transport])
        ask = ask_by_packets if params.transport == "udp" else ask_in_stream
        response = await ask(trace, host, port, params)
        trace.figures["probe_sip_status_code"] = float(response.status)

    return await measure(work, deadline)


async def ask_by_packets(trace: Trace, host: str, port: int, params: SipParams) -> Response:
    """The final response over UDP."""
    datagram = await open_datagram(trace, host, port, params)
    try:
        with trace.phase("options"):
            transaction = new_transaction()
            request = sip.encode(request_for(host, port, params, datagram.local_address), transaction)
            return await Packets(datagram).ask(request, lambda packet: final(sip.decode(packet), transaction))
    finally:
        datagram.close()


async def ask_in_stream(trace: Trace, host: str, port: int, params: SipParams) -> Response:
    """The final response over TCP or TLS."""
    connection = await connect(trace, host, port, params)
    try:
        if params.transport == "tls":
            await secure(trace, connection, host, params)
        with trace.phase("options"):
            transaction = new_transaction()
            await connection.send(sip.encode(request_for(host, port, params, connection.local_address), transaction))
            return await final_of(connection, transaction)
    finally:
        connection.close()


async def final_of(connection: Connection, transaction: Transaction) -> Response:
    """Read until the final response to our request. Raises Miss where the other side leaves before it."""
    reader = sip.Reader()
    while data := await connection.receive():
        for response in reader.feed(data):
            if final(response, transaction):
                return response
    raise Miss(Failure.RESET, "closed by the other side before a final response came")


def final(response: Response | None, transaction: Transaction) -> Response | None:
    """The response, if it is a final one to our request."""
    return response if response and response.final and response.answers(transaction) else None


def new_transaction() -> Transaction:
    """A request of its own among all others."""
    call_id = f"{token_hex(CALL_ID_BYTES)}@{sip.AGENT}"
    return Transaction(token_hex(BRANCH_BYTES), call_id, token_hex(TAG_BYTES), 1 + randbelow(CSEQ_BOUND - 1))


def request_for(host: str, port: int, params: SipParams, local_address: tuple[str, int]) -> Request:
    """What is asked, and as whom."""
    ascii_host = host if host.isascii() else host.encode("idna").decode()
    sent_by = sip.host_port(*local_address)
    return Request(
        uri=f"sip:{params.user}{'@' if params.user else ''}{params.domain or sip.host_port(ascii_host, port)}",
        from_uri=params.from_uri or f"sip:{sip.AGENT}@{sent_by}",
        transport=params.transport,
        sent_by=sent_by,
    )


KIND = Kind(
    "sip",
    SipParams,
    probe,
    "host[:port] or [v6][:port], port 5060 (tls: 5061) unless given",
    figures=(
        IP_PROTOCOL,
        Figure("probe_sip_status_code", "Status code of the final response to OPTIONS."),
        CERT_EXPIRY,
    ),
)
