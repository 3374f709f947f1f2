"""Cluster-Margin (Citovsky et al. 2021): the smallest margins, spread over clusters of the pool."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from altool.kernels import kmeans
from altool.kernels.blocks import Matrix, alike, gather, host, walk
from altool.kernels.top import top
from altool.options import Option
from altool.strategies import margin
from altool.strategies.registry import Strategy

POINTS = 5_000, 20_000  # at least and at most so many points stand for the rows of a larger pool
ROWS = 256
FACTOR = 1.25


def pick(
    features: Matrix,
    probabilities: Matrix,
    labeled_features: Matrix,
    count: int,
    rng: np.random.Generator,
    clusters: np.ndarray | None = None,
    *,
    cluster_margin_factor: float = FACTOR,
    cluster_margin_threshold: float | None = None,
) -> np.ndarray:
    """The k_m = ceil(factor x count) rows of smallest margin, in turn from each of their clusters: int64 (min(count, n),).

    The rows of `features` (n, D) and `labeled_features` (m, D) are clustered by average linkage of Euclidean distances, cut at the
    threshold (distances up to it are merged); equal rows share a cluster. Clusters that have the fewest of the k_m rows come first (ties:
    the one with the smallest position among these), each gives its row of smallest margin in `probabilities` (n, K), then each its next.

    The threshold is the paper's to choose, so that clusters have 1.25 or 10 rows with factor 1.25 or 10: None makes it the one at which
    they have `factor` rows on average, so that k_m rows like any others would fall into about `count` clusters.

    `clusters` int64 (n,), those of `clustering`, are kept over rounds, as in the paper; None makes them anew.

    Linkage needs memory for 8 bytes times the square of the number of points. Of a pool beyond 2 k_m rows (at least 5,000, at most
    20,000) so many k-means centres are linked in place of its rows, or left as they are where they are fewer clusters than wanted.
    Raises InputError for one class.
    """
    factor = Fraction(str(cluster_margin_factor))
    near = least(probabilities, min(len(features), math.ceil(factor * max(count, 0))), rng)
    if not len(near):
        return near
    if clusters is None:
        own = clustering([features, labeled_features], len(near), rng, factor, cluster_margin_threshold, near)
    else:
        own = clusters[near]
    return near[_in_turn(near, own)[:count]]


def clustering(
    matrices: Sequence[Matrix],
    near: int,
    rng: np.random.Generator,
    factor: Fraction,
    threshold: float | None,
    rows: np.ndarray | None = None,
) -> np.ndarray:
    """int64: the cluster of each row of the first matrix, or of these `rows` of it, where all `matrices` are clustered for a round of so
    many rows of small margin."""
    total = sum(map(len, matrices))
    points = min(total, max(POINTS[0], min(POINTS[1], 2 * near)))
    wanted = None if threshold is not None else math.ceil(total / factor)
    chosen = np.arange(len(matrices[0])) if rows is None else rows
    if points == total:
        every = np.concatenate([host(gather(matrix, np.arange(len(matrix)))) for matrix in matrices])
        return _linked(every, threshold, wanted)[chosen]
    centres = kmeans.learn(matrices, points, rng, iterations=3, sample=8)
    cells = _cells(host(gather(matrices[0], chosen)), centres)
    return _linked(centres, threshold, wanted)[cells] if wanted is None or wanted < points else cells


def keep(features: Matrix, count: int, rng: np.random.Generator, options: Mapping[str, Any]) -> np.ndarray:
    """int64 (n,): the cluster of each row of a whole pool, with `options` of this strategy, for rounds of `count` rows."""
    factor = Fraction(str(options.get("cluster_margin_factor", FACTOR)))
    return clustering([features], math.ceil(factor * count), rng, factor, options.get("cluster_margin_threshold"))


def _linked(points: np.ndarray, threshold: float | None, wanted: int | None) -> np.ndarray:
    """The cluster of each of the `points` (k, D): average linkage up to the threshold, or the least one that leaves `wanted` at most."""
    if len(points) == 1:
        return np.zeros(1, np.int64)
    from scipy.cluster.hierarchy import fcluster, linkage

    tree = linkage(_distances(points), "average")
    if threshold is None:
        merges = len(points) - (wanted or 0)
        threshold = float(tree[merges - 1, 2]) if merges > 0 else 0.0
    return fcluster(tree, threshold, "distance")


def _distances(points: np.ndarray) -> np.ndarray:
    """The distances of all pairs in scipy's order, by a matrix product: ten times as fast as its pdist. Below 1e-6 of a norm they are 0."""
    wide = points.astype(np.float64) - points.mean(axis=0, dtype=np.float64)
    norms = (wide**2).sum(axis=1)
    count = len(points)
    found = np.empty(count * (count - 1) // 2)
    end = 0
    for start in range(0, count, ROWS):
        scale = norms[start : start + ROWS, None] + norms[start:]
        squares = scale - 2 * wide[start : start + ROWS] @ wide[start:].T
        squares[squares <= 1e-12 * scale] = 0
        np.sqrt(squares, out=squares)
        for number, row in enumerate(squares):
            begin, end = end, end + len(row) - number - 1
            found[begin:end] = row[number + 1 :]
    return found


def _cells(rows: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The number of each row's nearest centre, the same for equal rows, however the product was rounded."""
    first: dict[bytes, int] = {}
    same = np.array([first.setdefault(row.tobytes(), number) for number, row in enumerate(rows + np.float32(0))])
    return kmeans.assign(rows, centres)[0][same]


def _in_turn(positions: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """The order of rows, given best first, when clusters give one each in turn: those with fewer rows first, then smaller positions."""
    _, number, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    first = np.full(len(sizes), positions.max())
    np.minimum.at(first, number, positions)
    place = np.empty(len(sizes), np.int64)
    place[np.lexsort((first, sizes))] = np.arange(len(sizes))
    grouped = np.argsort(number, kind="stable")
    turn = np.empty(len(number), np.int64)
    turn[grouped] = np.arange(len(number)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.lexsort((place[number], turn))


def least(probabilities: Matrix, count: int, rng: np.random.Generator) -> np.ndarray:
    """The positions of the `count` rows of smallest margin, smallest first; ties by position. Where all tie, random ones."""
    scores = np.empty(len(probabilities))

    def work(part: slice, block: Matrix) -> None:
        scores[part] = margin.score(host(block))

    for _ in walk(work, probabilities):
        pass
    return rng.permutation(len(scores))[:count] if alike(scores) else top(scores, count)


STRATEGY = Strategy(
    name="cluster-margin",
    shape="pick",
    function=pick,
    takes=("features", "probabilities", "labeled_features", "count", "rng"),
    optional=("clusters",),
    clustered=keep,
    options=(
        Option("cluster_margin_factor", float, FACTOR, "Rows of small margin per row chosen.", low=1),
        Option(
            "cluster_margin_threshold",
            float,
            low=0,
            shown="as many clusters as rows chosen",
            help="Distance up to which clusters are merged.",
        ),
    ),
    summary="the smallest margins, spread over clusters of all features",
    paper="Citovsky et al. 2021",
)
