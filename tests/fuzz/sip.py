"""What SIP servers, proxies and phones answer to OPTIONS, in datagrams and in a stream."""

from probes.codecs import sip

ERROR = sip.SipError
OURS = sip.Transaction("1a2b3c4d", "9f8e7d@diemcau", "77aa", 4711)
KAMAILIO = (
    b"SIP/2.0 %s\r\nVia: SIP/2.0/UDP 127.0.0.1:49944;rport=49944;branch=z9hG4bK1a2b3c4d;received=127.0.0.1\r\n"
    b"From: <sip:diemcau@127.0.0.1:49944>;tag=77aa\r\n"
    b"To: <sip:127.0.0.1>;tag=a45363010201c12697c26728a1ea42a4.e4bc4f4b\r\n"
    b"Call-ID: 9f8e7d@diemcau\r\nCSeq: 4711 OPTIONS\r\n%sServer: kamailio (5.6.3 (x86_64/linux))\r\n"
    b"Content-Length: 0\r\n\r\n"
)
SDP = b"v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\nm=audio 0 RTP/AVP 0 8\r\n"
THEIR_REQUEST = (
    b"NOTIFY sip:diemcau@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/TCP x;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n"
    b"Call-ID: 1\r\nCSeq: 1 NOTIFY\r\nContent-Length: 3\r\n\r\nxyz"
)
SEEDS = (
    KAMAILIO % (b"200 OK", b""),
    KAMAILIO % (b"100 Trying", b""),
    KAMAILIO % (b"401 Unauthorized", b'WWW-Authenticate: Digest realm="x", nonce="abc,def",\r\n\talgorithm=MD5\r\n'),
    KAMAILIO % (b"503 Service Unavailable", b"Retry-After: 120 (maintenance)\r\n"),
    b"\r\n\r\n" + KAMAILIO % (b"100 Trying", b"") + b"\r\n" + KAMAILIO % (b"404 Not Found", b""),
    b"SIP/2.0 200 OK\r\nv: SIP/2.0/TCP [::1]:5060;branch=z9hG4bK1a2b3c4d, SIP/2.0/TCP h;branch=z9hG4bK2\r\n"
    b'f: <sip:a@b>;tag=1\r\nt: "Ph\xc3\xb2ng h\xe1\xbb\x8dp" <sip:c@d>;tag=2\r\ni: 9f8e7d@diemcau\r\n'
    b"CSeq: 4711 OPTIONS\r\nm: <sip:c@192.0.2.7:5060;transport=tcp>\r\nAllow: INVITE, ACK, BYE,\r\n CANCEL, OPTIONS\r\n"
    b"Supported: replaces, timer\r\nc: application/sdp\r\nl: %d\r\n\r\n" % len(SDP) + SDP,
    THEIR_REQUEST,
    sip.encode(sip.Request("sip:127.0.0.1", "sip:diemcau@[::1]:5060", "tls", "[::1]:5060"), OURS),
)


def feed(data: bytes) -> None:
    """As a datagram, and as a stream in two pieces; that one is refused does not spare the other."""
    refused: sip.SipError | None = None
    for read in (as_datagram, as_stream):
        try:
            for response in read(data):
                assert 100 <= response.status < 700
                response.answers(OURS)
        except sip.SipError as error:
            refused = error
    if refused is not None:
        raise refused


def as_datagram(data: bytes) -> list[sip.Response]:
    response = sip.decode(data)
    return [] if response is None else [response]


def as_stream(data: bytes) -> list[sip.Response]:
    reader, middle = sip.Reader(), len(data) // 2
    return reader.feed(data[:middle]) + reader.feed(data[middle:])
