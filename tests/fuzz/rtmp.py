"""What an RTMP server sends: the first byte says whether from the handshake on or after it."""

from probes.codecs import amf0, rtmp
from probes.codecs.rtmp import Type, write

ERROR = rtmp.RtmpError

NONCE = bytes(rtmp.NONCE_BYTES)
HELLO = b"\x03" + bytes(2 * rtmp.HANDSHAKE_BYTES)


def _info(code: str, level: str = "status") -> amf0.Value:
    return {"level": level, "code": code, "description": "said in words"}


def _long(number: int) -> bytes:
    return number.to_bytes(4, "big")


BEGIN = write(2, Type.WINDOW_SIZE, _long(250)) + write(2, Type.SET_CHUNK_SIZE, _long(4096))
ACCEPTED = write(3, Type.COMMAND, amf0.encode("_result", 1.0, {"fmsVer": "x"}, _info("NetConnection.Connect.Success")))
CREATED = write(3, Type.COMMAND, amf0.encode("_result", 2.0, None, 1.0))
PLAYS = write(5, Type.COMMAND, amf0.encode("onStatus", 0.0, None, _info("NetStream.Play.Start")), 1)
NOT_FOUND = write(5, Type.COMMAND, amf0.encode("onStatus", 0.0, None, _info("NetStream.Play.StreamNotFound", "error")))
AMF3 = write(3, Type.COMMAND_AMF3, b"\0" + amf0.encode("_error", 1.0, None, _info("NetConnection.Connect.Rejected")))
CONTROL = write(2, Type.USER_CONTROL, b"\0\0" + _long(1)) + write(2, Type.USER_CONTROL, b"\0\6" + _long(9))
MEDIA = (
    write(6, Type.VIDEO, b"\x17\x00" + bytes(40), 1)
    + write(4, Type.AUDIO, b"\xaf\x01" + bytes(30), 1)
    + write(6, Type.VIDEO, b"\x27\x01" + bytes(300), 1)
)
EXTENDED = bytes.fromhex("04 ffffff 000003 08 01000000 01000000 af0101 44 ffffff 000003 08 00000001 af0101 c4 00000001")
WIDE = bytes.fromhex("00 10 000000 000002 09 01000000 2701 01 00 01 000000 000001 16 01000000 08")

SEEDS = (
    b"\0" + HELLO[: rtmp.HANDSHAKE_BYTES + 9],
    b"\0" + HELLO + BEGIN,
    b"\1" + BEGIN + ACCEPTED,
    b"\1" + CREATED + PLAYS + MEDIA,
    b"\1" + NOT_FOUND,
    b"\1" + CONTROL + AMF3,
    b"\1" + MEDIA + write(2, Type.ABORT, _long(6)) + MEDIA,
    b"\1" + EXTENDED,
    b"\1" + WIDE + write(3, Type.DATA, amf0.encode("onMetaData", {"width": 320.0})),
)


def feed(data: bytes) -> None:
    """In two parts, through all that a probe does with it."""
    client = rtmp.Client(NONCE)
    if data[:1] != b"\0":
        client.feed(HELLO)
    middle = len(data) // 2
    for part in (data[1:middle], data[max(1, middle) :]):
        for message in client.feed(part):
            rtmp.is_frame(message)
            rtmp.read_command(message)
    client.outgoing()
