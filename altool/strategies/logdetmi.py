"""LOGDETMI (SIMILAR; Kothawade et al. 2021): diverse rows that have much in common with the query rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from altool.kernels.blocks import Matrix
from altool.kernels.log_det import greedy
from altool.kernels.similarity import ETA, KERNEL, QUERY_CLASSES, RIDGE, SIMILARITY, Candidates, Rows, prepare, queries
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
    ridge: float = 1.0,
) -> np.ndarray:
    """Max of log det S_A - log det(S_A - eta^2 S_AQ S_Q^-1 S_QA), S with `ridge` on the diagonal, by plain greedy (it is not
    submodular); int64 (min(count, n),).

    Q are the labeled rows of `query_classes`. The arrays, `similarity` and `kernel` are as `prepare` takes them.
    Raises InputError if Q is empty, gradients lack probabilities or the weights are too large for `ridge`.
    """
    candidates, labeled = prepare(features, labeled_features, labels, probabilities, labeled_probabilities, similarity, kernel)
    return maximise(candidates, queries(labeled, labels, query_classes), count, eta=eta, ridge=ridge)[0]


def maximise(candidates: Candidates, query: Rows, count: int, *, eta: float = 1.0, ridge: float = 1.0) -> Picks:
    """The picks for this query set, and the gain of each."""
    return greedy(candidates, count, [[], [(query, eta)]], ridge)


STRATEGY = Strategy(
    name="logdetmi",
    shape="pick",
    function=pick,
    takes=("features", "labeled_features", "labels", "count"),
    optional=("probabilities", "labeled_probabilities"),
    summary="diverse rows that share much with the query classes (log-determinants)",
    paper="Kothawade et al. 2021 (SIMILAR)",
    options=(QUERY_CLASSES, SIMILARITY, KERNEL, ETA, RIDGE),
)
