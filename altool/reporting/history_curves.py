"""Means over the repeats of a run, with what they are between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from altool.metrics import learning_curves

Line = tuple[np.ndarray, np.ndarray]  # a curve of one repeat: the labels and the values, (R,) each


@dataclass(frozen=True)
class Interval:
    """A mean over repeats: from 3 on with Student's 95 % interval, of 2 with the smaller and the larger, of 1 alone."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Curve:
    """The mean over repeats at each count of labels, and its band as in `Interval`."""

    labels: list[int]
    value: list[float]
    low: list[float] | None
    high: list[float] | None


def interval(values: Sequence[float] | np.ndarray, bounds: tuple[float, float] = (-np.inf, np.inf)) -> Interval:
    """The mean of one value per repeat."""
    mean, low, high = (float(part) for part in learning_curves.spread(np.asarray(values, np.float64), bounds))
    return Interval(mean, None if np.isnan(low) else low, None if np.isnan(high) else high)


def mean_curve(labels: Sequence[np.ndarray], values: Sequence[np.ndarray], top: float = 1.0) -> Curve:
    """The mean of curves with values from 0 to `top`: `labels` and `values` (R,) per repeat."""
    return mean_curves(labels, [one[:, None] for one in values], top)[0]


def mean_curves(labels: Sequence[np.ndarray], values: Sequence[np.ndarray], top: float = 1.0) -> list[Curve]:
    """The mean curve of each column of `values`, (R, K) per repeat."""
    grid = learning_curves.union(labels)
    mean, low, high = learning_curves.spread(
        np.stack([learning_curves.resample(x, y, grid) for x, y in zip(labels, values, strict=True)]), (0, top)
    )
    alone = len(labels) == 1
    return [
        Curve(grid.tolist(), mean[:, k].tolist(), None if alone else low[:, k].tolist(), None if alone else high[:, k].tolist())
        for k in range(mean.shape[1])
    ]


def less_curve(pairs: Sequence[tuple[Line, Line]], rng: np.random.Generator) -> Curve:
    """How many points the first curve of each of the `pairs`, one per repeat, lies above the second, with a paired bootstrap interval at
    each count of labels by itself: at those counts of the second curves that all cover, or without any at the ends of what they do. Raises
    ValueError where they cover none."""
    first, last = learning_curves.common([labels for pair in pairs for labels, _ in pair])
    counts = np.unique(np.concatenate([labels for _, (labels, _) in pairs]))
    inside = counts[(counts >= first) & (counts <= last)]
    grid = inside if len(inside) else np.unique([first, last])
    own, other = (np.stack([learning_curves.resample(*pair[place], grid) for pair in pairs]) for place in (0, 1))
    mean, low, high = learning_curves.paired_intervals(100 * (own - other), rng)
    alone = len(pairs) == 1
    return Curve(grid.tolist(), mean.tolist(), None if alone else low.tolist(), None if alone else high.tolist())
