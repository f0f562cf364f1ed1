"""Evidence as it comes in: the forwarder's reports, the service's log, Alertmanager's webhook."""

import json
from math import inf
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from monitor.core.model import PointState
from monitor.rehearsal.faults import Outage, Step
from monitor.rehearsal.gathering import ServiceLog, Truth, Webhook
from monitor.rehearsal.score import Evidence

AT = "2025-05-08T00:00:01.500000Z"


@pytest.fixture
def evidence() -> Evidence:
    return Evidence(())


def outage(point: str) -> Outage:
    return Outage(0.0, 1.0, point, 3, "10.38.1.1")


def test_the_truth_is_what_the_forwarder_did(evidence: Evidence) -> None:
    truth = Truth(evidence)
    truth.happened(Step(0, cut=(outage("a"), outage("b"))), 100.0)
    truth.happened(Step(1, mend=(outage("a"),)), 101.0)
    truth.happened(Step(2, uplink_loss=1.0, fault=4), 102.0)
    truth.happened(Step(3, uplink_loss=0.0, fault=4), 103.0)
    assert [(hit.point, hit.fault, hit.cut_at, hit.mended_at) for hit in evidence.hits] == [
        ("a", 3, 100.0, 101.0),
        ("b", 3, 100.0, inf),
    ]
    assert evidence.uplink == {4: [102.0, 103.0]}
    assert truth.cut_now == {"b"}


def line(**fields: Any) -> bytes:
    return json.dumps({"timestamp": AT, "level": "info"} | fields, ensure_ascii=False).encode() + b"\n"


def test_the_log_is_followed_as_it_grows(evidence: Evidence, tmp_path: Path) -> None:
    """Also when a line arrives in two halves, and past what is no line of ours."""
    path = tmp_path / "service.log"
    path.write_bytes(b"")
    log = ServiceLog(path, evidence, ["a", "b"])
    whole = line(event="point changed", point="a", before="unknown", after="up", cause="none", at=1.0, since=1.0)
    with path.open("ab") as file:
        file.write(line(event="monitoring", points=2) + b"Traceback (most recent call last):\n[1, 2]\n" + whole[:30])
    log.read()
    assert log.states == {"a": PointState.UNKNOWN, "b": PointState.UNKNOWN}
    with path.open("ab") as file:
        file.write(
            whole[30:]
            + line(event="sight changed", blind=True, level="error")
            + line(event="point changed", after="odd")
        )
        file.write(line(event="point changed", point="b", after="down", cause="lost_connection"))
    log.read()
    log.close()
    assert log.states == {"a": PointState.UP, "b": PointState.DOWN}
    assert (log.counts[PointState.UP], log.counts[PointState.DOWN], log.counts[PointState.UNKNOWN]) == (1, 1, 0)
    assert log.blind
    assert log.errors == {"sight changed": 1}
    assert [(seen.point, seen.at) for seen in evidence.seen] == [("a", 1746662401.5), ("b", 1746662401.5)]


def test_alerts_in_the_log_count_where_no_alertmanager_is_told(evidence: Evidence, tmp_path: Path) -> None:
    path = tmp_path / "service.log"
    path.write_bytes(
        line(event="alert.firing", alertname="PointDown", instance="a")
        + line(event="alert.resolved", alertname="MonitorBlind")
        + line(event="alert.firing", alertname="SomethingElse", instance="a")
    )
    log = ServiceLog(path, evidence, ["a"])
    log.read()
    log.close()
    assert [(told.point, told.firing) for told in evidence.told] == [("a", True), ("", False)]


async def test_the_webhook_takes_what_alertmanager_posts(evidence: Evidence) -> None:
    webhook = Webhook(evidence)
    alerts = [
        {"status": "firing", "labels": {"alertname": "PointDown", "instance": "a"}, "annotations": {}},
        {"status": "firing", "labels": {"alertname": "MonitorBlind"}},
        {"status": "firing", "labels": {"alertname": "TargetDown", "instance": "a"}},
    ]
    async with TestClient(TestServer(webhook.application())) as client:
        assert (await client.post("/", json={"version": "4", "alerts": alerts})).status == 200
        assert webhook.firing == {"a"}
        alerts[0]["status"] = "resolved"
        assert (await client.post("/", json={"alerts": alerts[:1]})).status == 200
        assert (await client.post("/", data=b"{")).status == 400
    assert [(told.point, told.firing) for told in evidence.told] == [("a", True), ("", True), ("a", False)]
    assert webhook.firing == set()
