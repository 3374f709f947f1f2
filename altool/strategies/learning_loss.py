"""Learning loss (Yoo and Kweon, CVPR 2019): the rows whose loss the task learner expects to be largest."""

from __future__ import annotations

import numpy as np

from altool.strategies.registry import SUBSET_FACTOR, Strategy


def score(predicted_loss: np.ndarray) -> np.ndarray:
    """What the loss ranker of the model said of each row, (n,) as float64 (n,)."""
    return predicted_loss.astype(np.float64)


STRATEGY = Strategy(
    name="learning-loss",
    shape="score",
    function=score,
    takes=("predicted_loss",),
    summary="the largest predicted loss, in a random subset",
    paper="Yoo and Kweon 2019",
    options=(SUBSET_FACTOR,),
)
