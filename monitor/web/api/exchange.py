"""How the API asks and answers: queries and bodies in, pages with an ETag out, problems by RFC 9457. Pure."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from http import HTTPStatus
from itertools import islice
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

T = TypeVar("T")
Q = TypeVar("Q", bound=msgspec.Struct)
PROBLEM = "application/problem+json"
JSON = "application/json"


class Wrong(msgspec.Struct, frozen=True):
    """One thing that is wrong with a body."""

    item: int
    """Which of the items, from 0."""
    field: str
    """Empty where it is the item as a whole."""
    detail: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a request was not answered (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: tuple[Wrong, ...] = ()


class Refused(Exception):  # noqa: N818 - a request is refused; nothing of ours is wrong
    """A request that is answered with a problem."""

    def __init__(
        self, status: int, detail: str, errors: tuple[Wrong, ...] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.problem = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, errors=errors)
        self.headers = dict(headers or {})


def read_query(pairs: Iterable[tuple[str, str]], kind: type[Q]) -> Q:
    """The query that these parameters make. Raises Refused with the known ones named."""
    given = list(pairs)
    twice = [name for name, count in Counter(name for name, _ in given).items() if count > 1]
    if twice:
        raise Refused(400, f"the parameter {_shown(twice[0])} is given more than once")
    unknown = [name for name, _ in given if name not in kind.__struct_fields__]
    if unknown:
        known = ", ".join(kind.__struct_fields__) or "none"
        raise Refused(400, f"unknown parameter {_shown(unknown[0])}; known are: {known}")
    try:
        return msgspec.convert(dict(given), kind, strict=False)
    except msgspec.ValidationError as error:
        raise Refused(400, _said(error)) from None


def read_body(body: bytes, kind: type[T]) -> T:
    """The body. Raises Refused: 400 for what is no JSON, 422 for what does not fit, with its place."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise Refused(422, _said(error), (_place(str(error)),)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(400, f"the body is no JSON: {error}") from None


def page_of(items: Iterator[T], key: Callable[[T], str], limit: int) -> tuple[tuple[T, ...], str | None]:
    """The first of the items, and the cursor behind them; None when there are no more."""
    found = tuple(islice(items, limit))
    more = next(items, None) is not None
    return found, cursor_of(key(found[-1])) if found and more else None


def cursor_of(key: str) -> str:
    """A cursor that means: behind this key."""
    return urlsafe_b64encode(key.encode()).rstrip(b"=").decode()


def key_of(cursor: str) -> str:
    """The key of a cursor. Raises Refused for what is none of ours."""
    try:
        return urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (Base64Error, ValueError):
        raise Refused(400, "`after`: expected the `next` of a page") from None


def behind(items: Iterable[T], key: Callable[[T], str], after: str) -> Iterator[T]:
    """The items behind a cursor, all without one. One of which the item is gone begins anew nowhere: it is refused."""
    walking = iter(items)
    if after:
        sought = key_of(after)
        if not any(key(item) == sought for item in walking):
            raise Refused(400, "`after`: what this cursor points to is not there any more; begin again")
    return walking


def next_link(path: str, pairs: Iterable[tuple[str, str]], cursor: str) -> str:
    """The Link header to the next page (RFC 8288)."""
    query = [(name, value) for name, value in pairs if name != "after"]
    return f'<{path}?{urlencode([*query, ("after", cursor)])}>; rel="next"'


def etag_of(body: bytes) -> str:
    """Weak, for it is the same whether the body goes out compressed or not (RFC 9110, section 8.8.3)."""
    return f'W/"{blake2b(body, digest_size=12).hexdigest()}"'


def is_fresh(etag: str, if_none_match: str) -> bool:
    """Whether the client has it already (RFC 9110, section 13.1.2)."""
    known = [each.strip() for each in if_none_match[:4000].split(",")]
    return "*" in known or etag in known or etag.removeprefix("W/") in known


def _place(message: str) -> Wrong:
    """Where msgspec found fault: ``… - at `$[3].delegates` ``."""
    path = message.rpartition(" - at `$")[2].rstrip("`") if " - at `$" in message else ""
    number, _, field = path.removeprefix("[").partition("]")
    item = int(number) if number.isdecimal() else 0
    return Wrong(item, field.lstrip("."), message.partition(" - at ")[0])


def _said(error: msgspec.ValidationError) -> str:
    return str(error).replace("`$.", "`").replace("Object", "The query").replace("`$", "`")


def _shown(name: str) -> str:
    return repr(name[:60])
