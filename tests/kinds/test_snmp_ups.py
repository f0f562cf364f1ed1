"""A UPS by SNMP, of agents that behave as badly as a test wants."""

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import msgspec
import pytest

from probes import exchange
from probes.codecs import snmp, usm
from probes.codecs.snmp import INTEGER, OBJECT_ID, OCTETS, REPORT, RESPONSE, SEQUENCE, integer, oid, sequence, tlv
from probes.codecs.usm import Engine, User
from probes.kinds import snmp_ups
from probes.kinds.snmp_ups import KIND, SnmpUpsParams, figures_of, on_battery
from probes.model import Failure, Measurement

BOUND_S = 5.0
"""More than any answer here takes on a busy machine."""
UPS = "1.3.6.1.2.1.33.1"
MAINS = {"2.1.0": 2, "2.2.0": 0, "2.3.0": 42, "2.4.0": 97, "4.1.0": 3, "6.1.0": 0}
BATTERY = {"2.1.0": 2, "2.2.0": 65, "2.3.0": 30, "2.4.0": 80, "4.1.0": 5, "6.1.0": 1}

Behaviour = Callable[[bytes], list[bytes]]
Agent = Callable[..., int]


@pytest.fixture
def agent() -> Iterator[Agent]:
    """Start agents, from what they answer to each packet; they end with the test."""
    started: list[tuple[socket.socket, Thread]] = []

    def start(behaviour: Behaviour, host: str = "127.0.0.1") -> int:
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((host, 0))
        thread = Thread(target=serve, args=(sock, behaviour))
        thread.start()
        started.append((sock, thread))
        port = sock.getsockname()[1]
        assert isinstance(port, int)
        return port

    yield start
    for sock, thread in started:
        with socket.socket(sock.family, socket.SOCK_DGRAM) as last:
            last.sendto(b"", sock.getsockname())
        thread.join()
        sock.close()


def serve(sock: socket.socket, behaviour: Behaviour) -> None:
    """Until an empty packet comes."""
    while True:
        data, address = sock.recvfrom(65_535)
        if not data:
            return
        for answer in behaviour(data):
            sock.sendto(answer, address)


async def ask(port: int, params: SnmpUpsParams | None = None, timeout_s: float = BOUND_S) -> Measurement:
    deadline = asyncio.get_running_loop().time() + timeout_s
    return await KIND.bind(params or SnmpUpsParams()).run(f"127.0.0.1:{port}", deadline)


def asked(data: bytes) -> tuple[int, int]:
    """Request identifier of a request of v2c, and which PDU it is."""
    _, _, pdu = snmp.outline(data, INTEGER, OCTETS, None)
    return snmp.read_integer(data, snmp.inside(data, pdu, INTEGER, INTEGER, INTEGER, SEQUENCE)[0]), pdu[0]


def response(request_id: int, values: dict[str, int], status: int = 0, tag: int = RESPONSE) -> bytes:
    listed = (sequence(tlv(OBJECT_ID, oid(f"{UPS}.{name}")), integer(value)) for name, value in values.items())
    return tlv(tag, integer(request_id) + integer(status) + integer(0) + sequence(*listed))


def ups(values: dict[str, int], status: int = 0) -> Behaviour:
    """An agent of v2c with this state."""
    return lambda data: [snmp.message_2c(b"public", response(asked(data)[0], values, status))]


async def test_the_state_of_a_ups_on_mains(agent: Agent) -> None:
    found = await ask(agent(ups(MAINS)))
    assert (found.success, found.detail) == (True, "")
    assert dict(found.figures) == {
        "probe_ip_protocol": 4.0,
        "probe_ups_on_battery": 0.0,
        "probe_ups_runtime_seconds": 2520.0,
        "probe_ups_charge_ratio": 0.97,
        "probe_ups_battery_low": 0.0,
        "probe_ups_on_battery_seconds": 0.0,
        "probe_ups_alarms": 0.0,
        "probe_ups_testing": 0.0,
    }


async def test_ipv6(agent: Agent) -> None:
    port = agent(ups(MAINS), "::1")
    deadline = asyncio.get_running_loop().time() + BOUND_S
    found = await KIND.bind(SnmpUpsParams()).run(f"[::1]:{port}", deadline)
    assert dict(found.figures)["probe_ip_protocol"] == 6.0


async def test_a_closed_port_is_refused() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    assert (await ask(port)).failure is Failure.REFUSED


async def test_a_silent_agent_is_a_timeout(agent: Agent) -> None:
    found = await ask(agent(lambda _: []), timeout_s=0.2)
    assert (found.failure, found.detail) == (Failure.TIMEOUT, "no answer in phase ask")


