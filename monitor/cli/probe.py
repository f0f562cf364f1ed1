"""``diemcau probe``: one probe, explained phase by phase.

A command for each kind of the registry: its help is the docstring of the kind's module, its options are the fields of
its parameters with their docstrings, spelled as in checks.yaml (``valid_status`` is ``--valid-status``).
"""

import ast
import asyncio
import inspect
import re
import sys
import textwrap
import types
from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import Annotated, Any, Literal, get_args, get_origin

import click
import msgspec
import uvloop

from monitor.configuration.decode import UNITS, spelled
from probes.engine import probe_once
from probes.model import AnyKind, Check, Failure, Measurement, Params
from probes.registry import KINDS

OF_FIELD = re.compile(r"(?P<message>.+) - at `\$\.(?P<field>\w+).*`")
BAR_COLUMNS = 32
LONGEST_S = 60.0
TIMEOUT_HELP = "How long to wait for an answer.  [default: 2s]"
SCALES = ((1.0, "s", 1.0), (1e-3, "ms", 1e3), (0.0, "µs", 1e6))
"""From which number of seconds on a unit is used, and what it multiplies by."""

PHASES = {
    "resolve": "name to address",
    "setup": "socket made ready",
    "connect": "TCP connection",
    "tls": "TLS handshake",
    "starttls": "TLS asked for",
    "processing": "request, until the answer begins",
    "transfer": "the answer, to its end",
    "rtt": "packet there and back",
    "waiting": "no answer",
    "trace": "who answers on the way",
    "handshake": "both sides say hello",
    "discover": "the agent's engine and clock",
    "login": "user and password",
    "ask": "question and answer",
    "request": "question and answer",
    "options": "what it can do, asked",
    "enquiry": "a call's state, asked",
    "binding": "our address, asked",
    "allocate": "a relay, asked for",
    "release": "the relay, given back",
    "list": "its variables, asked",
    "alarms": "its alarms, asked",
    "send": "what is to be sent",
    "expect": "what is to come",
    "command": "the application, asked for",
    "describe": "what it has to show, asked",
    "tracks": "each track, set up",
    "play": "the stream, asked for",
    "media": "the first picture or sound",
    "receive": "the stream itself",
    "queue": "other decoders at work",
    "start": "the decoder, started",
    "open": "the stream, opened",
    "watch": "pictures and sound, watched",
}
ADVICE = {
    Failure.TIMEOUT: "Nothing answered in time: the host is off, the line is cut, or a firewall drops the packets "
    "silently. Try `diemcau probe icmp` with the same host, or a longer --timeout.",
    Failure.REFUSED: "The host is there, and says that nothing listens on this port: start the service, or correct "
    "the port.",
    Failure.RESET: "The other side, or a firewall between, cut the connection: look at the service's own log, and "
    "whether it wants another protocol (TLS or none) or lets this address in.",
    Failure.UNREACHABLE: "There is no way there: look at this machine's routes (`ip route get ADDRESS`) or at the "
    "router named above.",
    Failure.TTL_EXCEEDED: "The packet went in circles or too far: look at the routes of the router named above.",
    Failure.RESOLVE: "The name has no usable address: look for a typing error, or ask the name server "
    "(`getent ahosts NAME`).",
    Failure.TLS: "The encrypted connection failed: renew or install the certificate, name the authority with "
    "--ca-file, or accept any with --insecure-skip-verify.",
    Failure.PROTOCOL: "Something answers there, but it does not speak this protocol: correct the port or the kind.",
    Failure.STATUS: "The service answers, but not as wanted: look at the service, or say what else is fine.",
    Failure.STALLED: "The stream is there, but nothing new comes: look at the encoder or camera that feeds it.",
    Failure.BLACK: "The picture is black: look at the camera, its cover, and the input that the encoder has chosen.",
    Failure.FROZEN: "The picture does not change: look at the encoder, or switch this judgement off where a still "
    "picture is meant.",
    Failure.SILENT: "There is no sound: look at the microphone, the mixer and what is muted.",
    Failure.SEND: "This machine did not send it, which says nothing of the target: look at its network, its firewall "
    "and its limits (`ulimit -n`).",
    Failure.INTERNAL: "This is a defect of diemcau: please report it.",
}
"""What to do next."""


