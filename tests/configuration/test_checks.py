from pathlib import Path

import pytest

from monitor.configuration import CheckLine, Configuration, load
from monitor.core.model import CheckPolicy, Source
from probes.model import Layer


@pytest.fixture
def loaded(config: Path) -> Configuration:
    return load(config)


def test_checks_of_points_that_take_part_and_have_an_address(loaded: Configuration) -> None:
    """Neither merged points, nor those without coverage, nor those behind NAT are probed; witnesses are."""
    live = loaded.ceremony.phases[1]
    assert [(check.id, check.address, check.interval_s, check.timeout_s) for check in loaded.checks(live)] == [
        ("TU/icmp", "10.38.0.2", 1.0, 0.5),
        ("TU/h323_port", "10.38.0.2:1720", 10.0, 2.0),
        ("D-380/icmp", "10.38.1.2", 1.0, 0.5),
        ("D-380/h323_port", "10.38.1.2:1720", 10.0, 2.0),
        ("C-14755/icmp", "2001:db8::7", 1.0, 0.5),
        ("C-14755/h323_port", "[2001:db8::7]:1720", 10.0, 2.0),
        ("C-14758/icmp", "hoi-truong.dong-tho.example", 1.0, 0.5),
        ("V-1/icmp_4g", "10.38.9.1", 1.0, 1.0),
        ("witness:gateway/icmp", "10.38.0.1", 0.2, 0.5),
    ]


def test_policies_go_with_the_checks(loaded: Configuration) -> None:
    """Behind those of what is asked come those of what is told: every point that takes part may open its page."""
    for phase in loaded.ceremony.phases:
        checks, policies = loaded.checks(phase), loaded.policies(phase)
        asked, told = policies[: len(checks)], policies[len(checks) :]
        assert [(one.id, one.interval_s) for one in checks] == [(one.check, one.interval_s) for one in asked]
        assert {(one.check, one.interval_s, one.source) for one in told} == {
            (f"{point.id}/page", 1.0, Source.PAGE) for point in loaded.inventory.points.values() if point.expected
        }
    test = loaded.ceremony.phases[0]
    by_check = {policy.check: policy for policy in loaded.policies(test)}
    assert by_check["TU/h323_port"] == CheckPolicy("TU/h323_port", "TU", Layer.SIGNALLING, 50.0, 0.01, 0.05, 0.1)
    assert by_check["V-1/icmp_4g"] == CheckPolicy("V-1/icmp_4g", "V-1", Layer.REACHABLE, 5.0, 0.1, 0.3, 0.2)
    assert by_check["witness:gateway/icmp"].point == ""


def test_a_phase_changes_no_probe(loaded: Configuration) -> None:
    """What the engine keys its sockets by is equal from phase to phase and from load to load."""
    first, second = (loaded.checks(phase) for phase in loaded.ceremony.phases)
    assert [check.probe for check in first] == [check.probe for check in second]
    assert [check.probe for check in first] == [
        check.probe for check in load(Path("config")).checks(loaded.ceremony.phases[0])
    ]


def test_a_module_proves_what_its_kind_proves_unless_it_says_so(loaded: Configuration) -> None:
    assert {name: module.layer for name, module in loaded.modules.items()} == {
        "icmp": Layer.REACHABLE,
        "icmp_4g": Layer.REACHABLE,
        "h323_port": Layer.SIGNALLING,
        "http": Layer.SIGNALLING,
    }


def test_parameters_of_the_kind_stand_under_its_name(loaded: Configuration) -> None:
    http = loaded.modules["http"]
    assert (http.probe.kind, http.timeout_s) == ("http", 2.0)
    assert getattr(http.probe.params, "method", None) == "HEAD"


@pytest.mark.parametrize(
    ("template", "address", "target"),
    [
        ("{address}", "2001:db8::7", "2001:db8::7"),
        ("{address}:1720", "10.38.1.2", "10.38.1.2:1720"),
        ("{address}:1720", "2001:db8::7", "[2001:db8::7]:1720"),
        ("http://{address}/status", "2001:db8::7", "http://[2001:db8::7]/status"),
        ("http://[{address}]/", "2001:db8::7", "http://[2001:db8::7]/"),
        ("https://platform.example/", "10.38.1.2", "https://platform.example/"),
        ("{id}@{address}", "10.38.1.2", "TU@10.38.1.2"),
    ],
)
def test_a_target_holds_the_points_address(template: str, address: str, target: str) -> None:
    assert CheckLine("m", template).address(address, "TU") == target


