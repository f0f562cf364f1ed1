"""How good a conversation over this line would be: the E-model of ITU-T G.107 (06/2015). Pure.

The rating R = Ro − Is − Id − Ie,eff + A (clause 7.1), from all of the Recommendation's default parameters (its
table 2), with the delay, the packet loss and its burstiness of the line put in. The mean opinion score follows by
annex B. This is the full computation: the shortcut R = 93.2 − Id − Ie,eff holds at the defaults alone.

The codec is G.711 with packet loss concealment (ITU-T G.113 appendix I: Ie = 0, Bpl = 25.1). A receiver plays out
behind a buffer that takes up the jitter: two mean deviations are added to the delay.
"""

from collections.abc import Iterable
from math import exp, inf, isfinite, log2, log10, sqrt

from monitor.core.detection import CheckStatus
from monitor.core.model import CheckState
from probes.model import Layer

SLR, RLR, STMR, TELR = 8.0, 2.0, 15.0, 65.0
"""Send, receive and sidetone loudness ratings, talker echo loudness rating, in dB."""
WEPL = 110.0
"""Weighted echo path loss, dB."""
LSTR, DS, DR, QDU = 18.0, 3.0, 3.0, 1.0
NC, NFOR, PS, PR = -70.0, -64.0, 35.0, 35.0
"""Circuit noise and noise floor in dBm0p and dBmp, room noise at either side in dB(A)."""
IE, BPL = 0.0, 25.1
ADVANTAGE = 0.0
PLAYOUT_DEVIATIONS = 2.0
MT, SENSITIVITY = 100.0, 1.0
"""Minimum perceivable delay in ms, and sensitivity to delay, of the default class."""


def rating(one_way_s: float, loss_ratio: float, burst_ratio: float = 1.0) -> float:
    """R for a one-way delay in seconds and a packet loss from 0 to 1; ``burst_ratio`` is 1 for random loss."""
    delay_ms = one_way_s * 1000
    ro = _basic()
    impairment = _simultaneous(ro) + _delayed(ro, delay_ms) + _equipment(loss_ratio * 100, burst_ratio)
    return ro - impairment + ADVANTAGE


def opinion(r: float) -> float:
    """The mean opinion score, 1 to 4.5, of a rating (annex B)."""
    if r <= 0:
        return 1.0
    if r >= 100:
        return 4.5
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)


def mos(rtt_s: float, jitter_s: float, loss_ratio: float) -> float | None:
    """The mean opinion score of a line by its round trip, jitter and loss; None where any is not known."""
    if not (isfinite(rtt_s) and isfinite(jitter_s) and isfinite(loss_ratio)) or rtt_s < 0:
        return None
    return opinion(rating(rtt_s / 2 + PLAYOUT_DEVIATIONS * jitter_s, min(1.0, max(0.0, loss_ratio))))


def mos_of(checks: Iterable[CheckStatus]) -> float | None:
    """The mean opinion score of a point's best line that is up; None where none has been timed."""
    lines = [check for check in checks if check.policy.layer is Layer.REACHABLE and check.state is CheckState.UP]
    scores = [mos(check.rtt_s, check.jitter_s, check.loss_ratio) for check in lines]
    return max((score for score in scores if score is not None), default=None)


def _basic() -> float:
    """Ro, the signal against all noise (clause 7.2)."""
    nos = PS - SLR - DS - 100 + 0.004 * (PS - (SLR + RLR) - DS - 14) ** 2
    pre = PR + 10 * log10(1 + 10 ** ((10 - LSTR) / 10))
    nor = RLR - 121 + pre + 0.008 * (pre - 35) ** 2
    nfo = NFOR + RLR
    noise = 10 * log10(10 ** (NC / 10) + 10 ** (nos / 10) + 10 ** (nor / 10) + 10 ** (nfo / 10))
    return 15 - 1.5 * (SLR + noise)


def _simultaneous(ro: float) -> float:
    """Is: too loud a connection, sidetone that is none, quantizing (clause 7.3)."""
    return _loudness(ro) + _sidetone() + _quantizing(ro)


def _loudness(ro: float) -> float:
    xolr = SLR + RLR + 0.2 * (64 + _noise_of(ro) - RLR)
    return 20 * (_norm(8, xolr / 8) - xolr / 8)


def _noise_of(ro: float) -> float:
    """The noise from which Ro was made (clause 7.2, turned around)."""
    return (15 - ro) / 1.5 - SLR


def _sidetone() -> float:
    stmro = -10 * log10(10 ** (-STMR / 10) + 10 ** (-TELR / 10))  # the echo is heard without delay
    return 12 * _norm(8, (stmro - 13) / 6) - 28 * _norm(35, (stmro + 1) / 19.4) - 13 * _norm(13, (stmro - 3) / 33) + 29


def _quantizing(ro: float) -> float:
    q = 37 - 15 * log10(QDU)
    g = 1.07 + 0.258 * q + 0.0602 * q**2
    y = (ro - 100) / 15 + 46 / 8.4 - g / 9
    z = 46 / 30 - g / 40
    return 15 * log10(1 + 10**y + 10**z)


def _delayed(ro: float, delay_ms: float) -> float:
    """Id = Idte + Idle + Idd (clause 7.4); the echo's round trip is that of the line."""
    return _talker_echo(ro, delay_ms) + _listener_echo(ro, 2 * delay_ms) + _absolute(delay_ms)


def _talker_echo(ro: float, delay_ms: float) -> float:
    terv = TELR - 40 * log10((1 + delay_ms / 10) / (1 + delay_ms / 150)) + 6 * exp(-0.3 * delay_ms**2)
    roe = -1.5 * (_noise_of(ro) - RLR)
    re = 80 + 2.5 * (terv - 14)
    return float(((roe - re) / 2 + sqrt((roe - re) ** 2 / 4 + 100) - 1) * (1 - exp(-delay_ms)))


def _listener_echo(ro: float, round_trip_ms: float) -> float:
    rle = 10.5 * (WEPL + 7) * float((round_trip_ms + 1) ** -0.25)
    return (ro - rle) / 2 + sqrt((ro - rle) ** 2 / 4 + 169)


def _absolute(delay_ms: float) -> float:
    if delay_ms <= MT:
        return 0.0
    x, degree = log2(delay_ms / MT), 6 * SENSITIVITY
    return 25 * (_norm(degree, x) - 3 * _norm(degree, x / 3) + 2)


def _norm(degree: float, x: float) -> float:
    """(1 + x^degree)^(1/degree): near 1 for a small x, near x for a large one."""
    return float((1 + x**degree) ** (1 / degree))


def _equipment(loss_percent: float, burst_ratio: float) -> float:
    """Ie,eff (clause 7.5)."""
    if burst_ratio == inf:
        return 95.0
    return IE + (95 - IE) * loss_percent / (loss_percent / burst_ratio + BPL) if loss_percent else IE
