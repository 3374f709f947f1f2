"""The decisions of support vector machines, one for every two classes, for many rows at once.

Machines of one fit share their support vectors, so their decisions are sums of k (k - 1) products of one block of kernel values, which is
computed once for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DEGREE = 3  # of poly, without a constant, as scikit-learn has it


@dataclass(frozen=True)
class Machines:
    """One decision per pair of classes, as sums over the support vectors of the two: `coefficients` (k - 1, S), `starts` int64 (k + 1,),
    an array (i,) of `intercepts` per class i above 0, against those before it. `sums` (k, S) and `offsets` (k,) give each class's mean
    decision. `largest` is the largest sum of absolute coefficients of a decision, `terms` the most terms of one.
    """

    coefficients: np.ndarray
    starts: np.ndarray
    intercepts: tuple[np.ndarray, ...]
    sums: np.ndarray
    offsets: np.ndarray
    largest: float
    terms: int

    def means(self, values: np.ndarray) -> np.ndarray:
        """(k, n) of kernel values (S, n): each class's mean decision."""
        return self.sums @ values + self.offsets[:, None]

    def single(self) -> Machines:
        """The same in float32."""
        arrays = (array.astype(np.float32) for array in (self.coefficients, self.sums, self.offsets))
        coefficients, sums, offsets = arrays
        intercepts = tuple(part.astype(np.float32) for part in self.intercepts)
        return Machines(coefficients, self.starts, intercepts, sums, offsets, self.largest, self.terms)


def machines(coefficients: np.ndarray, sizes: np.ndarray, intercepts: np.ndarray) -> Machines:
    """The machines of what `SVM` keeps."""
    classes = len(sizes)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    own = np.repeat(np.arange(classes), sizes)
    column = np.arange(classes - 1)
    other = column + (column >= own[:, None])  # (S, k - 1): the class that each coefficient is against
    signed = np.where(own[:, None] < other, coefficients, -coefficients)  # as the vector's own class sees the decision
    sums = np.zeros((len(own), classes))
    rows = np.arange(len(own))
    sums[rows[:, None], other] = -signed
    sums[rows, own] = signed.sum(axis=1)
    first, second = np.triu_indices(classes, 1)
    offsets = np.bincount(first, intercepts, classes) - np.bincount(second, intercepts, classes)
    absolute = np.stack([np.abs(part).sum(axis=0) for part in np.split(coefficients, starts[1:-1])])
    largest = float((absolute[first, second - 1] + absolute[second, first]).max())
    ordered = np.sort(sizes)
    parts = tuple(intercepts[second == class_] for class_ in range(1, classes))
    scale = 1 / (classes - 1)
    return Machines(
        np.ascontiguousarray(coefficients.T), starts, parts, sums.T * scale, offsets * scale, largest, int(ordered[-1] + ordered[-2])
    )


def kernel_values(kernel: str, gamma: float, products: np.ndarray, squares: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Kernel values (s, n) from inner products, which are overwritten, and squared lengths (s,) and (n,), in the products' precision."""
    if kernel == "poly":
        products *= gamma
        products *= products * products
    elif kernel == "rbf":
        products *= -2
        products += squares.astype(products.dtype)[:, None]
        products += lengths.astype(products.dtype)
        np.maximum(products, 0, out=products)
        products *= -gamma
        np.exp(products, out=products)
    return products


def pairwise(model: Machines, values: np.ndarray, space: np.ndarray, *, votes: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """(k, n) of kernel values (S, n): each class's smallest decision; and, if asked for, its votes (k, n).

    `space` (k, k, n) is overwritten. A decision of 0 is a vote for the later class, as in LIBSVM.
    """
    classes = len(space)
    smallest = np.full((classes, values.shape[1]), np.inf, values.dtype)
    counts = np.zeros_like(smallest) if votes else None
    for class_ in range(classes):
        mine = slice(model.starts[class_], model.starts[class_ + 1])
        np.matmul(model.coefficients[class_:, mine], values[mine], out=space[class_, class_ + 1 :])  # the later classes' add theirs
        if not class_:
            continue
        decisions = np.matmul(model.coefficients[:class_, mine], values[mine], out=space[class_, :class_])
        decisions += space[:class_, class_]
        decisions += model.intercepts[class_ - 1][:, None]
        np.minimum(smallest[:class_], decisions, out=smallest[:class_])
        np.minimum(smallest[class_], -decisions.max(axis=0), out=smallest[class_])
        if counts is not None:
            np.greater(decisions, 0, out=decisions)
            counts[:class_] += decisions
            counts[class_] += class_ - decisions.sum(axis=0)
    return smallest, counts
