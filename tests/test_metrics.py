import asyncio
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from monitor.core.checkin import Author, Draft, Voice, receive
from monitor.core.gateway import GatewayCounters
from monitor.core.incidents import Incident
from monitor.core.model import (
    Ceremony,
    Certainty,
    Change,
    CheckPolicy,
    District,
    IncidentState,
    Inventory,
    Mode,
    Node,
    NodeKind,
    Phase,
    Point,
    Source,
    Tier,
    Tree,
)
from monitor.core.pipeline import Pipeline
from monitor.core.power import Reading
from monitor.core.pulse import check_of
from monitor.core.readiness import Lack, Requirement, Rule, Rules
from monitor.core.trend import Sample, Trend
from monitor.metrics import FAMILIES, INCIDENTS_TOLD, SLICE, Alerts, Document, Exposition, LoopLag, escape, labelled
from probes.model import BatchCounters, EngineCounters, Failure, Figure, Histogram, Layer, Measurement, Observation
from probes.registry import FIGURES

GOLDEN = Path(__file__).with_name("metrics.txt")
NOW = 1746680400.0
"""2025-05-08 05:00 UTC."""
MODULES = {"ping": "icmp", "portal": "http", "h323": "tcp", "page": "page"}
AWKWARD = 'Thôn "Đồng\\Tiến"\nxóm Ngã Ba'

ANSWERED = Measurement(success=True, duration_s=4.7e-06, phases=(("resolve", 0.0), ("rtt", 4.7e-06)))
FETCHED = Measurement(
    success=True,
    duration_s=0.25,
    phases=(("resolve", 0.01), ("connect", 0.02), ("tls", 0.1), ("processing", 0.1), ("transfer", 0.02)),
    figures=(
        ("probe_ip_protocol", 4.0),
        ("probe_http_status_code", 200.0),
        ("probe_http_content_length", 5.0),
        ("probe_ssl_earliest_cert_expiry", 1778198400.0),
    ),
)
CONNECTED = Measurement(success=True, duration_s=0.002, phases=(("resolve", 0.0), ("connect", 0.002)))
UNREACHABLE = Measurement(
    success=False,
    duration_s=0.003,
    failure=Failure.UNREACHABLE,
    phases=(("resolve", 0.0),),
    figures=(("probe_icmp_error_type", 3.0), ("probe_icmp_error_code", 1.0)),
)

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class FakeDelivery(msgspec.Struct):
    """One Alertmanager, as alerting tells of it."""

    url: str = "http://127.0.0.1:9093"
    posted: int = 3
    failed: int = 1
    refused: int = 0
    reachable: bool = True
    pending: int = 2


class FakeStore(msgspec.Struct):
    """The store's writer."""

    commits: int = 12
    failures: int = 2
    dropped: int = 0
    pending: int = 4
    last_commit_s: float = 0.003
    healthy: bool = True


class FakeAlerts:
    """One alert that fires."""

    firing = {"a": object()}  # noqa: RUF012
    deliveries = (FakeDelivery(),)


def point(point_id: str, **more: object) -> Point:
    return Point(**{"id": point_id, "name": point_id, "tier": Tier.COMMUNE, "mode": Mode.TWO_WAY, **more})


def province(*points: Point) -> Inventory:
    return Inventory(
        points={one.id: one for one in points},
        network={"acc-1": Node("acc-1", None, "Trạm 1", NodeKind.ACCESS, "VNPT Mường Lát")},
        power={"tba-1": Node("tba-1", None, "TBA 1", NodeKind.TRANSFORMER, "Điện lực Mường Lát")},
        districts={"384": District("384", "Huyện Mường Lát", 0, 0)},
    )


CEREMONY = Ceremony(
    title="Lễ phát động",
    timezone="Asia/Ho_Chi_Minh",
    report_at=NOW + 1800,
    begins_at=NOW + 3600,
    phases=(Phase(name="live", title="Diễn ra", starts_at=NOW - 60, interval_s=1, alpha=1e-6, severity="critical"),),
)


