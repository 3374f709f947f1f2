"""BADGE (Ash et al. 2020): k-means++ over gradient embeddings, which are long where the model is unsure."""

from __future__ import annotations

import numpy as np

from altool.kernels.blocks import Matrix
from altool.kernels.kmeans_plusplus import kmeans_plusplus
from altool.strategies.registry import Strategy


def pick(features: Matrix, probabilities: Matrix, count: int, rng: np.random.Generator) -> np.ndarray:
    """The row of the longest gradient embedding, then rows drawn in proportion to the squared distance to the nearest picked one.

    The embedding is (onehot(argmax p) - p) h^T of a row of `probabilities` (n, K) and of `features` (n, D): both should be those of one
    linear softmax head. Returns int64 (min(count, n),); once no row differs from all picked ones, the rest follows by position.
    """
    return kmeans_plusplus(features, probabilities, count, rng)


STRATEGY = Strategy(
    name="badge",
    shape="pick",
    function=pick,
    takes=("features", "probabilities", "count", "rng"),
    summary="gradient embeddings that are long and far apart, drawn by k-means++",
    paper="Ash et al. 2020",
    gradients=True,
)
