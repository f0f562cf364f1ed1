"""Does a site live on mains or on the battery of its UPS, as Network UPS Tools tell it (RFC 9271)?

Phases: ``resolve``, ``connect``, with ``starttls`` that and ``tls``, with a username ``login``, without the name of a
UPS ``list``, then ``ask`` for all variables at once. Success: upsd told a state of the UPS, be it on battery. Stale
data, a driver that is not there or still waits for its UPS, are failures of status and say nothing of the mains.
"""

import re

from probes.codecs.nut import Answer, NutError, Reader, command, devices, variables
from probes.dial import (
    Connection,
    Miss,
    TlsParams,
    Trace,
    connect,
    measure,
    read_secret,
    secure,
    split_host_port,
)
from probes.model import (
    BATTERY_CHARGE,
    BATTERY_RUNTIME,
    CERT_EXPIRY,
    IP_PROTOCOL,
    ON_BATTERY,
    Failure,
    Figure,
    Kind,
    Layer,
    Measurement,
)

PORT = 3493
UPS_NAME = re.compile(r"[!#-?A-\[\]-~]{1,128}")
"""Printable ASCII without space, quote, backslash and @."""
NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")

FED_FROM_BATTERY = {"OL": False, "BYPASS": False, "OB": True}
"""By word of ups.status; others, such as OFF, FSD or ALARM, do not tell."""
TESTS = frozenset({"CAL", "TEST"})
"""Words of a UPS that runs on its battery to learn of it."""
NO_STATE = frozenset({"WAIT", "NOCOMM"})
"""Words of a driver that has not heard of its UPS."""

LOW = Figure("probe_ups_battery_low", "1 when the UPS says that its battery is nearly empty, 0 when not.")
TESTING = Figure("probe_ups_testing", "1 while the UPS tests itself, 0 when not.")
LOAD = Figure("probe_ups_load_ratio", "Load of the UPS, 1 for all that it can bear.")


class NutParams(TlsParams, frozen=True, kw_only=True):
    """As whom to ask, and whether in TLS."""

    starttls: bool = False
    """Whether to go over to TLS before anything else."""
    username: str = ""
    """User of upsd; empty for nobody, who may read the variables as a rule."""
    password: str = ""
    """Password of the user."""
    password_file: str = ""
    """File whose first line is the password."""

    def __post_init__(self) -> None:
        if not self.username.isprintable():
            raise ValueError(f"username: expected printable characters, got {self.username!r}")
        if self.username and not (self.password or self.password_file):
            raise ValueError('password: expected the one of username, got ""')


async def probe(address: str, params: NutParams, deadline: float) -> Measurement:
    """Ask upsd for the variables of a UPS, and judge its status."""

    async def work(trace: Trace) -> None:
        ups, host, port = split_address(address)
        connection = await connect(trace, host, port, params)
        try:
            upsd = Upsd(connection)
            if params.starttls:
                await upsd.go_secure(trace, host, params)
            if params.username:
                await upsd.login(trace, params)
            found = await upsd.variables(trace, ups or await upsd.only_device(trace))
        finally:
            connection.close()
        judge(trace, found)

    return await measure(work, deadline)


def split_address(address: str) -> tuple[str, str, int]:
    """UPS, host and port of ``[ups@]host[:port]``. Raises Miss."""
    ups, at, host_port = address.rpartition("@")
    if at and not UPS_NAME.fullmatch(ups):
        raise Miss(Failure.RESOLVE, f"expected [ups@]host[:port], got {address!r}")
    return ups, *split_host_port(host_port, PORT)


