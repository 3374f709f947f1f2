"""95 % intervals of shares."""

from __future__ import annotations

import numpy as np

Z = 1.959963984540054  # the normal distribution's 97.5 % quantile


def wilson(successes: np.ndarray, trials: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Wilson score interval of `successes` out of `trials` (int arrays of one shape): float64 low and high; (0, 1) without trials.

    It keeps its coverage where labeling starts, with a handful of rows and shares near 0 or 1, where the normal interval shrinks to
    a point. It always holds the share itself. (Wilson 1927; Brown, Cai, DasGupta 2001.)
    """
    n = np.maximum(np.asarray(trials, np.float64), 1)
    share = np.asarray(successes, np.float64) / n
    center = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    known = np.asarray(trials) > 0
    low = np.where(known, np.clip(np.minimum(center - half, share), 0, 1), 0.0)
    high = np.where(known, np.clip(np.maximum(center + half, share), 0, 1), 1.0)
    # rounding must not move the ends that are exact
    return np.where(share == 0, 0.0, low), np.where(known & (share < 1), high, 1.0)


def wilson_f1(tp: np.ndarray, union: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Interval of F1 from `tp` and `union` = tp + fp + fn: low and high as in `wilson`.

    F1 is no share of rows, so Wilson does not apply to it; but J = tp / (tp + fp + fn) is one (of the rows that are of the class or
    predicted as it, those that are both), and F1 = 2J / (1 + J) rises with J. So the interval of J, mapped, is one of F1.
    """
    low, high = wilson(tp, union)
    return 2 * low / (1 + low), 2 * high / (1 + high)
