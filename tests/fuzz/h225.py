"""What H.323 systems answer to a STATUS ENQUIRY, and other messages of call signalling."""

from probes.codecs import h225

ERROR = h225.H225Error
STREAMS = (
    # STATUS with and without H.225.0's part, RELEASE COMPLETE with a cause and with a reason, FACILITY
    "03000030080292347d0802809e1401007e001d0508201900060008914a000400000102030405060708090a0b0c0d0e0f",
    "03000010080292347d0802809e140100",
    "0300000d080292345a080280d1",
    "0300002f080292345a7e00230525c0060008914a000458b8001100000102030405060708090a0b0c0d0e0f10800100",
    "0300001508029234627e0009052810010010800100",
    # a keep-alive, and two messages
    "03000004" + "03000010080292347d0802809e140100" + "0300000d080292345a080280d1",
)
MESSAGES = (
    # CALL PROCEEDING with a display; shifts to other codesets, and elements of one octet
    "0802923402280470686f6e7e00080521000600089114",
    "080292347da19e7e01ff080300809595" + "7e0102080101",
)
SEEDS = (
    h225.encode_status_enquiry(0x1234, bytes(range(16))),
    *map(bytes.fromhex, STREAMS),
    *(h225.framed(bytes.fromhex(message)) for message in MESSAGES),
)


def feed(data: bytes) -> None:
    """In two pieces; what is found keeps its bounds."""
    reader, middle = h225.Reader(), len(data) // 2
    for message in (*reader.feed(data[:middle]), *reader.feed(data[middle:])):
        assert 0 <= message.type < 0x80
        assert 0 <= message.call_reference < h225.CALL_REFERENCES
        assert message.cause is None or 0 <= message.cause < 0x80
