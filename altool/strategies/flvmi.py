"""FLVMI (SIMILAR; Kothawade et al. 2021): rows that cover the candidates, as far as these are like the query rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from altool.kernels.blocks import Matrix
from altool.kernels.facility_location import greedy, nearest
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
    """Max of sum_{i in V} min(max_{a in A} s_ia, eta max_q s_iq), V all candidates, greedily; int64 (min(count, n),). Time is n^2.

    Q are the labeled rows of `query_classes`. The arrays, `similarity` and `kernel` are as `prepare` takes them.
    Raises InputError if Q is empty or gradients lack probabilities.
    """
    candidates, labeled = prepare(features, labeled_features, labels, probabilities, labeled_probabilities, similarity, kernel)
    return maximise(candidates, queries(labeled, labels, query_classes), count, eta=eta)[0]


def maximise(candidates: Candidates, query: Rows, count: int, *, eta: float = 1.0) -> Picks:
    """The picks for this query set, and the gain of each."""
    return greedy(candidates, count, candidates, high=eta * nearest(candidates, query))


STRATEGY = Strategy(
    name="flvmi",
    shape="pick",
    function=pick,
    takes=("features", "labeled_features", "labels", "count"),
    optional=("probabilities", "labeled_probabilities"),
    summary="rows that cover the candidates that are like the query classes",
    paper="Kothawade et al. 2021 (SIMILAR)",
    options=(QUERY_CLASSES, SIMILARITY, KERNEL, ETA),
)
