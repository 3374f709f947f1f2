"""FLCG (SIMILAR; Kothawade et al. 2021): rows that cover the candidates better than the private rows do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from altool.kernels.blocks import Matrix
from altool.kernels.facility_location import greedy, nearest
from altool.kernels.similarity import KERNEL, NU, PRIVATE_CLASSES, SIMILARITY, having, prepare
from altool.strategies.registry import Strategy


def pick(
    features: Matrix,
    labeled_features: Matrix,
    labels: np.ndarray,
    count: int,
    probabilities: Matrix | None = None,
    labeled_probabilities: Matrix | None = None,
    *,
    private_classes: Sequence[int],
    similarity: str | None = None,
    kernel: str = "shifted",
    nu: float = 1.0,
) -> np.ndarray:
    """Max of sum_{i in V} max(max_{a in A} s_ia - nu max_p s_ip, 0), V all candidates, greedily; int64 (min(count, n),). Time is n^2.

    P are the labeled rows of `private_classes`, which may be none. The arrays, `similarity` and `kernel` are as `prepare` takes them.
    Raises InputError if gradients lack probabilities.
    """
    candidates, labeled = prepare(features, labeled_features, labels, probabilities, labeled_probabilities, similarity, kernel)
    private = having(labeled, labels, private_classes)
    return greedy(candidates, count, candidates, low=nu * nearest(candidates, private))[0]


STRATEGY = Strategy(
    name="flcg",
    shape="pick",
    function=pick,
    takes=("features", "labeled_features", "labels", "count"),
    optional=("probabilities", "labeled_probabilities"),
    summary="rows that cover what the private classes do not",
    paper="Kothawade et al. 2021 (SIMILAR)",
    options=(PRIVATE_CLASSES, SIMILARITY, KERNEL, NU),
)