def policy(check: str) -> CheckPolicy:
    target, _, _ = check.rpartition("/")
    return CheckPolicy(check, "" if target.startswith("witness:") else target, Layer.REACHABLE, 1.0)


def pipeline_of(inventory: Inventory, *checks: str) -> Pipeline:
    return Pipeline(inventory, CEREMONY, [policy(check) for check in checks], NOW)


def told(pipeline: Pipeline, check: str, *found: Measurement) -> None:
    for second, measurement in enumerate(found, start=1):
        pipeline.observe(Observation(check, NOW + second, "center", measurement))


def exposition_of(
    pipeline: Pipeline,
    alerts: Alerts | None = None,
    store: FakeStore | None = None,
    at: float = NOW + 10,
    gateway: GatewayCounters | None = None,
) -> Exposition:
    engine = EngineCounters(lag=Histogram.of(0.001, 0.01))
    engine.batches = {"icmp": BatchCounters(sent=7, late_replies=2)}
    return Exposition(
        pipeline,
        engine,
        LoopLag(),
        alerts,
        kind_of=MODULES.__getitem__,
        figures=FIGURES,
        store=lambda: store,
        gateway=lambda: gateway,
        clock=lambda: at,
    )


def busy() -> GatewayCounters:
    """A gateway that has seen everything once."""
    gateway = GatewayCounters(waiting=2, oldest_waiting_s=1.5, leading=True, watchdog_at=NOW, unacknowledged=1)
    gateway.attempts["vnpt-384", "sms", "accepted"] = 3
    gateway.given_up["vnpt-384"] = gateway.notices["opened"] = gateway.escalations[2] = gateway.refused["forged"] = 1
    gateway.circuits_open["sms"] = True
    gateway.acknowledge_s.observe(42.0)
    return gateway


def check_in(pipeline: Pipeline, point_id: str, now: float, voice: Voice = Voice.POINT, **said: object) -> None:
    draft = Draft(**{"entry": f"{point_id}-{now:.0f}".ljust(8, "-"), "picture": True, "sound": True, **said})
    pipeline.check_in(receive(draft, point_id, Author(voice, point_id), now, CEREMONY.report_at))


@pytest.fixture
def whole() -> Exposition:
    """Every family has a sample."""
    inventory = province(
        point(
            "xa-1", name=AWKWARD, district_code="384", commune_code="14845", network_node="acc-1", power_node="tba-1"
        ),
        point("xa-2", mode=Mode.MERGED, merged_into="xa-1"),
    )
    pipeline = pipeline_of(inventory, "xa-1/ping", "xa-1/portal", "xa-1/h323", "witness:gateway/ping")
    told(pipeline, "xa-1/ping", ANSWERED, ANSWERED)
    told(pipeline, "xa-1/portal", FETCHED)
    told(pipeline, "xa-1/h323", CONNECTED)
    told(pipeline, "witness:gateway/ping", ANSWERED, UNREACHABLE)
    pipeline.hear_power("xa-1", Reading("ups", on_battery=False, at=NOW + 3, left_s=600.0))
    pipeline.happenings["PointChanged"] += 1
    blame(pipeline, "network:acc-1")
    pipeline.trend = Trend(Sample(NOW - 30 * ago, 1, 1, 5 - ago, 0) for ago in range(6))
    return exposition_of(pipeline, FakeAlerts(), FakeStore(), gateway=busy())


def blame(pipeline: Pipeline, incident_id: str, **changes: object) -> Incident:
    """An incident that took xa-1."""
    tree, _, node = incident_id.partition(":")
    incident = Incident(
        id=incident_id, tree=Tree(tree), node=node, operator="VNPT", since=NOW - 5, opened_at=NOW, points=("xa-1",)
    )
    incident.owner_probability, incident.certainty = 0.97, Certainty.CERTAIN
    incident = msgspec.structs.replace(incident, **changes)
    pipeline.incidents._by_id[incident_id] = incident
    return incident


async def samples(exposition: Exposition) -> Samples:
    text = (await exposition.render()).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def labels(**of: str) -> frozenset[tuple[str, str]]:
    return frozenset(of.items())


