"""How likely is what is seen of a point, given whether its network and its power are out. Pure.

``P(up | n, p) = (1 - site fault) · survives network ^ n · survives power ^ p``. What survives a power cut falls with
the time since the cut: a battery is dead from the start one time in ten, and half of the others last longer than
they are said to. When the power failed is not known; for each feeder that instant is taken at which what is seen of
its points is likeliest, among the instants when one of them fell or went on battery.
"""

from math import expm1, log, nan

import numpy as np

from monitor.core.attribution.cut import MILLINATS, Terms
from monitor.core.attribution.forest import NONE, Floats, Forest, Ints
from monitor.core.attribution.model import Priors
from monitor.core.attribution.observed import DOWN, UP, Bytes, Observed, Seats

YEAR_S = 365.25 * 86_400
SOUND_BATTERY = 0.9
"""Chance that a battery is not dead from the start."""
STEEPNESS = 4.0
"""Of the fall around its rated time: one of three quarters of it holds for sure, one of one and a half is empty."""
TELLS_BATTERY = 0.98
"""Chance that a site which says that it runs on battery is up for the moment."""
LEFT_AT_LEAST_S = 60.0
"""What a battery says it has left is no better known than that."""
INSTANTS = 12
"""How many instants are tried for the beginning of a power cut."""
LEAST_DOUBT = 1e-6
UNPLUGGED = 0.3
"""Chance that a site which says that it lost its mains, for whatever reason, is down: no further fault is needed."""
TOGETHER_S = 10.0
"""A fault takes the points that have no battery within so long of one another, however rarely they are probed."""
LATE = 0.9
"""Chance that a point without a known battery, which fell later than that after its mains failed, did so for another
reason: it may have a battery that nobody knows of."""
NOBODY_KNOWS = 0.5
"""Chance that a battery holds when it is not known since when it would have to."""
STRAGGLER = 2.0
"""Nats against a network fault for each point that fell at another time than most below its node,"""
STRAGGLERS = 6.0
"""and for all of them together, at most: they may have their own reasons."""


def survival(since_s: Floats, lasts_s: Floats, floor: float) -> Floats:
    """Chance that a site lives so long after its mains failed, on a battery of that rated time (0: none)."""
    drained = (np.maximum(since_s, 0.0) / np.maximum(lasts_s, 1e-3)) ** STEEPNESS
    holds = np.where(np.isnan(drained), NOBODY_KNOWS, SOUND_BATTERY / (1 + drained))
    found: Floats = np.where(lasts_s > 0, np.maximum(floor, holds), floor)
    return found


def lived(state: Bytes, since_s: Floats, down_for: Floats) -> Floats:
    """How long points lived without mains, if these failed so long ago: until now, or until they fell."""
    found: Floats = np.where(state == DOWN, since_s - down_for, since_s)
    return found


def chance_of_fault(rate_a_year: float, priors: Priors) -> float:
    """π: the chance of a fault at a node of such a rate within the window."""
    return -expm1(-rate_a_year * priors.storm * priors.window_s / YEAR_S)


def prior_cost(rate_a_year: float, priors: Priors) -> float:
    """ln((1-π)/π) in nats; never below 0, where a fault would be the rule."""
    chance = chance_of_fault(rate_a_year, priors)
    return max(0.0, log((1 - chance) / chance)) if 0 < chance < 1 else 0.0


