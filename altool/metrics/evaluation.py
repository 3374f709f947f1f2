"""Per-class and overall metrics with 95 % intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from altool.metrics.gaps import Aims, shortfall
from altool.metrics.intervals import wilson, wilson_f1
from altool.metrics.recall_at_precision import Cuts, cuts, recall_at_precision, required, resampled_recalls

SPECIFICITY = "specificity"
REPLICATES = (200, 1000)  # at least and at most; in between as many as make DRAWS
DRAWS = 20_000_000  # rows drawn in all
CHUNK = 1 << 22  # draws held at once


@dataclass(frozen=True)
class Estimates:
    """A metric of every class: float64 (K,) each, in [0, 1], low <= value <= high."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found. `metrics` and `overall` are by name; `threshold` float64 (K,) belongs to recall_at_precision."""

    rows: int
    support: np.ndarray  # int64 (K,) measured rows that are of the class
    predicted: np.ndarray  # int64 (n,) class with the largest probability
    metrics: dict[str, Estimates]
    threshold: np.ndarray
    overall: dict[str, tuple[float, float, float]]


def evaluate(
    true: np.ndarray,
    probabilities: np.ndarray,
    at_precision: Sequence[float],
    rng: np.random.Generator | None,
    aims: Aims | None = None,
) -> Evaluation:
    """Measure predictions against the truth, each class against the rest.

    `true` int64 (n,) class numbers, `probabilities` float (n, K), n and K > 0, `at_precision` the K precisions at which recall is
    taken. The predicted class has the largest probability; ties go to the smaller number. A class without a measured row has no
    estimate: every metric of it is 0, from 0 to 1, so it counts as the furthest from its target; a precision without predictions is
    also 0. The macro metrics are means over all K classes. With `aims` the overall metrics have the shortfall, too: the mean of
    max(target - value, 0) over the classes with a priority; lower is better. Where one of them is on SPECIFICITY, all classes have it: the
    share of the rows of other classes that are not predicted as the class, one less the false positive rate.

    Intervals: Wilson for the shares (precision, recall, accuracy); for F1 see `wilson_f1`. Recall at precision: the threshold is
    chosen on the rows that are measured, and that choice is uncertain too, which no formula for shares accounts for. So rows are drawn
    again (percentile bootstrap, 200 to 1,000 replicates, all classes on the same draws), widened to the Wilson interval at the
    chosen threshold: with a few positives all found, every replicate agrees, which proves nothing. The macro metrics: the same
    draws; a class that a replicate misses is left out of it. Without `rng` nothing is drawn: the intervals of recall at precision
    are Wilson's alone, and the macro metrics have none (NaN).
    """
    rows, width = probabilities.shape
    predicted = probabilities.argmax(axis=1)
    support, called, tp = _counts(true, predicted, width)
    known = support > 0
    metrics = {}
    for name, (part, whole) in _shares(rows, support, called, tp).items():
        if name == SPECIFICITY and (aims is None or SPECIFICITY not in aims.metrics):
            continue
        low, high = wilson_f1(tp, support + called - tp) if name == "f1" else wilson(part, whole)
        metrics[name] = _known(part / np.maximum(whole, 1), low, high, known)

    orders: list[Cuts | None] = [cuts(true == code, probabilities[:, code]) if known[code] else None for code in range(width)]
    needed = {share: required(share, rows) for share in dict.fromkeys(at_precision)}
    found, threshold = np.zeros(width, np.int64), np.full(width, np.inf)
    for code, order in enumerate(orders):
        if order is not None:
            found[code], threshold[code] = recall_at_precision(order, needed[at_precision[code]])
    low, high = wilson(found, support)
    value = found / np.maximum(support, 1)
    macro = None
    if rng is not None:
        recalls, macro = _bootstrap(true, predicted, orders, [needed[share] for share in at_precision], rng, aims)
        drawn_low, drawn_high = _percentiles(recalls, value)
        low, high = np.minimum(low, drawn_low), np.maximum(high, drawn_high)
    metrics["recall_at_precision"] = _known(value, low, high, known)

    correct = int(tp.sum())
    low, high = wilson(np.array(correct), np.array(rows))
    overall = {"accuracy": (correct / rows, float(low), float(high))}
    means = {f"macro_{name}": metrics[name].value.mean(keepdims=True) for name in ("f1", "recall")}
    if aims is not None:
        own = np.array([metrics[metric].value[code] for code, metric in enumerate(aims.metrics)])
        means["shortfall"] = shortfall(own[None], aims)
    for place, (name, mean) in enumerate(means.items()):
        low, high = _percentiles(macro[:, [place]], mean) if macro is not None else np.full((2, 1), np.nan)
        overall[name] = (float(mean[0]), float(low[0]), float(high[0]))
    return Evaluation(rows, support, predicted, metrics, threshold, overall)


