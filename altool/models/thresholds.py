"""Classes decided by a threshold of their own: one row may be of none, or of several."""

from __future__ import annotations

import numpy as np


def decided(probabilities: np.ndarray, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The classes of each row of `probabilities` (n, K) that are above (not at) their threshold (float64 (K,); infinity: never).

    Returns int32 bounds (n + 1,) and the class numbers int64 (m,), row after row, in class order.
    """
    above = probabilities > thresholds
    bounds = np.concatenate([[0], np.cumsum(np.count_nonzero(above, axis=1))]).astype(np.int32)
    return bounds, np.nonzero(above)[1]
