"""Entropy (Shannon, 1948; for sampling, Settles, 2009)."""

from __future__ import annotations

import numpy as np

from altool.strategies.registry import Strategy

ROWS = 1024  # worked on at once, so that the float64 copies stay in a core's cache


def score(probabilities: np.ndarray) -> np.ndarray:
    """-sum p ln p in nats of each row of `probabilities` (n, K), as float64 (n,). 0 ln 0 is 0; rows are made to sum to 1 first."""
    scores = np.empty(len(probabilities))
    p, logarithms = np.empty((2, ROWS, probabilities.shape[1]))
    for start in range(0, len(scores), ROWS):
        rows = probabilities[start : start + ROWS]
        part, log = p[: len(rows)], logarithms[: len(rows)]
        np.maximum(rows, np.finfo(np.float64).tiny, out=part)  # ln of the smallest float keeps 0 ln 0 at 0
        np.log(part, out=log)
        # With s = sum p: -sum (p/s) ln (p/s) = ln s - (sum p ln p) / s
        total = part.sum(axis=1)
        scores[start : start + ROWS] = np.log(total) - np.einsum("ij,ij->i", part, log) / total
    return scores


STRATEGY = Strategy(
    name="entropy",
    shape="score",
    function=score,
    takes=("probabilities",),
    summary="the largest entropy of the probabilities",
    paper="Settles 2009",
)
