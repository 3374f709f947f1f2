"""When to stop: what the labels still bring, and whether the predictions still change (docs/algorithms.md, "When to stop").

Both are of rounds, oldest first. What is measured is measured on one random holdout; neither the accuracy on rows that a strategy chose nor
the model's confidence says when to stop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ROUNDS = 5  # that the slope is of: the last, or as many more as have at least half of the labels
LEAST = 3  # rounds of which a slope has an error
SLOPE = 0.03  # a doubling of the labels: below it they bring little
AGREEMENTS = 3  # the last rounds whose agreement counts
STABLE = 0.90  # their mean
LABELS = 10  # a class, on average: with fewer, a model that predicts the large classes alone looks as if it had learned all there is
CHANGING = 0.95  # an agreement below it: predictions still change
GROWTH = 1.4  # times as many labels as the round that the predictions are compared with, at least: nearer ones agree whatever is learned


@dataclass(frozen=True)
class Gain:
    """The least-squares `slope` of the metric a doubling of the labels, with its standard `error`, over the last `rounds`, whose labels
    were `first` to `last`. The metric is a share; it is at `value` now."""

    slope: float
    error: float
    rounds: int
    first: int
    last: int
    value: float

    def next(self, labels: int = 100) -> tuple[float, float, float]:
        """What so many labels more bring if it goes on like this, and the same at the slope less and plus 2 standard errors; no more than
        what is left above `value`."""
        doublings = float(np.log2((self.last + labels) / self.last))
        slopes = self.slope, self.slope - 2 * self.error, self.slope + 2 * self.error
        gains = [min(slope * doublings, 1 - self.value) for slope in slopes]
        return gains[0], gains[1], gains[2]


def gain(labels: Sequence[int], values: Sequence[float]) -> Gain | None:
    """The gain of the metric's `values` (R,) at `labels` (R,), oldest first; None for fewer than 3 different numbers of labels
    above 0.

    Of rounds with equally many labels the last counts. Rounds that are small beside what is labeled differ by chance alone: where the
    last 5 span less than a doubling, all rounds with at least half of the labels count.
    """
    last = {number: value for number, value in zip(labels, values, strict=True) if number > 0}
    counts = np.array(sorted(last), np.int64)
    counts = counts[min(max(0, len(counts) - ROUNDS), int(np.searchsorted(counts, counts[-1:] / 2)[0]) if len(counts) else 0) :]
    if len(counts) < LEAST:
        return None
    x, y = np.log2(counts), np.array([last[number] for number in counts.tolist()])
    centered = x - x.mean()
    slope = float(centered @ y / (centered @ centered))
    rest = y - y.mean() - slope * centered
    error = float(np.sqrt(rest @ rest / (len(x) - 2) / (centered @ centered)))
    return Gain(slope, error, len(counts), int(counts[0]), int(counts[-1]), float(y[-1]))


def stop(found: Gain | None, agreements: Sequence[float], classes: int) -> bool:
    """Is it time to stop? The metric rises by less than 3 points a doubling of the labels, over 5 rounds that span a doubling at least, and
    the predictions are stable: the mean of the last 3 `agreements`, this round's the last, is 0.90 or more. Never below 10 labels a class
    of the `classes`, on average."""
    if (
        found is None
        or found.last < LABELS * classes
        or found.rounds < ROUNDS
        or 2 * found.first > found.last
        or len(agreements) < AGREEMENTS
    ):
        return False
    return found.slope < SLOPE and float(np.mean(agreements[-AGREEMENTS:])) >= STABLE


def comparable(labels: Sequence[int], now: int) -> int | None:
    """Which of the earlier rounds with `labels` (R,) this round's predictions are compared with, at `now` labels: the last that had at most
    now / 1.4; None where none had."""
    return next((place for place in reversed(range(len(labels))) if labels[place] * GROWTH <= now), None)


def kappa(now: np.ndarray, before: np.ndarray) -> float:
    """Cohen's kappa of two predictions of the same rows, int (n,) class numbers, n > 0: how much more often they agree than by chance; 1
    where both have one class for all rows."""
    width = int(max(now.max(), before.max())) + 1
    agreed = float((now == before).mean())
    chance = float(np.bincount(now, minlength=width) @ np.bincount(before, minlength=width) / len(now) ** 2)
    return 1.0 if chance == 1 else (agreed - chance) / (1 - chance)
