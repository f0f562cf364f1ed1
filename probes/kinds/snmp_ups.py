"""Does a site live on mains or on the battery of its UPS, by the UPS-MIB (RFC 1628)? SNMP v2c, or v3 with USM.

Phases: ``resolve``, ``discover`` (v3 alone: the agent's engine and clock), ``ask``, and on battery ``alarms``. A
packet that stays unanswered is sent again. Success: the UPS answered with a state that can be read, be it on battery;
an agent without UPS-MIB is a failure of status. A wrong community, or encryption key of v3, is met with silence: it
is a timeout.
"""

from asyncio import timeout
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from secrets import randbelow, token_bytes
from time import monotonic
from typing import Literal, Protocol

from probes.codecs import snmp, usm
from probes.codecs.snmp import Oid, Pdu, Value, oid
from probes.codecs.usm import Authentication, Engine, Privacy, User
from probes.dial import DialParams, Miss, Trace, measure, open_datagram, read_secret, split_host_port
from probes.exchange import Packets
from probes.model import (
    BATTERY_CHARGE,
    BATTERY_RUNTIME,
    IP_PROTOCOL,
    ON_BATTERY,
    Failure,
    Figure,
    Kind,
    Layer,
    Malformed,
    Measurement,
)

PORT = 161
ALARMS_S = 1.0
"""For so long the list of alarms is waited for; without it, being on battery counts as what it looks like."""
ALARM_ROWS = 16
PASSWORD_CHARACTERS = 8
"""The fewest that RFC 3414, 11.2, allows."""

UPS = "1.3.6.1.2.1.33.1"
BATTERY_STATUS = oid(f"{UPS}.2.1.0")
SECONDS_ON_BATTERY = oid(f"{UPS}.2.2.0")
MINUTES_REMAINING = oid(f"{UPS}.2.3.0")
CHARGE_REMAINING = oid(f"{UPS}.2.4.0")
INPUT_LINE_BADS = oid(f"{UPS}.3.1.0")
OUTPUT_SOURCE = oid(f"{UPS}.4.1.0")
ALARMS_PRESENT = oid(f"{UPS}.6.1.0")
TEST_RESULT = oid(f"{UPS}.7.3.0")
ASKED = (
    *(BATTERY_STATUS, SECONDS_ON_BATTERY, MINUTES_REMAINING, CHARGE_REMAINING),
    *(INPUT_LINE_BADS, OUTPUT_SOURCE, ALARMS_PRESENT, TEST_RESULT),
)
STATES = (OUTPUT_SOURCE, SECONDS_ON_BATTERY, BATTERY_STATUS)
"""Any one of these makes an answer of a UPS."""
ALARM_DESCRIPTIONS = oid(f"{UPS}.6.2.1.2")
TEST_IN_PROGRESS = oid(f"{UPS}.6.3.24")

OUTPUT_NONE, OUTPUT_NORMAL, OUTPUT_BYPASS, OUTPUT_BATTERY, OUTPUT_BOOSTER, OUTPUT_REDUCER = 2, 3, 4, 5, 6, 7
FED_FROM_BATTERY = {
    OUTPUT_NORMAL: False,
    OUTPUT_BYPASS: False,
    OUTPUT_BATTERY: True,
    OUTPUT_BOOSTER: False,
    OUTPUT_REDUCER: False,
}
"""By upsOutputSource; others, which are 1 (other) and 2 (none), do not tell."""
LOW_BY_STATUS: dict[int | None, bool] = {2: False, 3: True, 4: True}
"""By upsBatteryStatus: normal, low, depleted; 1 is unknown."""
RESULT_IN_PROGRESS = 5

SECONDS = Figure("probe_ups_on_battery_seconds", "How long the UPS has been on battery, in seconds; 0 on mains.")
LOW = Figure("probe_ups_battery_low", "1 when the UPS says that its battery is nearly empty, 0 when not.")
LINE_BADS = Figure("probe_ups_input_line_bads", "How often the mains was out of tolerance, as the UPS counts.")
ALARMS = Figure("probe_ups_alarms", "Alarms that are present in the UPS.")
TESTING = Figure("probe_ups_testing", "1 while the UPS tests itself, 0 when not.")