async def test_names_are_those_of_the_golden_list(whole: Exposition) -> None:
    """A name that others' dashboards and rules rely on changes only together with this list."""
    text = (await whole.render()).decode()
    found = sorted(line.removeprefix("# TYPE ") for line in text.splitlines() if line.startswith("# TYPE "))
    figures = {f"{figure.name} gauge" for figure in FIGURES}
    assert sorted({*found, *figures}) == GOLDEN.read_text().splitlines()


async def test_promtool_has_nothing_to_say(whole: Exposition, program: Callable[[str], Path]) -> None:
    text = await whole.render()
    command = [program("promtool"), "check", "metrics"]
    checked = await asyncio.to_thread(subprocess.run, command, input=text, capture_output=True, check=False, timeout=60)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


async def test_each_family_has_one_header_and_stands_in_one_piece(whole: Exposition) -> None:
    lines = (await whole.render()).decode().splitlines()
    headers = [line.split()[2] for line in lines if line.startswith("# HELP ")]
    assert len(headers) == len(set(headers))
    assert set(FAMILIES) <= set(headers)
    assert all(line for line in lines)


async def test_a_check_has_blackbox_names_with_instance_and_check(whole: Exposition) -> None:
    found = await samples(whole)
    ping = {"instance": "xa-1", "check": "ping"}
    assert found["probe_success", labels(**ping)] == 1
    assert found["probe_duration_seconds", labels(**ping)] == 4.7e-06
    assert found["probe_icmp_duration_seconds", labels(**ping, phase="rtt")] == 4.7e-06
    assert found["probe_dns_lookup_time_seconds", labels(**ping)] == 0
    assert found["probe_attempts_total", labels(**ping)] == 2
    portal = {"instance": "xa-1", "check": "portal"}
    assert found["probe_http_duration_seconds", labels(**portal, phase="tls")] == 0.1
    assert found["probe_http_status_code", labels(**portal)] == 200
    assert found["probe_ssl_earliest_cert_expiry", labels(**portal)] == 1778198400
    assert found["probe_phase_duration_seconds", labels(instance="xa-1", check="h323", phase="connect")] == 0.002


async def test_a_witness_is_an_instance_of_its_own(whole: Exposition) -> None:
    found = await samples(whole)
    assert found["probe_success", labels(instance="witness:gateway", check="ping")] == 0
    assert found["probe_icmp_error_type", labels(instance="witness:gateway", check="ping")] == 3


async def test_facts_stand_on_point_info_alone(whole: Exposition) -> None:
    found = await samples(whole)
    facts = {
        "instance": "xa-1",
        "name": AWKWARD,
        "tier": "commune",
        "mode": "two_way",
        "role": "",
        "district": "384",
        "district_name": "Huyện Mường Lát",
        "commune": "14845",
        "network_node": "acc-1",
        "power_node": "tba-1",
        "operator": "VNPT Mường Lát",
        "power_operator": "Điện lực Mường Lát",
    }
    assert found["point_info", labels(**facts)] == 1
    assert all("district_name" not in dict(of) for name, of in found if name != "point_info")


async def test_counts_by_tier_district_and_state(whole: Exposition) -> None:
    found = await samples(whole)
    assert found["diemcau_points", labels(tier="commune", district="384", state="up")] == 1
    assert found["diemcau_points", labels(tier="commune", district="384", state="down")] == 0
    assert found["diemcau_points", labels(tier="commune", district="", state="not_expected")] == 1
    assert found["diemcau_points_expected", labels(tier="commune")] == 1
    assert found["diemcau_points_connected", labels(tier="commune")] == 1
    assert found["diemcau_phase_info", labels(phase="live")] == 1
    assert found["diemcau_report_deadline_timestamp_seconds", labels()] == NOW + 1800


async def test_a_point_that_is_not_expected_or_not_known_is_neither_up_nor_down(whole: Exposition) -> None:
    found = await samples(whole)
    assert found["diemcau_point_up", labels(instance="xa-1")] == 1
    assert ("diemcau_point_up", labels(instance="xa-2")) not in found


