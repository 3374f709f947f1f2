"""Margin (Scheffer, Decomain and Wrobel, 2001): the rows whose two likeliest classes are nearest to each other."""

from __future__ import annotations

import numpy as np

from altool.errors import InputError
from altool.strategies.registry import Strategy

ROWS = 1024  # worked on at once, so that the copy stays in a core's cache


def score(probabilities: np.ndarray) -> np.ndarray:
    """-(p1 - p2), the two largest of each row of `probabilities` (n, K), as float64 (n,). Raises InputError for one class."""
    if probabilities.shape[1] < 2:
        raise InputError("predictions: a margin needs two classes, and there is one", "use random, or name every class in --classes")
    scores = np.empty(len(probabilities))
    for start in range(0, len(scores), ROWS):
        rest = probabilities[start : start + ROWS].copy()
        rows = np.arange(len(rest))
        likeliest = rest.argmax(axis=1)
        first = rest[rows, likeliest].astype(np.float64)
        rest[rows, likeliest] = -1
        scores[start : start + ROWS] = rest.max(axis=1) - first
    return scores


def gaps(probabilities: np.ndarray) -> np.ndarray:
    """float64 (n,): p1 - p2 of each row of `probabilities` (n, K); 1 where there is one class."""
    return -score(probabilities) if probabilities.shape[1] > 1 else np.ones(len(probabilities))


STRATEGY = Strategy(
    name="margin",
    shape="score",
    function=score,
    takes=("probabilities",),
    summary="the smallest gap between the two largest probabilities",
    paper="Scheffer, Decomain and Wrobel 2001",
)
