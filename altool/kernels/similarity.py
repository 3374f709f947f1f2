"""Similarities between rows, as inner products: the cosine of features, or of gradient embeddings that are never written out.

The gradient of a row's loss by the last layer, bias included, is the outer product of a residual (one-hot label - probabilities) and of
[features, 1]; so a cosine of gradients is the product of two small cosines. A candidate's label is its likeliest class (the lowest at
a tie), a labeled row's is its own (SIMILAR; Kothawade et al. 2021). The shifted kernel is (1 + cosine) / 2. A vector of length 0 has
cosine 0 with everything, itself included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from altool.errors import InputError
from altool.kernels.blocks import BLOCK, Matrix, double, gather, host, inner, like, namespace, walk
from altool.kernels.gradients import residuals
from altool.options import Option, classes

ERROR = 1e-6  # of one float32 similarity, generously
CHUNK = 1024  # columns of a block product
SHORT = 1e-18  # features shorter than this count as zeros: the square of less is no longer a float32
SHORT_RESIDUAL = 1e-30
# The options of the measures that compare rows with labeled ones.
QUERY_CLASSES = Option(
    "query_classes",
    metavar="A,B",
    convert=classes,
    shown="all labeled classes but the most common",
    help="Classes of interest, or a file of them.",
)
PRIVATE_CLASSES = Option(
    "private_classes",
    metavar="A,B",
    convert=classes,
    shown="all other labeled classes",
    help="Classes to stay away from, or a file of them.",
)
SIMILARITY = Option(
    "similarity",
    choices=("features", "gradient"),
    metavar="NAME",
    shown="gradient with --predictions, else features",
    help="What is compared: features or gradient.",
)
KERNEL = Option("kernel", default="shifted", choices=("shifted", "cosine"), metavar="NAME", help="shifted, (1 + cosine) / 2, or cosine.")
ETA = Option("eta", float, 1.0, "Weight of the query classes.", low=0)
NU = Option("nu", float, 1.0, "How strictly to avoid the private classes.", low=0)
RIDGE = Option("ridge", float, 1.0, "Added to the diagonal; of gccg the weight of redundancy.", low=1e-9)
Factors = list[Matrix]  # the unit vectors of some rows: [features] or [features and a 1, residuals]


@dataclass(frozen=True)
class Rows:
    """Some rows, seen through a kernel.

    `matrices` is (features,) or (features, probabilities); `classes` (n,) are the labels of gradients; `positions` picks rows of the
    matrices (None: all).
    """

    matrices: tuple[Matrix, ...]
    classes: np.ndarray | None
    shifted: bool
    positions: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.matrices[0] if self.positions is None else self.positions)

    def exact(self, at: np.ndarray) -> Factors:
        """The unit vectors of the rows at `at`, in float64, where the matrices lie."""
        at = at if self.positions is None else self.positions[at]
        return unit([gather(matrix, at) for matrix in self.matrices], None if self.classes is None else self.classes[at])

    def kernel(self, cosines: Any) -> Any:
        """Similarities from cosines, in place."""
        if self.shifted:
            cosines += 1
            cosines *= 0.5
        return cosines

    def similarities(self, left: Factors, right: Factors) -> Matrix:
        """(len(left), len(right)) similarities of two lots of unit vectors, in their precision."""
        cosines = left[0] @ right[0].T
        if len(left) > 1:
            width = min(left[1].shape[1], right[1].shape[1])  # a class that only labels know has no column in the other
            cosines *= left[1][:, :width] @ right[1][:, :width].T
        return self.kernel(cosines)


@dataclass(frozen=True)
class Candidates(Rows):
    """The rows to choose from. `scale` (n,) float32 is one over a vector's length, 0 for none; `head` (n,) is the first row that is
    the same vector, so copies can wait until the one before them is chosen."""

    scale: np.ndarray = None  # type: ignore[assignment]
    head: np.ndarray = None  # type: ignore[assignment]

    def following(self) -> np.ndarray:
        """For every row the next copy of it, or -1; int64 (n,)."""
        after = np.full(len(self), -1)
        order = np.argsort(self.head, kind="stable")
        same = self.head[order[1:]] == self.head[order[:-1]]
        after[order[:-1][same]] = order[1:][same]
        return after

    def own(self) -> np.ndarray:
        """Every row's similarity with itself, float64 (n,)."""
        return self.kernel((self.scale > 0).astype(np.float64))

    def between(self, at: Any, blocks: Sequence[Matrix], others: Factors) -> Matrix:
        """(len(block), len(others)) float32 similarities of the rows `at` (a slice or positions), whose float32 `blocks` these are."""
        return self.kernel(self.cosines(at, blocks, others))

    def cosines(self, at: Any, blocks: Sequence[Matrix], others: Factors) -> Matrix:
        """The same before the kernel."""
        products = blocks[0] @ others[0][:, : blocks[0].shape[1]].T
        if self.classes is not None:
            products += others[0][:, -1]
            products *= residuals(blocks[1], self.classes[at]) @ others[1][:, : blocks[1].shape[1]].T
        products *= like(self.scale[at], blocks[0])[:, None]
        return products

    def exactly(self, at: slice, blocks: Sequence[Matrix], others: Factors) -> np.ndarray:
        """The same in float64; `others` are on the host."""
        classes = None if self.classes is None else self.classes[at]
        return self.similarities([host(factor) for factor in unit(blocks, classes)], others)

    def totals(self, at: Any, blocks: Sequence[Matrix], total: Total) -> np.ndarray:
        """float64 sums of every row's similarities with the rows that `total` adds up, to float32 precision."""
        products = blocks[0] @ like(total.sum[:, : blocks[0].shape[1]].astype(np.float32), blocks[0]).T
        if self.classes is not None:
            products += like(total.sum[:, -1].astype(np.float32), blocks[0])
            products *= residuals(blocks[1], self.classes[at])
        return total.kernel(host(products.sum(1)).astype(np.float64) * self.scale[at])


