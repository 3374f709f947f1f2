"""Near copies: rows whose vectors have a cosine of at least a threshold. A vector of length 0 is nobody's copy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from altool.kernels.blocks import double
from altool.kernels.similarity import SHORT, candidates, shortened

ROUNDING = 1e-9  # by so much a float64 cosine of equal rows may miss 1
BLOCK = 1024  # rows that are compared at once
CHUNK = 8192  # with so many others
ERROR = 1e-5  # of a float32 cosine, generously
SLACK = 1e-5  # of a squared distance of float32 points
SAMPLE = 2048  # rows that axes are taken from
TELLING = 100_000
LEAF = 256  # rows: so that a block of products stays in the cache
DENSE = 0.05  # share of a block's pairs


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


@dataclass(frozen=True)
class Nearest:
    """Of the rows that are near copies: their int64 `rows` (r,), rising, the `others` (r,) that each is most like (of equal ones the
    smaller), and the `cosines` float64 (r,)."""

    rows: np.ndarray
    others: np.ndarray
    cosines: np.ndarray


def nearest(left: np.ndarray, right: np.ndarray | None, threshold: float, advance: Callable[[int], None] = lambda rows: None) -> Nearest:
    """The rows of `left` (n, D) float that are near copies of one of `right` (m, D) or, where that is None, of an earlier row of `left`.

    Equal rows are found by their hashes. Of the others every pair with a cosine of at least the `threshold` is found, and few pairs more
    are looked at. Rows of length 1 lie at most sqrt(2 - 2 threshold) apart, and no farther in any projection: on the first principal axes,
    of which few tell most pairs apart. Along these the rows are cut at the medians into leaves. Leaves whose boxes are too far apart are
    skipped, and of the others the pairs that are too far apart on these axes; the rest is compared whole. At worst, where no axes tell
    rows apart, that is n m D / 2 products. Cosines are of float32, but those that may miss the threshold are decided in float64.
    """
    if right is not None:
        return _join(left, right, threshold, advance)
    equal = candidates(left, None, False)
    firsts = np.flatnonzero((equal.head == np.arange(len(left))) & (equal.scale > 0))
    repeated = np.flatnonzero((equal.head != np.arange(len(left))) & (equal.scale > 0))
    advance(len(left) - len(firsts))
    found = _join(left[firsts], None, threshold, advance)
    rows, others = np.concatenate([firsts[found.rows], repeated]), np.concatenate([firsts[found.others], equal.head[repeated]])
    order = np.argsort(rows)
    return Nearest(rows[order], others[order], np.concatenate([found.cosines, np.ones(len(repeated))])[order])


def _join(left: np.ndarray, right: np.ndarray | None, threshold: float, advance: Callable[[int], None]) -> Nearest:
    """`nearest`, of rows that are all looked at."""
    mine = single(left)
    theirs = mine if right is None else single(right)
    count = len(mine)
    best, others = np.full(count, -np.inf), np.full(count, -1, np.int64)
    if not count or not len(theirs):
        return Nearest(others[:0], others[:0], best[:0])
    reach = 2 - 2 * (threshold - ROUNDING) + SLACK  # of squared distances
    axes = _axes(mine, theirs, reach)
    a = _Leaves(mine, axes)
    b = a if right is None else _Leaves(theirs, axes)
    for number in range(len(a.starts) - 1):
        first, last = a.starts[number : number + 2]
        gaps = np.maximum(0, np.maximum(b.low - a.high[number], a.low[number] - b.high))
        close = np.flatnonzero((gaps * gaps).sum(axis=1) <= reach)
        close = close[close >= number] if right is None else close
        columns = np.concatenate([np.arange(b.starts[leaf], b.starts[leaf + 1]) for leaf in close]) if len(close) else close
        for start in range(0, len(columns), BLOCK):
            some = columns[start : start + BLOCK]
            rows, partners = _pairs(mine, theirs, a, b, first, last, some, reach)
            own, other = a.order[rows], b.order[partners]
            if right is None:
                kept = own != other
                own, other = np.maximum(own, other)[kept], np.minimum(own, other)[kept]
            cosines = _cosines(mine, theirs, own, other)
            unsure = np.flatnonzero(np.abs(cosines - threshold) < ERROR)
            if len(unsure):
                exact = units(left[own[unsure]]), units((left if right is None else right)[other[unsure]])
                cosines[unsure] = np.einsum("ij,ij->i", *exact)
            kept = cosines >= threshold - ROUNDING
            _keep_best(own[kept], other[kept], cosines[kept], best, others)
        advance(int(last - first))
    found = np.flatnonzero(others >= 0)
    return Nearest(found, others[found], np.minimum(best[found], 1))


def single(rows: np.ndarray) -> np.ndarray:
    """float32 vectors of length 1, or 0, by blocks."""
    found = np.empty(rows.shape, np.float32)
    for start in range(0, len(rows), CHUNK):
        found[start : start + CHUNK] = units(rows[start : start + CHUNK])
    return found


def _axes(mine: np.ndarray, theirs: np.ndarray, reach: float) -> np.ndarray:
    """float32 (D, p): orthonormal, the first principal axes of a sample; as few as leave one in `TELLING` pairs within reach."""
    draw = np.random.default_rng(0)
    of = (mine,) if mine is theirs else (mine, theirs)
    sample, other = (np.concatenate([rows[np.sort(draw.permutation(len(rows))[:SAMPLE])] for rows in of]) for _ in range(2))
    axes = np.linalg.svd(sample - sample.mean(axis=0), full_matrices=False)[2].T
    copies = _within(other, reach)  # the axes tell the rows that they are of apart better than others
    for p in range(8, axes.shape[1], 8):
        if _within(other @ axes[:, :p], reach) - copies <= len(other) ** 2 / TELLING:
            return np.ascontiguousarray(axes[:, :p])
    return np.ascontiguousarray(axes)


def _within(points: np.ndarray, reach: float) -> int:
    """How many ordered pairs of the points (n, p) are at most so far apart, as squared distances go."""
    points = double(points)
    lengths = (points * points).sum(axis=1)
    return int((lengths[:, None] + lengths - 2 * points @ points.T <= reach).sum())


class _Leaves:
    """Rows cut at the medians of the widest axis into leaves: leaf i is `order[starts[i] : starts[i + 1]]`, its box `low[i]` to `high[i]`.

    `points` and `mirrored` (n, p + 2), in this order, have as products half the squared distances on the axes, less than 0.
    """

    def __init__(self, rows: np.ndarray, axes: np.ndarray) -> None:
        points = rows @ axes
        parts, leaves = [np.arange(len(rows))], []
        while parts:
            part = parts.pop()
            own = points[part]
            if len(part) <= LEAF:
                leaves.append(part)
                continue
            axis = int((own.max(axis=0) - own.min(axis=0)).argmax())
            cut = np.argpartition(own[:, axis], len(part) // 2)
            parts += [part[cut[len(part) // 2 :]], part[cut[: len(part) // 2]]]
        self.order = np.concatenate(leaves)
        self.starts = np.cumsum([0, *map(len, leaves)])
        points = points[self.order]
        self.low = np.minimum.reduceat(points, self.starts[:-1])
        self.high = np.maximum.reduceat(points, self.starts[:-1])
        halves = (points * points).sum(axis=1, keepdims=True) / -2
        self.points = np.hstack([points, halves, np.ones_like(halves)])
        self.mirrored = np.hstack([points, np.ones_like(halves), halves])


def _pairs(
    mine: np.ndarray, theirs: np.ndarray, a: _Leaves, b: _Leaves, first: int, last: int, columns: np.ndarray, reach: float
) -> tuple[np.ndarray, np.ndarray]:
    """Which of the rows first to last of `a` and which of the `columns` of `b` are within reach on the axes: places in their orders."""
    products = a.points[first:last] @ b.mirrored[columns].T  # less half the squared distance
    rows = np.flatnonzero(products.max(axis=1) >= -reach / 2)
    within = products[rows] >= -reach / 2
    if len(rows) and within.mean() > DENSE:  # the whole block at once is cheaper than pair by pair
        whole = mine[a.order[first + rows]] @ theirs[b.order[columns]].T
        within &= whole >= 1 - reach / 2 - ERROR
    found, partners = np.nonzero(within)
    return first + rows[found], columns[partners]


def _cosines(mine: np.ndarray, theirs: np.ndarray, own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """float64 (k,): of these pairs of unit vectors, summed in float32."""
    found = np.empty(len(own))
    for start in range(0, len(own), CHUNK):
        part = slice(start, start + CHUNK)
        found[part] = np.einsum("ij,ij->i", mine[own[part]], theirs[other[part]])
    return found


def _keep_best(own: np.ndarray, other: np.ndarray, cosines: np.ndarray, best: np.ndarray, others: np.ndarray) -> None:
    """Take these pairs into account: of each row the largest cosine so far, of equal ones with the smaller row."""
    order = np.lexsort((other, -cosines, own))
    own, other, cosines = own[order], other[order], cosines[order]
    fresh = np.ones(len(own), bool)
    fresh[1:] = own[1:] != own[:-1]
    own, other, cosines = own[fresh], other[fresh], cosines[fresh]
    better = (cosines > best[own]) | ((cosines == best[own]) & (other < others[own]))
    best[own[better]], others[own[better]] = cosines[better], other[better]
