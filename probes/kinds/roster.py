"""Who has joined? Asks the conference platform itself, the one witness of who is in the room.

Two platforms: ``bigbluebutton``, whose getMeetings is signed with the secret that ``bbb-conf --secret`` prints beside
the address; and ``json``, any address whose answer holds the participants' names somewhere, found by a JMESPath
expression. Phases: those of http, and ``read``. Success: the platform answered, and who has joined could be read, be
it nobody; a meeting that is asked for by id or name must be there. The names go to the points that they belong to.
"""

import asyncio
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from probes import expression
from probes.codecs.bigbluebutton import Attendee, Digest, Meeting, Reader, signed
from probes.dial import Miss, Trace, measure, read_secret
from probes.fetch import Answer, Client, FetchParams, Url, url_of
from probes.model import CERT_EXPIRY, IP_PROTOCOL, Failure, Figure, Kind, Layer, Measurement

API = "/api/"
PIECE_BYTES = 16_384
"""Read at once, some milliseconds of work; others have their turn between two pieces."""
NAME_CHARS = 200
"""A longer name is cut."""
MAX_NAMES = 100_000

JOINED = Figure("probe_roster_joined", "How many participants have joined, as the platform says.")
STATUS_CODE = Figure("probe_http_status_code", "Status code of the HTTP answer, the last one behind redirects.")


class RosterParams(FetchParams, frozen=True, kw_only=True):
    """Which platform, and which meeting."""

    platform: Literal["bigbluebutton", "json"] = "bigbluebutton"
    """What is asked: bigbluebutton or json."""
    meeting: str = ""
    """Id or name of a meeting of bigbluebutton; empty for all of them."""
    secret: str = ""
    """Shared secret of bigbluebutton."""
    secret_file: str = ""
    """File whose first line is the shared secret."""
    digest: Digest = "sha256"
    """How a call of bigbluebutton is signed: sha1, sha256, sha384 or sha512."""
    names: str = "[].name"
    """JMESPath expression that finds the list of names in the answer of json."""
    max_body_bytes: Annotated[int, Meta(ge=0, le=268435456)] = 16777216
    """An answer with a bigger body fails."""

    def __post_init__(self) -> None:
        super().__post_init__()
        expression.check("names", self.names)


async def probe(address: str, params: RosterParams, deadline: float) -> Measurement:
    """Ask, read, list."""

    async def work(trace: Trace) -> None:
        answer = await asked(trace, _url(address, params), params)
        with trace.phase("read"):
            if params.platform == "json":
                joined = names = listed(answer.body, params.names)
            else:
                attendees = attending(await meetings(answer.body), params.meeting)
                joined = [attendee.name for attendee in attendees]
                names = list(chain.from_iterable((attendee.name, attendee.user_id) for attendee in attendees))
            trace.names = tidy(names)
        trace.figures[JOINED.name] = float(len(joined))

    return await measure(work, deadline)


def _url(address: str, params: RosterParams) -> Url:
    """What to ask. With bigbluebutton, its checksum is as good as a password: never to be told."""
    url = url_of(address)
    if params.platform == "json":
        return url
    base = url.target.partition("?")[0].rstrip("/").removesuffix(API.rstrip("/"))
    call = signed("getMeetings", read_secret(params.secret, params.secret_file), params.digest)
    return msgspec.structs.replace(url, target=f"{base}{API}{call}")


async def asked(trace: Trace, url: Url, params: RosterParams) -> Answer:
    """The answer, whose status is good. Raises Miss."""
    with Client(trace, params) as client:
        answer = await client.ask(url)
    trace.figures[STATUS_CODE.name] = float(answer.status)
    if answer.status // 100 != 2:
        raise Miss(Failure.STATUS, f"status {answer.status}, wanted 2xx")
    return answer


async def meetings(body: bytes) -> list[Meeting]:
    """All meetings of an answer of BigBlueButton. Raises Miss for a refusal, BigBlueButtonError."""
    reader = Reader()
    for start in range(0, len(body), PIECE_BYTES):
        reader.feed(body[start : start + PIECE_BYTES])
        await asyncio.sleep(0)
    answer = reader.close()
    if answer.returncode != "SUCCESS":
        raise Miss(Failure.STATUS, f"{answer.message_key}: {answer.message}")
    return answer.meetings


def attending(found: list[Meeting], wanted: str) -> list[Attendee]:
    """Who has joined the wanted meeting, or any. Raises Miss when it is not there."""
    chosen = [meeting for meeting in found if wanted in {"", meeting.id, meeting.name}]
    if wanted and not chosen:
        raise Miss(Failure.STATUS, f"no meeting {wanted!r} among {len(found)}")
    return [attendee for meeting in chosen for attendee in meeting.attendees]


def listed(body: bytes, names: str) -> list[str]:
    """The names that the expression finds in an answer in JSON. Raises Miss."""
    try:
        found = expression.search(names, expression.tree_of(body))
    except expression.NotJsonError as error:
        raise Miss(Failure.PROTOCOL, f"answer is no JSON: {error}") from error
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise Miss(Failure.STATUS, f"{names!r} finds no list of names")
    return found


def tidy(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once, none empty or overlong. Raises Miss when there are more than anybody should have."""
    found = tuple(dict.fromkeys(_short(names)))
    if len(found) > MAX_NAMES:
        raise Miss(Failure.STATUS, f"more than {MAX_NAMES} names")
    return found


def _short(names: Iterable[str]) -> Iterator[str]:
    return (short for name in names if (short := name.strip()[:NAME_CHARS]))


KIND = Kind(
    "roster",
    RosterParams,
    probe,
    "http[s]://host[:port]/bigbluebutton/, or the address of a JSON answer",
    figures=(IP_PROTOCOL, CERT_EXPIRY, STATUS_CODE, JOINED),
    layer=Layer.JOINED,
    target="https://{address}/bigbluebutton/",
)
