"""Least confidence (Lewis and Gale, 1994): the rows whose likeliest class is least likely."""

from __future__ import annotations

import numpy as np

from altool.strategies.registry import Strategy


def score(probabilities: np.ndarray) -> np.ndarray:
    """1 - max p for each row of `probabilities` (n, K), as float64 (n,)."""
    return 1.0 - probabilities.max(axis=1).astype(np.float64)


STRATEGY = Strategy(
    name="least-confidence",
    shape="score",
    function=score,
    takes=("probabilities",),
    summary="1 - the largest probability",
    paper="Lewis and Gale 1994",
)
