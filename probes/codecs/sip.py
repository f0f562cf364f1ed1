"""Asks by SIP OPTIONS and reads what comes back (RFC 3261). What is random in a request is handed in.

A datagram holds one message; in a stream each says by Content-Length where it ends (18.3). Of the header fields those
alone are kept that tell which request is answered. Header fields may have compact names (7.3.3) and go on in the next
line (7.3.1).
"""

import re

import msgspec

from probes.model import Malformed

PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061}
"""By transport (19.1.2)."""
METHOD = "OPTIONS"
MAGIC = "z9hG4bK"
"""With it begins every branch of RFC 3261 (8.1.1.7)."""
MAX_FORWARDS = 70
AGENT = "diemcau"

LINE_BYTES = 2048
"""A start line."""
HEAD_BYTES = 16_384
"""Start line and header fields, whole."""
FIELDS = 256
BODY_BYTES = 65_536

END = b"\r\n\r\n"
REQUIRED = ("via", "call-id", "cseq")
"""Header fields without which no response can be told from others (8.2.6.2)."""
LENGTH = "content-length"
COMPACT = {"v": "via", "i": "call-id", "l": LENGTH}
KEPT = frozenset({*REQUIRED, LENGTH})

STATUS_LINE = re.compile(r"SIP/2\.0 ([1-6][0-9][0-9])(?: (.*))?", re.IGNORECASE)
REQUEST_LINE = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{1,64} [^ ]+ SIP/2\.0", re.IGNORECASE)
BINARY = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""What no header has in it."""
FOLD = re.compile(r"\r\n[ \t]+")
BRANCH = re.compile(r";[ \t]*branch[ \t]*=[ \t]*([^;, \t]+)", re.IGNORECASE)
SEQUENCE = re.compile(r"([0-9]{1,10})[ \t]+([^ \t]+)")
DIGITS = re.compile(r"[0-9]{1,9}")
USER = re.compile(r"(?:[A-Za-z0-9_.!~*'()&=+$,;?/-]|%[0-9A-Fa-f]{2}){1,128}")
"""Before the @ (25.1)."""
HOST_PORT = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
URI = re.compile(rf"sips?:(?:{USER.pattern}@)?{HOST_PORT.pattern}(?:;[A-Za-z0-9=.;_~*!'()%/:&+$-]{{1,256}})?")


class SipError(Malformed):
    """Not SIP, or longer than a message may be here."""


class Transaction(msgspec.Struct, frozen=True):
    """What tells the answers to our request from all others, and the random parts of it."""

    branch: str
    """Without its magic beginning."""
    call_id: str
    from_tag: str
    cseq: int


class Request(msgspec.Struct, frozen=True):
    """What to ask."""

    uri: str
    """Of whom, such as ``sip:192.0.2.1:5060``."""
    from_uri: str
    """As whom."""
    transport: str
    sent_by: str
    """Our own ``host:port``."""


class Response(msgspec.Struct, frozen=True):
    """Status and what it belongs to."""

    status: int
    reason: str
    branch: str
    """Of the topmost Via."""
    call_id: str
    cseq: int
    method: str

    @property
    def final(self) -> bool:
        """Whether nothing more will come (7.2)."""
        return self.status >= 200

    def answers(self, transaction: Transaction) -> bool:
        """Whether it is our request that is answered (17.1.3)."""
        ours = (MAGIC + transaction.branch, transaction.call_id, transaction.cseq, METHOD)
        return (self.branch, self.call_id, self.cseq, self.method) == ours


def host_port(host: str, port: int) -> str:
    """As a URI has it: IPv6 in brackets and without the name of an interface."""
    return f"[{host.partition('%')[0]}]:{port}" if ":" in host else f"{host}:{port}"


def encode(request: Request, transaction: Transaction) -> bytes:
    """An OPTIONS request outside any dialogue (11.1). Raises SipError for a URI that is none."""
    for uri in (request.uri, request.from_uri):
        if not URI.fullmatch(uri):
            raise SipError(f"{uri[:100]!r} is no SIP URI")
    carrier = "" if request.transport == "udp" else f";transport={request.transport}"
    via = f"SIP/2.0/{request.transport.upper()} {request.sent_by}"
    lines = (
        f"{METHOD} {request.uri} SIP/2.0",
        f"Via: {via};rport;branch={MAGIC}{transaction.branch}",
        f"Max-Forwards: {MAX_FORWARDS}",
        f"From: <{request.from_uri}>;tag={transaction.from_tag}",
        f"To: <{request.uri}>",
        f"Call-ID: {transaction.call_id}",
        f"CSeq: {transaction.cseq} {METHOD}",
        f"Contact: <sip:{AGENT}@{request.sent_by}{carrier}>",
        "Accept: application/sdp",
        f"User-Agent: {AGENT}",
        "Content-Length: 0",
    )
    return "\r\n".join(lines).encode() + END


def decode(packet: bytes) -> Response | None:
    """The response in a datagram; None for a request and for a keep-alive (RFC 5626, 3.5.1). Raises SipError."""
    message = packet.lstrip(b"\r\n")
    if not message:
        return None
    end = message.find(END, 0, HEAD_BYTES)
    if end < 0:
        raise SipError(_no_sip(message))
    response, length = _head(message[:end])
    if length > len(message) - end - len(END):
        raise SipError("a datagram that is shorter than it says")
    return response


class Reader:
    """Takes a stream in pieces of any size, and gives its responses; requests and keep-alives are passed over."""

    def __init__(self) -> None:
        self._unread = bytearray()
        self._sought = 0
        """So much of the header under way has no end in it."""
        self._body_bytes = 0
        """So much of a body is still to come."""

    def feed(self, data: bytes) -> list[Response]:
        """The responses whose headers are whole; their bodies are passed over. Raises SipError."""
        self._unread += data
        found: list[Response] = []
        while self._skip() and (end := self._end_of_head()) >= 0:
            response, self._body_bytes = _head(bytes(self._unread[:end]))
            del self._unread[: end + len(END)]
            self._sought = 0
            if response is not None:
                found.append(response)
        return found

    def _skip(self) -> bool:
        """Pass over what is left of a body, and over empty lines before a message; whether anything is left."""
        if not self._sought:
            body = min(self._body_bytes, len(self._unread))
            self._body_bytes -= body
            del self._unread[:body]
            if not self._body_bytes:
                self._unread = self._unread.lstrip(b"\r\n")
        return bool(self._unread)

    def _end_of_head(self) -> int:
        """Where the header ends, -1 where it does not yet. What cannot become a message is refused at once."""
        end = self._unread.find(END, self._sought, HEAD_BYTES)
        if end < 0:
            if self._sought < LINE_BYTES or len(self._unread) >= HEAD_BYTES:
                self._judge_beginning()
            self._sought = max(1, len(self._unread) - len(END))
        return end

    def _judge_beginning(self) -> None:
        line, complete, _ = bytes(self._unread[: LINE_BYTES + 2]).partition(b"\r\n")
        wrong = not _begins(line) if complete else len(line) > LINE_BYTES or BINARY.search(line)
        if wrong or len(self._unread) >= HEAD_BYTES:
            raise SipError(_no_sip(line))


def _begins(line: bytes) -> bool:
    text = line.decode("utf-8", "replace")
    return bool(STATUS_LINE.fullmatch(text) or REQUEST_LINE.fullmatch(text))


def _no_sip(data: bytes) -> str:
    return f"no SIP message: {data[:60].decode('utf-8', 'backslashreplace')!r}"


def _head(head: bytes) -> tuple[Response | None, int]:
    """The response, None for a request, and how many bytes of body follow."""
    start, _, rest = FOLD.sub(" ", head.decode("utf-8", "replace")).partition("\r\n")
    status = STATUS_LINE.fullmatch(start)
    if status is None and not REQUEST_LINE.fullmatch(start):
        raise SipError(_no_sip(head))
    fields = _fields(rest)
    length = _length(fields.get(LENGTH, "0"))
    if status is None:
        return None, length
    return _response(int(status[1]), status[2] or "", fields), length


def _fields(text: str) -> dict[str, str]:
    """Those that are kept, the first of each."""
    lines = text.split("\r\n") if text else []
    if len(lines) > FIELDS:
        raise SipError(f"more than {FIELDS} header fields")
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise SipError(f"no header field: {line[:60]!r}")
        key = name.strip().lower()
        key = COMPACT.get(key, key)
        if key in KEPT:
            fields.setdefault(key, value.strip())
    return fields


def _length(value: str) -> int:
    if not DIGITS.fullmatch(value) or int(value) > BODY_BYTES:
        raise SipError(f"Content-Length {value[:20]!r}, expected at most {BODY_BYTES}")
    return int(value)


def _response(status: int, reason: str, fields: dict[str, str]) -> Response:
    for name in REQUIRED:
        if name not in fields:
            raise SipError(f"a response without {name}")
    branch = BRANCH.search(fields["via"].partition(",")[0])
    sequence = SEQUENCE.fullmatch(fields["cseq"])
    if sequence is None:
        raise SipError(f"CSeq {fields['cseq'][:40]!r}")
    return Response(status, reason, branch[1] if branch else "", fields["call-id"], int(sequence[1]), sequence[2])
