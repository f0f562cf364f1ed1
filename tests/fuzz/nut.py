"""What upsd answers to LIST UPS, LIST VAR, USERNAME, STARTTLS and to what it refuses."""

from contextlib import suppress

from probes.codecs import nut

ERROR = nut.NutError
SEEDS = (
    b'BEGIN LIST UPS\nUPS ups "Tr\xe1\xba\xa1m ngu\xe1\xbb\x93n"\nUPS rack "Rack \\"B\\" C:\\\\ups"\nEND LIST UPS\n',
    b'BEGIN LIST VAR ups\nVAR ups battery.charge "100"\nVAR ups battery.runtime "1800"\nEND LIST VAR ups\n',
    b'BEGIN LIST VAR a.b\nVAR a.b ups.status "OB LB"\nVAR a.b ups.mfr ""\nVAR a.b load "0.5"\nEND LIST VAR a.b\n',
    b"BEGIN LIST VAR ups\nEND LIST VAR ups\n",
    b"OK\nOK\nERR DATA-STALE\n",
    b"OK STARTTLS\n",
    b"ERR ACCESS-DENIED\r\n",
    b'VAR ups ups.status "OL CHRG"\n',
)


def feed(data: bytes) -> None:
    """In two pieces, then what the answers consist of; a name from outside goes back into a command."""
    reader, middle = nut.Reader(), len(data) // 2
    for answer in (*reader.feed(data[:middle]), *reader.feed(data[middle:])):
        assert answer.words
        assert answer.error is not None
        if answer.words == ("LIST", "UPS"):
            for name in nut.devices(answer):
                with suppress(ValueError):
                    nut.command("LIST", "VAR", name)
        elif answer.words[0] == "LIST":
            nut.variables(answer, answer.words[-1])
