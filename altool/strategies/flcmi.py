"""FLCMI (SIMILAR; Kothawade et al. 2021): rows that cover the candidates like the query rows and unlike the private rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from altool.kernels.blocks import Matrix
from altool.kernels.facility_location import greedy, nearest
from altool.kernels.similarity import ETA, KERNEL, NU, PRIVATE_CLASSES, QUERY_CLASSES, SIMILARITY, having, prepare, queries
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
) -> np.ndarray:
    """Max of sum_{i in V} max(min(max_{a in A} s_ia, eta max_q s_iq) - nu max_p s_ip, 0), V all candidates, greedily; int64
    (min(count, n),). Time is n^2.

    Q are the labeled rows of `query_classes`, P those of `private_classes`, which may be none. The arrays, `similarity` and `kernel`
    are as `prepare` takes them. Raises InputError if Q is empty or gradients lack probabilities.
    """
    candidates, labeled = prepare(features, labeled_features, labels, probabilities, labeled_probabilities, similarity, kernel)
    query = queries(labeled, labels, query_classes)
    private = having(labeled, labels, private_classes)
    return greedy(candidates, count, candidates, low=nu * nearest(candidates, private), high=eta * nearest(candidates, query))[0]


STRATEGY = Strategy(
    name="flcmi",
    shape="pick",
    function=pick,
    takes=("features", "labeled_features", "labels", "count"),
    optional=("probabilities", "labeled_probabilities"),
    summary="rows that cover candidates like the query classes and unlike the private ones",
    paper="Kothawade et al. 2021 (SIMILAR)",
    options=(QUERY_CLASSES, PRIVATE_CLASSES, SIMILARITY, KERNEL, ETA, NU),
)
