"""Most likely positive: the rows that look most like the classes of interest (docs/algorithms.md, "Most likely positive")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from altool.kernels.similarity import QUERY_CLASSES
from altool.strategies.registry import Strategy


def score(probabilities: np.ndarray, *, query_classes: Sequence[int]) -> np.ndarray:
    """The largest probability of a class in `query_classes` (class numbers), for each row of `probabilities` (n, K), as float64 (n,).

    Probabilities, not logits: a softmax does not change when a row's logits are shifted, so logits of two rows cannot be compared.
    """
    return probabilities[:, list(query_classes)].max(axis=1).astype(np.float64)


STRATEGY = Strategy(
    name="most-likely-positive",
    shape="score",
    function=score,
    takes=("probabilities",),
    summary="the largest probability of a class in --query-classes",
    paper="Zhang, Katz-Samuels and Nowak 2022 (GALAXY's baseline)",
    options=(replace(QUERY_CLASSES, required=True, shown=""),),
)
