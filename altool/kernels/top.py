"""Orders by score (higher first, ties to the smaller position) and within groups."""

from __future__ import annotations

import numpy as np


def top(scores: np.ndarray, count: int) -> np.ndarray:
    """The int64 positions of the `count` largest of `scores` (n,), best first; a tie goes to the smaller position.

    The same as `order(scores)[:count]` without sorting everything. Raises ValueError for NaN, which has no place in an order.
    """
    if np.isnan(scores).any():
        raise ValueError("NaN among the scores")
    if count <= 0:
        return np.empty(0, np.int64)
    if count >= len(scores):
        return order(scores)
    limit = np.partition(scores, len(scores) - count)[len(scores) - count]
    above = np.flatnonzero(scores > limit)
    level = np.flatnonzero(scores == limit)[: count - len(above)]
    chosen = np.concatenate([above, level])
    return chosen[np.argsort(-scores[chosen], kind="stable")]


def order(scores: np.ndarray) -> np.ndarray:
    """All int64 positions by falling score (n,), ties by position."""
    return np.argsort(-scores, kind="stable")


def turns(groups: np.ndarray) -> np.ndarray:
    """How often each entry's number, 0 or more, came before it in `groups` (n,): int64 (n,)."""
    grouped = groups.argsort(kind="stable")
    sizes = np.bincount(groups)
    found = np.empty(len(groups), np.int64)
    found[grouped] = np.arange(len(groups)) - np.repeat(sizes.cumsum() - sizes, sizes)
    return found