@pytest.mark.parametrize("target", ["C-14755", "2001:db8::7", "[2001:db8::7]:1720"])
def test_a_point_is_asked_for_by_id_by_address_or_by_what_is_asked_of_it(loaded: Configuration, target: str) -> None:
    check = loaded.check_for(target, "h323_port")
    assert check is not None
    assert (check.id, check.address) == ("C-14755/h323_port", "[2001:db8::7]:1720")


def test_a_module_outside_the_points_check_set_is_asked_as_other_sets_do(loaded: Configuration) -> None:
    village, http = loaded.check_for("V-1", "h323_port"), loaded.check_for("V-1", "http")
    assert village is not None
    assert village.address == "10.38.9.1:1720"
    assert http is not None
    assert http.address == "http://10.38.9.1/"


@pytest.mark.parametrize(
    ("target", "module"), [("10.99.0.1", "icmp"), ("V-2", "icmp"), ("TU", "ping"), ("", "icmp"), ("nobody", "icmp")]
)
def test_what_is_not_in_the_inventory_is_not_asked(loaded: Configuration, target: str, module: str) -> None:
    assert loaded.check_for(target, module) is None


def test_of_points_that_share_an_address_the_one_that_takes_part_is_meant(config: Path) -> None:
    with (config / "points.csv").open("a") as file:
        file.write("V-5,Thôn 5,village,merged,V-1,380,,10.38.9.1,,,,,,\n")
    check = load(config).check_for("10.38.9.1", "icmp_4g")
    assert check is not None
    assert check.target == "V-1"


SERVICES = """
services:
  room: {module: room, target: "http://10.38.0.9/api", interval: 5s}
  portal: {module: http, target: "http://10.38.0.9/"}
"""


@pytest.fixture
def with_services(config: Path) -> Configuration:
    """The good configuration, with a portal and a room that tells who has joined."""
    checks = config / "checks.yaml"
    room = "modules:\n  room: {kind: http, layer: joined}\n"
    checks.write_text(checks.read_text().replace("modules:\n", room, 1) + SERVICES)
    return load(config)


def test_services_are_asked_and_are_no_points(with_services: Configuration) -> None:
    phase = with_services.ceremony.phases[0]
    asked = {check.id: (check.address, check.interval_s) for check in with_services.checks(phase)}
    assert asked["service:room/room"] == ("http://10.38.0.9/api", 5.0)
    assert asked["service:portal/http"] == ("http://10.38.0.9/", 10.0)
    policies = {policy.check: policy for policy in with_services.policies(phase)}
    assert policies["service:portal/http"].source is Source.SERVICE
    assert policies["service:portal/http"].point == ""


def test_what_tells_who_has_joined_is_a_check_of_every_point(with_services: Configuration) -> None:
    policies = {policy.check: policy for policy in with_services.policies(with_services.ceremony.phases[0])}
    room = policies["TU/room"]
    assert (room.point, room.layer, room.source, room.interval_s) == ("TU", Layer.JOINED, Source.ROSTER, 5.0)
    assert "TU/http" not in policies


def test_a_gateway_is_told_apart_from_what_lies_beyond_it(config: Path) -> None:
    checks = config / "checks.yaml"
    checks.write_text(checks.read_text() + "  dns: {module: icmp, target: 10.38.0.2}\n")
    text = checks.read_text().replace("target: 10.38.0.1}", "target: 10.38.0.1, role: gateway}")
    checks.write_text(text)
    loaded = load(config)
    sources = {policy.check: policy.source for policy in loaded.policies(loaded.ceremony.phases[0])}
    assert sources["witness:gateway/icmp"] is Source.GATEWAY
    assert sources["witness:dns/icmp"] is Source.WITNESS
