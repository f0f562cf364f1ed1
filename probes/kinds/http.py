"""Does a web address answer as it should, over HTTP or HTTPS? The platform's portal, a web service, a codec's page.

Phases: ``resolve``, ``connect``, ``tls`` (https alone), ``processing`` (from the request to the first byte of the
answer), ``transfer``. With redirects followed, each phase is the sum of all rounds. Headers and body of the answer are
bounded. The status is judged first, then the body by regular expressions, then its JSON by JMESPath expressions.
"""

import re

import msgspec

from probes import expression
from probes.dial import Miss, Trace, measure
from probes.fetch import Answer, Client, FetchParams, url_of
from probes.model import CERT_EXPIRY, IP_PROTOCOL, Failure, Figure, Kind, Measurement

STATUS = re.compile(r"[1-5](xx|[0-9][0-9])")
MATCHED_CHARACTERS = 65_536
"""Of a body, so much is searched by regular expressions: one of them may take a time that grows with the text."""


class HttpParams(FetchParams, frozen=True, kw_only=True):
    """What to ask, and which answer is wanted."""

    method: str = "GET"
    """Method of the request."""
    valid_status: tuple[str, ...] = ("2xx",)
    """Status codes that count as success, such as 2xx or 401."""
    follow_redirects: bool = False
    """Whether to ask again where a redirect points."""
    body_matches: tuple[str, ...] = ()
    """Regular expressions each of which must occur in the first 64 KiB of the body."""
    body_not_matches: tuple[str, ...] = ()
    """Regular expressions none of which may occur there."""
    body_json: tuple[str, ...] = ()
    """JMESPath expressions that must all be true of the body, such as "status == 'ok'" or "length(rooms) > `0`"."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not re.fullmatch(r"[A-Z]+", self.method):
            raise ValueError(f'method: expected a method such as GET or HEAD, got "{self.method}"')
        for status in self.valid_status:
            if not STATUS.fullmatch(status):
                raise ValueError(f'valid_status: expected a code such as 2xx or 401, got "{status}"')
        for name in ("body_matches", "body_not_matches"):
            for pattern in getattr(self, name):
                _check_pattern(name, pattern)
        for each in self.body_json:
            expression.check("body_json", each)


def _check_pattern(name: str, pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f'{name}: expected a regular expression, got "{pattern}": {error}') from error


async def probe(address: str, params: HttpParams, deadline: float) -> Measurement:
    """Ask for the address, follow redirects if told so, judge the status and the body."""

    async def work(trace: Trace) -> None:
        url = url_of(address)
        with Client(trace, params) as client:
            if params.follow_redirects:
                _, answer = await client.follow(url, params.method)
            else:
                answer = await client.ask(url, params.method)
        trace.figures["probe_http_status_code"] = float(answer.status)
        trace.figures["probe_http_content_length"] = float(answer.headers.get("content-length") or answer.body_bytes)
        judge(answer, params)

    return await measure(work, deadline)


def judge(answer: Answer, params: HttpParams) -> None:
    """Raise Miss unless status and body are as wanted."""
    if not _wanted(answer.status, params.valid_status):
        towards = f", points to {answer.location}" if answer.location else ""
        raise Miss(Failure.STATUS, f"status {answer.status}, wanted {' '.join(params.valid_status)}{towards}")
    if params.body_matches or params.body_not_matches:
        _judge_text(answer.body[:MATCHED_CHARACTERS].decode("utf-8", "replace"), params)
    if params.body_json:
        _judge_json(answer.body, params)


def _wanted(status: int, valid: tuple[str, ...]) -> bool:
    return str(status) in valid or f"{status // 100}xx" in valid


def _judge_text(text: str, params: HttpParams) -> None:
    for pattern in params.body_matches:
        if not re.search(pattern, text):
            raise Miss(Failure.STATUS, f"body does not match {pattern!r}")
    for pattern in params.body_not_matches:
        if re.search(pattern, text):
            raise Miss(Failure.STATUS, f"body matches {pattern!r}")


def _judge_json(body: bytes, params: HttpParams) -> None:
    try:
        tree = expression.tree_of(body)
    except expression.NotJsonError as error:
        raise Miss(Failure.STATUS, f"body is no JSON: {error}") from error
    for each in params.body_json:
        found = expression.search(each, tree)
        if found is not True:
            raise Miss(Failure.STATUS, f"{each!r} is {_short(found)}, wanted true")


def _short(found: object) -> str:
    return msgspec.json.encode(found).decode()[:80]


KIND = Kind(
    "http",
    HttpParams,
    probe,
    "http[s]://host[:port]/path",
    figures=(
        IP_PROTOCOL,
        Figure("probe_http_status_code", "Status code of the HTTP answer, the last one behind redirects."),
        Figure("probe_http_content_length", "Length of the body of the HTTP answer, in bytes."),
        CERT_EXPIRY,
    ),
    target="http://{address}/",
)
