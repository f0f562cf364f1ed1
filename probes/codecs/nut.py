"""Network UPS Tools: commands to upsd and its answers (RFC 9271). Lines of words, some of them in quotes.

Pure: bytes in, answers out. A list comes as one answer. Text that is no UTF-8 is kept with its bytes replaced.
"""

import re
from collections.abc import Iterator

import msgspec

from probes.model import Malformed

LINE_BYTES = 2048
"""upsd itself builds its lines in 1,024."""
ROWS = 2048
"""Of one list. The largest of power strips tell of some hundred variables."""
WORDS = 16

WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s"]+)')
ESCAPED = re.compile(r"\\(.)")
SPECIAL = re.compile(r'(["\\])')
PLAIN = re.compile(r"[A-Za-z0-9._-]+")
Words = tuple[str, ...]


class NutError(Malformed):
    """Not what upsd says."""


class Answer(msgspec.Struct, frozen=True):
    """What upsd said to one command."""

    words: Words
    """``OK``, ``ERR DATA-STALE``, or of a list what it is of: ``LIST VAR ups``."""
    rows: tuple[Words, ...] = ()
    """The lines of a list."""

    @property
    def error(self) -> str:
        """The reason of a refusal, such as DATA-STALE; empty when there is none."""
        return " ".join(self.words[1:]) or "ERR" if self.words[0] == "ERR" else ""


def command(*words: str) -> bytes:
    """A line to upsd; words that need it are quoted. Raises ValueError for one that no line can carry."""
    for word in words:
        if not word.isprintable():
            raise ValueError("a control character in a word of a command")
    return " ".join(word if PLAIN.fullmatch(word) else _quoted(word) for word in words).encode() + b"\n"


def _quoted(word: str) -> str:
    return '"' + SPECIAL.sub(r"\\\1", word) + '"'


class Reader:
    """Takes what upsd sends, in pieces of any size."""

    def __init__(self) -> None:
        self._rest = b""
        self._list: Words = ()
        self._rows: list[Words] = []

    @property
    def idle(self) -> bool:
        """Whether nothing is left of what came."""
        return not self._rest and not self._list

    def feed(self, data: bytes) -> list[Answer]:
        """The answers that are complete with these bytes. Raises NutError."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LINE_BYTES:
            raise NutError(f"a line of more than {LINE_BYTES} bytes")
        return [answer for line in lines for answer in self._line(line)]

    def _line(self, line: bytes) -> Iterator[Answer]:
        words = split(line)
        if self._list:
            yield from self._row(words)
        elif words[:2] == ("BEGIN", "LIST"):
            self._list = words[1:]
        elif words[0] in {"OK", "ERR", "VAR", "UPS"}:
            yield Answer(words)
        else:
            raise NutError(f"not an answer of upsd: {words[0]!r}")

    def _row(self, words: Words) -> Iterator[Answer]:
        if words[0] == "END":
            if words[1:] != self._list:
                raise NutError("the end of another list")
            yield Answer(self._list, tuple(self._rows))
            self._list, self._rows = (), []
        elif words[0] == "ERR":
            raise NutError("a list that breaks off")
        elif len(self._rows) == ROWS:
            raise NutError(f"a list of more than {ROWS} lines")
        else:
            self._rows.append(words)


def split(line: bytes) -> Words:
    """The words of a line, at least one. Raises NutError."""
    if len(line) > LINE_BYTES:
        raise NutError(f"a line of more than {LINE_BYTES} bytes")
    text = line.decode("utf-8", "replace").strip()
    words: list[str] = []
    at = 0
    while at < len(text):
        found = WORD.match(text, at)
        if found is None or len(words) == WORDS:
            raise NutError("a quote without its end, or too many words")
        words.append(ESCAPED.sub(r"\1", found[1]) if found[1] is not None else found[2])
        at = found.end()
        while at < len(text) and text[at].isspace():
            at += 1
    if not words:
        raise NutError("an empty line")
    return tuple(words)


def variables(answer: Answer, ups: str) -> dict[str, str]:
    """Values by name in the answer to ``LIST VAR ups``. Raises NutError."""
    if answer.words != ("LIST", "VAR", ups):
        raise NutError("not the list of variables that was asked for")
    if any(len(row) != 4 or row[:2] != ("VAR", ups) for row in answer.rows):
        raise NutError("a line in the list of variables that is none")
    return {row[2]: row[3] for row in answer.rows}


def devices(answer: Answer) -> Words:
    """Names in the answer to ``LIST UPS``. Raises NutError."""
    if answer.words != ("LIST", "UPS"):
        raise NutError("not the list of UPSes that was asked for")
    if any(len(row) != 3 or row[0] != "UPS" for row in answer.rows):
        raise NutError("a line in the list of UPSes that is none")
    return tuple(row[1] for row in answer.rows)
