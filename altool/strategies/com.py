"""COM, concave over modular (SIMILAR; Kothawade et al. 2021): rows like the query rows, none of which is served much more than others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from altool.errors import InputError
from altool.kernels.blocks import Matrix, namespace
from altool.kernels.similarity import ERROR, ETA, KERNEL, QUERY_CLASSES, SIMILARITY, Candidates, Rows, matching, prepare, queries
from altool.kernels.submodular import Picks, lazy
from altool.strategies.registry import Strategy


def pick(
    features: Matrix,
    labeled_features: Matrix,
    labels: np.ndarray,
    count: int,
    probabilities: Matrix | None = None,
    labeled_probabilities: Matrix | None = None,
    *,
    query_classes: Sequence[int],
    similarity: str | None = None,
    kernel: str = "shifted",
    eta: float = 1.0,
) -> np.ndarray:
    """Max of eta sum_{a in A} psi(sum_q s_aq) + sum_q psi(sum_{a in A} s_aq), greedily, with psi(x) = log(1 + x); int64 (min(count, n),).

    Q are the labeled rows of `query_classes`. The arrays, `similarity` and `kernel` are as `prepare` takes them. Raises
    InputError if Q is empty, gradients lack probabilities, or a sum of raw
    cosines is -1 or less. With raw cosines every pick works out every gain anew.
    """
    candidates, labeled = prepare(features, labeled_features, labels, probabilities, labeled_probabilities, similarity, kernel)
    return maximise(candidates, queries(labeled, labels, query_classes), count, eta=eta)[0]


def maximise(candidates: Candidates, query: Rows, count: int, *, eta: float = 1.0) -> Picks:
    """The picks for this query set, and the gain of each."""
    return lazy(candidates, count, Concave(query, eta))


class Concave:
    """COM: the `level` of a query row is 1 + what its similarities with the picked rows add up to."""

    glimpses = 0

    def __init__(self, represented: Rows, eta: float) -> None:
        self.represented, self.eta, self.falls = represented, eta, represented.shifted

    def start(self, candidates: Candidates) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return np.ones(len(self.represented)), np.full(len(candidates), np.inf), np.full(len(candidates), float(len(self.represented)))

    def active(self, level: np.ndarray) -> np.ndarray:
        return np.arange(len(level))

    def slack(self, level: np.ndarray) -> float:
        return ERROR * len(level)

    def sums(self, similarities: Matrix, level: np.ndarray, rows: np.ndarray) -> Matrix:
        ratios = similarities / matching(level, similarities)
        defined(ratios)
        return namespace(similarities).log1p(ratios).sum(1)

    def rough(self, similarities: Matrix, levels: Sequence[np.ndarray], rows: np.ndarray) -> list[Matrix]:
        return [self.sums(similarities, level, rows) for level in levels]

    def side(self, similarities: Matrix) -> Matrix:
        return similarities.sum(1)

    def join(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return left + right

    def finish(self, total: np.ndarray, side: np.ndarray) -> np.ndarray:
        defined(side)
        return total + self.eta * np.log1p(side)

    def rise(self, level: np.ndarray, similarities: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return level + similarities

    def fade(self, before: np.ndarray, after: np.ndarray) -> float:
        # log(1 + s / after) / log(1 + s / before) rises with s, which is at most 1
        return float((np.log1p(1 / after) / np.log1p(1 / before)).max()) if self.falls else 1.0

    def shortfall(self, level: np.ndarray, later: np.ndarray) -> float:
        return np.inf

    def tangent(self, level: np.ndarray, near: np.ndarray) -> tuple[np.ndarray, float]:
        weights = 1 / (level + near)  # log(1 + s / level) is concave in s
        return weights, float((np.log1p(near / level) - near * weights).sum())


def defined(sums: Matrix) -> None:
    """Refuse what has no log(1 + x)."""
    if not (sums > -1).all():
        raise InputError("com: a sum of cosines is -1 or less, which has no log(1 + x)", "use --kernel shifted")


STRATEGY = Strategy(
    name="com",
    shape="pick",
    function=pick,
    takes=("features", "labeled_features", "labels", "count"),
    optional=("probabilities", "labeled_probabilities"),
    summary="rows like those of the query classes, each of which is served alike (log of sums)",
    paper="Kothawade et al. 2021 (SIMILAR)",
    options=(QUERY_CLASSES, SIMILARITY, KERNEL, ETA),
)