@dataclass
class Total:
    """A weighted sum of rows' vectors: `sum` (1, D) or (K, D + 1), and the sum of the weights; similarity with it costs one product."""

    sum: np.ndarray
    weight: float
    shifted: bool

    def add(self, factors: Factors, weights: np.ndarray) -> None:
        """Add these rows with these weights."""
        features = host(factors[0])
        left = host(factors[1]) if len(factors) > 1 else np.ones((len(features), 1))
        width = min(left.shape[1], len(self.sum))
        self.sum[:width] += (left[:, :width] * weights[:, None]).T @ features
        self.weight += float(weights.sum())

    def subtract(self, other: Total, weight: float) -> None:
        """Take away another sum, so many times."""
        self.sum -= weight * other.sum
        self.weight -= weight * other.weight

    def kernel(self, cosines: np.ndarray) -> np.ndarray:
        """Sums of similarities from weighted sums of cosines."""
        return (cosines + self.weight) / 2 if self.shifted else cosines

    def exact(self, factors: Factors) -> np.ndarray:
        """Sums of similarities with these rows, float64."""
        products = host(factors[0]) @ self.sum.T
        if len(factors) > 1:
            products *= host(factors[1])
        return self.kernel(products.sum(axis=1))


def total(rows: Rows, candidates: Candidates, weights: np.ndarray | None = None) -> Total:
    """The sum of all vectors of `rows`, times `weights` (len(rows),) if there are any."""
    width = candidates.matrices[0].shape[1] + (candidates.classes is not None)
    depth = 1 if candidates.classes is None else candidates.matrices[1].shape[1]
    result = Total(np.zeros((depth, width)), 0.0, candidates.shifted)
    weights = np.ones(len(rows)) if weights is None else weights
    for start in range(0, len(rows), BLOCK):
        at = np.arange(start, min(start + BLOCK, len(rows)))
        result.add(rows.exact(at), weights[at])
    return result


def unit(blocks: Sequence[Matrix], classes: np.ndarray | None) -> Factors:
    """Unit vectors in float64 of these rows: features, or [features, 1] and the residual."""
    xp = namespace(blocks[0])
    features = double(blocks[0])
    if classes is None:
        return [shortened(features, SHORT)]
    width = max(blocks[1].shape[1], int(classes.max(initial=-1)) + 1)
    probabilities = xp.zeros_like(features[:, :1]) * double(like(np.zeros((1, width)), blocks[1]))
    probabilities[:, : blocks[1].shape[1]] = blocks[1]
    features = xp.hstack([features, xp.ones_like(features[:, :1])])
    return [shortened(features, SHORT), shortened(residuals(probabilities, classes), SHORT_RESIDUAL)]


def shortened(vectors: Matrix, least: float) -> Matrix:
    """`vectors` scaled to length 1; those shorter than `least` to 0."""
    xp = namespace(vectors)
    lengths = xp.sqrt((vectors * vectors).sum(1))
    vectors *= ((lengths >= least) / xp.clip(lengths, least, None))[:, None]
    return vectors


def matching(array: np.ndarray, matrix: Matrix) -> Matrix:
    """`array` where `matrix` lies and in its precision."""
    return array.astype(matrix.dtype) if isinstance(matrix, np.ndarray) else like(array, matrix).to(matrix.dtype)


def coarse(factors: Factors) -> Factors:
    """Exact unit vectors as float32, for products with blocks."""
    return [factor.astype(np.float32) if isinstance(factor, np.ndarray) else factor.float() for factor in factors]


