"""Uniform sampling of the pool: the baseline of every paper."""

from __future__ import annotations

import numpy as np

from altool.strategies.registry import Strategy


def score(count: int, rng: np.random.Generator) -> np.ndarray:
    """float64 (count,): a uniform draw in [0, 1) per candidate, so that the top rows are a sample without replacement."""
    return rng.random(count)


STRATEGY = Strategy(
    name="random",
    shape="score",
    function=score,
    takes=("count", "rng"),
    summary="a uniform sample, without replacement",
    paper="the baseline of every paper",
    source="explore",
    cold_start=True,
)
