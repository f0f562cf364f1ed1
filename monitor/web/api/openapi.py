"""The OpenAPI 3.1 document, made from the table of operations and the structs that they take and give."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from monitor.web.api.exchange import JSON, PROBLEM, Problem
from monitor.web.api.resources import (
    CheckInIn,
    CheckInOut,
    CheckInsQuery,
    IncidentOut,
    IncidentsQuery,
    IncidentWhole,
    Kept,
    Nothing,
    Page,
    PointOut,
    PointsQuery,
    ReadinessOut,
    ReadinessQuery,
    SnapshotOut,
    SnapshotsQuery,
)

BASE = "/api/v1"
COMPONENTS = "#/components/schemas/{name}"
PARAMETER = re.compile(r"\{(\w+)\}")


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that may be asked."""

    id: str
    """Also the name of the method that answers it."""
    path: str
    answer: Any
    """The type of the body; None for bytes that are JSON by themselves."""
    summary: str
    method: str = "GET"
    query: type[msgspec.Struct] = Nothing
    body: Any = None
    status: int = 200
    refusals: tuple[int, ...] = ()
    """Beside those that each may have."""


OPERATIONS = (
    Operation(
        id="points",
        path=f"{BASE}/points",
        query=PointsQuery,
        answer=Page[PointOut],
        summary="Points, as they stand",
    ),
    Operation(id="point", path=f"{BASE}/points/{{id}}", answer=PointOut, summary="One point", refusals=(404,)),
    Operation(
        id="readiness",
        path=f"{BASE}/readiness",
        query=ReadinessQuery,
        answer=ReadinessOut,
        summary="The number that is owed, by tier, district and commune, with target and forecast",
    ),
    Operation(
        id="incidents",
        path=f"{BASE}/incidents",
        query=IncidentsQuery,
        answer=Page[IncidentOut],
        summary="Incidents, the latest first",
    ),
    Operation(
        id="incident",
        path=f"{BASE}/incidents/{{id}}",
        answer=IncidentWhole,
        summary="One incident with its timeline",
        refusals=(404,),
    ),
    Operation(
        id="snapshots",
        path=f"{BASE}/snapshots",
        query=SnapshotsQuery,
        answer=Page[SnapshotOut],
        summary="Frozen counts, the newest first",
    ),
    Operation(
        id="take_snapshot",
        method="POST",
        path=f"{BASE}/snapshots",
        answer=SnapshotOut,
        status=201,
        summary="Freeze the count as it is",
        refusals=(413, 415),
    ),
    Operation(
        id="snapshot",
        path=f"{BASE}/snapshots/{{number}}",
        answer=SnapshotOut,
        summary="One frozen count, without its content",
        refusals=(404,),
    ),
    Operation(
        id="snapshot_content",
        path=f"{BASE}/snapshots/{{number}}/content",
        answer=None,
        summary="What a snapshot froze: the very bytes that its digest is of",
        refusals=(404,),
    ),
    Operation(
        id="check_ins",
        path=f"{BASE}/check-ins",
        query=CheckInsQuery,
        answer=Page[CheckInOut],
        summary="Reports: of a point all, or of each point the one that holds",
        refusals=(404,),
    ),
    Operation(
        id="add_check_ins",
        method="POST",
        path=f"{BASE}/check-ins",
        body=list[CheckInIn],
        answer=Kept,
        summary="Keep reports, all or none; what is sent again under its `entry` is kept once",
        refusals=(413, 415, 422),
    ),
)
ALWAYS = (400, 401, 403, 503)
REFUSALS: Mapping[int, str] = {
    400: "The query or the body cannot be read.",
    401: "Nobody known asks, or by a token that does not hold.",
    403: "Whoever asks may not do this.",
    404: "It is not there.",
    413: "The body is too large.",
    415: "The body is no JSON.",
    422: "The body can be read and is wrong: `errors` names each item and field.",
    503: "The store does not answer: nothing was done, and it may be tried again.",
}
SECURITY = {
    "token": {"type": "http", "scheme": "bearer", "description": "An API token, `dct_…`, of `diemcau tokens add`."},
    "session": {"type": "apiKey", "in": "cookie", "name": "diemcau_session", "description": "Of a signed-in browser."},
}
DESCRIPTION = (
    "What the pages of diemcau show, for programs. Instants are RFC 3339 in UTC. Lists come in pages: ask again with "
    "`after` as long as `next` is not null, or follow the `Link` header. Every answer has an `ETag`."
)


def document() -> dict[str, Any]:
    """The whole document."""
    types = [each for operation in OPERATIONS for each in (operation.answer, operation.body) if each is not None]
    _, schemas = msgspec.json.schema_components([*types, Problem], ref_template=COMPONENTS)
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "diemcau", "version": "1", "description": DESCRIPTION},
        "servers": [{"url": "/"}],
        "security": [{name: []} for name in SECURITY],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": SECURITY},
    }


def methods_of(path: str) -> list[str]:
    """What may be asked of a path; empty for an unknown one."""
    found = {each.method for each in OPERATIONS if _matches(each.path, path)}
    if path == f"{BASE}/openapi.json":
        found.add("GET")
    return sorted(found | ({"HEAD", "OPTIONS"} if "GET" in found else set()))


def _matches(template: str, path: str) -> bool:
    return re.fullmatch(PARAMETER.sub("[^/]+", template), path) is not None


def _operation(operation: Operation) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "parameters": [*_in_path(operation.path), *_in_query(operation.query)],
        "responses": dict(_responses(operation)),
    }
    if operation.body is not None:
        schema = _schema(operation.body) | {"minItems": 1, "maxItems": 1000}
        told["requestBody"] = {"required": True, "content": {JSON: {"schema": schema}}}
    return told


def _responses(operation: Operation) -> Iterable[tuple[str, dict[str, Any]]]:
    schema = _schema(operation.answer) if operation.answer is not None else {}
    yield str(operation.status), {"description": "As asked.", "content": {JSON: {"schema": schema}}}
    if operation.method == "GET":
        yield "304", {"description": "What the client has is still so."}
    for status in sorted({*ALWAYS, *operation.refusals}):
        content = {PROBLEM: {"schema": _schema(Problem)}}
        yield str(status), {"description": REFUSALS[status], "content": content}


def _in_path(path: str) -> Iterable[dict[str, Any]]:
    for name in PARAMETER.findall(path):
        kind = {"type": "integer", "minimum": 1} if name == "number" else {"type": "string", "minLength": 1}
        yield {"name": name, "in": "path", "required": True, "schema": kind}


def _in_query(query: type[msgspec.Struct]) -> Iterable[dict[str, Any]]:
    (schema,), components = msgspec.json.schema_components([query], ref_template=COMPONENTS)
    properties = components[schema["$ref"].rpartition("/")[2]].get("properties", {})
    for name, known in properties.items():
        yield {"name": name, "in": "query", "required": False, "schema": _plain(known, components)}


def _plain(schema: Any, components: Mapping[str, Any]) -> Any:
    """A parameter's schema: without null, which no query can say, and without references."""
    if "$ref" in schema:
        return _plain(components[schema["$ref"].rpartition("/")[2]], components)
    if "anyOf" in schema:
        rest = [each for each in schema["anyOf"] if each != {"type": "null"}]
        return _plain(rest[0], components) if len(rest) == 1 else {"anyOf": rest}
    return {key: value for key, value in schema.items() if key != "default" or value is not None}


def _schema(kind: Any) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=COMPONENTS)
    return dict(schema)