async def test_the_engine_and_alerting_are_told_of(whole: Exposition) -> None:
    found = await samples(whole)
    assert found["diemcau_icmp_sent_total", labels(kind="icmp")] == 7
    assert found["diemcau_icmp_late_replies_total", labels(kind="icmp")] == 2
    assert found["diemcau_alerts_firing", labels()] == 1
    assert found["diemcau_alertmanager_pending", labels(alertmanager="http://127.0.0.1:9093")] == 2


async def test_what_is_not_known_is_left_out() -> None:
    """No observation, no sample; no answer, no round trip; a value that is no number, no sample."""
    pipeline = pipeline_of(province(point("a"), point("b"), point("c")), "a/ping", "b/ping", "c/ping")
    told(pipeline, "b/ping", UNREACHABLE)
    odd = Measurement(
        success=True, duration_s=float("nan"), phases=(("rtt", float("inf")),), figures=(("x", float("nan")),)
    )
    told(pipeline, "c/ping", odd)
    found = await samples(exposition_of(pipeline))
    of_checks = {(name, dict(of)["instance"]) for name, of in found if "check" in dict(of)}
    assert {name for name, instance in of_checks if instance == "a"} == set()
    assert ("probe_success", "b") in of_checks
    assert ("probe_rtt_seconds", "b") not in of_checks
    assert {"probe_duration_seconds", "probe_icmp_duration_seconds", "x"}.isdisjoint(
        {name for name, instance in of_checks if instance == "c"}
    )


async def test_values_follow_at_the_next_scrape() -> None:
    pipeline = pipeline_of(province(point("a")), "a/ping")
    exposition = exposition_of(pipeline)
    told(pipeline, "a/ping", ANSWERED)
    assert (await samples(exposition))["probe_success", labels(instance="a", check="ping")] == 1
    told(pipeline, "a/ping", ANSWERED, UNREACHABLE)
    assert (await samples(exposition))["probe_success", labels(instance="a", check="ping")] == 0


async def test_a_reload_changes_names_and_series() -> None:
    """Labels are rendered once for a configuration, not for ever."""
    pipeline = pipeline_of(province(point("a", name="cũ")), "a/ping")
    told(pipeline, "a/ping", ANSWERED)
    exposition = exposition_of(pipeline)
    await exposition.render()
    pipeline.replace(province(point("a", name="mới"), point("b")), CEREMONY, [policy("a/h323")], NOW + 5)
    told(pipeline, "a/h323", CONNECTED)
    text = (await exposition.render()).decode()
    assert 'name="mới"' in text
    assert 'name="cũ"' not in text
    assert 'check="ping"' not in text
    assert 'probe_success{instance="a",check="h323"} 1\n' in text


async def test_a_reload_in_the_middle_of_a_scrape_does_no_harm() -> None:
    points = [point(f"p{number}") for number in range(1000)]
    checks = [f"{one.id}/ping" for one in points]
    pipeline = pipeline_of(province(*points), *checks)
    exposition = exposition_of(pipeline)
    rendering = asyncio.create_task(exposition.render())
    await asyncio.sleep(0)
    pipeline.replace(province(point("a")), CEREMONY, [policy("a/ping")], NOW + 5)
    await rendering
    found = await samples(exposition)
    assert {dict(of)["instance"] for name, of in found if name == "point_info"} == {"a"}


async def test_a_scrape_gives_the_loop_its_turn() -> None:
    """5,000 points are rendered in slices; whoever else wants the loop has it in between."""
    points = [point(f"p{number}", name=AWKWARD) for number in range(5000)]
    pipeline = pipeline_of(province(*points), *(f"{one.id}/ping" for one in points))
    for one in points:
        told(pipeline, f"{one.id}/ping", ANSWERED)
    exposition = exposition_of(pipeline)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    await exposition.render()
    counting = asyncio.create_task(count())
    begun = time.process_time()
    text = await exposition.render()
    spent_s = time.process_time() - begun
    counting.cancel()
    assert text.count(b"\n") > 45_000
    assert turns > 5000 // SLICE
    assert spent_s < 0.5  # about 0.02 on an idle machine; a defect that renders all labels anew takes far longer


