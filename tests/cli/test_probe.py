import json
import socket
from collections.abc import Iterator

import click
import msgspec
import pytest
from click.testing import CliRunner, Result

from monitor.cli import main
from monitor.cli.probe import ADVICE, documents, in_words, option, span, timeline
from probes.model import Failure, Figure, Kind, Measurement, Params
from probes.registry import KINDS


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["probe", *arguments])


@pytest.fixture
def listener() -> Iterator[int]:
    """A port of 127.0.0.1 that accepts."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert isinstance(port, int)
        yield port


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert isinstance(port, int)
    return port


def test_success_is_told_phase_by_phase_and_exits_with_0(listener: int) -> None:
    result = run("tcp", f"127.0.0.1:{listener}")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"tcp 127.0.0.1:{listener} succeeded after ")
    assert [line.split()[0] for line in lines[1:]] == ["resolve", "connect", "probe_ip_protocol"]
    assert "TCP connection" in lines[2]


def test_failure_says_where_why_and_what_to_do_and_exits_with_1(closed_port: int) -> None:
    result = run("tcp", f"127.0.0.1:{closed_port}")
    assert result.exit_code == 1
    assert f"refused: 127.0.0.1 port {closed_port}: Connection refused" in result.stdout
    assert "← failed here" in result.stdout
    assert "start the service" in result.stdout


def test_json_of_a_success_has_exactly_these_fields(listener: int) -> None:
    result = run("tcp", f"127.0.0.1:{listener}", "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 0
    assert found == {
        "kind": "tcp",
        "address": f"127.0.0.1:{listener}",
        "names": [],
        "success": True,
        "duration_seconds": found["duration_seconds"],
        "reason": None,
        "detail": "",
        "phases": {"resolve": found["phases"]["resolve"], "connect": found["phases"]["connect"]},
        "figures": {"probe_ip_protocol": 4.0},
    }
    assert 0 < found["duration_seconds"] < 2


def test_json_of_a_failure_names_the_reason(closed_port: int) -> None:
    result = run("http", f"http://127.0.0.1:{closed_port}/", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["reason"] == "refused"


def test_icmp_of_loopback_answers_with_its_round_trip() -> None:
    result = run("icmp", "127.0.0.1", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["phases"]["rtt"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("udp", "127.0.0.1"), "No such command 'udp'"),
        (("tcp",), "Missing argument 'ADDRESS'"),
        (("tcp", "127.0.0.1:1", "--timeout", "fast"), 'expected a duration such as 2s, at most 60s, got "fast"'),
        (("tcp", "127.0.0.1:1", "--timeout", "2"), 'expected a duration such as 2s, at most 60s, got "2"'),
        (("tcp", "127.0.0.1:1", "--timeout", "2h"), "at most 60s"),
        (("tcp", "127.0.0.1:1", "--ip-protocol", "ipx"), "'ipx' is not one of 'ip4', 'ip6'"),
        (("http", "127.0.0.1:1", "--max-redirects", "99"), "Expected `int` <= 20, for --max-redirects"),
        (("http", "127.0.0.1:1", "--method", "get"), "method: expected a method such as GET or HEAD"),
        (("http", "127.0.0.1:1", "--headers", "x"), 'headers: expected "Name: value"'),
        (("icmp", "127.0.0.1", "--ttl", "0"), "Expected `int` >= 1, for --ttl"),
    ],
)
def test_what_cannot_be_understood_is_named_and_exits_with_2(arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_options_reach_the_probe(closed_port: int) -> None:
    arguments = ("--no-ip-protocol-fallback", "--ip-protocol", "ip6", "--timeout", "500ms")
    result = run("tcp", f"127.0.0.1:{closed_port}", *arguments, "--json")
    assert json.loads(result.stdout)["reason"] == "resolve"


@pytest.mark.parametrize("name", sorted(KINDS))
def test_each_kind_has_its_help_from_docstring_and_parameters(name: str) -> None:
    """Every field of the parameters is an option with the words under the field."""
    result = run(name, "--help")
    assert result.exit_code == 0
    said = " ".join(result.stdout.split())
    fields = documents(KINDS[name].params)
    assert set(fields) == {field.name for field in msgspec.structs.fields(KINDS[name].params)}
    for words in fields.values():
        assert words.replace("``", "") in said
    assert KINDS[name].address_form in said


def test_kinds_are_listed() -> None:
    listed = run("--help").stdout
    assert all(f"\n  {name} " in listed for name in KINDS)


@pytest.mark.parametrize("failure", Failure)
def test_each_failure_has_an_advice(failure: Failure) -> None:
    """A new reason without a word on what to do next does not pass."""
    assert ADVICE[failure].endswith(".")


class OddParams(Params, frozen=True, kw_only=True):
    """Parameters of every type that a kind may declare."""

    wait_s: float = 0.5
    """How long to
    wait."""
    share: float = 0.5
    """A part."""
    names: tuple[str, ...] = ()
    """Some names."""
    limit: int | None = None
    """At most so many."""
    undocumented: bool = False


def test_parameters_of_every_type_become_options() -> None:
    fields = {field.name: field for field in msgspec.structs.fields(OddParams)}
    documentation = documents(OddParams)
    assert documentation == {
        "wait_s": "How long to wait.",
        "share": "A part.",
        "names": "Some names.",
        "limit": "At most so many.",
    }
    made = {name: option(field, documentation.get(name, "")) for name, field in fields.items()}
    assert [one.opts for one in made.values()] == [
        ["--wait"],
        ["--share"],
        ["--names"],
        ["--limit"],
        ["--undocumented"],
    ]
    assert made["share"].type is click.FLOAT
    assert made["limit"].type is click.INT
    assert made["names"].multiple
    context = click.Context(click.Command("odd"))
    assert made["wait_s"].process_value(context, "20ms") == 0.02
    assert made["wait_s"].process_value(context, None) is None


async def unused(address: str, params: OddParams, deadline: float) -> Measurement:
    raise AssertionError


ODD = Kind("odd", OddParams, unused, "any", (Figure("odd_bytes", "How odd."),))


def test_the_timeline_shows_when_each_phase_ran() -> None:
    found = Measurement(
        success=False,
        duration_s=1.0,
        failure=Failure.TIMEOUT,
        detail="no answer",
        phases=(("resolve", 0.0), ("connect", 0.25), ("chat", 0.75)),
    )
    assert list(timeline(found)) == [
        "  resolve         0 µs                                     name to address",
        "  connect       250 ms  ████████                           TCP connection",
        "  chat          750 ms          ████████████████████████   ← failed here",
    ]


def test_a_batch_kind_that_heard_nothing_failed_while_waiting() -> None:
    found = Measurement(success=False, duration_s=2.0, failure=Failure.TIMEOUT, phases=(("setup", 0.0005),))
    lines = list(timeline(found))
    assert [line.split()[0] for line in lines] == ["setup", "waiting"]
    assert lines[1].endswith("no answer  ← failed here")


def test_figures_are_told_with_their_meaning() -> None:
    lines = list(in_words(ODD, "x", Measurement(success=True, duration_s=2.0, figures=(("odd_bytes", 7.0),))))
    assert lines == ["odd x succeeded after 2.00 s", "  odd_bytes 7  How odd."]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0 µs"), (4.7e-6, "4.70 µs"), (0.0123, "12.3 ms"), (0.25, "250 ms"), (2.0, "2.00 s"), (59.99, "60.0 s")],
)
def test_spans_have_three_digits_and_a_unit(seconds: float, text: str) -> None:
    assert span(seconds) == text
