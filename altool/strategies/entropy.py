"""Entropy (Shannon, 1948; for sampling, Settles, 2009)."""

from __future__ import annotations

import numpy as np

from altool.strategies.registry import Strategy


def score(probabilities: np.ndarray) -> np.ndarray:
    """-sum p ln p in nats of each row of `probabilities` (n, K), as float64 (n,). 0 ln 0 is 0; rows are made to sum to 1 first."""
    p = np.maximum(probabilities, 0, dtype=np.float64)
    # With s = sum p: -sum (p/s) ln (p/s) = ln s - (sum p ln p) / s, and ln of the smallest float keeps 0 ln 0 at 0.
    total = p.sum(axis=1)
    terms = np.einsum("ij,ij->i", p, np.log(np.maximum(p, np.finfo(np.float64).tiny)))
    return np.log(total) - terms / total


STRATEGY = Strategy(
    name="entropy",
    shape="score",
    function=score,
    takes=("probabilities",),
    summary="the largest entropy of the probabilities",
    paper="Settles 2009",
)