async def test_an_exposition_tells_of_the_one_before(whole: Exposition) -> None:
    size = len(await whole.render())
    found = await samples(whole)
    assert found["diemcau_exposition_size_bytes", labels()] == size
    assert found["diemcau_exposition_duration_seconds", labels()] > 0


async def test_a_loop_that_is_held_up_shows_in_its_lag() -> None:
    lag = LoopLag()
    task = asyncio.create_task(lag.run())
    await asyncio.sleep(0)
    time.sleep(0.12)  # noqa: ASYNC251 - the hold-up that is to be seen
    await asyncio.sleep(0.05)
    task.cancel()
    assert lag.histogram.total >= 0.09
    assert sum(lag.histogram.counts) >= 1


def test_a_histogram_is_cumulated() -> None:
    histogram = Histogram.of(0.1, 1.0)
    for value in (0.05, 0.5, 0.6, 7.0):
        histogram.observe(value)
    document = Document()
    document.add_histogram("diemcau_schedule_lag_seconds", histogram)
    assert document.encode().decode().splitlines()[2:] == [
        'diemcau_schedule_lag_seconds_bucket{le="0.1"} 1',
        'diemcau_schedule_lag_seconds_bucket{le="1"} 3',
        'diemcau_schedule_lag_seconds_bucket{le="+Inf"} 4',
        "diemcau_schedule_lag_seconds_sum 8.15",
        "diemcau_schedule_lag_seconds_count 4",
    ]


@given(st.dictionaries(st.sampled_from(["instance", "name", "check"]), st.text(), min_size=1))
def test_any_text_survives_as_a_label(values: dict[str, str]) -> None:
    """Vietnamese, quotes, backslashes, line breaks: what a scraper reads is what was meant."""
    document = Document()
    document.add("probe_success", 1, **values)
    (family,) = text_string_to_metric_families(document.encode().decode())
    (sample,) = family.samples
    assert sample.labels == {name: value.encode(errors="replace").decode() for name, value in values.items()}


def test_escapes_are_those_of_the_format() -> None:
    assert escape('a\\b"c\nd') == 'a\\\\b\\"c\\nd'
    assert labelled() == " "
    assert labelled(a="b") == '{a="b"} '


def test_a_name_that_is_no_unicode_costs_a_character_and_not_the_scrape() -> None:
    document = Document()
    document.add("probe_success", 1, instance="a\ud800")
    assert document.encode().endswith(b'probe_success{instance="a?"} 1\n')


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_each_figure_of_a_kind_has_a_name_and_words_of_its_own(figure: Figure) -> None:
    assert re.fullmatch(r"probe_[a-z0-9_]+[a-z0-9]", figure.name)
    assert figure.help.endswith(".")
    assert figure.name not in FAMILIES


async def test_incidents_are_counted_by_who_must_act_and_fall_to_zero() -> None:
    pipeline = pipeline_of(province(point("xa-1"), point("xa-2")), "xa-1/ping")
    exposition = exposition_of(pipeline)
    blame(pipeline, "network:acc-1")
    blame(pipeline, "power:tba-1", operator="Điện lực", points=("xa-1", "xa-2"), certainty=Certainty.UNDETERMINED)
    vnpt = labels(tree="network", operator="VNPT", state="open", certainty="certain")
    found = await samples(exposition)
    assert found["diemcau_incidents", vnpt] == 1
    assert found["diemcau_incident_points", labels(tree="power", operator="Điện lực")] == 2
    assert found["diemcau_incident_points_undetermined", labels()] == 2
    assert found["diemcau_incident_owner_probability", labels(incident="network:acc-1")] == 0.97
    assert found["diemcau_incident_start_timestamp_seconds", labels(incident="network:acc-1")] == NOW - 5
    blame(pipeline, "network:acc-1", state=IncidentState.RESOLVED, points=())
    found = await samples(exposition)
    assert found["diemcau_incidents", vnpt] == 0
    assert found["diemcau_incident_points", labels(tree="network", operator="VNPT")] == 0
    assert ("diemcau_incident_owner_probability", labels(incident="network:acc-1")) not in found


