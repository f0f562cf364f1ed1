"""Does a TCP port accept a connection? Signalling of H.323 (1720), SIP (5060), RTSP (554), RTMP (1935).

Phases: ``resolve``, ``connect``. The connection is closed as soon as it stands; nothing is sent.
"""

from probes.dial import IpProtocol, Trace, connect, measure, split_host_port
from probes.model import Figure, Kind, Measurement, Params


class TcpParams(Params, frozen=True, kw_only=True):
    """How to connect."""

    ip_protocol: IpProtocol = "ip4"
    """Which to prefer where a name has both: ip4 or ip6."""
    ip_protocol_fallback: bool = True
    """Whether the other IP protocol will do where the preferred one has no address."""


async def probe(address: str, params: TcpParams, deadline: float) -> Measurement:
    """Connect to ``host:port``."""

    async def work(trace: Trace) -> None:
        host, port = split_host_port(address)
        connection = await connect(trace, host, port, params.ip_protocol, fallback=params.ip_protocol_fallback)
        connection.close()

    return await measure(work, deadline)


KIND = Kind(
    "tcp",
    TcpParams,
    probe,
    "host:port or [v6]:port",
    figures=(Figure("probe_ip_protocol", "Version of the IP protocol that was used, 4 or 6."),),
)
