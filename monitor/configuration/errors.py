"""What is wrong with a configuration: whose file, which line and column, what stood there, what belongs there.

Faults are collected and never raised one by one: whoever repairs a file sees all of them at once.
"""

import difflib
from collections.abc import Iterable
from functools import lru_cache
from typing import Protocol

import msgspec

SHOWN = 1_000
"""Errors that an InvalidConfiguration holds; the rest are counted."""
KEPT = 20 * SHOWN
"""Errors collected before they are sorted by file and line."""
LINE = 500
"""Characters of a message's part."""
QUOTED = 80
"""Characters of a wrong value that a message repeats."""


class Place(Protocol):
    """Where something stands; line and column count from 1."""

    @property
    def path(self) -> str: ...  # noqa: D102

    @property
    def line(self) -> int: ...  # noqa: D102

    @property
    def column(self) -> int: ...  # noqa: D102


class Spot(msgspec.Struct, frozen=True, gc=False):
    """A place by itself: a whole file, or a field of a table."""

    path: str
    line: int = 1
    column: int = 1


class ConfigError(msgspec.Struct, frozen=True):
    """One fault of one file.

    ``column`` counts characters in YAML and fields in a table (the fourth field is column 4 of CSV, D of a sheet).
    """

    path: str
    line: int
    column: int
    key: str
    """The way to the value, ``checks.tcp_h323.interval``; the column's name in a table; empty for the whole file."""
    expected: str
    got: str
    hint: str = ""
    """A further sentence: ``Did you mean "timeout"?``."""

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        hint = f". {self.hint}" if self.hint else ""
        return f"{self.path}:{self.line}:{self.column}: {key}expected {self.expected}, got {self.got}{hint}"


class InvalidConfiguration(Exception):  # noqa: N818  (the name says what is invalid)
    """The configuration as a whole is refused; ``errors`` are sorted by file and line.

    ``omitted`` counts the errors beyond the first thousand. What to do next: repair the files and load again; the
    configuration that was in force stays in force.
    """

    def __init__(self, errors: tuple[ConfigError, ...], omitted: int = 0) -> None:
        super().__init__(errors, omitted)
        self.errors = errors
        self.omitted = omitted

    @property
    def total(self) -> int:
        """How many errors there are, shown or not."""
        return len(self.errors) + self.omitted

    def __str__(self) -> str:
        return "\n".join(map(str, self.errors)) + (f"\nand {self.omitted} more errors" if self.omitted else "")


class Errors:
    """Collects errors while files are read, bounded in number."""

    def __init__(self) -> None:
        self._kept: list[ConfigError] = []
        self.total = 0

    def add(self, place: Place, key: str, expected: str, got: str, hint: str = "") -> None:
        """Note one error."""
        self.total += 1
        if len(self._kept) < KEPT:
            texts = map(one_line, (key, expected, got, hint))
            self._kept.append(ConfigError(place.path, place.line, place.column, *texts))

    def invalid(self) -> InvalidConfiguration:
        """Everything noted so far, in the order in which a reader goes through the files."""
        ordered = sorted(self._kept, key=lambda error: (error.path, error.line, error.column))[:SHOWN]
        return InvalidConfiguration(tuple(ordered), self.total - len(ordered))


def one_line(text: str, limit: int = LINE) -> str:
    """A text as a message holds it: shortened, with what cannot be printed escaped."""
    shortened = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in shortened)


def quoted(text: str) -> str:
    """A value as a message repeats it: in double quotes and short."""
    return f'"{one_line(text, QUOTED)}"'


def did_you_mean(text: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """A hint when the text is nearly one of the known words, else empty."""
    return _near(text[:QUOTED].casefold(), tuple(known), cutoff)


@lru_cache(4096)
def _near(folded: str, known: tuple[str, ...], cutoff: float) -> str:
    """Kept, because the same slip in every row of a table costs 50 µs each."""
    by_folded = {word.casefold(): word for word in known}
    near = difflib.get_close_matches(folded, by_folded, n=1, cutoff=cutoff)
    return f"Did you mean {quoted(by_folded[near[0]])}?" if near else ""
