"""GCCG (SIMILAR; Kothawade et al. 2021): rows in the middle of the candidates, away from each other and from the private rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from altool.kernels.blocks import BLOCK, Matrix, host, like, walk
from altool.kernels.similarity import (
    ERROR,
    KERNEL,
    NU,
    PRIVATE_CLASSES,
    RIDGE,
    SIMILARITY,
    Candidates,
    Rows,
    coarse,
    having,
    prepare,
    total,
)
from altool.kernels.verified import everyone, verified
from altool.strategies.registry import Strategy


def pick(
    features: Matrix,
    labeled_features: Matrix,
    labels: np.ndarray,
    count: int,
    probabilities: Matrix | None = None,
    labeled_probabilities: Matrix | None = None,
    *,
    private_classes: Sequence[int],
    similarity: str | None = None,
    kernel: str = "shifted",
    nu: float = 1.0,
    ridge: float = 1.0,
) -> np.ndarray:
    """Max of sum_{i in V, a} s_ia - lambda sum_{a, a'} s_aa' - 2 lambda nu sum_{a, p} s_ap, V all candidates, lambda = `ridge`, by plain
    greedy; int64 (min(count, n),). The sum over a, a' is over ordered pairs, a = a' included (as in submodlib).

    P are the labeled rows of `private_classes`, which may be none. The arrays, `similarity` and `kernel` are as `prepare` takes them.
    Raises InputError if gradients lack probabilities.
    """
    candidates, labeled = prepare(features, labeled_features, labels, probabilities, labeled_probabilities, similarity, kernel)
    private = having(labeled, labels, private_classes)
    most = len(candidates) + 2 * abs(ridge) * (abs(nu) * len(private) + min(max(count, 0), len(candidates)))
    falls = candidates.shifted and ridge >= 0
    return verified(candidates, count, Cut(candidates, private, nu, ridge), lambda gains: gains, lambda best: ERROR * most, falls)[0]


class Cut:
    """Gains of the cut: a row's similarity with a weighted sum of rows, which every pick changes by one row."""

    rows = BLOCK

    def __init__(self, candidates: Candidates, private: Rows, nu: float, ridge: float) -> None:
        self.candidates, self.ridge, self.sharp = candidates, ridge, False
        self.total = total(candidates, candidates)
        self.total.subtract(total(private, candidates), 2 * ridge * nu)

    def start(self) -> list[np.ndarray]:
        gains = -self.ridge * self.candidates.own()

        def work(part: slice, *blocks: Matrix) -> None:
            gains[part] += self.candidates.totals(part, blocks, self.total)

        for _ in walk(work, *self.candidates.matrices):
            pass
        return [gains]

    def sharpen(self) -> list[np.ndarray]:
        self.sharp = True
        return everyone(self.candidates, self)

    def enter(self, members: np.ndarray) -> list[np.ndarray]:
        self.phi = [host(factor) for factor in self.candidates.exact(members)]
        self.slots: list[int] = []
        return [self.total.exact(self.phi) - self.ridge * self.candidates.own()[members]]

    def extend(self, slot: int) -> list[np.ndarray]:
        self.slots.append(slot)
        return [2 * self.ridge * self.candidates.similarities(self.phi, [factor[slot : slot + 1] for factor in self.phi])[:, 0]]

    def amounts(self, at: slice, blocks: Sequence[Matrix], steps: slice) -> list[Matrix]:
        picked = [factor[self.slots[steps]] for factor in self.phi]
        if self.sharp:
            return [like(2 * self.ridge * self.candidates.exactly(at, blocks, picked).T, blocks[0])]
        near = [like(factor, blocks[0]) for factor in coarse(picked)]
        return [2 * self.ridge * self.candidates.between(at, blocks, near).T]

    def settle(self, steps: int) -> None:
        self.total.add([factor[self.slots[:steps]] for factor in self.phi], np.full(steps, -2 * self.ridge))


STRATEGY = Strategy(
    name="gccg",
    shape="pick",
    function=pick,
    takes=("features", "labeled_features", "labels", "count"),
    optional=("probabilities", "labeled_probabilities"),
    summary="rows in the middle of the candidates, unlike each other and the private classes (graph cut)",
    paper="Kothawade et al. 2021 (SIMILAR)",
    options=(PRIVATE_CLASSES, SIMILARITY, KERNEL, NU, RIDGE),
)
