"""Which estimates TAAL's class weights come from. What measures without bias may be too noisy to steer by."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from altool.metrics import gaps
from altool.metrics.evaluation import Evaluation, evaluate
from altool.metrics.gaps import Aims

AUTO, EQUAL = "auto", "equal"
HOLDOUT, EXPLORED, LABELED = SAMPLES = ("holdout", "explored", "labeled")
WEIGHTS_FROM = (AUTO, *SAMPLES, EQUAL)
ENOUGH = 10  # held-out rows of a class that are taken even where it has more drawn labels
SHRINK = 5  # rows of a class that are taken to be missed, so that few rows that happen to be right do not end its service
EVEN = 0.5  # share of `auto` that all classes have alike, so that one whose target is out of reach does not take every label


@dataclass(frozen=True)
class Sample:
    """What a sample of rows says of each class: `value` float64 (K,) of its target's metric, `rows` int64 (K,) of the class in it."""

    value: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, found: Evaluation, aims: Aims) -> Sample:
        return cls(np.array([found.metrics[metric].value[code] for code, metric in enumerate(aims.metrics)], np.float64), found.support)


def sample(true: np.ndarray, probabilities: np.ndarray, aims: Aims) -> Sample:
    """What rows of the classes `true` int64 (n,) with the `probabilities` (n, K) say, n > 0."""
    return Sample.of(evaluate(true, probabilities, aims.at_precision, None), aims)


def wanted(weights_from: str, held: Sample | None) -> Collection[str]:
    """Which samples of out-of-fold predictions are needed, after the held-out rows were measured."""
    if weights_from != AUTO:
        return {weights_from} - {HOLDOUT, EQUAL}
    return () if held is not None and (held.rows >= ENOUGH).all() else (EXPLORED,)


def estimates(samples: Mapping[str, Sample], weights_from: str) -> np.ndarray:
    """float64 (K,): of each class the estimate that its gap is taken from; 0 where none of its rows was measured.

    `holdout`, `explored` and `labeled` take the values of that sample as they are. `auto` takes a class from the held-out rows where
    there are `ENOUGH` of it, or as many as drawn labels, else from these; where neither sample has a row of any class, from all
    labels. The value v of its n rows becomes n v / (n + SHRINK). `samples` has one at least, that of `weights_from` among them.
    """
    if weights_from != AUTO:
        found = samples[weights_from]
        return np.where(found.rows > 0, found.value, 0.0)
    held, drawn = (samples.get(name) for name in (HOLDOUT, EXPLORED))
    if held is not None and drawn is not None:
        taken = held.rows >= np.minimum(drawn.rows, ENOUGH)
        best = Sample(np.where(taken, held.value, drawn.value), np.where(taken, held.rows, drawn.rows))
    else:
        best = held or drawn or samples[LABELED]
    return np.where(best.rows > 0, best.value, 0.0) / (1 + SHRINK / np.maximum(best.rows, 1))


def weights(value: np.ndarray, aims: Aims, weights_from: str) -> np.ndarray:
    """float64 (K,) weight of each class whose estimate is `value` (K,); only proportions matter.

    Of `equal` the priority alone. Of `auto` the share `EVEN` of that, and the rest by `gaps.weights`, as the others have it whole.
    """
    even = np.array(aims.priorities, np.float64)
    own = even if weights_from == EQUAL else gaps.weights(gaps.gap(value, aims.targets), even)
    if weights_from != AUTO or not own.any():
        return own
    return (1 - EVEN) * own / own.sum() + EVEN * even / even.sum()


def steered(samples: Mapping[str, Sample], aims: Aims, weights_from: str) -> np.ndarray:
    """`weights` by the `estimates` of the samples; without any sample every class is at 0."""
    value = estimates(samples, weights_from) if samples and weights_from != EQUAL else np.zeros(len(aims.metrics))
    return weights(value, aims, weights_from)
