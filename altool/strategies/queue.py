"""A queue that another program ranked."""

from __future__ import annotations

import numpy as np

from altool.strategies.registry import Strategy


def score(ranks: np.ndarray) -> np.ndarray:
    """-rank as float64 (n,), so that the table's first row is the first to be labeled."""
    return -ranks.astype(np.float64)


STRATEGY = Strategy(
    name="queue",
    shape="score",
    function=score,
    takes=("ranks",),
    summary="the order of the table given with --queue, from any tool",
    paper="",
    cold_start=True,
)
