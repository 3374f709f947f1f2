"""Learning curves: the area under them, the labels that they need, and whether two differ by more than noise.

A curve is a pair of arrays: `labels` (R,), counts that rise strictly, R > 0, and `values` (R,) or (R, K), the metric at each count.
Between two counts it is a straight line. Values are shares in [0, 1]; areas are percents.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from altool.metrics.intervals import Z
from altool.text import count

RESAMPLES = 10_000
TAIL = 0.025  # what a 95 % interval leaves out at each end
MOST_REPEATS = 1000  # that a comparison is told to need
ROUNDING = 1e-9
BAND = 3  # repeats from which on a t-interval is of use; of two it would span everything


def resample(labels: np.ndarray, values: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """float64 (G,) or (G, K): the curve at the counts `grid` (G,), all of which lie within [labels[0], labels[-1]]."""
    left = np.clip(np.searchsorted(labels, grid, side="right") - 1, 0, max(0, len(labels) - 2))
    right = np.minimum(left + 1, len(labels) - 1)
    share = (grid - labels[left]) / np.maximum(labels[right] - labels[left], 1)
    share = share.reshape(-1, *[1] * (values.ndim - 1))
    return values[left] * (1 - share) + values[right] * share


def common(labels: Sequence[np.ndarray]) -> tuple[int, int]:
    """The counts that all curves cover, from and to. Raises ValueError where they share none."""
    low, high = max(int(counts[0]) for counts in labels), min(int(counts[-1]) for counts in labels)
    if low > high:
        raise ValueError(f"one curve begins at {count(low, 'label')}, another ends at {high:,}")
    return low, high


def union(labels: Sequence[np.ndarray]) -> np.ndarray:
    """int64 (G,): every count of any curve within the counts that all cover; means of curves are straight in between.

    Raises ValueError as `common` does.
    """
    low, high = common(labels)
    grid = np.unique(np.concatenate([*labels, [low, high]]))
    return grid[(grid >= low) & (grid <= high)]


def area(labels: np.ndarray, values: np.ndarray, low: int, high: int, *, log: bool = False) -> float:
    """The area under the curve `values` (R,) from `low` to `high` labels, by trapezoids, over that range, in percent.

    That is the curve's mean height; where the range is a single count, its height there. The curve covers the range. With `log` the
    counts are taken as their logarithms (`low` > 0), so that every doubling of the labels weighs the same.
    """
    inside = (labels > low) & (labels < high)
    ends = resample(labels, values, np.array([low, high]))
    if low == high:
        return float(100 * ends[0])
    x = np.concatenate([[low], labels[inside], [high]])
    x = np.log(x) if log else x
    y = np.concatenate([ends[:1], values[inside], ends[1:]])
    return float(100 * ((x[1:] - x[:-1]) * (y[1:] + y[:-1]) / 2).sum() / (x[-1] - x[0]))


def labels_needed(labels: np.ndarray, values: np.ndarray, level: float) -> float:
    """How many labels the curve `values` (R,) needs until it is at `level` for the first time, between counts by a straight line.

    NaN where it never is. A curve that begins at or above the level needs at most `labels[0]`, which is what is returned.
    """
    reached = np.flatnonzero(values >= level)
    if not len(reached):
        return float("nan")
    place = int(reached[0])
    if not place:
        return float(labels[0])
    before, after = values[place - 1], values[place]
    return float(labels[place - 1] + (level - before) / (after - before) * (labels[place] - labels[place - 1]))


def spread(samples: np.ndarray, bounds: tuple[float, float] = (-np.inf, np.inf)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mean of `samples` (n, …) over repeats, and what it is between: float64 (…) each.

    From 3 repeats on Student's 95 % interval of the mean, cut off at `bounds`; of 2 the smaller and the larger; of 1 NaN.
    """
    repeats = len(samples)
    mean = samples.mean(axis=0)
    if repeats == 1:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    if repeats < BAND:
        return mean, samples.min(axis=0), samples.max(axis=0)
    half = _quantile(repeats) * samples.std(axis=0, ddof=1) / np.sqrt(repeats)
    return mean, np.maximum(mean - half, bounds[0]), np.minimum(mean + half, bounds[1])


def paired_interval(differences: np.ndarray, rng: np.random.Generator, comparisons: int = 1) -> tuple[float, float, float]:
    """`paired_intervals` of `differences` (n,) of one number."""
    mean, low, high = (float(part[0]) for part in paired_intervals(differences[:, None], rng, comparisons))
    return mean, low, high


