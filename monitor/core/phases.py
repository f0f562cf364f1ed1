"""The policy of the hour: which phase of the ceremony is in force. Pure."""

from bisect import bisect_right

from monitor.core.model import Ceremony, Phase


def phase_at(ceremony: Ceremony, now: float) -> Phase:
    """The phase in force at ``now`` (Unix seconds): the last one that has started, or the first before any has."""
    started = bisect_right(ceremony.phases, now, key=lambda phase: phase.starts_at)
    return ceremony.phases[max(0, started - 1)]
