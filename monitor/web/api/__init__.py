"""``/api/v1``: what the pages show, for programs. The table of operations makes the routes and the OpenAPI document."""

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import msgspec
from aiohttp import hdrs, web

from monitor.core.access import Identity
from monitor.core.checkin import Author, Voice, problem
from monitor.core.incidents import Incident
from monitor.core.model import Point
from monitor.core.readiness import NOTHING, Counts, Place
from monitor.core.snapshot import Snapshot, districts_of, instant, target_of
from monitor.web.access import audit_of
from monitor.web.api import openapi
from monitor.web.api.exchange import (
    JSON,
    PROBLEM,
    Refused,
    Wrong,
    behind,
    etag_of,
    is_fresh,
    next_link,
    page_of,
    read_body,
    read_query,
)
from monitor.web.api.openapi import BASE, OPERATIONS, Operation
from monitor.web.api.resources import (
    CheckInIn,
    CheckInOut,
    CheckInsQuery,
    CommuneOut,
    IncidentOut,
    IncidentsQuery,
    IncidentWhole,
    Kept,
    Page,
    PointOut,
    PointsQuery,
    ReadinessOut,
    ReadinessQuery,
    SnapshotOut,
    SnapshotsQuery,
    check_in_out,
    entry_out,
    incident_out,
    moment,
    point_out,
    snapshot_out,
)
from monitor.web.backend import Backend
from monitor.web.endpoints import compressed

LARGEST_BODY = 1 << 20
MOST_CHECK_INS = 1000
LARGEST_NUMBER = 9
"""Digits."""


class Answer(msgspec.Struct):
    """What goes out, before it is JSON."""

    body: object
    status: int = 200
    next: str | None = None
    raw: bytes | None = None
    """Sent as it is, instead of ``body``."""
    headers: dict[str, str] = {}


Handler = Callable[[web.Request, Any], Awaitable[Answer]]


