"""VAAL (Sinha et al., ICCV 2019): the rows that a discriminator is surest have no label yet."""

from __future__ import annotations

import numpy as np

from altool.strategies.registry import SUBSET_FACTOR, Strategy


def score(labeled_probability: np.ndarray) -> np.ndarray:
    """Minus the probability (n,) that a row is a labeled one, float64 (n,): TA-VAAL's equation 7."""
    return 0 - labeled_probability.astype(np.float64)


STRATEGY = Strategy(
    name="vaal",
    shape="score",
    function=score,
    takes=("labeled_probability",),
    summary="the least likely to be a labeled row, in a random subset",
    paper="Sinha et al. 2019",
    options=(SUBSET_FACTOR,),
)
