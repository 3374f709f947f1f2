"""The model's label as a suggestion: people confirm faster than they choose."""

from __future__ import annotations

import numpy as np


def predicted(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The class number (int32) and the probability (float32) of each row's likeliest class; a tie goes to the lower class.

    `probabilities` is (n, K).
    """
    likeliest = probabilities.argmax(axis=1)
    return likeliest.astype(np.int32), probabilities[np.arange(len(probabilities)), likeliest].astype(np.float32)
