"""The annotator of a simulation: knows the truth, and may err, skip and take time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from altool.labels.consensus import codes, resolve
from altool.metrics import cost
from altool.tables.schema import KINDS

SKIPPED = -1


def answers(
    truth: np.ndarray, classes: int, noise: float | np.ndarray, skip: float, annotators: int, rng: np.random.Generator
) -> np.ndarray:
    """int64 (n, annotators): what each annotator would answer to each row of `truth` (n,), -1 for a skip.

    `noise` is the share of answers that are another class, drawn uniformly, or (K, K) shares of the answers to each true class. All rows
    are answered at once, so that a row's answers depend neither on who asks nor when; more noise errs in the same rows and others.
    """
    size = (len(truth), annotators)
    toss, other, bored = rng.random(size), rng.random(size), rng.random(size)
    if isinstance(noise, np.ndarray):
        given = np.empty(size, np.int64)
        for class_ in np.unique(truth):
            rows = truth == class_
            steps = np.cumsum(np.roll(noise[class_], -class_))  # the right answer first: more noise, more errors
            given[rows] = (class_ + np.searchsorted(steps / steps[-1], toss[rows], side="right").clip(max=classes - 1)) % classes
    else:
        wrong = (truth[:, None] + 1 + (other * (classes - 1)).astype(np.int64)) % classes
        given = np.where(toss < 1 - noise, truth[:, None], wrong)
    return np.where(bored < skip, SKIPPED, given)


def agreed(given: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """int64 (m,): the label of each row of `given` (m, annotators), -1 where all skipped; decided as in a real label log."""
    rows, annotators = given.shape
    label = pa.array(np.array([*names, None], object)[given.ravel()], pa.string())  # -1 is the last
    columns = {
        "id": pa.array(np.repeat(np.arange(rows), annotators)),
        "label": label,
        "status": pa.array(np.where(given.ravel() == SKIPPED, "skipped", "labeled")),
        "annotator": pa.array(np.tile(np.arange(annotators), rows)).cast(pa.string()),
    }
    count = rows * annotators
    log = pa.table({name: columns.get(name, pa.nulls(count, type_)) for name, type_ in KINDS["labels"].columns.items()})
    return codes(resolve(log).table, tuple(names))


def counts(given: np.ndarray, suggested: np.ndarray | None) -> np.ndarray:
    """int64 (3,): how many of these answers (m, annotators) were of each of metrics.cost.KINDS, where `suggested` (m,) was suggested."""
    shown = np.full(len(given), cost.NONE) if suggested is None else suggested
    return np.bincount(cost.kinds(given, shown[:, None]).ravel(), minlength=len(cost.KINDS))
