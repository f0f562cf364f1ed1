"""Whether a request comes from a page of ours."""

from urllib.parse import urlsplit

from aiohttp import hdrs, web


def of_our_origin(request: web.Request) -> bool:
    """Whether the page that asks is ours; a browser always says whose it is (RFC 6455, section 10.2; Fetch, 3.1)."""
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None:
        return True
    try:
        return urlsplit(origin).netloc == request.host
    except ValueError:
        return False
