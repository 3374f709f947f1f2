"""Class-balanced passes over a queue (alamp-div; Aggarwal, Popescu and Hudelot 2021, algorithm 1)."""

from __future__ import annotations

import numpy as np

from altool.kernels.top import turns


def diversify(queue: np.ndarray, pseudo_class: np.ndarray, count: int) -> np.ndarray:
    """The first `count` positions of `queue` (int64, in order) when every pass over it takes one row per pseudo class at most.

    `pseudo_class` (int, 0 or more) holds the predicted class of every position: the previous round's in alamp-div, else the current one.
    Passes go on until the queue is used up, which is the same as ordering by the rank inside the class, then by the place in the queue.
    """
    return queue[np.argsort(turns(pseudo_class[queue]), kind="stable")[:count]]


def pseudo_classes(now: np.ndarray, before: np.ndarray | None) -> np.ndarray:
    """The classes that rows were predicted to be `before` (n,), those of `now` (n,) where that is -1: not predicted then."""
    return now if before is None else np.where(before >= 0, before, now)