class Likelihood:
    """What each point's state costs, under each state of its nodes."""

    def __init__(self, seats: Seats, forest: Forest, feeder_of: Ints, priors: Priors) -> None:
        """``feeder_of``: by node of the forest, the feeder that a power cut of it is timed with."""
        self._seats, self._forest, self._priors = seats, forest, priors
        self.feeder_of = np.append(feeder_of, NONE)
        self._feeder = self.feeder_of[seats.pow]
        self._survives_network = np.where(seats.backup, priors.survives_on_backup, priors.survives_network)

    def survives_power(self, observed: Observed, cut_for: Floats) -> Floats:
        """By point, the chance to be up now (to have been up until it fell) if its power is out.

        ``cut_for`` is :meth:`cut_for`.
        """
        found = self._alive(observed, np.arange(len(self._seats)), np.append(cut_for, nan)[self._feeder])
        on, down = observed.on_battery, observed.state == DOWN
        found = np.where(on & ~down, TELLS_BATTERY, found)
        left_s = np.where(np.isnan(observed.left_s), 0.0, observed.left_s)
        silent_s = np.fmin(observed.down_for, LEFT_AT_LEAST_S)
        return np.where(on & down, survival(silent_s + LEFT_AT_LEAST_S, left_s, 0.3), found)

    def _alive(self, observed: Observed, who: Ints, since_s: Floats | float) -> Floats:
        """The chance of these points to be up, or to have been until they fell, their mains having failed then."""
        state, lasts_s = observed.state[who], self._seats.battery_s[who]
        lived_s = lived(state, np.broadcast_to(since_s, state.shape), observed.down_for[who])
        alive = survival(lived_s, lasts_s, self._priors.survives_power)
        late = (state == DOWN) & (lasts_s == 0) & (lived_s > TOGETHER_S)
        before = (state == DOWN) & (lived_s < -TOGETHER_S)
        return np.where(before, 1.0, np.where(late, LATE, alive))

    def against(self, observed: Observed, survives_power: Floats) -> Ints:
        """By node, what speaks against its being out: its points that are up, and that they fell one by one."""
        return self._up(observed, survives_power) + self._stragglers(observed)

    def _stragglers(self, observed: Observed) -> Ints:
        """By network node, what it costs that its points fell one by one, as batteries let them, and not together."""
        against = np.zeros(len(self._forest), np.int64)
        fell = np.flatnonzero(~np.isnan(observed.down_for) & (observed.state == DOWN) & (self._seats.net >= 0))
        leaves, first, counts = np.unique(self._seats.net[fell], return_inverse=True, return_counts=True)
        for place in np.flatnonzero(counts > 1):
            at = observed.down_for[fell[first == place]]
            late = int((np.abs(at - np.median(at)) > TOGETHER_S).sum())
            against[leaves[place]] = round(min(STRAGGLERS, STRAGGLER * late) * MILLINATS)
        return against

    def terms(self, observed: Observed, survives_power: Floats, site_fault: float) -> Terms:
        """The costs of the points that are down."""
        down = np.flatnonzero(observed.state == DOWN)
        well = 1 - np.where(observed.on_battery[down], UNPLUGGED, site_fault)
        network, power = self._survives_network[down], survives_power[down]
        t00, t01, t10, t11 = (
            nats(-np.log(np.maximum(LEAST_DOUBT, 1 - up)))
            for up in (well, well * power, well * network, well * network * power)
        )
        t11 = np.maximum(t11, t01 + t10 - t00)  # which rounding may miss by one
        return Terms(self._seats.net[down], self._seats.pow[down], t00, t01, t10, t11)

    def _up(self, observed: Observed, survives_power: Floats) -> Ints:
        against = np.zeros(len(self._forest), np.int64)
        up = np.flatnonzero(observed.state == UP)
        for leaf, survives in ((self._seats.net, self._survives_network), (self._seats.pow, survives_power)):
            hung = up[leaf[up] != NONE]
            np.add.at(against, leaf[hung], nats(-np.log(survives[hung])))
        return against

    def cut_for(self, observed: Observed) -> Floats:
        """By node, for feeders: how long ago its power failed, if it did; NaN where there is no sign of it."""
        sign_s = np.fmax(observed.down_for, observed.battery_for)
        found = np.full(len(self._forest), nan)
        signed = ~np.isnan(sign_s) & (self._feeder != NONE)
        for feeder in np.unique(self._feeder[signed]):
            ours = self._seats.beneath(self._forest, int(feeder))
            found[feeder] = self._likeliest(observed, ours, sign_s)
        return found

    def _likeliest(self, observed: Observed, ours: Ints, sign_s: Floats) -> float:
        """The instant, among those when something was seen, at which what is seen of these points is likeliest."""
        instants = np.unique(np.ceil(sign_s[ours][~np.isnan(sign_s[ours])]))
        if len(instants) == 1:
            return float(instants[-1])
        instants = instants[np.unique(np.linspace(0, len(instants) - 1, INSTANTS).astype(np.int64))]
        scores = [self._score(observed, ours, float(instant)) for instant in instants]
        return float(instants[int(np.argmax(scores))])

    def _score(self, observed: Observed, ours: Ints, since_s: float) -> float:
        """The logarithm of how likely the states of these points are, their power having failed then."""
        state = observed.state[ours]
        alive = self._alive(observed, ours, since_s) * (1 - self._priors.site_fault)
        told = np.where(state == DOWN, np.log1p(-alive), np.where(state == UP, np.log(alive), 0.0))
        return float(told.sum())


def nats(values: Floats) -> Ints:
    """In whole millinats."""
    return np.rint(values * MILLINATS).astype(np.int64)
