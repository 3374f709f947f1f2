"""LOGDETCMI (SIMILAR; Kothawade et al. 2021): diverse rows like the query rows and unlike the private rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from altool.kernels.blocks import Matrix
from altool.kernels.log_det import greedy
from altool.kernels.similarity import ETA, KERNEL, NU, PRIVATE_CLASSES, QUERY_CLASSES, RIDGE, SIMILARITY, having, prepare, queries
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
    private_classes: Sequence[int],
    similarity: str | None = None,
    kernel: str = "shifted",
    eta: float = 1.0,
    nu: float = 1.0,
    ridge: float = 1.0,
) -> np.ndarray:
    """Max of I(A; Q | P) = f(A | P) + f(Q | P) - f(A u Q | P), f = log det S with `ridge` on the diagonal, by plain greedy (it is not
    submodular); int64 (min(count, n),). Similarities of candidates with queries are times `eta`, with private rows times `nu`, and those
    of queries with private rows as they are (so does submodlib).

    Q are the labeled rows of `query_classes`, P those of `private_classes`, which may be none. The arrays, `similarity` and `kernel`
    are as `prepare` takes them. Raises InputError if Q is empty, gradients lack probabilities or the weights are too large for `ridge`.
    """
    candidates, labeled = prepare(features, labeled_features, labels, probabilities, labeled_probabilities, similarity, kernel)
    query = queries(labeled, labels, query_classes)
    private = having(labeled, labels, private_classes)
    given = [(private, nu)]
    return greedy(candidates, count, [given, [*given, (query, eta)]], ridge)[0]


STRATEGY = Strategy(
    name="logdetcmi",
    shape="pick",
    function=pick,
    takes=("features", "labeled_features", "labels", "count"),
    optional=("probabilities", "labeled_probabilities"),
    summary="diverse rows like the query classes and unlike the private ones (log-determinants)",
    paper="Kothawade et al. 2021 (SIMILAR)",
    options=(QUERY_CLASSES, PRIVATE_CLASSES, SIMILARITY, KERNEL, ETA, NU, RIDGE),
)
