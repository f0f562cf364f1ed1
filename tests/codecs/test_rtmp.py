"""RTMP: the specification's own examples of chunks, the handshake, what a server may ask for, and what is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.codecs import amf0, rtmp
from probes.codecs.rtmp import Chunks, Client, Command, Message, RtmpError, Type, is_frame, read_command, write

NONCE = bytes(range(8)) * (rtmp.NONCE_BYTES // 8)
S0, S1, S2 = b"\x03", bytes(8) + b"s" * rtmp.NONCE_BYTES, bytes(8) + NONCE


def chunk(format_: int, number: int, header: str, payload: bytes = b"") -> bytes:
    return bytes((format_ << 6 | number,)) + bytes.fromhex(header) + payload


def established() -> Client:
    client = Client(NONCE)
    client.outgoing()
    client.feed(S0 + S1 + S2)
    client.outgoing()
    return client


def command(*values: amf0.Value, type_: int = Type.COMMAND, before: bytes = b"") -> Message:
    payload = before + amf0.encode(*values)
    return Message(type_, 0, 0, len(payload), payload)


# Chunks


def test_messages_of_one_length_as_in_section_5_3_2_1() -> None:
    """A whole header, then a delta alone, then nothing at all; 20 ms apart."""
    sent = (
        chunk(0, 3, "0003e8 000020 08 39300000", b"a" * 32)
        + chunk(2, 3, "000014", b"b" * 32)
        + chunk(3, 3, "", b"c" * 32)
        + chunk(3, 3, "", b"d" * 32)
    )
    messages = Chunks().feed(sent)
    assert [message.timestamp for message in messages] == [1000, 1020, 1040, 1060]
    assert {(message.type, message.stream_id, message.length) for message in messages} == {(8, 12345, 32)}
    assert [message.payload for message in messages] == [letter * 16 for letter in (b"a", b"b", b"c", b"d")]


def test_a_long_message_in_three_chunks_as_in_section_5_3_2_2() -> None:
    sent = (
        chunk(0, 4, "0003e8 000133 09 3a300000", b"a" * 128) + chunk(3, 4, "", b"b" * 128) + chunk(3, 4, "", b"c" * 51)
    )
    chunks = Chunks()
    assert chunks.feed(sent[:-1]) == []
    assert chunks.feed(sent[-1:]) == [Message(9, 12346, 1000, 307, b"a" * 16)]


def test_chunks_of_several_streams_are_told_apart() -> None:
    """Sound between two parts of a command; ids of one, two and three bytes."""
    sent = (
        b"\x00\x06"
        + bytes.fromhex("000000 000082 14 00000000")
        + b"c" * 128
        + b"\x01\x00\x01"
        + bytes.fromhex("000000 000002 08 01000000")
        + b"xy"
        + b"\xc0\x06"
        + b"c" * 2
    )
    sound, said = Chunks().feed(sent)
    assert (sound.type, sound.payload) == (8, b"xy")
    assert (said.type, said.payload) == (20, b"c" * 130)


def test_a_time_that_does_not_fit_is_extended_in_every_chunk_of_the_message() -> None:
    time = "01000000"
    sent = (
        chunk(0, 4, f"ffffff 000082 14 00000000 {time}", b"a" * 128)
        + chunk(3, 4, time, b"b" * 2)
        + chunk(1, 4, "ffffff 000001 14 01000000", b"c")
        + chunk(2, 4, "000001", b"d")
    )
    messages = Chunks().feed(sent)
    assert [message.timestamp for message in messages] == [0x1000000, 0x2000000, 0x2000001]
    assert [message.payload for message in messages] == [b"a" * 128 + b"bb", b"c", b"d"]


def test_a_message_without_payload_is_one() -> None:
    assert Chunks().feed(chunk(0, 4, "000000 000000 08 01000000")) == [Message(8, 1, 0, 0, b"")]


def test_the_chunk_size_is_followed() -> None:
    chunks = Chunks()
    (told,) = chunks.feed(write(2, Type.SET_CHUNK_SIZE, (4096).to_bytes(4, "big")))
    assert told.type == Type.SET_CHUNK_SIZE
    (said,) = chunks.feed(chunk(0, 3, "000000 000fa0 14 00000000", b"x" * 4000))
    assert said.payload == b"x" * 4000


def test_an_aborted_message_is_forgotten() -> None:
    chunks = Chunks()
    assert chunks.feed(chunk(0, 4, "000000 000100 14 00000000", b"a" * 128)) == []
    (abort,) = chunks.feed(write(2, Type.ABORT, (4).to_bytes(4, "big")))
    assert abort.type == Type.ABORT
    (said,) = chunks.feed(chunk(1, 4, "000000 000001 14", b"b"))
    assert said.payload == b"b"


def test_of_a_picture_only_its_head_is_kept() -> None:
    """Sixteen megabytes, the most that 24 bits can say, and the memory stays small."""
    chunks = Chunks()
    chunks.feed(write(2, Type.SET_CHUNK_SIZE, (0x7FFFFFFF).to_bytes(4, "big")))
    messages = chunks.feed(chunk(0, 6, "000000 ffffff 09 01000000"))
    for _ in range(0xFFFFFF // 65535):
        messages += chunks.feed(b"\x17" * 65535)
    messages += chunks.feed(b"\x17" * 256)
    assert [(message.length, len(message.payload)) for message in messages] == [(0xFFFFFF, rtmp.MEDIA_BYTES_KEPT)]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (chunk(3, 5, "00"), "without a whole header"),
        (chunk(0, 3, "000000 010001 14 00000000"), "65537 bytes"),
        (write(2, Type.SET_CHUNK_SIZE, bytes(4)), "chunks of 0"),
        (write(2, Type.SET_CHUNK_SIZE, b"\xff" * 4), "chunks of 4294967295"),
        (write(2, Type.SET_CHUNK_SIZE, b"\0"), "1 bytes long"),
        (b"".join(chunk(0, 0, f"{i:02x} 000000 000002 14 00000000", b"xx") for i in range(65)), "more than 64"),
    ],
)
def test_more_than_any_server_sends_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(RtmpError, match=reason):
        Chunks().feed(data)


@settings(max_examples=50)
@given(st.binary(max_size=600), st.integers(2, 63), st.lists(st.integers(1, 40), min_size=1, max_size=20))
def test_what_is_written_is_read_however_it_is_cut(payload: bytes, number: int, cuts: list[int]) -> None:
    sent, chunks = write(number, Type.COMMAND, payload, 7), Chunks()
    messages: list[Message] = []
    while sent:
        cut = cuts[len(sent) % len(cuts)]
        messages += chunks.feed(sent[:cut])
        sent = sent[cut:]
    assert messages == [Message(20, 7, 0, len(payload), payload)]


# The client


def test_the_handshake_is_the_simple_one() -> None:
    """C0 and C1 at once; C2 is S1, as soon as that is there; S2 need not be what we sent."""
    client = Client(NONCE)
    assert client.outgoing() == b"\x03" + bytes(8) + NONCE
    client.feed(S0 + S1[:-1])
    assert client.outgoing() == b""
    client.feed(S1[-1:])
    assert client.outgoing() == S1
    assert not client.established
    assert client.feed(b"?" * rtmp.HANDSHAKE_BYTES + write(3, Type.DATA, b"early"))[0].payload == b"early"
    assert client.established


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n", b"SSH-2.0-x\r\n", b"\x06", b"\x15\x03\x01"])
def test_who_speaks_something_else_is_refused_at_the_first_byte(said: bytes) -> None:
    with pytest.raises(RtmpError, match="no RTMP handshake"):
        Client(NONCE).feed(said)


def test_a_window_is_acknowledged_and_a_ping_answered() -> None:
    client = established()
    client.feed(write(2, Type.WINDOW_SIZE, (8000).to_bytes(4, "big")))
    assert client.outgoing() == b""
    client.feed(write(2, Type.USER_CONTROL, b"\x00\x06\x01\x02\x03\x04"))
    assert client.outgoing() == write(2, Type.USER_CONTROL, b"\x00\x07\x01\x02\x03\x04")
    client.feed(write(4, Type.AUDIO, bytes(5000), 1))
    assert client.outgoing() == write(2, Type.ACKNOWLEDGEMENT, client.received.to_bytes(4, "big"))
    assert client.outgoing() == b""


def test_a_command_has_its_transaction_and_its_stream() -> None:
    client = established()
    assert [client.call("connect", {"app": "live"}), client.call("play", None, "x", stream_id=5)] == [1, 2]
    first, second = Chunks().feed(client.outgoing())
    assert read_command(first) == Command("connect", 1.0)
    assert (read_command(second), second.stream_id) == (Command("play", 2.0, ("x",)), 5)


def test_what_cannot_be_said_is_refused() -> None:
    with pytest.raises(RtmpError, match="cannot be said"):
        established().call("connect", {"x" * 70_000: None})


# Messages


def test_an_answer_says_code_level_and_description() -> None:
    info: amf0.Value = {"level": "error", "code": "NetStream.Play.StreamNotFound", "description": "No such stream"}
    said = read_command(command("onStatus", 0.0, None, info))
    assert said is not None
    assert (said.level, said.code, said.description) == ("error", "NetStream.Play.StreamNotFound", "No such stream")


@pytest.mark.parametrize("arguments", [(), (None,), (None, 1.0), (None, {"code": 5.0}), (None, [])])
def test_an_answer_without_a_code_has_an_empty_one(arguments: tuple[amf0.Value, ...]) -> None:
    said = read_command(command("_result", 2.0, *arguments))
    assert said is not None
    assert (said.code, said.level, said.description) == ("", "", "")


def test_a_command_of_amf3_is_read_after_its_first_byte() -> None:
    message = command("_result", 1.0, None, type_=Type.COMMAND_AMF3, before=b"\0")
    assert read_command(message) == Command("_result", 1.0)


def test_other_messages_are_no_commands() -> None:
    assert read_command(Message(Type.DATA, 1, 0, 3, b"\xff\xff\xff")) is None


@pytest.mark.parametrize("values", [(), ("x",), (1.0, "x"), ("x", None), ("x", True), ({}, 1.0)])
def test_a_command_without_name_or_transaction_is_refused(values: tuple[amf0.Value, ...]) -> None:
    with pytest.raises(RtmpError, match="without name"):
        read_command(command(*values))


def test_a_command_that_is_no_amf0_is_refused() -> None:
    with pytest.raises(RtmpError, match="no AMF0"):
        read_command(Message(Type.COMMAND, 0, 0, 2, b"\xff\xff"))


@pytest.mark.parametrize(
    ("type_", "head", "frame"),
    [
        (Type.AUDIO, "af01 2110", True),
        (Type.AUDIO, "af00 1190", False),  # AAC's AudioSpecificConfig
        (Type.AUDIO, "2f00", True),  # MP3 has no such header
        (Type.AUDIO, "af", False),
        (Type.AUDIO, "", False),
        (Type.VIDEO, "1701 000000", True),
        (Type.VIDEO, "2701 000000", True),
        (Type.VIDEO, "1700 000000", False),  # AVC's configuration record
        (Type.VIDEO, "1702 000000", False),  # end of sequence
        (Type.VIDEO, "1c00", False),  # HEVC as some servers carry it
        (Type.VIDEO, "1c01", True),
        (Type.VIDEO, "5200", False),  # a video info frame
        (Type.VIDEO, "2200", True),  # Sorenson H.263 has no such header
        (Type.VIDEO, "9068766331", False),  # Enhanced RTMP: sequence start
        (Type.VIDEO, "9168766331", True),
        (Type.VIDEO, "a368766331", True),
        (Type.VIDEO, "9468766331", False),  # metadata
        (Type.VIDEO, "", False),
        (Type.AGGREGATE, "08", True),
        (Type.AGGREGATE, "", False),
        (Type.DATA, "02000a", False),
    ],
)
def test_a_codecs_header_is_no_frame(type_: int, head: str, *, frame: bool) -> None:
    payload = bytes.fromhex(head)
    assert is_frame(Message(type_, 1, 0, len(payload), payload)) is frame


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_any_bytes_are_messages_or_refused(data: bytes) -> None:
    client = established()
    try:
        for message in client.feed(data):
            read_command(message)
            is_frame(message)
    except RtmpError:
        pass
