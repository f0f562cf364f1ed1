"""What flows between the parts of a prober: what to ask, what was found, and why not.

Everything hot is a frozen :class:`msgspec.Struct`. The failure of a probe is a value, never an exception.
Instants are of two sorts and never mixed: ``deadline`` and ``now`` are monotonic seconds (``loop.time()``);
``observed_at`` is Unix time in seconds, UTC.
"""

from bisect import bisect_left
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

import msgspec


class Layer(StrEnum):
    """What a probe proves when it succeeds; each layer but power needs the one before."""

    REACHABLE = "reachable"
    SIGNALLING = "signalling"
    MEDIA = "media"
    JOINED = "joined"
    POWER = "power"
    """Beside the others: where the site's electricity comes from."""


class Failure(StrEnum):
    """Why a probe did not succeed. The value is the word in metrics, logs and ``diemcau probe``."""

    TIMEOUT = "timeout"
    """Nothing answered before the deadline."""
    REFUSED = "refused"
    """The host answered that nothing listens there."""
    RESET = "reset"
    """The connection was opened and then cut by the other side."""
    UNREACHABLE = "unreachable"
    """A router or our own kernel says that there is no way there; ``detail`` names it."""
    TTL_EXCEEDED = "ttl_exceeded"
    """The packet ran out of hops, a loop most often; ``detail`` names the router."""
    RESOLVE = "resolve"
    """The name has no address."""
    TLS = "tls"
    """The TLS handshake or the certificate failed."""
    PROTOCOL = "protocol"
    """Something answered, but not in this protocol."""
    STATUS = "status"
    """A well-formed answer that is not the wanted one."""
    STALLED = "stalled"
    """The stream is there, and does not advance."""
    BLACK = "black"
    """The picture is black."""
    FROZEN = "frozen"
    """The picture does not change."""
    SILENT = "silent"
    """The sound is silence, or there is none."""
    SEND = "send"
    """Our own kernel did not send it: this says something of us, nothing of the target."""
    INTERNAL = "internal"
    """A defect of ours, caught at the engine's border and logged."""


OF_US = frozenset({Failure.SEND, Failure.INTERNAL})
"""Failures that say something of us and nothing of the target."""


class Malformed(ValueError):  # noqa: N818 - what a codec says of bytes, not an error of ours
    """Base of what codecs raise: these bytes are not a message of their protocol, or are longer than any should be."""


class Measurement(msgspec.Struct, frozen=True, gc=False):
    """What one probe of one address found.

    ``duration_s`` is the round trip for icmp and the whole of the probe for other kinds; after a failure, the
    time until it was known. ``phases`` are ``(name, seconds)`` in the order in which they happened. ``figures``
    are further numbers of the kind, ``(metric name, value)``, such as ``("probe_http_status_code", 200.0)``.
    """

    success: bool
    duration_s: float
    failure: Failure | None = None
    detail: str = ""
    phases: tuple[tuple[str, float], ...] = ()
    figures: tuple[tuple[str, float], ...] = ()
    names: tuple[str, ...] = ()
    """What was found by name: who has joined (roster), the routers on the way (path)."""


class Observation(msgspec.Struct, frozen=True, gc=False):
    """A measurement of a check at an instant from a vantage point: the one thing that leaves the prober.

    It serializes with msgspec, and may arrive late, twice or out of order.
    """

    check: str
    """The check's id."""
    observed_at: float
    """When the answer came or the loss was known; Unix time, seconds, UTC."""
    vantage: str
    measurement: Measurement


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of a kind's parameters: fields with types, defaults and a docstring each; hashable."""


class Figure(msgspec.Struct, frozen=True):
    """A number of its own that a kind reports in ``Measurement.figures``: metric name and help text."""

    name: str
    help: str


IP_PROTOCOL = Figure("probe_ip_protocol", "Version of the IP protocol that was used, 4 or 6.")
CERT_EXPIRY = Figure(
    "probe_ssl_earliest_cert_expiry", "When the first certificate presented runs out, Unix time in seconds."
)
ON_BATTERY = Figure(
    "probe_ups_on_battery",
    "1 while the UPS feeds the site from its battery for want of mains, 0 on mains (a self-test counts as mains); "
    "absent when it cannot be told.",
)
BATTERY_RUNTIME = Figure("probe_ups_runtime_seconds", "How long the battery of the UPS lasts at this load, in seconds.")
BATTERY_CHARGE = Figure("probe_ups_charge_ratio", "Charge of the battery of the UPS, 0 to 1.")


P = TypeVar("P", bound=Params)
TARGET = "{address}"
"""What a template of a target has in place of the point's address."""


@dataclass(frozen=True)
class BoundKind:
    """A kind with its parameters filled in: ``await run(address, deadline)``. Equal when kind and params are."""

    kind: str
    params: Params
    run: Callable[[str, float], Awaitable[Measurement]]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BoundKind) and (self.kind, self.params) == (other.kind, other.params)

    def __hash__(self) -> int:
        return hash((self.kind, self.params))


