"""Recall of classes that are decided by thresholds of their own, found on other rows than those that are measured (TAAL, 3.5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from altool.metrics.evaluation import Estimates, Evaluation, evaluate
from altool.metrics.intervals import wilson

CLASS, MACRO = "decided_recall", "macro_decided_recall"


def thresholds(true: np.ndarray, probabilities: np.ndarray, at_precision: Sequence[float]) -> np.ndarray:
    """float64 (K,): of each class the threshold above which most of its rows are found, at its precision or more; infinity where none is
    precise enough. `true` int64 (n,) and out-of-fold `probabilities` float (n, K), n > 0."""
    return evaluate(true, probabilities, at_precision, None).threshold


def measured(
    found: Evaluation, true: np.ndarray, probabilities: np.ndarray, threshold: np.ndarray, priorities: np.ndarray | None
) -> Evaluation:
    """What was `found` of the rows with class numbers `true` int64 (n,) and `probabilities` float (n, K), with CLASS, the share of each
    class's rows whose probability is higher than its `threshold` (K,), and MACRO, its mean over the classes of interest.

    These are the ones with `priorities` (K,) above 0, without them all. A class without a row has a recall of 0, from 0 to 1, and so has
    one whose threshold is infinite.
    """
    width = len(threshold)
    above = probabilities[np.arange(len(true)), true] > threshold[true]
    hits = np.bincount(true[above], minlength=width)
    low, high = wilson(hits, found.support)
    recall = hits / np.maximum(found.support, 1)
    counted = priorities > 0 if priorities is not None and (priorities > 0).any() else np.ones(width, bool)
    overall = {**found.overall, MACRO: (float(recall[counted].mean()), np.nan, np.nan)}
    return replace(found, metrics={**found.metrics, CLASS: Estimates(recall, low, high)}, overall=overall)