class Api:
    """The handlers, by the id of their operation."""

    def __init__(self, backend: Backend, now: Callable[[], float] = time.time) -> None:
        self._backend = backend
        self._now = now
        self._document = msgspec.json.encode(openapi.document())

    def routes(self) -> list[web.RouteDef]:
        """A route for each operation, and one for whatever else is asked for under ``/api/``."""
        made = [web.route(each.method, each.path, self._run(each)) for each in OPERATIONS if each.method != "GET"]
        made += [web.get(each.path, self._run(each)) for each in OPERATIONS if each.method == "GET"]
        return [*made, web.get(f"{BASE}/openapi.json", self.document), web.route("*", "/api/{path:.*}", self.unknown)]

    async def document(self, request: web.Request) -> web.StreamResponse:
        """The OpenAPI document."""
        return await self._send(request, Answer(None, raw=self._document))

    async def unknown(self, request: web.Request) -> web.StreamResponse:
        """Nothing of ours, or no method of it."""
        allowed = openapi.methods_of(request.path)
        if not allowed:
            return _refuse(Refused(404, f"there is nothing at {request.path[:200]}; see {BASE}/openapi.json"))
        allow: dict[str, str] = {hdrs.ALLOW: ", ".join(allowed)}
        if request.method == hdrs.METH_OPTIONS:
            return web.Response(status=204, headers=allow)
        return _refuse(Refused(405, f"expected {allow[hdrs.ALLOW]}", headers=allow))

    def _run(self, operation: Operation) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        handler: Handler = getattr(self, operation.id)

        async def run(request: web.Request) -> web.StreamResponse:
            try:
                query = read_query(request.query.items(), operation.query)
                return await self._send(request, await handler(request, query))
            except Refused as refused:
                return _refuse(refused)

        return run

    async def _send(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        body = answer.raw if answer.raw is not None else msgspec.json.encode(answer.body)
        etag = etag_of(body)
        headers = {hdrs.ETAG: etag, hdrs.CACHE_CONTROL: "private, no-cache", **answer.headers}
        if answer.next is not None:
            headers[hdrs.LINK] = next_link(request.path, request.query.items(), answer.next)
        if request.method in ("GET", "HEAD") and is_fresh(etag, request.headers.get(hdrs.IF_NONE_MATCH, "")):
            return web.Response(status=304, headers=headers)
        response = await compressed(request, body, JSON)
        response.set_status(answer.status)
        response.headers.update(headers)
        return response

    # Points

    async def points(self, _request: web.Request, query: PointsQuery) -> Answer:
        """Those that fit, in the order of the inventory."""
        points = behind(self._backend.pipeline.inventory.points.values(), _id, query.after)
        found, cursor = page_of(self._fitting(points, query), _id, query.limit)
        return Answer(Page(found, cursor), next=cursor)

    async def point(self, request: web.Request, _query: object) -> Answer:
        """One."""
        point = self._backend.pipeline.inventory.points.get(request.match_info["id"])
        if point is None:
            raise Refused(404, "no point has this id")
        return Answer(self._point(point))

    def _fitting(self, points: Iterator[Point], query: PointsQuery) -> Iterator[PointOut]:
        sought = query.q.casefold()
        for point in points:
            place = (
                query.tier in (None, point.tier)
                and query.mode in (None, point.mode)
                and query.district in (None, point.district_code)
                and query.commune in (None, point.commune_code)
            )
            if not place or (sought not in point.name.casefold() and sought not in point.id.casefold()):
                continue
            found = self._point(point)
            stands = query.state in (None, found.state) and query.ready in (None, found.ready)
            if stands and (query.lack is None or query.lack in found.lacks):
                yield found

    def _point(self, point: Point) -> PointOut:
        pipeline = self._backend.pipeline
        incident = pipeline.incidents.of_point(point.id)
        standing, status = pipeline.standing(point.id, self._now()), pipeline.points[point.id]
        return point_out(standing, status, incident.id if incident is not None else None)

    # Readiness

    async def readiness(self, _request: web.Request, query: ReadinessQuery) -> Answer:
        """The number that is owed."""
        pipeline, now = self._backend.pipeline, self._now()
        counted, ceremony = pipeline.readiness(now), pipeline.ceremony
        target = target_of(counted.total.expected, pipeline.tally.rules.target_ratio)
        return Answer(
            ReadinessOut(
                at=instant(now),
                deadline=instant(ceremony.report_at),
                begins_at=instant(ceremony.begins_at),
                blind=pipeline.blind,
                target=target,
                met_at=moment(pipeline.trend.met_at(target, counted.total.ready, now)),
                total=counted.total,
                tiers=dict(counted.tiers),
                districts=tuple(districts_of(pipeline.tally.places(now), pipeline.inventory)),
                communes=tuple(_communes(pipeline.tally.places(now))) if query.communes else None,
            )
        )

    # Incidents

    async def incidents(self, _request: web.Request, query: IncidentsQuery) -> Answer:
        """Those of today that fit, the latest first."""
        pipeline = self._backend.pipeline
        fitting = (
            each
            for each in behind(pipeline.incidents.all, _id, query.after)
            if query.state in (None, each.state) and query.operator in (None, each.operator)
        )
        found, cursor = page_of(fitting, _id, query.limit)
        items = tuple(msgspec.convert(incident_out(each, pipeline.inventory), IncidentOut) for each in found)
        return Answer(Page(items, cursor), next=cursor)

    async def incident(self, request: web.Request, _query: object) -> Answer:
        """One, with its timeline."""
        pipeline = self._backend.pipeline
        found: Incident | None = pipeline.incidents.get(request.match_info["id"])
        if found is None:
            raise Refused(404, "no incident of today has this id")
        timeline = tuple(map(entry_out, found.timeline))
        return Answer(msgspec.convert({**incident_out(found, pipeline.inventory), "timeline": timeline}, IncidentWhole))

    # Snapshots

    async def snapshots(self, _request: web.Request, query: SnapshotsQuery) -> Answer:
        """All, the newest first."""
        heads = await self._backend.records.snapshots()
        found, cursor = page_of(behind(map(snapshot_out, heads), _number, query.after), _number, query.limit)
        return Answer(Page(found, cursor), next=cursor)

    async def snapshot(self, request: web.Request, _query: object) -> Answer:
        """One, without its content."""
        return Answer(snapshot_out(await self._snapshot(request)))

    async def snapshot_content(self, request: web.Request, _query: object) -> Answer:
        """The very bytes that were hashed."""
        return Answer(None, raw=(await self._snapshot(request)).content)

    async def take_snapshot(self, request: web.Request, _query: object) -> Answer:
        """Freeze the count as it is."""
        await self._body(request, least=0)
        taken = await self._backend.take_snapshot(_who(request), audit_of(request, "snapshot"))
        return Answer(snapshot_out(taken), 201, headers={hdrs.LOCATION: f"{BASE}/snapshots/{taken.number}"})

    async def _snapshot(self, request: web.Request) -> Snapshot:
        number = request.match_info["number"]
        known = number.isascii() and number.isdecimal() and len(number) <= LARGEST_NUMBER
        found = await self._backend.records.snapshot(int(number)) if known else None
        if found is None:
            raise Refused(404, "no snapshot has this number")
        return found

    # Check-ins

    async def check_ins(self, _request: web.Request, query: CheckInsQuery) -> Answer:
        """Of one point all, or of each point the one that holds."""
        if query.point is None:
            reports = sorted(self._backend.pipeline.tally.reports(), key=lambda each: each.point)
        elif query.point in self._backend.pipeline.points:
            reports = await self._backend.records.check_ins_of(query.point)
        else:
            raise Refused(404, "no point has this id")
        found, cursor = page_of(behind(map(check_in_out, reports), _report, query.after), _report, query.limit)
        return Answer(Page(found, cursor), next=cursor)

    async def add_check_ins(self, request: web.Request, _query: object) -> Answer:
        """Keep reports, all or none."""
        sent = read_body(await self._body(request), list[CheckInIn])
        if not 0 < len(sent) <= MOST_CHECK_INS:
            raise Refused(422, f"expected from 1 to {MOST_CHECK_INS} reports, got {len(sent)}")
        wrong = tuple(found for number, each in enumerate(sent) if (found := self._wrong(number, each)) is not None)
        if wrong:
            raise Refused(422, f"{len(wrong)} of {len(sent)} reports are wrong: none was kept", wrong)
        author, audit = Author(Voice.USER, _who(request)), audit_of(request, "check_in", f"{len(sent)} reports")
        kept = await self._backend.check_in([(each.point, each) for each in sent], author, audit)
        return Answer(Kept(tuple(map(check_in_out, kept))))

    def _wrong(self, number: int, sent: CheckInIn) -> Wrong | None:
        point = self._backend.pipeline.inventory.points.get(sent.point)
        if point is None:
            return Wrong(number, "point", "no point has this id")
        if not point.expected:
            return Wrong(number, "point", f"this point does not take part: its mode is {point.mode}")
        field = problem(sent)
        return Wrong(number, field, "contradicts the rest, or holds what no line of text does") if field else None

    async def _body(self, request: web.Request, least: int = 1) -> bytes:
        """The body of a request. Raises Refused."""
        body = await request.content.read(LARGEST_BODY + 1)
        while len(body) <= LARGEST_BODY and not request.content.at_eof():
            body += await request.content.read(LARGEST_BODY + 1 - len(body))
        if len(body) > LARGEST_BODY:
            raise Refused(413, f"expected at most {LARGEST_BODY} bytes")
        if len(body) >= least and body and request.content_type != JSON:
            raise Refused(415, f"expected {JSON}, got {request.content_type[:100]}")
        return body


def _refuse(refused: Refused) -> web.Response:
    headers = {hdrs.CONTENT_TYPE: PROBLEM, **refused.headers}
    return web.Response(status=refused.problem.status, body=msgspec.json.encode(refused.problem), headers=headers)


def _who(request: web.Request) -> str:
    identity = request["identity"]
    return identity.name if isinstance(identity, Identity) else ""


def _communes(places: Mapping[Place, Counts]) -> Iterator[CommuneOut]:
    sums: dict[tuple[str, str], Counts] = {}
    for (_tier, district, commune), counts in places.items():
        sums[district, commune] = sums.get((district, commune), NOTHING).plus(counts)
    for district, commune in sorted(sums):
        if commune:
            yield CommuneOut(commune, district, sums[district, commune])


def _id(item: Point | PointOut | Incident) -> str:
    return item.id


def _number(item: SnapshotOut) -> str:
    return str(item.number)


def _report(item: CheckInOut) -> str:
    return f"{item.point} {item.entry}"
