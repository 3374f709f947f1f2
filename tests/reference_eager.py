"""Farthest-first and gradient k-means++ the plain way: one matrix-vector pass over the whole pool per pick, distances factored.

What the kernels must equal, and what they are measured against. `precise=True` works in float64 throughout (the reference for
equality); without it in float32, as a fast port would (the reference for speed).
"""

from __future__ import annotations

import numpy as np


def farthest_first(features: np.ndarray, labeled: np.ndarray, count: int, first: int | None = None, *, precise: bool = False) -> np.ndarray:
    """The farthest-first picks: int64 (min(count, n),). Without labeled rows `first` must be given."""
    rows, known = (features.astype(np.float64), labeled.astype(np.float64)) if precise else (features, labeled)
    norms = np.einsum("ij,ij->i", rows, rows)

    def distances(centre: np.ndarray) -> np.ndarray:
        if precise:
            return np.square(rows - centre).sum(axis=1)
        return norms + centre @ centre - 2 * (rows @ centre)

    nearest = np.full(len(rows), np.inf, rows.dtype)
    for centre in known:
        np.minimum(nearest, distances(centre), out=nearest)
    chosen: list[int] = []
    for _ in range(min(count, len(rows))):
        pick = first if first is not None and not chosen else int(nearest.argmax())
        chosen.append(pick)
        np.minimum(nearest, distances(rows[pick]), out=nearest)
        np.maximum(nearest, 0, out=nearest)
        nearest[chosen] = -1
    return np.array(chosen, np.int64)


def kmeans_plusplus(features: np.ndarray, probabilities: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """k-means++ picks over gradient embeddings, in float32: int64 (min(count, n),)."""
    residuals = -probabilities
    residuals[np.arange(len(residuals)), probabilities.argmax(axis=1)] += 1
    norms = np.einsum("ij,ij->i", residuals, residuals) * np.einsum("ij,ij->i", features, features)
    chosen = [int(norms.argmax())]
    weights = np.full(len(norms), np.inf, norms.dtype)
    while len(chosen) < min(count, len(norms)):
        last = chosen[-1]
        product = features @ features[last]
        product *= residuals @ residuals[last]
        product *= -2
        product += norms
        product += norms[last]
        np.minimum(weights, product, out=weights)
        np.maximum(weights, 0, out=weights)
        weights[chosen] = 0
        total = np.cumsum(weights, dtype=np.float64)
        if total[-1] <= 0:
            rest = np.setdiff1d(np.arange(len(norms)), chosen)
            return np.concatenate([chosen, rest])[:count].astype(np.int64)
        chosen.append(min(int(np.searchsorted(total, rng.random() * total[-1], side="right")), len(norms) - 1))
    return np.array(chosen, np.int64)
