"""The largest recall whose precision is high enough, and its threshold (TAAL's R@P)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np


@dataclass(frozen=True)
class Cuts:
    """One class's rows from the highest score to the lowest; a cut lies behind each run of equal scores, which cannot be split."""

    order: np.ndarray  # int32 (n,) row of each place
    positive: np.ndarray  # int32 (n,) 1 where the row at this place is of the class
    ends: np.ndarray  # int64 (cuts,) last place above each cut
    scores: np.ndarray  # float64 (cuts,) the score just above each cut, falling


def cuts(positive: np.ndarray, scores: np.ndarray) -> Cuts:
    """All cuts between the distinct `scores` (n,) of rows that are of the class or not (`positive`, boolean (n,)); n > 0."""
    order = np.argsort(-scores.astype(np.float64), kind="stable").astype(np.int32)
    ordered = scores[order].astype(np.float64)
    ends = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)
    return Cuts(order, positive[order].astype(np.int32), ends, ordered[ends])


def required(precision: float, rows: int) -> np.ndarray:
    """int64 (rows + 1,): the fewest positives among 0, 1, … `rows` rows that make their share at least `precision`.

    In whole numbers, `precision` being the decimal fraction as it is written: 18 of 20 reach 0.9, which floats would deny.
    """
    share = Fraction(repr(float(precision)))
    return (-(-np.arange(rows + 1, dtype=object) * share.numerator // share.denominator)).astype(np.int64)


def recall_at_precision(found: Cuts, needed: np.ndarray) -> tuple[int, float]:
    """The most positives above a cut that is precise enough, and a threshold for it: predict the class above the threshold.

    Every cut is looked at, as precision does not fall steadily; among those of equal recall the highest wins. The threshold lies
    strictly between the scores on both sides of the cut, so > and >= mean the same (where no float lies between, it is the lower
    score: use >). (0, infinity) where no cut qualifies: predict no row. `needed` is from `required`, for at least n rows.
    """
    tp = np.cumsum(found.positive)[found.ends]
    best = int(np.argmax(np.where(tp >= needed[found.ends + 1], tp, 0)))  # the first, and so the highest, of equals
    if not tp[best] or tp[best] < needed[found.ends[best] + 1]:
        return 0, np.inf
    above = float(found.scores[best])
    below = float(found.scores[best + 1]) if best + 1 < len(found.scores) else (0.0 if above > 0 else above - 1)
    middle = below + (above - below) / 2
    return int(tp[best]), middle if middle < above else below


def resampled_recalls(found: Cuts, needed: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """float64 (replicates,): the recall at precision of each bootstrap replicate; NaN where it draws no row of the class.

    `weights` int32 (n, replicates) says how often each row was drawn, n times in all. Only the top of the order is looked at: a
    cut with more rows than all the class's positives could make precise enough cannot qualify.
    """
    rows = len(found.order)
    positives = found.positive.nonzero()[0]
    drawn = weights[found.order[positives]].sum(axis=0, dtype=np.int64)
    reach = int(np.searchsorted(needed, drawn.max(initial=0), side="right")) - 1  # the largest cut that could qualify
    top = min(rows, 2 * reach + 64)
    while True:
        taken = weights[found.order[:top]]
        total = np.cumsum(taken, axis=0)
        if top == rows or int(total[-1].min()) > reach:
            break
        top = min(rows, 2 * top)
    ends = found.ends[found.ends < top]
    tp = np.cumsum(taken * found.positive[:top, None], axis=0)[ends]
    best = np.where(tp >= needed[total[ends]], tp, 0).max(axis=0, initial=0)
    return np.where(drawn > 0, best / np.maximum(drawn, 1), np.nan)
