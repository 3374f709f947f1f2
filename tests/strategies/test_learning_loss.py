"""learning-loss: the rows with the largest predicted loss."""

from __future__ import annotations

import numpy as np
from random_subset import *  # noqa: F403 (what is tested of every learned score)

from altool.strategies import learning_loss

STRATEGY, COLUMN, SIGN = learning_loss.STRATEGY, "predicted_loss", -1


def test_the_largest_loss_comes_first() -> None:
    assert learning_loss.score(np.array([2, -1], np.float32)).tolist() == [2, -1]