@dataclass(frozen=True)
class Kind(Generic[P]):
    """A kind of probe as newcomers write it: a coroutine for one address.

    ``probe(address, params, deadline)`` answers by the monotonic ``deadline`` and lets no exception out for
    anything that the network can do. ``address_form`` says in a few words what an address looks like.
    """

    name: str
    params: type[P]
    probe: Callable[[str, P, float], Awaitable[Measurement]]
    address_form: str
    figures: tuple[Figure, ...] = ()
    layer: Layer = Layer.SIGNALLING
    """What its success proves, where the configuration does not say."""
    target: str = TARGET
    """What is asked of a point, where the configuration does not say."""
    needs_port: bool = False
    """Whether an address without a port says too little: a check without one is refused."""
    extra: str = ""
    """The optional extra of the package without which this kind cannot work, and ..."""
    needs: str = ""
    """... the module that must then be there, such as ``av``."""

    def bind(self, params: Params) -> BoundKind:
        """Fill in the parameters. Raises TypeError when they are another kind's."""
        if not isinstance(params, self.params):
            raise TypeError(f"kind {self.name} takes {self.params.__name__}, got {type(params).__name__}")
        typed = params
        return BoundKind(self.name, params, lambda address, deadline: self.probe(address, typed, deadline))


class Check(msgspec.Struct, frozen=True):
    """One question asked of one address again and again."""

    id: str
    """``<target>/<module>``, unique."""
    target: str
    """The instance: a point's id."""
    module: str
    """The name under which configuration knows the probe and its parameters."""
    address: str
    probe: "BoundKind | BoundBatch"
    interval_s: float
    timeout_s: float


Emit = Callable[[Check, float, Measurement], None]
"""``emit(check, observed_at, measurement)``: called once for each probe that was launched."""


class BatchCounters(msgspec.Struct):
    """What a batch socket has counted since it was opened."""

    sent: int = 0
    send_errors: int = 0
    late_replies: int = 0
    """Right nonce, after its packet's deadline."""
    duplicate_replies: int = 0
    """A second answer to a probe that is answered."""
    foreign_replies: int = 0
    """Forged, truncated or somebody else's: counted, never believed."""
    kernel_drops: int = 0
    """Packets that our own kernel dropped because the socket's buffer was full (SO_RXQ_OVFL)."""


class Batch(Protocol):
    """An open socket that asks for many checks at once."""

    @property
    def counters(self) -> BatchCounters:
        """What has been counted so far."""

    @property
    def description(self) -> str:
        """Which socket is in use, for the log: ``raw ICMP socket`` or ``datagram ICMP socket``."""

    def launch(self, checks: Sequence[Check]) -> None:
        """Send for each check now. The answer, or the loss at the packet's own deadline, comes through emit."""

    def close(self) -> None:
        """Stop. What is in flight is forgotten without a word."""


@dataclass(frozen=True)
class BoundBatch:
    """A batch kind with its parameters filled in: ``open(emit)`` inside a running loop. Equal as BoundKind is."""

    kind: str
    params: Params
    open: Callable[[Emit], Batch]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BoundBatch) and (self.kind, self.params) == (other.kind, other.params)

    def __hash__(self) -> int:
        return hash((self.kind, self.params))


@dataclass(frozen=True)
class BatchKind(Generic[P]):
    """A kind whose probes are entries in a table around one socket: 0.15 µs each where a task costs 10 µs."""

    name: str
    params: type[P]
    open: Callable[[P, Emit], Batch]
    address_form: str
    figures: tuple[Figure, ...] = ()
    layer: Layer = Layer.SIGNALLING
    target: str = TARGET
    needs_port: bool = False
    extra: str = ""
    needs: str = ""

    def bind(self, params: Params) -> BoundBatch:
        """Fill in the parameters. Raises TypeError when they are another kind's."""
        if not isinstance(params, self.params):
            raise TypeError(f"kind {self.name} takes {self.params.__name__}, got {type(params).__name__}")
        typed = params
        return BoundBatch(self.name, params, lambda emit: self.open(typed, emit))


AnyKind = Kind[Params] | BatchKind[Params]
"""A kind whose parameters' type is not known here: what the registry holds."""


class Histogram(msgspec.Struct):
    """Counts by upper bound, as Prometheus has them but not cumulated; the last count is of what exceeds all."""

    bounds: tuple[float, ...]
    counts: list[int]
    total: float = 0.0

    @classmethod
    def of(cls, *bounds: float) -> "Histogram":
        """An empty histogram with these ascending upper bounds."""
        return cls(bounds, [0] * (len(bounds) + 1))

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class EngineCounters(msgspec.Struct):
    """The engine's own health since it was started."""

    lag: Histogram
    """Seconds between the instant a probe was due and the instant it was launched."""
    launched: int = 0
    observed: int = 0
    skipped: int = 0
    """Probes not launched because the one before was still under way."""
    paced: int = 0
    """Probes that the token bucket held back."""
    confirming: int = 0
    """Probes launched by confirm bursts."""
    internal_errors: int = 0
    in_flight: int = 0
    scheduled: int = 0
    """Checks in the schedule now."""
    batches: dict[str, BatchCounters] = {}
    """By kind."""