class SnmpUpsParams(DialParams, frozen=True, kw_only=True):
    """As whom to ask."""

    version: Literal["2c", "3"] = "2c"
    """Version of SNMP: 2c or 3."""
    community: str = "public"
    """Community of version 2c."""
    community_file: str = ""
    """File whose first line is the community."""
    username: str = ""
    """User of version 3."""
    auth_protocol: Authentication = ""
    """How the user's messages are signed: md5, sha, sha224, sha256, sha384 or sha512; empty for not at all."""
    auth_password: str = ""
    """Password of the signature, at least 8 characters."""
    auth_password_file: str = ""
    """File whose first line is the password of the signature."""
    priv_protocol: Privacy = ""
    """How messages are encrypted: des or aes; empty for not at all. Needs a signature."""
    priv_password: str = ""
    """Password of the encryption, at least 8 characters."""
    priv_password_file: str = ""
    """File whose first line is the password of the encryption."""
    context: str = ""
    """Context of version 3, where one agent answers for several devices."""

    def __post_init__(self) -> None:
        if self.version == "3" and not self.username:
            raise ValueError('username: expected the user of SNMP version 3, got ""')
        if self.priv_protocol and not self.auth_protocol:
            raise ValueError('auth_protocol: expected one, for priv_protocol needs a signature, got ""')
        for use, protocol in (("auth", self.auth_protocol), ("priv", self.priv_protocol)):
            password, file = getattr(self, f"{use}_password"), getattr(self, f"{use}_password_file")
            if protocol and not file and len(password) < PASSWORD_CHARACTERS:
                raise ValueError(
                    f"{use}_password: expected at least {PASSWORD_CHARACTERS} characters, got {len(password)}"
                )


Found = Mapping[Oid, Value]
Request = Callable[[int], bytes]
"""Makes a PDU with this request identifier."""


class Session(Protocol):
    """A way to ask an agent."""

    async def ask(self, request: Request) -> Pdu:
        """The agent's response. Raises Miss, OSError or SnmpError."""


async def probe(address: str, params: SnmpUpsParams, deadline: float) -> Measurement:
    """Ask for the state in one request, and on battery whether that is a test."""

    async def work(trace: Trace) -> None:
        host, port = split_host_port(address, PORT)
        link = await open_datagram(trace, host, port, params)
        try:
            session = await open_session(trace, Packets(link), params)
            found = await ask_state(trace, session)
            testing = await is_test(trace, session, found, min(ALARMS_S, (deadline - monotonic()) / 2))
            trace.figures.update(figures_of(found, testing=testing))
        finally:
            link.close()

    return await measure(work, deadline)


async def open_session(trace: Trace, link: Packets, params: SnmpUpsParams) -> Session:
    """As the community of v2c, or as a user of v3 who has learnt of the agent's engine."""
    if params.version == "2c":
        return Open(link, _secret(params.community, params.community_file, "community"))
    session = Secured(link, user_of(params))
    with trace.phase("discover"):
        await session.discover()
    return session


def user_of(params: SnmpUpsParams) -> User:
    """The user of v3 with the passwords that its protocols need. Raises Miss when a file has none."""
    signs, hides = params.auth_protocol, params.priv_protocol
    return User(
        params.username.encode(),
        signs,
        _secret(params.auth_password, params.auth_password_file, "auth_password") if signs else b"",
        hides,
        _secret(params.priv_password, params.priv_password_file, "priv_password") if hides else b"",
        params.context.encode(),
    )


def _secret(value: str, file: str, name: str) -> bytes:
    secret = read_secret(value, file).encode()
    if not secret:
        raise Miss(Failure.SEND, f"{name}_file {file}: its first line is empty" if file else f"{name} is empty")
    return secret


@dataclass
class Open:
    """SNMPv2c: whoever knows the community may ask."""

    link: Packets
    community: bytes

    async def ask(self, request: Request) -> Pdu:
        """The agent's response. Raises Miss, OSError or SnmpError."""
        chosen = randbelow(usm.MOST)
        packet = snmp.message_2c(self.community, request(chosen))

        def read(data: bytes) -> Pdu | None:
            pdu = snmp.parse_2c(data).pdu
            return pdu if pdu.request_id == chosen else None

        return _granted(await self.link.ask(packet, read))


