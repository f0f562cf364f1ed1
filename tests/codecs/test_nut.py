"""Network UPS Tools: lines as RFC 9271 shows them, in pieces of any size; anything else is refused."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.codecs import nut
from probes.codecs.nut import Answer, NutError, Reader

LIST_UPS = b'BEGIN LIST UPS\nUPS SU700 "Development box"\nUPS su800 ""\nEND LIST UPS\n'
LIST_VAR = (
    b'BEGIN LIST VAR SU700\nVAR SU700 ups.mfr "APC"\nVAR SU700 ups.status "OL"\n'
    b'VAR SU700 ups.id "Rack \\"B\\" C:\\\\ups"\nEND LIST VAR SU700\n'
)


def test_a_list_of_upses() -> None:
    (answer,) = Reader().feed(LIST_UPS)
    assert nut.devices(answer) == ("SU700", "su800")


def test_a_list_of_variables() -> None:
    """Quotes and backslashes come escaped (RFC 9271, 4.1)."""
    (answer,) = Reader().feed(LIST_VAR)
    assert nut.variables(answer, "SU700") == {"ups.mfr": "APC", "ups.status": "OL", "ups.id": 'Rack "B" C:\\ups'}


@given(st.lists(st.integers(0, len(LIST_UPS + LIST_VAR)), max_size=8))
def test_pieces_of_any_size_give_the_same_answers(cuts: list[int]) -> None:
    stream, reader = LIST_UPS + LIST_VAR, Reader()
    bounds = [0, *sorted(cuts), len(stream)]
    found = [answer for start, end in pairwise(bounds) for answer in reader.feed(stream[start:end])]
    assert found == Reader().feed(stream)
    assert reader.idle


@pytest.mark.parametrize(
    ("line", "error"),
    [(b"OK\n", ""), (b"OK STARTTLS\n", ""), (b"ERR DATA-STALE\r\n", "DATA-STALE"), (b"ERR\n", "ERR")],
)
def test_answers_of_one_line(line: bytes, error: str) -> None:
    (answer,) = Reader().feed(line)
    assert answer.error == error


@pytest.mark.parametrize(
    "data",
    [
        b"\n",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b'OK "no end\n',
        b"OK" + b" x" * nut.WORDS + b"\n",
        b"x" * (nut.LINE_BYTES + 1),
        b"OK " + b"x" * nut.LINE_BYTES + b"\n",
        b"BEGIN LIST VAR a\nEND LIST VAR b\n",
        b"BEGIN LIST VAR a\nERR DATA-STALE\n",
        b"BEGIN LIST VAR a\n" + b'VAR a b "c"\n' * (nut.ROWS + 1),
    ],
)
def test_what_upsd_does_not_say_is_refused(data: bytes) -> None:
    with pytest.raises(NutError):
        Reader().feed(data)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(("OK",)),
        Answer(("LIST", "VAR", "other")),
        Answer(("LIST", "VAR", "ups"), (("VAR", "ups", "ups.status"),)),
        Answer(("LIST", "VAR", "ups"), (("VAR", "other", "ups.status", "OL"),)),
    ],
)
def test_another_list_than_asked_for_is_refused(answer: Answer) -> None:
    with pytest.raises(NutError):
        nut.variables(answer, "ups")
    with pytest.raises(NutError):
        nut.devices(answer)


def test_a_command_quotes_what_needs_it() -> None:
    assert nut.command("LIST", "VAR", "ups") == b"LIST VAR ups\n"
    assert nut.command("PASSWORD", 'a "b" \\c') == b'PASSWORD "a \\"b\\" \\\\c"\n'
    assert nut.command("PASSWORD", "") == b'PASSWORD ""\n'


@pytest.mark.parametrize("word", ["a\nLOGOUT", "a\r", "\0", "\x1b[2J"])
def test_a_command_carries_no_second_one(word: str) -> None:
    with pytest.raises(ValueError, match="control character"):
        nut.command("LIST", "VAR", word)


@given(st.text(st.characters(blacklist_categories=["C", "Z"]), max_size=40))
def test_a_word_that_is_quoted_comes_back(word: str) -> None:
    """As upsd would read it."""
    assert nut.split(nut.command("PASSWORD", word).rstrip(b"\n")) == ("PASSWORD", word)


@given(st.binary(max_size=300))
def test_any_bytes_are_answers_or_refused(data: bytes) -> None:
    for stream in (data, b"BEGIN LIST VAR ups\n" + data, LIST_VAR + data):
        try:
            Reader().feed(stream)
        except NutError:
            continue
