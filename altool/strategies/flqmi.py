"""FLQMI (SIMILAR; Kothawade et al. 2021): rows that cover the query rows, each of them near to one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from altool.kernels.blocks import Matrix
from altool.kernels.facility_location import greedy
from altool.kernels.similarity import ETA, KERNEL, QUERY_CLASSES, SIMILARITY, Candidates, Rows, prepare, queries
from altool.kernels.submodular import Picks
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
    eta: float = 1.0,
) -> np.ndarray:
    """Facility location over the queries: max of sum_q max_{a in A} s_qa + eta sum_{a in A} max_q s_aq, greedily; int64 (min(count, n),).

    Q are the labeled rows of `query_classes`. The arrays, `similarity` and `kernel` are as `prepare` takes them.
    Raises InputError if Q is empty or gradients lack probabilities.
    """
    candidates, labeled = prepare(features, labeled_features, labels, probabilities, labeled_probabilities, similarity, kernel)
    return maximise(candidates, queries(labeled, labels, query_classes), count, eta=eta)[0]


def maximise(candidates: Candidates, query: Rows, count: int, *, eta: float = 1.0) -> Picks:
    """The picks for this query set, and the gain of each."""
    return greedy(candidates, count, query, reward=eta)


STRATEGY = Strategy(
    name="flqmi",
    shape="pick",
    function=pick,
    takes=("features", "labeled_features", "labels", "count"),
    optional=("probabilities", "labeled_probabilities"),
    summary="rows that cover the rows of the query classes (facility location)",
    paper="Kothawade et al. 2021 (SIMILAR)",
    options=(QUERY_CLASSES, SIMILARITY, KERNEL, ETA),
)
