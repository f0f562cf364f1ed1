"""What programs ask: ``/metrics``, ``/probe``, ``/-/healthy``, ``/-/ready``, ``/-/reload``, as Prometheus' servers do.

``/probe`` answers as blackbox_exporter 0.23 does: 200 with ``probe_success 0`` for a probe that failed, 400 for a
question that cannot be asked.
"""

import asyncio
import zlib
from collections.abc import Iterator

from aiohttp import hdrs, web

from monitor.web.access import audit_of
from monitor.web.backend import Backend
from probes.model import Measurement

EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"
COMPRESS_FROM = 2048
"""Bytes; below it compression costs more than it saves."""
LONGEST = 256
"""Characters of a target or module."""
GZIP = 16 + zlib.MAX_WBITS

HELP = {
    "probe_success": "Displays whether or not the probe was a success",
    "probe_duration_seconds": "Returns how long the probe took to complete in seconds",
}


async def compressed(request: web.Request, body: bytes, content_type: str) -> web.Response:
    """The response, as gzip where the client takes it and it pays; made in a thread, for zlib lets the loop go."""
    headers = {hdrs.CONTENT_TYPE: content_type, hdrs.VARY: hdrs.ACCEPT_ENCODING, hdrs.CACHE_CONTROL: "no-store"}
    if len(body) >= COMPRESS_FROM and _takes_gzip(request.headers.get(hdrs.ACCEPT_ENCODING, "")):
        body = await asyncio.to_thread(zlib.compress, body, 5, GZIP)
        headers[hdrs.CONTENT_ENCODING] = "gzip"
    return web.Response(body=body, headers=headers)


class Endpoints:
    """The endpoints of one backend."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def routes(self) -> list[web.RouteDef]:
        """Where each of them is."""
        return [
            web.get("/metrics", self.metrics),
            web.get("/probe", self.probe),
            web.get("/-/healthy", self.healthy),
            web.get("/-/ready", self.ready),
            web.post("/-/reload", self.reload),
        ]

    async def metrics(self, request: web.Request) -> web.Response:
        """All metrics."""
        return await compressed(request, await self._backend.exposition(), EXPOSITION)

    async def probe(self, request: web.Request) -> web.Response:
        """One probe of ``target`` with ``module``, now."""
        target, module = request.query.get("target", ""), request.query.get("module", "")
        for name, value in (("target", target), ("module", module)):
            if not 0 < len(value) <= LONGEST:
                return _refuse(f"{name} parameter is missing or longer than {LONGEST} characters")
        kind = self._backend.kind_of(module)
        if kind is None:
            return _refuse(f"unknown module {module!a}")
        measurement = await self._backend.probe(target, module)
        if measurement is None:
            return _refuse(f"target {target!a} is not in the inventory with module {module!a}")
        return web.Response(body=probe_text(kind, measurement).encode(), headers={hdrs.CONTENT_TYPE: EXPOSITION})

    async def healthy(self, _request: web.Request) -> web.Response:
        """Whether the process lives."""
        return web.Response(text="diemcau is healthy\n")

    async def ready(self, _request: web.Request) -> web.Response:
        """Whether the board says more than nothing."""
        if self._backend.ready():
            return web.Response(text="diemcau is ready\n")
        return web.Response(status=503, text="diemcau is not ready: nothing has been observed yet\n")

    async def reload(self, request: web.Request) -> web.Response:
        """Read the configuration again. A page of another site may not ask for it in a visitor's name."""
        if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            return web.Response(status=403, text="reload from another site is refused\n")
        await self._backend.records.add_audit(audit_of(request, "reload"))
        errors = await self._backend.reload()
        if not errors:
            return web.Response(text="")
        return web.Response(status=500, text="\n".join(["failed to reload config:", *errors, ""]))


def probe_text(kind: str, measurement: Measurement) -> str:
    """One measurement in the exposition format, under blackbox_exporter's names. Pure."""
    return "".join(f"{line}\n" for line in _probe_lines(kind, measurement))


def _probe_lines(kind: str, measurement: Measurement) -> Iterator[str]:
    values = (("probe_success", float(measurement.success)), ("probe_duration_seconds", measurement.duration_s))
    for name, value in values:
        yield f"# HELP {name} {HELP[name]}"
        yield from _gauge(name, value)
    if measurement.phases:
        yield f"# TYPE probe_{kind}_duration_seconds gauge"
    for phase, seconds in measurement.phases:
        yield f'probe_{kind}_duration_seconds{{phase="{phase}"}} {seconds:.9g}'
    for name, value in measurement.figures:
        yield from _gauge(name, value)
    yield from _remarks(measurement)


def _remarks(measurement: Measurement) -> Iterator[str]:
    """For people: why it failed, and what was found by name, such as the routers on the way."""
    if measurement.failure is not None:
        yield f"# {measurement.failure} {_one_line(measurement.detail)}".rstrip()
    for number, name in enumerate(measurement.names, 1):
        yield f"# {number} {_one_line(name)}"


def _one_line(text: str) -> str:
    """What others sent must not become a sample."""
    return "".join(char if char.isprintable() else " " for char in text)


def _gauge(name: str, value: float) -> Iterator[str]:
    yield f"# TYPE {name} gauge"
    yield f"{name} {int(value) if value.is_integer() else value}"


def _refuse(why: str) -> web.Response:
    return web.Response(status=400, text=f"{why}\n")


def _takes_gzip(accept: str) -> bool:
    """Whether an Accept-Encoding header (RFC 9110, section 12.5.3) allows gzip."""
    for offer in accept.lower().split(","):
        coding, _, weight = offer.partition(";")
        if coding.strip() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