def paired_intervals(differences: np.ndarray, rng: np.random.Generator, comparisons: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The means of `differences` (n, G), a row per repeat, each with a 95 % interval by a paired bootstrap: float64 (G,) each; of 1 repeat
    NaN for both ends. All columns are resampled alike, so that a column's interval does not depend on the others.

    Of several `comparisons` all intervals together hold with 95 %, by Bonferroni: each leaves out 5 % over their number.

    The percentiles of the resampled means alone are too narrow for a few repeats, by sqrt((n - 1) / n) because resampling takes the
    sample's spread for the population's, and again because they ignore t against z (T. Hesterberg, What Teachers Should
    Know About the Bootstrap, The American Statistician 69, 2015, section 3). So their distances from the mean are stretched by
    sqrt(n / (n - 1)) t / z: for normal data Student's interval, for skewed data longer on the side of the skew.

    Measured coverage: normal data 0.95 from 3 repeats on (2: 0.935); of 20 repeats with skewness 1 (gamma of shape 4) 0.945, with
    skewness 2 (exponential) 0.92.
    """
    repeats = len(differences)
    mean = differences.mean(axis=0)
    if repeats == 1:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    tail = TAIL / comparisons
    means = _weights(repeats, rng) @ (differences - mean)
    low, high = np.quantile(means, [tail, 1 - tail], axis=0) * _stretch(repeats, tail)
    return mean, mean + np.minimum(low, 0.0), mean + np.maximum(high, 0.0)


def paired_ratio(numbers: np.ndarray, others: np.ndarray, rng: np.random.Generator) -> tuple[float, float, float]:
    """The mean of `numbers` (n,) > 0 over that of `others` (n,) > 0, paired by repeat, with a 95 % interval of its logarithm as in
    `paired_interval`; of 1 repeat NaN for both ends."""
    repeats = len(numbers)
    ratio = float(numbers.mean() / others.mean())
    if repeats == 1:
        return ratio, float("nan"), float("nan")
    weights = _weights(repeats, rng)
    logs = np.log((weights @ numbers) / (weights @ others)) - np.log(ratio)
    low, high = np.quantile(logs, [0.025, 0.975]) * _stretch(repeats)
    return ratio, float(ratio * np.exp(min(low, 0.0))), float(ratio * np.exp(max(high, 0.0)))


def best(areas: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """float64 (m,): the probability that each of m runs has the largest mean area, of `areas` (n, m), n > 1 repeats.

    The share of resamples of the repeats, all runs' together, in which it has; runs that tie share it. The resampled means are stretched
    about the means as in `paired_interval`, so that of two runs one is best with 0.975 where the interval of their difference begins at 0.
    """
    repeats = len(areas)
    mean = areas.mean(axis=0)
    means = mean + (_weights(repeats, rng) @ (areas - mean)) * _stretch(repeats)
    won = means >= means.max(axis=1, keepdims=True) - ROUNDING
    return (won / won.sum(axis=1, keepdims=True)).mean(axis=0)


def repeats_needed(differences: np.ndarray) -> int | None:
    """How many repeats a paired t-test at 5 % needs to tell a mean and a spread as those of `differences` (n,) from 0 with a probability of
    80 %: the least n with sqrt(n) |mean| / s >= t(0.975) + t(0.8), n - 1 degrees of freedom. None for 1 repeat, for a mean of 0, and
    beyond MOST_REPEATS."""
    from scipy.special import stdtrit

    mean, repeats = abs(float(differences.mean())), np.arange(2, MOST_REPEATS + 1)
    if len(differences) < 2 or mean < ROUNDING:
        return None
    enough = np.sqrt(repeats) * mean >= differences.std(ddof=1) * (stdtrit(repeats - 1, 0.975) + stdtrit(repeats - 1, 0.8))
    return int(repeats[enough.argmax()]) if enough.any() else None


def _draws(repeats: int, rng: np.random.Generator) -> np.ndarray:
    return rng.integers(repeats, size=(RESAMPLES, repeats))


def _weights(repeats: int, rng: np.random.Generator) -> np.ndarray:
    """float64 (RESAMPLES, n): the share that each repeat has of each resample."""
    places = _draws(repeats, rng) + repeats * np.arange(RESAMPLES)[:, None]
    return np.bincount(places.ravel(), minlength=RESAMPLES * repeats).reshape(RESAMPLES, repeats) / repeats


def _stretch(repeats: int, tail: float = TAIL) -> float:
    """How much wider than the percentiles of resampled means an interval is that leaves out the share `tail` at each end."""
    from scipy.special import ndtri

    return float(np.sqrt(repeats / (repeats - 1)) * _quantile(repeats, tail) / (Z if tail == TAIL else -ndtri(tail)))


def rounded_down(value: float) -> float:
    """The value in two digits that are at most it; 0 for what is not above 0."""
    if value <= 0:
        return 0.0
    digits = 1 - int(np.floor(np.log10(value)))
    return float(round(np.floor(value * 10**digits + ROUNDING) / 10**digits, digits))


def rounded_up(value: float) -> float:
    """The `value` above 0 in two digits that are at least it."""
    digits = 1 - int(np.floor(np.log10(value)))
    return float(round(np.ceil(value * 10**digits - ROUNDING) / 10**digits, digits))


def entropy(counts: np.ndarray) -> float:
    """-sum p log p in nats of the shares p of `counts` (K,); 0 where there is nothing. log K where all classes have as many."""
    shares = counts[counts > 0] / max(1, counts.sum())
    return float(-(shares * np.log(shares)).sum() + 0.0)  # no -0.0


def imbalance_ratio(counts: np.ndarray) -> float:
    """The standard deviation of `counts` (K,) over their mean: 0 where all classes have as many, sqrt(K - 1) where one has all; 0 where
    there is nothing. (ir in Aggarwal et al., Optimizing Active Learning for Low Annotation Budgets, section 5.2.)"""
    mean = counts.mean()
    return float(counts.std() / mean) if mean else 0.0


def rarest(counts: np.ndarray, share: float) -> np.ndarray:
    """Boolean (K,), K > 1: the `share` of classes with the smallest `counts` (K,); at least one, never all.

    The number is rounded; ties go to the smaller position.
    """
    size = min(len(counts) - 1, max(1, round(share * len(counts))))
    mask = np.zeros(len(counts), bool)
    mask[np.argsort(counts, kind="stable")[:size]] = True
    return mask


def _quantile(repeats: int, tail: float = TAIL) -> float:
    """The quantile of Student's t with `repeats` - 1 degrees of freedom above which the share `tail` lies."""
    from scipy.special import stdtrit

    return float(stdtrit(repeats - 1, 1 - tail))
