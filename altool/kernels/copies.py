"""Near copies: rows whose vectors have a cosine of at least a threshold. A vector of length 0 is nobody's copy."""

from __future__ import annotations

import numpy as np

from altool.kernels.blocks import double
from altool.kernels.similarity import SHORT, shortened

ROUNDING = 1e-9  # by so much a float64 cosine of equal rows may miss 1
BLOCK = 1024  # rows that are compared at once
CHUNK = 8192  # with so many others


def units(rows: np.ndarray) -> np.ndarray:
    """`rows` (n, D) as float64 vectors of length 1, or 0 where they have none."""
    return shortened(double(rows), SHORT)


def alike(left: np.ndarray, right: np.ndarray, threshold: float) -> np.ndarray:
    """boolean (n, m): is the cosine of these unit vectors (n, D) and (m, D) at least the `threshold`?"""
    return np.asarray(left @ right.T >= threshold - ROUNDING)


def any_alike(left: np.ndarray, right: np.ndarray, threshold: float) -> np.ndarray:
    """boolean (n,): is any of the unit vectors `right` (m, D) a near copy of each of `left` (n, D)?"""
    found = np.zeros(len(left), bool)
    for start in range(0, len(right), CHUNK):
        found |= alike(left, right[start : start + CHUNK], threshold).any(axis=1)
    return found