class Upsd:
    """A connection to upsd: one command, one answer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._reader = Reader()

    async def go_secure(self, trace: Trace, host: str, params: NutParams) -> None:
        """Over to TLS. Raises Miss when upsd has none, or said more than it could before the handshake."""
        with trace.phase("starttls"):
            answer = await self._answer("STARTTLS")
        if answer.error:
            raise Miss(Failure.TLS, f"upsd does not speak TLS: {answer.error}")
        if not self._reader.idle:
            raise NutError("an answer to a command that was not given")
        await secure(trace, self._connection, host, params)

    async def login(self, trace: Trace, params: NutParams) -> None:
        """Say who asks. Raises Miss."""
        password = read_secret(params.password, params.password_file)
        if not password.isprintable():
            raise Miss(Failure.SEND, "the password has control characters")
        with trace.phase("login"):
            await self._ask("USERNAME", params.username)
            await self._ask("PASSWORD", password)

    async def only_device(self, trace: Trace) -> str:
        """The name of the one UPS that there is. Raises Miss."""
        with trace.phase("list"):
            names = devices(await self._ask("LIST", "UPS"))
        if len(names) != 1:
            told = f"several UPSes, name one of them as ups@host: {', '.join(names)}" if names else "upsd has no UPS"
            raise Miss(Failure.STATUS, told)
        if not UPS_NAME.fullmatch(names[0]):
            raise NutError("a name that no UPS has")
        return names[0]

    async def variables(self, trace: Trace, ups: str) -> dict[str, str]:
        """All that is known of a UPS, in one round trip. Raises Miss."""
        with trace.phase("ask"):
            return variables(await self._ask("LIST", "VAR", ups), ups)

    async def _ask(self, *words: str) -> Answer:
        answer = await self._answer(*words)
        if answer.error:
            raise Miss(Failure.STATUS, f"upsd answers: {answer.error.replace('-', ' ').lower()}")
        return answer

    async def _answer(self, *words: str) -> Answer:
        await self._connection.send(command(*words))
        while data := await self._connection.receive():
            if found := self._reader.feed(data):
                return _only(found)
        raise Miss(Failure.RESET, f"closed by the other side instead of an answer to {words[0]}")


def _only(found: list[Answer]) -> Answer:
    if len(found) != 1:
        raise NutError("several answers to one command")
    return found[0]


def judge(trace: Trace, found: dict[str, str]) -> None:
    """Read the state and what the battery holds. Raises Miss where upsd knows none."""
    words = frozenset(found.get("ups.status", "").split())
    if not words:
        raise Miss(Failure.STATUS, "upsd knows no ups.status")
    if lost := words & NO_STATE:
        raise Miss(Failure.STATUS, f"the driver has not heard of its UPS: {min(lost)}")
    testing = bool(words & TESTS) or found.get("ups.test.result", "").lower().startswith("in progress")
    battery = on_battery(words)
    told = {
        ON_BATTERY: None if battery is None else battery and not testing,
        BATTERY_RUNTIME: number(found.get("battery.runtime")),
        BATTERY_CHARGE: ratio(number(found.get("battery.charge"))),
        LOW: "LB" in words,
        TESTING: testing,
        LOAD: ratio(number(found.get("ups.load")), most=1000),
    }
    trace.figures.update({figure.name: float(value) for figure, value in told.items() if value is not None})


def on_battery(words: frozenset[str]) -> bool | None:
    """Whether the load is fed from the battery, a test or not; None where the words do not tell, or contradict."""
    told = {FED_FROM_BATTERY[word] for word in words if word in FED_FROM_BATTERY}
    return told.pop() if len(told) == 1 else None


def number(text: str | None) -> float | None:
    """A plain decimal number; None for anything else."""
    return float(text) if text is not None and NUMBER.fullmatch(text) else None


def ratio(percent: float | None, most: float = 100) -> float | None:
    """Of a percentage, if it can be one."""
    return percent / 100 if percent is not None and percent <= most else None


KIND = Kind(
    "nut",
    NutParams,
    probe,
    "[ups@]host[:port], port 3493 unless given",
    figures=(IP_PROTOCOL, ON_BATTERY, BATTERY_RUNTIME, BATTERY_CHARGE, LOW, TESTING, LOAD, CERT_EXPIRY),
    layer=Layer.POWER,
)
