"""The cost C of a support vector machine, and what makes probabilities of its decisions, both from predictions out of fold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from altool import seeds
from altool.models import folds

LEAST = 0.01  # weight of the first score: labels out of fold that say nothing leave its order
ROWS = 5000  # of more labels, a stratified sample of about so many is cross-validated

Decide = Callable[[float, np.ndarray, np.ndarray], tuple[np.ndarray, bool]]


@dataclass(frozen=True)
class Choice:
    """The cost, and the weight of each score (float64 (m,)): softmax(scores @ weights) are the probabilities.

    With `balance` prior it is softmax(scores @ weights + prior * log shares), where `shares` are the classes' of the labels.
    """

    c: float
    weights: np.ndarray
    prior: float = 0.0

    def taken_off(self, shares: np.ndarray) -> np.ndarray:
        """float64 (k,): what dividing the probabilities by the shares takes off scores @ weights."""
        return (1 - self.prior) * np.log(shares)


def fixed(c: float | str) -> float | None:
    """The cost that is given; None where it is `auto`."""
    return None if c == "auto" else float(c)


def row_weights(labels: np.ndarray, balance: str) -> np.ndarray:
    """float64 (n,), of mean 1: all the same, or with `class-weight` such that every class has the same sum."""
    counts = np.bincount(labels)
    return len(labels) / np.count_nonzero(counts) / counts[labels] if balance == "class-weight" else np.ones(len(labels))


def sample(labels: np.ndarray, seed: int) -> np.ndarray:
    """Positions of the rows that are cross-validated: all up to `ROWS`, else a part that is stratified over the classes."""
    parts = -(-len(labels) // ROWS)
    if parts == 1 or np.bincount(labels).max() == 1:
        return np.arange(len(labels))
    return np.flatnonzero(folds.assign(labels, parts, seeds.integer(seed, "cross-validation", "sample")) == 0)


def choose(costs: Sequence[float], labels: np.ndarray, balance: str, seed: int, count: int, decide: Decide) -> Choice | None:
    """Of `costs` (rising) the one whose calibrated probabilities of rows out of fold have the smallest log-loss, with the calibration.

    `labels` int64 (n,) are class numbers without gaps, `count` the folds. `decide(c, train, held)` takes two masks, fits on the one and
    returns for the rows of the other float64 (h, k, m) scores, k being the classes of the training rows, in order; and whether c
    bounded the fit, without which a larger one changes nothing. With `balance` prior, the logarithms of the classes' shares are one score
    more, of a weight of at most 1: scores that say little would give probabilities that are all alike, which, divided by the shares, would
    make the rarest class the likeliest of every row. Rows whose class has no label in the other folds say nothing about a
    model that knows their class, and are left out. None where no row is left, as with one label per class.
    """
    try:
        fold = folds.assign(labels, count, seeds.integer(seed, "cross-validation"))
    except ValueError:
        return None
    weights = row_weights(labels, balance)
    width = int(labels.max()) + 1
    priors = np.log(np.bincount(labels) / len(labels)) if balance == "prior" else None
    best, least = None, np.inf
    for c in costs:
        scores: np.ndarray | None = None
        known = np.zeros((len(labels), width), bool)
        bounded = False
        for number in range(int(fold.max()) + 1):
            held = fold == number
            classes = np.unique(labels[~held])
            if len(classes) < 2:
                continue
            found, at_bound = decide(c, ~held, held)
            if scores is None:
                scores = np.zeros((*known.shape, found.shape[2]))
            scores[np.ix_(held, classes)] = found
            known[np.ix_(held, classes)] = True
            bounded |= at_bound
        rows = known[np.arange(len(labels)), labels]
        if scores is None or not rows.any():
            return None
        found, prior, loss = calibrate(scores[rows], known[rows], labels[rows], weights[rows], priors)
        if loss < least:
            best, least = Choice(float(c), found, prior), loss
        if not bounded:
            break
    return best


def calibrate(
    scores: np.ndarray, known: np.ndarray, labels: np.ndarray, row_weights: np.ndarray, priors: np.ndarray | None = None
) -> tuple[np.ndarray, float, float]:
    """The weights float64 (m,) and w, of which softmax(scores @ weights + w * priors) has the smallest log-loss; and that loss.

    `scores` float64 (n, k, m); only where `known` (n, k) do classes count; `labels` int64 (n,). The first weight is at least `LEAST`, none
    is below 0; w is between 0 and 1, and 0 without `priors` float64 (k,). One number per score and none per class, which a few labels
    cannot estimate (temperature scaling: Guo et al. 2017). One more row, of which no class is known, keeps labels that the scores tell
    apart from certainty, as the targets of Platt (1999) do.
    """
    from scipy.optimize import minimize

    size = scores.shape[2]
    bounds: list[tuple[float, float | None]] = [(LEAST, None), *[(0, None)] * (size - 1)]
    if priors is not None:
        scores = np.concatenate([scores, np.broadcast_to(priors[:, None], (*known.shape, 1))], axis=2)
        bounds.append((0, 1))
    share = 1 / (len(labels) + 1)
    targets = share * known / known.sum(axis=1, keepdims=True)
    targets[np.arange(len(labels)), labels] += 1 - share
    shares = row_weights / row_weights.sum()
    pull = np.einsum("n,nk,nkm->m", shares, targets, scores)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        logits = np.where(known, scores @ weights, -np.inf)
        most = logits.max(axis=1, keepdims=True)
        powers = np.exp(logits - most)
        sums = powers.sum(axis=1, keepdims=True)
        value = shares @ (np.log(sums) + most)[:, 0] - pull @ weights
        return float(value), np.einsum("n,nk,nkm->m", shares, powers / sums, scores) - pull

    found = minimize(loss, np.ones(len(bounds)) / size, jac=True, method="L-BFGS-B", bounds=bounds)
    return found.x[:size], 0.0 if priors is None else float(found.x[size]), float(found.fun)
