"""RTSP: responses, requests of the server, and packets among them."""

from probes.codecs import rtsp

ERROR = rtsp.RtspError

SEEDS = (
    b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: OPTIONS, DESCRIBE, PLAY\r\nServer: GStreamer RTSP server\r\n\r\n",
    b'RTSP/1.0 401 Unauthorized\r\nCSeq: 2\r\nWWW-Authenticate: Digest realm="r",\r\n nonce="n"\r\n\r\n',
    b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n$\x00\x00\x02ab",
    b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nTransport: RTP/AVP/TCP;unicast;interleaved=2-3;ssrc=5B\r\n\r\n",
    b"$\x01\x00\x04abcd$\x00\x00\x00RTSP/1.0 200 OK\r\nCSeq: 4\r\nSession: 12;timeout=60\r\n\r\n",
    b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 2\r\n\r\nhi\r\n\r\nRTSP/1.0 454 Session Not Found\r\n\r\n",
)


def feed(data: bytes) -> None:
    """As a connection would bring it, in three pieces."""
    reader, third = rtsp.Reader(), len(data) // 3
    for piece in (data[:third], data[third : 2 * third], data[2 * third :]):
        for event in reader.feed(piece):
            if isinstance(event, rtsp.Response):
                _ = event.session, event.cseq, rtsp.channel(event.header("transport"), 0)