async def test_a_lost_packet_is_sent_again(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same packet: an agent that heard both answers both."""
    monkeypatch.setattr(exchange, "FIRST_WAIT_S", 0.05)
    heard: list[bytes] = []

    def behaviour(data: bytes) -> list[bytes]:
        heard.append(data)
        return ups(MAINS)(data) if len(heard) == 3 else []

    assert (await ask(agent(behaviour))).success
    assert len(heard) == 3
    assert len(set(heard)) == 1


async def test_another_protocol_is_named_so(agent: Agent) -> None:
    assert (await ask(agent(lambda _: [b"SIP/2.0 400 Bad Request\r\n\r\n"]))).failure is Failure.PROTOCOL


async def test_a_late_answer_to_another_question_is_passed_over(agent: Agent) -> None:
    def behaviour(data: bytes) -> list[bytes]:
        late = snmp.message_2c(b"public", response(asked(data)[0] ^ 1, BATTERY))
        return [late, late, *ups(MAINS)(data)]

    assert dict((await ask(agent(behaviour))).figures)["probe_ups_on_battery"] == 0.0


async def test_a_flood_of_foreign_answers_ends_by_the_deadline(agent: Agent) -> None:
    def behaviour(data: bytes) -> list[bytes]:
        return [snmp.message_2c(b"public", response(asked(data)[0] ^ 1, MAINS))] * 500

    assert (await ask(agent(behaviour), timeout_s=0.3)).failure is Failure.TIMEOUT


@pytest.mark.parametrize("values", [{}, {"2.3.0": 42}, {"2.1.0": -1, "4.1.0": -5}])
async def test_an_agent_that_tells_no_state_is_a_failure_of_status(agent: Agent, values: dict[str, int]) -> None:
    found = await ask(agent(ups(values)))
    assert found.failure is Failure.STATUS
    assert found.detail.startswith("no UPS-MIB")


async def test_an_error_of_the_agent_is_named(agent: Agent) -> None:
    found = await ask(agent(ups(MAINS, status=16)))
    assert (found.failure, found.detail) == (Failure.STATUS, "the agent answers authorizationError")


def alarmed(*answers: bytes) -> Behaviour:
    """On battery; to the question for alarms comes what is given."""

    def behaviour(data: bytes) -> list[bytes]:
        return list(answers) if asked(data)[1] == snmp.GET_BULK else ups(BATTERY)(data)

    return behaviour


@pytest.mark.parametrize("answers", [(), (b"\xff" * 40,)], ids=["silent", "malformed"])
async def test_on_battery_without_a_list_of_alarms_is_on_battery(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, answers: tuple[bytes, ...]
) -> None:
    """The probe has succeeded all the same."""
    monkeypatch.setattr(snmp_ups, "ALARMS_S", 0.1)
    found = await ask(agent(alarmed(*answers)))
    assert found.success
    assert dict(found.figures)["probe_ups_on_battery"] == 1.0
    assert found.phases[-1][0] == "alarms"


def figures(**changes: int) -> dict[str, float]:
    values = {oid(f"{UPS}.{name}"): value for name, value in (MAINS | changes).items()}
    return figures_of(values, testing=False)


@pytest.mark.parametrize(
    ("source", "seconds", "expected"),
    [
        (3, 0, False),
        (3, 65, False),
        (4, None, False),
        (5, 0, True),
        (5, None, True),
        (6, 0, False),
        (7, 0, False),
        (1, 0, False),
        (1, 65, True),
        (2, 65, True),
        (2, 0, None),
        (2, None, None),
        (None, 0, False),
        (None, 65, True),
        (None, None, None),
        (99, None, None),
    ],
)
def test_whether_it_is_on_battery(source: int | None, seconds: int | None, *, expected: bool | None) -> None:
    """The source of the output tells; where it does not, the seconds on battery do."""
    found = {snmp_ups.OUTPUT_SOURCE: source, snmp_ups.SECONDS_ON_BATTERY: seconds}
    assert on_battery(found) is expected


def test_numbers_that_cannot_be_are_left_out() -> None:
    found = figures(**{"2.3.0": -1, "2.4.0": 101, "2.1.0": 1})
    assert not {"probe_ups_runtime_seconds", "probe_ups_charge_ratio", "probe_ups_battery_low"} & set(found)
    assert figures_of({snmp_ups.OUTPUT_SOURCE: b"\x05"}, testing=False) == {"probe_ups_testing": 0.0}


@pytest.mark.parametrize(("status", "low"), [(2, 0.0), (3, 1.0), (4, 1.0)])
def test_a_low_battery(status: int, low: float) -> None:
    assert figures(**{"2.1.0": status})["probe_ups_battery_low"] == low


def test_a_test_counts_as_mains() -> None:
    found = figures_of({oid(f"{UPS}.{name}"): value for name, value in BATTERY.items()}, testing=True)
    assert (found["probe_ups_on_battery"], found["probe_ups_testing"]) == (0.0, 1.0)


WORDS = {"auth": "wrong way round", "priv": "hidden from view"}
SECURED = SnmpUpsParams(
    version="3",
    username="watch",
    auth_protocol="sha256",
    auth_password=WORDS["auth"],
    priv_protocol="aes",
    priv_password=WORDS["priv"],
)
USER = User(b"watch", "sha256", WORDS["auth"].encode(), "aes", WORDS["priv"].encode())
SALT = bytes(8)


def report(counter: str) -> bytes:
    name = tlv(OBJECT_ID, oid("1.3.6.1.6.3.15.1.1" + counter))
    return tlv(REPORT, integer(0) * 3 + sequence(sequence(name, tlv(0x41, b"\1"))))


class Guarded:
    """An agent of v3 whose clock is right only in what it signs."""

    def __init__(self, id_: bytes = b"\x80\0\0\0\1agent", *, lies: bool = False, unsigned: bool = False) -> None:
        self.told, self.true = Engine(id_, 1, 5), Engine(id_, 3, 86_400)
        self.lies, self.unsigned = lies, unsigned
        self.requests = 0

    def __call__(self, data: bytes) -> list[bytes]:
        """Discovery, then a report until the clock is right, then the state."""
        self.requests += 1
        _, header, security, _ = snmp.outline(data, INTEGER, SEQUENCE, OCTETS, None)
        message_id = snmp.read_integer(data, snmp.inside(data, header, INTEGER, INTEGER, OCTETS, INTEGER)[0])
        inner = snmp.inside(data, security, SEQUENCE)[0]
        engine_id, boots, *_ = snmp.inside(data, inner, OCTETS, INTEGER, INTEGER, OCTETS, OCTETS, OCTETS)
        if not snmp.content(data, engine_id):
            return [usm.message(usm.NOBODY, self.told, message_id, SALT, report(".4.0"))]
        if self.lies or snmp.read_integer(data, boots) != self.true.boots:
            signer = usm.NOBODY if self.unsigned else msgspec.structs.replace(USER, privacy="")
            return [usm.message(signer, self.true, message_id, SALT, report(".2.0"))]
        return [usm.message(USER, self.true, message_id, SALT, response(1, MAINS))]


async def test_the_agents_clock_is_taken_from_what_it_signs(agent: Agent) -> None:
    """RFC 3414, 3.2.7: after a restart, or where discovery tells no clock, one more question."""
    guarded = Guarded()
    found = await ask(agent(guarded), SECURED)
    assert (found.success, found.detail) == (True, "")
    assert [name for name, _ in found.phases] == ["resolve", "discover", "ask"]
    assert guarded.requests == 3


@pytest.mark.parametrize(("unsigned", "requests"), [(False, 3), (True, 2)])
async def test_a_clock_that_is_never_right_is_a_failure_of_status(
    agent: Agent, requests: int, *, unsigned: bool
) -> None:
    """Asked again once, and not at all by the word of who does not sign."""
    guarded = Guarded(lies=True, unsigned=unsigned)
    found = await ask(agent(guarded), SECURED)
    assert (found.failure, found.detail) == (Failure.STATUS, "the agent reports: not in time window")
    assert guarded.requests == requests


async def test_an_agent_without_a_name_is_a_failure_of_status(agent: Agent) -> None:
    assert (await ask(agent(Guarded(b"")), SECURED)).failure is Failure.STATUS


async def test_an_unsigned_answer_is_not_believed(agent: Agent) -> None:
    """Anybody on the way could say that the mains is there."""

    def behaviour(data: bytes) -> list[bytes]:
        _, header, *_ = snmp.outline(data, INTEGER, SEQUENCE, OCTETS, None)
        message_id = snmp.read_integer(data, snmp.inside(data, header, INTEGER, INTEGER, OCTETS, INTEGER)[0])
        return [usm.message(usm.NOBODY, Engine(b"agent", 1, 1), message_id, SALT, response(1, MAINS))]

    found = await ask(agent(behaviour), SECURED)
    assert (found.failure, found.detail) == (Failure.PROTOCOL, "answered at another security level than asked")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"version": "3"}, "username"),
        ({"version": "3", "username": "a", "auth_protocol": "sha", "auth_password": "short"}, "auth_password"),
        ({"version": "3", "username": "a", "priv_protocol": "aes", "priv_password": "long enough"}, "auth_protocol"),
        ({"version": "1"}, "version"),
        ({"auth_protocol": "rot13"}, "auth_protocol"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(raw: dict[str, str], message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(raw, SnmpUpsParams)


async def test_a_file_of_secrets_that_is_missing_or_empty_is_our_own_fault(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for file in (tmp_path / "empty", tmp_path / "none"):
        found = await ask(9, SnmpUpsParams(community_file=str(file)))
        assert found.failure is Failure.SEND
        assert str(file) in found.detail


async def test_a_cancelled_probe_leaves_no_socket_open(agent: Agent) -> None:
    port = agent(lambda _: [])
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names only
    task = asyncio.create_task(ask(port))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