@dataclass
class Secured:
    """SNMPv3: a user whom the agent knows, and the agent's engine once it is discovered."""

    link: Packets
    user: User
    engine: Engine = usm.UNKNOWN

    async def discover(self) -> None:
        """Learn who the agent is and what its clock says. Raises Miss, OSError or SnmpError."""
        chosen = randbelow(usm.MOST)
        answer = await self._exchange(usm.discovery(chosen), chosen)
        if not answer.engine.id:
            raise Miss(Failure.STATUS, "the agent does not say who it is")
        self.engine = answer.engine

    async def ask(self, request: Request) -> Pdu:
        """The agent's response; asked again once by the clock that the agent corrects, if it signs that."""
        answer = await self._ask(request)
        if answer.report == usm.NOT_IN_TIME_WINDOW and answer.authenticated:
            self.engine = answer.engine
            answer = await self._ask(request)
        if answer.report:
            raise Miss(Failure.STATUS, f"the agent reports: {answer.report}")
        return _granted(answer.pdu)

    async def _ask(self, request: Request) -> usm.Answer:
        chosen = randbelow(usm.MOST)
        packet = usm.message(self.user, self.engine, chosen, token_bytes(usm.SALT_BYTES), request(chosen))
        return await self._exchange(packet, chosen)

    async def _exchange(self, packet: bytes, chosen: int) -> usm.Answer:
        def read(data: bytes) -> usm.Answer | None:
            answer = usm.parse_3(data, self.user)
            return answer if answer.message_id == chosen else None

        return await self.link.ask(packet, read)


def _granted(pdu: Pdu) -> Pdu:
    if pdu.error:
        raise Miss(Failure.STATUS, f"the agent answers {pdu.error}")
    return pdu


async def ask_state(trace: Trace, session: Session) -> Found:
    """The objects of upsObjects that the agent has. Raises Miss where none of them is a state."""
    with trace.phase("ask"):
        found = (await session.ask(lambda chosen: snmp.get(chosen, ASKED))).values
    if all(number(found, name) is None for name in STATES):
        raise Miss(Failure.STATUS, "no UPS-MIB: the agent knows neither output, battery nor time on battery")
    return found


async def is_test(trace: Trace, session: Session, found: Found, seconds: float) -> bool:
    """Whether the UPS tests itself; on battery, its alarms may say so where its last test does not."""
    if number(found, TEST_RESULT) == RESULT_IN_PROGRESS:
        return True
    if not on_battery(found) or number(found, ALARMS_PRESENT) == 0:
        return False
    with trace.phase("alarms"), suppress(TimeoutError, OSError, Miss, Malformed):
        async with timeout(seconds):
            listed = (await session.ask(lambda chosen: snmp.get_bulk(chosen, ALARM_DESCRIPTIONS, ALARM_ROWS))).values
            return any(listed[name] == TEST_IN_PROGRESS for name in listed if name.startswith(ALARM_DESCRIPTIONS))
    return False


def number(found: Found, name: Oid) -> int | None:
    """The number of an object; None where the agent has none, or none that could be."""
    value = found.get(name)
    return value if isinstance(value, int) and value >= 0 else None


def on_battery(found: Found) -> bool | None:
    """Whether the output is fed from the battery, a test or not; None where it cannot be told."""
    source, seconds = number(found, OUTPUT_SOURCE), number(found, SECONDS_ON_BATTERY)
    if source in FED_FROM_BATTERY:
        return FED_FROM_BATTERY[source]
    if seconds is None or (source == OUTPUT_NONE and not seconds):
        return None
    return seconds > 0


def figures_of(found: Found, *, testing: bool) -> dict[str, float]:
    """What of the answer can be told, by metric name."""
    battery, charge = on_battery(found), number(found, CHARGE_REMAINING)
    minutes, status = number(found, MINUTES_REMAINING), number(found, BATTERY_STATUS)
    told = {
        ON_BATTERY: None if battery is None else battery and not testing,
        BATTERY_RUNTIME: None if minutes is None else minutes * 60,
        BATTERY_CHARGE: charge / 100 if charge is not None and charge <= 100 else None,
        LOW: LOW_BY_STATUS.get(status),
        SECONDS: number(found, SECONDS_ON_BATTERY),
        LINE_BADS: number(found, INPUT_LINE_BADS),
        ALARMS: number(found, ALARMS_PRESENT),
        TESTING: testing,
    }
    return {figure.name: float(value) for figure, value in told.items() if value is not None}


KIND = Kind(
    "snmp_ups",
    SnmpUpsParams,
    probe,
    "host[:port], port 161 unless given",
    figures=(IP_PROTOCOL, ON_BATTERY, BATTERY_RUNTIME, BATTERY_CHARGE, LOW, SECONDS, LINE_BADS, ALARMS, TESTING),
    layer=Layer.POWER,
)
