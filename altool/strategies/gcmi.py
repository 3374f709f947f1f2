"""GCMI (SIMILAR; Kothawade et al. 2021): the rows with the largest similarity with the query rows, summed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from altool.kernels.blocks import BLOCK, Matrix, walk
from altool.kernels.similarity import ERROR, KERNEL, QUERY_CLASSES, SIMILARITY, Candidates, Rows, prepare, queries, total
from altool.kernels.submodular import Picks, as_picks
from altool.kernels.top import top
from altool.strategies.registry import Strategy


def pick(
    features: Matrix,
    labeled_features: Matrix,
    labels: np.ndarray,
    count: int,
    probabilities: Matrix | None = None,
    labeled_probabilities: Matrix | None = None,
    *,
    query_classes: Sequence[int],
    similarity: str | None = None,
    kernel: str = "shifted",
) -> np.ndarray:
    """The largest sum_q s_aq first: greedy, as the measure is modular; int64 (min(count, n),). Ties go to the smaller position.

    Q are the labeled rows of `query_classes`. The arrays, `similarity` and `kernel` are as `prepare` takes them.
    Raises InputError if Q is empty or gradients lack probabilities.
    """
    candidates, labeled = prepare(features, labeled_features, labels, probabilities, labeled_probabilities, similarity, kernel)
    return maximise(candidates, queries(labeled, labels, query_classes), count)[0]


def maximise(candidates: Candidates, query: Rows, count: int) -> Picks:
    """The picks for this query set, and the gain of each."""
    count = min(count, len(candidates))
    if count <= 0:
        return as_picks([], [])
    wanted = total(query, candidates)
    rough = np.empty(len(candidates))

    def work(part: slice, *blocks: Matrix) -> None:
        rough[part] = candidates.totals(part, blocks, wanted)

    for _ in walk(work, *candidates.matrices):
        pass
    limit = np.partition(rough, len(rough) - count)[len(rough) - count] - 2 * ERROR * wanted.weight
    near = np.flatnonzero(rough >= limit)
    vectors, of = np.unique(candidates.head[near], return_inverse=True)
    starts = range(0, len(vectors), BLOCK)
    exact = np.concatenate([wanted.exact(candidates.exact(vectors[start : start + BLOCK])) for start in starts])
    best = top(np.round(exact / wanted.weight, 12)[of], count)
    return near[best], exact[of][best]


STRATEGY = Strategy(
    name="gcmi",
    shape="pick",
    function=pick,
    takes=("features", "labeled_features", "labels", "count"),
    optional=("probabilities", "labeled_probabilities"),
    summary="the largest similarity with the rows of the query classes, summed",
    paper="Kothawade et al. 2021 (SIMILAR)",
    options=(QUERY_CLASSES, SIMILARITY, KERNEL),
)
