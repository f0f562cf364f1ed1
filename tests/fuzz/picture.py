"""What a decoder that hostile bytes have taken over may say."""

from probes.codecs.picture import Footage, Lines, PictureError, Standard, judge

ERROR = PictureError
OPENED = b'{"line": "opened", "format": "hls", "video": "h264", "audio": "aac"}\n'
PICTURE = b'{"line": "picture", "at": 1.4, "width": 320, "height": 180, "bright": 0.9, "change": 0.016, "key": true}\n'
SOUND = b'{"line": "sound", "at": 1.42, "seconds": 0.02322, "power": 0.0077}\n'
SEEDS = (
    b'{"line": "ready"}\n' + OPENED + PICTURE + SOUND + PICTURE.replace(b"1.4", b"1.5") + b'{"line": "ended"}\n',
    OPENED + b'{"line": "damaged", "text": "Invalid data found when processing input"}\n' + SOUND,
    b'{"line": "ready"}\n{"line": "failed", "error": "HTTPNotFoundError", "number": 875574520, "text": "404"}\n',
    OPENED.replace(b'"aac"', b"null") + PICTURE.replace(b"0.016", b"null").replace(b"1.4", b"null") + PICTURE,
)


def feed(data: bytes) -> None:
    """In two pieces, then judged."""
    lines, footage, wanted = Lines(), Footage(), Standard()
    for piece in (data[:100], data[100:]):
        for line in lines.feed(piece):
            footage.add(line)
    footage.complete(wanted)
    judge(footage, wanted, 0.5)
    assert footage.loudness_dbfs is None or -120.0 <= footage.loudness_dbfs <= 0.0
