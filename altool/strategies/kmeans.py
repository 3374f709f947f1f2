"""k-means: the rows nearest to the centres of as many clusters as there are rows to choose (Xu et al. 2003; Zhdanov 2019)."""

from __future__ import annotations

import numpy as np

from altool.kernels import kmeans
from altool.kernels.blocks import Matrix
from altool.kernels.top import top
from altool.strategies.registry import Strategy

TIE = 1e-5


def pick(features: Matrix, count: int, rng: np.random.Generator) -> np.ndarray:
    """The row of each of `count` clusters of `features` (n, D) that is nearest to its centre: int64 (min(count, n),).

    The largest cluster's row first. Ties (within 1e-5: of two rows both are as far from their mean) go to the smaller
    position. Where fewer clusters than `count` have rows (there are too many equal ones), the rows farthest from their centres follow.
    """
    if count <= 0 or count >= len(features):
        return np.arange(min(max(count, 0), len(features)))
    assignment, distances = kmeans.assign(features, kmeans.learn([features], count, rng))
    nearest = np.full(count, np.inf)
    np.minimum.at(nearest, assignment, distances)
    near = np.flatnonzero(distances <= nearest[assignment] * (1 + TIE))
    clusters, places = np.unique(assignment[near], return_index=True)
    first = near[places]
    sizes = np.bincount(assignment, minlength=count)[clusters]
    chosen = first[np.lexsort((first, -sizes))]
    distances[chosen] = -1
    return np.concatenate([chosen, top(distances, count - len(chosen))])


STRATEGY = Strategy(
    name="kmeans",
    shape="pick",
    function=pick,
    takes=("features", "count", "rng"),
    summary="the rows nearest to the centres of as many clusters",
    paper="Zhdanov 2019",
    source="explore",
    cold_start=True,
)
