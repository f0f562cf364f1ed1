"""The API against its own document: whatever schemathesis makes of it, no server error, no answer beside it."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any, Self

import pytest
import schemathesis
from aiohttp import web
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from monitor.core.access import Role
from monitor.web.api.openapi import OPERATIONS, document

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
SCHEMA = schemathesis.openapi.from_dict(document())
EXAMPLES = 40


class Server:
    """The application on loopback, in a thread of its own: schemathesis asks and waits."""

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._ready = threading.Event()
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        runner = web.AppRunner(self._app, shutdown_timeout=0.1)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        self.port = runner.addresses[0][1]
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()


@pytest.fixture(scope="module")
def asked(make_stage: Any, make_province: Any) -> Iterator[tuple[str, dict[str, str]]]:
    stage = make_stage(make_province(300))
    stage.up()
    headers = stage.sign_in(Role.ADMINISTRATOR)
    with Server(stage.app) as server:
        yield f"http://127.0.0.1:{server.port}", headers


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.id)
def test_no_server_error_and_nothing_beside_the_document(operation: Any, asked: tuple[str, dict[str, str]]) -> None:
    base, headers = asked

    @seed(20250508)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=SCHEMA[operation.path][operation.method].as_strategy())
    def ask(case: Any) -> None:
        case.call_and_validate(base_url=base, headers=headers, checks=CHECKS, timeout=10)

    ask()


def test_the_document_is_openapi_3_1() -> None:
    """As schemathesis reads it: every operation can be found, and every reference resolved."""
    SCHEMA.validate()
    found = {result.ok().label for result in SCHEMA.get_all_operations()}
    assert found == {f"{each.method} {each.path}" for each in OPERATIONS}