@pytest.mark.parametrize(
    ("tree", "node", "name"),
    [
        ("network", "acc-1", "Trạm 1"),
        ("power", "tba-1", "TBA 1"),
        ("site", "xa-1", "Xã Trung Lý"),
        ("network", "acc-9", "acc-9"),
    ],
)
async def test_what_failed_has_its_name_or_its_id_where_a_reload_took_it(tree: str, node: str, name: str) -> None:
    pipeline = pipeline_of(province(point("xa-1", name="Xã Trung Lý")), "xa-1/ping")
    blame(pipeline, f"{tree}:{node}", certainty=Certainty.PROBABLE)
    what = {"incident": f"{tree}:{node}", "node": node, "name": name, "tree": tree, "operator": "VNPT"}
    found = await samples(exposition_of(pipeline))
    assert found["diemcau_incident_info", labels(**what, certainty="probable")] == 1


async def test_what_happened_to_incidents_is_counted() -> None:
    pipeline = pipeline_of(province(point("xa-1")), "xa-1/ping")
    pipeline.incidents.changes[Change.OPENED] += 3
    pipeline.incidents.retractions = 2
    pipeline.incidents.timed(0.02)
    pipeline.incidents.suspects = ("xa-1",)
    found = await samples(exposition_of(pipeline))
    assert found["diemcau_incident_changes_total", labels(change="opened")] == 3
    assert found["diemcau_incident_changes_total", labels(change="retracted")] == 0
    assert found["diemcau_incident_retractions_total", labels()] == 2
    assert found["diemcau_attribution_duration_seconds_count", labels()] == 1
    assert found["diemcau_inventory_suspects", labels()] == 1


async def test_of_very_many_incidents_the_largest_have_series() -> None:
    pipeline = pipeline_of(province(point("xa-1")), "xa-1/ping")
    for number in range(INCIDENTS_TOLD + 50):
        blame(pipeline, f"site:p{number}", points=("xa-1",) * (number % 7))
    found = await samples(exposition_of(pipeline))
    told = [key for key in found if key[0] == "diemcau_incident_info"]
    assert len(told) == INCIDENTS_TOLD
    sizes = [value for key, value in found.items() if key[0] == "diemcau_incident_points_down"]
    assert min(sizes) >= 1


RULES = Rules(rules=(Rule(requires=frozenset({Requirement.SOUND, Requirement.DELEGATES})),), target_ratio=0.5)
LATER = NOW + 200
"""When a line that is up since NOW is up for long enough."""


def morning() -> Pipeline:
    """Four villages of a district take part, of which three answer and one has its page open; a fifth is merged."""
    villages = [point(f"v{n}", tier=Tier.VILLAGE, district_code="384", commune_code="14845") for n in range(4)]
    merged = point("v4", tier=Tier.VILLAGE, mode=Mode.MERGED, merged_into="v0", district_code="384")
    inventory = province(*villages, merged)
    policies = [policy(f"v{n}/ping") for n in range(3)]
    policies.append(CheckPolicy(check_of("v1"), "v1", Layer.REACHABLE, 1.0, source=Source.PAGE))
    pipeline = Pipeline(inventory, CEREMONY, policies, NOW, rules=RULES)
    for check in (*(f"v{n}/ping" for n in range(3)), check_of("v1")):
        told(pipeline, check, ANSWERED, ANSWERED)
    return pipeline


