"""bald is a column of the predictions."""

from __future__ import annotations

import numpy as np

from altool.strategies import bald


def test_bald_is_the_column() -> None:
    scores = bald.score(np.array([0.25, 0, 0.125], np.float32))
    assert scores.dtype == np.float64
    assert scores.tolist() == [0.25, 0, 0.125]
