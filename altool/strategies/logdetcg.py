"""LOGDETCG (SIMILAR; Kothawade et al. 2021): diverse rows that have little in common with the private rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from altool.kernels.blocks import Matrix
from altool.kernels.log_det import greedy
from altool.kernels.similarity import KERNEL, NU, PRIVATE_CLASSES, RIDGE, SIMILARITY, having, prepare
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
    ridge: float = 1.0,
) -> np.ndarray:
    """Max of log det(S_A - nu^2 S_AP S_P^-1 S_PA), S with `ridge` on the diagonal, greedily; int64 (min(count, n),).

    P are the labeled rows of `private_classes`, which may be none. The arrays, `similarity` and `kernel` are as `prepare` takes them.
    Raises InputError if gradients lack probabilities or the weights are too large for `ridge`.
    """
    candidates, labeled = prepare(features, labeled_features, labels, probabilities, labeled_probabilities, similarity, kernel)
    private = having(labeled, labels, private_classes)
    return greedy(candidates, count, [[(private, nu)]], ridge)[0]


STRATEGY = Strategy(
    name="logdetcg",
    shape="pick",
    function=pick,
    takes=("features", "labeled_features", "labels", "count"),
    optional=("probabilities", "labeled_probabilities"),
    summary="diverse rows unlike the private classes (log-determinants)",
    paper="Kothawade et al. 2021 (SIMILAR)",
    options=(PRIVATE_CLASSES, SIMILARITY, KERNEL, NU, RIDGE),
)
