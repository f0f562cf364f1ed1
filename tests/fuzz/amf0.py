"""AMF0 values: the payloads of commands and of onMetaData."""

from probes.codecs import amf0

ERROR = amf0.AmfError

SEEDS = (
    amf0.encode("_result", 1.0, {"fmsVer": "FMS/3,0,1,123", "capabilities": 31.0}, {"level": "status", "code": "ok"}),
    amf0.encode("onStatus", 0.0, None, {"level": "error", "code": "NetStream.Play.StreamNotFound"}),
    amf0.encode("_result", 2.0, None, 1.0),
    amf0.encode("deep", [[[{"a": [None, True]}]]], {"b": {"c": {"d": "e"}}}),
    b"\x02\x00\x0aonMetaData\x08\x00\x00\x00\x02\x00\x05width\x00" + bytes(8) + b"\x00\x06stereo\x01\x01\x00\x00\x09",
    b"\x0b" + bytes(10) + b"\x0c\x00\x00\x00\x01x\x0f\x00\x00\x00\x01y\x10\x00\x01C\x00\x00\x09\x0d\x06\x07\x00\x01",
)


def feed(data: bytes) -> None:
    """As the payload of a message."""
    amf0.decode(data)
