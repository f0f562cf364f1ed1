"""Challenges for a password."""

from probes.codecs import digest

ERROR = digest.ChallengeError

SEEDS = (
    b'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5c"',
    b'Digest realm="x\\"y", nonce="7ypf/xlj9XXw", algorithm=SHA-256, qop="auth"',
    b'Digest realm="GStreamer RTSP Server", nonce="0b1c2d3e4f"',
    b'Basic realm="WallyWorld"',
    b'Negotiate, Digest realm="a, b", nonce = n, qop="auth", Basic realm="c"',
)


def feed(data: bytes) -> None:
    """As the value of a header."""
    challenge = digest.choose([data.decode("utf-8", "replace")])
    digest.respond(challenge, "DESCRIBE", "rtsp://x/", "user", "password", "cnonce")
