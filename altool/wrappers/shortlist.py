"""The best candidates by a score strategy, among which alone another strategy chooses: for pools that are too large for it.

As people do it at a billion rows: Cluster-Margin (Citovsky et al. 2021) clusters the smallest margins alone. `select --shortlist` and the
`shortlist` of a run of `simulate` mean the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from altool.errors import UsageError
from altool.kernels.blocks import alike
from altool.kernels.top import top
from altool.options import Option, Say
from altool.strategies import registry
from altool.strategies.registry import Strategy

BY = ("margin", "entropy", "least-confidence")  # row by row, by the probabilities alone, and without options
MARGIN = "margin"

SHORTLIST = Option(
    "shortlist", int, help="Choose among the M best rows of a score strategy alone.", low=1, high=2**31 - 1, metavar="M", shown="the pool"
)
SHORTLIST_BY = Option("shortlist_by", help="The score strategy of --shortlist.", choices=BY, metavar="NAME", shown=MARGIN)


def check(strategy: Strategy, size: int | None, by: str | None, who: str, say: Say) -> None:
    """Refuse a shortlist of `size` rows (None: there is none) that cannot work with the strategy, which a message calls `who`, or would do
    nothing. Raises UsageError."""
    if size is None:
        if by is not None:
            raise UsageError(f"{say('shortlist_by')} has no effect without a shortlist", f"give {say('shortlist')}, or leave it out")
        return
    none = f"{say('shortlist')} has no effect with {who}"
    if strategy.shape == "score":
        raise UsageError(none, "leave it out: the whole pool is sorted in one pass")
    if strategy.shape == "ask":
        raise UsageError(f"{none}: it searches the whole pool", "leave it out")
    if strategy.tiers or "explored" in strategy.marks:
        raise UsageError(f"{none}: some of its rows are to be drawn from the whole pool", "leave it out")


def check_budget(size: int | None, budget: int, say: Say) -> None:
    """Refuse a shortlist of fewer rows than the `budget`. Raises UsageError."""
    if size is not None and size < budget:
        raise UsageError(f"{say('shortlist')}: expected at least the {budget:,} rows of the budget, found {size:,}", "give more rows")


def scorer(by: str | None) -> Strategy:
    """The strategy that makes the shortlist, by its name (None: margin)."""
    return registry.load(by or MARGIN)


def shortlist(strategy: Strategy, size: int, arrays: Mapping[str, Any], rng: np.random.Generator) -> np.ndarray:
    """`best` of the candidates that `arrays` are of, by a strategy of BY."""
    return best(strategy.function(*(arrays[name] for name in strategy.takes)), size, rng)


def best(scores: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """The rising int64 places of the `size` best of `scores` (n,), as float32, which tables hold; a tie goes to the smaller place, and so
    to the smaller id. Where all are the same the shortlist is drawn at random, as an id often begins with the class."""
    if size >= len(scores):
        return np.arange(len(scores))
    scores = scores.astype(np.float32)
    return np.sort(rng.permutation(len(scores))[:size] if alike(scores) else top(scores, size))
