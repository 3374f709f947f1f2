"""BASE (Emam et al. 2021): for every class in turn, the rows nearest to its boundaries."""

from __future__ import annotations

import numpy as np

from altool.errors import InputError
from altool.kernels.blocks import BLOCK, Matrix, double, host, like, walk
from altool.kernels.top import top
from altool.strategies.registry import Strategy

DISTANCES = 2**18  # rows x classes at a time: 2 MB


def pick(features: Matrix, head: tuple[np.ndarray, np.ndarray], count: int) -> np.ndarray:
    """`count` of the rows of `features` (n, D), as many for every class of the linear `head`: weights (K, D) and bias (K,).

    The distance of a row to the boundary between its class a (the largest logit) and c is (z_a - z_c) / |w_a - w_c|, infinite where the
    weights are the same. Class after class takes floor(count / K) rows, the first count mod K one more: of those nobody has taken
    the ones with the smallest distance to (a, c), or to the nearest boundary where c is a; ties by position. Returns int64
    (min(count, n),): the first of every class, the second of every class, and so on. Raises InputError for one class.
    """
    weights, bias = (part.astype(np.float64) for part in head)
    classes = len(bias)
    if classes < 2:
        raise InputError("model: base needs the boundary between two classes, and there is one", "use random, or train with more classes")
    count = min(max(count, 0), len(features))
    budgets = count // classes + (np.arange(classes) < count % classes)
    best = _nearest(features, weights, bias, np.cumsum(budgets))
    taken = np.zeros(len(features), bool)
    chosen = []
    for positions, budget in zip(best, budgets, strict=True):
        free = positions[~taken[positions]][:budget]
        taken[free] = True
        if len(free) < budget:  # all finite distances are in the list: the rest is at infinity
            free = np.concatenate([free, np.flatnonzero(~taken)[: budget - len(free)]])
            taken[free] = True
        chosen.append(free)
    order = np.lexsort((np.repeat(np.arange(classes), budgets), np.concatenate([np.arange(budget) for budget in budgets])))
    return np.concatenate(chosen)[order].astype(np.int64)


def _nearest(features: Matrix, weights: np.ndarray, bias: np.ndarray, wanted: np.ndarray) -> list[np.ndarray]:
    """Per class the positions of the `wanted` (K,) rows of smallest finite distance, or of all that have one; ties by position.

    One pass, in float64: near a boundary a logit is the difference of nearly equal numbers. What beats a class's list waits until there
    is as much of it as in the lists.
    """
    classes = len(bias)
    table, gaps = like(np.ascontiguousarray(weights.T), features), _gaps(weights)
    limits = np.full(classes, np.inf)
    best = [(np.empty(0), np.empty(0, np.int64)) for _ in range(classes)]
    waiting: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def work(part: slice, block: Matrix) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        wide = double(block)
        logits = host(wide @ table) + bias
        rows, predicted = np.arange(len(logits)), logits.argmax(axis=1)
        distances = logits[rows, predicted, None] - logits
        distances /= gaps[predicted]
        distances[rows, predicted] = np.fmin.reduce(distances, axis=1)
        row, column = np.nonzero(distances < limits)  # lists are in order of positions: a later row as far as the last is no better
        return row + part.start, column, distances[row, column]

    def settle() -> None:
        positions, numbers, scores = (np.concatenate(arrays) for arrays in zip(*waiting, strict=True))
        order = np.argsort(numbers, kind="stable")
        ends = np.cumsum(np.bincount(numbers, minlength=classes))[:-1]
        for number, found in enumerate(np.split(order, ends)):
            scores_, positions_ = (np.concatenate(pair) for pair in zip(best[number], (scores[found], positions[found]), strict=True))
            kept = top(-scores_, int(wanted[number]))
            best[number] = scores_[kept], positions_[kept]
            if len(kept) == wanted[number]:
                limits[number] = scores_[kept[-1]] if len(kept) else -np.inf
        waiting.clear()

    for found in walk(work, features, rows=min(BLOCK, max(1, DISTANCES // classes))):
        waiting.append(found)
        if sum(len(rows) for rows, _, _ in waiting) >= max(wanted.sum(), DISTANCES):
            settle()
    if waiting:
        settle()
    return [positions for _, positions in best]


def _gaps(weights: np.ndarray) -> np.ndarray:
    """|w_a - w_c|, float64 (K, K); NaN where they are the same: no distance over that is smaller than another."""
    gaps = np.stack([np.sqrt(((weights - row) ** 2).sum(axis=1)) for row in weights])
    gaps[gaps == 0] = np.nan
    return gaps


STRATEGY = Strategy(
    name="base",
    shape="pick",
    function=pick,
    takes=("features", "head", "count"),
    summary="for every class in turn, the rows nearest to its boundaries",
    paper="Emam et al. 2021",
)
