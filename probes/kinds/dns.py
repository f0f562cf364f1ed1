"""Does a resolver or name server answer as it should, over UDP, TCP or TLS (RFC 1035, 7766, 7858)?

Phases: ``resolve`` (of the server's own name), ``connect`` and ``tls`` (TCP and TLS alone), ``request``. Over UDP the
query is sent again after 0.5 s, 1 s, 2 s … until the deadline; an answer that does not fit is asked for over TCP.
Success: an answer to our own query whose response code is a wanted one, with as many records and such texts as wanted.
Any other answer is a failure ``status``.
"""

import re
from secrets import randbelow
from typing import Annotated

from msgspec import Meta

from probes.codecs import dns
from probes.codecs.dns import Answer, Query
from probes.dial import Miss, Trace, measure, split_host_port
from probes.exchange import ExchangeParams, Framing, Transport, open_exchange
from probes.model import CERT_EXPIRY, IP_PROTOCOL, Failure, Figure, Kind, Measurement

FRAMING = Framing(dns.LENGTH_BYTES, dns.rest_bytes)
RRS = ("probe_dns_answer_rrs", "probe_dns_authority_rrs", "probe_dns_additional_rrs")


class DnsParams(ExchangeParams, frozen=True, kw_only=True):
    """What to ask, and which answer is wanted."""

    query: str = "."
    """Name to ask for, such as portal.example.vn; by default the root, which every resolver knows."""
    type: dns.Type = "NS"
    """Type of the records to ask for: A, AAAA, NS, MX, TXT, SRV, SOA …"""
    recursion: bool = True
    """Whether the server may ask others: on for a resolver, off for a server that must know by itself."""
    valid_rcodes: tuple[str, ...] = ("NOERROR",)
    """Response codes that count as success, such as NOERROR or NXDOMAIN."""
    min_answers: Annotated[int, Meta(ge=0, le=4096)] = 0
    """At least so many records of the type must be in the answer."""
    answers_match: tuple[str, ...] = ()
    """Regular expressions each of which must occur in a record of the answer, such as "A 192.0.2.1" or "MX 10 m."."""

    def __post_init__(self) -> None:
        try:
            dns.encode(self.question, 0)
        except dns.DnsError as error:
            raise ValueError(f"query: expected a domain name, got {error}") from error
        for name in self.valid_rcodes:
            if name not in dns.RCODES:
                raise ValueError(f'valid_rcodes: expected a code such as NOERROR or NXDOMAIN, got "{name}"')
        for pattern in self.answers_match:
            _check_pattern(pattern)

    @property
    def question(self) -> Query:
        """What goes over the wire."""
        return Query(self.query, self.type, self.recursion)


def _check_pattern(pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f'answers_match: expected a regular expression, got "{pattern}": {error}') from error


async def probe(address: str, params: DnsParams, deadline: float) -> Measurement:
    """Ask the server at ``host[:port]`` and judge its answer."""

    async def work(trace: Trace) -> None:
        host, port = split_host_port(address, dns.PORTS[params.transport])
        answer = await ask(trace, host, port, params, params.transport)
        if answer.truncated and params.transport == "udp":
            answer = await ask(trace, host, port, params, "tcp")
        note(trace, answer)
        judge(answer, params)

    return await measure(work, deadline)


async def ask(trace: Trace, host: str, port: int, params: DnsParams, transport: Transport) -> Answer:
    """One query and its answer, whatever that says."""
    question, message_id = params.question, randbelow(1 << 16)
    message = dns.encode(question, message_id)
    head = 0 if transport == "udp" else dns.LENGTH_BYTES
    async with open_exchange(trace, host, port, params, transport, FRAMING) as exchange:
        with trace.phase("request"):
            return await exchange.ask(
                dns.framed(message) if head else message,
                lambda data: dns.decode(data[head:], question, message_id),
            )


def note(trace: Trace, answer: Answer) -> None:
    """What the answer says in numbers."""
    trace.figures["probe_dns_rcode"] = float(answer.rcode)
    trace.figures.update(zip(RRS, map(float, answer.counts), strict=True))
    if answer.serial is not None:
        trace.figures["probe_dns_serial"] = float(answer.serial)


def judge(answer: Answer, params: DnsParams) -> None:
    """Raise Miss unless the answer is as wanted."""
    name = dns.rcode_name(answer.rcode)
    if name not in params.valid_rcodes:
        raise Miss(Failure.STATUS, f"{name}, wanted {' '.join(params.valid_rcodes)}")
    if answer.truncated:
        raise Miss(Failure.PROTOCOL, "an answer that does not fit even over TCP")
    if answer.wanted < params.min_answers:
        raise Miss(Failure.STATUS, f"{answer.wanted} {params.type} records, wanted at least {params.min_answers}")
    for pattern in params.answers_match:
        if not any(re.search(pattern, text) for text in answer.texts):
            raise Miss(Failure.STATUS, f"no answer matches {pattern!r}: {'; '.join(answer.texts) or 'there is none'}")


KIND = Kind(
    "dns",
    DnsParams,
    probe,
    "host[:port] or [v6][:port] of the server, port 53 (tls: 853) unless given",
    figures=(
        IP_PROTOCOL,
        Figure("probe_dns_rcode", "Response code of the answer as a number, 0 for NOERROR."),
        Figure("probe_dns_answer_rrs", "Records in the answer section."),
        Figure("probe_dns_authority_rrs", "Records in the authority section."),
        Figure("probe_dns_additional_rrs", "Records in the additional section."),
        Figure("probe_dns_serial", "Serial number of the zone, where SOA was asked for."),
        CERT_EXPIRY,
    ),
)
