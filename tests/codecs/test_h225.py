"""H.225.0 call signalling. Wireshark's dissector reads the messages that stand here by name to the same meaning."""

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.codecs import h225
from probes.codecs.h225 import Body, H225Error, Message, MessageType, Reader

CALL_ID = bytes(range(16))
REFERENCE = 0x1234


def hexed(text: str) -> bytes:
    return bytes.fromhex(text)


ENQUIRY = hexed("0300002908021234757e001d0508301900060008914a000400000102030405060708090a0b0c0d0e0f")
STATUS = hexed("03000030080292347d0802809e1401007e001d0508201900060008914a000400000102030405060708090a0b0c0d0e0f")
STATUS_Q931 = hexed("03000010080292347d0802809e140100")
RELEASE_CAUSE = hexed("0300000d080292345a080280d1")
RELEASE_REASON = hexed("0300002f080292345a7e00230525c0060008914a000458b8001100000102030405060708090a0b0c0d0e0f10800100")
FACILITY = hexed("0300001508029234627e0009052810010010800100")
KEEP_ALIVE = hexed("03000004")
STREAM = KEEP_ALIVE + STATUS + RELEASE_REASON + KEEP_ALIVE + FACILITY


def answer(kind: MessageType, cause: int | None = None, body: Body | None = None) -> Message:
    return Message(kind, REFERENCE, to_originator=True, cause=cause, body=body)


def test_an_enquiry_names_the_call() -> None:
    """TPKT, call reference, and a StatusInquiry-UUIE of H.225.0 version 4."""
    assert h225.encode_status_enquiry(REFERENCE, CALL_ID) == ENQUIRY
    (found,) = Reader().feed(ENQUIRY)
    assert found == Message(MessageType.STATUS_ENQUIRY, REFERENCE, to_originator=False, body=Body.STATUS_INQUIRY)


@pytest.mark.parametrize(("reference", "call_id"), [(-1, CALL_ID), (h225.CALL_REFERENCES, CALL_ID), (1, b"")])
def test_numbers_out_of_bounds_make_no_enquiry(reference: int, call_id: bytes) -> None:
    with pytest.raises(H225Error):
        h225.encode_status_enquiry(reference, call_id)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (STATUS, answer(MessageType.STATUS, 30, Body.STATUS)),
        (STATUS_Q931, answer(MessageType.STATUS, 30)),
        (RELEASE_CAUSE, answer(MessageType.RELEASE_COMPLETE, 81)),
        (RELEASE_REASON, answer(MessageType.RELEASE_COMPLETE, 31, Body.RELEASE_COMPLETE)),
        (FACILITY, answer(MessageType.FACILITY, None, Body.EMPTY)),
    ],
)
def test_answers_are_told_apart(data: bytes, message: Message) -> None:
    """By message type, cause (its own element, or what the release's reason stands for) and message body."""
    assert Reader().feed(data) == [message]


@pytest.mark.parametrize("body", Body)
def test_every_message_body_is_known_by_its_index(body: Body) -> None:
    """Seven choices of three bits, and those that were added later."""
    added = body - Body.PROGRESS
    choice = bytes((body, 0)) if added < 0 else bytes((0x08, added << 4, 0))
    assert h225.decode(q931(user_user(b"\x05" + choice))).body == body


@pytest.mark.parametrize(("index", "cause"), list(enumerate(h225.CAUSE_OF_REASON)))
def test_a_reason_stands_for_a_cause(index: int, cause: int) -> None:
    release = hexed("052540060008914a0004") + bytes((index << 3,))
    assert h225.decode(q931(user_user(release))).cause == cause


@pytest.mark.parametrize("release", ["052500060008914a0004", "052540060008914a000481", "052540060008914a000478"])
def test_without_a_reason_that_is_known_there_is_no_cause(release: str) -> None:
    """None; one that was added later; one that no version has."""
    assert h225.decode(q931(user_user(hexed(release)))).cause is None


def q931(elements: bytes) -> bytes:
    return hexed("080292345a") + elements


def user_user(contents: bytes) -> bytes:
    return b"\x7e" + len(contents).to_bytes(2) + contents


@pytest.mark.parametrize(
    "elements",
    [
        "a1 080280d1",  # Sending complete, of one octet
        "08030080d1",  # with its recommendation octet
        "9e 7e01ff 080280d1",  # a non-locking shift: the next element alone is of codeset 6
        "9e a1 080280d1",
        "080280d1 95 7e01ff 080101",  # a locking shift: all that follows is of codeset 5
        "7e000100 080280d1",  # user information that is not of H.225.0
        "7e0000 080280d1",
    ],
)
def test_elements_around_the_cause_are_passed_over(elements: str) -> None:
    found = h225.decode(q931(hexed(elements)))
    assert (found.cause, found.body) == (81, None)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "0802",
        "070292345a",
        "080192345a",
        "081292345a",
        "08029234da",
        "080292345a08",
        "080292345a0803809e",
        "080292345a0800",
        "080292345a08020080",
        "080292345a7e",
        "080292345a7e00",
        "080292345a7e000205",
        "080292345a7e000205ff",
        "080292345a7e00030507ff",
        "080292345a7e0003050cff",
        "080292345a7e00040525c0ff",
        "080292345a7e00040525c006",
        "080292345a" + "a1" * (h225.ELEMENTS + 1),
    ],
)
def test_what_is_no_message_is_refused(message: str) -> None:
    with pytest.raises(H225Error):
        h225.decode(hexed(message))


@pytest.mark.parametrize(
    "data",
    [
        b"\x05",
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x15\x03\x03\x00\x02\x02\x46",
        hexed("03000003"),
        hexed("0300ffff"),
        hexed("0300000b06e00000000000"),  # the TPKT of a remote desktop
        STATUS + b"\0",
    ],
)
def test_what_is_no_tpkt_is_refused(data: bytes) -> None:
    with pytest.raises(H225Error):
        Reader().feed(data)


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_pieces_of_any_size_give_the_same_messages(cuts: list[int]) -> None:
    """A TPKT without a message keeps the connection alive, and is none."""
    reader = Reader()
    bounds = [0, *sorted(cuts), len(STREAM)]
    found = [one for start, end in pairwise(bounds) for one in reader.feed(STREAM[start:end])]
    assert [one.body for one in found] == [Body.STATUS, Body.RELEASE_COMPLETE, Body.EMPTY]
    assert reader.idle


def test_half_a_message_is_no_idle_stream() -> None:
    reader = Reader()
    assert reader.feed(STATUS[:-1]) == []
    assert not reader.idle


@settings(max_examples=200)
@given(st.binary(max_size=64))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    for message in (data, q931(data), q931(user_user(b"\x05" + data))):
        with suppress(H225Error):
            h225.decode(message)
        with suppress(H225Error):
            Reader().feed(h225.framed(message) + data)
