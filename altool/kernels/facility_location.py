"""Facility location: a set covers every represented row as well as its most similar member does (Kothawade et al. 2021, SIMILAR).

FLQMI, FLVMI, FLCG and FLCMI are one function: f(A) = sum_i [clip(max_{a in A} s_ia, low_i, high_i) - low_i] + reward sum_{a in A}
max_i s_ia. The empty set counts as similarity 0, as in submodlib, so negative similarities cover nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from altool.kernels.blocks import BLOCK, Matrix, host, namespace
from altool.kernels.similarity import CHUNK, ERROR, Candidates, Rows, matching
from altool.kernels.submodular import Picks, lazy


class Coverage:
    """f: the `level` of a represented row is how well it is covered."""

    falls = True
    glimpses = 8

    def __init__(self, represented: Rows, low: np.ndarray | None, high: np.ndarray | None, reward: float) -> None:
        self.represented, self.reward = represented, reward
        self.low = np.zeros(len(represented)) if low is None else np.maximum(low, 0.0)
        self.high = np.full(len(represented), 2.0) if high is None else high
        self.capped = high is not None

    def start(self, candidates: Candidates) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.low, np.full(len(candidates), np.inf), np.ones(len(candidates))

    def active(self, level: np.ndarray) -> np.ndarray:
        return np.flatnonzero((level < np.minimum(self.high, 1 - 1e-12)) | (self.reward != 0))

    def slack(self, level: np.ndarray) -> float:
        return ERROR * len(self.active(level))

    def sums(self, similarities: Matrix, level: np.ndarray, rows: np.ndarray) -> Matrix:
        xp = namespace(similarities)
        covered = xp.minimum(similarities, matching(self.high[rows], similarities))
        covered -= matching(level, similarities)
        return xp.clip(covered, 0, None).sum(1)

    def rough(self, similarities: Matrix, levels: Sequence[np.ndarray], rows: np.ndarray) -> list[Matrix]:
        xp = namespace(similarities)
        if self.capped:
            similarities = xp.minimum(similarities, matching(self.high[rows], similarities))
        covered, ones = xp.empty_like(similarities), xp.ones_like(similarities[0])
        return [xp.maximum(similarities, matching(level, covered), out=covered) @ ones - float(level.sum()) for level in levels]

    def side(self, similarities: Matrix) -> Matrix:
        return namespace(similarities).amax(similarities, 1) if self.reward else similarities[:, 0]

    def join(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return np.maximum(left, right)

    def finish(self, total: np.ndarray, side: np.ndarray) -> np.ndarray:
        return total + self.reward * side if self.reward else total

    def rise(self, level: np.ndarray, similarities: np.ndarray, rows: np.ndarray) -> np.ndarray:
        level = level.copy()
        level[rows] = np.maximum(level[rows], np.minimum(similarities, self.high[rows]))
        return level

    def fade(self, before: np.ndarray, after: np.ndarray) -> float:
        return 1.0

    def shortfall(self, level: np.ndarray, later: np.ndarray) -> float:
        return float(np.maximum(later - level, 0).sum())

    def tangent(self, level: np.ndarray, near: np.ndarray) -> None:
        return None


def greedy(
    candidates: Candidates,
    count: int,
    represented: Rows,
    low: np.ndarray | None = None,
    high: np.ndarray | None = None,
    reward: float = 0.0,
) -> Picks:
    """The first min(count, n) candidates, int64, in the greedy order of f (ties go to the smaller position), and the gain of each, float64.

    `low` and `high` (m,) float64 are the bounds of the m `represented` rows (None: 0 and none). If these are the candidates themselves,
    time is n^2 and memory is not.
    """
    return lazy(candidates, count, Coverage(represented, low, high, reward))


def nearest(candidates: Candidates, others: Rows) -> np.ndarray:
    """Every candidate's largest similarity with one of the `others`, float64 (n,); 0 if there are none."""
    best = np.full(len(candidates), -np.inf if len(others) else 0.0)
    exact = [others.exact(np.arange(start, min(start + CHUNK, len(others)))) for start in range(0, len(others), CHUNK)]
    for start in range(0, len(candidates), BLOCK):
        at = np.arange(start, min(start + BLOCK, len(candidates)))
        factors = candidates.exact(at)
        for some in exact:
            best[at] = np.maximum(best[at], host(candidates.similarities(factors, some)).max(axis=1))
    return best
