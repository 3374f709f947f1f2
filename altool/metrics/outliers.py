"""Rows that lie far from all others (docs/algorithms.md, "Outliers")."""

from __future__ import annotations

import numpy as np

NEIGHBOURS = 10
SAMPLE = 2000  # rows that distances are taken to
UNLIKELY = 5.0  # robust z of an outlier
TO_SIGMA = 1.4826  # the median absolute deviation of a normal distribution times this is its standard deviation
BLOCK = 4096


def isolation(units: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """float64 (n,): the mean distance of each unit vector (n, D) to the `NEIGHBOURS` nearest others of a random sample.

    Distances to a sample tell outliers about as well as those to all rows (Sugiyama and Borgwardt 2013), in n x `SAMPLE` products.
    """
    sample = np.sort(draw.permutation(len(units))[:SAMPLE])
    nearest = min(NEIGHBOURS, len(sample) - 1)
    found = np.zeros(len(units))
    if nearest < 1:
        return found
    others = units[sample].T
    for start in range(0, len(units), BLOCK):
        cosines = units[start : start + BLOCK] @ others
        inside = np.flatnonzero((sample >= start) & (sample < start + BLOCK))
        cosines[sample[inside] - start, inside] = -np.inf  # a row is no neighbour of its own
        most = np.partition(cosines, -nearest, axis=1)[:, -nearest:]
        found[start : start + BLOCK] = np.sqrt(np.maximum(0, 2 - 2 * most.astype(np.float64))).mean(axis=1)
    return found


def robust_z(values: np.ndarray) -> np.ndarray:
    """float64 (n,): by how many standard deviations each value is above the median, the deviation told from the median absolute one; 0
    where that is 0."""
    middle = np.median(values) if len(values) else 0.0
    spread = TO_SIGMA * np.median(np.abs(values - middle)) if len(values) else 0.0
    return (values - middle) / spread if spread > 0 else np.zeros(len(values))