def duration(_ctx: click.Context, _option: click.Parameter, text: str | None) -> float | None:
    """Read seconds as they are written in checks.yaml: 500ms, 2s, 1m30s."""
    if text is None:
        return None
    seconds = UNITS["_s"].read(text)
    if seconds is None or not 0 < seconds <= LONGEST_S:
        raise click.BadParameter(f'expected {UNITS["_s"].expected}, at most {LONGEST_S:g}s, got "{text}"')
    return float(seconds)


class Kinds(click.Group):
    """A command for each kind in the registry."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Name all kinds."""
        return sorted(KINDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Make the command of a kind."""
        return kind_command(KINDS[cmd_name]) if cmd_name in KINDS else None


def kind_command(kind: AnyKind) -> click.Command:
    """The command that probes once with this kind."""

    def run(address: str, timeout: float, as_json: bool, **options: Any) -> None:  # noqa: FBT001 - as click calls it
        try:
            given = {name: value for name, value in options.items() if value not in (None, ())}
            params = msgspec.convert(given, kind.params, strict=False)
        except msgspec.ValidationError as error:
            raise click.UsageError(OF_FIELD.sub(of_option, str(error))) from error
        measurement = measure(kind, params, address, timeout)
        click.echo(in_json(kind, address, measurement) if as_json else "\n".join(in_words(kind, address, measurement)))
        click.get_current_context().exit(0 if measurement.success else 1)

    words, documentation = described(kind), documents(kind.params)
    options = [option(field, documentation.get(field.name, "")) for field in msgspec.structs.fields(kind.params)]
    return click.Command(
        kind.name,
        callback=run,
        params=[
            click.Argument(["address"]),
            click.Option(["--timeout"], default="2s", callback=duration, metavar="DURATION", help=TIMEOUT_HELP),
            click.Option(["--json", "as_json"], is_flag=True, help="Print the result for a program."),
            *options,
        ],
        help=f"{words}\n\nADDRESS is {kind.address_form}.",
        short_help=re.split(r"(?<=[.?])\s", words)[0],
    )


def of_option(found: re.Match[str]) -> str:
    """Name the option where msgspec names the field."""
    return f"{found['message']}, for {flag_of(found['field'].removesuffix('_s'))}"


def flag_of(field: str) -> str:
    """How a name is spelled as an option."""
    return f"--{field.replace('_', '-')}"


def described(kind: AnyKind) -> str:
    """The docstring of the kind's module."""
    return (inspect.getdoc(sys.modules[kind.params.__module__]) or "").replace("``", "")


def documents(params: type[Params]) -> dict[str, str]:
    """The docstring under each field, which Python itself does not keep."""
    bases = [base for base in reversed(params.__mro__) if issubclass(base, Params)]
    return {field: words for base in bases for field, words in _documents_of(base).items()}


def _documents_of(params: type[Params]) -> dict[str, str]:
    body = ast.parse(textwrap.dedent(inspect.getsource(params))).body[0]
    statements = body.body if isinstance(body, ast.ClassDef) else []
    return {
        field.target.id: " ".join(said.value.value.replace("``", "").split())
        for field, said in pairwise(statements)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(said, ast.Expr) and isinstance(said.value, ast.Constant) and isinstance(said.value.value, str)
    }


def option(field: msgspec.structs.FieldInfo, documentation: str) -> click.Option:
    """A field of the parameters as an option; what is not given keeps the field's default."""
    name, unit = spelled(field.name, field.type)
    flag = flag_of(name)
    declared = bare(field.type)
    shown = field.default if isinstance(field.default, str | int | float) and field.default != "" else None
    words = documentation if shown is None or declared is bool else f"{documentation}  [default: {shown}]"
    if declared is bool:
        return click.Option([f"{flag}/--no-{flag[2:]}", field.name], default=None, help=words)
    if get_origin(declared) is tuple:
        return click.Option([flag, field.name], multiple=True, help=f"{words} Repeatable.")
    if unit:
        return click.Option([flag, field.name], callback=duration, metavar="DURATION", help=words)
    return click.Option([flag, field.name], type=read_as(declared), help=words)


def bare(declared: Any) -> Any:
    """A type without its bounds and without None."""
    if get_origin(declared) is Annotated:
        return bare(get_args(declared)[0])
    if get_origin(declared) is types.UnionType:
        return bare(next(one for one in get_args(declared) if one is not types.NoneType))
    return declared


def read_as(declared: Any) -> Any:
    """How click reads a value; bounds are left to the parameters themselves."""
    return click.Choice(get_args(declared)) if get_origin(declared) is Literal else declared


def measure(kind: AnyKind, params: Params, address: str, timeout_s: float) -> Measurement:
    """Probe once. Raises ClickException where this machine does not allow it."""
    check = Check(f"{address}/{kind.name}", address, kind.name, address, kind.bind(params), timeout_s, timeout_s)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(probe_once(check))
    except OSError as error:
        raise click.ClickException(error.strerror or str(error)) from error


def in_json(kind: AnyKind, address: str, found: Measurement) -> str:
    """The result for a program, durations in seconds; ``reason`` is null after a success."""
    result = {
        "kind": kind.name,
        "address": address,
        "success": found.success,
        "duration_seconds": found.duration_s,
        "reason": found.failure,
        "detail": found.detail,
        "phases": dict(found.phases),
        "figures": dict(found.figures),
        "names": found.names,
    }
    return msgspec.json.format(msgspec.json.encode(result)).decode()


def in_words(kind: AnyKind, address: str, found: Measurement) -> Iterator[str]:
    """The result for a person: outcome, timeline, figures, and after a failure what to do."""
    yield f"{kind.name} {address} {'succeeded' if found.success else 'failed'} after {span(found.duration_s)}"
    yield from timeline(found)
    helps = {figure.name: figure.help for figure in kind.figures}
    for name, value in found.figures:
        yield f"  {name} {value:.15g}  {helps.get(name, '')}".rstrip()
    for number, name in enumerate(found.names, 1):
        yield f"  {number:>3} {name}"
    if found.failure:
        yield "\n" + ": ".join(filter(None, [found.failure, found.detail]))
        yield "\n".join(textwrap.wrap(ADVICE[found.failure], 100, break_on_hyphens=False))


def timeline(found: Measurement) -> Iterator[str]:
    """A line a phase: its span, a bar from where it began to where it ended, and what happens in it."""
    phases = phases_of(found)
    spans = [seconds for _, seconds in phases]
    whole = max(sum(spans), 1e-9)
    ends = [round(end / whole * BAR_COLUMNS) for end in accumulate(spans)]
    for index, (name, seconds) in enumerate(phases):
        start = ends[index - 1] if index else 0
        bar = " " * start + ("█" * (ends[index] - start) or "▏" * (seconds > 0))
        failed = not found.success and index == len(phases) - 1 and name != "setup"  # which is told once it is done
        words = "  ".join(filter(None, [PHASES.get(name, ""), "← failed here" if failed else ""]))
        yield f"  {name:<11}{span(seconds):>9}  {bar:<{BAR_COLUMNS + 1}}  {words}".rstrip()


def phases_of(found: Measurement) -> list[tuple[str, float]]:
    """The phases; a batch kind that heard nothing names none for the time it waited."""
    waited_s = found.duration_s - sum(seconds for _, seconds in found.phases)
    silent = found.failure is Failure.TIMEOUT and waited_s > found.duration_s / 2
    return [*found.phases, *([("waiting", waited_s)] if silent else [])]


def span(seconds: float) -> str:
    """A duration as people read it: 4.7 µs, 12.3 ms, 2.00 s."""
    if seconds <= 0:
        return "0 µs"
    unit, factor = next((unit, factor) for least, unit, factor in SCALES if seconds >= least)
    number = seconds * factor
    return f"{number:.{2 if number < 10 else 1 if number < 100 else 0}f} {unit}"


command = Kinds(
    "probe",
    help="Run one probe and explain it phase by phase.\n\nExits with 0 when it succeeds, 1 when it fails, 2 when it "
    "cannot be understood.",
    epilog="Example: `diemcau probe icmp 127.0.0.1`, `diemcau probe tcp 127.0.0.1:1720 --timeout 500ms --json`.",
)
