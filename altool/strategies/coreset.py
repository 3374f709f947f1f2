"""CORESET (Sener and Savarese 2018), the greedy k-center: always the row farthest from everything labeled or chosen."""

from __future__ import annotations

import numpy as np

from altool.errors import InputError
from altool.kernels.blocks import Matrix
from altool.kernels.farthest_first import farthest_first
from altool.options import Option
from altool.strategies.registry import Strategy


def pick(features: Matrix, labeled_features: Matrix, count: int, rng: np.random.Generator, *, first: int | None = None) -> np.ndarray:
    """`count` of the rows of `features` (n, D), each the one with the largest distance to the nearest row labeled or picked before.

    `labeled_features` are (m, D). `first`, a position, is picked first; if it is None and nothing is labeled, a row drawn at random is.
    Returns int64 (min(count, n),); ties by position. Raises InputError if `first` is no candidate.
    """
    if first is not None and not 0 <= first < len(features):
        raise InputError(f"the first row to choose is number {first} of {len(features)} candidates")
    if first is None and len(labeled_features) == 0 and len(features):
        first = int(rng.integers(len(features)))
    return farthest_first(features, labeled_features, count, first)


STRATEGY = Strategy(
    name="coreset",
    shape="pick",
    function=pick,
    takes=("features", "labeled_features", "count", "rng"),
    summary="the row farthest from all labeled and chosen ones",
    paper="Sener and Savarese 2018",
    cold_start=True,
    options=(Option("first", metavar="ID", help="The row to begin with.", shown="at random"),),
)