def candidates(features: Matrix, probabilities: Matrix | None, shifted: bool) -> Candidates:
    """The rows of `features` (n, D) through the cosine of features, or of gradients if `probabilities` (n, K) are given."""
    count, xp = len(features), namespace(features)
    matrices = (features,) if probabilities is None else (features, probabilities)
    classes = None if probabilities is None else np.empty(count, np.int64)
    scale = np.empty(count, np.float32)
    keys = np.empty(count, np.uint64)
    draw = np.random.default_rng(0)
    rays = [like(draw.normal(size=matrix.shape[1]).astype(np.float32), matrix) for matrix in matrices]

    def measure(part: slice, *blocks: Matrix) -> None:
        squares = inner(blocks[0], blocks[0])
        lengths = host(squares).astype(np.float64)
        if not np.isfinite(lengths).all():
            lengths = host((double(blocks[0]) ** 2).sum(1))
        prints = [host(squares), *(host(inner(block, ray)) for block, ray in zip(blocks, rays, strict=True))]
        lengths = np.sqrt(lengths) if classes is None else np.sqrt(1 + lengths)
        found = lengths >= SHORT
        if classes is not None:
            classes[part] = host(blocks[1].argmax(1))
            sizes = host(xp.sqrt((double(residuals(blocks[1], classes[part])) ** 2).sum(1)))
            found &= sizes >= SHORT_RESIDUAL
            lengths *= sizes
        scale[part] = found / np.where(found, lengths, 1)
        key = np.zeros(len(found), np.uint64)
        for number in prints:
            key = key * np.uint64(0x9E3779B97F4A7C15) + number.astype(np.float32).view(np.uint32)
        keys[part] = np.where(found, key, np.uint64(0))

    for _ in walk(measure, *matrices):
        pass
    return Candidates(matrices, classes, shifted, None, scale, heads(matrices, scale, keys))


def heads(matrices: Sequence[Matrix], scale: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """The first of the rows that are equal to each row (or have no length either), int64 (n,); `keys` are equal where rows are."""
    order = np.argsort(keys, kind="stable")
    alike = np.flatnonzero(keys[order[1:]] == keys[order[:-1]])
    fresh = np.ones(len(order), bool)  # in sorted order: begins a new vector
    for start in range(0, len(alike), BLOCK):
        some = alike[start : start + BLOCK]
        left, right = order[some], order[some + 1]
        same = np.ones(len(some), bool)
        for matrix in matrices:
            same &= host((gather(matrix, left) == gather(matrix, right)).all(1))
        fresh[some + 1] = ~(same | ((scale[left] == 0) & (scale[right] == 0)))
    head = np.empty(len(order), np.int64)
    head[order] = order[np.maximum.accumulate(np.where(fresh, np.arange(len(order)), 0))]
    return head


def prepare(
    features: Matrix,
    labeled_features: Matrix,
    labels: np.ndarray,
    probabilities: Matrix | None,
    labeled_probabilities: Matrix | None,
    similarity: str | None,
    kernel: str,
) -> tuple[Candidates, Rows]:
    """The candidates and the labeled rows through the kernel of these options.

    `features` (n, D) and `labeled_features` (m, D) are float32 or float16, `labels` (m,) int64, `probabilities` (n, K) and
    `labeled_probabilities` (m, K) or None; labels may name classes beyond K, whose probability is 0. `similarity` is "features",
    "gradient", or None: gradient if there are probabilities. `kernel` is "shifted", (1 + cosine) / 2, or "cosine". Raises InputError
    where gradients lack the probabilities.
    """
    gradient = similarity == "gradient" or (similarity is None and probabilities is not None)
    if gradient and (probabilities is None or labeled_probabilities is None):
        raise InputError("--similarity gradient: there are no predictions", "give --predictions, or use --similarity features")
    shifted = kernel == "shifted"
    labels = np.asarray(labels, np.int64)
    if not gradient:
        return candidates(features, None, shifted), Rows((labeled_features,), None, shifted)
    return candidates(features, probabilities, shifted), Rows((labeled_features, labeled_probabilities), labels, shifted)


def having(rows: Rows, labels: np.ndarray, classes: Sequence[int]) -> Rows:
    """Those of the labeled `rows` whose label is among `classes`."""
    return Rows(rows.matrices, rows.classes, rows.shifted, np.flatnonzero(np.isin(labels, list(classes))))


def queries(rows: Rows, labels: np.ndarray, classes: Sequence[int]) -> Rows:
    """The query set: `having`, but none is an InputError."""
    found = having(rows, labels, classes)
    if not len(found):
        raise InputError("labels: no labeled row of the query classes", "label a few rows of them first, or give other --query-classes")
    return found
