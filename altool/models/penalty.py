"""How strongly `logistic` is penalised: the C of its L2 penalty, from predictions out of fold.

What is compared is the Brier score, as the mean over classes of the mean of their rows. The log-loss would do for classes of one size; on
a long tail a few rows of small classes that are surely wrong decide it, and the penalty that it takes hides these classes.

The fits of the folds only have to tell a few values of C apart. So they are made here, in float32, along one path from the strongest
penalty to the weakest, each going on from the one before: the 18 fits of 1,000 rows of 512 numbers and 100 classes take one and a half
times as long as scikit-learn's one in the end. Each step of scipy's L-BFGS-B, which works on float64 copies, takes 2.5 times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from altool import seeds
from altool.models import cross_validation, folds
from altool.models.chosen import Chosen

GRID = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
USUAL = 1.0  # taken unless the labels speak against it
FOLDS, FEWEST = 3, 5  # with fewer labels a class on average than that, what is measured out of fold is noise
ERRORS = 2.0  # standard errors by which another C must be better
STEPS, PAIRS = 20, 5  # of L-BFGS, for each C
CLOSE = 2e-3  # largest entry of a gradient at which it ends


def choose(x: np.ndarray, labels: np.ndarray, balance: str, seed: int) -> Chosen:
    """The C in `GRID` for scaled features `x` float (n, D) of class numbers `labels` int64 (n,) without gaps.

    Each of three folds is predicted by a model of the others, with `balance` as in `logistic.fit`. Of the C whose score is within two
    standard errors of the best one, by the differences row by row, the nearest to `USUAL` is taken, so that it does not jump from round
    to round (the rule of one standard error: Breiman et al. 1984). Rows whose class has no label in the other folds do not count.
    """
    rows = cross_validation.sample(labels, seed)
    x, labels = x[rows].astype(np.float32), np.unique(labels[rows], return_inverse=True)[1]
    if len(labels) < FEWEST * (labels.max() + 1):
        return Chosen({"c": USUAL}, f"fewer than {FEWEST} labels a class are too few to choose it", {})
    fold = folds.assign(labels, FOLDS, seeds.integer(seed, "logistic", "folds"))
    losses = np.full((len(GRID), len(labels)), np.nan)
    for number in range(FOLDS):
        trained, codes = np.unique(labels[fold != number], return_inverse=True)
        held = np.flatnonzero((fold == number) & np.isin(labels, trained))
        truth = np.searchsorted(trained, labels[held])[:, None] == np.arange(len(trained))
        shares = np.bincount(codes) / len(codes) if balance == "prior" else np.ones(len(trained))
        for place, w in enumerate(path(x[fold != number], codes, cross_validation.row_weights(codes, balance))):
            logits = x[held] @ w[:-1] + w[-1] - np.log(shares)
            powers = np.exp(logits - logits.max(axis=1, keepdims=True))
            losses[place, held] = ((powers / powers.sum(axis=1, keepdims=True) - truth) ** 2).sum(axis=1)
    counts = ~np.isnan(losses[0])
    losses, labels = losses[:, counts], labels[counts]
    sizes = np.bincount(labels)
    share = 1 / (np.count_nonzero(sizes) * sizes[labels])  # of each row in the mean over the classes
    scores = losses @ share
    c = GRID[pick(losses, share)]
    measured = {f"{c:g}": float(f"{score:.4g}") for c, score in zip(GRID, scores, strict=True)}
    found = f"Brier score out of fold {measured[f'{c:g}']:.3f}"
    if c != USUAL:
        return Chosen({"c": c}, f"{found}, {measured[f'{USUAL:g}']:.3f} with {USUAL:g}", measured)
    return Chosen({"c": c}, f"{found}, and no other C is clearly better", measured)


def pick(losses: np.ndarray, share: np.ndarray) -> int:
    """The place in `GRID` of the C to take, by the `losses` float64 (len(GRID), n) of rows that weigh `share` (n,), of sum 1."""
    scores = losses @ share
    worse = losses - losses[scores.argmin()]
    means = worse @ share
    level = means <= ERRORS * np.sqrt((worse - means[:, None]) ** 2 @ share**2)
    return int(np.where(level, np.abs(np.log(np.array(GRID) / USUAL)), np.inf).argmin())


def path(x: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> Iterator[np.ndarray]:
    """For each C in `GRID` float32 (D + 1, k), the weights and, last, the biases of the softmax of `x` float32 (n, D), whose class numbers
    `codes` int64 (n,) have no gaps; rows weigh `weights` float64 (n,), of mean 1. They are near the best ones."""
    rows, width = x.shape
    row = np.arange(rows)
    share = (weights / rows).astype(np.float32)[:, None]

    def loss(penalty: np.float32, w: np.ndarray) -> tuple[float, np.ndarray]:
        values = x @ w[:-1] + w[-1]
        values -= values.max(axis=1, keepdims=True)
        own = values[row, codes]
        np.exp(values, out=values)
        sums = values.sum(axis=1, keepdims=True)
        value = np.vdot(share, np.log(sums) - own[:, None]) + penalty / 2 * np.vdot(w[:-1], w[:-1])
        values /= sums
        values[row, codes] -= 1
        values *= share
        gradient = np.concatenate([x.T @ values, values.sum(axis=0, keepdims=True)])
        gradient[:-1] += penalty * w[:-1]
        return float(value), gradient

    w = np.zeros((width + 1, int(codes.max()) + 1), np.float32)
    vectors = 2 if w.shape[1] == 2 else 1  # scikit-learn keeps one for two classes: that of -w/2 and w/2 has half the penalty
    for c in GRID:
        w = _descend(partial(loss, np.float32(vectors / (c * rows))), w)
        yield w


def _descend(function: Callable[[np.ndarray], tuple[float, np.ndarray]], w: np.ndarray) -> np.ndarray:
    """`w` after some steps of L-BFGS (Liu and Nocedal 1989) down a convex `function`, which returns its value and gradient."""
    value, gradient = function(w)
    pairs: list[tuple[np.ndarray, np.ndarray, float]] = []
    for _ in range(STEPS):
        if np.abs(gradient).max() <= CLOSE:
            break
        direction, products = -gradient, []
        for moved, turned, curve in reversed(pairs):
            products.append(np.vdot(moved, direction) / curve)
            direction -= products[-1] * turned
        direction *= pairs[-1][2] / np.vdot(pairs[-1][1], pairs[-1][1]) if pairs else 1 / np.linalg.norm(gradient)
        for (moved, turned, curve), product in zip(pairs, reversed(products), strict=True):
            direction += (product - np.vdot(turned, direction) / curve) * moved
        slope, length = float(np.vdot(gradient, direction)), 1.0
        while True:
            step = np.float32(length) * direction
            there, gradient_there = function(w + step)
            if there <= value + 1e-4 * length * slope:
                break
            length /= 2
            if length < 1e-6:  # as low as float32 can tell
                return w
        turn = gradient_there - gradient
        if (curve := float(np.vdot(step, turn))) > 0:
            pairs = [*pairs[1 - PAIRS :], (step, turn, curve)]
        w, value, gradient = w + step, there, gradient_there
    return w
