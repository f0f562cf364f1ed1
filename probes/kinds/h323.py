"""Does a codec or a conference server speak H.323: does it answer call signalling on TCP port 1720 (H.225.0)?

Phases: ``resolve``, ``connect``, ``enquiry``. After connecting, a STATUS ENQUIRY about a call that does not exist is
sent. It changes nothing (Q.931, 5.8.10), whereas the SETUP that opens a real call would ring the codec in the middle of
a ceremony. A STATUS or a RELEASE COMPLETE should answer; any message of call signalling counts, with
``probe_h323_answered`` 1.

Success: the connection was accepted, and nothing but H.225.0 came. Many codecs ignore an enquiry about an unknown call,
so silence of ``answer_timeout_s`` is a success with ``probe_h323_answered`` 0. So is an orderly close: some programs
hang up on a first message that is no SETUP, and who closes has accepted, read and decided. A connection cut by a reset
is a failure: so a system ends the connections of a program that died or never read. With ``require_answer`` only an
answer will do; then silence is ``timeout`` and a close is ``reset``.
"""

import asyncio
from secrets import randbelow, token_bytes
from time import monotonic
from typing import Annotated

from msgspec import Meta

from probes.codecs import h225
from probes.codecs.h225 import Message, MessageType
from probes.dial import Connection, DialParams, Miss, Trace, connect, measure, split_host_port
from probes.model import IP_PROTOCOL, Failure, Figure, Kind, Measurement

MARGIN_S = 0.02
"""So long before the deadline the answer is no longer waited for, so that silence is told from an overdue probe."""


class H323Params(DialParams, frozen=True, kw_only=True):
    """How to reach the codec, and what of it will do."""

    answer_timeout_s: Annotated[float, Meta(gt=0.0, le=60.0)] = 1.0
    """How long an answer is waited for once connected, in seconds; never beyond the probe's own deadline."""
    require_answer: bool = False
    """Whether only an answer counts as success: for codecs that are known to answer a STATUS ENQUIRY."""


async def probe(address: str, params: H323Params, deadline: float) -> Measurement:
    """Connect to ``host[:port]`` and enquire."""

    async def work(trace: Trace) -> None:
        host, port = split_host_port(address, h225.PORT)
        connection = await connect(trace, host, port, params)
        try:
            with trace.phase("enquiry"):
                until = min(monotonic() + params.answer_timeout_s, deadline - MARGIN_S)
                message = await enquire(connection, until, params)
        finally:
            connection.close()
        note(trace, message)

    return await measure(work, deadline)


async def enquire(connection: Connection, until: float, params: H323Params) -> Message | None:
    """Ask, and return the first message; None for silence and for an orderly close, where these will do.

    Raises Miss, H225Error or OSError.
    """
    reference = 1 + randbelow(h225.CALL_REFERENCES - 1)
    await connection.send(h225.encode_status_enquiry(reference, token_bytes(h225.CALL_ID_BYTES)))
    reader = h225.Reader()
    missing = Failure.RESET, "closed by the other side without an answer"
    try:
        async with asyncio.timeout_at(until):
            while data := await connection.receive():
                for message in reader.feed(data):
                    must_be_theirs(message, reference)
                    return message
    except TimeoutError:
        missing = Failure.TIMEOUT, "connected, but no answer to the enquiry"
    if not reader.idle:
        raise Miss(Failure.PROTOCOL, "a message that breaks off")
    if params.require_answer:
        raise Miss(*missing)
    return None


def must_be_theirs(message: Message, reference: int) -> None:
    """Raise Miss for our own enquiry: a service that echoes is no codec."""
    if (message.type, message.call_reference, message.to_originator) == (MessageType.STATUS_ENQUIRY, reference, False):
        raise Miss(Failure.PROTOCOL, "our own enquiry came back")


def note(trace: Trace, message: Message | None) -> None:
    """What the answer says in numbers."""
    trace.figures["probe_h323_answered"] = float(message is not None)
    if message is None:
        return
    told = {"message_type": message.type, "body": message.body, "cause": message.cause}
    trace.figures.update((f"probe_h323_{name}", float(value)) for name, value in told.items() if value is not None)


KIND = Kind(
    "h323",
    H323Params,
    probe,
    "host[:port] or [v6][:port], port 1720 unless given",
    figures=(
        IP_PROTOCOL,
        Figure("probe_h323_answered", "1 where a message of call signalling answered, 0 where the codec kept silent."),
        Figure(
            "probe_h323_message_type", "Type of the message that answered (Q.931): 125 STATUS, 90 RELEASE COMPLETE."
        ),
        Figure("probe_h323_body", "Which h323-message-body of H.225.0 the answer has: 5 releaseComplete, 9 status."),
        Figure(
            "probe_h323_cause", "Cause in the answer (Q.850): 30 response to an enquiry, 81 unknown call reference."
        ),
    ),
)