async def test_the_number_that_is_owed_is_told_by_tier_and_district() -> None:
    pipeline = morning()
    check_in(pipeline, "v0", NOW + 3, delegates=20, attendees=25)
    check_in(pipeline, "v2", NOW + 1801, Voice.COORDINATOR, delegates=7, sound=False)
    check_in(pipeline, "v4", NOW + 4, delegates=99)
    found = await samples(exposition_of(pipeline, at=LATER))
    village = labels(tier="village")
    told_of = {
        "diemcau_points_planned": 5,
        "diemcau_points_expected": 4,
        "diemcau_points_ready": 1,
        "diemcau_points_reported": 2,
        "diemcau_points_reported_late": 1,
        "diemcau_delegates": 27,
        "diemcau_attendees": 32,
    }
    assert {name: found[name, village] for name in told_of} == told_of
    assert found["diemcau_points_ready_by_district", labels(district="384")] == 1
    assert found["diemcau_points_expected_by_district", labels(district="384")] == 4
    assert found["diemcau_readiness_target", labels()] == 0.5
    assert ("diemcau_readiness_met_timestamp_seconds", labels()) not in found
    assert found["diemcau_check_ins_total", labels(voice="coordinator", late="true")] == 1
    assert found["diemcau_check_ins_total", labels(voice="point", late="false")] == 2
    assert found["diemcau_check_ins_total", labels(voice="user", late="true")] == 0


async def test_what_points_lack_is_what_their_standings_say() -> None:
    """Each point by each thing; whoever opened a page is there, and has only not reported."""
    pipeline = morning()
    check_in(pipeline, "v0", NOW + 3)
    found = await samples(exposition_of(pipeline, at=LATER))
    lacking = {
        Lack(dict(of)["lack"]): value
        for (name, of), value in found.items()
        if name == "diemcau_points_lacking" and value
    }
    assert lacking == {Lack.UNSEEN: 1, Lack.NOT_ATTENDED: 2, Lack.NOT_REPORTED: 1, Lack.NO_DELEGATES: 1}
    standings = [pipeline.standing(point_id, LATER) for point_id in pipeline.points]
    assert Counter(lack for each in standings for lack in each.lacks) == lacking


async def test_a_point_that_becomes_ready_lacks_nothing_any_more() -> None:
    pipeline = morning()
    check_in(pipeline, "v0", NOW + 3, delegates=0)
    for at, value in ((NOW + 10, 3), (LATER, 0)):
        found = await samples(exposition_of(pipeline, at=at))
        assert found["diemcau_points_lacking", labels(tier="village", lack="settling")] == value
    pipeline.replace(pipeline.inventory, CEREMONY, [], NOW + 300, rules=RULES)
    assert pipeline.lacking(NOW + 300)[Tier.VILLAGE, Lack.UNSEEN] == 4


async def test_a_target_that_is_met_is_met_now() -> None:
    pipeline = morning()
    for point_id in ("v0", "v1"):
        check_in(pipeline, point_id, NOW + 3, delegates=1)
    found = await samples(exposition_of(pipeline, at=LATER))
    assert found["diemcau_readiness_met_timestamp_seconds", labels()] == LATER


async def test_the_store_is_told_of_once_it_is_open(whole: Exposition) -> None:
    found = await samples(whole)
    assert found["diemcau_store_commits_total", labels()] == 12
    assert found["diemcau_store_failures_total", labels()] == 2
    assert found["diemcau_store_pending", labels()] == 4
    assert found["diemcau_store_healthy", labels()] == 1
    before = await samples(exposition_of(pipeline_of(province(point("a")))))
    assert not any(name.startswith("diemcau_store") for name, _ in before)


async def test_what_the_gateway_tells() -> None:
    found = await samples(exposition_of(pipeline_of(province()), gateway=busy()))
    assert found["diemcau_gateway_messages_total", labels(desk="vnpt-384", channel="sms", outcome="accepted")] == 3
    assert found["diemcau_gateway_escalations_total", labels(level="2")] == 1
    assert found["diemcau_gateway_circuit_open", labels(channel="sms")] == 1
    assert found["diemcau_gateway_leading", labels()] == 1
    assert found["diemcau_watchdog_last_seen_timestamp_seconds", labels()] == NOW
    assert found["diemcau_incident_acknowledge_seconds_sum", labels()] == 42
