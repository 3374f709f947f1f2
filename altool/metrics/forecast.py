"""How many more labels each class needs to reach its target (docs/algorithms.md, "Forecast").

The value of a class over n labels is taken to follow an inverse power law, which only rises and never leaves [0, 1]:

    f(n) = u + t (1 - u) (1 - (n / N)^-c)

`u` is the value at the N labels of now, `t` the share of what is missing there that labels can ever bring, and `c` how fast. n counts all
training labels: that is what people pay for, and labels of other classes teach a class, too.

Every (t, c, s) of a grid is weighed by its likelihood in all rounds, `u` integrated out. The variance of a round's value is s times that of
a share of so many held-out rows, and larger the fewer labels the model had. The rounds are measured on one holdout, whose own error is
common to all of them: it moves the curve as a whole, and the scatter about the curve is mostly that of the models. So the scale s is
estimated from that scatter, and the forecast is of the value as this holdout measures it.

The classes are pooled: the weights that the grid has beforehand are fitted to all classes (empirical Bayes), so that a class whose own
rounds say little takes how fast, how far and how noisily from the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

REACHED, LABELS, UNKNOWN, LEVEL = "reached", "labels", "cannot tell", "levels off"
STATES = (REACHED, LABELS, UNKNOWN, LEVEL)
ROUNDS = 4  # at least, in which the class had labels
OWN = 2  # labels of the class that a round counts with: before that it has not begun to be learned
SPAN = 5  # times as many labels now as in the first round that counts, at least, for the word that a class levels off
LIMIT = 10  # times the labels of now: beyond it there is no forecast
COVERAGE = 0.8  # of the intervals
NEVER = 0.05  # the probability of reaching the target below which a class levels off

SHARES = np.linspace(0, 1, 21)  # of what is missing, that labels can bring: t
SPEEDS = np.geomspace(0.1, 1.6, 17)  # c
SCALES = np.geomspace(0.1, 25.6, 9)  # s, of a variance
RISING = 2  # t has the weight t^2 beforehand: rounds that do not rise have to show that labels bring nothing
PRIOR = 20  # classes that the weights beforehand count as, beside the classes that there are
STEPS = 4  # of fitting the weights to the classes
FLOOR = 0.01  # standard deviation of a value of ever so many rows: no model learns by an exact law
# The medians of 5 equal parts of the normal distribution.
QUANTILES = np.array([-1.2815515655446004, -0.5244005127080407, 0.0, 0.5244005127080407, 1.2815515655446004])
BINS = 500  # of the logarithm of the labels, up to LIMIT


@dataclass(frozen=True)
class Forecasts:
    """Of each class its state, one of STATES; float64 (K, 3) how many more `labels` it needs, the middle, low and high of an 80 % interval;
    and float64 (K, 3) the value that LIMIT times as many labels bring, where it `level`s off below its target. NaN where there is none.

    `together` (3,) is what the classes of the state "labels" need until all of them are there, NaN where there is no upper end (or no
    such class): every label counts for all of them.
    """

    state: tuple[str, ...]
    labels: np.ndarray
    level: np.ndarray
    together: np.ndarray


def forecast(labels: np.ndarray, values: np.ndarray, rows: np.ndarray, own: np.ndarray, target: np.ndarray) -> Forecasts:
    """Forecast every class from its rounds, oldest first, the last of them now.

    `labels` int (R,) training labels of each round; `values` float (K, R) in [0, 1], `rows` int (K, R) the held-out rows behind each (0: it
    was not measured) and `own` int (K, R) the training labels of the class then; `target` float (K,). R > 0. All rounds are to be measured
    on one holdout. Of rounds with equally many labels the last counts; rounds with more labels than now do not.

    - reached: the value of now is the target or more.
    - labels: it is reached within LIMIT times the labels of now, with a probability of 90 % or more.
    - levels off: it is not, with a probability of 95 % or more, and the rounds span SPAN times the labels.
    - cannot tell: neither; or there are fewer than ROUNDS rounds with OWN labels of the class and measured rows, now among them.
    """
    last = {int(number): place for place, number in enumerate(labels) if 0 < number <= labels[-1]}
    places = [last[number] for number in sorted(last)]
    reached = (rows[:, -1] > 0) & (values[:, -1] >= target)
    state = np.where(reached, REACHED, UNKNOWN).astype(object)
    more, level, together = np.full((len(target), 3), np.nan), np.full((len(target), 3), np.nan), np.full(3, np.nan)
    more[reached] = 0
    n, y = labels[places].astype(np.float64), values[:, places]
    counted = (rows[:, places] > 0) & (own[:, places] >= OWN)
    enough = np.flatnonzero((counted.sum(axis=1) >= ROUNDS) & counted[:, -1:].any(axis=1))
    if len(enough):
        fit = _Fit.of(n, np.where(counted, y, 0.0)[enough], rows[:, places][enough], counted[enough])
        joint = np.ones(BINS + 1)
        tail = (1 - COVERAGE) / 2
        for place, code in enumerate(enough):
            if reached[code]:
                continue
            within = fit.reached(place, float(target[code]))
            low, high = _when(within, tail), _when(within, 1 - tail)
            if np.isfinite(high):
                state[code], more[code] = LABELS, (_when(within, 0.5), low, high)
                joint *= within
            elif np.isinf(_when(within, NEVER)) and n[-1] >= SPAN * n[counted[code].argmax()]:
                state[code], level[code] = LEVEL, fit.level(place)
        if (state == LABELS).any():
            together[:] = [_when(joint, share) for share in (0.5, tail, 1 - tail)]
            together[~np.isfinite(together)] = np.nan
        more[enough], together = more[enough] * n[-1], together * n[-1]
    return Forecasts(tuple(state.tolist()), more, level, together)


def _when(within: np.ndarray, probability: float) -> float:
    """How many labels more, in labels of now, until it is reached with this probability; infinite where it is not within LIMIT."""
    place = int(np.searchsorted(within, probability - 1e-9))
    return float(np.inf) if place > BINS else float(LIMIT ** (place / BINS) - 1)


@dataclass(frozen=True)
class _Fit:
    """The posterior of every class: `weight` (K, S, T, C) of the grid, and of `u` the mean `now` and the variance `spread` (K, T, C), the
    latter to be multiplied by the scale; `noise` (K,) is the variance of a value of now, likewise."""

    weight: np.ndarray
    now: np.ndarray
    spread: np.ndarray
    noise: np.ndarray

    @classmethod
    def of(cls, n: np.ndarray, y: np.ndarray, rows: np.ndarray, counted: np.ndarray) -> _Fit:
        """`n` (R,) labels, `y` (K, R) values and `rows` (K, R) behind them; only the `counted` ones (K, R) are used."""
        smooth = (rows * y + 1) / (rows + 2)  # a value of 0 or 1 is not certain
        variance = (smooth * (1 - smooth) / (rows + 2) + FLOOR**2) * n[-1] / n
        w = np.where(counted, 1 / variance, 0.0)
        # Given t and c the law is a straight line of u: f = u slope + rise.
        rise = SHARES[:, None, None] * (1 - (n / n[-1]) ** -SPEEDS[:, None])  # (T, C, R)
        slope = 1 - rise
        precision = np.einsum("kr,tcr->ktc", w, slope**2)
        now = (np.einsum("kr,tcr->ktc", w * y, slope) - np.einsum("kr,tcr->ktc", w, slope * rise)) / precision
        squares = (w * y**2).sum(axis=1)[:, None, None] - 2 * np.einsum("kr,tcr->ktc", w * y, rise) + np.einsum("kr,tcr->ktc", w, rise**2)
        rest = np.maximum(squares - now**2 * precision, 0)[:, None]
        scale = SCALES[:, None, None]
        free = counted.sum(axis=1)[:, None, None, None] - 1
        evidence = -rest / (2 * scale) - free / 2 * np.log(scale) - np.log(precision)[:, None] / 2
        return cls(_pooled(evidence), now, 1 / precision, variance[:, -1])

    def reached(self, code: int, target: float) -> np.ndarray:
        """float64 (BINS + 1,): the probability that a round with LIMIT^(place / BINS) times the labels of now measures the target."""
        scale = SCALES[:, None, None, None]
        u = self._now(code)[..., None]  # (S, T, C, 5, 1)
        goal = target - np.sqrt(scale * self.noise[code])[..., None] * QUANTILES
        missing = (1 - u) * SHARES[:, None, None, None]
        part = np.clip(np.divide(goal - u, missing, out=np.where(goal > u, 2.0, 0.0), where=missing > 0), 0, 1)
        with np.errstate(divide="ignore"):
            bins = np.ceil(-np.log1p(-part) / SPEEDS[:, None, None] * (BINS / np.log(LIMIT)))
        shares = np.broadcast_to(self.weight[code][..., None, None] / len(QUANTILES) ** 2, bins.shape)
        found = np.bincount(np.minimum(bins, BINS + 1).astype(np.int64).ravel(), shares.ravel(), BINS + 2)
        return np.minimum(np.cumsum(found[:-1]), 1.0)

    def level(self, code: int) -> tuple[float, float, float]:
        """The value that LIMIT times the labels of now bring: the middle, low and high of the interval."""
        u = self._now(code)
        values = (u + (1 - u) * (SHARES[:, None] * (1 - LIMIT**-SPEEDS))[..., None]).ravel()
        shares = np.repeat(self.weight[code].ravel(), len(QUANTILES))
        order = np.argsort(values, kind="stable")
        passed = np.cumsum(shares[order])
        middle, low, high = values[order][np.searchsorted(passed, passed[-1] * np.array([0.5, (1 - COVERAGE) / 2, (1 + COVERAGE) / 2]))]
        return float(middle), float(low), float(high)

    def _now(self, code: int) -> np.ndarray:
        """float64 (S, T, C, 5): equally likely values of u."""
        deviation = np.sqrt(SCALES[:, None, None] * self.spread[code])
        return np.clip(self.now[code][..., None] + deviation[..., None] * QUANTILES, 0, 1)


def _pooled(evidence: np.ndarray) -> np.ndarray:
    """The posterior (K, S, T, C) of each class, from the logarithms of its likelihood; each sums to 1.

    The weights beforehand are those of a scale times those of a shape (t, c); both are fitted to all classes by a few steps of expectation
    maximisation, next to PRIOR classes that are as the weights at the start.
    """
    likelihood = np.exp(evidence - evidence.max(axis=(1, 2, 3), keepdims=True))
    rising = SHARES**RISING + 1e-3
    scales = start_scales = np.full(len(SCALES), 1 / len(SCALES))
    shapes = start_shapes = np.repeat(rising[:, None] / rising.sum() / len(SPEEDS), len(SPEEDS), axis=1)
    for step in range(STEPS + 1):
        posterior = likelihood * (scales[:, None, None] * shapes)
        posterior /= posterior.sum(axis=(1, 2, 3), keepdims=True)
        if step < STEPS:
            found = posterior.sum(axis=0)
            scales = (PRIOR * start_scales + found.sum(axis=(1, 2))) / (PRIOR + len(evidence))
            shapes = (PRIOR * start_shapes + found.sum(axis=0)) / (PRIOR + len(evidence))
    return posterior