def _counts(true: np.ndarray, predicted: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """int64 (K,) each: rows of the class, rows predicted as it, rows that are both."""
    return (
        np.bincount(true, minlength=width),
        np.bincount(predicted, minlength=width),
        np.bincount(true[true == predicted], minlength=width),
    )


def _shares(rows: int, support: np.ndarray, called: np.ndarray, tp: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Each metric of counts (…, K) as two counts, the part and the whole."""
    return {
        "f1": (2 * tp, support + called),  # one division: 0.9 comes out as the float that 0.9 is
        "recall": (tp, support),
        "precision": (tp, called),
        "accuracy": (rows - support - called + 2 * tp, np.full_like(tp, rows)),
        SPECIFICITY: (rows - support - called + tp, rows - support),
    }


def _known(value: np.ndarray, low: np.ndarray, high: np.ndarray, known: np.ndarray) -> Estimates:
    return Estimates(np.where(known, value, 0.0), np.where(known, low, 0.0), np.where(known, high, 1.0))


def _percentiles(draws: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The middle 95 % of each column of `draws`, NaN aside, stretched to hold `value`."""
    draws = np.where(np.isnan(draws).all(axis=0), value, draws)
    low, high = np.nanquantile(draws, [0.025, 0.975], axis=0)
    return np.minimum(low, value), np.maximum(high, value)


def _bootstrap(
    true: np.ndarray,
    predicted: np.ndarray,
    orders: Sequence[Cuts | None],
    needed: Sequence[np.ndarray],
    rng: np.random.Generator,
    aims: Aims | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the rows again and again: recall at precision (replicates, K), and macro-F1, macro recall and shortfall (replicates, 3),
    which is NaN without `aims`."""
    rows, width = len(true), len(orders)
    replicates = int(np.clip(DRAWS // rows, *REPLICATES))
    step = max(1, CHUNK // rows)
    known = np.array([order is not None for order in orders])
    recalls = np.full((replicates, width), np.nan)
    macro = np.full((replicates, 3), np.nan)
    hits = np.where(true == predicted, true, width)  # misses go to a class of their own
    for start in range(0, replicates, step):
        size = min(step, replicates - start)
        draws = rng.integers(rows, size=(size, rows))
        weights = np.ascontiguousarray(_tally(draws, rows).T.astype(np.int32))
        for code, order in enumerate(orders):
            if order is not None:
                recalls[start : start + size, code] = resampled_recalls(order, needed[code], weights)
        support, called, tp = _tally(true[draws], width), _tally(predicted[draws], width), _tally(hits[draws], width + 1)[:, :width]
        share = known.mean() / np.maximum((support > 0).sum(axis=1), 1)
        macro[start : start + size, 0] = np.where(support > 0, 2 * tp / np.maximum(support + called, 1), 0).sum(axis=1) * share
        macro[start : start + size, 1] = (tp / np.maximum(support, 1)).sum(axis=1) * share
        if aims is not None:
            drawn = {name: part / np.maximum(whole, 1) for name, (part, whole) in _shares(rows, support, called, tp).items()}
            drawn["recall_at_precision"] = recalls[start : start + size]
            own = np.stack([drawn[metric][:, code] for code, metric in enumerate(aims.metrics)], axis=1)
            macro[start : start + size, 2] = shortfall(np.where(known, np.where(support > 0, own, np.nan), 0.0), aims)
    return recalls, macro


def _tally(codes: np.ndarray, width: int) -> np.ndarray:
    """int64 (m, width): how often each code occurs in each row of `codes` (m, n)."""
    shifted = codes + width * np.arange(len(codes))[:, None]
    return np.bincount(shifted.ravel(), minlength=len(codes) * width).reshape(len(codes), width)
