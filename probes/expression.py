"""Asks JSON from outside by JMESPath expressions (https://jmespath.org/specification.html)."""

from functools import lru_cache

import jmespath
import msgspec
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult

from probes.dial import Miss
from probes.model import Failure


class NotJsonError(ValueError):
    """The text is no JSON."""


def check(field: str, expression: str) -> None:
    """Refuse, with ValueError in the words of a parameter, what is no expression."""
    try:
        _compiled(expression)
    except JMESPathError as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f'{field}: expected a JMESPath expression, got "{expression}": {reason}') from error


def tree_of(text: bytes) -> object:
    """What a JSON text says. Raises NotJsonError."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotJsonError(str(error)) from error


def search(expression: str, tree: object) -> object:
    """What an expression finds. Raises Miss where it cannot be asked of this tree."""
    try:
        return _compiled(expression).search(tree)
    except (JMESPathError, RecursionError) as error:
        raise Miss(Failure.STATUS, f"{expression!r} cannot be asked of this JSON: {error}") from error


@lru_cache(maxsize=256)
def _compiled(expression: str) -> ParsedResult:
    return jmespath.compile(expression)
